"""Admin routes of the 360dialog simulator: faults, options, events and what has happened."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from local.simulators.desk import Desk
from local.simulators.dialog360 import DialogServer
from local.simulators.dialog_state import channel_state
from local.simulators.faults import FaultBook
from local.simulators.hub import ChannelState
from local.simulators.meta import MetaServer
from local.simulators.meta_admin import fault_routes, list_customers
from local.simulators.traffic import TrafficLayer
from local.simulators.web import changed, open_app, parse, read_object
from local.simulators.webhooks import SIGNATURE_HEADER, sign


@dataclass(slots=True, kw_only=True)
class NewEvent:
    """Body of `POST /admin/events`. `raw` is sent as it is instead of an envelope."""

    event: str = ""
    data: Any = field(default_factory=dict)
    id: str | None = None
    raw: str | None = None
    signature: Literal["right", "wrong", "missing", "prefixed"] = "right"


@dataclass(slots=True, kw_only=True)
class ChannelChange:
    """Body of `PATCH /admin/channels/{id}`; what is left out stays."""

    state: ChannelState | None = None
    status: str | None = None
    hub_status: str | None = None
    account_mode: str | None = None
    waba_status: str | None = None
    fb_account_status: str | None = None
    error: Any = None
    phone_digits: str | None = None
    external_id: str | None = None
    cancelled: bool | None = None


@dataclass(slots=True, kw_only=True)
class PartnerChange:
    """Body of `POST /admin/partner`; costs nothing of the request budget."""

    webhook_url: str | None = None
    platform_secret: str | None = None
    partner_key: str | None = None


@dataclass(slots=True, kw_only=True)
class DialogAdmin:
    """Changes the 360dialog simulator from outside. `reset` forgets everything, on both sides."""

    server: DialogServer
    meta: MetaServer
    book: FaultBook
    traffic: TrafficLayer
    reset_all: Callable[[], None]
    desk: Desk = field(init=False)

    def __post_init__(self) -> None:
        """Open the desk for what is done to one channel."""
        self.desk = Desk(server=self.server)

    def app(self) -> ASGIApp:
        """Return the ASGI app of the admin routes."""
        channel = "/admin/channels/{channel_id}"
        return open_app(
            [
                Route("/admin/state", self.state),
                Route("/admin/customers", self.customers),
                Route("/admin/reset", self.reset, methods=["POST"]),
                Route("/admin/partner", self.partner, methods=["POST"]),
                Route("/admin/options", self.options, methods=["GET", "PATCH", "DELETE"]),
                Route("/admin/webhook-options", self.webhook_options, methods=["GET", "PATCH"]),
                Route("/admin/webhook-faults", self.webhook_faults, methods=["GET", "POST", "DELETE"]),
                Route("/admin/events", self.send_event, methods=["POST"]),
                Route("/admin/deliveries/{event_id}/redeliver", self.redeliver, methods=["POST"]),
                Route(channel, self.change_channel, methods=["PATCH"]),
                Route(channel + "/grant-permission", self.grant_permission, methods=["POST"]),
                *self.desk.routes(),
                *fault_routes(self.book),
            ]
        )

    async def state(self, _request: Request) -> Response:
        """Show everything 360dialog's side holds, but no key."""
        hub, budget = self.server.hub, self.server.budget
        duplicates = sum(item.duplicate for item in hub.submissions)
        window = hub.options.budget_window_seconds
        return JSONResponse(
            {
                "clients": [asdict(client) for client in hub.clients.values()],
                "channels": [channel_state(channel) for channel in hub.channels.values()],
                "submissions": [asdict(item) for item in hub.submissions],
                "duplicate_submissions": duplicates + hub.refused_duplicates,
                "requests": self.traffic.view(),
                "budget": {
                    "requests": len(budget.starts),
                    "refused": budget.refused,
                    "max_in_any_window": budget.most_in_any_window(window),
                    "in_window": budget.in_window(self.server.now(), window),
                    "calls": hub.options.budget_calls,
                    "window_seconds": window,
                },
                "deliveries": [item.view() for item in self.server.lifecycle.sender.deliveries],
                "faults": [asdict(fault) for fault in self.book.faults],
                "options": asdict(hub.options),
                "usual_options": asdict(self.server.usual_options()),
                "webhook_options": asdict(hub.webhook_options),
                "webhook_faults": asdict(hub.webhook_faults),
                "webhook_url": hub.webhook_url,
            }
        )

    async def customers(self, _request: Request) -> Response:
        """List Meta's customers."""
        return JSONResponse({"customers": list_customers(self.meta)})

    async def reset(self, _request: Request) -> Response:
        """Forget everything, on both sides; the partner's webhook address stays."""
        self.reset_all()
        return JSONResponse({"reset": True})

    async def partner(self, request: Request) -> Response:
        """Set the webhook address, the platform secret, or a partner key that kills the present one."""
        wanted = parse(PartnerChange, await read_object(request))
        hub = self.server.hub
        hub.webhook_url = wanted.webhook_url or hub.webhook_url
        hub.platform_secret = wanted.platform_secret or hub.platform_secret
        settings = self.server.settings
        self.server.settings = replace(settings, partner_key=wanted.partner_key or settings.partner_key)
        return JSONResponse({"webhook_url": hub.webhook_url})

    async def options(self, request: Request) -> Response:
        """Read the options, change them, or put them back."""
        hub = self.server.hub
        if request.method == "DELETE":
            hub.options = self.server.usual_options()
        if request.method == "PATCH":
            hub.options = changed(hub.options, await read_object(request))
        return JSONResponse(asdict(hub.options))

    async def webhook_options(self, request: Request) -> Response:
        """Read or change how webhooks look."""
        hub = self.server.hub
        if request.method == "PATCH":
            hub.webhook_options = changed(hub.webhook_options, await read_object(request))
        return JSONResponse(asdict(hub.webhook_options))

    async def webhook_faults(self, request: Request) -> Response:
        """Read, replace (what is left out is off) or switch off the webhook faults."""
        hub = self.server.hub
        if request.method != "GET":
            wanted = await read_object(request) if request.method == "POST" else {}
            hub.webhook_faults = parse(type(hub.webhook_faults), wanted)
        return JSONResponse(asdict(hub.webhook_faults))

    async def send_event(self, request: Request) -> Response:
        """Send any event at once, without faults and without redelivery."""
        wanted = parse(NewEvent, await read_object(request))
        sender = self.server.lifecycle.sender
        delivery = sender.envelope(wanted.event, wanted.data, wanted.id)
        body = delivery.body if wanted.raw is None else wanted.raw.encode()
        right = sign(self.server.hub.platform_secret, body)
        headers = {
            "right": {SIGNATURE_HEADER: sender.signature(body)},
            "wrong": {SIGNATURE_HEADER: right[::-1]},
            "missing": {},
            "prefixed": {SIGNATURE_HEADER: f"sha256={right}"},
        }[wanted.signature]
        return JSONResponse({"id": delivery.event_id, **await sender.post(body, headers)})

    async def redeliver(self, request: Request) -> Response:
        """Send a known event once more: same id, same bytes."""
        delivery = await self.server.lifecycle.sender.redeliver(request.path_params["event_id"])
        if delivery is None:
            return JSONResponse({"error": "no such event"}, status_code=404)
        return JSONResponse(delivery.view())

    async def change_channel(self, request: Request) -> Response:
        """Change what a channel shows; sends no event."""
        channel = self.desk.channel(request)
        wanted = parse(ChannelChange, await read_object(request))
        for name, value in asdict(wanted).items():
            if value is not None and name != "cancelled":
                setattr(channel, name, value)
        if wanted.state is not None:
            channel.put_in(wanted.state, self.server.now())
            channel.status = wanted.status or wanted.state
        if wanted.cancelled is not None:
            channel.cancelled_at = self.server.now() if wanted.cancelled else None
        return JSONResponse(channel_state(channel))

    async def grant_permission(self, request: Request) -> Response:
        """Let the client permit the making of a key; sends `channel_permission_granted`."""
        channel = self.desk.channel(request)
        self.server.lifecycle.grant(channel)
        return JSONResponse(channel_state(channel))
