from typing import Any

import pytest

from local.template import (
    Overlay,
    as_evaluated,
    cors_of,
    environment_names,
    with_overlay,
    with_secret_arns,
    without_metric_math,
)


def template() -> dict[str, Any]:
    return {
        "Resources": {
            "F": {
                "Type": "AWS::Lambda::Function",
                "Properties": {"Environment": {"Variables": {"GRAPH_BASE_URL": "old", "STAGE": "local"}}},
            },
            "G": {"Type": "AWS::Lambda::Function", "Properties": {}},
            "A": {
                "Type": "AWS::ApiGatewayV2::Authorizer",
                "Properties": {"JwtConfiguration": {"Issuer": "old", "Audience": ["old"]}},
            },
            "E": {
                "Type": "AWS::Lambda::EventSourceMapping",
                "Properties": {"ScalingConfig": {"MaximumConcurrency": 10}},
            },
            "Api": {
                "Type": "AWS::ApiGatewayV2::Api",
                "Properties": {"CorsConfiguration": {"AllowOrigins": ["https://a.example"]}},
            },
        }
    }


def test_a_variable_is_replaced_where_there_is_one_and_added_nowhere() -> None:
    overlay = Overlay(environment={"GRAPH_BASE_URL": "new", "PARTNER_ID": "x"})
    resources = with_overlay(template(), overlay)["Resources"]
    variables = resources["F"]["Properties"]["Environment"]["Variables"]
    assert variables == {"GRAPH_BASE_URL": "new", "STAGE": "local"}
    assert "Environment" not in resources["G"]["Properties"]


def test_the_authorizer_gets_the_issuer_and_audience_of_the_run() -> None:
    changed = with_overlay(template(), Overlay(jwt_issuer="http://127.0.0.1:1", jwt_audience=("a",)))
    settings = changed["Resources"]["A"]["Properties"]["JwtConfiguration"]
    assert settings == {"Issuer": "http://127.0.0.1:1", "Audience": ["a"]}


def test_an_empty_overlay_changes_the_concurrency_only() -> None:
    expected = template()
    expected["Resources"]["E"]["Properties"]["ScalingConfig"]["MaximumConcurrency"] = 2
    assert with_overlay(template(), Overlay()) == expected


def test_the_concurrency_is_never_raised() -> None:
    changed = with_overlay(template(), Overlay(queue_concurrency=50))
    assert changed["Resources"]["E"]["Properties"]["ScalingConfig"]["MaximumConcurrency"] == 10


def test_the_given_template_stays_as_it_is() -> None:
    given = template()
    with_overlay(given, Overlay(environment={"STAGE": "x"}, jwt_issuer="x"))
    assert given == template()


def test_cors_is_read_from_the_api() -> None:
    assert cors_of(template()) == {"AllowOrigins": ["https://a.example"]}
    assert cors_of({"Resources": {}}) is None


def test_all_variable_names_are_listed() -> None:
    assert environment_names(template()) == {"GRAPH_BASE_URL", "STAGE"}


def test_alarms_on_metric_math_go_with_all_that_speaks_of_them() -> None:
    alarm = "AWS::CloudWatch::Alarm"
    given: dict[str, Any] = {
        "Resources": {
            "Math": {"Type": alarm, "Properties": {"Metrics": [{"Expression": "a/b"}]}},
            "Plain": {"Type": alarm, "Properties": {"MetricName": "Errors"}},
            "Both": {
                "Type": "AWS::CloudWatch::CompositeAlarm",
                "Properties": {"AlarmRule": {"Fn::Sub": "ALARM(${Math.Arn})"}},
            },
            "Board": {"Type": "AWS::CloudWatch::Dashboard", "Properties": {"DashboardBody": {"Ref": "Math"}}},
        },
        "Outputs": {"A": {"Value": {"Ref": "Math"}}, "B": {"Value": {"Ref": "Plain"}}},
    }
    left = without_metric_math(given)
    assert left["Resources"].keys() == {"Plain"}
    assert left["Outputs"].keys() == {"B"}
    assert given["Resources"].keys() == {"Math", "Plain", "Both", "Board"}


def test_a_secret_is_referred_to_by_its_arn() -> None:
    secret = {"Ref": "Secret"}
    given: dict[str, Any] = {
        "Resources": {
            "Secret": {"Type": "AWS::SecretsManager::Secret"},
            "Table": {"Type": "AWS::DynamoDB::Table"},
            "Role": {"Type": "AWS::IAM::Role", "Properties": {"Resource": [secret, {"Ref": "Table"}]}},
        },
        "Outputs": {"A": {"Value": secret}, "R": {"Value": {"Ref": "AWS::Region"}}},
    }
    changed = with_secret_arns(given)
    arn = {"Fn::GetAtt": ["Secret", "Id"]}
    assert changed["Resources"]["Role"]["Properties"]["Resource"] == [arn, {"Ref": "Table"}]
    assert changed["Outputs"] == {"A": {"Value": arn}, "R": {"Value": {"Ref": "AWS::Region"}}}
    assert given["Outputs"]["A"]["Value"] == {"Ref": "Secret"}


def role(*statements: dict[str, Any]) -> dict[str, Any]:
    policies = [{"PolicyName": "Own", "PolicyDocument": {"Statement": list(statements)}}]
    return {"Type": "AWS::IAM::Role", "Properties": {"Policies": policies}}


def test_conditions_that_the_emulator_cannot_judge_go_and_no_others() -> None:
    via = {"Action": "kms:Decrypt", "Resource": "k", "Condition": {"StringEquals": {"kms:ViaService": "d"}}}
    bound = {
        "Action": "kms:Decrypt",
        "Resource": "k",
        "Condition": {
            "StringEquals": {"kms:EncryptionContext:purpose": "p", "aws:PrincipalAccount": "1"},
            "Null": {"kms:EncryptionContext:tenant": "false"},
            "ForAllValues:StringEquals": {"kms:EncryptionContextKeys": ["purpose"]},
        },
    }
    plain = {"Action": "sqs:DeleteMessage", "Resource": {"Fn::GetAtt": ["Queue", "Arn"]}}
    given = {"Resources": {"R": role(via, bound, plain)}}
    left = as_evaluated(given)["Resources"]["R"]
    conditions = {
        "StringEquals": {"aws:PrincipalAccount": "1"},
        "ForAllValues:StringEquals": {"kms:EncryptionContextKeys": ["purpose"]},
    }
    assert left == role(via, bound | {"Condition": conditions}, plain)
    assert given == {"Resources": {"R": role(via, bound, plain)}}


def test_a_statement_without_conditions_left_has_none() -> None:
    bound = {"Resource": "k", "Condition": {"Null": {"kms:EncryptionContext:tenant": "false"}}}
    assert as_evaluated({"Resources": {"R": role(bound)}}) == {"Resources": {"R": role({"Resource": "k"})}}


def test_a_roles_own_log_is_named_as_the_emulator_names_it() -> None:
    resources = {
        "Logs": {"Type": "AWS::Logs::LogGroup"},
        "R": role({"Resource": {"Fn::GetAtt": ["Logs", "Arn"]}}),
    }
    arn = "arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group:${Logs}"
    assert as_evaluated({"Resources": resources})["Resources"]["R"] == role({"Resource": {"Fn::Sub": arn}})


def test_who_may_send_may_send_in_batches() -> None:
    given = role({"Resource": "q", "Action": "sqs:SendMessage"}, {"Resource": "q", "Action": ["sqs:Other"]})
    left = role(
        {"Resource": "q", "Action": ["sqs:SendMessage", "sqs:SendMessageBatch"]},
        {"Resource": "q", "Action": ["sqs:Other"]},
    )
    assert as_evaluated({"Resources": {"R": given}}) == {"Resources": {"R": left}}


@pytest.mark.parametrize("kind", ["AWS::SQS::QueuePolicy", "AWS::S3::BucketPolicy"])
def test_queues_and_buckets_no_longer_deny_what_comes_in_clear_but_all_else(kind: str) -> None:
    clear = {"Effect": "Deny", "Condition": {"Bool": {"aws:SecureTransport": "false"}}}
    others = [{"Effect": "Deny"}, {"Effect": "Allow", "Condition": clear["Condition"]}]
    policy = {
        "Type": kind,
        "Properties": {"PolicyDocument": {"Statement": [clear, *others]}},
    }
    left = as_evaluated({"Resources": {"P": policy}})["Resources"]["P"]["Properties"]
    assert left["PolicyDocument"]["Statement"] == others
