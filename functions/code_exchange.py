"""Opens signups and makes links to them, exchanges codes, and takes what became of popups without one."""

from functools import cache
from http import HTTPStatus
from typing import Any, Final

from onramp import wiring
from onramp.domain.launch import STANDARD
from onramp.domain.signup import Client, Signup
from onramp.inbound.http import Api, Response, answer
from onramp.inbound.models import Body, LinkedSignupView, LinkView, MadeLinkView, SignupView
from onramp.inbound.opening import CodeBody, KnownClient, MakeLinkBody, OpenSignupBody, OutcomeBody
from onramp.ports import Ports
from onramp.settings import CodeExchangeSettings
from onramp.usecases import read
from onramp.usecases.exchange_code import choose_waba, exchange_code
from onramp.usecases.links import Linked, WantedLink, linked, make_link, revoke_link
from onramp.usecases.open_signup import Wanted, at_hub, open_signup, require_messaging
from onramp.usecases.outcome import note_outcome
from onramp.wiring import Runtime

PAGE: Final = "/signup"
"""Where the page behind a link is, below the API's own address."""


def asked_client(body: OpenSignupBody) -> Client:
    """The customer a request names, in either form."""
    if isinstance(body.client, KnownClient):
        return Client(id=body.client.client_id, email=body.client.email)
    if body.client is not None:
        return Client(name=body.client.name, email=body.client.email, user_name=body.client.user_name)
    return Client(id=body.client_id)


def wanted_signup(body: OpenSignupBody, default_plan_tier: str) -> Wanted:
    """What a request wants a signup to be."""
    return Wanted(
        client=asked_client(body),
        plan_tier=body.plan_tier or default_plan_tier,
        reference=body.reference,
        flow=body.flow or STANDARD,
        prefill=body.prefill.stored() if body.prefill else None,
        messaging=body.messaging,
    )


@cache
def function() -> tuple[Runtime, Api]:
    """The wired function, made once."""
    settings = CodeExchangeSettings.read()
    runtime = Runtime(settings)
    ports = wiring.code_exchange(runtime, settings)
    api = Api(runtime, settings.tenant_claim)

    @api.route("POST /v1/signups")
    def open_() -> Response:
        tenant = api.tenant
        body = api.body(OpenSignupBody)
        at = at_hub(ports, body.hub)
        require_messaging(at, body.messaging, tenant)
        signup = open_signup(
            at,
            tenant=tenant,
            wanted=wanted_signup(body, at.rules.plan_tier),
            idempotency_key=api.idempotency_key(),
        )
        runtime.logger.append_keys(signup_id=signup.id)
        view = SignupView.of(read.whole(ports, signup), ports.clock.now())
        return answer(HTTPStatus.CREATED, view, {"Location": f"/v1/signups/{signup.id}"})

    @api.route("POST /v1/signups/{signup_id}/code")
    def exchange(signup_id: str) -> Response:
        signup = read.own_signup(ports, api.tenant, signup_id)
        signup = _exchanged(ports, signup, api.body(CodeBody))
        return answer(HTTPStatus.OK, SignupView.of(read.whole(ports, signup), ports.clock.now()))

    @api.route("POST /v1/signups/{signup_id}/outcome")
    def tell_outcome(signup_id: str) -> Response:
        signup = read.own_signup(ports, api.tenant, signup_id)
        note_outcome(ports, signup, api.body(OutcomeBody).told)
        return answer(HTTPStatus.NO_CONTENT)

    _for_makers_of_links(runtime, api, ports, settings)
    _for_customers_with_links(runtime, api, ports)
    return runtime, api


def _exchanged(ports: Ports, signup: Signup, body: CodeBody, visit: str | None = None) -> Signup:
    if body.waba_id is not None:
        return choose_waba(ports, signup, body.waba_id)
    code, page = body.code or "", body.redirect_uri
    return exchange_code(ports, signup, code, body.session_info, visit, redirect_uri=page)


def _for_makers_of_links(runtime: Runtime, api: Api, ports: Ports, settings: CodeExchangeSettings) -> None:
    """The routes of a tenant, and of a role that names one."""

    @api.route("POST /v1/signup-links")
    @api.route("POST /v1/tenants/{tenant}/signup-links")
    def make() -> Response:
        tenant = api.tenant
        body = api.body(MakeLinkBody)
        at = at_hub(ports, body.hub)
        require_messaging(at, body.messaging, None if api.is_role else tenant)
        wanted = WantedLink(
            signup=wanted_signup(body, at.rules.plan_tier),
            language=body.language,
            success_url=body.success_url,
            failure_url=body.failure_url,
            days=body.expires_in_days,
        )
        made = make_link(at, tenant=tenant, wanted=wanted, idempotency_key=api.idempotency_key())
        runtime.logger.append_keys(signup_id=made.link.signup_id, link_id=made.link.id)
        page = f"{api.address(settings.api_address)}{PAGE}"
        return answer(HTTPStatus.CREATED, MadeLinkView.at(made, page, ports.clock.now()))

    @api.route("POST /v1/signup-links/{link_id}/revoke")
    @api.route("POST /v1/tenants/{tenant}/signup-links/{link_id}/revoke")
    def revoke(link_id: str) -> Response:
        tenant = api.tenant
        api.body(Body)
        link = revoke_link(ports, tenant, link_id)
        return answer(HTTPStatus.OK, LinkView.of(link, ports.clock.now()))


def _for_customers_with_links(runtime: Runtime, api: Api, ports: Ports) -> None:
    """The routes of one signup, for the customer who has its link."""

    def came() -> Linked:
        found = linked(ports, api.bearer)
        runtime.logger.append_keys(signup_id=found.signup.id, link_id=found.link.id)
        return found

    @api.route("POST /v1/linked-signup/code")
    def exchange_by_link() -> Response:
        found = came()
        signup = _exchanged(ports, found.signup, api.body(CodeBody), found.visit)
        view = LinkedSignupView.behind(read.whole(ports, signup), found.link, ports.clock.now())
        return answer(HTTPStatus.OK, view)

    @api.route("POST /v1/linked-signup/outcome")
    def tell_outcome_by_link() -> Response:
        note_outcome(ports, came().signup, api.body(OutcomeBody).told)
        return answer(HTTPStatus.NO_CONTENT)


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Answer one request."""
    runtime, api = function()
    with runtime.invocation(context):
        return api(event)


wiring.start(function)
