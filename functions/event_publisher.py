"""From the table's stream to the bus: the only function that has it."""

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from pydantic import AwareDatetime, BaseModel, ValidationError

from onramp import wiring
from onramp.domain.errors import UnavailableError
from onramp.domain.records import Fact
from onramp.ports import Ports
from onramp.settings import EventPublisherSettings
from onramp.usecases.publish_facts import publish_facts, republish
from onramp.wiring import Runtime

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

RESERVE_MS: Final = 20_000
"""Publishing again stops with so much time left, and says where to go on."""


class Again(BaseModel, defer_build=True):
    """A span of time whose facts are to be published again. `cursor`: where the call before has stopped."""

    since: AwareDatetime
    until: AwareDatetime
    cursor: str | None = None


@cache
def function() -> tuple[Runtime, Ports]:
    """The wired function, made once."""
    settings = EventPublisherSettings.read()
    runtime = Runtime(settings)
    return runtime, wiring.event_publisher(runtime, settings)


def handler(event: dict[str, Any], context: "LambdaContext") -> dict[str, Any]:
    """Publish new facts in their order, or those of `{"republish": {since, until, cursor}}` again."""
    runtime, ports = function()
    with runtime.invocation(context):
        if "republish" in event:
            asked = Again.model_validate(event["republish"])
            published, cursor = republish(
                ports,
                asked.since,
                asked.until,
                asked.cursor,
                lambda: context.get_remaining_time_in_millis() < RESERVE_MS,
            )
            return {"published": published, "cursor": cursor}
        return publish(ports, event.get("Records", ()))


def publish(ports: Ports, records: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Publish the facts of a batch; gives the first that was not taken: from there the stream comes again.

    Raises `UnavailableError` when none was taken, which says the same in another way.
    """
    facts: list[Fact] = []
    places: dict[str, str] = {}
    for record in records:
        fact = _fact(ports, record)
        if fact is not None:
            facts.append(fact)
            places[fact.id] = record["dynamodb"]["SequenceNumber"]
    refused = set(publish_facts(ports, facts))
    if not refused:
        return {"batchItemFailures": []}
    first = next(fact.id for fact in facts if fact.id in refused)
    if first == next(fact.id for fact in facts if fact.bus):
        raise UnavailableError("bus")
    return {"batchItemFailures": [{"itemIdentifier": places[first]}]}


def _fact(ports: Ports, record: dict[str, Any]) -> Fact | None:
    """The fact in a record of the stream; one that cannot be read holds up nobody."""
    try:
        return Fact.model_validate_json(record["dynamodb"]["NewImage"]["data"]["S"])
    except (ValidationError, KeyError, TypeError):
        ports.telemetry.count("RecordsCrashed")
        ports.telemetry.warn("fact cannot be read", event_id=record.get("eventID"))
        return None


wiring.start(function, "events")
