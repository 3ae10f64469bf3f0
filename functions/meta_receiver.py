"""Meta's own webhook, and what persons ask for through Meta: 200 once it is in SQS, and not before.

    GET  /v1/webhooks/meta                the handshake, by the verify token of the stage's secret
    POST /v1/webhooks/meta                events, signed over the raw body with the app's secret
    POST /v1/webhooks/meta/deauthorize    a person has taken the app away     (a signed request in a form)
    POST /v1/webhooks/meta/data-deletion  a person wants their data deleted   (likewise; answers a code)

Standard library only, as `webhook_receiver`, whose figures and rights it leaves alone.
"""

import hmac
import json
import os
import time
from functools import cache

from onramp.adapters.aws_light import AwsError, LightClient, credentials_of, read_secret, send_message
from onramp.adapters.starting import around_snapshots, on_lambda, started
from onramp.inbound import receiving, signed_request
from onramp.inbound.signature import APP_SECRET, META_HEADER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

ATTEMPTS = 2
WAIT_SECONDS = 1.0
DEADLINE_SECONDS = 2.0
"""For each of the two calls, all tries together."""
VERIFY_TOKEN = "meta_verify_token"  # noqa: S105 - a name
LONGEST_CHALLENGE = 200
LONGEST_FORM = 16 * 1024
"""Bytes of a form with a signed request."""
EVENTS = "POST /v1/webhooks/meta"
HANDSHAKE = "GET /v1/webhooks/meta"
REQUESTS = {
    "POST /v1/webhooks/meta/deauthorize": "deauthorize",
    "POST /v1/webhooks/meta/data-deletion": "deletion",
}
STATUS_PATH = "/v1/deletions/"


class Refused(Exception):
    """The call ends with a problem: its status, its code, and what is counted."""

    def __init__(self, status: int, code: str, title: str, outcome: str, reason: str = "") -> None:
        super().__init__(title)
        self.answer = (status, code, title)
        self.outcome = outcome
        self.reason = reason


class Receiver:
    """What the function keeps between two calls: connections and secrets."""

    def __init__(self) -> None:
        missing = [name for name in ("EVENTS_QUEUE_URL", "SECRET_ID", "STAGE") if not os.environ.get(name)]
        if missing:
            raise RuntimeError(f"missing: {', '.join(missing)}")
        self._queue_url = os.environ["EVENTS_QUEUE_URL"]
        self._sqs = _client("sqs")
        self._vault = _client("secretsmanager")
        self.secrets = receiving.PlatformSecrets(self._read, name=APP_SECRET)
        self.tokens = receiving.PlatformSecrets(self._read, name=VERIFY_TOKEN)

    def forget(self) -> None:
        """Let go of what a snapshot must not hold."""
        self._sqs.disconnect()
        self._vault.disconnect()
        self.secrets.forget()
        self.tokens.forget()

    def store(self, body: str, encoding: str, source: str, request_id: str) -> None:
        """Hand something to the worker. Raises `AwsError`."""
        attributes = {"encoding": encoding, "source": source, "request_id": request_id or "none"}
        send_message(self._sqs, self._queue_url, body, attributes)

    def _read(self) -> object:
        return read_secret(self._vault, os.environ["SECRET_ID"])


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
    """Made at the first call."""
    return Receiver()


def handler(event: "dict[str, Any]", _context: object) -> dict[str, object]:
    """Answer one call, and count what became of it."""
    began = time.perf_counter()
    request_id = str((event.get("requestContext") or {}).get("requestId") or "")
    outcome, reason = "Accepted", ""
    try:
        answer = _answer(event, request_id)
    except Refused as refused:
        answer = receiving.answer(*refused.answer, request_id)
        outcome, reason = refused.outcome, refused.reason
    except (AwsError, receiving.SecretUnusable) as error:
        answer = receiving.answer(503, "unavailable", "Not stored, send it again", request_id)
        outcome, reason = "Refused", str(error)
    _count(outcome, reason, request_id, (time.perf_counter() - began) * 1000)
    return answer


def _answer(event: "Mapping[str, Any]", request_id: str) -> dict[str, object]:
    """What the route answers. Raises `Refused`, `AwsError`, `SecretUnusable`."""
    route = str(event.get("routeKey"))
    if route == HANDSHAKE:
        return _shake_hands(event)
    body = receiving.raw_body(event)
    if body is None or len(body) > (LONGEST_FORM if route in REQUESTS else receiving.MAX_BODY):
        raise Refused(413, "body_too_large", "The body is too large", "TooLarge")
    if route in REQUESTS:
        return _take_request(event, REQUESTS[route], body, request_id)
    if route == EVENTS:
        return _take_events(event, body, request_id)
    raise Refused(404, "not_found", "There is no such route", "Rejected", "route")


def _shake_hands(event: "Mapping[str, Any]") -> dict[str, object]:
    """Meta asks whether the address is ours: its challenge comes back, if it knows our token."""
    query = event.get("queryStringParameters") or {}
    token, challenge = str(query.get("hub.verify_token") or ""), str(query.get("hub.challenge") or "")
    if not _is_ours(token) or query.get("hub.mode") != "subscribe":
        raise Refused(403, "forbidden", "The verify token does not fit", "Rejected", "handshake")
    if not (challenge.isascii() and challenge.isalnum() and len(challenge) <= LONGEST_CHALLENGE):
        raise Refused(400, "invalid_request", "The challenge is none", "Rejected", "challenge")
    return {
        "statusCode": 200,
        "headers": {
            "Content-Type": "text/plain",
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
        },
        "body": challenge,
    }


def _is_ours(token: str) -> bool:
    """Whether Meta knows our verify token, with one look for a rotated one."""
    tokens = receiver().tokens
    if _fits(token, tokens.current()):
        return True
    return bool(token) and tokens.renewed() and _fits(token, tokens.current())


def _fits(token: str, ours: "Sequence[str]") -> bool:
    found = False
    for one in ours:
        found |= hmac.compare_digest(_raw(token), _raw(one))
    return found


def _raw(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _take_events(event: "Mapping[str, Any]", body: bytes, request_id: str) -> dict[str, object]:
    if not receiving.signed(body, receiving.signature_of(event, META_HEADER), receiver().secrets):
        raise Refused(401, "unauthenticated", "The signature does not fit", "Rejected", "signature")
    if not body:
        return receiving.answer(200)
    text, encoding = receiving.for_queue(body)
    if len(text.encode()) > receiving.MAX_BODY:
        raise Refused(413, "body_too_large", "The body is too large", "TooLarge", encoding)
    receiver().store(text, encoding, signed_request.SOURCE_META, request_id)
    return receiving.answer(200)


def _take_request(event: "Mapping[str, Any]", kind: str, body: bytes, request_id: str) -> dict[str, object]:
    """A person's request is on its way; of a wish for deletion Meta shows them address and code."""
    secrets, sent, now = receiver().secrets, signed_request.field_of(body), time.time()
    said = signed_request.opened(sent, secrets.current(), now)
    if said is None and sent and secrets.renewed():
        said = signed_request.opened(sent, secrets.current(), now)
    user = signed_request.user_of(said) if said is not None else None
    if said is None or user is None:
        raise Refused(401, "unauthenticated", "The signed request does not fit", "Rejected", "signed_request")
    code = signed_request.code_of(secrets.current()[0], kind, said)
    asked = {
        "code": code,
        "kind": kind,
        "user_id": user,
        "issued_at": int(str(said["issued_at"]).partition(".")[0]),
    }
    receiver().store(json.dumps(asked), "utf-8", signed_request.SOURCE_REQUESTS, request_id)
    if kind != "deletion":
        return receiving.answer(200)
    return receiving.answer(200) | {
        "body": json.dumps({"url": f"{_address(event)}{STATUS_PATH}{code}", "confirmation_code": code})
    }


def _address(event: "Mapping[str, Any]") -> str:
    """The API's own address, as the configuration has it or else the gateway."""
    context = event.get("requestContext") or {}
    form = os.environ.get("API_ADDRESS") or "https://{domain_name}"
    return form.format(domain_name=context.get("domainName", ""), api_id=context.get("apiId", "")).rstrip("/")


def _count(outcome: str, reason: str, request_id: str, milliseconds: float) -> None:
    """One line that is both log and metric (CloudWatch's embedded metric format)."""
    name = f"MetaWebhooks{outcome}"
    line = {
        "level": "INFO" if outcome == "Accepted" else "WARNING",
        "message": f"meta's webhook {outcome.lower()}",
        "service": "meta_receiver",
        "request_id": request_id,
        "reason": reason,
        "milliseconds": round(milliseconds, 2),
        "stage": os.environ.get("STAGE", ""),
        name: 1,
        "_aws": {
            "Timestamp": int(time.time() * 1000),
            "CloudWatchMetrics": [
                {
                    "Namespace": os.environ.get("POWERTOOLS_METRICS_NAMESPACE", "Onramp"),
                    "Dimensions": [["stage"]],
                    "Metrics": [{"Name": name, "Unit": "Count"}],
                }
            ],
        },
    }
    print(json.dumps(line))  # noqa: T201 - standard output is the log


if on_lambda():
    receiver()
    started()
    around_snapshots(receiver().forget, lambda: None)
