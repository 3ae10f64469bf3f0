"""How a release takes over where somebody waits: step by step, and back again when an alarm rings."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Literal

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_codedeploy as codedeploy
from aws_cdk import aws_iam as iam
from constructs import Construct

from infra.cards import CARDS, Card, Routes
from infra.constructs.functions import ALIAS, Functions
from infra.constructs.metrics import metric, webhook_route

type Shift = Literal["canary", "linear"]

SHIFTS: Mapping[Shift, str] = MappingProxyType(
    {
        # A tenth of the calls for five minutes, then all.
        "canary": "CANARY_10_PERCENT_5_MINUTES",
        # A tenth more each minute.
        "linear": "LINEAR_10_PERCENT_EVERY_1_MINUTE",
    }
)
PERIOD = cdk.Duration.minutes(1)
SERVER_ERRORS = 5
"""How many server errors of the API in a minute take a release back."""
SLOW_MILLISECONDS = 1000
"""360dialog gives up soon after."""
MOVING = ("lambda:GetAlias", "lambda:GetProvisionedConcurrencyConfig", "lambda:UpdateAlias")


def shifted() -> Iterator[Card]:
    """The functions that are shifted: those that answer calls of the API. The others change at once."""
    return (card for card in CARDS.values() if isinstance(card.trigger, Routes))


class Releases(Construct):
    """CodeDeploy moves the aliases of the API's functions, each bound to alarms.

    A deployment of the stack waits for it. When an alarm rings, CodeDeploy puts the alias back, and
    CloudFormation the rest of the stack. The alarms tell nobody: the deployment that fails does.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, shift: Shift, functions: Functions, api_id: str
    ) -> None:
        super().__init__(scope, construct_id)
        self._functions = functions
        self._api_id = api_id
        # Named for an application of its own: nothing else is deployed by it.
        application = codedeploy.LambdaApplication(self, "Application")
        # The library adds a policy of AWS's to whatever role it is given; the role's own is narrower.
        role = self._role().without_policy_updates()
        failing = self._api_failing()
        for card in shifted():
            codedeploy.LambdaDeploymentGroup(
                self,
                card.logical_id,
                application=application,
                alias=functions.live[card.name],
                deployment_config=getattr(codedeploy.LambdaDeploymentConfig, SHIFTS[shift]),
                role=role,
                alarms=[failing, *self._alarms_of(card)],
                auto_rollback=codedeploy.AutoRollbackConfig(
                    failed_deployment=True, stopped_deployment=True, deployment_in_alarm=True
                ),
            )

    def _role(self) -> iam.Role:
        own = [self._functions.by_name[card.name].function_arn for card in shifted()]
        return iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal("codedeploy.amazonaws.com"),
            description="Onramp: CodeDeploy, which moves aliases",
            inline_policies={
                "Own": iam.PolicyDocument(
                    statements=[
                        iam.PolicyStatement(
                            actions=list(MOVING),
                            resources=[name for arn in own for name in (arn, f"{arn}:{ALIAS}")],
                        ),
                        # Reading alarms can only be allowed on all of them.
                        iam.PolicyStatement(actions=["cloudwatch:DescribeAlarms"], resources=["*"]),
                    ]
                )
            },
        )

    # --- the alarms ------------------------------------------------------------------------------------

    def _alarms_of(self, card: Card) -> Iterator[cloudwatch.Alarm]:
        yield self._new_version_fails(card)
        if card.package == "receiver":
            yield self._receiver_slow()

    def _new_version_fails(self, card: Card) -> cloudwatch.Alarm:
        """One error of the new version's, while both run. The old one's must not keep its cure away."""
        function = self._functions.by_name[card.name]
        dimensions = {
            "FunctionName": function.function_name,
            # Not the alias's own attributes, which would wait for the deployment that waits for this alarm.
            "Resource": f"{function.function_name}:{ALIAS}",
            "ExecutedVersion": function.current_version.version,
        }
        return self._alarm(
            f"{card.logical_id}Errors",
            about=f"The new version of {card.name} ends with errors.",
            metric=metric("AWS/Lambda", "Errors", dimensions, statistic="Sum", period=PERIOD),
            threshold=1,
        )

    def _api_failing(self) -> cloudwatch.Alarm:
        return self._alarm(
            "Api",
            about="The API answers with server errors.",
            metric=metric("AWS/ApiGateway", "5xx", {"ApiId": self._api_id}, statistic="Sum", period=PERIOD),
            threshold=SERVER_ERRORS,
        )

    def _receiver_slow(self) -> cloudwatch.Alarm:
        # A tenth of the calls is the new version's, the first ones cold: the median would see nothing.
        return self._alarm(
            "ReceiverSlow",
            about="Webhooks are answered too late for 360dialog.",
            metric=metric(
                "AWS/ApiGateway", "Latency", webhook_route(self._api_id), statistic="p95", period=PERIOD
            ),
            threshold=SLOW_MILLISECONDS,
        )

    def _alarm(
        self, construct_id: str, *, about: str, metric: cloudwatch.Metric, threshold: int
    ) -> cloudwatch.Alarm:
        return cloudwatch.Alarm(
            self,
            f"{construct_id}Alarm",
            alarm_name=f"{cdk.Aws.STACK_NAME}-release-{construct_id}",
            alarm_description=f"{about} A release under way is taken back: docs/releasing.md",
            metric=metric,
            threshold=threshold,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            evaluation_periods=1,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )
