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


HUB = '{"emea": {"partner_id": "emeaPA", "solution_id": "323456789012345"}}'


@pytest.mark.parametrize("given", ["hubs={}", f"hubs={HUB}"])
def test_a_table_of_tables_may_be_given_whole(file: Path, given: str) -> None:
    assert main(["config", "check", "--stage", "dev", "-c", given]) == 0


def test_a_file_with_a_mark_in_front_is_read(file: Path) -> None:
    file.write_text(CONFIG, encoding="utf-8-sig")
    assert main(["config", "check", "--stage", "dev"]) == 0


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("hubs=x", "hubs: is 'x', must be a table of hubs"),
        (f"partner.budget_calls={'9' * 6_000}", "partner.budget_calls: is '999"),
        (f"partner.retry_schedule_seconds=[{'9' * 6_000}]", "not JSON"),
        (f"meta.extras={'[' * 100_000}", "not JSON"),
        (f"meta.extras={'{"a":' * 3_000}1{'}' * 3_000}", "meta.extras: "),
        ("hubs.emea.partner_id=emeaPA", "names a part of hubs; give hubs whole, as JSON"),
    ],
)
def test_a_value_of_this_run_that_cannot_be_used_is_told(
    file: Path, given: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["config", "check", "--stage", "dev", "-c", given]) in {1, 2}
    shown = capsys.readouterr()
    assert told in shown.out + shown.err
    assert len((shown.out + shown.err).splitlines()) == 1


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (f"a = {'9' * 6_000}", "not TOML"),
        (f"a = {'[' * 3_000}{']' * 3_000}", "nested too deep"),
        ("a = 1\na = 2", "not TOML"),
    ],
)
def test_a_file_that_is_no_toml_is_told(
    file: Path, content: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(content)
    assert main(["config", "check", "--stage", "dev"]) == 2
    assert told in capsys.readouterr().err


def test_what_stands_in_the_wrong_place_is_told_as_the_deployment_tells_it(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    partner = CONFIG[CONFIG.index("[partner]") : CONFIG.index("[meta]")]
    file.write_text('name = "dev"\npartner = 5\n' + CONFIG.replace(partner, ""))
    assert main(["config", "check", "--stage", "dev"]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "config/dev.toml: partner: is the number 5, must be a section with values below [partner]",
        "config/dev.toml: name: stands above all sections; did you mean [stage] name?",
    ]


def test_an_id_of_the_example_is_told_once(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(CONFIG.replace("acmePA", "examplePA"))
    assert main(["config", "check", "--stage", "dev"]) == 1
    [told] = capsys.readouterr().out.splitlines()
    assert "partner.partner_id: is still 'examplePA'" in told
