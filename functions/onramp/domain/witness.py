"""What Meta tells of a customer who let our app in: a witness of a signup, also when its code never came.

The witness of an account is written from two sides, in any order: by Meta's webhook (`heard`) and by the
signup that has proved the account (`proved`).
"""

from datetime import datetime, timedelta
from typing import ClassVar, Final

from onramp.domain.records import Record, Stored

KEPT: Final = timedelta(days=90)
"""Longer than a customer waits to complain."""
CODE_COMES: Final = timedelta(minutes=10)
"""So much later than the exchange Meta may tell of the same popup; and so long a code is waited for."""


class Recovery(Record):
    """The way back of a signup that was lost: written before Meta is asked, so that it is one signup."""

    signup_id: str
    tenant: str
    at: datetime


class Witness(Stored):
    """One account (Meta's `waba_id`) that let our app in at `added_at`, and took it out at `removed_at`.

    `signup_id` has proved it at `proved_at`. `recovery` is the way back that was begun last.
    """

    KIND: ClassVar[str] = "WITNESS"

    waba_id: str
    business_id: str | None = None
    solution_id: str | None = None
    heard_at: datetime
    added_at: datetime | None = None
    removed_at: datetime | None = None
    signup_id: str | None = None
    proved_at: datetime | None = None
    recovery: Recovery | None = None

    @property
    def identity(self) -> tuple[str, ...]:
        """Meta's id of the account."""
        return (self.waba_id,)

    @property
    def forgotten_at(self) -> datetime:
        """When nobody needs it any more."""
        return self.heard_at + KEPT

    @property
    def is_lost(self) -> bool:
        """Whether a customer came whose code did not; in the first minutes it may still come."""
        if self.added_at is None or (self.removed_at is not None and self.removed_at >= self.added_at):
            return False
        return self.proved_at is None or self.added_at > self.proved_at + CODE_COMES

    def heard(
        self, *, added: bool, at: datetime, now: datetime, business_id: str | None, solution_id: str | None
    ) -> None:
        """Meta's word: the latest of its kind counts, whatever the order."""
        if added and (self.added_at is None or at > self.added_at):
            self.added_at = at
            self.business_id = business_id or self.business_id
            self.solution_id = solution_id or self.solution_id
            self.heard_at = now
        elif not added:
            self.removed_at = max(at, self.removed_at or at)

    def proved(self, signup_id: str, at: datetime) -> None:
        """A signup has proved the account."""
        self.signup_id, self.proved_at = signup_id, at
