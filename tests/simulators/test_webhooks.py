import hashlib
import hmac
import json
from typing import Any

import httpx
import pytest

from local.simulators.webhooks import http_deliver, on_this_machine
from tests.simulators.harness import PLATFORM_SECRET, WEBHOOK_URL, Bench

pytestmark = pytest.mark.anyio

WAY = ["channel_created", "channel_ready", "channel_running", "channel_live"]


async def submitted(bench: Bench) -> None:
    signup = await bench.signup()
    client_id = (await bench.new_client()).json()["id"]
    assert (await bench.submit(signup, client_id)).status_code == 200


async def faults(bench: Bench, **given: object) -> None:
    assert (await bench.dialog.post("/admin/webhook-faults", json=given)).status_code == 200


def events(bench: Bench) -> list[str]:
    return [json.loads(letter.body)["event"] for letter in bench.inbox.letters]


def last_data(bench: Bench) -> dict[str, Any]:
    return dict(json.loads(bench.inbox.letters[-1].body)["data"])


async def test_a_channel_walks_to_live_one_signed_event_a_step(bench: Bench) -> None:
    start = bench.clock()
    await submitted(bench)
    await bench.simulators.advance(10)
    assert events(bench) == ["client_created", *WAY]
    assert [letter.at - start for letter in bench.inbox.letters] == [0, 1, 2, 3, 4]
    for letter in bench.inbox.letters:
        expected = hmac.new(PLATFORM_SECRET.encode(), letter.body, hashlib.sha256).hexdigest()
        assert letter.headers["x-360dialog-signature"] == expected
        assert letter.url == WEBHOOK_URL
    data = last_data(bench)
    (channel,) = bench.simulators.hub.channels.values()
    assert data["id"] == channel.id
    assert data["setup_info"]["phone_number"] == channel.phone_digits
    assert data["waba_account"]["external_id"] == channel.waba_external_id
    assert data["waba_account"]["id"].endswith("WA")


async def test_anything_but_200_is_redelivered_with_the_same_bytes(bench: Bench) -> None:
    bench.inbox.answers = [202, 500, httpx.ReadTimeout("slow"), 200]
    await bench.new_client()
    start = bench.clock()
    await bench.simulators.advance(60)
    letters = bench.inbox.letters
    assert [letter.at - start for letter in letters] == [0, 1, 3, 7]
    assert len({letter.body for letter in letters}) == 1
    (delivery,) = (await bench.state())["deliveries"]
    assert delivery["outcome"] == "delivered"
    assert [attempt["status"] for attempt in delivery["attempts"]] == [202, 500, None, 200]


async def test_redelivery_gives_up_in_the_end(bench: Bench) -> None:
    await bench.dialog.patch("/admin/webhook-options", json={"redelivery_for_seconds": 10})
    bench.inbox.answers = [500] * 100
    await bench.new_client()
    await bench.simulators.advance(100)
    (delivery,) = (await bench.state())["deliveries"]
    assert delivery["outcome"] == "expired"
    assert len(delivery["attempts"]) == 4


async def test_an_event_can_be_dropped(bench: Bench) -> None:
    await faults(bench, drop=1, only=["channel_ready"])
    await submitted(bench)
    await bench.simulators.advance(10)
    assert "channel_ready" not in events(bench)
    assert "channel_live" in events(bench)


async def test_an_event_can_come_twice(bench: Bench) -> None:
    await faults(bench, duplicate=1, only=["channel_live"])
    await submitted(bench)
    await bench.simulators.advance(10)
    first, second = bench.inbox.letters[-2:]
    assert first.body == second.body
    assert events(bench).count("channel_live") == 2


async def test_a_later_event_can_overtake(bench: Bench) -> None:
    await faults(bench, reorder=1, only=["channel_created"])
    await submitted(bench)
    await bench.simulators.advance(10)
    order = ["channel_ready", "channel_running", "channel_created", "channel_live"]
    assert events(bench)[1:] == order


async def test_the_phone_can_be_missing_at_live(bench: Bench) -> None:
    await faults(bench, empty_phone_at_live=True, missing_external_id=True)
    await submitted(bench)
    await bench.simulators.advance(10)
    data = last_data(bench)
    assert data["setup_info"]["phone_number"] is None
    assert "external_id" not in data["waba_account"]
    read = (await bench.partner("GET", f"/channels/{data['id']}")).json()
    assert read["setup_info"]["phone_number"]
    assert read["waba_account"]["external_id"]


async def test_the_envelope_has_other_forms(bench: Bench) -> None:
    options = {
        "as_array": True,
        "type_instead_of_event": True,
        "top_level_fields": True,
        "signature_prefix": True,
    }
    await bench.dialog.patch("/admin/webhook-options", json=options)
    await submitted(bench)
    await bench.simulators.advance(10)
    (envelope,) = json.loads(bench.inbox.letters[-1].body)
    assert envelope["type"] == "channel_live"
    assert envelope["data"]["phone_number"]
    assert "setup_info" not in envelope["data"]
    assert bench.inbox.letters[-1].headers["x-360dialog-signature"].startswith("sha256=")


async def test_the_first_event_can_come_before_the_answer(bench: Bench) -> None:
    await bench.option(first_event_before_answer=True)
    await submitted(bench)
    assert "channel_created" in events(bench)


async def test_a_channel_can_get_stuck(bench: Bench) -> None:
    await bench.option(stop_at="ready")
    await submitted(bench)
    await bench.simulators.advance(100)
    assert events(bench)[-1] == "channel_ready"


@pytest.mark.parametrize("signature", ["wrong", "missing"])
async def test_any_event_can_be_sent_even_a_forged_one(bench: Bench, signature: str) -> None:
    body = {"event": "account_violation", "data": {"id": "1"}, "id": "E1", "signature": signature}
    bench.inbox.answers = [401]
    answer = (await bench.dialog.post("/admin/events", json=body)).json()
    assert (answer["id"], answer["status"]) == ("E1", 401)
    (letter,) = bench.inbox.letters
    right = hmac.new(PLATFORM_SECRET.encode(), letter.body, hashlib.sha256).hexdigest()
    assert letter.headers.get("x-360dialog-signature") != right


async def test_a_delivered_event_can_be_replayed(bench: Bench) -> None:
    await bench.new_client()
    await bench.simulators.advance(0)
    (delivery,) = (await bench.state())["deliveries"]
    await bench.dialog.post(f"/admin/deliveries/{delivery['id']}/redeliver")
    first, second = bench.inbox.letters
    assert first.body == second.body


async def test_the_platform_secret_can_be_rotated(bench: Bench) -> None:
    await bench.dialog.post("/admin/partner", json={"platform_secret": "the-next-one"})
    await bench.new_client()
    await bench.simulators.advance(0)
    (letter,) = bench.inbox.letters
    right = hmac.new(b"the-next-one", letter.body, hashlib.sha256).hexdigest()
    assert letter.headers["x-360dialog-signature"] == right


@pytest.mark.parametrize(
    "url",
    ["https://example.com/x", "http://127.0.0.1.example.com/", "ftp://127.0.0.1/", "http://[bad"],
)
async def test_no_other_machine_is_ever_called(url: str) -> None:
    assert not on_this_machine(url)
    transport = httpx.MockTransport(lambda _: httpx.Response(200))
    async with httpx.AsyncClient(transport=transport) as client:
        with pytest.raises(OSError, match="loopback"):
            await http_deliver(client)(url, b"{}", {})


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080/x", "http://localhost/x"])
async def test_this_machine_is_called(url: str) -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(204))
    async with httpx.AsyncClient(transport=transport) as client:
        assert await http_deliver(client)(url, b"{}", {}) == 204
