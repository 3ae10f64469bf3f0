"""The process is stopped at every side effect in a number's later life; all ends as without that."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import pytest

from harness.killing import Killer
from harness.world import TENANT, Options, World
from onramp.domain.number import Number
from onramp.domain.states import Attention, Progress, Status
from onramp.usecases.submit_numbers import submit_numbers
from onramp.usecases.wishes import cancel_number, check_number, reactivate_number

type Json = dict[str, Any]

OPTIONS: Final = Options(step_seconds=1.0)
ACTS_FOR: Final = 100.0
"""Seconds in which it happens."""
AFTERWARDS: Final = 2 * 3_600.0
"""Seconds in which everything that was stopped has come back."""
PAGE: Final = 2
OTHER_TENANT: Final = "tenant-2"


def again(world: World, customer: Json) -> Json:
    """The same customer, once more through the popup."""
    return {**customer, **world.admin("meta", "codes", {"business_id": customer["business_id"]})}


def number_of(customer: Json) -> str:
    return str(customer["wabas"][0]["numbers"][0]["id"])


def press(world: World, customer: Json, action: str, **more: Any) -> None:
    """A button of the Hub, for the customer's channel."""
    channel_id = world.number(number_of(customer)).channel_id
    world.admin("dialog", f"channels/{channel_id}/hub", {"action": action, **more})


# -- before ------------------------------------------------------------------------------------------------


def connected(world: World) -> Json:
    """A customer whose number is connected."""
    customer = world.customer()
    signup = world.submitted(customer)
    world.run(until=world.settled(signup.id))
    assert world.number(number_of(customer)).status == Status.CONNECTED
    return customer


def with_a_dead_key(world: World) -> Json:
    customer = connected(world)
    press(world, customer, "make_key")
    return customer


def with_a_webhook_elsewhere(world: World) -> Json:
    customer = connected(world)
    press(world, customer, "set_webhook", url="https://elsewhere.example.com")
    return customer


def ended(world: World) -> Json:
    customer = connected(world)
    world.ask(cancel_number, number_of(customer))
    world.run(ACTS_FOR)
    assert world.number(number_of(customer)).status == Status.CANCELLED
    return customer


def with_a_second_channel(world: World) -> Json:
    customer = connected(world)
    world.admin("dialog", f"channels/{world.number(number_of(customer)).channel_id}/second", {})
    world.census()
    world.run(ACTS_FOR)
    assert world.number(number_of(customer)).attention == Attention.SECOND_CHANNEL
    return customer


def with_an_earlier_channel(world: World) -> Json:
    """A customer who has a channel and has never been here."""
    customer = world.customer()
    earlier = {"phone_number_id": number_of(customer), "email": "earlier@example.com"}
    world.admin("dialog", "channels", earlier)
    return customer


def refused(world: World) -> Json:
    """A customer whose number 360dialog did not take from the first tenant."""
    customer = world.customer()
    world.fault("error_before", "account_sharing/numbers$", status=400, method="POST")
    signup = world.submitted(customer)
    world.run(until=world.settled(signup.id))
    assert world.number(number_of(customer)).status == Status.FAILED
    world.fault_free()
    return customer


def lost_among_others(world: World) -> Json:
    """A customer of whose number no event ever came, with three pages of channels at 360dialog."""
    world.admin("dialog", "options", {"max_page_size": PAGE}, "PATCH")
    for other in range(2 * PAGE):
        world.admin("dialog", "channels", {"email": f"other{other}@example.com"})
    world.lose_webhook = lambda _: True
    customer = world.customer()
    world.submitted(customer)
    world.run(ACTS_FOR)
    assert world.number(number_of(customer)).progress == Progress.SUBMITTED
    return customer


# -- what happens ------------------------------------------------------------------------------------------


def comes_back(world: World, customer: Json) -> None:
    world.submitted(again(world, customer), key="second")


def comes(world: World, customer: Json) -> None:
    world.submitted(customer)


def comes_to_another(world: World, customer: Json) -> None:
    """Another tenant proves the number."""
    signup = world.authorized(
        again(world, customer), key="other", tenant=OTHER_TENANT, email="other@example.com"
    )
    wanted = [number_of(customer)]
    world.patiently(lambda: submit_numbers(world.ports, world.load(signup.id), wanted, None))


def is_asked(wish: Callable[..., Number], world: World, customer: Json) -> None:
    world.ask(wish, number_of(customer))


def is_ended_in_the_hub(world: World, customer: Json) -> None:
    press(world, customer, "process_cancellation")


def is_counted(world: World, _customer: Json) -> None:
    world.census()


@dataclass(frozen=True)
class Journey:
    """What is there `before`, what `happens`, and how it must end."""

    before: Callable[[World], Json]
    happens: Callable[[World, Json], None]
    status: str = Status.CONNECTED
    tenant: str = TENANT
    submissions: int = 1
    attention: str | None = None


JOURNEYS: Final = {
    "reconnect with a dead key": Journey(with_a_dead_key, comes_back),
    "adoption of an earlier channel": Journey(with_an_earlier_channel, comes, submissions=0),
    "takeover by another tenant": Journey(refused, comes_to_another, tenant=OTHER_TENANT),
    "cancel": Journey(connected, partial(is_asked, cancel_number), status=Status.CANCELLED),
    "reactivate": Journey(ended, partial(is_asked, reactivate_number)),
    "a check that sets the webhook back": Journey(with_a_webhook_elsewhere, partial(is_asked, check_number)),
    "a second channel takes over": Journey(with_a_second_channel, is_ended_in_the_hub),
    "a census of three pages": Journey(lost_among_others, is_counted),
}


def play(journey: Journey, *, at: int | None = None, after: bool = False) -> tuple[World, Json, list[str]]:
    """The whole of it; stopped at the `at`-th side effect of what happens. Gives those side effects."""
    killer = Killer()
    world = World(OPTIONS, killer=killer).__enter__()
    customer = journey.before(world)
    first = len(killer.calls)
    if at is not None:
        killer.kill_in(at, after=after)
    journey.happens(world, customer)
    world.run(ACTS_FOR)
    effects = killer.calls[first:]
    world.run(AFTERWARDS)
    return world, customer, effects


def kill_points() -> list[Any]:
    """Every side effect of every journey, before it and after it."""
    points = []
    for name, journey in JOURNEYS.items():
        world, _, effects = play(journey)
        world.__exit__()
        points += [
            pytest.param(name, at, after, id=f"{name}-{at:03d}-{effect}-{'after' if after else 'before'}")
            for at, effect in enumerate(effects)
            for after in (False, True)
        ]
    return points


def assert_ended_well(journey: Journey, world: World, customer: Json) -> None:
    number = world.number(number_of(customer))
    shown = (number, world.killer.calls[-8:])
    assert (number.status, number.tenant) == (journey.status, journey.tenant), shown
    assert number.lease is None, shown
    assert number.intent is None, shown
    assert number.unseen is None, shown
    assert not number.is_open_wish, shown
    assert not number.is_under_way, shown
    assert number.attention == journey.attention, shown
    hub = world.sims.hub
    channels = [entry for entry in hub.channels.values() if entry.phone_number_id == number.phone_number_id]
    living = [entry.id for entry in channels if not entry.dead]
    if journey.status == Status.CONNECTED:
        assert living == [number.channel_id], shown
        assert world.key_lives(number), shown
    else:
        assert not living, shown
    assert len(hub.submissions) == journey.submissions, hub.submissions
    emails = [client.email for client in hub.clients.values()]
    assert len(emails) == len(set(emails)), emails
    signup = world.load(number.signup_id)
    assert signup.status(world.clock.now()) == ("connected" if living else "attention"), signup.counts


@pytest.mark.parametrize("name", JOURNEYS)
def test_what_nobody_disturbs_ends_well(name: str) -> None:
    world, customer, _ = play(JOURNEYS[name])
    with world:
        assert_ended_well(JOURNEYS[name], world, customer)


@pytest.mark.parametrize(("name", "at", "after"), kill_points())
def test_a_process_killed_at_any_side_effect_ends_like_one_that_was_not(
    name: str, at: int, after: bool
) -> None:
    world, customer, _ = play(JOURNEYS[name], at=at, after=after)
    with world:
        assert_ended_well(JOURNEYS[name], world, customer)
