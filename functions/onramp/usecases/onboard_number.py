"""One wake-up for one number: take its lease, do its next step, write down what came of it."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from onramp.domain.errors import (
    FAILURES,
    LeaseLost,
    Permanent,
    Problem,
    PutOff,
    Throttled,
    Transient,
    UpstreamError,
)
from onramp.domain.partner_events import Channel
from onramp.domain.schedule import SETTLE, next_attempt
from onramp.domain.signup import Number, Signup
from onramp.domain.states import Progress, Step
from onramp.ports import NumberTaken, Submission
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
        try:
            claims = [pointer_to(signup, number)]
            signup = change(ports.follow.store, signup_id, _revive(ports, phone_number_id), claims=claims)
        except NumberTaken:
            ports.follow.telemetry.warn("a later signup has the number", signup_id=signup_id)
            return
    elif number.next_step is Step.SUBMIT and signup.waba is not None:
        take_up(ports.follow, f"WABA#{signup.waba.id}")
    run = _begin(ports, signup_id, phone_number_id)
    if run is None:
        return
    crashed = run.number.attempts > len(ports.follow.retry_seconds) + 1
    _finish(run, _Again("internal_error") if crashed else _attempt(run))


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
        if not number.is_held(now) and number.due_at > now:
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

    def __init__(self, code: str) -> None:
        self.code = code


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
        return _Again(trouble.code)
    except Problem as trouble:
        return PutOff(run.now + PATIENCE, trouble.code)
    except Exception as trouble:  # noqa: BLE001 - whatever it is, it must reach the record
        telemetry.warn(
            "attempt crashed",
            signup_id=run.signup.id,
            number=run.phone_number_id,
            error=type(trouble).__name__,
        )
        return _Again("internal_error")
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
            at = next_attempt(
                run.number.attempts, run.now, run.ports.follow.clock.draw, run.ports.follow.retry_seconds
            )
            if at is not None:
                _plan(run, code, at)
                return
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


def _plan(run: Run, code: str, at: datetime) -> None:
    """Write down the next attempt. Raises its `PutOff`, unless events have led past the step meanwhile."""

    def edit(signup: Signup, number: Number) -> None:
        number.lease = None
        number.due_at = at
        signup.note("number.attempt_failed", run.now, number, code)

    if _unless_past(run, edit):
        raise PutOff(at, code)


def _give_up(run: Run, code: str) -> None:
    def edit(signup: Signup, number: Number) -> None:
        signup.fail(number, code, run.step, run.now)

    if not _unless_past(run, edit):
        return
    run.ports.follow.telemetry.count("NumbersFailed", code=code)
    if code == "partner_configuration":
        run.ports.follow.telemetry.count("PartnerConfigurationErrors")
    wake(run.ports.follow, run.signup)


def _unless_past(run: Run, edit: Callable[[Signup, Number], None]) -> bool:
    """Write a failed step's end, unless events have led the number past it: then it simply goes on."""
    past = False

    def decide(signup: Signup, number: Number) -> None:
        nonlocal past
        past = number.next_step is not run.step
        if past:
            _step_done(number)
            schedule_next(run.ports.follow, number, run.now)
        else:
            edit(signup, number)

    run.write(decide)
    if past:
        wake(run.ports.follow, run.signup)
    return not past


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

    submission = Submission(
        waba_id=waba.id,
        business_id=waba.business_id,
        client_id=client_id,
        plan_tier=run.number.plan_tier or run.signup.plan_tier,
        phone_number_id=run.phone_number_id,
    )
    try:
        run.ports.follow.partner.submit_number(submission, gate)
    except (Permanent, Transient):
        # Only this call's own refusal says that nothing was submitted; any other failure leaves it open.
        run.write(_forget_intent)
        raise
    _submitted(run)


def _forget_intent(_: Signup, number: Number) -> None:
    number.intent = None


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
    if channel.id:
        take_up(run.ports.follow, f"CHANNEL#{channel.id}")


def _step_done(number: Number) -> None:
    number.intent = None
    number.lease = None
    number.attempts = 0


def _find_channel(run: Run, client_id: str) -> Channel | None:
    """The living channel an unanswered submission has made, if it shows already."""
    waba_id = run.signup.waba.id if run.signup.waba else None
    nameless = False
    for channel in run.ports.follow.partner.list_channels(client_id, run.gate):
        ours = channel.digits == run.number.digits and channel.waba_id in {waba_id, None}
        if ours and not channel.dead:
            return channel
        nameless = nameless or (not (channel.digits or channel.dead) and channel.waba_id == waba_id)
    if nameless:
        raise PutOff(run.now + SETTLE, "a channel of the WABA has no phone number yet")
    return None


_STEPS: Final[Mapping[Step, Callable[[Run], None]]] = {Step.SUBMIT: _submit, Step.CONNECT: connect_channel}
