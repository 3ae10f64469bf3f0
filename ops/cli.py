"""The command ``onramp``: a table of its areas."""

import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Final

import typer
from typer.main import get_command

from ops.console import COULD_NOT_BEGIN, FAILED, Console
from ops.running import group

ALONE: Final[Mapping[str, str]] = MappingProxyType(
    {
        "preflight": "ops.preflight.command",
        "doctor": "ops.doctor.command",
        "protect": "ops.commands.protect",
        "status": "ops.commands.status",
        "logs": "ops.commands.logs",
        "pause": "ops.commands.pause",
        "resume": "ops.commands.pause",
        "budget": "ops.commands.budget",
        "listen": "ops.commands.listen",
    }
)
"""Commands of one word, and the module with each."""
AREAS: Final[Sequence[str]] = (
    "config",
    "signups",
    "numbers",
    "attempts",
    "events",
    "dead-letters",
    "channels",
    "clients",
    "hubs",
    "keys",
    "links",
    "endpoints",
    "deliveries",
    "requests",
    "wake",
    "facts",
    "secret",
    "encryption",
    "channel",
    "release",
    "retained",
    "table",
    "drill",
)
"""First words of commands of two; an area is a module of `ops.commands`, and a line here."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: what follows the command's name; else those of the process.

    Returns:
        The exit code: that of the command, 2 for wrong usage, 130 after Ctrl-C.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        ended = get_command(application(*words[:1])).main(words, prog_name="onramp", standalone_mode=False)
        sys.stdout.flush()
    except OSError as error:
        _discard_output()
        Console(command="").note(f"onramp: {error.strerror or type(error).__name__}")
        return FAILED
    except typer.TyperException as wrong:
        named = getattr(getattr(wrong, "ctx", None), "command_path", "onramp")
        console = Console(command=named.partition(" ")[2], as_json="--json" in words)
        console.problem("wrong_usage", wrong.format_message())
        console.note(f"`{named} --help` says what it takes")
        return COULD_NOT_BEGIN
    return int(ended or 0)


def _discard_output() -> None:
    """What could not be written is not tried again when the process ends."""
    with suppress(OSError), Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        os.dup2(nowhere.fileno(), sys.stdout.fileno())


def application(word: str = "") -> typer.Typer:
    """The whole command line, or what begins with a word of it: loading all of it takes a second."""
    whole = group("Operate Onramp: a deployed stage with AWS credentials, or the local run.")
    words = {*ALONE, *AREAS}
    meant = {word} & words or words
    for module in dict.fromkeys(module for name, module in ALONE.items() if name in meant):
        whole.add_typer(import_module(module).app)
    for name in AREAS:
        if name in meant:
            whole.add_typer(import_module(f"ops.commands.{name.replace('-', '_')}").app, name=name)
    return whole
