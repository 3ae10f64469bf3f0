"""The command ``onramp``: a table of its subcommands."""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final, NamedTuple

import typer
from typer.main import get_command

from ops import (
    channel,
    drill,
    facts,
    letters,
    logs,
    pause,
    protect,
    records,
    release,
    retained,
    secret,
    settings,
    status,
    table,
    wake,
)
from ops.commands import (
    attempts,
    channels,
    clients,
    dead_letters,
    deliveries,
    endpoints,
    events,
    keys,
    listen,
    numbers,
    requests,
    signups,
)
from ops.console import COULD_NOT_BEGIN, INTERRUPTED, Console
from ops.doctor import command as doctor
from ops.preflight import command as preflight
from ops.running import command, group
from ops.tool import Description

AREAS: Final[Mapping[str, typer.Typer]] = MappingProxyType(
    {
        "attempts": attempts.app,
        "channels": channels.app,
        "clients": clients.app,
        "dead-letters": dead_letters.app,
        "deliveries": deliveries.app,
        "endpoints": endpoints.app,
        "events": events.app,
        "keys": keys.app,
        "numbers": numbers.app,
        "requests": requests.app,
        "signups": signups.app,
    }
)
"""Commands by their first word; an area is a module of `ops.commands` and a line here."""


class Tool(NamedTuple):
    """A subcommand: what the help says, how it takes its options, and what it does with them."""

    description: Description
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]


TOOLS: Final[Mapping[str, Tool]] = MappingProxyType(
    {
        "config": Tool(settings.DESCRIPTION, settings.add_arguments, settings.run),
        "preflight": Tool(preflight.DESCRIPTION, preflight.add_arguments, preflight.run),
        "doctor": Tool(doctor.DESCRIPTION, doctor.add_arguments, doctor.run),
        "protect": Tool(protect.DESCRIPTION, protect.add_arguments, protect.run),
        "status": Tool(status.DESCRIPTION, status.add_arguments, status.run),
        "logs": Tool(logs.DESCRIPTION, logs.add_arguments, logs.run),
        "show": Tool(records.SHOW, records.add_show_arguments, records.show),
        "find": Tool(records.FIND, records.add_find_arguments, records.find),
        "wake": Tool(wake.DESCRIPTION, wake.add_arguments, wake.run),
        "letters": Tool(letters.DESCRIPTION, letters.add_arguments, letters.run),
        "facts": Tool(facts.DESCRIPTION, facts.add_arguments, facts.run),
        "secret": Tool(secret.DESCRIPTION, secret.add_arguments, secret.run),
        "channel": Tool(channel.DESCRIPTION, channel.add_arguments, channel.run),
        "pause": Tool(pause.PAUSE, pause.add_arguments, pause.pause),
        "resume": Tool(pause.RESUME, pause.add_arguments, pause.resume),
        "release": Tool(release.DESCRIPTION, release.add_arguments, release.run),
        "retained": Tool(retained.DESCRIPTION, retained.add_arguments, retained.run),
        "table": Tool(table.DESCRIPTION, table.add_arguments, table.run),
        "drill": Tool(drill.DESCRIPTION, drill.add_arguments, drill.run),
    }
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: what follows the command's name; else those of the process.

    Returns:
        The exit code: that of the command, 2 for wrong usage, 130 after Ctrl-C.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        if words[:1] and words[0] in TOOLS:
            given = parser().parse_args(words)
            ended: int = given.run(given)
            return ended
        return _ended(words)
    except KeyboardInterrupt:
        sys.stderr.write("\ninterrupted\n")
        return INTERRUPTED


def application() -> typer.Typer:
    """The whole command line."""
    whole = group("Operate Onramp: a deployed stage with AWS credentials, or the local run.")
    for name, area in AREAS.items():
        whole.add_typer(area, name=name)
    command(whole, "listen")(listen.listen)
    return whole


def _ended(words: Sequence[str]) -> int:
    try:
        ended = get_command(application()).main(list(words), prog_name="onramp", standalone_mode=False)
    except typer.TyperException as wrong:
        named = getattr(getattr(wrong, "ctx", None), "command_path", "onramp")
        console = Console(command=named.partition(" ")[2], as_json="--json" in words)
        console.problem("wrong_usage", wrong.format_message())
        console.note(f"`{named} --help` says what it takes")
        return COULD_NOT_BEGIN
    return int(ended or 0)


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    whole = argparse.ArgumentParser(prog="onramp", description="Tools for operating Onramp.")
    commands = whole.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, tool in TOOLS.items():
        command = commands.add_parser(name, **tool.description)
        tool.add_arguments(command)
        command.set_defaults(run=tool.run)
    return whole
