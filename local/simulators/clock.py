"""Time as a parameter: a clock that tests move by hand, and a diary of what happens later."""

import asyncio
import heapq
import itertools
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

type Now = Callable[[], float]
type Sleep = Callable[[float], Awaitable[None]]
type Job = Callable[[], Awaitable[None]]


def iso(at: float | None) -> str | None:
    """Epoch seconds as ISO 8601 in UTC with a `Z`; nothing stays nothing."""
    if at is None:
        return None
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class ManualClock:
    """A clock that stands still until it is moved. Call it for the time in epoch seconds."""

    def __init__(self, start: float = 1_800_000_000.0) -> None:
        """Start at `start`, in epoch seconds."""
        self._at = start

    def __call__(self) -> float:
        """Return the time in epoch seconds."""
        return self._at

    def advance(self, seconds: float) -> None:
        """Move on by `seconds`."""
        self._at += seconds

    def move_to(self, at: float) -> None:
        """Move on to `at` (epoch seconds); never backwards."""
        self._at = max(self._at, at)

    async def sleep(self, seconds: float) -> None:
        """Sleep without waiting: the clock moves on instead."""
        self.advance(seconds)


class Agenda:
    """Jobs by due time. Tests run them by hand, a server runs them as time passes."""

    def __init__(self, now: Now) -> None:
        """Take the clock that says what is due."""
        self._now = now
        self._heap: list[tuple[float, int, Job]] = []
        self._order = itertools.count()
        self._changed = asyncio.Event()
        self._running: set[asyncio.Future[None]] = set()

    def after(self, seconds: float, job: Job) -> None:
        """Put `job` down for `seconds` from now. Jobs due at the same time keep their order."""
        heapq.heappush(self._heap, (self._now() + seconds, next(self._order), job))
        self._changed.set()

    def next_due(self) -> float | None:
        """When the earliest job is due, in epoch seconds."""
        return self._heap[0][0] if self._heap else None

    def clear(self) -> None:
        """Forget every job that has not started."""
        self._heap.clear()

    async def run_due(self) -> int:
        """Run what is due, one job after the other, and say how many ran."""
        count = 0
        while (job := self._take()) is not None:
            await job()
            count += 1
        return count

    async def run_forever(self) -> None:
        """Start each job at its time, side by side, until cancelled."""
        while True:
            while (job := self._take()) is not None:
                running = asyncio.ensure_future(job())
                self._running.add(running)
                running.add_done_callback(self._running.discard)
            self._changed.clear()
            due = self.next_due()
            pause = None if due is None else max(0.0, due - self._now())
            try:
                await asyncio.wait_for(self._changed.wait(), pause)
            except TimeoutError:
                continue

    def _take(self) -> Job | None:
        if self._heap and self._heap[0][0] <= self._now():
            return heapq.heappop(self._heap)[2]
        return None
