"""Opening a signup: one write, and one signup for one key."""

import hashlib
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from onramp.domain.clients import ClientRecord
from onramp.domain.errors import Problem, UnavailableError
from onramp.domain.launch import Flow
from onramp.domain.signup import Client, Remembered, Signup
from onramp.domain.states import SignupStatus
from onramp.usecases.open_signup import REMEMBERED_FOR, Wanted, open_signup
from tests.unit.usecases.bench import EMAIL, TENANT, Bench

CLIENT = Client(name="Acme", email=EMAIL, user_name="Ann")


FLOWS = {"standard": Flow("1", {"setup": {"solutionID": "7"}}), "agency": Flow("2", {})}


def opened(bench: Bench, key: str | None = "k", **values: Any) -> Signup:
    ports = replace(bench.ports, rules=replace(bench.ports.rules, flows=FLOWS))
    tenant = values.pop("tenant", TENANT)
    wanted = Wanted(**{"client": CLIENT, "plan_tier": "regular", "reference": "r", **values})
    return open_signup(ports, tenant=tenant, wanted=wanted, idempotency_key=key)


def test_a_flow_and_what_is_known_of_the_customer_are_kept(bench: Bench) -> None:
    prefill = {"business": {"name": "Acme"}}
    signup = opened(bench, flow="agency", prefill=prefill)
    stored = bench.load(signup.id)
    assert (stored.flow, stored.prefill) == ("agency", prefill)
    assert opened(bench, flow="agency", prefill=prefill) == signup


def test_a_flow_that_is_not_configured_is_refused(bench: Bench) -> None:
    with pytest.raises(Problem) as caught:
        opened(bench, flow="nobody")
    assert caught.value.errors == [{"field": "flow", "message": "is not one of the flows of GET /v1/config"}]
    assert bench.store.records(Signup) == []


def test_a_key_of_a_release_without_flows_fits_a_call_that_names_none(bench: Bench) -> None:
    first = opened(bench)
    asked = json.dumps([CLIENT.model_dump(), "regular", "r"], sort_keys=True)
    (remembered,) = bench.store.records(Remembered)
    assert remembered.fingerprint == hashlib.sha256(asked.encode()).hexdigest()
    assert opened(bench, flow="standard", prefill=None) == first


def test_an_opened_signup_waits_for_its_code_for_a_day(bench: Bench) -> None:
    signup = opened(bench)
    assert bench.load(signup.id) == signup
    assert signup.status(bench.now) is SignupStatus.OPEN
    assert (signup.client, signup.plan_tier, signup.reference) == (CLIENT, "regular", "r")
    assert bench.told(signup.id) == ["signup.opened"]
    assert bench.count("SignupsOpened") == 1
    bench.clock.advance(timedelta(hours=24))
    assert signup.status(bench.now) is SignupStatus.EXPIRED


def test_a_repeat_gives_the_first_signup_as_it_is_by_now(bench: Bench) -> None:
    first = opened(bench)
    first.reference = "later"
    bench.store.commit(first)
    assert opened(bench) == first
    assert bench.count("SignupsOpened") == 1
    assert len(bench.store.records(Signup)) == 1


def test_without_a_key_each_call_opens_one(bench: Bench) -> None:
    assert opened(bench, None).id != opened(bench, None).id


@pytest.mark.parametrize(
    "other",
    [
        {"reference": "other"},
        {"plan_tier": "premium"},
        {"client": Client(name="Other")},
        {"flow": "agency"},
        {"prefill": {"waba_ids": ["1"]}},
    ],
    ids=["reference", "plan", "client", "flow", "prefill"],
)
def test_a_key_with_another_body_is_refused(bench: Bench, other: dict[str, Any]) -> None:
    opened(bench)
    with pytest.raises(Problem, match="idempotency_key_reused"):
        opened(bench, **other)


def test_a_key_belongs_to_its_tenant(bench: Bench) -> None:
    assert opened(bench).id != opened(bench, tenant="bravo").id


def test_a_key_is_forgotten_after_a_day(bench: Bench) -> None:
    first = opened(bench)
    bench.clock.advance(REMEMBERED_FOR)
    second = opened(bench, reference="other")
    assert second.id != first.id
    assert opened(bench, reference="other") == second


def test_the_client_id_of_another_tenant_is_refused_without_telling_whose(bench: Bench) -> None:
    bench.store.commit(ClientRecord(name="7CL", tenant="bravo", client_id="7CL"))
    with pytest.raises(Problem) as caught:
        opened(bench, client=Client(id="7CL"))
    assert caught.value.code == "invalid_request"
    assert caught.value.errors[0]["field"] == "client_id"
    assert "bravo" not in caught.value.detail
    assert bench.store.records(Signup) == []


def test_ones_own_client_id_and_an_unknown_one_are_taken(bench: Bench) -> None:
    bench.store.commit(ClientRecord(name="7CL", tenant=TENANT, client_id="7CL"))
    assert opened(bench, None, client=Client(id="7CL")).client.id == "7CL"
    assert opened(bench, None, client=Client(id="8CL")).client.id == "8CL"


@pytest.mark.parametrize("missing", [Remembered, Signup])
def test_what_an_index_or_a_person_has_removed_meanwhile_is_unavailable(
    bench: Bench, missing: type[Any]
) -> None:
    opened(bench)
    read = bench.store.read

    def without(kind: Any, *identity: str) -> Any:
        return None if kind is missing else read(kind, *identity)

    bench.store.read = without  # type: ignore[method-assign]
    with pytest.raises(UnavailableError):
        opened(bench)
