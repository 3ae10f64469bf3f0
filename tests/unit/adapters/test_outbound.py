"""Posts to endpoints that others have named, against resolvers and servers that mean no good."""

import socket
import ssl
import threading
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import httpcore
import pytest

from bench.tls import NAME, certificate
from harness.waiting import PATIENCE
from onramp.adapters import outbound
from onramp.adapters.outbound import LONGEST_PAUSE, MAX_ANSWER, SHOWN, GuardedOutbound, resolved
from onramp.ports.outbound import UNANSWERED, Answered, Post, Unanswered
from tests.unit.wire import drips, hangs_up, raw_server, replies, server

PLAIN = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


def post(url: str) -> Post:
    return Post(url, {"webhook-id": "msg_1"}, b'{"type":"test"}')


def local(deadline: float = 5.0) -> GuardedOutbound:
    return GuardedOutbound(loopback=True, deadline=deadline)


class Network(httpcore.NetworkBackend):
    """A network that connects nobody, and keeps whom it was asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        self.asked.append((host, port))
        raise httpcore.ConnectError


def code_of(answer: Answered | Unanswered) -> str:
    assert isinstance(answer, Unanswered)
    assert answer.code in UNANSWERED
    return answer.code


def guarded(*answers: Sequence[str]) -> tuple[GuardedOutbound, Network]:
    """A sender whose resolver gives these answers, one after another."""
    network, left = Network(), list(answers)
    return GuardedOutbound(resolve=lambda _host, _port: left.pop(0), network=network), network


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["10.1.2.3"],
        ["169.254.169.254"],
        ["::ffff:169.254.169.254"],
        ["fd00:ec2::254"],
        ["64:ff9b::a9fe:a9fe"],
        ["fe80::1%eth0"],
        ["93.184.215.14", "10.0.0.1"],
        ["not an address"],
    ],
)
def test_a_name_that_leads_inside_is_refused_and_nobody_is_connected_to(addresses: list[str]) -> None:
    sender, network = guarded(addresses)
    assert code_of(sender.post_all([post("https://hooks.example.com/")])[0]) == "address_not_allowed"
    assert network.asked == []


def test_a_name_that_changes_between_two_questions_is_asked_once_and_the_judged_address_is_used() -> None:
    sender, network = guarded(["93.184.215.14"], ["127.0.0.1"])
    assert code_of(sender.post_all([post("https://rebinding.example.com:8443/")])[0]) == "not_connected"
    assert network.asked == [("93.184.215.14", 8443)]


def test_each_post_asks_anew() -> None:
    sender, network = guarded(["93.184.215.14"], ["127.0.0.1"])
    one = sender.post_all([post("https://rebinding.example.com/")])
    two = sender.post_all([post("https://rebinding.example.com/")])
    assert [code_of(one[0]), code_of(two[0])] == ["not_connected", "address_not_allowed"]
    assert network.asked == [("93.184.215.14", 443)]


def test_every_address_of_a_name_is_tried() -> None:
    sender, network = guarded(["2606:4700::1", "93.184.215.14"])
    sender.post_all([post("https://hooks.example.com/")])
    assert [host for host, _ in network.asked] == ["2606:4700::1", "93.184.215.14"]


@pytest.mark.parametrize(
    "host", ["2130706433", "0x7f.1", "017700000001", "127.1", "[::1]", "[::ffff:7f00:1]", "localhost", "0"]
)
def test_every_spelling_of_this_machine_is_refused(host: str) -> None:
    network = Network()
    answer = GuardedOutbound(network=network).post_all([post(f"https://{host}/")])[0]
    assert code_of(answer) in {"address_not_allowed", "address_unknown"}
    assert network.asked == []


@pytest.mark.parametrize(
    "url",
    [
        *("http://hooks.example.com/", "ftp://hooks.example.com/", "https:///path", "hooks.example.com", ""),
        *("https://user:word@hooks.example.com/", "https://hooks.example.com:99999/", "https://[::1/"),
    ],
)
def test_what_is_no_https_address_is_not_tried(url: str) -> None:
    sender, network = guarded(["93.184.215.14"])
    assert code_of(sender.post_all([post(url)])[0]) == "address_unusable"
    assert network.asked == []


def test_a_local_run_may_post_to_this_machine_in_plain_and_to_nobody_else_in_plain() -> None:
    with raw_server(PLAIN) as (address, requests):
        answer = local().post_all([post(f"{address}/hook?a=1")])[0]
    assert isinstance(answer, Answered)
    assert (answer.status, answer.text) == (200, "{}")
    assert requests[0].startswith(b"POST /hook?a=1 HTTP/1.1\r\n")
    assert b"webhook-id: msg_1\r\n" in requests[0]
    assert requests[0].endswith(b'\r\n\r\n{"type":"test"}')
    network = Network()
    plain = GuardedOutbound(loopback=True, resolve=lambda _h, _p: ["93.184.215.14"], network=network)
    assert code_of(plain.post_all([post("http://hooks.example.com/")])[0]) == "address_not_allowed"
    assert network.asked == []


def test_the_name_of_the_endpoint_is_what_tls_and_host_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, key = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file, key)
    names: list[str | None] = []
    context.sni_callback = lambda _socket, name, _context: names.append(name)
    heard: list[bytes] = []

    def act(met: socket.socket) -> None:
        heard.append(met.recv(65_536))
        while not heard[-1].endswith(b"}"):
            heard.append(met.recv(65_536))
        met.sendall(PLAIN)

    monkeypatch.setattr(outbound, "trust", lambda: ssl.create_default_context(cafile=file))
    with server(act, context=context) as port:
        answer = local().post_all([post(f"https://{NAME}:{port}/")])[0]
    assert isinstance(answer, Answered)
    assert names == [NAME]
    assert f"Host: {NAME}:{port}\r\n".encode().lower() in heard[0].lower()


def test_a_certificate_of_an_unknown_authority_is_not_connected(tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate(tmp_path))
    with server(replies(PLAIN), context=context) as port:
        assert code_of(local().post_all([post(f"https://{NAME}:{port}/")])[0]) == "not_connected"


def test_a_redirect_is_an_answer_and_is_not_followed() -> None:
    moved = b"HTTP/1.1 307 Moved\r\nLocation: http://169.254.169.254/latest/\r\nContent-Length: 0\r\n\r\n"
    with raw_server(moved, PLAIN) as (address, requests):
        answer = local().post_all([post(address)])[0]
    assert isinstance(answer, Answered)
    assert answer.status == 307
    assert len(requests) == 1


def test_no_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with raw_server(PLAIN) as (address, requests):
        assert isinstance(local().post_all([post(address)])[0], Answered)
    assert len(requests) == 1


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200,
        b"HTTP/1.1 100 Continue\r\n\r\n" * 50,
    ],
    ids=["headers", "information"],
)
def test_an_answer_that_comes_drop_by_drop_ends_at_the_deadline(raw: bytes) -> None:
    with server(drips(raw)) as port:
        assert code_of(local(0.3).post_all([post(f"http://127.0.0.1:{port}/")])[0]) == "too_slow"


def test_a_body_that_never_ends_does_not_take_the_status_away() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n"
    with server(hangs_up(head + b"x" * 2 * MAX_ANSWER)) as port:
        answer = local().post_all([post(f"http://127.0.0.1:{port}/")])[0]
    assert isinstance(answer, Answered)
    assert answer.status == 200
    assert answer.text == "x" * SHOWN
    assert answer.text not in repr(answer)


@pytest.mark.parametrize("raw", [b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nX: " + b"y" * 300_000, b""])
def test_what_is_no_answer_is_told_as_such(raw: bytes) -> None:
    with server(hangs_up(raw)) as port:
        assert code_of(local().post_all([post(f"http://127.0.0.1:{port}/")])[0]) == "answer_unreadable"


def test_nobody_listening_and_no_such_name_are_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert code_of(local().post_all([post(f"http://127.0.0.1:{port}/")])[0]) == "not_connected"

    def nobody(_host: str, _port: int) -> Sequence[str]:
        raise socket.gaierror

    sender = GuardedOutbound(resolve=nobody)
    assert code_of(sender.post_all([post("https://nowhere.example.com/")])[0]) == "address_unknown"


def test_a_resolver_that_does_not_answer_ends_with_the_deadline() -> None:
    def sleepy(_host: str, _port: int) -> Sequence[str]:
        time.sleep(2)
        return ["93.184.215.14"]

    sender = GuardedOutbound(resolve=sleepy, deadline=0.2)
    assert code_of(sender.post_all([post("https://slow.example.com/")])[0]) == "too_slow"


def test_a_dead_endpoint_takes_no_time_from_its_neighbours() -> None:
    with server(drips(b"HTTP/1.1 200 OK\r\n" * 200)) as slow, raw_server(PLAIN) as (address, _):
        dead, well = local(0.5).post_all([post(f"http://127.0.0.1:{slow}/"), post(address)])
    assert code_of(dead) == "too_slow"
    assert isinstance(well, Answered)
    assert local().post_all([]) == ()


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120.0),
        ("0", 0.0),
        ("99999999", LONGEST_PAUSE),
        ("inf", LONGEST_PAUSE),
        ("nan", None),
        ("-5", None),
        ("soon", None),
        ("", None),
        ("Fri, 01 Jan 2199 00:00:00 GMT", LONGEST_PAUSE),
        ("Sun, 01 Jan 2023 00:00:00 GMT", None),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date_and_bounded(value: str, seconds: float | None) -> None:
    raw = f"HTTP/1.1 503 Busy\r\nRetry-After: {value}\r\nContent-Length: 0\r\n\r\n".encode()
    with raw_server(raw) as (address, _):
        answer = local().post_all([post(address)])[0]
    assert isinstance(answer, Answered)
    assert answer.retry_after == seconds


def test_a_header_that_cannot_be_sent_is_told_without_quoting_it() -> None:
    sender = local()
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"http://127.0.0.1:{free.getsockname()[1]}/"
        answer = sender.post_all([Post(address, {"x": "secret\r\nword"}, b"{}")])[0]
    assert isinstance(answer, Unanswered)
    assert "secret" not in repr(answer)


def test_this_machines_resolver_gives_addresses() -> None:
    assert set(resolved("127.0.0.1", 443)) == {"127.0.0.1"}


def test_all_posts_of_the_largest_batch_are_made_at_the_same_time() -> None:
    # One after the other, ten endpoints that are silent would outlast the function.
    together = threading.Barrier(50, timeout=PATIENCE)

    def unknown(_: str, __: int) -> Sequence[str]:
        together.wait()
        raise OSError

    posts = [post(f"https://e{index}.example.com/") for index in range(50)]
    answers = GuardedOutbound(resolve=unknown).post_all(posts)
    assert {code_of(one) for one in answers} == {"address_unknown"}
