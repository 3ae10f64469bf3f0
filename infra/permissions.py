"""Who may do what: the policy statements made of the grants on each function's card.

Nothing else in the stack grants a function anything.
"""

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType

import aws_cdk as cdk
from aws_cdk import aws_iam as iam

from infra.cards import CARDS
from infra.grants import BELONGS_TO, Feature, Grant, Resource

# Why a statement of a function names every resource. No others do.
WILDCARD_REASONS: Mapping[str, str] = MappingProxyType(
    {
        "xray:PutTelemetryRecords": "X-Ray knows no resources; only with tracing switched on",
        "xray:PutTraceSegments": "X-Ray knows no resources; only with tracing switched on",
    }
)
TRACING_ACTIONS = tuple(sorted(WILDCARD_REASONS))
# The table's key, as far as a service of AWS's uses it in the function's name.
_USED_BY: Mapping[Resource, str] = MappingProxyType({"table_key": "dynamodb", "bodies_key": "s3"})
LOG_ACTIONS = ("logs:CreateLogStream", "logs:PutLogEvents")


def statements_of(
    *,
    function: str,
    arns: Mapping[Resource, str | Sequence[str]],
    features: Collection[Feature],
    log_group_arn: str,
    tracing: bool,
) -> Sequence[iam.PolicyStatement]:
    """The policy statements of one function.

    Args:
        function: whose.
        arns: the resources' ARNs.
        features: what the configuration has; rights for what it has not are left out.
        log_group_arn: the function's own log group, as CloudFormation gives it (ending in ``:*``).
        tracing: whether the function sends traces.
    """
    statements = [
        _statement(grant, arns[grant.resource])
        for grant in CARDS[function].grants
        if grant.needs is None or grant.needs in features
    ]
    statements.append(iam.PolicyStatement(actions=list(LOG_ACTIONS), resources=[log_group_arn]))
    if tracing:
        statements.append(iam.PolicyStatement(actions=list(TRACING_ACTIONS), resources=["*"]))
    return statements


def _statement(grant: Grant, arns: str | Sequence[str]) -> iam.PolicyStatement:
    return iam.PolicyStatement(
        actions=sorted(grant.actions),
        resources=[arns] if isinstance(arns, str) else list(arns),
        conditions=_conditions(grant) or None,
    )


def _conditions(grant: Grant) -> dict[str, dict[str, str | list[str]]]:
    if service := _USED_BY.get(grant.resource):
        return {"StringEquals": {"kms:ViaService": f"{service}.{cdk.Aws.REGION}.amazonaws.com"}}
    if grant.purpose is None:
        return {}
    whose = BELONGS_TO[grant.purpose]
    return {
        "StringEquals": {"kms:EncryptionContext:purpose": grant.purpose},
        # Nothing is encrypted, or opened, without saying whose it is …
        "Null": {f"kms:EncryptionContext:{key}": "false" for key in whose},
        # … and under no context but the one the functions write.
        "ForAllValues:StringEquals": {"kms:EncryptionContextKeys": sorted(("purpose", *whose))},
    }
