"""The step `look`: a number waits for 360dialog and no event came, so its channel is read."""

from datetime import datetime, timedelta
from typing import Final

from onramp.domain import number as life
from onramp.domain.errors import Permanent
from onramp.domain.number import Number
from onramp.domain.partner_events import Channel
from onramp.domain.states import rank
from onramp.usecases.find_channel import find_channel
from onramp.usecases.run import Run

STALE: Final = timedelta(hours=1)


def look(run: Run) -> None:
    """Carry the number on from what 360dialog shows, giving way to live signups.

    Raises `UpstreamError`, `PutOff`; `Permanent(channel_never_came | channel_stuck)` when it has waited for
    too long.
    """
    if not run.hear_ledger():
        return
    _tell_if_stale(run)
    channel = _read(run) or find_channel(run, run.spare_gate, run.number.client_id)
    failure = life.overdue(run.number, run.now)
    if failure is not None and not _shows_more(run.number, channel):
        raise Permanent(failure)

    def finish(number: Number, now: datetime) -> None:
        before = number.progress
        if channel is not None:
            life.see(number, channel, now, run.ports.rules.look_after)
        if number.progress == before:
            life.looked(number)

    run.finish = finish


def _shows_more(number: Number, channel: Channel | None) -> bool:
    """Whether a channel tells something that the number does not know yet."""
    if channel is None:
        return False
    return channel.dead or (channel.progress is not None and rank(channel.progress) > rank(number.progress))


def _read(run: Run) -> Channel | None:
    channel_id = run.number.channel_id
    if channel_id is None:
        return None
    try:
        return run.ports.partner.read_channel(channel_id, run.spare_gate)
    except Permanent as refusal:
        if refusal.code != "channel_missing":
            raise
        return None


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
