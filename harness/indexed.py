"""The memory store with indexes as the real one has them, so that a find does not read every number."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from onramp.adapters.memory import MemoryStore
from onramp.domain.number import Number
from onramp.domain.records import Stored


class IndexedStore(MemoryStore):
    """For worlds with thousands of numbers; what it finds is what the memory store finds."""

    def __init__(self, clock: Any) -> None:
        super().__init__(clock)
        self._found: dict[tuple[str, ...], set[str]] = defaultdict(set)
        self._under: dict[str, set[tuple[str, ...]]] = defaultdict(set)

    def commit(self, *records: Stored, facts: Sequence[Any] = (), gone: Sequence[Any] = ()) -> None:
        super().commit(*records, facts=facts, gone=gone)
        for record in records:
            if isinstance(record, Number):
                self._index(record)

    def _index(self, number: Number) -> None:
        name = number.phone_number_id
        places = {
            ("at", number.place),
            ("in", number.hub, number.waba.id),
            ("with", number.hub, number.digits),
        }
        for gone in self._under[name] - places:
            self._found[gone].discard(name)
        for place in places:
            self._found[place].add(name)
        self._under[name] = places

    def numbers_at(self, place: str, limit: int) -> Sequence[str]:
        return sorted(self._found["at", place])[:limit]

    def numbers_in(self, hub: str, waba_id: str, limit: int) -> Sequence[str]:
        return sorted(self._found["in", hub, waba_id])[:limit]

    def numbers_with(self, hub: str, digits: str) -> Sequence[str]:
        return sorted(self._found["with", hub, digits])
