"""`POST /v1/signups` and `POST /v1/signups/{id}/code`: opens signups and exchanges codes while they live."""

from functools import cache
from http import HTTPStatus
from typing import Any

from aws_lambda_powertools.event_handler import Response

from onramp.adapters.meta_graph import MetaGraph
from onramp.api.http import Api, answer
from onramp.api.models import CodeBody, KnownClient, OpenSignupBody, SignupAnswer, SignupView
from onramp.domain.signup import Client
from onramp.settings import CodeExchangeSettings
from onramp.usecases.exchange_code import ExchangeCode
from onramp.usecases.open_signup import OpenSignup
from onramp.wiring import Runtime


def asked_client(body: OpenSignupBody) -> Client:
    """The customer a request names, in either form."""
    if isinstance(body.client, KnownClient):
        return Client(id=body.client.client_id)
    if body.client is not None:
        return Client(name=body.client.name, email=body.client.email, user_name=body.client.user_name)
    return Client(id=body.client_id)


@cache
def function() -> tuple[Runtime, Api]:
    """The wired function, made once."""
    settings = CodeExchangeSettings.read()
    runtime = Runtime(settings)
    store, bus = runtime.store(settings.table_name), runtime.bus(settings.bus_name)
    secret = runtime.secret(settings.secret_id)
    open_signup = OpenSignup(store, store, bus, runtime.clock, runtime.telemetry)
    meta = MetaGraph(
        client=runtime.http,
        clock=runtime.clock,
        base_url=settings.graph_base_url.rstrip("/"),
        version=settings.graph_version,
        app_id=settings.meta_app_id,
        app_secret=lambda: secret("meta_app_secret"),
    )
    vault = runtime.vault(settings.envelope_key_id)
    exchange_code = ExchangeCode(store, meta, vault, bus, runtime.clock, runtime.telemetry)
    api = Api(runtime, settings.tenant_claim)

    @api.routes.post("/v1/signups")
    def open_() -> Response[str]:
        body = api.body(OpenSignupBody)
        signup = open_signup(
            tenant=api.tenant,
            client=asked_client(body),
            plan_tier=body.plan_tier or settings.default_plan_tier,
            reference=body.reference,
            idempotency_key=api.idempotency_key(),
        )
        view = SignupView.of(signup, runtime.clock.now())
        return answer(HTTPStatus.CREATED, view, {"Location": f"/v1/signups/{signup.id}"})

    @api.routes.post("/v1/signups/<signup_id>/code")
    def exchange(signup_id: str) -> Response[str]:
        signup = api.own_signup(store, signup_id)
        body = api.body(CodeBody)
        if body.waba_id is not None:
            signup = exchange_code.with_waba(signup, body.waba_id)
        else:
            signup = exchange_code.with_code(signup, body.code or "", body.session_info)
        return answer(HTTPStatus.OK, SignupAnswer(signup=SignupView.of(signup, runtime.clock.now())))

    return runtime, api


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Answer one request."""
    runtime, api = function()
    with runtime.invocation(context):
        return api(event, context)
