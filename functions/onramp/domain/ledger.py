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
"""Longer than 7 days of redelivery and 14 days in a queue together."""
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


_MAY_ACT: Final = frozenset({Outcome.OPEN, Outcome.UNRESOLVED, Outcome.GIVEN_UP})


class EventRecord(Worked):
    """One event. `place` is where it is kept: its channel, else its WABA, else its digits.

    `tries` counts how often it found no number. `reason` says why it was given up. `relayed_at`: when it was
    put on its way to the targets of the relay.
    """

    KIND: ClassVar[str] = "EVENT"

    hub: str = HUB
    id: str
    name: str
    place: str
    raw: str
    received_at: datetime
    outcome: Outcome | str = Field(default=Outcome.OPEN, union_mode="left_to_right")
    reason: str | None = None
    phone_number_id: str | None = None
    tries: int = 0
    relayed_at: datetime | None = None

    @classmethod
    def of(cls, event: PartnerEvent, now: datetime, hub: str = HUB, *, contents: bool = True) -> Self:
        """An event that has just come. Without `contents` only its name, its id and its place are kept."""
        raw = event.raw if len(event.raw) <= LARGEST else reduced(event)
        raw = raw if contents else bare(event)
        return cls(
            hub=hub,
            id=event.id,
            name=event.name,
            place=place_of(event.channel, hub),
            raw=raw,
            received_at=now,
        )

    @property
    def identity(self) -> tuple[str, ...]:
        """Hub and the event's own id."""
        return (self.hub, self.id)

    @property
    def forgotten_at(self) -> datetime:
        """Long after its last copy can come."""
        return self.received_at + EVENT_KEPT

    @property
    def may_act(self) -> bool:
        """Whether it has not acted yet."""
        return self.outcome in _MAY_ACT

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


def place_of(channel: Channel, hub: str = HUB) -> str:
    """Where events about a channel are kept."""
    if channel.id is not None:
        return channel_place(hub, channel.id)
    if channel.waba_id is not None:
        return waba_place(hub, channel.waba_id)
    return f"DIGITS#{hub}#{channel.digits}"
