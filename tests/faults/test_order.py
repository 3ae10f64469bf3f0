"""Any order, any repetition, any interleaving of events, workers, retries, crashes and sweeps: one end."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import boto3
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from moto import mock_aws

from harness.killing import Killer
from harness.table import make_table
from harness.world import Message, Options, World
from onramp.adapters.dynamo import DynamoStore
from onramp.domain.number import Number
from onramp.domain.states import Step
from onramp.usecases.submit_numbers import submit_numbers
from ops.stage.translated import translated

OPTIONS = Options(retry_seconds=(5, 30, 300), look_after=timedelta(minutes=10))
RESTRICTIONS = ("account_violation", "account_restriction")
TOLD = ("phone_number_quality_changed", "channel_status_changed")


@dataclass(frozen=True)
class Action:
    """One thing that happens, at the tester's will."""

    kind: str
    index: int = 0
    seconds: int = 0


actions = st.lists(
    st.one_of(
        st.builds(Action, st.just("deliver"), index=st.integers(0, 40)),
        st.builds(Action, st.just("work"), index=st.integers(0, 5)),
        st.builds(Action, st.just("kill before"), index=st.integers(0, 12)),
        st.builds(Action, st.just("kill after"), index=st.integers(0, 12)),
        st.builds(Action, st.just("pass"), seconds=st.sampled_from([1, 5, 40, 100, 400, 700, 4_000])),
        st.builds(Action, st.just("sweep")),
        st.builds(Action, st.just("resubmit")),
        st.builds(Action, st.just("retry")),
    ),
    max_size=40,
)


def final(number: Number) -> tuple[Any, ...]:
    """What of a number must not depend on the order of things."""
    return (
        number.status,
        number.progress,
        number.channel_id,
        number.restriction,
        number.cancelled_at is None,
        number.failure,
        number.lease,
        number.next_step,
        number.due_at is not None,
        list(number.steps)[-1],
    )


class Chaos:
    """A world whose webhooks are held back and delivered at the tester's will."""

    def __init__(self, make: Callable[[Killer], World]) -> None:
        self.killer = Killer()
        self.world = make(self.killer)
        self.held: list[str] = []
        self.world.lose_webhook = self._hold
        self.customer = self.world.customer()
        self._afterwards_sent = False
        self.signup_id = self.begin()

    def begin(self) -> str:
        """The popup."""
        return self.world.submitted(self.customer).id

    def _hold(self, body: str) -> bool:
        self.held.append(body)
        return True

    def send_afterwards(self) -> None:
        """Meta restricts the channel, and 360dialog tells of that and of more."""
        channels = list(self.world.sims.hub.channels)
        if self._afterwards_sent or not channels:
            return
        self._afterwards_sent = True
        for event in RESTRICTIONS:
            self.world.admin("dialog", f"channels/{channels[0]}/restrict", {"event": event})
        for event in TOLD:
            self.world.admin("dialog", "events", {"event": event, "data": {"id": channels[0]}})

    def do(self, action: Action) -> None:
        """One action."""
        self.deeds(action)[action.kind]()

    def deeds(self, action: Action) -> Mapping[str, Callable[[], object]]:
        """What can be done."""
        return {
            "deliver": lambda: self._deliver(action.index),
            "work": lambda: self._work(action.index),
            "kill before": lambda: self.killer.kill_in(action.index),
            "kill after": lambda: self.killer.kill_in(action.index, after=True),
            "pass": lambda: self.world.let_channels_walk(action.seconds),
            "sweep": self.world.sweep,
            "resubmit": self._resubmit,
            "retry": self._retry,
        }

    def _deliver(self, index: int) -> None:
        self.send_afterwards()
        if self.held:
            self.world.queue.put("event", self.held[index % len(self.held)])
            self._work(len(self.world.queue.messages) - 1)

    def _resubmit(self) -> None:
        world = self.world
        world.patiently(lambda: submit_numbers(world.ports, world.load(self.signup_id), (), None))

    def _work(self, index: int) -> None:
        now = self.world.clock.now().timestamp()
        ready: list[Message] = [m for m in self.world.queue.messages if m.visible_at <= now]
        if ready:
            message = ready[index % len(ready)]
            self.world.queue.messages.remove(message)
            self.world.handle(message)

    def _retry(self) -> None:
        if any(number.failure for number in self.world.numbers(self.signup_id)):
            self.world.retry(self.signup_id)

    def finish(self) -> tuple[Any, ...]:
        """Deliver everything that was ever sent, let all retries run, and give the end."""
        self.killer.spare()
        world = self.world
        for _ in range(6):
            world.run(seconds=1_800)
            self.send_afterwards()
            for body in self.held:
                world.queue.put("event", body)
            self._retry()
        world.run(seconds=2 * 3_600)
        state = world.dialog_state()
        assert len(state["clients"]) == 1
        assert not state["duplicate_submissions"]
        number = world.numbers(self.signup_id)[0]
        assert world.key_lives(number), "the stored key is dead or its webhook is not set"
        return final(number)


@contextmanager
def in_dynamodb(options: Options) -> Iterator[Callable[[Killer], World]]:
    """Worlds on one table of their own."""
    with mock_aws():
        dynamodb = boto3.client("dynamodb", region_name="eu-central-1")
        make_table(dynamodb, "order")
        yield lambda killer: World(
            options, killer=killer, store=lambda clock: DynamoStore(translated(dynamodb), "order", clock)
        )


def in_memory(killer: Killer) -> World:
    return World(OPTIONS, killer=killer)


def baseline() -> tuple[Any, ...]:
    chaos = Chaos(in_memory)
    try:
        return chaos.finish()
    finally:
        chaos.world.__exit__()


EXPECTED = baseline()


def test_the_expected_end_is_a_connected_and_restricted_number() -> None:
    assert EXPECTED[:2] == ("restricted", "connected")
    assert EXPECTED[3:9] == ("account_restriction", True, None, None, Step.CHECK, True)


def play(make: Callable[[Killer], World], script: list[Action]) -> None:
    chaos = Chaos(make)
    try:
        for action in script:
            chaos.do(action)
        assert chaos.finish() == EXPECTED
    finally:
        chaos.world.__exit__()


@settings(max_examples=120, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(actions)
def test_any_interleaving_ends_in_the_same_record(script: list[Action]) -> None:
    play(in_memory, script)


@settings(max_examples=8, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(actions)
def test_any_interleaving_ends_in_the_same_record_in_dynamodb(script: list[Action]) -> None:
    with in_dynamodb(OPTIONS) as make:
        play(make, script)


@pytest.mark.soak
@settings(max_examples=3_000, deadline=None, suppress_health_check=list(HealthCheck))
@given(actions)
def test_any_interleaving_ends_in_the_same_record_for_long(script: list[Action]) -> None:
    play(in_memory, script)
