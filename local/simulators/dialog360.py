"""Simulator of 360dialog's Partner API."""

import json
import math
import random
import string
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Any, Literal

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Scope, Send

from local.simulators.clock import Now, iso
from local.simulators.faults import Answer, Fault
from local.simulators.hub import ApiKey, Channel, Client, DialogOptions, Hub, Submission, channel_view
from local.simulators.lifecycle import Lifecycle
from local.simulators.messaging import Messaging
from local.simulators.settings import Settings, Urls
from local.simulators.traffic import Budget
from local.simulators.web import BadBodyError, Json, json_bytes, read_object
from local.simulators.world import Customer, PhoneNumber, Waba, World

PARTNER_API = "/api/v2/"
TIERS = ("basic", "regular", "premium")
_CLIENT_FILTERS = ("id", "contact_info.email", "contact_user.email", "name")
_CHANNEL_FILTERS = (
    "id",
    "external_id",
    "client_id",
    "status",
    "setup_info.phone_number",
    "client.contact_info.email",
    "waba_account.id",
)
_SUBMISSION_FIELDS = {
    "solution_id",
    "waba_external_id",
    "client_id",
    "waba_business_id",
    "tier",
    "channel_external_id",
}

type Handler = Callable[[Request], Any]


class DialogError(Exception):
    """An answer of the Partner API that is an error."""

    def __init__(self, status: int, message: str, details: list[str] | None = None) -> None:
        """Take the HTTP status, the developer's message and a list of details."""
        super().__init__(message)
        self.status = status
        self.details = details or []


def meta_body(status: int, message: str, details: list[str] | None = None) -> Json:
    """Return the Partner API's error body."""
    return {
        "meta": {
            "success": False,
            "http_code": status,
            "developer_message": message,
            "details": details or [],
            "error_data": {},
        }
    }


def lookup(node: object, path: str) -> Any:  # noqa: ANN401 - any JSON value
    """Follow a dotted path; nothing when a part is missing."""
    value: Any = node
    for part in path.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def first_options(settings: Settings) -> DialogOptions:
    """Return the options a run starts with."""
    return DialogOptions(
        step_seconds=settings.step_seconds,
        budget_calls=settings.budget_calls,
        budget_window_seconds=settings.budget_window_seconds,
    )


class DialogServer:
    """360dialog's Partner API for one partner, over a Hub."""

    def __init__(
        self,
        *,
        hub: Hub,
        world: World,
        lifecycle: Lifecycle,
        settings: Settings,
        urls: Urls,
        now: Now,
        rng: random.Random,
    ) -> None:
        """Take 360dialog's own state, Meta's world and the parts that make channels move."""
        self.hub = hub
        self.world = world
        self.lifecycle = lifecycle
        self.settings = settings
        self.urls = urls
        self.now = now
        self.rng = rng
        self.budget = Budget()
        self.messaging = Messaging(
            hub=hub, agenda=lifecycle.agenda, now=now, rng=rng, deliver=lifecycle.sender.deliver
        )

    def usual_options(self) -> DialogOptions:
        """Return the options a run starts with."""
        return first_options(self.settings)

    def app(self) -> ASGIApp:
        """Return the ASGI app of both hosts, without admin routes, faults and budget."""
        channel, client = "/channels/{channel_id}", "/clients/{client_id}"
        control = client + channel + "/control"
        table: list[tuple[str, str, Handler]] = [
            ("GET", "", self.partner),
            ("PATCH", "", self.change_partner),
            ("GET", "/balance", self.balance),
            ("GET", "/webhook_url", self.webhook_url),
            ("POST", "/webhook_url", self.change_webhook_url),
            ("POST", "/account_sharing/clients", self.create_client),
            ("POST", "/account_sharing/numbers", self.submit_number),
            ("GET", "/clients", self.list_clients),
            ("PATCH", client, self.change_client),
            ("GET", "/channels", self.list_channels),
            ("GET", channel, self.read_channel),
            ("POST", channel + "/api_keys", self.make_key),
            ("GET", channel + "/api_keys", self.list_keys),
            ("DELETE", channel + "/api_keys", self.delete_keys),
            ("POST", control + "/cancellation_request", self.request_cancellation),
            ("POST", control + "/reactivate", self.reactivate),
        ]
        routes = [
            Route(f"/partners/{{partner_id}}{path}", self._as_partner(handler), methods=[method])
            for method, path, handler in table
        ]
        return Starlette(
            routes=[Mount("/api/v2", routes=routes), Mount("/messaging", app=self.messaging.app())],
            exception_handlers={
                DialogError: _dialog_error,
                BadBodyError: _bad_body,
                HTTPException: _http_error,
            },
        )

    # -- what every call passes -----------------------------------------------------------------

    async def guard(self, scope: Scope, send: Send) -> bool:
        """Count every Partner API call before anything else and refuse it over budget."""
        if not scope["path"].startswith(PARTNER_API):
            return False
        options = self.hub.options
        wait = self.budget.admit(
            self.now(),
            calls=options.budget_calls,
            window=options.budget_window_seconds,
            count_refused=options.budget_counts_refused,
        )
        if wait is None or not options.budget_enforced:
            return False
        scope["faults"].append("budget")
        allowed = f"{options.budget_calls} requests per {options.budget_window_seconds:g} seconds"
        text = f"Rate limit exceeded: {allowed}"
        body = json_bytes(meta_body(429, text))
        headers = {"content-type": "application/json", "content-length": str(len(body))}
        if options.retry_after_header:
            headers["retry-after"] = str(max(1, math.ceil(wait)))
        await Answer(429, headers, body).send(send)
        return True

    def error_body(self, path: str, status: int, fault: Fault) -> Json:
        """Word an injected error as the host that was called would."""
        throttled = status == HTTPStatus.TOO_MANY_REQUESTS
        text = fault.message or ("Rate limit exceeded" if throttled else "Something went wrong")
        if path.startswith(PARTNER_API):
            return meta_body(status, text)
        return {"error": text}

    def _as_partner(self, handler: Handler) -> Handler:
        async def checked(request: Request) -> Response:
            if request.headers.get("x-api-key") != self.settings.partner_key:
                raise DialogError(401, "Authentication failed")
            if request.path_params["partner_id"] != self.settings.partner_id:
                raise DialogError(403, "Not allowed for this partner")
            answer: Response = await handler(request)
            return answer

        return checked

    # -- the partner ----------------------------------------------------------------------------

    async def partner(self, _request: Request) -> Response:
        """Read the partner's settings."""
        return JSONResponse(self._partner_view())

    async def change_partner(self, request: Request) -> Response:
        """Set `webhook_url` or `partner_redirect_url`."""
        body = await read_object(request)
        self._strict(body, {"webhook_url", "partner_redirect_url"})
        if "webhook_url" in body:
            self.hub.webhook_url = _url(body, "webhook_url")
        if "partner_redirect_url" in body:
            self.hub.redirect_url = _url(body, "partner_redirect_url")
        return JSONResponse(self._partner_view())

    async def balance(self, _request: Request) -> Response:
        """Read what the partner has, in its one currency."""
        return JSONResponse([{"currency": "EUR", "total": self.hub.options.balance}])

    async def webhook_url(self, _request: Request) -> Response:
        """Read the partner webhook address."""
        return JSONResponse({"webhook_url": self.hub.webhook_url})

    async def change_webhook_url(self, request: Request) -> Response:
        """Overwrite the partner webhook address."""
        self.hub.webhook_url = _url(await read_object(request), "webhook_url")
        return JSONResponse({"webhook_url": self.hub.webhook_url})

    def _partner_view(self) -> Json:
        return {
            "id": self.settings.partner_id,
            "name": "Onramp local",
            "status": "active",
            "webhook_url": self.hub.webhook_url,
            "partner_redirect_url": self.hub.redirect_url,
        }

    # -- clients --------------------------------------------------------------------------------

    async def create_client(self, request: Request) -> Response:
        """Make a client. Each call makes another one, whatever its email."""
        body = await read_object(request)
        names = ("name", "email", "user_name")
        self._strict(body, set(names))
        _texts(body, names)
        client = self._new_client(
            Client(
                id=self.new_id("CL"),
                name=body["name"],
                email=body["email"],
                user_name=body["user_name"],
                created_at=self.now(),
            )
        )
        stamp = {"user_id": "partner", "user_name": "partner"}
        at = iso(client.created_at)
        answer: Json = {"created_at": at, "created_by": stamp, "modified_at": at, "modified_by": stamp}
        if self.hub.options.client_id_field != "none":
            answer[self.hub.options.client_id_field] = client.id
        return JSONResponse(answer, self.hub.options.create_client_status)

    def _new_client(self, client: Client) -> Client:
        self.hub.clients[client.id] = client
        self.lifecycle.sender.send("client_created", client.view(self.settings.partner_id))
        return client

    async def list_clients(self, request: Request) -> Response:
        """List clients, as far as the list has caught up."""
        options = self.hub.options
        filters = self._filters(request)
        fresh_since = self.now() - options.client_list_lag_seconds
        views = [
            client.view(self.settings.partner_id)
            for client in self.hub.clients.values()
            if client.created_at <= fresh_since
        ]
        if not options.ignore_client_filters:
            fold = () if options.email_filter_case_sensitive else ("contact_info.email", "contact_user.email")
            views = _matching(views, filters, _CLIENT_FILTERS, fold)
        return self._page(request, "clients", views, filters)

    async def change_client(self, request: Request) -> Response:
        """Set `partner_payload` or `max_channels`."""
        client = self._client(request.path_params["client_id"])
        body = await read_object(request)
        self._strict(body, {"partner_payload", "max_channels"})
        payload = body.get("partner_payload", client.partner_payload)
        most = body.get("max_channels", client.max_channels)
        if not isinstance(payload, str | None) or isinstance(most, bool) or not isinstance(most, int):
            raise DialogError(400, "Wrong payload", ["partner_payload: string", "max_channels: integer"])
        client.partner_payload, client.max_channels = payload, most
        return JSONResponse(client.view(self.settings.partner_id))

    def _client(self, client_id: str) -> Client:
        client = self.hub.clients.get(client_id)
        if client is None:
            raise DialogError(404, f"Client {client_id} not found")
        return client

    # -- submission -----------------------------------------------------------------------------

    async def submit_number(self, request: Request) -> Response:
        """Accept one number of a WABA, or all of them when none is named."""
        body = await read_object(request)
        self._strict(body, _SUBMISSION_FIELDS)
        customer, waba = self._submitted_waba(body)
        numbers = _submitted_numbers(body, waba, self.now())
        client = self._submitting_client(body, customer)
        channels = self._accept(body, customer, waba, client, numbers)
        for channel in channels:
            if self.hub.options.first_event_before_answer:
                await self.lifecycle.step_now(channel)
            else:
                self.lifecycle.start(channel)
        return JSONResponse(self._submission_answer(body, client))

    def _submitted_waba(self, body: Json) -> tuple[Customer, Waba]:
        _texts(body, ("solution_id", "waba_external_id"))
        if body["solution_id"] != self.settings.solution_id:
            raise DialogError(400, "Wrong payload", ["solution_id: not a solution of this partner"])
        if body.get("tier", "regular") not in TIERS:
            raise DialogError(400, "Wrong payload", [f"tier: one of {', '.join(TIERS)}"])
        if not body.get("client_id") and not body.get("waba_business_id"):
            raise DialogError(400, "Wrong payload", ["client_id or waba_business_id is required"])
        found = self.world.waba(body["waba_external_id"])
        if found is None:
            raise DialogError(404, "WABA not found", ["waba_external_id"])
        customer, _ = found
        if not customer.behaviour.solution:
            raise DialogError(403, "The WABA is not shared with this solution")
        if body.get("waba_business_id") not in (None, customer.business_id):
            raise DialogError(400, "Wrong payload", ["waba_business_id: not the owner of this WABA"])
        return found

    def _submitting_client(self, body: Json, customer: Customer) -> Client:
        if body.get("client_id"):
            return self._client(str(body["client_id"]))
        for client in self.hub.clients.values():
            if client.business_id == customer.business_id:
                return client
        return self._new_client(
            Client(
                id=self.new_id("CL"),
                name=customer.business_name,
                email=f"{customer.business_id}@clients.example",
                user_name=customer.business_name,
                created_at=self.now(),
                made_by="submission",
                business_id=customer.business_id,
            )
        )

    def _accept(
        self, body: Json, customer: Customer, waba: Waba, client: Client, numbers: list[PhoneNumber]
    ) -> list[Channel]:
        mode = self.hub.options.duplicate_submission
        known = {number.id for number in numbers if self._submitted_before(waba, number)}
        if known and mode == "refuse":
            self.hub.refused_duplicates += 1
            raise DialogError(400, "Wrong payload", ["this number has been submitted already"])
        wanted = [number for number in numbers if mode == "second_channel" or number.id not in known]
        channels = [self.new_channel(customer, waba, client, number) for number in wanted]
        self.hub.submissions.append(
            Submission(
                at=self.now(),
                client_id=client.id,
                waba_external_id=waba.id,
                channel_external_id=body.get("channel_external_id"),
                tier=body.get("tier", "regular"),
                channel_ids=[channel.id for channel in channels],
                duplicate=bool(known),
            )
        )
        return channels

    def _submitted_before(self, waba: Waba, number: PhoneNumber) -> bool:
        # A number that has left an account leaves its channel there behind: that is another life.
        return any(
            (channel.phone_number_id == number.id and channel.waba_external_id not in number.former_wabas)
            or (channel.waba_external_id == waba.id and channel.phone_digits == number.digits)
            for channel in self.hub.channels.values()
            if not channel.dead
        )

    def new_channel(self, customer: Customer, waba: Waba, client: Client, number: PhoneNumber) -> Channel:
        """Make a channel for a number, without starting it on its way."""
        records = self.hub.waba_records
        if waba.id not in records:
            records[waba.id] = self.new_id("WA")
        channel = Channel(
            id=self.new_id("CH"),
            client_id=client.id,
            waba_record_id=records[waba.id],
            waba_external_id=waba.id,
            waba_name=waba.name,
            business_id=customer.business_id,
            business_name=customer.business_name,
            phone_number_id=number.id,
            phone_digits=number.digits,
            phone_name=number.verified_name,
            plus=self._either(self.hub.options.phone_plus, "with"),
            spelling=self.hub.options.phone_spelling,
            created_at=self.now(),
        )
        self.hub.channels[channel.id] = channel
        return channel

    def _submission_answer(self, body: Json, client: Client) -> Json:
        if not self._either(self.hub.options.submit_shape, "event"):
            return body
        properties = {name: value for name, value in body.items() if name != "client_id"}
        payload = {
            "client_id": client.id,
            "partner_id": self.settings.partner_id,
            "name": "fb_login_callback",
            "properties": properties,
        }
        return {
            "id": f"CMD{self.rng.randrange(10**6)}",
            "name": "event",
            "status": "created",
            "topic": "domain-events",
            "value": {"payload": payload},
        }

    # -- channels -------------------------------------------------------------------------------

    async def list_channels(self, request: Request) -> Response:
        """List channels, as far as the list has caught up."""
        options = self.hub.options
        filters = self._filters(request)
        fresh_since = self.now() - options.channel_list_lag_seconds
        channels = [
            channel
            for channel in self.hub.channels.values()
            if channel.created_at <= fresh_since and not channel.removed
        ]
        if not (filters or request.query_params.get("sort")):
            # Of ten thousand channels only the wanted page is worded.
            return self._page(request, "partner_channels", channels, filters, self._list_view)
        views = [self._list_view(channel) for channel in channels]
        if not options.ignore_channel_filters:
            views = _matching(views, filters, _CHANNEL_FILTERS, ())
        return self._page(request, "partner_channels", views, filters)

    def _list_view(self, channel: Channel) -> Json:
        return self._view(channel, in_list=True)

    async def read_channel(self, request: Request) -> Response:
        """Read one channel; fresher than the list."""
        return JSONResponse(self._view(self._channel(request), in_list=False))

    def _channel(self, request: Request) -> Channel:
        channel_id: str = request.path_params["channel_id"]
        channel = self.hub.channels.get(channel_id)
        if channel is None or channel.removed:
            raise DialogError(404, f"Channel {channel_id} not found")
        return channel

    def _view(self, channel: Channel, *, in_list: bool) -> Json:
        options = self.hub.options
        # The single read catches up in half the time the list needs.
        lag = options.phone_lag_seconds * (1.0 if in_list else 0.5)
        since = channel.live_at if channel.live_at is not None else channel.created_at
        return channel_view(
            channel,
            self.hub.clients.get(channel.client_id),
            options,
            blank_phone=self.now() < since + lag,
            hide_waba_id=in_list and options.hide_external_id_in_list,
        )

    # -- keys -----------------------------------------------------------------------------------

    async def make_key(self, request: Request) -> Response:
        """Make a key. Every older key dies, and the channel's webhook goes with it."""
        channel = self._channel(request)
        await read_object(request)
        if channel.state != "live" or channel.dead:
            raise DialogError(400, "The channel is not live")
        if self.hub.options.client_pays and not channel.permission_granted:
            raise DialogError(403, "The client has not granted permission to make a key")
        key = self.new_key(channel)
        answer: Json = {"id": key.id, "app_id": key.app_id}
        answer |= {"address": self.urls.messaging, "api_key": key.secret}
        if self._either(self.hub.options.key_shape, "list"):
            answer = {"api_keys": [answer]}
        return JSONResponse(answer, 201)

    def new_key(self, channel: Channel, made_by: Literal["api", "hub"] = "api") -> ApiKey:
        """Make a channel's key, whoever asks for it."""
        channel.revoke_keys(self.now())
        if self.hub.options.key_drops_webhook:
            channel.webhook = None
        secret = "".join(self.rng.choices(string.ascii_letters + string.digits, k=26)) + "_AK"
        key = ApiKey(
            id=self.new_id("AK"),
            secret=secret,
            app_id=f"app-{channel.id}",
            made_at=self.now(),
            made_by=made_by,
        )
        channel.keys.append(key)
        self.hub.keyed[secret] = channel
        return key

    async def list_keys(self, request: Request) -> Response:
        """List the living key without its secret, which is shown only once."""
        key = self._channel(request).live_key()
        shown = [] if key is None else [{"id": key.id, "app_id": key.app_id, "address": self.urls.messaging}]
        return JSONResponse({"api_keys": self._list(shown)})

    async def delete_keys(self, request: Request) -> Response:
        """Revoke the living key."""
        self._channel(request).revoke_keys(self.now())
        return Response(status_code=204)

    # -- ending ---------------------------------------------------------------------------------

    async def request_cancellation(self, request: Request) -> Response:
        """Ask for the end of a channel (`{"enabled": true}`), or take it back."""
        channel = self._clients_channel(request)
        enabled = (await read_object(request)).get("enabled")
        if not isinstance(enabled, bool):
            raise DialogError(400, "Wrong payload", ["enabled: boolean"])
        if not enabled and self.hub.options.reactivate_by == "reactivate":
            raise DialogError(404, "Not found")
        self._ask_for_end(channel, enabled=enabled)
        return JSONResponse({"enabled": enabled})

    async def reactivate(self, request: Request) -> Response:
        """Take a cancellation back."""
        channel = self._clients_channel(request)
        if self.hub.options.reactivate_by == "enabled_false":
            raise DialogError(404, "Not found")
        self._ask_for_end(channel, enabled=False)
        return JSONResponse({"enabled": False})

    def _clients_channel(self, request: Request) -> Channel:
        channel = self._channel(request)
        if channel.client_id != request.path_params["client_id"]:
            raise DialogError(404, "Channel not found for this client")
        return channel

    def _ask_for_end(self, channel: Channel, *, enabled: bool) -> None:
        if channel.ended:
            raise DialogError(400, "The channel has ended")
        self.lifecycle.ask_for_end(channel, enabled=enabled)

    # -- small things ---------------------------------------------------------------------------

    def new_id(self, suffix: str) -> str:
        """Make an id as 360dialog's are; `suffix` says of what."""
        return "".join(self.rng.choices(string.ascii_letters + string.digits, k=8)) + suffix

    def _either(self, option: str, wanted: str) -> bool:
        return option == wanted or (option == "random" and self.rng.choice((True, False)))

    def _strict(self, body: Json, allowed: set[str]) -> None:
        if self.hub.options.strict_payload and (unknown := sorted(set(body) - allowed)):
            raise DialogError(400, "Wrong payload", [f"{name}: unknown field" for name in unknown])

    def _filters(self, request: Request) -> Json:
        text = request.query_params.get("filters", "{}")
        try:
            filters = json.loads(text)
        except ValueError as error:
            raise DialogError(400, "filters is not JSON") from error
        if not isinstance(filters, dict):
            raise DialogError(400, "filters is not an object")
        return filters

    def _page[T](
        self,
        request: Request,
        name: str,
        items: list[T],
        filters: Json,
        view: Callable[[T], Any] = lambda item: item,
    ) -> Response:
        """Answer one page; `sort` needs items that are worded already."""
        limit = min(_count(request, "limit", 20), self.hub.options.max_page_size)
        offset = _count(request, "offset", 0)
        sort = request.query_params.get("sort", "")
        if sort:
            path = sort.lstrip("-")
            items = sorted(items, key=lambda item: str(lookup(item, path)), reverse=sort[0] == "-")
        part = [view(item) for item in items[offset : offset + limit]]
        head: Json = {"count": len(part), "total": len(items), "limit": limit, "offset": offset}
        return JSONResponse(
            head | {"filters": filters, "sort": [sort] if sort else [], name: self._list(part)}
        )

    def _list(self, items: list[Json]) -> list[Json] | None:
        return None if self.hub.options.null_lists and not items else items


def _count(request: Request, name: str, default: int) -> int:
    text = request.query_params.get(name, str(default))
    if not text.isdecimal():
        raise DialogError(400, f"{name} is not a number")
    return int(text)


def _texts(body: Json, names: Iterable[str]) -> None:
    """Require non-empty strings."""
    wrong = [name for name in names if not isinstance(body.get(name), str) or not body[name].strip()]
    if wrong:
        raise DialogError(400, "Wrong payload", [f"{name}: required" for name in wrong])


def _url(body: Json, name: str) -> str:
    _texts(body, [name])
    value: str = body[name]
    if not value.startswith(("https://", "http://")):
        raise DialogError(400, "Wrong payload", [f"{name}: not a URL"])
    return value


def _submitted_numbers(body: Json, waba: Waba, now: float) -> list[PhoneNumber]:
    wanted = body.get("channel_external_id")
    numbers = [number for number in waba.numbers if number.shown(now) and wanted in (None, number.id)]
    if wanted is None:
        return numbers
    if not numbers:
        raise DialogError(404, "Phone number not found in this WABA", ["channel_external_id"])
    return numbers


def _matching(views: list[Json], filters: Json, known: Iterable[str], fold: Iterable[str]) -> list[Json]:
    """Apply the filters that are known; others change nothing. `fold` compares without case."""

    def fits(view: Json, path: str, wanted: object) -> bool:
        value = lookup(view, path)
        if path in fold:
            return str(value).lower() == str(wanted).lower()
        return bool(value == wanted)

    used = [(path, wanted) for path, wanted in filters.items() if path in known]
    return [view for view in views if all(fits(view, path, wanted) for path, wanted in used)]


async def _dialog_error(_request: Request, error: Exception) -> Response:
    if not isinstance(error, DialogError):
        raise error
    return JSONResponse(meta_body(error.status, str(error), error.details), error.status)


async def _bad_body(_request: Request, error: Exception) -> Response:
    return JSONResponse(meta_body(400, "Wrong payload", [str(error)]), 400)


async def _http_error(_request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    return JSONResponse(meta_body(status, HTTPStatus(status).phrase), status)
