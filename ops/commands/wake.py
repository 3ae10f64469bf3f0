"""``onramp wake``: a job for a number or for the census, as the sweep sends them."""

import json
import re
from datetime import UTC, datetime
from typing import Annotated

import typer

from onramp.domain.text import from_iso
from ops.commands.hubs import Hub
from ops.doctor.checks.queues import OUTPUTS
from ops.running import Failed, Run, command, group
from ops.stage.configuration import UnusableError
from ops.stage.reaching import Reached

app = group(
    "Let the worker look at a number, or let a census begin. A job for what has nothing due does nothing."
)


@command(app, "number", spends="what its next step takes, five at most")
def number(
    run: Run,
    *,
    ids: Annotated[list[str], typer.Argument(metavar="PHONE_NUMBER_ID...", help="Meta's ids.")],
    retry: Annotated[bool, typer.Option("--retry", help="Clear the failure.")] = False,
) -> None:
    """Let the worker do a number's next step.

    With --retry a failure that may be retried is cleared first, and a connected number with something wrong
    (`attention`) is proved and mended.
    """
    if wrong := [item for item in ids if not re.fullmatch(r"[0-9]{5,20}", item)]:
        raise UnusableError(f"{wrong[0]} is no phone number id of Meta's: digits only")
    more: dict[str, object] = {"retry": True} if retry else {}
    with run.reached() as found:
        sent = _send(found, [{"phone_number_id": item} | more for item in ids])
    run.console.answer({"jobs": sent}, _told(sent))


@command(app, "census", spends="one for each 200 channels")
def census(run: Run, hub: Hub = None) -> None:
    """Let a census begin, which compares all channels at 360dialog with ours.

    A round begins ten minutes after the last one ended, at the earliest; until then the job plans it.
    """
    with run.desk() as desk:
        found = desk.ask("channels.census", wake=True, hub=hub)
    if not found["woken"]:
        raise Failed("the jobs queue did not take it; the schedule sends one within a day")
    begins = found["not_before"]
    lines = ["1 job sent"]
    if begins and from_iso(begins) > _now():
        lines.append(
            f"the last round ended at {found['ended_at']}; the next one begins at {begins} at the earliest"
        )
    run.console.answer({"jobs": 1, "begins_at": begins}, "\n".join(lines))


def _told(sent: int) -> str:
    return f"{sent} job{'' if sent == 1 else 's'} sent"


def _now() -> datetime:
    return datetime.now(UTC)


def _send(found: Reached, jobs: list[dict[str, object]]) -> int:
    """Send jobs; gives how many. Raises `UnusableError`."""
    url = found.outputs.get(OUTPUTS["jobs_queue"])
    if not url:
        raise UnusableError(f"{found.stack_name} names no jobs queue: deploy it first")
    for job in jobs:
        found.aws.sqs.send_message(QueueUrl=url, MessageBody=json.dumps(job))
    return len(jobs)
