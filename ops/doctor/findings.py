"""What a check finds."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad it is. `SKIPPED`: nobody knows, and the detail says why."""

    OK = "ok"
    SKIPPED = "skipped"
    WARN = "warn"
    FAIL = "fail"


_ORDER = tuple(Level)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One check's result.

    `detail` says what was seen, `advice` what to do about it. `changed`: the check mended something
    (``--fix``). Neither text holds a secret; the runner takes out what slipped through all the same.
    """

    level: Level
    detail: str
    advice: str = ""
    changed: bool = False


class Stop(Exception):
    """Ends a check early, with its finding."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.level)
        self.finding = finding


def ok(detail: str) -> Finding:
    """All is well."""
    return Finding(level=Level.OK, detail=detail)


def warn(detail: str, advice: str = "") -> Finding:
    """It works, but somebody should look."""
    return Finding(level=Level.WARN, detail=detail, advice=advice)


def fail(detail: str, advice: str = "") -> Finding:
    """It does not work."""
    return Finding(level=Level.FAIL, detail=detail, advice=advice)


def skipped(detail: str, advice: str = "") -> Finding:
    """It was not looked at."""
    return Finding(level=Level.SKIPPED, detail=detail, advice=advice)


def together(findings: Iterable[Finding], otherwise: str) -> Finding:
    """Several findings of one check as one: the worst level, all texts; `otherwise` when there is none."""
    found = list(findings)
    if not found:
        return ok(otherwise)
    return Finding(
        level=max((item.level for item in found), key=_ORDER.index),
        detail="; ".join(item.detail for item in found),
        advice=" ".join(dict.fromkeys(item.advice for item in found if item.advice)),
        changed=any(item.changed for item in found),
    )
