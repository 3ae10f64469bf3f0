"""The deployment's configuration: ``config/<stage>.toml``, checked before anything is synthesized.

``config/example.toml`` explains every value. Each value may be overridden for one run, named ``section.key``.
What one value may be says its type (`infra/config_values.py`); what values must be beside each other, the
rules of `infra/config_rules.py`. All mistakes are told at once, in words of ours (`infra/mistakes.py`).
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from infra.config_rules import LOCAL_STAGE, RULES, Around
from infra.config_values import (
    BUS_TARGET,
    LONGEST_PAGE_NAME,
    LOOPBACK_HOSTS,
    MOST_REDIRECTS,
    RETENTIONS,
    Account,
    Address,
    Audience,
    Boundary,
    Certificate,
    Claim,
    Colour,
    Digits,
    Domain,
    Emails,
    Endpoints,
    EndpointUrl,
    EventFilters,
    Extras,
    Flows,
    GraphVersion,
    HeaderNames,
    Headers,
    Hubs,
    Issuer,
    Key,
    MessagingWebhook,
    Origins,
    PageAddress,
    PageAddresses,
    PageName,
    PartnerId,
    Patterns,
    Principals,
    Qualifier,
    Region,
    Retention,
    SolutionId,
    SomeOrigins,
    StageName,
    SupportAddress,
    Switch,
    Tags,
    Target,
    Targets,
    TenantNames,
    Tenants,
    Topic,
    UserPoolId,
    WebhookName,
    Webhooks,
    Whole,
    Zone,
    wants,
)
from infra.grants import Feature
from infra.mistakes import Mistake, Model, broken_rules, examine, put_into
from onramp.domain.notifications import TRY_SECONDS

__all__ = [
    "LOCAL_STAGE",
    "LOOPBACK_HOSTS",
    "ApiConfig",
    "BusConfig",
    "ConfigError",
    "DeploymentConfig",
    "EndpointConfig",
    "FlowConfig",
    "HubConfig",
    "LimitsConfig",
    "LinksConfig",
    "MessagingConfig",
    "MetaConfig",
    "MetaWebhookConfig",
    "NotificationsConfig",
    "NumbersConfig",
    "PageConfig",
    "PartnerConfig",
    "RelayConfig",
    "RelayTarget",
    "RetentionConfig",
    "StageConfig",
    "load_config",
    "mistakes_in",
    "overridable_values",
    "overridden",
    "read_toml",
]

DEFAULT_RETRY_SCHEDULE = (5, 30, 300, 1800, 7200, 18000, 36000, 36000)
# A queue hides a message for 12 hours at most; a number that stands still is given up after seven days.
LONGEST_WAIT = 12 * 3600
MOST_WAITS = 50
# Later looks at a number come every six hours anyway.
LONGEST_LOOK = 6 * 3600
LONGEST_KEPT_DAYS = 3650
# The record of the budget names every start within the window.
MOST_CALLS = 1000
LONGEST_WINDOW = 3600
# API Gateway's limit for a whole account, unless AWS has raised it.
MOST_REQUESTS = 10_000
MOST_RUNS = 1000
LONGEST_LINK_DAYS = 30
LONGEST_BODY_DAYS = 30
MOST_MONEY = 1_000_000_000
# The record of what a tenant has open names each of them.
MOST_AT_ONCE = 500
MOST_A_DAY = 100_000
# 360dialog may repeat an event for a week, a queue may hold it for two.
SHORTEST_EVENTS_DAYS = 30
# Ten tries of a delivery take 75 hours, and five days of failures switch an endpoint off.
SHORTEST_DELIVERIES_DAYS = 7
# A link is known for so long after its end, and leads to its signup.
SHORTEST_SIGNUPS_DAYS = 30

LONGEST_NOTIFY_WAIT = 86_400

Wait = Annotated[Whole, Field(ge=1, le=LONGEST_WAIT)]
NotifyWait = Annotated[Whole, Field(ge=1, le=LONGEST_NOTIFY_WAIT)]


class ConfigError(Exception):
    """The configuration cannot be used. Each line of the message names file, section and key."""


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class StageConfig(_Section):
    """``[stage]``: what this deployment is called, where it may go, and how it is run.

    `protected` keeps a deployment from switching protection against deletion off; not for the first one.
    `account` and `region` are guards: synthesis refuses others. `alarm_topic_arn`, `table_key_arn` and
    `envelope_key_arn` name what exists already. `receiver_concurrency` reserves so many runs at once for the
    webhook receiver. `permissions_boundary` is a policy's ARN or name; `qualifier` that of the CDK's
    bootstrap.
    """

    name: Annotated[
        StageName, wants("2 to 20 lower-case letters, digits and hyphens, a letter first, no hyphen last")
    ]
    removal: Annotated[Literal["destroy", "retain"], wants('"retain" or "destroy"')]
    protected: Annotated[Switch, wants("true or false, without quotes")] = False
    account: Annotated[Account | None, wants("the 12 digits of an AWS account, in quotes")] = None
    region: Annotated[Region | None, wants('a region of AWS in lower case, such as "eu-central-1"')] = None
    alarm_emails: Annotated[
        Emails, wants('a list of email addresses, such as ["operations@your-company.com"]')
    ] = ()
    alarm_topic_arn: Annotated[
        Topic | None, wants('the ARN of an SNS topic, "arn:aws:sns:<region>:<account>:<name>"')
    ] = None
    tracing: Annotated[Switch, wants("true or false, without quotes")] = False
    log_retention_days: Annotated[
        Retention, wants(f"a number of days that CloudWatch Logs knows: {', '.join(map(str, RETENTIONS))}")
    ] = 30
    snap_start: Annotated[Switch, wants("true or false, without quotes")] = False
    release: Annotated[Literal["at_once", "canary", "linear"], wants('"at_once", "canary" or "linear"')] = (
        "at_once"
    )
    receiver_concurrency: Annotated[
        Annotated[Whole, Field(ge=1, le=MOST_RUNS)] | None,
        wants(f"a whole number from 1 to {MOST_RUNS}, or left out"),
    ] = None
    permissions_boundary: Annotated[
        Boundary | None, wants('the name or the ARN of an IAM policy, "arn:aws:iam::<account>:policy/<name>"')
    ] = None
    qualifier: Annotated[Qualifier | None, wants("1 to 10 lower-case letters and digits")] = None
    tags: Annotated[Tags, wants("a table of texts, [stage.tags]")] = Field(default_factory=dict)
    table_key_arn: Annotated[
        Key | None, wants('the ARN of a KMS key, "arn:aws:kms:<region>:<account>:key/<id>", not of an alias')
    ] = None
    envelope_key_arn: Annotated[
        Key | None, wants('the ARN of a KMS key, "arn:aws:kms:<region>:<account>:key/<id>", not of an alias')
    ] = None


class PartnerConfig(_Section):
    """``[partner]``: 360dialog's Partner API. Times are in seconds."""

    partner_id: Annotated[
        PartnerId, wants('your partner id at 360dialog: letters and digits with "PA" in capitals at its end')
    ]
    solution_id: Annotated[
        SolutionId, wants("14 to 18 digits in quotes: the id of the multi-partner solution")
    ]
    base_url: Annotated[Address, wants("an https address, in quotes")] = "https://hub.360dialog.io/api/v2"
    default_plan_tier: Annotated[
        Literal["basic", "regular", "premium"], wants('"basic", "regular" or "premium"')
    ] = "regular"
    budget_calls: Annotated[
        Whole, Field(ge=1, le=MOST_CALLS), wants(f"a whole number of calls from 1 to {MOST_CALLS}")
    ] = 5
    budget_window_seconds: Annotated[
        Whole,
        Field(ge=1, le=LONGEST_WINDOW),
        wants(f"a whole number of seconds from 1 to {LONGEST_WINDOW} (an hour)"),
    ] = 30
    retry_schedule_seconds: Annotated[
        tuple[Wait, ...],
        Field(min_length=1, max_length=MOST_WAITS),
        wants(
            f"a list of 1 to {MOST_WAITS} waits in whole seconds, each from 1 to {LONGEST_WAIT} (12 hours, "
            "the longest that a queue holds a message back)"
        ),
    ] = DEFAULT_RETRY_SCHEDULE
    reconcile_after_seconds: Annotated[
        Whole,
        Field(ge=1, le=LONGEST_LOOK),
        wants(f"a whole number of seconds from 1 to {LONGEST_LOOK} (6 hours: looks come so often anyway)"),
    ] = 600
    watch_balance: Annotated[
        Annotated[Whole, Field(ge=1, le=MOST_MONEY)] | None,
        wants(f"a whole amount from 1 to {MOST_MONEY}, without a currency"),
    ] = None


class FlowConfig(_Section):
    """``[meta.flows.<name>]``: another login configuration that a signup may name.

    `solution` says whether the popup is told the solution of ``[partner]``.
    """

    config_id: Annotated[
        Digits, wants("the digits of a Facebook Login for Business configuration, in quotes")
    ]
    extras: Annotated[Extras, wants("a table, [meta.flows.<name>.extras]")] = Field(default_factory=dict)
    solution: Annotated[Switch, wants("true or false, without quotes")] = True


class MetaConfig(_Section):
    """``[meta]``: the Meta app, the Graph API, and what the browser opens the popup with.

    `config_id` and `extras` are those of the flow ``standard``; `flows` are the others, by name.
    `sdk_base_url` is where the browser loads Meta's SDK from. `redirect_uris` are the pages, exactly, that
    the signup without a popup may come back to; `dialog_base_url` is where it leads.
    """

    app_id: Annotated[Digits, wants("the digits of your Meta app's id, in quotes")]
    config_id: Annotated[
        Digits, wants("the digits of your Facebook Login for Business configuration, in quotes")
    ]
    graph_version: Annotated[GraphVersion, wants('a version of the Graph API, such as "v26.0"')]
    graph_base_url: Annotated[Address, wants("an https address, in quotes")] = "https://graph.facebook.com"
    sdk_base_url: Annotated[Address, wants("an https address, in quotes")] = "https://connect.facebook.net"
    dialog_base_url: Annotated[Address, wants("an https address, in quotes")] = "https://www.facebook.com"
    redirect_uris: Annotated[
        PageAddresses,
        wants(
            f"a list of at most {MOST_REDIRECTS} addresses of pages, such as"
            ' ["https://app.your-company.com/connect"]'
        ),
    ] = ()
    extras: Annotated[Extras, wants("a table, [meta.extras], or JSON when it is given for one run")] = Field(
        default_factory=dict
    )
    flows: Annotated[
        Flows[FlowConfig], wants("a table of flows, each [meta.flows.<name>] with its config_id")
    ] = Field(default_factory=dict)


class ApiConfig(_Section):
    """``[api]``: who may call the front-end routes, from which pages, how often, and under which name.

    `throttle_rate` is in requests per second, for each route and all its callers together.
    `localhost_origins` allows pages on ``http://localhost``, any port. `default_endpoint` says whether AWS's
    own address answers; None: it does. `key_readers` are the ARNs that may fetch keys, also of other
    accounts; `user_pool_id` names a Cognito pool that exists already.
    """

    allowed_origins: Annotated[
        Origins, wants('a list with at least one origin, such as ["https://app.your-company.com"]')
    ]
    jwt_issuer: Annotated[Issuer | None, wants("the https address of your identity provider, in quotes")] = (
        None
    )
    jwt_audience: Annotated[Audience, wants('a list of texts without blanks, such as ["onramp"]')] = ()
    tenant_claim: Annotated[
        Claim, wants("the name of a claim: 1 to 100 letters, digits and _ : . / -, without blanks")
    ] = "sub"
    throttle_rate: Annotated[
        Whole, Field(ge=1, le=MOST_REQUESTS), wants(f"a whole number of requests from 1 to {MOST_REQUESTS}")
    ] = 50
    throttle_burst: Annotated[
        Whole, Field(ge=1, le=MOST_REQUESTS), wants(f"a whole number of requests from 1 to {MOST_REQUESTS}")
    ] = 100
    domain_name: Annotated[
        Domain | None,
        wants("a host name in lower case, without https:// and path, such as onramp.your-company.com"),
    ] = None
    certificate_arn: Annotated[
        Certificate | None,
        wants('the ARN of a certificate, "arn:aws:acm:<region>:<account>:certificate/<id>"'),
    ] = None
    hosted_zone_id: Annotated[Zone | None, wants('the id of a Route 53 zone, "Z0123456789ABC"')] = None
    localhost_origins: Annotated[Switch, wants("true or false, without quotes")] = False
    default_endpoint: Annotated[Switch | None, wants("true or false, without quotes")] = None
    key_readers: Annotated[
        Principals,
        wants('a list of ARNs, "arn:aws:iam::<account>:role/<name>", user/<name>, or root for an account'),
    ] = ()
    user_pool_id: Annotated[
        UserPoolId | None, wants('the id of a Cognito user pool, such as "eu-central-1_AbCdEfGhI"')
    ] = None


class WebhookConfig(_Section):
    """``[messaging.webhooks.<name>]``: another place that a number's messages may go to.

    `headers` are the names of headers whose values are kept in the stage's secret. `tenants` may choose it by
    themselves, ``*`` is everybody; a server of yours may choose any.
    """

    url: Annotated[MessagingWebhook, wants("the https address of an application that takes messages")]
    headers: Annotated[HeaderNames, wants('a list of names of headers, such as ["Authorization"]')] = ()
    tenants: Annotated[Tenants, wants('a list of tenants, or ["*"] for everybody')] = ()


class MessagingConfig(_Section):
    """``[messaging]``: where connected channels send their messages.

    `webhooks` are other places by name, and `tenants` who is sent to one of them unless a signup chooses.
    """

    webhook_url: Annotated[
        MessagingWebhook, wants("the https address of your application that takes messages, in quotes")
    ]
    webhook_headers: Annotated[Headers, wants("a table of texts, [messaging.webhook_headers]")] = Field(
        default_factory=dict
    )
    base_url: Annotated[Address, wants("an https address, in quotes")] = "https://waba-v2.360dialog.io"
    webhooks: Annotated[
        Webhooks[WebhookConfig], wants("a table of webhooks, each [messaging.webhooks.<name>] with its url")
    ] = Field(default_factory=dict)
    tenants: Annotated[TenantNames, wants("a table of names of webhooks by tenant, [messaging.tenants]")] = (
        Field(default_factory=dict)
    )


class HubConfig(_Section):
    """``[hubs.<name>]``: another partner at 360dialog; what it leaves out is as in ``[partner]``.

    `messaging` names the webhook of ``[messaging.webhooks]`` that its numbers' messages go to.
    """

    partner_id: Annotated[
        PartnerId, wants('your partner id at 360dialog: letters and digits with "PA" in capitals at its end')
    ]
    solution_id: Annotated[
        SolutionId, wants("14 to 18 digits in quotes: the id of the multi-partner solution")
    ]
    base_url: Annotated[Address | None, wants("an https address, in quotes")] = None
    default_plan_tier: Annotated[
        Literal["basic", "regular", "premium"] | None, wants('"basic", "regular" or "premium"')
    ] = None
    budget_calls: Annotated[
        Annotated[Whole, Field(ge=1, le=MOST_CALLS)] | None,
        wants(f"a whole number of calls from 1 to {MOST_CALLS}"),
    ] = None
    budget_window_seconds: Annotated[
        Annotated[Whole, Field(ge=1, le=LONGEST_WINDOW)] | None,
        wants(f"a whole number of seconds from 1 to {LONGEST_WINDOW} (an hour)"),
    ] = None
    messaging: Annotated[WebhookName | None, wants("the name of a webhook of [messaging.webhooks]")] = None
    watch_balance: Annotated[
        Annotated[Whole, Field(ge=1, le=MOST_MONEY)] | None,
        wants(f"a whole amount from 1 to {MOST_MONEY}, without a currency"),
    ] = None


class NumbersConfig(_Section):
    """``[numbers]``: what the daily check of a connected number mends without being asked."""

    mend_keys: Annotated[Literal["report", "mend"], wants('"report" or "mend"')] = "report"
    mend_webhooks: Annotated[Literal["report", "mend"], wants('"report" or "mend"')] = "mend"


class BusConfig(_Section):
    """``[bus]``: who may put rules on the bus, and for how long its events are archived, in days (0: not)."""

    readers: Annotated[
        Principals,
        wants('a list of ARNs, "arn:aws:iam::<account>:role/<name>", user/<name>, or root for an account'),
    ] = ()
    archive_days: Annotated[
        Whole,
        Field(ge=0, le=LONGEST_KEPT_DAYS),
        wants(f"a whole number of days from 0 (no archive) to {LONGEST_KEPT_DAYS} (ten years)"),
    ] = 0


class EndpointConfig(_Section):
    """``[notifications.endpoints.<name>]``: an address of yours, and which bus events it hears of."""

    url: Annotated[EndpointUrl, wants("an https address, in quotes")]
    events: Annotated[EventFilters, wants('a list of types of events, such as ["number.*"]')] = ("*",)


class NotificationsConfig(_Section):
    """``[notifications]``: signed posts to endpoints of yours, after Standard Webhooks.

    `allow_loopback` lets this machine be an endpoint, in a local run.
    """

    retry_schedule_seconds: Annotated[
        tuple[NotifyWait, ...],
        Field(min_length=1, max_length=MOST_WAITS),
        wants(f"a list of 1 to {MOST_WAITS} waits in whole seconds, each from 1 to {LONGEST_NOTIFY_WAIT}"),
    ] = TRY_SECONDS
    allow_loopback: Annotated[Switch, wants("true or false, without quotes")] = False
    endpoints: Annotated[
        Endpoints[EndpointConfig],
        wants("a table of endpoints, each [notifications.endpoints.<name>] with its url"),
    ] = Field(default_factory=dict)


class RelayTarget(_Section):
    """``[relay.targets.<name>]``: who is handed 360dialog's events, and which: names, ``*`` for any text."""

    to: Annotated[Target, wants('"bus", the ARN of an SQS queue, or an https address, in quotes')]
    events: Annotated[Patterns, wants('a list of names of events, such as ["waba_*"]')] = ("*",)


class RelayConfig(_Section):
    """``[relay]``: what becomes of 360dialog's events beside what they do here.

    `coexistence` says so of `history` and `smb_app_state_sync`: ``relay`` hands them on and keeps their name
    and place, ``keep`` keeps their contents too, ``drop`` does neither. A body that is too large for a target
    lies in a bucket for `bodies_kept_days`.
    """

    coexistence: Annotated[Literal["relay", "keep", "drop"], wants('"relay", "keep" or "drop"')] = "relay"
    bodies_kept_days: Annotated[
        Whole,
        Field(ge=1, le=LONGEST_BODY_DAYS),
        wants(f"a whole number of days from 1 to {LONGEST_BODY_DAYS}"),
    ] = 7
    targets: Annotated[
        Targets[RelayTarget], wants("a table of targets, each [relay.targets.<name>] with its to")
    ] = Field(default_factory=dict)


class LinksConfig(_Section):
    """``[links]``: signup links, which a customer opens without a login of the partner's.

    A link lives `days` unless its maker says less. Return addresses must be at one of `return_origins`. A
    customer with a dead link is offered `refresh_url`. `makers` are the ARNs that may make links by IAM.
    """

    days: Annotated[
        Whole,
        Field(ge=1, le=LONGEST_LINK_DAYS),
        wants(f"a whole number of days from 1 to {LONGEST_LINK_DAYS}"),
    ] = 7
    return_origins: Annotated[
        SomeOrigins, wants('a list of origins, such as ["https://app.your-company.com"]')
    ] = ()
    refresh_url: Annotated[PageAddress | None, wants("the https address of a page of yours, in quotes")] = (
        None
    )
    makers: Annotated[
        Principals,
        wants('a list of ARNs, "arn:aws:iam::<account>:role/<name>", user/<name>, or root for an account'),
    ] = ()


class PageConfig(_Section):
    """``[page]``: the hosted page behind a link, and whose it looks like.

    `accent` is for light and `accent_dark` for dark surroundings.
    """

    enabled: Annotated[Switch, wants("true or false, without quotes")] = True
    name: Annotated[PageName, wants(f"one line of at most {LONGEST_PAGE_NAME} characters")] = ""
    logo_url: Annotated[PageAddress | None, wants("the https address of a picture, in quotes")] = None
    accent: Annotated[Colour, wants('a colour as six hexadecimal digits, such as "#0b7a4b"')] = "#0b7a4b"
    accent_dark: Annotated[Colour, wants('a colour as six hexadecimal digits, such as "#5fd39b"')] = "#5fd39b"
    support_url: Annotated[
        SupportAddress | None, wants("an https address, or mailto: with an email address, in quotes")
    ] = None


class MetaWebhookConfig(_Section):
    """``[meta_webhook]``: whether Meta's own webhook, and what persons ask for through Meta, are taken."""

    enabled: Annotated[Switch, wants("true or false, without quotes")] = False


class LimitsConfig(_Section):
    """``[limits]``: how much one tenant may have at once, each left out where there is no limit.

    `open_signups` wait for their code and have no link; `links` are open; `signups_per_day` counts all that
    are opened in one day of UTC.
    """

    open_signups: Annotated[
        Annotated[Whole, Field(ge=1, le=MOST_AT_ONCE)] | None,
        wants(f"a whole number from 1 to {MOST_AT_ONCE}, or left out"),
    ] = None
    signups_per_day: Annotated[
        Annotated[Whole, Field(ge=1, le=MOST_A_DAY)] | None,
        wants(f"a whole number from 1 to {MOST_A_DAY}, or left out"),
    ] = None
    links: Annotated[
        Annotated[Whole, Field(ge=1, le=MOST_AT_ONCE)] | None,
        wants(f"a whole number from 1 to {MOST_AT_ONCE}, or left out"),
    ] = None


class RetentionConfig(_Section):
    """``[retention]``: after how many days the table forgets what is only of use for a time.

    `events_days` is at least as long as 360dialog may repeat an event. Without `signups_days` a signup that
    ended without an account stays until it is erased; one with numbers stays as long as they do.
    """

    facts_days: Annotated[
        Whole,
        Field(ge=1, le=LONGEST_KEPT_DAYS),
        wants(f"a whole number of days from 1 to {LONGEST_KEPT_DAYS} (ten years)"),
    ] = 400
    events_days: Annotated[
        Whole,
        Field(ge=SHORTEST_EVENTS_DAYS, le=LONGEST_KEPT_DAYS),
        wants(
            f"a whole number of days from {SHORTEST_EVENTS_DAYS} (so long an event acts only once) to "
            f"{LONGEST_KEPT_DAYS} (ten years)"
        ),
    ] = 30
    deliveries_days: Annotated[
        Whole,
        Field(ge=SHORTEST_DELIVERIES_DAYS, le=LONGEST_KEPT_DAYS),
        wants(
            f"a whole number of days from {SHORTEST_DELIVERIES_DAYS} (so long a delivery is tried) to "
            f"{LONGEST_KEPT_DAYS} (ten years)"
        ),
    ] = 30
    signups_days: Annotated[
        Annotated[Whole, Field(ge=SHORTEST_SIGNUPS_DAYS, le=LONGEST_KEPT_DAYS)] | None,
        wants(
            f"a whole number of days from {SHORTEST_SIGNUPS_DAYS} (so long a link that has ended is known) "
            f"to {LONGEST_KEPT_DAYS} (ten years), or left out"
        ),
    ] = None


class DeploymentConfig(_Section):
    """Everything a deployment is told, frozen. Only the stage ``local`` may use plain http, on loopback."""

    stage: StageConfig
    partner: PartnerConfig
    meta: MetaConfig
    api: ApiConfig
    messaging: MessagingConfig
    numbers: NumbersConfig = NumbersConfig()
    bus: BusConfig = BusConfig()
    notifications: NotificationsConfig = NotificationsConfig()
    relay: RelayConfig = RelayConfig()
    links: LinksConfig = LinksConfig()
    page: PageConfig = PageConfig()
    meta_webhook: MetaWebhookConfig = MetaWebhookConfig()
    limits: LimitsConfig = LimitsConfig()
    retention: RetentionConfig = RetentionConfig()
    hubs: Annotated[Hubs[HubConfig], wants("a table of hubs, each [hubs.<name>]")] = Field(
        default_factory=dict
    )

    @property
    def is_local(self) -> bool:
        """Whether this is the run on one machine, beside simulated upstreams."""
        return self.stage.name == LOCAL_STAGE

    @property
    def features(self) -> frozenset[Feature]:
        """What of all there may be this deployment has."""
        to = [target.to for target in self.relay.targets.values()]
        having: dict[Feature, bool] = {
            "notifications": bool(self.notifications.endpoints),
            "relay": bool(to),
            "relay_bus": BUS_TARGET in to,
            "relay_https": any("://" in one for one in to),
            "relay_queues": any(one.startswith("arn:") for one in to),
        }
        return frozenset(feature for feature, has in having.items() if has)

    @model_validator(mode="after")
    def _values_go_together(self) -> Self:
        values: dict[str, object] = {
            f"{section}.{key}": value
            for section, table in self
            if isinstance(table, BaseModel)
            for key, value in table
        }
        values["hubs"] = self.hubs
        if broken := broken_rules(values, RULES, Around()):
            raise ValueError("\n".join(f"{one.place}: {one.told}" for one in broken))
        return self


def overridable_values() -> tuple[str, ...]:
    """The names ``section.key`` of all values, in the order of the file."""
    return tuple(_MODEL.names)


def mistakes_in(
    raw: Mapping[str, Any], *, overrides: Mapping[str, object] | None = None, around: Around | None = None
) -> list[Mistake]:
    """What is wrong with the content of a configuration file, in the order of the file; empty when nothing.

    Args:
        raw: the content, as TOML gives it.
        overrides: values for this run, by ``section.key``; those of the file count only where there is none.
        around: what is known of the place that the stack goes to.
    """
    return examine(_MODEL, raw, overrides or {}, RULES, around or Around())[1]


def overridden(raw: Mapping[str, Any], overrides: Mapping[str, object]) -> dict[str, Any]:
    """The content of a configuration file with the values of this run in it, as the deployment reads them.

    Raises:
        ConfigError: an override names no value, or its text cannot be read.
    """
    content, mistakes = put_into(_MODEL, raw, overrides)
    if mistakes:
        raise ConfigError("\n".join(f"-c {one.name}: {one.told}" for one in mistakes))
    return content


def load_config(
    *,
    directory: Path,
    stage: str,
    overrides: Mapping[str, object] | None = None,
    path: Path | None = None,
    around: Around | None = None,
) -> DeploymentConfig:
    """Read and check the configuration of a stage.

    Args:
        directory: the folder of the configuration files.
        stage: which of them; also the value that ``[stage] name`` must have.
        overrides: values for this run, by ``section.key``. Lists and tables may be given as JSON text, lists
            also as text separated by commas, numbers as digits.
        path: a file from elsewhere, in place of ``<directory>/<stage>.toml``.
        around: account and region that the stack would go to, as far as they are known.

    Raises:
        ConfigError: the file is missing, is not TOML, or a value in it cannot be used.
    """
    if not re.fullmatch(r"[a-z0-9-]+", stage):
        raise ConfigError(f"stage {stage!r}: use lower-case letters, digits and hyphens")
    file = path or directory / f"{stage}.toml"
    place = str(path) if path else f"{directory.name}/{file.name}"
    raw = read_toml(file, place)
    around = replace(around or Around(), stage=stage)
    content, mistakes = examine(_MODEL, raw, overrides or {}, RULES, around)
    if mistakes:
        raise ConfigError("\n".join(one.line(place, overrides) for one in mistakes))
    return DeploymentConfig.model_validate(content)


def read_toml(path: Path, place: str) -> dict[str, Any]:
    """The content of a configuration file, right or not. Raises `ConfigError`, which calls it `place`."""
    try:
        # Some editors put a mark in front of UTF-8.
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        raise ConfigError(
            f"{place}: there is no such file; copy config/example.toml to it, or give -c config=<path>"
        ) from error
    except OSError as error:
        raise ConfigError(f"{place}: cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{place}: not TOML: byte {error.start} is not UTF-8; save it as UTF-8") from error
    except RecursionError as error:
        raise ConfigError(f"{place}: not TOML: its lists or tables are nested too deep") from error
    except ValueError as error:  # also a number of thousands of digits
        raise ConfigError(f"{place}: not TOML: {error}") from error


_MODEL = Model(DeploymentConfig)
