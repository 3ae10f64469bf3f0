"""Who may do what: the policies in the template against a literal table."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from infra.cards import CARDS, logical_id
from infra.permissions import WILDCARD_REASONS
from tests.infra.reading import Template, actions_in, function_of, of_type, one_named, statements_of

type Allowed = frozenset[tuple[str, str]]


def on(resource: str, *actions: str) -> Allowed:
    return frozenset((action, resource) for action in actions)


def items(*actions: str) -> Allowed:
    return on("table", *(f"dynamodb:{action}" for action in actions)) | on("table key", "kms:Decrypt")


def found_by(*indexes: str) -> Allowed:
    return frozenset(("dynamodb:Query", index) for index in indexes)


WRITES = ("GetItem", "BatchGetItem", "UpdateItem", "PutItem")
SECRET = on("secret", "secretsmanager:GetSecretValue")
POLLING = (
    "sqs:ChangeMessageVisibility",
    "sqs:DeleteMessage",
    "sqs:GetQueueAttributes",
    "sqs:ReceiveMessage",
)
ALLOWED: Mapping[str, Allowed] = {
    "code_exchange": items(*WRITES, "Query") | on("envelope key", "kms:Decrypt", "kms:Encrypt") | SECRET,
    "number_submission": items(*WRITES, "Query")
    | on("jobs", "sqs:SendMessage")
    | on("envelope key", "kms:Decrypt")
    | SECRET,
    "signup_queries": items("GetItem", "BatchGetItem", "Query")
    | found_by("by_tenant", "by_channel")
    | on("envelope key", "kms:Decrypt")
    | SECRET,
    "webhook_receiver": on("events", "sqs:SendMessage") | SECRET,
    "meta_receiver": on("events", "sqs:SendMessage") | SECRET,
    "hosted_page": frozenset(),
    "onboarding_worker": items(*WRITES)
    | found_by("by_channel", "by_digits", "by_waba", "by_place")
    | on("jobs", "sqs:SendMessage", *POLLING)
    | on("jobs dead letters", "sqs:SendMessage")
    | on("envelope key", "kms:Decrypt", "kms:Encrypt")
    | SECRET,
    "partner_event_worker": items(*WRITES)
    | found_by("by_channel", "by_digits", "by_waba", "by_place")
    | on("events", *POLLING)
    | on("events dead letters", "sqs:SendMessage")
    | on("jobs", "sqs:SendMessage")
    | on("relay", "sqs:SendMessage")
    | on("bodies", "s3:PutObject")
    | on("table key", "kms:GenerateDataKey"),
    "event_relay": on("relay", *POLLING)
    | on("relay dead letters", "sqs:SendMessage")
    | on("bodies", "s3:GetObject")
    | on("table key", "kms:Decrypt")
    | on("bus", "events:PutEvents"),
    "notification_sender": items("GetItem", "UpdateItem")
    | on("notifications", "sqs:SendMessage", *POLLING)
    | on("notifications dead letters", "sqs:SendMessage")
    | on("envelope key", "kms:Decrypt", "kms:Encrypt"),
    "reconciler": items("UpdateItem")
    | found_by("by_due")
    | on("jobs", "sqs:SendMessage")
    | on("notifications", "sqs:SendMessage")
    | on("schedules dead letters", "sqs:SendMessage"),
    "event_publisher": items("Scan")
    | on(
        "stream",
        "dynamodb:DescribeStream",
        "dynamodb:GetRecords",
        "dynamodb:GetShardIterator",
        "dynamodb:ListStreams",
    )
    | on("bus", "events:PutEvents")
    | on("stream dead letters", "sqs:SendMessage"),
    "operator_desk": items(*WRITES, "Query", "Scan", "DeleteItem")
    | found_by("by_tenant", "by_due", "by_channel", "by_digits", "by_waba", "by_place")
    | on("jobs", "sqs:SendMessage")
    | on("events", "sqs:SendMessage")
    | on("notifications", "sqs:SendMessage")
    | on("jobs dead letters", *POLLING)
    | on("events dead letters", *POLLING)
    | on("relay", "sqs:SendMessage")
    | on("relay dead letters", *POLLING)
    | on("notifications dead letters", *POLLING)
    | on("schedules dead letters", *POLLING)
    | on("stream dead letters", *POLLING)
    | on("envelope key", "kms:Decrypt", "kms:Encrypt")
    | SECRET,
}
TRACING = on("everything", "xray:PutTelemetryRecords", "xray:PutTraceSegments")
LOGGING = on("own log", "logs:CreateLogStream", "logs:PutLogEvents")
RESOURCES = {
    "table": ("AWS::DynamoDB::Table", "StorageTable"),
    "table key": ("AWS::KMS::Key", "SecretsTableKey"),
    "envelope key": ("AWS::KMS::Key", "SecretsEnvelopeKey"),
    "secret": ("AWS::SecretsManager::Secret", "SecretsSecret"),
    "bus": ("AWS::Events::EventBus", "MessagingBus"),
    "jobs": ("AWS::SQS::Queue", "MessagingJobs"),
    "jobs dead letters": ("AWS::SQS::Queue", "MessagingJobsDlq"),
    "events": ("AWS::SQS::Queue", "MessagingEvents"),
    "events dead letters": ("AWS::SQS::Queue", "MessagingEventsDlq"),
    "relay": ("AWS::SQS::Queue", "MessagingRelay"),
    "relay dead letters": ("AWS::SQS::Queue", "MessagingRelayDlq"),
    "notifications": ("AWS::SQS::Queue", "MessagingNotifications"),
    "notifications dead letters": ("AWS::SQS::Queue", "MessagingNotificationsDlq"),
    "bodies": ("AWS::S3::Bucket", "BodiesBucket"),
    "schedules dead letters": ("AWS::SQS::Queue", "MessagingSchedulesDlq"),
    "stream dead letters": ("AWS::SQS::Queue", "MessagingStreamDlq"),
}


def allowed(template: Template, name: str) -> Allowed:
    """What a function may do, each action with the resource in words."""
    names = {
        one_named(template, kind, prefix)["LogicalId"]: word for word, (kind, prefix) in RESOURCES.items()
    }
    names[one_named(template, "AWS::Logs::LogGroup", f"Functions{logical_id(name)}Logs")["LogicalId"]] = (
        "own log"
    )
    found: set[tuple[str, str]] = set()
    for statement in statements_of(template, name):
        assert statement["Effect"] == "Allow"
        assert not {"NotAction", "NotResource", "Principal"} & set(statement)
        resource = in_words(statement["Resource"], names)
        found |= {(action, resource) for action in actions_in(statement)}
    return frozenset(found)


def in_words(resource: Any, names: Mapping[str, str]) -> str:
    match resource:
        case "*":
            return "everything"
        case {"Fn::GetAtt": [name, "StreamArn"]} if names[name] == "table":
            return "stream"
        case {"Fn::GetAtt": [name, "Arn" | "SecretArn"]} | {"Ref": name}:
            return names[name]
        case {"Fn::Join": ["", [{"Fn::GetAtt": [name, "Arn"]}, text]]} if names[name] == "table":
            return str(text).removeprefix("/index/")
        case {"Fn::Join": ["", [{"Fn::GetAtt": [name, "Arn"]}, "/*"]]} if names[name] == "bodies":
            return names[name]
    raise AssertionError(f"no words for {resource}")


@pytest.mark.parametrize("name", CARDS)
def test_a_function_may_do_exactly_this(template: Template, name: str) -> None:
    assert allowed(template, name) == ALLOWED[name] | LOGGING


@pytest.mark.parametrize("name", CARDS)
def test_with_tracing_it_may_also_send_traces(traced_template: Template, name: str) -> None:
    assert allowed(traced_template, name) == ALLOWED[name] | LOGGING | TRACING


@pytest.mark.parametrize("name", CARDS)
def test_without_tracing_nothing_goes_to_everything(local_template: Template, name: str) -> None:
    assert allowed(local_template, name) == ALLOWED[name] | LOGGING
    assert "TracingConfig" not in function_of(local_template, name)


def test_the_receiver_sends_to_one_queue_and_reads_one_secret(template: Template) -> None:
    assert allowed(template, "webhook_receiver") - LOGGING == {
        ("sqs:SendMessage", "events"),
        ("secretsmanager:GetSecretValue", "secret"),
    }


def test_facts_and_handed_on_events_alone_reach_the_bus(template: Template) -> None:
    having = {
        resource: {name for name in CARDS if resource in {one for _, one in allowed(template, name)}}
        for resource in ("bus", "stream")
    }
    assert having == {"bus": {"event_publisher", "event_relay"}, "stream": {"event_publisher"}}


def test_the_table_is_scanned_for_old_facts_and_for_persons_alone(template: Template) -> None:
    scanning = [name for name in CARDS if ("dynamodb:Scan", "table") in allowed(template, name)]
    assert scanning == ["event_publisher", "operator_desk"]
    deleting = [name for name in CARDS if ("dynamodb:DeleteItem", "table") in allowed(template, name)]
    assert deleting == ["operator_desk"]


def wildcards(template: Template) -> Iterator[tuple[str, str]]:
    """Every allowance on everything: what has it, and the action."""
    for logical, resource in template["Resources"].items():
        for document in documents(resource["Properties"]):
            for statement in document["Statement"]:
                if statement["Effect"] == "Allow" and statement.get("Resource") == "*":
                    yield from ((f"{resource['Type']} {logical[:-8]}", one) for one in actions_in(statement))


def documents(value: Any) -> Iterator[Mapping[str, Any]]:
    match value:
        case {"Statement": list()}:
            yield value
        case dict():
            for inner in value.values():
                yield from documents(inner)
        case list():
            for inner in value:
                yield from documents(inner)


def test_nothing_else_is_allowed_on_everything(traced_template: Template) -> None:
    template = traced_template
    # In a key's policy the star is the key itself.
    in_keys = {(thing, action) for thing, action in wildcards(template) if thing.startswith("AWS::KMS::Key")}
    elsewhere = set(wildcards(template)) - in_keys
    assert elsewhere == {
        (f"AWS::IAM::Role Functions{logical_id(name)}Role", action)
        for name in CARDS
        for action in WILDCARD_REASONS
    }
    assert in_keys == {
        ("AWS::KMS::Key SecretsTableKey", "kms:*"),
        ("AWS::KMS::Key SecretsEnvelopeKey", "kms:*"),
        ("AWS::KMS::Key AlarmsKey", "kms:*"),
        ("AWS::KMS::Key AlarmsKey", "kms:Decrypt"),
        ("AWS::KMS::Key AlarmsKey", "kms:GenerateDataKey*"),
    }


def test_each_wildcard_has_its_reason() -> None:
    assert set(WILDCARD_REASONS) == {action for action, _ in TRACING}
    assert all(len(reason) > 20 for reason in WILDCARD_REASONS.values())


@pytest.mark.parametrize(
    ("name", "purpose", "record", "actions"),
    [
        ("code_exchange", "business_token", "signup", {"kms:Decrypt", "kms:Encrypt"}),
        ("number_submission", "business_token", "signup", {"kms:Decrypt"}),
        ("signup_queries", "business_token", "signup", {"kms:Decrypt"}),
        ("signup_queries", "channel_key", "number", {"kms:Decrypt"}),
        ("onboarding_worker", "channel_key", "number", {"kms:Decrypt", "kms:Encrypt"}),
    ],
)
def test_cipher_text_is_opened_only_for_its_purpose_and_its_record(
    template: Template, name: str, purpose: str, record: str, actions: set[str]
) -> None:
    key = one_named(template, "AWS::KMS::Key", "SecretsEnvelopeKey")["LogicalId"]
    (statement,) = [
        one
        for one in statements_of(template, name)
        if one["Resource"] == {"Fn::GetAtt": [key, "Arn"]}
        and one["Condition"]["StringEquals"]["kms:EncryptionContext:purpose"] == purpose
    ]
    assert actions_in(statement) == actions
    assert statement["Condition"] == {
        "StringEquals": {"kms:EncryptionContext:purpose": purpose},
        "Null": {f"kms:EncryptionContext:{record}": "false", "kms:EncryptionContext:tenant": "false"},
        "ForAllValues:StringEquals": {"kms:EncryptionContextKeys": sorted(["purpose", record, "tenant"])},
    }


def test_the_tables_key_is_used_only_through_the_table_and_the_bucket(template: Template) -> None:
    of_the_bucket = {"partner_event_worker", "event_relay"}
    key = one_named(template, "AWS::KMS::Key", "SecretsTableKey")["LogicalId"]
    for name in CARDS:
        for statement in statements_of(template, name):
            if key in json.dumps(statement["Resource"]):
                (service,) = statement["Condition"]["StringEquals"]["kms:ViaService"]["Fn::Join"][1:]
                assert service[1:] == [{"Ref": "AWS::Region"}, ".amazonaws.com"]
                assert service[0] == "dynamodb." or (service[0] == "s3." and name in of_the_bucket)


def test_the_library_has_granted_nothing_on_its_own(template: Template) -> None:
    assert not of_type(template, "AWS::IAM::Policy")
    assert not of_type(template, "AWS::IAM::ManagedPolicy")
    assert len(of_type(template, "AWS::IAM::Role")) == len(CARDS)


def test_each_role_is_for_lambda_alone(template: Template) -> None:
    for role in of_type(template, "AWS::IAM::Role").values():
        (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
        assert statement["Principal"] == {"Service": "lambda.amazonaws.com"}
