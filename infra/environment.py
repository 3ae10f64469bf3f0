"""The environment of each function: the variables that its card names, each from one place.

A variable's value is one of the configuration, a name of the deployment's own, or the same for everybody.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from types import MappingProxyType
from typing import Any

from infra.cards import CARDS, cards_with
from infra.config import ConfigError, DeploymentConfig, FlowConfig
from infra.config_values import STANDARD_FLOW
from infra.metrics import NAMESPACE
from onramp import settings

CONFIGURED: Mapping[str, str] = MappingProxyType(
    {
        "STAGE": "stage.name",
        "META_APP_ID": "meta.app_id",
        "GRAPH_VERSION": "meta.graph_version",
        "GRAPH_BASE_URL": "meta.graph_base_url",
        "META_SDK_BASE_URL": "meta.sdk_base_url",
        "META_WEBHOOK": "meta_webhook.enabled",
        "META_DIALOG_BASE_URL": "meta.dialog_base_url",
        "TENANT_CLAIM": "api.tenant_claim",
        "PARTNER_ID": "partner.partner_id",
        "SOLUTION_ID": "partner.solution_id",
        "PARTNER_BASE_URL": "partner.base_url",
        "PARTNER_BUDGET_CALLS": "partner.budget_calls",
        "PARTNER_BUDGET_WINDOW_SECONDS": "partner.budget_window_seconds",
        "DEFAULT_PLAN_TIER": "partner.default_plan_tier",
        "PARTNER_WATCH_BALANCE": "partner.watch_balance",
        "RETRY_SCHEDULE_SECONDS": "partner.retry_schedule_seconds",
        "RECONCILE_AFTER_SECONDS": "partner.reconcile_after_seconds",
        "MESSAGING_BASE_URL": "messaging.base_url",
        "MESSAGING_WEBHOOK_URL": "messaging.webhook_url",
        "MESSAGING_WEBHOOK_HEADERS": "messaging.webhook_headers",
        "NUMBERS_MEND_KEYS": "numbers.mend_keys",
        "NUMBERS_MEND_WEBHOOKS": "numbers.mend_webhooks",
    }
)
"""The value of the configuration, as ``section.key``, that each of these variables carries."""


def signup_flows(config: DeploymentConfig) -> dict[str, dict[str, Any]]:
    """What the popup is opened with, by the flow's name; the solution is put in where it is a solution's."""
    standard = FlowConfig(config_id=config.meta.config_id, extras=config.meta.extras)
    return {
        name: {"config_id": flow.config_id, "extras": _extras(flow, config.partner.solution_id)}
        for name, flow in {STANDARD_FLOW: standard, **config.meta.flows}.items()
    }


def _extras(flow: FlowConfig, solution_id: str) -> dict[str, Any]:
    if not flow.solution:
        return dict(flow.extras)
    setup = flow.extras.get("setup")
    given = setup if isinstance(setup, dict) else {}
    return {**flow.extras, "setup": {**given, "solutionID": solution_id}}


def signup_page(config: DeploymentConfig) -> dict[str, object]:
    """Whose the signup looks like, for the page and for a browser module on other pages."""
    return config.page.model_dump(exclude={"enabled"})


def signup_links(config: DeploymentConfig) -> dict[str, object]:
    """What holds for signup links; who makes them, the gateway knows."""
    return config.links.model_dump(mode="json", exclude={"makers"})


def tenant_limits(config: DeploymentConfig) -> dict[str, object]:
    """What one tenant may have at once; a limit that is left out is left out."""
    return config.limits.model_dump(exclude_none=True)


def retention(config: DeploymentConfig) -> dict[str, object]:
    """After how many days the table forgets."""
    return config.retention.model_dump(exclude_none=True)


def redirect_uris(config: DeploymentConfig) -> list[str]:
    """The pages that a signup without a popup may come back to; no page is an empty list."""
    return list(config.meta.redirect_uris)


def relay(config: DeploymentConfig) -> dict[str, object]:
    """What is handed on of 360dialog's events, and to whom."""
    return config.relay.model_dump(mode="json", exclude={"bodies_kept_days"})


def notifications(config: DeploymentConfig) -> dict[str, object]:
    """Who hears of what happens to signups."""
    return config.notifications.model_dump(mode="json")


def hubs(config: DeploymentConfig) -> dict[str, dict[str, object]]:
    """The hubs beside the default one, by name; what they leave out is as with that."""
    names = {"default_plan_tier": "plan_tier", "budget_window_seconds": "budget_window"}
    return {
        name: {names.get(key, key): value for key, value in hub if value is not None}
        for name, hub in config.hubs.items()
    }


def messaging_webhooks(config: DeploymentConfig) -> dict[str, dict[str, Any]]:
    """The allow-list of messaging webhooks, and who is sent to one of them; nothing where there is none."""
    named = {name: webhook.model_dump(mode="json") for name, webhook in config.messaging.webhooks.items()}
    tenants = dict(config.messaging.tenants)
    return {"named": named, "tenants": tenants} if named else {}


@dataclass(frozen=True, slots=True)
class Made:
    """A variable made of several values: which of them may be large, and how."""

    of: str
    make: Callable[[DeploymentConfig], object]


MADE: Mapping[str, Made] = MappingProxyType(
    {
        "NOTIFICATIONS": Made("notifications.endpoints", notifications),
        "RELAY": Made("relay.targets", relay),
        "HUBS": Made("hubs", hubs),
        "MESSAGING_WEBHOOKS": Made("messaging.webhooks and messaging.tenants", messaging_webhooks),
        "META_REDIRECT_URIS": Made("meta.redirect_uris", redirect_uris),
        "RETENTION": Made("retention", retention),
        "SIGNUP_FLOWS": Made("meta.extras and meta.flows", signup_flows),
        "SIGNUP_LINKS": Made("links", signup_links),
        "SIGNUP_PAGE": Made("page", signup_page),
        "TENANT_LIMITS": Made("limits", tenant_limits),
    }
)
"""The variables that are made, as JSON: of more than one value, or of a list that may be empty."""

FIXED: Mapping[str, str] = MappingProxyType({"LOG_LEVEL": "INFO", "POWERTOOLS_METRICS_NAMESPACE": NAMESPACE})
"""What is the same for all functions and stages."""

OPTIONAL = frozenset({"HUBS", "MESSAGING_WEBHOOKS", "PARTNER_WATCH_BALANCE"})
"""Variables that a stage does not have which does without what they say."""
LARGEST_ENVIRONMENT = 4096
"""Bytes that Lambda takes, of all variables of a function written as JSON."""
LONGEST_RESOURCE_NAME = 135
"""Bytes of a name that only the deployment knows: the address of a queue whose name has 80 is longest."""
_TELLING = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceNames:
    """What only the deployment knows; each field is the variable of the same name in capitals.

    `api_address` leaves to the gateway what it tells with each call: a stack's own address is not known
    before its functions are.
    """

    table_name: str
    bus_name: str
    envelope_key_id: str
    secret_id: str
    jobs_queue_url: str
    jobs_dlq_url: str
    events_queue_url: str
    events_dlq_url: str
    schedules_dlq_url: str
    stream_dlq_url: str
    relay_queue_url: str
    relay_dlq_url: str
    notifications_queue_url: str
    notifications_dlq_url: str
    bodies_bucket: str
    api_address: str = "https://{domain_name}"


def environment_of(*, function: str, config: DeploymentConfig, resources: ResourceNames) -> dict[str, str]:
    """The environment variables of one function, sorted by name.

    Raises:
        KeyError: its settings name a variable that comes from nowhere.
    """
    values = {
        **FIXED,
        "POWERTOOLS_SERVICE_NAME": function,
        **{name: _text(_value(config, path)) for name, path in CONFIGURED.items()},
        **{name: _text(made.make(config)) for name, made in MADE.items()},
        **{name.upper(): value for name, value in asdict(resources).items()},
    }
    left_out = {name for name in OPTIONAL if values[name] in {settings.NOTHING, ""}}
    return {name: values[name] for name in sorted(CARDS[function].variables - left_out)}


def check_sizes(config: DeploymentConfig) -> None:
    """Raise `ConfigError` when a function's variables are more than Lambda takes; it names the largest."""
    names = {field.name: "x" * LONGEST_RESOURCE_NAME for field in fields(ResourceNames)}
    told = []
    for function in cards_with(config.features):
        variables = environment_of(function=function, config=config, resources=ResourceNames(**names))
        size = len(json.dumps(variables).encode())
        if size > LARGEST_ENVIRONMENT:
            told.append(f"{function}: {_too_large(size, variables)}")
    if told:
        raise ConfigError("\n".join(told))


def _too_large(size: int, variables: Mapping[str, str]) -> str:
    names = {**CONFIGURED, **{name: made.of for name, made in MADE.items()}}
    own = sorted(set(variables) & set(names), key=lambda name: len(variables[name]), reverse=True)
    parts = ", ".join(f"{names[name]} {len(variables[name].encode())}" for name in own[:_TELLING])
    return (
        f"its environment would have about {size} bytes, Lambda takes {LARGEST_ENVIRONMENT}; shorten the "
        f"largest values of the configuration, in bytes: {parts}"
    )


def _value(config: DeploymentConfig, path: str) -> object:
    section, _, key = path.partition(".")
    return getattr(getattr(config, section), key)


def _text(value: object) -> str:
    """A value as a variable holds it: lists separated by commas, tables as JSON, nothing for None."""
    match value:
        case None:
            return ""
        case tuple():
            return ",".join(map(str, value))
        case dict() | list():
            return json.dumps(value, sort_keys=True, separators=(",", ":"))
    return str(value)
