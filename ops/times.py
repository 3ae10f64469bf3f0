"""Times on a command line: a moment, or how long ago."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

_SPANS: Final = {"m": 60, "h": 3_600, "d": 86_400}


type When = Callable[[datetime], datetime]
"""A time that follows from now, which is not known while the command line is read."""


def when(text: str) -> When:
    """``2026-11-23T09:00:00Z`` (without a zone it is UTC), or ``90m``, ``24h``, ``7d`` before now.

    Raises `ValueError`.
    """
    ago = re.fullmatch(r"(\d{1,5})([mhd])", text.strip())
    if ago is not None:
        return lambda now: now - timedelta(seconds=int(ago[1]) * _SPANS[ago[2]])
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ValueError("write it as 2026-11-23T09:00:00Z or as 24h") from None
    at = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    return lambda _: at
