"""What readers are given: their own, as it is now, and when to come again."""

import base64
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from onramp.domain.errors import Problem
from onramp.domain.number import ChannelKey, Number
from onramp.domain.states import Progress, SignupStatus
from onramp.ports.storage import Position
from onramp.usecases import read
from onramp.usecases.changing import change_number
from onramp.usecases.read import LATER, SOON, TIMELINE
from tests.unit.usecases.bench import TENANT, Bench


def test_a_tenant_sees_its_own_and_nothing_else(bench: Bench) -> None:
    signup = bench.submit()
    assert read.own_signup(bench.ports, TENANT, "s1") == signup
    assert read.own_number(bench.ports, TENANT, "1001") == bench.number()
    for tenant, name in (("bravo", "s1"), (TENANT, "nobody")):
        with pytest.raises(Problem, match="not_found"):
            read.own_signup(bench.ports, tenant, name)
    for tenant, name in (("bravo", "1001"), (TENANT, "nobody")):
        with pytest.raises(Problem, match="not_found"):
            read.own_number(bench.ports, tenant, name)


def test_a_whole_signup_has_its_list_its_numbers_and_its_newest_facts(bench: Bench) -> None:
    names = [f"{index:04d}" for index in range(250)]
    bench.submit(numbers=names)
    whole = read.whole(bench.ports, bench.load())
    assert [listed.phone_number_id for listed in whole.listed] == names
    assert list(whole.numbers) == names
    assert len(whole.facts) == TIMELINE
    assert [fact.phone_number_id for fact in whole.facts] == names[-TIMELINE:]
    assert read.whole(bench.ports, bench.load(), timeline=False).facts == ()


def test_a_number_that_a_later_signup_has_is_not_shown_with_the_older_one(bench: Bench) -> None:
    signup = bench.submit()
    bench.submit("s2")
    whole = read.whole(bench.ports, signup, timeline=False)
    assert whole.numbers == {}
    assert len(whole.listed) == 1


def test_a_signup_never_says_other_than_its_numbers_that_are_read_after_it(bench: Bench) -> None:
    bench.submit("s1", ("1", "2"))
    signup = read.own_signup(bench.ports, TENANT, "s1")
    for phone_number_id in ("1", "2"):
        change_number(bench.ports, phone_number_id, connect)
    whole = read.whole(bench.ports, signup)
    assert {number.status for number in whole.numbers.values()} == {"connected"}
    assert whole.signup.status(bench.now) is SignupStatus.CONNECTED
    assert signup.status(bench.now) is SignupStatus.ONBOARDING


def connect(number: Number) -> None:
    number.progress = Progress.CONNECTED


def test_a_signup_without_anything_is_a_whole_too(bench: Bench) -> None:
    whole = read.whole(bench.ports, bench.signup(numbers=()))
    assert (whole.listed, whole.numbers, whole.facts) == ([], {}, [])


# --- lists


def many(bench: Bench, count: int) -> list[str]:
    """Signups with a number each, newest first."""
    for index in range(count):
        bench.submit(f"s{index}", (f"{index}",))
        bench.wait(1)
    return [f"s{index}" for index in reversed(range(count))]


@pytest.mark.parametrize("limit", [1, 2, 3, 6, 7])
def test_a_walk_sees_every_signup_once(bench: Bench, limit: int) -> None:
    expected = many(bench, 6)
    seen: list[str] = []
    cursor: str | None = None
    while True:
        page = read.signups(bench.ports, TENANT, None, cursor, limit)
        seen += [whole.signup.id for whole in page.items]
        assert all(len(whole.numbers) == len(whole.listed) == 1 for whole in page.items)
        assert all(whole.facts == () for whole in page.items)
        cursor = page.cursor
        if cursor is None:
            break
        assert cursor == read.cursor_of(page.items[-1])
    assert seen == expected


@pytest.mark.parametrize("limit", [1, 2, 6, 7])
def test_a_walk_sees_every_number_once(bench: Bench, limit: int) -> None:
    expected = [name.removeprefix("s") for name in many(bench, 6)]
    seen: list[str] = []
    cursor: str | None = None
    while True:
        page = read.numbers(bench.ports, TENANT, None, cursor, limit)
        seen += [number.phone_number_id for number in page.items]
        cursor = page.cursor
        if cursor is None:
            break
        assert cursor == read.cursor_of(page.items[-1])
    assert seen == expected


def test_a_list_of_a_status_shows_what_has_it_now(bench: Bench) -> None:
    many(bench, 3)
    bench.change("1", progress=Progress.LIVE)
    assert [n.phone_number_id for n in read.numbers(bench.ports, TENANT, "live", None, 9).items] == ["1"]
    assert [n.phone_number_id for n in read.numbers(bench.ports, TENANT, "pending", None, 9).items] == [
        "2",
        "0",
    ]
    assert read.numbers(bench.ports, TENANT, "listed", None, 9).items == ()
    assert read.numbers(bench.ports, TENANT, "connected", None, 9).items == []
    found = read.signups(bench.ports, TENANT, SignupStatus.ONBOARDING, None, 9).items
    assert len(found) == 3
    assert read.signups(bench.ports, TENANT, SignupStatus.CONNECTED, None, 9).items == []


def test_an_index_that_lags_shows_nothing_of_another_status(bench: Bench) -> None:
    many(bench, 2)

    def lagging(*_: Any) -> Sequence[Position]:
        return [Position(bench.now, "s1"), Position(bench.now, "gone"), Position(bench.now, "s0")]

    bench.store.signups_of = lagging  # type: ignore[method-assign, assignment]
    assert read.signups(bench.ports, TENANT, SignupStatus.CONNECTED, None, 9).items == []
    assert len(read.signups(bench.ports, TENANT, SignupStatus.ONBOARDING, None, 9).items) == 2


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "!",
        "ä",
        "YWJj",
        "a",
        base64.urlsafe_b64encode(b"\xff\xfe").decode(),
        base64.urlsafe_b64encode(b"2031-05-06T07:08:09.123Z").decode(),
        base64.urlsafe_b64encode(b"2031-05-06T07:08:09.123Z#").decode(),
        base64.urlsafe_b64encode(b"x2031-05-06T07:08:09.123Z#s1").decode(),
        base64.urlsafe_b64encode(b"2031-99-06T07:08:09.123Z#s1").decode(),
        "\ud800",
    ],
)
def test_a_cursor_that_is_not_ours_is_refused(bench: Bench, cursor: str) -> None:
    for call in (read.signups, read.numbers):
        with pytest.raises(Problem) as caught:
            call(bench.ports, TENANT, None, cursor, 10)
        assert caught.value.code == "invalid_request"
        assert caught.value.errors[0]["field"] == "cursor"


# --- when to come again


def test_a_reader_comes_back_soon_at_first_and_later_the_longer_it_waits(bench: Bench) -> None:
    bench.submit()
    waits = []
    for _ in range(6):
        waits.append(read.come_back_in([bench.number()], bench.now))
        bench.wait(1_000)
    assert waits == [SOON, 100, 200, LATER, LATER, LATER]


def test_a_reader_of_a_number_that_is_tried_again_later_comes_back_then(bench: Bench) -> None:
    bench.submit()
    number = bench.change(attempts=2, due_at=bench.now + timedelta(seconds=90))
    assert read.come_back_in([number], bench.now) == 90


def test_where_nothing_moves_nobody_need_come_back(bench: Bench) -> None:
    number = bench.connected()
    assert read.come_back_in([number], bench.now) is None
    assert read.come_back_in([], bench.now) is None


# --- keys


def test_the_key_of_a_connected_channel_is_given_in_clear(bench: Bench) -> None:
    bench.connected()
    key = read.channel_key(bench.ports, "c1")
    assert (key.api_key, key.address) == (bench.partner.keys[-1], "https://waba.example.com")


def test_a_key_that_is_not_proved_or_whose_channel_has_ended_is_not_given(bench: Bench) -> None:
    bench.submit()
    bench.live()
    assert _code(bench) == "not_connected"
    bench.change(key=ChannelKey(secret="x", address="a", made_at=bench.now))
    assert _code(bench) == "not_connected"
    bench.change(key=None, cancelled_at=bench.now)
    assert _code(bench) == "not_connected"


def test_a_channel_that_nobody_has_is_not_found(bench: Bench) -> None:
    assert _code(bench) == "not_found"


def _code(bench: Bench) -> str:
    with pytest.raises(Problem) as caught:
        read.channel_key(bench.ports, "c1")
    return caught.value.code
