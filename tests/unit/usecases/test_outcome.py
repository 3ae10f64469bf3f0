"""What became of a popup: a fact and a count, and never more than a signup can bear."""

from onramp.domain.outcome import MOST, OutcomeType, PopupOutcome
from onramp.domain.signup import Client, Signup
from onramp.domain.states import SignupStatus
from onramp.usecases.outcome import note_outcome
from tests.unit.usecases.bench import EMAIL, TENANT, Bench

CANCELLED = PopupOutcome(OutcomeType.CANCELLED, "PHONE_NUMBER_SETUP", "524126", "f34b")


def test_an_outcome_is_a_fact_and_leaves_the_signup_open(bench: Bench) -> None:
    client = Client(email=EMAIL)
    signup = Signup.open(
        signup_id="s1", tenant=TENANT, client=client, plan_tier="regular", reference=None, now=bench.now
    )
    bench.store.commit(signup)
    note_outcome(bench.ports, signup, CANCELLED)
    fact = bench.store.facts_of(signup.id, 10)[-1]
    assert fact.type == "signup.outcome"
    assert fact.detail == {
        "outcome": "cancelled",
        "step": "PHONE_NUMBER_SETUP",
        "error_code": "524126",
        "session_id": "f34b",
    }
    assert bench.load(signup.id).status(bench.now) is SignupStatus.OPEN
    assert bench.count("PopupOutcomes") == 1


def test_beyond_twenty_outcomes_are_only_counted(bench: Bench) -> None:
    signup = bench.signup()
    for _ in range(MOST + 5):
        note_outcome(bench.ports, bench.load(signup.id), CANCELLED)
    # One that read the signup before the others wrote.
    note_outcome(bench.ports, signup, CANCELLED)
    assert bench.told(signup.id).count("signup.outcome") == MOST
    assert bench.load(signup.id).outcomes == MOST
    assert bench.count("PopupOutcomes") == MOST + 6
