"""The bus events, made from the table of facts into `bus.json`: one JSON schema for each `detail-type`."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from onramp.adapters.aws import SOURCE
from onramp.domain.errors import FAILURES
from onramp.domain.facts import FACTS, FactKind, FactType
from onramp.domain.outcome import OutcomeType
from onramp.domain.signup import PROVED_BY_ADOPTION, PROVED_BY_GRANT, PROVED_BY_USE
from onramp.domain.states import Attention, Step
from onramp.inbound.models import LINK_ID, SIGNUP_ID, WISHES
from onramp.usecases.exchange_code import TOLD

type Json = dict[str, Any]

TARGET: Final = Path(__file__).resolve().parent / "bus.json"

COMMON: Final[Json] = {
    "id": {
        "type": "string",
        "description": "Tells copies of one event apart from others; sorts by time.",
        "examples": ["01a207a291185d3a0b77c2e9f4d8a601"],
    },
    "at": {
        "type": "string",
        "format": "date-time",
        "description": "When it happened.",
        "examples": ["2026-11-23T09:00:22.000Z"],
    },
    "signup_id": {
        "type": ["string", "null"],
        "description": "The signup it belongs to; null when it concerns none.",
        "examples": [SIGNUP_ID],
    },
    "tenant": {
        "type": ["string", "null"],
        "description": "Whose it is.",
        "examples": ["tenant-sample"],
    },
    "reference": {
        "type": ["string", "null"],
        "description": "As given when the signup was opened.",
        "examples": ["customer-4711"],
    },
    "phone_number_id": {
        "type": ["string", "null"],
        "description": "Meta's id of the number it is about.",
        "examples": ["106540352242922"],
    },
    "channel_id": {
        "type": ["string", "null"],
        "description": "360dialog's id of the number's channel, once it is known.",
        "examples": ["smplA1CH"],
    },
}
"""What every event's detail has."""

_MEMBERS: Final[Json] = {
    "channel_ids": {
        "description": "360dialog's ids of the channels, joined by commas.",
        "examples": ["aCH,bCH"],
    },
    "code": {"description": "A code that says more.", "examples": ["submission_rejected"]},
    "error_code": {"description": "Meta's code of the error.", "examples": ["524126"]},
    "outcome": {"description": "How the popup ended.", "examples": ["cancelled"]},
    "session_id": {
        "description": "Meta's id of the visit, for its support.",
        "examples": ["f34b51dab5e0498"],
    },
    "count": {"description": "How many.", "examples": ["2"]},
    "expires_at": {
        "description": "Until when the link waits; ISO 8601.",
        "examples": ["2026-11-30T09:00:00.000Z"],
    },
    "hub": {"description": "The hub of it.", "examples": ["default"]},
    "total": {
        "description": "What there is, in each currency, joined by commas.",
        "examples": ["42.50 EUR"],
    },
    "watched": {"description": "The amount that it is watched for.", "examples": ["100"]},
    "kind": {"description": "What was asked for.", "examples": ["deletion"]},
    "request_id": {
        "description": "The code that Meta shows to the person who asked.",
        "examples": ["abcdefghijklmnopqrstuvwx"],
    },
    "solution_id": {"description": "Meta's id of the solution.", "examples": ["123456789012345"]},
    "status": {"description": "Meta's word for what has become of it.", "examples": ["deactivated"]},
    "life": {"description": "Which life of the number begins or goes on.", "examples": ["2"]},
    "link_id": {"description": "Our id of the link.", "examples": [LINK_ID]},
    "other_channel_id": {"description": "360dialog's id of the other channel.", "examples": ["smplD4CH"]},
    "proof": {"description": "How the ownership was proved.", "examples": ["granted_ids"]},
    "reason": {"description": "360dialog's or Meta's word for it.", "examples": ["DISPLAY_NAME_REJECTED"]},
    "step": {"description": "The step that failed.", "examples": ["submit"]},
    "until": {
        "description": "When the restriction ends, where Meta says so; ISO 8601.",
        "examples": ["2026-12-23T09:00:00.000Z"],
    },
    "violation_type": {"description": "360dialog's word for what happened.", "examples": ["SPAM"]},
    "waba_id": {"description": "Meta's id of the WABA.", "examples": ["102290129340398"]},
}
"""Further members, by name: each is a text or null."""

_OWN: Final[Mapping[tuple[str, str], Json]] = {
    (FactType.SIGNUP_OUTCOME, "step"): {
        "description": "Meta's word for the screen it ended at.",
        "examples": ["PHONE_NUMBER_VERIFICATION"],
    },
}
"""Members that mean something else in one event."""

_WORDS: Final[Mapping[tuple[str, str], list[str]]] = {
    (FactType.NUMBER_FAILED, "code"): list(FAILURES),
    (FactType.NUMBER_FAILED, "step"): list(Step),
    (FactType.NUMBER_ATTENTION, "code"): list(Attention),
    (FactType.NUMBER_ATTENTION_ENDED, "code"): list(Attention),
    (FactType.NUMBER_MENDED, "code"): [Attention.KEY_DEAD, Attention.WEBHOOK_DRIFT],
    (FactType.NUMBER_WISH, "code"): list(WISHES),
    (FactType.NUMBER_WISH_REFUSED, "code"): list(FAILURES),
    (FactType.NUMBER_WISH_REFUSED, "step"): list(WISHES),
    (FactType.SIGNUP_AUTHORIZED, "proof"): [PROVED_BY_GRANT, PROVED_BY_USE],
    (FactType.NUMBER_ADOPTED, "proof"): [PROVED_BY_ADOPTION],
    (FactType.SIGNUP_OUTCOME, "outcome"): list(OutcomeType),
    (FactType.SIGNUP_EXCHANGE_FAILED, "code"): sorted(TOLD),
}
"""Members that hold one of our own words."""


def build() -> Json:
    """The document, the same for the same code."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Onramp's bus events",
        "description": (
            f"What the stack's EventBridge bus carries: source `{SOURCE}`, `detail-type` and `detail` as"
            " below. Each comes at least once, those of one signup in their order; a later release may add"
            " types, members and words."
        ),
        "source": SOURCE,
        "oneOf": [{"$ref": f"#/$defs/{name}"} for name in _told()],
        "$defs": {name: _event(name, kind) for name, kind in _told().items()},
    }


def render() -> str:
    """The document as the file holds it."""
    return json.dumps(build(), indent=2, ensure_ascii=False) + "\n"


def _told() -> dict[str, FactKind]:
    return {str(name): kind for name, kind in FACTS.items() if kind.bus}


def _event(name: str, kind: FactKind) -> Json:
    members = COMMON | {member: _member(name, member) for member in kind.detail}
    detail = {member: part["examples"][0] for member, part in members.items()}
    return {
        "type": "object",
        "description": kind.about,
        "properties": {
            "source": {"type": "string", "enum": [SOURCE], "description": "Us.", "examples": [SOURCE]},
            "detail-type": {"type": "string", "enum": [name], "description": "What.", "examples": [name]},
            "detail": {
                "type": "object",
                "description": "About what.",
                "properties": members,
                "required": list(COMMON),
                "examples": [detail],
            },
        },
        "required": ["source", "detail-type", "detail"],
        "examples": [{"source": SOURCE, "detail-type": name, "detail": detail}],
    }


def _member(name: str, member: str) -> Json:
    schema = {"type": ["string", "null"], **_OWN.get((name, member), _MEMBERS[member])}
    words = _WORDS.get((name, member))
    if words is not None:
        schema |= {"enum": [*words, None], "examples": [words[0]]}
    return schema
