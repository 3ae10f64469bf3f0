"""Moving a number on, and when its next step is to be taken."""

import zlib
from datetime import datetime, timedelta
from typing import Final

from onramp.domain.facts import FactType
from onramp.domain.number.record import Number
from onramp.domain.schedule import CHECK_EVERY, next_check, next_look
from onramp.domain.states import Progress, Step, is_known, rank, reaches

_MOVED: Final = {
    Progress.PENDING: FactType.NUMBER_PENDING,
    Progress.SUBMITTED: FactType.NUMBER_SUBMITTED,
    Progress.CREATED: FactType.NUMBER_CREATED,
    Progress.READY: FactType.NUMBER_READY,
    Progress.RUNNING: FactType.NUMBER_RUNNING,
    Progress.LIVE: FactType.NUMBER_LIVE,
    Progress.CONNECTED: FactType.NUMBER_CONNECTED,
}
"""What is told of a state that is reached; of an intent nothing is told, its outcome is."""


def advance(number: Number, progress: Progress, now: datetime) -> bool:
    """Move the number forward; a step back or sideways changes nothing. Says whether it moved."""
    if not rank(progress) > rank(number.progress):
        return False
    number.progress = progress
    number.steps = {**number.steps, progress: now}
    if (
        number.failure
        and number.failure.step in {Step.SUBMIT, Step.LOOK}
        and reaches(progress, Progress.CREATED)
    ):
        # It lives at 360dialog, whatever our own call was answered.
        number.failure = None
    if progress in _MOVED:
        number.tell(_MOVED[progress], now)
    return True


def schedule(number: Number, now: datetime, look_after: timedelta) -> None:
    """When the number has to be looked after again, once something has moved it on to its next step."""
    step = number.next_step
    if step is Step.LOOK and not number.unseen:
        number.due_at = next_look(number.looks, now, look_after)
    elif step is Step.CHECK:
        _schedule_check(number, now)
    elif step is None:
        if is_known(number.progress):
            number.due_at = None
    else:
        number.due_at = now


def _schedule_check(number: Number, now: datetime) -> None:
    """Each number has its own moment of the day; earlier when a proof is asked for or a restriction ends."""
    if number.look_from is not None:
        number.due_at = now
        return
    moment = zlib.crc32(number.phone_number_id.encode()) % int(CHECK_EVERY.total_seconds())
    due_at = next_check(timedelta(seconds=moment), now)
    number.due_at = min(due_at, number.restricted_until or due_at)


def plan_now(number: Number, now: datetime) -> None:
    """The next step is to be taken at once; a run that has the number plans for itself."""
    if number.is_held(now):
        number.due_at = number.due_at or now
    else:
        go_on(number, now)


def go_on(number: Number, now: datetime) -> None:
    """The next step is taken at once, with all its attempts, and nobody holds the number."""
    number.begin_anew()
    number.due_at = now


def overtake(number: Number) -> None:
    """What a run that has the number has read may be older than what happens now."""
    number.overtaken = number.lease is not None


def begin_now(number: Number, now: datetime) -> None:
    """It is taken up again: its waiting counts anew."""
    overtake(number)
    number.look_from = now
    plan_now(number, now)


def replan(number: Number, before: Step | None, now: datetime, look_after: timedelta) -> None:
    """Plan the next step when it is another one than before; a run that has the number plans for itself."""
    if number.next_step is before:
        return
    if number.is_held(now):
        if number.next_step is not None:
            # Should the run die, the sweep has to find the number.
            number.due_at = number.due_at or now
        return
    number.begin_anew()
    schedule(number, now, look_after)
