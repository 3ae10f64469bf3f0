"""`POST …/numbers` and both `…/retry`: takes the wish, stores it, wakes the worker."""

from functools import cache
from http import HTTPStatus
from typing import Any

from aws_lambda_powertools.event_handler import Response

from onramp import wiring
from onramp.domain.signup import Signup
from onramp.inbound.http import Api, answer
from onramp.inbound.models import Body, NumbersBody, NumberView, SignupView
from onramp.settings import NumberSubmissionSettings
from onramp.usecases import read
from onramp.usecases.submit_numbers import retry_number, retry_signup, submit_numbers
from onramp.wiring import Runtime


@cache
def function() -> tuple[Runtime, Api]:
    """The wired function, made once."""
    settings = NumberSubmissionSettings.read()
    runtime = Runtime(settings)
    ports = wiring.number_submission(runtime, settings)
    api = Api(runtime, settings.tenant_claim)

    def accepted(signup: Signup) -> Response[str]:
        return answer(HTTPStatus.ACCEPTED, SignupView.of(read.whole(ports, signup), ports.clock.now()))

    @api.routes.post("/v1/signups/<signup_id>/numbers")
    def submit(signup_id: str) -> Response[str]:
        signup = read.own_signup(ports, api.tenant, signup_id)
        body = api.body(NumbersBody)
        return accepted(submit_numbers(ports, signup, body.phone_number_ids or (), body.plan_tier))

    @api.routes.post("/v1/signups/<signup_id>/retry")
    def retry(signup_id: str) -> Response[str]:
        signup = read.own_signup(ports, api.tenant, signup_id)
        api.body(Body)
        return accepted(retry_signup(ports, signup))

    @api.routes.post("/v1/numbers/<phone_number_id>/retry")
    def retry_one(phone_number_id: str) -> Response[str]:
        number = read.own_number(ports, api.tenant, phone_number_id)
        api.body(Body)
        return answer(HTTPStatus.ACCEPTED, NumberView.of(retry_number(ports, number)))

    return runtime, api


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Answer one request."""
    runtime, api = function()
    with runtime.invocation(context):
        return api(event, context)
