"""What a local run changes in a synthesized template, and what it reads from one.

The stack is synthesized once with stand-in addresses and kept; each run picks free ports,
so the addresses are put in just before deploying. Everything here is pure.
"""

import copy
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

type Json = dict[str, Any]

_ALARM = "AWS::CloudWatch::Alarm"
_WATCHING = "AWS::CloudWatch::"
_API = "AWS::ApiGatewayV2::Api"
_AUTHORIZER = "AWS::ApiGatewayV2::Authorizer"
_FUNCTION = "AWS::Lambda::Function"
_QUEUE_SOURCE = "AWS::Lambda::EventSourceMapping"

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
