"""What an answer takes when the function is awake: the receivers beside the same work with boto3, in one run.

All functions run at the same time on Lambda's own runtime interface (`local.rie`) and are asked in turns,
so that a busy moment meets all; AWS is MiniStack behind TLS. The one to compare with,
`bench/sample_sender.py`, sends the same message to SQS and does nothing else; an empty one tells what the
runtime interface takes.

Then AWS closes the connections that rest, and the next answer has to make one anew.

    python -m bench.warm [--answers 500] [--breaks 40] [--write]    # into docs/performance.md
"""

import argparse
import contextlib
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.growth import DOCUMENT, show, table
from bench.runtimes import EMPTY, check, empty, ground, label, process_of, sample, spent, with_libraries
from harness.services import services
from local import rie

SENDER = "sample_sender"
"""The function with boto3; it is handed what `webhook_receiver` is."""
RECEIVERS = ("webhook_receiver", "meta_receiver")
UNCOUNTED = 30
"""Answers of each function before the first that counts."""
BETWEEN = 5
"""Answers on a living connection before it is closed."""
SETTLING_SECONDS = 0.1
"""So long a closed connection takes to be known as closed, on a busy machine too."""
AFTER_A_BREAK = 1.5
"""How many times a warm answer of a receiver's the one after a break may take."""


@dataclass(slots=True)
class Taken:
    """Seconds and processor seconds of some answers of one function."""

    seconds: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Awake:
    """A function that runs, the event it is asked with, and its process."""

    name: str
    runtime: rie.Running
    event: object
    process: Path

    def ask(self, into: Taken) -> None:
        """Have one answer, and write down what it took. Raises `ChildFailedError`."""
        before = spent(self.process)
        answer = self.runtime.invoke(self.event)
        into.processor.append(spent(self.process) - before)
        into.seconds.append(answer.seconds)
        check(self.name, self.runtime, (answer,))


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """By function: many answers in a row, and those before and right after a connection was closed."""

    steady: Mapping[str, Taken]
    before: Mapping[str, Taken]
    after: Mapping[str, Taken]


def measure(answers: int, breaks: int) -> Measured:
    """Ask all functions in turns.

    Raises:
        ChildFailedError: Something did not start, or a function failed.
        BundleError: A package cannot be made.
    """
    with (
        tempfile.TemporaryDirectory() as scratch,
        services() as around,
        ground(around, Path(scratch)) as below,
        contextlib.ExitStack() as running,
    ):
        folder = Path(scratch)
        sender = with_libraries(SENDER, folder, around.environment(RECEIVERS[0]))
        ours = (below.ours(around.function(name)) for name in RECEIVERS)
        functions = [
            _wake(function, running.enter_context(rie.running(function, folder)))
            for function in (empty(folder), below.theirs(sender), *ours)
        ]
        steady = _series(functions)
        for _ in range(UNCOUNTED):
            _round(functions, _series(functions))
        for number in range(answers):
            # Nobody is always the first after somebody slow.
            turn = number % len(functions)
            _round(functions[turn:] + functions[:turn], steady)
        callers = functions[1:]
        before, after = _series(callers), _series(callers)
        for _ in range(breaks):
            for _ in range(BETWEEN):
                _round(callers, before)
            if below.met is not None:
                below.met.hang_up()
            time.sleep(SETTLING_SECONDS)
            _round(callers, after)
    return Measured(steady=steady, before=before, after=after)


def _wake(function: rie.Function, runtime: rie.Running) -> Awake:
    event = sample(RECEIVERS[0] if function.name == SENDER else function.name)
    runtime.invoke(event)
    return Awake(function.name, runtime, event, process_of(runtime))


def _series(functions: Sequence[Awake]) -> dict[str, Taken]:
    return {function.name: Taken() for function in functions}


def _round(functions: Sequence[Awake], into: Mapping[str, Taken]) -> None:
    for function in functions:
        function.ask(into[function.name])


def _p99(values: Sequence[float]) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[98]


def steady_table(steady: Mapping[str, Taken]) -> str:
    """Answers in a row as a table, in milliseconds, and to the one with boto3."""
    figures = {
        name: (
            statistics.median(taken.seconds),
            _p99(taken.seconds),
            statistics.median(taken.processor),
            _p99(taken.processor),
        )
        for name, taken in steady.items()
    }
    rows = []
    for name, own in figures.items():
        ratios = [mine / theirs for mine, theirs in zip(own, figures[SENDER], strict=True)][:3]
        told = ["" if name == EMPTY else f"{ratio:.2f}" for ratio in ratios]
        rows.append([label(name), *(f"{value * 1000:.2f}" for value in own), *told])
    heads = ("wall ms, p50", "p99", "processor ms, p50", "p99", "to boto3: p50", "p99", "processor")
    return table(["function", *heads], rows)


def break_table(measured: Measured) -> str:
    """Medians of answers on a living connection and right after it was closed as a table, in milliseconds."""
    rows = []
    for name, after in measured.after.items():
        before = measured.before[name]
        warm, cold = statistics.median(before.seconds), statistics.median(after.seconds)
        verdict = "" if name == SENDER else "met" if cold / warm <= AFTER_A_BREAK else "missed"
        cells = [
            label(name),
            f"{warm * 1000:.2f}",
            f"{cold * 1000:.2f}",
            f"{cold / warm:.2f}",
            "" if name == SENDER else f"{AFTER_A_BREAK:g}",
            verdict,
            f"{statistics.median(before.processor) * 1000:.2f}",
            f"{statistics.median(after.processor) * 1000:.2f}",
        ]
        rows.append(cells)
    heads = ("warm, ms", "after a break, ms", "times", "at most", "", "processor, warm", "after a break")
    return table(["function", *heads], rows)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.warm", description=__doc__)
    parser.add_argument("--answers", type=int, default=500)
    parser.add_argument("--breaks", type=int, default=40)
    parser.add_argument("--write", action="store_true", help="into docs/performance.md")
    given = parser.parse_args()
    measured = measure(given.answers, given.breaks)
    made = {"warm": steady_table(measured.steady), "breaks": break_table(measured)}
    show(made, DOCUMENT if given.write else None)


if __name__ == "__main__":
    main()
