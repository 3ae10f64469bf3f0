"""A DynamoDB in memory that counts what the real one would charge: request units and round trips.

It understands the requests that `onramp.adapters.dynamo.table` makes, and no others. The suite of the stores
runs on it too, so that its answers are those of the other emulators. Its indexes are sorted lists: a hundred
thousand records cost it no more than ten.

Units are worked out from the real size of every item by DynamoDB's rules: a read has 4 KB and costs half
through an index, a write 1 KB and costs twice within a transaction; an index entry whose key changes is
removed and made again.
"""

import re
from bisect import bisect_left, insort
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from harness.table import INDEXES as DECLARED
from onramp.adapters.aws_light import AwsError

type Item = dict[str, dict[str, Any]]
type Key = tuple[str, str]

KIB: Final = 1024
INDEXES: Final[Mapping[str, tuple[str, str | None]]] = {
    name: (keys[0], keys[1] if len(keys) > 1 else None) for name, keys in DECLARED.items()
}
"""Partition key and sort key of each index, if it has one."""
_TERM: Final = re.compile(
    r"attribute_not_exists\((?P<absent>#\w+)\)"
    r"|begins_with\((?P<begins>#\w+), (?P<prefix>:\w+)\)"
    r"|(?P<between>#\w+) BETWEEN (?P<low>:\w+) AND (?P<high>:\w+)"
    r"|(?P<name>#\w+) (?P<op><=|>=|=|<|>) (?P<value>:\w+)"
)


@dataclass(slots=True)
class Units:
    """What was asked of the table: round trips, and request units by kind."""

    calls: int = 0
    reads: float = 0
    writes: float = 0
    index_writes: float = 0

    @property
    def written(self) -> float:
        """Write units, indexes included."""
        return self.writes + self.index_writes

    def since(self, before: "Units") -> "Units":
        """What has come since."""
        return Units(
            self.calls - before.calls,
            self.reads - before.reads,
            self.writes - before.writes,
            self.index_writes - before.index_writes,
        )

    def copy(self) -> "Units":
        """As it stands."""
        return Units(self.calls, self.reads, self.writes, self.index_writes)


def size_of(item: Mapping[str, Mapping[str, Any]]) -> int:
    """Bytes of an item as DynamoDB counts them: names and values."""
    return sum(len(name.encode()) + _size_of_value(value) for name, value in item.items())


def _size_of_value(value: Mapping[str, Any]) -> int:
    if "N" in value:
        return (len(value["N"]) + 1) // 2 + 1
    content = value["S"].encode() if "S" in value else value["B"]
    return len(content)


def units(size: float, step: int) -> int:
    """Whole units of `step` bytes, at least one."""
    return max(1, -(-int(size) // step))


def _error(code: str, *reasons: str) -> AwsError:
    return AwsError(f"dynamodb: 400 {code}", code=code, status=400, reasons=reasons)


@dataclass
class CountingDynamo:
    """As much of boto3's low-level client as the store uses, for one table. `spent` is the bill."""

    spent: Units = field(default_factory=Units)
    items: dict[Key, Item] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Sorted entries of the table and its indexes: partition, then sort key, then the item's key."""
        self._sorted: dict[str, dict[str, list[tuple[str, Key]]]] = {name: {} for name in ("", *INDEXES)}

    # -- reads

    def get_item(self, **request: Any) -> dict[str, Any]:
        """A strongly consistent read."""
        item = self.items.get(_key(request["Key"]))
        self._read([item or {}])
        return {"Item": dict(item)} if item else {}

    def batch_get_item(self, **request: Any) -> dict[str, Any]:
        """Several of them in one round trip; each is charged by itself."""
        ((table, asked),) = request["RequestItems"].items()
        items = [self.items.get(_key(key)) for key in asked["Keys"]]
        self._read([item or {} for item in items])
        return {"Responses": {table: [dict(item) for item in items if item]}, "UnprocessedKeys": {}}

    def query(self, **request: Any) -> dict[str, Any]:
        """A page of one partition, of the table or an index."""
        index = request.get("IndexName", "")
        partition, sort = INDEXES[index] if index else ("pk", "sk")
        terms = list(_terms(request))
        wanted = next(value for name, op, value in terms if name == partition and op == "=")
        entries = self._sorted[index].get(wanted, [])
        low, high = _range(sort, terms)
        found = entries[bisect_left(entries, (low,)) : bisect_left(entries, (high,))]
        if not request["ScanIndexForward"]:
            found = found[::-1]
        start = request.get("ExclusiveStartKey")
        if start:
            found = found[[key for _, key in found].index(_key(start)) + 1 :]
        page = found[: request.get("Limit", len(found))]
        items = [self._shown(index, key) for _, key in page]
        self.spent.calls += 1
        self.spent.reads += units(sum(map(size_of, items)), 4 * KIB) * (0.5 if index else 1)
        answer: dict[str, Any] = {"Items": items}
        if len(page) < len(found):
            answer["LastEvaluatedKey"] = _typed(page[-1][1])
        return answer

    def scan(self, **request: Any) -> dict[str, Any]:
        """A page of the whole table; what is read is charged, whatever the filter leaves of it."""
        keys = list(self.items)
        start = request.get("ExclusiveStartKey")
        first = keys.index(_key(start)) + 1 if start else 0
        page = keys[first : first + request.get("Limit", len(keys))]
        items = [self.items[key] for key in page]
        self.spent.calls += 1
        self.spent.reads += units(sum(map(size_of, items)), 4 * KIB) * 0.5
        answer: dict[str, Any] = {"Items": [dict(item) for item in items if self._passes(request, item)]}
        if first + len(page) < len(keys):
            answer["LastEvaluatedKey"] = _typed(page[-1])
        return answer

    @staticmethod
    def _passes(request: Mapping[str, Any], item: Item) -> bool:
        return "FilterExpression" not in request or _holds(request, item)

    def _read(self, items: Sequence[Mapping[str, Any]]) -> None:
        self.spent.calls += 1
        self.spent.reads += sum(units(size_of(item), 4 * KIB) for item in items)

    def _shown(self, index: str, key: Key) -> Item:
        item = self.items[key]
        if not index:
            return dict(item)
        names = ("pk", "sk", *(name for name in INDEXES[index] if name))
        return {name: item[name] for name in names}

    # -- writes

    def put_item(self, **request: Any) -> dict[str, Any]:
        """A write of a whole item."""
        self._write([{"Put": request}], times=1)
        return {}

    def update_item(self, **request: Any) -> dict[str, Any]:
        """A change of an item."""
        self._write([{"Update": request}], times=1)
        return {}

    def delete_item(self, **request: Any) -> dict[str, Any]:
        """The end of an item."""
        self._write([{"Delete": request}], times=1)
        return {}

    def transact_write_items(self, **request: Any) -> dict[str, Any]:
        """All or nothing: each member costs twice; the indexes follow on their own."""
        self._write(request["TransactItems"], times=2)
        return {}

    def _write(self, actions: Sequence[Mapping[str, Any]], *, times: int) -> None:
        planned = [self._plan(next(iter(action.items()))) for action in actions]
        reasons = ["None" if fits else "ConditionalCheckFailed" for fits, *_ in planned]
        self.spent.calls += 1
        if not all(fits for fits, *_ in planned):
            if times == 1:
                raise _error("ConditionalCheckFailedException")
            raise _error("TransactionCanceledException", *reasons)
        for _, key, before, after in planned:
            self.spent.writes += times * units(max(size_of(before or {}), size_of(after)), KIB)
            self.spent.index_writes += sum(_entry_units(index, before, after) for index in INDEXES)
            self._store(key, before, after)

    def _plan(self, action: tuple[str, Mapping[str, Any]]) -> tuple[bool, Key, Item | None, Item]:
        kind, request = action
        key = _key(request["Item"] if kind == "Put" else request["Key"])
        before = self.items.get(key)
        fits = "ConditionExpression" not in request or _holds(request, before or {}, "ConditionExpression")
        if kind == "Delete":
            return fits, key, before, {}
        after = dict(request["Item"]) if kind == "Put" else _updated(request, before or {}, key)
        return fits, key, before, after

    def _store(self, key: Key, before: Item | None, after: Item) -> None:
        for index in ("", *INDEXES):
            old, new = _place(index, before), _place(index, after)
            if old == new:
                continue
            if old is not None:
                entries = self._sorted[index][old[0]]
                del entries[bisect_left(entries, (old[1], key))]
            if new is not None:
                insort(self._sorted[index].setdefault(new[0], []), (new[1], key))
        if after:
            self.items[key] = after
        else:
            self.items.pop(key, None)


def _key(typed: Mapping[str, Any]) -> Key:
    return typed["pk"]["S"], typed["sk"]["S"]


def _typed(key: Key) -> dict[str, Any]:
    return {"pk": {"S": key[0]}, "sk": {"S": key[1]}}


def _place(index: str, item: Item | None) -> tuple[str, str] | None:
    """Where an item stands in an index: its partition and sort key, if it has both."""
    partition, sort = INDEXES[index] if index else ("pk", "sk")
    if item is None or partition not in item or (sort is not None and sort not in item):
        return None
    return item[partition]["S"], item[sort]["S"] if sort else ""


def _entry_units(index: str, before: Item | None, after: Item) -> int:
    """Write units of an index for a change of an item."""
    old, new = _place(index, before), _place(index, after)
    if old == new:
        return 0
    names = ("pk", "sk", *(name for name in INDEXES[index] if name))
    sides = [item for item, place in ((before, old), (after, new)) if place and item]
    return sum(units(size_of({name: side[name] for name in names}), KIB) for side in sides)


def _updated(request: Mapping[str, Any], before: Item, key: Key) -> Item:
    """What an update makes of an item: `SET #a = :a, …` and `REMOVE #b, …`."""
    change, _, removed = request["UpdateExpression"].partition(" REMOVE ")
    names, values = request["ExpressionAttributeNames"], request["ExpressionAttributeValues"]
    after = {**before, **_typed(key)}
    for part in change.removeprefix("SET ").split(", "):
        name, _, value = part.partition(" = ")
        after[names[name]] = values[value]
    for name in filter(None, removed.split(", ")):
        after.pop(names[name], None)
    return after


def _terms(
    request: Mapping[str, Any], member: str = "KeyConditionExpression"
) -> Iterator[tuple[str, str, Any]]:
    """The conditions of an expression: attribute, operator, operand."""
    names = request["ExpressionAttributeNames"]
    values = {name: _plain(value) for name, value in request.get("ExpressionAttributeValues", {}).items()}
    for found in _TERM.finditer(request[member]):
        if found["absent"]:
            yield names[found["absent"]], "absent", None
        elif found["begins"]:
            yield names[found["begins"]], "begins", values[found["prefix"]]
        elif found["between"]:
            yield names[found["between"]], ">=", values[found["low"]]
            yield names[found["between"]], "<=", values[found["high"]]
        else:
            yield names[found["name"]], found["op"], values[found["value"]]


def _range(sort: str | None, terms: Sequence[tuple[str, str, Any]]) -> tuple[str, str]:
    """The sort keys that a query's conditions leave, from the first to behind the last."""
    low, high = "", "\U0010ffff"
    for name, op, value in terms:
        if name != sort:
            continue
        if op == "begins":
            low, high = value, value + "\U0010ffff"
        if op == "=":
            low, high = value, value + "\x00"
        if op == ">=":
            low = value
        if op == "<=":
            high = value + "\x00"
    return low, high


def _holds(request: Mapping[str, Any], item: Item, member: str = "FilterExpression") -> bool:
    """Whether an item meets a condition; several are joined by `OR` alone, or by `AND` alone."""
    results = [_meets(item, *term) for term in _terms(request, member)]
    return any(results) if " OR " in request[member] else all(results)


def _meets(item: Item, name: str, op: str, value: Any) -> bool:
    if op == "absent":
        return name not in item
    if name not in item:
        return False
    found = _plain(item[name])
    if op == "begins":
        return str(found).startswith(value)
    return bool({"=": found == value, "<=": found <= value, ">=": found >= value, "<": found < value}[op])


def _plain(value: Mapping[str, Any]) -> Any:
    return int(value["N"]) if "N" in value else value.get("S", value.get("B"))
