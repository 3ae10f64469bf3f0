"""The command ``onramp``. Today it has one subcommand, ``doctor``."""

import argparse
import sys
from collections.abc import Sequence

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
    doctor.add_arguments(commands.add_parser("doctor", **doctor.DESCRIPTION))
    given = parser.parse_args(arguments)
    try:
        return doctor.run(given)
    except KeyboardInterrupt:
        sys.stderr.write("\ninterrupted\n")
        return INTERRUPTED
