"""A customer's onboarding, and webhooks about it, through the functions as they are deployed.

The bench stands where API Gateway, the pollers of the queues and the table's stream stand; AWS is MiniStack
and the upstreams are simulated, 360dialog's webhooks included. Who runs a function, and what is measured of
it, is the caller's: `Invoke`.
"""

import contextlib
import hashlib
import hmac
import http.server
import json
import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

import httpx

from bench.runtimes import sample_event
from harness.services import PARTNER_KEY, PLATFORM_SECRET, Services
from local.children import LOCAL_HOST
from local.simulators.settings import Settings

type Json = dict[str, Any]
type Invoke = Callable[[str, str, object], Any]
"""Runs a function: its name, what kind of message it gets, and the event. Gives what it answered."""

ONBOARDING: Final = "onboarding"
STATUS: Final = "status"
SWEEP: Final = "sweep"
ABOUT_A_NUMBER: Final = "about a number"
NOT_ABOUT_A_NUMBER: Final = "not about a number"
AT_ONCE: Final = 10
"""So many messages Lambda hands to `partner_event_worker` at most."""
TOGETHER: Final = f", {AT_ONCE} at a time"
PATIENCE_SECONDS: Final = 30.0
QUIET_SECONDS: Final = 1.2
"""After so long without anything the sweep is called; 360dialog's steps take less."""


class StalledError(Exception):
    """A function refused what it was handed, or an onboarding did not come to its end."""


@contextlib.contextmanager
def inbox(around: Services) -> Iterator["queue.Queue[str]"]:
    """The bodies of the webhooks that the simulated 360dialog sends, until the context is left."""
    came: queue.Queue[str] = queue.Queue()

    class _Taker(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            came.put(self.rfile.read(int(self.headers["Content-Length"])).decode())
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer((LOCAL_HOST, 0), _Taker) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        partner = Settings(app_secret="", partner_key="", platform_secret="").partner_id
        httpx.post(
            f"{around.upstreams['partner']}/partners/{partner}/webhook_url",
            json={"webhook_url": f"http://{LOCAL_HOST}:{server.server_port}/"},
            headers={"X-API-Key": PARTNER_KEY},
            trust_env=False,
        ).raise_for_status()
        try:
            yield came
        finally:
            server.shutdown()


class Journey:
    """Plays onboardings one after the other, and webhooks about the last one's number."""

    def __init__(self, around: Services, invoke: Invoke, came: "queue.Queue[str]") -> None:
        self._around = around
        self._invoke = invoke
        self._came = came
        self._signup = ""
        self._body = ""
        self._played = 0

    # -- an onboarding

    def onboard(self) -> None:
        """One customer, from the first click to the key. Raises `StalledError`."""
        customer = self._around.customer()
        code = {"code": customer["code"], "session_info": customer["session_info"]}
        self._played += 1
        self._signup = ""
        self._signup = self._api("code_exchange/open_signup.json", body=_client(self._played))["id"]
        self._api("code_exchange/exchange_code.json", body=code)
        self._api("number_submission/submit_claimed_number.json")
        channel = self._until_connected()
        self._api("signup_queries/read_api_key.json", {"smplA1CH": channel})
        for record in self._facts():
            self._invoke("event_publisher", ONBOARDING, {"Records": [record]})

    def _until_connected(self) -> str:
        """Work on what comes until the number is connected; gives its channel."""
        names = self._around.names
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            for record in self._around.received(names.jobs_queue_url):
                self._invoke("onboarding_worker", ONBOARDING, {"Records": [record]})
            with contextlib.suppress(queue.Empty):
                self._hear(self._came.get(timeout=0.1))
                continue
            (number,) = self._api("signup_queries/read_signup.json", kind=STATUS)["numbers"]
            if number["status"] == "connected":
                return str(number["channel_id"])
            if time.monotonic() > deadline - PATIENCE_SECONDS + QUIET_SECONDS:
                self._invoke("reconciler", SWEEP, {"task": SWEEP})
        raise StalledError("a number was not connected in time")

    def _hear(self, body: str) -> None:
        """A webhook of 360dialog's, from the receiver to the end of the worker."""
        if json.loads(body).get("event") == "channel_live":
            self._body = body
        self.receive(body, ONBOARDING)
        for record in self._around.received(self._around.names.events_queue_url):
            self._invoke("partner_event_worker", ONBOARDING, {"Records": [record]})

    def _api(self, name: str, changed: Mapping[str, str] | None = None, **more: object) -> Json:
        """A sample request of ours, about our signup."""
        event = sample_event(name)
        # A key of its own for each, and an answer that is not the one before.
        event["headers"].pop("if-none-match", None)
        event["headers"].pop("idempotency-key", None)
        path = event.get("pathParameters") or {}
        text = json.dumps(event)
        for old, new in {path.get("signup_id", ""): self._signup, **(changed or {})}.items():
            text = text.replace(old, new) if old else text
        event = json.loads(text)
        if "body" in more:
            event["body"] = json.dumps(more["body"])
        answer = self._invoke(name.partition("/")[0], str(more.get("kind", ONBOARDING)), event)
        if answer["statusCode"] not in {HTTPStatus.OK, HTTPStatus.CREATED, HTTPStatus.ACCEPTED}:
            raise StalledError(f"{name}: {answer['statusCode']} {answer['body']}")
        content: Json = json.loads(answer["body"])
        return content

    def _facts(self) -> Iterator[Json]:
        """The signup's facts as the table's stream hands them on."""
        items = self._around.aws.dynamodb.query(
            TableName=self._around.names.table_name,
            KeyConditionExpression="pk = :pk AND begins_with(sk, :facts)",
            ExpressionAttributeValues={":pk": {"S": f"SIGNUP#{self._signup}"}, ":facts": {"S": "FACT#"}},
        )["Items"]
        for number, item in enumerate(items):
            record = sample_event("event_publisher/facts.json")["Records"][0]
            record["dynamodb"] |= {"NewImage": item, "SequenceNumber": f"{number:030d}"}
            yield record

    # -- webhooks afterwards

    def receive(self, body: str, kind: str) -> None:
        """One signed webhook at the receiver."""
        event = sample_event("webhook_receiver/channel_live.json")
        event["body"] = body
        signature = hmac.new(PLATFORM_SECRET.encode(), body.encode(), hashlib.sha256).hexdigest()
        event["headers"]["x-360dialog-signature"] = signature
        answer = self._invoke("webhook_receiver", kind, event)
        if answer["statusCode"] != HTTPStatus.OK:
            raise StalledError(f"a webhook was refused: {answer}")

    def quality(self) -> str:
        """A new event about the last onboarding's number."""
        self._played += 1
        event = json.loads(self._body)
        return json.dumps({**event, "id": f"q-{self._played}", "event": "phone_number_quality_changed"})

    def template(self) -> str:
        """A new event about no number."""
        self._played += 1
        data = {
            "id": "102290129340398",
            "template": {"name": "order_confirmation", "language": "en_US", "status": "APPROVED"},
        }
        return json.dumps({"id": f"t-{self._played}", "event": "waba_template_status_changed", "data": data})

    def webhooks(self, body: Callable[[], str], kind: str) -> None:
        """One webhook from the receiver to the bus; then ten that come to the worker at a time."""
        self._around.aws.sqs.purge_queue(QueueUrl=self._around.names.events_queue_url)
        known = len(list(self._facts()))
        for count, label in ((1, kind), (AT_ONCE, kind + TOGETHER)):
            records = []
            for _ in range(count):
                self.receive(body(), kind)
                records += self._around.received(self._around.names.events_queue_url)
            self._invoke("partner_event_worker", label, {"Records": records})
            facts = list(self._facts())[known:]
            known += len(facts)
            if facts:
                self._invoke("event_publisher", label, {"Records": facts})


def records_of(bodies: Sequence[str]) -> Json:
    """Webhooks as SQS hands them to a function, without a queue in between."""
    record = sample_event("partner_event_worker/batch.json")["Records"][0]
    return {
        "Records": [
            {**record, "messageId": f"00000000-0000-4000-8000-{number:012d}", "body": body}
            for number, body in enumerate(bodies)
        ]
    }


def _client(number: int) -> Json:
    """A customer whom nobody has seen yet."""
    client = {
        "name": "Example Bakery",
        "email": f"owner{number}@bakery.example.com",
        "user_name": "Alex Example",
    }
    return {"client": client, "reference": "customer-4711"}
