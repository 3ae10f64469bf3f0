"""The partner budget: never more than `calls` starts in any `window`, whoever makes them.

The state is one small record. A call may start when fewer than `calls` calls started within the window
before it and enough room is left for those that wait in front of it. A caller that has to wait gets a place
in the line and the time of its slot, so that the waiting ones come back one after the other.

The line has two orders in one. Jobs for which somebody waits right now stand before those of a backlog; and
who has begun goes on before those who have not, so that a job is done before what its first call has found
out is old. Starts alone hold the limit; the line only orders, so a wrong or forgotten place can waste a slot
but never break it.
"""

import math
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import ClassVar, Final

from pydantic import Field

from onramp.domain.records import HUB, Record, Stored
from onramp.domain.values import dataclass

GUARD: Final = timedelta(seconds=0.8)
"""Added to the window: two calls may travel for different times between here and 360dialog's clock."""
STALE: Final = timedelta(seconds=20)
"""A place in the line nobody has come back for by then is free again."""
KEPT: Final = 0.6
"""The share of the slots that no spare call takes."""
LONGEST_LINE: Final = 1_000
"""Places kept, for the record has to stay small; later callers are told when to ask again."""
_NOBODY: Final = "\0"
"""A place in the line that nobody has."""
LONGEST_PAUSE: Final = timedelta(hours=1)
"""The most a `Retry-After` is believed."""
IN_A_ROW: Final = 6
"""Calls of a job that follow each other: a longer one goes to the end of the line like everybody."""


class Begun(Record):
    """A job whose calls follow each other: when the last one started, and how many there were."""

    at: datetime
    calls: int = 1


class BudgetState(Stored):
    """Starts of the last window, the line (slot by job, first come first), and until when to rest.

    `begun`: jobs that have called a moment ago. `urgent`: those of the line for which somebody
    waits, and until when.
    """

    KIND: ClassVar[str] = "BUDGET"

    hub: str = HUB
    starts: list[datetime] = Field(default_factory=list)
    reserved: dict[str, datetime] = Field(default_factory=dict)
    urgent: dict[str, datetime] = Field(default_factory=dict)
    begun: dict[str, Begun] = Field(default_factory=dict)
    blocked_until: datetime | None = None

    @property
    def identity(self) -> tuple[str, ...]:
        """The hub: its partner is the one who is limited."""
        return (self.hub,)

    @property
    def contents(self) -> tuple[object, ...]:
        """What it holds now, to be compared with what it holds later."""
        lines = (dict(self.reserved), dict(self.urgent), dict(self.begun))
        return (list(self.starts), *lines, self.blocked_until)


@dataclass(frozen=True, slots=True)
class BudgetRule:
    """`calls` starts in any `window`."""

    calls: int
    window: timedelta

    @property
    def span(self) -> timedelta:
        """The window with its guard."""
        return self.window + GUARD


def take(
    state: BudgetState, rule: BudgetRule, job: str, now: datetime, *, urgent_until: datetime | None = None
) -> datetime | None:
    """Start a call for `job` now, or give it a place in the line. Changes `state`.

    `urgent_until`: so long somebody waits for it. Returns None when the call may start at once (it is counted
    as started), else the time of its slot. Until it starts, a job keeps its place, however often it asks.
    """
    _forget(state, rule, now)
    earliest = _earliest(state, now)
    until = urgent_until if urgent_until is not None and urgent_until > now else None
    line = _line(state, job, urgent=until is not None)
    in_front = [state.reserved[other] for other in line[: line.index(job)]]
    slot = _fit([*state.starts, *(max(ahead, earliest) for ahead in in_front)], rule, earliest)
    if slot <= now:
        state.reserved.pop(job, None)
        state.starts.append(now)
        _go_on(state, job, now)
        return None
    kept = line[:LONGEST_LINE]
    state.reserved = {other: slot if other == job else state.reserved[other] for other in kept}
    if until is not None and job in kept:
        state.urgent.setdefault(job, until)
    return slot


def take_spare(state: BudgetState, rule: BudgetRule, now: datetime) -> datetime | None:
    """Start a call that gives way to all others: only when nobody waits, and most slots stay free.

    Three of five are kept, so that a live call which meets it is two slots late at most. Returns None when
    it may start (counted), else a time to ask again.
    """
    _forget(state, rule, now)
    earliest = _earliest(state, now)
    kept = min(math.ceil(KEPT * rule.calls), rule.calls - 1)
    spare = rule.calls - len(state.starts) > kept
    if spare and not state.reserved and earliest <= now:
        state.starts.append(now)
        return None
    return max([*state.reserved.values(), earliest]) + rule.span


@dataclass(frozen=True, slots=True)
class Outlook:
    """What the budget has at a moment: calls that may start now, and in how many seconds the next one may.

    `spare`: those that give way to live signups. `lasts`: seconds until the last of so many spare calls could
    start, as long as no live signup comes.
    """

    free: int
    free_in: float
    spare: int
    spare_in: float
    lasts: float


def outlook(state: BudgetState, rule: BudgetRule, now: datetime, calls: int) -> Outlook:
    """What the budget has for `calls` calls. Changes nothing."""
    free, free_at = _starts(state, now, lambda trial, at: take(trial, rule, _NOBODY, at), rule.calls)
    spare, spare_at = _starts(state, now, lambda trial, at: take_spare(trial, rule, at), rule.calls)
    trial, last = state.model_copy(deep=True), now
    for _ in range(calls):
        while (later := take_spare(trial, rule, last)) is not None:
            last = later
    return Outlook(
        free=free,
        free_in=(free_at - now).total_seconds(),
        spare=spare,
        spare_in=(spare_at - now).total_seconds(),
        lasts=(last - now).total_seconds(),
    )


def _starts(
    state: BudgetState, now: datetime, start: Callable[[BudgetState, datetime], datetime | None], most: int
) -> tuple[int, datetime]:
    """How many calls could start at once, and when the first one could."""
    trial, later = state.model_copy(deep=True), None
    started = 0
    while started < most and (later := start(trial, now)) is None:
        started += 1
    return started, now if started or later is None else later


def push_back(state: BudgetState, rule: BudgetRule, now: datetime, retry_after: float | None) -> None:
    """360dialog said 429: nobody calls for `retry_after` seconds (a window when it did not say).

    The whole line moves back as far as it must and keeps its order.
    """
    _forget(state, rule, now)
    state.blocked_until = max(now + _pause(rule, retry_after), _earliest(state, now))
    taken = list(state.starts)
    for job, slot in state.reserved.items():
        state.reserved[job] = max(slot, _fit(taken, rule, state.blocked_until))
        taken.append(state.reserved[job])


def _pause(rule: BudgetRule, retry_after: float | None) -> timedelta:
    if retry_after is None or not retry_after >= 0:  # a time that has passed, or not a number
        return rule.window
    return timedelta(seconds=min(retry_after, LONGEST_PAUSE.total_seconds()))


def _forget(state: BudgetState, rule: BudgetRule, now: datetime) -> None:
    state.starts = [start for start in sorted(state.starts) if start > now - rule.span]
    state.reserved = {job: slot for job, slot in state.reserved.items() if slot > now - STALE}
    state.urgent = {
        job: until for job, until in state.urgent.items() if job in state.reserved and until > now
    }
    state.begun = {
        job: begun for job, begun in state.begun.items() if job in state.reserved or begun.at > now - STALE
    }


def _go_on(state: BudgetState, job: str, now: datetime) -> None:
    """A call of the job has started: its next one follows, if others wait, unless it has had its share."""
    before = state.begun.pop(job, None)
    calls = 1 if before is None else before.calls + 1
    if calls < IN_A_ROW and state.reserved:
        state.begun[job] = Begun(at=now, calls=calls)


def _line(state: BudgetState, job: str, *, urgent: bool) -> list[str]:
    """The line with `job` in it: where it stands already, else behind the last one that goes before it."""
    line = list(state.reserved)
    if job in state.reserved:
        return line
    rank = (not urgent, job not in state.begun)
    place = next((at for at, other in enumerate(line) if _rank(state, other) > rank), len(line))
    return [*line[:place], job, *line[place:]]


def _rank(state: BudgetState, job: str) -> tuple[bool, bool]:
    """Who goes before whom in the line: smaller first."""
    return job not in state.urgent, job not in state.begun


def _earliest(state: BudgetState, now: datetime) -> datetime:
    return max(now, state.blocked_until or now)


def _fit(taken: Iterable[datetime], rule: BudgetRule, earliest: datetime) -> datetime:
    """The first time from `earliest` on, a full span behind all but the last `calls - 1` of `taken`."""
    last = sorted(taken)[-rule.calls :]
    return earliest if len(last) < rule.calls else max(earliest, last[0] + rule.span)
