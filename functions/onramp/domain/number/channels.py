"""Whose a channel is, and what it shows: the number goes on, ends, or lives again."""

from datetime import datetime, timedelta
from typing import Final

from onramp.domain.facts import FactType
from onramp.domain.number.lives import begin_life, end, read_first
from onramp.domain.number.notices import (
    RESTRICTED,
    begin_restriction,
    end_restriction,
    note,
    set_second,
    settle_notice,
)
from onramp.domain.number.plan import advance, replan
from onramp.domain.number.record import Number, Unseen
from onramp.domain.number.runs import submitted
from onramp.domain.partner_events import Channel
from onramp.domain.schedule import LIST_LAG
from onramp.domain.states import Attention, Progress, Step, reaches

LOCAL_DIGITS: Final = 7
"""Fewer digits than a local number has say nothing."""


def contradicts(number: Number, channel: Channel) -> bool:
    """Whether a channel says that it is not this number's; what it does not say contradicts nothing."""
    if channel.external_id == number.phone_number_id:
        return False
    other_waba = channel.waba_id is not None and channel.waba_id != number.waba.id
    other_number = bool(channel.digits) and channel.digits != number.digits
    return other_waba or other_number


def is_of(number: Number, channel: Channel) -> bool:
    """Whether a channel is this number's: by Meta's id of the number, else by WABA and digits."""
    if channel.external_id == number.phone_number_id:
        return True
    return channel.waba_id == number.waba.id and bool(channel.digits) and channel.digits == number.digits


def may_be_of(number: Number, channel: Channel) -> bool:
    """Whether nothing that a channel of the number's WABA says speaks against it being the number's.

    Digits of which one is the end of the other are the same number with and without its country code.
    """
    if channel.waba_id != number.waba.id or channel.id in number.ended_channels or channel.dead:
        return False
    ours, theirs = number.digits, channel.digits.lstrip("0")
    if not ours or not theirs or ours == theirs:
        return True
    return min(len(ours), len(theirs)) >= LOCAL_DIGITS and (ours.endswith(theirs) or theirs.endswith(ours))


def match_late(number: Number, channel: Channel, now: datetime) -> None:
    """The only channel of the WABA that nobody had was taken for the number, with nothing that proves it."""
    if number.channel_id is None:
        bind(number, channel, now)
        number.tell(FactType.NUMBER_MATCHED_LATE, now)


def bind(number: Number, channel: Channel, now: datetime) -> bool:
    """Take a living channel for the number's own. False when it has another one, or has seen this one end."""
    if channel.id is None or channel.id in number.ended_channels:
        return False
    if number.channel_id == channel.id:
        return True
    if channel.dead:
        return False
    if number.cancelled_at is not None:
        begin_life(number, channel.id, now)
    elif number.channel_id is not None:
        set_second(number, number.second_channel or channel.id, now)
        return False
    else:
        number.channel_id = channel.id
        if number.second_channel == channel.id:
            set_second(number, None, now)
    number.client_id = channel.client_id or number.client_id
    return True


def see(number: Number, channel: Channel, now: datetime, look_after: timedelta) -> bool:
    """What 360dialog's lists show of a channel: carry the number on, or end it. False: it is not its own."""
    before = number.next_step
    if channel.dead and channel.id == number.second_channel:
        set_second(number, None, now)
    if not bind(number, channel, now):
        _returned(number, channel, now)
        return False
    if channel.dead:
        end(number, now, final=channel.final)
        return True
    if number.cancelled_at is not None:
        if now - number.cancelled_at > LIST_LAG and number.unseen is None:
            # Lists lag; what they show long after the end is no echo of the time before it.
            read_first(number, Unseen.REVOKED)
            replan(number, before, now, look_after)
        return True
    _mind(number, channel, now)
    number.seen_at = now
    if not reaches(number.progress, Progress.SUBMITTED):
        submitted(number, now)
    advance(number, channel.progress or Progress.CREATED, now)
    replan(number, before, now, look_after)
    return True


def _returned(number: Number, channel: Channel, now: datetime) -> None:
    """A channel of an earlier life lives, long after it ended: a second one, which never takes over.

    One that an operator has taken from its tenant has nothing to do with it any more.
    """
    if number.given_up:
        return
    began = number.steps.get(Progress.PENDING, number.created_at)
    if channel.id in number.ended_channels and not channel.dead and now - began > LIST_LAG:
        set_second(number, number.second_channel or channel.id, now)


def _mind(number: Number, channel: Channel, now: datetime) -> None:
    """What a living channel shows beside its progress."""
    settle_notice(number, Attention.CHANNEL_MISSING, now)
    failure = number.failure
    if failure is not None and failure.code == "channel_missing" and failure.step == Step.LOOK:
        number.failure = None
        number.tell(FactType.NUMBER_ATTENTION_ENDED, now, code=failure.code)
    mind_error(number, channel, now)
    if channel.restricted and number.restriction is None:
        begin_restriction(number, RESTRICTED, None, now)
    elif channel.restricted is False and number.restricted_at and now - number.restricted_at > LIST_LAG:
        end_restriction(number, now)


def mind_error(number: Number, channel: Channel, now: datetime) -> None:
    """Show the error that 360dialog has put on the channel, or that there is none any more."""
    if channel.error is not None:
        note(number, Attention.CHANNEL_ERROR, now, channel.error)
    elif channel.error_shown:
        settle_notice(number, Attention.CHANNEL_ERROR, now)


def proved(number: Number, channel: Channel | None, now: datetime, look_after: timedelta) -> None:
    """The channel was to be read first, and was: `channel` is what there is of it, None for nothing at all.

    A living one is kept, and goes on; an ended one is undone where that was said. When it is gone, a number
    whose tenant has come back begins a new life. Where something has happened since, the read says nothing:
    whoever has come in the meantime has the channel read again.
    """
    if number.overtaken:
        return
    why, number.unseen = number.unseen, None
    left = why == Unseen.RECONNECT and channel is not None and channel.waba_id not in {None, number.waba.id}
    if channel is not None and not channel.dead and not left and not contradicts(number, channel):
        _go_on(number, why, now)
        see(number, channel, now, look_after)
        return
    if why == Unseen.RECONNECT:
        end(number, now, final=True)
        if number.cancelled_at is not None:
            begin_life(number, None, now)
    elif channel is not None and channel.dead:
        end(number, now, final=channel.final)
    elif number.cancelled_at is None:
        note(number, Attention.CHANNEL_MISSING, now)


def _go_on(number: Number, why: str | None, now: datetime) -> None:
    """The channel lives."""
    if number.cancelled_at is not None:
        number.cancelled_at = number.ending_at = None
        number.final = False
        number.doubts += 1
        number.tell(FactType.NUMBER_REACTIVATED, now)
    elif why == Unseen.RECONNECT and number.progress == Progress.CONNECTED:
        number.doubts += 1


def missed(number: Number, census_began_at: datetime | None) -> bool:
    """Whether a whole census has passed without showing the number's channel."""
    connected_at = number.steps.get(Progress.CONNECTED)
    if census_began_at is None or connected_at is None or connected_at > census_began_at - LIST_LAG:
        return False
    return number.seen_at is None or number.seen_at < census_began_at
