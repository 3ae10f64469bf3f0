"""`clients.*` at the operator's desk: who may be named how, and what is answered."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from onramp.inbound.desk.table import COMMANDS
from tests.unit.usecases.bench import EMAIL, Bench

type Json = dict[str, Any]


@pytest.fixture
def bench() -> Bench:
    bench = Bench()
    bench.connected()
    return bench


def ask(bench: Bench, name: str, **arguments: Any) -> Json:
    """As the function does it; what is answered is JSON."""
    command = COMMANDS[name]
    asked = command.arguments.model_validate_json(json.dumps(arguments))
    answer: Json = json.loads(json.dumps(command.run(bench.ports, asked)))
    return answer


def test_a_person_is_shown_by_what_they_are_known(bench: Bench) -> None:
    told = ask(bench, "clients.show", email=EMAIL)
    while told["cursor"] is not None:
        told = ask(bench, "clients.show", email=EMAIL, cursor=told["cursor"])
    assert told["person"]["numbers"] == ["1001"]
    assert told["counts"]["signup"] == told["counts"]["number"] == 1
    assert not {"salt", "traces"} & told["person"].keys()


def test_an_export_gives_records_and_no_secret(bench: Bench) -> None:
    told = ask(bench, "clients.export", email=EMAIL)
    kinds = {item["kind"] for item in told["items"]}
    assert {"signup", "number", "listed", "fact"} <= kinds
    assert '"key"' not in json.dumps(told["items"])


def test_a_receipt_tells_nobody_what_it_is_found_by(bench: Bench) -> None:
    told = ask(bench, "clients.erase", email=EMAIL, although_billed=True)
    assert told["cursor"] is None
    receipt = told["receipt"]
    assert not {"found_by", "traces"} & receipt.keys()
    assert receipt["removed"]["signup"] == 1
    assert receipt["kept"][0]["channel_id"] == "c1"
    assert EMAIL not in json.dumps(receipt)


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"email": "a@b.example", "phone_number_id": "10001"},
        {"phone_number_id": "10001", "tenant": "acme"},
        {"digits": "drop table"},
        {"signup_id": "nobody"},
        {"email": "a@b.example", "unknown": 1},
    ],
)
def test_who_is_named_in_no_way_or_in_two_is_nobody(arguments: Json) -> None:
    with pytest.raises(ValidationError):
        COMMANDS["clients.erase"].arguments.model_validate(arguments)


def test_only_an_erasure_changes_something() -> None:
    assert [name for name in COMMANDS if name.startswith("clients.") and COMMANDS[name].changes] == [
        "clients.erase"
    ]
