"""An app of your own with Onramp in it: the numbers that are connected go into a queue of yours.

Run it as ``cdk deploy`` does, or by itself: ``CDK_OUTDIR=cdk.out python app.py``.
"""

from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from onramp_cdk import DeploymentConfig, Onramp, empty_bundles, load_config

HERE = Path(__file__).resolve().parent
STAGE = "example"


class OnboardingStack(cdk.Stack):
    """Onramp, and what hears of it."""

    def __init__(self, scope: Construct, construct_id: str, *, config: DeploymentConfig) -> None:
        super().__init__(scope, construct_id)
        # To look at the template without packaging the functions: -c skip_bundling=true
        bundles = empty_bundles(local=False) if self.node.try_get_context("skip_bundling") else None
        self.onramp = Onramp(self, "Onramp", config=config, bundles=bundles)

        inbox = sqs.Queue(self, "Inbox", enforce_ssl=True)
        events.Rule(
            self,
            "Connected",
            event_bus=self.onramp.messaging.bus,
            event_pattern=events.EventPattern(detail_type=["number.connected"]),
            targets=[targets.SqsQueue(inbox)],
        )

        # The part of yours that sends messages fetches the keys for it.
        sender = iam.Role(self, "Sender", assumed_by=iam.ServicePrincipal("ecs-tasks.amazonaws.com"))
        self.onramp.grant_keys(sender)


if __name__ == "__main__":
    app = cdk.App()
    OnboardingStack(app, f"Onramp-{STAGE}", config=load_config(directory=HERE / "config", stage=STAGE))
    app.synth()
