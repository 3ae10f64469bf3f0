"""Opening a signup and exchanging its code, from the request to what is stored and said."""

import json
from typing import Any

import boto3
import httpx
import pytest

from onramp.adapters.aws import KmsVault
from onramp.domain.clients import ClientRecord
from onramp.domain.signup import Exchange, Signup
from tests.canary import APP_SECRET, CODE, EMAIL, TOKEN, Watch, assert_silent
from tests.unit.handlers.bench import CLIENT, NUMBER, REDIRECT, TABLE, TENANT, UNTOLD, WABA, Answer, Bench


def stored(bench: Bench, signup_id: str) -> Signup:
    """The signup as the table has it."""
    found = bench.store.read(Signup, signup_id)
    assert found is not None
    return found


def exchange(bench: Bench, signup_id: str, body: dict[str, Any] | None = None) -> Answer:
    return bench.call("POST", f"/v1/signups/{signup_id}/code", body or {"code": CODE})


# --- opening


def test_a_signup_is_opened_and_says_where_it_is(bench: Bench, watch: Watch) -> None:
    body = {"client": CLIENT, "plan_tier": "premium", "reference": "order 7"}
    answer = bench.call("POST", "/v1/signups", body)
    assert answer.status == 201
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    content = answer.json
    assert answer.headers["Location"] == f"/v1/signups/{content['id']}"
    assert set(content) == {
        "id", "status", "reference", "plan_tier", "hub", "client", "waba", "numbers", "launch", "timeline",
        "created_at", "updated_at", "expires_at",
    }  # fmt: skip
    assert content["client"] == {"id": None, **CLIENT}
    assert (content["status"], content["plan_tier"], content["reference"]) == ("open", "premium", "order 7")
    assert (content["waba"], content["numbers"]) == (None, [])
    assert stored(bench, content["id"]).tenant == TENANT
    written = watch.read()
    assert '"SignupsOpened":[1.0]' in written
    watch.assert_silent()


@pytest.mark.parametrize("body", [{"client_id": "aCL"}, {"client": {"client_id": "aCL"}}])
def test_a_client_may_be_named_by_its_id_in_both_places(bench: Bench, body: dict[str, Any]) -> None:
    content = bench.call("POST", "/v1/signups", body).json
    assert content["client"] == {"id": "aCL", "name": None, "email": None, "user_name": None}
    assert content["plan_tier"] == "regular"


def test_a_code_without_a_popup_names_its_page_and_only_a_configured_one(bench: Bench) -> None:
    signup_id = bench.opened()
    refused = exchange(bench, signup_id, {"code": CODE, "redirect_uri": f"{REDIRECT}/other"})
    refused.problem(422, "invalid_request")
    assert refused.fields() == {"redirect_uri"}
    assert "[meta] redirect_uris" in refused.json["detail"]
    assert bench.meta.asked == []
    assert exchange(bench, signup_id, {"code": CODE, "redirect_uri": REDIRECT}).json["status"] == "authorized"


def test_a_page_goes_with_a_code_alone(bench: Bench) -> None:
    answer = exchange(bench, bench.opened(), {"waba_id": WABA, "redirect_uri": REDIRECT})
    answer.problem(422, "invalid_request")


def test_names_are_stored_without_the_space_around_them(bench: Bench) -> None:
    content = bench.call("POST", "/v1/signups", {"client": {**CLIENT, "name": "  Acme  "}}).json
    assert content["client"]["name"] == "Acme"


def test_the_same_request_again_gives_the_first_signup(bench: Bench) -> None:
    headers = {"idempotency-key": "k1"}
    first = bench.call("POST", "/v1/signups", {"client": CLIENT}, headers=headers)
    again = bench.call("POST", "/v1/signups", {"client": CLIENT}, headers={"Idempotency-Key": " k1 "})
    other = bench.call("POST", "/v1/signups", {"client": CLIENT})
    theirs = bench.call("POST", "/v1/signups", {"client": CLIENT}, headers=headers, tenant="tenant-2")
    assert first.json["id"] == again.json["id"]
    assert len({first.json["id"], other.json["id"], theirs.json["id"]}) == 3


def test_a_key_that_came_with_another_body_is_refused(bench: Bench) -> None:
    headers = {"idempotency-key": "k1"}
    bench.call("POST", "/v1/signups", {"client": CLIENT}, headers=headers)
    answer = bench.call("POST", "/v1/signups", {"client_id": "aCL"}, headers=headers)
    answer.problem(422, "idempotency_key_reused")


def test_a_client_of_another_tenant_is_refused_by_its_field(bench: Bench) -> None:
    bench.store.commit(ClientRecord(name="aCL", tenant="tenant-2", client_id="aCL"))
    answer = bench.call("POST", "/v1/signups", {"client_id": "aCL"})
    answer.problem(422, "invalid_request")
    assert answer.fields() == {"client_id"}


# --- exchanging


def test_a_code_becomes_a_waba_and_its_numbers(bench: Bench, watch: Watch) -> None:
    signup_id = bench.opened()
    info = {
        "type": "WA_EMBEDDED_SIGNUP",
        "event": "FINISH",
        "data": {"waba_id": WABA, "phone_number_id": NUMBER},
    }
    answer = exchange(bench, signup_id, {"code": CODE, "session_info": info})
    assert answer.status == 200
    signup = answer.json
    assert signup["status"] == "authorized"
    assert signup["waba"] == {"id": WABA, "name": "Acme", "business_id": "55", "proof": "granted_ids"}
    assert [(n["phone_number_id"], n["status"], n["steps"]) for n in signup["numbers"]] == [
        (NUMBER, "listed", [])
    ]
    assert bench.meta.asked[0] == "oauth/access_token"
    assert not [value for value in (*UNTOLD, CODE, APP_SECRET) if value in answer.text]
    watch.assert_silent()


def test_the_token_is_stored_encrypted_and_bound_to_its_signup(bench: Bench) -> None:
    signup_id = bench.opened()
    exchange(bench, signup_id)
    everything = json.dumps(bench.items(), default=str)
    assert TOKEN not in everything
    assert CODE not in everything
    exchange_ = bench.store.read(Exchange, signup_id)
    assert exchange_ is not None
    assert exchange_.token is not None
    context = {"tenant": TENANT, "signup": signup_id, "purpose": "business_token"}
    assert KmsVault(bench.kms, bench.key_id).decrypt(exchange_.token, context) == TOKEN


def test_the_same_code_again_gives_the_stored_result_and_asks_nobody(bench: Bench) -> None:
    signup_id = bench.opened()
    first = exchange(bench, signup_id)
    bench.meta.asked.clear()
    again = exchange(bench, signup_id)
    assert again.json == first.json
    assert bench.meta.asked == []


def test_another_code_for_a_finished_signup_is_refused(bench: Bench) -> None:
    signup_id = bench.authorized()
    bench.meta.asked.clear()
    exchange(bench, signup_id, {"code": "another"}).problem(409, "signup_closed")
    assert bench.meta.asked == []


def test_several_wabas_are_asked_about_and_chosen_without_a_code(bench: Bench, watch: Watch) -> None:
    scope = {"scope": "whatsapp_business_management", "target_ids": ["102", WABA]}
    bench.meta.says(
        "debug_token", {"data": {"app_id": "1234567890", "is_valid": True, "granular_scopes": [scope]}}
    )
    bench.meta.says("102", {"error": {"code": 10}}, 403)
    signup_id = bench.opened()
    answer = exchange(bench, signup_id)
    content = answer.problem(409, "waba_ambiguous")
    assert content["candidates"] == [{"waba_id": "102"}, {"waba_id": WABA, "name": "Acme"}]
    bench.meta.asked.clear()
    chosen = exchange(bench, signup_id, {"waba_id": WABA})
    assert chosen.json["waba"]["id"] == WABA
    assert "oauth/access_token" not in bench.meta.asked
    watch.assert_silent()


def test_a_waba_can_be_named_only_behind_a_code(bench: Bench) -> None:
    exchange(bench, bench.opened(), {"waba_id": WABA}).problem(409, "not_authorized_yet")


def meta_error(code: int, subcode: int | None = None, message: str = "no") -> dict[str, Any]:
    return {"error": {"message": message, "code": code, "error_subcode": subcode, "fbtrace_id": "Tr4ce"}}


REFUSALS: list[tuple[str, httpx.Response | Exception, int, str, bool]] = [
    ("oauth/access_token", httpx.Response(400, json=meta_error(100, 36007)), 410, "code_expired", False),
    ("oauth/access_token", httpx.Response(400, json=meta_error(100, 36009)), 410, "code_already_used", False),
    ("oauth/access_token", httpx.Response(400, json=meta_error(100)), 422, "code_invalid", False),
    ("oauth/access_token", httpx.Response(400, json=meta_error(101)), 502, "meta_configuration", False),
    (
        "oauth/access_token",
        httpx.Response(400, json=meta_error(1, message="Error validating client secret.")),
        502,
        "meta_configuration",
        False,
    ),
    ("oauth/access_token", httpx.Response(500, html="<h1>no</h1>"), 502, "meta_unavailable", True),
    ("oauth/access_token", httpx.ReadTimeout(f"no answer for {CODE}"), 502, "meta_unavailable", True),
    ("oauth/access_token", httpx.Response(200, html=f"<h1>{TOKEN}</h1>"), 502, "meta_unavailable", True),
    (
        "oauth/access_token",
        httpx.Response(302, headers={"location": "https://x.example"}),
        502,
        "meta_configuration",
        False,
    ),
    ("debug_token", httpx.Response(200, json={"data": {"is_valid": False}}), 403, "waba_not_granted", False),
    ("debug_token", httpx.Response(200, json=[TOKEN]), 403, "waba_not_granted", False),
    (WABA, httpx.Response(403, json=meta_error(10, message=f"no {TOKEN}")), 403, "waba_not_granted", False),
    (f"{WABA}/phone_numbers", httpx.Response(400, json=meta_error(190, 463)), 403, "waba_not_granted", False),
]


@pytest.mark.parametrize(("path", "given", "status", "code", "retryable"), REFUSALS)
def test_a_refusal_of_metas_is_told_in_our_words(  # noqa: PLR0917 - a table
    bench: Bench,
    watch: Watch,
    path: str,
    given: httpx.Response | Exception,
    status: int,
    code: str,
    retryable: bool,
) -> None:
    signup_id = bench.opened()
    bench.meta.answers[path] = given
    answer = exchange(bench, signup_id)
    content = answer.problem(status, code)
    assert content["retryable"] is retryable
    assert_silent(answer.text)
    assert "<h1>" not in answer.text
    written = watch.read()
    assert '"MetaRefusals"' in written
    watch.assert_silent()
    assert stored(bench, signup_id).waba is None


def test_a_limit_of_metas_says_when_to_come_back(bench: Bench) -> None:
    bench.meta.answers["oauth/access_token"] = httpx.Response(429, json={}, headers={"Retry-After": "20"})
    answer = exchange(bench, bench.opened())
    assert answer.problem(502, "meta_unavailable")["retryable"]
    assert answer.headers["Retry-After"] == "20"


def test_a_waba_the_token_does_not_grant_is_refused(bench: Bench) -> None:
    signup_id = bench.opened()
    info = {"event": "FINISH", "data": {"waba_id": "999", "phone_number_id": NUMBER}}
    exchange(bench, signup_id, {"code": CODE, "session_info": info}).problem(403, "waba_not_granted")


def test_a_number_the_waba_does_not_have_is_refused(bench: Bench) -> None:
    signup_id = bench.opened()
    info = {"event": "FINISH", "data": {"waba_id": WABA, "phone_number_id": "999"}}
    exchange(bench, signup_id, {"code": CODE, "session_info": info}).problem(403, "number_not_in_waba")


@pytest.mark.parametrize("waba_id", ["../me", "me?fields=id", "%2e%2e", "1/2"])
def test_a_claim_that_leads_elsewhere_is_not_followed(bench: Bench, waba_id: str) -> None:
    bench.meta.says("debug_token", {"data": {"app_id": "1234567890", "is_valid": True}})
    bench.meta.says("me", {"client_business_id": "55"})
    signup_id = bench.opened()
    info = {"event": "FINISH", "data": {"waba_id": waba_id}}
    exchange(bench, signup_id, {"code": CODE, "session_info": info}).problem(403, "waba_not_granted")
    assert set(bench.meta.asked) <= {"oauth/access_token", "debug_token", "me"}


# --- our own services


def test_a_table_that_does_not_answer_is_told_and_may_be_tried_again(bench: Bench, watch: Watch) -> None:
    bench.dynamodb.delete_table(TableName=TABLE)
    content = bench.call("POST", "/v1/signups", {"client": CLIENT}).problem(503, "unavailable")
    assert content["retryable"]
    watch.assert_silent()


UNUSABLE = pytest.mark.parametrize("secret", ["{}", "no json", json.dumps({"meta_app_secret": 7})])


@UNUSABLE
def test_a_secret_nobody_can_use_is_our_trouble(bench: Bench, watch: Watch, secret: str) -> None:
    for version in ("{}", secret):
        boto3.client("secretsmanager").put_secret_value(SecretId="the-secret", SecretString=version)
    exchange(bench, bench.opened()).problem(503, "unavailable")
    assert bench.meta.asked == []
    watch.assert_silent()


@UNUSABLE
def test_while_the_version_before_it_is_good_no_customer_notices(
    bench: Bench, watch: Watch, secret: str
) -> None:
    boto3.client("secretsmanager").put_secret_value(SecretId="the-secret", SecretString=secret)
    assert exchange(bench, bench.opened()).status == 200
    assert "a value of the secret is wrong; the one before it is used" in watch.read()
    watch.assert_silent()


def test_a_crash_is_a_problem_without_its_text(
    bench: Bench, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: object, **__: object) -> None:
        raise RuntimeError(f"{TOKEN} {CODE} {EMAIL}")

    signup_id = bench.opened()
    monkeypatch.setattr("onramp.usecases.exchange_code._ask_meta", crash)
    answer = exchange(bench, signup_id)
    content = answer.problem(500, "internal_error")
    assert content["retryable"]
    assert_silent(answer.text)
    written = watch.read()
    assert "RuntimeError" in written
    assert "onramp/usecases/exchange_code.py:" in written
    watch.assert_silent()


def test_every_line_of_a_request_has_both_request_ids(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    bench.call("POST", "/v1/signups", {})
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines
    for line in lines:
        assert (line["aws_request_id"], line["request_id"]) == ("aws-request-1", "r1")


def test_every_line_about_a_signup_names_it(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    signup_id = bench.opened()
    bench.meta.answers["oauth/access_token"] = httpx.Response(400, json={"error": {"code": 100}})
    exchange(bench, signup_id, {"code": CODE})
    exchange(bench, signup_id, {"nonsense": 1})
    bench.call("POST", f"/v1/signups/{signup_id}/code", {"code": CODE}, tenant="somebody-else")
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    about = [line for line in lines if "_aws" not in line]
    assert {"meta refused", "refused", "counted"} <= {line["message"] for line in about}
    assert {line.get("signup_id") for line in about} == {signup_id}


def test_what_is_no_id_of_ours_is_in_no_line(bench: Bench, watch: Watch) -> None:
    bench.call("POST", f"/v1/signups/{TOKEN}/code", {"code": CODE}).problem(404, "not_found")
    watch.assert_silent()


def test_metas_logs_can_be_found_by_our_request_id(bench: Bench) -> None:
    exchange(bench, bench.opened(), {"code": CODE})
    assert bench.meta.request_ids == {"aws-request-1"}
