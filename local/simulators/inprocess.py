"""Simulators without sockets for code that is not async."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Self

import httpx
from starlette.types import ASGIApp


class SyncRunner:
    """One event loop that answers synchronous httpx clients. Not for use inside a running loop.

    Use it as a context manager: `httpx.Client(transport=runner.transport(simulators.dialog))`.
    """

    def __init__(self) -> None:
        """Make the loop."""
        self._loop = asyncio.new_event_loop()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the loop."""
        self._loop.close()

    def run[T](self, work: Coroutine[Any, Any, T]) -> T:
        """Run `work` (for example `simulators.advance(2)`) to its end."""
        return self._loop.run_until_complete(work)

    def transport(self, app: ASGIApp) -> httpx.BaseTransport:
        """Make a transport for `httpx.Client` that ends in `app`."""
        return _SyncTransport(self, httpx.ASGITransport(app=app))


class _SyncTransport(httpx.BaseTransport):
    def __init__(self, runner: SyncRunner, inner: httpx.ASGITransport) -> None:
        self._runner = runner
        self._inner = inner

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return self._runner.run(self._answer(request))

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        # The transport wants an async body; a sync client has made a sync one.
        copy = httpx.Request(
            request.method,
            request.url,
            headers=request.headers,
            content=request.read(),
            extensions=request.extensions,
        )
        response = await self._inner.handle_async_request(copy)
        body = await response.aread()
        return httpx.Response(response.status_code, headers=response.headers, content=body, request=request)
