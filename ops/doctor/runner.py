"""Runs checks side by side. Whatever a check does, it ends in a finding."""

import queue
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import httpx
from botocore.exceptions import BotoCoreError, ClientError

from onramp.adapters.aws_light import AwsError
from onramp.domain.errors import UnavailableError
from ops.doctor.catalogue import Check
from ops.doctor.findings import Finding, Stop, fail, warn
from ops.doctor.stage import Stage

WORKERS: Final = 6
MARGIN: Final = 30.0
"""Seconds beyond twice the stage's patience after which a check counts as stuck."""
_NOT_ALLOWED: Final = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "UnauthorizedOperation",
        "AuthorizationError",
        "KMSAccessDeniedException",
    }
)


@dataclass(frozen=True, slots=True)
class Examined:
    """A check with its finding, and how many seconds it took."""

    check: Check
    finding: Finding
    seconds: float


type Progress = Callable[[Sequence[Check], Sequence[Examined]], None]
"""Called when something has changed: the checks that run, those that are done."""


def examine(
    stage: Stage,
    checks: Sequence[Check],
    *,
    progress: Progress = lambda _running, _done: None,
    limit: float | None = None,
) -> list[Examined]:
    """Run checks on a stage, some at a time.

    Args:
        stage: the stage.
        checks: the checks.
        progress: told whenever a check begins or ends.
        limit: seconds that all of it may take; what is not done by then is reported as stuck.

    Returns:
        The findings in the order of `checks`.
    """
    waiting: queue.SimpleQueue[Check] = queue.SimpleQueue()
    ended: queue.SimpleQueue[Check | Examined] = queue.SimpleQueue()
    for check in checks:
        waiting.put(check)
    # Daemons, for a thread cannot be ended: one that is stuck must not keep the program from ending.
    for _ in range(min(WORKERS, len(checks))):
        threading.Thread(target=_work, args=(stage, waiting, ended), daemon=True).start()
    give_up = time.monotonic() + (limit if limit is not None else 2 * stage.patience + MARGIN)
    running: dict[str, Check] = {}
    done: dict[str, Examined] = {}
    while len(done) < len(checks):
        try:
            news = ended.get(timeout=max(0.0, give_up - time.monotonic()))
        except queue.Empty:
            break
        if isinstance(news, Examined):
            done[news.check.name] = news
            running.pop(news.check.name, None)
        else:
            running[news.name] = news
        progress(list(running.values()), list(done.values()))
    return [done.get(check.name) or _stuck(check, stage) for check in checks]


def _work(
    stage: Stage,
    waiting: "queue.SimpleQueue[Check]",
    ended: "queue.SimpleQueue[Check | Examined]",
) -> None:
    while True:
        try:
            check = waiting.get_nowait()
        except queue.Empty:
            return
        ended.put(check)
        ended.put(run_one(stage, check))


def run_one(stage: Stage, check: Check) -> Examined:
    """Run one check. Never raises, and takes any secret out of what it says."""
    started = time.monotonic()
    finding = _finding(stage, check)
    seconds = time.monotonic() - started
    clean = replace(finding, detail=stage.conceal(finding.detail), advice=stage.conceal(finding.advice))
    return Examined(check, clean, seconds)


def _finding(stage: Stage, check: Check) -> Finding:
    try:
        return check.run(stage)
    except Stop as stop:
        return stop.finding
    except (ClientError, BotoCoreError, AwsError, UnavailableError) as error:
        return _aws_trouble(error)
    except httpx.HTTPError as error:
        return fail(
            f"no answer ({type(error).__name__})", "Check this machine's network and its proxy settings."
        )
    except Exception as error:  # noqa: BLE001 - a check that breaks must not take the others along
        return _crashed(error)


def _aws_trouble(error: Exception) -> Finding:
    """AWS does not do what was asked; behind an error of a port stands what AWS said."""
    cause: BaseException = error
    while cause.__cause__ is not None and not isinstance(cause, ClientError):
        cause = cause.__cause__
    if isinstance(cause, ClientError):
        return _refused_by_aws(cause)
    return fail(f"AWS cannot be asked ({type(cause).__name__})", "Check credentials, region and network.")


def _refused_by_aws(error: ClientError) -> Finding:
    code = error.response.get("Error", {}).get("Code", "")
    if code in _NOT_ALLOWED:
        return warn(
            f"not looked at: your AWS credentials may not {error.operation_name}",
            "Use a role that may; ops/README.md lists what the doctor asks of AWS.",
        )
    return fail(
        f"AWS refuses {error.operation_name} ({code})", "Does what the stack's outputs name still exist?"
    )


def _crashed(error: Exception) -> Finding:
    # Kind and place only: the text of an error may quote what must not be shown.
    place = traceback.extract_tb(error.__traceback__)[-1]
    return fail(
        f"the check itself broke: {type(error).__name__} in {Path(place.filename).name}, line {place.lineno}",
        "This is a mistake in the doctor: please report it. The other checks stand.",
    )


def _stuck(check: Check, stage: Stage) -> Examined:
    return Examined(check, fail("did not end in time", "Run it alone: --only " + check.name), stage.patience)
