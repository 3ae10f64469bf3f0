"""The single table as the store needs it: plain items, conditions, one write or one transaction.

Each error of AWS becomes one of three: `Refused` (a condition was not met), `Busy` (somebody else writes the
same item at this moment), `UnavailableError` (everything else; a write may have worked all the same).
"""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from onramp.adapters.aws_light import AwsError
from onramp.domain.errors import OnrampError, UnavailableError
from onramp.domain.values import dataclass
from onramp.ports.services import Clock

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef as AttributeValue

type Value = str | int | bytes
type Item = Mapping[str, Any]
"""Attributes by name, each a `Value`; absent ones are missing, never null."""
type Key = tuple[str, str]
"""Partition key and sort key."""
type Action = Mapping[str, Mapping[str, Any]]
"""One member of a transaction, by its kind; each can also be written alone."""

LONGEST_PART: Final = 900
"""Bytes of one part of a key: two parts and their prefix stay below DynamoDB's 2,048."""
AT_ONCE: Final = 100
"""Items of one BatchGetItem."""
TRIES: Final = 8
"""Writes of a patient caller before it gives up; the pauses between them add up to less than a second."""
LONGEST_PAUSE: Final = 0.2

_BUSY: Final = frozenset({"TransactionConflictException", "TransactionInProgressException"})
_ESCAPED: Final = re.compile("[#%~\x00-\x1f\ud800-\udfff]")
_NAME: Final = re.compile(r"#(\w+)")
_WHOLE: Final = re.compile(r"-?\d+\Z")


class Refused(OnrampError):
    """A condition was not met."""


class Busy(OnrampError):
    """Somebody else writes one of the items at this moment."""


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
    """One table, through a low-level client as boto3 spells it, whose errors are `AwsError`."""

    def __init__(self, client: "DynamoDBClient", name: str, clock: Clock) -> None:
        self._client = client
        self._name = name
        self._clock = clock

    def get(self, key: Key) -> Item | None:
        """The item as it is now (strongly consistent), or None."""
        try:
            answer = self._client.get_item(TableName=self._name, Key=_key(key), ConsistentRead=True)
        except AwsError as trouble:
            raise UnavailableError(trouble.code) from trouble
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
            except AwsError as trouble:
                raise UnavailableError(trouble.code) from trouble
            yield from (_plain(item) for item in answer["Items"])
            if "LastEvaluatedKey" not in answer:
                return
            request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    def get_all(self, keys: Sequence[Key]) -> list[Item]:
        """Those items that exist, in no order, a hundred at a time. Raises `UnavailableError`."""
        found: list[Item] = []
        asked = [_key(key) for key in dict.fromkeys(keys)]
        tries = 0
        while asked:
            some, asked = asked[:AT_ONCE], asked[AT_ONCE:]
            request = {self._name: {"Keys": some, "ConsistentRead": True}}
            try:
                answer: Any = self._client.batch_get_item(RequestItems=request)  # type: ignore[arg-type]
            except AwsError as trouble:
                raise UnavailableError(trouble.code) from trouble
            found += [_plain(item) for item in answer.get("Responses", {}).get(self._name, ())]
            left = answer.get("UnprocessedKeys", {}).get(self._name, {}).get("Keys", [])
            if left:
                tries += 1
                if tries > TRIES:
                    raise UnavailableError("the table does not give all items")
                self.pause(tries)
                asked = [*left, *asked]
        return found

    def scan(self, where: When | None, start: Key | None, page: int) -> tuple[list[Item], Key | None]:
        """A page of the whole table, filtered after reading, and the key behind which it goes on.

        Without a filter it is strongly consistent.
        """
        request: dict[str, Any] = {"TableName": self._name, "Limit": page}
        if where is None:
            request |= {"ConsistentRead": True}
        else:
            request |= {
                "FilterExpression": where.expression,
                **_filled(where.expression, where.values),
            }
        request |= {"ExclusiveStartKey": _key(start)} if start else {}
        try:
            answer = self._client.scan(**request)
        except AwsError as trouble:
            raise UnavailableError(trouble.code) from trouble
        last = answer.get("LastEvaluatedKey")
        following = (last["pk"]["S"], last["sk"]["S"]) if last else None
        return [_plain(item) for item in answer["Items"]], following

    def put(self, key: Key, attributes: Mapping[str, Value]) -> Action:
        """Write a whole item."""
        item = _key(key) | {name: _value(value) for name, value in attributes.items()}
        return {"Put": {"TableName": self._name, "Item": item}}

    def set(self, key: Key, attributes: Mapping[str, Value | None], when: When) -> Action:
        """Set attributes of an item; None removes one, and what is not named stays as it is."""
        kept = {name: value for name, value in attributes.items() if value is not None}
        gone = [name for name, value in attributes.items() if value is None]
        change = "SET " + ", ".join(f"#{name} = :{name}" for name in kept)
        change += f" REMOVE {', '.join(f'#{name}' for name in gone)}" if gone else ""
        return {
            "Update": {
                "TableName": self._name,
                "Key": _key(key),
                "UpdateExpression": change,
                "ConditionExpression": when.expression,
                **_filled(f"{change} {when.expression}", {**when.values, **kept}),
            }
        }

    def delete(self, key: Key, when: When) -> Action:
        """Remove an item."""
        return {
            "Delete": {
                "TableName": self._name,
                "Key": _key(key),
                "ConditionExpression": when.expression,
                **_filled(when.expression, when.values),
            }
        }

    def write(self, actions: Sequence[Action], token: str) -> None:
        """All actions or none: one alone as a plain write, several as a transaction with `token`.

        Raises `Refused`, `Busy`, `UnavailableError`.
        """
        try:
            if len(actions) > 1:
                self._client.transact_write_items(
                    TransactItems=actions,  # type: ignore[arg-type]
                    ClientRequestToken=token,
                )
            elif "Put" in actions[0]:
                self._client.put_item(**actions[0]["Put"])
            elif "Delete" in actions[0]:
                self._client.delete_item(**actions[0]["Delete"])
            else:
                self._client.update_item(**actions[0]["Update"])
        except AwsError as trouble:
            raise _translated(trouble) from trouble

    def pause(self, tries: int) -> None:
        """Wait before the next try: longer each time, and by chance, so that rivals part."""
        self._clock.sleep(self._clock.draw() * min(LONGEST_PAUSE, 0.01 * 2**tries))


def _translated(trouble: AwsError) -> Exception:
    codes, code = trouble.reasons, trouble.code
    if code == "ConditionalCheckFailedException" or "ConditionalCheckFailed" in codes:
        return Refused(code)
    if "TransactionConflict" in codes or code in _BUSY:
        return Busy(code)
    text = ", ".join({code, *(code for code in codes if code and code != "None")})
    return UnavailableError(text)


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
    """What an item has, by name; what only a later release knows to read is left out."""
    plain: dict[str, Any] = {}
    for name, typed in item.items():
        match typed:
            case {"S": str(text)}:
                plain[name] = text
            case {"B": bytes(content)}:
                plain[name] = content
            case {"N": str(number)} if _WHOLE.match(number):
                plain[name] = int(number)
    return plain
