"""The real handlers behind a server of this process, between the simulators, as API Gateway shows them.

Time is the world's: it goes on for as many seconds as a caller is told to come back in.
"""

import importlib
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import pytest

from contract.conformity import Conformity
from contract.routes import Route
from harness.world import World
from onramp import wiring
from onramp.domain.launch import STANDARD, Flow
from onramp.ports import LinkRules
from onramp.settings import CodeExchangeSettings, NumberSubmissionSettings, Settings, SignupQueriesSettings
from tests.gateway import route_of, routed

FUNCTIONS: Final[Mapping[str, type[Settings]]] = {
    "code_exchange": CodeExchangeSettings,
    "number_submission": NumberSubmissionSettings,
    "signup_queries": SignupQueriesSettings,
}
ENVIRONMENT: Final = {
    "STAGE": "test",
    "LOG_LEVEL": "INFO",
    "META_APP_ID": "1234567890",
    "META_DIALOG_BASE_URL": "https://www.facebook.com",
    "META_REDIRECT_URIS": "[]",
    "GRAPH_VERSION": "v26.0",
    "RETENTION": '{"facts_days": 30, "events_days": 60, "signups_days": 90}',
    "TENANT_LIMITS": '{"open_signups": 100}',
    "SIGNUP_LINKS": '{"days": 7, "return_origins": [], "refresh_url": null}',
    "SIGNUP_FLOWS": '{"standard": {"config_id": "9876543210", "extras": {}}}',
    "SIGNUP_PAGE": '{"name": "", "logo_url": null, "accent": "", "accent_dark": "", "support_url": null}',
    "API_ADDRESS": "https://{domain_name}",
    "TENANT_CLAIM": "sub",
    "DEFAULT_PLAN_TIER": "regular",
}
"""What the journeys see of it; nothing else is used, for the ports are the world's."""
TOKEN: Final = "Bearer "


class Context:
    """What Lambda tells a handler."""

    function_name = "function"
    memory_limit_in_mb = 512
    invoked_function_arn = "arn:aws:lambda:eu-central-1:123456789012:function:function"
    aws_request_id = "aws-request-1"


class Stage:
    """The API's functions on a world's ports. `faults` is what the contract does not promise of answers."""

    def __init__(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        self.world = world
        flows = {STANDARD: Flow("9876543210", {})}
        links = LinkRules(return_origins=("https://app.example.com",))
        world.ports = replace(world.ports, rules=replace(world.ports.rules, flows=flows, links=links))
        self.faults: list[str] = []
        self.calls: list[str] = []
        self._conformity = Conformity()
        names = {name for settings in FUNCTIONS.values() for name in settings.names()}
        for name, value in (dict.fromkeys(names, "unused") | ENVIRONMENT).items():
            monkeypatch.setenv(name, value)
        self._modules = {name: importlib.import_module(name) for name in FUNCTIONS}
        for name in FUNCTIONS:
            monkeypatch.setattr(wiring, name, lambda _runtime, _settings: world.ports)
        self.forget()

    def forget(self) -> None:
        """Let every function start cold."""
        for module in self._modules.values():
            module.function.cache_clear()

    def answer(self, method: str, target: str, headers: dict[str, str], body: str) -> dict[str, Any]:
        """What the function behind a route answers, or the gateway itself to whom it does not know."""
        path = urlsplit(target).path
        route = route_of(method, path)
        assert route is not None
        tenant = headers.get("authorization", "").removeprefix(TOKEN)
        if route.access == "jwt" and not tenant:
            answer: dict[str, Any] = {
                "statusCode": 401,
                "headers": {"content-type": "application/json"},
                "body": '{"message":"Unauthorized"}',
            }
        else:
            event = _event(route, target, headers, body, tenant if route.access == "jwt" else None)
            answer = self._modules[route.function].handler(event, Context())
        self.calls.append(f"{route.key} {answer['statusCode']}")
        self.faults += self._conformity.faults(
            method, path, answer["statusCode"], answer["headers"], answer.get("body") or ""
        )
        if "Retry-After" in answer["headers"]:
            self.world.run(float(answer["headers"]["Retry-After"]))
        return answer


def _event(
    route: Route, target: str, headers: dict[str, str], body: str, tenant: str | None
) -> dict[str, Any]:
    asked = urlsplit(target)
    caller = {} if tenant is None else {"authorizer": {"jwt": {"claims": {"sub": tenant}, "scopes": None}}}
    event: dict[str, Any] = {
        "version": "2.0",
        **routed(route.method, asked.path),
        "rawPath": asked.path,
        "rawQueryString": asked.query,
        "headers": headers,
        "requestContext": {
            "http": {"method": route.method, "path": asked.path, "sourceIp": "192.0.2.1"},
            "requestId": "request-1",
            "domainName": "api.example.com",
            "stage": "$default",
            **caller,
        },
        "isBase64Encoded": False,
    }
    if asked.query:
        event["queryStringParameters"] = dict(parse_qsl(asked.query))
    return event | ({"body": body} if body else {})


def _serving(stage: Stage) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """Hands requests to the stage."""

        def do_GET(self) -> None:
            self._answer()

        def do_POST(self) -> None:
            self._answer()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            headers = {name.lower(): value for name, value in self.headers.items()}
            answer = stage.answer(self.command, self.path, headers, body)
            content = (answer.get("body") or "").encode()
            self.send_response(answer["statusCode"])
            for name, value in answer["headers"].items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    return Handler


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    with World() as world:
        made = Stage(world, monkeypatch)
        yield made
        made.forget()


@pytest.fixture
def address(stage: Stage) -> Iterator[str]:
    # One request after the other: the world lives in one thread at a time.
    server = HTTPServer(("127.0.0.1", 0), _serving(stage))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
