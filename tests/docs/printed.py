"""What the documents print: their sections, tables, code blocks, and the `onramp` commands in them."""

import re
import shlex
from collections.abc import Iterator
from itertools import takewhile

_SPAN = re.compile(r"`(onramp [^`]+)`")
_VAGUE = re.compile(r"…|\bTEXT\b")
_FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def part(text: str, heading: str) -> str:
    """What stands under a heading of the second level, its own sections included."""
    return text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def section(text: str, heading: str) -> str:
    """What stands under a heading of any level, up to the next one of that level or a higher one.

    Raises `KeyError`: there is no such heading.
    """
    found = re.search(rf"^(#+) {re.escape(heading)}\n", text, flags=re.MULTILINE)
    if found is None:
        raise KeyError(heading)
    rest = text[found.end() :]
    # A comment of a shell begins like a title, but nothing below the first line is a title.
    end = re.search(rf"^#{{2,{len(found[1])}}} ", rest, flags=re.MULTILINE)
    return rest[: end.start()] if end else rest


def rows(text: str, mark: str) -> list[list[str]]:
    """The rows of the table behind a comment that begins with `mark`, without its head."""
    rest = text.partition(f"<!-- {mark}:")[2].partition("-->")[2].lstrip().splitlines()
    lines = list(takewhile(bool, rest))
    assert lines, f"there is no table marked {mark}"
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def blocks(text: str, language: str) -> list[str]:
    """The code blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)


def commands(text: str) -> Iterator[list[str]]:
    """Every `onramp` command of a text that is meant as printed, without its first word."""
    printed = [line for block in blocks(text, "bash") for line in block.replace("\\\n", " ").splitlines()]
    spans = _SPAN.findall(_FENCED.sub("", text))
    for line in (one.strip().removeprefix(".venv/bin/") for one in (*printed, *spans)):
        if line.startswith("onramp ") and not _VAGUE.search(line):
            yield shlex.split(line, comments=True)[1:]
