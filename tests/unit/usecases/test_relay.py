"""An event is put on its way once it has acted, and each target is handed it by itself, at least once."""

import json
from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest

from onramp.domain import number as life
from onramp.domain.errors import Conflict, UnavailableError, Unreadable
from onramp.domain.ledger import EventRecord, Outcome
from onramp.domain.number import Number
from onramp.domain.partner_events import PartnerEvent, read_event
from onramp.domain.relaying import GIVEN_UP_AFTER, INLINE, REST, Body, Coexistence, RelayRules, Target
from onramp.ports.relaying import NotTaken
from onramp.usecases.apply_event import ONCE_MORE, apply_event
from onramp.usecases.hand_over import Rests, hand_over
from tests.unit.usecases.bench import TENANT, WABA, Bench

CHAT = "a chat of somebody's"
BUS = Target("bus", "bus")
TEMPLATES = Target("templates", "https://hooks.example.com/", ("waba_template_*",))


def relaying(bench: Bench, *targets: Target, coexistence: Coexistence = Coexistence.RELAY) -> None:
    bench.rule(relay=RelayRules(coexistence, targets or (BUS,)))


def sent(bench: Bench) -> list[dict[str, Any]]:
    return [json.loads(message) for message in bench.relay.sent]


def of_waba(name: str = "waba_template_status_changed", event_id: str = "t1", **data: Any) -> PartnerEvent:
    return read_event({"id": event_id, "event": name, "data": {"id": WABA, **data}})


# --- put on its way


def test_an_event_that_has_acted_is_handed_on_with_whose_it_is(bench: Bench) -> None:
    relaying(bench)
    bench.submit()
    bench.work()
    event = bench.event("channel_live")
    assert apply_event(bench.ports, event, body=Body("as it came")) is None
    (message,) = sent(bench)
    assert message["target"] == "bus"
    envelope = message["envelope"]
    assert (envelope["id"], envelope["event"], envelope["body"]) == (event.id, "channel_live", "as it came")
    assert envelope["resolution"] == {
        "tenant": TENANT,
        "signup_id": "s1",
        "phone_number_id": "1001",
        "channel_id": "c1",
        "waba_id": WABA,
    }
    record = bench.record(event)
    assert (record.outcome, record.relayed_at) == (Outcome.APPLIED, bench.now)


@pytest.mark.parametrize("name", ["waba_template_status_changed", "never_heard_of", "client_created"])
def test_what_ends_here_is_handed_on_too(bench: Bench, name: str) -> None:
    relaying(bench)
    apply_event(bench.ports, of_waba(name))
    assert [message["envelope"]["event"] for message in sent(bench)] == [name]


def test_each_target_has_a_message_of_its_own_and_only_what_it_wants(bench: Bench) -> None:
    relaying(bench, BUS, TEMPLATES)
    apply_event(bench.ports, of_waba())
    apply_event(bench.ports, of_waba("history", "h1"))
    assert [(one["target"], one["envelope"]["id"]) for one in sent(bench)] == [
        ("bus", "t1"),
        ("templates", "t1"),
        ("bus", "h1"),
    ]


def test_a_wabas_event_tells_what_all_its_numbers_have_in_common(bench: Bench) -> None:
    relaying(bench)
    bench.submit(numbers=("1001", "1002"))
    apply_event(bench.ports, of_waba())
    (message,) = sent(bench)
    resolution = message["envelope"]["resolution"]
    assert (resolution["tenant"], resolution["waba_id"], resolution["phone_number_id"]) == (
        TENANT,
        WABA,
        None,
    )
    apply_event(bench.ports, of_waba("history", "h1", metadata={"phone_number_id": "1002"}))
    assert sent(bench)[1]["envelope"]["resolution"]["phone_number_id"] == "1002"


def test_without_a_target_nothing_is_read_or_written_for_it(bench: Bench) -> None:
    event = of_waba()
    apply_event(bench.ports, event)
    assert bench.relay.sent == []
    assert bench.record(event).relayed_at is None


def test_a_copy_is_not_handed_on_again(bench: Bench) -> None:
    relaying(bench)
    for _ in range(3):
        apply_event(bench.ports, of_waba())
    assert len(bench.relay.sent) == 1


def test_an_event_without_a_number_is_handed_on_when_it_stays_in_the_ledger(bench: Bench) -> None:
    relaying(bench)
    event = bench.event("channel_live")
    assert apply_event(bench.ports, event) == bench.now + ONCE_MORE
    assert bench.relay.sent == []
    assert apply_event(bench.ports, event) is None
    (message,) = sent(bench)
    assert message["envelope"]["resolution"]["tenant"] is None
    assert message["envelope"]["resolution"]["channel_id"] == "c1"
    bench.submit()
    bench.work()
    apply_event(bench.ports, event)
    assert len(bench.relay.sent) == 1


def test_trouble_with_a_record_of_ours_keeps_an_event_from_nobody(bench: Bench) -> None:
    relaying(bench)
    bench.submit()
    bench.work()
    read = bench.store.read

    def broken(kind: Any, *identity: str) -> Any:
        if kind is Number:
            raise Unreadable("number")
        return read(kind, *identity)

    bench.store.read = broken  # type: ignore[method-assign]
    # It comes again to act, and has been handed on already.
    assert apply_event(bench.ports, bench.event("channel_live", external_id="1001")) is not None
    assert [message["envelope"]["event"] for message in sent(bench)] == ["channel_live"]


def test_an_event_whose_record_cannot_be_read_is_handed_on_without_whose_it_is(bench: Bench) -> None:
    relaying(bench)
    read = bench.store.read

    def broken(kind: Any, *identity: str) -> Any:
        if kind is EventRecord:
            raise Unreadable("event")
        return read(kind, *identity)

    bench.store.read = broken  # type: ignore[method-assign]
    apply_event(bench.ports, of_waba())
    assert len(bench.relay.sent) == 1


def test_an_event_comes_again_until_the_queue_has_it(bench: Bench) -> None:
    relaying(bench)
    bench.submit()
    bench.work()
    bench.relay.broken = True
    event = bench.event("channel_live")
    with pytest.raises(UnavailableError):
        apply_event(bench.ports, event)
    # What it does here, it has done.
    assert bench.record(event).outcome == Outcome.APPLIED
    bench.relay.broken = False
    assert apply_event(bench.ports, event) is None
    assert len(bench.relay.sent) == 1


def test_an_event_that_was_sent_and_not_written_down_is_sent_again_under_its_id(bench: Bench) -> None:
    relaying(bench)
    commit = bench.store.commit
    event = of_waba()

    def lost(*records: Any, **more: Any) -> None:
        if any(getattr(record, "relayed_at", None) for record in records):
            raise UnavailableError("store")
        commit(*records, **more)

    bench.store.commit = lost  # type: ignore[method-assign]
    with pytest.raises(UnavailableError):
        apply_event(bench.ports, event)
    bench.store.commit = commit  # type: ignore[method-assign]
    apply_event(bench.ports, event)
    assert [message["envelope"]["id"] for message in sent(bench)] == ["t1", "t1"]
    apply_event(bench.ports, event)
    assert len(bench.relay.sent) == 2


def test_somebody_who_writes_the_events_record_in_between_is_no_trouble(bench: Bench) -> None:
    relaying(bench)
    commit = bench.store.commit
    refused: list[int] = []

    def late(*records: Any, **more: Any) -> None:
        if any(getattr(record, "relayed_at", None) for record in records) and not refused:
            refused.append(1)
            raise Conflict("event")
        commit(*records, **more)

    bench.store.commit = late  # type: ignore[method-assign]
    event = of_waba()
    apply_event(bench.ports, event)
    assert bench.record(event).relayed_at == bench.now
    assert len(bench.relay.sent) == 1


def test_in_any_order_and_repetition_each_event_is_handed_on_once(bench: Bench) -> None:
    events = [of_waba(event_id=f"t{number}") for number in range(3)]
    for number, order in enumerate(permutations([*events, *events[:1]])):
        fresh = Bench()
        relaying(fresh)
        for event in order:
            apply_event(fresh.ports, event)
        ids = [message["envelope"]["id"] for message in sent(fresh)]
        assert sorted(ids) == ["t0", "t1", "t2"], number


def test_an_erased_persons_event_is_handed_to_nobody(bench: Bench) -> None:
    bench.submit()
    bench.work()
    apply_event(bench.ports, bench.event("channel_created"))
    number = bench.number()
    life.erase(number, bench.now)
    bench.store.commit(number)
    relaying(bench)
    late = bench.event("channel_live")
    for event in (late, late, of_waba("history", "h1", metadata={"phone_number_id": "1001"})):
        apply_event(bench.ports, event)
    assert bench.relay.sent == []


def test_a_copy_of_an_event_that_an_erasure_has_emptied_is_handed_to_nobody(bench: Bench) -> None:
    event = of_waba("never_heard_of")
    apply_event(bench.ports, event)
    record = bench.record(event)
    record.erase(bench.now)
    bench.store.commit(record)
    relaying(bench)
    apply_event(bench.ports, event)
    assert bench.relay.sent == []


# --- contacts and chats


@pytest.mark.parametrize("choice", Coexistence)
def test_contacts_and_chats_lie_in_the_table_only_where_they_are_to_be_kept(
    bench: Bench, choice: Coexistence
) -> None:
    relaying(bench, coexistence=choice)
    event = of_waba("history", history=[{"messages": [CHAT]}])
    apply_event(bench.ports, event)
    record = bench.record(event)
    assert (CHAT in record.model_dump_json()) is (choice is Coexistence.KEEP)
    assert record.outcome == Outcome.STORED
    assert len(bench.relay.sent) == (0 if choice is Coexistence.DROP else 1)
    assert all(CHAT in message for message in bench.relay.sent)
    assert CHAT not in json.dumps(bench.telemetry.lines, default=str)


def test_contacts_of_an_event_whose_record_is_broken_are_not_buried_either(bench: Bench) -> None:
    relaying(bench)

    def broken(kind: Any, *identity: str) -> Any:
        raise Unreadable("event")

    bench.store.read = broken  # type: ignore[method-assign]
    apply_event(bench.ports, of_waba("history", history=[CHAT]))
    ((body, _, reason),) = bench.queue.buried_events
    assert (CHAT in body, reason) == (False, "unreadable_record")


def test_a_large_body_goes_by_reference_and_lies_once_in_the_bucket(bench: Bench) -> None:
    relaying(bench, BUS, Target("all", "https://hooks.example.com/"))
    body = Body(json.dumps({"x": "y" * INLINE}))
    apply_event(bench.ports, of_waba("history"), body=body)
    first, second = sent(bench)
    assert first["envelope"] == second["envelope"]
    place = first["envelope"]["body_at"]
    assert (first["envelope"]["body"], place["bucket"], place["bytes"]) == (None, "bodies", len(body.content))
    assert bench.bodies.kept == {place["key"]: body.content}
    assert max(map(len, bench.relay.sent)) < 2_000


def test_while_the_bucket_does_not_answer_the_event_comes_again(bench: Bench) -> None:
    relaying(bench)
    bench.bodies.broken = True
    event, body = of_waba("history"), Body("x" * (INLINE + 1))
    with pytest.raises(UnavailableError):
        apply_event(bench.ports, event, body=body)
    bench.bodies.broken = False
    apply_event(bench.ports, event, body=body)
    assert len(bench.relay.sent) == 1


# --- handed over


class Line:
    """The relay's queue and who works it off."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.rests: Rests = {}
        self.first = bench.now

    def hand(self, message: str, received: int = 1) -> float | None:
        """Seconds until the message comes again, or None."""
        at = hand_over(self.bench.ports, self.rests, message, received, self.first)
        return None if at is None else (at - self.bench.now).total_seconds()


@pytest.fixture
def line(bench: Bench) -> Line:
    relaying(bench, BUS, TEMPLATES)
    apply_event(bench.ports, of_waba())
    return Line(bench)


def test_a_target_is_handed_the_event_under_one_id(bench: Bench, line: Line) -> None:
    for message in (*bench.relay.sent, *bench.relay.sent):
        assert line.hand(message) is None
    names, envelopes, ids = zip(*bench.outlets.handed, strict=True)
    assert names == ("bus", "templates", "bus", "templates")
    assert len(set(ids)) == 1
    assert {envelope["id"] for envelope in envelopes} == {"t1"}
    assert bench.count("EventsRelayed") == 4


def test_a_target_that_refuses_is_tried_again_later_and_harms_no_other(bench: Bench, line: Line) -> None:
    bus, templates = bench.relay.sent
    bench.outlets.troubles["templates"] = [NotTaken("refused", 500)]
    again = line.hand(templates)
    assert again is not None
    assert 2.5 <= again <= 5
    assert line.hand(bus) is None
    # A refusal of one message says nothing of the next.
    assert line.hand(templates, 2) is None
    assert (bench.count("RelayRefused"), bench.relay.buried) == (1, [])


def test_a_target_that_does_not_answer_is_left_alone_for_a_while(bench: Bench, line: Line) -> None:
    bus, templates = bench.relay.sent
    bench.outlets.troubles["templates"] = [NotTaken("too_slow"), NotTaken("too_slow")]
    line.hand(templates)
    asked = len(bench.outlets.troubles["templates"])
    again = line.hand(templates, 2)
    assert again is not None
    assert len(bench.outlets.troubles["templates"]) == asked
    assert line.hand(bus) is None
    bench.wait(REST.total_seconds())
    bench.outlets.troubles.clear()
    assert line.hand(templates, 3) is None
    assert line.rests == {}


@pytest.mark.parametrize("trouble", [None, NotTaken("refused", 500)])
def test_a_target_that_answers_slowly_leaves_half_of_the_time_to_others(
    bench: Bench, line: Line, monkeypatch: pytest.MonkeyPatch, trouble: NotTaken | None
) -> None:
    hand, slow, asked = bench.outlets.hand, timedelta(seconds=14), []

    def slowly(target: Target, envelope: Any, identity: str) -> Any:
        if target is not TEMPLATES:
            return hand(target, envelope, identity)
        asked.append(bench.now)
        bench.clock.advance(slow)
        return trouble or hand(target, envelope, identity)

    monkeypatch.setattr(bench.outlets, "hand", slowly)
    bus, templates = bench.relay.sent
    line.hand(templates)
    # Whatever of it waits in the queue costs no time now.
    for _ in range(20):
        again = line.hand(templates)
        assert again is not None
        assert again >= slow.total_seconds()
        assert line.hand(bus) is None
    assert len(asked) == 1
    bench.wait(slow.total_seconds())
    line.hand(templates)
    assert len(asked) == 2


def test_a_target_that_answers_in_time_is_not_left_alone(bench: Bench, line: Line) -> None:
    _, templates = bench.relay.sent
    assert [line.hand(templates) for _ in range(3)] == [None, None, None]
    assert line.rests == {}


def test_retry_after_is_honoured(bench: Bench, line: Line) -> None:
    _, templates = bench.relay.sent
    bench.outlets.troubles["templates"] = [NotTaken("refused", 429, retry_after=7200)]
    assert line.hand(templates) == 7200
    again = line.hand(templates, 2)
    assert again is not None


@pytest.mark.parametrize("received", [1, 9])
def test_what_a_target_never_takes_is_given_up_at_once(bench: Bench, line: Line, received: int) -> None:
    _, templates = bench.relay.sent
    bench.outlets.troubles["templates"] = [NotTaken("refused", 410, final=True)]
    assert line.hand(templates, received) is None
    assert bench.relay.buried == [(templates, "refused")]
    assert bench.count("RelayGivenUp") == 1


def test_a_target_that_is_down_for_three_days_has_its_messages_among_the_dead_letters(
    bench: Bench, line: Line
) -> None:
    _, templates = bench.relay.sent
    received = 0
    while True:
        received += 1
        bench.outlets.troubles["templates"] = [NotTaken("not_connected")]
        again = line.hand(templates, received)
        if again is None:
            break
        bench.wait(again)
    assert bench.relay.buried == [(templates, "not_connected")]
    assert timedelta() < line.first + GIVEN_UP_AFTER - bench.now < timedelta(hours=5)
    # Put back, it goes out as a new one.
    bench.outlets.troubles.clear()
    bench.wait(REST.total_seconds())
    line.first = bench.now
    assert line.hand(templates) is None


def test_a_message_that_cannot_be_read_is_kept_for_a_person(bench: Bench, line: Line) -> None:
    for text in ("x", "[]", "{}", '{"target": "bus"}', '{"target": 1, "envelope": {"id": "x"}}'):
        assert line.hand(text) is None
    assert [reason for _, reason in bench.relay.buried] == ["unreadable"] * 5


def test_a_target_that_the_configuration_no_longer_has_gets_nothing(bench: Bench, line: Line) -> None:
    relaying(bench, BUS)
    assert line.hand(bench.relay.sent[1]) is None
    assert (bench.outlets.handed, bench.relay.buried) == ([], [])
    assert bench.telemetry.warnings() == ["a target is gone; its message is dropped"]


def test_each_try_of_a_large_body_has_a_link_of_its_own(bench: Bench, line: Line) -> None:
    apply_event(bench.ports, of_waba("history", "h1"), body=Body("x" * (INLINE + 1)))
    line.hand(bench.relay.sent[-1])
    _, envelope, _ = bench.outlets.handed[0]
    place = envelope["body_at"]
    assert isinstance(place, dict)
    assert place["url"] == f"https://bodies.example.com/{place['key']}?for=3600"
    assert place["url_expires_at"] > "2026"
    assert "url" not in bench.relay.sent[-1]


def test_log_lines_name_target_and_event_and_nothing_of_its_contents(bench: Bench, line: Line) -> None:
    apply_event(bench.ports, of_waba("history", "h1", history=[CHAT]))
    bench.outlets.troubles["bus"] = [NotTaken("refused", 410, final=True)]
    line.hand(bench.relay.sent[-1])
    lines = json.dumps(bench.telemetry.lines, default=str)
    assert "h1" in lines
    assert CHAT not in lines
