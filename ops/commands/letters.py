"""``onramp letters``: what was given up is read, sent back, or thrown away.

Message by message, so that it works on any queue, one message can be picked, and nothing is lost on the way:
a message is deleted only when its copy has been taken.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from onramp.domain.text import iso
from ops.doctor.checks.queues import DEAD_LETTERS, OUTPUTS
from ops.running import Run, command, group, one_of, output_of
from ops.stage.aws import Aws
from ops.stage.configuration import UnusableError

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

HIDDEN: Final = 60
"""Seconds for which a message that is looked at is hidden from others."""
WAIT: Final = 1
"""Seconds for which SQS looks on all its machines."""
EMPTY: Final = 3
"""Answers without a message after which a queue counts as empty: SQS asks only some of its machines."""
_BACK: Final[Mapping[str, str]] = {
    "jobs": OUTPUTS["jobs_queue"],
    "events": OUTPUTS["events_queue"],
    "relay": OUTPUTS["relay_queue"],
    "notifications": OUTPUTS["notifications_queue"],
}
"""Queues that dead letters are sent back to."""
app = group(f"Dead letters: read them, send them back, throw them away. Of {', '.join(DEAD_LETTERS)}.")
Queue = Annotated[
    str,
    typer.Argument(parser=one_of(*DEAD_LETTERS), metavar="QUEUE", help=f"Of {', '.join(DEAD_LETTERS)}."),
]
Containing = Annotated[str, typer.Option(metavar="TEXT", help="Only messages with this text.")]


@command(app, "show")
def show(
    run: Run,
    *,
    queue: Queue,
    containing: Containing = "",
    limit: Annotated[int, typer.Option(metavar="N", min=1, help="At most so many.")] = 20,
) -> None:
    """Read them: each message as JSON, with its reason. They stay where they are."""
    with run.reached() as found:
        url = output_of(found, DEAD_LETTERS[queue])
        shown = [_told(one) for one in islice(_messages(found.aws.sqs, url, containing, keep=True), limit)]
    told = [json.dumps(one, ensure_ascii=False) for one in shown]
    run.console.answer({"items": shown}, "\n".join(told) or f"no dead letters of {queue}")


@command(app, "redrive")
def redrive(
    run: Run,
    *,
    queue: Annotated[
        str,
        typer.Argument(parser=one_of(*_BACK), metavar="QUEUE", help=f"Of {', '.join(_BACK)}."),
    ],
    containing: Containing = "",
) -> None:
    """Send them back to their queue.

    A job is a retry then: it clears its number's failure, if that may be retried. An event that has acted
    already does nothing. Both may be done twice without harm.
    """
    with run.reached() as found:
        sqs = found.aws.sqs
        moved = _move(
            sqs, output_of(found, DEAD_LETTERS[queue]), sqs, output_of(found, _BACK[queue]), containing
        )
    run.console.answer({"queue": queue, "sent_back": moved}, f"{moved} sent back to {queue}")


@command(app, "purge", asks=True)
def purge(run: Run, queue: Queue, containing: Containing = "") -> None:
    """Throw them away: what is understood and needs no repeat."""
    with run.reached() as found:
        run.consent(f"dead letters of {queue} are thrown away")
        sqs, url = found.aws.sqs, output_of(found, DEAD_LETTERS[queue])
        gone = 0
        for message in _messages(sqs, url, containing):
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            gone += 1
    run.console.answer({"queue": queue, "thrown_away": gone}, f"{gone} thrown away")


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
        url = output_of(found, _BACK["events"])
        if url == to:
            raise UnusableError("that is this stage's own queue")
        there = Aws(
            region=to_region or found.aws.region_name(),
            profile=to_profile or run.where.profile,
            endpoint=found.aws.endpoint,
        )
        with closing(there):
            moved = _move(found.aws.sqs, url, there.sqs, to, "")
    run.console.answer({"handed_over": moved}, f"{moved} handed over")


def _move(source: "SQSClient", source_url: str, target: "SQSClient", target_url: str, containing: str) -> int:
    moved = 0
    for message in _messages(source, source_url, containing):
        attributes: Any = {
            name: {"DataType": value["DataType"], "StringValue": value["StringValue"]}
            for name, value in message.get("MessageAttributes", {}).items()
            if "StringValue" in value
        }
        target.send_message(QueueUrl=target_url, MessageBody=message["Body"], MessageAttributes=attributes)
        source.delete_message(QueueUrl=source_url, ReceiptHandle=message["ReceiptHandle"])
        moved += 1
    return moved


def _messages(
    sqs: "SQSClient", url: str, containing: str, *, keep: bool = False
) -> Iterator[Mapping[str, Any]]:
    """The messages of a queue, each once; those that come later are not waited for.

    What stays in the queue can be seen again at once: what is not meant, and with `keep` everything.
    """
    left: dict[str, str] = {}
    try:
        for message in _received(sqs, url):
            meant = containing in message["Body"]
            if keep or not meant:
                left[message["MessageId"]] = message["ReceiptHandle"]
            if meant:
                yield message
    finally:
        for handle in left.values():
            sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=0)


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


def _told(message: Mapping[str, Any]) -> dict[str, object]:
    attributes = message.get("MessageAttributes", {})
    sent = int(message.get("Attributes", {}).get("SentTimestamp", 0)) / 1000
    told: dict[str, object] = {"at": iso(datetime.fromtimestamp(sent, UTC))}
    told |= {name: value.get("StringValue", "") for name, value in attributes.items()}
    return told | {"body": message["Body"]}
