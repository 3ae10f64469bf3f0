"""The SAM CLI on the synthesized template, as far as it goes without a container engine (docs/sam.md)."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from contract.routes import ROUTES
from harness.table import EXPIRES, INDEXES, KEY
from infra.cards import CARDS
from infra.paths import ROOT
from local import rie, stack
from local.children import clean_environment

type Json = dict[str, Any]

pytestmark = pytest.mark.flow

NEEDS_ENGINE = "requires a container runtime"
GUIDE = ROOT / "docs" / "sam.md"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The template of the local stage with its assets beside it; a copy, for kept ones come and go."""
    folder = tmp_path_factory.mktemp("assembly") / "cdk.out"
    shutil.copytree(stack.synthesize(), folder)
    yield folder / "Onramp-local.template.json"
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def seen(template: Path) -> Json:
    """The functions and routes that the SAM CLI finds."""
    script = Path(__file__).with_name("sam_reads.py")
    run = started(template.parent, "python", str(script), str(template))
    assert run.returncode == 0, run.stderr
    found: Json = json.loads(run.stdout)
    return found


def started(home: Path, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a program of the SAM CLI's environment; its own files go to `home`."""
    settings = {"SAM_CLI_TELEMETRY": "0", "HOME": str(home), "AWS_DEFAULT_REGION": "eu-central-1"}
    # An engine of the machine would pull images and run for minutes.
    settings["DOCKER_HOST"] = f"unix://{home}/no-engine.sock"
    return subprocess.run(
        [str(rie.VENV / "bin" / program), *arguments],
        env=clean_environment(settings),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_the_template_is_valid(template: Path) -> None:
    run = started(template.parent, "sam", "validate", "-t", str(template))
    assert run.returncode == 0, run.stderr
    assert "is a valid SAM Template" in run.stdout


def test_an_invocation_lacks_nothing_but_an_engine(template: Path) -> None:
    name = function_ids(template)["webhook_receiver"]
    event = str(ROOT / "events" / "webhook_receiver" / "channel_live.json")
    run = started(template.parent, "sam", "local", "invoke", name, "-t", str(template), "-e", event)
    assert run.returncode == 1
    assert NEEDS_ENGINE in run.stderr, run.stderr


def test_the_api_lacks_nothing_but_an_engine(template: Path) -> None:
    run = started(template.parent, "sam", "local", "start-api", "-t", str(template), "--port", "0")
    assert run.returncode == 1
    assert NEEDS_ENGINE in run.stderr, run.stderr


def test_every_function_is_found_with_its_code_and_variables(template: Path, seen: Json) -> None:
    assert set(seen["functions"]) == set(function_ids(template).values())
    for name, logical_id in function_ids(template).items():
        found = seen["functions"][logical_id]
        assert found["handler"] == f"{name}.handler"
        assert found["runtime"] == "python3.13"
        assert Path(found["code"], f"{name}.py").is_file()
    for function, card in CARDS.items():
        found = seen["functions"][function_ids(template)[function]]
        assert found["timeout"] == card.timeout
        assert set(found["variables"]) == card.variables


def test_every_route_is_found_with_its_function(template: Path, seen: Json) -> None:
    ids = {logical_id: name for name, logical_id in function_ids(template).items()}
    found = {(route["method"], route["path"]): ids[route["function"]] for route in seen["routes"]}
    assert set(found) == {(route.method, route.path) for route in ROUTES}
    assert {route["payload"] for route in seen["routes"]} == {"2.0"}
    for file in (ROOT / "events").rglob("*.json"):
        event: Json = json.loads(file.read_text(encoding="utf-8"))
        if "routeKey" in event:
            method, _, path = event["routeKey"].partition(" ")
            assert found[method, path] == file.parent.name


def test_the_table_of_tests_and_bench_is_the_stacks(template: Path) -> None:
    resources = json.loads(template.read_text(encoding="utf-8"))["Resources"]
    [table] = [r["Properties"] for r in resources.values() if r["Type"] == "AWS::DynamoDB::Table"]
    indexes = {
        index["IndexName"]: tuple(part["AttributeName"] for part in index["KeySchema"])
        for index in table["GlobalSecondaryIndexes"]
    }
    assert indexes == INDEXES
    assert tuple(part["AttributeName"] for part in table["KeySchema"]) == KEY
    assert table["StreamSpecification"] == {"StreamViewType": "NEW_IMAGE"}
    assert table["TimeToLiveSpecification"]["AttributeName"] == EXPIRES
    projections = [index["Projection"] for index in table["GlobalSecondaryIndexes"]]
    assert projections == [{"ProjectionType": "KEYS_ONLY"}] * len(INDEXES)


def test_the_guide_names_functions_and_events_that_exist(template: Path) -> None:
    text = GUIDE.read_text(encoding="utf-8")
    named = set(re.findall(r"\bFunctions[A-Za-z]+[0-9A-F]{8}\b", text))
    assert named == set(function_ids(template).values())
    events = re.findall(r"\bevents/[\w/]+\.json\b", text)
    assert events
    assert all((ROOT / event).is_file() for event in events)


def test_the_guide_s_variables_are_those_of_the_functions(template: Path) -> None:
    variables: Mapping[str, Mapping[str, str]] = json.loads(block("json"))
    assert set(variables) == {"Parameters"}
    known = frozenset[str]().union(*(card.variables for card in CARDS.values())) | {"AWS_ENDPOINT_URL"}
    assert set(variables["Parameters"]) <= known
    # Nothing that the SAM CLI would leave at a logical id.
    assert {name for name in known if name.endswith(("_NAME", "_URL", "_ID"))} <= set(
        variables["Parameters"]
    ) | {
        "META_APP_ID",
        "META_CONFIG_ID",
        "PARTNER_ID",
        "SOLUTION_ID",
        "POWERTOOLS_SERVICE_NAME",
        "MESSAGING_WEBHOOK_URL",
    }


def test_the_guide_s_script_names_the_address_for_every_function(template: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-c", block("python")],
        cwd=template.parent.parent,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert run.returncode == 0, run.stderr
    resources = json.loads((template.parent / "sam.template.json").read_text(encoding="utf-8"))["Resources"]
    for logical_id in function_ids(template).values():
        variables = resources[logical_id]["Properties"]["Environment"]["Variables"]
        assert variables["AWS_ENDPOINT_URL"] == "http://127.0.0.1:4566"


def block(language: str) -> str:
    """The guide's block of code in a language."""
    found = re.search(rf"```{language}\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    return found[1]


def function_ids(template: Path) -> dict[str, str]:
    """The logical id of each function, by the file of its handler."""
    resources = json.loads(template.read_text(encoding="utf-8"))["Resources"]
    return {
        resource["Properties"]["Handler"].partition(".")[0]: logical_id
        for logical_id, resource in resources.items()
        if resource["Type"] == "AWS::Lambda::Function"
        and str(resource["Properties"].get("Runtime", "")).startswith("python")
    }
