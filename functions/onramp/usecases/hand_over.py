"""One message of the relay: its target is handed it, again later, or it is given up.

A target that does not answer, or slowly, is left alone for a while by whoever has asked it, so that its
messages take no time from those of others.
"""

from collections.abc import Mapping, MutableMapping
from datetime import datetime, timedelta
from typing import Final

from onramp.domain.errors import Unreadable
from onramp.domain.relaying import LONGEST_REST, REST, SLOW, Envelope, Target, message_id, next_try
from onramp.domain.text import iso
from onramp.ports import Ports
from onramp.ports.relaying import NotTaken
from onramp.usecases.hand_on import read_message

LINK_SECONDS: Final = 3600
"""How long a link to a large body is good, at most; each try makes a new one."""

type Rests = MutableMapping[str, datetime]
"""Until when a process leaves a target alone, by its name."""


def hand_over(ports: Ports, rests: Rests, text: str, received: int, first: datetime) -> datetime | None:
    """Hand a message to its target; gives the time at which it comes again, None when it is over.

    Args:
        ports: the relay's queue, the targets, the bodies.
        rests: which targets are left alone; changed here.
        text: the message.
        received: how often it came out of its queue.
        first: when it went into it.
    """
    try:
        name, envelope = read_message(text)
    except Unreadable:
        ports.telemetry.count("RelayGivenUp", reason="unreadable")
        ports.relay.bury(text, "unreadable")
        return None
    fields = _fields(name, envelope)
    target = ports.rules.relay.by_name.get(name)
    if target is None:
        ports.telemetry.warn("a target is gone; its message is dropped", **fields)
        return None
    began = ports.clock.now()
    resting = _resting(rests, name, began)
    trouble = resting or _hand(ports, target, envelope)
    now = ports.clock.now()
    if not resting:
        _let_rest(rests, name, trouble, began, now)
    if trouble is None:
        ports.telemetry.count("EventsRelayed", target=name)
        return None
    if not resting:
        ports.telemetry.count("RelayRefused", target=name)
        ports.telemetry.warn(
            "a target did not take an event", code=trouble.code, status=trouble.status, **fields
        )
    at = None if trouble.final else next_try(received, first, now, ports.clock.draw())
    if at is None:
        ports.telemetry.count("RelayGivenUp", target=name)
        ports.telemetry.warn("given up for a target", code=trouble.code, **fields)
        ports.relay.bury(text, trouble.code)
        return None
    return max(at, now + timedelta(seconds=trouble.retry_after or 0))


def _hand(ports: Ports, target: Target, envelope: Envelope) -> NotTaken | None:
    """What went wrong, or None when the target has it."""
    whole = envelope | {"body_at": _with_link(ports, envelope.get("body_at"))}
    identity = message_id(str(envelope.get("hub")), str(envelope["id"]))
    handed = ports.outlets.hand(target, whole, identity)
    return handed if isinstance(handed, NotTaken) else None


def _with_link(ports: Ports, place: object) -> object:
    """The place of a large body, with a link to it that is good for a while."""
    if not isinstance(place, Mapping):
        return None
    until = ports.clock.now() + timedelta(seconds=LINK_SECONDS)
    url = ports.bodies.link(str(place.get("key")), LINK_SECONDS)
    return {**place, "url": url, "url_expires_at": iso(until)}


def _resting(rests: Rests, name: str, now: datetime) -> NotTaken | None:
    until = rests.get(name)
    if until is None or until <= now:
        return None
    return NotTaken("resting", retry_after=(until - now).total_seconds())


def _let_rest(rests: Rests, name: str, trouble: NotTaken | None, began: datetime, now: datetime) -> None:
    """A refusal of one message says nothing of the next; no answer, a slow one, or `Retry-After`, does."""
    rests.pop(name, None)
    took = now - began
    rest = took if took >= SLOW else timedelta(0)
    if trouble and not trouble.final and (trouble.status is None or trouble.retry_after is not None):
        rest = max(rest, REST, timedelta(seconds=trouble.retry_after or 0))
    if rest:
        rests[name] = now + min(rest, LONGEST_REST)


def _fields(name: str, envelope: Envelope) -> dict[str, str | float | None]:
    return {"target": name, "event_id": str(envelope["id"]), "event": str(envelope.get("event"))}
