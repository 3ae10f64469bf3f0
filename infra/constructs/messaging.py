"""Queues between the functions, and the bus to the partner's own systems."""

import aws_cdk as cdk
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.config import BusConfig
from infra.grants import QueueName

RETENTION = cdk.Duration.days(14)
# Six times the workers' timeout, as Lambda asks for.
VISIBILITY = cdk.Duration.seconds(360)
# Tries are counted in the record. This count only ends messages whose worker dies before it reaches one.
MAX_RECEIVE_COUNT = 1000
# SQS's largest: a webhook of 1 MiB less the envelope goes through.
LARGE_MESSAGE_BYTES = 1024 * 1024
RULE_ACTIONS = (
    "events:DeleteRule",
    "events:DescribeRule",
    "events:DisableRule",
    "events:EnableRule",
    "events:ListTargetsByRule",
    "events:PutRule",
    "events:PutTargets",
    "events:RemoveTargets",
)
"""What a reader of the bus may do with rules of its own."""


class Messaging(Construct):
    """Jobs, events, what is handed on, each with dead letters; those of schedules and stream; the bus.

    The bus has an archive when the configuration says for how many days; else `archive` is None.
    """

    def __init__(self, scope: Construct, construct_id: str, *, bus: BusConfig) -> None:
        super().__init__(scope, construct_id)
        self.jobs_dlq = self._dead_letters("JobsDlq", source="jobs")
        self.jobs = self._queue("Jobs", name="jobs", dead_letters=self.jobs_dlq)
        self.events_dlq = self._dead_letters("EventsDlq", source="events", max_bytes=LARGE_MESSAGE_BYTES)
        self.events = self._queue(
            "Events", name="events", dead_letters=self.events_dlq, max_bytes=LARGE_MESSAGE_BYTES
        )
        self.relay_dlq = self._dead_letters("RelayDlq", source="relay", max_bytes=LARGE_MESSAGE_BYTES)
        self.relay = self._queue(
            "Relay", name="relay", dead_letters=self.relay_dlq, max_bytes=LARGE_MESSAGE_BYTES
        )
        self.notifications_dlq = self._dead_letters("NotificationsDlq", source="notifications")
        self.notifications = self._queue(
            "Notifications", name="notifications", dead_letters=self.notifications_dlq
        )
        # EventBridge and Lambda put into it; no queue may name it as its own dead letters.
        self.schedules_dlq = self._dead_letters("SchedulesDlq", source=None)
        # Lambda puts into it what of the table's stream it gives up.
        self.stream_dlq = self._dead_letters("StreamDlq", source=None)
        self.bus = events.EventBus(
            self,
            "Bus",
            event_bus_name=cdk.Aws.STACK_NAME,
            description="What happens to signups, for the partner's systems",
        )
        self._let_in(bus.readers)
        self.archive = self._archive(bus.archive_days)

    def notify(self, source: str) -> None:
        """Put what comes from a source on the bus into the notifications' queue."""
        target = targets.SqsQueue(
            self.notifications,
            # EventBridge tries for a day; then it is a person's.
            dead_letter_queue=self.notifications_dlq,
        )
        events.Rule(
            self,
            "Notify",
            event_bus=self.bus,
            description="What happens to signups, for the partner's endpoints",
            event_pattern=events.EventPattern(source=[source]),
            targets=[target],
        )

    @property
    def by_name(self) -> dict[QueueName, sqs.Queue]:
        """All queues."""
        return {
            "jobs_queue": self.jobs,
            "jobs_dlq": self.jobs_dlq,
            "events_queue": self.events,
            "events_dlq": self.events_dlq,
            "relay_queue": self.relay,
            "relay_dlq": self.relay_dlq,
            "notifications_queue": self.notifications,
            "notifications_dlq": self.notifications_dlq,
            "schedules_dlq": self.schedules_dlq,
            "stream_dlq": self.stream_dlq,
        }

    def _dead_letters(
        self, construct_id: str, *, source: str | None, max_bytes: int | None = None
    ) -> sqs.Queue:
        queue = sqs.Queue(
            self,
            construct_id,
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            retention_period=RETENTION,
            max_message_size_bytes=max_bytes,
        )
        resource = queue.node.default_child
        if not isinstance(resource, sqs.CfnQueue):
            raise TypeError("the queue has another shape than expected")
        resource.redrive_allow_policy = (
            {"redrivePermission": "byQueue", "sourceQueueArns": [self._arn(source)]}
            if source
            else {"redrivePermission": "denyAll"}
        )
        return queue

    def _queue(
        self, construct_id: str, *, name: str, dead_letters: sqs.Queue, max_bytes: int | None = None
    ) -> sqs.Queue:
        # The keys are SQS's own: with a customer's key the receiver would need the right to use it.
        return sqs.Queue(
            self,
            construct_id,
            queue_name=_physical(name),
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            retention_period=RETENTION,
            visibility_timeout=VISIBILITY,
            max_message_size_bytes=max_bytes,
            dead_letter_queue=sqs.DeadLetterQueue(queue=dead_letters, max_receive_count=MAX_RECEIVE_COUNT),
        )

    def _arn(self, name: str) -> str:
        return cdk.Stack.of(self).format_arn(service="sqs", resource=_physical(name))

    def _let_in(self, readers: tuple[str, ...]) -> None:
        """Let others put rules on the bus, each account seeing and changing only those that it has made."""
        if not readers:
            return
        rules = f"{self.bus.event_bus_name}/*"
        statement = iam.PolicyStatement(
            sid="ReadersManageTheirOwnRules",
            principals=[iam.ArnPrincipal(reader) for reader in readers],
            actions=list(RULE_ACTIONS),
            resources=[cdk.Stack.of(self).format_arn(service="events", resource="rule", resource_name=rules)],
            # "IfExists": a rule that is about to be made has no creator yet.
            conditions={"StringEqualsIfExists": {"events:creatorAccount": "${aws:PrincipalAccount}"}},
        )
        # The library's own class for it warns of properties that it hands on without a value.
        cdk.CfnResource(
            self,
            "Readers",
            type="AWS::Events::EventBusPolicy",
            properties={
                "EventBusName": self.bus.event_bus_name,
                "StatementId": statement.sid,
                "Statement": statement.to_statement_json(),
            },
        )

    def _archive(self, days: int) -> events.CfnArchive | None:
        # Without a name of ours: an archive's may have 48 characters, and two stages must not share one.
        if not days:
            return None
        return events.CfnArchive(
            self,
            "Archive",
            source_arn=self.bus.event_bus_arn,
            description="Everything that was on the bus, to be replayed",
            retention_days=days,
        )


def _physical(name: str) -> str:
    # Queue and dead letters name each other; only a name that is known beforehand unties the knot. The
    # stack's name in it keeps stages apart, and the stack's own id those of a stack from those of one that
    # was deleted: for a minute SQS refuses the name of a queue that is gone.
    return f"{cdk.Aws.STACK_NAME}-{name}-{_stack_instance()}"


def _stack_instance() -> str:
    """The first eight digits of the id that CloudFormation gives a stack when it is made."""
    return cdk.Fn.select(0, cdk.Fn.split("-", cdk.Fn.select(2, cdk.Fn.split("/", cdk.Aws.STACK_ID))))
