"""What the doctor says about flows: names of old versions, solutions, coexistence."""

from typing import Any

import pytest

from ops.doctor.findings import Level
from tests.ops.conftest import Case

FLOW = {"config_id": "7876543210"}


def test_flows_of_version_four_are_well(case: Case) -> None:
    case.configure(meta__flows={"coexistence": FLOW | {"solution": False}, "agency": FLOW})
    found = case.find("flows")
    assert found.level is Level.OK
    assert found.detail == "what popups are given fits version 4: standard, coexistence, agency"


@pytest.mark.parametrize(
    "name", ["version", "sessionInfoVersion", "only_waba_sharing", "marketing_messages_lite", "featureType"]
)
@pytest.mark.parametrize("flow", ["standard", "agency"])
def test_what_belongs_to_older_versions_is_told(case: Case, flow: str, name: str) -> None:
    if flow == "standard":
        case.configure(meta__extras={name: "x"})
    else:
        case.configure(meta__flows={flow: FLOW | {"extras": {name: "x"}}})
    found = case.find("flows")
    assert found.level is Level.WARN
    place = "[meta.extras]" if flow == "standard" else f"[meta.flows.{flow}.extras]"
    assert f"{place} has {name}, which belongs to versions 2 and 3" in found.detail


@pytest.mark.parametrize(
    ("flows", "level", "told"),
    [
        ({"coexistence": FLOW}, Level.WARN, "the coexistence flow coexistence is told the solution"),
        (
            {"app": FLOW | {"extras": {"featureType": "whatsapp_business_app_onboarding"}}},
            Level.WARN,
            "the coexistence flow app is told the solution",
        ),
        ({"agency": FLOW | {"solution": False}}, Level.WARN, "come in outside of the solution"),
        ({"agency": {"config_id": "8876543210"}}, Level.WARN, "has the config_id of the flow standard"),
        (
            {"agency": FLOW | {"extras": {"setup": {"solutionID": "523456789012345"}}}},
            Level.FAIL,
            "names another solution than [partner] solution_id (223456789012345)",
        ),
        ({"agency": "x"}, Level.OK, "standard, agency"),
    ],
)
def test_solutions_and_configurations(case: Case, flows: dict[str, Any], level: Level, told: str) -> None:
    case.configure(meta__flows=flows)
    found = case.find("flows")
    assert (found.level, told in found.detail) == (level, True), found
