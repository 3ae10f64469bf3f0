"""Requests to AWS on sockets alone: kept connections, one deadline for all of a request, few trusted roots.

Standard library only, and of it what starts fast, for the webhook receiver imports this: `http.client` takes
as long to import as everything here, and a context with all authorities of a system 20 to 50 ms to make.
"""

import os
import socket
import ssl
import time

ROOTS = "aws_roots.pem"
"""The roots that AWS's certificates lead to; put beside this file when the functions are packaged."""
IDLE_SECONDS = 10.0
"""A connection that has rested longer is not used again: it may have died while the function was frozen."""
LONGEST_HEAD = 64 * 1024
"""Bytes of an answer's status and headers."""
PIECE = 64 * 1024
NO_BODY = frozenset({204, 304})

_contexts: dict[bool, ssl.SSLContext] = {}


class Garbled(OSError):
    """What came is no answer of HTTP, or breaks off."""


def context(*, every: bool) -> ssl.SSLContext:
    """The process's only context of its kind: with AWS's few roots, or with every authority of the system.

    `AWS_CA_BUNDLE` replaces both, as in all tools of AWS. Without the packaged roots the system's are taken.
    """
    if every not in _contexts:
        _contexts[every] = _new_context(every=every)
    return _contexts[every]


def _new_context(*, every: bool) -> ssl.SSLContext:
    given = os.environ.get("AWS_CA_BUNDLE")
    few = os.path.join(os.path.dirname(__file__), ROOTS)  # noqa: PTH118, PTH120 - pathlib takes 5 ms to import
    if not given and (every or not os.path.exists(few)):  # noqa: PTH110 - as above
        return ssl.create_default_context()
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN
    made.load_verify_locations(cafile=given or few)
    return made


class Connection:
    """A connection to one host. Made when it is first used, and anew when it has rested or was closed."""

    def __init__(self, host: str, port: int, *, secure: bool, connect_seconds: float) -> None:
        self.host = host
        self.port = port
        # As bytes: a text is looked through for foreign letters, whose tables a start would have to load.
        self._name = host.encode("ascii" if host.isascii() else "idna")
        self._secure = secure
        self._connect_seconds = connect_seconds
        self._every = False
        self._socket: socket.socket | None = None
        self._used = (0.0, 0.0)
        self._buffer = bytearray()

    def open(self, until: float, wait: float) -> None:
        """Connect, unless a living connection is there. `until`: on the monotonic clock. Raises `OSError`."""
        if self._socket is not None and (self._rested() or not self._lives(self._socket)):
            self.close()
        if self._socket is None:
            self._socket = self._connect(until, wait)
            self._used = _now()

    def ask(
        self, what: str, headers: dict[str, str], body: bytes, until: float, wait: float
    ) -> tuple[int, bytes]:
        """Send a request, `POST /`, say; gives status and body of the answer.

        `until` is the end of it all on the monotonic clock, `wait` the longest single wait in seconds.
        Raises `OSError`: then the connection is closed, and the request may have been done all the same.
        """
        self.open(until, wait)
        lines = [f"{name}: {value}\r\n" for name, value in headers.items()]
        head = f"{what} HTTP/1.1\r\n{''.join(lines)}content-length: {len(body)}\r\n\r\n"
        try:
            self._patient(until, wait).sendall(head.encode("latin-1") + body)
            status, answer, keep = self._answer(until, wait)
        except BaseException:
            # Also for who ends the function in between: half an answer must not be taken for the next one's.
            self.close()
            raise
        self._used = _now()
        if not keep:
            self.close()
        return status, answer

    def close(self) -> None:
        """Close it; the next request makes it anew."""
        if self._socket is not None:
            self._socket.close()
        self._socket = None
        self._buffer.clear()

    @property
    def is_open(self) -> bool:
        """Whether there is a connection; it may have died."""
        return self._socket is not None

    # -- connecting

    def _rested(self) -> bool:
        return not is_fresh(_now(), self._used, IDLE_SECONDS)

    @staticmethod
    def _lives(connection: socket.socket) -> bool:
        """Whether nobody has closed it. Something that was said without being asked counts as closed."""
        connection.settimeout(0)
        try:
            connection.recv(1)
        except (BlockingIOError, ssl.SSLWantReadError):
            return True
        except OSError:
            return False
        return False

    def _connect(self, until: float, wait: float) -> socket.socket:
        plain = self._reach(until)
        if not self._secure:
            return plain
        try:
            plain.settimeout(_left(until, wait))
            return context(every=self._every).wrap_socket(plain, server_hostname=self._name)
        except BaseException as error:
            plain.close()
            if isinstance(error, ssl.SSLCertVerificationError) and not self._every:
                # A root we did not expect: ask the system's authorities, from now on.
                self._every = True
                return self._connect(until, wait)
            raise

    def _reach(self, until: float) -> socket.socket:
        """The first of the host's addresses that answers."""
        trouble: OSError = Garbled("the host has no address")
        for family, kind, protocol, _, address in socket.getaddrinfo(
            self._name, self.port, type=socket.SOCK_STREAM
        ):
            reached = socket.socket(family, kind, protocol)
            try:
                reached.settimeout(_left(until, self._connect_seconds))
                reached.connect(address)
                reached.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            except OSError as error:
                reached.close()
                trouble = error
            except BaseException:
                reached.close()
                raise
            else:
                return reached
        raise trouble

    # -- reading

    def _patient(self, until: float, wait: float) -> socket.socket:
        if self._socket is None:
            raise Garbled("closed")
        self._socket.settimeout(_left(until, wait))
        return self._socket

    def _more(self, until: float, wait: float) -> None:
        piece = self._patient(until, wait).recv(PIECE)
        if not piece:
            raise Garbled("the answer breaks off")
        self._buffer += piece

    def _answer(self, until: float, wait: float) -> tuple[int, bytes, bool]:
        """Status, body, and whether the connection may be used again."""
        version, status = "", 100
        headers: dict[str, str] = {}
        while status < 200:  # noqa: PLR2004 - "wait for the real answer"
            version, status, headers = _head(self._until(b"\r\n\r\n", until, wait))
        keep = version == "HTTP/1.1" and "close" not in headers.get("connection", "").lower()
        if "chunked" in headers.get("transfer-encoding", "").lower():
            return status, self._chunks(until, wait), keep
        if "content-length" in headers or status in NO_BODY:
            return status, self._exactly(_whole(headers.get("content-length", "0")), until, wait), keep
        return status, self._rest(until, wait), False

    def _until(self, mark: bytes, until: float, wait: float) -> bytes:
        """What comes before a mark; the mark goes too."""
        seen = 0
        while (end := self._buffer.find(mark, seen)) < 0:
            if len(self._buffer) > LONGEST_HEAD:
                raise Garbled("endless headers")
            seen = max(0, len(self._buffer) - len(mark))
            self._more(until, wait)
        return self._taken(end, len(mark))

    def _exactly(self, size: int, until: float, wait: float) -> bytes:
        while len(self._buffer) < size:
            self._more(until, wait)
        return self._taken(size)

    def _chunks(self, until: float, wait: float) -> bytes:
        content = bytearray()
        while size := _whole(self._until(b"\r\n", until, wait).partition(b";")[0].decode("latin-1"), 16):
            content += self._exactly(size, until, wait)
            self._until(b"\r\n", until, wait)
        while self._until(b"\r\n", until, wait):
            """A trailer, of no interest."""
        return bytes(content)

    def _rest(self, until: float, wait: float) -> bytes:
        while piece := self._patient(until, wait).recv(PIECE):
            self._buffer += piece
        return self._taken(len(self._buffer))

    def _taken(self, size: int, behind: int = 0) -> bytes:
        content = bytes(self._buffer[:size])
        del self._buffer[: size + behind]
        return content


def _head(content: bytes) -> tuple[str, int, dict[str, str]]:
    first, *lines = content.decode("latin-1").split("\r\n")
    version, _, told = first.partition(" ")
    if not version.startswith("HTTP/1."):
        raise Garbled("no status")
    pairs = (line.partition(":") for line in lines)
    return version, _whole(told[:3]), {name.strip().lower(): value.strip() for name, _, value in pairs}


def _whole(text: str, base: int = 10) -> int:
    try:
        number = int(text, base)
    except ValueError:
        raise Garbled("no number") from None
    if number < 0:
        raise Garbled("no size")
    return number


def _left(until: float, wait: float) -> float:
    """Seconds that the next wait may take. Raises `TimeoutError`."""
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError("the time for this call is over")
    return min(left, wait)


def is_fresh(now: tuple[float, ...], since: tuple[float, ...] | None, seconds: float) -> bool:
    """Whether something is younger than so many seconds by every clock; what never was is not.

    Two clocks are asked, the wall's and the monotonic one: the latter may stand still while a function is
    frozen, the former may be set back, and what was set back counts as old.
    """
    return since is not None and all(0 <= at - then < seconds for at, then in zip(now, since, strict=True))


def _now() -> tuple[float, float]:
    return time.monotonic(), time.time()
