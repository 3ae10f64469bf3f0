"""What a function takes from nothing to its first answer, beside an empty and a usual one in the same run.

Each round starts every function anew on Lambda's own runtime interface (`local.rie`) and hands it a sample
event twice; AWS is MiniStack behind TLS with a certificate of our own, the upstreams are simulated. The first
answer holds the start of Python, the imports, the wiring and the work; the second the work alone.

Counted is processor time of the function's process, which is what a function with little memory waits for
(512 MB are about 0.29 of a core), and which other work on the machine hardly changes. Wall time is told too.
The ratios can be compared between machines: to the empty function, and to `bench/sample_stack.py`.

    python -m bench.cold_start [--rounds 7] [--only webhook_receiver] [--plain]
    python -m bench.cold_start --memory 256 512 1024 1769    # what memory is worth; root, Linux
"""

import argparse
import contextlib
import json
import re
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from pathlib import Path

import certifi

from bench.share import WHOLE, processes_of, share
from bench.tls import Front, front
from harness.services import Services, services
from infra.bundling import aws_roots, compile_code, install
from infra.cards import CARDS
from infra.paths import RUNTIME_LOCK
from local import rie
from local.children import PROJECT_ROOT, ChildFailedError

EVENTS: Mapping[str, str] = {
    "code_exchange": "open_signup_known_client.json",
    "number_submission": "submit_claimed_number.json",
    "signup_queries": "list_signups.json",
    "webhook_receiver": "channel_live.json",
    "meta_receiver": "partner_added.json",
    "hosted_page": "page.json",
    "onboarding_worker": "job.json",
    "partner_event_worker": "batch.json",
    "reconciler": "sweep.json",
    "event_publisher": "facts.json",
    "operator_desk": "show_number.json",
    "event_relay": "batch.json",
    "notification_sender": "batch.json",
}
EMPTY = "empty"
SAMPLE = "sample_stack"
SAMPLE_EVENT = "code_exchange/open_signup_known_client.json"
SAMPLE_SDK = ("boto3", "botocore", "jmespath", "python-dateutil", "s3transfer", "six", "urllib3")
"""What the sample has beside the functions' own libraries."""
WELL = (None, HTTPStatus.OK, HTTPStatus.CREATED, HTTPStatus.NOT_FOUND)
"""Answers of the samples: of those of `number_submission` the signup is not there, which costs a read."""
_EMPTY_HANDLER = "def handler(event, context):\n    return {}\n"


@dataclass(slots=True)
class Measured:
    """One function, by round: processor seconds and seconds to its first answer, and of its second one."""

    spent: list[float] = field(default_factory=list)
    first: list[float] = field(default_factory=list)
    again: list[float] = field(default_factory=list)


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
    with tempfile.TemporaryDirectory() as scratch, services() as around:
        folder = Path(scratch)
        with _aws(around, folder, encrypted=options.encrypted) as variables:
            functions = [
                _with(function, variables)
                for function in (_empty(folder), _sample(around, folder), *_ours(around, options.names))
            ]
            for number in range(options.rounds + 1):
                for function in functions:
                    taken = _start(function, folder, options.memory)
                    if number:
                        into = measured.setdefault(function.name, Measured())
                        for series, seconds in zip((into.spent, into.first, into.again), taken, strict=True):
                            series.append(seconds)
                sys.stderr.write(f"round {number} of {options.rounds}\n")
    return measured


@contextlib.contextmanager
def _aws(around: Services, folder: Path, *, encrypted: bool) -> Iterator[Mapping[str, Mapping[str, str]]]:
    """What changes in the environment, for the sample and for all others: where AWS is, and whom to trust."""
    if not encrypted:
        yield {}
        return
    with front(around.aws.endpoint.partition("://")[2], folder) as met:
        few, usual = folder / "few.pem", folder / "usual.pem"
        # As many as in AWS: the roots in our bundles, and the list that boto3 brings along.
        few.write_text(aws_roots() + _own(met), encoding="utf-8")
        usual.write_text(Path(certifi.where()).read_text(encoding="utf-8") + _own(met), encoding="utf-8")
        yield {
            name: {"AWS_ENDPOINT_URL": met.address, "AWS_CA_BUNDLE": str(roots)}
            for name, roots in (("", few), (SAMPLE, usual))
        }


def _own(met: Front) -> str:
    return met.certificate.read_text(encoding="ascii")


def _with(function: rie.Function, variables: Mapping[str, Mapping[str, str]]) -> rie.Function:
    changed = variables.get(function.name, variables.get("", {}))
    return replace(function, environment={**function.environment, **changed})


def _empty(folder: Path) -> rie.Function:
    (folder / "empty.py").write_text(_EMPTY_HANDLER, encoding="utf-8")
    return rie.Function(name=EMPTY, handler="empty.handler", code=folder, environment={})


def _sample(around: Services, folder: Path) -> rie.Function:
    """The usual function with its own package: the libraries untouched, but compiled, as ours are."""
    code = folder / SAMPLE
    code.mkdir()
    lock = folder / "sample.txt"
    lock.write_text(RUNTIME_LOCK.read_text(encoding="utf-8") + _sdk(), encoding="utf-8")
    install(code, lock, "host")
    shutil.copyfile(Path(__file__).with_name(f"{SAMPLE}.py"), code / f"{SAMPLE}.py")
    compile_code(code)
    environment = around.environment("code_exchange")
    return rie.Function(name=SAMPLE, handler=f"{SAMPLE}.handler", code=code, environment=environment)


def _sdk() -> str:
    """The entries of the SDK in the lock of the development environment that the functions' lacks."""
    dev = RUNTIME_LOCK.with_name("dev.txt").read_text(encoding="utf-8")
    runtime = RUNTIME_LOCK.read_text(encoding="utf-8")
    entries = re.findall(r"^\S.*?(?=^\S|\Z)", dev, re.MULTILINE | re.DOTALL)
    wanted = tuple(f"{name}==" for name in SAMPLE_SDK if f"\n{name}==" not in runtime)
    return "".join(entry for entry in entries if entry.startswith(wanted))


def _ours(around: Services, names: Sequence[str]) -> Iterator[rie.Function]:
    return (around.function(name) for name in CARDS if name in names)


def _start(function: rie.Function, folder: Path, memory: int | None) -> tuple[float, float, float]:
    """Processor seconds and seconds of the first answer, and processor seconds of the second one."""
    event = _event(function.name)
    with rie.running(function, folder) as runtime:
        limited = share(runtime.child.pid, memory) if memory else contextlib.nullcontext()
        with limited:
            first = runtime.invoke(event)
            spent = _spent(runtime)
            second = runtime.invoke(event)
            both = _spent(runtime)
    for answer in (first, second):
        status = answer.payload.get("statusCode") if isinstance(answer.payload, dict) else None
        if answer.error is not None or status not in WELL:
            raise ChildFailedError(f"{function.name} failed: {answer.payload}\n{runtime.log}")
    return spent, first.seconds, both - spent


def _spent(runtime: rie.Running) -> float:
    """Processor seconds of the function's process so far, all its threads together."""
    for process in processes_of(runtime.child.pid):
        with contextlib.suppress(OSError):
            arguments = (process / "cmdline").read_bytes().split(b"\0")
            # The emulator has the function's command line as its arguments.
            if arguments[1:4] == [b"-S", b"-m", b"awslambdaric"]:
                # Linux names a process's clock so, see clock_getcpuclockid(3).
                return time.clock_gettime((~int(process.name) << 3) | 2)
    raise ChildFailedError("the function's process has gone")


def _event(name: str) -> object:
    if name == EMPTY:
        return {}
    file = SAMPLE_EVENT if name == SAMPLE else f"{name}/{EVENTS[name]}"
    return json.loads((PROJECT_ROOT / "events" / file).read_text(encoding="utf-8"))


def table(measured: Mapping[str, Measured]) -> Iterable[str]:
    """The medians as lines of a Markdown table, in milliseconds."""
    floor, usual = (statistics.median(measured[name].spent) for name in (EMPTY, SAMPLE))
    yield "| function | first answer, ms of processor | to empty | to the usual | wall ms | second answer |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: |"
    for name, seen in measured.items():
        spent = statistics.median(seen.spent)
        cells = (
            f"{spent * 1000:.0f}",
            f"{spent / floor:.1f}",
            f"{spent / usual:.2f}",
            f"{statistics.median(seen.first) * 1000:.0f}",
            f"{statistics.median(seen.again) * 1000:.1f}",
        )
        yield f"| {name} | {' | '.join(cells)} |"


def curve(by_memory: Mapping[int, Mapping[str, Measured]]) -> Iterable[str]:
    """The first answers' wall time by memory, in milliseconds."""
    yield f"| first answer, wall ms | {' | '.join(f'{memory} MB' for memory in by_memory)} |"
    yield f"| --- |{' ---: |' * len(by_memory)}"
    for name in next(iter(by_memory.values())):
        cells = (f"{statistics.median(seen[name].first) * 1000:.0f}" for seen in by_memory.values())
        yield f"| {name} | {' | '.join(cells)} |"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.cold_start", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", nargs="+", choices=list(CARDS), default=list(CARDS))
    parser.add_argument("--plain", action="store_true", help="without TLS")
    parser.add_argument("--memory", nargs="+", type=int, default=(), help=f"MB, {WHOLE} are one processor")
    given = parser.parse_args()
    options = Options(rounds=given.rounds, names=given.only, encrypted=not given.plain)
    if given.memory:
        lines = curve({memory: measure(replace(options, memory=memory)) for memory in given.memory})
    else:
        lines = table(measure(options))
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
