"""The doctor's own client, against a server on this machine."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from ops.doctor.findings import Level, Stop
from ops.doctor.http import new_client, read_object, send


class Redirecting(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(302 if self.path == "/away" else 200)
        self.send_header("Location", "http://127.0.0.1:1/")
        self.end_headers()
        self.wfile.write(b'{"a": 1}')

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        pass


@pytest.fixture
def server() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Redirecting) as listening:
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{listening.server_port}"
        listening.shutdown()
        thread.join()


def test_this_machine_is_reached_past_a_proxy(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with new_client() as client:
        answer = send(client, "it", "GET", f"{server}/")
        assert read_object(answer) == {"a": 1}


def test_redirects_are_not_followed(server: str) -> None:
    with new_client() as client:
        assert send(client, "it", "GET", f"{server}/away").status_code == 302


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/", "https://[bad/", "ftp://127.0.0.1/", "no-address"])
def test_what_cannot_be_reached_ends_the_check(url: str) -> None:
    with new_client() as client, pytest.raises(Stop) as stopped:
        send(client, "it", "GET", url)
    assert stopped.value.finding.level is Level.FAIL


def test_a_header_with_a_line_break_is_not_shown() -> None:
    with new_client() as client, pytest.raises(Stop) as stopped:
        send(client, "it", "GET", "http://127.0.0.1:1/", headers={"X-API-Key": "my-key\nX: y"})
    assert "my-key" not in stopped.value.finding.detail
    assert stopped.value.__cause__ is None
