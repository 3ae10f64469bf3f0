"""Log groups: kept for as long as the stage says, and gone with the stack or not."""

from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.config import StageConfig
from infra.constructs.removal import removal_policy


def log_group(scope: Construct, construct_id: str, *, stage: StageConfig) -> logs.LogGroup:
    """A log group of the stage. Its name is CloudFormation's choice, so that no earlier one is in the way."""
    group = logs.LogGroup(scope, construct_id, removal_policy=removal_policy(stage))
    resource = group.node.default_child
    if not isinstance(resource, logs.CfnLogGroup):
        raise TypeError("the log group has another shape than expected")
    # The library has a name for each number of days that CloudWatch knows; the configuration has the numbers.
    resource.retention_in_days = stage.log_retention_days
    return group
