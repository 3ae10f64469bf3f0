"""How long a function takes from nothing to its first answer, beside an empty one on the same machine.

Each round starts every function anew on Lambda's own runtime interface (`local.rie`) and hands it a sample
event twice; AWS is MiniStack, the upstreams are simulated. The first answer holds the start of Python, the
imports, the wiring and the work; the second the work alone. The ratio to the empty function of the same run
is what can be compared between machines: a function with 512 MB has about a third of a core on AWS.

    python -m bench.cold_start [--rounds 7] [--only webhook_receiver]
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.services import services
from infra.cards import CARDS
from local import rie
from local.children import PROJECT_ROOT, ChildFailedError

EVENTS: Mapping[str, str] = {
    "code_exchange": "open_signup_known_client.json",
    "number_submission": "submit_claimed_number.json",
    "signup_queries": "list_signups.json",
    "webhook_receiver": "channel_live.json",
    "onboarding_worker": "job.json",
    "partner_event_worker": "batch.json",
    "reconciler": "sweep.json",
    "event_publisher": "facts.json",
}
EMPTY = "empty"
_EMPTY_HANDLER = "def handler(event, context):\n    return {}\n"
_IMPORT = """
import sys, time
started = time.perf_counter()
__import__(sys.argv[1])
print(time.perf_counter() - started)
"""


@dataclass(slots=True)
class Measured:
    """Seconds of one function, by round."""

    imported: list[float] = field(default_factory=list)
    first: list[float] = field(default_factory=list)
    second: list[float] = field(default_factory=list)


def measure(rounds: int, names: Sequence[str]) -> dict[str, Measured]:
    """Measure some functions and an empty one, in turns, so that a busy moment meets all of them.

    Args:
        rounds: How often each is started; one more start before warms the file cache and is not counted.
        names: The functions.

    Raises:
        ChildFailedError: Something did not start, or a function failed.
    """
    measured = {name: Measured() for name in (EMPTY, *names)}
    with tempfile.TemporaryDirectory() as scratch, services() as around:
        Path(scratch, "empty.py").write_text(_EMPTY_HANDLER, encoding="utf-8")
        functions = [
            rie.Function(name=EMPTY, handler="empty.handler", code=Path(scratch), environment={}),
            *(around.function(name) for name in CARDS if name in names),
        ]
        for number in range(rounds + 1):
            for function in functions:
                taken = _start(function, Path(scratch))
                if number:
                    into = measured[function.name]
                    for series, seconds in zip((into.imported, into.first, into.second), taken, strict=True):
                        series.append(seconds)
            sys.stderr.write(f"round {number} of {rounds}\n")
    return measured


def _start(function: rie.Function, folder: Path) -> tuple[float, float, float]:
    """Seconds of one import, of the first answer and of the second."""
    event = _event(function.name)
    with rie.running(function, folder) as runtime:
        answers = [runtime.invoke(event) for _ in range(2)]
    for answer in answers:
        if answer.error is not None:
            raise ChildFailedError(f"{function.name} failed: {answer.payload}")
    return _import_seconds(function), answers[0].seconds, answers[1].seconds


def _event(name: str) -> object:
    if name == EMPTY:
        return {}
    return json.loads((PROJECT_ROOT / "events" / name / EVENTS[name]).read_text(encoding="utf-8"))


def _import_seconds(function: rie.Function) -> float:
    run = subprocess.run(  # noqa: S603 - our own interpreter and script
        [sys.executable, "-S", "-c", _IMPORT, function.handler.partition(".")[0]],
        env={"PYTHONPATH": str(function.code)},
        capture_output=True,
        text=True,
        check=True,
    )
    return float(run.stdout)


def table(measured: Mapping[str, Measured]) -> Iterable[str]:
    """The medians as lines of a Markdown table, in milliseconds."""
    floor = statistics.median(measured[EMPTY].first)
    yield "| function | import | first answer | slowest | to empty | second answer |"
    yield "|---|---|---|---|---|---|"
    for name, seen in measured.items():
        first = statistics.median(seen.first)
        cells = (
            f"{statistics.median(seen.imported) * 1000:.0f}",
            f"{first * 1000:.0f}",
            f"{max(seen.first) * 1000:.0f}",
            f"{first / floor:.1f}",
            f"{statistics.median(seen.second) * 1000:.1f}",
        )
        yield f"| {name} | {' | '.join(cells)} |"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.cold_start", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", nargs="+", choices=list(CARDS), default=list(CARDS))
    given = parser.parse_args()
    sys.stdout.write("\n".join(table(measure(given.rounds, given.only))) + "\n")


if __name__ == "__main__":
    main()
