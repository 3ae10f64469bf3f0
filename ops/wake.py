"""``onramp wake``: a job for a number or for the census, as the sweep sends them."""

import argparse
import json
import re
from datetime import UTC, datetime
from typing import Final

from onramp.domain.census import SOON
from onramp.domain.records import HUB
from onramp.domain.text import from_iso, iso
from ops.doctor.checks.queues import OUTPUTS
from ops.records import record_of
from ops.stage.configuration import UnusableError
from ops.stage.reaching import Reached
from ops.tool import DONE, Description, actions, run_action, tell

DESCRIPTION: Final = Description(
    help="let the worker look at a number, or let a census begin",
    description="A job for what has nothing due does nothing.",
)
_NUMBER: Final = Description(
    help="a number's next step",
    description="With --retry a failure that may be retried is cleared first, and a connected number with "
    "something wrong (`attention`) is proved and mended.",
)
_CENSUS: Final = Description(
    help="the census",
    description="Compares all channels at 360dialog with ours. A round begins ten minutes after the last one "
    "ended, at the earliest; until then the job plans it.",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the actions to a command line."""
    found = actions(parser, {"number": (_NUMBER, _number), "census": (_CENSUS, _census)})
    found["number"].add_argument("ids", nargs="+", metavar="PHONE_NUMBER_ID", help="Meta's ids")
    found["number"].add_argument("--retry", action="store_true", help="clear the failure")


def run(given: argparse.Namespace) -> int:
    """Run an action. Returns the exit status."""
    return run_action(given, "wake")


def _number(found: Reached, given: argparse.Namespace) -> int:
    if wrong := [item for item in given.ids if not re.fullmatch(r"[0-9]{5,20}", item)]:
        raise UnusableError(f"{wrong[0]} is no phone number id of Meta's: digits only")
    retry = {"retry": True} if given.retry else {}
    return _send(found, [{"phone_number_id": item} | retry for item in given.ids])


def _census(found: Reached, _: argparse.Namespace) -> int:
    # Read before: the job may begin a round while we look.
    record = record_of(found, "census") or {}
    status = _send(found, [{"census": HUB}])
    ended = record.get("ended_at")
    if not isinstance(ended, str) or record.get("began_at"):
        return status
    at = from_iso(ended)
    if at + SOON > _now():
        tell(f"the last round ended at {iso(at)}; the next one begins at {iso(at + SOON)} at the earliest")
    return status


def _now() -> datetime:
    return datetime.now(UTC)


def _send(found: Reached, jobs: list[dict[str, object]]) -> int:
    url = found.outputs.get(OUTPUTS["jobs_queue"])
    if not url:
        raise UnusableError(f"{found.stack_name} names no jobs queue: deploy it first")
    for job in jobs:
        found.aws.sqs.send_message(QueueUrl=url, MessageBody=json.dumps(job))
    tell(f"{len(jobs)} job{'' if len(jobs) == 1 else 's'} sent")
    return DONE
