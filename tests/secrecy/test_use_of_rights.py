"""No function may do more than it does: what a card grants is what its function was seen to do.

All functions run in one process on a walk that meets whatever has a right of its own. What Lambda does in a
function's name (polling a queue, reading the stream, its dead letters) is left out, for Lambda is not there.
"""

import dataclasses
from collections.abc import Iterator

import pytest

from infra.cards import CARDS, Queue
from infra.grants import Grant
from tests.secrecy import journey
from tests.secrecy.stage import ELSEWHERE, AwsCall, Stage

type Right = tuple[str, ...]
"""Action, resource, and the purpose of a secret."""

LAMBDAS_OWN = {
    ("sqs:SendMessage", "schedules_dlq"),
    ("sqs:SendMessage", "stream_dlq"),
    *(
        (f"sqs:{action}", card.trigger.name)
        for card in CARDS.values()
        if isinstance(card.trigger, Queue)
        for action in ("DeleteMessage", "GetQueueAttributes", "ReceiveMessage")
    ),
}
NOT_MET = frozenset({"bodies", "bodies_key", "notifications_queue"})
"""Nothing here is too large for a queue, and no delivery waits for a sweep."""
SINGLE = {
    "GetItem": ("dynamodb:GetItem", "table"),
    "BatchGetItem": ("dynamodb:BatchGetItem", "table"),
    "PutItem": ("dynamodb:PutItem", "table"),
    "UpdateItem": ("dynamodb:UpdateItem", "table"),
    "Scan": ("dynamodb:Scan", "table"),
    "GetSecretValue": ("secretsmanager:GetSecretValue", "secret"),
    "PutEvents": ("events:PutEvents", "bus"),
}
QUEUE_CALLS = {
    "SendMessage": "sqs:SendMessage",
    "SendMessageBatch": "sqs:SendMessage",
    "ChangeMessageVisibility": "sqs:ChangeMessageVisibility",
}


def rights(call: AwsCall) -> Iterator[Right]:
    """What a call needs."""
    asked = call.parameters
    match call.operation:
        case "Query":
            yield "dynamodb:Query", asked.get("IndexName", "table")
        case "TransactWriteItems":
            for member in (name for item in asked["TransactItems"] for name in item):
                yield f"dynamodb:{member}Item", "table"
        case "Encrypt" | "Decrypt":
            yield f"kms:{call.operation}", "envelope_key", asked["EncryptionContext"]["purpose"]
        case operation if operation in QUEUE_CALLS:
            name = asked["QueueUrl"].rpartition("/")[2].replace("-", "_")
            yield QUEUE_CALLS[operation], name if name.endswith("dlq") else f"{name}_queue"
        case operation:
            yield SINGLE[operation]


def granted(grants: tuple[Grant, ...]) -> set[Right]:
    """What a card grants its code: not the table's key, which DynamoDB opens, and not what Lambda does."""
    found = {
        (action, grant.resource, *([grant.purpose] if grant.purpose else []))
        for grant in grants
        for action in grant.actions
        if grant.resource not in {"table_key", "stream", *NOT_MET}
    }
    return found - LAMBDAS_OWN


def failing(stage: Stage, side: str, method: str, path: str, times: int | None) -> None:
    """Let calls of an upstream fail so many times, or always."""
    match = {"method": method, "path": path}
    fault = {"kind": "error_before", "status": 503, "match": match}
    stage.admin(side, "faults", fault | ({"times": times} if times else {}))


@pytest.fixture
def walked(stage: Stage) -> Stage:
    """A stage on which everything has happened that needs a right of its own."""
    failing(stage, "meta", "GET", "phone_numbers$", 4)  # the code comes again: its stored token is opened
    failing(stage, "dialog", "POST", "configs/webhook$", 1)  # the stored key is opened for the next try
    journey.whole(stage)
    [channel] = stage.sims.hub.channels.values()
    setup = {"phone_number": channel.phone_number}
    about = {"id": "unknown-channel", "setup_info": setup}
    stage.admin("dialog", "events", {"event": "phone_number_quality_changed", "data": about})
    # A restriction that names only the WABA reaches its numbers.
    stage.admin("dialog", f"channels/{channel.id}/restrict", {"names": "waba"})
    stage.run(60)
    stage.admin("dialog", f"channels/{channel.id}/forgive", {"names": "waba"})
    stage.put("events", "nobody can read this", {"encoding": {"stringValue": "utf-8"}})
    stage.run(60)
    # A channel of the census that names neither a number nor its WABA.
    other = dataclasses.replace(channel, id="nameless", external_id="x", waba_external_id="")
    stage.sims.hub.channels[other.id] = other
    journey.census(stage)
    del stage.sims.hub.channels[other.id]
    # Webhooks are lost: a look finds the channel, and wakes the worker for what is next.
    stage.admin("dialog", "webhook-faults", {"drop": 1.0})
    person = journey.customer(stage)
    journey.connect(stage, journey.submitted(stage, person, "k-2"), person)
    # A number that Meta lists only after the popup: token and secret are needed once more.
    journey.late(stage, "k-4")
    # 360dialog is down for good: the job is given up.
    failing(stage, "dialog", "GET", "channels$", None)
    journey.submitted(stage, journey.customer(stage), "k-3")
    stage.run(1_200)
    return stage


def test_every_right_is_used_and_no_other(walked: Stage) -> None:
    used: dict[str, set[Right]] = {name: set() for name in CARDS}
    for call in walked.calls:
        used[call.function].update(rights(call))
    for name, card in CARDS.items():
        if name in ELSEWHERE:
            assert used[name] <= granted(card.grants), name
        else:
            assert used[name] == granted(card.grants), name
