"""``onramp drill``: an alarm is rung, to learn whether anybody hears it."""

import argparse
from datetime import UTC, datetime
from typing import Final

from ops.doctor.checks.alarms import alarms_of
from ops.stage.configuration import UnusableError
from ops.stage.reaching import Reached
from ops.tool import DONE, Description, actions, run_action, tell

DESCRIPTION: Final = Description(help="ring an alarm for practice", description="Nothing is broken by it.")
_ALARM: Final = Description(
    help="set one alarm to ALARM",
    description="The alarm tells its topic as if it were true. CloudWatch sets it right at its next look, "
    "within minutes, and tells that, too. Without a name the alarms are listed.",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the actions to a command line."""
    found = actions(parser, {"alarm": (_ALARM, _alarm)})
    found["alarm"].add_argument("name", nargs="?", help="its section in the runbook, or its whole name")


def run(given: argparse.Namespace) -> int:
    """Run an action. Returns the exit status."""
    return run_action(given, "drill")


def _alarm(found: Reached, given: argparse.Namespace) -> int:
    name: str | None = given.name
    states = {
        str(a["AlarmName"]): str(a.get("StateValue", "")) for a in alarms_of(found.aws, found.stack_name)
    }
    prefix = f"{found.stack_name}-"
    if name is None:
        for full, state in states.items():
            tell(f"{full.removeprefix(prefix)}  {state}")
        return DONE
    alarm = _chosen(sorted(states), name, prefix)
    found.aws.metrics.set_alarm_state(
        AlarmName=alarm,
        StateValue="ALARM",
        StateReason=f"A drill at {datetime.now(UTC):%FT%TZ}: nothing is wrong. onramp drill alarm {name}",
    )
    tell(f"{alarm} rings. Its topic was told; CloudWatch sets it right within minutes.")
    return DONE


def _chosen(names: list[str], name: str, prefix: str) -> str:
    wanted = {name, f"{prefix}{name}"}
    exact = [full for full in names if full in wanted]
    begun = [full for full in names if full.startswith(f"{prefix}{name}-")]
    found = exact or begun
    if not found:
        raise UnusableError(f"there is no alarm {name}; `onramp drill alarm` lists them")
    if len(found) > 1:
        raise UnusableError(f"there are {', '.join(full.removeprefix(prefix) for full in found)}: name one")
    return found[0]
