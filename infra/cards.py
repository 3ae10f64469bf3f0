"""The functions, a card for each: what it is for, runs with, may do, is started by, and counts.

The name on a card is that of its file in `functions/`; it is written nowhere else in `infra/`. A new function
is a card, a settings class in `onramp.settings`, and the file.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from infra.grants import (
    BODIES_READ,
    BODIES_WRITTEN,
    BUS,
    DECRYPT,
    DELETE,
    ENCRYPT,
    GET,
    GET_MANY,
    PUT,
    QUERY,
    SCAN,
    SECRET,
    STREAM,
    UPDATE,
    Feature,
    Grant,
    QueueName,
    consumes,
    indexes,
    reads_letters,
    secrets_of,
    sends,
    table,
)
from infra.metrics import METRICS
from onramp import settings

PackageName = Literal["receiver", "meta", "page", "app", "sender"]
LONGEST_TIMEOUT = 900
"""Lambda's own limit, in seconds."""
WAITED_FOR = 1024
"""MB of a function that a person waits for: half as long a cold start as with 512, for the same price."""


@dataclass(frozen=True, slots=True)
class Routes:
    """The function answers calls of the API; which ones, the table of routes says."""


@dataclass(frozen=True, slots=True)
class Queue:
    """The function works off a queue, at most `batch` messages at a time."""

    name: QueueName
    batch: int


@dataclass(frozen=True, slots=True)
class NewItems:
    """The function is handed items that are new in the table, those whose `sk` has a prefix.

    At most `batch` at a time, or what has come in `window_seconds`.
    """

    prefix: str
    batch: int
    window_seconds: int


@dataclass(frozen=True, slots=True)
class Schedule:
    """The function is called with ``{"task": …}`` for each task, by expressions of EventBridge."""

    tasks: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Invoked:
    """The function is invoked directly, by whoever IAM lets: no route leads to it, and nothing starts it."""


type Trigger = Routes | Queue | NewItems | Schedule | Invoked


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One function. `timeout` in seconds, `memory` in MB; `settings` names its environment variables.

    With `needs` it is there only where the configuration has that.

    Raises:
        ValueError: a timeout that Lambda does not know, or a metric that is not in the table.
    """

    name: str
    about: str
    timeout: int
    memory: int = 512
    package: PackageName = "app"
    settings: type[settings.Settings] | tuple[str, ...]
    grants: tuple[Grant, ...]
    trigger: Trigger
    metrics: tuple[str, ...]
    needs: Feature | None = None

    def __post_init__(self) -> None:
        """Refuse what can be seen to be wrong."""
        if not 1 <= self.timeout <= LONGEST_TIMEOUT:
            raise ValueError(f"{self.name}: timeout {self.timeout} s, Lambda allows 1 to {LONGEST_TIMEOUT}")
        if unknown := sorted(set(self.metrics) - set(METRICS)):
            raise ValueError(f"{self.name}: {', '.join(unknown)} is not in infra/metrics.py")

    @property
    def variables(self) -> frozenset[str]:
        """The environment variables that it reads."""
        return frozenset(self.settings if isinstance(self.settings, tuple) else self.settings.names())

    @property
    def logical_id(self) -> str:
        """Its name in the stack: ``code_exchange`` becomes ``CodeExchange``."""
        return logical_id(self.name)


def logical_id(name: str) -> str:
    """A name in snake case as the stack writes it: ``code_exchange`` becomes ``CodeExchange``."""
    return "".join(part.capitalize() for part in name.split("_"))


# Whoever reads the ledger applies what it finds there.
_LEDGER = ("EventsApplied", "EventsDuplicate", "EventsGivenUp", "EventsUnresolved")
# A browser waits at most 30 s for an HTTP API; 360dialog waits 5 s for the receiver.
_CARDS = (
    Card(
        name="code_exchange",
        about="Opens signups; exchanges Meta's code and proves it",
        timeout=29,
        memory=WAITED_FOR,
        settings=settings.CodeExchangeSettings,
        trigger=Routes(),
        grants=(
            *table(GET, GET_MANY, QUERY, UPDATE, PUT),
            secrets_of("business_token", DECRYPT, ENCRYPT),
            SECRET,
        ),
        metrics=(
            "MetaConfigurationErrors",
            "MetaRefusals",
            "PopupOutcomes",
            "ServicesUnavailable",
            "SignupsAuthorized",
            "SignupsOpened",
        ),
    ),
    Card(
        name="number_submission",
        about="Takes numbers for submission, and retries",
        # Numbers that are not listed yet are looked for at Meta.
        timeout=29,
        memory=WAITED_FOR,
        settings=settings.NumberSubmissionSettings,
        trigger=Routes(),
        grants=(
            *table(GET, GET_MANY, QUERY, UPDATE, PUT),
            *sends("jobs_queue"),
            secrets_of("business_token", DECRYPT),
            SECRET,
        ),
        metrics=("MetaConfigurationErrors", "MetaRefusals", "ServicesUnavailable"),
    ),
    Card(
        name="signup_queries",
        about="Answers what is read: signups, numbers, keys",
        timeout=20,
        memory=WAITED_FOR,
        settings=settings.SignupQueriesSettings,
        trigger=Routes(),
        grants=(
            *table(GET, GET_MANY, QUERY),
            *indexes("by_tenant", "by_channel"),
            secrets_of("business_token", DECRYPT),
            secrets_of("channel_key", DECRYPT),
            SECRET,
        ),
        metrics=("MetaConfigurationErrors", "MetaRefusals", "ServicesUnavailable"),
    ),
    Card(
        name="webhook_receiver",
        about="Checks 360dialog's webhooks and queues them",
        timeout=5,
        package="receiver",
        settings=settings.WEBHOOK_RECEIVER,
        trigger=Routes(),
        grants=(*sends("events_queue"), SECRET),
        metrics=(
            "WebhookMilliseconds",
            "WebhooksAccepted",
            "WebhooksEmpty",
            "WebhooksRefused",
            "WebhooksRejected",
            "WebhooksTooLarge",
        ),
    ),
    Card(
        name="meta_receiver",
        about="Checks Meta's own webhooks and persons' requests, and queues them",
        timeout=5,
        package="meta",
        settings=settings.META_RECEIVER,
        trigger=Routes(),
        grants=(*sends("events_queue"), SECRET),
        metrics=(
            "MetaWebhooksAccepted",
            "MetaWebhooksRefused",
            "MetaWebhooksRejected",
            "MetaWebhooksTooLarge",
        ),
    ),
    Card(
        name="hosted_page",
        about="Serves the page behind a signup link",
        timeout=5,
        package="page",
        settings=settings.HOSTED_PAGE,
        trigger=Routes(),
        # Its files are in its package: it reads nothing of ours, and calls nobody.
        grants=(),
        metrics=(),
    ),
    Card(
        name="onboarding_worker",
        about="Brings numbers through 360dialog, step by step, and takes the census",
        timeout=60,
        settings=settings.OnboardingWorkerSettings,
        trigger=Queue("jobs_queue", batch=1),
        grants=(
            *table(GET, GET_MANY, UPDATE, PUT),
            *indexes("by_channel", "by_digits", "by_waba", "by_place"),
            consumes("jobs_queue", "sqs:SendMessage"),
            *sends("jobs_dlq"),
            secrets_of("channel_key", DECRYPT, ENCRYPT),
            SECRET,
        ),
        metrics=(
            *_LEDGER,
            "BalanceLow",
            "BudgetUsed",
            "BudgetWaited",
            "CensusPages",
            "ChannelsUnknown",
            "ClientDuplicates",
            "ClientsMade",
            "KeysFoundDead",
            "KeysMade",
            "NumbersAttention",
            "NumbersChecked",
            "NumbersConnected",
            "NumbersFailed",
            "NumbersHealed",
            "NumbersMended",
            "NumbersStale",
            "PartnerConfigurationErrors",
            "PartnerThrottled",
            "RecordsCrashed",
            "SecondsFromCodeToConnected",
            "ServicesUnavailable",
        ),
    ),
    Card(
        name="partner_event_worker",
        about="Applies 360dialog's events",
        timeout=60,
        settings=settings.PartnerEventWorkerSettings,
        trigger=Queue("events_queue", batch=10),
        grants=(
            *table(GET, GET_MANY, UPDATE, PUT),
            *indexes("by_channel", "by_digits", "by_waba", "by_place"),
            consumes("events_queue"),
            *sends("events_dlq", "jobs_queue"),
            *sends("relay_queue", needs="relay"),
            *BODIES_WRITTEN,
        ),
        metrics=(
            *_LEDGER,
            "DeletionsRequested",
            "EventsStored",
            "EventsUnknown",
            "EventsUnreadable",
            "NumbersAttention",
            "RecordsCrashed",
            "ServicesUnavailable",
            "SolutionsDeactivated",
        ),
    ),
    Card(
        name="event_relay",
        about="Hands 360dialog's events on to the partner's own systems",
        timeout=60,
        settings=settings.EventRelaySettings,
        trigger=Queue("relay_queue", batch=1),
        needs="relay",
        grants=(
            consumes("relay_queue"),
            *sends("relay_dlq"),
            *BODIES_READ,
            Grant("bus", ("events:PutEvents",), needs="relay_bus"),
            Grant("relay_targets", ("sqs:SendMessage",), needs="relay_queues"),
            Grant("secret", ("secretsmanager:GetSecretValue",), needs="relay_https"),
        ),
        metrics=("EventsRelayed", "RecordsCrashed", "RelayGivenUp", "RelayRefused"),
    ),
    Card(
        name="reconciler",
        about="Wakes workers for what is due, and the census each day",
        timeout=60,
        settings=settings.ReconcilerSettings,
        trigger=Schedule({"sweep": "rate(1 minute)", "census": "cron(0 4 * * ? *)"}),
        grants=(
            *table(UPDATE),
            *indexes("by_due"),
            # Lambda itself puts a run that failed into the second one, in the name of the function's role.
            *sends("jobs_queue", "schedules_dlq"),
            *sends("notifications_queue", needs="notifications"),
        ),
        metrics=("JobsSentAgain", "NumbersWaiting", "OldestDueSeconds", "RecordsCrashed"),
    ),
    Card(
        name="notification_sender",
        about="Sends signed notifications to the partner's own endpoints",
        timeout=60,
        package="sender",
        settings=settings.NotificationSenderSettings,
        # All posts of a batch are made at the same time: five messages for ten endpoints at most.
        trigger=Queue("notifications_queue", batch=5),
        needs="notifications",
        grants=(
            *table(GET, UPDATE),
            consumes("notifications_queue", "sqs:SendMessage"),
            *sends("notifications_dlq"),
            secrets_of("endpoint_key", DECRYPT, ENCRYPT),
        ),
        metrics=(
            "EndpointsDisabled",
            "NotificationsDelivered",
            "NotificationsGivenUp",
            "NotificationsRefused",
            "RecordsCrashed",
            "ServicesUnavailable",
        ),
    ),
    Card(
        name="event_publisher",
        about="Puts facts on the bus, for the partner's own systems",
        timeout=120,
        settings=settings.EventPublisherSettings,
        trigger=NewItems("FACT#", batch=100, window_seconds=1),
        grants=(
            # A scan, because what the stream has lost is published again by its time, over all signups; an
            # index for that would cost a write for every fact and be used once in a year.
            *table(SCAN),
            STREAM,
            BUS,
            # Lambda itself puts what it gives up there, in the name of the function's role.
            *sends("stream_dlq"),
        ),
        metrics=("FactsPublished", "FactsRefused", "RecordsCrashed"),
    ),
    Card(
        name="operator_desk",
        about="Does what operators ask, by IAM alone: finds, shows, wakes, sends back",
        timeout=60,
        # It makes keys of endpoints, which takes what the sender signs with.
        package="sender",
        settings=settings.OperatorDeskSettings,
        trigger=Invoked(),
        grants=(
            # A person is looked for, and forgotten, in the whole table: an index would hold their email.
            *table(GET, GET_MANY, QUERY, SCAN, UPDATE, PUT, DELETE),
            *indexes("by_tenant", "by_due", "by_channel", "by_digits", "by_waba", "by_place"),
            *sends("jobs_queue", "events_queue", "relay_queue"),
            *reads_letters(
                "jobs_dlq", "events_dlq", "relay_dlq", "notifications_dlq", "schedules_dlq", "stream_dlq"
            ),
            secrets_of("channel_key", DECRYPT, ENCRYPT),
            secrets_of("business_token", ENCRYPT),
            # New keys of an endpoint are shown as they are made: nobody reads old ones here.
            secrets_of("endpoint_key", ENCRYPT, needs="notifications"),
            *sends("notifications_queue", needs="notifications"),
            SECRET,
        ),
        metrics=(
            "BudgetUsed",
            "MetaConfigurationErrors",
            "MetaRefusals",
            "NumbersAdopted",
            "PartnerThrottled",
            "RecordsCrashed",
            "ServicesUnavailable",
            "SignupsAuthorized",
            "SignupsOpened",
        ),
    ),
)
CARDS: Mapping[str, Card] = MappingProxyType({card.name: card for card in _CARDS})
"""All functions that there can be, by name."""


def cards_with(features: Collection[Feature]) -> Mapping[str, Card]:
    """The functions of a configuration that has these features, by name."""
    return {name: card for name, card in CARDS.items() if card.needs is None or card.needs in features}


def counted_by(metric: str) -> tuple[str, ...]:
    """The functions that count a metric. Raises `KeyError` for one that is not in the table."""
    _ = METRICS[metric]
    return tuple(name for name, card in CARDS.items() if metric in card.metrics)
