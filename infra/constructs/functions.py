"""The Lambda functions, one for each card, each with a role and a log group of its own."""

from collections.abc import Mapping

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.bundling import Bundle
from infra.cards import CARDS, Card, PackageName
from infra.config import DeploymentConfig
from infra.constructs.removal import removal_policy
from infra.environment import ResourceNames, environment_of
from infra.grants import Resource
from infra.permissions import statements_of


class Functions(Construct):
    """All functions by name, in `by_name`, and their log groups in `logs`."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        config: DeploymentConfig,
        bundles: Mapping[PackageName, Bundle],
        resources: ResourceNames,
        arns: Mapping[Resource, str],
    ) -> None:
        super().__init__(scope, construct_id)
        self._config = config
        self._bundles = bundles
        self._resources = resources
        self._arns = arns
        self.logs: Mapping[str, logs.LogGroup] = {
            name: logs.LogGroup(
                self,
                f"{card.logical_id}Logs",
                retention=logs.RetentionDays.ONE_MONTH,
                removal_policy=removal_policy(config.stage),
            )
            for name, card in CARDS.items()
        }
        self.by_name: Mapping[str, lambda_.Function] = {
            name: self._function(card) for name, card in CARDS.items()
        }

    def _function(self, card: Card) -> lambda_.Function:
        tracing = self._config.stage.tracing
        log_group = self.logs[card.name]
        role = iam.Role(
            self,
            f"{card.logical_id}Role",
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
            description=f"Onramp: {card.name}",
            inline_policies={
                "Own": iam.PolicyDocument(
                    statements=statements_of(
                        function=card.name,
                        arns=self._arns,
                        log_group_arn=log_group.log_group_arn,
                        tracing=tracing,
                    )
                )
            },
        )
        bundle = self._bundles[card.package]
        return lambda_.Function(
            self,
            card.logical_id,
            description=card.about,
            runtime=lambda_.Runtime.PYTHON_3_13,
            architecture=(
                lambda_.Architecture.ARM_64 if bundle.machine == "aarch64" else lambda_.Architecture.X86_64
            ),
            code=lambda_.Code.from_asset(str(bundle.path)),
            handler=f"{card.name}.handler",
            timeout=cdk.Duration.seconds(card.timeout),
            memory_size=card.memory,
            # Convenience grants of the library must not widen what the card says.
            role=role.without_policy_updates(),
            log_group=log_group,
            # Lambda's own lines become JSON too: one query finds starts, reports and ours.
            logging_format=lambda_.LoggingFormat.JSON,
            tracing=lambda_.Tracing.ACTIVE if tracing else lambda_.Tracing.DISABLED,
            environment=environment_of(function=card.name, config=self._config, resources=self._resources),
        )
