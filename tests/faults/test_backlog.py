"""A live signup in the middle of a backlog, at the real budget, in simulated time."""

from functools import partial
from typing import Final

import pytest

from harness.crowd import signs_up
from harness.indexed import IndexedStore
from harness.line import CALLS, MOST_LATE, watched
from harness.world import Json, Options, World
from onramp.domain.schedule import URGENT_FOR
from onramp.domain.states import Status

BACKLOG: Final = 40
LIVE: Final = 2
APART: Final = 200.0
"""Seconds."""
LATER: Final = URGENT_FOR.total_seconds() + 60


@pytest.mark.parametrize("same_client", [True, False], ids=["a known client", "new clients"])
def test_a_live_signup_in_a_backlog_waits_for_two_slots_at_most_before_each_call(same_client: bool) -> None:
    options = Options(budget_calls=CALLS, step_seconds=2.0)
    with World(options, store=IndexedStore) as world, watched() as line:
        for index in range(BACKLOG):
            email = f"old{0 if same_client else index}@example.com"
            world.submitted(world.customer(), key=f"old{index}", email=email)
        customers = [world.customer() for _ in range(LIVE)]
        live = {customer["wabas"][0]["numbers"][0]["id"] for customer in customers}
        for index, customer in enumerate(customers):
            world.later(LATER + index * APART, partial(come, world, customer, index))
        world.run(2 * 86_400)
        assert {world.number(name).status for name in live} == {Status.CONNECTED}
        world.assert_nothing_doubled(clients=(1 if same_client else BACKLOG) + LIVE)
        late = [slots for slots, job in line.slots_behind() if job.rpartition("/")[2] in live]
        assert late, "no live call has met the backlog"
        assert max(late) <= MOST_LATE


def come(world: World, customer: Json, index: int) -> None:
    """A customer goes through the popup."""
    signs_up(world, customer, f"live{index}", email=f"live{index}@example.com")
