"""Adoption of 1,000 channels at the real budget, in simulated time, while live signups come; and killed.

The operator here is what the command line is: it asks for a page, keeps the place, and comes again when it is
told to wait.
"""

from collections.abc import Sequence
from typing import Any, Final

import pytest

from harness.killing import Killed, Killer
from harness.world import Options, World
from local.simulators.hub import ApiKey
from onramp.domain.census import Census
from onramp.domain.clients import ClientRecord
from onramp.domain.errors import PutOff, UnavailableError
from onramp.domain.facts import FactType
from onramp.domain.number import Number
from onramp.domain.records import Stored
from onramp.domain.signup import Signup
from onramp.domain.states import Status
from onramp.usecases.adopt import Judged, Plan, Verdict, Wanted, adopt_page
from onramp.usecases.keys import rotate_key
from tests.faults.test_census_scale import (
    CALLS,
    HUB,
    MOST_LATE,
    Crowd,
    IndexedStore,
    arrivals,
    seen_all,
    watched,
)

CHANNELS: Final = 1_000
PAGES: Final = 5
AN_HOUR: Final = 3_600.0
THEIRS: Final = Plan(rest=Wanted("crowd"))


class Operator:
    """Somebody at the command line."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.died = 0

    def adopts(self, plan: Plan = THEIRS, *, dry_run: bool = False, offset: int = 0) -> list[Judged]:
        """Page by page, until the end. A page whose function died or that waits is asked for again."""
        judged: list[Judged] = []
        place: int | None = offset
        while place is not None:
            try:
                page = adopt_page(self.world.ports, plan, place, dry_run=dry_run)
            except PutOff as wait:
                self.world.run((wait.until - self.world.clock.now()).total_seconds())
            except (Killed, UnavailableError):
                self.died += 1
                self.world.run(1.0)
            else:
                judged += page.items
                place = page.next_offset
        return judged


def stand(world: World, amount: int) -> list[str]:
    """Channels of several clients and accounts, each with a key and a webhook of the partner's own."""
    crowd = Crowd(world)
    names = []
    for index in range(amount):
        channel = crowd.channel(f"5{index:014d}", f"4{index // 10:014d}")
        key = ApiKey(
            id=f"k{index}", secret=f"theirs-{index}", app_id="1", made_at=crowd.seconds, made_by="hub"
        )
        channel.keys.append(key)
        channel.webhook = {"url": "https://theirs.example.com/hook", "headers": {}}
        names.append(channel.phone_number_id)
    return names


def everything(world: World) -> list[str]:
    """All that adoption writes, with the version of each record."""
    kinds: list[type[Stored]] = [Number, Signup, ClientRecord]
    found = [record for kind in kinds for record in world.store.records(kind)]
    return sorted(f"{record.KIND} {record.version} {record.model_dump_json()}" for record in found)


def keys_and_webhooks(world: World) -> list[Any]:
    """What 360dialog has of the channels that were there before."""
    channels = [channel for name, channel in world.sims.hub.channels.items() if name.startswith("c5")]
    return [
        (channel.id, channel.webhook, [(key.secret, key.revoked_at) for key in channel.keys])
        for channel in channels
    ]


def test_1000_channels_are_adopted_with_five_calls_and_the_second_time_changes_nothing() -> None:
    options = Options(budget_calls=CALLS, simulated_budget=CALLS)
    with World(options, store=IndexedStore) as world:
        names = stand(world, CHANNELS)
        before = keys_and_webhooks(world)
        began = world.clock.now()
        judged = Operator(world).adopts()
        lasted = (world.clock.now() - began).total_seconds()
        assert [one.verdict for one in judged] == [Verdict.ADOPTED] * CHANNELS
        assert world.telemetry.counts["BudgetUsed"] == PAGES
        assert lasted < AN_HOUR / 20
        numbers = [world.number(name) for name in names]
        assert {(number.status, number.tenant, number.due_at) for number in numbers} == {
            (Status.LIVE, "crowd", None)
        }
        first = everything(world)
        judged = Operator(world).adopts()
        assert {one.verdict for one in judged} == {Verdict.KNOWN}
        assert everything(world) == first
        assert keys_and_webhooks(world) == before
        world.publish()
        told = [fact.type for fact in world.bus.published]
        assert told.count(FactType.NUMBER_ADOPTED) == CHANNELS
        world.census()
        world.run(AN_HOUR, until=seen_all(world))
        census = world.store.read(Census, HUB)
        assert census is not None
        assert (census.channels, census.unknown_count) == (CHANNELS, 0)
        world.run(26 * AN_HOUR)
        assert keys_and_webhooks(world) == before
        world.assert_nothing_doubled()


def test_live_signups_that_come_meanwhile_hardly_notice() -> None:
    options = Options(budget_calls=CALLS, step_seconds=2.0)
    with World(options, store=IndexedStore) as world, watched() as line:
        stand(world, CHANNELS)
        live = arrivals(world)
        operator = Operator(world)
        for _ in range(8):
            operator.adopts()
            world.run(20.0)
        world.run(2 * AN_HOUR)
        assert {world.number(name).status for name in live} == {Status.CONNECTED}
        late = line.slots_late()
        assert late, "no live call has met the adoption"
        assert max(late)[0] <= MOST_LATE, sorted(late)[-10:]


def test_two_operators_at_once_do_no_harm() -> None:
    with World(store=IndexedStore) as world:
        names = stand(world, 20)
        second = Operator(world)
        commits = {"left": 20}

        def other_adopts() -> None:
            commits["left"] -= 1
            if commits["left"] > 0 and commits["left"] % 3 == 0:
                second.adopts()

        for skip in (1, 4, 9):
            world.killer.when("store.commit", other_adopts, skip=skip)
            Operator(world).adopts()
        assert {world.number(name).tenant for name in names} == {"crowd"}
        world.publish()
        told = [fact.phone_number_id for fact in world.bus.published if fact.type == FactType.NUMBER_ADOPTED]
        assert sorted(told, key=str) == sorted(names)
        counts = [signup.counts for signup in world.store.records(Signup)]
        assert sum(count["onboarding"] for count in counts) == len(names)


def test_two_operators_who_want_it_for_different_tenants_do_not_share_it() -> None:
    with World(store=IndexedStore) as world:
        (name,) = stand(world, 1)
        world.killer.when(
            "store.commit", lambda: void(Operator(world).adopts(Plan(rest=Wanted("faster")))), skip=1
        )
        (judged,) = Operator(world).adopts(Plan(channels={f"c{name}CH": Wanted("slower")}))
        assert (judged.verdict, judged.tenant) == (Verdict.CONTRADICTS, "faster")
        assert world.number(name).tenant == "faster"


def void(_: object) -> None:
    return


# -- killed ------------------------------------------------------------------------------------------------


def adopted_and_keyed(killer: Killer) -> tuple[World, list[str]]:
    """Three channels of two accounts are adopted, and one of them is given a key."""
    world = World(killer=killer, store=IndexedStore)
    crowd = Crowd(world)
    for index in range(3):
        crowd.channel(f"5{index:014d}", f"4{index // 2:014d}")
    operator = Operator(world)
    operator.adopts()
    name = f"5{0:014d}"
    world.patiently(lambda: rotate_key(world.ports, world.number(name)))
    world.run(120.0)
    return world, list(killer.calls)


def effects() -> list[str]:
    world, calls = adopted_and_keyed(Killer())
    world.__exit__()
    return calls


def points() -> Sequence[Any]:
    return [
        pytest.param(at, after, id=f"{at:03d}-{effect}-{'after' if after else 'before'}")
        for at, effect in enumerate(effects())
        for after in (False, True)
    ]


@pytest.mark.parametrize(("at", "after"), points())
def test_a_process_killed_at_any_side_effect_goes_on_and_ends_like_one_that_was_not(
    at: int, after: bool
) -> None:
    world, _ = adopted_and_keyed(Killer(at, after=after))
    with world:
        world.run(2 * AN_HOUR)
        first, *rest = (world.number(f"5{index:014d}") for index in range(3))
        assert (first.status, first.key_wanted) == (Status.CONNECTED, False)
        assert world.key_lives(first)
        assert {(number.status, number.key, number.due_at) for number in rest} == {(Status.LIVE, None, None)}
        signups = world.store.records(Signup)
        assert sorted(len(signup.submitted) for signup in signups) == [1, 2]
        world.publish()
        # The bus gets each fact at least once, with the same id.
        told = {fact.id for fact in world.bus.published if fact.type == FactType.NUMBER_ADOPTED}
        assert len(told) == len(first_told(world)) == 3


def first_told(world: World) -> set[str | None]:
    return {fact.phone_number_id for fact in world.bus.published if fact.type == FactType.NUMBER_ADOPTED}


# -- a rotation ----------------------------------------------------------------------------------------------


def connected(world: World) -> str:
    customer = world.customer()
    signup = world.submitted(customer)
    world.run(until=world.settled(signup.id))
    return str(customer["wabas"][0]["numbers"][0]["id"])


def rotation_effects() -> int:
    with World(killer=Killer()) as world:
        name = connected(world)
        began = len(world.killer.calls)
        rotate_key(world.ports, world.number(name))
        world.run(60.0)
        return len(world.killer.calls) - began


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("at", range(rotation_effects()))
def test_a_rotation_killed_anywhere_ends_with_one_new_key_that_works(at: int, after: bool) -> None:
    with World(killer=Killer()) as world:
        name = connected(world)
        before = world.stored_key(world.number(name)).api_key
        world.killer.kill_in(at, after=after)
        world.patiently(lambda: rotate_key(world.ports, world.number(name)))
        world.run(2 * AN_HOUR)
        number = world.number(name)
        assert (number.status, number.key_wanted, number.is_under_way) == (Status.CONNECTED, False, False)
        assert world.stored_key(number).api_key != before
        assert world.key_lives(number)
