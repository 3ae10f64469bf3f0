"""The queues: nothing dead, nothing that waits too long."""

from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Final

from ops.doctor.findings import Finding, fail, skipped, together, warn
from ops.doctor.stage import Stage

DEAD_LETTERS: Final[Mapping[str, str]] = MappingProxyType(
    {"jobs": "JobsDlqUrl", "events": "EventsDlqUrl", "schedules": "SchedulesDlqUrl"}
)
OLDEST: Final[Mapping[str, tuple[str, timedelta]]] = MappingProxyType(
    {"jobs": ("JobsQueueUrl", timedelta(hours=1)), "events": ("EventsQueueUrl", timedelta(minutes=15))}
)
"""How old the oldest message of a queue may be before somebody should look."""
_COUNTS: Final = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
)
_WAITING: Final[Mapping[str, str]] = MappingProxyType(
    {
        "jobs": "Jobs between two tries are old on purpose; are there others? Read onboarding_worker's log.",
        "events": "Is the worker running? Read the log of partner_event_worker.",
    }
)
_PERIOD: Final = timedelta(minutes=15)


def dead_letters(stage: Stage) -> Finding:
    """What the workers have given up, and schedules that could not run."""
    counts = {name: _count(stage, output) for name, output in DEAD_LETTERS.items()}
    return together(
        (
            fail(
                f"{count} dead letter{'s' if count > 1 else ''} of {name}",
                "Read why (the messages' attributes tell), mend that, then redrive or delete them.",
            )
            for name, count in counts.items()
            if count
        ),
        f"no dead letters of {', '.join(counts)}",
    )


def _count(stage: Stage, output: str) -> int:
    answer = stage.aws.sqs.get_queue_attributes(QueueUrl=stage.output(output), AttributeNames=list(_COUNTS))
    return sum(int(answer.get("Attributes", {}).get(name, 0)) for name in _COUNTS)


def queue_age(stage: Stage) -> Finding:
    """The oldest message of each queue, from CloudWatch; jobs wait on purpose between two tries."""
    ages = {name: _age(stage, output) for name, (output, _) in OLDEST.items()}
    known = {name: age for name, age in ages.items() if age is not None}
    if not known:
        return skipped("CloudWatch has no ages: the queues have been idle, or this is not AWS")
    return together(
        (
            warn(
                f"the oldest message of {name} is {_told(age)} old",
                _WAITING[name],
            )
            for name, age in known.items()
            if age > OLDEST[name][1]
        ),
        ", ".join(f"{name}: oldest {_told(age)}" for name, age in known.items()),
    )


def _age(stage: Stage, output: str) -> timedelta | None:
    now = stage.clock.now()
    answer = stage.aws.metrics.get_metric_statistics(
        Namespace="AWS/SQS",
        MetricName="ApproximateAgeOfOldestMessage",
        Dimensions=[{"Name": "QueueName", "Value": stage.output(output).rpartition("/")[2]}],
        StartTime=now - _PERIOD,
        EndTime=now,
        Period=60,
        Statistics=["Maximum"],
    )
    points = sorted(answer.get("Datapoints", []), key=lambda point: point["Timestamp"])
    return timedelta(seconds=points[-1]["Maximum"]) if points else None


def _told(age: timedelta) -> str:
    return str(timedelta(seconds=int(age.total_seconds())))
