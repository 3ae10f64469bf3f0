import heapq
import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onramp.adapters.memory import START
from onramp.domain.budget import (
    IN_A_ROW,
    LONGEST_LINE,
    LONGEST_PAUSE,
    STALE,
    Begun,
    BudgetRule,
    BudgetState,
    push_back,
    take,
    take_spare,
)
from onramp.inbound.batch import seconds_until
from onramp.usecases.budgeting import PATIENCE

RULE = BudgetRule(calls=5, window=timedelta(seconds=30))
SPAN = RULE.span


def seconds(value: float) -> timedelta:
    return timedelta(seconds=value)


def full(at: datetime = START) -> BudgetState:
    """A budget whose calls have all started at `at`."""
    state = BudgetState()
    for index in range(RULE.calls):
        assert take(state, RULE, f"first{index}", at) is None
    return state


# --- the limit, over any interleaving


@dataclass(frozen=True)
class Step:
    """After `wait` seconds somebody comes: a job by number, a spare call, or a 429."""

    wait: float
    who: int | None
    pause: float | None = None


JOBS = 9
SPARE = JOBS
waits = st.one_of(st.just(0.0), st.floats(0, 2), st.floats(0, 40), st.sampled_from([30.0, 30.799, 30.8]))
steps = st.lists(
    st.builds(
        Step,
        wait=waits,
        who=st.one_of(st.integers(0, SPARE), st.none()),
        pause=st.one_of(st.none(), st.floats(0, 100)),
    ),
    max_size=80,
)
rules = st.builds(BudgetRule, calls=st.integers(1, 6), window=st.sampled_from([seconds(1), seconds(30)]))


def run(rule: BudgetRule, plan: list[Step], watch: Callable[[BudgetState, Step, datetime], None]) -> None:
    """Play a plan; `watch` sees the state before each step."""
    state = BudgetState()
    now = START
    for step in plan:
        now += seconds(step.wait)
        # Through JSON each time, as it is stored.
        state = BudgetState.model_validate_json(state.model_dump_json())
        watch(state, step, now)
        play(state, rule, step, now)


def play(state: BudgetState, rule: BudgetRule, step: Step, now: datetime) -> bool:
    """One step; says whether a call started."""
    if step.who is None:
        push_back(state, rule, now, step.pause)
        return False
    if step.who == SPARE:
        return take_spare(state, rule, now) is None
    return take(state, rule, f"job{step.who}", now, urgent_until=waited_for(step.who, now)) is None


def waited_for(who: int | None, now: datetime) -> datetime | None:
    """Somebody waits for every third job, for a while."""
    return now + seconds(20) if who is not None and who % 3 == 0 else None


@given(rule=rules, plan=steps)
@settings(max_examples=400)
def test_no_window_ever_sees_more_starts_than_the_rule_allows(rule: BudgetRule, plan: list[Step]) -> None:
    starts: list[datetime] = []

    def watch(state: BudgetState, step: Step, now: datetime) -> None:
        if play(state.model_copy(deep=True), rule, step, now):
            starts.append(now)

    run(rule, plan, watch)
    for earlier, later in zip(starts, starts[rule.calls :], strict=False):
        assert later - earlier > rule.window


@given(rule=rules, plan=steps)
def test_nothing_starts_while_360dialog_wants_rest(rule: BudgetRule, plan: list[Step]) -> None:
    until = START

    def watch(state: BudgetState, step: Step, now: datetime) -> None:
        nonlocal until
        if play(state.model_copy(deep=True), rule, step, now):
            assert now >= until
        elif step.who is None:
            pause = rule.window if step.pause is None else seconds(step.pause)
            until = max(until, now + pause)

    run(rule, plan, watch)


@given(rule=rules, plan=steps)
@settings(max_examples=400)
def test_nobody_starts_at_the_cost_of_those_in_front(rule: BudgetRule, plan: list[Step]) -> None:
    """When a job starts, everyone in front of it in the line can start at the same moment too."""

    def watch(state: BudgetState, step: Step, now: datetime) -> None:
        after = state.model_copy(deep=True)
        if not play(after, rule, step, now):
            return
        line = [job for job, slot in state.reserved.items() if slot > now - STALE]
        own = f"job{step.who}"
        if own in line:
            line = line[: line.index(own)]
        else:
            begun = own in state.begun and state.begun[own].at > now - STALE
            rank = (waited_for(step.who, now) is None, not begun)
            urgent = {job for job, until in state.urgent.items() if until > now}
            line = [job for job in line if (job not in urgent, job not in state.begun) <= rank]
        for job in line:
            assert take(after, rule, job, now) is None

    run(rule, plan, watch)


@given(rule=rules, plan=steps)
def test_a_job_that_comes_at_its_slot_starts_or_waits_in_its_old_place(
    rule: BudgetRule, plan: list[Step]
) -> None:
    def watch(state: BudgetState, step: Step, now: datetime) -> None:
        if step.who in {None, SPARE}:
            return
        job = f"job{step.who}"
        line = [name for name, slot in state.reserved.items() if slot > now - STALE]
        after = state.model_copy(deep=True)
        if job in line and take(after, rule, job, now, urgent_until=waited_for(step.who, now)) is not None:
            assert list(after.reserved) == line

    run(rule, plan, watch)


@given(rule=rules, plan=steps)
def test_a_lonely_job_gets_its_slot(rule: BudgetRule, plan: list[Step]) -> None:
    """Whatever was before: who comes back at its slot, and nobody else comes, gets through in a few turns."""
    last: list[tuple[BudgetState, datetime]] = []

    def watch(state: BudgetState, step: Step, now: datetime) -> None:
        last[:] = [(state.model_copy(deep=True), now)]

    run(rule, [*plan, Step(0, 0)], watch)
    state, now = last[0]
    # As long as those in front may still come back, and a turn for each of them.
    for _ in range(JOBS + 2 + math.ceil(STALE / rule.span)):
        slot = take(state, rule, "lonely", now)
        if slot is None:
            return
        assert slot > now
        now = slot
    pytest.fail("the job never started")


@given(rule=rules, plan=steps)
def test_the_record_stays_small(rule: BudgetRule, plan: list[Step]) -> None:
    def watch(state: BudgetState, step: Step, now: datetime) -> None:
        assert len(state.starts) <= rule.calls
        assert len(state.reserved) <= JOBS

    run(rule, plan, watch)


# --- the line


def test_those_who_wait_get_five_to_a_window() -> None:
    state = full()
    slots = [take(state, RULE, f"job{index}", START) for index in range(12)]
    assert slots == [START + SPAN] * 5 + [START + 2 * SPAN] * 5 + [START + 3 * SPAN] * 2


def test_a_job_that_asks_again_keeps_its_slot() -> None:
    state = full()
    for index in range(6):
        take(state, RULE, f"job{index}", START)
    assert take(state, RULE, "job5", START + seconds(3)) == START + 2 * SPAN
    assert take(state, RULE, "job0", START + seconds(3)) == START + SPAN


def test_an_early_one_does_not_take_the_slot_of_those_in_front() -> None:
    state = full()
    for index in range(6):
        take(state, RULE, f"job{index}", START)
    now = START + SPAN
    assert take(state, RULE, "job5", now) is not None
    assert take(state, RULE, "newcomer", now) is not None
    assert [take(state, RULE, f"job{index}", now) for index in range(5)] == [None] * 5
    assert take(state, RULE, "job5", now + SPAN) is None


def test_a_place_nobody_comes_back_for_is_given_away() -> None:
    state = full()
    for index in range(5):
        take(state, RULE, f"job{index}", START)
    late = START + SPAN + STALE
    assert [take(state, RULE, f"newcomer{index}", late) for index in range(5)] == [None] * 5


def test_the_line_has_an_end_and_the_limit_holds_beyond_it() -> None:
    state = full()
    for index in range(LONGEST_LINE + 10):
        assert take(state, RULE, f"job{index}", START) is not None
    assert len(state.reserved) == LONGEST_LINE


# --- who has begun


def test_a_job_that_has_begun_goes_on_before_those_who_have_not() -> None:
    state = full()
    for index in range(6):
        take(state, RULE, f"job{index}", START)
    now = START + SPAN
    assert take(state, RULE, "job0", now) is None
    assert [take(state, RULE, "job0", now) for _ in range(4)] == [None] * 4
    assert take(state, RULE, "job1", now) == now + SPAN
    assert take(state, RULE, "job0", now) == now + SPAN
    assert next(iter(state.reserved)) == "job0"


def test_a_job_has_so_many_calls_in_a_row_and_then_stands_at_the_end() -> None:
    state = full()
    take(state, RULE, "waits", START + seconds(15))
    now = START + SPAN
    for _ in range(4):
        assert take(state, RULE, "long", now) is None
    assert state.begun["long"].calls == 4
    state.begun["long"] = Begun(at=now, calls=IN_A_ROW - 1)
    assert take(state, RULE, "waits", now) is None
    assert take(state, RULE, "other", now) == take(state, RULE, "long", now) == now + SPAN
    assert list(state.reserved) == ["long", "other"]
    now += SPAN
    assert take(state, RULE, "long", now) is None
    assert "long" not in state.begun
    assert [take(state, RULE, job, now) for job in ("other", "a", "b", "c")] == [None] * 4
    assert take(state, RULE, "newcomer", now) == take(state, RULE, "long", now) == now + SPAN
    assert list(state.reserved) == ["newcomer", "long"]


def test_who_has_begun_and_does_not_come_back_is_forgotten() -> None:
    state = full()
    take(state, RULE, "waits", START + seconds(25))
    now = START + SPAN
    assert take(state, RULE, "gone", now) is None
    assert set(state.begun) == {"gone"}
    take(state, RULE, "waits", now + STALE)
    assert not state.begun


def test_where_nobody_waits_there_is_no_order_to_keep() -> None:
    assert not full().begun


# --- whom somebody waits for


def test_a_job_that_somebody_waits_for_goes_before_a_backlog_but_not_before_its_likes() -> None:
    state = full()
    for index in range(12):
        take(state, RULE, f"old{index}", START)
    now = START + seconds(10)
    assert take(state, RULE, "first", now, urgent_until=now + SPAN) == START + SPAN
    assert take(state, RULE, "second", now, urgent_until=now + SPAN) == START + SPAN
    assert list(state.reserved)[:3] == ["first", "second", "old0"]
    assert take(state, RULE, "old4", now) == START + 2 * SPAN


def test_it_goes_before_those_of_the_backlog_that_have_begun_too() -> None:
    state = full()
    for index in range(8):
        take(state, RULE, f"old{index}", START)
    now = START + SPAN
    assert [take(state, RULE, f"old{index}", now) for index in range(5)] == [None] * 5
    for index in range(5):
        take(state, RULE, f"old{index}", now)
    assert take(state, RULE, "new", now, urgent_until=now + SPAN) == now + SPAN
    assert list(state.reserved) == ["new", "old0", "old1", "old2", "old3", "old4", "old5", "old6", "old7"]


def test_who_has_stood_in_the_line_for_long_is_part_of_the_backlog() -> None:
    state = full()
    for index in range(12):
        take(state, RULE, f"old{index}", START, urgent_until=START + seconds(5))
    now = START + seconds(10)
    assert take(state, RULE, "new", now, urgent_until=now + SPAN) == START + SPAN
    assert next(iter(state.reserved)) == "new"


def test_who_finds_the_line_full_is_let_in_when_somebody_waits_for_it() -> None:
    state = full()
    for index in range(LONGEST_LINE):
        take(state, RULE, f"job{index}", START)
    assert take(state, RULE, "new", START, urgent_until=START + SPAN) == START + SPAN
    assert len(state.reserved) == LONGEST_LINE
    assert next(iter(state.reserved)) == "new"


# --- a 429


def test_a_pause_moves_the_whole_line_and_keeps_its_order() -> None:
    state = full()
    before = [take(state, RULE, f"job{index}", START) for index in range(12)]
    push_back(state, RULE, START + seconds(1), 100)
    assert list(state.reserved) == [f"job{index}" for index in range(12)]
    moved = list(state.reserved.values())
    assert moved == sorted(moved)
    assert moved[:5] == [START + seconds(101)] * 5
    assert moved[5] == START + seconds(101) + SPAN
    assert all(later >= earlier for earlier, later in zip(before, moved, strict=True) if earlier)


def test_a_pause_shorter_than_the_window_moves_nobody_who_waits_longer() -> None:
    state = full()
    take(state, RULE, "job", START)
    push_back(state, RULE, START, 5)
    assert state.reserved == {"job": START + SPAN}


def test_without_a_time_the_pause_is_a_window() -> None:
    state = BudgetState()
    push_back(state, RULE, START, None)
    assert take(state, RULE, "job", START) == START + RULE.window
    assert take(state, RULE, "job", START + RULE.window) is None


def test_a_shorter_pause_does_not_end_a_longer_one() -> None:
    state = BudgetState()
    push_back(state, RULE, START, 60)
    push_back(state, RULE, START, 1)
    assert state.blocked_until == START + seconds(60)


@pytest.mark.parametrize("retry_after", [1e300, math.inf, 86_400.0])
def test_a_pause_is_believed_for_an_hour(retry_after: float) -> None:
    state = BudgetState()
    push_back(state, RULE, START, retry_after)
    assert state.blocked_until == START + LONGEST_PAUSE


@pytest.mark.parametrize("retry_after", [math.nan, -1.0, -math.inf])
def test_a_pause_that_is_none_is_a_window(retry_after: float) -> None:
    state = BudgetState()
    push_back(state, RULE, START, retry_after)
    assert state.blocked_until == START + RULE.window


# --- live before spare


@pytest.mark.parametrize(("calls", "spare"), [(1, 1), (2, 1), (3, 1), (4, 1), (5, 2), (10, 4), (50, 20)])
def test_spare_calls_leave_most_slots_for_live_ones(calls: int, spare: int) -> None:
    state, rule = BudgetState(), BudgetRule(calls=calls, window=seconds(30))
    assert [take_spare(state, rule, START) for _ in range(spare)] == [None] * spare
    later = take_spare(state, rule, START)
    assert later is not None
    assert later > START
    live = [take(state, rule, f"live {index}", START) for index in range(calls - spare)]
    assert live == [None] * (calls - spare)


def test_spare_calls_wait_for_everyone_in_the_line() -> None:
    state = full()
    slot = take(state, RULE, "live", START)
    assert slot is not None
    later = take_spare(state, RULE, slot)
    assert later is not None
    assert later > slot
    assert take(state, RULE, "live", slot) is None
    assert take_spare(state, RULE, slot) is None


def test_spare_calls_start_even_when_the_rule_is_one_call() -> None:
    rule = BudgetRule(calls=1, window=seconds(30))
    state = BudgetState()
    assert take_spare(state, rule, START) is None
    assert take_spare(state, rule, START) is not None


@given(rule=rules, plan=steps)
def test_a_spare_call_never_makes_a_waiting_job_wait_longer(rule: BudgetRule, plan: list[Step]) -> None:
    def watch(state: BudgetState, step: Step, now: datetime) -> None:
        after = state.model_copy(deep=True)
        if step.who == SPARE and take_spare(after, rule, now) is None:
            assert not [job for job, slot in state.reserved.items() if slot > now - STALE]

    run(rule, plan, watch)


# --- a backlog


@dataclass
class Backlog:
    """Jobs of several calls each, whose messages an SQS queue hides for whole seconds.

    As in the worker: a slot within `PATIENCE` is waited for, for a later one the message is put off.
    """

    jobs: int
    calls: int
    call_seconds: float = 0.2
    lateness: Callable[[], float] = field(default=lambda: 0.0)
    starts: list[datetime] = field(default_factory=list)
    first_of: list[int] = field(default_factory=list)

    def run(self) -> None:
        state = BudgetState()
        left = [self.calls] * self.jobs
        due = [(START + seconds(index / 100), index) for index in range(self.jobs)]
        heapq.heapify(due)
        while due:
            now, job = heapq.heappop(due)
            slot = take(state, RULE, f"job{job}", now)
            if slot is None:
                self.starts.append(now)
                if left[job] == self.calls:
                    self.first_of.append(job)
                left[job] -= 1
                if left[job]:
                    heapq.heappush(due, (now + seconds(self.call_seconds), job))
            elif slot - now <= PATIENCE:
                heapq.heappush(due, (slot, job))
            else:
                hidden = seconds(seconds_until(slot, now) + self.lateness())
                heapq.heappush(due, (now + hidden, job))

    @property
    def used(self) -> float:
        """How much of the budget was used, between the first call and the last."""
        ideal = (len(self.starts) / RULE.calls - 1) * RULE.window
        return ideal / (self.starts[-1] - self.starts[0])

    def within_limit(self) -> bool:
        pairs = zip(self.starts, self.starts[RULE.calls :], strict=False)
        return all(later - earlier > RULE.window for earlier, later in pairs)


def test_a_backlog_uses_nearly_all_of_the_budget_and_never_more() -> None:
    backlog = Backlog(jobs=200, calls=3)
    backlog.run()
    assert len(backlog.starts) == 600
    assert backlog.within_limit()
    assert backlog.used >= 0.95


def test_a_backlog_is_worked_off_in_its_order() -> None:
    backlog = Backlog(jobs=200, calls=3)
    backlog.run()
    assert backlog.first_of == list(range(200))


@pytest.mark.parametrize("seed", range(5))
def test_late_messages_cost_little(seed: int) -> None:
    """Up to a second late, as SQS and a busy worker are now and then."""
    chance = random.Random(seed)
    backlog = Backlog(jobs=200, calls=3, lateness=chance.random)
    backlog.run()
    assert len(backlog.starts) == 600
    assert backlog.within_limit()
    assert backlog.used >= 0.93
