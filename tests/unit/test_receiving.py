"""Taking a webhook: bytes as they were sent, secrets that rotate, text a queue can carry."""

import base64
import inspect
import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onramp.inbound import receiving
from onramp.inbound.receiving import (
    ENVELOPE,
    MAX_BODY,
    QUEUE_LIMIT,
    REFRESH_SECONDS,
    SECRET_SECONDS,
    PlatformSecrets,
    SecretUnusable,
)
from tests.canary import PLATFORM_SECRETS, SECRET, assert_silent
from tests.unit.test_signature import signature


def test_a_body_and_its_attributes_fill_a_queue_message_exactly() -> None:
    assert QUEUE_LIMIT == 1_048_576
    assert MAX_BODY + ENVELOPE == QUEUE_LIMIT


@pytest.mark.parametrize(
    ("event", "body"),
    [
        ({"body": '{"a":"ü"}'}, '{"a":"ü"}'.encode()),
        ({"body": '{"a":"ü"}', "isBase64Encoded": False}, '{"a":"ü"}'.encode()),
        ({"body": base64.b64encode(b"\xff\x00").decode(), "isBase64Encoded": True}, b"\xff\x00"),
        ({"body": "", "isBase64Encoded": True}, b""),
        ({"body": "not base64!", "isBase64Encoded": True}, None),
        ({"body": "YQ", "isBase64Encoded": True}, None),
        ({"body": "ü", "isBase64Encoded": True}, None),
        ({"body": None}, b""),
        ({"body": 7}, b""),
        ({}, b""),
        ({"body": "\ud800"}, b"\xed\xa0\x80"),
    ],
)
def test_the_body_is_the_bytes_that_were_sent(event: dict[str, object], body: bytes | None) -> None:
    assert receiving.raw_body(event) == body


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ({"x-360dialog-signature": "a"}, "a"),
        ({"X-360Dialog-Signature": "a"}, "a"),
        ({"other": "b", "X-360DIALOG-SIGNATURE": "a"}, "a"),
        ({"x-360dialog-signatures": "a"}, None),
        ({}, None),
        (None, None),
        ([["x-360dialog-signature", "a"]], None),
        ({7: "b"}, None),
    ],
)
def test_the_header_is_found_in_any_case(headers: object, found: object) -> None:
    assert receiving.signature_of({"headers": headers}) == found


class Vault:
    """Where the secret is read from: counts, changes, fails."""

    def __init__(self, *secrets: object) -> None:
        self.secrets: object = list(secrets)
        self.reads = 0
        self.now = 0.0
        self.wall = 1_000.0
        self.failing = False

    def __call__(self) -> object:
        self.reads += 1
        if self.failing:
            raise OSError
        return {"platform_secrets": self.secrets}

    def kept(self) -> PlatformSecrets:
        return PlatformSecrets(self, lambda: self.now, lambda: self.wall)


def test_secrets_are_read_once_in_five_minutes() -> None:
    vault = Vault("one")
    kept = vault.kept()
    assert kept.current() == kept.current() == ("one",)
    vault.now += SECRET_SECONDS - 1
    kept.current()
    assert vault.reads == 1
    vault.secrets = ["two"]
    vault.now += 1
    assert kept.current() == ("two",)
    assert vault.reads == 2


@pytest.mark.parametrize("clock", ["now", "wall"])
@pytest.mark.parametrize("step", [SECRET_SECONDS, -1.0])
def test_secrets_are_as_old_as_the_older_of_two_clocks_says(clock: str, step: float) -> None:
    """A frozen function's monotonic clock may stand still, and a wall clock may be set back."""
    vault = Vault("one")
    kept = vault.kept()
    kept.current()
    setattr(vault, clock, getattr(vault, clock) + step)
    vault.secrets = ["two"]
    assert kept.current() == ("two",)


def test_the_two_clocks_are_the_machines() -> None:
    parameters = inspect.signature(PlatformSecrets).parameters
    assert (parameters["monotonic"].default, parameters["wall"].default) == (time.monotonic, time.time)


@pytest.mark.parametrize("clock", ["now", "wall"])
def test_a_look_for_a_rotated_secret_is_allowed_by_the_clock_that_says_more(clock: str) -> None:
    vault = Vault("old")
    kept = vault.kept()
    assert not receiving.signed(b"a", signature(b"a", "new"), kept)
    vault.secrets = ["new"]
    assert not receiving.signed(b"a", signature(b"a", "new"), kept)
    setattr(vault, clock, getattr(vault, clock) + REFRESH_SECONDS)
    assert receiving.signed(b"a", signature(b"a", "new"), kept)


def test_secrets_that_have_become_unusable_are_not_remembered() -> None:
    vault = Vault("one")
    kept = vault.kept()
    kept.current()
    vault.secrets = [""]
    vault.now += SECRET_SECONDS
    for _ in range(2):
        with pytest.raises(SecretUnusable):
            kept.current()
    vault.secrets = ["two"]
    assert kept.current() == ("two",)


def test_a_rotated_secret_is_looked_up_at_the_first_signature_that_does_not_fit() -> None:
    vault = Vault("old")
    kept = vault.kept()
    assert receiving.signed(b"a", signature(b"a", "old"), kept)
    vault.now += REFRESH_SECONDS
    vault.secrets = ["new", "old"]
    assert receiving.signed(b"a", signature(b"a", "new"), kept)
    assert receiving.signed(b"a", signature(b"a", "old"), kept)
    assert vault.reads == 2


def test_forged_signatures_make_us_look_at_most_every_half_minute() -> None:
    vault = Vault("one")
    kept = vault.kept()
    for second in range(120):
        vault.now = float(second)
        assert not receiving.signed(b"a", "0" * 64, kept)
    assert vault.reads == 1 + 3


def test_forged_signatures_do_not_make_us_ask_a_broken_secret_store_each_time() -> None:
    vault = Vault("one")
    kept = vault.kept()
    kept.current()
    vault.failing = True
    vault.now += REFRESH_SECONDS
    with pytest.raises(OSError):  # noqa: PT011 - the store's own error, as it was raised
        receiving.signed(b"a", "0" * 64, kept)
    for _ in range(50):
        assert not receiving.signed(b"a", "0" * 64, kept)
    assert vault.reads == 2


def test_secrets_that_have_not_changed_are_not_compared_again() -> None:
    vault = Vault("one")
    kept = vault.kept()
    kept.current()
    vault.now += REFRESH_SECONDS
    assert not kept.renewed()
    assert vault.reads == 2


@pytest.mark.parametrize("given_signature", [None, "", 0])
def test_a_webhook_without_a_signature_asks_for_nothing_more(given_signature: object) -> None:
    vault = Vault("one")
    kept = vault.kept()
    kept.current()
    vault.now += REFRESH_SECONDS
    assert not receiving.signed(b"a", given_signature, kept)
    assert vault.reads == 1


@pytest.mark.parametrize(
    "content",
    [
        None,
        [],
        "x",
        {},
        {"platform_secrets": []},
        {"platform_secrets": [PLATFORM_SECRETS[0], ""]},
        {**SECRET, "platform_secrets": {"a": PLATFORM_SECRETS[0]}},
    ],
)
def test_secrets_nobody_can_use_say_why_and_not_what_they_are(content: object) -> None:
    with pytest.raises(SecretUnusable, match="platform_secrets must") as raised:
        PlatformSecrets(lambda: content).current()
    assert_silent(str(raised.value))


def test_unusable_secrets_are_asked_for_again() -> None:
    vault = Vault("")
    kept = vault.kept()
    for _ in range(2):
        with pytest.raises(SecretUnusable):
            kept.current()
    vault.secrets = ["one"]
    assert kept.current() == ("one",)


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (b'{"a": "\xc3\xbc"}', "utf-8"),
        ("😀\t\r\n\x7f\u0085\ufffd".encode(), "utf-8"),
        (b"\xff\xfe", "base64"),
        (b'{"a":"\x00"}', "base64"),
        (b"\x08", "base64"),
        (b"\x1f", "base64"),
        ("\ufffe".encode(), "base64"),
        ("\uffff".encode(), "base64"),
        (b"\xed\xa0\x80", "base64"),
        (b"", "base64"),
    ],
)
def test_what_sqs_refuses_goes_as_base64(body: bytes, encoding: str) -> None:
    text, found = receiving.for_queue(body)
    assert found == encoding
    assert (base64.b64decode(text) if encoding == "base64" else text.encode()) == body


def allowed_in_sqs(character: str) -> bool:
    """SQS's own list of characters."""
    code = ord(character)
    return (
        code in {0x9, 0xA, 0xD}
        or 0x20 <= code <= 0xD7FF
        or 0xE000 <= code <= 0xFFFD
        or 0x10000 <= code <= 0x10FFFF
    )


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.binary(max_size=200), st.text(max_size=100).map(str.encode)))
def test_every_body_arrives_as_it_was(body: bytes) -> None:
    text, encoding = receiving.for_queue(body)
    assert all(allowed_in_sqs(character) for character in text)
    assert (base64.b64decode(text) if encoding == "base64" else text.encode()) == body


def test_a_success_is_an_empty_object() -> None:
    assert receiving.answer(200) == {
        "statusCode": 200,
        "headers": {"Content-Type": "application/json", "Cache-Control": "no-store"},
        "body": "{}",
    }


@pytest.mark.parametrize(("status", "retryable"), [(401, False), (413, False), (503, True)])
def test_everything_else_is_a_problem(status: int, retryable: bool) -> None:
    answer = receiving.answer(status, "a_code", "A title", "r1")
    assert answer["statusCode"] == status
    headers = answer["headers"]
    assert isinstance(headers, dict)
    assert headers["Content-Type"] == "application/problem+json"
    assert json.loads(str(answer["body"])) == {
        "type": "urn:onramp:problem:a_code",
        "title": "A title",
        "status": status,
        "detail": "A title",
        "code": "a_code",
        "retryable": retryable,
        "request_id": "r1",
    }
