"""What waits: in the queues, in the table's stream, and among the dead letters."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Any, Final, get_args

from infra.cards import CARDS, Card, NewItems, Queue, logical_id
from infra.grants import QueueName
from ops.doctor.findings import Finding, fail, skipped, together, warn
from ops.doctor.metrics import points
from ops.doctor.stage import Stage

OUTPUTS: Final[Mapping[QueueName, str]] = MappingProxyType(
    {name: f"{logical_id(name)}Url" for name in get_args(QueueName)}
)
"""The stack's output with the address of each queue."""
DEAD_LETTERS: Final[Mapping[str, str]] = MappingProxyType(
    {name.removesuffix("_dlq"): output for name, output in OUTPUTS.items() if name.endswith("_dlq")}
)
OLDEST: Final[Mapping[QueueName, timedelta]] = MappingProxyType(
    {"jobs_queue": timedelta(hours=1), "events_queue": timedelta(minutes=15)}
)
"""How old the oldest message of a queue may be before somebody should look."""
STREAM_AGE: Final = timedelta(minutes=15)
"""How old a fact may be when it is handed to its function."""
_COUNTS: Final = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
)
_PERIOD: Final = timedelta(minutes=15)
_ON: Final = frozenset({"Enabled", "Enabling", "Updating", "Creating"})
REPUBLISH: Final = "onramp facts republish --stage {stage} --since <when it began>"


def dead_letters(stage: Stage) -> Finding:
    """What was given up: jobs, events, runs of schedules, facts of the stream."""
    counts = {name: _count(stage, output) for name, output in DEAD_LETTERS.items()}
    return together(
        (
            fail(f"{count} dead letter{'s' if count > 1 else ''} of {name}", _dead_advice(name, stage))
            for name, count in counts.items()
            if count
        ),
        f"no dead letters of {', '.join(counts)}",
    )


def _dead_advice(name: str, stage: Stage) -> str:
    if name == "stream":
        return (
            "Facts did not reach the bus within the stream's day. Mend that, then publish them again: "
            f"{REPUBLISH.format(stage=stage.name)}"
        )
    back = {"jobs", "events", "relay", "notifications"}
    again = f" or `onramp dead-letters redrive {name}`" if name in back else ""
    return (
        f"`onramp dead-letters list {name}` says why; mend that, then "
        f"`onramp dead-letters purge {name}`{again}."
    )


def _count(stage: Stage, output: str) -> int:
    answer = stage.aws.sqs.get_queue_attributes(QueueUrl=stage.output(output), AttributeNames=list(_COUNTS))
    return sum(int(answer.get("Attributes", {}).get(name, 0)) for name in _COUNTS)


# --- who takes it ----------------------------------------------------------------------------------------


def consumers(stage: Stage) -> Finding:
    """Each queue and the stream are handed to the function whose card says so, and it takes them."""
    there = stage.functions()
    fed = [
        card
        for card in CARDS.values()
        if isinstance(card.trigger, Queue | NewItems) and (card.needs is None or card.name in there)
    ]
    problems = [problem for card in fed for problem in _mapping_problems(stage, card)]
    return together(problems, f"{', '.join(card.name for card in fed)} are handed what is theirs")


def _mapping_problems(stage: Stage, card: Card) -> Iterator[Finding]:
    function = stage.functions().get(card.name)
    if function is None:
        yield fail(f"the stack has no {card.name}", "Run `cdk deploy` for this stage.")
        return
    what, source = _source(stage, card)
    # By the source: asked by its name, Lambda does not tell what is handed to an alias of a function.
    answer: Any = stage.aws.functions.list_event_source_mappings(EventSourceArn=source)
    found = [item for item in answer["EventSourceMappings"] if _leads_to(item, function.physical)]
    if not found:
        yield fail(f"{card.name} is not handed {what}", "Run `cdk deploy` for this stage.")
    elif not any(item.get("State") in _ON for item in found):
        yield fail(f"{what} is handed to nobody: the mapping to {card.name} is off", _switch_on(what, stage))
    elif trouble := [item for item in found if "PROBLEM" in item.get("LastProcessingResult", "")]:
        yield warn(
            f"Lambda has trouble with {what} ({trouble[0]['LastProcessingResult']})",
            f"Read the log of {card.name}; has its role lost a right?",
        )


def _source(stage: Stage, card: Card) -> tuple[str, str]:
    """What a function is handed, for people, and its ARN."""
    if isinstance(card.trigger, Queue):
        url = stage.output(OUTPUTS[card.trigger.name])
        answer = stage.aws.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        return f"the queue {card.trigger.name}", answer["Attributes"]["QueueArn"]
    described = stage.aws.dynamodb.describe_table(TableName=stage.output("TableName"))["Table"]
    return "the table's stream", described.get("LatestStreamArn", "no stream")


def _leads_to(mapping: Mapping[str, Any], function: str) -> bool:
    """Whether a mapping feeds a function, or an alias of it."""
    return function in str(mapping.get("FunctionArn", "")).split(":")[-2:]


def _switch_on(what: str, stage: Stage) -> str:
    if "stream" not in what:
        return f"`onramp resume --stage {stage.name}` enables it, or deploy again."
    return (
        f"`onramp resume --stage {stage.name}` enables it: the stream keeps facts for 24 hours. "
        f"What was lost before: {REPUBLISH.format(stage=stage.name)}"
    )


# --- how long it waits -----------------------------------------------------------------------------------


def queue_age(stage: Stage) -> Finding:
    """The oldest message of each queue and the oldest fact, from CloudWatch; some jobs wait on purpose."""
    ages = {name: _age(stage, name) for name in OLDEST} | {"stream": _stream_age(stage)}
    known = {name: age for name, age in ages.items() if age is not None}
    if not known:
        return skipped("CloudWatch has no ages: the queues have been idle, or this is not AWS")
    return together(
        (
            warn(f"the oldest message of {name} is {_told(age)} old", _waiting(name))
            for name, age in known.items()
            if age > _allowed(name)
        ),
        ", ".join(f"{name}: oldest {_told(age)}" for name, age in known.items()),
    )


def _allowed(name: str) -> timedelta:
    return {str(queue): age for queue, age in OLDEST.items()}.get(name, STREAM_AGE)


def _waiting(name: str) -> str:
    worker = _worker_of(name)
    if name == "jobs_queue":
        return f"Jobs between two tries are old on purpose; are there others? Read the log of {worker}."
    return f"Is {worker} running? Read its log; `consumers` says whether it is handed anything."


def _worker_of(name: str) -> str:
    """The function that works off a queue, or that is handed the stream."""
    for card in CARDS.values():
        match card.trigger:
            case Queue(queue, _) if queue == name:
                return card.name
            case NewItems() if name == "stream":
                return card.name
            case _:
                continue
    raise KeyError(name)


def _age(stage: Stage, name: QueueName) -> timedelta | None:
    dimensions = {"QueueName": stage.output(OUTPUTS[name]).rpartition("/")[2]}
    metric = "AWS/SQS:ApproximateAgeOfOldestMessage"
    found = points(stage, metric, dimensions, span=_PERIOD, statistic="Maximum")
    return timedelta(seconds=found[-1][1]) if found else None


def _stream_age(stage: Stage) -> timedelta | None:
    """How old the last facts were when they were handed over; there is no point while nothing happens."""
    function = stage.functions().get(_worker_of("stream"))
    if function is None:
        return None
    dimensions = {"FunctionName": function.physical}
    found = points(stage, "AWS/Lambda:IteratorAge", dimensions, span=_PERIOD, statistic="Maximum")
    return timedelta(milliseconds=found[-1][1]) if found else None


def _told(age: timedelta) -> str:
    return str(timedelta(seconds=int(age.total_seconds())))
