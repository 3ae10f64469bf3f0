"""Simulator of 360dialog's messaging host, as far as a new channel needs it."""

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from local.simulators.clock import Agenda, Now
from local.simulators.hub import Channel, Hub
from local.simulators.web import BadBodyError, Json, json_bytes, read_object
from local.simulators.webhooks import UNDELIVERED, Deliver, on_this_machine

type ChannelHandler = Callable[[Request, Channel], Awaitable[Response]]


def url_problem(url: object) -> str | None:
    """Say why 360dialog would refuse a channel webhook address, or nothing."""
    if not isinstance(url, str):
        return "url is required"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "url is not valid"
    if parts.scheme != "https" or not parts.hostname:
        return "url must be https"
    if port is not None:
        return "url must not have a port"
    return "url must not have an underscore in its host" if "_" in parts.hostname else None


@dataclass(slots=True, kw_only=True)
class Messaging:
    """Channel webhook and sending, authenticated by the channel's living key."""

    hub: Hub
    agenda: Agenda
    now: Now
    rng: random.Random
    deliver: Deliver

    def app(self) -> ASGIApp:
        """Return the ASGI app."""
        return Starlette(
            routes=[
                Route("/v1/configs/webhook", self._keyed(self.webhook), methods=["GET"]),
                Route("/v1/configs/webhook", self._keyed(self.set_webhook), methods=["POST"]),
                Route("/messages", self._keyed(self.send), methods=["POST"]),
            ],
            exception_handlers={BadBodyError: _bad_body, HTTPException: _http_error},
        )

    async def webhook(self, _request: Request, channel: Channel) -> Response:
        """Read the channel's webhook."""
        if channel.webhook is None:
            if self.hub.options.unset_webhook_missing:
                return _error(404, "no webhook is set")
            return JSONResponse({"url": "", "headers": {}})
        return JSONResponse(channel.webhook | {"url": self._shown(channel.webhook["url"])})

    def _shown(self, url: str) -> str:
        """The address as it was set, or another spelling of the same."""
        if self.hub.options.webhook_url_shown == "as_set":
            return url
        try:
            parts = urlsplit(url)
            port = "" if parts.port or parts.scheme != "https" else ":443"
        except ValueError:
            return url
        path = parts.path if parts.path != "/" else ""
        return urlunsplit((parts.scheme.upper(), parts.netloc.upper() + port, path, parts.query, ""))

    async def set_webhook(self, request: Request, channel: Channel) -> Response:
        """Set the channel's webhook `{url, headers}`."""
        body = await read_object(request)
        problem = url_problem(body.get("url"))
        if problem and not (self.hub.options.allow_any_webhook_url and isinstance(body.get("url"), str)):
            return _error(400, problem)
        headers = body.get("headers", {})
        if not isinstance(headers, dict) or not all(isinstance(value, str) for value in headers.values()):
            return _error(400, "headers must be an object of strings")
        channel.webhook = {"url": body["url"], "headers": headers}
        return JSONResponse(channel.webhook)

    async def send(self, request: Request, channel: Channel) -> Response:
        """Accept a message as the Cloud API does, and report its status to the channel's webhook."""
        body = await read_object(request)
        to = body.get("to")
        if body.get("messaging_product") != "whatsapp" or not isinstance(to, str):
            return _error(400, "messaging_product must be whatsapp and to a phone number")
        message_id = f"wamid.{self.rng.getrandbits(160):040X}"
        if self.hub.options.message_statuses:
            for step, status in enumerate(("sent", "delivered"), start=1):
                self._report(channel, _status_body(channel, message_id, to, status, self.now()), step)
        contacts = [{"input": to, "wa_id": to.lstrip("+")}]
        return JSONResponse(
            {"messaging_product": "whatsapp", "contacts": contacts, "messages": [{"id": message_id}]}
        )

    def _report(self, channel: Channel, body: Json, step: int) -> None:
        webhook = channel.webhook
        if webhook is None or not on_this_machine(webhook["url"]):
            return

        async def post() -> None:
            headers = {"content-type": "application/json"} | webhook["headers"]
            try:
                await self.deliver(webhook["url"], json_bytes(body), headers)
            except UNDELIVERED:
                return

        self.agenda.after(step * self.hub.options.step_seconds, post)

    def _keyed(self, handler: ChannelHandler) -> Callable[[Request], Awaitable[Response]]:
        async def checked(request: Request) -> Response:
            given = request.headers.get("d360-api-key")
            channel = self.hub.keyed.get(given or "")
            key = None if channel is None or channel.ended else channel.live_key()
            if channel is not None and key is not None and key.secret == given:
                return await handler(request, channel)
            return _error(401, "Invalid api key")

        return checked


def _status_body(channel: Channel, message_id: str, to: str, status: str, at: float) -> Json:
    """Meta's own webhook body, which 360dialog passes on as it is."""
    number = {"display_phone_number": channel.phone_digits, "phone_number_id": channel.phone_number_id}
    entry = {"id": message_id, "status": status, "timestamp": str(int(at)), "recipient_id": to.lstrip("+")}
    value = {"messaging_product": "whatsapp", "metadata": number, "statuses": [entry]}
    change = {"field": "messages", "value": value}
    return {
        "object": "whatsapp_business_account",
        "entry": [{"id": channel.waba_external_id, "changes": [change]}],
    }


def _error(status: int, text: str) -> Response:
    return JSONResponse({"error": text}, status)


async def _bad_body(_request: Request, error: Exception) -> Response:
    return _error(400, str(error))


async def _http_error(_request: Request, error: Exception) -> Response:
    return _error(error.status_code if isinstance(error, HTTPException) else 500, "no such resource")
