"""The table of an operator's commands, by name; a new area is one line here."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from onramp.inbound.desk import (
    Command,
    attempts,
    budget,
    channels,
    clients,
    deliveries,
    endpoints,
    events,
    hubs,
    keys,
    letters,
    links,
    lost,
    numbers,
    requests,
    signups,
)

AREAS: Final[tuple[tuple[Command, ...], ...]] = (
    signups.COMMANDS,
    numbers.COMMANDS,
    attempts.COMMANDS,
    events.COMMANDS,
    letters.COMMANDS,
    budget.COMMANDS,
    channels.COMMANDS,
    hubs.COMMANDS,
    clients.COMMANDS,
    keys.COMMANDS,
    links.COMMANDS,
    endpoints.COMMANDS,
    deliveries.COMMANDS,
    lost.COMMANDS,
    requests.COMMANDS,
)

COMMANDS: Final[Mapping[str, Command]] = MappingProxyType(
    {command.name: command for area in AREAS for command in area}
)
"""All commands, by name."""
