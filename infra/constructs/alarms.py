"""Alarms: one table of what is worth waking somebody, and the topics that tell them, of its end too.

Each alarm's `anchor` is a section of docs/runbook.md, and the end of the alarm's name. What is no metric of
anybody's, a key that is about to go, is told by a rule: `KEY_ANCHOR` is its section.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.cards import counted_by, logical_id
from infra.config import StageConfig
from infra.constructs.metrics import Measured
from infra.grants import QueueName

RUNBOOK = "docs/runbook.md"
KEY_ANCHOR = "key-in-danger"

type Watched = cloudwatch.Metric | cloudwatch.MathExpression
type Source = Callable[[Measured], Iterator[tuple[str, Watched]]]
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
    def metrics(measured: Measured) -> Iterator[tuple[str, Watched]]:
        counting = counted_by(name)
        for function in counting:
            # Nobody watches what the configuration does without.
            if function in measured.functions:
                part = logical_id(function) if len(counting) > 1 else ""
                yield part, measured.own(name, function, statistic=statistic)

    return metrics


def _queue(queue: QueueName, name: str) -> Source:
    def metrics(measured: Measured) -> Iterator[tuple[str, Watched]]:
        yield "", measured.queue(queue, name)

    return metrics


def _dead_letters(queue: QueueName) -> Source:
    return _queue(queue, "ApproximateNumberOfMessagesVisible")


def _oldest(queue: QueueName) -> Source:
    return _queue(queue, "ApproximateAgeOfOldestMessage")


def _function(function: str, name: str, statistic: str = "Sum") -> Source:
    def metrics(measured: Measured) -> Iterator[tuple[str, Watched]]:
        yield "", measured.function(function, name, statistic=statistic)

    return metrics


def _every_function(name: str) -> Source:
    def metrics(measured: Measured) -> Iterator[tuple[str, Watched]]:
        for function in measured.functions:
            yield logical_id(function), measured.function(function, name)

    return metrics


def _receiver_time(measured: Measured) -> Iterator[tuple[str, Watched]]:
    yield "Route", measured.webhook_route("Latency", statistic="p99")
    yield "Lambda", measured.function("webhook_receiver", "Duration", statistic="p99")
    yield "Handler", measured.own("WebhookMilliseconds", "webhook_receiver", statistic="p99")


def _api(name: str) -> Source:
    def metrics(measured: Measured) -> Iterator[tuple[str, Watched]]:
        yield "", measured.api(name)

    return metrics


def _unauthorized(measured: Measured) -> Iterator[tuple[str, Watched]]:
    yield "", measured.unauthorized


def _no_webhooks(measured: Measured) -> Iterator[tuple[str, Watched]]:
    """1 where all the time numbers waited that should hear soon, and no webhook came."""
    yield (
        "",
        cloudwatch.MathExpression(
            expression="IF(waiting > 0 AND FILL(accepted, 0) < 1, 1, 0)",
            using_metrics={
                "waiting": measured.own("NumbersWaiting", "reconciler", statistic="Minimum"),
                "accepted": measured.own("WebhooksAccepted", "webhook_receiver"),
            },
        ),
    )


def _no_facts(measured: Measured) -> Iterator[tuple[str, Watched]]:
    """1 where signups were opened, each of which is a fact, and none was published."""
    yield (
        "",
        cloudwatch.MathExpression(
            expression="IF(FILL(opened, 0) > 0 AND FILL(published, 0) < 1, 1, 0)",
            using_metrics={
                "opened": measured.own("SignupsOpened", "code_exchange"),
                "published": measured.own("FactsPublished", "event_publisher"),
            },
        ),
    )


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
        anchor="relay-given-up",
        about="A target of the relay did not take an event for three days; it waits in the dead letters.",
        source=_dead_letters("relay_dlq"),
    ),
    AlarmSpec(
        anchor="notifications-dead-letters",
        about="An event could not be read, or not be handed to the sender of notifications.",
        source=_dead_letters("notifications_dlq"),
    ),
    AlarmSpec(
        anchor="endpoint-disabled",
        about="An endpoint hears nothing any more: it is gone, or has failed for five days.",
        source=_own("EndpointsDisabled"),
        minutes=60,
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
    # Not the age of the oldest job: one that waits for its number's next try grows old in the queue, too.
    AlarmSpec(
        anchor="work-overdue",
        about="Work is due for a quarter of an hour and nobody takes it up: the worker stands still.",
        source=_own("OldestDueSeconds", "Maximum"),
        threshold=900,
        minutes=10,
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
        anchor="facts-silent",
        about="Signups were opened and no fact was published: the stream does not reach the publisher.",
        source=_no_facts,
        periods=6,
        datapoints=2,
        minutes=10,
    ),
    AlarmSpec(
        anchor="bus-refuses",
        about="The bus has refused facts for a quarter of an hour; they are sent again for almost a day.",
        source=_own("FactsRefused"),
        periods=3,
        datapoints=3,
    ),
    AlarmSpec(
        anchor="numbers-failed",
        about="A number has failed for good: its customer waits for somebody to act.",
        source=_own("NumbersFailed"),
        minutes=60,
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
        anchor="webhooks-silent",
        about="For an hour numbers waited for 360dialog and no webhook came: its address may be overwritten.",
        source=_no_webhooks,
        periods=2,
        datapoints=2,
        minutes=30,
    ),
    AlarmSpec(
        anchor="numbers-healed",
        about="Three numbers in an hour went on without their webhook: webhooks get lost.",
        source=_own("NumbersHealed"),
        threshold=3,
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
        about="The slowest percent of webhooks takes longer than a second; 360dialog gives up soon.",
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
        anchor="solution-deactivated",
        about="Meta tells that the multi-partner solution is stopped: no customer can sign up.",
        source=_own("SolutionsDeactivated"),
    ),
    AlarmSpec(
        anchor="deletion-requested",
        about="A person asks through Meta that their data be deleted: somebody must carry it out.",
        source=_own("DeletionsRequested"),
        minutes=60,
    ),
    AlarmSpec(
        anchor="callers-unauthorized",
        about="At least half of the calls with a token were answered 401 for half an hour.",
        source=_unauthorized,
        threshold=0.5,
        periods=2,
        datapoints=2,
        minutes=15,
    ),
    AlarmSpec(
        anchor="services-unavailable",
        about="The table, a queue, the keys or the secret do not answer our functions.",
        source=_own("ServicesUnavailable"),
        threshold=5,
        periods=3,
        datapoints=2,
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
    # The balance is read once a day: what was found stays true until the next time.
    AlarmSpec(
        anchor="balance-low",
        about="The partner's balance at 360dialog is below what the configuration watches.",
        source=_own("BalanceLow", "Maximum"),
        minutes=60,
        silence=cloudwatch.TreatMissingData.IGNORE,
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
    """The alarms of the table, the rule that watches `keys` (ARNs), and the topics they go to.

    An existing topic of the configuration's is told; so is one of the stack's own, which the configured
    addresses are subscribed to, unless the existing one is all that is wanted. `topic` is the first of them.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        measured: Measured,
        stage: StageConfig,
        keys: tuple[str, ...],
    ) -> None:
        super().__init__(scope, construct_id)
        self._topics = self._find_topics(stage)
        self.topic = self._topics[0]
        measured.count_401(self)
        for spec in ALARMS:
            for part, metric in spec.source(measured):
                self._alarm(spec, part, metric)
        self._watch_keys(keys, untold=measured.queues["schedules_dlq"])

    def _alarm(self, spec: AlarmSpec, part: str, metric: Watched) -> None:
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
        for topic in self._topics:
            alarm.add_alarm_action(actions.SnsAction(topic))
            alarm.add_ok_action(actions.SnsAction(topic))

    def _watch_keys(self, keys: tuple[str, ...], *, untold: sqs.IQueue) -> None:
        """Tell the topics that somebody wants to disable or delete a key, while that can be taken back.

        CloudTrail tells it, so that the account needs a trail; no metric of AWS's says it.
        """
        rule = events.Rule(
            self,
            "KeyInDanger",
            description=f"A key of Onramp is to be disabled or deleted. What to do: {RUNBOOK}#{KEY_ANCHOR}",
            event_pattern=events.EventPattern(
                source=["aws.kms"],
                detail_type=["AWS API Call via CloudTrail"],
                detail={
                    "eventSource": ["kms.amazonaws.com"],
                    "eventName": ["DisableKey", "ScheduleKeyDeletion"],
                    "resources": {"ARN": list(keys)},
                },
            ),
        )
        what = events.EventField.from_path("$.detail.eventName")
        who = events.EventField.from_path("$.detail.userIdentity.arn")
        key = events.EventField.from_path("$.detail.resources[0].ARN")
        text = f"{cdk.Aws.STACK_NAME}: {what} of {key} by {who}. What to do: {RUNBOOK}#{KEY_ANCHOR}"
        for topic in self._topics:
            message = events.RuleTargetInput.from_text(text)
            rule.add_target(targets.SnsTopic(topic, message=message, dead_letter_queue=untold))

    def _find_topics(self, stage: StageConfig) -> tuple[sns.ITopic, ...]:
        existing = stage.alarm_topic_arn
        if existing is None:
            return (self._topic(stage.alarm_emails),)
        there = sns.Topic.from_topic_arn(self, "Existing", existing)
        return (there, self._topic(stage.alarm_emails)) if stage.alarm_emails else (there,)

    def _topic(self, emails: tuple[str, ...]) -> sns.Topic:
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
        for number, email in enumerate(emails, 1):
            sns.Subscription(
                self,
                f"Email{number}",
                topic=topic,
                protocol=sns.SubscriptionProtocol.EMAIL,
                endpoint=email,
            )
        return topic


def _for_cloudwatch(actions_: list[str], resource: str) -> iam.PolicyStatement:
    """What the alarms of this account may do."""
    return iam.PolicyStatement(
        actions=actions_,
        resources=[resource],
        principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")],
        conditions={"StringEquals": {"aws:SourceAccount": cdk.Aws.ACCOUNT_ID}},
    )
