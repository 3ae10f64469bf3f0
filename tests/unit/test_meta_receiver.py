"""Meta's own receiver: 200 once what is signed is in SQS, and a line that tells nothing but that."""

import base64
import hashlib
import hmac
import importlib
import json
import time
from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onramp.adapters.aws_light import AwsError, LightClient
from onramp.inbound import signed_request
from onramp.inbound.receiving import MAX_BODY

APP_SECRET = "marked-app-secret"
TOKEN = "marked-verify-token"
USER = "10220011223344556"
BODY = json.dumps({"object": "whatsapp_business_account", "entry": [{"id": "2001", "changes": []}]})


class Aws:
    """SQS and Secrets Manager as the receiver's own client sees them."""

    def __init__(self) -> None:
        self.secret: dict[str, object] = {"meta_app_secret": APP_SECRET, "meta_verify_token": TOKEN}
        self.sent: list[Mapping[str, Any]] = []
        self.broken = ""

    def call(self, client: LightClient, operation: str, body: Mapping[str, Any]) -> dict[str, object]:
        if client.service == self.broken:
            raise AwsError(f"{self.broken} does not answer: TimeoutError")
        if operation == "SendMessage":
            self.sent.append(body)
            return {"MessageId": "1"}
        return {"SecretString": json.dumps(self.secret)}

    def attribute(self, name: str) -> str:
        return str(self.sent[-1]["MessageAttributes"][name]["StringValue"])


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Aws:
    made = Aws()

    def call(client: LightClient, operation: str, body: Mapping[str, Any]) -> dict[str, object]:
        return made.call(client, operation, body)

    monkeypatch.setattr(LightClient, "call", call)
    return made


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch, aws: Aws) -> Iterator[ModuleType]:
    for name, value in {
        "STAGE": "test",
        "EVENTS_QUEUE_URL": "https://sqs.example/events",
        "SECRET_ID": "the-secret",
        "API_ADDRESS": "https://{domain_name}",
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "AWS_REGION": "eu-central-1",
    }.items():
        monkeypatch.setenv(name, value)
    module = importlib.import_module("meta_receiver")
    module.receiver.cache_clear()
    yield module
    module.receiver.cache_clear()


def signed(body: str | bytes = BODY, secret: str = APP_SECRET, **event: Any) -> dict[str, Any]:
    raw = body.encode() if isinstance(body, str) else body
    mac = hmac.new(secret.encode(), raw, hashlib.sha256).hexdigest()
    return {
        "routeKey": "POST /v1/webhooks/meta",
        "requestContext": {"requestId": "r1", "domainName": "api.example.com"},
        "headers": {"X-Hub-Signature-256": f"sha256={mac}"},
        "body": raw.decode(),
        "isBase64Encoded": False,
    } | event


def base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def request_of(secret: str = APP_SECRET, **fields: Any) -> str:
    said = {"algorithm": "HMAC-SHA256", "issued_at": int(time.time()), "user_id": USER} | fields
    payload = base64url(json.dumps(said).encode())
    mac = hmac.new(secret.encode(), payload.encode(), hashlib.sha256).digest()
    return f"{base64url(mac)}.{payload}"


def form(text: str, what: str = "data-deletion") -> dict[str, Any]:
    return {
        "routeKey": f"POST /v1/webhooks/meta/{what}",
        "requestContext": {"requestId": "r1", "domainName": "api.example.com"},
        "headers": {"content-type": "application/x-www-form-urlencoded"},
        "body": f"signed_request={text}",
        "isBase64Encoded": False,
    }


def handshake(**query: str) -> dict[str, Any]:
    given = {"hub.mode": "subscribe", "hub.verify_token": TOKEN, "hub.challenge": "1158201444"} | query
    return {"routeKey": "GET /v1/webhooks/meta", "requestContext": {}, "queryStringParameters": given}


def test_what_meta_has_signed_is_in_the_queue_with_its_source(receiver: ModuleType, aws: Aws) -> None:
    assert receiver.handler(signed(), None)["statusCode"] == 200
    assert aws.sent[-1]["MessageBody"] == BODY
    assert (aws.attribute("source"), aws.attribute("encoding")) == ("meta", "utf-8")


@pytest.mark.parametrize(
    "headers", [{}, {"x-hub-signature-256": "sha256=" + "0" * 64}, {"x-hub-signature-256": "ü"}, None]
)
def test_what_is_not_metas_is_refused(receiver: ModuleType, aws: Aws, headers: object) -> None:
    assert receiver.handler(signed(headers=headers), None)["statusCode"] == 401
    assert receiver.handler(signed(secret="another"), None)["statusCode"] == 401
    assert not aws.sent


def test_a_body_that_no_queue_takes_is_too_large(receiver: ModuleType, aws: Aws) -> None:
    assert receiver.handler(signed("x" * (MAX_BODY + 1)), None)["statusCode"] == 413
    assert receiver.handler(form("x" * 20_000), None)["statusCode"] == 413
    assert not aws.sent


@pytest.mark.parametrize("service", ["sqs", "secretsmanager"])
def test_without_queue_or_secret_meta_sends_it_again(receiver: ModuleType, aws: Aws, service: str) -> None:
    aws.broken = service
    assert receiver.handler(signed(), None)["statusCode"] == 503
    assert receiver.handler(form(request_of()), None)["statusCode"] == 503


def test_the_handshake_gives_the_challenge_back(receiver: ModuleType) -> None:
    answer = receiver.handler(handshake(), None)
    assert (answer["statusCode"], answer["body"]) == (200, "1158201444")
    assert answer["headers"]["Content-Type"] == "text/plain"


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"hub.verify_token": "wrong"}, 403),
        ({"hub.verify_token": ""}, 403),
        ({"hub.mode": "unsubscribe"}, 403),
        ({"hub.challenge": "<script>"}, 400),
        ({"hub.challenge": ""}, 400),
    ],
)
def test_a_handshake_of_somebody_else_is_refused(
    receiver: ModuleType, query: dict[str, str], status: int
) -> None:
    assert receiver.handler(handshake(**query), None)["statusCode"] == status


def test_without_a_verify_token_nobody_shakes_hands(receiver: ModuleType, aws: Aws) -> None:
    del aws.secret["meta_verify_token"]
    assert receiver.handler(handshake(**{"hub.verify_token": ""}), None)["statusCode"] == 503


def test_a_wish_for_deletion_is_answered_with_address_and_code(receiver: ModuleType, aws: Aws) -> None:
    said = request_of()
    first, second = (json.loads(receiver.handler(form(said), None)["body"]) for _ in range(2))
    assert first == second
    assert first["url"] == f"https://api.example.com/v1/deletions/{first['confirmation_code']}"
    assert USER not in json.dumps(first)
    asked = json.loads(aws.sent[-1]["MessageBody"])
    assert (asked["kind"], asked["user_id"], asked["code"]) == ("deletion", USER, first["confirmation_code"])
    assert aws.attribute("source") == "meta_request"


def test_a_wish_to_leave_is_taken(receiver: ModuleType, aws: Aws) -> None:
    answer = receiver.handler(form(request_of(), "deauthorize"), None)
    assert (answer["statusCode"], answer["body"]) == (200, "{}")
    assert json.loads(aws.sent[-1]["MessageBody"])["kind"] == "deauthorize"


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "a.b.c",
        request_of("another"),
        request_of(algorithm="NONE"),
        request_of(issued_at=1_600_000_000),
        request_of(issued_at="now"),
        request_of(issued_at=float("inf")),
        request_of(user_id=None),
        request_of(user_id="../../x"),
    ],
)
def test_a_request_that_is_not_metas_or_too_old_is_refused(receiver: ModuleType, aws: Aws, text: str) -> None:
    assert receiver.handler(form(text), None)["statusCode"] == 401
    assert not aws.sent


def test_a_secret_that_was_rotated_is_read_anew(receiver: ModuleType, aws: Aws) -> None:
    assert receiver.handler(signed(), None)["statusCode"] == 200
    receiver.receiver().secrets._tried_at = None
    aws.secret["meta_app_secret"] = "the-next"
    assert receiver.handler(signed(secret="the-next"), None)["statusCode"] == 200


def test_no_line_has_a_secret_or_a_person(receiver: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    for event in (signed(), signed(secret="x"), form(request_of()), handshake(), form("x")):
        receiver.handler(event, None)
    written = capsys.readouterr().out
    assert written.count("\n") == 5
    for secret in (APP_SECRET, TOKEN, USER):
        assert secret not in written


@given(st.text(), st.text(), st.binary())
def test_any_text_is_a_request_or_none_and_never_a_crash(text: str, other: str, raw: bytes) -> None:
    for given_text in (text, f"{text}.{other}", base64url(raw) + "." + base64url(raw)):
        assert signed_request.opened(given_text, [APP_SECRET, ""], 0.0) is None
    signed_request.field_of(raw)
    signed_request.user_of({"user_id": text})
