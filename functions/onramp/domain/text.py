"""Reading what others send leniently, masking, and the product's way of writing a time."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from onramp.domain.phone_numbers import digits

MAX_TEXT: Final = 4_096
"""Characters of any text that is used; API keys and tokens are the longest, with a few hundred."""
MAX_ID: Final = 200
MAX_NUMBER: Final = 10**32
MAX_EPOCH: Final = 15
"""Digits from which a text is no time."""
_HALVES: Final = re.compile("[\ud800-\udfff]")
"""Halves of characters, which JSON can smuggle in and UTF-8 cannot hold."""
_EMAIL: Final = re.compile(r"([^\s@<>\"',;:]{1,64})@([^\s@<>\"',;:]{1,255})")
_LONG_NUMBER: Final = re.compile(r"(?<![\w-])\+?\d[\d\s().-]{5,18}\d(?![\w-])")


def is_whole(value: str) -> bool:
    """Whether UTF-8 can hold the text."""
    return _HALVES.search(value) is None


def whole(value: str) -> str:
    """The text with every half of a character replaced: what is stored must be readable again."""
    return _HALVES.sub("\ufffd", value)


def text(value: object) -> str | None:
    """A non-empty string of sane length or an integer as text; anything else is missing."""
    if isinstance(value, str):
        return whole(value).strip() or None if len(value) <= MAX_TEXT else None
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < MAX_NUMBER:
        return str(value)
    return None


def identifier(value: object) -> str | None:
    """An id, unless it is too long to be one."""
    found = text(value)
    return found if found and len(found) <= MAX_ID else None


def mapping(value: object) -> Mapping[str, object]:
    """A JSON object, or an empty one."""
    return value if isinstance(value, dict) else {}


def members(value: object) -> list[object]:
    """A JSON array, or an empty one."""
    return value if isinstance(value, list) else []


def moment(value: object) -> datetime | None:
    """An ISO time, or None."""
    try:
        return from_iso(value) if isinstance(value, str) else None
    except (ValueError, OverflowError):
        return None


def end_date(value: object) -> datetime | None:
    """A time as Meta writes ends of restrictions: epoch seconds (as a number or as text), or ISO."""
    seconds = int(value) if isinstance(value, str) and value.isdecimal() and len(value) < MAX_EPOCH else value
    if not isinstance(seconds, int) or isinstance(seconds, bool):
        return moment(value)
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None


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
