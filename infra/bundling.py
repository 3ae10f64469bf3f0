"""Packages the functions' code without Docker: the same input gives the same bytes, on any machine.

Five bundles: ``receiver`` has the webhook receiver and just what it imports, nothing of others, so that it
starts fast; ``meta`` likewise the receiver of Meta's own webhook; ``page`` the function that serves the
hosted page, and the page's files with the browser module; ``app`` has the other functions, our package, and
the locked dependencies for Lambda's platform; ``sender`` those that sign what goes out, with the library for
it, which nobody else has to carry.
All carry bytecode for exactly Lambda's Python; who calls AWS, the few roots that its certificates lead to. A
bundle is named after its inputs, and made once.
"""

import hashlib
import os
import platform
import shutil
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import certifi

from infra import paths
from infra.cards import CARDS, PackageName
from infra.imports import ForeignImportError, modules_needed
from infra.joining import JoinError, join

RECEIVER = "webhook_receiver.py"
META_RECEIVER = "meta_receiver.py"
HOSTED_PAGE = "hosted_page.py"
PAGE_FOLDER = "page"
"""Where the page's files are in its bundle."""
PAGE_ENTRY = "page.js"
PAGE_SUFFIXES = frozenset({".css", ".html", ".js", ".json", ".svg"})
# Ours, but nothing that runs on Lambda: the table in memory that tests and the bench use.
LEFT_OUT = frozenset({"onramp/adapters/memory.py"})
SIGNER = "onramp/adapters/signer.py"
"""The module that loads the library for signatures."""
SENDERS = frozenset(f"{name}.py" for name, card in CARDS.items() if card.package == "sender")
PYTHON = (3, 13)
LAMBDA_MACHINE = "aarch64"
LAMBDA_PLATFORM = "aarch64-manylinux_2_28"
# Where Lambda unpacks a bundle: what tracebacks show.
TASK_ROOT = "/var/task"
# Who signs for AWS's endpoints (https://www.amazontrust.com/repository), by their names in Mozilla's list.
AWS_ROOTS = frozenset(
    {
        "Amazon Root CA 1",
        "Amazon Root CA 2",
        "Amazon Root CA 3",
        "Amazon Root CA 4",
        "Starfield Services Root Certificate Authority - G2",
    }
)
AWS_ROOTS_FILE = Path("onramp/adapters/aws_roots.pem")
CALLS_NOBODY: frozenset[PackageName] = frozenset({"page"})
UNUSED_NAMES = frozenset({"__pycache__", "bin", "examples", "tests"})
UNUSED_METADATA = frozenset({"RECORD", "INSTALLER", "REQUESTED", "direct_url.json"})
UNUSED_SUFFIXES = (".pyc", ".pyi", ".pth", ".lock")
# Finished bundles of each name that are left for the next synthesis.
KEPT_BUNDLES = 6
FIXED_TIME = 315_619_200  # 1980-01-02: the first day that any zip tool can write


class BundleError(Exception):
    """The functions' code cannot be packaged."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """A folder with code, and the machine that its compiled parts are for."""

    path: Path
    machine: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """What bundles are made of, and where finished ones are kept."""

    functions: Path = field(default=paths.FUNCTIONS)
    lock: Path = field(default=paths.RUNTIME_LOCK)
    sender_lock: Path = field(default=paths.SENDER_LOCK)
    page: Path = field(default=paths.PAGE)
    module: Path = field(default=paths.BROWSER_MODULE)
    kept: Path = field(default=paths.BUNDLES)


def build_bundles(*, local: bool, sources: Sources | None = None) -> dict[PackageName, Bundle]:
    """Package everything, or find it packaged.

    Args:
        local: for this machine instead of Lambda's arm64.
        sources: where the inputs are; the project's by default.

    Raises:
        BundleError: an input is missing, the receiver or the page's function imports what it must not, or the
            installer fails.
    """
    sources = sources or Sources()
    if sys.version_info[:2] != PYTHON:
        raise BundleError(f"bytecode must be made by Python {'.'.join(map(str, PYTHON))}")
    machine = _host_machine() if local else LAMBDA_MACHINE
    receiver = _alone(RECEIVER, "the receiver", sources)
    meta = _alone(META_RECEIVER, "Meta's receiver", sources)
    page = _alone(HOSTED_PAGE, "the hosted page", sources) | page_files(sources)
    app, sender = _app_files(sources), _sender_files(sources)
    target = "host" if local else LAMBDA_PLATFORM
    return {
        "receiver": Bundle(_kept("receiver", receiver, sources), machine),
        "meta": Bundle(_kept("meta", meta, sources), machine),
        "page": Bundle(_kept("page", page, sources), machine),
        "app": Bundle(_kept("app", app, sources, target, sources.lock), machine),
        "sender": Bundle(_kept("sender", sender, sources, target, sources.sender_lock), machine),
    }


def empty_bundles(*, local: bool) -> dict[PackageName, Bundle]:
    """Stand-ins without code, for looking at a template."""
    folder = paths.BUNDLES / "empty"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "README").write_text("No code: the template was made with skip_bundling.\n", encoding="utf-8")
    machine = _host_machine() if local else LAMBDA_MACHINE
    return {name: Bundle(folder, machine) for name in get_args(PackageName)}


def _host_machine() -> str:
    return "aarch64" if platform.machine().lower() in {"aarch64", "arm64"} else "x86_64"


# --- inputs ------------------------------------------------------------------------------------------


# A file by its name in the bundle: where it is, or what is in it.
type Files = Mapping[str, Path | bytes]


def _alone(name: str, whose: str, sources: Sources) -> dict[str, Path | bytes]:
    """A function that does with the standard library, and our modules that it needs."""
    entry = sources.functions / name
    if not entry.is_file():
        raise BundleError(f"{sources.functions.name}/{name} is missing")
    try:
        return _named(modules_needed(entry=entry, root=sources.functions), sources)
    except ForeignImportError as error:
        raise BundleError(f"{whose} must do with the standard library: {error}") from error


def page_files(sources: Sources) -> dict[str, Path | bytes]:
    """The hosted page's files by their names in its bundle; its modules are one. Raises `BundleError`."""
    own = [path for path in sources.page.rglob("*") if path.is_file() and path.suffix in PAGE_SUFFIXES]
    entry = sources.page / PAGE_ENTRY
    if entry not in own or not sources.module.is_file():
        raise BundleError(f"no {PAGE_ENTRY} in {sources.page.name}, or no {sources.module.name}")
    try:
        script = join(entry).encode()
    except JoinError as error:
        raise BundleError(f"the hosted page's modules cannot be joined: {error}") from error
    files = {path.relative_to(sources.page).as_posix(): path for path in own if path.suffix != ".js"}
    named: dict[str, Path | bytes] = {**files, PAGE_ENTRY: script, sources.module.name: sources.module}
    return {f"{PAGE_FOLDER}/{name}": content for name, content in named.items()}


def _named(files: Iterable[Path], sources: Sources) -> dict[str, Path | bytes]:
    return {path.relative_to(sources.functions).as_posix(): path for path in files}


def _app_files(sources: Sources) -> dict[str, Path | bytes]:
    elsewhere = {RECEIVER, META_RECEIVER, HOSTED_PAGE, *SENDERS}
    handlers = [path for path in sources.functions.glob("*.py") if path.name not in elsewhere]
    return _with_package(handlers, sources, LEFT_OUT | {SIGNER})


def _sender_files(sources: Sources) -> dict[str, Path | bytes]:
    handlers = [path for path in sources.functions.glob("*.py") if path.name in SENDERS]
    return _with_package(handlers, sources, LEFT_OUT)


def _with_package(handlers: list[Path], sources: Sources, without: frozenset[str]) -> dict[str, Path | bytes]:
    """Handlers and our package, to be put beside what their lock names. Raises `BundleError`."""
    package = [path for path in (sources.functions / "onramp").rglob("*") if path.is_file()]
    left_out = {sources.functions / name for name in without}
    files = [
        path for path in (*handlers, *package) if "__pycache__" not in path.parts and path not in left_out
    ]
    missing = [lock.name for lock in (sources.lock, sources.sender_lock) if not lock.is_file()]
    if not files or missing:
        raise BundleError(f"nothing to package in {sources.functions.name}, or no {', '.join(missing)}")
    return _named(files, sources)


def _key(files: Files, target: str | None, lock: Path | None) -> str:
    """Names a bundle by all that goes into it, this module included."""
    digest = hashlib.sha256(f"{sys.version}|{target}|".encode())
    around = (Path(__file__), Path(certifi.where()), *([lock] if lock else []))
    for name, content in (*((path.name, path) for path in around), *sorted(files.items())):
        digest.update(f"{name}\0".encode() + hashlib.sha256(_bytes(content)).digest())
    return digest.hexdigest()[:20]


# --- making ------------------------------------------------------------------------------------------


def _kept(
    name: PackageName, files: Files, sources: Sources, target: str | None = None, lock: Path | None = None
) -> Path:
    finished = sources.kept / f"{name}-{_key(files, target, lock)}"
    if finished.is_dir():
        return finished
    _say(f"packaging {name}" + (f" for {target}" if target else ""))
    sources.kept.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=sources.kept, prefix=".new-") as scratch:
        folder = Path(scratch, name)
        folder.mkdir()
        if target and lock:
            install(folder, lock, target)
            _prune(folder)
        for inside, content in files.items():
            copy = folder / inside
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(_bytes(content))
        roots = folder / AWS_ROOTS_FILE
        if name not in CALLS_NOBODY and roots.parent.is_dir():
            roots.write_text(aws_roots(), encoding="ascii")
        compile_code(folder)
        _level(folder)
        try:
            folder.rename(finished)
        except OSError:
            # Another run was faster; its bundle is the same.
            if not finished.is_dir():
                raise
    _forget_old(name, sources.kept)
    return finished


def _bytes(content: Path | bytes) -> bytes:
    return content if isinstance(content, bytes) else content.read_bytes()


def aws_roots() -> str:
    """The certificates of AWS's roots, taken from Mozilla's list, whose version is locked.

    The functions read five of them instead of a hundred and more, which takes 2 ms instead of 20 to 50.

    Raises:
        BundleError: the list has one of them no more.
    """
    listed = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    listed.load_verify_locations(cafile=certifi.where())
    content = zip(listed.get_ca_certs(), listed.get_ca_certs(binary_form=True), strict=True)
    found = {name: binary for told, binary in content if (name := _common_name(told)) in AWS_ROOTS}
    if missing := sorted(AWS_ROOTS - found.keys()):
        raise BundleError(f"certifi has no certificate of {', '.join(missing)}")
    return "".join(ssl.DER_cert_to_PEM_cert(found[name]) for name in sorted(found))


def _common_name(certificate: Mapping[str, Any]) -> str:
    pairs = (pair for part in certificate["subject"] for pair in part)
    return next((value for name, value in pairs if name == "commonName"), "")


def _forget_old(name: PackageName, kept: Path) -> None:
    # By the time of the renaming; the files' own times are levelled.
    newest_first = sorted(kept.glob(f"{name}-*"), key=lambda path: path.stat().st_ctime_ns, reverse=True)
    for old in newest_first[KEPT_BUNDLES:]:
        shutil.rmtree(old, ignore_errors=True)


def install(folder: Path, lock: Path, target: str) -> None:
    """Put locked packages into a folder, for a platform of `pip`'s naming or `host`. Raises `BundleError`."""
    installer = Path(sys.executable).with_name("uv")
    command = [
        str(installer if installer.is_file() else "uv"),
        *("pip", "install", "--quiet", "--no-deps", "--require-hashes", "--requirement", str(lock)),
        *("--target", str(folder), "--python", sys.executable, "--only-binary", ":all:"),
        *("--link-mode", "copy", "--no-installer-metadata", "--no-compile-bytecode"),
    ]
    if target != "host":
        command += ["--python-platform", target, "--python-version", ".".join(map(str, PYTHON))]
    _run(command, os.environ | {"UV_SYSTEM_CERTS": os.environ.get("UV_SYSTEM_CERTS", "1")})


def _prune(folder: Path) -> None:
    for path in sorted(_unused(folder), reverse=True):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _unused(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        metadata = path.parent.name.endswith(".dist-info")
        noise = path.name in UNUSED_NAMES or path.name.endswith(UNUSED_SUFFIXES)
        if noise or (metadata and path.name in UNUSED_METADATA):
            yield path


def compile_code(folder: Path) -> None:
    """Put bytecode beside all code of a folder. Raises `BundleError`."""
    command = [
        *(sys.executable, "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash"),
        *("-s", str(folder), "-p", TASK_ROOT, str(folder)),
    ]
    # A fixed hash seed: sets must not be written in another order each time.
    _run(command, os.environ | {"PYTHONHASHSEED": "0", "SOURCE_DATE_EPOCH": str(FIXED_TIME)})


def _level(folder: Path) -> None:
    """Take out what differs between machines but does not matter: times and rights of files."""
    for path in (*folder.rglob("*"), folder):
        path.chmod(0o755 if path.is_dir() or path.suffix == ".so" or ".so." in path.name else 0o644)
        os.utime(path, (FIXED_TIME, FIXED_TIME))


def _run(command: list[str], environment: dict[str, str]) -> None:
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BundleError(f"{Path(command[0]).name} failed:\n{done.stderr.strip() or done.stdout.strip()}")


def _say(text: str) -> None:
    sys.stderr.write(f"synth: {text}\n")
    sys.stderr.flush()
