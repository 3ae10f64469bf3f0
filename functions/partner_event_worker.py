"""The events queue: 360dialog's webhooks and Meta's own, each event acting once."""

import base64
import json
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from onramp import wiring
from onramp.domain.deletion import read_request
from onramp.domain.errors import Unreadable
from onramp.domain.meta_events import read_changes
from onramp.domain.partner_events import read_envelopes, read_event
from onramp.domain.relaying import Body
from onramp.inbound.batch import Batch
from onramp.inbound.signed_request import SOURCE_META, SOURCE_REQUESTS
from onramp.ports import Ports
from onramp.settings import PartnerEventWorkerSettings
from onramp.usecases.apply_event import apply_event
from onramp.usecases.hear_meta import hear_meta
from onramp.usecases.requests import keep_request
from onramp.usecases.resolve import hubs_of
from onramp.usecases.turns import in_turn
from onramp.wiring import Runtime

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext


@cache
def function() -> tuple[Runtime, Batch, Ports]:
    """The wired function, made once."""
    settings = PartnerEventWorkerSettings.read()
    runtime = Runtime(settings)
    ports = wiring.partner_event_worker(runtime, settings)
    return runtime, Batch(runtime.sqs, settings.events_queue_url, runtime.clock, runtime.telemetry), ports


def handler(event: dict[str, Any], context: "LambdaContext") -> dict[str, list[dict[str, str]]]:
    """Handle one batch of webhooks."""
    runtime, batch, ports = function()
    with runtime.invocation(context):
        return batch.run(
            event, lambda record: apply_webhook(ports, record), context.get_remaining_time_in_millis
        )


def apply_webhook(ports: Ports, record: Mapping[str, Any]) -> datetime | None:
    """Apply every event of one webhook, each on its own; what is no event is kept apart for a person.

    Gives the earliest time at which one of its events has to come again: those already done act no more.
    Raises what an event has raised, once all its neighbours have had their turn; `UnknownHub`.
    """
    encoding = _attribute(record, "encoding") or "utf-8"
    source = _attribute(record, "source")
    ports = ports.at(_attribute(record, "hub") or ports.hub)
    try:
        body = base64.b64decode(record["body"]) if encoding == "base64" else record["body"].encode()
        if source == SOURCE_REQUESTS:
            return keep_request(ports, read_request(body))
        envelopes = read_changes(body) if source == SOURCE_META else read_envelopes(body)
    except (Unreadable, ValueError):
        ports.queue.bury_event(record["body"], encoding, "unreadable", ports.hub)
        ports.telemetry.count("EventsUnreadable")
        return None
    # What came in a body of its own is handed on as it came, to the byte.
    whole = Body(record["body"], encoding) if len(envelopes) == 1 and not is_list(body) else None
    received = (record.get("attributes") or {}).get("ApproximateReceiveCount", "1")
    again = received != "1"
    return in_turn(envelopes, lambda envelope: _apply(ports, envelope, whole, again=again))


def is_list(body: bytes) -> bool:
    """Whether a body that was read holds its events in a list."""
    return body.lstrip()[:1] == b"["


def _apply(ports: Ports, envelope: object, body: Body | None, *, again: bool) -> datetime | None:
    """One element of a webhook: its neighbours do not suffer from it."""
    try:
        event = read_event(envelope)
    except Unreadable as trouble:
        ports.telemetry.count("EventsUnreadable")
        if not isinstance(envelope, dict):
            ports.queue.bury_event(json.dumps(envelope), "utf-8", "unreadable", ports.hub)
        else:
            # The Hub's test button and probes have no name: nothing is lost with them.
            ports.telemetry.info("a webhook without an event", reason=str(trouble))
        return None
    if not event.is_metas:
        return apply_event(ports, event, again=again, body=body)
    times = [hear_meta(at, event, again=again) for at in hubs_of(ports, event)]
    return min((time for time in times if time is not None), default=None)


def _attribute(record: Mapping[str, Any], name: str) -> str:
    """What the receiver says of a message beside its body."""
    return str(((record.get("messageAttributes") or {}).get(name) or {}).get("stringValue") or "")


wiring.start(function)
