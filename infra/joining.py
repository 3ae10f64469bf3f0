"""Joins the hosted page's modules into one file, so that a visit asks for a handful of files.

Each file is a call of a function, and a browser asks for all at once: a dozen modules would start a dozen
instances, more than a new account may run. The modules are ours and written simply: imports of one line,
exports in front of declarations, no default. Whatever else stands there is refused, not guessed.
"""

import re
from pathlib import Path

_IMPORT = re.compile(
    r'^import (?:\* as (?P<whole>\w+)|\{ (?P<names>[\w, ]+) \}) from "\./(?P<file>[\w-]+\.js)";$',
    re.MULTILINE,
)
_EXPORT = re.compile(r"^export (?=(?:async function|function|const|class) (?P<name>\w+))", re.MULTILINE)
_LEFT = re.compile(r"^\s*(?:import|export)\b(?![.(]).*$", re.MULTILINE)


class JoinError(Exception):
    """A module is written in a way that is not foreseen here, or modules import each other in a ring."""


def join(entry: Path) -> str:
    """One module that does what `entry` and all it imports do; what is not beside it stays an import.

    Raises:
        JoinError: see there.
    """
    parts: dict[str, str] = {}
    outside: set[str] = set()
    _add(entry, parts, outside, ())
    return "\n".join([*sorted(outside), *parts.values()])


def _add(file: Path, parts: dict[str, str], outside: set[str], way: tuple[str, ...]) -> None:
    if file.name in parts:
        return
    if file.name in way:
        raise JoinError(f"{' imports '.join((*way, file.name))}")
    text = file.read_text(encoding="utf-8")
    for found in _IMPORT.finditer(text):
        beside = file.with_name(found["file"])
        if beside.is_file():
            _add(beside, parts, outside, (*way, file.name))
        else:
            outside.add(found.group())
    parts[file.name] = _as_call(file, text)


def _as_call(file: Path, text: str) -> str:
    """A module as a function of its own, whose names are nobody else's, that gives what it exports."""

    def imported(found: re.Match[str]) -> str:
        if not file.with_name(found["file"]).is_file():
            return ""
        return f"const {found['whole'] or f'{{ {found["names"]} }}'} = {_name(found['file'])};"

    names = [found["name"] for found in _EXPORT.finditer(text)]
    body = _EXPORT.sub("", _IMPORT.sub(imported, text))
    if left := _LEFT.search(body):
        raise JoinError(f"{file.name}: {left.group().strip()}")
    return f"const {_name(file.name)} = (() => {{\n{body}return {{ {', '.join(names)} }};\n}})();\n"


def _name(file: str) -> str:
    return f"${file.removesuffix('.js').replace('-', '_')}"
