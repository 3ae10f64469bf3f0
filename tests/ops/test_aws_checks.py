"""Stack, settings, queues, table, schedules, clock."""

import json
from datetime import timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from infra.cards import CARDS
from infra.environment import ResourceNames, environment_of
from ops import ROOT
from ops.doctor.findings import Level
from ops.doctor.stage import local_values
from ops.stage.aws import DeployedFunction, StackFacts
from ops.stage.configuration import read_values
from tests.ops.conftest import API, ISSUER, NOW, Case, pretend, values

GRAPH_HOST = "https://graph.facebook.com"


# --- stack and settings -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "level"),
    [
        ("CREATE_COMPLETE", Level.OK),
        ("UPDATE_COMPLETE", Level.OK),
        ("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", Level.OK),
        ("UPDATE_IN_PROGRESS", Level.WARN),
        ("ROLLBACK_COMPLETE", Level.FAIL),
        ("UPDATE_ROLLBACK_COMPLETE", Level.FAIL),
        ("DELETE_FAILED", Level.FAIL),
    ],
)
def test_stack_status(case: Case, status: str, level: Level) -> None:
    case.stage.stack = StackFacts(status=status, outputs={})
    assert case.find("stack").level is level


def test_missing_outputs(case: Case) -> None:
    case.stage.outputs = {n: v for n, v in case.stage.outputs.items() if n not in {"ApiUrl", "BusName"}}
    assert case.find("stack").detail == "outputs missing: ApiUrl, BusName"
    assert case.find("public-config").level is Level.SKIPPED


def test_a_usable_configuration(case: Case) -> None:
    assert case.find("configuration").level is Level.OK


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"partner__partner_id": "examplePA"}, "partner.partner_id: is still"),
        ({"partner__partner_id": None}, "partner.partner_id: "),
        ({"meta__app_id": "app"}, "meta.app_id: "),
        ({"stage__name": "prod"}, "stage.name: is 'prod', asked for was the stage 'dev'"),
        (
            {"meta__graph_base_url": "http://127.0.0.1:1"},
            "meta.graph_base_url: 'http://127.0.0.1:1' must use https",
        ),
        ({"meta__colour": "red"}, "meta.colour: "),
    ],
)
def test_a_configuration_the_deployment_refuses(case: Case, change: dict[str, Any], told: str) -> None:
    case.configure(**change)
    found = case.find("configuration")
    assert (found.level, told in found.detail) == (Level.FAIL, True), found


def test_values_with_a_check_of_their_own_are_left_to_it(case: Case) -> None:
    case.configure(
        partner__solution_id="1",
        meta__config_id="x",
        meta__graph_version="26",
        api__allowed_origins=["*"],
        messaging__webhook_url="http://x.test:1",
    )
    assert case.find("configuration").level is Level.OK


def deployed(**changes: str) -> dict[Any, DeployedFunction]:
    config = values().checked()
    assert config is not None
    names = ResourceNames(**dict.fromkeys(ResourceNames.__dataclass_fields__, "physical"))
    return {
        name: DeployedFunction(
            physical=f"Onramp-{name}",
            environment=environment_of(function=name, config=config, resources=names) | changes,
        )
        for name in CARDS
    }


def test_a_local_run_that_is_well_is_told_so(case: Case) -> None:
    local = read_values(ROOT / "config" / "local.toml", stage="local")
    config = local.checked()
    assert config is not None
    names = ResourceNames(**dict.fromkeys(ResourceNames.__dataclass_fields__, "physical"))
    environment = environment_of(function="signup_queries", config=config, resources=names)
    # A run puts its pages on ports that are free.
    environment["META_REDIRECT_URIS"] = '["http://127.0.0.1:41234/"]'
    environment |= {"SIGNUP_LINKS": json.dumps({"days": 7, "return_origins": ["http://127.0.0.1:41234"]})}
    found = local_values(local, {"signup_queries": DeployedFunction(physical="f", environment=environment)})
    assert found["meta.redirect_uris"] == ["http://127.0.0.1:41234/"]
    assert found["links.return_origins"] == ["http://127.0.0.1:41234"]
    case.stage.values = local.changed(found)
    assert case.find("configuration").level is Level.OK


@pytest.mark.parametrize("text", ["", "[]", "{", "{}"])
def test_addresses_that_a_local_run_does_not_tell_stay_those_of_the_file(text: str) -> None:
    environment = {"META_REDIRECT_URIS": text, "SIGNUP_LINKS": text}
    assert local_values(values(), {"f": DeployedFunction(physical="f", environment=environment)}) == {}


def authorizer(issuer: str = ISSUER, audience: str = "onramp") -> dict[str, Any]:
    iam = {"Name": "other"}
    return {"Items": [iam, {"JwtConfiguration": {"Issuer": issuer, "Audience": [audience]}}]}


def test_deployed_as_configured(case: Case) -> None:
    case.stage.functions = deployed
    pretend(case, "apigatewayv2", get_authorizers=authorizer())
    assert case.find("deployed-settings").level is Level.OK


def test_configured_anew_but_not_deployed(case: Case) -> None:
    case.stage.functions = lambda: deployed(SIGNUP_FLOWS="{}")
    pretend(case, "apigatewayv2", get_authorizers=authorizer("https://old.test", "old"))
    found = case.find("deployed-settings")
    assert found.level is Level.WARN
    assert "SIGNUP_FLOWS of code_exchange, signup_queries is not what config/dev.toml says" in found.detail
    assert "another issuer" in found.detail
    assert "another audience" in found.detail
    assert "TABLE_NAME" not in found.detail


def test_a_function_that_is_not_deployed_is_named(case: Case) -> None:
    case.stage.functions = lambda: {n: f for n, f in deployed().items() if n != "event_publisher"}
    pretend(case, "apigatewayv2", get_authorizers=authorizer())
    found = case.find("deployed-settings")
    assert (found.level, found.detail) == (Level.FAIL, "the stack has no function event_publisher")


def test_settings_need_a_configuration(case: Case) -> None:
    case.configure(meta__app_id="app")
    assert case.find("deployed-settings").level is Level.SKIPPED


# --- queues -------------------------------------------------------------------------------------


def test_no_dead_letters(case: Case) -> None:
    assert case.find("dead-letters").level is Level.OK


def test_dead_letters(case: Case) -> None:
    sqs, outputs = case.stage.aws.sqs, case.stage.outputs
    for output in ("JobsDlqUrl", "JobsDlqUrl", "SchedulesDlqUrl", "StreamDlqUrl"):
        sqs.send_message(QueueUrl=outputs[output], MessageBody="x")
    sqs.receive_message(QueueUrl=outputs["SchedulesDlqUrl"])
    found = case.find("dead-letters")
    told = "2 dead letters of jobs; 1 dead letter of schedules; 1 dead letter of stream"
    assert (found.level, found.detail) == (Level.FAIL, told)
    assert "onramp facts republish --stage dev" in found.advice


def test_a_queue_that_is_gone(case: Case) -> None:
    case.stage.aws.sqs.delete_queue(QueueUrl=case.stage.outputs["JobsDlqUrl"])
    found = case.find("dead-letters")
    assert found.level is Level.FAIL
    assert "AWS refuses GetQueueAttributes" in found.detail


@pytest.mark.parametrize(
    ("known", "level", "told"),
    [
        ((None, None, None), Level.SKIPPED, "CloudWatch has no ages"),
        ((60, None, None), Level.OK, "jobs_queue: oldest 0:01:00"),
        ((3599, 899, 899_999), Level.OK, "stream: oldest 0:14:59"),
        ((3601, 0, 0), Level.WARN, "the oldest message of jobs_queue is 1:00:01 old"),
        ((0, 901, None), Level.WARN, "events_queue"),
        ((0, 0, 900_001), Level.WARN, "the oldest message of stream is 0:15:00 old"),
    ],
)
def test_queue_ages(case: Case, known: tuple[float | None, ...], level: Level, told: str) -> None:
    def statistics(request: dict[str, Any]) -> dict[str, Any]:
        [named] = request["Dimensions"]
        ages = dict(zip(("JobsQueue", "EventsQueue", "Onramp-event_publisher"), known, strict=True))
        age = ages[named["Value"]]
        old = {"Timestamp": NOW - timedelta(minutes=9), "Maximum": 1e6}
        return {"Datapoints": [] if age is None else [{"Timestamp": NOW, "Maximum": age}, old]}

    case.stage.functions = deployed
    pretend(case, "cloudwatch", get_metric_statistics=statistics)
    found = case.find("queue-age")
    assert (found.level, told in found.detail) == (level, True), found


def mappings(case: Case, **changes: Any) -> None:
    """The mappings of a stage that is well, but for one of them by its function."""
    stream = case.stage.aws.dynamodb.describe_table(TableName="onramp")["Table"]["LatestStreamArn"]
    sources = {
        "onboarding_worker": "arn:aws:sqs:eu-central-1:123456789012:JobsQueue",
        "partner_event_worker": "arn:aws:sqs:eu-central-1:123456789012:EventsQueue",
        "event_relay": "arn:aws:sqs:eu-central-1:123456789012:RelayQueue",
        "notification_sender": "arn:aws:sqs:eu-central-1:123456789012:NotificationsQueue",
        "event_publisher": stream,
    }

    def listed(request: dict[str, Any]) -> dict[str, Any]:
        [name] = [name for name, source in sources.items() if source == request["EventSourceArn"]]
        alias = f"arn:aws:lambda:eu-central-1:123456789012:function:Onramp-{name}:live"
        well = {"FunctionArn": alias, "State": "Enabled", "LastProcessingResult": "OK"}
        return {"EventSourceMappings": [well | changes.get(name, {})]}

    case.stage.functions = deployed
    pretend(case, "lambda", list_event_source_mappings=listed)


def test_queues_and_stream_are_handed_to_their_functions(case: Case) -> None:
    mappings(case)
    found = case.find("consumers")
    assert found.level is Level.OK, found
    assert found.detail == (
        "onboarding_worker, partner_event_worker, event_relay, notification_sender, event_publisher "
        "are handed what is theirs"
    )


@pytest.mark.parametrize(
    ("name", "change", "level", "told"),
    [
        ("event_publisher", {"State": "Disabled"}, Level.FAIL, "the mapping to event_publisher is off"),
        ("onboarding_worker", {"State": "Disabled"}, Level.FAIL, "the queue jobs_queue is handed to nobody"),
        (
            "event_publisher",
            {"FunctionArn": "arn:aws:lambda:eu-central-1:123456789012:function:another:live"},
            Level.FAIL,
            "event_publisher is not handed the table's stream",
        ),
        (
            "event_publisher",
            {"LastProcessingResult": "PROBLEM: Function call failed"},
            Level.WARN,
            "Lambda has trouble with the table's stream (PROBLEM: Function call failed)",
        ),
    ],
)
def test_a_source_that_leads_nowhere(
    case: Case, name: str, change: dict[str, Any], level: Level, told: str
) -> None:
    mappings(case, **{name: change})
    found = case.find("consumers")
    assert (found.level, told in found.detail) == (level, True), found


def test_facts_that_reach_nobody_can_be_published_again(case: Case) -> None:
    mappings(case, event_publisher={"State": "Disabled"})
    assert "onramp facts republish --stage dev" in case.find("consumers").advice


# --- table and schedules ------------------------------------------------------------------------


def test_a_table_to_be_kept_needs_its_recovery(case: Case) -> None:
    found = case.find("table")
    assert found.level is Level.WARN
    assert "no point-in-time recovery" in found.detail
    dynamodb = case.stage.aws.dynamodb
    dynamodb.update_continuous_backups(
        TableName="onramp", PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
    )
    assert case.find("table").level is Level.OK


def test_a_table_of_a_development_stage_does_not(case: Case) -> None:
    case.configure(stage__removal="destroy")
    assert case.find("table").level is Level.OK


def test_a_table_without_an_index_is_found_out(case: Case) -> None:
    case.configure(stage__removal="destroy")
    gone = [{"Delete": {"IndexName": "by_place"}}]
    case.stage.aws.dynamodb.update_table(TableName="onramp", GlobalSecondaryIndexUpdates=gone)  # type: ignore[arg-type]
    found = case.find("table")
    assert (found.level, found.detail) == (Level.FAIL, "the table has no index by_place")


def test_a_table_without_its_stream_is_found_out(case: Case) -> None:
    case.configure(stage__removal="destroy")
    off = {"StreamEnabled": False}
    case.stage.aws.dynamodb.update_table(TableName="onramp", StreamSpecification=off)  # type: ignore[arg-type]
    found = case.find("table")
    assert (found.level, "stream is off" in found.detail) == (Level.FAIL, True)


def test_a_table_that_is_gone(case: Case) -> None:
    case.stage.aws.dynamodb.delete_table(TableName="onramp")
    found = case.find("table")
    assert (found.level, "ResourceNotFoundException" in found.detail) == (Level.FAIL, True)


def runs(case: Case, *minutes_ago: int, errors: int = 0, state: str = "ENABLED") -> None:
    case.stage.resources = lambda: {
        "AWS::Events::Rule": {"SchedulesSweep1": "sweep-1", "SchedulesCensus1": "bus|census-1"}
    }
    case.stage.functions = deployed

    def statistics(request: dict[str, Any]) -> dict[str, Any]:
        times = minutes_ago if request["MetricName"] == "Invocations" else (1,) * errors
        return {"Datapoints": [{"Timestamp": NOW - timedelta(minutes=m), "Sum": 1.0} for m in times]}

    pretend(case, "cloudwatch", get_metric_statistics=statistics)
    pretend(case, "events", describe_rule=lambda request: {"State": state})


def test_the_reconciler_runs(case: Case) -> None:
    runs(case, 1, 2, 3, 50)
    found = case.find("reconciler")
    assert (found.level, found.detail) == (Level.OK, "the reconciler ran 3 times in the last minutes")


def test_the_reconciler_has_stopped(case: Case) -> None:
    runs(case, 20, 21)
    assert case.find("reconciler").level is Level.FAIL


def test_the_reconciler_fails(case: Case) -> None:
    runs(case, 1, 2, errors=2)
    found = case.find("reconciler")
    assert (found.level, "2 of the last 2 runs" in found.detail) == (Level.WARN, True)


def test_nobody_knows_of_the_reconciler(case: Case) -> None:
    runs(case)
    assert case.find("reconciler").level is Level.SKIPPED


def test_schedules_that_are_off(case: Case) -> None:
    runs(case, 1, state="DISABLED")
    found = case.find("reconciler")
    assert (found.level, "2 of the 2 schedules are switched off" in found.detail) == (Level.FAIL, True)
    case.stage.resources = dict
    assert case.find("reconciler").detail == "the stack has no schedule sweep, census"


# --- clock --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "level", "told"),
    [
        ((0, 0, 0), Level.OK, "within 1 s of API, Meta, identity provider"),
        ((4, 4, 4), Level.OK, "within 4 s"),
        ((30, 30, 30), Level.WARN, "30 s behind"),
        ((-30, -30, -30), Level.WARN, "30 s ahead"),
        ((3600, 3600, 3600), Level.FAIL, "3600 s behind"),
        ((0, 0, 3600), Level.OK, "within 1 s"),
        ((None, None, 3600), Level.FAIL, "3600 s behind"),
        ((None, None, None), Level.SKIPPED, "nobody tells the time"),
    ],
)
def test_clock(case: Case, seconds: tuple[int | None, ...], level: Level, told: str) -> None:
    urls = (f"{API}/v1/config", GRAPH_HOST, f"{ISSUER}/.well-known/openid-configuration")
    for url, ahead in zip(urls, seconds, strict=True):
        date = "" if ahead is None else format_datetime(NOW + timedelta(seconds=ahead), usegmt=True)
        case.web.on("GET", url, 404, Date=date)
    found = case.find("clock")
    assert (found.level, told in found.detail) == (level, True), found
