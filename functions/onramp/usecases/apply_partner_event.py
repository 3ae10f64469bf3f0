"""One event of 360dialog's acts once: it is claimed, matched to a number, applied, or parked.

    channel known → that number;  else WABA and digits, read from the channel if the event lacks them;
    else parked until a number with these digits is submitted

What the event changes and the end of its claim are one write.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from onramp.domain.errors import LeaseLost, Permanent, PutOff, Throttled, Transient, UpstreamError
from onramp.domain.partner_events import Channel, PartnerEvent
from onramp.domain.schedule import next_attempt
from onramp.domain.signup import Number, Signup
from onramp.domain.states import Effect, EventRule, Step
from onramp.ports import Conflict, EventClaim, Pointer
from onramp.usecases.changing import change
from onramp.usecases.onboarding import Follow, budget_gate, rest, schedule_next, wake

LOOK_AGAIN: Final = (timedelta(minutes=5), timedelta(hours=1), timedelta(hours=24))
"""How old a parked event is when it is looked at again; at the last look it is reported."""
READS_BEFORE_PARKING: Final = 3
"""At live a channel's phone number may be empty for a while: so often it is read before the event waits."""

HELD_PAUSE: Final = timedelta(seconds=10)
LOOK_AFTER_LOSS: Final = timedelta(seconds=30)
"""When a run whose claim ran out looks whether the other one has finished."""

_SEVERITY: Final = ("account_violation", "account_restriction")


def apply_partner_event(ports: Follow, event: PartnerEvent) -> None:
    """Let an event act, once. Raises `PutOff` when it has to come again at a later time."""
    now = ports.clock.now()
    try:
        claim = ports.events.claim_event(event, ports.clock.new_id(), now)
    except PutOff as held:
        # Most runs take a moment: whoever has the event will be done long before the lease is over.
        raise PutOff(min(held.until, now + HELD_PAUSE), held.reason) from held
    if claim is None:
        ports.telemetry.count("EventsDuplicate")
        return
    if claim.attempts > len(ports.retry_seconds) + 1:
        # Every run so far died before it could say why.
        _bury(ports, event, claim, "crashed")
        return
    try:
        _act(ports, event, claim)
    except PutOff:
        ports.events.release_event(claim, counted=False)
        raise
    except LeaseLost as lost:
        raise PutOff(now + LOOK_AFTER_LOSS, "another run has the event") from lost
    except Throttled as trouble:
        ports.events.release_event(claim, counted=False)
        raise rest(ports, trouble) from trouble
    except Exception as trouble:  # noqa: BLE001 - whatever it is, the event must not be lost or block others
        _again(ports, event, claim, trouble)


def take_up(ports: Follow, place: str, event_id: str | None = None) -> None:
    """Apply the events that were parked under a WABA or channel before its number was submitted, or one."""
    for parked in ports.events.parked(place):
        if event_id not in {None, parked.event.id}:
            continue
        try:
            apply_partner_event(ports, parked.event)
        except PutOff as wait:
            ports.telemetry.info("parked event waits", reason=wait.reason, event_id=parked.event.id)


def _again(ports: Follow, event: PartnerEvent, claim: EventClaim, trouble: Exception) -> None:
    code = trouble.code if isinstance(trouble, UpstreamError) else type(trouble).__name__
    ports.telemetry.warn("event failed", event_id=event.id, event=event.name, code=code)
    if claim.place is not None:
        # It waits anyway: the schedule of parked events goes on.
        _park(ports, event, claim, replace(event.channel, digits=""))
        return
    at = next_attempt(claim.attempts, ports.clock.now(), ports.clock.draw, ports.retry_seconds)
    if at is None:
        _bury(ports, event, claim, code)
        return
    ports.events.release_event(claim, counted=True)
    raise PutOff(at, code) from trouble


def _bury(ports: Follow, event: PartnerEvent, claim: EventClaim, reason: str) -> None:
    ports.queue.bury_event(event.raw, "utf-8", reason)
    ports.events.finish_event(claim, f"given_up:{reason}")
    ports.telemetry.count("EventsGivenUp")


def _act(ports: Follow, event: PartnerEvent, claim: EventClaim) -> None:
    if not event.about_channel:
        ports.events.finish_event(claim, "stored" if event.rule else "unknown")
        ports.telemetry.count("EventsStored" if event.rule else "EventsUnknown")
        return
    pointer = ports.store.find_channel(event.channel.id) if event.channel.id else None
    if pointer is not None:
        _apply(ports, event, event.channel, pointer, claim, bind=False)
        return
    channel = _complete(ports, event, claim)
    if channel.id and (channel.dead or (event.rule and event.rule.effect is Effect.CANCEL)):
        # The end of a channel we never knew, perhaps of the number's earlier life, binds nothing.
        _park(ports, event, claim, Channel(id=channel.id))
        return
    pointer = _match(ports, channel)
    if pointer is None:
        _park(ports, event, claim, channel)
        return
    _apply(ports, event, channel, pointer, claim, bind=True)


def _complete(ports: Follow, event: PartnerEvent, claim: EventClaim) -> Channel:
    """The event's channel with WABA and digits, read from 360dialog where the event lacks them."""
    channel = event.channel
    if channel.id is None or (channel.waba_id and channel.digits):
        return channel
    try:
        fresh = ports.partner.read_channel(channel.id, budget_gate(ports, f"event/{event.id}"))
    except Permanent as refusal:
        ports.telemetry.info("channel cannot be read", event_id=event.id, code=refusal.code)
        return channel
    channel = channel.filled_from(fresh)
    if not channel.digits and claim.attempts <= READS_BEFORE_PARKING and claim.place is None:
        raise Transient("phone_number_empty")
    return channel


def _match(ports: Follow, channel: Channel) -> Pointer | None:
    """The number with the channel's digits in its WABA, or of its client when that is unknown."""
    pointer = ports.store.find_digits(channel.digits) if channel.digits else None
    if pointer is None:
        return None
    if channel.waba_id is not None:
        return pointer if pointer.waba_id == channel.waba_id else None
    signup = ports.store.load(pointer.signup_id)
    known = signup is not None and channel.client_id is not None and signup.client.id == channel.client_id
    return pointer if known else None


def _park(ports: Follow, event: PartnerEvent, claim: EventClaim, channel: Channel) -> None:
    now = ports.clock.now()
    place = f"WABA#{channel.waba_id}" if channel.waba_id else f"CHANNEL#{channel.id}"
    since = claim.parked_at or now
    due_at = min((since + age for age in LOOK_AGAIN if since + age > now), default=None)
    if due_at is None:
        ports.telemetry.count("EventsUnmatched")
        ports.telemetry.warn(
            "no signup has appeared for an event", event_id=event.id, event=event.name, channel_id=channel.id
        )
    else:
        ports.telemetry.count("EventsParked")
    try:
        ports.events.park_event(claim, event, channel, place, now=now, due_at=due_at)
    except Conflict:
        # The number appeared between our look and this write.
        pointer = _match(ports, channel)
        if pointer is None:
            raise Transient("parking_refused") from None
        _apply(ports, event, channel, pointer, claim, bind=True)


def _apply(
    ports: Follow, event: PartnerEvent, channel: Channel, pointer: Pointer, claim: EventClaim, *, bind: bool
) -> None:
    """Write what the event changes; `bind` when the channel was not known to be the number's before."""
    now = ports.clock.now()
    rule = event.rule
    if rule is None:  # pragma: no cover - only known events come here
        raise AssertionError(event.name)

    def edit(signup: Signup) -> None:
        number = signup.must_number(pointer.phone_number_id)
        if channel.id and number.channel_id and number.channel_id != channel.id:
            signup.note("channel.second", now, number, channel.id)
            return
        if number.channel_id is None:
            number.channel_id = channel.id
        _move(ports, rule, signup, number, now)
        _EFFECTS[rule.effect](ports, signup, number, event, now)

    saved = change(
        ports.store,
        pointer.signup_id,
        edit,
        channel=(channel.id, pointer) if channel.id and bind else None,
        done=claim,
        outcome="applied",
    )
    ports.telemetry.count("EventsApplied", event=event.name)
    wake(ports, saved)
    if channel.id and bind and claim.place != f"CHANNEL#{channel.id}":
        take_up(ports, f"CHANNEL#{channel.id}")


def _move(ports: Follow, rule: EventRule, signup: Signup, number: Number, now: datetime) -> None:
    if rule.progress is not None and signup.advance(number, rule.progress, now):
        schedule_next(ports, number, now)


type _EffectFn = Callable[[Follow, Signup, Number, PartnerEvent, datetime], None]


def _nothing(*_: object) -> None:
    return


def _start(ports: Follow, signup: Signup, number: Number, event: PartnerEvent, now: datetime) -> None:
    """The channel may be connected: a permission that was missing is no reason to stay failed."""
    failure = number.failure
    granted = event.name == "channel_permission_granted"
    if failure and failure.step is Step.CONNECT and failure.code == "permission_missing" and granted:
        number.failure = None
        signup.note("number.permission_granted", now, number)
    if number.next_step is Step.CONNECT:
        schedule_next(ports, number, now)


def _restrict(_: Follow, signup: Signup, number: Number, event: PartnerEvent, now: datetime) -> None:
    known = _SEVERITY.index(number.restriction) if number.restriction else -1
    if _SEVERITY.index(event.name) > known:
        number.restriction = event.name
    signup.tell("number.restricted", now, number, code=event.name, violation_type=event.detail or None)


def _cancel(_: Follow, signup: Signup, number: Number, _event: PartnerEvent, now: datetime) -> None:
    if number.cancelled_at is None:
        number.cancelled_at = now
        number.due_at = None
        signup.tell("number.cancelled", now, number)


def _note(_: Follow, signup: Signup, number: Number, event: PartnerEvent, now: datetime) -> None:
    signup.tell(f"number.{event.name}", now, number)


_EFFECTS: Final[dict[Effect, _EffectFn]] = {
    Effect.NONE: _nothing,
    Effect.START_CONNECTING: _start,
    Effect.RESTRICT: _restrict,
    Effect.CANCEL: _cancel,
    Effect.NOTE: _note,
}
