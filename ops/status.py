"""``onramp status``: what rings, what waits, what has been given up, what is switched off. Reads only."""

import argparse
from datetime import UTC, datetime
from typing import Any, Final

from onramp.domain.text import iso
from onramp.usecases.sweep import LATER
from ops.doctor.checks.alarms import alarms_of
from ops.doctor.checks.queues import OUTPUTS
from ops.pause import switches_of
from ops.stage import reaching
from ops.stage.configuration import UnusableError
from ops.stage.reaching import Reached
from ops.tool import DONE, Description, run_on, tell, tell_json

OVERDUE: Final = 20
"""Overdue records that are named."""
DESCRIPTION: Final = Description(
    help="what rings, waits, was given up, or is switched off",
    description="The first look at night. Changes nothing.",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options to a command line."""
    reaching.add_arguments(parser)
    parser.add_argument("--json", action="store_true", help="the result as JSON")


def run(given: argparse.Namespace) -> int:
    """Show it. Returns the exit status."""
    return run_on(given, "status", lambda found: _status(found, as_json=given.json))


def _status(found: Reached, *, as_json: bool) -> int:
    ringing = [
        {"alarm": str(alarm["AlarmName"]), "since": str(alarm.get("StateUpdatedTimestamp", ""))}
        for alarm in alarms_of(found.aws, found.stack_name)
        if alarm.get("StateValue") == "ALARM"
    ]
    queues = {name: _messages(found, output) for name, output in OUTPUTS.items()}
    off = [f"{switch.part}: {switch.what}" for switch in switches_of(found) if not switch.is_on()]
    overdue = _overdue(found)
    if as_json:
        tell_json({"ringing": ringing, "messages": queues, "off": off, "overdue": overdue})
        return DONE
    _show("alarms that ring", [f"{item['alarm']}  since {item['since']}" for item in ringing])
    _show("messages", [f"{name}  {count}" for name, count in queues.items() if count])
    _show("switched off", off)
    _show("overdue by more than the sweep's minute or two", overdue)
    return DONE


def _show(title: str, lines: list[str]) -> None:
    tell(f"{title}: {'none' if not lines else ''}".rstrip())
    for line in lines:
        tell(f"  {line}")


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
    due = [(item["due_at"]["S"], item["pk"]["S"]) for item in answer["Items"]]
    late = sorted((at.rpartition("#")[2], pk) for at, pk in due if "#" in at or at < iso(now))
    return [f"{since}  {pk}" for since, pk in late]
