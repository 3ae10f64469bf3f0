"""What the subcommands share: how they begin, how they end, and how they ask."""

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from contextlib import closing
from typing import Any, Final, NotRequired, TypedDict

from botocore.exceptions import BotoCoreError, ClientError

from ops.stage import reaching
from ops.stage.aws import error_code
from ops.stage.configuration import UnusableError
from ops.stage.reaching import Reached, reach

DONE: Final = 0
FAILED: Final = 1
"""It began and did not come to its end."""
COULD_NOT_RUN: Final = 2


class Description(TypedDict):
    """What the help says of a subcommand."""

    help: str
    description: str
    epilog: NotRequired[str]


class Failed(Exception):
    """The command cannot go on; the text says why, and what to do."""


def run_on(given: argparse.Namespace, tool: str, work: Callable[[Reached], int], **aws_options: Any) -> int:  # noqa: ANN401 - fields of `Aws`
    """Find the stage and work on it; what hinders is told in one line.

    Args:
        given: the parsed command line, with `reaching.add_arguments`.
        tool: the subcommand's name, for messages.
        work: gives the exit status. May raise `UnusableError`, `Failed` and botocore's errors.
        aws_options: fields of `Aws`.

    Returns:
        The exit status: what `work` gives, 1 when it failed, 2 when it could not begin.
    """
    try:
        found = reach(given, **aws_options)
        with closing(found.aws):
            return work(found)
    except UnusableError as error:
        return refuse(tool, str(error), given)
    except Failed as error:
        return refuse(tool, str(error), given, status=FAILED)
    except ClientError as error:
        return refuse(tool, f"AWS refuses {error.operation_name} ({error_code(error)})", given, status=FAILED)
    except BotoCoreError as error:
        return refuse(tool, f"AWS cannot be asked ({error_code(error)})", given, status=FAILED)


def refuse(tool: str, why: str, given: argparse.Namespace, *, status: int = COULD_NOT_RUN) -> int:
    """Say why it ends; gives the exit status."""
    if getattr(given, "json", False):
        tell_json({"error": why})
    sys.stderr.write(f"onramp {tool}: {why}\n")
    return status


def tell(line: str) -> None:
    """A line for whoever called."""
    sys.stdout.write(line + "\n")


def tell_json(content: object) -> None:
    """The result for a machine."""
    tell(json.dumps(content, ensure_ascii=False, indent=2, default=str))


type Action = Callable[[Reached, argparse.Namespace], int]
"""What an action does with a stage; gives the exit status, and may raise what `run_on` takes."""


def run_action(given: argparse.Namespace, tool: str, **aws_options: Any) -> int:  # noqa: ANN401 - fields of `Aws`
    """Run the action that a command line names. Returns the exit status, see `run_on`."""
    act: Action = given.act
    return run_on(given, tool, lambda found: act(found, given), **aws_options)


def actions(
    parser: argparse.ArgumentParser, table: Mapping[str, tuple[Description, Action]]
) -> dict[str, argparse.ArgumentParser]:
    """Give a subcommand actions of its own, each with the options that name a stage."""
    commands = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    found = {}
    for name, (description, run) in table.items():
        action = commands.add_parser(name, **description)
        reaching.add_arguments(action)
        action.set_defaults(act=run)
        found[name] = action
    return found


def add_consent(parser: argparse.ArgumentParser) -> None:
    """Add ``--yes``."""
    parser.add_argument("--yes", action="store_true", help="do not ask")


def require_consent(given: argparse.Namespace, what: str) -> None:
    """Ask a person, who answers with the stage's name.

    Raises:
        UnusableError: the answer is another one, or nobody is there to be asked.
    """
    if given.yes:
        return
    if not sys.stdin.isatty():
        raise UnusableError(f"{what}: nobody is there to be asked; say --yes if it is meant")
    sys.stderr.write(f"{what}. Type the stage's name to go on: ")
    sys.stderr.flush()
    if sys.stdin.readline().strip() != given.stage:
        raise UnusableError("not done")


def only(resources: dict[str, dict[str, str]], kind: str) -> str | None:
    """The only resource of a kind, None when there is none. Raises `Failed` when there are several."""
    found = list(resources.get(kind, {}).values())
    if len(found) > 1:
        raise Failed(f"the stack has {len(found)} resources {kind}")
    return found[0] if found else None
