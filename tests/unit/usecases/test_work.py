"""One wake-up for one number: whatever comes of it ends in the record."""

from datetime import timedelta

import pytest

from onramp.domain.errors import Permanent, Transient
from onramp.domain.records import LEASE
from onramp.domain.schedule import RETRY_SECONDS
from onramp.domain.states import Progress
from tests.unit.usecases.bench import Bench


def test_a_job_for_a_number_that_is_not_there_is_dropped(bench: Bench) -> None:
    assert bench.work("nobody") is None
    assert bench.telemetry.warnings() == ["job for an unknown number"]


def test_a_job_for_a_number_that_needs_nothing_is_dropped(bench: Bench) -> None:
    bench.connected()
    version = bench.number().version
    assert bench.work() is None
    assert bench.number().version == version


def test_a_record_that_cannot_be_read_rings_and_is_left_to_the_sweep(bench: Bench) -> None:
    bench.submit()
    bench.store.spoil(bench.number())
    assert bench.work() is None
    assert bench.count("RecordsCrashed") == 1


def test_a_job_that_comes_too_early_comes_again_at_its_time(bench: Bench) -> None:
    bench.submit()
    due_at = bench.now + timedelta(minutes=3)
    bench.change(due_at=due_at)
    assert bench.work() == due_at
    assert bench.partner.calls == []


def test_a_job_that_comes_a_moment_early_waits(bench: Bench) -> None:
    bench.submit()
    bench.change(due_at=bench.now + timedelta(seconds=1.5))
    assert bench.work() is None
    assert bench.clock.sleeps[0] == pytest.approx(1.5)
    assert bench.number().progress == Progress.SUBMITTED


def test_a_number_that_another_run_has_comes_again_soon(bench: Bench) -> None:
    bench.submit()
    seen: list[object] = []
    bench.partner.meanwhile["submit_number"] = lambda: seen.append(bench.work())
    bench.work()
    assert seen[0] is not None
    assert len(bench.partner.submitted) == 1


def test_a_number_whose_run_has_died_is_taken_when_its_lease_is_over(bench: Bench) -> None:
    bench.submit()
    number = bench.number()
    number.lend("dead", bench.now)
    bench.store.commit(number)
    bench.clock.advance(LEASE)
    bench.work()
    assert bench.number().progress == Progress.SUBMITTED


def test_a_number_whose_runs_all_die_is_given_up_and_put_where_a_person_looks(bench: Bench) -> None:
    bench.submit()
    bench.change(attempts=len(RETRY_SECONDS) + 1)
    assert bench.work() is None
    failure = bench.number().failure
    assert failure is not None
    assert failure.code == "internal_error"
    assert bench.queue.buried_numbers == [("1001", "internal_error")]


def test_transient_trouble_follows_the_schedule_then_the_dead_letters_and_comes_back(bench: Bench) -> None:
    bench.submit()
    bench.partner.troubles["submit_number"] = [Transient("partner_unavailable", status=503)] * 9
    for attempt in range(1, 9):
        until = bench.work_when_due()
        assert until == bench.number().due_at
        assert bench.number().attempts == attempt
    assert bench.work_when_due() is None
    failure = bench.number().failure
    assert failure is not None
    assert (failure.code, failure.retryable) == ("partner_unavailable", True)
    assert bench.queue.buried_numbers == [("1001", "partner_unavailable")]
    assert bench.count("NumbersFailed") == 1
    assert bench.told().count("number.attempt_failed") == 8
    assert bench.work() is None
    assert bench.number().failure is not None
    bench.work(retry=True)
    assert bench.number().progress == Progress.SUBMITTED
    assert len(bench.partner.submitted) == 1


def test_a_redriven_job_does_not_mend_what_a_retry_cannot(bench: Bench) -> None:
    bench.submit()
    bench.partner.troubles["create_client"] = [Permanent("client_rejected", status=422)]
    bench.work()
    assert bench.work(retry=True) is None
    failure = bench.number().failure
    assert failure is not None
    assert failure.code == "client_rejected"


def test_a_refusal_that_the_failures_do_not_know_is_our_own(bench: Bench) -> None:
    bench.submit()
    bench.partner.troubles["submit_number"] = [Permanent("of_meta", status=400)]
    bench.work()
    failure = bench.number().failure
    assert failure is not None
    assert failure.code == "internal_error"
    assert bench.count("NumbersFailed") == 1


def test_the_next_step_is_woken_as_soon_as_one_is_done(bench: Bench) -> None:
    bench.submit()
    bench.work()
    bench.partner.channels = [bench.channel(progress=Progress.LIVE)]
    bench.work_when_due()
    assert bench.queue.numbers == ["1001"]
    bench.work()
    assert bench.number().status == "connected"
