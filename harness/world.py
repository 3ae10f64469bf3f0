"""The whole product in one process: the real use cases and adapters between the simulators and a store.

Time stands still until the world moves it. A queue message that is put off or whose run is killed comes back
as SQS brings it back; the table's stream hands new facts to the publisher. Every call to a port is a side
effect that a `Killer` may stop the process at.
"""

import base64
import json
import random
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib import import_module
from typing import Any, Final, Self
from unittest.mock import patch

import httpx

import partner_event_worker
from harness.killing import Killed, Killer, Watched
from local.simulators import ManualClock, OtherPartner, Seams, Settings, Simulators, SyncRunner, build
from onramp.adapters.memory import MemoryBus, MemoryStore, MemoryTelemetry, MemoryVault
from onramp.adapters.messaging_api import MessagingApi
from onramp.adapters.meta_graph import MetaGraph
from onramp.adapters.partner_api import PartnerApi
from onramp.adapters.upstream import Credential, new_client
from onramp.domain.budget import BudgetRule
from onramp.domain.errors import Problem, SweepIncomplete, UnavailableError, UpstreamError
from onramp.domain.number import Number
from onramp.domain.records import HUB, Fact
from onramp.domain.signup import Client, Signup
from onramp.domain.states import Status
from onramp.inbound import receiving, signed_request
from onramp.inbound.batch import seconds_until
from onramp.inbound.signature import META_HEADER, is_signed
from onramp.ports import Hub, Ports, Rules
from onramp.ports.upstreams import ChannelWebhook, NewKey, WholeLists
from onramp.usecases.census import work_on_census
from onramp.usecases.connect import key_context
from onramp.usecases.exchange_code import exchange_code
from onramp.usecases.open_signup import Wanted, open_signup
from onramp.usecases.publish_facts import publish_facts
from onramp.usecases.submit_numbers import submit_numbers
from onramp.usecases.sweep import sweep
from onramp.usecases.wishes import retry_signup
from onramp.usecases.work import work_on_number

type Json = dict[str, Any]

APP_SECRET = "app-secret"
PARTNER_KEY = "partner-key"
PLATFORM_SECRET = "platform-secret"
TENANT = "tenant-1"
WEBHOOK = ChannelWebhook(url="https://partner.example.com/whatsapp", headers={"X-Secret": "header-secret"})
META_WEBHOOK = "http://127.0.0.1/v1/webhooks/meta"
PARTNER_WEBHOOK = "http://127.0.0.1/v1/webhooks/360dialog"
VISIBILITY = 360.0
"""Seconds until a message of a dead function comes back."""


class WorldClock:
    """`onramp.ports.Clock` on the simulators' time; sleeping lets the simulators live on."""

    def __init__(self, now: ManualClock, rng: random.Random) -> None:
        self._now = now
        self._rng = rng
        self._ids = 0

    def now(self) -> datetime:
        return datetime.fromtimestamp(self._now(), UTC)

    def sleep(self, seconds: float) -> None:
        self._now.advance(max(seconds, 0))

    def draw(self) -> float:
        return self._rng.random()

    def new_id(self) -> str:
        self._ids += 1
        return f"id{self._ids:06d}"

    def new_secret(self) -> str:
        return f"{self._rng.getrandbits(128):043d}"


@dataclass(order=True)
class Message:
    """A message in a queue."""

    visible_at: float
    order: int
    kind: str = field(compare=False)
    body: str = field(compare=False)
    encoding: str = field(compare=False, default="utf-8")
    source: str = field(compare=False, default="")
    hub: str = field(compare=False, default=HUB)
    receives: int = field(compare=False, default=0)
    sent_at: float = field(compare=False, default=0)


class WorldQueue:
    """`onramp.ports.Queue`, and where the receiver puts webhooks."""

    def __init__(self, clock: WorldClock) -> None:
        self._clock = clock
        self._order = 0
        self.messages: list[Message] = []
        self.dead_jobs: list[Json] = []
        self.dead_events: list[tuple[str, str, str]] = []
        self.dead_notifications: list[tuple[str, str]] = []
        self.sends_to_lose = 0
        self.loses_deliveries = False

    def put(self, kind: str, body: str, encoding: str = "utf-8", *, source: str = "", hub: str = HUB) -> None:
        self._order += 1
        at = self._clock.now().timestamp()
        self.messages.append(Message(at, self._order, kind, body, encoding, source, hub, sent_at=at))

    def wake_numbers(self, phone_number_ids: Sequence[str]) -> None:
        for phone_number_id in phone_number_ids:
            if self.sends_to_lose:
                self.sends_to_lose -= 1
            else:
                self.put("job", json.dumps({"phone_number_id": phone_number_id}))

    def wake_census(self, hub: str, asked_at: datetime | None = None) -> None:
        asked = {} if asked_at is None else {"asked_at": asked_at.isoformat()}
        self.put("job", json.dumps({"census": hub, **asked}))

    def wake_deliveries(self, deliveries: Sequence[tuple[str, ...]], seconds: int = 0) -> None:
        if self.loses_deliveries and seconds:
            return
        for delivery in deliveries:
            self.put("notification", json.dumps({"delivery": delivery}))
            self.messages[-1].visible_at += seconds

    def bury_notification(self, body: str, reason: str) -> None:
        self.dead_notifications.append((body, reason))

    def bury_number(self, phone_number_id: str, reason: str) -> None:
        self.dead_jobs.append({"phone_number_id": phone_number_id, "retry": True, "reason": reason})

    def bury_event(self, body: str, encoding: str, reason: str, hub: str = HUB) -> None:
        text = body if encoding == "utf-8" else base64.b64decode(body).decode("utf-8", "replace")
        self.dead_events.append((text, reason, hub))

    def redrive(self) -> None:
        """Move the dead letters back, as an operator does."""
        for job in self.dead_jobs:
            self.put("job", json.dumps(job))
        for body, _, hub in self.dead_events:
            self.put("event", body, hub=hub)
        self.dead_jobs, self.dead_events = [], []


exchanging: Final = import_module("onramp.usecases.exchange_code")


class _LockedTransport(httpx.BaseTransport):
    """The simulators share one event loop, and the exchange reads from several threads."""

    def __init__(self, world: "World", inner: httpx.BaseTransport) -> None:
        self._world = world
        self._inner = inner

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self._world.before_request(request)
        with self._world.lock:
            return self._inner.handle_request(request)


@dataclass
class Options:
    """How a world is made."""

    seed: int = 1
    budget_calls: int = 1_000
    step_seconds: float = 1.0
    retry_seconds: tuple[int, ...] = (5, 30, 300, 1_800, 7_200, 18_000, 36_000, 36_000)
    look_after: timedelta = timedelta(minutes=10)
    simulated_budget: int | None = None
    sweep_seconds: float = 60.0
    mend_keys: bool = False
    mend_webhooks: bool = True
    hears_meta: bool = False
    hubs: tuple[str, ...] = ()
    threads: bool = False
    """Whether what is asked side by side really is: without, calls come in the same order each time."""


class AtOnce(Executor):
    """Does at once what threads would do side by side."""

    def submit[**P, T](self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future: Future[T] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except BaseException as raised:  # noqa: BLE001 - as a thread keeps it, for whoever asks
            future.set_exception(raised)
        return future


def partner_of(hub: str) -> str:
    """360dialog's id of a further hub's partner."""
    return f"{hub}PA"


def solution_of(place: int) -> str:
    """The solution of the hub at that place."""
    return str(223456789012345 + place)


class World:
    """Onramp between its upstreams, with one tenant's browser."""

    def __init__(
        self,
        options: Options | None = None,
        *,
        killer: Killer | None = None,
        store: Callable[[Any], Any] = MemoryStore,
    ) -> None:
        options = options or Options()
        self.options = options
        self.killer = killer or Killer()
        time = ManualClock()
        self.clock = WorldClock(time, random.Random(options.seed))
        self.sims: Simulators = build(
            Settings(
                app_secret=APP_SECRET,
                partner_key=PARTNER_KEY,
                platform_secret=PLATFORM_SECRET,
                seed=options.seed,
                step_seconds=options.step_seconds,
                budget_calls=options.simulated_budget or options.budget_calls,
                other_partners={
                    partner_of(hub): OtherPartner(
                        partner_key=f"{PARTNER_KEY}@{hub}",
                        platform_secret=f"{PLATFORM_SECRET}@{hub}",
                        solution_id=solution_of(place),
                    )
                    for place, hub in enumerate(options.hubs)
                },
            ),
            seams=Seams(now=time, sleep=time.sleep, deliver=self._deliver),
        )
        self.sims.hub.webhook_url = PARTNER_WEBHOOK
        for hub in options.hubs:
            self.sims.partners[partner_of(hub)].hub.webhook_url = f"{PARTNER_WEBHOOK}/{hub}"
        if options.hears_meta:
            self.sims.meta_sender.url = META_WEBHOOK
        self.runner = SyncRunner()
        self._seams = ExitStack()
        self.lock = threading.Lock()
        self.before_request: Callable[[httpx.Request], None] = lambda _: None
        self.queue = WorldQueue(self.clock)
        self.bus = MemoryBus()
        self.stream: list[Fact] = []
        self.telemetry = MemoryTelemetry()
        self.vault = MemoryVault()
        self.store = store(self.clock)
        self.store.on_fact = self.stream.append
        self.webhooks_lost = 0
        self.lose_webhook: Callable[[str], bool] = lambda _: False
        self._next_sweep = time() + options.sweep_seconds
        self._diary: list[tuple[float, Callable[[], None]]] = []
        self.ports = self._wired()

    def _wired(self) -> Ports:
        def watched(name: str, port: object) -> Any:
            return Watched(name, port, self.killer)

        dialog, meta = self._client(self.sims.dialog), self._client(self.sims.meta)
        urls = self.sims.urls
        self.partner = PartnerApi(
            client=dialog,
            base_url=urls.partner,
            partner_id="localPA",
            partner_key=Credential(lambda: PARTNER_KEY),
            solution_id="123456789012345",
            messaging_url=urls.messaging,
        )
        self.messaging = MessagingApi(dialog)
        self.meta = MetaGraph(
            client=meta,
            clock=self.clock,
            base_url=urls.meta,
            version="v26.0",
            app_id="1234567890",
            app_secret=Credential(lambda: APP_SECRET),
            system_user=Credential(lambda: self.sims.settings.system_user_token),
        )
        ports = Ports(
            store=watched("store", self.store),
            queue=watched("queue", self.queue),
            bus=watched("bus", self.bus),
            vault=watched("vault", self.vault),
            meta=watched("meta", self.meta),
            partner=watched("partner", self.partner),
            messaging=watched("messaging", self.messaging),
            clock=self.clock,
            telemetry=self.telemetry,
            rules=Rules(
                retry_seconds=self.options.retry_seconds,
                look_after=self.options.look_after,
                budget=BudgetRule(self.options.budget_calls, timedelta(seconds=30)),
                webhook=WEBHOOK,
                mend_keys=self.options.mend_keys,
                mend_webhooks=self.options.mend_webhooks,
                solution_id=self.sims.settings.solution_id,
                hears_meta=self.options.hears_meta,
            ),
        )
        table = {HUB: Hub(ports.rules, ports.partner)}
        for place, hub in enumerate(self.options.hubs):
            partner = PartnerApi(
                client=dialog,
                base_url=urls.partner,
                partner_id=partner_of(hub),
                partner_key=Credential(partial(str, f"{PARTNER_KEY}@{hub}")),
                solution_id=solution_of(place),
                messaging_url=urls.messaging,
            )
            rules = replace(ports.rules, solution_id=solution_of(place))
            table[hub] = Hub(rules, watched("partner", partner))
        return replace(ports, hubs=table if self.options.hubs else {})

    def _client(self, app: Any) -> httpx.Client:
        return new_client(_LockedTransport(self, self.runner.transport(app)))

    def __enter__(self) -> Self:
        if not self.options.threads:
            self._seams.enter_context(patch.object(exchanging, "_threads", lambda _: AtOnce()))
        return self

    def __exit__(self, *_: object) -> None:
        self._seams.close()
        self.runner.__exit__()

    # -- the receiver

    async def _deliver(self, url: str, body: bytes, headers: Mapping[str, str]) -> int:
        """What the receivers do with a webhook."""
        if url.startswith(META_WEBHOOK):
            return self._deliver_metas(url, body, headers)
        hub = url.removeprefix(PARTNER_WEBHOOK).removeprefix("/") or HUB
        if hub not in self.ports.hub_names:
            return 401
        signed_with = PLATFORM_SECRET if hub == HUB else f"{PLATFORM_SECRET}@{hub}"
        secrets = receiving.PlatformSecrets(lambda: {"platform_secrets": [signed_with]}, lambda: 0.0)
        if not receiving.signed(body, receiving.signature_of({"headers": dict(headers)}), secrets):
            return 401
        text, encoding = receiving.for_queue(body)
        if self.lose_webhook(text):
            self.webhooks_lost += 1
            return 200
        self.queue.put("event", text, encoding, hub=hub)
        return 200

    def _deliver_metas(self, url: str, body: bytes, headers: Mapping[str, str]) -> int:
        if url != META_WEBHOOK:
            kind = {"data-deletion": "deletion"}.get(what := url.removeprefix(f"{META_WEBHOOK}/"), what)
            now = self.clock.now().timestamp()
            said = signed_request.opened(signed_request.field_of(body), [APP_SECRET], now)
            if said is None:
                return 401
            asked = {
                "code": signed_request.code_of(APP_SECRET, kind, said),
                "kind": kind,
                "user_id": signed_request.user_of(said),
                "issued_at": signed_request.issued_at(said),
            }
            self.queue.put("event", json.dumps(asked), source=signed_request.SOURCE_REQUESTS)
            return 200
        if not is_signed(body, headers.get(META_HEADER), [APP_SECRET]):
            return 401
        text, encoding = receiving.for_queue(body)
        self.queue.put("event", text, encoding, source=signed_request.SOURCE_META)
        return 200

    # -- admin calls

    def admin(self, side: str, path: str, body: Json, method: str = "POST") -> Json:
        """A call to a simulator's admin route."""
        app, url = (
            (self.sims.meta, self.sims.urls.meta)
            if side == "meta"
            else (self.sims.dialog, self.sims.urls.dialog)
        )
        answer = self._client(app).request(method, f"{url}/admin/{path}", json=body)
        assert answer.is_success, answer.text
        return dict(answer.json())

    def fault(self, kind: str, path: str, *, side: str = "dialog", method: str = "*", **more: Any) -> None:
        """Switch a fault on."""
        match = {"method": method, "path": path}
        self.admin(side, "faults", {"kind": kind, "match": match, "times": 1, **more})

    def dialog_state(self) -> Json:
        """What 360dialog has."""
        answer = self._client(self.sims.dialog).get(f"{self.sims.urls.dialog}/admin/state")
        return dict(answer.json())

    def fault_free(self) -> None:
        """Switch all faults off."""
        for app, url in (
            (self.sims.meta, self.sims.urls.meta),
            (self.sims.dialog, self.sims.urls.dialog),
        ):
            assert self._client(app).delete(f"{url}/admin/faults").is_success

    def later(self, seconds: float, action: Callable[[], None]) -> None:
        """Do something when so much time has passed."""
        self._diary.append((self._time() + seconds, action))

    def customer(self, numbers: int = 1, **fields: Any) -> Json:
        """A customer who has finished the popup: `code`, `session_info`, `wabas`."""
        return self.admin("meta", "signups", {"wabas": [{"numbers": [{}] * numbers}], **fields})

    # -- the browser

    def patiently[T](self, call: Callable[[], T]) -> T:
        """What a front end does when the server died: the same call once more, a moment later."""
        for _ in range(20):
            try:
                return call()
            except Killed:
                self.clock.sleep(1)
            except Problem as problem:
                if not problem.retryable:
                    raise
                self.clock.sleep(problem.retry_after or 1)
        raise AssertionError("the front end gives up")

    def opened(
        self, email: str = "owner@example.com", tenant: str = TENANT, key: str = "k", hub: str = HUB
    ) -> Signup:
        """A signup, opened with an idempotency key."""
        return self.patiently(
            lambda: open_signup(
                self.ports.at(hub),
                tenant=tenant,
                wanted=Wanted(
                    client=Client(name="Example", email=email, user_name="Owner"),
                    plan_tier="regular",
                    reference="ref",
                ),
                idempotency_key=key,
            )
        )

    def authorized(self, customer: Json, **fields: Any) -> Signup:
        """A signup whose code was exchanged; a code that was lost is replaced by a new popup."""
        signup = self.opened(**fields)
        code = customer["code"]
        for _ in range(4):
            exchange = partial(self._send_code, signup.id, code, customer["session_info"])
            try:
                return self.patiently(exchange)
            except Problem as problem:
                if problem.code not in {"code_already_used", "code_expired"}:
                    raise
                code = self.admin("meta", "codes", {"business_id": customer["business_id"]})["code"]
        raise AssertionError("no code works")

    def _send_code(self, signup_id: str, code: str, session_info: Json | None) -> Signup:
        return exchange_code(self.ports, self.load(signup_id), code, session_info)

    def submitted(self, customer: Json, ids: Sequence[str] = (), **fields: Any) -> Signup:
        """A signup whose numbers were submitted."""
        signup = self.authorized(customer, **fields)
        wanted = ids or [number["id"] for number in customer["wabas"][0]["numbers"]]
        return self.patiently(lambda: submit_numbers(self.ports, self.load(signup.id), wanted, None))

    def load(self, signup_id: str) -> Signup:
        """The signup as stored."""
        signup: Signup | None = self.store.read(Signup, signup_id)
        assert signup is not None
        return signup

    # -- time

    def run(self, seconds: float = 3 * 86_400.0, until: Callable[[], bool] | None = None) -> None:
        """Let time pass: channels walk, webhooks fly, queues deliver, every minute the sweep runs.

        Ends when `until()` holds, or when `seconds` have passed.
        """
        end = self._time() + seconds
        while self._time() < end and not (until and until()):
            self.publish()
            message = self._take()
            if message is not None:
                self.handle(message)
                continue
            self._move(end)

    def let_channels_walk(self, seconds: float) -> None:
        """Let time pass for 360dialog alone: nothing of ours runs."""
        with self.lock:
            self.runner.run(self.sims.advance(seconds))

    def _time(self) -> float:
        return self.clock.now().timestamp()

    def _take(self) -> Message | None:
        due = [message for message in self.queue.messages if message.visible_at <= self._time()]
        if not due:
            return None
        first = min(due)
        self.queue.messages.remove(first)
        return first

    def _move(self, end: float) -> None:
        agenda = self.sims.agenda.next_due()
        coming = [message.visible_at for message in self.queue.messages]
        planned = [at for at, _ in self._diary]
        times = [end, self._next_sweep, *coming, *planned, *([agenda] if agenda is not None else [])]
        target = max(min(times), self._time())
        self.let_channels_walk(max(target - self._time(), 0.000_1))
        for entry in [entry for entry in self._diary if entry[0] <= self._time()]:
            self._diary.remove(entry)
            entry[1]()
        if self._time() >= self._next_sweep:
            self._next_sweep = self._time() + self.options.sweep_seconds
            self.sweep()

    def sweep(self) -> None:
        """One run of the reconciler."""
        with suppress(Killed, SweepIncomplete, UnavailableError):
            sweep(self.ports)

    def publish(self) -> None:
        """What the table's stream hands to the publisher: in order, again until it is taken."""
        while self.stream:
            try:
                refused = publish_facts(self.ports, self.stream[:1])
            except Killed:
                refused = ()
                continue
            if refused:
                return
            del self.stream[0]

    def retry(self, signup_id: str) -> Signup:
        """What a front end asks of a failed signup."""
        return self.patiently(lambda: retry_signup(self.ports, self.load(signup_id)))

    def ask(self, wish: Callable[[Ports, Number], Number], phone_number_id: str) -> Number:
        """What a front end asks for one number: one of the calls in `usecases.wishes`."""
        return self.patiently(lambda: wish(self.ports, self.number(phone_number_id)))

    def census(self) -> None:
        """What the schedule does once a day: begin a census."""
        for hub in self.ports.hub_names:
            self.queue.wake_census(hub)

    def handle(self, message: Message) -> None:
        """One delivery of a message; what is not done comes back as SQS brings it back."""
        message.receives += 1
        back_in: float | None = None
        try:
            until = self._dispatch(message)
            back_in = None if until is None else seconds_until(until, self.clock.now())
        except Killed:
            # What a process keeps is gone with it.
            self.ports = replace(self.ports, lists=WholeLists())
            back_in = VISIBILITY
        except UnavailableError:
            back_in = 5
        if back_in is not None:
            message.visible_at = self._time() + back_in
            self.queue.messages.append(message)

    def _dispatch(self, message: Message) -> datetime | None:
        if message.kind == "event":
            attributes = {"encoding": {"stringValue": message.encoding}}
            attributes |= {"source": {"stringValue": message.source}} if message.source else {}
            attributes |= {"hub": {"stringValue": message.hub}} if message.hub != HUB else {}
            received = {"ApproximateReceiveCount": str(message.receives)}
            record = {"body": message.body, "messageAttributes": attributes, "attributes": received}
            return partner_event_worker.apply_webhook(self.ports, record)
        job = json.loads(message.body)
        if "census" in job:
            asked = datetime.fromisoformat(job["asked_at"]) if "asked_at" in job else None
            return work_on_census(self.ports.at(job["census"]), asked)
        return work_on_number(self.ports, job["phone_number_id"], retry=job.get("retry") is True)

    # -- what must hold

    def number(self, phone_number_id: str) -> Number:
        """The number as stored."""
        number: Number | None = self.store.read(Number, phone_number_id)
        assert number is not None
        return number

    def numbers(self, signup_id: str) -> list[Number]:
        """The numbers that were submitted through a signup and are its own, as stored."""
        signup = self.load(signup_id)
        found: list[Number] = self.store.read_all(Number, [(name,) for name in signup.submitted])
        return found

    def settled(self, signup_id: str) -> Callable[[], bool]:
        """Whether every submitted number has come to an end, good or bad."""

        def check() -> bool:
            if getattr(self.store, "broken", False):
                return False
            numbers = self.numbers(signup_id)
            ends = {Status.CONNECTED, Status.FAILED, Status.CANCELLED}
            return bool(numbers) and all(
                number.status in ends and not number.is_under_way for number in numbers
            )

        return check

    def stored_key(self, number: Number) -> NewKey:
        """The key as our record has it, in clear."""
        assert number.key is not None
        secret = self.vault.decrypt(number.key.secret, key_context(number.tenant, number.phone_number_id))
        return NewKey(api_key=secret, address=number.key.address)

    def key_lives(self, number: Number) -> bool:
        """Whether the stored key of a number works and leads to our webhook; a dead one is no error here."""
        try:
            found = self.messaging.read_webhook(self.stored_key(number))
        except UpstreamError:
            return False
        return found is not None and found.url == WEBHOOK.url

    def assert_connected(self, signup_id: str) -> None:
        """Every submitted number has its own channel, its stored key lives, its webhook is ours."""
        signup = self.load(signup_id)
        numbers = self.numbers(signup_id)
        assert numbers
        for number in numbers:
            assert number.status == Status.CONNECTED, (number.status, number.failure, self.killer.calls[-8:])
            assert not number.is_under_way, number.next_step
            assert number.lease is None
            assert self.key_lives(number)
        assert len({number.channel_id for number in numbers}) == len(numbers)
        assert signup.status(self.clock.now()) == "connected", signup.counts
        self.publish()
        assert not self.stream

    def assert_nothing_doubled(self, clients: int = 1) -> None:
        """No second client, no second submission, never more calls than the budget allows."""
        state = self.dialog_state()
        assert len(state["clients"]) == clients, state["clients"]
        assert not state["duplicate_submissions"], state["duplicate_submissions"]
        budget = self.options.simulated_budget or self.options.budget_calls
        assert state["budget"]["max_in_any_window"] <= budget, state["budget"]
