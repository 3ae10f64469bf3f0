"""Promises 3 and 16: what is due is woken each minute, and nothing is first in line twice in a row."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from onramp.domain.census import Census
from onramp.domain.errors import SweepIncomplete, Transient, UnavailableError
from onramp.domain.states import Progress
from onramp.ports.storage import Due, Line
from onramp.usecases.sweep import BATCH, GRACE, SINGLE_LOOKS, sweep
from tests.unit.usecases.bench import Bench


def pending(bench: Bench, count: int) -> list[str]:
    """Numbers that are due."""
    names = [f"{index:04d}" for index in range(count)]
    for start in range(0, count, 20):
        bench.submit(f"s{start}", names[start : start + 20])
    return names


def waiting(bench: Bench, count: int) -> list[str]:
    """Numbers that are due to be looked up."""
    names = pending(bench, count)
    for name in names:
        bench.change(name, progress=Progress.SUBMITTED)
    return names


def test_what_has_just_been_sent_is_left_alone_for_a_minute(bench: Bench) -> None:
    pending(bench, 1)
    sweep(bench.ports)
    assert bench.queue.numbers == []
    bench.clock.advance(GRACE)
    sweep(bench.ports)
    assert bench.queue.numbers == ["0000"]
    assert bench.count("JobsSentAgain") == 1


def test_what_was_woken_is_woken_again_five_minutes_later_and_not_before(bench: Bench) -> None:
    pending(bench, 1)
    bench.clock.advance(GRACE)
    before = bench.number("0000")
    for _ in range(5):
        sweep(bench.ports)
        bench.wait(60)
    assert bench.queue.numbers == ["0000"]
    bench.wait(60)
    sweep(bench.ports)
    assert bench.queue.numbers == ["0000"] * 2
    assert bench.number("0000") == before


def test_everything_that_is_due_is_woken_in_batches(bench: Bench) -> None:
    names = pending(bench, BATCH + 50)
    bench.store.commit(Census(due_at=bench.now))
    bench.clock.advance(GRACE)
    sweep(bench.ports)
    assert sorted(bench.queue.numbers) == names
    assert bench.queue.censuses == ["default"]


def test_a_sweep_stops_early_when_its_time_is_over(bench: Bench) -> None:
    pending(bench, BATCH + 50)
    bench.clock.advance(GRACE)
    turns: list[int] = []

    def enough() -> bool:
        turns.append(1)
        return len(turns) > 1

    sweep(bench.ports, enough)
    assert len(bench.queue.numbers) == BATCH


def test_a_queue_that_does_not_answer_is_told_and_nothing_moves(bench: Bench) -> None:
    pending(bench, 3)
    bench.clock.advance(GRACE)
    bench.queue.broken = True
    with pytest.raises(SweepIncomplete):
        sweep(bench.ports)
    bench.queue.broken = False
    sweep(bench.ports)
    assert len(bench.queue.numbers) == 3


def test_a_hit_that_cannot_be_moved_on_does_not_stop_its_neighbours(bench: Bench) -> None:
    names = pending(bench, 3)
    bench.clock.advance(GRACE)
    postpone = bench.store.postpone

    def broken(hit: Due, until: datetime) -> bool:
        if hit.identity == (names[0],):
            raise UnavailableError("throttled")
        return postpone(hit, until)

    bench.store.postpone = broken  # type: ignore[method-assign]
    with pytest.raises(SweepIncomplete, match="1 hits"):
        sweep(bench.ports)
    assert bench.queue.numbers == names
    assert bench.count("RecordsCrashed") == 1
    assert [hit.identity[0] for hit in bench.store.due(bench.now, 9, line=Line.WORK)] == names[:1]


def test_a_spoiled_record_is_woken_and_moved_on_like_the_others(bench: Bench) -> None:
    names = pending(bench, 3)
    bench.store.spoil(bench.number(names[0]))
    bench.clock.advance(GRACE)
    sweep(bench.ports)
    assert bench.queue.numbers == names
    assert bench.store.due(bench.now, 9, line=Line.WORK) == []


def test_a_few_looks_are_woken_one_by_one(bench: Bench) -> None:
    names = waiting(bench, SINGLE_LOOKS)
    sweep(bench.ports)
    assert bench.queue.numbers == names
    assert bench.queue.censuses == []


def test_of_many_looks_a_few_are_woken_and_the_census_finds_the_rest(bench: Bench) -> None:
    names = waiting(bench, 30)
    sweep(bench.ports)
    assert bench.queue.numbers == names[:SINGLE_LOOKS]
    assert bench.queue.censuses == ["default"]
    assert bench.store.due(bench.now, 99, line=Line.LOOK) == []


def test_a_sweep_costs_one_write_for_each_hit_and_three_searches(bench: Bench) -> None:
    calls: list[str] = []

    class Counting:
        def __getattr__(self, name: str) -> Any:
            calls.append(name)
            return getattr(bench.store, name)

    pending(bench, 7)
    bench.clock.advance(GRACE + timedelta(seconds=1))
    counted = Bench()
    counted.clock.set(bench.now)
    object.__setattr__(counted.ports, "store", Counting())
    sweep(counted.ports)
    assert calls == ["due", *["postpone"] * 7, "due", "due"]


# --- what it measures


def told(bench: Bench, name: str) -> float:
    """What the last sweep counted."""
    bench.telemetry.counts.clear()
    sweep(bench.ports)
    return bench.count(name)


def test_the_age_of_work_that_nobody_takes_up_grows_although_it_is_woken(bench: Bench) -> None:
    pending(bench, 2)
    assert told(bench, "OldestDueSeconds") == 0
    bench.clock.advance(GRACE)
    assert told(bench, "OldestDueSeconds") == 60
    bench.wait(60)
    assert told(bench, "OldestDueSeconds") == 0
    bench.wait(300)
    assert told(bench, "OldestDueSeconds") == 420
    bench.wait(360)
    assert told(bench, "OldestDueSeconds") == 780


def test_work_that_was_taken_up_is_old_no_more(bench: Bench) -> None:
    (name,) = pending(bench, 1)
    bench.wait(60)
    sweep(bench.ports)
    bench.partner.troubles["submit_number"] = [Transient("partner_unavailable", status=503)]
    bench.work(name)
    bench.wait(3600)
    number = bench.number(name)
    assert number.due_at is not None
    assert told(bench, "OldestDueSeconds") == round((bench.now - number.due_at).total_seconds())


def test_numbers_that_wait_out_a_retry_are_not_old(bench: Bench) -> None:
    (name,) = pending(bench, 1)
    bench.change(name, attempts=8, due_at=bench.now + timedelta(hours=10))
    for _ in range(9):
        bench.wait(3600)
        assert told(bench, "OldestDueSeconds") == 0


def test_looks_and_checks_that_are_late_are_not_old_work(bench: Bench) -> None:
    waiting(bench, 30)
    for _ in range(30):
        assert told(bench, "OldestDueSeconds") == 0
        bench.wait(60)


def test_numbers_are_counted_that_360dialog_should_tell_of_soon(bench: Bench) -> None:
    names = waiting(bench, 3)
    bench.change(names[0], due_at=bench.now + timedelta(minutes=59))
    bench.change(names[1], due_at=bench.now + timedelta(hours=6))
    assert told(bench, "NumbersWaiting") == 2
    assert bench.queue.numbers == [names[2]]
