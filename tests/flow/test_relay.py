"""360dialog's events, handed on by the deployed stack: to its bus, to a queue, to an https endpoint.

A stack of its own: its targets are named when it is deployed.
"""

import base64
import hashlib
import json
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from standardwebhooks import Webhook

from contract.relay import build
from harness.waiting import PATIENCE, eventually
from infra.config import load_config
from infra.paths import CONFIG
from local.aws import ACCOUNT, REGION
from local.journey import submitted
from local.options import RunOptions
from local.receiver import Behaviour, Received, Receiver, receiving
from local.run import LocalStack, local_stack
from onramp.adapters.outlets import SOURCE
from onramp.domain.relaying import INLINE
from tests.flow.walks import Dialog, Tenant

pytestmark = pytest.mark.flow

type Json = dict[str, Any]

HOOKS = "hooks"
KEY = f"whsec_{base64.b64encode(bytes(range(32))).decode()}"
QUEUE = "partner-events"
ARN = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{QUEUE}"
LISTENER = "relay-listener"
DOWN = Behaviour(status=503)
"""Seconds: many other tests may run on the same machine."""


@dataclass(frozen=True, slots=True)
class Stage:
    """The deployed stack, and who is handed what by it."""

    run: LocalStack
    dialog: Dialog
    receiver: Receiver
    queue_url: str
    bus_url: str
    heard: dict[str, list[Json]] = field(default_factory=dict)

    def told(self, name: str, **data: Any) -> str:
        """360dialog tells of something; gives the event's id."""
        event_id = f"evt-{secrets.token_hex(6)}"
        body = json.dumps({"id": event_id, "event": name, "data": data})
        assert self.dialog.post_event(raw=body)["status"] == 200
        return event_id

    def in_queue(self, event_id: str) -> Json:
        """The envelope that comes to the queue."""
        return self._awaited(self.queue_url, lambda body: _named(body, event_id))

    def on_bus(self, event_id: str) -> Json:
        """The whole event that comes by the bus."""
        return self._awaited(self.bus_url, lambda body: _named(body["detail"], event_id) and body)

    def at_hooks(self, event_id: str) -> list[Received]:
        """What came to the https endpoint of one event."""
        return [one for one in self.receiver.received(HOOKS) if one.content["id"] == event_id]

    def _awaited(self, url: str, chosen: Callable[[Json], Json | None]) -> Json:
        heard = self.heard.setdefault(url, [])

        def look() -> Json | None:
            found = next(filter(None, map(chosen, heard)), None)
            if found is None:
                heard.extend(self._taken(url))
            return found

        return eventually(look)

    def _taken(self, url: str) -> Iterator[Json]:
        """What has come to a queue since the last time; it is taken out, for a queue shows ten at a time."""
        sqs = self.run.aws.sqs
        for message in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1).get(
            "Messages", []
        ):
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            body: Json = json.loads(message["Body"])
            yield body


def _named(envelope: Json, event_id: str) -> Json | None:
    return envelope if envelope["id"] == event_id else None


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with receiving() as receiver:
        options = RunOptions(
            budget_calls=500,
            budget_window_seconds=30,
            step_seconds=0.1,
            retry_schedule="1,2,4,8",
            relayed={
                "own-bus": {"to": "bus"},
                "archive": {"to": ARN},
                HOOKS: {"to": receiver.url(HOOKS), "events": ["waba_template_*", "account_*"]},
            },
            relay_keys={HOOKS: KEY},
        )
        with local_stack(options) as run:
            queue_url, bus_url = _listen(run)
            yield Stage(run, Dialog(run), receiver, queue_url, bus_url)


def _listen(run: LocalStack) -> tuple[str, str]:
    """The queue that is a target, and one that the stage's bus fills."""
    sqs, events = run.aws.sqs, run.aws.events
    queue_url = sqs.create_queue(QueueName=QUEUE)["QueueUrl"]
    told = sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["QueueArn"])
    assert told["Attributes"]["QueueArn"] == ARN
    bus_url = sqs.create_queue(QueueName=LISTENER)["QueueUrl"]
    pattern = json.dumps({"source": [SOURCE]})
    events.put_rule(Name=LISTENER, EventBusName=run.bus_name, EventPattern=pattern)
    target = {"Id": LISTENER, "Arn": ARN.replace(QUEUE, LISTENER)}
    events.put_targets(
        Rule=LISTENER, EventBusName=run.bus_name, Targets=[{"Id": target["Id"], "Arn": target["Arn"]}]
    )
    return queue_url, bus_url


@pytest.fixture
def customer(stage: Stage) -> Iterator[Tenant]:
    name = f"tenant-{secrets.token_hex(4)}"
    with stage.run.front_end(name) as front_end:
        yield Tenant(run=stage.run, name=name, front_end=front_end)


def test_a_customers_event_comes_to_each_target_with_whose_it_is(stage: Stage, customer: Tenant) -> None:
    signup = customer.connected()
    [number] = submitted(signup)
    waba = signup["waba"]["id"]
    event_id = stage.told("waba_template_status_changed", id=waba, template={"name": "greeting"})

    envelope = stage.in_queue(event_id)
    assert set(build()["required"]) == set(envelope)
    assert (envelope["event"], envelope["encoding"], envelope["body_at"]) == (
        "waba_template_status_changed",
        "utf-8",
        None,
    )
    body = json.loads(envelope["body"])
    assert (body["id"], body["data"]["template"]) == (event_id, {"name": "greeting"})
    assert envelope["resolution"] == {
        "tenant": customer.name,
        "signup_id": signup["id"],
        "phone_number_id": number["phone_number_id"],
        "channel_id": number["channel_id"],
        "waba_id": waba,
    }
    event = stage.on_bus(event_id)
    assert (event["source"], event["detail-type"]) == (SOURCE, envelope["event"])
    assert event["detail"] == envelope
    posted = stage.receiver.await_any(
        lambda one: one.content["id"] == event_id, endpoint=HOOKS, seconds=PATIENCE
    )
    assert posted.content == envelope
    Webhook(KEY).verify(posted.body, dict(posted.headers))


def test_a_target_is_handed_what_its_patterns_say_and_a_copy_to_nobody(stage: Stage) -> None:
    unwanted = stage.told("nobody_knows_this", id="x9CL")
    wanted = stage.told("account_something_new", id="102290129340398")
    assert stage.in_queue(unwanted)["resolution"]["tenant"] is None
    stage.receiver.await_any(lambda one: one.content["id"] == wanted, endpoint=HOOKS, seconds=PATIENCE)
    assert stage.at_hooks(unwanted) == []
    body = json.dumps({"id": wanted, "event": "account_something_new", "data": {"id": "102290129340398"}})
    assert stage.dialog.post_event(raw=body)["status"] == 200
    after = stage.told("account_something_new", id="102290129340398")
    stage.receiver.await_any(lambda one: one.content["id"] == after, endpoint=HOOKS, seconds=PATIENCE)
    assert len(stage.at_hooks(wanted)) == 1


def test_a_target_that_is_down_gets_its_event_when_it_is_up_and_harms_no_other(stage: Stage) -> None:
    stage.receiver.behave(HOOKS, DOWN)
    event_id = stage.told("waba_template_quality", id="102290129340398")
    assert stage.in_queue(event_id)["id"] == event_id
    eventually(lambda: stage.at_hooks(event_id))
    stage.receiver.behave(HOOKS)
    eventually(lambda: len(stage.at_hooks(event_id)) > 1)
    tries = stage.at_hooks(event_id)
    assert len({one.message_id for one in tries}) == 1
    assert tries[0].body == tries[1].body
    for one in tries:
        Webhook(KEY).verify(one.body, dict(one.headers))
    assert stage.run.queue_depth("RelayDlq") == 0


def test_chats_go_by_reference_and_lie_neither_in_the_table_nor_in_a_log_line(
    stage: Stage, customer: Tenant
) -> None:
    signup = customer.connected()
    mark = f"a chat {secrets.token_hex(8)}"
    chats = [{"text": f"{mark} {i:05}", "more": "x" * 200} for i in range(1500)]
    waba = signup["waba"]["id"]
    event_id = stage.told("history", id=waba, history=chats)
    envelope = stage.in_queue(event_id)
    assert envelope["body"] is None
    assert envelope["resolution"]["tenant"] == customer.name
    place = envelope["body_at"]
    assert place["bytes"] > INLINE
    content = stage.run.aws.s3.get_object(Bucket=place["bucket"], Key=place["key"])["Body"].read()
    assert hashlib.sha256(content).hexdigest() == place["sha256"]
    assert json.loads(content)["data"]["history"] == chats
    assert stage.run.http.get(place["url"]).content == content
    assert stage.on_bus(event_id)["detail"]["body_at"]["sha256"] == place["sha256"]

    small = stage.told("smb_app_state_sync", id=waba, contacts=[{"name": mark}])
    assert mark in stage.in_queue(small)["body"]
    stage.on_bus(small)
    assert mark not in _table(stage.run)
    assert mark not in stage.run.function_log()
    eventually(lambda: stage.run.queue_depth("Events") == stage.run.queue_depth("Relay") == 0)


def _table(run: LocalStack) -> str:
    pages = run.aws.dynamodb.get_paginator("scan").paginate(TableName=run.table_name, ConsistentRead=True)
    return "\n".join(str(item) for page in pages for item in page["Items"])


def test_the_local_stage_hands_on_to_its_own_bus() -> None:
    targets = load_config(directory=CONFIG, stage="local").relay.targets
    assert [target.to for target in targets.values()] == ["bus"]
