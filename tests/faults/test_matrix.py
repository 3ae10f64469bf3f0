"""Every row of the fault matrix ends well, and `docs/faults.md` says what came of it."""

import pytest

from tests.faults import telling
from tests.faults.matrix import DOCUMENT, ROWS, Result, Row, render, run

_RESULTS: dict[str, Result] = {}
_TOLD: dict[str, telling.Told] = {}


def _told(row: telling.Telling) -> telling.Told:
    key = f"{row.group}: {row.name}"
    if key not in _TOLD:
        _TOLD[key] = telling.run(row)
    return _TOLD[key]


def _result(row: Row) -> Result:
    key = f"{row.group}: {row.name}"
    if key not in _RESULTS:
        _RESULTS[key] = run(row)
    return _RESULTS[key]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.group}: {row.name}")
def test_a_fault_ends_in_a_connected_number_with_one_client_and_one_living_key(row: Row) -> None:
    result = _result(row)
    assert result.ends_well, result


@pytest.mark.parametrize("row", telling.ROWS, ids=lambda row: f"{row.group}: {row.name}")
def test_whatever_one_of_those_who_are_told_does_nothing_is_lost_and_nobody_else_notices(
    row: telling.Telling,
) -> None:
    told = _told(row)
    assert told.ends_well, told


def test_a_clean_first_onboarding_uses_five_partner_calls() -> None:
    clean = run(Row("none", "none", lambda _: None))
    assert clean.calls == 5


def test_the_document_is_made_from_these_runs() -> None:
    written = DOCUMENT.read_text(encoding="utf-8")
    assert written == render([_result(row) for row in ROWS], [_told(row) for row in telling.ROWS]), (
        "run: make faults"
    )
