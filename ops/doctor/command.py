"""The command line of ``onramp doctor``."""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from typing import Final

import httpx

from ops.doctor.catalogue import CHECKS, Check
from ops.doctor.http import new_client
from ops.doctor.local import stage_of
from ops.doctor.report import ProgressLine, Report
from ops.doctor.runner import examine
from ops.doctor.stage import Stage
from ops.stage import reaching
from ops.stage.configuration import UnusableError
from ops.stage.reaching import reach
from ops.terminal import table_width
from ops.tool import DONE, Description, refuse, tell

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
    add_check_arguments(parser, CHECKS, DEFAULT_PATIENCE)
    add = parser.add_argument
    add("--fix", action="store_true", help="set the partner webhook if it is wrong")
    add("--token", metavar="TOKEN", help="say why this token is refused; - reads it from standard input")
    add("--number", default="", metavar="ID", help="channel-keys: try the key of this phone number id only")


def add_check_arguments(parser: argparse.ArgumentParser, checks: Sequence[Check], patience: float) -> None:
    """Add what all commands have that run checks. `patience`: seconds, when nobody says how many."""
    names = [check.name for check in checks]
    reaching.add_arguments(parser)
    add = parser.add_argument
    add("--only", nargs="+", choices=names, metavar="NAME", help="these checks only")
    add("--skip", nargs="+", choices=names, default=[], metavar="NAME", help="all but these checks")
    add("--list", action="store_true", help="list the checks and end")
    add("--json", action="store_true", help="findings as JSON")
    add("--strict", action="store_true", help="a warning counts as a failure")
    add(
        "--timeout",
        type=positive,
        default=patience,
        metavar="S",
        help="seconds a check waits for something to happen (default: %(default)g)",
    )


def run(given: argparse.Namespace) -> int:
    """Run the doctor on a parsed command line.

    Returns:
        The exit status: 0, 1 when something failed, 2 when it could not begin.
    """
    if given.list:
        return list_checks(CHECKS)
    checks = [check for check in CHECKS if _is_wanted(check.name, given)]
    if not checks:
        return refuse("doctor", "no check is left to run", given)
    with new_client() as http:
        try:
            stage = prepare(given, http)
        except UnusableError as error:
            return refuse("doctor", str(error), given)
        with closing(stage.aws):
            return examine_and_tell(stage, checks, given)


def _is_wanted(name: str, given: argparse.Namespace) -> bool:
    if name in given.skip:
        return False
    if given.only:
        return name in given.only or (name == TOKEN and bool(given.token))
    return name != TOKEN or bool(given.token)


def _token(given: str | None) -> str:
    """The token itself: of the command line, or a line of standard input, which leaves no trace."""
    return sys.stdin.readline().strip() if given == "-" else (given or "").strip()


def list_checks(checks: Sequence[Check]) -> int:
    """Tell what there is to check. Returns the exit status."""
    width = max(len(check.name) for check in checks)
    for check in checks:
        tell(f"{check.name:<{width}}  {check.about}")
    return DONE


def examine_and_tell(stage: Stage, checks: Sequence[Check], given: argparse.Namespace) -> int:
    """Run checks and tell what they found. Returns the exit status: 0, or 1 when something failed."""
    line = ProgressLine(sys.stderr, len(checks))
    started = time.monotonic()
    try:
        examined = examine(stage, checks, progress=line)
    finally:
        line.clear()
    report = Report(stage, examined, time.monotonic() - started)
    colours = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    tell(report.as_json() if given.json else report.as_table(width=table_width(), colours=colours))
    return report.exit_status(strict=given.strict)


def prepare(given: argparse.Namespace, http: httpx.Client) -> Stage:
    """Find the stage that a command line names.

    Raises:
        UnusableError: there is no such stage, or nobody lets us look at it.
    """
    token = _token(given.token)
    return stage_of(
        reach(given), http, fix=given.fix, patience=given.timeout, token=token, number=given.number
    )


def positive(text: str) -> float:
    """A number of seconds on a command line. Raises `argparse.ArgumentTypeError`."""
    seconds = float(text)
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError("must be above 0")
    return seconds
