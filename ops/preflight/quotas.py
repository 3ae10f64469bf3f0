"""Quotas of the account and region that a first deployment can meet, beside those of Lambda."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import ClientError

from infra.cards import CARDS
from ops.doctor.catalogue import Check
from ops.doctor.findings import Finding, fail, ok, warn
from ops.doctor.stage import Stage
from ops.preflight.asking import guarded, stands

_GONE: Final = "DELETE_COMPLETE"
LOG_POLICIES: Final = 10
"""Resource policies of CloudWatch Logs in a region; nobody can raise that."""
LOG_POLICY_LENGTH: Final = 5_120
LOG_DELIVERY: Final = "AWSLogDeliveryWrite20150319"
"""The policy to which AWS adds each log group that it shall write an access log into."""
_ONE_GROUP: Final = 250
"""Characters by which it grows, about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """A quota. `about` as it is told, `service` and `code` are its names in Service Quotas.

    `usual` is AWS's default, for those who may not read Service Quotas or where there is no code. `needs`:
    how many the stack makes.
    """

    name: str
    about: str
    used: Callable[[Stage], int]
    usual: int
    service: str
    code: str = ""
    needs: int = 1


def _event_buses(stage: Stage) -> int:
    return sum(map(len, _parts(stage.aws.events.list_event_buses, "EventBuses")))


def _rules(stage: Stage) -> int:
    return sum(map(len, _parts(stage.aws.events.list_rules, "Rules")))


def _apis(stage: Stage) -> int:
    return sum(map(len, _parts(stage.aws.apis.get_apis, "Items")))


def _parts(ask: Callable[..., Any], member: str, token: str = "NextToken") -> Iterator[list[Any]]:  # noqa: S107
    """A list, page by page, whether the library knows how to turn them or not; `token` names the next one."""
    answer = ask()
    yield answer[member]
    while following := answer.get(token):
        answer = ask(**{token: following})
        yield answer[member]


def _tables(stage: Stage) -> int:
    pages = stage.aws.dynamodb.get_paginator("list_tables").paginate()
    return sum(len(page["TableNames"]) for page in pages)


def _stacks(stage: Stage) -> int:
    pages = stage.aws.cloudformation.get_paginator("list_stacks").paginate()
    return sum(one["StackStatus"] != _GONE for page in pages for one in page["StackSummaries"])


def _pools(stage: Stage) -> int:
    pages = stage.aws.client("cognito-idp").get_paginator("list_user_pools").paginate(MaxResults=60)
    return sum(len(page["UserPools"]) for page in pages)


QUOTAS: Final = (
    Quota(
        name="event-buses",
        about="event buses",
        used=_event_buses,
        usual=100,
        service="events",
        code="L-658A4FD9",
    ),
    Quota(
        name="rules",
        about="rules of the default event bus",
        used=_rules,
        usual=300,
        service="events",
        code="L-244521F2",
        needs=4,
    ),
    Quota(
        name="tables",
        about="DynamoDB tables",
        used=_tables,
        usual=2_500,
        service="dynamodb",
        code="L-F98FE922",
    ),
    Quota(
        name="stacks",
        about="CloudFormation stacks",
        used=_stacks,
        usual=2_000,
        service="cloudformation",
        code="L-0485CB21",
    ),
    Quota(name="apis", about="HTTP and WebSocket APIs", used=_apis, usual=600, service="apigateway"),
)
USER_POOLS: Final = Quota(
    name="user-pools",
    about="Cognito user pools",
    used=_pools,
    usual=1_000,
    service="cognito-idp",
    code="L-66E6DF30",
)
ROLES: Final = len(CARDS)
"""Roles that the stack makes at most: one for each function."""


def _for_new(about: str, check: Callable[[Stage], Finding]) -> Callable[[Stage], Finding]:
    """A check of what only a first deployment needs."""

    def checked(stage: Stage) -> Finding:
        return ok(f"the stack stands: it has its {about}") if stands(stage) else check(stage)

    return guarded(checked)


def _left(quota: Quota) -> Callable[[Stage], Finding]:
    def check(stage: Stage) -> Finding:
        limit = _limit(stage, quota)
        return _room(
            quota.about,
            quota.used(stage),
            quota.usual if limit is None else limit,
            needs=quota.needs,
            where=f"Service Quotas, {quota.service}{f', {quota.code}' if quota.code else ''}",
            sure=limit is not None,
        )

    return check


def _room(about: str, used: int, limit: int, *, needs: int, where: str, sure: bool = True) -> Finding:
    """What is left of a quota. `sure`: AWS has said so, and not only its documentation."""
    told = f"{used} of {limit} {about} are in use" + ("" if sure else ", if the quota is AWS's default")
    if used + needs <= limit:
        return ok(told)
    finding = fail if sure else warn
    return finding(
        f"{told}: the stack needs {needs} more", f"Delete what is not needed, or ask for more ({where})."
    )


def _limit(stage: Stage, quota: Quota) -> int | None:
    """The account's own value, None when it cannot be learned: then the default has to do."""
    if not quota.code:
        return None
    try:
        answer: Any = stage.aws.client("service-quotas").get_service_quota(
            ServiceCode=quota.service, QuotaCode=quota.code
        )
        return int(answer["Quota"]["Value"])
    except (ClientError, KeyError):
        return None


def user_pools(stage: Stage) -> Finding:
    """The region's user pools, when the stack makes one."""
    if stage.values.text("api.jwt_issuer") or stage.values.text("api.user_pool_id"):
        return ok("the stack makes no user pool")
    return _left(USER_POOLS)(stage)


def roles(stage: Stage) -> Finding:
    """The account's roles, of all regions; IAM itself says how many there may be."""
    summary: Any = stage.aws.client("iam").get_account_summary()["SummaryMap"]
    return _room(
        "roles",
        int(summary["Roles"]),
        int(summary["RolesQuota"]),
        needs=ROLES,
        where="Service Quotas in us-east-1, iam, L-FE177D64",
    )


def log_policies(stage: Stage) -> Finding:
    """Room for the policy by which API Gateway may write its access log."""
    # CloudWatch Logs spells its tokens small.
    parts = _parts(stage.aws.client("logs").describe_resource_policies, "resourcePolicies", "nextToken")
    policies = {one["policyName"]: one.get("policyDocument", "") for part in parts for one in part}
    own = policies.get(LOG_DELIVERY)
    if own is None and len(policies) >= LOG_POLICIES:
        return fail(
            f"all {LOG_POLICIES} resource policies of CloudWatch Logs are in use: the access log needs one",
            "Delete one (`aws logs describe-resource-policies`): AWS raises this for nobody.",
        )
    if own is not None and len(own) + _ONE_GROUP > LOG_POLICY_LENGTH:
        return fail(
            f"the resource policy {LOG_DELIVERY} of CloudWatch Logs is full ({len(own)} characters)",
            "Take log groups out of it that are gone (`aws logs put-resource-policy`).",
        )
    return ok("the access log has room in the resource policies of CloudWatch Logs")


CHECKS: Final = (
    *(
        Check(f"quota-{quota.name}", f"there is room for {quota.about}", _for_new(quota.about, _left(quota)))
        for quota in QUOTAS
    ),
    Check("quota-user-pools", "there is room for a user pool", _for_new(USER_POOLS.about, user_pools)),
    Check("quota-roles", "there is room for the functions' roles", _for_new("roles", roles)),
    Check(
        "quota-log-policies",
        "API Gateway may be let write its access log",
        _for_new("access log", log_policies),
    ),
)
