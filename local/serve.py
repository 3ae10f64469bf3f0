"""``serve``: the local run stays up, with a console: see it work, break it, watch it heal."""

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import uvicorn

from local.bus import listening
from local.children import LOCAL_HOST, PROJECT_ROOT
from local.console import EXAMPLE_TENANT, QUEUES, page_app
from local.journey import Json
from local.options import RunOptions
from local.progress import Terminal
from local.published import published, run_file
from local.run import LocalStack, local_stack

_CHECK_SECONDS = 0.5


def run_serve(options: RunOptions, *, page_port: int, terminal: Terminal) -> None:
    """Brings everything up and keeps it until Ctrl-C or SIGTERM.

    Args:
        options: How the run is put together.
        page_port: Port of the page; 0 takes a free one.
        terminal: Where addresses and progress are told.

    Raises:
        KeyboardInterrupt: Somebody ended it, which is how it always ends.
        OSError: The page's port is taken.
    """
    # Taken before anything is started: a port in use is the likeliest mistake.
    with _listener(page_port) as listener:
        page_url = _url_of(listener)
        origins = (page_url, page_url.replace(LOCAL_HOST, "localhost"), *options.allowed_origins)
        terminal.title("Onramp on this machine: AWS emulated, Meta and 360dialog simulated")
        with (
            local_stack(replace(options, allowed_origins=origins), progress=terminal.step) as run,
            _page_server(run, listener),
            published(describe(run, page_url)),
        ):
            _tell(run, page_url, terminal)
            _wait(run)


@contextlib.contextmanager
def serve_page(run: LocalStack, *, port: int) -> Iterator[str]:
    """Serves the page of a run until the context is left.

    Args:
        run: The run; its ``allowed_origins`` have to name the page's.
        port: Port on 127.0.0.1.

    Yields:
        The page's URL.

    Raises:
        OSError: The port is taken.
    """
    with _listener(port) as listener, _page_server(run, listener):
        yield _url_of(listener)


def describe(run: LocalStack, page_url: str) -> Json:
    """Gives everything a person or a tool needs to know to use a run.

    Args:
        run: The run.
        page_url: Where its page is.

    Returns:
        Addresses, names and the simulators' secrets, which are random and worth nothing.
    """
    return {
        "pid": os.getpid(),
        "page_url": page_url,
        "api_url": run.api_url,
        "webhook_url": run.webhook_url,
        "aws_endpoint_url": run.aws.endpoint,
        "aws_region": run.aws.region,
        "stack_name": run.deployed.stack_name,
        "table_name": run.table_name,
        "queues": {name: run.queue_url(name) for name in QUEUES},
        "bus_name": run.bus_name,
        "secret_id": run.secret_id,
        "sdk_url": f"{run.upstreams.graph}/en_US/sdk.js",
        "allowed_origins": list(run.options.allowed_origins),
        "functions": dict(run.deployed.functions),
        "upstreams": {
            "graph_base_url": run.upstreams.graph,
            "meta_admin_url": run.upstreams.meta_admin,
            "partner_base_url": run.upstreams.partner,
            "messaging_base_url": run.upstreams.messaging,
            "jwt_issuer": run.upstreams.issuer,
        },
        "secrets": {
            "app_secret": run.options.app_secret,
            "partner_key": run.options.partner_key,
            "platform_secret": run.options.platform_secret,
        },
        "token_command": run.token_command(EXAMPLE_TENANT),
        "log_file": str(run.emulator.log),
    }


@contextlib.contextmanager
def _listener(port: int) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((LOCAL_HOST, port))
        except OSError as error:
            raise OSError(f"port {port} is taken; choose another with --port") from error
        yield listener


def _url_of(listener: socket.socket) -> str:
    return f"http://{LOCAL_HOST}:{listener.getsockname()[1]}"


@contextlib.contextmanager
def _page_server(run: LocalStack, listener: socket.socket) -> Iterator[None]:
    """Serves the page in a thread: signals stay with the main thread."""
    with listening(run) as bus:
        config = uvicorn.Config(
            page_app(run, hear=bus.heard), log_level="warning", access_log=False, lifespan="off"
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.should_exit = True
            thread.join(timeout=5)


def _tell(run: LocalStack, page_url: str, terminal: Terminal) -> None:
    aws = run.aws
    told: tuple[tuple[str, str], ...] = (
        ("console", page_url),
        ("API", run.api_url),
        ("webhook", run.webhook_url),
        ("table", run.table_name),
        *((f"queue {name}", run.queue_url(name)) for name in QUEUES),
        ("Meta", run.upstreams.graph),
        ("360dialog", run.upstreams.partner),
    )
    terminal.title("Ready")
    for name, value in told:
        terminal.note(f"{name:<16} {value}")
    terminal.title(f"A token for the tenant {EXAMPLE_TENANT}:")
    terminal.note(run.token_command(EXAMPLE_TENANT))
    terminal.title("For a front end of your own, on a page of its own:")
    for name, value in _for_front_ends(run):
        terminal.note(f"{name:<16} {value}")
    terminal.title("The AWS command line:")
    terminal.note(
        f"AWS_ACCESS_KEY_ID={aws.access_key} AWS_SECRET_ACCESS_KEY={aws.secret_key} "
        f"AWS_REGION={aws.region} aws --endpoint-url {aws.endpoint} …"
    )
    file = run_file()
    shown = file.relative_to(PROJECT_ROOT) if file.is_relative_to(PROJECT_ROOT) else file
    terminal.title(f"All of this is in {shown}. Ctrl-C stops everything.")


def _for_front_ends(run: LocalStack) -> list[tuple[str, str]]:
    """What a front-end developer puts into a page, and which pages may call."""
    missing = "" if run.options.allowed_origins[2:] else "; more: make local ORIGIN=http://localhost:3000"
    return [
        ("API", run.api_url),
        (
            "Facebook's SDK",
            f"{run.upstreams.graph}/en_US/sdk.js (simulated; sdk_url of GET /v1/config)",
        ),
        ("app, config", f"{run.options.app_id}, {run.options.config_id}"),
        ("allowed origins", ", ".join(run.options.allowed_origins) + missing),
    ]


def _wait(run: LocalStack, sleep: Callable[[float], None] = time.sleep) -> None:
    """Waits for ever; a child that ended is an error."""
    while True:
        sleep(_CHECK_SECONDS)
        run.check_running()
