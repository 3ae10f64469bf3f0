"""The lives of a number: its first, its end, and the one that begins when it comes back.

A later popup of its tenant goes on with the same record. When its channel has ended, a new life begins, and
what exists is looked for before anything is submitted.
"""

from datetime import datetime
from typing import Final

from onramp.domain.facts import FactType
from onramp.domain.number.notices import ON_METAS_WORD, forget_restriction, settle_notice
from onramp.domain.number.plan import begin_now
from onramp.domain.number.record import CHANNELS_REMEMBERED, Intent, Number, Unseen, WabaOf
from onramp.domain.schedule import LOOK_AFTER, SETTLE
from onramp.domain.states import Attention, Progress, Step, reaches

_PERHAPS_GONE: Final = {"channel_missing", "channel_dead", "channel_stuck"}
_DRIFT: Final = {Attention.CHANNEL_MISSING, Attention.KEY_DEAD, Attention.WEBHOOK_DRIFT}


def submit(number: Number, now: datetime) -> None:
    """The tenant wants the number: the first state of its first life."""
    number.steps = {Progress.PENDING: now}
    number.due_at = now
    number.tell(FactType.NUMBER_PENDING, now)


def retry(number: Number, now: datetime) -> None:
    """Clear a failure that may be mended, so that its step runs anew, with all attempts.

    A connected number that has drifted is proved, and mended where it is broken. An adopted one gets its key.
    """
    number.rests = False
    if number.failure is None:
        number.doubts += 1
        if Attention.CHANNEL_MISSING in number.notices:
            read_first(number, Unseen.RECONNECT)
        begin_now(number, now)
    else:
        _mend(number, now)
        number.due_at = now
    number.tell(FactType.NUMBER_RETRIED, now)


def can_retry(number: Number) -> bool:
    """Whether a retry may help: it has failed and can be mended, has drifted, or was adopted."""
    if number.failure is not None:
        return number.failure.retryable
    if number.rests:
        return number.cancelled_at is None and not number.is_open_wish
    return number.next_step is Step.CHECK and bool(number.noticed & _DRIFT)


def _mend(number: Number, now: datetime) -> None:
    failure, number.failure = number.failure, None
    number.begin_anew()
    number.looks = 0
    number.look_from = now
    if number.channel_id is None:
        # Perhaps there is a channel, perhaps nothing ever arrived: look, then submit.
        _look_first(number, now)
    elif failure is not None and failure.code in _PERHAPS_GONE:
        # Perhaps it is gone, and perhaps that was never true: another one must not be made beside it.
        read_first(number, Unseen.RECONNECT)


def reconnect(number: Number, now: datetime) -> None:
    """Its tenant has proved the number again: whatever its state, it goes on from there.

    Its channel is read first. One that lives is kept, and its key and webhook are proved; when it has ended,
    the record begins a new life and looks for what exists before anything is submitted.
    """
    forget_restriction(number)
    for attention in sorted(ON_METAS_WORD & set(number.notices)):
        settle_notice(number, Attention(attention), now)
    number.wish = None
    number.rests = False
    gone = number.cancelled_at is not None and (number.final or number.channel_id is None)
    if gone:
        begin_life(number, None, now)
        return
    if number.failure is not None:
        _mend(number, now)
    stuck = number.channel_id is None and reaches(number.progress, Progress.SUBMITTED)
    if stuck and now - number.waits_since > LOOK_AFTER:
        # Whatever became of the submission: it is looked for, and made again if there is nothing.
        _look_first(number, now)
    number.looks = 0
    if number.channel_id is not None:
        number.unseen = Unseen.RECONNECT
    if number.next_step is not None:
        begin_now(number, now)
    number.tell(FactType.NUMBER_RECONNECT, now, life=str(number.life))


def is_free(number: Number) -> bool:
    """Whether another tenant who proves the number may have it: it has ended, or never got to 360dialog."""
    if number.erased_at is not None:
        return True
    if number.unseen or number.second_channel or number.is_open_wish:
        return False
    never = number.channel_id is None and number.intent is None
    refused = number.failure is not None and number.failure.step == Step.SUBMIT and never
    return number.cancelled_at is not None or (refused and not reaches(number.progress, Progress.SUBMITTED))


def hand_over(number: Number, tenant: str, now: datetime) -> None:
    """Another tenant has proved a number that is free: the record is theirs, nothing of the old is left."""
    if number.erased_at is None:
        number.tell(FactType.NUMBER_RELEASED, now)
    number.erased_at = None
    _new_life(number, None)
    forget_restriction(number)
    number.tenant = tenant
    number.client_id = number.listing = number.intent = number.look_from = None
    number.metas_words, number.freed_at = {}, None
    number.progress = Progress.PENDING
    number.rests = False


def move(number: Number, hub: str) -> None:
    """To another hub; what it was to the one before means nothing there. It must be free."""
    number.hub = hub
    number.client_id = number.listing = number.look_from = None
    number.client_renewed = False


def is_alive(number: Number) -> bool:
    """Whether 360dialog has, or may have, something of it that has not ended."""
    if number.cancelled_at is not None:
        return number.second_channel is not None or number.unseen is not None or number.is_open_wish
    return number.channel_id is not None or number.intent is not None or number.second_channel is not None


def give_up(number: Number, now: datetime) -> None:
    """An operator takes it from its tenant: it is free for whoever proves it.

    What may live of it at 360dialog is never adopted for it again: it is reported as billed and unknown.
    """
    number.tell(FactType.NUMBER_GIVEN_UP, now)
    number.given_up = True
    for channel in (number.channel_id, number.second_channel):
        _remember_ended(number, channel)
    forget_restriction(number)
    number.channel_id = number.second_channel = number.key = None
    number.cancelled_at = number.cancelled_at or now
    number.final = True
    number.rests = False
    number.failure = number.intent = number.wish = number.ending_at = number.unseen = None
    number.listing = number.stray = number.due_at = None
    number.notices = {}
    number.begin_anew()


def erase(number: Number, now: datetime) -> None:
    """Forget whose it was: ids at 360dialog and dates stay, and that it is erased. It is nobody's then.

    Its own fields are reset one by one, so that what a later release has put into it goes, too.
    """
    kept = {name: getattr(number, name) for name in _STAYS}
    blank = Number(tenant="", signup_id="", waba=WabaOf(id=""), **kept)
    for name in Number.model_fields:
        if name != "version":
            setattr(number, name, getattr(blank, name))
    for name in list(number.model_extra or {}):
        delattr(number, name)
    number.erased_at = now


_STAYS: Final = (
    "phone_number_id", "hub", "client_id", "created_at", "life", "progress", "steps", "channel_id",
    "ended_channels", "second_channel", "cancelled_at", "final", "plan_tier",
)  # fmt: skip


def end(number: Number, now: datetime, *, final: bool) -> None:
    """The number's channel has ended at 360dialog; a second one that is known takes its place.

    The key stays for as long as the end may be taken back.
    """
    if final:
        number.final = True
        number.key = None
    if number.cancelled_at is not None:
        return
    number.tell(FactType.NUMBER_CANCELLED, now)
    came_back = number.unseen == Unseen.RECONNECT
    number.cancelled_at = now
    number.failure = number.intent = number.wish = number.ending_at = number.unseen = None
    number.notices = {}
    number.due_at = None
    number.begin_anew()
    heir = _heir(number)
    if heir is not None or came_back:
        begin_life(number, heir, now)


def read_first(number: Number, why: Unseen) -> None:
    """Its channel is to be read before anything else; a tenant who has come back weighs most."""
    if number.unseen != Unseen.RECONNECT:
        number.unseen = why


def _heir(number: Number) -> str | None:
    """The channel that takes the place of the number's own: never one that was seen to end."""
    return number.second_channel if number.second_channel not in number.ended_channels else None


def begin_life(number: Number, channel_id: str | None, now: datetime) -> None:
    """Begin anew with a channel that is known to live, or with a look for one."""
    _new_life(number, channel_id)
    number.look_from = now
    number.steps = {Progress.PENDING: now}
    if channel_id is None:
        _look_first(number, now)
    else:
        number.intent = None
        number.progress = Progress.SUBMITTED
        number.steps[Progress.SUBMITTED] = now
    number.due_at = now if number.next_step is not None else None
    number.tell(FactType.NUMBER_RECONNECT, now, life=str(number.life))


def _new_life(number: Number, channel_id: str | None) -> None:
    """Forget what belonged to the life before; its channel is remembered as ended."""
    _remember_ended(number, number.channel_id)
    number.life += 1
    number.given_up = False
    number.channel_id = channel_id
    number.second_channel = None
    number.cancelled_at = number.failure = number.key = number.permission_at = None
    number.wish = number.ending_at = number.unseen = number.seen_at = number.absent_at = None
    number.stray = None
    number.final = number.client_renewed = number.key_wanted = False
    number.notices = {}
    number.doubts = number.settled_doubts = number.looks = 0
    number.begin_anew()


def take_back(number: Number, channel_id: str) -> None:
    """A channel of an earlier life lives again, and no other may be made: it may be adopted once more."""
    number.ended_channels = [ended for ended in number.ended_channels if ended != channel_id]


def _look_first(number: Number, now: datetime) -> None:
    settled_at = now - SETTLE
    if number.intent is not None:
        # A call that has just gone out may still be missing from 360dialog's lists.
        settled_at = max(settled_at, number.intent.at)
    number.progress = Progress.SUBMITTING
    number.intent = Intent(action=Step.SUBMIT, at=settled_at)
    number.listing = None


def _remember_ended(number: Number, channel_id: str | None) -> None:
    if channel_id is not None and channel_id not in number.ended_channels:
        number.ended_channels = [*number.ended_channels, channel_id][-CHANNELS_REMEMBERED:]
