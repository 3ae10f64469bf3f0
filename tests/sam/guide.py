"""What `docs/sam.md` tells its readers to type, for the tests that type it."""

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from infra.paths import ROOT
from local.sam import SAM_FOLDER

GUIDE = ROOT / "docs" / "sam.md"


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the guide's table of functions: what is invoked with what, and what it answers."""

    function: str
    event: str
    answer: str

    def answers(self, text: str) -> bool:
        """Whether a function's answer is the one here, where … stands for anything."""
        return re.fullmatch(re.escape(self.answer).replace("…", ".*"), text) is not None


def rows() -> tuple[Row, ...]:
    found = re.findall(r"^\| `(\w+)` \| `(events/[\w/]+\.json)` \| `(.+)` \|$", _text(), re.MULTILINE)
    return tuple(Row(*cells) for cells in found)


def command(*begins: str) -> list[str]:
    """The words of the guide's only command that begins with some words."""
    commands = [shlex.split(line) for block in _blocks() for line in block.replace("\\\n", " ").splitlines()]
    (found,) = [words for words in commands if words[: len(begins)] == list(begins)]
    return found


def elsewhere(words: Sequence[str], **changed: Path | str) -> list[str]:
    """A command with other words in place of some, and another folder in place of `.local/sam`.

    Args:
        words: The command.
        changed: `folder`, and what stands for a word, by that word.
    """
    folder = str(changed.pop("folder"))
    usual = str(SAM_FOLDER.relative_to(ROOT))
    return [str(changed.get(word, word)).replace(usual, folder) for word in words]


def _blocks() -> list[str]:
    return re.findall(r"^```\n(.*?)^```", _text(), re.DOTALL | re.MULTILINE)


def _text() -> str:
    return GUIDE.read_text(encoding="utf-8")
