"""`hubs.*`: the partners at 360dialog that this stage works for, and what they have there."""

from typing import Any, Final

from onramp.domain.balance import Balance
from onramp.domain.census import Census
from onramp.domain.text import iso
from onramp.inbound.desk import Answer, AtHub, Command, Nothing
from onramp.ports import Ports
from onramp.usecases.balance import balance_of, read_balance


def listed(desk: Ports, _asked: Nothing) -> Answer:
    """`hubs.list`."""
    return {"items": [_shown(at) for at in desk.each], "cursor": None}


def _shown(at: Ports) -> dict[str, Any]:
    rules, census = at.rules, at.store.read(Census, at.hub)
    return {
        "hub": at.hub,
        "partner_id": rules.partner_id,
        "solution_id": rules.solution_id,
        "messaging": rules.webhooks.hub,
        "budget_calls": rules.budget.calls,
        "budget_window_seconds": rules.budget.window.total_seconds(),
        "channels": census.channels if census else 0,
        "census_at": iso(census.whole_since) if census and census.whole_since else None,
        "watch_balance": rules.watch_balance,
        "balance": _balance(balance_of(at)),
    }


def _balance(record: Balance) -> dict[str, Any] | None:
    """As it was read last; None where it never was."""
    if record.read_at is None:
        return None
    return {
        "amounts": [money.model_dump(mode="json") for money in record.amounts],
        "read_at": iso(record.read_at),
        "low_since": iso(record.low_since) if record.low_since else None,
    }


def balance(desk: Ports, _asked: AtHub) -> Answer:
    """`hubs.balance`."""
    amounts, watched = read_balance(desk), desk.rules.watch_balance
    return {
        "hub": desk.hub,
        "partner_id": desk.rules.partner_id,
        "amounts": [{"currency": one.currency, "total": f"{one.total:f}"} for one in amounts],
        "watch_balance": watched,
        "low": watched is not None and all(one.total < watched for one in amounts),
    }


COMMANDS: Final = (
    Command("hubs.list", "The partners of this stage", Nothing, listed),
    Command("hubs.balance", "What a partner has at 360dialog, now", AtHub, balance, spends=1),
)
