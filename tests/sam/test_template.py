"""The SAM CLI on the synthesized template, as far as it goes without a container engine (docs/sam.md)."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from contract.routes import HUBS, META, PAGES, ROUTES
from harness.table import EXPIRES, INDEXES, KEY
from infra.cards import CARDS
from infra.environment import OPTIONAL
from infra.paths import ROOT
from local import rie, sam, stack
from local.children import clean_environment
from tests.sam import guide

type Json = dict[str, Any]

pytestmark = pytest.mark.flow

NEEDS_ENGINE = "requires a container runtime"
DECLARED = {"AWS_ENDPOINT_URL": "http://127.0.0.1:4566"}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The template as `make sam` writes it, with its assets beside it; a copy, for kept ones come and go."""
    folder = tmp_path_factory.mktemp("assembly") / "sam"
    shutil.copytree(stack.synthesize(), folder)
    synthesized: Json = json.loads((folder / "Onramp-local.template.json").read_text(encoding="utf-8"))
    named = sam.with_names(synthesized, dict.fromkeys(CARDS, ""), declared=DECLARED)
    (folder / sam.TEMPLATE).write_text(json.dumps(named), encoding="utf-8")
    (folder / sam.VARIABLES).write_text("{}", encoding="utf-8")
    yield folder / sam.TEMPLATE
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


def typed(template: Path, *begins: str, **changed: str) -> subprocess.CompletedProcess[str]:
    """Type a command of the guide."""
    program, *arguments = guide.elsewhere(guide.command(*begins), folder=template.parent, **changed)
    return started(template.parent, program, *arguments)


def test_the_template_is_valid(template: Path) -> None:
    run = typed(template, "sam", "validate")
    assert run.returncode == 0, run.stderr
    assert "is a valid SAM Template" in run.stdout


def test_an_invocation_lacks_nothing_but_an_engine(template: Path) -> None:
    run = typed(template, "sam", "local", "invoke")
    assert run.returncode == 1
    assert NEEDS_ENGINE in run.stderr, run.stderr


def test_the_api_lacks_nothing_but_an_engine(template: Path) -> None:
    run = typed(template, "sam", "local", "start-api", **{"3000": "0"})
    assert run.returncode == 1
    assert NEEDS_ENGINE in run.stderr, run.stderr


def test_every_function_is_found_by_its_name_with_its_code_and_variables(seen: Json) -> None:
    assert set(seen["functions"]) == set(CARDS)
    for name, card in CARDS.items():
        found = seen["functions"][name]
        assert found["handler"] == f"{name}.handler"
        assert found["runtime"] == "python3.13"
        assert Path(found["code"], f"{name}.py").is_file()
        assert found["timeout"] == card.timeout
        asked = card.variables | set(DECLARED)
        assert asked - OPTIONAL <= set(found["variables"]) <= asked


def test_every_route_is_found_with_its_function(template: Path, seen: Json) -> None:
    names = {found["logical_id"]: name for name, found in seen["functions"].items()}
    found = {(route["method"], route["path"]): names[route["function"]] for route in seen["routes"]}
    assert set(found) == {(route.method, route.path) for route in (*ROUTES, *HUBS, *PAGES, *META)}
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


def test_the_guide_has_an_event_for_every_function() -> None:
    assert {row.function for row in guide.rows()} == set(CARDS)
    for row in guide.rows():
        assert Path(row.event).parent.name == row.function
        assert (ROOT / row.event).is_file()
