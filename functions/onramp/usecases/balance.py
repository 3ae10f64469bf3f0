"""The partner's balance, read once with every round of the census where the stage watches it."""

from collections.abc import Sequence
from datetime import datetime

from onramp.domain.balance import Balance
from onramp.domain.errors import Conflict, Throttled, UpstreamError
from onramp.ports import Ports
from onramp.ports.upstreams import Amount, Gate
from onramp.usecases.channels import read_page


def watch_balance(ports: Ports, since: datetime | None, gate: Gate) -> None:
    """Read it, unless that was tried since the round began. What 360dialog refuses holds up no census.

    Spends one call. Raises `PutOff`, and `Throttled`, as the census does: then it is asked again.
    """
    watched, now = ports.rules.watch_balance, ports.clock.now()
    if watched is None:
        return
    record = balance_of(ports)
    if record.asked_at is not None and since is not None and record.asked_at >= since:
        return
    try:
        amounts = ports.partner.read_balance(gate)
    except Throttled:
        raise
    except UpstreamError as trouble:
        ports.telemetry.warn("the balance could not be read", code=trouble.code, status=trouble.status)
        record.asked_at = now
        _keep(ports, record)
        return
    _note(ports, record, amounts, watched)


def read_balance(ports: Ports) -> Sequence[Amount]:
    """The balance now, with a spare call; nothing is told of it. Raises `PutOff`, `UpstreamError`."""
    return read_page(ports, ports.partner.read_balance)


def balance_of(ports: Ports) -> Balance:
    """The balance as it was read last; without a time where it never was."""
    return ports.store.read(Balance, ports.hub) or Balance(hub=ports.hub)


def _note(ports: Ports, record: Balance, amounts: Sequence[Amount], watched: int) -> None:
    facts = record.read([(one.currency, one.total) for one in amounts], watched, ports.clock.now())
    try:
        ports.store.commit(record, facts=facts)
    except Conflict:
        # Somebody has read it at the same moment, and tells.
        return
    # One alarm is for all hubs: it ends when none is low any more.
    low = any(balance_of(at).low_since is not None for at in ports.each)
    ports.telemetry.count("BalanceLow", int(low))


def _keep(ports: Ports, record: Balance) -> None:
    try:
        ports.store.commit(record)
    except Conflict:
        return
