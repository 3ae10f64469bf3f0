"""What dashboards and alarms look at: our own metrics, and those of AWS for what the stack is made of."""

from collections.abc import Mapping
from dataclasses import dataclass

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from contract.routes import ROUTES
from infra.cards import counted_by
from infra.grants import QueueName
from infra.metrics import NAMESPACE

PERIOD = cdk.Duration.minutes(5)
UNAUTHORIZED = "CallsUnauthorized"
(WEBHOOKS,) = (route for route in ROUTES if route.access == "signed")
OTHERS = tuple(f"{route.method} {route.path}" for route in ROUTES if route.access != "jwt")
"""Routes that are called without a tenant's token, as API Gateway names them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What dashboards and alarms look at, and the metrics of each of these things.

    Statistics are CloudWatch's (``Sum``, ``Maximum``, ``p99``), periods five minutes. Labels are for
    dashboards: an alarm on a labelled metric is made as metric math, which the local emulator refuses.
    """

    stage: str
    functions: Mapping[str, lambda_.IFunction]
    logs: Mapping[str, aws_logs.ILogGroup]
    queues: Mapping[QueueName, sqs.IQueue]
    api_id: str
    access_log: aws_logs.ILogGroup
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
        return metric(NAMESPACE, name, dimensions, statistic=statistic, label=label)

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
        return metric("AWS/Lambda", name, dimensions, statistic=statistic, label=label)

    def queue(
        self, queue: QueueName, name: str, *, statistic: str = "Maximum", label: str | None = None
    ) -> cloudwatch.Metric:
        """A metric of SQS."""
        dimensions = {"QueueName": self.queues[queue].queue_name}
        return metric("AWS/SQS", name, dimensions, statistic=statistic, label=label)

    def api(self, name: str, *, statistic: str = "Sum", label: str | None = None) -> cloudwatch.Metric:
        """A metric of API Gateway."""
        dimensions = {"ApiId": self.api_id}
        return metric("AWS/ApiGateway", name, dimensions, statistic=statistic, label=label)

    def webhook_route(self, name: str, *, statistic: str = "Sum") -> cloudwatch.Metric:
        """A metric of API Gateway of the route that 360dialog calls, which alone has metrics of its own."""
        return metric("AWS/ApiGateway", name, webhook_route(self.api_id), statistic=statistic, label=None)

    @property
    def unauthorized(self) -> cloudwatch.Metric:
        """Which share of the calls with a token was answered 401; made of the access log by `count_401`."""
        return metric(self._of_stage, UNAUTHORIZED, {}, statistic="Average", label=None)

    def count_401(self, scope: Construct) -> None:
        """Let CloudWatch Logs read `unauthorized` from the access log: 1 for each 401, 0 for all that got in.

        A metric of a log group has no dimension that says its stage, so that its namespace does.
        """
        ours = " && ".join(f'($.routeKey != "{key}")' for key in ("-", *OTHERS))
        for name, status, value in (("Refused", "=", "1"), ("LetIn", "!=", "0")):
            aws_logs.MetricFilter(
                scope,
                f"Callers{name}",
                log_group=self.access_log,
                metric_namespace=self._of_stage,
                metric_name=UNAUTHORIZED,
                metric_value=value,
                filter_pattern=aws_logs.FilterPattern.literal(f'{{ ($.status {status} "401") && {ours} }}'),
            )

    @property
    def _of_stage(self) -> str:
        return f"{NAMESPACE}/{self.stage}"

    def table(self, name: str, *, statistic: str = "Sum", label: str | None = None) -> cloudwatch.Metric:
        """A metric of DynamoDB."""
        dimensions = {"TableName": self.table_name}
        return metric("AWS/DynamoDB", name, dimensions, statistic=statistic, label=label)


def webhook_route(api_id: str) -> dict[str, str]:
    """What tells the metrics of the route that 360dialog calls from those of the others."""
    return {"ApiId": api_id, "Stage": "$default", "Method": WEBHOOKS.method, "Resource": WEBHOOKS.path}


def metric(
    namespace: str,
    name: str,
    dimensions: Mapping[str, str],
    *,
    statistic: str,
    label: str | None = None,
    period: cdk.Duration = PERIOD,
) -> cloudwatch.Metric:
    """A metric of any namespace."""
    return cloudwatch.Metric(
        namespace=namespace,
        metric_name=name,
        dimensions_map=dimensions,
        statistic=statistic,
        period=period,
        label=label,
    )
