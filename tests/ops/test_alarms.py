"""Who hears an alarm: the doctor's look, and the drill."""

from typing import Any

import pytest

from ops.doctor.findings import Level
from tests.ops.conftest import Case, Desk, pretend, refused

TOPIC = "arn:aws:sns:eu-central-1:123456789012:Onramp-dev-alarms"
CONFIRMED = {"SubscriptionArn": f"{TOPIC}:1"}
PENDING = {"SubscriptionArn": "PendingConfirmation"}


def alarm(name: str, **changes: Any) -> dict[str, Any]:
    well = {"ActionsEnabled": True, "AlarmActions": [TOPIC], "StateValue": "OK"}
    return {"AlarmName": f"Onramp-dev-{name}"} | well | changes


def ringing(case: Case, *alarms: dict[str, Any], subscriptions: Any = (CONFIRMED,)) -> Any:
    answer = subscriptions if isinstance(subscriptions, Exception) else {"Subscriptions": list(subscriptions)}
    pretend(case, "sns", list_subscriptions_by_topic=answer)
    return pretend(case, "cloudwatch", describe_alarms={"MetricAlarms": list(alarms)}, set_alarm_state={})


def test_alarms_that_somebody_hears(case: Case) -> None:
    client = ringing(case, alarm("sweep-silent"), alarm("api-errors"))
    found = case.find("alarms")
    assert (found.level, found.detail) == (Level.OK, "2 alarms tell 1 topic(s), and somebody listens")
    assert client.asked == [("describe_alarms", {"AlarmNamePrefix": "Onramp-dev-"})]


@pytest.mark.parametrize(
    ("alarms", "subscriptions", "level", "told"),
    [
        ([], [], Level.FAIL, "there is no alarm of Onramp-dev"),
        ([alarm("x", AlarmActions=[])], [], Level.WARN, "1 of 1 alarms tell nobody: Onramp-dev-x"),
        ([alarm("x", ActionsEnabled=False)], [CONFIRMED], Level.WARN, "have their actions switched off"),
        ([alarm("x")], [], Level.WARN, "nobody listens to Onramp-dev-alarms"),
        ([alarm("x")], [PENDING, CONFIRMED], Level.WARN, "1 of 2 subscriptions of Onramp-dev-alarms are not"),
        ([alarm("x")], refused("AuthorizationError"), Level.WARN, "cannot be read (AuthorizationError)"),
    ],
)
def test_alarms_that_nobody_hears(
    case: Case, alarms: list[dict[str, Any]], subscriptions: Any, level: Level, told: str
) -> None:
    ringing(case, *alarms, subscriptions=subscriptions)
    found = case.find("alarms")
    assert (found.level, told in found.detail) == (level, True), found


# --- the drill -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["sweep-silent", "Onramp-dev-sweep-silent"])
def test_an_alarm_is_rung(desk: Desk, case: Case, name: str) -> None:
    client = ringing(case, alarm("sweep-silent"), alarm("receiver-slow-Lambda"), alarm("receiver-slow-Route"))
    assert desk.run("drill", "alarm", name) == 0
    _, (method, request) = client.asked
    assert (method, request["AlarmName"], request["StateValue"]) == (
        "set_alarm_state",
        "Onramp-dev-sweep-silent",
        "ALARM",
    )
    assert "drill" in request["StateReason"]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("receiver-slow", "there are receiver-slow-Lambda, receiver-slow-Route: name one"),
        ("thunder", "there is no alarm thunder"),
        ("sweep", "there is no alarm sweep"),
    ],
)
def test_only_one_alarm_is_rung(desk: Desk, case: Case, name: str, told: str) -> None:
    client = ringing(case, alarm("sweeping"), alarm("receiver-slow-Lambda"), alarm("receiver-slow-Route"))
    assert desk.run("drill", "alarm", name) == 2
    assert told in desk.err
    assert len(client.asked) == 1


def test_without_a_name_they_are_listed(desk: Desk, case: Case) -> None:
    ringing(case, alarm("sweep-silent", StateValue="ALARM"), alarm("api-errors"))
    assert desk.run("drill", "alarm") == 0
    assert desk.out.split() == ["alarm", "state", "sweep-silent", "ALARM", "api-errors", "OK"]
