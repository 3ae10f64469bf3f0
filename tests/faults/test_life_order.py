"""A number's whole life in any order: whatever is pressed or lost, it ends as 360dialog has it."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.killing import Killer
from harness.stub import stub
from harness.world import Options, World
from local.simulators.hub import Channel
from onramp.domain.errors import Problem
from onramp.domain.number import Number
from onramp.domain.schedule import LONGEST_LOOK, LONGEST_WAIT
from onramp.domain.states import Attention, Progress, Status, Step
from onramp.usecases.wishes import cancel_number, check_number, reactivate_number, retry_number
from tests.faults.test_order import Action, Chaos, in_dynamodb

OPTIONS: Final = Options(retry_seconds=(5, 30, 300), sweep_seconds=600)
DAY: Final = 86_400.0
DAYS: Final = 4
"""So long everything that heals by itself has time to, each day with a census, a check and a retry."""
PAGE: Final = 5
"""Channels on a page of 360dialog's list."""
MOST_READS: Final = 300
"""Single reads that a few days of one number may cost at the very most."""
WAITED: Final = frozenset({"channel_never_came", "channel_stuck"})
"""Failures of numbers that have waited for a week for what never came."""
ENDS: Final = frozenset({"request_cancellation", "process_cancellation", "remove"})
BUTTONS: Final = ("request_cancellation", "revoke_cancellation", "process_cancellation", "remove", "return")


@dataclass(frozen=True)
class Script:
    """What happens. `rest`: what was held back is delivered in the end; else it is lost for good.

    `earlier`: the number has a channel before we come. `others`: channels of other partners' numbers, so that
    the number's are not all on the first page. `shows`: how an end that was asked for reads.
    """

    actions: list[Action]
    earlier: bool = False
    rest: bool = True
    shows: str = "pending_deletion"
    others: int = 0


channels = st.integers(0, 3)
deeds = st.one_of(
    st.builds(Action, st.just("deliver"), index=st.integers(0, 40)),
    st.builds(Action, st.just("work"), index=st.integers(0, 5)),
    st.builds(Action, st.just("kill before"), index=st.integers(0, 12)),
    st.builds(Action, st.just("kill after"), index=st.integers(0, 12)),
    st.builds(Action, st.just("pass"), seconds=st.sampled_from([1, 5, 40, 700, 4_000])),
    st.builds(Action, st.just("live"), seconds=st.sampled_from([60, 900, 7_200, 90_000])),
    st.builds(Action, st.sampled_from(["sweep", "retry", "census", "come back", "take over"])),
    st.builds(Action, st.just("resubmit")),
    st.builds(Action, st.sampled_from(["cancel", "reactivate", "check"])),
    st.builds(Action, st.sampled_from(BUTTONS), index=channels),
    st.builds(
        Action, st.sampled_from(["make_key", "set_webhook", "second", "error", "no error"]), index=channels
    ),
    st.builds(Action, st.just("restrict"), index=channels, seconds=st.sampled_from([0, 600, 7_200])),
    st.builds(Action, st.sampled_from(["forgive", "forgive silently"]), index=channels),
)
scripts = st.builds(
    Script,
    st.lists(deeds, max_size=30),
    earlier=st.booleans(),
    rest=st.booleans(),
    shows=st.sampled_from(["pending_deletion", "cancelled_at", "both"]),
    others=st.sampled_from([0, 2 * PAGE]),
)


class Life(Chaos):
    """A world in which everybody does what they like with one customer's number."""

    def __init__(self, make: Callable[[Killer], World], script: Script) -> None:
        self.script = script
        self.popups = 0
        self.signups: list[str] = []
        self.may_have_ended = False
        self.doubled: list[str] = []
        self.reads = 0
        super().__init__(make)

    def begin(self) -> str:
        """The first popup; the number may have had a life with 360dialog before."""
        options = {"cancellation_shows": self.script.shows, "max_page_size": PAGE}
        self.world.admin("dialog", "options", options, "PATCH")
        stub(self.world, submit_number=self._submit, read_channel=self._read)
        for other in range(self.script.others):
            self.world.admin("dialog", "channels", {"email": f"other{other}@example.com"})
        if self.script.earlier:
            self.world.admin(
                "dialog", "channels", {"phone_number_id": self.number_id, "email": "o@example.com"}
            )
        return super().begin()

    @property
    def number_id(self) -> str:
        """Meta's id of the number."""
        return str(self.customer["wabas"][0]["numbers"][0]["id"])

    @property
    def at_hub(self) -> list[Channel]:
        """All channels that the number has ever had at 360dialog, oldest first."""
        everything = self.world.sims.hub.channels.values()
        return [channel for channel in everything if channel.phone_number_id == self.number_id]

    def number(self) -> Number:
        """The number as stored."""
        return self.world.number(self.number_id)

    def alive(self, number: Number) -> list[str]:
        """The channels that live, but for those that we have seen end: they are never taken again."""
        return [
            channel.id
            for channel in self.at_hub
            if not channel.dead and channel.id not in number.ended_channels
        ]

    def returned(self, number: Number) -> list[str]:
        """The channels of earlier lives that live again."""
        return [
            channel.id for channel in self.at_hub if not channel.dead and channel.id in number.ended_channels
        ]

    def _submit(self, real: Any, submission: Any, gate: Any) -> None:
        def last_moment() -> None:
            gate()
            self.doubled += self.alive(self.number())

        real.submit_number(submission, last_moment)

    def _read(self, real: Any, channel_id: str, gate: Any) -> Any:
        self.reads += 1
        if self.reads > MOST_READS:
            pytest.fail("one channel is read without end")
        return real.read_channel(channel_id, gate)

    # -- what can happen

    def deeds(self, action: Action) -> Mapping[str, Callable[[], object]]:
        """What can be done, more than to a number on its way."""
        return {
            **super().deeds(action),
            "live": lambda: self.world.run(action.seconds),
            "census": lambda: self.world.queue.wake_census("default"),
            "come back": lambda: self._popup({}),
            "take over": lambda: self._popup({"tenant": "tenant-2", "email": "two@example.com"}),
            "cancel": lambda: self._wish(cancel_number),
            "reactivate": lambda: self._wish(reactivate_number),
            "check": lambda: self._wish(check_number),
            **{button: self._pressing(button, action) for button in BUTTONS},
            "make_key": self._pressing("make_key", action),
            "set_webhook": self._pressing("set_webhook", action, url="https://elsewhere.example.com"),
            "error": self._pressing("error", action, error={"code": 131_045}),
            "no error": self._pressing("error", action),
            "second": lambda: self._at_desk(action, "second"),
            "restrict": lambda: self._at_desk(action, "restrict", seconds=action.seconds or None),
            "forgive": lambda: self._at_desk(action, "forgive"),
            "forgive silently": lambda: self._at_desk(action, "forgive", silent=True),
        }

    def send_afterwards(self) -> None:
        """Nothing happens here but what the script says."""

    def _popup(self, who: Mapping[str, str]) -> None:
        """The customer does the popup again, with the same tenant or with another one, who may be refused."""
        self.popups += 1
        ended_unheard = self._ended_unheard()
        code = self.world.admin("meta", "codes", {"business_id": self.customer["business_id"]})
        with suppress(Problem):
            made = self.world.submitted({**self.customer, **code}, key=f"popup {self.popups}", **who)
            self.may_have_ended = ended_unheard
            self.signup_id = made.id

    def _ended_unheard(self) -> bool:
        """Whether a channel has ended that might be the number's, and nobody knows it yet."""
        number = self.number()
        known = {*number.ended_channels, number.channel_id}
        return any(channel.dead and channel.id not in known for channel in self.at_hub)

    def _wish(self, wish: Callable[[Any, Number], Number]) -> None:
        self.may_have_ended |= wish is cancel_number
        with suppress(Problem):
            self.world.patiently(lambda: wish(self.world.ports, self.number()))

    def _retry(self) -> None:
        with suppress(Problem):
            self.world.patiently(lambda: retry_number(self.world.ports, self.number()))

    def _pressing(self, button: str, action: Action, **more: Any) -> Callable[[], None]:
        def press() -> None:
            channel = self._channel(action)
            if channel is None or (channel.ended and button != "return"):
                return
            if button == "make_key" and channel.state != "live":
                return
            self.may_have_ended |= button in ENDS
            self.world.admin("dialog", f"channels/{channel.id}/hub", {"action": button, **more})

        return press

    def _at_desk(self, action: Action, what: str, **body: Any) -> None:
        channel = self._channel(action)
        if channel is not None and not channel.ended and (what != "second" or len(self.at_hub) < PAGE):
            self.world.admin("dialog", f"channels/{channel.id}/{what}", body)

    def _channel(self, action: Action) -> Channel | None:
        """The newest channel, or one before it."""
        return self.at_hub[-1 - action.index % len(self.at_hub)] if self.at_hub else None

    # -- what must hold

    def live_on(self) -> None:
        """Everything is delivered or lost; some days pass, and a person retries what can be retried."""
        self.killer.spare()
        for _ in range(DAYS):
            if self.script.rest:
                for body in self.held:
                    self.world.queue.put("event", body)
            self.world.queue.wake_census("default")
            self.world.run(DAY)
            self._retry()
        self.world.run(DAY)

    def assert_one_truth(self) -> None:
        """The record says what 360dialog has, and nothing is left to do."""
        number = self.number()
        shown, hub = (number, self.at_hub), self.world.sims.hub
        assert number.lease is None, shown
        assert number.intent is None, shown
        assert not number.is_open_wish, shown
        assert number.unseen is None, shown
        assert not self.doubled, shown
        emails = sorted(client.email.lower() for client in hub.clients.values())
        assert emails == sorted(set(emails)), emails
        alive = self.alive(number)
        if number.status == Status.CANCELLED:
            assert not alive, shown
            assert self.may_have_ended, shown
            return
        own = hub.channels.get(number.channel_id or "")
        lives = own.state == "live" if own else any(hub.channels[name].state == "live" for name in alive)
        if number.failure is not None and number.failure.code in WAITED and not lives:
            # Its channel ended, or stopped, on its way, and the week is over since its last retry.
            assert number.failure.retryable, shown
            return
        if number.next_step is Step.LOOK and not lives:
            # The same, and the week is not over.
            assert number.due_at is not None, shown
            assert self.world.clock.now() - number.waits_since < LONGEST_WAIT + LONGEST_LOOK, shown
            return
        assert number.progress == Progress.CONNECTED, shown
        assert number.channel_id in alive, shown
        channel = hub.channels[number.channel_id or ""]
        restricted = channel.fb_account_status == "restricted"
        assert number.status == (Status.RESTRICTED if restricted else Status.CONNECTED), shown
        assert self.world.key_lives(number), shown
        others = {*alive, *self.returned(number)} - {number.channel_id}
        assert (number.second_channel in others) if others else (number.second_channel is None), shown
        noticed = {Attention.CHANNEL_ERROR} if channel.error is not None else set()
        assert number.noticed - {Attention.SECOND_CHANNEL} == noticed, shown
        assert number.ending_at is None, shown


def in_memory(killer: Killer) -> World:
    return World(OPTIONS, killer=killer)


def play(make: Callable[[Killer], World], script: Script) -> None:
    life = Life(make, script)
    try:
        for action in script.actions:
            life.do(action)
        life.live_on()
        life.assert_one_truth()
    finally:
        life.world.__exit__()


CONNECTED: Final = Action("live", seconds=900)
FOUND: Final = {
    "a proof is asked for when the channel has vanished": Script(
        [CONNECTED, Action("remove"), Action("check")]
    ),
    "the channel ends between a popup and its look": Script(
        [CONNECTED, Action("census"), Action("process_cancellation"), Action("come back")]
    ),
    "a proof is asked for between a popup and its look": Script(
        [CONNECTED, Action("request_cancellation"), Action("come back"), Action("check")]
    ),
    "a second channel shows itself and vanishes": Script(
        [CONNECTED, Action("second"), Action("census"), Action("live", seconds=60), Action("remove")]
    ),
    "a second channel takes over and vanishes, and a third one lives": Script(
        [Action("work"), Action("second"), Action("forgive"), Action("remove", index=1), Action("remove")],
        earlier=True,
    ),
}
"""What was found, shrunk."""


@pytest.mark.parametrize("found", FOUND)
def test_what_was_found_once_ends_as_360dialog_has_it(found: str) -> None:
    play(in_memory, FOUND[found])


@settings(max_examples=100, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(scripts)
def test_whatever_happens_to_a_number_it_ends_as_360dialog_has_it(script: Script) -> None:
    play(in_memory, script)


@settings(max_examples=4, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(scripts)
def test_whatever_happens_to_a_number_it_ends_as_360dialog_has_it_in_dynamodb(script: Script) -> None:
    with in_dynamodb(OPTIONS) as make:
        play(make, script)


@pytest.mark.soak
@settings(max_examples=3_000, deadline=None, suppress_health_check=list(HealthCheck))
@given(scripts)
def test_whatever_happens_to_a_number_it_ends_as_360dialog_has_it_for_long(script: Script) -> None:
    play(in_memory, script)
