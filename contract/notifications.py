"""What endpoints are notified of, as JSON Schema: the payload of each type, with a sample that fits it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from contract import bus
from onramp.domain.notifications import TEST

type Json = dict[str, Any]

TARGET: Final = Path(__file__).resolve().parent / "notifications.json"
"""The file that is made."""


def build() -> Json:
    """The document, the same for the same code."""
    payloads = {
        name: _payload(name, event["description"], event["properties"]["detail"])
        for name, event in bus.build()["$defs"].items()
    }
    payloads[TEST] = _payload(TEST, "A test that an operator has asked for.", _TEST_DATA)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Onramp's notifications",
        "description": (
            "The body of each signed POST to an endpoint, after Standard Webhooks: `type`, `timestamp`, and"
            " as `data` the `detail` of the bus event of that type. Each comes at least once and in no"
            " order; `webhook-id` tells repeats. A later release may add types, members and words."
        ),
        "oneOf": [{"$ref": f"#/$defs/{name}"} for name in payloads],
        "$defs": payloads,
    }


def render() -> str:
    """The document as the file holds it."""
    return json.dumps(build(), indent=2, ensure_ascii=False) + "\n"


def samples() -> Mapping[str, Json]:
    """A payload of each type, as an endpoint gets it."""
    return {name: payload["examples"][0] for name, payload in build()["$defs"].items()}


_TEST_DATA: Final[Json] = {
    "type": "object",
    "description": "About what.",
    "properties": {
        "id": bus.COMMON["id"],
        "signup_id": {"type": "null", "description": "None.", "examples": [None]},
        "endpoint": {"type": "string", "description": "The endpoint's name.", "examples": ["crm"]},
    },
    "required": ["id", "signup_id", "endpoint"],
    "examples": [{"id": bus.COMMON["id"]["examples"][0], "signup_id": None, "endpoint": "crm"}],
}


def _payload(name: str, about: str, data: Json) -> Json:
    at = bus.COMMON["at"]["examples"][0]
    sample = {"type": name, "timestamp": at, "data": data["examples"][0]}
    return {
        "type": "object",
        "description": about,
        "properties": {
            "type": {"type": "string", "enum": [name], "description": "What.", "examples": [name]},
            "timestamp": {
                "type": "string",
                "format": "date-time",
                "description": "When it happened.",
                "examples": [at],
            },
            "data": data,
        },
        "required": ["type", "timestamp", "data"],
        "examples": [sample],
    }
