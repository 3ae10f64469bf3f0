"""A census of 10,000 channels at the real budget, in simulated time, while live signups come and go.

How many slots a live call is late: the starts in the window, from the moment at which it asks for its slot
until it gets one, that are not live calls'. What live calls wait for each other does not count.
"""

import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

import pytest

from harness.world import Options, World
from local.simulators.hub import Channel, Client
from onramp.adapters.memory import MemoryStore
from onramp.domain import budget
from onramp.domain.budget import BudgetState
from onramp.domain.census import Census
from onramp.domain.facts import FactType
from onramp.domain.number import ChannelKey, Number, WabaOf
from onramp.domain.records import Stored
from onramp.domain.states import Progress, Status

CONNECTED: Final = 8_000
FOREIGN: Final = 1_900
LOST: Final = 100
SIGNUPS: Final = 20
SPREAD: Final = 1_200.0
"""Seconds in which the live signups arrive."""
CALLS: Final = 5
SPAN: Final = 31.0
"""Seconds of the budget's window, with its guard."""
MOST_LATE: Final = 2
"""Slots."""
HUB: Final = "default"


class IndexedStore(MemoryStore):
    """The memory store with indexes as the real one has them, so that a find does not read every number."""

    def __init__(self, clock: Any) -> None:
        super().__init__(clock)
        self._found: dict[tuple[str, ...], set[str]] = defaultdict(set)
        self._under: dict[str, set[tuple[str, ...]]] = defaultdict(set)

    def commit(self, *records: Stored, facts: Sequence[Any] = (), gone: Sequence[Any] = ()) -> None:
        super().commit(*records, facts=facts, gone=gone)
        for record in records:
            if isinstance(record, Number):
                self._index(record)

    def _index(self, number: Number) -> None:
        name = number.phone_number_id
        places = {
            ("at", number.place),
            ("in", number.hub, number.waba.id),
            ("with", number.hub, number.digits),
        }
        for gone in self._under[name] - places:
            self._found[gone].discard(name)
        for place in places:
            self._found[place].add(name)
        self._under[name] = places

    def numbers_at(self, place: str, limit: int) -> Sequence[str]:
        return sorted(self._found["at", place])[:limit]

    def numbers_in(self, hub: str, waba_id: str, limit: int) -> Sequence[str]:
        return sorted(self._found["in", hub, waba_id])[:limit]

    def numbers_with(self, hub: str, digits: str) -> Sequence[str]:
        return sorted(self._found["with", hub, digits])


@dataclass
class Line:
    """When live calls asked for their slots and when they got them."""

    asked: dict[str, float] = field(default_factory=dict)
    calls: list[tuple[float, float, str]] = field(default_factory=list)
    spare: list[float] = field(default_factory=list)

    def slots_late(self) -> list[tuple[int, str]]:
        """For each live call that had to wait: how many slots the census had, and whose call it was."""
        waited = [(asked, got, job) for asked, got, job in self.calls if got > asked]
        return [(sum(asked - SPAN < start <= got for start in self.spare), job) for asked, got, job in waited]


@contextmanager
def watched() -> Iterator[Line]:
    """Watch the budget: who asks when, and who starts when."""
    line = Line()
    take, take_spare = budget.take, budget.take_spare

    def taking(state: BudgetState, rule: Any, job: str, now: Any) -> Any:
        line.asked.setdefault(job, now.timestamp())
        slot = take(state, rule, job, now)
        if slot is None:
            line.calls.append((line.asked.pop(job), now.timestamp(), job))
        return slot

    def taking_spare(state: BudgetState, rule: Any, now: Any) -> Any:
        slot = take_spare(state, rule, now)
        if slot is None:
            line.spare.append(now.timestamp())
        return slot

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(budget, "take", taking)
        patch.setattr(budget, "take_spare", taking_spare)
        yield line


class Crowd:
    """What stands at 360dialog and in our store before the census."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.now = world.clock.now()
        self.seconds = self.now.timestamp()
        hub = world.sims.hub
        self.client = Client(
            id="CrowdCL", name="Crowd", email="crowd@example.com", user_name="Crowd", created_at=self.seconds
        )
        hub.clients[self.client.id] = self.client

    def channel(self, name: str, waba: str) -> Channel:
        """A channel that has been live for long."""
        channel = Channel(
            id=f"c{name}CH",
            client_id=self.client.id,
            waba_record_id=f"{waba}WA",
            waba_external_id=waba,
            waba_name="Crowd",
            business_id="77",
            business_name="Crowd",
            phone_number_id=name,
            phone_digits=f"1{name[-10:]}",
            phone_name="Crowd",
            plus=False,
            created_at=self.seconds - 86_400,
        )
        channel.put_in("live", self.seconds - 86_400)
        self.world.sims.hub.channels[channel.id] = channel
        return channel

    def number(self, channel: Channel, progress: Progress, **more: Any) -> Number:
        """Our record of a channel's number."""
        long_ago = self.now - timedelta(days=2)
        return Number(
            phone_number_id=channel.phone_number_id,
            tenant="crowd",
            signup_id="crowd",
            waba=WabaOf(id=channel.waba_external_id),
            client_id=self.client.id,
            digits=channel.phone_digits,
            created_at=long_ago,
            progress=progress,
            steps={Progress.PENDING: long_ago, progress: long_ago},
            **more,
        )

    def stand(self) -> list[str]:
        """Everybody takes their place, mixed; gives the numbers whose events were lost."""
        kinds = ["connected"] * CONNECTED + ["foreign"] * FOREIGN + ["lost"] * LOST
        random.Random(1).shuffle(kinds)
        lost: list[str] = []
        numbers: list[Number] = []
        for index, kind in enumerate(kinds):
            channel = self.channel(f"5{index:014d}", f"4{index // 10:014d}")
            if kind == "connected":
                numbers.append(self._connected(channel))
            elif kind == "lost":
                lost.append(channel.phone_number_id)
                later = self.now + timedelta(hours=5)
                numbers.append(self.number(channel, Progress.SUBMITTED, looks=9, due_at=later))
        for start in range(0, len(numbers), 100):
            self.world.store.commit(*numbers[start : start + 100])
        return lost

    def _connected(self, channel: Channel) -> Number:
        key = ChannelKey(secret="s", address="http://dialog.test/messaging", made_at=self.now)
        checked = self.now + timedelta(hours=20)
        return self.number(channel, Progress.CONNECTED, channel_id=channel.id, key=key, due_at=checked)


def seen_all(world: World) -> Callable[[], bool]:
    """Whether a whole census has come to its end."""

    def check() -> bool:
        census = world.store.read(Census, HUB)
        return census is not None and census.whole_since is not None

    return check


def arrivals(world: World) -> list[str]:
    """Live signups come at random moments; gives their numbers."""
    chance = random.Random(2)
    numbers: list[str] = []
    for index in range(SIGNUPS):
        customer = world.customer()
        numbers.append(customer["wabas"][0]["numbers"][0]["id"])

        def come(customer: Any = customer, index: int = index) -> None:
            code = world.admin("meta", "codes", {"business_id": customer["business_id"]})
            world.submitted({**customer, **code}, key=f"live {index}", email=f"live{index}@example.com")

        world.later(chance.random() * SPREAD, come)
    return numbers


def test_a_census_of_10000_channels_sees_all_and_live_signups_hardly_notice() -> None:
    options = Options(budget_calls=CALLS, step_seconds=2.0)
    with World(options, store=IndexedStore) as world, watched() as line:
        lost = Crowd(world).stand()
        live = arrivals(world)
        world.queue.wake_census(HUB)
        world.run(6 * 3_600, until=seen_all(world))
        world.run(2 * 3_600)
        assert {world.number(name).status for name in [*lost, *live]} == {Status.CONNECTED}
        reports = [fact for fact in world.bus.published if fact.type == FactType.CHANNELS_UNKNOWN]
        assert reports[0].detail["count"] == str(FOREIGN)
        census = world.store.read(Census, HUB)
        assert census is not None
        assert census.channels >= CONNECTED + FOREIGN + LOST
        world.assert_nothing_doubled(clients=SIGNUPS + 1)
        late = line.slots_late()
        assert late, "no live call has met the census"
        assert max(late)[0] <= MOST_LATE, sorted(late)[-10:]
