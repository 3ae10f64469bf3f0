"""What others send is read leniently, and what is shown is masked."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onramp.domain import text as reading
from onramp.domain.text import MAX_ID, MAX_NUMBER, MAX_TEXT


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (" a ", "a"),
        ("", None),
        ("  ", None),
        ("x" * MAX_TEXT, "x" * MAX_TEXT),
        ("x" * (MAX_TEXT + 1), None),
        (7, "7"),
        (MAX_NUMBER, None),
        (-MAX_NUMBER, None),
        (True, None),
        (1.5, None),
        (None, None),
        (["a"], None),
        ("half \ud83d", "half \ufffd"),
    ],
)
def test_a_text_is_a_string_or_a_number_of_sane_length(value: object, expected: str | None) -> None:
    assert reading.text(value) == expected


def test_an_id_has_a_length_of_its_own() -> None:
    assert reading.identifier("x" * MAX_ID) == "x" * MAX_ID
    assert reading.identifier("x" * (MAX_ID + 1)) is None
    assert reading.identifier(7) == "7"
    assert reading.identifier({}) is None


@given(st.text(alphabet=st.characters(exclude_categories=[])))
def test_whole_text_can_always_be_stored(value: str) -> None:
    whole = reading.whole(value)
    whole.encode()
    assert reading.is_whole(whole)
    assert (whole == value) == reading.is_whole(value)


@pytest.mark.parametrize("value", [None, 1, "x", [], {}])
def test_what_is_no_object_is_an_empty_one_and_what_is_no_array_an_empty_one(value: Any) -> None:
    assert reading.mapping(value) == ({} if not isinstance(value, dict) else value)
    assert reading.members(value) == ([] if not isinstance(value, list) else value)


@pytest.mark.parametrize("value", [None, 7, "x", "2031-13-01", "0001-01-01T00:00:00+14:00"])
def test_what_is_no_time_is_none(value: object) -> None:
    assert reading.moment(value) is None


@given(st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(9999, 1, 1)), st.integers(-720, 720))  # noqa: DTZ001
def test_a_written_time_can_be_read_and_sorts_as_it_counts(at: datetime, offset: int) -> None:
    here = at.replace(tzinfo=timezone(timedelta(minutes=offset)))
    again = reading.from_iso(reading.iso(here))
    assert timedelta(0) <= here - again < timedelta(milliseconds=1)
    later = (again + timedelta(days=1)).astimezone(UTC)
    assert reading.iso(again) < reading.iso(later)


@pytest.mark.parametrize(
    ("mask", "plain", "masked"),
    [
        (reading.mask_phone, "+49 151 2345 6789", "***6789"),
        (reading.mask_phone, "", ""),
        (reading.mask_email, "owner@example.com", "o***@example.com"),
        (reading.mask_email, "no email", "***"),
        (
            reading.mask_text,
            "call +49 (151) 2345-6789 or owner@example.com about 12345 and id-123456789012",
            "call ***6789 or o***@example.com about 12345 and id-123456789012",
        ),
    ],
)
def test_what_is_shown_is_masked(mask: Any, plain: str, masked: str) -> None:
    assert mask(plain) == masked
