"""Where a local run says what it runs on."""

import json
import stat
from pathlib import Path

import pytest

from infra.local_run import RUN_FILE_VARIABLE
from local.children import STATE_DIR
from local.published import published, run_file


def test_the_file_is_the_usual_one_unless_another_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(RUN_FILE_VARIABLE, raising=False)
    assert run_file() == STATE_DIR / "serve.json"
    monkeypatch.setenv(RUN_FILE_VARIABLE, str(tmp_path / "mine.json"))
    assert run_file() == tmp_path / "mine.json"


def test_two_runs_do_not_take_each_others_file_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(RUN_FILE_VARIABLE, str(tmp_path / "folder" / "first.json"))
    with published({"aws_endpoint_url": "http://127.0.0.1:1"}) as first:
        with published({"aws_endpoint_url": "http://127.0.0.1:2"}, tmp_path / "second.json") as second:
            assert json.loads(first.read_text())["aws_endpoint_url"].endswith(":1")
            assert json.loads(second.read_text())["aws_endpoint_url"].endswith(":2")
        assert not second.exists()
        assert stat.S_IMODE(first.stat().st_mode) == 0o600
    assert not first.exists()
