"""The README's tables say what the code says."""

import ast
import re
from itertools import takewhile
from pathlib import Path

import pytest

from infra.config import overridable_values
from onramp.domain.errors import FAILURES, PROBLEMS
from onramp.domain.states import EVENT_RULES, Effect, Progress

ROOT = Path(__file__).resolve().parents[2]
COMMON = {"id", "at", "signup_id", "tenant", "reference", "phone_number_id", "channel_id"}


def table(mark: str) -> list[list[str]]:
    """The rows of the table behind a comment that begins with `mark`, without its head."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    rest = readme.partition(f"<!-- {mark}:")[2].partition("-->")[2].lstrip().splitlines()
    rows = list(takewhile(bool, rest))
    assert rows, f"the README has no table marked {mark}"
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows[2:]]


def bare(cell: str) -> str:
    return cell.strip("`")


def test_the_errors_are_those_of_the_code() -> None:
    told = {
        bare(code): (int(status), title, again == "yes") for code, status, title, again, _ in table("errors")
    }
    assert told == {code: (kind.status, kind.title, kind.retryable) for code, kind in PROBLEMS.items()}


def test_every_error_says_what_to_do() -> None:
    assert all(row[4].endswith(".") for row in table("errors"))


def test_the_failures_are_those_of_the_code() -> None:
    told = {bare(code): (title, again == "yes") for code, again, title in table("failures")}
    assert told == {code: (kind.title, kind.retryable) for code, kind in FAILURES.items()}


def test_the_configuration_is_that_of_the_stack() -> None:
    assert [bare(row[0]) for row in table("configuration")] == list(overridable_values())


@pytest.mark.parametrize("name", overridable_values())
def test_the_example_file_mentions_every_value(name: str) -> None:
    section, _, key = name.partition(".")
    example = (ROOT / "config" / "example.toml").read_text(encoding="utf-8")
    part = example.partition(f"[{section}")[2]
    assert re.search(rf"\b{key}\b", part), name


class Told(ast.NodeVisitor):
    """The bus events of the code, by type, with the fields that are theirs alone."""

    def __init__(self) -> None:
        self.events: dict[str, set[str]] = {}

    def visit_Call(self, node: ast.Call) -> None:
        called = node.func
        if isinstance(called, ast.Attribute) and called.attr == "tell":
            fields = {keyword.arg for keyword in node.keywords if keyword.arg}
            self.events |= dict.fromkeys(names(node.args[0]), fields)
        if isinstance(called, ast.Name) and called.id == "BusEvent":
            given = {keyword.arg: keyword.value for keyword in node.keywords}
            detail = given["detail"]
            if isinstance(given["type"], ast.Constant) and isinstance(detail, ast.Dict):
                keys = {key.value for key in detail.keys if isinstance(key, ast.Constant)}
                self.events[str(given["type"].value)] = {str(key) for key in keys}
        self.generic_visit(node)


def names(event: ast.expr) -> set[str]:
    """The types an argument can be: a text, or `number.` and every value of what follows it."""
    if isinstance(event, ast.Constant):
        return {str(event.value)}
    noted = {name for name, rule in EVENT_RULES.items() if rule.effect is Effect.NOTE}
    ranges = {
        "number.{progress}": {str(progress) for progress in list(Progress)[1:]},
        "number.{event.name}": noted,
    }
    return {f"number.{value}" for value in ranges[ast.unparse(event)[2:-1]]}


def test_the_bus_events_are_those_of_the_code() -> None:
    code = Told()
    for file in sorted((ROOT / "functions").rglob("*.py")):
        code.visit(ast.parse(file.read_text(encoding="utf-8")))
    told = {bare(row[0]): set(re.findall(r"`(\w+)`", row[1])) for row in table("bus")}
    assert told == code.events
    assert not any(fields & COMMON for fields in told.values())
