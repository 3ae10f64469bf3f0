"""Whatever is asked for at any moment of a run is done: by that run, or by one that comes right behind it.

Somebody else acts behind every side effect of the worker's, as another process does.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import pytest

from harness.killing import Killer
from harness.world import Options, World
from onramp.domain.errors import Problem
from onramp.domain.number import Number
from onramp.domain.states import Attention, Status
from onramp.usecases.keys import rotate_key
from onramp.usecases.wishes import cancel_number, check_number, reactivate_number
from tests.faults.test_life_kill_points import (
    ACTS_FOR,
    connected,
    ended,
    is_asked,
    number_of,
    press,
    with_a_dead_key,
    with_a_webhook_elsewhere,
)

type Json = dict[str, Any]
type Act = Callable[[World, Json], None]

SOON: Final = 600.0
"""Seconds in which what is asked for is done; the daily check would come later."""
ELSEWHERE: Final = "https://elsewhere.example.com"
OPTIONS: Final = Options(step_seconds=1.0, mend_keys=True)


# -- what is under way -------------------------------------------------------------------------------------


def new(world: World) -> Json:
    """A customer who has not come yet."""
    return world.customer()


def comes(world: World, customer: Json) -> None:
    world.submitted(customer)


@dataclass(frozen=True)
class Run:
    """What is there `before`, and what sets the worker going."""

    before: Callable[[World], Json]
    begins: Act


RUNS: Final = {
    "onboarding": Run(new, comes),
    "a check": Run(connected, partial(is_asked, check_number)),
    "a check that sets the webhook back": Run(with_a_webhook_elsewhere, partial(is_asked, check_number)),
    "a check that finds the key dead": Run(with_a_dead_key, partial(is_asked, check_number)),
    "a new key": Run(connected, partial(is_asked, rotate_key)),
    "a cancellation": Run(connected, partial(is_asked, cancel_number)),
    "its reversal": Run(ended, partial(is_asked, reactivate_number)),
}

# -- what is asked for meanwhile ---------------------------------------------------------------------------


@dataclass
class Meanwhile:
    """What somebody does at one moment; `asked` when it was not refused. `key`: the stored one then."""

    does: Act
    asked: bool = False
    key: str | None = None

    def act(self, world: World, customer: Json) -> None:
        number: Number | None = world.store.read(Number, number_of(customer))
        if number is None:
            return
        self.key = number.key.secret if number.key else None
        try:
            self.does(world, customer)
        except Problem:
            return
        self.asked = True


def breaks_the_webhook_and_asks(world: World, customer: Json) -> None:
    _only_connected(world, customer)
    press(world, customer, "set_webhook", url=ELSEWHERE)
    world.ask(check_number, number_of(customer))


def kills_the_key_and_asks(world: World, customer: Json) -> None:
    _only_connected(world, customer)
    press(world, customer, "make_key")
    world.ask(check_number, number_of(customer))


def breaks_the_webhook_and_comes_back(world: World, customer: Json) -> None:
    _only_connected(world, customer)
    press(world, customer, "set_webhook", url=ELSEWHERE)
    _comes_back(world, customer)


def kills_the_key_and_comes_back(world: World, customer: Json) -> None:
    _only_connected(world, customer)
    press(world, customer, "make_key")
    _comes_back(world, customer)


def _comes_back(world: World, customer: Json) -> None:
    code = world.admin("meta", "codes", {"business_id": customer["business_id"]})
    world.submitted({**customer, **code}, key="again")


def _only_connected(world: World, customer: Json) -> None:
    """Raises `Problem` where nothing is to be proved yet, or any more."""
    if world.number(number_of(customer)).status != Status.CONNECTED:
        raise Problem("not_connected", "")


def is_seen(world: World, customer: Json, _: Meanwhile) -> bool:
    """Key and webhook are right again, or it is told what is wrong; nothing is proved of what has ended."""
    number = world.number(number_of(customer))
    if number.status == Status.CANCELLED:
        return True
    told = number.noticed & {Attention.KEY_DEAD, Attention.WEBHOOK_DRIFT}
    return bool(told) or world.key_lives(number)


def is_right(world: World, customer: Json, _: Meanwhile) -> bool:
    number = world.number(number_of(customer))
    return number.status == Status.CONNECTED and world.key_lives(number)


def is_renewed(world: World, customer: Json, was: Meanwhile) -> bool:
    number = world.number(number_of(customer))
    if number.status == Status.CANCELLED:
        return number.key is None or not _living(world, number)
    return number.key is not None and number.key.secret != was.key and world.key_lives(number)


def has_ended(world: World, customer: Json, _: Meanwhile) -> bool:
    number = world.number(number_of(customer))
    return number.status == Status.CANCELLED and not _living(world, number)


def lives(world: World, customer: Json, _: Meanwhile) -> bool:
    number = world.number(number_of(customer))
    return number.status == Status.CONNECTED and _living(world, number) == [number.channel_id]


def _living(world: World, number: Number) -> list[str]:
    channels = world.sims.hub.channels.values()
    return [one.id for one in channels if one.phone_number_id == number.phone_number_id and not one.dead]


@dataclass(frozen=True)
class Wish:
    """What is asked for, what shows that it was done, and during which runs it can be."""

    does: Act
    is_done: Callable[[World, Json, Meanwhile], bool]
    runs: Sequence[str] = tuple(RUNS)


LATER: Final = tuple(name for name in RUNS if name != "onboarding")
WISHES: Final = {
    "a check, the webhook elsewhere": Wish(breaks_the_webhook_and_asks, is_seen, LATER),
    "a check, the key dead": Wish(kills_the_key_and_asks, is_seen, LATER),
    "a reconnect, the webhook elsewhere": Wish(breaks_the_webhook_and_comes_back, is_right, LATER),
    "a reconnect, the key dead": Wish(kills_the_key_and_comes_back, is_right, LATER),
    "a new key": Wish(partial(is_asked, rotate_key), is_renewed),
    "an end": Wish(partial(is_asked, cancel_number), has_ended),
    "no end": Wish(partial(is_asked, reactivate_number), lives, ["a cancellation"]),
}


def begun(run: Run) -> tuple[World, Json]:
    """A world in which the run is what the worker does next."""
    world = World(OPTIONS, killer=Killer()).__enter__()
    customer = run.before(world)
    run.begins(world, customer)
    return world, customer


def moments() -> list[Any]:
    """Every side effect of every run, with every wish that can be asked for then."""
    found = []
    for name, run in RUNS.items():
        world, _ = begun(run)
        with world:
            first = len(world.killer.calls)
            world.run(ACTS_FOR)
            effects = world.killer.calls[first:]
        found += [
            pytest.param(name, wish, at, id=f"{name}-{wish}-{at:03d}-{effect}")
            for wish, wanted in WISHES.items()
            if name in wanted.runs
            for at, effect in enumerate(effects)
        ]
    return found


def play(name: str, wish: str, at: int) -> tuple[Meanwhile, bool, object]:
    """What was asked for, whether it was done, and what to show if not."""
    wanted = WISHES[wish]
    world, customer = begun(RUNS[name])
    with world:
        other = Meanwhile(wanted.does)
        world.killer.meanwhile(at, lambda: other.act(world, customer))
        world.run(SOON)
        shown = world.number(number_of(customer)), world.killer.calls[-20:]
        return other, wanted.is_done(world, customer, other), shown


@pytest.mark.parametrize(("name", "wish", "at"), moments())
def test_what_is_asked_for_during_a_run_is_done(name: str, wish: str, at: int) -> None:
    other, is_done, shown = play(name, wish, at)
    assert is_done or not other.asked, shown


@pytest.mark.parametrize("wish", WISHES)
def test_it_is_not_refused_each_time(wish: str) -> None:
    name = "a new key" if "a new key" in WISHES[wish].runs else "a cancellation"
    other, _, _ = play(name, wish, 4)
    assert other.asked
