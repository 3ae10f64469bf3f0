"""Many at once, in memory and on MiniStack; moto is not made for threads."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from onramp.domain.errors import LeaseLost, PutOff
from onramp.domain.signup import Signup
from onramp.ports import ClientRecord, Conflict, EventClaim, NumberTaken
from onramp.usecases.changing import change
from tests.contract.conftest import Stores
from tests.contract.examples import CHANNEL, at_once, event, pointer, signup

RIVALS = 8

several_times = pytest.mark.parametrize("turn", range(5))


def made(stores: Stores, signup_id: str = "s1", digits: str = "4915123456789") -> Signup:
    return stores.signups.create_signup(signup(signup_id, digits=digits), None)


def stored(stores: Stores, signup_id: str = "s1") -> Signup:
    found = stores.signups.load(signup_id)
    assert found is not None
    return found


def until_no_conflict[T](work: Callable[[], T]) -> T:
    while True:
        try:
            return work()
        except Conflict:
            continue


def test_repeats_at_once_give_one_signup(shared: Stores) -> None:
    results = at_once(
        RIVALS, lambda index: shared.signups.create_signup(signup(f"s{index}"), ("key", "print"))
    )
    assert len({result.id if isinstance(result, Signup) else str(result) for result in results}) == 1
    assert sum(shared.signups.load(f"s{index}") is not None for index in range(RIVALS)) == 1


@several_times
def test_one_of_many_saves_upon_one_version_wins(shared: Stores, turn: int) -> None:
    base = made(shared)

    def save(index: int) -> Signup:
        mine = base.model_copy(update={"reference": str(index)}, deep=True)
        # Half of them are plain writes, half transactions.
        return shared.signups.save(mine, channel=("c1", pointer(mine)) if index % 2 else None)

    results = at_once(RIVALS, save)
    winners = [result for result in results if isinstance(result, Signup)]
    assert winners == [stored(shared)]
    assert sum(isinstance(result, Conflict) for result in results) == RIVALS - 1, results


def test_no_change_is_lost_by_the_loop(shared: Stores) -> None:
    before = made(shared).event_count

    def edit(found: Signup) -> None:
        found.event_count += 1

    results = at_once(4, lambda _: change(shared.signups, "s1", edit))
    assert all(isinstance(result, Signup) for result in results), results
    assert stored(shared).event_count == before + 4


@several_times
def test_a_number_goes_to_one_of_many_signups(shared: Stores, turn: int) -> None:
    rivals = [made(shared, f"s{index}", f"49{index}") for index in range(RIVALS)]

    def claim(index: int) -> Signup:
        mine = rivals[index]
        return until_no_conflict(lambda: shared.signups.save(mine, claims=[pointer(mine, "p")]))

    results = at_once(RIVALS, claim)
    winners = [result.id for result in results if isinstance(result, Signup)]
    assert sum(isinstance(result, NumberTaken) for result in results) == RIVALS - 1, results
    held = shared.signups.find_claim("p")
    assert held is not None
    assert winners == [held.signup_id]
    assert sum(shared.signups.find_digits(f"49{index}") is not None for index in range(RIVALS)) == 1


@several_times
def test_an_event_goes_to_one_of_many_runs(shared: Stores, turn: int) -> None:
    now = shared.clock.now()
    results = at_once(RIVALS, lambda index: shared.events.claim_event(event(), f"run{index}", now))
    assert sum(isinstance(result, EventClaim) for result in results) == 1, results
    assert sum(isinstance(result, PutOff) for result in results) == RIVALS - 1, results


@several_times
def test_a_dead_lease_goes_to_one_of_many_runs(shared: Stores, turn: int) -> None:
    shared.events.claim_event(event(), "dead", shared.clock.now())
    now = shared.clock.advance(timedelta(seconds=91))
    results = at_once(RIVALS, lambda index: shared.events.claim_event(event(), f"run{index}", now))
    assert [result.attempts for result in results if isinstance(result, EventClaim)] == [2], results
    assert sum(isinstance(result, PutOff) for result in results) == RIVALS - 1, results


@pytest.mark.parametrize("turn", range(15))
def test_an_event_is_applied_or_parked_never_both_and_never_lost(shared: Stores, turn: int) -> None:
    """Parking an event races with the submission of its number."""
    rival = made(shared)
    claim = shared.events.claim_event(event(), "run1", shared.clock.now())
    assert claim is not None

    def park() -> None:
        now = shared.clock.now()
        shared.events.park_event(claim, event(), CHANNEL, "WABA#w1", now=now, due_at=None)

    def submit() -> None:
        until_no_conflict(lambda: shared.signups.save(rival, claims=[pointer(rival)]))

    parking, submitting = at_once(2, lambda index: (park, submit)[index]())
    assert submitting is None
    assert parking is None or isinstance(parking, Conflict)
    # Parked before the number came, it is found when the number's worker looks there.
    assert len(shared.events.parked("WABA#w1")) == (parking is None)


@several_times
def test_an_event_ends_in_one_of_two_rival_writes(shared: Stores, turn: int) -> None:
    """The old owner's save and the new owner's takeover cannot both succeed."""
    base = made(shared)
    old = shared.events.claim_event(event(), "old", shared.clock.now())
    now = shared.clock.advance(timedelta(seconds=91))

    def race(index: int) -> object:
        if index == 0:
            return shared.signups.save(base, done=old, outcome="applied")
        return shared.events.claim_event(event(), "new", now)

    applied, taken = at_once(2, race)
    if isinstance(applied, Signup):
        assert taken is None
    else:
        assert isinstance(applied, (LeaseLost, Conflict)), applied
        assert isinstance(taken, EventClaim), taken


def test_one_of_many_writes_to_a_client_wins(shared: Stores) -> None:
    empty = ClientRecord("acme", "jane@example.com")
    results = at_once(
        RIVALS, lambda index: shared.clients.save_client(replace(empty, client_id=f"{index % 2}CL"))
    )
    assert sum(isinstance(result, ClientRecord) for result in results) == 1, results
    assert sum(isinstance(result, Conflict) for result in results) == RIVALS - 1, results


def test_a_client_id_goes_to_one_of_many_tenants(shared: Stores) -> None:
    results = at_once(RIVALS, lambda index: shared.clients.own_client("abcCL", f"tenant{index}"))
    assert results.count(True) == 1
    assert results.count(False) == RIVALS - 1


@several_times
def test_the_budget_lets_no_more_start_than_it_may(shared: Stores, turn: int) -> None:
    budgets = [shared.budget("partner") for _ in range(RIVALS)]
    now = shared.clock.now()
    results = at_once(RIVALS * 3, lambda index: budgets[index % RIVALS].take(f"job{index}", now))
    assert results.count(None) == 5, results
    assert sum(isinstance(result, datetime) for result in results) == RIVALS * 3 - 5, results
