"""``onramp events hand-over``: what waits in the events queue goes to the queue of another stage.

Message by message, so that nothing is lost on the way: one is deleted only when its copy has been taken.
"""

from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from ops.doctor.checks.queues import OUTPUTS
from ops.running import Run, command, output_of
from ops.stage.aws import Aws
from ops.stage.configuration import UnusableError

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

HIDDEN: Final = 60
"""Seconds for which a message that is moved is hidden from others."""
WAIT: Final = 1
"""Seconds for which SQS looks on all its machines."""
EMPTY: Final = 3
"""Answers without a message after which a queue counts as empty: SQS asks only some of its machines."""


def add_to(app: typer.Typer) -> None:
    """Add the command to the area of events."""

    @command(app, "hand-over")
    def hand_over(
        run: Run,
        *,
        to: Annotated[str, typer.Option(metavar="URL", help="EventsQueueUrl of the stage that takes them.")],
        to_region: Annotated[
            str | None, typer.Option(metavar="REGION", help="Its region (default: that of this stage).")
        ] = None,
        to_profile: Annotated[
            str | None,
            typer.Option(metavar="PROFILE", help="Profile of the credentials for it (default: the same)."),
        ] = None,
    ) -> None:
        """Move what waits in the events queue to another stage's.

        For a stage that has moved: what its receiver took after the change goes to the new one.
        """
        with run.reached() as found:
            url = output_of(found, OUTPUTS["events_queue"])
            if url == to:
                raise UnusableError("that is this stage's own queue")
            there = Aws(
                region=to_region or found.aws.region_name(),
                profile=to_profile or run.where.profile,
                endpoint=found.aws.endpoint,
            )
            with closing(there):
                moved = _move(found.aws.sqs, url, there.sqs, to)
        run.console.answer({"handed_over": moved}, f"{moved} handed over")


def _move(source: "SQSClient", source_url: str, target: "SQSClient", target_url: str) -> int:
    moved = 0
    for message in _received(source, source_url):
        attributes: Any = {
            name: {"DataType": value["DataType"], "StringValue": value["StringValue"]}
            for name, value in message.get("MessageAttributes", {}).items()
            if "StringValue" in value
        }
        target.send_message(QueueUrl=target_url, MessageBody=message["Body"], MessageAttributes=attributes)
        source.delete_message(QueueUrl=source_url, ReceiptHandle=message["ReceiptHandle"])
        moved += 1
    return moved


def _received(sqs: "SQSClient", url: str) -> Iterator[Mapping[str, Any]]:
    seen: set[str] = set()
    empty = 0
    while empty < EMPTY:
        answer = sqs.receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=10,
            VisibilityTimeout=HIDDEN,
            WaitTimeSeconds=WAIT,
            MessageAttributeNames=["All"],
            MessageSystemAttributeNames=["All"],
        )
        new = [item for item in answer.get("Messages", []) if item["MessageId"] not in seen]
        empty = 0 if new else empty + 1
        for message in new:
            seen.add(message["MessageId"])
            yield message
