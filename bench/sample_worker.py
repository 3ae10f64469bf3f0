"""The usual worker of a queue of webhooks, to compare with: everybody's libraries, used as they advise.

boto3, Powertools' logger, metrics and batch processor, pydantic. It does the least that keeps a partner's
numbers: remembers the event's id so that it acts once, finds the number by its channel, writes what is new,
and tells a bus. Nothing of Onramp's is imported here. It leaves out all or nothing, leases, order and facts.
"""

import os
from typing import Any

import boto3
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.exceptions import ClientError
from pydantic import BaseModel

logger = Logger(service="sample")
metrics = Metrics(namespace="Sample", service="sample")
dynamodb = boto3.client("dynamodb")
events = boto3.client("events")
processor = BatchProcessor(event_type=EventType.SQS)
TABLE = os.environ["TABLE_NAME"]


class Channel(BaseModel):
    """Whom an event is about."""

    id: str


class Event(BaseModel):
    """One webhook."""

    id: str
    event: str
    data: Channel


def is_new(event: Event) -> bool:
    """Remember an event; False when it was here before."""
    item = {"pk": {"S": f"SAMPLE#{event.id}"}, "sk": {"S": "EVENT"}, "data": {"S": event.model_dump_json()}}
    try:
        dynamodb.put_item(TableName=TABLE, Item=item, ConditionExpression="attribute_not_exists(pk)")
    except ClientError as error:
        if error.response["Error"]["Code"] == "ConditionalCheckFailedException":
            return False
        raise
    return True


def handle(record: SQSRecord) -> None:
    """Apply one webhook."""
    event = Event.model_validate_json(record.body)
    if not is_new(event):
        return
    found = dynamodb.query(
        TableName=TABLE,
        IndexName="by_channel",
        KeyConditionExpression="channel_key = :channel",
        ExpressionAttributeValues={":channel": {"S": f"SAMPLE#{event.data.id}"}},
    )
    for item in found["Items"]:
        dynamodb.update_item(
            TableName=TABLE,
            Key={"pk": item["pk"], "sk": item["sk"]},
            UpdateExpression="SET last_event = :event",
            ExpressionAttributeValues={":event": {"S": event.event}},
        )
        events.put_events(
            Entries=[
                {
                    "Source": "sample",
                    "DetailType": event.event,
                    "Detail": event.data.model_dump_json(),
                    "EventBusName": os.environ["BUS_NAME"],
                }
            ]
        )
    metrics.add_metric(name="EventsApplied", unit=MetricUnit.Count, value=1)
    logger.info("applied", event_id=event.id)


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> Any:  # noqa: ANN401 - Powertools' own
    """Apply a batch."""
    return process_partial_response(event=event, record_handler=handle, processor=processor, context=context)
