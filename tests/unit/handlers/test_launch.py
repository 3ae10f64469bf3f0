"""Opening the popup for one customer, and what became of it: flows, prefill, launch, outcomes."""

import json
from typing import Any

import pytest

from onramp.domain.signup import Signup
from tests.canary import CODE, EMAIL, MARK, PHONE, Watch
from tests.unit.handlers.bench import CLIENT, Bench

SOLUTION = {"solutionID": "123456789012345"}
PREFILL: dict[str, Any] = {
    "business": {
        "name": "Acme Ltd",
        "email": EMAIL,
        "phone": {"code": "49", "number": "151 2345 6789"},
        "website": "https://www.example.com/shop?lang=de",
        "address": {"street_address1": "1 Example Street", "zip_postal": "10115", "country": "DE"},
        "timezone": "UTC+01:00",
    },
    "phone": {"display_name": "Acme", "category": "FOOD", "description": "Bread"},
    "pre_verified_phone_ids": ["106540352242922"],
    "waba_ids": ["102290129340398"],
}


def opened(bench: Bench, **more: Any) -> Any:
    answer = bench.call("POST", "/v1/signups", {"client": CLIENT, **more})
    assert answer.status == 201, answer.text
    return answer.json


def stored(bench: Bench, signup_id: str) -> Signup:
    found = bench.store.read(Signup, signup_id)
    assert found is not None
    return found


# --- the launch


def test_an_open_signup_says_what_its_popup_is_given(bench: Bench, watch: Watch) -> None:
    signup = opened(bench, prefill=PREFILL)
    launch = signup["launch"]
    assert (launch["flow"], launch["config_id"]) == ("standard", "9876543210")
    setup = launch["extras"]["setup"]
    assert setup["solutionID"] == SOLUTION["solutionID"]
    assert setup["business"]["phone"] == {"code": 49, "number": "151 2345 6789"}
    assert setup["business"]["address"]["zipPostal"] == "10115"
    assert setup["phone"]["displayName"] == "Acme"
    assert setup["preVerifiedPhone"] == {"ids": ["106540352242922"]}
    assert setup["whatsAppBusinessAccount"] == {"ids": ["102290129340398"]}
    read = bench.call("GET", f"/v1/signups/{signup['id']}").json
    assert read["launch"] == launch
    watch.assert_silent()


def test_another_flow_is_another_configuration(bench: Bench) -> None:
    launch = opened(bench, flow="coexistence")["launch"]
    assert launch == {"flow": "coexistence", "config_id": "8765432109", "extras": {}}


def test_who_names_nothing_gets_the_standard_flow(bench: Bench) -> None:
    signup = opened(bench)
    assert signup["launch"] == {"flow": "standard", "config_id": "9876543210", "extras": {"setup": SOLUTION}}
    assert "launch" not in bench.call("GET", "/v1/signups").json["signups"][0]
    assert (
        stored(bench, signup["id"])
        .model_dump(exclude_defaults=True)
        .keys()
        .isdisjoint({"flow", "prefill", "outcomes"})
    )


def test_an_authorized_signup_has_no_launch_and_no_prefill_any_more(bench: Bench) -> None:
    signup_id = opened(bench, prefill=PREFILL)["id"]
    answer = bench.call("POST", f"/v1/signups/{signup_id}/code", {"code": CODE})
    assert (answer.status, answer.json["launch"]) == (200, None)
    assert stored(bench, signup_id).prefill is None
    assert bench.call("GET", f"/v1/signups/{signup_id}").json["launch"] is None


def test_a_flow_that_is_configured_no_more_leaves_no_launch(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    signup_id = opened(bench, flow="coexistence")["id"]
    monkeypatch.setenv("SIGNUP_FLOWS", json.dumps({"standard": {"config_id": "1", "extras": {}}}))
    bench.forget()
    assert bench.call("GET", f"/v1/signups/{signup_id}").json["launch"] is None


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"flow": "nobody"}, "flow"),
        ({"flow": "No Such"}, "flow"),
        ({"prefill": {"unknown": 1}}, "prefill.unknown"),
        ({"prefill": {"business": {"phone": {"code": "+49", "number": "1"}}}}, "prefill.business.phone.code"),
        ({"prefill": {"business": {"phone": {"code": "49"}}}}, "prefill.business.phone.number"),
        ({"prefill": {"business": {"website": "javascript:alert(1)"}}}, "prefill.business.website"),
        ({"prefill": {"business": {"address": {"country": "Germany"}}}}, "prefill.business.address.country"),
        ({"prefill": {"business": {"name": "n" * 201}}}, "prefill.business.name"),
        ({"prefill": {"phone": {"description": "d" * 513}}}, "prefill.phone.description"),
        ({"prefill": {"phone": {"category": "food"}}}, "prefill.phone.category"),
        ({"prefill": {"waba_ids": []}}, "prefill.waba_ids"),
        ({"prefill": {"waba_ids": ["1"] * 21}}, "prefill.waba_ids"),
        ({"prefill": {"pre_verified_phone_ids": ["x"]}}, "prefill.pre_verified_phone_ids.0"),
        ({"prefill": {"solution_id": "1"}}, "prefill.solution_id"),
    ],
)
def test_what_is_wrong_with_flow_and_prefill_is_named(bench: Bench, body: Any, field: str) -> None:
    answer = bench.call("POST", "/v1/signups", {"client": CLIENT, **body})
    errors = answer.problem(422, "invalid_request")["errors"]
    assert field in [error["field"] for error in errors]


def test_an_idempotency_key_covers_flow_and_prefill(bench: Bench) -> None:
    headers = {"idempotency-key": "k1"}
    body = {"client": CLIENT, "prefill": PREFILL}
    first = bench.call("POST", "/v1/signups", body, headers=headers)
    assert bench.call("POST", "/v1/signups", body, headers=headers).json["id"] == first.json["id"]
    for other in ({"client": CLIENT}, {**body, "flow": "coexistence"}):
        answer = bench.call("POST", "/v1/signups", other, headers=headers)
        answer.problem(422, "idempotency_key_reused")


# --- what became of the popup


def test_an_outcome_is_noted_and_counted_by_screen(bench: Bench, watch: Watch) -> None:
    signup_id = opened(bench)["id"]
    told = {"outcome": "cancelled", "step": "PHONE_NUMBER_SETUP", "session_id": "f34b"}
    answer = bench.call("POST", f"/v1/signups/{signup_id}/outcome", told)
    assert (answer.status, answer.text) == (204, "")
    last = bench.call("GET", f"/v1/signups/{signup_id}").json["timeline"][-1]
    assert (last["event"], last["detail"]) == ("signup.outcome", "cancelled: PHONE_NUMBER_SETUP")
    lines = [json.loads(line) for line in watch.read().splitlines() if line.startswith("{")]
    [counted] = [line for line in lines if line.get("metric") == "PopupOutcomes"]
    assert (counted["outcome"], counted["step"]) == ("cancelled", "PHONE_NUMBER_SETUP")
    assert counted["signup_id"] == signup_id
    assert any("PopupOutcomes" in line and "_aws" in line for line in lines)
    # The popup may be opened again, and its code is taken.
    assert bench.call("POST", f"/v1/signups/{signup_id}/code", {"code": CODE}).status == 200


def test_what_a_browser_says_beside_is_in_no_log_line(bench: Bench, watch: Watch) -> None:
    signup_id = opened(bench)["id"]
    said = {"step": PHONE, "error_code": EMAIL, "session_id": f"{MARK}-session"}
    answer = bench.call("POST", f"/v1/signups/{signup_id}/outcome", {"outcome": "reported_error", **said})
    assert answer.status == 204
    watch.assert_silent()
    assert '"step":"other"' in watch.text


def test_twenty_outcomes_are_kept_and_all_are_answered(bench: Bench) -> None:
    signup_id = opened(bench)["id"]
    for _ in range(23):
        assert bench.call("POST", f"/v1/signups/{signup_id}/outcome", {"outcome": "closed"}).status == 204
    events = [one["event"] for one in bench.call("GET", f"/v1/signups/{signup_id}").json["timeline"]]
    assert events.count("signup.outcome") == 20


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "outcome"),
        ({"outcome": "happy"}, "outcome"),
        ({"outcome": "closed", "step": "s" * 201}, "step"),
        ({"outcome": "closed", "why": "x"}, "why"),
    ],
)
def test_what_is_no_outcome_is_refused(bench: Bench, body: Any, field: str) -> None:
    answer = bench.call("POST", f"/v1/signups/{opened(bench)['id']}/outcome", body)
    assert answer.problem(422, "invalid_request")["errors"][0]["field"] == field


def test_the_outcome_of_anothers_signup_is_not_found(bench: Bench) -> None:
    signup_id = opened(bench)["id"]
    path = f"/v1/signups/{signup_id}/outcome"
    bench.call("POST", path, {"outcome": "closed"}, tenant="bravo").problem(404, "not_found")
    bench.call("POST", path, {"outcome": "closed"}, tenant=None).problem(401, "unauthenticated")
