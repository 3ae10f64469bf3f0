import hashlib
import json
from typing import Any

import pytest

from onramp.domain.phone_numbers import canonical
from tests.simulators.harness import PARTNER_KEY, SOLUTION_ID, Bench

pytestmark = pytest.mark.anyio


async def test_another_partner_key_kills_the_one_before(bench: Bench) -> None:
    await bench.dialog.post("/admin/partner", json={"partner_key": "the-next-key"})
    assert (await bench.partner("GET", "/clients")).status_code == 401
    url, headers = "/api/v2/partners/localPA/clients", {"x-api-key": "the-next-key"}
    assert (await bench.dialog.get(url, headers=headers)).status_code == 200


async def test_creating_a_client_twice_makes_two(bench: Bench) -> None:
    first, second = await bench.new_client(), await bench.new_client()
    assert first.status_code == second.status_code == 201
    assert first.json()["id"] != second.json()["id"]
    filters = json.dumps({"contact_info.email": "owner@example.com"})
    listed = (await bench.partner("GET", "/clients", params={"filters": filters})).json()
    assert listed["total"] == 2


async def test_the_email_filter_minds_case_or_is_ignored(bench: Bench) -> None:
    await bench.new_client("Owner@Example.com")
    filters = {"filters": json.dumps({"contact_info.email": "owner@example.com"})}
    assert (await bench.partner("GET", "/clients", params=filters)).json()["total"] == 0
    await bench.option(email_filter_case_sensitive=False)
    assert (await bench.partner("GET", "/clients", params=filters)).json()["total"] == 1
    await bench.new_client("somebody@else.example")
    await bench.option(ignore_client_filters=True)
    assert (await bench.partner("GET", "/clients", params=filters)).json()["total"] == 2


async def test_clients_come_in_pages_and_can_be_marked(bench: Bench) -> None:
    ids = [(await bench.new_client()).json()["id"] for _ in range(3)]
    page = (await bench.partner("GET", "/clients", params={"limit": "2", "offset": "1"})).json()
    assert (page["count"], page["total"]) == (2, 3)
    assert [client["id"] for client in page["clients"]] == ids[1:]
    marked = await bench.partner("PATCH", f"/clients/{ids[0]}", json={"partner_payload": "mine"})
    assert marked.json()["partner_payload"] == "mine"


@pytest.mark.parametrize(
    ("key", "partner", "status"), [("wrong", "localPA", 401), (PARTNER_KEY, "otherPA", 403)]
)
async def test_strangers_are_refused(bench: Bench, key: str, partner: str, status: int) -> None:
    answer = await bench.dialog.get(f"/api/v2/partners/{partner}/clients", headers={"x-api-key": key})
    assert answer.status_code == status
    assert answer.json()["meta"]["http_code"] == status


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"solution_id": "999999999999999"}, 400),
        ({"solution_id": None}, 400),
        ({"client_id": "nobodyCL"}, 404),
        ({"client_id": None}, 400),
        ({"waba_external_id": "1"}, 404),
        ({"channel_external_id": "1"}, 404),
        ({"waba_business_id": "1"}, 400),
        ({"tier": "gold"}, 400),
        ({"surprise": True}, 400),
    ],
)
async def test_a_wrong_submission_is_refused(bench: Bench, changes: dict[str, str], status: int) -> None:
    signup = await bench.signup()
    client_id = (await bench.new_client()).json()["id"]
    answer = await bench.submit(signup, client_id, **changes)
    assert answer.status_code == status
    assert answer.json()["meta"]["success"] is False
    assert bench.simulators.hub.channels == {}


@pytest.mark.parametrize("shape", ["echo", "event"])
async def test_a_submission_is_answered_in_either_shape(bench: Bench, shape: str) -> None:
    await bench.option(submit_shape=shape)
    signup = await bench.signup()
    answer = (await bench.submit(signup, (await bench.new_client()).json()["id"])).json()
    if shape == "event":
        assert answer["value"]["payload"]["properties"]["solution_id"] == SOLUTION_ID
    else:
        assert answer["solution_id"] == SOLUTION_ID


async def test_without_a_number_the_whole_account_is_connected(bench: Bench) -> None:
    signup = await bench.signup(wabas=[{"numbers": [{}, {}, {}]}])
    client_id = (await bench.new_client()).json()["id"]
    await bench.submit(signup, client_id, channel_external_id=None)
    digits = {channel.phone_digits for channel in bench.simulators.hub.channels.values()}
    shown = {number["display_phone_number"] for number in signup["wabas"][0]["numbers"]}
    assert digits == {"".join(filter(str.isdigit, number)) for number in shown}


async def test_with_the_business_alone_the_client_is_made_for_it(bench: Bench) -> None:
    signup = await bench.signup()
    answer = await bench.submit(signup, "", client_id=None, waba_business_id=signup["business_id"])
    assert answer.status_code == 200
    assert [client["made_by"] for client in (await bench.state())["clients"]] == ["submission"]


@pytest.mark.parametrize(
    ("mode", "status", "channels"), [("second_channel", 200, 2), ("refuse", 400, 1), ("ignore", 200, 1)]
)
async def test_a_duplicate_submission_is_counted(bench: Bench, mode: str, status: int, channels: int) -> None:
    await bench.option(duplicate_submission=mode)
    signup = await bench.signup()
    client_id = (await bench.new_client()).json()["id"]
    await bench.submit(signup, client_id)
    assert (await bench.submit(signup, client_id)).status_code == status
    state = await bench.state()
    assert len(state["channels"]) == channels
    assert state["duplicate_submissions"] == 1


async def test_the_list_lags_behind_the_single_read(bench: Bench) -> None:
    await bench.option(channel_list_lag_seconds=10, phone_lag_seconds=4)
    channel_id = await bench.live_channel()
    assert (await bench.partner("GET", "/channels")).json()["partner_channels"] == []
    await bench.simulators.advance(2)
    fresh = (await bench.partner("GET", f"/channels/{channel_id}")).json()
    assert fresh["setup_info"]["phone_number"]
    await bench.option(channel_list_lag_seconds=0)
    listed = (await bench.partner("GET", "/channels")).json()["partner_channels"]
    assert listed[0]["setup_info"]["phone_number"] is None


async def test_channels_are_filtered_by_what_the_hub_knows(bench: Bench) -> None:
    one, other = await bench.live_channel(), await bench.live_channel()
    client_id = bench.simulators.hub.channels[other].client_id
    mine = await bench.partner("GET", "/channels", params={"filters": json.dumps({"client_id": client_id})})
    assert [channel["id"] for channel in mine.json()["partner_channels"]] == [other]
    unknown = {"filters": json.dumps({"waba_account.external_id": "1"})}
    both = (await bench.partner("GET", "/channels", params=unknown)).json()["partner_channels"]
    assert [channel["id"] for channel in both] == [one, other]


async def read(bench: Bench, channel_id: str) -> dict[str, Any]:
    return dict((await bench.partner("GET", f"/channels/{channel_id}")).json())


async def found_by(bench: Bench, **filters: str) -> list[str]:
    """Ids of the channels that a filter lets through; `__` stands for a dot."""
    text = json.dumps({name.replace("__", "."): value for name, value in filters.items()})
    listed = (await bench.partner("GET", "/channels", params={"filters": text})).json()
    assert listed["total"] == len(listed["partner_channels"])
    return [channel["id"] for channel in listed["partner_channels"]]


async def test_a_channel_is_named_by_metas_number_and_found_by_it(bench: Bench) -> None:
    one, other = await bench.live_channel(), await bench.live_channel()
    channel = bench.simulators.hub.channels[other]
    assert bench.simulators.world.number(channel.phone_number_id) is not None
    assert (await read(bench, other))["external_id"] == channel.phone_number_id
    assert await found_by(bench, external_id=channel.phone_number_id) == [other]
    assert await found_by(bench, setup_info__phone_number=channel.phone_number) == [other]
    assert await found_by(bench, id=one) == [one]
    assert await found_by(bench, id=one, external_id=channel.phone_number_id) == []


@pytest.mark.parametrize("shown", ["missing", "wrong"])
async def test_the_name_of_a_channel_may_be_missing_or_wrong(bench: Bench, shown: str) -> None:
    await bench.option(channel_external_id=shown)
    channel_id = await bench.live_channel()
    number_id = bench.simulators.hub.channels[channel_id].phone_number_id
    event = json.loads(bench.inbox.letters[-1].body)["data"]
    listed = (await bench.partner("GET", "/channels")).json()["partner_channels"][0]
    seen = [item.get("external_id") for item in (event, listed, await read(bench, channel_id))]
    assert seen == ([None] * 3 if shown == "missing" else [number_id[::-1]] * 3)
    assert await found_by(bench, external_id=number_id) == []
    await bench.dialog.patch(f"/admin/channels/{channel_id}", json={"external_id": "77"})
    assert (await read(bench, channel_id))["external_id"] == "77"


async def test_events_with_fields_at_their_top_name_the_number_too(bench: Bench) -> None:
    await bench.dialog.patch("/admin/webhook-options", json={"top_level_fields": True})
    channel_id = await bench.live_channel()
    data = json.loads(bench.inbox.letters[-1].body)["data"]
    assert data["external_id"] == bench.simulators.hub.channels[channel_id].phone_number_id


@pytest.mark.parametrize(
    ("display", "spelling", "shown"),
    [
        ("+1 555 010 0000", "plain", "15550100000"),
        ("+1 555 010 0000", "zeros", "0015550100000"),
        ("+1 555 010 0000", "double", "15550100000"),
        ("+52 55 1234 5678", "double", "5215512345678"),
        ("+52 1 55 1234 5678", "double", "525512345678"),
        ("+54 9 11 1234 5678", "double", "541112345678"),
        ("+54 11 1234 5678", "double", "5491112345678"),
        ("+55 11 91234 5678", "double", "551112345678"),
        ("+55 11 1234 5678", "double", "5511912345678"),
    ],
)
async def test_a_number_is_spelled_in_several_ways(
    bench: Bench, display: str, spelling: str, shown: str
) -> None:
    await bench.option(phone_spelling=spelling)
    signup = await bench.signup(wabas=[{"numbers": [{"display_phone_number": display}]}])
    await bench.submit(signup, (await bench.new_client()).json()["id"])
    await bench.simulators.advance(4)
    (channel_id,) = bench.simulators.hub.channels
    phone = (await read(bench, channel_id))["setup_info"]["phone_number"]
    assert phone == shown
    assert canonical(phone) == canonical(display)
    assert await found_by(bench, setup_info__phone_number=shown) == [channel_id]


async def test_a_client_is_found_by_its_id_and_by_either_email(bench: Bench) -> None:
    await bench.new_client("somebody@else.example")
    client_id = (await bench.new_client()).json()["id"]
    for filters in (
        {"id": client_id},
        {"contact_info.email": "owner@example.com"},
        {"contact_user.email": "owner@example.com"},
    ):
        listed = await bench.partner("GET", "/clients", params={"filters": json.dumps(filters)})
        assert [client["id"] for client in listed.json()["clients"]] == [client_id]


async def test_channels_come_in_pages_of_a_total(bench: Bench) -> None:
    ids = [await bench.live_channel() for _ in range(3)]
    page = (await bench.partner("GET", "/channels", params={"limit": "2", "offset": "1"})).json()
    assert (page["count"], page["total"], page["offset"]) == (2, 3, 1)
    assert [channel["id"] for channel in page["partner_channels"]] == ids[1:]


async def test_a_submission_for_a_number_that_had_a_channel_before_we_came_is_a_duplicate(
    bench: Bench,
) -> None:
    signup = await bench.signup()
    waba = signup["wabas"][0]
    body = {
        "waba_external_id": waba["id"],
        "phone_number": "".join(filter(str.isdigit, waba["numbers"][0]["display_phone_number"])),
    }
    old = (await bench.dialog.post("/admin/channels", json=body)).json()
    assert old["phone_number_id"] == waba["numbers"][0]["id"]
    # Whatever it is called by now, it is the same number.
    await bench.dialog.patch(f"/admin/channels/{old['id']}", json={"phone_digits": "1"})
    await bench.submit(signup, (await bench.new_client()).json()["id"])
    assert (await bench.state())["duplicate_submissions"] == 1


async def test_no_key_before_the_channel_is_live(bench: Bench) -> None:
    await bench.option(stop_at="running")
    channel_id = await bench.live_channel()
    assert (await bench.key(channel_id)).status_code == 400


async def test_no_key_before_the_client_permits_it(bench: Bench) -> None:
    await bench.option(client_pays=True)
    channel_id = await bench.live_channel()
    assert (await bench.key(channel_id)).status_code == 403
    await bench.dialog.post(f"/admin/channels/{channel_id}/grant-permission")
    await bench.simulators.advance(0)
    assert json.loads(bench.inbox.letters[-1].body)["event"] == "channel_permission_granted"
    assert (await bench.key(channel_id)).status_code == 201


async def test_a_new_key_kills_the_old_one_and_drops_the_webhook(bench: Bench) -> None:
    channel_id = await bench.live_channel()
    old = (await bench.key(channel_id)).json()["api_key"]
    hook = {"url": "https://hooks.example.com/in", "headers": {"x-mine": "1"}}
    assert (await bench.messaging("POST", "/v1/configs/webhook", old, json=hook)).json() == hook
    new = (await bench.key(channel_id)).json()["api_key"]
    refused = await bench.messaging("GET", "/v1/configs/webhook", old)
    assert refused.status_code == 401
    assert "error" in refused.json()
    assert (await bench.messaging("GET", "/v1/configs/webhook", new)).json()["url"] == ""
    (channel,) = (await bench.state())["channels"]
    assert channel["keys_made"] == 2
    assert channel["live_key_sha256"] == hashlib.sha256(new.encode()).hexdigest()
    assert new not in json.dumps(await bench.state())


async def test_a_key_comes_in_either_shape_and_is_shown_once(bench: Bench) -> None:
    await bench.option(key_shape="list")
    channel_id = await bench.live_channel()
    key = (await bench.key(channel_id)).json()["api_keys"][0]
    assert key["address"] == bench.simulators.urls.messaging
    listed = (await bench.partner("GET", f"/channels/{channel_id}/api_keys")).json()["api_keys"]
    assert [item["id"] for item in listed] == [key["id"]]
    assert "api_key" not in listed[0]
    assert (await bench.partner("DELETE", f"/channels/{channel_id}/api_keys")).status_code == 204
    assert (await bench.messaging("GET", "/v1/configs/webhook", key["api_key"])).status_code == 401


@pytest.mark.parametrize(
    "url",
    ["http://hooks.example.com/", "https://hooks.example.com:8443/", "https://my_hooks.example.com/", 5],
)
async def test_a_channel_webhook_must_be_plain_https(bench: Bench, url: object) -> None:
    key = (await bench.key(await bench.live_channel())).json()["api_key"]
    answer = await bench.messaging("POST", "/v1/configs/webhook", key, json={"url": url})
    assert answer.status_code == 400


async def test_a_message_is_accepted_and_its_status_reported(bench: Bench) -> None:
    key = (await bench.key(await bench.live_channel())).json()["api_key"]
    await bench.option(allow_any_webhook_url=True)
    hook = {"url": "http://127.0.0.1/messages", "headers": {"x-mine": "1"}}
    await bench.messaging("POST", "/v1/configs/webhook", key, json=hook)
    message = {"messaging_product": "whatsapp", "to": "15550100000", "type": "text", "text": {"body": "Hi"}}
    sent = (await bench.messaging("POST", "/messages", key, json=message)).json()
    await bench.simulators.advance(2)
    reports = [letter for letter in bench.inbox.letters if letter.url == hook["url"]]
    statuses = [
        json.loads(letter.body)["entry"][0]["changes"][0]["value"]["statuses"][0] for letter in reports
    ]
    assert [status["status"] for status in statuses] == ["sent", "delivered"]
    assert {status["id"] for status in statuses} == {sent["messages"][0]["id"]}
    assert reports[0].headers["x-mine"] == "1"


async def test_a_channel_is_cancelled_below_its_client_only(bench: Bench) -> None:
    channel_id = await bench.live_channel()
    client_id = bench.simulators.hub.channels[channel_id].client_id
    path = f"/channels/{channel_id}/control/cancellation_request"
    assert (await bench.partner("POST", path, json={"enabled": True})).status_code == 404
    scoped = f"/clients/{client_id}{path}"
    assert (await bench.partner("POST", scoped, json={"enabled": True})).status_code == 200
    read = (await bench.partner("GET", f"/channels/{channel_id}")).json()
    assert read["hub_status"] == "pending_deletion"
    assert (await bench.state())["channels"][0]["cancellation_requested_at"]


async def test_the_partner_keeps_its_webhook_address(bench: Bench) -> None:
    await bench.partner("POST", "/webhook_url", json={"webhook_url": "https://a.example/"})
    await bench.partner("PATCH", "", json={"partner_redirect_url": "https://b.example/"})
    await bench.dialog.post("/admin/reset")
    settings = (await bench.partner("GET", "")).json()
    assert settings["webhook_url"] == "https://a.example/"
    assert settings["partner_redirect_url"] == "https://b.example/"


async def test_a_foreign_channel_is_billed_and_silent(bench: Bench) -> None:
    await bench.dialog.post("/admin/channels", json={})
    await bench.simulators.advance(10)
    (channel,) = (await bench.partner("GET", "/channels")).json()["partner_channels"]
    assert channel["billing_started_at"]
    assert bench.inbox.letters == []
