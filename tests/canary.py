"""Secrets with a mark that nothing else has: whatever holds the mark has let a secret out."""

import base64
import hashlib
import logging
from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import quote

import pytest

MARK: Final = "cAnArY7f3"

CODE: Final = f"{MARK}-code-AQBx"
TOKEN: Final = f"{MARK}-token-EAAG"
APP_SECRET: Final = f"{MARK}-app-secret"
PARTNER_KEY: Final = f"{MARK}-partner-key"
CHANNEL_KEY: Final = f"{MARK}-channel-key"
PLATFORM_SECRETS: Final = (f"{MARK}-platform-one", f"{MARK}-platform-two")
EMAIL: Final = f"{MARK}.owner@example.com"
PHONE: Final = "+49 151 2345 6789"

SECRET: Final[Mapping[str, object]] = {
    "meta_app_secret": APP_SECRET,
    "partner_api_key": PARTNER_KEY,
    "platform_secrets": list(PLATFORM_SECRETS),
}
"""The deployer's secret, as JSON holds it."""


def forms(value: str) -> Iterator[str]:
    """The ways in which a value can hide in a text: as it is, encoded for a URL, in base64."""
    yield value
    yield quote(value, safe="")
    for offset in range(3):
        # The middle of the base64 text, whatever stands before and behind the value.
        encoded = base64.b64encode(b"x" * offset + value.encode()).decode().rstrip("=")
        yield encoded[4:-2]


MARKED: Final = frozenset(
    form
    for value in (
        MARK,
        CODE,
        TOKEN,
        APP_SECRET,
        PARTNER_KEY,
        CHANNEL_KEY,
        *PLATFORM_SECRETS,
        EMAIL,
        PHONE,
        PHONE.replace(" ", ""),
        PHONE.replace(" ", "").lstrip("+"),
        hashlib.sha256(APP_SECRET.encode()).hexdigest(),
    )
    for form in forms(value)
)
_LOWERED: Final = frozenset(form.lower() for form in MARKED)


def assert_silent(text: str) -> None:
    """Fail when a text holds a marked value in any form."""
    lowered = text.lower()
    found = sorted(form for form in _LOWERED if form in lowered)
    assert not found, f"let out: {found} in {text[:2000]}"


class Watch:
    """Everything a test has written so far: both streams and every log record."""

    def __init__(self, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO)
        self._capsys = capsys
        self._caplog = caplog
        self.text = ""

    def read(self) -> str:
        """What was written, so far."""
        written = self._capsys.readouterr()
        self.text += written.out + written.err
        records = "\n".join(
            f"{record.getMessage()} {sorted(record.__dict__.items(), key=lambda entry: entry[0])!r}"
            for record in self._caplog.records
        )
        return f"{self.text}\n{records}"

    def assert_silent(self) -> None:
        """Fail when a marked value was written anywhere."""
        assert_silent(self.read())
