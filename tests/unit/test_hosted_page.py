"""What the function behind the hosted page answers: its own files, in strict headers, and nothing else."""

import base64
import gzip
import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import hosted_page
from hosted_page import Page, accepts_gzip, content_policy, origin_of
from infra.cards import CARDS

SDK = "https://connect.facebook.net"
GZIP = {"accept-encoding": "gzip, deflate, br"}
LONG = "p { color: red }\n" * 100


@pytest.fixture
def page(tmp_path: Path) -> Page:
    folder = tmp_path / "page"
    (folder / "lang").mkdir(parents=True)
    files = {
        "index.html": "<!doctype html><title>Grüße</title>",
        "404.html": "<!doctype html><title>Not here</title>",
        "page.css": LONG,
        "page.js": "export {};",
        "mark.svg": "<svg xmlns='http://www.w3.org/2000/svg'/>",
        "lang/en.json": "{}",
        "notes.txt": "not for the world",
    }
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    (tmp_path / "secret.json").write_text("{}", encoding="utf-8")
    return Page(folder, content_policy(SDK, "https://cdn.example.com/logo.png"))


def headers_of(answer: Mapping[str, Any]) -> Mapping[str, str]:
    headers: Mapping[str, str] = answer["headers"]
    return headers


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("index.html", "text/html; charset=utf-8"),
        ("page.css", "text/css; charset=utf-8"),
        ("page.js", "text/javascript; charset=utf-8"),
        ("lang-en.json", "application/json; charset=utf-8"),
        ("mark.svg", "image/svg+xml"),
    ],
)
def test_a_file_has_its_exact_type(page: Page, name: str, kind: str) -> None:
    answer = page.answer(name, {})
    assert (answer["statusCode"], headers_of(answer)["Content-Type"]) == (200, kind)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "nothing.js",
        "notes.txt",
        "lang/en.json",
        "../secret.json",
        "..-secret.json",
        "..%2fsecret.json",
        "/etc/passwd",
        "page.js/",
        "INDEX.HTML",
        "page.js\0",
    ],
)
def test_nothing_but_a_file_of_the_folder_is_answered(page: Page, name: str) -> None:
    answer = page.answer(name, GZIP)
    assert answer["statusCode"] == 404
    assert "Not here" in str(answer["body"])
    assert headers_of(answer)["Cache-Control"] == "no-store"


def test_every_answer_is_strict(page: Page) -> None:
    tag = headers_of(page.answer("page.css", {}))["ETag"]
    answers = [
        page.answer("index.html", {}),
        page.answer("x", {}),
        page.answer("page.css", {"if-none-match": tag}),
    ]
    assert [answer["statusCode"] for answer in answers] == [200, 404, 304]
    for answer in answers:
        headers = headers_of(answer)
        assert headers["Content-Security-Policy"] == (
            "default-src 'none'; script-src 'self' https://connect.facebook.net; style-src 'self'; "
            "img-src 'self' data: https://cdn.example.com; "
            "connect-src 'self' https://graph.facebook.com https://www.facebook.com; "
            "frame-src https://www.facebook.com https://web.facebook.com; "
            "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
        )
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Cross-Origin-Opener-Policy"] == "same-origin-allow-popups"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "camera=()" in headers["Permissions-Policy"]


@pytest.mark.parametrize(
    ("address", "origin"),
    [
        ("https://cdn.example.com/a/logo.png?x=1", "https://cdn.example.com"),
        ("http://127.0.0.1:4000", "http://127.0.0.1:4000"),
        ("HTTPS://CDN.example.com", "https://cdn.example.com"),
        ("None", ""),
        ("", ""),
        ("https://a.example; script-src *", ""),
        ("https://a.example 'unsafe-inline'", ""),
        ("javascript:alert(1)", ""),
    ],
)
def test_an_origin_brings_nothing_else_into_the_policy(address: str, origin: str) -> None:
    assert origin_of(address) == origin


def test_what_a_browser_has_is_not_sent_again(page: Page) -> None:
    plain, packed = (headers_of(page.answer("page.css", headers))["ETag"] for headers in ({}, GZIP))
    assert plain != packed
    for sent in (plain, packed, f"W/{plain}", f'"other", {packed}', "*"):
        answer = page.answer("page.css", {**GZIP, "if-none-match": sent})
        assert (answer["statusCode"], answer["body"]) == (304, "")
        assert headers_of(answer)["Cache-Control"] == "no-cache"
        assert "Content-Type" not in headers_of(answer)
    assert page.answer("page.css", {"if-none-match": '"other"'})["statusCode"] == 200


def test_long_files_are_compressed_for_who_takes_it(page: Page) -> None:
    answer = page.answer("page.css", GZIP)
    assert headers_of(answer)["Content-Encoding"] == "gzip"
    assert answer["isBase64Encoded"] is True
    assert gzip.decompress(base64.b64decode(str(answer["body"]))).decode() == LONG
    assert page.answer("page.css", {})["body"] == LONG
    assert "Content-Encoding" not in headers_of(page.answer("index.html", GZIP))
    assert page.answer("index.html", {})["body"] == "<!doctype html><title>Grüße</title>"


@pytest.mark.parametrize(
    ("header", "taken"),
    [("gzip", True), ("br, GZIP;q=0.5", True), ("*", True), ("", False), ("br", False), ("gzip;q=0", False)],
)
def test_gzip_is_sent_to_who_asks_for_it(header: str, taken: bool) -> None:
    assert accepts_gzip(header) is taken


def test_the_handler_takes_an_event_of_the_gateway(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosted_page, "page", lambda: page)
    index = hosted_page.handler({"headers": {"Accept": "*/*"}}, None)
    assert (index["statusCode"], "Grüße" in str(index["body"])) == (200, True)
    script = hosted_page.handler({"headers": None, "pathParameters": {"file": "page.js"}}, None)
    assert script["body"] == "export {};"


def test_a_missing_variable_or_file_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    module = importlib.import_module("hosted_page")
    module.page.cache_clear()
    monkeypatch.delenv("META_SDK_BASE_URL", raising=False)
    monkeypatch.setenv("SIGNUP_PAGE", "{}")
    with pytest.raises(RuntimeError, match="missing: META_SDK_BASE_URL"):
        hosted_page.page()
    with pytest.raises(RuntimeError, match=r"index\.html"):
        Page(tmp_path, "")


def test_it_reads_exactly_what_its_card_names() -> None:
    card = CARDS["hosted_page"]
    assert card.variables == set(hosted_page.NEEDED)
    assert (card.grants, card.metrics) == ((), ())
