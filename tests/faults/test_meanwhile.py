"""Somebody else acts in the middle of a run, a call or a batch, or a word of an upstream's is older than it.

`test_wishes_meanwhile.py` goes through the moments of runs one by one; here are those that were found by
hunting for them.
"""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from harness.killing import Killer
from harness.stub import stub
from harness.world import Options, World
from onramp.domain.errors import Ambiguous, Permanent, Problem, Transient
from onramp.domain.notifications import Delivery, DeliveryState, Endpoint
from onramp.domain.number import is_free
from onramp.domain.signup import Client, Exchange
from onramp.domain.states import Status
from onramp.inbound.desk import deliveries, endpoints
from onramp.ports.upstreams import Page
from onramp.usecases.exchange_code import choose_waba, exchange_code
from onramp.usecases.list_numbers import open_token
from onramp.usecases.open_signup import Wanted, open_signup
from onramp.usecases.operating import give_up_number
from onramp.usecases.submit_numbers import submit_numbers
from onramp.usecases.wishes import cancel_number, check_number, reactivate_number, retry_number
from tests.faults.test_life_kill_points import again, connected, ended, number_of, press
from tests.unit.usecases import test_notify


def takes_it_back(world: World, customer: Any) -> None:
    reactivate_number(world.ports, world.number(number_of(customer)))


def comes_back(world: World, customer: Any) -> None:
    world.submitted(again(world, customer), key="again")


@pytest.mark.parametrize("meanwhile", [takes_it_back, comes_back])
def test_an_end_that_is_taken_back_while_its_channel_is_looked_for_is_not_asked_for(meanwhile: Any) -> None:
    with World(Options(step_seconds=1.0), killer=Killer()) as world:
        world.lose_webhook = lambda _: True
        customer = world.customer()
        world.submitted(customer)
        world.run(30)
        world.lose_webhook = lambda _: False
        world.ask(cancel_number, number_of(customer))
        world.killer.when("partner.list_channels", lambda: meanwhile(world, customer))
        world.run(600)
        (channel,) = world.sims.hub.channels.values()
        assert channel.cancellation_requested_at is None
        assert world.number(number_of(customer)).status == Status.CONNECTED


def test_a_popup_with_another_email_is_not_failed_by_the_run_of_the_one_before_it() -> None:
    with World(Options(step_seconds=1.0), killer=Killer()) as world:
        other = world.submitted(world.customer(), key="other", tenant="tenant-2", email="taken@example.com")
        world.run(until=world.settled(other.id))
        customer = world.customer()
        world.submitted(customer, email="taken@example.com")
        world.killer.when(
            "partner.list_channels",
            lambda: world.submitted(again(world, customer), key="again", email="mine@example.com"),
        )
        world.run(600)
        number = world.number(number_of(customer))
        assert number.status == Status.CONNECTED, number.failure  # client_taken, of the first popup's email


def test_a_customer_who_comes_back_during_the_last_look_is_not_failed_by_it() -> None:
    with World(Options(step_seconds=1.0), killer=Killer()) as world:
        world.admin("dialog", "options", {"stop_at": "created"}, "PATCH")
        customer = world.customer()
        world.submitted(customer)
        came: list[int] = []

        def read(real: Any, channel_id: str, gate: Any) -> Any:
            found = real.read_channel(channel_id, gate)
            if not came and world.clock.now() - world.number(number_of(customer)).waits_since > timedelta(
                days=7
            ):
                came.append(1)
                world.submitted(again(world, customer), key="again")
            return found

        stub(world, read_channel=read)
        world.run(8 * 86_400, until=lambda: bool(came))
        world.run(60)
        number = world.number(number_of(customer))
        assert number.failure is None, number.failure  # channel_stuck, told behind the new popup


def test_a_customer_who_comes_back_during_a_run_that_fails_does_not_wait_for_its_old_schedule() -> None:
    with World(Options(step_seconds=1.0), killer=Killer()) as world:
        world.clock.draw = lambda: 0.5  # type: ignore[method-assign]
        down, came = [True], list[int]()
        customer = world.customer()

        def clients(real: Any, offset: int, gate: Any, **more: Any) -> Any:
            page = real.list_clients(offset, gate, **more)
            if down and world.number(number_of(customer)).attempts == 7:
                down.clear()
                came.append(1)
                world.submitted(again(world, customer), key="again")
                raise Transient("partner_unavailable", status=503)
            if down:
                raise Transient("partner_unavailable", status=503)
            return page

        stub(world, list_clients=clients)
        world.submitted(customer)
        world.run(until=lambda: bool(came))
        world.run(600)
        number = world.number(number_of(customer))
        assert number.status == Status.CONNECTED, number.due_at  # hours later; a second later it is at once


def test_a_customer_who_comes_back_while_a_channel_is_found_to_be_gone_begins_a_new_life() -> None:
    with World(Options(step_seconds=1.0), killer=Killer()) as world:
        world.admin("dialog", "options", {"stop_at": "created"}, "PATCH")
        customer = world.customer()
        world.submitted(customer)
        world.run(30)
        world.admin(
            "dialog", f"channels/{world.number(number_of(customer)).channel_id}/hub", {"action": "remove"}
        )
        came: list[int] = []

        def listed(real: Any, filters: Any, offset: int, gate: Any) -> Any:
            page = real.list_channels(filters, offset, gate)
            if not came and world.number(number_of(customer)).attempts == 3:
                came.append(1)
                world.submitted(again(world, customer), key="again")
            return page

        stub(world, list_channels=listed)
        world.run(3_600, until=lambda: bool(came))
        assert came
        world.run(600)
        number = world.number(number_of(customer))
        assert number.failure is None, number.failure  # a second later a new life begins


def test_one_wrong_404_during_a_check_ends_no_channel_of_a_customer_who_comes_back() -> None:
    with World(Options(step_seconds=1.0), killer=Killer()) as world:
        customer = connected(world)

        def hidden(real: Any, filters: Any, offset: int, gate: Any) -> Any:
            return replace(real.list_channels(filters, offset, gate), items=[])

        stub(world, list_channels=hidden)  # so that the daily check reads the channel, too
        for _ in range(2):
            world.census()
            world.run(3_600)
        seen: list[int] = []

        def read(real: Any, channel_id: str, gate: Any) -> Any:
            if not seen:
                seen.append(1)
                gate()
                world.submitted(again(world, customer), key="again")
                raise Permanent("channel_missing", status=404)
            return real.read_channel(channel_id, gate)

        stub(world, read_channel=read, list_channels=hidden)
        world.run(86_400, until=lambda: bool(seen))
        stub(world)
        world.run(600)
        assert seen
        assert world.number(number_of(customer)).life == 1
        assert len(world.sims.hub.channels) == 1  # 2: both live, both billed


def test_one_wrong_404_at_key_making_makes_no_second_channel() -> None:
    with World(Options(step_seconds=1.0), killer=Killer()) as world:
        world.fault("error_before", "api_keys$", status=404, method="POST")
        customer = world.customer()
        signup = world.submitted(customer)
        world.run(until=world.settled(signup.id))
        if world.number(number_of(customer)).failure:
            world.ask(retry_number, number_of(customer))
        world.run(600)
        assert len(world.sims.hub.channels) == 1
        world.assert_connected(signup.id)
        world.assert_nothing_doubled()


def test_a_second_code_that_fails_takes_no_token_away() -> None:
    with World(Options()) as world:
        first, second = world.customer(), world.customer()
        waba_id = first["wabas"][0]["id"]
        signup = world.opened()
        world.fault("error_before", "debug_token", side="meta", status=500, times=9)
        with pytest.raises(Problem, match="meta_unavailable"):  # the token is stored, the proof comes later
            exchange_code(world.ports, world.load(signup.id), first["code"], first["session_info"])
        world.fault_free()

        def exchange(real: Any, code: str, redirect_uri: Any = None) -> str:
            token: str = real.exchange(code, redirect_uri)
            # In another tab the first visit comes to its end.
            choose_waba(world.ports, world.load(signup.id), waba_id)
            return token

        stub(world, port="meta", exchange=exchange)
        with pytest.raises(Problem, match="signup_closed"):
            exchange_code(world.ports, world.load(signup.id), second["code"], second["session_info"])
        stub(world, port="meta")
        stored, kept = world.load(signup.id), world.store.read(Exchange, signup.id)
        assert stored.waba is not None
        assert stored.waba.id == waba_id
        # waba_not_granted: the stored token is the second customer's
        assert world.meta.read_numbers(open_token(world.ports, stored, kept), waba_id)


def hears(world: World, customer: Any, button: str) -> None:
    """The Hub's button, and its event, handled by another process."""
    press(world, customer, button)
    world.let_channels_walk(0.001)
    for message in [one for one in world.queue.messages if one.kind == "event"]:
        world.queue.messages.remove(message)
        world.handle(message)


def hears_behind_the_read(world: World, customer: Any, button: str) -> list[int]:
    """It happens behind the next read of a channel, once; gives where that is counted."""
    done: list[int] = []

    def read(real: Any, channel_id: str, gate: Any) -> Any:
        channel = real.read_channel(channel_id, gate)
        if not done:
            done.append(1)
            hears(world, customer, button)
        return channel

    stub(world, read_channel=read)
    return done


@pytest.mark.parametrize("button", ["request_cancellation", "process_cancellation"])
def test_an_end_that_is_told_behind_the_read_of_a_reactivation_counts(button: str) -> None:
    with World(Options(step_seconds=1.0), killer=Killer()) as world:
        customer = ended(world)
        world.ask(reactivate_number, number_of(customer))
        done = hears_behind_the_read(world, customer, button)
        world.run(600)
        assert done
        (channel,) = world.sims.hub.channels.values()
        is_shown = world.number(number_of(customer)).status == Status.CANCELLED
        assert is_shown == channel.dead


def test_an_end_that_is_asked_for_again_during_its_reversal_is_shown_as_360dialog_has_it() -> None:
    """Where no read shows it nothing ever tells it again."""
    with World(Options(step_seconds=1.0), killer=Killer()) as world:
        world.admin("dialog", "options", {"cancellation_shows": "nothing"}, "PATCH")
        customer = ended_unseen(world)
        world.ask(reactivate_number, number_of(customer))
        done = hears_behind_the_read(world, customer, "request_cancellation")
        world.run(600)
        assert done
        (channel,) = world.sims.hub.channels.values()
        is_shown = world.number(number_of(customer)).ending_at is not None
        assert is_shown == (channel.cancellation_requested_at is not None)


def test_an_end_that_is_taken_back_in_the_hub_while_it_is_asked_for_is_shown_as_360dialog_has_it() -> None:
    with World(Options(step_seconds=1.0), killer=Killer()) as world:
        world.admin("dialog", "options", {"cancellation_shows": "nothing"}, "PATCH")
        customer = connected(world)
        world.ask(cancel_number, number_of(customer))
        done = hears_behind_the_read(world, customer, "revoke_cancellation")
        world.run(600)
        assert done
        for _ in range(3):
            world.census()
            world.run(86_400)
        (channel,) = world.sims.hub.channels.values()
        is_shown = world.number(number_of(customer)).ending_at is not None
        assert is_shown == (channel.cancellation_requested_at is not None)


def ended_unseen(world: World) -> Any:
    customer = connected(world)
    world.ask(cancel_number, number_of(customer))
    world.run(100)
    assert world.number(number_of(customer)).ending_at is not None
    return customer


def test_a_page_that_is_older_than_a_revocation_ends_no_number() -> None:
    with World(Options(step_seconds=1.0), killer=Killer()) as world:
        customer = connected(world)
        world.lose_webhook = lambda _: True
        press(world, customer, "request_cancellation")
        world.run(5)
        world.lose_webhook = lambda _: False
        done: list[int] = []

        def listed(real: Any, filters: Any, offset: int, gate: Any) -> Any:
            page = real.list_channels(filters, offset, gate)
            if not done:
                done.append(1)
                hears(world, customer, "revoke_cancellation")
            return page

        stub(world, list_channels=listed)
        world.census()
        world.run(3_600)
        assert world.number(number_of(customer)).status == Status.CONNECTED


def test_a_census_that_is_asked_for_while_one_runs_is_made() -> None:
    with World(Options(step_seconds=1.0), killer=Killer()) as world:
        customer = connected(world)
        world.run(1_000)
        asked: list[int] = []

        def listed(real: Any, filters: Any, offset: int, gate: Any) -> Any:
            page = real.list_channels(filters, offset, gate)
            if not asked:
                asked.append(1)
                world.lose_webhook = lambda _: True
                press(world, customer, "process_cancellation")
                world.clock.sleep(1)
                world.queue.wake_census("default", world.clock.now())
                (job,) = [one for one in world.queue.messages if "census" in one.body]
                world.queue.messages.remove(job)
                world.handle(job)
            return page

        stub(world, list_channels=listed)
        world.census()
        world.run(3_600)
        assert world.number(number_of(customer)).status == Status.CANCELLED  # not before tomorrow's


def test_an_event_of_an_unknown_channel_during_a_look_has_the_number_looked_up_again() -> None:
    with World(Options(step_seconds=1.0), killer=Killer()) as world:
        world.lose_webhook = lambda _: True
        customer = world.customer()
        shown, heard = list[int](), list[int]()

        def listed(real: Any, filters: Any, offset: int, gate: Any) -> Any:
            page = real.list_channels(filters, offset, gate)
            number = world.number(number_of(customer))
            if shown:
                return page
            if number.looks >= 4 and not heard:
                # 360dialog's list shows the channel from now on, and an event tells of it, without its phone.
                heard.append(1)
                shown.append(1)
                (channel,) = world.sims.hub.channels
                data = {"id": channel, "waba_account": {"external_id": number.waba.id}}
                world.queue.put("event", json.dumps({"id": "live", "event": "channel_live", "data": data}))
                (event,) = [one for one in world.queue.messages if one.kind == "event"]
                world.queue.messages.remove(event)
                world.handle(event)
                world.queue.messages.remove(event)
                world.handle(event)  # ten seconds later
            return Page([], None)

        stub(world, list_channels=listed)
        world.submitted(customer)
        world.run(86_400, until=lambda: bool(heard))
        world.run(900)
        number = world.number(number_of(customer))
        assert number.status == Status.CONNECTED, (number.due_at, world.clock.now())  # hours later


def test_a_restriction_that_begins_during_a_check_ends_in_time() -> None:
    with World(Options(step_seconds=1.0), killer=Killer()) as world:
        customer = connected(world)
        world.clock.draw = lambda: 0.5  # type: ignore[method-assign]
        told: list[int] = []

        def read_webhook(real: Any, key: Any) -> Any:
            number = world.number(number_of(customer))
            if number.attempts == 6 and not told:
                told.append(1)
                world.admin("dialog", f"channels/{number.channel_id}/restrict", {"seconds": 300})
                world.let_channels_walk(0.001)
                for message in [one for one in world.queue.messages if one.kind == "event"]:
                    world.queue.messages.remove(message)
                    world.handle(message)
            raise Transient("partner_unavailable", status=503)

        stub(world, port="messaging", read_webhook=read_webhook)
        world.ask(check_number, number_of(customer))
        world.run(until=lambda: bool(told))
        assert world.number(number_of(customer)).status == Status.RESTRICTED
        world.run(900)
        assert world.number(number_of(customer)).status == Status.CONNECTED  # hours later


def test_a_client_that_a_create_may_have_made_is_not_another_tenants_by_its_id() -> None:
    with World(Options(step_seconds=1.0), killer=Killer()) as world:
        lost: list[int] = []

        def create(real: Any, *args: Any) -> Any:
            made = real.create_client(*args)
            if not lost:
                lost.append(1)
                raise Ambiguous("partner_unavailable")
            return made

        stub(world, create_client=create)
        world.clock.draw = lambda: 0.99  # type: ignore[method-assign]
        mine = world.customer()
        world.submitted(mine, email="owner@example.com")
        world.run(until=lambda: bool(lost))
        theirs = world.customer()
        (client_id,) = world.sims.hub.clients
        wanted = Wanted(client=Client(id=client_id), plan_tier="regular")
        signup = open_signup(world.ports, tenant="tenant-2", wanted=wanted, idempotency_key="other")
        exchange_code(world.ports, world.load(signup.id), theirs["code"], theirs["session_info"])
        submit_numbers(world.ports, world.load(signup.id), [number_of(theirs)], None)
        world.run(3_600)
        assert world.number(number_of(mine)).status == Status.CONNECTED, world.number(number_of(mine)).failure


def test_a_create_that_is_refused_takes_the_email_from_nobody() -> None:
    with World(Options(step_seconds=1.0), killer=Killer()) as world:
        theirs, done = world.customer(), list[int]()

        def create(real: Any, name: str, email: str, user_name: str, gate: Any) -> str:
            if done:
                return str(real.create_client(name, email, user_name, gate))
            done.append(1)
            gate()
            world.submitted(theirs, key="other", tenant="tenant-2")  # the same email
            (job,) = [one for one in world.queue.messages if number_of(theirs) in one.body]
            world.queue.messages.remove(job)
            world.handle(job)
            raise Permanent("client_rejected", status=400)  # the first tenant's name, say

        stub(world, create_client=create)
        world.submitted(world.customer())
        world.run(600)
        number = world.number(number_of(theirs))
        assert number.status == Status.CONNECTED, number.failure


def test_what_comes_while_an_endpoint_is_enabled_is_sent() -> None:
    world = test_notify.World()
    world.hear("f0")
    endpoint = world.endpoint()
    endpoint.disable(world.clock.now(), "gone")
    world.store.commit(endpoint)
    began = world.clock.now()
    commit, done = world.store.commit, list[int]()

    def slow(*records: Any, **more: Any) -> None:
        if any(isinstance(one, Delivery) for one in records) and not done:
            done.append(1)
            # The operator, while the sender is between its read of the endpoint and its write.
            endpoints.enable(world.ports, endpoints.EndpointAsked(endpoint="crm"))
            deliveries.resend(world.ports, deliveries.ResendAsked(endpoint="crm", since=began))
        commit(*records, **more)

    world.store.commit = slow  # type: ignore[method-assign]
    world.hear("f1")
    world.wake()
    stored = world.store.read(Endpoint, "crm")
    assert stored is not None
    assert stored.disabled_at is None
    assert world.delivery(fact="f1").state == DeliveryState.DELIVERED, world.delivery(fact="f1").failure


def test_a_number_that_was_released_stays_free_when_the_census_sees_its_channel() -> None:
    with World(Options(step_seconds=1.0), killer=Killer()) as world:
        customer = connected(world)
        give_up_number(world.ports, world.number(number_of(customer)), forced=True)
        assert is_free(world.number(number_of(customer)))
        world.run(3_600)
        world.census()
        world.run(60)
        assert world.telemetry.counts.get("ChannelsUnknown") == 1  # "reported as billed and unknown"
        world.submitted(again(world, customer), key="other", tenant="tenant-2", email="two@example.com")


@pytest.mark.parametrize("shows", ["nothing", "pending_deletion"])
def test_the_order_of_a_request_and_its_revocation_does_not_matter(shows: str) -> None:
    with World(Options(step_seconds=1.0), killer=Killer()) as world:
        customer = connected(world)
        world.admin("dialog", "options", {"cancellation_shows": shows}, "PATCH")
        held: list[str] = []

        def keep(body: str) -> bool:
            held.append(body)
            return True

        world.lose_webhook = keep
        for button in ("request_cancellation", "revoke_cancellation"):
            press(world, customer, button)
            world.let_channels_walk(1)
        for body in reversed(held):  # 360dialog's first delivery met our 503, say
            world.queue.put("event", body)
            world.run(5)
        world.run(600)
        number = world.number(number_of(customer))
        assert (number.status, number.ending_at) == (Status.CONNECTED, None)
