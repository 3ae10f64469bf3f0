"""`budget.show`: what is left of the partner budget at this moment."""

from typing import Final

from onramp.inbound.desk import Answer, Command, Nothing
from onramp.ports import Ports
from onramp.usecases.budgeting import spare_calls


def show(desk: Ports, _: Nothing) -> Answer:
    """`budget.show`."""
    rule = desk.rules.budget
    return {
        "hub": desk.hub,
        "calls": rule.calls,
        "window_seconds": rule.window.total_seconds(),
        "spare_calls": spare_calls(desk),
    }


COMMANDS: Final = (Command("budget.show", "The partner budget and its spare calls", Nothing, show),)
