"""The line in front of the partner budget, watched: how long live calls wait on account of spare ones.

How many slots a live call is late: the starts in the window, from the moment at which it asks for its slot
until it gets one, that are not live calls'. What live calls wait for each other does not count.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, Final
from unittest.mock import patch

from onramp.domain import budget
from onramp.domain.budget import BudgetState
from onramp.usecases import budgeting

CALLS: Final = 5
"""The budget as 360dialog has it: calls in a window."""
SPAN: Final = 30.0 + budget.GUARD.total_seconds()
"""Seconds of the budget's window, with its guard."""
MOST_LATE: Final = 2
"""Slots."""
AT_ONCE: Final = 3.0
"""Seconds: slots that come together are one wait."""


@dataclass
class Line:
    """When live calls asked for their slots and when they got them."""

    asked: dict[str, float] = field(default_factory=dict)
    calls: list[tuple[float, float, str]] = field(default_factory=list)
    spare: list[float] = field(default_factory=list)

    def slots_late(self) -> list[tuple[int, str]]:
        """For each live call that had to wait: how many slots spare calls had, and whose call it was."""
        waited = [(asked, got, job) for asked, got, job in self.calls if got > asked]
        return [(sum(asked - SPAN < start <= got for start in self.spare), job) for asked, got, job in waited]

    def slots_behind(self) -> list[tuple[int, str]]:
        """For each live call: how many slots came while it waited that others had, and whose call it was."""
        return [
            (sum(asked < start < got - AT_ONCE and other != job for _, start, other in self.calls), job)
            for asked, got, job in self.calls
            if got > asked
        ]


@contextmanager
def watched() -> Iterator[Line]:
    """Watch the gates in front of 360dialog: who asks when, and who starts when.

    What `onramp` foretells of the budget is tried out on a copy, so it is no call and does not count.
    """
    line = Line()

    def taking(state: BudgetState, rule: Any, job: str, now: Any, **more: Any) -> Any:
        line.asked.setdefault(job, now.timestamp())
        slot = budget.take(state, rule, job, now, **more)
        if slot is None:
            line.calls.append((line.asked.pop(job), now.timestamp(), job))
        return slot

    def taking_spare(state: BudgetState, rule: Any, now: Any) -> Any:
        slot = budget.take_spare(state, rule, now)
        if slot is None:
            line.spare.append(now.timestamp())
        return slot

    gates = SimpleNamespace(take=taking, take_spare=taking_spare, push_back=budget.push_back)
    with patch.object(budgeting, "budget", gates):
        yield line
