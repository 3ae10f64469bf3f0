"""360dialog's webhooks and channel objects, read leniently (docs/upstreams.md)."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from onramp.domain.errors import Unreadable
from onramp.domain.phone_numbers import canonical
from onramp.domain.states import Progress, rank
from onramp.domain.text import MAX_ID, end_date, identifier, is_whole, mapping, members, moment, text
from onramp.domain.values import dataclass


class Effect(StrEnum):
    """What an event does beside moving the progress."""

    NONE = "none"
    PERMIT = "permit"
    RESTRICT = "restrict"
    FORGIVE = "forgive"
    ENDING = "ending"
    CANCEL = "cancel"
    REVOKE = "revoke"
    NOTE = "note"
    META = "meta"


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
    # How the end of a restriction is told is not documented: each of these names is a guess.
    "account_reinstated": EventRule(Scope.CHANNEL, effect=Effect.FORGIVE),
    "account_unrestricted": EventRule(Scope.CHANNEL, effect=Effect.FORGIVE),
    "account_restriction_ended": EventRule(Scope.CHANNEL, effect=Effect.FORGIVE),
    "account_restriction_lifted": EventRule(Scope.CHANNEL, effect=Effect.FORGIVE),
    "account_restriction_removed": EventRule(Scope.CHANNEL, effect=Effect.FORGIVE),
    "account_violation_resolved": EventRule(Scope.CHANNEL, effect=Effect.FORGIVE),
    "cancellation_request": EventRule(Scope.CHANNEL, effect=Effect.ENDING),
    "cancellation_revoke": EventRule(Scope.CHANNEL, effect=Effect.REVOKE),
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
    # Meta's own, read by `meta_events`; what each does is in `number.metas`.
    "meta_partner_added": EventRule(Scope.CHANNEL, effect=Effect.META),
    "meta_partner_app_installed": EventRule(Scope.CHANNEL, effect=Effect.META),
    "meta_partner_removed": EventRule(Scope.CHANNEL, effect=Effect.META),
    "meta_partner_app_uninstalled": EventRule(Scope.CHANNEL, effect=Effect.META),
    "meta_account_offboarded": EventRule(Scope.CHANNEL, effect=Effect.META),
    "meta_account_reconnected": EventRule(Scope.CHANNEL, effect=Effect.META),
    "meta_account_deleted": EventRule(Scope.CHANNEL, effect=Effect.META),
    "meta_account_restriction": EventRule(Scope.CHANNEL, effect=Effect.META),
    "meta_account_violation": EventRule(Scope.CHANNEL, effect=Effect.META),
    "meta_disabled_update": EventRule(Scope.CHANNEL, effect=Effect.META),
    "meta_ad_account_linked": EventRule(Scope.WABA),
    "meta_partner_solutions": EventRule(Scope.WABA),
}

COEXISTENCE: Final = frozenset({"history", "smb_app_state_sync"})
"""Contacts and chats of a customer who uses the WhatsApp Business app, too: other people's, and many."""

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
FINAL_HUB_STATUSES: Final = frozenset({"deleted", "terminated"})
DEAD_WABA_STATUSES: Final = frozenset({"bsp_removed", "disabled", "banned"})
RESTRICTED_WORDS: Final = frozenset({"restricted", "blocked", "suspended", "account_restricted"})
"""Seen in a channel's `fb_account_status` and `meta_status` while Meta restricts it [guess]."""
UNRESTRICTED_WORDS: Final = frozenset({"approved", "active", "connected", "unrestricted", "reinstated"})
OVER_WORDS: Final = frozenset(
    {"ended", "expired", "lifted", "none", "reinstate", "reinstated", "removed", "resolved", "unrestricted"}
)
"""Words of a restriction's event that tell of its end [guess]."""
_STATES: Final = ("state", "status", "action", "restriction_status", "violation_status", "violation_type")
_META_ID: Final = re.compile(r"[0-9]{5,32}")
_CODE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}")
METAS: Final = "meta_"
"""How the names of Meta's own events begin."""
UNSPECIFIED: Final = "unspecified"
"""The code of an error that has none, or none that is one word."""


@dataclass(frozen=True, slots=True)
class Channel:
    """What we use of a channel object; every field may be missing.

    `external_id` is very likely Meta's phone number id. `waba_id` is Meta's (`waba_account.external_id`),
    never `waba_account.id`, which is 360dialog's own. `digits` are canonical. `final`: it is dead, and not
    only because its end was asked for. `restricted` is None where nothing is said. `error` is the code of an
    error that 360dialog has put on the channel, `error_shown` whether the object could tell. `phone` and
    `name` are the number and its name as 360dialog spells them.
    """

    id: str | None = None
    external_id: str | None = None
    waba_id: str | None = None
    digits: str = ""
    client_id: str | None = None
    progress: Progress | None = None
    dead: bool = False
    final: bool = False
    billed: bool = False
    created_at: datetime | None = None
    restricted: bool | None = None
    error: str | None = None
    error_shown: bool = False
    phone: str = field(default="", compare=False)
    name: str | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class PartnerEvent:
    """One event of 360dialog's: `raw` is its envelope as it came.

    `detail` names a violation, `until` is when a restriction ends by itself, `over` says that it has ended.
    What follows is of Meta's own events alone: `at` is when it happened.
    """

    id: str
    name: str
    channel: Channel
    detail: str
    raw: str
    until: datetime | None = None
    over: bool = False
    at: datetime | None = None
    reason: str = ""
    state: str = ""
    business_id: str | None = None
    solution_id: str | None = None
    solution_status: str = ""

    @property
    def is_metas(self) -> bool:
        """Whether Meta itself has told it."""
        return self.name.startswith(METAS)

    @property
    def rule(self) -> EventRule | None:
        """What it means, or None when it is unknown."""
        return EVENT_RULES.get(self.name)

    @property
    def about_channel(self) -> bool:
        """Whether it concerns one number, or all of one WABA."""
        return self.rule is not None and self.rule.scope is Scope.CHANNEL

    @property
    def about_waba(self) -> bool:
        """Whether it concerns every number of a WABA: it is of the account, and names nothing nearer."""
        channel = self.channel
        named = channel.id or channel.external_id or channel.digits
        return (
            self.rule is not None
            and self.rule.effect in {Effect.RESTRICT, Effect.FORGIVE, Effect.META}
            and channel.waba_id is not None
            and not named
        )


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
    hub_status = _word(data.get("hub_status"))
    gone = hub_status in FINAL_HUB_STATUSES or bool(data.get("terminated_at"))
    lost = _word(waba.get("status")) in DEAD_WABA_STATUSES
    phone = _phone(setup, data)
    return Channel(
        id=identifier(data.get("id")) or identifier(data.get("channel_id")),
        external_id=_first(data, "external_id", "channel_external_id", "phone_number_id"),
        waba_id=identifier(waba.get("external_id")) or _first(data, "waba_external_id", "waba_id"),
        digits=canonical(phone),
        client_id=identifier(data.get("client_id")) or identifier(client.get("id")),
        progress=max(known, key=rank, default=None),
        dead=gone or lost or hub_status in DEAD_HUB_STATUSES or bool(data.get("cancelled_at")),
        final=gone,
        billed=bool(data.get("billing_started_at")) and not data.get("terminated_at"),
        created_at=moment(data.get("created_at")),
        restricted=_restricted(data, waba),
        error=_error_code(setup.get("error")),
        error_shown="error" in setup,
        phone=phone[:MAX_ID],
        name=(text(setup.get("phone_name")) or text(data.get("phone_name")) or "")[:MAX_ID] or None,
    )


def _phone(setup: Mapping[str, object], data: Mapping[str, object]) -> str:
    found = (setup.get("phone_number"), data.get("phone_number"), data.get("display_phone_number"))
    return next((phone for phone in map(text, found) if phone), "")


def _first(data: Mapping[str, object], *names: str) -> str | None:
    return next((found for name in names if (found := identifier(data.get(name)))), None)


def _restricted(data: Mapping[str, object], waba: Mapping[str, object]) -> bool | None:
    """What a channel's words for Meta's opinion of it say: the worst of them, None when they say nothing."""
    said = {
        _word(source.get(name))
        for source in (waba, data)
        for name in ("fb_account_status", "meta_status")
        if source.get(name) is not None
    }
    if said & RESTRICTED_WORDS:
        return True
    return False if said & UNRESTRICTED_WORDS else None


def _error_code(error: object) -> str | None:
    """The code of an error, whatever shape it has: never its text, which may hold anything."""
    if error is False or (not error and error != 0):
        return None
    if isinstance(error, dict):
        named = (text(error.get(name)) for name in ("code", "error_code", "error_subcode", "type", "title"))
        code = next((word for word in named if word), None)
    else:
        code = text(error)
    return code if code is not None and _CODE.fullmatch(code) else UNSPECIFIED


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
    return PartnerEvent(
        id=event_id,
        name=name,
        channel=_subject(EVENT_RULES.get(name), data),
        detail=_violation(data)[:MAX_ID],
        raw=raw,
        until=max(_ends(data), default=None),
        over=any(_word(data.get(name)) in OVER_WORDS for name in _STATES),
        **(_of_meta(data) if name.startswith(METAS) else {}),
    )


def _of_meta(data: Mapping[str, object]) -> dict[str, Any]:
    """What only Meta's own events say."""
    return {
        "at": moment(data.get("told_at")),
        "reason": identifier(data.get("reason")) or "",
        "state": _word(data.get("state"))[:MAX_ID],
        "business_id": identifier(data.get("business_id")),
        "solution_id": identifier(data.get("solution_id")),
        "solution_status": _word(data.get("solution_status"))[:MAX_ID],
    }


def _subject(rule: EventRule | None, data: Mapping[str, object]) -> Channel:
    """What an event is about. Those of Meta's about an account may name it where others name a channel."""
    if rule and rule.scope is Scope.WABA:
        # Coexistence data names its number beside the WABA.
        named = _first(mapping(data.get("metadata")), "phone_number_id")
        waba_id = identifier(data.get("id")) or read_channel(data).waba_id
        return Channel(waba_id=waba_id, external_id=named)
    channel = read_channel(data)
    about_account = rule is not None and rule.effect in {Effect.RESTRICT, Effect.FORGIVE}
    if about_account and channel.id is not None and _META_ID.fullmatch(channel.id):
        return replace(channel, id=None, waba_id=channel.waba_id or channel.id)
    return channel


def _violation(data: Mapping[str, object]) -> str:
    """The violation, or the kinds of restrictions, that an event names."""
    inner = mapping(data.get("violation_info"))
    named = text(data.get("violation_type")) or text(inner.get("violation_type"))
    kinds = (text(entry.get("restriction_type")) for entry in _restrictions(data))
    return named or ",".join(kind for kind in kinds if kind)


def _restrictions(data: Mapping[str, object]) -> Iterator[Mapping[str, object]]:
    given = data.get("restriction_info")
    entries = members(given) or [given]
    return (entry for entry in map(mapping, entries) if entry)


def _ends(data: Mapping[str, object]) -> list[datetime]:
    """The ends of the restrictions an event tells of; one that has none lasts."""
    sources = list(_restrictions(data)) or [data]
    ends = [
        next(
            (at for name in ("expiration", "expires_at", "until") if (at := end_date(source.get(name)))), None
        )
        for source in sources
    ]
    return [end for end in ends if end is not None] if all(ends) else []


def _end(restriction: Mapping[str, object]) -> datetime | None:
    named = (end_date(restriction.get(name)) for name in ("expiration", "expires_at", "until"))
    return next((at for at in named if at), None)


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
        "terminated_at": channel.final,
        "billing_started_at": channel.billed,
        "created_at": channel.created_at.isoformat() if channel.created_at else None,
        "metadata": {"phone_number_id": channel.external_id},
        "violation_type": event.detail,
        "until": event.until.isoformat() if event.until else None,
        "state": event.state or ("ended" if event.over else None),
        "told_at": event.at.isoformat() if event.at else None,
        "reason": event.reason,
        "business_id": event.business_id,
        "solution_id": event.solution_id,
        "solution_status": event.solution_status,
        "fb_account_status": {True: "restricted", False: "approved", None: None}[channel.restricted],
    }
    if channel.error_shown:
        data["setup_info"] = {"phone_number": f"+{channel.digits}", "error": channel.error}
    return json.dumps({"id": event.id, "event": event.name, "data": data}, sort_keys=True)


def bare(event: PartnerEvent) -> str:
    """An envelope with the name, the id and the place of an event, and nothing of its contents."""
    place = {"id": event.channel.waba_id, "metadata": {"phone_number_id": event.channel.external_id}}
    return json.dumps({"id": event.id, "event": event.name, "data": place}, sort_keys=True)


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
