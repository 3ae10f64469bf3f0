"""Versions, aliases, how a release takes over, and what whoever deploys must be allowed."""

import json
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

from infra import rights
from infra.cards import CARDS, Queue, Routes, logical_id
from infra.config import load_config
from infra.constructs.consumers import AT_ONCE
from infra.paths import CONFIG
from tests.infra.conftest import synthesize
from tests.infra.reading import Template, actions_in, function_of, of_type, one_named

CALLED = [name for name, card in CARDS.items() if isinstance(card.trigger, Routes)]
"""The functions that the API calls."""
NEW_ACCOUNT = 10
"""How many functions run at once in a new account."""


def alias_of(template: Template, name: str) -> dict[str, Any]:
    return one_named(template, "AWS::Lambda::Alias", f"Functions{logical_id(name)}Live")


def version_of(template: Template, name: str) -> tuple[str, dict[str, Any]]:
    """The only version of a function: its logical id, and the whole resource."""
    function = function_of(template, name)["LogicalId"]
    [found] = [
        (logical, resource)
        for logical, resource in template["Resources"].items()
        if resource["Type"] == "AWS::Lambda::Version"
        and resource["Properties"]["FunctionName"] == {"Ref": function}
    ]
    return found


# --- versions and aliases ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", CARDS)
def test_a_function_is_called_by_an_alias_of_its_version(template: Template, name: str) -> None:
    properties = alias_of(template, name)["Properties"]
    version, _ = version_of(template, name)
    assert properties["Name"] == "live"
    assert properties["FunctionName"] == {"Ref": function_of(template, name)["LogicalId"]}
    assert properties["FunctionVersion"] == {"Fn::GetAtt": [version, "Version"]}


def test_whatever_starts_a_function_names_its_alias(template: Template) -> None:
    aliases = {alias_of(template, name)["LogicalId"]: name for name in CARDS}
    started = {aliases[called["Ref"]] for called in callers(template)}
    # The desk is invoked by people, and where nothing comes from Meta no route leads to its receiver.
    assert started == set(CARDS) - {"operator_desk", "meta_receiver"}
    functions = {function_of(template, name)["LogicalId"] for name in CARDS}
    permitted = of_type(template, "AWS::Lambda::Permission").values()
    assert {one["FunctionName"]["Ref"] for one in permitted} <= set(aliases)
    assert not functions & {called["Ref"] for called in callers(template)}


def callers(template: Template) -> Iterator[Mapping[str, str]]:
    for integration in of_type(template, "AWS::ApiGatewayV2::Integration").values():
        yield integration["IntegrationUri"]
    for mapping in of_type(template, "AWS::Lambda::EventSourceMapping").values():
        yield mapping["FunctionName"]
    for rule in of_type(template, "AWS::Events::Rule").values():
        if "ScheduleExpression" in rule:
            yield from (target["Arn"] for target in rule["Targets"])


def test_a_scheduled_run_keeps_the_settings_of_the_alias(template: Template) -> None:
    (settings,) = of_type(template, "AWS::Lambda::EventInvokeConfig").values()
    assert settings["FunctionName"] == {"Ref": function_of(template, "reconciler")["LogicalId"]}
    assert settings["Qualifier"] == "live"


@pytest.mark.parametrize(
    ("values", "new"),
    [
        (
            {"messaging.webhook_url": "https://elsewhere.example.org/in"},
            {"onboarding_worker", "operator_desk"},
        ),
        ({"stage.tracing": "true"}, set(CARDS)),
        ({"stage.receiver_concurrency": "5", "stage.log_retention_days": "90"}, set()),
        ({"api.throttle_rate": "20"}, set()),
    ],
)
def test_a_version_is_new_exactly_when_code_or_configuration_of_its_function_is(
    template: Template, values: Mapping[str, object], new: set[str], tmp_path: Path
) -> None:
    changed = synthesize("example", tmp_path, values)
    assert {name for name in CARDS if version_of(changed, name)[0] != version_of(template, name)[0]} == new


def test_an_old_version_stays_but_not_one_of_a_deployment_that_failed(template: Template) -> None:
    for name in CARDS:
        _, version = version_of(template, name)
        assert (version["DeletionPolicy"], version["UpdateReplacePolicy"]) == (
            "RetainExceptOnCreate",
            "Retain",
        )


def test_a_stage_to_throw_away_keeps_no_old_versions(local_template: Template) -> None:
    for name in CARDS:
        _, version = version_of(local_template, name)
        assert version.get("DeletionPolicy", "Delete") == "Delete"


# --- snapshots, tracing ------------------------------------------------------------------------------


def test_snapshots_are_for_those_that_a_person_waits_for_and_kept_for_one_version(
    template: Template, tmp_path: Path
) -> None:
    with_snapshots = synthesize("example", tmp_path, {"stage.snap_start": "true"})
    for name in CARDS:
        function, (_, version) = function_of(with_snapshots, name), version_of(with_snapshots, name)
        if name in {"code_exchange", "number_submission", "signup_queries"}:
            assert function["SnapStart"] == {"ApplyOn": "PublishedVersions"}
            assert version.get("DeletionPolicy", "Delete") == "Delete"
        else:
            assert "SnapStart" not in function
            assert version["DeletionPolicy"] == "RetainExceptOnCreate"
        assert "SnapStart" not in function_of(template, name)


def test_tracing_is_off_unless_a_stage_wants_it(template: Template, traced_template: Template) -> None:
    for name in CARDS:
        assert "TracingConfig" not in function_of(template, name)
        assert function_of(traced_template, name)["TracingConfig"] == {"Mode": "Active"}


# --- concurrency -------------------------------------------------------------------------------------


def test_each_queue_takes_the_least_of_a_new_account_and_all_leave_some_to_the_others(
    template: Template,
) -> None:
    bounds = [
        mapping["ScalingConfig"]["MaximumConcurrency"]
        for mapping in of_type(template, "AWS::Lambda::EventSourceMapping").values()
        if "ScalingConfig" in mapping
    ]
    queues = [card for card in CARDS.values() if isinstance(card.trigger, Queue)]
    assert bounds == [AT_ONCE] * len(queues)
    assert sum(bounds) <= NEW_ACCOUNT - 2
    assert sum(card.needs is None for card in queues) * AT_ONCE < NEW_ACCOUNT / 2


def test_no_more_jobs_run_at_once_than_the_budget_starts_calls() -> None:
    config = load_config(directory=CONFIG, stage="example")
    assert config.partner.budget_calls >= AT_ONCE


def test_nothing_is_reserved_unless_the_stage_says_so(template: Template, tmp_path: Path) -> None:
    reserved = synthesize("example", tmp_path, {"stage.receiver_concurrency": "5"})
    for name in CARDS:
        assert "ReservedConcurrentExecutions" not in function_of(template, name)
        assert function_of(reserved, name).get("ReservedConcurrentExecutions") == (
            5 if name == "webhook_receiver" else None
        )


# --- how a release takes over ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def canary(tmp_path_factory: pytest.TempPathFactory) -> Template:
    return synthesize("example", tmp_path_factory.mktemp("canary"), {"stage.release": "canary"})


def group_of(template: Template, name: str) -> dict[str, Any]:
    return one_named(template, "AWS::CodeDeploy::DeploymentGroup", f"Releases{logical_id(name)}")


def test_a_release_changes_everything_at_once_unless_the_stage_says_otherwise(template: Template) -> None:
    assert not of_type(template, "AWS::CodeDeploy::Application")
    assert not [name for name in CARDS if "UpdatePolicy" in alias_of(template, name)]


def test_the_functions_that_somebody_waits_for_are_shifted(canary: Template) -> None:
    (application,) = of_type(canary, "AWS::CodeDeploy::Application")
    assert CALLED == [
        "code_exchange",
        "number_submission",
        "signup_queries",
        "webhook_receiver",
        "meta_receiver",
        "hosted_page",
    ]
    for name in CARDS:
        update = alias_of(canary, name).get("UpdatePolicy")
        if name not in CALLED:
            assert update is None
            continue
        assert update == {
            "CodeDeployLambdaAliasUpdate": {
                "ApplicationName": {"Ref": application},
                "DeploymentGroupName": {"Ref": group_of(canary, name)["LogicalId"]},
            }
        }


@pytest.mark.parametrize(
    ("release", "how"),
    [
        ("canary", "CodeDeployDefault.LambdaCanary10Percent5Minutes"),
        ("linear", "CodeDeployDefault.LambdaLinear10PercentEvery1Minute"),
    ],
)
def test_how_it_is_shifted_and_what_takes_it_back(
    canary: Template, release: str, how: str, tmp_path: Path
) -> None:
    shifted = canary if release == "canary" else synthesize("example", tmp_path, {"stage.release": release})
    for name in CALLED:
        properties = group_of(shifted, name)["Properties"]
        assert properties["DeploymentConfigName"] == how
        assert properties["AutoRollbackConfiguration"] == {
            "Enabled": True,
            "Events": ["DEPLOYMENT_FAILURE", "DEPLOYMENT_STOP_ON_REQUEST", "DEPLOYMENT_STOP_ON_ALARM"],
        }


@pytest.mark.parametrize("name", CALLED)
def test_a_release_is_bound_to_the_new_versions_errors_and_to_what_callers_see(
    canary: Template, name: str
) -> None:
    bound = group_of(canary, name)["Properties"]["AlarmConfiguration"]
    assert bound["Enabled"] is True
    alarms = [of_type(canary, "AWS::CloudWatch::Alarm")[one["Name"]["Ref"]] for one in bound["Alarms"]]
    metrics = {alarm["MetricName"]: alarm for alarm in alarms}
    assert set(metrics) == {"5xx", "Errors"} | ({"Latency"} if name == "webhook_receiver" else set())
    dimensions = {one["Name"]: one["Value"] for one in metrics["Errors"]["Dimensions"]}
    version, _ = version_of(canary, name)
    assert dimensions["ExecutedVersion"] == {"Fn::GetAtt": [version, "Version"]}
    assert {alarm["Period"] for alarm in alarms} == {60}
    assert {alarm["TreatMissingData"] for alarm in alarms} == {"notBreaching"}


def test_no_alarm_of_a_release_waits_for_the_alias_that_waits_for_it(canary: Template) -> None:
    text = json.dumps({name: one for name, one in canary["Resources"].items() if name.startswith("Releases")})
    assert not [name for name in CARDS if alias_of(canary, name)["LogicalId"] in text]


def test_codedeploy_may_move_these_aliases_and_read_alarms(canary: Template) -> None:
    role = one_named(canary, "AWS::IAM::Role", "ReleasesRole")["Properties"]
    assert "ManagedPolicyArns" not in role
    (policy,) = role["Policies"]
    moving, reading = policy["PolicyDocument"]["Statement"]
    assert actions_in(moving) == {
        "lambda:GetAlias",
        "lambda:GetProvisionedConcurrencyConfig",
        "lambda:UpdateAlias",
    }
    named = json.dumps(moving["Resource"])
    assert {name for name in CARDS if function_of(canary, name)["LogicalId"] in named} == set(CALLED)
    assert (actions_in(reading), reading["Resource"]) == ({"cloudwatch:DescribeAlarms"}, "*")
    assert not of_type(canary, "AWS::IAM::Policy")


def test_the_webhook_route_is_measured_by_itself(canary: Template) -> None:
    alarm = one_named(canary, "AWS::CloudWatch::Alarm", "ReleasesReceiverSlowAlarm")["Properties"]
    dimensions = {one["Name"]: one["Value"] for one in alarm["Dimensions"]}
    route = f"{dimensions['Method']} {dimensions['Resource']}"
    (stage,) = of_type(canary, "AWS::ApiGatewayV2::Stage").values()
    assert route == "POST /v1/webhooks/360dialog"
    assert dimensions["Stage"] == stage["StageName"]
    assert stage["RouteSettings"][route]["DetailedMetricsEnabled"] is True


# --- what whoever deploys must be allowed ------------------------------------------------------------

PLACE = rights.Place(
    stack="Onramp-example", account="111122223333", region="eu-central-1", secrets=("SecretsSecret",)
)


@pytest.fixture(scope="module")
def largest(tmp_path_factory: pytest.TempPathFactory) -> Template:
    """A stage with everything that can be switched on."""
    values = {
        "stage.release": "canary",
        "api.domain_name": "onramp.example.com",
        "api.certificate_arn": "arn:aws:acm:eu-central-1:123456789012:certificate/ab-cd",
        "api.hosted_zone_id": "Z0123456789ABC",
        "api.default_endpoint": "true",
        "api.key_readers": "arn:aws:iam::111122223333:role/reader",
        "bus.readers": "arn:aws:iam::111122223333:role/reader",
        "bus.archive_days": "30",
    }
    return synthesize("example", tmp_path_factory.mktemp("largest"), values)


def statements(template: Template) -> list[dict[str, Any]]:
    return [one for document in rights.policies(template, PLACE) for one in document["Statement"]]


def test_every_action_of_a_deployment_is_allowed_once_and_nothing_else(largest: Template) -> None:
    allowed = [action for statement in statements(largest) for action in statement["Action"]]
    assert sorted(allowed) == sorted(rights.needed(largest))
    assert not [action for action in allowed if "*" in action]


def test_a_policy_is_no_larger_than_aws_takes(largest: Template) -> None:
    documents = rights.policies(largest, PLACE)
    assert all(rights.size(document["Statement"]) <= 6144 for document in documents)
    assert len(documents) <= 3


def test_whoever_deploys_reads_no_record_and_no_secret_and_takes_no_foreign_policy(largest: Template) -> None:
    allowed = rights.needed(largest)
    assert (
        not {
            "dynamodb:GetItem",
            "dynamodb:Scan",
            "iam:AttachRolePolicy",
            "lambda:InvokeFunction",
            "secretsmanager:GetSecretValue",
            "sqs:ReceiveMessage",
        }
        & allowed
    )


def test_what_is_allowed_on_everything_has_no_name_beforehand(largest: Template) -> None:
    on_all = {
        action
        for statement in statements(largest)
        if statement["Resource"] == ["*"] and "Condition" not in statement
        for action in statement["Action"]
    }
    assert not {action for action in on_all if action.partition(":")[0] in {"dynamodb", "iam", "lambda"}}
    passing = [one for one in statements(largest) if "iam:PassRole" in one["Action"]]
    assert [one["Condition"]["StringEquals"]["iam:PassedToService"] for one in passing] == [
        ["lambda.amazonaws.com", "codedeploy.amazonaws.com"]
    ]


def test_no_line_of_what_is_not_needed_is_stale(largest: Template) -> None:
    named = rights.named_actions({one["Type"] for one in largest["Resources"].values()})
    patterns = [pattern for lines in rights.NOT_NEEDED.values() for pattern in lines]
    stale = [one for one in patterns if not any(fnmatchcase(action, one) for action in named)]
    assert not stale


def test_the_command_writes_the_policies_of_a_template(
    template: Template, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "Onramp-example.template.json"
    source.write_text(json.dumps(template), encoding="utf-8")
    rights.main([str(source), "--account", "111122223333", "--region", "eu-central-1", "--to", str(tmp_path)])
    paths = [Path(line) for line in capsys.readouterr().out.splitlines()]
    assert paths[0].name == "Onramp-example-deploy-1.json"
    text = "".join(path.read_text(encoding="utf-8") for path in paths)
    (secret,) = of_type(template, "AWS::SecretsManager::Secret")
    assert f"arn:aws:secretsmanager:eu-central-1:111122223333:secret:{secret}*" in text
    assert "arn:aws:dynamodb:eu-central-1:111122223333:table/Onramp-example-*" in text


def test_a_long_stack_s_names_are_covered_although_cloudformation_cuts_them() -> None:
    place = rights.Place(stack="Onramp-abcdefghijklmnopqrst", account="1", region="r")
    # Of 64 characters a function's name keeps 24 of the stack's, 24 of its own, and 12 at random.
    assert fnmatchcase("Onramp-abcdefghijklmnopq-FunctionsOnboardingWork-ABCDEFGHIJKL", place.own)
