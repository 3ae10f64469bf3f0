"""The reading routes: configuration, one signup, all signups of a tenant, a channel's key."""

from functools import cache
from http import HTTPStatus
from typing import Any

from aws_lambda_powertools.event_handler import Response

from onramp.api.http import Api, answer
from onramp.api.models import ConfigAnswer, KeyAnswer, SignupList, SignupView
from onramp.settings import SignupQueriesSettings, json_object
from onramp.usecases.read_signups import ReadSignups
from onramp.wiring import Runtime


@cache
def function() -> tuple[Runtime, Api]:
    """The wired function, made once."""
    settings = SignupQueriesSettings.read()
    runtime = Runtime(settings)
    store = runtime.store(settings.table_name)
    reading = ReadSignups(store, runtime.vault(settings.envelope_key_id), runtime.clock)
    config = ConfigAnswer(
        app_id=settings.meta_app_id,
        config_id=settings.meta_config_id,
        graph_version=settings.graph_version,
        extras=json_object("SIGNUP_EXTRAS", settings.signup_extras),
    )
    api = Api(runtime, settings.tenant_claim)

    @api.routes.get("/v1/config")
    def read_config() -> Response[str]:
        return answer(HTTPStatus.OK, config, {"Cache-Control": "public, max-age=300"})

    @api.routes.get("/v1/signups/<signup_id>")
    def read_one(signup_id: str) -> Response[str]:
        signup = api.own_signup(store, signup_id)
        now = runtime.clock.now()
        headers = reading.headers(signup, now)
        if api.matches(headers["ETag"]):
            return answer(HTTPStatus.NOT_MODIFIED, headers=headers)
        return answer(HTTPStatus.OK, SignupView.of(signup, now), headers)

    @api.routes.get("/v1/signups")
    def read_page() -> Response[str]:
        query = api.list_query()
        page = reading.page(api.tenant, query.status, query.cursor, query.limit)
        now = runtime.clock.now()
        signups = [SignupView.of(signup, now) for signup in page.signups]
        return answer(HTTPStatus.OK, SignupList(signups=signups, cursor=page.cursor))

    @api.routes.get("/v1/channels/<channel_id>/api-key")
    def read_key(channel_id: str) -> Response[str]:
        key = reading.key(channel_id)
        return answer(
            HTTPStatus.OK, KeyAnswer(channel_id=channel_id, address=key.address, api_key=key.api_key)
        )

    return runtime, api


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Answer one request."""
    runtime, api = function()
    with runtime.invocation(context):
        return api(event, context)
