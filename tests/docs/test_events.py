"""Every function and route has a sample event that is what Lambda would hand over."""

import base64
import json
from collections.abc import Mapping
from typing import Any

import pytest
from pydantic import TypeAdapter

import event_publisher
from contract.operations import OPERATIONS
from contract.routes import META, PAGES, ROUTES
from contract.samples import EVENTS, SECRET, samples
from onboarding_worker import Job
from onramp.domain.partner_events import read_envelopes, read_event
from onramp.domain.records import Fact
from onramp.inbound import receiving
from onramp.inbound.models import Query
from onramp.inbound.signature import is_signed

type Event = Mapping[str, Any]

SAMPLES = samples()
REQUESTS = [name for name, event in SAMPLES.items() if "routeKey" in event]
BATCHES = [
    name
    for name, event in SAMPLES.items()
    if "Records" in event and event["Records"][0]["eventSource"] == "aws:sqs"
]
BY_KEY = {route.key: route for route in (*ROUTES, *PAGES, *META)}


def of(function: str) -> list[Event]:
    return [event for name, event in SAMPLES.items() if name.partition("/")[0] == function]


def test_every_function_has_a_sample() -> None:
    # Here, so that the other tests do not wait for the CDK to load.
    from infra.cards import CARDS  # noqa: PLC0415

    assert {name.partition("/")[0] for name in SAMPLES} == set(CARDS)


def test_every_route_has_a_sample_with_its_function() -> None:
    told = {(SAMPLES[name]["routeKey"], name.partition("/")[0]) for name in REQUESTS}
    assert told == {(route.key, route.function) for route in (*ROUTES, *PAGES, *META)}


def test_the_guide_names_every_function() -> None:
    told = (EVENTS / "README.md").read_text(encoding="utf-8")
    for name in SAMPLES:
        assert f"| `{name.partition('/')[0]}` |" in told
    assert f"`{SECRET}`" in told


def test_every_example_of_a_request_is_a_sample_of_its_route() -> None:
    for key, operation in OPERATIONS.items():
        for name in (operation.samples or {}).values():
            assert SAMPLES[name]["routeKey"] == key
            assert name.partition("/")[0] == BY_KEY[key].function


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_is_of_one_piece(name: str) -> None:
    event = SAMPLES[name]
    route = BY_KEY[event["routeKey"]]
    context = event["requestContext"]
    assert event["version"] == "2.0"
    assert context["routeKey"] == event["routeKey"]
    assert event["rawPath"] == context["http"]["path"] == route.path.format(**event.get("pathParameters", {}))
    assert context["http"]["method"] == route.method
    authorizer = context.get("authorizer", {})
    assert set(authorizer) == {route.access} & {"jwt", "iam"}
    assert list(event["headers"]) == sorted(name.lower() for name in event["headers"])
    body = receiving.raw_body(event)
    assert body is not None
    if route.method == "POST":
        assert event["headers"]["content-length"] == str(len(body))


@pytest.mark.parametrize("name", [name for name in REQUESTS if SAMPLES[name]["routeKey"] in OPERATIONS])
def test_a_body_and_a_query_fit_the_models(name: str) -> None:
    event = SAMPLES[name]
    operation = OPERATIONS[event["routeKey"]]
    if operation.body is not None:
        assert event["headers"]["content-type"] == "application/json"
        TypeAdapter(operation.body).validate_json(event["body"])
    (operation.query or Query).model_validate(event.get("queryStringParameters", {}))


def test_webhooks_are_signed_and_come_in_both_encodings() -> None:
    for event in of("webhook_receiver"):
        body = receiving.raw_body(event)
        assert body is not None
        assert is_signed(body, receiving.signature_of(event), [SECRET])
        assert not is_signed(body + b" ", receiving.signature_of(event), [SECRET])
        assert [read_event(envelope).about_channel for envelope in read_envelopes(body)] == [True]
    assert {event["isBase64Encoded"] for event in of("webhook_receiver")} == {True, False}


@pytest.mark.parametrize("name", BATCHES)
def test_a_batch_is_what_the_queue_hands_over(name: str) -> None:
    for record in SAMPLES[name]["Records"]:
        assert {"messageId", "receiptHandle", "attributes", "eventSourceARN", "awsRegion"} <= record.keys()
        assert int(record["attributes"]["ApproximateReceiveCount"]) >= 1
        assert ("md5OfMessageAttributes" in record) == bool(record["messageAttributes"])


def test_jobs_name_a_number_or_the_census() -> None:
    jobs = [
        Job.model_validate_json(record["body"])
        for event in of("onboarding_worker")
        for record in event["Records"]
    ]
    assert {(job.phone_number_id is None, job.census is None, job.retry) for job in jobs} == {
        (False, True, False),
        (False, True, True),
        (True, False, False),
    }


def test_partner_events_are_as_the_receiver_queues_them() -> None:
    encodings = set()
    for event in of("partner_event_worker"):
        for record in event["Records"]:
            attributes = {name: value["stringValue"] for name, value in record["messageAttributes"].items()}
            assert attributes.keys() == {"encoding", "request_id"}
            encoding, text = attributes["encoding"], record["body"]
            body = base64.b64decode(text) if encoding == "base64" else text.encode()
            assert receiving.for_queue(body) == (text, encoding)
            assert all(read_event(envelope).about_channel for envelope in read_envelopes(body))
            encodings.add(encoding)
    assert encodings == {"utf-8", "base64"}


def test_facts_are_as_the_stream_hands_them_over() -> None:
    (batch,) = (event for event in of("event_publisher") if "Records" in event)
    for record in batch["Records"]:
        image = record["dynamodb"]["NewImage"]
        fact = Fact.model_validate_json(image["data"]["S"])
        assert image["sk"]["S"] == f"FACT#{fact.id}"
        assert image["pk"]["S"] == f"SIGNUP#{fact.subject}"
    (again,) = (event for event in of("event_publisher") if "Records" not in event)
    event_publisher.Again.model_validate(again["republish"])


def test_the_schedule_names_its_tasks() -> None:
    from infra.cards import CARDS, Schedule  # noqa: PLC0415

    trigger = CARDS["reconciler"].trigger
    assert isinstance(trigger, Schedule)
    assert {event["task"] for event in of("reconciler")} == set(trigger.tasks)


def test_the_files_are_those_of_the_table() -> None:
    stored = {
        file.relative_to(EVENTS).with_suffix("").as_posix(): json.loads(file.read_text(encoding="utf-8"))
        for file in EVENTS.rglob("*.json")
    }
    assert stored == SAMPLES
