"""Queues, bus, keys and the secret: what is sent to AWS, and what becomes of its refusals."""

import base64
import json
import traceback
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.exceptions import BotoCoreError, EndpointConnectionError
from botocore.stub import ANY, Stubber
from moto import mock_aws

from onramp.adapters.aws import SECRET_SECONDS, EventBridgeBus, KmsVault, Secret, SqsQueue
from onramp.domain.signup import BusEvent
from onramp.ports import UnavailableError
from tests.canary import APP_SECRET, PARTNER_KEY, SECRET, TOKEN, assert_silent

NOW = datetime(2031, 5, 6, 7, 8, 9, 123456, tzinfo=UTC)
JOBS, DEAD_JOBS, DEAD_EVENTS = (
    "https://sqs.example/jobs",
    "https://sqs.example/dead",
    "https://sqs.example/dead-events",
)


@pytest.fixture(autouse=True)
def _region(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")


class Stubs:
    """Clients that answer from a script and check what they are asked."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack

    def client(self, service: str) -> tuple[Any, Stubber]:
        """A client and its script."""
        client = boto3.client(service)  # type: ignore[call-overload]
        stubber = Stubber(client)
        self._stack.enter_context(stubber)
        self._stack.callback(stubber.assert_no_pending_responses)
        return client, stubber


@pytest.fixture
def stubs() -> Iterator[Stubs]:
    with ExitStack() as stack:
        yield Stubs(stack)


def cut_off(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every call of a client fail before it reaches AWS."""

    def fail(*_: object, **__: object) -> None:
        raise EndpointConnectionError(endpoint_url="https://aws.example")

    monkeypatch.setattr(client, "_make_api_call", fail)


# --- queues


def text(value: str) -> dict[str, str]:
    return {"DataType": "String", "StringValue": value}


def test_a_job_names_its_number_and_nothing_else(stubs: Stubs) -> None:
    client, script = stubs.client("sqs")
    body = json.dumps({"signup_id": "s1", "phone_number_id": "1066"})
    script.add_response(
        "send_message", {"MessageId": "1"}, {"QueueUrl": JOBS, "MessageBody": body, "MessageAttributes": {}}
    )
    SqsQueue(client, jobs=JOBS).send_job("s1", "1066")


def test_a_job_given_up_says_why_and_is_a_retry_when_it_is_moved_back(stubs: Stubs) -> None:
    client, script = stubs.client("sqs")
    body = json.dumps({"signup_id": "s1", "phone_number_id": "1066", "retry": True, "reason": "key_rejected"})
    script.add_response(
        "send_message",
        {"MessageId": "1"},
        {"QueueUrl": DEAD_JOBS, "MessageBody": body, "MessageAttributes": {"reason": text("key_rejected")}},
    )
    SqsQueue(client, dead_jobs=DEAD_JOBS).bury_job("s1", "1066", "key_rejected")


@pytest.mark.parametrize(
    ("body", "sent", "encoding"),
    [
        ('{"a":"ü😀\t\n\r"}', '{"a":"ü😀\t\n\r"}', "utf-8"),
        ("a\x00b", base64.b64encode(b"a\x00b").decode(), "base64"),
        ("a\uffffb", base64.b64encode("a\uffffb".encode()).decode(), "base64"),
        ("\ud800", base64.b64encode("\ud800".encode("utf-8", "surrogatepass")).decode(), "base64"),
    ],
)
def test_an_event_is_kept_for_a_person_as_sqs_can_carry_it(
    stubs: Stubs, body: str, sent: str, encoding: str
) -> None:
    client, script = stubs.client("sqs")
    attributes = {"reason": text("unreadable"), "encoding": text(encoding)}
    script.add_response(
        "send_message",
        {"MessageId": "1"},
        {"QueueUrl": DEAD_EVENTS, "MessageBody": sent, "MessageAttributes": attributes},
    )
    SqsQueue(client, dead_events=DEAD_EVENTS).bury_event(body, "utf-8", "unreadable")


def test_a_queue_that_refuses_is_unavailable(stubs: Stubs) -> None:
    client, script = stubs.client("sqs")
    script.add_client_error("send_message", "ServiceUnavailable", http_status_code=503)
    with pytest.raises(UnavailableError, match="queue"):
        SqsQueue(client, jobs=JOBS).send_job("s1", "1066")


def test_a_queue_that_cannot_be_reached_is_unavailable(stubs: Stubs, monkeypatch: pytest.MonkeyPatch) -> None:
    client, _ = stubs.client("sqs")
    cut_off(client, monkeypatch)
    with pytest.raises(UnavailableError):
        SqsQueue(client, jobs=JOBS).send_job("s1", "1066")


# --- bus


def bus_event(number: int) -> BusEvent:
    return BusEvent(
        id=f"s1-{number}", type="number.connected", at=NOW, detail={"signup_id": "s1", "code": None}
    )


def test_an_event_of_the_bus_carries_its_id_and_time(stubs: Stubs) -> None:
    client, script = stubs.client("events")
    detail = {"id": "s1-1", "at": "2031-05-06T07:08:09.123Z", "signup_id": "s1", "code": None}
    entry = {
        "EventBusName": "bus",
        "Source": "onramp",
        "DetailType": "number.connected",
        "Time": NOW,
        "Detail": json.dumps(detail),
    }
    script.add_response("put_events", {"FailedEntryCount": 0, "Entries": [{}]}, {"Entries": [entry]})
    EventBridgeBus(client, "bus").publish([bus_event(1)])


def test_events_go_ten_at_a_time(stubs: Stubs) -> None:
    client, script = stubs.client("events")
    for size in (10, 10, 1):
        script.add_response("put_events", {"FailedEntryCount": 0}, {"Entries": [ANY] * size})
    EventBridgeBus(client, "bus").publish([bus_event(number) for number in range(21)])


def test_nothing_to_publish_is_no_call(stubs: Stubs) -> None:
    client, _ = stubs.client("events")
    EventBridgeBus(client, "bus").publish([])


def test_one_event_not_taken_is_a_bus_that_does_not_answer(stubs: Stubs) -> None:
    client, script = stubs.client("events")
    script.add_response("put_events", {"FailedEntryCount": 1, "Entries": [{"ErrorCode": "x"}]})
    with pytest.raises(UnavailableError, match="bus"):
        EventBridgeBus(client, "bus").publish([bus_event(1)])


def test_a_bus_that_refuses_or_cannot_be_reached_is_unavailable(
    stubs: Stubs, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, script = stubs.client("events")
    script.add_client_error("put_events", "InternalException")
    with pytest.raises(UnavailableError):
        EventBridgeBus(client, "bus").publish([bus_event(1)])
    cut_off(client, monkeypatch)
    with pytest.raises(UnavailableError):
        EventBridgeBus(client, "bus").publish([bus_event(1)])


# --- keys

CONTEXT = {"tenant": "t", "signup": "s1", "purpose": "business_token"}


@pytest.fixture
def vault() -> Iterator[KmsVault]:
    with mock_aws():
        client = boto3.client("kms")
        yield KmsVault(client, client.create_key()["KeyMetadata"]["KeyId"])


def test_what_is_encrypted_can_be_read_again_and_not_seen(vault: KmsVault) -> None:
    secret = vault.encrypt(TOKEN, CONTEXT)
    assert vault.decrypt(secret, CONTEXT) == TOKEN
    assert TOKEN not in secret


@pytest.mark.parametrize(
    "context", [{**CONTEXT, "tenant": "u"}, {**CONTEXT, "purpose": "channel_key"}, {"tenant": "t"}, {}]
)
def test_another_context_opens_nothing(vault: KmsVault, context: dict[str, str]) -> None:
    secret = vault.encrypt(TOKEN, CONTEXT)
    with pytest.raises(UnavailableError) as raised:
        vault.decrypt(secret, context)
    assert_silent("".join(traceback.format_exception(raised.value)))


def test_keys_that_do_not_answer_are_unavailable(stubs: Stubs, monkeypatch: pytest.MonkeyPatch) -> None:
    client, script = stubs.client("kms")
    script.add_client_error("encrypt", "KMSInternalException")
    with pytest.raises(UnavailableError) as raised:
        KmsVault(client, "k").encrypt(TOKEN, CONTEXT)
    assert_silent("".join(traceback.format_exception(raised.value)))
    cut_off(client, monkeypatch)
    with pytest.raises(UnavailableError):
        KmsVault(client, "k").decrypt("AAAA", CONTEXT)


# --- the secret


class Ticker:
    """A clock for `monotonic`."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def test_the_secret_is_read_once_in_five_minutes(stubs: Stubs) -> None:
    client, script = stubs.client("secretsmanager")
    time = Ticker()
    secret = Secret(client, "the-secret", time)
    script.add_response("get_secret_value", {"SecretString": json.dumps(SECRET)}, {"SecretId": "the-secret"})
    assert secret.value("meta_app_secret") == APP_SECRET
    time.now += SECRET_SECONDS - 0.1
    assert secret.value("partner_api_key") == PARTNER_KEY
    script.add_response("get_secret_value", {"SecretString": json.dumps({"meta_app_secret": "new"})})
    time.now += 0.1
    assert secret.value("meta_app_secret") == "new"


def test_a_machine_that_has_just_started_reads_the_secret_too(stubs: Stubs) -> None:
    client, script = stubs.client("secretsmanager")
    script.add_response("get_secret_value", {"SecretString": json.dumps(SECRET)})
    assert Secret(client, "x", lambda: 0.0).value("meta_app_secret") == APP_SECRET


@pytest.mark.parametrize("value", [None, "", 7, ["x"], {"a": "b"}])
def test_what_is_missing_is_named(stubs: Stubs, value: object) -> None:
    client, script = stubs.client("secretsmanager")
    content = {**SECRET, "partner_api_key": value} if value is not None else {"meta_app_secret": APP_SECRET}
    script.add_response("get_secret_value", {"SecretString": json.dumps(content)})
    with pytest.raises(UnavailableError, match="no partner_api_key") as raised:
        Secret(client, "x").value("partner_api_key")
    assert_silent("".join(traceback.format_exception(raised.value)))


@pytest.mark.parametrize(
    "content",
    [APP_SECRET, f'{{"meta_app_secret": "{APP_SECRET}"', f'["{APP_SECRET}"]', f'"{APP_SECRET}"', "null"],
)
def test_a_secret_that_is_no_object_is_named_and_never_shown(stubs: Stubs, content: str) -> None:
    client, script = stubs.client("secretsmanager")
    script.add_response("get_secret_value", {"SecretString": content})
    with pytest.raises(UnavailableError, match="not a JSON object") as raised:
        Secret(client, "x").value("meta_app_secret")
    assert raised.value.__cause__ is None
    assert raised.value.__context__ is None
    assert_silent("".join(traceback.format_exception(raised.value)))


def test_a_binary_secret_is_no_object(stubs: Stubs) -> None:
    client, script = stubs.client("secretsmanager")
    script.add_response("get_secret_value", {"SecretBinary": APP_SECRET.encode()})
    with pytest.raises(UnavailableError, match="not a JSON object"):
        Secret(client, "x").value("meta_app_secret")


@pytest.mark.parametrize(
    "code", ["ResourceNotFoundException", "AccessDeniedException", "InternalServiceError"]
)
def test_a_secret_that_cannot_be_read_is_unavailable_and_asked_for_again(stubs: Stubs, code: str) -> None:
    client, script = stubs.client("secretsmanager")
    secret = Secret(client, "x")
    script.add_client_error("get_secret_value", code)
    with pytest.raises(UnavailableError):
        secret.value("meta_app_secret")
    script.add_response("get_secret_value", {"SecretString": json.dumps(SECRET)})
    assert secret.value("meta_app_secret") == APP_SECRET


def test_a_secrets_manager_that_cannot_be_reached_is_unavailable(
    stubs: Stubs, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, _ = stubs.client("secretsmanager")
    cut_off(client, monkeypatch)
    with pytest.raises(UnavailableError) as raised:
        Secret(client, "x").value("meta_app_secret")
    assert isinstance(raised.value.__cause__, BotoCoreError)
