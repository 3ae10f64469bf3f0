"""The environment of each function: the variables that its card names, each from one place.

A variable's value is one of the configuration, a name of the deployment's own, or the same for everybody.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType

from infra.cards import CARDS
from infra.config import DeploymentConfig
from infra.metrics import NAMESPACE

CONFIGURED: Mapping[str, str] = MappingProxyType(
    {
        "STAGE": "stage.name",
        "FACTS_KEPT_DAYS": "stage.facts_kept_days",
        "META_APP_ID": "meta.app_id",
        "META_CONFIG_ID": "meta.config_id",
        "GRAPH_VERSION": "meta.graph_version",
        "GRAPH_BASE_URL": "meta.graph_base_url",
        "SIGNUP_EXTRAS": "meta.extras",
        "TENANT_CLAIM": "api.tenant_claim",
        "PARTNER_ID": "partner.partner_id",
        "SOLUTION_ID": "partner.solution_id",
        "PARTNER_BASE_URL": "partner.base_url",
        "PARTNER_BUDGET_CALLS": "partner.budget_calls",
        "PARTNER_BUDGET_WINDOW_SECONDS": "partner.budget_window_seconds",
        "DEFAULT_PLAN_TIER": "partner.default_plan_tier",
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

FIXED: Mapping[str, str] = MappingProxyType({"LOG_LEVEL": "INFO", "POWERTOOLS_METRICS_NAMESPACE": NAMESPACE})
"""What is the same for all functions and stages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceNames:
    """What only the deployment knows; each field is the variable of the same name in capitals."""

    table_name: str
    bus_name: str
    envelope_key_id: str
    secret_id: str
    jobs_queue_url: str
    jobs_dlq_url: str
    events_queue_url: str
    events_dlq_url: str


def environment_of(*, function: str, config: DeploymentConfig, resources: ResourceNames) -> dict[str, str]:
    """The environment variables of one function, sorted by name.

    Raises:
        KeyError: its settings name a variable that comes from nowhere.
    """
    values = {
        **FIXED,
        "POWERTOOLS_SERVICE_NAME": function,
        **{name: _text(_value(config, path)) for name, path in CONFIGURED.items()},
        **{name.upper(): value for name, value in asdict(resources).items()},
    }
    return {name: values[name] for name in sorted(CARDS[function].variables)}


def _value(config: DeploymentConfig, path: str) -> object:
    section, _, key = path.partition(".")
    return getattr(getattr(config, section), key)


def _text(value: object) -> str:
    """A value as a variable holds it: lists separated by commas, tables as JSON."""
    match value:
        case tuple():
            return ",".join(map(str, value))
        case dict():
            return json.dumps(value, sort_keys=True, separators=(",", ":"))
    return str(value)
