"""`dead-letters.*`: what was given up, shown without what it holds of persons."""

import base64
import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Annotated, Any, Final

from pydantic import Field

from onramp.domain.errors import Problem, Unreadable
from onramp.domain.partner_events import read_envelopes, read_event
from onramp.domain.text import iso, mask_text
from onramp.inbound.desk import Answer, Asked, Command, Name
from onramp.ports import Ports
from onramp.ports.services import Letter
from onramp.usecases import letters
from onramp.usecases.hand_on import read_message
from onramp.usecases.letters import MOST, Meant

AT_ONCE: Final = 100
"""Letters that one run moves."""
_IDS: Final = (
    "phone_number_id",
    "retry",
    "reason",
    "census",
    "task",
    "condition",
    "erasure_id",
    "delivery_id",
)
"""Members of a body that are shown as they are: none of them is a person's."""


class QueueAsked(Asked):
    """The dead letters of one queue, those of one reason or one letter alone."""

    queue: Name
    reason: Name | None = None
    letter_id: Name | None = None


class ListAsked(QueueAsked):
    """At most `limit` of them."""

    limit: Annotated[int, Field(ge=1, le=MOST)] = AT_ONCE


class MoveAsked(QueueAsked):
    """At most `limit` at once; `before`: those that were there when the first page began."""

    limit: Annotated[int, Field(ge=1, le=AT_ONCE)] = AT_ONCE
    cursor: datetime | None = None


class ShowAsked(Asked):
    """One letter."""

    queue: Name
    letter_id: Name


def queues(desk: Ports, _: Asked) -> Answer:
    """`dead-letters.queues`."""
    return {
        "items": [
            {"queue": name, "count": desk.letters.count(name), "returns": desk.letters.returns(name)}
            for name in desk.letters.names()
        ],
        "cursor": None,
    }


def listed(desk: Ports, asked: ListAsked) -> Answer:
    """`dead-letters.list`."""
    seen = letters.look(desk, asked.queue, _meant(asked), asked.limit)
    items = [shown(asked.queue, letter) for letter in seen.letters]
    return {"items": items, "reasons": seen.reasons, "whole": seen.whole, "cursor": None}


def show(desk: Ports, asked: ShowAsked) -> Answer:
    """`dead-letters.show`."""
    seen = letters.look(desk, asked.queue, Meant(letter_id=asked.letter_id), 1)
    if not seen.letters:
        raise Problem("not_found", "There is no such dead letter among those that can be seen now.")
    [letter] = seen.letters
    return {"letter": shown(asked.queue, letter) | {"bytes": len(letter.body.encode())}}


def redrive(desk: Ports, asked: MoveAsked) -> Answer:
    """`dead-letters.redrive`."""
    return _moved(desk, asked, letters.redrive)


def purge(desk: Ports, asked: MoveAsked) -> Answer:
    """`dead-letters.purge`."""
    return _moved(desk, asked, letters.purge)


def _moved(desk: Ports, asked: MoveAsked, move: Callable[[Ports, str, Meant, int], letters.Seen]) -> Answer:
    began = asked.cursor or desk.clock.now()
    seen = move(desk, asked.queue, _meant(asked, began), asked.limit)
    # A page that has found nothing is the last one, also when it could not see all: somebody may ask again.
    more = not seen.whole and bool(seen.letters) and asked.letter_id is None
    return {
        "items": [{"id": letter.id, "reason": letter.reason} for letter in seen.letters],
        "moved": len(seen.letters),
        "reasons": seen.reasons,
        "whole": seen.whole,
        "cursor": iso(began) if more else None,
    }


def _meant(asked: QueueAsked, before: datetime | None = None) -> Meant:
    return Meant(reason=asked.reason, letter_id=asked.letter_id, before=before)


# --- what is shown of a body -----------------------------------------------------------------------------


def shown(queue: str, letter: Letter) -> dict[str, Any]:
    """A letter with what is known of it to be no secret and no person's."""
    return {
        "id": letter.id,
        "at": iso(letter.sent_at),
        "reason": mask_text(letter.reason),
        "body": _READERS.get(queue, _members)(letter),
    }


def _members(letter: Letter) -> dict[str, Any]:
    """Ids alone, wherever they stand in a body of JSON."""
    try:
        content = json.loads(letter.body)
    except ValueError:
        return {}
    return _ids(content)


def _ids(content: object) -> dict[str, Any]:
    if not isinstance(content, dict):
        return {}
    found = {name: content[name] for name in _IDS if isinstance(content.get(name), str | bool | int)}
    for inner in content.values():
        found = {**_ids(inner), **found}
    return found


def _webhook(letter: Letter) -> dict[str, Any]:
    """The events of a webhook: their ids and names, and which channels they are about."""
    try:
        body = (
            base64.b64decode(letter.body)
            if letter.attributes.get("encoding") == "base64"
            else letter.body.encode()
        )
        envelopes = read_envelopes(body)
    except (Unreadable, ValueError):
        return {"events": [], "unreadable": True}
    return {"events": [_told(envelope) for envelope in envelopes[:10]], "count": len(envelopes)}


def _told(envelope: object) -> Mapping[str, Any]:
    try:
        event = read_event(envelope)
    except Unreadable:
        return {"unreadable": True}
    return {
        "id": mask_text(event.id),
        "name": mask_text(event.name),
        "channel_id": event.channel.id,
        "waba_id": event.channel.waba_id,
    }


def _handed_on(letter: Letter) -> dict[str, Any]:
    """Whom an event was for, which it is, and whose; nothing of its body."""
    try:
        target, envelope = read_message(letter.body)
    except Unreadable:
        return {"unreadable": True}
    resolution = envelope.get("resolution")
    return {
        "target": mask_text(target),
        "id": mask_text(str(envelope["id"])),
        "name": mask_text(str(envelope.get("event"))),
        **_ids(resolution),
    }


def _position(letter: Letter) -> dict[str, Any]:
    """Where in the stream it stands; the stream's own message holds no item."""
    try:
        content = json.loads(letter.body)
    except ValueError:
        return {}
    place = content.get("DDBStreamBatchInfo") if isinstance(content, dict) else None
    return dict(place) if isinstance(place, dict) else {}


_READERS: Final[Mapping[str, Callable[[Letter], dict[str, Any]]]] = {
    "events": _webhook,
    "relay": _handed_on,
    "stream": _position,
}
"""How a queue's bodies are read, where it is more than ids."""

COMMANDS: Final = (
    Command("dead-letters.queues", "How many dead letters each queue has", Asked, queues),
    Command("dead-letters.list", "Dead letters, and how many of each reason", ListAsked, listed),
    Command("dead-letters.show", "One dead letter", ShowAsked, show),
    Command("dead-letters.redrive", "Send dead letters back", MoveAsked, redrive, changes=True),
    Command("dead-letters.purge", "Throw dead letters away", MoveAsked, purge, changes=True),
)
