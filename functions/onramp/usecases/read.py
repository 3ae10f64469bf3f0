"""Reading: one signup or number, a page of them, when a reader should come back, and a channel's key."""

import base64
import re
from collections.abc import Iterable, Sequence
from dataclasses import field, replace
from datetime import datetime, timedelta
from typing import Final

from onramp.domain.errors import Problem
from onramp.domain.launch import Launch, launch_of
from onramp.domain.number import Number
from onramp.domain.records import Fact
from onramp.domain.signup import Listed, ListedNumber, Signup, all_listed
from onramp.domain.states import SignupStatus, Status, standing
from onramp.domain.text import from_iso, iso
from onramp.domain.values import dataclass
from onramp.ports import Ports
from onramp.ports.storage import Position
from onramp.ports.upstreams import NewKey
from onramp.usecases.connect import key_context
from onramp.usecases.resolve import number_at, read_numbers

SOON: Final = 2
LATER: Final = 300
"""Seconds: how soon a reader of something under way should come back, at least and at most."""
SHARE: Final = 0.1
"""A reader comes back after this share of the time that has been waited already."""
AWAITED: Final = timedelta(hours=24)
"""So long after its proof the reader of a signup without any number is asked to come back."""
TIMELINE: Final = 200
"""Facts that are shown, the newest: nobody reads further back in a page."""
_CURSOR: Final = re.compile(r"\A(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)#(.{1,200})\Z")


@dataclass(frozen=True, slots=True)
class Whole:
    """A signup with what belongs to it: Meta's list, the records of what was submitted, the newest facts.

    `launch`: what its popup is opened with, while it is open.
    """

    signup: Signup
    listed: Sequence[ListedNumber] = ()
    numbers: dict[str, Number] = field(default_factory=dict)
    facts: Sequence[Fact] = ()
    launch: Launch | None = None


@dataclass(frozen=True, slots=True)
class Listing[T]:
    """A page of a list. `cursor` leads to the next one."""

    items: Sequence[T]
    cursor: str | None


def own_signup(ports: Ports, tenant: str, signup_id: str) -> Signup:
    """The tenant's signup. Raises `Problem(not_found)`, also for one of another tenant."""
    signup = ports.store.read(Signup, signup_id)
    if signup is None or signup.tenant != tenant:
        raise Problem("not_found", "There is no such signup.")
    return signup


def own_number(ports: Ports, tenant: str, phone_number_id: str) -> Number:
    """The tenant's number. Raises `Problem(not_found)`, also for one of another tenant."""
    number = ports.store.read(Number, phone_number_id)
    if number is None or number.tenant != tenant:
        raise Problem("not_found", "There is no such number.")
    return number


def whole(ports: Ports, signup: Signup, *, timeline: bool = True) -> Whole:
    """A signup with what belongs to it."""
    found = _with_parts(ports, [signup])[0]
    if not timeline:
        return found
    return replace(
        found, facts=ports.store.facts_of(signup.id, TIMELINE), launch=launch_for(ports, found.signup)
    )


def together(ports: Ports, found: Sequence[Signup]) -> list[Whole]:
    """Signups with what belongs to them, without timelines: two round trips, however many they are."""
    return _with_parts(ports, found)


def launch_for(ports: Ports, signup: Signup) -> Launch | None:
    """What a signup's popup is opened with; None when it waits for no code any more."""
    if signup.status(ports.clock.now()) is not SignupStatus.OPEN:
        return None
    flows = ports.at(signup.hub).rules.flows if signup.hub in ports.hub_names else {}
    return launch_of(flows, signup.flow, signup.prefill)


def signups(ports: Ports, tenant: str, status: str | None, cursor: str | None, limit: int) -> Listing[Whole]:
    """A page of the tenant's signups, newest first, without timelines.

    Raises `Problem(invalid_request)` for a cursor that is not ours.
    """
    positions = ports.store.signups_of(tenant, status, place_of(cursor), limit + 1, ports.clock.now())
    shown = positions[:limit]
    found = ports.store.read_all(Signup, [(position.id,) for position in shown])
    now = ports.clock.now()
    # An index may lag: a record says itself what it is.
    kept = [signup for signup in found if status is None or signup.status(now) == status]
    more = len(positions) > limit
    return Listing(_with_parts(ports, kept), cursor_at(shown[-1]) if more else None)


def numbers(ports: Ports, tenant: str, status: str | None, cursor: str | None, limit: int) -> Listing[Number]:
    """A page of the tenant's numbers, newest first, whatever signup brought them.

    Raises `Problem(invalid_request)` for a cursor that is not ours.
    """
    of = standing(status) if status is not None else None
    if status == Status.LISTED:
        return Listing((), None)
    positions = ports.store.numbers_of(tenant, of, place_of(cursor), limit + 1)
    shown = positions[:limit]
    found = read_numbers(ports, [position.id for position in shown])
    kept = [number for number in found if status is None or number.status == status]
    more = len(positions) > limit
    return Listing(kept, cursor_at(shown[-1]) if more else None)


def cursor_of(item: Whole | Number) -> str:
    """The cursor that leads behind an item of a list."""
    if isinstance(item, Whole):
        return cursor_at(Position(item.signup.created_at, item.signup.id))
    return cursor_at(Position(item.created_at, item.phone_number_id))


def awaits_numbers(whole: Whole) -> bool:
    """Whether the signup's WABA is proved and no number of it is known: Meta may list one any moment."""
    return whole.signup.waba is not None and not whole.listed and not whole.numbers


def come_back_to(whole: Whole, now: datetime) -> int | None:
    """Seconds after which a reader of a signup should ask again; None when nothing moves."""
    if not awaits_numbers(whole):
        return come_back_in(whole.numbers.values(), now)
    waited = now - (whole.signup.authorized_at or whole.signup.created_at)
    return _between(waited.total_seconds() * SHARE) if waited < AWAITED else None


def come_back_in(under_way: Iterable[Number], now: datetime) -> int | None:
    """Seconds after which a reader should ask again, more the longer it waits; None when nothing moves."""
    waits = [_wait(number, now) for number in under_way if number.is_under_way]
    return min(waits, default=None)


def channel_key(ports: Ports, channel_id: str) -> NewKey:
    """The channel's key in clear. Raises `Problem(not_found | not_connected)`."""
    found = (number_at(at, channel_id) for at in ports.each)
    number = next((number for number in found if number is not None), None)
    if number is None:
        raise Problem("not_found", "There is no such channel.")
    if number.cancelled_at is not None:
        raise Problem("not_connected", "The channel has ended at 360dialog.")
    if number.key is None or number.key.checked_at is None:
        raise Problem("not_connected", "The channel has no key that was proved by use yet.")
    context = key_context(number.tenant, number.phone_number_id)
    return NewKey(api_key=ports.vault.decrypt(number.key.secret, context), address=number.key.address)


def _wait(number: Number, now: datetime) -> int:
    seconds = (now - number.moved_at).total_seconds() * SHARE
    if number.attempts and number.due_at is not None:
        seconds = max(seconds, (number.due_at - now).total_seconds())
    return _between(seconds)


def _between(seconds: float) -> int:
    return int(max(SOON, min(LATER, seconds)))


def _with_parts(ports: Ports, found: Sequence[Signup]) -> list[Whole]:
    """Signups with their lists and numbers: two round trips, however many they are."""
    parts = [name for signup in found for name in signup.part_names]
    submitted = [phone_number_id for signup in found for phone_number_id in signup.submitted]
    lists = ports.store.read_all(Listed, parts) if parts else []
    records = read_numbers(ports, submitted) if submitted else []
    by_id = {number.phone_number_id: number for number in records}
    return [
        _assembled(
            signup,
            [part for part in lists if part.signup_id == signup.id],
            [by_id[one] for one in signup.submitted if one in by_id and by_id[one].signup_id == signup.id],
        )
        for signup in found
    ]


def _assembled(signup: Signup, lists: Sequence[Listed], numbers: Sequence[Number]) -> Whole:
    """A signup with its parts, none of which contradicts it."""
    return Whole(
        signup=signup.seen_with([number.standing for number in numbers]),
        listed=all_listed(lists),
        numbers={number.phone_number_id: number for number in numbers},
    )


def cursor_at(position: Position) -> str:
    """The cursor that leads behind a position."""
    raw = f"{iso(position.at)}#{position.id}"
    return base64.urlsafe_b64encode(raw.encode()).rstrip(b"=").decode()


def place_of(cursor: str | None) -> Position | None:
    """Where a cursor stands: a time and an id, nothing that names a tenant.

    Raises `Problem(invalid_request)`.
    """
    if cursor is None:
        return None
    try:
        raw = cursor.encode("ascii")
        position = base64.b64decode(raw + b"=" * (-len(raw) % 4), altchars=b"-_", validate=True).decode()
        at, name = _CURSOR.findall(position)[0]
        return Position(from_iso(at), name)
    except (ValueError, IndexError):
        raise Problem(
            "invalid_request",
            "The cursor is not one of ours.",
            errors=[{"field": "cursor", "message": "is not a cursor of this list"}],
        ) from None
