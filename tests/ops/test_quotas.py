"""Quotas that a first deployment can meet: told before it, each in a sentence, whatever may not be read."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from infra.cards import CARDS
from ops.doctor.findings import Finding, Level
from ops.doctor.runner import run_one
from ops.preflight.quotas import CHECKS, LOG_DELIVERY, QUOTAS, ROLES
from tests.infra.conftest import synthesize
from tests.ops.conftest import Case, pretend, refused


def find(case: Case, name: str) -> Finding:
    [check] = [check for check in CHECKS if check.name == f"quota-{name}"]
    return run_one(case.stage, check).finding


def new_stage(case: Case, **more: Any) -> None:
    pretend(case, "cloudformation", describe_stacks=refused("ValidationError", "DescribeStacks"), **more)


def quota(case: Case, value: float) -> Any:
    return pretend(case, "service-quotas", get_service_quota={"Quota": {"Value": value}})


def test_a_quota_that_is_used_up_is_told_with_its_code(case: Case) -> None:
    new_stage(case)
    asked = quota(case, 3.0)
    pretend(case, "events", list_event_buses={"EventBuses": [{}, {}, {}]})
    found = find(case, "event-buses")
    assert found.level is Level.FAIL
    assert found.detail == "3 of 3 event buses are in use: the stack needs 1 more"
    assert found.advice == "Delete what is not needed, or ask for more (Service Quotas, events, L-658A4FD9)."
    assert asked.asked == [("get_service_quota", {"ServiceCode": "events", "QuotaCode": "L-658A4FD9"})]


def test_a_quota_with_room_says_how_much(case: Case) -> None:
    new_stage(case)
    quota(case, 4.0)
    pretend(case, "events", list_event_buses={"EventBuses": [{}, {}, {}]})
    found = find(case, "event-buses")
    assert (found.level, found.detail) == (Level.OK, "3 of 4 event buses are in use")


def test_a_list_is_counted_to_its_end(case: Case) -> None:
    def page(request: Mapping[str, str]) -> Any:
        return {"Rules": [{}] * 100} | ({} if request else {"NextToken": "more"})

    new_stage(case)
    quota(case, 202.0)
    pretend(case, "events", list_rules=page)
    found = find(case, "rules")
    assert (found.level, "200 of 202 rules" in found.detail) == (Level.FAIL, True), found


@pytest.mark.parametrize("why", ["AccessDeniedException", "NoSuchResourceException"])
def test_without_service_quotas_the_default_is_taken_and_said(case: Case, why: str) -> None:
    new_stage(case)
    pretend(case, "service-quotas", get_service_quota=refused(why))
    pretend(case, "dynamodb", list_tables={"TableNames": ["t"] * 2_500})
    found = find(case, "tables")
    assert found.level is Level.WARN
    assert found.detail.startswith("2500 of 2500 DynamoDB tables are in use, if the quota is AWS's default")
    pretend(case, "dynamodb", list_tables={"TableNames": ["t"]})
    assert find(case, "tables").level is Level.OK


def test_stacks_that_are_gone_do_not_count(case: Case) -> None:
    listed = [{"StackStatus": "DELETE_COMPLETE"}, {"StackStatus": "CREATE_COMPLETE"}]
    new_stage(case, list_stacks={"StackSummaries": listed})
    quota(case, 2.0)
    assert find(case, "stacks").detail == "1 of 2 CloudFormation stacks are in use"


def test_apis_are_counted_against_the_default(case: Case) -> None:
    new_stage(case)
    pretend(case, "apigatewayv2", get_apis={"Items": [{}] * 600})
    assert find(case, "apis").level is Level.WARN


def test_a_user_pool_counts_only_when_the_stack_makes_one(case: Case) -> None:
    new_stage(case)
    quota(case, 1.0)
    pretend(case, "cognito-idp", list_user_pools={"UserPools": [{}]})
    assert find(case, "user-pools").detail == "the stack makes no user pool"
    case.configure(api__jwt_issuer=None)
    assert find(case, "user-pools").level is Level.FAIL


@pytest.mark.parametrize(("used", "level"), [(1000 - ROLES, Level.OK), (1001 - ROLES, Level.FAIL)])
def test_iam_says_itself_how_many_roles_there_may_be(case: Case, used: int, level: Level) -> None:
    new_stage(case)
    pretend(case, "iam", get_account_summary={"SummaryMap": {"Roles": used, "RolesQuota": 1000}})
    found = find(case, "roles")
    assert (found.level, f"{used} of 1000 roles" in found.detail) == (level, True), found


@pytest.mark.parametrize(
    ("policies", "level", "told"),
    [
        ([], Level.OK, "has room"),
        ([("other", "{}")] * 10, Level.OK, "has room"),
        ([(f"other-{at}", "{}") for at in range(10)], Level.FAIL, "all 10 resource policies"),
        ([(LOG_DELIVERY, "{}"), *((f"other-{at}", "{}") for at in range(9))], Level.OK, "has room"),
        ([(LOG_DELIVERY, "x" * 5_000)], Level.FAIL, "is full (5000 characters)"),
    ],
)
def test_the_access_log_needs_room_in_a_policy(
    case: Case, policies: list[tuple[str, str]], level: Level, told: str
) -> None:
    new_stage(case)
    listed = [{"policyName": name, "policyDocument": text} for name, text in policies]

    def page(request: Mapping[str, str]) -> Any:
        if request:
            return {"resourcePolicies": listed[5:]}
        return {"resourcePolicies": listed[:5], "nextToken": "more"}

    pretend(case, "logs", describe_resource_policies=page)
    found = find(case, "log-policies")
    assert (found.level, told in found.detail) == (level, True), found


def may_not(case: Case) -> None:
    new_stage(case, list_stacks=refused("AccessDenied", "ListStacks"))
    quota(case, 10.0)
    denied: Callable[[str], Any] = lambda operation: refused("AccessDeniedException", operation)  # noqa: E731
    pretend(case, "events", list_event_buses=denied("ListEventBuses"), list_rules=denied("ListRules"))
    pretend(case, "dynamodb", list_tables=denied("ListTables"))
    pretend(case, "apigatewayv2", get_apis=denied("GetApis"))
    pretend(case, "cognito-idp", list_user_pools=denied("ListUserPools"))
    pretend(case, "iam", get_account_summary=denied("GetAccountSummary"))
    pretend(case, "logs", describe_resource_policies=denied("DescribeResourcePolicies"))


@pytest.mark.parametrize("name", [check.name.removeprefix("quota-") for check in CHECKS])
def test_what_may_not_be_counted_is_a_warning(case: Case, name: str) -> None:
    may_not(case)
    case.configure(api__jwt_issuer=None)
    found = find(case, name)
    assert (found.level, "your AWS credentials may not" in found.detail) == (Level.WARN, True), found


@pytest.mark.parametrize("name", [check.name.removeprefix("quota-") for check in CHECKS])
def test_a_stack_that_stands_needs_no_more(case: Case, name: str) -> None:
    may_not(case)
    pretend(case, "cloudformation", describe_stacks={"Stacks": [{"StackStatus": "CREATE_COMPLETE"}]})
    assert find(case, name).level is Level.OK


def test_what_the_stack_needs_is_what_it_makes(tmp_path: Path) -> None:
    kinds = [one["Type"] for one in synthesize("example", tmp_path)["Resources"].values()]
    made = {
        "event-buses": "AWS::Events::EventBus",
        "rules": "AWS::Events::Rule",
        "tables": "AWS::DynamoDB::Table",
        "apis": "AWS::ApiGatewayV2::Api",
    }
    needed = {one.name: one.needs for one in QUOTAS if one.name in made}
    assert needed == {name: kinds.count(kind) for name, kind in made.items()}
    # The template has all there may be: relay and notifications, too.
    assert kinds.count("AWS::IAM::Role") == len(CARDS) <= ROLES
