"""Upstreams that answer from a script: without a socket, and byte by byte over one."""

import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from urllib.parse import parse_qsl

import httpx

from onramp.adapters.upstream import new_client

PATIENCE = 5.0
"""Seconds that a server waits for the other side."""

type Answer = httpx.Response | Exception | Callable[[httpx.Request], httpx.Response]


class Wire(httpx.BaseTransport):
    """Gives its answers in order and keeps the requests. One request too many fails the test."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.read()
        self.requests.append(request)
        assert self.answers, f"one request too many: {request.method} {request.url}"
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer(request) if callable(answer) else answer

    @property
    def client(self) -> httpx.Client:
        """A client as the functions make it, on this wire."""
        return new_client(self)

    def query(self, index: int) -> dict[str, str]:
        """The query of a request."""
        return dict(self.requests[index].url.params)

    def form(self, index: int) -> list[tuple[str, str]]:
        """The form of a request, in order, repetitions included."""
        return parse_qsl(self.requests[index].content.decode(), keep_blank_values=True, strict_parsing=True)

    def body(self, index: int) -> object:
        """The JSON of a request."""
        return json.loads(self.requests[index].content)

    def paths(self) -> list[str]:
        """Method and path of every request."""
        return [
            f"{request.method} {request.url.raw_path.partition(b'?')[0].decode()}"
            for request in self.requests
        ]


def says(content: object, status: int = 200, headers: Mapping[str, str] | None = None) -> httpx.Response:
    """A JSON answer."""
    return httpx.Response(status, json=content, headers=headers)


class Cut(httpx.SyncByteStream):
    """A body that breaks off: some bytes, then an error."""

    def __init__(self, error: Exception, start: bytes = b'{"half') -> None:
        self._error = error
        self._start = start

    def __iter__(self) -> Iterator[bytes]:
        yield self._start
        raise self._error


@contextmanager
def raw_server(*answers: bytes | None) -> Iterator[tuple[str, Sequence[bytes]]]:
    """A server on this machine: for each connection one request is read and one answer written as it is.

    Then the connection is closed. None closes it without an answer. Gives the address and the requests.
    """
    requests: list[bytes] = []
    listening = socket.create_server(("127.0.0.1", 0))
    listening.settimeout(2)

    def serve() -> None:
        for answer in answers:
            try:
                connection, _ = listening.accept()
            except TimeoutError:
                return
            with connection:
                connection.settimeout(2)
                requests.append(_request(connection))
                if answer is not None and requests[-1]:
                    connection.sendall(answer)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}", requests
    finally:
        thread.join(timeout=10)
        listening.close()


def _request(connection: socket.socket) -> bytes:
    """The whole request, or what there was when the other side hung up."""
    received = b""
    while not _complete(received):
        more = connection.recv(65_536)
        if not more:
            break
        received += more
    return received


def _complete(received: bytes) -> bool:
    head, end, body = received.partition(b"\r\n\r\n")
    lengths = [line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
    return bool(end) and len(body) >= (int(lengths[0].split(b":")[1]) if lengths else 0)


type Script = Callable[[socket.socket], None]
"""What a server does with one connection."""


def replies(*answers: bytes) -> Script:
    """One answer for each request; then it waits for the other side to leave."""

    def act(connection: socket.socket) -> None:
        for answer in answers:
            if not connection.recv(65_536):
                return
            connection.sendall(answer)
        connection.recv(1)

    return act


def hangs_up(*answers: bytes) -> Script:
    """One answer for each request; then it leaves."""

    def act(connection: socket.socket) -> None:
        for answer in answers:
            connection.recv(65_536)
            connection.sendall(answer)

    return act


@contextmanager
def server(*scripts: Script, context: ssl.SSLContext | None = None) -> Iterator[int]:
    """A server of this machine, a script for each connection. Gives the port."""
    listening = socket.create_server(("127.0.0.1", 0))
    listening.settimeout(PATIENCE)

    def serve() -> None:
        for script in scripts:
            with suppress(OSError), listening.accept()[0] as met:
                met.settimeout(PATIENCE)
                if context is None:
                    script(met)
                else:
                    with context.wrap_socket(met, server_side=True) as secure:
                        script(secure)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listening.getsockname()[1]
    finally:
        listening.close()
        thread.join(timeout=10)


def drips(content: bytes) -> Script:
    """A byte now and then: no single wait is long."""

    def act(met: socket.socket) -> None:
        met.recv(65_536)
        for byte in content:
            met.sendall(bytes([byte]))
            time.sleep(0.02)

    return act
