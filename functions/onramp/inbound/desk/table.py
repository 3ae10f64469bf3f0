"""The table of an operator's commands, by name; a new area is one line here."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from onramp.inbound.desk import Command, deliveries, endpoints, numbers

AREAS: Final[tuple[tuple[Command, ...], ...]] = (
    numbers.COMMANDS,
    endpoints.COMMANDS,
    deliveries.COMMANDS,
)

COMMANDS: Final[Mapping[str, Command]] = MappingProxyType(
    {command.name: command for area in AREAS for command in area}
)
"""All commands, by name."""
