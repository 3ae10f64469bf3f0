"""What is measured: our own metrics and who counts them, and those of AWS for what the stack is made of."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sqs as sqs

from infra.catalogue import FunctionName
from infra.constructs.messaging import QueueName
from infra.environment import METRICS_NAMESPACE

PERIOD = cdk.Duration.minutes(5)

# Whoever takes parked events up applies them.
_APPLIERS: tuple[FunctionName, ...] = ("partner_event_worker", "onboarding_worker", "reconciler")
_WORKERS: tuple[FunctionName, ...] = ("onboarding_worker", "partner_event_worker")

# Every metric that the functions count, and the functions that do.
OWN: Mapping[str, tuple[FunctionName, ...]] = MappingProxyType(
    {
        "BudgetUsed": _APPLIERS,
        "BudgetWaited": _APPLIERS,
        "ChannelsUnknown": ("reconciler",),
        "ClientDuplicates": ("onboarding_worker",),
        "ClientsMade": ("onboarding_worker",),
        "EventsApplied": _APPLIERS,
        "EventsDuplicate": _APPLIERS,
        "EventsGivenUp": _APPLIERS,
        "EventsParked": _APPLIERS,
        "EventsStored": ("partner_event_worker",),
        "EventsUnknown": ("partner_event_worker",),
        "EventsUnmatched": _APPLIERS,
        "EventsUnreadable": ("partner_event_worker",),
        "JobsSentAgain": ("reconciler",),
        "KeysFoundDead": ("onboarding_worker",),
        "KeysMade": ("onboarding_worker",),
        "MetaConfigurationErrors": ("code_exchange",),
        "MetaRefusals": ("code_exchange",),
        "NumbersConnected": ("onboarding_worker",),
        "NumbersFailed": ("onboarding_worker", "reconciler"),
        "NumbersHealed": ("reconciler",),
        "NumbersStale": ("reconciler",),
        "PartnerConfigurationErrors": ("onboarding_worker", "reconciler"),
        "PartnerThrottled": _APPLIERS,
        "RecordsCrashed": _WORKERS,
        "SecondsFromCodeToConnected": ("onboarding_worker",),
        "SignupsAuthorized": ("code_exchange",),
        "SignupsOpened": ("code_exchange",),
        "WebhookMilliseconds": ("webhook_receiver",),
        "WebhooksAccepted": ("webhook_receiver",),
        "WebhooksEmpty": ("webhook_receiver",),
        "WebhooksRefused": ("webhook_receiver",),
        "WebhooksRejected": ("webhook_receiver",),
        "WebhooksTooLarge": ("webhook_receiver",),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What dashboards and alarms look at, and the metrics of each of these things.

    Statistics are CloudWatch's (``Sum``, ``Maximum``, ``p99``), periods five minutes. Labels are for
    dashboards: an alarm on a labelled metric is made as metric math, which the local emulator refuses.
    """

    stage: str
    functions: Mapping[FunctionName, lambda_.IFunction]
    logs: Mapping[FunctionName, logs.ILogGroup]
    queues: Mapping[QueueName, sqs.IQueue]
    api_id: str
    table_name: str

    def own(
        self, name: str, function: FunctionName, *, statistic: str = "Sum", label: str | None = None
    ) -> cloudwatch.Metric:
        """One of our metrics, as one function counts it. Raises `ValueError` when it does not."""
        if function not in OWN[name]:
            raise ValueError(f"{function} does not count {name}")
        # The receiver writes its metrics by hand, without the dimension that Powertools adds.
        service = {} if function == "webhook_receiver" else {"service": function}
        dimensions = {**service, "stage": self.stage}
        return _metric(METRICS_NAMESPACE, name, dimensions, statistic=statistic, label=label)

    def total(self, name: str, *, label: str | None = None) -> cloudwatch.IMetric:
        """The sum of one of our metrics over all functions that count it; for dashboards."""
        parts = [self.own(name, function) for function in OWN[name]]
        if len(parts) == 1:
            return self.own(name, OWN[name][0], label=label or name)
        prefix = name[0].lower() + name[1:]
        named = {f"{prefix}{n}": part for n, part in enumerate(parts)}
        return cloudwatch.MathExpression(
            expression=f"SUM([{', '.join(named)}])", using_metrics=named, label=label or name, period=PERIOD
        )

    def function(
        self, function: FunctionName, name: str, *, statistic: str = "Sum", label: str | None = None
    ) -> cloudwatch.Metric:
        """A metric of Lambda."""
        dimensions = {"FunctionName": self.functions[function].function_name}
        return _metric("AWS/Lambda", name, dimensions, statistic=statistic, label=label)

    def queue(
        self, queue: QueueName, name: str, *, statistic: str = "Maximum", label: str | None = None
    ) -> cloudwatch.Metric:
        """A metric of SQS."""
        dimensions = {"QueueName": self.queues[queue].queue_name}
        return _metric("AWS/SQS", name, dimensions, statistic=statistic, label=label)

    def api(self, name: str, *, statistic: str = "Sum", label: str | None = None) -> cloudwatch.Metric:
        """A metric of API Gateway."""
        dimensions = {"ApiId": self.api_id}
        return _metric("AWS/ApiGateway", name, dimensions, statistic=statistic, label=label)

    def table(self, name: str, *, statistic: str = "Sum", label: str | None = None) -> cloudwatch.Metric:
        """A metric of DynamoDB."""
        dimensions = {"TableName": self.table_name}
        return _metric("AWS/DynamoDB", name, dimensions, statistic=statistic, label=label)


def _metric(
    namespace: str, name: str, dimensions: Mapping[str, str], *, statistic: str, label: str | None
) -> cloudwatch.Metric:
    return cloudwatch.Metric(
        namespace=namespace,
        metric_name=name,
        dimensions_map=dimensions,
        statistic=statistic,
        period=PERIOD,
        label=label,
    )
