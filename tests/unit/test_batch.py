"""A batch: what fails comes back when it should, its neighbours are done."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError
from botocore.stub import Stubber

from onramp.adapters.memory import START, ManualClock, MemoryTelemetry
from onramp.inbound.batch import CRASH_SECONDS, RESERVE_MS, Batch, pick, seconds_until
from ops.stage.translated import translated
from tests.canary import CHANNEL_KEY, assert_silent

QUEUE = "https://sqs.example/jobs"


def record(name: str, received: int | None = 1) -> dict[str, Any]:
    made: dict[str, Any] = {"messageId": name, "receiptHandle": f"handle-{name}", "body": "{}"}
    return made if received is None else {**made, "attributes": {"ApproximateReceiveCount": str(received)}}


class Bench:
    """A batch whose queue is a script of the visibilities it is told."""

    def __init__(self) -> None:
        self.client = boto3.client(
            "sqs", region_name="eu-central-1", aws_access_key_id="a", aws_secret_access_key="b"
        )
        self.script = Stubber(self.client)
        self.clock = ManualClock()
        self.telemetry = MemoryTelemetry()
        self.batch = Batch(translated(self.client), QUEUE, self.clock, self.telemetry)

    def hidden(self, name: str, seconds: int) -> None:
        """Expect a record to be hidden for so long."""
        self.script.add_response(
            "change_message_visibility",
            {},
            {"QueueUrl": QUEUE, "ReceiptHandle": f"handle-{name}", "VisibilityTimeout": seconds},
        )

    def run(
        self,
        records: list[dict[str, Any]],
        handle: Callable[[Mapping[str, Any]], datetime | None],
        remaining_ms: Callable[[], int] = lambda: 60_000,
    ) -> list[str]:
        """The ids that come back."""
        with self.script:
            answer = self.batch.run({"Records": records}, handle, remaining_ms)
        self.script.assert_no_pending_responses()
        assert list(answer) == ["batchItemFailures"]
        return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


def test_what_is_done_does_not_come_back() -> None:
    handled: list[str] = []
    bench = Bench()
    assert bench.run([record("a"), record("b")], lambda entry: handled.append(entry["messageId"])) == []
    assert handled == ["a", "b"]


def test_an_empty_batch_is_done() -> None:
    assert Bench().batch.run({}, lambda _: None, lambda: 60_000) == {"batchItemFailures": []}


def test_a_record_put_off_is_hidden_until_its_time_in_whole_seconds() -> None:
    bench = Bench()
    bench.hidden("a", 17)

    assert bench.run([record("a")], lambda _: START + timedelta(seconds=17.999)) == ["a"]


@pytest.mark.parametrize(
    ("ahead", "seconds"),
    [
        (timedelta(seconds=-5), 1),
        (timedelta(0), 1),
        (timedelta(milliseconds=1), 1),
        (timedelta(seconds=1.999), 1),
        (timedelta(seconds=2), 2),
        (timedelta(hours=11), 11 * 3600),
        (timedelta(hours=12), 12 * 3600 - 60),
        (timedelta(days=400), 12 * 3600 - 60),
    ],
)
def test_a_wait_is_whole_seconds_at_least_one_and_below_twelve_hours(ahead: timedelta, seconds: int) -> None:
    assert seconds_until(START + ahead, START) == seconds
    assert seconds <= 12 * 3600


def test_a_crash_touches_no_neighbour() -> None:
    bench = Bench()
    bench.hidden("b", CRASH_SECONDS[0])
    handled: list[str] = []

    def handle(entry: Mapping[str, Any]) -> None:
        if entry["messageId"] == "b":
            raise RuntimeError(CHANNEL_KEY)
        handled.append(entry["messageId"])

    assert bench.run([record("a"), record("b"), record("c")], handle) == ["b"]
    assert handled == ["a", "c"]
    assert bench.telemetry.counts["RecordsCrashed"] == 1


@pytest.mark.parametrize(("received", "index"), [(None, 0), (1, 0), (2, 1), (3, 2), (4, 3), (99, 3), (0, 0)])
def test_a_record_that_keeps_crashing_comes_back_later_and_later(received: int | None, index: int) -> None:
    bench = Bench()
    bench.hidden("a", CRASH_SECONDS[index])

    def crash(_: Mapping[str, Any]) -> None:
        raise KeyError("body")

    assert bench.run([record("a", received)], crash) == ["a"]


def test_a_crash_is_told_by_its_kind_and_not_by_its_text() -> None:
    bench = Bench()
    bench.hidden("a", CRASH_SECONDS[0])

    def crash(_: Mapping[str, Any]) -> None:
        raise RuntimeError(CHANNEL_KEY)

    bench.run([record("a")], crash)
    assert_silent(repr(vars(bench.telemetry)))
    assert "RuntimeError" in repr(vars(bench.telemetry))


def test_what_is_not_begun_in_time_comes_back_at_once() -> None:
    bench = Bench()
    left = iter([RESERVE_MS, RESERVE_MS - 1, 10])
    for name in ("b", "c"):
        bench.hidden(name, 1)
    handled: list[str] = []
    back = bench.run(
        [record("a"), record("b"), record("c")],
        lambda entry: handled.append(entry["messageId"]),
        lambda: next(left),
    )
    assert handled == ["a"]
    assert back == ["b", "c"]


def test_a_queue_that_refuses_still_gets_the_record_back() -> None:
    bench = Bench()
    bench.script.add_client_error("change_message_visibility", "ReceiptHandleIsInvalid")
    bench.hidden("b", 1)

    assert bench.run([record("a"), record("b")], lambda _: START) == ["a", "b"]


def test_a_queue_that_cannot_be_reached_still_gets_the_record_back(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench()

    def cut(**_: object) -> None:
        raise EndpointConnectionError(endpoint_url="https://sqs.example")

    monkeypatch.setattr(bench.client, "change_message_visibility", cut)

    assert bench.run([record("a")], lambda _: datetime(2031, 1, 1, tzinfo=UTC)) == ["a"]


def test_the_step_picked_is_always_one_of_them() -> None:
    assert [pick((5, 30), index) for index in (-3, 0, 1, 2)] == [5, 5, 30, 30]
