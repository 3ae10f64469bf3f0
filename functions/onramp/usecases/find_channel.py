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
from onramp.ports.upstreams import Gate, Page
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
        channel = _candidate(run, place, gate)
        if channel is None:
            page = run.ports.partner.list_channels(filters[place.filter], place.offset, gate)
            channel = _among(run, page.items, place, gate)
            place = _behind(run, page, place)
        if channel is not None:
            run.listing = None
            return channel
    run.listing = None
    if place.nameless:
        waited = run.now - (run.number.waiting_since or run.now)
        raise PutOff(run.now + max(SETTLE, waited * GROWTH), "a channel of the WABA has no phone number yet")
    return None


def _behind(run: Run, page: Page[Channel], place: Listing) -> Listing:
    """The place of the next page: of this list, else of the next filter's."""
    return place.model_copy(
        update={
            "filter": place.filter + (page.next_offset is None),
            "offset": page.next_offset or 0,
            "nameless": place.nameless or any(_may_be(run, channel) for channel in page.items),
        }
    )


def _among(run: Run, channels: Sequence[Channel], place: Listing, gate: Gate) -> Channel | None:
    """The number's channel in a page of a list."""
    for channel in channels:
        if channel.dead or channel.id is None or channel.id in run.number.ended_channels:
            continue
        if is_of(run.number, channel):
            return channel
        same = bool(channel.digits) and channel.digits == run.number.digits
        if same and channel.waba_id is None and channel.id not in place.rejected:
            # A list without WABA ids: the single read is fresher, and says whose it is.
            place.candidate = channel.id
            found = _candidate(run, place, gate)
            if found is not None:
                return found
    return None


def _candidate(run: Run, place: Listing, gate: Gate) -> Channel | None:
    """Read the channel that a list has left open, if there is one, and say whether it is the number's."""
    if place.candidate is None:
        return None
    whole = _read(run, place.candidate, gate)
    if not whole.dead and _fits(run, whole):
        return whole
    place.rejected.append(place.candidate)
    place.candidate = None
    return None


def _fits(run: Run, whole: Channel) -> bool:
    return is_of(run.number, whole) or (whole.waba_id is None and not contradicts(run.number, whole))


def _read(run: Run, channel_id: str, gate: Gate) -> Channel:
    """A channel by itself; when that is refused the list's word stands: better one too few submitted."""
    try:
        whole = run.ports.partner.read_channel(channel_id, gate)
    except Permanent:
        return Channel(id=channel_id)
    return replace(whole, id=channel_id)


def _may_be(run: Run, channel: Channel) -> bool:
    """A living channel of the WABA that does not say which number it is."""
    unnamed = not channel.digits and channel.external_id is None and not channel.dead
    return unnamed and channel.waba_id == run.number.waba.id and channel.id not in run.number.ended_channels
