"""What the functions write: every line says itself who writes it, where and when, and of what it is about."""

import json
from itertools import count
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import httpx
import pytest
from aws_lambda_powertools import Logger, Metrics

import event_publisher
import onboarding_worker
import partner_event_worker
from contract.samples import samples
from onramp.adapters.memory import ManualClock, MemoryBus, MemoryQueue, MemoryStore
from onramp.adapters.system import PowertoolsTelemetry
from onramp.domain.errors import UnavailableError
from onramp.inbound.batch import Batch
from onramp.ports import Ports
from onramp.wiring import Runtime
from tests.canary import CODE, EMAIL, PHONE, TOKEN, assert_silent
from tests.unit.handlers.bench import NUMBER, TABLE, Bench, Context

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

WRITERS_OWN = {"level", "location", "message", "timestamp", "service"}
_SERIAL = count()


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """The log lines so far, without the metrics."""
    written = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return [line for line in written if "_aws" not in line]


def assert_signed(written: list[dict[str, Any]], service: str) -> None:
    """Fail unless every line has what Powertools gives it."""
    assert written
    for line in written:
        assert line.keys() >= WRITERS_OWN
        assert line["service"] == service
        assert line["level"] in {"DEBUG", "INFO", "WARNING", "ERROR"}
        function, _, number = line["location"].rpartition(":")
        assert function.isidentifier()
        assert number.isdecimal()
        assert isinstance(line["message"], str)


def test_the_lines_of_requests_are_signed_by_their_function(
    bench: Bench, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    signup_id = bench.authorized()
    bench.call("POST", f"/v1/signups/{signup_id}/numbers")
    bench.call("POST", "/v1/signups", {"service": 1, "level": 2, "message": EMAIL})
    bench.call("GET", "/v1/signups", tenant=["a"])
    bench.meta.answers["oauth/access_token"] = httpx.Response(400, json={"error": {"code": 100}})
    bench.call("POST", f"/v1/signups/{bench.opened()}/code", {"code": CODE})

    def crash(*_: object, **__: object) -> None:
        raise RuntimeError(f"{TOKEN} {PHONE}")

    monkeypatch.setattr("onramp.usecases.read.whole", crash)
    bench.call("GET", f"/v1/signups/{signup_id}")
    bench.dynamodb.delete_table(TableName=TABLE)
    bench.call("GET", f"/v1/signups/{signup_id}")
    written = lines(capsys)
    service = written[0]["service"]
    assert service.startswith("unit-")
    assert_signed(written, service)
    assert {"refused", "request crashed", "a service does not answer"} <= {
        line["message"] for line in written
    }
    assert_silent(json.dumps(written))


NEVER = "0" * 32
OTHER = "106540352242999"


@pytest.mark.parametrize(
    ("method", "path", "named"),
    [
        ("POST", f"/v1/signups/{NEVER}/code", {"signup_id": NEVER}),
        ("POST", f"/v1/signups/{NEVER}/numbers", {"signup_id": NEVER}),
        ("POST", f"/v1/signups/{NEVER}/retry", {"signup_id": NEVER}),
        ("GET", f"/v1/signups/{NEVER}", {"signup_id": NEVER}),
        ("POST", f"/v1/numbers/{OTHER}/retry", {"phone_number_id": OTHER}),
        ("POST", f"/v1/numbers/{OTHER}/cancel", {"phone_number_id": OTHER}),
        ("POST", f"/v1/numbers/{OTHER}/check", {"phone_number_id": OTHER}),
        ("GET", f"/v1/numbers/{OTHER}", {"phone_number_id": OTHER}),
        ("GET", "/v1/channels/smplD4CH/api-key", {"channel_id": "smplD4CH"}),
        # What somebody wrote into the path and is no id is not repeated.
        ("POST", "/v1/numbers/491512345678/retry", {}),
        ("GET", "/v1/channels/491512345678/api-key", {}),
        ("POST", f"/v1/signups/{CODE}/numbers", {}),
    ],
)
def test_a_refusal_names_what_was_asked_for(
    bench: Bench, capsys: pytest.CaptureFixture[str], method: str, path: str, named: dict[str, str]
) -> None:
    bench.call(method, path, {} if method == "POST" else None)
    bench.call("GET", "/v1/signups", tenant=["a"])
    refusal, another = lines(capsys)
    ids = {"signup_id", "phone_number_id", "channel_id"}
    assert refusal["message"] == "refused"
    assert {name: refusal[name] for name in ids & refusal.keys()} == named
    assert not ids & another.keys()


class Workers:
    """The workers on ports in memory, with the log that they have in Lambda."""

    def __init__(self) -> None:
        self.service = f"workers-{next(_SERIAL)}"
        self.logger = Logger(service=self.service, level="DEBUG")
        metrics = Metrics(namespace="OnrampTest", service=self.service)
        metrics.set_default_dimensions(stage="test")
        self.clock = ManualClock()
        self.telemetry = PowertoolsTelemetry(self.logger, metrics)
        self.bus = MemoryBus()
        self.ports = Ports(
            store=MemoryStore(self.clock),
            clock=self.clock,
            telemetry=self.telemetry,
            queue=MemoryQueue(),
            bus=self.bus,
        )
        runtime = object.__new__(Runtime)
        runtime.logger, runtime.metrics, runtime.telemetry = self.logger, metrics, self.telemetry
        self.runtime = runtime
        sqs: Any = SimpleNamespace(change_message_visibility=lambda **_: None)
        self.batch = Batch(sqs, "queue", self.clock, self.telemetry)


def deployed(monkeypatch: pytest.MonkeyPatch) -> Workers:
    """The workers in this process. A logger keeps the stream it was made with, so this is no fixture."""
    made = Workers()
    for module in (onboarding_worker, partner_event_worker):
        monkeypatch.setattr(module, "function", lambda: (made.runtime, made.batch, made.ports))
    monkeypatch.setattr(event_publisher, "function", lambda: (made.runtime, made.ports))
    return made


def context() -> "LambdaContext":
    told = Context()
    vars(told)["get_remaining_time_in_millis"] = lambda: 60_000
    return cast("LambdaContext", told)


def messages(*bodies: str) -> dict[str, Any]:
    """A batch of queue messages."""
    (one,) = samples()["onboarding_worker/job"]["Records"]
    return {"Records": [one | {"body": body, "messageId": f"m{at}"} for at, body in enumerate(bodies)]}


def test_the_lines_of_workers_are_signed_by_their_function(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    workers = deployed(monkeypatch)

    def crash(*_: object, **__: object) -> None:
        raise RuntimeError(f"{TOKEN} {PHONE} {EMAIL}")

    monkeypatch.setattr(onboarding_worker, "work_on_number", crash)
    onboarding_worker.handler(messages("no job", json.dumps({"phone_number_id": NUMBER})), context())
    event = {
        "id": "e1",
        "event": "channel_live",
        "data": {"id": "oneCH", "setup_info": {"phone_number": PHONE}},
    }
    partner_event_worker.handler(messages("{}", "none", json.dumps([event, 7])), context())
    event_publisher.handler({"Records": [{"eventID": "x", "dynamodb": {}}]}, context())
    written = lines(capsys)
    assert_signed(written, workers.service)
    told = {line["message"] for line in written}
    assert {
        "job cannot be read",
        "record crashed",
        "a webhook without an event",
        "fact cannot be read",
    } <= told
    assert {line["aws_request_id"] for line in written} == {"aws-request-1"}
    assert_silent(json.dumps(written))


def test_a_line_names_no_number_of_the_job_before_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    deployed(monkeypatch)

    def tell(ports: Ports, name: str | None = None, **_: object) -> None:
        ports.telemetry.info("worked", on=name or "census")

    monkeypatch.setattr(onboarding_worker, "work_on_number", tell)
    monkeypatch.setattr(onboarding_worker, "work_on_census", tell)
    onboarding_worker.handler(
        messages(
            '{"phone_number_id": "106"}', "no job", '{"phone_number_id": "107"}', '{"census": "default"}'
        ),
        context(),
    )
    assert [(line.get("on"), line.get("phone_number_id")) for line in lines(capsys)] == [
        ("106", "106"),
        (None, None),
        ("107", "107"),
        ("census", None),
    ]


def test_an_invocation_that_fails_says_its_kind_and_not_its_text(monkeypatch: pytest.MonkeyPatch) -> None:
    deployed(monkeypatch).bus.broken = True
    with pytest.raises(RuntimeError) as raised:
        event_publisher.handler(samples()["event_publisher/facts"], context())
    assert str(raised.value) == UnavailableError.__name__
    assert raised.value.__cause__ is None
