"""The life of a delivery, and what is known of an endpoint."""

from datetime import UTC, datetime, timedelta

import pytest

from onramp.domain.notifications import (
    DISABLED_AFTER,
    LONGEST_DELIVERY,
    MOST_KEYS,
    SLOW,
    TEST,
    TRY_SECONDS,
    Delivery,
    Endpoint,
    EndpointKeys,
    Try,
    wants,
)

NOW = datetime(2026, 11, 27, 9, tzinfo=UTC)
REFUSED = 503


def delivery() -> Delivery:
    return Delivery(
        subject="a1",
        fact_id="f1",
        endpoint="crm",
        type="number.connected",
        body="{}",
        created_at=NOW,
        began_at=NOW,
        expires_at=NOW + timedelta(days=30),
    )


def keys(name: str, at: datetime = NOW) -> EndpointKeys:
    return EndpointKeys(id=name, made_at=at, secrets="cipher", public=f"whpk_{name}")


def refused(one: Delivery, now: datetime, retry_after: float | None = None, draw: float = 0.5) -> None:
    one.take("run", now)
    one.again(Try(at=now, status=REFUSED), lambda: draw, TRY_SECONDS, retry_after)


def test_ten_tries_are_made_within_75_hours_and_a_half() -> None:
    one, now, tries = delivery(), NOW, 0
    while one.is_pending:
        assert one.is_due(now)
        refused(one, now)
        tries += 1
        now = one.due_at or now
    assert tries == 10
    assert timedelta(hours=75) < now - NOW < timedelta(hours=76)
    assert (one.state, one.failure, one.due_at) == ("failed", "tried_out", None)
    assert [each.status for each in one.tries] == [REFUSED] * 10


@pytest.mark.parametrize(("draw", "seconds"), [(0.0, 4.5), (0.5, 5.0), (1.0, 5.5)])
def test_a_wait_differs_by_chance_and_only_a_little(draw: float, seconds: float) -> None:
    one = delivery()
    refused(one, NOW, draw=draw)
    assert one.due_at == NOW + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("asked", "waits"), [(1.0, 5.0), (600.0, 600.0), (86_400.0, 86_400.0), (1e9, 86_400.0)]
)
def test_an_endpoint_may_ask_for_more_time_up_to_a_day(asked: float, waits: float) -> None:
    one = delivery()
    refused(one, NOW, retry_after=asked)
    assert one.due_at == NOW + timedelta(seconds=waits)


def test_a_delivery_ends_even_when_its_endpoint_always_asks_for_more_time() -> None:
    one, now = delivery(), NOW
    while one.is_pending:
        refused(one, now, retry_after=1e9)
        now = one.due_at or now
    assert now - NOW <= LONGEST_DELIVERY + timedelta(days=1)


def test_waiting_uses_up_no_try_and_yet_has_an_end() -> None:
    one, now = delivery(), NOW
    while one.is_pending:
        now += timedelta(minutes=30)
        one.put_off(now, now)
    assert one.failure == "waited_too_long"
    assert one.attempts == 0
    assert now - NOW == LONGEST_DELIVERY


def test_a_delivery_whose_run_died_is_due_when_its_lease_is_over() -> None:
    one = delivery()
    one.take("run", NOW)
    assert not one.is_due(NOW + timedelta(seconds=80))
    assert one.is_due(NOW + timedelta(seconds=91))


def test_sending_again_keeps_the_id_and_has_all_its_tries() -> None:
    one = delivery()
    before = one.message_id
    one.fail("tried_out")
    later = NOW + timedelta(days=9)
    one.send_again(later)
    assert (one.message_id, one.state, one.sendings) == (before, "pending", 2)
    assert one.is_due(later)
    refused(one, later)
    assert one.due_at == later + timedelta(seconds=5)


def test_one_that_arrived_is_not_due_again() -> None:
    one = delivery()
    one.take("run", NOW)
    one.done(Try(at=NOW, status=204))
    assert (one.state, one.delivered_at, one.due_at, one.lease) == ("delivered", NOW, None, None)
    assert not one.is_due(NOW + timedelta(days=1))


def test_a_word_of_a_later_release_is_kept() -> None:
    content = delivery().model_dump(mode="json") | {"state": "held", "of_tomorrow": 1}
    read = Delivery.model_validate(content)
    assert not read.is_pending
    assert read.model_dump(mode="json") == content


@pytest.mark.parametrize(
    ("filters", "event", "heard"),
    [
        (["*"], "number.connected", True),
        (["number.*"], "number.connected", True),
        (["number.*"], "numbers.x", False),
        (["number.*"], "signup.opened", False),
        (["number.connected"], "number.connected", True),
        (["number.connected"], "number.connected_late", False),
        (["signup.opened", "channels.*"], "channels.unknown", True),
        ([], "number.connected", False),
        ([], TEST, True),
    ],
)
def test_filters_say_what_an_endpoint_hears_of(filters: list[str], event: str, heard: bool) -> None:
    assert wants(filters, event) is heard


def test_old_keys_sign_beside_new_ones_until_the_overlap_is_over() -> None:
    endpoint = Endpoint(name="crm", keys=[keys("1")])
    endpoint.rotate(keys("2"), timedelta(hours=24))
    assert [each.id for each in endpoint.signing(NOW)] == ["2", "1"]
    assert [each.id for each in endpoint.signing(NOW + timedelta(hours=24))] == ["2"]


def test_a_second_rotation_does_not_prolong_the_life_of_old_keys() -> None:
    endpoint = Endpoint(name="crm", keys=[keys("1")])
    endpoint.rotate(keys("2"), timedelta(hours=24))
    later = NOW + timedelta(hours=23)
    endpoint.rotate(keys("3", later), timedelta(hours=24))
    assert [each.id for each in endpoint.signing(NOW + timedelta(hours=25))] == ["3", "2"]


def test_keys_do_not_pile_up() -> None:
    endpoint = Endpoint(name="crm")
    for index in range(9):
        endpoint.rotate(keys(str(index)), timedelta(hours=24))
    assert len(endpoint.keys) == MOST_KEYS
    endpoint.rotate(keys("now"), timedelta())
    assert [each.id for each in endpoint.signing(NOW)] == ["now"]


def test_an_endpoint_that_throttles_rests_longer_each_time_but_not_for_ever() -> None:
    endpoint, rests = Endpoint(name="crm"), []
    for _ in range(9):
        endpoint.rests_until = None
        endpoint.failed(NOW, 300.0)
        rests.append(((endpoint.resting(NOW) or NOW) - NOW).total_seconds())
    assert rests == [5, 10, 20, 40, 80, 160, 300, 300, 300]


def test_an_endpoint_that_names_a_time_rests_until_then() -> None:
    endpoint = Endpoint(name="crm")
    endpoint.failed(NOW, 300.0, retry_after=3_600)
    assert endpoint.resting(NOW) == NOW + timedelta(hours=1)
    endpoint.failed(NOW, 300.0, retry_after=1)
    assert endpoint.resting(NOW) == NOW + timedelta(hours=1)


def test_an_answer_of_failure_alone_is_no_rest() -> None:
    endpoint = Endpoint(name="crm")
    endpoint.failed(NOW, None)
    assert (endpoint.resting(NOW), endpoint.status) == (None, "failing")


def test_a_slow_endpoint_rests_for_as_long_as_it_took() -> None:
    endpoint = Endpoint(name="crm")
    endpoint.succeeded(NOW, SLOW - 1)
    assert endpoint.resting(NOW) is None
    endpoint.succeeded(NOW, 14_000)
    assert endpoint.resting(NOW) == NOW + timedelta(seconds=14)


def test_five_days_with_nothing_but_failures_are_hopeless_and_one_success_ends_them() -> None:
    endpoint = Endpoint(name="crm")
    endpoint.failed(NOW, None)
    assert not endpoint.is_hopeless(NOW + DISABLED_AFTER - timedelta(seconds=1))
    assert endpoint.is_hopeless(NOW + DISABLED_AFTER)
    endpoint.succeeded(NOW + timedelta(days=4), 10)
    assert not endpoint.is_hopeless(NOW + timedelta(days=30))


def test_a_disabled_endpoint_begins_anew_when_it_is_enabled() -> None:
    endpoint = Endpoint(name="crm")
    endpoint.failed(NOW, 300.0)
    endpoint.disable(NOW, "gone")
    endpoint.disable(NOW + timedelta(days=1), "only_failures")
    assert (endpoint.status, endpoint.disabled_why, endpoint.disabled_at) == ("disabled", "gone", NOW)
    endpoint.enable()
    assert endpoint == Endpoint(name="crm")
