"""What each function's own work takes for each kind of message, in processor time, when it is awake.

Onboardings and webhooks (`bench.journey`) go through the real bundles on Lambda's own runtime interface, AWS
is MiniStack behind TLS; beside them the usual stack does what stands for it. docs/cost.md is worked out from
what this finds, which is kept in `bench/measured.json`.

    python -m bench.durations [--rounds 20] [--write]      # about two minutes
"""

import argparse
import contextlib
import json
import statistics
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Final

from bench.journey import (
    ABOUT_A_NUMBER,
    AT_ONCE,
    NOT_ABOUT_A_NUMBER,
    ONBOARDING,
    SWEEP,
    TOGETHER,
    Journey,
    inbox,
    records_of,
)
from bench.runtimes import Ground, ground, process_of, sample, spent, with_libraries
from bench.share import WHOLE
from harness.services import Services, services
from infra.cards import CARDS
from local import rie
from local.children import ChildFailedError

MEASURED: Final = Path(__file__).with_name("measured.json")
PLAYED: Final = (
    "code_exchange",
    "number_submission",
    "signup_queries",
    "webhook_receiver",
    "onboarding_worker",
    "partner_event_worker",
    "event_publisher",
    "reconciler",
)
"""The functions that an onboarding and a webhook of 360dialog go through."""
USUAL: Final = ("sample_stack", "sample_sender", "sample_worker")
"""A request of the API, a receiver, and a worker, with everybody's libraries."""
SAMPLES: Final[Mapping[str, str]] = {
    "sample_stack": "code_exchange",
    "sample_sender": "webhook_receiver",
    "sample_worker": "partner_event_worker",
}
"""Of ours, which function each stands for."""


@dataclass(frozen=True, slots=True)
class Taken:
    """Milliseconds of one invocation: of a processor, and from outside with MiniStack's answers in it."""

    processor: float
    wall: float


@dataclass(slots=True)
class Watch:
    """Runs functions and writes down what each round took, by function and kind of message."""

    running: Mapping[str, rie.Running]
    processes: dict[str, Path] = field(default_factory=dict)
    now: dict[tuple[str, str], list[Taken]] = field(default_factory=dict)
    rounds: dict[tuple[str, str], list[Taken]] = field(default_factory=dict)

    def invoke(self, name: str, kind: str, event: object) -> Any:  # noqa: ANN401 - any JSON
        """Run a function. Raises `ChildFailedError`."""
        runtime = self.running[name]
        if name not in self.processes:
            # Its start is nobody's warm answer.
            runtime.invoke(sample(SAMPLES.get(name, name)))
            self.processes[name] = process_of(runtime)
        before = spent(self.processes[name])
        answer = runtime.invoke(event)
        taken = Taken((spent(self.processes[name]) - before) * 1000, answer.seconds * 1000)
        if answer.error is not None:
            raise ChildFailedError(f"{name} failed: {answer.payload}\n{runtime.log}")
        self.now.setdefault((name, kind), []).append(taken)
        return answer.payload

    def end_round(self, *, counted: bool) -> None:
        """Keep the mean of what each function took for a kind of message in this round."""
        for place, all_taken in self.now.items() if counted else ():
            mean = Taken(
                statistics.mean(taken.processor for taken in all_taken),
                statistics.mean(taken.wall for taken in all_taken),
            )
            self.rounds.setdefault(place, []).append(mean)
        self.now = {}


def measure(rounds: int) -> dict[str, dict[str, Taken]]:
    """The medians of some rounds, by function and kind of message; one more round warms all up.

    Raises:
        ChildFailedError: Something did not start, or a function failed.
        StalledError: An onboarding did not come to its end.
        BundleError: A package cannot be made.
    """
    with (
        tempfile.TemporaryDirectory() as scratch,
        services() as around,
        ground(around, Path(scratch)) as below,
        contextlib.ExitStack() as exits,
        inbox(around) as came,
    ):
        functions = _functions(around, below, Path(scratch))
        watch = Watch({f.name: exits.enter_context(rie.running(f, Path(scratch))) for f in functions})
        journey = Journey(around, watch.invoke, came)
        channel = _usual_number(around)
        for number in range(rounds + 1):
            _round(journey, watch, f"{number}", channel)
            watch.end_round(counted=number > 0)
            sys.stderr.write(f"round {number} of {rounds}\n")
    return _medians(watch.rounds)


def _functions(around: Services, below: Ground, folder: Path) -> Iterator[rie.Function]:
    for name in PLAYED:
        yield below.ours(around.function(name))
    for name in USUAL:
        environment = around.environment(SAMPLES[name]) | {"BUS_NAME": around.names.bus_name}
        yield below.theirs(with_libraries(name, folder, environment))


def _usual_number(around: Services) -> str:
    """The number that the usual worker keeps; gives its channel."""
    channel = "smplUsualCH"
    item = {"pk": {"S": "SAMPLE#1"}, "sk": {"S": "NUMBER"}, "channel_key": {"S": f"SAMPLE#{channel}"}}
    around.aws.dynamodb.put_item(TableName=around.names.table_name, Item=item)
    return channel


def _round(journey: Journey, watch: Watch, name: str, channel: str) -> None:
    """One onboarding, a few webhooks, a sweep, and the same of the usual stack."""
    journey.onboard()
    journey.webhooks(journey.quality, ABOUT_A_NUMBER)
    journey.webhooks(journey.template, NOT_ABOUT_A_NUMBER)
    watch.invoke("reconciler", SWEEP, {"task": SWEEP})
    for usual in USUAL[:2]:
        watch.invoke(usual, ONBOARDING, sample(SAMPLES[usual]))
    for count, kind in ((1, ABOUT_A_NUMBER), (AT_ONCE, ABOUT_A_NUMBER + TOGETHER)):
        bodies = [
            json.dumps({"id": f"{name}-{count}-{n}", "event": "channel_live", "data": {"id": channel}})
            for n in range(count)
        ]
        watch.invoke("sample_worker", kind, records_of(bodies))


def _medians(rounds: Mapping[tuple[str, str], Sequence[Taken]]) -> dict[str, dict[str, Taken]]:
    found: dict[str, dict[str, Taken]] = {}
    for (name, kind), all_taken in rounds.items():
        found.setdefault(name, {})[kind] = Taken(
            round(statistics.median(taken.processor for taken in all_taken), 2),
            round(statistics.median(taken.wall for taken in all_taken), 2),
        )
    return found


# --- what was found ----------------------------------------------------------------------------------


@cache
def kept() -> Mapping[str, Mapping[str, Taken]]:
    """What `bench/measured.json` holds, by function and kind of message."""
    read = json.loads(MEASURED.read_text(encoding="utf-8"))["functions"]
    return {name: {kind: Taken(**taken) for kind, taken in kinds.items()} for name, kinds in read.items()}


def taken_for(name: str, kind: str) -> Taken:
    """What one invocation took; of a kind that it does not tell apart (the receiver) one of an onboarding."""
    kinds = kept()[name]
    return kinds.get(kind) or kinds.get(ONBOARDING) or next(iter(kinds.values()))


def own_ms(name: str, kind: str) -> float:
    """Milliseconds of one invocation's own work on the share of a processor that the function's memory buys.

    The usual stack's functions have the memory of those that they stand for.
    """
    return taken_for(name, kind).processor * WHOLE / CARDS[SAMPLES.get(name, name)].memory


def main() -> None:
    """Measure; with ``--write`` keep what was found."""
    parser = argparse.ArgumentParser(prog="python -m bench.durations", description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--write", action="store_true", help="into bench/measured.json")
    given = parser.parse_args()
    found = measure(given.rounds)
    document = {
        "date": datetime.now(UTC).date().isoformat(),
        "rounds": given.rounds,
        "functions": {
            name: {kind: {"processor": t.processor, "wall": t.wall} for kind, t in kinds.items()}
            for name, kinds in found.items()
        },
    }
    text = json.dumps(document, indent=2) + "\n"
    if given.write:
        MEASURED.write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)


if __name__ == "__main__":
    main()
