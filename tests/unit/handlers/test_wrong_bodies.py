"""Whatever a body or a query holds, the answer is in our words and repeats nothing of what came in."""

import json
from http import HTTPStatus
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aws_lambda_powertools import Logger
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from onramp.domain.errors import PROBLEMS, Problem
from onramp.inbound.http import Api, Response, answer
from onramp.inbound.models import MOST_NUMBERS, Body, NumberQuery, NumbersBody, ProblemAnswer, SignupQuery
from onramp.inbound.opening import (
    SESSION_INFO_DEPTH,
    SESSION_INFO_LENGTH,
    CodeBody,
    OpenSignupBody,
    OutcomeBody,
)
from onramp.inbound.problems import LONGEST_FIELD, MESSAGES, MOST_ERRORS, UNKNOWN, content_of, invalid
from onramp.wiring import Runtime
from tests.canary import MARK

BODIES: list[type[BaseModel]] = [OpenSignupBody, CodeBody, NumbersBody, OutcomeBody, Body]
QUERIES: list[type[BaseModel]] = [SignupQuery, NumberQuery]
OUR_WORDS = {
    *MESSAGES.values(),
    UNKNOWN,
    "give either client or client_id",
    "give either code or waba_id",
    "session_info goes with a code",
    f"must have at most {SESSION_INFO_LENGTH} characters",
    f"must have at most {SESSION_INFO_DEPTH} levels",
}
PYDANTICS = ("pydantic", "input should", "input_value", "type=", "value error", "http", "traceback")
KNOWN = [
    "client", "client_id", "name", "email", "user_name", "plan_tier", "reference", "code", "session_info",
    "waba_id", "phone_number_ids", "status", "cursor", "limit", "flow", "prefill", "business",
    "phone", "address", "waba_ids", "outcome", "step", "error_code", "session_id",
    "NewClient", "KnownClient", "",
]  # fmt: skip

_marked = st.text(max_size=20).map(lambda text: f"{MARK}{text}")
_scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    _marked,
    st.sampled_from(["aCL", "102290129340398", "basic", "open", "owner@example.com", ""]),
)
_values = st.recursive(
    _scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.sampled_from(KNOWN), inner, max_size=5)
    ),
    max_leaves=15,
)
_bodies = st.one_of(_values, st.dictionaries(st.sampled_from(KNOWN), _values, max_size=6))


def api_of(model: type[BaseModel], *, query: bool = False) -> Api:
    """One route that reads a body or a query and says that it was right."""
    logger = Logger(service="wrong-bodies", level="CRITICAL")
    api = Api(cast("Runtime", SimpleNamespace(logger=logger)), "sub")

    @api.route("POST /body")
    def take() -> Response:
        if query:
            api.query(model)
        else:
            api.body(model)
        return answer(HTTPStatus.OK)

    return api


def call(api: Api, raw: str = "", query: dict[str, str] | None = None) -> tuple[int, dict[str, Any]]:
    event = {
        "version": "2.0",
        "routeKey": "POST /body",
        "headers": {"content-type": "application/json"},
        "requestContext": {
            "http": {"method": "POST", "path": "/body"},
            "requestId": "r1",
            "stage": "$default",
        },
        "body": raw,
        "queryStringParameters": query,
    }
    given_back = api(event)
    return int(given_back["statusCode"]), json.loads(given_back["body"] or "{}")


def assert_ours(content: dict[str, Any]) -> None:
    """Fail when a refusal is not in our words, or tells something of what came in."""
    assert content["code"] == "invalid_request"
    assert content["customer_detail"] == PROBLEMS["invalid_request"].customer
    assert content["errors"]
    assert len(content["errors"]) <= MOST_ERRORS
    for error in content["errors"]:
        assert error.keys() == {"field", "message"}
        assert error["message"] in OUR_WORDS, error
        assert 0 < len(error["field"]) <= LONGEST_FIELD
    written = json.dumps(content, ensure_ascii=False).lower()
    assert MARK.lower() not in written
    assert not [word for word in PYDANTICS if word in written]
    ProblemAnswer.model_validate(content)


@pytest.mark.parametrize("model", BODIES)
def test_a_wrong_body_is_told_in_our_words_and_never_repeated(model: type[BaseModel]) -> None:
    api = api_of(model)

    @settings(max_examples=250, deadline=None)
    @example({"client": {"name": MARK, "email": MARK, "user_name": 1, "client_id": MARK}})
    @example({"client": {"client_id": "aCL", "email": f"{MARK} {MARK}"}})
    @example({"phone_number_ids": [f"{MARK}"] * (MOST_NUMBERS + 1)})
    @example({"code": MARK, "session_info": {"a": MARK * (SESSION_INFO_LENGTH // len(MARK))}})
    @given(_bodies)
    def never(body: object) -> None:
        status, content = call(api, json.dumps(body))
        assume(status != 200)
        if status == 400:
            # NaN and Infinity, which Python writes and JSON does not know.
            assert content["code"] == "invalid_json"
        else:
            assert status == 422
            assert_ours(content)

    never()


@pytest.mark.parametrize("model", QUERIES)
def test_a_wrong_query_is_told_in_our_words_and_never_repeated(model: type[BaseModel]) -> None:
    api = api_of(model, query=True)

    @settings(max_examples=200, deadline=None)
    @given(
        st.dictionaries(st.sampled_from(KNOWN), st.one_of(_marked, st.sampled_from(["1", "open", "-1", ""])))
    )
    def never(query: dict[str, str]) -> None:
        status, content = call(api, query=query)
        assume(status != 200)
        assert status == 422
        assert_ours(content)

    never()


API = api_of(OpenSignupBody)


@settings(max_examples=300, deadline=None)
@example("[" * 2_000 + "]" * 2_000)
@example('{"client_id": "\ud800"}')
@example('{"a": 1e999}')
@given(st.text(st.characters(exclude_categories=()), max_size=200))
def test_any_text_as_a_body_is_an_answer(raw: str) -> None:
    status, content = call(API, raw)
    assert status in {200, 400, 413, 422}
    if status == 422:
        assert {error["message"] for error in content["errors"]} <= OUR_WORDS


# --- problems as they go out


@pytest.mark.parametrize("code", PROBLEMS)
def test_every_problem_has_a_text_for_the_partner_and_one_for_the_customer(code: str) -> None:
    content = content_of(Problem(code, "What happened."), "r1")
    kind = PROBLEMS[code]
    assert content == {
        "type": f"urn:onramp:problem:{code}",
        "title": kind.title,
        "status": kind.status,
        "detail": "What happened.",
        "code": code,
        "retryable": kind.retryable,
        "customer_detail": kind.customer,
        "request_id": "r1",
    }
    assert kind.customer.endswith(".")
    assert not {"WABA", "API", "JSON", "onramp", "tenant", code} & set(kind.customer.replace(".", "").split())


def test_what_helps_is_in_a_problem_only_where_it_is_known() -> None:
    content = content_of(
        Problem(
            "number_taken",
            "Yours.",
            errors=[{"field": "a", "message": "b"}],
            candidates=[],
            retryable=True,
            signup_id="s1",
            phone_number_id="106",
        ),
        "r1",
    )
    assert content["errors"] == [{"field": "a", "message": "b"}]
    assert content["candidates"] == []
    assert (content["signup_id"], content["phone_number_id"]) == ("s1", "106")
    assert content["retryable"] is True
    ProblemAnswer.model_validate(content)


def test_the_same_mistake_of_a_field_is_told_once() -> None:
    class Either(Body):
        value: int | bool

    with pytest.raises(ValidationError) as refusal:
        Either.model_validate({"value": "x"})
    errors = invalid(refusal.value).errors
    assert [error["message"] for error in errors] == [MESSAGES["int_type"], MESSAGES["bool_type"]]
    assert len({json.dumps(error) for error in errors}) == len(errors)
