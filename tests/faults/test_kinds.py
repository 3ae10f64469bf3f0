"""Kinds of faults that outsiders found in the first shape of this product, each kept as a test.

The order is that of the report: ownership and doubles, waiting, order, lost answers, budget, sizes, text,
answers. What concerns a single adapter or handler stands beside that one's tests.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from harness.killing import Killed
from harness.stub import stub, stub_store
from harness.world import TENANT, Options, World
from onramp.domain.clients import ClientRecord
from onramp.domain.errors import Ambiguous, Permanent, Problem, Throttled, Transient, UnavailableError
from onramp.domain.ledger import EventRecord, Outcome
from onramp.domain.number import Number
from onramp.domain.signup import Client, Exchange, Signup
from onramp.domain.states import Progress, Status
from onramp.domain.text import text
from onramp.ports.upstreams import Page
from onramp.usecases.exchange_code import choose_waba, exchange_code
from onramp.usecases.open_signup import Wanted, open_signup
from onramp.usecases.read import come_back_in
from onramp.usecases.submit_numbers import submit_numbers
from onramp.usecases.sweep import sweep
from onramp.usecases.wishes import retry_signup

HOUR = 3_600.0
DAY = 24 * HOUR


def tell(world: World, event_id: str, name: str, **data: Any) -> None:
    """An event of 360dialog's."""
    world.queue.put("event", json.dumps({"id": event_id, "event": name, "data": data}))


def _hold(held: list[str], body: str) -> bool:
    """Keep a webhook back."""
    held.append(body)
    return True


def _do(call: Callable[[str], object], argument: str) -> None:
    call(argument)


def only(world: World, signup: Signup) -> Number:
    (number,) = world.numbers(signup.id)
    return number


def again(world: World, customer: dict[str, Any], key: str, **fields: Any) -> Signup:
    """The same customer in a new signup."""
    fresh = world.admin("meta", "codes", {"business_id": customer["business_id"]})
    return world.submitted({**customer, **fresh}, key=key, **fields)


def refuse_once(world: World, trouble: Exception) -> list[int]:
    """The first submission is refused before anything is done."""
    seen: list[int] = []

    def submit(real: Any, submission: Any, gate: Any) -> None:
        seen.append(1)
        if len(seen) == 1:
            gate()
            raise trouble
        real.submit_number(submission, gate)

    stub(world, submit_number=submit)
    return seen


def channels(world: World) -> list[dict[str, Any]]:
    """The channels at 360dialog that live."""
    return [entry for entry in world.dialog_state()["channels"] if not entry.get("cancelled_at")]


# --- ownership and doubles ----------------------------------------------------------------------------------


def test_a_takeover_while_the_older_signup_is_retried_gives_one_submission() -> None:
    with World() as world:
        refuse_once(world, Permanent("submission_rejected", status=400))
        customer = world.customer()
        first = world.submitted(customer)
        world.run(60)
        assert only(world, first).status == Status.FAILED
        world.killer.when("store.commit", lambda: _do(world.retry, first.id), skip=6)
        second = again(world, customer, "second")
        world.run(until=world.settled(second.id))
        world.run(600)
        world.assert_connected(second.id)
        world.assert_nothing_doubled()
        assert world.load(first.id).submitted == []
        with pytest.raises(Problem, match="nothing_to_retry"):
            retry_signup(world.ports, world.load(first.id))


def test_a_takeover_while_an_event_revives_the_number_gives_one_owner() -> None:
    with World() as world:

        def submit(real: Any, submission: Any, gate: Any) -> None:
            real.submit_number(submission, gate)
            raise Permanent("submission_rejected", status=400)

        held: list[str] = []
        world.lose_webhook = partial(_hold, held)
        world.admin("dialog", "options", {"channel_list_lag_seconds": 120}, "PATCH")
        stub(world, submit_number=submit)
        customer = world.customer()
        first = world.submitted(customer)
        world.run(60)
        assert only(world, first).status == Status.FAILED
        world.lose_webhook = lambda _: False
        for body in held:
            world.queue.put("event", body)
        second = again(world, customer, "second")
        world.run(until=world.settled(second.id))
        world.assert_connected(second.id)
        world.assert_nothing_doubled()
        assert len(channels(world)) == 1


def test_a_takeover_under_another_email_makes_no_second_channel() -> None:
    with World() as world:

        def submit(real: Any, submission: Any, gate: Any) -> None:
            real.submit_number(submission, gate)
            raise Permanent("submission_rejected", status=400)

        world.lose_webhook = lambda _: True
        world.admin("dialog", "options", {"channel_list_lag_seconds": 120}, "PATCH")
        stub(world, submit_number=submit)
        customer = world.customer()
        first = world.submitted(customer)
        world.run(60)
        assert only(world, first).status == Status.FAILED
        world.run(120)
        second = again(world, customer, "second", email="other@example.com")
        world.run(until=world.settled(second.id))
        world.assert_connected(second.id)
        assert len(channels(world)) == 1


@pytest.mark.parametrize("hours", [0, 8], ids=["at once", "hours apart"])
def test_two_tenants_with_one_email_never_make_two_clients(hours: int) -> None:
    with World() as world:
        first = world.submitted(world.customer())
        if hours:
            world.run(hours * HOUR)
        second = world.submitted(world.customer(), tenant="tenant-2", key="second")
        world.run(DAY)
        ends = {only(world, first).status, only(world, second).status}
        assert ends == {Status.CONNECTED, Status.FAILED}
        assert {
            number.failure.code for number in (only(world, first), only(world, second)) if number.failure
        } == {"client_taken"}
        assert len(world.dialog_state()["clients"]) == 1


def test_a_second_channel_of_a_number_is_reported_and_takes_over_when_the_first_has_ended() -> None:
    with World() as world:
        customer = world.customer()
        signup = world.submitted(customer)
        world.run(until=world.settled(signup.id))
        first = only(world, signup)
        waba = customer["wabas"][0]
        data = {
            "waba_external_id": waba["id"],
            "client_id": first.client_id,
            "phone_number": only(world, signup).digits,
        }
        made = world.admin("dialog", "channels", data)
        world.queue.wake_census("default")
        world.run(600)
        assert only(world, signup).attention == "second_channel"
        assert "number.attention" in world.bus.types()
        world.admin("dialog", f"channels/{first.channel_id}", {"cancelled": True}, "PATCH")
        world.clock.sleep(HOUR)
        world.queue.wake_census("default")
        world.run(2 * HOUR, until=lambda: only(world, signup).channel_id == made["id"])
        world.run(until=world.settled(signup.id))
        world.assert_connected(signup.id)
        assert only(world, signup).attention is None


def named(world: World, client: Client, tenant: str = TENANT) -> Signup:
    """A signup whose caller names the client by its id, with its number submitted."""
    customer = world.customer()
    wanted = Wanted(client=client, plan_tier="regular")
    signup = open_signup(world.ports, tenant=tenant, wanted=wanted, idempotency_key=None)
    signup = exchange_code(world.ports, signup, customer["code"], customer["session_info"])
    return submit_numbers(world.ports, signup, (), None)


def test_a_client_id_that_nobody_has_used_here_is_asked_for_before_its_first_use() -> None:
    with World() as world:
        mine = world.partner.create_client("Mine", "mine@example.com", "Mine", lambda: None)
        good = named(world, Client(id=mine, email="Mine@Example.com"))
        stranger = named(world, Client(id=mine, email="other@example.com"), "tenant-2")
        unknown = named(world, Client(id="nobodyCL"))
        world.run(HOUR)
        world.assert_connected(good.id)
        codes = [only(world, signup).failure for signup in (stranger, unknown)]
        assert [failure.code for failure in codes if failure] == ["client_taken", "client_not_found"]


def test_a_client_made_by_one_tenant_cannot_be_named_by_another() -> None:
    with World() as world:
        first = world.submitted(world.customer())
        world.run(until=world.settled(first.id))
        client_id = only(world, first).client_id
        with pytest.raises(Problem) as refused:
            named(world, Client(id=client_id), "tenant-2")
        assert refused.value.code == "invalid_request"


def test_another_tenant_that_submits_the_same_digits_does_not_redirect_a_numbers_events() -> None:
    with World() as world:
        held: list[str] = []
        world.lose_webhook = partial(_hold, held)
        phone = "+4915112345678"
        first = world.submitted(
            world.admin("meta", "signups", {"wabas": [{"numbers": [{"display_phone_number": phone}]}]})
        )
        world.run(30)
        thief = world.admin("meta", "signups", {"wabas": [{"numbers": [{"display_phone_number": phone}]}]})
        second = world.submitted(thief, tenant="tenant-2", key="second", email="thief@example.com")
        world.lose_webhook = lambda _: False
        for body in held:
            world.queue.put("event", body)
        world.run(until=lambda: world.settled(first.id)() and world.settled(second.id)())
        world.assert_connected(first.id)
        world.assert_connected(second.id)
        assert only(world, first).channel_id != only(world, second).channel_id


# --- waiting ------------------------------------------------------------------------------------------------


def test_an_outage_of_the_bus_delays_no_work() -> None:
    with World() as world:
        world.bus.broken = True
        for index in range(200):
            world.opened(key=f"k{index}")
        world.queue.sends_to_lose = 1
        signup = world.submitted(world.customer(), key="customer")
        world.run(600)
        assert only(world, signup).status == Status.CONNECTED
        assert world.bus.published == []
        world.bus.broken = False
        world.publish()
        assert len(world.bus.published) == 201 + 8


def test_facts_are_published_in_the_order_of_their_signup() -> None:
    with World() as world:
        signup = world.submitted(world.customer())
        world.run(until=world.settled(signup.id))
        world.publish()
        assert world.bus.types() == [
            "signup.opened",
            "signup.authorized",
            "number.pending",
            "number.submitted",
            "number.created",
            "number.ready",
            "number.running",
            "number.live",
            "number.connected",
        ]


def test_a_record_that_cannot_be_read_holds_up_nobody_and_rings_every_time() -> None:
    with World() as world:
        world.lose_webhook = lambda _: True
        broken = world.submitted(world.customer(), key="broken", email="broken@example.com")
        world.run(30)
        spoiled = only(world, broken)
        world.store.spoil(spoiled)
        good = world.submitted(world.customer(), key="good")
        world.run(until=world.settled(good.id))
        world.assert_connected(good.id)
        seen = world.telemetry.counts["RecordsCrashed"]
        world.run(HOUR)
        assert world.telemetry.counts["RecordsCrashed"] > seen


def test_a_hit_that_cannot_be_moved_on_does_not_stop_the_sweep() -> None:
    with World() as world:
        world.queue.sends_to_lose = 1_000
        signups = [
            world.submitted(world.customer(), key=f"k{index}", email=f"o{index}@example.com")
            for index in range(3)
        ]
        world.queue.sends_to_lose = 0
        first = only(world, signups[0]).phone_number_id

        def postpone(real: Any, hit: Any, until: Any) -> bool:
            if hit.identity == (first,):
                raise UnavailableError("throttled")
            return bool(real.postpone(hit, until))

        stub_store(world, postpone=postpone)
        world.run(600)
        assert all(only(world, signup).status == Status.CONNECTED for signup in signups)
        assert world.telemetry.counts["RecordsCrashed"] >= 1


def test_a_submission_that_never_becomes_a_channel_fails_in_a_week_and_a_retry_submits_it_again() -> None:
    with World() as world:
        sent: list[int] = []

        def submit(real: Any, submission: Any, gate: Any) -> None:
            sent.append(1)
            if len(sent) == 1:
                gate()
                return
            real.submit_number(submission, gate)

        stub(world, submit_number=submit)
        signup = world.submitted(world.customer())
        world.run(9 * DAY, until=world.settled(signup.id))
        number = only(world, signup)
        assert number.failure is not None
        assert number.failure.code == "channel_never_came"
        assert world.dialog_state()["budget"]["requests"] < 100
        world.retry(signup.id)
        world.run(until=world.settled(signup.id))
        world.assert_connected(signup.id)


def test_a_channel_that_never_goes_live_fails_in_a_week_and_goes_on_when_it_does() -> None:
    with World() as world:
        world.admin("dialog", "options", {"stop_at": "ready"}, "PATCH")
        signup = world.submitted(world.customer())
        world.run(9 * DAY, until=world.settled(signup.id))
        failure = only(world, signup).failure
        assert failure is not None
        assert failure.code == "channel_stuck"
        number = only(world, signup)
        tell(world, "late", "channel_live", id=number.channel_id)
        world.admin("dialog", f"channels/{number.channel_id}", {"state": "live"}, "PATCH")
        world.run(HOUR)
        world.assert_connected(signup.id)


def test_nameless_channels_of_a_waba_are_waited_for_with_few_listings_and_an_end() -> None:
    with World(Options(retry_seconds=(5, 30, 300))) as world:
        listings: list[int] = []

        def listed(real: Any, filters: Any, offset: int, gate: Any) -> Any:
            listings.append(1)
            page = real.list_channels(filters, offset, gate)
            return Page([_nameless(channel) for channel in page.items], page.next_offset)

        world.lose_webhook = lambda _: True
        seen: list[int] = []

        def submit(real: Any, submission: Any, gate: Any) -> None:
            real.submit_number(submission, gate)
            seen.append(1)
            raise Ambiguous("partner_unavailable")

        stub(world, submit_number=submit, list_channels=listed)
        customer = world.customer()
        signup = world.submitted(customer)
        world.run(10)
        world.admin("dialog", "channels", {"waba_external_id": customer["wabas"][0]["id"]})
        world.run(3 * DAY, until=world.settled(signup.id))
        assert only(world, signup).failure is not None
        assert len(listings) < 100
        assert len(seen) == 1


def _nameless(channel: Any) -> Any:
    return replace(channel, digits="", external_id=None)


def test_one_channel_that_is_always_throttled_rests_alone() -> None:
    with World(Options(retry_seconds=(5, 30, 300))) as world:
        throttled: set[str] = set()

        def make_key(real: Any, channel_id: str, gate: Any) -> Any:
            if not throttled or channel_id in throttled:
                throttled.add(channel_id)
                gate()
                raise Throttled("partner_unavailable")
            return real.make_key(channel_id, gate)

        stub(world, make_key=make_key)
        first = world.submitted(world.customer())
        world.run(300)
        pauses = world.telemetry.counts["PartnerThrottled"]
        begun = world.clock.now()
        others = [
            world.submitted(world.customer(), key=f"k{index}", email=f"o{index}@example.com")
            for index in range(5)
        ]
        world.run(until=lambda: all(world.settled(signup.id)() for signup in others))
        assert world.clock.now() - begun < timedelta(minutes=3)
        world.run(2 * DAY, until=world.settled(first.id))
        assert only(world, first).failure is not None
        assert world.telemetry.counts["PartnerThrottled"] > pauses


def test_a_listing_longer_than_the_window_goes_on_where_it_stopped() -> None:
    with World(Options(budget_calls=5, simulated_budget=100_000)) as world:
        for index in range(2_600):
            world.partner.create_client("Old", f"old{index}@example.com", "Old", lambda: None)
        world.admin("dialog", "options", {"ignore_client_filters": True}, "PATCH")
        before = world.dialog_state()["budget"]["requests"]
        signup = world.submitted(world.customer())
        world.run(HOUR, until=world.settled(signup.id))
        world.assert_connected(signup.id)
        assert world.dialog_state()["budget"]["requests"] - before < 30


def test_a_list_without_waba_ids_is_settled_by_single_reads_though_slots_come_one_by_one() -> None:
    with World(Options(budget_calls=1)) as world:
        world.admin(
            "dialog", "options", {"hide_external_id_in_list": True, "channel_external_id": "missing"}, "PATCH"
        )
        world.lose_webhook = lambda _: True
        sent: list[int] = []

        def submit(real: Any, submission: Any, gate: Any) -> None:
            real.submit_number(submission, gate)
            sent.append(1)
            raise Ambiguous("partner_unavailable")

        stub(world, submit_number=submit)
        signup = world.submitted(world.customer())
        world.run(HOUR, until=world.settled(signup.id))
        world.assert_connected(signup.id)
        assert len(sent) == 1


def test_events_about_channels_nobody_knows_cost_a_customer_nothing() -> None:
    with World(Options(budget_calls=5)) as world:
        for index in range(150):
            tell(world, f"foreign{index}", "channel_live", id=f"foreign{index}CH")
        signup = world.submitted(world.customer())
        begun = world.clock.now()
        world.run(until=world.settled(signup.id))
        assert world.clock.now() - begun < timedelta(minutes=2)
        world.run(HOUR)
        assert world.dialog_state()["budget"]["requests"] < 20
        kept = [record for record in world.store.records(EventRecord) if record.outcome == Outcome.UNRESOLVED]
        assert len(kept) == 150


@pytest.mark.parametrize("count", [10, 100])
def test_looking_at_the_ledger_does_not_grow_with_what_lies_in_it(count: int) -> None:
    with World() as world:
        for index in range(count):
            tell(world, f"foreign{index}", "channel_live", id=f"foreign{index}CH")
        world.run(120)
        before = len(world.killer.calls)
        signup = world.submitted(world.customer())
        world.run(until=world.settled(signup.id))
        assert len(world.killer.calls) - before < 190


def test_a_signup_of_48_numbers_wakes_a_worker_a_few_times_for_each() -> None:
    with World() as world:
        sent: list[str] = []

        def wake(real: Any, ids: list[str]) -> None:
            sent.extend(ids)
            real.wake_numbers(ids)

        stub(world, port="queue", wake_numbers=wake)
        signup = world.submitted(world.customer(numbers=48))
        world.run(until=world.settled(signup.id))
        world.assert_connected(signup.id)
        assert len(sent) <= 48 * 3


def test_a_reader_of_a_number_that_has_waited_long_is_told_to_come_back_late() -> None:
    with World() as world:
        world.lose_webhook = lambda _: True
        world.admin("dialog", "options", {"stop_at": "submitted"}, "PATCH")
        signup = world.submitted(world.customer())
        world.run(5)
        early = come_back_in(world.numbers(signup.id), world.clock.now())
        world.run(5 * DAY)
        late = come_back_in(world.numbers(signup.id), world.clock.now())
        assert early is not None
        assert late is not None
        assert early < 10
        assert late >= 300


# --- order --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("moment", ["before live", "during the call", "after the failure"])
def test_a_permission_counts_whenever_it_is_granted(moment: str) -> None:
    with World(Options(retry_seconds=(5,))) as world:
        denied = [True]

        def grant() -> None:
            denied.clear()
            tell(world, "granted", "channel_permission_granted", id=channels(world)[0]["id"])

        def make_key(real: Any, channel_id: str, gate: Any) -> Any:
            if denied:
                if moment == "during the call" and not world.queue.dead_jobs:
                    grant()
                    message = next(message for message in world.queue.messages if message.kind == "event")
                    world.queue.messages.remove(message)
                    world.handle(message)
                gate()
                raise Transient("permission_missing", status=403)
            return real.make_key(channel_id, gate)

        stub(world, make_key=make_key)
        signup = world.submitted(world.customer())
        if moment == "before live":
            world.run(until=lambda: only(world, signup).channel_id is not None)
            grant()
        world.run(HOUR, until=world.settled(signup.id))
        if moment == "after the failure":
            assert only(world, signup).status == Status.FAILED
            grant()
            world.run(HOUR, until=lambda: only(world, signup).status == Status.CONNECTED)
        world.assert_connected(signup.id)


def test_a_second_code_that_fails_keeps_the_token_of_the_first() -> None:
    with World() as world:
        customer = world.admin("meta", "signups", {"wabas": [{"numbers": [{}]}, {"numbers": [{}]}]})
        signup = world.opened()
        with pytest.raises(Problem, match="waba_ambiguous"):
            exchange_code(world.ports, signup, customer["code"], None)
        with pytest.raises(Problem):
            exchange_code(world.ports, world.load(signup.id), "wrong-code", None)
        chosen = choose_waba(world.ports, world.load(signup.id), customer["wabas"][0]["id"])
        assert chosen.waba is not None


@pytest.mark.parametrize("at", range(0, 260, 5))
def test_a_crash_between_a_channels_binding_and_its_earlier_events_loses_none(at: int) -> None:
    with World() as world:
        world.lose_webhook = lambda _: True
        signup = world.submitted(world.customer())
        world.run(20)
        channel_id = channels(world)[0]["id"]
        tell(world, "restricted", "account_restriction", id=channel_id)
        world.run(60)
        world.killer.kill_in(at)
        world.run(2 * HOUR, until=lambda: only(world, signup).key is not None)
        world.run(HOUR)
        assert only(world, signup).restriction == "account_restriction"


def test_the_end_of_an_old_channel_is_not_the_end_of_the_number() -> None:
    with World() as world:
        signup = world.submitted(world.customer())
        number = only(world, signup)
        ended = {
            "id": "oldCH",
            "waba_account": {"external_id": number.waba.id},
            "setup_info": {"phone_number": number.digits},
            "cancelled_at": "2026-01-01T00:00:00Z",
        }
        tell(world, "old", "cancellation_processed", **ended)
        world.run(600)
        tell(world, "old2", "cancellation_processed", **ended)
        world.run(60)
        world.assert_connected(signup.id)


# --- lost answers and our own storage -----------------------------------------------------------------------


def test_the_token_is_stored_patiently() -> None:
    with World() as world:
        customer = world.customer()
        signup = world.opened()
        failing = [3]

        def commit(real: Any, *records: Any, **more: Any) -> None:
            if any(isinstance(record, Exchange) and record.token for record in records) and failing[0]:
                failing[0] -= 1
                raise UnavailableError("the table does not answer")
            real.commit(*records, **more)

        stub_store(world, commit=commit)
        saved = exchange_code(world.ports, signup, customer["code"], customer["session_info"])
        assert saved.waba is not None


def test_a_code_whose_token_could_not_be_stored_leaves_nothing_in_the_way_of_the_next_one() -> None:
    with World() as world:
        customer = world.customer()
        signup = world.opened()
        failing = [True]

        def commit(real: Any, *records: Any, **more: Any) -> None:
            if any(isinstance(record, Exchange) and record.token for record in records) and failing:
                raise UnavailableError("the table does not answer")
            real.commit(*records, **more)

        stub_store(world, commit=commit)
        with pytest.raises(UnavailableError):
            exchange_code(world.ports, signup, customer["code"], customer["session_info"])
        failing.clear()
        fresh = world.admin("meta", "codes", {"business_id": customer["business_id"]})["code"]
        assert exchange_code(world.ports, signup, fresh, customer["session_info"]).waba is not None


def test_a_client_record_that_cannot_be_given_back_delays_nobody_for_long() -> None:
    with World() as world:

        def create(real: Any, *args: Any) -> str:
            raise Killed("create")

        stub(world, create_client=create)
        signup = world.submitted(world.customer())
        world.run(2)
        assert world.store.records(ClientRecord)[0].lease is not None
        stub(world)
        world.run(until=world.settled(signup.id))
        world.assert_connected(signup.id)
        world.assert_nothing_doubled()


# --- budget -------------------------------------------------------------------------------------------------


def test_slow_storage_of_the_budget_never_lets_a_sixth_call_into_the_window() -> None:
    with World(Options(budget_calls=5)) as world:
        slow = [True]

        def commit(real: Any, *records: Any, **more: Any) -> None:
            real.commit(*records, **more)
            if slow and records[0].KIND == "BUDGET" and world.clock.draw() < 0.5:
                world.clock.sleep(3)

        stub_store(world, commit=commit)
        signups = [
            world.submitted(world.customer(), key=f"k{index}", email=f"o{index}@example.com")
            for index in range(6)
        ]
        world.run(HOUR, until=lambda: all(world.settled(signup.id)() for signup in signups))
        world.run(60)
        for signup in signups:
            world.assert_connected(signup.id)
        assert world.dialog_state()["budget"]["max_in_any_window"] <= 5


# --- sizes --------------------------------------------------------------------------------------------------


def test_sixty_failed_numbers_of_one_signup_are_retried_by_one_call() -> None:
    with World() as world:
        refused = [True]

        def submit(real: Any, submission: Any, gate: Any) -> None:
            if refused:
                gate()
                raise Permanent("submission_rejected", status=400)
            real.submit_number(submission, gate)

        stub(world, submit_number=submit)
        customer = world.customer(numbers=60)
        ids = [number["id"] for number in customer["wabas"][0]["numbers"]]
        signup = world.submitted(customer, ids=ids[:48])
        signup = submit_numbers(world.ports, world.load(signup.id), ids[48:], None)
        world.run(HOUR, until=world.settled(signup.id))
        assert world.load(signup.id).counts == {"failed": 60}
        refused.clear()
        world.retry(signup.id)
        world.run(until=world.settled(signup.id))
        world.assert_connected(signup.id)
        assert world.load(signup.id).counts == {"connected": 60}


def test_a_day_without_the_bus_makes_no_record_grow() -> None:
    with World() as world:
        world.bus.broken = True
        signup = world.submitted(world.customer(numbers=48))
        world.run(DAY, until=world.settled(signup.id))
        sizes = [len(number.model_dump_json(exclude_defaults=True)) for number in world.numbers(signup.id)]
        assert max(sizes) < 3_000
        assert len(world.load(signup.id).model_dump_json(exclude_defaults=True)) < 3_000


def test_a_waba_with_500_numbers_makes_no_record_that_is_written_often_grow() -> None:
    with World() as world:
        customer = world.customer(numbers=500)
        first = customer["wabas"][0]["numbers"][0]["id"]
        signup = world.submitted(customer, ids=[first])
        world.run(until=world.settled(signup.id))
        world.assert_connected(signup.id)
        assert len(world.load(signup.id).model_dump_json(exclude_defaults=True)) < 1_500


# --- text ---------------------------------------------------------------------------------------------------

HALF = "half \ud83d of a character"


def test_halves_of_characters_in_an_event_are_stored_readable_and_harm_nobody() -> None:
    with World() as world:
        signup = world.submitted(world.customer())
        world.run(until=world.settled(signup.id))
        channel_id = only(world, signup).channel_id
        tell(world, HALF, "account_violation", id=channel_id, violation_type=HALF)
        tell(world, HALF + "2", HALF, id=HALF)
        world.run(60)
        assert only(world, signup).restriction == "account_violation"
        assert not world.queue.dead_events
        for record in world.store.records(EventRecord):
            assert record.event.name
        sweep(world.ports)


def test_halves_of_characters_in_names_of_metas_are_stored_readable() -> None:
    with World() as world:

        def numbers(real: Any, token: str, waba_id: str) -> Any:
            return [replace(phone, verified_name=text(HALF)) for phone in real.read_numbers(token, waba_id)]

        stub(world, port="meta", read_numbers=numbers)
        signup = world.submitted(world.customer())
        world.run(until=world.settled(signup.id))
        world.assert_connected(signup.id)
        assert only(world, signup).verified_name == "half \ufffd of a character"


def test_one_bad_element_of_an_array_leaves_its_neighbours_alone() -> None:
    with World() as world:
        signup = world.submitted(world.customer())
        world.run(until=world.settled(signup.id))
        channel_id = only(world, signup).channel_id
        good = {
            "id": "good",
            "event": "account_violation",
            "data": {"id": channel_id, "violation_type": "SPAM"},
        }
        world.queue.put("event", json.dumps([17, {"id": "x", "event": {"no": "name"}}, good, None]))
        world.run(60)
        assert only(world, signup).restriction == "account_violation"


# --- answers ------------------------------------------------------------------------------------------------


def test_a_retry_does_not_revive_what_a_retry_cannot_mend() -> None:
    with World() as world:
        world.partner.create_client("Other", "other@example.com", "Other", lambda: None)
        theirs = world.submitted(world.customer(), tenant="tenant-2", key="theirs")
        world.run(60)
        signup = world.submitted(world.customer())
        world.run(60)
        assert only(world, theirs).status == Status.CONNECTED
        failure = only(world, signup).failure
        assert failure is not None
        assert not failure.retryable
        with pytest.raises(Problem, match="nothing_to_retry"):
            retry_signup(world.ports, world.load(signup.id))
        assert only(world, signup).status == Status.FAILED


def test_the_end_of_a_run_that_another_one_has_taken_over_changes_nothing() -> None:
    with World() as world:
        signup = world.submitted(world.customer())

        def submit(real: Any, submission: Any, gate: Any) -> None:
            real.submit_number(submission, gate)
            number = only(world, signup)
            assert number.lease is not None
            number.lease.owner = "somebody-else"
            world.store.commit(number)

        stub(world, submit_number=submit)
        world.run(5)
        number = only(world, signup)
        assert number.lease is not None
        assert number.lease.owner == "somebody-else"
        stub(world)
        world.run(until=world.settled(signup.id))
        world.assert_connected(signup.id)
        world.assert_nothing_doubled()


def test_a_number_that_was_submitted_twice_by_its_tenant_goes_on_in_the_later_signup() -> None:
    with World() as world:
        customer = world.customer()
        first = world.submitted(customer)
        world.run(until=world.settled(first.id))
        second = again(world, customer, "second")
        assert only(world, second).signup_id == second.id
        world.run(until=world.settled(second.id))
        world.run(60)
        world.assert_connected(second.id)
        world.assert_nothing_doubled()
        assert world.load(first.id).status(world.clock.now()) == "authorized"
        assert only(world, second).progress == Progress.CONNECTED


def test_a_number_of_another_tenant_is_taken() -> None:
    with World() as world:
        customer = world.customer()
        first = world.submitted(customer)
        world.run(until=world.settled(first.id))
        with pytest.raises(Problem, match="number_taken"):
            again(world, customer, "second", tenant="tenant-2", email="other@example.com")
