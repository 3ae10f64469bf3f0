"""Promise 10: what was lost heals, within the budget, and what nobody knows of is reported."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast

import pytest

from onramp.domain.errors import Transient
from onramp.domain.partner_events import Channel
from onramp.domain.signup import Signup
from onramp.domain.states import Progress, Status
from onramp.ports import Gate
from onramp.usecases.reconcile import SweepIncomplete, report, sweep
from tests.world import Options, World


def test_with_all_webhooks_lost_every_number_still_connects(world: World) -> None:
    world.admin("dialog", "webhook-faults", {"drop": 1})
    signups = [world.submitted(world.customer(), key=f"k{index}") for index in range(5)]
    for signup in signups:
        world.run(until=world.settled(signup.id))
        world.assert_connected(signup.id)
    assert world.telemetry.counts["NumbersHealed"] == 5


def test_work_that_never_reached_the_queue_is_sent_by_the_sweep(world: World) -> None:
    world.queue.sends_to_lose = 1
    signup = world.submitted(world.customer())
    world.run(seconds=30)
    assert world.load(signup.id).numbers[0].progress is Progress.PENDING
    world.run(until=world.settled(signup.id))
    world.assert_connected(signup.id)


def test_the_sweep_reads_only_what_is_due(world: World) -> None:
    for index in range(20):
        done = world.submitted(world.customer(), key=f"k{index}")
        world.run(until=world.settled(done.id))
    world.run(seconds=60)
    before = len(world.killer.calls)
    sweep(world.follow)
    assert world.killer.calls[before:] == ["store.due"]


def test_reconciliation_gives_way_to_live_signups() -> None:
    with World(Options(budget_calls=5)) as world:
        world.admin("dialog", "webhook-faults", {"drop": 1})
        waiting = world.submitted(world.customer())
        world.run(seconds=590)
        for index in range(12):
            world.submitted(world.customer(), key=f"k{index}")
        world.run(seconds=5)
        before = world.dialog_state()["budget"]["requests"]
        world.clock.sleep(15)
        sweep(world.follow)
        assert world.dialog_state()["budget"]["requests"] == before
        world.run(until=world.settled(waiting.id))
        world.assert_connected(waiting.id)
        world.assert_nothing_doubled()


def test_a_number_that_waits_for_more_than_an_hour_is_told_of(world: World) -> None:
    world.admin("dialog", "options", {"stop_at": "ready"}, "PATCH")
    signup = world.submitted(world.customer())
    world.run(seconds=3 * 3_600)
    assert world.load(signup.id).numbers[0].status is Status.READY
    assert world.telemetry.counts["NumbersStale"] >= 1
    assert "number waits for 360dialog" in world.telemetry.warnings()


def test_a_channel_that_died_meanwhile_fails_the_number(world: World) -> None:
    world.admin("dialog", "options", {"stop_at": "ready"}, "PATCH")
    signup = world.submitted(world.customer())
    world.run(seconds=30)
    channel_id = world.load(signup.id).numbers[0].channel_id
    world.admin("dialog", f"channels/{channel_id}", {"hub_status": "terminated"}, "PATCH")
    world.run(until=world.settled(signup.id))
    failure = world.load(signup.id).numbers[0].failure
    assert failure is not None
    assert failure.code == "channel_dead"


def test_billed_channels_that_nobody_knows_are_reported(world: World) -> None:
    known = world.submitted(world.customer())
    world.run(until=world.settled(known.id))
    world.admin("dialog", "channels", {})
    report(world.follow)
    assert world.telemetry.counts["ChannelsUnknown"] == 1
    assert world.bus.types()[-1] == "channels.unknown"
    ours = world.load(known.id).numbers[0].channel_id
    assert ours is not None
    assert ours not in str(world.bus.published[-1].detail)


def test_when_the_bus_does_not_answer_the_sweep_sends_its_events(world: World) -> None:
    world.bus.broken = True
    signup = world.submitted(world.customer())
    world.run(seconds=120)
    assert not world.bus.published
    world.bus.broken = False
    world.run(until=world.settled(signup.id))
    world.run(seconds=300)
    told = world.bus.types()
    assert told[:3] == ["signup.opened", "signup.authorized", "number.pending"]
    assert told[-1] == "number.connected"
    assert not world.load(signup.id).outbox


def test_looks_at_a_waiting_number_grow_rarer(world: World) -> None:
    world.admin("dialog", "options", {"stop_at": "created"}, "PATCH")
    signup = world.submitted(world.customer())
    world.run(seconds=timedelta(days=2).total_seconds())
    assert world.load(signup.id).numbers[0].looks < 16


def test_a_client_whose_channels_cannot_be_listed_holds_up_nobody_else(world: World) -> None:
    world.admin("dialog", "webhook-faults", {"drop": 1})
    one = world.submitted(world.customer(), key="k1")
    world.run(seconds=60)
    two = world.submitted(world.customer(), key="k2", email="other@example.com")
    world.run(seconds=300)
    sick = world.load(one.id).client.id

    class Partner:
        """Answers for all clients but one."""

        def list_channels(self, client_id: str | None, gate: Gate) -> Sequence[Channel]:
            if client_id == sick:
                gate()
                raise Transient("partner_unavailable", status=500)
            return world.partner.list_channels(client_id, gate)

    world.follow = replace(world.follow, partner=cast("Any", Partner()))
    world.run(seconds=1_800)
    assert world.load(two.id).numbers[0].progress.reaches(Progress.LIVE)
    assert world.load(one.id).numbers[0].progress is Progress.SUBMITTED


def test_numbers_the_budget_did_not_reach_are_put_off_and_hide_no_lost_work() -> None:
    with World(Options(budget_calls=5)) as world:
        world.admin("dialog", "webhook-faults", {"drop": 1})
        waiting = world.submitted(world.customer())
        world.run(seconds=590)
        for index in range(6):
            world.budget.take(f"other{index}", world.clock.now())
        world.clock.sleep(15)
        sweep(world.follow)
        due_at = world.load(waiting.id).numbers[0].due_at
        assert due_at is not None
        assert due_at > world.clock.now()


def test_a_record_that_cannot_be_read_holds_up_nobody_and_rings_the_alarm(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.queue.sends_to_lose = 2
    broken = world.submitted(world.customer(), key="k1")
    healthy = world.submitted(world.customer(), key="k2")
    world.clock.sleep(90)
    load = world.store.load

    def shaky(signup_id: str) -> Signup | None:
        if signup_id == broken.id:
            raise ValueError("not a signup")
        found: Signup | None = load(signup_id)
        return found

    with monkeypatch.context() as patch:
        patch.setattr(world.store, "load", shaky)
        with pytest.raises(SweepIncomplete, match=broken.id):
            sweep(world.follow)
    assert [json.loads(message.body)["signup_id"] for message in world.queue.messages] == [healthy.id]
