"""The tables of docs/commands.md: ``PYTHONPATH=functions python -m harness.command_page`` writes them."""

import re
from collections.abc import Iterator
from typing import Any, Final

from harness.command_line import all_commands
from infra.paths import ROOT
from ops.running import SPENDS
from ops.stage.options import PANEL

DOCUMENT: Final = ROOT / "docs" / "commands.md"
BEGIN: Final = "<!-- commands: written by `python -m harness.command_page` -->"
END: Final = "<!-- end of commands -->"
_EXITS: Final = re.compile(r"Exit code ([0-9].*?)(?=$| Partner calls:)", re.DOTALL)
_ALWAYS: Final = frozenset({"as_json", "help"})


def tables() -> str:
    """A table for each first word, as the document has them; what has one word is in the first."""
    parts: dict[str, list[str]] = {}
    for words, command in all_commands():
        area, _, own = words.partition(" ")
        parts.setdefault(area if own else "", []).append(_row(words, command))
    head = "| command | does | options | own exit codes | partner calls |\n|---|---|---|---|---|"
    titled = ((f"## `onramp {area}`" if area else "## In one word", rows) for area, rows in parts.items())
    return "\n\n".join(f"{title}\n\n{head}\n" + "\n".join(rows) for title, rows in titled)


def _row(words: str, command: Any) -> str:
    about = " ".join(command.help.split())
    epilog = command.epilog or ""
    exits = " ".join(found[1] for text in (about, epilog) if (found := _EXITS.search(text)))
    spent = epilog.partition(SPENDS)[2].rstrip(".")
    about = about.partition(" Exit code ")[0]
    usage = " ".join([f"onramp {words}", *_arguments(command)])
    cells = (f"`{usage}`", about, "<br>".join(_options(command)), exits, spent or "none")
    return "| " + " | ".join(cell.replace("|", "\\|").strip() or "-" for cell in cells) + " |"


def _arguments(command: Any) -> Iterator[str]:
    for one in command.params:
        if one.param_type_name == "argument":
            name = one.metavar or one.name.upper()
            yield name if one.required else f"[{name}]"


def _options(command: Any) -> Iterator[str]:
    """What a command has beside what all have."""
    for one in command.params:
        if one.param_type_name != "option" or one.name in _ALWAYS:
            continue
        if getattr(one, "rich_help_panel", None) == PANEL:
            continue
        names = "/".join([*one.opts, *one.secondary_opts])
        metavar = f" {one.metavar}" if one.metavar and not one.is_flag else ""
        needed = " (required)" if one.required else ""
        yield f"`{names}{metavar}`{needed}: {' '.join((one.help or '').split())}"


def rewritten(text: str) -> str:
    """A document with the tables as they are now."""
    head, _, rest = text.partition(BEGIN)
    return f"{head}{BEGIN}\n\n{tables()}\n\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    DOCUMENT.write_text(rewritten(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
