"""`budget.*`: what the partner budget has, before something spends of it."""

from typing import Annotated, Final

from pydantic import Field

from onramp.domain.census import ONE_PAGE, Census
from onramp.inbound.desk import Answer, AtHub, Command
from onramp.ports import Ports
from onramp.usecases.keys import MOST_CALLS, outlook


class BudgetAsked(AtHub):
    """What is asked of the budget: so many spare calls, or so many lists of all channels."""

    calls: Annotated[int, Field(ge=0, le=MOST_CALLS)] = 0
    times: Annotated[int, Field(ge=1, le=10)] = 1


def show(desk: Ports, asked: BudgetAsked) -> Answer:
    """`budget.show`. `pages`: calls that one list of all channels takes, as the last census counted.

    `lasts_seconds`: how long it takes until the last of the calls could start, while no live signup comes.
    """
    rule, census = desk.rules.budget, desk.store.read(Census, desk.hub)
    pages = -(-(census.channels if census else 0) // ONE_PAGE) or 1
    found = outlook(desk, asked.calls or pages * asked.times)
    return {
        "calls": rule.calls,
        "window_seconds": rule.window.total_seconds(),
        "free_calls": found.free,
        "free_in_seconds": found.free_in,
        "spare_calls": found.spare,
        "spare_in_seconds": found.spare_in,
        "lasts_seconds": found.lasts,
        "pages": pages,
    }


COMMANDS: Final = (Command("budget.show", "Calls that are free, and spare ones", BudgetAsked, show),)
