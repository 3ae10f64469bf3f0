"""Our webhook route, tried as 360dialog uses it and as somebody else might."""

import hashlib
import hmac
import json
import secrets
from http import HTTPStatus
from typing import Final

from onramp.domain.ledger import EventRecord, Outcome
from onramp.domain.records import HUB
from onramp.inbound.signature import HEADER
from ops.doctor.findings import Finding, Stop, fail, ok, together, warn
from ops.doctor.http import send
from ops.doctor.records import ports_of
from ops.doctor.stage import Stage

EVENT: Final = "onramp_doctor_probe"
"""A name that no event of 360dialog's has: it is stored, counted as unknown, and changes nothing."""
POLL_SECONDS: Final = 0.5
RETRY_SECONDS: Final = 5.0


def webhook_event(stage: Stage) -> Finding:
    """A signed event goes through receiver, queue, worker and table, once with each platform secret."""
    found = stage.secret().platform_secrets()
    give_up = stage.clock.monotonic() + stage.patience
    results = []
    for number, secret in enumerate(found, start=1):
        which = f"a signed event ({number} of {len(found)} secrets)" if len(found) > 1 else "a signed event"
        try:
            results.append(_followed(stage, secret, which, give_up))
        except Stop as stop:
            results.append(stop.finding)
    bad = [result for result in results if result.level != "ok"]
    return together(bad, "; ".join(result.detail for result in results))


def _followed(stage: Stage, secret: str, which: str, give_up: float) -> Finding:
    event_id = _new_id()
    started = stage.clock.monotonic()
    _deliver(stage, _body(event_id), secret, which, give_up)
    store = ports_of(stage).store
    while True:
        record = store.read(EventRecord, HUB, event_id)
        if record is not None and record.outcome != Outcome.OPEN:
            break
        if stage.clock.monotonic() > give_up:
            return _lost(record, which)
        stage.clock.sleep(POLL_SECONDS)
    seconds = stage.clock.monotonic() - started
    if record.outcome != Outcome.UNKNOWN:
        return warn(
            f"{which} ended as '{record.outcome}', not as '{Outcome.UNKNOWN}'",
            "Read the log of partner_event_worker.",
        )
    return ok(
        f"{which} arrived and was counted within {seconds:.1f} s; whether the Hub signs with that secret, "
        "only its test button shows"
    )


def _deliver(stage: Stage, body: bytes, secret: str, which: str, give_up: float) -> None:
    """Post until it is taken. Raises `Stop`."""
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    while (status := _post(stage, body, {HEADER: signature})) != HTTPStatus.OK:
        # A receiver reads a changed secret again at most every 30 s.
        if status != HTTPStatus.UNAUTHORIZED or stage.clock.monotonic() + RETRY_SECONDS > give_up:
            raise Stop(_not_taken(status, which))
        stage.clock.sleep(RETRY_SECONDS)


def _not_taken(status: int, which: str) -> Finding:
    if status == HTTPStatus.UNAUTHORIZED:
        return fail(
            f"{which} was refused (401)",
            "The receiver knows other platform secrets. It notices a new one within 30 s of a refusal: "
            "run it again, and if it stays, look whether the function reads this stage's secret.",
        )
    return _unexpected(status, which)


def _unexpected(status: int, what: str) -> Finding:
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        return fail(
            f"{what} was not taken (503): the receiver can use neither its secret nor its queue",
            "See the check `secret`; then read the log of webhook_receiver.",
        )
    return fail(
        f"{what} was answered with {status}", "Read the log of webhook_receiver; check the WebhookUrl."
    )


def _lost(record: EventRecord | None, which: str) -> Finding:
    if record is None:
        return fail(
            f"{which} was taken, but no worker has seen it in time",
            "Look at the events queue: is it being emptied? Read the log of partner_event_worker.",
        )
    return fail(f"{which} was begun, but not finished in time", "Read the log of partner_event_worker.")


def webhook_unsigned(stage: Stage) -> Finding:
    """Without a signature nobody may be let in."""
    return _refused(stage, {}, "without a signature")


def webhook_wrong_signature(stage: Stage) -> Finding:
    """Nor with a signature made with another secret."""
    return _refused(stage, {HEADER: secrets.token_hex(32)}, "with a wrong signature")


def _refused(stage: Stage, headers: dict[str, str], how: str) -> Finding:
    status = _post(stage, _body(_new_id()), headers)
    if status == HTTPStatus.UNAUTHORIZED:
        return ok(f"an event {how} is refused (401)")
    if status == HTTPStatus.OK:
        return fail(
            f"an event {how} was taken: anybody can forge events",
            "Take the route off the internet until it is clear why; is this address really this stage's?",
        )
    return _unexpected(status, f"an event {how}")


def _post(stage: Stage, body: bytes, headers: dict[str, str]) -> int:
    answer = send(
        stage.http,
        "the webhook route",
        "POST",
        stage.output("WebhookUrl"),
        headers={"Content-Type": "application/json", **headers},
        content=body,
    )
    return answer.status_code


def _new_id() -> str:
    return f"doctor-{secrets.token_hex(12)}"


def _body(event_id: str) -> bytes:
    return json.dumps({"id": event_id, "event": EVENT, "data": {}}).encode()
