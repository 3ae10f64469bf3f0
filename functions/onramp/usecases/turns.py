"""Several things in one message: one that fails holds up none of its neighbours."""

from collections.abc import Callable, Iterable
from datetime import datetime


def in_turn[T](things: Iterable[T], do: Callable[[T], datetime | None]) -> datetime | None:
    """Do each of them, whatever becomes of the others; gives the first time at which one has to come again.

    Raises the first trouble, behind all of them: then the whole message comes again.
    """
    times: list[datetime] = []
    troubles: list[Exception] = []
    for thing in things:
        try:
            again_at = do(thing)
        except Exception as trouble:  # noqa: BLE001 - raised below, behind its neighbours
            troubles.append(trouble)
        else:
            times += [again_at] if again_at else []
    if troubles:
        raise troubles[0]
    return min(times, default=None)
