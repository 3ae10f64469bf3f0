"""Which function works off which queue."""

from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sqs as sqs
from constructs import Construct

MAX_CONCURRENCY = 10


class QueueConsumer(Construct):
    """A function that gets a queue's messages, and says of each whether it is done."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        queue: sqs.IQueue,
        function: lambda_.IFunction,
        batch_size: int,
    ) -> None:
        super().__init__(scope, construct_id)
        lambda_.EventSourceMapping(
            self,
            "Source",
            target=function,
            event_source_arn=queue.queue_arn,
            batch_size=batch_size,
            max_concurrency=MAX_CONCURRENCY,
            report_batch_item_failures=True,
        )
