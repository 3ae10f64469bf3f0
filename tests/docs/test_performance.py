"""docs/performance.md says what a run of the bench says, and what it counts does not grow."""

import pytest

from bench import growth
from infra.cards import CARDS
from infra.sizes import sizes

DOCUMENT = growth.DOCUMENT.read_text(encoding="utf-8")
MORE = [growth.Store(1_000, own) for own in (1_000, 1)]
"""A table of 100,000 takes a minute to fill: the bench does that, and writes what it finds."""


@pytest.mark.parametrize("store", MORE, ids=str)
def test_nothing_costs_more_with_a_thousand_records_than_with_ten(store: growth.Store) -> None:
    assert growth.measure(store) == growth.measure(growth.FEW)


def test_the_document_says_what_is_measured_and_that_it_does_not_grow() -> None:
    for name, spent in growth.measure(growth.FEW).items():
        assert f"| {name} | {' | '.join([spent.cell] * len(growth.STORES))} |" in DOCUMENT, name
    for size, spent in (*growth.by_size().items(), *growth.by_waba().items()):
        assert f"| {size} | {spent.cell} |" in DOCUMENT


def test_an_event_costs_at_most_16_write_units_and_an_onboarding_116() -> None:
    few = growth.measure(growth.FEW)
    assert few["an event about a number"].written <= 16
    assert few["**a whole onboarding, first number**"].written <= 116


def test_a_number_costs_no_more_in_a_signup_of_48_than_alone() -> None:
    sizes = growth.by_size()
    assert sizes[48].written <= sizes[5].written * 1.06 <= sizes[1].written * 1.06


def test_a_number_of_a_large_account_costs_no_more_writes_than_one_of_a_small_one() -> None:
    assert len({spent.written for spent in growth.by_waba().values()}) == 1


def test_every_function_stands_in_each_table_about_functions() -> None:
    for mark in ("starts", "packages"):
        told = {row[0].strip("`") for row in growth.cells(DOCUMENT, mark)}
        assert told >= set(CARDS), mark


def test_the_packages_are_about_as_large_as_the_document_says() -> None:
    measured = sizes()
    for name, package, archive, unpacked, _ in growth.cells(DOCUMENT, "packages"):
        assert package == f"`{CARDS[name.strip('`')].package}`"
        size = measured[CARDS[name.strip("`")].package]
        for told, found in ((archive, size.archive), (unpacked, size.unpacked)):
            assert abs(int(told.replace(",", "")) - found) < found / 10, f"{name}: python -m bench.packages"
