"""``onramp pause`` and ``onramp resume``: parts of a stage stand still, and go on.

Workers are paused by switching their event source mappings off, never by a concurrency of 0: a throttled
function lets Lambda fetch messages that nobody works on, and each fetch counts against them. One that
somebody else has set is taken back by `resume`.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final

import typer

from infra.cards import CARDS, NewItems, Queue, Routes, Schedule
from ops.doctor.checks.schedules import rules_of
from ops.running import Failed, Run, command, group
from ops.stage.aws import list_resources, read_functions
from ops.stage.configuration import UnusableError
from ops.stage.reaching import Reached

PARTS: Final = ("jobs", "events", "relay", "notifications", "stream", "schedules", "api")
USUAL: Final = ("jobs", "events", "notifications", "schedules")
"""What is paused when nobody says what: enough that no record is worked on by itself."""
RECEIVER: Final = "webhook_receiver"
GOES_ON: Final = frozenset({RECEIVER, "meta_receiver", "hosted_page"})
"""Are never paused: what is sent to us waits in its queue, and the page says that something is away."""
PATIENCE: Final = 300.0
"""Seconds until a mapping has to be off or on; Lambda takes up to a minute."""
_SECONDS: Final = 2.0
_MOVING: Final = frozenset({"Enabling", "Disabling", "Updating", "Creating"})
app = group("Parts of a stage.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """One thing that can be off. `is_on`, `turn` and `is_settled` may raise botocore's errors.

    `ours` is what `pause` switches off; what is not ours is only told of when somebody has done so.
    """

    part: str
    what: str
    is_on: Callable[[], bool]
    turn: Callable[[bool], None]
    is_settled: Callable[[], bool] = lambda: True
    ours: bool = True


Parts = Annotated[list[str] | None, typer.Argument(metavar="PART...", help=f"Of {', '.join(PARTS)}.")]


@command(app, "pause")
def pause(run: Run, *, parts: Parts = None) -> None:
    """Let parts of a stage stand still; without names jobs, events, notifications and schedules.

    jobs, events, relay, notifications and stream are what the workers are handed, schedules the sweep and the
    census, api the functions behind the front-end routes. Both webhook receivers and the hosted page always
    go on. Runs that have begun end within two minutes. Queues keep messages for 14 days, the stream for 1.
    """
    _turn(run, parts or USUAL, on=False)


@command(app, "resume")
def resume(run: Run, *, parts: Parts = None) -> None:
    """Let parts of a stage go on; without names all that is paused."""
    _turn(run, parts or PARTS, on=True)


def _turn(run: Run, parts: Sequence[str], *, on: bool) -> None:
    if unknown := sorted(set(parts) - set(PARTS)):
        raise UnusableError(f"there is no part {', '.join(unknown)}; there are {', '.join(PARTS)}")
    with run.reached() as found:
        turned = [{"part": one.part, "what": one.what, "on": on} for one in _turned(found, parts, on=on)]
    told = [f"{one['part']}: {one['what']} {'on' if on else 'off'}" for one in turned]
    run.console.answer({"items": turned}, "\n".join(told) or "nothing is paused")


def _turned(found: Reached, parts: Sequence[str], *, on: bool) -> list["Switch"]:
    chosen = [switch for switch in switches_of(found) if switch.part in parts]
    if lacking := sorted(set(parts) - _not_everywhere() - {switch.part for switch in chosen if switch.ours}):
        raise Failed(f"the stack has nothing of {', '.join(lacking)}: is it whole?")
    chosen = [switch for switch in chosen if switch.ours or (on and not switch.is_on())]
    for switch in chosen:
        if switch.is_on() is not on:
            switch.turn(on)
    for switch in chosen:
        _settle(switch)
    return chosen


def _settle(switch: Switch, sleep: Callable[[float], None] = time.sleep) -> None:
    waited = 0.0
    while not switch.is_settled():
        if waited >= PATIENCE:
            raise Failed(f"{switch.what} is still being changed; run the command again")
        sleep(_SECONDS)
        waited += _SECONDS


def switches_of(found: Reached) -> Iterator[Switch]:
    """All that can be switched of a stage. Raises botocore's errors."""
    aws, resources = found.aws, list_resources(found.aws, found.stack_name)
    functions = read_functions(aws, resources)
    names = {function.physical: name for name, function in functions.items()}
    for uuid in resources.get("AWS::Lambda::EventSourceMapping", {}).values():
        yield _mapping(aws.functions, uuid, names)
    for physical in rules_of(resources).values():
        yield _rule(aws.events, physical)
    for name, function in functions.items():
        yield _function(found, name, function.physical)


def _mapping(client: Any, uuid: str, names: dict[str, str]) -> Switch:  # noqa: ANN401 - a client
    def state() -> str:
        return str(client.get_event_source_mapping(UUID=uuid)["State"])

    arn = str(client.get_event_source_mapping(UUID=uuid).get("FunctionArn", ""))
    name = next((names[part] for part in arn.split(":")[-2:] if part in names), "")
    return Switch(
        part=_part_of(name),
        what=f"the mapping to {name or uuid}",
        is_on=lambda: state() in {"Enabled", "Enabling", "Updating", "Creating"},
        turn=lambda on: client.update_event_source_mapping(UUID=uuid, Enabled=on),
        is_settled=lambda: state() not in _MOVING,
    )


def _part_of(name: str) -> str:
    card = CARDS.get(name)
    match card.trigger if card else None:
        case Queue(queue, _):
            return queue.removesuffix("_queue")
        case NewItems():
            return "stream"
        case Schedule():
            return "schedules"
        case Routes():
            return "api"
        case _:
            return ""


def _not_everywhere() -> set[str]:
    """Parts that are there only where the configuration has somebody to tell."""
    return {_part_of(name) for name, card in CARDS.items() if card.needs}


def _rule(client: Any, physical: str) -> Switch:  # noqa: ANN401 - a client
    """A rule; one of an own bus has the physical id ``bus|name``."""
    bus, _, name = physical.rpartition("|")
    which = {"Name": name} | ({"EventBusName": bus} if bus else {})
    return Switch(
        part="schedules",
        what=f"the rule {name}",
        is_on=lambda: client.describe_rule(**which).get("State") != "DISABLED",
        turn=lambda on: client.enable_rule(**which) if on else client.disable_rule(**which),
    )


def _function(found: Reached, name: str, physical: str) -> Switch:
    """A function. Behind routes nobody waits in a queue for it, so that a concurrency of 0 does no harm."""
    client: Any = found.aws.functions
    reserved = found.values.get("stage.receiver_concurrency") if name == RECEIVER else None
    ours = isinstance(CARDS[name].trigger, Routes) and name not in GOES_ON

    def is_on() -> bool:
        answer = client.get_function_concurrency(FunctionName=physical)
        return bool(answer.get("ReservedConcurrentExecutions") != 0)

    def turn(on: bool) -> None:  # noqa: FBT001 - the only argument
        wanted = (reserved if isinstance(reserved, int) else None) if on else 0
        if wanted is None:
            client.delete_function_concurrency(FunctionName=physical)
        else:
            client.put_function_concurrency(FunctionName=physical, ReservedConcurrentExecutions=wanted)

    what = name if ours else f"the concurrency of {name}"
    return Switch(part=_part_of(name), what=what, is_on=is_on, turn=turn, ours=ours)
