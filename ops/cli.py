"""The command ``onramp``: ``doctor`` looks at a deployed stage, ``facts`` tells the bus again."""

import argparse
import sys
from collections.abc import Sequence

from ops import facts
from ops.doctor import command as doctor

INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: what follows the command's name; else those of the process.

    Returns:
        The exit status of the subcommand, or 130 after Ctrl-C. Bad usage ends the process with 2.
    """
    parser = argparse.ArgumentParser(prog="onramp", description="Tools for operating Onramp.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, tool in (("doctor", doctor), ("facts", facts)):
        command = commands.add_parser(name, **tool.DESCRIPTION)
        tool.add_arguments(command)
        command.set_defaults(run=tool.run)
    given = parser.parse_args(arguments)
    try:
        status: int = given.run(given)
    except KeyboardInterrupt:
        sys.stderr.write("\ninterrupted\n")
        return INTERRUPTED
    return status
