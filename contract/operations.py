"""What each route takes and answers, in words and models; `contract.openapi` makes the document from it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from pydantic import BaseModel

from contract.routes import ROUTES, Route
from onramp.domain.outcome import MOST as MOST_OUTCOMES
from onramp.inbound.models import (
    Body,
    ConfigAnswer,
    KeyAnswer,
    LinkedNumbersBody,
    LinkedSignupView,
    LinkList,
    LinkQuery,
    LinkView,
    MadeLinkView,
    NumberList,
    NumberQuery,
    NumbersBody,
    NumberView,
    SignupList,
    SignupQuery,
    SignupView,
)
from onramp.inbound.opening import CodeBody, MakeLinkBody, OpenSignupBody, OutcomeBody
from onramp.inbound.receiving import MAX_BODY as MAX_WEBHOOK

BODY: Final = ("invalid_json", "body_too_large", "unsupported_media_type", "invalid_request")
"""Problems of a request's body."""
OURS: Final = ("internal_error", "unavailable")
"""Problems of our own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a route answers when it went well. `example` names one of `contract.examples`."""

    about: str
    model: type[BaseModel] | None = None
    example: str | None = None
    headers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One route's part of the contract.

    Attributes:
        name: The `operationId`.
        tag: The part of the contract it belongs to.
        summary: What it does, in one line.
        about: What a caller has to know beside.
        answers: The good answers by status.
        problems: Codes of `PROBLEMS` it answers with.
        body: The request's model.
        body_required: Whether an empty body is refused.
        samples: Sample events whose bodies are the request's examples, by what they show.
        headers: Request headers, names in the document's parameters.
        query: The model of the query.
    """

    name: str
    tag: str
    summary: str
    about: str
    answers: Mapping[int, Answer]
    problems: tuple[str, ...]
    body: type[BaseModel] | None = None
    body_required: bool = True
    samples: Mapping[str, str] | None = None
    headers: tuple[str, ...] = ()
    query: type[BaseModel] | None = None


_UNDER_WAY: Final = ("ETag", "RetryAfterUnderWay")
_POLLING: Final = (
    "Made for polling: send the `ETag` back as `If-None-Match`, and come again after `Retry-After` seconds."
    " Without `Retry-After` nothing is under way."
)
_RETRYING: Final = (
    "Do first what `failure.action` says. All attempts of the schedule begin anew. What is not `retryable` is"
    " not retried."
)
_UNCHANGED: Final = Answer(about="Nothing has changed since that `ETag`.", headers=_UNDER_WAY)


def _wish(name: str, summary: str, *, about: str, example: str, problem: str, sample: str) -> Operation:
    """A route that takes a tenant's wish for one number, and answers the number."""
    return Operation(
        name=name,
        tag="numbers",
        summary=summary,
        about=about,
        answers={202: Answer(about="The number.", model=NumberView, example=example)},
        problems=("unauthenticated", *BODY, "not_found", problem, *OURS),
        body=Body,
        body_required=False,
        samples={"empty": sample},
    )


LINK: Final = ("unauthenticated", "link_expired", "link_revoked", "link_used")
"""Problems of a caller who has come with a link."""
_BY_ROLE: Final = (
    " For your servers: the caller's IAM identity needs `execute-api:Invoke` on this route, and the path"
    " names the tenant."
)


def _links(name: str, *, by_role: bool) -> Operation:
    """A route of the makers of links, for a tenant's own token or for a role of the account."""
    made = _OF_LINKS[name]
    if not by_role:
        return made
    return replace(
        made,
        name=f"{name}ForTenant",
        tag="servers",
        about=f"{made.about}{_BY_ROLE}",
        # The gateway refuses a caller whom it does not know.
        problems=tuple(code for code in made.problems if code != "unauthenticated"),
        samples={what: f"{sample}_for_tenant" for what, sample in (made.samples or {}).items()} or None,
    )


_OF_LINKS: Final[Mapping[str, Operation]] = {
    "makeLink": Operation(
        name="makeLink",
        tag="links",
        summary="Make a link to a new signup",
        about=(
            "For a customer who has no login of yours: send them the `url`, which is shown here alone. The"
            " signup is opened with it and waits as long. Opening the link spends nothing; the first code"
            " that brings a token does, and from then on only the browser it came from goes on with it. The"
            " same `Idempotency-Key` gives the same link with another `url`; both lead in."
        ),
        answers={201: Answer(about="The link.", model=MadeLinkView, example="made_link")},
        problems=("unauthenticated", *BODY, "idempotency_key_reused", "tenant_limit", *OURS),
        body=MakeLinkBody,
        samples={"new_client": "code_exchange/make_link"},
        headers=("IdempotencyKey",),
    ),
    "listLinks": Operation(
        name="listLinks",
        tag="links",
        summary="The tenant's links, the last to end first",
        about=(
            "Links are forgotten 30 days after their end. A page may hold less than `limit`, nothing even,"
            " and yet have a `cursor`: go on until there is none."
        ),
        answers={200: Answer(about="A page.", model=LinkList, example="links")},
        problems=("unauthenticated", "invalid_request", *OURS),
        query=LinkQuery,
    ),
    "revokeLink": Operation(
        name="revokeLink",
        tag="links",
        summary="Take a link back",
        about=(
            "It lets nobody in any more, not even who has used it. A repeat changes nothing, nor does it"
            " where the link has expired. Its signup and numbers stay as they are."
        ),
        answers={200: Answer(about="The link.", model=LinkView, example="revoked_link")},
        problems=("unauthenticated", *BODY, "not_found", *OURS),
        body=Body,
        body_required=False,
        samples={"empty": "code_exchange/revoke_link"},
    ),
}


def _by_link(key: str, *, name: str, about: str, sample: str | None = None) -> Operation:
    """The route of a customer with a link that does what `key` does for its tenant's token."""
    own = _OWN[key]
    return replace(
        own,
        name=name,
        tag="linked signup",
        about=about,
        answers={
            status: replace(given, model=LinkedSignupView, example=f"linked_{given.example}")
            if given.model
            else given
            for status, given in own.answers.items()
        },
        # There is no id in the path, and so nothing that is not found.
        problems=(*LINK, *(code for code in own.problems if code not in {"unauthenticated", "not_found"})),
        body=LinkedNumbersBody if own.body is NumbersBody else own.body,
        samples={"by_link": sample} if sample else None,
    )


_OWN: Final[Mapping[str, Operation]] = {
    "GET /v1/config": Operation(
        name="readConfig",
        tag="browser",
        summary="What the browser needs for FB.init and FB.login",
        about="Public, and the same for everybody. May be kept for five minutes.",
        answers={200: Answer(about="The configuration.", model=ConfigAnswer, example="config")},
        problems=("internal_error",),
    ),
    "POST /v1/signups": Operation(
        name="openSignup",
        tag="signups",
        summary="Open a signup",
        about=(
            "Name the customer by `client` or by `client_id`, one of the two. Open the signup before the"
            " popup: afterwards every second counts. It waits 24 hours for its code. While it is open its"
            " `launch` holds what `FB.login` is given: the flow's configuration with `prefill` put in."
        ),
        answers={201: Answer(about="The signup.", model=SignupView, example="opened", headers=("Location",))},
        problems=("unauthenticated", *BODY, "idempotency_key_reused", "tenant_limit", *OURS),
        body=OpenSignupBody,
        samples={
            "new_client": "code_exchange/open_signup",
            "known_client": "code_exchange/open_signup_known_client",
            "prefilled": "code_exchange/open_signup_prefilled",
        },
        headers=("IdempotencyKey",),
    ),
    "GET /v1/signups": Operation(
        name="listSignups",
        tag="signups",
        summary="The tenant's signups, newest first",
        about=(
            "Without timelines. A page may hold less than `limit`, nothing even, and yet have a `cursor`: go"
            " on until there is none."
        ),
        answers={200: Answer(about="A page.", model=SignupList, example="signups")},
        problems=("unauthenticated", "invalid_request", *OURS),
        query=SignupQuery,
    ),
    "GET /v1/signups/{signup_id}": Operation(
        name="readSignup",
        tag="signups",
        summary="The whole state of a signup",
        about=_POLLING,
        answers={
            200: Answer(about="The signup.", model=SignupView, example="connected", headers=_UNDER_WAY),
            304: _UNCHANGED,
        },
        problems=("unauthenticated", "not_found", *OURS),
        headers=("IfNoneMatch",),
    ),
    "POST /v1/signups/{signup_id}/code": Operation(
        name="exchangeCode",
        tag="signups",
        summary="Exchange the popup's code and prove what was granted",
        about=(
            "Send the code at once, it lives 30 seconds; `session_info` is the popup's message, unchanged, if"
            " it has come. A code that came without a popup, by Meta's leading back to a page, goes with that"
            " page as `redirect_uri` (experimental). The same call again gives the stored result. After"
            " `waba_ambiguous` call again with `waba_id` and without a code."
        ),
        answers={200: Answer(about="The signup.", model=SignupView, example="authorized")},
        problems=(
            "unauthenticated",
            *BODY,
            "not_found",
            "waba_not_granted",
            "waba_blocked",
            "waba_locked",
            "number_not_in_waba",
            "waba_ambiguous",
            "signup_closed",
            "exchange_in_progress",
            "not_authorized_yet",
            "code_expired",
            "code_already_used",
            "code_invalid",
            "meta_unavailable",
            "meta_configuration",
            *OURS,
        ),
        body=CodeBody,
        samples={
            "code": "code_exchange/exchange_code",
            "code_without_popup": "code_exchange/exchange_redirected_code",
            "choice_after_waba_ambiguous": "code_exchange/choose_waba",
        },
    ),
    "POST /v1/signups/{signup_id}/outcome": Operation(
        name="tellOutcome",
        tag="signups",
        summary="What became of a popup that brought no code",
        about=(
            "For the statistic of where customers give up, and for the signup's timeline, which keeps"
            f" {MOST_OUTCOMES}; further ones are counted. Send it with `keepalive`: it may be the last thing"
            " that a page does. The signup stays open."
        ),
        answers={204: Answer(about="It is noted.")},
        problems=("unauthenticated", *BODY, "not_found", *OURS),
        body=OutcomeBody,
        samples={"cancelled": "code_exchange/tell_outcome"},
    ),
    "POST /v1/signups/{signup_id}/numbers": Operation(
        name="submitNumbers",
        tag="signups",
        summary="Submit phone numbers to 360dialog, or connect them again",
        about=(
            "Without ids: the number the popup named, or the only one. 202 means that the wish is stored and"
            " queued. A repeat changes nothing. A number of yours that an earlier signup brought goes on with"
            " this one: it keeps its client, channel and key."
        ),
        answers={202: Answer(about="The signup.", model=SignupView, example="onboarding")},
        problems=(
            "unauthenticated",
            *BODY,
            "not_found",
            "number_not_in_waba",
            "waba_blocked",
            "waba_locked",
            "number_ambiguous",
            "not_authorized_yet",
            "number_taken",
            "number_banned",
            "number_deleted",
            "number_moved",
            "number_not_verified",
            "meta_configuration",
            "meta_unavailable",
            *OURS,
        ),
        body=NumbersBody,
        body_required=False,
        samples={
            "claimed_number": "number_submission/submit_claimed_number",
            "named_numbers": "number_submission/submit_named_numbers",
        },
    ),
    "POST /v1/signups/{signup_id}/retry": Operation(
        name="retrySignup",
        tag="signups",
        summary="Run a signup's failed numbers again from the step that failed",
        about=_RETRYING,
        answers={202: Answer(about="The signup.", model=SignupView, example="onboarding")},
        problems=("unauthenticated", *BODY, "not_found", "nothing_to_retry", *OURS),
        body=Body,
        body_required=False,
        samples={"empty": "number_submission/retry"},
    ),
    "POST /v1/signup-links": _links("makeLink", by_role=False),
    "GET /v1/signup-links": _links("listLinks", by_role=False),
    "POST /v1/signup-links/{link_id}/revoke": _links("revokeLink", by_role=False),
    "POST /v1/tenants/{tenant}/signup-links": _links("makeLink", by_role=True),
    "GET /v1/tenants/{tenant}/signup-links": _links("listLinks", by_role=True),
    "POST /v1/tenants/{tenant}/signup-links/{link_id}/revoke": _links("revokeLink", by_role=True),
    "GET /v1/numbers": Operation(
        name="listNumbers",
        tag="numbers",
        summary="The tenant's numbers, newest first, whatever signup brought them",
        about=(
            "A page may hold less than `limit`, nothing even, and yet have a `cursor`: go on until there is"
            " none."
        ),
        answers={200: Answer(about="A page.", model=NumberList, example="numbers")},
        problems=("unauthenticated", "invalid_request", *OURS),
        query=NumberQuery,
    ),
    "GET /v1/numbers/{phone_number_id}": Operation(
        name="readNumber",
        tag="numbers",
        summary="One number, whatever signup brought it",
        about=_POLLING,
        answers={
            200: Answer(about="The number.", model=NumberView, example="number", headers=_UNDER_WAY),
            304: _UNCHANGED,
        },
        problems=("unauthenticated", "not_found", *OURS),
        headers=("IfNoneMatch",),
    ),
    "POST /v1/numbers/{phone_number_id}/retry": _wish(
        "retryNumber",
        "Run one failed number again from the step that failed",
        about=(
            f"{_RETRYING} Of a number whose `attention` is `key_dead` or `webhook_drift` it makes a new key,"
            " or sets the webhook back."
        ),
        example="pending_number",
        problem="nothing_to_retry",
        sample="number_submission/retry_number",
    ),
    "POST /v1/numbers/{phone_number_id}/cancel": _wish(
        "cancelNumber",
        "Ask 360dialog to end a number's channel",
        about=(
            "202 means that the wish is stored and queued: it is shown as `wish`, then as `ending_at` once"
            " 360dialog is seen to have been asked, and the number is `cancelled` once its channel has ended."
            " 360dialog bills the channel to the end of the month. What 360dialog refuses is shown as"
            " `wish.refused`, and the number goes on as it was."
        ),
        example="cancelling_number",
        problem="nothing_to_cancel",
        sample="number_submission/cancel_number",
    ),
    "POST /v1/numbers/{phone_number_id}/reactivate": _wish(
        "reactivateNumber",
        "Take the end of a number's channel back",
        about=(
            "For a number whose end was asked for, here or in the 360dialog Hub, and for one that has ended,"
            " where 360dialog lets it come back. It is shown as `wish` until it is done; what 360dialog"
            " refuses is shown as `wish.refused`."
        ),
        example="reactivating_number",
        problem="nothing_to_reactivate",
        sample="number_submission/reactivate_number",
    ),
    "POST /v1/numbers/{phone_number_id}/check": _wish(
        "checkNumber",
        "Prove a connected number's key and webhook now",
        about=(
            "What is done for each connected number once a day by itself. `checked_at` says when it was"
            " proved; what is found is shown as `attention`, and mended where the stage is configured so."
        ),
        example="number",
        problem="not_connected",
        sample="number_submission/check_number",
    ),
    "GET /v1/channels/{channel_id}/api-key": Operation(
        name="readApiKey",
        tag="servers",
        summary="A connected channel's API key",
        about=(
            "For your servers, never for a browser. The caller's IAM identity needs `execute-api:Invoke` on"
            " this route; there is no tenant, the identity may read the key of every channel."
        ),
        answers={200: Answer(about="The key.", model=KeyAnswer, example="key")},
        problems=("not_found", "not_connected", *OURS),
    ),
    "POST /v1/webhooks/360dialog": Operation(
        name="receivePartnerEvent",
        tag="360dialog",
        summary="360dialog's partner events",
        about=(
            "Answers 200 once the body is stored in the queue, whatever it says, as long as it is signed."
            f" At most {MAX_WEBHOOK} bytes. Anything but 200 makes 360dialog send the event again."
        ),
        answers={200: Answer(about="Stored: `{}`.", example="empty")},
        problems=("unauthenticated", "body_too_large", "unavailable"),
        samples={"channel_live": "webhook_receiver/channel_live"},
    ),
}
_BY_LINK: Final[Mapping[str, Operation]] = {
    "GET /v1/linked-signup": _by_link(
        "GET /v1/signups/{signup_id}",
        name="readLinkedSignup",
        about=f"{_POLLING} `link` has the addresses to return to, complete with what is known by now.",
    ),
    "POST /v1/linked-signup/code": _by_link(
        "POST /v1/signups/{signup_id}/code",
        name="exchangeLinkedCode",
        about=(
            "As for a signup's id. The link is spent in the write that stores what the code has brought, and"
            " is the `visit`'s that sent it; a code that brings nothing spends nothing."
        ),
        sample="code_exchange/exchange_code_by_link",
    ),
    "POST /v1/linked-signup/outcome": _by_link(
        "POST /v1/signups/{signup_id}/outcome",
        name="tellLinkedOutcome",
        about="As for a signup's id. It spends nothing.",
        sample="code_exchange/tell_outcome_by_link",
    ),
    "POST /v1/linked-signup/numbers": _by_link(
        "POST /v1/signups/{signup_id}/numbers",
        name="submitLinkedNumbers",
        about="As for a signup's id. The price plan is the one that the link was made with.",
        sample="number_submission/submit_numbers_by_link",
    ),
    "POST /v1/linked-signup/retry": _by_link(
        "POST /v1/signups/{signup_id}/retry",
        name="retryLinkedSignup",
        about=_RETRYING,
        sample="number_submission/retry_by_link",
    ),
}

"""What a customer with a link calls, made from what a tenant calls."""

OPERATIONS: Final[Mapping[str, Operation]] = {**_OWN, **_BY_LINK}
"""By the route's key."""


def operations() -> Sequence[tuple[Route, Operation]]:
    """Each route with its operation, in the order of the routes. Raises `KeyError` where one is missing."""
    return [(route, OPERATIONS[route.key]) for route in ROUTES]
