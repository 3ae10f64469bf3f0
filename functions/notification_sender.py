"""The notifications' queue: events of the bus for the partner's endpoints, and wake-ups of deliveries."""

import json
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from pydantic import AwareDatetime, BaseModel, Field

from onramp import wiring
from onramp.domain.notifications import Delivery
from onramp.domain.records import HUB
from onramp.inbound.batch import Batch
from onramp.ports import Ports
from onramp.settings import NotificationSenderSettings
from onramp.usecases.notify import Happened, Sending
from onramp.wiring import Runtime

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext


class Detail(BaseModel, extra="allow", defer_build=True):
    """What each event of the bus has: which fact it tells of, and whose it is."""

    id: str = Field(min_length=1)
    at: AwareDatetime
    signup_id: str | None = None


class BusEvent(BaseModel, defer_build=True):
    """An event as EventBridge puts it into a queue."""

    type: str = Field(alias="detail-type")
    detail: dict[str, Any]


class WakeUp(BaseModel, defer_build=True):
    """A delivery that is due, by its identity."""

    delivery: tuple[str, str, str]


@cache
def function() -> tuple[Runtime, Batch, Ports]:
    """The wired function, made once."""
    settings = NotificationSenderSettings.read()
    runtime = Runtime(settings)
    ports = wiring.notification_sender(runtime, settings)
    batch = Batch(runtime.sqs, settings.notifications_queue_url, runtime.clock, runtime.telemetry)
    return runtime, batch, ports


def handler(event: dict[str, Any], context: "LambdaContext") -> dict[str, list[dict[str, str]]]:
    """Take what a batch names, then send it all at once."""
    runtime, batch, ports = function()
    with runtime.invocation(context):
        sending = Sending(ports, runtime.request_id or runtime.clock.new_id())

        def handle(record: Mapping[str, Any]) -> datetime | None:
            return _take(ports, sending, record)

        failed = batch.run(event, handle, context.get_remaining_time_in_millis)
        sending.send()
        return failed


def _take(ports: Ports, sending: Sending, record: Mapping[str, Any]) -> datetime | None:
    """Take the deliveries of one message; gives when it has to come again."""
    try:
        message = _read(record["body"])
    except ValueError:
        ports.telemetry.count("RecordsCrashed")
        ports.telemetry.warn("notification cannot be read", message_id=record["messageId"])
        ports.queue.bury_notification(record["body"], "unreadable")
        return None
    if isinstance(message, Happened):
        return sending.tell(message)
    known = ports.store.read(Delivery, *message.delivery)
    return sending.take(known) if known else None


def _read(body: str) -> WakeUp | Happened:
    """A message of either kind. Raises `ValueError`."""
    message = json.loads(body)
    if isinstance(message, dict) and "delivery" in message:
        return WakeUp.model_validate(message)
    event = BusEvent.model_validate(message)
    detail = Detail.model_validate(event.detail)
    subject = detail.signup_id or f"HUB#{HUB}"
    return Happened(event.type, event.detail, detail.id, detail.at, subject)


wiring.start(function)
