"""Many at once, in memory and on MiniStack; moto is not made for threads."""

from datetime import datetime, timedelta

import pytest

from onramp.adapters.memory import MemoryTelemetry
from onramp.domain.budget import BudgetRule, BudgetState
from onramp.domain.clients import ClientRecord
from onramp.domain.errors import Conflict, PutOff
from onramp.domain.facts import FactType
from onramp.domain.ledger import EventRecord
from onramp.domain.number import Number
from onramp.domain.records import LEASE, Stored
from onramp.domain.signup import Remembered, Signup
from onramp.ports import Ports, Rules
from onramp.usecases.budgeting import live_gate
from onramp.usecases.changing import change, change_number
from tests.contract.conftest import Stage
from tests.contract.examples import at_once, event, number, signup, stored

RIVALS = 8

several_times = pytest.mark.parametrize("turn", range(5))


def ports(stage: Stage) -> Ports:
    rules = Rules(budget=BudgetRule(calls=5, window=timedelta(seconds=30)))
    return Ports(store=stage.store, clock=stage.clock, telemetry=MemoryTelemetry(), rules=rules)


def commit(stage: Stage, *records: Stored) -> str:
    """Write; says whether it was the winner."""
    try:
        stage.store.commit(*records)
    except Conflict:
        return "lost"
    return "won"


def test_of_repeats_at_once_one_signup_is_made(shared: Stage) -> None:
    def open_one(index: int) -> str:
        key = Remembered(
            tenant="acme",
            key="k",
            signup_id=f"s{index}",
            fingerprint="f",
            until=shared.clock.now() + timedelta(days=1),
        )
        return commit(shared, signup(f"s{index}"), key)

    results = at_once(RIVALS, open_one)
    assert sorted(map(str, results)) == ["lost"] * (RIVALS - 1) + ["won"]
    kept = shared.store.read(Remembered, "acme", "k")
    assert kept is not None
    made = [index for index in range(RIVALS) if shared.store.read(Signup, f"s{index}") is not None]
    assert [f"s{index}" for index in made] == [kept.signup_id]


@several_times
def test_one_of_many_writes_upon_one_version_wins(shared: Stage, turn: int) -> None:
    shared.store.commit(signup())

    def save(index: int) -> str:
        mine = stored(shared.store, signup()).model_copy(update={"reference": str(index)})
        mine.version = 1
        if index % 2:
            # Half of them are plain writes, half transactions.
            mine.tell(FactType.SIGNUP_OPENED, shared.clock.now())
        return commit(shared, mine)

    results = at_once(RIVALS, save)
    assert sorted(map(str, results)) == ["lost"] * (RIVALS - 1) + ["won"]
    winner = results.index("won")
    assert stored(shared.store, signup()).reference == str(winner)
    assert stored(shared.store, signup()).version == 2
    assert len(shared.store.facts_of("s1", 99)) == winner % 2


def test_no_change_is_lost_by_the_loop(shared: Stage) -> None:
    shared.store.commit(signup())

    def edit(found: Signup) -> None:
        found.parts += 1
        found.tell(FactType.SIGNUP_OPENED, shared.clock.now())

    results = at_once(4, lambda _: change(ports(shared), Signup, ("s1",), edit))
    assert all(isinstance(result, Signup) for result in results), results
    assert stored(shared.store, signup()).parts == 4
    assert len(shared.store.facts_of("s1", 99)) == 4


def test_numbers_of_one_signup_that_end_at_once_are_all_counted(shared: Stage) -> None:
    names = [str(index) for index in range(6)]
    shared.store.commit(signup(submitted=names, counts={"onboarding": 6}), *(number(name) for name in names))

    def end(index: int) -> Number:
        def edit(found: Number) -> None:
            found.cancelled_at = shared.clock.now()

        return change_number(ports(shared), names[index], edit)

    results = at_once(len(names), end)
    assert all(isinstance(result, Number) for result in results), results
    assert stored(shared.store, signup()).counts == {"cancelled": 6}


@several_times
def test_a_number_goes_to_one_of_many_tenants(shared: Stage, turn: int) -> None:
    results = at_once(
        RIVALS, lambda index: commit(shared, signup(f"s{index}"), number("p", f"tenant{index}"))
    )
    assert results.count("won") == 1, results
    assert stored(shared.store, number("p")).tenant == f"tenant{results.index('won')}"
    made = [index for index in range(RIVALS) if shared.store.read(Signup, f"s{index}") is not None]
    assert made == [results.index("won")]


@several_times
@pytest.mark.parametrize("dead", [False, True], ids=["fresh", "after a crash"])
def test_an_event_goes_to_one_of_many_runs(shared: Stage, turn: int, dead: bool) -> None:
    if dead:
        crashed = event()
        crashed.lend("dead", shared.clock.now())
        shared.store.commit(crashed)
        shared.clock.advance(LEASE)

    def claim(index: int) -> str:
        record = shared.store.read(EventRecord, *event().identity) or event()
        try:
            record.lend(f"run{index}", shared.clock.now())
        except PutOff:
            return "put off"
        return commit(shared, record)

    results = at_once(RIVALS, claim)
    assert results.count("won") == 1, results
    assert stored(shared.store, event()).attempts == 1 + dead


def test_one_of_many_makes_the_record_of_a_client(shared: Stage) -> None:
    results = at_once(
        RIVALS, lambda index: commit(shared, ClientRecord(name="jane@example.com", tenant=f"tenant{index}"))
    )
    assert results.count("won") == 1, results
    assert results.count("lost") == RIVALS - 1, results


@several_times
def test_the_budget_lets_no_more_start_than_it_may(
    shared: Stage, turn: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The rivals' pauses would add up on their common clock, until the window is over.
    monkeypatch.setattr(shared.clock, "sleep", lambda _: None)

    def start(index: int) -> datetime | None:
        try:
            live_gate(ports(shared), f"job{index}")()
        except PutOff as wait:
            return wait.until
        return None

    results = at_once(RIVALS * 2, start)
    assert all(result is None or isinstance(result, datetime) for result in results), results
    state = stored(shared.store, BudgetState())
    assert results.count(None) == len(state.starts) == 5
