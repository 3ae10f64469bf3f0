"""Finding a number's channel at 360dialog: by Meta's id of the number, else by WABA and digits.

| when                      | lists that are read, until one shows it                                  |
|---------------------------|--------------------------------------------------------------------------|
| before a submission       | what was read for all that wait; else all channels, when they fit into   |
|                           | one page; else by Meta's id                                              |
| a look, a lost submission | the same, then its client's                                              |
| after a refusal           | the same, then its client's, then by the phone number                    |

A listing that the budget cuts goes on where it stopped: its place is kept in the number.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from onramp.domain import number as life
from onramp.domain.errors import Permanent, Transient
from onramp.domain.number import Listing, Number, contradicts, is_of, may_be_of, waba_place
from onramp.domain.partner_events import Channel
from onramp.ports.upstreams import Gate
from onramp.usecases.long_lists import is_long, learn_from, whole_list
from onramp.usecases.resolve import resolve
from onramp.usecases.run import Run

LATE: Final = timedelta(minutes=30)
"""So long a number waits for a channel that is surely its own before the only one left is taken for it."""
SURELY: Final = 3
"""So often in a row an answer that ends something is heard before it is believed."""
STRAYS: Final = 10
"""So many channels that might be the number's are remembered."""

type Filter = Mapping[str, str]
EVERYTHING: Final[Filter] = {}


def find_channel(run: Run, gate: Gate, client_id: str | None, *, widely: bool = False) -> Channel | None:
    """The number's living channel, if 360dialog shows one; `run.strays` are those that may be it.

    While all channels fit into one page that page is the whole truth, and needs no trust in any filter.
    """
    filters = [EVERYTHING, {"external_id": run.phone_number_id}]
    if client_id is not None:
        filters.append({"client_id": client_id})
    if widely and run.number.digits:
        filters.append({"setup_info.phone_number": run.number.digits})
    return _through(run, gate, filters)


def find_before(run: Run, gate: Gate) -> Channel | None:
    """The channel that a number has before it was ever submitted, with as few calls as can be.

    What is read shows the WABA's client, too: `run.waba_client`.
    """
    return _through(run, gate, [EVERYTHING, {"external_id": run.phone_number_id}], once=True)


def absent_since(run: Run, gate: Gate) -> datetime | None:
    """When a list that was read for all that wait has shown nothing of the number.

    None: the number has to be looked for. What such a list does show, the number's own read looks at again.
    """
    read = partial(run.ports.partner.list_channels, EVERYTHING, gate=gate)
    whole = whole_list(run, run.ports.lists.channels, "channels", read)
    if whole is None or any(_concerns(run.number, channel) for channel in whole.items):
        return None
    siblings = (one for one in whole.items if one.waba_id == run.number.waba.id and not one.dead)
    run.waba_client = next((one.client_id for one in siblings if one.client_id), None)
    return whole.began_at


def _concerns(number: Number, channel: Channel) -> bool:
    """Whether a channel is the number's, or might be."""
    if channel.dead:
        return False
    return _is_unplaced(number, channel) or is_of(number, channel) or may_be_of(number, channel)


def _is_unplaced(number: Number, channel: Channel) -> bool:
    """Whether a channel has the number's digits, and does not say in which account it is."""
    return channel.waba_id is None and bool(channel.digits) and channel.digits == number.digits


def _begin(run: Run) -> Listing:
    """Behind the list of everything where it is known to be long."""
    return Listing(filter=int(is_long(run.ports, "channels")))


def find_returned(run: Run, gate: Gate) -> Channel | None:
    """A channel that the number has seen end, and that lives again: its end was taken back in the meantime.

    A list may show what is no more, so that only its own read counts. To be asked for only when 360dialog
    has refused another submission: whatever else lives comes first.
    """
    for channel_id in dict.fromkeys(run.returned):
        channel = read_by_id(run, channel_id, gate)
        if channel is not None and not channel.dead and channel.waba_id in {None, run.number.waba.id}:
            run.learnt.append(partial(life.take_back, channel_id=channel_id))
            return channel
    return None


def read_own(run: Run, gate: Gate) -> Channel | None:
    """The number's channel, read by itself, which is fresher than any list; None when there is none."""
    return read_by_id(run, run.number.channel_id, gate)


def read_by_id(run: Run, channel_id: str | None, gate: Gate) -> Channel | None:
    """A channel, read by itself; None when there is none."""
    if channel_id is None:
        return None
    try:
        return replace(run.ports.partner.read_channel(channel_id, gate), id=channel_id)
    except Permanent as refusal:
        if refusal.code != "channel_missing":
            raise
        return None


def read_surely(run: Run, gate: Gate) -> Channel | None:
    """The number's channel; that it is gone counts when it was said `SURELY` times in a row.

    What hangs on it cannot be undone: an ended channel is never adopted again. Raises
    `Transient(channel_missing)` until then.
    """
    channel = read_own(run, gate)
    if channel is None and run.number.channel_id is not None:
        hear_again(run, Transient("channel_missing"))
    return channel


def hear_again(run: Run, trouble: Transient) -> None:
    """Raise `trouble` until it was met `SURELY` times in a row: then it is true."""
    if run.number.attempts < SURELY:
        raise trouble


def only_one_left(run: Run, gate: Gate) -> Channel | None:
    """The one channel of the WABA that nobody has, for the one number that has none, when time has passed.

    A number whose channel spells it in a way that nobody knows would wait for ever.
    """
    number, strays = run.number, run.strays
    if len(strays) != 1 or run.now - number.waits_since < LATE:
        return None
    waiting = run.ports.store.numbers_at(waba_place(number.hub, number.waba.id), len(strays) + 1)
    if list(waiting) != [run.phone_number_id]:
        return None
    channel = _read(run, strays[0], gate)
    if not may_be_of(number, channel) or resolve(run.ports, channel) not in {None, run.phone_number_id}:
        return None
    run.learnt.append(lambda stored: life.match_late(stored, channel, run.now))
    return channel


def _through(run: Run, gate: Gate, filters: Sequence[Filter], *, once: bool = False) -> Channel | None:
    """The number's channel in one list after the other. `once`: of each only the first page."""
    place = run.listing or _begin(run)
    while place.filter < len(filters):
        channel = _candidate(run, place, gate)
        if channel is None:
            asked_at = run.now
            page = run.ports.partner.list_channels(filters[place.filter], place.offset, gate)
            # Not before: where nothing was read yet, the next run begins as is best then.
            run.listing = place
            channel = _among(run, page.items, place, gate)
            if filters[place.filter] is EVERYTHING:
                learn_from(run.ports, run.ports.lists.channels, "channels", page, asked_at)
            run.listing = place = _behind(place, filters, page.next_offset, once=once)
        if channel is not None:
            run.listing = None
            return channel
    run.listing = None
    run.strays = place.strays
    return None


def _behind(place: Listing, filters: Sequence[Filter], next_offset: int | None, *, once: bool) -> Listing:
    """The place of the next page: of this list, else of the next filter's.

    Of the list of everything only the first page is read: when it is all of it, no other list has more.
    """
    if filters[place.filter] is not EVERYTHING:
        offset = None if once else next_offset
        return place.model_copy(update={"filter": place.filter + (offset is None), "offset": offset or 0})
    return place.model_copy(update={"filter": len(filters) if next_offset is None else place.filter + 1})


def _among(run: Run, channels: Sequence[Channel], place: Listing, gate: Gate) -> Channel | None:
    """The number's channel in a page of a list."""
    for channel in channels:
        if channel.dead or channel.id is None:
            continue
        if channel.id in run.number.ended_channels:
            if _is_own(run, channel):
                run.returned.append(channel.id)
            continue
        _meet(run, channel, place)
        if _is_own(run, channel):
            return channel
        if _is_unplaced(run.number, channel) and channel.id not in place.rejected:
            # A list without WABA ids: the single read is fresher, and says whose it is.
            place.candidate = channel.id
            found = _candidate(run, place, gate)
            if found is not None:
                return found
    return None


def _meet(run: Run, channel: Channel, place: Listing) -> None:
    """Learn from a channel of the WABA: whose client the WABA is, and that it may be the number's."""
    if channel.waba_id != run.number.waba.id:
        return
    run.waba_client = run.waba_client or channel.client_id
    if channel.id is None or channel.id in place.strays or not may_be_of(run.number, channel):
        return
    if not _names_another(run, channel):
        place.strays = [*place.strays, channel.id][-STRAYS:]


def _is_own(run: Run, channel: Channel) -> bool:
    """Whether a channel is the number's; digits count for nothing when it names another number of ours."""
    return is_of(run.number, channel) and not _names_another(run, channel)


def _names_another(run: Run, channel: Channel) -> bool:
    named = channel.external_id
    if named is None or named == run.phone_number_id:
        return False
    return run.ports.store.read(Number, named) is not None


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
