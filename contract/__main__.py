"""Writes what is made from the contract's tables, or compares it: ``python -m contract [--check]``."""

import argparse
import difflib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from openapi_spec_validator.validation.exceptions import OpenAPIValidationError

from contract import bus, notifications, openapi, relay, samples

ROOT: Final = Path(__file__).resolve().parent.parent
DIFF_LINES: Final = 30


def made() -> dict[Path, str]:
    """Every file that is made, with its content. Raises `OpenAPIValidationError`."""
    return {
        openapi.TARGET: openapi.render(),
        bus.TARGET: bus.render(),
        relay.TARGET: relay.render(),
        notifications.TARGET: notifications.render(),
        **samples.files(),
    }


def difference() -> str:
    """How the files differ from the tables, at most `DIFF_LINES` lines; empty when they do not."""
    found = [line for path, content in made().items() for line in _lines(path, content)]
    found += [f"{_name(path)}: is not in the table" for path in _left_over()]
    cut = [f"… {len(found) - DIFF_LINES} lines more"] if len(found) > DIFF_LINES else []
    return "\n".join([*found[:DIFF_LINES], *cut])


def write() -> None:
    """Make the files, and remove samples that are no longer in their table."""
    for path, content in made().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    for path in _left_over():
        path.unlink()


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes the files, or with ``--check`` compares them. Gives the exit status."""
    parser = argparse.ArgumentParser(prog="python -m contract", description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    check = parser.parse_args(arguments).check
    try:
        if not check:
            write()
            return 0
        found = difference()
    except OpenAPIValidationError as error:
        sys.stderr.write(f"contract: openapi.json would not be valid: {error.message}\n")
        return 1
    if found:
        sys.stderr.write(f"{found}\ncontract: run `python -m contract` and commit the files\n")
    return 1 if found else 0


def _lines(path: Path, content: str) -> Iterator[str]:
    stored = path.read_text(encoding="utf-8") if path.exists() else ""
    name = _name(path)
    return difflib.unified_diff(
        stored.splitlines(), content.splitlines(), name, f"{name}, made anew", n=1, lineterm=""
    )


def _left_over() -> list[Path]:
    return sorted(set(samples.EVENTS.rglob("*.json")) - set(samples.files()))


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else path.name


if __name__ == "__main__":
    sys.exit(main())
