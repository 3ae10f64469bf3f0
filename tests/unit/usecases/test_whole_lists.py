"""A backlog reads 360dialog's lists once for all of it, and sees no less than each number's own read."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Final

import pytest

from onramp.adapters.memory import START
from onramp.domain.budget import BudgetState
from onramp.domain.errors import Ambiguous, PutOff, Throttled, Transient
from onramp.domain.partner_events import Channel
from onramp.domain.schedule import LIST_LAG, SETTLE, URGENT_FOR
from onramp.domain.signup import Client
from onramp.domain.states import Step
from onramp.domain.whole_list import MOST_PAGES, WORTH, is_worth
from onramp.ports.upstreams import Gate, Page, RemoteClient
from onramp.usecases.long_lists import is_long, note_long
from tests.unit.usecases.bench import WABA, Bench, digits

WAITED: Final = (URGENT_FOR + SETTLE).total_seconds() + 1
SECOND: Final = timedelta(seconds=1)


def come(bench: Bench, count: int, start: int = 1) -> list[str]:
    """Customers who come at once: each with a number, an account and a client of their own."""
    names = [f"{1000 + index}" for index in range(start, start + count)]
    for name in names:
        email = f"owner{name}@example.com"
        client = Client(name="Acme", email=email, user_name="Ann")
        bench.submit(f"s{name}", (name,), client=client, waba=f"w{name}")
    return names


def backlog(bench: Bench, waiting: int = 400) -> None:
    """Let so many others stand in the line; none of them comes back for its place."""
    state = bench.store.read(BudgetState, "default") or BudgetState()
    state.reserved = {f"other{index}": bench.now for index in range(waiting)}
    bench.store.commit(state)


def many(bench: Bench, pages: int) -> None:
    """360dialog has so many pages of clients and channels of others', and it is known."""
    count = pages * 200
    bench.partner.channels = [
        bench.channel(f"x{index}CH", f"7{index:06}", waba_id=f"v{index}") for index in range(count)
    ]
    bench.partner.clients = [
        RemoteClient(id=f"x{index}CL", emails=frozenset({f"x{index}@example.com"}), created_at=None)
        for index in range(count)
    ]
    note_long(bench.ports, "channels")
    note_long(bench.ports, "clients")


def asked(bench: Bench) -> Iterator[str]:
    """The lists that were asked for."""
    return (call for call in bench.partner.calls if call.startswith("list_"))


def test_a_number_that_waits_in_a_backlog_needs_no_list_of_its_own_while_one_read_for_it_is_current(
    bench: Bench,
) -> None:
    first, *others = come(bench, 4)
    bench.wait(WAITED)
    bench.work(first)
    assert list(asked(bench)) == ["list_channels", "list_clients"]
    bench.partner.calls.clear()
    for name in others:
        bench.work(name)
    assert bench.partner.calls == ["create_client", "submit_number"] * 3
    assert {bench.number(name).client_id for name in others} == {"2CL", "3CL", "4CL"}


def test_a_number_for_which_somebody_may_be_waiting_looks_for_itself(bench: Bench) -> None:
    first, second = come(bench, 2)
    bench.wait(URGENT_FOR.total_seconds() - 1)
    bench.work(first)
    bench.work(second)
    assert list(asked(bench)) == ["list_channels", "list_clients"] * 2


def test_a_list_that_was_begun_before_a_number_came_says_nothing_of_it(bench: Bench) -> None:
    (first,) = come(bench, 1)
    bench.wait(WAITED)
    bench.work(first)
    (late,) = come(bench, 1, start=2)
    bench.partner.channels = [bench.channel("madeCH", late, waba_id=f"w{late}")]
    bench.wait(URGENT_FOR.total_seconds() + 1)
    bench.work(late)
    assert bench.number(late).channel_id == "madeCH"
    assert len(bench.partner.submitted) == 1


def test_nor_does_one_that_was_begun_before_a_number_was_tried_again(bench: Bench) -> None:
    first, failed = come(bench, 2)
    bench.wait(WAITED)
    bench.partner.troubles["list_channels"] = [Transient("partner_unavailable", status=503)] * 20
    while bench.number(failed).failure is None:
        bench.work_when_due(failed)
    bench.partner.troubles.clear()
    bench.work(first)
    bench.partner.channels = [bench.channel("madeCH", failed, waba_id=f"w{failed}")]
    bench.work(failed, retry=True)
    assert bench.number(failed).channel_id == "madeCH"
    assert len(bench.partner.submitted) == 1


def test_a_list_counts_for_no_longer_than_a_read_of_its_own(bench: Bench) -> None:
    first, second, third = come(bench, 3)
    bench.wait(WAITED)
    bench.work(first)
    bench.clock.advance(LIST_LAG - SECOND)
    bench.work(second)
    assert list(asked(bench)) == ["list_channels", "list_clients"]
    assert bench.number(second).absent_at is None
    bench.clock.advance(SECOND)
    bench.work(third)
    assert list(asked(bench)) == ["list_channels", "list_clients"] * 2


@pytest.mark.parametrize(
    "known",
    [
        {},
        {"external_id": None},
        {"external_id": None, "waba_id": None},
        {"external_id": None, "digits": ""},
        {"external_id": "wrong"},
    ],
    ids=["by id", "by digits", "without an account", "without a name", "with another id"],
)
def test_what_a_list_shows_of_a_number_its_own_read_looks_at_again(
    bench: Bench, known: dict[str, str | None]
) -> None:
    first, second = come(bench, 2)
    values = {"waba_id": f"w{second}", **known}
    bench.partner.channels = [bench.channel("oldCH", second, **values)]
    bench.wait(WAITED)
    bench.work(first)
    calls = len(bench.partner.calls)
    with suppress(PutOff):
        bench.work(second)
    assert bench.partner.calls[calls] == "list_channels"
    assert [submission.phone_number_id for submission in bench.partner.submitted] == [first]


def test_a_client_that_a_list_shows_is_used(bench: Bench) -> None:
    first, second = come(bench, 2)
    email = f"owner{second}@example.com"
    bench.partner.clients = [RemoteClient(id="oldCL", emails=frozenset({email}), created_at=None)]
    bench.wait(WAITED)
    bench.work(first)
    bench.work(second)
    assert bench.number(second).client_id == "oldCL"
    assert bench.partner.calls.count("create_client") == 1


def test_the_client_of_an_account_is_learnt_from_a_list(bench: Bench) -> None:
    first, second = come(bench, 2)
    bench.partner.channels = [
        bench.channel("goneCH", second, waba_id=f"w{second}", client_id="goneCL", dead=True),
        bench.channel("sisterCH", "77", waba_id=f"w{second}", client_id="sisterCL"),
    ]
    bench.wait(WAITED)
    bench.work(first)
    calls = len(bench.partner.calls)
    bench.work(second)
    assert bench.partner.calls[calls:] == ["submit_number"]
    assert bench.number(second).client_id == "sisterCL"


def test_an_unanswered_submission_is_settled_by_a_read_of_its_own(bench: Bench) -> None:
    first, second = come(bench, 2)
    bench.wait(WAITED)
    bench.work(first)
    bench.partner.lost["submit_number"] = [Ambiguous("partner_unavailable")]
    bench.work(second)
    assert bench.number(second).intent is not None
    bench.partner.channels = [bench.channel("newCH", second, waba_id=f"w{second}")]
    for _ in range(5):
        if bench.number(second).channel_id is None:
            bench.work_when_due(second)
    assert bench.number(second).channel_id == "newCH"
    assert len(bench.partner.submitted) == 2


def test_an_unanswered_create_is_settled_by_a_read_of_its_own(bench: Bench) -> None:
    first, second = come(bench, 2)
    bench.wait(WAITED)
    bench.work(first)
    bench.partner.lost["create_client"] = [Ambiguous("partner_unavailable")]
    for _ in range(5):
        if bench.number(second).next_step is Step.SUBMIT:
            bench.work_when_due(second)
    assert bench.number(second).status == "submitted"
    assert bench.partner.calls.count("create_client") == 2
    assert len(bench.partner.clients) == 2


def test_a_long_list_is_read_page_by_page_once_for_all_that_wait(bench: Bench) -> None:
    names = come(bench, 5)
    many(bench, 3)
    bench.wait(WAITED)
    backlog(bench, 3 * WORTH)
    for name in names:
        bench.work(name)
    assert list(asked(bench)) == ["list_channels"] * 3 + ["list_clients"] * 3
    assert len(bench.partner.submitted) == len(names)


def test_a_long_list_is_not_read_for_few(bench: Bench) -> None:
    first, second = come(bench, 2)
    many(bench, 3)
    bench.wait(WAITED)
    backlog(bench, 3 * WORTH - 1)
    bench.work(first)
    bench.work(second)
    # One page shows how long each list is; then each number asks for itself.
    assert list(asked(bench)) == ["list_channels"] * 2 + ["list_clients"] * 2 + [
        "list_channels",
        "list_clients",
    ]
    assert len(bench.partner.submitted) == 2


@pytest.mark.parametrize(
    "trouble",
    [
        Transient("partner_unavailable", status=503),
        Throttled("partner_unavailable", retry_after=1),
        PutOff(START + timedelta(hours=1), "budget", bounded=False),
    ],
    ids=["refused", "throttled", "no slot"],
)
def test_a_long_list_is_read_on_from_where_it_was_cut_by_whoever_comes_next(
    bench: Bench, trouble: Exception
) -> None:
    first, second, third = come(bench, 3)
    many(bench, 3)
    bench.wait(WAITED)
    backlog(bench)
    listed, offsets = bench.partner.list_channels, list[int]()

    def cut(filters: Mapping[str, str], offset: int, gate: Gate) -> Page[Channel]:
        offsets.append(offset)
        if len(offsets) == 2:
            raise trouble
        return listed(filters, offset, gate)

    bench.partner.list_channels = cut  # type: ignore[method-assign]
    assert bench.work(first) is not None
    assert bench.number(first).status == "pending"
    bench.wait(2)
    bench.work(second)
    bench.work(third)
    assert offsets == [0, 200, 200, 400]
    assert [submission.phone_number_id for submission in bench.partner.submitted] == [second, third]


def test_a_list_that_has_become_short_is_whole_with_its_first_page(bench: Bench) -> None:
    first, second = come(bench, 2)
    note_long(bench.ports, "channels")
    bench.wait(WAITED)
    bench.work(first)
    bench.work(second)
    assert bench.partner.calls.count("list_channels") == 1


def test_each_hub_has_lists_of_its_own(bench: Bench) -> None:
    (first,) = come(bench, 1)
    bench.wait(WAITED)
    bench.work(first)
    assert set(bench.ports.lists.channels) == set(bench.ports.lists.clients) == {"default"}


@pytest.mark.parametrize("total", [None, 2], ids=["without a count", "of fewer than there are said to be"])
@pytest.mark.parametrize("known_long", [False, True], ids=["one page", "a long one"])
def test_a_list_that_may_not_be_all_of_it_says_nothing_of_others(
    bench: Bench, total: int | None, known_long: bool
) -> None:
    first, second = come(bench, 2)
    if known_long:
        note_long(bench.ports, "channels")
    listed = bench.partner.list_channels

    def uncounted(filters: Mapping[str, str], offset: int, gate: Gate) -> Page[Channel]:
        return replace(listed(filters, offset, gate), total=total)

    bench.partner.list_channels = uncounted  # type: ignore[method-assign]
    bench.wait(WAITED)
    bench.work(first)
    bench.partner.calls.clear()
    bench.work(second)
    assert "list_channels" in bench.partner.calls
    assert bench.partner.calls[-1] == "submit_number"


@pytest.mark.parametrize(
    ("total", "waiting", "worth"),
    [
        (200, WORTH, True),
        (201, WORTH, False),
        (201, 2 * WORTH, True),
        (MOST_PAGES * 200, 1_000, True),
        (MOST_PAGES * 200 + 1, 1_000, False),
        (None, 1_000, False),
    ],
)
def test_a_long_list_is_read_whole_where_that_is_fewer_calls(
    total: int | None, waiting: int, worth: bool
) -> None:
    assert is_worth(total, waiting) is worth


def test_a_number_whose_account_has_another_living_channel_is_not_held_up(bench: Bench) -> None:
    first, second = come(bench, 2)
    bench.partner.channels = [bench.channel("sisterCH", "77", waba_id=f"w{second}")]
    assert bench.partner.channels[0].digits == digits("77")
    bench.wait(WAITED)
    bench.work(first)
    bench.work(second)
    assert len(bench.partner.submitted) == 2
    assert not is_long(bench.ports, "channels")
    assert WABA not in {submission.waba_id for submission in bench.partner.submitted}
