"""A census of 10,000 channels at the real budget, in simulated time, while live signups come and go."""

import random
from datetime import timedelta
from typing import Any, Final

from harness.crowd import Crowd, arrivals, seen_all
from harness.indexed import IndexedStore
from harness.line import CALLS, MOST_LATE, watched
from harness.world import Options, World
from local.simulators.hub import Channel
from onramp.domain.census import Census
from onramp.domain.facts import FactType
from onramp.domain.number import ChannelKey, Number, WabaOf
from onramp.domain.records import HUB
from onramp.domain.states import Progress, Status

CONNECTED: Final = 8_000
FOREIGN: Final = 1_900
LOST: Final = 100
SIGNUPS: Final = 20
SPREAD: Final = 1_200.0
"""Seconds in which the live signups arrive."""


class Met(Crowd):
    """What stands at 360dialog and in our store before the census."""

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


def test_a_census_of_10000_channels_sees_all_and_live_signups_hardly_notice() -> None:
    options = Options(budget_calls=CALLS, step_seconds=2.0)
    with World(options, store=IndexedStore) as world, watched() as line:
        lost = Met(world).stand()
        live = arrivals(world, SIGNUPS, SPREAD)
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
