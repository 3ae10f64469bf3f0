"""``onramp config check``: the configuration file as a deployment reads it, without making anything."""

import argparse
from typing import Final

from ops.doctor.checks.stack import IDS
from ops.stage import reaching
from ops.stage.configuration import UnusableError
from ops.stage.reaching import locate_values
from ops.tool import DONE, FAILED, Description, refuse, tell, tell_json

DESCRIPTION: Final = Description(help="look at a configuration file", description="Needs no AWS account.")
_CHECK: Final = Description(
    help="say what a deployment would refuse",
    description="All problems at once.",
    epilog="Exit status: 0 it can be used, 1 it cannot, 2 it cannot be read.",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the actions to a command line."""
    commands = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    check = commands.add_parser("check", **_CHECK)
    reaching.add_file_arguments(check)
    check.add_argument("--json", action="store_true", help="the result as JSON")


def run(given: argparse.Namespace) -> int:
    """Check a file. Returns the exit status."""
    try:
        values, _ = locate_values(given)
    except UnusableError as error:
        return refuse("config", str(error), given)
    problems = [f"{name}: {why}" for name, why in values.problems()]
    problems += [f"{name} is still the one of example.toml" for name in IDS if values.is_example(name)]
    if given.json:
        tell_json({"file": values.place, "problems": problems})
    elif problems:
        for problem in problems:
            tell(f"{values.place}: {problem}")
    else:
        tell(f"{values.place}: can be used")
    return FAILED if problems else DONE
