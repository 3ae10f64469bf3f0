"""What can go wrong, as data: problems a caller is told, and failures a number carries.

OnrampError
├── Problem        the caller's request is answered with this (RFC 9457)
├── PutOff         not now: come back at a time; no attempt is used up
├── LeaseLost      another run has taken over; stop without writing
└── UpstreamError  a call outward did not give what was asked
    ├── Permanent  asking again cannot help
    ├── Transient  nothing was done; asking again may help
    ├── Throttled  nothing was done; everyone waits
    └── Ambiguous  it was sent and the answer is not known: look before sending again
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final


@dataclass(frozen=True, slots=True)
class ProblemKind:
    """One stable error code of the HTTP contract: its status, title and whether a repeat may help."""

    status: int
    title: str
    retryable: bool = False


PROBLEMS: Final[Mapping[str, ProblemKind]] = {
    "invalid_json": ProblemKind(400, "The body is not valid JSON"),
    "unauthenticated": ProblemKind(401, "The caller is not known"),
    "number_not_in_waba": ProblemKind(403, "The phone number is not one of this WABA"),
    "waba_not_granted": ProblemKind(403, "The customer did not grant this WABA"),
    "not_found": ProblemKind(404, "Not found"),
    "exchange_in_progress": ProblemKind(409, "This code is being exchanged right now", retryable=True),
    "not_authorized_yet": ProblemKind(409, "The signup has no proven WABA yet"),
    "not_connected": ProblemKind(409, "The channel is not connected yet"),
    "nothing_to_retry": ProblemKind(409, "No number of this signup has failed"),
    "number_ambiguous": ProblemKind(409, "The WABA has several numbers: name one"),
    "number_taken": ProblemKind(409, "The number belongs to another signup"),
    "signup_closed": ProblemKind(409, "The signup takes no more codes"),
    "waba_ambiguous": ProblemKind(409, "Several WABAs are possible: name one"),
    "code_already_used": ProblemKind(410, "The code has been used before"),
    "code_expired": ProblemKind(410, "The code is older than 30 seconds"),
    "body_too_large": ProblemKind(413, "The body is too large"),
    "unsupported_media_type": ProblemKind(415, "The body must be application/json"),
    "code_invalid": ProblemKind(422, "Meta does not know this code"),
    "idempotency_key_reused": ProblemKind(422, "The Idempotency-Key was used with another body"),
    "invalid_request": ProblemKind(422, "The request is not valid"),
    "internal_error": ProblemKind(500, "Something went wrong on our side", retryable=True),
    "meta_configuration": ProblemKind(502, "Meta refuses the configuration of this service"),
    "meta_unavailable": ProblemKind(502, "Meta could not be reached or did not answer", retryable=True),
    "unavailable": ProblemKind(503, "A part of this service is not available", retryable=True),
}


@dataclass(frozen=True, slots=True)
class FailureKind:
    """Why a number failed: a title that says what to do, and whether `retry` may help."""

    title: str
    retryable: bool


FAILURES: Final[Mapping[str, FailureKind]] = {
    "client_taken": FailureKind(
        "The client belongs to another tenant: use another email address or client id", retryable=False
    ),
    "client_not_found": FailureKind(
        "360dialog does not know this client id: open a new signup with the right one", retryable=False
    ),
    "client_rejected": FailureKind(
        "360dialog refused the client's data: check name, email and user name", retryable=False
    ),
    "submission_rejected": FailureKind(
        "360dialog refused the number: check that the WABA was shared under the solution id", retryable=True
    ),
    "partner_configuration": FailureKind(
        "360dialog refused our partner key or settings: the operator must mend them, then retry",
        retryable=True,
    ),
    "partner_unavailable": FailureKind(
        "360dialog could not be reached for a day: retry when it is well again", retryable=True
    ),
    "permission_missing": FailureKind(
        "The client has not granted us the right to make an API key: ask for it in the 360dialog Hub",
        retryable=True,
    ),
    "channel_missing": FailureKind(
        "360dialog does not know the channel any more: submit the number in a new signup", retryable=True
    ),
    "channel_dead": FailureKind(
        "The channel was ended at 360dialog: submit the number in a new signup", retryable=False
    ),
    "key_rejected": FailureKind(
        "The channel's API key is refused again and again: check the channel in the 360dialog Hub",
        retryable=True,
    ),
    "webhook_rejected": FailureKind(
        "360dialog refused the messaging webhook: the operator must mend its URL, then retry", retryable=True
    ),
    "internal_error": FailureKind(
        "Something went wrong on our side: look into the logs by signup id, then retry", retryable=True
    ),
}


class OnrampError(Exception):
    """Everything this package raises on purpose."""


class Problem(OnrampError):
    """The caller's request ends with this answer.

    `code` is a key of `PROBLEMS`. `detail` is ours, never an upstream's text, and holds no secret.
    `errors` names fields: `{"field": "client.email", "message": "…"}`. `retry_after` is in seconds.
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
    ) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.kind = PROBLEMS[code]
        self.detail = detail
        self.errors = errors
        self.candidates = candidates
        self.retryable = self.kind.retryable if retryable is None else retryable
        self.retry_after = retry_after


class PutOff(OnrampError):
    """The work has to wait until `until`: a budget slot, a lease held by another, a planned retry."""

    def __init__(self, until: datetime, reason: str) -> None:
        super().__init__(f"{reason}: until {until.isoformat()}")
        self.until = until
        self.reason = reason


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


class BudgetUnavailable(OnrampError):
    """The budget's own storage does not answer: calls wait, they are not let through."""
