"""``onramp letters``: what was given up is read, sent back, or thrown away.

Message by message, so that it works on any queue, one message can be picked, and nothing is lost on the way:
a message is deleted only when its copy has been taken.
"""

import argparse
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from onramp.domain.text import iso
from ops.doctor.checks.queues import DEAD_LETTERS, OUTPUTS
from ops.stage.aws import Aws
from ops.stage.configuration import UnusableError
from ops.stage.reaching import Reached
from ops.tool import DONE, Description, actions, add_consent, require_consent, run_action, tell

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
}
DESCRIPTION: Final = Description(
    help="dead letters: read them, send them back, throw them away",
    description=f"Of {', '.join(DEAD_LETTERS)}.",
)
_SHOW: Final = Description(
    help="read them", description="Each message as JSON, with its reason. They stay where they are."
)
_REDRIVE: Final = Description(
    help="send them back to their queue",
    description="A job is a retry then: it clears its number's failure, if that may be retried. An event "
    "that has acted already does nothing. One of the relay goes to its target once more. All may be done "
    "twice without harm.",
)
_PURGE: Final = Description(
    help="throw them away", description="For what is understood and needs no repeat. Asks before."
)
_HAND_OVER: Final = Description(
    help="move what waits in the events queue to another stage's",
    description="For a stage that has moved: what its receiver took after the change goes to the new one.",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the actions to a command line."""
    table = {
        "show": (_SHOW, _show),
        "redrive": (_REDRIVE, _redrive),
        "purge": (_PURGE, _purge),
        "hand-over": (_HAND_OVER, _hand_over),
    }
    found = actions(parser, table)
    for name in ("show", "purge"):
        found[name].add_argument("queue", choices=list(DEAD_LETTERS))
    found["redrive"].add_argument("queue", choices=list(_BACK))
    for name in ("show", "redrive", "purge"):
        found[name].add_argument(
            "--containing", default="", metavar="TEXT", help="only messages with this text"
        )
    found["show"].add_argument("--limit", type=int, default=20, help="at most so many (default: 20)")
    add_consent(found["purge"])
    add = found["hand-over"].add_argument
    add("--to", required=True, metavar="URL", help="EventsQueueUrl of the stage that takes them")
    add("--to-region", metavar="REGION", help="its region (default: that of this stage)")
    add("--to-profile", metavar="PROFILE", help="profile of the credentials for it (default: the same)")


def run(given: argparse.Namespace) -> int:
    """Run an action. Returns the exit status."""
    return run_action(given, "letters")


def _show(found: Reached, given: argparse.Namespace) -> int:
    url = _url(found, DEAD_LETTERS[given.queue])
    shown = 0
    for message in islice(_messages(found.aws.sqs, url, given.containing, keep=True), given.limit):
        tell(json.dumps(_told(message), ensure_ascii=False))
        shown += 1
    if not shown:
        tell(f"no dead letters of {given.queue}")
    return DONE


def _redrive(found: Reached, given: argparse.Namespace) -> int:
    sqs = found.aws.sqs
    moved = _move(
        sqs,
        _url(found, DEAD_LETTERS[given.queue]),
        sqs,
        _url(found, _BACK[given.queue]),
        given.containing,
    )
    tell(f"{moved} sent back to {given.queue}")
    return DONE


def _purge(found: Reached, given: argparse.Namespace) -> int:
    require_consent(given, f"dead letters of {given.queue} are thrown away")
    sqs, url = found.aws.sqs, _url(found, DEAD_LETTERS[given.queue])
    gone = 0
    for message in _messages(sqs, url, given.containing):
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        gone += 1
    tell(f"{gone} thrown away")
    return DONE


def _hand_over(found: Reached, given: argparse.Namespace) -> int:
    url = _url(found, _BACK["events"])
    if url == given.to:
        raise UnusableError("that is this stage's own queue")
    there = Aws(
        region=given.to_region or found.aws.region_name(),
        profile=given.to_profile or given.profile,
        endpoint=found.aws.endpoint,
    )
    try:
        moved = _move(found.aws.sqs, url, there.sqs, given.to, "")
    finally:
        there.close()
    tell(f"{moved} handed over")
    return DONE


def _url(found: Reached, output: str) -> str:
    try:
        return found.outputs[output]
    except KeyError:
        raise UnusableError(f"{found.stack_name} has no output {output}: deploy it first") from None


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
