"""`onramp config check`: what a deployment would refuse, without a deployment."""

import json
from pathlib import Path

import pytest

from ops.cli import main
from tests.ops.test_command import CONFIG


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "config").mkdir()
    monkeypatch.chdir(tmp_path)
    found = tmp_path / "config" / "dev.toml"
    found.write_text(CONFIG)
    return found


def test_a_file_that_can_be_used(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "check", "--stage", "dev"]) == 0
    assert capsys.readouterr().out == "config/dev.toml: can be used\n"


def test_all_problems_at_once(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(CONFIG.replace('app_id = "2234567890"', 'app_id = "app"').replace('"destroy"', '"keep"'))
    assert main(["config", "check", "--stage", "dev"]) == 1
    out = capsys.readouterr().out
    assert "config/dev.toml: meta.app_id: " in out
    assert "config/dev.toml: stage.removal: " in out


def test_values_of_this_run_count(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "check", "--stage", "dev", "-c", "meta.app_id=app", "--json"]) == 1
    assert "meta.app_id" in json.loads(capsys.readouterr().out)["result"]["problems"][0]


def test_a_file_of_elsewhere(file: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.toml"
    file.rename(other)
    assert main(["config", "check", "--stage", "dev"]) == 2
    assert main(["config", "check", "--stage", "dev", "--config", str(other)]) == 0
