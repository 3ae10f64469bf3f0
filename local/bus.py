"""What the partner's own systems hear: a queue at the stack's event bus, filled by a rule of its own."""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from local.run import LocalStack

type Json = dict[str, Any]

SOURCE = "onramp"
"""What all our events name as their source."""

_NAME = "local-listener"
_BATCH = 10


@dataclass(frozen=True, slots=True)
class Listener:
    """A listener at the bus of a run."""

    run: LocalStack
    queue_url: str

    def heard(self) -> Iterator[Json]:
        """Takes what has come since the last time, in the order in which it came."""
        sqs = self.run.aws.sqs
        while messages := sqs.receive_message(
            QueueUrl=self.queue_url, MaxNumberOfMessages=_BATCH, VisibilityTimeout=600
        ).get("Messages", []):
            for message in messages:
                sqs.delete_message(QueueUrl=self.queue_url, ReceiptHandle=message["ReceiptHandle"])
                event: Json = json.loads(message["Body"])
                yield event


@contextlib.contextmanager
def listening(run: LocalStack) -> Iterator[Listener]:
    """Listens at the bus until the context is left.

    Args:
        run: The run.

    Yields:
        The listener, which hears everything that is published from now on.
    """
    aws, bus = run.aws, run.bus_name
    queue_url = aws.sqs.create_queue(QueueName=f"{bus}-{_NAME}")["QueueUrl"]
    named = aws.sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["QueueArn"])
    target = {"Id": _NAME, "Arn": named["Attributes"]["QueueArn"]}
    aws.events.put_rule(Name=_NAME, EventBusName=bus, EventPattern=json.dumps({"source": [SOURCE]}))
    aws.events.put_targets(Rule=_NAME, EventBusName=bus, Targets=[{"Id": target["Id"], "Arn": target["Arn"]}])
    try:
        yield Listener(run, queue_url)
    finally:
        aws.events.remove_targets(Rule=_NAME, EventBusName=bus, Ids=[_NAME])
        aws.events.delete_rule(Name=_NAME, EventBusName=bus)
        aws.sqs.delete_queue(QueueUrl=queue_url)
