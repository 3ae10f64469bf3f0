"""Posts to endpoints that others have named: the address is checked that is then connected to.

A name is resolved once for each post, all that it leads to is judged, and what is connected to is one of the
judged addresses, under the endpoint's name for TLS and `Host`. So no second answer of a resolver, no redirect
(none is followed) and no proxy (none is read from the environment) leads anywhere else.
"""

import math
import socket
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any, Final
from urllib.parse import urlsplit

import httpcore

from onramp.adapters.upstream import TimedLine, Until, trust
from onramp.domain.targets import Address, is_loopback, is_public, read_address
from onramp.domain.values import dataclass
from onramp.ports.outbound import Answer, Answered, Post, Unanswered

CONNECT_SECONDS: Final = 5.0
"""For resolving a name, and for each address that is tried."""
DEADLINE: Final = 15.0
"""Seconds for a whole post; Standard Webhooks asks for 15 to 30."""
MAX_ANSWER: Final = 64 * 1024
"""Bytes of an answer that are read; its status counts whatever follows."""
SHOWN: Final = 500
"""Characters of an answer that an operator may see."""
LONGEST_PAUSE: Final = 86_400.0
"""Seconds: a longer `Retry-After` is taken for this."""
AT_ONCE: Final = 50
"""Posts at the same time: a batch of five messages for ten endpoints, so that it takes 15 s at most."""
USER_AGENT: Final = "onramp"

type Resolve = Callable[[str, int], Sequence[str]]
"""The addresses of a name and a port, as texts. Raises `OSError`."""


class _NotAllowedError(Exception):
    """The name leads to an address that is not public."""


class _UnknownError(Exception):
    """The name leads nowhere."""


_CODES: Final[Sequence[tuple[type[Exception], str]]] = (
    (_NotAllowedError, "address_not_allowed"),
    (_UnknownError, "address_unknown"),
    (httpcore.TimeoutException, "too_slow"),
    (httpcore.ConnectError, "not_connected"),
    (httpcore.NetworkError, "answer_unreadable"),
    (httpcore.ProtocolError, "answer_unreadable"),
)
"""What broke on the way, from top to bottom, as one of `UNANSWERED`."""


class GuardedOutbound:
    """`Outbound` over the network. `loopback` also lets in this machine, over plain HTTP too: a local run."""

    def __init__(
        self,
        *,
        loopback: bool = False,
        deadline: float = DEADLINE,
        resolve: Resolve | None = None,
        network: httpcore.NetworkBackend | None = None,
    ) -> None:
        self._loopback = loopback
        self._deadline = deadline
        self._resolve = resolve or resolved
        self._network = network or httpcore.SyncBackend()

    def post_all(self, posts: Sequence[Post]) -> Sequence[Answer]:
        """See `Outbound.post_all`. It takes as long as the slowest of at most `AT_ONCE` of them."""
        if not posts:
            return ()
        with ThreadPoolExecutor(min(len(posts), AT_ONCE)) as threads:
            return list(threads.map(self._post, posts))

    def _post(self, post: Post) -> Answer:
        began = time.monotonic()
        answer = self._tried(post, Until(began + self._deadline))
        took = round((time.monotonic() - began) * 1000)
        if isinstance(answer, str):
            return Unanswered(answer, took)
        status, retry_after, text = answer
        return Answered(status, took, retry_after, text)

    def _tried(self, post: Post, until: Until) -> "tuple[int, float | None, str] | str":
        """What the endpoint said, or the code of why it said nothing."""
        if not self._may_try(post.url):
            return "address_unusable"
        try:
            return self._exchange(post, until)
        except Exception as trouble:  # noqa: BLE001 - a text may quote a header
            return next((code for kind, code in _CODES if isinstance(trouble, kind)), "address_unusable")

    def _may_try(self, url: str) -> bool:
        try:
            parts = urlsplit(url)
            _ = parts.port
        except ValueError:
            return False
        if not parts.hostname or parts.username is not None or parts.password is not None:
            return False
        # Plain HTTP leaves nothing but this machine: the address that is connected to is held to that.
        return parts.scheme == "https" or (parts.scheme == "http" and self._loopback)

    def _exchange(self, post: Post, until: Until) -> tuple[int, float | None, str]:
        plain = urlsplit(post.url).scheme == "http"
        backend = _Guarded(self._network, self._resolve, until, self._loopback, only_loopback=plain)
        headers = {"user-agent": USER_AGENT, "accept-encoding": "identity", **post.headers}
        waits = {"connect": CONNECT_SECONDS, "read": self._deadline, "write": self._deadline}
        with (
            httpcore.ConnectionPool(
                ssl_context=trust(), network_backend=backend, max_connections=1, max_keepalive_connections=0
            ) as pool,
            pool.stream(
                "POST",
                post.url,
                headers=list(headers.items()),
                content=post.body,
                extensions={"timeout": waits},
            ) as answer,
        ):
            told = {name.lower(): value for name, value in answer.headers}
            paused = _retry_after(told.get(b"retry-after", b""))
            return answer.status, paused, _beginning(answer)


def _beginning(answer: httpcore.Response) -> str:
    """How the body begins. One that breaks off, or never ends, has a status all the same."""
    content = bytearray()
    try:
        for piece in answer.iter_stream():
            content += piece
            if len(content) >= MAX_ANSWER:
                break
    except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException):
        pass
    return content[: SHOWN * 4].decode("utf-8", "replace")[:SHOWN]


def _retry_after(value: bytes) -> float | None:
    """`Retry-After` in seconds, a day at most; it may be seconds or a date (RFC 9110)."""
    told = value.decode("ascii", "replace").strip()
    try:
        seconds = float(told)
    except ValueError:
        try:
            at = parsedate_to_datetime(told)
        except ValueError:
            return None
        seconds = (at.replace(tzinfo=at.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
    if math.isnan(seconds) or seconds < 0:
        return None
    return min(seconds, LONGEST_PAUSE)


def resolved(host: str, port: int) -> Sequence[str]:
    """The addresses of a name, as this machine's resolver gives them. Raises `OSError`."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(place[0]) for *_, place in found))


@dataclass(slots=True)
class _Guarded(httpcore.NetworkBackend):
    """The network for one post: resolves, judges all addresses, and connects to judged ones alone."""

    network: httpcore.NetworkBackend
    resolve: Resolve
    until: Until
    loopback: bool
    only_loopback: bool

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Raises `_NotAllowedError`, `_UnknownError`, and what the network raises."""
        for address, more in self._judged(host, port, timeout):
            left = self.until.left(timeout, httpcore.ConnectTimeout)
            try:
                line = self.network.connect_tcp(str(address), port, left, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if not more:
                    raise
            else:
                return TimedLine(line, self.until)
        raise _UnknownError

    def _judged(self, host: str, port: int, timeout: float | None) -> list[tuple[Address, bool]]:
        """The addresses, and whether there is one behind each. One that is not allowed spoils all."""
        left = self.until.left(timeout, httpcore.ConnectTimeout)
        addresses = []
        for text in _in_time(partial(self.resolve, host, port), left):
            address = read_address(text)
            if address is None or not self._is_allowed(address):
                raise _NotAllowedError
            addresses.append(address)
        return [(address, index + 1 < len(addresses)) for index, address in enumerate(addresses)]

    def _is_allowed(self, address: Address) -> bool:
        if self.loopback and is_loopback(address):
            return True
        return not self.only_loopback and is_public(address)


def _in_time(ask: Callable[[], Sequence[str]], seconds: float | None) -> Sequence[str]:
    """What a resolver says, which knows no limit of its own. Raises `_UnknownError`, `ConnectTimeout`."""
    told: list[Sequence[str]] = []

    def run() -> None:
        try:
            told.append(ask())
        except (OSError, UnicodeError):
            told.append(())

    asking = threading.Thread(target=run, daemon=True)
    asking.start()
    asking.join(seconds)
    if not told:
        raise httpcore.ConnectTimeout
    if not told[0]:
        raise _UnknownError
    return told[0]
