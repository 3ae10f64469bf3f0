"""The stack itself, the configuration file, and whether the two are of one mind."""

from collections.abc import Iterator
from typing import Any, Final

from infra.cards import cards_with
from infra.config import DeploymentConfig
from infra.environment import ResourceNames, environment_of
from ops.doctor.checks.queues import OUTPUTS as QUEUES
from ops.doctor.findings import Finding, fail, skipped, together, warn
from ops.doctor.stage import Stage
from ops.stage.aws import DeployedFunction

OUTPUTS: Final = (
    "ApiUrl",
    "ApiId",
    "WebhookUrl",
    "TableName",
    *QUEUES.values(),
    "SecretArn",
    "EnvelopeKeyArn",
    "BusName",
)
HAVE_CHECKS: Final = (
    "partner.solution_id",
    "meta.config_id",
    "meta.graph_version",
    "api.allowed_origins",
    "api.jwt_issuer",
    "messaging.webhook_url",
)
"""Values with a check of their own: `configuration` leaves them to it."""
_GOOD: Final = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE")
_REDEPLOY: Final = "Run `cdk deploy` for this stage."
_OURS: Final = "deployed"


def stack(stage: Stage) -> Finding:
    """Status and outputs of the stack."""
    return together(
        _stack_problems(stage), f"{stage.stack_name} stands, all {len(OUTPUTS)} outputs are there"
    )


def _stack_problems(stage: Stage) -> Iterator[Finding]:
    if missing := [name for name in OUTPUTS if not stage.outputs.get(name)]:
        yield fail(
            f"outputs missing: {', '.join(missing)}",
            "The stack is of another version than this program, or the outputs are not its: deploy again.",
        )
    if stage.stack is None:
        return
    status = stage.stack.status
    if status.endswith("_IN_PROGRESS") and "CLEANUP" not in status:
        yield warn(
            f"{stage.stack_name} is being changed ({status})", "Wait for the deployment, then run this again."
        )
    elif not status.startswith(_GOOD):
        yield fail(
            f"{stage.stack_name} is in the state {status}",
            "Look at the stack's events for the first failure, mend it, and deploy again.",
        )


def configuration(stage: Stage) -> Finding:
    """The configuration file as the deployment reads it, less the values that have a check of their own."""
    values = stage.values
    findings = [
        fail(f"{name}: {why}", f"Mend {values.place}; config/example.toml explains every value.")
        for name, why in values.problems()
        if not name.startswith(HAVE_CHECKS)
    ]
    return together(findings, f"{values.place} can be used")


def deployed_settings(stage: Stage) -> Finding:
    """What the functions and the authorizer were deployed with, compared with the configuration file."""
    if stage.values.is_local:
        return skipped("a local run gives its functions values of its own")
    config = stage.values.checked()
    if config is None:
        return skipped("needs a configuration that can be used: see the check `configuration`")
    functions = stage.functions()
    different = _different(config, functions)
    findings = [
        fail(f"the stack has no function {name}", _REDEPLOY)
        for name in cards_with(config.features)
        if name not in functions
    ]
    findings += [
        warn(f"{variable} of {', '.join(names)} is not what {stage.values.place} says", _REDEPLOY)
        for variable, names in sorted(different.items())
    ]
    findings += _authorizer_problems(stage, config)
    return together(findings, f"the {len(functions)} functions run with the values of {stage.values.place}")


def _different(config: DeploymentConfig, functions: dict[str, DeployedFunction]) -> dict[str, list[str]]:
    # Names of resources are the deployment's own: put in the same word everywhere, they are left out.
    own = ResourceNames(**dict.fromkeys(ResourceNames.__dataclass_fields__, _OURS))
    found: dict[str, list[str]] = {}
    for name, function in functions.items():
        expected = environment_of(function=name, config=config, resources=own)
        for variable, value in expected.items():
            if value != _OURS and function.environment.get(variable) != value:
                found.setdefault(variable, []).append(name)
    return found


def _authorizer_problems(stage: Stage, config: DeploymentConfig) -> Iterator[Finding]:
    if config.api.jwt_issuer is None:
        return
    for settings in jwt_settings(stage):
        if settings.get("Issuer") != config.api.jwt_issuer:
            yield warn(f"the API trusts another issuer than {stage.values.place} names", _REDEPLOY)
        if set(settings.get("Audience", [])) != set(config.api.jwt_audience):
            yield warn(f"the API wants another audience than {stage.values.place} names", _REDEPLOY)


def jwt_settings(stage: Stage) -> list[dict[str, Any]]:
    """Issuer and audience of the API's JWT authorizers, as deployed. Raises botocore's errors."""
    found = stage.aws.apis.get_authorizers(ApiId=stage.output("ApiId")).get("Items", [])
    return [dict(item["JwtConfiguration"]) for item in found if item.get("JwtConfiguration")]
