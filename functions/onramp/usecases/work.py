"""One wake-up for one number: take its lease, do its next step, write down what came of it.

| step      | does                                                  | module    |
|-----------|-------------------------------------------------------|-----------|
| `submit`  | hands the number to 360dialog, once                   | `submit`  |
| `look`    | reads its channel, for events that never came         | `look`    |
| `connect` | makes the channel's key, sets its webhook, proves both | `connect` |
| `check`   | proves a connected number, each day                    | `check`   |
| `cancel`, `reactivate` | ends the channel at 360dialog, or undoes that | `ending` |
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from onramp.domain import number as life
from onramp.domain.errors import FAILURES, Problem, UnknownHub, Unreadable
from onramp.domain.states import Step
from onramp.ports import Ports
from onramp.usecases.attempt import AgainAt, Done, GivenUp, Outcome, PutOffUntil, attempt, comes_back
from onramp.usecases.changing import change_number, wake
from onramp.usecases.check import check
from onramp.usecases.connect import connect
from onramp.usecases.ending import cancel, reactivate
from onramp.usecases.look import look
from onramp.usecases.run import Run
from onramp.usecases.submit import submit

_STEPS: Final[Mapping[Step, Callable[[Run], None]]] = {
    Step.SUBMIT: submit,
    Step.LOOK: look,
    Step.CONNECT: connect,
    Step.CHECK: check,
    Step.CANCEL: cancel,
    Step.REACTIVATE: reactivate,
}
_WISHES: Final = {Step.CANCEL, Step.REACTIVATE}
_BESIDE: Final = {Step.CHECK, *_WISHES}
"""Steps that are none of a number's way: one that is given up fails no number."""


def work_on_number(ports: Ports, phone_number_id: str, *, retry: bool = False) -> datetime | None:
    """Do the next step of a number, if it is due and nobody else is at it.

    `retry` (a job redriven from the dead letters, or an operator's) clears a failure that a retry may mend,
    and proves a connected number that has drifted. Gives the time at which the same message has to come
    again, if it has to; everything else ends in the record.
    """
    try:
        return comes_back(
            attempt(ports, NumberWork(Run(ports, phone_number_id, ports.clock.new_id(), retry=retry)))
        )
    except Problem:
        ports.telemetry.warn("job for an unknown number", number=phone_number_id)
    except (Unreadable, UnknownHub) as trouble:
        # The sweep wakes it again and again; the metric rings for a person.
        ports.telemetry.count("RecordsCrashed")
        message = "number of an unknown hub" if isinstance(trouble, UnknownHub) else "record cannot be read"
        ports.telemetry.warn(message, number=phone_number_id, record=str(trouble))
    return None


class NumberWork:
    """The next step of a number as `attempt` wants it."""

    def __init__(self, run: Run) -> None:
        self._run = run

    @property
    def record(self) -> life.Number:
        """The number as last stored."""
        return self._run.number

    @property
    def fields(self) -> dict[str, str | float | None]:
        """Which number it is, and in which step."""
        return self._run.fields

    def take(self) -> bool:
        """See `Work.take`."""
        return self._run.take()

    def do(self) -> None:
        """The step."""
        _STEPS[self._run.step](self._run)

    def settle(self, outcome: Outcome) -> Outcome:
        """See `Work.settle`."""
        run = self._run
        settled = outcome

        def edit(number: life.Number) -> None:
            nonlocal settled
            number.require_lease(run.owner)
            settled = _write_down(run, number, outcome)
            number.overtaken = False

        if isinstance(outcome, GivenUp) and outcome.exhausted:
            # First, so that a crash behind it leaves a dead letter too many and never one too few.
            run.ports.queue.bury_number(run.phone_number_id, outcome.code)
        before = run.number
        run.number = change_number(run.ports, run.phone_number_id, edit)
        _tell(run, before, settled)
        if isinstance(settled, Done | GivenUp):
            wake(run.ports, run.number)
        return settled


def _write_down(run: Run, number: life.Number, outcome: Outcome) -> Outcome:
    """Put the outcome into the number, unless events have led it past the step: then it simply goes on."""
    now = run.now
    run.keep(number)
    run.withdraw(number)
    if (run.step in _WISHES or not isinstance(outcome, Done)) and number.next_step is not run.step:
        outcome = Done()
        run.finish = _past
    if isinstance(outcome, GivenUp | AgainAt) and number.overtaken:
        # What has failed is not what is wanted now.
        life.go_on(number, now)
        number.listing = run.listing
        return PutOffUntil(now, "taken up again meanwhile")
    if isinstance(outcome, GivenUp | AgainAt) and _permitted_meanwhile(run, number, outcome.code):
        outcome = PutOffUntil(now, "the permission has just come")
    match outcome:
        case Done():
            number.begin_anew()
            run.finish(number, now)
            life.schedule(number, now, run.ports.rules.look_after)
            life.look_again(number, now)
        case PutOffUntil(at=at, waits=waits):
            life.put_off(number, at, now, waits=waits)
            number.listing = run.listing
        case AgainAt(at=at, code=code, waits=waits):
            life.plan_again(number, code, at, now, waits=waits)
            number.listing = run.listing
        case GivenUp():
            _give_up(run, number, outcome, now)
    return outcome


def _give_up(run: Run, number: life.Number, outcome: GivenUp, now: datetime) -> None:
    """No more attempts: the number fails, or goes on where the step was none of its way."""
    code = outcome.code if outcome.code in FAILURES else "internal_error"
    if run.step is Step.CONNECT and number.key_wanted:
        # Only the new key could not be had: whether the stored one still works, the next run proves.
        run.ports.telemetry.warn("no new key", code=code, **run.fields)
        life.keep_key(number)
        life.schedule(number, now, run.ports.rules.look_after)
        return
    if run.step not in _BESIDE:
        life.fail(number, code, run.step, now, outcome.status)
        return
    number.begin_anew()
    if run.step in _WISHES:
        life.refuse(number, code, now)
    else:
        # What cannot be proved today is proved tomorrow: messages flow, as far as anybody knows.
        life.answered(number)
    life.schedule(number, now, run.ports.rules.look_after)


def _past(number: life.Number, _: datetime) -> None:
    number.intent = None
    number.listing = None


def _permitted_meanwhile(run: Run, number: life.Number, code: str) -> bool:
    """Whether the client has granted what was missing while our call was under way."""
    at = number.permission_at
    return code == "permission_missing" and at is not None and at >= run.began


def _tell(run: Run, before: life.Number, outcome: Outcome) -> None:
    """Count what became of the number."""
    telemetry = run.ports.telemetry
    if run.step is Step.LOOK and run.number.progress != before.progress:
        telemetry.count("NumbersHealed")
    if not isinstance(outcome, GivenUp):
        return
    failure = run.number.failure
    code = failure.code if failure else outcome.code
    if failure is not None and run.step not in _BESIDE:
        telemetry.count("NumbersFailed", code=code)
    if code == "partner_configuration":
        telemetry.count("PartnerConfigurationErrors")
