"""Every row of a number's life keeps its promise, and `docs/life.md` says what came of it."""

import pytest

from tests.faults.life import DOCUMENT, ROWS, Result, Row, render, run

_RESULTS: dict[str, Result] = {}


def _name(row: Row) -> str:
    return f"{row.group}: {row.name}"


def _result(row: Row) -> Result:
    if _name(row) not in _RESULTS:
        _RESULTS[_name(row)] = run(row)
    return _RESULTS[_name(row)]


@pytest.mark.parametrize("row", ROWS, ids=_name)
def test_what_can_happen_to_a_number_has_a_way_out_and_doubles_nothing(row: Row) -> None:
    assert not _result(row).broken


def test_every_row_has_its_own_name() -> None:
    assert len({_name(row) for row in ROWS}) == len(ROWS)


def test_the_document_is_made_from_these_runs() -> None:
    written = DOCUMENT.read_text(encoding="utf-8")
    assert written == render([_result(row) for row in ROWS]), "run: make life"
