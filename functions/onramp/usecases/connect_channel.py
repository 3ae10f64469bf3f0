"""Connecting a live channel: one key, stored, its webhook set, proved by use.

    intent → key made (every older one dies) → encrypted → stored under the lease → webhook set → read back

A key that was made and not stored is lost. It has killed the stored one, so the check by use fails and a new
key is made.
"""

from datetime import timedelta
from typing import Final

from onramp.domain.errors import LeaseLost, Permanent, Transient
from onramp.domain.signup import ChannelKey, Number, Signup
from onramp.domain.states import Progress
from onramp.ports import ChannelWebhook, NewKey
from onramp.usecases.changing import change
from onramp.usecases.onboarding import Run

CODE_TO_CONNECTED: Final = "SecondsFromCodeToConnected"


def key_context(tenant: str, signup_id: str) -> dict[str, str]:
    """The encryption context of the API keys of a signup's channels."""
    return {"tenant": tenant, "signup": signup_id, "purpose": "channel_key"}


def connect_channel(run: Run) -> None:
    """Bring a live channel to *connected*; a key found dead is made anew once, then the attempt fails.

    Side effects: a key at 360dialog, the channel's webhook, the record. Raises `UpstreamError`, `PutOff`,
    `LeaseLost`.
    """
    made = run.number.key is None
    key = _make_key(run) if made else _stored_key(run)
    try:
        _check_by_use(run, key, fresh=made)
    except Permanent as refusal:
        if refusal.code != "key_rejected":
            raise
        if made:
            raise Transient("key_rejected", status=refusal.status) from refusal
        run.ports.follow.telemetry.count("KeysFoundDead")
        _check_new_key(run)
    _connected(run)


def _check_new_key(run: Run) -> None:
    key = _make_key(run)
    try:
        _check_by_use(run, key, fresh=True)
    except Permanent as refusal:
        if refusal.code != "key_rejected":
            raise
        raise Transient("key_rejected", status=refusal.status) from refusal


def _context(run: Run) -> dict[str, str]:
    return key_context(run.signup.tenant, run.signup.id)


def _stored_key(run: Run) -> NewKey:
    key = run.number.key
    if key is None:  # pragma: no cover - asked only when there is one
        raise AssertionError("no key")
    return NewKey(api_key=run.ports.vault.decrypt(key.secret, _context(run)), address=key.address)


def _make_key(run: Run) -> NewKey:
    channel_id = run.number.channel_id
    if channel_id is None:
        raise Transient("channel_missing")

    def gate() -> None:
        run.gate()
        run.intend()

    key = run.ports.follow.partner.make_key(channel_id, gate)
    run.ports.follow.telemetry.count("KeysMade")
    secret = run.ports.vault.encrypt(key.api_key, _context(run))
    now = run.now

    def store(_: Signup, number: Number) -> None:
        number.key = ChannelKey(secret=secret, address=key.address, made_at=now)
        number.intent = None

    try:
        run.write(store)
    except LeaseLost:
        _doubt(run)
        raise
    return key


def _doubt(run: Run) -> None:
    """We made a key after our time: the stored one may be dead, so whoever comes next checks it by use."""

    def edit(signup: Signup) -> None:
        number = signup.must_number(run.phone_number_id)
        number.doubts += 1
        if number.lease is None:
            number.due_at = run.now
        signup.note("key.doubted", run.now, number)

    change(run.ports.follow.store, run.signup.id, edit)


def _check_by_use(run: Run, key: NewKey, *, fresh: bool) -> None:
    """Set the channel's webhook where it is not ours, and read it back with the key."""
    messaging, wanted = run.ports.messaging, run.ports.webhook
    if not fresh and _is_set(messaging.read_webhook(key), wanted):
        return
    messaging.set_webhook(key, wanted)
    if not _is_set(messaging.read_webhook(key), wanted):
        raise Transient("webhook_rejected")


def _is_set(found: ChannelWebhook | None, wanted: ChannelWebhook) -> bool:
    """Whether messages go where we want; header names have no case, and more headers do no harm."""
    if found is None or found.url != wanted.url:
        return False
    headers = {name.casefold(): value for name, value in found.headers.items()}
    return all(headers.get(name.casefold()) == value for name, value in wanted.headers.items())


def _connected(run: Run) -> None:
    now = run.now

    def edit(signup: Signup, number: Number) -> None:
        if number.key is None:
            raise LeaseLost(number.phone_number_id)
        number.key.checked_at = now
        number.intent = None
        number.lease = None
        number.attempts = 0
        number.settled_doubts = run.doubts
        signup.advance(number, Progress.CONNECTED, now)
        number.due_at = now if number.next_step else None

    run.write(edit)
    follow = run.ports.follow
    follow.telemetry.count("NumbersConnected")
    exchange = run.signup.exchange
    if exchange and exchange.exchanged_at:
        follow.telemetry.count(CODE_TO_CONNECTED, (now - exchange.exchanged_at) / timedelta(seconds=1))
