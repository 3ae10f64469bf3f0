"""The table that holds every record."""

import aws_cdk as cdk
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_kms as kms
from constructs import Construct

from infra.config import StageConfig
from infra.constructs.removal import removal_policy

BY_TENANT = "by_tenant"
BY_DUE = "by_due"
TTL_ATTRIBUTE = "expires_at_epoch"


class Storage(Construct):
    """One table on demand, encrypted with a key of its own, recoverable to any second of 35 days."""

    def __init__(self, scope: Construct, construct_id: str, *, stage: StageConfig, key: kms.IKey) -> None:
        super().__init__(scope, construct_id)
        text = dynamodb.AttributeType.STRING
        self.table = dynamodb.Table(
            self,
            "Table",
            partition_key=dynamodb.Attribute(name="pk", type=text),
            sort_key=dynamodb.Attribute(name="sk", type=text),
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            encryption=dynamodb.TableEncryption.CUSTOMER_MANAGED,
            encryption_key=key,
            time_to_live_attribute=TTL_ATTRIBUTE,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            removal_policy=removal_policy(stage),
            deletion_protection=removal_policy(stage) is cdk.RemovalPolicy.RETAIN,
        )
        # A tenant's signups, newest first.
        self.table.add_global_secondary_index(
            index_name=BY_TENANT,
            partition_key=dynamodb.Attribute(name="tenant_key", type=text),
            sort_key=dynamodb.Attribute(name="created_key", type=text),
            projection_type=dynamodb.ProjectionType.ALL,
        )
        # Work by the time it is due; only items with pending work are in it.
        self.table.add_global_secondary_index(
            index_name=BY_DUE,
            partition_key=dynamodb.Attribute(name="due_shard", type=text),
            sort_key=dynamodb.Attribute(name="due_at", type=text),
            projection_type=dynamodb.ProjectionType.KEYS_ONLY,
        )

    def index_arn(self, name: str) -> str:
        """The ARN of one of the table's indexes."""
        return f"{self.table.table_arn}/index/{name}"
