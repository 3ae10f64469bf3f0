"""The AWS emulator MiniStack as a child process.

It lives in an environment of its own (``.venv-aws``), because it pins botocore and runs
Lambda functions under its own interpreter, which therefore has to be the deployed one.
"""

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx

from local.aws import REGION, Aws
from local.children import (
    LOCAL_HOST,
    PROJECT_ROOT,
    Child,
    ChildFailedError,
    clean_environment,
    free_port,
)

DEFAULT_PYTHON = PROJECT_ROOT / ".venv-aws" / "bin" / "python"
"""Interpreter of the emulator's environment, as ``make setup`` makes it."""

_START_SECONDS = 60.0
_START_ATTEMPTS = 3
_POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class EmulatorOptions:
    """How the emulator is started.

    Attributes:
        port: TCP port on 127.0.0.1; 0 takes a free one.
        python: Interpreter that has MiniStack installed.
        enforce_iam: Evaluate IAM policies and signatures (``AUTH=true``): each function acts with the
            rights of its role alone, and signed routes check the signature and its owner's rights.
            The keys of ``Aws`` stay those of the account's root, who may do everything.
        warm_seconds: How long a surplus function worker stays idle before it is ended.
            The first worker of each function stays, so this bounds memory, not speed.
    """

    port: int = 0
    python: Path = DEFAULT_PYTHON
    enforce_iam: bool = False
    warm_seconds: int = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class Emulator:
    """A running emulator.

    Attributes:
        aws: Clients for it.
        child: Its process, which leads the group of its function workers.
    """

    aws: Aws
    child: Child

    @property
    def log(self) -> Path:
        """Its log file, which holds the output of every function too."""
        return self.child.log

    @property
    def endpoint(self) -> str:
        """The URL for AWS clients."""
        return self.aws.endpoint

    def api_url(self, api_id: str) -> str:
        """Gives the base URL at which the emulator serves an HTTP API.

        Args:
            api_id: Id of the API.

        Returns:
            The URL without a slash at its end. Host names of the form
            ``{id}.execute-api.localhost`` do not resolve everywhere; this path always does.
        """
        return f"{self.endpoint}/_aws/execute-api/{api_id}"


@contextlib.contextmanager
def emulator(folder: Path, options: EmulatorOptions | None = None) -> Iterator[Emulator]:
    """Runs MiniStack until the context is left.

    Args:
        folder: Folder of the run; the emulator's temporary files and log go there.
        options: How to start it.

    Yields:
        The emulator, once it answers.

    Raises:
        ChildFailedError: It is not installed, or did not start.
    """
    options = options or EmulatorOptions()
    if not options.python.exists():
        raise ChildFailedError("the emulator is not installed: run `make setup` first")
    child, port = _start(folder, options)
    with child:
        aws = Aws(endpoint=f"http://{LOCAL_HOST}:{port}")
        with contextlib.closing(aws):
            yield Emulator(aws=aws, child=child)


def _start(folder: Path, options: EmulatorOptions) -> tuple[Child, int]:
    """Starts the emulator on the wanted port, or on a free one with a second try."""
    for attempt in range(1, _START_ATTEMPTS + 1):
        port = options.port or free_port()
        child = Child(
            name="the AWS emulator",
            python=options.python,
            module="ministack",
            environment=_environment(folder, port, options),
            log=folder / "ministack.log",
        )
        try:
            _await_health(child, port)
        except ChildFailedError:
            child.stop()
            # Another process may have taken the free port between finding and binding it.
            if options.port or attempt == _START_ATTEMPTS:
                raise
        except BaseException:
            child.stop()
            raise
        else:
            return child, port
    raise AssertionError("unreachable: the last attempt returns or raises")


def _environment(folder: Path, port: int, options: EmulatorOptions) -> dict[str, str]:
    """Gives the emulator's environment, which its function workers inherit."""
    temporary = folder / "tmp"
    temporary.mkdir(exist_ok=True)
    settings = {
        "BIND_HOST": LOCAL_HOST,
        "GATEWAY_PORT": str(port),
        # The host in queue URLs. `localhost` may mean ::1, where nothing listens.
        "MINISTACK_HOST": LOCAL_HOST,
        "MINISTACK_REGION": REGION,
        "TMPDIR": str(temporary),
        "S3_DATA_DIR": str(temporary / "s3"),
        "STATE_DIR": str(temporary / "state"),
        # Servers beside the HTTP one, on fixed ports and every interface: nothing here uses them.
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "LAMBDA_EXECUTOR": "local",
        "LAMBDA_WARM_TTL_SECONDS": str(options.warm_seconds),
        # Scopes of the process, not of the functions: they set their own LOG_LEVEL.
        "LOG_LEVEL": "INFO",
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        # Without these a client that finds no credentials asks the metadata service and waits.
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": str(temporary / "no-config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(temporary / "no-credentials"),
    }
    if options.enforce_iam:
        settings["AUTH"] = "true"
    return clean_environment(settings)


def _await_health(child: Child, port: int) -> None:
    """Waits until the emulator answers; raises ``ChildFailedError`` when it does not."""
    url = f"http://{LOCAL_HOST}:{port}/_ministack/health"
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        child.check_running()
        with contextlib.suppress(httpx.TransportError), httpx.Client(trust_env=False) as client:
            if client.get(url, timeout=2).status_code == httpx.codes.OK:
                return
        time.sleep(_POLL_SECONDS)
    raise ChildFailedError(f"{child.name} did not answer within {_START_SECONDS:.0f} s; see {child.log}")
