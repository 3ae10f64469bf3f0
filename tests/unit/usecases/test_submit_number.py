"""A wish for numbers is one write with its work; a number belongs to one signup."""

import pytest

from onramp.domain.errors import Problem
from onramp.domain.states import Status
from onramp.ports import UnavailableError
from tests.world import World


def code_of(call: object) -> str:
    assert callable(call)
    with pytest.raises(Problem) as caught:
        call()
    return caught.value.code


def test_the_number_the_browser_claimed_is_taken_without_naming_it(world: World) -> None:
    customer = world.customer(numbers=3)
    claimed = customer["session_info"]["data"]["phone_number_id"]
    signup = world.submit.submit(world.authorized(customer), (), None)
    assert [n.phone_number_id for n in signup.numbers if n.wanted] == [claimed]


def test_several_numbers_and_no_claim_ask_with_candidates(world: World) -> None:
    signup = world.authorized(world.customer(numbers=2, finish="FINISH_ONLY_WABA"))
    with pytest.raises(Problem) as caught:
        world.submit.submit(signup, (), None)
    assert caught.value.code == "number_ambiguous"
    assert caught.value.candidates is not None
    assert len(caught.value.candidates) == 2


def test_the_only_number_is_taken_without_naming_it(world: World) -> None:
    signup = world.authorized(world.customer(finish="FINISH_ONLY_WABA"))
    assert world.submit.submit(signup, (), None).numbers[0].wanted


def test_before_the_proof_nothing_can_be_submitted(world: World) -> None:
    assert code_of(lambda: world.submit.submit(world.opened(), (), None)) == "not_authorized_yet"


def test_a_number_that_is_not_the_wabas_is_named(world: World) -> None:
    signup = world.authorized(world.customer())
    with pytest.raises(Problem) as caught:
        world.submit.submit(signup, ("999",), None)
    assert caught.value.code == "number_not_in_waba"
    assert caught.value.errors[0]["field"] == "phone_number_ids.0"


def test_the_plan_tier_of_the_call_wins_over_the_signups(world: World) -> None:
    signup = world.submit.submit(world.authorized(world.customer()), (), "premium")
    assert signup.numbers[0].plan_tier == "premium"


def test_a_repeat_sends_a_lost_job_again_and_changes_nothing(world: World) -> None:
    signup = world.submit.submit(world.authorized(world.customer()), (), None)
    world.queue.messages.clear()
    again = world.submit.submit(signup, (), None)
    assert again.version == signup.version
    assert len(world.queue.messages) == 1


def test_the_number_of_another_tenant_is_taken_without_telling_whose(world: World) -> None:
    customer = world.customer()
    mine = world.submitted(customer)
    fresh = world.admin("meta", "codes", {"business_id": customer["business_id"]})
    theirs = world.authorized({**customer, **fresh}, tenant="tenant-2", key="other", email="b@example.com")
    with pytest.raises(Problem) as caught:
        world.submit.submit(theirs, (), None)
    assert caught.value.code == "number_taken"
    assert mine.id not in caught.value.detail


def test_the_same_tenant_is_led_to_the_signup_that_has_the_number(world: World) -> None:
    customer = world.customer()
    first = world.submitted(customer)
    fresh = world.admin("meta", "codes", {"business_id": customer["business_id"]})
    second = world.authorized({**customer, **fresh}, key="second")
    with pytest.raises(Problem) as caught:
        world.submit.submit(second, (), None)
    assert first.id in caught.value.detail


def test_a_number_that_failed_may_move_to_a_new_signup_of_the_tenant(world: World) -> None:
    customer = world.customer(solution=False)
    first = world.submitted(customer)
    world.run(until=world.settled(first.id))
    assert world.load(first.id).numbers[0].status is Status.FAILED
    world.admin("meta", f"customers/{customer['business_id']}", {"solution": True}, "PATCH")
    fresh = world.admin("meta", "codes", {"business_id": customer["business_id"]})
    second = world.submitted({**customer, **fresh}, key="second")
    world.run(until=world.settled(second.id))
    world.assert_connected(second.id)
    assert code_of(lambda: world.submit.retry(world.load(first.id))) == "number_taken"


def test_when_the_queue_does_not_answer_the_wish_is_stored_and_the_sweep_sends_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    signup = world.authorized(world.customer())

    def broken(*_: object) -> None:
        raise UnavailableError("queue")

    with monkeypatch.context() as patch:
        patch.setattr(world.queue, "send_job", broken)
        assert code_of(lambda: world.submit.submit(signup, (), None)) == "unavailable"
    world.run(until=world.settled(signup.id))
    world.assert_connected(signup.id)


def test_there_is_nothing_to_retry_unless_a_number_failed(world: World) -> None:
    signup = world.submitted(world.customer())
    assert code_of(lambda: world.submit.retry(signup)) == "nothing_to_retry"


def test_a_retry_whose_job_did_not_reach_the_queue_can_be_sent_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    customer = world.customer(solution=False)
    signup = world.submitted(customer)
    world.run(until=world.settled(signup.id))

    def broken(*_: object) -> None:
        raise UnavailableError("queue")

    with monkeypatch.context() as patch:
        patch.setattr(world.queue, "send_job", broken)
        assert code_of(lambda: world.submit.retry(world.load(signup.id))) == "unavailable"
    world.admin("meta", f"customers/{customer['business_id']}", {"solution": True}, "PATCH")
    world.submit.retry(world.load(signup.id))
    assert len(world.queue.messages) == 1
    world.run(until=world.settled(signup.id))
    world.assert_connected(signup.id)
