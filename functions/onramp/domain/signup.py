"""The signup: one record that holds a customer's client, WABA and numbers, and everything still to be done.

It is stored as one item and written under a version, so state and its pending work are one write.
"""

from datetime import datetime, timedelta
from typing import Final, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from onramp.domain.errors import FAILURES, LeaseLost
from onramp.domain.states import Progress, SignupStatus, Status, Step
from onramp.domain.text import digits

SIGNUP_LIFETIME: Final = timedelta(hours=24)
"""How long an opened signup waits for a code."""
TIMELINE_LENGTH: Final = 200
"""Entries kept of a timeline: an item has 400 KB, and nobody reads further back."""
BUS_GRACE: Final = timedelta(seconds=60)
"""After this an unpublished bus event is taken up by the sweep."""


class Record(BaseModel):
    """Stored data: nothing unknown is dropped in silence."""

    model_config = ConfigDict(extra="forbid")


class Client(Record):
    """The partner's customer at 360dialog. `id` is 360dialog's (`…CL`), known sooner or later."""

    id: str | None = None
    name: str | None = None
    email: str | None = None
    user_name: str | None = None


class Waba(Record):
    """A WhatsApp Business Account (Meta's id) and how its ownership was proved."""

    id: str
    name: str | None = None
    business_id: str | None = None
    proof: str


class Exchange(Record):
    """One code: intent (`started_at`) before Meta is asked, outcome (`token`) after it.

    `token` is the customer's business token, encrypted. `waba_id` and `phone_number_id` are the browser's
    claims, not facts. `candidates` are the WABAs the token grants, when none was claimed.
    """

    code_sha256: str
    started_at: datetime
    token: str | None = None
    exchanged_at: datetime | None = None
    session_info: dict[str, JsonValue] | None = None
    waba_id: str | None = None
    phone_number_id: str | None = None
    candidates: list[str] = Field(default_factory=list)


class Lease(Record):
    """Who works on a thing, and until when it is theirs."""

    owner: str
    until: datetime


class Intent(Record):
    """A call that changes something upstream, written before it is sent and removed with its outcome."""

    action: Step
    at: datetime


class ChannelKey(Record):
    """A channel's API key, encrypted, with the host it is for. `checked_at`: proved by use."""

    secret: str
    address: str
    made_at: datetime
    checked_at: datetime | None = None


class Failure(Record):
    """Why a number stopped: `code` is a key of `FAILURES`, `step` the one that failed."""

    code: str
    title: str
    retryable: bool
    at: datetime
    step: Step


class StepDone(Record):
    """A state a number reached, and when."""

    status: Progress
    at: datetime


class TimelineEntry(Record):
    """One thing that happened, for people."""

    at: datetime
    event: str
    phone_number_id: str | None = None
    detail: str | None = None


class BusEvent(Record):
    """An event for the partner's own systems, waiting in the record until the bus has it."""

    id: str
    type: str
    at: datetime
    detail: dict[str, str | None]


class Number(Record):
    """One phone number of the WABA and its way to *connected*.

    `wanted`: the tenant has submitted it. `due_at`: when its next step is to be taken, or looked after.
    `doubts` counts the runs that made a key and lost their lease before they could store it, so that the
    stored key may be dead; `settled_doubts` how many of them a later check by use has answered.
    """

    phone_number_id: str
    display_phone_number: str = ""
    verified_name: str | None = None
    wanted: bool = False
    plan_tier: str | None = None
    progress: Progress = Progress.PENDING
    steps: list[StepDone] = Field(default_factory=list)
    channel_id: str | None = None
    key: ChannelKey | None = None
    doubts: int = 0
    settled_doubts: int = 0
    intent: Intent | None = None
    lease: Lease | None = None
    attempts: int = 0
    looks: int = 0
    due_at: datetime | None = None
    failure: Failure | None = None
    restriction: str | None = None
    cancelled_at: datetime | None = None

    @property
    def digits(self) -> str:
        """The phone number's digits."""
        return digits(self.display_phone_number)

    @property
    def status(self) -> Status:
        """What a reader is shown."""
        if self.cancelled_at:
            return Status.CANCELLED
        if self.failure:
            return Status.FAILED
        if self.restriction:
            return Status.RESTRICTED
        return Status(self.progress.value)

    @property
    def next_step(self) -> Step | None:
        """What has to be done next, or None."""
        if not self.wanted or self.failure or self.cancelled_at:
            return None
        if not self.progress.reaches(Progress.SUBMITTED):
            return Step.SUBMIT
        if not self.progress.reaches(Progress.LIVE):
            return Step.WAIT
        if self.doubts > self.settled_doubts or not self.progress.reaches(Progress.CONNECTED):
            return Step.CONNECT
        return None

    @property
    def submitted_at(self) -> datetime | None:
        """When the tenant asked for this number."""
        return self.steps[0].at if self.steps else None

    def is_held(self, now: datetime) -> bool:
        """Whether a run that may still be alive has this number."""
        return self.lease is not None and self.lease.until > now

    def held_by_other(self, owner: str, now: datetime) -> Lease | None:
        """The living lease of another run, if there is one."""
        lease = self.lease
        return lease if lease and lease.owner != owner and lease.until > now else None

    def require_lease(self, owner: str) -> None:
        """Raise `LeaseLost` unless `owner` still holds this number."""
        if self.lease is None or self.lease.owner != owner:
            raise LeaseLost(self.phone_number_id)


class Signup(Record):
    """A customer's signup, from the opened page to connected numbers."""

    id: str
    tenant: str
    created_at: datetime
    updated_at: datetime
    expires_at: datetime
    client: Client
    plan_tier: str
    reference: str | None = None
    waba: Waba | None = None
    exchange: Exchange | None = None
    numbers: list[Number] = Field(default_factory=list)
    timeline: list[TimelineEntry] = Field(default_factory=list)
    outbox: list[BusEvent] = Field(default_factory=list)
    event_count: int = 0
    version: int = 0

    @classmethod
    def open(
        cls,
        *,
        signup_id: str,
        tenant: str,
        client: Client,
        plan_tier: str,
        reference: str | None,
        now: datetime,
    ) -> Self:
        """A new signup that waits for its code until `SIGNUP_LIFETIME` has passed."""
        signup = cls(
            id=signup_id,
            tenant=tenant,
            created_at=now,
            updated_at=now,
            expires_at=now + SIGNUP_LIFETIME,
            client=client,
            plan_tier=plan_tier,
            reference=reference,
        )
        signup.tell("signup.opened", now)
        return signup

    def status(self, now: datetime) -> SignupStatus:
        """The state of the whole, derived from its parts."""
        if self.waba is None:
            return SignupStatus.EXPIRED if now >= self.expires_at else SignupStatus.OPEN
        wanted = [number for number in self.numbers if number.wanted]
        if not wanted:
            return SignupStatus.AUTHORIZED
        shown = {number.status for number in wanted}
        if shown & {Status.FAILED, Status.RESTRICTED} or shown == {Status.CANCELLED}:
            return SignupStatus.ATTENTION
        if shown <= {Status.CONNECTED, Status.CANCELLED}:
            return SignupStatus.CONNECTED
        return SignupStatus.ONBOARDING

    @property
    def due_at(self) -> datetime | None:
        """When the sweep has to look at this record, if nothing else has by then."""
        times = [number.due_at for number in self.numbers if number.due_at]
        if self.outbox:
            times.append(self.outbox[0].at + BUS_GRACE)
        return min(times, default=None)

    def number(self, phone_number_id: str) -> Number | None:
        """The number with Meta's id, or None."""
        return next((n for n in self.numbers if n.phone_number_id == phone_number_id), None)

    def must_number(self, phone_number_id: str) -> Number:
        """The number with Meta's id. Raises `KeyError`."""
        number = self.number(phone_number_id)
        if number is None:
            raise KeyError(phone_number_id)
        return number

    def note(
        self, event: str, now: datetime, number: Number | None = None, detail: str | None = None
    ) -> None:
        """Add a line to the timeline: whatever a reader may notice goes through here."""
        self.updated_at = max(self.updated_at, now)
        entry = TimelineEntry(
            at=now, event=event, phone_number_id=number.phone_number_id if number else None, detail=detail
        )
        self.timeline = [*self.timeline, entry][-TIMELINE_LENGTH:]

    def tell(self, event: str, now: datetime, number: Number | None = None, **detail: str | None) -> None:
        """Add a line to the timeline and an event for the bus; both go out with the record's next write."""
        self.note(event, now, number, detail.get("code"))
        self.event_count += 1
        facts: dict[str, str | None] = {
            "signup_id": self.id,
            "tenant": self.tenant,
            "reference": self.reference,
            **detail,
        }
        if number:
            facts |= {"phone_number_id": number.phone_number_id, "channel_id": number.channel_id}
        self.outbox = [
            *self.outbox,
            BusEvent(id=f"{self.id}-{self.event_count}", type=event, at=now, detail=facts),
        ]

    def advance(self, number: Number, progress: Progress, now: datetime) -> bool:
        """Move a number forward; a step back or sideways changes nothing. Says whether it moved."""
        if not progress.rank > number.progress.rank:
            return False
        number.progress = progress
        number.steps = [*number.steps, StepDone(status=progress, at=now)]
        if number.failure and number.failure.step is Step.SUBMIT and progress.reaches(Progress.SUBMITTED):
            number.failure = None
        self.tell(f"number.{progress}", now, number)
        return True

    def fail(self, number: Number, code: str, step: Step, now: datetime) -> None:
        """Stop a number with a reason a person can act on."""
        kind = FAILURES[code]
        number.failure = Failure(code=code, title=kind.title, retryable=kind.retryable, at=now, step=step)
        number.due_at = None
        number.lease = None
        self.tell("number.failed", now, number, code=code, step=step)
