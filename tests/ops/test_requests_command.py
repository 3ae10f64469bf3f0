"""`onramp requests` and `onramp signups lost|recover`: pages, parts, and a question before what stays."""

import time
from typing import Any

import pytest

from ops.desk import Refused
from tests.ops.conftest import AtDesk

type Json = dict[str, Any]

CODE = "abcdefghijklmnopqrstuvwx"
REQUEST: Json = {"code": CODE, "kind": "deletion", "status": "carried_out", "receipts": ["r1"]}
BUSY = Refused({"code": "number_busy", "detail": "A run is at it.", "retryable": True, "retry_after": 61})


@pytest.fixture(autouse=True)
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Nobody waits in these tests."""
    waits: list[float] = []
    monkeypatch.setattr(time, "sleep", waits.append)
    return waits


def test_a_request_is_carried_out_part_by_part(at_desk: AtDesk, slept: list[float]) -> None:
    parts = [{"cursor": "0#x", "request": REQUEST}, BUSY, {"cursor": None, "request": REQUEST}]
    at_desk.answers["requests.carry-out"] = parts
    assert at_desk.run("requests", "carry-out", CODE, "--yes", "--json") == 0
    assert at_desk.result() == REQUEST
    assert [arguments.get("cursor") for _, arguments in at_desk.asked] == [None, "0#x", "0#x"]
    assert slept == [61]


def test_a_person_answers_before_anything_is_erased(at_desk: AtDesk) -> None:
    at_desk.person = True
    assert at_desk.run("requests", "carry-out", CODE, given="no\n") == 2
    assert at_desk.asked == []


def test_what_was_done_elsewhere_is_only_written_down(at_desk: AtDesk) -> None:
    at_desk.answers["requests.carry-out"] = [{"cursor": None, "request": REQUEST}]
    assert at_desk.run("requests", "carry-out", CODE, "--done", "--receipt", "r1", "--json") == 0
    ((_, asked),) = at_desk.asked
    assert (asked["done"], asked["receipts"]) == (True, ["r1"])


def test_what_waits_is_listed(at_desk: AtDesk) -> None:
    at_desk.answers["requests.list"] = [{"items": [REQUEST], "cursor": None}]
    assert at_desk.run("requests", "list", "--json") == 0
    assert at_desk.result()["items"] == [REQUEST]


def test_lost_signups_are_listed_and_one_is_recovered(at_desk: AtDesk) -> None:
    at_desk.answers["signups.lost"] = [{"items": [{"waba_id": "20001"}], "cursor": None}]
    at_desk.answers["signups.recover"] = [{"signup_id": "s", "status": "authorized"}]
    assert at_desk.run("signups", "lost", "--json") == 0
    assert at_desk.result()["items"] == [{"waba_id": "20001"}]
    who = ("--tenant", "acme", "--client", "aCL")
    assert at_desk.run("signups", "recover", "20001", *who, "--yes", "--json") == 0
    assert at_desk.result()["status"] == "authorized"
    assert at_desk.asked[-1] == (
        "signups.recover",
        {"waba_id": "20001", "tenant": "acme", "client_id": "aCL"},
    )


def test_nobody_recovers_for_a_tenant_by_mistake(at_desk: AtDesk) -> None:
    at_desk.person = True
    assert at_desk.run("signups", "recover", "20001", "--tenant", "acme", given="\n") == 2
    assert at_desk.asked == []
