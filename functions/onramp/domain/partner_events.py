"""360dialog's webhooks and channel objects, read leniently (docs/upstreams.md)."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from onramp.domain.errors import Unreadable
from onramp.domain.phone_numbers import canonical
from onramp.domain.states import Progress, rank
from onramp.domain.text import MAX_ID, identifier, is_whole, mapping, moment, text


class Effect(StrEnum):
    """What an event does beside moving the progress."""

    NONE = "none"
    PERMIT = "permit"
    RESTRICT = "restrict"
    CANCEL = "cancel"
    NOTE = "note"


class Scope(StrEnum):
    """What an event's `data.id` names."""

    CHANNEL = "channel"
    CLIENT = "client"
    WABA = "waba"


@dataclass(frozen=True, slots=True)
class EventRule:
    """What one kind of partner event means for a number."""

    scope: Scope
    progress: Progress | None = None
    effect: Effect = Effect.NONE


# docs/upstreams.md, "360dialog". What is not named here is stored and counted, nothing more.
EVENT_RULES: Final[Mapping[str, EventRule]] = {
    "channel_created": EventRule(Scope.CHANNEL, Progress.CREATED),
    "channel_submitted": EventRule(Scope.CHANNEL, Progress.CREATED),
    "channel_ready": EventRule(Scope.CHANNEL, Progress.READY),
    "channel_running": EventRule(Scope.CHANNEL, Progress.RUNNING),
    "channel_live": EventRule(Scope.CHANNEL, Progress.LIVE),
    "channel_permission_granted": EventRule(Scope.CHANNEL, effect=Effect.PERMIT),
    "account_violation": EventRule(Scope.CHANNEL, effect=Effect.RESTRICT),
    "account_restriction": EventRule(Scope.CHANNEL, effect=Effect.RESTRICT),
    "cancellation_request": EventRule(Scope.CHANNEL, effect=Effect.NOTE),
    "cancellation_revoke": EventRule(Scope.CHANNEL, effect=Effect.NOTE),
    "cancellation_processed": EventRule(Scope.CHANNEL, effect=Effect.CANCEL),
    "phone_number_quality_changed": EventRule(Scope.CHANNEL, effect=Effect.NOTE),
    "channel_status_changed": EventRule(Scope.CHANNEL, effect=Effect.NOTE),
    "client_created": EventRule(Scope.CLIENT),
    "waba_template_status_changed": EventRule(Scope.WABA),
    "waba_template_category_changed": EventRule(Scope.WABA),
    "template_messaging_enabled": EventRule(Scope.WABA),
    "template_messaging_disabled": EventRule(Scope.WABA),
    "history": EventRule(Scope.WABA),
    "smb_app_state_sync": EventRule(Scope.WABA),
}

# Words seen in a channel's `status`, `hub_status` and `integration.state`, in any case of letters, and what
# they tell of progress.
CHANNEL_WORDS: Final[Mapping[str, Progress]] = {
    "created": Progress.CREATED,
    "submitted": Progress.CREATED,
    "pending": Progress.CREATED,
    "ready": Progress.READY,
    "running": Progress.RUNNING,
    "live": Progress.LIVE,
}
DEAD_HUB_STATUSES: Final = frozenset({"pending_deletion", "deleted", "terminated", "cancelled"})
DEAD_WABA_STATUSES: Final = frozenset({"bsp_removed", "disabled", "banned"})


@dataclass(frozen=True, slots=True)
class Channel:
    """What we use of a channel object; every field may be missing.

    `external_id` is very likely Meta's phone number id. `waba_id` is Meta's (`waba_account.external_id`),
    never `waba_account.id`, which is 360dialog's own. `digits` are canonical.
    """

    id: str | None = None
    external_id: str | None = None
    waba_id: str | None = None
    digits: str = ""
    client_id: str | None = None
    progress: Progress | None = None
    dead: bool = False
    billed: bool = False
    created_at: datetime | None = None


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


def _word(value: object) -> str:
    """A status word, in small letters."""
    return (text(value) or "").casefold()


def read_channel(data: Mapping[str, object]) -> Channel:
    """A channel object, with fields in its parts or at its top level."""
    setup = mapping(data.get("setup_info"))
    waba = mapping(data.get("waba_account"))
    client = mapping(data.get("client"))
    words = (data.get("status"), data.get("hub_status"), mapping(data.get("integration")).get("state"))
    known = [CHANNEL_WORDS[word] for word in map(_word, words) if word in CHANNEL_WORDS]
    return Channel(
        id=identifier(data.get("id")) or identifier(data.get("channel_id")),
        external_id=identifier(data.get("external_id")) or identifier(data.get("channel_external_id")),
        waba_id=identifier(waba.get("external_id")) or identifier(data.get("waba_external_id")),
        digits=canonical(text(setup.get("phone_number")) or text(data.get("phone_number")) or ""),
        client_id=identifier(data.get("client_id")) or identifier(client.get("id")),
        progress=max(known, key=rank, default=None),
        dead=(
            _word(data.get("hub_status")) in DEAD_HUB_STATUSES
            or bool(data.get("cancelled_at"))
            or bool(data.get("terminated_at"))
            or _word(waba.get("status")) in DEAD_WABA_STATUSES
        ),
        billed=bool(data.get("billing_started_at")) and not data.get("terminated_at"),
        created_at=moment(data.get("created_at")),
    )


def read_event(envelope: object) -> PartnerEvent:
    """One envelope. Without an id of its own it gets one from its content. Raises `Unreadable`."""
    if not isinstance(envelope, dict):
        raise Unreadable("an event must be an object")
    raw = json.dumps(envelope, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    if not is_whole(raw):
        raw = json.dumps(envelope, separators=(",", ":"), sort_keys=True)
    name = identifier(envelope.get("event")) or identifier(envelope.get("type"))
    if name is None:
        raise Unreadable("an event must have a name")
    given = envelope.get("id")
    event_id = identifier(given)
    if event_id is None or (isinstance(given, str) and not is_whole(given)):
        event_id = hashlib.sha256(raw.encode()).hexdigest()
    data = mapping(envelope.get("data"))
    channel = read_channel(data)
    rule = EVENT_RULES.get(name)
    if rule and rule.scope is Scope.WABA:
        channel = Channel(waba_id=identifier(data.get("id")))
    return PartnerEvent(
        id=event_id,
        name=name,
        channel=channel,
        detail=(text(data.get("violation_type")) or "")[:MAX_ID],
        raw=raw,
    )


def reduced(event: PartnerEvent) -> str:
    """An envelope that reads as the same event, without what nobody looks at."""
    channel, rule = event.channel, event.rule
    data = {
        "id": channel.waba_id if rule is not None and rule.scope is Scope.WABA else channel.id,
        "external_id": channel.external_id,
        "waba_account": {"external_id": channel.waba_id},
        "setup_info": {"phone_number": f"+{channel.digits}"},
        "client_id": channel.client_id,
        "status": channel.progress,
        "cancelled_at": channel.dead,
        "billing_started_at": channel.billed,
        "created_at": channel.created_at.isoformat() if channel.created_at else None,
        "violation_type": event.detail,
    }
    return json.dumps({"id": event.id, "event": event.name, "data": data}, sort_keys=True)


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
