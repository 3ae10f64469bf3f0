from pathlib import Path

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
