"""The project's table, made with boto3 alone: keys, indexes, stream and expiry as the stack makes them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.literals import KeyTypeType
    from mypy_boto3_dynamodb.type_defs import KeySchemaElementTypeDef

KEY: Final = ("pk", "sk")
INDEXES: Final[Mapping[str, tuple[str, ...]]] = {
    "by_tenant": ("tenant_key", "created_key"),
    "by_due": ("due_shard", "due_at"),
    "by_channel": ("channel_key",),
    "by_digits": ("digits_key",),
    "by_waba": ("waba_key",),
    "by_place": ("place_key", "place_sort"),
}
"""By name: the attributes of its key. A test compares them with the template."""
EXPIRES: Final = "expires_at_epoch"


def make_table(client: "DynamoDBClient", name: str) -> None:
    """Make the table `name`."""
    attributes = sorted({attribute for key in (KEY, *INDEXES.values()) for attribute in key})
    client.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": attribute, "AttributeType": "S"} for attribute in attributes],
        KeySchema=_key(KEY),
        GlobalSecondaryIndexes=[
            {"IndexName": index, "KeySchema": _key(key), "Projection": {"ProjectionType": "KEYS_ONLY"}}
            for index, key in INDEXES.items()
        ],
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
    )
    client.update_time_to_live(
        TableName=name, TimeToLiveSpecification={"Enabled": True, "AttributeName": EXPIRES}
    )


def _key(attributes: tuple[str, ...]) -> "list[KeySchemaElementTypeDef]":
    roles: tuple[KeyTypeType, ...] = ("HASH", "RANGE")
    return [{"AttributeName": name, "KeyType": role} for name, role in zip(attributes, roles, strict=False)]
