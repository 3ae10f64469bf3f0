"""Whose a channel is.

    by channel ──► else by Meta's id of the number ──► else by WABA and digits ──► else by digits alone, when
    nothing contradicts ──► else nobody's

The indexes may lag; what they find is read again before anybody acts on it.
"""

from collections.abc import Sequence
from typing import Final

from onramp.domain.number import Number, channel_place
from onramp.domain.partner_events import Channel, PartnerEvent
from onramp.ports import Ports

CANDIDATES: Final = 50
"""Numbers of one place that are looked at; more are found by the census."""
OF_A_WABA: Final = 500
"""Numbers of one WABA that an event acts on; Meta allows far fewer."""


def concerned(ports: Ports, event: PartnerEvent) -> list[str]:
    """The numbers that an event is about, by Meta's ids: one, or all of the WABA that it restricts."""
    if event.about_waba and event.channel.waba_id is not None:
        numbers = numbers_of_waba(ports, event.channel.waba_id)
        return [number.phone_number_id for number in numbers if number.cancelled_at is None]
    phone_number_id = resolve(ports, event.channel)
    return [] if phone_number_id is None else [phone_number_id]


def hubs_of(ports: Ports, event: PartnerEvent) -> list[Ports]:
    """The ports of the hubs that one of Meta's own events is about, for Meta names none.

    Those that have a number it concerns; every one while none has, so that it waits wherever the number may
    come; that of the solution for what is said of a solution.
    """
    if len(ports.hub_names) == 1:
        return [ports]
    if not event.about_channel:
        named = [at for at in ports.each if at.rules.solution_id == event.solution_id]
        return named[:1] or [ports]
    return [at for at in ports.each if concerned(at, event)] or list(ports.each)


def resolve(ports: Ports, channel: Channel) -> str | None:
    """The number a channel belongs to, by Meta's id of it, or None."""
    number = number_at(ports, channel.id) or _by_id(ports, channel) or _by_digits(ports, channel)
    return number.phone_number_id if number else None


def number_at(ports: Ports, channel_id: str | None) -> Number | None:
    """The number that has a channel for its own, or None."""
    if channel_id is None:
        return None
    found = read_numbers(ports, ports.store.numbers_at(channel_place(ports.hub, channel_id), CANDIDATES))
    return next((number for number in found if number.channel_id == channel_id), None)


def numbers_of_waba(ports: Ports, waba_id: str) -> list[Number]:
    """All numbers of a WABA, whatever their state."""
    found = read_numbers(ports, ports.store.numbers_in(ports.hub, waba_id, OF_A_WABA))
    return [number for number in found if number.waba.id == waba_id]


def read_numbers(ports: Ports, ids: Sequence[str]) -> list[Number]:
    """Those numbers, by Meta's ids of them, in that order."""
    return ports.store.read_all(Number, [(phone_number_id,) for phone_number_id in ids])


def named_on(ports: Ports, channels: Sequence[Channel]) -> dict[str, Number]:
    """The hub's numbers that a page of channels names by Meta's ids, with one read, but for erased ones.

    The same number may have a channel at another hub, which is another partner's business.
    """
    named = dict.fromkeys(channel.external_id for channel in channels if channel.external_id)
    found = read_numbers(ports, list(named))
    return {one.phone_number_id: one for one in found if one.hub == ports.hub and one.erased_at is None}


def _by_id(ports: Ports, channel: Channel) -> Number | None:
    named = ports.store.read(Number, channel.external_id) if channel.external_id is not None else None
    return named if named is not None and named.hub == ports.hub else None


def _by_digits(ports: Ports, channel: Channel) -> Number | None:
    if not channel.digits:
        return None
    found = read_numbers(ports, ports.store.numbers_with(ports.hub, channel.digits))
    same = [number for number in found if number.digits == channel.digits]
    if channel.waba_id is not None:
        same = [number for number in same if number.waba.id == channel.waba_id]
        return max(same, key=lambda number: (number.cancelled_at is None, number.created_at), default=None)
    fitting = [number for number in same if _nothing_contradicts(number, channel)]
    if len(fitting) > 1:
        # A number that has ended is not the one that something happens to.
        fitting = [number for number in fitting if number.cancelled_at is None]
    return fitting[0] if len(fitting) == 1 else None


def _nothing_contradicts(number: Number, channel: Channel) -> bool:
    other_client = None not in {channel.client_id, number.client_id} and channel.client_id != number.client_id
    other_channel = (
        channel.id is not None and number.channel_id is not None and number.channel_id != channel.id
    )
    return not other_client and not other_channel
