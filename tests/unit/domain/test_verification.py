"""Meta's words about a number: each leads to one verdict, in any case of letters, and none to a crash."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onramp.domain.errors import PROBLEMS
from onramp.domain.signup import ListedNumber
from onramp.domain.verification import VERDICTS, WHAT_TO_DO, verdict_on

WORDS = ["VERIFIED", "NOT_VERIFIED", "EXPIRED", "CONNECTED", "PENDING", "BANNED", "DELETED", "MIGRATED"]
WORDS += ["UNVERIFIED", "DISCONNECTED", "FLAGGED", "RESTRICTED", "APPROVED", ""]


def number(verification: str | None = None, meta_status: str | None = None) -> ListedNumber:
    return ListedNumber(phone_number_id="1", verification=verification, meta_status=meta_status)


@pytest.mark.parametrize(
    ("verification", "meta_status", "refused", "warned"),
    [
        ("VERIFIED", "CONNECTED", None, None),
        ("VERIFIED", "PENDING", None, None),
        ("VERIFIED", "DISCONNECTED", None, None),
        (None, None, None, None),
        ("NOT_VERIFIED", None, "number_not_verified", None),
        ("NOT_VERIFIED", "PENDING", "number_not_verified", None),
        ("NOT_VERIFIED", "CONNECTED", None, "not_verified"),
        ("EXPIRED", None, None, "expired"),
        ("EXPIRED", "CONNECTED", None, "expired"),
        ("EXPIRED", "UNVERIFIED", "number_not_verified", None),
        ("VERIFIED", "UNVERIFIED", "number_not_verified", None),
        ("VERIFIED", "BANNED", "number_banned", None),
        ("NOT_VERIFIED", "DELETED", "number_deleted", None),
        (None, "MIGRATED", "number_moved", None),
        ("SOMETHING", "ELSE", None, None),
    ],
)
def test_each_pair_of_words_has_its_verdict(
    verification: str | None, meta_status: str | None, refused: str | None, warned: str | None
) -> None:
    verdict = verdict_on(number(verification, meta_status))
    assert (verdict.refused, verdict.warned) == (refused, warned)


@given(verification=st.sampled_from(WORDS), meta_status=st.sampled_from(WORDS))
def test_the_case_of_letters_and_blanks_make_no_difference(verification: str, meta_status: str) -> None:
    verdict = verdict_on(number(verification, meta_status))
    assert verdict_on(number(f" {verification.lower()}", f"{meta_status.title()}\n")) == verdict


@given(verification=st.none() | st.text(), meta_status=st.none() | st.text())
def test_any_words_have_a_verdict(verification: str | None, meta_status: str | None) -> None:
    assert verdict_on(number(verification, meta_status)).refused in {None, *WHAT_TO_DO}


def test_every_refusal_is_a_problem_of_the_request_and_says_what_to_do() -> None:
    refused = {row.refused for row in VERDICTS if row.refused}
    assert refused == WHAT_TO_DO.keys()
    assert {PROBLEMS[code].status for code in refused} == {422}


def test_every_row_refuses_or_warns_and_can_be_reached() -> None:
    for row in VERDICTS:
        assert bool(row.refused) != bool(row.warned)
        assert verdict_on(number(row.verification, row.meta_status)) is row
