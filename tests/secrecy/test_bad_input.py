"""What is wrong with a request, a webhook, a job or an event is told without quoting it."""

import base64
import json

import pytest

from tests.canary import CODE, EMAIL, PHONE, PLATFORM_SECRETS, TOKEN
from tests.secrecy.journey import customer, open_signup
from tests.secrecy.stage import ECHO, Json, Stage

OPEN = ("code_exchange", "POST", "/v1/signups")
PERSON = {"name": "Example", "email": EMAIL, "user_name": "Owner"}
# The field's name is told; a value in its place would have to be one that nobody uses as a name.
REQUESTS: dict[str, Json] = {
    "no_json": {"raw": f"{{{ECHO}"},
    "no_utf8": {
        "raw": base64.b64encode(ECHO.encode() + b"\xff").decode(),
        "isBase64Encoded": True,
    },
    "no_base64": {"raw": ECHO, "isBase64Encoded": True},
    "a_list": {"body": [ECHO]},
    "a_text": {"body": ECHO},
    "wrong_types": {"body": {"client": {"name": [EMAIL], "email": 5, "user_name": {"a": PHONE}}}},
    "bad_email": {"body": {"client": PERSON | {"email": f"{EMAIL} {PHONE}"}}},
    "half_a_character": {"raw": json.dumps({"client": PERSON | {"name": f"{EMAIL}\ud800"}})},
    "long_name": {"body": {"client": PERSON | {"name": EMAIL * 100}}},
    "unknown_field": {"body": {"client": PERSON, "token": TOKEN}},
    "a_field_named_like_a_person": {"body": {"client": PERSON, EMAIL: 1, PHONE: 2}},
    "bad_tier": {"body": {"client": PERSON, "plan_tier": EMAIL}},
    "long_reference": {"body": {"client": PERSON, "reference": EMAIL * 100}},
    "both_clients": {"body": {"client": PERSON, "client_id": EMAIL}},
    "too_large": {"body": {"client": PERSON, "reference": ECHO * 1_000}},
    "media_type": {"body": {"client": PERSON}, "headers": {"content-type": f"text/{TOKEN}"}},
    "long_key": {"body": {"client": PERSON}, "headers": {"idempotency-key": TOKEN * 20}},
    "no_tenant": {"body": {"client": PERSON}, "tenant": None},
}


@pytest.mark.parametrize("name", REQUESTS)
def test_a_bad_request_is_not_quoted(stage: Stage, name: str) -> None:
    answer = stage.request(*OPEN, **REQUESTS[name])
    assert 400 <= answer.status < 500, answer.text
    stage.assert_silent()


CODES: dict[str, Json] = {
    "unknown": {"code": CODE},
    "with_session": {"code": CODE, "session_info": {"type": TOKEN, "data": {"waba_id": TOKEN, "x": PHONE}}},
    "odd_session": {"code": CODE, "session_info": [TOKEN]},
    "empty": {"code": ""},
    "number": {"code": 5, "session_info": EMAIL},
    "long": {"code": CODE * 1_000},
    "waba_too": {"code": CODE, "waba_id": EMAIL},
    "odd_waba": {"waba_id": f"{TOKEN}/../{EMAIL}"},
    "unknown_field": {"code": CODE, "access_token": TOKEN},
}


@pytest.mark.parametrize("name", CODES)
def test_a_bad_code_is_not_quoted(stage: Stage, name: str) -> None:
    signup_id = open_signup(stage)
    answer = stage.request("code_exchange", "POST", f"/v1/signups/{signup_id}/code", CODES[name])
    assert 400 <= answer.status < 600, answer.text
    stage.assert_silent()


def test_a_waba_nobody_granted_is_not_quoted(stage: Stage) -> None:
    person = customer(stage)
    signup_id = open_signup(stage)
    for waba_id in (TOKEN, PHONE, "1" * 15):
        made = stage.admin("meta", "codes", {"business_id": person["business_id"]})
        claim = {"data": {"waba_id": waba_id, "phone_number_id": EMAIL}}
        body = {"code": made["code"], "session_info": claim}
        answer = stage.request("code_exchange", "POST", f"/v1/signups/{signup_id}/code", body)
        assert 400 <= answer.status < 500
    stage.assert_silent()


@pytest.mark.parametrize(
    ("function", "method", "path", "more"),
    [
        ("signup_queries", "GET", f"/v1/signups/{TOKEN}", {}),
        ("signup_queries", "GET", f"/v1/channels/{TOKEN}/api-key", {}),
        ("signup_queries", "GET", "/v1/signups", {"queryStringParameters": {"cursor": TOKEN}}),
        (
            "signup_queries",
            "GET",
            "/v1/signups",
            {"queryStringParameters": {"status": EMAIL}},
        ),
        ("signup_queries", "GET", f"/v1/{TOKEN}", {}),
        ("code_exchange", "POST", f"/v1/signups/{TOKEN}/code", {"body": {"code": CODE}}),
        (
            "number_submission",
            "POST",
            f"/v1/signups/{TOKEN}/numbers",
            {"body": {"plan_tier": PHONE}},
        ),
        ("number_submission", "POST", f"/v1/signups/{EMAIL}/retry", {"body": {"why": ECHO}}),
    ],
)
def test_a_bad_address_is_not_quoted(stage: Stage, function: str, method: str, path: str, more: Json) -> None:
    answer = stage.request(function, method, path, **more)
    assert 400 <= answer.status < 500, answer.text
    stage.assert_silent()


@pytest.mark.parametrize("body", [ECHO, "", f'{{"id": "{EMAIL}"}}', "\ud800" + ECHO])
@pytest.mark.parametrize("signature", [None, TOKEN, f"sha256={PLATFORM_SECRETS[0]}", 5, "\ud800"])
def test_a_forged_webhook_is_not_quoted(stage: Stage, body: str, signature: object) -> None:
    headers = {} if signature is None else {"X-360dialog-Signature": signature}
    for encoded in (False, True):
        event = {"headers": headers, "body": body, "isBase64Encoded": encoded, "requestContext": {}}
        answer = stage.invoke("webhook_receiver", event)
        assert answer is not None
        assert answer["statusCode"] in {401, 413}
        stage.out.write(answer["body"])
    stage.assert_silent()


@pytest.mark.parametrize(
    "said",
    [
        (400, json.dumps({"__type": "com.amazonaws#AccessDenied", "message": ECHO})),
        (500, ECHO),
        (200, ECHO),
        (200, json.dumps({"SecretString": ECHO})),
        (200, json.dumps({"SecretString": json.dumps({"platform_secrets": [ECHO, ""]})})),
        (200, json.dumps([ECHO])),
    ],
    ids=["refused", "failed", "no_json", "no_secret", "bad_secret", "list"],
)
@pytest.mark.parametrize("target", ["secretsmanager", "AmazonSQS"])
def test_an_aws_that_quotes_is_not_quoted_by_the_receiver(
    stage: Stage, said: tuple[int, str], target: str
) -> None:
    stage.light.answer = lambda asked: said if asked.startswith(target) else None
    stage.admin("dialog", "events", {"event": "client_created", "data": {"id": "C", "email": EMAIL}})
    assert "webhook" in stage.out.getvalue()
    stage.assert_silent()


@pytest.mark.parametrize(
    "body",
    [
        ECHO,
        f'["{ECHO}"]',
        "{}",
        f'{{"signup_id": "no-such", "token": "{TOKEN}", "phone": "{PHONE}"}}',
        "null",
    ],
)
def test_a_bad_job_is_not_quoted(stage: Stage, body: str) -> None:
    stage.put("jobs", body)
    stage.run(3)
    stage.assert_silent()


@pytest.mark.parametrize(
    "body",
    [
        f"{EMAIL} {PHONE}",
        json.dumps([EMAIL, {"event": 5}]),
        json.dumps({"event": "channel_live", "data": EMAIL}),
        json.dumps({"event": "channel_live", "data": {"setup_info": {"phone_number": PHONE}}}),
        json.dumps({"id": "e1", "event": "something_new", "data": {"email": EMAIL}}),
    ],
)
def test_a_bad_event_is_kept_and_not_told(stage: Stage, body: str) -> None:
    stage.put("events", body, {"encoding": {"stringValue": "utf-8"}})
    stage.put("events", body, {"encoding": {"stringValue": "base64"}})
    stage.run(40)
    stage.assert_silent()
