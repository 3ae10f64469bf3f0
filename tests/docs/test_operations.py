"""What operators are told is what the stack, the functions and the doctor say."""

import argparse
import contextlib
import re
import runpy
import shlex
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from moto import mock_aws

from bench import writes
from harness.table import make_table
from harness.world import World
from infra.cards import CARDS, logical_id
from infra.metrics import METRICS
from infra.node import use_packaged_node
from onramp.adapters.dynamo import DynamoStore
from onramp.domain.errors import FAILURES
from onramp.domain.states import Step
from ops.doctor import command as doctor
from ops.doctor.catalogue import CHECKS

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

use_packaged_node()

from infra.constructs.alarms import ALARMS  # noqa: E402 - after Node is chosen
from tests.infra.conftest import synthesize  # noqa: E402

type Template = Mapping[str, Any]

ROOT = Path(__file__).resolve().parents[2]
TEXTS = {
    name: (ROOT / name).read_text(encoding="utf-8")
    for name in ("README.md", "docs/deploying.md", "docs/runbook.md", "docs/cost.md", "docs/security.md")
}
RUNBOOK, COST, SECURITY = TEXTS["docs/runbook.md"], TEXTS["docs/cost.md"], TEXTS["docs/security.md"]
CODE = "\n".join(file.read_text(encoding="utf-8") for file in sorted((ROOT / "functions").rglob("*.py")))
HANDS_ON = ("docs/deploying.md", "docs/runbook.md")
TABLE = "records"
NOT_OURS = {
    "EnvelopeKey",  # a resource of the stack
    "ApproximateNumberOfMessages",
}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Template:
    return synthesize("example", tmp_path_factory.mktemp("assembly-operations"))


def part(text: str, heading: str) -> str:
    return text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def rows(text: str, mark: str) -> list[list[str]]:
    """The rows of the table behind a comment that begins with `mark`, without its head."""
    rest = text.partition(f"<!-- {mark}:")[2].partition("-->")[2].lstrip().splitlines()
    lines = list(takewhile(bool, rest))
    assert lines, f"there is no table marked {mark}"
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)


# --- the runbook ------------------------------------------------------------------------------------


def test_every_alarm_has_its_section_and_every_section_its_alarm() -> None:
    assert re.findall(r"^### (.*)$", part(RUNBOOK, "Alarms"), flags=re.MULTILINE) == [
        spec.anchor for spec in ALARMS
    ]


@pytest.mark.parametrize("anchor", [spec.anchor for spec in ALARMS])
def test_a_section_says_what_it_means_where_to_look_and_what_to_do(anchor: str) -> None:
    section = part(RUNBOOK, "Alarms").partition(f"### {anchor}\n")[2].partition("\n### ")[0]
    assert re.findall(r"^\*\*(\w+)\.\*\*", section, flags=re.MULTILINE) == ["Means", "Look", "Do"]


def test_every_failure_has_an_answer() -> None:
    told = rows(RUNBOOK, "failures")
    assert [row[0].strip("`") for row in told] == list(FAILURES)
    assert all(all(row) for row in told)


def test_the_log_lines_that_are_looked_for_are_written() -> None:
    looked_for = set(re.findall(r'message = "([^"]+)"', RUNBOOK))
    assert looked_for
    written = CODE.replace('f"webhook {outcome.lower()}"', '"webhook refused"')
    assert not [line for line in looked_for if f'"{line}"' not in written]


def test_the_fields_that_are_asked_for_are_written() -> None:
    written = set(re.findall(r"\b(\w+)=", CODE)) | set(re.findall(r'"(\w+)":', CODE))
    access_log = set(re.findall(r'"(\w+)":', (ROOT / "infra/constructs/api.py").read_text(encoding="utf-8")))
    asked: set[str] = set()
    for query in re.findall(r"stats [^']*? by ([\w, \n]+)", RUNBOOK):
        asked |= {name.strip() for name in query.split(",")}
    assert asked
    assert not asked - written - access_log


def test_the_log_groups_that_are_asked_exist() -> None:
    groups = [*(f"Functions{logical_id(name)}Logs" for name in CARDS), "ApiAccessLog"]
    for name in re.findall(r"insights ((?:Functions|Api)\w*)(?!<)\b", RUNBOOK):
        assert any(group.startswith(name) for group in groups), name


def test_the_keys_are_those_of_the_table() -> None:
    prefixes = set(re.findall(r"[`'\"]([A-Z]+)#", RUNBOOK + SECURITY))
    known = set(re.findall(r'KIND: ClassVar\[str\] = "([A-Z]+)"', CODE)) | set(
        re.findall(r'f"([A-Z]+)#', CODE)
    )
    assert len(prefixes) > 5
    assert not prefixes - known


def test_names_are_metrics_or_outputs_of_the_stack(template: Template) -> None:
    known = set(METRICS) | set(template["Outputs"]) | NOT_OURS
    for name in HANDS_ON:
        named = set(re.findall(r"`([A-Z][a-z]+(?:[A-Z][a-z]+)+)`", TEXTS[name]))
        assert not named - known, name
        asked = set(re.findall(r"\$\(out (\w+)\)", TEXTS[name]))
        assert asked, name
        assert not asked - set(template["Outputs"]), name


@pytest.mark.parametrize("name", HANDS_ON)
def test_commands_are_what_a_shell_understands(name: str) -> None:
    shell = shutil.which("bash")
    if shell is None:
        pytest.skip("needs bash")
    for block in blocks(TEXTS[name], "bash"):
        checked = subprocess.run([shell, "-n"], input=block, text=True, capture_output=True, check=False)
        assert checked.returncode == 0, f"{block}\n{checked.stderr}"


def doctors() -> Iterator[str]:
    for name in HANDS_ON:
        text = TEXTS[name]
        yield from re.findall(r"-m ops doctor([^\n`]*)", text)
        yield from re.findall(r"`doctor (--[^`]*)`", text)


@pytest.mark.parametrize("arguments", sorted(set(doctors())))
def test_the_doctor_knows_its_flags(arguments: str) -> None:
    parser = argparse.ArgumentParser(exit_on_error=False)
    doctor.add_arguments(parser)
    parser.parse_args(shlex.split(arguments))


@pytest.mark.parametrize("check", sorted(set(re.findall(r"doctor's `([a-z-]+)`", RUNBOOK))))
def test_the_doctor_knows_its_checks(check: str) -> None:
    assert check in {known.name for known in CHECKS}


# --- copying a table --------------------------------------------------------------------------------


@pytest.fixture
def copy_table(tmp_path: Path) -> dict[str, Any]:
    """The runbook's program."""
    marked = RUNBOOK.partition("<!-- copy:")[2]
    file = tmp_path / "copy_table.py"
    file.write_text(blocks(marked, "python")[0], encoding="utf-8")
    return runpy.run_path(str(file))


@pytest.fixture
def dynamodb(monkeypatch: pytest.MonkeyPatch) -> "Iterator[DynamoDBClient]":
    for name, value in {
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "none",
        "AWS_SECRET_ACCESS_KEY": "none",
    }.items():
        monkeypatch.setenv(name, value)
    with mock_aws(), contextlib.closing(boto3.client("dynamodb")) as client:
        make_table(client, TABLE)
        yield client


def keys_of(client: "DynamoDBClient", table: str) -> Counter[str]:
    items = client.scan(TableName=table)["Items"]
    return Counter(item["pk"]["S"] for item in items)


def a_world(client: "DynamoDBClient") -> World:
    return World(store=lambda clock: DynamoStore(client, TABLE, clock))


def test_a_copy_has_everything_but_the_budget(dynamodb: "DynamoDBClient", copy_table: dict[str, Any]) -> None:
    make_table(dynamodb, "restored")
    with a_world(dynamodb) as world:
        signup = world.submitted(world.customer())
        world.run(until=world.settled(signup.id))
    copy_table["copy"](TABLE, "restored", new_keys=False)
    lost = keys_of(dynamodb, TABLE) - keys_of(dynamodb, "restored")
    assert lost == Counter({"BUDGET#default": 1})


def test_a_copy_with_new_keys_connects_its_numbers_anew(
    dynamodb: "DynamoDBClient", copy_table: dict[str, Any]
) -> None:
    with a_world(dynamodb) as world:
        signup = world.submitted(world.customer())
        world.run(until=world.settled(signup.id))
        (number,) = world.numbers(signup.id)
        before = number.key
        copy_table["copy"](TABLE, TABLE, new_keys=True)
        moved = world.number(number.phone_number_id)
        assert moved.key is None
        assert moved.next_step is Step.CONNECT
        world.clock.sleep(600)
        world.run(until=lambda: world.number(number.phone_number_id).key is not None, seconds=3600)
        world.run(seconds=60)
        world.assert_connected(signup.id)
        after = world.number(number.phone_number_id)
        assert after.key is not None
        assert before is not None
        assert after.key.secret != before.secret
        assert not after.is_under_way


# --- costs ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mark", ["month", "counts", "thousand", "webhooks", "million"])
def test_the_costs_are_those_that_are_played(mark: str) -> None:
    told = COST.partition(f"<!-- {mark} -->\n\n")[2].partition("\n\n")[0]
    assert told == writes.tables()[mark], (
        "docs/cost.md is old: see PYTHONPATH=functions python -m bench.writes"
    )


def test_the_standing_costs_are_those_of_the_template(template: Template) -> None:
    has = Counter(resource["Type"] for resource in template["Resources"].values())
    assert (
        writes.Standing(
            keys=has["AWS::KMS::Key"],
            secrets=has["AWS::SecretsManager::Secret"],
            alarms=has["AWS::CloudWatch::Alarm"],
            dashboards=has["AWS::CloudWatch::Dashboard"],
            metrics=sum(len(card.metrics) for card in CARDS.values()),
        )
        == writes.STANDING
    )


def test_the_memory_is_what_the_functions_have() -> None:
    assert {card.memory for card in CARDS.values()} == {writes.MEMORY_GB * 1024}


def test_sizes_and_sums_of_the_prose_are_those_that_are_played() -> None:
    measured = writes.measure()
    assert f"a connected number has {measured.number_bytes / 1000:.1f} KB" in COST
    assert f"its signup {measured.signup_bytes / 1000:.1f} KB" in COST
    # Lambda's lines are assumed a little longer than the one that can be measured.
    assert 0.8 * writes.LINE_BYTES < measured.receiver_line_bytes < writes.LINE_BYTES
    million = writes.tables()["million"].splitlines()[-1].replace("*", "").split("|")
    goal, in_tens, one, _, about = (float(cell) for cell in million[2:-1])
    assert abs(goal - 4.2) < 0.1
    assert f"**{in_tens:.1f}** when the" in " ".join(COST.split())
    assert f"**{one:.1f}** when they trickle in" in " ".join(COST.split())
    assert f"events about numbers: about {about:.0f}**" in " ".join(COST.split())


# --- security ---------------------------------------------------------------------------------------


def test_the_roles_are_those_of_the_stack() -> None:
    told = [[cell.replace("`", "") for cell in row] for row in rows(SECURITY, "roles")]
    assert told == [
        [function, grant.resource, ", ".join(sorted(grant.actions)), grant.purpose or ""]
        for function, card in CARDS.items()
        for grant in card.grants
    ]


def test_what_is_kept_is_kept_so_long(template: Template) -> None:
    days = {
        resource["Properties"].get("RetentionInDays")
        for resource in template["Resources"].values()
        if resource["Type"] == "AWS::Logs::LogGroup"
    }
    assert days == {30}
    seconds = {
        resource["Properties"]["MessageRetentionPeriod"]
        for resource in template["Resources"].values()
        if resource["Type"] == "AWS::SQS::Queue"
    }
    assert seconds == {14 * 86_400}
    assert "EVENT_KEPT: Final = timedelta(days=30)" in CODE
    assert "REMEMBERED_FOR: Final = timedelta(hours=24)" in CODE
    assert "FACTS_KEPT: Final = timedelta(days=400)" in CODE


# --- finding them -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["runbook", "cost", "security"])
def test_the_readme_leads_to_it(name: str) -> None:
    assert f"](docs/{name}.md)" in TEXTS["README.md"]
