"""What becomes of data when the stack goes."""

import aws_cdk as cdk

from infra.config import StageConfig


def removal_policy(stage: StageConfig) -> cdk.RemovalPolicy:
    """The stage's choice, for everything that holds data."""
    return cdk.RemovalPolicy.RETAIN if stage.removal == "retain" else cdk.RemovalPolicy.DESTROY
