"""How large the functions' packages are, and how long it takes to make them and to synthesize the stack.

    python -m bench.packages            # prints the tables; --write puts them into docs/performance.md

Sizes are those for Lambda's platform. Libraries come out of the installer's store, which the first run on a
machine fills.
"""

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from bench.growth import DOCUMENT, show, table
from infra.bundling import Sources, build_bundles
from infra.cards import CARDS
from infra.sizes import sizes
from local.children import PROJECT_ROOT

ROUNDS: Final = 3


def size_rows() -> list[list[str]]:
    """A row for each function: its package, and that one's bytes and files. Raises `BundleError`."""
    measured = sizes()
    return [
        [
            f"`{name}`",
            f"`{card.package}`",
            f"{measured[card.package].archive:,}",
            f"{measured[card.package].unpacked:,}",
            f"{measured[card.package].files:,}",
        ]
        for name, card in CARDS.items()
    ]


def _package() -> None:
    with tempfile.TemporaryDirectory() as kept:
        build_bundles(local=False, sources=Sources(kept=Path(kept)))


def _synthesize() -> None:
    with tempfile.TemporaryDirectory() as assembly:
        subprocess.run(  # noqa: S603 - our own program
            [sys.executable, str(PROJECT_ROOT / "infra" / "app.py")],
            env=os.environ | {"ONRAMP_STAGE": "example", "CDK_OUTDIR": assembly},
            cwd=PROJECT_ROOT,
            check=True,
            capture_output=True,
        )


def taken(work: Callable[[], None]) -> tuple[float, float]:
    """Medians of some runs: seconds, and processor seconds of this process and of all that it starts."""
    walls, processors = [], []
    for _ in range(ROUNDS):
        began, before = time.perf_counter(), _processor()
        work()
        walls.append(time.perf_counter() - began)
        processors.append(_processor() - before)
    return statistics.median(walls), statistics.median(processors)


def _processor() -> float:
    own, started = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return own.ru_utime + own.ru_stime + started.ru_utime + started.ru_stime


def time_rows() -> list[list[str]]:
    """What a deployment waits for, in seconds. Raises `BundleError` and `CalledProcessError`."""
    works: Sequence[tuple[str, Callable[[], None]]] = (
        ("all packages, made anew", _package),
        ("a synthesis, with packages that are there", _synthesize),
    )
    return [[name, *(f"{seconds:.1f}" for seconds in taken(work))] for name, work in works]


def main() -> None:
    """Print the tables, each behind its mark; with ``--write`` put them into docs/performance.md."""
    head = ["function", "package", "bytes of the archive", "unpacked", "files"]
    made = {
        "packages": table(head, size_rows()),
        "synthesis": table(["", "seconds", "of processor"], time_rows()),
    }
    show(made, DOCUMENT if sys.argv[1:] == ["--write"] else None)


if __name__ == "__main__":
    main()
