"""The stores on one DynamoDB table; each module beside this one says how its part is found.

| module           | holds                                            |
|------------------|--------------------------------------------------|
| `dynamo_signups` | signups, idempotency keys, claims, pointers      |
| `dynamo_clients` | clients by tenant and email, owners of clients   |
| `dynamo_events`  | partner events, those that wait for their signup |
| `dynamo_budget`  | the partner budget                               |
| `dynamo_table`   | what they share                                  |
"""

from onramp.adapters.dynamo_budget import DynamoBudget
from onramp.adapters.dynamo_clients import DynamoClients
from onramp.adapters.dynamo_events import DynamoEvents
from onramp.adapters.dynamo_signups import DynamoSignups

__all__ = ["DynamoBudget", "DynamoStore"]


class DynamoStore(DynamoSignups, DynamoClients, DynamoEvents):
    """`SignupStore`, `ClientStore` and `EventStore` in one, for they are written together."""
