"""Which function works off which queue, and which is handed what is new in the table."""

import aws_cdk as cdk
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_lambda_event_sources as sources
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.cards import NewItems, Queue

# How many runs at once may work off a queue: the least that Lambda takes. A new account runs ten functions at
# once in all, and a person and 360dialog wait for the others (docs/decisions.md has the table).
AT_ONCE = 2
# The stream keeps an item for 24 hours. Whatever could not be handed over shortly before is given up, so
# that its place in the stream is told while it can still be read there; a shorter outage only delays.
GIVEN_UP_AFTER = cdk.Duration.minutes(23 * 60 + 45)


class QueueConsumer(Construct):
    """A function that gets a queue's messages, and says of each whether it is done."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        queue: sqs.IQueue,
        trigger: Queue,
        function: lambda_.Alias,
    ) -> None:
        super().__init__(scope, construct_id)
        mapping = lambda_.EventSourceMapping(
            self,
            "Source",
            target=function,
            event_source_arn=queue.queue_arn,
            batch_size=trigger.batch,
            max_concurrency=AT_ONCE,
            report_batch_item_failures=True,
        )
        _call(mapping, function)


class StreamConsumer(Construct):
    """A function that gets new items of the table, those of one partition in their order.

    It says where in a batch it had to stop. From there the batch comes again, halved each time, for as long
    as the stream keeps it; what is given up then is told in the dead letters by its place in the stream.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stream_arn: str,
        items: NewItems,
        function: lambda_.Alias,
        dead_letters: sqs.IQueue,
    ) -> None:
        super().__init__(scope, construct_id)
        new = {
            "eventName": lambda_.FilterRule.is_equal("INSERT"),
            "dynamodb": {"Keys": {"sk": {"S": lambda_.FilterRule.begins_with(items.prefix)}}},
        }
        mapping = lambda_.EventSourceMapping(
            self,
            "Source",
            target=function,
            event_source_arn=stream_arn,
            # Not from now on: what is written while the mapping is being made belongs to it, too.
            starting_position=lambda_.StartingPosition.TRIM_HORIZON,
            filters=[lambda_.FilterCriteria.filter(new)],
            batch_size=items.batch,
            max_batching_window=cdk.Duration.seconds(items.window_seconds),
            parallelization_factor=1,
            bisect_batch_on_error=True,
            report_batch_item_failures=True,
            # Tried without end until then: no number of retries.
            max_record_age=GIVEN_UP_AFTER,
            on_failure=sources.SqsDlq(dead_letters),
        )
        _call(mapping, function)


def _call(mapping: lambda_.EventSourceMapping, function: lambda_.Alias) -> None:
    """Name the alias by its ARN. The library takes the ARN apart and puts a name together, which hides it."""
    resource = mapping.node.default_child
    if not isinstance(resource, lambda_.CfnEventSourceMapping):
        raise TypeError("the mapping has another shape than expected")
    resource.function_name = function.function_arn
