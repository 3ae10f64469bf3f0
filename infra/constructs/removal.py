"""What becomes of data when the stack goes, and what keeps it from going by a slip of the hand."""

import aws_cdk as cdk

from infra.config import StageConfig


def removal_policy(stage: StageConfig) -> cdk.RemovalPolicy:
    """The stage's choice, for everything that holds data.

    What is retained outlives its stack, but not a first deployment that fails: CloudFormation takes back what
    that deployment itself has made, so that nothing is left that costs money or stands in the next one's way.
    """
    return cdk.RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE if retains(stage) else cdk.RemovalPolicy.DESTROY


def retains(stage: StageConfig) -> bool:
    """Whether the stage's data outlives its stack."""
    return stage.removal == "retain"


def protected(stage: StageConfig) -> bool | None:
    """Whether the template itself asks for protection against deletion; None leaves the property out.

    A first deployment must not: protection stands in the way of taking it back. `onramp protect` switches it
    on afterwards, and ``stage.protected`` keeps a later deployment from switching it off again.
    """
    return True if stage.protected else None
