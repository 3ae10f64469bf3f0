"""The schedule: every minute a sweep, every day a report."""

from functools import cache
from typing import Any, Final

from aws_lambda_powertools.utilities.typing import LambdaContext

from onramp.domain.errors import PutOff
from onramp.settings import ReconcilerSettings
from onramp.usecases.onboarding import Follow
from onramp.usecases.reconcile import report, sweep
from onramp.wiring import Runtime, follow_ports

RESERVE_MS: Final = 40_000
"""A sweep stops with so much time left; the next one goes on."""


@cache
def function() -> tuple[Runtime, Follow]:
    """The wired function, made once."""
    settings = ReconcilerSettings.read()
    runtime = Runtime(settings)
    return runtime, follow_ports(runtime, settings, runtime.sqs())


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, str]:
    """Run the task the schedule names, `sweep` unless it says `report`."""
    runtime, ports = function()
    with runtime.invocation(context):
        if event.get("task") != "report":
            sweep(ports, lambda: context.get_remaining_time_in_millis() < RESERVE_MS)
            return {"task": "sweep"}
        try:
            report(ports)
        except PutOff as wait:
            runtime.telemetry.warn("report not made; it is made tomorrow", reason=wait.reason)
        return {"task": "report"}
