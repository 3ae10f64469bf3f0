"""`onramp logs`: lines of the functions' logs, filtered and counted."""

import json
from datetime import timedelta
from typing import Any

import pytest

from infra.cards import CARDS
from tests.ops.conftest import NOW, Answers, Case, Desk, pretend, refused

OUTCOME = {"level": "INFO", "message": "counted", "metric": "PopupOutcomes", "value": 1}
LINES: dict[str, list[Any]] = {
    "code_exchange": [
        OUTCOME | {"outcome": "cancelled", "step": "PHONE_NUMBER_VERIFICATION"},
        OUTCOME | {"outcome": "blocked", "step": "none"},
        OUTCOME | {"outcome": "cancelled", "step": "PHONE_NUMBER_VERIFICATION"},
    ],
    "onboarding_worker": [
        {"level": "INFO", "message": "put off", "reason": "budget"},
        {"level": "INFO", "message": "put off", "reason": "budget"},
        {"level": "INFO", "message": "put off", "reason": "throttled"},
        {"level": "ERROR", "message": "attempt crashed", "error": "KeyError"},
        {"type": "platform.report", "record": {"status": "timeout"}},
        {"_aws": {}, "JobsDone": 1},
        "START RequestId",
    ],
    "reconciler": [{"level": "WARNING", "message": "hit not moved on", "id": "NUMBER#1"}],
}


class NotFound(Exception):
    pass


@pytest.fixture
def logs(case: Case) -> Answers:
    """Each function has a group of its own; some have never written."""
    names = {"ResourceType": "AWS::Lambda::Function"}
    summaries = [names | {"LogicalResourceId": name, "PhysicalResourceId": f"F-{name}"} for name in CARDS]
    pretend(case, "cloudformation", list_stack_resources={"StackResourceSummaries": summaries})
    pretend(
        case,
        "lambda",
        get_function_configuration=lambda r: {
            "Handler": f"{r['FunctionName'][2:]}.handler",
            "LoggingConfig": {"LogGroup": f"group-{r['FunctionName'][2:]}"},
        },
    )

    def read(request: dict[str, Any]) -> Any:
        name = request["logGroupName"].removeprefix("group-")
        if name not in LINES:
            raise NotFound
        start = int(request.get("nextToken", 0))
        events = [
            {
                "timestamp": NOW.timestamp() * 1000 + n,
                "message": line if isinstance(line, str) else json.dumps(line),
            }
            for n, line in enumerate(LINES[name])
        ][start : start + 3]
        more = {"nextToken": str(start + 3)} if start + 3 < len(LINES[name]) else {}
        return {"events": events, **more}

    client = pretend(case, "logs", filter_log_events=read)
    client.__dict__["exceptions"] = type("E", (), {"ResourceNotFoundException": NotFound})
    return client


def test_lines_of_all_functions_in_their_order(desk: Desk, logs: Answers) -> None:
    assert desk.run("logs", "--level", "WARNING") == 0
    lines = [json.loads(line) for line in desk.out.splitlines()]
    assert [(line["of"], line["message"]) for line in lines] == [
        ("reconciler", "hit not moved on"),
        ("onboarding_worker", "attempt crashed"),
    ]


def test_lines_are_counted_most_often_first(desk: Desk, logs: Answers) -> None:
    assert desk.run("logs", "onboarding_worker", "--where", "message=put off", "--by", "message,reason") == 0
    assert desk.out.splitlines() == [
        "      2  message=put off  reason=budget",
        "      1  message=put off  reason=throttled",
    ]


def test_where_customers_give_up_is_counted_by_how_and_at_which_screen(desk: Desk, logs: Answers) -> None:
    assert desk.run("logs", "--where", "metric=PopupOutcomes", "--by", "outcome,step") == 0
    assert desk.out.splitlines() == [
        "      2  outcome=cancelled  step=PHONE_NUMBER_VERIFICATION",
        "      1  outcome=blocked  step=none",
    ]


def test_fields_within_fields_and_parts_of_texts(desk: Desk, logs: Answers) -> None:
    assert desk.run("logs", "--where", "record.status=timeout", "--show", "record.status") == 0
    assert json.loads(desk.out)["record.status"] == "timeout"
    assert desk.run("logs", "--where", "message~crash", "--show", "error") == 0
    assert json.loads(desk.out)["error"] == "KeyError"


def test_metrics_and_what_is_no_object_are_left_out(desk: Desk, logs: Answers) -> None:
    desk.run("logs", "onboarding_worker")
    assert len(desk.out.splitlines()) == 5
    assert desk.run("logs", "onboarding_worker", "--limit", "1") == 0
    assert json.loads(desk.out)["type"] == "platform.report"


def test_the_span_that_is_asked_for(desk: Desk, logs: Answers) -> None:
    until = NOW + timedelta(hours=1)
    desk.run("logs", "reconciler", "--since", NOW.isoformat(), "--until", until.isoformat())
    (_, asked) = logs.asked[-1]
    assert (asked["startTime"], asked["endTime"]) == (NOW.timestamp() * 1000, until.timestamp() * 1000)


def test_nothing_fits(desk: Desk, logs: Answers) -> None:
    assert desk.run("logs", "signup_queries") == 1
    assert desk.run("logs", "--where", "nonsense") == 2


def test_the_apis_access_log(desk: Desk, case: Case, logs: Answers) -> None:
    arn = "arn:aws:logs:eu-central-1:123456789012:log-group:group-reconciler:*"
    client = pretend(case, "apigatewayv2", get_stage={"AccessLogSettings": {"DestinationArn": arn}})
    client.__dict__["exceptions"] = type("E", (), {"NotFoundException": NotFound})
    assert desk.run("logs", "api") == 0
    assert json.loads(desk.out)["of"] == "api"
    client.answers["get_stage"] = {}
    assert desk.run("logs", "api") == 1
    assert "writes no access log" in desk.err


def test_a_role_that_may_not_read(desk: Desk, case: Case, logs: Answers) -> None:
    logs.answers["filter_log_events"] = refused("AccessDeniedException", "FilterLogEvents")
    assert desk.run("logs", "reconciler") == 1
    assert desk.err == "onramp logs: AWS refuses FilterLogEvents (AccessDeniedException)\n"
