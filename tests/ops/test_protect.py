"""`onramp protect`, and the doctor's question for it."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from ops.doctor.findings import Level
from ops.stage.aws import StackFacts
from tests.ops.conftest import TABLE, Case, Desk, pretend, refused

POOL = "eu-central-1_AbCdEfGhI"


class Pool:
    """A user pool that forgets whatever an update leaves out, as Cognito does."""

    def __init__(self, *, takes_factors: bool = True) -> None:
        self.takes_factors = takes_factors
        self.factors: dict[str, Any] = {
            "MfaConfiguration": "OPTIONAL",
            "SoftwareTokenMfaConfiguration": {"Enabled": True},
        }
        self.settings: dict[str, Any] = {
            "Policies": {"PasswordPolicy": {"MinimumLength": 12, "TemporaryPasswordValidityDays": 3}},
            "AdminCreateUserConfig": {"AllowAdminCreateUserOnly": True, "UnusedAccountValidityDays": 3},
            "MfaConfiguration": "OPTIONAL",
        }
        self.protection = "INACTIVE"

    def describe(self, _: Any) -> Any:
        told = {
            "Id": POOL,
            "Name": "users",
            "DeletionProtection": self.protection,
            "EstimatedNumberOfUsers": 4,
        }
        return {"UserPool": self.settings | told}

    def update(self, request: dict[str, Any]) -> Any:
        if "MfaConfiguration" in request and not self.takes_factors:
            raise refused("InvalidParameterException", "UpdateUserPool")
        assert "UnusedAccountValidityDays" not in request["AdminCreateUserConfig"]
        self.protection = request.pop("DeletionProtection", "INACTIVE")
        assert request.pop("UserPoolId") == POOL
        if "MfaConfiguration" not in request:
            self.factors = {"MfaConfiguration": "OFF"}
        self.settings = request
        return {}

    def set_factors(self, request: dict[str, Any]) -> Any:
        assert request.pop("UserPoolId") == POOL
        self.factors = request
        return {}


@pytest.fixture
def stack(case: Case) -> dict[str, bool]:
    """A stack with a table, whose own protection can be turned."""
    state = {"on": False}

    def turn(request: dict[str, Any]) -> Any:
        assert request["StackName"] == "Onramp-dev"
        state["on"] = request["EnableTerminationProtection"]
        case.stage.stack = StackFacts(status="CREATE_COMPLETE", outputs={}, protected=state["on"])
        return {}

    pretend(case, "cloudformation", update_termination_protection=turn, list_stack_resources=resources())
    return state


def resources(**kinds: str) -> Any:
    return {
        "StackResourceSummaries": [
            {
                "ResourceType": f"AWS::{kind.replace('__', '::')}",
                "LogicalResourceId": kind,
                "PhysicalResourceId": name,
            }
            for kind, name in kinds.items()
        ]
    }


def pool_of(case: Case, pool: Pool) -> Any:
    import boto3  # noqa: PLC0415 - only its model of the service is used

    client = pretend(
        case,
        "cognito-idp",
        describe_user_pool=pool.describe,
        update_user_pool=pool.update,
        get_user_pool_mfa_config=lambda _: dict(pool.factors),
        set_user_pool_mfa_config=pool.set_factors,
    )
    client.__dict__["meta"] = boto3.client("cognito-idp", region_name="eu-central-1").meta
    case.stage.aws._clients["cloudformation"].answers["list_stack_resources"] = resources(
        Cognito__UserPool=POOL
    )
    return client


def is_table_protected(case: Case) -> bool:
    described: Any = case.stage.aws.dynamodb.describe_table(TableName=TABLE)["Table"]
    return bool(described["DeletionProtectionEnabled"])


def test_table_and_stack_are_locked_and_a_second_time_nothing_changes(
    desk: Desk, case: Case, stack: dict[str, bool]
) -> None:
    assert desk.run("protect") == 0
    assert (is_table_protected(case), stack["on"]) == (True, True)
    assert desk.run("protect") == 0
    assert desk.out.count("as before") == 2


def test_unlocking_asks_first(desk: Desk, case: Case, stack: dict[str, bool]) -> None:
    desk.run("protect")
    assert desk.run("protect", "--off") == 2
    assert "nobody is there to be asked" in desk.err
    assert is_table_protected(case)
    desk.person = True
    assert desk.run("protect", "--off", given="no\n") == 2
    assert desk.run("protect", "--off", given="dev\n") == 0
    assert (is_table_protected(case), stack["on"]) == (False, False)


@pytest.mark.parametrize("takes_factors", [True, False])
def test_a_user_pool_keeps_everything_but_its_protection(
    desk: Desk, case: Case, stack: dict[str, bool], takes_factors: bool
) -> None:
    pool = Pool(takes_factors=takes_factors)
    factors, policies = dict(pool.factors), pool.settings["Policies"]
    pool_of(case, pool)
    assert desk.run("protect") == 0
    assert (pool.protection, pool.settings["Policies"], pool.factors) == ("ACTIVE", policies, factors)
    assert "EstimatedNumberOfUsers" not in pool.settings
    assert stack["on"]


def test_a_refusal_is_told_in_one_line(desk: Desk, case: Case, stack: dict[str, bool]) -> None:
    pretend(case, "dynamodb", describe_table=refused("AccessDeniedException", "DescribeTable"))
    assert desk.run("protect", "--json") == 1
    assert desk.err == "onramp protect: AWS refuses DescribeTable (AccessDeniedException)\n"


# --- the doctor ------------------------------------------------------------------------------------------


def test_the_doctor_asks_for_it(case: Case, stack: dict[str, bool]) -> None:
    pool_of(case, Pool())
    found = case.find("protection")
    assert (found.level, found.detail) == (
        Level.WARN,
        "not protected against deletion: the table, the user pool, the stack",
    )
    assert "onramp protect --stage dev" in found.advice


def test_the_doctor_is_content_with_it(desk: Desk, case: Case, stack: dict[str, bool]) -> None:
    desk.run("protect")
    assert "set protected = true under [stage] in config/dev.toml" in desk.err
    found = case.find("protection")
    assert (found.level, "until the next deployment" in found.detail) == (Level.WARN, True)
    case.configure(stage__protected=True)
    assert case.find("protection").level is Level.OK
    desk.run("protect")
    assert not desk.err


def test_what_is_not_to_be_kept_needs_none(case: Case) -> None:
    case.configure(stage__removal="destroy")
    assert case.find("protection").level is Level.OK


def test_a_role_that_may_not_look_is_a_warning(case: Case, stack: dict[str, bool]) -> None:
    error: ClientError = refused("AccessDeniedException", "DescribeTable")
    pretend(case, "dynamodb", describe_table=error)
    assert case.find("protection").level is Level.WARN
