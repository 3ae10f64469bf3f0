"""Whatever comes in is answered with a problem that names the field, and nothing is stored."""

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from onramp.inbound.http import MAX_BODY
from onramp.inbound.models import MOST_NUMBERS
from onramp.inbound.problems import MESSAGES, UNKNOWN, invalid
from tests.canary import CODE, EMAIL, Watch
from tests.unit.handlers.bench import CLIENT, TENANT, Bench

LONG = "a" * 201
OPEN, CODES, NUMBERS, RETRY = (
    "/v1/signups",
    "/v1/signups/{id}/code",
    "/v1/signups/{id}/numbers",
    "/v1/signups/{id}/retry",
)
OUR_WORDS = {*MESSAGES.values(), UNKNOWN}


@dataclass(frozen=True)
class Case:
    """A body that is not valid, and the fields it is not valid in."""

    route: str
    body: Any
    fields: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.route.rpartition('/')[2]} {json.dumps(self.body)[:60]}"


def client(**changes: Any) -> dict[str, Any]:
    return {"client": {**CLIENT, **changes}}


CASES = [
    # wrong types: nothing is converted
    Case(OPEN, [], ("body",)),
    Case(OPEN, "x", ("body",)),
    Case(OPEN, None, ("body",)),
    Case(OPEN, 7, ("body",)),
    Case(OPEN, {"client": 7}, ("client",)),
    Case(OPEN, {"client": "Acme"}, ("client",)),
    Case(OPEN, {"client": [CLIENT]}, ("client",)),
    Case(OPEN, {"client_id": 7}, ("client_id",)),
    Case(OPEN, {"client_id": True}, ("client_id",)),
    Case(OPEN, {"client": {"client_id": None}}, ("client.client_id",)),
    Case(OPEN, client(name=1), ("client.name",)),
    Case(OPEN, client(email=None), ("client.email",)),
    Case(OPEN, client(user_name=["Ann"]), ("client.user_name",)),
    Case(OPEN, {"client_id": "aCL", "reference": 1}, ("reference",)),
    Case(OPEN, {"client_id": "aCL", "plan_tier": 1}, ("plan_tier",)),
    Case(CODES, {"code": 7}, ("code",)),
    Case(CODES, {"code": ["x"]}, ("code",)),
    Case(CODES, {"code": "x", "session_info": "{}"}, ("session_info",)),
    Case(CODES, {"code": "x", "session_info": []}, ("session_info",)),
    Case(CODES, {"waba_id": 102}, ("waba_id",)),
    Case(NUMBERS, {"phone_number_ids": "106"}, ("phone_number_ids",)),
    Case(NUMBERS, {"phone_number_ids": [106]}, ("phone_number_ids.0",)),
    Case(NUMBERS, {"phone_number_ids": ["106", None]}, ("phone_number_ids.1",)),
    # missing and contradicting
    Case(OPEN, {}, ("body",)),
    Case(OPEN, {"plan_tier": "basic"}, ("body",)),
    Case(OPEN, {"client": None}, ("body",)),
    Case(OPEN, {**client(), "client_id": "aCL"}, ("body",)),
    Case(OPEN, {"client": {}}, ("client.name", "client.email", "client.user_name")),
    Case(OPEN, {"client": {"name": "A", "email": EMAIL}}, ("client.user_name",)),
    Case(CODES, {}, ("body",)),
    Case(CODES, {"session_info": {}}, ("body",)),
    Case(CODES, {"code": CODE, "waba_id": "1"}, ("body",)),
    Case(CODES, {"waba_id": "1", "session_info": {}}, ("body",)),
    # unknown
    Case(OPEN, {"client_id": "aCL", "tenant": "other"}, ("tenant",)),
    Case(OPEN, client(phone="1"), ("client.phone",)),
    Case(OPEN, {"client": {"client_id": "aCL", "name": "A"}}, ("client.name",)),
    Case(CODES, {"code": "x", "token": "y"}, ("token",)),
    Case(NUMBERS, {"numbers": []}, ("numbers",)),
    Case(RETRY, {"force": True}, ("force",)),
    # over-long, empty, of the wrong form
    Case(OPEN, client(name=LONG), ("client.name",)),
    Case(OPEN, client(name=" "), ("client.name",)),
    Case(OPEN, client(user_name=""), ("client.user_name",)),
    Case(OPEN, client(email="a" * 65 + "@x.example"), ("client.email",)),
    Case(OPEN, client(email="a@" + "b" * 250 + ".example"), ("client.email",)),
    Case(OPEN, client(email="nobody"), ("client.email",)),
    Case(OPEN, client(email="a@b"), ("client.email",)),
    Case(OPEN, client(email="a b@c.example"), ("client.email",)),
    Case(OPEN, client(email="a@b.example\n"), ("client.email",)),
    Case(OPEN, client(email="a@b.example,c@d.example"), ("client.email",)),
    Case(OPEN, client(email="<a@b.example>"), ("client.email",)),
    Case(OPEN, {"client_id": ""}, ("client_id",)),
    Case(OPEN, {"client_id": "a" * 65}, ("client_id",)),
    Case(OPEN, {"client_id": "../aCL"}, ("client_id",)),
    Case(OPEN, {"client": {"client_id": "a/b"}}, ("client.client_id",)),
    Case(OPEN, {"client_id": "aCL", "reference": LONG}, ("reference",)),
    Case(OPEN, {"client_id": "aCL", "reference": ""}, ("reference",)),
    Case(OPEN, {"client_id": "aCL", "plan_tier": "gold"}, ("plan_tier",)),
    Case(CODES, {"code": ""}, ("code",)),
    Case(CODES, {"code": "a" * 4097}, ("code",)),
    Case(CODES, {"code": "a b"}, ("code",)),
    Case(CODES, {"code": "ä"}, ("code",)),
    Case(CODES, {"code": "a\r\nb"}, ("code",)),
    Case(CODES, {"waba_id": "1" * 33}, ("waba_id",)),
    Case(CODES, {"waba_id": "../me"}, ("waba_id",)),
    Case(CODES, {"waba_id": "\u0663"}, ("waba_id",)),
    Case(CODES, {"code": "x", "session_info": {"a": "b" * 20_000}}, ("session_info",)),
    Case(NUMBERS, {"phone_number_ids": []}, ("phone_number_ids",)),
    Case(NUMBERS, {"phone_number_ids": ["1"] * (MOST_NUMBERS + 1)}, ("phone_number_ids",)),
    Case(NUMBERS, {"phone_number_ids": ["x"]}, ("phone_number_ids.0",)),
    Case(NUMBERS, {"plan_tier": "gold"}, ("plan_tier",)),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_body_that_is_not_valid_names_its_fields_and_stores_nothing(
    bench: Bench, watch: Watch, case: Case
) -> None:
    signup_id = bench.opened() if "{id}" in case.route else ""
    before = bench.items()
    answer = bench.call("POST", case.route.format(id=signup_id), raw=json.dumps(case.body))
    content = answer.problem(422, "invalid_request")
    assert not content["retryable"]
    assert answer.fields() == set(case.fields)
    assert all(name in content["detail"] for name in case.fields)
    told = {error["message"] for error in content["errors"] if error["field"] != "body"}
    assert {message for message in told if not message.startswith("must have at most")} <= OUR_WORDS
    assert bench.items() == before
    assert bench.meta.asked == []
    watch.assert_silent()


@pytest.mark.parametrize("levels", [21, 100, 199, 230, 254, 300, 1_000, 5_000])
def test_a_session_info_nested_too_deep_is_refused(bench: Bench, levels: int) -> None:
    signup_id = bench.opened()
    before = bench.items()
    raw = '{"code": "x", "session_info": {"a": ' + "[" * levels + "]" * levels + "}}"
    answer = bench.call("POST", f"/v1/signups/{signup_id}/code", raw=raw)
    answer.problem(422, "invalid_request")
    assert any(field.startswith("session_info") for field in answer.fields())
    assert bench.items() == before


def test_the_deepest_session_info_that_is_taken_can_be_read_again(bench: Bench) -> None:
    signup_id = bench.opened()
    raw = '{"code": "x", "session_info": {"a": ' + "[" * 18 + "{}" + "]" * 18 + "}}"
    assert bench.call("POST", f"/v1/signups/{signup_id}/code", raw=raw).status == 200
    assert bench.call("GET", f"/v1/signups/{signup_id}").status == 200


@pytest.mark.parametrize(
    "raw",
    [
        "{",
        "x",
        "{'client_id': 'aCL'}",
        '{"client_id": "aCL",}',
        '{"client_id": NaN}',
        '{"client_id": "aCL", "reference": Infinity}',
        '{"client_id": -Infinity}',
        '{"client_id": "\\ud800"}',
        '{"\\udfff": 1}',
        '{"client_id": "\ud800"}',
        "[" * 60_000,
        '{"a":' * 10_000,
        "\ufeff{}",
        '{"client_id": ' + "9" * 5_000 + "}",
        '{"client_id": "a\nb"}',
        " ",
    ],
    ids=lambda raw: ascii(raw)[:30],
)
@pytest.mark.parametrize("route", [OPEN, CODES, NUMBERS])
def test_what_is_no_json_is_refused_and_nothing_is_stored(
    bench: Bench, watch: Watch, raw: str, route: str
) -> None:
    signup_id = bench.opened() if "{id}" in route else ""
    before = bench.items()
    bench.call("POST", route.format(id=signup_id), raw=raw).problem(400, "invalid_json")
    assert bench.items() == before
    watch.assert_silent()


@pytest.mark.parametrize("raw", [b"\xff\xfe{}", '{"client_id": "aCL"}'.encode("utf-16"), b"{\x80}"])
def test_bytes_that_are_not_utf8_are_no_json(bench: Bench, raw: bytes) -> None:
    bench.call("POST", OPEN, encoded=raw).problem(400, "invalid_json")


def test_a_body_in_base64_is_read(bench: Bench) -> None:
    answer = bench.call("POST", OPEN, encoded='{"client_id": "aCL", "reference": "ü"}'.encode())
    assert answer.status == 201
    assert answer.json["reference"] == "ü"


def test_base64_that_is_none_is_no_json(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.unit.handlers.bench.base64.b64encode", lambda _: "ü".encode())
    bench.call("POST", OPEN, encoded=b"x").problem(400, "invalid_json")


@pytest.mark.parametrize("route", [OPEN, CODES, NUMBERS, RETRY])
@pytest.mark.parametrize(
    "media_type",
    ["", "text/plain", "application/x-www-form-urlencoded", "application/jsonx", "application/xml; json"],
)
def test_another_content_type_is_refused(bench: Bench, route: str, media_type: str) -> None:
    signup_id = bench.opened() if "{id}" in route else ""
    before = bench.items()
    answer = bench.call(
        "POST", route.format(id=signup_id), {"client_id": "aCL"}, headers={"content-type": media_type}
    )
    answer.problem(415, "unsupported_media_type")
    assert bench.items() == before


@pytest.mark.parametrize(
    "media_type", ["application/json; charset=utf-8", "APPLICATION/JSON", " application/json "]
)
def test_a_content_type_may_be_written_in_its_ways(bench: Bench, media_type: str) -> None:
    answer = bench.call("POST", OPEN, {"client_id": "aCL"}, headers={"content-type": media_type})
    assert answer.status == 201


@pytest.mark.parametrize("route", [OPEN, CODES, NUMBERS, RETRY])
@pytest.mark.parametrize("in_base64", [False, True])
def test_a_body_over_64_kib_is_too_large(bench: Bench, route: str, in_base64: bool) -> None:
    signup_id = bench.opened() if "{id}" in route else ""
    before = bench.items()
    raw = '{"client_id": "aCL"}'.ljust(MAX_BODY + 1)
    assert len(raw) == 64 * 1024 + 1
    path = route.format(id=signup_id)
    answer = (
        bench.call("POST", path, encoded=raw.encode()) if in_base64 else bench.call("POST", path, raw=raw)
    )
    answer.problem(413, "body_too_large")
    assert bench.items() == before


def test_a_body_of_64_kib_is_read(bench: Bench) -> None:
    assert bench.call("POST", OPEN, raw='{"client_id": "aCL"}'.ljust(MAX_BODY)).status == 201


def test_a_character_counts_with_all_its_bytes(bench: Bench) -> None:
    raw = json.dumps({"client_id": "ü" * (MAX_BODY // 2)}, ensure_ascii=False)
    assert len(raw) < MAX_BODY
    bench.call("POST", OPEN, raw=raw).problem(413, "body_too_large")


@pytest.mark.parametrize(
    "email",
    [
        "o'neill@example.com",
        "a+b@example.com",
        "ü@bücher.example",
        "a.b_c-d@sub.example.co",
        "!#$%&*/=?^`{|}~@x.example",
    ],
)
def test_an_email_may_hold_what_people_have_in_theirs(bench: Bench, email: str) -> None:
    answer = bench.call("POST", OPEN, client(email=email))
    assert answer.status == 201
    assert answer.json["client"]["email"] == email


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"client_id": 7}, "must be text"),
        ({"client_id": "a/b"}, "does not have the right form"),
        ({"client": {"name": "A", "email": EMAIL}}, "is required"),
        ({"client_id": "aCL", "plan_tier": "gold"}, "is not one of the known values"),
        ({"client_id": "aCL", "force": 1}, "is not a known field"),
        ({}, "give either client or client_id"),
        ([], "must be an object"),
    ],
)
def test_a_field_error_is_told_in_our_own_words(bench: Bench, body: object, message: str) -> None:
    (error,) = bench.call("POST", OPEN, body).problem(422, "invalid_request")["errors"]
    assert error["message"] == message


def test_a_kind_of_mistake_without_words_of_ours_says_that_it_is_one() -> None:
    with pytest.raises(ValidationError) as refusal:
        TypeAdapter(timedelta).validate_python("x")
    assert invalid(refusal.value).errors == [{"field": "body", "message": UNKNOWN}]


# --- who is asking


@pytest.mark.parametrize(
    ("method", "route"),
    [
        ("POST", OPEN),
        ("POST", CODES),
        ("POST", NUMBERS),
        ("POST", RETRY),
        ("GET", OPEN),
        ("GET", "/v1/signups/{id}"),
    ],
)
def test_a_token_without_the_claim_is_nobody(bench: Bench, method: str, route: str) -> None:
    signup_id = bench.opened()
    before = bench.items()
    body = {"client_id": "aCL"} if route == OPEN and method == "POST" else None
    bench.call(method, route.format(id=signup_id), body, tenant=None).problem(401, "unauthenticated")
    assert bench.items() == before


@pytest.mark.parametrize(
    "claim",
    [[TENANT], {"a": TENANT}, 7, True, "", " ", "\t", f"[{TENANT}]", "[a b]", " [a] ", "[]", "a\ud800"],
    ids=ascii,
)
def test_a_claim_that_is_not_one_text_is_nobody(bench: Bench, claim: object) -> None:
    """API Gateway hands a list on as a text in brackets."""
    bench.call("GET", OPEN, tenant=claim).problem(401, "unauthenticated")
    bench.call("POST", OPEN, {"client_id": "aCL"}, tenant=claim).problem(401, "unauthenticated")
    assert bench.items() == []


@pytest.mark.parametrize(
    "claim",
    ["a", "a b", "[a", "a]", "https://login.example/[x]/1", "a#b", "SIGNUPS#a", "%41", "ü\x00", "a" * 3_000],
    ids=lambda claim: ascii(claim)[:30],
)
def test_any_other_text_names_a_tenant(bench: Bench, claim: str) -> None:
    """Whatever is in it, nobody else's list has what is opened under it."""
    signup_id = bench.opened(tenant=claim)
    shown = bench.call("GET", OPEN, tenant=claim).json["signups"]
    assert [signup["id"] for signup in shown] == [signup_id]
    for other in ("a#", "SIGNUPS", "A", "a" * 2_999):
        assert bench.call("GET", OPEN, tenant=other).json == {"signups": [], "cursor": None}


def test_the_tenant_is_the_claim_that_the_stage_names(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TENANT_CLAIM", "custom:company")
    bench.forget()
    content = bench.call("GET", OPEN, tenant=TENANT).problem(401, "unauthenticated")
    assert "custom:company" in content["detail"]
    assert bench.call("GET", OPEN, claims={"sub": "person", "custom:company": TENANT}).status == 200


@pytest.mark.parametrize(
    "name",
    ["{id}", "missing", "0" * 32, "%20", "a" * 3_000, "ü", "SIGNUP%23x", "a#b", "..", "~", "\x01"],
    ids=lambda name: ascii(name)[:20],
)
@pytest.mark.parametrize(
    ("method", "route", "body"),
    [
        ("GET", "/v1/signups/{name}", None),
        ("POST", "/v1/signups/{name}/code", {"code": CODE}),
        ("POST", "/v1/signups/{name}/code", {"nonsense": 1}),
        ("POST", "/v1/signups/{name}/numbers", {}),
        ("POST", "/v1/signups/{name}/retry", {}),
        ("GET", "/v1/numbers/{name}", None),
        ("POST", "/v1/numbers/{name}/retry", {}),
        ("POST", "/v1/numbers/{name}/cancel", {}),
        ("POST", "/v1/numbers/{name}/reactivate", {}),
        ("POST", "/v1/numbers/{name}/check", {}),
    ],
)
def test_anothers_signup_is_as_missing_as_one_that_never_was(  # noqa: PLR0917 - a table
    bench: Bench, watch: Watch, name: str, method: str, route: str, body: object
) -> None:
    theirs = bench.opened(tenant="tenant-2")
    before = bench.items()
    answer = bench.call(method, route.format(name=name.format(id=theirs)), body)
    content = answer.problem(404, "not_found")
    assert theirs not in answer.text
    if name in {"{id}", "missing"}:
        assert content["detail"] in {"There is no such signup.", "There is no such number."}
    assert bench.items() == before
    assert bench.meta.asked == []
    watch.assert_silent()


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/v1/nothing"), ("GET", "/"), ("POST", "/v1/signups/x/nothing"), ("DELETE", "/v1/signups/x")],
)
def test_a_route_that_is_none_is_a_problem_too(bench: Bench, method: str, path: str) -> None:
    bench.call(method, path).problem(404, "not_found")


@pytest.mark.parametrize("key", ["", " ", "k" * 201])
def test_an_idempotency_key_that_is_none_is_named(bench: Bench, key: str) -> None:
    answer = bench.call("POST", OPEN, {"client_id": "aCL"}, headers={"Idempotency-Key": key})
    answer.problem(422, "invalid_request")
    assert answer.fields() == {"Idempotency-Key"}
    assert bench.items() == []


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"limit": "0"}, "limit"),
        ({"limit": "101"}, "limit"),
        ({"limit": "x"}, "limit"),
        ({"limit": "1.5"}, "limit"),
        ({"limit": "10,20"}, "limit"),
        ({"limit": ""}, "limit"),
        ({"status": "unknown"}, "status"),
        ({"status": "open,expired"}, "status"),
        ({"cursor": ""}, "cursor"),
        ({"cursor": "x" * 501}, "cursor"),
        ({"cursor": "%%%"}, "cursor"),
        ({"cursor": "ü"}, "cursor"),
        ({"cursor": "\ud800"}, "cursor"),
        ({"cursor": "eyJwayI6IlRFTkFOVCN0ZW5hbnQtMiJ9"}, "cursor"),
        ({"tenant": "tenant-2"}, "tenant"),
    ],
)
@pytest.mark.parametrize("route", [OPEN, "/v1/numbers"])
def test_a_query_that_is_not_valid_names_its_field(
    bench: Bench, query: dict[str, str], field: str, route: str
) -> None:
    answer = bench.call("GET", route, query=query)
    answer.problem(422, "invalid_request")
    assert answer.fields() == {field}


def test_a_field_name_that_is_a_secret_itself_is_masked(bench: Bench, watch: Watch) -> None:
    answer = bench.call("POST", OPEN, {"client_id": "aCL", EMAIL: 1, "x" * 500: 2})
    answer.problem(422, "invalid_request")
    assert EMAIL not in answer.text
    assert max(len(field) for field in answer.fields()) <= 200
    watch.assert_silent()


def test_many_mistakes_are_told_up_to_a_limit(bench: Bench) -> None:
    answer = bench.call("POST", OPEN, {"client_id": "aCL"} | {f"f{number}": 1 for number in range(200)})
    content = answer.problem(422, "invalid_request")
    assert len(content["errors"]) == 50
    assert len(content["detail"]) < 200
