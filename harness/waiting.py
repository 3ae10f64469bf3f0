"""Waiting for what comes about elsewhere.

One patience for all, longer than the longest heal (a message that comes back after six minutes), so that
a test that waits never measures the machine: a fast one ends as early, a slow one ends at all.
"""

import time
from collections.abc import Callable
from typing import Final

PATIENCE: Final = 420.0
"""Seconds."""
PAGE_PATIENCE_MS: Final = 60_000
"""Milliseconds that a browser waits for what a page should show."""
_PAUSE: Final = 0.1


def eventually[T](look: Callable[[], T | None], what: object = "it") -> T:
    """Look until there is something (what counts as true) and give it.

    `what` names it, or is what else has come. Raises `AssertionError` when the patience is over.
    """
    deadline = time.monotonic() + PATIENCE
    while not (found := look()):
        assert time.monotonic() < deadline, f"did not come about within {PATIENCE:.0f} s: {what}"
        time.sleep(_PAUSE)
    return found
