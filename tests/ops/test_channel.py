"""`onramp channel`: a channel is ended as the operator, within the partner's budget."""

import json

import httpx
import pytest

from harness.table import make_table  # noqa: F401 - the table is the case's
from onramp.adapters.dynamo import DynamoStore
from onramp.domain.number import Number, WabaOf
from ops.doctor.records import AwsClock
from ops.stage.translated import translated
from tests.ops.conftest import HUB, NOW, PARTNER_KEY, TABLE, Case, Desk

URL = f"{HUB}/clients/client-1/channels/abcCH/control/cancellation_request"


@pytest.fixture(autouse=True)
def web(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """360dialog, as the case plays it."""
    monkeypatch.setattr(
        "ops.commands.channel.new_client", lambda: httpx.Client(transport=httpx.MockTransport(case.web))
    )


def with_number(case: Case) -> None:
    store = DynamoStore(translated(case.stage.aws.dynamodb), TABLE, AwsClock(case.stage))
    number = Number(
        phone_number_id="106540352242922",
        tenant="tenant-1",
        signup_id="s",
        waba=WabaOf(id="1"),
        client_id="client-1",
        channel_id="abcCH",
        created_at=NOW,
    )
    store.commit(number)


@pytest.mark.parametrize(("action", "enabled"), [("cancel", True), ("reactivate", False)])
def test_the_client_is_found_by_the_channels_number(
    desk: Desk, case: Case, action: str, enabled: bool
) -> None:
    with_number(case)
    case.web.on("POST", URL)
    assert desk.run("channel", action, "abcCH", "--yes") == 0
    [request] = case.web.requests
    assert json.loads(request.content) == {"enabled": enabled}
    assert request.headers["x-api-key"] == PARTNER_KEY


def test_a_channel_of_nobodys_needs_its_client(desk: Desk, case: Case) -> None:
    assert desk.run("channel", "cancel", "abcCH", "--yes") == 2
    assert "name its --client" in desk.err
    case.web.on("POST", URL)
    assert desk.run("channel", "cancel", "abcCH", "--client", "client-1", "--yes") == 0


def test_ending_asks_first(desk: Desk, case: Case) -> None:
    assert desk.run("channel", "cancel", "abcCH", "--client", "client-1") == 2
    assert not case.web.requests


@pytest.mark.parametrize(
    ("status", "told"),
    [(404, "knows no channel abcCH of client client-1"), (403, "answers 403: nothing was done")],
)
def test_a_refusal(desk: Desk, case: Case, status: int, told: str) -> None:
    case.web.on("POST", URL, status)
    assert desk.run("channel", "reactivate", "abcCH", "--client", "client-1") == 1
    assert told in desk.err
