"""Meta's own webhooks, read leniently into events that the one ledger keeps and the one loop lets act.

    body ──► entries ──► changes ──► one envelope each, in the form `read_event` reads

Meta gives its changes no id: each gets one of its content and its entry's time, so that a copy is known
again however it is packed. Facts and their marks: docs/upstreams.md, "Webhooks from Meta".
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from typing import Final

from onramp.domain.errors import Unreadable
from onramp.domain.partner_events import METAS
from onramp.domain.text import end_date, identifier, iso, mapping, members, text

ADDED: Final = frozenset({"meta_partner_added", "meta_partner_app_installed"})
"""A customer has let our app into an account: what a signup whose code is lost leaves behind."""
REMOVED: Final = frozenset({"meta_partner_removed", "meta_partner_app_uninstalled", "meta_account_deleted"})
SOLUTIONS: Final = "meta_partner_solutions"
PRIVATE_FIELDS: Final = frozenset(
    {
        "calls",
        "history",
        "message_echoes",
        "messages",
        "messaging_handovers",
        "smb_app_state_sync",
        "smb_message_echoes",
        "standby",
        "user_preferences",
    }
)
"""Fields whose values are chats, contacts and the like: that they came is kept, what they say is not."""
_UPDATE: Final = "account_update"
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,79}")
_UNNAMED: Final = "unnamed"


def read_changes(body: bytes) -> list[dict[str, object]]:
    """The changes of one webhook of Meta's, each as an envelope. Raises `Unreadable`."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Unreadable("the body is not JSON") from error
    if not isinstance(content, dict):
        raise Unreadable("the body is no object")
    found = [
        _envelope(text(content.get("object")), mapping(entry), mapping(change))
        for entry in members(content.get("entry"))
        for change in _changes(mapping(entry))
    ]
    if not found:
        raise Unreadable("the body holds no change")
    return found


def _changes(entry: Mapping[str, object]) -> Iterator[object]:
    """An entry's changes; what has another shape is one change, so that it is kept."""
    listed = members(entry.get("changes"))
    yield from listed or [{"field": _UNNAMED, "value": entry}]


def _envelope(
    kind: str | None, entry: Mapping[str, object], change: Mapping[str, object]
) -> dict[str, object]:
    field = (text(change.get("field")) or _UNNAMED).lower()
    value = mapping(change.get("value"))
    whole = {"object": kind, "id": entry.get("id"), "time": entry.get("time"), "field": field}
    said = json.dumps({**whole, "value": change.get("value")}, sort_keys=True)
    private = field in PRIVATE_FIELDS
    name = _name(field, "" if private else text(value.get("event")) or "")
    data = {
        "told_at": _time(entry),
        **({} if private else _data(name, entry, value)),
        "meta": whole if private else {**whole, "value": change.get("value")},
    }
    if private:
        data["waba_account"] = {"external_id": identifier(entry.get("id"))}
    return {"id": f"{METAS}{hashlib.sha256(said.encode()).hexdigest()}", "event": name, "data": data}


def _name(field: str, event: str) -> str:
    """What the ledger calls a change: the account's own updates by their event, others by their field."""
    event = event.lower()
    name = event if field == _UPDATE and event else field
    if field not in {_UPDATE, "partner_solutions"} and event:
        name = f"{field}_{event}"
    return f"{METAS}{name if _NAME.fullmatch(name) else _UNNAMED}"


def _time(entry: Mapping[str, object]) -> str | None:
    """When Meta says that it happened: epoch seconds, as a number or as text."""
    at = end_date(entry.get("time"))
    return iso(at) if at else None


def _data(name: str, entry: Mapping[str, object], value: Mapping[str, object]) -> dict[str, object]:
    """What effects look at, in the places where they look."""
    about = mapping(value.get("waba_info"))
    ban = mapping(value.get("ban_info"))
    ended = mapping(value.get("disconnection_info"))
    # With PARTNER_ADDED the entry's id is a business portfolio's, never an account's.
    own = None if name in ADDED else identifier(entry.get("id"))
    return {
        "waba_account": {"external_id": identifier(about.get("waba_id")) or own},
        "phone_number": text(value.get("phone_number")) or text(value.get("display_phone_number")),
        "business_id": identifier(about.get("owner_business_id"))
        or (identifier(entry.get("id")) if name in ADDED else None),
        "solution_id": identifier(about.get("solution_id")) or identifier(value.get("solution_id")),
        "solution_status": _word(value, "solution_status", "status", "event"),
        "reason": _word(ended, "reason", "initiated_by") or _word(value, "reason"),
        "state": _word(ban, "waba_ban_state") or _word(value, "state", "status"),
        "restriction_info": value.get("restriction_info"),
        "violation_info": value.get("violation_info"),
    }


def _word(source: Mapping[str, object], *names: str) -> str | None:
    """The first of some words of Meta's; a text that is no word says nothing."""
    words = ((text(source.get(name)) or "").lower() for name in names)
    return next((word for word in words if _NAME.fullmatch(word)), None)
