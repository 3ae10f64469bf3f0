"""`POST /v1/signups` and `POST /v1/signups/{id}/code`: opens signups and exchanges codes while they live."""

from functools import cache
from http import HTTPStatus
from typing import Any

from onramp import wiring
from onramp.domain.signup import Client
from onramp.inbound.http import Api, Response, answer
from onramp.inbound.models import CodeBody, KnownClient, OpenSignupBody, SignupView
from onramp.settings import CodeExchangeSettings
from onramp.usecases import read
from onramp.usecases.exchange_code import choose_waba, exchange_code
from onramp.usecases.open_signup import open_signup
from onramp.wiring import Runtime


def asked_client(body: OpenSignupBody) -> Client:
    """The customer a request names, in either form."""
    if isinstance(body.client, KnownClient):
        return Client(id=body.client.client_id, email=body.client.email)
    if body.client is not None:
        return Client(name=body.client.name, email=body.client.email, user_name=body.client.user_name)
    return Client(id=body.client_id)


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
        signup = open_signup(
            ports,
            tenant=tenant,
            client=asked_client(body),
            plan_tier=body.plan_tier or settings.default_plan_tier,
            reference=body.reference,
            idempotency_key=api.idempotency_key(),
        )
        runtime.logger.append_keys(signup_id=signup.id)
        view = SignupView.of(read.whole(ports, signup), ports.clock.now())
        return answer(HTTPStatus.CREATED, view, {"Location": f"/v1/signups/{signup.id}"})

    @api.route("POST /v1/signups/{signup_id}/code")
    def exchange(signup_id: str) -> Response:
        signup = read.own_signup(ports, api.tenant, signup_id)
        body = api.body(CodeBody)
        if body.waba_id is not None:
            signup = choose_waba(ports, signup, body.waba_id)
        else:
            signup = exchange_code(ports, signup, body.code or "", body.session_info)
        return answer(HTTPStatus.OK, SignupView.of(read.whole(ports, signup), ports.clock.now()))

    return runtime, api


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Answer one request."""
    runtime, api = function()
    with runtime.invocation(context):
        return api(event)


wiring.start(function)
