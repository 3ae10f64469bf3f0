"""`POST /v1/webhooks/360dialog`, `…/{hub}`: 200 once the signed body is in SQS, and not before.

360dialog wants its answer within 250 ms, a cold start included: this function imports the standard library.
"""

import contextlib
import json
import os
import time
from functools import cache

from onramp.adapters.aws_light import AwsError, LightClient, credentials_of, read_secret, send_message
from onramp.adapters.starting import around_snapshots, on_lambda, started
from onramp.inbound import receiving
from onramp.inbound.signature import PLATFORM_SECRETS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ATTEMPTS = 2
WAIT_SECONDS = 1.0
DEADLINE_SECONDS = 2.0
"""For each of the two calls, all tries together: both must fit into the function's five seconds."""


class Receiver:
    """What the function keeps between two webhooks: connections and secrets."""

    def __init__(self) -> None:
        missing = [name for name in ("EVENTS_QUEUE_URL", "SECRET_ID", "STAGE") if not os.environ.get(name)]
        if missing:
            raise RuntimeError(f"missing: {', '.join(missing)}")
        self._queue_url = os.environ["EVENTS_QUEUE_URL"]
        self._sqs = _client("sqs")
        self._vault = _client("secretsmanager")
        self.secrets = {receiving.DEFAULT: receiving.PlatformSecrets(self._read)}
        for hub in receiving.hub_names(os.environ.get("HUBS", "")):
            name = f"{PLATFORM_SECRETS}@{hub}"
            self.secrets[hub] = receiving.PlatformSecrets(self._read, name=name)

    def warm(self) -> None:
        """Read the secret and connect. Raises nothing: the first webhook tries again, and tells."""
        self._sqs.connect()
        with contextlib.suppress(AwsError, receiving.SecretUnusable):
            self.secrets[receiving.DEFAULT].current()

    def forget(self) -> None:
        """Let go of what a snapshot must not hold."""
        self._sqs.disconnect()
        self._vault.disconnect()
        for secrets in self.secrets.values():
            secrets.forget()

    def _read(self) -> object:
        return read_secret(self._vault, os.environ["SECRET_ID"])

    def store(self, body: str, encoding: str, request_id: str, hub: str) -> None:
        """Hand the body to the worker. Raises `AwsError`."""
        attributes = {"encoding": encoding, "request_id": request_id or "none"}
        if hub != receiving.DEFAULT:
            attributes["hub"] = hub
        send_message(self._sqs, self._queue_url, body, attributes)


def _client(service: str) -> LightClient:
    return LightClient(
        service,
        credentials_of(os.environ),
        os.environ["AWS_REGION"],
        os.environ.get("AWS_ENDPOINT_URL"),
        attempts=ATTEMPTS,
        connect=WAIT_SECONDS,
        wait=WAIT_SECONDS,
        deadline=DEADLINE_SECONDS,
    )


@cache
def receiver() -> Receiver:
    """Made before the first webhook, or at it."""
    return Receiver()


def handler(event: dict[str, "Any"], _context: object) -> dict[str, object]:
    """Answer one webhook, and count what became of it."""
    started = time.perf_counter()
    request_id = str((event.get("requestContext") or {}).get("requestId") or "")
    answer, outcome, reason = _receive(event, request_id)
    _count(outcome, reason, request_id, (time.perf_counter() - started) * 1000)
    return answer


def _receive(event: dict[str, "Any"], request_id: str) -> tuple[dict[str, object], str, str]:
    """The answer, the metric that counts it, and a reason for the log."""
    body = receiving.raw_body(event)
    if body is None or len(body) > receiving.MAX_BODY:
        return receiving.answer(413, "body_too_large", "The body is too large", request_id), "TooLarge", ""
    hub = receiving.hub_of(event)
    try:
        # A hub that is not there is told like a wrong signature, and reads no secret.
        secrets = receiver().secrets.get(hub)
        if secrets is None or not receiving.signed(body, receiving.signature_of(event), secrets):
            problem = receiving.answer(401, "unauthenticated", "The signature does not fit", request_id)
            return problem, "Rejected", "signature"
        if not body:
            return receiving.answer(200), "Empty", ""
        text, encoding = receiving.for_queue(body)
        if len(text.encode()) > receiving.MAX_BODY:
            problem = receiving.answer(413, "body_too_large", "The body is too large", request_id)
            return problem, "TooLarge", encoding
        receiver().store(text, encoding, request_id, hub)
    except (AwsError, receiving.SecretUnusable) as error:
        return (
            receiving.answer(503, "unavailable", "Not stored, send it again", request_id),
            "Refused",
            str(error),
        )
    return receiving.answer(200), "Accepted", ""


def _count(outcome: str, reason: str, request_id: str, milliseconds: float) -> None:
    """One line that is both log and metric (CloudWatch's embedded metric format)."""
    name = f"Webhooks{outcome}"
    line = {
        "level": "INFO" if outcome == "Accepted" else "WARNING",
        "message": f"webhook {outcome.lower()}",
        "service": "webhook_receiver",
        "request_id": request_id,
        "reason": reason,
        "stage": os.environ.get("STAGE", ""),
        name: 1,
        "WebhookMilliseconds": round(milliseconds, 2),
        "_aws": {
            "Timestamp": int(time.time() * 1000),
            "CloudWatchMetrics": [
                {
                    "Namespace": os.environ.get("POWERTOOLS_METRICS_NAMESPACE", "Onramp"),
                    "Dimensions": [["stage"]],
                    "Metrics": [
                        {"Name": name, "Unit": "Count"},
                        {"Name": "WebhookMilliseconds", "Unit": "Milliseconds"},
                    ],
                }
            ],
        },
    }
    print(json.dumps(line))  # noqa: T201 - standard output is the log


if on_lambda():
    receiver().warm()
    started()
    around_snapshots(receiver().forget, lambda: None)
