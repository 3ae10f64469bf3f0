"""What goes in and out over HTTP; `contract/openapi.json` is generated from these.

A list of words that may grow is checked in requests and only described in answers: an answer with a word of a
later release is better than none.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Final, Literal, NamedTuple, Self, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
    WithJsonSchema,
)

from onramp.domain.errors import FAILURES, PROBLEMS, WAITS
from onramp.domain.facts import FactType
from onramp.domain.launch import STANDARD, Launch
from onramp.domain.link import Link, LinkStatus
from onramp.domain.number import Failure, Number
from onramp.domain.outcome import OutcomeType
from onramp.domain.records import HUB, Fact
from onramp.domain.signup import PROVED_BY_ADOPTION, PROVED_BY_GRANT, PROVED_BY_USE, ListedNumber
from onramp.domain.states import Attention, SignupStatus, Status, Step
from onramp.usecases.links import MadeLink, return_urls
from onramp.usecases.read import Listing, Whole

LARGEST_PAGE: Final = 4 * 1024 * 1024
"""Bytes of a list's answer; Lambda hands on 6 MB."""
MOST_NUMBERS: Final = 48
EXAMPLE_TIME: Final = "2026-11-26T08:30:00Z"
CURSOR: Final = "MjAyNi0xMS0yNlQwODozMDowMC4wMDBaIzAxYTIwN2EyMzI4MDRmN2EyYzllNTFkMzhiNmEwN2Y0"
SIGNUP_ID: Final = "01a207a232804f7a2c9e51d38b6a07f4"
LINK_ID: Final = "01a207a1f9c04b2e8d3a6c5f7e1094ab"
WISHES: Final = (Step.CANCEL, Step.REACTIVATE)
"""What a tenant may ask 360dialog for."""


def about(text: str, example: object = None) -> object:
    """A field's description and an example; a field that holds a model has the model's."""
    return Field(description=text, examples=None if example is None else [example])


PlanTier = Literal["basic", "regular", "premium"]
LanguageWord = Literal["en", "es", "pt", "de"]
OutcomeWord = Literal[
    "closed", "cancelled", "blocked", "reported_error", "sdk_blocked", "no_answer", "abandoned"
]


class Words(NamedTuple):
    """A list of words of the contract, and what they say."""

    about: str
    words: Sequence[str]


WORDS: Final[Mapping[str, Words]] = {
    "Attention": Words("What a person should see of a number although messages may flow.", list(Attention)),
    "EventType": Words("What can happen to a signup or a number.", list(FactType)),
    "FailureCode": Words("Why a number stopped.", list(FAILURES)),
    "Language": Words("A language of the page behind a link.", get_args(LanguageWord)),
    "LinkStatus": Words(
        "What has become of a link: it waits; a code of its customer has brought a token; its time is over;"
        " it was taken back.",
        list(LinkStatus),
    ),
    "NumberStatus": Words(
        "How far a number has come, or what covers that; `listed` was never submitted.", list(Status)
    ),
    "PopupOutcome": Words(
        "How a popup without a code ended: its window was closed; the customer cancelled; the browser blocked"
        " it; the customer reported an error; Meta's script was blocked; nothing came back in time; the"
        " customer left the page.",
        list(OutcomeType),
    ),
    "PlanTier": Words("360dialog's price plan of a number.", get_args(PlanTier)),
    "ProblemCode": Words("What stands in the way of a request.", list(PROBLEMS)),
    "Proof": Words(
        f"How a WABA's ownership was proved: `{PROVED_BY_GRANT}`, the customer's token lists it;"
        f" `{PROVED_BY_USE}`, the token could read it; `{PROVED_BY_ADOPTION}`, an operator says whose its"
        " channels at 360dialog are.",
        [PROVED_BY_GRANT, PROVED_BY_USE, PROVED_BY_ADOPTION],
    ),
    "SignupStatus": Words("The state of a signup as a whole.", list(SignupStatus)),
    "WaitCode": Words("What a number waits for that is under way for more than a day.", list(WAITS)),
    "WishAction": Words("What 360dialog is asked for: to end a channel, or to take that back.", list(WISHES)),
}
"""The enumerations of the contract, by name."""


def word_of(name: str) -> object:
    """The type's schema is one of `WORDS`."""
    return WithJsonSchema({"type": "string", "enum": list(WORDS[name].words), "x-words": name})


Tier = Annotated[PlanTier, word_of("PlanTier")]
Line = Annotated[
    str,
    StringConstraints(
        min_length=1, max_length=200, strip_whitespace=True, pattern=r"^[^\x00-\x1f\x7f-\x9f]+$"
    ),
]
"""Without control characters, those of eight bits included: a terminal would obey them."""
MetaId = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,32}$")]
ReturnUrl = Annotated[
    str, StringConstraints(min_length=1, max_length=2000, pattern=r"^https?://[\x21-\x7e]+$")
]
Language = Annotated[LanguageWord, word_of("Language")]
Cursor = Annotated[str, StringConstraints(min_length=1, max_length=500)]


class Body(BaseModel):
    """A request without fields: unknown ones are refused, nothing is converted."""

    model_config = ConfigDict(extra="forbid", strict=True, defer_build=True)


class LinkedNumbersBody(Body):
    """Which numbers to connect; without ids the one the popup named, or the only one."""

    phone_number_ids: Annotated[
        Annotated[list[MetaId], Field(min_length=1, max_length=MOST_NUMBERS)] | None,
        about("Meta's ids.", ["106540352242922"]),
    ] = None


class NumbersBody(LinkedNumbersBody):
    """Which numbers to connect, and under which plan; a customer with a link does not choose the plan."""

    plan_tier: Annotated[Tier | None, about("The price plan of these numbers.", "regular")] = None


class Query(BaseModel):
    """What all lists have: `cursor` goes on where a page ended, `limit` is 1 to 100."""

    model_config = ConfigDict(extra="forbid", defer_build=True)

    cursor: Annotated[Cursor | None, about("The cursor of the page before.", CURSOR)] = None
    limit: Annotated[int, Field(ge=1, le=100), about("How many at most.", 20)] = 20


class SignupQuery(Query):
    """`GET /v1/signups`."""

    status: Annotated[
        Annotated[SignupStatus, word_of("SignupStatus")] | None,
        about("Only those in this state.", "attention"),
    ] = None


class NumberQuery(Query):
    """`GET /v1/numbers`."""

    status: Annotated[
        Annotated[Status, word_of("NumberStatus")] | None,
        about("Only those in this state; `listed` are shown with their signup alone.", "failed"),
    ] = None


class LinkQuery(Query):
    """`GET /v1/signup-links`."""

    status: Annotated[
        Annotated[LinkStatus, word_of("LinkStatus")] | None,
        about("Only those of which this has become.", "open"),
    ] = None


class View(BaseModel):
    """A part of an answer."""

    model_config = ConfigDict(from_attributes=True, defer_build=True)


class ClientView(View):
    """The customer."""

    id: Annotated[str | None, about("360dialog's id, null until it is known.", "abc123CL")]
    name: Annotated[str | None, about("As given.", "Example Ltd")]
    email: Annotated[str | None, about("As given.", "owner@example.com")]
    user_name: Annotated[str | None, about("As given.", "Ada Example")]


class WabaView(View):
    """The WhatsApp Business Account."""

    id: Annotated[str, about("Meta's id.", "102290129340398")]
    name: Annotated[str | None, about("Its name at Meta.", "Example")]
    business_id: Annotated[str | None, about("The business portfolio that owns it.", "506914307656634")]
    proof: Annotated[str, word_of("Proof"), about("How its ownership was proved.", PROVED_BY_GRANT)]


class StepView(View):
    """A state that was reached."""

    status: Annotated[str, word_of("NumberStatus"), about("The state.", "submitted")]
    at: Annotated[datetime, about("When it was reached first.", EXAMPLE_TIME)]


class FailureView(View):
    """Why a number stopped and what to do about it."""

    code: Annotated[str, word_of("FailureCode"), about("A stable code.", "submission_rejected")]
    title: Annotated[str, about("What happened.", "360dialog refused the number")]
    retryable: Annotated[bool, about("Whether a retry may help.", example=True)]
    action: Annotated[str, about("What to do.", "Check the solution id, then retry.")]
    at: Annotated[datetime, about("When it stopped.", EXAMPLE_TIME)]

    @classmethod
    def of(cls, failure: Failure) -> Self:
        """A failure as its tenant sees it."""
        kind = FAILURES.get(failure.code)
        action = kind.action if kind else "Retry; if that fails, ask the operator."
        return cls(
            code=failure.code,
            title=failure.title,
            retryable=failure.retryable,
            action=action,
            at=failure.at,
        )


class RestrictionView(View):
    """Meta restricts the number."""

    code: Annotated[str, about("360dialog's event that told of it.", "account_restriction")]
    violation_type: Annotated[str | None, about("Meta's word for the reason.", "SPAM")]
    at: Annotated[datetime | None, about("Since when, where that is known.", EXAMPLE_TIME)]
    until: Annotated[datetime | None, about("When it ends, where Meta says so.", EXAMPLE_TIME)]

    @classmethod
    def of(cls, number: Number) -> Self | None:
        """What a number is restricted by."""
        if number.restriction is None:
            return None
        return cls(
            code=number.restriction,
            violation_type=number.violation_type,
            at=number.restricted_at,
            until=number.restricted_until,
        )


class WishView(View):
    """What its tenant has asked 360dialog for."""

    action: Annotated[str, word_of("WishAction"), about("What.", Step.CANCEL)]
    at: Annotated[datetime, about("When it was asked for.", EXAMPLE_TIME)]
    refused: Annotated[
        Annotated[str, word_of("FailureCode")] | None,
        about("Why 360dialog did not do it, if it did not.", "cancellation_rejected"),
    ]


class WaitView(View):
    """What a number waits for that is under way for more than a day."""

    code: Annotated[str, word_of("WaitCode"), about("A stable code.", "channel")]
    title: Annotated[str, about("What is missing.", WAITS["channel"].title)]
    action: Annotated[str, about("What can be done.", WAITS["channel"].action)]
    since: Annotated[datetime, about("Since when.", EXAMPLE_TIME)]

    @classmethod
    def of(cls, number: Number, now: datetime) -> Self | None:
        """What a number waits for at `now`."""
        code = number.waits_for(now)
        if code is None:
            return None
        kind = WAITS[code]
        return cls(code=code, title=kind.title, action=kind.action, since=number.still_since)


class NumberView(View):
    """One phone number. One that Meta lists and nobody submitted through this signup is `listed`."""

    phone_number_id: Annotated[str, about("Meta's id.", "106540352242922")]
    display_phone_number: Annotated[str, about("As Meta writes it.", "+1 201-555-0100")]
    verified_name: Annotated[str | None, about("The name Meta shows for it.", "Example")]
    verification: Annotated[str | None, about("Meta's word for its verification.", "VERIFIED")]
    name_status: Annotated[str | None, about("Meta's word for its display name.", "APPROVED")]
    status: Annotated[str, word_of("NumberStatus"), about("How far it is, or what covers that.", "connected")]
    attention: Annotated[
        Annotated[str, word_of("Attention")] | None,
        about("What a person should see although messages may flow.", "second_channel"),
    ]
    attention_code: Annotated[
        str | None, about("360dialog's or Meta's word for that, where there is one.", "EXPIRED")
    ]
    restriction: Annotated[RestrictionView | None, about("What Meta restricts it by, if it does.")]
    channel_id: Annotated[str | None, about("360dialog's id of its channel.", "abc123CH")]
    signup_id: Annotated[str | None, about("The signup it belongs to.", SIGNUP_ID)]
    hub: Annotated[str | None, about("The hub it is at.", HUB)]
    steps: Annotated[list[StepView], about("The states it has reached in this life, in their order.")]
    failure: Annotated[FailureView | None, about("Why it stopped, if it did.")]
    wish: Annotated[WishView | None, about("What 360dialog was asked for, until it is done.")]
    ending_at: Annotated[
        datetime | None, about("Since when 360dialog is to end its channel and has not yet.", EXAMPLE_TIME)
    ]
    waits_for: Annotated[WaitView | None, about("What is missing, after a day under way.")]
    checked_at: Annotated[datetime | None, about("When its key was last proved by use.", EXAMPLE_TIME)]
    next_attempt_at: Annotated[datetime | None, about("When it is worked on again.", EXAMPLE_TIME)]

    @classmethod
    def of(cls, number: Number, now: datetime) -> Self:
        """A number as its tenant sees it at `now`."""
        planned = number.lease is None and number.next_step in _ATTEMPTED
        return cls(
            phone_number_id=number.phone_number_id,
            display_phone_number=number.display_phone_number,
            verified_name=number.verified_name,
            verification=number.verification,
            name_status=number.name_status,
            status=number.status,
            attention=number.attention,
            attention_code=number.attention_code,
            restriction=RestrictionView.of(number),
            channel_id=number.channel_id,
            signup_id=number.signup_id,
            hub=number.hub,
            steps=[StepView(status=status, at=at) for status, at in number.steps.items()],
            failure=FailureView.of(number.failure) if number.failure else None,
            wish=WishView.model_validate(number.wish) if number.wish else None,
            ending_at=number.ending_at,
            waits_for=WaitView.of(number, now),
            checked_at=number.key.checked_at if number.key else None,
            next_attempt_at=number.due_at if planned else None,
        )

    @classmethod
    def listed(cls, number: ListedNumber) -> Self:
        """A number that Meta lists and that was not submitted through the signup that shows it."""
        given: dict[str, object] = {
            "phone_number_id": number.phone_number_id,
            "display_phone_number": number.display_phone_number,
            "verified_name": number.verified_name,
            "verification": number.verification,
            "name_status": number.name_status,
            "status": Status.LISTED,
            "steps": [],
        }
        return cls.model_validate(dict.fromkeys(cls.model_fields) | given)


_ATTEMPTED: Final = frozenset({Step.SUBMIT, Step.CONNECT, Step.CANCEL, Step.REACTIVATE})
"""Steps whose time is shown as the next attempt; 360dialog is waited for, and a check is no attempt."""


class TimelineView(View):
    """One thing that happened."""

    at: Annotated[datetime, about("When.", EXAMPLE_TIME)]
    event: Annotated[
        str, word_of("EventType"), about("What; most of these go to the bus, too.", "number.connected")
    ]
    phone_number_id: Annotated[str | None, about("To which number.", "106540352242922")]
    detail: Annotated[str | None, about("A code that says more.", "submission_rejected")]

    @classmethod
    def of(cls, fact: Fact) -> Self:
        """A fact as its tenant sees it."""
        return cls(
            at=fact.at,
            event=fact.type,
            phone_number_id=fact.phone_number_id,
            detail=fact.detail.get("code") or _ended(fact),
        )


def _ended(fact: Fact) -> str | None:
    """How a popup ended, and at which screen; None for what tells of no popup."""
    return ": ".join(filter(None, map(fact.detail.get, ("outcome", "step")))) or None


class SignupSummary(View):
    """A signup without its timeline, as lists show it."""

    id: Annotated[str, about("Ours; sorts by time.", SIGNUP_ID)]
    status: Annotated[str, word_of("SignupStatus"), about("The state of the whole.", "onboarding")]
    reference: Annotated[str | None, about("As given.", "order-17")]
    plan_tier: Annotated[
        str,
        word_of("PlanTier"),
        about("The price plan of its numbers, unless they have their own.", "regular"),
    ]
    hub: Annotated[str, about("The hub it goes to.", HUB)]
    client: Annotated[ClientView, about("The customer that came in.")]
    waba: Annotated[WabaView | None, about("The WABA, once it is proved.")]
    numbers: Annotated[list[NumberView], about("The WABA's numbers.")]
    created_at: Annotated[datetime, about("When it was opened.", EXAMPLE_TIME)]
    updated_at: Annotated[datetime, about("When it changed last.", EXAMPLE_TIME)]
    expires_at: Annotated[datetime, about("Until when it waits for a code.", EXAMPLE_TIME)]

    @classmethod
    def of(cls, whole: Whole, now: datetime) -> Self:
        """A signup as its tenant sees it at `now`."""
        return cls(**_parts(whole, now))


class LaunchView(View):
    """What `FB.login` is given for one signup."""

    flow: Annotated[str, about("The flow's name.", STANDARD)]
    config_id: Annotated[str, about("The login configuration.", "9876543210")]
    extras: Annotated[
        dict[str, JsonValue],
        about("For FB.login, as they are.", {"setup": {"solutionID": "123456789012345"}}),
    ]

    @classmethod
    def of(cls, launch: Launch | None) -> Self | None:
        """A launch as the browser needs it."""
        if launch is None:
            return None
        return cls(flow=launch.flow, config_id=launch.config_id, extras=dict(launch.extras))


class SignupView(SignupSummary):
    """The whole state of a signup, without its secrets."""

    launch: Annotated[
        LaunchView | None,
        about("While it is open: for its popup. Null when its flow is configured no more."),
    ]
    timeline: Annotated[list[TimelineView], about("What happened, oldest first; the newest 200.")]

    @classmethod
    def of(cls, whole: Whole, now: datetime) -> Self:
        """A signup as its tenant sees it at `now`."""
        return cls(
            **_parts(whole, now),
            launch=LaunchView.of(whole.launch),
            timeline=[TimelineView.of(fact) for fact in whole.facts],
        )


def _parts(whole: Whole, now: datetime) -> dict[str, Any]:
    signup, numbers = whole.signup, whole.numbers
    client = signup.client
    known = client.id or next((number.client_id for number in numbers.values() if number.client_id), None)
    listed = {number.phone_number_id for number in whole.listed}
    shown = [
        NumberView.of(numbers[number.phone_number_id], now)
        if number.phone_number_id in numbers
        else NumberView.listed(number)
        for number in whole.listed
    ]
    shown += [NumberView.of(number, now) for name, number in numbers.items() if name not in listed]
    return {
        "id": signup.id,
        "status": signup.status(now),
        "reference": signup.reference,
        "plan_tier": signup.plan_tier,
        "hub": signup.hub,
        "client": ClientView(id=known, name=client.name, email=client.email, user_name=client.user_name),
        "waba": WabaView.model_validate(signup.waba) if signup.waba else None,
        "numbers": shown,
        "created_at": signup.created_at,
        "updated_at": max([signup.updated_at, *(number.moved_at for number in numbers.values())]),
        "expires_at": signup.expires_at,
    }


class LinkView(View):
    """A signup link, without its address, of which only a digest is kept."""

    id: Annotated[str, about("Ours; the first part of its token.", LINK_ID)]
    status: Annotated[str, word_of("LinkStatus"), about("What has become of it.", "open")]
    signup_id: Annotated[str, about("The signup it leads to.", SIGNUP_ID)]
    reference: Annotated[str | None, about("As given.", "customer-4711")]
    language: Annotated[Annotated[str, word_of("Language")] | None, about("As given.", "en")]
    success_url: Annotated[str | None, about("As given.", "https://app.example.com/done?plan=2")]
    failure_url: Annotated[str | None, about("As given.", "https://app.example.com/failed")]
    created_at: Annotated[datetime, about("When it was made.", EXAMPLE_TIME)]
    expires_at: Annotated[datetime, about("Until when it waits for its customer.", EXAMPLE_TIME)]
    used_at: Annotated[datetime | None, about("When its customer's code was exchanged.", EXAMPLE_TIME)]
    revoked_at: Annotated[datetime | None, about("When it was taken back.", EXAMPLE_TIME)]

    @classmethod
    def of(cls, link: Link, now: datetime) -> Self:
        """A link as its tenant sees it at `now`."""
        return cls(**_link_parts(link, now))


class MadeLinkView(LinkView):
    """A link that was just made, with its address."""

    url: Annotated[
        str | None,
        about(
            "What the customer opens. Shown here alone: keep it as you keep a password. Null in the repeat of"
            " a call whose link has ended.",
            f"https://api.example.com/signup#{LINK_ID}.c2FtcGxlLXNlY3JldC10aGF0LW9wZW5zLW5vdGhpbmc",
        ),
    ]

    @classmethod
    def at(cls, made: MadeLink, page: str, now: datetime) -> Self:
        """A made link; `page` is the address of the page behind it."""
        url = f"{page}#{made.token}" if made.token else None
        return cls(**_link_parts(made.link, now), url=url)


def _link_parts(link: Link, now: datetime) -> dict[str, Any]:
    names = [name for name in LinkView.model_fields if name != "status"]
    return {"status": link.status(now), **{name: getattr(link, name) for name in names}}


class LinkList(View):
    """A page of links, the last to end first."""

    links: Annotated[list[LinkView], about("The links.")]
    cursor: Annotated[str | None, about("Leads to the next page; null on the last.", CURSOR)]


class FollowedLinkView(View):
    """The link by which a customer has come."""

    id: Annotated[str, about("Its id.", LINK_ID)]
    language: Annotated[
        Annotated[str, word_of("Language")] | None, about("Of the page, if it was chosen.", "en")
    ]
    success_url: Annotated[
        str | None,
        about(
            "Where to go when it went well: complete, with 360dialog's parameters and ours.",
            f"https://app.example.com/done?plan=2&client=smplB2CL&channels=[smplA1CH]&signup={SIGNUP_ID}"
            "&status=connected&reference=customer-4711",
        ),
    ]
    failure_url: Annotated[
        str | None,
        about(
            "Where else; complete, too.",
            f"https://app.example.com/failed?channels=[]&signup={SIGNUP_ID}&status=attention",
        ),
    ]
    expires_at: Annotated[datetime, about("Until when it waits.", EXAMPLE_TIME)]


class LinkedSignupView(SignupView):
    """The whole state of a signup for the customer who has come by its link."""

    link: Annotated[FollowedLinkView, about("The link.")]

    @classmethod
    def behind(cls, whole: Whole, link: Link, now: datetime) -> Self:
        """A signup as whoever has its link sees it at `now`."""
        success, failure = return_urls(whole, link, whole.signup.status(now))
        return cls(
            **_parts(whole, now),
            launch=LaunchView.of(whole.launch),
            timeline=[TimelineView.of(fact) for fact in whole.facts],
            link=FollowedLinkView(
                id=link.id,
                language=link.language,
                success_url=success,
                failure_url=failure,
                expires_at=link.expires_at,
            ),
        )


class SignupList(View):
    """A page of signups, newest first."""

    signups: Annotated[list[SignupSummary], about("The signups.")]
    cursor: Annotated[str | None, about("Leads to the next page; null on the last.", CURSOR)]


class NumberList(View):
    """A page of numbers, newest first, whatever signup brought them."""

    numbers: Annotated[list[NumberView], about("The numbers.")]
    cursor: Annotated[str | None, about("Leads to the next page; null on the last.", CURSOR)]


def fitting[I, V: View](
    page: Listing[I], shown: Callable[[I], V], cursor_of: Callable[[I], str]
) -> tuple[list[V], str | None]:
    """As many of a page's items, from its beginning, as fit into one answer, and the cursor behind the last.

    One that is too large by itself is shown all the same: else the page would never end.
    """
    views: list[V] = []
    size = 0
    for index, item in enumerate(page.items):
        view = shown(item)
        size += len(view.model_dump_json().encode())
        if size > LARGEST_PAGE and index:
            return views, cursor_of(page.items[index - 1])
        views.append(view)
    return views, page.cursor


class PageView(View):
    """Whose the signup looks like."""

    name: Annotated[str, about("The partner's name; empty when none is configured.", "Example Ltd")]
    logo_url: Annotated[str | None, about("The partner's logo.", "https://www.example.com/logo.svg")]
    accent: Annotated[str, about("The colour of buttons in light surroundings.", "#0b7a4b")]
    accent_dark: Annotated[str, about("The same in dark ones.", "#5fd39b")]
    support_url: Annotated[str | None, about("Where a customer finds help.", "mailto:help@example.com")]


class ConfigAnswer(View):
    """What the browser needs for `FB.init` and `FB.login`."""

    app_id: Annotated[str, about("The Meta app.", "1234567890")]
    config_id: Annotated[str, about("The login configuration of the flow `standard`.", "9876543210")]
    graph_version: Annotated[str, about("The Graph API's version.", "v26.0")]
    extras: Annotated[
        dict[str, JsonValue],
        about("Its extras. A signup's own are its `launch`.", {"setup": {"solutionID": "123456789012345"}}),
    ]
    sdk_url: Annotated[
        str,
        about(
            "Meta's SDK; another locale may stand in place of `en_US`.",
            "https://connect.facebook.net/en_US/sdk.js",
        ),
    ]
    dialog_url: Annotated[
        str,
        about(
            "Meta's dialog, for a signup without a popup (experimental).",
            "https://www.facebook.com/v26.0/dialog/oauth",
        ),
    ]
    redirect_uris: Annotated[
        list[str],
        about(
            "The pages, exactly, that the dialog may come back to; none when it is not used.",
            ["https://app.example.com/connect"],
        ),
    ]
    flows: Annotated[list[str], about("What a signup's `flow` may be.", [STANDARD, "coexistence"])]
    page: Annotated[PageView, about("The partner's look, for a page that leads to the popup.")]


class KeyAnswer(View):
    """A channel's API key and the host it is for."""

    channel_id: Annotated[str, about("360dialog's id of the channel.", "abc123CH")]
    address: Annotated[str, about("The messaging host.", "https://waba-v2.360dialog.io")]
    api_key: Annotated[str, about("The channel's only living key.", "aBcDeFgHiJkL_AK")]


class FieldError(View):
    """A field that is wrong."""

    field: Annotated[str, about("Where it is, with dots.", "client.email")]
    message: Annotated[str, about("What is wrong with it.", "does not have the right form")]


class WabaCandidate(View):
    """A WABA that may be meant."""

    waba_id: Annotated[str, about("Meta's id.", "102290129340398")]
    name: Annotated[str | None, about("Its name, where it can be read.", "Example")] = None


class NumberCandidate(View):
    """A number that may be meant."""

    phone_number_id: Annotated[str, about("Meta's id.", "106540352242922")]
    display_phone_number: Annotated[str, about("As Meta writes it.", "+1 201-555-0100")]


class ProblemAnswer(View):
    """RFC 9457, with a stable `code`."""

    type: Annotated[str, about("A name for the kind of problem.", "urn:onramp:problem:not_found")]
    title: Annotated[str, about("What kind of problem it is.", "Not found")]
    status: Annotated[int, about("The HTTP status.", 404)]
    detail: Annotated[str, about("What happened, and what to do.", "There is no such signup.")]
    code: Annotated[str, word_of("ProblemCode"), about("The stable code.", "not_found")]
    retryable: Annotated[bool, about("Whether the same call may work later.", example=False)]
    customer_detail: Annotated[
        str, about("May be shown to a customer; translate it by the code.", PROBLEMS["not_found"].customer)
    ]
    request_id: Annotated[str, about("Name it when you ask for help.", "JKJaXmPLvHcESHA=")]
    errors: Annotated[list[FieldError] | None, about("The fields that are wrong.")] = None
    candidates: Annotated[list[WabaCandidate] | list[NumberCandidate] | None, about("What may be meant.")] = (
        None
    )
    signup_id: Annotated[str | None, about("Your own signup that is in the way.", SIGNUP_ID)] = None
    phone_number_id: Annotated[str | None, about("The number it is about.", "106540352242922")] = None
    refresh_url: Annotated[
        str | None,
        about(
            "Where a customer with a dead link gets a new one.",
            f"https://app.example.com/new-link?link={LINK_ID}&reference=customer-4711",
        ),
    ] = None
