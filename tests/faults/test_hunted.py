"""Ways to lose or double something that were found by hunting for them, kept as tests.

Those that outsiders have named are in `test_kinds.py`.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from harness.killing import Killed
from harness.stub import stub
from harness.world import Options, World
from onramp.domain.errors import Ambiguous, Permanent, Transient
from onramp.domain.ledger import EventRecord, Outcome
from onramp.domain.number import Number, channel_place
from onramp.domain.records import HUB
from onramp.domain.signup import Signup
from onramp.domain.states import Progress, Status, reaches
from onramp.ports.upstreams import Page


def tell(world: World, event_id: str, name: str, **data: Any) -> None:
    """An event of 360dialog's."""
    world.queue.put("event", json.dumps({"id": event_id, "event": name, "data": data}))


def only(world: World, signup: Signup) -> Number:
    (number,) = world.numbers(signup.id)
    return number


def facts(number: Number, channel_id: str) -> dict[str, Any]:
    """A channel object that is this number's."""
    return {
        "id": channel_id,
        "waba_account": {"external_id": number.waba.id},
        "setup_info": {"phone_number": number.digits},
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
        stub(world, submit_number=lose_first_answer())
        yield world


def lose_first_answer() -> Any:
    seen: list[int] = []

    def submit(real: Any, submission: Any, gate: Any) -> None:
        real.submit_number(submission, gate)
        seen.append(1)
        if len(seen) == 1:
            raise Ambiguous("partner_unavailable")

    return submit


@pytest.mark.parametrize(
    "trouble",
    [Transient("partner_unavailable", status=503), Permanent("partner_configuration", status=401)],
    ids=["transient", "permanent"],
)
def test_a_look_that_fails_does_not_forget_what_it_was_to_settle(
    unanswered: World, trouble: Exception
) -> None:
    looks: list[int] = []

    def look(real: Any, filters: Any, offset: int, gate: Any) -> Any:
        looks.append(1)
        if len(looks) == 2:  # the first one is that before the submission
            gate()
            raise trouble
        return real.list_channels(filters, offset, gate)

    stub(unanswered, submit_number=lose_first_answer(), list_channels=look)
    signup = unanswered.submitted(unanswered.customer())
    unanswered.run(600)
    if only(unanswered, signup).failure:
        unanswered.retry(signup.id)
        unanswered.run(600)
    unanswered.assert_connected(signup.id)
    unanswered.assert_nothing_doubled()


def test_a_channel_that_has_no_phone_number_yet_is_waited_for(unanswered: World) -> None:
    until = unanswered.clock.now() + timedelta(minutes=3)

    def nameless(real: Any, filters: Any, offset: int, gate: Any) -> Any:
        page = real.list_channels(filters, offset, gate)
        if unanswered.clock.now() >= until:
            return page
        hidden = [replace(channel, digits="", external_id=None) for channel in page.items]
        return Page(hidden, page.next_offset)

    stub(unanswered, submit_number=lose_first_answer(), list_channels=nameless)
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
        assert only(world, signup).status == Status.FAILED
        world.retry(signup.id)
        world.run(until=world.settled(signup.id))
        world.assert_connected(signup.id)
        world.assert_nothing_doubled()


def test_a_retry_right_after_an_unanswered_submission_waits_for_360dialogs_lists() -> None:
    with World(Options(retry_seconds=())) as world:
        world.admin("dialog", "options", {"channel_list_lag_seconds": 20}, "PATCH")
        world.lose_webhook = lambda _: True
        stub(world, submit_number=lose_first_answer())
        signup = world.submitted(world.customer())
        world.run(until=world.settled(signup.id))
        assert only(world, signup).status == Status.FAILED
        world.retry(signup.id)
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
        # One of them has found out that the list of clients is long.
        assert world.dialog_state()["budget"]["requests"] - before == 8 * 5 + 1


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
        assert world.load(first.id).submitted == []
        world.assert_connected(second.id)
        world.assert_nothing_doubled()


def test_events_that_overtake_a_refusal_win() -> None:
    with World() as world:
        opened: list[Signup] = []

        def submit(real: Any, submission: Any, gate: Any) -> None:
            real.submit_number(submission, gate)
            tell(world, "created", "channel_created", **facts(only(world, opened[0]), "newCH"))
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


def test_an_event_that_binds_its_own_channel_at_its_second_try_acts_once() -> None:
    """It lies in the ledger of the channel that it tells of, and must not be written twice in one write."""
    with World() as world:
        world.lose_webhook = lambda _: True
        customer = world.customer()
        waba = customer["wabas"][0]
        tell(
            world,
            "early",
            "account_restriction",
            id="newCH",
            waba_account={"external_id": waba["id"]},
            setup_info={"phone_number": waba["numbers"][0]["display_phone_number"]},
        )
        world.run(5)
        signup = world.submitted(customer)
        world.run(30)
        assert only(world, signup).channel_id == "newCH"
        assert [fact.type for fact in world.store.all_facts()].count("number.restricted") == 1


def test_an_event_kept_under_a_channel_acts_when_a_look_finds_the_channel() -> None:
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


def test_an_event_of_a_channel_that_nobody_knows_costs_nothing_and_is_kept() -> None:
    with World() as world:
        before = world.dialog_state()["budget"]["requests"]
        tell(world, "live", "channel_live", id="foreignCH")
        world.run(23 * 3_600)
        assert not world.queue.dead_events
        assert [record.id for record in world.store.ledger(channel_place(HUB, "foreignCH"), 9)] == ["live"]
        assert world.dialog_state()["budget"]["requests"] - before <= 3
        (record,) = world.store.records(EventRecord)
        assert record.outcome == Outcome.UNRESOLVED


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
        world.run(until=lambda: reaches(only(world, signup).progress, Progress.LIVE))
        live_at = world.clock.now()
        world.run(until=world.settled(signup.id))
        assert world.clock.now() - live_at < timedelta(minutes=1)


def test_the_census_reads_more_pages_than_one_window_allows() -> None:
    with World(Options(budget_calls=5)) as world:
        pages: list[int] = []

        def many(_real: Any, _filters: Any, offset: int, gate: Any) -> Page[Any]:
            gate()
            pages.append(offset)
            return Page([], offset + 200 if len(pages) < 12 else None)

        stub(world, list_channels=many)
        world.queue.wake_census(HUB)
        world.run(600)
        assert pages == [200 * index for index in range(12)]
        assert not world.telemetry.warnings()
