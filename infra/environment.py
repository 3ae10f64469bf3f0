"""The environment of each function, in one table: exactly what its settings class reads, nothing more."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from infra.catalogue import FunctionName
from infra.config import DeploymentConfig

METRICS_NAMESPACE = "Onramp"

_ALL = ("STAGE", "POWERTOOLS_METRICS_NAMESPACE")
_POWERTOOLS = (*_ALL, "LOG_LEVEL", "POWERTOOLS_SERVICE_NAME")
_PARTNER_API = ("PARTNER_ID", "PARTNER_BASE_URL", "PARTNER_BUDGET_CALLS", "PARTNER_BUDGET_WINDOW_SECONDS")

# Who follows numbers at 360dialog.
_FOLLOW = (
    *_POWERTOOLS,
    *_PARTNER_API,
    "TABLE_NAME",
    "BUS_NAME",
    "JOBS_QUEUE_URL",
    "EVENTS_DLQ_URL",
    "SECRET_ID",
    "RETRY_SCHEDULE_SECONDS",
    "RECONCILE_AFTER_SECONDS",
)

VARIABLES: Mapping[FunctionName, frozenset[str]] = MappingProxyType(
    {
        "code_exchange": frozenset(
            {
                *_POWERTOOLS,
                "TABLE_NAME",
                "BUS_NAME",
                "ENVELOPE_KEY_ID",
                "SECRET_ID",
                "META_APP_ID",
                "GRAPH_VERSION",
                "GRAPH_BASE_URL",
                "TENANT_CLAIM",
                "DEFAULT_PLAN_TIER",
            }
        ),
        "number_submission": frozenset(
            {*_POWERTOOLS, "TABLE_NAME", "BUS_NAME", "JOBS_QUEUE_URL", "TENANT_CLAIM"}
        ),
        "signup_queries": frozenset(
            {
                *_POWERTOOLS,
                "TABLE_NAME",
                "ENVELOPE_KEY_ID",
                "META_APP_ID",
                "META_CONFIG_ID",
                "GRAPH_VERSION",
                "SIGNUP_EXTRAS",
                "TENANT_CLAIM",
            }
        ),
        "webhook_receiver": frozenset({*_ALL, "EVENTS_QUEUE_URL", "SECRET_ID"}),
        "onboarding_worker": frozenset(
            {
                *_FOLLOW,
                "JOBS_DLQ_URL",
                "ENVELOPE_KEY_ID",
                "SOLUTION_ID",
                "MESSAGING_BASE_URL",
                "MESSAGING_WEBHOOK_URL",
                "MESSAGING_WEBHOOK_HEADERS",
            }
        ),
        "partner_event_worker": frozenset({*_FOLLOW, "EVENTS_QUEUE_URL"}),
        "reconciler": frozenset(_FOLLOW),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceNames:
    """What only the deployment knows: names and addresses of the stack's resources."""

    table_name: str
    bus_name: str
    envelope_key_id: str
    secret_id: str
    jobs_queue_url: str
    jobs_dlq_url: str
    events_queue_url: str
    events_dlq_url: str


def environment_of(
    *, function: FunctionName, config: DeploymentConfig, resources: ResourceNames
) -> dict[str, str]:
    """The environment variables of one function, sorted by name."""
    values = _values(function, config, resources)
    return {name: values[name] for name in sorted(VARIABLES[function])}


def _values(function: FunctionName, config: DeploymentConfig, resources: ResourceNames) -> dict[str, str]:
    return {
        "STAGE": config.stage.name,
        "LOG_LEVEL": "INFO",
        "POWERTOOLS_SERVICE_NAME": function,
        "POWERTOOLS_METRICS_NAMESPACE": METRICS_NAMESPACE,
        "TABLE_NAME": resources.table_name,
        "BUS_NAME": resources.bus_name,
        "ENVELOPE_KEY_ID": resources.envelope_key_id,
        "SECRET_ID": resources.secret_id,
        "JOBS_QUEUE_URL": resources.jobs_queue_url,
        "JOBS_DLQ_URL": resources.jobs_dlq_url,
        "EVENTS_QUEUE_URL": resources.events_queue_url,
        "EVENTS_DLQ_URL": resources.events_dlq_url,
        "META_APP_ID": config.meta.app_id,
        "META_CONFIG_ID": config.meta.config_id,
        "GRAPH_VERSION": config.meta.graph_version,
        "GRAPH_BASE_URL": config.meta.graph_base_url,
        "SIGNUP_EXTRAS": _json(config.meta.extras),
        "TENANT_CLAIM": config.api.tenant_claim,
        "PARTNER_ID": config.partner.partner_id,
        "SOLUTION_ID": config.partner.solution_id,
        "PARTNER_BASE_URL": config.partner.base_url,
        "PARTNER_BUDGET_CALLS": str(config.partner.budget_calls),
        "PARTNER_BUDGET_WINDOW_SECONDS": str(config.partner.budget_window_seconds),
        "DEFAULT_PLAN_TIER": config.partner.default_plan_tier,
        "RETRY_SCHEDULE_SECONDS": ",".join(map(str, config.partner.retry_schedule_seconds)),
        "RECONCILE_AFTER_SECONDS": str(config.partner.reconcile_after_seconds),
        "MESSAGING_BASE_URL": config.messaging.base_url,
        "MESSAGING_WEBHOOK_URL": config.messaging.webhook_url,
        "MESSAGING_WEBHOOK_HEADERS": _json(config.messaging.webhook_headers),
    }


def _json(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
