"""Storage: records under a version, facts, and what is found by something else than its name.

`onramp.adapters.dynamo` and `onramp.adapters.memory` are the two that exist; one suite of tests holds for
both.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, Protocol

from onramp.domain.ledger import EventRecord
from onramp.domain.notifications import Delivery
from onramp.domain.number import Number
from onramp.domain.records import Fact, Stored
from onramp.domain.states import Standing, Step
from onramp.domain.values import dataclass


class Line(StrEnum):
    """What is due waits in lines, so that a long one never holds up another.

    `WORK`: calls that move something on. `LOOK`: numbers that wait for 360dialog. `CHECK`: connected numbers
    by the time of their daily check. `SEND`: deliveries of notifications by their next try.
    """

    WORK = "WORK"
    LOOK = "LOOK"
    CHECK = "CHECK"
    SEND = "SEND"


_LINES: Final[Mapping[str, Line]] = {Step.LOOK: Line.LOOK, Step.CHECK: Line.CHECK}


def line_of(number: Number) -> Line:
    """The line in which a number waits for its next step; a read that somebody waits for is work."""
    return Line.WORK if number.unseen else _LINES.get(number.next_step or "", Line.WORK)


@dataclass(frozen=True, slots=True)
class Due:
    """A hit of the index of due work: which record, and the time under which it was found.

    `since`: when it was due at first, if it was woken since then and nobody has written it.
    """

    kind: str
    identity: tuple[str, ...]
    due_at: datetime
    line: Line = Line.WORK
    since: datetime | None = None

    @property
    def overdue_since(self) -> datetime:
        """Since when somebody should have taken it up."""
        return self.since or self.due_at


@dataclass(frozen=True, slots=True)
class Ids:
    """A page of ids, newest first, and the cursor behind it."""

    ids: Sequence[str]
    cursor: str | None


@dataclass(frozen=True, slots=True)
class Position:
    """Where a list goes on: behind the record of this time and id."""

    at: datetime
    id: str


def delivery_name(subject: str, fact_id: str) -> str:
    """What a list of an endpoint's deliveries calls one of them."""
    return f"{subject}/{fact_id}"


def delivery_named(name: str, endpoint: str) -> tuple[str, str, str]:
    """The identity of a delivery in a list of its endpoint's."""
    subject, _, fact_id = name.rpartition("/")
    return subject, fact_id, endpoint


@dataclass(frozen=True, slots=True)
class Span:
    """A span of time, both ends in it, read from its end backwards; `before`: where a page goes on."""

    since: datetime
    until: datetime
    before: Position | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """An item as it lies in the table: its `kind`, where it is, and its content as JSON has it.

    `content` is None when it cannot be read. `version` is 0 where it has none, as a fact.
    """

    kind: str
    place: tuple[str, str]
    content: dict[str, Any] | None
    version: int


class Store(Protocol):
    """The one table. Every read but those through an index (marked so) is strongly consistent.

    Everything raises `UnavailableError` when the table does not answer. An item that cannot be read as a
    record raises `Unreadable`, which names it.
    """

    def read[R: Stored](self, kind: type[R], *identity: str) -> R | None:
        """One record, or None."""

    def read_all[R: Stored](self, kind: type[R], identities: Sequence[tuple[str, ...]]) -> list[R]:
        """Those records that exist, in the order asked for; as few round trips as there can be."""

    def commit(
        self, *records: Stored, facts: Sequence[Fact] = (), gone: Sequence[Found | Stored] = ()
    ) -> None:
        """Write the records, each if nobody has since it was read, with all their facts, or nothing at all.

        Items that are `gone` are removed in the same write, each if nobody has written it since it was found.

        A record that was never stored must not exist (an outlived one does not count). What the records tell
        and `facts` become items in the same transaction, with an id that sorts by time. A write whose answer
        was lost is recognised by its mark and counts as done. At most 100 items. Raises `Conflict`.
        Afterwards the records stand at their new version and have nothing more to tell.
        """

    def browse(self, cursor: str | None, limit: int) -> tuple[list[Found], str | None]:
        """Items of every kind, some at a time, read from the whole table: for an operator."""

    def facts_of(self, subject: str, limit: int) -> list[Fact]:
        """The newest facts of a signup (or hub), oldest first."""

    def deliveries_for(self, subject: str, limit: int) -> list[Delivery]:
        """The newest deliveries of what happened to a signup (or hub), newest first."""

    def facts_since(
        self, since: datetime, until: datetime, cursor: str | None, limit: int
    ) -> tuple[list[Fact], str | None]:
        """Facts of all signups by their time, some at a time, read from the whole table: for an operator."""

    # -- through an index: what is found may lag, and is read again before anybody acts on it

    def due(self, before: datetime, limit: int, *, line: Line) -> Sequence[Due]:
        """Numbers, censuses and deliveries of one line whose due time has passed, oldest first."""

    def postpone(self, hit: Due, until: datetime) -> bool:
        """Move a hit's due time on, touching nothing else, unless it has moved already. Whether it did.

        Since when it is overdue stays with it until its record is written.
        """

    def numbers_at(self, place: str, limit: int) -> Sequence[str]:
        """Numbers by their place: those of a channel, or of a WABA that have no channel yet."""

    def numbers_in(self, hub: str, waba_id: str, limit: int) -> Sequence[str]:
        """All numbers of a WABA, with a channel and without."""

    def numbers_with(self, hub: str, digits: str) -> Sequence[str]:
        """Numbers with these canonical digits."""

    def ledger(self, place: str, limit: int) -> Sequence[EventRecord]:
        """Events kept under a place that have not acted yet, oldest first."""

    def signups_of(
        self, tenant: str, status: str | None, before: Position | None, limit: int, now: datetime
    ) -> Sequence[Position]:
        """A tenant's signups, newest first.

        Nothing is written when a signup's time is over: among those `open` or `expired` that were opened for
        a link may be some of the other state.
        """

    def links_of(
        self, tenant: str, status: str | None, before: Position | None, limit: int, now: datetime
    ) -> Sequence[Position]:
        """A tenant's links by the time of their end, the last to end first; that time is their position."""

    def deliveries_of(
        self, endpoint: str, state: str | None, since: datetime, before: Position | None, limit: int
    ) -> Sequence[Position]:
        """An endpoint's deliveries since a time, newest first; `delivery_named` reads their ids."""

    def opened(self, span: Span, limit: int) -> Sequence[Position]:
        """Signups of all tenants by the time they were opened at, newest first, as long as facts are kept."""

    def attempts(self, span: Span, limit: int) -> Sequence[Fact]:
        """What became of popups and codes that brought nothing, of all signups, newest first."""

    def events(self, hub: str, span: Span, limit: int) -> Sequence[Position]:
        """360dialog's events by the time they came at, newest first."""

    def events_at(self, place: str, span: Span, limit: int) -> Sequence[Position]:
        """The same of one place: a channel, a WABA, or digits; not what is about no channel."""

    def numbers_of(
        self, tenant: str, standing: Standing | None, before: Position | None, limit: int
    ) -> Sequence[Position]:
        """A tenant's numbers, newest first."""

    def lost(self, before: Position | None, limit: int) -> Sequence[Position]:
        """Accounts whose customer came and whose code did not, by Meta's ids, the latest first."""

    def requests(self, before: Position | None, limit: int) -> Sequence[Position]:
        """Requests of persons that wait for an operator, by their codes, newest first."""
