"""The one loop: what an attempt raises becomes a value, and what follows is decided here."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from onramp.domain.budget import BudgetState
from onramp.domain.census import Census
from onramp.domain.errors import (
    Ambiguous,
    LeaseLost,
    Permanent,
    PutOff,
    Throttled,
    Transient,
    UnavailableError,
    Unreadable,
)
from onramp.domain.records import Worked
from onramp.domain.schedule import RETRY_SECONDS
from onramp.usecases.attempt import AgainAt, Done, GivenUp, Outcome, PutOffUntil, attempt, comes_back
from tests.unit.usecases.bench import Bench

MINUTE = timedelta(minutes=1)


class Task:
    """Work that does what it is told, on a record of no meaning."""

    def __init__(self, bench: Bench, *troubles: Exception | None) -> None:
        self._bench = bench
        self.record: Worked = Census()
        self.troubles = list(troubles)
        self.done = 0
        self.nothing_to_do = False
        self.refuse_to_settle: Exception | None = None
        self.settled: list[Outcome] = []

    @property
    def fields(self) -> dict[str, str | float | None]:
        return {"task": "test"}

    def take(self) -> bool:
        if self.nothing_to_do:
            return False
        self.record.lend("me", self._bench.now)
        return True

    def do(self) -> None:
        self.done += 1
        trouble = self.troubles.pop(0) if self.troubles else None
        if trouble is not None:
            raise trouble

    def settle(self, outcome: Outcome) -> Outcome:
        if self.refuse_to_settle is not None:
            raise self.refuse_to_settle
        match outcome:
            case PutOffUntil(waits=waits):
                self.record.give_back(self._bench.now, counted=False, waits=waits)
            case AgainAt(waits=waits):
                self.record.give_back(self._bench.now, counted=True, waits=waits)
            case _:
                self.record.begin_anew()
        self.settled.append(outcome)
        return outcome


def test_what_works_is_done(bench: Bench) -> None:
    task = Task(bench)
    assert attempt(bench.ports, task) == Done()
    assert task.settled == [Done()]
    assert comes_back(Done()) is None


def test_where_nothing_is_to_be_done_nothing_is_settled(bench: Bench) -> None:
    task = Task(bench)
    task.nothing_to_do = True
    assert attempt(bench.ports, task) == Done()
    assert (task.done, task.settled) == (0, [])


def test_what_somebody_else_has_comes_again_when_he_should_be_done(bench: Bench) -> None:
    task = Task(bench)
    task.record.lend("somebody else", bench.now)
    outcome = attempt(bench.ports, task)
    assert isinstance(outcome, PutOffUntil)
    assert bench.now < outcome.at < bench.now + MINUTE
    assert comes_back(outcome) == outcome.at
    assert (task.done, task.settled) == (0, [])
    assert task.record.attempts == 1


@pytest.mark.parametrize(
    "trouble",
    [Transient("partner_unavailable", status=503), Ambiguous("partner_unavailable")],
    ids=["transient", "ambiguous"],
)
def test_a_failed_attempt_follows_the_schedule_to_its_end(bench: Bench, trouble: Exception) -> None:
    task = Task(bench, *[trouble] * 20)
    delays = []
    for number in range(1, len(RETRY_SECONDS) + 1):
        outcome = attempt(bench.ports, task)
        assert isinstance(outcome, AgainAt)
        assert (outcome.code, outcome.waits) == ("partner_unavailable", False)
        assert task.record.attempts == number
        assert task.record.lease is None
        delays.append((outcome.at - bench.now).total_seconds())
        bench.clock.set(outcome.at)
    assert all(0 <= delay <= most for delay, most in zip(delays, RETRY_SECONDS, strict=True))
    last = attempt(bench.ports, task)
    assert last == GivenUp("partner_unavailable", getattr(trouble, "status", None), exhausted=True)
    assert comes_back(last) is None


def test_what_is_refused_for_good_is_given_up_at_once(bench: Bench) -> None:
    task = Task(bench, Permanent("submission_rejected", status=400, reference="r-1"))
    assert attempt(bench.ports, task) == GivenUp("submission_rejected", 400)
    ((_, message, fields),) = [line for line in bench.telemetry.lines if line[0] == "warn"]
    assert message == "refused for good"
    assert fields == {"code": "submission_rejected", "status": 400, "reference": "r-1", "task": "test"}


def test_a_bug_is_an_attempt_and_says_only_its_kind(bench: Bench) -> None:
    task = Task(bench, ValueError("token-123"))
    outcome = attempt(bench.ports, task)
    assert isinstance(outcome, AgainAt)
    assert outcome.code == "internal_error"
    assert "token-123" not in str(bench.telemetry.lines)
    assert "ValueError" in str(bench.telemetry.lines)


def test_runs_that_all_died_are_given_up_without_another_one(bench: Bench) -> None:
    task = Task(bench)
    task.record.attempts = len(RETRY_SECONDS) + 1
    assert attempt(bench.ports, task) == GivenUp("internal_error", exhausted=True)
    assert task.done == 0


def test_a_lost_lease_is_looked_after_and_nothing_is_written(bench: Bench) -> None:
    for make in (lambda task: task.troubles.append(LeaseLost("x")), _refuse(LeaseLost("x"))):
        task = Task(bench)
        make(task)
        outcome = attempt(bench.ports, task)
        assert isinstance(outcome, PutOffUntil)
        assert outcome.at == bench.now + timedelta(seconds=30)
        assert task.settled == []
    assert bench.telemetry.warnings() == ["lease lost"] * 2


def _refuse(trouble: Exception) -> Callable[[Task], None]:
    def refuse(task: Task) -> None:
        task.refuse_to_settle = trouble

    return refuse


def test_what_storage_raises_goes_through(bench: Bench) -> None:
    task = Task(bench)
    task.refuse_to_settle = UnavailableError("table")
    with pytest.raises(UnavailableError):
        attempt(bench.ports, task)


# --- waiting


def test_a_place_in_the_line_is_no_attempt_however_long_it_lasts(bench: Bench) -> None:
    task = Task(bench, *[PutOff(bench.now, "budget", bounded=False)] * 200)
    for _ in range(200):
        outcome = attempt(bench.ports, task)
        assert isinstance(outcome, PutOffUntil)
        assert not outcome.waits
        bench.wait(600)
    assert task.record.attempts == 0
    assert task.record.waiting_since is None


def test_other_waits_are_attempts_after_an_hour_and_have_an_end(bench: Bench) -> None:
    task = Task(bench)
    began = bench.now
    free = counted = 0
    while True:
        until = bench.now + 5 * MINUTE
        task.troubles = [PutOff(until, "something else first")]
        outcome = attempt(bench.ports, task)
        if isinstance(outcome, GivenUp):
            break
        assert isinstance(outcome, PutOffUntil | AgainAt)
        assert outcome.waits
        assert outcome.at >= until
        free += isinstance(outcome, PutOffUntil)
        counted += isinstance(outcome, AgainAt)
        if counted == 0:
            assert bench.now - began < timedelta(hours=1)
        bench.clock.set(outcome.at)
    assert (outcome.code, outcome.exhausted) == ("partner_unavailable", True)
    assert free == 12
    assert counted == len(RETRY_SECONDS)


def test_an_attempt_between_two_waits_begins_the_hour_anew(bench: Bench) -> None:
    task = Task(bench, PutOff(bench.now, "w"), Transient("x"), PutOff(bench.now, "w"))
    attempt(bench.ports, task)
    bench.wait(50 * 60)
    assert isinstance(attempt(bench.ports, task), AgainAt)
    assert task.record.waiting_since is None
    bench.wait(50 * 60)
    assert isinstance(attempt(bench.ports, task), PutOffUntil)
    assert task.record.waiting_since == bench.now


# --- throttled


def test_who_is_throttled_once_makes_everybody_rest_and_then_rests_alone(bench: Bench) -> None:
    task = Task(bench, *[Throttled("partner_unavailable", retry_after=60)] * 2)
    outcome = attempt(bench.ports, task)
    assert isinstance(outcome, PutOffUntil)
    assert outcome.at == bench.now + MINUTE
    assert outcome.waits
    state = bench.store.read(BudgetState, "default")
    assert state is not None
    assert state.blocked_until == bench.now + MINUTE
    bench.wait(60)
    assert isinstance(attempt(bench.ports, task), PutOffUntil)
    assert bench.store.read(BudgetState, "default") == state
    assert bench.count("PartnerThrottled") == 2
    assert task.record.attempts == 0


def test_who_is_always_throttled_comes_to_an_end(bench: Bench) -> None:
    task = Task(bench, *[Throttled("partner_unavailable")] * 1_000)
    outcome: Outcome = Done()
    for _ in range(1_000):
        outcome = attempt(bench.ports, task)
        if isinstance(outcome, GivenUp):
            break
        assert isinstance(outcome, PutOffUntil | AgainAt)
        bench.clock.set(outcome.at)
    assert outcome == GivenUp("partner_unavailable", exhausted=True)


def test_a_crash_names_file_and_line_of_ours_and_the_text_of_our_own_errors(bench: Bench) -> None:
    def crash(trouble: Exception) -> dict[str, Any]:
        bench.telemetry.lines.clear()
        attempt(bench.ports, Task(bench, trouble))
        ((level, message, fields),) = bench.telemetry.lines
        assert (level, message) == ("warn", "attempt crashed")
        return fields

    foreign = crash(KeyError("+49 151 23456789"))
    assert foreign["error"] == "KeyError"
    assert re.fullmatch(r"onramp/usecases/attempt\.py:\d+", str(foreign["where"]))
    assert "text" not in foreign
    own = crash(Unreadable("CLIENT#default#owner@example.com"))
    assert (own["error"], own["text"]) == ("Unreadable", "C***@example.com")
    assert bench.count("RecordsCrashed") == 2


def test_a_service_of_ours_that_does_not_answer_is_no_crash(bench: Bench) -> None:
    outcome = attempt(bench.ports, Task(bench, UnavailableError("keys")))
    assert isinstance(outcome, AgainAt)
    assert (bench.count("RecordsCrashed"), bench.count("ServicesUnavailable")) == (0, 1)
    ((_, message, fields),) = bench.telemetry.lines
    assert (message, fields["unavailable"]) == ("a service does not answer", "keys")
