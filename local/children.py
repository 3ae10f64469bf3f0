"""Child processes of a local run: started in a group of their own, stopped whole."""

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

LOCAL_HOST = "127.0.0.1"
"""The only interface that anything of a local run listens on."""

PROJECT_ROOT = Path(__file__).resolve().parent.parent
"""The folder that holds ``local/``, ``functions/`` and ``infra/``."""

STATE_DIR = PROJECT_ROOT / ".local"
"""Where local runs keep their files; ignored by git."""

_LIFELINE = Path(__file__).with_name("lifeline.py")
_TERM_GRACE_SECONDS = 5.0
_POLL_SECONDS = 0.02
# What a child may see of the parent's environment. Anything else could change what it
# does: AWS_* would point functions elsewhere, PYTHONPATH would hide a missing bundle file.
_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "SYSTEMROOT")


class ChildFailedError(RuntimeError):
    """A child process ended, or never answered, although it is needed."""


def clean_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Gives the environment for a child.

    Args:
        extra: What the child needs beyond the few variables passed on.

    Returns:
        A new mapping; nothing of ``AWS_*`` or ``PYTHON*`` is inherited.
    """
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    return inherited | dict(extra or {})


def free_port() -> int:
    """Finds a TCP port that is free on 127.0.0.1 at this moment."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((LOCAL_HOST, 0))
        port: int = probe.getsockname()[1]
        return port


class Child:
    """One Python module running as a child process.

    Starts at construction. ``stop`` ends the process and everything it started; leaving
    the context does the same. A child also ends when this process dies (``lifeline.py``).
    """

    def __init__(
        self,
        *,
        name: str,
        python: Path,
        module: str,
        import_root: Path | None = None,
        arguments: Sequence[str] = (),
        environment: Mapping[str, str],
        log: Path,
        output: Path | None = None,
    ) -> None:
        """Starts ``python -m module arguments…``.

        Args:
            name: What messages call the child.
            python: The interpreter.
            module: The module to run.
            import_root: Folder in which imports are looked up first.
            arguments: Its command line.
            environment: Its whole environment.
            log: File for standard error, and for standard output unless ``output`` is given.
            output: File for standard output alone.
        """
        self.name = name
        self.log = log
        with contextlib.ExitStack() as files:
            err = files.enter_context(log.open("ab"))
            out = files.enter_context(output.open("ab")) if output else err
            self._process = subprocess.Popen(
                [str(python), str(_LIFELINE), str(import_root or ""), module, *arguments],
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=err,
                env=dict(environment),
                cwd=log.parent,
                # Ctrl-C in the terminal reaches this process only; it stops the child in order.
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The process id, which is the id of the process group as well."""
        return self._process.pid

    def check_running(self) -> None:
        """Raises ``ChildFailedError`` with the end of the log when the child has ended."""
        status = self._process.poll()
        if status is not None:
            detail = tail(self.log, lines=20)
            raise ChildFailedError(f"{self.name} ended with status {status}:\n{detail}")

    def stop(self) -> None:
        """Ends the process group: SIGTERM, five seconds of grace, then SIGKILL."""
        if self._process.poll() is None:
            self._signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_TERM_GRACE_SECONDS)
        # Grandchildren may outlive their parent for a moment: the group is killed in any case.
        self._signal(signal.SIGKILL)
        self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._await_group_end()

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    def _await_group_end(self) -> None:
        """Waits until no process of the group is left, so that its files can be removed."""
        deadline = time.monotonic() + _TERM_GRACE_SECONDS
        while time.monotonic() < deadline:
            try:
                os.killpg(self.pid, 0)
            except (ProcessLookupError, PermissionError):
                return
            time.sleep(_POLL_SECONDS)

    def __enter__(self) -> Self:
        """Gives the running child."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stops the child."""
        self.stop()


def tail(path: Path, *, lines: int, after: str = "") -> str:
    """Reads the last lines of a text file; a missing file reads as empty.

    Args:
        path: The file.
        lines: How many lines at most.
        after: Only what follows the last line that holds this text, if any does.
    """
    try:
        read = path.read_text(errors="replace").splitlines()
    except FileNotFoundError:
        return ""
    if after:
        marks = [number for number, line in enumerate(read) if after in line]
        read = read[marks[-1] + 1 :] if marks else read
    return "\n".join(read[-lines:])


@contextlib.contextmanager
def run_folder(base: Path = STATE_DIR) -> Iterator[Path]:
    """Makes the folder of one run and removes it afterwards.

    Folders of runs whose process was killed are removed first; the process id in the
    name tells whether a run still lives.

    Args:
        base: The folder that holds the folders of all runs.

    Yields:
        The new, empty folder.
    """
    base.mkdir(parents=True, exist_ok=True)
    for left in base.glob("run-*"):
        owner = left.name.split("-")[1]
        if owner.isdigit() and not _alive(int(owner)):
            shutil.rmtree(left, ignore_errors=True)
    folder = base / f"run-{os.getpid()}-{secrets.token_hex(4)}"
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        _remove(folder)


def _remove(folder: Path) -> None:
    # A worker killed a moment ago may still be letting go of a file: try a few times.
    for _ in range(5):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(0.1)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
