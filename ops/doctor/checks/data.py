"""The table: its indexes, its stream, and how well the data is protected."""

from collections.abc import Iterator
from typing import Any, Final, get_args

from infra.grants import IndexName
from ops.commands.protect import is_pool_protected, is_table_protected
from ops.doctor.findings import Finding, fail, ok, together, warn
from ops.doctor.stage import Stage

_DEPLOY: Final = "Run `cdk deploy` for this stage; somebody has changed the table by hand."
_VIEW: Final = "NEW_IMAGE"


def table(stage: Stage) -> Finding:
    """The table has its indexes and its stream; data that is to be kept is protected."""
    name = stage.output("TableName")
    described: Any = stage.aws.dynamodb.describe_table(TableName=name)["Table"]
    if described.get("TableStatus") not in {"ACTIVE", "UPDATING"}:
        return fail(f"the table is {described.get('TableStatus')}", "Wait, or look at it in the console.")
    problems = [*_index_problems(described), *_stream_problems(described)]
    kept = stage.values.get("stage.removal") == "retain"
    problems += _recovery(stage, name) if kept else ()
    told = "recoverable to any second" if kept else "its data may be destroyed"
    return together(problems, f"the table has its {len(get_args(IndexName))} indexes and its stream; {told}")


def _index_problems(described: Any) -> Iterator[Finding]:  # noqa: ANN401 - as AWS answers
    states = {
        item["IndexName"]: item.get("IndexStatus") for item in described.get("GlobalSecondaryIndexes", [])
    }
    if missing := [name for name in get_args(IndexName) if name not in states]:
        yield fail(f"the table has no index {', '.join(missing)}", _DEPLOY)
    if other := [name for name, state in states.items() if state in {"CREATING", "DELETING"}]:
        yield warn(
            f"being made or removed: index {', '.join(other)}", "Wait: what it finds is not all there yet."
        )


def _stream_problems(described: Any) -> Iterator[Finding]:  # noqa: ANN401 - as AWS answers
    stream = described.get("StreamSpecification", {})
    if not stream.get("StreamEnabled") or stream.get("StreamViewType") != _VIEW:
        yield fail(
            "the table's stream is off or shows no new items: the bus hears of nothing",
            f"{_DEPLOY} Then publish what was missed: `onramp facts republish`.",
        )


def _recovery(stage: Stage, name: str) -> Iterator[Finding]:
    backups: Any = stage.aws.dynamodb.describe_continuous_backups(TableName=name)
    recovery = backups["ContinuousBackupsDescription"].get("PointInTimeRecoveryDescription", {})
    if recovery.get("PointInTimeRecoveryStatus") != "ENABLED":
        yield warn("the table has no point-in-time recovery", _DEPLOY)


def protection(stage: Stage) -> Finding:
    """What is to be kept refuses to be deleted: table, user pool, stack."""
    if stage.values.get("stage.removal") != "retain":
        return ok("nothing is to be kept: [stage] removal is not retain")
    open_to_all = list(_unprotected(stage))
    if open_to_all:
        return warn(
            f"not protected against deletion: {', '.join(open_to_all)}",
            f"Run `onramp protect --stage {stage.name}`.",
        )
    if not stage.values.get("stage.protected"):
        return warn(
            "table, user pool and stack refuse to be deleted, until the next deployment",
            f"Set protected = true under [stage] in {stage.values.place}: without it `cdk deploy` takes the "
            "stack's protection off, and may take the user pool's.",
        )
    return ok("table, user pool and stack refuse to be deleted")


def _unprotected(stage: Stage) -> Iterator[str]:
    table_name = stage.output("TableName")
    if not is_table_protected(stage.aws.dynamodb.describe_table(TableName=table_name)["Table"]):
        yield "the table"
    for pool in stage.resources().get("AWS::Cognito::UserPool", {}).values():
        if not is_pool_protected(stage.aws, pool):
            yield "the user pool"
    if stage.stack is not None and not stage.stack.protected:
        yield "the stack"
