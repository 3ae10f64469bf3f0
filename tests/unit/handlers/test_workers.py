"""The functions that no browser calls: they translate, and no record harms another."""

import base64
import json
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

import event_publisher
import onboarding_worker
import partner_event_worker
import reconciler
from contract.samples import samples
from onramp.adapters.memory import ManualClock, MemoryBus, MemoryQueue, MemoryStore, MemoryTelemetry
from onramp.domain.census import Census
from onramp.domain.errors import SweepIncomplete, UnavailableError
from onramp.domain.facts import FactType
from onramp.domain.ledger import EventRecord
from onramp.domain.number import Number, WabaOf
from onramp.domain.records import Fact
from onramp.inbound.batch import CRASH_SECONDS, RESERVE_MS, Batch
from onramp.ports import Ports
from tests.canary import EMAIL, Watch, assert_silent
from tests.unit.test_wiring import AWS, FUNCTIONS, environment

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext


def context(left: int = 60_000) -> "LambdaContext":
    """What Lambda tells a handler; `left` milliseconds remain."""
    told = SimpleNamespace(aws_request_id="aws-request-1", get_remaining_time_in_millis=lambda: left)
    return cast("LambdaContext", told)


class Bench:
    """Ports in memory, and a runtime that does nothing."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.store = MemoryStore(self.clock)
        self.queue = MemoryQueue()
        self.bus = MemoryBus()
        self.telemetry = MemoryTelemetry()
        self.ports = Ports(
            store=self.store, clock=self.clock, telemetry=self.telemetry, queue=self.queue, bus=self.bus
        )
        self.runtime = SimpleNamespace(
            invocation=lambda _: nullcontext(),
            telemetry=self.telemetry,
            logger=SimpleNamespace(append_keys=lambda **_: None),
        )
        self.hidden: list[int] = []
        sqs: Any = SimpleNamespace(
            change_message_visibility=lambda **asked: self.hidden.append(asked["VisibilityTimeout"])
        )
        self.batch = Batch(sqs, "queue", self.clock, self.telemetry)

    def webhook(self, body: str | bytes, encoding: str = "utf-8", received: int = 1) -> datetime | None:
        """Let the worker handle one queued webhook."""
        text = base64.b64encode(body).decode() if isinstance(body, bytes) else body
        return partner_event_worker.apply_webhook(
            self.ports,
            {
                "body": text,
                "messageAttributes": {"encoding": {"stringValue": encoding}},
                "attributes": {"ApproximateReceiveCount": str(received)},
            },
        )

    def kept(self) -> set[str]:
        """The events in the ledger."""
        return {record.id for record in self.store.records(EventRecord)}


@pytest.fixture
def bench() -> Bench:
    return Bench()


def event(name: str, kind: str = "client_created") -> dict[str, Any]:
    return {"id": name, "event": kind, "data": {"id": "someCL"}}


# --- webhooks


def test_every_event_of_an_array_acts(bench: Bench) -> None:
    assert bench.webhook(json.dumps([event("a"), event("b"), event("c", "something_new")])) is None
    assert bench.kept() == {"a", "b", "c"}
    assert (bench.telemetry.counts["EventsStored"], bench.telemetry.counts["EventsUnknown"]) == (2, 1)


@pytest.mark.parametrize("element", ["text", 7, None, True, [event("inner")], "\ud800"])
def test_an_element_that_is_no_object_is_buried_alone(bench: Bench, element: object) -> None:
    assert bench.webhook(json.dumps([event("a"), element, event("b")])) is None
    assert bench.kept() == {"a", "b"}
    ((body, encoding, reason),) = bench.queue.buried_events
    assert (json.loads(body), encoding, reason) == (element, "utf-8", "unreadable")
    assert bench.telemetry.counts["EventsUnreadable"] == 1


@pytest.mark.parametrize("probe", [{}, {"test": True}, {"id": "x", "data": {}}, {"event": None}])
def test_a_probe_without_a_name_is_counted_and_done(bench: Bench, probe: dict[str, Any]) -> None:
    assert bench.webhook(json.dumps([probe, event("a")])) is None
    assert bench.kept() == {"a"}
    assert bench.queue.buried_events == []
    assert bench.telemetry.counts["EventsUnreadable"] == 1


@pytest.mark.parametrize("body", ["", "no json", "{", "7", '"text"', "[]", "null", "[" * 100_000])
def test_what_holds_no_event_is_buried_as_it_came(bench: Bench, body: str) -> None:
    assert bench.webhook(body) is None
    assert bench.queue.buried_events == [(body, "utf-8", "unreadable")]
    assert bench.telemetry.counts["EventsUnreadable"] == 1


def test_a_body_in_base64_is_read_and_one_that_cannot_be_is_buried(bench: Bench) -> None:
    assert bench.webhook(json.dumps(event("a")).encode(), "base64") is None
    assert bench.kept() == {"a"}
    bench.webhook(b"\xff\x00", "base64")
    bench.webhook("ü", "base64")
    assert [encoding for _, encoding, _ in bench.queue.buried_events] == ["base64", "base64"]


def test_an_event_that_crashes_comes_back_once_its_neighbours_have_acted(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    applied: list[str] = []

    def apply(_: Ports, found: Any, **__: object) -> None:
        if found.id == "b":
            raise RuntimeError(EMAIL)
        applied.append(found.id)

    monkeypatch.setattr(partner_event_worker, "apply_event", apply)
    monkeypatch.setattr(partner_event_worker, "function", lambda: (bench.runtime, bench.batch, bench.ports))
    message = samples()["partner_event_worker/batch"]["Records"][0]
    body = json.dumps([event("a"), event("b"), event("c")])
    answer = partner_event_worker.handler({"Records": [message | {"body": body}]}, context())
    assert applied == ["a", "c"]
    assert answer == {"batchItemFailures": [{"itemIdentifier": message["messageId"]}]}
    assert bench.hidden == [CRASH_SECONDS[0]]
    assert_silent(repr(bench.telemetry))


def test_a_webhook_comes_back_at_the_earliest_time_of_its_events(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    soon = bench.clock.now() + timedelta(seconds=10)
    times = {"a": soon + timedelta(hours=1), "b": None, "c": soon}
    monkeypatch.setattr(partner_event_worker, "apply_event", lambda _, found, **__: times[found.id])
    assert bench.webhook(json.dumps([event("a"), event("b"), event("c")])) == soon


@pytest.mark.parametrize(
    ("attributes", "again"),
    [
        ({}, False),
        ({"attributes": {"ApproximateReceiveCount": "1"}}, False),
        ({"attributes": {"ApproximateReceiveCount": "2"}}, True),
    ],
)
def test_a_webhook_that_comes_again_may_have_acted(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, attributes: dict[str, Any], again: bool
) -> None:
    told: list[bool] = []
    monkeypatch.setattr(partner_event_worker, "apply_event", lambda *_, again, body: told.append(again))
    partner_event_worker.apply_webhook(bench.ports, {"body": json.dumps(event("a"))} | attributes)
    assert told == [again]


def test_the_same_webhook_again_acts_no_more(bench: Bench) -> None:
    body = json.dumps([event("a"), 7, event("b")])
    for received in (1, 2, 3):
        assert bench.webhook(body, received=received) is None
    assert bench.telemetry.counts["EventsStored"] == 2
    assert bench.telemetry.counts["EventsDuplicate"] == 4


def test_what_cannot_be_buried_comes_back_once_its_neighbours_have_acted(bench: Bench) -> None:
    bench.queue.broken = True
    with pytest.raises(UnavailableError):
        bench.webhook(json.dumps([7, event("a")]))
    assert bench.kept() == {"a"}


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(st.none(), st.booleans(), st.integers(), st.text(), st.just("good")), max_size=6))
def test_whatever_stands_beside_it_a_good_event_acts_once(elements: list[object]) -> None:
    bench = Bench()
    names = [f"e{at}" for at, element in enumerate(elements) if element == "good"]
    bad = [element for element in elements if element != "good"]
    array = [event(f"e{at}") if element == "good" else element for at, element in enumerate(elements)]
    assert bench.webhook(json.dumps(array)) is None
    assert bench.kept() == set(names)
    buried = [json.loads(body) for body, *_ in bench.queue.buried_events]
    assert buried == (bad if array else [[]])


# --- jobs


@pytest.fixture
def jobs(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the onboarding worker was told to do."""
    done: list[Any] = []
    monkeypatch.setattr(onboarding_worker, "function", lambda: (bench.runtime, bench.batch, bench.ports))
    monkeypatch.setattr(
        onboarding_worker,
        "work_on_number",
        lambda _, phone_number_id, *, retry: done.append((phone_number_id, retry)),
    )
    monkeypatch.setattr(onboarding_worker, "work_on_census", lambda *_: done.append("census"))
    return done


@pytest.mark.parametrize(
    ("sample", "done"),
    [
        ("job", [("106540352242922", False)]),
        ("job_redriven", [("106540352242922", True)]),
        ("census", ["census"]),
    ],
)
def test_a_job_names_a_number_or_the_census(
    bench: Bench, jobs: list[Any], sample: str, done: list[Any]
) -> None:
    answer = onboarding_worker.handler(samples()[f"onboarding_worker/{sample}"], context())
    assert answer == {"batchItemFailures": []}
    assert jobs == done


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{}",
        "[]",
        "no json",
        '{"phone_number_id": 1}',
        '{"phone_number_id": "x"}',
        '{"census": "default", "phone_number_id": "1"}',
        '{"census": ""}',
    ],
)
def test_a_job_that_cannot_be_read_is_told_and_done(bench: Bench, jobs: list[Any], body: str) -> None:
    message = samples()["onboarding_worker/job"]["Records"][0] | {"body": body}
    assert onboarding_worker.handler({"Records": [message]}, context()) == {"batchItemFailures": []}
    assert jobs == []
    assert bench.telemetry.counts["RecordsCrashed"] == 1


def test_a_job_that_cannot_be_read_harms_no_neighbour(bench: Bench, jobs: list[Any]) -> None:
    (message,) = samples()["onboarding_worker/job"]["Records"]
    bodies = ['{"phone_number_id": "1"}', "no job", '{"census": "default"}', '{"phone_number_id": "2"}']
    batch = {"Records": [message | {"body": body} for body in bodies]}
    assert onboarding_worker.handler(batch, context()) == {"batchItemFailures": []}
    assert jobs == [("1", False), "census", ("2", False)]


def test_a_job_may_have_words_of_a_later_release(bench: Bench, jobs: list[Any]) -> None:
    (message,) = samples()["onboarding_worker/job"]["Records"]
    batch = {"Records": [message | {"body": '{"phone_number_id": "1", "of_tomorrow": {}}'}]}
    onboarding_worker.handler(batch, context())
    assert jobs == [("1", False)]


def test_a_job_is_not_begun_without_the_time_for_it(bench: Bench, jobs: list[Any]) -> None:
    batch = samples()["onboarding_worker/job"]
    answer = onboarding_worker.handler(batch, context(RESERVE_MS - 1))
    assert answer == {"batchItemFailures": [{"itemIdentifier": batch["Records"][0]["messageId"]}]}
    assert jobs == []
    assert bench.hidden == [1]


def test_a_job_that_has_to_come_again_is_hidden_until_then(
    bench: Bench, jobs: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    until = bench.clock.now() + timedelta(seconds=42)
    monkeypatch.setattr(onboarding_worker, "work_on_number", lambda *_, **__: until)
    batch = samples()["onboarding_worker/job"]
    answer = onboarding_worker.handler(batch, context())
    assert answer == {"batchItemFailures": [{"itemIdentifier": batch["Records"][0]["messageId"]}]}
    assert bench.hidden == [42]


# --- the schedule


def test_the_schedule_wakes_the_census_and_does_nothing_itself(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconciler, "function", lambda: (bench.runtime, bench.ports))
    assert reconciler.handler(samples()["reconciler/census"], context()) == {"task": "census"}
    assert bench.queue.censuses == ["default"]
    assert bench.store.records(Census) == []


@pytest.mark.parametrize("task", [samples()["reconciler/sweep"], {}])
def test_the_sweep_stops_in_time(bench: Bench, monkeypatch: pytest.MonkeyPatch, task: dict[str, Any]) -> None:
    enough: list[bool] = []

    def sweep(_: Ports, asked: Callable[[], bool]) -> None:
        enough.append(asked())

    monkeypatch.setattr(reconciler, "function", lambda: (bench.runtime, bench.ports))
    monkeypatch.setattr(reconciler, "sweep", sweep)
    for left in (reconciler.RESERVE_MS - 1, reconciler.RESERVE_MS):
        assert reconciler.handler(task, context(left)) == {"task": "sweep"}
    assert enough == [True, False]


def test_the_sweep_wakes_what_is_due_and_moves_it_on(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconciler, "function", lambda: (bench.runtime, bench.ports))
    now = bench.clock.now()
    bench.store.commit(
        *(
            Number(
                phone_number_id=name,
                tenant="t",
                signup_id="s",
                waba=WabaOf(id="1"),
                created_at=now,
                due_at=now + timedelta(minutes=minutes),
            )
            for name, minutes in (("1", -10), ("2", -5), ("3", 60))
        ),
        Census(hub="default", due_at=now - timedelta(minutes=7)),
    )
    assert reconciler.handler(samples()["reconciler/sweep"], context()) == {"task": "sweep"}
    assert bench.queue.numbers == ["1", "2"]
    assert bench.queue.censuses == ["default"]
    reconciler.handler(samples()["reconciler/sweep"], context())
    assert bench.queue.numbers == ["1", "2"]


@pytest.mark.parametrize(("task", "trouble"), [("sweep", SweepIncomplete), ("census", UnavailableError)])
def test_a_schedule_that_woke_nobody_fails_and_rings(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, task: str, trouble: type[Exception]
) -> None:
    monkeypatch.setattr(reconciler, "function", lambda: (bench.runtime, bench.ports))
    due = bench.clock.now() - timedelta(minutes=7)
    bench.store.commit(Census(hub="default", due_at=due))
    bench.queue.broken = True
    with pytest.raises(trouble):
        reconciler.handler({"task": task}, context())
    stored = bench.store.read(Census, "default")
    assert stored is not None
    assert stored.due_at == due


# --- the stream


def fact(name: str, *, bus: bool = True) -> Fact:
    return Fact(id=name, type=FactType.NUMBER_LIVE, at=datetime(2031, 1, 1, tzinfo=UTC), subject="s", bus=bus)


def changes(*facts: Fact | None) -> list[dict[str, Any]]:
    """Records of the stream; None is one that cannot be read."""
    return [
        {
            "eventID": str(serial),
            "dynamodb": {
                "SequenceNumber": str(serial),
                "NewImage": {"data": {"S": found.model_dump_json() if found else '{"type":'}},
            },
        }
        for serial, found in enumerate(facts)
    ]


class Refusing(MemoryBus):
    """A bus that does not take some facts."""

    def __init__(self, *ids: str) -> None:
        super().__init__()
        self._ids = ids

    def publish(self, facts: Sequence[Fact]) -> Sequence[str]:
        super().publish([found for found in facts if found.id not in self._ids])
        return [found.id for found in facts if found.id in self._ids]


def test_new_facts_are_published_in_their_order(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_publisher, "function", lambda: (bench.runtime, bench.ports))
    answer = event_publisher.handler(samples()["event_publisher/facts"], context())
    assert answer == {"batchItemFailures": []}
    assert bench.bus.types() == ["signup.authorized", "number.pending"]


def test_what_is_not_for_the_bus_is_not_published(bench: Bench) -> None:
    records = changes(fact("a", bus=False), fact("b"), fact("c", bus=False))
    assert event_publisher.publish(bench.ports, records) == {"batchItemFailures": []}
    assert [found.id for found in bench.bus.published] == ["b"]


def test_a_record_that_cannot_be_read_holds_up_nobody(bench: Bench, watch: Watch) -> None:
    records = [*changes(fact("a"), None, fact("b")), {"eventID": "x", "dynamodb": {"Keys": {}}}]
    assert event_publisher.publish(bench.ports, records) == {"batchItemFailures": []}
    assert [found.id for found in bench.bus.published] == ["a", "b"]
    assert bench.telemetry.counts["RecordsCrashed"] == 2
    assert len(bench.telemetry.warnings()) == 2


def test_from_the_first_fact_that_was_not_taken_the_stream_comes_again(bench: Bench) -> None:
    """Those behind it may have been taken: they come twice, in their order, and copies have one id."""
    ports = Ports(store=bench.store, clock=bench.clock, telemetry=bench.telemetry, bus=Refusing("b", "d"))
    records = changes(fact("x", bus=False), fact("a"), None, fact("b"), fact("c"), fact("d"))
    assert event_publisher.publish(ports, records) == {"batchItemFailures": [{"itemIdentifier": "3"}]}


def test_a_bus_that_takes_nothing_fails_the_whole_batch(bench: Bench) -> None:
    bench.bus.broken = True
    with pytest.raises(UnavailableError):
        event_publisher.publish(bench.ports, changes(fact("x", bus=False), fact("a"), fact("b")))


def test_a_fact_may_have_words_of_a_later_release(bench: Bench) -> None:
    found = fact("a").model_copy(update={"type": "number.promoted"})
    (record,) = changes(found)
    content = json.loads(record["dynamodb"]["NewImage"]["data"]["S"]) | {"of_tomorrow": [1]}
    record["dynamodb"]["NewImage"]["data"]["S"] = json.dumps(content)
    event_publisher.publish(bench.ports, [record])
    assert bench.bus.types() == ["number.promoted"]


class Moody(MemoryBus):
    """A bus that refuses some facts, each so many times, and now and then does not answer at all."""

    def __init__(self, refusals: dict[str, int], outages: int) -> None:
        super().__init__()
        self._refusals = refusals
        self._outages = outages

    def publish(self, facts: Sequence[Fact]) -> Sequence[str]:
        if self._outages:
            self._outages -= 1
            return [found.id for found in facts]
        refused = []
        for found in facts:
            if self._refusals.get(found.id, 0):
                self._refusals[found.id] -= 1
                refused.append(found.id)
            else:
                self.published.append(found)
        return refused


@settings(max_examples=200, deadline=None)
@given(
    kinds=st.lists(st.sampled_from(["bus", "quiet", "broken"]), max_size=8),
    refusals=st.dictionaries(st.integers(0, 7).map(str), st.integers(1, 3)),
    outages=st.integers(0, 2),
)
def test_whatever_the_bus_refuses_every_fact_gets_there_in_the_end_and_last_in_its_order(
    kinds: list[str], refusals: dict[str, int], outages: int
) -> None:
    """The stream comes again as Lambda lets it: from the first failed record, or wholly after an error."""
    bench = Bench()
    bus = Moody(refusals, outages)
    ports = Ports(store=bench.store, clock=bench.clock, telemetry=bench.telemetry, bus=bus)
    records = changes(
        *(None if kind == "broken" else fact(str(at), bus=kind == "bus") for at, kind in enumerate(kinds))
    )
    left = records
    for _ in range(60):
        try:
            failures = event_publisher.publish(ports, left)["batchItemFailures"]
        except UnavailableError:
            continue
        if not failures:
            break
        ((first,),) = (failure.values() for failure in failures)
        left = [record for record in records if int(record["dynamodb"]["SequenceNumber"]) >= int(first)]
    else:
        pytest.fail("the stream never ended")
    got = [found.id for found in bus.published]
    wanted = [str(at) for at, kind in enumerate(kinds) if kind == "bus"]
    assert [name for at, name in enumerate(got) if name not in got[at + 1 :]] == wanted


def test_facts_of_a_span_of_time_are_published_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_publisher, "function", lambda: (bench.runtime, bench.ports))
    bench.store.commit(facts=[fact("").model_copy(update={"subject": f"s{index}"}) for index in range(3)])
    span = {"since": "2031-01-01T00:00:00Z", "until": "2031-01-02T00:00:00Z"}
    answer = event_publisher.handler({"republish": span}, context())
    assert answer == {"published": 3, "cursor": None}
    assert bench.bus.types() == ["number.live"] * 3
    later = {"since": "2032-01-01T00:00:00Z", "until": "2032-01-02T00:00:00Z"}
    assert event_publisher.handler({"republish": later}, context()) == {"published": 0, "cursor": None}


# --- wiring


@pytest.mark.parametrize("module", [event_publisher, onboarding_worker, partner_event_worker, reconciler])
def test_a_worker_is_made_from_its_environment_once(
    module: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind, _ = FUNCTIONS[module.__name__]
    for name, value in (environment(kind) | AWS).items():
        monkeypatch.setenv(name, value)
    module.function.cache_clear()
    try:
        made = module.function()
        assert module.function() is made
        assert any(isinstance(part, Ports) for part in made)
    finally:
        module.function.cache_clear()


def test_publishing_again_stops_in_time_and_goes_on_at_its_cursor(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_publisher, "function", lambda: (bench.runtime, bench.ports))
    monkeypatch.setattr("onramp.usecases.publish_facts.PAGE", 2)
    for index in range(5):
        bench.store.commit(facts=[fact("").model_copy(update={"subject": f"s{index}", "bus": index != 3})])
    span: dict[str, Any] = {"since": "2031-01-01T00:00:00Z", "until": "2031-01-02T00:00:00Z"}
    counts: list[int] = []
    for _ in range(3):
        answer = event_publisher.handler({"republish": span}, context(event_publisher.RESERVE_MS - 1))
        counts.append(answer["published"])
        if answer["cursor"] is None:
            break
        span["cursor"] = answer["cursor"]
    assert counts == [2, 1, 1]
    assert sorted(found.subject for found in bench.bus.published) == ["s0", "s1", "s2", "s4"]
    assert len({found.id for found in bench.bus.published}) == 4


def test_publishing_again_to_a_bus_that_takes_nothing_fails(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_publisher, "function", lambda: (bench.runtime, bench.ports))
    bench.store.commit(facts=[fact("")])
    bench.bus.broken = True
    with pytest.raises(UnavailableError):
        event_publisher.handler(AGAIN, context())


AGAIN = {"republish": {"since": "2031-01-01T00:00:00Z", "until": "2031-01-02T00:00:00Z", "cursor": None}}


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"since": "2031-01-01T00:00:00Z"},
        {"since": "2031-01-01T00:00:00", "until": "2031-01-02T00:00:00Z"},
        {"since": "yesterday", "until": "today"},
        None,
        [],
    ],
)
def test_a_span_of_time_that_is_none_publishes_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, asked: object
) -> None:
    monkeypatch.setattr(event_publisher, "function", lambda: (bench.runtime, bench.ports))
    bench.store.commit(facts=[fact("")])
    with pytest.raises(ValidationError):
        event_publisher.handler({"republish": asked}, context())
    assert bench.bus.published == []
