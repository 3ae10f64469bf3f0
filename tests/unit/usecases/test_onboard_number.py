"""Promises 7 and 9: no second client, no second submission, retries that make sense."""

from datetime import timedelta

import pytest

from onramp.domain.errors import PutOff
from onramp.domain.signup import Number
from onramp.domain.states import Status, Step
from onramp.usecases.onboard_number import onboard_number
from tests.world import World


def only(world: World, signup_id: str) -> Number:
    return world.load(signup_id).numbers[0]


def requests(world: World) -> int:
    return int(world.dialog_state()["budget"]["requests"])


def test_a_first_onboarding_uses_four_partner_calls_and_a_further_number_two(world: World) -> None:
    first = world.submitted(world.customer())
    world.run(until=world.settled(first.id))
    assert requests(world) == 4
    second = world.submitted(world.customer(), key="second")
    world.run(until=world.settled(second.id))
    assert requests(world) == 6
    world.assert_connected(second.id)
    world.assert_nothing_doubled()


def test_two_signups_of_one_tenant_at_once_make_one_client(world: World) -> None:
    signups = [world.submitted(world.customer(), key=f"k{index}") for index in range(6)]
    for signup in signups:
        world.run(until=world.settled(signup.id))
        world.assert_connected(signup.id)
    world.assert_nothing_doubled()


def test_while_one_run_looks_for_the_client_another_of_the_tenant_waits(world: World) -> None:
    first = world.submitted(world.customer(), key="one")
    second = world.submitted(world.customer(), key="two")
    reasons: list[str] = []

    def meanwhile() -> None:
        with pytest.raises(PutOff) as caught:
            onboard_number(world.connect, second.id, only(world, second.id).phone_number_id)
        reasons.append(caught.value.reason)

    world.killer.when("partner.find_clients", meanwhile)
    for signup in (first, second):
        world.run(until=world.settled(signup.id))
        world.assert_connected(signup.id)
    assert reasons == ["client lease"]
    assert requests(world) == 6


def test_a_client_of_another_tenant_is_not_shared(world: World) -> None:
    world.run(until=world.settled(world.submitted(world.customer()).id))
    other = world.submitted(world.customer(), tenant="tenant-2", key="other")
    world.run(until=world.settled(other.id))
    failure = only(world, other.id).failure
    assert failure is not None
    assert (failure.code, failure.retryable) == ("client_taken", False)


def test_of_clients_found_twice_the_oldest_is_taken_and_the_rest_reported(world: World) -> None:
    oldest = world.partner.create_client("One", "owner@example.com", "One", lambda: None)
    world.clock.sleep(60)
    world.partner.create_client("Two", "Owner@Example.com", "Two", lambda: None)
    signup = world.submitted(world.customer())
    world.run(until=world.settled(signup.id))
    assert world.load(signup.id).client.id == oldest
    assert world.telemetry.counts["ClientDuplicates"] == 1


def test_a_client_on_a_later_page_is_found_when_the_filter_is_ignored(world: World) -> None:
    for index in range(230):
        world.partner.create_client("Other", f"other{index}@example.com", "Other", lambda: None)
    wanted = world.partner.create_client("Mine", "owner@example.com", "Mine", lambda: None)
    world.admin("dialog", "options", {"ignore_client_filters": True}, "PATCH")
    signup = world.submitted(world.customer())
    world.run(until=world.settled(signup.id))
    assert world.load(signup.id).client.id == wanted


def test_an_unanswered_create_is_settled_by_looking_until_the_list_is_current(world: World) -> None:
    world.admin("dialog", "options", {"client_list_lag_seconds": 20}, "PATCH")
    world.fault("timeout_after", "account_sharing/clients$", method="POST")
    signup = world.submitted(world.customer())
    world.run(until=world.settled(signup.id))
    world.assert_connected(signup.id)
    world.assert_nothing_doubled()


def test_an_unanswered_submission_is_settled_by_looking_until_the_list_is_current(world: World) -> None:
    world.admin("dialog", "options", {"channel_list_lag_seconds": 20}, "PATCH")
    world.admin("dialog", "webhook-faults", {"drop": 1})
    world.fault("timeout_after", "account_sharing/numbers$", method="POST")
    signup = world.submitted(world.customer())
    world.run(until=world.settled(signup.id))
    world.assert_connected(signup.id)
    world.assert_nothing_doubled()


def test_a_permanent_refusal_fails_at_once_with_a_reason(world: World) -> None:
    signup = world.submitted(world.customer(solution=False))
    begun = world.clock.now()
    world.run(until=world.settled(signup.id))
    number = only(world, signup.id)
    assert world.clock.now() - begun < timedelta(seconds=2)
    assert number.failure is not None
    assert (number.failure.code, number.failure.step) == ("submission_rejected", Step.SUBMIT)
    assert "solution" in number.failure.title
    assert number.attempts == 1
    assert "number.failed" in world.bus.types()


def test_transient_trouble_follows_the_schedule_then_the_dead_letters_and_both_ways_back(
    world: World,
) -> None:
    world.fault("error_before", "account_sharing/numbers$", times=None, status=503)
    world.admin("dialog", "webhook-faults", {})
    signup = world.submitted(world.customer())
    tried: list[float] = []

    def over() -> bool:
        attempts = only(world, signup.id).attempts
        if attempts > len(tried):
            tried.append(world.clock.now().timestamp())
        return world.settled(signup.id)()

    world.run(until=over)
    number = only(world, signup.id)
    assert number.failure is not None
    assert number.failure.code == "partner_unavailable"
    assert number.attempts == 9
    assert [job["reason"] for job in world.queue.dead_jobs] == ["partner_unavailable"]
    assert world.telemetry.counts["NumbersFailed"] == 1
    world.fault_free()
    world.queue.redrive()
    world.run(seconds=60)
    world.assert_connected(signup.id)
    world.assert_nothing_doubled()


def test_waiting_for_the_budget_and_throttled_answers_use_up_no_attempt(world: World) -> None:
    world.fault("throttle", "account_sharing/numbers$", times=12, method="POST")
    signup = world.submitted(world.customer())
    most = 0

    def over() -> bool:
        nonlocal most
        most = max(most, only(world, signup.id).attempts)
        return world.settled(signup.id)()

    world.run(until=over)
    world.assert_connected(signup.id)
    assert most <= 1
    assert requests(world) > 12


def test_while_the_budgets_storage_fails_calls_wait(world: World) -> None:
    world.budget.broken = True
    signup = world.submitted(world.customer())
    world.run(seconds=300)
    assert requests(world) == 0
    world.budget.broken = False
    world.run(until=world.settled(signup.id))
    world.assert_connected(signup.id)


def test_a_job_for_a_number_another_run_is_at_comes_again(world: World) -> None:
    signup = world.submitted(world.customer())
    number_id = only(world, signup.id).phone_number_id
    seen: list[str] = []

    def while_submitting() -> None:
        with pytest.raises(PutOff) as caught:
            onboard_number(world.connect, signup.id, number_id)
        seen.append(caught.value.reason)

    world.killer.when("partner.submit_number", while_submitting)
    world.run(until=world.settled(signup.id))
    assert seen == ["another run is at it"]
    world.assert_nothing_doubled()


def test_a_job_for_nothing_is_dropped(world: World) -> None:
    onboard_number(world.connect, "nobody", "1")
    signup = world.authorized(world.customer())
    onboard_number(world.connect, signup.id, only(world, signup.id).phone_number_id)
    assert only(world, signup.id).status is Status.PENDING


def test_an_unknown_client_id_fails_with_its_reason(world: World) -> None:
    signup = world.authorized(world.customer())
    signup.client.id = "nobodyCL"
    world.store.save(signup)
    world.submit.submit(world.load(signup.id), (), None)
    world.run(until=world.settled(signup.id))
    failure = only(world, signup.id).failure
    assert failure is not None
    assert failure.code == "client_not_found"


def test_a_number_whose_runs_all_die_is_given_up_in_the_end(world: World) -> None:
    world.killer.kill_always("partner.submit_number")
    signup = world.submitted(world.customer())
    world.run(until=world.settled(signup.id))
    failure = only(world, signup.id).failure
    assert failure is not None
    assert failure.code == "internal_error"
    assert len(world.queue.dead_jobs) == 1
