"""All handlers in one process, with marked secrets everywhere and every way out of the process watched.

AWS is moto's and the table `harness.dynamodb`'s, with every call passing `Stage.on_aws`; Meta and 360dialog
are the simulators, with every request passing `Stage.on_request`; the receiver's own AWS calls go to a small
server. This module stands in for API Gateway, for the queues' pollers and for the log handler of the Lambda
runtime.
"""

import contextlib
import importlib
import io
import itertools
import json
import logging
import random
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, Self

import boto3
import botocore.client
import httpx
import pytest

from harness.dynamodb import CountingDynamo
from harness.keys import make_key
from infra.cards import CARDS
from infra.config import load_config
from infra.environment import ResourceNames, environment_of
from infra.paths import CONFIG
from local.simulators import ManualClock, Seams, Settings, Simulators, SyncRunner, build
from onramp import wiring
from onramp.adapters import upstream
from onramp.adapters.system import SystemClock
from ops.stage.translated import translated
from tests.canary import (
    APP_SECRET,
    CHANNEL_KEY,
    CODE,
    EMAIL,
    MARK,
    PARTNER_KEY,
    PHONE,
    PLATFORM_SECRETS,
    SECRET,
    TOKEN,
    assert_silent,
    forms,
)
from tests.gateway import routed

type Json = dict[str, Any]
type Passing = Callable[[Callable[[], Any], str, Json], Any]
type OnAws = Callable[["AwsCall"], Exception | None]

HEADER_SECRET: Final = f"{MARK}-header-secret"
"""A header that 360dialog shall send with messages: a password of the partner's own server."""
ECHO: Final = f"refused: {CODE} {TOKEN} {APP_SECRET} {PARTNER_KEY} {CHANNEL_KEY} {EMAIL} {PHONE}"
"""What a careless upstream says: everything it was told."""
TENANT: Final = "tenant-1"
QUEUES: Final = (
    *("jobs", "jobs-dlq", "events", "events-dlq", "relay", "relay-dlq", "notifications", "notifications-dlq"),
    *("schedules-dlq", "stream-dlq"),
)
WORKERS: Final = {"jobs": "onboarding_worker", "events": "partner_event_worker"}
ELSEWHERE: Final = frozenset(
    {"webhook_receiver", "meta_receiver", "event_relay", "notification_sender", "operator_desk"}
)
"""Functions that do not run here, or by no client that is watched; `tests/iam` and the flows play them."""
CREDENTIALS: Final = frozenset(
    form.lower()
    for value in (CODE, TOKEN, APP_SECRET, PARTNER_KEY, CHANNEL_KEY, HEADER_SECRET, *PLATFORM_SECRETS)
    for form in forms(value)
)
SECRET_LENGTH: Final = 26
"""What the simulators make of so many letters is a secret; ids and Meta's trace ids are shorter."""
SWEEP_SECONDS: Final = 30
JOB_MEMBERS: Final = frozenset({"phone_number_id", "census", "asked_at", "retry", "reason", "delivery"})
SENDS: Final = frozenset({"SendMessage", "SendMessageBatch"})
FACTS: Final = "FACT#"
STREAM_BATCH: Final = 100
NOBODY: Final = "test"
"""Who runs while no function does."""
# Loggers of the test's own tools, which share the process.
_TOOLS: Final = ("moto", "responses", "asyncio", "faker", "hypothesis", "boto3", "botocore", "urllib3")
_SERIAL = itertools.count()
_make_client = boto3.client
_kept_clients: dict[str, Any] = {}


def kept_client(service: str, **options: Any) -> Any:
    """boto3's, each made once in a process: that takes longer than most of a journey."""
    if service not in _kept_clients:
        _kept_clients[service] = _make_client(service, **options)  # type: ignore[call-overload]
    return _kept_clients[service]


class WatchedTable:
    """The table's service in memory, each call of it passing the stage as those of boto3's clients do."""

    def __init__(self, dynamo: CountingDynamo, passing: Passing) -> None:
        self._dynamo = dynamo
        self._passing = passing

    def __getattr__(self, name: str) -> Callable[..., Any]:
        operation = getattr(self._dynamo, name)
        spoken = name.title().replace("_", "")
        return lambda **request: self._passing(lambda: operation(**request), spoken, request)


class MarkedRandom(random.Random):
    """Chance that puts the mark into every long text: the simulators' codes, tokens and keys."""

    def choices(self, population: Sequence[Any], *args: Any, k: int = 1, **more: Any) -> list[Any]:  # type: ignore[override]
        drawn = super().choices(population, *args, k=k, **more)
        return [*MARK, *drawn[len(MARK) :]] if k >= SECRET_LENGTH else drawn


@dataclass(frozen=True)
class AwsCall:
    """A call to AWS: by which function, what, and with which parameters."""

    function: str
    operation: str
    parameters: Mapping[str, Any]


class AwsLost(Exception):
    """Raised by nobody: `on_aws` returns it around the error to be raised after the call was done."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error


class Context:
    """What Lambda tells a handler."""

    function_name = "function"
    memory_limit_in_mb = 512
    invoked_function_arn = "arn:aws:lambda:eu-central-1:123456789012:function:function"
    aws_request_id = "aws-request-1"

    @staticmethod
    def get_remaining_time_in_millis() -> int:
        return 60_000


@dataclass
class Message:
    """A queue message that this stage hands out."""

    queue: str
    body: str
    attributes: Json
    due: float
    id: str
    receipt: str
    receives: int = 0


@dataclass
class LightAws:
    """SQS and Secrets Manager for the receiver. `answer` may replace an answer by status and body."""

    secret: str
    taken: Callable[[Json], None]
    answer: Callable[[str], tuple[int, str] | None] = lambda _: None

    def reply(self, target: str, body: Json) -> tuple[int, str]:
        replaced = self.answer(target)
        if replaced is not None:
            return replaced
        if target.startswith("secretsmanager"):
            return 200, json.dumps({"SecretString": self.secret})
        self.taken(body)
        return 200, json.dumps({"MessageId": "1"})


@contextlib.contextmanager
def serve(light: LightAws) -> Iterator[str]:
    """Serve it on this machine; gives its address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            status, text = light.reply(str(self.headers["x-amz-target"]), body)
            self.send_response(status)
            self.send_header("content-length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class RootHandler(logging.Handler):
    """The log handler that the Lambda runtime puts at the root: it takes everybody's records.

    Not those of the test's own calls, made while no function runs.
    """

    def __init__(self, sink: io.StringIO, listening: Callable[[], bool]) -> None:
        super().__init__()
        self._sink = sink
        self._listening = listening

    def emit(self, record: logging.LogRecord) -> None:
        if self._listening() and not record.name.startswith(_TOOLS):
            self._sink.write(f"{record.name} {self.format(record)} {record.__dict__!r}\n")


@dataclass
class Answer:
    """An answer of the API."""

    status: int
    text: str
    headers: Mapping[str, str]

    @property
    def json(self) -> Json:
        content: Json = json.loads(self.text) if self.text else {}
        return content


@dataclass
class Stage:
    """See above. `out` is all that was written: both streams and every log record."""

    monkeypatch: pytest.MonkeyPatch
    root_level: int = logging.INFO
    variables: Mapping[str, str] = field(default_factory=dict)
    secret: str = field(default_factory=lambda: json.dumps(SECRET))
    out: io.StringIO = field(default_factory=io.StringIO)
    on_aws: OnAws = lambda _: None
    on_request: Callable[[httpx.Request], None] = lambda _: None
    patience: int = 40
    """How often a front end tries again."""
    calls: list[AwsCall] = field(default_factory=list)
    problems: list[Answer] = field(default_factory=list)
    derived: set[str] = field(default_factory=set)
    """Values made from secrets: proofs and signatures."""

    def __post_init__(self) -> None:
        self._running = NOBODY
        self._waiting: list[Message] = []
        self._hidden: dict[str, int] = {}
        self._sent = False
        self._facts: list[Json] = []
        self._stream: list[Json] = []
        self._stream_due = 0.0
        self._lock = threading.Lock()
        self._exits = contextlib.ExitStack()

    @property
    def _whole(self) -> set[str]:
        """The queues that have events as they came."""
        return {self.queues[name] for name in ("events-dlq", "relay", "relay-dlq")}

    def __enter__(self) -> Self:
        self.monkeypatch.setattr(wiring, "Clients", lambda: self._client)
        self.monkeypatch.setattr(SystemClock, "new_secret", lambda _: f"{MARK}{next(_SERIAL):034d}")
        self._clock = ManualClock()
        self._runner = self._exits.enter_context(SyncRunner())
        self.sims = self._simulators()
        self.light = LightAws(secret=self.secret, taken=self._taken)
        address = self._exits.enter_context(serve(self.light))
        self._watch()
        self.queues = self._resources()
        for name, value in {**self._environment(), **self.variables}.items():
            self.monkeypatch.setenv(name, value)
        self._modules = {name: importlib.import_module(name) for name in CARDS}
        self._patch(address)
        self._forget()
        return self

    def __exit__(self, *_: object) -> None:
        self._forget()
        self._exits.close()

    # -- making it

    def _simulators(self) -> Simulators:
        sims = build(
            Settings(
                app_secret=APP_SECRET,
                partner_key=PARTNER_KEY,
                platform_secret=PLATFORM_SECRETS[0],
                seed=1,
                step_seconds=1.0,
                budget_calls=1_000,
            ),
            seams=Seams(now=self._clock, sleep=self._clock.sleep, deliver=self._deliver),
        )
        sims.hub.webhook_url = "http://127.0.0.1/v1/webhooks/360dialog"
        sims.world.rng = sims.dialog_server.rng = MarkedRandom(1)
        return sims

    def _resources(self) -> dict[str, str]:
        self._aws: dict[str, Any] = {
            name: kept_client(name) for name in ("sqs", "events", "kms", "secretsmanager")
        }
        self._aws["dynamodb"] = WatchedTable(CountingDynamo(), self._call_aws)
        self._aws["events"].create_event_bus(Name="bus")
        self._aws["secretsmanager"].create_secret(Name="the-secret", SecretString=self.secret)
        return {name: self._aws["sqs"].create_queue(QueueName=name)["QueueUrl"] for name in QUEUES}

    def _client(self, service: str) -> Any:
        """A function's client."""
        return translated(self._aws[service])

    def _environment(self) -> dict[str, str]:
        """The variables of all functions at once."""
        values = {
            "meta.app_id": "1234567890",
            "meta.config_id": "9876543210",
            "partner.partner_id": "localPA",
            "partner.solution_id": "123456789012345",
            "partner.budget_calls": "1000",
            "partner.retry_schedule_seconds": "1,1,1,1",
            "partner.reconcile_after_seconds": "30",
            "messaging.webhook_url": "https://messages.example.com/whatsapp",
            "messaging.webhook_headers": json.dumps({"Authorization": HEADER_SECRET}),
        }
        config = load_config(directory=CONFIG, stage="local", overrides=values)
        names = ResourceNames(
            table_name="records",
            bus_name="bus",
            envelope_key_id=make_key(self._aws["kms"]),
            secret_id="the-secret",
            jobs_queue_url=self.queues["jobs"],
            jobs_dlq_url=self.queues["jobs-dlq"],
            events_queue_url=self.queues["events"],
            events_dlq_url=self.queues["events-dlq"],
            relay_queue_url=self.queues["relay"],
            relay_dlq_url=self.queues["relay-dlq"],
            notifications_queue_url=self.queues["notifications"],
            notifications_dlq_url=self.queues["notifications-dlq"],
            bodies_bucket="bodies",
            schedules_dlq_url=self.queues["schedules-dlq"],
            stream_dlq_url=self.queues["stream-dlq"],
        )
        environment: dict[str, str] = {}
        for function in CARDS:
            environment |= environment_of(function=function, config=config, resources=names)
        return environment | {
            # A logger keeps the stream it was made with, so each stage has one of its own.
            "POWERTOOLS_SERVICE_NAME": f"secrecy-{next(_SERIAL)}",
            "GRAPH_BASE_URL": self.sims.urls.meta,
            "PARTNER_BASE_URL": self.sims.urls.partner,
            "MESSAGING_BASE_URL": self.sims.urls.messaging,
        }

    def _watch(self) -> None:
        handler = RootHandler(self.out, lambda: self._running != NOBODY)
        for name in ("httpx", "httpcore"):
            # As a process has them that has just begun, whatever other tests have set.
            logging.getLogger(name).setLevel(logging.NOTSET)
        root = logging.getLogger()
        level = root.level
        root.addHandler(handler)
        root.setLevel(self.root_level)
        self._exits.callback(root.setLevel, level)
        self._exits.callback(root.removeHandler, handler)

    def _patch(self, light_address: str) -> None:
        patch = self.monkeypatch.setattr
        original = botocore.client.BaseClient._make_api_call  # type: ignore[attr-defined]

        def make_api_call(client: Any, operation: str, parameters: Json) -> Any:
            return self._call_aws(lambda: original(client, operation, parameters), operation, parameters)

        patch(botocore.client.BaseClient, "_make_api_call", make_api_call)
        patch(SystemClock, "now", lambda _: datetime.fromtimestamp(self._clock(), UTC))
        patch(SystemClock, "sleep", lambda _, seconds: self._clock.advance(max(seconds, 0)))
        new_client = upstream.new_client

        def routed() -> httpx.Client:
            return new_client(_Routed(self))

        patch(upstream, "new_client", routed)
        # The receiver alone takes its address from the environment: the others' clients are moto's.
        receiver = self._modules["webhook_receiver"]
        light = receiver.LightClient

        def redirected(service: str, credentials: Any, region: str, _endpoint: str, **limits: Any) -> Any:
            client = light(service, credentials, region, light_address, **limits)
            self._exits.callback(client.disconnect)
            return client

        patch(receiver, "LightClient", redirected)

    def _forget(self) -> None:
        """Let every function start cold."""
        for module in self._modules.values():
            getattr(module, "function", None) and module.function.cache_clear()
        self._modules["webhook_receiver"].receiver.cache_clear()

    # -- what passes through

    def _call_aws(self, call: Callable[[], Any], operation: str, parameters: Json) -> Any:
        if self._running == NOBODY:
            return call()
        seen = AwsCall(self._running, operation, parameters)
        self.calls.append(seen)

        def done() -> Any:
            answer = call()
            self._sent |= operation in SENDS
            self._note_facts(seen)
            return answer

        if operation == "ChangeMessageVisibility":
            self._hidden[parameters["ReceiptHandle"]] = parameters["VisibilityTimeout"]
        error = self.on_aws(seen)
        if isinstance(error, AwsLost):
            done()
            raise error.error
        if error is not None:
            raise error
        # The stage's own handles are none of moto's.
        return {} if operation == "ChangeMessageVisibility" else done()

    def _note_facts(self, call: AwsCall) -> None:
        """What a write puts into the table's stream, as the publisher's mapping lets it through."""
        puts = [item["Put"] for item in call.parameters.get("TransactItems", ()) if "Put" in item]
        puts += [call.parameters] if call.operation == "PutItem" else []
        for put in puts:
            image = put["Item"]
            keys = {name: image[name] for name in ("pk", "sk")}
            if not keys["sk"]["S"].startswith(FACTS) or keys in self._facts:
                continue
            self._facts.append(keys)
            change = {"Keys": keys, "NewImage": image, "SequenceNumber": str(len(self._facts))}
            self._stream.append({"eventID": f"e{len(self._facts)}", "dynamodb": change})

    def send(self, request: httpx.Request) -> httpx.Response:
        """A request of a handler to Meta or 360dialog."""
        proof = request.url.params.get("appsecret_proof")
        if proof:
            self.derived.add(proof)
        self.on_request(request)
        app = self.sims.meta if request.url.host == "meta.test" else self.sims.dialog
        # The simulators share one event loop, and the exchange reads from several threads.
        with self._lock:
            return self._runner.transport(app).handle_request(request)

    async def _deliver(self, _url: str, body: bytes, headers: Mapping[str, str]) -> int:
        """A webhook of 360dialog's, through API Gateway to the receiver."""
        self.derived |= {value for name, value in headers.items() if "signature" in name.lower()}
        answer = self.invoke(
            "webhook_receiver",
            {"headers": dict(headers), "body": body.decode(), "requestContext": {"requestId": "r-hook"}},
        )
        return int(answer["statusCode"]) if answer else 500

    def _taken(self, sent: Json) -> None:
        """A message of the receiver's for the events queue."""
        self.assert_attributes_silent(sent)
        attributes = {
            name: {"stringValue": value["StringValue"], "dataType": "String"}
            for name, value in sent["MessageAttributes"].items()
        }
        self.put("events", sent["MessageBody"], attributes)

    # -- driving it

    def invoke(self, function: str, event: Json) -> Json | None:
        """One invocation; what it raises is written as the Lambda runtime does it, without its cause."""
        outer, self._running = self._running, function
        # Here and not for the whole test: pytest takes the streams back between set-up and test.
        streams = contextlib.ExitStack()
        streams.enter_context(contextlib.redirect_stdout(self.out))
        streams.enter_context(contextlib.redirect_stderr(self.out))
        try:
            answer: Json = self._modules[function].handler(event, Context())
        except Exception as error:  # noqa: BLE001 - Lambda takes and tells whatever comes
            self.out.write(f"[ERROR] {type(error).__name__}: {error}\n")
            self.out.write("".join(traceback.format_tb(error.__traceback__)))
            return None
        finally:
            streams.close()
            self._running = outer
        return answer

    def request(
        self,
        function: str,
        method: str,
        path: str,
        body: object = None,
        *,
        raw: str | None = None,
        headers: Mapping[str, str] | None = None,
        tenant: str | None = TENANT,
        **more: Any,
    ) -> Answer:
        """One request to the API; a problem is kept, for it may hold nothing marked."""
        event: Json = {
            "version": "2.0",
            **routed(method, path),
            "rawPath": path,
            "rawQueryString": "",
            "headers": {
                "content-type": "application/json",
                "authorization": f"Bearer {TOKEN}",
                **(headers or {}),
            },
            "requestContext": {
                "http": {"method": method, "path": path, "sourceIp": "192.0.2.1"},
                "requestId": "r-1",
                "stage": "$default",
                **({"authorizer": {"jwt": {"claims": {"sub": tenant, "email": EMAIL}}}} if tenant else {}),
            },
            "isBase64Encoded": False,
            "body": raw if raw is not None else None if body is None else json.dumps(body),
            **more,
        }
        told = self.invoke(function, event)
        if told is None:
            return Answer(500, "", {})
        answer = Answer(told["statusCode"], told.get("body") or "", told["headers"])
        if answer.status >= 400:
            self.problems.append(answer)
        elif path.endswith("/signup-links") and method == "POST":
            # The one answer that holds a link's address, for its maker.
            self.assert_no_credential(answer.text.replace(answer.json["url"] or "", ""))
        elif not path.endswith("/api-key"):
            self.assert_no_credential(answer.text + json.dumps(dict(answer.headers)))
        return answer

    def admin(self, side: str, path: str, body: Json) -> Json:
        """A call to a simulator's admin route."""
        app, url = (
            (self.sims.meta, self.sims.urls.meta)
            if side == "meta"
            else (self.sims.dialog, self.sims.urls.dialog)
        )
        with httpx.Client(transport=self._runner.transport(app)) as client:
            answer = client.post(f"{url}/admin/{path}", json=body)
        assert answer.is_success, answer.text
        return dict(answer.json())

    def put(self, queue: str, body: str, attributes: Json | None = None) -> Message:
        """Put a message into a queue."""
        number = str(next(_SERIAL))
        message = Message(queue, body, attributes or {}, self._clock(), f"m{number}", f"r{number}")
        self._waiting.append(message)
        return message

    def run(self, seconds: float) -> None:
        """Let time pass: channels walk, webhooks fly, queues deliver, the schedule sweeps."""
        end = self._clock() + seconds
        sweep_at = self._clock() + SWEEP_SECONDS
        while self._clock() < end:
            self._collect()
            self._publish()
            due = [message for message in self._waiting if message.due <= self._clock()]
            if due:
                self._hand_over(due[0])
            elif self._clock() >= sweep_at:
                sweep_at = self._clock() + SWEEP_SECONDS
                self.invoke("reconciler", {"task": "sweep"})
            else:
                coming = [end, sweep_at, *(message.due for message in self._waiting)]
                coming += [self._stream_due] if self._stream else []
                agenda = self.sims.agenda.next_due()
                target = min([*coming, agenda] if agenda is not None else coming)
                self._runner.run(self.sims.advance(max(target - self._clock(), 0.001)))

    def _collect(self) -> None:
        """Take what the handlers sent to the two queues that have a poller."""
        if not self._sent:
            return
        self._sent = False
        for queue in WORKERS:
            url = self.queues[queue]
            while (
                messages := self._aws["sqs"]
                .receive_message(QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"])
                .get("Messages")
            ):
                for message in messages:
                    self._aws["sqs"].delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                    self.put(queue, message["Body"])

    def _publish(self) -> None:
        """Hand over what is new in the table's stream."""
        if not self._stream or self._stream_due > self._clock():
            return
        batch = self._stream[:STREAM_BATCH]
        told = self.invoke("event_publisher", {"Records": batch})
        failed = None if told is None else [item["itemIdentifier"] for item in told["batchItemFailures"]]
        if failed is None or failed:
            places = [record["dynamodb"]["SequenceNumber"] for record in batch]
            del self._stream[: places.index(failed[0]) if failed else 0]
            self._stream_due = self._clock() + 1
        else:
            del self._stream[: len(batch)]

    def _hand_over(self, message: Message) -> None:
        message.receives += 1
        record = {
            "messageId": message.id,
            "receiptHandle": message.receipt,
            "body": message.body,
            "attributes": {"ApproximateReceiveCount": str(message.receives)},
            "messageAttributes": message.attributes,
            "eventSource": "aws:sqs",
        }
        answer = self.invoke(WORKERS[message.queue], {"Records": [record]})
        if answer == {"batchItemFailures": []}:
            self._waiting.remove(message)
        else:
            message.due = self._clock() + self._hidden.pop(message.receipt, 360)

    # -- what must hold

    def letters(self, queue: str) -> list[Json]:
        """The messages of a queue, with their attributes, taken out."""
        answer = self._aws["sqs"].receive_message(
            QueueUrl=self.queues[queue], MaxNumberOfMessages=10, MessageAttributeNames=["All"]
        )
        return list(answer.get("Messages", []))

    @property
    def table(self) -> Any:
        """A client of the table's service."""
        return self._aws["dynamodb"]

    def stored(self) -> str:
        """Everything in the table."""
        return json.dumps(self.table.scan(TableName="records")["Items"], default=str)

    def told(self, *operations: str) -> list[AwsCall]:
        """The calls of some operations, successful or not."""
        return [call for call in self.calls if call.operation in operations]

    def assert_no_credential(self, text: str) -> None:
        """No code, token, key, secret or proof, in any form; numbers and addresses of people may be there."""
        lowered = text.lower()
        made = {value.lower() for value in (*self.sims.world.codes, *self.sims.world.tokens, *self.derived)}
        found = sorted(value for value in CREDENTIALS | made if value in lowered)
        # What the simulators made begins with letters of theirs and then the mark.
        at = lowered.replace(EMAIL.lower(), "").find(MARK.lower())
        assert not found, f"let out: {found} in {text[:2000]}"
        assert at < 0, f"let out near: {lowered[max(0, at - 200) : at + 200]}"

    def assert_attributes_silent(self, sent: Mapping[str, Any]) -> None:
        """Attributes of a message hold nothing marked."""
        text = json.dumps(sent.get("MessageAttributes", {}))
        assert_silent(text)
        self.assert_no_credential(text)

    def assert_silent(self) -> None:
        """Nothing marked left the process, but where it has to."""
        text = self.out.getvalue()
        assert text or self.problems, "nothing was seen"
        for line in text.splitlines():
            assert_silent(line)
            self.assert_no_credential(line)
        for problem in self.problems:
            assert_silent(problem.text + json.dumps(dict(problem.headers)))
        for call in self.told("PutEvents"):
            assert call.function in {"event_publisher", "event_relay"}
            # What is relayed is 360dialog's event for the partner's own systems, as below.
            check = assert_silent if call.function == "event_publisher" else self.assert_no_credential
            check(json.dumps(call.parameters, default=str))
        for call in self.told("SendMessageBatch"):
            for entry in call.parameters["Entries"]:
                assert_job_silent(entry)
        for call in self.told("SendMessage"):
            self.assert_attributes_silent(call.parameters)
            if call.parameters["QueueUrl"] not in self._whole:
                assert_job_silent(call.parameters)
            else:
                # The dead letter of an event is the event as 360dialog sent it: a person has to see what
                # could not be applied, and a redrive has to give the same bytes. Its channel object has the
                # phone number, which tells whom it is about, so it stays; the queue is encrypted and few may
                # read it. It has no credential: 360dialog sends none, the signature is a header we drop.
                # What is relayed is the same body on its way to the partner's own systems.
                self.assert_no_credential(call.parameters["MessageBody"])
        self.assert_no_credential(self.stored())


def assert_job_silent(sent: Mapping[str, Any]) -> None:
    """Jobs and their dead letters: ids only."""
    assert_silent(json.dumps(sent))
    assert json.loads(sent["MessageBody"]).keys() <= JOB_MEMBERS


class _Routed(httpx.BaseTransport):
    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return self._stage.send(request)
