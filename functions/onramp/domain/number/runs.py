"""What a run of a step does to its number: it takes it, and writes down what came of it."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

from onramp.domain.errors import FAILURES, PutOff
from onramp.domain.facts import FactType
from onramp.domain.number.lives import begin_life
from onramp.domain.number.notices import ease, note, settle_notice
from onramp.domain.number.plan import advance
from onramp.domain.number.record import ChannelKey, Failure, Intent, Number, Unseen
from onramp.domain.schedule import LIST_LAG, LONGEST_WAIT, URGENT_FOR
from onramp.domain.states import Attention, Progress, Step

PATIENCE: Final = timedelta(seconds=2)
"""So early a run may come and still be let in: a queue counts whole seconds."""
MENDED_EVERY: Final = timedelta(hours=23)
"""So often a number is mended without a person: whoever breaks it more often than that means it.

Less than a day, for a check that comes some seconds earlier than yesterday's is the next day's all the same.
"""

_FORMED_IN: Final[Mapping[str, str]] = MappingProxyType(
    {Progress.SUBMITTING: Progress.PENDING, Progress.CONNECTING: Progress.LIVE}
)
"""The states in which an intent is formed, by those that say that there is one."""


def take(number: Number, owner: str, now: datetime) -> Step | None:
    """Give the number to a run, or None when nothing is to be done.

    Raises `PutOff` while another run has it, and when its time has not come.
    """
    ease(number, now)
    step = number.next_step
    if step is None or number.due_at is None:
        return None
    if number.lease is None and number.due_at > now + PATIENCE:
        if step is Step.CHECK:
            # Its time comes by itself, so that no message has to wait for it.
            return None
        raise PutOff(number.due_at, "not due yet")
    number.lend(owner, now)
    number.overtaken = False
    if step is Step.CONNECT:
        advance(number, Progress.CONNECTING, now)
    return step


def put_off(number: Number, until: datetime, now: datetime, *, waits: bool) -> None:
    """A run found no room: the same step again, later, with no attempt used up."""
    number.give_back(now, counted=False, waits=waits)
    number.due_at = until


def look_again(number: Number, now: datetime) -> None:
    """What was looked for may have come since: where something has happened, the next look is at once."""
    if number.overtaken and number.next_step is Step.LOOK:
        number.due_at = now


def plan_again(number: Number, code: str, at: datetime, now: datetime, *, waits: bool) -> None:
    """An attempt failed, or waiting has lasted too long: the same step again by the schedule."""
    number.give_back(now, counted=True, waits=waits)
    number.due_at = at
    if number.next_step is Step.CHECK and number.restricted_until is not None:
        # It ends whatever becomes of the check.
        number.due_at = min(at, max(number.restricted_until, now))
    number.tell(FactType.NUMBER_ATTEMPT_FAILED, now, code=code)


def fail(number: Number, code: str, step: Step, now: datetime, status: int | None = None) -> None:
    """Stop the number with a reason a person can act on. `status`: the HTTP status of the refusal."""
    if number.cancelled_at is not None and number.unseen != Unseen.RECONNECT:
        # It has ended already, and nothing says that this was undone.
        number.begin_anew()
        number.unseen = number.due_at = None
        return
    if number.cancelled_at is not None:
        begin_life(number, None, now)
    kind = FAILURES[code]
    number.failure = Failure(
        code=code, title=kind.title, retryable=kind.retryable, at=now, step=step, status=status
    )
    number.begin_anew()
    number.unseen = None
    number.due_at = None
    number.tell(FactType.NUMBER_FAILED, now, code=code, step=step)


def looked_before(number: Number, client_id: str | None, now: datetime) -> None:
    """360dialog has no channel of it, so that it may be submitted; its WABA has this client there, if any."""
    number.absent_at = now
    number.stray = None
    number.client_id = number.client_id or client_id


def held_up(number: Number, stray: str) -> None:
    """A living channel of its WABA does not say which number it is: it may be the one."""
    number.stray = stray


def surely_absent(number: Number, now: datetime) -> bool:
    """Whether it was looked for so lately that nothing can have come in between unnoticed."""
    return number.absent_at is not None and now - number.absent_at < LIST_LAG


def urgent_until(number: Number) -> datetime:
    """Until when somebody may be looking: it came to where it is a moment ago, and its next calls go first.

    An intent is none of its own: it belongs to the state in which it was formed.
    """
    state = _FORMED_IN.get(number.progress, number.progress)
    return number.steps.get(state, number.created_at) + URGENT_FOR


def renew_client(number: Number) -> None:
    """360dialog does not know its client any more: another one is looked for, once."""
    number.client_id = number.intent = None
    number.client_renewed = True


def intend(number: Number, client_id: str, now: datetime) -> None:
    """The submission under a client is about to be sent."""
    number.client_id = client_id
    number.stray = None
    number.intent = Intent(action=Step.SUBMIT, at=now)
    advance(number, Progress.SUBMITTING, now)


def submitted(number: Number, now: datetime) -> None:
    """360dialog has taken the number; its channel comes by event."""
    number.intent = None
    number.listing = None
    number.absent_at = number.stray = None
    number.looks = 0
    number.look_from = None
    advance(number, Progress.SUBMITTED, now)


def key_made(number: Number, key: ChannelKey) -> None:
    """A new key is in our hands; every older one is dead."""
    if number.key_wanted:
        number.key_wanted = False
        number.tell(FactType.NUMBER_KEY_ROTATED, key.made_at)
    number.key = key
    number.intent = None


def connected(number: Number, doubts: int, now: datetime) -> None:
    """Key and webhook are proved by use. `doubts`: how many of them this proof has answered."""
    number.intent = None
    number.settled_doubts = doubts
    checked(number, now)
    if not advance(number, Progress.CONNECTED, now):
        number.tell(FactType.NUMBER_CHECKED, now)


def checked(number: Number, now: datetime) -> None:
    """Key and webhook were found to be right."""
    if number.key is not None:
        number.key.checked_at = now
    settle_notice(number, Attention.KEY_DEAD, now)
    settle_notice(number, Attention.WEBHOOK_DRIFT, now)


def answered(number: Number) -> None:
    """A proof answers whoever had asked when it began; whoever has asked since gets one of their own."""
    if not number.overtaken:
        number.look_from = None


def drifted(number: Number, attention: Attention, now: datetime) -> None:
    """A check has found that the key is dead, or the webhook elsewhere."""
    note(number, attention, now)


def set_back(number: Number, now: datetime) -> None:
    """A webhook that was elsewhere was set back without a person."""
    number.mended_at = now
    mended(number, Attention.WEBHOOK_DRIFT, now)
    checked(number, now)


def may_mend(number: Number, now: datetime) -> bool:
    """Whether the number may be mended without a person: at most once a day."""
    return number.mended_at is None or now - number.mended_at >= MENDED_EVERY


def mended(number: Number, attention: Attention, now: datetime) -> None:
    """A new key was made in place of a dead one, or the webhook was set back."""
    number.tell(FactType.NUMBER_MENDED, now, code=attention)


def renew_key(number: Number, now: datetime) -> None:
    """Plan a proof that makes a new key where the stored one is dead, without a person."""
    number.mended_at = now
    number.doubts += 1


def doubt(number: Number, now: datetime) -> None:
    """We made a key after our time: the stored one may be dead, so whoever comes next checks it by use."""
    number.doubts += 1
    if number.lease is None and number.next_step is not None:
        number.due_at = now
    number.tell(FactType.NUMBER_KEY_DOUBTED, now)


def looked(number: Number) -> None:
    """A look has shown nothing new: the next one comes later."""
    number.listing = None
    number.looks += 1


def overdue(number: Number, now: datetime) -> str | None:
    """The failure of a number that has waited for 360dialog too long, or None."""
    if now - number.waits_since <= LONGEST_WAIT:
        return None
    return "channel_never_came" if number.channel_id is None else "channel_stuck"
