"""What each function reads from its environment, once; what is missing is named.

This is the only place where the variables are named: each function's card in `infra/cards.py` names its
settings class, and the deployment gives the function exactly what the class reads.
"""

import json
import os
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final, NoReturn, Self, dataclass_transform

NOTHING: Final = "{}"
"""What a variable says that a stage does without."""
UNSET: Final = "None"
"""The same of a variable that carries one value."""


class SettingsError(Exception):
    """A variable is missing or makes no sense; the message names it and never shows a value."""


@dataclass_transform(kw_only_default=True, frozen_default=True)
class Settings:
    """Variables of the same names in capitals. Subclasses add those of one function.

    A field with a value of its own may be missing: a stage that does not use it has no such variable.

    What a dataclass would be: but that takes a millisecond for each of these, and every function loads all.
    """

    stage: str
    log_level: str
    powertools_metrics_namespace: str
    powertools_service_name: str

    def __init__(self, **values: str) -> None:
        if values.keys() != set(self._fields()):
            raise TypeError(f"{type(self).__name__} takes {', '.join(self._fields())}")
        self.__dict__.update(values)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} does not change")

    @classmethod
    def read(cls, environment: Mapping[str, str] | None = None) -> Self:
        """Read the environment of the process. Raises `SettingsError`."""
        source = os.environ if environment is None else environment
        values = {field: source.get(field.upper()) or getattr(cls, field, "") for field in cls._fields()}
        missing = [field.upper() for field, value in values.items() if not value]
        if missing:
            raise SettingsError(f"missing: {', '.join(missing)}")
        return cls(**values)

    @classmethod
    def names(cls) -> list[str]:
        """The variables this class reads."""
        return [field.upper() for field in cls._fields()]

    @classmethod
    def _fields(cls) -> list[str]:
        return [name for kind in reversed(cls.__mro__) for name in vars(kind).get("__annotations__", ())]


class StoringSettings(Settings):
    """What everybody needs who writes records, and the facts that come with them.

    `retention` is a JSON object: after how many days the table forgets.
    """

    table_name: str
    retention: str


class CodeExchangeSettings(StoringSettings):
    """`code_exchange`.

    `signup_flows` and `signup_links` are JSON objects: what the popup is opened with, by the flow's name, and
    what holds for links; so are `tenant_limits`, `hubs` and `messaging_webhooks`. `meta_redirect_uris` is a
    JSON list. `api_address` may leave `{domain_name}` and `{api_id}` to the gateway.
    """

    envelope_key_id: str
    secret_id: str
    meta_app_id: str
    graph_version: str
    graph_base_url: str
    meta_redirect_uris: str
    signup_flows: str
    signup_links: str
    api_address: str
    tenant_claim: str
    tenant_limits: str
    default_plan_tier: str
    meta_webhook: str
    hubs: str = NOTHING
    messaging_webhooks: str = NOTHING


class NumberSubmissionSettings(StoringSettings):
    """`number_submission`. `signup_links` is a JSON object."""

    jobs_queue_url: str
    envelope_key_id: str
    secret_id: str
    meta_app_id: str
    graph_version: str
    graph_base_url: str
    signup_links: str
    tenant_claim: str


class SignupQueriesSettings(Settings):
    """`signup_queries`.

    `signup_flows`, `signup_links`, `signup_page` and `hubs` are JSON objects, `meta_redirect_uris` is a JSON
    list.
    """

    table_name: str
    envelope_key_id: str
    secret_id: str
    meta_app_id: str
    meta_sdk_base_url: str
    meta_dialog_base_url: str
    meta_redirect_uris: str
    graph_version: str
    graph_base_url: str
    signup_flows: str
    signup_links: str
    signup_page: str
    tenant_claim: str
    hubs: str = NOTHING


class ReconcilerSettings(Settings):
    """`reconciler`: it only wakes. `notifications` is a JSON object; of `hubs` it needs the names."""

    table_name: str
    jobs_queue_url: str
    notifications: str
    notifications_queue_url: str
    hubs: str = NOTHING


class WorkerSettings(StoringSettings):
    """What both workers need: they wake numbers, and try again by the schedule, at the hubs of the stage."""

    jobs_queue_url: str
    reconcile_after_seconds: str
    retry_schedule_seconds: str
    hubs: str = NOTHING

    @property
    def look_after(self) -> timedelta:
        """How long a number waits for a webhook before its channel is looked up."""
        return timedelta(seconds=positive("reconcile_after_seconds", self.reconcile_after_seconds))

    @property
    def retry_seconds(self) -> tuple[int, ...]:
        """The retry schedule."""
        return tuple(
            positive("retry_schedule_seconds", part) for part in self.retry_schedule_seconds.split(",")
        )


class OnboardingWorkerSettings(WorkerSettings):
    """`onboarding_worker`. `messaging_webhook_headers` and `messaging_webhooks` are JSON objects."""

    jobs_dlq_url: str
    envelope_key_id: str
    secret_id: str
    partner_id: str
    solution_id: str
    partner_base_url: str
    partner_budget_calls: str
    partner_budget_window_seconds: str
    messaging_base_url: str
    messaging_webhook_url: str
    messaging_webhook_headers: str
    numbers_mend_keys: str
    numbers_mend_webhooks: str
    messaging_webhooks: str = NOTHING
    partner_watch_balance: str = UNSET

    @property
    def mend_keys(self) -> bool:
        """Whether a key that is found dead is replaced without being asked."""
        return _mends("numbers_mend_keys", self.numbers_mend_keys)

    @property
    def mend_webhooks(self) -> bool:
        """Whether a webhook that was set elsewhere is set back without being asked."""
        return _mends("numbers_mend_webhooks", self.numbers_mend_webhooks)

    @property
    def watched_balance(self) -> int | None:
        """The amount below which the partner's balance is told; None when nobody asks for it."""
        amount = self.partner_watch_balance
        return None if amount == UNSET else positive("partner_watch_balance", amount)

    @property
    def budget_calls(self) -> int:
        """Partner API calls in one window."""
        return positive("partner_budget_calls", self.partner_budget_calls)

    @property
    def budget_window(self) -> timedelta:
        """The window."""
        return timedelta(
            seconds=positive("partner_budget_window_seconds", self.partner_budget_window_seconds)
        )


class OperatorDeskSettings(OnboardingWorkerSettings):
    """`operator_desk`: what the worker has, where all that waits is, what holds for links and notifications.

    `notifications`, `signup_links` and `tenant_limits` are JSON objects.
    """

    events_queue_url: str
    events_dlq_url: str
    relay_queue_url: str
    relay_dlq_url: str
    schedules_dlq_url: str
    stream_dlq_url: str
    meta_app_id: str
    graph_version: str
    graph_base_url: str
    meta_webhook: str
    signup_links: str
    tenant_limits: str
    default_plan_tier: str
    notifications: str
    notifications_queue_url: str
    notifications_dlq_url: str


class PartnerEventWorkerSettings(WorkerSettings):
    """`partner_event_worker`. `relay` is a JSON object: what is handed on, and to whom."""

    events_queue_url: str
    events_dlq_url: str
    solution_id: str
    relay: str
    relay_queue_url: str
    bodies_bucket: str


class EventRelaySettings(Settings):
    """`event_relay`. `relay` is a JSON object: what is handed on, and to whom."""

    relay: str
    relay_queue_url: str
    relay_dlq_url: str
    bodies_bucket: str
    bus_name: str
    secret_id: str


class NotificationSenderSettings(StoringSettings):
    """`notification_sender`. `notifications` is a JSON object: the endpoints, and how they are sent to."""

    envelope_key_id: str
    notifications: str
    notifications_queue_url: str
    notifications_dlq_url: str


class EventPublisherSettings(Settings):
    """`event_publisher`."""

    table_name: str
    bus_name: str


WEBHOOK_RECEIVER: Final = ("EVENTS_QUEUE_URL", "HUBS", "POWERTOOLS_METRICS_NAMESPACE", "SECRET_ID", "STAGE")
"""What `webhook_receiver` reads by hand; it starts without this module."""
META_RECEIVER: Final = (
    "API_ADDRESS",
    "EVENTS_QUEUE_URL",
    "POWERTOOLS_METRICS_NAMESPACE",
    "SECRET_ID",
    "STAGE",
)
"""What `meta_receiver` reads by hand; likewise."""
HOSTED_PAGE: Final = ("META_SDK_BASE_URL", "SIGNUP_PAGE")
"""What `hosted_page` reads by hand; it starts without this module. Whose scripts and pictures it lets in."""


def positive(name: str, value: str) -> int:
    """A variable, or a part of one, that holds a positive whole number. Raises `SettingsError`."""
    try:
        number = int(value)
    except ValueError:
        number = 0
    if number < 1:
        raise SettingsError(f"{name.upper()} must hold positive whole numbers")
    return number


def _mends(name: str, value: str) -> bool:
    """A variable that says what is done about a drift. Raises `SettingsError`."""
    if value not in {"report", "mend"}:
        raise SettingsError(f"{name.upper()} must be report or mend")
    return value == "mend"


def json_object(name: str, value: str) -> dict[str, Any]:
    """A variable that holds a JSON object. Raises `SettingsError`."""
    content = _json(value)
    if not isinstance(content, dict):
        raise SettingsError(f"{name} must hold a JSON object")
    return content


def json_texts(name: str, value: str) -> tuple[str, ...]:
    """A variable that holds a JSON list of texts. Raises `SettingsError`."""
    content = _json(value)
    if not isinstance(content, list) or not all(isinstance(one, str) for one in content):
        raise SettingsError(f"{name} must hold a JSON list of texts")
    return tuple(content)


def _json(value: str) -> object:
    """What a JSON text says; None for any other text, as for `null`."""
    try:
        content: object = json.loads(value)
    except ValueError:
        return None
    return content
