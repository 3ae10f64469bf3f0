"""The relay's queue: each message is one event of 360dialog's for one target of the partner's own."""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from onramp import wiring
from onramp.inbound.batch import Batch
from onramp.ports import Ports
from onramp.settings import EventRelaySettings
from onramp.usecases.hand_over import Rests, hand_over
from onramp.wiring import Runtime

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext


@cache
def function() -> tuple[Runtime, Batch, Ports, Rests]:
    """The wired function, made once; it remembers which targets it leaves alone."""
    settings = EventRelaySettings.read()
    runtime = Runtime(settings)
    ports = wiring.event_relay(runtime, settings)
    batch = Batch(runtime.sqs, settings.relay_queue_url, runtime.clock, runtime.telemetry)
    return runtime, batch, ports, {}


def handler(event: dict[str, Any], context: "LambdaContext") -> dict[str, list[dict[str, str]]]:
    """Handle one batch of messages."""
    runtime, batch, ports, rests = function()
    with runtime.invocation(context):
        return batch.run(
            event, lambda record: _hand_over(ports, rests, record), context.get_remaining_time_in_millis
        )


def _hand_over(ports: Ports, rests: Rests, record: Mapping[str, Any]) -> datetime | None:
    attributes = record.get("attributes") or {}
    now = ports.clock.now()
    sent = attributes.get("SentTimestamp")
    first = datetime.fromtimestamp(int(sent) / 1000, UTC) if sent else now
    received = int(attributes.get("ApproximateReceiveCount", "1"))
    return hand_over(ports, rests, record["body"], received, first)


wiring.start(function, "sqs")
