"""A wish for numbers is one write with its work; a number belongs to one signup of one tenant."""

from collections.abc import Callable
from typing import Any

import pytest

from onramp.domain.errors import Conflict, Permanent, Problem, UnavailableError
from onramp.domain.signup import Signup
from onramp.domain.states import Progress
from onramp.usecases.submit_numbers import AT_ONCE, TRIES, retry_number, retry_signup, submit_numbers
from tests.unit.usecases.bench import Bench, digits


def refused(call: Callable[[], object]) -> Problem:
    with pytest.raises(Problem) as caught:
        call()
    return caught.value


def failed(bench: Bench, name: str = "1001", code: str = "submission_rejected") -> None:
    """A number that 360dialog has refused."""
    bench.partner.troubles["submit_number"] = [Permanent(code, status=400)]
    bench.work(name)
    bench.queue.numbers.clear()
    assert bench.number(name).failure is not None


# --- which numbers


def test_named_numbers_are_taken_with_their_work_in_one_write_and_woken_in_one_request(bench: Bench) -> None:
    signup = bench.signup(numbers=("1001", "1002", "1003"))
    saved = submit_numbers(bench.ports, signup, ["1002", "1001", "1002"], None)
    assert saved == bench.load()
    assert saved.submitted == ["1002", "1001"]
    assert saved.counts == {"onboarding": 2}
    assert bench.queue.numbers == ["1002", "1001"]
    number = bench.number("1002")
    assert (number.progress, number.due_at, number.tenant) == (Progress.PENDING, bench.now, "acme")
    assert (number.digits, number.reference, number.plan_tier) == (digits("1002"), "ref", "regular")
    assert number.authorized_at == signup.authorized_at
    assert bench.told() == ["number.pending"] * 2


def test_the_number_the_browser_claimed_is_taken_without_naming_it(bench: Bench) -> None:
    signup = bench.signup(numbers=("1001", "1002"), claimed="1002")
    assert submit_numbers(bench.ports, signup, (), None).submitted == ["1002"]


def test_the_only_number_is_taken_without_naming_it(bench: Bench) -> None:
    assert submit_numbers(bench.ports, bench.signup(), (), None).submitted == ["1001"]


@pytest.mark.parametrize("numbers", [("1001", "1002"), ()], ids=["several", "none"])
def test_without_a_claim_the_caller_is_asked(bench: Bench, numbers: tuple[str, ...]) -> None:
    problem = refused(lambda: submit_numbers(bench.ports, bench.signup(numbers=numbers), (), None))
    assert problem.code == "number_ambiguous"
    assert problem.candidates is not None
    assert [candidate["phone_number_id"] for candidate in problem.candidates] == list(numbers)


def test_before_the_proof_nothing_can_be_submitted(bench: Bench) -> None:
    signup = bench.signup(waba="2001")
    signup.waba = None
    assert refused(lambda: submit_numbers(bench.ports, signup, (), None)).code == "not_authorized_yet"


def test_a_number_that_is_not_the_wabas_is_named(bench: Bench) -> None:
    problem = refused(lambda: submit_numbers(bench.ports, bench.signup(), ["1001", "999"], None))
    assert problem.code == "number_not_in_waba"
    assert problem.errors[0]["field"] == "phone_number_ids.1"
    assert bench.load().submitted == []


def test_the_plan_tier_of_the_call_wins_over_the_signups(bench: Bench) -> None:
    submit_numbers(bench.ports, bench.signup(), (), "premium")
    assert bench.number().plan_tier == "premium"


def test_very_many_numbers_are_taken_in_several_writes(bench: Bench) -> None:
    names = [f"{index:04d}" for index in range(2 * AT_ONCE + 5)]
    saved = submit_numbers(bench.ports, bench.signup(numbers=names), names, None)
    assert saved.submitted == names
    assert saved.counts == {"onboarding": len(names)}
    assert bench.queue.numbers == names


# --- again


def test_a_repeat_sends_a_lost_job_again_and_changes_nothing(bench: Bench) -> None:
    signup = bench.submit()
    again = submit_numbers(bench.ports, bench.load(), (), None)
    assert again.version == signup.version
    assert bench.queue.numbers == ["1001"]


def test_a_second_wish_for_more_numbers_adds_them(bench: Bench) -> None:
    signup = bench.signup(numbers=("1001", "1002"))
    submit_numbers(bench.ports, signup, ["1001"], None)
    saved = submit_numbers(bench.ports, bench.load(), ["1001", "1002"], None)
    assert saved.submitted == ["1001", "1002"]


def test_when_the_queue_does_not_answer_the_wish_is_stored(bench: Bench) -> None:
    bench.queue.broken = True
    problem = refused(lambda: submit_numbers(bench.ports, bench.signup(), (), None))
    assert (problem.code, problem.retryable) == ("unavailable", True)
    assert bench.number().due_at == bench.now
    bench.queue.broken = False
    submit_numbers(bench.ports, bench.load(), (), None)
    assert bench.queue.numbers == ["1001"]


def contested(bench: Bench, losses: int) -> None:
    commit = bench.store.commit
    left = [losses]

    def lose(*records: Any, **more: Any) -> None:
        if left[0]:
            left[0] -= 1
            raise Conflict
        commit(*records, **more)

    bench.store.commit = lose  # type: ignore[method-assign]


def test_a_lost_race_is_run_again(bench: Bench) -> None:
    signup = bench.signup()
    contested(bench, 2)
    assert submit_numbers(bench.ports, signup, (), None).submitted == ["1001"]
    assert len(bench.store.facts_of("s1", 99)) == 1


def test_a_race_that_is_always_lost_has_an_end(bench: Bench) -> None:
    signup = bench.signup()
    contested(bench, 999)
    with pytest.raises(UnavailableError):
        submit_numbers(bench.ports, signup, (), None)
    assert len(bench.clock.sleeps) == TRIES


# --- whose number it is


def test_a_number_of_another_tenant_is_taken_and_nothing_is_written(bench: Bench) -> None:
    bench.submit()
    other = bench.signup("s2", ("1001", "1002"), tenant="bravo")
    problem = refused(lambda: submit_numbers(bench.ports, other, ["1002", "1001"], None))
    assert problem.code == "number_taken"
    assert "acme" not in problem.detail
    assert "s1" not in problem.detail
    assert bench.load("s2").submitted == []
    assert bench.number().signup_id == "s1"


def test_a_later_signup_of_the_tenant_takes_the_number_over(bench: Bench) -> None:
    bench.connected()
    bench.wait(60)
    later = bench.signup("s2", reference="new", plan_tier="premium")
    submit_numbers(bench.ports, later, (), None)
    number = bench.number()
    assert (number.signup_id, number.reference, number.plan_tier) == ("s2", "new", "premium")
    assert (number.status, number.doubts, number.life) == ("connected", 1, 1)
    assert bench.load("s1").submitted == []
    assert bench.load("s1").counts == {}
    assert bench.load("s2").counts == {"connected": 1}
    assert bench.told("s2") == ["number.reconnect"]
    bench.work()
    assert bench.number().settled_doubts == 1


def test_several_numbers_of_one_older_signup_are_taken_over_in_one_write(bench: Bench) -> None:
    names = ["1001", "1002", "1003"]
    bench.submit(numbers=names)
    later = bench.signup("s2", names)
    saved = submit_numbers(bench.ports, later, names, None)
    assert saved.counts == {"onboarding": 3}
    assert (bench.load("s1").submitted, bench.load("s1").counts) == ([], {})


def test_a_number_whose_older_signup_is_gone_is_taken_over_all_the_same(bench: Bench) -> None:
    bench.submit()
    bench.change(signup_id="gone")
    assert submit_numbers(bench.ports, bench.signup("s2"), (), None).submitted == ["1001"]


def test_a_failed_number_goes_on_in_the_later_signup(bench: Bench) -> None:
    bench.submit()
    failed(bench)
    submit_numbers(bench.ports, bench.signup("s2"), (), None)
    assert bench.load("s2").counts == {"onboarding": 1}
    bench.work()
    assert bench.number().progress == Progress.SUBMITTED
    assert refused(lambda: retry_signup(bench.ports, bench.load("s1"))).code == "nothing_to_retry"


def test_a_cancelled_number_begins_a_new_life_with_a_look(bench: Bench) -> None:
    bench.connected()
    bench.tell("cancellation_processed")
    bench.partner.channels = []
    submit_numbers(bench.ports, bench.signup("s2"), (), None)
    number = bench.number()
    assert (number.life, number.channel_id, number.ended_channels) == (2, None, ["c1"])
    calls = len(bench.partner.calls)
    bench.work()
    assert bench.partner.calls[calls:] == ["list_channels", "list_channels", "submit_number"]


# --- retrying


def test_a_failed_number_runs_again(bench: Bench) -> None:
    bench.submit()
    failed(bench)
    number = retry_number(bench.ports, bench.number())
    assert (number.failure, number.due_at, number.attempts) == (None, bench.now, 0)
    assert bench.queue.numbers == ["1001"]
    assert bench.load().counts == {"onboarding": 1}
    assert bench.told()[-1] == "number.retried"


def test_all_failed_numbers_of_a_signup_run_again_in_few_writes(bench: Bench) -> None:
    names = [f"{index:04d}" for index in range(2 * AT_ONCE + 5)]
    bench.submit(numbers=names)
    for name in names:
        failed(bench, name)
    assert bench.load().counts == {"failed": len(names)}
    version = bench.load().version
    saved = retry_signup(bench.ports, bench.load())
    assert saved.counts == {"onboarding": len(names)}
    assert saved.version == version + 3
    assert sorted(bench.queue.numbers) == names


def test_a_retry_that_another_one_overtakes_mends_nothing_twice(bench: Bench) -> None:
    bench.submit()
    failed(bench)
    stale = bench.number()
    retry_number(bench.ports, bench.number())
    version = bench.number().version
    assert retry_number(bench.ports, stale).version == version
    assert bench.told().count("number.retried") == 1
    saved = retry_signup(bench.ports, bench.load())
    assert saved.counts == {"onboarding": 1}


def test_a_retry_whose_job_did_not_reach_the_queue_can_be_sent_again(bench: Bench) -> None:
    bench.submit()
    failed(bench)
    bench.queue.broken = True
    assert refused(lambda: retry_number(bench.ports, bench.number())).code == "unavailable"
    bench.queue.broken = False
    retry_number(bench.ports, bench.number())
    retry_signup(bench.ports, bench.load())
    assert bench.queue.numbers == ["1001"] * 2


def signup_of(bench: Bench) -> Signup:
    return bench.load()


@pytest.mark.parametrize("kind", ["signup", "number"])
def test_what_has_not_failed_or_cannot_be_mended_is_not_retried(bench: Bench, kind: str) -> None:
    def retry() -> object:
        if kind == "signup":
            return retry_signup(bench.ports, bench.load())
        return retry_number(bench.ports, bench.number())

    bench.submit()
    bench.work()
    problem = refused(retry)
    assert (problem.code, problem.detail) == ("nothing_to_retry", "No number has failed.")
    bench.submit("s2", ("1002",))
    bench.partner.troubles["submit_number"] = [Permanent("client_not_found", status=404)]
    bench.work("1002")
    if kind == "signup":
        problem = refused(lambda: retry_signup(bench.ports, bench.load("s2")))
    else:
        problem = refused(lambda: retry_number(bench.ports, bench.number("1002")))
    assert problem.code == "nothing_to_retry"
    assert "360dialog does not know this client id" in problem.detail
    assert bench.number("1002").failure is not None
