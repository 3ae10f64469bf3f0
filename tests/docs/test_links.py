"""What the documents point at is there, and what they call missing is missing."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted(
    [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").glob("*.md"),
        ROOT / "events" / "README.md",
        ROOT / "local" / "simulators" / "README.md",
        ROOT / "ops" / "README.md",
    ]
)
MARK = "*(not there yet)*"
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
PICTURE = re.compile(r"!\[([^\]]*)\]\(([^)\s]+)\)")
REFERENCE = re.compile(r"^\[[^\]]+\]: (\S+)$", re.MULTILINE)
USED = re.compile(r"(?<!!)\[([^\]`]+)\](?![(:\[])")
MARKED = re.compile(rf"`([^`]+)` {re.escape(MARK)}")
PROMISES = 17
FRONT_DOOR = 200
NEWCOMERS_LOOK_FOR = ("README.md", "LICENSE", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")


def name_of(document: Path) -> str:
    return document.relative_to(ROOT).as_posix()


def prose(document: Path) -> str:
    return re.sub(r"^```.*?^```", "", document.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def links(document: Path) -> Iterator[str]:
    text = prose(document)
    yield from LINK.findall(text)
    yield from REFERENCE.findall(text)


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
def test_every_picture_is_there_and_says_what_it_shows(document: Path) -> None:
    for text, path in PICTURE.findall(prose(document)):
        assert (document.parent / path).is_file(), f"{name_of(document)}: {path}"
        assert text, f"{name_of(document)}: {path}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_what_is_called_missing_is_missing(document: Path) -> None:
    arrived = [path for path in MARKED.findall(prose(document)) if (ROOT / path).exists()]
    assert not arrived, f"{name_of(document)}: these are there now, make them links: {', '.join(arrived)}"


def test_names_in_brackets_that_stand_for_links_are_explained() -> None:
    text = prose(ROOT / "docs" / "upstreams.md")
    explained = set(re.findall(r"^\[([^\]]+)\]: ", text, flags=re.MULTILINE))
    assert set(USED.findall(text)) == explained


@pytest.mark.parametrize("name", NEWCOMERS_LOOK_FOR)
def test_a_newcomer_finds_what_is_looked_for(name: str) -> None:
    assert (ROOT / name).read_text(encoding="utf-8").strip()


def test_the_licence_is_the_one_that_is_named() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in text
    assert "Version 2.0, January 2004" in text
    assert "END OF TERMS AND CONDITIONS" in text


def test_the_readme_is_a_front_door() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= FRONT_DOOR


def test_the_readme_leads_to_every_document() -> None:
    led = {link.partition("#")[0] for link in links(ROOT / "README.md")}
    assert not {name_of(document) for document in (ROOT / "docs").glob("*.md")} - led


def test_a_recipe_names_files_that_exist() -> None:
    recipes = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("## Recipes")[2]
    files = {
        name for name in re.findall(r"`([\w./-]+)`", recipes) if "/" in name and not name.startswith(".")
    }
    assert files
    assert not [name for name in sorted(files) if not (ROOT / name).exists()]


def test_what_is_new_has_its_place() -> None:
    told = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## (.*)$", told, flags=re.MULTILINE)
    assert headings[0] == "Unreleased"
    assert all(re.fullmatch(r"\d+\.\d+\.\d+ - \d{4}-\d\d-\d\d", heading) for heading in headings[1:])


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
