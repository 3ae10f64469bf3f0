"""Promise 6: one key for a channel, stored, alive, checked by use, whatever happens."""

from datetime import timedelta
from typing import Any

import httpx

from onramp.domain.states import Status
from onramp.usecases.onboard_number import onboard_number
from onramp.usecases.onboarding import LEASE
from tests.world import WEBHOOK, Options, World


def connected(world: World) -> str:
    signup = world.submitted(world.customer())
    world.run(until=world.settled(signup.id))
    world.assert_connected(signup.id)
    return signup.id


def channel(world: World) -> dict[str, Any]:
    return dict(world.dialog_state()["channels"][0])


def test_connected_means_the_key_was_used_and_the_webhook_is_the_configured_one(world: World) -> None:
    signup_id = connected(world)
    signup = world.load(signup_id)
    found = world.messaging.read_webhook(world.stored_key(signup, signup.numbers[0]))
    assert found is not None
    assert found.url == WEBHOOK.url
    assert {name.lower(): value for name, value in found.headers.items()} == {"x-secret": "header-secret"}
    assert signup.numbers[0].key is not None
    assert signup.numbers[0].key.checked_at is not None


def test_the_key_is_nowhere_in_clear(world: World) -> None:
    signup = world.load(connected(world))
    key = world.stored_key(signup, signup.numbers[0]).api_key
    assert key not in signup.model_dump_json()
    assert key not in str(world.bus.published)
    assert key not in str(world.telemetry.lines)


def test_a_key_that_somebody_else_has_revoked_before_the_check_is_made_anew_once(world: World) -> None:
    def revoke(*_: object) -> None:
        world.partner.make_key(channel(world)["id"], lambda: None)

    world.killer.when("messaging.set_webhook", revoke)
    signup = world.submitted(world.customer())
    world.run(until=world.settled(signup.id))
    world.assert_connected(signup.id)


def test_a_run_whose_lease_ran_out_cannot_leave_a_dead_key_behind(world: World) -> None:
    """A run freezes when its request is on the way, another connects, then the request arrives."""
    signup = world.submitted(world.customer())
    number_id = signup.numbers[0].phone_number_id

    def other_run_meanwhile(request: httpx.Request) -> None:
        if request.method == "POST" and request.url.path.endswith("api_keys"):
            world.before_request = lambda _: None
            world.clock.sleep(LEASE / timedelta(seconds=1) + 1)
            onboard_number(world.connect, signup.id, number_id)
            assert world.load(signup.id).numbers[0].status is Status.CONNECTED

    world.before_request = other_run_meanwhile
    world.run(until=lambda: world.load(signup.id).numbers[0].doubts > 0)
    assert not world.key_lives_now(signup.id)
    world.run(seconds=600)
    world.assert_connected(signup.id)
    number = world.load(signup.id).numbers[0]
    assert number.settled_doubts == number.doubts == 1


def test_a_run_whose_lease_is_nearly_over_sends_nothing_more(world: World) -> None:
    signup = world.submitted(world.customer())
    world.killer.when("partner.make_key", lambda: world.clock.sleep(LEASE / timedelta(seconds=1) - 10))
    world.run(until=world.settled(signup.id))
    world.assert_connected(signup.id)
    assert world.killer.calls.count("partner.make_key") == 2
    assert channel(world)["keys_made"] == 1


def test_a_run_that_lost_its_lease_after_the_key_was_made_stores_nothing(world: World) -> None:
    signup = world.submitted(world.customer())
    number_id = signup.numbers[0].phone_number_id

    def other_run_meanwhile(*_: object) -> None:
        world.clock.sleep(LEASE / timedelta(seconds=1) + 1)
        onboard_number(world.connect, signup.id, number_id)

    world.killer.when("vault.encrypt", other_run_meanwhile, skip=1)
    world.run(until=world.settled(signup.id))
    world.run(seconds=600)
    world.assert_connected(signup.id)


def test_a_permission_that_comes_after_the_schedule_revives_the_number() -> None:
    with World(Options(retry_seconds=(5, 30))) as world:
        world.admin("dialog", "options", {"client_pays": True}, "PATCH")
        signup = world.submitted(world.customer())
        world.run(until=world.settled(signup.id))
        failure = world.load(signup.id).numbers[0].failure
        assert failure is not None
        assert failure.code == "permission_missing"
        world.admin("dialog", f"channels/{channel(world)['id']}/grant-permission", {})
        world.run(seconds=120)
        world.assert_connected(signup.id)


def test_a_webhook_360dialog_refuses_is_the_operators_to_mend(world: World) -> None:
    world.fault("error_before", "configs/webhook$", method="POST", status=400, times=None)
    signup = world.submitted(world.customer())
    world.run(until=world.settled(signup.id))
    failure = world.load(signup.id).numbers[0].failure
    assert failure is not None
    assert failure.code == "webhook_rejected"
    world.fault_free()
    world.submit.retry(world.load(signup.id))
    world.run(until=world.settled(signup.id))
    world.assert_connected(signup.id)
    assert channel(world)["keys_made"] == 1


def test_when_the_vault_fails_after_the_key_was_made_a_new_one_is_made(world: World) -> None:
    def break_vault(*_: object) -> None:
        world.vault.broken = True
        world.later(20, lambda: setattr(world.vault, "broken", False))

    world.killer.when("partner.make_key", break_vault)
    signup = world.submitted(world.customer())
    world.run(until=world.settled(signup.id))
    world.assert_connected(signup.id)
    assert channel(world)["keys_made"] >= 2
