"""How long a customer waits for a code's exchange, when each answer of Meta's takes 200 ms.

Run it with ``PYTHONPATH=functions:. .venv/bin/python -m bench.latency``; ``--write`` puts the timeline into
docs/performance.md. The real use case and the real adapter for Meta play against the simulator, whose every
answer comes so late, on a store in memory: what is shown is the order of the calls and our own time besides,
not the network's and not DynamoDB's.
"""

import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import httpx

from bench.growth import DOCUMENT, write
from harness.world import Options, World
from onramp.domain.signup import Signup
from onramp.usecases.exchange_code import exchange_code

LATENCY: Final = 0.2
"""Seconds until Meta's simulator answers."""
ROUNDS: Final = 15
_WIDTH: Final = 40
"""Characters of the drawn timeline."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call to Meta: what was asked, and when it went out, in seconds from the beginning."""

    what: str
    at: float


@dataclass(slots=True)
class Exchange:
    """One exchange: its calls, and the seconds it took by the clock and of the processor."""

    calls: list[Call] = field(default_factory=list)
    wall: float = 0.0
    processor: float = 0.0

    @property
    def rounds(self) -> int:
        """Calls that wait for each other; those that begin within half an answer's time count once."""
        starts = sorted(call.at for call in self.calls)
        later = [one for one, before in zip(starts[1:], starts, strict=False) if one - before > LATENCY / 2]
        return 1 + len(later)

    @property
    def own(self) -> float:
        """Seconds besides Meta's."""
        return self.wall - self.rounds * LATENCY


def exchanged(world: World) -> Exchange:
    """Let a customer's code be exchanged, slowly."""
    customer = world.customer()
    signup: Signup = world.opened(key=customer["code"])
    found = Exchange()
    began, worked = time.perf_counter(), time.process_time()

    def late(request: httpx.Request) -> None:
        found.calls.append(Call(request.url.path.rpartition("/")[2], time.perf_counter() - began))
        time.sleep(LATENCY)

    world.before_request = late
    exchange_code(world.ports, signup, customer["code"], customer["session_info"])
    found.wall, found.processor = time.perf_counter() - began, time.process_time() - worked
    world.before_request = lambda _: None
    return found


def drawn(one: Exchange) -> list[str]:
    """The calls of an exchange as lines, each from its start to its answer."""
    lines = []
    for call in one.calls:
        start = round(call.at / one.wall * _WIDTH)
        length = max(1, round(LATENCY / one.wall * _WIDTH))
        lines.append(f"{call.at * 1000:6.0f} ms  {' ' * start}{'█' * length}  {call.what}")
    return lines


def told(found: Sequence[Exchange]) -> str:
    """What was measured, as text."""
    median = statistics.median
    wall, own = median(one.wall for one in found), median(one.own for one in found)
    processor = median(one.processor for one in found)
    usual = sorted(found, key=lambda one: one.wall)[len(found) // 2]
    took = f"{wall * 1000:.0f} ms, {wall / LATENCY:.2f} times an answer's time"
    work = f"own time {own * 1000:.1f} ms, {processor * 1000:.1f} ms of the processor, simulator included"
    rounds = f"{len(found)} exchanges, {usual.rounds} rounds of {LATENCY * 1000:.0f} ms"
    return "\n".join((*drawn(usual), f"{rounds}: {took}; {work}"))


def main() -> int:
    """Measure and print."""
    with World(Options(threads=True)) as world:
        exchanged(world)
        found = []
        for number in range(ROUNDS):
            sys.stderr.write(f"\rexchange {number + 1} of {ROUNDS}")
            found.append(exchanged(world))
        sys.stderr.write("\n")
    if "--write" in sys.argv[1:]:
        write(DOCUMENT, {"exchange": f"```\n{told(found)}\n```"})
    else:
        sys.stdout.write(told(found) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
