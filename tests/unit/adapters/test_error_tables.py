"""What every error of Meta and 360dialog means, row by row."""

from dataclasses import dataclass

import httpx
import pytest

from onramp.adapters import messaging_api, meta_graph, partner_api
from onramp.adapters.upstream import Upstream, call
from onramp.domain.errors import FAILURES, PROBLEMS, Ambiguous, Permanent, Throttled, Transient, UpstreamError
from tests.unit.wire import Wire, says


def refused(upstream: Upstream, answer: httpx.Response, *, changes: bool) -> UpstreamError:
    """The error one answer becomes."""
    with pytest.raises(UpstreamError) as raised:
        call(Wire(answer).client, upstream, "POST", "https://upstream.example/", changes=changes)
    return raised.value


@dataclass(frozen=True)
class Row:
    """One error of Meta's and what it means."""

    kind: type[UpstreamError]
    means: str
    code: int | None = None
    subcode: int | None = None
    message: str = "(#0) something"
    status: int = 400
    transient: bool | None = None

    def answer(self) -> httpx.Response:
        """The answer that carries it."""
        error: dict[str, object] = {"message": self.message, "type": "OAuthException", "fbtrace_id": "A1"}
        if self.code is not None:
            error["code"] = self.code
        if self.subcode is not None:
            error["error_subcode"] = self.subcode
        if self.transient is not None:
            error["is_transient"] = self.transient
        return says({"error": error}, self.status)


THROTTLED = [
    *(Row(Throttled, "meta_unavailable", code) for code in (4, 17, 32, 341, 613, 80008)),
    Row(Throttled, "meta_unavailable", 4, transient=True),
    Row(Throttled, "meta_unavailable", 4, status=500),
    Row(Throttled, "meta_unavailable", status=429),
    Row(Throttled, "meta_unavailable", 100, status=429),
]

STOPPED = [
    Row(Permanent, "waba_locked", 131031, message="Business Account locked", status=403),
    Row(Permanent, "waba_locked", 131031, transient=False),
    Row(Permanent, "waba_blocked", 368, message="Temporarily blocked for policies violations"),
    Row(Permanent, "waba_blocked", 368, status=500, transient=True),
]

EXCHANGE = [
    *THROTTLED,
    *STOPPED,
    Row(Permanent, "code_expired", 100, 36007),
    Row(Permanent, "meta_configuration", 100, 36008),
    Row(Permanent, "code_already_used", 100, 36009),
    # A subcode counts for more than the text beside it.
    Row(Permanent, "code_already_used", 100, 36009, "This authorization code has expired."),
    Row(Permanent, "meta_configuration", 100, 36008, "Invalid verification code format."),
    # Subcodes are sometimes missing.
    Row(Permanent, "code_expired", 100, message="This authorization code has expired."),
    Row(Permanent, "code_already_used", 100, message="This authorization code has been used."),
    Row(Permanent, "code_invalid", 100, message="Invalid verification code format."),
    Row(
        Permanent,
        "meta_configuration",
        100,
        message="Error validating verification code. Please make sure your redirect_uri is identical",
    ),
    Row(Permanent, "code_invalid", 100, message="Missing or wrong parameter"),
    Row(Permanent, "code_invalid", 100, message=""),
    # Code 1 is an outage but for this text.
    Row(Permanent, "meta_configuration", 1, message="Error validating client secret."),
    Row(Permanent, "meta_configuration", 1, message="Error validating client secret.", status=500),
    Row(Permanent, "meta_configuration", message="Error validating client secret."),
    Row(Permanent, "meta_configuration", 101, message="Error validating application."),
    Row(Permanent, "meta_configuration", 191),
    Row(Permanent, "meta_configuration", 3, status=403),
    Row(Permanent, "meta_configuration", status=404),
    Row(Ambiguous, "meta_unavailable", 1),
    Row(Ambiguous, "meta_unavailable", 2),
    Row(Ambiguous, "meta_unavailable", 2, status=503),
    Row(Ambiguous, "meta_unavailable", 100, transient=True),
    Row(Ambiguous, "meta_unavailable", status=500),
    Row(Ambiguous, "meta_unavailable", 100, status=502),
    Row(Permanent, "code_expired", 100, 36007, transient=False),
]

READ = [
    *THROTTLED,
    *STOPPED,
    Row(Transient, "meta_unavailable", 1),
    Row(Transient, "meta_unavailable", 2),
    Row(Transient, "meta_unavailable", 190, transient=True),
    Row(Transient, "meta_unavailable", status=500),
    Row(Transient, "meta_unavailable", 100, status=503),
    Row(Permanent, "meta_configuration", 1, message="Error validating client secret."),
    *(Row(Permanent, "waba_not_granted", 190, subcode) for subcode in (None, 458, 459, 460, 463, 467)),
    Row(Permanent, "waba_not_granted", 190, status=401),
    Row(Permanent, "waba_not_granted", 102),
    Row(Permanent, "waba_not_granted", 10, status=403),
    Row(Permanent, "waba_not_granted", 200, status=403),
    Row(Permanent, "waba_not_granted", 299, status=403),
    Row(Permanent, "waba_not_granted", 100, 33, "Unsupported get request."),
    Row(Permanent, "waba_not_granted", 100, message="(#100) Tried accessing nonexisting field"),
    # The proof is made with our secret.
    Row(Permanent, "meta_configuration", 100, message="(#100) Invalid appsecret_proof provided"),
    Row(Permanent, "meta_configuration", 100, message="API calls from the server require an appsecret_proof"),
    Row(Permanent, "meta_configuration", 2635),
    Row(Permanent, "meta_configuration", 101),
    Row(Permanent, "meta_configuration", 3),
    Row(Permanent, "waba_not_granted", status=404),
]


@pytest.mark.parametrize("row", EXCHANGE, ids=str)
def test_a_refused_exchange(row: Row) -> None:
    error = refused(meta_graph.EXCHANGE, row.answer(), changes=True)
    assert (type(error), error.code) == (row.kind, row.means)


@pytest.mark.parametrize("row", READ, ids=str)
def test_a_refused_read_of_meta(row: Row) -> None:
    error = refused(meta_graph.READ, row.answer(), changes=False)
    assert (type(error), error.code) == (row.kind, row.means)


P, T, A, H = Permanent, Transient, Ambiguous, Throttled

COMMON: list[tuple[int, type[UpstreamError], str]] = [
    (429, H, "partner_unavailable"),
    (401, P, "partner_configuration"),
    (402, P, "partner_configuration"),
    (405, P, "partner_configuration"),
    (415, P, "partner_configuration"),
    (301, P, "partner_configuration"),
]


REFUSALS = (400, 402, 403, 404, 405, 409, 410, 415, 422, 428)
"""What an end, or its undoing, is refused with: whatever it is, a person has to look into it."""
COMMON_OF_ENDS = [row for row in COMMON if row[0] not in REFUSALS]


def unknown(kind: type[UpstreamError]) -> list[tuple[int, type[UpstreamError], str]]:
    """Statuses that leave open what has happened; a read is then simply repeated."""
    return [(status, kind, "partner_unavailable") for status in (408, 500, 502, 503, 504, 599)]


PARTNER = {
    "client": (
        partner_api.CREATE_CLIENT,
        True,
        [
            *COMMON,
            *unknown(A),
            (400, P, "client_rejected"),
            (409, P, "client_rejected"),
            (422, P, "client_rejected"),
            (403, P, "partner_configuration"),
            (404, P, "partner_configuration"),
        ],
    ),
    "submit": (
        partner_api.SUBMIT,
        True,
        [
            *COMMON,
            *unknown(A),
            (400, P, "submission_rejected"),
            (403, P, "submission_rejected"),
            (404, P, "submission_rejected"),
            (409, P, "submission_rejected"),
            (422, P, "submission_rejected"),
        ],
    ),
    "key": (
        partner_api.MAKE_KEY,
        True,
        [
            *COMMON,
            *unknown(A),
            (400, T, "permission_missing"),
            (403, T, "permission_missing"),
            (409, T, "permission_missing"),
            (404, P, "channel_missing"),
            (422, P, "partner_configuration"),
        ],
    ),
    "cancel": (
        partner_api.CANCEL,
        True,
        [
            *COMMON_OF_ENDS,
            *unknown(A),
            *((status, P, "cancellation_rejected") for status in REFUSALS),
            (451, P, "partner_configuration"),
        ],
    ),
    "reactivate": (
        partner_api.REACTIVATE,
        True,
        [
            *COMMON_OF_ENDS,
            *unknown(A),
            *((status, P, "reactivation_rejected") for status in REFUSALS),
            (451, P, "partner_configuration"),
        ],
    ),
    "read": (
        partner_api.READ,
        False,
        [
            *COMMON,
            *unknown(T),
            (404, P, "channel_missing"),
            (400, P, "partner_configuration"),
            (403, P, "partner_configuration"),
        ],
    ),
    "messaging": (
        messaging_api.MESSAGING,
        False,
        [
            *unknown(T),
            (429, T, "partner_unavailable"),
            (401, P, "key_rejected"),
            (403, P, "key_rejected"),
            (400, P, "webhook_rejected"),
            (404, P, "webhook_rejected"),
            (422, P, "webhook_rejected"),
            (302, P, "partner_configuration"),
        ],
    ),
    "read back": (
        messaging_api.READ_BACK,
        False,
        [
            *unknown(T),
            (404, T, "partner_unavailable"),
            (429, T, "partner_unavailable"),
            (401, P, "key_rejected"),
            (403, P, "key_rejected"),
            (400, P, "webhook_rejected"),
        ],
    ),
}


@pytest.mark.parametrize("body", ["theirs", "html", "empty"])
@pytest.mark.parametrize(
    ("upstream", "changes", "status", "kind", "code"),
    [
        pytest.param(upstream, changes, *row, id=f"{name} {row[0]}")
        for name, (upstream, changes, rows) in PARTNER.items()
        for row in rows
    ],
)
def test_a_refusal_of_360dialog(  # noqa: PLR0917 - one row of a table
    upstream: Upstream,
    changes: bool,
    status: int,
    kind: type[UpstreamError],
    code: str,
    body: str,
) -> None:
    answers = {
        "theirs": says(
            {"meta": {"success": False, "http_code": status, "developer_message": "no", "details": []}},
            status,
        ),
        "html": httpx.Response(status, html="<h1>no</h1>"),
        "empty": httpx.Response(status),
    }
    error = refused(upstream, answers[body], changes=changes)
    assert (type(error), error.code) == (kind, code)


def test_a_submission_for_a_client_nobody_knows_is_told_apart() -> None:
    answer = says({"meta": {"http_code": 404, "developer_message": "Client not found"}}, 404)
    assert refused(partner_api.SUBMIT, answer, changes=True).code == "client_not_found"


@pytest.mark.parametrize(
    "upstream",
    [
        meta_graph.EXCHANGE,
        meta_graph.READ,
        meta_graph.INSPECT,
        *(upstream for upstream, _, _ in PARTNER.values()),
    ],
)
def test_every_code_of_a_table_has_a_title(upstream: Upstream) -> None:
    known = PROBLEMS if upstream.unavailable == "meta_unavailable" else FAILURES
    assert {rule.code for rule in upstream.rules} | {upstream.unavailable, upstream.misconfigured} <= set(
        known
    )
