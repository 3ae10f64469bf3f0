"""Putting an event on its way to those who shall have it: a message for each target, in a queue of its own.

So no target holds up another one, or an event's effect here. Once the queue has all messages the event's
record says so, and neither a copy nor a replay is put on its way again. A crash in between does it twice.
"""

import json

from onramp.domain.errors import Conflict, Unreadable
from onramp.domain.ledger import EventRecord
from onramp.domain.number import Number
from onramp.domain.partner_events import PartnerEvent
from onramp.domain.relaying import (
    Body,
    Envelope,
    Resolution,
    envelope_of,
    is_large,
    key_of,
    referring,
    written,
)
from onramp.ports import Ports
from onramp.usecases.changing import pause
from onramp.usecases.resolve import numbers_of_waba, resolve

TRIES = 6


def hand_on(ports: Ports, event: PartnerEvent, body: Body) -> None:
    """Put an event on its way, once. Raises `UnavailableError`: then it has to come again."""
    targets = ports.rules.relay.targets_of(event.name)
    if not targets:
        return
    record = _record(ports, event)
    if record is not None and (record.relayed_at is not None or record.erased_at is not None):
        return
    numbers = _numbers(ports, event, record)
    if any(is_erased(number) for number in numbers):
        ports.telemetry.info("an event of an erased person is not handed on", event_id=event.id)
        return
    received_at = record.received_at if record is not None else ports.clock.now()
    envelope = _fitting(
        ports, envelope_of(event, ports.hub, body, _resolution(event, numbers), received_at), body
    )
    for target in targets:
        ports.relay.send(written({"target": target.name, "envelope": envelope}))
    if record is not None:
        _remember(ports, record)


def is_erased(number: Number) -> bool:
    """Whether a number's person has been erased: nothing of theirs is handed on any more."""
    return number.erased_at is not None


def _record(ports: Ports, event: PartnerEvent) -> EventRecord | None:
    """The event's record, or None when there is none to be read: then it is handed on all the same."""
    try:
        return ports.store.read(EventRecord, ports.hub, event.id)
    except Unreadable:
        return None


def _numbers(ports: Ports, event: PartnerEvent, record: EventRecord | None) -> list[Number]:
    """The numbers that it is about, as far as they are known and can be read."""
    try:
        known = record.phone_number_id if record is not None else None
        known = known or resolve(ports, event.channel)
        if known is not None:
            number = ports.store.read(Number, known)
            return [number] if number is not None else []
        waba_id = event.channel.waba_id
        return numbers_of_waba(ports, waba_id) if waba_id is not None and not event.about_channel else []
    except Unreadable:
        return []


def _resolution(event: PartnerEvent, numbers: list[Number]) -> Resolution:
    tenants = {number.tenant for number in numbers}
    only = numbers[0] if len(numbers) == 1 else None
    channel = event.channel
    return Resolution(
        tenant=tenants.pop() if len(tenants) == 1 else None,
        signup_id=only.signup_id if only else None,
        phone_number_id=only.phone_number_id if only else None,
        channel_id=channel.id or (only.channel_id if only else None),
        waba_id=channel.waba_id or (only.waba.id if only else None),
    )


def _fitting(ports: Ports, envelope: Envelope, body: Body) -> Envelope:
    """The envelope itself, or with a reference in its body's place. Raises `UnavailableError`."""
    if not is_large(envelope):
        return envelope
    content = body.content
    key = key_of(str(envelope["hub"]), str(envelope["id"]), content)
    ports.bodies.put(key, content)
    return referring(envelope, ports.bodies.bucket, key, content)


def _remember(ports: Ports, record: EventRecord) -> None:
    """Write down that it is on its way. When that fails a copy is handed on again: receivers know its id."""
    for tries in range(TRIES):
        record.relayed_at = ports.clock.now()
        try:
            ports.store.commit(record)
        except Conflict:
            pause(ports, tries)
            stored = ports.store.read(EventRecord, *record.identity)
            if stored is None or stored.relayed_at is not None:
                return
            record = stored
        else:
            return
    ports.telemetry.warn("not written down that an event is on its way", event_id=record.id)


def read_message(text: str) -> tuple[str, Envelope]:
    """A message as `hand_on` writes it: its target, and what it is handed. Raises `Unreadable`."""
    try:
        content = json.loads(text)
        target, envelope = content["target"], content["envelope"]
        if not isinstance(target, str) or not isinstance(envelope["id"], str):
            raise Unreadable("a message of the relay")
        return target, dict(envelope)
    except (ValueError, TypeError, KeyError, RecursionError):
        raise Unreadable("a message of the relay") from None
