"""Queues between the functions, and the bus to the partner's own systems."""

import aws_cdk as cdk
from aws_cdk import aws_events as events
from aws_cdk import aws_sqs as sqs
from constructs import Construct

RETENTION = cdk.Duration.days(14)
# Six times the workers' timeout, as Lambda asks for.
VISIBILITY = cdk.Duration.seconds(360)
# Tries are counted in the record. This count only ends messages whose worker dies before it reaches one.
MAX_RECEIVE_COUNT = 1000
# SQS's largest: a webhook of 1 MiB less the envelope goes through.
LARGE_MESSAGE_BYTES = 1024 * 1024


class Messaging(Construct):
    """Jobs and events, each with its dead letters; the dead letters of schedules; the bus."""

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(scope, construct_id)
        self.jobs_dlq = self._dead_letters("JobsDlq")
        self.jobs = self._queue("Jobs", dead_letters=self.jobs_dlq)
        self.events_dlq = self._dead_letters("EventsDlq", max_bytes=LARGE_MESSAGE_BYTES)
        self.events = self._queue("Events", dead_letters=self.events_dlq, max_bytes=LARGE_MESSAGE_BYTES)
        self.schedules_dlq = self._dead_letters("SchedulesDlq")
        self.bus = events.EventBus(
            self, "Bus", description="What happens to signups, for the partner's systems"
        )

    def _dead_letters(self, name: str, *, max_bytes: int | None = None) -> sqs.Queue:
        return sqs.Queue(
            self,
            name,
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            retention_period=RETENTION,
            max_message_size_bytes=max_bytes,
        )

    def _queue(self, name: str, *, dead_letters: sqs.Queue, max_bytes: int | None = None) -> sqs.Queue:
        # The keys are SQS's own: with a customer's key the receiver would need the right to use it.
        return sqs.Queue(
            self,
            name,
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            retention_period=RETENTION,
            visibility_timeout=VISIBILITY,
            max_message_size_bytes=max_bytes,
            dead_letter_queue=sqs.DeadLetterQueue(queue=dead_letters, max_receive_count=MAX_RECEIVE_COUNT),
        )
