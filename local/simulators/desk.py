"""What is done to channels behind our back: other channels, the Hub's buttons, Meta's restrictions."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from local.simulators.dialog360 import DialogServer
from local.simulators.dialog_state import channel_state
from local.simulators.hub import Channel, ChannelState, Client, PhoneSpelling
from local.simulators.web import BadBodyError, Json, parse, read_object
from local.simulators.world import Behaviour, Customer, PhoneNumber, Waba

type Named = Literal["channel", "phone", "waba"]
type Button = Literal[
    "request_cancellation",
    "revoke_cancellation",
    "process_cancellation",
    "remove",
    "return",
    "make_key",
    "set_webhook",
    "error",
]

FORGIVEN = "account_reinstated"


@dataclass(slots=True, kw_only=True)
class EarlierChannel:
    """Body of `POST /admin/channels`: a billed channel that nobody submitted here. Sends no event.

    It is the number's with `phone_number_id`, or with digits of a number of the WABA. `email` finds or
    makes its client; an empty `external_id` hides Meta's.
    """

    client_id: str | None = None
    email: str | None = None
    waba_external_id: str | None = None
    phone_number: str | None = None
    phone_number_id: str | None = None
    state: ChannelState = "live"
    external_id: str | None = None
    spelling: PhoneSpelling | None = None


@dataclass(slots=True, kw_only=True)
class SecondChannel:
    """Body of `POST /admin/channels/{id}/second`."""

    state: ChannelState = "live"
    external_id: str | None = None


@dataclass(slots=True, kw_only=True)
class HubAction:
    """Body of `POST /admin/channels/{id}/hub`. `url` is for `set_webhook`, `error` for `error`."""

    action: Button
    url: str | None = None
    error: Any = None


@dataclass(slots=True, kw_only=True)
class Restriction:
    """Body of `POST /admin/channels/{id}/restrict`. `seconds` from now it ends by itself, silently."""

    event: Literal["account_restriction", "account_violation"] = "account_restriction"
    violation_type: str | None = "SPAM"
    restriction_type: str = "RESTRICTED_BIZ_INITIATED_MESSAGING"
    seconds: float | None = None
    names: Named = "channel"


@dataclass(slots=True, kw_only=True)
class Forgiveness:
    """Body of `POST /admin/channels/{id}/forgive`."""

    names: Named = "channel"
    silent: bool = False


@dataclass(slots=True, kw_only=True)
class Desk:
    """Admin routes that do to one channel what its customer, its owner at 360dialog or Meta may do."""

    server: DialogServer
    _buttons: Mapping[Button, Callable[[Channel, HubAction], None]] = field(init=False)

    def __post_init__(self) -> None:
        """Put a hand behind each button."""
        self._buttons = {
            "request_cancellation": self._request_end,
            "revoke_cancellation": self._revoke_end,
            "process_cancellation": self._end,
            "remove": self._remove,
            "return": self._return,
            "make_key": self._make_key,
            "set_webhook": self._set_webhook,
            "error": self._show_error,
        }

    def routes(self) -> list[Route]:
        """Return the routes, for the app of all admin routes."""
        channel = "/admin/channels/{channel_id}"
        return [
            Route("/admin/channels", self.earlier_channel, methods=["POST"]),
            Route(channel + "/second", self.second_channel, methods=["POST"]),
            Route(channel + "/hub", self.press, methods=["POST"]),
            Route(channel + "/restrict", self.restrict, methods=["POST"]),
            Route(channel + "/forgive", self.forgive, methods=["POST"]),
            Route("/admin/clients/{client_id}", self.remove_client, methods=["DELETE"]),
        ]

    def channel(self, request: Request) -> Channel:
        """Return the channel of a request's path, a removed one too. Raises BadBodyError."""
        channel = self.server.hub.channels.get(request.path_params["channel_id"])
        if channel is None:
            raise BadBodyError("no such channel")
        return channel

    # -- channels that nobody submitted ---------------------------------------------------------

    async def earlier_channel(self, request: Request) -> Response:
        """Make a channel that is billed although nobody here knows it."""
        wanted = parse(EarlierChannel, await read_object(request))
        server = self.server
        client = self._client(wanted)
        customer, waba, number = self._number(wanted)
        channel = server.new_channel(customer, waba, client, number)
        channel.put_in(wanted.state, server.now())
        channel.foreign, channel.external_id = True, wanted.external_id
        channel.spelling = wanted.spelling or channel.spelling
        return JSONResponse(channel_state(channel), status_code=201)

    def _client(self, wanted: EarlierChannel) -> Client:
        clients = self.server.hub.clients
        if wanted.client_id and wanted.client_id not in clients:
            raise BadBodyError("client_id: no such client")
        if wanted.client_id:
            return clients[wanted.client_id]
        email = wanted.email or "unknown@clients.example"
        if wanted.email:
            for client in clients.values():
                if client.email.lower() == email.lower():
                    return client
        made = Client(
            id=self.server.new_id("CL"),
            name="Unknown",
            email=email,
            user_name="Unknown",
            created_at=self.server.now(),
        )
        clients[made.id] = made
        return made

    def _number(self, wanted: EarlierChannel) -> tuple[Customer, Waba, PhoneNumber]:
        """Owner, WABA and number of an earlier channel: known to Meta, or nobody's."""
        world = self.server.world
        known = world.number(wanted.phone_number_id or "")
        if known is None:
            return self._account(wanted.waba_external_id, self._digits_number(wanted))
        customer, waba, number = known
        if wanted.phone_number:
            number = replace(number, display_phone_number=wanted.phone_number)
        if wanted.waba_external_id in (None, waba.id):
            return customer, waba, number
        return self._account(wanted.waba_external_id, number)

    def _digits_number(self, wanted: EarlierChannel) -> PhoneNumber:
        """The number that a WABA has under these digits, or a new one that Meta does not list."""
        world = self.server.world
        digits = wanted.phone_number or f"1999{world.rng.randrange(10**7):07d}"
        number = PhoneNumber(
            id=wanted.phone_number_id or world.digits(), display_phone_number=digits, verified_name="Unknown"
        )
        found = world.waba(wanted.waba_external_id or "")
        if found is None or wanted.phone_number_id:
            return number
        return next((item for item in found[1].numbers if item.digits == number.digits), number)

    def _account(self, waba_id: str | None, number: PhoneNumber) -> tuple[Customer, Waba, PhoneNumber]:
        world = self.server.world
        if (found := world.waba(waba_id or "")) is not None:
            return *found, number
        business_id = world.digits(16)
        waba = Waba(id=waba_id or world.digits(), name="Unknown", numbers=[number])
        customer = Customer(
            business_id=business_id,
            business_name="Unknown",
            user_id=world.digits(17),
            wabas=[waba],
            decoys=[],
            finish="FINISH",
            behaviour=Behaviour(),
        )
        return customer, waba, number

    async def second_channel(self, request: Request) -> Response:
        """Make another living channel of the same number and client."""
        first = self.channel(request)
        wanted = parse(SecondChannel, await read_object(request))
        now = self.server.now()
        second = Channel(
            id=self.server.new_id("CH"),
            client_id=first.client_id,
            waba_record_id=first.waba_record_id,
            waba_external_id=first.waba_external_id,
            waba_name=first.waba_name,
            business_id=first.business_id,
            business_name=first.business_name,
            phone_number_id=first.phone_number_id,
            phone_digits=first.phone_digits,
            phone_name=first.phone_name,
            plus=first.plus,
            spelling=first.spelling,
            external_id=wanted.external_id,
            created_at=now,
            foreign=True,
        )
        second.put_in(wanted.state, now)
        self.server.hub.channels[second.id] = second
        return JSONResponse(channel_state(second), status_code=201)

    async def remove_client(self, request: Request) -> Response:
        """Forget a client; its channels stay."""
        client_id = request.path_params["client_id"]
        if self.server.hub.clients.pop(client_id, None) is None:
            raise BadBodyError("no such client")
        return JSONResponse({"removed": client_id})

    # -- buttons of the Hub ---------------------------------------------------------------------

    async def press(self, request: Request) -> Response:
        """Do what somebody does in the Hub, with the webhook that the Hub would send."""
        channel = self.channel(request)
        wanted = parse(HubAction, await read_object(request))
        self._buttons[wanted.action](channel, wanted)
        return JSONResponse(channel_state(channel))

    def _request_end(self, channel: Channel, _wanted: HubAction) -> None:
        _require(not channel.ended, "the channel has ended")
        self.server.lifecycle.ask_for_end(channel, enabled=True)

    def _revoke_end(self, channel: Channel, _wanted: HubAction) -> None:
        _require(not channel.ended, "the channel has ended")
        self.server.lifecycle.ask_for_end(channel, enabled=False)

    def _end(self, channel: Channel, _wanted: HubAction) -> None:
        _require(not channel.ended, "the channel has ended")
        self.server.lifecycle.end(channel)

    def _remove(self, channel: Channel, _wanted: HubAction) -> None:
        channel.removed = True

    def _return(self, channel: Channel, _wanted: HubAction) -> None:
        channel.removed = False

    def _make_key(self, channel: Channel, _wanted: HubAction) -> None:
        _require(channel.state == "live" and not channel.ended, "the channel is not live")
        self.server.new_key(channel, "hub")

    def _set_webhook(self, channel: Channel, wanted: HubAction) -> None:
        channel.webhook = {"url": wanted.url, "headers": {}} if wanted.url else None

    def _show_error(self, channel: Channel, wanted: HubAction) -> None:
        channel.error = wanted.error

    # -- Meta's restrictions --------------------------------------------------------------------

    async def restrict(self, request: Request) -> Response:
        """Restrict a channel, or every living one of its WABA; the event names what it is asked to."""
        channel = self.channel(request)
        wanted = parse(Restriction, await read_object(request))
        now = self.server.now()
        until = None if wanted.seconds is None else now + wanted.seconds
        for item in self._named(channel, wanted.names):
            item.fb_account_status, item.restricted_until = "restricted", until
        if wanted.seconds is not None:
            self.server.lifecycle.restriction_ends_in(wanted.seconds)
        more: Json = {} if wanted.violation_type is None else {"violation_type": wanted.violation_type}
        if until is not None:
            info = {"restriction_type": wanted.restriction_type, "expiration": int(until)}
            more["restriction_info"] = [info]
        self._tell(wanted.event, channel, wanted.names, more)
        return JSONResponse(channel_state(channel))

    async def forgive(self, request: Request) -> Response:
        """End a restriction, with the event or without it."""
        channel = self.channel(request)
        wanted = parse(Forgiveness, await read_object(request))
        for item in self._named(channel, wanted.names):
            item.fb_account_status, item.restricted_until = "approved", None
        if not wanted.silent:
            self._tell(FORGIVEN, channel, wanted.names, {})
        return JSONResponse(channel_state(channel))

    def _named(self, channel: Channel, names: Named) -> list[Channel]:
        """Return the channel, or with `waba` all of its WABA that have not ended."""
        if names != "waba":
            return [channel]
        everything = self.server.hub.channels.values()
        waba_id = channel.waba_external_id
        mates = [item for item in everything if item.waba_external_id == waba_id and not item.ended]
        return mates if channel in mates else [channel, *mates]

    def _tell(self, event: str, channel: Channel, names: Named, more: Json) -> None:
        lifecycle = self.server.lifecycle
        subjects: dict[Named, Json] = {
            "channel": lifecycle.event_data(event, channel),
            "phone": {"phone_number": channel.phone_number},
            "waba": {"id": channel.waba_external_id},
        }
        lifecycle.sender.send(event, subjects[names] | more)


def _require(holds: bool, text: str) -> None:  # noqa: FBT001 - reads as a sentence
    if not holds:
        raise BadBodyError(text)
