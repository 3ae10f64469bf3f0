"""The command ``onramp``: a table of its areas."""

import sys
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

import typer
from typer.main import get_command

from ops.commands import (
    attempts,
    budget,
    channel,
    channels,
    clients,
    config,
    dead_letters,
    deliveries,
    drill,
    encryption,
    endpoints,
    events,
    facts,
    hubs,
    keys,
    links,
    listen,
    logs,
    numbers,
    pause,
    protect,
    release,
    requests,
    retained,
    secret,
    signups,
    status,
    table,
    wake,
)
from ops.console import COULD_NOT_BEGIN, Console
from ops.doctor import command as doctor
from ops.preflight import command as preflight
from ops.running import group

ALONE: Final[Sequence[typer.Typer]] = (
    preflight.app,
    doctor.app,
    protect.app,
    status.app,
    logs.app,
    pause.app,
    budget.app,
    listen.app,
)
"""What has commands of one word."""
AREAS: Final[Mapping[str, typer.Typer]] = MappingProxyType(
    {
        "config": config.app,
        "signups": signups.app,
        "numbers": numbers.app,
        "attempts": attempts.app,
        "events": events.app,
        "dead-letters": dead_letters.app,
        "channels": channels.app,
        "clients": clients.app,
        "hubs": hubs.app,
        "keys": keys.app,
        "links": links.app,
        "endpoints": endpoints.app,
        "deliveries": deliveries.app,
        "requests": requests.app,
        "wake": wake.app,
        "facts": facts.app,
        "secret": secret.app,
        "encryption": encryption.app,
        "channel": channel.app,
        "release": release.app,
        "retained": retained.app,
        "table": table.app,
        "drill": drill.app,
    }
)
"""Commands of two words by the first one; an area is a module of `ops.commands` and a line here."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: what follows the command's name; else those of the process.

    Returns:
        The exit code: that of the command, 2 for wrong usage, 130 after Ctrl-C.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        ended = get_command(application()).main(words, prog_name="onramp", standalone_mode=False)
    except typer.TyperException as wrong:
        named = getattr(getattr(wrong, "ctx", None), "command_path", "onramp")
        console = Console(command=named.partition(" ")[2], as_json="--json" in words)
        console.problem("wrong_usage", wrong.format_message())
        console.note(f"`{named} --help` says what it takes")
        return COULD_NOT_BEGIN
    return int(ended or 0)


def application() -> typer.Typer:
    """The whole command line."""
    whole = group("Operate Onramp: a deployed stage with AWS credentials, or the local run.")
    for alone in ALONE:
        whole.add_typer(alone)
    for name, area in AREAS.items():
        whole.add_typer(area, name=name)
    return whole
