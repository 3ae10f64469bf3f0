"""Changing a signup: load, edit, write under its version, and again when somebody was faster."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from onramp.domain.errors import Problem
from onramp.domain.signup import Number, Signup
from onramp.ports import Bus, Conflict, EventClaim, Pointer, SignupStore, Telemetry, UnavailableError

TRIES: Final = 12


def change(
    store: SignupStore,
    signup_id: str,
    edit: Callable[[Signup], None],
    *,
    claims: Sequence[Pointer] = (),
    replaces: Mapping[str, str] | None = None,
    channel: tuple[str, Pointer] | None = None,
    done: EventClaim | None = None,
    outcome: str = "",
) -> Signup:
    """Apply `edit` to the stored signup and give the result; writes nothing when nothing changed.

    `edit` may run several times, each time on a fresh copy; what it raises goes through and nothing is
    written. Raises `Problem(not_found)`, `Problem(unavailable)` after `TRIES` lost races, `NumberTaken`.
    """
    for _ in range(TRIES):
        signup = store.load(signup_id)
        if signup is None:
            raise Problem("not_found", "There is no such signup.")
        before = signup.model_copy(deep=True)
        edit(signup)
        if signup == before and not claims and channel is None and done is None:
            return signup
        try:
            return store.save(
                signup, claims=claims, replaces=replaces, channel=channel, done=done, outcome=outcome
            )
        except Conflict:
            continue
    raise Problem("unavailable", "The signup is being changed by others right now. Try again.")


def publish(store: SignupStore, bus: Bus, telemetry: Telemetry, signup: Signup) -> Signup:
    """Send the signup's waiting bus events and take them out of the record.

    When the bus does not answer they stay, and the sweep sends them: nobody else has to wait for it.
    """
    if not signup.outbox:
        return signup
    sent = {event.id for event in signup.outbox}
    try:
        bus.publish(signup.outbox)
    except UnavailableError:
        telemetry.warn("bus did not take events; the sweep sends them", signup_id=signup.id)
        return signup

    def forget(stored: Signup) -> None:
        stored.outbox = [event for event in stored.outbox if event.id not in sent]

    return change(store, signup.id, forget)


def pointer_to(signup: Signup, number: Number) -> Pointer:
    """Where claims on this number, its digits or its channel lead."""
    return Pointer(
        signup_id=signup.id,
        phone_number_id=number.phone_number_id,
        tenant=signup.tenant,
        waba_id=signup.waba.id if signup.waba else "",
        digits=number.digits,
    )
