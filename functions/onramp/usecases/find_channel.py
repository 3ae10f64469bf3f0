"""Finding a number's channel at 360dialog: by Meta's id of the number, else among its client's channels.

A listing that the budget cuts goes on where it stopped: its place is kept in the number.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from onramp.domain.errors import Permanent, PutOff
from onramp.domain.number import Listing, contradicts, is_of
from onramp.domain.partner_events import Channel
from onramp.domain.schedule import SETTLE
from onramp.ports.upstreams import Gate
from onramp.usecases.run import Run

GROWTH: Final = 0.5
"""A wait for a channel's name grows by half of the time waited, so that it does not fill the budget."""


def find_channel(run: Run, gate: Gate, client_id: str | None) -> Channel | None:
    """The number's living channel, if 360dialog shows one.

    Raises `PutOff` while a channel of the WABA has no phone number yet: it may be the one.
    """
    filters: list[Mapping[str, str]] = [{"external_id": run.phone_number_id}]
    if client_id is not None:
        filters.append({"client_id": client_id})
    place = run.listing or Listing()
    while place.filter < len(filters):
        run.listing = place
        page = run.ports.partner.list_channels(filters[place.filter], place.offset, gate)
        channel = _among(run, page.items, gate)
        if channel is not None:
            run.listing = None
            return channel
        nameless = place.nameless or any(_may_be(run, candidate) for candidate in page.items)
        place = Listing(
            filter=place.filter + (page.next_offset is None), offset=page.next_offset or 0, nameless=nameless
        )
    run.listing = None
    if place.nameless:
        waited = run.now - (run.number.waiting_since or run.now)
        raise PutOff(run.now + max(SETTLE, waited * GROWTH), "a channel of the WABA has no phone number yet")
    return None


def _among(run: Run, channels: Sequence[Channel], gate: Gate) -> Channel | None:
    ended = set(run.number.ended_channels)
    for channel in channels:
        if channel.dead or channel.id is None or channel.id in ended:
            continue
        if is_of(run.number, channel):
            return channel
        if channel.waba_id is None and channel.digits == run.number.digits and channel.digits:
            # A list without WABA ids: the single read is fresher, and says whose it is.
            whole = _read(run, channel, gate)
            if is_of(run.number, whole) or (whole.waba_id is None and not contradicts(run.number, whole)):
                return whole
    return None


def _read(run: Run, channel: Channel, gate: Gate) -> Channel:
    if channel.id is None:
        return channel
    try:
        whole = run.ports.partner.read_channel(channel.id, gate)
    except Permanent:
        return channel
    return replace(whole, id=channel.id)


def _may_be(run: Run, channel: Channel) -> bool:
    """A living channel of the WABA that does not say which number it is."""
    unnamed = not channel.digits and channel.external_id is None and not channel.dead
    return unnamed and channel.waba_id == run.number.waba.id and channel.id not in run.number.ended_channels
