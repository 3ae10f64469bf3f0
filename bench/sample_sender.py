"""The least that does a receiver's work with boto3, to compare with: what it is handed goes to SQS.

It checks no signature and counts nothing, both of which the receivers do.
"""

import os
from typing import Any

import boto3

sqs = boto3.client("sqs")


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Hand on one webhook."""
    sqs.send_message(
        QueueUrl=os.environ["EVENTS_QUEUE_URL"],
        MessageBody=event["body"],
        MessageAttributes={
            name: {"DataType": "String", "StringValue": value}
            for name, value in (
                ("encoding", "utf-8"),
                ("request_id", event["requestContext"]["requestId"]),
            )
        },
    )
    return {"statusCode": 200, "headers": {"Content-Type": "application/json"}, "body": "{}"}
