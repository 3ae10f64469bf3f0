"""The signup link: lets a customer without a login of the partner's through one prepared signup.

Its address carries `<id>.<secret>` in the fragment, which no server and no log is sent. Only digests of
secrets are stored. Whoever opens it adds a `visit`, a random text of the browser's: opening changes nothing,
and the first code that brings a token binds the link to its visit.

    open ──► used      a code of one visit has brought a token: that visit goes on, all others are refused
      │  └─► expired   nobody came in time
      └────► revoked   its maker took it back; also a used one
"""

import hashlib
import hmac
import re
from datetime import datetime, timedelta
from enum import StrEnum
from typing import ClassVar, Final, NamedTuple

from pydantic import Field

from onramp.domain.facts import FACTS, FactType
from onramp.domain.records import Fact, Stored
from onramp.domain.text import iso

LONGEST: Final = timedelta(days=30)
"""How long a link lives at most; also in the configuration."""
SHORTEST: Final = timedelta(days=1)
LINGER: Final = timedelta(days=30)
"""So long after its end a link is still known: its customer is told why it is dead, or sees their numbers."""
MOST_SECRETS: Final = 5
"""Addresses of one link: each repeat of the call that made it gives a new one, for only digests are kept."""
_TOKEN: Final = re.compile(
    r"(?P<link_id>[0-9A-Za-z]{1,64})\.(?P<secret>[0-9A-Za-z_-]{43})\.(?P<visit>[0-9A-Za-z_-]{16,128})"
)
LONGEST_TOKEN: Final = 64 + 1 + 43 + 1 + 128


class LinkStatus(StrEnum):
    """What has become of a link."""

    OPEN = "open"
    USED = "used"
    EXPIRED = "expired"
    REVOKED = "revoked"


REFUSALS: Final = {
    LinkStatus.USED: "link_used",
    LinkStatus.EXPIRED: "link_expired",
    LinkStatus.REVOKED: "link_revoked",
}
"""The problem of a caller with a dead link."""


class Token(NamedTuple):
    """What a caller with a link sends."""

    link_id: str
    secret: str
    visit: str


def read_token(sent: str | None) -> Token | None:
    """`<link_id>.<secret>.<visit>` in its parts; None for anything else."""
    if sent is None or len(sent) > LONGEST_TOKEN:
        return None
    found = _TOKEN.fullmatch(sent)
    return Token(**found.groupdict()) if found else None


def digest_of(text: str) -> str:
    """What is stored of a secret or a visit: neither can be found out from it, for both are random."""
    return hashlib.sha256(text.encode()).hexdigest()


class Link(Stored):
    """A link to one signup. `secrets` and `visit` are digests; `visit` is the one that has used it.

    A link that was used without a visit (its signup's code came with the partner's own token) lets nobody in.
    """

    KIND: ClassVar[str] = "LINK"

    id: str
    tenant: str
    signup_id: str
    reference: str | None = None
    language: str | None = None
    success_url: str | None = None
    failure_url: str | None = None
    secrets: list[str] = Field(default_factory=list)
    created_at: datetime
    expires_at: datetime
    visit: str | None = None
    used_at: datetime | None = None
    revoked_at: datetime | None = None

    @property
    def identity(self) -> tuple[str, ...]:
        """Our own id."""
        return (self.id,)

    @property
    def forgotten_at(self) -> datetime:
        """Some time after its end."""
        return self.expires_at + LINGER

    @property
    def stored_status(self) -> LinkStatus:
        """What has become of it as it is written down; that an open one has expired, only the clock knows."""
        if self.revoked_at is not None:
            return LinkStatus.REVOKED
        return LinkStatus.OPEN if self.used_at is None else LinkStatus.USED

    def status(self, now: datetime) -> LinkStatus:
        """What has become of it at a time."""
        status = self.stored_status
        return LinkStatus.EXPIRED if status is LinkStatus.OPEN and now >= self.expires_at else status

    def knows(self, secret: str) -> bool:
        """Whether a secret is one of its own; takes the same time for every other one."""
        mine = digest_of(secret)
        return sum(hmac.compare_digest(mine, known) for known in self.secrets) > 0

    def refusal(self, visit: str, now: datetime) -> str | None:
        """Why a visit is not let in, a key of `PROBLEMS`; None when it is."""
        status = self.status(now)
        theirs = status is LinkStatus.USED and hmac.compare_digest(digest_of(visit), self.visit or "")
        return None if theirs else REFUSALS.get(status)

    def made(self) -> None:
        """Tell that it is there."""
        self._tell(FactType.SIGNUP_LINK_MADE, self.created_at, expires_at=iso(self.expires_at))

    def add_secret(self, secret: str) -> None:
        """One more address of it; when there are many, the newest makes room, for the first may be sent."""
        self.secrets = [*self.secrets[: MOST_SECRETS - 1], digest_of(secret)]

    def spend(self, visit: str | None, now: datetime) -> None:
        """A code has brought a token: from now on the link is that visit's, or nobody's."""
        if self.used_at is None:
            self.used_at = now
            self.visit = digest_of(visit) if visit is not None else None
            self._tell(FactType.SIGNUP_LINK_USED, now)

    def revoke(self, now: datetime) -> None:
        """Take it back, a used one too; one that has ended already stays as it is."""
        if self.status(now) in {LinkStatus.OPEN, LinkStatus.USED}:
            self.revoked_at = now
            self._tell(FactType.SIGNUP_LINK_REVOKED, now)

    def _tell(self, fact: FactType, now: datetime, **detail: str | None) -> None:
        self.told.append(
            Fact(
                type=fact,
                at=now,
                subject=self.signup_id,
                tenant=self.tenant,
                reference=self.reference,
                detail={"link_id": self.id, **detail},
                bus=FACTS[fact].bus,
            )
        )
