"""Promises 4, 5 and 11: an event acts once, whenever it comes, and is kept until its signup appears."""

import json
from datetime import timedelta
from typing import Any

import pytest

from onramp.domain.errors import PutOff
from onramp.domain.partner_events import PartnerEvent, read_event
from onramp.domain.states import Progress, Status
from onramp.usecases.apply_partner_event import apply_partner_event
from tests.world import Killed, Options, World


def event(name: str, event_id: str = "E1", **data: Any) -> PartnerEvent:
    return read_event({"id": event_id, "event": name, "data": data})


def channel_data(customer: dict[str, Any], channel_id: str = "newCH", number: int = 0) -> dict[str, Any]:
    waba = customer["wabas"][0]
    return {
        "id": channel_id,
        "waba_account": {"id": "360WA", "external_id": waba["id"]},
        "setup_info": {"phone_number": waba["numbers"][number]["display_phone_number"]},
    }


def submitted(world: World, numbers: int = 1) -> tuple[str, dict[str, Any]]:
    """A signup that 360dialog has taken and tells nothing of."""
    world.admin("dialog", "webhook-faults", {"drop": 1})
    customer = world.customer(numbers=numbers)
    signup = world.submitted(customer)
    world.run(seconds=1)
    assert all(n.progress is Progress.SUBMITTED for n in world.load(signup.id).numbers)
    return signup.id, customer


def test_a_repeated_event_changes_nothing_and_is_counted(world: World) -> None:
    signup_id, customer = submitted(world)
    created = event("channel_created", **channel_data(customer))
    apply_partner_event(world.follow, created)
    before = world.load(signup_id)
    apply_partner_event(world.follow, created)
    assert world.load(signup_id) == before
    assert world.telemetry.counts["EventsDuplicate"] == 1


def test_a_late_event_is_recorded_and_does_not_lead_back(world: World) -> None:
    signup_id, customer = submitted(world)
    apply_partner_event(world.follow, event("channel_running", "E2", **channel_data(customer)))
    apply_partner_event(world.follow, event("channel_created", "E1", **channel_data(customer)))
    assert world.load(signup_id).numbers[0].progress is Progress.RUNNING


def test_of_two_numbers_in_one_waba_each_gets_its_own_channel(world: World) -> None:
    signup_id, customer = submitted(world, numbers=2)
    apply_partner_event(world.follow, event("channel_created", "E1", **channel_data(customer, "oneCH", 1)))
    apply_partner_event(world.follow, event("channel_created", "E2", **channel_data(customer, "twoCH", 0)))
    by_digits = {n.digits: n.channel_id for n in world.load(signup_id).numbers}
    wanted = {n["display_phone_number"]: n for n in customer["wabas"][0]["numbers"]}
    assert len(wanted) == 2
    numbers = world.load(signup_id).numbers
    assert {numbers[0].channel_id, numbers[1].channel_id} == {"oneCH", "twoCH"}
    first = read_event({"event": "x", "data": channel_data(customer, number=0)}).channel.digits
    assert by_digits[first] == "twoCH"


def test_the_same_digits_in_another_waba_do_not_match(world: World) -> None:
    signup_id, customer = submitted(world)
    data = channel_data(customer) | {"waba_account": {"external_id": "999"}}
    apply_partner_event(world.follow, event("channel_created", **data))
    assert world.load(signup_id).numbers[0].channel_id is None
    assert world.telemetry.counts["EventsParked"] == 1


def test_events_before_the_signup_are_parked_and_taken_up_when_it_appears(world: World) -> None:
    customer = world.customer()
    for index, name in enumerate(("channel_live", "channel_created")):
        apply_partner_event(world.follow, event(name, f"E{index}", **channel_data(customer)))
    assert world.telemetry.counts["EventsParked"] == 2
    signup = world.submitted(customer)
    world.run(seconds=2)
    number = world.load(signup.id).numbers[0]
    assert number.channel_id == "newCH"
    assert number.progress.reaches(Progress.LIVE)
    assert not world.store.parked(f"WABA#{customer['wabas'][0]['id']}")


def test_an_event_parked_under_its_channel_is_taken_up_when_the_channel_is_known(world: World) -> None:
    signup_id, customer = submitted(world)
    apply_partner_event(world.follow, event("channel_running", "E1", id="newCH"))
    assert [parked.event.id for parked in world.store.parked("CHANNEL#newCH")] == ["E1"]
    apply_partner_event(world.follow, event("channel_created", "E2", **channel_data(customer)))
    assert world.load(signup_id).numbers[0].progress is Progress.RUNNING
    assert not world.store.parked("CHANNEL#newCH")


def test_a_parked_event_without_a_signup_is_reported_after_a_day(world: World) -> None:
    apply_partner_event(world.follow, event("channel_created", **channel_data(world.customer())))
    world.run(seconds=23 * 3_600)
    assert "EventsUnmatched" not in world.telemetry.counts
    world.run(seconds=2 * 3_600)
    assert world.telemetry.counts["EventsUnmatched"] == 1
    world.run(seconds=24 * 3_600)
    assert world.telemetry.counts["EventsUnmatched"] == 1


def test_later_events_of_the_same_waba_do_not_hasten_the_report(world: World) -> None:
    customer = world.customer()
    for hour in range(20):
        apply_partner_event(world.follow, event("channel_created", f"E{hour}", **channel_data(customer)))
        world.run(seconds=3_600)
    assert "EventsUnmatched" not in world.telemetry.counts


def test_an_event_acts_once_within_thirty_days(world: World) -> None:
    signup_id, customer = submitted(world)
    violation = event("account_violation", **channel_data(customer), violation_type="SPAM")
    apply_partner_event(world.follow, violation)
    world.clock.sleep(29 * 86_400)
    before = world.load(signup_id).timeline
    apply_partner_event(world.follow, violation)
    assert world.load(signup_id).timeline == before


def test_while_one_copy_is_worked_on_the_other_waits(world: World) -> None:
    _, customer = submitted(world)
    created = event("channel_created", **channel_data(customer))
    refused: list[str] = []

    def second_copy(*_: object) -> None:
        with pytest.raises(PutOff) as caught:
            apply_partner_event(world.follow, created)
        refused.append(caught.value.reason)

    world.killer.when("store.find_channel", second_copy)
    apply_partner_event(world.follow, created)
    assert refused == ["event lease"]


def test_a_crash_half_way_is_taken_up_again_when_the_lease_is_over(world: World) -> None:
    signup_id, customer = submitted(world)
    created = event("channel_created", **channel_data(customer))

    def die(*_: object) -> None:
        raise Killed("here")

    world.killer.when("store.find_digits", die)
    with pytest.raises(Killed):
        apply_partner_event(world.follow, created)
    for _ in range(9):
        with pytest.raises(PutOff) as caught:
            apply_partner_event(world.follow, created)
        world.clock.sleep((caught.value.until - world.clock.now()) / timedelta(seconds=1) + 0.01)
    apply_partner_event(world.follow, created)
    assert world.load(signup_id).numbers[0].channel_id == "newCH"


def test_a_run_whose_claim_ran_out_leaves_the_event_to_the_other_run(world: World) -> None:
    signup_id, customer = submitted(world)
    created = event("channel_created", **channel_data(customer))

    def other_run_meanwhile() -> None:
        world.clock.sleep(91)
        apply_partner_event(world.follow, created)

    world.killer.when("store.find_digits", other_run_meanwhile)
    with pytest.raises(PutOff) as caught:
        apply_partner_event(world.follow, created)
    assert caught.value.reason == "another run has the event"
    assert not world.queue.dead_events
    assert [e.event for e in world.load(signup_id).timeline].count("number.created") == 1


@pytest.mark.parametrize(
    ("name", "status", "published"),
    [
        ("account_restriction", Status.RESTRICTED, "number.restricted"),
        ("account_violation", Status.RESTRICTED, "number.restricted"),
        ("cancellation_processed", Status.CANCELLED, "number.cancelled"),
        ("cancellation_request", Status.CONNECTED, "number.cancellation_request"),
        ("cancellation_revoke", Status.CONNECTED, "number.cancellation_revoke"),
        ("channel_permission_granted", Status.CONNECTED, None),
    ],
)
def test_events_after_connected_lead_to_states_and_bus_events(
    world: World, name: str, status: Status, published: str | None
) -> None:
    signup = world.submitted(world.customer())
    world.run(until=world.settled(signup.id))
    channel_id = world.load(signup.id).numbers[0].channel_id
    seen = len(world.bus.published)
    apply_partner_event(world.follow, event(name, id=channel_id, violation_type="SPAM"))
    assert world.load(signup.id).numbers[0].status is status
    assert [e.type for e in world.bus.published[seen:]] == ([published] if published else [])
    assert world.telemetry.counts["EventsApplied"] > 0


def test_unknown_events_and_templates_are_stored_and_counted(world: World) -> None:
    apply_partner_event(world.follow, event("something_new", "U1", id="x"))
    apply_partner_event(world.follow, event("waba_template_status_changed", "U2", id="123"))
    assert world.telemetry.counts["EventsUnknown"] == 1
    assert world.telemetry.counts["EventsStored"] == 1
    apply_partner_event(world.follow, event("something_new", "U1", id="x"))
    assert world.telemetry.counts["EventsDuplicate"] == 1


def test_a_second_channel_for_a_number_is_noted_and_changes_nothing(world: World) -> None:
    signup_id, customer = submitted(world)
    apply_partner_event(world.follow, event("channel_created", "E1", **channel_data(customer, "oneCH")))
    apply_partner_event(world.follow, event("channel_live", "E2", **channel_data(customer, "twoCH")))
    number = world.load(signup_id).numbers[0]
    assert (number.channel_id, number.progress) == ("oneCH", Progress.CREATED)
    assert "channel.second" in [entry.event for entry in world.load(signup_id).timeline]


def test_an_event_that_fails_again_and_again_is_kept_for_a_person_and_can_be_redriven() -> None:
    with World(Options(retry_seconds=(1, 2))) as world:
        signup_id, customer = submitted(world)
        data = channel_data(customer) | {"waba_account": {}}
        world.fault("error_before", r"channels/newCH$", times=None, status=503)
        world.queue.put("event", json.dumps({"id": "E1", "event": "channel_created", "data": data}))
        world.run(seconds=120)
        assert [reason for _, reason in world.queue.dead_events] == ["partner_unavailable"]
        world.fault_free()
        world.queue.redrive()
        world.run(seconds=5)
        assert not world.queue.dead_events
        parked = world.store.parked("CHANNEL#newCH")
        assert [entry.event.id for entry in parked] == ["E1"]
        assert world.load(signup_id).numbers[0].channel_id is None


@pytest.mark.parametrize(
    "body", ["", "not json", "7", "[]", '{"data": {}}', '[{"event": "x"}, 5]', "[" * 99_999]
)
def test_a_signed_body_that_cannot_be_read_is_kept_apart_and_never_retried(world: World, body: str) -> None:
    world.queue.put("event", body)
    world.run(seconds=30)
    assert world.queue.dead_events == [(body, "unreadable")]
    assert not world.queue.messages


def test_an_event_whose_runs_all_die_is_given_up_in_the_end(world: World) -> None:
    _, customer = submitted(world)
    world.killer.kill_always("store.find_digits")
    data = channel_data(customer)
    world.queue.put("event", json.dumps({"id": "E1", "event": "channel_created", "data": data}))
    world.run(seconds=3 * 3_600)
    assert [reason for _, reason in world.queue.dead_events] == ["crashed"]
