"""What became of a popup that brought no code, as a browser tells it: claims, cleaned before being kept."""

import re
from enum import StrEnum
from typing import Final

from onramp.domain.values import dataclass

MOST: Final = 20
"""Outcomes of one signup that are written down; further ones are only counted."""
LONGEST: Final = 64
"""Characters of each word that is kept."""
OTHER: Final = "other"
_FOREIGN: Final = re.compile(r"[^A-Za-z0-9_.\-]+")
_A_STEP: Final = re.compile(r"[A-Z][A-Z_]{1,47}")
"""How Meta names its screens. Without digits, so that no number of a person's can be in a log line."""


class OutcomeType(StrEnum):
    """How a popup ended."""

    CLOSED = "closed"
    CANCELLED = "cancelled"
    BLOCKED = "blocked"
    REPORTED_ERROR = "reported_error"
    SDK_BLOCKED = "sdk_blocked"
    NO_ANSWER = "no_answer"
    ABANDONED = "abandoned"


@dataclass(frozen=True, slots=True)
class PopupOutcome:
    """How a popup ended, at which screen of Meta's, and what Meta's support would ask for."""

    outcome: OutcomeType
    step: str | None = None
    error_code: str | None = None
    session_id: str | None = None

    @property
    def counted_step(self) -> str:
        """The screen as the statistics have it: Meta's word where it is one, nothing of anybody's."""
        if self.step is None:
            return "none"
        return self.step if _A_STEP.fullmatch(self.step) else OTHER


def cleaned(word: str | None) -> str | None:
    """A word of a browser's as it is kept: short, of letters, digits and ``_ . -``; None for nothing."""
    if word is None:
        return None
    return _FOREIGN.sub("_", word.strip())[:LONGEST].strip("_") or None
