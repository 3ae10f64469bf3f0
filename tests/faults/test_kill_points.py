"""The process is stopped at every side effect in turn, before it and after it; each time all ends well."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from harness.killing import Killer
from harness.world import TENANT, Options, World
from onramp.domain.errors import Problem
from onramp.domain.link import Link
from onramp.domain.signup import Client, Exchange, Signup
from onramp.domain.states import Status
from onramp.usecases.exchange_code import exchange_code
from onramp.usecases.links import WantedLink, linked, make_link
from onramp.usecases.open_signup import Wanted

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


def coming_back(world: World) -> str:
    """Connected, proved again by a second popup, ended at 360dialog, and connected anew by a third."""
    customer = world.customer()
    signup = world.submitted(customer)
    world.run(until=world.settled(signup.id))
    signup = world.submitted(_again(world, customer), key="second")
    world.run(120)
    (number,) = world.numbers(signup.id)
    world.admin("dialog", f"channels/{number.channel_id}", {"cancelled": True}, "PATCH")
    world.clock.sleep(1_200)
    world.queue.wake_census("default")
    world.run(1_200)
    (number,) = world.numbers(signup.id)
    assert number.status == Status.CANCELLED
    signup = world.submitted(_again(world, customer), key="third")
    world.run(120)
    world.run(until=world.settled(signup.id))
    world.run(seconds=600)
    return signup.id


def _again(world: World, customer: dict[str, Any]) -> dict[str, Any]:
    """The same customer, once more through the popup."""
    return {**customer, **world.admin("meta", "codes", {"business_id": customer["business_id"]})}


VISIT = "visit-0123456789"


def by_link(world: World) -> str:
    """A customer with a link, whose code brings a token that is stored with the spent link."""
    client = Client(name="Example", email="owner@example.com", user_name="Owner")
    wanted = WantedLink(signup=Wanted(client=client, plan_tier="regular"))
    made = world.patiently(
        lambda: make_link(world.ports, tenant=TENANT, wanted=wanted, idempotency_key="link")
    )
    customer = world.customer()
    code = customer["code"]

    def send() -> Signup:
        # Whatever died before: the link is spent if, and only if, a token of its signup is stored.
        link, exchange = world.store.read(Link, made.link.id), world.store.read(Exchange, made.link.signup_id)
        assert (link.used_at is None) == (exchange is None or exchange.token is None)
        found = linked(world.ports, f"{made.token}.{VISIT}")
        return exchange_code(world.ports, found.signup, code, customer["session_info"], found.visit)

    for _ in range(4):
        try:
            return world.patiently(send).id
        except Problem as problem:
            if problem.code not in {"code_already_used", "code_expired"}:
                raise
            code = world.admin("meta", "codes", {"business_id": customer["business_id"]})["code"]
    raise AssertionError("no code works")


CALLS = side_effects(one_signup)
LINKED = side_effects(by_link)
BACK = side_effects(coming_back)


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


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("at", range(len(BACK)), ids=lambda at: f"{at:03d}-{BACK[at]}")
def test_a_number_that_comes_back_is_never_doubled_wherever_the_process_is_killed(
    at: int, after: bool
) -> None:
    with a_world(Killer(at, after=after)) as world:
        signup_id = coming_back(world)
        world.assert_connected(signup_id)
        state = world.dialog_state()
        assert len(state["clients"]) == 1
        assert len([channel for channel in state["channels"] if not channel.get("cancelled_at")]) == 1


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("at", range(len(LINKED)), ids=lambda at: f"{at:03d}-{LINKED[at]}")
def test_a_link_is_spent_with_the_token_or_not_at_all_wherever_the_process_is_killed(
    at: int, after: bool
) -> None:
    with a_world(Killer(at, after=after)) as world:
        signup = world.load(by_link(world))
        assert signup.waba is not None
        link = world.store.read(Link, signup.link_id)
        assert link.refusal(VISIT, world.clock.now()) is None
        assert link.refusal("visit-9876543210", world.clock.now()) == "link_used"
        told = [fact.type for fact in world.store.facts_of(signup.id, 99)]
        assert told.count("signup.link_made") == told.count("signup.link_used") == 1
        assert told.count("signup.authorized") == 1
