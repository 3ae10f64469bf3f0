"""360dialog's channels beside our numbers, for an operator: a page for each call, behind all live signups."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from enum import StrEnum
from typing import Final

from onramp.domain.census import Census
from onramp.domain.clients import mailbox
from onramp.domain.errors import Throttled, UnavailableError, Unreadable
from onramp.domain.number import Number
from onramp.domain.partner_events import Channel
from onramp.domain.values import dataclass
from onramp.ports import Ports
from onramp.ports.upstreams import Gate, Page
from onramp.usecases.budgeting import rest, spare_gate
from onramp.usecases.resolve import named_on, resolve

PATIENCE: Final = timedelta(seconds=2)
"""So long one call waits for a spare slot; the caller comes again for it."""


class Ours(StrEnum):
    """What a channel is to us."""

    KNOWN = "known"
    UNKNOWN = "unknown"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Beside:
    """A channel of 360dialog's, and the number of ours that it belongs to."""

    channel: Channel
    number: Number | None

    @property
    def ours(self) -> Ours:
        """What it is to us."""
        if self.channel.dead:
            return Ours.ENDED
        return Ours.UNKNOWN if self.number is None else Ours.KNOWN

    @property
    def is_orphan(self) -> bool:
        """Whether it is billed and nobody's here, so that nobody would ever end it."""
        return self.ours is Ours.UNKNOWN and self.channel.billed


def list_page(ports: Ports, offset: int) -> Page[Beside]:
    """A page of 360dialog's channels beside our numbers. Spends one spare call.

    Raises `PutOff` while live signups need the budget, `UpstreamError`.
    """
    page = read_page(ports, lambda gate: ports.partner.list_channels({}, offset, gate))
    numbers = Numbers(ports, page.items)
    return Page([Beside(channel, numbers.of(channel)) for channel in page.items], page.next_offset)


def read_page[T](ports: Ports, read: Callable[[Gate], T]) -> T:
    """Read something at 360dialog with a spare call; on a 429 everybody rests. Raises as `list_page`."""
    try:
        return read(spare_gate(ports, PATIENCE))
    except Throttled as trouble:
        raise rest(ports, trouble, everybody=True) from trouble


class Numbers:
    """The numbers that the channels of a page belong to: most are found with one read."""

    def __init__(self, ports: Ports, channels: Sequence[Channel]) -> None:
        self._ports = ports
        self._named = named_on(ports, channels)

    def of(self, channel: Channel) -> Number | None:
        """The number of a channel, or None."""
        named = self._named.get(channel.external_id or "")
        return (
            named if named is not None and named.channel_id == channel.id else number_of(self._ports, channel)
        )


def number_of(ports: Ports, channel: Channel) -> Number | None:
    """The number that a channel belongs to, as stored; one that cannot be read counts as none.

    So does one that is erased: it is nobody's, and nobody here would ever end its channel.
    """
    try:
        phone_number_id = resolve(ports, channel)
        number = None if phone_number_id is None else ports.store.read(Number, phone_number_id)
    except Unreadable as trouble:
        ports.telemetry.warn("record cannot be read", record=str(trouble))
        return None
    return None if number is None or number.erased_at is not None else number


def clients_named(ports: Ports, emails: Sequence[str], offset: int) -> Page[tuple[str, str]]:
    """Those of a page of 360dialog's clients that have one of the emails: email and client id.

    Spends one spare call. Raises as `list_page`.
    """
    asked = {mailbox(email): email for email in emails}
    page = read_page(ports, lambda gate: ports.partner.list_clients(offset, gate))
    found = [
        (asked[email], client.id)
        for client in page.items
        for email in sorted(client.emails)
        if email in asked
    ]
    return Page(found, page.next_offset)


def wake_census(ports: Ports, *, wake: bool = True) -> tuple[Census, bool]:
    """What the last round of the census has found; and wake it. Whether the queue has taken that."""
    census = ports.store.read(Census, ports.hub) or Census(hub=ports.hub)
    if not wake:
        return census, False
    try:
        ports.queue.wake_census(ports.hub, ports.clock.now())
    except UnavailableError:
        ports.telemetry.warn("queue did not take the census; the schedule sends it")
        return census, False
    return census, True
