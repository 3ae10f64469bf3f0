"""Adoption of 1,000 channels at the real budget, in simulated time, while live signups come; and killed.

The operator types `onramp channels adopt`; between the command line and the simulators everything is real.
"""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, Self

import pytest

from harness.crowd import Crowd, arrivals, seen_all, signs_up
from harness.indexed import IndexedStore
from harness.killing import Killer
from harness.line import CALLS, MOST_LATE, watched
from harness.operating import Operator, Said
from harness.world import TENANT, Options, World
from local.simulators.hub import ApiKey, Client
from onramp.domain.census import Census
from onramp.domain.clients import ClientRecord
from onramp.domain.facts import FactType
from onramp.domain.number import Number
from onramp.domain.records import HUB, Stored
from onramp.domain.signup import Signup
from onramp.domain.states import Status
from onramp.usecases.keys import rotate_key

CHANNELS: Final = 1_000
CLIENTS: Final = 100
TENANTS: Final = 7
PAGES: Final = 5
"""Calls that one list of all channels takes."""
A_WAIT: Final = 31.5
"""Seconds until two more spare calls may start, and are asked for."""
AN_HOUR: Final = 3_600.0
BUDGET: Final = Options(budget_calls=CALLS, simulated_budget=CALLS)


class Found:
    """Channels of several clients and accounts, each with a key and a webhook of its owner's."""

    def __init__(self, world: World, amount: int, clients: int) -> None:
        self.world = world
        crowd = Crowd(world)
        self.clients = [crowd.client] + [
            crowd.newcomer(f"n{index}CL", f"owner{index}@example.com") for index in range(1, clients)
        ]
        each = amount // clients
        self.owners: dict[str, Client] = {}
        for index in range(amount):
            client = self.clients[min(index // each, clients - 1)]
            channel = crowd.channel(f"5{index:014d}", f"4{index // max(each // 2, 1):014d}", client)
            key = ApiKey(
                id=f"k{index}", secret=f"theirs-{index}", app_id="1", made_at=crowd.seconds, made_by="hub"
            )
            channel.keys.append(key)
            channel.webhook = {"url": "https://theirs.example.com/hook", "headers": {}}
            self.owners[channel.phone_number_id] = client

    def tenant(self, client: Client) -> str:
        """Whose a client is to be."""
        return f"tenant-{self.clients.index(client) % TENANTS}"

    def mapping(self, path: Path) -> str:
        """A file that says whose they are: by client, by email, by channel."""
        rows = ["channel_id,client_id,email,tenant,reference,phone_number_id"]
        for index, client in enumerate(self.clients):
            tenant, order = self.tenant(client), f"order-{index}"
            mine = [name for name, owner in self.owners.items() if owner is client]
            kinds = [
                [f",{client.id},,{tenant},{order},"],
                [f",,{client.email},{tenant},{order},"],
                [f"c{name}CH,,,{tenant},{order},{name}" for name in mine],
            ]
            rows += kinds[index % len(kinds)]
        path = path / "whose.csv"
        path.write_text("\n".join(rows), encoding="utf-8")
        return str(path)

    def left_alone(self) -> list[Any]:
        """What 360dialog has of the channels that were there before."""
        channels = self.world.sims.hub.channels
        return [
            (name, channel.webhook, [(key.secret, key.revoked_at) for key in channel.keys])
            for name, channel in channels.items()
            if channel.phone_number_id in self.owners
        ]

    def assert_adopted(self) -> None:
        """Each is a number of the right tenant and rests; its client is that tenant's; all was told once."""
        world = self.world
        for name, client in self.owners.items():
            number = world.number(name)
            tenant, order = self.tenant(client), f"order-{self.clients.index(client)}"
            assert (number.status, number.rests, number.key, number.due_at) == (Status.LIVE, True, None, None)
            assert (number.channel_id, number.client_id) == (f"c{name}CH", client.id)
            assert (number.tenant, number.reference) == (tenant, order)
            signup = world.load(number.signup_id)
            assert (signup.tenant, signup.client.id) == (tenant, client.id)
            owner = world.store.read(ClientRecord, HUB, client.id)
            assert (owner.tenant, owner.client_id) == (tenant, client.id)
        self.assert_told()

    def assert_told(self) -> None:
        """The adoption of each was told once; the bus may get that twice, with the same id."""
        self.world.publish()
        told = {
            fact.id: str(fact.phone_number_id)
            for fact in self.world.bus.published
            if fact.type == FactType.NUMBER_ADOPTED
        }
        assert sorted(told.values()) == sorted(self.owners)

    def all_keys(self) -> list[list[ApiKey]]:
        """All keys that were ever made for each of them."""
        channels = self.world.sims.hub.channels.values()
        return [channel.keys for channel in channels if channel.phone_number_id in self.owners]


def adopt(world: World, *words: str) -> Said:
    """What the operator types, once."""
    return Operator(world).says("channels", "adopt", *words, "--yes")


def everything(world: World) -> list[str]:
    """All that adoption writes, with the version of each record."""
    kinds: list[type[Stored]] = [Number, Signup, ClientRecord]
    found = [record for kind in kinds for record in world.store.records(kind)]
    return sorted(f"{record.KIND} {record.version} {record.model_dump_json()}" for record in found)


def calls(world: World) -> int:
    """Partner calls so far."""
    return int(world.dialog_state()["budget"]["requests"])


def test_1000_channels_are_adopted_with_five_calls_and_the_second_time_changes_nothing(
    tmp_path: Path,
) -> None:
    with World(BUDGET, store=IndexedStore) as world:
        found = Found(world, CHANNELS, CLIENTS)
        whose, before = found.mapping(tmp_path), found.left_alone()
        foretold = adopt(world, whose, "--dry-run")
        assert everything(world) == []
        first = adopt(world, whose)
        # A list of clients, the channels for the dry run, the channels for doing it.
        assert calls(world) == (1 + PAGES) + (1 + 2 * PAGES)
        assert (first.code, first.result["counts"]) == (0, {"adopted": CHANNELS})
        assert first.result["items"] == foretold.result["items"]
        assert first.seconds <= A_WAIT * (1 + 2 * PAGES + 1) / 2
        found.assert_adopted()
        written = everything(world)
        second = adopt(world, whose)
        assert (second.code, second.result["counts"]) == (0, {"known": CHANNELS})
        assert everything(world) == written
        world.census()
        world.run(AN_HOUR, until=seen_all(world))
        census = world.store.read(Census, HUB)
        assert (census.channels, census.unknown_count) == (CHANNELS, 0)
        world.run(26 * AN_HOUR)
        found.assert_adopted()
        assert found.left_alone() == before
        assert world.dialog_state()["submissions"] == []
        world.assert_nothing_doubled(clients=CLIENTS)


@pytest.mark.parametrize("moment", [10.0, 70.0, 130.0])
def test_a_signup_that_comes_in_the_middle_connects_and_hardly_notices(moment: float, tmp_path: Path) -> None:
    with World(BUDGET, store=IndexedStore) as world, watched() as line:
        found = Found(world, CHANNELS, CLIENTS)
        stranger, known = world.customer(), world.customer()
        client = found.clients[7]
        tenant = found.tenant(client)
        world.later(moment, lambda: signs_up(world, stranger, "stranger", email="new@example.com"))
        world.later(moment, lambda: signs_up(world, known, "known", email=client.email, tenant=tenant))
        said = adopt(world, found.mapping(tmp_path))
        assert (said.code, said.result["counts"]["adopted"]) == (0, CHANNELS)
        assert said.seconds < AN_HOUR / 4
        world.run(AN_HOUR)
        numbers = [world.number(customer["wabas"][0]["numbers"][0]["id"]) for customer in (stranger, known)]
        assert [number.status for number in numbers] == [Status.CONNECTED] * 2
        assert [number.tenant for number in numbers] == [TENANT, tenant]
        assert numbers[1].client_id == client.id
        late = line.slots_late()
        assert late, "no live call has met the adoption"
        assert max(late)[0] <= MOST_LATE, sorted(late)[-10:]
        found.assert_adopted()
        world.assert_nothing_doubled(clients=CLIENTS + 1)


def test_many_live_signups_hardly_notice_and_stay_their_tenants() -> None:
    with World(Options(budget_calls=CALLS, step_seconds=2.0), store=IndexedStore) as world:
        found = Found(world, CHANNELS, 1)
        live = arrivals(world, 20, 1_200.0)
        with watched() as line:
            for _ in range(8):
                assert adopt(world, "--tenant", "tenant-0").code == 0
                world.run(20.0)
            world.run(2 * AN_HOUR)
        assert {(world.number(name).status, world.number(name).tenant) for name in live} == {
            (Status.CONNECTED, TENANT)
        }
        assert {world.number(name).tenant for name in found.owners} == {"tenant-0"}
        late = line.slots_late()
        assert late, "no live call has met the adoption"
        assert max(late)[0] <= MOST_LATE, sorted(late)[-10:]
        world.assert_nothing_doubled(clients=21)


@pytest.mark.parametrize(
    ("kind", "code"), [("throttle", 0), ("error_before", 1), ("timeout_after", 1), ("invalid_json", 1)]
)
def test_a_page_that_360dialog_does_not_give_is_all_that_is_missing(
    kind: str, code: int, tmp_path: Path
) -> None:
    with World(BUDGET, store=IndexedStore) as world:
        found = Found(world, CHANNELS, CLIENTS)
        whose = found.mapping(tmp_path)
        # The third page of those that are taken in.
        world.fault(kind, "channels$", method="GET", skip=PAGES + 2)
        assert adopt(world, whose).code == code
        assert len(world.store.records(Number)) == (CHANNELS if code == 0 else 400)
        assert adopt(world, whose).code == 0
        found.assert_adopted()
        world.assert_nothing_doubled(clients=CLIENTS)


def test_two_operators_at_once_do_no_harm(tmp_path: Path) -> None:
    with World(store=IndexedStore) as world:
        found = Found(world, 20, 4)
        whose = found.mapping(tmp_path)
        left = iter(range(20))

        def other_adopts() -> None:
            if next(left, 0) % 3 == 0:
                adopt(world, whose)

        for skip in (1, 4, 9):
            world.killer.when("store.commit", other_adopts, skip=skip)
            assert adopt(world, whose).code == 0
        found.assert_adopted()
        counts = [signup.counts for signup in world.store.records(Signup)]
        assert sum(count["onboarding"] for count in counts) == len(found.owners)


def test_two_operators_who_want_it_for_different_tenants_do_not_share_it(tmp_path: Path) -> None:
    with World(store=IndexedStore) as world:
        found = Found(world, 1, 1)
        (name,) = found.owners
        whose = tmp_path / "slower.csv"
        whose.write_text(f"channel_id,tenant\nc{name}CH,slower\n", encoding="utf-8")
        # The budget's record is written for each list; the third write is the number's.
        world.killer.when("store.commit", lambda: void(adopt(world, "--tenant", "faster")), skip=2)
        said = adopt(world, str(whose))
        (judged,) = said.result["items"]
        assert (said.code, judged["verdict"], judged["tenant"]) == (1, "contradicts", "faster")
        assert world.number(name).tenant == "faster"


def void(_: object) -> None:
    return


# -- killed ------------------------------------------------------------------------------------------------

HANDFUL: Final = 4
BUDGET_OF_A_FEW: Final = Options(budget_calls=100)


class Killed:
    """A handful of channels of two clients is adopted, however often that must be typed."""

    def __init__(self, killer: Killer, *more: str) -> None:
        self.world = World(BUDGET_OF_A_FEW, killer=killer, store=IndexedStore)
        self.found = Found(self.world, HANDFUL, 2)
        self.before = self.found.left_alone()
        self.operator = Operator(self.world)
        with TemporaryDirectory() as place:
            self.operator.insists("channels", "adopt", self.found.mapping(Path(place)), *more, "--yes")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.world.__exit__()

    def outcome(self) -> list[Any]:
        """What is stored, without the times of it."""
        store = self.world.store
        numbers = [
            (name, number.tenant, number.status, number.channel_id, number.client_id, number.signup_id)
            for name in self.found.owners
            for number in [self.world.number(name)]
        ]
        signups = [
            (signup.id, signup.tenant, signup.client.id, signup.waba.id, signup.submitted, signup.counts)
            for signup in store.records(Signup)
        ]
        clients = [(one.name, one.tenant, one.client_id) for one in store.records(ClientRecord)]
        return [numbers, sorted(signups), sorted(clients)]


def undisturbed(*more: str) -> tuple[list[str], list[Any]]:
    """All side effects, and what comes of them."""
    with Killed(Killer(), *more) as run:
        return list(run.world.killer.calls), run.outcome()


EFFECTS, OUTCOME = undisturbed()
KEYED_EFFECTS, KEYED_OUTCOME = undisturbed("--keys")


def leaves_nothing(effect: str) -> bool:
    """Whether it only reads the store: being killed after it is being killed before it."""
    return effect.startswith("store.") and effect != "store.commit"


def points(effects: Sequence[str]) -> Sequence[Any]:
    return [
        pytest.param(at, after, id=f"{at:03d}-{effect}-{'after' if after else 'before'}")
        for at, effect in enumerate(effects)
        for after in ((False,) if leaves_nothing(effect) else (False, True))
    ]


@pytest.mark.parametrize(("at", "after"), points(EFFECTS))
def test_a_desk_killed_at_any_side_effect_goes_on_and_ends_like_one_that_was_not(
    at: int, after: bool
) -> None:
    with Killed(Killer(at, after=after)) as run:
        assert run.operator.died == 1
        assert run.outcome() == OUTCOME
        run.found.assert_adopted()
        assert run.found.left_alone() == run.before
        run.world.assert_nothing_doubled(clients=2)


@pytest.mark.parametrize(("at", "after"), points(KEYED_EFFECTS[len(EFFECTS) :]))
def test_keys_that_are_made_along_live_wherever_a_process_is_killed(at: int, after: bool) -> None:
    with Killed(Killer(len(EFFECTS) + at, after=after), "--keys") as run:
        run.world.run(2 * AN_HOUR)
        assert run.outcome() == KEYED_OUTCOME
        for name in run.found.owners:
            number = run.world.number(name)
            assert (number.status, number.key_wanted, number.is_under_way) == (
                Status.CONNECTED,
                False,
                False,
            )
            assert run.world.key_lives(number)
        run.found.assert_told()
        # One key may have been made whose maker could not keep it; it is dead.
        made = [[key for key in keys if key.made_by != "hub"] for keys in run.found.all_keys()]
        assert sum(map(len, made)) - HANDFUL in {0, 1}
        living = [[key for key in keys if key.revoked_at is None] for keys in run.found.all_keys()]
        assert [len(keys) for keys in living] == [1] * HANDFUL
        run.world.assert_nothing_doubled(clients=2)


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
