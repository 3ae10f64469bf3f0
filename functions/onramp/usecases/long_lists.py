"""Which of 360dialog's lists have more than one page: one number finds out, and the others need not.

A list of one page is the whole truth about who is not in it; of a longer one each is asked for by a filter.
"""

from onramp.domain.census import Census, List
from onramp.domain.errors import Conflict
from onramp.ports import Ports


def is_long(ports: Ports, what: List) -> bool:
    """Whether the hub's list is known to have more than one page."""
    census = ports.store.read(Census, ports.hub)
    return census is not None and what in census.long


def note_long(ports: Ports, what: List) -> None:
    """Remember that it has. Where somebody else writes at that moment, the next one notes it."""
    census = ports.store.read(Census, ports.hub) or Census(hub=ports.hub)
    if what in census.long:
        return
    census.long = [*census.long, what]
    try:
        ports.store.commit(census)
    except Conflict:
        ports.telemetry.info("a long list could not be noted", list=what)
