"""What dashboards and alarms look at: our own metrics, and those of AWS for what the stack is made of."""

from collections.abc import Mapping
from dataclasses import dataclass

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sqs as sqs

from infra.cards import counted_by
from infra.grants import QueueName
from infra.metrics import NAMESPACE

PERIOD = cdk.Duration.minutes(5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What dashboards and alarms look at, and the metrics of each of these things.

    Statistics are CloudWatch's (``Sum``, ``Maximum``, ``p99``), periods five minutes. Labels are for
    dashboards: an alarm on a labelled metric is made as metric math, which the local emulator refuses.
    """

    stage: str
    functions: Mapping[str, lambda_.IFunction]
    logs: Mapping[str, logs.ILogGroup]
    queues: Mapping[QueueName, sqs.IQueue]
    api_id: str
    table_name: str

    def own(
        self, name: str, function: str, *, statistic: str = "Sum", label: str | None = None
    ) -> cloudwatch.Metric:
        """One of our metrics, as one function counts it. Raises `ValueError` when it does not."""
        if function not in counted_by(name):
            raise ValueError(f"{function} does not count {name}")
        # The receiver writes its metrics by hand, without the dimension that Powertools adds.
        service = {} if function == "webhook_receiver" else {"service": function}
        dimensions = {**service, "stage": self.stage}
        return _metric(NAMESPACE, name, dimensions, statistic=statistic, label=label)

    def total(self, name: str, *, label: str | None = None) -> cloudwatch.IMetric:
        """The sum of one of our metrics over all functions that count it; for dashboards."""
        counting = counted_by(name)
        if len(counting) == 1:
            return self.own(name, counting[0], label=label or name)
        parts = [self.own(name, function) for function in counting]
        prefix = name[0].lower() + name[1:]
        named = {f"{prefix}{n}": part for n, part in enumerate(parts)}
        return cloudwatch.MathExpression(
            expression=f"SUM([{', '.join(named)}])", using_metrics=named, label=label or name, period=PERIOD
        )

    def function(
        self, function: str, name: str, *, statistic: str = "Sum", label: str | None = None
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
