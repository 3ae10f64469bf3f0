"""What a tenant asks for its numbers is written, done once, and refused where there is nothing to do."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

import pytest

from onramp.domain import number as life
from onramp.domain.errors import Permanent
from onramp.domain.number import Number, Unseen
from onramp.domain.records import LEASE
from onramp.domain.signup import Client
from onramp.domain.states import Attention, Progress, Step
from onramp.ports import Ports
from onramp.usecases.changing import needs_a_run
from onramp.usecases.sweep import GRACE, sweep
from onramp.usecases.wishes import (
    AT_ONCE,
    cancel_number,
    check_number,
    reactivate_number,
    retry_number,
    retry_signup,
)
from tests.problems import refused
from tests.unit.usecases.bench import Bench, failed

type Wish = Callable[[Ports, Number], Number]
WISHES: Final[dict[str, Wish]] = {
    "retry": retry_number,
    "cancel": cancel_number,
    "reactivate": reactivate_number,
    "check": check_number,
}
every_wish = pytest.mark.parametrize("name", WISHES)


def drifted(bench: Bench, attention: Attention = Attention.KEY_DEAD) -> Number:
    """A connected number of which a check has told something."""
    number = bench.connected()
    life.note(number, attention, bench.now)
    bench.store.commit(number)
    return bench.number()


def ready_for(bench: Bench, wish: str) -> Number:
    """A number for which this may be asked."""
    bench.connected()
    if wish == "retry":
        bench.change(notices={Attention.KEY_DEAD: ""})
    if wish == "reactivate":
        bench.change(cancelled_at=bench.now, due_at=None)
    return bench.number()


def race(bench: Bench, monkeypatch: pytest.MonkeyPatch, meanwhile: Callable[[], object]) -> None:
    """Let something happen right before the next write of a number."""
    commit = bench.store.commit
    left = [meanwhile]

    def overtaken(*records: Any, **more: Any) -> None:
        if left and any(isinstance(record, Number) for record in records):
            left.pop()()
        commit(*records, **more)

    monkeypatch.setattr(bench.store, "commit", overtaken)


# --- retry


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


@pytest.mark.parametrize("kind", ["signup", "number"])
def test_what_has_not_failed_or_cannot_be_mended_is_not_retried(bench: Bench, kind: str) -> None:
    def retry(name: str, signup: str) -> object:
        if kind == "signup":
            return retry_signup(bench.ports, bench.load(signup))
        return retry_number(bench.ports, bench.number(name))

    bench.submit()
    bench.work()
    problem = refused(lambda: retry("1001", "s1"))
    assert (problem.code, problem.detail) == ("nothing_to_retry", "No number has failed.")
    bench.submit("s2", ("1002",), client=Client(id="unknownCL"))
    bench.work("1002")
    problem = refused(lambda: retry("1002", "s2"))
    assert problem.code == "nothing_to_retry"
    assert "360dialog does not know this client id" in problem.detail
    assert bench.number("1002").failure is not None


@pytest.mark.parametrize("attention", [Attention.KEY_DEAD, Attention.WEBHOOK_DRIFT])
@pytest.mark.parametrize("kind", ["signup", "number"])
def test_a_retry_mends_a_number_that_has_drifted(bench: Bench, attention: Attention, kind: str) -> None:
    number = drifted(bench, attention)
    bench.partner.keys.append("somebody else's")
    bench.messaging.webhook = None
    if kind == "signup":
        retry_signup(bench.ports, bench.load())
    else:
        retry_number(bench.ports, number)
    assert bench.number().next_step is Step.CONNECT
    assert bench.work() is None
    number = bench.number()
    assert (number.status, number.attention, number.next_step) == ("connected", None, Step.CHECK)
    assert bench.told()[-3:] == ["number.attention_ended", "number.checked", "number.mended"]
    assert bench.load().counts == {"connected": 1}


def test_a_retry_of_a_missing_channel_reads_it(bench: Bench) -> None:
    number = drifted(bench, Attention.CHANNEL_MISSING)
    retry_number(bench.ports, number)
    for _ in range(3):
        bench.work()
    assert "read_channel" in bench.partner.calls
    assert bench.number().attention is None


def test_what_a_retry_cannot_mend_is_no_reason_for_one(bench: Bench) -> None:
    number = drifted(bench, Attention.CHANNEL_ERROR)
    assert refused(lambda: retry_number(bench.ports, number)).code == "nothing_to_retry"


# --- cancel


def test_the_end_of_a_connected_number_is_wished_and_its_worker_woken(bench: Bench) -> None:
    number = cancel_number(bench.ports, bench.connected())
    assert number.wish is not None
    assert (number.wish.action, number.wish.at, number.wish.refused) == (Step.CANCEL, bench.now, None)
    assert (number.status, number.next_step, number.due_at) == ("connected", Step.CANCEL, bench.now)
    assert bench.queue.numbers == ["1001"]
    assert bench.told()[-1] == "number.wish"
    assert bench.partner.controlled == []


def test_a_number_that_was_never_handed_over_ends_at_once(bench: Bench) -> None:
    bench.submit()
    number = cancel_number(bench.ports, bench.number())
    assert (number.status, number.wish, number.next_step, number.due_at) == ("cancelled", None, None, None)
    assert bench.load().counts == {"cancelled": 1}
    assert (bench.partner.calls, bench.queue.numbers) == ([], [])
    assert bench.told()[-2:] == ["number.wish", "number.cancelled"]
    assert life.is_free(number)


def test_a_number_that_failed_before_its_submission_ends_at_once(bench: Bench) -> None:
    bench.submit()
    failed(bench)
    assert cancel_number(bench.ports, bench.number()).status == "cancelled"
    assert bench.load().counts == {"cancelled": 1}


def test_a_failed_number_with_a_channel_can_be_ended(bench: Bench) -> None:
    bench.submit()
    bench.live()
    bench.partner.troubles["make_key"] = [Permanent("partner_configuration", status=403)]
    bench.work()
    assert bench.number().status == "failed"
    assert cancel_number(bench.ports, bench.number()).next_step is Step.CANCEL


@pytest.mark.parametrize("why", ["ended", "asked in the Hub", "asked by us"])
def test_an_end_is_asked_for_once(bench: Bench, why: str) -> None:
    number = bench.connected()
    if why == "ended":
        number = bench.change(cancelled_at=bench.now)
    elif why == "asked in the Hub":
        bench.tell("cancellation_request")
        number = bench.number()
    else:
        number = cancel_number(bench.ports, number)
    told = bench.told()
    if why == "asked by us":
        assert cancel_number(bench.ports, number).wish == number.wish
    else:
        assert refused(lambda: cancel_number(bench.ports, number)).code == "nothing_to_cancel"
    assert bench.told() == told


def test_an_end_that_was_refused_can_be_asked_for_again(bench: Bench) -> None:
    number = cancel_number(bench.ports, bench.connected())
    life.refuse(number, "cancellation_rejected", bench.now)
    bench.store.commit(number)
    number = cancel_number(bench.ports, bench.number())
    assert number.wish is not None
    assert number.wish.refused is None


# --- reactivate


@pytest.mark.parametrize("how", ["ended", "asked for"])
def test_an_end_can_be_taken_back(bench: Bench, how: str) -> None:
    bench.connected()
    bench.change(cancelled_at=bench.now) if how == "ended" else bench.change(ending_at=bench.now)
    number = reactivate_number(bench.ports, bench.number())
    assert (number.next_step, number.due_at) == (Step.REACTIVATE, bench.now)
    assert bench.queue.numbers == ["1001"]


def test_a_wish_for_an_end_can_be_taken_back_before_it_was_sent(bench: Bench) -> None:
    cancel_number(bench.ports, bench.connected())
    number = reactivate_number(bench.ports, bench.number())
    assert number.next_step is Step.REACTIVATE
    bench.forget_calls()
    bench.work()
    number = bench.number()
    assert (number.status, number.wish, number.next_step) == ("connected", None, Step.CHECK)
    assert "cancel" not in bench.partner.calls


def test_what_has_not_ended_cannot_be_taken_back(bench: Bench) -> None:
    number = bench.connected()
    assert refused(lambda: reactivate_number(bench.ports, number)).code == "nothing_to_reactivate"


def test_a_number_that_never_had_a_channel_cannot_be_reactivated(bench: Bench) -> None:
    bench.submit()
    number = cancel_number(bench.ports, bench.number())
    assert refused(lambda: reactivate_number(bench.ports, number)).code == "nothing_to_reactivate"


def test_a_reactivation_that_is_under_way_is_not_asked_for_twice(bench: Bench) -> None:
    bench.connected()
    number = reactivate_number(bench.ports, bench.change(cancelled_at=bench.now))
    told = bench.told()
    assert reactivate_number(bench.ports, number).wish == number.wish
    assert bench.told() == told


# --- check


def test_a_connected_number_can_be_proved_now(bench: Bench) -> None:
    number = check_number(bench.ports, bench.connected())
    assert (number.status, number.unseen, number.due_at) == ("connected", Unseen.ASKED, bench.now)
    assert bench.queue.numbers == ["1001"]


def test_a_proof_may_be_asked_for_again_and_again(bench: Bench) -> None:
    number = check_number(bench.ports, bench.connected())
    check_number(bench.ports, number)
    assert bench.queue.numbers == ["1001"] * 2


def test_a_restricted_number_can_be_proved(bench: Bench) -> None:
    bench.connected()
    bench.tell("account_restriction")
    assert check_number(bench.ports, bench.number()).unseen == Unseen.ASKED


@pytest.mark.parametrize("what", ["under way", "failed", "cancelled", "without a key"])
def test_only_what_is_connected_can_be_proved(bench: Bench, what: str) -> None:
    if what in {"under way", "failed"}:
        bench.submit()
        bench.work() if what == "under way" else failed(bench)
    else:
        bench.connected()
        bench.change(cancelled_at=bench.now) if what == "cancelled" else bench.change(key=None)
    assert refused(lambda: check_number(bench.ports, bench.number())).code == "not_connected"


# --- each of them


@every_wish
def test_a_wish_that_another_one_overtakes_is_written_once(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    number = ready_for(bench, name)
    wish = WISHES[name]
    race(bench, monkeypatch, lambda: wish(bench.ports, number))
    wish(bench.ports, number)
    facts = ("number.wish", "number.retried")
    assert sum(bench.told().count(fact) for fact in facts) == (name != "check")
    assert needs_a_run(bench.number(), bench.now)


@every_wish
def test_a_wish_for_a_number_that_ends_meanwhile_does_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    number = ready_for(bench, name)
    ended = number.model_copy(update={"cancelled_at": None, "final": False}, deep=True)
    race(
        bench,
        monkeypatch,
        lambda: bench.change(
            cancelled_at=None if name == "reactivate" else bench.now, progress=Progress.CONNECTED
        ),
    )
    saved = WISHES[name](bench.ports, number)
    assert (saved.wish, saved.unseen, saved.doubts) == (None, None, ended.doubts)
    assert "number.wish" not in bench.told()


@every_wish
def test_a_wish_that_the_queue_did_not_take_is_stored_and_sent_by_the_sweep(bench: Bench, name: str) -> None:
    number = ready_for(bench, name)
    bench.queue.broken = True
    assert refused(lambda: WISHES[name](bench.ports, number)).code == "unavailable"
    bench.queue.broken = False
    bench.clock.advance(GRACE)
    sweep(bench.ports)
    assert bench.queue.numbers == ["1001"]


@every_wish
def test_a_wish_that_the_queue_did_not_take_can_be_sent_again(bench: Bench, name: str) -> None:
    number = ready_for(bench, name)
    bench.queue.broken = True
    assert refused(lambda: WISHES[name](bench.ports, number)).code == "unavailable"
    bench.queue.broken = False
    WISHES[name](bench.ports, bench.number())
    assert bench.queue.numbers == ["1001"]


@every_wish
def test_a_wish_while_a_run_has_the_number_leaves_the_run_its_lease(bench: Bench, name: str) -> None:
    number = ready_for(bench, name)
    number.lend("somebody", bench.now)
    number.due_at = bench.now
    bench.store.commit(number)
    number = WISHES[name](bench.ports, bench.number())
    assert number.lease is not None
    assert bench.queue.numbers == []
    bench.clock.advance(LEASE + timedelta(seconds=1))
    bench.work()
    assert bench.number().lease is None
    assert bench.number().wish is None
