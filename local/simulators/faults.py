"""Faults: what goes wrong between a client and an upstream, switched on by rule.

A fault sits outside the simulated service, so `…_after` kinds really do the work before they hide it.
"""

import asyncio
import itertools
import random
import re
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any, Literal

import httpx
from starlette.types import ASGIApp, Receive, Scope, Send

from local.simulators.clock import Sleep
from local.simulators.web import Json, json_bytes

type Kind = Literal[
    "error_before",
    "error_after",
    "delay",
    "timeout_after",
    "cut_body",
    "invalid_json",
    "html",
    "wrong_content_type",
    "redirect",
    "throttle",
]

HANG_SECONDS = 120.0
"""How long a served `timeout_after` holds a client that does not give up."""


@dataclass(slots=True, kw_only=True)
class Match:
    """Which requests a fault meets: a method (or `*`) and a regular expression searched in the path."""

    method: str = "*"
    path: str = ""

    def __post_init__(self) -> None:
        """Raise ValueError for a pattern that is none, before any request meets it."""
        try:
            re.compile(self.path)
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from error

    def covers(self, method: str, path: str) -> bool:
        """Say whether a request is meant."""
        return self.method in ("*", method) and re.search(self.path, path) is not None


@dataclass(slots=True, kw_only=True)
class Fault:
    """One fault. What each field does for which kind stands in the README beside this file.

    `times` is how often it fires (None: for ever), `skip` how many matching requests pass first,
    `seconds` the length of a delay. `id`, `seen` and `hits` are kept by the simulator.
    """

    kind: Kind
    match: Match = field(default_factory=Match)
    times: int | None = None
    probability: float = 1.0
    skip: int = 0
    status: int | None = None
    seconds: float = 1.0
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    code: int | None = None
    subcode: int | None = None
    message: str | None = None
    is_transient: bool | None = None
    retry_after: int | str | None = None
    location: str | None = None
    after: bool = False
    id: str = ""
    seen: int = 0
    hits: int = 0

    def fires(self, rng: random.Random) -> bool:
        """Count a matching request and say whether it is hit."""
        self.seen += 1
        if self.seen <= self.skip or (self.times is not None and self.hits >= self.times):
            return False
        if self.probability < 1.0 and rng.random() >= self.probability:
            return False
        self.hits += 1
        return True


class FaultBook:
    """The faults of one server, in the order they were added."""

    def __init__(self, rng: random.Random) -> None:
        """Take the randomness that decides about probabilities."""
        self.faults: list[Fault] = []
        self._rng = rng
        self._ids = itertools.count(1)

    def add(self, fault: Fault) -> Fault:
        """Switch a fault on."""
        fault.id = f"fault-{next(self._ids)}"
        self.faults.append(fault)
        return fault

    def clear(self) -> None:
        """Switch all faults off."""
        self.faults.clear()

    def draw(self, method: str, path: str) -> list[Fault]:
        """Return what hits this request: any delays, and at most one other fault after them."""
        drawn: list[Fault] = []
        for fault in self.faults:
            if fault.match.covers(method, path) and fault.fires(self._rng):
                drawn.append(fault)
                if fault.kind != "delay":
                    break
        return drawn


@dataclass(slots=True)
class Answer:
    """An HTTP answer in one piece."""

    status: int
    headers: dict[str, str]
    body: bytes

    async def send(self, send: Send) -> None:
        """Send it, with the length it says."""
        raw = [(name.encode(), value.encode()) for name, value in self.headers.items()]
        await send({"type": "http.response.start", "status": self.status, "headers": raw})
        await send({"type": "http.response.body", "body": self.body})


async def _work(app: ASGIApp, scope: Scope, receive: Receive) -> Answer:
    """Let the service do its work and keep the answer back."""
    answer = Answer(500, {}, b"")

    async def keep(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            answer.status = message["status"]
            answer.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        elif message["type"] == "http.response.body":
            answer.body += message.get("body", b"")

    await app(scope, receive, keep)
    return answer


def _json_answer(status: int, body: Any, headers: dict[str, str]) -> Answer:  # noqa: ANN401 - any JSON
    raw = json_bytes(body)
    head = {"content-type": "application/json", "content-length": str(len(raw)), **headers}
    return Answer(status, head, raw)


type ErrorBody = Callable[[str, int, Fault], Json]
"""Makes a service's own error body from the path, the status and the fault."""


@dataclass(slots=True, kw_only=True)
class FaultLayer:
    """ASGI middleware that applies a book of faults.

    `in_process`: there is no socket to cut or leave open, so raise what httpx would raise.
    """

    app: ASGIApp
    book: FaultBook
    error_body: ErrorBody
    sleep: Sleep
    base_url: str
    in_process: bool

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, hit by whatever the book draws."""
        for fault in self.book.draw(scope["method"], scope["path"]):
            scope.setdefault("faults", []).append(fault.kind)
            if fault.kind == "delay":
                await self.sleep(fault.seconds)
            else:
                await self._strike(fault, scope, receive, send)
                return
        await self.app(scope, receive, send)

    async def _strike(self, fault: Fault, scope: Scope, receive: Receive, send: Send) -> None:
        before = self._instead(fault, scope["path"])
        if before is not None:
            await before.send(send)
            return
        done = await _work(self.app, scope, receive)
        if fault.kind == "timeout_after":
            await self._hang(receive)
        elif fault.kind == "cut_body":
            await self._cut(done, send)
        else:
            await self._spoil(fault, done, scope["path"]).send(send)

    def _instead(self, fault: Fault, path: str) -> Answer | None:
        """Answer without doing the work, for the kinds that mean that."""
        if fault.kind == "error_before":
            return self._error(fault, path, 500)
        if fault.kind == "throttle":
            return self._error(fault, path, 429)
        if fault.kind == "redirect":
            location = fault.location or f"{self.base_url}/trap/redirect"
            return Answer(fault.status or 302, {"location": location, "content-length": "0"}, b"")
        if fault.kind == "html" and not fault.after:
            return self._html(fault, 502)
        return None

    def _spoil(self, fault: Fault, done: Answer, path: str) -> Answer:
        """Answer wrongly after the work was done."""
        if fault.kind == "error_after":
            return self._error(fault, path, 500)
        if fault.kind == "html":
            return self._html(fault, done.status)
        if fault.kind == "invalid_json":
            done.body = done.body[: max(1, len(done.body) // 2)] + b"\xff,,"
            done.headers["content-length"] = str(len(done.body))
        if fault.kind == "wrong_content_type":
            done.headers["content-type"] = fault.headers.get("content-type", "text/plain; charset=utf-8")
        return Answer(fault.status or done.status, done.headers, done.body)

    def _error(self, fault: Fault, path: str, status: int) -> Answer:
        status = fault.status or status
        headers = dict(fault.headers)
        if fault.retry_after is not None:
            headers["retry-after"] = str(fault.retry_after)
        body = self.error_body(path, status, fault) if fault.body is None else fault.body
        return _json_answer(status, body, headers)

    def _html(self, fault: Fault, status: int) -> Answer:
        status = fault.status or status
        body = f"<!doctype html><title>{status}</title><h1>{status}</h1><hr>gateway\n".encode()
        head = {"content-type": "text/html; charset=utf-8", "content-length": str(len(body))}
        return Answer(status, head | fault.headers, body)

    async def _hang(self, receive: Receive) -> None:
        if self.in_process:
            raise httpx.ReadTimeout("simulated: no answer")
        try:
            async with asyncio.timeout(HANG_SECONDS):
                while (await receive())["type"] != "http.disconnect":
                    pass
        except TimeoutError:
            return

    async def _cut(self, done: Answer, send: Send) -> None:
        if self.in_process:
            raise httpx.RemoteProtocolError("simulated: the body was cut")
        raw = [(name.encode(), value.encode()) for name, value in done.headers.items()]
        await send({"type": "http.response.start", "status": done.status, "headers": raw})
        half = done.body[: len(done.body) // 2]
        # Returning without the rest makes the server drop the connection.
        await send({"type": "http.response.body", "body": half, "more_body": True})
