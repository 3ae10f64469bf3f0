"""What operators ask for signups, numbers, attempts, events and dead letters, on ports in memory."""

import base64
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

import operator_desk
from onramp.adapters.memory import MemoryLetters
from onramp.domain import number as life
from onramp.domain.facts import FactType
from onramp.domain.ledger import EventRecord, Outcome
from onramp.domain.number import ChannelKey, Number, WabaOf
from onramp.domain.partner_events import read_event
from onramp.domain.records import Lease
from onramp.domain.signup import Client, Signup, Waba
from onramp.domain.states import Progress, Step
from onramp.usecases import letters
from tests.canary import assert_silent
from tests.unit.handlers.test_workers import Bench, context

PHONE = "106540352242922"
EMAIL = "owner@bakery.example.com"
DIGITS = "15550100123"
CHANNEL = "smplA1CH"
WABA = "102290129340398"
QUEUES = {"jobs": True, "events": True, "relay": True, "schedules": False, "stream": False}


class DeskBench(Bench):
    """The ports of the desk, and its handler in front of them."""

    def __init__(self) -> None:
        super().__init__()
        self.runtime.request_id = "aws-request-1"
        self.letters = MemoryLetters(self.clock, QUEUES)
        self.ports = replace(self.ports, letters=self.letters)

    def ask(self, command: str, **arguments: Any) -> dict[str, Any]:
        """The result of a command."""
        answer = operator_desk.handler({"command": command, "arguments": arguments}, context())
        assert "result" in answer, answer
        result: dict[str, Any] = answer["result"]
        json.dumps(result)
        return result

    def refused(self, command: str, **arguments: Any) -> dict[str, Any]:
        """Why a command is not done."""
        answer = operator_desk.handler({"command": command, "arguments": arguments}, context())
        problem: dict[str, Any] = answer["problem"]
        return problem

    def all(self, command: str, **arguments: Any) -> list[dict[str, Any]]:
        """The items of all pages."""
        found: list[dict[str, Any]] = []
        cursor = None
        while True:
            page = self.ask(command, **arguments, **({"cursor": cursor} if cursor else {}))
            found += page["items"]
            cursor = page["cursor"]
            if cursor is None:
                return found

    def signup(self, index: int = 0, **more: Any) -> Signup:
        """An opened signup."""
        signup = Signup.open(
            signup_id=f"{index:032x}",
            tenant=more.pop("tenant", "tenant-1"),
            client=Client(name="Bakery", email=more.pop("email", EMAIL)),
            plan_tier="regular",
            reference=more.pop("reference", f"order-{index}"),
            now=self.clock.now(),
        )
        for name, value in more.items():
            setattr(signup, name, value)
        self.store.commit(signup)
        self.clock.advance(timedelta(hours=1))
        return signup

    def number(self, signup: Signup | None = None, **more: Any) -> Number:
        """A number of a signup."""
        signup = signup or self.signup(waba=Waba(id=WABA, proof="granted_ids"))
        number = Number(
            phone_number_id=PHONE,
            tenant=signup.tenant,
            signup_id=signup.id,
            waba=WabaOf(id=WABA),
            digits=DIGITS,
            display_phone_number=f"+{DIGITS}",
            created_at=self.clock.now(),
            **more,
        )
        signup.gain(PHONE, number.standing, self.clock.now())
        self.store.commit(signup, number)
        return number

    def event(self, event_id: str, channel: str | None = CHANNEL, **more: Any) -> EventRecord:
        """A stored event."""
        data = {"id": channel, "waba_account": {"external_id": WABA}, "setup_info": {"phone_number": DIGITS}}
        envelope = {"id": event_id, "event": more.pop("name", "channel_live"), "data": data}
        record = EventRecord.of(read_event(envelope), self.clock.now())
        for name, value in more.items():
            setattr(record, name, value)
        self.store.commit(record)
        self.clock.advance(timedelta(minutes=1))
        return record


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> DeskBench:
    bench = DeskBench()
    monkeypatch.setattr(operator_desk, "function", lambda: (bench.runtime, bench.ports))
    return bench


def ids(items: list[dict[str, Any]]) -> list[int]:
    return [int(item["id"], 16) for item in items]


# --- signups -----------------------------------------------------------------------------------------


def test_signups_that_never_came_further_than_the_popup_are_listed_of_all_tenants(desk: DeskBench) -> None:
    for index in range(5):
        desk.signup(index, tenant=f"tenant-{index % 2}")
    assert ids(desk.all("signups.list", limit=2)) == [4, 3, 2, 1, 0]
    assert ids(desk.all("signups.list", limit=2, tenant="tenant-1")) == [3, 1]
    since = (desk.clock.now() - timedelta(hours=2)).isoformat()
    assert ids(desk.all("signups.list", since=since, tenant="tenant-1")) == [3]
    desk.clock.advance(timedelta(days=2))
    assert desk.all("signups.list", status="open") == []
    assert len(desk.all("signups.list", status="expired")) == 5


def test_signups_are_found_by_email_reference_and_digits(desk: DeskBench) -> None:
    desk.signup(1, email="someone@else.example.com")
    desk.signup(2)
    desk.number(desk.signup(3, email="third@else.example.com", waba=Waba(id=WABA, proof="granted_ids")))
    assert ids(desk.all("signups.find", email="Owner@Bakery.example.com")) == [2]
    assert ids(desk.all("signups.find", reference="order-1", limit=1)) == [1]
    assert ids(desk.all("signups.find", digits="+1 555 010-0123")) == [3]
    assert desk.all("signups.find", digits="+49 151 000") == []
    assert desk.refused("signups.find")["code"] == "invalid_request"
    assert_silent(f"{desk.telemetry.lines}")


def test_a_signup_is_shown_with_all_that_happened(desk: DeskBench) -> None:
    signup = desk.signup(1)
    signup.tell(FactType.SIGNUP_OUTCOME, desk.clock.now(), outcome="cancelled", step="PHONE")
    desk.store.commit(signup)
    shown = desk.ask("signups.show", signup_id=signup.id)
    assert (shown["signup"]["tenant"], shown["signup"]["client"]["email"]) == ("tenant-1", EMAIL)
    assert [fact["type"] for fact in shown["timeline"]] == ["signup.opened", "signup.outcome"]
    assert shown["timeline"][1]["detail"] == {"outcome": "cancelled", "step": "PHONE"}
    assert shown["come_back_in"] is None
    assert desk.refused("signups.show", signup_id="f" * 32)["code"] == "not_found"


def test_a_signups_failed_numbers_are_retried_in_its_tenants_name(desk: DeskBench) -> None:
    number = desk.number()
    assert desk.refused("signups.retry", signup_id=number.signup_id)["code"] == "nothing_to_retry"
    failed(desk, number)
    shown = desk.ask("signups.retry", signup_id=number.signup_id)["signup"]
    assert shown["status"] == "onboarding"
    assert desk.queue.numbers == [PHONE]


def failed(desk: DeskBench, number: Number) -> None:
    signup = desk.store.read(Signup, number.signup_id)
    assert signup is not None
    before = number.standing
    life.fail(number, "partner_unavailable", Step.SUBMIT, desk.clock.now())
    signup.count(before, number.standing, desk.clock.now())
    desk.store.commit(number, signup)


def test_a_span_has_an_end_and_a_cursor_is_one_of_ours(desk: DeskBench) -> None:
    since = (desk.clock.now() - timedelta(days=900)).isoformat()
    assert desk.refused("signups.list", since=since)["errors"][0]["field"] == "since"
    assert desk.refused("signups.list", cursor="!")["errors"][0]["field"] == "cursor"
    assert desk.refused("signups.list", since="2026-11-23T00:00:00")["errors"][0]["field"] == "since"
    assert desk.refused("signups.list", limit=101)["errors"][0]["field"] == "limit"


# --- numbers -----------------------------------------------------------------------------------------


def test_numbers_are_listed_by_all_that_names_them(desk: DeskBench) -> None:
    desk.number(channel_id=CHANNEL)
    for given in (
        {},
        {"tenant": "tenant-1"},
        {"digits": f"+{DIGITS}"},
        {"waba_id": WABA},
        {"channel_id": CHANNEL},
        {"status": "pending", "since": "2031-05-01T00:00:00Z"},
    ):
        assert [number["phone_number_id"] for number in desk.all("numbers.list", **given)] == [PHONE], given
    for given in (
        {"tenant": "tenant-2"},
        {"digits": "4915100"},
        {"channel_id": "other"},
        {"status": "failed"},
    ):
        assert desk.all("numbers.list", **given) == [], given


def test_wishes_of_an_operators_are_those_of_the_tenant(desk: DeskBench) -> None:
    key = ChannelKey(secret="s", address="https://a", made_at=desk.clock.now(), checked_at=desk.clock.now())
    number = desk.number(channel_id=CHANNEL, progress=Progress.CONNECTED, key=key)
    assert desk.refused("numbers.reactivate", phone_number_id=PHONE)["code"] == "nothing_to_reactivate"
    assert desk.refused("numbers.retry", phone_number_id=PHONE)["code"] == "nothing_to_retry"
    assert desk.ask("numbers.check", phone_number_id=PHONE)["number"]["phone_number_id"] == PHONE
    assert desk.ask("numbers.cancel", phone_number_id=PHONE)["number"]["wish"]["action"] == "cancel"
    asked = [(fields["command"], message) for _, message, fields in desk.telemetry.lines]
    assert ("numbers.cancel", "an operator asks for a change") in asked
    facts = desk.store.facts_of(number.signup_id, 9)
    assert "number.wish" in {fact.type for fact in facts}


def test_a_number_that_may_live_is_released_by_force_alone(desk: DeskBench) -> None:
    desk.number(channel_id=CHANNEL, progress=Progress.CONNECTED, second_channel="otherCH")
    assert desk.refused("numbers.release", phone_number_id=PHONE)["code"] == "number_alive"
    released = desk.ask("numbers.release", phone_number_id=PHONE, force=True)
    assert (released["number"]["status"], released["changed"]) == ("cancelled", True)
    number = desk.store.read(Number, PHONE)
    assert number is not None
    assert life.is_free(number)
    assert (number.channel_id, number.key, number.due_at) == (None, None, None)
    assert set(number.ended_channels) == {CHANNEL, "otherCH"}
    [told] = [fact for fact in desk.store.facts_of(number.signup_id, 9) if fact.type == "number.given_up"]
    assert told.channel_id == CHANNEL
    signup = desk.store.read(Signup, number.signup_id)
    assert signup is not None
    assert signup.counts == {"cancelled": 1}
    again = desk.ask("numbers.release", phone_number_id=PHONE)
    assert again["changed"] is False


def test_a_number_that_failed_at_the_end_is_released_without_force(desk: DeskBench) -> None:
    number = desk.number(progress=Progress.SUBMITTED)
    failed(desk, number)
    assert desk.ask("numbers.release", phone_number_id=PHONE)["changed"] is True


def test_a_number_that_a_run_has_is_not_released(desk: DeskBench) -> None:
    lease = Lease(owner="run", until=desk.clock.now() + timedelta(hours=2))
    desk.number(lease=lease)
    problem = desk.refused("numbers.release", phone_number_id=PHONE, force=True)
    assert (problem["code"], problem["retryable"]) == ("unavailable", True)


def test_an_event_of_a_released_channel_changes_nothing(desk: DeskBench) -> None:
    desk.number(channel_id=CHANNEL, progress=Progress.CONNECTED)
    desk.ask("numbers.release", phone_number_id=PHONE, force=True)
    number = desk.store.read(Number, PHONE)
    assert number is not None
    before = number.model_copy(deep=True)
    event = read_event({"id": "e1", "event": "channel_live", "data": {"id": CHANNEL, "external_id": PHONE}})
    life.hear(number, event, desk.clock.now(), timedelta(hours=1))
    assert (number.cancelled_at, number.channel_id) == (before.cancelled_at, None)


# --- attempts ----------------------------------------------------------------------------------------


def test_attempts_in_vain_are_listed_with_what_they_tell(desk: DeskBench) -> None:
    for index, detail in enumerate(({"outcome": "cancelled", "step": "PHONE"}, {"code": "code_expired"})):
        signup = desk.signup(index)
        fact = FactType.SIGNUP_OUTCOME if "outcome" in detail else FactType.SIGNUP_EXCHANGE_FAILED
        signup.tell(fact, desk.clock.now(), **detail)
        desk.store.commit(signup)
    found = desk.all("attempts.list", limit=1)
    assert [(one["outcome"], one["step"], one["error_code"]) for one in found] == [
        ("exchange_failed", None, "code_expired"),
        ("cancelled", "PHONE", None),
    ]
    assert found[0]["signup_id"] == f"{1:032x}"


# --- events ------------------------------------------------------------------------------------------


def test_events_are_listed_by_time_channel_number_outcome_and_name(desk: DeskBench) -> None:
    desk.number(channel_id=CHANNEL, ended_channels=["olderCH"])
    desk.event("e1", outcome=Outcome.APPLIED)
    desk.event("e2", "olderCH", outcome=Outcome.GIVEN_UP, reason="internal_error")
    desk.event("e3", "foreignCH", name="channel_created")
    desk.event("e4", None, outcome=Outcome.APPLIED, phone_number_id=PHONE)

    def named(**given: Any) -> list[str]:
        return [event["id"] for event in desk.all("events.list", limit=2, **given)]

    assert named() == ["e4", "e3", "e2", "e1"]
    assert named(channel_id=CHANNEL) == ["e1"]
    assert named(phone_number_id=PHONE) == ["e4", "e2", "e1"]
    assert named(outcome="given_up") == ["e2"]
    assert named(name="channel_c*") == ["e3"]
    assert named(since=(desk.clock.now() - timedelta(minutes=2)).isoformat()) == ["e4", "e3"]


def test_an_event_is_shown_without_what_nobody_uses(desk: DeskBench) -> None:
    record = desk.event("e1")
    content = json.loads(record.raw)
    content["data"]["contacts"] = ["a private person"]
    record.raw = json.dumps(content)
    desk.store.commit(record)
    shown = desk.ask("events.show", event_id="e1")
    assert (shown["event"]["channel_id"], shown["says"]["event"]) == (CHANNEL, "channel_live")
    assert "a private person" not in json.dumps(shown)


def test_a_replayed_event_goes_through_the_queue_with_its_own_id(desk: DeskBench) -> None:
    desk.event("e1", outcome=Outcome.APPLIED)
    desk.event("e2", outcome=Outcome.UNRESOLVED)
    assert desk.ask("events.replay", event_id="e1")["may_act"] is False
    assert desk.ask("events.replay", event_id="e2")["may_act"] is True
    assert [json.loads(body)["id"] for body in desk.queue.replayed] == ["e1", "e2"]
    assert desk.refused("events.replay", event_id="e3")["code"] == "not_found"


def test_what_was_given_up_is_replayed_only_when_that_is_said(desk: DeskBench) -> None:
    desk.event("e1", outcome=Outcome.GIVEN_UP, reason="internal_error")
    problem = desk.refused("events.replay", event_id="e1")
    assert (problem["code"], "internal_error" in problem["detail"]) == ("event_given_up", True)
    assert desk.queue.replayed == []
    assert desk.ask("events.replay", event_id="e1", again=True)["queued"] is True


# --- dead letters ------------------------------------------------------------------------------------

WEBHOOK = json.dumps(
    {"id": "e1", "event": "channel_live", "data": {"id": CHANNEL, "setup_info": {"phone_number": DIGITS}}}
)


def test_dead_letters_are_shown_without_what_they_hold_of_persons(desk: DeskBench) -> None:
    desk.letters.put("events", WEBHOOK, reason="internal_error", encoding="utf-8")
    encoded = base64.b64encode(WEBHOOK.encode()).decode()
    desk.letters.put("events", encoded, reason="unreadable_record", encoding="base64")
    desk.letters.put("events", f"not json {EMAIL}", reason="unreadable", encoding="utf-8")
    desk.letters.put("jobs", json.dumps({"phone_number_id": PHONE, "retry": True, "reason": "x"}), reason="x")
    handed = {"id": "e1", "event": "history", "resolution": {"phone_number_id": PHONE}, "body": EMAIL}
    desk.letters.put("relay", json.dumps({"target": "own", "envelope": handed}), reason="refused")
    desk.letters.put("relay", EMAIL, reason="unreadable")
    desk.letters.put(
        "schedules", json.dumps({"requestPayload": {"task": "census"}, "responsePayload": EMAIL})
    )
    desk.letters.put("stream", json.dumps({"DDBStreamBatchInfo": {"shardId": "s", "batchSize": 1}}))
    told = [desk.ask("dead-letters.list", queue=queue) for queue in QUEUES]
    for secret in (DIGITS, EMAIL):
        assert secret not in json.dumps(told)
    jobs, events, relay, schedules, stream = (page["items"] for page in told)
    assert jobs[0]["body"] == {"phone_number_id": PHONE, "retry": True, "reason": "x"}
    assert [letter["body"].get("events") for letter in events][:2] == [
        [{"id": "e1", "name": "channel_live", "channel_id": CHANNEL, "waba_id": None}]
    ] * 2
    assert events[2]["body"]["unreadable"] is True
    assert relay[0]["body"] == {"target": "own", "id": "e1", "name": "history", "phone_number_id": PHONE}
    assert relay[1]["body"] == {"unreadable": True}
    assert schedules[0]["body"] == {"task": "census"}
    assert stream[0]["body"] == {"shardId": "s", "batchSize": 1}
    assert told[1]["reasons"] == {"internal_error": 1, "unreadable_record": 1, "unreadable": 1}
    queues = desk.all("dead-letters.queues")
    assert {queue["queue"]: queue["count"] for queue in queues} == {
        "jobs": 1,
        "events": 3,
        "relay": 2,
        "schedules": 1,
        "stream": 1,
    }
    one = desk.ask("dead-letters.show", queue="jobs", letter_id=jobs[0]["id"])
    assert one["letter"]["body"]["phone_number_id"] == PHONE
    assert desk.refused("dead-letters.show", queue="jobs", letter_id="none")["code"] == "not_found"
    assert desk.refused("dead-letters.list", queue="nonsense")["errors"][0]["field"] == "queue"


def moved(desk: DeskBench, command: str = "dead-letters.redrive", **given: Any) -> int:
    """How many letters all pages have moved."""
    total = 0
    cursor: str | None = None
    while True:
        page = desk.ask(command, **given, **({"cursor": cursor} if cursor else {}))
        total += int(page["moved"])
        cursor = page["cursor"]
        if cursor is None:
            return total


def test_letters_are_sent_back_page_by_page_and_each_once(desk: DeskBench) -> None:
    for index in range(25):
        desk.letters.put("jobs", json.dumps({"phone_number_id": str(index)}), reason="ab"[index % 2])
    desk.clock.advance(timedelta(minutes=5))
    assert moved(desk, queue="jobs", reason="a", limit=4) == 13
    assert len(desk.letters.letters["jobs"]) == 12
    assert moved(desk, queue="jobs", limit=5) == 12
    assert len({body for body, _ in desk.letters.back["jobs"]}) == len(desk.letters.back["jobs"]) == 25
    assert desk.letters.back["jobs"][0][1] == {"reason": "a"}


def test_no_letter_is_lost_when_a_redrive_dies_half_way(desk: DeskBench) -> None:
    desk.letters.put("events", WEBHOOK, reason="internal_error", encoding="utf-8")
    desk.letters.lose = 1
    assert desk.refused("dead-letters.redrive", queue="events")["code"] == "unavailable"
    # It was sent, and is still there: it goes twice, and the event acts once.
    assert len(desk.letters.letters["events"]) == 1
    assert moved(desk, queue="events") == 1
    assert desk.letters.back["events"] == [(WEBHOOK, {"reason": "internal_error", "encoding": "utf-8"})] * 2


def test_what_is_buried_again_meanwhile_waits_for_the_next_redrive(desk: DeskBench) -> None:
    desk.letters.put("events", WEBHOOK, reason="unreadable")
    desk.clock.advance(timedelta(seconds=1))
    page = desk.ask("dead-letters.redrive", queue="events", limit=1)
    desk.clock.advance(timedelta(seconds=1))
    desk.letters.put("events", WEBHOOK, reason="unreadable")
    assert page["moved"] == 1
    again = desk.ask("dead-letters.redrive", queue="events", limit=1, cursor=page["cursor"])
    assert (again["moved"], again["cursor"]) == (0, None)
    assert len(desk.letters.letters["events"]) == 1


def test_what_is_looked_at_can_be_seen_again_at_once(desk: DeskBench) -> None:
    for _ in range(15):
        desk.letters.put("jobs", "{}", reason="x")
    for _ in range(3):
        assert len(desk.ask("dead-letters.list", queue="jobs")["items"]) == 15
    assert len(desk.ask("dead-letters.list", queue="jobs", limit=3)["items"]) == 3
    assert len(desk.letters.receive("jobs", letters.HIDDEN)) == 10


def test_letters_without_a_way_back_say_what_helps(desk: DeskBench) -> None:
    desk.letters.put("stream", "{}")
    problem = desk.refused("dead-letters.redrive", queue="stream")
    assert "onramp facts republish" in problem["detail"]
    assert moved(desk, "dead-letters.purge", queue="stream") == 1
