"""The receiver: 200 once the signed body is in SQS, and a line that counts it without telling anything."""

import base64
import importlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import pytest

from onramp.adapters.aws_light import AwsError, LightClient
from onramp.inbound.receiving import MAX_BODY, REFRESH_SECONDS
from tests.canary import APP_SECRET, MARK, PLATFORM_SECRETS, SECRET, Watch, assert_silent
from tests.unit.test_signature import signature

BODY = json.dumps(
    {"id": f"{MARK}-event", "event": "channel_live", "data": {"phone_number": "+4915123456789"}}
)


@dataclass
class Aws:
    """SQS and Secrets Manager as the receiver's own client sees them."""

    secret: str = field(default_factory=lambda: json.dumps(SECRET))
    sent: list[Mapping[str, Any]] = field(default_factory=list)
    reads: int = 0
    broken: str = ""

    def call(self, client: LightClient, operation: str, body: Mapping[str, Any]) -> dict[str, object]:
        if client.service == self.broken:
            raise AwsError(f"{self.broken} does not answer: TimeoutError")
        if operation == "SendMessage":
            self.sent.append(body)
            return {"MessageId": "1"}
        self.reads += 1
        assert body == {"SecretId": "the-secret"}
        return {"SecretString": self.secret}


@dataclass
class Time:
    """Both clocks of the receiver."""

    now: float = 5_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Aws:
    made = Aws()

    def call(client: LightClient, operation: str, body: Mapping[str, Any]) -> dict[str, object]:
        return made.call(client, operation, body)

    monkeypatch.setattr(LightClient, "call", call)
    return made


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Time:
    made = Time()
    defaults = importlib.import_module("onramp.inbound.receiving").PlatformSecrets.__init__
    monkeypatch.setattr(defaults, "__defaults__", (made, made))
    return made


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch, aws: Aws, clock: Time) -> Iterator[ModuleType]:
    for name, value in {
        "STAGE": "test",
        "EVENTS_QUEUE_URL": "https://sqs.example/events",
        "SECRET_ID": "the-secret",
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "AWS_REGION": "eu-central-1",
        "POWERTOOLS_METRICS_NAMESPACE": "OnrampTest",
    }.items():
        monkeypatch.setenv(name, value)
    module = importlib.import_module("webhook_receiver")
    module.receiver.cache_clear()
    yield module
    module.receiver.cache_clear()


def webhook(body: str | bytes = BODY, secret: str = PLATFORM_SECRETS[0], **event: Any) -> dict[str, Any]:
    """A webhook as API Gateway hands it over."""
    raw = body.encode("utf-8", "surrogatepass") if isinstance(body, str) else body
    return {
        "version": "2.0",
        "requestContext": {"requestId": "r1"},
        "headers": {"content-type": "application/json", "x-360dialog-signature": signature(raw, secret)},
        "body": base64.b64encode(body).decode() if isinstance(body, bytes) else body,
        "isBase64Encoded": isinstance(body, bytes),
    } | event


def line(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """The one line that was written."""
    written = capsys.readouterr()
    assert written.err == ""
    assert written.out.count("\n") == 1
    made: dict[str, Any] = json.loads(written.out)
    assert_emf(made)
    return made


def assert_emf(entry: Mapping[str, Any]) -> None:
    """CloudWatch's embedded metric format: each name it promises is there."""
    metadata = entry["_aws"]
    assert isinstance(metadata["Timestamp"], int)
    (directive,) = metadata["CloudWatchMetrics"]
    assert set(directive) == {"Namespace", "Dimensions", "Metrics"}
    assert directive["Namespace"] == "OnrampTest"
    for dimensions in directive["Dimensions"]:
        assert all(isinstance(entry[name], str) for name in dimensions)
    for metric in directive["Metrics"]:
        assert isinstance(entry[metric["Name"]], int | float)
        assert metric["Unit"] in {"Count", "Milliseconds"}


def problem(answer: Mapping[str, Any], status: int) -> dict[str, Any]:
    """The problem of an answer, which is one."""
    assert answer["statusCode"] == status
    assert answer["headers"]["Content-Type"] == "application/problem+json"
    content: dict[str, Any] = json.loads(answer["body"])
    assert set(content) == {"type", "title", "status", "detail", "code", "retryable", "request_id"}
    assert (content["status"], content["request_id"]) == (status, "r1")
    return content


# --- what is stored


def test_a_signed_webhook_is_answered_once_it_is_in_the_queue(
    receiver: ModuleType, aws: Aws, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = receiver.handler(webhook(), None)
    assert (answer["statusCode"], answer["body"]) == (200, "{}")
    assert aws.sent == [
        {
            "QueueUrl": "https://sqs.example/events",
            "MessageBody": BODY,
            "MessageAttributes": {
                "encoding": {"DataType": "String", "StringValue": "utf-8"},
                "request_id": {"DataType": "String", "StringValue": "r1"},
            },
        }
    ]
    written = line(capsys)
    assert written["WebhooksAccepted"] == 1
    assert (written["level"], written["stage"], written["request_id"]) == ("INFO", "test", "r1")
    assert written["WebhookMilliseconds"] >= 0


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (BODY.encode(), "utf-8"),
        ("{}".encode("utf-16"), "base64"),
        (b"\xff\xfe\x00", "base64"),
        ('{"a":"\x00"}', "base64"),
        ("not json at all", "utf-8"),
    ],
)
def test_any_signed_bytes_are_stored_as_the_queue_takes_them(
    receiver: ModuleType, aws: Aws, body: str | bytes, encoding: str
) -> None:
    assert receiver.handler(webhook(body), None)["statusCode"] == 200
    stored = aws.sent[0]["MessageBody"]
    assert aws.sent[0]["MessageAttributes"]["encoding"]["StringValue"] == encoding
    raw = body.encode() if isinstance(body, str) else body
    assert (base64.b64decode(stored) if encoding == "base64" else stored.encode()) == raw


def test_a_signed_webhook_without_a_body_is_no_event(
    receiver: ModuleType, aws: Aws, capsys: pytest.CaptureFixture[str]
) -> None:
    assert receiver.handler(webhook(""), None)["statusCode"] == 200
    assert aws.sent == []
    assert line(capsys)["WebhooksEmpty"] == 1


def test_a_request_without_an_id_is_stored_too(receiver: ModuleType, aws: Aws) -> None:
    assert receiver.handler(webhook(requestContext=None), None)["statusCode"] == 200
    assert aws.sent[0]["MessageAttributes"]["request_id"]["StringValue"] == "none"


# --- what is refused


@pytest.mark.parametrize(
    "headers",
    [
        {},
        None,
        {"x-360dialog-signature": ""},
        {"x-360dialog-signature": "0" * 64},
        {"x-360dialog-signature": signature(b"", PLATFORM_SECRETS[0])},
        {"x-360dialog-signature": signature(BODY.encode(), "")},
        {"x-hub-signature-256": signature(BODY.encode(), PLATFORM_SECRETS[0])},
        {"x-360dialog-signature": None},
    ],
)
def test_a_webhook_that_is_not_signed_is_refused(
    receiver: ModuleType, aws: Aws, capsys: pytest.CaptureFixture[str], headers: object
) -> None:
    content = problem(receiver.handler(webhook(headers=headers), None), 401)
    assert (content["code"], content["retryable"]) == ("unauthenticated", False)
    assert aws.sent == []
    written = line(capsys)
    assert (written["WebhooksRejected"], written["level"]) == (1, "WARNING")


@pytest.mark.parametrize("secret", PLATFORM_SECRETS)
def test_both_secrets_of_a_rotation_count(receiver: ModuleType, aws: Aws, secret: str) -> None:
    assert receiver.handler(webhook(secret=secret), None)["statusCode"] == 200


@pytest.mark.parametrize("joined", ["{old},{new}", "sha256={old}, sha256={new}", "{new},{old}"])
def test_a_header_that_came_twice_counts_when_one_of_its_values_fits(
    receiver: ModuleType, aws: Aws, joined: str
) -> None:
    """API Gateway joins the values of one header by commas."""
    signed = {
        "old": signature(BODY.encode(), "retired"),
        "new": signature(BODY.encode(), PLATFORM_SECRETS[0]),
    }
    headers = {"x-360dialog-signature": joined.format(**signed)}
    assert receiver.handler(webhook(headers=headers), None)["statusCode"] == 200
    headers = {"x-360dialog-signature": joined.format(old=signed["old"], new="0" * 64)}
    assert receiver.handler(webhook(headers=headers), None)["statusCode"] == 401
    assert len(aws.sent) == 1


@pytest.mark.parametrize(("size", "status"), [(MAX_BODY, 200), (MAX_BODY + 1, 413)])
def test_the_limit_is_what_fits_into_a_message(
    receiver: ModuleType, aws: Aws, size: int, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = receiver.handler(webhook("a" * size), None)
    assert answer["statusCode"] == status
    assert len(aws.sent) == (status == 200)
    if status == 413:
        assert problem(answer, 413)["code"] == "body_too_large"
        assert line(capsys)["WebhooksTooLarge"] == 1


@pytest.mark.parametrize(("size", "status"), [(MAX_BODY // 4 * 3, 200), (MAX_BODY // 4 * 3 + 1, 413)])
def test_the_limit_holds_for_what_is_stored_too(
    receiver: ModuleType, aws: Aws, size: int, status: int
) -> None:
    assert receiver.handler(webhook(b"\xff" * size), None)["statusCode"] == status
    assert len(aws.sent) == (status == 200)


def test_a_character_counts_with_all_its_bytes(receiver: ModuleType, aws: Aws) -> None:
    assert receiver.handler(webhook("ü" * (MAX_BODY // 2)), None)["statusCode"] == 200
    assert receiver.handler(webhook("ü" * (MAX_BODY // 2 + 1)), None)["statusCode"] == 413


def test_a_too_large_body_is_refused_before_any_secret_is_read(receiver: ModuleType, aws: Aws) -> None:
    receiver.handler(webhook("a" * (MAX_BODY + 1)), None)
    assert aws.reads == 0


def test_an_encoding_that_is_broken_is_refused(receiver: ModuleType, aws: Aws) -> None:
    answer = receiver.handler(webhook(body="%%%", isBase64Encoded=True), None)
    assert answer["statusCode"] == 413
    assert aws.sent == []


@pytest.mark.parametrize("event", [{}, {"body": None}, {"requestContext": {}}, {"headers": []}, {"body": 3}])
def test_an_event_that_is_hardly_one_is_refused(
    receiver: ModuleType, aws: Aws, event: dict[str, Any]
) -> None:
    assert receiver.handler(event, None)["statusCode"] == 401
    assert aws.sent == []


# --- when AWS does not answer, or the secret is wrong


@pytest.mark.parametrize("service", ["sqs", "secretsmanager"])
def test_without_the_queue_or_the_secret_the_webhook_has_to_come_again(
    receiver: ModuleType, aws: Aws, capsys: pytest.CaptureFixture[str], service: str
) -> None:
    aws.broken = service
    content = problem(receiver.handler(webhook(), None), 503)
    assert (content["code"], content["retryable"]) == ("unavailable", True)
    written = line(capsys)
    assert written["WebhooksRefused"] == 1
    assert written["reason"] == f"{service} does not answer: TimeoutError"
    aws.broken = ""
    assert receiver.handler(webhook(), None)["statusCode"] == 200


@pytest.mark.parametrize(
    "secret",
    [
        "{}",
        "[]",
        f'"{PLATFORM_SECRETS[0]}',
        json.dumps({"platform_secrets": []}),
        json.dumps({"platform_secrets": [""]}),
        json.dumps({"platform_secrets": [PLATFORM_SECRETS[0], " "]}),
    ],
)
def test_a_secret_that_signs_nothing_lets_nothing_in_and_loses_nothing(
    receiver: ModuleType, aws: Aws, capsys: pytest.CaptureFixture[str], secret: str
) -> None:
    aws.secret = secret
    problem(receiver.handler(webhook(secret=""), None), 503)
    assert aws.sent == []
    assert_silent(json.dumps(line(capsys)))


def test_a_rotated_secret_is_taken_up_without_a_deployment(
    receiver: ModuleType, aws: Aws, clock: Time
) -> None:
    aws.secret = json.dumps({"platform_secrets": ["old"]})
    assert receiver.handler(webhook(secret="old"), None)["statusCode"] == 200
    aws.secret = json.dumps({"platform_secrets": ["new"]})
    assert receiver.handler(webhook(secret="new"), None)["statusCode"] == 401
    clock.now += REFRESH_SECONDS
    assert receiver.handler(webhook(secret="new"), None)["statusCode"] == 200
    assert receiver.handler(webhook(secret="old"), None)["statusCode"] == 401
    assert aws.reads == 2


def test_a_flood_of_forged_webhooks_reads_the_secret_once(receiver: ModuleType, aws: Aws) -> None:
    for _ in range(50):
        assert receiver.handler(webhook(secret="forged"), None)["statusCode"] == 401
    assert aws.reads == 1


@pytest.mark.parametrize("name", ["STAGE", "EVENTS_QUEUE_URL", "SECRET_ID"])
def test_a_missing_setting_is_named(receiver: ModuleType, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "")
    with pytest.raises(RuntimeError, match=f"missing: {name}"):
        receiver.handler(webhook(), None)


def test_the_local_endpoint_is_used_for_both_services(
    receiver: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:4566")
    assert receiver.receiver()._sqs._host == "127.0.0.1:4566"
    assert not receiver.receiver()._sqs._secure


# --- nothing is told


@pytest.mark.parametrize("broken", ["", "sqs", "secretsmanager"])
@pytest.mark.parametrize("secret", [PLATFORM_SECRETS[0], f"{MARK}-forged"])
def test_no_line_holds_a_secret_a_signature_or_a_body(  # noqa: PLR0917 - fixtures
    receiver: ModuleType,
    aws: Aws,
    secret: str,
    broken: str,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    watch = Watch(capsys, caplog)
    aws.broken = broken
    answer = receiver.handler(webhook(secret=secret), None)
    told = watch.read() + json.dumps(answer)
    assert_silent(told)
    assert signature(BODY.encode(), secret) not in told
    assert "channel_live" not in told
    assert APP_SECRET not in told


def test_both_calls_fit_into_the_five_seconds_that_360dialog_waits(receiver: ModuleType) -> None:
    assert 2 * receiver.DEADLINE_SECONDS < 5
    assert receiver.WAIT_SECONDS <= receiver.DEADLINE_SECONDS


def test_before_the_first_webhook_the_secret_is_read_and_the_queue_reached(
    receiver: ModuleType, aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    connected: list[str] = []
    monkeypatch.setattr(LightClient, "connect", lambda client: connected.append(client.service))
    receiver.receiver().warm()
    assert (connected, aws.reads) == (["sqs"], 1)
    assert receiver.handler(webhook(), None)["statusCode"] == 200
    assert aws.reads == 1


def test_trouble_before_the_first_webhook_is_met_again_at_it(
    receiver: ModuleType, aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LightClient, "connect", lambda _: None)
    aws.broken = "secretsmanager"
    receiver.receiver().warm()
    assert receiver.handler(webhook(), None)["statusCode"] == 503
    aws.broken = ""
    assert receiver.handler(webhook(), None)["statusCode"] == 200


def test_a_snapshot_holds_no_secret(receiver: ModuleType, aws: Aws) -> None:
    assert receiver.handler(webhook(), None)["statusCode"] == 200
    receiver.receiver().forget()
    assert not receiver.receiver().secrets["default"]._secrets
    assert receiver.handler(webhook(), None)["statusCode"] == 200
    assert aws.reads == 2
