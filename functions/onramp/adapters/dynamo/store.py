"""`onramp.ports.storage.Store` on one DynamoDB table; `items` says how records look in it."""

import heapq
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Final

from onramp.adapters.dynamo.items import (
    EXPIRY,
    LOST,
    REQUESTS,
    RESOLVED,
    UNRESOLVED,
    attempts_key,
    attributes_of,
    created_key,
    days_of,
    deliveries_key,
    delivery_states_of,
    digits_key,
    due_key,
    due_of,
    events_key,
    fact_item,
    fact_of,
    fact_place,
    found_of,
    key_of,
    link_statuses_of,
    links_key,
    numbers_key,
    opened_key,
    place_position,
    position_of,
    record_of,
    signups_key,
    standings_of,
    statuses_of,
)
from onramp.adapters.dynamo.table import (
    TRIES,
    Action,
    Busy,
    Item,
    Key,
    Refused,
    Table,
    When,
    unpart,
)
from onramp.domain.errors import Conflict, UnavailableError, Unreadable
from onramp.domain.ledger import EventRecord
from onramp.domain.notifications import Delivery
from onramp.domain.number import waba_place
from onramp.domain.records import Fact, Stored
from onramp.domain.states import Standing
from onramp.domain.text import iso
from onramp.ports.services import Clock
from onramp.ports.storage import Due, Found, Line, Position, Span

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

LONGEST_TOKEN: Final = 36
"""Characters of a transaction's request token."""
FACTS_KEPT: Final = timedelta(days=400)
"""How long a fact is kept, unless the configuration says something else."""
SCANNED: Final = 1_000
"""Items of one page when the whole table is read."""


def _ignore(_: str) -> None:
    return


class DynamoStore:
    """The store. `on_unreadable` hears of items that are left out of a list because they cannot be read."""

    def __init__(
        self,
        client: "DynamoDBClient",
        table_name: str,
        clock: Clock,
        on_unreadable: Callable[[str], None] = _ignore,
        *,
        facts_kept: timedelta = FACTS_KEPT,
    ) -> None:
        self._table = Table(client, table_name, clock)
        self._clock = clock
        self._on_unreadable = on_unreadable
        self._facts_kept = facts_kept

    # -- records

    def read[R: Stored](self, kind: type[R], *identity: str) -> R | None:
        """See `Store.read`."""
        item = self._table.get(key_of(kind.KIND, identity))
        return None if item is None or self._outlived(item) else record_of(kind, item)

    def read_all[R: Stored](self, kind: type[R], identities: Sequence[tuple[str, ...]]) -> list[R]:
        """See `Store.read_all`. What cannot be read is left out."""
        keys = [key_of(kind.KIND, identity) for identity in identities]
        found = {(item["pk"], item["sk"]): item for item in self._table.get_all(keys)} if keys else {}
        items = (found[key] for key in keys if key in found and not self._outlived(found[key]))
        return list(self._readable(kind, items))

    def commit(
        self, *records: Stored, facts: Sequence[Fact] = (), gone: Sequence[Found | Stored] = ()
    ) -> None:
        """See `Store.commit`."""
        if not records and not facts:
            self._remove(gone)
            return
        mark = self._clock.new_id()
        told = [fact for record in records for fact in record.told] + list(facts)
        told = [fact.model_copy(update={"id": f"{mark}{index:02x}"}) for index, fact in enumerate(told)]
        actions = [
            self._table.set(
                key_of(record.KIND, record.identity), attributes_of(record, mark), self._unchanged(record)
            )
            for record in records
        ]
        items = [fact_item(fact, self._facts_kept) for fact in told]
        actions += [self._table.put(key, attributes) for key, attributes in items]
        actions += [self._table.delete(*_as_found(found)) for found in gone]
        keys = [key_of(record.KIND, record.identity) for record in records] + [key for key, _ in items]
        # A fact is the better witness of a write: nobody writes over it.
        self._write(actions, mark, keys[-1])
        for record in records:
            record.version += 1
            record.told.clear()

    def _remove(self, gone: Sequence[Found | Stored]) -> None:
        """Remove items and write nothing beside them; what is not there any more counts as removed."""
        for found in gone:
            place, when = _as_found(found)
            try:
                self._table.write([self._table.delete(place, when)], "")
            except (Refused, Busy) as refused:
                if self._table.get(place) is not None:
                    raise Conflict from refused

    def _write(self, actions: Sequence[Action], mark: str, witness: Key) -> None:
        """Write, and recognise the own write where its answer says nothing or that somebody was faster."""
        for tries in range(TRIES):
            try:
                self._table.write(actions, mark[:LONGEST_TOKEN])
            except Busy:
                self._table.pause(tries)
            except Refused as refused:
                if not self._is_mine(witness, mark):
                    raise Conflict from refused
                return
            except UnavailableError:
                # It may have worked: its answer was lost, or only the second of two tries was refused.
                if not self._is_mine(witness, mark):
                    raise
                return
            else:
                return
        raise Conflict

    def _is_mine(self, witness: Key, mark: str) -> bool:
        item = self._table.get(witness)
        return item is not None and (item.get("mark") == mark or str(item["sk"]).startswith(f"FACT#{mark}"))

    def _unchanged(self, record: Stored) -> When:
        if record.version:
            return When.of("#version = :seen", seen=record.version)
        now = int(self._clock.now().timestamp())
        return When.of(f"attribute_not_exists(#pk) OR #{EXPIRY} <= :now", now=now)

    def _outlived(self, item: Item) -> bool:
        """DynamoDB removes what has expired hours or days later."""
        return EXPIRY in item and int(item[EXPIRY]) <= self._clock.now().timestamp()

    def _readable[R: Stored](self, kind: type[R], items: Iterator[Item]) -> Iterator[R]:
        for item in items:
            try:
                yield record_of(kind, item)
            except Unreadable as trouble:
                self._on_unreadable(str(trouble))

    # -- items of every kind

    def browse(self, cursor: str | None, limit: int) -> tuple[list[Found], str | None]:
        """See `Store.browse`."""
        start = tuple(json.loads(cursor)) if cursor else None
        items, following = self._table.scan(None, start, limit)
        found = [found_of(item) for item in items if not self._outlived(item)]
        return found, json.dumps(following) if following else None

    # -- facts

    def facts_of(self, subject: str, limit: int) -> list[Fact]:
        """See `Store.facts_of`."""
        where = When.of("#pk = :pk AND begins_with(#sk, :facts)", pk=fact_place(subject), facts="FACT#")
        items = islice(self._table.query(where, newest_first=True, page=limit), limit)
        return list(reversed(list(self._facts(items))))

    def deliveries_for(self, subject: str, limit: int) -> list[Delivery]:
        """See `Store.deliveries_for`."""
        where = When.of("#pk = :pk AND begins_with(#sk, :kind)", pk=fact_place(subject), kind="DELIVERY#")
        items = islice(self._table.query(where, newest_first=True, page=limit), limit)
        return list(self._readable(Delivery, (item for item in items if not self._outlived(item))))

    def facts_since(
        self, since: datetime, until: datetime, cursor: str | None, limit: int
    ) -> tuple[list[Fact], str | None]:
        """See `Store.facts_since`. Reads a page of the table at a time, whatever it holds."""
        where = When.of(
            "begins_with(#sk, :facts) AND #at BETWEEN :since AND :until",
            facts="FACT#",
            since=iso(since),
            until=iso(until),
        )
        start = tuple(json.loads(cursor)) if cursor else None
        found: list[Fact] = []
        while True:
            items, following = self._table.scan(where, start, SCANNED)
            found += self._facts(iter(items))
            start = following
            if following is None or len(found) >= limit:
                return found, json.dumps(following) if following else None

    def _facts(self, items: Iterator[Item]) -> Iterator[Fact]:
        for item in items:
            try:
                yield fact_of(item)
            except Unreadable as trouble:
                self._on_unreadable(str(trouble))

    # -- through an index

    def due(self, before: datetime, limit: int, *, line: Line) -> Sequence[Due]:
        """See `Store.due`."""
        where = When.of("#due_shard = :line AND #due_at <= :before", line=line, before=f"{iso(before)}~")
        hits = islice(self._table.query(where, index="by_due", page=limit), limit)
        return [due_of(item, line) for item in hits]

    def postpone(self, hit: Due, until: datetime) -> bool:
        """See `Store.postpone`."""
        seen = When.of("#due_at = :seen", seen=due_key(hit.due_at, hit.since))
        later = due_key(until, hit.overdue_since)
        action = self._table.set(key_of(hit.kind, hit.identity), {"due_at": later}, seen)
        try:
            self._table.write([action], "")
        except (Refused, Busy):
            # Whoever writes it at this moment plans its time; otherwise the next sweep finds it again.
            return False
        return True

    def numbers_at(self, place: str, limit: int) -> Sequence[str]:
        """See `Store.numbers_at`."""
        return self._names(When.of("#channel_key = :place", place=place), "by_channel", limit)

    def numbers_in(self, hub: str, waba_id: str, limit: int) -> Sequence[str]:
        """See `Store.numbers_in`."""
        return self._names(When.of("#waba_key = :waba", waba=waba_place(hub, waba_id)), "by_waba", limit)

    def _names(self, where: When, index: str, limit: int) -> list[str]:
        return [_name(item) for item in islice(self._table.query(where, index=index, page=limit), limit)]

    def numbers_with(self, hub: str, digits: str) -> Sequence[str]:
        """See `Store.numbers_with`."""
        where = When.of("#digits_key = :digits", digits=digits_key(hub, digits))
        return [_name(item) for item in self._table.query(where, index="by_digits")]

    def ledger(self, place: str, limit: int) -> Sequence[EventRecord]:
        """See `Store.ledger`."""
        where = When.of(
            "#place_key = :place AND begins_with(#place_sort, :state)", place=place, state=f"{UNRESOLVED}#"
        )
        hits = islice(self._table.query(where, index="by_place", page=limit), limit)
        names = [tuple(unpart(name) for name in str(item["pk"]).split("#")[1:]) for item in hits]
        return [record for record in self.read_all(EventRecord, names) if record.may_act]

    def signups_of(
        self, tenant: str, status: str | None, before: Position | None, limit: int, now: datetime
    ) -> Sequence[Position]:
        """See `Store.signups_of`."""
        parts = [(signups_key(tenant, word), low, high) for word, low, high in statuses_of(status, now)]
        return self._newest(parts, before, limit)

    def links_of(
        self, tenant: str, status: str | None, before: Position | None, limit: int, now: datetime
    ) -> Sequence[Position]:
        """See `Store.links_of`."""
        parts = [(links_key(tenant, word), low, high) for word, low, high in link_statuses_of(status, now)]
        return self._newest(parts, before, limit)

    def deliveries_of(
        self, endpoint: str, state: str | None, since: datetime, before: Position | None, limit: int
    ) -> Sequence[Position]:
        """See `Store.deliveries_of`."""
        parts = [
            (deliveries_key(endpoint, word), low, high)
            for word, low, high in delivery_states_of(state, since)
        ]
        return self._newest(parts, before, limit)

    def numbers_of(
        self, tenant: str, standing: Standing | None, before: Position | None, limit: int
    ) -> Sequence[Position]:
        """See `Store.numbers_of`."""
        parts = [(numbers_key(tenant, word), low, high) for word, low, high in standings_of(standing)]
        return self._newest(parts, before, limit)

    def opened(self, span: Span, limit: int) -> Sequence[Position]:
        """See `Store.opened`."""
        return [position_of(item) for item in self._back(map(opened_key, days_of(span)), span, limit)]

    def attempts(self, span: Span, limit: int) -> Sequence[Fact]:
        """See `Store.attempts`."""
        hits = self._back(map(attempts_key, days_of(span)), span, limit)
        items = self._table.get_all([(hit["pk"], hit["sk"]) for hit in hits]) if hits else []
        living = (item for item in items if not self._outlived(item))
        return sorted(self._facts(living), key=_latest_first, reverse=True)

    def events(self, hub: str, span: Span, limit: int) -> Sequence[Position]:
        """See `Store.events`."""
        days = (events_key(hub, day) for day in days_of(span))
        return [position_of(item) for item in self._back(days, span, limit)]

    def events_at(self, place: str, span: Span, limit: int) -> Sequence[Position]:
        """See `Store.events_at`."""
        end = f"{created_key(span.before.at, span.before.id)}" if span.before else ""
        top = min(f"{iso(span.until)}~", end) if end else f"{iso(span.until)}~"
        queries = [
            self._table.query(
                When.of(
                    "#place_key = :place AND #place_sort BETWEEN :low AND :high",
                    place=place,
                    low=f"{state}#{iso(span.since)}",
                    high=f"{state}#{top}",
                ),
                index="by_place",
                newest_first=True,
                page=limit + 1,
            )
            for state in (UNRESOLVED, RESOLVED)
            if iso(span.since) <= top
        ]
        merged = heapq.merge(*queries, key=lambda item: str(item["place_sort"])[2:], reverse=True)
        hits = (item for item in merged if str(item["place_sort"])[2:] != end)
        return [place_position(item) for item in islice(hits, limit)]

    def _back(self, partitions: Iterable[str], span: Span, limit: int) -> list[Item]:
        """Hits of a span, from one partition of `by_tenant` to the one before it, until there are enough."""
        end = created_key(span.before.at, span.before.id) if span.before else ""
        low, high = iso(span.since), min(f"{iso(span.until)}~", end or "~")
        found: list[Item] = []
        for partition in dict.fromkeys(partitions):
            if len(found) >= limit or low > high:
                break
            where = When.of(
                "#tenant_key = :partition AND #created_key BETWEEN :low AND :high",
                partition=partition,
                low=low,
                high=high,
            )
            # One more, for the hit at which the page before has ended.
            hits = self._table.query(where, index="by_tenant", newest_first=True, page=limit + 1)
            new = (item for item in hits if item["created_key"] != end)
            found += islice(new, limit - len(found))
        return found

    def lost(self, before: Position | None, limit: int) -> Sequence[Position]:
        """See `Store.lost`."""
        return self._newest([(LOST, "", "~")], before, limit)

    def requests(self, before: Position | None, limit: int) -> Sequence[Position]:
        """See `Store.requests`."""
        return self._newest([(REQUESTS, "", "~")], before, limit)

    def _newest(
        self, parts: Sequence[tuple[str, str, str]], before: Position | None, limit: int
    ) -> Sequence[Position]:
        """The newest of several partitions of `by_tenant` together; of each no more is read than is given."""
        end = created_key(before.at, before.id) if before else "~"
        queries = [
            self._table.query(
                When.of(
                    "#tenant_key = :tenant AND #created_key BETWEEN :low AND :high",
                    tenant=tenant,
                    low=low or "0",
                    high=min(high, end),
                ),
                index="by_tenant",
                newest_first=True,
                page=limit + 1,
            )
            for tenant, low, high in parts
            if (low or "0") <= min(high, end)
        ]
        merged = heapq.merge(*queries, key=lambda item: str(item["created_key"]), reverse=True)
        hits = (item for item in merged if item["created_key"] != end)
        return [position_of(item) for item in islice(hits, limit)]


def _latest_first(fact: Fact) -> tuple[datetime, str]:
    return fact.at, fact.id


def _as_found(found: Found | Stored) -> tuple[Key, When]:
    """Where something to be removed is, and the condition that nobody has written it since."""
    place = key_of(found.KIND, found.identity) if isinstance(found, Stored) else found.place
    if not found.version:
        return place, When.of("#pk = :pk", pk=place[0])
    return place, When.of("#version = :seen", seen=found.version)


def _name(item: Item) -> str:
    return unpart(str(item["pk"]).partition("#")[2])
