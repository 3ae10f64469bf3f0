"""Every function and route has a sample event that is what Lambda would hand over."""

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from infra.catalogue import FUNCTIONS
from local.openapi import EVENTS, OPERATIONS, Operation
from onramp import receiving
from onramp.api.models import ListQuery
from onramp.domain.partner_events import read_envelopes, read_event
from onramp.signature import is_signed

type Event = Mapping[str, Any]

SECRET = "sample-platform-secret"
FILES = sorted(EVENTS.rglob("*.json"))
FUNCTION_OF_ROUTE = {
    "readConfig": "signup_queries",
    "openSignup": "code_exchange",
    "listSignups": "signup_queries",
    "readSignup": "signup_queries",
    "exchangeCode": "code_exchange",
    "submitNumbers": "number_submission",
    "retryNumbers": "number_submission",
    "readApiKey": "signup_queries",
    "receivePartnerEvent": "webhook_receiver",
}


def name_of(file: Path) -> str:
    return file.relative_to(EVENTS).as_posix()


def load(file: Path) -> Event:
    event: Event = json.loads(file.read_text(encoding="utf-8"))
    return event


def operation_of(event: Event) -> Operation:
    method, _, path = event["routeKey"].partition(" ")
    return next(o for o in OPERATIONS if (o.method.upper(), o.path) == (method, path))


REQUESTS = [file for file in FILES if "routeKey" in load(file)]
BATCHES = [file for file in FILES if "Records" in load(file)]


def test_every_function_has_a_sample() -> None:
    assert {file.parent.name for file in FILES} == set(FUNCTIONS)


def test_every_route_has_a_sample_with_its_function() -> None:
    told = {(operation_of(load(file)).name, file.parent.name) for file in REQUESTS}
    assert told == set(FUNCTION_OF_ROUTE.items())


@pytest.mark.parametrize("file", REQUESTS, ids=name_of)
def test_a_request_is_of_one_piece(file: Path) -> None:
    event = load(file)
    operation = operation_of(event)
    context = event["requestContext"]
    assert event["version"] == "2.0"
    assert context["routeKey"] == event["routeKey"]
    path = operation.path
    for name, value in event.get("pathParameters", {}).items():
        path = path.replace(f"{{{name}}}", value)
    assert event["rawPath"] == context["http"]["path"] == path
    assert context["http"]["method"] == operation.method.upper()
    authorizer = context.get("authorizer", {})
    if operation.guard == "jwt":
        assert authorizer["jwt"]["claims"]["sub"]
    if operation.guard == "iam":
        assert authorizer["iam"]["userArn"].startswith("arn:aws:")
    assert list(event["headers"]) == [name.lower() for name in event["headers"]]
    body = receiving.raw_body(event)
    assert body is not None
    if operation.method == "post":
        assert event["headers"]["content-length"] == str(len(body))


@pytest.mark.parametrize("file", REQUESTS, ids=name_of)
def test_a_body_and_a_query_fit_the_models(file: Path) -> None:
    event = load(file)
    operation = operation_of(event)
    if operation.body is not None:
        assert event["headers"]["content-type"] == "application/json"
        TypeAdapter(operation.body).validate_json(event["body"])
    ListQuery.model_validate(event.get("queryStringParameters", {}))


@pytest.mark.parametrize("file", sorted((EVENTS / "webhook_receiver").glob("*.json")), ids=name_of)
def test_a_webhook_is_signed(file: Path) -> None:
    event = load(file)
    body = receiving.raw_body(event)
    assert body is not None
    assert is_signed(body, receiving.signature_of(event), [SECRET])
    assert not is_signed(body + b" ", receiving.signature_of(event), [SECRET])
    assert [read_event(envelope).about_channel for envelope in read_envelopes(body)] == [True]


def test_the_secret_of_the_samples_is_told() -> None:
    assert f"`{SECRET}`" in (EVENTS / "README.md").read_text(encoding="utf-8")


def test_webhooks_come_in_both_encodings() -> None:
    webhooks = [load(file) for file in sorted((EVENTS / "webhook_receiver").glob("*.json"))]
    assert {event["isBase64Encoded"] for event in webhooks} == {True, False}


def packed_attributes(record: Event) -> bytes:
    """A message's attributes as SQS hashes them."""
    packed = b""
    for name, attribute in sorted(record["messageAttributes"].items()):
        for text in (name, attribute["dataType"]):
            packed += len(text).to_bytes(4) + text.encode()
        value = attribute["stringValue"].encode()
        packed += b"\x01" + len(value).to_bytes(4) + value
    return packed


@pytest.mark.parametrize("file", BATCHES, ids=name_of)
def test_a_batch_is_what_the_queue_hands_over(file: Path) -> None:
    for record in load(file)["Records"]:
        assert {"messageId", "receiptHandle", "attributes", "eventSourceARN", "awsRegion"} <= record.keys()
        assert record["eventSource"] == "aws:sqs"
        assert int(record["attributes"]["ApproximateReceiveCount"]) >= 1
        assert record["md5OfBody"] == hashlib.md5(record["body"].encode()).hexdigest()  # noqa: S324 - SQS's own
        packed = packed_attributes(record)
        told = record.get("md5OfMessageAttributes")
        assert told == (hashlib.md5(packed).hexdigest() if packed else None)  # noqa: S324 - SQS's own


def test_jobs_name_a_number() -> None:
    for file in sorted((EVENTS / "onboarding_worker").glob("*.json")):
        for record in load(file)["Records"]:
            job = json.loads(record["body"])
            assert (
                {"signup_id", "phone_number_id"}
                <= job.keys()
                <= {
                    "signup_id",
                    "phone_number_id",
                    "retry",
                    "reason",
                }
            )


def test_partner_events_are_as_the_receiver_queues_them() -> None:
    encodings = set()
    for file in sorted((EVENTS / "partner_event_worker").glob("*.json")):
        for record in load(file)["Records"]:
            attributes = {name: value["stringValue"] for name, value in record["messageAttributes"].items()}
            assert attributes.keys() == {"encoding", "request_id"}
            encoding, text = attributes["encoding"], record["body"]
            body = base64.b64decode(text) if encoding == "base64" else text.encode()
            assert receiving.for_queue(body) == (text, encoding)
            assert all(read_event(envelope).about_channel for envelope in read_envelopes(body))
            encodings.add(encoding)
    assert encodings == {"utf-8", "base64"}


def test_the_schedule_names_its_tasks() -> None:
    tasks = {load(file)["task"] for file in sorted((EVENTS / "reconciler").glob("*.json"))}
    schedules = (EVENTS.parent / "infra" / "constructs" / "schedules.py").read_text(encoding="utf-8")
    told = re.search(r"Task = Literal\[(.*)\]", schedules)
    assert told is not None
    assert tasks == set(re.findall(r'"(\w+)"', told.group(1)))
