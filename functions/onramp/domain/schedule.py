"""When things are done again: failed attempts, looks at what waits, and how long waiting may last."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

RETRY_SECONDS: Final = (5, 30, 300, 1_800, 7_200, 18_000, 36_000, 36_000)

SETTLE: Final = timedelta(seconds=30)
"""How long after an unanswered call its effect may still be missing from 360dialog's lists."""
LONGEST_PUT_OFF: Final = timedelta(hours=1)
"""So long a step may be put off without using up an attempt; then each put-off counts as one."""
LOOK_AFTER: Final = timedelta(minutes=10)
"""How long a number waits for a webhook before its channel is looked up."""
LONGEST_LOOK: Final = timedelta(hours=6)
"""Numbers that wait are looked up in growing steps, at least this often."""
LONGEST_WAIT: Final = timedelta(days=7)
"""A submitted number of which 360dialog has shown no living channel by then has failed."""


CHECK_EVERY: Final = timedelta(days=1)
"""How often a connected number is proved."""
CHECK_SOONEST: Final = timedelta(hours=1)
"""So soon after one check there is no other."""
URGENT_FOR: Final = timedelta(minutes=5)
"""So long after a step became due somebody may be looking at the page, and it goes before a backlog."""
LIST_LAG: Final = timedelta(minutes=10)
"""How long what 360dialog lists may be older than an event that told of it."""


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


def next_look(looks: int, now: datetime, first: timedelta = LOOK_AFTER) -> datetime:
    """When a number that has been looked up `looks` times in vain is looked up again."""
    longest = max(LONGEST_LOOK, first)
    return now + min(first * int(2 ** min(looks, 12)), longest)


def next_check(moment: timedelta, now: datetime) -> datetime:
    """The next time that is `moment` after midnight, in UTC, and not too soon."""
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    due_at = midnight + moment
    while due_at < now + CHECK_SOONEST:
        due_at += CHECK_EVERY
    return due_at
