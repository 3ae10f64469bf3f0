"""How a command is made, begins and ends: its options, the stage it works on, its exit code."""

import functools
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Concatenate, Final

import typer
from botocore.exceptions import BotoCoreError, ClientError

from ops.console import COULD_NOT_BEGIN, DONE, FAILED, INTERRUPTED, Console
from ops.desk import PATIENCE, Desk, NoAnswer, Refused, desk_of
from ops.stage.aws import error_code
from ops.stage.configuration import UnusableError
from ops.stage.options import File, Where
from ops.stage.reaching import Reached, reach
from ops.times import when

_WRONG_ASKED: Final = frozenset({"invalid_request", "unknown_command"})
"""Problems of the desk that mean wrong usage."""


class Failed(Exception):
    """The command cannot go on; the text says why, and what to do."""


Json = Annotated[bool, typer.Option("--json", help="The result as JSON, for a machine.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
Since = Annotated[
    str | None,
    typer.Option("--since", metavar="WHEN", help="2026-11-23T09:00:00Z, or how long ago: 90m, 24h, 7d."),
]
Until = Annotated[
    str | None, typer.Option("--until", metavar="WHEN", help="The end of that span (default: now).")
]
Limit = Annotated[int, typer.Option("--limit", metavar="N", min=1, help="At most so many.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run of a command: the stage that is named, and how it answers."""

    where: Where
    console: Console

    @contextmanager
    def reached(self, **aws_options: Any) -> Iterator[Reached]:  # noqa: ANN401 - fields of `Aws`
        """The stage. Raises `UnusableError` when it is not there."""
        found = reach(self.where, **aws_options)
        with closing(found.aws):
            yield found

    @contextmanager
    def desk(self) -> Iterator[Desk]:
        """The stage's desk. Raises `UnusableError` when it is not there."""
        # What was not answered may have been done: nothing is asked twice without a word.
        with self.reached(read_timeout=PATIENCE, tries=1) as found:
            yield desk_of(found)

    def consent(self, what: str) -> None:
        """Ask a person before what cannot be undone; they answer with the stage's name.

        Raises:
            UnusableError: the answer is another one, or nobody is there to be asked.
        """
        if self.console.yes:
            return
        if not sys.stdin.isatty():
            raise UnusableError(f"{what}: nobody is there to be asked; say --yes if it is meant")
        sys.stderr.write(f"{what}. Type the stage's name to go on: ")
        sys.stderr.flush()
        if sys.stdin.readline().strip() != self.where.stage:
            raise UnusableError("not done")


def moment(text: str | None, now: datetime | None = None) -> datetime | None:
    """A time of the command line, see `Since`. Raises `UnusableError`."""
    if text is None:
        return None
    try:
        return when(text)(now or datetime.now(UTC))
    except ValueError as error:
        raise UnusableError(str(error)) from None


def one_of(*names: str) -> Callable[[str], str]:
    """A parser that takes these words only."""

    def word(text: str) -> str:
        if text not in names:
            raise typer.BadParameter(f"{text!r} is none of {', '.join(names)}")
        return text

    return word


def only(resources: Mapping[str, Mapping[str, str]], kind: str) -> str | None:
    """The only resource of a kind, None when there is none. Raises `Failed` when there are several."""
    found = list(resources.get(kind, {}).values())
    if len(found) > 1:
        raise Failed(f"the stack has {len(found)} resources {kind}")
    return found[0] if found else None


def output_of(found: Reached, name: str) -> str:
    """An output of the stack. Raises `UnusableError`."""
    try:
        return found.outputs[name]
    except KeyError:
        raise UnusableError(f"{found.stack_name} has no output {name}: deploy it first") from None


# --- making a command ------------------------------------------------------------------------------------

SPENDS: Final = "Partner calls: "
"""Before what the help says of a command's cost."""

type Work[**P] = Callable[Concatenate[Run, P], int | None]


def command[**P](
    app: typer.Typer,
    name: str,
    *,
    asks: bool = False,
    of: type[File] = Where,
    epilog: str | None = None,
    spends: str = "",
) -> Callable[[Work[P]], Work[P]]:
    """Make a function a command of `app`.

    Its docstring is the help, its parameters behind the first one are the command's own arguments and
    options. Every command has the options of `of` and ``--json``; one that `asks` has ``--yes``. The function
    gives the exit code, None for 0; it may raise `UnusableError`, `Failed`, `Refused`, `NoAnswer` and
    botocore's errors. `spends`: what it takes of the partner budget, for the help and docs/commands.md.
    """
    told = " ".join(filter(None, [epilog, f"{SPENDS}{spends}." if spends else ""])) or None

    def register(work: Work[P]) -> Work[P]:
        signature = inspect.signature(work, eval_str=True)
        own = list(signature.parameters.values())[1:]
        shared = list(inspect.signature(of, eval_str=True).parameters.values())
        extra = [_flag("as_json", Json), *([_flag("yes", Yes)] if asks else [])]

        @functools.wraps(work)
        def called(context: typer.Context, **given: Any) -> int:  # noqa: ANN401 - as typer parses them
            where = of(**{item.name: given.pop(item.name) for item in shared})
            console = Console(
                command=_words(context), as_json=given.pop("as_json"), yes=given.pop("yes", False)
            )
            # A command of the file alone has no way to AWS, and never asks for one.
            run = Run(where=where if isinstance(where, Where) else Where(**vars(where)), console=console)
            parsed: Callable[..., int | None] = functools.partial(work, run, **given)
            return ended(console, parsed)

        context = inspect.Parameter(
            "context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context
        )
        parameters = [_named(item) for item in (*own, *extra, *shared)]
        called.__signature__ = inspect.Signature([context, *parameters])  # type: ignore[attr-defined]
        called.__annotations__ = {item.name: item.annotation for item in (context, *parameters)}
        app.command(name, epilog=told)(called)
        return work

    return register


def ended(console: Console, work: Callable[[], int | None]) -> int:
    """Do the work; what hinders it is told in one line. Gives the exit code."""
    try:
        return work() or DONE
    except KeyboardInterrupt:
        console.note("interrupted")
        return INTERRUPTED
    except EOFError:
        console.problem("could_not_begin", "the input ended before an answer; nothing is done")
        return COULD_NOT_BEGIN
    except Refused as refused:
        more = {name: value for name, value in refused.problem.items() if name not in {"code", "detail"}}
        console.problem(refused.code, str(refused), **more)
        return COULD_NOT_BEGIN if refused.code in _WRONG_ASKED else FAILED
    except (UnusableError, Failed, NoAnswer, ClientError, BotoCoreError) as error:
        code, detail = _hindrance(error)
        console.problem(code, detail)
        return COULD_NOT_BEGIN if isinstance(error, UnusableError) else FAILED


def _hindrance(error: Exception) -> tuple[str, str]:
    """What it is called, and a text; of AWS's errors never their own, which may quote what was sent."""
    match error:
        case UnusableError():
            return "could_not_begin", str(error)
        case ClientError():
            return "aws_refused", f"AWS refuses {error.operation_name} ({error_code(error)})"
        case BotoCoreError():
            return "aws_unreachable", f"AWS cannot be asked ({error_code(error)})"
        case _:
            return "failed", str(error)


def _words(context: typer.Context) -> str:
    """The command's words without the program's name."""
    return context.command_path.partition(" ")[2]


def _flag(name: str, annotation: Any) -> inspect.Parameter:  # noqa: ANN401 - an annotation
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=False, annotation=annotation)


def _named(parameter: inspect.Parameter) -> inspect.Parameter:
    return parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)


def group(about: str) -> typer.Typer:
    """An area: commands that share their first word."""
    return typer.Typer(help=about, no_args_is_help=False, rich_markup_mode="markdown", add_completion=False)
