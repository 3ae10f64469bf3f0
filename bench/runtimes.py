"""Functions on Lambda's own runtime interface, to be measured: AWS is MiniStack behind TLS.

Beside the project's functions an empty one, and small ones of `bench/` with libraries of their own.
"""

import contextlib
import json
import re
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from pathlib import Path
from typing import Any

import certifi

from bench.share import processes_of
from bench.tls import Front, front
from harness.services import Services
from infra.bundling import aws_roots, compile_code, install
from infra.paths import RUNTIME_LOCK
from local import rie
from local.children import PROJECT_ROOT, ChildFailedError

EVENTS: Mapping[str, str] = {
    "code_exchange": "open_signup_known_client.json",
    "number_submission": "submit_claimed_number.json",
    "signup_queries": "list_signups.json",
    "webhook_receiver": "channel_live.json",
    "meta_receiver": "partner_added.json",
    "hosted_page": "page.json",
    "onboarding_worker": "job.json",
    "partner_event_worker": "batch.json",
    "event_relay": "batch.json",
    "reconciler": "sweep.json",
    "notification_sender": "batch.json",
    "event_publisher": "facts.json",
    "operator_desk": "show_number.json",
}
"""The sample event of each function, in `events/`."""
EMPTY = "empty"
LABELS: Mapping[str, str] = {
    EMPTY: "an empty handler",
    "sample_stack": "the usual stack",
    "sample_sender": "boto3 alone",
}
"""What tables call those that are not the project's."""
SDK = ("boto3", "botocore", "jmespath", "python-dateutil", "s3transfer", "six", "urllib3")
"""What boto3 is made of, beside the functions' own libraries."""
WELL = (None, HTTPStatus.OK, HTTPStatus.CREATED, HTTPStatus.NOT_FOUND)
"""Answers of the samples: of those of `number_submission` the signup is not there, which costs a read."""
_EMPTY_HANDLER = "def handler(event, context):\n    return {}\n"
_CLIENT = (b"-S", b"-m", b"awslambdaric")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """Where AWS is, for functions that trust AWS's few roots, and for those that trust everybody's.

    `met` is what speaks TLS before it, None without.
    """

    few: Mapping[str, str]
    usual: Mapping[str, str]
    met: Front | None

    def ours(self, function: rie.Function) -> rie.Function:
        """A function of ours, with the roots that its bundle has in AWS."""
        return replace(function, environment={**function.environment, **self.few})

    def theirs(self, function: rie.Function) -> rie.Function:
        """A function with boto3, with the list of roots that boto3 brings along."""
        return replace(function, environment={**function.environment, **self.usual})


@contextlib.contextmanager
def ground(around: Services, folder: Path, *, encrypted: bool = True) -> Iterator[Ground]:
    """AWS behind TLS until the context is left, or as it is when not `encrypted`."""
    if not encrypted:
        yield Ground(few={}, usual={}, met=None)
        return
    with front(around.aws.endpoint.partition("://")[2], folder) as met:
        own = met.certificate.read_text(encoding="ascii")
        few, usual = folder / "few.pem", folder / "usual.pem"
        # As many as in AWS: the roots in our bundles, and the list that boto3 brings along.
        few.write_text(aws_roots() + own, encoding="utf-8")
        usual.write_text(Path(certifi.where()).read_text(encoding="utf-8") + own, encoding="utf-8")
        found = {"AWS_ENDPOINT_URL": met.address}
        yield Ground(
            few={**found, "AWS_CA_BUNDLE": str(few)}, usual={**found, "AWS_CA_BUNDLE": str(usual)}, met=met
        )


def empty(folder: Path) -> rie.Function:
    """A function that does nothing."""
    (folder / f"{EMPTY}.py").write_text(_EMPTY_HANDLER, encoding="utf-8")
    return rie.Function(name=EMPTY, handler=f"{EMPTY}.handler", code=folder, environment={})


def with_libraries(name: str, folder: Path, environment: Mapping[str, str]) -> rie.Function:
    """A function of `bench/` with a package of its own: the libraries untouched, but compiled, as ours are.

    Raises:
        BundleError: The package cannot be made.
    """
    code = folder / name
    code.mkdir()
    lock = folder / f"{name}.txt"
    lock.write_text(RUNTIME_LOCK.read_text(encoding="utf-8") + _sdk(), encoding="utf-8")
    install(code, lock, "host")
    shutil.copyfile(Path(__file__).with_name(f"{name}.py"), code / f"{name}.py")
    compile_code(code)
    return rie.Function(name=name, handler=f"{name}.handler", code=code, environment=environment)


def _sdk() -> str:
    """The entries of the SDK in the lock of the development environment that the functions' lacks."""
    dev = RUNTIME_LOCK.with_name("dev.txt").read_text(encoding="utf-8")
    runtime = RUNTIME_LOCK.read_text(encoding="utf-8")
    entries = re.findall(r"^\S.*?(?=^\S|\Z)", dev, re.MULTILINE | re.DOTALL)
    wanted = tuple(f"{name}==" for name in SDK if f"\n{name}==" not in runtime)
    return "".join(entry for entry in entries if entry.startswith(wanted))


def sample(name: str) -> object:
    """The sample event of a function; an empty one takes anything."""
    if name == EMPTY:
        return {}
    return sample_event(f"{name}/{EVENTS[name]}")


def sample_event(path: str) -> Any:  # noqa: ANN401 - any JSON
    """A sample event, by its place in `events/`."""
    return json.loads((PROJECT_ROOT / "events" / path).read_text(encoding="utf-8"))


def label(name: str) -> str:
    """A function's name in a table."""
    return LABELS.get(name, f"`{name}`")


def check(name: str, runtime: rie.Running, answers: Sequence[rie.Answer]) -> None:
    """See that a function did what its event asks. Raises `ChildFailedError`."""
    for answer in answers:
        status = answer.payload.get("statusCode") if isinstance(answer.payload, dict) else None
        if answer.error is not None or status not in WELL:
            raise ChildFailedError(f"{name} failed: {answer.payload}\n{runtime.log}")


def process_of(runtime: rie.Running) -> Path:
    """The function's own process, as a folder of `/proc`. Raises `ChildFailedError` when there is none."""
    for process in processes_of(runtime.child.pid):
        with contextlib.suppress(OSError):
            arguments = tuple((process / "cmdline").read_bytes().split(b"\0"))
            # The emulator has the function's command line as its arguments.
            if arguments[1:4] == _CLIENT:
                return process
    raise ChildFailedError("the function's process has gone")


def spent(process: Path) -> float:
    """Processor seconds of a process so far, all its threads together."""
    # Linux names a process's clock so, see clock_getcpuclockid(3).
    return time.clock_gettime((~int(process.name) << 3) | 2)


def peak(process: Path) -> int:
    """The most bytes of memory that a process has had at once, libraries included."""
    status = (process / "status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024
