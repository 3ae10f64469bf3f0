"""What is done to a channel behind our back, and what the Partner API and the webhooks then show."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from onramp.domain.phone_numbers import canonical
from tests.simulators.harness import Bench, Json

pytestmark = pytest.mark.anyio

HOOK = {"url": "https://hooks.example.com/in", "headers": {}}


async def desk(bench: Bench, path: str, **body: object) -> Json:
    answer = await bench.dialog.post(f"/admin/channels{path}", json=body)
    assert answer.is_success, answer.text
    return dict(answer.json())


async def press(bench: Bench, channel_id: str, action: str, **more: object) -> Json:
    return await desk(bench, f"/{channel_id}/hub", action=action, **more)


async def read(bench: Bench, channel_id: str) -> Json:
    answer = await bench.partner("GET", f"/channels/{channel_id}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def listed(bench: Bench) -> list[str]:
    page = (await bench.partner("GET", "/channels")).json()
    assert page["total"] == len(page["partner_channels"])
    return [channel["id"] for channel in page["partner_channels"]]


async def key_of(bench: Bench, channel_id: str) -> str:
    answer = await bench.key(channel_id)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["api_key"])


async def key_status(bench: Bench, key: str) -> int:
    return (await bench.messaging("GET", "/v1/configs/webhook", key)).status_code


async def control(bench: Bench, channel_id: str, path: str, json: object = None) -> httpx.Response:
    client_id = bench.simulators.hub.channels[channel_id].client_id
    return await bench.partner(
        "POST", f"/clients/{client_id}/channels/{channel_id}/control/{path}", json=json
    )


async def last_event(bench: Bench) -> tuple[str, dict[str, Any]]:
    await bench.simulators.advance(0)
    envelope = json.loads(bench.inbox.letters[-1].body)
    return envelope["event"], envelope["data"]


async def events(bench: Bench) -> list[str]:
    await bench.simulators.advance(0)
    return [json.loads(letter.body)["event"] for letter in bench.inbox.letters]


# -- earlier and second channels


async def test_an_earlier_channel_is_the_numbers_when_meta_knows_it(bench: Bench) -> None:
    signup = await bench.signup()
    waba, number = signup["wabas"][0], signup["wabas"][0]["numbers"][0]
    made = await desk(bench, "", phone_number_id=number["id"], email="Owner@Example.com")
    shown = await read(bench, made["id"])
    assert shown["external_id"] == number["id"]
    assert shown["waba_account"]["external_id"] == waba["id"]
    assert shown["setup_info"]["phone_number"] == "".join(filter(str.isdigit, number["display_phone_number"]))
    assert shown["client"]["contact_info"]["email"] == "Owner@Example.com"
    assert (shown["status"], made["foreign"]) == ("live", True)
    assert await events(bench) == []


async def test_an_earlier_channel_uses_the_client_of_that_mailbox(bench: Bench) -> None:
    client_id = (await bench.new_client("owner@example.com")).json()["id"]
    made = await desk(bench, "", email="Owner@Example.com")
    other = await desk(bench, "", email="else@example.com")
    assert made["client_id"] == client_id != other["client_id"]
    assert (await bench.dialog.post("/admin/channels", json={"client_id": "noCL"})).status_code == 422


async def test_an_earlier_channel_stands_in_the_state_and_spelling_asked_for(bench: Bench) -> None:
    body = {"phone_number": "+52 55 1234 5678", "spelling": "double", "state": "ready", "external_id": "77"}
    shown = await read(bench, (await desk(bench, "", **body))["id"])
    assert shown["setup_info"]["phone_number"] == "5215512345678"
    assert (shown["status"], shown["external_id"], shown["billing_started_at"]) == ("ready", "77", None)
    await bench.simulators.advance(60)
    assert (await read(bench, shown["id"]))["status"] == "ready"


async def test_an_empty_external_id_hides_metas(bench: Bench) -> None:
    assert "external_id" not in await read(bench, (await desk(bench, "", external_id=""))["id"])


async def test_an_earlier_channel_may_be_in_another_account(bench: Bench) -> None:
    number_id = (await bench.signup())["wabas"][0]["numbers"][0]["id"]
    other = (await bench.signup())["wabas"][0]["id"]
    for waba_id in (other, "123"):
        made = await desk(bench, "", phone_number_id=number_id, waba_external_id=waba_id)
        shown = await read(bench, made["id"])
        assert (shown["external_id"], shown["waba_account"]["external_id"]) == (number_id, waba_id)


@pytest.mark.parametrize(
    ("spelling", "shown"),
    [
        ("inner_zero", "+49 (0) 15510000000"),
        ("script", "٤٩١٥٥١٠٠٠٠٠٠٠"),
        ("zeros", "004915510000000"),
        ("plain", "4915510000000"),
    ],
)
async def test_an_earlier_channel_is_spelled_as_people_write(bench: Bench, spelling: str, shown: str) -> None:
    made = await desk(bench, "", phone_number="4915510000000", spelling=spelling)
    phone = (await read(bench, made["id"]))["setup_info"]["phone_number"]
    assert phone == shown
    assert canonical(phone) == "4915510000000"


async def test_a_number_has_a_second_channel_of_the_same_client(bench: Bench) -> None:
    first = await bench.live_channel()
    await key_of(bench, first)
    sent = await events(bench)
    second = await desk(bench, f"/{first}/second", external_id="5")
    assert await listed(bench) == [first, second["id"]]
    one, two = await read(bench, first), await read(bench, second["id"])
    for name in ("client_id", "setup_info", "waba_account", "status"):
        assert one[name] == two[name]
    assert (two["external_id"], second["keys_made"], second["webhook_url"]) == ("5", 0, None)
    assert await events(bench) == sent
    early = await desk(bench, f"/{first}/second", state="created")
    assert (early["status"], early["live_at"]) == ("created", None)
    assert early["external_id"] is None
    assert (await read(bench, early["id"]))["external_id"] == one["external_id"]


async def test_a_removed_client_is_not_found_by_a_submission(bench: Bench) -> None:
    signup = await bench.signup()
    client_id = (await bench.new_client()).json()["id"]
    assert (await bench.dialog.delete(f"/admin/clients/{client_id}")).status_code == 200
    answer = await bench.submit(signup, client_id)
    assert answer.status_code == 404
    assert answer.json()["meta"]["developer_message"] == f"Client {client_id} not found"
    assert (await bench.partner("GET", "/clients")).json()["total"] == 0
    assert (await bench.dialog.delete(f"/admin/clients/{client_id}")).status_code == 422


async def test_the_channels_of_a_removed_client_stay(bench: Bench) -> None:
    channel_id = await bench.live_channel()
    client_id = bench.simulators.hub.channels[channel_id].client_id
    await bench.dialog.delete(f"/admin/clients/{client_id}")
    shown = await read(bench, channel_id)
    assert (shown["client_id"], shown["client"]) == (client_id, None)


# -- ending


@pytest.mark.parametrize(
    ("shows", "hub_status", "cancelled"),
    [
        ("pending_deletion", "pending_deletion", False),
        ("cancelled_at", "active", True),
        ("both", "pending_deletion", True),
        ("nothing", "active", False),
    ],
)
async def test_a_requested_end_shows_in_several_ways_and_is_taken_back(
    bench: Bench, shows: str, hub_status: str, cancelled: bool
) -> None:
    await bench.option(cancellation_shows=shows)
    channel_id = await bench.live_channel()
    key = await key_of(bench, channel_id)
    await press(bench, channel_id, "request_cancellation")
    shown = await read(bench, channel_id)
    assert (shown["hub_status"], bool(shown["cancelled_at"])) == (hub_status, cancelled)
    assert (await last_event(bench))[0] == "cancellation_request"
    assert await key_status(bench, key) == 200
    await press(bench, channel_id, "revoke_cancellation")
    shown = await read(bench, channel_id)
    assert (shown["hub_status"], shown["cancelled_at"]) == ("active", None)
    assert (await last_event(bench))[0] == "cancellation_revoke"


async def test_an_ended_channel_says_when_and_its_key_is_dead(bench: Bench) -> None:
    channel_id = await bench.live_channel()
    key = await key_of(bench, channel_id)
    await press(bench, channel_id, "request_cancellation")
    assert await key_status(bench, key) == 200
    state = await press(bench, channel_id, "process_cancellation")
    event, data = await last_event(bench)
    assert (event, data["id"]) == ("cancellation_processed", channel_id)
    for shown in (data, await read(bench, channel_id)):
        assert shown["hub_status"] == "terminated"
        assert shown["terminated_at"] == state["terminated_at"] is not None
    assert await key_status(bench, key) == 401
    assert (await bench.key(channel_id)).status_code == 400
    for action in ("request_cancellation", "revoke_cancellation", "process_cancellation"):
        body = {"action": action}
        answer = await bench.dialog.post(f"/admin/channels/{channel_id}/hub", json=body)
        assert answer.status_code == 422
    assert (await control(bench, channel_id, "reactivate")).status_code == 400
    assert (await control(bench, channel_id, "cancellation_request", {"enabled": True})).status_code == 400


@pytest.mark.parametrize(
    ("way", "enabled_false", "reactivate"),
    [("both", 200, 200), ("enabled_false", 200, 404), ("reactivate", 404, 200)],
)
async def test_only_one_call_may_undo_a_requested_end(
    bench: Bench, way: str, enabled_false: int, reactivate: int
) -> None:
    await bench.option(reactivate_by=way)
    for path, body, status in (
        ("cancellation_request", {"enabled": False}, enabled_false),
        ("reactivate", {}, reactivate),
    ):
        channel_id = await bench.live_channel()
        assert (
            await control(bench, channel_id, "cancellation_request", {"enabled": True})
        ).status_code == 200
        assert (await control(bench, channel_id, path, body)).status_code == status
        undone = (await read(bench, channel_id))["hub_status"] == "active"
        assert undone is (status == 200)


# -- the Hub's other buttons


async def test_a_removed_channel_is_nowhere_until_it_returns(bench: Bench) -> None:
    channel_id = await bench.live_channel()
    key = await key_of(bench, channel_id)
    sent = await events(bench)
    assert (await press(bench, channel_id, "remove"))["removed"] is True
    assert await listed(bench) == []
    assert (await bench.partner("GET", f"/channels/{channel_id}")).status_code == 404
    assert (await bench.key(channel_id)).status_code == 404
    assert (await control(bench, channel_id, "cancellation_request", {"enabled": True})).status_code == 404
    assert await key_status(bench, key) == 401
    (state,) = (await bench.state())["channels"]
    assert state["removed"] is True
    await press(bench, channel_id, "return")
    assert await listed(bench) == [channel_id]
    assert await key_status(bench, key) == 200
    assert await events(bench) == sent


@pytest.mark.parametrize("drops", [True, False])
async def test_a_key_made_in_the_hub_kills_ours(bench: Bench, drops: bool) -> None:
    await bench.option(key_drops_webhook=drops)
    channel_id = await bench.live_channel()
    key = await key_of(bench, channel_id)
    await bench.messaging("POST", "/v1/configs/webhook", key, json=HOOK)
    state = await press(bench, channel_id, "make_key")
    assert await key_status(bench, key) == 401
    assert (state["keys_made"], state["keys_made_in_hub"]) == (2, 1)
    assert state["webhook_url"] == (None if drops else HOOK["url"])
    assert "keys" not in state


async def test_no_key_is_made_in_the_hub_before_the_channel_is_live(bench: Bench) -> None:
    made = await desk(bench, "", state="running")
    answer = await bench.dialog.post(f"/admin/channels/{made['id']}/hub", json={"action": "make_key"})
    assert answer.status_code == 422


async def test_the_webhook_is_set_elsewhere_and_taken_away(bench: Bench) -> None:
    channel_id = await bench.live_channel()
    key = await key_of(bench, channel_id)
    await press(bench, channel_id, "set_webhook", url="https://else.example.com/")
    found = await bench.messaging("GET", "/v1/configs/webhook", key)
    assert found.json() == {"url": "https://else.example.com/", "headers": {}}
    await press(bench, channel_id, "set_webhook", url=None)
    assert (await bench.messaging("GET", "/v1/configs/webhook", key)).json()["url"] == ""


@pytest.mark.parametrize("error", ["text", {"code": 131031, "title": "Locked"}, ["a"], 5, False])
async def test_a_channel_shows_an_error_of_any_form(bench: Bench, error: object) -> None:
    channel_id = await bench.live_channel()
    await press(bench, channel_id, "error", error=error)
    assert (await read(bench, channel_id))["setup_info"]["error"] == error
    await press(bench, channel_id, "error", error=None)
    assert (await read(bench, channel_id))["setup_info"]["error"] is None


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/{}/hub", {}),
        ("/{}/hub", {"action": "explode"}),
        ("/{}/hub", {"action": "remove", "more": 1}),
        ("/{}/restrict", {"names": "nobody"}),
        ("/{}/restrict", {"seconds": "soon"}),
        ("/{}/forgive", {"names": None}),
        ("/{}/second", {"state": "dead"}),
        ("", {"spelling": "wild"}),
        ("/noCH/hub", {"action": "remove"}),
    ],
)
async def test_a_wrong_wish_is_refused_with_a_text(bench: Bench, path: str, body: Json) -> None:
    channel_id = await bench.live_channel()
    answer = await bench.dialog.post(f"/admin/channels{path.format(channel_id)}", json=body)
    assert answer.status_code == 422
    assert answer.json()["error"]


# -- restrictions


async def mates(bench: Bench) -> list[str]:
    """Two live channels of one WABA."""
    signup = await bench.signup(wabas=[{"numbers": [{}, {}]}])
    client_id = (await bench.new_client()).json()["id"]
    await bench.submit(signup, client_id, channel_external_id=None)
    await bench.simulators.advance(4)
    return await listed(bench)


async def account_statuses(bench: Bench) -> list[str]:
    page = (await bench.partner("GET", "/channels")).json()["partner_channels"]
    return [channel["waba_account"]["fb_account_status"] for channel in page]


@pytest.mark.parametrize(("names", "touched"), [("channel", 1), ("phone", 1), ("waba", 2)])
async def test_a_restriction_names_what_it_is_asked_to_and_is_forgiven(
    bench: Bench, names: str, touched: int
) -> None:
    first, _ = await mates(bench)
    shown = await read(bench, first)
    subject = {
        "channel": {"id": first},
        "phone": {"phone_number": shown["setup_info"]["phone_number"]},
        "waba": {"id": shown["waba_account"]["external_id"]},
    }[names]
    await desk(bench, f"/{first}/restrict", names=names, event="account_violation", violation_type="ADULT")
    event, data = await last_event(bench)
    assert (event, data["violation_type"]) == ("account_violation", "ADULT")
    assert "restriction_info" not in data
    assert subject.items() <= data.items()
    if names != "channel":
        assert set(data) == {*subject, "violation_type"}
    statuses = await account_statuses(bench)
    assert statuses == ["restricted"] * touched + ["approved"] * (2 - touched)
    await desk(bench, f"/{first}/forgive", names=names)
    event, data = await last_event(bench)
    assert event == "account_reinstated"
    assert subject.items() <= data.items()
    assert await account_statuses(bench) == ["approved"] * 2


async def test_a_restriction_with_an_end_says_it_and_ends_silently(bench: Bench) -> None:
    channel_id = await bench.live_channel()
    state = await desk(bench, f"/{channel_id}/restrict", seconds=3600)
    event, data = await last_event(bench)
    (info,) = data["restriction_info"]
    assert event == "account_restriction"
    assert info["expiration"] == int(bench.clock()) + 3600
    until = datetime.fromtimestamp(bench.clock(), UTC) + timedelta(hours=1)
    assert datetime.fromisoformat(state["restricted_until"]) == until
    sent = await events(bench)
    await bench.simulators.advance(3599)
    assert await account_statuses(bench) == ["restricted"]
    await bench.simulators.advance(1)
    assert await account_statuses(bench) == ["approved"]
    assert await events(bench) == sent


async def test_a_longer_restriction_outlives_the_end_of_the_shorter(bench: Bench) -> None:
    channel_id = await bench.live_channel()
    await desk(bench, f"/{channel_id}/restrict", seconds=10)
    await desk(bench, f"/{channel_id}/restrict", seconds=100)
    await bench.simulators.advance(50)
    assert await account_statuses(bench) == ["restricted"]
    await desk(bench, f"/{channel_id}/restrict")
    await bench.simulators.advance(500)
    assert await account_statuses(bench) == ["restricted"]


async def test_forgiving_may_be_silent(bench: Bench) -> None:
    channel_id = await bench.live_channel()
    await desk(bench, f"/{channel_id}/restrict", violation_type=None)
    assert "violation_type" not in (await last_event(bench))[1]
    sent = await events(bench)
    await desk(bench, f"/{channel_id}/forgive", silent=True)
    assert await account_statuses(bench) == ["approved"]
    assert await events(bench) == sent


# -- 360dialog's words


@pytest.mark.parametrize(("words", "live"), [("lower", "live"), ("upper", "LIVE"), ("title", "Live")])
async def test_words_come_in_any_case_of_letters(bench: Bench, words: str, live: str) -> None:
    await bench.option(words=words)
    channel_id = await bench.live_channel()
    for shown in (await read(bench, channel_id), (await last_event(bench))[1]):
        assert shown["status"] == live
        assert shown["hub_status"].lower() == "active"
        assert shown["waba_account"]["fb_account_status"].lower() == "approved"


async def test_empty_lists_may_be_null(bench: Bench) -> None:
    await bench.option(null_lists=True)
    assert (await bench.partner("GET", "/clients")).json()["clients"] is None
    assert (await bench.partner("GET", "/channels")).json()["partner_channels"] is None
    channel_id = await bench.live_channel()
    assert (await bench.partner("GET", f"/channels/{channel_id}/api_keys")).json()["api_keys"] is None
    assert len((await bench.partner("GET", "/channels")).json()["partner_channels"]) == 1


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://hooks.example.com/in?a=B", "HTTPS://HOOKS.EXAMPLE.COM:443/in?a=B"),
        ("https://hooks.example.com/", "HTTPS://HOOKS.EXAMPLE.COM:443"),
    ],
)
async def test_a_webhook_may_be_read_back_in_another_spelling(bench: Bench, url: str, shown: str) -> None:
    await bench.option(webhook_url_shown="equivalent")
    key = await key_of(bench, await bench.live_channel())
    await bench.messaging("POST", "/v1/configs/webhook", key, json={"url": url})
    assert (await bench.messaging("GET", "/v1/configs/webhook", key)).json()["url"] == shown
