"""The census: all channels at 360dialog beside our numbers, page by page, giving way to live signups.

| found                                | what follows                              |
|--------------------------------------|-------------------------------------------|
| a channel further than its number    | the number is carried on                  |
| an ended one                         | its number is told; a second one takes over |
| a connected number's own             | it was seen: the daily check asks for that |
| a second one of a number             | reported with the number                  |
| a billed one that nobody has         | reported at the end of the round          |

Its place is stored after each page, so that any number of channels is covered in the end.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from onramp.domain import number as life
from onramp.domain.census import SOON, Census
from onramp.domain.crashes import told_of
from onramp.domain.errors import Conflict, LeaseLost, OnrampError, PutOff
from onramp.domain.facts import FACTS, FactType
from onramp.domain.number import Number
from onramp.domain.partner_events import Channel
from onramp.domain.records import HELD_PAUSE, Fact
from onramp.domain.states import Progress
from onramp.ports import Ports
from onramp.usecases.attempt import AgainAt, Done, GivenUp, Outcome, PutOffUntil, attempt, comes_back
from onramp.usecases.balance import watch_balance
from onramp.usecases.budgeting import spare_gate
from onramp.usecases.changing import change_number, wake
from onramp.usecases.resolve import named_on, resolve

SEEN_EVERY: Final = timedelta(hours=12)
"""So seldom it is written down that a connected number's channel was seen."""
AT_ONCE: Final = 50
"""Numbers in one write."""
PAGES: Final = 5
"""Pages one run deals with; the message comes back for the next ones."""
PATIENCE: Final = timedelta(seconds=10)
"""So long one run waits for the budget altogether."""


def work_on_census(ports: Ports, asked_at: datetime | None = None) -> datetime | None:
    """Go on with the census, or begin one. Gives the time at which the same message has to come again.

    `asked_at`: when somebody wanted one. A round that was under way then may have read what has changed
    since, so that another one follows it.
    """
    return comes_back(attempt(ports, CensusWork(ports, asked_at)))


class CensusWork:
    """The census as `attempt` wants it."""

    def __init__(self, ports: Ports, asked_at: datetime | None) -> None:
        self._ports = ports
        self._asked_at = asked_at
        self._owner = ports.clock.new_id()
        self._ended = False
        self.record = Census(hub=ports.hub)

    @property
    def fields(self) -> dict[str, str | float | None]:
        """Where it is."""
        return {"hub": self.record.hub, "offset": self.record.offset}

    def take(self) -> bool:
        """Take the census; False while another run has it, or too soon after the last: then it is planned.

        Raises `PutOff` while another run has a round that had begun before this one was asked for.
        """
        try:
            return self._take(self._ports.clock.now())
        except LeaseLost:
            # Another run has begun at the same moment.
            return False

    def _take(self, now: datetime) -> bool:
        self.record = self._ports.store.read(Census, self._ports.hub) or self.record
        wanted = self._is_wanted()
        if self.record.is_held(now):
            if wanted:
                raise PutOff(now + HELD_PAUSE, "another run has the census")
            return False
        ended = self.record.ended_at
        if self.record.began_at is None and ended is not None and now < ended + SOON:
            soon = ended + SOON
            if self.record.due_at is None or self.record.due_at > soon:
                self.record.due_at = soon
                self._commit()
            return False
        self.record.lend(self._owner, now)
        self.record.wanted |= wanted
        self.record.begin(now)
        self.record.due_at = now
        self._commit()
        return True

    def _is_wanted(self) -> bool:
        """Whether it was asked for during a round."""
        asked, began = self._asked_at, self.record.began_at
        return asked is not None and began is not None and asked > began

    def do(self) -> None:
        """Some pages. Raises `PutOff` when there are more."""
        gate = spare_gate(self._ports, PATIENCE)
        watch_balance(self._ports, self.record.began_at, gate)
        for _ in range(PAGES):
            asked_at = self._ports.clock.now()
            page = self._ports.partner.list_channels({}, self.record.offset, gate)
            self._ports.telemetry.count("CensusPages")
            unknown = _compare(self._ports, page.items, asked_at)
            self.record.page_read(len(page.items), unknown)
            if page.next_offset is None:
                self._ended = True
                return
            self.record.offset = page.next_offset
            self._commit()
        raise PutOff(self._ports.clock.now(), "more pages", bounded=False)

    def settle(self, outcome: Outcome) -> Outcome:
        """Keep the place, or end the round and tell what it has found."""
        now = self._ports.clock.now()
        match outcome:
            case PutOffUntil(at=at, waits=waits):
                self.record.give_back(now, counted=False, waits=waits)
                self.record.due_at = at
            case AgainAt(at=at, waits=waits):
                self.record.give_back(now, counted=True, waits=waits)
                self.record.due_at = at
            case GivenUp() | Done():
                self.record.begin_anew()
                self.record.end(now, whole=self._ended)
        self._commit(self._report(now) if self._ended else [])
        return outcome

    def _commit(self, facts: Sequence[Fact] = ()) -> None:
        try:
            self._ports.store.commit(self.record, facts=facts)
        except Conflict as lost:
            raise LeaseLost("census") from lost

    def _report(self, now: datetime) -> list[Fact]:
        count = self.record.unknown_count
        self._ports.telemetry.count("ChannelsUnknown", count)
        for channel_id in self.record.unknown:
            self._ports.telemetry.warn("a billed channel is not ours", channel_id=channel_id)
        if not count:
            return []
        detail: dict[str, str | None] = {"count": str(count), "channel_ids": ",".join(self.record.unknown)}
        fact = FactType.CHANNELS_UNKNOWN
        return [Fact(type=fact, at=now, subject=f"HUB#{self.record.hub}", detail=detail, bus=FACTS[fact].bus)]


def _compare(ports: Ports, channels: Sequence[Channel], asked_at: datetime) -> list[str]:
    """Let each channel of a page be seen by its number; gives the billed ones that have none.

    `asked_at`: when the page was asked for. What 360dialog has told of a number's end since is newer.
    """
    by_id = named_on(ports, channels)
    unknown: list[str] = []
    seen: dict[str, Number] = {}
    for channel in channels:
        number = by_id.get(channel.external_id or "")
        try:
            if number is not None and not _is_news(number, channel, ports):
                seen |= {number.phone_number_id: number} if _is_unseen(number, channel, ports) else {}
            elif (
                not _show(ports, channel, number, asked_at)
                and channel.billed
                and not channel.dead
                and channel.id
            ):
                unknown.append(channel.id)
        except OnrampError as trouble:
            ports.telemetry.count("RecordsCrashed")
            ports.telemetry.warn("channel not compared", **told_of(trouble), channel_id=channel.id)
    _remember(ports, list(seen.values()))
    return unknown


def _show(ports: Ports, channel: Channel, number: Number | None, asked_at: datetime) -> bool:
    """Show a channel to its number; False when nobody has it: none, an erased one, or one that saw it end."""
    phone_number_id = number.phone_number_id if number else resolve(ports, channel)
    if phone_number_id is None:
        return False

    def edit(stored: Number) -> None:
        is_older = stored.end_heard_at is not None and stored.end_heard_at >= asked_at
        if is_older or stored.erased_at is not None:
            return
        if _is_news(stored, channel, ports) or _is_unseen(stored, channel, ports):
            life.see(stored, channel, ports.clock.now(), ports.rules.look_after)

    before = number.progress if number else None
    saved = change_number(ports, phone_number_id, edit)
    if before is not None and saved.progress != before:
        ports.telemetry.count("NumbersHealed")
    wake(ports, saved)
    if saved.erased_at is not None:
        return False
    return channel.id not in saved.ended_channels or channel.id == saved.second_channel


def _remember(ports: Ports, numbers: Sequence[Number]) -> None:
    """Write down that the channels of connected numbers were seen, many in one write."""
    for start in range(0, len(numbers), AT_ONCE):
        some = numbers[start : start + AT_ONCE]
        for number in some:
            number.seen_at = ports.clock.now()
        try:
            ports.store.commit(*some)
        except Conflict:
            # Somebody has written one of them just now: the others can wait for the next round.
            ports.telemetry.info("numbers changed while the census saw them", count=len(some))


def _is_unseen(number: Number, channel: Channel, ports: Ports) -> bool:
    own = number.channel_id == channel.id and number.cancelled_at is None and not channel.dead
    late = number.seen_at is None or ports.clock.now() - number.seen_at > SEEN_EVERY
    return own and late and number.progress == Progress.CONNECTED


def _is_news(number: Number, channel: Channel, ports: Ports) -> bool:
    """Whether a channel tells the number something, beside that it was seen."""
    if channel.id in number.ended_channels:
        return not channel.dead
    seen = number.model_copy(deep=True)
    life.see(seen, channel, ports.clock.now(), ports.rules.look_after)
    seen.seen_at = number.seen_at
    return seen != number
