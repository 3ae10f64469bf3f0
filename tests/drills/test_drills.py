"""Each trouble is made, its first sign seen, the runbook followed as printed, and the number connects."""

import re

import pytest

from tests.drills.book import NotPrintedError, printed, with_own_ids
from tests.drills.stage import Drill
from tests.drills.table import DOCUMENT, TROUBLES, rewritten
from tests.drills.trouble import Trouble


def name_of(trouble: Trouble) -> str:
    return re.sub(r"\W+", "-", trouble.name)


@pytest.mark.flow
@pytest.mark.parametrize("trouble", TROUBLES, ids=name_of)
def test_a_trouble_ends_by_the_runbook(drill: Drill, trouble: Trouble) -> None:
    trouble.practise(drill)


# --- the book -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("trouble", TROUBLES, ids=name_of)
def test_a_drill_types_only_what_its_section_prints(trouble: Trouble) -> None:
    for one in trouble.typed:
        assert printed(one.section, one.command)


def test_a_command_of_another_section_is_refused() -> None:
    with pytest.raises(NotPrintedError, match="'sweep-silent' does not print 'onramp resume jobs'"):
        printed("sweep-silent", "onramp resume jobs")
    with pytest.raises(KeyError):
        printed("no such section", "onramp status")


def test_only_the_examples_are_replaced() -> None:
    words = ["logs", "--where", "signup_id=01a2073c9b7d4f2e8c6a5b1d0e9f8a7b", "--since", "24h"]
    assert with_own_ids(words, {"signup_id": "mine"}) == [
        "logs",
        "--where",
        "signup_id=mine",
        "--since",
        "24h",
    ]
    with pytest.raises(KeyError):
        with_own_ids(["numbers", "show", "106540352242922"], {})


# --- the document ---------------------------------------------------------------------------------------


def test_there_are_twenty_troubles_that_can_be_told_apart() -> None:
    assert len({name_of(trouble) for trouble in TROUBLES}) == len(TROUBLES) >= 20


def test_the_table_of_the_document_is_that_of_the_drills() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert text == rewritten(text), "docs/drills.md is old: PYTHONPATH=functions python -m tests.drills"
