"""What the documents point at is there, and what they call missing is missing."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted(
    [
        ROOT / "README.md",
        *(ROOT / "docs").glob("*.md"),
        ROOT / "events" / "README.md",
        ROOT / "local" / "simulators" / "README.md",
    ]
)
MARK = "*(not there yet)*"
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
MARKED = re.compile(rf"`([^`]+)` {re.escape(MARK)}")
PROMISES = 14


def name_of(document: Path) -> str:
    return document.relative_to(ROOT).as_posix()


def prose(document: Path) -> str:
    return re.sub(r"^```.*?^```", "", document.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def links(document: Path) -> Iterator[str]:
    return (found.group(1) for found in LINK.finditer(prose(document)))


def anchors(document: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", prose(document), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_every_link_leads_somewhere(document: Path) -> None:
    for link in links(document):
        if "://" in link:
            assert link.startswith("https://"), link
            continue
        path, _, anchor = link.partition("#")
        target = (document.parent / path).resolve() if path else document
        assert target.exists(), f"{name_of(document)}: {link}"
        assert target.is_relative_to(ROOT), f"{name_of(document)}: {link} leaves the project"
        if anchor:
            assert anchor in anchors(target), f"{name_of(document)}: {link}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_what_is_called_missing_is_missing(document: Path) -> None:
    arrived = [path for path in MARKED.findall(prose(document)) if (ROOT / path).exists()]
    assert not arrived, f"{name_of(document)}: these are there now, make them links: {', '.join(arrived)}"


def promises() -> list[str]:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    section = readme.partition("## What it promises")[2].partition("\n## ")[0]
    return [line for line in section.splitlines() if re.match(r"\| \d", line)]


def test_every_promise_names_a_test_or_says_that_there_is_none() -> None:
    rows = promises()
    assert [int(row.split("|")[1]) for row in rows] == list(range(1, PROMISES + 1))
    for row in rows:
        proof = row.split("|")[3]
        tests = LINK.findall(proof) + MARKED.findall(proof)
        assert tests, row
        assert all(test.startswith("tests/") for test in tests), row


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_diagrams_and_code_blocks_are_closed(document: Path) -> None:
    fences = re.findall(r"^```(.*)$", document.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert len(fences) % 2 == 0
    assert not any(fences[1::2]), "a block is opened within a block"
