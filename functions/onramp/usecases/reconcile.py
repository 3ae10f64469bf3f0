"""The schedule that makes up for everything lost: queue messages, webhooks, and what nobody knows of.

`sweep` (every minute) reads what is due: work whose message was lost is sent again, waiting numbers are
carried on from their channels, parked events are looked at again. `report` (every day) compares all channels
at 360dialog with ours.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from onramp.domain.errors import BudgetUnavailable, OnrampError, PutOff, Throttled, UpstreamError
from onramp.domain.partner_events import Channel
from onramp.domain.signup import BusEvent, Number, Signup
from onramp.domain.states import Step
from onramp.ports import DueItem, UnavailableError
from onramp.usecases.apply_partner_event import take_up
from onramp.usecases.changing import change, pointer_to, publish
from onramp.usecases.onboarding import STORAGE_PAUSE, Follow, carry_on, rest, wake

GRACE: Final = timedelta(seconds=60)
"""A message that is on its way is left alone for so long."""
LONGEST_WAIT: Final = timedelta(hours=6)
"""Numbers that wait are looked at in growing steps, at least this often."""
REPORT_PATIENCE: Final = timedelta(seconds=75)
"""How long the report waits for the budget, within the function's 120 s."""
STALE: Final = timedelta(hours=1)
BATCH: Final = 200
_LONG_AGO: Final = datetime(2000, 1, 1, tzinfo=UTC)


class SweepIncomplete(OnrampError):
    """Records could not be handled; the text names them. Raised so that the function's alarm rings."""


@dataclass(slots=True)
class Waiting:
    """A number that waits for 360dialog, with its signup."""

    signup: Signup
    number: Number


def sweep(ports: Follow, enough: Callable[[], bool] = lambda: False) -> None:
    """Take up everything that is due. Stops early when `enough()` says so; the next sweep goes on.

    Side effects: jobs, bus events, reads at 360dialog that give way to live signups. Raises `SweepIncomplete`
    at its end when a record could not be handled: its neighbours were.
    """
    crashed: list[str] = []
    waiting: list[Waiting] = []
    for item in ports.store.due(ports.clock.now(), BATCH):
        if enough():
            return
        try:
            waiting += _sweep_item(ports, item)
        except Exception as trouble:  # noqa: BLE001 - one bad record must not hold up those behind it
            crashed.append(item.id)
            ports.telemetry.warn("record crashed", id=item.id, error=type(trouble).__name__)
    by_client: dict[str | None, list[Waiting]] = {}
    for entry in waiting:
        by_client.setdefault(entry.signup.client.id, []).append(entry)
    for client_id, entries in by_client.items():
        if enough():
            return
        _reconcile_client(ports, client_id, entries)
    if crashed:
        raise SweepIncomplete(", ".join(crashed))


def _sweep_item(ports: Follow, item: DueItem) -> list[Waiting]:
    if item.place is None:
        return _sweep_signup(ports, item)
    take_up(ports, item.place, item.id)
    return []


def _sweep_signup(ports: Follow, item: DueItem) -> list[Waiting]:
    """Send what was lost of one signup again; gives its numbers that wait for 360dialog."""
    now = ports.clock.now()
    lost: list[str] = []

    def mark(signup: Signup) -> None:
        lost.clear()
        for number in signup.numbers:
            if number.lease and not number.is_held(now):
                number.lease = None
            if number.next_step is None:
                number.due_at = None
            elif number.next_step is not Step.WAIT and number.due_at and number.due_at <= now - GRACE:
                lost.append(number.phone_number_id)
                number.due_at = now

    signup = change(ports.store, item.id, mark)
    for phone_number_id in lost:
        _send_again(ports, signup.id, phone_number_id)
    if signup.outbox and signup.outbox[0].at <= now - GRACE:
        signup = publish(ports.store, ports.bus, ports.telemetry, signup)
    return [
        Waiting(signup, number)
        for number in signup.numbers
        if number.next_step is Step.WAIT and number.due_at is not None and number.due_at <= now
    ]


def _send_again(ports: Follow, signup_id: str, phone_number_id: str) -> None:
    ports.telemetry.count("JobsSentAgain")
    try:
        ports.queue.send_job(signup_id, phone_number_id)
    except UnavailableError:
        ports.telemetry.warn("queue does not answer; the next sweep sends", signup_id=signup_id)


def _spare_gate(ports: Follow, patience: timedelta = timedelta(0)) -> Callable[[], None]:
    """A gate that gives way to live signups; all its waiting together takes at most `patience`."""
    end = ports.clock.now() + patience

    def gate() -> None:
        while True:
            now = ports.clock.now()
            try:
                later = ports.budget.take_spare(now)
            except BudgetUnavailable as trouble:
                raise PutOff(now + STORAGE_PAUSE, "budget unavailable") from trouble
            if later is None:
                ports.telemetry.count("BudgetUsed")
                return
            if later > end:
                raise PutOff(later, "live signups first")
            ports.clock.sleep((later - now).total_seconds())

    return gate


def _list_channels(
    ports: Follow, client_id: str | None, patience: timedelta = timedelta(0)
) -> Sequence[Channel]:
    """The channels of a client, or of all. Raises `PutOff` when there is no answer for us now."""
    try:
        return ports.partner.list_channels(client_id, _spare_gate(ports, patience))
    except Throttled as trouble:
        raise rest(ports, trouble) from trouble
    except UpstreamError as trouble:
        ports.telemetry.warn("channels cannot be listed", code=trouble.code, status=trouble.status)
        if trouble.code == "partner_configuration":
            ports.telemetry.count("PartnerConfigurationErrors")
        raise PutOff(ports.clock.now() + ports.reconcile_after, trouble.code) from trouble


def _reconcile_client(ports: Follow, client_id: str | None, entries: Sequence[Waiting]) -> None:
    """Carry the waiting numbers of one client on, or put them off behind everybody else's."""
    try:
        channels = _list_channels(ports, client_id)
    except PutOff as wait:
        ports.telemetry.info("reconciliation gives way", reason=wait.reason)
        for entry in entries:
            _put_off(ports, entry, wait.until)
        return
    for entry in entries:
        _reconcile_number(ports, entry, _channel_of(entry, channels))


def _put_off(ports: Follow, entry: Waiting, until: datetime) -> None:
    def edit(signup: Signup) -> None:
        number = signup.must_number(entry.number.phone_number_id)
        if number.next_step is Step.WAIT:
            number.due_at = until

    change(ports.store, entry.signup.id, edit)


def _channel_of(entry: Waiting, channels: Sequence[Channel]) -> Channel | None:
    """The number's channel: by id, else by WABA and digits, the newest living one."""
    waba = entry.signup.waba
    if entry.number.channel_id is not None:
        return next((channel for channel in channels if channel.id == entry.number.channel_id), None)
    fitting = [
        channel
        for channel in channels
        if channel.digits == entry.number.digits and waba is not None and channel.waba_id == waba.id
    ]
    return max(fitting, key=lambda channel: (not channel.dead, channel.created_at or _LONG_AGO), default=None)


def _reconcile_number(ports: Follow, entry: Waiting, channel: Channel | None) -> None:
    now = ports.clock.now()
    _tell_if_stale(ports, entry, now)

    def edit(signup: Signup) -> None:
        number = signup.must_number(entry.number.phone_number_id)
        if number.next_step is not Step.WAIT:
            return
        number.looks += 1
        if channel is not None and channel.dead:
            signup.fail(number, "channel_dead", Step.WAIT, now)
        elif channel is not None and number.channel_id in {None, channel.id}:
            carry_on(ports, signup, number, channel, now)
        if number.next_step is Step.WAIT:
            number.due_at = now + min(ports.reconcile_after * 2 ** min(number.looks, 12), LONGEST_WAIT)

    pointer = (channel.id, pointer_to(entry.signup, entry.number)) if channel and channel.id else None
    saved = change(ports.store, entry.signup.id, edit, channel=pointer)
    _count_healing(ports, entry.number, saved.must_number(entry.number.phone_number_id))
    wake(ports, saved)
    if pointer is not None and entry.number.channel_id is None:
        take_up(ports, f"CHANNEL#{pointer[0]}")


def _count_healing(ports: Follow, before: Number, after: Number) -> None:
    if after.progress is not before.progress:
        ports.telemetry.count("NumbersHealed")
    if after.failure:
        ports.telemetry.count("NumbersFailed", code=after.failure.code)


def _tell_if_stale(ports: Follow, entry: Waiting, now: datetime) -> None:
    waited = now - (entry.number.submitted_at or now)
    if waited > STALE:
        ports.telemetry.count("NumbersStale")
        ports.telemetry.warn(
            "number waits for 360dialog",
            signup_id=entry.signup.id,
            number=entry.number.phone_number_id,
            channel_id=entry.number.channel_id,
            hours=round(waited / timedelta(hours=1), 1),
        )


def report(ports: Follow) -> None:
    """Tell of channels that 360dialog bills and we do not know: a metric, log lines, one bus event.

    Raises `PutOff` when they cannot be listed now.
    """
    channels = _list_channels(ports, None, REPORT_PATIENCE)
    unknown = [
        channel.id
        for channel in channels
        if channel.billed and not channel.dead and channel.id and ports.store.find_channel(channel.id) is None
    ]
    ports.telemetry.count("ChannelsUnknown", len(unknown))
    for channel_id in unknown:
        ports.telemetry.warn("a billed channel is not ours", channel_id=channel_id)
    if unknown:
        ports.bus.publish([_unknown_event(ports, unknown)])


def _unknown_event(ports: Follow, channel_ids: Sequence[str]) -> BusEvent:
    now = ports.clock.now()
    return BusEvent(
        id=ports.clock.new_id(),
        type="channels.unknown",
        at=now,
        detail={"count": str(len(channel_ids)), "channel_ids": ",".join(channel_ids[:100])},
    )
