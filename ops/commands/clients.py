"""``onramp clients``: a person who asks what is known of them, or to be forgotten."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from ops.console import DONE
from ops.desk import Desk, Refused
from ops.running import Failed, Run, command, group
from ops.stage.configuration import UnusableError

type Json = dict[str, Any]

app = group("What is known of a person: shown, exported, erased.")

BUSY: Final = "number_busy"
LONGEST_BUSY: Final = 180.0
"""Seconds that are waited for a run that has one of the numbers; its lease is over earlier."""

Email = Annotated[str | None, typer.Option("--email", metavar="ADDRESS", help="By the client's email.")]
Signup = Annotated[str | None, typer.Option("--signup", metavar="ID", help="By one of their signups.")]
Number = Annotated[
    str | None, typer.Option("--number", metavar="ID", help="By a number, as Meta's id of it.")
]
Digits = Annotated[
    str | None, typer.Option("--digits", metavar="NUMBER", help="By a phone number with its country.")
]
Tenant = Annotated[
    str | None, typer.Option("--tenant", metavar="NAME", help="With --email: only signups of this tenant.")
]


@command(app, "show")
def show(
    run: Run,
    *,
    email: Email = None,
    signup: Signup = None,
    number: Number = None,
    digits: Digits = None,
    tenant: Tenant = None,
) -> None:
    """Show by what a person is known, and how much there is of them."""
    who = _named(email=email, signup_id=signup, phone_number_id=number, digits=digits, tenant=tenant)
    with run.desk() as desk:
        found = _last(_parts(run, desk, "clients.show", who))
        run.console.answer({"person": found.get("person", {}), "counts": found["counts"]})


@command(app, "export")
def export(
    run: Run,
    *,
    email: Email = None,
    signup: Signup = None,
    number: Number = None,
    digits: Digits = None,
    tenant: Tenant = None,
    to: Annotated[
        Path | None, typer.Option("--to", metavar="FILE", help="Write the JSON here, and not to the output.")
    ] = None,
) -> None:
    """Give everything that is known of a person as JSON, without tokens and keys."""
    who = _named(email=email, signup_id=signup, phone_number_id=number, digits=digits, tenant=tenant)
    if to is not None and (to.is_dir() or not to.parent.is_dir()):
        raise UnusableError(f"{to} is no place for a file")
    with run.desk() as desk:
        items: list[Json] = []
        counts: Json = {}
        for part in _parts(run, desk, "clients.export", who):
            items += part["items"]
            counts = part["counts"]
    result = {"items": items, "counts": counts}
    if to is None:
        run.console.answer(result, json.dumps(result, ensure_ascii=False, indent=2))
        return
    try:
        to.write_text(json.dumps(result, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise Failed(f"{to} cannot be written: {error.strerror}") from error
    run.console.answer({"file": str(to), "counts": counts})


@command(app, "erase", asks=True)
def erase(
    run: Run,
    *,
    email: Email = None,
    signup: Signup = None,
    number: Number = None,
    digits: Digits = None,
    tenant: Tenant = None,
    although_billed: Annotated[
        bool, typer.Option("--although-billed", help="Also while 360dialog bills a channel of theirs.")
    ] = False,
) -> int:
    """Forget a person: personal data and secrets go, a receipt stays. Say it again to find what came late."""
    who = _named(email=email, signup_id=signup, phone_number_id=number, digits=digits, tenant=tenant)
    run.consent("everything of this person is erased, and cannot be brought back")
    with run.desk() as desk:
        told = _last(_parts(run, desk, "clients.erase", {**who, "although_billed": although_billed}))
        run.console.answer(told["receipt"])
    return DONE


def _named(**names: str | None) -> Json:
    """Who is meant. Raises `UnusableError` unless they are named in one way."""
    given = {name: value for name, value in names.items() if value is not None}
    if len(given.keys() - {"tenant"}) != 1:
        raise UnusableError("name the person by one of --email, --signup, --number, --digits")
    return given


def _parts(run: Run, desk: Desk, asked: str, who: Json) -> Iterator[Json]:
    """All parts of a search, in order; a run that has a number is waited for."""
    cursor: str | None = None
    patience = LONGEST_BUSY
    with run.console.progress("reading the table") as progress:
        while True:
            try:
                part = desk.ask(asked, **who, cursor=cursor)
            except Refused as refused:
                wait = float(refused.problem.get("retry_after") or 1)
                if refused.code != BUSY or wait > patience:
                    raise
                patience -= wait
                time.sleep(wait)
                continue
            yield part
            cursor = part["cursor"]
            if cursor is None:
                return
            progress(", ".join(f"{count:,} {kind}" for kind, count in part["counts"].items()))


def _last(parts: Iterator[Json]) -> Json:
    last: Json = {}
    for part in parts:
        last = part
    return last
