"""Alarms and the dashboard: that they watch what is really measured, and lead to the runbook."""

import json
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from contract.routes import ROUTES
from infra.cards import CARDS
from infra.constructs.alarms import ALARMS, KEY_ANCHOR
from infra.constructs.dashboard import BUSINESS, PARTS
from infra.metrics import METRICS
from infra.paths import FUNCTIONS as CODE
from infra.paths import ROOT
from tests.infra.conftest import synthesize
from tests.infra.reading import Template, function_of, of_type, one_named

RUNBOOK = ROOT / "docs" / "runbook.md"


def test_what_the_code_counts_is_in_the_table() -> None:
    """By the literal names that it counts with; those made of parts are the receiver's."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in CODE.rglob("*.py"))
    assert set(re.findall(r'telemetry\.count\(\s*"(\w+)"', text)) <= set(METRICS)


def test_what_is_in_the_table_is_counted_by_the_code() -> None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in CODE.rglob("*.py"))
    by_hand = {name for name in METRICS if name.startswith("Webhooks")}
    by_meta = {name for name in METRICS if name.startswith("MetaWebhooks")}
    assert not [name for name in METRICS.keys() - by_hand - by_meta if f'"{name}"' not in text]
    assert not [name for name in by_meta if f'"{name.removeprefix("MetaWebhooks")}"' not in text]
    assert not [name for name in by_hand if f'"{name.removeprefix("Webhooks")}"' not in text]


def alarms(template: Template) -> list[Mapping[str, Any]]:
    return list(of_type(template, "AWS::CloudWatch::Alarm").values())


def name_of(alarm: Mapping[str, Any]) -> str:
    stack, name = alarm["AlarmName"]["Fn::Join"][1]
    assert stack == {"Ref": "AWS::StackName"}
    return str(name).removeprefix("-")


def named(template: Template, name: str) -> Mapping[str, Any]:
    (found,) = [alarm for alarm in alarms(template) if name_of(alarm) == name]
    return found


def test_how_many_alarms_each_line_of_the_table_makes(template: Template) -> None:
    anchors = Counter(re.search(r"#([a-z-]+)$", alarm["AlarmDescription"])[1] for alarm in alarms(template))  # type: ignore[index]
    assert anchors == {
        "jobs-dead-letters": 1,
        "events-dead-letters": 1,
        "relay-given-up": 1,
        "notifications-dead-letters": 1,
        "endpoint-disabled": 1,
        "schedules-dead-letters": 1,
        "stream-dead-letters": 1,
        "work-overdue": 1,
        "events-queue-old": 1,
        "facts-late": 1,
        "facts-silent": 1,
        "bus-refuses": 1,
        "numbers-failed": 1,
        "numbers-stale": 1,
        "numbers-attention": 2,
        "webhooks-silent": 1,
        "numbers-healed": 1,
        "webhooks-rejected": 1,
        "webhooks-refused": 1,
        "receiver-slow": 3,
        "meta-configuration": 4,
        "partner-configuration": 1,
        "callers-unauthorized": 1,
        "services-unavailable": 7,
        "api-errors": 1,
        "function-errors": len(CARDS),
        "sweep-silent": 1,
        "records-crashed": 7,
        "events-unresolved": 2,
        "channels-unknown": 1,
        "balance-low": 1,
        "census-silent": 1,
        "client-duplicates": 1,
        "solution-deactivated": 1,
        "deletion-requested": 1,
    }
    assert set(anchors) == {spec.anchor for spec in ALARMS}


def test_every_alarm_tells_the_topic_and_says_what_to_do(template: Template) -> None:
    topic = one_named(template, "AWS::SNS::Topic", "AlarmsTopic")["LogicalId"]
    for alarm in alarms(template):
        assert alarm["AlarmActions"] == alarm["OKActions"] == [{"Ref": topic}]
        assert re.fullmatch(r".+\. What to do: docs/runbook\.md#[a-z-]+", alarm["AlarmDescription"])


@pytest.mark.skipif(not RUNBOOK.exists(), reason="the runbook is not written yet")
def test_the_runbook_has_a_section_for_each_alarm() -> None:
    headings = re.findall(r"^#+ +(.+)$", RUNBOOK.read_text(encoding="utf-8"), re.MULTILINE)
    anchors = {re.sub(r"[^a-z0-9 -]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}
    assert not [anchor for anchor in (KEY_ANCHOR, *(spec.anchor for spec in ALARMS)) if anchor not in anchors]


@pytest.mark.parametrize(
    ("name", "queue", "metric", "threshold"),
    [
        ("jobs-dead-letters", "JobsDlq", "ApproximateNumberOfMessagesVisible", 1),
        ("events-dead-letters", "EventsDlq", "ApproximateNumberOfMessagesVisible", 1),
        ("schedules-dead-letters", "SchedulesDlq", "ApproximateNumberOfMessagesVisible", 1),
        ("relay-given-up", "RelayDlq", "ApproximateNumberOfMessagesVisible", 1),
        ("notifications-dead-letters", "NotificationsDlq", "ApproximateNumberOfMessagesVisible", 1),
        ("stream-dead-letters", "StreamDlq", "ApproximateNumberOfMessagesVisible", 1),
        ("events-queue-old", "Events", "ApproximateAgeOfOldestMessage", 900),
    ],
)
def test_alarms_of_queues(template: Template, name: str, queue: str, metric: str, threshold: int) -> None:
    logical = one_named(template, "AWS::SQS::Queue", f"Messaging{queue}")["LogicalId"]
    alarm = named(template, name)
    assert alarm["Namespace"] == "AWS/SQS"
    assert alarm["MetricName"] == metric
    assert alarm["Dimensions"] == [{"Name": "QueueName", "Value": {"Fn::GetAtt": [logical, "QueueName"]}}]
    assert alarm["Statistic"] == "Maximum"
    assert alarm["Threshold"] == threshold
    assert alarm["ComparisonOperator"] == "GreaterThanOrEqualToThreshold"


@pytest.mark.parametrize(
    ("name", "metric", "service", "rule"),
    [
        ("numbers-failed", "NumbersFailed", "onboarding_worker", (1, 3600, 1, 1)),
        ("numbers-healed", "NumbersHealed", "onboarding_worker", (3, 3600, 1, 1)),
        ("bus-refuses", "FactsRefused", "event_publisher", (1, 300, 3, 3)),
        ("services-unavailable-SignupQueries", "ServicesUnavailable", "signup_queries", (5, 300, 3, 2)),
        ("numbers-stale", "NumbersStale", "onboarding_worker", (1, 3600, 1, 1)),
        ("webhooks-rejected", "WebhooksRejected", None, (5, 300, 3, 3)),
        ("webhooks-refused", "WebhooksRefused", None, (1, 300, 1, 1)),
        ("meta-configuration-CodeExchange", "MetaConfigurationErrors", "code_exchange", (1, 300, 1, 1)),
        ("partner-configuration", "PartnerConfigurationErrors", "onboarding_worker", (1, 300, 1, 1)),
        (
            "numbers-attention-PartnerEventWorker",
            "NumbersAttention",
            "partner_event_worker",
            (1, 3600, 1, 1),
        ),
        ("records-crashed-Reconciler", "RecordsCrashed", "reconciler", (1, 300, 1, 1)),
        ("events-unresolved-OnboardingWorker", "EventsUnresolved", "onboarding_worker", (10, 3600, 1, 1)),
        ("channels-unknown", "ChannelsUnknown", "onboarding_worker", (1, 3600, 1, 1)),
        ("client-duplicates", "ClientDuplicates", "onboarding_worker", (1, 300, 1, 1)),
    ],
)
def test_alarms_of_our_own_metrics_have_the_dimensions_they_are_written_with(
    template: Template, name: str, metric: str, service: str | None, rule: tuple[int, int, int, int]
) -> None:
    alarm = named(template, name)
    dimensions = {one["Name"]: one["Value"] for one in alarm["Dimensions"]}
    assert (alarm["Namespace"], alarm["MetricName"], alarm["Statistic"]) == ("Onramp", metric, "Sum")
    assert dimensions == {"stage": "example"} | ({"service": service} if service else {})
    keys = ("Threshold", "Period", "EvaluationPeriods", "DatapointsToAlarm")
    assert tuple(alarm[key] for key in keys) == rule
    assert alarm["TreatMissingData"] == "notBreaching"


def test_the_receiver_is_watched_inside_and_outside(template: Template) -> None:
    receiver = function_of(template, "webhook_receiver")["LogicalId"]
    outside, inside = named(template, "receiver-slow-Lambda"), named(template, "receiver-slow-Handler")
    assert (outside["MetricName"], inside["MetricName"]) == ("Duration", "WebhookMilliseconds")
    assert outside["Dimensions"] == [{"Name": "FunctionName", "Value": {"Ref": receiver}}]
    seen = named(template, "receiver-slow-Route")
    (api,) = of_type(template, "AWS::ApiGatewayV2::Api")
    assert (seen["Namespace"], seen["MetricName"]) == ("AWS/ApiGateway", "Latency")
    assert {one["Name"]: one["Value"] for one in seen["Dimensions"]} == {
        "ApiId": {"Ref": api},
        "Stage": "$default",
        "Method": "POST",
        "Resource": "/v1/webhooks/360dialog",
    }
    for alarm in (outside, inside, seen):
        assert (alarm["ExtendedStatistic"], alarm["Threshold"]) == ("p99", 1000)
    (stage,) = of_type(template, "AWS::ApiGatewayV2::Stage").values()
    detailed = {
        route for route, limits in stage["RouteSettings"].items() if limits.get("DetailedMetricsEnabled")
    }
    assert detailed == {"POST /v1/webhooks/360dialog"}


def expression_of(alarm: Mapping[str, Any]) -> tuple[str, dict[str, tuple[str, str, int]]]:
    """The formula of an alarm, and what each of its names stands for: metric, statistic, seconds."""
    (formula,) = [one for one in alarm["Metrics"] if one.get("ReturnData", True)]
    parts = [one for one in alarm["Metrics"] if "MetricStat" in one]
    return formula["Expression"], {
        one["Id"]: (
            one["MetricStat"]["Metric"]["MetricName"],
            one["MetricStat"]["Stat"],
            one["MetricStat"]["Period"],
        )
        for one in parts
    }


def test_numbers_that_wait_while_no_webhook_comes_are_told(template: Template) -> None:
    alarm = named(template, "webhooks-silent")
    assert expression_of(alarm) == (
        "IF(waiting > 0 AND FILL(accepted, 0) < 1, 1, 0)",
        {
            "waiting": ("NumbersWaiting", "Minimum", 1800),
            "accepted": ("WebhooksAccepted", "Sum", 1800),
        },
    )
    assert (alarm["EvaluationPeriods"], alarm["DatapointsToAlarm"]) == (2, 2)


def test_facts_that_never_reach_the_publisher_are_told(template: Template) -> None:
    assert expression_of(named(template, "facts-silent")) == (
        "IF(FILL(opened, 0) > 0 AND FILL(published, 0) < 1, 1, 0)",
        {"opened": ("SignupsOpened", "Sum", 600), "published": ("FactsPublished", "Sum", 600)},
    )


def test_work_that_nobody_takes_up_is_told_and_what_waits_out_a_retry_is_not(template: Template) -> None:
    alarm = named(template, "work-overdue")
    assert (alarm["Namespace"], alarm["MetricName"], alarm["Statistic"]) == (
        "Onramp",
        "OldestDueSeconds",
        "Maximum",
    )
    assert (alarm["Threshold"], alarm["Period"]) == (900, 600)
    ages = [one for one in alarms(template) if one.get("MetricName") == "ApproximateAgeOfOldestMessage"]
    assert [name_of(one) for one in ages] == ["events-queue-old"]


def test_the_share_of_calls_that_are_answered_401_is_watched(template: Template) -> None:
    alarm = named(template, "callers-unauthorized")
    assert (alarm["Namespace"], alarm["MetricName"]) == ("Onramp/example", "CallsUnauthorized")
    assert (alarm["Statistic"], alarm["Threshold"], alarm["Period"]) == ("Average", 0.5, 900)
    assert "Dimensions" not in alarm
    filters = of_type(template, "AWS::Logs::MetricFilter").values()
    made = {
        one["MetricTransformations"][0]["MetricValue"]: one["FilterPattern"].partition(" && ")[0]
        for one in filters
    }
    assert made == {"1": '{ ($.status = "401")', "0": '{ ($.status != "401")'}
    for one in filters:
        (transformation,) = one["MetricTransformations"]
        assert transformation["MetricNamespace"] == alarm["Namespace"]
        assert transformation["MetricName"] == alarm["MetricName"]
        left_out = set(re.findall(r'routeKey != "([^"]+)"', one["FilterPattern"]))
        others = {f"{route.method} {route.path}" for route in ROUTES if route.access != "jwt"}
        assert left_out == others | {"-"}


def test_a_key_that_somebody_wants_to_delete_is_told(template: Template) -> None:
    rule = one_named(template, "AWS::Events::Rule", "AlarmsKeyInDanger")["Properties"]
    topic = one_named(template, "AWS::SNS::Topic", "AlarmsTopic")["LogicalId"]
    keys = {
        one_named(template, "AWS::KMS::Key", name)["LogicalId"]
        for name in ("SecretsTableKey", "SecretsEnvelopeKey")
    }
    detail = rule["EventPattern"]["detail"]
    assert detail["eventName"] == ["DisableKey", "ScheduleKeyDeletion"]
    assert {one["Fn::GetAtt"][0] for one in detail["resources"]["ARN"]} == keys
    (target,) = rule["Targets"]
    assert target["Arn"] == {"Ref": topic}
    assert f"{RUNBOOK.name}#{KEY_ANCHOR}" in json.dumps(target["InputTransformer"])


def test_facts_that_wait_for_the_bus_are_told(template: Template) -> None:
    publisher = function_of(template, "event_publisher")["LogicalId"]
    alarm = named(template, "facts-late")
    assert (alarm["Namespace"], alarm["MetricName"], alarm["Statistic"]) == (
        "AWS/Lambda",
        "IteratorAge",
        "Maximum",
    )
    assert alarm["Dimensions"] == [{"Name": "FunctionName", "Value": {"Ref": publisher}}]
    assert alarm["Threshold"] == 15 * 60 * 1000


def test_a_census_that_does_not_come_is_told(template: Template) -> None:
    alarm = named(template, "census-silent")
    assert (alarm["MetricName"], alarm["ComparisonOperator"]) == ("CensusPages", "LessThanThreshold")
    assert alarm["TreatMissingData"] == "breaching"
    assert alarm["Period"] * alarm["EvaluationPeriods"] == 30 * 3600


def test_a_sweep_that_does_not_run_is_told(template: Template) -> None:
    alarm = named(template, "sweep-silent")
    assert (alarm["MetricName"], alarm["ComparisonOperator"]) == ("Invocations", "LessThanThreshold")
    assert alarm["TreatMissingData"] == "breaching"


def test_server_errors_of_the_api(template: Template) -> None:
    (api,) = of_type(template, "AWS::ApiGatewayV2::Api")
    alarm = named(template, "api-errors")
    assert (alarm["Namespace"], alarm["MetricName"]) == ("AWS/ApiGateway", "5xx")
    assert alarm["Dimensions"] == [{"Name": "ApiId", "Value": {"Ref": api}}]


def test_the_topic_is_encrypted_and_lets_only_this_accounts_alarms_in(template: Template) -> None:
    topic = one_named(template, "AWS::SNS::Topic", "AlarmsTopic")
    key = one_named(template, "AWS::KMS::Key", "AlarmsKey")
    assert topic["Properties"]["KmsMasterKeyId"] == {"Fn::GetAtt": [key["LogicalId"], "Arn"]}
    (policy,) = of_type(template, "AWS::SNS::TopicPolicy").values()
    statements = policy["PolicyDocument"]["Statement"]
    (deny,) = [one for one in statements if one["Effect"] == "Deny"]
    allow, rules = [one for one in statements if one["Effect"] == "Allow"]
    # EventBridge takes no condition in a topic's policy; what it may publish is this topic alone.
    assert (rules["Principal"], rules["Resource"]) == (
        {"Service": "events.amazonaws.com"},
        {"Ref": topic["LogicalId"]},
    )
    assert deny["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert allow["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    assert allow["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}


def test_the_configured_address_is_subscribed(template: Template, local_template: Template) -> None:
    (subscription,) = of_type(template, "AWS::SNS::Subscription").values()
    assert (subscription["Protocol"], subscription["Endpoint"]) == ("email", "operations@example.com")
    assert not of_type(local_template, "AWS::SNS::Subscription")


ELSEWHERE = "arn:aws:sns:eu-central-1:123456789012:on-call"


def told_by(template: Template) -> list[Any]:
    """Whom every alarm and the rule tell."""
    told = {json.dumps(alarm["AlarmActions"]) for alarm in alarms(template)}
    told |= {json.dumps(alarm["OKActions"]) for alarm in alarms(template)}
    rule = one_named(template, "AWS::Events::Rule", "AlarmsKeyInDanger")["Properties"]
    told.add(json.dumps([target["Arn"] for target in rule["Targets"]]))
    (only,) = told
    found: list[Any] = json.loads(only)
    return found


def test_a_topic_that_exists_is_told_in_place_of_one_of_our_own(tmp_path: Path) -> None:
    values = {"stage.alarm_topic_arn": ELSEWHERE, "stage.alarm_emails": []}
    stage = synthesize("example", tmp_path, values)
    assert told_by(stage) == [ELSEWHERE]
    assert not of_type(stage, "AWS::SNS::Topic")
    assert not of_type(stage, "AWS::SNS::Subscription")


def test_a_topic_that_exists_and_addresses_are_both_told(tmp_path: Path) -> None:
    addresses = ["a@example.com", "b@example.com"]
    stage = synthesize(
        "example", tmp_path, {"stage.alarm_topic_arn": ELSEWHERE, "stage.alarm_emails": addresses}
    )
    topic = one_named(stage, "AWS::SNS::Topic", "AlarmsTopic")["LogicalId"]
    assert told_by(stage) == [ELSEWHERE, {"Ref": topic}]
    subscribed = of_type(stage, "AWS::SNS::Subscription").values()
    assert [one["Endpoint"] for one in subscribed] == addresses
    assert {json.dumps(one["TopicArn"]) for one in subscribed} == {json.dumps({"Ref": topic})}


# --- the dashboard -----------------------------------------------------------------------------------


def widgets(template: Template) -> list[dict[str, Any]]:
    (board,) = of_type(template, "AWS::CloudWatch::Dashboard").values()
    parts = board["DashboardBody"]["Fn::Join"][1]
    body = json.loads("".join(part if isinstance(part, str) else "TOKEN" for part in parts))
    found: list[dict[str, Any]] = body["widgets"]
    return found


def test_the_dashboard_asks_twice(template: Template) -> None:
    rows = widgets(template)
    headings = [(one["y"], one["properties"]["markdown"]) for one in rows if one["type"] == "text"]
    assert [text for _, text in headings] == [BUSINESS, PARTS]
    (_, _), (second, _) = headings
    above = [one["properties"]["title"] for one in rows if one["y"] < second and one["type"] != "text"]
    below = [one["properties"]["title"] for one in rows if one["y"] > second]
    assert above == [
        "In the time shown",
        "From the popup to the first message",
        "Seconds from code to connected",
        "Waiting for 360dialog",
        "Connected numbers",
        "Numbers failed, by code",
        "Refused by Meta, by code",
        "Where customers give up",
    ]
    assert below == [
        "Functions: Errors",
        "Functions: Duration p99, ms",
        "Functions: Throttles",
        "Queues: age of the oldest message, s",
        "Queues: messages",
        "Dead letters",
        "Webhooks",
        "Webhooks of Meta's",
        "Webhooks: time to answer, ms",
        "Events",
        "Partner budget",
        "Clients and keys",
        "Mended or to be mended",
        "Facts for the bus",
        "Notifications",
        "Relay",
        "Facts: age of the oldest, ms",
        "Census: pages",
        "API",
        "API: latency, ms",
        "Table",
    ]


def test_the_dashboard_fits_its_grid(template: Template) -> None:
    for widget in widgets(template):
        assert widget["x"] + widget["width"] <= 24


def test_every_metric_of_ours_is_on_the_dashboard(template: Template) -> None:
    text = json.dumps(widgets(template))
    assert not [name for name in METRICS if f'"{name}"' not in text and f'\\"{name}\\"' not in text]
