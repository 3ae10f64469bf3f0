"""What the hosted page can say: in every language, and for everything that a visitor can meet."""

import json
import re
from collections.abc import Iterator
from itertools import chain

import pytest

from contract.operations import OPERATIONS
from infra.paths import PAGE
from onramp.domain.errors import FAILURES, PROBLEMS, WAITS
from onramp.domain.states import Progress, Status

LANGUAGES = ("en", "es", "pt", "de")
type Texts = dict[str, "str | list[str] | Texts"]

TEXTS: dict[str, Texts] = {
    language: json.loads((PAGE / "lang" / f"{language}.json").read_text(encoding="utf-8"))
    for language in LANGUAGES
}
SCRIPTS = {path.name: path.read_text(encoding="utf-8") for path in PAGE.glob("*.js")}
LINKED = "/v1/linked-signup"
"""Where the routes of a link's visitor begin."""


def leaves(texts: Texts, path: str = "") -> Iterator[tuple[str, str]]:
    """Every text by its path."""
    for key, value in texts.items():
        here = f"{path}{key}"
        if isinstance(value, dict):
            yield from leaves(value, f"{here}.")
        else:
            yield from ((here, text) for text in ([value] if isinstance(value, str) else value))


def explained(name: str) -> dict[str, tuple[str, str]]:
    """A table of `problems.js`: reason and action by code."""
    table = SCRIPTS["problems.js"].partition(f"export const {name} = {{")[2].partition("};")[0]
    found = re.findall(r'^  (\w+): \["(\w+)", "(\w+)"\],$', table, re.MULTILINE)
    assert found
    return {code: (reason, action) for code, reason, action in found}


def declared() -> str:
    """The browser module's types."""
    return (PAGE.parent / "onramp.d.ts").read_text(encoding="utf-8")


def listed(name: str) -> set[str]:
    """The texts in a list of `problems.js`."""
    return set(
        re.findall(
            r'"(\w+)"', SCRIPTS["problems.js"].partition(f"export const {name} = ")[2].partition(";")[0]
        )
    )


@pytest.mark.parametrize("language", LANGUAGES[1:])
def test_a_language_says_all_that_english_says_with_the_same_names_in_it(language: str) -> None:
    english, other = (list(leaves(TEXTS[name])) for name in ("en", language))
    assert [path for path, _ in other] == [path for path, _ in english]
    optional = {"{partner}"}
    for (path, text), (_, said) in zip(other, english, strict=True):
        names, expected = (set(re.findall(r"\{\w+\}", one)) for one in (text, said))
        assert names - optional == expected - optional, path


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_text_is_empty_or_markup(language: str) -> None:
    for path, text in leaves(TEXTS[language]):
        assert text.strip() == text, path
        assert text, path
        assert not set("<>&") & set(text), path


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_word_of_ours_reaches_a_shop_owner(language: str) -> None:
    words = re.compile(r"\b(WABA|API|token|webhook|channel|360dialog|signup|SDK)\b", re.IGNORECASE)
    assert not [path for path, text in leaves(TEXTS[language]) if words.search(text)]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_reason_is_a_sentence_of_what_happened_and_one_of_what_to_do(language: str) -> None:
    reasons = TEXTS[language]["reasons"]
    assert isinstance(reasons, dict)
    tables = chain(explained("PROBLEMS").values(), explained("FAILURES").values())
    assert {reason for reason, _ in tables} | {"other", "restricted", "ended"} == set(reasons)
    for texts in reasons.values():
        assert isinstance(texts, list)
        assert len(texts) == 2
        assert all(text.endswith(".") for text in texts)


def test_every_problem_that_a_visitor_can_meet_is_explained() -> None:
    met = {
        code
        for key, operation in OPERATIONS.items()
        if key.partition(" ")[2].startswith(LINKED)
        for code in operation.problems
    }
    assert {"link_expired", "number_not_verified"} <= met
    assert met <= explained("PROBLEMS").keys() | listed("DEAD")


def test_no_explanation_is_of_a_code_that_there_is_not() -> None:
    module = set(re.findall(r'"(\w+)"', declared()))
    assert explained("PROBLEMS").keys() | listed("DEAD") <= PROBLEMS.keys() | module


def test_every_failure_of_the_browser_module_is_explained() -> None:
    parts = (
        declared().partition(f"type {name} =")[2].partition(";")[0] for name in ("ModuleCode", "ApiCode")
    )
    codes = {code for part in parts for code in re.findall(r'"(\w+)"', part)}
    assert {"popup_blocked", "code_expired"} <= codes
    assert codes <= explained("PROBLEMS").keys() | listed("DEAD")


def test_every_failure_of_a_number_is_explained() -> None:
    assert explained("FAILURES").keys() == FAILURES.keys()
    for code, (_, action) in explained("FAILURES").items():
        assert action == ("again" if FAILURES[code].retryable else "ask"), code


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_state_and_every_wait_of_a_number_has_its_sentence(language: str) -> None:
    states, waits = TEXTS[language]["status"], TEXTS[language]["waits"]
    assert isinstance(states, dict)
    assert isinstance(waits, dict)
    assert states.keys() == {*Status, "other"}
    assert waits.keys() == WAITS.keys()


def test_every_progress_has_its_step() -> None:
    table = SCRIPTS["problems.js"].partition("export const BEHIND = {")[2].partition("}")[0]
    assert set(re.findall(r"(\w+): \d", table)) == set(Progress)


def test_every_text_that_is_asked_for_is_there() -> None:
    paths = {path for path, _ in leaves(TEXTS["en"])}
    asked = {text for script in SCRIPTS.values() for text in re.findall(r'\b(?:t|has)\("([\w.]+)"', script)}
    assert asked
    assert asked <= paths


def test_the_page_loads_each_of_its_files_by_one_name() -> None:
    index = (PAGE / "index.html").read_text(encoding="utf-8")
    named = set(re.findall(r'signup/([\w-]+\.\w+)"', index))
    assert named == {"page.js", "page.css", "mark.svg", "onramp.js"}
    for script in SCRIPTS.values():
        assert set(re.findall(r'from "\./([^"]+)"', script)) <= {*SCRIPTS, "onramp.js"}


def test_no_markup_has_a_script_or_a_style_in_it() -> None:
    for path in PAGE.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", text), path.name
    for name, script in SCRIPTS.items():
        assert not re.search(r"innerHTML|insertAdjacentHTML|outerHTML|\beval\(|new Function", script), name
