"""All ports in memory: use cases run against scripts of Meta and 360dialog, without a network."""

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from onramp.adapters.memory import (
    ManualClock,
    MemoryBodies,
    MemoryBus,
    MemoryOutlets,
    MemoryQueue,
    MemoryRelay,
    MemoryStore,
    MemoryTelemetry,
    MemoryVault,
)
from onramp.domain.budget import BudgetRule
from onramp.domain.errors import Permanent
from onramp.domain.ledger import EventRecord
from onramp.domain.number import Number
from onramp.domain.partner_events import Channel, PartnerEvent, read_event
from onramp.domain.phone_numbers import canonical
from onramp.domain.records import HUB
from onramp.domain.schedule import RETRY_SECONDS, next_check
from onramp.domain.signup import Client, Exchange, ListedNumber, Signup, Waba, parts_of
from onramp.domain.states import Progress
from onramp.ports import Ports, Rules
from onramp.ports.upstreams import (
    Amount,
    ChannelWebhook,
    Gate,
    Grant,
    NewKey,
    Page,
    PhoneFacts,
    RemoteClient,
    Submission,
    WabaFacts,
)
from onramp.usecases.apply_event import apply_event
from onramp.usecases.list_numbers import token_context
from onramp.usecases.submit_numbers import submit_numbers
from onramp.usecases.work import work_on_number

TENANT: Final = "acme"
WABA: Final = "2001"
BUSINESS: Final = "3001"
EMAIL: Final = "owner@example.com"
WEBHOOK: Final = ChannelWebhook(url="https://partner.example.com/whatsapp", headers={"X-Secret": "s"})
CALLS: Final = 1_000
"""Calls in a window: a test that is not about the budget does not meet it."""


_FIELDS: Final = {"setup_info.phone_number": "digits"}
"""Where a channel has what a filter of 360dialog's names otherwise."""


def phone(name: str) -> str:
    """The phone number of Meta's id."""
    return f"+49 151 {name}"


def digits(name: str) -> str:
    """Its canonical digits."""
    return canonical(phone(name))


@dataclass
class Script:
    """What an upstream does: `troubles` are raised before a call does anything, `lost` after it has."""

    calls: list[str] = field(default_factory=list)
    troubles: dict[str, list[Exception]] = field(default_factory=dict)
    lost: dict[str, list[Exception]] = field(default_factory=dict)
    meanwhile: dict[str, Callable[[], object]] = field(default_factory=dict)

    def begin(self, name: str) -> None:
        """A call goes out."""
        self.calls.append(name)
        happens = self.meanwhile.pop(name, None)
        if happens is not None:
            happens()
        if self.troubles.get(name):
            raise self.troubles[name].pop(0)

    def end(self, name: str) -> None:
        """The call has worked; perhaps its answer is lost."""
        if self.lost.get(name):
            raise self.lost[name].pop(0)


@dataclass
class ScriptedPartner(Script):
    """360dialog. `page_size` and `obeys` say how it lists; `submitted` is what it was handed.

    `controlled`: the ends asked for (True) and taken back (False), by client and channel. `shows_end`: a
    channel whose end is asked for reads as dead; `revives`: one whose end is taken back lives.
    """

    clients: list[RemoteClient] = field(default_factory=list)
    channels: list[Channel] = field(default_factory=list)
    submitted: list[Submission] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    controlled: list[tuple[str, str, bool]] = field(default_factory=list)
    page_size: int = 200
    obeys: bool = True
    shows_end: bool = True
    revives: bool = True
    balance: list[Amount] = field(default_factory=lambda: [Amount("EUR", Decimal(250))])

    def list_clients(self, offset: int, gate: Gate, *, email: str | None = None) -> Page[RemoteClient]:
        gate()
        self.begin("list_clients")
        wanted = email.lower() if email is not None and self.obeys else None
        found = [client for client in self.clients if wanted is None or wanted in client.emails]
        return self._page(found, offset)

    def read_client(self, client_id: str, gate: Gate) -> RemoteClient | None:
        gate()
        self.begin("read_client")
        return next((client for client in self.clients if client.id == client_id), None)

    def create_client(self, name: str, email: str, user_name: str, gate: Gate) -> str:
        gate()
        self.begin("create_client")
        made = RemoteClient(f"{len(self.clients) + 1}CL", frozenset({email.lower()}), None)
        self.clients.append(made)
        self.end("create_client")
        return made.id

    def submit_number(self, submission: Submission, gate: Gate) -> None:
        gate()
        self.begin("submit_number")
        self.submitted.append(submission)
        self.end("submit_number")

    def list_channels(self, filters: Mapping[str, str], offset: int, gate: Gate) -> Page[Channel]:
        gate()
        self.begin("list_channels")
        found = [
            channel
            for channel in self.channels
            if not self.obeys
            or all(getattr(channel, _FIELDS.get(name, name)) == value for name, value in filters.items())
        ]
        return self._page(found, offset)

    def read_channel(self, channel_id: str, gate: Gate) -> Channel:
        gate()
        self.begin("read_channel")
        for channel in self.channels:
            if channel.id == channel_id:
                return channel
        raise Permanent("channel_missing", status=404)

    def make_key(self, channel_id: str, gate: Gate) -> NewKey:
        gate()
        self.begin("make_key")
        self.keys.append(f"key-{len(self.keys) + 1}-of-{channel_id}")
        self.end("make_key")
        return NewKey(api_key=self.keys[-1], address="https://waba.example.com")

    def set_cancellation(self, client_id: str, channel_id: str, gate: Gate, *, wanted: bool) -> None:
        gate()
        self.begin("cancel" if wanted else "revoke")
        self._control(client_id, channel_id, wanted=wanted)
        self.end("cancel" if wanted else "revoke")

    def reactivate(self, client_id: str, channel_id: str, gate: Gate) -> None:
        gate()
        self.begin("reactivate")
        self._control(client_id, channel_id, wanted=False)
        self.end("reactivate")

    def read_balance(self, gate: Gate) -> Sequence[Amount]:
        gate()
        self.begin("read_balance")
        return self.balance

    def _control(self, client_id: str, channel_id: str, *, wanted: bool) -> None:
        self.controlled.append((client_id, channel_id, wanted))
        if self.shows_end if wanted else self.revives:
            self.show(channel_id, dead=wanted, final=False)

    def show(self, channel_id: str = "c1", **values: Any) -> None:
        """Let a channel read differently."""
        self.channels = [
            replace(channel, **values) if channel.id == channel_id else channel for channel in self.channels
        ]

    def _page[T](self, found: Sequence[T], offset: int) -> Page[T]:
        following = offset + self.page_size
        total = len(found)
        return Page(found[offset:following], following if following < total else None, total)


@dataclass
class ScriptedMessaging(Script):
    """360dialog's messaging host: only the newest key works."""

    partner: ScriptedPartner = field(default_factory=ScriptedPartner)
    webhook: ChannelWebhook | None = None
    forgets: bool = False

    def set_webhook(self, key: NewKey, webhook: ChannelWebhook) -> None:
        self.begin("set_webhook")
        self._require(key)
        self.webhook = None if self.forgets else webhook

    def read_webhook(self, key: NewKey) -> ChannelWebhook | None:
        self.begin("read_webhook")
        self._require(key)
        return self.webhook

    def _require(self, key: NewKey) -> None:
        if not self.partner.keys or key.api_key != self.partner.keys[-1]:
            raise Permanent("key_rejected", status=401)


@dataclass
class ScriptedMeta(Script):
    """Meta. `granted` are the WABAs that the token lists, `wabas` those that it can read.

    `words`: Meta's for a number's state. `whole`: what a token sees of a WABA that is read for an absence.
    """

    granted: list[str] = field(default_factory=lambda: [WABA])
    wabas: dict[str, WabaFacts] = field(
        default_factory=lambda: {WABA: WabaFacts(id=WABA, name="Acme", owner_business_id=BUSINESS)}
    )
    numbers: list[str] = field(default_factory=lambda: ["1001"])
    words: dict[str, dict[str, str]] = field(default_factory=dict)
    whole: dict[tuple[str, str], list[str] | None] = field(default_factory=dict)
    business: str | None = BUSINESS
    redirects: list[str | None] = field(default_factory=list)

    def exchange(self, code: str, redirect_uri: str | None = None) -> str:
        self.begin("exchange")
        self.redirects.append(redirect_uri)
        self.end("exchange")
        return f"token-of-{code}"

    def inspect(self, token: str) -> Grant:
        self.begin("inspect")
        return Grant(waba_ids=tuple(self.granted))

    def business_of(self, token: str) -> str | None:
        self.begin("business_of")
        return self.business

    def fetch_token(self, business_id: str, solution_id: str) -> str:
        self.begin("fetch_token")
        return f"token-of-{business_id}"

    def read_waba(self, token: str, waba_id: str) -> WabaFacts:
        self.begin("read_waba")
        if waba_id not in self.wabas:
            raise Permanent("waba_not_granted", status=403)
        return self.wabas[waba_id]

    def read_numbers(self, token: str, waba_id: str) -> Sequence[PhoneFacts]:
        self.begin("read_numbers")
        return [
            PhoneFacts(
                id=name,
                display_phone_number=phone(name),
                verified_name="Acme",
                **self.words.get(name, {}),
            )
            for name in self.numbers
        ]

    def whole_list(self, token: str, waba_id: str) -> frozenset[str] | None:
        self.begin("whole_list")
        if (token, waba_id) not in self.whole:
            raise Permanent("waba_not_granted", status=403)
        seen = self.whole[token, waba_id]
        return None if seen is None else frozenset(seen)


class Bench:
    """A product without a network."""

    def __init__(
        self, *, calls: int = CALLS, retry_seconds: Sequence[int] = RETRY_SECONDS, hub: str = HUB
    ) -> None:
        self.clock = ManualClock()
        self.telemetry = MemoryTelemetry()
        self.store = MemoryStore(self.clock)
        self.queue = MemoryQueue()
        self.bus = MemoryBus()
        self.relay = MemoryRelay()
        self.bodies = MemoryBodies()
        self.outlets = MemoryOutlets()
        self.vault = MemoryVault()
        self.partner = ScriptedPartner()
        self.messaging = ScriptedMessaging(partner=self.partner)
        self.meta = ScriptedMeta()
        self.ports = Ports(
            store=self.store,
            clock=self.clock,
            telemetry=self.telemetry,
            queue=self.queue,
            bus=self.bus,
            relay=self.relay,
            bodies=self.bodies,
            outlets=self.outlets,
            vault=self.vault,
            partner=self.partner,
            messaging=self.messaging,
            meta=self.meta,
            rules=Rules(
                retry_seconds=retry_seconds,
                budget=BudgetRule(calls=calls, window=timedelta(seconds=30)),
                webhook=WEBHOOK,
            ),
            hub=hub,
        )

    @property
    def now(self) -> datetime:
        """The time."""
        return self.clock.now()

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.advance(timedelta(seconds=seconds))

    # -- what a customer does

    def signup(
        self,
        name: str = "s1",
        numbers: Sequence[str] = ("1001",),
        *,
        tenant: str = TENANT,
        client: Client | None = None,
        waba: str = WABA,
        **more: Any,
    ) -> Signup:
        """A signup whose WABA is proved, with the numbers that Meta lists."""
        client = client or Client(name="Acme", email=EMAIL, user_name="Ann")
        made = Signup.open(
            signup_id=name, tenant=tenant, client=client, plan_tier="regular", reference="ref", now=self.now
        )
        made.waba = Waba(id=waba, business_id=BUSINESS, proof="granted_ids")
        made.authorized_at = self.now
        listed = [ListedNumber(phone_number_id=name, display_phone_number=phone(name)) for name in numbers]
        parts = parts_of(made.id, listed)
        made.parts = len(parts)
        made = made.model_copy(update=more)
        made.told.clear()
        self.store.commit(made, *parts)
        return made

    def give_token(self, name: str = "s1", *, tenant: str = TENANT) -> None:
        """Let a signup have a business token."""
        secret = self.vault.encrypt(f"token-of-{name}", token_context(tenant, name))
        self.store.commit(Exchange(signup_id=name, token=secret))

    def submit(self, name: str = "s1", numbers: Sequence[str] = ("1001",), **more: Any) -> Signup:
        """A signup whose numbers are submitted to us."""
        made = submit_numbers(self.ports, self.signup(name, numbers, **more), numbers, None)
        self.queue.numbers.clear()
        return made

    def number(self, name: str = "1001") -> Number:
        """A number as it is stored."""
        found = self.store.read(Number, name)
        assert found is not None
        return found

    def daily(self, name: str = "1001") -> datetime:
        """When a number is proved next: each has its own second of the day."""
        return next_check(timedelta(seconds=zlib.crc32(name.encode()) % 86_400), self.now)

    def rule(self, **values: Any) -> None:
        """Let the deployment decide otherwise."""
        object.__setattr__(self.ports, "rules", replace(self.ports.rules, **values))

    def load(self, name: str = "s1") -> Signup:
        """A signup as it is stored."""
        found = self.store.read(Signup, name)
        assert found is not None
        return found

    def change(self, name: str = "1001", **values: Any) -> Number:
        """Change a stored number behind everybody's back."""
        number = self.number(name)
        for field_name, value in values.items():
            setattr(number, field_name, value)
        self.store.commit(number)
        return number

    def work(self, name: str = "1001", *, retry: bool = False) -> datetime | None:
        """One wake-up of a number."""
        return work_on_number(self.ports, name, retry=retry)

    def work_when_due(self, name: str = "1001") -> datetime | None:
        """One wake-up of a number, as soon as it is due."""
        due_at = self.number(name).due_at
        if due_at is not None:
            self.clock.set(due_at)
        return self.work(name)

    # -- what 360dialog does

    def channel(self, name: str = "c1", number: str = "1001", **more: Any) -> Channel:
        """A channel of a number, as 360dialog shows it."""
        values: dict[str, Any] = {"external_id": number, "waba_id": WABA, "digits": digits(number)}
        return Channel(id=name, **{**values, **more})

    def tell(
        self, event: str, name: str = "c1", *, event_id: str | None = None, **data: Any
    ) -> datetime | None:
        """An event of 360dialog's about a channel of number 1001."""
        return apply_event(self.ports, self.event(event, name, event_id=event_id, **data))

    @staticmethod
    def event(
        event: str, name: str | None = "c1", *, event_id: str | None = None, number: str = "1001", **data: Any
    ) -> PartnerEvent:
        """The same, to be applied later."""
        content = {
            "id": name,
            "waba_account": {"external_id": WABA},
            "setup_info": {"phone_number": phone(number)},
            **data,
        }
        return read_event({"id": event_id or f"{event}-{name}", "event": event, "data": content})

    def record(self, event: PartnerEvent) -> EventRecord:
        """What is stored of an event."""
        found = self.store.read(EventRecord, self.ports.hub, event.id)
        assert found is not None
        return found

    def live(self, name: str = "1001", **more: Any) -> Number:
        """A number whose channel is live: its key can be made."""
        channel = self.channel(number=name, progress=Progress.LIVE)
        self.partner.channels.append(channel)
        return self.change(
            name,
            progress=Progress.LIVE,
            channel_id=channel.id,
            client_id="1CL",
            due_at=self.now,
            intent=None,
            **more,
        )

    def connected(self, name: str = "s1") -> Number:
        """A number that is connected."""
        self.submit(name)
        self.live()
        assert self.work() is None
        number = self.number()
        assert number.status == "connected", number.failure
        self.queue.numbers.clear()
        return number

    def forget_calls(self) -> None:
        """Only what comes from now on counts."""
        self.partner.calls.clear()
        self.messaging.calls.clear()

    # -- what came of it

    def told(self, subject: str = "s1") -> list[str]:
        """The types of a signup's facts, in order."""
        return [fact.type for fact in self.store.facts_of(subject, 1_000)]

    def count(self, name: str) -> float:
        """A metric."""
        return self.telemetry.counts.get(name, 0)


def failed(bench: Bench, name: str = "1001", code: str = "submission_rejected") -> None:
    """A number that 360dialog has refused."""
    bench.partner.troubles["submit_number"] = [Permanent(code, status=400)]
    bench.work(name)
    bench.queue.numbers.clear()
    assert bench.number(name).failure is not None
