"""Admin routes of the Meta simulator: customers, codes, faults and options."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, fields, replace

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from local.simulators.faults import Fault, FaultBook
from local.simulators.meta import MetaServer, number_node
from local.simulators.meta_webhooks import MetaEvent, MetaRequest, MetaSender
from local.simulators.traffic import TrafficLayer
from local.simulators.web import BadBodyError, Json, changed, open_app, parse, read_object
from local.simulators.world import Behaviour, Customer, Finish, PhoneNumber, Waba


@dataclass(slots=True, kw_only=True)
class NewNumber:
    """A phone number to make; what is left out is made up.

    Meta lists it `listed_after_seconds` from the popup, or never unless it is `listed`.
    """

    id: str | None = None
    display_phone_number: str | None = None
    verified_name: str | None = None
    is_on_biz_app: bool | None = None
    code_verification_status: str | None = "VERIFIED"
    status: str | None = None
    name_status: str | None = "APPROVED"
    listed: bool = True
    listed_after_seconds: float = 0.0


@dataclass(slots=True, kw_only=True)
class NumberChange:
    """Body of `PATCH /admin/numbers/{id}`; what is left out stays, a word that is null is left out by Meta.

    `waba_id` moves the number to another account, of whichever customer. `listed` lists a late number now.
    """

    code_verification_status: str | None = None
    name_status: str | None = None
    status: str | None = None
    listed: bool = True
    waba_id: str | None = None


@dataclass(slots=True, kw_only=True)
class NewWaba:
    """A WABA to make; without `numbers` it gets one."""

    id: str | None = None
    name: str | None = None
    numbers: list[NewNumber] | None = None


@dataclass(slots=True, kw_only=True)
class NewCode:
    """What a code and the browser's message beside it shall be.

    `claim` overrides what the message says, so that the browser can lie. `code_tail` (`#_=_`) is what a
    redirect appends to a code. `redirect_uri` is that of a dialog without a popup.
    """

    business_id: str = ""
    redirect_uri: str | None = None
    code_lifetime: float | None = None
    code_tail: str = ""
    event: Finish | None = None
    waba_id: str | None = None
    phone_number_id: str | None = None
    claim: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class NewSignup(Behaviour):
    """Body of `POST /admin/signups`: a customer with everything it owns and grants."""

    business_id: str | None = None
    business_name: str | None = None
    wabas: list[NewWaba] = field(default_factory=lambda: [NewWaba()])
    decoys: int = 0
    finish: Finish = "FINISH"
    redirect_uri: str | None = None
    code_lifetime: float | None = None
    code_tail: str = ""
    claim: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class AppChange:
    """Body of `POST /admin/app`: the app's new secret, in place of the present one at once."""

    app_secret: str


@dataclass(slots=True, kw_only=True)
class WebhookAddress:
    """Body of `POST /admin/webhook`: where Meta's own webhooks go; null ends them."""

    url: str | None


@dataclass(slots=True, kw_only=True)
class MetaAdmin:
    """Changes the Meta simulator from outside. `reset` forgets everything, on both sides."""

    server: MetaServer
    book: FaultBook
    traffic: TrafficLayer
    sender: MetaSender
    reset_all: Callable[[], None]
    _businesses: Iterator[int] = field(default_factory=lambda: itertools.count(1), init=False)
    _numbers: Iterator[int] = field(default_factory=itertools.count, init=False)

    def app(self) -> ASGIApp:
        """Return the ASGI app of the admin routes."""
        return open_app(
            [
                Route("/admin/signups", self.new_signup, methods=["POST"]),
                Route("/admin/codes", self.new_code, methods=["POST"]),
                Route("/admin/customers", self.customers),
                Route("/admin/customers/{business_id}", self.change_customer, methods=["PATCH"]),
                Route("/admin/numbers/{phone_number_id}", self.change_number, methods=["PATCH"]),
                Route("/admin/wabas/{waba_id}/numbers", self.add_number, methods=["POST"]),
                Route("/admin/app", self.change_app, methods=["POST"]),
                Route("/admin/webhook", self.webhook, methods=["GET", "POST"]),
                Route("/admin/events", self.send_event, methods=["POST"]),
                Route("/admin/requests", self.send_request, methods=["POST"]),
                Route("/admin/state", self.state),
                Route("/admin/reset", self.reset, methods=["POST"]),
                Route("/admin/options", self.options, methods=["GET", "PATCH", "DELETE"]),
                *fault_routes(self.book),
            ]
        )

    async def new_signup(self, request: Request) -> Response:
        """Make a customer and let it finish Embedded Signup."""
        wanted = parse(NewSignup, await read_object(request))
        customer = self._customer(wanted)
        self.server.world.customers[customer.business_id] = customer
        code = NewCode(
            redirect_uri=wanted.redirect_uri,
            code_lifetime=wanted.code_lifetime,
            code_tail=wanted.code_tail,
            claim=wanted.claim,
        )
        return JSONResponse(self._finished(customer, code), status_code=201)

    async def new_code(self, request: Request) -> Response:
        """Let a known customer finish Embedded Signup once more."""
        wanted = parse(NewCode, await read_object(request))
        customer = self.server.world.customers.get(wanted.business_id)
        if customer is None:
            raise BadBodyError("business_id: no such customer")
        return JSONResponse(self._finished(customer, wanted), status_code=201)

    async def customers(self, _request: Request) -> Response:
        """List the customers."""
        return JSONResponse({"customers": list_customers(self.server)})

    async def change_customer(self, request: Request) -> Response:
        """Change how Meta answers about a customer."""
        customer = self.server.world.customers.get(request.path_params["business_id"])
        if customer is None:
            return JSONResponse({"error": "no such customer"}, status_code=404)
        customer.behaviour = changed(customer.behaviour, await read_object(request))
        return JSONResponse(_customer_view(self.server, customer))

    async def change_number(self, request: Request) -> Response:
        """Change what Meta says of a number, or move it to another account."""
        world, number_id = self.server.world, request.path_params["phone_number_id"]
        given = await read_object(request)
        wanted = parse(NumberChange, given)
        found = world.number(number_id)
        if found is None:
            return JSONResponse({"error": "no such number"}, status_code=404)
        if wanted.waba_id is not None and not world.move(number_id, wanted.waba_id):
            raise BadBodyError("waba_id: no such account")
        for name in given.keys() - {"waba_id"}:
            setattr(found[2], name, getattr(wanted, name))
        if given.get("listed"):
            found[2].listed_from = world.now()
        return self._number_answer(number_id, 200)

    async def change_app(self, request: Request) -> Response:
        """Reset the app's secret, as a person does in the app's settings."""
        wanted = parse(AppChange, await read_object(request))
        self.server.settings = replace(self.server.settings, app_secret=wanted.app_secret)
        return JSONResponse({"app_id": self.server.settings.app_id})

    async def webhook(self, request: Request) -> Response:
        """Set where Meta's own webhooks go, or see what was sent."""
        if request.method == "POST":
            self.sender.url = parse(WebhookAddress, await read_object(request)).url
        return JSONResponse({"url": self.sender.url, "sent": self.sender.sent})

    async def send_event(self, request: Request) -> Response:
        """Put one of Meta's own events on its way."""
        return JSONResponse(self.sender.send(parse(MetaEvent, await read_object(request))), status_code=201)

    async def send_request(self, request: Request) -> Response:
        """Let a person of a customer ask for deletion, or leave."""
        wanted = parse(MetaRequest, await read_object(request))
        if wanted.business_id not in self.server.world.customers:
            raise BadBodyError("business_id: no such customer")
        return JSONResponse(await self.sender.ask(wanted))

    async def add_number(self, request: Request) -> Response:
        """Let a customer add a number to an account later."""
        found = self.server.world.waba(request.path_params["waba_id"])
        wanted = parse(NewNumber, await read_object(request))
        if found is None:
            return JSONResponse({"error": "no such account"}, status_code=404)
        customer, waba = found
        number = self._number(wanted, customer.business_name, on_app=False)
        waba.numbers.append(number)
        return self._number_answer(number.id, 201)

    def _number_answer(self, number_id: str, status: int) -> Response:
        found = self.server.world.number(number_id)
        if found is None:
            raise BadBodyError("no such number")
        customer, waba, number = found
        owner = {"waba_id": waba.id, "business_id": customer.business_id}
        return JSONResponse(_number_view(number) | owner, status_code=status)

    async def state(self, _request: Request) -> Response:
        """Show what happened so far."""
        world = self.server.world
        used = sum(code.used_at is not None for code in world.codes.values())
        return JSONResponse(
            {
                "requests": self.traffic.view(),
                "codes": {"issued": len(world.codes), "used": used},
                "tokens_made": len(world.tokens),
                "trap_hits": self.server.trap_hits,
                "faults": [asdict(fault) for fault in self.book.faults],
                "options": asdict(self.server.options),
                "usual_options": asdict(self.server.first_options()),
            }
        )

    async def reset(self, _request: Request) -> Response:
        """Forget everything, on both sides."""
        self.reset_all()
        return JSONResponse({"reset": True})

    async def options(self, request: Request) -> Response:
        """Read the options, change them, or put them back."""
        if request.method == "DELETE":
            self.server.options = self.server.first_options()
        if request.method == "PATCH":
            self.server.options = changed(self.server.options, await read_object(request))
        return JSONResponse(asdict(self.server.options))

    def _customer(self, wanted: NewSignup) -> Customer:
        world = self.server.world
        business_id = wanted.business_id or world.digits(16)
        if business_id in world.customers:
            raise BadBodyError("business_id: exists; use /admin/codes for another code")
        name = wanted.business_name or f"Example business {next(self._businesses)}"
        behaviour = {item.name: getattr(wanted, item.name) for item in fields(Behaviour)}
        on_app = wanted.finish == "FINISH_WHATSAPP_BUSINESS_APP_ONBOARDING"
        decoys = [NewWaba(name=f"{name}, older account {index + 1}") for index in range(wanted.decoys)]
        return Customer(
            business_id=business_id,
            business_name=name,
            user_id=world.digits(17),
            wabas=self._wabas(wanted.wabas, name, on_app=on_app),
            decoys=self._wabas(decoys, name, on_app=False),
            finish=wanted.finish,
            behaviour=Behaviour(**behaviour),
        )

    def _wabas(self, wanted: Sequence[NewWaba], owner: str, *, on_app: bool) -> list[Waba]:
        return [self._waba(item, owner, on_app=on_app) for item in wanted]

    def _waba(self, wanted: NewWaba, owner: str, *, on_app: bool) -> Waba:
        waba_id = wanted.id or self.server.world.digits()
        if self.server.world.waba(waba_id) is not None:
            raise BadBodyError(f"wabas: {waba_id} exists")
        numbers = [NewNumber()] if wanted.numbers is None else wanted.numbers
        made = [self._number(item, owner, on_app=on_app) for item in numbers]
        return Waba(id=waba_id, name=wanted.name or f"{owner} account", numbers=made)

    def _number(self, wanted: NewNumber, owner: str, *, on_app: bool) -> PhoneNumber:
        world = self.server.world
        # Numbers of the North American 555-01xx block belong to nobody; 78,900 of them differ.
        area, line = divmod(next(self._numbers) % 78_900, 100)
        made_up = f"+1 {201 + area}-555-01{line:02d}"
        if wanted.id is not None and world.number(wanted.id) is not None:
            raise BadBodyError(f"id: {wanted.id} exists")
        on_app = on_app if wanted.is_on_biz_app is None else wanted.is_on_biz_app
        return PhoneNumber(
            id=wanted.id or world.digits(),
            display_phone_number=wanted.display_phone_number or made_up,
            verified_name=wanted.verified_name or owner,
            is_on_biz_app=on_app,
            code_verification_status=wanted.code_verification_status,
            status=wanted.status or ("CONNECTED" if on_app else "PENDING"),
            name_status=wanted.name_status,
            listed=wanted.listed,
            listed_from=world.now() + wanted.listed_after_seconds,
        )

    def _finished(self, customer: Customer, wanted: NewCode) -> Json:
        """Describe a finished signup: the code and what the browser would be told."""
        lifetime = self.server.options.code_lifetime_seconds
        code = self.server.world.new_code(
            customer.business_id,
            lifetime if wanted.code_lifetime is None else wanted.code_lifetime,
            wanted.redirect_uri,
        )
        for waba in customer.wabas:
            self.sender.partner_added(customer.business_id, waba.id)
        return {
            "code": code.value + wanted.code_tail,
            "code_expires_at": code.expires_at,
            "session_info": _session_info(customer, wanted),
            **_customer_view(self.server, customer),
        }


def _session_info(customer: Customer, wanted: NewCode) -> Json:
    """Return the browser's message, as `JSON.parse(event.data)` would give it."""
    event = wanted.event or customer.finish
    waba = next((item for item in customer.wabas if item.id == wanted.waba_id), None)
    waba = waba or (customer.wabas[0] if customer.wabas else None)
    data: Json = {}
    if waba is not None:
        data["waba_id"] = waba.id
    if event != "FINISH_WHATSAPP_BUSINESS_APP_ONBOARDING":
        data["business_id"] = customer.business_id
        if event != "FINISH_ONLY_WABA" and waba is not None and waba.numbers:
            data["phone_number_id"] = wanted.phone_number_id or waba.numbers[0].id
    return {"type": "WA_EMBEDDED_SIGNUP", "event": event, "data": data | wanted.claim, "version": "3"}


def list_customers(server: MetaServer) -> list[Json]:
    """All customers, without codes and tokens."""
    return [_customer_view(server, customer) for customer in server.world.customers.values()]


def _customer_view(server: MetaServer, customer: Customer) -> Json:
    codes = [code for code in server.world.codes.values() if code.business_id == customer.business_id]
    return {
        "business_id": customer.business_id,
        "business_name": customer.business_name,
        "finish": customer.finish,
        "wabas": [_waba_view(waba) for waba in customer.wabas],
        "decoys": [_waba_view(waba) for waba in customer.decoys],
        "behaviour": asdict(customer.behaviour),
        "codes_issued": len(codes),
        "codes_used": sum(code.used_at is not None for code in codes),
    }


def _waba_view(waba: Waba) -> Json:
    return {"id": waba.id, "name": waba.name, "numbers": [_number_view(number) for number in waba.numbers]}


def _number_view(number: PhoneNumber) -> Json:
    """Return a number as Meta would show it, and whether and from when (epoch seconds) it does."""
    return number_node(number) | {"listed": number.listed, "listed_from": number.listed_from}


def fault_routes(book: FaultBook) -> list[Route]:
    """Routes that switch faults on (a record, or a list of them) and off."""

    async def faults(request: Request) -> Response:
        if request.method == "DELETE":
            book.clear()
        elif request.method == "POST":
            wanted = await read_object(request)
            for item in wanted.get("faults", [wanted]):
                book.add(parse(Fault, item))
        return JSONResponse({"faults": [asdict(fault) for fault in book.faults]})

    return [Route("/admin/faults", faults, methods=["GET", "POST", "DELETE"])]
