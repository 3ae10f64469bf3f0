import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from infra import paths
from local import stack
from local.children import PROJECT_ROOT
from local.stack import fingerprint

SOURCES = ("infra", "cdk.json")


def tree(root: Path) -> Path:
    (root / "infra").mkdir()
    (root / "infra" / "app.py").write_text("a = 1\n")
    (root / "cdk.json").write_text("{}")
    return root


def test_the_same_sources_have_the_same_fingerprint(tmp_path: Path) -> None:
    root = tree(tmp_path)
    first = fingerprint(root, SOURCES)
    (root / "infra" / "app.py").touch()
    (root / "infra" / "__pycache__").mkdir()
    (root / "infra" / "__pycache__" / "app.pyc").write_text("compiled")
    (root / "README.md").write_text("not a source")
    assert fingerprint(root, SOURCES) == first


def test_a_changed_byte_a_new_name_and_another_stage_change_it(tmp_path: Path) -> None:
    root = tree(tmp_path)
    seen = {fingerprint(root, SOURCES), fingerprint(root, SOURCES, stage="two")}
    (root / "infra" / "app.py").write_text("a = 2\n")
    seen.add(fingerprint(root, SOURCES))
    (root / "infra" / "app.py").rename(root / "infra" / "main.py")
    seen.add(fingerprint(root, SOURCES))
    (root / "cdk.json").unlink()
    seen.add(fingerprint(root, SOURCES))
    assert len(seen) == 5


def test_all_that_is_packaged_counts_the_pages_files_among_it() -> None:
    packaged = (paths.FUNCTIONS, paths.PAGE, paths.BROWSER_MODULE)
    sources = [PROJECT_ROOT / source for source in stack.SOURCES]
    lacking = [path for path in packaged if not any(path.is_relative_to(source) for source in sources)]
    assert lacking == []


def test_runs_that_begin_together_synthesize_once_and_each_finds_it_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    began: list[Path] = []

    def run(folder: Path, stage: str) -> None:
        began.append(folder)
        folder.mkdir()
        time.sleep(0.05)
        (folder / "manifest.json").write_text(stage)

    monkeypatch.setattr(stack, "_run", run)
    monkeypatch.setattr(stack, "fingerprint", lambda *_, **__: "same")
    monkeypatch.setattr(stack, "STATE_DIR", tmp_path)
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(stack.synthesize, ["local"] * 6))
    assert {(folder / "manifest.json").read_text() for folder in found} == {"local"}
    assert len(began) == 1


def test_what_a_failed_synthesis_leaves_is_in_nobodys_way_and_the_last_few_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stages = ["one", "two", "three", "four"]

    def run(folder: Path, stage: str) -> None:
        folder.mkdir()
        if stage == "broken":
            raise stack.SynthError("no")
        (folder / "manifest.json").write_text(stage)

    monkeypatch.setattr(stack, "_run", run)
    monkeypatch.setattr(stack, "STATE_DIR", tmp_path)
    with pytest.raises(stack.SynthError):
        stack.synthesize("broken")
    folders = [stack.synthesize(stage) for stage in stages]
    assert [folder.exists() for folder in folders] == [False, True, True, True]
