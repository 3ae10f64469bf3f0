import io
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from local.demo import MANY, Watch, accelerated, check_connected
from local.journey import (
    LONGEST_PAUSE_SECONDS,
    SHORTEST_PAUSE_SECONDS,
    FrontEnd,
    JourneyError,
    Poll,
    is_settled,
    pause_of,
    submitted,
)
from local.options import RunOptions
from local.progress import Terminal


def number(status: str, *, channel: str | None = "1CH", phone: str = "1") -> dict[str, Any]:
    return {
        "phone_number_id": phone,
        "status": status,
        "channel_id": channel,
        "steps": [{"status": "pending"}],
    }


def front_end(answers: Iterator[httpx.Response], seen: list[httpx.Request]) -> FrontEnd:
    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return next(answers)

    return FrontEnd("http://api", "jwt", http=httpx.Client(transport=httpx.MockTransport(answer)))


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, 1.0),
        ("2", 2.0),
        ("0", SHORTEST_PAUSE_SECONDS),
        ("3600", LONGEST_PAUSE_SECONDS),
        ("-5", SHORTEST_PAUSE_SECONDS),
        ("Mon, 23 Nov 2026 12:00:00 GMT", 1.0),
    ],
)
def test_retry_after_is_kept_within_what_a_person_bears(header: str | None, seconds: float) -> None:
    assert pause_of(header) == seconds


def test_a_watch_sends_the_etag_keeps_the_pace_and_ends_with_the_state() -> None:
    seen: list[httpx.Request] = []
    slept: list[float] = []
    polls: list[Poll] = []
    busy, done = {"numbers": [number("running")]}, {"numbers": [number("connected")]}
    answers = iter(
        [
            httpx.Response(200, json=busy, headers={"ETag": '"1"', "Retry-After": "2"}),
            httpx.Response(304, headers={"Retry-After": "2"}),
            httpx.Response(200, json=done, headers={"ETag": '"2"'}),
        ]
    )
    with front_end(answers, seen) as front:
        signup = front.watch(
            "s", until=is_settled, timeout_seconds=60, on_poll=polls.append, sleep=slept.append
        )
    assert signup == done
    assert [r.headers.get("if-none-match") for r in seen] == [None, '"1"', '"1"']
    assert {r.headers["authorization"] for r in seen} == {"Bearer jwt"}
    assert slept == [2.0, 2.0]
    assert [poll.changed for poll in polls] == [True, False, True]


def test_a_watch_gives_up_when_the_time_is_up() -> None:
    busy = {"numbers": [number("running")]}
    answers = iter([httpx.Response(200, json=busy)])
    with front_end(answers, []) as front:
        assert front.watch("s", until=is_settled, timeout_seconds=0.5) == busy


def test_another_answer_than_expected_is_told_with_its_body() -> None:
    answers = iter([httpx.Response(409, json={"code": "signup_closed"})])
    with front_end(answers, []) as front, pytest.raises(JourneyError, match=r"409, not 200.*signup_closed"):
        front.send_code("s", "code")


def test_numbers_of_the_account_that_nobody_submitted_do_not_count() -> None:
    unwanted = {"phone_number_id": "2", "status": "listed", "steps": []}
    signup = {"numbers": [number("connected"), unwanted]}
    assert len(submitted(signup)) == 1
    assert is_settled(signup)
    assert not is_settled({"numbers": [unwanted]})
    assert not is_settled({"numbers": [number("connecting"), unwanted]})


def test_a_signup_is_connected_when_each_number_has_its_own_channel() -> None:
    ones = [number("connected", channel="1CH", phone="1"), number("connected", channel="2CH", phone="2")]
    check_connected({"status": "connected", "numbers": ones}, ["1", "2"])


@pytest.mark.parametrize(
    ("numbers", "told"),
    [
        ([number("running")], "1 is running"),
        ([number("connected"), number("connected", phone="2")], "not every number"),
        ([number("connected", phone="2")], "not every number"),
        ([number("failed") | {"failure": {"code": "refused", "title": "No"}}], r"refused \(No\)"),
    ],
)
def test_anything_less_is_told(numbers: list[dict[str, Any]], told: str) -> None:
    with pytest.raises(JourneyError, match=told):
        check_connected({"status": "connected", "numbers": numbers}, ["1"])


def told_by(*states: list[str], each: bool) -> list[str]:
    out = io.StringIO()
    watch = Watch(Terminal(out=out), each=each)
    for statuses in states:
        numbers = [number(status, phone=str(index)) for index, status in enumerate(statuses)]
        watch(Poll({"numbers": numbers}, changed=True, pause_seconds=1))
    return [line.split(" s  ", 1)[1] for line in out.getvalue().splitlines()]


def test_of_few_numbers_each_change_is_told_and_of_many_how_many_are_where() -> None:
    states = (["pending", "pending"], ["live", "pending"], ["live", "pending"], ["live", "live"])
    assert told_by(*states, each=True) == ["0 is pending", "1 is pending", "0 is live", "1 is live"]
    assert told_by(*states, each=False) == ["2 pending", "1 live, 1 pending", "2 live"]


def test_many_numbers_get_a_faster_budget_that_is_told_unless_one_was_asked_for() -> None:
    assert MANY < 48
    out = io.StringIO()
    fast = accelerated(RunOptions(), Terminal(out=out))
    assert (fast.budget_calls, fast.budget_window_seconds) == (10, 2)
    assert "10 Partner API calls in 2 s" in out.getvalue()
    asked = accelerated(RunOptions(budget_calls=5, budget_window_seconds=30), Terminal(out=out))
    assert (asked.budget_calls, asked.budget_window_seconds) == (5, 30)
