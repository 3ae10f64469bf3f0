"""What use cases need from outside, in one flat bundle: `run.ports.partner`.

`storage` is the table, `upstreams` are Meta and 360dialog, `services` is all the rest of our own.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Never, cast

from onramp.domain.budget import BudgetRule
from onramp.domain.errors import UnknownHub
from onramp.domain.launch import Flows
from onramp.domain.notifications import TRY_SECONDS
from onramp.domain.records import HUB
from onramp.domain.relaying import NO_RELAY, RelayRules
from onramp.domain.schedule import LOOK_AFTER, RETRY_SECONDS
from onramp.domain.values import dataclass
from onramp.ports.services import Bus, Clock, Letters, Queue, Telemetry, Vault
from onramp.ports.storage import Store
from onramp.ports.upstreams import ChannelWebhook, Messaging, Meta, NamedWebhook, Partner, WholeLists

if TYPE_CHECKING:
    # Two functions each have these; the others start without.
    from onramp.ports.outbound import Outbound, Signer
    from onramp.ports.relaying import Bodies, Outlets, Relay

DEFAULT_BUDGET: Final = BudgetRule(calls=5, window=timedelta(seconds=30))
NO_WEBHOOK: Final = ChannelWebhook(url="", headers={})


class NotWired:
    """Stands where a function has no port: it must not need it, and its role could not use it."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Never:
        raise RuntimeError(f"{self._name} is not wired into this function (asked for {name})")


@dataclass(frozen=True, slots=True)
class LinkRules:
    """How long a link lives unless its maker says less, where it may send a customer, who makes a new one."""

    days: int = 7
    return_origins: Sequence[str] = ()
    refresh_url: str | None = None


NO_LINKS: Final = LinkRules()


@dataclass(frozen=True, slots=True)
class EndpointRule:
    """An endpoint of the partner's: where it is, and of which events it hears, by `*` and `number.*`."""

    url: str
    events: Sequence[str] = ("*",)


@dataclass(frozen=True, slots=True)
class NotificationRules:
    """The endpoints by name, and the waits between tries in seconds.

    `loopback`: this machine may be an endpoint, in a local run alone.
    """

    endpoints: Mapping[str, EndpointRule] = field(default_factory=dict)
    waits: Sequence[int] = TRY_SECONDS
    loopback: bool = False


NO_NOTIFICATIONS: Final = NotificationRules()


@dataclass(frozen=True, slots=True)
class Webhooks:
    """The allow-list of messaging webhooks, by name, and who is sent to one of them without being asked.

    `tenants`: the name of a tenant's. `hub`: that of the hub; None is the stage's own webhook.
    """

    named: Mapping[str, NamedWebhook] = field(default_factory=dict)
    tenants: Mapping[str, str] = field(default_factory=dict)
    hub: str | None = None


NO_NAMED: Final = Webhooks()


@dataclass(frozen=True, slots=True)
class TenantLimits:
    """How much one tenant may have at once, and open in a day of UTC; None where there is no limit."""

    open_signups: int | None = None
    signups_per_day: int | None = None
    links: int | None = None

    @property
    def are_set(self) -> bool:
        """Whether anything has to be counted."""
        return any(limit is not None for limit in (self.open_signups, self.signups_per_day, self.links))


NO_LIMITS: Final = TenantLimits()


@dataclass(frozen=True, slots=True)
class Kept:
    """For how long the table keeps what is only of use for a time.

    `signups`: so long after its end a signup stays that has brought no account; None for ever.
    """

    facts: timedelta = timedelta(days=400)
    events: timedelta = timedelta(days=30)
    deliveries: timedelta = timedelta(days=30)
    signups: timedelta | None = None


KEPT: Final = Kept()


@dataclass(frozen=True, slots=True)
class Rules:
    """What a deployment decides: see `config/example.toml`.

    `look_after`: how long a number waits for a webhook before its channel is looked up. `webhook`: where
    connected channels send their messages unless `webhooks` says otherwise. `mend_keys`: whether the daily
    check replaces a key that is dead, which kills the one somebody has just made; `mend_webhooks`: whether it
    sets a webhook back. `flows`: what a popup can be opened with, by name. `links`: what holds for signup
    links. `redirect_uris`: the pages, exactly, that a signup without a popup may come back to. `limits`: what
    one tenant may have. `plan_tier`: of a signup that names none. `solution_id`: of the multi-partner
    solution. `watch_balance`: the amount below which the partner's balance is told; None watches nothing.
    `hears_meta`: whether Meta's own webhook is taken. `notifications`: who hears of what happens. `relay`:
    what is handed on of 360dialog's events, and to whom.
    """

    retry_seconds: Sequence[int] = RETRY_SECONDS
    look_after: timedelta = LOOK_AFTER
    budget: BudgetRule = DEFAULT_BUDGET
    webhook: ChannelWebhook = NO_WEBHOOK
    mend_keys: bool = False
    mend_webhooks: bool = True
    flows: Flows = field(default_factory=dict)
    links: LinkRules = NO_LINKS
    redirect_uris: Sequence[str] = ()
    limits: TenantLimits = NO_LIMITS
    plan_tier: str = "regular"
    webhooks: Webhooks = NO_NAMED
    partner_id: str = ""
    solution_id: str = ""
    watch_balance: int | None = None
    hears_meta: bool = False
    notifications: NotificationRules = NO_NOTIFICATIONS
    relay: RelayRules = NO_RELAY


@dataclass(frozen=True, slots=True)
class Hub:
    """What is one hub's own: its partner at 360dialog, where the function has it, and what holds for it."""

    rules: Rules
    partner: Partner = cast("Partner", NotWired("partner"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Everything a use case may need, as seen from one hub; each function is given those that it uses.

    `hubs` are all hubs of the stage by name, none where there is only one.
    """

    store: Store
    clock: Clock
    telemetry: Telemetry
    queue: Queue = cast("Queue", NotWired("queue"))
    partner: Partner = cast("Partner", NotWired("partner"))
    messaging: Messaging = cast("Messaging", NotWired("messaging"))
    meta: Meta = cast("Meta", NotWired("meta"))
    vault: Vault = cast("Vault", NotWired("vault"))
    letters: Letters = cast("Letters", NotWired("letters"))
    bus: Bus = cast("Bus", NotWired("bus"))
    relay: "Relay" = cast("Relay", NotWired("relay"))
    bodies: "Bodies" = cast("Bodies", NotWired("bodies"))
    outlets: "Outlets" = cast("Outlets", NotWired("outlets"))
    outbound: "Outbound" = cast("Outbound", NotWired("outbound"))
    signer: "Signer" = cast("Signer", NotWired("signer"))
    rules: Rules = field(default_factory=Rules)
    kept: Kept = KEPT
    hub: str = HUB
    hubs: Mapping[str, Hub] = field(default_factory=dict)
    lists: WholeLists = field(default_factory=WholeLists)

    @property
    def hub_names(self) -> Sequence[str]:
        """All hubs of the stage; the default one is the first."""
        return tuple(self.hubs) or (self.hub,)

    @property
    def each(self) -> Iterator["Ports"]:
        """The same as seen from each hub."""
        return (self.at(hub) for hub in self.hub_names)

    def at(self, hub: str) -> "Ports":
        """The same as seen from another hub. Raises `UnknownHub`."""
        if hub == self.hub:
            return self
        if hub not in self.hubs:
            raise UnknownHub(hub)
        own = self.hubs[hub]
        return replace(self, hub=hub, partner=own.partner, rules=own.rules)
