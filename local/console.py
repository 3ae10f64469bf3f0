"""The console of a local run: its page, and what a browser cannot do for it.

The page calls the API across origins, as a real one would, and the simulators' admin routes itself. The rest
this small server does for it: being the identity provider, the tenant's own server and the schedule, and
looking into queues and at the bus.
"""

import json
import threading
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from local.journey import Json, read_channel_key, send_message
from local.run import LocalStack

EXAMPLE_TENANT: Final = "acme"
QUEUES: Final = (
    "Jobs",
    "JobsDlq",
    "Events",
    "EventsDlq",
    "Relay",
    "RelayDlq",
    "Notifications",
    "NotificationsDlq",
    "SchedulesDlq",
    "StreamDlq",
)
"""The stack's queues, as ``LocalStack.queue_url`` names them."""

type Hear = Callable[[], Iterable[Json]]
"""Takes what was put on the bus since the last time."""

_PAGE = Path(__file__).with_name("page")
_MODULE = Path(__file__).parents[1] / "web" / "dist"
_RECIPIENT = "15550100000"
_TASKS = ("sweep", "census")
# Letters can go back only where something reads them again.
_SOURCES: Final = {"JobsDlq": "Jobs", "EventsDlq": "Events", "RelayDlq": "Relay"}
_BATCH = 10
_KEPT = 200


def page_app(run: LocalStack, *, hear: Hear = tuple) -> Starlette:
    """Makes the web application of the console.

    Args:
        run: The run it belongs to.
        hear: Takes what was put on the bus since it was last called.

    Returns:
        The application: the page's files, the browser module below ``/module``, and routes below ``/local``
        for what a browser cannot do.
    """
    helpers = _Helpers(run, _Bus(hear))
    return Starlette(
        routes=[
            Route("/", _index),
            Route("/console.html", _moved),
            Route("/local/run", helpers.tell),
            Route("/local/board", helpers.board),
            Route("/local/token", helpers.token, methods=["POST"]),
            Route("/local/message", helpers.message, methods=["POST"]),
            Route("/local/schedule", helpers.schedule, methods=["POST"]),
            Route("/local/queues/{name}/redrive", helpers.redrive, methods=["POST"]),
            Mount("/module", StaticFiles(directory=_MODULE, check_dir=False)),
            Mount("/", StaticFiles(directory=_PAGE)),
        ],
        middleware=[Middleware(_SafeHeaders, policy=content_policy(run))],
        exception_handlers={httpx.HTTPError: _upstream_failed, ValueError: _bad_request},
    )


def content_policy(run: LocalStack) -> str:
    """Gives the policy that keeps the page to its own files, the API, the simulators and Meta's SDK."""
    addresses = " ".join(("'self'", run.aws.endpoint, *_admin_addresses(run).values()))
    return (
        f"default-src 'none'; script-src 'self' {run.upstreams.graph}; style-src 'self'; "
        f"img-src 'self' data:; connect-src {addresses}; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )


@dataclass(slots=True)
class _Bus:
    """The newest of what was put on the bus."""

    hear: Hear
    newest: deque[Json] = field(default_factory=lambda: deque(maxlen=_KEPT))
    lock: threading.Lock = field(default_factory=threading.Lock)

    def read(self) -> list[Json]:
        with self.lock:
            self.newest.extend(self.hear())
            return list(self.newest)


@dataclass(frozen=True, slots=True)
class _Helpers:
    """What the page's server does for the page."""

    run: LocalStack
    bus: _Bus

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

    async def board(self, _request: Request) -> Response:
        """Shows the queues and the bus."""
        return JSONResponse(await run_in_threadpool(self._board))

    def _board(self) -> Json:
        return {
            "queues": {name: self.run.queue_depth(name) for name in QUEUES},
            "bus": self.bus.read(),
        }

    async def token(self, request: Request) -> Response:
        """Gets a token: the identity provider's part."""
        body = await _object(request)
        tenant = str(body.get("tenant") or EXAMPLE_TENANT)
        return JSONResponse({"token": await run_in_threadpool(self.run.token, tenant), "tenant": tenant})

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

    async def redrive(self, request: Request) -> Response:
        """Puts the letters of a dead-letter queue back to where they came from, as an operator does."""
        await _object(request)
        name = request.path_params["name"]
        if name not in _SOURCES:
            raise ValueError(f"the queue is one of {', '.join(_SOURCES)}")
        return JSONResponse({"moved": await run_in_threadpool(self._redrive, name)})

    def _redrive(self, name: str) -> int:
        sqs, dead, source = self.run.aws.sqs, self.run.queue_url(name), self.run.queue_url(_SOURCES[name])
        moved = 0
        while letters := sqs.receive_message(QueueUrl=dead, MaxNumberOfMessages=_BATCH).get("Messages", []):
            for letter in letters:
                sqs.send_message(QueueUrl=source, MessageBody=letter["Body"])
                sqs.delete_message(QueueUrl=dead, ReceiptHandle=letter["ReceiptHandle"])
            moved += len(letters)
        return moved

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
    """Adds the policy and its companions to every answer."""

    app: ASGIApp
    policy: str

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        added = [
            (b"content-security-policy", self.policy.encode()),
            (b"cross-origin-opener-policy", b"same-origin-allow-popups"),
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


async def _moved(_request: Request) -> Response:
    return RedirectResponse("/")


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
