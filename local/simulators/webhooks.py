"""Partner webhooks: envelope, signature, delivery, redelivery, and what goes wrong on the way."""

import asyncio
import hashlib
import hmac
import ipaddress
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Literal
from urllib.parse import urlsplit

import httpx

from local.simulators.clock import Agenda, Now
from local.simulators.hub import Channel, Hub
from local.simulators.web import Json, json_bytes

type Deliver = Callable[[str, bytes, dict[str, str]], Awaitable[int]]
"""Posts a body to a URL and returns the status. Raises one of UNDELIVERED without an answer."""

SIGNATURE_HEADER = "x-360dialog-signature"
ANSWER_WITHIN_SECONDS = 5.0
AT_ONCE = 8
"""Webhooks on their way at one time: here each takes a process of the emulator, and many stifle a laptop."""
UNDELIVERED = (httpx.HTTPError, httpx.InvalidURL, OSError)
"""What a Deliver raises when there is no answer."""


class NotLocalError(OSError):
    """The simulators only ever call this machine."""


def on_this_machine(url: str) -> bool:
    """Say whether a URL is http(s) and leads to the loopback interface."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return False
    if parts.scheme not in ("http", "https"):
        return False
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def http_deliver(client: httpx.AsyncClient) -> Deliver:
    """Make a Deliver that really posts, to this machine only, `AT_ONCE` at a time."""
    line = asyncio.Semaphore(AT_ONCE)

    async def deliver(url: str, body: bytes, headers: dict[str, str]) -> int:
        if not on_this_machine(url):
            raise NotLocalError("only loopback addresses are called")
        async with line:
            answer = await client.post(url, content=body, headers=headers, timeout=ANSWER_WITHIN_SECONDS)
        return answer.status_code

    return deliver


def sign(secret: str, body: bytes) -> str:
    """Lower-case hex HMAC-SHA256 of the raw body under the platform secret."""
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


@dataclass(slots=True, kw_only=True)
class Delivery:
    """One event on its way, with the bytes that every attempt repeats. Times are epoch seconds."""

    event_id: str
    event: str
    subject: str
    body: bytes
    made_at: float
    outcome: Literal["pending", "delivered", "dropped", "expired", "no_url"] = "pending"
    faults: list[str] = field(default_factory=list)
    attempts: list[Json] = field(default_factory=list)

    def view(self) -> Json:
        """Return the delivery as admin answers show it, body included (it holds no secret)."""
        return {
            "id": self.event_id,
            "event": self.event,
            "subject": self.subject,
            "outcome": self.outcome,
            "faults": self.faults,
            "attempts": self.attempts,
            "made_at": self.made_at,
            "body": self.body.decode(),
        }


@dataclass(slots=True, kw_only=True)
class WebhookSender:
    """Sends partner webhooks until they are answered with exactly 200."""

    hub: Hub
    agenda: Agenda
    now: Now
    rng: random.Random
    deliver: Deliver
    deliveries: list[Delivery] = field(default_factory=list)

    def envelope(self, event: str, data: Any, event_id: str | None = None) -> Delivery:  # noqa: ANN401
        """Wrap an event as the options say, under a new id unless one is given."""
        options = self.hub.webhook_options
        event_id = event_id or f"{self.rng.getrandbits(128):032x}"
        name = "type" if options.type_instead_of_event else "event"
        body: Any = {"id": event_id, name: event, "data": data}
        subject = str(data.get("id", "")) if isinstance(data, dict) else ""
        raw = json_bytes([body] if options.as_array else body)
        return Delivery(event_id=event_id, event=event, subject=subject, body=raw, made_at=self.now())

    def send(self, event: str, data: Json) -> Delivery:
        """Put an event on its way, through whatever faults are switched on."""
        delivery = self.envelope(event, data)
        self.deliveries.append(delivery)
        if self._strikes(delivery, "drop"):
            delivery.outcome = "dropped"
            return delivery
        wait = 0.0
        if self._strikes(delivery, "reorder"):
            # Longer than two steps: at least one later event overtakes this one.
            wait += 2.5 * self.hub.options.step_seconds
        if self._strikes(delivery, "delay"):
            wait += self.hub.webhook_faults.delay_seconds
        copies = 2 if self._strikes(delivery, "duplicate") else 1
        for _ in range(copies):
            self.agenda.after(wait, lambda: self._try(delivery))
        return delivery

    async def send_now(self, event: str, data: Json) -> Delivery:
        """Send an event before doing anything else; redelivered like any other."""
        delivery = self.envelope(event, data)
        self.deliveries.append(delivery)
        await self._try(delivery)
        return delivery

    async def post(self, body: bytes, headers: dict[str, str]) -> Json:
        """Post a body to the partner's address once: `{status, error}`."""
        if self.hub.webhook_url is None:
            return {"at": self.now(), "status": None, "error": "no webhook_url is set"}
        start = self.now()
        headers = {"content-type": "application/json"} | headers
        try:
            status = await self.deliver(self.hub.webhook_url, body, headers)
        except UNDELIVERED as error:
            return {"at": start, "status": None, "error": f"{type(error).__name__}: {error}"}
        return {"at": start, "status": status, "error": None, "seconds": round(self.now() - start, 4)}

    def signature(self, body: bytes) -> str:
        """Return the signature header's value for a body."""
        prefix = "sha256=" if self.hub.webhook_options.signature_prefix else ""
        return prefix + sign(self.hub.platform_secret, body)

    async def redeliver(self, event_id: str) -> Delivery | None:
        """Send a known event once more, whatever became of it; nothing when it is not known."""
        delivery = next((item for item in self.deliveries if item.event_id == event_id), None)
        if delivery is not None:
            await self._try(delivery)
        return delivery

    def clear(self) -> None:
        """Forget what was sent."""
        self.deliveries.clear()

    def _strikes(self, delivery: Delivery, fault: str) -> bool:
        faults = self.hub.webhook_faults
        probability: float = getattr(faults, fault)
        # Drawing only for switched-on faults keeps a seeded run the same when others are added.
        if probability <= 0 or not faults.covers(delivery.event) or self.rng.random() >= probability:
            return False
        delivery.faults.append(fault)
        return True

    async def _try(self, delivery: Delivery) -> None:
        if self.hub.webhook_url is None:
            delivery.outcome = "no_url"
            return
        attempt = await self.post(delivery.body, {SIGNATURE_HEADER: self.signature(delivery.body)})
        delivery.attempts.append(attempt)
        if attempt["status"] == HTTPStatus.OK:
            delivery.outcome = "delivered"
        elif delivery.outcome != "delivered":
            self._again(delivery)

    def _again(self, delivery: Delivery) -> None:
        options = self.hub.webhook_options
        wait = min(
            options.redelivery_base_seconds * 2.0 ** min(len(delivery.attempts) - 1, 30),
            options.redelivery_cap_seconds,
        )
        if self.now() + wait > delivery.made_at + options.redelivery_for_seconds:
            delivery.outcome = "expired"
            return
        delivery.outcome = "pending"
        self.agenda.after(wait, lambda: self._try(delivery))


def channel_data(view: Json, channel: Channel, hub: Hub) -> Json:
    """Return what a channel event carries as `data`: the channel object, or some of it at top level."""
    if not hub.webhook_options.top_level_fields:
        return view
    waba = view["waba_account"]
    account = {name: waba[name] for name in ("id", "external_id") if name in waba}
    return {
        "id": channel.id,
        **({"external_id": view["external_id"]} if "external_id" in view else {}),
        "phone_number": view["setup_info"]["phone_number"],
        "phone_name": view["setup_info"]["phone_name"],
        "client_id": channel.client_id,
        "client": view["client"],
        "fb_account_status": waba["fb_account_status"],
        "status": view["status"],
        "account_mode": channel.account_mode,
        "waba_account": account,
    }
