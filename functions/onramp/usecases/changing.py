"""Changing what is stored: read, edit, write under the version, and again when somebody was faster.

Whoever changes a number's class keeps its signup's counts, and whoever gives it a channel takes up what the
ledger holds of that channel: both happen here, in the same write.
"""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Final

from onramp.domain.errors import Conflict, Problem, UnavailableError
from onramp.domain.ledger import EventRecord, Outcome
from onramp.domain.number import Heard, Number, channel_place, hear
from onramp.domain.records import Stored
from onramp.domain.signup import Signup
from onramp.domain.states import Step
from onramp.ports import Ports

TRIES: Final = 12
LEDGER: Final = 40
"""Events of one channel that are taken up in one write; a transaction has 100 items."""
_PAUSE: Final = 0.05

type Along = Sequence[Stored] | None
"""Records that are written together with the one that is changed."""


def change[R: Stored](
    ports: Ports,
    kind: type[R],
    identity: tuple[str, ...],
    edit: Callable[[R], Along],
    *,
    known: R | None = None,
) -> R:
    """Apply `edit` to the stored record and give the result; writes nothing when nothing changed.

    `edit` may run several times, each time on a fresh copy; what it raises goes through and nothing is
    written. `known`: the record as it was read a moment ago; it is read again only if somebody has written it
    since. Raises `Problem(not_found)`, `UnavailableError` after `TRIES` lost races.
    """
    for tries in range(TRIES):
        at_hand = known if tries == 0 else None
        record = at_hand.model_copy(deep=True) if at_hand else ports.store.read(kind, *identity)
        if record is None:
            raise Problem("not_found", "There is no such record.")
        before = record.model_copy(deep=True)
        along = list(edit(record) or ())
        if isinstance(record, Number) and isinstance(before, Number):
            along += _kept_with(ports, before, record, along)
        if record == before and not along:
            return record
        try:
            ports.store.commit(record, *along)
        except Conflict:
            pause(ports, tries)
        else:
            if isinstance(record, Number) and isinstance(before, Number):
                _count(ports, before, record)
            return record
    raise UnavailableError("the record is being changed by others")


def change_number(ports: Ports, phone_number_id: str, edit: Callable[[Number], Along]) -> Number:
    """`change` for a number."""
    return change(ports, Number, (phone_number_id,), edit)


def _count(ports: Ports, before: Number, number: Number) -> None:
    for attention in sorted(number.noticed - before.noticed):
        ports.telemetry.count("NumbersAttention", code=attention)


def pause(ports: Ports, tries: int) -> None:
    """Let others go first: longer each time, and by chance, so that rivals part."""
    ports.clock.sleep(ports.clock.draw() * _PAUSE * 2 ** min(tries, 5))


def _kept_with(ports: Ports, before: Number, number: Number, along: Sequence[Stored]) -> list[Stored]:
    """What is written with a number: the events of a channel it has just got, its signup's counts.

    An event that is `along` acts already: it may lie in the ledger of the channel that it has told us of.
    """
    kept: list[Stored] = []
    if number.channel_id is not None and number.channel_id != before.channel_id:
        acting = {record.identity for record in along if isinstance(record, EventRecord)}
        kept += take_up(ports, number, channel_place(number.hub, number.channel_id), acting)
    if number.standing is before.standing or number.signup_id != before.signup_id:
        return kept
    signup = ports.store.read(Signup, number.signup_id)
    if signup is not None and number.phone_number_id in signup.submitted:
        signup.count(before.standing, number.standing, ports.clock.now())
        kept.append(signup)
    return kept


def take_up(
    ports: Ports, number: Number, place: str, besides: Collection[tuple[str, ...]] = ()
) -> list[EventRecord]:
    """Let the events that wait in the ledger for this number act on it; gives their records."""
    taken = []
    for record in ports.store.ledger(place, LEDGER):
        if record.identity in besides:
            continue
        heard = hear(number, record.event, ports.clock.now(), ports.rules.look_after)
        if heard is not Heard.EARLY:
            record.end(Outcome(heard.value), number.phone_number_id)
            taken.append(record)
    return taken


def wake(ports: Ports, *numbers: Number) -> None:
    """Send jobs for the numbers that are due; the sweep mends what fails here."""
    due = _due(ports, numbers)
    if not due:
        return
    try:
        ports.queue.wake_numbers(due)
    except UnavailableError:
        ports.telemetry.warn("queue did not take jobs; the sweep sends them", number=due[0])


def wake_at_once(ports: Ports, numbers: Sequence[Number]) -> None:
    """Send jobs for the numbers that are due, for a caller who waits.

    Raises `Problem(unavailable)`; what is stored is sent by the sweep all the same.
    """
    try:
        ports.queue.wake_numbers(_due(ports, numbers))
    except UnavailableError as trouble:
        raise Problem(
            "unavailable", "The wish is stored but the queue does not answer. Send it again."
        ) from trouble


def _due(ports: Ports, numbers: Sequence[Number]) -> list[str]:
    now = ports.clock.now()
    return [number.phone_number_id for number in numbers if needs_a_run(number, now)]


def needs_a_run(number: Number, now: datetime) -> bool:
    """Whether a worker could do something for the number right now."""
    step: Step | None = number.next_step
    return step is not None and number.due_at is not None and number.due_at <= now and not number.is_held(now)
