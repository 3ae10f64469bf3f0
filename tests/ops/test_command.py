import io
import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws

from infra.local_run import RUN_FILE_VARIABLE
from ops.cli import main
from ops.doctor import command
from ops.doctor.catalogue import CHECKS, Check
from ops.doctor.findings import Finding, fail, ok, skipped, warn
from ops.doctor.report import ProgressLine, Report
from ops.doctor.runner import Examined
from ops.stage.aws import Aws
from ops.stage.configuration import UnusableError, read_values
from ops.terminal import table_width
from tests.ops.conftest import RAW, Case, values

CONFIG = """
[stage]
name = "dev"
removal = "destroy"
[partner]
partner_id = "acmePA"
solution_id = "223456789012345"
[meta]
app_id = "2234567890"
config_id = "8876543210"
graph_version = "v26.0"
extras = { setup = { solutionID = "223456789012345" } }
[api]
allowed_origins = ["https://app.deployer.test"]
[messaging]
webhook_url = "https://messages.deployer.test/whatsapp"
"""
OUTPUTS = {"Onramp-dev": {"ApiUrl": "https://api.deployer.test", "SecretArn": "arn"}}
OFFLINE = ["graph-version", "config-id", "allowed-origins", "messaging-webhook", "configuration"]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a configuration and a file of outputs; credentials that lead nowhere."""
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE", "ONRAMP_STAGE", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "dev.toml").write_text(CONFIG)
    (tmp_path / "outputs.json").write_text(json.dumps(OUTPUTS))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def doctor(*arguments: str) -> int:
    with mock_aws():
        return main(["doctor", *arguments])


def offline(*arguments: str) -> int:
    return doctor(
        "--stage",
        "dev",
        "--region",
        "eu-central-1",
        "--outputs",
        "outputs.json",
        "--only",
        *OFFLINE,
        *arguments,
    )


def test_all_well(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert offline() == 0
    shown = capsys.readouterr().out
    assert shown.startswith("Onramp-dev\n")
    assert "✓ graph-version" in shown
    assert "5 ok (no Partner API call, " in shown
    assert "\x1b" not in shown


def test_json(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert offline("--json") == 0
    told = json.loads(capsys.readouterr().out)["result"]
    assert told["stage"] == "dev"
    assert told["stack"] == "Onramp-dev"
    assert told["partner_calls"] == 0
    assert told["summary"] == {"ok": 5, "skipped": 0, "warn": 0, "fail": 0}
    assert [found["check"] for found in told["findings"]] == [c.name for c in CHECKS if c.name in OFFLINE]
    keys = {"check", "about", "level", "detail", "advice", "changed", "seconds"}
    assert all(found.keys() == keys for found in told["findings"])


@pytest.mark.parametrize(
    ("version", "strict", "status"), [("v27.0", False, 0), ("v27.0", True, 1), ("v20.0", False, 1)]
)
def test_exit_status(here: Path, version: str, strict: bool, status: int) -> None:
    assert offline("-c", f"meta.graph_version={version}", *(["--strict"] if strict else [])) == status


def test_values_of_this_run(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert offline("-c", "api.allowed_origins=https://a.test,http://b.test", "--json") == 1
    [found] = [
        f
        for f in json.loads(capsys.readouterr().out)["result"]["findings"]
        if f["check"] == "allowed-origins"
    ]
    assert found["detail"] == "'http://b.test' does not use https"


def test_skip(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert offline("--skip", "configuration,config-id", "--json") == 0
    assert len(json.loads(capsys.readouterr().out)["result"]["findings"]) == 3


def test_list(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor("--list") == 0
    assert len(capsys.readouterr().out.splitlines()) == 1 + len(CHECKS)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "which stage?"),
        (["--stage", "../dev"], "lower-case letters"),
        (["--stage", "prod", "--region", "eu-central-1"], "prod.toml: No such file"),
        (["--stage", "dev", "--region", "eu-central-1"], "there is no stack Onramp-dev in eu-central-1"),
        (["--stage", "dev"], "You must specify a region"),
        (["--stage", "dev", "--profile", "nobody"], "nobody"),
        (["--stage", "dev", "--config", "outputs.json"], "not TOML"),
        (["--stage", "dev", "-c", "meta.colour=red"], "there is no such value"),
        (["--stage", "dev", "-c", "meta.app_id"], "section.key=value"),
        (["--stage", "dev", "-c", "meta.extras={"], "not JSON"),
        (["--stage", "dev", "--outputs", "none.json"], "none.json: No such file"),
        (["--stage", "dev", "--outputs", "config/dev.toml"], "not JSON"),
        (["--stage", "dev", "--outputs", "list.json"], "holds no outputs"),
        (["--stage", "dev", "--only", "stack", "--skip", "stack"], "no check is left"),
    ],
)
def test_what_cannot_begin(
    here: Path, arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "list.json").write_text("[]")
    assert doctor(*arguments, "--json") == 2
    shown = capsys.readouterr()
    assert told in shown.err
    assert told in json.loads(shown.out)["problem"]["detail"]


def test_the_region_of_the_environment_counts_last(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    assert doctor("--stage", "dev") == 2
    assert "there is no stack Onramp-dev in eu-west-1" in capsys.readouterr().err
    assert doctor("--stage", "dev", "-c", "stage.region=eu-north-1") == 2
    assert "in eu-north-1" in capsys.readouterr().err
    assert doctor("--stage", "dev", "--region", "eu-central-1") == 2
    assert "in eu-central-1" in capsys.readouterr().err


def test_local_without_a_local_run(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(RUN_FILE_VARIABLE, str(here / "serve.json"))
    assert doctor("--stage", "local") == 2
    assert "start `make local`" in capsys.readouterr().err
    (here / "serve.json").write_text('{"aws_endpoint_url": "http://127.0.0.1:1"}')
    assert doctor("--stage", "local") == 2
    assert 'Could not connect to the endpoint URL: "http://127.0.0.1:1/"' in capsys.readouterr().err


@pytest.mark.parametrize("bad", [["--only", "nothing"], ["--timeout", "0"], ["--timeout", "x"], ["--colour"]])
def test_bad_usage(here: Path, bad: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor("--stage", "dev", *bad) == 2


def test_ctrl_c(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "prepare", interrupted)
    assert doctor("--stage", "dev") == 130


def test_the_outputs_of_a_stack_are_read(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    template = {
        "Resources": {"Queue": {"Type": "AWS::SQS::Queue"}},
        "Outputs": {"ApiUrl": {"Value": "https://api.test"}},
    }
    with mock_aws():
        aws = Aws(region="eu-central-1")
        aws.cloudformation.create_stack(StackName="Onramp-dev", TemplateBody=json.dumps(template))
        arguments = ["--stage", "dev", "--region", "eu-central-1", "--only", "stack", "--json"]
        assert main(["doctor", *arguments]) == 1
    [found] = json.loads(capsys.readouterr().out)["result"]["findings"]
    assert found["detail"].startswith("outputs missing: ApiId, ")


# --- the table ----------------------------------------------------------------------------------


def report(case: Case, *findings: Finding) -> Report:
    items = [
        Examined(Check(f"check-{n}", "about", lambda _: ok("")), finding, 0.1)
        for n, finding in enumerate(findings)
    ]
    return Report(case.stage, items, 1.25)


LONG = "words " * 30 + "https://api.deployer.test/" + "a" * 60


def test_table(case: Case) -> None:
    shown = report(
        case, ok("fine"), warn(LONG, "do this"), fail("bad", "do that"), skipped("unknown")
    ).as_table(width=70, colours=False)
    lines = shown.splitlines()
    assert lines[2] == "✓ check-0  fine"
    assert "           → do this" in lines
    assert lines[-1] == "1 ok, 1 skipped, 1 warn, 1 fail (no Partner API call, 1.2 s)"
    assert all(len(line) <= 70 for line in lines if "https" not in line)
    assert any("https://api.deployer.test/" + "a" * 60 in line for line in lines), "addresses stay whole"


def test_colours_change_nothing_else(case: Case) -> None:
    shown = report(case, ok("fine"), fail("bad"))
    plain, coloured = (shown.as_table(width=80, colours=colours) for colours in (False, True))
    assert coloured != plain
    assert re.sub("\x1b\\[[0-9]*m", "", coloured) == plain


def test_progress_only_on_a_terminal(case: Case) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    for out, expected in ((io.StringIO(), ""), (Terminal(), "0 of 9 checks done; stack")):
        line = ProgressLine(out, 9)
        line([CHECKS[0]], [])
        line.clear()
        assert expected in out.getvalue()
        assert bool(out.getvalue()) is bool(expected)


def test_width(monkeypatch: pytest.MonkeyPatch) -> None:
    for columns, width in (("20", 60), ("100", 100), ("500", 120)):
        monkeypatch.setenv("COLUMNS", columns)
        assert table_width() == width


# --- values -------------------------------------------------------------------------------------


def test_values_are_read_whether_right_or_wrong(tmp_path: Path) -> None:
    path = tmp_path / "dev.toml"
    path.write_text('[meta]\napp_id = 7\n[partner]\nbudget_calls = "9"\n[api]\nallowed_origins = "x"\n')
    found = read_values(path, stage="dev", overrides={"partner.budget_window_seconds": "60"})
    assert found.text("meta.app_id") == ""
    assert found.text("meta.graph_base_url") == "https://graph.facebook.com"
    assert found.get("meta.config_id") is None
    assert found.number("partner.budget_calls", 5) == 9
    assert found.number("partner.budget_window_seconds", 30) == 60
    assert found.changed({"partner.budget_calls": "many"}).number("partner.budget_calls", 5) == 5
    assert found.texts("api.allowed_origins") == ()
    assert found.checked() is None


def test_overrides_change_nothing_they_do_not_name(tmp_path: Path) -> None:
    path = tmp_path / "dev.toml"
    path.write_text(CONFIG)
    raw: dict[str, Any] = tomllib.loads(CONFIG)
    found = read_values(path, stage="dev", overrides={"api.jwt_audience": "a, b", "meta.extras": '{"x": 1}'})
    raw["api"]["jwt_audience"] = ["a", "b"]
    raw["meta"]["extras"] = {"x": 1}
    assert found.raw == raw
    with pytest.raises(UnusableError):
        read_values(tmp_path / "none.toml", stage="dev")


def test_the_usable_values_of_these_tests_are_usable() -> None:
    assert values().problems() == []
    assert values(api={**RAW["api"], "allowed_origins": ["*"]}).problems() != []
