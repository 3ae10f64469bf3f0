"""The clock of this machine against those of the others."""

import statistics
from collections.abc import Callable
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

from ops.doctor.checks.identity import DISCOVERY, issuer_of
from ops.doctor.findings import Finding, Stop, fail, ok, skipped, warn
from ops.doctor.http import send
from ops.doctor.stage import Stage

WARN: Final = 5.0
FAIL: Final = 60.0
_ADVICE: Final = "Set this machine's clock by the network (NTP): signatures and tokens are judged by time."


def clock_skew(stage: Stage) -> Finding:
    """The `Date` of answers that cost nothing, less our own time; the median of them counts."""
    sources: dict[str, Callable[[], str]] = {
        "API": lambda: f"{stage.api_url}/v1/config",
        "Meta": lambda: stage.value("meta.graph_base_url"),
        "identity provider": lambda: issuer_of(stage).rstrip("/") + DISCOVERY,
    }
    found = {name: skew for name, url in sources.items() if (skew := _skew(stage, name, url)) is not None}
    if not found:
        return skipped("nobody tells the time (no answer has a Date header)")
    seconds = statistics.median(found.values())
    told = f"this machine's clock is {abs(seconds):.0f} s {'behind' if seconds > 0 else 'ahead'}"
    if abs(seconds) > FAIL:
        return fail(told, _ADVICE)
    if abs(seconds) > WARN:
        return warn(told, _ADVICE)
    return ok(f"within {max(1, round(abs(seconds)))} s of {', '.join(found)}")


def _skew(stage: Stage, name: str, url: Callable[[], str]) -> float | None:
    """Seconds that the other clock is ahead of ours; None when it cannot be known."""
    before = stage.clock.now()
    try:
        date = send(stage.http, name, "GET", url()).headers.get("date", "")
        middle = before + (stage.clock.now() - before) / 2
        # It is cut to the second: on average half a second is missing.
        skew: timedelta = _moment(date) + timedelta(seconds=0.5) - middle
    except (Stop, ValueError, TypeError):
        return None
    return skew.total_seconds()


def _moment(date: str) -> datetime:
    return parsedate_to_datetime(date)
