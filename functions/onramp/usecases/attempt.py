"""The one loop for every kind of work: take it (lease, attempt counted), do it, write down what came of it.

    take ──► do ──► done              the work is over, or its next step is planned
                ├─► put off until     no room now; counted only when waiting has lasted an hour
                ├─► again at          it failed and is made again, by the schedule
                └─► given up          it cannot help to ask again, or the schedule is exhausted

An outcome is a value. What an error means is decided here and nowhere else.
"""

from datetime import datetime, timedelta
from typing import Final, Protocol

from onramp.domain.crashes import told_of
from onramp.domain.errors import LeaseLost, Permanent, PutOff, Throttled, UnavailableError, UpstreamError
from onramp.domain.records import Worked
from onramp.domain.schedule import LONGEST_PUT_OFF, next_attempt
from onramp.domain.values import dataclass
from onramp.ports import Ports
from onramp.usecases.budgeting import rest

LOOK_AFTER_LOSS: Final = timedelta(seconds=30)
"""When a run whose lease ran out looks whether the other one has finished."""


@dataclass(frozen=True, slots=True)
class Done:
    """Nothing has to come again."""


@dataclass(frozen=True, slots=True)
class PutOffUntil:
    """The same again at `at`, without an attempt used up. `waits`: one of those waits that end some day."""

    at: datetime
    reason: str
    waits: bool = False


@dataclass(frozen=True, slots=True)
class AgainAt:
    """The attempt failed with `code`; the next one is at `at`. `waits`: it was a put-off that counts."""

    at: datetime
    code: str
    waits: bool = False


@dataclass(frozen=True, slots=True)
class GivenUp:
    """No more attempts. `exhausted`: the schedule has ended, else the upstream has refused for good."""

    code: str
    status: int | None = None
    exhausted: bool = False


type Outcome = Done | PutOffUntil | AgainAt | GivenUp


class Work(Protocol):
    """A thing that is worked on: a number's step, an event, a client, a census."""

    @property
    def record(self) -> Worked:
        """The record as last stored."""

    @property
    def fields(self) -> dict[str, str | float | None]:
        """What a log line about it says: ids only."""

    def take(self) -> bool:
        """Take the record and count the attempt; False when nothing is to be done. Raises `PutOff`."""

    def do(self) -> None:
        """Do it. Whatever it raises becomes an outcome."""

    def settle(self, outcome: Outcome) -> Outcome:
        """Write the outcome down and give the record back; gives what became of it. Raises `LeaseLost`."""


def attempt(ports: Ports, work: Work) -> Outcome:
    """Make one attempt, as seen from the record's own hub.

    Raises what storage raises: then nothing is known, and the message comes back. `UnknownHub`.
    """
    try:
        if not work.take():
            return Done()
    except PutOff as wait:
        ports.telemetry.info("put off", reason=wait.reason)
        return PutOffUntil(wait.until, wait.reason)
    ports = ports.at(work.record.hub)
    try:
        outcome = work.settle(_outcome(ports, work))
    except LeaseLost:
        ports.telemetry.warn("lease lost", **work.fields)
        return PutOffUntil(ports.clock.now() + LOOK_AFTER_LOSS, "another run has taken over")
    if isinstance(outcome, PutOffUntil):
        ports.telemetry.info("put off", reason=outcome.reason, **work.fields)
    return outcome


def comes_back(outcome: Outcome) -> datetime | None:
    """When the wake-up has to come again, if it has to."""
    return outcome.at if isinstance(outcome, PutOffUntil | AgainAt) else None


def _outcome(ports: Ports, work: Work) -> Outcome:
    """Do the work; what it raised is the outcome."""
    if work.record.attempts > len(ports.rules.retry_seconds) + 1:
        # Every run so far died before it could say why.
        return GivenUp("internal_error", exhausted=True)
    try:
        work.do()
    except LeaseLost:
        raise
    except UpstreamError as trouble:
        return _refused(ports, work, trouble)
    except PutOff as wait:
        return _put_off(ports, work, wait)
    except UnavailableError as trouble:
        ports.telemetry.count("ServicesUnavailable")
        ports.telemetry.warn("a service does not answer", unavailable=str(trouble), **work.fields)
        return _again(ports, work, "internal_error")
    except Exception as trouble:  # noqa: BLE001 - whatever it is, it must reach the record
        ports.telemetry.count("RecordsCrashed")
        ports.telemetry.warn("attempt crashed", **told_of(trouble), **work.fields)
        return _again(ports, work, "internal_error")
    return Done()


def _refused(ports: Ports, work: Work, trouble: UpstreamError) -> Outcome:
    """An upstream did not give what was asked."""
    if isinstance(trouble, Throttled):
        return _put_off(ports, work, rest(ports, trouble, everybody=work.record.waiting_since is None))
    if isinstance(trouble, Permanent):
        _tell(ports, work, "refused for good", trouble)
        return GivenUp(trouble.code, trouble.status)
    _tell(ports, work, "attempt failed", trouble)
    return _again(ports, work, trouble.code, trouble.status)


def _tell(ports: Ports, work: Work, message: str, trouble: UpstreamError) -> None:
    ports.telemetry.warn(
        message, code=trouble.code, status=trouble.status, reference=trouble.reference, **work.fields
    )


def _put_off(ports: Ports, work: Work, wait: PutOff) -> Outcome:
    """A wait; after an hour of bounded ones each is an attempt, so that there is an end."""
    since = work.record.waiting_since
    if not wait.bounded:
        return PutOffUntil(wait.until, wait.reason)
    if since is None or ports.clock.now() - since < LONGEST_PUT_OFF:
        return PutOffUntil(wait.until, wait.reason, waits=True)
    return _again(ports, work, wait.code, not_before=wait.until)


def _again(
    ports: Ports, work: Work, code: str, status: int | None = None, *, not_before: datetime | None = None
) -> Outcome:
    now = ports.clock.now()
    at = next_attempt(work.record.attempts, now, ports.clock.draw, ports.rules.retry_seconds)
    if at is None:
        return GivenUp(code, status, exhausted=True)
    return AgainAt(max(at, not_before or at), code, waits=not_before is not None)
