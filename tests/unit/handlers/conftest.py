"""The three functions behind the API, in this process."""

import os
from collections.abc import Iterator

import pytest
from moto import mock_aws

from tests.canary import Watch
from tests.unit.handlers.bench import Bench


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in {
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
    }.items():
        monkeypatch.setenv(name, value)
    with mock_aws():
        made = Bench(monkeypatch)
        yield made
        made.forget()


@pytest.fixture
def watch(capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> Watch:
    return Watch(capsys, caplog)
