"""A partner who has customers already: their channels are adopted and keyed by the command line alone."""

import hashlib
import json
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from harness.waiting import PATIENCE
from local.bus import listening
from local.journey import is_settled, send_message
from local.run import LocalStack
from ops.cli import main
from tests.flow.walks import Dialog, Tenant, bus_events

pytestmark = pytest.mark.flow

type Json = dict[str, Any]

THEIRS = "https://theirs.example.com/hook"


@dataclass(frozen=True)
class Onramp:
    """The command line before the local stack."""

    run: LocalStack
    capsys: pytest.CaptureFixture[str]

    def __call__(self, *arguments: str, status: int = 0) -> Json:
        """Run a command, which has to end like that. Gives its result."""
        self.capsys.readouterr()
        ended = main([*arguments, "--json", "--stage", "local", "--endpoint-url", self.run.aws.endpoint])
        shown = self.capsys.readouterr()
        assert ended == status, shown.out + shown.err
        for secret in (self.run.options.partner_key, self.run.options.platform_secret):
            assert secret not in shown.out + shown.err
        answer: Json = json.loads(shown.out)
        assert answer["version"] == 1
        result: Json = answer["result"]
        return result


@pytest.fixture
def onramp(run: LocalStack, capsys: pytest.CaptureFixture[str]) -> Onramp:
    return Onramp(run, capsys)


def earlier(dialog: Dialog, **fields: object) -> Json:
    """A channel from before, with a key and a webhook of the partner's own."""
    made = dialog.call("POST", "channels", {"email": f"{secrets.token_hex(4)}@example.com", **fields})
    dialog.call("POST", f"channels/{made['id']}/hub", {"action": "make_key"})
    dialog.call("POST", f"channels/{made['id']}/hub", {"action": "set_webhook", "url": THEIRS})
    return dialog.channel(made["id"])


def whose(folder: Path, channel: Json, tenant: Tenant) -> str:
    """A mapping file of one row."""
    file = folder / "whose.csv"
    file.write_text(f"channel_id,tenant,reference\n{channel['id']},{tenant.name},order-17\n")
    return str(file)


def verdict(result: Json, channel: Json) -> str:
    [item] = [item for item in result["items"] if item["channel_id"] == channel["id"]]
    return str(item["verdict"])


def test_an_orphan_is_adopted_and_stays_as_it_is_until_a_key_is_asked_for(
    tenant: Tenant, dialog: Dialog, onramp: Onramp, tmp_path: Path
) -> None:
    channel = earlier(dialog)
    assert channel["id"] in {item["channel_id"] for item in onramp("channels", "orphans")["items"]}
    file = whose(tmp_path, channel, tenant)
    foretold = onramp("channels", "adopt", file, "--dry-run")
    assert verdict(foretold, channel) == "adopted"
    name = channel["phone_number_id"]
    assert tenant.front_end.call("GET", f"/v1/numbers/{name}").status_code == 404
    with listening(tenant.run) as listener:
        assert verdict(onramp("channels", "adopt", file, "--yes"), channel) == "adopted"
        events = bus_events(listener, until="number.adopted")
    detail = next(event["detail"] for event in events if event["detail-type"] == "number.adopted")
    assert (detail["tenant"], detail["reference"], detail["proof"]) == (tenant.name, "order-17", "adopted")

    number = tenant.front_end.call("GET", f"/v1/numbers/{name}").json()
    assert (number["status"], number["channel_id"]) == ("live", channel["id"])
    signup = tenant.front_end.read(number["signup_id"])
    assert (signup["status"], signup["waba"]["proof"]) == ("onboarding", "adopted")
    assert verdict(onramp("channels", "adopt", file), channel) == "known"
    assert channel["id"] not in {item["channel_id"] for item in onramp("channels", "orphans")["items"]}
    assert onramp("keys", "check", name, status=1)["key"] == "none"
    assert dialog.channel(channel["id"]) == channel

    made = onramp("keys", "rotate", channel["id"], "--yes")
    assert (made["status"], made["failure"]) == ("connected", None)
    assert onramp("keys", "check", name)["webhook"] == "ours"
    key = tenant.key(channel["id"])
    sent = send_message(key["address"], key["api_key"], "15550100000", "hello", http=tenant.run.http)
    assert sent.is_success, sent.text
    now = dialog.channel(channel["id"])
    assert now["live_key_sha256"] == hashlib.sha256(key["api_key"].encode()).hexdigest()
    assert now["webhook_url"] != THEIRS


def test_a_rotated_key_replaces_the_one_before_and_keeps_the_webhook(
    tenant: Tenant, dialog: Dialog, onramp: Onramp
) -> None:
    signup = tenant.connected()
    [number] = [number for number in signup["numbers"] if number["channel_id"]]
    before, webhook = tenant.key(number["channel_id"]), dialog.channel(number["channel_id"])["webhook_url"]
    with listening(tenant.run) as listener:
        onramp("keys", "rotate", number["phone_number_id"], "--yes")
        bus_events(listener, until="number.key_rotated")
    after = tenant.key(number["channel_id"])
    assert after["api_key"] != before["api_key"]
    refused = send_message(before["address"], before["api_key"], "15550100000", "hi", http=tenant.run.http)
    assert refused.status_code == 401
    assert send_message(
        after["address"], after["api_key"], "15550100000", "hi", http=tenant.run.http
    ).is_success
    assert dialog.channel(number["channel_id"])["webhook_url"] == webhook
    assert onramp("keys", "check", number["channel_id"])["key"] == "alive"


def test_webhooks_act_on_an_adopted_number(
    tenant: Tenant, dialog: Dialog, onramp: Onramp, tmp_path: Path
) -> None:
    channel = earlier(dialog)
    onramp("channels", "adopt", whose(tmp_path, channel, tenant), "--yes")
    with listening(tenant.run) as listener:
        dialog.call("POST", f"channels/{channel['id']}/hub", {"action": "process_cancellation"})
        bus_events(listener, until="number.cancelled")
    number = tenant.front_end.call("GET", f"/v1/numbers/{channel['phone_number_id']}").json()
    assert number["status"] == "cancelled"


def test_a_later_popup_of_an_adopted_customer_is_a_reconnect(
    tenant: Tenant, dialog: Dialog, onramp: Onramp, tmp_path: Path
) -> None:
    shared = tenant.popup()
    [number] = shared["wabas"][0]["numbers"]
    channel = earlier(dialog, phone_number_id=number["id"])
    onramp("channels", "adopt", whose(tmp_path, channel, tenant), "--yes")
    signup_id = tenant.opened()
    tenant.front_end.send_code(signup_id, shared["code"], shared["session_info"])
    tenant.front_end.submit(signup_id)
    signup = tenant.front_end.watch(signup_id, until=is_settled, timeout_seconds=PATIENCE)
    assert signup["status"] == "connected", signup
    assert [entry["id"] for entry in dialog.channels_of(shared["wabas"][0]["id"])] == [channel["id"]]


def test_the_census_is_woken_and_shown(onramp: Onramp) -> None:
    assert onramp("channels", "census")["woken"] is True
    assert onramp("channels", "list", "--only", "known")["items"] is not None


def test_an_email_names_the_client_whose_channels_are_meant(
    tenant: Tenant, dialog: Dialog, onramp: Onramp, tmp_path: Path
) -> None:
    email = f"{secrets.token_hex(4)}@example.com"
    channel = earlier(dialog, email=email)
    file = tmp_path / "whose.json"
    file.write_text(json.dumps([{"email": email.upper(), "tenant": tenant.name}]))
    result = onramp("channels", "adopt", str(file), "--keys", "--yes")
    assert verdict(result, channel) == "adopted"
    assert result["keys"] == {"made": [channel["phone_number_id"]], "failed": []}
    assert tenant.key(channel["id"])["api_key"]
