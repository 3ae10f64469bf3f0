"""Ways to lose or double something that were found by hunting for them, kept as tests."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from onramp.domain.errors import Ambiguous, Permanent, PutOff, Transient
from onramp.domain.signup import Number, Signup
from onramp.domain.states import Progress, Status
from onramp.usecases.reconcile import report
from tests.world import Killed, Options, World


class Stub:
    """A port with some of its methods replaced; each gets the real port first."""

    def __init__(self, real: Any, methods: dict[str, Callable[..., Any]]) -> None:
        self._real = real
        self._methods = methods

    def __getattr__(self, name: str) -> Any:
        method = self._methods.get(name)
        if method is None:
            return getattr(self._real, name)
        return lambda *args, **kwargs: method(self._real, *args, **kwargs)


def stub(world: World, **methods: Callable[..., Any]) -> None:
    """Replace methods of 360dialog's port."""
    partner: Any = world.follow.partner
    partner._port = Stub(partner._port, methods)


def tell(world: World, event_id: str, name: str, **data: Any) -> None:
    """An event of 360dialog's."""
    world.queue.put("event", json.dumps({"id": event_id, "event": name, "data": data}))


def only(world: World, signup: Signup) -> Number:
    return world.load(signup.id).numbers[0]


def facts(signup: Signup, channel_id: str) -> dict[str, Any]:
    """A channel object that is this signup's number."""
    assert signup.waba is not None
    return {
        "id": channel_id,
        "waba_account": {"external_id": signup.waba.id},
        "setup_info": {"phone_number": signup.numbers[0].digits},
    }


def again(world: World, customer: dict[str, Any], key: str) -> Signup:
    """The same customer in a new signup."""
    fresh = world.admin("meta", "codes", {"business_id": customer["business_id"]})
    return world.submitted({**customer, **fresh}, key=key)


@pytest.fixture
def unanswered() -> Iterator[World]:
    """A world in which the first submission works and is not answered, and no webhook comes."""
    with World() as world:
        world.lose_webhook = lambda _: True
        seen: list[int] = []

        def submit(real: Any, submission: Any, gate: Any) -> None:
            real.submit_number(submission, gate)
            seen.append(1)
            if len(seen) == 1:
                raise Ambiguous("partner_unavailable")

        stub(world, submit_number=submit)
        yield world


@pytest.mark.parametrize(
    "trouble",
    [Transient("partner_unavailable", status=503), Permanent("partner_configuration", status=401)],
    ids=["transient", "permanent"],
)
def test_a_look_that_fails_does_not_forget_what_it_was_to_settle(
    unanswered: World, trouble: Exception
) -> None:
    looks: list[int] = []

    def look(real: Any, client_id: str, gate: Any) -> Any:
        looks.append(1)
        if len(looks) == 1:
            gate()
            raise trouble
        return real.list_channels(client_id, gate)

    stub(unanswered, list_channels=look)
    signup = unanswered.submitted(unanswered.customer())
    unanswered.run(600)
    if only(unanswered, signup).failure:
        unanswered.submit.retry(unanswered.load(signup.id))
        unanswered.run(600)
    unanswered.assert_connected(signup.id)
    unanswered.assert_nothing_doubled()


def test_a_channel_that_has_no_phone_number_yet_is_waited_for(unanswered: World) -> None:
    until = unanswered.clock.now() + timedelta(minutes=3)

    def nameless(real: Any, client_id: str, gate: Any) -> Any:
        channels = real.list_channels(client_id, gate)
        early = unanswered.clock.now() < until
        return [replace(channel, digits="") if early else channel for channel in channels]

    stub(unanswered, list_channels=nameless)
    signup = unanswered.submitted(unanswered.customer())
    unanswered.run(until=unanswered.settled(signup.id))
    unanswered.assert_connected(signup.id)
    unanswered.assert_nothing_doubled()


def test_an_exhausted_submission_is_settled_by_looking_when_it_is_retried() -> None:
    with World(Options(retry_seconds=())) as world:
        world.fault("timeout_after", "account_sharing/numbers$", method="POST")
        world.lose_webhook = lambda _: True
        signup = world.submitted(world.customer())
        world.run(60)
        assert only(world, signup).status is Status.FAILED
        world.submit.retry(world.load(signup.id))
        world.run(until=world.settled(signup.id))
        world.assert_connected(signup.id)
        world.assert_nothing_doubled()


def test_a_partner_with_many_clients_gets_its_signups_through_a_full_budget() -> None:
    with World(Options(budget_calls=5, simulated_budget=100_000)) as world:
        for index in range(210):
            world.partner.create_client("Old", f"old{index}@example.com", "Old", lambda: None)
        before = world.dialog_state()["budget"]["requests"]
        signups = [
            world.submitted(world.customer(), email=f"new{index}@example.com", key=f"k{index}")
            for index in range(8)
        ]
        world.run(1_200, until=lambda: all(world.settled(signup.id)() for signup in signups))
        for signup in signups:
            world.assert_connected(signup.id)
        assert world.dialog_state()["budget"]["requests"] - before == 8 * 5


def test_a_redriven_job_does_not_take_a_number_back_from_a_later_signup() -> None:
    with World(Options(retry_seconds=(1,))) as world:
        denied = [True]

        def make_key(real: Any, channel_id: str, gate: Any) -> Any:
            if denied:
                gate()
                raise Transient("permission_missing", status=403)
            return real.make_key(channel_id, gate)

        stub(world, make_key=make_key)
        customer = world.customer()
        first = world.submitted(customer)
        world.run(3_600, until=world.settled(first.id))
        assert len(world.queue.dead_jobs) == 1
        denied.clear()
        second = again(world, customer, "second")
        world.run(7_200, until=world.settled(second.id))
        world.queue.redrive()
        world.run(120)
        assert only(world, first).status is Status.FAILED
        world.assert_connected(second.id)
        world.assert_nothing_doubled()


@pytest.mark.parametrize("first", [True, False], ids=["before", "after"])
def test_the_end_of_an_old_channel_is_not_the_end_of_the_number(first: bool) -> None:
    with World() as world:
        signup = world.submitted(world.customer())
        ended = {**facts(signup, "oldCH"), "cancelled_at": "2026-01-01T00:00:00Z"}
        if first:
            tell(world, "old", "cancellation_processed", **ended)
        world.run(600)
        tell(world, "old", "cancellation_processed", **ended)
        world.run(60)
        world.assert_connected(signup.id)


def test_events_that_overtake_a_refusal_win() -> None:
    with World() as world:
        opened: list[Signup] = []

        def submit(real: Any, submission: Any, gate: Any) -> None:
            real.submit_number(submission, gate)
            tell(world, "created", "channel_created", **facts(opened[0], "newCH"))
            message = next(message for message in world.queue.messages if message.kind == "event")
            world.queue.messages.remove(message)
            world.handle(message)
            raise Permanent("submission_rejected", status=409)

        stub(world, submit_number=submit)
        opened.append(world.submitted(world.customer()))
        world.run(60)
        number = only(world, opened[0])
        assert (number.failure, number.progress, number.lease) == (None, Progress.CREATED, None)
        assert number.due_at is not None


def test_an_event_parked_under_a_channel_acts_when_the_sweep_finds_the_channel() -> None:
    with World() as world:
        world.lose_webhook = lambda _: True

        def unreadable(*_: object) -> None:
            raise Permanent("channel_missing", status=404)

        stub(world, read_channel=unreadable)
        signup = world.submitted(world.customer())
        world.run(30)
        channel_id = world.dialog_state()["channels"][0]["id"]
        tell(world, "restricted", "account_restriction", id=channel_id)
        world.run(until=world.settled(signup.id), seconds=1_800)
        assert only(world, signup).restriction == "account_restriction"


def test_a_parked_event_whose_channel_cannot_be_read_keeps_waiting() -> None:
    with World() as world:
        troubles: list[Exception] = [Permanent("channel_missing", status=404)]

        def read(_real: Any, _channel_id: str, gate: Any) -> None:
            gate()
            raise troubles[-1]

        stub(world, read_channel=read)
        tell(world, "live", "channel_live", id="foreignCH")
        world.run(120)
        troubles.append(Transient("partner_unavailable", status=503))
        world.run(23 * 3_600)
        assert not world.queue.dead_events
        assert [parked.event.id for parked in world.store.parked("CHANNEL#foreignCH")] == ["live"]


def test_a_run_that_died_long_ago_delays_no_connection() -> None:
    with World(Options(step_seconds=7_200.0)) as world:
        died: list[int] = []

        def submit(real: Any, submission: Any, gate: Any) -> None:
            real.submit_number(submission, gate)
            if not died:
                died.append(1)
                raise Killed("submit")

        stub(world, submit_number=submit)
        signup = world.submitted(world.customer())
        world.run(until=lambda: only(world, signup).progress.reaches(Progress.LIVE))
        live_at = world.clock.now()
        world.run(until=world.settled(signup.id))
        assert world.clock.now() - live_at < timedelta(minutes=1)


def test_the_report_reads_more_pages_than_one_window_allows() -> None:
    with World(Options(budget_calls=5)) as world:

        def five_pages(_real: Any, _client_id: str | None, gate: Any) -> list[Any]:
            for _ in range(5):
                gate()
            return []

        stub(world, list_channels=five_pages)
        try:
            report(world.follow)
        except PutOff as wait:
            pytest.fail(wait.reason)
