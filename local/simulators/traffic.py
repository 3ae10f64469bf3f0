"""What came in: a log of requests without their secrets, and 360dialog's request budget."""

from bisect import bisect_left, bisect_right, insort
from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import asdict, dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from starlette.types import ASGIApp, Receive, Scope, Send

from local.simulators.clock import Now
from local.simulators.web import Json

LOG_LENGTH = 5000


@dataclass(slots=True, kw_only=True)
class LoggedRequest:
    """One request: names of query parameters but no values, and where its credential stood."""

    at: float
    method: str
    path: str
    query: list[str]
    credential: str | None
    status: int | None = None
    faults: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Budget:
    """A sliding window over the starts of requests.

    `starts` holds every start, sorted; `admitted` those that were not refused.
    """

    starts: list[float] = field(default_factory=list)
    admitted: list[float] = field(default_factory=list)
    refused: int = 0

    def admit(self, at: float, *, calls: int, window: float, count_refused: bool) -> float | None:
        """Count a request that starts at `at` (epoch seconds).

        Returns nothing if it fits, else the seconds until one would fit. A start exactly `window`
        seconds old is outside.
        """
        counted = self.starts if count_refused else self.admitted
        recent = counted[bisect_right(counted, at - window) :]
        insort(self.starts, at)
        if len(recent) < calls:
            insort(self.admitted, at)
            return None
        self.refused += 1
        return recent[-calls] + window - at

    def in_window(self, at: float, window: float) -> int:
        """Count the starts, refused ones included, of the `window` seconds before `at` (epoch seconds)."""
        return len(self.starts) - bisect_right(self.starts, at - window)

    def most_in_any_window(self, window: float) -> int:
        """Count the most starts, refused ones included, that any `window` seconds held."""
        ends = (bisect_left(self.starts, start + window) for start in self.starts)
        return max((end - index for index, end in enumerate(ends)), default=0)

    def clear(self) -> None:
        """Start anew."""
        self.starts.clear()
        self.admitted.clear()
        self.refused = 0


type Guard = Callable[[Scope, Send], Awaitable[bool]]
"""Looks at a request before everything else; True when it has answered it itself."""


@dataclass(slots=True, kw_only=True)
class TrafficLayer:
    """ASGI middleware that writes the log and asks the guard."""

    app: ASGIApp
    now: Now
    guard: Guard | None = None
    log: deque[LoggedRequest] = field(default_factory=lambda: deque(maxlen=LOG_LENGTH))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Log one request and pass it on."""
        entry = self._entry(scope)
        self.log.append(entry)

        async def watch(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                entry.status = message["status"]
            await send(message)

        scope["faults"] = entry.faults
        if self.guard is not None and await self.guard(scope, watch):
            return
        await self.app(scope, receive, watch)

    def view(self) -> list[Json]:
        """Return the log as JSON, oldest first."""
        return [asdict(entry) for entry in self.log]

    def _entry(self, scope: Scope) -> LoggedRequest:
        names = [
            name for name, _ in parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        ]
        headers = {name for name, _ in scope["headers"]}
        sent = headers & {b"authorization", b"x-api-key", b"d360-api-key"}
        credential = "header" if sent else None
        if credential is None and {"access_token", "client_secret"} & set(names):
            credential = "query"
        return LoggedRequest(
            at=self.now(), method=scope["method"], path=scope["path"], query=names, credential=credential
        )
