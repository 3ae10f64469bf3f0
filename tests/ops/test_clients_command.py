"""`onramp clients`: shown, exported, erased; in parts, after a run that is waited for and a question."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from ops.desk import Refused
from tests.ops.conftest import AtDesk

type Json = dict[str, Any]

RECEIPT: Json = {"id": "r1", "removed": {"event": 2}, "late": {}, "kept": []}
PART: Json = {"cursor": "rest:1", "counts": {"signup": 1}}
LAST: Json = {"cursor": None, "counts": {"signup": 1}, "receipt": RECEIPT}
BUSY = Refused({"code": "number_busy", "detail": "A run is at it.", "retryable": True, "retry_after": 61})


@pytest.fixture(autouse=True)
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Nobody waits in these tests."""
    waits: list[float] = []
    monkeypatch.setattr(time, "sleep", waits.append)
    return waits


def test_an_erasure_goes_on_until_it_has_a_receipt(at_desk: AtDesk) -> None:
    at_desk.answers["clients.erase"] = [PART, LAST]
    assert at_desk.run("clients", "erase", "--email", "a@b.example", "--yes", "--json") == 0
    assert at_desk.result() == RECEIPT
    assert [arguments.get("cursor") for _, arguments in at_desk.asked] == [None, "rest:1"]
    assert at_desk.asked[0][1] == {"email": "a@b.example", "although_billed": False}


def test_a_person_answers_before_anything_is_erased(at_desk: AtDesk) -> None:
    at_desk.person = True
    assert at_desk.run("clients", "erase", "--email", "a@b.example", given="no\n") == 2
    assert at_desk.asked == []
    assert "cannot be brought back" in at_desk.err


def test_a_run_that_has_a_number_is_waited_for(at_desk: AtDesk, slept: list[float]) -> None:
    at_desk.answers["clients.erase"] = [BUSY, LAST]
    assert at_desk.run("clients", "erase", "--number", "10001", "--yes") == 0
    assert slept == [61]


def test_but_not_for_ever(at_desk: AtDesk, slept: list[float]) -> None:
    at_desk.answers["clients.erase"] = lambda _: BUSY
    assert at_desk.run("clients", "erase", "--number", "10001", "--yes") == 1
    assert slept == [61, 61]


def test_what_360dialog_bills_is_refused_with_the_way_out(at_desk: AtDesk) -> None:
    billed = {"code": "still_billed", "detail": "360dialog bills c1: cancel first.", "retryable": False}
    at_desk.answers["clients.erase"] = lambda asked: LAST if asked["although_billed"] else Refused(billed)
    assert at_desk.run("clients", "erase", "--signup", "a" * 32, "--yes") == 1
    assert "cancel first" in at_desk.err
    assert at_desk.run("clients", "erase", "--signup", "a" * 32, "--yes", "--although-billed") == 0


@pytest.mark.parametrize("named", [[], ["--email", "a@b.example", "--number", "10001"]])
def test_a_person_is_named_in_one_way(at_desk: AtDesk, named: list[str]) -> None:
    assert at_desk.run("clients", "show", *named) == 2
    assert "one of" in at_desk.err


def test_what_is_known_is_shown(at_desk: AtDesk) -> None:
    at_desk.answers["clients.show"] = [{**PART, "cursor": None, "person": {"signups": ["s1"]}}]
    assert at_desk.run("clients", "show", "--digits", "+49 151 1", "--json") == 0
    assert at_desk.result() == {"person": {"signups": ["s1"]}, "counts": {"signup": 1}}


def test_an_export_is_all_parts_together_also_in_a_file(at_desk: AtDesk, tmp_path: Path) -> None:
    one, other = {"kind": "signup", "record": {"id": "ü"}}, {"kind": "fact", "record": {}}

    def parts() -> list[Json]:
        return [{**PART, "items": [one]}, {**PART, "cursor": None, "items": [other]}]

    at_desk.answers["clients.export"] = parts()
    assert at_desk.run("clients", "export", "--email", "a@b.example") == 0
    assert json.loads(at_desk.out)["items"] == [one, other]
    at_desk.answers["clients.export"] = parts()
    file = tmp_path / "export.json"
    assert at_desk.run("clients", "export", "--email", "a@b.example", "--to", str(file), "--json") == 0
    assert json.loads(file.read_text(encoding="utf-8"))["items"] == [one, other]
    assert at_desk.result()["file"] == str(file)


@pytest.mark.parametrize("place", ["none/x", "."])
def test_a_place_that_takes_no_file_is_refused_before_anything_is_read(
    at_desk: AtDesk, tmp_path: Path, place: str
) -> None:
    assert at_desk.run("clients", "export", "--email", "a@b.example", "--to", str(tmp_path / place)) == 2
    assert "is no place for a file" in at_desk.err
    assert at_desk.asked == []
