"""What operators are told is what the stack, the functions and the doctor say."""

import contextlib
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from moto import mock_aws

from bench import costs, writes
from bench.growth import behind
from contract.routes import ROUTES
from harness.command_line import understood
from harness.table import make_table
from harness.world import World
from infra.cards import CARDS
from infra.metrics import METRICS
from infra.node import use_packaged_node
from onramp.adapters.dynamo import DynamoStore
from onramp.domain.errors import FAILURES
from onramp.domain.states import Step
from ops.commands.table import copy_records
from ops.doctor.catalogue import CHECKS
from ops.stage.translated import translated

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

use_packaged_node()

from infra.constructs.alarms import ALARMS, KEY_ANCHOR  # noqa: E402 - after Node is chosen
from infra.constructs.api import ACCESS_LOG  # noqa: E402
from tests.docs.printed import blocks, commands, part, rows  # noqa: E402
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
OF_THE_API = 1 + 6
"""The share of 401, and API Gateway's metrics of one route."""
OUTCOMES = ("accepted", "empty", "refused", "rejected", "toolarge")
"""How a webhook may end, as its log line says it."""
OF_LAMBDA = {"type", "record"}
"""Fields of the lines that Lambda itself writes."""
NOT_OURS = {
    "ApiDomainTarget",  # an output of stages with a domain
    "SweepIncomplete",
}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Template:
    return synthesize("example", tmp_path_factory.mktemp("assembly-operations"))


# --- the runbook ------------------------------------------------------------------------------------


def test_every_alarm_has_its_section_and_every_section_its_alarm() -> None:
    assert re.findall(r"^### (.*)$", part(RUNBOOK, "Alarms"), flags=re.MULTILINE) == [
        *(spec.anchor for spec in ALARMS),
        KEY_ANCHOR,
    ]


@pytest.mark.parametrize("anchor", [*(spec.anchor for spec in ALARMS), KEY_ANCHOR])
def test_a_section_says_what_it_means_where_to_look_and_what_to_do(anchor: str) -> None:
    section = part(RUNBOOK, "Alarms").partition(f"### {anchor}\n")[2].partition("\n### ")[0]
    assert re.findall(r"^\*\*(\w+)\.\*\*", section, flags=re.MULTILINE) == ["Means", "Look", "Do"]


def test_every_failure_has_an_answer() -> None:
    told = rows(RUNBOOK, "failures")
    assert [row[0].strip("`") for row in told] == list(FAILURES)
    assert all(all(row) for row in told)


# --- its commands -------------------------------------------------------------------------------------

COMMANDS = {name: list(commands(TEXTS[name])) for name in HANDS_ON}


def test_there_are_commands_to_check() -> None:
    assert len(COMMANDS["docs/runbook.md"]) > 80
    assert COMMANDS["docs/deploying.md"]


@pytest.mark.parametrize("name", HANDS_ON)
def test_commands_are_what_onramp_understands(name: str) -> None:
    for words in COMMANDS[name]:
        understood(words)


def test_the_runbook_needs_the_command_line_alone() -> None:
    """No query, loop or call of AWS's own, and no table: `onramp`, and what prepares a shell for it."""
    for block in blocks(RUNBOOK, "bash"):
        for line in block.replace("\\\n", " ").splitlines():
            assert line.startswith(("onramp ", "export ", "make ", "#")), line
            assert not re.search(r"[|]|\$\(|TableName|--table-name|\brestored\b", line.partition(" #")[0]), (
                line
            )
    assert not re.search(r"`(aws|jq) |\bjq\b|\bTableName\b", RUNBOOK)


def asked_of_logs() -> Iterator[tuple[str, str, str]]:
    """Whose lines, which option, and each name or condition that is given with it."""
    for words in COMMANDS["docs/runbook.md"]:
        if words[:1] != ["logs"]:
            continue
        given = understood(words).given
        yield from ((given["of"], "where", condition) for condition in given["where"] or ())
        named = f"{given['by']},{given['show']}".split(",")
        yield from ((given["of"], "name", name) for name in named if name)


def test_the_log_lines_that_are_looked_for_are_written() -> None:
    looked_for = {value.removeprefix("message=") for _, _, value in asked_of_logs() if "message=" in value}
    looked_for |= {f"webhook {word}" for word in ("accepted", "empty", "rejected")}
    assert len(looked_for) > 10
    written = CODE.replace('f"webhook {outcome.lower()}"', " ".join(f'"webhook {w}"' for w in OUTCOMES))
    assert not [line for line in looked_for if f'"{line}"' not in written]


def test_the_fields_that_are_asked_for_are_written() -> None:
    written = set(re.findall(r"\b(\w+)=", CODE)) | set(re.findall(r'"(\w+)":', CODE))
    # What Powertools and `onramp logs` itself add.
    written |= {"message", "level", "service", "of", "at", "error", "text"}
    for of, option, text in asked_of_logs():
        name = text.partition("=")[0] if option == "where" else text
        if of == "api":
            assert name in ACCESS_LOG, name
        elif name.partition(".")[0] not in OF_LAMBDA:
            assert name in written, name


def test_the_routes_that_are_looked_for_exist() -> None:
    keys = {f"{route.method} {route.path}" for route in ROUTES}
    asked = {text.partition("=")[2] for _, _, text in asked_of_logs() if text.startswith("routeKey=")}
    assert asked
    assert not asked - keys


def test_the_metrics_that_are_looked_for_in_the_log_are_counted() -> None:
    asked = {text.partition("=")[2] for _, _, text in asked_of_logs() if text.startswith("metric=")}
    assert asked
    assert not asked - set(METRICS)


def test_the_doctor_knows_the_checks_that_are_named() -> None:
    named = set(re.findall(r"doctor's `([a-z-]+)`", RUNBOOK))
    for words in (*COMMANDS["docs/runbook.md"], *COMMANDS["docs/deploying.md"]):
        if words[0] == "doctor":
            given = understood(words).given
            named |= {*(given["only"] or ()), *(given["skip"] or ()), *(given["names"] or ())}
    assert len(named) > 10
    assert not named - {known.name for known in CHECKS}


def test_an_alarm_that_is_rung_for_practice_exists() -> None:
    rung = {
        words[2] for words in COMMANDS["docs/runbook.md"] if words[:2] == ["drill", "alarm"] and words[2:]
    }
    assert rung
    assert not rung - {spec.anchor for spec in ALARMS}


def test_the_keys_are_those_of_the_table() -> None:
    prefixes = set(re.findall(r"[`'\"]([A-Z]+)#", RUNBOOK + SECURITY))
    known = set(re.findall(r'KIND: ClassVar\[str\] = "([A-Z]+)"', CODE)) | set(
        re.findall(r'f"([A-Z]+)#', CODE)
    )
    assert len(prefixes) > 4
    assert not prefixes - known


def test_names_are_metrics_or_outputs_of_the_stack(template: Template) -> None:
    known = set(METRICS) | set(template["Outputs"]) | NOT_OURS
    for name in HANDS_ON:
        named = set(re.findall(r"`([A-Z][a-z]+(?:[A-Z][a-z]+)+)`", TEXTS[name]))
        assert not named - known, name
        asked = set(re.findall(r"\$\(out (\w+)\)", TEXTS[name]))
        assert not asked - set(template["Outputs"]), name


@pytest.mark.parametrize("name", HANDS_ON)
def test_commands_are_what_a_shell_understands(name: str) -> None:
    shell = shutil.which("bash")
    if shell is None:
        pytest.skip("needs bash")
    for block in blocks(TEXTS[name], "bash"):
        checked = subprocess.run([shell, "-n"], input=block, text=True, capture_output=True, check=False)
        assert checked.returncode == 0, f"{block}\n{checked.stderr}"


# --- copying a table --------------------------------------------------------------------------------


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
    return World(store=lambda clock: DynamoStore(translated(client), TABLE, clock))


def test_a_copy_has_everything_but_the_budget(dynamodb: "DynamoDBClient") -> None:
    make_table(dynamodb, "restored")
    with a_world(dynamodb) as world:
        signup = world.submitted(world.customer())
        world.run(until=world.settled(signup.id))
    copy_records(dynamodb, TABLE, dynamodb, "restored")
    lost = keys_of(dynamodb, TABLE) - keys_of(dynamodb, "restored")
    assert lost == Counter({"BUDGET#default": 1})


def test_a_copy_with_new_keys_connects_its_numbers_anew(dynamodb: "DynamoDBClient") -> None:
    with a_world(dynamodb) as world:
        signup = world.submitted(world.customer())
        world.run(until=world.settled(signup.id))
        (number,) = world.numbers(signup.id)
        before = number.key
        copy_records(dynamodb, TABLE, dynamodb, TABLE, new_keys=True)
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
    assert behind(COST, mark) == writes.tables()[mark], (
        "docs/cost.md is old: see PYTHONPATH=functions python -m bench.writes"
    )


def test_what_the_usual_stack_costs_is_worked_out_anew() -> None:
    assert behind(COST, "usual") == costs.tables()["usual"], "docs/cost.md is old: see python -m bench.costs"


def test_the_standing_costs_are_those_of_the_template(template: Template) -> None:
    has = Counter(resource["Type"] for resource in template["Resources"].values())
    alarms = [one for one in template["Resources"].values() if one["Type"] == "AWS::CloudWatch::Alarm"]
    watched = [
        len([m for m in one["Properties"].get("Metrics", [{"MetricStat": 1}]) if "MetricStat" in m])
        for one in alarms
    ]
    assert (
        writes.Standing(
            keys=has["AWS::KMS::Key"],
            secrets=has["AWS::SecretsManager::Secret"],
            alarms=sum(watched),
            dashboards=has["AWS::CloudWatch::Dashboard"],
            metrics=sum(len(card.metrics) for card in CARDS.values()) + OF_THE_API,
        )
        == writes.STANDING
    )


def test_the_memory_is_what_the_functions_have() -> None:
    """One whom a person waits for has more: docs/performance.md says what it is worth."""
    large = {name for name, card in CARDS.items() if card.memory != writes.MEMORY_GB * 1024}
    assert large == {"code_exchange", "number_submission", "signup_queries"}
    assert {CARDS[name].memory for name in large} == {1024}


def test_sizes_and_sums_of_the_prose_are_those_that_are_played() -> None:
    measured = writes.measure()
    assert f"a connected number has {measured.number_bytes / 1000:.1f} KB" in COST
    assert f"its signup {measured.signup_bytes / 1000:.1f} KB" in COST
    # Lambda's lines are assumed a little longer than the one that can be measured.
    assert 0.8 * writes.LINE_BYTES < measured.receiver_line_bytes < writes.LINE_BYTES
    million = writes.tables()["million"].splitlines()[-1].replace("*", "").split("|")
    goal, in_tens, about_in_tens, one, _, about = (float(cell) for cell in million[2:-1])
    assert abs(goal - 4.2) < 0.1
    assert f"**{in_tens:.1f}** when the" in " ".join(COST.split())
    assert f"**{one:.1f}** when they trickle in" in " ".join(COST.split())
    assert f"events about numbers: **{about_in_tens:.1f}** ten at a time" in " ".join(COST.split())
    assert f"**{about:.1f}** one by one" in " ".join(COST.split())


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
