"""The operator's desk as Lambda calls it: it checks, runs one command, and tells nothing that is not ours."""

from collections.abc import Callable
from typing import Any

import pytest

import operator_desk
from contract.samples import samples
from onramp.domain.errors import Conflict, PutOff, Transient, UnavailableError, Unreadable
from onramp.domain.number import Number, WabaOf
from onramp.inbound.desk import Command, NumberAsked
from onramp.inbound.desk.table import AREAS, COMMANDS
from tests.unit.handlers.test_workers import Bench, context

PHONE = "106540352242922"
ACTOR = "arn:aws:sts::123456789012:assumed-role/operator/alex@example.com"


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    bench = Bench()
    bench.runtime.request_id = "aws-request-1"
    monkeypatch.setattr(operator_desk, "function", lambda: (bench.runtime, bench.ports))
    return bench


def ask(event: Any) -> dict[str, Any]:
    return operator_desk.handler(event, context())


def stored(bench: Bench) -> Number:
    number = Number(
        phone_number_id=PHONE,
        tenant="tenant-1",
        signup_id="0" * 32,
        waba=WabaOf(id="102290129340398"),
        created_at=bench.clock.now(),
    )
    bench.store.commit(number)
    return number


def test_a_command_is_answered_with_its_result(bench: Bench) -> None:
    stored(bench)
    answer = ask(samples()["operator_desk/show_number"])
    assert answer["version"] == 1
    number = answer["result"]["number"]
    assert (number["phone_number_id"], number["tenant"], number["status"]) == (PHONE, "tenant-1", "pending")


def test_what_is_not_there_is_a_problem(bench: Bench) -> None:
    problem = ask({"command": "numbers.show", "arguments": {"phone_number_id": PHONE}})["problem"]
    assert (problem["code"], problem["retryable"]) == ("not_found", False)
    assert problem["request_id"] == "aws-request-1"
    assert not bench.telemetry.lines


@pytest.mark.parametrize(
    ("event", "field"),
    [
        (None, "body"),
        ([], "body"),
        ({}, "command"),
        ({"command": 1}, "command"),
        ({"command": "numbers.explode"}, "command"),
        ({"command": "numbers.show"}, "phone_number_id"),
        ({"command": "numbers.show", "arguments": []}, "arguments"),
        ({"command": "numbers.show", "arguments": {"phone_number_id": 106540352242922}}, "phone_number_id"),
        ({"command": "numbers.show", "arguments": {"phone_number_id": "x"}}, "phone_number_id"),
        ({"command": "numbers.show", "arguments": {"phone_number_id": PHONE, "force": True}}, "force"),
        ({"command": "numbers.show", "arguments": {"phone_number_id": PHONE}, "more": 1}, "more"),
        ({"command": "numbers.show", "arguments": {"phone_number_id": "\ud800"}}, "body"),
    ],
)
def test_a_call_of_another_shape_is_refused_and_named(bench: Bench, event: Any, field: str) -> None:
    problem = ask(event)["problem"]
    assert problem["code"] == "invalid_request"
    assert field in {error["field"] for error in problem["errors"]}
    assert not bench.store.all_facts()


@pytest.mark.parametrize(
    ("trouble", "code"),
    [
        (UnavailableError("queue"), "unavailable"),
        (Conflict(), "unavailable"),
        (Transient("partner_unavailable"), "unavailable"),
        (Unreadable("CLIENT#default#owner@bakery.example.com/CLIENT"), "internal_error"),
        (RuntimeError("secret-text"), "internal_error"),
    ],
)
def test_no_text_of_an_error_leaves_the_function(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, trouble: Exception, code: str
) -> None:
    answer = asking(monkeypatch, lambda *_: raising(trouble))
    assert answer["problem"]["code"] == code
    told = f"{answer} {bench.telemetry.lines}"
    assert "secret-text" not in told
    assert "owner@" not in told


def test_whoever_has_to_wait_is_told_how_long(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    from datetime import timedelta  # noqa: PLC0415

    until = bench.clock.now() + timedelta(seconds=12)
    answer = asking(monkeypatch, lambda *_: raising(PutOff(until, "budget")))
    assert (answer["problem"]["retry_after"], answer["problem"]["retryable"]) == (12, True)


def raising(trouble: Exception) -> Any:
    raise trouble


def asking(monkeypatch: pytest.MonkeyPatch, run: Callable[..., Any], *, changes: bool = False) -> Any:
    """What comes of a command that does what a test wants."""
    command = Command("numbers.probe", "", NumberAsked, run, changes=changes)
    monkeypatch.setattr(operator_desk, "COMMANDS", {**COMMANDS, command.name: command})
    return ask({"command": command.name, "arguments": {"phone_number_id": PHONE}, "actor": ACTOR})


def test_who_asks_for_a_change_is_written_down_without_personal_data(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert asking(monkeypatch, lambda *_: {}, changes=True) == {"version": 1, "result": {}}
    [(_, message, fields)] = bench.telemetry.lines
    assert message == "an operator asks for a change"
    assert (fields["command"], fields["phone_number_id"]) == ("numbers.probe", PHONE)
    assert "assumed-role/operator" in str(fields["actor"])
    assert "alex@" not in str(fields["actor"])


def test_each_command_stands_once_in_the_table_and_is_named_after_its_area() -> None:
    names = [command.name for area in AREAS for command in area]
    assert len(set(names)) == len(names) == len(COMMANDS)
    for command in COMMANDS.values():
        area, _, verb = command.name.partition(".")
        assert area
        assert verb
        assert len(command.about) > 10
