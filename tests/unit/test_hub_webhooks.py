"""The receiver and the worker of events in a stage with several hubs."""

import json
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

import partner_event_worker
from onramp.domain.errors import UnknownHub
from onramp.domain.ledger import EventRecord
from onramp.inbound.receiving import hub_names
from tests.canary import SECRET
from tests.unit.test_webhook_receiver import BODY, Aws, aws, clock, receiver, webhook
from tests.unit.usecases.test_hubs import Hubs

__all__ = ["aws", "clock", "receiver"]

EMEA = "emea-platform-secret"


@pytest.fixture
def several(monkeypatch: pytest.MonkeyPatch, aws: Aws, receiver: ModuleType) -> Iterator[ModuleType]:
    """The receiver of a stage with the hub `emea`."""
    aws.secret = json.dumps(
        dict(SECRET) | {"platform_secrets@emea": [EMEA], "platform_secrets@other": [EMEA]}
    )
    monkeypatch.setenv("HUBS", json.dumps({"emea": {"partner_id": "emeaPA", "solution_id": "1"}}))
    receiver.receiver.cache_clear()
    yield receiver
    receiver.receiver.cache_clear()


def called(receiver: ModuleType, hub: str | None, **more: Any) -> int:
    at = {"pathParameters": {"hub": hub}} if hub else {}
    return int(receiver.handler(webhook(**more) | at, None)["statusCode"])


def test_a_webhook_is_checked_with_the_secret_of_the_hub_whose_address_it_came_to(
    several: ModuleType, aws: Aws
) -> None:
    assert called(several, "emea", secret=EMEA) == 200
    assert called(several, "emea") == 401
    assert called(several, None, secret=EMEA) == 401
    assert called(several, None) == 200
    attributes = [message["MessageAttributes"] for message in aws.sent]
    assert [told.get("hub", {}).get("StringValue") for told in attributes] == ["emea", None]


@pytest.mark.parametrize("guess", ["other", "EMEA", "emea/", "default@emea", "x" * 500, "platform_secrets"])
def test_a_guessed_hub_reads_no_secret(several: ModuleType, aws: Aws, guess: str) -> None:
    assert called(several, guess, secret=EMEA) == 401
    assert aws.reads == 0
    assert aws.sent == []


def test_a_stage_with_one_hub_knows_no_other(receiver: ModuleType, aws: Aws) -> None:
    assert called(receiver, "emea") == 401
    assert aws.reads == 0
    assert hub_names("") == ()


def record(hub: str | None, event_id: str = "e1") -> dict[str, Any]:
    content = json.loads(BODY) | {"id": event_id, "event": "client_created"}
    attributes = {"hub": {"stringValue": hub, "dataType": "String"}} if hub else {}
    return {"body": json.dumps(content), "messageAttributes": attributes}


def test_an_event_is_kept_with_the_hub_it_came_for() -> None:
    bench = Hubs()
    partner_event_worker.apply_webhook(bench.ports, record("emea"))
    partner_event_worker.apply_webhook(bench.ports, record(None))
    assert bench.store.read(EventRecord, "emea", "e1") is not None
    assert bench.store.read(EventRecord, "default", "e1") is not None
    assert bench.store.read(EventRecord, "latam", "e1") is None


def test_what_came_for_a_hub_and_cannot_be_read_is_buried_with_its_name() -> None:
    bench = Hubs()
    partner_event_worker.apply_webhook(bench.ports, record("latam") | {"body": "not json"})
    assert bench.queue.hubs == ["latam"]


def test_an_event_of_a_hub_that_is_gone_comes_back() -> None:
    with pytest.raises(UnknownHub):
        partner_event_worker.apply_webhook(Hubs().ports, record("gone"))
