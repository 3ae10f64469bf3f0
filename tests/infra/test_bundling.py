import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from infra import bundling
from infra.bundling import AWS_ROOTS, KEPT_BUNDLES, Bundle, BundleError, Sources, aws_roots, build_bundles
from infra.cards import CARDS, PackageName
from infra.imports import ForeignImportError, modules_needed
from infra.paths import RUNTIME_LOCK


@pytest.fixture
def functions(tmp_path: Path) -> Path:
    """A small tree like the project's own."""
    root = tmp_path / "functions"
    files = {
        "webhook_receiver.py": "import hmac\nfrom onramp.adapters import signing\n",
        "meta_receiver.py": "from onramp.adapters import signing\n",
        "hosted_page.py": "from onramp.domain.words import WORDS\n",
        "reconciler.py": "import h11\nfrom onramp import ports\n",
        "onramp/__init__.py": "",
        "onramp/ports.py": "import h11\n",
        "onramp/adapters/__init__.py": "",
        "onramp/adapters/signing.py": (
            "from typing import TYPE_CHECKING\n"
            "from ..domain.words import WORDS\n"
            "if TYPE_CHECKING:\n    from onramp.ports import Port\n"
            "def late():\n    import onramp.domain.late\n    return {'b', 'a', 'c'}\n"
        ),
        "onramp/adapters/table.py": "import h11\n",
        "onramp/adapters/memory.py": "",
        "onramp/domain/__init__.py": "",
        "onramp/domain/late.py": "",
        "onramp/domain/words.py": "WORDS = frozenset(('x', 'y', 'z'))\n",
    }
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    """One small package of the real lock, so that a test takes no seconds."""
    entry = re.search(r"^h11==.*?(?=^\S)", RUNTIME_LOCK.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert entry
    path = tmp_path / "runtime.txt"
    path.write_text(entry.group(), encoding="utf-8")
    return path


def _names(folder: Path) -> set[str]:
    files = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {path.as_posix() for path in files if "__pycache__" not in path.parts}


def _contents(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        stat = path.stat()
        digest.update(f"{path.relative_to(folder)} {stat.st_mode:o} {stat.st_mtime_ns}\0".encode())
        digest.update(path.read_bytes() if path.is_file() else b"")
    return digest.hexdigest()


def test_the_receivers_modules_are_found_through_their_imports(functions: Path) -> None:
    needed = modules_needed(entry=functions / "webhook_receiver.py", root=functions)
    assert [path.relative_to(functions).as_posix() for path in needed] == [
        "onramp/__init__.py",
        "onramp/adapters/__init__.py",
        "onramp/adapters/signing.py",
        "onramp/domain/__init__.py",
        "onramp/domain/late.py",
        "onramp/domain/words.py",
        "webhook_receiver.py",
    ]


def test_a_foreign_import_below_the_receiver_is_refused(functions: Path) -> None:
    (functions / "onramp/domain/words.py").write_text("import pydantic\n", encoding="utf-8")
    with pytest.raises(ForeignImportError, match=r"onramp/domain/words\.py imports pydantic"):
        modules_needed(entry=functions / "webhook_receiver.py", root=functions)


def test_what_goes_into_which_bundle(functions: Path, lock: Path, tmp_path: Path) -> None:
    bundles = build_bundles(
        local=False, sources=Sources(functions=functions, lock=lock, sender_lock=lock, kept=tmp_path / "kept")
    )
    assert _names(bundles["receiver"].path) >= {"webhook_receiver.py", "onramp/adapters/signing.py"}
    assert not _names(bundles["receiver"].path) & {"onramp/ports.py", "h11/__init__.py", "reconciler.py"}
    assert _names(bundles["app"].path) >= {"reconciler.py", "onramp/ports.py", "h11/__init__.py"}
    assert not {"webhook_receiver.py", "onramp/adapters/memory.py"} & _names(bundles["app"].path)
    assert not [name for name in _names(bundles["app"].path) if name.endswith(("RECORD", ".lock", ".pyi"))]
    assert {bundle.machine for bundle in bundles.values()} == {"aarch64"}


def test_the_same_input_gives_the_same_bytes_anywhere(functions: Path, lock: Path, tmp_path: Path) -> None:
    first = build_bundles(
        local=False, sources=Sources(functions=functions, lock=lock, sender_lock=lock, kept=tmp_path / "a")
    )
    moved = functions.rename(tmp_path / "moved")
    second = build_bundles(
        local=False,
        sources=Sources(
            functions=moved, lock=lock, sender_lock=lock, kept=tmp_path / "a" / "longer" / "path"
        ),
    )
    for name in first:
        assert first[name].path.name == second[name].path.name
        assert _contents(first[name].path) == _contents(second[name].path)


def test_a_bundle_is_made_once_and_again_when_its_input_changes(
    functions: Path, lock: Path, tmp_path: Path
) -> None:
    sources = Sources(functions=functions, lock=lock, sender_lock=lock, kept=tmp_path / "kept")
    first = build_bundles(local=False, sources=sources)
    assert build_bundles(local=False, sources=sources) == first
    (functions / "reconciler.py").write_text("import h11  # changed\n", encoding="utf-8")
    second = build_bundles(local=False, sources=sources)
    assert second["app"] != first["app"]
    assert second["receiver"] == first["receiver"]
    assert not list((tmp_path / "kept").glob(".new-*"))


def test_old_bundles_go(functions: Path, lock: Path, tmp_path: Path) -> None:
    sources = Sources(functions=functions, lock=lock, sender_lock=lock, kept=tmp_path / "kept")
    for n in range(KEPT_BUNDLES + 2):
        (functions / "webhook_receiver.py").write_text(f"NUMBER = {n}\n", encoding="utf-8")
        bundle = build_bundles(local=False, sources=sources)["receiver"]
        assert bundle.path.is_dir()
    assert len(list((tmp_path / "kept").glob("receiver-*"))) == KEPT_BUNDLES


def test_bytecode_is_trusted_unchecked_and_names_no_folder_of_this_machine(
    functions: Path, lock: Path, tmp_path: Path
) -> None:
    bundles = build_bundles(
        local=False, sources=Sources(functions=functions, lock=lock, sender_lock=lock, kept=tmp_path / "kept")
    )
    compiled = [path for bundle in bundles.values() for path in bundle.path.rglob("*.pyc")]
    assert len(compiled) >= 10
    for path in compiled:
        content = path.read_bytes()
        assert int.from_bytes(content[4:8], "little") == 0b01, (
            f"{path.name} would be checked against its source"
        )
        assert str(tmp_path).encode() not in content
        assert path.name.endswith(".cpython-313.pyc")


@pytest.mark.parametrize(
    ("missing", "told"),
    [
        ("functions/webhook_receiver.py", "webhook_receiver.py is missing"),
        ("functions/meta_receiver.py", "meta_receiver.py is missing"),
        ("functions/hosted_page.py", "hosted_page.py is missing"),
        ("runtime.txt", "no "),
    ],
)
def test_a_missing_input_is_named(
    functions: Path, lock: Path, tmp_path: Path, missing: str, told: str
) -> None:
    (tmp_path / missing).unlink()
    with pytest.raises(BundleError, match=told):
        build_bundles(
            local=False,
            sources=Sources(functions=functions, lock=lock, sender_lock=lock, kept=tmp_path / "kept"),
        )


def test_a_hash_that_does_not_match_stops_the_installer(functions: Path, lock: Path, tmp_path: Path) -> None:
    text = lock.read_text(encoding="utf-8")
    lock.write_text(re.sub(r"sha256:[0-9a-f]{64}", "sha256:" + "0" * 64, text), encoding="utf-8")
    with pytest.raises(BundleError, match="uv failed"):
        build_bundles(
            local=False,
            sources=Sources(functions=functions, lock=lock, sender_lock=lock, kept=tmp_path / "kept"),
        )


# --- the project's own bundles -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def bundles() -> dict[PackageName, Bundle]:
    """The real ones, for this machine."""
    return build_bundles(local=True)


def _run_alone(bundle: Bundle, code: str) -> str:
    """Run code with nothing but the bundle and the standard library."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-B", "-c", f"import sys; sys.path.insert(0, '.')\n{code}"],
        cwd=bundle.path,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_receivers_bundle_holds_nothing_of_others(bundles: dict[PackageName, Bundle]) -> None:
    assert {name.partition("/")[0] for name in _names(bundles["receiver"].path)} == {
        "onramp",
        "webhook_receiver.py",
    }
    _run_alone(bundles["receiver"], "import webhook_receiver; assert callable(webhook_receiver.handler)")


def test_every_function_starts_from_its_bundle_alone_without_any_environment(
    bundles: dict[PackageName, Bundle],
) -> None:
    names = [name for name, card in CARDS.items() if card.package == "app"]
    imports = "".join(f"import {name}\nassert callable({name}.handler)\n" for name in names)
    _run_alone(bundles["app"], imports)


def test_the_pages_bundle_holds_its_files_and_the_module_and_answers_alone(
    bundles: dict[PackageName, Bundle],
) -> None:
    names = _names(bundles["page"].path)
    assert {name for name in names if not name.startswith("page/")} == {
        "hosted_page.py",
        "onramp/__init__.py",
        "onramp/adapters/__init__.py",
        "onramp/adapters/starting.py",
    }
    assert {name.partition("/")[2] for name in names} >= {"index.html", "lang/en.json", "onramp.js"}
    told = _run_alone(
        bundles["page"],
        "import os\n"
        "os.environ |= {'META_SDK_BASE_URL': 'https://connect.facebook.net', 'SIGNUP_PAGE': '{}'}\n"
        "import hosted_page\n"
        "print(hosted_page.handler({'pathParameters': {'file': 'onramp.js'}}, None)['statusCode'])",
    )
    assert told.split() == ["200"]


def test_no_bundle_has_the_sdk(bundles: dict[PackageName, Bundle]) -> None:
    for bundle in bundles.values():
        assert not {"boto3", "botocore"} & {name.partition("/")[0] for name in _names(bundle.path)}


@pytest.mark.parametrize("package", ["app", "receiver"])
def test_each_bundle_brings_awss_roots_to_where_they_are_looked_for(
    bundles: dict[PackageName, Bundle], package: PackageName
) -> None:
    told = _run_alone(
        bundles[package],
        "from onramp.adapters import wire\n"
        "made = wire.context(every=False)\n"
        "print(len(made.get_ca_certs()), made.check_hostname)",
    )
    assert told.split() == [str(len(AWS_ROOTS)), "True"]


def test_a_root_that_the_list_has_no_more_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert aws_roots().count("BEGIN CERTIFICATE") == len(AWS_ROOTS)
    monkeypatch.setattr(bundling, "AWS_ROOTS", AWS_ROOTS | {"Amazon Root CA 99"})
    with pytest.raises(BundleError, match="Amazon Root CA 99"):
        aws_roots()
