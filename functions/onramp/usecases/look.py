"""The step `look`: a number waits for 360dialog and no event came, so its channel is read."""

from datetime import datetime, timedelta
from typing import Final

from onramp.domain import number as life
from onramp.domain.errors import Permanent, Transient
from onramp.domain.number import Number, Unseen
from onramp.domain.partner_events import Channel
from onramp.domain.states import Progress, rank
from onramp.usecases.find_channel import find_channel, hear_again, only_one_left, read_own, read_surely
from onramp.usecases.run import Run

STALE: Final = timedelta(hours=1)


def look(run: Run) -> None:
    """Carry the number on from what 360dialog shows, giving way to live signups.

    A channel that has to be read first is read, and says how the number goes on. Raises `UpstreamError`,
    `PutOff`; `Permanent(channel_never_came | channel_stuck)` when it has waited for too long,
    `Permanent(channel_missing)` when its channel is gone.
    """
    if not run.hear_ledger():
        return
    if run.number.unseen:
        _prove(run)
        return
    _tell_if_stale(run)
    gate = run.spare_gate
    own = read_own(run, gate)
    channel = own or find_channel(run, gate, run.number.client_id) or only_one_left(run, gate)
    gone = _is_gone(run, channel)
    failure = life.overdue(run.number, run.now)
    if failure is not None and not _shows_more(run.number, channel):
        raise Permanent(failure)

    run.finish = lambda number, now: _go_on(run, number, channel, now, gone=gone)


def _go_on(run: Run, number: Number, channel: Channel | None, now: datetime, *, gone: bool) -> None:
    """Write down what was seen. Where something has happened since, it is looked at once more instead."""
    if number.overtaken:
        return
    before = number.progress
    if channel is not None:
        life.see(number, channel, now, run.ports.rules.look_after)
    if gone:
        life.end(number, now, final=True)
    if number.progress == before:
        life.looked(number)


def _prove(run: Run) -> None:
    """Read the channel of a number that has one, for somebody who waits or for an end that was taken back."""
    gate = run.spare_gate if run.number.unseen == Unseen.REVOKED else run.gate
    channel = read_surely(run, gate)
    run.finish = lambda number, now: life.proved(number, channel, now, run.ports.rules.look_after)


def _is_gone(run: Run, found: Channel | None) -> bool:
    """Whether the number's channel is gone, and another one is found; raises when there is none at all."""
    channel_id = run.number.channel_id
    if channel_id is None or (found is not None and found.id == channel_id):
        return False
    hear_again(run, Transient("channel_missing"))
    if found is None:
        raise Permanent("channel_missing")
    return True


def _shows_more(number: Number, channel: Channel | None) -> bool:
    """Whether a channel tells something that the number does not know yet."""
    if channel is None:
        return False
    return channel.dead or rank(channel.progress or Progress.CREATED) > rank(number.progress)


def _tell_if_stale(run: Run) -> None:
    waited = run.now - run.number.waits_since
    if waited > STALE:
        run.ports.telemetry.count("NumbersStale")
        run.ports.telemetry.warn(
            "number waits for 360dialog",
            hours=round(waited / timedelta(hours=1), 1),
            channel_id=run.number.channel_id,
            **run.fields,
        )
