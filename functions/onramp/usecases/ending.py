"""The steps `cancel` and `reactivate`: a channel's end at 360dialog, and its undoing, confirmed by reading.

    wish written ──► asked of 360dialog ──► channel read ──► ended, or shown as asked for; or living again

Asking twice does no harm, so an answer that was lost is made good by asking again.
"""

from onramp.domain import number as life
from onramp.domain.errors import Permanent, PutOff
from onramp.domain.number import Number
from onramp.domain.partner_events import Channel
from onramp.domain.schedule import LOOK_AFTER, SETTLE
from onramp.domain.states import Progress, reaches
from onramp.ports.upstreams import Gate
from onramp.usecases.find_channel import find_channel, read_own
from onramp.usecases.run import Run


def cancel(run: Run) -> None:
    """End the number's channel. Raises `UpstreamError`, `PutOff` while it has none that could be ended."""
    if run.number.channel_id is None:
        _find(run)
        return
    client_id, channel_id = _names(run)
    try:
        run.ports.partner.set_cancellation(client_id, channel_id, _while_wished(run), wanted=True)
    except Permanent as refusal:
        # It may have ended already, by somebody else's hand: then there is nothing left to ask for.
        channel = read_own(run, run.gate)
        if channel is not None and not channel.dead:
            raise refusal from None
        _settle(run, channel)
        return
    _settle(run, read_own(run, run.gate))


def _while_wished(run: Run) -> Gate:
    """The last moment before the end is asked for: what was taken back until then is not. Raises `PutOff`."""
    slot = run.gate

    def gate() -> None:
        slot()
        run.write(lambda _: None)
        if run.number.next_step is not run.step:
            raise PutOff(run.now, "the wish was taken back")

    return gate


def reactivate(run: Run) -> None:
    """Take the end back, by the first of the two ways that works. Raises `UpstreamError`, `PutOff`."""
    client_id, channel_id = _names(run)
    try:
        run.ports.partner.set_cancellation(client_id, channel_id, run.gate, wanted=False)
    except Permanent as refusal:
        if refusal.code != "reactivation_rejected":
            raise
        run.ports.partner.reactivate(client_id, channel_id, run.gate)
    channel = read_own(run, run.gate)
    if channel is None or channel.dead:
        raise Permanent("reactivation_rejected")
    _settle(run, channel)


def _find(run: Run) -> None:
    """A number that was submitted has its channel soon: what is wished comes after."""
    channel = find_channel(run, run.gate, run.number.client_id)
    if channel is None:
        if _never_arrived(run):
            _settle(run, None)
            return
        raise PutOff(run.now + LOOK_AFTER, "there is no channel yet that could be ended")

    def show(number: Number) -> None:
        life.see(number, channel, run.now, run.ports.rules.look_after)

    run.write(show)
    cancel(run)


def _never_arrived(run: Run) -> bool:
    """Whether its submission was refused, or would show by now: then there is nothing to end."""
    number = run.number
    settled = number.intent is None or run.now >= number.intent.at + SETTLE
    return settled and not run.strays and not reaches(number.progress, Progress.SUBMITTED)


def _names(run: Run) -> tuple[str, str]:
    """Client and channel: only a path with both works [one]."""
    number = run.number
    channel_id = number.channel_id or ""
    client_id = number.client_id
    if client_id is None:
        client_id = run.ports.partner.read_channel(channel_id, run.gate).client_id
    if client_id is None:
        raise Permanent("cancellation_rejected" if run.step == "cancel" else "reactivation_rejected")
    return client_id, channel_id


def _settle(run: Run, channel: Channel | None) -> None:
    run.finish = lambda number, now: life.granted(number, channel, now, run.ports.rules.look_after)
