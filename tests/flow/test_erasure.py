"""A person is forgotten: afterwards nothing of the local stack holds what they are known by."""

import json
import secrets
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from harness.waiting import eventually
from local.journey import submitted
from local.run import LocalStack
from onramp.domain.erasure import values
from ops.cli import main
from tests.flow.walks import Dialog, Tenant

pytestmark = pytest.mark.flow

type Json = dict[str, Any]


@dataclass(frozen=True)
class Person:
    """Somebody with a mark in everything that they are known by."""

    mark: str = field(default_factory=lambda: secrets.token_hex(6))

    @property
    def email(self) -> str:
        return f"Owner.{self.mark}@example.com"

    @property
    def name(self) -> str:
        return f"Zoë Müller {self.mark}"

    @property
    def phone(self) -> str:
        digits = str(int(self.mark, 16))[:9]
        return f"+49 151 {digits[:4]} {digits[4:]}"

    @property
    def marks(self) -> list[str]:
        """What is looked for: no item, message, line or object may have it, in any spelling."""
        plain = self.phone.replace(" ", "")
        return [self.mark, self.phone, plain, plain.lstrip("+")]


@dataclass(frozen=True)
class Scene:
    """A person who is connected, and the command line."""

    run: LocalStack
    capsys: pytest.CaptureFixture[str]
    person: Person
    number: Json
    signup_id: str

    def onramp(self, *arguments: str, status: int = 0) -> Json:
        """Run a command, which has to end like that. Gives its result, or its problem."""
        self.capsys.readouterr()
        ended = main([*arguments, "--json", "--stage", "local", "--endpoint-url", self.run.aws.endpoint])
        shown = self.capsys.readouterr()
        assert ended == status, shown.out + shown.err
        answer: Json = json.loads(shown.out)
        result: Json = answer.get("result") or answer["problem"]
        return result

    def places(self) -> Iterator[tuple[str, str]]:
        """Everything that the stack holds: where it is, and its text."""
        yield from _items(self.run)
        yield from _messages(self.run)
        yield from _objects(self.run)
        yield "logs", self.run.function_log()

    def found(self) -> list[str]:
        """Where the person is still to be found."""
        marks = [mark.lower() for mark in self.person.marks]
        return [place for place, text in self.places() if any(mark in text.lower() for mark in marks)]


def _items(run: LocalStack) -> Iterator[tuple[str, str]]:
    paginator = run.aws.dynamodb.get_paginator("scan")
    for page in paginator.paginate(TableName=run.table_name, ConsistentRead=True):
        for item in page["Items"]:
            yield f"{item['pk']['S']}/{item['sk']['S']}", "\n".join(values(_plain(item)))


def _plain(item: Any) -> Json:
    """An item's attributes; what is compressed is unpacked."""
    plain: Json = {}
    for name, typed in item.items():
        value = next(iter(typed.values()))
        raw = bytes(value) if isinstance(value, bytes | bytearray) else None
        plain[name] = zlib.decompress(raw).decode() if raw is not None else value
    return plain


def _messages(run: LocalStack) -> Iterator[tuple[str, str]]:
    sqs = run.aws.sqs
    for url in sqs.list_queues().get("QueueUrls", []):
        for _ in range(20):
            answer = sqs.receive_message(
                QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=1, MessageAttributeNames=["All"]
            )
            for message in answer.get("Messages", []):
                yield url, "\n".join(values([message["Body"], message.get("MessageAttributes", {})]))
            if not answer.get("Messages"):
                break


def _objects(run: LocalStack) -> Iterator[tuple[str, str]]:
    s3 = run.aws.s3
    for bucket in s3.list_buckets()["Buckets"]:
        name = bucket["Name"]
        for entry in s3.list_objects_v2(Bucket=name).get("Contents", []):
            # Bundles of the functions' code hold nobody.
            if not entry["Key"].endswith((".zip", ".template.json", ".json.gz")):
                yield (
                    f"{name}/{entry['Key']}",
                    s3.get_object(Bucket=name, Key=entry["Key"])["Body"].read().decode(errors="replace"),
                )


def told(dialog: Dialog, name: str, data: Json) -> str:
    """An event of 360dialog's, with every letter escaped that is not plain; gives its id."""
    event_id = f"evt-{secrets.token_hex(6)}"
    raw = json.dumps({"id": event_id, "event": name, "data": data}, ensure_ascii=True)
    assert dialog.post_event(raw=raw)["status"] == 200
    return event_id


def stored(run: LocalStack, event_id: str) -> bool:
    key = {"pk": {"S": f"EVENT#default#{event_id}"}, "sk": {"S": "EVENT"}}
    return "Item" in run.aws.dynamodb.get_item(TableName=run.table_name, Key=key, ConsistentRead=True)


@pytest.fixture
def scene(tenant: Tenant, dialog: Dialog, capsys: pytest.CaptureFixture[str]) -> Scene:
    """A connected customer, with events, a link and a repeated request."""
    person, front_end = Person(), tenant.front_end
    client = {"name": person.name, "email": person.email, "user_name": f"{person.mark} user"}
    more: Json = {"reference": f"order {person.mark}", "prefill": {"business": {"name": person.name}}}
    signup_id = str(front_end.open(client, key=f"key-{person.mark[:4]}", **more)["id"])
    numbers = [{"display_phone_number": person.phone, "verified_name": person.name}]
    shared = tenant.popup(wabas=[{"name": person.name, "numbers": numbers}])
    front_end.send_code(signup_id, shared["code"], shared["session_info"])
    front_end.submit(signup_id)
    signup = tenant.settled(signup_id)
    assert signup["status"] == "connected", signup
    link = front_end.call("POST", "/v1/signup-links", body={"client": client})
    assert link.status_code == 201, link.text
    waba = shared["wabas"][0]["id"]
    events = [
        told(dialog, "history", {"id": waba, "contacts": [{"name": person.name}]}),
        told(dialog, "nobody_knows_this", {"id": "x9CL", "contact": {"email": person.email}}),
        told(dialog, "nobody_knows_this", {"id": "y9CL", "text": f"of {person.name}, {person.phone}"}),
    ]
    eventually(lambda: all(stored(tenant.run, event_id) for event_id in events))
    [number] = submitted(signup)
    return Scene(tenant.run, capsys, person, number, signup_id)


def test_nothing_of_an_erased_person_is_left_in_the_stack(
    scene: Scene, tenant: Tenant, dialog: Dialog
) -> None:
    person, number = scene.person, scene.number
    other = tenant.connected()
    assert len(scene.found()) > 8
    shown = scene.onramp("clients", "show", "--email", person.email)
    assert shown["person"]["numbers"] == [number["phone_number_id"]]
    assert shown["counts"]["signup"] == 2
    exported = scene.onramp("clients", "export", "--signup", scene.signup_id)
    assert {"signup", "number", "event", "fact", "listed"} <= {item["kind"] for item in exported["items"]}
    key = tenant.key(number["channel_id"])["api_key"]
    assert key not in json.dumps(exported)

    refused = scene.onramp("clients", "erase", "--digits", person.phone, "--yes", status=1)
    assert refused["code"] == "still_billed"
    dialog.call("POST", f"channels/{number['channel_id']}/hub", {"action": "process_cancellation"})
    path = f"/v1/numbers/{number['phone_number_id']}"
    eventually(lambda: tenant.front_end.call("GET", path).json()["status"] == "cancelled")

    receipt = scene.onramp("clients", "erase", "--email", person.email, "--yes")
    assert scene.found() == []
    assert receipt["kept"][0]["channel_id"] == number["channel_id"]
    assert receipt["removed"]["signup"] == 2
    assert receipt["removed"]["event"] >= 4
    assert not [mark for mark in person.marks if mark in json.dumps(receipt)]
    for gone in (path, f"/v1/signups/{scene.signup_id}"):
        assert tenant.front_end.call("GET", gone).status_code == 404
    assert tenant.front_end.read(other["id"])["status"] == "connected"

    # What comes late is found by the same command, under any of their names; the receipt stays the same.
    late = told(dialog, "nobody_knows_this", {"id": number["channel_id"], "name": person.name})
    eventually(lambda: stored(scene.run, late))
    assert scene.found() == [f"EVENT#default#{late}/EVENT"]
    again = scene.onramp("clients", "erase", "--number", number["phone_number_id"], "--yes")
    assert {**again, "late": {}} == receipt
    assert again["late"] == {"event": 1}
    assert scene.found() == []
    assert scene.onramp("clients", "erase", "--email", person.email, "--yes") == again
