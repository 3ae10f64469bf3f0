"""What each thing asks of table and upstreams, with few records in the store and with many: constants.

Run it with ``PYTHONPATH=functions:. .venv/bin/python -m bench.growth``; ``--write`` puts the tables into
docs/performance.md, and a test compares them.

The real use cases and the real DynamoDB adapter play on a table in memory that counts units by DynamoDB's
rules (`harness.dynamodb`), between the simulators.
"""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Final, cast

import httpx

from harness.dynamodb import CountingDynamo, Units
from harness.world import TENANT, Options, World, WorldClock
from onramp.adapters.dynamo import DynamoStore
from onramp.domain.number import Number, WabaOf
from onramp.domain.partner_events import Channel
from onramp.domain.signup import Client, ListedNumber, Signup, Waba
from onramp.domain.states import Progress
from onramp.ports.storage import Line
from onramp.ports.upstreams import Page
from onramp.usecases import read
from onramp.usecases.census import work_on_census
from onramp.usecases.exchange_code import exchange_code
from onramp.usecases.open_signup import Wanted, open_signup
from onramp.usecases.submit_numbers import submit_numbers
from onramp.usecases.sweep import sweep

DOCUMENT: Final = Path(__file__).resolve().parent.parent / "docs" / "performance.md"
TEN: Final = 10
MANY: Final = 100_000
LISTED: Final = 2
"""How many a list is asked for: no more than the smallest tenant has."""
OTHERS: Final = "tenant-2"
SIZES: Final = (1, 5, 48)
PAGE: Final = 200
OLD: Final = datetime(2027, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Spent:
    """Round trips to the table, request units, and calls to Meta and 360dialog."""

    calls: float
    reads: float
    written: float
    upstream: float

    def each(self, count: int) -> "Spent":
        """For one of `count`."""
        return Spent(self.calls / count, self.reads / count, self.written / count, self.upstream / count)

    @property
    def cell(self) -> str:
        """As the tables show it."""
        return " · ".join(f"{value:.4g}" for value in (self.calls, self.reads, self.written, self.upstream))


@dataclass(frozen=True, slots=True)
class Store:
    """How many old signups there are, each with a connected number, and how many of them are the tenant's."""

    records: int
    own: int

    @property
    def head(self) -> str:
        """As a table names it."""
        return f"{self.records:,}" if self.own == self.records else f"{self.records:,}, {self.own:,} its own"


FEW: Final = Store(TEN, TEN)
STORES: Final = (FEW, Store(1_000, 1_000), Store(MANY, MANY), Store(MANY, 1), Store(MANY, 10_000))
"""All the tenant's, and then a tenant with one and with ten thousand among others."""


class LongClock(WorldClock):
    """The world's clock with ids as long as the real ones."""

    def new_id(self) -> str:
        """32 characters, as `SystemClock` makes."""
        return super().new_id().rjust(32, "0")


class CountedWorld(World):
    """The product on the counting table, beside old records of its tenant and of another one."""

    def __init__(self, store: Store = FEW) -> None:
        self.table = CountingDynamo()
        self.upstream_calls = 0
        super().__init__(
            Options(budget_calls=1_000, step_seconds=1.0),
            store=lambda clock: DynamoStore(cast("Any", self.table), "records", clock),
        )
        self.clock.__class__ = LongClock
        self.before_request = self._count
        self._fill(store)

    def _count(self, _: httpx.Request) -> None:
        self.upstream_calls += 1

    def _fill(self, store: Store) -> None:
        """Old signups with a connected number each; what they cost is not counted."""
        for index in range(store.records):
            signup, number = _old(index, TENANT if index < store.own else OTHERS)
            self.store.commit(signup, number)
        self.stream.clear()

    def spent(self, action: Callable[[], object]) -> Spent:
        """What an action costs."""
        before, calls = self.table.spent.copy(), self.upstream_calls
        action()
        bill: Units = self.table.spent.since(before)
        return Spent(bill.calls, bill.reads, bill.written, self.upstream_calls - calls)

    def settled(self, signup_id: str) -> Callable[[], bool]:
        """Looking on is not counted."""
        check = super().settled(signup_id)

        def uncounted() -> bool:
            bill, self.table.spent = self.table.spent, Units()
            try:
                return check()
            finally:
                self.table.spent = bill

        return uncounted

    def event(self, name: str, number: Number) -> None:
        """One event about a number, delivered and applied."""
        data = {"id": number.channel_id, "waba_account": {"external_id": number.waba.id}}
        self.queue.put("event", json.dumps({"id": f"{name}-{number.version}", "event": name, "data": data}))
        self.drain()

    def drain(self) -> None:
        """Deliver what lies in the queue."""
        while (message := self._take()) is not None:
            self.handle(message)


def _old(index: int, tenant: str = TENANT) -> tuple[Signup, Number]:
    at = OLD + timedelta(seconds=index)
    signup = Signup(
        id=f"old{index:029d}",
        tenant=tenant,
        created_at=at,
        updated_at=at,
        expires_at=at + timedelta(days=1),
        client=Client(name="Old", email=f"old{index}@example.com", user_name="Old"),
        plan_tier="regular",
        waba=Waba(id=f"8{index:014d}", proof="granted_ids"),
        submitted=[f"7{index:014d}"],
        counts={"connected": 1},
    )
    number = Number(
        phone_number_id=f"7{index:014d}",
        tenant=tenant,
        signup_id=signup.id,
        waba=WabaOf(id=f"8{index:014d}"),
        digits=f"49151{index:08d}",
        created_at=at,
        progress=Progress.CONNECTED,
        channel_id=f"old{index}CH",
    )
    return signup, number


@cache
def measure(store: Store) -> dict[str, Spent]:
    """Everything once, beside what is in the store."""
    found: dict[str, Spent] = {}
    with CountedWorld(store) as world:
        ports = world.ports
        customer = world.customer()
        kept: list[Signup] = []

        def open_() -> None:
            client = Client(name="Example", email="owner@example.com", user_name="Owner")
            kept.append(
                open_signup(
                    ports,
                    tenant=TENANT,
                    wanted=Wanted(client=client, plan_tier="regular", reference="order-4711"),
                    idempotency_key="order-4711",
                )
            )

        def exchange() -> None:
            kept.append(exchange_code(ports, kept[0], customer["code"], customer["session_info"]))

        found["`POST /v1/signups`"] = world.spent(open_)
        found["`POST …/code`"] = world.spent(exchange)
        found["`POST …/numbers`"] = world.spent(lambda: submit_numbers(ports, kept[-1], (), None))
        onboarding = [found[name] for name in found]
        rest = world.spent(lambda: world.run(until=world.settled(kept[0].id)))
        onboarding.append(rest)
        signup = world.load(kept[0].id)
        (number,) = world.numbers(signup.id)
        found["`GET /v1/signups/{id}`"] = world.spent(
            lambda: read.whole(ports, read.own_signup(ports, TENANT, signup.id))
        )
        found[f"`GET /v1/signups`, {LISTED}"] = world.spent(
            lambda: read.signups(ports, TENANT, None, None, LISTED)
        )
        found["`GET /v1/signups?status=open`, none"] = world.spent(
            lambda: read.signups(ports, TENANT, "open", None, 20)
        )
        found[f"`GET /v1/numbers`, {LISTED}"] = world.spent(
            lambda: read.numbers(ports, TENANT, None, None, LISTED)
        )
        found["`GET /v1/numbers?status=failed`, none"] = world.spent(
            lambda: read.numbers(ports, TENANT, "failed", None, 20)
        )
        found["`GET /v1/numbers/{id}`"] = world.spent(
            lambda: read.own_number(ports, TENANT, number.phone_number_id)
        )
        found["`GET …/api-key`"] = world.spent(lambda: read.channel_key(ports, number.channel_id or ""))
        found["an event about a number"] = world.spent(
            lambda: world.event("phone_number_quality_changed", number)
        )
        found["an event about nobody, to its end"] = world.spent(lambda: _stray(world))
        found["a sweep with nothing due"] = world.spent(lambda: sweep(ports))
        found["a sweep, for each of 20 hits"] = _sweep_hit(world).each(20)
        found[f"the census, for a page of {PAGE} channels"] = _census_page(world)
        found["**a whole onboarding, first number**"] = Spent(
            *(sum(getattr(part, name) for part in onboarding) for name in Spent.__slots__)
        )
    return found


def _stray(world: CountedWorld) -> None:
    world.queue.put("event", json.dumps({"id": "stray", "event": "channel_live", "data": {"id": "strayCH"}}))
    world.drain()
    world.clock.sleep(15)
    world.drain()


def _sweep_hit(world: CountedWorld) -> Spent:
    """Twenty numbers whose jobs were lost."""
    world.queue.sends_to_lose = 1_000
    world.submitted(world.customer(numbers=20), key="lost")
    world.queue.sends_to_lose = 0
    world.clock.sleep(120)
    idle = measure_idle(world)
    world.queue.messages.clear()
    spent = world.spent(lambda: sweep(world.ports))
    return Spent(spent.calls - idle.calls, spent.reads - idle.reads, spent.written, spent.upstream)


def measure_idle(world: CountedWorld) -> Spent:
    """What the queries of a sweep cost by themselves, one for each line; nobody is notified here."""
    lines = [line for line in Line if line is not Line.SEND]
    return world.spent(lambda: [world.store.due(OLD, 1, line=line) for line in lines])


def _census_page(world: CountedWorld) -> Spent:
    """One page whose channels all are as their numbers say, with nothing to change."""
    world.clock.sleep(3_600)
    channels = []
    for index in range(PAGE):
        _, number = _old(MANY + index)
        number.phone_number_id = f"6{index:014d}"
        world.store.commit(number)
        channels.append(
            Channel(
                id=number.channel_id,
                external_id=number.phone_number_id,
                waba_id=number.waba.id,
                digits=number.digits,
                progress=Progress.LIVE,
            )
        )

    class _One:
        def list_channels(
            self, _filters: Mapping[str, str], _offset: int, gate: Callable[[], None]
        ) -> Page[Any]:
            gate()
            return Page(channels, None)

    watched: Any = world.ports.partner
    real, watched.port = watched.port, _One()
    try:
        return world.spent(lambda: work_on_census(world.ports))
    finally:
        watched.port = real


@cache
def by_size() -> dict[int, Spent]:
    """For each number of a signup with so many: its submission and everything behind it."""
    found = {}
    for size in SIZES:
        with CountedWorld() as world:
            signup = world.authorized(world.customer(numbers=size))
            ids = [number.phone_number_id for number in _listed(world, signup)]

            def onboard(
                world: CountedWorld = world, signup: Signup = signup, ids: Sequence[str] = ids
            ) -> None:
                submit_numbers(world.ports, world.load(signup.id), ids, None)
                world.run(until=world.settled(signup.id))

            found[size] = world.spent(onboard).each(size)
            world.assert_connected(signup.id)
    return found


@cache
def by_waba() -> dict[int, Spent]:
    """One number of a WABA that lists so many."""
    found = {}
    for size in (1, 100, 500):
        with CountedWorld() as world:
            signup = world.authorized(world.customer(numbers=size))
            first = _listed(world, signup)[0].phone_number_id

            def onboard(world: CountedWorld = world, signup: Signup = signup, first: str = first) -> None:
                submit_numbers(world.ports, world.load(signup.id), [first], None)
                world.run(until=world.settled(signup.id))

            found[size] = world.spent(onboard)
    return found


def _listed(world: CountedWorld, signup: Signup) -> Sequence[ListedNumber]:
    return read.whole(world.ports, world.load(signup.id), timeline=False).listed


def tables() -> dict[str, str]:
    """The tables of docs/performance.md by their mark."""
    columns = [measure(store) for store in STORES]
    head = ["signups and numbers in the store:", *(store.head for store in STORES)]
    growth = [[name, *(column[name].cell for column in columns)] for name in columns[0]]
    sizes = [[f"{size}", spent.cell] for size, spent in by_size().items()]
    wabas = [[f"{size}", spent.cell] for size, spent in by_waba().items()]
    return {
        "growth": table(head, growth),
        "sizes": table(["numbers of the signup", "for each of them"], sizes),
        "wabas": table(["numbers that the WABA lists", "to connect one of them"], wabas),
    }


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of Markdown whose first column is text, and all others figures."""
    ruler = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ruler, *rows))


def show(made: Mapping[str, str], document: Path | None = None) -> None:
    """Put tables into a document, each behind its mark; without one print them so."""
    if document is not None:
        write(document, made)
        return
    for mark, text in made.items():
        sys.stdout.write(f"<!-- {mark} -->\n\n{text}\n\n")


def write(document: Path, made: Mapping[str, str]) -> None:
    """Put tables into a document, each behind its mark."""
    text = document.read_text(encoding="utf-8")
    for mark, table in made.items():
        before, sign, rest = text.partition(f"<!-- {mark} -->\n\n")
        text = before + sign + table + "\n\n" + rest.partition("\n\n")[2]
    document.write_text(text, encoding="utf-8")


def behind(text: str, mark: str) -> str:
    """The table that stands behind its mark in a document's text."""
    return text.partition(f"<!-- {mark} -->\n\n")[2].partition("\n\n")[0]


def cells(text: str, mark: str) -> list[list[str]]:
    """The cells of such a table, without its head."""
    return [
        [cell.strip() for cell in line.strip("|").split("|")] for line in behind(text, mark).splitlines()[2:]
    ]


def main() -> None:
    """Print the tables, each behind its mark; with ``--write`` put them into docs/performance.md."""
    show(tables(), DOCUMENT if sys.argv[1:] == ["--write"] else None)


if __name__ == "__main__":
    main()
