"""What the soak reads from the table: every record, as it is stored."""

import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from local.run import LocalStack

type Json = dict[str, Any]

# What a record leaves out when it is written, for nothing has changed it since it was made.
_NUMBER: Mapping[str, Any] = {
    "progress": "pending",
    **dict.fromkeys(("failure", "lease", "intent", "due_at", "channel_id", "cancelled_at")),
}
_EVENT: Mapping[str, Any] = {"outcome": "open", "reason": None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """What the table holds.

    Attributes:
        numbers: Stored numbers by Meta's id.
        events: Outcome by event id; for an event that nobody has dealt with its state, in brackets.
        facts: Everything that was told.
        due: Ids of numbers that the sweep's index still lists.
    """

    numbers: Mapping[str, Json]
    events: Mapping[str, str]
    facts: Sequence[Json] = ()
    due: Sequence[str] = ()


@dataclass(slots=True)
class _Reading:
    numbers: dict[str, Json] = field(default_factory=dict)
    events: dict[str, str] = field(default_factory=dict)
    facts: list[Json] = field(default_factory=list)
    due: list[str] = field(default_factory=list)

    def take(self, item: Json) -> None:
        """Takes one item of the table."""
        kind = str(item["sk"]["S"]).partition("#")[0]
        if kind == "NUMBER":
            number = {**_NUMBER, **record_of(item)}
            self.numbers[number["phone_number_id"]] = number
            # A connected number is listed for its daily check: that is no open work.
            open_work = "due_shard" in item and number["progress"] != "connected"
            self.due += [number["phone_number_id"]] * open_work
        elif kind == "EVENT":
            event = {**_EVENT, **record_of(item)}
            self.events[event["id"]] = outcome_of(event)
        elif kind == "FACT":
            self.facts.append({"bus": True, "detail": {}, "phone_number_id": None, **record_of(item)})


def read_records(run: LocalStack) -> Records:
    """Reads what the checks need from the table."""
    reading = _Reading()
    for item in _scan(run):
        reading.take(item)
    facts = sorted(reading.facts, key=lambda fact: str(fact["id"]))
    return Records(numbers=reading.numbers, events=reading.events, facts=facts, due=reading.due)


def record_of(item: Json) -> Json:
    """Gives the record of an item, which is compressed when it is large."""
    raw = zlib.decompress(item["data_zlib"]["B"]) if "data_zlib" in item else item["data"]["S"]
    record: Json = json.loads(raw)
    return record


def outcome_of(event: Json) -> str:
    """Tells what became of an event, with its reason if any; in brackets while it may still act."""
    outcome = str(event["outcome"])
    if outcome in {"open", "unresolved"}:
        return f"({outcome})"
    return f"{outcome}:{event['reason']}" if event["reason"] else outcome


def _scan(run: LocalStack) -> Iterator[Json]:
    pages = run.aws.dynamodb.get_paginator("scan").paginate(TableName=run.table_name, ConsistentRead=True)
    for page in pages:
        for item in page["Items"]:
            yield dict(item)
