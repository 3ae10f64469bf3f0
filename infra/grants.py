"""What a function may be allowed, as data; `infra/permissions.py` makes policy statements of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

QueueName = Literal[
    "jobs_queue",
    "jobs_dlq",
    "events_queue",
    "events_dlq",
    "relay_queue",
    "relay_dlq",
    "notifications_queue",
    "notifications_dlq",
    "schedules_dlq",
    "stream_dlq",
]
IndexName = Literal["by_tenant", "by_due", "by_channel", "by_digits", "by_waba", "by_place"]
Resource = (
    Literal[
        "table",
        "stream",
        "table_key",
        "envelope_key",
        "secret",
        "bus",
        "bodies",
        "bodies_key",
        "relay_targets",
    ]
    | IndexName
    | QueueName
)
Feature = Literal["relay", "relay_bus", "relay_https", "relay_queues", "notifications"]
"""What a configuration may have or not: functions and rights that belong to it are there only where it is."""
Purpose = Literal["business_token", "channel_key", "endpoint_key"]

# What the encryption context of each kind of secret names beside its purpose: whose it is, and of what.
BELONGS_TO: Mapping[Purpose, tuple[str, ...]] = MappingProxyType(
    {
        "business_token": ("signup", "tenant"),
        "channel_key": ("number", "tenant"),
        "endpoint_key": ("endpoint",),
    }
)

# A transaction needs the right of each of its members: records are updates, facts are puts.
GET = "dynamodb:GetItem"
GET_MANY = "dynamodb:BatchGetItem"
QUERY = "dynamodb:Query"
UPDATE = "dynamodb:UpdateItem"
PUT = "dynamodb:PutItem"
SCAN = "dynamodb:Scan"
DELETE = "dynamodb:DeleteItem"
ENCRYPT = "kms:Encrypt"
DECRYPT = "kms:Decrypt"


@dataclass(frozen=True, slots=True)
class Grant:
    """Exact actions on one resource. With `purpose` only on cipher text made for that purpose.

    With `needs` only where the configuration has that.
    """

    resource: Resource
    actions: tuple[str, ...]
    purpose: Purpose | None = None
    needs: Feature | None = None


def table(*actions: str) -> tuple[Grant, ...]:
    """Actions on the table itself, and what they need of its key: DynamoDB opens it in the caller's name."""
    return Grant("table", actions), Grant("table_key", (DECRYPT,))


def indexes(*names: IndexName) -> tuple[Grant, ...]:
    """Queries of indexes."""
    return tuple(Grant(name, (QUERY,)) for name in names)


def sends(*queues: QueueName, needs: Feature | None = None) -> tuple[Grant, ...]:
    """The right to send to queues."""
    return tuple(Grant(queue, ("sqs:SendMessage",), needs=needs) for queue in queues)


def consumes(queue: QueueName, *more: str) -> Grant:
    """What working off a queue needs: Lambda polls it in the function's name. `more` goes on top."""
    return Grant(
        queue,
        (
            "sqs:ChangeMessageVisibility",
            "sqs:DeleteMessage",
            "sqs:GetQueueAttributes",
            "sqs:ReceiveMessage",
            *more,
        ),
    )


def reads_letters(*queues: QueueName) -> tuple[Grant, ...]:
    """What looking at dead letters needs, and taking away those that were sent back."""
    return tuple(consumes(queue) for queue in queues)


def secrets_of(purpose: Purpose, *actions: str, needs: Feature | None = None) -> Grant:
    """The envelope key, for secrets of one purpose."""
    return Grant("envelope_key", actions, purpose, needs)


STREAM = Grant(
    "stream",
    (
        "dynamodb:DescribeStream",
        "dynamodb:GetRecords",
        "dynamodb:GetShardIterator",
        # Lambda asks for it, too, when it takes up a stream; the stream's own ARN is enough.
        "dynamodb:ListStreams",
    ),
)
"""All of it is Lambda's own, which reads the stream in the function's name."""
BODIES_WRITTEN = (
    Grant("bodies", ("s3:PutObject",), needs="relay"),
    Grant("bodies_key", ("kms:GenerateDataKey",), needs="relay"),
)
"""Putting large bodies into their bucket; S3 uses the table's key in the function's name."""
BODIES_READ = (
    Grant("bodies", ("s3:GetObject",), needs="relay"),
    Grant("bodies_key", (DECRYPT,), needs="relay"),
)
"""What a link to a large body rests on: who opens it reads in the name of the function that made it."""
SECRET = Grant("secret", ("secretsmanager:GetSecretValue",))
BUS = Grant("bus", ("events:PutEvents",))
