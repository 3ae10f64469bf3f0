"""Synthesizes the stage of the local run, once for each state of the sources.

A synthesis takes 10 seconds and more and depends on nothing but files of this project, so
its output is kept under ``.local/synth/<hash of those files>``.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from local.children import PROJECT_ROOT, STATE_DIR

LOCAL_STAGE = "local"
"""The stage of the local run, configured by ``config/local.toml``."""

SOURCES = (
    "infra",
    "functions",
    "web/page",
    "web/dist",
    "config",
    "requirements",
    "cdk.json",
    ".python-version",
)
"""What a synthesis depends on, relative to the project's root."""

# What makes any stage fit for this machine: functions built for it, tokens of an issuer that the run names
# later (never a Cognito pool), and nothing that outlives its stack.
_CONTEXT = {
    "local": "true",
    "api.jwt_issuer": "https://issuer.invalid",
    "api.jwt_audience": "onramp-local",
    "stage.removal": "destroy",
}
_KEPT = 3
_TIMEOUT_SECONDS = 170
_SKIPPED = frozenset({"__pycache__", ".mypy_cache", ".ruff_cache"})
_MANIFEST = "manifest.json"
_UNFINISHED = "new"


class SynthError(RuntimeError):
    """The synthesis failed; the message holds what it printed."""


def fingerprint(root: Path, sources: Iterable[str] = SOURCES, *, stage: str = LOCAL_STAGE) -> str:
    """Computes the hash that names the kept output of a synthesis.

    Args:
        root: The project's root.
        sources: Files and folders below it; missing ones are left out.
        stage: The stage.

    Returns:
        32 hexadecimal digits, different whenever a name or a byte of the sources differs.
    """
    digest = hashlib.sha256(f"{stage}\n{sys.version_info[:2]}\n{_CONTEXT}\n".encode())
    for path in _files(root, sources):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{path.relative_to(root).as_posix()} {content}\n".encode())
    return digest.hexdigest()[:32]


def is_kept(stage: str = LOCAL_STAGE) -> bool:
    """Tells whether the sources as they are now have been synthesized already."""
    return (_home() / fingerprint(PROJECT_ROOT, stage=stage) / _MANIFEST).exists()


def synthesize(stage: str = LOCAL_STAGE) -> Path:
    """Gives the synthesized assembly of a stage, from the kept ones if the sources are unchanged.

    Args:
        stage: Name of a file of ``config/``, without its ending.

    Returns:
        The folder of the assembly.

    Raises:
        SynthError: ``infra/app.py`` failed or took longer than 170 s.
    """
    home = _home()
    target = home / fingerprint(PROJECT_ROOT, stage=stage)
    home.mkdir(parents=True, exist_ok=True)
    with _alone(home):
        if (target / _MANIFEST).exists():
            target.touch()
            return target
        unfinished = home / _UNFINISHED
        shutil.rmtree(unfinished, ignore_errors=True)
        _run(unfinished, stage)
        unfinished.rename(target)
        _forget_old(home)
    return target


@contextlib.contextmanager
def _alone(home: Path) -> Iterator[None]:
    """Waits until no run beside this one synthesizes: it may be the very same. Ends with the process."""
    with (home / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _run(folder: Path, stage: str) -> None:
    context = {"stage": stage} | _CONTEXT
    command = [sys.executable, str(PROJECT_ROOT / "infra" / "app.py")]
    environment = _environment() | {
        "CDK_OUTDIR": str(folder),
        "CDK_CONTEXT_JSON": json.dumps(context),
        "ONRAMP_STAGE": stage,
    }
    try:
        done = subprocess.run(
            command,
            cwd=PROJECT_ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise SynthError(f"the synthesis took longer than {_TIMEOUT_SECONDS} s") from error
    if done.returncode != 0:
        printed = "\n".join((done.stdout + done.stderr).splitlines()[-30:])
        raise SynthError(f"the synthesis failed with status {done.returncode}:\n{printed}")


def _environment() -> dict[str, str]:
    """The environment of the synthesis: ours, for the installer needs its settings, less what misleads."""
    misleading = ("AWS_", "CDK_", "PYTHONPATH", "JSII_RUNTIME")
    return {name: value for name, value in os.environ.items() if not name.startswith(misleading)}


def _home() -> Path:
    return STATE_DIR / "synth"


def _files(root: Path, sources: Iterable[str]) -> Iterator[Path]:
    for source in sources:
        path = root / source
        if path.is_file():
            yield path
        for found in sorted(path.rglob("*")) if path.is_dir() else ():
            if found.is_file() and not _SKIPPED & set(found.relative_to(root).parts):
                yield found


def _forget_old(home: Path) -> None:
    """Removes all but the last few outputs, by the time they were last used."""
    kept = sorted(
        (p for p in home.iterdir() if (p / _MANIFEST).exists()),
        key=lambda p: p.stat().st_mtime,
        reverse=True,
    )
    for old in kept[_KEPT:]:
        shutil.rmtree(old, ignore_errors=True)
