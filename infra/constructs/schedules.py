"""When the reconciler runs."""

from typing import Literal

import aws_cdk as cdk
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_lambda_destinations as destinations
from aws_cdk import aws_sqs as sqs
from constructs import Construct

Task = Literal["sweep", "report"]


class Schedules(Construct):
    """A sweep each minute, a report each day. A run that fails or cannot start ends in the dead letters."""

    def __init__(
        self, scope: Construct, construct_id: str, *, reconciler: lambda_.IFunction, dead_letters: sqs.IQueue
    ) -> None:
        super().__init__(scope, construct_id)
        # The next minute's run is the retry; one that waited longer would only run beside it.
        lambda_.EventInvokeConfig(
            self,
            "Async",
            function=reconciler,
            max_event_age=cdk.Duration.minutes(5),
            retry_attempts=0,
            on_failure=destinations.SqsDestination(dead_letters),
        )
        self._rule("Sweep", events.Schedule.rate(cdk.Duration.minutes(1)), "sweep", reconciler, dead_letters)
        self._rule("Report", events.Schedule.cron(hour="4", minute="0"), "report", reconciler, dead_letters)

    def _rule(
        self,
        name: str,
        schedule: events.Schedule,
        task: Task,
        reconciler: lambda_.IFunction,
        dead_letters: sqs.IQueue,
    ) -> None:
        target = targets.LambdaFunction(
            reconciler,
            event=events.RuleTargetInput.from_object({"task": task}),
            dead_letter_queue=dead_letters,
            max_event_age=cdk.Duration.minutes(5),
            retry_attempts=2,
        )
        events.Rule(self, name, schedule=schedule, targets=[target])
