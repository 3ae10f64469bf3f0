"""How records look in the table: their keys, the attributes that indexes find them by, and their content.

| record         | `pk` / `sk`                             | found by                                  |
|----------------|-----------------------------------------|-------------------------------------------|
| `Signup`       | `SIGNUP#<id>` / `SIGNUP`                | `by_tenant`                               |
| `Exchange`     | `SIGNUP#<id>` / `EXCHANGE`              |                                           |
| `Listed`       | `SIGNUP#<id>` / `LISTED#<part>`         |                                           |
| `Fact`         | `SIGNUP#<id>` / `FACT#<fact id>`        | its signup; a hub's: `HUB#<hub>`; some by |
|                |                                         | their time: `by_tenant`                   |
| `Link`         | `LINK#<id>` / `LINK`                    | `by_tenant`                               |
| `Number`       | `NUMBER#<phone number id>` / `NUMBER`   | all but `by_place`                        |
| `ClientRecord` | `CLIENT#<hub>#<email or id>` / `CLIENT` |                                           |
| `EventRecord`  | `EVENT#<hub>#<id>` / `EVENT`            | `by_place`; by its time: `by_tenant`      |
| `BudgetState`  | `BUDGET#<hub>` / `BUDGET`               |                                           |
| `Balance`      | `BALANCE#<hub>` / `BALANCE`             | its hub                                   |
| `Census`       | `CENSUS#<hub>` / `CENSUS`               | `by_due`                                  |
| `Endpoint`     | `ENDPOINT#<name>` / `ENDPOINT`          |                                           |
| `Delivery`     | `SIGNUP#<id>` / `DELIVERY#<fact id>#…`  | its signup; `by_due`, `by_tenant`         |
| `Remembered`   | `IDEMPOTENCY#<tenant>#<key>` / `KEY`    |                                           |
| `Witness`      | `WITNESS#<WABA id>` / `WITNESS`         | `by_tenant`, while its signup is lost     |
| `DeletionRequest` | `REQUEST#<code>` / `REQUEST`         | `by_tenant`, until it is carried out      |
| `MetaUser`     | `METAUSER#<Meta's id>` / `METAUSER`     |                                           |

`data` holds the record as JSON (`data_zlib` compressed, when large), `version` guards it, `mark` tells whose
write it was. Indexes hold keys only.
"""

import json
import zlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, cast

from pydantic import ValidationError

from onramp.adapters.dynamo.table import Item, Key, Value, part, unpart
from onramp.domain.census import Census
from onramp.domain.deletion import DeletionRequest, RequestStatus
from onramp.domain.errors import Unreadable
from onramp.domain.facts import FactType
from onramp.domain.ledger import EventRecord, Outcome
from onramp.domain.link import LONGEST, SHORTEST, Link, LinkStatus
from onramp.domain.notifications import Delivery, DeliveryState
from onramp.domain.number import Number, waba_place
from onramp.domain.records import SCHEMA, Fact, Stored
from onramp.domain.signup import SIGNUP_LIFETIME, Signup
from onramp.domain.states import SignupStatus, Standing
from onramp.domain.text import from_iso, iso
from onramp.domain.witness import Witness
from onramp.ports.storage import Due, Found, Line, Position, Span, delivery_name, line_of

EXPIRY: Final = "expires_at_epoch"
LARGE: Final = 32_000
"""Bytes from which a record's content is compressed."""
LARGE_EVENT: Final = 600
"""The same for events, which come in masses: compressed, nearly all fit into one unit of 1 KB."""
UNRESOLVED: Final = "U"
RESOLVED: Final = "A"
ATTEMPTS: Final = frozenset({FactType.SIGNUP_OUTCOME, FactType.SIGNUP_EXCHANGE_FAILED})
"""Facts that tell of a popup or a code in vain."""
LINKED: Final = "linked"
"""Where `by_tenant` has open signups that were opened for a link: they wait longer than others."""
LOST: Final = "LOST"
REQUESTS: Final = "REQUESTS"
"""Partitions of `by_tenant` that are no tenant's: an operator's lists."""
_SIGNUP_PART: Final = {"EXCHANGE": "EXCHANGE", "LISTED": "LISTED"}
_SORT_KEYS: Final = {"IDEMPOTENCY": "KEY"}


def key_of(kind: str, identity: tuple[str, ...]) -> Key:
    """Where a record is."""
    if kind == Delivery.KIND:
        subject, fact_id, endpoint = identity
        return fact_place(subject), "#".join([kind, part(fact_id), part(endpoint)])
    if kind in _SIGNUP_PART:
        signup_id, *rest = identity
        return f"SIGNUP#{part(signup_id)}", "#".join([_SIGNUP_PART[kind], *rest])
    return "#".join([kind, *map(part, identity)]), _SORT_KEYS.get(kind, kind)


def fact_place(subject: str) -> str:
    """The partition of a signup's facts, or of a hub's."""
    return subject if subject.startswith("HUB#") else f"SIGNUP#{part(subject)}"


def attributes_of(record: Stored, mark: str) -> dict[str, Value | None]:
    """All attributes of a record's item; None for those it must not have. Raises `Unreadable`."""
    try:
        content = record.model_dump_json(exclude_defaults=True).encode()
    except ValueError as error:
        raise Unreadable(_name(record)) from error
    large = len(content) > (LARGE_EVENT if record.KIND == EventRecord.KIND else LARGE)
    expires = record.forgotten_at
    return {
        "schema": SCHEMA,
        "version": record.version + 1,
        "mark": mark,
        "data": None if large else content.decode(),
        "data_zlib": zlib.compress(content) if large else None,
        EXPIRY: int(expires.timestamp()) if expires else None,
        **_INDEXED.get(record.KIND, _nothing)(record),
    }


def record_of[R: Stored](kind: type[R], item: Item) -> R:
    """The record in an item. Raises `Unreadable`, which names it and says nothing of what is in it."""
    try:
        record = kind.model_validate_json(_content(item))
        record.version = int(item["version"])
    except (ValidationError, ValueError, TypeError, KeyError, zlib.error):
        raise Unreadable(f"{item['pk']}/{item['sk']}") from None
    return record


def fact_item(fact: Fact, kept: timedelta) -> tuple[Key, dict[str, Value]]:
    """A fact as an item of its own; `bus` and `at` are what the stream and an operator look at.

    Raises `Unreadable`.
    """
    try:
        content = fact.model_dump_json()
    except ValueError as error:
        raise Unreadable(f"{fact_place(fact.subject)}/FACT#{fact.id}") from error
    return (fact_place(fact.subject), f"FACT#{fact.id}"), {
        "schema": SCHEMA,
        "bus": int(fact.bus),
        "at": iso(fact.at),
        "data": content,
        EXPIRY: int((fact.at + kept).timestamp()),
        **_by_time(fact),
    }


def _by_time(fact: Fact) -> dict[str, Value]:
    """What finds a fact by its time: a signup's opening, which finds the signup, and attempts in vain."""
    if fact.type == FactType.SIGNUP_OPENED:
        return {"tenant_key": opened_key(fact.at), "created_key": created_key(fact.at, fact.subject)}
    if fact.type in ATTEMPTS:
        return {"tenant_key": attempts_key(fact.at), "created_key": created_key(fact.at, fact.id)}
    return {}


def fact_of(item: Item) -> Fact:
    """The fact in an item. Raises `Unreadable`."""
    try:
        return Fact.model_validate_json(item["data"])
    except (ValidationError, KeyError):
        raise Unreadable(f"{item['pk']}/{item['sk']}") from None


def found_of(item: Item) -> Found:
    """An item of any kind, also of one that only a later release knows."""
    place = str(item["pk"]), str(item["sk"])
    first, second = (key.partition("#")[0] for key in place)
    # Facts and deliveries of a hub have a partition that is no record's.
    kind = second if first == "SIGNUP" or second in {"FACT", Delivery.KIND} else first
    version = item.get("version")
    try:
        content = json.loads(_content(item))
    except (ValueError, TypeError, KeyError, zlib.error):
        content = None
    return Found(
        kind,
        place,
        content if isinstance(content, dict) else None,
        version if isinstance(version, int) else 0,
    )


def _content(item: Item) -> bytes | str:
    return zlib.decompress(item["data_zlib"]) if "data_zlib" in item else cast("str", item["data"])


def _name(record: Stored) -> str:
    return "/".join(key_of(record.KIND, record.identity))


# --- what indexes find records by ------------------------------------------------------------------------


def signups_key(tenant: str, status: str) -> str:
    """The partition of `by_tenant` with a tenant's signups of one stored status."""
    return f"SIGNUPS#{part(tenant)}#{status}"


def links_key(tenant: str, status: str) -> str:
    """The partition of `by_tenant` with a tenant's links of one stored status, by the time of their end."""
    return f"LINKS#{part(tenant)}#{status}"


def numbers_key(tenant: str, standing: str) -> str:
    """The partition of `by_tenant` with a tenant's numbers of one class."""
    return f"NUMBERS#{part(tenant)}#{standing}"


def deliveries_key(endpoint: str, state: str) -> str:
    """The partition of `by_tenant` with an endpoint's deliveries of one state."""
    return f"DELIVERIES#{part(endpoint)}#{state}"


def delivery_states_of(state: str | None, since: datetime) -> list[tuple[str, str, str]]:
    """Which partitions of `by_tenant` hold deliveries of a state, and from when on."""
    return [(word, iso(since), "~") for word in ([state] if state else DeliveryState)]


# An index by time needs no index of its own: nothing of these has a tenant's key. Each entry is written once.


def opened_key(at: datetime) -> str:
    """The partition of `by_tenant` with the signups that were opened in a month, whoever's they are."""
    return f"OPENED#{at.astimezone(UTC):%Y-%m}"


def attempts_key(at: datetime) -> str:
    """The same for what became of popups and codes that brought nothing."""
    return f"ATTEMPTS#{at.astimezone(UTC):%Y-%m}"


def events_key(hub: str, at: datetime) -> str:
    """The same for a hub's events, by the day."""
    return f"EVENTS#{part(hub)}#{at.astimezone(UTC):%Y-%m-%d}"


def days_of(span: Span) -> list[datetime]:
    """The days of a span from its end backwards, none that the page before has left behind."""
    last = min(span.until, span.before.at) if span.before else span.until
    first = span.since.astimezone(UTC).date()
    day = last.astimezone(UTC)
    days = []
    while day.date() >= first:
        days.append(day)
        day -= timedelta(days=1)
    return days


def place_position(item: Item) -> Position:
    """The place of a hit of `by_place`."""
    _, at, name = str(item["place_sort"]).split("#", 2)
    return Position(from_iso(at), unpart(name))


def digits_key(hub: str, digits: str) -> str:
    """The partition of `by_digits` with the numbers of some canonical digits."""
    return f"DIGITS#{hub}#{digits}"


def created_key(at: datetime, name: str) -> str:
    """How lists are ordered: by time, then by id."""
    return f"{iso(at)}#{part(name)}"


def position_of(item: Item) -> Position:
    """The place of a hit of `by_tenant`."""
    at, _, name = str(item["created_key"]).partition("#")
    return Position(from_iso(at), unpart(name))


def statuses_of(status: str | None, now: datetime) -> list[tuple[str, str, str]]:
    """Which partitions of `by_tenant` hold signups of a status, and between which order keys.

    An open signup expires without being written: from its age on it counts as expired. One that has a link
    lives as long as that: what is between the shortest and the longest life may be in either state.
    """
    line = iso(now - SIGNUP_LIFETIME)
    if status == SignupStatus.EXPIRED:
        return [(SignupStatus.OPEN, "", f"{line}~"), (LINKED, "", f"{iso(now - SHORTEST)}~")]
    if status == SignupStatus.OPEN:
        return [(SignupStatus.OPEN, f"{line}~", "~"), (LINKED, f"{iso(now - LONGEST)}~", "~")]
    words = [word for word in SignupStatus if word is not SignupStatus.EXPIRED]
    return [(word, "", "~") for word in ([status] if status else [*words, LINKED])]


def link_statuses_of(status: str | None, now: datetime) -> list[tuple[str, str, str]]:
    """The same for links; they are in the order of their ends, so that each state is a range."""
    line = f"{iso(now)}~"
    if status == LinkStatus.EXPIRED:
        return [(LinkStatus.OPEN, "", line)]
    if status == LinkStatus.OPEN:
        return [(LinkStatus.OPEN, line, "~")]
    words = [word for word in LinkStatus if word is not LinkStatus.EXPIRED]
    return [(word, "", "~") for word in ([status] if status else words)]


def standings_of(standing: Standing | None) -> list[tuple[str, str, str]]:
    """Which partitions of `by_tenant` hold numbers of a class."""
    return [(word, "", "~") for word in ([standing] if standing else Standing)]


def due_of(item: Item, line: Line) -> Due:
    """A hit of `by_due`, from its keys alone."""
    at, _, since = str(item["due_at"]).partition("#")
    if str(item["sk"]).startswith(f"{Delivery.KIND}#"):
        return Due(Delivery.KIND, _delivery(item), from_iso(at), line, from_iso(since) if since else None)
    kind, *identity = str(item["pk"]).split("#")
    names = tuple(unpart(name) for name in identity)
    return Due(kind, names, from_iso(at), line, from_iso(since) if since else None)


def due_key(due_at: datetime, since: datetime | None) -> str:
    """A time in `by_due`; behind it, since when a record is overdue that was only woken.

    In the key, so that a sweep learns it from the index alone; the record's next write takes it away.
    """
    return f"{iso(due_at)}#{iso(since)}" if since else iso(due_at)


def _signup(record: Signup) -> dict[str, Value | None]:
    status: str = record.stored_status
    waits_for_link = status == SignupStatus.OPEN and record.link_id is not None
    return {
        "tenant_key": signups_key(record.tenant, LINKED if waits_for_link else status),
        "created_key": created_key(record.created_at, record.id),
    }


def _link(record: Link) -> dict[str, Value | None]:
    return {
        "tenant_key": links_key(record.tenant, record.stored_status),
        "created_key": created_key(record.expires_at, record.id),
    }


def _number(record: Number) -> dict[str, Value | None]:
    return {
        "tenant_key": numbers_key(record.tenant, record.standing),
        "created_key": created_key(record.created_at, record.phone_number_id),
        "due_shard": line_of(record) if record.due_at else None,
        "due_at": iso(record.due_at) if record.due_at else None,
        "channel_key": record.place,
        "waba_key": waba_place(record.hub, record.waba.id),
        "digits_key": digits_key(record.hub, record.digits) if record.digits else None,
    }


def _event(record: EventRecord) -> dict[str, Value | None]:
    state = UNRESOLVED if record.outcome == Outcome.UNRESOLVED else RESOLVED
    return {
        "place_key": record.place if record.has_place else None,
        "place_sort": f"{state}#{iso(record.received_at)}#{part(record.id)}" if record.has_place else None,
        "tenant_key": events_key(record.hub, record.received_at),
        "created_key": created_key(record.received_at, record.id),
    }


def _deliver(record: Delivery) -> dict[str, Value | None]:
    return {
        "tenant_key": deliveries_key(record.endpoint, record.state),
        "created_key": created_key(record.created_at, delivery_name(record.subject, record.fact_id)),
        "due_shard": Line.SEND if record.due_at else None,
        "due_at": iso(record.due_at) if record.due_at else None,
    }


def _delivery(item: Item) -> tuple[str, ...]:
    """The identity of a delivery, from its keys alone."""
    place = str(item["pk"])
    subject = place if place.startswith("HUB#") else unpart(place.partition("#")[2])
    return (subject, *(unpart(name) for name in str(item["sk"]).split("#")[1:]))


def _census(record: Census) -> dict[str, Value | None]:
    return {
        "due_shard": Line.WORK if record.due_at else None,
        "due_at": iso(record.due_at) if record.due_at else None,
    }


def _witness(record: Witness) -> dict[str, Value | None]:
    lost = record.added_at is not None and record.is_lost
    at = record.added_at or record.heard_at
    return {
        "tenant_key": LOST if lost else None,
        "created_key": created_key(at, record.waba_id) if lost else None,
    }


def _request(record: DeletionRequest) -> dict[str, Value | None]:
    waits = record.status == RequestStatus.RECEIVED
    return {
        "tenant_key": REQUESTS if waits else None,
        "created_key": created_key(record.received_at, record.code) if waits else None,
    }


def _nothing(_: object) -> dict[str, Value | None]:
    return {}


_INDEXED: Final[Mapping[str, Callable[[Any], dict[str, Value | None]]]] = {
    Signup.KIND: _signup,
    Link.KIND: _link,
    Number.KIND: _number,
    EventRecord.KIND: _event,
    Census.KIND: _census,
    Delivery.KIND: _deliver,
    Witness.KIND: _witness,
    DeletionRequest.KIND: _request,
}
