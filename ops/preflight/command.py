"""The command line of ``onramp preflight``."""

import argparse
import os
import sys
import time
from contextlib import closing
from typing import Final

from ops.doctor.command import positive
from ops.doctor.http import new_client
from ops.doctor.report import ProgressLine, Report
from ops.doctor.runner import examine
from ops.doctor.stage import Stage
from ops.preflight.checks import CHECKS
from ops.stage import reaching
from ops.stage.configuration import UnusableError
from ops.stage.reaching import locate
from ops.terminal import table_width
from ops.tool import Description, refuse, tell

DESCRIPTION: Final = Description(
    help="what would make a deployment fail, before it is tried",
    description="Looks at the account, the region and what the configuration names. Changes nothing, and "
    "needs no stack.",
    epilog="Exit status: 0 all well or warnings only, 1 something failed, 2 could not begin.",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options to a command line."""
    names = [check.name for check in CHECKS]
    reaching.add_arguments(parser)
    add = parser.add_argument
    add("--only", nargs="+", choices=names, metavar="NAME", help="these checks only")
    add("--skip", nargs="+", choices=names, default=[], metavar="NAME", help="all but these checks")
    add("--list", action="store_true", help="list the checks and end")
    add("--json", action="store_true", help="findings as JSON")
    add("--strict", action="store_true", help="a warning counts as a failure")
    add("--timeout", type=positive, default=20.0, metavar="S", help="seconds for a check (default: 20)")


def run(given: argparse.Namespace) -> int:
    """Run the checks. Returns the exit status: 0, 1 when something failed, 2 when it could not begin."""
    if given.list:
        width = max(len(check.name) for check in CHECKS)
        for check in CHECKS:
            tell(f"{check.name:<{width}}  {check.about}")
        return 0
    try:
        where = locate(given)
    except UnusableError as error:
        return refuse("preflight", str(error), given)
    checks = [c for c in CHECKS if c.name in (given.only or [c.name]) and c.name not in given.skip]
    if not checks:
        return refuse("preflight", "no check is left to run", given)
    with new_client() as http, closing(where.aws):
        stage = Stage(
            values=where.values,
            stack_name=where.stack_name,
            outputs={},
            aws=where.aws,
            http=http,
            patience=given.timeout,
        )
        line, started = ProgressLine(sys.stderr, len(checks)), time.monotonic()
        try:
            examined = examine(stage, checks, progress=line)
        finally:
            line.clear()
        report = Report(stage, examined, time.monotonic() - started)
        colours = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        tell(report.as_json() if given.json else report.as_table(width=table_width(), colours=colours))
        return report.exit_status(strict=given.strict)
