"""The command line of ``onramp doctor``."""

import os
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from typing import Annotated, Final

import httpx
import typer

from ops.console import DONE
from ops.doctor.catalogue import CHECKS, Check
from ops.doctor.http import new_client
from ops.doctor.local import stage_of
from ops.doctor.report import ProgressLine, Report
from ops.doctor.runner import examine
from ops.doctor.stage import Stage
from ops.running import Run, command, group
from ops.stage.configuration import UnusableError
from ops.stage.options import Where
from ops.stage.reaching import reach
from ops.terminal import table_width

TOKEN: Final = "token"  # noqa: S105 - the name of a check
"""The check that needs ``--token``, and is left out without it."""
DEFAULT_PATIENCE: Final = 40.0


app = group("Checks.")
Only = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME", help="These checks only; may be repeated, or name several (a,b or a b)."),
]
Skip = Annotated[
    list[str] | None, typer.Option(metavar="NAME", help="All but these checks; may be repeated, or a,b.")
]
More = Annotated[list[str] | None, typer.Argument(metavar="NAME...", help="Checks, as with --only.")]
Listing = Annotated[bool, typer.Option("--list", help="List the checks and end.")]
Strict = Annotated[bool, typer.Option("--strict", help="A warning counts as a failure.")]
Timeout = Annotated[float, typer.Option(metavar="S", help="Seconds a check waits for something to happen.")]


@command(
    app,
    "doctor",
    epilog="Exit code 0: all well or warnings only; 1: something failed.",
    spends="one or two; with --fix two or three more",
)
def doctor(
    run: Run,
    *,
    names: More = None,
    only: Only = None,
    skip: Skip = None,
    list_: Listing = False,
    strict: Strict = False,
    timeout: Timeout = DEFAULT_PATIENCE,
    fix: Annotated[bool, typer.Option("--fix", help="Set the partner webhook if it is wrong.")] = False,
    token: Annotated[
        str | None,
        typer.Option(metavar="TOKEN", help="Say why this token is refused; - reads it from standard input."),
    ] = None,
    number: Annotated[
        str, typer.Option(metavar="ID", help="channel-keys: try the key of this phone number id only.")
    ] = "",
) -> int:
    """Check a deployed stage from outside, name what is wrong and how to mend it.

    Without --fix it changes nothing, but leaves an event of its own in the table for each platform secret.
    """
    if list_:
        return list_checks(run, CHECKS)
    wanted = [*(only or ()), *(names or ())]
    if wanted and token:
        # A token that is given is looked at, whatever else is.
        wanted.append(TOKEN)
    checks = [check for check in chosen(CHECKS, wanted, skip or ()) if check.name != TOKEN or token]
    if not checks:
        raise UnusableError("no check is left to run")
    with new_client() as http:
        stage = prepare(run.where, http, fix=fix, patience=positive(timeout), token=token, number=number)
        with closing(stage.aws):
            return examine_and_tell(run, stage, checks, strict=strict)


def chosen(checks: Sequence[Check], only: Sequence[str], skip: Sequence[str]) -> list[Check]:
    """The checks that are meant: `only` these, all when there are none, without those of `skip`.

    Raises `UnusableError`: there is no such check.
    """
    wanted, left = _split(only), _split(skip)
    if unknown := sorted({*wanted, *left} - {check.name for check in checks}):
        raise UnusableError(f"there is no check {', '.join(unknown)}; --list names them")
    return [check for check in checks if check.name in (wanted or [check.name]) and check.name not in left]


def _split(names: Sequence[str]) -> list[str]:
    return [name for text in names for name in text.split(",") if name]


def _token(given: str | None) -> str:
    """The token itself: of the command line, or a line of standard input, which leaves no trace."""
    return sys.stdin.readline().strip() if given == "-" else (given or "").strip()


def list_checks(run: Run, checks: Sequence[Check]) -> int:
    """Tell what there is to check. Gives the exit code."""
    run.console.items([{"check": one.name, "about": one.about} for one in checks], ("check", "about"))
    return DONE


def examine_and_tell(run: Run, stage: Stage, checks: Sequence[Check], *, strict: bool) -> int:
    """Run checks and tell what they found. Gives the exit code: 0, or 1 when something failed."""
    line = ProgressLine(sys.stderr, len(checks))
    started = time.monotonic()
    try:
        examined = examine(stage, checks, progress=line)
    finally:
        line.clear()
    report = Report(stage, examined, time.monotonic() - started)
    colours = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    run.console.answer(report.as_content(), report.as_table(width=table_width(), colours=colours))
    return report.exit_status(strict=strict)


def prepare(
    where: Where, http: httpx.Client, *, fix: bool, patience: float, token: str | None, number: str
) -> Stage:
    """Find the stage that a command line names.

    Raises:
        UnusableError: there is no such stage, or nobody lets us look at it.
    """
    return stage_of(reach(where), http, fix=fix, patience=patience, token=_token(token), number=number)


def positive(seconds: float) -> float:
    """A number of seconds above 0. Raises `UnusableError`."""
    if not 0 < seconds < float("inf"):
        raise UnusableError("--timeout must be above 0")
    return seconds
