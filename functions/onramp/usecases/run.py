"""One run of one number's next step: the number as last stored, and the right to change it.

A run holds a lease on its number that outlives the function, so that a holder is dead when it runs out.
Everything a run writes is refused once the lease is somebody else's.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from onramp.domain import number as life
from onramp.domain.errors import PutOff
from onramp.domain.number import Listing, Number
from onramp.domain.states import Step
from onramp.ports import Ports
from onramp.ports.upstreams import Gate
from onramp.usecases.budgeting import STORAGE_PAUSE, live_gate, spare_gate
from onramp.usecases.changing import Along, change_number, take_up

NEARLY_OVER: Final = timedelta(seconds=20)
"""No call goes out when the lease has only so much left."""

type Edit = Callable[[Number], None]
type Finish = Callable[[Number, datetime], None]


def _nothing(_number: Number, _now: datetime) -> None:
    return


class Run:
    """What a step is given, as seen from its number's hub.

    `finish` is what a done step writes together with the end of the lease. `listing` is where a listing of
    this run has come to, for the next run when the budget cuts it. `learnt` is what the run has found out and
    every later write keeps. `strays` are channels of the WABA that may be the number's, `returned` are
    channels of an earlier life that a list shows alive, `waba_client` is the client that 360dialog has the
    WABA under.
    """

    number: Number
    step: Step
    began: datetime

    def __init__(self, ports: Ports, phone_number_id: str, owner: str, *, retry: bool = False) -> None:
        self.ports = ports
        self.phone_number_id = phone_number_id
        self.owner = owner
        self.finish: Finish = _nothing
        self.learnt: list[Edit] = []
        self.strays: list[str] = []
        self.returned: list[str] = []
        self.waba_client: str | None = None
        self.listing: Listing | None = None
        self.doubts = 0
        self._retry = retry
        self._unsent: datetime | None = None

    @property
    def now(self) -> datetime:
        """The time."""
        return self.ports.clock.now()

    @property
    def fields(self) -> dict[str, str | float | None]:
        """For log lines."""
        number = self.number
        return {"signup_id": number.signup_id, "number": number.phone_number_id, "step": self.step}

    def take(self) -> bool:
        """Take the number's lease; False when it needs nothing. Raises `PutOff`."""
        taken: list[Step] = []

        def edit(number: Number) -> None:
            taken.clear()
            self.ports = self.ports.at(number.hub)
            if self._retry and life.can_retry(number):
                life.retry(number, self.now)
            early = (number.due_at - self.now) if number.due_at and number.lease is None else timedelta(0)
            step = life.take(number, self.owner, self.now)
            if step is not None:
                self.ports.clock.sleep(max(early.total_seconds(), 0))
                taken.append(step)

        self.number = change_number(self.ports, self.phone_number_id, edit)
        if not taken:
            return False
        self.step = taken[0]
        self.began = self.now
        self.doubts = self.number.doubts
        self.listing = self.number.listing
        return True

    def write(self, edit: Edit) -> None:
        """Change the number under the lease. Raises `LeaseLost` and writes nothing when it is lost."""

        def fenced(number: Number) -> None:
            number.require_lease(self.owner)
            self.keep(number)
            edit(number)

        self.number = change_number(self.ports, self.phone_number_id, fenced)

    def keep(self, number: Number) -> None:
        """Put into a number what the run has found out."""
        for edit in self.learnt:
            edit(number)

    def hear_ledger(self) -> bool:
        """Let events that wait for this channel act first; says whether the step is still the next."""
        if self.number.channel_id is None:
            return True
        place = self.number.place

        def edit(number: Number) -> Along:
            number.require_lease(self.owner)
            return take_up(self.ports, number, place)

        if self.ports.store.ledger(place, 1):
            self.number = change_number(self.ports, self.phone_number_id, edit)
        return self.number.next_step is self.step

    def intend(self, client_id: str) -> None:
        """Write down that the submission is about to be sent."""
        now = self.now
        self.write(lambda number: life.intend(number, client_id, now))
        self._unsent = now

    def withdraw(self, number: Number) -> None:
        """Take an intent back whose call surely never went out."""
        if self._unsent is not None and number.intent is not None and number.intent.at == self._unsent:
            number.intent = None

    @property
    def gate(self) -> Gate:
        """One slot of the partner budget for each call, or `PutOff`."""
        urgent = life.urgent_until(self.number)
        return self._guarded(live_gate(self.ports, self.phone_number_id, urgent))

    @property
    def spare_gate(self) -> Gate:
        """The same, giving way to live signups."""
        return self._guarded(spare_gate(self.ports))

    def submission_gate(self, client_id: str) -> Gate:
        """Intent first, slot last: then the call goes out, and whatever comes of it, it was sent."""
        slot = self.gate

        def gate() -> None:
            self.intend(client_id)
            slot()
            self._unsent = None

        return gate

    def _guarded(self, slot: Gate) -> Gate:
        def gate() -> None:
            lease = self.number.lease
            if lease is None or self.now > lease.until - NEARLY_OVER:
                raise PutOff(self.now + STORAGE_PAUSE, "lease nearly over")
            slot()

        return gate
