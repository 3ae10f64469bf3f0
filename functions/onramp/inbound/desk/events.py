"""`events.*`: what 360dialog has sent, and what became of it."""

import json
from datetime import timedelta
from typing import Annotated, Any, Final

from pydantic import Field

from onramp.domain.errors import Unreadable
from onramp.domain.ledger import EventRecord, Outcome
from onramp.domain.partner_events import PartnerEvent, reduced
from onramp.inbound.desk import Answer, AtHub, Command, Name, PhoneNumberId, SpanAsked
from onramp.ports import Ports
from onramp.usecases import operating
from onramp.usecases.operating import EventsSought, event_of

type EventId = Annotated[str, Field(min_length=1, max_length=200)]


class ListAsked(SpanAsked, AtHub):
    """A page of events: of a channel or a number, with an outcome, of a name (``channel_*``)."""

    KEPT = timedelta(days=30)

    channel_id: Name | None = None
    phone_number_id: PhoneNumberId | None = None
    outcome: Outcome | None = None
    name: Name | None = None


class EventAsked(AtHub):
    """One event, by 360dialog's id of it."""

    event_id: EventId


class ReplayAsked(EventAsked):
    """The same; `again` although it was given up."""

    again: bool = False


def shown(record: EventRecord) -> dict[str, Any]:
    """An event without what it says."""
    told = record.model_dump(
        mode="json",
        include={"id", "name", "hub", "received_at", "outcome", "reason", "phone_number_id", "tries"},
    )
    event = _event(record)
    channel = event.channel if event else None
    return told | {
        "channel_id": channel.id if channel else None,
        "waba_id": channel.waba_id if channel else None,
        "attempts": record.attempts,
    }


def _event(record: EventRecord) -> PartnerEvent | None:
    try:
        return record.event
    except (Unreadable, ValueError):
        return None


def listed(desk: Ports, asked: ListAsked) -> Answer:
    """`events.list`."""
    sought = EventsSought(
        channel_id=asked.channel_id,
        phone_number_id=asked.phone_number_id,
        outcome=asked.outcome,
        name=asked.name,
    )
    found = operating.events(desk, sought, asked.span(desk), asked.limit)
    return {"items": [shown(record) for record in found.items], "cursor": found.cursor}


def show(desk: Ports, asked: EventAsked) -> Answer:
    """`events.show`: of what it says that which is used; chats and contacts are shown to nobody."""
    record = event_of(desk, asked.event_id)
    event = _event(record)
    return {"event": shown(record), "says": json.loads(reduced(event)) if event else None}


def replay(desk: Ports, asked: ReplayAsked) -> Answer:
    """`events.replay`."""
    record = event_of(desk, asked.event_id)
    may_act = operating.replay(desk, record, again=asked.again)
    return {"event": shown(record), "queued": True, "may_act": may_act}


COMMANDS: Final = (
    Command("events.list", "360dialog's events, the last first", ListAsked, listed),
    Command("events.show", "One event, and what of it is used", EventAsked, show),
    Command(
        "events.replay", "Let a stored event go through the queue again", ReplayAsked, replay, changes=True
    ),
)
