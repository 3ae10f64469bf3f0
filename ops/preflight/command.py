"""The command line of ``onramp preflight``."""

import argparse
from contextlib import closing
from typing import Final

from ops.doctor.command import add_check_arguments, examine_and_tell, list_checks
from ops.doctor.http import new_client
from ops.doctor.stage import Stage
from ops.preflight.checks import CHECKS
from ops.stage.configuration import UnusableError
from ops.stage.reaching import locate
from ops.tool import Description, refuse

DEFAULT_PATIENCE: Final = 20.0
DESCRIPTION: Final = Description(
    help="what would make a deployment fail, before it is tried",
    description="Looks at the account, the region and what the configuration names. Changes nothing, and "
    "needs no stack.",
    epilog="Exit status: 0 all well or warnings only, 1 something failed, 2 could not begin.",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options to a command line."""
    add_check_arguments(parser, CHECKS, DEFAULT_PATIENCE)


def run(given: argparse.Namespace) -> int:
    """Run the checks. Returns the exit status: 0, 1 when something failed, 2 when it could not begin."""
    if given.list:
        return list_checks(CHECKS)
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
        return examine_and_tell(stage, checks, given)
