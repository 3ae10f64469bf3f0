"""One event, 360dialog's or Meta's own, acts once: it is claimed, resolved to a number, and applied.

    resolved to a number (`resolve`), or to all of a WABA ──► applied ──► else it is tried once more, and
    stays in the ledger until its channel is known

What the event changes, the end of its claim, and its facts are one write. Nobody outside is asked. One that
concerns a whole WABA acts on each number by itself, on the last one together with the end of its claim.
"""

from datetime import datetime, timedelta
from typing import Final

from onramp.domain import number as life
from onramp.domain.crashes import told_of
from onramp.domain.errors import Conflict, LeaseLost, Problem, PutOff, Unreadable
from onramp.domain.facts import FACTS, FactType
from onramp.domain.ledger import EventRecord
from onramp.domain.ledger import Outcome as Ended
from onramp.domain.meta_events import SOLUTIONS
from onramp.domain.number import Heard, Number, waba_place
from onramp.domain.partner_events import Channel, PartnerEvent, bare
from onramp.domain.records import Fact
from onramp.domain.relaying import Body
from onramp.domain.states import Step
from onramp.ports import Ports
from onramp.usecases.attempt import AgainAt, Done, GivenUp, Outcome, PutOffUntil, attempt, comes_back
from onramp.usecases.changing import change_number, pause, wake
from onramp.usecases.hand_on import hand_on
from onramp.usecases.resolve import CANDIDATES, concerned

ONCE_MORE: Final = timedelta(seconds=10)
"""An index may lag: so much later an event that found no number is tried once more."""
WOKEN: Final = 3
"""So many numbers are looked up singly on account of an event; for more the census is cheaper."""
TRIES: Final = 6
STOPPED: Final = ("deactivated", "rejected")
"""Meta's words for a solution that brings no customer any more."""


def apply_event(
    ports: Ports,
    event: PartnerEvent,
    *,
    again: bool = True,
    body: Body | None = None,
    passed_on: bool = True,
) -> datetime | None:
    """Let an event act, once, and hand it on. Gives the time at which it has to come again, if it has to.

    `again`: it may have been here before. One that surely comes for the first time is claimed in the same
    write in which it acts. `body` is what it came in, where that holds no other. It is handed on, if it is
    `passed_on`, once it has acted or has tried to: trouble with a record of ours keeps it from nobody.

    Raises `UnavailableError` when it could not be handed on: then it comes again for that.
    """
    outcome = _attempt(ports, event, again=again)
    if passed_on and not isinstance(outcome, PutOffUntil):
        hand_on(ports, event, body or Body(event.raw))
    return comes_back(outcome)


def _attempt(ports: Ports, event: PartnerEvent, *, again: bool) -> Outcome:
    try:
        return attempt(ports, EventWork(ports, event, again=again))
    except Unreadable as trouble:
        ports.telemetry.count("RecordsCrashed")
        ports.telemetry.warn("record cannot be read", record=str(trouble), event_id=event.id)
        kept = event.raw if ports.rules.relay.keeps(event.name) else bare(event)
        ports.queue.bury_event(kept, "utf-8", "unreadable_record", ports.hub)
        return Done()


class EventWork:
    """One event as `attempt` wants it."""

    def __init__(self, ports: Ports, event: PartnerEvent, *, again: bool) -> None:
        self._ports = ports
        self._event = event
        self._owner = ports.clock.new_id()
        self._again = again
        self._ended = False
        self._unresolved = False
        self.record = self._new()

    def _new(self) -> EventRecord:
        ports, event = self._ports, self._event
        keeps = ports.rules.relay.keeps(event.name)
        return EventRecord.of(event, ports.clock.now(), ports.hub, ports.kept.events, contents=keeps)

    @property
    def fields(self) -> dict[str, str | float | None]:
        """Which event it is."""
        return {"event_id": self._event.id, "event": self._event.name, "channel_id": self._event.channel.id}

    def take(self) -> bool:
        """Claim the event; False when it has acted already."""
        for tries in range(TRIES):
            stored = self._ports.store.read(EventRecord, *self.record.identity)
            if stored is not None:
                self.record = stored
            if not self.record.may_act:
                self._ports.telemetry.count("EventsDuplicate")
                return False
            if self.record.outcome == Ended.GIVEN_UP:
                self.record.outcome = Ended.OPEN
                self.record.attempts = 0
            self.record.lend(self._owner, self._ports.clock.now())
            if stored is None and not self._again:
                return True
            try:
                self._ports.store.commit(self.record)
            except Conflict:
                pause(self._ports, tries)
            else:
                return True
        raise PutOff(self._ports.clock.now() + ONCE_MORE, "others claim the event")

    def do(self) -> None:
        """Resolve it, and let it act."""
        event = self._event
        if not event.about_channel:
            self.record.end(Ended.STORED if event.rule else Ended.UNKNOWN)
            if event.name == SOLUTIONS:
                self._tell_solution()
            self._ports.telemetry.count("EventsStored" if event.rule else "EventsUnknown")
            return
        numbers = concerned(self._ports, event)
        for phone_number_id in numbers[:-1]:
            self._apply_along(phone_number_id)
        self._unresolved = not numbers or not self._apply(numbers[-1])

    def _tell_solution(self) -> None:
        """What Meta says of the solution all signups go through: a stopped one stops them."""
        ports, event = self._ports, self._event
        ours = event.solution_id in {None, ports.rules.solution_id}
        if ours and event.solution_status.endswith(STOPPED):
            ports.telemetry.count("SolutionsDeactivated")
            ports.telemetry.warn("the solution is stopped at Meta", status=event.solution_status)
        self.record.told.append(
            Fact(
                type=FactType.SOLUTION_CHANGED,
                at=ports.clock.now(),
                subject=f"HUB#{ports.hub}",
                detail={"solution_id": event.solution_id, "status": event.solution_status},
                bus=FACTS[FactType.SOLUTION_CHANGED].bus,
            )
        )

    def _apply_along(self, phone_number_id: str) -> None:
        """Let it act on one of several; what cannot be read harms no neighbour."""
        ports = self._ports

        def edit(number: Number) -> None:
            life.hear(number, self._event, ports.clock.now(), ports.rules.look_after)

        try:
            wake(ports, change_number(ports, phone_number_id, edit))
        except (Problem, Unreadable) as trouble:
            ports.telemetry.count("RecordsCrashed")
            ports.telemetry.warn("number left out of a WABA's event", **told_of(trouble))

    def settle(self, outcome: Outcome) -> Outcome:
        """Give the event back, or end it."""
        if self._ended:
            return outcome
        record, now = self.record, self._ports.clock.now()
        match outcome:
            case Done() if self._unresolved:
                outcome = self._leave(now)
            case PutOffUntil(waits=waits):
                record.give_back(now, counted=False, waits=waits)
            case AgainAt(waits=waits):
                record.give_back(now, counted=True, waits=waits)
            case GivenUp(code=code):
                self._ports.queue.bury_event(record.raw, "utf-8", code, record.hub)
                self._ports.telemetry.count("EventsGivenUp")
                record.end(Ended.GIVEN_UP, reason=code)
            case Done():
                pass
        self._commit()
        if self._unresolved and isinstance(outcome, Done) and not self._event.is_metas:
            _wake_those_who_wait(self._ports, self._event.channel)
        return outcome

    def _commit(self) -> None:
        try:
            self._ports.store.commit(self.record)
        except Conflict as lost:
            raise LeaseLost(self.record.id) from lost

    def _leave(self, now: datetime) -> Outcome:
        """It found no number: once more a little later, then it stays in the ledger."""
        self.record.tries += 1
        self.record.end(Ended.UNRESOLVED)
        if self.record.tries == 1:
            return PutOffUntil(now + ONCE_MORE, "no number yet")
        if self._event.is_metas:
            # Of accounts that have no number here, or none yet: nothing is amiss.
            self._ports.telemetry.count("EventsStored")
            return Done()
        self._ports.telemetry.count("EventsUnresolved")
        self._ports.telemetry.info("no number for an event; it stays in the ledger", **self.fields)
        return Done()

    def _apply(self, phone_number_id: str) -> bool:
        """Write what the event changes, and its end. False when it has come before its channel is known."""
        heard = Heard.EARLY
        fresh = True

        def edit(number: Number) -> list[EventRecord]:
            nonlocal heard, fresh
            if not fresh:
                self._reload()
            fresh = False
            heard = life.hear(number, self._event, self._ports.clock.now(), self._ports.rules.look_after)
            if heard is Heard.EARLY:
                return []
            # A copy: when this write fails, the event has not acted.
            ended = self.record.model_copy(deep=True)
            ended.end(Ended(heard.value), number.phone_number_id)
            if number.erased_at is not None:
                # Its person was forgotten: what it says of them is not kept.
                ended.erase(self._ports.clock.now())
            return [ended]

        number = change_number(self._ports, phone_number_id, edit)
        if heard is Heard.EARLY:
            return False
        self._ended = True
        if heard is Heard.APPLIED:
            self._ports.telemetry.count("EventsApplied", event=self._event.name)
        wake(self._ports, number)
        return True

    def _reload(self) -> None:
        """Somebody has written first: go on only with an event that is still ours."""
        stored = self._ports.store.read(EventRecord, *self.record.identity)
        if stored is None and self._again:
            raise LeaseLost(self.record.id)
        if stored is None:
            stored = self._new()
            stored.lend(self._owner, self._ports.clock.now())
        stored.require_lease(self._owner)
        self.record = stored


def _wake_those_who_wait(ports: Ports, channel: Channel) -> None:
    """A channel nobody knows has stirred: look up its WABA's numbers that have none, or take a census."""
    waiting: list[str] = []
    if channel.waba_id is not None:
        waiting = list(ports.store.numbers_at(waba_place(ports.hub, channel.waba_id), CANDIDATES))
        if not waiting:
            return
    if channel.waba_id is None or len(waiting) > WOKEN:
        ports.queue.wake_census(ports.hub, ports.clock.now())
        return

    def look_now(number: Number) -> None:
        if number.next_step is not Step.LOOK or number.channel_id is not None:
            return
        life.overtake(number)
        if not number.is_held(ports.clock.now()):
            number.due_at = ports.clock.now()

    wake(ports, *(change_number(ports, phone_number_id, look_now) for phone_number_id in waiting))
