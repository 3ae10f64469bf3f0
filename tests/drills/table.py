"""All troubles that are practised, and their table in docs/drills.md."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.drills import given_up, numbers_and_keys, troubles
from tests.drills.book import ROOT, book_of
from tests.drills.trouble import Trouble

TROUBLES: Final[tuple[Trouble, ...]] = (
    *troubles.TROUBLES,
    *numbers_and_keys.TROUBLES,
    *given_up.TROUBLES,
)
DOCUMENT: Final[Path] = ROOT / "docs" / "drills.md"
BEGIN: Final = "<!-- drills: written by `python -m tests.drills` -->"
END: Final = "<!-- end of drills -->"
_HEAD: Final = ("trouble", "first sign", "section", "commands, as printed there", "end")


def table() -> str:
    """The table, as the document has it."""
    return "\n".join(_lines())


def _lines() -> Iterator[str]:
    yield _row(*_HEAD)
    yield "|" + "---|" * len(_HEAD)
    for trouble in TROUBLES:
        typed = "; ".join(f"`{one.command}`" for one in trouble.typed)
        yield _row(
            trouble.name, trouble.sign.told, ", ".join(map(_link, trouble.sections)), typed, trouble.ends
        )


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _link(section: str) -> str:
    anchor = "".join(sign for sign in section.lower() if sign.isalnum() or sign in "-_ ").replace(" ", "-")
    return f"[{section}]({book_of(section)}#{anchor})"


def rewritten(text: str) -> str:
    """A document with the table as it is now."""
    head, _, rest = text.partition(BEGIN)
    return f"{head}{BEGIN}\n\n{table()}\n\n{END}{rest.partition(END)[2]}"
