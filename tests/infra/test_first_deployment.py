"""A first deployment that fails, on the emulator: the second attempt works, and nothing is left behind.

What fails is put in last, so that everything else has been made. The emulator rolls back by deletion policies
as AWS does. Protection does not stand in its way, so that there is none is asked of the template.
"""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from local.aws import REGION, Aws
from local.deploy import Assembly, DeployError, delete, deploy, read_assembly
from local.ministack import emulator
from tests.infra.conftest import synthesize
from tests.infra.reading import Template, of_type

pytestmark = pytest.mark.flow

STACK = "Onramp-example"
# What becomes of a domain that could not be made: refused when it is made, not before.
BROKEN = {
    "Type": "AWS::ApiGatewayV2::ApiMapping",
    "Properties": {"ApiId": "none", "DomainName": "none.example.com", "Stage": "$default"},
}


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    with emulator(tmp_path_factory.mktemp("emulator")) as running:
        yield running.aws


@pytest.fixture(scope="module")
def assembly(tmp_path_factory: pytest.TempPathFactory) -> Assembly:
    folder = tmp_path_factory.mktemp("assembly-first")
    synthesize("example", folder)
    return read_assembly(folder, region=REGION)


def failing(assembly: Assembly) -> Assembly:
    """The same, with something that cannot be made after all the rest."""
    resources = assembly.template["Resources"]
    broken = BROKEN | {"DependsOn": sorted(resources)}
    template = assembly.template | {"Resources": resources | {"Broken": broken}}
    return dataclasses.replace(assembly, template=template)


def client(aws: Aws, service: str) -> Any:
    return boto3.client(
        service,  # type: ignore[call-overload]
        endpoint_url=aws.endpoint,
        region_name=aws.region,
        aws_access_key_id=aws.access_key,
        aws_secret_access_key=aws.secret_key,
        config=Config(proxies={}),
    )


def left_behind(aws: Aws) -> dict[str, list[str]]:
    """What of the stack exists and costs money, or stands in the way of another attempt."""
    keys = client(aws, "kms")
    described = [keys.describe_key(KeyId=key["KeyId"])["KeyMetadata"] for key in keys.list_keys()["Keys"]]
    found = {
        "tables": client(aws, "dynamodb").list_tables()["TableNames"],
        "keys": [
            key["KeyId"]
            for key in described
            if key["KeyState"] != "PendingDeletion" and key["Description"].startswith("Onramp")
        ],
        "secrets": [one["Name"] for one in client(aws, "secretsmanager").list_secrets()["SecretList"]],
        "pools": [one["Id"] for one in client(aws, "cognito-idp").list_user_pools(MaxResults=9)["UserPools"]],
        "queues": client(aws, "sqs").list_queues().get("QueueUrls", []),
        "functions": [one["FunctionName"] for one in client(aws, "lambda").list_functions()["Functions"]],
        "buses": [
            one["Name"]
            for one in client(aws, "events").list_event_buses()["EventBuses"]
            if one["Name"] != "default"
        ],
        "logs": [one["logGroupName"] for one in client(aws, "logs").describe_log_groups()["logGroups"]],
        "topics": [one["TopicArn"] for one in client(aws, "sns").list_topics()["Topics"]],
        "apis": [one["ApiId"] for one in client(aws, "apigatewayv2").get_apis()["Items"]],
    }
    return {kind: names for kind, names in found.items() if names}


def test_a_failed_first_deployment_leaves_nothing_and_the_second_works(aws: Aws, assembly: Assembly) -> None:
    with pytest.raises(DeployError, match="ROLLBACK_COMPLETE"):
        deploy(aws, failing(assembly))
    assert left_behind(aws) == {}

    # What the CDK's command line does with a stack whose creation has failed.
    delete(aws, STACK)
    second = deploy(aws, assembly)
    assert second.outputs["TableName"]
    assert set(left_behind(aws)) == {
        *("tables", "keys", "secrets", "pools", "queues", "functions", "buses", "logs", "topics", "apis"),
    }

    # From then on what holds data stays, whatever happens to the stack.
    delete(aws, STACK)
    assert set(left_behind(aws)) == {"tables", "keys", "secrets", "pools", "logs"}


def test_a_queues_name_is_not_that_of_the_stack_before(aws: Aws, assembly: Assembly) -> None:
    # SQS refuses for a minute to make a queue of the same name again.
    names = []
    for _ in range(2):
        names.append(deploy(aws, assembly).outputs["JobsQueueUrl"].rpartition("/")[2])
        delete(aws, STACK)
    assert names[0] != names[1]
    assert all(name.startswith("Onramp-example-jobs-") for name in names)


# --- what the emulator cannot show -------------------------------------------------------------------


@pytest.mark.parametrize("values", [{}, {"stage.tracing": "true"}])
def test_nothing_that_a_first_deployment_makes_is_protected(values: dict[str, str], tmp_path: Path) -> None:
    template = synthesize("example", tmp_path, values)
    for table in of_type(template, "AWS::DynamoDB::Table").values():
        assert "DeletionProtectionEnabled" not in table
    for pool in of_type(template, "AWS::Cognito::UserPool").values():
        assert "DeletionProtection" not in pool
    policies = {resource.get("DeletionPolicy", "Delete") for resource in template["Resources"].values()}
    assert policies <= {"Delete", "RetainExceptOnCreate"}


def test_no_name_is_one_that_a_stack_before_may_hold(template: Template) -> None:
    """What is retained, or not free again for a while, has a name of AWS's choice or of this stack alone."""
    for kind, name in {
        "AWS::DynamoDB::Table": "TableName",
        "AWS::KMS::Alias": "AliasName",
        "AWS::Logs::LogGroup": "LogGroupName",
        "AWS::SecretsManager::Secret": "Name",
        "AWS::Events::Archive": "ArchiveName",
        "AWS::IAM::Role": "RoleName",
        "AWS::Lambda::Function": "FunctionName",
    }.items():
        assert not [one for one in of_type(template, kind).values() if name in one]
    for queue in of_type(template, "AWS::SQS::Queue").values():
        assert "QueueName" not in queue or "AWS::StackId" in str(queue["QueueName"])
