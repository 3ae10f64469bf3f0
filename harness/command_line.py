"""What a command line means, without doing it: what documents print is held against it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import typer
from typer.main import get_command

from ops.cli import application


class NotUnderstood(Exception):
    """The command line is wrong; the text says how."""


@dataclass(frozen=True, slots=True)
class Understood:
    """The words of a command, and what it is given by the names of its parameters."""

    name: str
    given: Mapping[str, Any]


@cache
def whole() -> Any:
    """The whole command line, made once: that takes most of a second."""
    return get_command(application())


def understood(words: Sequence[str]) -> Understood:
    """What a command line without its first word means. Raises `NotUnderstood`."""
    command = whole()
    rest = list(words)
    name: list[str] = []
    while rest and hasattr(command, "commands"):
        name.append(rest.pop(0))
        command = command.commands.get(name[-1])
    told = " ".join(words)
    if command is None or hasattr(command, "commands"):
        raise NotUnderstood(f"there is no command onramp {told}")
    try:
        return Understood(" ".join(name), command.make_context(name[-1], rest).params)
    except typer.TyperException as wrong:
        raise NotUnderstood(f"onramp {told}: {wrong.format_message()}") from None


def all_commands() -> Iterator[tuple[str, Any]]:
    """Each command's words, and the command."""

    def within(command: Any, words: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
        if hasattr(command, "commands"):
            for name, one in command.commands.items():
                yield from within(one, (*words, name))
        else:
            yield " ".join(words), command

    yield from within(whole(), ())
