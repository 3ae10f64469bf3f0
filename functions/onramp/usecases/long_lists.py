"""360dialog's lists: which have more than one page, and what one number has read for all that wait.

A list of one page is the whole truth about who is not in it; of a longer one each is asked for by a filter,
unless so many wait that to read all of it is less.
"""

from collections.abc import Callable
from datetime import datetime

from onramp.domain import number as life
from onramp.domain.budget import BudgetState
from onramp.domain.census import Census, List
from onramp.domain.errors import Conflict
from onramp.domain.whole_list import WholeList, is_worth
from onramp.ports import Ports
from onramp.ports.upstreams import Page
from onramp.usecases.run import Run


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


def learn_from[T](
    ports: Ports, known: dict[str, WholeList[T]], what: List, first: Page[T], began_at: datetime
) -> None:
    """Keep a list of one page for those that wait, and note that a longer one is long.

    `first`: its first page, asked for at `began_at`.
    """
    if first.next_offset is not None:
        note_long(ports, what)
        return
    known[ports.hub] = WholeList(began_at)
    known[ports.hub].add(first.items, first.next_offset, first.total)


def whole_list[T](
    run: Run, known: dict[str, WholeList[T]], what: List, read: Callable[[int], Page[T]]
) -> WholeList[T] | None:
    """A list that says of the run's number what its own read would say; None when it has to look for itself.

    It does so while somebody may be waiting in front of a page, and when the list was begun before it came.
    A long list is read on with the slots of whoever comes next, as long as that is less than a read for each.
    Raises what `read` raises: the next number goes on with it.
    """
    number, ports = run.number, run.ports
    if run.now < life.urgent_until(number):
        return None
    whole = known.get(ports.hub)
    if whole is None or not whole.lives(run.now):
        if not is_long(ports, what):
            # Its own read shows everything, and is kept.
            return None
        whole = known[ports.hub] = WholeList(run.now)
    if whole.given_up or not whole.tells_of(number.still_since):
        return None
    while whole.next_offset is not None:
        page = read(whole.next_offset)
        first = whole.next_offset == 0
        if first and page.next_offset is not None and not is_worth(page.total, _waiting(ports)):
            whole.given_up = True
            return None
        whole.add(page.items, page.next_offset, page.total)
    return whole if whole.is_whole else None


def _waiting(ports: Ports) -> int:
    budget = ports.store.read(BudgetState, ports.hub)
    return 0 if budget is None else len(budget.reserved)
