"""``onramp drill``: an alarm is rung, to learn whether anybody hears it."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from ops.doctor.checks.alarms import alarms_of
from ops.running import Run, command, group
from ops.stage.configuration import UnusableError

app = group("Ring an alarm for practice. Nothing is broken by it.")


@command(app, "alarm")
def alarm(
    run: Run,
    *,
    name: Annotated[
        str | None, typer.Argument(metavar="ALARM", help="Its section in the runbook, or its whole name.")
    ] = None,
) -> None:
    """Set one alarm to ALARM; without a name list them.

    The alarm tells its topic as if it were true. CloudWatch sets it right at its next look, within minutes,
    and tells that, too.
    """
    with run.reached() as found:
        alarms = alarms_of(found.aws, found.stack_name)
        states = {str(one["AlarmName"]): str(one.get("StateValue", "")) for one in alarms}
        prefix = f"{found.stack_name}-"
        if name is None:
            rows = [{"alarm": full.removeprefix(prefix), "state": state} for full, state in states.items()]
            run.console.items(rows, ("alarm", "state"), none="there is no alarm")
            return
        chosen = _chosen(sorted(states), name, prefix)
        found.aws.metrics.set_alarm_state(
            AlarmName=chosen,
            StateValue="ALARM",
            StateReason=f"A drill at {datetime.now(UTC):%FT%TZ}: nothing is wrong. onramp drill alarm {name}",
        )
    told = f"{chosen} rings. Its topic was told; CloudWatch sets it right within minutes."
    run.console.answer({"alarm": chosen, "state": "ALARM"}, told)


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
