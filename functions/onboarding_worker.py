"""The jobs queue: one message wakes the next step of one number, or the census."""

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import AwareDatetime, BaseModel, StringConstraints, ValidationError, model_validator

from onramp import wiring
from onramp.inbound.batch import Batch
from onramp.ports import Ports
from onramp.settings import OnboardingWorkerSettings
from onramp.usecases.census import work_on_census
from onramp.usecases.work import work_on_number
from onramp.wiring import Runtime

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext


class Job(BaseModel, defer_build=True):
    """One message: a number or a hub's census.

    `retry` is set in dead letters, see `SqsQueue.bury_number`, `asked_at` by who wants a census from then on.
    """

    phone_number_id: Annotated[str, StringConstraints(pattern=r"^[0-9]{1,32}$")] | None = None
    census: Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,32}$")] | None = None
    retry: bool = False
    asked_at: AwareDatetime | None = None

    @model_validator(mode="after")
    def _one_thing(self) -> Self:
        if (self.phone_number_id is None) == (self.census is None):
            raise ValueError("a job is about a number or a census")
        return self


@cache
def function() -> tuple[Runtime, Batch, Ports]:
    """The wired function, made once."""
    settings = OnboardingWorkerSettings.read()
    runtime = Runtime(settings)
    ports = wiring.onboarding_worker(runtime, settings)
    return runtime, Batch(runtime.sqs, settings.jobs_queue_url, runtime.clock, runtime.telemetry), ports


def handler(event: dict[str, Any], context: "LambdaContext") -> dict[str, list[dict[str, str]]]:
    """Handle one batch of jobs."""
    runtime, batch, ports = function()

    def handle(record: Mapping[str, Any]) -> datetime | None:
        # A key stays in the log until it is taken away, and each record is about something else.
        runtime.logger.append_keys(phone_number_id=None)
        try:
            job = Job.model_validate_json(record["body"])
        except ValidationError:
            # A job is only a wake-up call: what it should have woken is found by the sweep.
            runtime.telemetry.count("RecordsCrashed")
            runtime.telemetry.warn("job cannot be read", message_id=record["messageId"])
            return None
        if job.census is not None:
            return work_on_census(ports.at(job.census), job.asked_at)
        phone_number_id = job.phone_number_id or ""
        runtime.logger.append_keys(phone_number_id=phone_number_id)
        return work_on_number(ports, phone_number_id, retry=job.retry)

    with runtime.invocation(context):
        return batch.run(event, handle, context.get_remaining_time_in_millis)


wiring.start(function)
