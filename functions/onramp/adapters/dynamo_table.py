"""The single table, as far as every store needs it: plain items, conditions, one write or one transaction.

Each boto3 error becomes one of three: `Refused` (a condition was not met), `Conflict` (somebody else writes
the same item at this moment), `UnavailableError` (everything else).
"""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from botocore.exceptions import BotoCoreError, ClientError

from onramp.ports import Clock, Conflict, UnavailableError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef as AttributeValue

type Value = str | int | bytes
type Item = Mapping[str, Any]
"""Attributes by name, each a `Value`; absent ones are missing, never null."""
type Key = tuple[str, str]
"""Partition key and sort key."""
type Action = Mapping[str, Mapping[str, Any]]
"""One member of a transaction, by its kind; a put or an update can also be written alone."""

EXPIRY: Final = "expires_at_epoch"
LONGEST_PART: Final = 900
"""Bytes of one part of a key: two parts and their prefix stay below DynamoDB's 2,048."""
TRIES: Final = 8
"""Writes of a patient caller before it gives up; the pauses between them add up to less than a second."""
LONGEST_PAUSE: Final = 0.2

_ESCAPED: Final = re.compile("[#%~\x00-\x1f\ud800-\udfff]")
_NAME: Final = re.compile(r"#(\w+)")


class Refused(Exception):
    """Conditions were not met. `indexes` says of which actions."""

    def __init__(self, indexes: Sequence[int]) -> None:
        super().__init__(f"conditions of actions {list(indexes)}")
        self.indexes = frozenset(indexes)


def part(text: str) -> str:
    """A part of a key from any text: without `#`, never the same for two texts; hashed when it is long."""
    plain = _ESCAPED.sub(_escape, text)
    encoded = plain.encode()
    if len(encoded) <= LONGEST_PART:
        return plain
    return f"~{hashlib.sha256(encoded).hexdigest()}"


def unpart(text: str) -> str:
    """The reverse of `part`. A hashed part cannot be read back and raises `ValueError`."""
    if text.startswith("~"):
        raise ValueError("the part is hashed")
    return unquote(text, errors="surrogatepass")


def _escape(found: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in found.group().encode("utf-8", "surrogatepass"))


def expired(item: Item, now: datetime) -> bool:
    """Whether an item has outlived itself; DynamoDB removes it hours or days later."""
    return EXPIRY in item and int(item[EXPIRY]) <= now.timestamp()


@dataclass(frozen=True, slots=True)
class When:
    """A condition. Attributes are written `#name`, values `:name`."""

    expression: str
    values: Mapping[str, Value]

    @classmethod
    def of(cls, expression: str, **values: Value) -> "When":
        """A condition with its values by name."""
        return cls(expression, values)


MISSING: Final = When("attribute_not_exists(#pk)", {})


class Table:
    """One table, through a low-level client of boto3."""

    def __init__(self, client: "DynamoDBClient", name: str, clock: Clock) -> None:
        self._client = client
        self._name = name
        self._clock = clock

    def get(self, key: Key) -> Item | None:
        """The item as it is now (strongly consistent), or None."""
        try:
            answer = self._client.get_item(TableName=self._name, Key=_key(key), ConsistentRead=True)
        except (ClientError, BotoCoreError) as trouble:
            raise UnavailableError(_code(trouble)) from trouble
        return _plain(answer["Item"]) if "Item" in answer else None

    def query(
        self,
        where: When,
        *,
        index: str | None = None,
        newest_first: bool = False,
        page: int | None = None,
    ) -> Iterator[Item]:
        """Items in the order of their sort key, read `page` at a time as long as the caller goes on.

        Strongly consistent, but through an index.
        """
        request: dict[str, Any] = {
            "TableName": self._name,
            "KeyConditionExpression": where.expression,
            "ScanIndexForward": not newest_first,
            **_filled(where.expression, where.values),
        }
        request |= {"IndexName": index} if index else {"ConsistentRead": True}
        request |= {"Limit": page} if page else {}
        while True:
            try:
                answer = self._client.query(**request)
            except (ClientError, BotoCoreError) as trouble:
                raise UnavailableError(_code(trouble)) from trouble
            yield from (_plain(item) for item in answer["Items"])
            if "LastEvaluatedKey" not in answer:
                return
            request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    def put(self, key: Key, attributes: Mapping[str, Value | None], when: When | None = None) -> Action:
        """Write a whole item; None leaves an attribute out."""
        item = _key(key) | {name: _value(value) for name, value in attributes.items() if value is not None}
        return {"Put": {"TableName": self._name, "Item": item, **_conditional(when)}}

    def update(self, key: Key, change: str, when: When | None = None, **values: Value) -> Action:
        """Change an item by an update expression, with its values by name."""
        request: dict[str, Any] = {
            "TableName": self._name,
            "Key": _key(key),
            "UpdateExpression": change,
            **_filled(
                f"{change} {when.expression if when else ''}", {**(when.values if when else {}), **values}
            ),
        }
        return {"Update": request | ({"ConditionExpression": when.expression} if when else {})}

    def delete(self, key: Key) -> Action:
        """Remove an item, if it is there."""
        return {"Delete": {"TableName": self._name, "Key": _key(key)}}

    def check(self, key: Key, when: When) -> Action:
        """Only the condition, as part of a transaction."""
        return {"ConditionCheck": {"TableName": self._name, "Key": _key(key), **_conditional(when)}}

    def write(self, *actions: Action) -> None:
        """All actions or none: one alone as a plain write, several as a transaction.

        Raises `Refused`, `Conflict`, `UnavailableError`.
        """
        try:
            if len(actions) > 1:
                self._client.transact_write_items(TransactItems=actions)  # type: ignore[arg-type]
            elif "Put" in actions[0]:
                self._client.put_item(**actions[0]["Put"])
            else:
                self._client.update_item(**actions[0]["Update"])
        except ClientError as trouble:
            raise _translated(trouble) from trouble
        except BotoCoreError as trouble:
            raise UnavailableError(_code(trouble)) from trouble

    def write_patiently(self, *actions: Action) -> None:
        """As `write`, and again while others write the same items. Raises `Refused`, `UnavailableError`."""
        for tries in range(TRIES):
            try:
                return self.write(*actions)
            except Conflict:
                self.pause(tries)
        raise UnavailableError("others keep writing the same items")

    def pause(self, tries: int) -> None:
        """Wait before the next try: longer each time, and by chance, so that rivals part."""
        self._clock.sleep(self._clock.draw() * min(LONGEST_PAUSE, 0.01 * 2**tries))


class OnTable:
    """What every store starts with: the table, through a low-level client of boto3, and a clock."""

    def __init__(self, client: "DynamoDBClient", table_name: str, clock: Clock) -> None:
        self._table = Table(client, table_name, clock)
        self._clock = clock


def _translated(trouble: ClientError) -> Exception:
    response: Mapping[str, Any] = trouble.response
    codes = [reason.get("Code") for reason in response.get("CancellationReasons", ())]
    if _code(trouble) == "ConditionalCheckFailedException":
        return Refused([0])
    if "ConditionalCheckFailed" in codes:
        return Refused([index for index, code in enumerate(codes) if code == "ConditionalCheckFailed"])
    if "TransactionConflict" in codes or _code(trouble) in {
        "TransactionConflictException",
        "TransactionInProgressException",
    }:
        return Conflict()
    return UnavailableError(", ".join({_code(trouble), *(code for code in codes if code and code != "None")}))


def _code(trouble: ClientError | BotoCoreError) -> str:
    if isinstance(trouble, ClientError):
        return trouble.response.get("Error", {}).get("Code", "")
    return type(trouble).__name__


def _conditional(when: When | None) -> dict[str, Any]:
    if when is None:
        return {}
    return {"ConditionExpression": when.expression, **_filled(when.expression, when.values)}


def _filled(expression: str, values: Mapping[str, Value]) -> dict[str, Any]:
    filled: dict[str, Any] = {
        "ExpressionAttributeNames": {f"#{name}": name for name in _NAME.findall(expression)}
    }
    if values:
        filled["ExpressionAttributeValues"] = {f":{name}": _value(value) for name, value in values.items()}
    return filled


def _key(key: Key) -> "dict[str, AttributeValue]":
    return {"pk": {"S": key[0]}, "sk": {"S": key[1]}}


def _value(value: Value) -> "AttributeValue":
    if isinstance(value, bytes):
        return {"B": value}
    return {"S": value} if isinstance(value, str) else {"N": str(value)}


def _plain(item: "Mapping[str, AttributeValue]") -> Item:
    plain: dict[str, Any] = {}
    for name, typed in item.items():
        if "N" in typed:
            plain[name] = int(typed["N"])
        else:
            plain[name] = typed["S"] if "S" in typed else typed["B"]
    return plain
