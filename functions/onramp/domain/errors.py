"""What can go wrong, as data: problems a caller is told, and failures a number carries.

OnrampError
├── Problem            the caller's request is answered with this (RFC 9457)
├── PutOff             not now: come back at a time; no attempt is used up
├── LeaseLost          another run has taken over; stop without writing
├── Conflict           a conditional write lost: somebody else has written first
├── Unreadable         what is stored or was sent cannot be read; the text names it
├── UnavailableError   a service of ours (table, queue, keys, bus, secret) does not answer
├── SettingsError      a function's environment cannot be used; the text names the variable
├── AwsError           AWS did not do what the receiver asked
├── SecretUnusable     the platform secrets cannot be used
├── SweepIncomplete    a sweep could not wake everything that is due
└── UpstreamError      a call outward did not give what was asked
    ├── Permanent      asking again cannot help
    ├── Transient      nothing was done; asking again may help
    ├── Throttled      nothing was done; everyone waits
    └── Ambiguous      it was sent and the answer is not known: look before sending again

The receiver's two and `SettingsError` are defined where they are raised, for they must not import this
module.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from onramp.domain.values import dataclass


@dataclass(frozen=True, slots=True)
class ProblemKind:
    """One stable error code of the HTTP contract: its status, title, and whether a repeat may help.

    `customer` may be shown to the partner's customer; a front end translates it by the code.
    """

    status: int
    title: str
    customer: str
    retryable: bool = False


_AGAIN: Final = "Something did not work. Please try again in a moment."
_OURS: Final = "This does not work right now. Please contact the company that invited you."
_POPUP: Final = "Please go through the WhatsApp window once more."

PROBLEMS: Final[Mapping[str, ProblemKind]] = {
    "invalid_json": ProblemKind(400, "The body is not valid JSON", _OURS),
    "unauthenticated": ProblemKind(401, "The caller is not known", "Please sign in again."),
    "number_not_in_waba": ProblemKind(
        403,
        "The phone number is not one of this WABA",
        "The phone number is not part of the WhatsApp account you shared. Please choose another one.",
    ),
    "waba_not_granted": ProblemKind(
        403,
        "The customer did not grant this WABA",
        "You have not shared this WhatsApp account. Please go through the window once more and select it.",
    ),
    "waba_blocked": ProblemKind(
        403,
        "Meta has blocked the customer's account",
        "Meta has blocked your WhatsApp account. Please appeal in Meta's Business Support, then try again.",
    ),
    "waba_locked": ProblemKind(
        403,
        "Meta has locked the customer's account",
        "Meta has locked your WhatsApp account. Please unlock it in Meta Business Suite, then try again.",
    ),
    "not_found": ProblemKind(404, "Not found", "This page is no longer available."),
    "exchange_in_progress": ProblemKind(
        409, "This code is being exchanged right now", "One moment, please.", retryable=True
    ),
    "not_authorized_yet": ProblemKind(409, "The signup has no proven WABA yet", _POPUP),
    "not_connected": ProblemKind(
        409, "The channel is not connected", "Your number is not connected yet. Please wait a moment."
    ),
    "nothing_to_cancel": ProblemKind(
        409, "The number has ended already, or its end is under way", "This number is not connected any more."
    ),
    "nothing_to_reactivate": ProblemKind(
        409, "The number has not ended, and nobody has asked for it", "There is nothing to undo."
    ),
    "nothing_to_retry": ProblemKind(
        409, "Nothing has failed that a retry could mend", "There is nothing to repeat."
    ),
    "number_ambiguous": ProblemKind(
        409, "The WABA has several numbers: name one", "Please choose which phone number to connect."
    ),
    "number_taken": ProblemKind(
        409, "The number belongs to somebody else", "This phone number is connected through another account."
    ),
    "signup_closed": ProblemKind(409, "The signup takes no more codes", "Please start again."),
    "waba_ambiguous": ProblemKind(
        409, "Several WABAs are possible: name one", "Please choose which WhatsApp account to connect."
    ),
    "code_already_used": ProblemKind(410, "The code has been used before", _POPUP),
    "code_expired": ProblemKind(410, "The code is older than 30 seconds", _POPUP),
    "link_expired": ProblemKind(
        410, "The link has expired", "This link has expired. Please ask for a new one."
    ),
    "link_revoked": ProblemKind(
        410, "The link was taken back", "This link is no longer valid. Please ask for a new one."
    ),
    "link_used": ProblemKind(
        410,
        "The link was used in another browser",
        "This link was already used. Please go on in the browser you began in, or ask for a new link.",
    ),
    "body_too_large": ProblemKind(413, "The body is too large", _OURS),
    "unsupported_media_type": ProblemKind(415, "The body must be application/json", _OURS),
    "code_invalid": ProblemKind(422, "Meta does not know this code", _POPUP),
    "idempotency_key_reused": ProblemKind(422, "The Idempotency-Key was used with another body", _OURS),
    "invalid_request": ProblemKind(422, "The request is not valid", "Please check what you have entered."),
    "number_banned": ProblemKind(
        422,
        "Meta has banned the phone number",
        "Meta has banned this phone number. Please appeal in WhatsApp Manager, or choose another number.",
    ),
    "number_deleted": ProblemKind(
        422,
        "The phone number is deleted at Meta",
        "This phone number was deleted. Please add it again in WhatsApp Manager, or choose another one.",
    ),
    "number_moved": ProblemKind(
        422,
        "The phone number was moved to another WABA",
        "This phone number now belongs to another WhatsApp account. Please share that account instead.",
    ),
    "number_not_verified": ProblemKind(
        422,
        "The phone number is not verified at Meta",
        "This phone number is not verified yet. Please verify it in WhatsApp Manager (by text message or"
        " call), then try again.",
    ),
    "tenant_limit": ProblemKind(
        429,
        "The tenant has as much open as it may have",
        "There are too many signups at the moment. Please try again later.",
        retryable=True,
    ),
    "internal_error": ProblemKind(500, "Something went wrong on our side", _AGAIN, retryable=True),
    "meta_configuration": ProblemKind(502, "Meta refuses the configuration of this service", _OURS),
    "meta_unavailable": ProblemKind(
        502, "Meta could not be reached or did not answer", _AGAIN, retryable=True
    ),
    "unavailable": ProblemKind(503, "A part of this service is not available", _AGAIN, retryable=True),
}


DESK_PROBLEMS: Final[Mapping[str, ProblemKind]] = {
    "event_given_up": ProblemKind(409, "The event was given up: replay it with --again", ""),
    "number_alive": ProblemKind(409, "The number may live at 360dialog: cancel it, or force it", ""),
    "number_busy": ProblemKind(409, "A run is at one of the numbers: ask again", "", retryable=True),
    "still_billed": ProblemKind(409, "360dialog bills a channel: cancel it, or say that it is known", ""),
}
"""What only the operator's desk answers: never seen by a customer or a caller of the API."""


@dataclass(frozen=True, slots=True)
class FailureKind:
    """Why a number failed (`title`), what to do about it (`action`), and whether `retry` may help."""

    title: str
    action: str
    retryable: bool


FAILURES: Final[Mapping[str, FailureKind]] = {
    "client_taken": FailureKind(
        "The client belongs to another tenant", "Use another email address or client id.", retryable=False
    ),
    "client_not_found": FailureKind(
        "360dialog does not know this client id", "Open a new signup with the right one.", retryable=False
    ),
    "client_rejected": FailureKind(
        "360dialog refused the client's data",
        "Check name, email and user name, and open a new signup.",
        retryable=False,
    ),
    "submission_rejected": FailureKind(
        "360dialog refused the number",
        "Check that the WABA was shared under the solution id, then retry.",
        retryable=True,
    ),
    "stray_channel": FailureKind(
        "A channel of the WABA has no phone number, so that it may be this number's",
        "Give it its number in the 360dialog Hub, or cancel it there, then retry.",
        retryable=True,
    ),
    "partner_configuration": FailureKind(
        "360dialog refused our partner key or settings",
        "The operator must mend them, then retry.",
        retryable=True,
    ),
    "partner_unavailable": FailureKind(
        "360dialog could not be reached for a day", "Retry when it is well again.", retryable=True
    ),
    "permission_missing": FailureKind(
        "The client has not granted us the right to make an API key",
        "Ask for it in the 360dialog Hub; the number then goes on by itself.",
        retryable=True,
    ),
    "channel_missing": FailureKind(
        "360dialog does not know the channel any more",
        "Retry: it is looked for, and submitted again if there is none.",
        retryable=True,
    ),
    "channel_never_came": FailureKind(
        "360dialog took the number and has shown no channel for a week",
        "Retry: it is looked for, and submitted again if there is none.",
        retryable=True,
    ),
    "channel_stuck": FailureKind(
        "The channel has not gone live for a week",
        "Look at it in the 360dialog Hub, then retry.",
        retryable=True,
    ),
    "channel_dead": FailureKind(
        "The channel was ended at 360dialog", "Let the customer connect the number again.", retryable=False
    ),
    "key_rejected": FailureKind(
        "The channel's API key is refused again and again",
        "Check the channel in the 360dialog Hub, then retry.",
        retryable=True,
    ),
    "webhook_rejected": FailureKind(
        "360dialog refused the messaging webhook",
        "The operator must mend its URL, then retry.",
        retryable=True,
    ),
    "messaging_unknown": FailureKind(
        "The configuration has no messaging webhook of the name that was chosen",
        "The operator must put it back, then retry.",
        retryable=True,
    ),
    "cancellation_rejected": FailureKind(
        "360dialog refused to end the channel", "Cancel it in the 360dialog Hub.", retryable=False
    ),
    "reactivation_rejected": FailureKind(
        "360dialog does not take the channel's end back",
        "Let the customer connect the number again.",
        retryable=False,
    ),
    "internal_error": FailureKind(
        "Something went wrong on our side", "Look into the logs by signup id, then retry.", retryable=True
    ),
}


@dataclass(frozen=True, slots=True)
class WaitKind:
    """What a number waits for that is long under way (`title`), and what can be done (`action`)."""

    title: str
    action: str


WAITS: Final[Mapping[str, WaitKind]] = {
    "client": WaitKind(
        "360dialog has not been handed the number: its client could not be found or made",
        "The operator looks into the number's log lines; it goes on by itself.",
    ),
    "stray": WaitKind(
        "A channel of the WABA has no phone number, so that it may be this number's",
        "Give it its number in the 360dialog Hub, or cancel it there; the number then goes on by itself.",
    ),
    "submission": WaitKind(
        "360dialog has not answered the submission of the number",
        "It goes on by itself. The operator looks at the 360dialog status page.",
    ),
    "channel": WaitKind(
        "360dialog has taken the number and has not made its channel",
        "Ask 360dialog's support with the WABA and the phone number; after a week the number fails.",
    ),
    "registration": WaitKind(
        "360dialog has made the channel and has not registered the number at Meta",
        "Check in WhatsApp Manager that the number is verified and its display name approved.",
    ),
    "live": WaitKind(
        "The channel is running and not live yet",
        "Look at the channel in the 360dialog Hub; after a week the number fails.",
    ),
    "permission": WaitKind(
        "The client has not permitted the making of the channel's key",
        "Ask the client to grant it in the 360dialog Hub; the number then goes on by itself.",
    ),
    "proof": WaitKind(
        "The channel is live; its key or its messaging webhook is not proved yet",
        "It goes on by itself. The operator looks into the number's log lines.",
    ),
}
"""By code: what a number waits for after a day, see `Number.waits_for`."""


class OnrampError(Exception):
    """Everything this package raises on purpose."""


class Problem(OnrampError):
    """The caller's request ends with this answer.

    `code` is a key of `PROBLEMS`, or of `DESK_PROBLEMS`. `detail` is ours, never an upstream's text, and has
    no secret. `errors` names fields: `{"field": "client.email", "message": "…"}`. `retry_after` is in
    seconds. `signup_id` and `phone_number_id` name a thing of the caller's own that stands in the way.
    `refresh_url` is where a customer with a dead link gets a new one.
    """

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        errors: Sequence[Mapping[str, str]] = (),
        candidates: Sequence[Mapping[str, str]] | None = None,
        retryable: bool | None = None,
        retry_after: int | None = None,
        signup_id: str | None = None,
        phone_number_id: str | None = None,
        refresh_url: str | None = None,
    ) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.kind = PROBLEMS[code] if code in PROBLEMS else DESK_PROBLEMS[code]
        self.detail = detail
        self.errors = errors
        self.candidates = candidates
        self.retryable = self.kind.retryable if retryable is None else retryable
        self.retry_after = retry_after
        self.signup_id = signup_id
        self.phone_number_id = phone_number_id
        self.refresh_url = refresh_url


class PutOff(OnrampError):
    """The work has to wait until `until`: a budget slot, a lease held by another, a planned retry.

    `bounded`: after an hour of such waits each counts as an attempt, so that waiting ends with `code`, a key
    of `FAILURES`. A place in the line of the budget is none of these: it comes.
    """

    def __init__(
        self, until: datetime, reason: str, *, bounded: bool = True, code: str = "partner_unavailable"
    ) -> None:
        super().__init__(f"{reason}: until {until.isoformat()}")
        self.until = until
        self.reason = reason
        self.bounded = bounded
        self.code = code


class LeaseLost(OnrampError):
    """The lease ran out and another run may hold it: whatever we meant to write must not be written."""


class UpstreamError(OnrampError):
    """A call to Meta or 360dialog did not give what was asked.

    `code` is a key of `FAILURES` or `PROBLEMS`; `reference` is what the upstream's support wants to see.
    """

    def __init__(self, code: str, *, status: int | None = None, reference: str = "") -> None:
        super().__init__(f"{code} (status {status}{', ' + reference if reference else ''})")
        self.code = code
        self.status = status
        self.reference = reference


class Permanent(UpstreamError):
    """The upstream has understood and refused: asking again gives the same."""


class Transient(UpstreamError):
    """The upstream has done nothing: the call may be repeated."""


class Throttled(UpstreamError):
    """Too many calls. `retry_after` in seconds, where the upstream said it."""

    def __init__(
        self, code: str, *, retry_after: float | None = None, status: int | None = 429, reference: str = ""
    ) -> None:
        super().__init__(code, status=status, reference=reference)
        self.retry_after = retry_after


class Ambiguous(UpstreamError):
    """The call was sent and what it did is not known."""


class Conflict(OnrampError):
    """A conditional write lost: somebody else has written first. Read again, and decide again."""


class Unreadable(OnrampError):
    """What is stored, or was sent, cannot be read. The text says which thing, never what is in it."""


class UnavailableError(OnrampError):
    """A service of ours does not answer; the same call may work in a moment."""


class UnknownHub(OnrampError):
    """A record or a message names a hub that the configuration does not have; the text is its name."""


class SweepIncomplete(OnrampError):
    """Hits of a sweep could not be woken. Raised at its end, so that the function's alarm rings."""
