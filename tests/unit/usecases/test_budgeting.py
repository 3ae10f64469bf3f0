"""The gate: no request without a slot of the budget that is fresh when it goes out."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from onramp.domain.budget import BudgetState
from onramp.domain.errors import Conflict, PutOff, Throttled, UnavailableError
from onramp.ports import DEFAULT_BUDGET
from onramp.ports.upstreams import Gate
from onramp.usecases.budgeting import AGED, PATIENCE, TRIES, live_gate, rest, spare_gate
from tests.unit.usecases.bench import Bench

SPAN = DEFAULT_BUDGET.span

SPARE = 2
"""Of five slots."""


@pytest.fixture
def five() -> Bench:
    return Bench(calls=5)


def state(bench: Bench) -> BudgetState:
    found = bench.store.read(BudgetState, bench.ports.hub)
    assert found is not None
    return found


def slow(bench: Bench, seconds: float, times: int = 1_000) -> None:
    """Storage that takes so long to write the budget."""
    commit = bench.store.commit
    left = [times]

    def late(*records: Any, **more: Any) -> None:
        commit(*records, **more)
        if left[0]:
            left[0] -= 1
            bench.wait(seconds)

    bench.store.commit = late  # type: ignore[method-assign]


def test_calls_go_out_while_there_is_room_and_each_is_counted(five: Bench) -> None:
    gate = live_gate(five.ports, "job")
    for _ in range(5):
        gate()
    assert len(state(five).starts) == 5
    assert five.count("BudgetUsed") == 5
    assert five.clock.sleeps == []


def test_without_room_a_caller_gets_a_place_and_is_put_off(five: Bench) -> None:
    for _ in range(5):
        live_gate(five.ports, "first")()
    with pytest.raises(PutOff) as wait:
        live_gate(five.ports, "second")()
    assert wait.value.until == five.now + SPAN
    assert not wait.value.bounded
    assert list(state(five).reserved) == ["second"]
    assert five.count("BudgetWaited") == SPAN.total_seconds()
    with pytest.raises(PutOff):
        live_gate(five.ports, "second")()
    assert state(five).version == 6


def test_a_slot_that_is_near_is_waited_for(five: Bench) -> None:
    for _ in range(5):
        live_gate(five.ports, "first")()
    five.clock.advance(SPAN - PATIENCE)
    live_gate(five.ports, "second")()
    assert sum(five.clock.sleeps) == pytest.approx(PATIENCE.total_seconds())
    assert state(five).reserved == {}


def test_a_slot_that_grew_old_on_the_way_is_not_used(five: Bench) -> None:
    slow(five, 3, times=1)
    began = five.now
    live_gate(five.ports, "job")()
    assert state(five).starts == [began, began + timedelta(seconds=3)]
    assert five.count("BudgetUsed") == 1


@pytest.mark.parametrize(
    ("make", "slots"),
    [(lambda ports: live_gate(ports, "job"), AGED), (spare_gate, SPARE)],
    ids=["live", "spare"],
)
def test_storage_that_is_always_slow_closes_the_gate(
    five: Bench, make: Callable[[Any], Any], slots: int
) -> None:
    slow(five, 3)
    with pytest.raises(PutOff):
        make(five.ports)()
    assert five.count("BudgetUsed") == 0
    assert len(state(five).starts) == slots


@pytest.mark.parametrize("make", [lambda ports: live_gate(ports, "job"), spare_gate], ids=["live", "spare"])
def test_while_storage_does_not_answer_nothing_goes_out(five: Bench, make: Callable[[Any], Any]) -> None:
    five.store.broken = True
    with pytest.raises(PutOff) as wait:
        make(five.ports)()
    assert wait.value.until > five.now
    assert wait.value.bounded


def test_a_lost_race_is_run_again_at_the_later_time(five: Bench) -> None:
    commit = five.store.commit
    losses = [2]

    def contested(*records: Any, **more: Any) -> None:
        if losses[0]:
            losses[0] -= 1
            raise Conflict
        commit(*records, **more)

    five.store.commit = contested  # type: ignore[method-assign]
    live_gate(five.ports, "job")()
    assert len(five.clock.sleeps) == 2
    assert state(five).starts == [five.now]


def test_a_budget_that_everybody_writes_puts_the_caller_off(five: Bench) -> None:
    tries: list[int] = []

    def contested(*_: Any, **__: Any) -> None:
        tries.append(1)
        raise Conflict

    five.store.commit = contested  # type: ignore[method-assign]
    with pytest.raises(PutOff):
        live_gate(five.ports, "job")()
    assert len(tries) == TRIES


# --- giving way


def test_spare_calls_leave_most_slots_for_live_ones(five: Bench) -> None:
    gate = spare_gate(five.ports)
    _through(gate, SPARE)
    with pytest.raises(PutOff) as wait:
        gate()
    assert not wait.value.bounded
    _through(live_gate(five.ports, "live"), 5 - SPARE)


def test_a_patient_spare_caller_waits_altogether_as_long_as_it_may(five: Bench) -> None:
    five.store.commit(BudgetState(starts=[five.now - timedelta(seconds=25)] * 5))
    gate = spare_gate(five.ports, timedelta(minutes=1))
    _through(gate, SPARE)
    assert 0 < sum(five.clock.sleeps) <= 60
    with pytest.raises(PutOff):
        _through(gate, 5)


def _through(gate: Gate, calls: int) -> None:
    for _ in range(calls):
        gate()


# --- a 429


def test_a_429_makes_everybody_rest_as_long_as_360dialog_says(five: Bench) -> None:
    wait = rest(five.ports, Throttled("x", retry_after=100), everybody=True)
    assert wait.until == five.now + timedelta(seconds=100)
    assert wait.bounded
    assert state(five).blocked_until == wait.until
    with pytest.raises(PutOff):
        live_gate(five.ports, "other")()


def test_a_429_without_a_time_is_half_a_minute(five: Bench) -> None:
    assert rest(five.ports, Throttled("x"), everybody=True).until == five.now + timedelta(seconds=30)


def test_who_has_made_everybody_rest_once_rests_alone(five: Bench) -> None:
    rest(five.ports, Throttled("x", retry_after=100), everybody=False)
    assert five.store.read(BudgetState, "default") is None
    assert five.count("PartnerThrottled") == 1


def test_a_pause_that_cannot_be_stored_is_kept_by_the_caller_alone(five: Bench) -> None:
    five.store.broken = True
    assert rest(five.ports, Throttled("x", retry_after=7), everybody=True).until > five.now
    assert five.telemetry.warnings() == ["the pause could not be stored"]


def test_a_broken_read_of_the_budget_is_no_unavailable_error(five: Bench) -> None:
    def broken(*_: Any) -> None:
        raise UnavailableError("table")

    five.store.read = broken  # type: ignore[method-assign, assignment]
    with pytest.raises(PutOff):
        live_gate(five.ports, "job")()
