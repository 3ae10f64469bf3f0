"""Requests on sockets alone: answers of every form, TLS, deadlines, connections that died in a pause."""

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.tls import NAME, certificate
from infra.bundling import AWS_ROOTS, aws_roots
from onramp.adapters import wire
from onramp.adapters.wire import Connection, Garbled
from tests.unit.wire import drips, hangs_up, replies, server

PLAIN = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
WAIT = 5.0
LONG_AGO = 1_000.0


@contextlib.contextmanager
def connection(port: int, host: str = "127.0.0.1", *, secure: bool = False) -> Iterator[Connection]:
    """A connection that is closed in the end."""
    made = Connection(host, port, secure=secure, connect_seconds=WAIT)
    try:
        yield made
    finally:
        made.close()


def ask(met: Connection, seconds: float = WAIT, body: bytes = b"{}") -> tuple[int, bytes]:
    return met.ask("POST /", {"host": "h"}, body, time.monotonic() + seconds, WAIT)


# --- answers

ANSWERS = {
    "a length": (PLAIN, 200, b"{}"),
    "no body": (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
    "nothing": (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", 200, b""),
    "chunks": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=1\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n",
        200,
        b"abc0123456789",
    ),
    "a trailer": (
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX: y\r\n\r\n",
        200,
        b"a",
    ),
    "wait first": (b"HTTP/1.1 100 Continue\r\n\r\n" + PLAIN, 200, b"{}"),
    "an error": (b"HTTP/1.1 400 Bad\r\nContent-Length: 3\r\n\r\nbad", 400, b"bad"),
}


@pytest.mark.parametrize("kind", ANSWERS)
def test_an_answer_is_read_and_the_connection_serves_the_next_request(kind: str) -> None:
    raw, status, body = ANSWERS[kind]
    with server(replies(raw, PLAIN)) as port, connection(port) as met:
        assert ask(met) == (status, body)
        assert met.is_open
        assert ask(met) == (200, b"{}")


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\n\r\nuntil the end",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 13\r\n\r\nuntil the end",
        b"HTTP/1.0 200 OK\r\nContent-Length: 13\r\n\r\nuntil the end",
    ],
)
def test_what_is_not_kept_is_made_anew(raw: bytes) -> None:
    with server(hangs_up(raw), replies(PLAIN)) as port, connection(port) as met:
        assert ask(met) == (200, b"until the end")
        assert not met.is_open
        assert ask(met) == (200, b"{}")


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"HTTP/1.1 200",
        b"SSH-2.0\r\n\r\n",
        b"HTTP/1.1 ok\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        b"x" * (wire.LONGEST_HEAD + 2),
    ],
)
def test_what_is_no_answer_closes_the_connection(raw: bytes) -> None:
    with server(hangs_up(raw)) as port, connection(port) as met:
        with pytest.raises(OSError):  # noqa: PT011 - a reset is one too
            ask(met)
        assert not met.is_open


# --- time


@pytest.mark.parametrize("raw", [PLAIN * 20, b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n" + b"x" * 999])
def test_an_answer_that_comes_drop_by_drop_ends_at_the_deadline(raw: bytes) -> None:
    slow = raw.replace(b"\r\n\r\n", b"\r\nX: y") if raw.startswith(PLAIN) else raw
    with server(drips(slow)) as port, connection(port) as met:
        with pytest.raises(TimeoutError):
            ask(met, seconds=0.3)
        assert not met.is_open


def test_a_server_that_says_nothing_is_not_waited_for() -> None:
    def silent(met: socket.socket) -> None:
        while met.recv(65_536):
            """Whatever comes."""

    with server(silent) as port, connection(port) as met, pytest.raises(TimeoutError):
        met.ask("POST /", {}, b"", time.monotonic() + 60, 0.05)


def test_nothing_begins_when_the_time_is_over() -> None:
    with server() as port, connection(port) as met, pytest.raises(TimeoutError):
        ask(met, seconds=-1)


@pytest.mark.parametrize("clock", ["monotonic", "time"])
@pytest.mark.parametrize("change", [LONG_AGO, -LONG_AGO])
def test_a_connection_that_has_rested_is_not_used_again(
    clock: str, change: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    with server(replies(PLAIN, b"from before"), replies(PLAIN)) as port, connection(port) as met:
        assert ask(met) == (200, b"{}")
        first = met._socket
        now = getattr(time, clock)()
        moments = {"monotonic": time.monotonic(), "time": time.time()} | {clock: now + change}
        monkeypatch.setattr(wire, "_now", lambda: (moments["monotonic"], moments["time"]))
        met.open(time.monotonic() + WAIT, WAIT)
        assert met._socket is not first


def test_a_connection_that_was_closed_meanwhile_is_made_anew() -> None:
    gone = threading.Event()

    def leaves(met: socket.socket) -> None:
        met.recv(65_536)
        met.sendall(PLAIN)
        met.shutdown(socket.SHUT_WR)
        gone.set()

    with server(leaves, replies(PLAIN)) as port, connection(port) as met:
        assert ask(met) == (200, b"{}")
        assert gone.wait(WAIT)
        time.sleep(0.05)
        assert ask(met) == (200, b"{}")


def test_an_address_where_nobody_listens_is_an_error() -> None:
    with server() as port:
        pass
    with connection(port) as met, pytest.raises(ConnectionRefusedError):
        ask(met)


# --- TLS


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, ssl.SSLContext]:
    """A certificate for `localhost`, and a server's context with it; nobody trusts it yet."""
    monkeypatch.setattr(wire, "_contexts", {})
    monkeypatch.delenv("AWS_CA_BUNDLE", raising=False)
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    file, key = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file, key)
    return file, context


def secure_answer(context: ssl.SSLContext, connections: int = 1) -> tuple[int, bytes]:
    scripts = [replies(PLAIN) for _ in range(connections)]
    with server(*scripts, context=context) as port, connection(port, NAME, secure=True) as met:
        return ask(met)


def test_a_certificate_of_a_given_authority_is_trusted(
    own: tuple[Path, ssl.SSLContext], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", str(own[0]))
    assert secure_answer(own[1]) == (200, b"{}")


def test_a_certificate_that_nobody_vouches_for_is_refused(own: tuple[Path, ssl.SSLContext]) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        secure_answer(own[1], connections=2)


def test_a_certificate_of_another_host_is_refused(
    own: tuple[Path, ssl.SSLContext], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", str(own[0]))
    scripts = [replies(PLAIN)] * 2
    with (
        server(*scripts, context=own[1]) as port,
        connection(port, "127.0.0.1", secure=True) as met,
        pytest.raises(ssl.SSLCertVerificationError),
    ):
        ask(met)


def test_when_the_few_roots_do_not_do_the_systems_are_asked(
    own: tuple[Path, ssl.SSLContext], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = tmp_path / "few.pem"
    few.write_text(aws_roots(), encoding="ascii")
    monkeypatch.setattr(wire, "ROOTS", str(few))
    monkeypatch.setenv("SSL_CERT_FILE", str(own[0]))
    assert secure_answer(own[1], connections=2) == (200, b"{}")


def test_a_kept_secure_connection_lives_on(
    own: tuple[Path, ssl.SSLContext], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", str(own[0]))
    with server(replies(PLAIN, PLAIN), context=own[1]) as port, connection(port, NAME, secure=True) as met:
        met.open(time.monotonic() + WAIT, WAIT)
        first = met._socket
        assert ask(met) == ask(met) == (200, b"{}")
        assert met._socket is first


@pytest.mark.usefixtures("own")
def test_there_is_one_context_for_all_connections_with_few_roots(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = tmp_path / "few.pem"
    few.write_text(aws_roots(), encoding="ascii")
    monkeypatch.setattr(wire, "ROOTS", str(few))
    made = wire.context(every=False)
    assert wire.context(every=False) is made
    names = {dict(pair[0] for pair in root["subject"])["commonName"] for root in made.get_ca_certs()}  # type: ignore[misc]
    assert names == AWS_ROOTS
    assert made.check_hostname
    assert made.verify_mode is ssl.CERT_REQUIRED


def test_garbled_is_trouble_of_the_network() -> None:
    assert issubclass(Garbled, OSError)
