"""Changing what is stored: again when somebody was faster, with all that must be written along."""

from collections.abc import Callable
from typing import Any

import pytest

from onramp.domain.errors import Conflict, Problem, UnavailableError
from onramp.domain.ledger import EventRecord, Outcome
from onramp.domain.number import Number
from onramp.domain.signup import Signup
from onramp.domain.states import Progress
from onramp.usecases.changing import TRIES, change, change_number, wake
from tests.unit.usecases.bench import Bench


def cancel(bench: Bench) -> Callable[[Number], None]:
    def edit(number: Number) -> None:
        number.cancelled_at = bench.now

    return edit


def contested(bench: Bench, losses: int) -> None:
    """The first writes lose their race."""
    commit = bench.store.commit
    left = [losses]

    def lose(*records: Any, **more: Any) -> None:
        if left[0]:
            left[0] -= 1
            raise Conflict
        commit(*records, **more)

    bench.store.commit = lose  # type: ignore[method-assign]


def test_an_edit_that_changes_nothing_writes_nothing(bench: Bench) -> None:
    bench.submit()
    before = bench.number().version
    change_number(bench.ports, "1001", lambda _: None)
    assert bench.number().version == before


def test_a_record_that_is_not_there_is_a_problem(bench: Bench) -> None:
    with pytest.raises(Problem, match="not_found"):
        change(bench.ports, Signup, ("nobody",), lambda _: None)


def test_an_edit_runs_again_on_what_somebody_else_has_written(bench: Bench) -> None:
    bench.submit()
    seen: list[str | None] = []

    def edit(number: Number) -> None:
        seen.append(number.verified_name)
        if len(seen) == 1:
            bench.change(verified_name="somebody else")
        number.plan_tier = "premium"

    saved = change_number(bench.ports, "1001", edit)
    assert seen == [None, "somebody else"]
    assert (saved.verified_name, saved.plan_tier) == ("somebody else", "premium")
    assert len(bench.clock.sleeps) == 1


def test_a_race_that_is_always_lost_has_an_end(bench: Bench) -> None:
    bench.submit()
    contested(bench, 1_000)
    with pytest.raises(UnavailableError):
        change_number(bench.ports, "1001", cancel(bench))
    assert len(bench.clock.sleeps) == TRIES


def test_what_an_edit_raises_goes_through_and_nothing_is_written(bench: Bench) -> None:
    bench.submit()

    def edit(number: Number) -> None:
        number.verified_name = "changed"
        raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011 - it has no text
        change_number(bench.ports, "1001", edit)
    assert bench.number().verified_name is None


# --- the signup's counts


def test_the_signup_is_counted_anew_with_the_number(bench: Bench) -> None:
    bench.submit(numbers=("1001", "1002"))
    contested(bench, 1)
    change_number(bench.ports, "1001", cancel(bench))
    assert bench.load().counts == {"onboarding": 1, "cancelled": 1}
    version = bench.load().version
    change_number(bench.ports, "1002", lambda number: setattr(number, "progress", Progress.LIVE))
    assert bench.load().version == version


def test_a_number_that_its_signup_does_not_have_any_more_is_not_counted(bench: Bench) -> None:
    bench.submit()
    signup = bench.load()
    signup.lose("1001", bench.number().standing, bench.now)
    bench.store.commit(signup)
    change_number(bench.ports, "1001", cancel(bench))
    assert bench.load().counts == {}
    bench.change(signup_id="gone")
    change_number(bench.ports, "1001", lambda number: setattr(number, "cancelled_at", None))
    assert bench.number().cancelled_at is None


# --- the ledger


def keep(bench: Bench, name: str, event_id: str, **data: Any) -> EventRecord:
    """An event of channel c1 that waits for its number."""
    record = EventRecord.of(bench.event(name, event_id=event_id, **data), bench.now)
    record.end(Outcome.UNRESOLVED)
    bench.store.commit(record)
    return record


def test_a_number_that_gets_a_channel_takes_up_what_lies_there_in_one_write(bench: Bench) -> None:
    bench.submit()
    first = keep(bench, "channel_running", "a")
    second = keep(bench, "account_restriction", "b")
    contested(bench, 1)
    saved = change_number(bench.ports, "1001", lambda number: setattr(number, "channel_id", "c1"))
    assert (saved.progress, saved.restriction) == (Progress.RUNNING, "account_restriction")
    for record in (first, second):
        kept = bench.store.read(EventRecord, *record.identity)
        assert kept is not None
        assert (kept.outcome, kept.phone_number_id) == (Outcome.APPLIED, "1001")
    assert bench.told().count("number.restricted") == 1


def test_an_event_that_binds_its_own_channel_acts_once(bench: Bench) -> None:
    """It came before its number, lies in the ledger, and is tried once more."""
    event = bench.event("account_restriction")
    assert bench.tell("account_restriction") is not None
    assert bench.record(event).outcome == Outcome.UNRESOLVED
    bench.submit()
    bench.wait(10)
    assert bench.tell("account_restriction") is None
    assert bench.number().channel_id == "c1"
    assert bench.record(event).outcome == Outcome.APPLIED
    assert bench.told().count("number.restricted") == 1


def test_what_needs_attention_is_counted_once(bench: Bench) -> None:
    bench.submit()

    def edit(number: Number) -> None:
        number.second_channel = "c2"

    change_number(bench.ports, "1001", edit)
    change_number(bench.ports, "1001", edit)
    assert bench.count("NumbersAttention") == 1


# --- waking


def test_only_numbers_that_are_due_and_free_are_woken_in_one_request(bench: Bench) -> None:
    bench.submit(numbers=("1", "2", "3", "4"))
    held, later, done = bench.number("2"), bench.number("3"), bench.number("4")
    held.lend("somebody", bench.now)
    later.due_at = bench.ports.clock.now() + bench.ports.rules.look_after
    done.cancelled_at = bench.now
    wake(bench.ports, bench.number("1"), held, later, done)
    assert bench.queue.numbers == ["1"]
    bench.queue.broken = True
    wake(bench.ports, done)
    assert bench.telemetry.warnings() == []
    wake(bench.ports, bench.number("1"))
    assert bench.telemetry.warnings() == ["queue did not take jobs; the sweep sends them"]
