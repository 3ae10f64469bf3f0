"""Lambda's own runtime interface on this machine, without Docker.

The SAM CLI carries the runtime interface emulator (RIE), a program that stands for the Lambda service; the
runtime interface client (``awslambdaric``) is what Lambda starts a Python function with. Both are in
``.venv-sam``. A function sees its bundle and the client, and no other installed package, so that what a
bundle lacks is noticed.

Run as a module it starts the program on its command line and waits: ``lifeline.py`` can only guard modules.
"""

import contextlib
import http.client
import json
import os
import platform
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

from local.children import LOCAL_HOST, PROJECT_ROOT, Child, ChildFailedError, clean_environment, free_port

VENV = PROJECT_ROOT / ".venv-sam"
"""The environment with the SAM CLI and the runtime interface client."""

_CLIENT_PARTS = ("awslambdaric", "runtime_client.*.so", "simplejson", "snapshot_restore_py")
_INVOCATIONS = "/2015-03-31/functions/function/invocations"
_START_SECONDS = 30.0
_START_ATTEMPTS = 3
_POLL_SECONDS = 0.005


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """What is run.

    Attributes:
        name: The function's name, as its context shows it.
        handler: Module and function, such as ``reconciler.handler``.
        code: Folder of the bundle.
        environment: Its variables, as in the template.
        timeout: Seconds until Lambda would end it.
        memory: MB its context shows; nothing limits it here.
    """

    name: str
    handler: str
    code: Path
    environment: Mapping[str, str]
    timeout: int = 30
    memory: int = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What an invocation gave.

    Attributes:
        payload: The parsed JSON; Lambda's error object when the function failed.
        seconds: How long it took, seen from outside. The first one contains the whole start.
    """

    payload: Any
    seconds: float

    @property
    def error(self) -> str | None:
        """The kind of failure of the function or of the runtime, or None."""
        failed = isinstance(self.payload, dict) and "errorType" in self.payload
        return str(self.payload["errorType"]) if failed else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A function that waits for events. Not for several threads: Lambda hands over one event at a time."""

    child: Child
    port: int
    timeout: int

    @property
    def log(self) -> str:
        """Everything the function and the runtime have written so far."""
        return self.child.log.read_text(encoding="utf-8", errors="replace")

    def invoke(self, event: object) -> Answer:
        """Hand over one event and wait for the answer.

        Raises:
            ChildFailedError: The emulator has ended, or answered what is no JSON.
            OSError: It did not answer within the function's timeout and 10 s.
        """
        self.child.check_running()
        connection = http.client.HTTPConnection(LOCAL_HOST, self.port, timeout=self.timeout + 10)
        with contextlib.closing(connection):
            started = time.perf_counter()
            connection.request("POST", _INVOCATIONS, body=json.dumps(event).encode())
            response = connection.getresponse()
            body = response.read()
            seconds = time.perf_counter() - started
        try:
            return Answer(payload=json.loads(body), seconds=seconds)
        except ValueError:
            raise ChildFailedError(f"the runtime answered {response.status}: {body[:500]!r}") from None


def is_installed(venv: Path = VENV) -> bool:
    """Tells whether the SAM CLI's environment has been made."""
    return (venv / "bin" / "sam").exists()


@contextlib.contextmanager
def running(function: Function, folder: Path, venv: Path = VENV) -> Iterator[Running]:
    """Runs a function on the emulator until the context is left. Nothing of it is loaded before an event.

    Args:
        function: What to run.
        folder: An existing folder for its log and links.
        venv: The environment with the SAM CLI.

    Raises:
        ChildFailedError: The SAM CLI is not installed, or the emulator did not start.
    """
    child, port = _start(function, folder, venv)
    with child:
        try:
            yield Running(child=child, port=port, timeout=function.timeout)
        finally:
            # Told to end, the emulator gives the function two seconds for a farewell; ours has none to say.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)


def _start(function: Function, folder: Path, venv: Path) -> tuple[Child, int]:
    for attempt in range(1, _START_ATTEMPTS + 1):
        port, inner_port = free_port(), free_port()
        child = Child(
            name=f"the runtime of {function.name}",
            python=Path(sys.executable),
            module="local.rie",
            import_root=PROJECT_ROOT,
            arguments=[
                str(_emulator(venv)),
                *("--log-level", "error"),
                *("--runtime-interface-emulator-address", f"{LOCAL_HOST}:{port}"),
                *("--runtime-api-address", f"{LOCAL_HOST}:{inner_port}"),
                # -S: none of the packages installed beside the interpreter.
                *(sys.executable, "-S", "-m", "awslambdaric", function.handler),
            ],
            environment=_environment(function, _client(folder, venv)),
            log=folder / f"{function.name}-{port}.log",
        )
        try:
            _await_port(child, port)
        except ChildFailedError:
            child.stop()
            # Another process may have taken a free port between finding and binding it.
            if attempt == _START_ATTEMPTS:
                raise
        except BaseException:
            child.stop()
            raise
        else:
            return child, port
    raise AssertionError("unreachable: the last attempt returns or raises")


def _environment(function: Function, client: Path) -> dict[str, str]:
    own = {
        "AWS_LAMBDA_FUNCTION_NAME": function.name,
        "AWS_LAMBDA_FUNCTION_TIMEOUT": str(function.timeout),
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory),
        # As the template asks for: JSON, which lets the runtime's own log handler take INFO of everybody.
        "AWS_LAMBDA_LOG_FORMAT": "JSON",
        "AWS_LAMBDA_LOG_LEVEL": "INFO",
        "PYTHONPATH": os.pathsep.join((str(function.code), str(client))),
    }
    return clean_environment(own | dict(function.environment))


def _client(folder: Path, venv: Path) -> Path:
    """Makes a folder with the runtime interface client alone, as Lambda has one beside the bundle."""
    client = folder / "runtime"
    client.mkdir(exist_ok=True)
    for pattern in _CLIENT_PARTS:
        for part in _site_packages(venv).glob(pattern):
            link = client / part.name
            with contextlib.suppress(FileExistsError):
                link.symlink_to(part)
    return client


def _emulator(venv: Path) -> Path:
    machine = "arm64" if platform.machine().lower() in {"aarch64", "arm64"} else "x86_64"
    return _site_packages(venv) / "samcli" / "local" / "rapid" / f"aws-lambda-rie-{machine}"


def _site_packages(venv: Path) -> Path:
    found = next(venv.glob("lib/python3*/site-packages/samcli"), None)
    if found is None:
        raise ChildFailedError("the SAM CLI is not installed: run `make sam-cli` first")
    return found.parent


def _await_port(child: Child, port: int) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        child.check_running()
        with contextlib.suppress(OSError), socket.create_connection((LOCAL_HOST, port), timeout=1):
            return
        time.sleep(_POLL_SECONDS)
    raise ChildFailedError(f"{child.name} did not listen within {_START_SECONDS:.0f} s; see {child.log}")


def status_of(answer: Answer) -> HTTPStatus:
    """The HTTP status of a function that answers an HTTP API. Raises `KeyError` when it did not."""
    return HTTPStatus(answer.payload["statusCode"])


if __name__ == "__main__":
    sys.exit(subprocess.call(sys.argv[1:], stdin=subprocess.DEVNULL))
