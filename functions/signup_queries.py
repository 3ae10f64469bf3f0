"""The reading routes: configuration, signups, numbers and links, one or many, and a channel's key."""

from functools import cache
from http import HTTPStatus
from typing import Any, Final

from onramp import wiring
from onramp.domain.launch import STANDARD
from onramp.inbound import deletions
from onramp.inbound.http import Api, Response, answer
from onramp.inbound.models import (
    ConfigAnswer,
    KeyAnswer,
    LinkedSignupView,
    LinkList,
    LinkQuery,
    LinkView,
    NumberList,
    NumberQuery,
    NumberView,
    PageView,
    SignupList,
    SignupQuery,
    SignupSummary,
    SignupView,
    fitting,
)
from onramp.ports import Ports, Rules
from onramp.settings import SettingsError, SignupQueriesSettings, json_object
from onramp.usecases import read
from onramp.usecases.links import link_cursor, linked, links
from onramp.usecases.list_numbers import Glances
from onramp.usecases.requests import read_one
from onramp.wiring import Runtime

SDK: Final = "/en_US/sdk.js"
"""Where Meta's SDK is on its host; a browser may ask for another locale."""


def public_config(settings: SignupQueriesSettings, rules: Rules) -> ConfigAnswer:
    """What every browser may know. Raises `SettingsError`."""
    standard = rules.flows.get(STANDARD)
    if standard is None:
        raise SettingsError(f"SIGNUP_FLOWS has no flow {STANDARD}")
    return ConfigAnswer(
        app_id=settings.meta_app_id,
        config_id=standard.config_id,
        graph_version=settings.graph_version,
        extras=dict(standard.extras),
        sdk_url=f"{settings.meta_sdk_base_url.rstrip('/')}{SDK}",
        dialog_url=f"{settings.meta_dialog_base_url.rstrip('/')}/{settings.graph_version}/dialog/oauth",
        redirect_uris=list(rules.redirect_uris),
        flows=list(rules.flows),
        page=PageView.model_validate(json_object("SIGNUP_PAGE", settings.signup_page)),
    )


@cache
def function() -> tuple[Runtime, Api]:
    """The wired function, made once."""
    settings = SignupQueriesSettings.read()
    runtime = Runtime(settings)
    ports = wiring.signup_queries(runtime, settings)
    config = public_config(settings, ports.rules)
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

    @api.route("GET /v1/deletions/{code}")
    def read_deletion(code: str) -> Response:
        return deletions.shown(read_one(ports, code), api.header("accept"))

    _of_links(runtime, api, ports, glances)
    return runtime, api


def _of_links(runtime: Runtime, api: Api, ports: Ports, glances: Glances) -> None:
    """A tenant's links, and the signup behind one, for the customer who has it."""

    @api.route("GET /v1/signup-links")
    @api.route("GET /v1/tenants/{tenant}/signup-links")
    def read_links() -> Response:
        tenant, query = api.tenant, api.query(LinkQuery)
        page = links(ports, tenant, query.status, query.cursor, query.limit)
        now = ports.clock.now()
        shown, cursor = fitting(page, lambda link: LinkView.of(link, now), link_cursor)
        return answer(HTTPStatus.OK, LinkList(links=shown, cursor=cursor))

    @api.route("GET /v1/linked-signup")
    def read_by_link() -> Response:
        found = linked(ports, api.bearer)
        runtime.logger.append_keys(signup_id=found.signup.id, link_id=found.link.id)
        whole = glances.shown(ports, read.whole(ports, found.signup))
        now = ports.clock.now()
        return api.shown(LinkedSignupView.behind(whole, found.link, now), read.come_back_to(whole, now))


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Answer one request."""
    runtime, api = function()
    with runtime.invocation(context):
        return api(event)


wiring.start(function)
