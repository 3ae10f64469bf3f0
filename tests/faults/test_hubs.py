"""Three partners in one stage, played against the simulators to the end."""

from typing import Any

import pytest

from harness.world import Options, World, partner_of
from onramp.domain.budget import BudgetState
from onramp.domain.signup import Signup
from onramp.usecases.balance import read_balance
from onramp.usecases.submit_numbers import submit_numbers

type Json = dict[str, Any]

HUBS = ("emea", "latam")
ALL = ("default", *HUBS)


@pytest.fixture
def world() -> Any:
    with World(Options(hubs=HUBS)) as made:
        yield made


def taken(world: World, hub: str, place: int, customer: Json | None = None) -> Signup:
    """A signup for a hub whose number is submitted."""
    customer = customer or world.customer()
    signup = world.authorized(customer, hub=hub, email=f"owner{place}@example.com", key=f"k{place}")
    ids = [customer["wabas"][0]["numbers"][0]["id"]]
    return submit_numbers(world.ports, world.load(signup.id), ids, None)


def channels(world: World, hub: str) -> list[str]:
    """360dialog's channels of a hub's partner."""
    name = world.sims.settings.partner_id if hub == "default" else partner_of(hub)
    return list(world.sims.partners[name].hub.channels)


def everybody(world: World, signups: list[Signup]) -> bool:
    return all(world.settled(signup.id)() for signup in signups)


def test_each_number_is_connected_at_the_partner_of_its_hub_and_nowhere_else(world: World) -> None:
    signups = [taken(world, hub, place) for place, hub in enumerate(ALL)]
    world.run(until=lambda: everybody(world, signups))
    for hub, signup in zip(ALL, signups, strict=True):
        world.assert_connected(signup.id)
        [number] = world.numbers(signup.id)
        assert (number.hub, channels(world, hub)) == (hub, [number.channel_id])
        assert world.store.read(BudgetState, hub) is not None


def test_one_hubs_silence_is_no_business_of_the_others(world: World) -> None:
    world.sims.partners[partner_of("emea")].hub.options.stop_at = "ready"
    signups = [taken(world, hub, place) for place, hub in enumerate(ALL)]
    world.run(7_200, until=lambda: everybody(world, [signups[0], signups[2]]))
    world.assert_connected(signups[0].id)
    world.assert_connected(signups[2].id)
    [waiting] = world.numbers(signups[1].id)
    assert waiting.status == "ready"


def test_without_a_webhook_each_hub_is_looked_through_by_itself(world: World) -> None:
    world.lose_webhook = lambda _: True
    signups = [taken(world, hub, place) for place, hub in enumerate(ALL)]
    world.run(until=lambda: everybody(world, signups))
    assert world.webhooks_lost
    for signup in signups:
        world.assert_connected(signup.id)


def test_a_census_finds_unknown_channels_with_their_own_hub(world: World) -> None:
    first = taken(world, "emea", 1)
    world.run(until=world.settled(first.id))
    world.census()
    world.run(1_200)
    assert not [fact for hub in ALL for fact in world.store.facts_of(f"HUB#{hub}", 9)]


def test_a_webhook_that_is_signed_with_another_hubs_secret_is_not_taken(world: World) -> None:
    world.sims.partners[partner_of("latam")].hub.platform_secret = "another one"
    signup = taken(world, "latam", 1)
    world.run(120)
    assert not [message for message in world.queue.messages if message.kind == "event"]
    assert world.numbers(signup.id)[0].status != "connected"


def test_the_balance_of_each_hub_is_read_at_its_own_partner(world: World) -> None:
    world.sims.partners[partner_of("latam")].hub.options.balance = 7.25
    found = {hub: [f"{one.total} {one.currency}" for one in read_balance(world.ports.at(hub))] for hub in ALL}
    assert found == {"default": ["250.0 EUR"], "emea": ["250.0 EUR"], "latam": ["7.25 EUR"]}
