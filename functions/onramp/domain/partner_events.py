"""360dialog's webhooks and channel objects, read leniently (docs/upstreams.md)."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from onramp.domain.states import (
    CHANNEL_WORDS,
    DEAD_HUB_STATUSES,
    DEAD_WABA_STATUSES,
    EVENT_RULES,
    EventRule,
    Progress,
    Scope,
)
from onramp.domain.text import digits, from_iso

MAX_ID_LENGTH: Final = 200
MAX_TEXT: Final = 4_096
"""Characters of any text that is used; API keys and tokens are the longest, with a few hundred."""
MAX_DIGITS: Final = 32


class Unreadable(ValueError):
    """The body is signed and yet no partner event: it is kept apart for a person."""


@dataclass(frozen=True, slots=True)
class Channel:
    """What we use of a channel object; every field may be missing.

    `waba_id` is Meta's (`waba_account.external_id`), never `waba_account.id`, which is 360dialog's own.
    """

    id: str | None = None
    waba_id: str | None = None
    digits: str = ""
    client_id: str | None = None
    progress: Progress | None = None
    dead: bool = False
    billed: bool = False
    created_at: datetime | None = None

    def filled_from(self, other: "Channel") -> "Channel":
        """This channel with what it lacks taken from `other`."""
        return Channel(
            id=self.id or other.id,
            waba_id=self.waba_id or other.waba_id,
            digits=self.digits or other.digits,
            client_id=self.client_id or other.client_id,
            progress=self.progress or other.progress,
            dead=self.dead or other.dead,
            billed=self.billed or other.billed,
            created_at=self.created_at or other.created_at,
        )


@dataclass(frozen=True, slots=True)
class PartnerEvent:
    """One event of 360dialog's: `raw` is its envelope as it came."""

    id: str
    name: str
    channel: Channel
    detail: str
    raw: str

    @property
    def rule(self) -> EventRule | None:
        """What it means, or None when it is unknown."""
        return EVENT_RULES.get(self.name)

    @property
    def about_channel(self) -> bool:
        """Whether it concerns one number."""
        return self.rule is not None and self.rule.scope is Scope.CHANNEL


def text(value: object) -> str | None:
    """A non-empty string of sane length or an integer as text; anything else is missing."""
    if isinstance(value, str):
        return value.strip() or None if len(value) <= MAX_TEXT else None
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**MAX_DIGITS:
        return str(value)
    return None


def mapping(value: object) -> Mapping[str, object]:
    """A JSON object, or an empty one."""
    return value if isinstance(value, dict) else {}


def moment(value: object) -> datetime | None:
    """An ISO time, or None."""
    try:
        return from_iso(value) if isinstance(value, str) else None
    except (ValueError, OverflowError):
        return None


def _identifier(value: object) -> str | None:
    """An id, unless it is too long to be one."""
    found = text(value)
    return found if found and len(found) <= MAX_ID_LENGTH else None


def read_channel(data: Mapping[str, object]) -> Channel:
    """A channel object, with fields in its parts or at its top level."""
    setup = mapping(data.get("setup_info"))
    waba = mapping(data.get("waba_account"))
    client = mapping(data.get("client"))
    words = (data.get("status"), data.get("hub_status"), mapping(data.get("integration")).get("state"))
    known = [CHANNEL_WORDS[word] for word in words if isinstance(word, str) and word in CHANNEL_WORDS]
    return Channel(
        id=_identifier(data.get("id")) or _identifier(data.get("channel_id")),
        waba_id=_identifier(waba.get("external_id")) or _identifier(data.get("waba_external_id")),
        digits=digits(text(setup.get("phone_number")) or text(data.get("phone_number")) or ""),
        client_id=text(data.get("client_id")) or text(client.get("id")),
        progress=max(known, key=lambda progress: progress.rank, default=None),
        dead=(
            text(data.get("hub_status")) in DEAD_HUB_STATUSES
            or bool(data.get("cancelled_at"))
            or text(waba.get("status")) in DEAD_WABA_STATUSES
        ),
        billed=bool(data.get("billing_started_at")) and not data.get("terminated_at"),
        created_at=moment(data.get("created_at")),
    )


def read_event(envelope: object) -> PartnerEvent:
    """One envelope. Without an id of its own it gets one from its content. Raises `Unreadable`."""
    if not isinstance(envelope, dict):
        raise Unreadable("an event must be an object")
    raw = json.dumps(envelope, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    name = text(envelope.get("event")) or text(envelope.get("type"))
    if name is None:
        raise Unreadable("an event must have a name")
    event_id = text(envelope.get("id"))
    if event_id is None or len(event_id) > MAX_ID_LENGTH:
        event_id = hashlib.sha256(raw.encode("utf-8", "surrogatepass")).hexdigest()
    data = mapping(envelope.get("data"))
    channel = read_channel(data)
    rule = EVENT_RULES.get(name)
    if rule and rule.scope is Scope.WABA:
        channel = Channel(waba_id=_identifier(data.get("id")))
    return PartnerEvent(
        id=event_id,
        name=name[:MAX_ID_LENGTH],
        channel=channel,
        detail=(text(data.get("violation_type")) or "")[:MAX_ID_LENGTH],
        raw=raw,
    )


def read_envelopes(body: bytes) -> list[object]:
    """The envelopes of one webhook body, an object or an array of them. Raises `Unreadable`."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Unreadable("the body is not JSON") from error
    if isinstance(content, dict):
        return [content]
    if isinstance(content, list) and content:
        return list(content)
    raise Unreadable("the body holds no event")
