"""The Lambda functions, one for each card, each with a role, a log group, a version and an alias of its own.

Whatever starts a function starts its alias, never the code that was uploaded last. So a release is a move of
aliases: made at once or step by step (`releases.py`), and taken back in seconds.
"""

from collections.abc import Mapping, Sequence

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.bundling import Bundle
from infra.cards import Card, PackageName, Routes, cards_with
from infra.config import DeploymentConfig
from infra.constructs.log_groups import log_group
from infra.constructs.removal import removal_policy, retains
from infra.environment import ResourceNames, environment_of
from infra.grants import Resource
from infra.permissions import statements_of

ALIAS = "live"
"""What each function is called by."""
RECEIVER = "webhook_receiver"


def is_snapshot(card: Card) -> bool:
    """Whether a function starts from a snapshot where the stage wants that.

    Those that a person waits for and that load libraries. The receiver does not: on the standard library
    alone it starts sooner than a snapshot is restored.
    """
    return isinstance(card.trigger, Routes) and card.package == "app"


class Functions(Construct):
    """All functions by name: themselves in `by_name`, their aliases in `live`, their log groups in `logs`.

    Metrics of Lambda's without a qualifier count the runs of all versions, so that alarms and dashboards name
    the function and not the alias.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        config: DeploymentConfig,
        bundles: Mapping[PackageName, Bundle],
        resources: ResourceNames,
        arns: Mapping[Resource, str | Sequence[str]],
    ) -> None:
        super().__init__(scope, construct_id)
        self._config = config
        self._bundles = bundles
        self._resources = resources
        self._arns = arns
        cards = cards_with(config.features)
        self.logs: Mapping[str, logs.LogGroup] = {
            name: log_group(self, f"{card.logical_id}Logs", stage=config.stage)
            for name, card in cards.items()
        }
        self.by_name: Mapping[str, lambda_.Function] = {
            name: self._function(card) for name, card in cards.items()
        }
        self.live: Mapping[str, lambda_.Alias] = {
            name: lambda_.Alias(
                self,
                f"{cards[name].logical_id}Live",
                alias_name=ALIAS,
                description="What the stack calls",
                version=function.current_version,
            )
            for name, function in self.by_name.items()
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
                        features=self._config.features,
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
            reserved_concurrent_executions=(
                self._config.stage.receiver_concurrency if card.name == RECEIVER else None
            ),
            snap_start=(
                lambda_.SnapStartConf.ON_PUBLISHED_VERSIONS if self._starts_from_snapshot(card) else None
            ),
            current_version_options=lambda_.VersionOptions(removal_policy=self._old_versions(card)),
        )

    def _starts_from_snapshot(self, card: Card) -> bool:
        return self._config.stage.snap_start and is_snapshot(card)

    def _old_versions(self, card: Card) -> cdk.RemovalPolicy:
        """What becomes of a version that a later one has replaced.

        It stays, so that the alias can be put back to it. Two exceptions: a snapshot costs money for as long
        as its version is there, and a stage to throw away keeps nothing. A version that a failed deployment
        has made always goes: CloudFormation refuses to publish what is published already, and the second
        attempt would fail.
        """
        if not retains(self._config.stage) or self._starts_from_snapshot(card):
            return cdk.RemovalPolicy.DESTROY
        return removal_policy(self._config.stage)
