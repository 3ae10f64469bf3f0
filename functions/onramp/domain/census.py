"""The census: all channels at 360dialog beside our numbers, page by page, its place remembered."""

from datetime import datetime, timedelta
from typing import ClassVar, Final, Literal

from pydantic import Field

from onramp.domain.records import Worked

EVERY: Final = timedelta(hours=24)
SOON: Final = timedelta(minutes=10)
"""At least so long after the last one ended another one begins, however many numbers wait."""
ONE_PAGE: Final = 200
"""So many channels or clients 360dialog lists with one call."""
UNKNOWN_TOLD: Final = 100
"""Ids of unknown channels that one report names."""

type List = Literal["channels", "clients"]


class Census(Worked):
    """The census of its hub. `offset` is where the next page begins, while one is under way (`began_at`).

    `unknown` are the billed channels of this round that belong to no number of ours; `unknown_count` all of
    them. `wanted`: somebody has asked during a round, so that the next one begins as soon as it may.
    `whole_since`: when the last round began that has come to its end, and `channels` how many it has seen.
    `long`: lists of 360dialog's that have more than one page, so that nobody need find out again.
    """

    KIND: ClassVar[str] = "CENSUS"

    offset: int = 0
    began_at: datetime | None = None
    ended_at: datetime | None = None
    seen: int = 0
    unknown: list[str] = Field(default_factory=list)
    unknown_count: int = 0
    wanted: bool = False
    whole_since: datetime | None = None
    channels: int = 0
    long: list[List] = Field(default_factory=list)
    due_at: datetime | None = None

    @property
    def identity(self) -> tuple[str, ...]:
        """The hub."""
        return (self.hub,)

    def begin(self, now: datetime) -> None:
        """A new round, unless one is under way."""
        if self.began_at is None:
            self.began_at = now
            self.offset = self.seen = self.unknown_count = 0
            self.unknown = []
            self.wanted = False

    def page_read(self, channels: int, unknown: list[str]) -> None:
        """A page has been dealt with."""
        self.offset += channels
        self.seen += channels
        self.unknown_count += len(unknown)
        self.unknown = [*self.unknown, *unknown][:UNKNOWN_TOLD]

    def end(self, now: datetime, *, whole: bool) -> None:
        """The round is over. `whole`: every page was read."""
        if whole:
            self.whole_since, self.channels = self.began_at, self.seen
            self.long = [name for name in self.long if name != "channels"]
            if self.seen > ONE_PAGE:
                self.long.append("channels")
        self.began_at = None
        self.ended_at = now
        self.due_at = now + (SOON if self.wanted else EVERY)
