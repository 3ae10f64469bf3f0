"""What an operator looks for: signups, numbers, attempts in vain, events; and a number that is given up.

Nothing here reads a table to its end: everything is found by an index, page by page, and a page's work is
bounded by its limit, whatever it finds.
"""

import heapq
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Final

from onramp.domain import number as life
from onramp.domain.clients import mailbox
from onramp.domain.errors import Problem, PutOff
from onramp.domain.ledger import EventRecord, Outcome
from onramp.domain.number import Number, channel_place, waba_place
from onramp.domain.phone_numbers import canonical
from onramp.domain.records import Fact
from onramp.domain.signup import Signup
from onramp.domain.values import dataclass
from onramp.ports import Ports
from onramp.ports.storage import Position, Span
from onramp.usecases.changing import change_number
from onramp.usecases.read import Listing, Whole, cursor_at, together
from onramp.usecases.resolve import CANDIDATES, number_at, numbers_of_waba, read_numbers

PLACES: Final = 12
"""Places of one number that its events are looked for at: its channels, the last ones first, and its WABA."""


def signup_of(ports: Ports, signup_id: str) -> Signup:
    """The signup, whoever's it is. Raises `Problem(not_found)`."""
    signup = ports.store.read(Signup, signup_id)
    if signup is None:
        raise Problem("not_found", f"There is no signup {signup_id}.", signup_id=signup_id)
    return signup


def number_of(ports: Ports, phone_number_id: str) -> Number:
    """The number, whoever's it is. Raises `Problem(not_found)`."""
    number = ports.store.read(Number, phone_number_id)
    if number is None:
        raise Problem("not_found", f"There is no number {phone_number_id}.", phone_number_id=phone_number_id)
    return number


# --- signups and numbers ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Sought:
    """What a signup is looked for by; None asks for nothing. An email counts in every way to write it."""

    tenant: str | None = None
    status: str | None = None
    email: str | None = None
    reference: str | None = None

    def fits(self, ports: Ports, signup: Signup) -> bool:
        """Whether a signup is one of those."""
        return (
            self.tenant in {None, signup.tenant}
            and self.reference in {None, signup.reference}
            and (self.status is None or signup.status(ports.clock.now()) == self.status)
            and (self.email is None or mailbox(signup.client.email or "") == mailbox(self.email))
        )


def signups_by_time(ports: Ports, sought: Sought, span: Span, limit: int) -> Listing[Whole]:
    """Signups of all tenants, the last to be opened first.

    `limit` are looked at, and those that fit are given: a page may be empty although others follow.
    """
    places = ports.store.opened(span, limit)
    found = ports.store.read_all(Signup, [(place.id,) for place in places])
    kept = [signup for signup in found if sought.fits(ports, signup)]
    return Listing(together(ports, kept), _cursor(places, limit))


def signups_of_digits(ports: Ports, phone: str) -> list[Whole]:
    """The signups that have a number with these digits, however they are written."""
    numbers = _numbers_with(ports, phone)
    names = dict.fromkeys(number.signup_id for number in numbers)
    return together(ports, ports.store.read_all(Signup, [(name,) for name in names]))


def numbers_by_time(ports: Ports, fits: Callable[[Number], bool], span: Span, limit: int) -> Listing[Number]:
    """Numbers of all tenants, by the signups that have them, the last to be opened first."""
    places = ports.store.opened(span, limit)
    signups = ports.store.read_all(Signup, [(place.id,) for place in places])
    owners = {name: signup.id for signup in signups for name in signup.submitted}
    found = read_numbers(ports, list(owners)) if owners else []
    kept = [number for number in found if number.signup_id == owners[number.phone_number_id] and fits(number)]
    return Listing(kept, _cursor(places, limit))


def numbers_at(
    ports: Ports, *, digits: str | None, waba_id: str | None, channel_id: str | None
) -> list[Number]:
    """The numbers with some digits, of a WABA, or with a channel; of the first that is given."""
    if digits is not None:
        return _numbers_with(ports, digits)
    if waba_id is not None:
        return [number for at in ports.each for number in numbers_of_waba(at, waba_id)]
    number = number_with(ports, channel_id)
    return [] if number is None else [number]


def number_with(ports: Ports, channel_id: str | None) -> Number | None:
    """The number that has a channel for its own, at whatever hub."""
    found = (number_at(at, channel_id) for at in ports.each)
    return next((number for number in found if number is not None), None)


def _numbers_with(ports: Ports, phone: str) -> list[Number]:
    """The numbers with some digits, at all hubs."""
    digits = canonical(phone)
    names = [name for hub in ports.hub_names for name in ports.store.numbers_with(hub, digits)]
    return read_numbers(ports, names[:CANDIDATES])


def give_up_number(ports: Ports, number: Number, *, forced: bool) -> Number:
    """Give a number up, so that another tenant may prove it; one that is free already stays as it is.

    Raises `Problem(number_alive)` unless `forced`, when something of it may live at 360dialog, and `PutOff`
    while a run is at it, which may just be submitting it.
    """

    def edit(stored: Number) -> None:
        now = ports.clock.now()
        if stored.lease is not None and stored.is_held(now):
            raise PutOff(stored.lease.until, "another run is at it")
        if life.is_alive(stored) and not forced:
            raise Problem("number_alive", _ALIVE, phone_number_id=stored.phone_number_id)
        if not life.is_free(stored):
            life.give_up(stored, now)

    return change_number(ports, number.phone_number_id, edit)


_ALIVE: Final = (
    "360dialog has a channel of it, or may have. Cancel it first; or force it: the channel is billed on, and"
    " belongs to nobody here."
)


# --- attempts and events ---------------------------------------------------------------------------------


def attempts(ports: Ports, span: Span, limit: int) -> Listing[Fact]:
    """What became of popups and codes that brought nothing, the last first."""
    found = ports.store.attempts(span, limit)
    return Listing(found, _cursor([Position(fact.at, fact.id) for fact in found], limit))


def event_of(ports: Ports, event_id: str) -> EventRecord:
    """An event by 360dialog's id of it, of this hub, else of another one. Raises `Problem(not_found)`."""
    hubs = dict.fromkeys((ports.hub, *ports.hub_names))
    found = (ports.store.read(EventRecord, hub, event_id) for hub in hubs)
    record = next((record for record in found if record is not None), None)
    if record is None:
        raise Problem("not_found", "There is no such event, or it came too long ago.")
    return record


@dataclass(frozen=True, slots=True)
class EventsSought:
    """Which events: by channel, else by number, else all; `name` may end in ``*``."""

    channel_id: str | None = None
    phone_number_id: str | None = None
    outcome: str | None = None
    name: str | None = None

    def fits(self, record: EventRecord) -> bool:
        """Whether an event that was found is one of those."""
        if self.outcome is not None and record.outcome != self.outcome:
            return False
        if self.name is None:
            return True
        return record.name.startswith(self.name[:-1]) if self.name.endswith("*") else record.name == self.name


def events(ports: Ports, sought: EventsSought, span: Span, limit: int) -> Listing[EventRecord]:
    """Events of one hub, the last first; of `limit` that are looked at those that fit.

    A number's are those of its own hub.
    """
    if sought.channel_id is not None:
        places = ports.store.events_at(channel_place(ports.hub, sought.channel_id), span, limit)
        return _events(ports, places, sought.fits, limit)
    if sought.phone_number_id is not None:
        number = number_of(ports, sought.phone_number_id)
        return _events_of_number(ports.at(number.hub), number, sought, span, limit)
    return _events(ports, ports.store.events(ports.hub, span, limit), sought.fits, limit)


def _events_of_number(
    ports: Ports, number: Number, sought: EventsSought, span: Span, limit: int
) -> Listing[EventRecord]:
    """Events of its channels, and those that named its WABA or its digits and were resolved to it."""
    channels = [number.channel_id, number.second_channel, *reversed(number.ended_channels)]
    own = [channel_place(ports.hub, name) for name in channels if name is not None]
    shared = [waba_place(ports.hub, number.waba.id), f"DIGITS#{ports.hub}#{number.digits}"]
    found = [ports.store.events_at(place, span, limit) for place in (*own, *shared)[:PLACES]]
    merged = islice(heapq.merge(*found, key=_latest, reverse=True), limit)

    def fits(record: EventRecord) -> bool:
        is_its = record.place in own or record.phone_number_id == number.phone_number_id
        return is_its and sought.fits(record)

    return _events(ports, list(merged), fits, limit)


def _events(
    ports: Ports, places: Sequence[Position], fits: Callable[[EventRecord], bool], limit: int
) -> Listing[EventRecord]:
    records = ports.store.read_all(EventRecord, [(ports.hub, place.id) for place in places])
    return Listing([record for record in records if fits(record)], _cursor(places, limit))


def replay(ports: Ports, record: EventRecord, *, again: bool) -> bool:
    """Put a stored event through the queue once more, with its id; whether it may act yet.

    It acts once: one that has acted does nothing more. Raises `Problem(event_given_up)` for one that was
    given up, unless it shall be tried `again`.
    """
    if record.outcome == Outcome.GIVEN_UP and not again:
        raise Problem("event_given_up", f"It was given up ({record.reason or 'nobody said why'}).")
    ports.queue.replay_event(record.raw, record.hub)
    return record.may_act


def _latest(place: Position) -> tuple[object, str]:
    return place.at, place.id


def _cursor(places: Sequence[Position], limit: int) -> str | None:
    return cursor_at(places[-1]) if len(places) >= limit else None
