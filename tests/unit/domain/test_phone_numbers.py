"""All spellings of one number are one, and two numbers are never one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onramp.domain.phone_numbers import MAX_DIGITS, canonical, digits


@pytest.mark.parametrize(
    ("spelling", "expected"),
    [
        ("+49 151 2345-6789", "4915123456789"),
        ("0049 151 23456789", "4915123456789"),
        ("49 (0) 151 23456789", "4915123456789"),
        ("+00 1", "001"),
        ("+52 1 55 1234 5678", "525512345678"),
        ("+52 55 1234 5678", "525512345678"),
        ("+54 9 11 1234 5678", "541112345678"),
        ("+54 11 1234 5678", "541112345678"),
        ("+55 11 91234 5678", "551112345678"),
        ("+55 11 1234 5678", "551112345678"),
        ("+55 11 81234 5678", "5511812345678"),
        ("٠١٢", "012"),
        ("no number", ""),
        ("", ""),
    ],
)
def test_a_spelling_is_read(spelling: str, expected: str) -> None:
    assert canonical(spelling) == expected


@given(st.text())
def test_any_text_is_read_as_digits_of_sane_length(text: str) -> None:
    found = digits(text)
    assert found.isascii()
    assert found.isdigit() or not found
    assert len(found) <= MAX_DIGITS
    canonical(text)
