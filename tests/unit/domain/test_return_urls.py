"""Where a customer may be sent back to, and what is added."""

from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import Url

from onramp.domain.return_urls import completed, mistake_in, origin_of

ORIGINS = ("https://app.example.com", "https://other.example.com:8443", "http://localhost:5173")
ADDED = {
    "client": "aCL",
    "channels": "[aCH,bCH]",
    "signup": "s1",
    "status": "connected",
    "reference": "a & b=c#d é",
}


@pytest.mark.parametrize(
    "url",
    [
        "https://app.example.com",
        "https://app.example.com/",
        "https://app.example.com/a/b?plan=2#done",
        "https://app.example.com:443/a",
        "HTTPS://APP.example.com/a",
        "https://other.example.com:8443/",
        "http://localhost:5173/back",
        "https://app.example.com?clientele=1",
        "https://app.example.com/#status=1",
    ],
)
def test_an_allowed_origin_may_be_returned_to(url: str) -> None:
    assert mistake_in(url, ORIGINS) is None


@pytest.mark.parametrize(
    "url",
    [
        "https://app.example.com.evil.example/",
        "https://evil.example/?https://app.example.com",
        "https://evil.example/https://app.example.com",
        "https://app.example.com@evil.example/",
        "https://user:word@app.example.com/",
        "https://@app.example.com/",
        "https://evil.example\\@app.example.com/",
        "https://app.example.com\\.evil.example/",
        "https:app.example.com",
        "https:///app.example.com",
        "//app.example.com/",
        "http://app.example.com/",
        "https://app.example.com:8443/",
        "https://other.example.com/",
        "http://localhost/",
        "http://localhost:51730/",
        "http://127.0.0.1:5173/",
        "javascript://app.example.com/%0aalert(1)",
        "data:text/html,hello",
        "https://app.example.com/\n",
        " https://app.example.com/",
        "https://app.example.com/<b>",
        "https://app.example.com/é",
        "https://\u0430pp.example.com/",
        "https://[::1",
        "https://",
        "",
    ],
)
def test_every_other_address_is_refused(url: str) -> None:
    # What a browser would make of it is the allowed origin, or it is refused.
    assert mistake_in(url, ORIGINS) is not None


@pytest.mark.parametrize("name", ["client", "channels", "signup", "status", "reference"])
def test_a_parameter_that_is_added_must_not_be_there_yet(name: str) -> None:
    mistake = mistake_in(f"https://app.example.com/?a=1&{name}=", ORIGINS)
    assert mistake == f"has the parameter {name} already, which is added"


@given(st.text("https:/@.?#\\[]a-z09 \t%") | st.text())
def test_no_text_is_taken_for_an_allowed_origin_that_a_browser_reads_otherwise(tail: str) -> None:
    for url in (tail, f"https://app.example.com{tail}", f"https://{tail}app.example.com"):
        if mistake_in(url, ("https://app.example.com",)) is None:
            read = Url(url)
            assert (read.scheme, read.host, read.port) == ("https", "app.example.com", 443)
            assert read.username is None


def test_a_list_without_origins_allows_nothing() -> None:
    assert mistake_in("https://app.example.com/", ()) is not None
    assert origin_of("https://app.example.com:443/a") == "https://app.example.com"


@pytest.mark.parametrize(
    ("url", "front", "fragment"),
    [
        ("https://a.example", "https://a.example?", ""),
        ("https://a.example/done", "https://a.example/done?", ""),
        ("https://a.example/done?", "https://a.example/done?", ""),
        ("https://a.example/done?plan=2", "https://a.example/done?plan=2&", ""),
        ("https://a.example/done?plan=2&", "https://a.example/done?plan=2&", ""),
        ("https://a.example/done#/route?x=1", "https://a.example/done?", "#/route?x=1"),
        ("https://a.example/?a=%26&a=b+c#end", "https://a.example/?a=%26&a=b+c&", "#end"),
    ],
)
def test_parameters_are_added_beside_a_query_and_before_a_fragment(
    url: str, front: str, fragment: str
) -> None:
    made = completed(url, ADDED)
    assert made.startswith(f"{front}client=aCL&channels=[aCH,bCH]&signup=s1&status=connected&reference=")
    assert made.endswith(fragment)
    read = parse_qs(urlsplit(made).query)
    assert {name: read[name] for name in ADDED} == {name: [value] for name, value in ADDED.items()}
    assert urlsplit(made).fragment == fragment.removeprefix("#")


def test_what_is_not_known_is_left_out() -> None:
    assert completed("https://a.example/?b=1", {"client": None, "signup": "s"}) == (
        "https://a.example/?b=1&signup=s"
    )
    assert completed("https://a.example/?b=1", {"client": None}) == "https://a.example/?b=1"
