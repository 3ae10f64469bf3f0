"""Processes really are started here: what counts is that none is left."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from harness.waiting import eventually
from local.children import PROJECT_ROOT, Child, ChildFailedError, clean_environment, run_folder, tail

# Starts a child of its own, tells its process id, then waits.
PARENT = """
import pathlib, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
pathlib.Path("grandchild").write_text(str(child.pid))
time.sleep(60)
"""
# Starts a Child as the local run does, then waits to be killed.
OWNER = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from local.children import Child, clean_environment
folder = Path(sys.argv[1])
child = Child(
    name="x", python=Path(sys.executable), module="sleeper", import_root=folder,
    environment=clean_environment(), log=folder / "log",
)
time.sleep(60)
"""


def alive(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return status != "Z"


def start(folder: Path) -> Child:
    (folder / "sleeper.py").write_text(PARENT)
    return Child(
        name="sleeper",
        python=Path(sys.executable),
        module="sleeper",
        import_root=folder,
        environment=clean_environment(),
        log=folder / "log",
    )


def grandchild(folder: Path) -> int:
    written = folder / "grandchild"
    eventually(lambda: written.exists() and written.read_text())
    return int(written.read_text())


needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at /proc")


@needs_proc
def test_stopping_a_child_ends_its_children_too(tmp_path: Path) -> None:
    with start(tmp_path) as child:
        pid = grandchild(tmp_path)
        child.check_running()
    assert not alive(child.pid)
    eventually(lambda: not alive(pid))


@needs_proc
def test_a_killed_owner_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "sleeper.py").write_text(PARENT)
    command = [sys.executable, "-c", OWNER, str(tmp_path), str(PROJECT_ROOT)]
    with subprocess.Popen(command, start_new_session=True) as owner:
        pid = grandchild(tmp_path)
        os.kill(owner.pid, signal.SIGKILL)
    eventually(lambda: not alive(pid))


def test_a_child_that_ended_is_told_with_its_log(tmp_path: Path) -> None:
    with start(tmp_path) as child:
        grandchild(tmp_path)
        child.log.write_text("the reason\n")
        os.kill(child.pid, signal.SIGKILL)
        eventually(lambda: not alive(child.pid))
        with pytest.raises(ChildFailedError, match="the reason"):
            eventually(child.check_running)


def test_the_folder_of_a_run_goes_whatever_happens(tmp_path: Path) -> None:
    def fail_in_a_run() -> None:
        with run_folder(tmp_path) as folder:
            (folder / "file").write_text("x")
            raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError, match="in the middle"):
        fail_in_a_run()
    assert list(tmp_path.iterdir()) == []


def test_folders_of_dead_runs_are_swept_and_those_of_living_ones_stay(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()
    dead, living = tmp_path / f"run-{ended.pid}-aa", tmp_path / f"run-{os.getppid()}-bb"
    dead.mkdir()
    living.mkdir()
    with run_folder(tmp_path):
        assert not dead.exists()
        assert living.exists()


def test_nothing_that_misleads_a_function_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://elsewhere")
    monkeypatch.setenv("PYTHONPATH", "/somewhere")
    environment = clean_environment({"A": "1"})
    assert environment["A"] == "1"
    assert "PATH" in environment
    assert not {name for name in environment if name.startswith(("AWS_", "PYTHON"))}


def test_the_end_of_a_log_is_read_and_a_missing_one_is_empty(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("1\n2\n3\n")
    assert tail(tmp_path / "log", lines=2) == "2\n3"
    assert tail(tmp_path / "log", lines=2, after="2") == "3"
    assert tail(tmp_path / "log", lines=2, after="9") == "2\n3"
    assert tail(tmp_path / "nothing", lines=2) == ""
