"""Phone numbers as 360dialog, Meta and people spell them, and the one form in which they are compared."""

import re
import unicodedata
from typing import Final

_OPTIONAL_ZERO: Final = re.compile(r"\(\s*0\s*\)")
"""`+49 (0) 151 …`: the zero is dialled at home only."""
MAX_DIGITS: Final = 32
_BRAZIL_WITH_NINE: Final = 13
"""Digits of `55`, area code, `9`, and the eight digits that the number had before the ninth came."""


def digits(phone: str) -> str:
    """Only the digits of a text, whatever script they are written in."""
    found = (unicodedata.digit(character, None) for character in phone)
    return "".join(str(digit) for digit in found if digit is not None)[:MAX_DIGITS]


def canonical(phone: str) -> str:
    """One form for all spellings of one number: digits with the country code, and the known doubles as one.

    Mexico's `52 1 …` is `52 …`, Argentina's `54 9 …` is `54 …`, Brazil's ninth digit is left out
    (docs/upstreams.md, "Spellings"). A text without digits gives an empty one, which equals no number.
    """
    international = phone.strip().startswith("+")
    number = digits(_OPTIONAL_ZERO.sub("", phone))
    if not international:
        number = number.removeprefix("00")
    if number.startswith("521") and len(number) == len("521") + 10:
        return "52" + number[3:]
    if number.startswith("549") and len(number) == len("549") + 10:
        return "54" + number[3:]
    if number.startswith("55") and len(number) == _BRAZIL_WITH_NINE and number[4] == "9":
        return number[:4] + number[5:]
    return number
