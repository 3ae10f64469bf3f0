"""What is handed on of 360dialog's events, to whom, in which form, and how long it is tried.

360dialog has one webhook address for each partner. So what the partner's own systems shall see of its events
is handed on from here: the body as it came, and beside it whose it is.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cached_property
from typing import Final

from onramp.domain.partner_events import COEXISTENCE, PartnerEvent
from onramp.domain.text import iso, whole
from onramp.domain.values import dataclass

VERSION: Final = 1
INLINE: Final = 200_000
"""Bytes of an envelope with its body in it; EventBridge takes 256 KiB, with what else an entry has."""
WAITS: Final = (5, 30, 300, 1800, 7200, 18000)
"""Seconds until a target is tried again, by how often its message came; the last one goes on."""
GIVEN_UP_AFTER: Final = timedelta(hours=72)
"""A target that takes nothing for so long has its messages among the dead letters."""
REST: Final = timedelta(seconds=30)
"""So long a target that did not answer is left alone by the process that has asked it."""
LONGEST_REST: Final = timedelta(minutes=15)
SLOW: Final = timedelta(seconds=1)
"""A target whose answer takes so long is left alone for as long again: others have half of the time."""
BUS: Final = "bus"
RELAY_KEY: Final = "relay_key_"
RELAY_HEADERS: Final = "relay_headers_"
"""With a target's name behind it: what the stage's secret has for its posts."""


class Coexistence(StrEnum):
    """What becomes of contacts and chats of customers who use the WhatsApp Business app, too."""

    RELAY = "relay"
    KEEP = "keep"
    DROP = "drop"


@dataclass(frozen=True, slots=True)
class Target:
    """Who is handed events: `to` is `bus`, the ARN of a queue, or an address; `events` are patterns."""

    name: str
    to: str
    events: Sequence[str] = ("*",)

    def wants(self, event: str) -> bool:
        """Whether it is handed an event of that name; `*` stands for any text."""
        return any(_fits(pattern, event) for pattern in self.events)


@dataclass(frozen=True)
class RelayRules:
    """What the deployment decides of it."""

    coexistence: Coexistence = Coexistence.RELAY
    targets: Sequence[Target] = ()

    @cached_property
    def by_name(self) -> Mapping[str, Target]:
        """The targets by their names."""
        return {target.name: target for target in self.targets}

    def targets_of(self, event: str) -> Sequence[Target]:
        """Who is handed an event of that name."""
        if event in COEXISTENCE and self.coexistence is Coexistence.DROP:
            return ()
        return [target for target in self.targets if target.wants(event)]

    def keeps(self, event: str) -> bool:
        """Whether the contents of an event of that name may lie in the table."""
        return event not in COEXISTENCE or self.coexistence is Coexistence.KEEP


NO_RELAY: Final = RelayRules()


def _fits(pattern: str, name: str) -> bool:
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), name, re.DOTALL) is not None


@dataclass(frozen=True, slots=True)
class Body:
    """The body as it came: text, or base64 where it was none. `encoding` is `utf-8` or `base64`."""

    text: str
    encoding: str = "utf-8"

    @property
    def content(self) -> bytes:
        """What is stored where the body goes by reference: exactly what `text` is."""
        return self.text.encode("utf-8", "surrogatepass")


@dataclass(frozen=True, slots=True)
class Resolution:
    """Whose an event is, as far as we know; of a WABA's event only what all its numbers have in common."""

    tenant: str | None = None
    signup_id: str | None = None
    phone_number_id: str | None = None
    channel_id: str | None = None
    waba_id: str | None = None

    def as_json(self) -> dict[str, str | None]:
        """As the envelope has it."""
        return {name: getattr(self, name) for name in self.__slots__}


type Envelope = dict[str, object]


def envelope_of(
    event: PartnerEvent, hub: str, body: Body, resolution: Resolution, received_at: datetime
) -> Envelope:
    """What a target is handed, with its body in it."""
    return {
        "version": VERSION,
        "id": event.id,
        "event": event.name,
        "hub": hub,
        "received_at": iso(received_at),
        "resolution": resolution.as_json(),
        "encoding": body.encoding,
        "body": whole(body.text),
        "body_at": None,
    }


def written(message: Mapping[str, object]) -> str:
    """A message as text: compact, readable, and such that UTF-8 can hold it."""
    return whole(json.dumps(message, ensure_ascii=False, separators=(",", ":")))


def is_large(envelope: Envelope) -> bool:
    """Whether its body goes by reference. One rule for all targets, so that all see the same."""
    return len(written(envelope).encode()) > INLINE


def referring(envelope: Envelope, bucket: str, key: str, content: bytes) -> Envelope:
    """The same, with a reference in the body's place."""
    place = {
        "bucket": bucket,
        "key": key,
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    return envelope | {"body": None, "body_at": place}


def key_of(hub: str, event_id: str, content: bytes) -> str:
    """Where a body lies: the same one again at the same place."""
    named = hashlib.sha256(json.dumps([hub, event_id]).encode()).hexdigest()
    return f"{named}/{hashlib.sha256(content).hexdigest()[:32]}"


def message_id(hub: str, event_id: str) -> str:
    """The `webhook-id` of an event: the same at each try, and of characters that a header takes."""
    return f"evt_{hashlib.sha256(json.dumps([hub, event_id]).encode()).hexdigest()[:40]}"


def next_try(received: int, first: datetime, now: datetime, draw: float) -> datetime | None:
    """When a target is tried again that did not take a message; None when it is given up.

    Args:
        received: how often the message came out of its queue.
        first: when it went into it.
        now: the time.
        draw: a number in [0, 1): half of the wait is left to chance.
    """
    wait = WAITS[max(0, min(received - 1, len(WAITS) - 1))] * (0.5 + draw / 2)
    at = now + timedelta(seconds=wait)
    return at if at < first + GIVEN_UP_AFTER else None
