"""``python -m local demo``, ``serve``, ``sam`` and ``soak``."""

import argparse
import dataclasses
import signal
import sys
from pathlib import Path
from types import FrameType

import httpx
from botocore.exceptions import BotoCoreError, ClientError

from local.children import ChildFailedError
from local.demo import run_demo
from local.deploy import DeployError
from local.engine import NoEngineError
from local.journey import JourneyError
from local.options import PAGE_PORT, add_arguments, from_arguments
from local.progress import Terminal
from local.published import run_file
from local.sam import SAM_FOLDER, NotRunningError, run_sam
from local.serve import run_serve
from local.soak import SoakOptions, run_soak
from local.stack import SynthError

# What can go wrong for reasons that a person understands without a stack trace.
_TOLD = (
    BotoCoreError,
    ChildFailedError,
    ClientError,
    DeployError,
    JourneyError,
    NoEngineError,
    NotRunningError,
    OSError,
    SynthError,
    httpx.HTTPError,
)
_INTERRUPTED = 130
# The tenants' tokens live for an hour.
_LONGEST_MINUTES = 50
# As many numbers as one call of the API submits.
_MOST_NUMBERS = 48


def main() -> int:
    """Runs the command line.

    Returns:
        The exit status: 0, 1 for a failure that was told, 130 after Ctrl-C.
    """
    arguments = _parser().parse_args()
    # `kill` has to clean up exactly as Ctrl-C does.
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGHUP, _interrupt)
    terminal = Terminal()
    try:
        if arguments.command == "demo":
            run_demo(from_arguments(arguments), numbers=arguments.numbers, terminal=terminal)
        elif arguments.command == "soak":
            return int(not run_soak(from_arguments(arguments), _soak_options(arguments), terminal))
        elif arguments.command == "sam":
            run_sam(arguments.run, arguments.into, host=arguments.host, terminal=terminal)
        else:
            run_serve(from_arguments(arguments), page_port=arguments.port, terminal=terminal)
    except KeyboardInterrupt:
        terminal.title("Stopped.")
        return 0 if arguments.command in {"serve", "sam"} else _INTERRUPTED
    except _TOLD as error:
        print(f"\nfailed: {error}", file=sys.stderr)
        return 1
    return 0


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m local",
        description="Onramp on this machine: no AWS account, no Docker, nothing leaves 127.0.0.1.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    demo = commands.add_parser("demo", help="walk through one signup, then stop everything")
    demo.add_argument(
        "--numbers",
        type=_numbers,
        default=1,
        help=f"numbers of one account, at most {_MOST_NUMBERS} (default: 1)",
    )
    add_arguments(demo)
    serve = commands.add_parser("serve", help="keep everything up, with a page to click through a signup")
    serve.add_argument(
        "--port", type=int, default=PAGE_PORT, help=f"port of the page (default: {PAGE_PORT}; 0: any)"
    )
    add_arguments(serve)
    sam = commands.add_parser("sam", help="write what the SAM CLI needs to run functions on a `serve`")
    sam.add_argument("--run", type=Path, default=run_file(), help="what that run tells of itself")
    sam.add_argument("--into", type=Path, default=SAM_FOLDER, help="folder to write")
    sam.add_argument("--host", help="how a container calls this machine (default: found out)")
    _add_soak(commands.add_parser("soak", help="many signups while everything around them misbehaves"))
    return parser


def _add_soak(parser: argparse.ArgumentParser) -> None:
    usual = SoakOptions()
    for name, kind, text in (
        ("signups", _positive, "how many signups are opened"),
        ("fault-rate", _share, "share of upstream calls that go wrong, and of webhooks for each mishap"),
        ("seed", int, "seed of the customers' order"),
        ("concurrency", _positive, "browsers at once"),
        ("minutes", _minutes, "time in which everything has to settle"),
    ):
        default = getattr(usual, name.replace("-", "_"))
        parser.add_argument(f"--{name}", type=kind, default=default, help=f"{text} (default: {default})")
    add_arguments(parser)


def _soak_options(arguments: argparse.Namespace) -> SoakOptions:
    names = [field.name for field in dataclasses.fields(SoakOptions)]
    return SoakOptions(**{name: getattr(arguments, name) for name in names})


def _share(text: str) -> float:
    share = float(text)
    if not 0 <= share < 1:
        raise argparse.ArgumentTypeError("from 0 to less than 1")
    return share


def _minutes(text: str) -> float:
    minutes = float(text)
    if not 0 < minutes <= _LONGEST_MINUTES:
        raise argparse.ArgumentTypeError(f"more than 0, at most {_LONGEST_MINUTES}")
    return minutes


def _numbers(text: str) -> int:
    number = _positive(text)
    if number > _MOST_NUMBERS:
        raise argparse.ArgumentTypeError(f"at most {_MOST_NUMBERS}, as many as one call submits")
    return number


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number


if __name__ == "__main__":
    sys.exit(main())
