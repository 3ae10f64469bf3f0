"""What one tenant has open and has opened today, so that limits can be kept; see `onramp.usecases.limits`."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import ClassVar, Final

from pydantic import Field

from onramp.domain.records import Stored

DAY: Final = timedelta(days=1)


class Holding(Stored):
    """One small record for a tenant, written only where a deployment has limits.

    `signups` and `links` are those that are open, by id, each with the end of its time in seconds since 1970.
    `opened` counts the signups of `day`, a date of UTC.
    """

    KIND: ClassVar[str] = "TENANT"

    tenant: str
    day: str = ""
    opened: int = 0
    signups: dict[str, int] = Field(default_factory=dict)
    links: dict[str, int] = Field(default_factory=dict)

    @property
    def identity(self) -> tuple[str, ...]:
        """The tenant."""
        return (self.tenant,)

    @property
    def forgotten_at(self) -> datetime | None:
        """When nothing of it counts any more."""
        ends = [datetime.fromtimestamp(end, UTC) for end in (*self.signups.values(), *self.links.values())]
        if self.day:
            ends.append(datetime.fromisoformat(self.day).replace(tzinfo=UTC) + DAY)
        return max(ends, default=None)

    def age(self, now: datetime) -> None:
        """Let go of what has ended by itself, and of another day's count."""
        seconds = now.timestamp()
        self.signups = _open(self.signups, seconds)
        self.links = _open(self.links, seconds)
        today = now.astimezone(UTC).date().isoformat()
        if self.day != today:
            self.day, self.opened = today, 0

    def gain_signup(self, signup_id: str, until: datetime) -> None:
        """A signup without a link is opened."""
        self.signups = {**self.signups, signup_id: int(until.timestamp())}
        self.opened += 1

    def gain_link(self, link_id: str, until: datetime) -> None:
        """A link is made, and a signup with it."""
        self.links = {**self.links, link_id: int(until.timestamp())}
        self.opened += 1

    def release(self, *ids: str) -> None:
        """These are not open any more."""
        self.signups = {name: end for name, end in self.signups.items() if name not in ids}
        self.links = {name: end for name, end in self.links.items() if name not in ids}


def _open(ends: Mapping[str, int], now: float) -> dict[str, int]:
    return {name: end for name, end in ends.items() if end > now}
