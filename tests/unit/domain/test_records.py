"""What every record has: a lease that outlives its holder, counted attempts, derived states."""

from datetime import timedelta

import pytest

from onramp.adapters.memory import START
from onramp.domain.census import Census
from onramp.domain.errors import FAILURES, PROBLEMS, LeaseLost, Permanent, Problem, PutOff
from onramp.domain.facts import FACTS, FactType
from onramp.domain.ledger import EventRecord, place_of
from onramp.domain.partner_events import Channel, read_event
from onramp.domain.records import HELD_PAUSE, LEASE, Stored
from onramp.domain.schedule import LONGEST_LOOK, RETRY_SECONDS, next_attempt, next_look
from onramp.domain.signup import ListedNumber, Signup, Waba, all_listed, parts_of
from onramp.domain.states import Progress, SignupStatus, Standing, is_known, rank, reaches, standing
from tests.contract.examples import signup


def test_a_record_without_a_name_is_none() -> None:
    with pytest.raises(NotImplementedError):
        _ = Stored().identity
    assert Stored().forgotten_at is None


def test_a_lease_keeps_others_away_until_it_is_over() -> None:
    record = Census()
    record.lend("one", START)
    record.require_lease("one")
    assert record.is_held(START)
    with pytest.raises(PutOff) as soon:
        record.lend("two", START)
    assert soon.value.until == START + HELD_PAUSE
    with pytest.raises(PutOff) as late:
        record.lend("two", START + LEASE - timedelta(seconds=1))
    assert late.value.until == START + LEASE
    with pytest.raises(LeaseLost):
        record.require_lease("two")
    record.lend("two", START + LEASE)
    assert record.attempts == 2
    with pytest.raises(LeaseLost):
        record.require_lease("one")


def test_a_run_that_takes_its_own_record_again_is_let_in() -> None:
    record = Census()
    record.lend("one", START)
    record.lend("one", START)
    assert record.attempts == 2


def test_waiting_is_remembered_since_its_beginning() -> None:
    record = Census()
    for second in range(3):
        at = START + timedelta(seconds=second)
        record.lend("one", at)
        record.give_back(at, counted=False, waits=True)
    assert (record.waiting_since, record.attempts) == (START, 0)
    record.lend("one", START)
    record.give_back(START, counted=False, waits=False)
    assert record.waiting_since is not None
    record.lend("one", START)
    record.give_back(START, counted=True, waits=False)
    assert record.model_dump(include={"waiting_since", "attempts"}) == {"waiting_since": None, "attempts": 1}


def test_attempts_are_spread_and_come_to_an_end() -> None:
    for attempts, seconds in enumerate(RETRY_SECONDS, start=1):
        assert next_attempt(attempts, START, lambda: 0.0) == START
        latest = next_attempt(attempts, START, lambda: 0.999)
        assert latest is not None
        assert latest < START + timedelta(seconds=seconds)
    assert next_attempt(len(RETRY_SECONDS) + 1, START, lambda: 0.5) is None
    assert next_attempt(1, START, lambda: 0.5, ()) is None


def test_looks_grow_to_six_hours_and_stay_there() -> None:
    waits = [next_look(looks, START) - START for looks in range(30)]
    assert waits == sorted(waits)
    assert waits[:3] == [timedelta(minutes=10), timedelta(minutes=20), timedelta(minutes=40)]
    assert waits[-1] == LONGEST_LOOK
    assert next_look(5, START, timedelta(days=1)) == START + timedelta(days=1)


# --- tables


def test_words_are_ranked_and_an_unknown_one_stands_behind_all() -> None:
    ranks = [rank(word) for word in Progress]
    assert ranks == sorted(set(ranks))
    assert rank("charmed") > max(ranks)
    assert not is_known("charmed")
    assert reaches("charmed", Progress.CONNECTED)
    assert standing("charmed") is Standing.ONBOARDING


def test_every_failure_says_what_to_do() -> None:
    for code, kind in FAILURES.items():
        assert kind.title, code
        assert kind.action.endswith("."), code


def test_every_problem_has_a_status_and_what_a_customer_is_shown() -> None:
    for code, kind in PROBLEMS.items():
        problem = Problem(code, "detail")
        assert 400 <= problem.kind.status < 600
        assert kind.customer, code
        assert problem.retryable == kind.retryable
    assert Problem("meta_unavailable", "d", retryable=False).retryable is False


def test_an_upstreams_refusal_says_its_code_status_and_reference() -> None:
    assert str(Permanent("x", status=400, reference="r")) == "x (status 400, r)"
    assert str(Permanent("x")) == "x (status None)"


def test_every_fact_is_in_the_table() -> None:
    assert set(FACTS) == set(FactType)


# --- signups


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ({}, SignupStatus.AUTHORIZED),
        ({"onboarding": 2, "connected": 1}, SignupStatus.ONBOARDING),
        ({"connected": 2}, SignupStatus.CONNECTED),
        ({"connected": 1, "cancelled": 1}, SignupStatus.CONNECTED),
        ({"cancelled": 1}, SignupStatus.ATTENTION),
        ({"cancelled": 1, "onboarding": 1}, SignupStatus.ONBOARDING),
        ({"connected": 9, "failed": 1}, SignupStatus.ATTENTION),
        ({"onboarding": 1, "restricted": 1}, SignupStatus.ATTENTION),
        ({"connected": 1, "failed": 0}, SignupStatus.CONNECTED),
    ],
)
def test_a_signups_status_is_derived_from_its_numbers(counts: dict[str, int], expected: SignupStatus) -> None:
    made: Signup = signup(waba=Waba(id="w", proof="p"), counts=counts)
    assert made.status(START + timedelta(days=9)) is expected


def test_numbers_are_gained_and_lost_once() -> None:
    made = signup()
    for _ in range(2):
        made.gain("1", Standing.FAILED, START)
    assert (made.submitted, made.counts) == (["1"], {"failed": 1})
    for _ in range(2):
        made.lose("1", Standing.FAILED, START)
    assert (made.submitted, made.counts) == ([], {})


@pytest.mark.parametrize("count", [0, 1, 100, 101, 250])
def test_a_list_of_any_length_is_put_together_again(count: int) -> None:
    numbers = [ListedNumber(phone_number_id=str(index)) for index in range(count)]
    parts = parts_of("s1", numbers)
    assert all_listed(reversed(parts)) == numbers
    assert len({part.identity for part in parts}) == len(parts) == -(-count // 100)


# --- events


def test_an_event_is_kept_at_its_channel_else_its_waba_else_its_digits() -> None:
    assert place_of(Channel(id="c", waba_id="w", digits="49")) == "CHANNEL#default#c"
    assert place_of(Channel(waba_id="w", digits="49"), "hub") == "WABA#hub#w"
    assert place_of(Channel(digits="49")) == "DIGITS#default#49"
    event = read_event({"id": "e", "event": "channel_live", "data": {"id": "c"}})
    assert EventRecord.of(event, START).event == event
