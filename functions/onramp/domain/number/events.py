"""What events change, 360dialog's and Meta's own."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from onramp.domain.facts import FactType
from onramp.domain.number.channels import bind, mind_error
from onramp.domain.number.lives import end, read_first
from onramp.domain.number.metas import hear_meta, is_metas
from onramp.domain.number.notices import FOR_EVER, begin_restriction, end_restriction, set_second
from onramp.domain.number.plan import advance, overtake, replan
from onramp.domain.number.record import Number, Unseen
from onramp.domain.number.runs import submitted
from onramp.domain.partner_events import Channel, Effect, PartnerEvent
from onramp.domain.states import Progress, Step, reaches

REVOKED_EARLY: Final = timedelta(days=1)
"""So long a request for the end may come behind its revocation."""
_NOTES: Final = {
    "phone_number_quality_changed": FactType.NUMBER_QUALITY_CHANGED,
    "channel_status_changed": FactType.NUMBER_CHANNEL_STATUS_CHANGED,
}


class Heard(StrEnum):
    """What became of an event.

    `other_channel`: it is about a channel that is not the number's. `early`: it stays in the ledger until its
    channel is known.
    """

    APPLIED = "applied"
    OTHER_CHANNEL = "other_channel"
    EARLY = "early"


def hear(number: Number, event: PartnerEvent, now: datetime, look_after: timedelta) -> Heard:
    """What an event changes."""
    rule, channel = event.rule, event.channel
    if rule is None or number.erased_at is not None:
        return Heard.OTHER_CHANNEL
    if rule.effect is Effect.ENDING and _is_revoked(number, channel, now):
        return Heard.APPLIED
    if rule.effect is Effect.CANCEL or channel.dead:
        return _hear_end(number, channel, now, final=rule.effect is Effect.CANCEL or channel.final)
    before = number.next_step
    if channel.id is not None and not bind(number, channel, now):
        return Heard.OTHER_CHANNEL
    _EFFECTS.get(rule.effect, _nothing)(number, event, now)
    mind_error(number, channel, now)
    # Whatever an event tells of a channel, the channel is there.
    progress = rule.progress or (Progress.CREATED if channel.id is not None else None)
    if progress is not None:
        if not number.is_held(now) and not reaches(number.progress, Progress.SUBMITTED):
            submitted(number, now)
        advance(number, progress, now)
    replan(number, before, now, look_after)
    return Heard.APPLIED


def _hear_end(number: Number, channel: Channel, now: datetime, *, final: bool) -> Heard:
    """A channel has ended: the number's own, another one, or one that is not known (yet)."""
    if number.channel_id is not None and channel.id in {None, number.channel_id}:
        _told_of_end(number, now)
        end(number, now, final=final)
        return Heard.APPLIED
    if channel.id is not None and channel.id == number.second_channel:
        set_second(number, None, now)
        return Heard.OTHER_CHANNEL
    known = channel.id in number.ended_channels or number.channel_id is not None
    # The end of a channel we do not know, perhaps of the number's earlier life, binds nothing.
    return Heard.OTHER_CHANNEL if known else Heard.EARLY


def _nothing(*_: object) -> None:
    return


def _permit(number: Number, _event: PartnerEvent, now: datetime) -> None:
    """The client lets us make the key: before, during or after our try, it is remembered.

    Given again to a connected number, it may tell that it was taken away in between: the key is proved.
    """
    number.permission_at = now
    if number.failure is not None and number.failure.code == "permission_missing":
        number.failure = None
        number.tell(FactType.NUMBER_PERMISSION_GRANTED, now)
    if number.next_step is Step.CHECK:
        number.doubts += 1
    elif number.next_step is Step.CONNECT and not number.is_held(now):
        number.due_at = now


def _restrict(number: Number, event: PartnerEvent, now: datetime) -> None:
    """Meta restricts the number, or tells by the same name that this is over."""
    if event.over:
        end_restriction(number, now)
    elif number.restricted_by == event.id or is_metas(number, event.name, event.until):
        # The same again, perhaps by Meta itself.
        return
    elif (event.until or FOR_EVER) > now:
        begin_restriction(number, event.name, event, now)


def _forgive(number: Number, _event: PartnerEvent, now: datetime) -> None:
    end_restriction(number, now)


def _told_of_end(number: Number, now: datetime) -> None:
    """Whatever shows the channel as it was before tells nothing any more."""
    number.end_heard_at = now
    overtake(number)


def _is_revoked(number: Number, channel: Channel, now: datetime) -> bool:
    """Whether the request for the end of its channel has come behind its revocation."""
    early = number.revoked_early
    if early is None or channel.id not in {None, number.channel_id}:
        return False
    number.revoked_early = None
    return now - early < REVOKED_EARLY


def _ending(number: Number, _event: PartnerEvent, now: datetime) -> None:
    """Somebody has asked 360dialog to end the channel; where that is known already, nothing is new."""
    if number.ending_at is not None:
        return
    _told_of_end(number, now)
    if number.cancelled_at is None:
        number.ending_at = now
        number.tell(FactType.NUMBER_CANCELLATION_REQUEST, now)


def _revoke(number: Number, _event: PartnerEvent, now: datetime) -> None:
    """The wish to end it was taken back; whether a channel that has ended lives again, a read must tell."""
    _told_of_end(number, now)
    if number.ending_at is None and number.cancelled_at is None:
        # No order is promised: the request itself is still on its way.
        number.revoked_early = now
        return
    number.ending_at = None
    if number.cancelled_at is not None and number.channel_id is not None:
        read_first(number, Unseen.REVOKED)
    number.tell(FactType.NUMBER_CANCELLATION_REVOKE, now)


def _note(number: Number, event: PartnerEvent, now: datetime) -> None:
    if event.name in _NOTES:
        number.tell(_NOTES[event.name], now)


_EFFECTS: Final = {
    Effect.PERMIT: _permit,
    Effect.RESTRICT: _restrict,
    Effect.FORGIVE: _forgive,
    Effect.ENDING: _ending,
    Effect.REVOKE: _revoke,
    Effect.NOTE: _note,
    Effect.META: hear_meta,
}
