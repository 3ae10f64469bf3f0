"""The step `connect`: one key, stored, its webhook set, both proved by use.

    key made (every older one dies) ──► encrypted ──► stored under the lease ──► webhook set ──► read back

A key that was made and not stored is lost. It has killed the stored one, so the check by use fails and a new
key is made.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from onramp.domain import number as life
from onramp.domain.addresses import same_address
from onramp.domain.errors import LeaseLost, Permanent, Transient
from onramp.domain.number import ChannelKey, Number
from onramp.domain.states import Attention, Progress
from onramp.ports.upstreams import ChannelWebhook, NewKey
from onramp.usecases.changing import change_number
from onramp.usecases.find_channel import hear_again
from onramp.usecases.messaging_webhook import webhook_of
from onramp.usecases.run import Run

CODE_TO_CONNECTED: Final = "SecondsFromCodeToConnected"


def key_context(tenant: str, phone_number_id: str) -> dict[str, str]:
    """The encryption context of a number's API key: it stays the number's, whatever signup it belongs to."""
    return {"tenant": tenant, "number": phone_number_id, "purpose": "channel_key"}


def connect(run: Run) -> None:
    """Bring a live channel to *connected*; a key found dead is made anew once, then the attempt fails.

    Side effects: a key at 360dialog, the channel's webhook, the record. Raises `UpstreamError`, `PutOff`,
    `LeaseLost`.
    """
    if not run.hear_ledger():
        return
    # Where its messages go is known before a key is made, which is worth nothing without.
    wanted = webhook_of(run.ports, run.number)
    made = run.number.key is None or run.number.key_wanted
    key = _make_key(run) if made else stored_key(run)
    mended: list[Attention] = []
    try:
        if _check_by_use(run, key, wanted, fresh=made) and not made:
            mended.append(Attention.WEBHOOK_DRIFT)
    except Permanent as refusal:
        if refusal.code != "key_rejected":
            raise
        if made:
            raise Transient("key_rejected", status=refusal.status) from refusal
        run.ports.telemetry.count("KeysFoundDead")
        _check_new_key(run, wanted)
        mended.append(Attention.KEY_DEAD)
    _connected(run, mended)


def _check_new_key(run: Run, wanted: ChannelWebhook) -> None:
    key = _make_key(run)
    try:
        _check_by_use(run, key, wanted, fresh=True)
    except Permanent as refusal:
        if refusal.code != "key_rejected":
            raise
        raise Transient("key_rejected", status=refusal.status) from refusal


def _context(run: Run) -> dict[str, str]:
    return key_context(run.number.tenant, run.phone_number_id)


def stored_key(run: Run) -> NewKey:
    """The number's key, in clear. Raises `UnavailableError`."""
    key = run.number.key
    if key is None:  # pragma: no cover - asked only when there is one
        raise AssertionError("no key")
    return NewKey(api_key=run.ports.vault.decrypt(key.secret, _context(run)), address=key.address)


def _make_key(run: Run) -> NewKey:
    channel_id = run.number.channel_id
    if channel_id is None:
        raise Transient("channel_missing")
    try:
        key = run.ports.partner.make_key(channel_id, run.gate)
    except Permanent as refusal:
        if refusal.code == "channel_missing":
            hear_again(run, Transient(refusal.code, status=refusal.status))
        raise
    run.ports.telemetry.count("KeysMade")
    secret = run.ports.vault.encrypt(key.api_key, _context(run))
    now = run.now
    try:
        run.write(
            lambda number: life.key_made(number, ChannelKey(secret=secret, address=key.address, made_at=now))
        )
    except LeaseLost:
        change_number(run.ports, run.phone_number_id, lambda number: life.doubt(number, run.now))
        raise
    return key


def _check_by_use(run: Run, key: NewKey, wanted: ChannelWebhook, *, fresh: bool) -> bool:
    """Set the channel's webhook where it is not ours, and read it back; says whether it was set."""
    messaging = run.ports.messaging
    if not fresh and is_set(messaging.read_webhook(key), wanted):
        return False
    messaging.set_webhook(key, wanted)
    if not is_set(messaging.read_webhook(key), wanted):
        raise Transient("webhook_rejected")
    return True


def is_set(found: ChannelWebhook | None, wanted: ChannelWebhook) -> bool:
    """Whether messages go where we want; header names have no case, and more headers do no harm."""
    if found is None or not same_address(found.url, wanted.url):
        return False
    headers = {name.casefold(): value for name, value in found.headers.items()}
    return all(headers.get(name.casefold()) == value for name, value in wanted.headers.items())


def _connected(run: Run, mended: Sequence[Attention]) -> None:
    """`mended`: what was broken; of a number on its way for the first time nobody has to hear that."""
    if run.number.progress != Progress.CONNECTED:
        mended = ()

    def finish(number: Number, now: datetime) -> None:
        if number.key is None:
            raise LeaseLost(number.phone_number_id)
        life.connected(number, run.doubts, now)
        life.answered(number)
        for attention in mended:
            life.mended(number, attention, now)

    run.finish = finish
    authorized_at = run.number.authorized_at
    if mended:
        run.ports.telemetry.count("NumbersMended")
    run.ports.telemetry.count("NumbersConnected")
    if authorized_at is not None and run.number.life == 1 and run.number.doubts == 0:
        run.ports.telemetry.count(CODE_TO_CONNECTED, (run.now - authorized_at) / timedelta(seconds=1))
