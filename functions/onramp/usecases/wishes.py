"""What a tenant asks for its numbers: again, an end, that undone, a proof.

The wish is written, the worker does it: `retry` begins the step that failed anew, `cancel` and `reactivate`
are steps of their own (`ending`), `check` reads the channel (`look`) and proves key and webhook (`check`).
"""

from collections.abc import Callable, Sequence
from typing import Final

from onramp.domain import number as life
from onramp.domain.errors import Problem
from onramp.domain.number import Number
from onramp.domain.signup import Signup
from onramp.domain.states import Step
from onramp.ports import Ports
from onramp.usecases.changing import change, change_number, needs_a_run, wake_at_once

AT_ONCE: Final = 20
"""Numbers in one write: each is an item and a fact, and a transaction has 100."""


def retry_signup(ports: Ports, signup: Signup) -> Signup:
    """Run the signup's failed numbers again from the step that failed, and mend those that have drifted.

    Raises `Problem(nothing_to_retry | unavailable)`.
    """
    numbers = ports.store.read_all(Number, [(phone_number_id,) for phone_number_id in signup.submitted])
    mendable = [number.phone_number_id for number in numbers if life.can_retry(number)]
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
    return _do(ports, number, life.can_retry, lambda stored: life.retry(stored, ports.clock.now()))


def cancel_number(ports: Ports, number: Number) -> Number:
    """End the number at 360dialog. Raises `Problem(nothing_to_cancel | unavailable)`."""
    if _is_stored(ports, number, Step.CANCEL):
        wake_at_once(ports, [number])
        return number
    if not life.can_cancel(number):
        raise Problem("nothing_to_cancel", "The number has ended, or its end has been asked for already.")
    return _do(
        ports, number, life.can_cancel, lambda stored: life.ask(stored, Step.CANCEL, ports.clock.now())
    )


def reactivate_number(ports: Ports, number: Number) -> Number:
    """Take the end of a number back. Raises `Problem(nothing_to_reactivate | unavailable)`."""
    if _is_stored(ports, number, Step.REACTIVATE):
        wake_at_once(ports, [number])
        return number
    if not life.can_reactivate(number):
        raise Problem(
            "nothing_to_reactivate",
            "The number has not ended and nobody has asked for its end, or it never had a channel.",
        )
    return _do(
        ports,
        number,
        life.can_reactivate,
        lambda stored: life.ask(stored, Step.REACTIVATE, ports.clock.now()),
    )


def check_number(ports: Ports, number: Number) -> Number:
    """Prove a connected number now: channel, key, webhook. Raises `Problem(not_connected | unavailable)`."""
    if not life.can_check(number):
        raise Problem("not_connected", "Only a connected number can be proved.")
    return _do(ports, number, life.can_check, lambda stored: life.ask_for_proof(stored, ports.clock.now()))


def _do(
    ports: Ports, number: Number, possible: Callable[[Number], bool], wish: Callable[[Number], None]
) -> Number:
    """Write the wish, unless somebody has been faster, and wake the worker."""

    def edit(stored: Number) -> None:
        if possible(stored):
            wish(stored)

    changed = change_number(ports, number.phone_number_id, edit)
    wake_at_once(ports, [changed])
    return changed


def _is_stored(ports: Ports, number: Number, action: Step) -> bool:
    """Whether this very wish is stored, and may not be in the queue."""
    return number.next_step is action and needs_a_run(number, ports.clock.now()) and not number.attempts


def _stored(ports: Ports, numbers: Sequence[Number]) -> list[Number]:
    """Numbers whose wish is stored and may not be in the queue. Raises `Problem(nothing_to_retry)`."""
    stored = [number for number in numbers if needs_a_run(number, ports.clock.now()) and not number.attempts]
    if not stored:
        raise Problem("nothing_to_retry", _why_not(numbers))
    return stored


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
        for number in ports.store.read_all(Number, [(phone_number_id,) for phone_number_id in ids]):
            if life.can_retry(number):
                before = number.standing
                life.retry(number, ports.clock.now())
                stored.count(before, number.standing, ports.clock.now())
                revived.append(number)
        return revived

    return change(ports, Signup, (signup.id,), edit), revived
