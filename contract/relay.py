"""What the relay hands on, as JSON Schema: one envelope for the bus, queues and https endpoints."""

import json
from pathlib import Path
from typing import Any, Final

from contract.samples import samples
from onramp.adapters.outlets import SOURCE
from onramp.domain.relaying import INLINE, VERSION

type Json = dict[str, Any]

TARGET: Final = Path(__file__).resolve().parent / "relay.json"
"""The file that is made."""


def build() -> Json:
    """The document."""
    example = _example()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "360dialog's events, handed on",
        "description": (
            "What a target of the relay is handed: the `detail` of an event of the bus (source"
            f" `{SOURCE}`, `detail-type` the event's name), the body of a message of a queue, the body of a"
            " POST. Each comes at least once, in no order; `id` tells repeats. A later release may add"
            " members."
        ),
        "type": "object",
        "properties": {
            "version": _of("integer", "Of this envelope.", VERSION),
            "id": _of("string", "360dialog's id of the event; a digest of it where it has none.", "evt-1"),
            "event": _of("string", "360dialog's name of the event.", "channel_live"),
            "hub": _of("string", "The hub that it came from.", "default"),
            "received_at": _of("string", "When it came first, ISO 8601 in UTC.", example["received_at"]),
            "resolution": {
                "type": "object",
                "description": "Whose it is, as far as that was known when it came; null where it was not.",
                "properties": {
                    name: _of(["string", "null"], told, example["resolution"][name])
                    for name, told in _RESOLVED.items()
                },
                "required": list(_RESOLVED),
            },
            "encoding": _of("string", "Of `body`: `utf-8`, or `base64` where it was no text.", "utf-8")
            | {"enum": ["utf-8", "base64"]},
            "body": _of(
                ["string", "null"],
                "The body of the webhook as it came, a text; of one with several events, the one event. Null"
                f" where the envelope would have more than {INLINE} bytes: then see `body_at`.",
                example["body"],
            ),
            "body_at": {
                "type": ["object", "null"],
                "description": "Where a large body lies; null where `body` has it.",
                "properties": {
                    "bucket": _of("string", "The stage's bucket.", "onramp-prod-bodies"),
                    "key": _of("string", "The object's key.", "9f86d081…/2c26b46b…"),
                    "bytes": _of("integer", "Its size.", 612_000),
                    "sha256": _of("string", "Its digest, hexadecimal.", "9f86d081…"),
                    "url": _of("string", "An address that everybody can read it at.", "https://…"),
                    "url_expires_at": _of(
                        "string", "Until when at most; it may end sooner.", "2026-11-23T13:00:00.000Z"
                    ),
                },
                "required": ["bucket", "key", "bytes", "sha256", "url", "url_expires_at"],
            },
        },
        "required": list(example),
        "examples": [example],
    }


def render() -> str:
    """The document as the file holds it."""
    return json.dumps(build(), indent=2, ensure_ascii=False) + "\n"


def _example() -> Json:
    (record,) = samples()["event_relay/batch"]["Records"]
    envelope: Json = json.loads(record["body"])["envelope"]
    return envelope


def _of(kind: str | list[str], told: str, example: object) -> Json:
    return {"type": kind, "description": told, "examples": [example]}


_RESOLVED: Final = {
    "tenant": "Whose: of an account's event, where all its numbers have one tenant.",
    "signup_id": "The signup that brought its number.",
    "phone_number_id": "Meta's id of its number.",
    "channel_id": "360dialog's channel.",
    "waba_id": "Meta's WABA.",
}
