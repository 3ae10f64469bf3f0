"""The step `check`: once a day a connected number is proved, as a rule on the messaging host alone.

| found                          | what follows                                                       |
|--------------------------------|--------------------------------------------------------------------|
| key and webhook are right      | nothing but the time of it                                         |
| the webhook is another one     | told, and set back where the stage says so                         |
| the key is refused             | its channel is read: ended, missing, or it is told that the key is dead |
| no census has seen its channel | its channel is read, too                                           |
| a second channel was seen      | it is read, and forgotten when it is gone                          |

What is mended without a person is mended once a day: whoever breaks it more often means it.
"""

from datetime import datetime

from onramp.domain import number as life
from onramp.domain.census import Census
from onramp.domain.errors import Permanent, Transient
from onramp.domain.number import Number
from onramp.domain.states import Attention
from onramp.ports.upstreams import ChannelWebhook, NewKey
from onramp.usecases.connect import is_set, stored_key
from onramp.usecases.find_channel import hear_again, read_by_id, read_own
from onramp.usecases.messaging_webhook import webhook_of
from onramp.usecases.run import Finish, Run


def check(run: Run) -> None:
    """Prove key, webhook and channel. Side effects: the webhook, where it is set back; the record.

    Raises `UpstreamError`, `PutOff`.
    """
    _then(run, lambda number, _: life.answered(number))
    key = stored_key(run)
    try:
        found = run.ports.messaging.read_webhook(key)
    except Permanent as refusal:
        if refusal.code != "key_rejected":
            raise
        if Attention.CHANNEL_MISSING not in run.number.notices:
            hear_again(run, Transient("key_rejected", status=refusal.status))
        _key_is_dead(run)
        return
    _read_second(run)
    if life.missed(run.number, _last_census(run)):
        _read_channel(run)
    run.ports.telemetry.count("NumbersChecked")
    wanted = webhook_of(run.ports, run.number)
    if is_set(found, wanted):
        _then(run, life.checked)
    else:
        _webhook_is_elsewhere(run, key, wanted)


def _key_is_dead(run: Run) -> None:
    """Somebody has made another key, or the channel is gone: a read of the channel tells which."""
    run.ports.telemetry.count("KeysFoundDead")
    alive = _read_channel(run)
    mend = alive and run.ports.rules.mend_keys

    def finish(number: Number, now: datetime) -> None:
        if not alive:
            return
        life.drifted(number, Attention.KEY_DEAD, now)
        if mend and life.may_mend(number, now):
            life.renew_key(number, now)

    _then(run, finish)


def _webhook_is_elsewhere(run: Run, key: NewKey, wanted: ChannelWebhook) -> None:
    mend = run.ports.rules.mend_webhooks and life.may_mend(run.number, run.now)
    if mend:
        run.ports.messaging.set_webhook(key, wanted)
        mend = is_set(run.ports.messaging.read_webhook(key), wanted)

    def finish(number: Number, now: datetime) -> None:
        life.drifted(number, Attention.WEBHOOK_DRIFT, now)
        if mend:
            life.set_back(number, now)

    _then(run, finish)
    if mend:
        run.ports.telemetry.count("NumbersMended")


def _read_channel(run: Run) -> bool:
    """Read the channel and show it to the number; says whether it lives."""
    channel = read_own(run, run.spare_gate)

    def finish(number: Number, now: datetime) -> None:
        life.proved(number, channel, now, run.ports.rules.look_after)

    _then(run, finish)
    return channel is not None and not channel.dead


def _read_second(run: Run) -> None:
    """Whether a second channel is still there: it may have gone without an event."""
    second_id = run.number.second_channel
    second = read_by_id(run, second_id, run.spare_gate)
    if second_id is not None and (second is None or second.dead):
        _then(run, lambda number, now: life.second_is_gone(number, second_id, now))


def _then(run: Run, edit: Finish) -> None:
    """Write `edit` with the end of the run, behind what is to be written already."""
    before = run.finish

    def finish(number: Number, now: datetime) -> None:
        before(number, now)
        edit(number, now)

    run.finish = finish


def _last_census(run: Run) -> datetime | None:
    """When the last census that has come to its end began."""
    census = run.ports.store.read(Census, run.ports.hub)
    return census.whole_since if census else None
