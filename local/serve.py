"""``serve``: the local run stays up, with a page on which a person clicks through a signup.

The page calls the API across origins, as a real one would. What a browser cannot do, or what
stands for somebody else's part, this small server does for it: getting a token, being Meta's
popup, being the tenant's own server, and being the schedule. The page's console calls the
simulators' admin routes itself.
"""

import contextlib
import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from local.children import LOCAL_HOST, PROJECT_ROOT
from local.journey import Json, read_channel_key, send_message
from local.options import RunOptions
from local.progress import Terminal
from local.published import published, run_file
from local.run import LocalStack, local_stack

EXAMPLE_TENANT = "acme"
QUEUES = ("Jobs", "JobsDlq", "Events", "EventsDlq", "SchedulesDlq", "StreamDlq")
"""The stack's queues, as ``LocalStack.queue_url`` names them."""

_PAGE = Path(__file__).with_name("page")
_RECIPIENT = "15550100000"
_CHECK_SECONDS = 0.5
_TASKS = ("sweep", "census")


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
        origins = (page_url, page_url.replace(LOCAL_HOST, "localhost"))
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


def page_app(run: LocalStack) -> Starlette:
    """Makes the web application of the page.

    Args:
        run: The run it belongs to.

    Returns:
        The application: the page's files, and routes below ``/local`` for what a browser cannot do.
    """
    helpers = _Helpers(run)
    return Starlette(
        routes=[
            Route("/", _index),
            Route("/local/run", helpers.tell),
            Route("/local/token", helpers.token, methods=["POST"]),
            Route("/local/popup", helpers.popup, methods=["POST"]),
            Route("/local/message", helpers.message, methods=["POST"]),
            Route("/local/schedule", helpers.schedule, methods=["POST"]),
            Mount("/", StaticFiles(directory=_PAGE)),
        ],
        middleware=[Middleware(_SafeHeaders, origins=(run.aws.endpoint, *_admin_addresses(run).values()))],
        exception_handlers={httpx.HTTPError: _upstream_failed, ValueError: _bad_request},
    )


@dataclass(frozen=True, slots=True)
class _Helpers:
    """What the page's server does for the page."""

    run: LocalStack

    async def tell(self, _request: Request) -> Response:
        """Tells the page where the API is."""
        upstreams = self.run.upstreams
        return JSONResponse(
            {
                "api_url": self.run.api_url,
                "webhook_url": self.run.webhook_url,
                "partner": upstreams.partner,
                "graph": upstreams.graph,
                "tenant": EXAMPLE_TENANT,
                "admin": _admin_addresses(self.run),
            }
        )

    async def token(self, request: Request) -> Response:
        """Gets a token: the identity provider's part."""
        body = await _object(request)
        tenant = str(body.get("tenant") or EXAMPLE_TENANT)
        return JSONResponse({"token": await run_in_threadpool(self.run.token, tenant), "tenant": tenant})

    async def popup(self, request: Request) -> Response:
        """Lets a simulated customer finish Embedded Signup: Meta's part."""
        body = await _object(request)
        return JSONResponse(await run_in_threadpool(lambda: self.run.meta_signup(**body)))

    async def schedule(self, request: Request) -> Response:
        """Runs the sweep or the census at once, as the schedule does each minute or each day."""
        task = (await _object(request)).get("task")
        if task not in _TASKS:
            raise ValueError(f"task is one of {', '.join(_TASKS)}")
        answer = await run_in_threadpool(self.run.invoke, "reconciler", {"task": task})
        if answer["error"] is None:
            return JSONResponse({"task": task})
        told = {
            "code": "task_failed",
            "title": f"The {task} failed",
            "detail": "The function's log says why.",
        }
        return JSONResponse(told, 502)

    async def message(self, request: Request) -> Response:
        """Fetches a channel's key and sends a message: the part of the tenant's own server."""
        body = await _object(request)
        return await run_in_threadpool(self._message, str(body.get("channel_id") or ""))

    def _message(self, channel_id: str) -> Response:
        run = self.run
        fetched = read_channel_key(run.api_url, channel_id, run.aws, http=run.http)
        if not fetched.is_success:
            return Response(fetched.content, fetched.status_code, media_type="application/problem+json")
        key = fetched.json()
        sent = send_message(key["address"], key["api_key"], _RECIPIENT, "Hello from Onramp", http=run.http)
        return JSONResponse(
            {
                "address": key["address"],
                "key_ends_with": key["api_key"][-4:],
                "status": sent.status_code,
                "answer": sent.json(),
            }
        )


@dataclass(slots=True)
class _SafeHeaders:
    """Adds headers that keep the page to its own files, the API and the simulators."""

    app: ASGIApp
    origins: tuple[str, ...]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        policy = (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
            f"connect-src 'self' {' '.join(self.origins)}; base-uri 'none'; form-action 'none'; "
            "frame-ancestors 'none'"
        )
        added = [
            (b"content-security-policy", policy.encode()),
            (b"cache-control", b"no-store"),
            (b"x-content-type-options", b"nosniff"),
            (b"referrer-policy", b"no-referrer"),
        ]

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *added]
            await send(message)

        await self.app(scope, receive, with_headers)


def _admin_addresses(run: LocalStack) -> dict[str, str]:
    """Base URLs below which the simulators have their admin routes, which a page calls itself."""
    return {name: run.upstreams.simulated[name] for name in ("meta", "dialog")}


async def _index(_request: Request) -> Response:
    return FileResponse(_PAGE / "index.html")


async def _object(request: Request) -> Json:
    """Reads a JSON object; the page and its server share an origin, so nobody else may call."""
    if request.headers.get("sec-fetch-site", "same-origin") != "same-origin":
        raise ValueError("only the page itself may call this")
    body = json.loads(await request.body() or b"{}")
    if not isinstance(body, dict):
        raise ValueError("a JSON object is needed")  # noqa: TRY004 - the caller's mistake, not a type here
    return body


async def _upstream_failed(_request: Request, error: Exception) -> Response:
    detail = error.response.text[:500] if isinstance(error, httpx.HTTPStatusError) else str(error)
    return JSONResponse({"code": "local_upstream", "title": "A simulator refused", "detail": detail}, 502)


async def _bad_request(_request: Request, error: Exception) -> Response:
    return JSONResponse({"code": "bad_request", "title": "Bad request", "detail": str(error)}, 400)


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
    config = uvicorn.Config(page_app(run), log_level="warning", access_log=False, lifespan="off")
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
        ("page", page_url),
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
    terminal.title("The AWS command line:")
    terminal.note(
        f"AWS_ACCESS_KEY_ID={aws.access_key} AWS_SECRET_ACCESS_KEY={aws.secret_key} "
        f"AWS_REGION={aws.region} aws --endpoint-url {aws.endpoint} …"
    )
    file = run_file()
    shown = file.relative_to(PROJECT_ROOT) if file.is_relative_to(PROJECT_ROOT) else file
    terminal.title(f"All of this is in {shown}. Ctrl-C stops everything.")


def _wait(run: LocalStack, sleep: Callable[[float], None] = time.sleep) -> None:
    """Waits for ever; a child that ended is an error."""
    while True:
        sleep(_CHECK_SECONDS)
        run.check_running()
