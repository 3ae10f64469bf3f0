"""``python -m local demo`` and ``python -m local serve``."""

import argparse
import signal
import sys
from types import FrameType

import httpx
from botocore.exceptions import BotoCoreError, ClientError

from local.children import ChildFailedError
from local.demo import run_demo
from local.deploy import DeployError
from local.journey import JourneyError
from local.options import PAGE_PORT, add_arguments, from_arguments
from local.progress import Terminal
from local.serve import run_serve
from local.stack import SynthError

# What can go wrong for reasons that a person understands without a stack trace.
_TOLD = (
    BotoCoreError,
    ChildFailedError,
    ClientError,
    DeployError,
    JourneyError,
    OSError,
    SynthError,
    httpx.HTTPError,
)
_INTERRUPTED = 130


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
        else:
            run_serve(from_arguments(arguments), page_port=arguments.port, terminal=terminal)
    except KeyboardInterrupt:
        terminal.title("Stopped.")
        return 0 if arguments.command == "serve" else _INTERRUPTED
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
    demo.add_argument("--numbers", type=_positive, default=1, help="numbers of one account (default: 1)")
    add_arguments(demo)
    serve = commands.add_parser("serve", help="keep everything up, with a page to click through a signup")
    serve.add_argument(
        "--port", type=int, default=PAGE_PORT, help=f"port of the page (default: {PAGE_PORT}; 0: any)"
    )
    add_arguments(serve)
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number


if __name__ == "__main__":
    sys.exit(main())
