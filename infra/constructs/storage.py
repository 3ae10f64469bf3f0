"""The table that holds every record, its indexes, and its stream."""

from collections.abc import Mapping
from types import MappingProxyType

from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_kms as kms
from constructs import Construct

from infra.config import StageConfig
from infra.constructs.removal import removal_policy
from infra.grants import IndexName

# By name: the attributes of its key. An item that lacks one of them is not in the index. Keys alone are
# projected: what an index finds is read again before anybody acts on it, and a write costs nothing there
# unless it changes the key.
INDEXES: Mapping[IndexName, tuple[str, ...]] = MappingProxyType(
    {
        "by_tenant": ("tenant_key", "created_key"),  # a tenant's signups or numbers of one status, by age
        "by_due": ("due_shard", "due_at"),  # what has to be done, by the time it is due
        "by_channel": ("channel_key",),  # numbers by their channel, or by their WABA while they have none
        "by_digits": ("digits_key",),  # numbers by their digits
        "by_waba": ("waba_key",),  # numbers by their WABA, also those that have a channel
        "by_place": ("place_key", "place_sort"),  # 360dialog's events by what they are about
    }
)
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
            stream=dynamodb.StreamViewType.NEW_IMAGE,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            # Deletion protection is left out, on or off: `onramp protect` switches it on, and CloudFormation
            # leaves alone what no template has ever named.
            removal_policy=removal_policy(stage),
        )
        for name, (partition, *sort) in INDEXES.items():
            self.table.add_global_secondary_index(
                index_name=name,
                partition_key=dynamodb.Attribute(name=partition, type=text),
                sort_key=dynamodb.Attribute(name=sort[0], type=text) if sort else None,
                projection_type=dynamodb.ProjectionType.KEYS_ONLY,
            )

    @property
    def stream_arn(self) -> str:
        """The ARN of the table's stream."""
        arn = self.table.table_stream_arn
        if arn is None:
            raise TypeError("the table has no stream")
        return arn

    def index_arn(self, name: IndexName) -> str:
        """The ARN of one of the table's indexes."""
        return f"{self.table.table_arn}/index/{name}"
