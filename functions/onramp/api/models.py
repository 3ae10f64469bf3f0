"""What goes in and out over HTTP; `docs/openapi.json` is generated from these."""

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Final, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    JsonValue,
    StringConstraints,
    Tag,
    model_validator,
)

from onramp.domain.signup import Number, Signup, TimelineEntry
from onramp.domain.states import Progress, SignupStatus, Status, Step

SESSION_INFO_LENGTH: Final = 16_384
"""Characters of a session info as JSON; Meta's have a few hundred."""
SESSION_INFO_DEPTH: Final = 20
"""Levels of nesting: what is stored must be readable again, and pydantic reads less deep than it writes."""


def _limited(value: dict[str, JsonValue]) -> dict[str, JsonValue]:
    if len(json.dumps(value)) > SESSION_INFO_LENGTH:
        raise ValueError(f"must have at most {SESSION_INFO_LENGTH} characters")
    level: list[JsonValue] = [value]
    for _ in range(SESSION_INFO_DEPTH):
        level = [inner for outer in level for inner in _members(outer)]
    if level:
        raise ValueError(f"must have at most {SESSION_INFO_DEPTH} levels")
    return value


def _members(value: JsonValue) -> Iterable[JsonValue]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


type PlanTier = Literal["basic", "regular", "premium"]
type Line = Annotated[
    str,
    StringConstraints(min_length=1, max_length=200, strip_whitespace=True, pattern=r"^[^\x00-\x1f\x7f]+$"),
]
"""A line of text, without control characters."""
type Email = Annotated[
    str,
    StringConstraints(
        max_length=254,
        pattern=r"^[^\s\x00-\x1f\x7f@<>\"',;:]{1,64}@[^\s\x00-\x1f\x7f@<>\"',;:]+\.[^\s\x00-\x1f\x7f@<>\"',;:]+$",
    ),
]
type ClientId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
type MetaId = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,32}$")]
type SessionInfo = Annotated[dict[str, JsonValue], AfterValidator(_limited)]


class Body(BaseModel):
    """A request: unknown fields are refused, nothing is converted."""

    model_config = ConfigDict(extra="forbid", strict=True)


class NewClient(Body):
    """A customer that 360dialog may not know yet; it is looked up by its email first."""

    name: Line
    email: Email
    user_name: Line


class KnownClient(Body):
    """A customer by 360dialog's client id."""

    client_id: ClientId


def _form(value: object) -> str:
    """Which form a client is given in, so that a mistake is told about that form alone."""
    known = isinstance(value, KnownClient) or (isinstance(value, dict) and "client_id" in value)
    return "KnownClient" if known else "NewClient"


type AnyClient = Annotated[
    Annotated[NewClient, Tag("NewClient")] | Annotated[KnownClient, Tag("KnownClient")], Discriminator(_form)
]


class OpenSignupBody(Body):
    """`POST /v1/signups`: the customer by its data or by its client id, exactly one of them."""

    client: AnyClient | None = None
    client_id: ClientId | None = None
    plan_tier: PlanTier | None = None
    reference: Line | None = None

    @model_validator(mode="after")
    def _one_client(self) -> Self:
        if (self.client is None) == (self.client_id is None):
            raise ValueError("give either client or client_id")
        return self


class CodeBody(Body):
    """`POST /v1/signups/{id}/code`: the popup's code, or the answer to `waba_ambiguous`."""

    code: (
        Annotated[str, StringConstraints(min_length=1, max_length=4096, pattern=r"^[\x21-\x7e]+$")] | None
    ) = None
    session_info: SessionInfo | None = None
    waba_id: MetaId | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.code is None) == (self.waba_id is None):
            raise ValueError("give either code or waba_id")
        if self.session_info is not None and self.code is None:
            raise ValueError("session_info goes with a code")
        return self


class NumbersBody(Body):
    """`POST /v1/signups/{id}/numbers`: without ids the claimed number, or the only one."""

    phone_number_ids: Annotated[list[MetaId], Field(min_length=1, max_length=48)] | None = None
    plan_tier: PlanTier | None = None


class ListQuery(BaseModel):
    """`GET /v1/signups`: `status` filters, `cursor` goes on where a page ended, `limit` is 1 to 100."""

    model_config = ConfigDict(extra="forbid")

    status: SignupStatus | None = None
    cursor: Annotated[str, StringConstraints(min_length=1, max_length=500)] | None = None
    limit: Annotated[int, Field(ge=1, le=100)] = 20


class View(BaseModel):
    """A part of an answer."""

    model_config = ConfigDict(from_attributes=True)


class ClientView(View):
    """The customer. `id` is 360dialog's, null until it is known."""

    id: str | None
    name: str | None
    email: str | None
    user_name: str | None


class WabaView(View):
    """The WhatsApp Business Account. `proof`: `granted_ids` or `read_access`."""

    id: str
    name: str | None
    business_id: str | None
    proof: str


class StepView(View):
    """A state that was reached."""

    status: Progress
    at: datetime


class FailureView(View):
    """Why a number stopped and what to do about it."""

    code: str
    title: str
    retryable: bool
    at: datetime


class NumberView(View):
    """One number of the WABA. A number that was not submitted is `pending` and has no steps."""

    phone_number_id: str
    display_phone_number: str
    verified_name: str | None
    status: Status
    channel_id: str | None
    steps: list[StepView]
    failure: FailureView | None
    next_attempt_at: datetime | None

    @classmethod
    def of(cls, number: Number) -> Self:
        """A number as its tenant sees it."""
        planned = number.lease is None and number.next_step in {Step.SUBMIT, Step.CONNECT}
        return cls(
            phone_number_id=number.phone_number_id,
            display_phone_number=number.display_phone_number,
            verified_name=number.verified_name,
            status=number.status,
            channel_id=number.channel_id,
            steps=[StepView.model_validate(step) for step in number.steps],
            failure=FailureView.model_validate(number.failure) if number.failure else None,
            next_attempt_at=number.due_at if planned else None,
        )


class TimelineView(View):
    """One thing that happened."""

    at: datetime
    event: str
    phone_number_id: str | None
    detail: str | None


def _moment(entry: TimelineEntry) -> datetime:
    """Two functions' clocks may differ by a moment."""
    return entry.at


class SignupView(View):
    """The whole state of a signup, without its secrets."""

    id: str
    status: SignupStatus
    reference: str | None
    plan_tier: str
    client: ClientView
    waba: WabaView | None
    numbers: list[NumberView]
    timeline: list[TimelineView]
    created_at: datetime
    updated_at: datetime
    expires_at: datetime

    @classmethod
    def of(cls, signup: Signup, now: datetime) -> Self:
        """A signup as its tenant sees it at `now`."""
        return cls(
            id=signup.id,
            status=signup.status(now),
            reference=signup.reference,
            plan_tier=signup.plan_tier,
            client=ClientView.model_validate(signup.client),
            waba=WabaView.model_validate(signup.waba) if signup.waba else None,
            numbers=[NumberView.of(number) for number in signup.numbers],
            timeline=[TimelineView.model_validate(entry) for entry in sorted(signup.timeline, key=_moment)],
            created_at=signup.created_at,
            updated_at=signup.updated_at,
            expires_at=signup.expires_at,
        )


class SignupAnswer(View):
    """The signup after a change."""

    signup: SignupView


class SignupList(View):
    """A page of signups, newest first. `cursor` leads to the next page."""

    signups: list[SignupView]
    cursor: str | None


class ConfigAnswer(View):
    """What the browser needs for `FB.init` and `FB.login`."""

    app_id: str
    config_id: str
    graph_version: str
    extras: dict[str, JsonValue]


class KeyAnswer(View):
    """A channel's API key and the host it is for."""

    channel_id: str
    address: str
    api_key: str


class FieldError(View):
    """A field that is wrong."""

    field: str
    message: str


class ProblemAnswer(View):
    """RFC 9457, with a stable `code`."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    retryable: bool
    request_id: str
    errors: list[FieldError] | None = None
    candidates: list[dict[str, str]] | None = None
