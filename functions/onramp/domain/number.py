"""The life of one phone number of one tenant at one hub: all that can happen to it, and what follows.

    submitted by its tenant ──► pending ─ submitting ─ submitted ─ created ─ ready ─ running ─ live
                                                                                              │
                                 connected ◄─ connecting ◄────────────────────────────────────┘

    beside it, at any time:  failed · restricted · cancelled · attention
    a later popup of its tenant:  reconnect; when its channel has ended, with a new life

Pure: no I/O, no clock, no chance. Each function changes the record it is given and tells its facts; whoever
writes the record writes them with it. The record is the claim on the number, too: who acts on a number acts
on this record under its version.
"""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import ClassVar, Final

from pydantic import Field, field_serializer

from onramp.domain.errors import FAILURES, PutOff
from onramp.domain.facts import FACTS, FactType
from onramp.domain.partner_events import Channel, Effect, PartnerEvent
from onramp.domain.records import HUB, Fact, Record, Worked
from onramp.domain.schedule import LONGEST_WAIT, SETTLE, next_look
from onramp.domain.states import (
    Attention,
    Progress,
    Standing,
    Status,
    Step,
    is_known,
    rank,
    reaches,
    standing,
)

PATIENCE: Final = timedelta(seconds=2)
"""So early a run may come and still be let in: a queue counts whole seconds."""
CHANNELS_REMEMBERED: Final = 20
"""Ended channels kept in the record, the newest; nobody goes through more lives than that in earnest."""


class WabaOf(Record):
    """The WhatsApp Business Account a number is in: Meta's ids of it and of its owner."""

    id: str
    business_id: str | None = None


class Intent(Record):
    """A call that changes something upstream, written before it is sent and ended only by its own outcome."""

    action: Step | str
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
    step: Step | str
    status: int | None = None


class Listing(Record):
    """Where a listing goes on that the budget has cut: its filter, and the offset of the next page.

    `candidate` is a channel of the list that has to be read singly first, `rejected` are those that were.
    """

    filter: int = 0
    offset: int = 0
    nameless: bool = False
    candidate: str | None = None
    rejected: list[str] = Field(default_factory=list)


class Number(Worked):
    """One phone number, for as long as it lives.

    `client_id` is 360dialog's, known sooner or later. `digits` is the canonical form. `steps`: when each
    state of this life was reached first. `life` counts the lives. `ended_channels` are never adopted again.
    `due_at`: when its next step is to be taken, or looked after. `look_from`: when it was taken up again;
    `looks` counts the looks in vain since then. `permission_at`: when the client last let us make the key.
    `doubts` counts the runs that made a key and lost their lease before they could store it, so that the
    stored key may be dead, and the wishes for a proof; `settled_doubts` how many of them a later check by use
    has answered.
    """

    KIND: ClassVar[str] = "NUMBER"

    phone_number_id: str
    tenant: str
    signup_id: str
    reference: str | None = None
    hub: str = HUB
    waba: WabaOf
    client_id: str | None = None
    display_phone_number: str = ""
    verified_name: str | None = None
    verification: str | None = None
    digits: str = ""
    plan_tier: str = "regular"
    created_at: datetime
    authorized_at: datetime | None = None
    life: int = 1
    progress: Progress | str = Field(default=Progress.PENDING, union_mode="left_to_right")
    steps: dict[str, datetime] = Field(default_factory=dict)
    channel_id: str | None = None
    ended_channels: list[str] = Field(default_factory=list)
    second_channel: str | None = None
    key: ChannelKey | None = None
    doubts: int = 0
    settled_doubts: int = 0
    intent: Intent | None = None
    listing: Listing | None = None
    looks: int = 0
    look_from: datetime | None = None
    due_at: datetime | None = None
    failure: Failure | None = None
    restriction: str | None = None
    cancelled_at: datetime | None = None
    permission_at: datetime | None = None

    @field_serializer("steps", when_used="json")
    def _milliseconds(self, steps: dict[str, datetime]) -> dict[str, int]:
        """Times as milliseconds: nine of them as text would be a quarter of the record."""
        return {status: round(at.timestamp() * 1000) for status, at in steps.items()}

    @property
    def identity(self) -> tuple[str, ...]:
        """Meta's id of the number."""
        return (self.phone_number_id,)

    @property
    def status(self) -> str:
        """What a reader is shown: a word of `Status`, or one of a later release."""
        if self.cancelled_at:
            return Status.CANCELLED
        if self.failure:
            return Status.FAILED
        if self.restriction:
            return Status.RESTRICTED
        return str(self.progress)

    @property
    def standing(self) -> Standing:
        """The class its signup counts it in."""
        return standing(self.status)

    @property
    def attention(self) -> Attention | None:
        """What a person should see although messages may flow."""
        return Attention.SECOND_CHANNEL if self.second_channel else None

    @property
    def next_step(self) -> Step | None:
        """What has to be done next, or None."""
        if self.failure or self.cancelled_at or not is_known(self.progress):
            return None
        if not reaches(self.progress, Progress.SUBMITTED):
            return Step.SUBMIT
        if not reaches(self.progress, Progress.LIVE):
            return Step.LOOK
        unproved = self.key is None or self.doubts > self.settled_doubts
        return Step.CONNECT if unproved or not reaches(self.progress, Progress.CONNECTED) else None

    @property
    def place(self) -> str:
        """Where 360dialog's events about it are kept: its channel, or its WABA while it has none."""
        return (
            channel_place(self.hub, self.channel_id)
            if self.channel_id
            else waba_place(self.hub, self.waba.id)
        )

    @property
    def waits_since(self) -> datetime:
        """Since when it waits for 360dialog: from its submission, or from when it was taken up again."""
        return self.look_from or self.steps.get(Progress.SUBMITTED, self.created_at)

    def tell(self, fact: FactType, now: datetime, **detail: str | None) -> None:
        """A fact about this number, written with it."""
        self.told.append(
            Fact(
                type=fact,
                at=now,
                subject=self.signup_id,
                tenant=self.tenant,
                reference=self.reference,
                phone_number_id=self.phone_number_id,
                channel_id=self.channel_id,
                detail=detail,
                bus=FACTS[fact].bus,
            )
        )


def channel_place(hub: str, channel_id: str) -> str:
    """The place of a channel's events."""
    return f"CHANNEL#{hub}#{channel_id}"


def waba_place(hub: str, waba_id: str) -> str:
    """The place of a WABA's events, and of its numbers that have no channel yet."""
    return f"WABA#{hub}#{waba_id}"


# --- taking and giving back ----------------------------------------------------------------------------


def take(number: Number, owner: str, now: datetime) -> Step | None:
    """Give the number to a run, or None when nothing is to be done.

    Raises `PutOff` while another run has it, and when its time has not come.
    """
    step = number.next_step
    if step is None or number.due_at is None:
        return None
    if number.lease is None and number.due_at > now + PATIENCE:
        raise PutOff(number.due_at, "not due yet")
    number.lend(owner, now)
    if step is Step.CONNECT:
        advance(number, Progress.CONNECTING, now)
    return step


def put_off(number: Number, until: datetime, now: datetime, *, waits: bool) -> None:
    """A run found no room: the same step again, later, with no attempt used up."""
    number.give_back(now, counted=False, waits=waits)
    number.due_at = until


def plan_again(number: Number, code: str, at: datetime, now: datetime, *, waits: bool) -> None:
    """An attempt failed, or waiting has lasted too long: the same step again by the schedule."""
    number.give_back(now, counted=True, waits=waits)
    number.due_at = at
    number.tell(FactType.NUMBER_ATTEMPT_FAILED, now, code=code)


def fail(number: Number, code: str, step: Step, now: datetime, status: int | None = None) -> None:
    """Stop the number with a reason a person can act on. `status`: the HTTP status of the refusal."""
    kind = FAILURES[code]
    number.failure = Failure(
        code=code, title=kind.title, retryable=kind.retryable, at=now, step=step, status=status
    )
    number.begin_anew()
    number.due_at = None
    number.tell(FactType.NUMBER_FAILED, now, code=code, step=step)


def schedule(number: Number, now: datetime, look_after: timedelta) -> None:
    """When the number has to be looked after again, once something has moved it on to its next step."""
    step = number.next_step
    if step is Step.LOOK:
        number.due_at = next_look(number.looks, now, look_after)
    elif step is None:
        if is_known(number.progress):
            number.due_at = None
    else:
        number.due_at = now


# --- moving on -----------------------------------------------------------------------------------------

_MOVED: Final = {
    Progress.PENDING: FactType.NUMBER_PENDING,
    Progress.SUBMITTED: FactType.NUMBER_SUBMITTED,
    Progress.CREATED: FactType.NUMBER_CREATED,
    Progress.READY: FactType.NUMBER_READY,
    Progress.RUNNING: FactType.NUMBER_RUNNING,
    Progress.LIVE: FactType.NUMBER_LIVE,
    Progress.CONNECTED: FactType.NUMBER_CONNECTED,
}
"""What is told of a state that is reached; of an intent nothing is told, its outcome is."""


def submit(number: Number, now: datetime) -> None:
    """The tenant wants the number: the first state of its first life."""
    number.steps = {Progress.PENDING: now}
    number.due_at = now
    number.tell(FactType.NUMBER_PENDING, now)


def advance(number: Number, progress: Progress, now: datetime) -> bool:
    """Move the number forward; a step back or sideways changes nothing. Says whether it moved."""
    if not rank(progress) > rank(number.progress):
        return False
    number.progress = progress
    number.steps = {**number.steps, progress: now}
    if (
        number.failure
        and number.failure.step in {Step.SUBMIT, Step.LOOK}
        and reaches(progress, Progress.CREATED)
    ):
        # It lives at 360dialog, whatever our own call was answered.
        number.failure = None
    if progress in _MOVED:
        number.tell(_MOVED[progress], now)
    return True


def _replan(number: Number, before: Step | None, now: datetime, look_after: timedelta) -> None:
    """Plan the next step when it is another one than before; a run that has the number plans for itself."""
    if number.next_step is before or number.is_held(now):
        return
    number.begin_anew()
    schedule(number, now, look_after)


def intend(number: Number, client_id: str, now: datetime) -> None:
    """The submission under a client is about to be sent."""
    number.client_id = client_id
    number.intent = Intent(action=Step.SUBMIT, at=now)
    advance(number, Progress.SUBMITTING, now)


def submitted(number: Number, now: datetime) -> None:
    """360dialog has taken the number; its channel comes by event."""
    number.intent = None
    number.listing = None
    number.looks = 0
    number.look_from = None
    advance(number, Progress.SUBMITTED, now)


def key_made(number: Number, key: ChannelKey) -> None:
    """A new key is in our hands; every older one is dead."""
    number.key = key
    number.intent = None


def connected(number: Number, doubts: int, now: datetime) -> None:
    """Key and webhook are proved by use. `doubts`: how many of them this proof has answered."""
    if number.key is not None:
        number.key.checked_at = now
    number.intent = None
    number.settled_doubts = doubts
    if not advance(number, Progress.CONNECTED, now):
        number.tell(FactType.NUMBER_CHECKED, now)


def doubt(number: Number, now: datetime) -> None:
    """We made a key after our time: the stored one may be dead, so whoever comes next checks it by use."""
    number.doubts += 1
    if number.lease is None and number.next_step is not None:
        number.due_at = now
    number.tell(FactType.NUMBER_KEY_DOUBTED, now)


# --- channels ------------------------------------------------------------------------------------------


def contradicts(number: Number, channel: Channel) -> bool:
    """Whether a channel says that it is not this number's; what it does not say contradicts nothing."""
    if channel.external_id == number.phone_number_id:
        return False
    other_waba = channel.waba_id is not None and channel.waba_id != number.waba.id
    other_number = bool(channel.digits) and channel.digits != number.digits
    return other_waba or other_number


def is_of(number: Number, channel: Channel) -> bool:
    """Whether a channel is this number's: by Meta's id of the number, else by WABA and digits."""
    if channel.external_id == number.phone_number_id:
        return True
    return channel.waba_id == number.waba.id and bool(channel.digits) and channel.digits == number.digits


def bind(number: Number, channel: Channel, now: datetime) -> bool:
    """Take a living channel for the number's own. False when it has another one, or has seen this one end."""
    if channel.id is None or channel.id in number.ended_channels:
        return False
    if number.channel_id == channel.id:
        return True
    if channel.dead:
        return False
    if number.cancelled_at is not None:
        _begin_life(number, channel.id, now)
    if number.channel_id is None:
        number.channel_id = channel.id
        if number.second_channel == channel.id:
            number.second_channel = None
        number.client_id = channel.client_id or number.client_id
        return True
    if channel.id not in {number.channel_id, number.second_channel}:
        number.second_channel = channel.id
        number.tell(
            FactType.NUMBER_ATTENTION, now, code=Attention.SECOND_CHANNEL, other_channel_id=channel.id
        )
    return number.channel_id == channel.id


def see(number: Number, channel: Channel, now: datetime, look_after: timedelta) -> bool:
    """What 360dialog shows of a channel: carry the number on, or end it. False when it is not its own."""
    before = number.next_step
    if channel.dead and channel.id == number.second_channel:
        number.second_channel = None
    if not bind(number, channel, now):
        return False
    if channel.dead:
        _end(number, now)
        return True
    if not reaches(number.progress, Progress.SUBMITTED):
        submitted(number, now)
    advance(number, channel.progress or Progress.CREATED, now)
    _replan(number, before, now, look_after)
    return True


def _end(number: Number, now: datetime) -> None:
    """The number's channel has ended at 360dialog; a second one that is known takes its place."""
    if number.cancelled_at is not None:
        return
    number.tell(FactType.NUMBER_CANCELLED, now)
    number.cancelled_at = now
    number.failure = number.key = number.intent = None
    number.due_at = None
    number.begin_anew()
    if number.second_channel is not None:
        _begin_life(number, number.second_channel, now)


def looked(number: Number) -> None:
    """A look has shown nothing new: the next one comes later."""
    number.listing = None
    number.looks += 1


def overdue(number: Number, now: datetime) -> str | None:
    """The failure of a number that has waited for 360dialog too long, or None."""
    if now - number.waits_since <= LONGEST_WAIT:
        return None
    return "channel_never_came" if number.channel_id is None else "channel_stuck"


# --- events --------------------------------------------------------------------------------------------

_SEVERITY: Final = ("account_violation", "account_restriction")
_NOTES: Final = {
    "cancellation_request": FactType.NUMBER_CANCELLATION_REQUEST,
    "cancellation_revoke": FactType.NUMBER_CANCELLATION_REVOKE,
    "phone_number_quality_changed": FactType.NUMBER_QUALITY_CHANGED,
    "channel_status_changed": FactType.NUMBER_CHANNEL_STATUS_CHANGED,
}


class Heard(StrEnum):
    """What became of an event.

    `other_channel`: it is about a channel that is not the number's. `early`: it stays in the ledger until its
    channel is known.
    """

    APPLIED = "applied"
    OTHER_CHANNEL = "other_channel"
    EARLY = "early"


def hear(number: Number, event: PartnerEvent, now: datetime, look_after: timedelta) -> Heard:
    """What an event of 360dialog's changes."""
    rule, channel = event.rule, event.channel
    if rule is None:
        return Heard.OTHER_CHANNEL
    if rule.effect is Effect.CANCEL or channel.dead:
        return _hear_end(number, channel, now)
    before = number.next_step
    if channel.id is not None and not bind(number, channel, now):
        return Heard.OTHER_CHANNEL
    _EFFECTS.get(rule.effect, _nothing)(number, event, now)
    if rule.progress is not None:
        if not number.is_held(now) and not reaches(number.progress, Progress.SUBMITTED):
            submitted(number, now)
        advance(number, rule.progress, now)
    _replan(number, before, now, look_after)
    return Heard.APPLIED


def _hear_end(number: Number, channel: Channel, now: datetime) -> Heard:
    """A channel has ended: the number's own, another one, or one that is not known (yet)."""
    if number.channel_id is not None and channel.id in {None, number.channel_id}:
        _end(number, now)
        return Heard.APPLIED
    if channel.id is not None and channel.id == number.second_channel:
        number.second_channel = None
        return Heard.OTHER_CHANNEL
    known = channel.id in number.ended_channels or number.channel_id is not None
    # The end of a channel we do not know, perhaps of the number's earlier life, binds nothing.
    return Heard.OTHER_CHANNEL if known else Heard.EARLY


def _nothing(*_: object) -> None:
    return


def _permit(number: Number, _event: PartnerEvent, now: datetime) -> None:
    """The client lets us make the key: before, during or after our try, it is remembered."""
    number.permission_at = now
    if number.failure is not None and number.failure.code == "permission_missing":
        number.failure = None
        number.tell(FactType.NUMBER_PERMISSION_GRANTED, now)
    elif number.next_step is Step.CONNECT and not number.is_held(now):
        number.due_at = now


def _restrict(number: Number, event: PartnerEvent, now: datetime) -> None:
    known = _SEVERITY.index(number.restriction) if number.restriction in _SEVERITY else -1
    if event.name in _SEVERITY and _SEVERITY.index(event.name) > known:
        number.restriction = event.name
    number.tell(FactType.NUMBER_RESTRICTED, now, code=event.name, violation_type=event.detail or None)


def _note(number: Number, event: PartnerEvent, now: datetime) -> None:
    if event.name in _NOTES:
        number.tell(_NOTES[event.name], now)


_EFFECTS: Final = {Effect.PERMIT: _permit, Effect.RESTRICT: _restrict, Effect.NOTE: _note}


# --- coming back ---------------------------------------------------------------------------------------


def retry(number: Number, now: datetime) -> None:
    """Clear a failure that may be mended, so that its step runs anew, with all attempts."""
    _mend(number, now)
    number.due_at = now
    number.tell(FactType.NUMBER_RETRIED, now)


def _mend(number: Number, now: datetime) -> None:
    failure, number.failure = number.failure, None
    number.begin_anew()
    number.looks = 0
    number.look_from = now
    if failure is not None and failure.code in {"channel_missing", "channel_dead"}:
        _remember_ended(number, number.channel_id)
        number.channel_id, number.second_channel = number.second_channel, None
        number.key = None
    if number.channel_id is None:
        # Perhaps there is a channel, perhaps nothing ever arrived: look, then submit.
        _look_first(number, now)


def _look_first(number: Number, now: datetime) -> None:
    settled_at = now - SETTLE
    if number.intent is not None:
        # A call that has just gone out may still be missing from 360dialog's lists.
        settled_at = max(settled_at, number.intent.at)
    number.progress = Progress.SUBMITTING
    number.intent = Intent(action=Step.SUBMIT, at=settled_at)
    number.listing = None


def reconnect(number: Number, now: datetime) -> None:
    """Its tenant has proved the number again: whatever its state, it goes on from there.

    A channel that lives is kept, and its key and webhook are proved; when the channel has ended, the record
    begins a new life and looks for what exists before anything is submitted.
    """
    number.restriction = None
    if number.cancelled_at is not None:
        _begin_life(number, None, now)
        return
    if number.failure is not None:
        _mend(number, now)
    if number.progress == Progress.CONNECTED:
        number.doubts += 1
    if number.next_step is not None and not number.is_held(now):
        number.attempts = 0
        number.due_at = now
    number.tell(FactType.NUMBER_RECONNECT, now, life=str(number.life))


def _begin_life(number: Number, channel_id: str | None, now: datetime) -> None:
    """Begin anew with a channel that is known to live, or with a look for one."""
    _remember_ended(number, number.channel_id)
    number.life += 1
    number.channel_id = channel_id
    number.second_channel = None
    number.cancelled_at = number.failure = number.key = number.permission_at = None
    number.doubts = number.settled_doubts = number.looks = 0
    number.look_from = now
    number.begin_anew()
    number.steps = {Progress.PENDING: now}
    if channel_id is None:
        _look_first(number, now)
    else:
        number.intent = None
        number.progress = Progress.SUBMITTED
        number.steps[Progress.SUBMITTED] = now
    number.due_at = now
    number.tell(FactType.NUMBER_RECONNECT, now, life=str(number.life))


def _remember_ended(number: Number, channel_id: str | None) -> None:
    if channel_id is not None and channel_id not in number.ended_channels:
        number.ended_channels = [*number.ended_channels, channel_id][-CHANNELS_REMEMBERED:]
