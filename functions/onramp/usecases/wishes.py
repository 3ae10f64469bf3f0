"""What a tenant asks for its numbers: again, an end, that undone, a proof.

The wish is written, the worker does it: `retry` begins the step that failed anew, `cancel` and `reactivate`
are steps of their own (`ending`), `check` reads the channel (`look`) and proves key and webhook (`check`).
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from onramp.domain import number as life
from onramp.domain.errors import Problem
from onramp.domain.number import Number
from onramp.domain.signup import Signup
from onramp.domain.states import Step
from onramp.ports import Ports
from onramp.usecases.changing import change, change_number, needs_a_run, wake_at_once
from onramp.usecases.resolve import read_numbers

AT_ONCE: Final = 20
"""Numbers in one write: each is an item and a fact, and a transaction has 100."""


def retry_signup(ports: Ports, signup: Signup) -> Signup:
    """Run the signup's failed numbers again from the step that failed, and mend those that have drifted.

    Raises `Problem(nothing_to_retry | unavailable)`.
    """
    numbers = read_numbers(ports, signup.submitted)
    mendable = [number.phone_number_id for number in numbers if _is_broken(number)]
    if not mendable:
        wake_at_once(ports, _stored(ports, numbers))
        return signup
    revived: list[Number] = []
    for start in range(0, len(mendable), AT_ONCE):
        signup, some = _revive(ports, signup, mendable[start : start + AT_ONCE])
        revived += some
    wake_at_once(ports, revived)
    return signup


def retry_number(ports: Ports, number: Number) -> Number:
    """Run one number again. Raises `Problem(nothing_to_retry | unavailable)`."""
    if not life.can_retry(number):
        wake_at_once(ports, _stored(ports, [number]))
        return number
    return _do(ports, number, life.can_retry, life.retry)


def cancel_number(ports: Ports, number: Number) -> Number:
    """End the number at 360dialog. Raises `Problem(nothing_to_cancel | unavailable)`."""
    refusal = Problem("nothing_to_cancel", "The number has ended, or its end has been asked for already.")
    return _ask(ports, number, Step.CANCEL, life.can_cancel, refusal)


def reactivate_number(ports: Ports, number: Number) -> Number:
    """Take the end of a number back. Raises `Problem(nothing_to_reactivate | unavailable)`."""
    refusal = Problem(
        "nothing_to_reactivate",
        "The number has not ended and nobody has asked for its end, or it never had a channel.",
    )
    return _ask(ports, number, Step.REACTIVATE, life.can_reactivate, refusal)


def check_number(ports: Ports, number: Number) -> Number:
    """Prove a connected number now: channel, key, webhook. Raises `Problem(not_connected | unavailable)`."""
    if not life.can_check(number):
        raise Problem("not_connected", "Only a connected number can be proved.")
    return _do(ports, number, life.can_check, life.ask_for_proof)


def _ask(
    ports: Ports, number: Number, action: Step, possible: Callable[[Number], bool], refusal: Problem
) -> Number:
    """Ask 360dialog for something; the same wish again is sent again, where it may not be in the queue."""
    if number.next_step is action and _may_be_unsent(ports, number):
        wake_at_once(ports, [number])
        return number
    if not possible(number):
        raise refusal
    return _do(ports, number, possible, lambda stored, now: life.ask(stored, action, now))


def _do(
    ports: Ports,
    number: Number,
    possible: Callable[[Number], bool],
    wish: Callable[[Number, datetime], None],
) -> Number:
    """Write the wish, unless somebody has been faster, and wake the worker."""

    def edit(stored: Number) -> None:
        if possible(stored):
            wish(stored, ports.clock.now())

    changed = change_number(ports, number.phone_number_id, edit)
    wake_at_once(ports, [changed])
    return changed


def _may_be_unsent(ports: Ports, number: Number) -> bool:
    """Whether what is due of a number has not been begun: its wake-up may never have reached the queue."""
    return needs_a_run(number, ports.clock.now()) and not number.attempts


def _stored(ports: Ports, numbers: Sequence[Number]) -> list[Number]:
    """Numbers whose wish is stored and may not be in the queue. Raises `Problem(nothing_to_retry)`."""
    stored = [number for number in numbers if _may_be_unsent(ports, number)]
    if not stored:
        raise Problem("nothing_to_retry", _why_not(numbers))
    return stored


def _is_broken(number: Number) -> bool:
    """Whether a retry may mend it. An adopted number is not broken: only who names it asks for its key."""
    return life.can_retry(number) and not (number.rests and number.failure is None)


def _why_not(numbers: Sequence[Number]) -> str:
    titles = {number.failure.title for number in numbers if number.failure}
    if not titles:
        return "No number has failed."
    return f"A retry cannot mend this: {'; '.join(sorted(titles))}."


def _revive(ports: Ports, signup: Signup, ids: Sequence[str]) -> tuple[Signup, list[Number]]:
    """Take some numbers up again, all in one write with their signup's counts."""
    revived: list[Number] = []

    def edit(stored: Signup) -> Sequence[Number]:
        revived.clear()
        for number in read_numbers(ports, ids):
            if _is_broken(number):
                before = number.standing
                life.retry(number, ports.clock.now())
                stored.count(before, number.standing, ports.clock.now())
                revived.append(number)
        return revived

    return change(ports, Signup, (signup.id,), edit), revived
