"""What a popup is opened with: the flow's extras, the customer's own, in Meta's spelling."""

from typing import Any

from onramp.domain.launch import Flow, launch_of

FLOWS = {
    "standard": Flow("9876543210", {"setup": {"solutionID": "123456789012345"}}),
    "coexistence": Flow("8765432109", {}),
    "agency": Flow(
        "7", {"x": [1], "setup": {"solutionID": "1", "business": {"name": "?", "email": "a@b.co"}}}
    ),
}
PREFILL: dict[str, Any] = {
    "business": {
        "name": "Acme Ltd",
        "email": "owner@example.com",
        "phone": {"code": "49", "number": "30 5550100"},
        "website": "https://www.example.com",
        "address": {
            "street_address1": "1 Example Street",
            "street_address2": "2nd floor",
            "city": "Berlin",
            "state": "Berlin",
            "zip_postal": "10115",
            "country": "DE",
        },
        "timezone": "UTC+01:00",
    },
    "phone": {"display_name": "Acme", "category": "FOOD", "description": "Bread"},
    "pre_verified_phone_ids": ["106540352242922"],
    "waba_ids": ["102290129340398"],
}


def test_without_anything_known_the_extras_are_the_flows() -> None:
    launch = launch_of(FLOWS, "standard", None)
    assert launch is not None
    assert (launch.flow, launch.config_id) == ("standard", "9876543210")
    assert launch.extras == {"setup": {"solutionID": "123456789012345"}}


def test_what_is_known_stands_in_metas_spelling_beside_the_solution() -> None:
    launch = launch_of(FLOWS, "standard", PREFILL)
    assert launch is not None
    assert launch.extras == {
        "setup": {
            "solutionID": "123456789012345",
            "business": {
                "name": "Acme Ltd",
                "email": "owner@example.com",
                "phone": {"code": 49, "number": "30 5550100"},
                "website": "https://www.example.com",
                "address": {
                    "streetAddress1": "1 Example Street",
                    "streetAddress2": "2nd floor",
                    "city": "Berlin",
                    "state": "Berlin",
                    "zipPostal": "10115",
                    "country": "DE",
                },
                "timezone": "UTC+01:00",
            },
            "phone": {"displayName": "Acme", "category": "FOOD", "description": "Bread"},
            "preVerifiedPhone": {"ids": ["106540352242922"]},
            "whatsAppBusinessAccount": {"ids": ["102290129340398"]},
        }
    }


def test_a_flow_without_a_solution_names_none() -> None:
    launch = launch_of(FLOWS, "coexistence", {"business": {"name": "Acme"}})
    assert launch is not None
    assert launch.extras == {"setup": {"business": {"name": "Acme"}}}


def test_the_customer_counts_more_than_the_configuration_and_takes_nothing_else_away() -> None:
    launch = launch_of(FLOWS, "agency", {"business": {"name": "Acme"}})
    assert launch is not None
    assert launch.extras == {
        "x": [1],
        "setup": {"solutionID": "1", "business": {"name": "Acme", "email": "a@b.co"}},
    }
    assert FLOWS["agency"].extras["setup"]["business"]["name"] == "?"  # type: ignore[index, call-overload]


def test_a_flow_that_is_gone_has_no_launch() -> None:
    assert launch_of(FLOWS, "gone", None) is None
