"""The clockwork: each task of a card has its rule, the rules are on, and the runs go well."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from infra.cards import CARDS, Schedule, logical_id
from ops.doctor.findings import Finding, Level, fail, ok, skipped, together, warn
from ops.doctor.metrics import Point, points
from ops.doctor.stage import Stage

RECENTLY: Final = timedelta(minutes=5)
TASKS: Final = tuple(
    task for card in CARDS.values() if isinstance(card.trigger, Schedule) for task in card.trigger.tasks
)
LOOK_BACK: Final = timedelta(hours=3)
# The newest minutes may not be there yet.
_LATE: Final = timedelta(minutes=2)


def schedules(stage: Stage) -> Finding:
    """The schedules are on, and what they call has run within the last five minutes, as far as AWS tells."""
    scheduled = [name for name, card in CARDS.items() if isinstance(card.trigger, Schedule)]
    problems = list(_rule_problems(stage, rules_of(stage.resources())))
    if problems:
        return together(problems, "")
    runs = [_runs(stage, name) for name in scheduled]
    bad = [found for found in runs if found.level is not Level.OK]
    return together(bad, "; ".join(found.detail for found in runs))


def rules_of(resources: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """The rules of the cards' tasks that the stack has, by task; its other rules are no schedules."""
    rules = resources.get("AWS::Events::Rule", {})
    found = {}
    for task in TASKS:
        for logical, physical in rules.items():
            if f"Schedules{logical_id(task)}" in logical:
                found[task] = physical
    return found


def _rule_problems(stage: Stage, rules: dict[str, str]) -> Iterator[Finding]:
    if missing := [task for task in TASKS if task not in rules]:
        yield fail(f"the stack has no schedule {', '.join(missing)}", "Run `cdk deploy` for this stage.")
    off = [name for name in rules.values() if _rule_state(stage, name) == "DISABLED"]
    if off:
        yield fail(
            f"{len(off)} of the {len(rules)} schedules are switched off",
            f"`onramp resume --stage {stage.name}` does it: without them lost webhooks do not heal.",
        )


def _rule_state(stage: Stage, physical: str) -> str:
    """State of a rule; a rule of an own bus has the physical id `bus|name`."""
    bus, _, name = physical.rpartition("|")
    more: Any = {"EventBusName": bus} if bus else {}
    return stage.aws.events.describe_rule(Name=name, **more).get("State", "")


def _runs(stage: Stage, name: str) -> Finding:
    function = stage.functions().get(name)
    if function is None:
        return fail(f"the stack has no {name}", "Run `cdk deploy` for this stage.")
    ever, runs = _sums(stage, function.physical, "Invocations")
    if not ever:
        return skipped("the schedules are on; CloudWatch knows of no run: a new stack, or this is not AWS")
    if not runs:
        return fail(
            f"the {name} has not run for five minutes", "Read its log and the schedules' dead letters."
        )
    _, errors = _sums(stage, function.physical, "Errors")
    if errors:
        return warn(f"{errors} of the last {runs} runs of the {name} failed", "Read its log.")
    return ok(f"the {name} ran {runs} times in the last minutes")


def _sums(stage: Stage, function: str, metric: str) -> tuple[int, int]:
    """A metric's sum over the last hours, and over the last minutes."""
    dimensions = {"FunctionName": function}
    found = points(stage, f"AWS/Lambda:{metric}", dimensions, span=LOOK_BACK, statistic="Sum")
    since = stage.clock.now() - RECENTLY - _LATE
    return _total(found), _total([point for point in found if point[0] >= since])


def _total(found: Sequence[Point]) -> int:
    return round(sum(value for _, value in found))
