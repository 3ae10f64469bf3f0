"""The table: its indexes, its stream, and how well the data is protected."""

from collections.abc import Iterator
from typing import Any, Final, get_args

from infra.grants import IndexName
from ops.doctor.findings import Finding, fail, together, warn
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
    problems += _protection(stage, name, described) if kept else ()
    told = "recoverable to any second, protected against deletion" if kept else "its data may be destroyed"
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


def _protection(stage: Stage, name: str, described: Any) -> Iterator[Finding]:  # noqa: ANN401 - as AWS answers
    if not described.get("DeletionProtectionEnabled"):
        yield warn("the table is not protected against deletion", _DEPLOY)
    backups: Any = stage.aws.dynamodb.describe_continuous_backups(TableName=name)
    recovery = backups["ContinuousBackupsDescription"].get("PointInTimeRecoveryDescription", {})
    if recovery.get("PointInTimeRecoveryStatus") != "ENABLED":
        yield warn("the table has no point-in-time recovery", _DEPLOY)
