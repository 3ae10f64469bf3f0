"""Meta's own webhook on the deployed local stack: handshake, events, lost signups, what persons ask for."""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from harness.waiting import eventually
from local.journey import submitted
from local.run import META_VERIFY_TOKEN, LocalStack
from tests.flow.walks import Tenant

pytestmark = pytest.mark.flow

type Json = dict[str, Any]


def admin(run: LocalStack, path: str, body: Json) -> Json:
    answer = run.http.post(f"{run.upstreams.meta_admin}/admin/{path}", json=body)
    assert answer.is_success, answer.text
    return dict(answer.json())


def desk(run: LocalStack, command: str, **arguments: object) -> Json:
    """What an operator asks; gives the result, or the problem."""
    payload = json.dumps({"command": command, "arguments": arguments, "actor": "local"}).encode()
    answer = run.aws.functions.invoke(FunctionName=run.deployed.called("operator_desk"), Payload=payload)
    said: Json = json.loads(answer["Payload"].read())
    return dict(said.get("result") or said["problem"])


@pytest.fixture
def meta(run: LocalStack) -> Iterator[LocalStack]:
    """The stack, told of by Meta for as long as a test lasts."""
    admin(run, "webhook", {"url": run.meta_webhook_url})
    yield run
    admin(run, "webhook", {"url": None})


def test_meta_shakes_hands_with_the_right_token_alone(run: LocalStack) -> None:
    query = {"hub.mode": "subscribe", "hub.challenge": "1158201444", "hub.verify_token": META_VERIFY_TOKEN}
    answer = run.http.get(run.meta_webhook_url, params=query)
    assert (answer.status_code, answer.text) == (200, "1158201444")
    answer = run.http.get(run.meta_webhook_url, params=query | {"hub.verify_token": "wrong"})
    assert answer.status_code == 403
    assert run.http.post(run.meta_webhook_url, content=b"{}").status_code == 401


def test_what_meta_says_of_a_number_is_shown_to_its_tenant(meta: LocalStack, tenant: Tenant) -> None:
    signup_id, customer = tenant.authorized()
    tenant.front_end.submit(signup_id)
    [number] = submitted(tenant.settled(signup_id))
    waba_id = customer["wabas"][0]["id"]

    def shown(status: str, attention: str | None) -> Callable[[], Json | None]:
        def look() -> Json | None:
            found = tenant.front_end.read_number(number["phone_number_id"])
            return found if (found["status"], found["attention"]) == (status, attention) else None

        return look

    def says(event: str, **fields: object) -> None:
        time.sleep(1.1)  # Meta's times are whole seconds, and of two in one the worse word counts
        admin(meta, "events", {"event": event, "waba_id": waba_id, **fields})

    says("ACCOUNT_OFFBOARDED", copies=2)
    eventually(shown("connected", "offboarded"))
    says("ACCOUNT_RECONNECTED")
    eventually(shown("connected", None))
    until = int(time.time()) + 86_400
    info = {"restriction_info": [{"restriction_type": "X", "expiration": until}]}
    says("ACCOUNT_RESTRICTION", value=info)
    assert eventually(shown("restricted", None))["restriction"]["code"] == "account_restriction"
    back = {"ban_info": {"waba_ban_state": "REINSTATE"}}
    says("DISABLED_UPDATE", value=back)
    eventually(shown("connected", None))


def test_a_signup_whose_code_never_came_is_listed_and_recovered(run: LocalStack, tenant: Tenant) -> None:
    customer = run.meta_signup()
    waba_id, portfolio = customer["wabas"][0]["id"], customer["business_id"]
    who = {"name": "Example", "email": f"{portfolio}@example.com", "user_name": "O", "tenant": tenant.name}
    info = {"waba_id": waba_id, "owner_business_id": portfolio}
    told = {"event": "PARTNER_ADDED", "waba_id": waba_id, "value": {"waba_info": info}, "entry_id": portfolio}
    admin(run, "webhook", {"url": run.meta_webhook_url})
    admin(run, "events", told | {"told_seconds_ago": 3600})

    def listed() -> Json | None:
        items = desk(run, "signups.lost", limit=100)["items"]
        return next((item for item in items if item["waba_id"] == waba_id), None)

    assert eventually(listed)["business_id"] == portfolio
    first, second = (desk(run, "signups.recover", waba_id=waba_id, **who) for _ in range(2))
    assert first == second
    assert (first["status"], first["tenant"]) == ("authorized", tenant.name)
    assert listed() is None
    admin(run, "webhook", {"url": None})
    tenant.front_end.submit(first["signup_id"])
    assert tenant.settled(first["signup_id"])["status"] == "connected"


def test_a_person_who_asks_for_deletion_is_answered_and_erased(meta: LocalStack, tenant: Tenant) -> None:
    signup_id, _ = tenant.authorized()
    signup = tenant.front_end.read(signup_id)
    asked = {"business_id": signup["waba"]["business_id"], "kind": "data-deletion"}
    assert admin(meta, "requests", asked)["status"] == 200

    def mine() -> Json | None:
        items = desk(meta, "requests.list")["items"]
        return next((item for item in items if signup_id in item["signup_ids"]), None)

    request = eventually(mine)
    page = f"{meta.api_url}/v1/deletions/{request['code']}"
    assert meta.http.get(page).json()["status"] == "received"
    assert "text/html" in meta.http.get(page, headers={"accept": "text/html"}).headers["content-type"]
    cursor: str | None = None
    while True:
        part = desk(
            meta, "requests.carry-out", code=request["code"], **({"cursor": cursor} if cursor else {})
        )
        cursor = part["cursor"]
        if cursor is None:
            break
    assert meta.http.get(page).json()["status"] == "carried_out"
    assert tenant.front_end.call("GET", f"/v1/signups/{signup_id}").status_code == 404


def test_a_deletion_that_nobody_asked_for_is_not_found(run: LocalStack) -> None:
    answer: httpx.Response = run.http.get(f"{run.api_url}/v1/deletions/{'a' * 24}")
    assert answer.status_code == 404
