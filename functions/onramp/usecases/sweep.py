"""The sweep: each minute it wakes what is due, and calls nobody outside.

A hit's due time is moved on by one small write that touches nothing else, so that no record, however broken,
is first in line twice in a row. What is woken plans its own next time.

It also measures what only it can see: since when the oldest work is due that nobody has taken up, and how
many numbers 360dialog should tell of soon.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

from onramp.domain.census import Census
from onramp.domain.crashes import told_of
from onramp.domain.errors import SweepIncomplete, UnavailableError
from onramp.domain.notifications import Delivery
from onramp.domain.number import Number
from onramp.ports import Ports
from onramp.ports.storage import Due, Line

GRACE: Final = timedelta(seconds=60)
"""A message that is on its way is left alone for so long."""
LATER: Final = timedelta(minutes=5)
"""When work that was woken is woken again, unless it has planned its own time by then."""
BATCH: Final = 200
SINGLE_LOOKS: Final = 5
"""So many waiting numbers are looked up one by one in a minute; when more wait, the census finds them."""
SOON: Final = timedelta(hours=1)
"""A number whose next look is nearer than that has not waited long: 360dialog should tell of it."""
CHECKS: Final = 60
"""So many daily checks begin in a minute, 86,400 in a day: after an outage they do not come all at once."""


def sweep(ports: Ports, enough: Callable[[], bool] = lambda: False) -> None:
    """Wake everything that is due. Stops early when `enough()` says so; the next sweep goes on.

    Raises `SweepIncomplete` at its end when something could not be woken: its neighbours were.
    """
    now = ports.clock.now()
    missed = 0
    oldest = now
    while not enough():
        hits = ports.store.due(now - GRACE, BATCH, line=Line.WORK)
        oldest = min([oldest, *(hit.overdue_since for hit in hits)])
        missed += _wake(ports, hits, LATER)
        if len(hits) < BATCH or missed:
            break
    ports.telemetry.count("OldestDueSeconds", round((now - oldest).total_seconds()))
    waiting = ports.store.due(now + SOON, BATCH, line=Line.LOOK)
    ports.telemetry.count("NumbersWaiting", len(waiting))
    looks = [hit for hit in waiting if hit.due_at <= now]
    if len(looks) > SINGLE_LOOKS:
        _wake_censuses(ports)
    missed += _wake(ports, looks[:SINGLE_LOOKS], LATER)
    missed += _postpone(ports, looks[SINGLE_LOOKS:], LATER)
    # What is left over is older at the next sweep, and comes first then.
    missed += _wake(ports, ports.store.due(now, CHECKS, line=Line.CHECK), LATER)
    missed += _wake_deliveries(ports, now, enough)
    if missed:
        raise SweepIncomplete(f"{missed} hits")


def _wake_censuses(ports: Ports) -> None:
    """That of every hub: the index does not say whose numbers wait."""
    for hub in ports.hub_names:
        ports.queue.wake_census(hub)


def _wake_deliveries(ports: Ports, now: datetime, enough: Callable[[], bool]) -> int:
    """Notifications that wait longer than a queue can, or whose wake-up was lost."""
    missed = 0
    while ports.rules.notifications.endpoints and not enough():
        hits = ports.store.due(now, BATCH, line=Line.SEND)
        missed += _wake(ports, hits, LATER)
        if len(hits) < BATCH or missed:
            break
    return missed


def _wake(ports: Ports, hits: Sequence[Due], later: timedelta) -> int:
    """Wake first, move on afterwards: a crash between the two wakes twice. Gives how many could not be."""
    numbers = [hit.identity[0] for hit in hits if hit.kind == Number.KIND]
    try:
        ports.queue.wake_numbers(numbers)
        for hit in hits:
            if hit.kind == Census.KIND and hit.identity[0] in ports.hub_names:
                ports.queue.wake_census(hit.identity[0])
        if deliveries := [hit.identity for hit in hits if hit.kind == Delivery.KIND]:
            ports.queue.wake_deliveries(deliveries)
    except UnavailableError:
        ports.telemetry.warn("queue does not answer; the next sweep sends")
        return len(hits)
    if hits:
        ports.telemetry.count("JobsSentAgain", len(hits))
    return _postpone(ports, hits, later)


def _postpone(ports: Ports, hits: Sequence[Due], later: timedelta) -> int:
    missed = 0
    for hit in hits:
        try:
            ports.store.postpone(hit, ports.clock.now() + later)
        except Exception as trouble:  # noqa: BLE001 - one hit must not hold up those behind it
            missed += 1
            ports.telemetry.count("RecordsCrashed")
            ports.telemetry.warn("hit not moved on", **told_of(trouble), id="/".join(hit.identity))
    return missed
