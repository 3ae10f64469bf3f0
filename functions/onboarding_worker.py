"""The jobs queue: one message wakes the next step of one number."""

from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any

from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import BaseModel, StringConstraints, ValidationError

from onramp.adapters.messaging_api import MessagingApi
from onramp.batch import Batch
from onramp.ports import ChannelWebhook
from onramp.settings import OnboardingWorkerSettings, json_object
from onramp.usecases.onboard_number import onboard_number
from onramp.usecases.onboarding import Connect
from onramp.wiring import Runtime, follow_ports


class Job(BaseModel):
    """One message: the number to look after. `retry` is set in dead letters, see `SqsQueue.bury_job`."""

    signup_id: Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z]{1,64}$")]
    phone_number_id: Annotated[str, StringConstraints(pattern=r"^[0-9]{1,32}$")]
    retry: bool = False


@cache
def function() -> tuple[Runtime, Batch, Connect]:
    """The wired function, made once."""
    settings = OnboardingWorkerSettings.read()
    runtime = Runtime(settings)
    sqs = runtime.sqs()
    headers = json_object("MESSAGING_WEBHOOK_HEADERS", settings.messaging_webhook_headers)
    follow = follow_ports(runtime, settings, sqs, dead_jobs=settings.jobs_dlq_url)
    ports = Connect(
        follow=follow,
        clients=runtime.store(settings.table_name),
        vault=runtime.vault(settings.envelope_key_id),
        messaging=MessagingApi(runtime.http),
        webhook=ChannelWebhook(
            url=settings.messaging_webhook_url,
            headers={name: str(value) for name, value in headers.items()},
        ),
    )
    return runtime, Batch(sqs, settings.jobs_queue_url, runtime.clock, runtime.telemetry), ports


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, list[dict[str, str]]]:
    """Handle one batch of jobs."""
    runtime, batch, ports = function()

    def handle(record: Mapping[str, Any]) -> None:
        try:
            job = Job.model_validate_json(record["body"])
        except ValidationError:
            # A job is only a wake-up call: what it should have woken is found by the sweep.
            runtime.telemetry.warn("job cannot be read", message_id=record["messageId"])
            return
        runtime.logger.append_keys(signup_id=job.signup_id, phone_number_id=job.phone_number_id)
        onboard_number(ports, job.signup_id, job.phone_number_id, retry=job.retry)

    with runtime.invocation(context):
        return batch.run(event, handle, context.get_remaining_time_in_millis)
