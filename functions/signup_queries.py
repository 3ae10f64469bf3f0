"""The reading routes: configuration, signups and numbers, one or many, and a channel's key."""

from functools import cache
from http import HTTPStatus
from typing import Any

from onramp import wiring
from onramp.inbound.http import Api, Response, answer
from onramp.inbound.models import (
    ConfigAnswer,
    KeyAnswer,
    NumberList,
    NumberQuery,
    NumberView,
    SignupList,
    SignupQuery,
    SignupSummary,
    SignupView,
    fitting,
)
from onramp.settings import SignupQueriesSettings, json_object
from onramp.usecases import read
from onramp.usecases.list_numbers import Glances
from onramp.wiring import Runtime


@cache
def function() -> tuple[Runtime, Api]:
    """The wired function, made once."""
    settings = SignupQueriesSettings.read()
    runtime = Runtime(settings)
    ports = wiring.signup_queries(runtime, settings)
    config = ConfigAnswer(
        app_id=settings.meta_app_id,
        config_id=settings.meta_config_id,
        graph_version=settings.graph_version,
        extras=json_object("SIGNUP_EXTRAS", settings.signup_extras),
    )
    api = Api(runtime, settings.tenant_claim)
    glances = Glances()

    @api.route("GET /v1/config")
    def read_config() -> Response:
        return answer(HTTPStatus.OK, config, {"Cache-Control": "public, max-age=300"})

    @api.route("GET /v1/signups/{signup_id}")
    def read_signup(signup_id: str) -> Response:
        whole = glances.shown(ports, read.whole(ports, read.own_signup(ports, api.tenant, signup_id)))
        now = ports.clock.now()
        return api.shown(SignupView.of(whole, now), read.come_back_to(whole, now))

    @api.route("GET /v1/signups")
    def read_signups() -> Response:
        tenant, query = api.tenant, api.query(SignupQuery)
        page = read.signups(ports, tenant, query.status, query.cursor, query.limit)
        now = ports.clock.now()
        shown, cursor = fitting(page, lambda whole: SignupSummary.of(whole, now), read.cursor_of)
        return answer(HTTPStatus.OK, SignupList(signups=shown, cursor=cursor))

    @api.route("GET /v1/numbers/{phone_number_id}")
    def read_number(phone_number_id: str) -> Response:
        number = read.own_number(ports, api.tenant, phone_number_id)
        now = ports.clock.now()
        return api.shown(NumberView.of(number, now), read.come_back_in([number], now))

    @api.route("GET /v1/numbers")
    def read_numbers() -> Response:
        tenant, query = api.tenant, api.query(NumberQuery)
        page = read.numbers(ports, tenant, query.status, query.cursor, query.limit)
        now = ports.clock.now()
        shown, cursor = fitting(page, lambda number: NumberView.of(number, now), read.cursor_of)
        return answer(HTTPStatus.OK, NumberList(numbers=shown, cursor=cursor))

    @api.route("GET /v1/channels/{channel_id}/api-key")
    def read_key(channel_id: str) -> Response:
        key = read.channel_key(ports, channel_id)
        return answer(
            HTTPStatus.OK, KeyAnswer(channel_id=channel_id, address=key.address, api_key=key.api_key)
        )

    return runtime, api


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Answer one request."""
    runtime, api = function()
    with runtime.invocation(context):
        return api(event)


wiring.start(function)
