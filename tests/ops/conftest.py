"""A stage whose AWS is moto and whose upstreams are a table of answers."""

import io
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from harness.table import make_table
from ops.cli import main
from ops.desk import Desk as OperatorDesk
from ops.desk import Refused
from ops.doctor.catalogue import CHECKS
from ops.doctor.checks.queues import OUTPUTS as QUEUES
from ops.doctor.findings import Finding
from ops.doctor.runner import run_one
from ops.doctor.stage import Clock, Stage
from ops.running import Run
from ops.stage.aws import Aws, StackFacts
from ops.stage.configuration import Values
from ops.stage.reaching import Reached

type Json = dict[str, Any]
type Answer = httpx.Response | httpx.HTTPError | Callable[[httpx.Request], httpx.Response]

APP_SECRET = "canary-app-secret-1f2e3d"
PARTNER_KEY = "canary-partner-key-4c5b6a"
PLATFORM_SECRET = "canary-platform-secret-7f8e9d"
CANARIES = (APP_SECRET, PARTNER_KEY, PLATFORM_SECRET)
API = "https://api.deployer.test"
WEBHOOK = f"{API}/v1/webhooks/360dialog"
HUB = "https://hub.360dialog.io/api/v2/partners/acmePA"
GRAPH = "https://graph.facebook.com/v26.0"
ISSUER = "https://login.deployer.test"
TABLE = "onramp"
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)

RAW: Json = {
    "stage": {"name": "dev", "removal": "retain"},
    "partner": {"partner_id": "acmePA", "solution_id": "223456789012345"},
    "meta": {
        "app_id": "2234567890",
        "config_id": "8876543210",
        "graph_version": "v26.0",
        "extras": {"setup": {"solutionID": "223456789012345"}},
    },
    "api": {
        "allowed_origins": ["https://app.deployer.test"],
        "jwt_issuer": ISSUER,
        "jwt_audience": ["onramp"],
    },
    "messaging": {"webhook_url": "https://messages.deployer.test/whatsapp"},
}
EXAMPLE: Json = {
    "partner": {"partner_id": "examplePA", "solution_id": "123456789012345"},
    "meta": {"app_id": "1234567890", "config_id": "9876543210"},
    "api": {"allowed_origins": ["https://app.example.com"]},
    "messaging": {"webhook_url": "https://messages.example.com/whatsapp"},
}
SECRET: Json = {
    "meta_app_secret": APP_SECRET,
    "partner_api_key": PARTNER_KEY,
    "platform_secrets": [PLATFORM_SECRET],
}


@dataclass
class FakeTime:
    """A clock that only moves when somebody sleeps."""

    at: datetime = NOW
    slept: float = 0.0

    def sleep(self, seconds: float) -> None:
        self.slept += seconds
        self.at += timedelta(seconds=seconds)

    @property
    def clock(self) -> Clock:
        return Clock(now=lambda: self.at, monotonic=lambda: self.slept, sleep=self.sleep)


@dataclass
class Web:
    """Answers by method and address without its query; what is not in the table cannot be reached."""

    answers: dict[tuple[str, str], Answer] = field(default_factory=dict)
    requests: list[httpx.Request] = field(default_factory=list)

    def on(self, method: str, url: str, status: int = 200, body: object = None, **headers: str) -> None:
        self.answers[method, url] = httpx.Response(
            status, content=json.dumps({} if body is None else body), headers=headers
        )

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.answers.get((request.method, str(request.url.copy_with(query=None)).rstrip("?")))
        if answer is None:
            raise httpx.ConnectError("no route", request=request)
        if isinstance(answer, httpx.HTTPError):
            raise answer
        return answer if isinstance(answer, httpx.Response) else answer(request)

    def asked(self, url: str) -> list[httpx.Request]:
        return [request for request in self.requests if str(request.url).startswith(url)]


@dataclass
class Case:
    """A stage under examination."""

    stage: Stage
    web: Web
    time: FakeTime
    secret_id: str

    def find(self, name: str) -> Finding:
        """Run one check as the doctor does, secrets never shown."""
        [check] = [check for check in CHECKS if check.name == name]
        finding = run_one(self.stage, check).finding
        assert not any(canary in finding.detail + finding.advice for canary in CANARIES)
        return finding

    def put_secret(self, value: object) -> None:
        text = value if isinstance(value, str) else json.dumps(value)
        self.stage.aws.secrets.put_secret_value(SecretId=self.secret_id, SecretString=text)

    def configure(self, **values: object) -> None:
        """Change values; `meta__app_id` stands for `meta.app_id`."""
        self.stage.values = self.stage.values.changed({n.replace("__", "."): v for n, v in values.items()})


class Answers:
    """A client of a service whose answers are a table by method."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def __getattr__(self, method: str) -> Any:
        def call(**request: Any) -> Any:
            self.asked.append((method, request))
            answer = self.answers[method]
            if isinstance(answer, Exception):
                raise answer
            return answer(request) if callable(answer) else answer

        return call

    def get_paginator(self, method: str) -> Any:
        """One page: the method's own answer."""
        return SimpleNamespace(paginate=lambda **request: [getattr(self, method)(**request)])

    def close(self) -> None:
        pass


def pretend(case: Case, service: str, **answers: Any) -> Answers:
    client = Answers(**answers)
    case.stage.aws._clients[service] = client
    return client


def refused(code: str, operation: str = "Ask") -> ClientError:
    return ClientError({"Error": {"Code": code}}, operation)


class Terminal(io.StringIO):
    """Standard input of a person."""

    def isatty(self) -> bool:
        return True


@dataclass
class Desk:
    """The command line, in front of a case's stage."""

    case: Case
    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]
    person: bool = False
    out: str = ""
    err: str = ""

    def run(self, *arguments: str, given: str = "", overrides: Mapping[str, str] | None = None) -> int:
        """Run `onramp`; `given` is what standard input has. No secret is ever shown."""
        stage = self.case.stage
        found = Reached(
            values=stage.values,
            overrides=overrides or {},
            stack_name=stage.stack_name,
            outputs=stage.outputs,
            stack=stage.stack,
            aws=stage.aws,
        )
        self.monkeypatch.setattr("ops.running.reach", lambda _given, **_: found)
        self.monkeypatch.setattr(Aws, "close", lambda _: None)
        self.monkeypatch.setattr("sys.stdin", (Terminal if self.person else io.StringIO)(given))
        status = main([*arguments, "--stage", "dev"])
        shown = self.capsys.readouterr()
        self.out, self.err = shown.out, shown.err
        assert not any(canary in shown.out + shown.err for canary in CANARIES)
        return status


@pytest.fixture
def desk(case: Case, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Desk:
    return Desk(case, monkeypatch, capsys)


def values(**raw: Json) -> Values:
    return Values(place="config/dev.toml", stage="dev", raw=RAW | raw, example=EXAMPLE)


@pytest.fixture(scope="session")
def account() -> Iterator[Aws]:
    """One account in memory for all tests: making clients is what takes time."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
            patch.setenv(name, "testing")
        for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE"):
            patch.delenv(name, raising=False)
        aws = Aws(region="eu-central-1")
        for service in ("secretsmanager", "dynamodb", "sqs", "cloudformation"):
            aws.client(service)
        yield aws
        aws.close()


@pytest.fixture
def case(account: Aws) -> Iterator[Case]:
    with mock_aws():
        yield from _case(account)


def _case(account: Aws) -> Iterator[Case]:
    secret_id = account.secrets.create_secret(Name="onramp", SecretString=json.dumps(SECRET))["ARN"]
    make_table(account.dynamodb, TABLE)
    queues = {
        output: account.sqs.create_queue(QueueName=output.removesuffix("Url"))["QueueUrl"]
        for output in QUEUES.values()
    }
    outputs = {
        "ApiUrl": API,
        "ApiId": "abc123",
        "WebhookUrl": WEBHOOK,
        "TableName": TABLE,
        "SecretArn": secret_id,
        "EnvelopeKeyArn": "arn:aws:kms:eu-central-1:123456789012:key/1",
        "BusName": "onramp",
        **queues,
    }
    web, time = Web(), FakeTime()
    with httpx.Client(transport=httpx.MockTransport(web)) as http:
        stage = Stage(
            values=values(),
            stack_name="Onramp-dev",
            outputs=outputs,
            stack=StackFacts(status="CREATE_COMPLETE", outputs=outputs),
            # A test may put clients of its own in place of these.
            aws=Aws(region=account.region, _clients=dict(account._clients)),
            http=http,
            clock=time.clock,
            patience=10,
        )
        yield Case(stage, web, time, secret_id)


# --- commands that ask the desk ---------------------------------------------------------------------


@dataclass
class AtDesk:
    """The command line in front of a desk whose answers are a table by command.

    An answer is a result, a list of pages, a function of the arguments, or an error to be raised.
    """

    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]
    answers: dict[str, Any] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    person: bool = False
    out: str = ""
    err: str = ""

    def invoke(self, event: Json) -> Json:
        """What the function answers."""
        name, arguments = event["command"], dict(event["arguments"])
        json.dumps(event)
        self.asked.append((name, arguments))
        answer = self.answers[name]
        if isinstance(answer, list):
            answer = answer.pop(0)
        if callable(answer):
            answer = answer(arguments)
        if isinstance(answer, Refused):
            return {"version": 1, "problem": answer.problem}
        if isinstance(answer, Exception):
            raise answer
        return {"version": 1, "result": answer}

    def run(self, *arguments: str, given: str = "") -> int:
        """Run `onramp` on the stage dev. Gives the exit code; `out` and `err` hold what it said."""
        self.monkeypatch.setattr(Run, "desk", lambda _run: nullcontext(OperatorDesk(invoke=self.invoke)))
        self.monkeypatch.setattr("sys.stdin", (Terminal if self.person else io.StringIO)(given))
        status = main([*arguments, "--stage", "dev"])
        shown = self.capsys.readouterr()
        self.out, self.err = shown.out, shown.err
        return status

    def result(self) -> Any:
        """What was told to a machine."""
        told = json.loads(self.out)
        assert told["version"] == 1
        return told["result"]


@pytest.fixture
def at_desk(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> AtDesk:
    return AtDesk(monkeypatch, capsys)
