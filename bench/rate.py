"""How fast 1,000 numbers are onboarded at the real budget, in simulated time.

Run it with ``PYTHONPATH=functions:. .venv/bin/python -m bench.rate``; it takes some minutes, for the real use
cases really run. ``--write`` puts the table into docs/performance.md. What 360dialog takes, 5 calls in 30 s,
is the limit; how close to it we come, and how many calls a number needs, is what is measured.
"""

import argparse
import re
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import httpx

from bench.growth import DOCUMENT, write
from harness.indexed import IndexedStore
from harness.world import Options, World
from onramp.domain.facts import FactType
from onramp.domain.records import Fact

CALLS: Final = 5
WINDOW: Final = 30.0
"""Seconds."""
MANY: Final = 1_000
LONGEST: Final = 5 * 86_400.0
"""Seconds after which a run that has not ended has failed."""
TOLD_EVERY: Final = 3_600.0
HEAD: Final = (
    "|  | calls a number | seconds | least seconds | times the least | refused | a number's calls |\n"
    "| --- | ---: | ---: | ---: | ---: | ---: | --- |"
)
ID: Final = re.compile(r"\b\w+C[HL]\b")
"""360dialog's ids in a path."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drained:
    """What it took to connect numbers: calls by what they ask, seconds from the first to the last."""

    numbers: int
    calls: Mapping[str, int]
    seconds: float
    refused: int

    @property
    def made(self) -> int:
        """All calls."""
        return sum(self.calls.values())

    @property
    def least(self) -> float:
        """The seconds that so many calls need at least: the last of them starts so long after the first."""
        return (self.made - 1) // CALLS * WINDOW

    @property
    def ratio(self) -> float:
        """How many times the least time it took."""
        return self.seconds / self.least


class Watched(World):
    """A world that writes down each call of the Partner API, and which numbers are connected."""

    def __init__(self) -> None:
        super().__init__(Options(budget_calls=CALLS, step_seconds=2.0), store=IndexedStore)
        self.partner_calls: list[tuple[float, str]] = []
        self.connected: set[str] = set()
        self.before_request = self._note
        self.store.on_fact = self._hear

    def _note(self, request: httpx.Request) -> None:
        path = request.url.path
        if "/partners/" in path:
            what = ID.sub("…", path.partition("/partners/")[2].partition("/")[2])
            self.partner_calls.append((self.clock.now().timestamp(), f"{request.method} {what}"))

    def _hear(self, fact: Fact) -> None:
        self.stream.append(fact)
        if fact.type == FactType.NUMBER_CONNECTED and fact.phone_number_id:
            self.connected.add(fact.phone_number_id)


def drawn_off(numbers: int, *, known: bool, tell: Callable[[str], None] = lambda _: None) -> Drained:
    """Let so many customers come at once, and wait until all their numbers are connected.

    `known`: 360dialog's client is known already, as for a customer's second number.
    """
    with Watched() as world:
        if known:
            _come(world, "first", 0)
            world.run(LONGEST, until=lambda: len(world.connected) == 1)
        before, wanted = len(world.partner_calls), numbers + known
        for index in range(numbers):
            _come(world, f"k{index}", 0 if known else index)
        end = world.clock.now().timestamp() + LONGEST
        while len(world.connected) < wanted and world.clock.now().timestamp() < end:
            world.run(TOLD_EVERY, until=lambda: len(world.connected) >= wanted)
            tell(f"{len(world.connected)} of {wanted} connected")
        world.assert_nothing_doubled(clients=1 if known else numbers)
        calls = world.partner_calls[before:]
        times = [at for at, _ in calls]
        return Drained(
            numbers=len(world.connected) - known,
            calls=Counter(what for _, what in calls),
            seconds=max(times) - min(times),
            refused=world.dialog_state()["budget"]["refused"],
        )


def _come(world: Watched, key: str, client: int) -> None:
    world.submitted(world.customer(), key=key, email=f"owner{client}@example.com")


def row(found: Drained, title: str) -> str:
    """A row of the table."""
    calls = ", ".join(f"`{what}` {count / found.numbers:.2f}" for what, count in sorted(found.calls.items()))
    return (
        f"| {found.numbers:,} numbers of {title} | {found.made / found.numbers:.2f} | {found.seconds:,.0f} |"
        f" {found.least:,.0f} | {found.ratio:.3f} | {found.refused} | {calls} |"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and print or write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--numbers", type=int, default=MANY)
    parser.add_argument("--write", action="store_true", help="put the table into docs/performance.md")
    given = parser.parse_args(arguments)

    def tell(line: str) -> None:
        sys.stderr.write(line + "\n")

    rows = [
        row(drawn_off(given.numbers, known=known, tell=tell), title)
        for known, title in ((False, "new clients"), (True, "a known client"))
    ]
    table = "\n".join((HEAD, *rows))
    if given.write:
        write(DOCUMENT, {"rate": table})
    else:
        sys.stdout.write(table + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
