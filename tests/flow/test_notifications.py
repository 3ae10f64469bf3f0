"""Notifications by the deployed stack, to endpoints that are slow, down, redirecting, gone, private or dead.

A stack of its own: its endpoints are named when it is deployed.
"""

import secrets
from collections.abc import Iterator
from typing import Any

import pytest

from harness.waiting import PATIENCE, eventually
from local.demo import new_client
from local.options import RunOptions
from local.receiver import Behaviour, Received, Receiver, receiving
from local.run import LocalStack, local_stack
from tests.flow.walks import Tenant

pytestmark = pytest.mark.flow

type Json = dict[str, Any]

NAMES = ("well", "down", "slow", "moved", "gone", "dead")
PRIVATE = "private"


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def notifying(receiver: Receiver) -> Iterator[LocalStack]:
    endpoints = {name: receiver.url(name) for name in NAMES}
    # Nobody listens there; and one that leads into a network of ours.
    endpoints |= {"dead": "http://127.0.0.1:1/", PRIVATE: "https://10.0.0.1/hook"}
    options = RunOptions(
        budget_calls=500,
        budget_window_seconds=30,
        step_seconds=0.1,
        retry_schedule="1,2,4,8",
        notified=endpoints,
        notify_schedule="1,2,2,2",
    )
    with local_stack(options) as run:
        for name in endpoints:
            made = run.desk("endpoints.rotate", endpoint=name)
            receiver.trust(name, made["secret"], made["public"])
        yield run


@pytest.fixture
def customer(notifying: LocalStack) -> Iterator[Tenant]:
    name = f"tenant-{secrets.token_hex(4)}"
    with notifying.front_end(name) as front_end:
        yield Tenant(run=notifying, name=name, front_end=front_end)


def opened(signup_id: str) -> Any:
    return lambda one: one.type == "signup.opened" and one.content["data"]["signup_id"] == signup_id


def tell(customer: Tenant, receiver: Receiver, endpoint: str) -> tuple[str, Received]:
    """Something happens; gives the signup and what an endpoint is told of it."""
    signup_id = str(customer.front_end.open(new_client())["id"])
    return signup_id, receiver.await_any(opened(signup_id), endpoint=endpoint, seconds=PATIENCE)


def delivery(run: LocalStack, endpoint: str, signup_id: str, **wanted: object) -> Json:
    """The delivery of a signup's opening, once it is as it is wanted."""

    def look() -> Json | None:
        found: list[Json] = [
            one
            for one in run.desk("deliveries.list", signup_id=signup_id)["items"]
            if (one["endpoint"], one["type"]) == (endpoint, "signup.opened")
        ]
        fits = found and all(found[0].get(name) == value for name, value in wanted.items())
        return found[0] if fits else None

    return eventually(look, wanted)


def tried(run: LocalStack, delivery_id: str) -> list[Json]:
    """The tries of a delivery, once there are any."""

    def look() -> list[Json]:
        tries: list[Json] = run.desk("deliveries.show", delivery_id=delivery_id)["delivery"]["tries"]
        return tries

    return eventually(look)


def endpoint(run: LocalStack, name: str) -> Json:
    [found] = [one for one in run.desk("endpoints.list")["items"] if one["name"] == name]
    one: Json = found
    return one


def test_everything_that_happens_is_told_verified_and_listed_by_signup(
    customer: Tenant, receiver: Receiver
) -> None:
    signup = customer.connected()
    [number] = [one for one in signup["numbers"] if one["status"] == "connected"]
    came = receiver.await_any(
        lambda one: (
            one.type == "number.connected"
            and one.content["data"]["phone_number_id"] == number["phone_number_id"]
        ),
        endpoint="well",
        seconds=PATIENCE,
    )
    assert receiver.verified(came)
    assert list(came.content) == ["type", "timestamp", "data"]
    told = {one.type for one in receiver.received("well")}
    assert told >= {"signup.opened", "signup.authorized", "number.pending", "number.live"}
    ids = [one.message_id for one in receiver.received("well")]
    assert len(ids) == len(set(ids))
    listed = customer.run.desk("deliveries.list", signup_id=signup["id"], limit=100)["items"]
    assert {one["endpoint"] for one in listed} == {*NAMES, PRIVATE}


def test_an_endpoint_that_is_down_hears_of_it_when_it_is_back_under_the_same_id(
    customer: Tenant, receiver: Receiver
) -> None:
    receiver.behave("down", Behaviour(status=503))
    signup_id, first = tell(customer, receiver, "down")
    receiver.behave("down")
    assert delivery(customer.run, "down", signup_id, state="delivered")["tries"][0]["status"] == 503
    came = [one for one in receiver.received("down") if one.message_id == first.message_id]
    assert len(came) >= 2
    assert receiver.verified(came[-1])
    assert endpoint(customer.run, "down")["status"] == "working"


def test_what_was_given_up_is_sent_again_by_one_command(customer: Tenant, receiver: Receiver) -> None:
    run = customer.run
    receiver.behave("down", Behaviour(status=500))
    signup_id, first = tell(customer, receiver, "down")
    one = delivery(run, "down", signup_id, state="failed")
    assert (one["failure"], len(one["tries"])) == ("tried_out", 5)
    receiver.behave("down")
    sent = run.desk("deliveries.resend", endpoint="down", since=one["created_at"])["items"]
    assert one["delivery_id"] in {each["delivery_id"] for each in sent}
    again = delivery(run, "down", signup_id, state="delivered")
    assert again["sendings"] == 2
    assert again["message_id"] == first.message_id


def test_a_slow_endpoint_holds_up_no_other(customer: Tenant, receiver: Receiver) -> None:
    receiver.behave("slow", Behaviour(seconds=8))
    _, slow = tell(customer, receiver, "slow")
    _, well = tell(customer, receiver, "well")
    assert well.at - slow.at < 8
    receiver.behave("slow")


def test_a_redirect_is_a_failed_try_and_is_not_followed(customer: Tenant, receiver: Receiver) -> None:
    elsewhere = receiver.url("elsewhere")
    receiver.behave("moved", Behaviour(status=307, headers={"location": elsewhere}))
    signup_id, _ = tell(customer, receiver, "moved")
    one = delivery(customer.run, "moved", signup_id, state="failed")
    assert {each["status"] for each in one["tries"]} == {307}
    assert receiver.received("elsewhere") == []
    receiver.behave("moved")


def test_an_endpoint_that_is_gone_is_disabled_until_somebody_enables_it(
    customer: Tenant, receiver: Receiver
) -> None:
    run = customer.run
    receiver.behave("gone", Behaviour(status=410))
    signup_id, _ = tell(customer, receiver, "gone")
    assert delivery(run, "gone", signup_id, state="failed")["failure"] == "endpoint_gone"
    assert endpoint(run, "gone")["disabled_why"] == "gone"
    heard = len(receiver.received("gone"))
    later = str(customer.front_end.open(new_client())["id"])
    assert delivery(run, "gone", later, state="failed")["failure"] == "endpoint_disabled"
    assert len(receiver.received("gone")) == heard
    receiver.behave("gone")
    run.desk("endpoints.enable", endpoint="gone")
    run.desk("deliveries.resend", endpoint="gone", since=signup_time(run, later))
    receiver.await_any(opened(later), endpoint="gone", seconds=PATIENCE)


def signup_time(run: LocalStack, signup_id: str) -> str:
    return str(delivery(run, "gone", signup_id)["created_at"])


def test_a_private_address_and_a_dead_one_are_told_as_such(customer: Tenant, receiver: Receiver) -> None:
    signup_id, _ = tell(customer, receiver, "well")
    for name, code in ((PRIVATE, "address_not_allowed"), ("dead", "not_connected")):
        made = customer.run.desk("endpoints.test", endpoint=name)["delivery"]
        assert tried(customer.run, made["delivery_id"])[0]["code"] == code
    assert delivery(customer.run, "well", signup_id, state="delivered")


def test_rotated_keys_verify_beside_the_old_ones(customer: Tenant, receiver: Receiver) -> None:
    _, before = tell(customer, receiver, "well")
    assert receiver.verified(before)
    made = customer.run.desk("endpoints.rotate", endpoint="well", overlap_hours=1)
    _, after = tell(customer, receiver, "well")
    assert receiver.verified(after)
    receiver.trust("well", made["secret"], made["public"])
    assert receiver.verified(after)


def test_no_secret_of_an_endpoint_is_in_a_log(customer: Tenant, receiver: Receiver) -> None:
    tell(customer, receiver, "well")
    written = customer.run.function_log()
    assert "notification" in written
    assert "whsec_" not in written
    assert "whsk_" not in written
