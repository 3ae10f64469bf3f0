"""Signups and links that name a hub, or where their messages go; and the desk's commands about hubs."""

import json
from decimal import Decimal
from typing import Any

import pytest

from onramp.domain.census import Census
from onramp.domain.signup import Signup
from onramp.inbound.desk.table import COMMANDS
from onramp.ports.upstreams import Amount
from operator_desk import _at
from tests.unit.handlers.bench import CLIENT, TENANT, Bench
from tests.unit.usecases.test_hubs import Hubs

HUBS = {"emea": {"partner_id": "emeaPA", "solution_id": "323456789012345", "plan_tier": "premium"}}
WEBHOOKS = {
    "named": {
        "crm": {"url": "https://crm.example/in", "headers": ["Authorization"], "tenants": [TENANT]},
        "shop": {"url": "https://shop.example/in", "headers": [], "tenants": []},
        "all": {"url": "https://all.example/in", "headers": [], "tenants": ["*"]},
    },
    "tenants": {},
}


@pytest.fixture
def several(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setenv("HUBS", json.dumps(HUBS))
    monkeypatch.setenv("MESSAGING_WEBHOOKS", json.dumps(WEBHOOKS))
    bench.forget()
    return bench


def opened(bench: Bench, **more: Any) -> Signup:
    answer = bench.call("POST", "/v1/signups", {"client": CLIENT, **more})
    assert answer.status == 201, answer.json
    found = bench.store.read(Signup, answer.json["id"])
    assert found is not None
    assert answer.json["hub"] == found.hub
    return found


def test_a_signup_goes_to_the_hub_that_it_names_with_that_hubs_plan_and_solution(several: Bench) -> None:
    body = {"client": CLIENT, "hub": "emea"}
    content = several.call("POST", "/v1/signups", body).json
    assert (content["hub"], content["plan_tier"]) == ("emea", "premium")
    assert content["launch"]["extras"]["setup"]["solutionID"] == "323456789012345"
    again = several.call("GET", f"/v1/signups/{content['id']}").json
    assert (again["hub"], again["launch"]) == ("emea", content["launch"])


def test_without_a_hub_it_goes_to_the_default_one(several: Bench) -> None:
    signup = opened(several)
    assert (signup.hub, signup.plan_tier, signup.messaging) == ("default", "regular", None)
    assert opened(several, hub="default").hub == "default"


@pytest.mark.parametrize("path", ["/v1/signups", "/v1/signup-links"])
def test_a_hub_that_is_not_there_is_refused(several: Bench, path: str) -> None:
    answer = several.call("POST", path, {"client": CLIENT, "hub": "nowhere"})
    answer.problem(422, "invalid_request")
    assert answer.fields() == {"hub"}


def test_a_stage_with_one_hub_refuses_any_other(bench: Bench) -> None:
    bench.call("POST", "/v1/signups", {"client": CLIENT, "hub": "emea"}).problem(422, "invalid_request")


@pytest.mark.parametrize(("name", "status"), [("crm", 201), ("all", 201), ("shop", 422), ("none", 422)])
def test_a_tenant_chooses_where_messages_go_from_what_it_is_given(
    several: Bench, name: str, status: int
) -> None:
    answer = several.call("POST", "/v1/signups", {"client": CLIENT, "messaging": name})
    assert answer.status == status
    if status == 422:
        assert answer.fields() == {"messaging"}


def test_what_a_link_chooses_is_its_signups(several: Bench) -> None:
    answer = several.call("POST", "/v1/signup-links", {"client": CLIENT, "hub": "emea", "messaging": "crm"})
    assert answer.status == 201, answer.json
    signup = several.store.read(Signup, answer.json["signup_id"])
    assert signup is not None
    assert (signup.hub, signup.messaging) == ("emea", "crm")


# --- the desk


def ask(stage: Hubs, name: str, **arguments: Any) -> dict[str, Any]:
    """As the function does it: the ports are those of the hub that is asked for."""
    command = COMMANDS[name]
    asked = command.arguments.model_validate_json(json.dumps(arguments))
    answer: dict[str, Any] = json.loads(json.dumps(command.run(_at(stage.ports, asked), asked)))
    return answer


def test_the_desk_lists_the_hubs() -> None:
    stage = Hubs()
    stage.store.commit(Census(hub="emea", channels=7, whole_since=stage.now))
    items = ask(stage, "hubs.list")["items"]
    assert [(item["hub"], item["budget_calls"], item["channels"]) for item in items] == [
        ("default", stage.ports.rules.budget.calls, 0),
        ("emea", 102, 7),
        ("latam", 103, 0),
    ]
    assert {item["balance"] for item in items} == {None}


def test_the_desk_reads_the_balance_of_the_hub_that_is_asked_for() -> None:
    stage = Hubs()
    stage.others["latam"].balance = [Amount("BRL", Decimal("12.5"))]
    answer = ask(stage, "hubs.balance", hub="latam")
    assert (answer["hub"], answer["amounts"], answer["low"]) == (
        "latam",
        [{"currency": "BRL", "total": "12.5"}],
        False,
    )
    assert ask(stage, "hubs.balance")["hub"] == "default"


def test_channels_and_their_census_are_those_of_the_hub() -> None:
    stage = Hubs()
    ask(stage, "channels.list", hub="emea")
    assert stage.others["emea"].calls == ["list_channels"]
    assert not stage.partner.calls
    ask(stage, "channels.census", hub="emea")
    assert stage.queue.censuses == ["emea"]


def test_an_adopted_number_is_at_the_hub_it_was_found_at() -> None:
    stage = Hubs()
    stage.others["emea"].channels = [
        stage.channel("c1", "10011", client_id="7CL", billed=True, phone="+49 151 10011")
    ]
    answer = ask(stage, "channels.adopt", hub="emea", dry_run=False, rest={"tenant": "acme"})
    assert [item["verdict"] for item in answer["items"]] == ["adopted"]
    assert stage.number("10011").hub == "emea"


def test_the_budget_is_that_of_the_hub() -> None:
    assert ask(Hubs(), "budget.show", hub="latam")["calls"] == 103
