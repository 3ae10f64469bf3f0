"""Handlers on moto: real adapters on a table, a key, a secret and a queue; only Meta is a script."""

import base64
import importlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final

import boto3
import httpx
import pytest

from harness.keys import make_key
from harness.table import make_table
from onramp import wiring
from onramp.adapters import upstream
from onramp.adapters.aws import KmsVault
from onramp.adapters.dynamo import DynamoStore
from onramp.adapters.system import SystemClock
from onramp.adapters.upstream import new_client
from ops.stage.translated import translated
from tests.canary import CHANNEL_KEY, EMAIL, MARK, PHONE, SECRET, TOKEN
from tests.gateway import route_of, routed

TENANT: Final = "tenant-1"
WABA: Final = "102290129340398"
NUMBER: Final = "106540352242922"
APP_ID: Final = "1234567890"
TABLE: Final = "onramp"
CLIENT: Final = {"name": "Acme", "email": EMAIL, "user_name": "Ann"}
PROBLEM_FIELDS: Final = {
    "type", "title", "status", "detail", "code", "retryable", "customer_detail", "request_id",
}  # fmt: skip
MORE_FIELDS: Final = {"errors", "candidates", "signup_id", "phone_number_id", "refresh_url"}

_SERIAL = count()
_make_client = boto3.client
_kept: dict[str, Any] = {}


def aws_client(service: str, **options: Any) -> Any:
    """boto3's, but each one is made only once: that takes longer than most of these tests."""
    if service not in _kept:
        _kept[service] = _make_client(service, **options)  # type: ignore[call-overload]
    return _kept[service]


class Clients:
    """A function's clients, on moto."""

    def __call__(self, service: str) -> Any:
        return translated(aws_client(service))


@dataclass
class Meta(httpx.BaseTransport):
    """Meta's Graph API: an answer for each path, and the paths that were asked."""

    answers: dict[str, httpx.Response | Exception] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    request_ids: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.says("oauth/access_token", {"access_token": TOKEN, "token_type": "bearer"})
        scope = {"scope": "whatsapp_business_management", "target_ids": [WABA]}
        self.says("debug_token", {"data": {"app_id": APP_ID, "is_valid": True, "granular_scopes": [scope]}})
        self.says(WABA, {"id": WABA, "name": "Acme", "owner_business_info": {"id": "55"}})
        self.says(
            f"{WABA}/phone_numbers",
            {"data": [{"id": NUMBER, "display_phone_number": "+1 555 0100", "verified_name": "Acme"}]},
        )

    def says(self, path: str, content: object, status: int = 200) -> None:
        """Set the answer of a path."""
        self.answers[path] = httpx.Response(status, content=json.dumps(content).encode())

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/v26.0/")
        self.asked.append(path)
        self.request_ids.add(request.headers.get("X-Request-Id", ""))
        answer = self.answers[path]
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)


FLOWS = {
    "standard": {"config_id": "9876543210", "extras": {"setup": {"solutionID": "123456789012345"}}},
    "coexistence": {"config_id": "8765432109", "extras": {}},
}
PAGE = {
    "name": "Acme",
    "logo_url": None,
    "accent": "#0b7a4b",
    "accent_dark": "#5fd39b",
    "support_url": "mailto:help@acme.example",
}


LINKS = {
    "days": 7,
    "return_origins": ["https://app.example.com"],
    "refresh_url": "https://app.acme.example/new-link",
}


REDIRECT = "https://app.acme.example/connect"
"""The page that a signup without a popup may come back to."""


class Context:
    """What Lambda tells a handler."""

    function_name = "function"
    memory_limit_in_mb = 512
    invoked_function_arn = "arn:aws:lambda:eu-central-1:123456789012:function:function"
    aws_request_id = "aws-request-1"


class Bench:
    """The three functions behind the API, deployed into this process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(wiring, "Clients", Clients)
        self.meta = Meta()
        self.dynamodb = aws_client("dynamodb")
        self.sqs = aws_client("sqs")
        make_table(self.dynamodb, TABLE)
        self.clock = SystemClock()
        self.store = DynamoStore(translated(self.dynamodb), TABLE, self.clock)
        self.jobs = self.sqs.create_queue(QueueName="jobs")["QueueUrl"]
        self.kms = aws_client("kms")
        self.key_id = make_key(self.kms)
        aws_client("secretsmanager").create_secret(Name="the-secret", SecretString=json.dumps(SECRET))
        for variable, value in {
            "STAGE": "test",
            "LOG_LEVEL": "DEBUG",
            "POWERTOOLS_METRICS_NAMESPACE": "OnrampTest",
            # A logger keeps the stream it was made with, so each test has one of its own.
            "POWERTOOLS_SERVICE_NAME": f"unit-{next(_SERIAL)}",
            "TABLE_NAME": TABLE,
            "ENVELOPE_KEY_ID": self.key_id,
            "SECRET_ID": "the-secret",
            "JOBS_QUEUE_URL": self.jobs,
            "META_APP_ID": APP_ID,
            "META_SDK_BASE_URL": "https://connect.example/",
            "META_DIALOG_BASE_URL": "https://dialog.example/",
            "META_REDIRECT_URIS": json.dumps([REDIRECT]),
            "GRAPH_VERSION": "v26.0",
            "GRAPH_BASE_URL": "https://graph.example/",
            "SIGNUP_FLOWS": json.dumps(FLOWS),
            "SIGNUP_PAGE": json.dumps(PAGE),
            "SIGNUP_LINKS": json.dumps(LINKS),
            "API_ADDRESS": "https://{domain_name}",
            "TENANT_CLAIM": "sub",
            "DEFAULT_PLAN_TIER": "regular",
            "RETENTION": "{}",
            "TENANT_LIMITS": "{}",
            "META_WEBHOOK": "True",
        }.items():
            monkeypatch.setenv(variable, value)
        self._modules = {
            module: importlib.import_module(module)
            for module in ("code_exchange", "number_submission", "signup_queries")
        }
        monkeypatch.setattr(upstream, "new_client", lambda: new_client(self.meta))
        self.forget()

    def forget(self) -> None:
        """Let every function start cold."""
        for module in self._modules.values():
            module.function.cache_clear()

    def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        tenant: Any = TENANT,
        claims: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        raw: str | None = None,
        encoded: bytes | None = None,
    ) -> "Answer":
        """One request. `raw` is a body as text, `encoded` one that API Gateway hands over in base64.

        `claims` are the token's; `tenant` alone stands for one with nothing else.
        """
        text = raw if raw is not None else None if body is None else json.dumps(body)
        held = claims or (None if tenant is None else {"sub": tenant})
        event: dict[str, Any] = {
            "version": "2.0",
            **routed(method, path),
            "rawPath": path,
            "rawQueryString": "",
            "headers": {"content-type": "application/json", **(headers or {})},
            "requestContext": {
                "http": {"method": method, "path": path, "sourceIp": "192.0.2.1"},
                "requestId": "r1",
                "domainName": "api.acme.example",
                "apiId": "a1",
                "stage": "$default",
                **({"authorizer": {"jwt": {"claims": held, "scopes": None}}} if held else {}),
            },
            "isBase64Encoded": encoded is not None,
        }
        if query is not None:
            event["queryStringParameters"] = dict(query)
        if encoded is not None:
            event["body"] = base64.b64encode(encoded).decode()
        elif text is not None:
            event["body"] = text
        return self.invoke(self._function(method, path), event)

    def invoke(self, function: str, event: Mapping[str, Any]) -> "Answer":
        """Hand a function an event as it is."""
        return Answer(self._modules[function].handler(event, Context()))

    @staticmethod
    def _function(method: str, path: str) -> str:
        route = route_of(method, path)
        if route is not None:
            return route.function
        return "code_exchange" if method == "POST" else "signup_queries"

    # --- the journey, and what is stored of it

    def opened(self, tenant: str = TENANT) -> str:
        """The id of a new signup."""
        answer = self.call("POST", "/v1/signups", {"client": CLIENT}, tenant=tenant)
        assert answer.status == 201
        return str(answer.json["id"])

    def authorized(self, tenant: str = TENANT) -> str:
        """The id of a signup whose WABA is proved."""
        signup_id = self.opened(tenant)
        code = f"{MARK}-code-{signup_id}"
        answer = self.call("POST", f"/v1/signups/{signup_id}/code", {"code": code}, tenant=tenant)
        assert answer.status == 200
        return signup_id

    def encrypted(self, plain: str, **context: str) -> str:
        """Cipher text under the envelope key and a context."""
        return KmsVault(translated(self.kms), self.key_id).encrypt(plain, context)

    def items(self) -> list[dict[str, Any]]:
        """Everything in the table, in a stable order."""
        found: list[dict[str, Any]] = list(self.dynamodb.scan(TableName=TABLE)["Items"])
        return sorted(found, key=lambda item: (item["pk"]["S"], item["sk"]["S"]))

    def sent(self) -> list[Any]:
        """The jobs in the queue."""
        found = self.sqs.receive_message(QueueUrl=self.jobs, MaxNumberOfMessages=10).get("Messages", [])
        return [json.loads(message["Body"]) for message in found]


class Answer:
    """An answer of a handler."""

    def __init__(self, raw: Mapping[str, Any]) -> None:
        self.raw = raw
        self.status: int = raw["statusCode"]
        self.headers: dict[str, str] = raw["headers"]
        self.text: str = raw.get("body") or ""

    @property
    def json(self) -> Any:
        """The body."""
        return json.loads(self.text)

    def problem(self, status: int, code: str) -> dict[str, Any]:
        """The problem this answer is; fails when it is another one or of another shape."""
        content: dict[str, Any] = self.json
        assert (self.status, content["code"]) == (status, code), content
        assert self.headers["Content-Type"] == "application/problem+json"
        assert self.headers["Cache-Control"] == "no-store"
        assert set(content) - MORE_FIELDS == PROBLEM_FIELDS
        assert content["type"] == f"urn:onramp:problem:{code}"
        assert content["status"] == status
        assert content["request_id"] == "r1"
        assert isinstance(content["retryable"], bool)
        for name in ("title", "detail", "customer_detail"):
            assert isinstance(content[name], str)
            assert content[name]
        return content

    def fields(self) -> set[str]:
        """The fields a problem names."""
        named = {entry["field"] for entry in self.json.get("errors", ())}
        assert all(entry["message"] for entry in self.json.get("errors", ()))
        return named


UNTOLD: Final = (TOKEN, CHANNEL_KEY, PHONE)
"""What no answer of these routes may hold."""
