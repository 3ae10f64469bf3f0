"""When a function runs by the clock."""

import aws_cdk as cdk
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_lambda_destinations as destinations
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.cards import Schedule, logical_id


class Schedules(Construct):
    """A rule for each task of a schedule. A run that fails or cannot start ends in the dead letters."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        schedule: Schedule,
        function: lambda_.Alias,
        dead_letters: sqs.IQueue,
    ) -> None:
        super().__init__(scope, construct_id)
        # The next minute's run is the retry; one that waited longer would only run beside it.
        lambda_.EventInvokeConfig(
            self,
            "Async",
            function=function.lambda_,
            # These settings are those of the alias: whoever calls the function by another name has others.
            qualifier=function.alias_name,
            max_event_age=cdk.Duration.minutes(5),
            retry_attempts=0,
            on_failure=destinations.SqsDestination(dead_letters),
        )
        for task, when in schedule.tasks.items():
            target = targets.LambdaFunction(
                function,
                event=events.RuleTargetInput.from_object({"task": task}),
                dead_letter_queue=dead_letters,
                max_event_age=cdk.Duration.minutes(5),
                retry_attempts=2,
            )
            events.Rule(self, logical_id(task), schedule=events.Schedule.expression(when), targets=[target])
