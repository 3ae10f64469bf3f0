"""Signups through the deployed stack, over HTTP alone.

One module on purpose: workers of pytest-xdist take whole modules, so the stack is started once.
"""

import hashlib
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from harness.waiting import PAGE_PATIENCE_MS, eventually
from local import deploy, stack
from local.bus import listening
from local.demo import new_client
from local.journey import FrontEnd, call_signed, read_channel_key, send_message, submitted
from local.run import LocalStack
from local.template import Overlay
from tests.flow.walks import Dialog, Tenant, bus_events, no_recent_census
from tests.local.browsers import chromium, last_click, watch

pytestmark = pytest.mark.flow


def problem(answer: httpx.Response, status: int, code: str) -> dict[str, object]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("application/problem+json")
    body: dict[str, object] = answer.json()
    assert body["code"] == code
    assert body["status"] == status
    assert {"type", "title", "detail", "retryable", "request_id"} <= body.keys()
    return body


# --- the way to connected -----------------------------------------------------------------------


def test_a_signup_ends_connected_and_its_key_sends_a_message(tenant: Tenant, dialog: Dialog) -> None:
    run = tenant.run
    signup = tenant.connected()
    [number] = submitted(signup)
    steps = [step["status"] for step in number["steps"]]
    assert steps[0] == "pending"
    assert steps[-1] == "connected"
    key = tenant.key(number["channel_id"])
    assert key["channel_id"] == number["channel_id"]
    assert key["address"] == run.upstreams.messaging
    sent = send_message(key["address"], key["api_key"], "15550100000", "hello", http=run.http)
    assert sent.is_success, sent.text
    channel = dialog.channel(number["channel_id"])
    assert channel["live_key_sha256"] == hashlib.sha256(key["api_key"].encode()).hexdigest()
    assert channel["webhook_url"]


def test_two_numbers_of_one_account_get_a_channel_and_a_key_each(tenant: Tenant, dialog: Dialog) -> None:
    signup = tenant.connected(wabas=[{"numbers": [{}, {}]}])
    numbers = submitted(signup)
    assert len(numbers) == 2
    assert len({number["channel_id"] for number in numbers}) == 2
    assert len({tenant.key(number["channel_id"])["api_key"] for number in numbers}) == 2
    for number in numbers:
        channel = dialog.channel(number["channel_id"])
        shown = "".join(filter(str.isdigit, number["display_phone_number"]))
        assert "".join(filter(str.isdigit, channel["phone_number"])) == shown
        assert channel["keys_made"] == 1


def test_a_number_that_is_not_submitted_stays_listed(tenant: Tenant) -> None:
    signup_id, shared = tenant.authorized(wabas=[{"numbers": [{}, {}]}])
    wanted, other = (number["id"] for number in shared["wabas"][0]["numbers"])
    tenant.front_end.submit(signup_id, [wanted])
    signup = tenant.settled(signup_id)
    assert {number["phone_number_id"]: number["status"] for number in signup["numbers"]} == {
        wanted: "connected",
        other: "listed",
    }
    assert signup["status"] == "connected"
    missing = tenant.front_end.call("GET", f"/v1/numbers/{other}")
    problem(missing, 404, "not_found")


def test_a_customer_who_comes_back_keeps_channel_and_key(tenant: Tenant, dialog: Dialog) -> None:
    first, shared = tenant.authorized()
    tenant.front_end.submit(first)
    [number] = submitted(tenant.settled(first))
    before = tenant.key(number["channel_id"])
    again = tenant.popup_again(shared["business_id"])
    second = tenant.opened()
    tenant.front_end.send_code(second, again["code"], shared["session_info"])
    tenant.front_end.submit(second)
    signup = tenant.settled(second)
    [reconnected] = submitted(signup)
    assert signup["status"] == "connected", signup
    assert reconnected["channel_id"] == number["channel_id"]
    assert reconnected["signup_id"] == second
    assert tenant.key(number["channel_id"]) == before
    [channel] = dialog.channels_of(shared["wabas"][0]["id"])
    assert channel["keys_made"] == 1
    assert submitted(tenant.front_end.read(first)) == []


def test_a_number_that_another_tenant_has_is_refused(tenant: Tenant, rival: Tenant, dialog: Dialog) -> None:
    first, shared = tenant.authorized()
    tenant.front_end.submit(first)
    tenant.settled(first)
    second, again = rival.opened(), rival.popup_again(shared["business_id"])
    rival.front_end.send_code(second, again["code"], shared["session_info"])
    answer = rival.front_end.call("POST", f"/v1/signups/{second}/numbers", body={})
    problem(answer, 409, "number_taken")
    assert len(dialog.channels_of(shared["wabas"][0]["id"])) == 1


def test_the_code_alone_is_enough(tenant: Tenant) -> None:
    signup_id, shared = tenant.opened(), tenant.popup()
    signup = tenant.front_end.send_code(signup_id, shared["code"])
    assert signup["status"] == "authorized"
    assert signup["waba"]["id"] == shared["wabas"][0]["id"]
    tenant.front_end.submit(signup_id)
    assert tenant.settled(signup_id)["status"] == "connected"


def test_coexistence_brings_no_number_and_connects_the_only_one(tenant: Tenant) -> None:
    signup_id, shared = tenant.authorized(finish="FINISH_WHATSAPP_BUSINESS_APP_ONBOARDING")
    assert "phone_number_id" not in shared["session_info"]["data"]
    tenant.front_end.submit(signup_id)
    assert tenant.settled(signup_id)["status"] == "connected"


@pytest.mark.parametrize("grants", ["scopes_only", "no_entries"])
def test_ownership_is_proved_by_use_when_the_token_names_no_account(tenant: Tenant, grants: str) -> None:
    signup_id, shared = tenant.authorized(grants=grants)
    signup = tenant.front_end.read(signup_id)
    assert signup["waba"]["id"] == shared["wabas"][0]["id"]
    assert signup["status"] == "authorized"


def test_repeated_and_reordered_webhooks_end_in_one_living_key(tenant: Tenant, dialog: Dialog) -> None:
    dialog.call("POST", "webhook-faults", {"duplicate": 1.0, "reorder": 0.5})
    signup = tenant.connected()
    [number] = submitted(signup)
    key = tenant.key(number["channel_id"])["api_key"]
    channel = dialog.channel(number["channel_id"])
    assert channel["live_key_sha256"] == hashlib.sha256(key.encode()).hexdigest()
    assert channel["keys_made"] == 1


def test_lost_webhooks_are_made_up_for_by_a_look(tenant: Tenant, dialog: Dialog) -> None:
    dialog.call("POST", "webhook-faults", {"drop": 1.0})
    signup_id, _ = tenant.authorized()
    tenant.front_end.submit(signup_id)
    assert tenant.settled_by_sweeps(signup_id)["status"] == "connected"


def test_a_census_carries_on_who_heard_nothing_and_tells_of_channels_that_are_not_ours(
    tenant: Tenant, dialog: Dialog
) -> None:
    dialog.call("POST", "webhook-faults", {"drop": 1.0})
    signup_id, shared = tenant.authorized()
    tenant.front_end.submit(signup_id)
    eventually(lambda: [c["state"] for c in dialog.channels_of(shared["wabas"][0]["id"])] == ["live"])
    unknown = dialog.call("POST", "channels", {})["id"]
    no_recent_census(tenant.run)
    with listening(tenant.run) as listener:
        assert tenant.run.invoke("reconciler", {"task": "census"})["error"] is None
        events = bus_events(listener, until="channels.unknown")
    assert tenant.settled(signup_id)["status"] == "connected"
    detail = next(event["detail"] for event in events if event["detail-type"] == "channels.unknown")
    assert unknown in detail["channel_ids"].split(",")
    assert detail["tenant"] is None


def test_a_refused_number_fails_with_a_reason_and_a_retry_connects_it(tenant: Tenant, dialog: Dialog) -> None:
    refusal = {"method": "POST", "path": "/account_sharing/numbers$"}
    dialog.call("POST", "faults", {"kind": "error_before", "status": 403, "times": 1, "match": refusal})
    signup_id, _ = tenant.authorized()
    tenant.front_end.submit(signup_id)
    signup = tenant.settled(signup_id)
    [number] = submitted(signup)
    assert signup["status"] == "attention"
    assert number["status"] == "failed"
    assert {"code", "title", "retryable", "at"} <= number["failure"].keys()
    answer = tenant.front_end.call("POST", f"/v1/signups/{signup_id}/retry", body={})
    assert answer.status_code == 202, answer.text
    assert tenant.settled(signup_id)["status"] == "connected"
    assert len(dialog.channels_of(signup["waba"]["id"])) == 1


def test_a_refused_number_is_retried_by_itself(tenant: Tenant, dialog: Dialog) -> None:
    refusal = {"method": "POST", "path": "/account_sharing/numbers$"}
    dialog.call("POST", "faults", {"kind": "error_before", "status": 403, "times": 1, "match": refusal})
    signup_id, _ = tenant.authorized()
    tenant.front_end.submit(signup_id)
    [number] = submitted(tenant.settled(signup_id))
    assert number["status"] == "failed"
    answer = tenant.front_end.call("POST", f"/v1/numbers/{number['phone_number_id']}/retry", body={})
    assert answer.status_code == 202, answer.text
    assert answer.json()["phone_number_id"] == number["phone_number_id"]
    assert tenant.settled(signup_id)["status"] == "connected"


def test_a_connected_number_is_proved_ended_and_taken_back_on_request(tenant: Tenant, dialog: Dialog) -> None:
    signup = tenant.connected()
    [number] = submitted(signup)
    path = f"/v1/numbers/{number['phone_number_id']}"

    def shown() -> dict[str, Any]:
        return tenant.front_end.read_number(number["phone_number_id"])

    def asked_to_end() -> bool:
        return dialog.channel(number["channel_id"])["cancellation_requested_at"] is not None

    checked = tenant.front_end.call("POST", f"{path}/check", body={})
    assert checked.status_code == 202, checked.text
    eventually(lambda: shown()["checked_at"] not in {None, number["checked_at"]})
    problem(tenant.front_end.call("POST", f"{path}/reactivate", body={}), 409, "nothing_to_reactivate")
    assert tenant.front_end.call("POST", f"{path}/cancel", body={}).status_code == 202
    eventually(asked_to_end)
    assert tenant.front_end.call("POST", f"{path}/reactivate", body={}).status_code == 202
    eventually(lambda: not asked_to_end())
    eventually(lambda: shown()["status"] == "connected")
    assert tenant.key(number["channel_id"])["api_key"]


def test_an_outage_without_end_is_given_up_and_reported(tenant: Tenant, dialog: Dialog) -> None:
    given_up = tenant.run.queue_depth("JobsDlq")
    # A read: nothing is in doubt after it, so the tries follow each other as scheduled.
    outage = {"method": "GET", "path": "/clients$"}
    dialog.call("POST", "faults", {"kind": "error_before", "status": 503, "match": outage})
    signup_id, _ = tenant.authorized()
    tenant.front_end.submit(signup_id)
    [number] = submitted(tenant.settled(signup_id))
    assert number["status"] == "failed"
    assert number["failure"]["retryable"]
    # The record tells first; the dead letter follows.
    eventually(lambda: tenant.run.queue_depth("JobsDlq") == given_up + 1)
    dialog.call("DELETE", "faults")
    tenant.front_end.call("POST", f"/v1/signups/{signup_id}/retry", body={})
    assert tenant.settled(signup_id)["status"] == "connected"


def test_an_outage_of_the_partner_api_is_outlived(tenant: Tenant, dialog: Dialog) -> None:
    dialog.call(
        "POST", "faults", {"kind": "error_before", "status": 503, "times": 2, "match": {"path": "/api_keys$"}}
    )
    signup = tenant.connected()
    [number] = submitted(signup)
    assert dialog.channel(number["channel_id"])["keys_made"] == 1


# --- the bus ------------------------------------------------------------------------------------


def test_every_fact_reaches_the_bus_through_the_stream_in_the_order_of_its_signup(tenant: Tenant) -> None:
    began = datetime.now(UTC) - timedelta(seconds=5)
    with listening(tenant.run) as listener:
        signup = tenant.connected()
        events = bus_events(listener, until="number.connected")
        mine = [event for event in events if event["detail"]["signup_id"] == signup["id"]]
        told = [event["detail-type"] for event in mine]
        assert told[:3] == ["signup.opened", "signup.authorized", "number.pending"]
        assert told[-2:] == ["number.live", "number.connected"]
        assert {event["source"] for event in mine} == {"onramp"}
        assert {event["detail"]["tenant"] for event in mine} == {tenant.name}
        [number] = submitted(signup)
        last = mine[-1]["detail"]
        assert last["phone_number_id"] == number["phone_number_id"]
        assert last["channel_id"] == number["channel_id"]
        ids = [event["detail"]["id"] for event in mine]
        assert ids == sorted(set(ids))
        span = {"since": began.isoformat(), "until": (began + timedelta(hours=1)).isoformat()}
        answer = tenant.run.invoke("event_publisher", {"republish": {**span, "cursor": None}})
        assert answer["error"] is None, answer
        assert answer["payload"]["published"] >= len(mine)
        assert answer["payload"]["cursor"] is None
        repeated = {event["detail"]["id"] for event in bus_events(listener, until="number.connected")}
    assert set(ids) <= repeated


def test_the_publisher_is_handed_new_facts_alone(run: LocalStack) -> None:
    publisher = run.deployed.functions["event_publisher"]
    [mapping] = run.aws.functions.list_event_source_mappings(FunctionName=publisher)["EventSourceMappings"]
    assert "/stream/" in mapping["EventSourceArn"]
    [rule] = mapping["FilterCriteria"]["Filters"]
    assert json.loads(rule["Pattern"]) == {
        "eventName": ["INSERT"],
        "dynamodb": {"Keys": {"sk": {"S": [{"prefix": "FACT#"}]}}},
    }
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert (
        mapping["DestinationConfig"]["OnFailure"]["Destination"].rpartition(":")[2]
        == (run.deployed.outputs["StreamDlqUrl"].rpartition("/")[2])
    )


# --- the code -----------------------------------------------------------------------------------


def test_several_accounts_and_no_message_ask_which_one(tenant: Tenant) -> None:
    signup_id, shared = tenant.opened(), tenant.popup(decoys=1)
    path = f"/v1/signups/{signup_id}/code"
    body = problem(tenant.front_end.call("POST", path, body={"code": shared["code"]}), 409, "waba_ambiguous")
    candidates = body["candidates"]
    assert isinstance(candidates, list)
    wanted = shared["wabas"][0]["id"]
    assert {c["waba_id"] for c in candidates} == {wanted, shared["decoys"][0]["id"]}
    answer = tenant.front_end.call("POST", path, body={"waba_id": wanted})
    assert answer.status_code == 200, answer.text
    assert answer.json()["waba"]["id"] == wanted


def test_an_account_of_somebody_else_is_refused(tenant: Tenant) -> None:
    other = tenant.popup()["wabas"][0]["id"]
    signup_id, shared = tenant.opened(), tenant.popup(claim={"waba_id": other})
    body = {"code": shared["code"], "session_info": shared["session_info"]}
    answer = tenant.front_end.call("POST", f"/v1/signups/{signup_id}/code", body=body)
    problem(answer, 403, "waba_not_granted")


def test_a_number_of_somebody_else_is_refused(tenant: Tenant) -> None:
    other = tenant.popup()["wabas"][0]["numbers"][0]["id"]
    signup_id, shared = tenant.opened(), tenant.popup(claim={"phone_number_id": other})
    body = {"code": shared["code"], "session_info": shared["session_info"]}
    answer = tenant.front_end.call("POST", f"/v1/signups/{signup_id}/code", body=body)
    problem(answer, 403, "number_not_in_waba")


def test_the_same_code_again_returns_the_stored_result_and_another_is_refused(tenant: Tenant) -> None:
    signup_id, shared = tenant.authorized()
    again = tenant.front_end.send_code(signup_id, shared["code"], shared["session_info"])
    assert again["waba"]["id"] == shared["wabas"][0]["id"]
    other = tenant.popup()
    answer = tenant.front_end.call("POST", f"/v1/signups/{signup_id}/code", body={"code": other["code"]})
    problem(answer, 409, "signup_closed")


def test_a_code_that_is_too_old_is_gone(tenant: Tenant) -> None:
    signup_id, shared = tenant.opened(), tenant.popup(code_lifetime=0)
    answer = tenant.front_end.call("POST", f"/v1/signups/{signup_id}/code", body={"code": shared["code"]})
    problem(answer, 410, "code_expired")


def test_numbers_without_a_code_are_refused(tenant: Tenant) -> None:
    answer = tenant.front_end.call("POST", f"/v1/signups/{tenant.opened()}/numbers", body={})
    problem(answer, 409, "not_authorized_yet")


def test_several_numbers_and_no_claim_ask_which_one(tenant: Tenant) -> None:
    signup_id, shared = tenant.opened(), tenant.popup(wabas=[{"numbers": [{}, {}]}])
    tenant.front_end.send_code(signup_id, shared["code"])
    answer = tenant.front_end.call("POST", f"/v1/signups/{signup_id}/numbers", body={})
    problem(answer, 409, "number_ambiguous")


# --- who may see what ---------------------------------------------------------------------------


def test_another_tenant_sees_exactly_what_a_missing_signup_shows(tenant: Tenant, stranger: FrontEnd) -> None:
    signup_id = tenant.opened()
    foreign = problem(stranger.call("GET", f"/v1/signups/{signup_id}"), 404, "not_found")
    missing_id = signup_id[:-4] + "0000" if not signup_id.endswith("0000") else signup_id[:-4] + "1111"
    missing = problem(stranger.call("GET", f"/v1/signups/{missing_id}"), 404, "not_found")
    assert {k: v for k, v in foreign.items() if k != "request_id"} == {
        k: v for k, v in missing.items() if k != "request_id"
    }
    for path in ("code", "numbers", "outcome", "retry"):
        body = {"code": {"code": "AQ" + "x" * 60}, "outcome": {"outcome": "closed"}}.get(path, {})
        problem(stranger.call("POST", f"/v1/signups/{signup_id}/{path}", body=body), 404, "not_found")


def test_another_tenants_number_is_as_one_that_is_missing(tenant: Tenant, stranger: FrontEnd) -> None:
    [number] = submitted(tenant.connected())
    path = f"/v1/numbers/{number['phone_number_id']}"
    assert tenant.front_end.read_number(number["phone_number_id"])["status"] == "connected"
    problem(stranger.call("GET", path), 404, "not_found")
    problem(stranger.call("POST", f"{path}/retry", body={}), 404, "not_found")
    problem(tenant.front_end.call("POST", f"{path}/retry", body={}), 409, "nothing_to_retry")


def test_a_tenant_lists_its_numbers_whatever_signup_brought_them(tenant: Tenant, stranger: FrontEnd) -> None:
    signups = [tenant.connected(), tenant.connected()]
    mine = [number["phone_number_id"] for signup in signups for number in submitted(signup)]
    listed = tenant.front_end.call("GET", "/v1/numbers?status=connected").json()
    assert [number["phone_number_id"] for number in listed["numbers"]] == mine[::-1]
    page = tenant.front_end.call("GET", "/v1/numbers?limit=1").json()
    assert [number["phone_number_id"] for number in page["numbers"]] == mine[::-1][:1]
    rest = tenant.front_end.call("GET", f"/v1/numbers?limit=1&cursor={page['cursor']}").json()
    assert [number["phone_number_id"] for number in rest["numbers"]] == mine[::-1][1:]
    assert tenant.front_end.call("GET", "/v1/numbers?status=failed").json()["numbers"] == []
    assert stranger.call("GET", "/v1/numbers").json()["numbers"] == []


def test_a_tenant_lists_its_own_signups_newest_first(tenant: Tenant, stranger: FrontEnd) -> None:
    mine = [tenant.opened() for _ in range(3)]
    listed = tenant.front_end.call("GET", "/v1/signups?limit=2").json()
    assert [s["id"] for s in listed["signups"]] == mine[::-1][:2]
    rest = tenant.front_end.call("GET", f"/v1/signups?limit=2&cursor={listed['cursor']}").json()
    assert [s["id"] for s in rest["signups"]] == mine[::-1][2:]
    assert stranger.call("GET", "/v1/signups").json()["signups"] == []


def test_a_popup_is_prepared_for_its_customer_and_what_became_of_it_is_told(tenant: Tenant) -> None:
    client = {"name": "Example", "email": "launch@example.com", "user_name": "Ann"}
    body = {"client": client, "prefill": {"business": {"name": "Example Ltd"}}}
    signup = tenant.front_end.call("POST", "/v1/signups", body=body).json()
    setup = signup["launch"]["extras"]["setup"]
    assert setup == {"solutionID": tenant.run.options.solution_id, "business": {"name": "Example Ltd"}}
    other = tenant.front_end.call(
        "POST", "/v1/signups", body={"client": client, "flow": "coexistence"}
    ).json()
    assert other["launch"] == {"flow": "coexistence", "config_id": "8765432109", "extras": {}}
    told = {"outcome": "cancelled", "step": "PHONE_NUMBER_SETUP"}
    path = f"/v1/signups/{signup['id']}"
    assert tenant.front_end.call("POST", f"{path}/outcome", body=told).status_code == 204
    now = tenant.front_end.call("GET", path).json()
    assert now["status"] == "open"
    assert now["timeline"][-1]["detail"] == "cancelled: PHONE_NUMBER_SETUP"


@pytest.mark.parametrize("fields", [{"ttl": -10}, {"audience": "other"}, {"signed_by": "other_key"}])
def test_a_token_that_proves_nothing_is_refused(run: LocalStack, fields: dict[str, object]) -> None:
    with FrontEnd(run.api_url, run.token("acme", **fields)) as front_end:
        assert front_end.call("GET", "/v1/signups").status_code == 401


def test_without_a_token_only_the_configuration_is_told(run: LocalStack) -> None:
    assert run.http.get(f"{run.api_url}/v1/signups").status_code == 401
    told = run.http.get(f"{run.api_url}/v1/config").json()
    assert told["app_id"] == run.options.app_id
    assert told["config_id"] == run.options.config_id
    assert {"graph_version", "extras", "sdk_url", "flows", "page"} <= told.keys()


def test_the_key_route_is_for_signed_calls(run: LocalStack, tenant: Tenant) -> None:
    assert run.http.get(f"{run.api_url}/v1/channels/abcCH/api-key").status_code == 403
    answer = read_channel_key(run.api_url, "abcCH", run.aws, http=run.http)
    problem(answer, 404, "not_found")


# --- HTTP ---------------------------------------------------------------------------------------


def test_opening_twice_with_one_idempotency_key_opens_once(tenant: Tenant) -> None:
    client = new_client()
    first = tenant.front_end.open(client, key="one-key")
    assert tenant.front_end.open(client, key="one-key")["id"] == first["id"]
    assert tenant.front_end.open(client, key="another-key")["id"] != first["id"]


def test_an_opened_signup_has_an_address(tenant: Tenant) -> None:
    answer = tenant.front_end.call("POST", "/v1/signups", body={"client": new_client()})
    assert answer.status_code == 201
    assert answer.headers["location"].endswith(f"/v1/signups/{answer.json()['id']}")


def test_an_unknown_field_is_named(tenant: Tenant) -> None:
    answer = tenant.front_end.call("POST", "/v1/signups", body={"client": new_client(), "colour": "red"})
    body = problem(answer, 422, "invalid_request")
    assert "colour" in str(body["errors"])


def test_a_body_over_64_kib_is_refused(tenant: Tenant) -> None:
    answer = tenant.front_end.call("POST", "/v1/signups", body={"reference": "x" * 66_000})
    assert answer.status_code == 413


def test_an_unchanged_signup_answers_304(tenant: Tenant) -> None:
    signup_id, _ = tenant.authorized()
    path = f"/v1/signups/{signup_id}"
    first = tenant.front_end.call("GET", path)
    headers = {"If-None-Match": first.headers["etag"]}
    again = tenant.front_end.call("GET", path, headers=headers)
    assert again.status_code == 304
    assert not again.content
    assert again.headers["etag"] == first.headers["etag"]
    tenant.front_end.submit(signup_id)
    changed = tenant.front_end.call("GET", path, headers=headers)
    assert changed.status_code == 200
    assert changed.headers["etag"] != first.headers["etag"]
    tenant.settled(signup_id)


def test_retry_after_comes_only_while_something_is_under_way(tenant: Tenant) -> None:
    signup_id, _ = tenant.authorized()
    tenant.front_end.submit(signup_id)
    path = f"/v1/signups/{signup_id}"
    busy = tenant.front_end.call("GET", path)
    assert int(busy.headers["retry-after"]) >= 1
    tenant.settled(signup_id)
    assert "retry-after" not in tenant.front_end.call("GET", path).headers


def test_nothing_to_retry_is_said(tenant: Tenant) -> None:
    answer = tenant.front_end.call("POST", f"/v1/signups/{tenant.opened()}/retry", body={})
    problem(answer, 409, "nothing_to_retry")


def test_a_page_of_an_allowed_origin_may_call(run: LocalStack) -> None:
    [origin] = run.options.allowed_origins
    headers = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    answer = run.http.options(f"{run.api_url}/v1/signups", headers=headers)
    assert answer.headers["access-control-allow-origin"] == origin
    refused = run.http.options(f"{run.api_url}/v1/signups", headers=headers | {"Origin": "http://evil.test"})
    assert "access-control-allow-origin" not in refused.headers


# --- webhooks -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("signature", "status"), [("right", 200), ("prefixed", 200), ("wrong", 401), ("missing", 401)]
)
def test_a_webhook_is_believed_only_when_signed(dialog: Dialog, signature: str, status: int) -> None:
    assert dialog.post_event(event="probe", signature=signature)["status"] == status


def test_a_signed_webhook_that_is_too_long_is_refused(dialog: Dialog) -> None:
    raw = '{"id":"x","event":"probe","data":{"text":"' + "x" * 1_048_576 + '"}}'
    assert dialog.post_event(raw=raw)["status"] == 413


@pytest.mark.parametrize(
    "raw", ["", "[]", "null", "not json", '{"id":1}', '{"event":"channel_live","data":7}']
)
def test_a_signed_webhook_of_any_shape_is_taken(dialog: Dialog, raw: str) -> None:
    assert dialog.post_event(raw=raw)["status"] == 200


# --- the page -----------------------------------------------------------------------------------


@pytest.fixture
def console(page_url: str) -> Iterator[Any]:
    """The console, which may neither fail nor lose a request."""
    troubles: list[str] = []
    with chromium() as browser:
        page = browser.new_page()
        page.set_default_timeout(PAGE_PATIENCE_MS)
        watch(page, troubles)
        page.on("requestfailed", lambda request: troubles.append(f"{request.url} {request.failure}"))
        page.goto(page_url)
        yield page
        # What is asked while the browser closes fails, and means nothing.
        found = list(troubles)
    assert found == []


@pytest.mark.browser
def test_a_person_clicks_through_the_console(console: Any) -> None:
    console.get_by_label("Without windows").check()
    console.locator("#new [name=accounts]").select_option("2")
    console.locator("#new [name=count]").select_option("2")
    console.locator("#new [name=message]").select_option("lost")
    console.get_by_role("button", name="Start", exact=True).click()
    console.locator("#decide").get_by_role("radio").first.check()
    console.get_by_role("button", name="Use this account").click()
    boxes = console.locator("#decide").get_by_role("checkbox")
    boxes.first.wait_for()
    for box in boxes.all():
        box.check()
    console.get_by_role("button", name="Connect selected").click()
    console.locator("#stage-status").get_by_text("connected").wait_for()
    console.locator("#bus").get_by_text("number.connected").first.wait_for()
    console.get_by_role("button", name="Test message: +1").first.click()
    console.get_by_text("the channel answered 200 to the key that ends in").wait_for()


@pytest.mark.browser
@pytest.mark.parametrize("way", ["By a link", "On this page"])
def test_a_customer_goes_through_metas_window_and_is_connected(console: Any, way: str) -> None:
    console.get_by_label(way).check()
    start = console.get_by_role("button", name="Start", exact=True)
    if way == "By a link":
        with console.expect_popup() as opened:
            start.click()
        page = opened.value
        page.set_default_timeout(PAGE_PATIENCE_MS)
    else:
        start.click()
        page = console
    with page.expect_popup() as opened:
        page.get_by_role("button", name="Continue with Meta").click()
    window = opened.value
    window.get_by_role("heading", name="Choose a business portfolio").wait_for()
    with window.expect_event("close"):
        last_click(window.get_by_role("button", name="Finish with what is shown"))
    console.locator("#stage-status").get_by_text("connected").wait_for()
    page.locator("h1, #embedded-said").get_by_text(re.compile("connected", re.IGNORECASE)).wait_for()


# --- deployments --------------------------------------------------------------------------------


def test_a_second_stage_stands_beside_the_first_and_goes_without_it(run: LocalStack, tenant: Tenant) -> None:
    assembly = deploy.read_assembly(stack.synthesize("example"), region=run.aws.region)
    overlay = Overlay(jwt_issuer=run.upstreams.issuer, jwt_audience=(run.options.jwt_audience,))
    second = deploy.deploy(run.aws, assembly, overlay=overlay)
    assert second.stack_name != run.deployed.stack_name
    url = run.emulator.api_url(second.only("AWS::ApiGatewayV2::Api"))
    signup_id = tenant.opened()
    with FrontEnd(url, run.token(tenant.name)) as other:
        assert other.call("GET", "/v1/signups").json()["signups"] == []
        problem(other.call("GET", f"/v1/signups/{signup_id}"), 404, "not_found")
    deploy.delete(run.aws, second.stack_name)
    assert run.http.get(f"{url}/v1/config").status_code == 404
    assert second.outputs["TableName"] not in run.aws.dynamodb.list_tables()["TableNames"]
    assert tenant.front_end.read(signup_id)["id"] == signup_id


# --- afterwards ---------------------------------------------------------------------------------


def test_no_fact_was_given_up_by_the_stream(run: LocalStack) -> None:
    assert run.queue_depth("StreamDlq") == 0


def test_no_secret_was_logged(tenant: Tenant, dialog: Dialog) -> None:
    signup = tenant.connected()
    [number] = submitted(signup)
    key = tenant.key(number["channel_id"])["api_key"]
    options = tenant.run.options
    log = tenant.run.function_log() + tenant.run.emulator.log.read_text(errors="replace")
    assert all(f'"{name}"' in log for name in ("code_exchange", "webhook_receiver", "onboarding_worker"))
    secrets = [options.app_secret, options.partner_key, options.platform_secret, key, *tenant.codes]
    assert [secret for secret in secrets if secret in log] == []
    digits = "".join(filter(str.isdigit, number["display_phone_number"]))
    assert digits not in log
    assert signup["client"]["email"] not in log


# --- a customer with a link ---------------------------------------------------------------------


def made_link(tenant: Tenant, **fields: object) -> dict[str, Any]:
    """A link with its address."""
    answer = tenant.front_end.call("POST", "/v1/signup-links", body={"client": new_client(), **fields})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    assert made["url"].startswith(f"{tenant.run.api_url}/signup#{made['id']}.")
    return made


def following(tenant: Tenant, made: dict[str, Any], visit: str = "visit-0123456789") -> FrontEnd:
    """The browser of a customer who has opened the link."""
    return FrontEnd(tenant.run.api_url, f"{made['url'].partition('#')[2]}.{visit}", http=tenant.run.http)


def test_a_customer_with_a_link_ends_connected_without_any_login(tenant: Tenant) -> None:
    page = f"{tenant.run.options.allowed_origins[0]}/done?plan=2#top"
    made = made_link(tenant, reference="order-7", success_url=page)
    customer, stranger = following(tenant, made), following(tenant, made, "visit-9876543210")
    assert stranger.call("GET", "/v1/linked-signup").status_code == 200
    opened = customer.call("GET", "/v1/linked-signup")
    assert (opened.status_code, opened.json()["status"]) == (200, "open")
    etag = {"If-None-Match": opened.headers["etag"]}
    assert customer.call("GET", "/v1/linked-signup", headers=etag).status_code == 304
    told = customer.call("POST", "/v1/linked-signup/outcome", body={"outcome": "closed"})
    assert told.status_code == 204
    shared = tenant.popup()
    code = {"code": shared["code"], "session_info": shared["session_info"]}
    authorized = customer.call("POST", "/v1/linked-signup/code", body=code)
    assert authorized.status_code == 200, authorized.text
    assert (
        customer.call("POST", "/v1/linked-signup/code", body=code).json()["waba"] == authorized.json()["waba"]
    )
    problem(stranger.call("POST", "/v1/linked-signup/code", body=code), 410, "link_used")
    assert customer.call("POST", "/v1/linked-signup/numbers", body={}).status_code == 202
    signup = tenant.settled(made["signup_id"])
    [number] = submitted(signup)
    shown = customer.call("GET", "/v1/linked-signup").json()
    assert shown["status"] == "connected"
    added = f"channels=[{number['channel_id']}]&signup={made['signup_id']}&status=connected&reference=order-7"
    assert shown["link"]["success_url"] == page.replace(
        "#top", f"&client={signup['client']['id']}&{added}#top"
    )
    [listed] = tenant.front_end.call("GET", "/v1/signup-links?status=used").json()["links"]
    assert listed["id"] == made["id"]


def test_a_link_that_was_taken_back_or_is_none_opens_nothing(tenant: Tenant, rival: Tenant) -> None:
    made = made_link(tenant)
    path = f"/v1/signup-links/{made['id']}/revoke"
    problem(rival.front_end.call("POST", path, body={}), 404, "not_found")
    assert tenant.front_end.call("POST", path, body={}).json()["status"] == "revoked"
    for method, what in (("GET", ""), ("POST", "/code"), ("POST", "/numbers"), ("POST", "/retry")):
        body: dict[str, object] | None = None if method == "GET" else {}
        answer = following(tenant, made).call(method, f"/v1/linked-signup{what}", body=body)
        problem(answer, 410, "link_revoked")
        other = {**made, "url": f"#{made['id']}.{'0' * 43}"}
        answer = following(tenant, other).call(method, f"/v1/linked-signup{what}", body=body)
        problem(answer, 401, "unauthenticated")
    # The link's token is none of the partner's, and the gateway says so.
    assert following(tenant, made).call("GET", "/v1/signups").status_code == 401


def test_a_customer_with_a_link_tries_a_failed_number_again(tenant: Tenant, dialog: Dialog) -> None:
    refusal = {"method": "POST", "path": "/account_sharing/numbers$"}
    dialog.call("POST", "faults", {"kind": "error_before", "status": 403, "times": 1, "match": refusal})
    made = made_link(tenant)
    customer, shared = following(tenant, made), tenant.popup()
    code = {"code": shared["code"], "session_info": shared["session_info"]}
    assert customer.call("POST", "/v1/linked-signup/code", body=code).status_code == 200
    assert customer.call("POST", "/v1/linked-signup/numbers", body={}).status_code == 202
    assert tenant.settled(made["signup_id"])["status"] == "attention"
    again = customer.call("POST", "/v1/linked-signup/retry", body={})
    assert again.status_code == 202, again.text
    assert tenant.settled(made["signup_id"])["status"] == "connected"


def test_a_server_makes_lists_and_takes_back_links_for_any_tenant(tenant: Tenant, rival: Tenant) -> None:
    def call(method: str, path: str, body: object = None) -> httpx.Response:
        run = tenant.run
        return call_signed(run.api_url, method, f"/v1/tenants/{path}", run.aws, http=run.http, body=body)

    answer = call("POST", f"{tenant.name}/signup-links", {"client": new_client(), "reference": "order-9"})
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert following(tenant, made).call("GET", "/v1/linked-signup").json()["reference"] == "order-9"
    [listed] = call("GET", f"{tenant.name}/signup-links").json()["links"]
    assert listed["id"] == made["id"]
    assert call("GET", f"{rival.name}/signup-links").json()["links"] == []
    problem(call("POST", f"{rival.name}/signup-links/{made['id']}/revoke", {}), 404, "not_found")
    gone = call("POST", f"{tenant.name}/signup-links/{made['id']}/revoke", {})
    assert (gone.status_code, gone.json()["status"]) == (200, "revoked")
    problem(following(tenant, made).call("GET", "/v1/linked-signup"), 410, "link_revoked")
