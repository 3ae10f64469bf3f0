"""A list of 360dialog's that was read whole, for all numbers that wait in a backlog.

It says of each of them what a read of its own would say, and counts where it was begun after the number came.
"""

import math
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from onramp.domain.census import ONE_PAGE
from onramp.domain.schedule import LIST_LAG, SETTLE
from onramp.domain.values import dataclass

MOST_PAGES: Final = 25
"""A longer list is not read for the sake of those that wait: a process keeps it in memory."""
WORTH: Final = 4
"""So many must wait for each of its pages that a list is read whole: each saves a call of its own by it."""


@dataclass(slots=True)
class WholeList[T]:
    """One list of one hub's. `next_offset`: where its next page begins, None when all of it was read.

    `given_up`: too few wait for so many pages, or not as many came as there are said to be. Then nobody uses
    it, and nobody reads on before another list is due.
    """

    began_at: datetime
    items: Sequence[T] = ()
    next_offset: int | None = 0
    given_up: bool = False

    def lives(self, now: datetime) -> bool:
        """Whether nothing that was made since can be hidden from a number for longer than by its own read."""
        return self.began_at <= now < self.began_at + LIST_LAG

    def tells_of(self, since: datetime) -> bool:
        """Whether it surely shows what there was when a number came."""
        return self.began_at >= since + SETTLE

    @property
    def is_whole(self) -> bool:
        """Whether all of it was read, without a doubt."""
        return self.next_offset is None and not self.given_up

    def add(self, items: Sequence[T], next_offset: int | None, total: int | None) -> None:
        """One page more. `total`: how many the list has, if 360dialog says so; many numbers rely on it."""
        self.items = (*self.items, *items)
        self.next_offset = next_offset
        self.given_up = next_offset is None and len(self.items) != total


def is_worth(total: int | None, waiting: int) -> bool:
    """Whether a list of `total` entries is read whole for so many numbers that wait; not if nobody counts."""
    pages = math.inf if total is None else math.ceil(total / ONE_PAGE)
    return pages <= MOST_PAGES and pages * WORTH <= waiting
