"""`onramp preflight`: each thing that makes a deployment fail has a sentence of its own."""

from collections.abc import Callable
from typing import Any

import pytest

from ops.doctor.findings import Finding, Level
from ops.doctor.partner import PartnerDesk
from ops.doctor.runner import run_one
from ops.preflight.checks import CHECKS
from ops.stage.configuration import Values
from tests.ops.conftest import HUB, ISSUER, SECRET, Case, pretend, refused

HOST = "onramp.deployer.test"
CERTIFICATE = "arn:aws:acm:eu-central-1:123456789012:certificate/1"
KEY = "arn:aws:kms:eu-central-1:123456789012:key/1"
TOPIC = "arn:aws:sns:eu-central-1:123456789012:night"


def find(case: Case, name: str) -> Finding:
    [check] = [check for check in CHECKS if check.name == name]
    return run_one(case.stage, check).finding


def of_account(case: Case, account: str = "123456789012") -> None:
    arn = f"arn:aws:iam::{account}:user/me"
    pretend(case, "sts", get_caller_identity={"Account": account, "Arn": arn})


@pytest.mark.parametrize(
    ("change", "level", "told"),
    [
        ({}, Level.OK, "account 123456789012, region eu-central-1"),
        ({"stage__account": "123456789012", "stage__region": "eu-central-1"}, Level.OK, "account"),
        ({"stage__account": "210987654321"}, Level.FAIL, "of account 123456789012, [stage] account is 21"),
        ({"stage__region": "us-east-1"}, Level.FAIL, "region is eu-central-1, [stage] region is us-east-1"),
    ],
)
def test_account_and_region_are_those_that_are_meant(
    case: Case, change: dict[str, Any], level: Level, told: str
) -> None:
    of_account(case)
    case.configure(**change)
    found = find(case, "account")
    assert (found.level, told in found.detail) == (level, True), found


@pytest.mark.parametrize(
    ("answer", "level", "told"),
    [
        ({"Parameter": {"Value": "30"}}, Level.OK, "version 30"),
        ({"Parameter": {"Value": "5"}}, Level.FAIL, "too old"),
        (refused("ParameterNotFound"), Level.FAIL, "is missing (region eu-central-1, qualifier mine)"),
        (refused("AccessDeniedException"), Level.WARN, "may not"),
    ],
)
def test_the_bootstrap_of_that_qualifier(case: Case, answer: Any, level: Level, told: str) -> None:
    ssm = pretend(case, "ssm", get_parameter=answer)
    case.configure(stage__qualifier="mine")
    found = find(case, "bootstrap")
    assert (found.level, told in found.detail) == (level, True), found
    assert ssm.asked == [("get_parameter", {"Name": "/cdk-bootstrap/mine/version"})]


def lambda_account(limit: int, code: int = 0) -> dict[str, Any]:
    return {
        "AccountLimit": {"ConcurrentExecutions": limit, "TotalCodeSize": 80_000_000_000},
        "AccountUsage": {"TotalCodeSize": code},
    }


@pytest.mark.parametrize(
    ("limit", "reserved", "level", "told"),
    [
        (1000, None, Level.OK, "may run 1000 functions at once"),
        (10, None, Level.WARN, "may run 10 functions at once"),
        (10, 5, Level.FAIL, "too few to reserve 5 for the receiver"),
        (1000, 50, Level.OK, "1000"),
    ],
)
def test_the_accounts_concurrency(
    case: Case, limit: int, reserved: int | None, level: Level, told: str
) -> None:
    pretend(case, "lambda", get_account_settings=lambda_account(limit))
    case.configure(stage__receiver_concurrency=reserved)
    found = find(case, "concurrency")
    assert (found.level, told in found.detail) == (level, True), found


def test_room_for_the_code(case: Case) -> None:
    pretend(case, "lambda", get_account_settings=lambda_account(10, 79_900_000_000))
    assert find(case, "code-storage").level is Level.WARN
    pretend(case, "lambda", get_account_settings=lambda_account(10))
    assert find(case, "code-storage").level is Level.OK


def test_an_issuer_that_cannot_be_reached(case: Case) -> None:
    assert find(case, "issuer").level is Level.FAIL
    keys = {"keys": [{"kid": "1", "alg": "RS256"}]}
    case.web.on(
        "GET",
        f"{ISSUER}/.well-known/openid-configuration",
        body={"issuer": ISSUER, "jwks_uri": f"{ISSUER}/k"},
    )
    case.web.on("GET", f"{ISSUER}/k", body=keys)
    assert find(case, "issuer").level is Level.OK


def test_a_user_pool_that_is_named_has_to_be_there(case: Case) -> None:
    case.configure(api__jwt_issuer=None, api__user_pool_id="eu-central-1_x")
    pretend(case, "cognito-idp", describe_user_pool=refused("ResourceNotFoundException"))
    assert find(case, "issuer").level is Level.FAIL
    pretend(case, "cognito-idp", describe_user_pool={"UserPool": {}})
    assert find(case, "issuer").level is Level.OK


def certificate(status: str = "ISSUED", *names: str) -> dict[str, Any]:
    found = names or (HOST,)
    return {"Certificate": {"Status": status, "DomainName": found[0], "SubjectAlternativeNames": list(found)}}


@pytest.mark.parametrize(
    ("arn", "answer", "level", "told"),
    [
        (CERTIFICATE, certificate(), Level.OK, "is issued"),
        (CERTIFICATE, certificate("ISSUED", "*.deployer.test"), Level.OK, "is issued"),
        (CERTIFICATE, certificate("ISSUED", "other.test"), Level.FAIL, f"is not for {HOST}"),
        (CERTIFICATE, certificate("PENDING_VALIDATION"), Level.FAIL, "waits for its validation"),
        (CERTIFICATE, certificate("EXPIRED"), Level.FAIL, "is EXPIRED, not ISSUED"),
        (CERTIFICATE, refused("ResourceNotFoundException"), Level.FAIL, "there is no certificate"),
        (
            CERTIFICATE.replace("eu-central", "us-east"),
            None,
            Level.FAIL,
            "is in us-east-1, the stack in eu-c",
        ),
    ],
)
def test_the_certificate(case: Case, arn: str, answer: Any, level: Level, told: str) -> None:
    case.configure(api__certificate_arn=arn, api__domain_name=HOST)
    pretend(case, "acm", describe_certificate=answer)
    found = find(case, "certificate")
    assert (found.level, told in found.detail) == (level, True), found


@pytest.mark.parametrize(
    ("answer", "level", "told"),
    [
        ({"HostedZone": {"Name": "deployer.test."}}, Level.OK, "is in the zone deployer.test"),
        ({"HostedZone": {"Name": "other.test."}}, Level.FAIL, "is not in the zone other.test"),
        (
            {"HostedZone": {"Name": "deployer.test.", "Config": {"PrivateZone": True}}},
            Level.FAIL,
            "is private",
        ),
        (refused("NoSuchHostedZone"), Level.FAIL, "there is no hosted zone Z1"),
    ],
)
def test_the_zone(case: Case, answer: Any, level: Level, told: str) -> None:
    case.configure(api__hosted_zone_id="Z1", api__domain_name=HOST)
    pretend(case, "route53", get_hosted_zone=answer)
    found = find(case, "hosted-zone")
    assert (found.level, told in found.detail) == (level, True), found


def test_what_is_named_as_existing_is_there(case: Case) -> None:
    of_account(case)
    case.configure(
        stage__permissions_boundary="edge",
        stage__alarm_topic_arn=TOPIC,
        stage__table_key_arn=KEY,
        stage__envelope_key_arn=KEY,
    )
    iam = pretend(case, "iam", get_policy={})
    pretend(case, "sns", get_topic_attributes={})
    pretend(case, "kms", describe_key={"KeyMetadata": {"KeyState": "Enabled"}})
    assert find(case, "existing").level is Level.OK
    assert iam.asked == [("get_policy", {"PolicyArn": "arn:aws:iam::123456789012:policy/edge"})]
    pretend(case, "iam", get_policy=refused("NoSuchEntity"))
    pretend(case, "sns", get_topic_attributes=refused("NotFound"))
    pretend(case, "kms", describe_key={"KeyMetadata": {"KeyState": "PendingDeletion"}})
    told = find(case, "existing").detail
    assert "there is no policy arn:aws:iam::123456789012:policy/edge" in told
    assert f"there is no topic {TOPIC}" in told
    assert "[stage] table_key_arn: the key is PendingDeletion; [stage] envelope_key_arn" in told


def test_a_topic_of_another_region(case: Case) -> None:
    case.configure(stage__alarm_topic_arn=TOPIC.replace("eu-central", "us-east"))
    assert find(case, "existing").detail == "the topic is in us-east-1, the stack in eu-central-1"


def stacks(status: str | None) -> Any:
    if status is None:
        return refused("ValidationError", "DescribeStacks")
    return {"Stacks": [{"StackStatus": status}]}


@pytest.mark.parametrize(
    ("status", "level", "told"),
    [
        (None, Level.OK, "there is no Onramp-dev yet"),
        ("UPDATE_COMPLETE", Level.OK, "will be a change"),
        ("REVIEW_IN_PROGRESS", Level.OK, "stands"),
        ("ROLLBACK_COMPLETE", Level.FAIL, "nothing can be deployed to it"),
        ("UPDATE_IN_PROGRESS", Level.WARN, "is being changed"),
    ],
)
def test_a_stack_of_that_name(case: Case, status: str | None, level: Level, told: str) -> None:
    pretend(case, "cloudformation", describe_stacks=stacks(status))
    found = find(case, "former-stack")
    assert (found.level, told in found.detail) == (level, True), found


def test_names_that_something_else_has_taken(case: Case) -> None:
    pretend(case, "cloudformation", describe_stacks=stacks(None))
    pretend(case, "events", describe_event_bus=refused("ResourceNotFoundException"))
    assert find(case, "left-over").level is Level.OK
    case.stage.aws.sqs.create_queue(QueueName="Onramp-dev-jobs")
    pretend(case, "events", describe_event_bus={"Name": "Onramp-dev"})
    found = find(case, "left-over")
    assert found.detail == (
        "there is a queue Onramp-dev-jobs without a stack; there is an event bus Onramp-dev without a stack"
    )
    pretend(case, "cloudformation", describe_stacks=stacks("CREATE_COMPLETE"))
    assert find(case, "left-over").level is Level.OK


def test_mistakes_of_the_file_are_told(case: Case) -> None:
    assert find(case, "configuration").level is Level.OK
    case.configure(partner__partner_id="examplePA", meta__app_id="app")
    found = find(case, "configuration")
    assert "partner.partner_id" in found.detail
    assert "meta.app_id" in found.detail


@pytest.mark.parametrize("name", [check.name for check in CHECKS if check.name != "configuration"])
def test_a_local_run_needs_no_account(case: Case, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ops.stage.configuration.Values.is_local", True)
    assert find(case, name).level is Level.OK


@pytest.fixture
def several(case: Case) -> Case:
    """A stage that stands and gets two more hubs; its secret has what one of them needs."""
    own = {"solution_id": "323456789012345"}
    hubs = {"emea": {"partner_id": "emeaPA", **own}, "apac": {"partner_id": "apacPA", **own}}
    case.stage.values = Values(place="dev.toml", stage="dev", raw={**case.stage.values.raw, "hubs": hubs})
    case.stage.hubs = {name: PartnerDesk(case.stage, name) for name in hubs}
    outputs, case.stage.outputs = case.stage.outputs, {}
    told = [{"OutputKey": name, "OutputValue": value} for name, value in outputs.items()]
    stack = {"Stacks": [{"StackStatus": "CREATE_COMPLETE", "Outputs": told}]}
    pretend(case, "cloudformation", describe_stacks=stack)
    case.put_secret(
        SECRET | {"partner_api_key@emea": KEY_OF_HUB, "platform_secrets@emea": ["emea-platform-1"]}
    )
    return case


KEY_OF_HUB = "canary-emea-key-1a2b3c"
PARTNERS = HUB.rpartition("/")[0]


def test_each_hub_is_looked_at_by_itself(several: Case) -> None:
    several.web.on("GET", f"{PARTNERS}/emeaPA/webhook_url", body={"webhook_url": None})
    found = find(several, "hubs")
    assert (found.level, found.detail) == (
        Level.FAIL,
        "apac: partner_api_key@apac is missing; platform_secrets@apac is missing",
    )
    assert "onramp secret set partner_api_key@apac platform_secrets@apac --stage dev" in found.advice
    [request] = several.web.requests
    assert request.headers["x-api-key"] == KEY_OF_HUB


def test_a_hub_whose_key_is_refused(several: Case) -> None:
    several.put_secret(
        SECRET
        | {f"partner_api_key@{name}": f"{KEY_OF_HUB}-{name}" for name in ("emea", "apac")}
        | {f"platform_secrets@{name}": [f"{name}-platform-1"] for name in ("emea", "apac")}
    )
    several.web.on("GET", f"{PARTNERS}/emeaPA/webhook_url", body={"webhook_url": None})
    several.web.on("GET", f"{PARTNERS}/apacPA/webhook_url", 401)
    found = find(several, "hubs")
    assert (found.level, found.detail) == (Level.FAIL, "apac: 360dialog refuses the key (401)")
    assert "as partner_api_key@apac" in found.advice
    several.stage.hubs = {"emea": PartnerDesk(several.stage, "emea")}
    assert find(several, "hubs").detail == "secret and key are right of emea"


def test_hubs_of_a_secret_without_a_value_or_of_a_stage_to_come(several: Case) -> None:
    several.put_secret("no JSON")
    assert find(several, "hubs").detail == "the secret is no JSON object"
    pretend(several, "cloudformation", describe_stacks=stacks(None))
    assert find(several, "hubs").level is Level.OK
    assert not several.web.requests


def test_a_stage_with_one_hub_asks_nobody(case: Case) -> None:
    assert find(case, "hubs").detail == "[partner] is the only hub"
    assert not case.web.requests


def test_a_check_that_may_not_look_is_a_warning(case: Case) -> None:
    denied: Callable[[Any], Any] | Exception = refused("AccessDenied", "GetCallerIdentity")
    pretend(case, "sts", get_caller_identity=denied)
    assert find(case, "account").level is Level.WARN
