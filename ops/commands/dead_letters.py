"""``onramp dead-letters``: what was given up is looked at, sent back, or thrown away; through the desk."""

import time
from collections import Counter
from typing import Annotated, Any, Final

import typer

from ops.desk import Desk
from ops.running import Run, command, group
from ops.stage.configuration import UnusableError

type Json = dict[str, Any]

AT_ONCE: Final = 100
"""Letters that one call of the desk moves at most."""

app = group("What was given up: jobs, events, relay, notifications, schedules, and the stream's facts.")
Queue = Annotated[
    str, typer.Argument(metavar="QUEUE", help="jobs, events, relay, notifications, schedules or stream.")
]
Reason = Annotated[str | None, typer.Option(help="Of this reason alone.")]
Letter = Annotated[str | None, typer.Option("--id", metavar="ID", help="This one alone.")]


@command(app, "list")
def listed(
    run: Run,
    queue: Annotated[
        str | None, typer.Argument(metavar="QUEUE", help="Without one: how many each has.")
    ] = None,
    reason: Reason = None,
    limit: Annotated[int, typer.Option(min=1, max=500, help="At most so many.")] = 100,
) -> None:
    """List dead letters, and how many there are of each reason; they stay where they are.

    Of what they hold only ids are shown: no text, no key, nothing of a person.
    """
    with run.desk() as desk:
        if queue is None:
            run.console.items(desk.items("dead-letters.queues"), ("queue", "count", "returns"))
            return
        found = desk.ask("dead-letters.list", queue=queue, reason=reason, limit=limit)

    def text() -> None:
        if not found["items"]:
            run.console.tell(f"no dead letters of {queue}")
            return
        run.console.table(found["items"], ("at", "id", "reason", "body"))
        for why, count in found["reasons"].items():
            run.console.tell(f"{count} {why}")
        if not found["whole"]:
            run.console.note("there are more")

    run.console.answer(found, text)


@command(app, "show")
def show(
    run: Run,
    queue: Queue,
    name: Annotated[str, typer.Argument(metavar="ID", help="Its id, as the list has it.")],
) -> None:
    """Show one dead letter, with ids alone of what it holds."""
    with run.desk() as desk:
        run.console.answer(desk.ask("dead-letters.show", queue=queue, letter_id=name)["letter"])


@command(app, "redrive", spends="of jobs, five at most for each")
def redrive(
    run: Run,
    queue: Queue,
    reason: Reason = None,
    letter: Letter = None,
    *,
    rate: Annotated[int, typer.Option(min=1, max=1000, help="So many in a second at most.")] = 10,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say how many there are.")] = False,
) -> None:
    """Send dead letters back to their queue, those that are there now.

    A job is a retry then. An event that has acted does nothing. Each is deleted when its copy has been
    taken: a run that dies half-way loses none, and may be made again.
    """
    with run.desk() as desk:
        if dry_run:
            _require_way_back(desk, queue)
            found = desk.ask("dead-letters.list", queue=queue, reason=reason, letter_id=letter, limit=500)
            count = len(found["items"])
            result = {"dry_run": True, "count": count, "reasons": found["reasons"], "whole": found["whole"]}
            more = "" if found["whole"] else " at least"
            run.console.answer(result, f"{count}{more} would go back to {queue}: {_told(found['reasons'])}")
            return
        moved = _move(run, desk, "dead-letters.redrive", queue, rate, reason=reason, letter_id=letter)
    run.console.answer(moved, f"{moved['moved']} sent back to {queue}: {_told(moved['reasons'])}")


@command(app, "purge", asks=True)
def purge(run: Run, queue: Queue, reason: Reason = None, letter: Letter = None) -> None:
    """Throw dead letters away: for what is understood and needs no repeat."""
    run.consent(f"dead letters of {queue} are thrown away")
    with run.desk() as desk:
        moved = _move(run, desk, "dead-letters.purge", queue, 1000, reason=reason, letter_id=letter)
    run.console.answer(moved, f"{moved['moved']} of {queue} thrown away: {_told(moved['reasons'])}")


def _require_way_back(desk: Desk, queue: str) -> None:
    """Raise `UnusableError` for a queue whose letters the desk would not send back."""
    if any(row["queue"] == queue and not row["returns"] for row in desk.items("dead-letters.queues")):
        raise UnusableError(f"what {queue} has given up cannot be sent back")


def _move(run: Run, desk: Desk, name: str, queue: str, rate: int, **meant: str | None) -> Json:
    """Move letters a page at a time, as fast as they may; gives how many, and why they were there."""
    cursor: str | None = None
    reasons: Counter[str] = Counter()
    whole = True
    with run.console.progress(queue) as progress:
        while True:
            began = time.monotonic()
            page = desk.ask(name, queue=queue, **meant, limit=min(AT_ONCE, rate), cursor=cursor)
            reasons.update(page["reasons"])
            progress(f"{reasons.total():,} done")
            cursor, whole = page["cursor"], page["whole"]
            if cursor is None:
                break
            time.sleep(max(0.0, page["moved"] / rate - (time.monotonic() - began)))
    return {"moved": reasons.total(), "reasons": dict(reasons), "whole": whole}


def _told(reasons: Json) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in reasons.items()) or "none"
