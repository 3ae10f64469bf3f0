"""Alarms: one table of what is worth waking somebody, and the topic that tells them.

Each alarm's `anchor` is a section of docs/runbook.md, and the end of the alarm's name.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from constructs import Construct

from infra.cards import CARDS, counted_by, logical_id
from infra.constructs.metrics import Measured
from infra.grants import QueueName

RUNBOOK = "docs/runbook.md"

type Source = Callable[[Measured], Iterator[tuple[str, cloudwatch.Metric]]]
"""The metrics an alarm watches, each with what tells it from the others (empty for the only one)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmSpec:
    """One line of the table.

    It rings when the metric reaches `threshold` in `datapoints` of the last `periods`, each `minutes` long.
    `silence` says what a period without data means.
    """

    anchor: str
    about: str
    source: Source
    threshold: float = 1
    periods: int = 1
    datapoints: int = 1
    minutes: int = 5
    below: bool = False
    silence: cloudwatch.TreatMissingData = cloudwatch.TreatMissingData.NOT_BREACHING


def _own(name: str, statistic: str = "Sum") -> Source:
    def metrics(measured: Measured) -> Iterator[tuple[str, cloudwatch.Metric]]:
        counting = counted_by(name)
        for function in counting:
            part = logical_id(function) if len(counting) > 1 else ""
            yield part, measured.own(name, function, statistic=statistic)

    return metrics


def _queue(queue: QueueName, name: str) -> Source:
    def metrics(measured: Measured) -> Iterator[tuple[str, cloudwatch.Metric]]:
        yield "", measured.queue(queue, name)

    return metrics


def _dead_letters(queue: QueueName) -> Source:
    return _queue(queue, "ApproximateNumberOfMessagesVisible")


def _oldest(queue: QueueName) -> Source:
    return _queue(queue, "ApproximateAgeOfOldestMessage")


def _function(function: str, name: str, statistic: str = "Sum") -> Source:
    def metrics(measured: Measured) -> Iterator[tuple[str, cloudwatch.Metric]]:
        yield "", measured.function(function, name, statistic=statistic)

    return metrics


def _every_function(name: str) -> Source:
    def metrics(measured: Measured) -> Iterator[tuple[str, cloudwatch.Metric]]:
        for function in CARDS:
            yield logical_id(function), measured.function(function, name)

    return metrics


def _receiver_time(measured: Measured) -> Iterator[tuple[str, cloudwatch.Metric]]:
    yield "Lambda", measured.function("webhook_receiver", "Duration", statistic="p99")
    yield "Handler", measured.own("WebhookMilliseconds", "webhook_receiver", statistic="p99")


def _api(name: str) -> Source:
    def metrics(measured: Measured) -> Iterator[tuple[str, cloudwatch.Metric]]:
        yield "", measured.api(name)

    return metrics


ALARMS = (
    AlarmSpec(
        anchor="jobs-dead-letters",
        about="A number was given up after all its attempts; its job waits in the dead-letter queue.",
        source=_dead_letters("jobs_dlq"),
    ),
    AlarmSpec(
        anchor="events-dead-letters",
        about="An event of 360dialog could not be read or applied; it waits in the dead-letter queue.",
        source=_dead_letters("events_dlq"),
    ),
    AlarmSpec(
        anchor="schedules-dead-letters",
        about="A run of the reconciler failed or could not start.",
        source=_dead_letters("schedules_dlq"),
    ),
    AlarmSpec(
        anchor="stream-dead-letters",
        about="Facts could not be put on the bus for almost a day and were given up; publish them again.",
        source=_dead_letters("stream_dlq"),
    ),
    AlarmSpec(
        anchor="jobs-queue-old",
        about="A job has waited for half an hour: the onboarding worker stands still or cannot keep up.",
        source=_oldest("jobs_queue"),
        threshold=1800,
    ),
    AlarmSpec(
        anchor="events-queue-old",
        about="A webhook has waited for a quarter of an hour: the event worker stands still.",
        source=_oldest("events_queue"),
        threshold=900,
    ),
    AlarmSpec(
        anchor="facts-late",
        about="Facts have waited for the bus for a quarter of an hour; after 23 hours they are given up.",
        source=_function("event_publisher", "IteratorAge", "Maximum"),
        threshold=900_000,
    ),
    AlarmSpec(
        anchor="numbers-stale",
        about="A submitted number has waited for 360dialog for more than an hour.",
        source=_own("NumbersStale"),
        minutes=60,
    ),
    AlarmSpec(
        anchor="numbers-attention",
        about="Something about a number needs a person although its messages may flow.",
        source=_own("NumbersAttention"),
        minutes=60,
    ),
    AlarmSpec(
        anchor="webhooks-rejected",
        about="Webhooks with wrong signatures for a quarter of an hour: the platform secret does not fit.",
        source=_own("WebhooksRejected"),
        threshold=5,
        periods=3,
        datapoints=3,
    ),
    AlarmSpec(
        anchor="webhooks-refused",
        about="Webhooks were answered 503: queue or secret cannot be used. 360dialog sends them again.",
        source=_own("WebhooksRefused"),
    ),
    AlarmSpec(
        anchor="receiver-slow",
        about="The receiver's slowest percent takes longer than a second; 360dialog gives up soon.",
        source=_receiver_time,
        threshold=1000,
        periods=3,
        datapoints=2,
    ),
    AlarmSpec(
        anchor="meta-configuration",
        about="Meta refuses our app id, secret or domain: no customer can sign up.",
        source=_own("MetaConfigurationErrors"),
    ),
    AlarmSpec(
        anchor="partner-configuration",
        about="360dialog refuses our partner key, partner id or solution: no number can be connected.",
        source=_own("PartnerConfigurationErrors"),
    ),
    AlarmSpec(
        anchor="api-errors",
        about="The API answered with server errors at least five times in five minutes.",
        source=_api("5xx"),
        threshold=5,
    ),
    AlarmSpec(
        anchor="function-errors",
        about="A function ended with an error it did not handle, or ran out of time.",
        source=_every_function("Errors"),
    ),
    AlarmSpec(
        anchor="sweep-silent",
        about="The sweep has not run for a quarter of an hour: nothing that is lost gets mended.",
        source=_function("reconciler", "Invocations"),
        below=True,
        periods=3,
        datapoints=3,
        silence=cloudwatch.TreatMissingData.BREACHING,
    ),
    AlarmSpec(
        anchor="records-crashed",
        about="A message or a record made a function stumble; it comes back, and its neighbours are done.",
        source=_own("RecordsCrashed"),
    ),
    AlarmSpec(
        anchor="events-unresolved",
        about="Ten events within an hour found no number: their channels are not known here.",
        source=_own("EventsUnresolved"),
        threshold=10,
        minutes=60,
    ),
    AlarmSpec(
        anchor="channels-unknown",
        about="360dialog bills channels that belong to no number of ours.",
        source=_own("ChannelsUnknown"),
        minutes=60,
    ),
    AlarmSpec(
        anchor="census-silent",
        about="No page of the census was read for thirty hours: lost webhooks heal one by one, if at all.",
        source=_own("CensusPages"),
        below=True,
        periods=5,
        datapoints=5,
        minutes=360,
        silence=cloudwatch.TreatMissingData.BREACHING,
    ),
    AlarmSpec(
        anchor="client-duplicates",
        about="360dialog has several clients with one email address; the oldest is used.",
        source=_own("ClientDuplicates"),
    ),
)


class Alarms(Construct):
    """The alarms of the table, and the topic they go to; with `email` subscribed when there is one."""

    def __init__(self, scope: Construct, construct_id: str, *, measured: Measured, email: str | None) -> None:
        super().__init__(scope, construct_id)
        self.topic = self._topic()
        if email is not None:
            sns.Subscription(
                self,
                "Email",
                topic=self.topic,
                protocol=sns.SubscriptionProtocol.EMAIL,
                endpoint=email,
            )
        for spec in ALARMS:
            for part, metric in spec.source(measured):
                self._alarm(spec, part, metric)

    def _alarm(self, spec: AlarmSpec, part: str, metric: cloudwatch.Metric) -> None:
        construct_id = "".join(word.capitalize() for word in spec.anchor.split("-")) + part
        suffix = f"-{part}" if part else ""
        operator = cloudwatch.ComparisonOperator
        alarm = cloudwatch.Alarm(
            self,
            construct_id,
            alarm_name=f"{cdk.Aws.STACK_NAME}-{spec.anchor}{suffix}",
            alarm_description=f"{spec.about} What to do: {RUNBOOK}#{spec.anchor}",
            metric=metric.with_(period=cdk.Duration.minutes(spec.minutes)),
            threshold=spec.threshold,
            comparison_operator=(
                operator.LESS_THAN_THRESHOLD if spec.below else operator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD
            ),
            evaluation_periods=spec.periods,
            datapoints_to_alarm=spec.datapoints,
            treat_missing_data=spec.silence,
        )
        alarm.add_alarm_action(actions.SnsAction(self.topic))

    def _topic(self) -> sns.Topic:
        # AWS's own key for SNS would lock CloudWatch out, hence one that lets it in. It protects nothing
        # that lasts, so it goes with the stack.
        key = kms.Key(
            self,
            "Key",
            description="Onramp: alarms on their way",
            enable_key_rotation=True,
            removal_policy=cdk.RemovalPolicy.DESTROY,
            pending_window=cdk.Duration.days(7),
        )
        topic = sns.Topic(self, "Topic", display_name="Onramp alarms", master_key=key, enforce_ssl=True)
        # In a key's own policy every resource means this key.
        key.add_to_resource_policy(_for_cloudwatch(["kms:Decrypt", "kms:GenerateDataKey*"], "*"))
        topic.add_to_resource_policy(_for_cloudwatch(["sns:Publish"], topic.topic_arn))
        return topic


def _for_cloudwatch(actions_: list[str], resource: str) -> iam.PolicyStatement:
    """What the alarms of this account may do."""
    return iam.PolicyStatement(
        actions=actions_,
        resources=[resource],
        principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")],
        conditions={"StringEquals": {"aws:SourceAccount": cdk.Aws.ACCOUNT_ID}},
    )
