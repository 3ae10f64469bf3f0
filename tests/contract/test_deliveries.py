"""Deliveries of notifications, as every store keeps and finds them."""

from datetime import timedelta

import pytest

from onramp.domain.errors import Conflict
from onramp.domain.notifications import Delivery, Endpoint, Try
from onramp.ports.storage import Due, Line, delivery_named
from tests.contract.conftest import Stage

KEPT = timedelta(days=30)


def delivery(stage: Stage, fact_id: str, *, endpoint: str = "crm", subject: str = "a1") -> Delivery:
    now = stage.clock.now()
    return Delivery(
        subject=subject,
        fact_id=fact_id,
        endpoint=endpoint,
        type="number.connected",
        body='{"data":"Café"}',
        created_at=now,
        began_at=now,
        due_at=now,
        expires_at=now + KEPT,
    )


@pytest.mark.parametrize("subject", ["a1", "HUB#default", "a#b%c/d"])
def test_a_delivery_is_found_by_its_identity_whatever_it_is_about(stage: Stage, subject: str) -> None:
    one = delivery(stage, "f1", subject=subject)
    stage.store.commit(one)
    found = stage.store.read(Delivery, *one.identity)
    assert found is not None
    assert found.identity == one.identity
    assert found.body == one.body


def test_a_delivery_is_made_once(stage: Stage) -> None:
    one, two = delivery(stage, "f1"), delivery(stage, "f1")
    stage.store.commit(one)
    with pytest.raises(Conflict):
        stage.store.commit(two)


def test_deliveries_of_a_signup_are_found_the_newest_first(stage: Stage) -> None:
    for fact_id in ("f1", "f3", "f2"):
        stage.store.commit(delivery(stage, fact_id))
    stage.store.commit(delivery(stage, "f9", subject="a2"))
    found = stage.store.deliveries_for("a1", 2)
    assert [one.fact_id for one in found] == ["f3", "f2"]


def test_deliveries_of_an_endpoint_are_found_by_state_and_time(stage: Stage) -> None:
    began = stage.clock.now()
    for index in range(3):
        one = delivery(stage, f"f{index}", subject="HUB#default" if index == 1 else "a/1")
        if index == 2:
            one.fail("tried_out")
        stage.store.commit(one)
        stage.clock.advance(timedelta(seconds=1))
    stage.store.commit(delivery(stage, "f8", endpoint="other"))
    hits = stage.store.deliveries_of("crm", None, began, None, 10)
    assert [delivery_named(hit.id, "crm") for hit in hits] == [
        ("a/1", "f2", "crm"),
        ("HUB#default", "f1", "crm"),
        ("a/1", "f0", "crm"),
    ]
    assert [hit.id for hit in stage.store.deliveries_of("crm", "failed", began, None, 10)] == ["a/1/f2"]
    assert [hit.id for hit in stage.store.deliveries_of("crm", "pending", began, None, 1)] == [
        "HUB#default/f1"
    ]
    later = began + timedelta(seconds=1)
    assert [hit.id for hit in stage.store.deliveries_of("crm", "pending", later, None, 10)] == [
        "HUB#default/f1"
    ]
    assert [hit.id for hit in stage.store.deliveries_of("crm", None, began, hits[0], 10)] == [
        "HUB#default/f1",
        "a/1/f0",
    ]


@pytest.mark.parametrize("subject", ["a1", "HUB#default", "a#b"])
def test_a_delivery_is_due_in_a_line_of_its_own(stage: Stage, subject: str) -> None:
    one = delivery(stage, "f1", subject=subject)
    stage.store.commit(one)
    now = stage.clock.now()
    [hit] = stage.store.due(now, 10, line=Line.SEND)
    assert (hit.kind, hit.identity, hit.line) == (Delivery.KIND, one.identity, Line.SEND)
    assert stage.store.due(now, 10, line=Line.WORK) == []
    assert stage.store.postpone(hit, now + timedelta(minutes=5))
    assert stage.store.due(now, 10, line=Line.SEND) == []
    [again] = stage.store.due(now + timedelta(minutes=5), 10, line=Line.SEND)
    assert again == Due(Delivery.KIND, one.identity, again.due_at, Line.SEND, hit.due_at)
    # It was only woken: its own due time stands, and its version, too.
    stored = stage.store.read(Delivery, *one.identity)
    assert stored is not None
    assert stored.is_due(now)
    assert stored.version == one.version


def test_a_delivery_that_has_ended_is_in_no_line(stage: Stage) -> None:
    one = delivery(stage, "f1")
    stage.store.commit(one)
    one.done(Try(at=stage.clock.now(), status=200))
    stage.store.commit(one)
    assert stage.store.due(stage.clock.now() + KEPT, 10, line=Line.SEND) == []


def test_a_delivery_is_forgotten_when_its_time_is_over(stage: Stage) -> None:
    stage.store.commit(delivery(stage, "f1"))
    stage.clock.advance(KEPT + timedelta(seconds=1))
    assert stage.store.read(Delivery, "a1", "f1", "crm") is None
    assert stage.store.deliveries_for("a1", 10) == []


def test_facts_and_deliveries_of_a_signup_do_not_mix(stage: Stage) -> None:
    stage.store.commit(delivery(stage, "f1"))
    assert stage.store.facts_of("a1", 10) == []


@pytest.mark.parametrize("subject", ["a1", "HUB#default"])
def test_a_delivery_is_found_as_such_when_everything_is_read_and_can_be_removed(
    stage: Stage, subject: str
) -> None:
    stage.store.commit(delivery(stage, "f1", subject=subject))
    [found], _ = stage.store.browse(None, 10)
    assert found.kind == Delivery.KIND
    assert found.content is not None
    assert found.content["subject"] == subject
    stage.store.commit(gone=[found])
    assert stage.store.browse(None, 10) == ([], None)


def test_an_endpoint_is_one_record_by_its_name(stage: Stage) -> None:
    stage.store.commit(Endpoint(name="crm"))
    found = stage.store.read(Endpoint, "crm")
    assert found is not None
    assert (found.name, found.status) == ("crm", "working")
