"""How the command answers: tables for a person, one JSON object for a machine, and exit codes that stay.

What was asked for goes to standard output; progress, questions, costs and complaints go to standard error, so
that a pipe gets nothing else than what it wants.
"""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from rich import box
from rich.console import Console as Terminal
from rich.live import Live
from rich.table import Table
from rich.text import Text

VERSION: Final = 1
"""Of every answer with ``--json``; a field that is added does not change it."""
DONE: Final = 0
FAILED: Final = 1
"""What was named is not there, or it began and did not come to its end."""
COULD_NOT_BEGIN: Final = 2
INTERRUPTED: Final = 130
_WIDE: Final = 100_000
"""Columns where no terminal limits them: a line of a pipe is never cut."""

_SHOWN: Final = 100
"""Rows after which the progress is shown again."""

type Row = Mapping[str, Any]
type Columns = Mapping[str, Callable[[Row], object]] | Sequence[str]
"""Of a table: titles with what stands below, or names of fields, which may be in one another (``a.b``)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Console:
    """The answers of one run. `command`: its words, as in ``numbers show``. `yes`: do not ask."""

    command: str
    as_json: bool = False
    yes: bool = False

    # --- what was asked for --------------------------------------------------------------------------

    def answer(self, result: object, text: str | Callable[[], None] | None = None) -> None:
        """The one result: as JSON in its envelope, or as text (default: its fields, a line for each)."""
        if self.as_json:
            self._envelope({"result": result})
        elif callable(text):
            text()
        elif text is not None:
            self.tell(text)
        else:
            self.fields(result if isinstance(result, Mapping) else {"result": result})

    def items(
        self, found: Iterable[Row], columns: Columns, *, none: str = "nothing found", **more: object
    ) -> int:
        """A list: `result.items` beside `more` as JSON, or a table. Gives how many there were."""
        with self.progress("reading") as progress:
            rows = []
            for row in found:
                rows.append(row)
                if not len(rows) % _SHOWN:
                    progress(f"{len(rows):,}")
        if self.as_json:
            self._envelope({"result": {"items": rows, **more}})
        elif rows:
            self.table(rows, columns)
        else:
            self.tell(none)
        return len(rows)

    def each(self, item: Row, text: str) -> None:
        """One item of a stream that has no end: a line of JSON in its envelope, or a line of text."""
        if self.as_json:
            self.tell(json.dumps(self._headed({"result": item}), ensure_ascii=False, default=str))
        else:
            self.tell(text)

    def table(self, rows: Iterable[Row], columns: Columns) -> None:
        """A table; on a terminal its columns fit, in a pipe they are as wide as they must be."""
        readers = columns if isinstance(columns, Mapping) else {name: _reader(name) for name in columns}
        shown = Table(box=box.SIMPLE_HEAD if sys.stdout.isatty() else None, pad_edge=False)
        for title in readers:
            shown.add_column(title, overflow="fold")
        for row in rows:
            shown.add_row(*(Text(_told(read(row))) for read in readers.values()))
        self._print(shown)

    def fields(self, result: Row) -> None:
        """The fields of one thing, a line for each; what is in one another is JSON."""
        shown = Table(box=None, show_header=False, pad_edge=False)
        for name, value in result.items():
            shown.add_row(Text(str(name)), Text(_told(value)))
        self._print(shown)

    def tell(self, line: str) -> None:
        """A line of the answer for a person; where JSON is asked for, `answer` and `items` tell it."""
        sys.stdout.write(line + "\n")

    # --- beside it -----------------------------------------------------------------------------------

    def note(self, line: str) -> None:
        """A line beside the answer."""
        sys.stderr.write(line + "\n")

    def cost(self, calls: int, budget: Row | None = None) -> None:
        """What this takes of the partner budget; `budget` is what the desk says of it."""
        if calls <= 0:
            return
        line = f"partner calls: {calls:,}"
        if budget:
            window, size = float(budget["window_seconds"]), int(budget["calls"])
            lasts = float(budget.get("lasts_seconds", calls * window / size))
            line += f", {_lasts(lasts)} at the budget of {size} in {window:g} s"
            line += f"; {budget['spare_calls']} spare calls now"
        self.note(line)

    def problem(self, code: str, detail: str, **more: object) -> None:
        """Why it ends: on standard error, and for a machine on standard output, too."""
        if self.as_json:
            self._envelope({"problem": {"code": code, "detail": detail, **more}})
        self.note(f"onramp {self.command}: {detail}{_reasons(more.get('errors'))}")

    @contextmanager
    def progress(self, what: str) -> Iterator[Callable[[str], None]]:
        """A line on standard error that says what goes on, and is gone afterwards; only on a terminal."""
        if not sys.stderr.isatty():
            yield lambda _: None
            return
        terminal = Terminal(file=sys.stderr)
        with Live(Text(what), console=terminal, transient=True, auto_refresh=False) as line:

            def show(text: str) -> None:
                line.update(Text(f"{what}: {text}", overflow="ellipsis", no_wrap=True), refresh=True)

            yield show

    # --- how -----------------------------------------------------------------------------------------

    def _headed(self, content: Row) -> dict[str, Any]:
        return {"version": VERSION, "command": self.command, **content}

    def _envelope(self, content: Row) -> None:
        self.tell(json.dumps(self._headed(content), ensure_ascii=False, indent=2, default=str))

    def _print(self, shown: Table) -> None:
        terminal = Terminal(file=sys.stdout, width=None if sys.stdout.isatty() else _WIDE, highlight=False)
        with terminal.capture() as captured:
            terminal.print(shown)
        for line in captured.get().splitlines():
            self.tell(line.rstrip())


def _reader(name: str) -> Callable[[Row], object]:
    def read(row: Row) -> object:
        there: object = row
        for part in name.split("."):
            there = there.get(part) if isinstance(there, Mapping) else None
        return there

    return read


def _reasons(errors: object) -> str:
    """What a problem says of each field, to stand behind its text."""
    found = [one for one in errors if isinstance(one, Mapping)] if isinstance(errors, list) else []
    told = "; ".join(f"{one.get('field')}: {one['message']}" for one in found if one.get("message"))
    return f" ({told})" if told else ""


def _told(value: object) -> str:
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case str():
            return value
        case Mapping() | list() | tuple():
            return json.dumps(value, ensure_ascii=False, default=str) if value else "-"
        case _:
            return str(value)


def _lasts(seconds: float) -> str:
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"about {seconds / size:.0f} {unit}"
    return f"about {max(1, round(seconds))} s"
