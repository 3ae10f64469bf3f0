"""Releases on the emulator, which publishes versions and refuses a second one of the same code as AWS does.

CodeDeploy it does not have: a release is at once here, and how it is shifted is asked of the template alone.
"""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.cards import CARDS
from local.aws import REGION, Aws
from local.deploy import Assembly, Deployed, DeployError, deploy, read_assembly
from local.ministack import emulator
from ops import cli
from tests.infra.conftest import synthesize

pytestmark = pytest.mark.flow

WORKER = "onboarding_worker"
# Given the messaging webhook of a channel: who sets it, and the desk that adopts channels with it.
CONFIGURED = (WORKER, "operator_desk")
# Settings of a function that nobody has made: refused when they are made, not before.
BROKEN = {
    "Type": "AWS::Lambda::EventInvokeConfig",
    "Properties": {"FunctionName": "nobodys", "Qualifier": "live", "MaximumRetryAttempts": 0},
}


@pytest.fixture
def aws(tmp_path: Path) -> Iterator[Aws]:
    with emulator(tmp_path) as running:
        yield running.aws


@pytest.fixture(scope="module")
def releases(tmp_path_factory: pytest.TempPathFactory) -> tuple[Assembly, Assembly, Assembly]:
    """Three releases that differ in a messaging webhook, which two functions are configured with."""
    first, second, third = (assembled(tmp_path_factory.mktemp(f"release-{n}"), n) for n in range(3))
    return first, second, third


def assembled(folder: Path, number: int) -> Assembly:
    values = {"messaging.webhook_url": f"https://m{number}.example.org/in"}
    synthesize("example", folder, values)
    return read_assembly(folder, region=REGION)


def failing(release: Assembly) -> Assembly:
    """The same, with something that cannot be made after all the rest."""
    resources = release.template["Resources"]
    broken = BROKEN | {"DependsOn": sorted(resources)}
    return dataclasses.replace(
        release, template=release.template | {"Resources": resources | {"Broken": broken}}
    )


def live(aws: Aws, deployed: Deployed, name: str = WORKER) -> str:
    """The version that a function's alias leads to."""
    function = deployed.functions[name]
    return str(aws.functions.get_alias(FunctionName=function, Name="live")["FunctionVersion"])


def versions(aws: Aws, deployed: Deployed, name: str = WORKER) -> list[str]:
    listed = aws.functions.list_versions_by_function(FunctionName=deployed.functions[name])["Versions"]
    return sorted({one["Version"] for one in listed} - {"$LATEST"}, key=int)


def webhook_url(aws: Aws, deployed: Deployed) -> str:
    """What a call of the alias would run with."""
    function = deployed.functions[WORKER]
    settings = aws.functions.get_function_configuration(FunctionName=function, Qualifier="live")
    return str(settings["Environment"]["Variables"]["MESSAGING_WEBHOOK_URL"])


def test_releases_move_the_alias_and_a_failed_one_leaves_nothing_in_the_way(
    aws: Aws, releases: tuple[Assembly, Assembly, Assembly]
) -> None:
    first, second, third = releases
    deployed = deploy(aws, first)
    assert {live(aws, deployed, name) for name in CARDS} == {"1"}

    deploy(aws, second)
    expected = dict.fromkeys(CARDS, "1") | dict.fromkeys(CONFIGURED, "2")
    assert {name: live(aws, deployed, name) for name in CARDS} == expected
    assert versions(aws, deployed) == ["1", "2"]

    with pytest.raises(DeployError):
        deploy(aws, failing(third))
    assert (live(aws, deployed), versions(aws, deployed)) == ("2", ["1", "2"])
    assert webhook_url(aws, deployed) == "https://m1.example.org/in"

    deploy(aws, third)
    assert webhook_url(aws, deployed) == "https://m2.example.org/in"


def test_a_release_is_taken_back_by_its_aliases_and_for_good_by_a_deployment(
    aws: Aws, releases: tuple[Assembly, Assembly, Assembly]
) -> None:
    first, second, _ = releases
    deployed = deploy(aws, first)
    deploy(aws, second)
    where = ("--stage", "example", "--endpoint-url", aws.endpoint, "--region", REGION)
    assert cli.main(["release", "back", *where, "--yes"]) == 0
    assert webhook_url(aws, deployed) == "https://m0.example.org/in"

    deploy(aws, first)
    assert webhook_url(aws, deployed) == "https://m0.example.org/in"
    assert live(aws, deployed) == versions(aws, deployed)[-1]

    deploy(aws, second)
    assert webhook_url(aws, deployed) == "https://m1.example.org/in"
