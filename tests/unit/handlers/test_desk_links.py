"""`links.*` at the operator's desk, on ports in memory."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from onramp.domain.errors import Problem
from onramp.inbound.desk.table import COMMANDS
from onramp.usecases.links import linked
from tests.unit.usecases.bench import Bench

WHO = {"tenant": "acme", "name": "Acme", "email": "a@example.com", "user_name": "A"}
VISIT = "v" * 22


def ask(bench: Bench, asked_for: str, **arguments: Any) -> dict[str, Any]:
    """As the function does it; what is answered is JSON."""
    command = COMMANDS[asked_for]
    asked = command.arguments.model_validate_json(json.dumps(arguments))
    answer: dict[str, Any] = json.loads(json.dumps(command.run(bench.ports, asked)))
    return answer


def test_a_link_that_is_made_is_listed_and_lets_its_customer_in() -> None:
    bench = Bench()
    made = ask(bench, "links.create", **WHO, reference="order-1", days=3)
    link = made["link"]
    assert (link["tenant"], link["status"], link["reference"]) == ("acme", "open", "order-1")
    assert linked(bench.ports, f"{made['token']}.{VISIT}").signup.id == link["signup_id"]
    assert [item["id"] for item in ask(bench, "links.list", tenant="acme")["items"]] == [link["id"]]
    assert ask(bench, "links.list", tenant="another")["items"] == []
    assert made["token"].partition(".")[2] not in json.dumps(ask(bench, "links.list", tenant="acme"))


def test_a_link_that_is_taken_back_lets_nobody_in() -> None:
    bench = Bench()
    made = ask(bench, "links.create", **WHO)
    name = made["link"]["id"]
    with pytest.raises(Problem, match="no such link"):
        ask(bench, "links.revoke", tenant="another", link_id=name)
    assert ask(bench, "links.revoke", tenant="acme", link_id=name)["link"]["status"] == "revoked"
    with pytest.raises(Problem, match="taken back"):
        linked(bench.ports, f"{made['token']}.{VISIT}")


def test_the_same_key_gives_the_same_link() -> None:
    bench = Bench()
    first, again = (ask(bench, "links.create", **WHO, key="k")["link"]["id"] for _ in range(2))
    assert first == again


@pytest.mark.parametrize(
    "wrong",
    [{"tenant": "acme"}, {**WHO, "client_id": "aCL"}, {"tenant": "acme", "name": "A", "client_id": "aCL"}],
)
def test_a_customer_is_named_in_one_way(wrong: dict[str, str]) -> None:
    with pytest.raises(Problem, match="Say who the customer is"):
        ask(Bench(), "links.create", **wrong)


@pytest.mark.parametrize("wrong", [{"hub": "nowhere"}, {"messaging": "nowhere"}])
def test_what_is_not_configured_is_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(Problem, match="There is no such"):
        ask(Bench(), "links.create", **WHO, **wrong)


@pytest.mark.parametrize("wrong", [{"days": 0}, {"days": 31}, {"plan_tier": "gold"}, {"success_url": "x"}])
def test_what_cannot_be_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        ask(Bench(), "links.create", **WHO, **wrong)
