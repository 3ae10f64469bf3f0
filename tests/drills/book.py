"""The runbook as a drill uses it: only what a section prints is typed, with own ids for the examples."""

import shlex
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from tests.docs.printed import commands, section

ROOT: Final = Path(__file__).resolve().parents[2]
RUNBOOK: Final = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
BOOKS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "runbook.md": RUNBOOK,
        "restoring.md": (ROOT / "docs" / "restoring.md").read_text(encoding="utf-8"),
    }
)
"""The documents whose commands are typed: the runbook, and where it leads to."""
EXAMPLES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "106540352242922": "phone_number_id",
        "102290129340398": "waba_id",
        "smplD4CH": "channel_id",
        "smplB2CL": "client_id",
        "01a2073c9b7d4f2e8c6a5b1d0e9f8a7b": "signup_id",
        "evt-1": "event_id",
        "owner@bakery.example.com": "email",
        "+1 555 010 0123": "digits",
        "2026-11-23T09:00:00Z": "began_at",
        "Onramp-prod-restored": "restored_table",
    }
)
"""What the runbook prints as an example, and what a drill has instead."""


def book_of(heading: str) -> str:
    """The document that has a heading, the runbook first. Raises `KeyError`."""
    for name, text in BOOKS.items():
        try:
            section(text, heading)
        except KeyError:
            continue
        return name
    raise KeyError(heading)


class NotPrintedError(LookupError):
    """A drill would type what does not stand in that section; the text says what does."""


def printed(heading: str, command: str) -> list[str]:
    """The words of a command that a section prints, without ``onramp``.

    Raises `NotPrintedError`, and `KeyError` for a heading that is not there.
    """
    wanted = shlex.split(command)[1:]
    text = section(BOOKS[book_of(heading)], heading)
    there = list(commands(text))
    if wanted not in there:
        told = "; ".join(f"onramp {shlex.join(words)}" for words in there) or "no command"
        raise NotPrintedError(f"'{heading}' does not print '{command}', but: {told}")
    return wanted


def with_own_ids(words: list[str], own: Mapping[str, str]) -> list[str]:
    """The same words with a drill's own ids in place of the examples.

    Raises `KeyError`: a command names an example for which the drill has nothing.
    """
    changed = []
    for word in words:
        for example, name in EXAMPLES.items():
            if example in word:
                word = word.replace(example, own[name])  # noqa: PLW2901 - one after the other
        changed.append(word)
    return changed
