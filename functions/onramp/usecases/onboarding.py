"""What the steps behind the queue share: their ports, and one run of one number's next step.

A run holds a lease on its number that outlives the function, so that a holder is dead when it runs out.
Everything a run writes is refused once the lease is somebody else's.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from onramp.domain.errors import BudgetUnavailable, PutOff, Throttled
from onramp.domain.partner_events import Channel
from onramp.domain.schedule import RETRY_SECONDS
from onramp.domain.signup import Intent, Lease, Number, Signup
from onramp.domain.states import Progress, Step
from onramp.ports import (
    BudgetStore,
    Bus,
    ChannelWebhook,
    ClientStore,
    Clock,
    EventStore,
    Gate,
    Messaging,
    Partner,
    Pointer,
    Queue,
    SignupStore,
    Telemetry,
    UnavailableError,
    Vault,
)
from onramp.usecases.changing import change, publish

LEASE: Final = timedelta(seconds=90)
"""Longer than the workers' timeout of 60 s."""
PATIENCE: Final = timedelta(seconds=2)
"""So long a run waits inside the function, because a queue counts whole seconds."""
STORAGE_PAUSE: Final = timedelta(seconds=5)
THROTTLE_PAUSE: Final = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Follow:
    """The ports with which numbers are followed: all that 360dialog's events and channels need."""

    store: SignupStore
    events: EventStore
    budget: BudgetStore
    queue: Queue
    bus: Bus
    partner: Partner
    clock: Clock
    telemetry: Telemetry
    retry_seconds: Sequence[int] = RETRY_SECONDS
    reconcile_after: timedelta = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Connect:
    """What submitting and connecting need beside `Follow`."""

    follow: Follow
    clients: ClientStore
    vault: Vault
    messaging: Messaging
    webhook: ChannelWebhook


def budget_gate(ports: Follow, job: str) -> Gate:
    """A gate that lets one request through when the partner budget has room, else raises `PutOff`.

    A slot that is due within `PATIENCE` is waited for. Storage trouble closes the gate.
    """

    def gate() -> None:
        while True:
            now = ports.clock.now()
            try:
                slot = ports.budget.take(job, now)
            except BudgetUnavailable as trouble:
                raise PutOff(now + STORAGE_PAUSE, "budget unavailable") from trouble
            if slot is None:
                ports.telemetry.count("BudgetUsed")
                return
            if slot - now > PATIENCE:
                ports.telemetry.count("BudgetWaited", (slot - now).total_seconds())
                raise PutOff(slot, "budget")
            ports.clock.sleep((slot - now).total_seconds())

    return gate


def rest(ports: Follow, trouble: Throttled) -> PutOff:
    """360dialog said 429: everybody pauses, and so does the caller, without using up an attempt."""
    now = ports.clock.now()
    ports.telemetry.count("PartnerThrottled")
    try:
        ports.budget.push_back(now, trouble.retry_after)
    except BudgetUnavailable:
        ports.telemetry.warn("the pause could not be stored")
    pause = timedelta(seconds=trouble.retry_after) if trouble.retry_after is not None else THROTTLE_PAUSE
    return PutOff(now + pause, "throttled")


def wake(ports: Follow, signup: Signup) -> Signup:
    """Send jobs for the numbers that are due and the events that wait; the sweep mends what fails here."""
    now = ports.clock.now()
    for number in signup.numbers:
        due = number.due_at is not None and number.due_at <= now
        if due and number.next_step in {Step.SUBMIT, Step.CONNECT} and not number.is_held(now):
            try:
                ports.queue.send_job(signup.id, number.phone_number_id)
            except UnavailableError:
                ports.telemetry.warn("queue did not take a job; the sweep sends it", signup_id=signup.id)
    return publish(ports.store, ports.bus, ports.telemetry, signup)


def carry_on(ports: Follow, signup: Signup, number: Number, channel: Channel, now: datetime) -> None:
    """Bring a number to where its channel is; edits the signup, see `adopt` for the pointer."""
    if number.channel_id is None:
        number.channel_id = channel.id
    signup.advance(number, channel.progress or Progress.CREATED, now)
    schedule_next(ports, number, now)


def schedule_next(ports: Follow, number: Number, now: datetime) -> None:
    """When the number has to be looked at again, after something moved it."""
    if number.next_step is Step.WAIT:
        number.due_at = now + ports.reconcile_after
    elif number.next_step is None:
        number.due_at = None
    elif not number.is_held(now):
        number.attempts = 0
        number.due_at = now


@dataclass(slots=True)
class Run:
    """One run of one step: the signup as last stored, and the right to change its number."""

    ports: Connect
    signup: Signup
    phone_number_id: str
    owner: str
    step: Step
    doubts: int

    @property
    def number(self) -> Number:
        """The number as last stored."""
        return self.signup.must_number(self.phone_number_id)

    @property
    def now(self) -> datetime:
        """The time."""
        return self.ports.follow.clock.now()

    @property
    def job(self) -> str:
        """The name under which the budget keeps this number's slot."""
        return f"{self.signup.id}/{self.phone_number_id}"

    def gate(self) -> None:
        """One slot of the partner budget, or `PutOff`."""
        lease = self.number.lease
        if lease is None or self.now > lease.until - timedelta(seconds=20):
            raise PutOff(self.now + STORAGE_PAUSE, "lease nearly over")
        budget_gate(self.ports.follow, self.job)()

    def write(
        self, edit: Callable[[Signup, Number], None], channel: tuple[str, Pointer] | None = None
    ) -> None:
        """Change the signup under the lease. Raises `LeaseLost` and writes nothing when it is lost."""

        def fenced(stored: Signup) -> None:
            number = stored.must_number(self.phone_number_id)
            number.require_lease(self.owner)
            edit(stored, number)

        self.signup = change(self.ports.follow.store, self.signup.id, fenced, channel=channel)

    def intend(self) -> None:
        """Write down that the step's call is about to be sent."""
        now = self.now

        def edit(signup: Signup, number: Number) -> None:
            number.intent = Intent(action=self.step, at=now)
            signup.advance(number, _UNDER_WAY[self.step], now)

        self.write(edit)


_UNDER_WAY: Final = {Step.SUBMIT: Progress.SUBMITTING, Step.CONNECT: Progress.CONNECTING}


def take_lease(number: Number, owner: str, now: datetime) -> None:
    """Make a number ours and count the attempt; a crash is found by the sweep when the lease is over."""
    number.lease = Lease(owner=owner, until=now + LEASE)
    number.attempts += 1
    number.due_at = now + LEASE
