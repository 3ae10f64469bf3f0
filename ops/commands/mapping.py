"""Whose 360dialog's channels are to be: a file of the operator's, as CSV or JSON.

A row names a channel, a client or a client's email, and its tenant; a reference where there is one. A row
that names a channel may also have Meta's id of its number, for channels of which 360dialog does not say it.
"""

import csv
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from ops.stage.configuration import UnusableError

KEYS: Final = ("channel_id", "client_id", "email")
COLUMNS: Final = (*KEYS, "tenant", "reference", "phone_number_id")
MOST: Final = 20_000
"""Rows of one file: what the desk takes at once."""

type Whose = dict[str, str]


@dataclass(frozen=True, slots=True)
class Rows:
    """What the file says, by what its rows name."""

    channels: dict[str, Whose] = field(default_factory=dict)
    clients: dict[str, Whose] = field(default_factory=dict)
    emails: dict[str, Whose] = field(default_factory=dict)

    def by_clients(self, found: Mapping[str, str]) -> dict[str, Whose]:
        """The rows by client; `found` are the emails by client id. A row that names a client weighs more."""
        return {client_id: self.emails[email] for client_id, email in found.items()} | self.clients


def read(path: Path) -> Rows:
    """Read the file. Raises `UnusableError`, which names the row."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UnusableError(f"{path} cannot be read: {type(error).__name__}") from error
    rows = list(_json_rows(path, text) if path.suffix.lower() == ".json" else _csv_rows(path, text))
    if len(rows) > MOST:
        raise UnusableError(f"{path} has {len(rows):,} rows: at most {MOST:,}, so split it")
    mapping = Rows()
    tables = {"channel_id": mapping.channels, "client_id": mapping.clients, "email": mapping.emails}
    for where, row in rows:
        key, name, whose = _row(where, row)
        table = tables[key]
        if table.get(name, whose) != whose:
            raise UnusableError(
                f"{where}: the same {key} as in a row before, and another tenant or reference"
            )
        table[name] = whose
    return mapping


def _csv_rows(path: Path, text: str) -> Iterator[tuple[str, dict[str, Any]]]:
    head = text.partition("\n")[0]
    reader = csv.DictReader(text.splitlines(), delimiter=";" if ";" in head and "," not in head else ",")
    try:
        for row in reader:
            if None in row:
                raise UnusableError(f"{path}, line {reader.line_num}: more fields than the first line names")
            yield f"{path}, line {reader.line_num}", dict(row)
    except csv.Error as error:
        raise UnusableError(f"{path}: {error}, behind line {reader.line_num}") from error


def _json_rows(path: Path, text: str) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UnusableError(f"{path} is not JSON") from error
    if not isinstance(content, list) or not all(isinstance(row, dict) for row in content):
        raise UnusableError(f"{path} must hold a list of objects")
    for index, row in enumerate(content, 1):
        yield f"{path}, entry {index}", row


def _row(where: str, row: Mapping[str, Any]) -> tuple[str, str, Whose]:
    """What a row names, and whose that is to be."""
    if unknown := sorted(str(name) for name in row if name not in COLUMNS):
        raise UnusableError(f"{where}: {unknown[0]} is none of {', '.join(COLUMNS)}")
    given = {name: _text(where, name, row[name]) for name in row}
    named = [key for key in KEYS if given.get(key)]
    if len(named) != 1:
        raise UnusableError(f"{where}: name one of {', '.join(KEYS)}")
    if not given.get("tenant"):
        raise UnusableError(f"{where}: names no tenant")
    key = named[0]
    phone_number_id = given.get("phone_number_id")
    if phone_number_id and (key != "channel_id" or not re.fullmatch(r"[0-9]{5,20}", phone_number_id)):
        raise UnusableError(f"{where}: phone_number_id belongs to a channel_id, and is digits")
    whose = {name: given[name] for name in ("tenant", "reference", "phone_number_id") if given.get(name)}
    return key, given[key], whose


def _text(where: str, name: str, value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise UnusableError(f"{where}: {name} must be a text")
    return value.strip()
