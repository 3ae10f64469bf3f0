"""Words of a browser's: cleaned before they are kept, and only Meta's are counted."""

from typing import get_args

import pytest

from onramp.domain.outcome import LONGEST, OutcomeType, PopupOutcome, cleaned
from onramp.inbound.models import OutcomeWord


@pytest.mark.parametrize(
    ("word", "kept"),
    [
        (None, None),
        ("", None),
        (" \n\t ", None),
        ("***", None),
        ("PHONE_NUMBER_SETUP", "PHONE_NUMBER_SETUP"),
        ("  f34b-51.x ", "f34b-51.x"),
        ("<script>alert(1)</script>", "script_alert_1_script"),
        ("owner@example.com", "owner_example.com"),
        ("eins\r\nzwei", "eins_zwei"),
        ("ü" * 10 + "A", "A"),
        ("x" * 200, "x" * LONGEST),
    ],
)
def test_a_word_is_short_and_plain(word: str | None, kept: str | None) -> None:
    assert cleaned(word) == kept


@pytest.mark.parametrize(
    ("step", "counted"),
    [
        (None, "none"),
        ("BUSINESS_ACCOUNT_SELECTION", "BUSINESS_ACCOUNT_SELECTION"),
        ("A_STEP_THAT_META_ADDS", "A_STEP_THAT_META_ADDS"),
        ("4915123456789", "other"),
        ("owner_example.com", "other"),
        ("X" * 49, "other"),
    ],
)
def test_only_words_shaped_like_metas_are_counted(step: str | None, counted: str) -> None:
    assert PopupOutcome(OutcomeType.CANCELLED, step).counted_step == counted


def test_the_contract_has_the_words_of_the_domain() -> None:
    assert get_args(OutcomeWord) == tuple(OutcomeType)
