"""The partner's balance: read once with every round of the census, told once, and never in anybody's way."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from onramp.domain.balance import Balance
from onramp.domain.budget import BudgetRule
from onramp.domain.census import SOON
from onramp.domain.errors import Permanent, Throttled, Transient
from onramp.domain.records import Fact
from onramp.ports import Hub, Rules
from onramp.ports.upstreams import Amount
from onramp.usecases.balance import read_balance
from onramp.usecases.census import work_on_census
from tests.unit.usecases.bench import Bench, ScriptedPartner

RULES = Rules(budget=BudgetRule(calls=5, window=timedelta(seconds=30)), watch_balance=100)


@pytest.fixture
def bench() -> Bench:
    bench = Bench()
    bench.ports = replace(bench.ports, rules=RULES)
    return bench


def euros(*amounts: str) -> list[Amount]:
    return [Amount("EUR" if place == 0 else "USD", Decimal(text)) for place, text in enumerate(amounts)]


def round_of(bench: Bench) -> None:
    """A whole round of the census, some time after the last one."""
    bench.wait(SOON.total_seconds() + 60)
    while (until := work_on_census(bench.ports)) is not None:
        bench.clock.set(until)


def balance(bench: Bench, hub: str = "default") -> Balance:
    found = bench.store.read(Balance, hub)
    assert found is not None
    return found


def facts(bench: Bench) -> list[Fact]:
    found = sorted(bench.store.facts_of("HUB#default", 99), key=lambda fact: fact.at)
    return [fact for fact in found if fact.type.startswith("balance.")]


def told(bench: Bench) -> list[str]:
    return [str(fact.type) for fact in facts(bench)]


def test_nobody_asks_for_a_balance_that_is_not_watched() -> None:
    bench = Bench()
    round_of(bench)
    assert bench.partner.calls == ["list_channels"]
    assert bench.store.read(Balance, "default") is None


def test_it_is_read_once_in_a_round(bench: Bench) -> None:
    bench.partner.page_size = 1
    bench.partner.channels = [bench.channel(f"f{index}", f"9{index}", waba_id="other") for index in range(12)]
    round_of(bench)
    assert bench.partner.calls.count("read_balance") == 1
    round_of(bench)
    assert bench.partner.calls.count("read_balance") == 2
    assert [money.model_dump() for money in balance(bench).amounts] == [{"currency": "EUR", "total": "250"}]


def test_a_low_balance_is_told_once_until_it_recovers(bench: Bench) -> None:
    bench.partner.balance = euros("99.99")
    round_of(bench)
    round_of(bench)
    assert told(bench) == ["balance.low"]
    assert bench.count("BalanceLow") == 2
    bench.partner.balance = euros("100")
    round_of(bench)
    assert told(bench) == ["balance.low", "balance.recovered"]
    assert balance(bench).low_since is None
    bench.partner.balance = euros("-3.5")
    round_of(bench)
    assert told(bench) == ["balance.low", "balance.recovered", "balance.low"]
    assert facts(bench)[-1].detail == {"total": "-3.5 EUR", "watched": "100", "hub": "default"}


def test_of_several_currencies_all_must_be_low(bench: Bench) -> None:
    bench.partner.balance = euros("0", "500")
    round_of(bench)
    assert told(bench) == []
    bench.partner.balance = euros("0", "5")
    round_of(bench)
    assert told(bench) == ["balance.low"]


@pytest.mark.parametrize(
    "refusal", [Permanent("partner_configuration", status=403), Transient("partner_unavailable", status=200)]
)
def test_a_balance_that_cannot_be_read_holds_up_no_census(bench: Bench, refusal: Exception) -> None:
    bench.partner.balance = euros("1")
    bench.partner.troubles["read_balance"] = [refusal]
    round_of(bench)
    assert bench.partner.calls == ["read_balance", "list_channels"]
    assert told(bench) == []
    round_of(bench)
    assert told(bench) == ["balance.low"]


def test_a_429_puts_the_census_off_and_the_balance_is_asked_for_again(bench: Bench) -> None:
    bench.partner.troubles["read_balance"] = [Throttled("partner_unavailable", status=429)]
    round_of(bench)
    assert bench.partner.calls == ["read_balance", "read_balance", "list_channels"]


def test_the_alarm_of_one_hub_is_not_ended_by_another_one(bench: Bench) -> None:
    other = ScriptedPartner(balance=euros("1000"))
    hubs = {"default": Hub(RULES, bench.partner), "emea": Hub(RULES, other)}
    bench.ports = replace(bench.ports, hubs=hubs)
    bench.partner.balance = euros("1")
    round_of(bench)
    work_on_census(bench.ports.at("emea"))
    assert balance(bench, "emea").low_since is None
    assert bench.count("BalanceLow") == 2


def test_an_operator_reads_it_without_anything_being_told(bench: Bench) -> None:
    bench.partner.balance = euros("1.50")
    assert list(read_balance(bench.ports)) == euros("1.50")
    assert bench.store.read(Balance, "default") is None
