"""Looking again and again: with pauses that grow, until it is settled or the time is over."""

import re
import time
from collections.abc import Callable
from typing import Annotated, Any, Final

import typer

from ops.console import DONE, FAILED
from ops.running import Run
from ops.stage.configuration import UnusableError

type Json = dict[str, Any]

FIRST: Final = 1.0
GROWS: Final = 1.5
LONGEST: Final = 30.0
"""Seconds between two looks: the first pause, by what it grows, and the longest."""
_UNITS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}

For = Annotated[
    str, typer.Option("--for", metavar="HOW_LONG", help="Look for so long at most: 30s, 10m, 2h, 1d.")
]


def seconds(text: str) -> float:
    """How long a text says. Raises `UnusableError`."""
    found = re.fullmatch(r"(\d{1,6})([smhd])", text.strip())
    if found is None:
        raise UnusableError(f"--for {text}: write it as 30s, 10m, 2h or 1d")
    return float(int(found[1]) * _UNITS[found[2]])


class Pauses:
    """The pauses between looks: longer each time, short again after a change; ends when the time is over."""

    def __init__(self, how_long: str) -> None:
        self._left = seconds(how_long)
        self._pause = FIRST

    def wait(self, *, changed: bool) -> bool:
        """Wait for the next look. False when there is no time for it."""
        self._pause = FIRST if changed else min(self._pause * GROWS, LONGEST)
        if self._pause > self._left:
            return False
        self._left -= self._pause
        time.sleep(self._pause)
        return True


def watch(
    run: Run,
    how_long: str,
    look: Callable[[], Json],
    told: Callable[[Json], str],
    ended: Callable[[Json], bool | None],
) -> int:
    """Tell each change of what `look` gives, until `ended` says how it has ended: well, or not.

    Gives the exit code: 1 when it has not ended well, or not at all in its time.
    """
    pauses, shown = Pauses(how_long), ""
    while True:
        state = look()
        text = told(state)
        changed = text != shown
        if changed:
            shown = text
            run.console.each(state, text)
        well = ended(state)
        if well is not None:
            return DONE if well else FAILED
        if not pauses.wait(changed=changed):
            run.console.note(f"it has not ended in {how_long}; it goes on by itself")
            return FAILED
