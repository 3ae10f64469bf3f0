"""``onramp requests``: what persons ask for through Meta."""

import time
from typing import Annotated, Any, Final

import typer

from ops.desk import Desk, Refused
from ops.running import Run, command, group

type Json = dict[str, Any]

app = group("What persons ask for through Meta: that their data be deleted, or the app be gone.")

BUSY: Final = "number_busy"
TRIES: Final = 4
"""Times that a run is waited for that has one of the numbers."""
LONGEST_WAIT: Final = 90.0

Code = Annotated[str, typer.Argument(metavar="CODE", help="What Meta shows to the person.")]
Billed = Annotated[
    bool, typer.Option("--although-billed", help="Also while 360dialog bills a channel of theirs.")
]
Done = Annotated[
    bool, typer.Option("--done", help="Erase nothing: it was done elsewhere, or there is nothing.")
]
Receipts = Annotated[
    list[str] | None, typer.Option("--receipt", metavar="ID", help="With --done: of an erasure.")
]


@command(app, "list")
def listed(run: Run, *, limit: Annotated[int | None, typer.Option(help="At most so many.")] = None) -> None:
    """List what waits, newest first."""
    with run.desk() as desk:
        found = desk.items("requests.list", limit=limit)
        run.console.items(found, ("asked_at", "kind", "code", "signup_ids"))


@command(app, "show")
def show(run: Run, code: Code) -> None:
    """Show one, with the signups that the person went through."""
    with run.desk() as desk:
        run.console.answer(desk.ask("requests.show", code=code)["request"])


@command(app, "carry-out", asks=True)
def carry_out(
    run: Run, code: Code, *, although_billed: Billed = False, done: Done = False, receipts: Receipts = None
) -> None:
    """Erase the client of each signup of a request, and say that it was done. Said again it goes on."""
    if not done:
        run.consent(f"whoever went through the signups of {code} is erased, and cannot be brought back")
    asked: Json = {"code": code, "although_billed": although_billed}
    if done:
        asked |= {"done": True, "receipts": receipts or []}
    with run.desk() as desk, run.console.progress("erasing") as progress:
        cursor: str | None = None
        parts = 0
        while True:
            part = _patiently(desk, asked | {"cursor": cursor})
            cursor = part["cursor"]
            parts += 1
            progress(f"{parts} parts")
            if cursor is None:
                break
        run.console.answer(part["request"])


def _patiently(desk: Desk, asked: Json) -> Json:
    """One part; a run that has a number of the person's is waited for. Raises what `Desk.ask` raises."""
    for _ in range(TRIES):
        try:
            return desk.ask("requests.carry-out", **asked)
        except Refused as refused:
            if refused.code != BUSY:
                raise
            time.sleep(min(float(refused.problem.get("retry_after") or 1), LONGEST_WAIT))
    return desk.ask("requests.carry-out", **asked)
