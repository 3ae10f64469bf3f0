"""`onramp retained import`: what a deleted stage has left becomes a stack again."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ops.cli import main
from ops.commands import retained
from ops.running import Failed
from ops.stage.aws import Aws
from ops.stage.configuration import UnusableError
from tests.infra.conftest import synthesize
from tests.ops.conftest import Answers, refused

ACCOUNT = "eu-central-1:123456789012"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    """A stage that keeps its data, with a user pool of its own."""
    folder = tmp_path_factory.mktemp("assembly-retained")
    return synthesize("example", folder, {"stage.removal": "retain"})


def outputs_of(template: Mapping[str, Any]) -> dict[str, str]:
    """Outputs as a stack of this template had them."""
    found = {name: f"name-of-{name}" for name in template["Outputs"]}
    for name in found:
        if name.endswith("KeyArn"):
            found[name] = f"arn:aws:kms:{ACCOUNT}:key/id-of-{name}"
    found["SecretArn"] = f"arn:aws:secretsmanager:{ACCOUNT}:secret:onramp-AbCdEf"
    found["TableArn"] = f"arn:aws:dynamodb:{ACCOUNT}:table/{found['TableName']}"
    return found


def test_everything_that_is_retained_is_named_by_the_outputs(template: Mapping[str, Any]) -> None:
    kept = {
        logical
        for logical, resource in template["Resources"].items()
        if resource.get("DeletionPolicy") in retained._KEPT and resource["Type"] != "AWS::Lambda::Version"
    }
    chosen = retained.chosen_of(template, outputs_of(template))
    assert set(chosen) == kept
    assert {item["ResourceType"] for item in chosen.values()} == set(retained.IDENTIFIED_BY)


def test_each_is_identified_as_cloudformation_asks(template: Mapping[str, Any]) -> None:
    chosen = retained.chosen_of(template, outputs_of(template)).values()
    identifiers = {name: value for item in chosen for name, value in item["ResourceIdentifier"].items()}
    assert identifiers["TableName"] == "name-of-TableName"
    assert identifiers["KeyId"].startswith("id-of-")
    assert identifiers["Id"].startswith("arn:aws:secretsmanager:")
    assert identifiers["UserPoolId"] == "name-of-UserPoolId"


def test_the_import_refers_to_nothing_outside_itself(template: Mapping[str, Any]) -> None:
    chosen = retained.chosen_of(template, outputs_of(template))
    whole = retained.import_template(template, chosen)
    assert set(whole) == {"Resources"}
    assert set(whole["Resources"]) == set(chosen)


def test_what_would_refer_to_something_else_is_refused(template: Mapping[str, Any]) -> None:
    outputs = {name: value for name, value in outputs_of(template).items() if name != "TableKeyArn"}
    with pytest.raises(UnusableError, match="what is left refers to"):
        retained.import_template(template, retained.chosen_of(template, outputs))


def test_a_stage_that_keeps_nothing() -> None:
    with pytest.raises(UnusableError, match="is removal = retain"):
        retained.chosen_of({"Resources": {}, "Outputs": {}}, {})


class Importing:
    """CloudFormation while it imports."""

    def __init__(self, change: str = "CREATE_COMPLETE", end: str = "IMPORT_COMPLETE") -> None:
        self.change = ["CREATE_IN_PROGRESS", change]
        self.end = ["REVIEW_IN_PROGRESS", "IMPORT_IN_PROGRESS", end]
        self.asked = Answers(
            create_change_set={},
            execute_change_set={},
            describe_change_set=lambda _: {"Status": self._next(self.change), "StatusReason": "no such key"},
            describe_stacks=lambda _: {"Stacks": [{"StackStatus": self._next(self.end)}]},
        )

    def _next(self, states: list[str]) -> str:
        return states.pop(0) if len(states) > 1 else states[0]

    def run(self, template: Mapping[str, Any]) -> None:
        chosen = retained.chosen_of(template, outputs_of(template))
        aws = Aws(region="eu-central-1", _clients={"cloudformation": self.asked})
        retained.import_into(aws, "Onramp-example", template, chosen, lambda _: None)


def test_the_import_is_waited_for(template: Mapping[str, Any]) -> None:
    importing = Importing()
    importing.run(template)
    method, request = importing.asked.asked[0]
    assert (method, request["ChangeSetType"]) == ("create_change_set", "IMPORT")
    assert "execute_change_set" in {method for method, _ in importing.asked.asked}


@pytest.mark.parametrize(
    ("importing", "told"),
    [
        (Importing(change="FAILED"), "refuses the import: no such key"),
        (Importing(end="IMPORT_ROLLBACK_COMPLETE"), "ended as IMPORT_ROLLBACK_COMPLETE"),
    ],
)
def test_a_refused_import_says_why(template: Mapping[str, Any], importing: Importing, told: str) -> None:
    with pytest.raises(Failed, match=told):
        importing.run(template)


@pytest.fixture
def files(template: Mapping[str, Any], tmp_path: Path) -> list[str]:
    """Outputs as the AWS CLI writes them, and the template."""
    listed = [{"OutputKey": name, "OutputValue": value} for name, value in outputs_of(template).items()]
    (tmp_path / "outputs.json").write_text(json.dumps(listed))
    (tmp_path / "template.json").write_text(json.dumps(template))
    return ["--outputs", str(tmp_path / "outputs.json"), "--template", str(tmp_path / "template.json")]


def test_what_would_be_imported_is_shown(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["retained", "import", "--stage", "example", "--show", *files]) == 0
    assert "AWS::DynamoDB::Table" in capsys.readouterr().out


def test_without_outputs_or_template_nothing_is_done(
    files: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["retained", "import", "--stage", "example"]) == 2
    assert "--outputs FILE" in capsys.readouterr().err
    assert main(["retained", "import", "--stage", "example", *files[:2], "--template", "none.json"]) == 2
    assert "`cdk synth` writes it" in capsys.readouterr().err


def test_a_refusal_of_aws(
    files: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = Answers(create_change_set=refused("AlreadyExistsException"))
    monkeypatch.setattr(Aws, "client", lambda *_: answers)
    assert main(["retained", "import", "--stage", "example", *files]) == 1
    assert "AlreadyExistsException" in capsys.readouterr().err
