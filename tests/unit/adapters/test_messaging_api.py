"""The messaging host: setting and reading back a channel's webhook with its own key."""

import httpx
import pytest

from onramp.adapters.messaging_api import MessagingApi
from onramp.domain.errors import Permanent, Transient
from onramp.ports.upstreams import ChannelWebhook, NewKey
from tests.canary import CHANNEL_KEY
from tests.unit.wire import Wire, says

KEY = NewKey(api_key=CHANNEL_KEY, address="https://waba-v2.360dialog.io")
WEBHOOK = ChannelWebhook(url="https://hooks.example/in", headers={"X-Shared": "s"})


def test_a_webhook_is_set_with_the_channels_key() -> None:
    wire = Wire(says({"url": WEBHOOK.url}))
    MessagingApi(wire.client).set_webhook(KEY, WEBHOOK)
    request = wire.requests[0]
    assert (request.method, str(request.url)) == ("POST", "https://waba-v2.360dialog.io/v1/configs/webhook")
    assert request.headers["d360-api-key"] == CHANNEL_KEY
    assert wire.body(0) == {"url": WEBHOOK.url, "headers": {"X-Shared": "s"}}


def test_a_webhook_is_read_back() -> None:
    wire = Wire(says({"url": WEBHOOK.url, "headers": {"X-Shared": "s"}}))
    assert MessagingApi(wire.client).read_webhook(KEY) == WEBHOOK
    request = wire.requests[0]
    assert (request.method, request.url.path) == ("GET", "/v1/configs/webhook")
    assert request.headers["d360-api-key"] == CHANNEL_KEY
    assert request.content == b""


@pytest.mark.parametrize(
    "answer", [{}, [], "x", {"url": None}, {"url": ""}, {"url": {}}, {"headers": {"a": "b"}}]
)
def test_no_webhook_is_none(answer: object) -> None:
    assert MessagingApi(Wire(says(answer)).client).read_webhook(KEY) is None


@pytest.mark.parametrize("headers", [None, [], "x", 3])
def test_headers_nobody_can_read_are_none(headers: object) -> None:
    read = MessagingApi(Wire(says({"url": "https://a.example", "headers": headers})).client).read_webhook(KEY)
    assert read == ChannelWebhook("https://a.example", {})


def test_header_values_are_compared_as_text() -> None:
    read = MessagingApi(Wire(says({"url": "https://a.example", "headers": {"a": 1}})).client).read_webhook(
        KEY
    )
    assert read is not None
    assert read.headers == {"a": "1"}


@pytest.mark.parametrize(
    "trouble", [httpx.ReadTimeout("no"), httpx.ConnectError("no"), httpx.RemoteProtocolError("no")]
)
def test_setting_twice_does_no_harm_so_nothing_is_ambiguous(trouble: Exception) -> None:
    api = MessagingApi(Wire(trouble, trouble).client)
    with pytest.raises(Transient):
        api.set_webhook(KEY, WEBHOOK)
    with pytest.raises(Transient):
        api.read_webhook(KEY)


def test_a_dead_key_is_told_apart() -> None:
    with pytest.raises(Permanent) as raised:
        MessagingApi(Wire(says({"error": "invalid key"}, 401)).client).read_webhook(KEY)
    assert raised.value.code == "key_rejected"
