"""Three partners on the deployed local stack: a customer of each, and nobody's events at another's door."""

import json
from typing import Any

import pytest

from local.demo import new_client
from local.run import CRM_AUTHORIZATION, LocalStack, hubs_of
from local.simulators.webhooks import SIGNATURE_HEADER, sign
from tests.flow.walks import Dialog, Tenant

pytestmark = pytest.mark.flow

type Json = dict[str, Any]

ALL = ("default", "emea", "latam")


def state(run: LocalStack, hub: str) -> Json:
    """What 360dialog has of a hub's partner."""
    path = "state" if hub == "default" else f"partners/{hubs_of(run.options)[hub].partner_id}/state"
    return Dialog(run=run).call("GET", path)


def desk(run: LocalStack, command: str, **arguments: object) -> Json:
    payload = json.dumps({"command": command, "arguments": arguments, "actor": "local"}).encode()
    answer = run.aws.functions.invoke(FunctionName=run.deployed.called("operator_desk"), Payload=payload)
    said: Json = json.loads(answer["Payload"].read())
    return dict(said.get("result") or said["problem"])


def connected_at(tenant: Tenant, hub: str, **fields: Any) -> Json:
    """A customer's number, connected at a hub."""
    opened = tenant.front_end.open(new_client(), hub=hub, **fields)
    assert opened["hub"] == hub
    shared = tenant.popup()
    tenant.front_end.send_code(opened["id"], shared["code"], shared["session_info"])
    tenant.front_end.submit(opened["id"], [n["id"] for n in shared["wabas"][0]["numbers"]])
    signup = tenant.settled(opened["id"])
    assert signup["status"] == "connected", signup
    [number] = signup["numbers"]
    assert number["hub"] == hub
    return dict(number)


def test_a_customer_of_each_hub_is_connected_at_its_partner_alone(run: LocalStack, tenant: Tenant) -> None:
    numbers = {hub: connected_at(tenant, hub) for hub in ALL}
    for hub in ALL:
        there = {channel["id"]: channel for channel in state(run, hub)["channels"]}
        own = numbers[hub]["channel_id"]
        assert own in there
        assert not {numbers[other]["channel_id"] for other in ALL if other != hub} & there.keys()
        assert tenant.key(own)["channel_id"] == own
    webhooks = {
        hub: next(c for c in state(run, hub)["channels"] if c["id"] == numbers[hub]["channel_id"])
        for hub in ALL
    }
    # The hub `emea` sends messages to a webhook of its own, with a header out of the secret.
    assert webhooks["emea"]["webhook_url"] == "https://crm.example.com/whatsapp"
    assert webhooks["emea"]["webhook_header_names"] == ["Authorization"]
    assert webhooks["latam"]["webhook_url"] == webhooks["default"]["webhook_url"]
    assert CRM_AUTHORIZATION not in run.function_log()


def test_a_signup_may_choose_where_its_messages_go(run: LocalStack, tenant: Tenant) -> None:
    number = connected_at(tenant, "latam", messaging="crm")
    [channel] = [c for c in state(run, "latam")["channels"] if c["id"] == number["channel_id"]]
    assert channel["webhook_url"] == "https://crm.example.com/whatsapp"
    refused = tenant.front_end.call("POST", "/v1/signups", body={"client": new_client(), "messaging": "x"})
    assert refused.status_code == 422


def test_a_hub_that_is_not_there_takes_no_signup_and_no_webhook(run: LocalStack, tenant: Tenant) -> None:
    answer = tenant.front_end.call("POST", "/v1/signups", body={"client": new_client(), "hub": "nowhere"})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    body = json.dumps({"id": "guess", "event": "client_created", "data": {}}).encode()
    emea = hubs_of(run.options)["emea"].secret
    doors = {
        f"{run.webhook_url}/emea": (emea, 200),
        f"{run.webhook_url}/nowhere": (emea, 401),
        f"{run.webhook_url}/latam": (emea, 401),
        run.webhook_url: (emea, 401),
    }
    for url, (secret, status) in doors.items():
        headers = {SIGNATURE_HEADER: sign(secret, body)}
        assert run.http.post(url, content=body, headers=headers).status_code == status, url


def test_an_operator_sees_each_hub_and_its_balance(run: LocalStack) -> None:
    items = desk(run, "hubs.list")["items"]
    assert [(item["hub"], item["messaging"], item["watch_balance"]) for item in items] == [
        ("default", None, None),
        ("emea", "crm", None),
        ("latam", None, 100),
    ]
    partner = hubs_of(run.options)["latam"].partner_id
    Dialog(run=run).call("PATCH", f"partners/{partner}/options", {"balance": 12.5})
    answer = desk(run, "hubs.balance", hub="latam")
    assert (answer["amounts"], answer["low"]) == ([{"currency": "EUR", "total": "12.5"}], True)
    assert desk(run, "hubs.balance")["amounts"][0]["total"] == "250.0"
