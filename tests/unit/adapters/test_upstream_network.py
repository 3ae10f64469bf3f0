"""The client for Meta and 360dialog on real connections: one context, a deadline, nothing of yesterday."""

import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from bench.tls import NAME, certificate
from onramp.adapters import upstream
from onramp.adapters.upstream import IDLE_SECONDS, Upstream, call, disconnect, new_client
from onramp.domain.errors import Ambiguous, Transient
from tests.unit.wire import drips, replies, server

PLAIN = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
PARTNER = Upstream(unavailable="partner_unavailable", misconfigured="partner_configuration", rules=())


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    with new_client() as made:
        yield made


def ask(client: httpx.Client, port: int, deadline: float = 5.0, *, changes: bool = False) -> object:
    address = f"http://127.0.0.1:{port}/"
    return call(client, PARTNER, "POST" if changes else "GET", address, changes=changes, deadline=deadline)


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200,
        b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n" + b"x" * 999,
    ],
    ids=["headers", "body"],
)
@pytest.mark.parametrize("changes", [True, False])
def test_an_answer_that_comes_drop_by_drop_ends_at_the_deadline(
    client: httpx.Client, raw: bytes, changes: bool
) -> None:
    with server(drips(raw)) as port, pytest.raises(Ambiguous if changes else Transient):
        ask(client, port, deadline=0.3, changes=changes)


def test_a_deadline_holds_for_its_own_call_alone(client: httpx.Client) -> None:
    with server(replies(PLAIN, PLAIN)) as port:
        assert ask(client, port, deadline=0.5) == {}
        time.sleep(0.6)
        assert ask(client, port) == {}


def test_a_connection_is_kept(client: httpx.Client) -> None:
    with server(replies(PLAIN, PLAIN)) as port:
        assert ask(client, port) == ask(client, port) == {}


@pytest.mark.parametrize("change", [IDLE_SECONDS + 1, -1.0])
def test_a_connection_that_has_rested_by_the_wall_clock_is_not_used_again(
    client: httpx.Client, change: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time()
    with server(replies(PLAIN, b"from before"), replies(PLAIN)) as port:
        assert ask(client, port) == {}
        monkeypatch.setattr("time.time", lambda: now + change)
        assert ask(client, port) == {}


def test_a_client_that_was_disconnected_connects_anew(client: httpx.Client) -> None:
    with server(replies(PLAIN), replies(PLAIN)) as port:
        assert ask(client, port) == {}
        disconnect(client)
        assert ask(client, port) == {}


def test_all_clients_of_a_process_share_one_context(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[ssl.SSLContext] = []
    create = httpx.create_ssl_context

    def counted(*, trust_env: bool) -> ssl.SSLContext:
        made.append(create(trust_env=trust_env))
        return made[-1]

    monkeypatch.setattr(httpx, "create_ssl_context", counted)
    upstream.trust.cache_clear()
    for _ in range(3):
        new_client().close()
    upstream.trust.cache_clear()
    assert len(made) == 1
    assert made[0].check_hostname


def test_an_encrypted_call_is_trusted_by_that_context_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, key = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file, key)
    with (
        server(replies(PLAIN), context=context) as port,
        new_client() as stranger,
        pytest.raises(Transient),
    ):
        call(stranger, PARTNER, "GET", f"https://{NAME}:{port}/", changes=False)
    monkeypatch.setattr(upstream, "trust", lambda: ssl.create_default_context(cafile=file))
    with server(replies(PLAIN), context=context) as port, new_client() as friend:
        assert call(friend, PARTNER, "GET", f"https://{NAME}:{port}/", changes=False) == {}
