import dataclasses
import hashlib
import itertools
import json
import random
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from local.options import RunOptions
from local.soak import ACCELERATED, accelerated, request_faults, webhook_faults
from local.soak_checks import (
    DeadLetter,
    Evidence,
    KeyProbe,
    check_all,
    exhausted,
    open_numbers,
    percentile,
    seconds_to_connected,
    unquiet,
)
from local.soak_customers import Browser, Customer, Visit, customers, wants_repeat
from local.soak_records import Records, outcome_of, record_of

WEBHOOK = "https://messages.example.com/soak"
type Change = Callable[[dict[str, Any]], None]


# --- who comes, and what goes wrong ----------------------------------------------------------------


def test_the_mix_holds_every_kind_and_the_seed_gives_the_order() -> None:
    made = customers(20, random.Random(1))
    assert set(Counter(one.kind for one in made)) == {
        "plain",
        "shared client",
        "two numbers",
        "code alone",
        "scopes only",
        "several accounts",
        "not shared",
    }
    assert made == customers(20, random.Random(1))
    assert made != customers(20, random.Random(2))


def test_shared_clients_share_a_tenant_and_a_mailbox_however_it_is_written() -> None:
    shared = [one for one in customers(20, random.Random(1)) if one.kind == "shared client"]
    assert len({one.tenant for one in shared}) == 1
    assert len({one.email for one in shared}) == 2
    assert len({one.email.casefold() for one in shared}) == 1


def test_others_have_a_tenant_and_a_mailbox_of_their_own() -> None:
    others = [one for one in customers(200, random.Random(1)) if one.kind != "shared client"]
    assert len({one.tenant for one in others}) == len({one.email for one in others}) == len(others) == 160


@pytest.mark.parametrize("rate", [0.05, 0.2, 0.9])
def test_faults_drawn_one_after_the_other_add_up_to_the_rate(rate: float) -> None:
    missed = 1.0
    for fault in request_faults(rate):
        missed *= 1 - fault["probability"]
    assert 1 - missed == pytest.approx(rate)


def test_timeouts_are_few_and_each_kind_of_fault_is_there() -> None:
    drawn = request_faults(0.2)
    assert {fault["kind"] for fault in drawn} == {
        "error_before",
        "error_after",
        "html",
        "cut_body",
        "invalid_json",
        "timeout_after",
    }
    assert {fault.get("status") for fault in drawn} == {None, 429}
    [timeout] = [fault for fault in drawn if fault["kind"] == "timeout_after"]
    assert timeout["probability"] < 0.01


def test_webhooks_meet_each_mishap_at_the_rate() -> None:
    faults = webhook_faults(0.3)
    assert {faults[name] for name in ("drop", "duplicate", "reorder", "delay")} == {0.3}


def test_time_is_compressed_where_nothing_else_was_asked_for() -> None:
    options = accelerated(RunOptions(budget_calls=5, budget_window_seconds=30))
    assert (options.budget_calls, options.budget_window_seconds) == (5, 30)
    assert options.retry_schedule == ACCELERATED["retry_schedule"]
    assert options.queue_concurrency == ACCELERATED["queue_concurrency"]
    assert options.messaging_webhook_url == WEBHOOK


# --- the browser -----------------------------------------------------------------------------------


class Stack:
    """As much of a local run as a browser needs."""

    api_url = "http://api"

    def __init__(self) -> None:
        self.codes = itertools.count(1)
        self.upstreams = self
        self.meta_admin = "http://meta"
        self.http = httpx.Client(transport=httpx.MockTransport(lambda _: self._popup()))

    def token(self, tenant: str) -> str:
        return f"token of {tenant}"

    def meta_signup(self, **_: object) -> dict[str, Any]:
        popup: dict[str, Any] = self._popup().json()
        return popup

    def _popup(self) -> httpx.Response:
        body = {
            "code": f"code-{next(self.codes)}",
            "business_id": "9",
            "session_info": {"data": {}},
            "wabas": [{"id": "77", "numbers": [{"id": "1"}]}],
        }
        return httpx.Response(201, json=body)


def visited(
    customer: Customer, answers: Iterator[httpx.Response], *, over: bool = False
) -> tuple[Visit, list[httpx.Request]]:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return next(answers)

    visit = Visit(customer=customer)
    stack: Any = Stack()
    with httpx.Client(transport=httpx.MockTransport(answer)) as http:
        Browser(stack, http=http, over=lambda: over, sleep=lambda _: None).visit(visit)
    return visit, seen


def problem(status: int, code: str, *, retryable: bool = False) -> httpx.Response:
    return httpx.Response(status, json={"code": code, "retryable": retryable})


def ok(status: int = 200) -> httpx.Response:
    return httpx.Response(status, json={"id": "s1"})


PLAIN = Customer(kind="plain", tenant="t", email="a@example.com")


def test_a_smooth_visit() -> None:
    visit, seen = visited(PLAIN, iter([ok(201), ok(), ok(202), ok(), ok()]))
    assert (visit.signup_id, visit.codes, visit.repeats, visit.gave_up, visit.done) == ("s1", 1, 0, "", True)
    assert [request.method for request in seen] == ["POST", "POST", "POST", "GET", "GET"]


def test_a_call_that_is_not_answered_is_sent_again_under_the_same_key() -> None:
    answers = iter([problem(503, "unavailable", retryable=True), ok(201), ok(), ok(202), ok(), ok()])
    visit, seen = visited(PLAIN, answers)
    assert visit.repeats == 1
    assert seen[0].headers["idempotency-key"] == seen[1].headers["idempotency-key"]


def test_a_lost_code_sends_the_customer_through_the_popup_again() -> None:
    answers = iter(
        [
            ok(201),
            problem(502, "meta_unavailable", retryable=True),
            problem(410, "code_already_used"),
            ok(),
            ok(202),
            ok(),
            ok(),
        ]
    )
    visit, seen = visited(PLAIN, answers)
    assert (visit.codes, visit.repeats, visit.gave_up) == (2, 1, "")
    assert b"code-1" in seen[1].content
    assert b"code-1" in seen[2].content
    assert b"code-2" in seen[3].content


def test_a_customer_with_several_accounts_says_which_is_meant() -> None:
    several = dataclasses.replace(PLAIN, tells=False, decoys=2)
    answers = iter([ok(201), problem(409, "waba_ambiguous"), ok(), ok(202), ok(), ok()])
    visit, seen = visited(several, answers)
    assert visit.gave_up == ""
    assert b"session_info" not in seen[1].content
    assert b'"waba_id":"77"' in seen[2].content.replace(b" ", b"")


def test_what_cannot_be_mended_is_told() -> None:
    visit, _ = visited(PLAIN, iter([ok(201), problem(403, "waba_not_granted")]))
    assert "waba_not_granted" in visit.gave_up
    assert visit.done


def test_patience_ends() -> None:
    visit, _ = visited(PLAIN, itertools.repeat(problem(503, "unavailable", retryable=True)), over=True)
    assert "no patience left after 503 unavailable" in visit.gave_up


@pytest.mark.parametrize(
    ("answer", "again"),
    [
        (ok(), False),
        (httpx.Response(304), False),
        (problem(409, "exchange_in_progress", retryable=True), True),
        (problem(502, "meta_configuration"), False),
        (httpx.Response(502, text="<h1>502</h1>"), True),
        (httpx.Response(429, json={"message": "Too Many Requests"}), True),
        (httpx.Response(404, json={"message": "Not Found"}), False),
    ],
)
def test_the_same_again_only_where_it_helps(answer: httpx.Response, *, again: bool) -> None:
    assert wants_repeat(answer) is again


# --- the checks ------------------------------------------------------------------------------------


def stored_number(**changes: object) -> dict[str, Any]:
    quiet: dict[str, Any] = {"phone_number_id": "1", "signup_id": "s1", "progress": "connected"}
    return quiet | {"failure": None, "lease": None, "intent": None, "due_at": None} | changes


def fact(number: str, kind: str, **detail: str) -> dict[str, Any]:
    return {"id": f"f{number}", "type": kind, "phone_number_id": "1", "bus": True, "detail": detail}


def world() -> dict[str, Any]:
    """One signup that ended well, in the shape of everything that is collected."""
    return {
        "number": {
            "phone_number_id": "1",
            "status": "connected",
            "channel_id": "c1CH",
            "failure": None,
            "steps": [{"status": "connected", "at": "2026-01-01T00:00:30+00:00"}],
        },
        "record": stored_number(),
        "events": {"e1": "applied"},
        "facts": [fact("1", "number.connected")],
        "heard": ["f1", "f1"],
        "due": [],
        "key": "secret-key",
        "probe": {"used": 200, "webhook": WEBHOOK},
        "dialog": {
            "clients": [{"email": "a@example.com"}],
            "channels": [
                {
                    "id": "c1CH",
                    "waba_external_id": "77",
                    "phone_number": "1201",
                    "keys_made": 1,
                    "live_key_sha256": hashlib.sha256(b"secret-key").hexdigest(),
                }
            ],
            "submissions": [{}],
            "duplicate_submissions": 0,
            "requests": [],
            "budget": {"max_in_any_window": 10, "calls": 10, "window_seconds": 2.0, "requests": 4},
        },
        "letters": [],
        "waiting": {"jobs": 0, "events": 0},
        "retried": frozenset(),
        "customer": PLAIN,
        "visit": {"done": True},
    }


def evidence(change: Change = lambda _: None) -> Evidence:
    made = world()
    change(made)
    visit = Visit(customer=made["customer"], signup_id="s1", phone_number_ids=["1"], **made["visit"])
    timeline = [{"at": "2026-01-01T00:00:00+00:00", "event": "signup.authorized"}]
    return Evidence(
        visits=[visit],
        views={"s1": {"numbers": [made["number"]], "timeline": timeline}},
        records=Records(
            numbers={"1": made["record"]}, events=made["events"], facts=made["facts"], due=made["due"]
        ),
        heard=made["heard"],
        dialog=made["dialog"],
        keys={"c1CH": KeyProbe(status=200, secret=made["key"], **made["probe"])},
        webhook_url=WEBHOOK,
        dead_letters=made["letters"],
        waiting=made["waiting"],
        retried=made["retried"],
    )


def broken(change: Change) -> list[str]:
    return [check.name for check in check_all(evidence(change)) if not check.holds]


def test_nothing_speaks_against_a_good_end() -> None:
    assert broken(lambda _: None) == []
    assert seconds_to_connected(evidence()) == [30.0]


def refused(made: dict[str, Any]) -> None:
    made["customer"] = dataclasses.replace(PLAIN, shared=False)
    made["number"] |= {"status": "failed", "failure": {"code": "submission_rejected"}}
    made["dialog"]["requests"] = [{"path": "/api/v2/partners/p/account_sharing/numbers", "status": 403}]


def test_a_refusal_counts_when_the_simulator_really_gave_it() -> None:
    assert broken(refused) == []

    def invented(made: dict[str, Any]) -> None:
        refused(made)
        made["dialog"]["requests"] = []

    assert broken(invented) == ["every number connected or refused for good"]


def fail_for_good(made: dict[str, Any]) -> None:
    made["number"] |= {"status": "failed", "failure": {"code": "partner_unavailable"}}


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (lambda made: made["visit"].update(gave_up="x"), "every browser got to the end"),
        (lambda made: made["visit"].update(done=False), "every browser got to the end"),
        (lambda made: made["number"].update(status="live"), "every number connected or refused for good"),
        (fail_for_good, "every number connected or refused for good"),
        (
            lambda made: made["dialog"]["clients"].append({"email": "A@example.com"}),
            "one client for each email",
        ),
        (lambda made: made["dialog"].update(duplicate_submissions=1), "no number submitted twice"),
        (
            lambda made: made["dialog"]["channels"].append(made["dialog"]["channels"][0] | {"id": "c2CH"}),
            "no number submitted twice",
        ),
        (lambda made: made.update(key="older"), "every stored key lives, with its webhook"),
        (lambda made: made.update(key=""), "every stored key lives, with its webhook"),
        (lambda made: made["probe"].update(used=401), "every stored key lives, with its webhook"),
        (lambda made: made["probe"].update(webhook=""), "every stored key lives, with its webhook"),
        (lambda made: made["dialog"]["budget"].update(max_in_any_window=11), "the partner budget held"),
        (lambda made: made["heard"].clear(), "every fact reached the bus"),
        (lambda made: made["heard"].append("f9"), "every fact reached the bus"),
        (lambda made: made["waiting"].update(jobs=1), "nothing open, due, leased or queued"),
        (lambda made: made["due"].append("1"), "nothing open, due, leased or queued"),
        (lambda made: made["events"].update(e2="(unresolved)"), "nothing open, due, leased or queued"),
    ],
)
def test_each_check_sees_what_it_is_for(change: Change, name: str) -> None:
    assert name in broken(change)


def test_a_dead_job_needs_a_reason_a_fact_and_a_retry() -> None:
    letter = DeadLetter(queue="jobs", body={"phone_number_id": "1"}, reason="partner_unavailable")

    def buried(made: dict[str, Any]) -> None:
        made["letters"] = [letter]
        made["facts"] = [fact("1", "number.failed", code="partner_unavailable", step="submit")]
        made["retried"] = frozenset({"s1"})

    def without(name: str, value: object) -> Change:
        def change(made: dict[str, Any]) -> None:
            buried(made)
            made[name] = value

        return change

    name = "every dead letter is explained"
    assert broken(buried) == []
    assert broken(without("letters", [dataclasses.replace(letter, reason="")])) == [name]
    assert broken(without("letters", [dataclasses.replace(letter, body={"phone_number_id": "2"})])) == [name]
    assert broken(without("facts", [fact("1", "number.failed", code="number_rejected")])) == [name]
    assert broken(without("retried", frozenset())) == [name]


def test_a_dead_event_needs_an_outcome_that_tells_the_same() -> None:
    letter = DeadLetter(queue="events", body={"id": "e1"}, reason="partner_unavailable")

    def buried(made: dict[str, Any]) -> None:
        made["letters"] = [letter]
        made["events"] = {"e1": "given_up:partner_unavailable"}

    assert broken(buried) == []
    assert broken(lambda made: made.update(letters=[letter])) == ["every dead letter is explained"]


@pytest.mark.parametrize("name", ["lease", "intent", "due_at"])
def test_what_a_number_still_waits_for_is_named(name: str) -> None:
    left = unquiet(Records(numbers={"1": stored_number(**{"progress": "running", name: "x"})}, events={}))
    assert left == [f"number 1 of s1 has {name}"]


def test_the_daily_check_of_a_connected_number_is_no_open_work() -> None:
    assert unquiet(Records(numbers={"1": stored_number(due_at="x")}, events={})) == []


def test_a_fact_that_is_not_for_the_bus_need_not_be_heard() -> None:
    def quiet(made: dict[str, Any]) -> None:
        made["facts"].append(fact("2", "code.exchanged") | {"bus": False})

    assert broken(quiet) == []


def test_numbers_under_way_and_numbers_that_ran_out_of_tries_are_told_apart() -> None:
    numbers = {
        "busy": stored_number(progress="live", signup_id="s1"),
        "refused": stored_number(failure={"code": "submission_rejected"}, signup_id="s2"),
        "unlucky": stored_number(failure={"code": "partner_unavailable"}, signup_id="s3"),
    }
    records = Records(numbers=numbers, events={})
    assert [number["signup_id"] for number in open_numbers(records)] == ["s1"]
    assert [number["signup_id"] for number in exhausted(records)] == ["s3"]


def test_an_item_is_read_whether_it_is_compressed_or_not() -> None:
    record = {"phone_number_id": "1", "progress": "live"}
    raw = json.dumps(record)
    assert record_of({"data": {"S": raw}}) == record
    assert record_of({"data_zlib": {"B": zlib.compress(raw.encode())}}) == record


def test_an_event_that_may_still_act_is_in_brackets_and_a_reason_is_told() -> None:
    assert outcome_of({"outcome": "open", "reason": None}) == "(open)"
    assert outcome_of({"outcome": "unresolved", "reason": None}) == "(unresolved)"
    assert outcome_of({"outcome": "applied", "reason": None}) == "applied"
    assert outcome_of({"outcome": "given_up", "reason": "x"}) == "given_up:x"


def test_percentiles_by_the_nearest_rank() -> None:
    assert percentile([float(n) for n in range(1, 101)]) == 95.0
    assert percentile([7.0]) == 7.0
    assert percentile([]) == 0.0
