"""The composition root: real adapters behind the ports, made once when a function is first used.

`Runtime` is what all functions have. Below it stands one for each deployed function, of the same name, which
gives exactly the ports that its role may use. What calls Meta and 360dialog is imported by need only.

On Lambda a function is wired before its first event (`start`), where starting costs nobody's time twice; a
process that only imports it needs no environment.
"""

import os
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from functools import cache, cached_property, partial
from typing import TYPE_CHECKING, Final, Protocol, cast

from aws_lambda_powertools import Logger, Metrics

from onramp.adapters.aws import (
    EventBridgeBus,
    KmsVault,
    RememberingVault,
    Secret,
    SqsLetters,
    SqsQueue,
    Wrong,
)
from onramp.adapters.aws_client import Clients
from onramp.adapters.dynamo import DynamoStore
from onramp.adapters.starting import around_snapshots, on_lambda, started, without_plugins
from onramp.adapters.system import PowertoolsTelemetry, SystemClock
from onramp.domain.budget import BudgetRule
from onramp.domain.launch import Flow
from onramp.domain.records import HUB
from onramp.domain.relaying import Coexistence, RelayRules, Target
from onramp.domain.values import dataclass
from onramp.ports import (
    EndpointRule,
    Hub,
    Kept,
    LinkRules,
    NotificationRules,
    NotWired,
    Ports,
    Rules,
    TenantLimits,
    Webhooks,
)
from onramp.ports.upstreams import ChannelWebhook, NamedWebhook
from onramp.settings import (
    CodeExchangeSettings,
    EventPublisherSettings,
    EventRelaySettings,
    NotificationSenderSettings,
    NumberSubmissionSettings,
    OnboardingWorkerSettings,
    OperatorDeskSettings,
    PartnerEventWorkerSettings,
    ReconcilerSettings,
    Settings,
    SettingsError,
    SignupQueriesSettings,
    json_object,
    json_texts,
)

if TYPE_CHECKING:
    import httpx
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_kms import KMSClient
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sqs import SQSClient

    from onramp.adapters.meta_graph import MetaGraph
    from onramp.adapters.upstream import Credential
    from onramp.ports.outbound import Outbound, Signer
    from onramp.ports.relaying import Bodies
    from onramp.ports.services import Vault
    from onramp.ports.storage import Store
    from onramp.ports.upstreams import Meta, Partner

if on_lambda():
    # Before the first model is made, which is at the first event or while its function is wired.
    without_plugins()

LOCAL_STAGE: Final = "local"
"""The stage of a run on one machine, whose endpoints are that machine's."""
_REFUSED: Final = {
    "meta_app_secret": "MetaConfigurationErrors",
    "meta_system_user_token": "MetaConfigurationErrors",
    "partner_api_key": "PartnerConfigurationErrors",
}
"""What is counted when a value of the secret is refused."""
OF: Final = "@"
"""Stands in the secret between what a value is and whose it is: `partner_api_key@emea`."""


class Runtime:
    """What every function but the receiver has: log, metrics, clock, and AWS clients by need."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.aws = Clients()
        self._secrets: list[Secret] = []
        self.request_id = ""
        self.clock = SystemClock()
        self.logger = Logger(service=settings.powertools_service_name, level=settings.log_level)
        self.metrics = Metrics(
            namespace=settings.powertools_metrics_namespace, service=settings.powertools_service_name
        )
        self.metrics.set_default_dimensions(stage=settings.stage)
        self.telemetry = PowertoolsTelemetry(self.logger, self.metrics)

    @contextmanager
    def invocation(self, context: object) -> Iterator[None]:
        """One invocation: its request id in every log line, its metrics written at its end."""
        self.logger.clear_state()
        self.request_id = getattr(context, "aws_request_id", "")
        self.logger.append_keys(aws_request_id=self.request_id)
        if "http" in self.__dict__:
            self._name_request(self.http)
        try:
            yield
        except Exception as error:  # noqa: BLE001 - whatever it is, its text stays here
            # Lambda logs an exception's text, and a text may quote a record or a request.
            raise RuntimeError(type(error).__name__).with_traceback(error.__traceback__) from None
        finally:
            if self.metrics.metric_set:
                self.metrics.flush_metrics()

    @cached_property
    def http(self) -> "httpx.Client":
        """The client for Meta and 360dialog; imported only by functions that call them."""
        from onramp.adapters.upstream import new_client  # noqa: PLC0415

        client = new_client()
        self._name_request(client)
        return client

    def _name_request(self, client: "httpx.Client") -> None:
        """Let an upstream's support find the call that a log line of ours tells of."""
        client.headers["X-Request-Id"] = self.request_id

    @cached_property
    def dynamodb(self) -> "DynamoDBClient":
        """The table's service."""
        return cast("DynamoDBClient", self.aws("dynamodb"))

    def ports(self, table_name: str, retention: str = "{}") -> Ports:
        """What every function has: the table, which forgets as `retention` says, time, and telling."""
        kept = _kept(retention)
        store = DynamoStore(self.dynamodb, table_name, self.clock, self._unreadable, facts_kept=kept.facts)
        return Ports(store=store, clock=self.clock, telemetry=self.telemetry, kept=kept)

    def _unreadable(self, record: str) -> None:
        """An item that was left out of a list, for its neighbours' sake."""
        self.telemetry.warn("record cannot be read", record=record)

    @cached_property
    def sqs(self) -> "SQSClient":
        """The queue service."""
        return cast("SQSClient", self.aws("sqs"))

    def bus(self, bus_name: str) -> EventBridgeBus:
        """The bus."""
        return EventBridgeBus(cast("EventBridgeClient", self.aws("events")), bus_name)

    def vault(self, key_id: str) -> KmsVault:
        """The envelope key."""
        return KmsVault(cast("KMSClient", self.aws("kms")), key_id)

    def secret(self, secret_id: str) -> Secret:
        """The deployer's secret."""
        client = cast("SecretsManagerClient", self.aws("secretsmanager"))
        secret = Secret(client, secret_id, told=self._wrong)
        self._secrets.append(secret)
        return secret

    def credential(self, secret_id: str, name: str) -> "Credential":
        """A value of the deployer's secret, with which an upstream is called."""
        from onramp.adapters.upstream import Credential  # noqa: PLC0415

        secret = self.secret(secret_id)
        return Credential(
            value=lambda: secret.value(name),
            renewed=lambda: secret.renewed(name),
            accepted=lambda: secret.accepted(name),
        )

    def _wrong(self, name: str, why: Wrong) -> None:
        """The current version of the secret has a wrong value, and the one before it helps out."""
        kind = name.partition(OF)[0]
        self.telemetry.count("ServicesUnavailable" if why is Wrong.MISSING else _REFUSED[kind])
        self.telemetry.warn("a value of the secret is wrong; the one before it is used", value=name, why=why)

    def forget(self) -> None:
        """Let go of what a snapshot must not hold: connections, credentials, the deployer's secret."""
        self.aws.forget()
        for secret in self._secrets:
            secret.forget()
        if "http" in self.__dict__:
            from onramp.adapters.upstream import disconnect  # noqa: PLC0415

            disconnect(self.http)


def start(function: Callable[[], tuple[Runtime, *tuple[object, ...]]], service: str = "dynamodb") -> None:
    """On Lambda: wire a function before its first event, and connect it to the service it will ask first.

    With SnapStart what is made here is part of a snapshot, of which many copies run: connections, credentials
    and the secret are left out of it, and each copy draws its own chance.

    Raises:
        SettingsError: a variable is missing; it is named in the log, and each event fails.
    """
    if not on_lambda():
        return
    runtime = function()[0]
    runtime.aws.connect(service)
    started()
    around_snapshots(runtime.forget, random.seed)


class _Late:
    """A port that is made when it is first used: most requests do without, and start sooner."""

    def __init__(self, make: Callable[[], object]) -> None:
        self._make = make

    @cached_property
    def _made(self) -> object:
        return self._make()

    def __getattr__(self, name: str) -> object:
        return getattr(self._made, name)


class _PartnerSettings(Protocol):
    """What is needed to call 360dialog."""

    @property
    def secret_id(self) -> str: ...
    @property
    def partner_base_url(self) -> str: ...
    @property
    def messaging_base_url(self) -> str: ...


class _MetaSettings(Protocol):
    """What is needed to call Meta."""

    @property
    def secret_id(self) -> str: ...
    @property
    def meta_app_id(self) -> str: ...
    @property
    def graph_version(self) -> str: ...
    @property
    def graph_base_url(self) -> str: ...


def _meta(runtime: Runtime, settings: _MetaSettings, **waits: float) -> "MetaGraph":
    """Meta; `waits` are those of `MetaGraph`, in seconds."""
    from onramp.adapters.meta_graph import MetaGraph  # noqa: PLC0415

    return MetaGraph(
        client=runtime.http,
        clock=runtime.clock,
        base_url=settings.graph_base_url.rstrip("/"),
        version=settings.graph_version,
        app_id=settings.meta_app_id,
        app_secret=runtime.credential(settings.secret_id, "meta_app_secret"),
        system_user=None,
        **waits,
    )


def _flows(value: str) -> dict[str, Flow]:
    """What a popup can be opened with. Raises `SettingsError`."""
    flows = json_object("SIGNUP_FLOWS", value)
    try:
        return {name: Flow(str(flow["config_id"]), dict(flow["extras"])) for name, flow in flows.items()}
    except (KeyError, TypeError, ValueError):
        raise SettingsError("SIGNUP_FLOWS: each flow needs config_id and extras") from None


def _links(value: str) -> LinkRules:
    """What holds for signup links. Raises `SettingsError`."""
    try:
        return LinkRules(**json_object("SIGNUP_LINKS", value))
    except TypeError:
        raise SettingsError("SIGNUP_LINKS: has a member that is not known") from None


def _notifications(value: str) -> NotificationRules:
    """Who hears of what happens. Raises `SettingsError`."""
    told = json_object("NOTIFICATIONS", value)
    try:
        return NotificationRules(
            endpoints={
                str(name): EndpointRule(str(one["url"]), tuple(map(str, one["events"])))
                for name, one in told["endpoints"].items()
            },
            waits=tuple(map(int, told["retry_schedule_seconds"])),
            loopback=told["allow_loopback"] is True,
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        raise SettingsError("NOTIFICATIONS: cannot be read") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class HubValues:
    """What the configuration says of a hub beside the default one; what it leaves out is as with that."""

    partner_id: str
    solution_id: str
    base_url: str | None = None
    plan_tier: str | None = None
    budget_calls: int | None = None
    budget_window: int | None = None
    messaging: str | None = None
    watch_balance: int | None = None

    def rules(self, stage: Rules) -> Rules:
        """What holds at this hub."""
        calls = self.budget_calls or stage.budget.calls
        window = timedelta(seconds=self.budget_window) if self.budget_window else stage.budget.window
        return replace(
            stage,
            budget=BudgetRule(calls, window),
            flows={name: self._flow(flow) for name, flow in stage.flows.items()},
            plan_tier=self.plan_tier or stage.plan_tier,
            webhooks=replace(stage.webhooks, hub=self.messaging),
            partner_id=self.partner_id,
            solution_id=self.solution_id,
            watch_balance=self.watch_balance or stage.watch_balance,
        )

    def _flow(self, flow: Flow) -> Flow:
        """The flow with this hub's solution, where it is one of a solution's."""
        setup = flow.extras.get("setup")
        if not isinstance(setup, dict) or "solutionID" not in setup:
            return flow
        return Flow(flow.config_id, {**flow.extras, "setup": {**setup, "solutionID": self.solution_id}})


def hubs_of(value: str) -> dict[str, HubValues]:
    """The hubs beside the default one, by name. Raises `SettingsError`."""
    try:
        return {name: HubValues(**one) for name, one in json_object("HUBS", value).items()}
    except TypeError:
        raise SettingsError("HUBS: a hub lacks a member, or has one that is not known") from None


def with_hubs(
    ports: Ports, hubs: Mapping[str, HubValues], partner: "Callable[[str, HubValues], Partner] | None" = None
) -> Ports:
    """The ports with all hubs; the same where the default one is alone. `partner` makes a hub's partner."""
    if not hubs:
        return ports
    table = {HUB: Hub(ports.rules, ports.partner)}
    for name, values in hubs.items():
        hub = Hub(values.rules(ports.rules))
        table[name] = replace(hub, partner=partner(name, values)) if partner else hub
    return replace(ports, hubs=table)


def webhooks_of(value: str, headers: Callable[[str, Sequence[str]], Mapping[str, str]]) -> Webhooks:
    """The allow-list of messaging webhooks. `headers` reads those of one, by name. Raises `SettingsError`."""
    content = json_object("MESSAGING_WEBHOOKS", value)
    try:
        named = {
            name: NamedWebhook(
                url=one["url"],
                tenants=tuple(one.get("tenants", ())),
                headers=partial(headers, name, tuple(one.get("headers", ()))),
            )
            for name, one in content.get("named", {}).items()
        }
        return Webhooks(named=named, tenants=dict(content.get("tenants", {})))
    except (AttributeError, KeyError, TypeError, ValueError):
        raise SettingsError("MESSAGING_WEBHOOKS: has a webhook without a url") from None


def _no_headers(_name: str, _wanted: Sequence[str]) -> Mapping[str, str]:
    """Who only names a webhook does not read what its headers say."""
    return {}


def _kept(value: str) -> Kept:
    """For how long the table keeps what. Raises `SettingsError`; what a later release says is left out."""
    given = json_object("RETENTION", value)
    days = {name: given[f"{name}_days"] for name in Kept.__dataclass_fields__ if f"{name}_days" in given}
    if not all(isinstance(count, int) and count > 0 for count in days.values()):
        raise SettingsError("RETENTION must hold positive whole numbers")
    return Kept(**{name: timedelta(days=count) for name, count in days.items()})


def _limits(value: str) -> TenantLimits:
    """What one tenant may have. Raises `SettingsError`."""
    try:
        return TenantLimits(**json_object("TENANT_LIMITS", value))
    except TypeError:
        raise SettingsError("TENANT_LIMITS: has a member that is not known") from None


def _of_signups(settings: CodeExchangeSettings | SignupQueriesSettings) -> Rules:
    """What holds for signups. Raises `SettingsError`."""
    return Rules(
        flows=_flows(settings.signup_flows),
        links=_links(settings.signup_links),
        redirect_uris=json_texts("META_REDIRECT_URIS", settings.meta_redirect_uris),
    )


def code_exchange(runtime: Runtime, settings: CodeExchangeSettings) -> Ports:
    """Meta by need, and the key under which tokens are stored."""
    rules = replace(
        _of_signups(settings),
        hears_meta=settings.meta_webhook == "True",
        limits=_limits(settings.tenant_limits),
        plan_tier=settings.default_plan_tier,
        webhooks=webhooks_of(settings.messaging_webhooks, _no_headers),
    )
    ports = replace(
        runtime.ports(settings.table_name, settings.retention),
        vault=runtime.vault(settings.envelope_key_id),
        meta=cast("Meta", _Late(lambda: _meta(runtime, settings))),
        rules=rules,
    )
    return with_hubs(ports, hubs_of(settings.hubs))


def number_submission(runtime: Runtime, settings: NumberSubmissionSettings) -> Ports:
    """The jobs queue; Meta and the key of the tokens by need, for numbers that are not listed yet."""
    return replace(
        runtime.ports(settings.table_name, settings.retention),
        queue=SqsQueue(runtime.sqs, jobs=settings.jobs_queue_url),
        vault=cast("Vault", _Late(lambda: runtime.vault(settings.envelope_key_id))),
        meta=cast("Meta", _Late(lambda: _meta(runtime, settings, deadline=5.0, patience=8.0))),
        rules=Rules(links=_links(settings.signup_links)),
    )


def signup_queries(runtime: Runtime, settings: SignupQueriesSettings) -> Ports:
    """The key under which tokens and channels' keys are stored; Meta by need, and not for long."""
    ports = replace(
        runtime.ports(settings.table_name),
        vault=runtime.vault(settings.envelope_key_id),
        meta=cast("Meta", _Late(lambda: _meta(runtime, settings, deadline=2.0, patience=4.0))),
        rules=_of_signups(settings),
    )
    return with_hubs(ports, hubs_of(settings.hubs))


def onboarding_worker(runtime: Runtime, settings: OnboardingWorkerSettings) -> Ports:
    """360dialog with the budget of each hub, the keys, and the dead letters of the jobs."""
    from onramp.adapters.messaging_api import MessagingApi  # noqa: PLC0415

    secret = runtime.secret(settings.secret_id)
    headers = json_object("MESSAGING_WEBHOOK_HEADERS", settings.messaging_webhook_headers)
    rules = Rules(
        retry_seconds=settings.retry_seconds,
        look_after=settings.look_after,
        budget=BudgetRule(settings.budget_calls, settings.budget_window),
        webhook=ChannelWebhook(
            url=settings.messaging_webhook_url,
            headers={name: str(value) for name, value in headers.items()},
        ),
        webhooks=webhooks_of(settings.messaging_webhooks, partial(secret_headers, secret)),
        mend_keys=settings.mend_keys,
        mend_webhooks=settings.mend_webhooks,
        partner_id=settings.partner_id,
        solution_id=settings.solution_id,
        watch_balance=settings.watched_balance,
    )
    default = HubValues(partner_id=settings.partner_id, solution_id=settings.solution_id)
    ports = replace(
        runtime.ports(settings.table_name, settings.retention),
        queue=_queue_of(runtime, settings),
        partner=partner_of(runtime, settings, HUB, default),
        messaging=MessagingApi(runtime.http),
        vault=runtime.vault(settings.envelope_key_id),
        rules=rules,
    )
    return with_hubs(ports, hubs_of(settings.hubs), partial(partner_of, runtime, settings))


def partner_of(runtime: Runtime, settings: _PartnerSettings, hub: str, values: HubValues) -> "Partner":
    """360dialog as a hub's partner, with that partner's key."""
    from onramp.adapters.partner_api import PartnerApi  # noqa: PLC0415

    return PartnerApi(
        client=runtime.http,
        base_url=(values.base_url or settings.partner_base_url).rstrip("/"),
        partner_id=values.partner_id,
        partner_key=runtime.credential(settings.secret_id, name_at("partner_api_key", hub)),
        solution_id=values.solution_id,
        messaging_url=settings.messaging_base_url.rstrip("/"),
    )


def name_at(name: str, hub: str) -> str:
    """What a hub's value is called in the secret."""
    return name if hub == HUB else f"{name}{OF}{hub}"


def secret_headers(secret: Secret, name: str, wanted: Sequence[str]) -> Mapping[str, str]:
    """The headers of a messaging webhook, as they are now. Raises `UnavailableError`, naming the value."""
    return {header: secret.value(f"messaging_header{OF}{name}:{header}") for header in wanted}


def _queue_of(runtime: Runtime, settings: OnboardingWorkerSettings) -> SqsQueue:
    """The jobs with their dead letters; the desk has those of events and notifications as well."""
    desk = settings if isinstance(settings, OperatorDeskSettings) else None
    return SqsQueue(
        runtime.sqs,
        jobs=settings.jobs_queue_url,
        events=desk.events_queue_url if desk else "",
        dead_jobs=settings.jobs_dlq_url,
        notifications=desk.notifications_queue_url if desk else "",
    )


def operator_desk(runtime: Runtime, settings: OperatorDeskSettings) -> Ports:
    """What the worker has, for what an operator asks, and the dead letters; calls pass the same gates.

    Meta by need.
    """
    ports = onboarding_worker(runtime, settings)
    letters = {
        "jobs": (settings.jobs_dlq_url, settings.jobs_queue_url),
        "events": (settings.events_dlq_url, settings.events_queue_url),
        "relay": (settings.relay_dlq_url, settings.relay_queue_url),
        "notifications": (settings.notifications_dlq_url, settings.notifications_queue_url),
        "schedules": (settings.schedules_dlq_url, None),
        "stream": (settings.stream_dlq_url, None),
    }
    rules = replace(
        ports.rules,
        hears_meta=settings.meta_webhook == "True",
        solution_id=settings.solution_id,
        links=_links(settings.signup_links),
        limits=_limits(settings.tenant_limits),
        plan_tier=settings.default_plan_tier,
        notifications=_notifications(settings.notifications),
    )
    desk = replace(
        ports,
        letters=SqsLetters(runtime.sqs, letters),
        meta=cast("Meta", _Late(lambda: _meta_with_system_user(runtime, settings))),
        signer=cast("Signer", _Late(_signer)),
        rules=rules,
    )
    return with_hubs(desk, hubs_of(settings.hubs), lambda name, _: ports.hubs[name].partner)


def _meta_with_system_user(runtime: Runtime, settings: OperatorDeskSettings) -> "MetaGraph":
    """Meta, as whoever recovers lost signups needs it."""
    system_user = runtime.credential(settings.secret_id, "meta_system_user_token")
    return replace(_meta(runtime, settings), system_user=system_user)


def _signer() -> "Signer":
    from onramp.adapters.signer import StandardSigner  # noqa: PLC0415 - loads a library of its own

    return StandardSigner()


def partner_event_worker(runtime: Runtime, settings: PartnerEventWorkerSettings) -> Ports:
    """The jobs queue, the dead letters of the events, and the way to the relay."""
    from onramp.adapters.outlets import SqsRelay  # noqa: PLC0415

    ports = replace(
        runtime.ports(settings.table_name, settings.retention),
        queue=SqsQueue(runtime.sqs, jobs=settings.jobs_queue_url, dead_events=settings.events_dlq_url),
        relay=SqsRelay(runtime.sqs, queue=settings.relay_queue_url),
        bodies=cast("Bodies", _Late(lambda: _bodies(runtime, settings.bodies_bucket))),
        rules=Rules(
            retry_seconds=settings.retry_seconds,
            look_after=settings.look_after,
            relay=relay_rules(settings.relay),
            solution_id=settings.solution_id,
        ),
    )
    return with_hubs(ports, hubs_of(settings.hubs))


def event_relay(runtime: Runtime, settings: EventRelaySettings) -> Ports:
    """The targets, the links to large bodies, and the relay's dead letters; nothing of the table."""
    from onramp.adapters.outlets import AwsOutlets, SqsRelay  # noqa: PLC0415

    return Ports(
        store=cast("Store", NotWired("store")),
        clock=runtime.clock,
        telemetry=runtime.telemetry,
        relay=SqsRelay(runtime.sqs, dead=settings.relay_dlq_url),
        bodies=cast("Bodies", _Late(lambda: _bodies(runtime, settings.bodies_bucket))),
        outlets=AwsOutlets(
            events=lambda: cast("EventBridgeClient", runtime.aws("events")),
            bus_name=settings.bus_name,
            sqs=lambda: runtime.sqs,
            outbound=cache(lambda: _outbound(loopback=settings.stage == LOCAL_STAGE)),
            secret=runtime.secret(settings.secret_id).maybe,
            clock=runtime.clock,
        ),
        rules=Rules(relay=relay_rules(settings.relay)),
    )


def _outbound(*, loopback: bool) -> "Outbound":
    from onramp.adapters.outbound import GuardedOutbound  # noqa: PLC0415 - needs an HTTP client

    return GuardedOutbound(loopback=loopback)


def _bodies(runtime: Runtime, bucket: str) -> "Bodies":
    from onramp.adapters.objects import S3Bodies  # noqa: PLC0415 - for large bodies alone

    region, endpoint = os.environ["AWS_REGION"], os.environ.get("AWS_ENDPOINT_URL")
    return S3Bodies(bucket, runtime.aws.credentials, region, endpoint)


def relay_rules(value: str) -> RelayRules:
    """What is handed on, and to whom. Raises `SettingsError`."""
    told = json_object("RELAY", value)
    try:
        return RelayRules(
            coexistence=Coexistence(told["coexistence"]),
            targets=[
                Target(name, str(one["to"]), tuple(map(str, one["events"])))
                for name, one in sorted(dict(told["targets"]).items())
            ],
        )
    except (KeyError, TypeError, ValueError):
        raise SettingsError("RELAY: needs coexistence and targets, each with to and events") from None


def reconciler(runtime: Runtime, settings: ReconcilerSettings) -> Ports:
    """The jobs queue, and that of the notifications."""
    ports = replace(
        runtime.ports(settings.table_name),
        queue=SqsQueue(
            runtime.sqs, jobs=settings.jobs_queue_url, notifications=settings.notifications_queue_url
        ),
        rules=Rules(notifications=_notifications(settings.notifications)),
    )
    return with_hubs(ports, hubs_of(settings.hubs))


def notification_sender(runtime: Runtime, settings: NotificationSenderSettings) -> Ports:
    """The endpoints, their keys, and what signs with them."""
    rules = _notifications(settings.notifications)
    return replace(
        runtime.ports(settings.table_name, settings.retention),
        queue=SqsQueue(
            runtime.sqs,
            notifications=settings.notifications_queue_url,
            dead_notifications=settings.notifications_dlq_url,
        ),
        vault=RememberingVault(runtime.vault(settings.envelope_key_id)),
        outbound=_outbound(loopback=rules.loopback),
        signer=_signer(),
        rules=Rules(notifications=rules),
    )


def event_publisher(runtime: Runtime, settings: EventPublisherSettings) -> Ports:
    """The bus, which nobody else has."""
    return replace(
        runtime.ports(settings.table_name),
        bus=runtime.bus(settings.bus_name),
    )
