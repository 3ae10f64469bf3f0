"""CloudWatch's metrics as checks read them. What did not happen has no points."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ops.doctor.stage import Stage

type Point = tuple[datetime, float]


def points(
    stage: "Stage", metric: str, dimensions: Mapping[str, str], *, span: timedelta, statistic: str
) -> Sequence[Point]:
    """A metric by the minute over the last `span`, oldest first; `metric` is ``namespace:name``."""
    namespace, _, name = metric.partition(":")
    now = stage.clock.now()
    answer: Any = stage.aws.metrics.get_metric_statistics(
        Namespace=namespace,
        MetricName=name,
        Dimensions=[{"Name": key, "Value": value} for key, value in dimensions.items()],
        StartTime=now - span,
        EndTime=now,
        Period=60,
        Statistics=[statistic],
    )
    return sorted((point["Timestamp"], float(point[statistic])) for point in answer.get("Datapoints", []))
