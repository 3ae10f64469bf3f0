"""Every port of our own in memory: thread-safe, copying what goes in and what comes out.

Shipped beside the real ones and held to the same suite, `tests/contract`; no function carries it. 360dialog
and Meta have simulators, see `local/simulators`.
"""

import base64
import json
import random
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import to_json

from onramp.domain.census import Census
from onramp.domain.deletion import DeletionRequest, RequestStatus
from onramp.domain.errors import Conflict, UnavailableError, Unreadable
from onramp.domain.facts import FactType
from onramp.domain.ledger import EventRecord, Outcome
from onramp.domain.link import Link
from onramp.domain.notifications import Delivery
from onramp.domain.number import Number
from onramp.domain.records import HUB, Fact, Record, Stored
from onramp.domain.relaying import Target
from onramp.domain.signup import Signup
from onramp.domain.states import Standing
from onramp.domain.witness import Witness
from onramp.ports.relaying import Handed, Taken
from onramp.ports.services import Clock, Letter
from onramp.ports.storage import Due, Found, Line, Position, Span, delivery_name, line_of

START: Final = datetime(2031, 5, 6, 7, 8, 9, 123456, tzinfo=UTC)
"""When a manual clock begins: far enough ahead that no emulator takes an item's expiry for past."""
MOST: Final = 100
"""Items of one write, as in DynamoDB."""


class ManualClock:
    """A clock that stands still until it is told to move; sleeping moves it, and is written down."""

    def __init__(self, start: datetime = START, seed: int = 1) -> None:
        self._now = start
        self._random = random.Random(seed)  # noqa: S311 - chance that can be repeated
        self._ids = 0
        self._lock = threading.RLock()
        self.sleeps: list[float] = []

    def now(self) -> datetime:
        """The time."""
        with self._lock:
            return self._now

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        with self._lock:
            self.sleeps.append(seconds)
            self._now += timedelta(seconds=seconds)

    def draw(self) -> float:
        """A number in [0, 1)."""
        with self._lock:
            return self._random.random()

    def new_id(self) -> str:
        """An identifier that sorts by time."""
        with self._lock:
            self._ids += 1
            return f"id{self._ids:06d}{self._random.getrandbits(32):08x}"

    def new_secret(self) -> str:
        """43 characters, the same for the same seed."""
        with self._lock:
            return base64.urlsafe_b64encode(self._random.randbytes(32)).rstrip(b"=").decode()

    def advance(self, span: timedelta) -> datetime:
        """Let time pass."""
        with self._lock:
            self._now += span
            return self._now

    def set(self, now: datetime) -> None:
        """Make it a certain time, never an earlier one."""
        with self._lock:
            self._now = max(self._now, now)


@dataclass
class _Item:
    version: int
    data: str
    expires_at: datetime | None
    due_at: datetime | None
    line: Line
    since: datetime | None = None


type _Key = tuple[str, tuple[str, ...]]


class MemoryStore:
    """`onramp.ports.storage.Store` over a dictionary.

    `broken` lets every call fail as if DynamoDB did not answer. `on_fact` hears of each fact, in order, as
    the table's stream does.
    """

    def __init__(self, clock: Clock, on_unreadable: Callable[[str], None] = lambda _: None) -> None:
        self._clock = clock
        self._on_unreadable = on_unreadable
        self._lock = threading.RLock()
        self._items: dict[_Key, _Item] = {}
        self._facts: list[Fact] = []
        self.on_fact: Callable[[Fact], object] | None = None
        self.broken = False

    # -- records

    def read[R: Stored](self, kind: type[R], *identity: str) -> R | None:
        """See `Store.read`."""
        with self._locked():
            item = self._living((kind.KIND, identity))
            return None if item is None else self._record(kind, identity, item)

    def read_all[R: Stored](self, kind: type[R], identities: Sequence[tuple[str, ...]]) -> list[R]:
        """See `Store.read_all`."""
        with self._locked():
            return [record for name in identities if (record := self._try(kind, name)) is not None]

    def commit(
        self, *records: Stored, facts: Sequence[Fact] = (), gone: Sequence[Found | Stored] = ()
    ) -> None:
        """See `Store.commit`."""
        with self._locked():
            told = [fact for record in records for fact in record.told] + list(facts)
            if len(records) + len(told) + len(gone) > MOST:
                raise UnavailableError("too many items for one write")
            if len({(record.KIND, record.identity) for record in records}) < len(records):
                raise UnavailableError("one item twice in one write")
            for fact in told:
                _json(fact, fact.subject)
            contents = [_json(record, record.KIND, *record.identity) for record in records]
            if not self._unchanged(records) or not all(map(self._is_there, gone)):
                raise Conflict
            for found in gone:
                self._remove(found)
            mark = self._clock.new_id()
            for record, content in zip(records, contents, strict=True):
                record.version += 1
                self._items[record.KIND, record.identity] = _item(record, content)
                record.told.clear()
            for index, fact in enumerate(told):
                self._tell(fact.model_copy(deep=True, update={"id": f"{mark}{index:02x}"}))

    def _tell(self, fact: Fact) -> None:
        self._facts.append(fact)
        if self.on_fact is not None:
            self.on_fact(fact)

    # -- items of every kind

    def browse(self, cursor: str | None, limit: int) -> tuple[list[Found], str | None]:
        """See `Store.browse`."""
        with self._locked():
            found = [_found(key, item) for key, item in self._items.items() if self._living(key)]
            found += [
                Found("FACT", ("FACT", fact.id), json.loads(fact.model_dump_json()), 0)
                for fact in self._facts
            ]
            behind = sorted((one for one in found if _order(one) > (cursor or "")), key=_order)
            page = behind[:limit]
            return page, _order(page[-1]) if len(behind) > limit else None

    def _unchanged(self, records: Sequence[Stored]) -> bool:
        stored = [self._living((record.KIND, record.identity)) for record in records]
        versions = [item.version if item else 0 for item in stored]
        return versions == [record.version for record in records]

    def _is_there(self, found: Found | Stored) -> bool:
        if isinstance(found, Found) and found.kind == "FACT":
            return any(fact.id == found.place[1] for fact in self._facts)
        item = self._items.get(_key(found))
        return item is not None and item.version == found.version

    def _remove(self, found: Found | Stored) -> None:
        if isinstance(found, Found) and found.kind == "FACT":
            self._facts = [fact for fact in self._facts if fact.id != found.place[1]]
        else:
            del self._items[_key(found)]

    # -- facts

    def facts_of(self, subject: str, limit: int) -> list[Fact]:
        """See `Store.facts_of`."""
        with self._locked():
            found = sorted(
                (fact for fact in self._facts if fact.subject == subject), key=lambda fact: fact.id
            )
            return [fact.model_copy(deep=True) for fact in found[-limit:]]

    def facts_since(
        self, since: datetime, until: datetime, cursor: str | None, limit: int
    ) -> tuple[list[Fact], str | None]:
        """See `Store.facts_since`."""
        with self._locked():
            start = int(cursor or 0)
            page = self._facts[start : start + limit]
            found = [fact.model_copy(deep=True) for fact in page if since <= fact.at <= until]
            following = start + limit
            return found, str(following) if following < len(self._facts) else None

    # -- what DynamoDB finds through an index

    def due(self, before: datetime, limit: int, *, line: Line) -> Sequence[Due]:
        """See `Store.due`."""
        with self._locked():
            hits = [
                Due(kind, identity, item.due_at, line, item.since)
                for (kind, identity), item in self._items.items()
                if item.due_at is not None and item.due_at <= before and item.line is line
            ]
            return sorted(hits, key=lambda hit: hit.due_at)[:limit]

    def postpone(self, hit: Due, until: datetime) -> bool:
        """See `Store.postpone`."""
        with self._locked():
            item = self._items.get((hit.kind, hit.identity))
            if item is None or item.due_at != hit.due_at:
                return False
            item.since = hit.overdue_since
            item.due_at = _milliseconds(until)
            return True

    def numbers_at(self, place: str, limit: int) -> Sequence[str]:
        """See `Store.numbers_at`."""
        found = (number for number in self.records(Number) if number.place == place)
        return sorted(number.phone_number_id for number in found)[:limit]

    def numbers_in(self, hub: str, waba_id: str, limit: int) -> Sequence[str]:
        """See `Store.numbers_in`."""
        found = (
            number
            for number in self.records(Number, waba_id)
            if (number.hub, number.waba.id) == (hub, waba_id)
        )
        return sorted(number.phone_number_id for number in found)[:limit]

    def numbers_with(self, hub: str, digits: str) -> Sequence[str]:
        """See `Store.numbers_with`."""
        found = (
            number for number in self.records(Number, digits) if (number.hub, number.digits) == (hub, digits)
        )
        return sorted(number.phone_number_id for number in found)

    def ledger(self, place: str, limit: int) -> Sequence[EventRecord]:
        """See `Store.ledger`."""
        found = [
            record
            for record in self.records(EventRecord, place)
            if record.place == place and record.outcome == Outcome.UNRESOLVED
        ]
        return sorted(found, key=lambda record: (record.received_at, record.id))[:limit]

    def signups_of(
        self, tenant: str, status: str | None, before: Position | None, limit: int, now: datetime
    ) -> Sequence[Position]:
        """See `Store.signups_of`."""
        found = [
            Position(_milliseconds(signup.created_at), signup.id)
            for signup in self.records(Signup)
            if signup.tenant == tenant and status in {None, signup.status(now)}
        ]
        return _newest(found, before, limit)

    def links_of(
        self, tenant: str, status: str | None, before: Position | None, limit: int, now: datetime
    ) -> Sequence[Position]:
        """See `Store.links_of`."""
        found = [
            Position(_milliseconds(link.expires_at), link.id)
            for link in self.records(Link)
            if link.tenant == tenant and status in {None, link.status(now)}
        ]
        return _newest(found, before, limit)

    def deliveries_for(self, subject: str, limit: int) -> list[Delivery]:
        """See `Store.deliveries_for`."""
        found = (delivery for delivery in self.records(Delivery) if delivery.subject == subject)
        return sorted(found, key=lambda delivery: (delivery.fact_id, delivery.endpoint), reverse=True)[:limit]

    def deliveries_of(
        self, endpoint: str, state: str | None, since: datetime, before: Position | None, limit: int
    ) -> Sequence[Position]:
        """See `Store.deliveries_of`."""
        found = [
            Position(_milliseconds(one.created_at), delivery_name(one.subject, one.fact_id))
            for one in self.records(Delivery)
            if one.endpoint == endpoint and state in {None, one.state} and one.created_at >= since
        ]
        return _newest(found, before, limit)

    def numbers_of(
        self, tenant: str, standing: Standing | None, before: Position | None, limit: int
    ) -> Sequence[Position]:
        """See `Store.numbers_of`."""
        found = [
            Position(_milliseconds(number.created_at), number.phone_number_id)
            for number in self.records(Number)
            if number.tenant == tenant and standing in {None, number.standing}
        ]
        return _newest(found, before, limit)

    def opened(self, span: Span, limit: int) -> Sequence[Position]:
        """See `Store.opened`."""
        with self._locked():
            told = [fact for fact in self._facts if fact.type == FactType.SIGNUP_OPENED]
            return _back([Position(_milliseconds(fact.at), fact.subject) for fact in told], span, limit)

    def attempts(self, span: Span, limit: int) -> Sequence[Fact]:
        """See `Store.attempts`."""
        with self._locked():
            in_vain = {FactType.SIGNUP_OUTCOME, FactType.SIGNUP_EXCHANGE_FAILED}
            told = {fact.id: fact for fact in self._facts if fact.type in in_vain}
            places = [Position(_milliseconds(fact.at), fact.id) for fact in told.values()]
            return [told[place.id].model_copy(deep=True) for place in _back(places, span, limit)]

    def events(self, hub: str, span: Span, limit: int) -> Sequence[Position]:
        """See `Store.events`."""
        found = [record for record in self.records(EventRecord) if record.hub == hub]
        return _back([_came(record) for record in found], span, limit)

    def events_at(self, place: str, span: Span, limit: int) -> Sequence[Position]:
        """See `Store.events_at`."""
        found = [record for record in self.records(EventRecord) if record.place == place and record.has_place]
        return _back([_came(record) for record in found], span, limit)

    def lost(self, before: Position | None, limit: int) -> Sequence[Position]:
        """See `Store.lost`."""
        found = [
            Position(_milliseconds(witness.added_at or witness.heard_at), witness.waba_id)
            for witness in self.records(Witness)
            if witness.is_lost
        ]
        return _newest(found, before, limit)

    def requests(self, before: Position | None, limit: int) -> Sequence[Position]:
        """See `Store.requests`."""
        found = [
            Position(_milliseconds(request.received_at), request.code)
            for request in self.records(DeletionRequest)
            if request.status == RequestStatus.RECEIVED
        ]
        return _newest(found, before, limit)

    # -- for tests

    def records[R: Stored](self, kind: type[R], holding: str = "") -> list[R]:
        """All records of a kind that can be read, of whose texts one holds the given one."""
        written = to_json(holding).decode()[1:-1]
        with self._locked():
            names = [
                name
                for (found, name), item in self._items.items()
                if found == kind.KIND and written in item.data
            ]
            return [record for name in names if (record := self._try(kind, name)) is not None]

    def all_facts(self) -> list[Fact]:
        """Every fact there is, in order."""
        return list(self._facts)

    def spoil(self, record: Stored) -> None:
        """Make a record's item unreadable."""
        with self._lock:
            item = self._items[record.KIND, record.identity]
            item.data = '{"spoiled": ' + item.data

    # -- inside

    def _locked(self) -> threading.RLock:
        if self.broken:
            raise UnavailableError("the table does not answer")
        return self._lock

    def _living(self, key: _Key) -> _Item | None:
        item = self._items.get(key)
        outlived = item is not None and item.expires_at is not None and item.expires_at <= self._clock.now()
        return None if outlived else item

    def _record[R: Stored](self, kind: type[R], identity: tuple[str, ...], item: _Item) -> R:
        try:
            record = kind.model_validate_json(item.data)
        except ValidationError:
            raise Unreadable("/".join((kind.KIND, *identity))) from None
        record.version = item.version
        return record

    def _try[R: Stored](self, kind: type[R], identity: tuple[str, ...]) -> R | None:
        try:
            return self.read(kind, *identity)
        except Unreadable as trouble:
            self._on_unreadable(str(trouble))
            return None


def _json(record: Record, *name: str) -> str:
    """A record as JSON. Raises `Unreadable` for what could not be read again."""
    try:
        return record.model_dump_json(exclude_defaults=True)
    except ValueError as error:
        raise Unreadable("/".join(name)) from error


def _line(record: Stored) -> Line:
    if isinstance(record, Delivery):
        return Line.SEND
    return line_of(record) if isinstance(record, Number) else Line.WORK


def _item(record: Stored, content: str) -> _Item:
    due_at = record.due_at if isinstance(record, Number | Census | Delivery) else None
    expires_at = record.forgotten_at
    return _Item(
        version=record.version,
        data=content,
        # DynamoDB's expiry counts whole seconds.
        expires_at=expires_at.replace(microsecond=0) if expires_at else None,
        due_at=_milliseconds(due_at) if due_at else None,
        line=_line(record),
    )


def _found(key: _Key, item: _Item) -> Found:
    """An item as `browse` gives it; the place is the kind and the identity as JSON."""
    kind, identity = key
    try:
        content = json.loads(item.data)
    except ValueError:
        content = None
    return Found(kind, (kind, json.dumps(identity)), content, item.version)


def _key(found: Found | Stored) -> _Key:
    if isinstance(found, Stored):
        return found.KIND, found.identity
    return found.place[0], tuple(json.loads(found.place[1]))


def _order(found: Found) -> str:
    return "#".join(found.place)


def _milliseconds(at: datetime) -> datetime:
    """A time as an index holds it."""
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


def _newest(found: Sequence[Position], before: Position | None, limit: int) -> Sequence[Position]:
    behind = [place for place in found if before is None or (place.at, place.id) < (before.at, before.id)]
    return sorted(behind, key=lambda place: (place.at, place.id), reverse=True)[:limit]


def _back(found: Sequence[Position], span: Span, limit: int) -> Sequence[Position]:
    within = [place for place in found if _milliseconds(span.since) <= place.at <= span.until]
    before = Position(_milliseconds(span.before.at), span.before.id) if span.before else None
    return _newest(within, before, limit)


def _came(record: EventRecord) -> Position:
    return Position(_milliseconds(record.received_at), record.id)


@dataclass
class MemoryQueue:
    """`onramp.ports.services.Queue` that keeps what it was given, in order."""

    numbers: list[str] = field(default_factory=list)
    censuses: list[str] = field(default_factory=list)
    replayed: list[str] = field(default_factory=list)
    hubs: list[str] = field(default_factory=list)
    """Those of the events that were replayed or buried."""
    buried_numbers: list[tuple[str, str]] = field(default_factory=list)
    buried_events: list[tuple[str, str, str]] = field(default_factory=list)
    deliveries: list[tuple[tuple[str, ...], int]] = field(default_factory=list)
    buried_notifications: list[tuple[str, str]] = field(default_factory=list)
    broken: bool = False

    def wake_numbers(self, phone_number_ids: Sequence[str]) -> None:
        """See `Queue.wake_numbers`."""
        self._require_answer()
        self.numbers.extend(phone_number_ids)

    def wake_census(self, hub: str, asked_at: datetime | None = None) -> None:  # noqa: ARG002 - a wake-up
        """See `Queue.wake_census`."""
        self._require_answer()
        self.censuses.append(hub)

    def wake_deliveries(self, deliveries: Sequence[tuple[str, ...]], seconds: int = 0) -> None:
        """See `Queue.wake_deliveries`."""
        self._require_answer()
        self.deliveries.extend((delivery, seconds) for delivery in deliveries)

    def bury_notification(self, body: str, reason: str) -> None:
        """See `Queue.bury_notification`."""
        self._require_answer()
        self.buried_notifications.append((body, reason))

    def replay_event(self, body: str, hub: str = HUB) -> None:
        """See `Queue.replay_event`."""
        self._require_answer()
        self.replayed.append(body)
        self.hubs.append(hub)

    def bury_number(self, phone_number_id: str, reason: str) -> None:
        """See `Queue.bury_number`."""
        self._require_answer()
        self.buried_numbers.append((phone_number_id, reason))

    def bury_event(self, body: str, encoding: str, reason: str, hub: str = HUB) -> None:
        """See `Queue.bury_event`."""
        self._require_answer()
        self.buried_events.append((body, encoding, reason))
        self.hubs.append(hub)

    def _require_answer(self) -> None:
        if self.broken:
            raise UnavailableError("the queue does not answer")


class MemoryLetters:
    """`onramp.ports.services.Letters` over lists; what is received is hidden until its time is over.

    `back` are the queues that letters can be sent back to, with what was. `lose`: so many answers of `delete`
    are lost, as when a function dies behind its sending.
    """

    def __init__(self, clock: Clock, queues: Mapping[str, bool]) -> None:
        self._clock = clock
        self.letters: dict[str, dict[str, Letter]] = {queue: {} for queue in queues}
        self.back: dict[str, list[tuple[str, dict[str, str]]]] = {
            queue: [] for queue, has_source in queues.items() if has_source
        }
        self._hidden: dict[str, datetime] = {}
        self.lose = 0
        self.broken = False

    def put(self, queue: str, body: str, **attributes: str) -> Letter:
        """A letter that has just been buried."""
        name = self._clock.new_id()
        letter = Letter(
            id=name, sent_at=self._clock.now(), body=body, attributes=attributes, receipt=f"of-{name}"
        )
        self.letters[queue][name] = letter
        return letter

    def names(self) -> Sequence[str]:
        """See `Letters.names`."""
        return tuple(self.letters)

    def returns(self, queue: str) -> bool:
        """See `Letters.returns`."""
        return queue in self.back

    def count(self, queue: str) -> int:
        """See `Letters.count`."""
        self._require_answer()
        return len(self.letters[queue])

    def receive(self, queue: str, hidden_for: int) -> Sequence[Letter]:
        """See `Letters.receive`."""
        self._require_answer()
        now = self._clock.now()
        shown = [name for name in self.letters[queue] if self._hidden.get(name, now) <= now][:10]
        for name in shown:
            self._hidden[name] = now + timedelta(seconds=hidden_for)
        return [self.letters[queue][name] for name in shown]

    def send_back(self, queue: str, letter: Letter) -> None:
        """See `Letters.send_back`."""
        self._require_answer()
        self.back[queue].append((letter.body, dict(letter.attributes)))

    def delete(self, queue: str, letter: Letter) -> None:
        """See `Letters.delete`."""
        self._require_answer()
        if self.lose:
            self.lose -= 1
            raise UnavailableError("queue")
        self.letters[queue].pop(letter.id, None)

    def release(self, queue: str, letters: Sequence[Letter]) -> None:
        """See `Letters.release`."""
        self._require_answer()
        for letter in letters:
            if letter.id in self.letters[queue]:
                self._hidden.pop(letter.id, None)

    def _require_answer(self) -> None:
        if self.broken:
            raise UnavailableError("queue")


@dataclass
class MemoryBus:
    """`onramp.ports.services.Bus` that keeps what was published."""

    published: list[Fact] = field(default_factory=list)
    broken: bool = False

    def publish(self, facts: Sequence[Fact]) -> Sequence[str]:
        """See `Bus.publish`."""
        if self.broken:
            return [fact.id for fact in facts]
        self.published.extend(fact.model_copy(deep=True) for fact in facts)
        return ()

    def types(self) -> list[str]:
        """The types of the published facts, in order."""
        return [fact.type for fact in self.published]


@dataclass
class MemoryRelay:
    """`onramp.ports.relaying.Relay` that keeps what it was given, in order."""

    sent: list[str] = field(default_factory=list)
    buried: list[tuple[str, str]] = field(default_factory=list)
    broken: bool = False

    def send(self, message: str) -> None:
        """See `Relay.send`."""
        self._require_answer()
        self.sent.append(message)

    def bury(self, message: str, reason: str) -> None:
        """See `Relay.bury`."""
        self._require_answer()
        self.buried.append((message, reason))

    def _require_answer(self) -> None:
        if self.broken:
            raise UnavailableError("the relay's queue does not answer")


@dataclass
class MemoryBodies:
    """`onramp.ports.relaying.Bodies` over a dictionary."""

    bucket: str = "bodies"
    kept: dict[str, bytes] = field(default_factory=dict)
    broken: bool = False

    def put(self, key: str, content: bytes) -> None:
        """See `Bodies.put`."""
        if self.broken:
            raise UnavailableError("the bodies do not answer")
        self.kept[key] = content

    def link(self, key: str, seconds: int) -> str:
        """See `Bodies.link`."""
        return f"https://{self.bucket}.example.com/{key}?for={seconds}"


@dataclass
class MemoryOutlets:
    """`onramp.ports.relaying.Outlets`: `troubles` are a target's next answers, the first one first."""

    handed: list[tuple[str, dict[str, object], str]] = field(default_factory=list)
    troubles: dict[str, list[Handed]] = field(default_factory=dict)

    def hand(self, target: Target, envelope: Mapping[str, object], message_id: str) -> Handed:
        """See `Outlets.hand`."""
        if self.troubles.get(target.name):
            return self.troubles[target.name].pop(0)
        self.handed.append((target.name, dict(envelope), message_id))
        return Taken()


@dataclass
class MemoryVault:
    """`onramp.ports.services.Vault` that hides nothing and yet opens only under the same context."""

    broken: bool = False

    def encrypt(self, plain: str, context: Mapping[str, str]) -> str:
        """See `Vault.encrypt`."""
        self._require_answer()
        content = json.dumps([plain, dict(context)], sort_keys=True)
        return f"vault:{base64.b64encode(content.encode()).decode()}"

    def decrypt(self, secret: str, context: Mapping[str, str]) -> str:
        """See `Vault.decrypt`."""
        self._require_answer()
        plain, bound = json.loads(base64.b64decode(secret.removeprefix("vault:")))
        if bound != dict(context):
            raise UnavailableError("the encryption context is another")
        return str(plain)

    def _require_answer(self) -> None:
        if self.broken:
            raise UnavailableError("the keys do not answer")


@dataclass
class MemoryTelemetry:
    """`onramp.ports.services.Telemetry` that keeps everything, to be looked through for secrets too."""

    counts: dict[str, float] = field(default_factory=dict)
    dimensions: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    lines: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, name: str, value: float = 1, **dimensions: str) -> None:
        """See `Telemetry.count`."""
        with self._lock:
            self.counts[name] = self.counts.get(name, 0) + value
            self.dimensions.append((name, dimensions))

    def info(self, message: str, **fields: str | float | None) -> None:
        """See `Telemetry.info`."""
        self.lines.append(("info", message, fields))

    def warn(self, message: str, **fields: str | float | None) -> None:
        """See `Telemetry.warn`."""
        self.lines.append(("warn", message, fields))

    def warnings(self) -> list[str]:
        """The messages somebody should see, in order."""
        return [message for level, message, _ in self.lines if level == "warn"]
