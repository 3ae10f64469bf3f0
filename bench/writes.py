"""What one signup and one webhook ask of AWS, counted, and what that costs.

Run it with ``PYTHONPATH=functions .venv/bin/python -m bench.writes``.

The real use cases and the real DynamoDB adapter play one clean signup between the simulators, on a table in
memory that counts requests and works out units from the real size of every item (`harness.dynamodb`).
A function's own work is measured (`bench.durations`). Prices, and how long AWS and others take to answer, are
no measurements: see `PRICES`, `AWS_CALL_MS`, `UPSTREAM_CALL_MS`.

docs/cost.md holds the tables this prints; a test compares them, and ``--write`` puts them there.
"""

import base64
import contextlib
import io
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final, cast

import httpx

import webhook_receiver
from bench.durations import own_ms
from bench.growth import show, table
from bench.journey import ABOUT_A_NUMBER, AT_ONCE, NOT_ABOUT_A_NUMBER, ONBOARDING, STATUS, SWEEP, TOGETHER
from harness.dynamodb import CountingDynamo, Units, size_of
from harness.world import Message, Options, World, WorldClock, WorldQueue
from infra.cards import CARDS
from onramp.adapters.aws import ENTRIES
from onramp.adapters.dynamo import DynamoStore
from onramp.adapters.memory import MemoryBus, MemoryTelemetry, MemoryVault
from onramp.domain.records import HUB, Fact
from onramp.domain.signup import Signup
from onramp.ports import Ports
from onramp.usecases import read
from onramp.usecases.exchange_code import exchange_code
from onramp.usecases.submit_numbers import submit_numbers

type FunctionName = str

DOCUMENT: Final = Path(__file__).resolve().parent.parent / "docs" / "cost.md"
# --- assumptions: neither measured nor anybody's promise ------------------------------------------------
MEMORY_GB: Final = 0.5
"""Of every function that has no more, see `infra/cards.py`."""
AWS_CALL_MS: Final = 8
"""One call to DynamoDB, SQS, KMS or EventBridge."""
UPSTREAM_CALL_MS: Final = 300
"""One call to Meta or 360dialog."""
POLLS: Final = 20
"""How often a page asks for the signup before it reads `connected`."""
SECRET_LENGTH: Final = 220
"""Characters of a business token."""
KMS_OVERHEAD: Final = 152
"""Bytes that KMS adds to what it encrypts."""
PLATFORM_BYTES: Final = 600
"""Lambda's own log lines of one invocation."""
LINE_BYTES: Final = 450
"""One log line of ours, or one of the embedded metric format."""
ACCESS_BYTES: Final = 420
"""One line of the API's access log."""
TENANT: Final = "8f14e45f-ceea-467a-9575-6f0d7b3c2a11"


@dataclass(frozen=True, slots=True)
class Prices:
    """List prices in dollars, without the free tiers."""

    http_million: float
    lambda_million: float
    lambda_gb_second: float
    sqs_million: float
    read_million: float
    write_million: float
    kms_ten_thousand: float
    event_million: float
    log_gb: float
    key_month: float = 1.00
    secret_month: float = 0.40
    alarm_month: float = 0.10
    dashboard_month: float = 3.00
    metric_month: float = 0.30


# From AWS's public price lists as we know them in November 2026. No program has looked them up: check.
PRICES: Final[Mapping[str, Prices]] = {
    "us-east-1": Prices(1.00, 0.20, 0.0000133334, 0.40, 0.125, 0.625, 0.03, 1.00, 0.50),
    "eu-central-1": Prices(1.20, 0.20, 0.0000133334, 0.40, 0.1525, 0.7625, 0.03, 1.00, 0.63),
}


@dataclass(frozen=True, slots=True)
class Standing:
    """What a stage has whether it is used or not; a test compares it with the template.

    An alarm on two metrics is charged as two. `metrics`: the functions' own, the share of 401, and the six of
    API Gateway's for the route that 360dialog calls.
    """

    keys: int = 3
    secrets: int = 1
    alarms: int = 68
    dashboards: int = 1
    metrics: int = 92


STANDING: Final = Standing()
SWEEPS: Final = 60 * 24 * 30
IDLE_POLLS: Final = 2 * 5 * 3 * SWEEPS
"""Receives of Lambda on two empty queues: five pollers each, 20 s each time."""
SERVICES: Final = ("HTTP API", "Lambda", "SQS", "DynamoDB", "KMS", "EventBridge", "Logs")
GOAL: Final[Mapping[str, float]] = {
    "HTTP API": 1.00,
    "Lambda": 0.42,
    "SQS": 0.48,
    "DynamoDB": 1.25,
    "Logs": 1.00,
}
"""What a million webhooks should cost: the goal that Onramp was designed to."""


@dataclass(slots=True)
class Tally:
    """What one function, or all of them, asked for. Units are DynamoDB's request units."""

    requests: float = 0
    invocations: float = 0
    table_calls: float = 0
    reads: float = 0
    writes: float = 0
    index_writes: float = 0
    sqs: float = 0
    own_sqs: float = 0
    kms: float = 0
    puts: float = 0
    events: float = 0
    upstream: float = 0
    lines: float = 0
    own: float = 0
    """Milliseconds of the functions' own work, as measured."""
    larger: float = 0
    """Milliseconds to be charged besides, because a function has more memory than `MEMORY_GB`."""

    @property
    def milliseconds(self) -> float:
        """Time of all invocations together: the measured work, and the waiting by the assumptions."""
        calls = self.table_calls + self.own_sqs + self.kms + self.puts
        return self.own + calls * AWS_CALL_MS + self.upstream * UPSTREAM_CALL_MS

    @property
    def log_bytes(self) -> float:
        """Bytes of log, by the assumptions."""
        return self.requests * ACCESS_BYTES + self.invocations * PLATFORM_BYTES + self.lines * LINE_BYTES

    def plus(self, other: "Tally", times: float = 1) -> "Tally":
        """Both together, the other one several times."""
        return Tally(*(a + times * b for a, b in zip(_values(self), _values(other), strict=True)))

    def dollars(self, prices: Prices) -> dict[str, float]:
        """By service."""
        million = 1_000_000
        gb_seconds = (self.milliseconds + self.larger) / 1000 * MEMORY_GB
        return {
            "HTTP API": self.requests * prices.http_million / million,
            "Lambda": self.invocations * prices.lambda_million / million
            + gb_seconds * prices.lambda_gb_second,
            "SQS": self.sqs * prices.sqs_million / million,
            "DynamoDB": self.reads * prices.read_million / million
            + (self.writes + self.index_writes) * prices.write_million / million,
            "KMS": self.kms * prices.kms_ten_thousand / 10_000,
            "EventBridge": self.events * prices.event_million / million,
            "Logs": self.log_bytes * prices.log_gb / 1_000_000_000,
        }


def _values(tally: Tally) -> list[float]:
    return [getattr(tally, name) for name in Tally.__slots__]


@dataclass(slots=True)
class Counts:
    """Tallies by function. What is done outside of `under` is somebody's looking on, and not counted."""

    table: CountingDynamo
    by_function: dict[FunctionName, Tally] = field(default_factory=dict)
    kind: str = ONBOARDING
    _current: Tally | None = None
    _seen: Units = field(default_factory=Units)

    @property
    def now(self) -> Tally:
        """Where to count at this moment."""
        return self._current or Tally()

    @contextlib.contextmanager
    def under(self, function: FunctionName, *, request: bool = False) -> Iterator[None]:
        """One invocation of a function; by way of the API when it is a `request`."""
        self._charge()
        before = self._current
        tally = self._current = self.by_function.setdefault(function, Tally())
        tally.invocations += 1
        tally.own += own_ms(function, self.kind)
        tally.requests += request
        # Its metrics are one line at its end.
        tally.lines += 1
        try:
            yield
        finally:
            self._charge()
            tally.larger = (CARDS[function].memory / 1024 / MEMORY_GB - 1) * tally.milliseconds
            self._current = before

    def _charge(self) -> None:
        """What the table has been asked since the last look is the current function's."""
        bill = self.table.spent.since(self._seen)
        self._seen = self.table.spent.copy()
        now = self.now
        now.table_calls += bill.calls
        now.reads += bill.reads
        now.writes += bill.writes
        now.index_writes += bill.index_writes

    def total(self) -> Tally:
        """All functions."""
        total = Tally()
        for tally in self.by_function.values():
            total = total.plus(tally)
        return total


# --- the other services -----------------------------------------------------------------------------


class FullClock(WorldClock):
    """The world's clock with ids as long as the real ones."""

    def new_id(self) -> str:
        """32 characters, as `SystemClock` makes."""
        return super().new_id().rjust(32, "0")


class CountedQueue(WorldQueue):
    """Sends are counted; what Lambda does to fetch a message is counted in `CountedWorld.handle`."""

    counts: Counts

    def put(self, kind: str, body: str, encoding: str = "utf-8", *, source: str = "", hub: str = HUB) -> None:
        """One message."""
        self.counts.now.sqs += 1
        self.counts.now.own_sqs += 1
        super().put(kind, body, encoding, source=source, hub=hub)


@dataclass
class CountedBus(MemoryBus):
    """Calls and events."""

    counts: Counts = field(kw_only=True)

    def publish(self, facts: Sequence[Fact]) -> Sequence[str]:
        """As `EventBridgeBus` sends them."""
        self.counts.now.puts += -(-len(facts) // ENTRIES)
        self.counts.now.events += len(facts)
        return super().publish(facts)


@dataclass
class CountedVault(MemoryVault):
    """Cipher text as long as KMS makes it."""

    counts: Counts = field(kw_only=True)

    def encrypt(self, plain: str, context: Mapping[str, str]) -> str:  # noqa: ARG002 - the port's
        """The context is not kept: other tests look after that."""
        self.counts.now.kms += 1
        return base64.b64encode(plain.ljust(SECRET_LENGTH).encode() + bytes(KMS_OVERHEAD)).decode()

    def decrypt(self, secret: str, context: Mapping[str, str]) -> str:  # noqa: ARG002 - the port's
        """The reverse."""
        self.counts.now.kms += 1
        return base64.b64decode(secret)[:-KMS_OVERHEAD].decode().rstrip()


@dataclass
class CountedTelemetry(MemoryTelemetry):
    """Log lines; metrics alone make none, for they go out together at the end of an invocation."""

    counts_: Counts = field(kw_only=True)

    def count(self, name: str, value: float = 1, **dimensions: str) -> None:
        """With dimensions there is a line beside the metric."""
        self.counts_.now.lines += bool(dimensions)
        super().count(name, value, **dimensions)

    def info(self, message: str, **fields: str | float | None) -> None:
        """One line."""
        self.counts_.now.lines += 1
        super().info(message, **fields)

    def warn(self, message: str, **fields: str | float | None) -> None:
        """One line."""
        self.counts_.now.lines += 1
        super().warn(message, **fields)


class CountedWorld(World):
    """The whole product on a table whose every unit is counted, with the budget of 360dialog."""

    def __init__(self) -> None:
        self.table = CountingDynamo()
        self.counts = Counts(self.table)
        self.webhook_bodies: list[str] = []
        self._published: set[str] = set()
        super().__init__(
            Options(budget_calls=5),
            store=lambda clock: DynamoStore(cast("Any", self.table), "records", clock),
        )

    def _wired(self) -> Ports:
        self.clock.__class__ = FullClock
        self.queue = CountedQueue(self.clock)
        self.queue.counts = self.counts
        self.bus = CountedBus(counts=self.counts)
        self.vault = CountedVault(counts=self.counts)
        self.telemetry = CountedTelemetry(counts_=self.counts)
        self.before_request = self._upstream
        return super()._wired()

    def _upstream(self, _: httpx.Request) -> None:
        self.counts.now.upstream += 1

    async def _deliver(self, _url: str, body: bytes, headers: Mapping[str, str]) -> int:
        self.webhook_bodies.append(body.decode())
        with self.counts.under("webhook_receiver", request=True):
            return await super()._deliver(_url, body, headers)

    def handle(self, message: Message) -> None:
        """Lambda fetches a message and then removes it, or hides it: two requests."""
        with self.counts.under("onboarding_worker" if message.kind == "job" else "partner_event_worker"):
            self.counts.now.sqs += 2
            super().handle(message)

    def sweep(self) -> None:
        """One run of the reconciler."""
        with self.counts.under("reconciler"):
            super().sweep()

    def publish(self) -> None:
        """The table's stream wakes the publisher for each of the facts, which come one by one here."""
        while (fact := next(self._new_facts(), None)) is not None:
            with self.counts.under("event_publisher"):
                self.ports.bus.publish([fact] if fact.bus else [])
            self._published.add(fact.id)

    def _new_facts(self) -> Iterator[Fact]:
        for (_, sort), item in self.table.items.items():
            if sort.startswith("FACT#") and sort.removeprefix("FACT#") not in self._published:
                yield Fact.model_validate_json(item["data"]["S"])

    def onboard(self) -> Signup:
        """One clean signup: opened, exchanged, submitted, connected, its key fetched once by a server."""
        counts, ports = self.counts, self.ports
        customer = self.customer()
        with counts.under("code_exchange", request=True):
            signup = self.opened(email="owner@bakery.example.com", tenant=TENANT, key="order-4711")
            read.whole(ports, signup)
        with counts.under("code_exchange", request=True):
            signup = read.own_signup(ports, TENANT, signup.id)
            signup = exchange_code(ports, signup, customer["code"], customer["session_info"])
            read.whole(ports, signup)
        with counts.under("number_submission", request=True):
            signup = read.own_signup(ports, TENANT, signup.id)
            signup = submit_numbers(ports, signup, (), None)
            read.whole(ports, signup)
        self.run(until=self.settled(signup.id))
        self.publish()
        self.assert_connected(signup.id)
        (number,) = self.numbers(signup.id)
        with counts.under("signup_queries", request=True):
            read.channel_key(ports, number.channel_id or "")
        return self.load(signup.id)

    def event(self, text: str, kind: str) -> Tally:
        """What one webhook costs, from the API to the end of the worker."""
        before, self.counts.kind = self.counts.by_function, kind
        self.counts.by_function = {}
        with self.counts.under("webhook_receiver", request=True):
            self.queue.put("event", text)
        while (message := self._take()) is not None:
            self.handle(message)
        self.publish()
        total = self.counts.total()
        self.counts.by_function = before
        return total


@dataclass(frozen=True, slots=True)
class Measured:
    """All counts. `webhooks` by kind of event; sizes in bytes."""

    signup: Mapping[FunctionName, Tally]
    poll: Tally
    webhooks: Mapping[str, Tally]
    sweep: Tally
    signup_bytes: int
    number_bytes: int
    receiver_line_bytes: int

    @property
    def onboarding(self) -> Tally:
        """One onboarding: the signup, and a page that asks for it `POLLS` times."""
        total = Tally()
        for tally in self.signup.values():
            total = total.plus(tally)
        return total.plus(self.poll, POLLS)


TEMPLATE_EVENT: Final = {
    "id": "evt-6b1f6f7e-7f0f-4f4e-9d0a-2f6f0a1b2c3d",
    "event": "waba_template_status_changed",
    "data": {
        "id": "102290129340398",
        "template": {"name": "order_confirmation", "language": "en_US", "status": "APPROVED"},
    },
}


@cache
def measure() -> Measured:
    """Play everything once, in a second or two."""
    with CountedWorld() as world:
        return _measured(world)


def _measured(world: CountedWorld) -> Measured:
    signup = world.onboard()
    played, world.counts.by_function = world.counts.by_function, {}
    (number,) = world.numbers(signup.id)
    world.counts.kind = STATUS
    with world.counts.under("signup_queries", request=True):
        read.whole(world.ports, read.own_signup(world.ports, TENANT, signup.id))
    poll = world.counts.total()
    quality = _quality(world)
    webhooks = {
        NOT_ABOUT_A_NUMBER: world.event(json.dumps(TEMPLATE_EVENT), NOT_ABOUT_A_NUMBER),
        "delivered again": world.event(json.dumps(TEMPLATE_EVENT), NOT_ABOUT_A_NUMBER),
        ABOUT_A_NUMBER: world.event(quality("1"), ABOUT_A_NUMBER),
    }
    world.counts.by_function, world.counts.kind = {}, SWEEP
    world.sweep()
    return Measured(
        signup=played,
        poll=poll,
        webhooks=webhooks,
        sweep=world.counts.total(),
        signup_bytes=_stored_size(world, f"SIGNUP#{signup.id}", "SIGNUP"),
        number_bytes=_stored_size(world, f"NUMBER#{number.phone_number_id}", "NUMBER"),
        receiver_line_bytes=_receiver_line(),
    )


def _quality(world: CountedWorld) -> Callable[[str], str]:
    """An event about the number, in the shape of those that came."""
    last = json.loads(world.webhook_bodies[-1])

    def event(name: str) -> str:
        return json.dumps({**last, "id": f"{last['id']}-{name}", "event": "phone_number_quality_changed"})

    return event


def _stored_size(world: CountedWorld, partition: str, sort: str) -> int:
    return size_of(world.table.items[partition, sort])


def _receiver_line() -> int:
    """Bytes of the receiver's only line, which is log and metric in one."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        webhook_receiver._count("Accepted", "", "b7Jd0hVbFiAEJ9w=", 9.87)  # noqa: SLF001 - the line itself
    return len(out.getvalue().encode())


# --- tables -----------------------------------------------------------------------------------------


def tables() -> dict[str, str]:
    """The tables of docs/cost.md by their mark."""
    measured = measure()
    return {
        "counts": _counts_table(measured),
        "webhooks": _webhooks_table(measured),
        "thousand": _thousand_table(measured),
        "million": _million_table(measured),
        "month": _month_table(measured),
    }


def _counts_table(measured: Measured) -> str:
    lines = {name: measured.signup[name] for name in CARDS if name in measured.signup}
    rows = [[f"`{name}`", *_cells(tally)] for name, tally in lines.items()]
    rows.append([f"`signup_queries`, {POLLS} times the status", *_cells(Tally().plus(measured.poll, POLLS))])
    rows.append(["**one onboarding**", *_cells(measured.onboarding)])
    return table(["function", *_HEADS], rows)


def _webhooks_table(measured: Measured) -> str:
    rows = [[kind, *_cells(tally)] for kind, tally in measured.webhooks.items()]
    rows.append(["an idle sweep, for comparison", *_cells(measured.sweep)])
    return table(["one webhook", *_HEADS], rows)


_HEADS: Final = (
    "invocations",
    "reads",
    "writes",
    "index writes",
    "SQS",
    "KMS",
    "bus events",
    "upstream calls",
    "ms",
)


def _cells(tally: Tally) -> list[str]:
    found = (
        tally.invocations,
        tally.reads,
        tally.writes,
        tally.index_writes,
        tally.sqs,
        tally.kms,
        tally.events,
        tally.upstream,
    )
    return [*(f"{value:g}" for value in found), f"{tally.milliseconds:.0f}"]


def _thousand_table(measured: Measured) -> str:
    thousand = Tally().plus(measured.onboarding, 1000)
    columns = {region: thousand.dollars(prices) for region, prices in PRICES.items()}
    return _dollars("1,000 onboardings", columns)


def in_batches(tally: Tally, kind: str) -> Tally:
    """The same webhook when the worker gets ten at once, and the publisher their facts.

    One invocation of each, one receive, one delete.
    """
    workers = ("partner_event_worker", "event_publisher") if tally.events else ("partner_event_worker",)
    own = sum(own_ms(name, kind) - own_ms(name, kind + TOGETHER) / AT_ONCE for name in workers)
    saved = 1 - 1 / AT_ONCE
    fewer = Tally(invocations=len(workers), sqs=2, lines=len(workers), puts=len(workers) - 1)
    return tally.plus(fewer, -saved).plus(Tally(own=-own))


def _million_table(measured: Measured) -> str:
    kinds = measured.webhooks
    usual, million = PRICES["us-east-1"], 1_000_000
    played = {
        f"{kind}, ten at a time": in_batches(kinds[kind], kind)
        for kind in (NOT_ABOUT_A_NUMBER, ABOUT_A_NUMBER)
    }
    columns = {"goal": dict(GOAL)}
    columns |= {
        kind: Tally().plus(tally, million).dollars(usual) for kind, tally in {**played, **kinds}.items()
    }
    return _dollars("1,000,000 webhooks, us-east-1", columns)


def _month_table(measured: Measured) -> str:
    has = STANDING
    columns = {}
    for region, prices in PRICES.items():
        columns[region] = {
            f"{has.keys} KMS keys": has.keys * prices.key_month,
            f"{has.secrets} secret": has.secrets * prices.secret_month,
            f"{has.alarms} alarms": has.alarms * prices.alarm_month,
            f"{has.dashboards} dashboard": has.dashboards * prices.dashboard_month,
            f"{has.metrics} metrics of our own, at most": has.metrics * prices.metric_month,
            "the sweep": sum(Tally().plus(measured.sweep, SWEEPS).dollars(prices).values()),
            "looking at empty queues": Tally(sqs=IDLE_POLLS).dollars(prices)["SQS"],
        }
    return _dollars("a month, before the first signup", columns, list(next(iter(columns.values()))))


def _dollars(
    head: str, columns: Mapping[str, Mapping[str, float]], services: Sequence[str] = SERVICES
) -> str:
    rows = [
        [service, *(f"{column.get(service, 0):.2f}" for column in columns.values())] for service in services
    ]
    rows.append(["**together**", *(f"**{sum(column.values()):.2f}**" for column in columns.values())])
    return table([head, *columns], rows)


def main() -> None:
    """Print the tables, each behind its mark, and the sizes; with ``--write`` put them into docs/cost.md."""
    if sys.argv[1:] == ["--write"]:
        show(tables(), DOCUMENT)
        return
    measured = measure()
    show(tables())
    sys.stdout.write(
        f"A signup's item has {measured.signup_bytes} bytes, a connected number's {measured.number_bytes}, "
        f"the receiver's log line {measured.receiver_line_bytes}.\n"
    )


if __name__ == "__main__":
    main()
