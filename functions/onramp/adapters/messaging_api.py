"""360dialog's messaging host, used only to set and read a channel's webhook with the channel's key."""

from typing import Final

import httpx

from onramp.adapters.upstream import Kind, Rule, Upstream, call
from onramp.domain.text import mapping, text
from onramp.domain.values import dataclass
from onramp.ports.upstreams import ChannelWebhook, NewKey

MESSAGING: Final = Upstream(
    unavailable="partner_unavailable",
    misconfigured="partner_configuration",
    rules=(
        Rule(Kind.TRANSIENT, "partner_unavailable", status=429),
        Rule(Kind.PERMANENT, "key_rejected", status=401),
        Rule(Kind.PERMANENT, "key_rejected", status=403),
        Rule(Kind.TRANSIENT, "partner_unavailable", status=408),
        Rule(Kind.TRANSIENT, "partner_unavailable", status=(500, 599)),
        Rule(Kind.PERMANENT, "webhook_rejected", status=(400, 499)),
    ),
)
READ_BACK: Final = Upstream(
    unavailable=MESSAGING.unavailable,
    misconfigured=MESSAGING.misconfigured,
    # No webhook set has not been seen to be answered with 404, and would be no reason to give up.
    rules=(Rule(Kind.TRANSIENT, "partner_unavailable", status=404), *MESSAGING.rules),
)


@dataclass(frozen=True, slots=True)
class MessagingApi:
    """`Messaging` on httpx. Setting a webhook twice does no harm: nothing is ambiguous."""

    client: httpx.Client

    def set_webhook(self, key: NewKey, webhook: ChannelWebhook) -> None:
        """`POST /v1/configs/webhook` [doc]."""
        call(
            self.client,
            MESSAGING,
            "POST",
            f"{key.address}/v1/configs/webhook",
            changes=False,
            headers={"D360-API-KEY": key.api_key},
            body={"url": webhook.url, "headers": dict(webhook.headers)},
        )

    def read_webhook(self, key: NewKey) -> ChannelWebhook | None:
        """`GET /v1/configs/webhook` [doc]; None when none is set."""
        answer = mapping(
            call(
                self.client,
                READ_BACK,
                "GET",
                f"{key.address}/v1/configs/webhook",
                changes=False,
                headers={"D360-API-KEY": key.api_key},
            )
        )
        url = text(answer.get("url"))
        if url is None:
            return None
        headers = {name: str(value) for name, value in mapping(answer.get("headers")).items()}
        return ChannelWebhook(url=url, headers=headers)
