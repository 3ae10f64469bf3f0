"""The events queue: 360dialog's webhooks, each event acting once."""

import base64
from collections.abc import Mapping
from functools import cache
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from onramp.batch import Batch
from onramp.domain.errors import PutOff
from onramp.domain.partner_events import Unreadable, read_envelopes, read_event
from onramp.settings import PartnerEventWorkerSettings
from onramp.usecases.apply_partner_event import apply_partner_event
from onramp.usecases.onboarding import Follow
from onramp.wiring import Runtime, follow_ports


@cache
def function() -> tuple[Runtime, Batch, Follow]:
    """The wired function, made once."""
    settings = PartnerEventWorkerSettings.read()
    runtime = Runtime(settings)
    sqs = runtime.sqs()
    ports = follow_ports(runtime, settings, sqs)
    return runtime, Batch(sqs, settings.events_queue_url, runtime.clock, runtime.telemetry), ports


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, list[dict[str, str]]]:
    """Handle one batch of webhooks."""
    runtime, batch, ports = function()
    with runtime.invocation(context):
        return batch.run(
            event, lambda record: apply_webhook(ports, record), context.get_remaining_time_in_millis
        )


def apply_webhook(ports: Follow, record: Mapping[str, Any]) -> None:
    """Apply every event of one webhook; what cannot be read is kept apart for a person.

    Raises the earliest `PutOff` of its events: the message comes back, those already done act no more.
    """
    attributes = record.get("messageAttributes") or {}
    encoding = (attributes.get("encoding") or {}).get("stringValue", "utf-8")
    try:
        body = base64.b64decode(record["body"]) if encoding == "base64" else record["body"].encode()
        events = [read_event(envelope) for envelope in read_envelopes(body)]
    except (Unreadable, ValueError):
        ports.queue.bury_event(record["body"], encoding, "unreadable")
        ports.telemetry.count("EventsUnreadable")
        return
    waits = []
    for partner_event in events:
        try:
            apply_partner_event(ports, partner_event)
        except PutOff as wait:
            waits.append(wait)
    if waits:
        raise min(waits, key=lambda wait: wait.until)
