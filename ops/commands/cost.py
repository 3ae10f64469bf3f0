"""What a command spends of the partner budget: told before, and taken only where live signups leave it.

For every command that asks something of 360dialog::

    cost.tell(run, desk, calls=1)
    for page in cost.pages(run, desk, "channels.list"): ...
"""

import time
from collections.abc import Iterator
from typing import Any, Final

from ops.desk import Desk, NoAnswer, Refused
from ops.running import Failed, Run

type Json = dict[str, Any]

LONGEST: Final = 1_800.0
"""Seconds that one call waits for live signups to leave it room."""
MARGIN: Final = 0.5
"""Seconds by which a call comes later than it was told."""


def tell(run: Run, desk: Desk, *, calls: int | None = None, lists: int = 1, hub: str | None = None) -> None:
    """One line on standard error: how many calls, how long they take, how many spare ones there are.

    The budget is that of `hub`; without it that of the default one.

    `calls` is how many are made at most; without it, as many as `lists` lists of all channels take.
    """
    budget = desk.ask("budget.show", calls=calls, times=lists, hub=hub)
    run.console.cost(calls if calls is not None else lists * int(budget["pages"]), budget)


def pages(run: Run, desk: Desk, command: str, **arguments: object) -> Iterator[Json]:
    """The results of a command that goes page by page, waiting while live signups need the budget.

    Raises what `Desk.ask` raises, and `Failed` when it has waited for `LONGEST`.
    """
    cursor = arguments.pop("cursor", None)
    while True:
        result = ask(run, desk, command, **arguments, cursor=cursor)
        yield result
        following = result.get("cursor")
        if following is None:
            return
        if following == cursor:
            raise NoAnswer(f"{command} leads no further than {cursor}")
        cursor = following


def ask(run: Run, desk: Desk, command: str, **arguments: object) -> Json:
    """One call, made again when its turn has come. Raises as `pages`."""
    waited = 0.0
    while True:
        try:
            return desk.ask(command, **arguments)
        except Refused as refused:
            wait = refused.problem.get("retry_after")
            if refused.code != "unavailable" or not isinstance(wait, int | float):
                raise
            if waited + wait > LONGEST:
                raise Failed("live signups have left no spare call for half an hour: try it later") from None
            run.console.note(f"live signups go first: waits {wait:g} s")
            time.sleep(wait + MARGIN)
            waited += wait
