"""The table, and the schedule that keeps everything moving."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from ops.doctor.findings import Finding, fail, ok, skipped, together, warn
from ops.doctor.stage import Stage

RECENTLY: Final = timedelta(minutes=5)
LOOK_BACK: Final = timedelta(hours=3)
_DEPLOY: Final = "Run `cdk deploy` for this stage; somebody has changed the table by hand."


def table(stage: Stage) -> Finding:
    """The table is there; where its data is to be kept, it can be restored and not be deleted by mistake."""
    name = stage.output("TableName")
    described: Any = stage.aws.dynamodb.describe_table(TableName=name)["Table"]
    if described.get("TableStatus") not in {"ACTIVE", "UPDATING"}:
        return fail(f"the table is {described.get('TableStatus')}", "Wait, or look at it in the console.")
    if stage.values.get("stage.removal") != "retain":
        return ok("the table is there; this stage's data may be destroyed")
    return together(
        _protection(stage, name, described), "recoverable to any second, protected against deletion"
    )


def _protection(stage: Stage, name: str, described: Any) -> Iterator[Finding]:  # noqa: ANN401 - as AWS answers
    if not described.get("DeletionProtectionEnabled"):
        yield warn("the table is not protected against deletion", _DEPLOY)
    backups: Any = stage.aws.dynamodb.describe_continuous_backups(TableName=name)
    recovery = backups["ContinuousBackupsDescription"].get("PointInTimeRecoveryDescription", {})
    if recovery.get("PointInTimeRecoveryStatus") != "ENABLED":
        yield warn("the table has no point-in-time recovery", _DEPLOY)


def reconciler(stage: Stage) -> Finding:
    """The schedules are on, and the reconciler has run within the last five minutes, as far as AWS tells."""
    rules = stage.resources().get("AWS::Events::Rule", {})
    off = [name for name in rules.values() if _rule_state(stage, name) == "DISABLED"]
    if not rules or off:
        return fail(
            f"{len(off)} of the {len(rules)} schedules are switched off"
            if rules
            else "the stack has no schedules",
            "Switch them on in EventBridge, or deploy again: without them lost webhooks do not heal.",
        )
    function = stage.functions().get("reconciler")
    if function is None:
        return fail("the stack has no reconciler", "Run `cdk deploy` for this stage.")
    return _runs(stage, function.physical)


def _runs(stage: Stage, function: str) -> Finding:
    ever, runs = _sums(stage, function, "Invocations")
    if not ever:
        return skipped("the schedules are on; CloudWatch knows of no run: a new stack, or this is not AWS")
    if not runs:
        return fail(
            "the reconciler has not run for five minutes", "Read its log and the schedules' dead letters."
        )
    _, errors = _sums(stage, function, "Errors")
    if errors:
        return warn(f"{errors} of the last {runs} runs of the reconciler failed", "Read its log.")
    return ok(f"the reconciler ran {runs} times in the last minutes")


def _rule_state(stage: Stage, physical: str) -> str:
    """State of a rule; a rule of an own bus has the physical id `bus|name`."""
    bus, _, name = physical.rpartition("|")
    more: Any = {"EventBusName": bus} if bus else {}
    return stage.aws.events.describe_rule(Name=name, **more).get("State", "")


def _sums(stage: Stage, function: str, metric: str) -> tuple[int, int]:
    """A metric's sum over the last hours, and over the last minutes. What did not happen has no points."""
    now = stage.clock.now()
    answer = stage.aws.metrics.get_metric_statistics(
        Namespace="AWS/Lambda",
        MetricName=metric,
        Dimensions=[{"Name": "FunctionName", "Value": function}],
        StartTime=now - LOOK_BACK,
        EndTime=now,
        Period=60,
        Statistics=["Sum"],
    )
    points = answer.get("Datapoints", [])
    # The newest minutes may not be there yet.
    recent = [point for point in points if point["Timestamp"] >= now - RECENTLY - timedelta(minutes=2)]
    return _total(points), _total(recent)


def _total(points: Sequence[Mapping[str, Any]]) -> int:
    return round(sum(float(point["Sum"]) for point in points))
