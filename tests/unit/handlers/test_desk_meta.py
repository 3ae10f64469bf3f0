"""`signups.lost`, `signups.recover` and `requests.*` at the operator's desk."""

import json
from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from onramp.domain.deletion import Asked, RequestKind
from onramp.domain.errors import Problem
from onramp.domain.witness import Witness
from onramp.inbound.desk.table import COMMANDS
from onramp.usecases.requests import keep_request
from tests.unit.usecases.bench import BUSINESS, WABA, Bench

type Json = dict[str, Any]

CODE = "abcdefghijklmnopqrstuvwx"
WHO = {"tenant": "acme", "name": "Acme", "email": "a@example.com", "user_name": "A"}


def ask(bench: Bench, asked_for: str, **arguments: Any) -> Json:
    """As the function does it; what is answered is JSON."""
    command = COMMANDS[asked_for]
    asked = command.arguments.model_validate_json(json.dumps(arguments))
    answer: Json = json.loads(json.dumps(command.run(bench.ports, asked)))
    return answer


def witnessed(bench: Bench, *wabas: str) -> None:
    now = bench.ports.clock.now()
    for index, waba_id in enumerate(wabas):
        at = now - timedelta(hours=2, minutes=index)
        bench.ports.store.commit(Witness(waba_id=waba_id, business_id=BUSINESS, heard_at=now, added_at=at))


def test_lost_signups_come_page_by_page() -> None:
    bench = Bench()
    witnessed(bench, "20001", "20002", "20003")
    first = ask(bench, "signups.lost", limit=2)
    assert [item["waba_id"] for item in first["items"]] == ["20001", "20002"]
    second = ask(bench, "signups.lost", limit=2, cursor=first["cursor"])
    assert [item["waba_id"] for item in second["items"]] == ["20003"]
    assert second["cursor"] is None


def test_a_recovered_signup_is_shown_with_its_proof() -> None:
    bench = Bench()
    waba_id = f"{WABA}0"
    bench.meta.granted = [waba_id]
    bench.meta.wabas = {waba_id: bench.meta.wabas[WABA].__class__(waba_id, "Acme", BUSINESS)}
    witnessed(bench, waba_id)
    told = ask(bench, "signups.recover", waba_id=waba_id, **WHO)
    assert (told["status"], told["proof"], told["tenant"]) == ("authorized", "granted_ids", "acme")
    assert bench.meta.calls[0] == "fetch_token"


def test_a_customer_must_be_named() -> None:
    bench = Bench()
    witnessed(bench, "20001")
    with pytest.raises(Problem, match="who the customer is"):
        ask(bench, "signups.recover", waba_id="20001", tenant="acme")
    for wrong in ({"waba_id": "../x"}, {"waba_id": "20001", "plan_tier": "gold"}):
        with pytest.raises(ValidationError):
            ask(bench, "signups.recover", **{**WHO, **wrong})


def test_a_request_is_listed_shown_and_written_down_as_done() -> None:
    bench = Bench()
    now = bench.ports.clock.now()
    keep_request(bench.ports, Asked(code=CODE, kind=RequestKind.DELETION, user_id="77", issued_at=now))
    (item,) = ask(bench, "requests.list")["items"]
    assert (item["code"], item["status"], item["signup_ids"]) == (CODE, "received", [])
    assert "77" not in json.dumps(ask(bench, "requests.show", code=CODE)["request"]["signups"])
    done = ask(bench, "requests.carry-out", code=CODE, done=True, receipts=["r1"])
    assert (done["cursor"], done["request"]["status"], done["request"]["receipts"]) == (
        None,
        "carried_out",
        ["r1"],
    )
    assert ask(bench, "requests.list")["items"] == []


def test_a_request_that_there_is_not_is_not_found() -> None:
    bench = Bench()
    for name in ("requests.show", "requests.carry-out"):
        with pytest.raises(Problem, match="no such request"):
            ask(bench, name, code=CODE)
    with pytest.raises(Problem):
        ask(bench, "requests.carry-out", code=CODE, cursor="x")
