"""`onramp pause`, `onramp resume` and `onramp status`."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from infra.cards import CARDS, NewItems, Queue
from onramp.domain.text import iso
from ops.commands import pause
from tests.ops.conftest import NOW, TABLE, Case, Desk, pretend, refused

MAPPINGS = {
    "onboarding_worker": "u-jobs",
    "partner_event_worker": "u-events",
    "event_relay": "u-relay",
    "notification_sender": "u-notifications",
    "event_publisher": "u-stream",
}
RULES = {
    "SchedulesSweep7BA6": "sweep-1",
    "SchedulesCensusC7D9": "census-1",
    "AlarmsKeyInDangerAD49": "danger-1",
}


@dataclass
class Machinery:
    """What of a stage can be on or off, behind clients of its own."""

    mappings: dict[str, str] = field(default_factory=lambda: dict.fromkeys(MAPPINGS.values(), "Enabled"))
    rules: dict[str, str] = field(default_factory=lambda: dict.fromkeys(RULES.values(), "ENABLED"))
    zero: set[str] = field(default_factory=set)
    reserved: dict[str, int] = field(default_factory=dict)
    slow: int = 0
    resources: list[dict[str, str]] = field(default_factory=list)

    def mapping(self, request: dict[str, Any]) -> Any:
        uuid = request["UUID"]
        [name] = [name for name, value in MAPPINGS.items() if value == uuid]
        state = self.mappings[uuid]
        if state == "Disabling" and self.slow:
            self.slow -= 1
        elif state == "Disabling":
            state = self.mappings[uuid] = "Disabled"
        return {
            "State": state,
            "FunctionArn": f"arn:aws:lambda:eu-central-1:123456789012:function:F-{name}:live",
        }

    def update(self, request: dict[str, Any]) -> Any:
        self.mappings[request["UUID"]] = "Enabled" if request["Enabled"] else "Disabling"
        return {}

    def rule(self, state: str) -> Any:
        def change(request: dict[str, Any]) -> Any:
            self.rules[request["Name"]] = state
            return {}

        return change

    def reserve(self, request: dict[str, Any]) -> Any:
        name, wanted = request["FunctionName"], request["ReservedConcurrentExecutions"]
        self.reserved[name] = wanted
        self.zero = {one for one in (*self.zero, name) if self.reserved.get(one) in (0, None)}
        return {}

    def off(self) -> set[str]:
        return (
            {uuid for uuid, state in self.mappings.items() if state != "Enabled"}
            | {name for name, state in self.rules.items() if state != "ENABLED"}
            | self.zero
        )


@pytest.fixture
def machinery(case: Case, monkeypatch: pytest.MonkeyPatch) -> Machinery:
    found = Machinery()
    monkeypatch.setattr(pause._settle, "__defaults__", (lambda _: None,))
    kinds = {
        "AWS::Lambda::EventSourceMapping": {f"M{n}": uuid for n, uuid in enumerate(found.mappings)},
        "AWS::Events::Rule": RULES,
        "AWS::Lambda::Function": {name: f"F-{name}" for name in CARDS},
        "AWS::Lambda::Alias": {
            name: f"arn:aws:lambda:eu-central-1:123456789012:function:F-{name}:live" for name in CARDS
        },
    }
    found.resources = [
        {"ResourceType": kind, "LogicalResourceId": logical, "PhysicalResourceId": physical}
        for kind, ids in kinds.items()
        for logical, physical in ids.items()
    ]
    pretend(case, "cloudformation", list_stack_resources={"StackResourceSummaries": found.resources})
    pretend(
        case,
        "lambda",
        get_event_source_mapping=found.mapping,
        update_event_source_mapping=found.update,
        get_function_configuration=lambda r: {"Handler": f"{r['FunctionName'][2:]}.handler"},
        get_function_concurrency=lambda r: (
            {"ReservedConcurrentExecutions": 0} if r["FunctionName"] in found.zero else {}
        ),
        put_function_concurrency=found.reserve,
        delete_function_concurrency=lambda r: found.zero.discard(r["FunctionName"]),
    )
    pretend(
        case,
        "events",
        describe_rule=lambda r: {"State": found.rules[r["Name"]]},
        enable_rule=found.rule("ENABLED"),
        disable_rule=found.rule("DISABLED"),
    )
    return found


def test_workers_and_schedules_stand_still_and_go_on(desk: Desk, machinery: Machinery) -> None:
    assert desk.run("pause") == 0
    assert machinery.off() == {"u-jobs", "u-events", "u-notifications", "sweep-1", "census-1"}
    assert desk.run("resume") == 0
    assert machinery.off() == set()


def test_every_worker_is_a_part_of_its_own(desk: Desk, machinery: Machinery) -> None:
    workers = {name for name, card in CARDS.items() if isinstance(card.trigger, Queue | NewItems)}
    assert workers == set(MAPPINGS)
    assert desk.run("pause", *pause.PARTS) == 0
    assert machinery.off() >= set(MAPPINGS.values())
    assert desk.run("resume") == 0
    assert machinery.off() == set()


def test_a_stage_that_tells_nobody_is_paused_all_the_same(desk: Desk, machinery: Machinery) -> None:
    away = {MAPPINGS["event_relay"], MAPPINGS["notification_sender"]}
    machinery.resources[:] = [one for one in machinery.resources if one["PhysicalResourceId"] not in away]
    assert desk.run("pause", *pause.PARTS) == 0
    assert "relay" not in desk.out


def test_it_waits_until_a_mapping_is_really_off(desk: Desk, machinery: Machinery) -> None:
    machinery.slow = 20
    assert desk.run("pause", "jobs") == 0
    assert machinery.mappings["u-jobs"] == "Disabled"
    machinery.mappings["u-events"], machinery.slow = "Disabling", 10_000
    assert desk.run("pause", "events") == 1
    assert "still being changed; run the command again" in desk.err


def test_the_receiver_is_never_paused(desk: Desk, machinery: Machinery) -> None:
    assert desk.run("pause", "api", "stream") == 0
    assert machinery.off() == {"u-stream", "F-code_exchange", "F-number_submission", "F-signup_queries"}


@pytest.mark.parametrize(
    ("function", "part"),
    [
        ("onboarding_worker", "jobs"),
        ("partner_event_worker", "events"),
        ("event_publisher", "stream"),
        ("reconciler", "schedules"),
        ("webhook_receiver", "api"),
    ],
)
def test_a_concurrency_of_zero_that_somebody_else_has_set_is_shown_and_taken_back(
    desk: Desk, case: Case, machinery: Machinery, function: str, part: str
) -> None:
    pretend(case, "cloudwatch", describe_alarms={"MetricAlarms": []})
    machinery.zero.add(f"F-{function}")
    assert desk.run("status", "--json") == 0
    assert json.loads(desk.out)["result"]["off"] == [f"{part}: the concurrency of {function}"]
    assert desk.run("resume", part) == 0
    assert f"{part}: the concurrency of {function} on" in desk.out
    assert machinery.off() == set()
    assert desk.run("resume", part) == 0
    assert "concurrency" not in desk.out


def test_the_receiver_gets_back_what_the_stage_reserves_for_it(
    desk: Desk, case: Case, machinery: Machinery
) -> None:
    case.configure(stage__receiver_concurrency=20)
    machinery.zero.add("F-webhook_receiver")
    assert desk.run("resume") == 0
    assert machinery.reserved == {"F-webhook_receiver": 20}
    assert machinery.off() == set()


def test_a_part_that_there_is_not(desk: Desk, machinery: Machinery) -> None:
    assert desk.run("pause", "everything") == 2
    assert "there are jobs, events, relay, notifications, stream, schedules, api" in desk.err
    assert not machinery.off()


def test_status_shows_what_rings_waits_and_is_off(desk: Desk, case: Case, machinery: Machinery) -> None:
    alarms = [
        {"AlarmName": "Onramp-dev-sweep-silent", "StateValue": "ALARM", "StateUpdatedTimestamp": NOW},
        {"AlarmName": "Onramp-dev-api-errors", "StateValue": "OK"},
    ]
    pretend(case, "cloudwatch", describe_alarms={"MetricAlarms": alarms})
    case.stage.aws.sqs.send_message(QueueUrl=case.stage.outputs["JobsDlqUrl"], MessageBody="x")
    now = datetime.now(UTC)
    woken, just_due = f"{iso(now + timedelta(minutes=4))}#", iso(now - timedelta(seconds=5))
    # The last two are what the sweep may still come to: one it has woken, and one it has not seen.
    for number, due_at in enumerate((iso(NOW), woken + iso(NOW), woken + just_due, just_due), 1):
        item = {"pk": f"NUMBER#{number}", "sk": "NUMBER", "due_shard": "WORK", "due_at": due_at}
        content = {name: {"S": text} for name, text in item.items()}
        case.stage.aws.dynamodb.put_item(TableName=TABLE, Item=content)
    desk.run("pause", "jobs")
    assert desk.run("status", "--json") == 0
    told = json.loads(desk.out)["result"]
    assert [item["alarm"] for item in told["ringing"]] == ["Onramp-dev-sweep-silent"]
    assert told["messages"]["jobs_dlq"] == 1
    assert told["off"] == ["jobs: the mapping to onboarding_worker"]
    assert told["overdue"] == [f"{iso(NOW)}  NUMBER#1", f"{iso(NOW)}  NUMBER#2"]
    assert desk.run("status") == 0
    assert "alarms that ring:\n  Onramp-dev-sweep-silent" in desk.out


def test_the_doctor_finds_functions_with_a_concurrency_of_zero(
    desk: Desk, case: Case, machinery: Machinery
) -> None:
    case.stage.aws._clients["lambda"].answers["get_account_settings"] = {
        "AccountLimit": {"ConcurrentExecutions": 1000}
    }
    assert case.find("capacity").level == "ok"
    machinery.zero.add("F-onboarding_worker")
    found = case.find("capacity")
    assert (found.level, found.detail) == ("fail", "switched off by a concurrency of 0: onboarding_worker")


def test_the_doctor_tells_of_a_low_limit(case: Case, machinery: Machinery) -> None:
    case.stage.aws._clients["lambda"].answers["get_account_settings"] = {
        "AccountLimit": {"ConcurrentExecutions": 10}
    }
    found = case.find("capacity")
    assert (found.level, "may run 10 functions at once" in found.detail) == ("warn", True)
    case.stage.aws._clients["lambda"].answers["get_account_settings"] = refused("AccessDeniedException", "x")
    assert case.find("capacity").level == "warn"
