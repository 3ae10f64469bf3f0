"""One request, one typed outcome: whatever an upstream does."""

import logging
import time
import traceback
from collections.abc import Callable, Iterator

import httpx
import pytest

from onramp.adapters.upstream import (
    DEADLINE,
    LONGEST_PAUSE,
    MAX_ANSWER,
    TIMEOUT,
    Kind,
    Rule,
    Upstream,
    call,
    new_client,
    read_error,
    retry_after,
)
from onramp.domain.errors import Ambiguous, Permanent, Throttled, Transient, UpstreamError
from tests.canary import PARTNER_KEY, assert_silent
from tests.unit.wire import Cut, Wire, raw_server, says

UPSTREAM = Upstream(
    unavailable="meta_unavailable",
    misconfigured="meta_configuration",
    rules=(
        Rule(Kind.THROTTLED, "meta_unavailable", status=429),
        Rule(Kind.AMBIGUOUS, "meta_unavailable", status=(500, 599)),
        Rule(Kind.TRANSIENT, "partner_unavailable", status=423),
        Rule(Kind.PERMANENT, "code_invalid", status=400),
    ),
)
URL = "https://upstream.example/v1/things"

lost = pytest.mark.parametrize(("changes", "kind"), [(True, Ambiguous), (False, Transient)])
"""What an unknown outcome means: only a call that changes something has to be looked after."""


def send(wire: Wire, *, changes: bool = True) -> object:
    return call(wire.client, UPSTREAM, "POST", URL, changes=changes, body={"a": 1})


def test_the_json_of_a_success_is_given() -> None:
    wire = Wire(says({"id": "1"}, 201))
    assert send(wire) == {"id": "1"}
    assert wire.requests[0].headers["user-agent"] == "onramp"


def test_json_counts_whatever_the_content_type_says() -> None:
    assert send(Wire(httpx.Response(200, content=b"[1]", headers={"content-type": "text/html"}))) == [1]


@pytest.mark.parametrize("changes", [True, False])
@pytest.mark.parametrize("error", [httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout])
def test_what_was_never_sent_may_be_sent_again(error: type[httpx.TransportError], changes: bool) -> None:
    with pytest.raises(Transient) as raised:
        send(Wire(error("no")), changes=changes)
    assert raised.value.code == "meta_unavailable"
    assert type(raised.value) is Transient


@lost
@pytest.mark.parametrize(
    "error",
    [httpx.ReadTimeout, httpx.WriteTimeout, httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError],
)
def test_what_was_sent_and_not_answered_is_unknown(
    error: type[httpx.TransportError],
    changes: bool,
    kind: type[UpstreamError],
) -> None:
    with pytest.raises(UpstreamError) as raised:
        send(Wire(error("no")), changes=changes)
    assert type(raised.value) is kind
    assert raised.value.status is None


@lost
@pytest.mark.parametrize(
    "make",
    [
        lambda: httpx.Response(200, stream=Cut(httpx.RemoteProtocolError("cut"))),
        lambda: httpx.Response(200, stream=Cut(httpx.ReadTimeout("slow"))),
        lambda: httpx.Response(200, stream=Cut(httpx.ReadError("reset"))),
        lambda: httpx.Response(200, stream=httpx.ByteStream(b"no"), headers={"content-encoding": "gzip"}),
        lambda: httpx.Response(200, content=b" " * (MAX_ANSWER + 1)),
        lambda: httpx.Response(200, html="<h1>Welcome</h1>"),
        lambda: httpx.Response(200, content=b'{"id": '),
        lambda: httpx.Response(200, content=b"\xff\x00\xfe"),
        lambda: httpx.Response(200, content=b"[" * 200_000),
        lambda: httpx.Response(200, content=b""),
        lambda: httpx.Response(204),
        lambda: httpx.Response(200, content=b"null"),
    ],
    ids=[
        "cut",
        "body-timeout",
        "reset",
        "bad-gzip",
        "too-long",
        "html",
        "half-json",
        "not-utf8",
        "deep",
        "empty",
        "204",
        "null",
    ],
)
def test_a_success_that_cannot_be_read_is_unknown(
    make: Callable[[], httpx.Response],
    changes: bool,
    kind: type[UpstreamError],
) -> None:
    with pytest.raises(UpstreamError) as raised:
        send(Wire(make()), changes=changes)
    assert type(raised.value) is kind
    assert raised.value.code == "meta_unavailable"
    assert raised.value.status in {200, 204}


def test_an_answer_of_the_longest_size_is_read() -> None:
    content = b'"' + b"a" * (MAX_ANSWER - 2) + b'"'
    assert send(Wire(httpx.Response(200, content=content))) == "a" * (MAX_ANSWER - 2)


def test_a_too_long_answer_is_not_read_to_its_end() -> None:
    read = 0

    class Endless(httpx.SyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            nonlocal read
            while True:
                read += 1
                assert read < 1_000, "read on and on"
                yield b"x" * 65_536

    with pytest.raises(Transient):
        send(Wire(httpx.Response(200, stream=Endless())), changes=False)
    assert read == MAX_ANSWER // 65_536 + 1


class Dripping(httpx.SyncByteStream):
    """A body that comes byte by byte, each after a second."""

    def __init__(self, content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
        self.given = 0
        self.closed = False
        self._content = content
        self._now = 1_000.0
        monkeypatch.setattr(time, "monotonic", lambda: self._now)

    def __iter__(self) -> Iterator[bytes]:
        for place in range(len(self._content)):
            self._now += 1.0
            self.given += 1
            yield self._content[place : place + 1]

    def close(self) -> None:
        self.closed = True


@lost
@pytest.mark.parametrize("headers", [{}, {"content-encoding": "gzip"}], ids=["plain", "gzip"])
def test_an_answer_that_comes_drop_by_drop_ends(
    changes: bool, kind: type[UpstreamError], headers: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # The head of a gzip stream decodes to nothing for as long as it comes.
    body = Dripping(b"\x1f\x8b\x08\x08\x00\x00\x00\x00\x00\x03" + b"x" * 1_000, monkeypatch)
    with pytest.raises(UpstreamError) as raised:
        send(Wire(httpx.Response(200, stream=body, headers=headers)), changes=changes)
    assert type(raised.value) is kind
    assert raised.value.code == "meta_unavailable"
    assert body.given == int(DEADLINE) + 1
    assert body.closed


def test_an_answer_that_is_slow_and_in_time_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    body = Dripping(b'{"a": 1}', monkeypatch)
    assert send(Wire(httpx.Response(200, stream=body))) == {"a": 1}
    assert body.closed


@lost
def test_a_body_cut_on_a_real_connection_is_unknown(changes: bool, kind: type[UpstreamError]) -> None:
    with (
        raw_server(b'HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"id":') as (address, requests),
        new_client() as client,
        pytest.raises(UpstreamError) as raised,
    ):
        call(client, UPSTREAM, "POST", address, changes=changes, body={})
    assert type(raised.value) is kind
    assert len(requests) == 1


def test_a_connection_closed_without_an_answer_is_unknown_and_not_tried_again() -> None:
    with (
        raw_server(None) as (address, requests),
        new_client() as client,
        pytest.raises(Ambiguous),
    ):
        call(client, UPSTREAM, "POST", address, changes=True, body={})
    assert len(requests) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 304, 307, 308, 300])
def test_a_redirect_is_refused_and_never_followed(status: int) -> None:
    wire = Wire(httpx.Response(status, headers={"location": "https://elsewhere.example/"}))
    with pytest.raises(Permanent) as raised:
        send(wire)
    assert raised.value.code == "meta_configuration"
    assert len(wire.requests) == 1


def test_a_client_that_would_follow_redirects_does_not() -> None:
    wire = Wire(httpx.Response(307, headers={"location": "https://elsewhere.example/"}))
    client = httpx.Client(transport=wire, follow_redirects=True)
    with pytest.raises(Permanent):
        call(client, UPSTREAM, "GET", URL, changes=False)
    assert len(wire.requests) == 1


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (400, Permanent, "code_invalid"),
        (423, Transient, "partner_unavailable"),
        (429, Throttled, "meta_unavailable"),
    ],
)
def test_a_rule_decides_what_an_error_is(status: int, kind: type[UpstreamError], code: str) -> None:
    with pytest.raises(UpstreamError) as raised:
        send(Wire(says({}, status)))
    assert type(raised.value) is kind
    assert (raised.value.code, raised.value.status) == (code, status)


@lost
@pytest.mark.parametrize("status", [402, 418, 500, 502, 503, 504, 599, 600])
def test_an_error_without_a_rule_or_with_an_ambiguous_one_is_unknown(
    status: int,
    changes: bool,
    kind: type[UpstreamError],
) -> None:
    with pytest.raises(UpstreamError) as raised:
        send(Wire(httpx.Response(status, html="<h1>Bad gateway</h1>")), changes=changes)
    assert type(raised.value) is kind


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("7", 7.0),
        (" 1.5 ", 1.5),
        (str(LONGEST_PAUSE), LONGEST_PAUSE),
        (str(LONGEST_PAUSE + 1), None),
        ("1e99", None),
        ("9" * 400, None),
        ("inf", None),
        ("nan", None),
        ("-1", None),
        ("", None),
        ("soon", None),
        ("Wed, 21 Oct 2026 07:28:00 GMT", None),
    ],
)
def test_retry_after_is_taken_only_when_it_makes_sense(value: str, seconds: float | None) -> None:
    assert retry_after(httpx.Response(429, headers={"Retry-After": value})) == seconds
    with pytest.raises(Throttled) as raised:
        send(Wire(says({}, 429, {"Retry-After": value})))
    assert raised.value.retry_after == seconds


def test_no_retry_after_is_no_pause() -> None:
    assert retry_after(httpx.Response(429)) is None


@pytest.mark.parametrize(
    "headers",
    [{"X-API-Key": f"{PARTNER_KEY}\n"}, {"X-API-Key": f"{PARTNER_KEY}é"}],
    ids=["line break", "not ascii"],
)
def test_a_key_that_no_header_can_carry_is_our_configuration_and_stays_hidden(
    headers: dict[str, str],
) -> None:
    with raw_server(None) as (address, requests), new_client() as client, pytest.raises(Permanent) as raised:
        call(client, UPSTREAM, "POST", address, changes=True, headers=headers, body={})
    assert raised.value.code == "meta_configuration"
    assert not any(requests)
    assert_silent("".join(traceback.format_exception(raised.value)))


@pytest.mark.parametrize(("changes", "outcome"), [(True, Ambiguous), (False, Transient)])
def test_a_kept_connection_in_a_wrong_state_is_no_configuration(
    changes: bool, outcome: type[UpstreamError]
) -> None:
    wire = Wire(httpx.LocalProtocolError(f"Illegal {PARTNER_KEY}"))
    with pytest.raises(outcome) as raised:
        call(wire.client, UPSTREAM, "POST", "https://upstream.example/", changes=changes)
    assert_silent("".join(traceback.format_exception(raised.value)))


def test_an_address_that_is_none_is_our_configuration() -> None:
    with pytest.raises(Permanent):
        call(Wire().client, UPSTREAM, "GET", "https://upstream.example:port/", changes=False)


def test_clients_take_nothing_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:1")
    with new_client() as client:
        assert not client.trust_env
        assert not client.follow_redirects
        assert client.timeout == TIMEOUT
        assert not [mount for mount in client._mounts.values() if mount]


def test_addresses_are_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    wire = Wire(says({}))
    call(wire.client, UPSTREAM, "GET", f"{URL}?input_token={PARTNER_KEY}", changes=False)
    assert caplog.records == []


@pytest.mark.parametrize(
    "parsed",
    [None, 1, "x", [], [{}], {}, {"error": None}, {"error": []}, {"error": 3}, {"meta": []}, {"error": {}}],
)
def test_any_error_body_can_be_read(parsed: object) -> None:
    error = read_error(parsed)
    assert error.code is None
    assert not error.transient


def test_metas_error_is_read_in_full() -> None:
    error = read_error(
        {
            "error": {
                "message": "no",
                "code": "100",
                "error_subcode": 36007,
                "is_transient": True,
                "fbtrace_id": "Ab-1_\r\n<script>\ud800" + "x" * 99,
            }
        }
    )
    assert (error.code, error.subcode, error.message, error.transient) == (100, 36007, "no", True)
    assert error.reference.startswith("100/36007 Ab-1_script")
    assert len(error.reference) <= 10 + 64


@pytest.mark.parametrize("code", [True, 1.5, "x", "1" * 12, "\u0661", None, [1]])
def test_a_code_that_is_no_number_is_none(code: object) -> None:
    assert read_error({"error": {"code": code, "is_transient": "true"}}) == read_error(
        {"error": {"code": None}}
    )


def test_360dialogs_error_is_read() -> None:
    error = read_error({"meta": {"http_code": 404, "developer_message": "no client"}})
    assert (error.code, error.message) == (404, "no client")
    assert read_error({"error": "invalid_grant"}).message == "invalid_grant"


def test_a_rule_fits_only_when_all_of_it_does() -> None:
    rule = Rule(Kind.PERMANENT, "code_invalid", status=400, error=(10, 20), subcode=3, transient=False)
    body = {"code": 15, "error_subcode": 3}
    assert rule.fits(400, read_error({"error": body}))
    assert not rule.fits(401, read_error({"error": body}))
    assert not rule.fits(400, read_error({"error": body | {"code": 21}}))
    assert not rule.fits(400, read_error({"error": body | {"code": None}}))
    assert not rule.fits(400, read_error({"error": body | {"error_subcode": 4}}))
    assert not rule.fits(400, read_error({"error": body | {"is_transient": True}}))


def test_the_reference_of_an_error_is_kept_and_its_message_is_not() -> None:
    wire = Wire(says({"error": {"code": 1, "message": f"token {PARTNER_KEY}", "fbtrace_id": "Tr"}}, 400))
    with pytest.raises(Permanent) as raised:
        send(wire)
    assert raised.value.reference == "1/None Tr"
    assert_silent("".join(traceback.format_exception(raised.value)))
