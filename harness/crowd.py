"""A crowd: channels that 360dialog had long before, and signups that come at random moments."""

import random
from collections.abc import Callable
from typing import Any, Final

from harness.world import Json, World
from local.simulators.hub import Channel, Client
from onramp.domain.census import Census
from onramp.domain.records import HUB

A_DAY: Final = 86_400.0


class Crowd:
    """What stands at 360dialog before anything begins."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.now = world.clock.now()
        self.seconds = self.now.timestamp()
        self.client = self.newcomer("CrowdCL", "crowd@example.com")

    def newcomer(self, name: str, email: str) -> Client:
        """Another client; it may have any number of channels."""
        client = Client(id=name, name="Crowd", email=email, user_name="Crowd", created_at=self.seconds)
        self.world.sims.hub.clients[name] = client
        return client

    def channel(self, name: str, waba: str, client: Client | None = None) -> Channel:
        """A channel that has been live for long; of the crowd's own client, if no other is named."""
        channel = Channel(
            id=f"c{name}CH",
            client_id=(client or self.client).id,
            waba_record_id=f"{waba}WA",
            waba_external_id=waba,
            waba_name="Crowd",
            business_id="77",
            business_name="Crowd",
            phone_number_id=name,
            phone_digits=f"1{name[-10:]}",
            phone_name="Crowd",
            plus=False,
            created_at=self.seconds - A_DAY,
        )
        channel.put_in("live", self.seconds - A_DAY)
        self.world.sims.hub.channels[channel.id] = channel
        return channel


def seen_all(world: World) -> Callable[[], bool]:
    """Whether a whole census has come to its end."""

    def check() -> bool:
        census = world.store.read(Census, HUB)
        return census is not None and census.whole_since is not None

    return check


def signs_up(world: World, customer: Json, key: str, **fields: Any) -> None:
    """A customer goes through the popup and submits at once, with a code that is fresh."""
    code = world.admin("meta", "codes", {"business_id": customer["business_id"]})
    world.submitted({**customer, **code}, key=key, **fields)


def arrivals(world: World, amount: int, spread: float) -> list[str]:
    """Live signups that come at random moments of the next `spread` seconds; gives their numbers."""
    chance = random.Random(2)
    numbers: list[str] = []
    for index in range(amount):
        customer = world.customer()
        numbers.append(customer["wabas"][0]["numbers"][0]["id"])

        def come(customer: Json = customer, index: int = index) -> None:
            signs_up(world, customer, f"live {index}", email=f"live{index}@example.com")

        world.later(chance.random() * spread, come)
    return numbers
