"""Simulator of Meta's Graph API, as far as Embedded Signup needs it."""

import hashlib
import hmac
import re
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Literal
from urllib.parse import parse_qsl, urlencode

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from local.simulators.faults import Fault
from local.simulators.graph import (
    APPLICATION,
    PHONE_NUMBER,
    SOLUTION,
    USER,
    WABA,
    GraphError,
    NodeType,
    account_error,
    missing_object,
    page,
    select,
)
from local.simulators.settings import Settings, Urls
from local.simulators.web import Json
from local.simulators.world import BusinessToken, Customer, PhoneNumber, Waba, World

WHATSAPP_SCOPES = ("whatsapp_business_management", "whatsapp_business_messaging")
EVENTS_SCOPE = ("whatsapp_business_manage_events",)
"""What real tokens have shown in place of them since June 2026."""
OTHER_SCOPE = ("whatsapp_business_accounts_read",)
"""One that nobody has heard of; it comes with businesses under `business_management`, which are no WABAs."""
_CODE_FORM = re.compile(r"AQ[A-Za-z0-9_-]{20,}")
_VERSION = re.compile(r"v(\d+)\.\d+")


type SdkMode = Literal["works", "blocked", "empty", "stub", "silent"]
"""Facebook's SDK in the browser: as it is, refused or emptied by a blocker, a privacy tool's stub, mute."""


@dataclass(slots=True, kw_only=True)
class MetaOptions:
    """How the Graph API answers where real answers differ or are in doubt."""

    require_appsecret_proof: bool = False
    subcodes: bool = True
    ungranted_error: Literal["100/33", "10", "200"] = "100/33"
    unknown_fields: list[str] = field(default_factory=list)
    default_page_size: int = 25
    max_page_size: int = 100
    shuffle_grants: bool = True
    oldest_version: int = 20
    solution_status: str = "ACTIVE"
    code_lifetime_seconds: float = 30.0
    sdk: SdkMode = "works"
    sdk_delay_seconds: float = 0.0
    popup_closed: Literal["callback", "silent"] = "callback"
    fetched_token: Literal["works", "by_solution", "refused"] = "works"


type Caller = BusinessToken | Literal["app"]


class MetaServer:
    """The Graph API over a World. `options` may be replaced at any time."""

    def __init__(self, *, world: World, settings: Settings, urls: Urls) -> None:
        """Take the shared world and who the app is."""
        self.world = world
        self.settings = settings
        self.urls = urls
        self.trap_hits = 0
        self.options = self.first_options()

    def first_options(self) -> MetaOptions:
        """Return the options a run starts with."""
        return MetaOptions(code_lifetime_seconds=self.settings.code_lifetime_seconds)

    def app(self) -> ASGIApp:
        """Return the ASGI app of the API alone, without admin routes and faults."""
        return Starlette(
            routes=[
                Route("/trap/{rest:path}", self.trap, methods=["GET", "POST"]),
                Route("/{version}/oauth/access_token", self.exchange, methods=["GET", "POST"]),
                Route("/{version}/debug_token", self.debug_token),
                Route("/{version}/me", self.me),
                Route("/{version}/{node}", self.node),
                Route("/{version}/{business}/system_user_access_tokens", self.fetch_token, methods=["POST"]),
                Route("/{version}/{solution}/access_token", self.solution_token),
                Route("/{version}/{node}/{edge}", self.edge),
            ],
            exception_handlers={GraphError: self._graph_error, HTTPException: self._unknown_path},
        )

    async def exchange(self, request: Request) -> Response:
        """Exchange a code for a business token. A good code is spent by this, whatever follows."""
        self._version(request)
        given = dict(request.query_params)
        if request.method == "POST":
            form = (await request.body()).decode("utf-8", "replace")
            given |= dict(parse_qsl(form, keep_blank_values=True))
        self._check_exchange(given)
        token = self.world.exchange(given["code"])
        answer: Json = {"access_token": token.value, "token_type": "bearer"}
        if token.expires_at:
            answer["expires_in"] = int(token.expires_at - token.issued_at)
        return self._json(answer)

    def _check_exchange(self, given: dict[str, str]) -> None:
        if given.get("client_id") != self.settings.app_id:
            text = "Error validating application. Cannot get application info due to a system error."
            raise GraphError(text, code=101)
        if not hmac.compare_digest(
            given.get("client_secret", "").encode(), self.settings.app_secret.encode()
        ):
            raise GraphError("Error validating client secret.", code=1)
        if "grant_type" in given:
            raise GraphError("Missing redirect_uri parameter.", code=100)
        self._check_code(given.get("code", ""), given.get("redirect_uri"))

    def _check_code(self, code: str, redirect_uri: str | None) -> None:
        state = self.world.code_state(code)
        if not _CODE_FORM.fullmatch(code) or state == "unknown":
            raise GraphError("Invalid verification code format.", code=100)
        # A code of FB.login goes without one.
        if redirect_uri != self.world.codes[code].redirect_uri:
            text = (
                "Error validating verification code. Please make sure your redirect_uri is identical to the "
                "one you used in the OAuth dialog request"
            )
            raise self._code_error(text, 36008)
        if state == "used":
            raise self._code_error("This authorization code has been used.", 36009)
        if state == "expired":
            raise self._code_error("This authorization code has expired.", 36007)

    def _code_error(self, message: str, subcode: int) -> GraphError:
        return GraphError(message, code=100, subcode=subcode if self.options.subcodes else None)

    async def debug_token(self, request: Request) -> Response:
        """Say what a token is, to the app that made it."""
        self._version(request)
        if self._caller(request) != "app":
            text = (
                "(#100) You must provide an app access token, or a user access token of an owner of the app"
            )
            raise GraphError(text, code=100)
        value = request.query_params.get("input_token")
        if not value:
            raise GraphError("(#100) The parameter input_token is required", code=100)
        token = self.world.tokens.get(value)
        if token is None:
            error = {"code": 190, "message": "Invalid OAuth access token - Cannot parse access token"}
            return self._json({"data": {"error": error, "is_valid": False, "scopes": []}})
        return self._json({"data": self._token_data(token)})

    def _token_data(self, token: BusinessToken) -> Json:
        customer = self.world.customers[token.business_id]
        behaviour = customer.behaviour
        fault = self._token_fault(token)
        data: Json = {
            "app_id": self.world.digits() if behaviour.token == "other_app" else self.settings.app_id,
            "type": behaviour.token_type,
            "application": "Onramp local",
            "expires_at": int(token.expires_at),
            "data_access_expires_at": 0,
            "is_valid": fault is None,
            "issued_at": int(token.issued_at),
            "scopes": [*(WHATSAPP_SCOPES if behaviour.scopes_listed else ()), "public_profile"],
            "granular_scopes": self._granular_scopes(customer),
            "user_id": customer.user_id,
        }
        if fault is not None and behaviour.token != "invalid":
            data["error"] = {"code": fault.code, "subcode": fault.subcode, "message": str(fault)}
        return data

    def _granular_scopes(self, customer: Customer) -> list[Json]:
        grants = customer.behaviour.grants
        if grants == "no_entries":
            return [{"scope": "public_profile"}]
        if grants == "scopes_only":
            return [{"scope": scope} for scope in WHATSAPP_SCOPES]
        scopes = {"events_scope": EVENTS_SCOPE, "other_scope": OTHER_SCOPE}.get(grants, WHATSAPP_SCOPES)
        businesses = {"scope": "business_management", "target_ids": [customer.business_id]}
        entries = [{"scope": scope, "target_ids": self._target_ids(customer)} for scope in scopes]
        return [businesses, *entries] if grants == "other_scope" else entries

    def _target_ids(self, customer: Customer) -> list[str]:
        """List granted WABAs in a new order each time, but never with the wanted one first by luck."""
        decoys = {waba.id for waba in customer.decoys}
        ids = [waba.id for waba in customer.granted()]
        if self.options.shuffle_grants:
            self.world.rng.shuffle(ids)
        return sorted(ids, key=lambda waba_id: waba_id not in decoys)

    def _token_fault(self, token: BusinessToken) -> GraphError | None:
        """Say why Meta would not accept a token, or nothing."""
        mode = self.world.customers[token.business_id].behaviour.token
        if mode == "expired" or (token.expires_at and self.world.now() >= token.expires_at):
            text = "Error validating access token: Session has expired."
            return GraphError(text, code=190, subcode=463, status=401)
        if mode in ("invalid", "error"):
            text = "Error validating access token: The session has been invalidated."
            return GraphError(text, code=190, subcode=460, status=401)
        return None

    async def me(self, request: Request) -> Response:
        """Answer about the token's own user."""
        self._version(request)
        caller = self._caller(request)
        if caller == "app":
            raise GraphError(
                "An active access token must be used to query information about the current user.", code=2500
            )
        customer = self.world.customers[caller.business_id]
        node = {"id": customer.user_id, "name": "System user", "client_business_id": customer.business_id}
        return self._selected(request, node, USER)

    async def fetch_token(self, request: Request) -> Response:
        """Give a customer's token to our system user, as documented for hosted signups; makes none."""
        self._version(request)
        form = dict(parse_qsl((await request.body()).decode("utf-8", "replace")))
        self._system_user(request, form.get("appsecret_proof"))
        if form.get("fetch_only") != "true":
            raise GraphError("(#100) fetch_only is required", code=100)
        return self._fetched(request.path_params["business"], allowed=self.options.fetched_token == "works")

    async def solution_token(self, request: Request) -> Response:
        """Give the same by the solution."""
        self._version(request)
        self._system_user(request, request.query_params.get("appsecret_proof"))
        if request.path_params["solution"] != self.settings.solution_id:
            raise missing_object(request.path_params["solution"])
        allowed = self.options.fetched_token != "refused"
        return self._fetched(request.query_params.get("business_id", ""), allowed=allowed)

    def _system_user(self, request: Request, proof: str | None) -> None:
        value = request.headers.get("authorization", "").removeprefix("Bearer ")
        if value != self.settings.system_user_token:
            raise GraphError("Invalid OAuth access token - Cannot parse access token", code=190, status=401)
        right = hmac.new(self.settings.app_secret.encode(), value.encode(), hashlib.sha256).hexdigest()
        if proof != right:
            raise GraphError("Invalid appsecret_proof provided in the API argument", code=100)

    def _fetched(self, business_id: str, *, allowed: bool) -> Response:
        if not allowed or business_id not in self.world.customers:
            raise GraphError(
                "(#10) Application does not have permission for this action", code=10, status=403
            )
        return self._json({"access_token": self.world.token_of(business_id).value, "token_type": "bearer"})

    async def node(self, request: Request) -> Response:
        """Answer one object: the app, the solution, a WABA or a phone number."""
        self._version(request)
        caller = self._caller(request)
        object_id: str = request.path_params["node"]
        if caller == "app":
            return self._app_node(request, object_id)
        if (found := self.world.number(object_id)) is not None:
            self._granted(caller, found[1].id)
            if not found[2].shown(self.world.now()):
                raise missing_object(object_id)
            return self._selected(request, number_node(found[2]), PHONE_NUMBER)
        customer, waba = self._granted(caller, object_id)
        return self._selected(request, self._waba_node(customer, waba), WABA)

    def _app_node(self, request: Request, object_id: str) -> Response:
        if object_id == self.settings.app_id:
            node = {"id": object_id, "name": "Onramp local", "category": "Messaging", "link": self.urls.meta}
            return self._selected(request, node, APPLICATION)
        if object_id == self.settings.solution_id:
            return self._selected(request, self._solution_node(), SOLUTION)
        raise missing_object(object_id)

    async def edge(self, request: Request) -> Response:
        """Answer a list below a WABA."""
        self._version(request)
        caller = self._caller(request)
        waba_id, edge = request.path_params["node"], request.path_params["edge"]
        if caller == "app":
            raise missing_object(waba_id)
        customer, waba = self._granted(caller, waba_id)
        if edge == "phone_numbers":
            nodes = [self._select(request, number_node(item), PHONE_NUMBER) for item in self._shown(waba)]
        elif edge == "solutions":
            mine = [self._solution_node()] if customer.behaviour.solution else []
            nodes = [self._select(request, node, SOLUTION) for node in mine]
        else:
            text = f"(#100) Tried accessing nonexisting field ({edge}) on node type ({WABA.name})"
            raise GraphError(text, code=100)
        return self._json(self._page(request, caller, nodes))

    def _shown(self, waba: Waba) -> list[PhoneNumber]:
        now = self.world.now()
        return [number for number in waba.numbers if number.shown(now)]

    def _page(self, request: Request, caller: BusinessToken, nodes: list[Json]) -> Json:
        # Whoever follows `next` hands the token to an address that the answer chose: the trap counts it.
        trap = f"{self.urls.meta}/trap/paging?{urlencode({'access_token': caller.value})}"
        limit_text = request.query_params.get("limit", str(self.options.default_page_size))
        if not limit_text.isdecimal() or limit_text == "0":
            raise GraphError("(#100) Param limit must be a positive number", code=100)
        limit = min(int(limit_text), self.options.max_page_size)
        return page(nodes, after=request.query_params.get("after"), limit=limit, next_url=trap)

    async def trap(self, _request: Request) -> Response:
        """Count a client that went where it should not go."""
        self.trap_hits += 1
        return JSONResponse({"error": "this address must not be followed"}, status_code=400)

    def error_body(self, _path: str, status: int, fault: Fault) -> Json:
        """Word an injected error as the Graph API would."""
        code, text = 2, "An unexpected error has occurred. Please retry your request later."
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            code, text = 4, "(#4) Application request limit reached"
        if fault.code is not None:
            code = fault.code
        error = GraphError(
            fault.message or text, code=code, subcode=fault.subcode, transient=bool(fault.is_transient)
        )
        return error.body(self._trace_id())

    def _version(self, request: Request) -> None:
        match = _VERSION.fullmatch(request.path_params["version"])
        if match is None:
            raise GraphError(f"Unknown path components: {request.url.path}", code=2500)
        if int(match[1]) < self.options.oldest_version:
            raise GraphError("(#2635) You are calling a deprecated version of the API.", code=2635)

    def _caller(self, request: Request) -> Caller:
        """Authenticate by `Authorization: Bearer` or `access_token`; checks `appsecret_proof`."""
        scheme, _, value = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not value:
            value = request.query_params.get("access_token", "")
        if not value:
            raise GraphError("An access token is required to request this resource.", code=104)
        if "|" in value:
            if value == f"{self.settings.app_id}|{self.settings.app_secret}":
                return "app"
            raise GraphError("Invalid OAuth access token signature.", code=190, status=401)
        return self._business_caller(request, value)

    def _business_caller(self, request: Request, value: str) -> BusinessToken:
        token = self.world.tokens.get(value)
        if token is None:
            raise GraphError("Invalid OAuth access token - Cannot parse access token", code=190, status=401)
        if (fault := self._token_fault(token)) is not None:
            raise fault
        proof = request.query_params.get("appsecret_proof")
        if proof is None and self.options.require_appsecret_proof:
            raise GraphError("API calls from the server require an appsecret_proof argument", code=100)
        right = hmac.new(self.settings.app_secret.encode(), value.encode(), hashlib.sha256).hexdigest()
        if proof is not None and proof != right:
            raise GraphError("Invalid appsecret_proof provided in the API argument", code=100)
        return token

    def _granted(self, token: BusinessToken, waba_id: str) -> tuple[Customer, Waba]:
        customer = self.world.customers[token.business_id]
        for waba in customer.granted():
            if waba.id == waba_id:
                if customer.behaviour.waba_error is not None:
                    raise account_error(customer.behaviour.waba_error)
                return customer, waba
        if self.world.waba(waba_id) is None or self.options.ungranted_error == "100/33":
            raise missing_object(waba_id)
        if self.options.ungranted_error == "10":
            raise GraphError(
                "(#10) Application does not have permission for this action", code=10, status=403
            )
        raise GraphError(
            "(#200) You do not have the necessary permissions on this account", code=200, status=403
        )

    def _waba_node(self, customer: Customer, waba: Waba) -> Json:
        behaviour = customer.behaviour
        owner: Json | None = {"id": customer.business_id, "name": customer.business_name}
        if behaviour.owner_mismatch:
            owner = {"id": str(int(customer.business_id) + 1), "name": "Somebody else"}
        return {
            "id": waba.id,
            "name": waba.name,
            "owner_business_info": None if behaviour.owner_hidden else owner,
            "currency": "EUR",
            "timezone_id": "1",
            "account_review_status": "APPROVED",
            "message_template_namespace": f"ns_{waba.id}",
            "ownership_type": "CLIENT_OWNED",
            "on_behalf_of_business_info": None,
            "business_verification_status": "not_verified",
        }

    def _solution_node(self) -> Json:
        return {
            "id": self.settings.solution_id,
            "name": "Onramp local solution",
            "status": self.options.solution_status,
            "status_for_pending_request": "NONE",
            "owner_app": {"id": "9" * 15, "name": "360dialog (simulated)"},
            "owner_permissions": ["MESSAGING"],
        }

    def _selected(self, request: Request, node: Json, kind: NodeType) -> Response:
        return self._json(self._select(request, node, kind))

    def _select(self, request: Request, node: Json, kind: NodeType) -> Json:
        return select(node, request.query_params.get("fields"), kind, self.options.unknown_fields)

    def _json(self, body: Json, status: int = 200) -> Response:
        headers = {"x-fb-trace-id": self._trace_id(), "facebook-api-version": "v26.0"}
        return JSONResponse(body, status_code=status, headers=headers)

    def _trace_id(self) -> str:
        return f"A{self.world.text(20)}"

    async def _graph_error(self, _request: Request, error: Exception) -> Response:
        if not isinstance(error, GraphError):
            raise error
        return self._json(error.body(self._trace_id()), error.status)

    async def _unknown_path(self, request: Request, _error: Exception) -> Response:
        error = GraphError(f"Unknown path components: {request.url.path}", code=2500)
        return self._json(error.body(self._trace_id()), error.status)


def number_node(number: PhoneNumber) -> Json:
    """Return a phone number as the Graph API shows it before it is registered anywhere."""
    return {
        "id": number.id,
        "display_phone_number": number.display_phone_number,
        "verified_name": number.verified_name,
        "code_verification_status": number.code_verification_status,
        "quality_rating": number.quality_rating,
        "status": number.status,
        "platform_type": "ON_PREMISE" if number.is_on_biz_app else "NOT_APPLICABLE",
        "is_on_biz_app": number.is_on_biz_app,
        "name_status": number.name_status,
    }
