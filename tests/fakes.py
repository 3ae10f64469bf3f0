"""Every port of `onramp.ports` that is ours, in memory: thread-safe, copying what goes in and what comes out.

The stores here and those on DynamoDB pass one suite, `tests/contract`. 360dialog and Meta have simulators,
see `local/simulators`.
"""

import base64
import json
import random
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from onramp.adapters.dynamo_events import EVENT_KEPT, EVENT_LEASE, LOOK_SOON
from onramp.adapters.dynamo_signups import IDEMPOTENCY_KEPT, MOST_LOOKED_AT
from onramp.domain import budget
from onramp.domain.budget import BudgetRule, BudgetState
from onramp.domain.errors import BudgetUnavailable, LeaseLost, Problem, PutOff
from onramp.domain.partner_events import Channel, PartnerEvent
from onramp.domain.signup import BusEvent, Signup
from onramp.domain.text import iso
from onramp.ports import (
    ClientRecord,
    Clock,
    Conflict,
    DueItem,
    EventClaim,
    NumberTaken,
    Page,
    ParkedEvent,
    Pointer,
    UnavailableError,
)

START = datetime(2031, 5, 6, 7, 8, 9, 123456, tzinfo=UTC)
"""When tests begin: far enough ahead that no emulator takes an item's expiry for past."""


class ManualClock:
    """A clock that stands still until it is told to move; sleeping moves it, and is written down."""

    def __init__(self, start: datetime = START, seed: int = 1) -> None:
        self._now = start
        self._random = random.Random(seed)
        self._ids = 0
        self._lock = threading.RLock()
        self.sleeps: list[float] = []

    def now(self) -> datetime:
        with self._lock:
            return self._now

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.sleeps.append(seconds)
            self._now += timedelta(seconds=seconds)

    def draw(self) -> float:
        with self._lock:
            return self._random.random()

    def new_id(self) -> str:
        with self._lock:
            self._ids += 1
            return f"id{self._ids:06d}{self._random.getrandbits(32):08x}"

    def advance(self, span: timedelta) -> datetime:
        """Let time pass."""
        with self._lock:
            self._now += span
            return self._now

    def set(self, now: datetime) -> None:
        """Make it a certain time, never an earlier one."""
        with self._lock:
            self._now = max(self._now, now)


_CURSOR: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z#.+")


@dataclass
class _Event:
    event: PartnerEvent
    state: str
    owner: str
    attempts: int
    lease_until: datetime
    expires_at: datetime
    outcome: str = ""
    place: str | None = None
    parked_at: datetime | None = None


@dataclass
class _Parked:
    due_at: datetime | None
    expires_at: datetime


class MemoryStore:
    """`SignupStore`, `ClientStore` and `EventStore` over dictionaries."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.RLock()
        self._signups: dict[str, str] = {}
        self._requests: dict[tuple[str, str], tuple[str, str, datetime]] = {}
        self._phones: dict[str, Pointer] = {}
        self._digits: dict[str, Pointer] = {}
        self._channels: dict[str, Pointer] = {}
        self._clients: dict[tuple[str, str], ClientRecord] = {}
        self._owners: dict[str, str] = {}
        self._events: dict[str, _Event] = {}
        self._parked: dict[tuple[str, str], _Parked] = {}
        self.broken = False
        """Set to let every call fail as if DynamoDB did not answer."""

    # --- signups

    def create_signup(self, signup: Signup, idempotency: tuple[str, str] | None) -> Signup:
        with self._locked():
            key, fingerprint = idempotency or ("", "")
            first = self._requests.get((signup.tenant, key)) if idempotency else None
            if first is not None and first[2] > self._clock.now():
                if first[1] != fingerprint:
                    raise Problem("idempotency_key_reused", "This key came with another body before.")
                return self._stored(first[0])
            if signup.id in self._signups:
                raise Conflict
            if idempotency:
                until = self._clock.now() + IDEMPOTENCY_KEPT
                self._requests[signup.tenant, key] = (signup.id, fingerprint, until)
            self._signups[signup.id] = signup.model_dump_json()
            return self._stored(signup.id)

    def load(self, signup_id: str) -> Signup | None:
        with self._locked():
            return self._stored(signup_id) if signup_id in self._signups else None

    def save(
        self,
        signup: Signup,
        *,
        claims: Sequence[Pointer] = (),
        replaces: Mapping[str, str] | None = None,
        channel: tuple[str, Pointer] | None = None,
        done: EventClaim | None = None,
        outcome: str = "",
    ) -> Signup:
        with self._locked():
            if signup.id not in self._signups or self._stored(signup.id).version != signup.version:
                raise Conflict
            for claim in claims:
                self._require_free(claim, (replaces or {}).get(claim.phone_number_id))
            if done is not None:
                if not self._is_ours(done):
                    raise LeaseLost(done.event_id)
                self._end(done, outcome)
            for claim in claims:
                self._phones[claim.phone_number_id] = claim
                if claim.digits:
                    self._digits[claim.digits] = claim
            if channel is not None:
                self._channels[channel[0]] = channel[1]
            self._signups[signup.id] = signup.model_copy(
                update={"version": signup.version + 1}
            ).model_dump_json()
            return self._stored(signup.id)

    def list_signups(self, tenant: str, status: str | None, cursor: str | None, limit: int) -> Page:
        with self._locked():
            before = _position(cursor) if cursor is not None else "~"
            mine = {
                f"{iso(signup.created_at)}#{signup.id}": signup
                for signup in map(Signup.model_validate_json, self._signups.values())
                if signup.tenant == tenant
            }
            found: list[Signup] = []
            position = ""
            for looked_at, key in enumerate(sorted((key for key in mine if key < before), reverse=True)):
                if looked_at == MOST_LOOKED_AT:
                    return Page(found, _cursor(position))
                if status is None or mine[key].status(self._clock.now()) == status:
                    if len(found) == limit:
                        return Page(found, _cursor(position))
                    found.append(mine[key])
                position = key
            return Page(found, None)

    def due(self, before: datetime, limit: int) -> Sequence[DueItem]:
        with self._locked():
            signups = map(Signup.model_validate_json, self._signups.values())
            waiting = [(signup.due_at, DueItem(signup.id)) for signup in signups if signup.due_at]
            waiting += [
                (parked.due_at, DueItem(event_id, place))
                for (place, event_id), parked in self._parked.items()
                if parked.due_at
            ]
            due = [(iso(due_at), item) for due_at, item in waiting if iso(due_at) <= iso(before)]
            return [item for _, item in sorted(due, key=lambda entry: entry[0])[:limit]]

    def find_claim(self, phone_number_id: str) -> Pointer | None:
        with self._locked():
            return self._phones.get(phone_number_id)

    def find_digits(self, digits: str) -> Pointer | None:
        with self._locked():
            return self._digits.get(digits)

    def find_channel(self, channel_id: str) -> Pointer | None:
        with self._locked():
            return self._channels.get(channel_id)

    # --- clients

    def load_client(self, tenant: str, email: str) -> ClientRecord:
        with self._locked():
            return _copied(self._clients.get((tenant, email), ClientRecord(tenant, email)))

    def save_client(self, record: ClientRecord) -> ClientRecord:
        with self._locked():
            if self.load_client(record.tenant, record.email).version != record.version:
                raise Conflict
            if record.client_id is not None and not self.own_client(record.client_id, record.tenant):
                raise Conflict
            saved = replace(record, version=record.version + 1)
            self._clients[record.tenant, record.email] = _copied(saved)
            return saved

    def client_owner(self, client_id: str) -> str | None:
        with self._locked():
            return self._owners.get(client_id)

    def own_client(self, client_id: str, tenant: str) -> bool:
        with self._locked():
            return self._owners.setdefault(client_id, tenant) == tenant

    # --- events

    def claim_event(self, event: PartnerEvent, owner: str, now: datetime) -> EventClaim | None:
        with self._locked():
            stored = self._living(event.id, now)
            if stored is not None and stored.state == "done":
                if not stored.outcome.startswith("given_up"):
                    return None
                stored = None
            if stored is not None and stored.state == "processing":
                if stored.owner == owner:
                    return self._claim(stored)
                if stored.lease_until > now:
                    raise PutOff(stored.lease_until, "event lease")
            until = now + EVENT_LEASE
            if stored is None:
                stored = _Event(event, "processing", owner, 1, until, now + EVENT_KEPT)
                self._events[event.id] = stored
            else:
                stored.state, stored.owner, stored.lease_until = "processing", owner, until
                stored.attempts += 1
            return self._claim(stored)

    def release_event(self, claim: EventClaim, *, counted: bool) -> None:
        with self._locked():
            if not self._is_ours(claim):
                return
            stored = self._events[claim.event_id]
            stored.attempts = claim.attempts if counted else claim.attempts - 1
            stored.state = "released"
            if claim.place is not None:
                stored.state = "parked"
                now = self._clock.now()
                key = (claim.place, claim.event_id)
                parked = self._parked.setdefault(key, _Parked(None, now + EVENT_KEPT))
                parked.due_at = now + LOOK_SOON

    def finish_event(self, claim: EventClaim, outcome: str) -> None:
        with self._locked():
            if self._is_ours(claim):
                self._end(claim, outcome)

    def park_event(
        self,
        claim: EventClaim,
        event: PartnerEvent,
        channel: Channel,
        place: str,
        *,
        now: datetime,
        due_at: datetime | None,
    ) -> None:
        with self._locked():
            if not self._is_ours(claim):
                raise LeaseLost(claim.event_id)
            number = self._digits.get(channel.digits)
            if channel.waba_id and number is not None and number.waba_id == channel.waba_id:
                raise Conflict
            if claim.place is not None:
                self._parked.pop((claim.place, claim.event_id), None)
            stored = self._events[claim.event_id]
            stored.state, stored.attempts, stored.place = "parked", 0, place
            stored.parked_at = claim.parked_at or now
            self._parked[place, claim.event_id] = _Parked(due_at, stored.expires_at)

    def parked(self, place: str) -> Sequence[ParkedEvent]:
        with self._locked():
            now = self._clock.now()
            waiting = [
                self._living(event_id, now)
                for (where, event_id), parked in sorted(self._parked.items(), key=lambda entry: entry[0])
                if where == place and parked.expires_at > now
            ]
            return [
                ParkedEvent(event=stored.event, place=place)
                for stored in waiting
                if stored is not None and stored.state != "done"
            ]

    # --- inside

    def _locked(self) -> threading.RLock:
        if self.broken:
            raise UnavailableError("the table does not answer")
        return self._lock

    def _stored(self, signup_id: str) -> Signup:
        return Signup.model_validate_json(self._signups[signup_id])

    def _require_free(self, claim: Pointer, replaced: str | None) -> None:
        held = self._phones.get(claim.phone_number_id)
        if held is not None and held.signup_id not in {claim.signup_id, replaced}:
            raise NumberTaken(claim.phone_number_id)

    def _living(self, event_id: str, now: datetime) -> _Event | None:
        stored = self._events.get(event_id)
        return stored if stored is not None and stored.expires_at > now else None

    def _is_ours(self, claim: EventClaim) -> bool:
        stored = self._events.get(claim.event_id)
        return stored is not None and stored.state == "processing" and stored.owner == claim.owner

    def _claim(self, stored: _Event) -> EventClaim:
        return EventClaim(
            event_id=stored.event.id,
            owner=stored.owner,
            attempts=stored.attempts,
            place=stored.place,
            parked_at=stored.parked_at,
        )

    def _end(self, claim: EventClaim, outcome: str) -> None:
        stored = self._events[claim.event_id]
        stored.state, stored.outcome = "done", outcome
        if claim.place is not None:
            self._parked.pop((claim.place, claim.event_id), None)


def _copied(record: ClientRecord) -> ClientRecord:
    return replace(record, lease=record.lease.model_copy() if record.lease else None)


def _cursor(position: str) -> str:
    return base64.urlsafe_b64encode(position.encode()).decode()


def _position(cursor: str) -> str:
    position = base64.b64decode(cursor.encode("ascii"), altchars=b"-_", validate=True).decode()
    if not _CURSOR.fullmatch(position):
        raise ValueError("the cursor is not one of ours")
    return position


class MemoryBudget:
    """`BudgetStore` over one record."""

    def __init__(self, rule: BudgetRule) -> None:
        self._rule = rule
        self._state = BudgetState()
        self._lock = threading.RLock()
        self.started: list[datetime] = []
        """Every start there ever was."""
        self.broken = False

    def take(self, job: str, now: datetime) -> datetime | None:
        return self._change(now, lambda state: budget.take(state, self._rule, job, now))

    def take_spare(self, now: datetime) -> datetime | None:
        return self._change(now, lambda state: budget.take_spare(state, self._rule, now))

    def push_back(self, now: datetime, retry_after: float | None) -> None:
        with self._lock:
            self._require_answer()
            budget.push_back(self._state, self._rule, now, retry_after)

    def _change(self, now: datetime, take: Callable[[BudgetState], datetime | None]) -> datetime | None:
        with self._lock:
            self._require_answer()
            slot = take(self._state)
            if slot is None:
                self.started.append(now)
            return slot

    def _require_answer(self) -> None:
        if self.broken:
            raise BudgetUnavailable("the budget does not answer")


@dataclass
class MemoryQueue:
    """`Queue` that keeps what it was given, in order."""

    jobs: list[tuple[str, str]] = field(default_factory=list)
    buried_jobs: list[tuple[str, str, str]] = field(default_factory=list)
    events: list[str] = field(default_factory=list)
    buried_events: list[tuple[str, str, str]] = field(default_factory=list)
    broken: bool = False

    def send_job(self, signup_id: str, phone_number_id: str) -> None:
        self._require_answer()
        self.jobs.append((signup_id, phone_number_id))

    def bury_job(self, signup_id: str, phone_number_id: str, reason: str) -> None:
        self._require_answer()
        self.buried_jobs.append((signup_id, phone_number_id, reason))

    def send_event(self, raw: str) -> None:
        self._require_answer()
        self.events.append(raw)

    def bury_event(self, body: str, encoding: str, reason: str) -> None:
        self._require_answer()
        self.buried_events.append((body, encoding, reason))

    def _require_answer(self) -> None:
        if self.broken:
            raise UnavailableError("the queue does not answer")


@dataclass
class MemoryBus:
    """`Bus` that keeps what was published."""

    published: list[BusEvent] = field(default_factory=list)
    broken: bool = False

    def publish(self, events: Sequence[BusEvent]) -> None:
        if self.broken:
            raise UnavailableError("the bus does not answer")
        self.published.extend(event.model_copy(deep=True) for event in events)

    def types(self) -> list[str]:
        """The types of the published events, in order."""
        return [event.type for event in self.published]


@dataclass
class MemoryVault:
    """`Vault` that hides nothing and yet opens only under the same context."""

    broken: bool = False

    def encrypt(self, plain: str, context: Mapping[str, str]) -> str:
        if self.broken:
            raise UnavailableError("the keys do not answer")
        content = json.dumps([plain, dict(context)], sort_keys=True)
        return f"vault:{base64.b64encode(content.encode()).decode()}"

    def decrypt(self, secret: str, context: Mapping[str, str]) -> str:
        if self.broken:
            raise UnavailableError("the keys do not answer")
        plain, bound = json.loads(base64.b64decode(secret.removeprefix("vault:")))
        if bound != dict(context):
            raise ValueError("the encryption context is another")
        return str(plain)


@dataclass
class MemoryTelemetry:
    """`Telemetry` that keeps everything, to be looked through for secrets too."""

    counts: dict[str, float] = field(default_factory=dict)
    dimensions: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    lines: list[tuple[str, str, dict[str, str | float | None]]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, name: str, value: float = 1, **dimensions: str) -> None:
        with self._lock:
            self.counts[name] = self.counts.get(name, 0) + value
            self.dimensions.append((name, dimensions))

    def info(self, message: str, **fields: str | float | None) -> None:
        self.lines.append(("info", message, fields))

    def warn(self, message: str, **fields: str | float | None) -> None:
        self.lines.append(("warn", message, fields))

    def warnings(self) -> list[str]:
        """The messages somebody should see, in order."""
        return [message for level, message, _ in self.lines if level == "warn"]
