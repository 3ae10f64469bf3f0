"""What doctor, `secret` and `hubs` do for a stage with several partners."""

import base64
import json
from typing import Any

import pytest

from ops.doctor.findings import Level
from ops.doctor.partner import PartnerDesk
from ops.doctor.secret import names_of
from ops.stage.configuration import Values
from tests.ops.conftest import HUB, RAW, SECRET, WEBHOOK, Case, Desk

KEY = "canary-emea-key-1a2b3c"
HUBS = {"emea": {"partner_id": "emeaPA", "solution_id": "323456789012345", "budget_calls": 9}}
MESSAGING = {
    "webhook_url": RAW["messaging"]["webhook_url"],
    "webhooks": {"crm": {"url": "https://crm.deployer.test/in", "headers": ["Authorization"]}},
}
RELAY = {
    "targets": {
        "hooks": {"to": "https://hooks.deployer.test/360dialog"},
        "bus": {"to": "bus"},
        "archive": {"to": "arn:aws:sqs:eu-central-1:444455556666:partner-events"},
    }
}
RELAY_KEY = f"whsec_{base64.b64encode(bytes(range(32))).decode()}"
FULL = SECRET | {
    "relay_key_hooks": RELAY_KEY,
    "partner_api_key@emea": KEY,
    "platform_secrets@emea": ["canary-emea-platform-4d5e6f"],
    "messaging_header@crm:Authorization": "canary-header-7g8h9i",
}
URL = f"{HUB.rpartition('/')[0]}/emeaPA/webhook_url"


@pytest.fixture
def several(case: Case) -> Case:
    """A stage with a second hub, a webhook of the allow-list, and an https target of the relay."""
    raw = {**case.stage.values.raw, "hubs": HUBS, "messaging": MESSAGING, "relay": RELAY}
    case.stage.values = Values(place="dev.toml", stage="dev", raw=raw)
    case.stage.hubs = {"emea": PartnerDesk(case.stage, "emea")}
    case.put_secret(FULL)
    return case


def test_the_names_of_the_secret_follow_from_the_configuration(several: Case) -> None:
    assert set(names_of(several.stage.values).needed) == set(FULL)


def test_a_secret_with_all_of_them_is_fine(several: Case) -> None:
    assert several.find("secret").level is Level.OK


def test_what_an_https_target_may_have_is_no_unknown_field(several: Case) -> None:
    several.put_secret(FULL | {"relay_headers_hooks": "Authorization: Bearer x"})
    assert several.find("secret").level is Level.OK


@pytest.mark.parametrize("name", ["relay_key_bus", "relay_key_archive", "relay_headers_nowhere"])
def test_a_key_for_a_target_that_needs_none_is_read_by_nobody(several: Case, name: str) -> None:
    several.put_secret(FULL | {name: RELAY_KEY})
    assert several.find("secret").level is Level.WARN


@pytest.mark.parametrize("key", ["not a key", "whsec_not base64", f"{RELAY_KEY} whsec_c2hvcnQ="])
def test_a_key_of_the_relay_that_cannot_sign_is_told(several: Case, key: str) -> None:
    several.put_secret(FULL | {"relay_key_hooks": key})
    found = several.find("secret")
    assert found.level is Level.FAIL
    assert "relay_key_hooks is no key" in found.detail
    assert key not in found.detail


def test_each_one_that_is_missing_is_named(several: Case) -> None:
    several.put_secret(SECRET)
    found = several.find("secret")
    assert found.level is Level.FAIL
    for name in FULL.keys() - SECRET.keys():
        assert f"{name} is missing" in found.detail


def test_a_stage_with_one_hub_has_nothing_to_look_at(case: Case) -> None:
    found = case.find("hubs")
    assert (found.level, found.detail) == (Level.OK, "[partner] is the only hub")
    assert not case.web.requests


def test_each_hub_is_asked_with_its_own_key(several: Case) -> None:
    several.web.on("GET", URL, body={"webhook_url": f"{WEBHOOK}/emea"})
    assert several.find("hubs").level is Level.OK
    [request] = several.web.requests
    assert request.headers["x-api-key"] == KEY


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (401, {}, "emea: 360dialog refuses the key"),
        (403, {}, "emea: the key is none of partner emeaPA"),
        (200, {"webhook_url": WEBHOOK}, f"emea: partner webhooks go to {WEBHOOK}, not to {WEBHOOK}/emea"),
        (200, {"webhook_url": None}, "emea: partner webhooks go nowhere"),
    ],
)
def test_what_is_wrong_with_a_hub_is_told_with_its_name(
    several: Case, status: int, body: dict[str, Any], told: str
) -> None:
    several.web.on("GET", URL, status, body)
    found = several.find("hubs")
    assert found.level is Level.FAIL
    assert told in found.detail


def test_with_fix_its_webhook_is_set(several: Case) -> None:
    several.web.on("GET", URL, body={"webhook_url": WEBHOOK})
    several.web.on("POST", URL, body={"webhook_url": f"{WEBHOOK}/emea"})
    several.stage.fix = True
    found = several.find("hubs")
    assert found.changed
    assert json.loads(several.web.requests[-1].content) == {"webhook_url": f"{WEBHOOK}/emea"}


def test_a_hub_without_a_key_is_skipped(several: Case) -> None:
    several.put_secret(SECRET)
    assert several.find("hubs").level is Level.SKIPPED
    assert not several.web.requests


def test_a_key_of_a_hub_is_set_by_its_name(several: Case, desk: Desk) -> None:
    assert (
        desk.run("secret", "set", "partner_api_key@emea", "platform_secrets@emea", given="new-1x\nnew-2y\n")
        == 0
    )
    secrets = several.stage.aws.secrets.get_secret_value(SecretId=several.secret_id)
    stored = json.loads(secrets["SecretString"])
    assert stored["partner_api_key@emea"] == "new-1x"
    assert stored["platform_secrets@emea"] == ["new-2y", *FULL["platform_secrets@emea"]]
    assert stored["partner_api_key"] == SECRET["partner_api_key"]
    assert desk.run("secret", "forget", "--hub", "emea") == 0
    secrets = several.stage.aws.secrets.get_secret_value(SecretId=several.secret_id)
    assert json.loads(secrets["SecretString"])["platform_secrets@emea"] == ["new-2y"]


def test_a_key_of_the_relay_is_set_by_its_targets_name(several: Case, desk: Desk) -> None:
    assert desk.run("secret", "set", "relay_key_hooks", given="changed\n") == 2
    assert "relay_key_hooks is no key" in desk.err
    assert "changed" not in desk.err
    several.put_secret({name: value for name, value in FULL.items() if name != "relay_key_hooks"})
    assert desk.run("secret", "set", given=f"{RELAY_KEY} {RELAY_KEY}\n") == 0
    assert desk.run("secret", "set", "relay_headers_hooks", given="Authorization: Bearer x\n") == 0
    secrets = several.stage.aws.secrets.get_secret_value(SecretId=several.secret_id)
    stored = json.loads(secrets["SecretString"])
    assert stored["relay_key_hooks"] == f"{RELAY_KEY} {RELAY_KEY}"
    assert stored["relay_headers_hooks"] == "Authorization: Bearer x"


def test_a_name_that_no_hub_has_is_refused(several: Case, desk: Desk) -> None:
    assert desk.run("secret", "set", "partner_api_key@nowhere", given="new-1x\n") == 2
    assert "partner_api_key@emea" in desk.err
