"""Limits for each tenant: how many signups and links may be open, how many signups are opened in a day.

What a tenant has is one small record, written in the transaction that opens: so two callers at the same
instant cannot both have the last place, and the cost does not grow with what the tenant has. A deployment
without limits has no such record.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from onramp.domain.errors import Conflict, OnrampError, Problem, UnavailableError
from onramp.domain.holding import DAY, Holding
from onramp.domain.link import Link, LinkStatus
from onramp.domain.records import Stored
from onramp.domain.signup import Remembered, Signup
from onramp.domain.states import SignupStatus
from onramp.domain.text import iso
from onramp.ports import Ports
from onramp.usecases.changing import pause

TRIES: Final = 12
LOOKED_AT: Final = 25
"""So many of those that would end first are read before somebody is refused: their end may not be counted."""
SOON: Final = 3600
"""Seconds after which who was refused may ask again, where a place may be free at any time."""


def admit(
    ports: Ports, signup: Signup, link: Link | None = None, *, repeated: Remembered | None = None
) -> bool:
    """Store a new signup with its link, if the tenant has room; False when `repeated` is known already.

    A repeat counts nothing and is never refused. Raises `Problem(tenant_limit)` with when to come back.
    """
    records: list[Stored] = [record for record in (signup, link, repeated) if record is not None]
    if not ports.rules.limits.are_set:
        return _stored(ports, records, repeated)
    for tries in range(TRIES):
        holding = _with_place(ports, signup, link, repeated)
        if holding is None:
            return False
        try:
            ports.store.commit(*records, holding)
        except Conflict:
            pause(ports, tries)
        else:
            return True
    raise UnavailableError("the tenant's count is being changed by others")


def _with_place(
    ports: Ports, signup: Signup, link: Link | None, repeated: Remembered | None
) -> Holding | None:
    """What the tenant has with the new one in it; None when the same was asked before."""
    if repeated is not None and ports.store.read(Remembered, *repeated.identity) is not None:
        return None
    holding = ports.store.read(Holding, signup.tenant) or Holding(tenant=signup.tenant)
    holding.age(ports.clock.now())
    _require_room(ports, holding, link)
    if link is None:
        holding.gain_signup(signup.id, signup.expires_at)
    else:
        holding.gain_link(link.id, link.expires_at)
    return holding


def release(ports: Ports, tenant: str, *ids: str | None) -> None:
    """A signup has its account, a link was used or taken back: others may take its place.

    Whoever is served here does not depend on it: what is not let go ends by itself.
    """
    gone = [name for name in ids if name is not None]
    if not ports.rules.limits.are_set or not gone:
        return
    try:
        _release(ports, tenant, gone)
    except OnrampError:
        ports.telemetry.warn("a tenant's count could not be changed; it ends by itself", record=gone[0])


def _release(ports: Ports, tenant: str, gone: Sequence[str]) -> None:
    for tries in range(TRIES):
        holding = ports.store.read(Holding, tenant)
        if holding is None or not (holding.signups.keys() | holding.links.keys()) & set(gone):
            return
        holding.release(*gone)
        try:
            ports.store.commit(holding)
        except Conflict:
            pause(ports, tries)
        else:
            return


def _stored(ports: Ports, records: Sequence[Stored], repeated: Remembered | None) -> bool:
    try:
        ports.store.commit(*records)
    except Conflict:
        if repeated is None:
            raise
        return False
    return True


def _require_room(ports: Ports, holding: Holding, link: Link | None) -> None:
    """Raise `Problem(tenant_limit)` when the tenant has as much as the deployment lets it have."""
    limits, now = ports.rules.limits, ports.clock.now()
    if limits.signups_per_day is not None and holding.opened >= limits.signups_per_day:
        midnight = datetime.fromisoformat(holding.day).replace(tzinfo=UTC) + DAY
        raise _refusal(
            now,
            midnight,
            f"The tenant has opened the {limits.signups_per_day} signups it may open in one day.",
            f"Come back at {iso(midnight)}.",
        )
    limit = limits.open_signups if link is None else limits.links
    if limit is None or len(_held(holding, link)) < limit:
        return
    holding.release(*_ended(ports, holding, link))
    held = _held(holding, link)
    if len(held) < limit:
        return
    first = datetime.fromtimestamp(min(held.values()), UTC)
    what = "signups" if link is None else "links"
    ways = "has its WABA" if link is None else "is used or taken back"
    raise _refusal(
        now,
        first,
        f"The tenant has the {limit} open {what} it may have at once.",
        f"A place is free when one of them {ways}, at the latest at {iso(first)}.",
        soon=SOON,
    )


def _held(holding: Holding, link: Link | None) -> dict[str, int]:
    return holding.signups if link is None else holding.links


def _ended(ports: Ports, holding: Holding, link: Link | None) -> list[str]:
    """Those of the first to end that are not open any more, and were not let go."""
    held = _held(holding, link)
    first = sorted(held, key=lambda name: held[name])[:LOOKED_AT]
    names = [(name,) for name in first]
    now = ports.clock.now()
    if link is None:
        signups = ports.store.read_all(Signup, names)
        living = {signup.id for signup in signups if signup.status(now) is SignupStatus.OPEN}
    else:
        links = ports.store.read_all(Link, names)
        living = {found.id for found in links if found.status(now) is LinkStatus.OPEN}
    return [name for name in first if name not in living]


def _refusal(now: datetime, at: datetime, what: str, when: str, *, soon: int | None = None) -> Problem:
    seconds = max(int((at - now).total_seconds()) + 1, 1)
    wait = seconds if soon is None else min(seconds, soon)
    return Problem("tenant_limit", f"{what} {when}", retry_after=wait)
