"""What the doctor shows: a table for people, JSON for machines, progress while it works."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, TextIO

from ops.doctor.catalogue import Check
from ops.doctor.findings import Level
from ops.doctor.runner import Examined
from ops.doctor.stage import Stage
from ops.terminal import Line

_SIGNS: Final = {Level.OK: "✓", Level.WARN: "!", Level.FAIL: "✗", Level.SKIPPED: "-"}
_COLOURS: Final = {Level.OK: "32", Level.WARN: "33", Level.FAIL: "31", Level.SKIPPED: "2"}


@dataclass(frozen=True, slots=True)
class Report:
    """The findings of one run. `seconds` is how long it took."""

    stage: Stage
    examined: Sequence[Examined]
    seconds: float

    def count(self, level: Level) -> int:
        """How many findings are of a level."""
        return sum(item.finding.level is level for item in self.examined)

    def exit_status(self, *, strict: bool) -> int:
        """0, or 1 when something failed; with `strict` also when there is a warning."""
        return int(bool(self.count(Level.FAIL) or (strict and self.count(Level.WARN))))

    def as_content(self) -> dict[str, Any]:
        """The findings for a machine."""
        stage = self.stage
        return {
            "stage": stage.name,
            "stack": stage.stack_name,
            "at": stage.clock.now().isoformat(timespec="seconds"),
            "seconds": round(self.seconds, 2),
            "partner_calls": stage.partner.calls,
            "summary": {level.value: self.count(level) for level in Level},
            "findings": [
                {
                    "check": item.check.name,
                    "about": item.check.about,
                    "level": item.finding.level.value,
                    "detail": item.finding.detail,
                    "advice": item.finding.advice,
                    "changed": item.finding.changed,
                    "seconds": round(item.seconds, 2),
                }
                for item in self.examined
            ],
        }

    def as_table(self, *, width: int, colours: bool) -> str:
        """The findings for a person, at most `width` characters wide."""
        names = max((len(item.check.name) for item in self.examined), default=0)
        lines = [f"{self.stage.stack_name}", ""]
        for item in self.examined:
            lines += _row(item, names, width, colours=colours)
        return "\n".join([*lines, "", self._summary()])

    def _summary(self) -> str:
        counts = ", ".join(f"{self.count(level)} {level.value}" for level in Level if self.count(level))
        calls = self.stage.partner.calls
        used = f"{calls} Partner API call{'' if calls == 1 else 's'}" if calls else "no Partner API call"
        return f"{counts} ({used}, {self.seconds:.1f} s)"


def _row(item: Examined, names: int, width: int, *, colours: bool) -> list[str]:
    finding = item.finding
    head = f"{_SIGNS[finding.level]} {item.check.name:<{names}}  "
    room = max(20, width - len(head))
    texts = _wrapped(finding.detail, room) or [""]
    if finding.advice and finding.level is not Level.OK:
        texts += _wrapped(finding.advice, room, first="→ ", others="  ")
    if colours:
        head = f"\x1b[{_COLOURS[finding.level]}m{head}\x1b[0m"
    indent = " " * (names + 4)
    return [head + texts[0], *(indent + text for text in texts[1:])]


def _wrapped(text: str, room: int, *, first: str = "", others: str = "") -> list[str]:
    # An address stays in one piece, so that it can be copied.
    return textwrap.wrap(
        text,
        room,
        initial_indent=first,
        subsequent_indent=others,
        break_on_hyphens=False,
        break_long_words=False,
    )


class ProgressLine(Line):
    """One line that says which checks still run; only on a terminal."""

    def __init__(self, out: TextIO, total: int) -> None:
        super().__init__(out)
        self._total = total

    def __call__(self, running: Sequence[Check], done: Sequence[Examined]) -> None:
        """Show the state of things."""
        names = ", ".join(check.name for check in running)
        self.show(f"{len(done)} of {self._total} checks done; {names}")
