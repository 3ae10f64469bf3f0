"""What every stored record has: it keeps what it does not know, and remembers at which version it was read.

A release may meet records of the one after it: fields it has never heard of, and new words where it knows a
list of words. Both are kept as they are and written back (promise 15). A default value never changes: it is
left out when a record is written.
"""

from datetime import datetime, timedelta
from typing import ClassVar, Final

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr

from onramp.domain.errors import LeaseLost, PutOff

SCHEMA: Final = 1
"""Written with every item; raised when a reader of an older release could misunderstand what is stored."""
HUB: Final = "default"
"""The hub of `[partner]`: that of everything which names none."""
LEASE: Final = timedelta(seconds=90)
"""Longer than the workers' timeout of 60 s, so that a holder is dead when its lease runs out."""
HELD_PAUSE: Final = timedelta(seconds=10)
"""Most runs take a moment: whoever holds a record will be done long before the lease is over."""


class Record(BaseModel):
    """Stored data. What a later release has put into it is kept and written back."""

    # Built at its first use: most functions use few of them, and all wait for what is built at the start.
    model_config = ConfigDict(extra="allow", defer_build=True)


class Fact(Record):
    """One thing that happened. `id` is given by the store: it sorts by time and tells copies apart.

    `subject` is the partition it is kept in: a signup's id, or `HUB#<hub>` for what concerns no signup.
    `bus` says whether the partner's own systems hear of it.
    """

    id: str = ""
    type: str
    at: datetime
    subject: str
    tenant: str | None = None
    reference: str | None = None
    phone_number_id: str | None = None
    channel_id: str | None = None
    detail: dict[str, str | None] = Field(default_factory=dict)
    bus: bool = True


class Stored(Record):
    """A record that is stored as one item and written under its version.

    `KIND` and `identity` name it. `told` are the facts that go into the store with its next write.
    """

    KIND: ClassVar[str]

    version: int = Field(default=0, exclude=True)
    _told: list[Fact] = PrivateAttr(default_factory=list)

    @property
    def identity(self) -> tuple[str, ...]:
        """What names this record among those of its kind."""
        raise NotImplementedError

    @property
    def forgotten_at(self) -> datetime | None:
        """When the store may forget it; None for never."""
        return None

    @property
    def told(self) -> list[Fact]:
        """Facts that wait for the next write."""
        return self._told


class Lease(Record):
    """Who works on a record, and until when it is theirs."""

    owner: str
    until: datetime


class Worked(Stored):
    """A record that is worked on by attempts, see `onramp.usecases.attempt`.

    `hub` is the partner it lies at. `attempts` counts the runs of the present step. `waiting_since`: the
    first of the put-offs that have followed each other since the last counted attempt.
    """

    lease: Lease | None = None
    hub: str = HUB
    attempts: int = 0
    waiting_since: datetime | None = None

    def is_held(self, now: datetime) -> bool:
        """Whether a run that may still be alive has this record."""
        return self.lease is not None and self.lease.until > now

    def lend(self, owner: str, now: datetime) -> None:
        """Give the record to a run and count the attempt. Raises `PutOff` while another run has it."""
        if self.lease is not None and self.lease.owner != owner and self.lease.until > now:
            raise PutOff(min(self.lease.until, now + HELD_PAUSE), "another run is at it")
        self.lease = Lease(owner=owner, until=now + LEASE)
        self.attempts += 1

    def require_lease(self, owner: str) -> None:
        """Raise `LeaseLost` unless `owner` still has this record."""
        if self.lease is None or self.lease.owner != owner:
            raise LeaseLost("/".join(self.identity))

    def give_back(self, now: datetime, *, counted: bool, waits: bool) -> None:
        """End a run. `counted`: its attempt is used up. `waits`: it was put off, which has its limit."""
        self.lease = None
        self.attempts -= 0 if counted else 1
        self.waiting_since = (self.waiting_since or now) if waits else None if counted else self.waiting_since

    def begin_anew(self) -> None:
        """The step is behind it: the next one has all its attempts, and nobody holds the record."""
        self.lease = None
        self.attempts = 0
        self.waiting_since = None
