"""``onramp facts``: what has happened, told to the bus once more.

The table's stream keeps facts for a day. What an outage of the bus has lost beyond that is still in the
table: `event_publisher` reads it from there, page by page, and publishes it again with the same ids.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import typer
from botocore.exceptions import BotoCoreError, ClientError

from infra.cards import CARDS, Card, NewItems
from onramp.domain.text import iso
from ops.console import DONE, FAILED
from ops.running import Run, Until, command, group, moment
from ops.stage.aws import Aws, list_resources, read_functions
from ops.stage.configuration import UnusableError
from ops.stage.reaching import Reached

TRIES: Final = 5
"""Calls in a row that lead no further before the command stops."""
PAUSE: Final = 2.0
"""Seconds before the second try; each later one waits twice as long."""
_MARGIN: Final = 15
"""Seconds beyond the function's timeout that an answer is waited for."""


app = group("What has happened, told to the bus once more; of the facts that are kept in the table.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """From when to when, both included."""

    since: datetime
    until: datetime


@dataclass(slots=True)
class Progress:
    """How far it has come. `cursor` is where it goes on, None before the first page and behind the last."""

    cursor: str | None = None
    published: int = 0
    calls: int = 0
    ended: bool = False
    trouble: str = ""


class _NoAnswer(Exception):
    """A call that led no further; the text says why."""


@command(
    app, "republish", epilog="Exit code 1: it stopped before the end, and says with which --cursor to go on."
)
def publish(
    run: Run,
    *,
    since: Annotated[
        str, typer.Option(metavar="WHEN", help="2026-11-23T09:00:00Z, or how long ago: 90m, 24h, 7d.")
    ],
    until: Until = None,
    cursor: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="Go on where an earlier run stopped; it said where."),
    ] = None,
) -> int:
    """Publish the facts of a span of time again, with the same ids, in the order of each signup.

    Whoever remembers an event's id notices the copies. Facts are kept for about a year.
    """
    publisher = _publisher()
    span = _span(since, until)
    # A call that was not answered may have published all the same: it is made again by us, not by boto3.
    with run.reached(read_timeout=publisher.timeout + _MARGIN, tries=1) as found:
        call = _caller(found.aws, _physical(found, publisher))
        return _publish(call, span, Progress(cursor=cursor), _Teller(run, span, found.stack_name))


def republish(
    call: Callable[[dict[str, object]], dict[str, Any]],
    span: Span,
    progress: Progress,
    *,
    sleep: Callable[[float], None] = time.sleep,
    show: Callable[[Progress], None] = lambda _: None,
) -> None:
    """Call the publisher until nothing is left, or until `TRIES` calls in a row led no further.

    Args:
        call: invokes the function; raises `_NoAnswer`.
        span: which facts.
        progress: from where; holds afterwards how far it has come.
        sleep: waits some seconds.
        show: told after each call.
    """
    failed = 0
    while not progress.ended and failed < TRIES:
        if failed:
            sleep(PAUSE * 2 ** (failed - 1))
        failed = 0 if _page(call, span, progress) else failed + 1
        show(progress)


def _page(call: Callable[[dict[str, object]], dict[str, Any]], span: Span, progress: Progress) -> bool:
    """One call; says whether it led further."""
    before = progress.cursor
    asked = {"since": iso(span.since), "until": iso(span.until), "cursor": before}
    progress.calls += 1
    try:
        published, progress.cursor = _read(call({"republish": asked}))
    except _NoAnswer as trouble:
        progress.trouble = str(trouble)
        return False
    progress.published += published
    progress.ended = progress.cursor is None
    further = progress.ended or progress.cursor != before
    progress.trouble = "" if further else "the bus does not take the next facts"
    return further


def _read(answer: dict[str, Any]) -> tuple[int, str | None]:
    published, cursor = answer.get("published"), answer.get("cursor")
    if not isinstance(published, int) or not isinstance(cursor, str | None):
        raise _NoAnswer("the answer is none: is another version deployed?")
    return published, cursor


def _span(since: str, until: str | None) -> Span:
    now = datetime.now(UTC)
    span = Span(since=moment(since, now) or now, until=moment(until, now) or now)
    if span.since > span.until:
        raise UnusableError("--since is later than --until")
    return span


def _publisher() -> Card:
    """The function that is handed new facts."""
    [card] = [card for card in CARDS.values() if isinstance(card.trigger, NewItems)]
    return card


def _physical(found: Reached, publisher: Card) -> str:
    """The function's name at AWS. Raises `UnusableError`."""
    try:
        functions = read_functions(found.aws, list_resources(found.aws, found.stack_name))
    except (ClientError, BotoCoreError) as error:
        raise UnusableError(f"the functions of {found.stack_name} cannot be read: {_kind(error)}") from error
    if publisher.name not in functions:
        raise UnusableError(f"{found.stack_name} has no {publisher.name}: deploy it first")
    return functions[publisher.name].called


def _caller(aws: Aws, function: str) -> Callable[[dict[str, object]], dict[str, Any]]:
    def call(event: dict[str, object]) -> dict[str, Any]:
        try:
            answer = aws.functions.invoke(FunctionName=function, Payload=json.dumps(event).encode())
            content = json.loads(answer["Payload"].read() or b"null")
        except (ClientError, BotoCoreError, ValueError) as error:
            raise _NoAnswer(f"the function gave no answer ({_kind(error)})") from error
        if answer.get("FunctionError") or not isinstance(content, dict):
            kind = content.get("errorType", "") if isinstance(content, dict) else ""
            raise _NoAnswer(f"the function failed ({kind or 'it says not how'}): read its log")
        return content

    return call


def _kind(error: Exception) -> str:
    """What went wrong, without the text, which may quote what was sent."""
    if isinstance(error, ClientError):
        return error.response.get("Error", {}).get("Code", "ClientError")
    return type(error).__name__


# --- the terminal ----------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Teller:
    """What a person sees of a run."""

    run: Run
    span: Span
    stack_name: str
    started: float = field(default_factory=time.monotonic)

    def end(self, progress: Progress) -> int:
        """The result; gives the exit code."""
        seconds, console = time.monotonic() - self.started, self.run.console
        console.answer(
            self._content(progress, seconds),
            f"{self.stack_name}: {_counted(progress.published)} published again, "
            f"{iso(self.span.since)} to {iso(self.span.until)} ({_called(progress)}, {seconds:.1f} s)",
        )
        if progress.ended:
            return DONE
        trouble = progress.trouble or "interrupted"
        console.note(f"onramp {console.command}: stopped before the end: {trouble}")
        console.note(f"go on with: {self._again(progress)}")
        return FAILED

    def _content(self, progress: Progress, seconds: float) -> dict[str, object]:
        return {
            "stack": self.stack_name,
            "since": iso(self.span.since),
            "until": iso(self.span.until),
            "published": progress.published,
            "calls": progress.calls,
            "seconds": round(seconds, 2),
            "complete": progress.ended,
            "cursor": progress.cursor,
            "trouble": progress.trouble,
        }

    def _again(self, progress: Progress) -> str:
        times = f"--since {iso(self.span.since)} --until {iso(self.span.until)}"
        cursor = f" --cursor '{progress.cursor}'" if progress.cursor else ""
        return f"onramp facts republish --stage {self.run.where.stage} {times}{cursor}"


def _publish(
    call: Callable[[dict[str, object]], dict[str, Any]], span: Span, progress: Progress, teller: _Teller
) -> int:
    try:
        with teller.run.console.progress("publishing") as show:
            republish(call, span, progress, show=lambda now: show(_shown(now)))
    except KeyboardInterrupt:
        teller.end(progress)
        raise
    return teller.end(progress)


def _shown(progress: Progress) -> str:
    waiting = f"; trying again: {progress.trouble}" if progress.trouble else ""
    return f"{_counted(progress.published)} published, {_called(progress)}{waiting}"


def _counted(facts: int) -> str:
    return f"{facts:,} fact{'' if facts == 1 else 's'}"


def _called(progress: Progress) -> str:
    return f"{progress.calls} call{'' if progress.calls == 1 else 's'}"
