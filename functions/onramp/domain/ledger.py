"""360dialog's events as they are kept: each acts once within 30 days, and none is lost for coming early."""

import json
from datetime import datetime, timedelta
from enum import StrEnum
from typing import ClassVar, Final, Self

from pydantic import Field

from onramp.domain.number import channel_place, waba_place
from onramp.domain.partner_events import Channel, PartnerEvent, bare, read_event, reduced
from onramp.domain.records import HUB, Worked

EVENT_KEPT: Final = timedelta(days=30)
"""Unless the configuration says more. Longer than 7 days of redelivery and 14 days in a queue together."""
LARGEST: Final = 250_000
"""Characters of an envelope that are kept as they came; a larger one is reduced to what is used."""


class Outcome(StrEnum):
    """What became of an event; `open` while nobody has dealt with it."""

    OPEN = "open"
    APPLIED = "applied"
    OTHER_CHANNEL = "other_channel"
    STORED = "stored"
    UNKNOWN = "unknown"
    UNRESOLVED = "unresolved"
    GIVEN_UP = "given_up"
    ERASED = "erased"


_MAY_ACT: Final = frozenset({Outcome.OPEN, Outcome.UNRESOLVED, Outcome.GIVEN_UP})


class EventRecord(Worked):
    """One event. `place` is where it is kept: its channel, else its WABA, else its digits.

    `tries` counts how often it found no number. `reason` says why it was given up. `kept_days`: so long it is
    known. `relayed_at`: when it was put on its way to the targets of the relay. `erased_at`: its person was
    forgotten, and with them what it said; it is passed on to nobody.
    """

    KIND: ClassVar[str] = "EVENT"

    id: str
    name: str
    place: str
    raw: str
    received_at: datetime
    outcome: Outcome | str = Field(default=Outcome.OPEN, union_mode="left_to_right")
    reason: str | None = None
    phone_number_id: str | None = None
    tries: int = 0
    kept_days: int = EVENT_KEPT.days
    relayed_at: datetime | None = None
    erased_at: datetime | None = None

    @classmethod
    def of(
        cls,
        event: PartnerEvent,
        now: datetime,
        hub: str = HUB,
        kept: timedelta = EVENT_KEPT,
        *,
        contents: bool = True,
    ) -> Self:
        """An event that has just come, to be known for as long as `kept`, in days.

        Without `contents` only its name, its id and its place are kept.
        """
        raw = event.raw if len(event.raw) <= LARGEST else reduced(event)
        raw = raw if contents else bare(event)
        return cls(
            hub=hub,
            id=event.id,
            name=event.name,
            place=place_of(event.channel, hub),
            raw=raw,
            received_at=now,
            kept_days=kept.days,
        )

    @property
    def identity(self) -> tuple[str, ...]:
        """Hub and the event's own id."""
        return (self.hub, self.id)

    @property
    def forgotten_at(self) -> datetime:
        """Long after its last copy can come."""
        return self.received_at + timedelta(days=self.kept_days)

    @property
    def may_act(self) -> bool:
        """Whether it has not acted yet."""
        return self.outcome in _MAY_ACT

    @property
    def has_place(self) -> bool:
        """Whether it is looked for by its place: not what is only kept, which is about no channel."""
        return self.outcome not in {Outcome.STORED, Outcome.UNKNOWN}

    @property
    def event(self) -> PartnerEvent:
        """The event it holds."""
        return read_event(json.loads(self.raw))

    def end(self, outcome: Outcome, phone_number_id: str | None = None, reason: str | None = None) -> None:
        """It has been dealt with."""
        self.outcome = outcome
        self.phone_number_id = phone_number_id
        self.reason = reason
        self.begin_anew()

    def erase(self, now: datetime) -> None:
        """Forget what it said. It stays known by its id, so that a copy neither acts nor is kept again."""
        self.erased_at = now
        self.end(Outcome.ERASED)
        self.raw = json.dumps({"id": self.id, "event": self.name})
        self.place = f"ERASED#{self.hub}"
        for name in list(self.model_extra or {}):
            delattr(self, name)


def place_of(channel: Channel, hub: str = HUB) -> str:
    """Where events about a channel are kept."""
    if channel.id is not None:
        return channel_place(hub, channel.id)
    if channel.waba_id is not None:
        return waba_place(hub, channel.waba_id)
    return f"DIGITS#{hub}#{channel.digits}"
