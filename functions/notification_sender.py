"""The notifications' queue: events of the bus for the partner's endpoints, and wake-ups of deliveries."""

import json
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from pydantic import AwareDatetime, BaseModel, Field, ValidationError

from onramp import wiring
from onramp.domain.notifications import Delivery
from onramp.domain.records import HUB
from onramp.inbound.batch import Batch
from onramp.ports import Ports
from onramp.settings import NotificationSenderSettings
from onramp.usecases.notify import Happened, Sending, deliveries_of
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
        deliveries = _deliveries(ports, json.loads(record["body"]))
    except (ValidationError, ValueError):
        ports.telemetry.count("RecordsCrashed")
        ports.telemetry.warn("notification cannot be read", message_id=record["messageId"])
        ports.queue.bury_notification(record["body"], "unreadable")
        return None
    waits = [until for one in deliveries if (until := sending.take(one)) is not None]
    return min(waits, default=None)


def _deliveries(ports: Ports, message: object) -> list[Delivery]:
    if isinstance(message, dict) and "delivery" in message:
        name = WakeUp.model_validate(message).delivery
        known = ports.store.read(Delivery, *name)
        return [known] if known else []
    event = BusEvent.model_validate(message)
    detail = Detail.model_validate(event.detail)
    subject = detail.signup_id or f"HUB#{HUB}"
    return deliveries_of(ports, Happened(event.type, event.detail, detail.id, detail.at, subject))


wiring.start(function)
