"""The tables of the documents say what the code says."""

import re
from itertools import dropwhile, takewhile
from pathlib import Path

import pytest

from contract.routes import ROUTES
from infra.cards import CARDS, counted_by
from infra.config import overridable_values
from infra.metrics import METRICS
from onramp.domain.balance import Balance
from onramp.domain.budget import BudgetState
from onramp.domain.census import Census
from onramp.domain.clients import ClientRecord
from onramp.domain.errors import FAILURES, PROBLEMS, WAITS
from onramp.domain.facts import FACTS
from onramp.domain.ledger import EventRecord
from onramp.domain.link import Link
from onramp.domain.number import Number
from onramp.domain.signup import Exchange, Listed, Remembered, Signup
from onramp.domain.states import Attention, SignupStatus, Status

ROOT = Path(__file__).resolve().parents[2]
COMMON = {"id", "at", "signup_id", "tenant", "reference", "phone_number_id", "channel_id"}
RECORDS = (
    Signup,
    Exchange,
    Listed,
    Link,
    Remembered,
    Number,
    ClientRecord,
    EventRecord,
    BudgetState,
    Balance,
    Census,
)
GUARDS = {
    "public": "everybody",
    "jwt": "tenant",
    "link": "a customer with a link",
    "iam": "your servers (IAM, SigV4)",
    "signed": "360dialog (signature)",
}


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def rows_behind(text: str, mark: str) -> list[list[str]]:
    """The rows of the first table behind a mark, without its head; cells without their back quotes."""
    lines = text.partition(mark)[2].splitlines()
    behind = dropwhile(lambda line: not line.startswith("|"), lines)
    rows = list(takewhile(lambda line: line.startswith("|"), behind))
    assert rows, f"there is no table behind {mark}"
    return [[cell.strip().replace("`", "") for cell in row.strip("|").split("|")] for row in rows[2:]]


def table(mark: str) -> list[list[str]]:
    """A table of the reference, by the comment in front of it."""
    return rows_behind(text_of("docs/reference.md"), f"<!-- {mark}:")


def yes(value: bool) -> str:
    return "yes" if value else "no"


def test_the_routes_are_those_of_the_code() -> None:
    told = [(row[0], row[1]) for row in table("routes")]
    routes = [(f"{route.method} {route.path}", GUARDS[route.access]) for route in ROUTES]
    assert sorted(told) == sorted(routes)


def test_the_errors_are_those_of_the_code() -> None:
    told = [row[:4] for row in table("errors")]
    assert told == [
        [code, str(kind.status), kind.title, yes(kind.retryable)] for code, kind in PROBLEMS.items()
    ]


def test_every_error_says_what_to_do() -> None:
    assert all(row[4].endswith(".") for row in table("errors"))


def test_the_failures_are_those_of_the_code() -> None:
    assert table("failures") == [
        [code, yes(kind.retryable), kind.title, kind.action] for code, kind in FAILURES.items()
    ]


def test_what_is_waited_for_is_that_of_the_code() -> None:
    assert table("waits") == [[code, kind.title, kind.action] for code, kind in WAITS.items()]


def test_every_attention_is_explained_to_callers_and_to_operators() -> None:
    assert [row[0] for row in table("attention")] == list(Attention)
    told = rows_behind(text_of("docs/runbook.md"), "<!-- attention:")
    assert [row[0] for row in told] == list(Attention)
    assert all(all(row) for row in told)


def test_the_facts_are_those_of_the_code() -> None:
    assert table("facts") == [
        [str(name), ", ".join(kind.detail), yes(kind.bus), kind.about.replace("`", "")]
        for name, kind in FACTS.items()
    ]


def test_further_fields_are_further_ones() -> None:
    assert not [name for name, kind in FACTS.items() if COMMON & set(kind.detail)]


def test_the_metrics_are_those_of_the_code() -> None:
    assert table("metrics") == [
        [name, metric.unit, ", ".join(counted_by(name)), metric.about] for name, metric in METRICS.items()
    ]


def test_the_configuration_is_that_of_the_stack() -> None:
    assert [row[0] for row in table("configuration")] == list(overridable_values())


@pytest.mark.parametrize("name", overridable_values())
def test_the_example_file_mentions_every_value(name: str) -> None:
    section, _, key = name.partition(".")
    part = text_of("config/example.toml").partition(f"[{section}")[2]
    assert re.search(rf"\b{key}\b", part), name


def test_the_guide_explains_every_status_of_a_signup() -> None:
    told = rows_behind(text_of("docs/front-end.md"), "## What a signup is")
    assert {row[0] for row in told} == set(SignupStatus)


def test_the_guide_explains_every_status_of_a_number() -> None:
    told = rows_behind(text_of("docs/front-end.md"), "## What a number is")
    assert {name for row in told for name in row[0].split(", ")} == set(Status)


def test_the_functions_are_those_of_the_stack() -> None:
    told = rows_behind(text_of("docs/architecture.md"), "<!-- functions:")
    assert [(row[0], row[2]) for row in told] == [(card.name, f"{card.timeout} s") for card in CARDS.values()]


def test_the_records_of_the_data_are_those_of_the_code() -> None:
    told = rows_behind(text_of("docs/architecture.md"), "<!-- records:")
    keys = {key.partition("#")[0] for row in told for key in row[1:3]}
    kinds = {record.KIND for record in RECORDS}
    assert not kinds - keys
