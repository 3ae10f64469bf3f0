"""The composition root: real adapters behind the ports, made once when a function is first used."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING

import boto3
from aws_lambda_powertools import Logger, Metrics
from botocore.config import Config

from onramp.adapters.aws import EventBridgeBus, KmsVault, Secret, SqsQueue
from onramp.adapters.dynamo import DynamoStore
from onramp.adapters.system import PowertoolsTelemetry, SystemClock
from onramp.settings import FollowSettings, Settings

if TYPE_CHECKING:
    import httpx
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient

    from onramp.usecases.onboarding import Follow

AWS_CONFIG = Config(connect_timeout=2, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 3})
"""For our own services: two seconds to connect, five to answer, three tries."""


class Runtime:
    """What every function but the receiver has: log, metrics, clock, and AWS clients by need."""

    def __init__(self, settings: Settings) -> None:
        for library in ("boto3", "botocore", "urllib3"):
            # At DEBUG they log whole requests and answers, secrets included, whatever our own level is.
            logging.getLogger(library).setLevel(logging.INFO)
        self.settings = settings
        self.clock = SystemClock()
        self.logger = Logger(service=settings.powertools_service_name, level=settings.log_level)
        self.metrics = Metrics(
            namespace=settings.powertools_metrics_namespace, service=settings.powertools_service_name
        )
        self.metrics.set_default_dimensions(stage=settings.stage)
        self.telemetry = PowertoolsTelemetry(self.logger, self.metrics)

    @contextmanager
    def invocation(self, context: object) -> Iterator[None]:
        """One invocation: its request id in every log line, its metrics written at its end."""
        self.logger.clear_state()
        request_id = getattr(context, "aws_request_id", "")
        self.logger.append_keys(aws_request_id=request_id)
        if "http" in self.__dict__:
            # So that an upstream's support can find the call that a log line of ours tells of.
            self.http.headers["X-Request-Id"] = request_id
        try:
            yield
        except Exception as error:  # noqa: BLE001 - whatever it is, its text stays here
            # Lambda logs an exception's text, and a text may quote a record or a request.
            raise RuntimeError(type(error).__name__).with_traceback(error.__traceback__) from None
        finally:
            if self.metrics.metric_set:
                self.metrics.flush_metrics()

    @cached_property
    def http(self) -> "httpx.Client":
        """The client for Meta and 360dialog; imported only by functions that call them."""
        from onramp.adapters.upstream import new_client  # noqa: PLC0415

        return new_client()

    @cached_property
    def dynamodb(self) -> "DynamoDBClient":
        """The table's service."""
        return boto3.client("dynamodb", config=AWS_CONFIG)

    def store(self, table_name: str) -> DynamoStore:
        """The table."""
        return DynamoStore(self.dynamodb, table_name, self.clock)

    def bus(self, bus_name: str) -> EventBridgeBus:
        """The bus."""
        return EventBridgeBus(boto3.client("events", config=AWS_CONFIG), bus_name)

    def vault(self, key_id: str) -> KmsVault:
        """The envelope key."""
        return KmsVault(boto3.client("kms", config=AWS_CONFIG), key_id)

    def secret(self, secret_id: str) -> Callable[[str], str]:
        """Reads one value of the deployer's secret."""
        return Secret(boto3.client("secretsmanager", config=AWS_CONFIG), secret_id).value

    def sqs(self) -> "SQSClient":
        """The queue service."""
        return boto3.client("sqs", config=AWS_CONFIG)


def follow_ports(
    runtime: Runtime, settings: FollowSettings, sqs: "SQSClient", dead_jobs: str = ""
) -> "Follow":
    """The ports with which numbers are followed. `dead_jobs`: the dead-letter queue of who runs jobs."""
    from onramp.adapters.dynamo import DynamoBudget  # noqa: PLC0415 - only for functions that call 360dialog
    from onramp.adapters.partner_api import PartnerApi  # noqa: PLC0415
    from onramp.domain.budget import BudgetRule  # noqa: PLC0415
    from onramp.usecases.onboarding import Follow  # noqa: PLC0415

    store = runtime.store(settings.table_name)
    secret = runtime.secret(settings.secret_id)
    return Follow(
        store=store,
        events=store,
        budget=DynamoBudget(
            runtime.dynamodb,
            settings.table_name,
            runtime.clock,
            partner_id=settings.partner_id,
            rule=BudgetRule(settings.budget_calls, settings.budget_window),
        ),
        queue=SqsQueue(
            sqs, jobs=settings.jobs_queue_url, dead_jobs=dead_jobs, dead_events=settings.events_dlq_url
        ),
        bus=runtime.bus(settings.bus_name),
        partner=PartnerApi(
            client=runtime.http,
            base_url=settings.partner_base_url.rstrip("/"),
            partner_id=settings.partner_id,
            partner_key=lambda: secret("partner_api_key"),
            solution_id=getattr(settings, "solution_id", ""),
            messaging_url=getattr(settings, "messaging_base_url", "").rstrip("/"),
        ),
        clock=runtime.clock,
        telemetry=runtime.telemetry,
        retry_seconds=settings.retry_seconds,
        reconcile_after=settings.reconcile_after,
    )
