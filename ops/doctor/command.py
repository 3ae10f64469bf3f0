"""The command line of ``onramp doctor``."""

import argparse
import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Final, TypedDict

import httpx
from botocore.exceptions import BotoCoreError, ClientError

from infra.config import LOCAL_STAGE
from ops.doctor.catalogue import CHECKS, Check
from ops.doctor.checks.stack import jwt_settings
from ops.doctor.findings import Stop
from ops.doctor.http import new_client
from ops.doctor.report import ProgressLine, Report
from ops.doctor.runner import examine
from ops.doctor.stage import Stage, local_values
from ops.stage import reaching
from ops.stage.configuration import UnusableError
from ops.stage.reaching import reach
from ops.terminal import table_width

COULD_NOT_RUN: Final = 2
DEFAULT_PATIENCE: Final = 40.0


class _Description(TypedDict):
    help: str
    description: str
    epilog: str


DESCRIPTION: Final = _Description(
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
    add("--list", action="store_true", help="list the checks and end")
    add("--json", action="store_true", help="findings as JSON")
    add("--strict", action="store_true", help="a warning counts as a failure")
    add(
        "--timeout",
        type=_positive,
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
    checks = [
        check for check in CHECKS if check.name in (given.only or _all()) and check.name not in given.skip
    ]
    if not checks:
        return _refuse("no check is left to run", as_json=given.json)
    with new_client() as http:
        try:
            stage = prepare(given, http)
        except UnusableError as error:
            return _refuse(str(error), as_json=given.json)
        with closing(stage.aws):
            return _examine(stage, checks, given)


def _all() -> list[str]:
    return [check.name for check in CHECKS]


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
    )
    return _as_run_here(stage, found.overrides) if found.values.is_local else stage


def _as_run_here(stage: Stage, overrides: Mapping[str, str]) -> Stage:
    """A local run's stage with the addresses the run has chosen; what was given with ``-c`` comes first."""
    try:
        found = local_values(stage.values, stage.functions())
        for settings in jwt_settings(stage):
            found |= {"api.jwt_issuer": settings["Issuer"], "api.jwt_audience": settings.get("Audience", [])}
    except (Stop, ClientError, BotoCoreError) as error:
        raise UnusableError(
            f"the {LOCAL_STAGE} run does not tell its addresses ({type(error).__name__})"
        ) from error
    stage.values = stage.values.changed(
        {name: value for name, value in found.items() if name not in overrides}
    )
    return stage


def _positive(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError("must be above 0")
    return seconds
