"""When a failed attempt is made again."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

RETRY_SECONDS: Final = (5, 30, 300, 1_800, 7_200, 18_000, 36_000, 36_000)

SETTLE = timedelta(seconds=30)
"""How long after an unanswered call its effect may still be missing from 360dialog's lists."""


def next_attempt(
    attempts: int, now: datetime, draw: Callable[[], float], seconds: Sequence[int] = RETRY_SECONDS
) -> datetime | None:
    """The time of the next attempt after `attempts` failed ones, or None when the schedule is exhausted.

    Full jitter: anywhere between now and the scheduled delay. `draw` gives a number in [0, 1).
    """
    if attempts > len(seconds):
        return None
    delay = seconds[max(attempts, 1) - 1] * draw()
    return now + timedelta(seconds=delay)
