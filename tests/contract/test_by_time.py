"""What operators look through by time: signups, attempts in vain, events; newest first, page by page."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest

from onramp.adapters.memory import START
from onramp.domain.facts import FactType
from onramp.domain.ledger import Outcome
from onramp.ports.storage import Position, Span
from tests.contract.conftest import Stage
from tests.contract.examples import HOSTILE, event, fact, signup

DAY = timedelta(days=1)
ALL = Span(START - 400 * DAY, START + 400 * DAY)


def pages(read: Callable[[Span, int], Sequence[Position]], limit: int, span: Span = ALL) -> list[list[str]]:
    """Every page there is."""
    found: list[list[str]] = []
    before: Position | None = None
    while page := read(Span(span.since, span.until, before), limit):
        found.append([position.id for position in page])
        before = page[-1]
    return found


def flat(found: list[list[str]]) -> list[str]:
    return [name for page in found for name in page]


def opened(stage: Stage, name: str, at: datetime, tenant: str = "acme") -> None:
    record = signup(name, tenant, now=at)
    record.tell(FactType.SIGNUP_OPENED, at)
    stage.store.commit(record)


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_signups_of_all_tenants_are_found_by_the_time_they_were_opened_at(stage: Stage, limit: int) -> None:
    days = (0, 0, 1, 20, 45, 45, 200)
    for index, day in enumerate(days):
        opened(stage, f"s{index}", START - day * DAY, f"tenant-{index % 2}")
    found = pages(stage.store.opened, limit)
    # Those of one moment are in the order of their ids, the last one first.
    assert flat(found) == ["s1", "s0", "s2", "s3", "s5", "s4", "s6"]
    assert all(len(page) == limit for page in found[:-1])


def test_a_span_has_both_its_ends_and_nothing_beside_them(stage: Stage) -> None:
    for index in range(5):
        opened(stage, f"s{index}", START + index * DAY)
    span = Span(START + DAY, START + 3 * DAY)
    assert flat(pages(stage.store.opened, 2, span)) == ["s3", "s2", "s1"]
    assert stage.store.opened(Span(START + 9 * DAY, START), 9) == []


def test_names_of_every_kind_are_found_as_they_are(stage: Stage) -> None:
    for index, name in enumerate(HOSTILE):
        opened(stage, name, START + timedelta(seconds=index))
        stage.store.commit(event(name, now=START + timedelta(seconds=index)))
    assert flat(pages(stage.store.opened, 4)) == list(HOSTILE[::-1])
    assert flat(pages(lambda span, limit: stage.store.events("default", span, limit), 4)) == list(
        HOSTILE[::-1]
    )


def test_a_signup_is_found_however_often_it_has_changed(stage: Stage) -> None:
    opened(stage, "s1", START)
    record = signup("s1").model_copy(update={"version": 1, "reference": "again"})
    record.tell(FactType.SIGNUP_AUTHORIZED, START + DAY)
    stage.store.commit(record)
    assert stage.store.opened(ALL, 9) == [Position(START.replace(microsecond=123_000), "s1")]


def test_attempts_in_vain_are_given_with_what_they_tell(stage: Stage) -> None:
    told: list[dict[str, Any]] = [
        {"fact_type": FactType.SIGNUP_OUTCOME, "detail": {"outcome": "cancelled", "step": "PHONE"}},
        {"fact_type": FactType.SIGNUP_EXCHANGE_FAILED, "detail": {"code": "code_expired"}},
        {"fact_type": FactType.SIGNUP_AUTHORIZED},
        {"fact_type": FactType.SIGNUP_OUTCOME, "detail": {"outcome": "closed"}},
    ]
    for index, more in enumerate(told):
        stage.store.commit(facts=[fact(f"s{index}", START + index * DAY, **more)])
    found = stage.store.attempts(ALL, 9)
    assert [one.detail for one in found] == [told[3]["detail"], told[1]["detail"], told[0]["detail"]]
    first = stage.store.attempts(ALL, 1)[0]
    behind = Span(ALL.since, ALL.until, Position(first.at, first.id))
    assert [one.subject for one in stage.store.attempts(behind, 9)] == ["s1", "s0"]


@pytest.mark.parametrize("limit", [1, 3, 100])
def test_events_are_found_by_their_time_whatever_became_of_them(stage: Stage, limit: int) -> None:
    for index in range(7):
        record = event(f"e{index}", now=START + index * timedelta(hours=9))
        stage.store.commit(record)
        record.end([Outcome.APPLIED, Outcome.UNRESOLVED, Outcome.GIVEN_UP][index % 3])
        stage.store.commit(record)
    expected = [f"e{index}" for index in range(7)][::-1]
    found = pages(lambda span, size: stage.store.events("default", span, size), limit)
    assert flat(found) == expected
    assert stage.store.events("other", ALL, 9) == []
    at = pages(lambda span, size: stage.store.events_at("CHANNEL#default#c1", span, size), limit)
    assert flat(at) == expected
    assert stage.store.events_at("CHANNEL#default#c2", ALL, 9) == []


def test_what_is_only_kept_is_found_by_its_time_alone(stage: Stage) -> None:
    record = event("e1")
    record.end(Outcome.STORED)
    stage.store.commit(record)
    assert [found.id for found in stage.store.events("default", ALL, 9)] == ["e1"]
    assert stage.store.events_at(record.place, ALL, 9) == []


def test_events_of_a_place_are_found_within_a_span(stage: Stage) -> None:
    for index in range(4):
        stage.store.commit(event(f"e{index}", now=START + index * DAY))
    place = event("e0").place
    span = Span(START + DAY, START + 2 * DAY)
    assert [found.id for found in stage.store.events_at(place, span, 9)] == ["e2", "e1"]
    assert stage.store.events_at(place, Span(START + 9 * DAY, START), 9) == []
