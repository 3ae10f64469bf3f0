"""A reader is told when to come back, as long as something is under way."""

from onramp.usecases.read_signups import ReadSignups
from tests.world import World


def headers(world: World, signup_id: str) -> dict[str, str]:
    reading = ReadSignups(world.store, world.vault, world.clock)
    return reading.headers(world.load(signup_id), world.clock.now())


def test_nothing_under_way_asks_nobody_back(world: World) -> None:
    signup = world.authorized(world.customer())
    assert "Retry-After" not in headers(world, signup.id)
    world.submit.submit(signup, (), None)
    assert headers(world, signup.id)["Retry-After"] == "2"
    world.run(until=world.settled(signup.id))
    assert "Retry-After" not in headers(world, signup.id)


def test_one_failed_number_does_not_hide_that_another_is_under_way(world: World) -> None:
    world.fault("error_before", "account_sharing/numbers$", status=400)
    signup = world.submitted(world.customer(numbers=2))
    world.run(until=lambda: str(world.load(signup.id).status(world.clock.now())) == "attention")
    assert headers(world, signup.id)["Retry-After"]
    world.run(seconds=600)
    assert "Retry-After" not in headers(world, signup.id)


def test_the_tag_changes_with_what_is_shown(world: World) -> None:
    signup = world.authorized(world.customer())
    before = headers(world, signup.id)["ETag"]
    assert headers(world, signup.id)["ETag"] == before
    world.submit.submit(signup, (), None)
    assert headers(world, signup.id)["ETag"] != before
