"""``onramp status``: what rings, what waits, what has been given up, what is switched off. Reads only."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from onramp.domain.text import iso
from onramp.usecases.sweep import LATER
from ops.commands.pause import switches_of
from ops.doctor.checks.alarms import alarms_of
from ops.doctor.checks.queues import OUTPUTS
from ops.running import Run, command, group
from ops.stage.configuration import UnusableError
from ops.stage.reaching import Reached

OVERDUE: Final = 20
"""Overdue records that are named."""
SWEPT_WITHIN: Final = timedelta(minutes=2)
"""So late is what the sweep has not come to yet."""
app = group("What goes on.")


@command(app, "status")
def status(run: Run) -> None:
    """Say what rings, waits, was given up, is switched off, is overdue.

    The first look at night. Changes nothing.
    """
    with run.reached() as found:
        ringing = [
            {"alarm": str(alarm["AlarmName"]), "since": str(alarm.get("StateUpdatedTimestamp", ""))}
            for alarm in alarms_of(found.aws, found.stack_name)
            if alarm.get("StateValue") == "ALARM"
        ]
        queues = {name: _messages(found, output) for name, output in OUTPUTS.items()}
        off = [f"{switch.part}: {switch.what}" for switch in switches_of(found) if not switch.is_on()]
        overdue = _overdue(found)
    told = [
        *_shown("alarms that ring", [f"{item['alarm']}  since {item['since']}" for item in ringing]),
        *_shown("messages", [f"{name}  {count}" for name, count in queues.items() if count]),
        *_shown("switched off", off),
        *_shown("overdue by more than the sweep's minute or two", overdue),
    ]
    result = {"ringing": ringing, "messages": queues, "off": off, "overdue": overdue}
    run.console.answer(result, "\n".join(told))


def _shown(title: str, lines: list[str]) -> list[str]:
    return [f"{title}:", *(f"  {line}" for line in lines)] if lines else [f"{title}: none"]


def _messages(found: Reached, output: str) -> int:
    if output not in found.outputs:
        raise UnusableError(f"{found.stack_name} has no output {output}: deploy it first")
    names: Any = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    answer = found.aws.sqs.get_queue_attributes(QueueUrl=found.outputs[output], AttributeNames=names)
    return sum(int(value) for value in answer.get("Attributes", {}).values())


def _overdue(found: Reached) -> list[str]:
    """What should have been done by now, and since when, the oldest first.

    What was woken and not taken up stands a few minutes ahead, and says behind a ``#`` since when it is due.
    """
    now = datetime.now(UTC)
    answer = found.aws.dynamodb.query(
        TableName=found.outputs["TableName"],
        IndexName="by_due",
        KeyConditionExpression="due_shard = :line AND due_at < :now",
        ExpressionAttributeValues={":line": {"S": "WORK"}, ":now": {"S": iso(now + LATER)}},
        Limit=OVERDUE,
    )
    due = sorted((item["due_at"]["S"].rpartition("#")[2], item["pk"]["S"]) for item in answer["Items"])
    return [f"{since}  {pk}" for since, pk in due if since < iso(now - SWEPT_WITHIN)]
