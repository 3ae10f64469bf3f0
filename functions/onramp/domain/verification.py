"""What Meta's words about a number mean for taking it: refused, only warned of, or nothing.

Meta says two things that matter: how the code went that it sent to the number (`code_verification_status`,
kept as `verification`), and what it makes of the number itself (`status`, kept as `meta_status`). A word that
is not in the table, or is none, stands in nobody's way.
"""

from collections.abc import Mapping
from typing import Final

from onramp.domain.signup import ListedNumber
from onramp.domain.values import dataclass


@dataclass(frozen=True, slots=True)
class Verdict:
    """One row: what is given must be Meta's word, in any case of letters; the first row that fits counts.

    `refused` is a key of `PROBLEMS`; `warned` the code that is shown beside the attention `unverified`.
    """

    verification: str | None = None
    meta_status: str | None = None
    refused: str | None = None
    warned: str | None = None

    def fits(self, verification: str, meta_status: str) -> bool:
        """Whether a number's words are this row's."""
        return self.verification in {None, verification} and self.meta_status in {None, meta_status}


VERDICTS: Final = (
    Verdict(meta_status="BANNED", refused="number_banned"),
    Verdict(meta_status="DELETED", refused="number_deleted"),
    Verdict(meta_status="MIGRATED", refused="number_moved"),
    Verdict(meta_status="UNVERIFIED", refused="number_not_verified"),
    # It was verified once, or it could not be connected: it may still work.
    Verdict(verification="NOT_VERIFIED", meta_status="CONNECTED", warned="not_verified"),
    Verdict(verification="NOT_VERIFIED", refused="number_not_verified"),
    Verdict(verification="EXPIRED", warned="expired"),
)
_NOTHING: Final = Verdict()

WHAT_TO_DO: Final[Mapping[str, str]] = {
    "number_not_verified": "Let the customer verify it in WhatsApp Manager, then send this call again.",
    "number_banned": "Let the customer appeal at Meta, or choose another number.",
    "number_deleted": "Let the customer add it again in WhatsApp Manager, or choose another number.",
    "number_moved": "Let the customer go through the popup again and share the WABA that has it now.",
}
"""By the code of a refusal."""


def verdict_on(number: ListedNumber) -> Verdict:
    """What Meta's words about a number mean."""
    words = (_word(number.verification), _word(number.meta_status))
    return next((row for row in VERDICTS if row.fits(*words)), _NOTHING)


def _word(value: str | None) -> str:
    return (value or "").strip().upper()
