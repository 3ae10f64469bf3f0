"""What Meta's side does to a popup and to a number, played against the simulators to the end."""

from typing import Any

import pytest

from harness.world import World
from onramp.domain.signup import Signup
from onramp.usecases import read
from onramp.usecases.list_numbers import Glances
from onramp.usecases.submit_numbers import submit_numbers
from tests.problems import refused

type Json = dict[str, Any]


def wants(world: World, signup: Signup, *ids: str) -> Signup:
    return submit_numbers(world.ports, world.load(signup.id), ids, None)


def connects(world: World, signup: Signup) -> None:
    world.run(until=world.settled(signup.id))
    world.run(60)
    world.assert_connected(signup.id)


def number_of(customer: Json) -> str:
    return str(customer["wabas"][0]["numbers"][0]["id"])


def test_a_number_that_is_listed_seconds_after_the_popup_is_had_with_the_first_call() -> None:
    with World() as world:
        customer = world.customer(wabas=[{"numbers": [{"listed_after_seconds": 2}]}])
        signup = world.authorized(customer)
        assert signup.claimed == number_of(customer)
        connects(world, wants(world, signup))
        world.assert_nothing_doubled()


def test_a_number_that_is_listed_a_minute_after_the_popup_needs_no_other_one() -> None:
    with World() as world:
        customer = world.customer(wabas=[{"numbers": [{"listed_after_seconds": 60}]}])
        problem = refused(lambda: world.authorized(customer))
        assert problem.code == "number_not_in_waba"
        world.clock.sleep(60)
        connects(world, wants(world, world.authorized(customer)))


def test_a_number_that_is_added_after_a_popup_without_one_is_shown_and_connected() -> None:
    with World() as world:
        customer = world.customer(wabas=[{"numbers": []}], finish="FINISH_ONLY_WABA")
        signup = world.authorized(customer)
        assert refused(lambda: wants(world, signup)).code == "number_ambiguous"
        glances = Glances(lambda: world.clock.now().timestamp())

        def seen() -> read.Whole:
            return glances.shown(world.ports, read.whole(world.ports, world.load(signup.id)))

        assert read.come_back_to(seen(), world.clock.now()) == read.SOON
        world.admin("meta", f"wabas/{customer['wabas'][0]['id']}/numbers", {})
        world.clock.sleep(10)
        assert len(seen().listed) == 1
        connects(world, wants(world, signup))
        world.assert_nothing_doubled()


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ({"code_verification_status": "NOT_VERIFIED"}, "number_not_verified"),
        ({"status": "UNVERIFIED"}, "number_not_verified"),
        ({"status": "BANNED"}, "number_banned"),
        ({"status": "DELETED"}, "number_deleted"),
        ({"status": "MIGRATED"}, "number_moved"),
    ],
)
def test_a_number_that_cannot_be_onboarded_connects_once_it_can(words: Json, code: str) -> None:
    with World() as world:
        customer = world.customer(wabas=[{"numbers": [words]}])
        signup = world.authorized(customer)
        assert refused(lambda: wants(world, signup)).code == code
        mended = {"code_verification_status": "VERIFIED", "status": "CONNECTED"}
        world.admin("meta", f"numbers/{number_of(customer)}", mended, "PATCH")
        connects(world, wants(world, signup))


@pytest.mark.parametrize(("error", "code"), [(131031, "waba_locked"), (368, "waba_blocked")])
def test_an_account_that_meta_has_stopped_goes_on_with_the_same_code(error: int, code: str) -> None:
    with World() as world:
        customer = world.customer(waba_error=error)
        assert refused(lambda: world.authorized(customer)).code == code
        world.admin("meta", f"customers/{customer['business_id']}", {"waba_error": None}, "PATCH")
        connects(world, wants(world, world.authorized(customer)))


def test_a_persons_token_is_our_configurations_fault() -> None:
    with World() as world:
        problem = refused(lambda: world.authorized(world.customer(token_type="USER")))
        assert problem.code == "meta_configuration"
        assert world.telemetry.counts["MetaConfigurationErrors"] == 1


def test_ids_of_a_scope_that_nobody_has_heard_of_are_proved_and_taken() -> None:
    with World() as world:
        signup = world.authorized(world.customer(grants="other_scope"))
        assert signup.waba is not None
        connects(world, wants(world, signup))


@pytest.mark.parametrize("tail", ["#_=_", "#_", "%23_%3D_"])
def test_a_code_with_facebooks_tail_is_exchanged(tail: str) -> None:
    with World() as world:
        assert world.authorized(world.customer(code_tail=tail)).waba is not None


def test_a_number_that_moved_to_another_account_goes_to_the_tenant_who_proves_that_one() -> None:
    with World() as world:
        customer = world.customer()
        first = world.submitted(customer)
        connects(world, first)
        number = number_of(customer)
        other = world.customer(wabas=[{"numbers": []}], finish="FINISH_ONLY_WABA")
        second = world.authorized(other, tenant="tenant-2", email="other@example.com", key="second")
        world.admin("meta", f"numbers/{number}", {"waba_id": other["wabas"][0]["id"]}, "PATCH")
        wants(world, second, number)
        stored = world.number(number)
        assert (stored.tenant, stored.signup_id) == ("tenant-2", second.id)
        assert world.load(first.id).submitted == []
        connects(world, second)


def test_a_number_that_is_still_in_its_owners_account_stays_taken() -> None:
    with World() as world:
        customer = world.customer()
        connects(world, world.submitted(customer))
        again = world.admin("meta", "codes", {"business_id": customer["business_id"]})
        second = world.authorized({**customer, **again}, tenant="tenant-2", key="second")
        problem = refused(lambda: wants(world, second, number_of(customer)))
        assert problem.code == "number_taken"
        assert "cancelled" in problem.detail
