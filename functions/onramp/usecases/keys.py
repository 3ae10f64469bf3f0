"""A channel's key, for an operator: a new one in place of the stored one, and a proof of what is stored."""

from enum import StrEnum
from typing import Final

from onramp.domain import budget
from onramp.domain import number as life
from onramp.domain.budget import BudgetState, Outlook
from onramp.domain.errors import Permanent, Problem
from onramp.domain.number import Number
from onramp.domain.values import dataclass
from onramp.ports import Ports
from onramp.ports.upstreams import NewKey
from onramp.usecases.changing import change_number, wake_at_once
from onramp.usecases.connect import is_set, key_context
from onramp.usecases.messaging_webhook import webhook_of

MOST_CALLS: Final = 10_000
"""Calls that an outlook is made for."""


class KeyState(StrEnum):
    """What a key was found to be."""

    ALIVE = "alive"
    DEAD = "dead"
    NONE = "none"


class WebhookState(StrEnum):
    """Where a channel's messages were found to go."""

    OURS = "ours"
    ELSEWHERE = "elsewhere"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Proof:
    """What was found by using the key: whether it lives, and whether messages go where they should."""

    key: KeyState
    webhook: WebhookState


def rotate_key(ports: Ports, number: Number) -> Number:
    """Ask for a new key: the worker makes it, and the one before dies. The same wish again changes nothing.

    Raises `Problem(not_connected | unavailable)`.
    """
    if not life.can_rotate(number):
        raise Problem("not_connected", _why_not(number), phone_number_id=number.phone_number_id)

    def edit(stored: Number) -> None:
        if life.can_rotate(stored):
            life.rotate(stored, ports.clock.now())

    changed = change_number(ports, number.phone_number_id, edit)
    wake_at_once(ports, [changed])
    return changed


def _why_not(number: Number) -> str:
    if number.failure is not None:
        return f"The number has failed ({number.failure.code}): retry it, that makes what it needs."
    if number.cancelled_at is not None:
        return "The channel has ended."
    return "The number has no channel yet, or something else is done with it right now."


def check_key(ports: Ports, number: Number) -> Proof:
    """Use the stored key now, on the messaging host alone; nothing is changed. Raises `UpstreamError`."""
    if number.key is None:
        return Proof(KeyState.NONE, WebhookState.UNKNOWN)
    secret = ports.vault.decrypt(number.key.secret, key_context(number.tenant, number.phone_number_id))
    try:
        found = ports.messaging.read_webhook(NewKey(api_key=secret, address=number.key.address))
    except Permanent as refusal:
        if refusal.code != "key_rejected":
            raise
        return Proof(KeyState.DEAD, WebhookState.UNKNOWN)
    ours = is_set(found, webhook_of(ports.at(number.hub), number))
    return Proof(KeyState.ALIVE, WebhookState.OURS if ours else WebhookState.ELSEWHERE)


def outlook(ports: Ports, calls: int) -> Outlook:
    """What the partner budget has for `calls` spare calls. Changes nothing."""
    state = ports.store.read(BudgetState, ports.hub) or BudgetState(hub=ports.hub)
    return budget.outlook(state, ports.rules.budget, ports.clock.now(), min(calls, MOST_CALLS))
