"""`onramp signups`, `numbers`, `attempts`, `events`, `dead-letters`, before a desk that is a table."""

import json
import time
from typing import Any

import pytest

from ops.desk import Refused
from tests.ops.conftest import AtDesk

type Json = dict[str, Any]

SIGNUP = "0" * 32
PHONE = "106540352242922"
BUDGET: Json = {"calls": 5, "window_seconds": 30.0, "spare_calls": 2, "pages": 1}


@pytest.fixture(autouse=True)
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Nobody waits in these tests."""
    waits: list[float] = []
    monkeypatch.setattr(time, "sleep", waits.append)
    return waits


@pytest.fixture
def operator(at_desk: AtDesk) -> AtDesk:
    at_desk.answers["budget.show"] = lambda _: BUDGET
    return at_desk


def signup(status: str = "open", **more: Any) -> Json:
    return {
        "id": SIGNUP,
        "status": status,
        "tenant": "acme",
        "reference": "order-1",
        "client": {"email": "owner@bakery.example.com", "name": "Bakery"},
        "numbers": [],
        "created_at": "2026-11-27T09:00:00Z",
        "updated_at": "2026-11-27T09:00:00Z",
        **more,
    }


def number(status: str = "failed", **more: Any) -> Json:
    return {
        "phone_number_id": PHONE,
        "display_phone_number": "+1 555",
        "status": status,
        "attention": None,
        "tenant": "acme",
        "channel_id": None,
        "signup_id": SIGNUP,
        "failure": None,
        "waits_for": None,
        "wish": None,
        **more,
    }


def shown(status: str, come_back_in: int | None = None, **more: Any) -> Json:
    return {"number": number(status, **more), "timeline": [], "come_back_in": come_back_in}


def event(name: str, at: str, outcome: str = "applied") -> Json:
    told = {"id": name, "name": "channel_live", "outcome": outcome, "received_at": at, "reason": None}
    return told | {"channel_id": "aCH", "waba_id": None, "phone_number_id": PHONE}


# --- signups and numbers -----------------------------------------------------------------------------


def test_signups_are_listed_page_by_page(operator: AtDesk) -> None:
    operator.answers["signups.list"] = [
        {"items": [signup()], "cursor": "c1"},
        {"items": [], "cursor": "c2"},
        {"items": [signup("expired")], "cursor": None},
    ]
    assert operator.run("signups", "list", "--tenant", "acme", "--since", "2026-11-26", "--json") == 0
    assert [item["status"] for item in operator.result()["items"]] == ["open", "expired"]
    assert operator.asked[0] == ("signups.list", {"tenant": "acme", "since": "2026-11-26T00:00:00+00:00"})
    assert [arguments.get("cursor") for _, arguments in operator.asked] == [None, "c1", "c2"]


def test_no_more_is_asked_for_than_is_wanted(operator: AtDesk) -> None:
    operator.answers["signups.list"] = [{"items": [signup(), signup()], "cursor": "c1"}]
    assert operator.run("signups", "list", "--limit", "1", "--json") == 0
    assert len(operator.result()["items"]) == 1


def test_an_empty_list_is_no_failure(operator: AtDesk) -> None:
    operator.answers["signups.find"] = {"items": [], "cursor": None}
    assert operator.run("signups", "find", "--email", "a@b.example") == 0
    assert operator.out == "no such signup\n"
    assert operator.asked == [("signups.find", {"email": "a@b.example"})]
    assert operator.run("signups", "find") == 2
    operator.answers["signups.list"] = {"items": [signup()], "cursor": None}
    assert operator.run("signups", "find", "--since", "24h") == 0
    assert SIGNUP in operator.out


def test_a_signup_is_shown_to_a_person_and_to_a_machine(operator: AtDesk) -> None:
    found = {
        "signup": signup(numbers=[number()]),
        "timeline": [{"at": "x", "type": "signup.opened", "phone_number_id": None, "detail": {}}],
    }
    operator.answers["signups.show"] = lambda _: found
    assert operator.run("signups", "show", SIGNUP) == 0
    assert "signup.opened" in operator.out
    assert operator.run("signups", "show", SIGNUP, "--json") == 0
    assert operator.result() == found


def test_what_is_not_there_ends_with_1(operator: AtDesk) -> None:
    operator.answers["signups.show"] = Refused({"code": "not_found", "detail": "There is no signup."})
    assert operator.run("signups", "show", SIGNUP) == 1
    assert operator.err == "onramp signups show: There is no signup.\n"


def test_a_watch_tells_changes_with_growing_pauses_and_ends_when_it_is_settled(
    operator: AtDesk, slept: list[float]
) -> None:
    states = ["open", "open", "open", "onboarding", "connected"]
    operator.answers["signups.show"] = [{"signup": signup(state)} for state in states]
    assert operator.run("signups", "watch", SIGNUP) == 0
    assert [line.split()[0] for line in operator.out.splitlines()] == ["open", "onboarding", "connected"]
    assert slept == [1.0, 1.5, 2.25, 1.0]


def test_a_watch_ends_with_1_when_it_ends_badly_or_not_at_all(operator: AtDesk, slept: list[float]) -> None:
    operator.answers["numbers.show"] = [
        shown("pending", 2),
        shown("failed", failure={"code": "key_rejected"}),
    ]
    assert operator.run("numbers", "watch", PHONE, "--json") == 1
    lines = [json.loads(line)["result"] for line in operator.out.splitlines()]
    assert [line["failure"] for line in lines] == [None, "key_rejected"]
    operator.answers["numbers.show"] = lambda _: shown("pending", 2)
    assert operator.run("numbers", "watch", PHONE, "--for", "30s") == 1
    assert "has not ended in 30s" in operator.err
    assert sum(slept) <= 31
    assert operator.run("numbers", "watch", PHONE, "--for", "soon") == 2


def test_a_number_whose_wish_is_open_is_not_settled(operator: AtDesk) -> None:
    operator.answers["numbers.show"] = [shown("connected", wish={"action": "cancel"}), shown("cancelled")]
    assert operator.run("numbers", "watch", PHONE) == 0
    assert [line.split()[0] for line in operator.out.splitlines()] == ["connected", "cancelled"]


@pytest.mark.parametrize("verb", ["retry", "check", "reactivate"])
def test_a_wish_says_before_what_it_costs(operator: AtDesk, verb: str) -> None:
    operator.answers[f"numbers.{verb}"] = {"number": number("connected")}
    assert operator.run("numbers", verb, PHONE) == 0
    assert operator.err.startswith("partner calls: ")
    assert "2 spare calls now" in operator.err
    assert operator.out == f"{PHONE} is connected\n"


def test_a_retry_of_a_signup_counts_its_failed_numbers(operator: AtDesk) -> None:
    operator.answers["signups.show"] = {"signup": signup(numbers=[number(), number(), number("connected")])}
    operator.answers["signups.retry"] = {"signup": signup("onboarding")}
    assert operator.run("signups", "retry", SIGNUP) == 0
    assert operator.err.startswith("partner calls: 10,")
    assert operator.out == f"{SIGNUP} is onboarding\n"


@pytest.mark.parametrize("verb", ["cancel", "release"])
def test_what_cannot_be_undone_is_asked_for_first(operator: AtDesk, verb: str) -> None:
    operator.answers[f"numbers.{verb}"] = {"number": number("cancelled"), "changed": True}
    assert operator.run("numbers", verb, PHONE) == 2
    assert operator.asked == []
    assert operator.run("numbers", verb, PHONE, "--yes") == 0
    operator.person = True
    assert operator.run("numbers", verb, PHONE, given="other\n") == 2
    assert operator.run("numbers", verb, PHONE, given="dev\n") == 0


def test_a_release_by_force_says_so(operator: AtDesk) -> None:
    operator.answers["numbers.release"] = {"number": number("cancelled"), "changed": False}
    assert operator.run("numbers", "release", PHONE, "--force", "--yes") == 0
    assert operator.asked == [("numbers.release", {"phone_number_id": PHONE, "force": True})]
    assert operator.out == f"{PHONE} was free already\n"


def test_numbers_are_listed_and_shown(operator: AtDesk) -> None:
    operator.answers["numbers.list"] = {"items": [number()], "cursor": None}
    assert operator.run("numbers", "list", "--digits", "+1 555", "--status", "failed") == 0
    assert operator.asked == [("numbers.list", {"digits": "+1 555", "status": "failed"})]
    assert PHONE in operator.out
    operator.answers["numbers.show"] = shown("connected")
    assert operator.run("numbers", "show", PHONE) == 0
    assert "connected" in operator.out


# --- attempts ----------------------------------------------------------------------------------------


def test_attempts_are_counted_over_all_pages(operator: AtDesk) -> None:
    def attempt(outcome: str, step: str | None) -> Json:
        own = {"at": "x", "signup_id": SIGNUP, "tenant": "acme", "reference": None, "session_id": None}
        return own | {"outcome": outcome, "step": step, "error_code": None}

    operator.answers["attempts.list"] = [
        {"items": [attempt("cancelled", "PHONE"), attempt("closed", None)], "cursor": "c"},
        {"items": [attempt("cancelled", "PHONE")], "cursor": None},
    ]
    assert operator.run("attempts", "list", "--limit", "1", "--json") == 0
    result = operator.result()
    assert (result["total"], len(result["items"])) == (3, 1)
    assert result["counts"][0] == {"outcome": "cancelled", "step": "PHONE", "error_code": None, "count": 2}
    operator.answers["attempts.list"] = {"items": [], "cursor": None}
    assert operator.run("attempts", "list") == 0
    assert operator.out == "no attempts in vain\n"


# --- events ------------------------------------------------------------------------------------------


def test_events_are_listed_by_all_that_names_them(operator: AtDesk) -> None:
    operator.answers["events.list"] = {"items": [event("e1", "2026-11-27T09:00:00Z")], "cursor": None}
    given = ("--channel", "aCH", "--number", PHONE, "--outcome", "applied", "--name", "channel_*")
    assert operator.run("events", "list", *given) == 0
    asked = {"channel_id": "aCH", "phone_number_id": PHONE, "outcome": "applied", "name": "channel_*"}
    assert operator.asked == [("events.list", asked)]
    assert "e1" in operator.out


def test_a_replay_says_whether_the_event_may_act(operator: AtDesk) -> None:
    operator.answers["events.replay"] = {"event": event("e1", "x"), "queued": True, "may_act": False}
    assert operator.run("events", "replay", "e1") == 0
    assert operator.out == "e1 is queued; it has acted already (applied)\n"
    assert operator.run("events", "replay", "e1", "--again") == 0
    assert operator.asked[-1] == ("events.replay", {"event_id": "e1", "again": True})
    operator.answers["events.replay"] = Refused({"code": "event_given_up", "detail": "It was given up (x)."})
    assert operator.run("events", "replay", "e1") == 1


def test_a_tail_tells_each_event_once_for_each_of_its_outcomes(operator: AtDesk) -> None:
    first, late = event("e1", "2026-11-27T09:00:00Z", "open"), event("e2", "2026-11-27T08:59:50Z")
    last = event("e1", "2026-11-27T09:00:00Z")
    pages = [[first], [first, late], [last, late], [last, late]]
    operator.answers["events.list"] = lambda _: {"items": pages.pop(0) if pages else [], "cursor": None}
    assert operator.run("events", "tail", "--since", "2026-11-27T08:00:00Z", "--for", "6s", "--json") == 0
    told = [json.loads(line)["result"] for line in operator.out.splitlines()]
    assert [(one["id"], one["outcome"]) for one in told] == [
        ("e1", "open"),
        ("e2", "applied"),
        ("e1", "applied"),
    ]
    # An index may lag: each look begins a little before the last event.
    assert operator.asked[1][1]["since"] == "2026-11-27T08:59:30+00:00"


def test_an_interrupted_tail_ends_with_130(operator: AtDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", interrupt)
    operator.answers["events.list"] = {"items": [], "cursor": None}
    assert operator.run("events", "tail") == 130


# --- dead letters ------------------------------------------------------------------------------------


def page(moved: int, cursor: str | None, reason: str = "a") -> Json:
    return {
        "items": [],
        "moved": moved,
        "reasons": {reason: moved} if moved else {},
        "whole": True,
        "cursor": cursor,
    }


def test_a_redrive_goes_page_by_page_and_not_faster_than_it_may(
    operator: AtDesk, slept: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "monotonic", lambda: 0.0)
    operator.answers["dead-letters.redrive"] = [page(5, "t"), page(5, "t", "b"), page(1, None)]
    assert operator.run("dead-letters", "redrive", "jobs", "--rate", "5", "--json") == 0
    assert operator.result() == {"moved": 11, "reasons": {"a": 6, "b": 5}, "whole": True}
    assert slept == [1.0, 1.0]
    assert [arguments.get("cursor") for _, arguments in operator.asked] == [None, "t", "t"]
    assert {arguments["limit"] for _, arguments in operator.asked} == {5}


def test_a_dry_run_is_refused_where_nothing_can_be_sent_back(operator: AtDesk) -> None:
    queues = [
        {"queue": "jobs", "count": 0, "returns": True},
        {"queue": "schedules", "count": 1, "returns": False},
    ]
    operator.answers["dead-letters.queues"] = {"items": queues, "cursor": None}
    assert operator.run("dead-letters", "redrive", "schedules", "--dry-run") == 2
    assert "cannot be sent back" in operator.err
    assert operator.out == ""


def test_a_dry_run_moves_nothing(operator: AtDesk) -> None:
    operator.answers["dead-letters.queues"] = {"items": [], "cursor": None}
    operator.answers["dead-letters.list"] = {
        "items": [{"id": "1"}, {"id": "2"}],
        "reasons": {"unreadable": 2},
        "whole": True,
        "cursor": None,
    }
    assert operator.run("dead-letters", "redrive", "events", "--reason", "unreadable", "--dry-run") == 0
    assert operator.out == "2 would go back to events: 2 unreadable\n"
    assert [name for name, _ in operator.asked] == ["dead-letters.queues", "dead-letters.list"]


def test_letters_are_thrown_away_only_when_that_is_said(operator: AtDesk) -> None:
    operator.answers["dead-letters.purge"] = [page(2, None)]
    assert operator.run("dead-letters", "purge", "events") == 2
    assert operator.run("dead-letters", "purge", "events", "--yes") == 0
    assert operator.out == "2 of events thrown away: 2 a\n"


def test_letters_are_listed_and_shown(operator: AtDesk) -> None:
    operator.answers["dead-letters.queues"] = {
        "items": [{"queue": "jobs", "count": 3, "returns": True}],
        "cursor": None,
    }
    assert operator.run("dead-letters", "list") == 0
    assert "jobs" in operator.out
    letter = {"id": "1", "at": "x", "reason": "unreadable", "body": {"unreadable": True}}
    operator.answers["dead-letters.list"] = {
        "items": [letter],
        "reasons": {"unreadable": 1},
        "whole": False,
        "cursor": None,
    }
    assert operator.run("dead-letters", "list", "events") == 0
    assert "1 unreadable" in operator.out
    assert operator.err == "there are more\n"
    operator.answers["dead-letters.show"] = {"letter": letter}
    assert operator.run("dead-letters", "show", "events", "1", "--json") == 0
    assert operator.result() == letter
