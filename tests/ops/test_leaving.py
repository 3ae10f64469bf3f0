"""A stage that goes: keys taken back, buckets emptied, what is left noted and thrown away."""

import json
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ops.stage.reaching import Reached
from tests.ops.conftest import Case, Desk, pretend, refused

ARNS = {"EnvelopeKeyArn": "arn:key/envelope", "TableKeyArn": "arn:key/table"}
LEFT = {**ARNS, "TableName": "t", "SecretArn": "arn:secret", "DeskLogGroup": "g"}
LEFT |= {"ApiUrl": "https://x.test", "BodiesBucket": "bodies"}


class Kms:
    """Two keys and what state they are in."""

    def __init__(self, case: Case, **states: str) -> None:
        self.states = {ARNS["EnvelopeKeyArn"]: "Enabled", ARNS["TableKeyArn"]: "Enabled"}
        self.states |= {f"arn:key/{name}": state for name, state in states.items()}
        case.stage.outputs = {**case.stage.outputs, **ARNS}
        self.client = pretend(
            case, "kms", describe_key=self.describe, enable_key=self.enable, cancel_key_deletion=self.cancel
        )

    def describe(self, request: dict[str, str]) -> Any:
        return {"KeyMetadata": {"KeyState": self.states[request["KeyId"]]}}

    def cancel(self, request: dict[str, str]) -> Any:
        assert self.states[request["KeyId"]] == "PendingDeletion"
        self.states[request["KeyId"]] = "Disabled"

    def enable(self, request: dict[str, str]) -> Any:
        assert self.states[request["KeyId"]] == "Disabled"
        self.states[request["KeyId"]] = "Enabled"


@pytest.mark.parametrize(
    ("states", "enabled"),
    [({}, []), ({"envelope": "Disabled"}, ["envelope"]), ({"table": "PendingDeletion"}, ["table"])],
)
def test_keys_that_cannot_be_used_are_taken_back(
    desk: Desk, case: Case, states: dict[str, str], enabled: list[str]
) -> None:
    kms = Kms(case, **states)
    assert desk.run("encryption", "show") == int(bool(states))
    assert desk.run("encryption", "enable", "--json") == 0
    assert json.loads(desk.out)["result"]["enabled"] == enabled
    assert set(kms.states.values()) == {"Enabled"}


# --- buckets ---------------------------------------------------------------------------------------------


def bucket(case: Case, **answers: Any) -> Any:
    found = {
        "ResourceType": "AWS::S3::Bucket",
        "LogicalResourceId": "Bodies",
        "PhysicalResourceId": "bodies",
    }
    pretend(
        case,
        "cloudformation",
        list_stack_resources={"StackResourceSummaries": [found]},
        update_termination_protection={},
    )
    listed = {
        "Versions": [{"Key": "a", "VersionId": "1"}, {"Key": "a", "VersionId": "2"}],
        "DeleteMarkers": [{"Key": "b", "VersionId": "3"}],
    }
    return pretend(case, "s3", **{"list_object_versions": listed, "delete_objects": {}, **answers})


def test_every_version_of_what_a_bucket_holds_goes_once_somebody_has_agreed(desk: Desk, case: Case) -> None:
    s3 = bucket(case)
    assert desk.run("protect", "--empty") == 2
    assert desk.run("protect", "--off", "--empty") == 2
    assert s3.asked == []
    assert desk.run("protect", "--off", "--empty", "--yes") == 0
    assert "bucket bodies: 3 gone" in desk.out
    _, asked = s3.asked[-1]
    assert [one["VersionId"] for one in asked["Delete"]["Objects"]] == ["1", "2", "3"]


def test_without_being_asked_for_no_bucket_is_touched(desk: Desk, case: Case) -> None:
    s3 = bucket(case)
    assert desk.run("protect", "--off", "--yes") == 0
    assert s3.asked == []


def test_objects_that_stay_end_it_with_one(desk: Desk, case: Case) -> None:
    bucket(case, delete_objects={"Errors": [{"Key": "a", "Code": "AccessDenied"}]})
    assert desk.run("protect", "--off", "--empty", "--yes") == 1
    assert "1 objects of bodies stay (AccessDenied)" in desk.err


# --- what is left ----------------------------------------------------------------------------------------


def no_stack() -> ClientError:
    return refused("ValidationError", "DescribeStacks")


def left(case: Case, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, **answers: Any) -> list[str]:
    """A stage whose stack is gone; gives the command's own words."""
    found = Reached(
        values=case.stage.values,
        overrides={},
        stack_name="Onramp-dev",
        outputs={},
        stack=None,
        aws=case.stage.aws,
    )
    monkeypatch.setattr("ops.commands.left.locate", lambda _: found)
    pretend(case, "cloudformation", **{"describe_stacks": no_stack(), **answers})
    for service, method in (
        ("dynamodb", "delete_table"),
        ("secretsmanager", "delete_secret"),
        ("kms", "schedule_key_deletion"),
        ("logs", "delete_log_group"),
    ):
        pretend(case, service, **{method: {}})
    pretend(case, "s3", list_object_versions={}, delete_bucket={})
    file = tmp_path / "outputs.json"
    file.write_text(json.dumps({"Onramp-dev": LEFT}))
    return ["retained", "delete", "--outputs", str(file)]


def test_all_that_is_left_is_deleted_once_somebody_has_agreed(
    desk: Desk, case: Case, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    words = left(case, monkeypatch, tmp_path)
    assert desk.run(*words) == 2
    assert not case.stage.aws.client("kms").asked
    assert desk.run(*words, "--yes", "--json") == 0
    assert set(json.loads(desk.out)["result"]["deleted"]) == LEFT.keys() - {"ApiUrl"}
    assert case.stage.aws.client("secretsmanager").asked == [
        ("delete_secret", {"SecretId": "arn:secret", "RecoveryWindowInDays": 7})
    ]
    assert {asked["PendingWindowInDays"] for _, asked in case.stage.aws.client("kms").asked} == {30}


def test_what_is_gone_already_is_passed_over_and_a_refusal_ends_it(
    desk: Desk, case: Case, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    words = left(case, monkeypatch, tmp_path)
    pretend(case, "dynamodb", delete_table=refused("ResourceNotFoundException"))
    assert desk.run(*words, "--yes", "--json") == 0
    assert "TableName" not in json.loads(desk.out)["result"]["deleted"]
    pretend(case, "dynamodb", delete_table=refused("AccessDeniedException"))
    assert desk.run(*words, "--yes") == 1


def test_a_stage_that_stands_is_not_thrown_away(
    desk: Desk, case: Case, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    words = left(
        case, monkeypatch, tmp_path, describe_stacks={"Stacks": [{"StackStatus": "CREATE_COMPLETE"}]}
    )
    assert desk.run(*words, "--yes") == 2
    assert "is still there" in desk.err


def test_the_outputs_are_written_down(desk: Desk, case: Case, tmp_path: Path) -> None:
    file = tmp_path / "outputs.json"
    assert desk.run("retained", "save", "--to", str(file)) == 0
    assert json.loads(file.read_text()) == {"Onramp-dev": dict(case.stage.outputs)}
    assert desk.run("retained", "save", "--to", str(tmp_path / "none" / "outputs.json")) == 2
