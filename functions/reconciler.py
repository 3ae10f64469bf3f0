"""The schedule: every minute a sweep, every day a census. It only wakes, and calls nobody outside."""

from functools import cache
from typing import TYPE_CHECKING, Any, Final

from onramp import wiring
from onramp.ports import Ports
from onramp.settings import ReconcilerSettings
from onramp.usecases.sweep import sweep
from onramp.wiring import Runtime

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

RESERVE_MS: Final = 15_000
"""A sweep stops with so much time left; the next one goes on."""


@cache
def function() -> tuple[Runtime, Ports]:
    """The wired function, made once."""
    settings = ReconcilerSettings.read()
    runtime = Runtime(settings)
    return runtime, wiring.reconciler(runtime, settings)


def handler(event: dict[str, Any], context: "LambdaContext") -> dict[str, str]:
    """Run the task the schedule names, `sweep` unless it says `census`."""
    runtime, ports = function()
    with runtime.invocation(context):
        if event.get("task") == "census":
            for hub in ports.hub_names:
                ports.queue.wake_census(hub)
            return {"task": "census"}
        sweep(ports, lambda: context.get_remaining_time_in_millis() < RESERVE_MS)
        return {"task": "sweep"}


wiring.start(function)
