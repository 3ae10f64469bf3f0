"""The store on one DynamoDB table: `table` is the table, `items` how records look in it, `store` the port."""

from onramp.adapters.dynamo.store import FACTS_KEPT, DynamoStore

__all__ = ["FACTS_KEPT", "DynamoStore"]
