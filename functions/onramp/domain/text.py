"""Phone digits, masking and the product's way of writing a time."""

import re
from datetime import UTC, datetime
from typing import Final

_NOT_A_DIGIT: Final = re.compile(r"[^0-9]")
_EMAIL: Final = re.compile(r"([^\s@<>\"',;:]{1,64})@([^\s@<>\"',;:]{1,255})")
_LONG_NUMBER: Final = re.compile(r"(?<![\w-])\+?\d[\d\s().-]{5,18}\d(?![\w-])")


def digits(phone: str) -> str:
    """Only the digits of a phone number, which is how two spellings of one number are compared."""
    return _NOT_A_DIGIT.sub("", phone)


def mask_phone(phone: str) -> str:
    """`+49 151 2345 6789` becomes `***6789`."""
    return f"***{digits(phone)[-4:]}" if phone else ""


def mask_email(email: str) -> str:
    """`owner@example.com` becomes `o***@example.com`."""
    name, at, host = email.partition("@")
    return f"{name[:1]}***@{host}" if at else "***"


def mask_text(text: str) -> str:
    """A free text without readable emails and phone numbers, for a log line."""
    text = _EMAIL.sub(lambda found: mask_email(found.group()), text)
    return _LONG_NUMBER.sub(lambda found: mask_phone(found.group()), text)


def iso(at: datetime) -> str:
    """ISO 8601 in UTC with milliseconds and `Z`; sorts as it counts."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def from_iso(text: str) -> datetime:
    """The reverse of `iso`. Raises `ValueError`."""
    return datetime.fromisoformat(text).astimezone(UTC)
