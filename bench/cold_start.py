"""What a function takes from nothing to its first answer, beside an empty and a usual one in the same run.

Each round starts every function anew on Lambda's own runtime interface (`local.rie`) and hands it a sample
event twice; AWS is MiniStack behind TLS with a certificate of our own, the upstreams are simulated. The first
answer holds the start of Python, the imports, the wiring and the work; the second the work alone.

Counted is processor time of the function's process, which is what a function with little memory waits for
(512 MB are about 0.29 of a core), and which other work on the machine hardly changes. Wall time is told too,
and the most memory that the process has had. The ratios can be compared between machines: to the empty
function, and to `bench/sample_stack.py`. They are what the targets are about.

    python -m bench.cold_start [--rounds 7] [--only webhook_receiver] [--plain] [--write]
    python -m bench.cold_start --memory 256 512 1024 1769    # what memory is worth; root, Linux

With `--write` the table goes into docs/performance.md.
"""

import argparse
import contextlib
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import batched, chain
from pathlib import Path

from bench.growth import DOCUMENT, show, table
from bench.runtimes import (
    EMPTY,
    check,
    empty,
    ground,
    label,
    peak,
    process_of,
    sample,
    spent,
    with_libraries,
)
from bench.share import WHOLE, share
from harness.services import services
from infra.cards import CARDS, Card, Invoked, Routes
from local import rie

SAMPLE = "sample_stack"
"""The usual function; it does what `code_exchange` does, and is handed its event."""


@dataclass(frozen=True, slots=True)
class Target:
    """How many times the processor time of the empty and of the usual function a first answer may take."""

    to_empty: float | None = None
    to_usual: float | None = None

    def __str__(self) -> str:
        """As a table tells it."""
        told = (("empty", self.to_empty), ("usual", self.to_usual))
        return ", ".join(f"{whom} {most:g}" for whom, most in told if most is not None)

    def is_met(self, to_empty: float, to_usual: float) -> bool:
        """Whether ratios that were measured are within it."""
        pairs = ((to_empty, self.to_empty), (to_usual, self.to_usual))
        return all(most is None or ratio <= most for ratio, most in pairs)


BETWEEN = 3
"""So many functions are started between two starts of those that they are compared with."""
RECEIVER = Target(to_empty=1.6)
"""360dialog and Meta wait for these; 360dialog's documentation grants a quarter of a second."""
API = Target(to_empty=7.0, to_usual=0.5)
"""A person waits for these."""
WORKER = Target(to_usual=0.6)
"""A queue waits for these, or a schedule."""


def target_of(card: Card) -> Target | None:
    """What a function is held to, by who waits for it; None for the page and for the operators' one."""
    if card.package in {"receiver", "meta"}:
        return RECEIVER
    if isinstance(card.trigger, Routes):
        return API if card.package == "app" else None
    return None if isinstance(card.trigger, Invoked) else WORKER


@dataclass(slots=True)
class Measured:
    """One function, by round: processor seconds and seconds to its first answer, and of its second one.

    `memory` is the most bytes that its process has had, after both.
    """

    spent: list[float] = field(default_factory=list)
    first: list[float] = field(default_factory=list)
    again: list[float] = field(default_factory=list)
    memory: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How it is measured: how often, what, with TLS or without; `memory` in MB limits the processor."""

    rounds: int
    names: Sequence[str]
    encrypted: bool = True
    memory: int | None = None


def measure(options: Options) -> dict[str, Measured]:
    """Measure some functions, an empty one and the usual one, in turns, so that a busy moment meets all.

    One more start of each before warms the file cache and is not counted.

    Raises:
        ChildFailedError: Something did not start, or a function failed.
        BundleError: A package cannot be made.
    """
    measured: dict[str, Measured] = {}
    with (
        tempfile.TemporaryDirectory() as scratch,
        services() as around,
        ground(around, Path(scratch), encrypted=options.encrypted) as below,
    ):
        folder = Path(scratch)
        usual = with_libraries(SAMPLE, folder, around.environment("code_exchange"))
        compared = (empty(folder), below.theirs(usual))
        ours = [below.ours(around.function(name)) for name in CARDS if name in options.names]
        # Again and again, so that a busy moment meets those that are compared with as it meets the others.
        turns = [(*compared, *some) for some in batched(ours, BETWEEN, strict=False)]
        for number in range(options.rounds + 1):
            for function in chain.from_iterable(turns):
                _start(
                    function,
                    folder,
                    options.memory,
                    measured.setdefault(function.name, Measured()) if number else Measured(),
                )
            sys.stderr.write(f"round {number} of {options.rounds}\n")
    return measured


def _start(function: rie.Function, folder: Path, memory: int | None, into: Measured) -> None:
    """Start a function, hand it its event twice, and write down what that took."""
    event = sample("code_exchange" if function.name == SAMPLE else function.name)
    with rie.running(function, folder) as runtime:
        limited = share(runtime.child.pid, memory) if memory else contextlib.nullcontext()
        with limited:
            first = runtime.invoke(event)
            process = process_of(runtime)
            once = spent(process)
            second = runtime.invoke(event)
            both = spent(process)
            into.memory.append(peak(process))
    check(function.name, runtime, (first, second))
    into.spent.append(once)
    into.first.append(first.seconds)
    into.again.append(both - once)


def starts(measured: Mapping[str, Measured]) -> str:
    """The medians as a table, in milliseconds and MB, and what is to be held."""
    floor, usual = (statistics.median(measured[name].spent) for name in (EMPTY, SAMPLE))
    rows = []
    for name, seen in measured.items():
        taken = statistics.median(seen.spent)
        target = target_of(CARDS[name]) if name in CARDS else None
        verdict = "" if target is None else "met" if target.is_met(taken / floor, taken / usual) else "missed"
        cells = [
            label(name),
            f"{taken * 1000:.0f}",
            f"{taken / floor:.2f}",
            f"{taken / usual:.2f}",
            str(target or ""),
            verdict,
            f"{statistics.median(seen.first) * 1000:.0f}",
            f"{statistics.median(seen.again) * 1000:.1f}",
            f"{statistics.median(seen.memory) / 1_000_000:.0f}",
        ]
        rows.append(cells)
    heads = ("processor ms", "to empty", "to the usual", "at most", "", "wall ms", "second, ms", "memory, MB")
    return table(["function", *heads], rows)


def curve(by_memory: Mapping[int, Mapping[str, Measured]]) -> str:
    """The first answers' wall time by memory as a table, in milliseconds."""
    rows = []
    for name in next(iter(by_memory.values())):
        cells = (f"{statistics.median(seen[name].first) * 1000:.0f}" for seen in by_memory.values())
        rows.append([label(name), *cells])
    return table(["first answer, wall ms", *(f"{memory} MB" for memory in by_memory)], rows)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.cold_start", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", nargs="+", choices=list(CARDS), default=list(CARDS))
    parser.add_argument("--plain", action="store_true", help="without TLS")
    parser.add_argument("--memory", nargs="+", type=int, default=(), help=f"MB, {WHOLE} are one processor")
    parser.add_argument("--write", action="store_true", help="into docs/performance.md")
    given = parser.parse_args()
    options = Options(rounds=given.rounds, names=given.only, encrypted=not given.plain)
    if given.memory:
        by_memory = {memory: measure(replace(options, memory=memory)) for memory in given.memory}
        made = {"memory": curve(by_memory)}
    else:
        made = {"starts": starts(measure(options))}
    show(made, DOCUMENT if given.write else None)


if __name__ == "__main__":
    main()
