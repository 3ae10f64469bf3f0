"""One wake-up for one number: take its lease, do its next step, write down what came of it."""

from collections.abc import Callable, Mapping
from typing import Final

from onramp.domain.errors import (
    FAILURES,
    Ambiguous,
    LeaseLost,
    Permanent,
    Problem,
    PutOff,
    Throttled,
    UpstreamError,
)
from onramp.domain.partner_events import Channel
from onramp.domain.schedule import SETTLE, next_attempt
from onramp.domain.signup import Number, Signup
from onramp.domain.states import Progress, Step
from onramp.ports import Submission
from onramp.usecases.apply_partner_event import take_up
from onramp.usecases.changing import change, pointer_to
from onramp.usecases.connect_channel import connect_channel
from onramp.usecases.find_client import find_or_make_client
from onramp.usecases.onboarding import (
    PATIENCE,
    Connect,
    Run,
    carry_on,
    rest,
    schedule_next,
    take_lease,
    wake,
)
from onramp.usecases.submit_number import take_up_again


def onboard_number(ports: Connect, signup_id: str, phone_number_id: str, *, retry: bool = False) -> None:
    """Do the next step of a number, if it is due and nobody else is at it.

    `retry` (a job redriven from the dead letters) clears a failure that a retry may mend. Raises `PutOff`
    when the same message has to come again at a later time; everything else ends in the record.
    """
    signup = ports.follow.store.load(signup_id)
    number = signup.number(phone_number_id) if signup else None
    if signup is None or number is None:
        ports.follow.telemetry.warn("job for an unknown number", signup_id=signup_id)
        return
    if retry and number.failure and number.failure.retryable:
        signup = change(ports.follow.store, signup_id, _revive(ports, phone_number_id))
    elif number.next_step is Step.SUBMIT and signup.waba is not None:
        take_up(ports.follow, f"WABA#{signup.waba.id}")
    run = _begin(ports, signup_id, phone_number_id)
    if run is None:
        return
    crashed = run.number.attempts > len(ports.follow.retry_seconds) + 1
    _finish(run, _Again("internal_error", intent_stands=True) if crashed else _attempt(run))


def _revive(ports: Connect, phone_number_id: str) -> Callable[[Signup], None]:
    def edit(signup: Signup) -> None:
        number = signup.must_number(phone_number_id)
        if number.failure:
            take_up_again(signup, number, ports.follow.clock)

    return edit


def _begin(ports: Connect, signup_id: str, phone_number_id: str) -> Run | None:
    """Take the lease, or None when nothing is to be done. Raises `PutOff`."""
    clock = ports.follow.clock
    owner = clock.new_id()
    taken: list[Step] = []

    def edit(stored: Signup) -> None:
        taken.clear()
        now = clock.now()
        number = stored.must_number(phone_number_id)
        step = number.next_step
        if step not in {Step.SUBMIT, Step.CONNECT} or number.due_at is None:
            return
        held = number.held_by_other(owner, now)
        if held:
            raise PutOff(min(held.until, now + 5 * PATIENCE), "another run is at it")
        if number.lease is None and number.due_at > now:
            if number.due_at - now > PATIENCE:
                raise PutOff(number.due_at, "not due yet")
            clock.sleep((number.due_at - now).total_seconds())
        take_lease(number, owner, clock.now())
        taken.append(step)

    signup = change(ports.follow.store, signup_id, edit)
    if not taken:
        return None
    number = signup.must_number(phone_number_id)
    return Run(ports, signup, phone_number_id, owner, taken[0], number.doubts)


class _Again:
    """The attempt failed and may be made again."""

    def __init__(self, code: str, *, intent_stands: bool) -> None:
        self.code = code
        self.intent_stands = intent_stands


type _Outcome = PutOff | Permanent | _Again | None


def _attempt(run: Run) -> _Outcome:
    """Run the step; what it raised is the outcome."""
    telemetry = run.ports.follow.telemetry
    try:
        _STEPS[run.step](run)
    except LeaseLost:
        telemetry.warn("lease lost", signup_id=run.signup.id, number=run.phone_number_id)
    except Throttled as trouble:
        return rest(run.ports.follow, trouble)
    except (PutOff, Permanent) as outcome:
        return outcome
    except UpstreamError as trouble:
        telemetry.warn(
            "attempt failed",
            signup_id=run.signup.id,
            number=run.phone_number_id,
            code=trouble.code,
            status=trouble.status,
            reference=trouble.reference,
        )
        return _Again(trouble.code, intent_stands=isinstance(trouble, Ambiguous))
    except Problem as trouble:
        return PutOff(run.now + PATIENCE, trouble.code)
    except Exception as trouble:  # noqa: BLE001 - whatever it is, it must reach the record
        telemetry.warn(
            "attempt crashed",
            signup_id=run.signup.id,
            number=run.phone_number_id,
            error=type(trouble).__name__,
        )
        return _Again("internal_error", intent_stands=True)
    return None


def _finish(run: Run, outcome: _Outcome) -> None:
    """Write the outcome and give the lease back. Raises the `PutOff` of what has to come again."""
    if outcome is None:
        wake(run.ports.follow, run.signup)
        return
    try:
        if isinstance(outcome, PutOff):
            _wait(run, outcome)
            raise outcome
        code = outcome.code if outcome.code in FAILURES else "internal_error"
        if isinstance(outcome, _Again):
            planned = _plan(run, code, intent_stands=outcome.intent_stands)
            if planned is not None:
                raise planned
            run.ports.follow.queue.bury_job(run.signup.id, run.phone_number_id, code)
        _give_up(run, code)
    except LeaseLost:
        run.ports.follow.telemetry.info("lease was taken over", signup_id=run.signup.id)


def _wait(run: Run, wait: PutOff) -> None:
    def edit(_: Signup, number: Number) -> None:
        number.lease = None
        number.attempts -= 1
        number.due_at = wait.until

    run.write(edit)


def _plan(run: Run, code: str, *, intent_stands: bool) -> PutOff | None:
    """The next attempt, or None when the schedule is exhausted."""
    follow = run.ports.follow
    at = next_attempt(run.number.attempts, run.now, follow.clock.draw, follow.retry_seconds)
    if at is None:
        return None

    def edit(signup: Signup, number: Number) -> None:
        number.lease = None
        number.due_at = at
        if not intent_stands:
            number.intent = None
        signup.note("number.attempt_failed", run.now, number, code)

    run.write(edit)
    return PutOff(at, code)


def _give_up(run: Run, code: str) -> None:
    step = run.step

    def edit(signup: Signup, number: Number) -> None:
        number.intent = None if step is Step.SUBMIT else number.intent
        signup.fail(number, code, step, run.now)

    run.write(edit)
    run.ports.follow.telemetry.count("NumbersFailed", code=code)
    if code == "partner_configuration":
        run.ports.follow.telemetry.count("PartnerConfigurationErrors")
    wake(run.ports.follow, run.signup)


def _submit(run: Run) -> None:
    """Hand the number to 360dialog, once: an unanswered submission is settled by looking first."""
    client_id = find_or_make_client(run)
    intent = run.number.intent
    if intent is not None:
        channel = _find_channel(run, client_id)
        if channel is not None:
            _adopt(run, channel)
            return
        if run.now < intent.at + SETTLE:
            raise PutOff(intent.at + SETTLE, "an unanswered submission may still appear")
    waba = run.signup.waba
    if waba is None:  # pragma: no cover - a number is wanted only after the proof
        raise AssertionError("no WABA")

    def gate() -> None:
        run.gate()
        run.intend()

    run.ports.follow.partner.submit_number(
        Submission(
            waba_id=waba.id,
            business_id=waba.business_id,
            client_id=client_id,
            plan_tier=run.number.plan_tier or run.signup.plan_tier,
            phone_number_id=run.phone_number_id,
        ),
        gate,
    )
    _submitted(run)


def _submitted(run: Run) -> None:
    now = run.now

    def edit(signup: Signup, number: Number) -> None:
        _step_done(number)
        signup.advance(number, Progress.SUBMITTED, now)
        schedule_next(run.ports.follow, number, now)

    run.write(edit)


def _adopt(run: Run, channel: Channel) -> None:
    now = run.now

    def edit(signup: Signup, number: Number) -> None:
        _step_done(number)
        signup.advance(number, Progress.SUBMITTED, now)
        carry_on(run.ports.follow, signup, number, channel, now)

    pointer = (channel.id, pointer_to(run.signup, run.number)) if channel.id else None
    run.write(edit, channel=pointer)


def _step_done(number: Number) -> None:
    number.intent = None
    number.lease = None
    number.attempts = 0


def _find_channel(run: Run, client_id: str) -> Channel | None:
    """The living channel an unanswered submission has made, if it shows already."""
    waba_id = run.signup.waba.id if run.signup.waba else None
    for channel in run.ports.follow.partner.list_channels(client_id, run.gate):
        ours = channel.digits == run.number.digits and channel.waba_id in {waba_id, None}
        if ours and not channel.dead:
            return channel
    return None


_STEPS: Final[Mapping[Step, Callable[[Run], None]]] = {Step.SUBMIT: _submit, Step.CONNECT: connect_channel}
