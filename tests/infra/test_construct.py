"""Onramp as a construct in somebody else's app: the example, its limits, and the package it comes in."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from infra.bundling import empty_bundles
from infra.config import load_config
from infra.paths import CONFIG, ROOT
from tests.infra.conftest import synthesize
from tests.infra.reading import UNPACKED, Template, actions_in, of_type

EXAMPLE = ROOT / "examples" / "cdk_app"
# Switches that `cdk init` writes today and that would change the template if it did not set its own.
THEIR_SWITCHES = {
    "@aws-cdk/aws-iam:minimizePolicies": True,
    "@aws-cdk/core:target-partitions": ["aws"],
    "skip_bundling": "true",
}


def run(code_or_file: list[str], folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python as somebody else's app would: in a folder of its own, with our packages alone."""
    return subprocess.run(
        [sys.executable, *code_or_file],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), **UNPACKED, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Template:
    """The template of our own stack with no more than the example has: it tells nobody outside."""
    nobody = {"notifications.endpoints": "{}", "relay.targets": "{}"}
    return synthesize("example", tmp_path_factory.mktemp("ours"), nobody)


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Template:
    """The template of the example app, synthesized as its README says, but without the functions' code."""
    folder = tmp_path_factory.mktemp("example")
    done = run(
        [str(EXAMPLE / "app.py")],
        folder,
        PYTHONPATH=str(ROOT),
        CDK_OUTDIR=str(folder / "cdk.out"),
        CDK_CONTEXT_JSON=json.dumps(THEIR_SWITCHES),
    )
    assert done.returncode == 0, done.stderr
    template: Template = json.loads((folder / "cdk.out" / "Onramp-example.template.json").read_text())
    return template


def kinds(template: Template) -> dict[str, int]:
    found: dict[str, int] = {}
    for resource in template["Resources"].values():
        found[resource["Type"]] = found.get(resource["Type"], 0) + 1
    return found


def test_the_example_has_what_our_own_stack_has_and_its_own(example: Template, template: Template) -> None:
    own = {
        "AWS::Events::Rule": 1,
        "AWS::IAM::Policy": 1,
        "AWS::IAM::Role": 1,
        "AWS::SQS::Queue": 1,
        "AWS::SQS::QueuePolicy": 1,
    }
    ours = kinds(template)
    assert kinds(example) == {kind: ours.get(kind, 0) + own.get(kind, 0) for kind in {*ours, *own}}


def test_its_outputs_have_the_names_that_our_tools_read(example: Template, template: Template) -> None:
    assert set(example["Outputs"]) == set(template["Outputs"])
    assert "Export" not in json.dumps(example["Outputs"])


def test_the_switches_of_an_app_do_not_change_what_a_function_may_do(
    example: Template, template: Template
) -> None:
    # They merge statements that differ in one thing; what is allowed, and on which conditions, stays.
    assert rights(example) == rights(template)


def rights(template: Template) -> set[tuple[str, str, int, str]]:
    """Role, action, on how many resources, and condition, for each role of a function."""
    found = Counter(
        (name.removeprefix("Onramp")[:-8], action, json.dumps(statement.get("Condition")))
        for name, role in of_type(template, "AWS::IAM::Role").items()
        for policy in role.get("Policies", ())
        for statement in policy["PolicyDocument"]["Statement"]
        for action in actions_in(statement)
        for _ in resources_in(statement)
    )
    return {(name, action, count, condition) for (name, action, condition), count in found.items()}


def resources_in(statement: Mapping[str, Any]) -> list[Any]:
    resource = statement["Resource"]
    return resource if isinstance(resource, list) else [resource]


def test_its_resources_are_tagged_for_the_stack_is_not_ours(example: Template) -> None:
    (table,) = of_type(example, "AWS::DynamoDB::Table").values()
    tags = {tag["Key"]: tag["Value"] for tag in table["Tags"]}
    assert tags == {"application": "onramp", "stage": "example", "team": "messaging"}


def test_a_role_of_ones_own_may_fetch_keys(example: Template) -> None:
    (policy,) = of_type(example, "AWS::IAM::Policy").values()
    (statement,) = policy["PolicyDocument"]["Statement"]
    assert statement["Action"] == "execute-api:Invoke"
    assert statement["Resource"] == example["Outputs"]["KeyRouteArn"]["Value"]


def test_the_linter_minds_nothing_in_it(example: Template, tmp_path: Path) -> None:
    file = tmp_path / "example.template.json"
    file.write_text(json.dumps(example), encoding="utf-8")
    linter = Path(sys.executable).with_name("cfn-lint")
    done = subprocess.run(
        [str(linter), "--ignore-checks", "W3005", "--", str(file)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_our_own_stack_is_one_construct_that_adds_nothing_to_names(template: Template) -> None:
    assert not [name for name in template["Resources"] if name.startswith(("Onramp", "Default"))]


# --- limits ------------------------------------------------------------------------------------------


def in_a_stack(name: str, count: int = 1) -> Any:
    import aws_cdk as cdk  # noqa: PLC0415 - the CDK takes long to load

    from onramp_cdk import Onramp  # noqa: PLC0415

    stack = cdk.Stack(cdk.App(), name)
    config = load_config(directory=CONFIG, stage="example")
    return [
        Onramp(stack, f"Onramp{n}", config=config, bundles=empty_bundles(local=False)) for n in range(count)
    ]


def test_a_stack_takes_one_onramp() -> None:
    with pytest.raises(ValueError, match="Onramp-two: it has an Onramp already"):
        in_a_stack("Onramp-two", 2)


def test_a_stacks_name_must_leave_room_for_the_queues() -> None:
    with pytest.raises(ValueError, match="a stack's name may have 60 characters here"):
        in_a_stack("Onramp-" + "x" * 54)


def test_a_module_of_the_apps_own_with_a_name_of_ours_is_told(tmp_path: Path) -> None:
    theirs = tmp_path / "infra"
    theirs.mkdir()
    (theirs / "__init__.py").write_text("", encoding="utf-8")
    done = run(
        ["-c", "import onramp_cdk"], tmp_path, PYTHONPATH=f"{tmp_path}{os.pathsep}{ROOT}", JSII_NODE="none"
    )
    assert done.returncode == 1
    assert "onramp_cdk needs its own module 'infra', and finds that of" in done.stderr


# --- the package -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what `pip install` of a commit puts into site-packages, our own packages alone."""
    source = tmp_path_factory.mktemp("source")
    shutil.copytree(
        ROOT,
        source,
        dirs_exist_ok=True,
        ignore=lambda folder, names: _not_ours(Path(folder), names),
    )
    wheels = tmp_path_factory.mktemp("wheels")
    done = run(
        [
            *("-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"),
            *("--disable-pip-version-check", "--wheel-dir", str(wheels), str(source)),
        ],
        source,
    )
    assert done.returncode == 0, done.stderr
    (wheel,) = wheels.glob("*.whl")
    folder = tmp_path_factory.mktemp("installed")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def _not_ours(folder: Path, names: list[str]) -> set[str]:
    """What is not under version control, or not part of a build."""
    if folder != ROOT:
        return {"__pycache__"} & set(names)
    kept = {"LICENSE", "README.md", "config", "contract", "functions", "infra", "onramp_cdk", "ops", "web"}
    return set(names) - kept - {"pyproject.toml", "requirements", "setup.py"}


def test_a_wheel_holds_what_bundling_needs(installed: Path) -> None:
    project = installed / "onramp_cdk" / "project"
    packed = {path.relative_to(project).as_posix() for path in project.rglob("*") if path.is_file()}
    whole = {
        path.relative_to(ROOT).as_posix()
        for folder in ("functions", "web/page")
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert packed == whole | {
        "requirements/runtime.txt",
        "requirements/sender.txt",
        "config/example.toml",
        "web/dist/onramp.js",
    }


def test_a_wheel_installs_no_names_but_these(installed: Path) -> None:
    names = {path.name for path in installed.iterdir() if not path.name.endswith(".dist-info")}
    assert names == {"contract", "infra", "onramp_cdk", "ops"}


def test_what_is_installed_synthesizes_the_example(
    installed: Path, example: Template, tmp_path: Path
) -> None:
    done = run(
        [str(EXAMPLE / "app.py")],
        tmp_path,
        PYTHONPATH=str(installed),
        CDK_OUTDIR=str(tmp_path / "cdk.out"),
        CDK_CONTEXT_JSON=json.dumps(THEIR_SWITCHES),
    )
    assert done.returncode == 0, done.stderr
    template: Mapping[str, Any] = json.loads(
        (tmp_path / "cdk.out" / "Onramp-example.template.json").read_text()
    )
    assert kinds(template) == kinds(example)
    # Work of runs goes into the user's cache, not into site-packages.
    assert (tmp_path / ".cache" / "onramp" / "bundles" / "empty").is_dir()
