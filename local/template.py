"""What a local run changes in a synthesized template, and what it reads from one.

The stack is synthesized once with stand-in addresses and kept; each run picks free ports,
so the addresses are put in just before deploying. Everything here is pure.
"""

import copy
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

type Json = dict[str, Any]

_ALARM = "AWS::CloudWatch::Alarm"
_WATCHING = "AWS::CloudWatch::"
_API = "AWS::ApiGatewayV2::Api"
_AUTHORIZER = "AWS::ApiGatewayV2::Authorizer"
_FUNCTION = "AWS::Lambda::Function"
_QUEUE_SOURCE = "AWS::Lambda::EventSourceMapping"
_LOG_GROUP = "AWS::Logs::LogGroup"
_RESOURCE_POLICIES = ("AWS::SQS::QueuePolicy", "AWS::S3::BucketPolicy")
_ROLE = "AWS::IAM::Role"
_SECRET = "AWS::SecretsManager::Secret"

_IN_CLEAR = {"Bool": {"aws:SecureTransport": "false"}}
_CONTEXT_KEY = "kms:EncryptionContext:"
_SEND = "sqs:SendMessage"

LEAST_CONCURRENCY = 2
"""The smallest ``MaximumConcurrency`` that AWS takes for a queue."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlay:
    """The values of one run.

    Attributes:
        environment: Variables of functions. Each replaces a variable of that name where a
            function has one, and is given to no function that has none.
        jwt_issuer: Issuer of the JWT authorizer; None leaves the template's.
        jwt_audience: Audience of the JWT authorizer; empty leaves the template's.
        queue_concurrency: Upper bound for the workers of each queue. Every worker is a
            process of its own here, of 50 MB or more.
    """

    environment: Mapping[str, str] = field(default_factory=dict)
    jwt_issuer: str | None = None
    jwt_audience: tuple[str, ...] = ()
    queue_concurrency: int = LEAST_CONCURRENCY


def with_overlay(template: Json, overlay: Overlay) -> Json:
    """Gives a copy of a template that holds the values of a run.

    Args:
        template: A CloudFormation template as parsed from JSON; stays unchanged.
        overlay: The values.

    Returns:
        The changed copy.
    """
    changed = copy.deepcopy(template)
    for function in _of_type(changed, _FUNCTION):
        variables = function.get("Environment", {}).get("Variables", {})
        variables |= {name: value for name, value in overlay.environment.items() if name in variables}
    for authorizer in _of_type(changed, _AUTHORIZER):
        _set_jwt(authorizer.get("JwtConfiguration", {}), overlay)
    for source in _of_type(changed, _QUEUE_SOURCE):
        scaling = source.get("ScalingConfig", {})
        if "MaximumConcurrency" in scaling:
            scaling["MaximumConcurrency"] = min(scaling["MaximumConcurrency"], overlay.queue_concurrency)
    return changed


def without_metric_math(template: Json) -> Json:
    """Gives a copy of a template without what the emulator cannot make: alarms on metric math.

    Nothing evaluates alarms there, so nothing is lost. Dashboards, composite alarms and outputs
    that speak of such an alarm go with it.

    Args:
        template: A CloudFormation template as parsed from JSON; stays unchanged.

    Returns:
        The smaller copy.
    """
    changed = copy.deepcopy(template)
    resources: Json = changed.get("Resources", {})
    gone = {
        name
        for name, resource in resources.items()
        if resource.get("Type") == _ALARM and "Metrics" in resource.get("Properties", {})
    }
    gone |= {
        name
        for name, resource in resources.items()
        if resource.get("Type", "").startswith(_WATCHING) and _speaks_of(resource, gone)
    }
    for name in gone:
        del resources[name]
    outputs: Json = changed.get("Outputs", {})
    for name in [name for name, output in outputs.items() if _speaks_of(output, gone)]:
        del outputs[name]
    return changed


def with_secret_arns(template: Json) -> Json:
    """Gives a copy of a template in which every ``Ref`` of a secret is the secret's ARN, as it is on AWS.

    The emulator makes a name of it, which fits no policy; the attribute ``Id`` is the ARN on both.

    Args:
        template: A CloudFormation template as parsed from JSON; stays unchanged.

    Returns:
        The changed copy.
    """
    resources: Json = template.get("Resources", {})
    secrets = {name for name, resource in resources.items() if resource.get("Type") == _SECRET}

    def mended(part: Any) -> Any:  # noqa: ANN401 - any part of a template
        match part:
            case {"Ref": name} if name in secrets:
                return {"Fn::GetAtt": [name, "Id"]}
            case dict():
                return {key: mended(value) for key, value in part.items()}
            case list():
                return [mended(value) for value in part]
        return part

    changed: Json = mended(copy.deepcopy(template))
    return changed


def as_evaluated(template: Json) -> Json:
    """Gives a copy of a template whose policies the emulator's IAM can judge.

    With ``AUTH=true`` MiniStack 1.5 evaluates policies, but

    - it puts no ``kms:EncryptionContext:*`` keys into a request, so that a statement bound by them never
      allows anything: the conditions on these keys go from the functions' roles;
    - it listens on plain HTTP here, which the queues' policies deny: the statements that deny what comes in
      clear go from them;
    - it calls a log group by its ARN without the ``:*`` that AWS asks for: so do the roles then;
    - it asks for a right of its own to send messages in batches, which on AWS goes with the right to send.

    Nothing else changes. ``kms:EncryptionContextKeys`` stays, for a condition on all values holds when there
    are none. ``kms:ViaService`` stays: a direct call lacks it on AWS as well and is refused on both, and what
    DynamoDB itself does with the table's key is not judged here.

    Args:
        template: A CloudFormation template as parsed from JSON; stays unchanged.

    Returns:
        The changed copy.
    """
    changed = copy.deepcopy(template)
    groups = {n for n, r in changed.get("Resources", {}).items() if r.get("Type") == _LOG_GROUP}
    for role in _of_type(changed, _ROLE):
        for policy in role.get("Policies", []):
            for statement in policy["PolicyDocument"]["Statement"]:
                _drop_conditions(statement, lambda key: key.startswith(_CONTEXT_KEY))
                statement["Resource"] = _plain_log_group(statement["Resource"], groups)
                _allow_batches(statement)
    for policy in (policy for kind in _RESOURCE_POLICIES for policy in _of_type(changed, kind)):
        document = policy["PolicyDocument"]
        document["Statement"] = [s for s in document["Statement"] if not denies_clear(s)]
    return changed


def denies_clear(statement: Json) -> bool:
    """Tells whether a policy's statement denies exactly what comes without TLS."""
    return bool(statement["Effect"] == "Deny" and statement.get("Condition") == _IN_CLEAR)


def _plain_log_group(resource: Any, groups: set[str]) -> Any:  # noqa: ANN401 - any part of a template
    match resource:
        case {"Fn::GetAtt": [name, "Arn"]} if name in groups:
            prefix = "arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group:"
            return {"Fn::Sub": f"{prefix}${{{name}}}"}
    return resource


def _allow_batches(statement: Json) -> None:
    actions = statement.get("Action", [])
    actions = [actions] if isinstance(actions, str) else actions
    if _SEND in actions:
        statement["Action"] = [*actions, f"{_SEND}Batch"]


def _drop_conditions(statement: Json, unwanted: Callable[[str], bool]) -> None:
    """Takes the conditions on some keys out of a statement, and what is empty then."""
    kept = {
        operator: left
        for operator, keys in statement.pop("Condition", {}).items()
        if (left := {key: value for key, value in keys.items() if not unwanted(key)})
    }
    if kept:
        statement["Condition"] = kept


def cors_of(template: Json) -> Json | None:
    """Reads the CORS settings of the template's HTTP API.

    Args:
        template: A CloudFormation template.

    Returns:
        The ``CorsConfiguration``, or None when no API has one.
    """
    for api in _of_type(template, _API):
        if settings := api.get("CorsConfiguration"):
            return dict(settings)
    return None


def environment_names(template: Json) -> frozenset[str]:
    """Lists the names of all variables that any function of the template gets."""
    return frozenset(
        name
        for function in _of_type(template, _FUNCTION)
        for name in function.get("Environment", {}).get("Variables", {})
    )


def _speaks_of(part: Json, names: set[str]) -> bool:
    """Tells whether a part of a template refers to one of some resources."""
    text = json.dumps(part)
    return any(f'"{name}"' in text or f"${{{name}" in text for name in names)


def _of_type(template: Json, kind: str) -> Iterator[Json]:
    """Yields the properties of the resources of one type."""
    for resource in template.get("Resources", {}).values():
        if resource.get("Type") == kind:
            yield resource.setdefault("Properties", {})


def _set_jwt(settings: Json, overlay: Overlay) -> None:
    if overlay.jwt_issuer is not None:
        settings["Issuer"] = overlay.jwt_issuer
    if overlay.jwt_audience:
        settings["Audience"] = list(overlay.jwt_audience)
