"""The record of one phone number of one tenant at one hub, and what follows from it without a clock."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import ClassVar, Final

from pydantic import Field, field_serializer

from onramp.domain.facts import FACTS, FactType
from onramp.domain.records import Fact, Record, Worked
from onramp.domain.states import Attention, Progress, Standing, Status, Step, is_known, reaches, standing

CHANNELS_REMEMBERED: Final = 20
"""Ended channels kept in the record, the newest; nobody goes through more lives than that in earnest."""
LONG_UNDER_WAY: Final = timedelta(days=1)
"""A number that waits for longer says what for."""


class Unseen(StrEnum):
    """Why a number's channel has to be read before anything else is done."""

    RECONNECT = "reconnect"
    """Its tenant came back with it."""
    REVOKED = "revoked"
    """It has ended, and somebody says that this was undone."""
    ASKED = "asked"
    """Somebody wants it proved now."""


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


class Wish(Record):
    """What its tenant asked for: `action` is `cancel` or `reactivate`; `refused` says why it was not done."""

    action: Step | str
    at: datetime
    refused: str | None = None


class Listing(Record):
    """Where a listing goes on that the budget has cut: its filter, and the offset of the next page.

    `candidate` is a channel of the list that has to be read singly first, `rejected` are those that were.
    `strays` are living channels of the WABA that nothing says whose they are.
    """

    filter: int = 0
    offset: int = 0
    candidate: str | None = None
    rejected: list[str] = Field(default_factory=list)
    strays: list[str] = Field(default_factory=list)


class Restriction(Record):
    """A restriction that Meta itself has told of; `at`, `id` and `detail` are those of its event."""

    code: str
    at: datetime
    id: str
    until: datetime | None = None
    detail: str = ""


class Number(Worked):
    """One phone number, for as long as it lives.

    `client_id` is 360dialog's, known sooner or later. `digits` is the canonical form. `steps`: when each
    state of this life was reached first. `life` counts the lives. `ended_channels` are never adopted again.
    `due_at`: when its next step is to be taken, or looked after. `look_from`: when it was taken up again;
    `looks` counts the looks in vain since then. `permission_at`: when the client last let us make the key.
    `doubts` counts the runs that made a key and lost their lease before they could store it, so that the
    stored key may be dead, and the wishes for a proof; `settled_doubts` how many of them a later check by use
    has answered. `verification` and `name_status` are Meta's words. `notices`: what a person should see, each
    with its code. `restriction` is the event's name, `restricted_by` its id. `final`: the channel has ended
    for good. `ending_at`: since when 360dialog is asked to end it. `unseen`: its channel is to be read first.
    `seen_at`: when it was read alive last. `absent_at`: 360dialog had no channel of it then. `stray`: a
    channel of its WABA that may be its own holds it up. `mended_at`: when it was mended last without a
    person. `client_renewed`: 360dialog did not know its client, so that another was looked for.
    `erased_at`: its person was forgotten, and nothing is done with it until it is proved anew. `rests`: it
    was adopted, and nobody has asked for its key yet, so that it waits for nothing. `key_wanted`: somebody
    has asked for a new key in place of the stored one. `messaging`: the webhook of the allow-list that its
    signup has chosen. `given_up`: an operator has taken it from its tenant. `overtaken`: since a run has it,
    somebody took it up again or 360dialog told of its end, so that what was read may be older.
    `end_heard_at`: when 360dialog last told of its end, of a request for it or of its revocation.
    `revoked_early`: when a revocation came before the request that it revokes. Of Meta's own webhook:
    `metas_words` are its newest words by topic, `metas_restrictions` those not known to be over, `freed_at`
    when the last one was.
    """

    KIND: ClassVar[str] = "NUMBER"

    phone_number_id: str
    tenant: str
    signup_id: str
    reference: str | None = None
    waba: WabaOf
    client_id: str | None = None
    display_phone_number: str = ""
    verified_name: str | None = None
    verification: str | None = None
    name_status: str | None = None
    digits: str = ""
    plan_tier: str = "regular"
    messaging: str | None = None
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
    notices: dict[str, str] = Field(default_factory=dict)
    restriction: str | None = None
    violation_type: str | None = None
    restricted_at: datetime | None = None
    restricted_until: datetime | None = None
    restricted_by: str | None = None
    wish: Wish | None = None
    ending_at: datetime | None = None
    cancelled_at: datetime | None = None
    final: bool = False
    unseen: Unseen | str | None = Field(default=None, union_mode="left_to_right")
    seen_at: datetime | None = None
    absent_at: datetime | None = None
    stray: str | None = None
    mended_at: datetime | None = None
    client_renewed: bool = False
    permission_at: datetime | None = None
    erased_at: datetime | None = None
    metas_words: dict[str, str] = Field(default_factory=dict)
    metas_restrictions: list[Restriction] = Field(default_factory=list)
    freed_at: datetime | None = None
    rests: bool = False
    key_wanted: bool = False
    given_up: bool = False
    overtaken: bool = False
    revoked_early: datetime | None = None
    end_heard_at: datetime | None = None

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
        """What a person should see although messages may flow: the weightiest of it."""
        return next((attention for attention in Attention if attention in self.noticed), None)

    @property
    def attention_code(self) -> str | None:
        """What 360dialog or Meta calls it, where they do."""
        attention = self.attention
        return self.notices.get(attention) or None if attention else None

    @property
    def noticed(self) -> set[str]:
        """All that a person should see."""
        return set(self.notices) | ({Attention.SECOND_CHANNEL} if self.second_channel else set())

    @property
    def next_step(self) -> Step | None:
        """What has to be done next, or None."""
        if self.erased_at is not None or not is_known(self.progress):
            return None
        if self.wish is not None and self.is_open_wish:
            return Step(self.wish.action) if self.wish.action in set(Step) else None
        if self.failure:
            return None
        if self.unseen and self.channel_id:
            return Step.LOOK
        return None if self.cancelled_at or self.rests else self._way

    @property
    def _way(self) -> Step:
        """The next step on the way to *connected*, and to stay there."""
        if not reaches(self.progress, Progress.SUBMITTED):
            return Step.SUBMIT
        if not reaches(self.progress, Progress.LIVE):
            return Step.LOOK
        unproved = self.key is None or self.key_wanted or self.doubts > self.settled_doubts
        return Step.CONNECT if unproved or not reaches(self.progress, Progress.CONNECTED) else Step.CHECK

    @property
    def is_open_wish(self) -> bool:
        """Whether its tenant has asked for something that is still to be done."""
        return self.wish is not None and self.wish.refused is None

    @property
    def is_under_way(self) -> bool:
        """Whether something is to be expected of it soon; its daily check is not that."""
        return self.next_step not in {None, Step.CHECK}

    @property
    def moved_at(self) -> datetime:
        """When it reached a state last."""
        return max(self.steps.values(), default=self.created_at)

    @property
    def still_since(self) -> datetime:
        """Since when nothing has moved it: from its last state, or from when it was taken up again."""
        return self.look_from or self.moved_at

    def waits_for(self, now: datetime) -> str | None:
        """What it waits for, a key of `WAITS`, when it is under way for longer than a day."""
        if self.failure or self.cancelled_at or self.rests or now - self.still_since < LONG_UNDER_WAY:
            return None
        if self.stray is not None:
            return "stray"
        if self.progress == Progress.SUBMITTING and self.client_id is None:
            return "client"
        if self.progress == Progress.CONNECTING and self.key is None:
            return "permission"
        return _WAITS_FOR.get(self.progress)

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


_WAITS_FOR: Final[Mapping[str, str]] = {
    Progress.PENDING: "client",
    Progress.SUBMITTING: "submission",
    Progress.SUBMITTED: "channel",
    Progress.CREATED: "registration",
    Progress.READY: "registration",
    Progress.RUNNING: "live",
    Progress.LIVE: "proof",
    Progress.CONNECTING: "proof",
}


def channel_place(hub: str, channel_id: str) -> str:
    """The place of a channel's events."""
    return f"CHANNEL#{hub}#{channel_id}"


def waba_place(hub: str, waba_id: str) -> str:
    """The place of a WABA's events, and of its numbers that have no channel yet."""
    return f"WABA#{hub}#{waba_id}"
