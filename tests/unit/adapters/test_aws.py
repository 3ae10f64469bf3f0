"""Queues, bus, keys and the secret: what is sent to AWS, and what becomes of its refusals."""

import base64
import json
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from botocore.stub import Stubber
from moto import mock_aws

from harness.keys import make_key
from onramp.adapters.aws import (
    ENTRIES_SIZE,
    RENEWED_SECONDS,
    SECRET_SECONDS,
    EventBridgeBus,
    KmsVault,
    Secret,
    SqsQueue,
)
from onramp.adapters.aws_light import AwsError
from onramp.domain.errors import UnavailableError
from onramp.domain.records import Fact
from ops.stage.translated import translated
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
        return translated(client), stubber


@pytest.fixture
def stubs() -> Iterator[Stubs]:
    with ExitStack() as stack:
        yield Stubs(stack)


def refuse(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let AWS refuse every call of a client."""

    def fail(name: str, _: object) -> None:
        raise ClientError({"Error": {"Code": "ServiceUnavailable"}}, name)

    monkeypatch.setattr(client._client, "_make_api_call", fail)


def cut_off(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every call of a client fail before it reaches AWS."""

    def fail(*_: object, **__: object) -> None:
        raise EndpointConnectionError(endpoint_url="https://aws.example")

    monkeypatch.setattr(client._client, "_make_api_call", fail)


# --- queues


def text(value: str) -> dict[str, str]:
    return {"DataType": "String", "StringValue": value}


def wanted(*phone_number_ids: str) -> dict[str, object]:
    """The request that wakes these numbers."""
    return {
        "QueueUrl": JOBS,
        "Entries": [
            {"Id": str(index), "MessageBody": json.dumps({"phone_number_id": phone_number_id})}
            for index, phone_number_id in enumerate(phone_number_ids)
        ],
    }


def taken(count: int, *failed: int) -> dict[str, object]:
    """SQS's answer to a batch: the messages at these places were refused."""
    return {
        "Successful": [
            {"Id": str(place), "MessageId": "m", "MD5OfMessageBody": "x"}
            for place in range(count)
            if place not in failed
        ],
        "Failed": [{"Id": str(place), "SenderFault": False, "Code": "InternalError"} for place in failed],
    }


def test_a_job_names_its_number_and_nothing_else(stubs: Stubs) -> None:
    client, script = stubs.client("sqs")
    script.add_response("send_message_batch", taken(1), wanted("1066"))
    SqsQueue(client, jobs=JOBS).wake_numbers(["1066"])


def test_numbers_are_woken_ten_in_a_request_and_each_once(stubs: Stubs) -> None:
    client, script = stubs.client("sqs")
    numbers = [str(number) for number in range(21)]
    for start in (0, 10, 20):
        part = numbers[start : start + 10]
        script.add_response("send_message_batch", taken(len(part)), wanted(*part))
    SqsQueue(client, jobs=JOBS).wake_numbers([*numbers, "3", "20"])


def test_nobody_to_wake_is_no_request(stubs: Stubs) -> None:
    client, _ = stubs.client("sqs")
    SqsQueue(client, jobs=JOBS).wake_numbers([])


def test_only_what_was_refused_is_sent_again(stubs: Stubs) -> None:
    client, script = stubs.client("sqs")
    numbers = [str(number) for number in range(12)]
    script.add_response("send_message_batch", taken(10, 2, 9), wanted(*numbers[:10]))
    script.add_response("send_message_batch", taken(2, 1), wanted("10", "11"))
    script.add_response("send_message_batch", taken(3), wanted("2", "9", "11"))
    SqsQueue(client, jobs=JOBS).wake_numbers(numbers)


def test_what_is_refused_twice_is_unavailable(stubs: Stubs) -> None:
    client, script = stubs.client("sqs")
    script.add_response("send_message_batch", taken(2, 0), wanted("1", "2"))
    script.add_response("send_message_batch", taken(1, 0), wanted("1"))
    with pytest.raises(UnavailableError, match="queue"):
        SqsQueue(client, jobs=JOBS).wake_numbers(["1", "2"])


def test_the_census_has_a_job_of_its_own(stubs: Stubs) -> None:
    client, script = stubs.client("sqs")
    request = {"QueueUrl": JOBS, "MessageBody": json.dumps({"census": "default"}), "MessageAttributes": {}}
    script.add_response("send_message", {"MessageId": "1"}, request)
    SqsQueue(client, jobs=JOBS).wake_census("default")


def test_a_number_given_up_says_why_and_is_a_retry_when_it_is_moved_back(stubs: Stubs) -> None:
    client, script = stubs.client("sqs")
    body = json.dumps({"phone_number_id": "1066", "retry": True, "reason": "key_rejected"})
    script.add_response(
        "send_message",
        {"MessageId": "1"},
        {"QueueUrl": DEAD_JOBS, "MessageBody": body, "MessageAttributes": {"reason": text("key_rejected")}},
    )
    SqsQueue(client, dead_jobs=DEAD_JOBS).bury_number("1066", "key_rejected")


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


QUEUE_CALLS = [
    lambda queue: queue.wake_numbers(["1066"]),
    lambda queue: queue.wake_census("default"),
    lambda queue: queue.bury_number("1066", "x"),
    lambda queue: queue.bury_event("{}", "utf-8", "x"),
]


@pytest.mark.parametrize("call", QUEUE_CALLS)
def test_a_queue_that_refuses_or_cannot_be_reached_is_unavailable(
    stubs: Stubs, monkeypatch: pytest.MonkeyPatch, call: Callable[[SqsQueue], None]
) -> None:
    client, script = stubs.client("sqs")
    queue = SqsQueue(client, jobs=JOBS, dead_jobs=DEAD_JOBS, dead_events=DEAD_EVENTS)
    with monkeypatch.context() as patch:
        refuse(client, patch)
        with pytest.raises(UnavailableError, match="queue"):
            call(queue)
    cut_off(client, monkeypatch)
    with pytest.raises(UnavailableError, match="queue"):
        call(queue)
    script.assert_no_pending_responses()


# --- bus


def fact(
    number: int,
    *,
    subject: str = "s1",
    reference: str | None = None,
    phone_number_id: str | None = None,
    detail: dict[str, str | None] | None = None,
) -> Fact:
    return Fact(
        id=f"f{number}",
        type="number.failed",
        at=NOW,
        subject=subject,
        tenant="t",
        reference=reference,
        phone_number_id=phone_number_id,
        detail=detail or {},
    )


def said(*failed: int, count: int = 1) -> dict[str, object]:
    """EventBridge's answer: the entries at these places were not taken."""
    entries = [
        {"ErrorCode": "InternalFailure"} if place in failed else {"EventId": "e"} for place in range(count)
    ]
    return {"FailedEntryCount": len(failed), "Entries": entries}


def test_an_event_of_the_bus_carries_its_fact(stubs: Stubs) -> None:
    client, script = stubs.client("events")
    detail = {
        "id": "f1",
        "at": "2031-05-06T07:08:09.123Z",
        "signup_id": "s1",
        "tenant": "t",
        "reference": "Größe 😀",
        "phone_number_id": "1066",
        "channel_id": None,
        "code": "key_rejected",
        "step": None,
    }
    entry = {
        "EventBusName": "bus",
        "Source": "onramp",
        "DetailType": "number.failed",
        "Time": NOW,
        "Detail": json.dumps(detail, ensure_ascii=False),
    }
    script.add_response("put_events", said(), {"Entries": [entry]})
    told = fact(
        1,
        reference="Größe 😀",
        phone_number_id="1066",
        detail={"code": "key_rejected", "step": None, "id": "of somebody else"},
    )
    assert list(EventBridgeBus(client, "bus").publish([told])) == []


class Sent:
    """Stands for EventBridge's client: keeps what it is sent, and fails by a script."""

    def __init__(self, *outcomes: dict[str, object] | Exception) -> None:
        self.calls: list[list[dict[str, Any]]] = []
        self._outcomes = list(outcomes)

    def put_events(self, Entries: list[dict[str, Any]]) -> dict[str, object]:  # noqa: N803
        self.calls.append(Entries)
        outcome = self._outcomes.pop(0) if self._outcomes else said(count=len(Entries))
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def publish(self, *facts: Fact) -> list[str]:
        return list(EventBridgeBus(self, "bus").publish(facts))  # type: ignore[arg-type]

    def details(self, call: int) -> list[dict[str, Any]]:
        return [json.loads(entry["Detail"]) for entry in self.calls[call]]

    def size(self, call: int) -> int:
        """Bytes of a call, as EventBridge's documentation counts them."""
        return sum(
            14 + sum(len(entry[name].encode()) for name in ("Source", "DetailType", "Detail"))
            for entry in self.calls[call]
        )


REFUSED = AwsError("events: 500 InternalException", code="InternalException", status=500)
UNREACHABLE = AwsError("events does not answer: TimeoutError", code="TimeoutError")


def test_what_concerns_no_signup_names_none() -> None:
    bus = Sent()
    assert bus.publish(fact(1, subject="HUB#default", detail={"count": "3"})) == []
    (detail,) = bus.details(0)
    assert (detail["signup_id"], detail["count"]) == (None, "3")


def test_a_half_of_a_character_does_not_keep_a_fact_from_the_bus() -> None:
    bus = Sent()
    assert bus.publish(fact(1, detail={"code": "\ud800"})) == []
    assert bus.details(0)[0]["code"] == "\ufffd"


def test_facts_go_ten_at_a_time_in_their_order() -> None:
    bus = Sent()
    assert bus.publish(*(fact(number) for number in range(21))) == []
    assert [len(entries) for entries in bus.calls] == [10, 10, 1]
    assert [detail["id"] for call in range(3) for detail in bus.details(call)] == [f"f{n}" for n in range(21)]


def test_nothing_to_publish_is_no_call() -> None:
    bus = Sent()
    assert bus.publish() == []
    assert bus.calls == []


@pytest.mark.parametrize("letter", ["x", "ü", "😀"])
def test_no_call_is_longer_than_eventbridge_takes(letter: str) -> None:
    bus = Sent()
    length = 60_000 // len(letter.encode())
    assert bus.publish(*(fact(number, detail={"code": letter * length}) for number in range(9))) == []
    assert [len(entries) for entries in bus.calls] == [4, 4, 1]
    assert all(bus.size(call) <= ENTRIES_SIZE for call in range(3))


def test_a_fact_that_is_too_long_by_itself_goes_without_its_detail() -> None:
    bus = Sent()
    long = fact(2, reference="r", detail={"channel_ids": "ü" * ENTRIES_SIZE, "count": "9"})
    assert bus.publish(fact(1), long, fact(3)) == []
    ((before, told, after),) = [bus.details(0)]
    assert (before["id"], after["id"]) == ("f1", "f3")
    assert (told["id"], told["signup_id"], told["reference"]) == ("f2", "s1", "r")
    assert "channel_ids" not in told
    assert "count" not in told


def test_behind_a_request_of_which_something_was_refused_nothing_is_sent() -> None:
    bus = Sent(said(1, 9, count=10))
    assert bus.publish(*(fact(number) for number in range(12))) == ["f1", "f9", "f10", "f11"]
    assert len(bus.calls) == 1


def test_a_call_that_is_refused_gives_back_all_its_facts_and_those_behind_it() -> None:
    bus = Sent(said(count=10), REFUSED)
    assert bus.publish(*(fact(number) for number in range(25))) == [f"f{number}" for number in range(10, 25)]
    assert len(bus.calls) == 2


def test_a_bus_that_cannot_be_reached_is_not_tried_for_the_rest() -> None:
    bus = Sent(UNREACHABLE)
    assert bus.publish(*(fact(number) for number in range(25))) == [f"f{number}" for number in range(25)]
    assert len(bus.calls) == 1


@pytest.mark.parametrize(
    "answer",
    [
        {"FailedEntryCount": 1},
        {"FailedEntryCount": 1, "Entries": [{}]},
        {"FailedEntryCount": 2, "Entries": 3},
    ],
)
def test_an_answer_that_does_not_say_what_failed_has_lost_all(answer: dict[str, object]) -> None:
    assert Sent(answer).publish(fact(1), fact(2)) == ["f1", "f2"]


# --- keys

CONTEXT = {"tenant": "t", "signup": "s1", "purpose": "business_token"}


@pytest.fixture
def vault() -> Iterator[KmsVault]:
    with mock_aws():
        client = boto3.client("kms")
        yield KmsVault(translated(client), make_key(client))


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


class Times:
    """A wall clock and a monotonic one, moved by hand."""

    def __init__(self) -> None:
        self.wall = 1_700_000_000.0
        self.monotonic = 1_000.0
        self.told: list[tuple[str, str]] = []

    def secret(self, client: Any) -> Secret:
        """The secret by these clocks."""
        return Secret(
            client,
            "the-secret",
            lambda: self.wall,
            lambda: self.monotonic,
            lambda name, why: self.told.append((name, str(why))),
        )

    def pass_by(self, seconds: float) -> None:
        """Both clocks go on."""
        self.wall += seconds
        self.monotonic += seconds


def reads(script: Stubber, **content: object) -> None:
    """The secret is read once more, and has this."""
    answer = {"SecretString": json.dumps(content or SECRET)}
    script.add_response("get_secret_value", answer, {"SecretId": "the-secret"})


def looks_back(script: Stubber, content: object = None) -> None:
    """The version before is read once, and has this; nothing is not there."""
    asked = {"SecretId": "the-secret", "VersionStage": "AWSPREVIOUS"}
    if content is None:
        script.add_client_error("get_secret_value", "ResourceNotFoundException", expected_params=asked)
    else:
        script.add_response("get_secret_value", {"SecretString": json.dumps(content)}, asked)


def test_the_secret_is_read_once_in_five_minutes(stubs: Stubs) -> None:
    client, script = stubs.client("secretsmanager")
    times = Times()
    secret = times.secret(client)
    reads(script)
    assert secret.value("meta_app_secret") == APP_SECRET
    times.wall += SECRET_SECONDS - 0.1
    times.monotonic += SECRET_SECONDS - 0.1
    assert secret.value("partner_api_key") == PARTNER_KEY


@pytest.mark.parametrize(
    ("wall", "monotonic"),
    [(SECRET_SECONDS, 0.0), (0.0, SECRET_SECONDS), (9e9, 0.1), (-1.0, 1.0), (1.0, -1.0)],
    ids=["monotonic stands still", "wall stands still", "frozen for years", "wall set back", "restored"],
)
def test_the_clock_that_says_it_is_older_counts(stubs: Stubs, wall: float, monotonic: float) -> None:
    client, script = stubs.client("secretsmanager")
    times = Times()
    secret = times.secret(client)
    reads(script)
    assert secret.value("meta_app_secret") == APP_SECRET
    times.wall += wall
    times.monotonic += monotonic
    reads(script, meta_app_secret="new")
    assert secret.value("meta_app_secret") == "new"


def test_what_is_incomplete_is_not_remembered(stubs: Stubs) -> None:
    client, script = stubs.client("secretsmanager")
    secret = Times().secret(client)
    reads(script, meta_app_secret=APP_SECRET)
    looks_back(script)
    with pytest.raises(UnavailableError):
        secret.value("partner_api_key")
    reads(script, partner_api_key=PARTNER_KEY)
    assert secret.value("partner_api_key") == PARTNER_KEY
    reads(script)
    assert secret.value("meta_app_secret") == APP_SECRET
    assert secret.value("partner_api_key") == PARTNER_KEY


def test_after_a_refusal_the_secret_is_read_anew_at_most_each_half_minute(stubs: Stubs) -> None:
    client, script = stubs.client("secretsmanager")
    times = Times()
    secret = times.secret(client)
    reads(script)
    assert secret.value("meta_app_secret") == APP_SECRET
    reads(script)
    looks_back(script)
    assert not secret.renewed("meta_app_secret")
    assert not secret.renewed("meta_app_secret")
    times.pass_by(RENEWED_SECONDS)
    reads(script, meta_app_secret="new")
    assert secret.renewed("meta_app_secret")
    assert secret.value("meta_app_secret") == "new"


@pytest.mark.parametrize("content", [{"partner_api_key": PARTNER_KEY}, {"meta_app_secret": " "}])
def test_an_incomplete_secret_takes_no_good_value_away(stubs: Stubs, content: dict[str, str]) -> None:
    client, script = stubs.client("secretsmanager")
    secret = Times().secret(client)
    reads(script)
    assert secret.value("meta_app_secret") == APP_SECRET
    reads(script, **content)
    looks_back(script, SECRET)
    assert not secret.renewed("meta_app_secret")
    assert secret.value("meta_app_secret") == APP_SECRET


def test_a_secret_that_cannot_be_read_anew_leaves_the_refusal_as_it_is(stubs: Stubs) -> None:
    client, script = stubs.client("secretsmanager")
    secret = Times().secret(client)
    reads(script)
    secret.value("meta_app_secret")
    script.add_client_error("get_secret_value", "InternalServiceError")
    script.add_client_error("get_secret_value", "InternalServiceError")
    assert not secret.renewed("meta_app_secret")


# --- the version before


FORMER = {"meta_app_secret": "former", "partner_api_key": "former-key"}


def test_a_value_that_stays_refused_is_taken_from_the_version_before_and_that_is_told(stubs: Stubs) -> None:
    client, script = stubs.client("secretsmanager")
    times = Times()
    secret = times.secret(client)
    reads(script)
    secret.value("partner_api_key")
    reads(script)
    looks_back(script, FORMER)
    assert secret.renewed("partner_api_key")
    assert secret.value("partner_api_key") == "former-key"
    assert times.told == []
    secret.accepted("partner_api_key")
    secret.accepted("partner_api_key")
    assert times.told == [("partner_api_key", "refused")]


def test_a_new_value_that_is_refused_too_gives_way_to_the_one_before_it(stubs: Stubs) -> None:
    client, script = stubs.client("secretsmanager")
    secret = Times().secret(client)
    reads(script, partner_api_key="stale")
    secret.value("partner_api_key")
    reads(script, partner_api_key="mistyped")
    assert secret.renewed("partner_api_key")
    looks_back(script, {"partner_api_key": "stale-no-more"})
    assert secret.renewed("partner_api_key")
    assert secret.value("partner_api_key") == "stale-no-more"


def test_each_new_version_has_one_before_it(stubs: Stubs) -> None:
    client, script = stubs.client("secretsmanager")
    times = Times()
    secret = times.secret(client)
    reads(script, meta_app_secret="x")
    looks_back(script, FORMER)
    assert secret.value("partner_api_key") == "former-key"
    reads(script, partner_api_key="mistyped")
    assert secret.renewed("partner_api_key")
    looks_back(script, FORMER)
    assert secret.renewed("partner_api_key")
    assert secret.value("partner_api_key") == "former-key"
    secret.accepted("partner_api_key")
    assert times.told == [("partner_api_key", "missing"), ("partner_api_key", "refused")]


def test_a_former_value_that_is_refused_as_well_is_let_go(stubs: Stubs) -> None:
    client, script = stubs.client("secretsmanager")
    times = Times()
    secret = times.secret(client)
    reads(script)
    secret.value("partner_api_key")
    reads(script)
    looks_back(script, FORMER)
    assert secret.renewed("partner_api_key")
    assert not secret.renewed("partner_api_key")
    assert not secret.renewed("partner_api_key")
    assert secret.value("partner_api_key") == PARTNER_KEY
    assert times.told == []


def test_the_current_value_gets_its_chance_again_every_half_minute(stubs: Stubs) -> None:
    client, script = stubs.client("secretsmanager")
    times = Times()
    secret = times.secret(client)
    reads(script)
    secret.value("partner_api_key")
    for _ in range(2):
        reads(script)
        looks_back(script, FORMER)
        assert secret.renewed("partner_api_key")
        secret.accepted("partner_api_key")
        times.pass_by(RENEWED_SECONDS - 0.1)
        assert secret.value("partner_api_key") == "former-key"
        times.pass_by(0.1)
        assert secret.value("partner_api_key") == PARTNER_KEY
    assert times.told == [("partner_api_key", "refused")] * 2
    reads(script, partner_api_key="mended")
    assert secret.renewed("partner_api_key")
    assert secret.value("partner_api_key") == "mended"


@pytest.mark.parametrize("content", [SECRET, {"partner_api_key": " "}, {}, ["x"], None])
def test_a_version_before_that_has_nothing_else_changes_nothing(stubs: Stubs, content: object) -> None:
    client, script = stubs.client("secretsmanager")
    secret = Times().secret(client)
    reads(script)
    secret.value("partner_api_key")
    reads(script)
    looks_back(script, content)
    assert not secret.renewed("partner_api_key")
    assert secret.value("partner_api_key") == PARTNER_KEY


@pytest.mark.parametrize("content", [{"meta_app_secret": "x"}, {"partner_api_key": ""}])
def test_what_is_missing_is_taken_from_the_version_before(stubs: Stubs, content: dict[str, str]) -> None:
    client, script = stubs.client("secretsmanager")
    times = Times()
    secret = times.secret(client)
    reads(script, **content)
    looks_back(script, FORMER)
    assert secret.value("partner_api_key") == "former-key"
    assert secret.value("partner_api_key") == "former-key"
    secret.accepted("partner_api_key")
    assert times.told == [("partner_api_key", "missing")]
    times.pass_by(RENEWED_SECONDS)
    reads(script)
    assert secret.value("partner_api_key") == PARTNER_KEY


def test_a_snapshot_holds_no_value_of_the_version_before(stubs: Stubs) -> None:
    client, script = stubs.client("secretsmanager")
    secret = Times().secret(client)
    reads(script, meta_app_secret="x")
    looks_back(script, FORMER)
    secret.value("partner_api_key")
    secret.forget()
    reads(script)
    assert secret.value("partner_api_key") == PARTNER_KEY


def test_a_machine_that_has_just_started_reads_the_secret_too(stubs: Stubs) -> None:
    client, script = stubs.client("secretsmanager")
    script.add_response("get_secret_value", {"SecretString": json.dumps(SECRET)})
    assert Secret(client, "x", lambda: 0.0, lambda: 0.0).value("meta_app_secret") == APP_SECRET


@pytest.mark.parametrize("value", [None, "", " \n", 7, ["x"], {"a": "b"}])
def test_what_is_missing_is_named(stubs: Stubs, value: object) -> None:
    client, script = stubs.client("secretsmanager")
    content = {**SECRET, "partner_api_key": value} if value is not None else {"meta_app_secret": APP_SECRET}
    script.add_response("get_secret_value", {"SecretString": json.dumps(content)})
    script.add_client_error("get_secret_value", "ResourceNotFoundException")
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
    script.add_response("get_secret_value", {"SecretString": content})
    with pytest.raises(UnavailableError, match="not a JSON object") as raised:
        Secret(client, "x").value("meta_app_secret")
    assert raised.value.__cause__ is None
    assert raised.value.__context__ is None
    assert_silent("".join(traceback.format_exception(raised.value)))


def test_a_binary_secret_is_no_object(stubs: Stubs) -> None:
    client, script = stubs.client("secretsmanager")
    script.add_response("get_secret_value", {"SecretBinary": APP_SECRET.encode()})
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
    assert isinstance(raised.value.__cause__, AwsError)
