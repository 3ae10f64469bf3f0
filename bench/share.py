"""The share of a processor that Lambda gives a function: its memory in 1,769ths."""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

WHOLE = 1_769
"""MB at which a function has one processor."""
CONTROLLER = Path("/sys/fs/cgroup/cpu")
PERIOD = 20_000
"""Microseconds within which the share is given out."""


class NoShareError(Exception):
    """This machine lets nobody limit a process: it takes root and Linux's cpu controller, version 1."""


@contextlib.contextmanager
def share(session: int, memory: int) -> Iterator[None]:
    """Give the processes of a session, and all they start, what a function of so many MB has.

    Raises:
        NoShareError: it cannot be limited here.
    """
    group = CONTROLLER / f"onramp-bench-{session}"
    try:
        group.mkdir()
    except OSError as error:
        raise NoShareError(str(error)) from error
    try:
        (group / "cpu.cfs_period_us").write_text(str(PERIOD), encoding="ascii")
        (group / "cpu.cfs_quota_us").write_text(str(PERIOD * memory // WHOLE), encoding="ascii")
        for process in processes_of(session):
            (group / "cgroup.procs").write_text(process.name, encoding="ascii")
        yield
    finally:
        _leave(group)


def processes_of(session: int) -> Iterator[Path]:
    """The processes of a session, as folders of `/proc`."""
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            told = (process / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
            if int(told[3]) == session:
                yield process


def _leave(group: Path) -> None:
    """Put the processes back, then remove the group; one that is ending takes a moment."""
    for name in (group / "cgroup.procs").read_text(encoding="ascii").split():
        with contextlib.suppress(OSError):
            (CONTROLLER / "cgroup.procs").write_text(name, encoding="ascii")
    for _ in range(100):
        with contextlib.suppress(OSError):
            group.rmdir()
            return
        time.sleep(0.02)
