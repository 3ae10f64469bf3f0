"""What its tenant wishes: an end, that undone, a proof. Each is a step of the number until it is done."""

from datetime import datetime, timedelta

from onramp.domain.facts import FactType
from onramp.domain.number.channels import proved
from onramp.domain.number.lives import end, read_first
from onramp.domain.number.plan import begin_now, plan_now
from onramp.domain.number.record import Number, Unseen, Wish
from onramp.domain.partner_events import Channel
from onramp.domain.states import Progress, Step, reaches


def can_cancel(number: Number) -> bool:
    """Whether there is something to end, and nobody has asked for it yet."""
    asked = number.wish is not None and number.is_open_wish and number.wish.action == Step.CANCEL
    if number.erased_at is not None:
        return False
    return number.cancelled_at is None and number.ending_at is None and not asked


def can_reactivate(number: Number) -> bool:
    """Whether there is an end, or a wish for one, that may be taken back."""
    if number.erased_at is not None:
        return False
    if number.wish is not None and number.is_open_wish:
        return number.wish.action == Step.CANCEL
    ended = number.cancelled_at is not None or number.ending_at is not None
    return ended and number.channel_id is not None


def can_check(number: Number) -> bool:
    """Whether it is connected, so that it can be proved."""
    connected = number.key is not None and number.progress == Progress.CONNECTED
    is_whole = number.failure is None and number.cancelled_at is None and number.erased_at is None
    return connected and is_whole


def ask(number: Number, action: Step, now: datetime) -> None:
    """Its tenant wishes its channel ended (`cancel`), or that undone (`reactivate`).

    What was never handed to 360dialog ends at once.
    """
    number.tell(FactType.NUMBER_WISH, now, code=action)
    number.revoked_early = None
    untouched = number.channel_id is None and number.intent is None
    if action is Step.CANCEL and untouched and not reaches(number.progress, Progress.SUBMITTED):
        end(number, now, final=True)
        return
    # Without a channel nothing was asked of 360dialog yet: there is nothing to take back.
    forgotten = action is Step.REACTIVATE and number.channel_id is None
    number.wish = None if forgotten else Wish(action=action, at=now)
    plan_now(number, now)


def refuse(number: Number, code: str, now: datetime) -> None:
    """360dialog did not do what was wished; the number goes on as if nobody had asked."""
    if number.wish is None:
        return
    number.tell(FactType.NUMBER_WISH_REFUSED, now, code=code, step=number.wish.action)
    number.wish = number.wish.model_copy(update={"refused": code})


def granted(number: Number, channel: Channel | None, now: datetime, look_after: timedelta) -> None:
    """360dialog has done what was wished; `channel` is what a read shows afterwards, None for nothing.

    A wished end that does not show yet is waited for: an event tells of it, or the census. When 360dialog has
    told of the end since the run began, that may be newer than the read, and the channel is read once more.
    """
    wish, number.wish = number.wish, None
    if wish is None:
        return
    if number.overtaken and channel is not None:
        read_first(number, Unseen.REVOKED)
    elif wish.action == Step.CANCEL:
        if channel is None or channel.dead:
            end(number, now, final=channel is None or channel.final)
        elif number.cancelled_at is None and number.ending_at is None:
            number.ending_at = now
            number.tell(FactType.NUMBER_CANCELLATION_REQUEST, now)
    else:
        if number.ending_at is not None:
            number.ending_at = None
            number.tell(FactType.NUMBER_CANCELLATION_REVOKE, now)
        if number.cancelled_at is not None:
            number.unseen = Unseen.REVOKED
            proved(number, channel, now, look_after)


def ask_for_proof(number: Number, now: datetime) -> None:
    """Somebody wants the number proved now: its channel, its key, its webhook."""
    read_first(number, Unseen.ASKED)
    begin_now(number, now)
