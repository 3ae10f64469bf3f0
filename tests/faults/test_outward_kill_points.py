"""Relay and notifications are stopped, or a service of ours does not answer, at each side effect in turn."""

from contextlib import suppress
from typing import Final

import pytest

from harness.killing import Killer
from onramp.domain.errors import UnavailableError
from tests.faults.outward import ENDPOINTS, LARGE, TARGETS, Behaviour, Breaker, Outward, answer

SERVICES: Final = ("store", "queue", "vault", "relay", "bodies", "events", "sqs", "visibility")
"""What a breaker breaks: an upstream's faults and the bus's are rows of the matrix."""
JOURNEYS: Final = {
    "refused at first": answer(500),
    "gone": answer(410),
}
"""What an https target and an endpoint say to the first that comes to them."""


def telling(world: Outward, said: bytes, seconds: float = 1_800) -> None:
    """Two events of 360dialog, one of them large, and a signup that is opened."""
    world.theirs.plans = {name: [Behaviour(takes=False, says=said)] for name in ("crm", "hooks")}
    signup = None
    while signup is None:
        # A front end that was answered 503 asks again.
        with suppress(UnavailableError):
            signup = world.opened()
    world.dialog_tells("small")
    world.dialog_tells("large", "history", LARGE)
    world.run(seconds=seconds)


def side_effects(said: bytes) -> list[str]:
    killer = Killer()
    with Outward(killer=killer) as world:
        # Without the sweeps that find nothing.
        telling(world, said, seconds=50)
        world.assert_nothing_lost()
        for to in (*ENDPOINTS, *(target.name for target in TARGETS)):
            assert set(world.times(to).values()) <= {1}
    return killer.calls


CALLS: Final = {name: side_effects(said) for name, said in JOURNEYS.items()}
POINTS: Final = [
    pytest.param(name, at, id=f"{name}-{at:03d}-{call}")
    for name, calls in CALLS.items()
    for at, call in enumerate(calls)
]
OURS: Final = [
    pytest.param(name, at, id=f"{name}-{at:03d}-{call}")
    for name, calls in CALLS.items()
    for at, call in enumerate(calls)
    if call.partition(".")[0] in SERVICES
]


def test_telling_others_has_side_effects_of_every_kind() -> None:
    ports = {call.partition(".")[0] for calls in CALLS.values() for call in calls}
    assert ports == {*SERVICES, "outbound", "bus"}


def play(journey: str, killer: Killer) -> None:
    with Outward(killer=killer) as world:
        telling(world, JOURNEYS[journey])
        world.assert_nothing_lost()
        assert not world.queue.dead_events
        assert not world.queue.dead_notifications
        for to in ("bus", "queue", *(["hooks"] if journey != "gone" else [])):
            assert world.times(to).keys() == world.events.keys()
        for to in ("audit", *(["crm"] if journey != "gone" else [])):
            assert world.times(to).keys() == world.told().keys()


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(("journey", "at"), POINTS)
def test_a_process_killed_at_any_side_effect_tells_everybody_everything(
    journey: str, at: int, after: bool
) -> None:
    play(journey, Killer(at, after=after))


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(("journey", "at"), OURS)
def test_a_service_that_fails_once_at_any_side_effect_keeps_nothing_from_anybody(
    journey: str, at: int, after: bool
) -> None:
    play(journey, Breaker(at, after=after))
