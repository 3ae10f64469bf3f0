"""What the use cases need from outside. `adapters/` has the real ones, `tests/fakes.py` those in memory."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from onramp.domain.partner_events import Channel, PartnerEvent
from onramp.domain.signup import BusEvent, Lease, Signup


class Clock(Protocol):
    """Time and chance, so that tests can hold both still."""

    def now(self) -> datetime:
        """The time, in UTC."""

    def sleep(self, seconds: float) -> None:
        """Wait."""

    def draw(self) -> float:
        """A number in [0, 1), for jitter."""

    def new_id(self) -> str:
        """A new identifier that nobody can guess and that sorts by time."""


@dataclass(frozen=True, slots=True)
class Pointer:
    """Where a phone number id, some phone digits or a channel leads."""

    signup_id: str
    phone_number_id: str
    tenant: str
    waba_id: str
    digits: str


@dataclass(frozen=True, slots=True)
class ClientRecord:
    """What we know of a tenant's client with one email address.

    `absent_at`: 360dialog's list was read in full then and had no such client. `intent_at`: a create was
    sent then and its outcome is not known. `lease`: who may look and create right now. `many`: the list has
    more than one page, see `Partner.find_clients`.
    """

    tenant: str
    email: str
    client_id: str | None = None
    absent_at: datetime | None = None
    intent_at: datetime | None = None
    lease: Lease | None = None
    many: bool = False
    version: int = 0


@dataclass(frozen=True, slots=True)
class EventClaim:
    """A claim on one partner event. `attempts` counts the runs so far, this one included.

    `place` is set when the event was parked there, first at `parked_at`.
    """

    event_id: str
    owner: str
    attempts: int
    place: str | None = None
    parked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ParkedEvent:
    """An event that found no signup. `place` is the WABA or channel it waits under."""

    event: PartnerEvent
    place: str


@dataclass(frozen=True, slots=True)
class DueItem:
    """A hit of the sweep's index: a signup, or a parked event (then `place` is set)."""

    id: str
    place: str | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a tenant's signups, newest first."""

    signups: Sequence[Signup]
    cursor: str | None


class Conflict(Exception):
    """A conditional write lost: somebody else has written first."""


class NumberTaken(Exception):
    """The phone number is claimed by another signup."""

    def __init__(self, phone_number_id: str) -> None:
        super().__init__(phone_number_id)
        self.phone_number_id = phone_number_id


class SignupStore(Protocol):
    """Signups, and the claims and pointers that are written in one transaction with them.

    Every read is strongly consistent but `list_signups` and `due`.
    """

    def create_signup(self, signup: Signup, idempotency: tuple[str, str] | None) -> Signup:
        """Store a new signup. With `idempotency` (key, fingerprint) a repeat gives the first one back.

        Raises `Problem(idempotency_key_reused)` when the fingerprint differs.
        """

    def load(self, signup_id: str) -> Signup | None:
        """The signup, or None."""

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
        """Write the signup if nobody has since it was loaded; everything named goes with it or not at all.

        `claims` take phone numbers for this signup; `replaces` says whose older claim (phone number id →
        signup id) may be taken over. `channel` points a channel at a number. `done` ends an event with
        `outcome`, and takes it out of parking. Raises `Conflict`, `NumberTaken`. Gives the signup with its
        new version.
        """

    def list_signups(self, tenant: str, status: str | None, cursor: str | None, limit: int) -> Page:
        """A page of the tenant's signups, newest first. Raises `ValueError` for a cursor not ours."""

    def due(self, before: datetime, limit: int) -> Sequence[DueItem]:
        """What should have been looked at by `before`, oldest first."""

    def find_claim(self, phone_number_id: str) -> Pointer | None:
        """Who has the phone number."""

    def find_digits(self, digits: str) -> Pointer | None:
        """The number last submitted with these digits."""

    def find_channel(self, channel_id: str) -> Pointer | None:
        """The number a channel belongs to."""


class ClientStore(Protocol):
    """Clients by tenant and email, and who owns a client id."""

    def load_client(self, tenant: str, email: str) -> ClientRecord:
        """The record, empty when there is none yet."""

    def save_client(self, record: ClientRecord) -> ClientRecord:
        """Write it under its version; with a client id also its owner. Raises `Conflict`."""

    def client_owner(self, client_id: str) -> str | None:
        """The tenant a client id belongs to, or None when we have not seen it."""

    def own_client(self, client_id: str, tenant: str) -> bool:
        """Take a client id for a tenant; False when another tenant has it."""


class EventStore(Protocol):
    """Partner events: each acts once within 30 days."""

    def claim_event(self, event: PartnerEvent, owner: str, now: datetime) -> EventClaim | None:
        """Take an event for `EVENT_LEASE`. None when it is done; `PutOff` while another has it."""

    def release_event(self, claim: EventClaim, *, counted: bool) -> None:
        """Give an event back; the attempt is forgotten unless `counted`."""

    def finish_event(self, claim: EventClaim, outcome: str) -> None:
        """The event has been dealt with. Does nothing when the claim is no longer ours."""

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
        """Keep an event until its signup appears; `due_at` is when to look again (None: never).

        Raises `Conflict` when a number with the event's digits has appeared meanwhile.
        """

    def parked(self, place: str) -> Sequence[ParkedEvent]:
        """The events that wait under a WABA or channel."""


class BudgetStore(Protocol):
    """The shared budget of one partner."""

    def take(self, job: str, now: datetime) -> datetime | None:
        """Start a call now (None) or get a slot. Raises `BudgetUnavailable`."""

    def take_spare(self, now: datetime) -> datetime | None:
        """Start a call that gives way (None), or get a time to ask again. Raises `BudgetUnavailable`."""

    def push_back(self, now: datetime, retry_after: float | None) -> None:
        """360dialog wants rest."""


class Queue(Protocol):
    """The jobs queue and the dead letters."""

    def send_job(self, signup_id: str, phone_number_id: str) -> None:
        """Wake a worker for a number. Raises `UnavailableError`."""

    def bury_job(self, signup_id: str, phone_number_id: str, reason: str) -> None:
        """Put a job that is given up with its reason into the dead-letter queue."""

    def bury_event(self, body: str, encoding: str, reason: str) -> None:
        """Keep a body for a person in the dead-letter queue."""


class Bus(Protocol):
    """The partner's own systems."""

    def publish(self, events: Sequence[BusEvent]) -> None:
        """Send events. At least once: each has an id to tell copies by."""


class Vault(Protocol):
    """Encryption bound to what a secret is for."""

    def encrypt(self, plain: str, context: Mapping[str, str]) -> str:
        """Cipher text, as text. Raises `UnavailableError`."""

    def decrypt(self, secret: str, context: Mapping[str, str]) -> str:
        """The reverse; fails unless the context is the same."""


class UnavailableError(Exception):
    """A service of ours (queue, keys, bus) does not answer; the same call may work in a moment."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What a token was given: WABA ids by permission (`listed`), when Meta lists them."""

    waba_ids: Sequence[str]


@dataclass(frozen=True, slots=True)
class WabaFacts:
    """A WABA as its customer's token can read it."""

    id: str
    name: str | None
    owner_business_id: str | None


@dataclass(frozen=True, slots=True)
class PhoneFacts:
    """A phone number of a WABA, as Meta has it."""

    id: str
    display_phone_number: str
    verified_name: str | None


class Meta(Protocol):
    """Meta's Graph API (docs/upstreams.md). Everything raises `UpstreamError`."""

    def exchange(self, code: str) -> str:
        """The business token for a code. `Permanent` with a code of `PROBLEMS`, or `Ambiguous`."""

    def inspect(self, token: str) -> Grant:
        """What the token is. `Permanent(waba_not_granted)` when it is not valid or not our app's."""

    def business_of(self, token: str) -> str | None:
        """The customer's business portfolio, as the token tells it."""

    def read_waba(self, token: str, waba_id: str) -> WabaFacts:
        """The WABA. `Permanent(waba_not_granted)` when the token may not read it."""

    def read_numbers(self, token: str, waba_id: str) -> Sequence[PhoneFacts]:
        """All phone numbers of the WABA."""


@dataclass(frozen=True, slots=True)
class RemoteClient:
    """A client as 360dialog lists it."""

    id: str
    email: str
    created_at: datetime | None


@dataclass(frozen=True, slots=True)
class NewKey:
    """A freshly made API key and the host it is for."""

    api_key: str
    address: str


@dataclass(frozen=True, slots=True)
class Submission:
    """What 360dialog needs to take a number."""

    waba_id: str
    business_id: str | None
    client_id: str
    plan_tier: str
    phone_number_id: str


type Gate = Callable[[], None]
"""Called right before each request: takes a slot of the budget, or raises `PutOff`."""


class Partner(Protocol):
    """360dialog's Partner API (docs/upstreams.md). Everything raises `UpstreamError`.

    Each request passes the gate first.
    """

    def find_clients(
        self, email: str, gate: Gate, *, many: bool = False, on_many: Callable[[], None] = lambda: None
    ) -> Sequence[RemoteClient]:
        """All clients with the email, in any case, oldest first.

        `on_many` is called when there are more clients than one page holds; with `many` that is known, and
        the page that showed it is not read again.
        """

    def create_client(self, name: str, email: str, user_name: str, gate: Gate) -> str:
        """Make a client and give its id. Not idempotent."""

    def submit_number(self, submission: Submission, gate: Gate) -> None:
        """Hand a number over. The channel comes by webhook."""

    def list_channels(self, client_id: str | None, gate: Gate) -> Sequence[Channel]:
        """The channels of a client, or of all."""

    def read_channel(self, channel_id: str, gate: Gate) -> Channel:
        """One channel, fresher than the list."""

    def make_key(self, channel_id: str, gate: Gate) -> NewKey:
        """Make a key; every earlier key of the channel dies."""


@dataclass(frozen=True, slots=True)
class ChannelWebhook:
    """Where a channel's messages go."""

    url: str
    headers: Mapping[str, str]


class Messaging(Protocol):
    """360dialog's messaging host. Everything raises `UpstreamError`."""

    def set_webhook(self, key: NewKey, webhook: ChannelWebhook) -> None:
        """Set the channel's webhook."""

    def read_webhook(self, key: NewKey) -> ChannelWebhook | None:
        """What is set. `Permanent(key_rejected)` when the key is dead."""


class Telemetry(Protocol):
    """Counting and telling. Values are masked by the caller's choice of fields: ids only."""

    def count(self, name: str, value: float = 1, **dimensions: str) -> None:
        """Add to a metric."""

    def info(self, message: str, **fields: str | float | None) -> None:
        """Write a log line."""

    def warn(self, message: str, **fields: str | float | None) -> None:
        """Write a log line somebody should see."""
