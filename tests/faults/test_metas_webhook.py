"""Meta's own webhook played to the end: what it says of numbers, signups that were lost, persons who ask."""

from datetime import timedelta
from typing import Any

import pytest

from harness.killing import Killed, Killer
from harness.world import TENANT, Options, World
from onramp.domain.deletion import DeletionRequest, MetaUser, RequestStatus
from onramp.domain.ledger import EventRecord
from onramp.domain.signup import Client, Exchange, Signup
from onramp.domain.states import Attention, SignupStatus, Status
from onramp.domain.witness import CODE_COMES, Witness
from onramp.usecases.carry_out import carry_out
from onramp.usecases.open_signup import Wanted
from onramp.usecases.recover import lost_signups, recover_signup
from onramp.usecases.requests import carried_out, open_requests, read_one
from onramp.usecases.submit_numbers import submit_numbers
from tests.problems import refused

type Json = dict[str, Any]

WANTED = Wanted(client=Client(name="Example", email="owner@example.com", user_name="O"), plan_tier="regular")
MINUTES = int(CODE_COMES / timedelta(minutes=1)) + 1


def a_world(killer: Killer | None = None) -> World:
    return World(Options(hears_meta=True), killer=killer)


def connected(world: World) -> tuple[Json, str]:
    customer = world.customer()
    signup = world.submitted(customer)
    world.run(until=world.settled(signup.id))
    world.run(60)
    world.assert_connected(signup.id)
    return customer, str(customer["wabas"][0]["numbers"][0]["id"])


def tells(world: World, customer: Json, event: str, **fields: Any) -> None:
    world.admin("meta", "events", {"event": event, "waba_id": customer["wabas"][0]["id"], **fields})
    world.run(fields.get("delay_seconds", 0) + 30)


def lost(world: World) -> list[Witness]:
    return list(lost_signups(world.ports, world.store.lost(None, 10)))


def a_lost_customer(world: World) -> Json:
    customer = world.customer()
    world.run(60 * MINUTES)
    return customer


def recover(world: World, customer: Json, tenant: str = TENANT) -> Signup:
    return recover_signup(world.ports, customer["wabas"][0]["id"], tenant, WANTED)


def test_a_removed_partner_is_told_once_and_proved_at_360dialog() -> None:
    with a_world() as world:
        customer, name = connected(world)
        tells(world, customer, "PARTNER_REMOVED", copies=3)
        number = world.number(name)
        assert (number.status, number.attention) == (Status.CONNECTED, Attention.PARTNER_REMOVED)
        assert (number.unseen, number.doubts) == (None, number.settled_doubts)
        told = [fact.detail["code"] for fact in world.store.all_facts() if fact.type == "number.attention"]
        assert told == ["partner_removed"]
        assert world.telemetry.counts["EventsDuplicate"] == 2


def test_a_channel_that_ended_with_its_account_is_cancelled() -> None:
    with a_world() as world:
        customer, name = connected(world)
        channel = world.number(name).channel_id
        world.admin("dialog", f"channels/{channel}", {"waba_status": "bsp_removed"}, "PATCH")
        tells(world, customer, "ACCOUNT_DELETED")
        world.run(600)
        assert world.number(name).status == Status.CANCELLED


def test_restrictions_that_come_late_and_in_another_order_end_as_meta_says() -> None:
    with a_world() as world:
        customer, name = connected(world)
        end = int(world.clock.now().timestamp()) + 86_400
        info = {"restriction_info": [{"restriction_type": "X", "expiration": end}]}
        reinstated = {"ban_info": {"waba_ban_state": "REINSTATE"}}
        tells(world, customer, "DISABLED_UPDATE", value=reinstated, told_seconds_ago=100)
        tells(world, customer, "ACCOUNT_RESTRICTION", value=info, told_seconds_ago=200)
        assert world.number(name).status == Status.CONNECTED
        tells(world, customer, "ACCOUNT_RESTRICTION", value=info)
        number = world.number(name)
        assert number.status == Status.RESTRICTED
        assert number.restricted_until is not None
        assert int(number.restricted_until.timestamp()) == end
        world.run(90_000)
        assert world.number(name).status == Status.CONNECTED


def test_what_360dialog_and_meta_both_tell_is_one_restriction() -> None:
    with a_world() as world:
        customer, name = connected(world)
        end = int(world.clock.now().timestamp()) + 86_400
        info = {"restriction_info": [{"restriction_type": "X", "expiration": end}]}
        tells(world, customer, "ACCOUNT_RESTRICTION", value=info)
        data = {"id": customer["wabas"][0]["id"], **info}
        world.admin("dialog", "events", {"event": "account_restriction", "data": data})
        world.run(30)
        facts = [fact for fact in world.store.all_facts() if fact.type == "number.restricted"]
        assert len(facts) == 1
        assert world.number(name).status == Status.RESTRICTED


def test_a_webhook_that_is_not_metas_changes_nothing() -> None:
    with a_world() as world:
        customer, name = connected(world)
        for signature in ("wrong", "missing"):
            tells(world, customer, "ACCOUNT_DELETED", signature=signature)
        assert world.number(name).attention is None


def test_a_solution_that_is_deactivated_rings() -> None:
    with a_world() as world:
        mine = {"solution_id": world.sims.settings.solution_id, "solution_status": "DEACTIVATED"}
        for value in (mine, mine | {"solution_id": "999999999999999"}):
            body = {"event": "SOLUTION_UPDATED", "topic": "partner_solutions", "value": value, "copies": 2}
            world.admin("meta", "events", body)
            world.run(30)
        assert world.telemetry.counts["SolutionsDeactivated"] == 1
        facts = [fact for fact in world.store.all_facts() if fact.type == "solution.changed"]
        assert [fact.detail["status"] for fact in facts] == ["deactivated", "deactivated"]
        assert world.bus.types().count("solution.changed") == 2


def test_what_nobody_knows_is_kept() -> None:
    with a_world() as world:
        world.admin("meta", "events", {"event": "BRAND_NEW", "waba_id": "2001"})
        world.run(30)
        (kept,) = world.store.records(EventRecord)
        assert (kept.name, kept.outcome) == ("meta_brand_new", "unknown")
        assert '"BRAND_NEW"' in kept.raw


def test_a_customer_whose_code_came_is_not_lost() -> None:
    with a_world() as world:
        customer = world.customer()
        world.authorized(customer)
        world.run(60 * MINUTES)
        assert lost(world) == []


def test_a_witness_that_comes_after_the_code_makes_no_customer_lost() -> None:
    with a_world() as world:
        world.sims.meta_sender.url = None
        customer = world.customer()
        world.authorized(customer)
        world.sims.meta_sender.url = "http://127.0.0.1/v1/webhooks/meta"
        info = {"waba_id": customer["wabas"][0]["id"], "owner_business_id": customer["business_id"]}
        tells(world, customer, "PARTNER_ADDED", value={"waba_info": info}, entry_id=customer["business_id"])
        world.run(60 * MINUTES)
        assert lost(world) == []


def test_a_lost_customer_is_listed_after_ten_minutes_and_until_the_partner_is_removed() -> None:
    with a_world() as world:
        customer = world.customer()
        world.run(60)
        assert lost(world) == []
        assert refused(lambda: recover(world, customer)).code == "exchange_in_progress"
        world.run(60 * MINUTES)
        assert [witness.waba_id for witness in lost(world)] == [customer["wabas"][0]["id"]]
        tells(world, customer, "PARTNER_REMOVED")
        assert lost(world) == []
        assert refused(lambda: recover(world, customer)).code == "not_found"


@pytest.mark.parametrize("way", ["works", "by_solution"])
def test_a_lost_signup_is_recovered_with_proof_and_connects(way: str) -> None:
    with a_world() as world:
        world.admin("meta", "options", {"fetched_token": way}, "PATCH")
        signup = recover(world, a_lost_customer(world))
        assert signup.waba is not None
        assert signup.waba.proof == "granted_ids"
        assert lost(world) == []
        again = submit_numbers(world.ports, world.load(signup.id), (), None)
        world.run(until=world.settled(again.id))
        world.run(60)
        world.assert_connected(again.id)


def test_a_second_call_gives_the_same_signup() -> None:
    with a_world() as world:
        customer = a_lost_customer(world)
        assert recover(world, customer).id == recover(world, customer).id
        assert len(world.store.records(Signup)) == 1


def test_an_account_that_the_token_does_not_grant_is_not_given_to_anybody() -> None:
    with a_world() as world:
        customer = world.customer(grants="scopes_only")
        other = world.customer()
        info = {"waba_id": other["wabas"][0]["id"], "owner_business_id": customer["business_id"]}
        told = {"event": "PARTNER_ADDED", "waba_id": other["wabas"][0]["id"], "value": {"waba_info": info}}
        world.clock.sleep(5)
        world.admin("meta", "events", told | {"entry_id": customer["business_id"]})
        world.run(60 * MINUTES)
        assert refused(lambda: recover(world, other)).code == "waba_not_granted"
        assert [signup.waba for signup in world.store.records(Signup)] == [None]


def test_what_meta_does_not_give_is_told_and_may_be_tried_again() -> None:
    with a_world() as world:
        customer = a_lost_customer(world)
        world.admin("meta", "options", {"fetched_token": "refused"}, "PATCH")
        assert refused(lambda: recover(world, customer)).code == "waba_not_granted"
        world.admin("meta", "options", {"fetched_token": "works"}, "PATCH")
        assert recover(world, customer).waba is not None
        assert len(world.store.records(Signup)) == 1


def points() -> list[tuple[int, bool]]:
    killer = Killer()
    with a_world(killer) as world:
        customer = a_lost_customer(world)
        first = len(killer.calls)
        recover(world, customer)
        return [(at, after) for at in range(len(killer.calls) - first) for after in (False, True)]


@pytest.mark.parametrize(("at", "after"), points())
def test_a_recovery_killed_at_any_side_effect_goes_on_with_the_same_signup(at: int, after: bool) -> None:
    killer = Killer()
    with a_world(killer) as world:
        customer = a_lost_customer(world)
        killer.kill_in(at, after=after)
        with pytest.raises(Killed):
            recover(world, customer)
        killer.spare()
        world.clock.sleep(60)
        signup = recover(world, customer)
        assert signup.status(world.clock.now()) is SignupStatus.AUTHORIZED
        assert [one.id for one in world.store.records(Signup)] == [signup.id]
        assert world.store.read(Exchange, signup.id) is not None
        assert lost(world) == []


def test_a_wish_for_deletion_is_kept_once_with_the_signups_it_is_about() -> None:
    with a_world() as world:
        customer = world.customer()
        signup = world.authorized(customer)
        for _ in range(2):
            asked = {"business_id": customer["business_id"], "kind": "data-deletion"}
            assert world.admin("meta", "requests", asked)["status"] == 200
        world.run(30)
        (request,) = open_requests(world.ports, world.store.requests(None, 10))
        assert (request.kind, request.signup_ids) == ("deletion", [signup.id])
        assert world.telemetry.counts["DeletionsRequested"] == 1
        assert world.bus.types().count("deletion.requested") == 1


def test_a_request_that_was_carried_out_forgets_who_asked_and_stays_answered() -> None:
    with a_world() as world:
        customer = world.customer()
        world.authorized(customer)
        asked = {"business_id": customer["business_id"], "kind": "deauthorize"}
        world.admin("meta", "requests", asked)
        world.run(30)
        (request,) = world.store.records(DeletionRequest)
        for _ in range(2):
            carried_out(world.ports, request.code, ["r1"])
        done = read_one(world.ports, request.code)
        assert (done.status, done.user_id, done.receipts) == (RequestStatus.CARRIED_OUT, None, ["r1"])
        assert open_requests(world.ports, world.store.requests(None, 10)) == []
        world.run(30)
        assert world.bus.types().count("deletion.carried_out") == 1


def test_a_request_that_is_played_back_days_later_is_refused() -> None:
    with a_world() as world:
        customer = world.customer()
        asked = {"business_id": customer["business_id"], "issued_seconds_ago": 200_000}
        assert world.admin("meta", "requests", asked)["status"] == 401


def test_a_wish_that_is_carried_out_erases_who_went_through_the_signups() -> None:
    with a_world() as world:
        customer = world.customer()
        signup = world.authorized(customer)
        world.admin("meta", "requests", {"business_id": customer["business_id"]})
        world.run(30)
        (request,) = world.store.records(DeletionRequest)
        cursor: str | None = None
        for _ in range(20):
            request, cursor = carry_out(world.ports, request.code, cursor=cursor)
            if cursor is None:
                break
        assert request.status == RequestStatus.CARRIED_OUT
        assert len(request.receipts) == 1
        assert world.store.read(Signup, signup.id) is None
        assert world.store.records(MetaUser) == []
        assert carry_out(world.ports, request.code) == (read_one(world.ports, request.code), None)
