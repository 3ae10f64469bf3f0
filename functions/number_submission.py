"""What a tenant asks for a signup's numbers, or for one: takes the wish, stores it, wakes the worker."""

from collections.abc import Callable, Mapping
from functools import cache
from http import HTTPStatus
from typing import Any, Final

from onramp import wiring
from onramp.domain.number import Number
from onramp.domain.signup import Signup
from onramp.inbound.http import Api, Response, answer
from onramp.inbound.models import (
    Body,
    LinkedNumbersBody,
    LinkedSignupView,
    NumbersBody,
    NumberView,
    SignupView,
)
from onramp.ports import Ports
from onramp.settings import NumberSubmissionSettings
from onramp.usecases import read
from onramp.usecases.links import Linked, linked
from onramp.usecases.submit_numbers import submit_numbers
from onramp.usecases.wishes import (
    cancel_number,
    check_number,
    reactivate_number,
    retry_number,
    retry_signup,
)
from onramp.wiring import Runtime

type Wish = Callable[[Ports, Number], Number]

OF_A_NUMBER: Final[Mapping[str, Wish]] = {
    "POST /v1/numbers/{phone_number_id}/retry": retry_number,
    "POST /v1/numbers/{phone_number_id}/cancel": cancel_number,
    "POST /v1/numbers/{phone_number_id}/reactivate": reactivate_number,
    "POST /v1/numbers/{phone_number_id}/check": check_number,
}
"""What can be asked for one number, by its route."""


@cache
def function() -> tuple[Runtime, Api]:
    """The wired function, made once."""
    settings = NumberSubmissionSettings.read()
    runtime = Runtime(settings)
    ports = wiring.number_submission(runtime, settings)
    api = Api(runtime, settings.tenant_claim)

    def accepted(signup: Signup) -> Response:
        return answer(HTTPStatus.ACCEPTED, SignupView.of(read.whole(ports, signup), ports.clock.now()))

    @api.route("POST /v1/signups/{signup_id}/numbers")
    def submit(signup_id: str) -> Response:
        signup = read.own_signup(ports, api.tenant, signup_id)
        body = api.body(NumbersBody)
        return accepted(submit_numbers(ports, signup, body.phone_number_ids or (), body.plan_tier))

    @api.route("POST /v1/signups/{signup_id}/retry")
    def retry(signup_id: str) -> Response:
        signup = read.own_signup(ports, api.tenant, signup_id)
        api.body(Body)
        return accepted(retry_signup(ports, signup))

    def taking(wish: Wish) -> Callable[[str], Response]:
        def take(phone_number_id: str) -> Response:
            number = read.own_number(ports, api.tenant, phone_number_id)
            api.body(Body)
            return answer(HTTPStatus.ACCEPTED, NumberView.of(wish(ports, number), ports.clock.now()))

        return take

    _for_customers_with_links(runtime, api, ports)
    for key, wish in OF_A_NUMBER.items():
        api.route(key)(taking(wish))

    return runtime, api


def _for_customers_with_links(runtime: Runtime, api: Api, ports: Ports) -> None:
    """The routes of one signup, for the customer who has its link."""

    def came() -> Linked:
        found = linked(ports, api.bearer)
        runtime.logger.append_keys(signup_id=found.signup.id, link_id=found.link.id)
        return found

    def accepted_by_link(found: Linked, signup: Signup) -> Response:
        view = LinkedSignupView.behind(read.whole(ports, signup), found.link, ports.clock.now())
        return answer(HTTPStatus.ACCEPTED, view)

    @api.route("POST /v1/linked-signup/numbers")
    def submit_by_link() -> Response:
        found, body = came(), api.body(LinkedNumbersBody)
        return accepted_by_link(found, submit_numbers(ports, found.signup, body.phone_number_ids or (), None))

    @api.route("POST /v1/linked-signup/retry")
    def retry_by_link() -> Response:
        found = came()
        api.body(Body)
        return accepted_by_link(found, retry_signup(ports, found.signup))


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Answer one request."""
    runtime, api = function()
    with runtime.invocation(context):
        return api(event)


wiring.start(function)
