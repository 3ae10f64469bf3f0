"""The one gate to 360dialog: no request goes out but with a slot of the budget, taken at that moment."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from onramp.domain import budget
from onramp.domain.budget import BudgetRule, BudgetState
from onramp.domain.errors import Conflict, PutOff, Throttled, UnavailableError
from onramp.ports import Ports
from onramp.ports.upstreams import Gate
from onramp.usecases.changing import pause

PATIENCE: Final = timedelta(seconds=2)
"""So long a run waits inside the function, because a queue counts whole seconds."""
FRESH: Final = budget.GUARD / 2
"""So old a slot may be when its request goes out: half of the budget's guard, the rest is for the way."""
STORAGE_PAUSE: Final = timedelta(seconds=5)
THROTTLE_PAUSE: Final = timedelta(seconds=30)
TRIES: Final = 20
"""Lost races before a caller is told to come back; all workers together may be at it."""
AGED: Final = 3
"""Slots that may grow too old in a row; storage as slow as that closes the gate."""

type Ask = Callable[[BudgetState, BudgetRule, datetime], datetime | None]


def live_gate(ports: Ports, job: str, urgent_until: datetime | None = None) -> Gate:
    """A gate that lets one request through when the budget has room, else raises `PutOff`.

    A slot that is due within `PATIENCE` is waited for. `job` names the caller's place in the line; until
    `urgent_until` it stands before those for whom nobody waits.
    """

    def ask(state: BudgetState, rule: BudgetRule, now: datetime) -> datetime | None:
        return budget.take(state, rule, job, now, urgent_until=urgent_until)

    def gate() -> None:
        while True:
            slot = _slot(ports, ask)
            if slot is None:
                return
            wait = slot - ports.clock.now()
            if wait > PATIENCE:
                ports.telemetry.count("BudgetWaited", wait.total_seconds())
                raise PutOff(slot, "budget", bounded=False)
            ports.clock.sleep(max(wait.total_seconds(), 0))

    return gate


def spare_gate(ports: Ports, patience: timedelta = timedelta(0)) -> Gate:
    """A gate that gives way to live signups; all its waiting together takes at most `patience`."""
    end = ports.clock.now() + patience

    def gate() -> None:
        while True:
            later = _slot(ports, budget.take_spare)
            if later is None:
                return
            if later > end:
                raise PutOff(later, "live signups first", bounded=False)
            ports.clock.sleep(max((later - ports.clock.now()).total_seconds(), 0))

    return gate


def rest(ports: Ports, trouble: Throttled, *, everybody: bool) -> PutOff:
    """360dialog said 429: all callers pause; one that is told so again and again pauses alone."""
    now = ports.clock.now()
    ports.telemetry.count("PartnerThrottled")
    if everybody:
        try:
            _change(ports, lambda state, rule, at: budget.push_back(state, rule, at, trouble.retry_after))
        except PutOff:
            ports.telemetry.warn("the pause could not be stored")
    asked = timedelta(seconds=trouble.retry_after) if trouble.retry_after is not None else THROTTLE_PAUSE
    return PutOff(now + asked, "throttled")


def _slot(ports: Ports, ask: Ask) -> datetime | None:
    """None when the request may go now, else when to come. A slot that has grown too old is not used."""
    for _ in range(AGED):
        asked_at, later = _change(ports, ask)
        if later is not None:
            return later
        if ports.clock.now() - asked_at <= FRESH:
            ports.telemetry.count("BudgetUsed")
            return None
    raise PutOff(ports.clock.now() + STORAGE_PAUSE, "budget storage is slow")


def _change(ports: Ports, ask: Ask) -> tuple[datetime, datetime | None]:
    """Change the budget's record; gives the time at which it was asked, and the answer. Raises `PutOff`."""
    try:
        for tries in range(TRIES):
            state = ports.store.read(BudgetState, ports.hub) or BudgetState(hub=ports.hub)
            before = state.contents
            now = ports.clock.now()
            later = ask(state, ports.rules.budget, now)
            try:
                if state.contents != before:
                    ports.store.commit(state)
            except Conflict:
                pause(ports, tries)
            else:
                return now, later
    except UnavailableError as trouble:
        raise PutOff(ports.clock.now() + STORAGE_PAUSE, "budget unavailable") from trouble
    raise PutOff(ports.clock.now() + STORAGE_PAUSE, "others keep writing the budget")
