"""Calling Meta and 360dialog: one request, one typed outcome.

What an answer means is data: a table of rules for each upstream, read from top to bottom. Whatever no rule
names, and whatever breaks on the way, falls into one of four kinds (see `onramp.domain.errors`).
"""

import json
import logging
import math
import re
import ssl
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from functools import cache
from typing import Any, Final

import httpcore
import httpx

from onramp.domain.errors import Ambiguous, Permanent, Throttled, Transient, UpstreamError
from onramp.domain.values import dataclass

MAX_ANSWER: Final = 5 * 1024 * 1024
"""Bytes of an answer that are read; a longer one counts as cut."""
LONGEST_PAUSE: Final = 3_600.0
"""Seconds: a longer `Retry-After` is taken for a mistake."""
_SENDABLE: Final = re.compile(r"[\x20-\x7e]*")
"""What a header's value may hold."""
TIMEOUT: Final = httpx.Timeout(10.0, connect=3.0)
"""Seconds for each single wait."""
DEADLINE: Final = 15.0
"""Seconds for a whole call: an answer that comes drop by drop keeps every single wait short."""
TRIES: Final = 3
"""Sends of one call at most: with the value that is remembered, the current one, and the one before."""
IDLE_SECONDS: Final = 5.0
"""A connection that has rested longer, by the wall clock too, is not used again: the clock by which httpx
counts may stand still while a function is frozen."""


class Kind(StrEnum):
    """What a failed call means for the next one."""

    PERMANENT = "permanent"
    TRANSIENT = "transient"
    THROTTLED = "throttled"
    AMBIGUOUS = "ambiguous"


@dataclass(frozen=True, slots=True)
class Rule:
    """One row: all that is given must fit. `status` is one code or an inclusive range.

    `text` is looked for in the error's message when the upstream left its subcode out.
    """

    kind: Kind
    code: str
    status: int | tuple[int, int] | None = None
    error: int | tuple[int, int] | None = None
    subcode: int | None = None
    text: re.Pattern[str] | None = None
    transient: bool | None = None
    unread: bool | None = None

    def fits(self, status: int, error: "ErrorBody") -> bool:
        """Whether an answer is this row's."""
        return (
            _within(status, self.status)
            and (self.error is None or (error.code is not None and _within(error.code, self.error)))
            and (self.subcode is None or error.subcode == self.subcode)
            and (self.text is None or self.text.search(error.message) is not None)
            and (self.transient is None or error.transient is self.transient)
            and (self.unread is None or error.unread is self.unread)
        )


def _within(value: int, allowed: int | tuple[int, int] | None) -> bool:
    if allowed is None:
        return True
    low, high = allowed if isinstance(allowed, tuple) else (allowed, allowed)
    return low <= value <= high


@dataclass(frozen=True, slots=True)
class ErrorBody:
    """What an upstream says of an error. `reference` is for its support; `message` is never shown.

    `unread`: there was no JSON object, so whoever answered has said nothing but a status.
    """

    code: int | None = None
    subcode: int | None = None
    message: str = ""
    transient: bool = False
    reference: str = ""
    unread: bool = False


@dataclass(frozen=True, slots=True)
class Upstream:
    """One upstream: its name for codes (`meta`, `partner`) and its rules."""

    unavailable: str
    misconfigured: str
    rules: Sequence[Rule]


def call(
    client: httpx.Client,
    upstream: Upstream,
    method: str,
    url: str,
    *,
    changes: bool,
    headers: Mapping[str, str] | None = None,
    params: Mapping[str, str] | None = None,
    data: Mapping[str, str] | None = None,
    body: Mapping[str, object] | None = None,
    deadline: float = DEADLINE,
    wordless: bool = False,
) -> object:
    """Send one request and give the JSON of a 2xx answer.

    `changes` says whether the call changes something upstream: then an answer that never came, was cut or
    makes no sense is `Ambiguous`, else `Transient`. `deadline` in seconds, for all of it. `wordless`: any 2xx
    will do, with JSON or without. Redirects are never followed: they carry secrets to an address of someone
    else's choosing. Raises `UpstreamError`.
    """
    lost: type[UpstreamError] = Ambiguous if changes else Transient
    if not all(_SENDABLE.fullmatch(value) for value in (headers or {}).values()):
        # A key with a line break, say: it never goes out, and no error may quote it.
        raise Permanent(upstream.misconfigured)
    try:
        request = client.build_request(
            method,
            url,
            headers=dict(headers or {}),
            params=params,
            data=data,
            json=body,
            timeout=_waits(deadline),
            extensions={"deadline": time.monotonic() + deadline},
        )
    except (httpx.InvalidURL, UnicodeError):
        raise Permanent(upstream.misconfigured) from None
    response, content = _exchange(client, request, upstream, lost, deadline)
    if 300 <= response.status_code < 400:  # noqa: PLR2004
        raise Permanent(upstream.misconfigured, status=response.status_code)
    parsed = _parse(content)
    if not response.is_success:
        raise _classify(upstream, response, read_error(parsed), lost)
    if parsed is None and not wordless:
        raise lost(upstream.unavailable, status=response.status_code)
    return parsed


@dataclass(frozen=True, slots=True)
class Credential:
    """A key or secret that may be rotated under us.

    `renewed`: after a refusal, whether there is another value by now. `accepted` is told of each that was not
    refused.
    """

    value: Callable[[], str]
    renewed: Callable[[], bool] = lambda: False
    accepted: Callable[[], None] = lambda: None

    def used[T](self, send: Callable[[], T], is_refusal: Callable[[Permanent], bool]) -> T:
        """Send, and again with what the value has become, as long as it is refused: nothing was done then.

        Raises what `send` raises.
        """
        left = TRIES
        while True:
            left -= 1
            try:
                answer = send()
            except Permanent as refusal:
                if not is_refusal(refusal):
                    self.accepted()
                elif left and self.renewed():
                    continue
                raise
            self.accepted()
            return answer


def _waits(deadline: float) -> httpx.Timeout:
    """How long each single wait of a call may take that has so many seconds."""
    waits = {name: min(seconds or deadline, deadline) for name, seconds in TIMEOUT.as_dict().items()}
    return httpx.Timeout(**waits)


def _exchange(
    client: httpx.Client,
    request: httpx.Request,
    upstream: Upstream,
    lost: type[UpstreamError],
    deadline: float,
) -> tuple[httpx.Response, bytes]:
    """Send, and read all of the answer. Raises `Transient` when nothing was sent, else `lost`."""
    until = time.monotonic() + deadline
    try:
        response = client.send(request, stream=True, follow_redirects=False)
    except httpx.LocalProtocolError:
        # A kept connection in a state nobody expected. No cause: h11 may quote a header.
        raise lost(upstream.unavailable) from None
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
        raise Transient(upstream.unavailable) from error
    except httpx.HTTPError as error:
        raise lost(upstream.unavailable) from error
    try:
        return response, _read(response, until)
    except (httpx.HTTPError, ValueError) as error:
        raise lost(upstream.unavailable, status=response.status_code) from error
    finally:
        response.close()


class _Timed(httpx.SyncByteStream):
    """A body that breaks off when its time is over, however little of it comes at a time."""

    def __init__(self, body: httpx.SyncByteStream, until: float) -> None:
        self._body = body
        self._until = until

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._body:
            if time.monotonic() > self._until:
                raise httpx.ReadTimeout("the answer takes too long")
            yield piece

    def close(self) -> None:
        self._body.close()


def _read(response: httpx.Response, until: float) -> bytes:
    if isinstance(response.stream, httpx.SyncByteStream):
        response.stream = _Timed(response.stream, until)
    content = bytearray()
    for chunk in response.iter_bytes():
        content += chunk
        if len(content) > MAX_ANSWER:
            raise ValueError("answer too long")
    return bytes(content)


def _parse(content: bytes) -> object:
    """The JSON of an answer, whatever its content type says; None when there is none."""
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


def read_error(parsed: object) -> ErrorBody:
    """Meta's `{"error": {…}}`, 360dialog's `{"meta": {…}}` and both kinds of `{"error": "…"}`."""
    if not isinstance(parsed, dict):
        return ErrorBody(unread=True)
    error = parsed.get("error")
    if isinstance(error, dict):
        return ErrorBody(
            code=_number(error.get("code")),
            subcode=_number(error.get("error_subcode")),
            message=str(error.get("message") or ""),
            transient=error.get("is_transient") is True,
            reference=_reference(error),
        )
    meta = parsed.get("meta")
    if isinstance(meta, dict):
        return ErrorBody(
            code=_number(meta.get("http_code")), message=str(meta.get("developer_message") or "")
        )
    return ErrorBody(message=str(error or ""))


def _number(value: object) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 12:  # noqa: PLR2004
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _reference(error: Mapping[str, object]) -> str:
    """Meta's code, subcode and trace id, which its support asks for; only harmless characters."""
    trace = re.sub(r"[^\w.-]", "", str(error.get("fbtrace_id") or ""))[:64]
    return f"{_number(error.get('code'))}/{_number(error.get('error_subcode'))} {trace}".strip()


def _classify(
    upstream: Upstream, response: httpx.Response, error: ErrorBody, lost: type[UpstreamError]
) -> UpstreamError:
    status = response.status_code
    for rule in upstream.rules:
        if not rule.fits(status, error):
            continue
        if rule.kind is Kind.THROTTLED:
            return Throttled(
                rule.code, retry_after=retry_after(response), status=status, reference=error.reference
            )
        kinds: Mapping[Kind, type[UpstreamError]] = {Kind.PERMANENT: Permanent, Kind.TRANSIENT: Transient}
        return kinds.get(rule.kind, lost)(rule.code, status=status, reference=error.reference)
    return lost(upstream.unavailable, status=status, reference=error.reference)


def retry_after(response: httpx.Response) -> float | None:
    """`Retry-After` in seconds, when it is there, a number, and sensible."""
    value = response.headers.get("retry-after", "").strip()
    try:
        seconds = float(value)
    except ValueError:
        return None
    return seconds if 0 <= seconds <= LONGEST_PAUSE else None


@cache
def trust() -> ssl.SSLContext:
    """The process's only context: all usual authorities, 20 to 50 ms to read."""
    return httpx.create_ssl_context(trust_env=False)


class TimedLine(httpcore.NetworkStream):
    """A connection whose waits end by the deadline of the call that uses it, handshake and headers too."""

    def __init__(self, stream: httpcore.NetworkStream, clock: "Until") -> None:
        self._stream = stream
        self._clock = clock

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """See `httpcore.NetworkStream.read`."""
        return self._stream.read(max_bytes, self._clock.left(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """See `httpcore.NetworkStream.write`."""
        self._stream.write(buffer, self._clock.left(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        """See `httpcore.NetworkStream.close`."""
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """See `httpcore.NetworkStream.start_tls`."""
        left = self._clock.left(timeout, httpcore.ConnectTimeout)
        return TimedLine(self._stream.start_tls(ssl_context, server_hostname, left), self._clock)

    def get_extra_info(self, info: str) -> Any:  # noqa: ANN401 - as httpcore has it
        """See `httpcore.NetworkStream.get_extra_info`."""
        return self._stream.get_extra_info(info)


@dataclass(slots=True)
class Until:
    """When the call that is under way has to be over, on the monotonic clock."""

    moment: float = math.inf

    def left(self, timeout: float | None, over: type[Exception]) -> float | None:
        """Seconds that the next wait may take. Raises `over`."""
        left = self.moment - time.monotonic()
        if left <= 0:
            raise over("the time for this call is over")
        return left if timeout is None else min(timeout, left)


class _Network(httpcore.NetworkBackend):
    """The network, with a deadline."""

    def __init__(self, clock: Until) -> None:
        self._network = httpcore.SyncBackend()
        self._clock = clock

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        left = self._clock.left(timeout, httpcore.ConnectTimeout)
        return TimedLine(
            self._network.connect_tcp(host, port, left, local_address, socket_options), self._clock
        )


class _Transport(httpx.HTTPTransport):
    """httpx's own, with the process's context, a deadline for each call, and no connection of yesterday."""

    def __init__(self) -> None:
        super().__init__(verify=trust(), trust_env=False)
        self._until = Until()
        self._used = time.time()
        # httpx makes its pool without asking for a network; a test sees that this one is used.
        self._pool = httpcore.ConnectionPool(
            ssl_context=trust(), keepalive_expiry=IDLE_SECONDS, network_backend=_Network(self._until)
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if not 0 <= time.time() - self._used < IDLE_SECONDS:
            self.disconnect()
        self._until.moment = request.extensions.get("deadline", math.inf)
        try:
            return super().handle_request(request)
        finally:
            self._used = time.time()

    def disconnect(self) -> None:
        """Close what rests; the next call connects anew."""
        self._pool.close()


def disconnect(client: httpx.Client) -> None:
    """Close a client's connections; the next call connects anew."""
    if isinstance(client._transport, _Transport):  # noqa: SLF001 - httpx has no way to ask
        client._transport.disconnect()  # noqa: SLF001


def new_client(transport: httpx.BaseTransport | None = None) -> httpx.Client:
    """A client that follows nothing and takes no proxy or password from the environment.

    It says nothing of its own: httpx logs whole URLs at INFO, and `debug_token` has a token in its URL.
    """
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)
    return httpx.Client(
        transport=transport or _Transport(),
        timeout=TIMEOUT,
        follow_redirects=False,
        trust_env=False,
        headers={"User-Agent": "onramp", "Accept": "application/json"},
    )
