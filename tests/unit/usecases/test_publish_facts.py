"""From facts to the bus: in order, at least once, and again from the table when an operator asks."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from onramp.domain.errors import UnavailableError
from onramp.domain.facts import FactType
from onramp.domain.records import Fact
from onramp.usecases.publish_facts import PAGE, publish_facts, republish
from tests.unit.usecases.bench import Bench

DAY = timedelta(days=1)


def fact(bench: Bench, name: str, *, bus: bool = True) -> Fact:
    return Fact(id=name, type=FactType.NUMBER_LIVE, at=bench.now, subject="s1", bus=bus)


def happened(bench: Bench, count: int, *, bus: bool = True) -> None:
    """Facts in the table."""
    for index in range(count):
        bench.store.commit(facts=[fact(bench, "", bus=bus).model_copy(update={"reference": str(index)})])


def again(bench: Bench, cursor: str | None = None, *, enough: bool = False) -> tuple[int, str | None]:
    return republish(bench.ports, bench.now - DAY, bench.now + DAY, cursor, lambda: enough)


def test_facts_are_published_in_their_order(bench: Bench) -> None:
    assert publish_facts(bench.ports, [fact(bench, "1"), fact(bench, "2")]) == ()
    assert [published.id for published in bench.bus.published] == ["1", "2"]
    assert bench.count("FactsPublished") == 2
    assert bench.count("FactsRefused") == 0


def test_facts_that_concern_nobody_outside_stay_inside(bench: Bench) -> None:
    assert publish_facts(bench.ports, [fact(bench, "1", bus=False)]) == ()
    assert bench.bus.published == []
    assert bench.telemetry.counts == {}


def test_what_the_bus_does_not_take_is_given_back(bench: Bench) -> None:
    bench.bus.broken = True
    assert publish_facts(bench.ports, [fact(bench, "1"), fact(bench, "2", bus=False)]) == ["1"]
    assert bench.count("FactsRefused") == 1


def test_facts_of_a_span_are_published_again_page_by_page(bench: Bench) -> None:
    happened(bench, PAGE + 50)
    happened(bench, 10, bus=False)
    assert again(bench) == (PAGE + 50, None)
    assert [published.reference for published in bench.bus.published] == [str(i) for i in range(PAGE + 50)]


def test_when_time_is_up_the_cursor_says_where_to_go_on(bench: Bench) -> None:
    happened(bench, PAGE + 50)
    count, cursor = again(bench, enough=True)
    assert count == PAGE
    assert cursor is not None
    assert again(bench, cursor) == (50, None)
    assert len(bench.bus.published) == PAGE + 50


def test_what_the_bus_does_not_take_at_first_is_unavailable(bench: Bench) -> None:
    happened(bench, 3)
    bench.bus.broken = True
    with pytest.raises(UnavailableError):
        again(bench)


def test_what_the_bus_does_not_take_later_is_where_to_go_on(bench: Bench) -> None:
    happened(bench, PAGE + 50)
    publish = bench.bus.publish
    calls: list[Any] = []

    def once(facts: Sequence[Fact]) -> Sequence[str]:
        calls.append(facts)
        return publish(facts) if len(calls) != 2 else [found.id for found in facts]

    bench.bus.publish = once  # type: ignore[method-assign]
    count, cursor = again(bench)
    assert count == PAGE
    assert again(bench, cursor) == (50, None)


def test_a_span_in_which_nothing_happened_is_empty(bench: Bench) -> None:
    happened(bench, 3)
    assert republish(bench.ports, bench.now + DAY, bench.now + 2 * DAY, None, lambda: False) == (0, None)
