"""Who may do what: one table of exact actions for each function, and the policy statements made of it.

Nothing else in the stack grants a function anything.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import aws_cdk as cdk
from aws_cdk import aws_iam as iam

from infra.catalogue import FunctionName

Resource = Literal[
    "table",
    "by_tenant",
    "by_due",
    "table_key",
    "envelope_key",
    "secret",
    "bus",
    "jobs_queue",
    "jobs_dlq",
    "events_queue",
    "events_dlq",
    "schedules_dlq",
]
Purpose = Literal["business_token", "channel_key"]
# What cipher text is bound to.
CONTEXT_KEYS = ("purpose", "signup", "tenant")


@dataclass(frozen=True, slots=True)
class Grant:
    """Exact actions on one resource. With `purpose` only on cipher text made for that purpose."""

    resource: Resource
    actions: tuple[str, ...]
    purpose: Purpose | None = None


# What the functions' adapters call; a transaction needs the right of each of its members.
_GET = "dynamodb:GetItem"
_QUERY = "dynamodb:Query"
_PUT = "dynamodb:PutItem"
# Events are claimed, parked, taken out of parking and finished.
_EVENTS = (_QUERY, "dynamodb:UpdateItem", "dynamodb:DeleteItem", "dynamodb:ConditionCheckItem")
_SEND = ("sqs:SendMessage",)
# Three of them are Lambda's own, which polls the queue in the name of the function's role.
_CONSUME = (
    "sqs:ChangeMessageVisibility",
    "sqs:DeleteMessage",
    "sqs:GetQueueAttributes",
    "sqs:ReceiveMessage",
)

# DynamoDB opens the table's key in the name of whoever reads or writes the table.
_TABLE_KEY = Grant("table_key", ("kms:Decrypt",))
_SIGNUPS = (Grant("table", (_GET, _PUT)), _TABLE_KEY)
_SIGNUPS_AND_EVENTS = (Grant("table", (_GET, _PUT, *_EVENTS)), _TABLE_KEY)
_SECRET = Grant("secret", ("secretsmanager:GetSecretValue",))
_BUS = Grant("bus", ("events:PutEvents",))

GRANTS: Mapping[FunctionName, tuple[Grant, ...]] = MappingProxyType(
    {
        "code_exchange": (
            *_SIGNUPS,
            Grant("envelope_key", ("kms:Decrypt", "kms:Encrypt"), purpose="business_token"),
            _SECRET,
            _BUS,
        ),
        "number_submission": (*_SIGNUPS, Grant("jobs_queue", _SEND), _BUS),
        "signup_queries": (
            Grant("table", (_GET,)),
            Grant("by_tenant", (_QUERY,)),
            _TABLE_KEY,
            Grant("envelope_key", ("kms:Decrypt",), purpose="channel_key"),
        ),
        "webhook_receiver": (Grant("events_queue", _SEND), _SECRET),
        "onboarding_worker": (
            *_SIGNUPS_AND_EVENTS,
            Grant("jobs_queue", (*_CONSUME, *_SEND)),
            Grant("jobs_dlq", _SEND),
            Grant("events_dlq", _SEND),
            Grant("envelope_key", ("kms:Decrypt", "kms:Encrypt"), purpose="channel_key"),
            _SECRET,
            _BUS,
        ),
        "partner_event_worker": (
            *_SIGNUPS_AND_EVENTS,
            Grant("events_queue", _CONSUME),
            Grant("events_dlq", _SEND),
            Grant("jobs_queue", _SEND),
            _SECRET,
            _BUS,
        ),
        "reconciler": (
            *_SIGNUPS_AND_EVENTS,
            Grant("by_due", (_QUERY,)),
            Grant("jobs_queue", _SEND),
            Grant("events_dlq", _SEND),
            # Lambda itself puts a run that failed there, in the name of the function's role.
            Grant("schedules_dlq", _SEND),
            _SECRET,
            _BUS,
        ),
    }
)

# Why a statement of a function names every resource. No others do.
WILDCARD_REASONS: Mapping[str, str] = MappingProxyType(
    {
        "xray:PutTelemetryRecords": "X-Ray knows no resources; only with tracing switched on",
        "xray:PutTraceSegments": "X-Ray knows no resources; only with tracing switched on",
    }
)
TRACING_ACTIONS = tuple(sorted(WILDCARD_REASONS))
LOG_ACTIONS = ("logs:CreateLogStream", "logs:PutLogEvents")


def statements_of(
    *, function: FunctionName, arns: Mapping[Resource, str], log_group_arn: str, tracing: bool
) -> Sequence[iam.PolicyStatement]:
    """The policy statements of one function.

    Args:
        function: whose.
        arns: the resources' ARNs.
        log_group_arn: the function's own log group, as CloudFormation gives it (ending in ``:*``).
        tracing: whether the function sends traces.
    """
    statements = [_statement(grant, arns[grant.resource]) for grant in GRANTS[function]]
    statements.append(iam.PolicyStatement(actions=list(LOG_ACTIONS), resources=[log_group_arn]))
    if tracing:
        statements.append(iam.PolicyStatement(actions=list(TRACING_ACTIONS), resources=["*"]))
    return statements


def _statement(grant: Grant, arn: str) -> iam.PolicyStatement:
    return iam.PolicyStatement(
        actions=sorted(grant.actions), resources=[arn], conditions=_conditions(grant) or None
    )


def _conditions(grant: Grant) -> dict[str, dict[str, str | list[str]]]:
    if grant.resource == "table_key":
        return {"StringEquals": {"kms:ViaService": f"dynamodb.{cdk.Aws.REGION}.amazonaws.com"}}
    if grant.purpose is not None:
        return {
            "StringEquals": {"kms:EncryptionContext:purpose": grant.purpose},
            # Nothing is encrypted, or opened, without saying whose it is …
            "Null": {"kms:EncryptionContext:signup": "false", "kms:EncryptionContext:tenant": "false"},
            # … and under no context but the one the functions write.
            "ForAllValues:StringEquals": {"kms:EncryptionContextKeys": list(CONTEXT_KEYS)},
        }
    return {}
