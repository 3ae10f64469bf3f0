"""The life of a number as a table of states and inputs: every reachable state meets every input.

The states are found by walking: two walks from a fresh number to *connected*, through runs that crash and
through two channels, and two from a connected one, through its end and its undoing and through what drifts.
What must hold of each step is below.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import pytest

from onramp.domain import number as life
from onramp.domain.errors import FAILURES, PutOff
from onramp.domain.number import ChannelKey, Number, Unseen, WabaOf
from onramp.domain.partner_events import Channel, PartnerEvent
from onramp.domain.records import LEASE
from onramp.domain.states import Attention, Progress, Status, Step, rank

NOW = datetime(2031, 5, 6, tzinfo=UTC)
LOOK = timedelta(minutes=10)
WABA = "2001"
DIGITS = "4915123456789"


def fresh() -> Number:
    number = Number(
        phone_number_id="1001", tenant="t", signup_id="s", waba=WabaOf(id=WABA), digits=DIGITS, created_at=NOW
    )
    life.submit(number, NOW)
    return number


def channel(name: str = "A", progress: Progress | None = None, *, dead: bool = False, **more: Any) -> Channel:
    return Channel(id=f"{name}CH", waba_id=WABA, digits=DIGITS, progress=progress, dead=dead, **more)


def event(name: str, about: str = "A") -> PartnerEvent:
    return PartnerEvent(id=f"{name}-{about}", name=name, channel=channel(about), detail="", raw="{}")


type Input = Callable[[Number], object]


def _hear(name: str, about: str) -> Input:
    return lambda number: life.hear(number, event(name, about), NOW, LOOK)


def _see(word: Progress | None, about: str, *, dead: bool) -> Input:
    return lambda number: life.see(number, channel(about, word, dead=dead), NOW, LOOK)


def _fail(code: str) -> Input:
    def fail(number: Number) -> None:
        step = number.next_step
        if step is not None:
            life.fail(number, code, step, NOW)

    return fail


def _run(number: Number) -> None:
    """The next step succeeds."""
    step = number.next_step
    if step is None or number.due_at is None or number.unseen or step in {Step.CANCEL, Step.REACTIVATE}:
        return
    number.due_at = NOW
    assert life.take(number, "me", NOW) is step
    doubts = number.doubts
    if step is Step.SUBMIT:
        life.intend(number, "c", NOW)
    if step is Step.CONNECT and number.key is None:
        life.key_made(number, ChannelKey(secret="x", address="https://a", made_at=NOW))
    number.begin_anew()
    if step is Step.SUBMIT:
        life.submitted(number, NOW)
    elif step is Step.LOOK:
        life.looked(number)
    elif step is Step.CONNECT:
        life.connected(number, doubts, NOW)
    else:
        life.checked(number, NOW)
    if step in {Step.CONNECT, Step.CHECK}:
        life.answered(number)
    life.schedule(number, NOW, LOOK)


def _prove(found: Channel | None) -> Input:
    """The channel is read by itself."""

    def prove(number: Number) -> None:
        if number.next_step is Step.LOOK and number.unseen:
            number.begin_anew()
            life.proved(number, found, NOW, LOOK)
            life.schedule(number, NOW, LOOK)

    return prove


def _grant(found: Channel | None) -> Input:
    """360dialog does what was wished; the channel reads so afterwards."""

    def grant(number: Number) -> None:
        if number.wish is not None and number.is_open_wish:
            life.granted(number, found, NOW, LOOK)
            life.schedule(number, NOW, LOOK)

    return grant


def _refuse(number: Number) -> None:
    if number.wish is not None and number.is_open_wish:
        number.begin_anew()
        life.refuse(number, "cancellation_rejected", NOW)
        life.schedule(number, NOW, LOOK)


def _wish(action: Step) -> Input:
    allowed = {Step.CANCEL: life.can_cancel, Step.REACTIVATE: life.can_reactivate}[action]
    return lambda number: life.ask(number, action, NOW) if allowed(number) else None


def _drift(number: Number) -> None:
    if number.next_step is Step.CHECK:
        life.drifted(number, Attention.KEY_DEAD, NOW)
        life.answered(number)
        life.schedule(number, NOW, LOOK)


def _begin(number: Number, at: datetime) -> None:
    if number.next_step is not None and number.due_at is not None and number.lease is None:
        number.due_at = at
        step = life.take(number, "me", at)
        if step is Step.SUBMIT:
            life.intend(number, "c", at)


def _crash(number: Number) -> None:
    """A run takes the number and is never heard of again."""
    _begin(number, NOW - 2 * LEASE)


def _hold(number: Number) -> None:
    """A run takes the number and is still at it."""
    _begin(number, NOW)


def _retry(number: Number) -> None:
    if life.can_retry(number):
        life.retry(number, NOW)


EVENTS = (
    "channel_created",
    "channel_live",
    "channel_permission_granted",
    "account_restriction",
    "cancellation_processed",
)
"""One of each kind that `EVENT_RULES` tells apart and that may come on the way."""
FAILED_WITH = ("submission_rejected", "permission_missing", "channel_missing")

_WAY: dict[str, Input] = {
    **{f"event {name} A": _hear(name, "A") for name in EVENTS},
    **{f"see {word} A": _see(word, "A", dead=False) for word in (None, Progress.LIVE)},
    "see dead A": _see(None, "A", dead=True),
    **{f"fail {code}": _fail(code) for code in FAILED_WITH},
    "run": _run,
    "retry": _retry,
    "reconnect": lambda number: life.reconnect(number, NOW),
}
CRASHING: dict[str, Input] = {
    **_WAY,
    "crash": _crash,
    "hold": _hold,
    "doubt": lambda number: life.doubt(number, NOW) if number.key else None,
}
TWO_CHANNELS: dict[str, Input] = {
    **_WAY,
    **{f"event {name} B": _hear(name, "B") for name in EVENTS},
    **{f"see {word} B": _see(word, "B", dead=False) for word in (None, Progress.LIVE)},
    "see dead B": _see(None, "B", dead=True),
}
_AFTERWARDS: dict[str, Input] = {
    "event channel_live A": _hear("channel_live", "A"),
    "event cancellation_processed A": _hear("cancellation_processed", "A"),
    "see dead A": _see(None, "A", dead=True),
    "read living A": _prove(channel(progress=Progress.LIVE)),
    "read dead A": _prove(channel(dead=True)),
    "read ended A": _prove(channel(dead=True, final=True)),
    "read nothing": _prove(None),
    "run": _run,
    "retry": _retry,
    "reconnect": lambda number: life.reconnect(number, NOW),
}
ENDING: dict[str, Input] = {
    **_AFTERWARDS,
    **{f"event {name} A": _hear(name, "A") for name in ("cancellation_request", "cancellation_revoke")},
    "see living A": lambda number: life.see(number, channel(), NOW + 2 * LOOK, LOOK),
    "see Progress.LIVE B": _see(Progress.LIVE, "B", dead=False),
    "see dead B": _see(None, "B", dead=True),
    "wish cancel": _wish(Step.CANCEL),
    "wish reactivate": _wish(Step.REACTIVATE),
    "granted, living": _grant(channel(progress=Progress.LIVE)),
    "granted, dead": _grant(channel(dead=True)),
    "refused": _refuse,
    "hold": _hold,
}
DRIFTING: dict[str, Input] = {
    **_AFTERWARDS,
    **{
        f"event {name} A": _hear(name, "A")
        for name in ("channel_permission_granted", "account_restriction", "account_reinstated")
    },
    "see restricted A": lambda number: life.see(number, channel(restricted=True), NOW, LOOK),
    "see error A": lambda number: life.see(number, channel(error="17", error_shown=True), NOW, LOOK),
    "see well A": lambda number: life.see(
        number, channel(error_shown=True, restricted=False), NOW + 2 * LOOK, LOOK
    ),
    "ask for proof": lambda number: life.ask_for_proof(number, NOW) if life.can_check(number) else None,
    "drift": _drift,
    "fail channel_missing": _fail("channel_missing"),
}
INPUTS = CRASHING | TWO_CHANNELS | ENDING | DRIFTING

type Shape = tuple[object, ...]


def shape(number: Number) -> Shape:
    """What tells two states apart: counters and times do not."""
    return (
        number.progress,
        number.failure.code if number.failure else None,
        number.failure.step if number.failure else None,
        number.restriction,
        number.cancelled_at is not None,
        number.channel_id,
        number.second_channel,
        tuple(sorted(number.ended_channels)),
        number.key is not None,
        number.doubts > number.settled_doubts,
        number.intent is not None,
        number.lease is not None,
        number.is_held(NOW),
        number.permission_at is not None,
        number.unseen,
        number.final,
        number.ending_at is not None,
        number.wish and (number.wish.action, number.wish.refused),
        tuple(sorted(number.notices)),
    )


@dataclass(frozen=True)
class Edge:
    """One step of the walk."""

    before: Number
    name: str
    after: Number


def connected() -> Number:
    number = fresh()
    life.hear(number, event("channel_live"), NOW, LOOK)
    _run(number)
    return number


def _walk(inputs: dict[str, Input], start: Number) -> list[Edge]:
    seen: dict[Shape, Number] = {}
    todo = [start]
    found = []
    while todo:
        before = todo.pop()
        if shape(before) in seen:
            continue
        seen[shape(before)] = before
        for name, apply in inputs.items():
            after = before.model_copy(deep=True)
            after.told.clear()
            apply(after)
            found.append(Edge(before, name, after))
            if shape(after) not in seen:
                todo.append(after)
    return found


@cache
def edges() -> tuple[Edge, ...]:
    """Every reachable state, each with every input."""
    walks = ((CRASHING, fresh()), (TWO_CHANNELS, fresh()), (ENDING, connected()), (DRIFTING, connected()))
    return tuple(edge for inputs, start in walks for edge in _walk(inputs, start))


def steps() -> Iterator[Edge]:
    return iter(edges())


def told(edge: Edge) -> list[str]:
    return [fact.type for fact in edge.after.told]


def test_the_walk_meets_every_state_and_every_step() -> None:
    shown = {edge.after.status for edge in steps()}
    assert shown == {status.value for status in Status} - {"listed", "ready", "running"}
    assert {edge.after.next_step for edge in steps()} == {*Step, None}
    assert len(edges()) > 5_000


def test_progress_only_grows_within_one_life() -> None:
    for edge in steps():
        again = edge.name in {"retry", "reconnect"} and edge.before.failure is not None
        if edge.after.life == edge.before.life and not again:
            assert rank(edge.after.progress) >= rank(edge.before.progress), (shape(edge.before), edge.name)


def test_a_number_that_needs_something_is_due_and_one_that_needs_nothing_is_not() -> None:
    for edge in steps():
        assert (edge.after.next_step is None) == (edge.after.due_at is None), (shape(edge.before), edge.name)


def test_every_end_has_a_way_out() -> None:
    for edge in steps():
        if edge.after.next_step is None and edge.after.status != Status.CONNECTED:
            back = edge.after.model_copy(deep=True)
            life.reconnect(back, NOW)
            assert back.restriction is None, shape(edge.after)
            assert back.failure is None, shape(edge.after)
            assert back.next_step is not None, shape(edge.after)
            assert back.cancelled_at is None or back.unseen, shape(edge.after)


def test_a_channel_that_was_seen_to_end_is_never_adopted_again() -> None:
    for edge in steps():
        assert edge.after.channel_id is None or edge.after.channel_id not in edge.after.ended_channels


def test_a_channel_that_has_ended_for_good_has_no_key() -> None:
    for edge in steps():
        if edge.after.cancelled_at is not None and edge.after.final:
            assert edge.after.key is None, (shape(edge.before), edge.name)


def test_a_key_belongs_to_the_channel_it_was_made_for() -> None:
    for edge in steps():
        if edge.before.channel_id != edge.after.channel_id:
            assert edge.after.key is None, (shape(edge.before), edge.name)


def test_connected_means_a_key_and_no_open_doubt() -> None:
    for edge in steps():
        number = edge.after
        if number.status == Status.CONNECTED and number.next_step is None:
            assert number.key is not None
            assert number.doubts <= number.settled_doubts


def test_an_event_that_is_heard_twice_changes_nothing_the_second_time() -> None:
    for edge in steps():
        if edge.name.startswith(("event", "see")):
            again = edge.after.model_copy(deep=True)
            INPUTS[edge.name](again)
            assert shape(again) == shape(edge.after), (shape(edge.before), edge.name)


def test_an_event_never_takes_a_number_from_a_run_that_has_it() -> None:
    for edge in steps():
        if edge.before.is_held(NOW) and edge.name.startswith("event") and "cancellation" not in edge.name:
            assert edge.after.lease == edge.before.lease or edge.after.life > edge.before.life


def test_every_change_of_what_a_reader_sees_is_told() -> None:
    quiet = {Status.SUBMITTING, Status.CONNECTING}
    for edge in steps():
        before, after = edge.before.status, edge.after.status
        if before != after and after not in quiet:
            assert told(edge), (shape(edge.before), edge.name, after)


def test_what_is_marked_as_not_to_be_retried_is_revived_by_the_customer_alone() -> None:
    number = fresh()
    life.fail(number, "client_taken", Step.SUBMIT, NOW)
    assert not FAILURES["client_taken"].retryable
    life.reconnect(number, NOW)
    assert number.next_step is Step.SUBMIT


@pytest.mark.parametrize("early", [True, False], ids=["before live", "after live"])
def test_a_permission_counts_whenever_it_comes(early: bool) -> None:
    number = fresh()
    _run(number)
    names = ["channel_permission_granted", "channel_live"]
    for name in names if early else reversed(names):
        life.hear(number, event(name), NOW, LOOK)
    assert number.next_step is Step.CONNECT
    assert number.due_at == NOW
    assert number.permission_at == NOW


def test_the_end_of_a_channel_waits_for_the_channel_to_be_known() -> None:
    number = fresh()
    _run(number)
    assert life.hear(number, event("cancellation_processed"), NOW, LOOK) is life.Heard.EARLY
    life.hear(number, event("channel_created"), NOW, LOOK)
    assert life.hear(number, event("cancellation_processed"), NOW, LOOK) is life.Heard.APPLIED
    assert number.status == Status.CANCELLED


def test_a_second_channel_takes_over_when_the_first_has_ended() -> None:
    number = fresh()
    for name in ("channel_created", "channel_live"):
        life.hear(number, event(name, "A"), NOW, LOOK)
    life.hear(number, event("channel_live", "B"), NOW, LOOK)
    assert number.attention == "second_channel"
    life.hear(number, event("cancellation_processed", "A"), NOW, LOOK)
    assert (number.channel_id, number.life, number.next_step) == ("BCH", 2, Step.LOOK)
    assert number.ended_channels == ["ACH"]
    assert number.attention is None


def test_its_own_old_dead_channel_does_not_end_a_number_that_has_come_back() -> None:
    number = fresh()
    for name in ("channel_created", "channel_live", "cancellation_processed"):
        life.hear(number, event(name), NOW, LOOK)
    life.reconnect(number, NOW)
    life.see(number, channel(dead=True), NOW, LOOK)
    life.hear(number, event("cancellation_processed"), NOW, LOOK)
    assert number.next_step is Step.SUBMIT
    assert number.channel_id is None


def test_a_reconnect_of_a_connected_number_proves_key_and_webhook_again() -> None:
    number = fresh()
    life.hear(number, event("channel_live"), NOW, LOOK)
    _run(number)
    assert number.status == Status.CONNECTED
    life.reconnect(number, NOW)
    taken = [number.next_step]
    for happens in (_prove(channel(progress=Progress.LIVE)), _run):
        happens(number)
        taken.append(number.next_step)
    assert taken == [Step.LOOK, Step.CONNECT, Step.CHECK]


def test_a_number_that_waits_too_long_has_failed_and_a_retry_looks_before_it_submits() -> None:
    number = fresh()
    _run(number)
    assert life.overdue(number, NOW + timedelta(days=6)) is None
    assert life.overdue(number, NOW + timedelta(days=8)) == "channel_never_came"
    life.fail(number, "channel_never_came", Step.LOOK, NOW)
    life.retry(number, NOW)
    assert number.next_step is Step.SUBMIT
    assert number.intent is not None


def test_a_number_is_not_given_to_a_second_run() -> None:
    number = fresh()
    life.take(number, "first", NOW)
    with pytest.raises(PutOff) as wait:
        life.take(number, "second", NOW)
    assert wait.value.until > NOW
    assert life.take(number, "second", NOW + LEASE) is Step.SUBMIT
    assert number.attempts == 2


def test_a_word_of_a_later_release_is_kept_and_nothing_is_done_about_it() -> None:
    stored = fresh().model_dump_json(exclude_defaults=True)[:-1] + ',"progress":"charmed","new":{"a":1}}'
    number = Number.model_validate_json(stored)
    assert number.next_step is None
    assert number.status == "charmed"
    life.hear(number, event("channel_live"), NOW, LOOK)
    assert number.progress == "charmed"
    assert '"new":{"a":1}' in number.model_dump_json()


def returned(number: Number) -> None:
    """Its tenant has come back: the channel is to be read."""
    life.reconnect(number, NOW)
    assert number.unseen == Unseen.RECONNECT


def test_a_customer_who_has_come_back_is_not_forgotten_when_the_channel_ends_first() -> None:
    number = connected()
    returned(number)
    life.hear(number, event("cancellation_processed"), NOW, LOOK)
    assert (number.life, number.cancelled_at, number.next_step) == (2, None, Step.SUBMIT)
    assert number.ended_channels == ["ACH"]


def test_no_weaker_word_takes_the_place_of_a_reconnect() -> None:
    number = connected()
    returned(number)
    life.ask_for_proof(number, NOW)
    assert number.unseen == Unseen.RECONNECT


def test_an_ended_channel_that_lives_again_is_a_second_one_and_never_takes_over() -> None:
    number = connected()
    number.ended_channels = ["oldCH"]
    later = NOW + timedelta(hours=1)
    life.see(number, channel("old", Progress.LIVE), later, LOOK)
    assert (number.second_channel, number.attention) == ("oldCH", Attention.SECOND_CHANNEL)
    life.hear(number, event("cancellation_processed"), later, LOOK)
    assert (number.status, number.life) == ("cancelled", 1)


def test_a_list_that_lags_makes_no_second_channel_of_an_ended_one() -> None:
    number = connected()
    number.ended_channels = ["oldCH"]
    number.steps = {Progress.PENDING: NOW}
    life.see(number, channel("old", Progress.LIVE), NOW + timedelta(minutes=5), LOOK)
    assert number.second_channel is None
