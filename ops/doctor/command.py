"""The command line of ``onramp doctor``."""

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from typing import Final

import httpx

from ops.doctor.catalogue import CHECKS, Check
from ops.doctor.http import new_client
from ops.doctor.local import as_run_here
from ops.doctor.report import ProgressLine, Report
from ops.doctor.runner import examine
from ops.doctor.stage import Stage
from ops.stage import reaching
from ops.stage.configuration import UnusableError
from ops.stage.reaching import reach
from ops.terminal import table_width
from ops.tool import Description

COULD_NOT_RUN: Final = 2
TOKEN: Final = "token"  # noqa: S105 - the name of a check
"""The check that needs ``--token``, and is left out without it."""
DEFAULT_PATIENCE: Final = 40.0


DESCRIPTION: Final = Description(
    help="check a deployed stage, name what is wrong and how to mend it",
    description="Checks a deployed stage from outside. Without --fix it changes nothing, but leaves an "
    "event of its own in the table for each platform secret.",
    epilog="Exit status: 0 all well or warnings only, 1 something failed, 2 could not begin.",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options to a command line."""
    names = [check.name for check in CHECKS]
    reaching.add_arguments(parser)
    add = parser.add_argument
    add("--fix", action="store_true", help="set the partner webhook if it is wrong")
    add("--only", nargs="+", choices=names, metavar="NAME", help="these checks only")
    add("--skip", nargs="+", choices=names, default=[], metavar="NAME", help="all but these checks")
    add("--token", metavar="TOKEN", help="say why this token is refused; - reads it from standard input")
    add("--list", action="store_true", help="list the checks and end")
    add("--json", action="store_true", help="findings as JSON")
    add("--strict", action="store_true", help="a warning counts as a failure")
    add(
        "--timeout",
        type=positive,
        default=DEFAULT_PATIENCE,
        metavar="S",
        help="seconds a check waits for something to happen (default: %(default)g)",
    )


def run(given: argparse.Namespace) -> int:
    """Run the doctor on a parsed command line.

    Returns:
        The exit status: 0, 1 when something failed, 2 when it could not begin.
    """
    if given.list:
        width = max(len(check.name) for check in CHECKS)
        sys.stdout.writelines(f"{check.name:<{width}}  {check.about}\n" for check in CHECKS)
        return 0
    checks = [check for check in CHECKS if _is_wanted(check.name, given)]
    if not checks:
        return _refuse("no check is left to run", as_json=given.json)
    with new_client() as http:
        try:
            stage = prepare(given, http)
        except UnusableError as error:
            return _refuse(str(error), as_json=given.json)
        with closing(stage.aws):
            return _examine(stage, checks, given)


def _is_wanted(name: str, given: argparse.Namespace) -> bool:
    if name in given.skip:
        return False
    if given.only:
        return name in given.only or (name == TOKEN and bool(given.token))
    return name != TOKEN or bool(given.token)


def _token(given: str | None) -> str:
    """The token itself: of the command line, or a line of standard input, which leaves no trace."""
    return sys.stdin.readline().strip() if given == "-" else (given or "").strip()


def _refuse(why: str, *, as_json: bool) -> int:
    if as_json:
        sys.stdout.write(json.dumps({"error": why}) + "\n")
    sys.stderr.write(f"onramp doctor: {why}\n")
    return COULD_NOT_RUN


def _examine(stage: Stage, checks: Sequence[Check], given: argparse.Namespace) -> int:
    line = ProgressLine(sys.stderr, len(checks))
    started = time.monotonic()
    try:
        examined = examine(stage, checks, progress=line)
    finally:
        line.clear()
    report = Report(stage, examined, time.monotonic() - started)
    colours = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    text = report.as_json() if given.json else report.as_table(width=table_width(), colours=colours)
    sys.stdout.write(text + "\n")
    return report.exit_status(strict=given.strict)


def prepare(given: argparse.Namespace, http: httpx.Client) -> Stage:
    """Find the stage that a command line names.

    Raises:
        UnusableError: there is no such stage, or nobody lets us look at it.
    """
    found = reach(given)
    stage = Stage(
        values=found.values,
        stack_name=found.stack_name,
        outputs=found.outputs,
        stack=found.stack,
        aws=found.aws,
        http=http,
        fix=given.fix,
        patience=given.timeout,
        token=_token(given.token),
    )
    return as_run_here(stage, found.overrides)


def positive(text: str) -> float:
    """A number of seconds on a command line. Raises `argparse.ArgumentTypeError`."""
    seconds = float(text)
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError("must be above 0")
    return seconds
