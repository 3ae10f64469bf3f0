"""`POST /v1/signups/{id}/numbers` and `…/retry`: takes the wish, stores it, wakes the worker."""

from functools import cache
from http import HTTPStatus
from typing import Any

from aws_lambda_powertools.event_handler import Response

from onramp.adapters.aws import SqsQueue
from onramp.api.http import Api, answer
from onramp.api.models import Body, NumbersBody, SignupAnswer, SignupView
from onramp.domain.signup import Signup
from onramp.settings import NumberSubmissionSettings
from onramp.usecases.submit_number import SubmitNumber
from onramp.wiring import Runtime


@cache
def function() -> tuple[Runtime, Api]:
    """The wired function, made once."""
    settings = NumberSubmissionSettings.read()
    runtime = Runtime(settings)
    store = runtime.store(settings.table_name)
    queue = SqsQueue(runtime.sqs(), jobs=settings.jobs_queue_url)
    submit_number = SubmitNumber(
        store, queue, runtime.bus(settings.bus_name), runtime.clock, runtime.telemetry
    )
    api = Api(runtime, settings.tenant_claim)

    def accepted(signup: Signup) -> Response[str]:
        return answer(HTTPStatus.ACCEPTED, SignupAnswer(signup=SignupView.of(signup, runtime.clock.now())))

    @api.routes.post("/v1/signups/<signup_id>/numbers")
    def submit(signup_id: str) -> Response[str]:
        signup = api.own_signup(store, signup_id)
        body = api.body(NumbersBody)
        return accepted(submit_number.submit(signup, body.phone_number_ids or (), body.plan_tier))

    @api.routes.post("/v1/signups/<signup_id>/retry")
    def retry(signup_id: str) -> Response[str]:
        signup = api.own_signup(store, signup_id)
        api.body(Body)
        return accepted(submit_number.retry(signup))

    return runtime, api


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Answer one request."""
    runtime, api = function()
    with runtime.invocation(context):
        return api(event, context)
