"""Whatever happens to a number, in whatever order: it comes to rest, in a truth, with a way out."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Final

from hypothesis import given, settings
from hypothesis import strategies as st

from onramp.domain import number as life
from onramp.domain.errors import Ambiguous, Permanent, Problem, Throttled, Transient
from onramp.domain.number import Number
from onramp.domain.partner_events import Channel
from onramp.domain.states import Progress, Step
from onramp.ports.upstreams import ChannelWebhook, Gate, NewKey, Submission
from onramp.usecases.census import work_on_census
from onramp.usecases.submit_numbers import submit_numbers
from onramp.usecases.wishes import cancel_number, check_number, reactivate_number, retry_number
from tests.unit.usecases.bench import Bench, Script, ScriptedMessaging, ScriptedPartner

EVENTS: Final = (
    "channel_created",
    "channel_live",
    "channel_permission_granted",
    "account_restriction",
    "account_reinstated",
    "cancellation_request",
    "cancellation_revoke",
    "cancellation_processed",
)
WISHES: Final = {
    "cancel": cancel_number,
    "reactivate": reactivate_number,
    "check": check_number,
    "retry": retry_number,
}
DOWN: Final = Transient("partner_unavailable", status=503)
BUSY: Final = Throttled("partner_unavailable", retry_after=7)
LOST: Final = Ambiguous("partner_unavailable")
TROUBLES: Final[dict[str, Sequence[Exception]]] = {
    "list_channels": [DOWN, BUSY],
    "read_channel": [DOWN, BUSY],
    "create_client": [DOWN, BUSY],
    "submit_number": [
        DOWN,
        BUSY,
        Permanent("submission_rejected", status=400),
        Permanent("client_not_found", status=404),
    ],
    "make_key": [DOWN, BUSY, Transient("permission_missing", status=403)],
    "cancel": [DOWN, BUSY, Permanent("cancellation_rejected", status=400)],
    "revoke": [DOWN, BUSY, Permanent("reactivation_rejected", status=404)],
    "reactivate": [DOWN, BUSY, Permanent("reactivation_rejected", status=404)],
    "set_webhook": [DOWN, Permanent("key_rejected", status=401)],
    "read_webhook": [DOWN, Permanent("key_rejected", status=401)],
}
LOSING: Final = ("submit_number", "create_client", "make_key", "cancel", "revoke")
_TRUE_OF: Final[dict[str, dict[str, bool]]] = {
    "cancellation_processed": {"dead": True, "final": True},
    "cancellation_revoke": {"dead": False, "final": False},
}
"""What a channel shows after an event."""
MOST_RUNS: Final = 60
"""More runs than that in one hour are a loop."""


class Partner(ScriptedPartner):
    """360dialog that makes a channel for what it is handed, once."""

    made_so_far = 0

    def submit_number(self, submission: Submission, gate: Gate) -> None:
        gate()
        self.begin("submit_number")
        if any(channel.external_id == submission.phone_number_id for channel in self.living):
            raise Permanent("submission_rejected", status=400)
        self.submitted.append(submission)
        self.make_channel(submission.client_id)
        self.end("submit_number")

    def make_channel(self, client_id: str = "1CL") -> None:
        """Make another channel of the number."""
        self.made_so_far += 1
        channel = Bench().channel(f"c{self.made_so_far}", progress=Progress.LIVE, client_id=client_id)
        self.channels.append(channel)

    @property
    def living(self) -> Sequence[Channel]:
        """The channels that live."""
        return [channel for channel in self.channels if not channel.dead]

    def make_key(self, channel_id: str, gate: Gate) -> NewKey:
        if all(channel.id != channel_id for channel in self.living):
            raise Permanent("channel_missing", status=404)
        return super().make_key(channel_id, gate)


class Messaging(ScriptedMessaging):
    """A messaging host that knows the newest key of each living channel."""

    def _require(self, key: NewKey) -> None:
        owner = key.api_key.rpartition("-")[2]
        newest = [made for made in self.partner.keys if made.endswith(f"-{owner}")][-1:]
        lives = any(channel.id == owner and not channel.dead for channel in self.partner.channels)
        if newest != [key.api_key] or not lives:
            raise Permanent("key_rejected", status=401)


class World:
    """One number, and all that others do to it."""

    def __init__(self, *, connected: bool = False) -> None:
        self.bench = Bench(retry_seconds=(5, 60))
        self.partner = Partner()
        self.messaging = Messaging(partner=self.partner)
        for name, port in (("partner", self.partner), ("messaging", self.messaging)):
            setattr(self.bench, name, port)
            object.__setattr__(self.bench.ports, name, port)
        self.hidden: list[Channel] = []
        self.signups = 1
        self.bench.submit()
        if connected:
            self.rest()
            assert self.number.status == "connected"

    @property
    def number(self) -> Number:
        return self.bench.number()

    @property
    def channel_id(self) -> str:
        return self.number.channel_id or "c1"

    def act(self, action: tuple[str, object]) -> None:
        """One thing happens."""
        name, value = action
        try:
            getattr(self, f"do_{name}")(value)
        except Problem:
            # Nothing to do, and somebody is told so.
            return

    def do_wait(self, minutes: int) -> None:
        self.bench.clock.advance(timedelta(minutes=minutes))
        self.bench.work()

    def do_work(self, _: object) -> None:
        self.bench.work_when_due()

    def do_event(self, name: str) -> None:
        channel = next((one for one in self.partner.channels if one.id == self.channel_id), None)
        if channel is None or (channel.final and name != "cancellation_processed"):
            # Of what is not there nothing is told.
            return
        self.partner.show(self.channel_id, **_TRUE_OF.get(name, {}))
        self.bench.tell(name, self.channel_id, event_id=f"{name}-{self.bench.now.isoformat()}")

    def do_wish(self, name: str) -> None:
        WISHES[name](self.bench.ports, self.number)

    def do_come_back(self, _: object) -> None:
        self.signups += 1
        submit_numbers(self.bench.ports, self.bench.signup(f"s{self.signups}"), ["1001"], None)

    def do_trouble(self, what: tuple[str, Exception]) -> None:
        call, trouble = what
        self.script_of(call).troubles.setdefault(call, []).append(trouble)

    def do_lose(self, call: str) -> None:
        self.script_of(call).lost.setdefault(call, []).append(LOST)

    def script_of(self, call: str) -> Script:
        return self.messaging if call.endswith("webhook") else self.partner

    def do_hub(self, what: str) -> None:
        _HUB[what](self)

    def do_census(self, _: object) -> None:
        work_on_census(self.bench.ports)

    def rest(self) -> None:
        """All troubles are over; the number comes to rest, soon."""
        for script in (self.partner, self.messaging):
            script.troubles.clear()
            script.lost.clear()
        runs = 0
        began = self.bench.now
        while not self.is_at_rest:
            self.bench.work_when_due()
            runs += 1
            hours = (self.bench.now - began) / timedelta(hours=1)
            assert runs < MOST_RUNS * (1 + hours), "a loop"
            assert hours < 24 * 20, "it never comes to rest"

    @property
    def is_at_rest(self) -> bool:
        number = self.number
        if number.next_step is None:
            return True
        assert number.due_at is not None
        later = number.due_at > self.bench.now + timedelta(minutes=30)
        return number.next_step is Step.CHECK and later and number.lease is None


def _hide(world: World) -> None:
    world.hidden, world.partner.channels = [*world.hidden, *world.partner.channels], []


def _return(world: World) -> None:
    world.partner.channels, world.hidden = [*world.partner.channels, *world.hidden], []


def _undo(world: World) -> None:
    if not any(channel.final for channel in world.partner.channels):
        world.partner.show(world.channel_id, dead=False)


def _kill_key(world: World) -> None:
    world.partner.keys.append(f"theirs-{world.channel_id}")


def _drift(world: World) -> None:
    world.messaging.webhook = ChannelWebhook(url="https://elsewhere.example.com", headers={})


_HUB: Final[dict[str, Callable[[World], None]]] = {
    "end": lambda world: world.partner.show(world.channel_id, dead=True),
    "end for good": lambda world: world.partner.show(world.channel_id, dead=True, final=True),
    "undo": _undo,
    "hide": _hide,
    "return": _return,
    "second": lambda world: world.partner.make_channel(),
    "key": _kill_key,
    "webhook": _drift,
    "slow end": lambda world: setattr(world.partner, "shows_end", False),
}

actions = st.one_of(
    st.tuples(st.just("wait"), st.sampled_from([1, 11, 60, 1_500])),
    st.tuples(st.just("work"), st.none()),
    st.tuples(st.just("event"), st.sampled_from(EVENTS)),
    st.tuples(st.just("wish"), st.sampled_from(sorted(WISHES))),
    st.tuples(st.just("come_back"), st.none()),
    st.tuples(
        st.just("trouble"),
        st.sampled_from([(call, trouble) for call, troubles in TROUBLES.items() for trouble in troubles]),
    ),
    st.tuples(st.just("lose"), st.sampled_from(LOSING)),
    st.tuples(st.just("hub"), st.sampled_from(sorted(_HUB))),
    st.tuples(st.just("census"), st.none()),
)


def walked(walk: Sequence[tuple[str, object]], *, connected: bool) -> World:
    world = World(connected=connected)
    for action in walk:
        world.act(action)
    world.rest()
    return world


@settings(max_examples=150, deadline=None)
@given(st.lists(actions, max_size=25), st.booleans())
def test_a_number_comes_to_rest_whatever_happens(walk: Sequence[tuple[str, object]], connected: bool) -> None:
    number = walked(walk, connected=connected).number
    assert number.lease is None
    assert (number.next_step is Step.CHECK) or number.status in {"failed", "cancelled"}


@settings(max_examples=150, deadline=None)
@given(st.lists(actions, max_size=25), st.booleans())
def test_what_is_connected_is_true_after_two_days_or_says_what_is_wrong(
    walk: Sequence[tuple[str, object]], connected: bool
) -> None:
    world = walked(walk, connected=connected)
    for _ in range(2):
        if world.number.next_step is Step.CHECK:
            world.bench.clock.advance(timedelta(days=1))
            work_on_census(world.bench.ports)
            world.bench.work_when_due()
            world.rest()
    number = world.number
    if number.status != "connected" or number.attention:
        return
    assert number.channel_id in {channel.id for channel in world.partner.living}
    world.messaging.read_webhook(_key(world))
    assert world.messaging.webhook == world.bench.ports.rules.webhook


def _key(world: World) -> NewKey:
    number = world.number
    assert number.key is not None
    secret = world.bench.vault.decrypt(
        number.key.secret, {"tenant": number.tenant, "number": "1001", "purpose": "channel_key"}
    )
    return NewKey(api_key=secret, address=number.key.address)


@settings(max_examples=150, deadline=None)
@given(st.lists(actions, max_size=25), st.booleans())
def test_there_is_a_way_out_of_every_rest(walk: Sequence[tuple[str, object]], connected: bool) -> None:
    world = walked(walk, connected=connected)
    for _ in range(3):
        number = world.number
        if number.status in {"connected", "restricted"} and not number.attention:
            return
        if life.can_retry(number):
            world.do_wish("retry")
        else:
            world.do_come_back(None)
        world.rest()
    number = world.number
    assert number.status in {"connected", "restricted"}
    assert number.attention in {None, "second_channel"}


@settings(max_examples=150, deadline=None)
@given(st.lists(actions.filter(lambda action: action[0] != "hub"), max_size=25), st.booleans())
def test_what_nobody_has_touched_comes_back_to_connected_by_a_popup_or_a_retry(
    walk: Sequence[tuple[str, object]], connected: bool
) -> None:
    world = walked(walk, connected=connected)
    number = world.number
    if number.failure is not None and life.can_retry(number):
        world.do_wish("retry")
    elif number.status != "connected":
        world.do_come_back(None)
    world.rest()
    if world.number.status == "cancelled":
        # The end had been asked for, and has just been seen.
        world.do_come_back(None)
        world.rest()
    assert world.number.status in {"connected", "restricted"}
    assert len(world.partner.living) == 1
