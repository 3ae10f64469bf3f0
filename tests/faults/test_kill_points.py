"""The process is stopped at every side effect in turn, before it and after it; each time all ends well."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from harness.killing import Killer
from harness.world import Options, World

OPTIONS = Options(step_seconds=1.0)


def one_signup(world: World) -> str:
    """A whole signup with two numbers, until nothing is left to do."""
    signup = world.submitted(world.customer(numbers=2))
    world.run(until=world.settled(signup.id))
    world.run(seconds=600)
    return signup.id


@contextmanager
def a_world(killer: Killer) -> Iterator[World]:
    with World(OPTIONS, killer=killer) as world:
        yield world


def side_effects(journey: Callable[[World], str]) -> list[str]:
    """The names of all side effects of a journey that nobody disturbs."""
    killer = Killer()
    with a_world(killer) as world:
        journey(world)
    return killer.calls


CALLS = side_effects(one_signup)


def test_the_journey_has_side_effects_of_every_port() -> None:
    ports = {name.partition(".")[0] for name in CALLS}
    assert ports == {"store", "bus", "queue", "vault", "meta", "partner", "messaging"}


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("at", range(len(CALLS)), ids=lambda at: f"{at:03d}-{CALLS[at]}")
def test_a_process_killed_at_any_side_effect_loses_and_doubles_nothing(at: int, after: bool) -> None:
    with a_world(Killer(at, after=after)) as world:
        signup_id = one_signup(world)
        world.assert_connected(signup_id)
        world.assert_nothing_doubled()
