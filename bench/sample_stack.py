"""What a usual function of this kind looks like, to compare with: everybody's libraries, used as they advise.

boto3, Powertools' logger, metrics and resolver with validation, httpx, pydantic; clients are made when the
module is loaded. It opens a signup as `code_exchange` does: checks a body, and writes an item. Nothing of
Onramp's is imported here. Powertools' tracer is left out: it needs the X-Ray SDK, and would make it slower.
"""

import os
import uuid
from typing import Annotated, Any

import boto3
import httpx
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver
from aws_lambda_powertools.event_handler.openapi.params import Body
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import BaseModel, Field

logger = Logger(service="sample")
metrics = Metrics(namespace="Sample", service="sample")
app = APIGatewayHttpResolver(enable_validation=True)
dynamodb = boto3.client("dynamodb")
kms = boto3.client("kms")
http = httpx.Client(timeout=10)


class OpenSignup(BaseModel):
    """What is sent."""

    client_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9]{1,32}$")]
    plan_tier: str | None = None
    reference: str | None = None


class Signup(BaseModel):
    """What is answered."""

    id: str
    status: str
    client_id: str


@app.post("/v1/signups")
def open_signup(body: Annotated[OpenSignup, Body()]) -> Signup:
    """Write an item."""
    signup = Signup(id=uuid.uuid4().hex, status="open", client_id=body.client_id)
    dynamodb.put_item(
        TableName=os.environ["TABLE_NAME"],
        Item={
            "pk": {"S": f"SIGNUP#{signup.id}"},
            "sk": {"S": "SIGNUP"},
            "data": {"S": signup.model_dump_json()},
        },
        ConditionExpression="attribute_not_exists(pk)",
    )
    metrics.add_metric(name="SignupsOpened", unit=MetricUnit.Count, value=1)
    logger.info("opened", signup_id=signup.id)
    return signup


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer one request."""
    return app.resolve(event, context)
