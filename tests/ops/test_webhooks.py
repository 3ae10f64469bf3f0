import hashlib
import hmac
import json

import httpx
import pytest

from onramp.domain.ledger import EventRecord, Outcome
from onramp.domain.partner_events import read_event
from ops.doctor.checks.webhooks import EVENT
from ops.doctor.findings import Level
from ops.doctor.records import ports_of
from tests.ops.conftest import PLATFORM_SECRET, SECRET, WEBHOOK, Case

SIGNATURE = "x-360dialog-signature"


def receive(case: Case, secrets: tuple[str, ...], outcome: Outcome | None) -> None:
    """A receiver that knows `secrets`, and a worker that brings the event to `outcome`."""

    def answer(request: httpx.Request) -> httpx.Response:
        body = request.content
        right = [hmac.new(secret.encode(), body, hashlib.sha256).hexdigest() for secret in secrets]
        if request.headers.get(SIGNATURE) not in right:
            return httpx.Response(401)
        event = json.loads(body)
        assert event["event"] == EVENT
        if outcome is not None:
            ports = ports_of(case.stage)
            record = EventRecord.of(read_event(event), ports.clock.now())
            record.outcome = outcome
            ports.store.commit(record)
        return httpx.Response(200, json={})

    case.web.answers["POST", WEBHOOK] = answer


DONE = Outcome.UNKNOWN


def test_a_signed_event_arrives(case: Case) -> None:
    receive(case, (PLATFORM_SECRET,), DONE)
    found = case.find("webhook-event")
    assert found.level is Level.OK
    assert "arrived and was counted" in found.detail


def test_each_of_two_secrets_is_tried(case: Case) -> None:
    case.put_secret(SECRET | {"platform_secrets": [PLATFORM_SECRET, "another-secret"]})
    receive(case, (PLATFORM_SECRET, "another-secret"), DONE)
    assert case.find("webhook-event").level is Level.OK
    assert len(case.web.requests) == 2
    receive(case, (PLATFORM_SECRET,), DONE)
    found = case.find("webhook-event")
    assert found.level is Level.FAIL
    assert found.detail == "a signed event (2 of 2 secrets) was refused (401)"


def test_a_changed_secret_is_given_time_to_be_noticed(case: Case) -> None:
    receive(case, (PLATFORM_SECRET,), DONE)
    knows = case.web.answers["POST", WEBHOOK]

    def first_refuse(request: httpx.Request) -> httpx.Response:
        case.web.answers["POST", WEBHOOK] = knows
        return httpx.Response(401)

    case.web.answers["POST", WEBHOOK] = first_refuse
    assert case.find("webhook-event").level is Level.OK
    assert case.time.slept == 5


@pytest.mark.parametrize(
    ("outcome", "level", "told"),
    [
        (None, Level.FAIL, "no worker has seen it"),
        (Outcome.OPEN, Level.FAIL, "not finished in time"),
        (Outcome.GIVEN_UP, Level.WARN, "given_up"),
    ],
)
def test_what_becomes_of_it_is_told(case: Case, outcome: Outcome | None, level: Level, told: str) -> None:
    receive(case, (PLATFORM_SECRET,), outcome)
    found = case.find("webhook-event")
    assert (found.level, told in found.detail) == (level, True)
    assert case.time.slept < 11


@pytest.mark.parametrize(("status", "told"), [(401, "refused"), (503, "its secret nor"), (404, "404")])
def test_a_signed_event_that_is_not_taken(case: Case, status: int, told: str) -> None:
    case.web.on("POST", WEBHOOK, status)
    found = case.find("webhook-event")
    assert (found.level, told in found.detail) == (Level.FAIL, True)


@pytest.mark.parametrize("check", ["webhook-unsigned", "webhook-wrong-signature"])
@pytest.mark.parametrize(
    ("status", "level", "told"),
    [
        (401, Level.OK, "is refused"),
        (200, Level.FAIL, "anybody can forge"),
        (503, Level.FAIL, "was not taken (503)"),
        (404, Level.FAIL, "answered with 404"),
    ],
)
def test_forgeries(case: Case, check: str, status: int, level: Level, told: str) -> None:
    case.web.on("POST", WEBHOOK, status)
    found = case.find(check)
    assert (found.level, told in found.detail) == (level, True)
    assert (SIGNATURE in case.web.requests[0].headers) is (check == "webhook-wrong-signature")


def test_nobody_there(case: Case) -> None:
    assert "webhook route cannot be reached" in case.find("webhook-unsigned").detail
