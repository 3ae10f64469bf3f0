"""Each call of the rights table as AWS puts it before its policies: action, resource, context."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from infra.cards import CARDS, logical_id
from tests.iam.calls import ROWS, context, purpose_named, read_rows
from tests.iam.policies import ACCOUNT, HERE, REGION, STREAM, Policies

type Context = Mapping[str, str | Sequence[str]]

LOGICAL: Mapping[str, tuple[str, str]] = {
    "table": ("AWS::DynamoDB::Table", "StorageTable"),
    "table_key": ("AWS::KMS::Key", "SecretsTableKey"),
    "envelope_key": ("AWS::KMS::Key", "SecretsEnvelopeKey"),
    "secret": ("AWS::SecretsManager::Secret", "SecretsSecret"),
    "bus": ("AWS::Events::EventBus", "MessagingBus"),
    "jobs_queue": ("AWS::SQS::Queue", "MessagingJobs"),
    "jobs_dlq": ("AWS::SQS::Queue", "MessagingJobsDlq"),
    "events_queue": ("AWS::SQS::Queue", "MessagingEvents"),
    "events_dlq": ("AWS::SQS::Queue", "MessagingEventsDlq"),
    "relay_queue": ("AWS::SQS::Queue", "MessagingRelay"),
    "relay_dlq": ("AWS::SQS::Queue", "MessagingRelayDlq"),
    "notifications_queue": ("AWS::SQS::Queue", "MessagingNotifications"),
    "notifications_dlq": ("AWS::SQS::Queue", "MessagingNotificationsDlq"),
    "schedules_dlq": ("AWS::SQS::Queue", "MessagingSchedulesDlq"),
    "stream_dlq": ("AWS::SQS::Queue", "MessagingStreamDlq"),
}
"""Type and logical id of what the rows name."""
ELSEWHERE: Mapping[str, str] = {
    "account": "*",
    "default_bus": f"arn:aws:events:{HERE}:event-bus/default",
}

# What the emulator cannot try: AWS's own use of the table's key, in the function's name.
THROUGH_AWS = read_rows(
    """
kms:Decrypt table_key through_dynamodb          +   +   +   -   +   +   +   +   -   +   -   -   +
kms:Encrypt table_key through_dynamodb          -   -   -   -   -   -   -   -   -   -   -   -   -
kms:Decrypt table_key through_elsewhere         -   -   -   -   -   -   -   -   -   -   -   -   -
kms:Decrypt table_key through_s3                -   -   -   -   -   -   -   -   -   -   -   +   -
kms:GenerateDataKey table_key through_s3        -   -   -   -   -   +   -   -   -   -   -   -   -
kms:Decrypt table_key through_secrets           -   -   -   -   -   -   -   -   -   -   -   -   -
"""
)
SERVICES: Mapping[str, str] = {
    "through_dynamodb": f"dynamodb.{REGION}.amazonaws.com",
    "through_elsewhere": "dynamodb.us-west-2.amazonaws.com",
    "through_s3": f"s3.{REGION}.amazonaws.com",
    "through_secrets": f"secretsmanager.{REGION}.amazonaws.com",
}
EVERY_ROW: Mapping[str, Mapping[str, str]] = {**ROWS, **THROUGH_AWS}

WRONG_CONTEXTS: Mapping[str, Mapping[str, str]] = {
    "a token without its tenant": {"purpose": "business_token", "signup": "1"},
    "a token without its signup": {"purpose": "business_token", "tenant": "1"},
    "a token of a number": {"purpose": "business_token", "number": "1", "tenant": "1"},
    "a token with a word more": {"purpose": "business_token", "signup": "1", "tenant": "1", "more": "1"},
    "a key without its tenant": {"purpose": "channel_key", "number": "1"},
    "a key without its number": {"purpose": "channel_key", "tenant": "1"},
    "a key of a signup": {"purpose": "channel_key", "signup": "1", "tenant": "1"},
    "a key with a word more": {"purpose": "channel_key", "number": "1", "tenant": "1", "more": "1"},
    "a key of a number and a signup": {"purpose": "channel_key", "number": "1", "signup": "1", "tenant": "1"},
    "keys without their endpoint": {"purpose": "endpoint_key"},
    "keys of an endpoint and a tenant": {"purpose": "endpoint_key", "endpoint": "1", "tenant": "1"},
    "no purpose": {"signup": "1", "tenant": "1"},
    "another purpose": {"purpose": "app_secret", "signup": "1", "tenant": "1"},
    "another spelling": {"purpose": "Business_Token", "signup": "1", "tenant": "1"},
}
"""Encryption contexts that no function writes."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request of a function; TLS unless the context says otherwise.

    Attributes:
        without: A statement of the function's role that is left out, by its place.
    """

    function: str
    action: str
    resource: str
    context: Context = field(default_factory=dict)
    without: int | None = None


class Requests:
    """Makes requests with the names of a template."""

    def __init__(self, policies: Policies) -> None:
        self._policies = policies

    def of_row(self, row: str, function: str) -> Request:
        """The request of a row of the table by a function."""
        action, resource, *how = row.split()
        return Request(function, action, self._resource(resource, function, action), _context(action, how))

    def with_context(self, function: str, action: str, encryption: Mapping[str, str]) -> Request:
        """A use of the envelope key under an encryption context."""
        key = self._policies.arn(*LOGICAL["envelope_key"])
        return Request(function, action, key, encryption_keys(encryption))

    def in_clear(self, function: str, queue: str) -> Request:
        """A message that comes without TLS."""
        arn = self._policies.arn(*LOGICAL[queue])
        return Request(function, "sqs:SendMessage", arn, {"aws:SecureTransport": "false"})

    def _resource(self, word: str, function: str, action: str) -> str:
        if word in LOGICAL:
            return self._policies.arn(*LOGICAL[word])
        neighbour = next(name for name in CARDS if name != function)
        match word:
            case "own_log" | "other_log":
                return self._log(function if word == "own_log" else neighbour)
            case "other":
                return self._other(action, neighbour)
        if word == "bodies":
            bucket = self._policies.arn("AWS::S3::Bucket", "BodiesBucket")
            return bucket if action == "s3:ListBucket" else f"{bucket}/probe"
        table = self._policies.arn(*LOGICAL["table"])
        return {"stream": table + STREAM, **ELSEWHERE}.get(word) or f"{table}/index/{word}"

    def _log(self, function: str) -> str:
        group = self._policies.arn("AWS::Logs::LogGroup", f"Functions{logical_id(function)}Logs")
        return group.removesuffix("*") + "log-stream:probe"

    def _other(self, action: str, neighbour: str) -> str:
        """What belongs to somebody else: a secret, or another function and its role."""
        if action.startswith("secretsmanager:"):
            return f"arn:aws:secretsmanager:{HERE}:secret:of-somebody-else-AbCdEf"
        what = f"Functions{logical_id(neighbour)}"
        if action.startswith("sts:"):
            return self._policies.arn("AWS::IAM::Role", f"{what}Role")
        return self._policies.arn("AWS::Lambda::Function", what)


def encryption_keys(encryption: Mapping[str, str]) -> dict[str, str | Sequence[str]]:
    """The context keys that KMS makes of an encryption context; none of an empty one."""
    if not encryption:
        return {}
    by_name = {f"kms:EncryptionContext:{name}": value for name, value in encryption.items()}
    return {**by_name, "kms:EncryptionContextKeys": sorted(encryption)}


def _context(action: str, how: Sequence[str]) -> Context:
    if not action.startswith("kms:"):
        return {}
    (word,) = how or ("without_context",)
    if word in SERVICES:
        return {"kms:ViaService": SERVICES[word], "kms:CallerAccount": ACCOUNT}
    return encryption_keys(context(purpose_named(word)))
