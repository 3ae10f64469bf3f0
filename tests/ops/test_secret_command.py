"""`onramp secret`: merged, complete, and never shown."""

import json
from typing import Any

import pytest

from ops.doctor.secret import AT, PLATFORM
from tests.ops.conftest import PLATFORM_SECRET, SECRET, Case, Desk

NEW = "a-new-value-9a8b7c"


def stored(case: Case) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        case.stage.aws.secrets.get_secret_value(SecretId=case.secret_id, VersionStage="AWSCURRENT")[
            "SecretString"
        ]
    )
    return found


def test_a_value_is_merged_into_what_is_there(desk: Desk, case: Case) -> None:
    assert desk.run("secret", "set", "partner_api_key", given=f"{NEW}\n") == 0
    assert stored(case) == SECRET | {"partner_api_key": NEW}
    assert NEW not in desk.out + desk.err


def test_fields_of_others_stay(desk: Desk, case: Case) -> None:
    case.put_secret(SECRET | {"of_a_later_release": "kept"})
    assert desk.run("secret", "set", "meta_app_secret", given=NEW) == 0
    assert stored(case)["of_a_later_release"] == "kept"


def test_an_empty_secret_is_filled_at_once(desk: Desk, case: Case) -> None:
    empty = case.stage.aws.secrets.create_secret(Name="empty")["ARN"]
    case.stage.outputs, case.secret_id = {**case.stage.outputs, "SecretArn": empty}, empty
    assert desk.run("secret", "set", given="app-secret-1\npartner-key-1\nplatform-1\n") == 0
    assert stored(case) == {
        "meta_app_secret": "app-secret-1",
        "partner_api_key": "partner-key-1",
        "platform_secrets": ["platform-1"],
    }


def test_without_names_only_what_is_missing_is_asked_for(desk: Desk, case: Case) -> None:
    case.put_secret(SECRET | {"partner_api_key": "changeme"})
    assert desk.run("secret", "set", given=f"{NEW}\n") == 0
    assert stored(case)["partner_api_key"] == NEW
    assert desk.run("secret", "set") == 0
    assert "nothing is missing" in desk.out


@pytest.mark.parametrize(
    ("names", "given", "told"),
    [
        (["partner_api_key"], "", "standard input ends before partner_api_key"),
        (["partner_api_key"], "\n", "is empty or a placeholder"),
        (["partner_api_key"], "changeme\n", "is empty or a placeholder"),
        (["partner_api_key"], " a-key-with-blanks \n", "has blanks around it"),
        (["partner_api_key"], "a-key\x00\n", "signs that cannot be seen"),
        (["partner_key"], f"{NEW}\n", "nobody reads partner_key"),
        (["partner_api_key", "meta_app_secret"], f"{NEW}\n", "ends before meta_app_secret"),
    ],
)
def test_what_cannot_be_used_is_refused_and_not_shown(
    desk: Desk, case: Case, names: list[str], given: str, told: str
) -> None:
    assert desk.run("secret", "set", *names, given=given) == 2
    assert told in desk.err
    assert not given.strip() or given.strip() not in desk.err
    assert stored(case) == SECRET


def test_an_incomplete_secret_is_refused(desk: Desk, case: Case) -> None:
    case.put_secret({"meta_app_secret": "here"})
    assert desk.run("secret", "set", "partner_api_key", given=f"{NEW}\n") == 2
    assert "incomplete: platform_secrets; nothing is written" in desk.err
    assert stored(case) == {"meta_app_secret": "here"}


def test_a_platform_secret_is_rotated_in_two_steps(desk: Desk, case: Case) -> None:
    assert desk.run("secret", "set", "platform_secrets", given=f"{NEW}\n") == 0
    assert stored(case)["platform_secrets"] == [NEW, PLATFORM_SECRET]
    assert desk.run("secret", "set", "platform_secrets", given="a-third-value-1\n") == 0
    assert stored(case)["platform_secrets"] == ["a-third-value-1", NEW]
    assert desk.run("secret", "forget") == 0
    assert stored(case)["platform_secrets"] == ["a-third-value-1"]
    assert desk.run("secret", "forget") == 0
    assert "nothing to forget" in desk.out


def test_one_platform_secret_in_place_of_all(desk: Desk, case: Case) -> None:
    assert desk.run("secret", "set", "platform_secrets", "--only", given=f"{NEW}\n") == 0
    assert stored(case)["platform_secrets"] == [NEW]


def test_a_rotation_ends_for_the_hub_that_is_named(desk: Desk, case: Case) -> None:
    of_emea = f"{PLATFORM}{AT}emea"
    case.configure(hubs={"emea": {"partner_id": "emeaPA", "solution_id": "323456789012345"}})
    both = {PLATFORM: [NEW, PLATFORM_SECRET], of_emea: [NEW, "a-former-value-1"]}
    case.put_secret(SECRET | both)
    assert desk.run("secret", "forget", "--hub", "default") == 0
    assert desk.out == "written: the newest platform secret only\n"
    assert stored(case) == SECRET | both | {PLATFORM: [NEW]}
    assert desk.run("secret", "forget", "--hub", "emea") == 0
    assert stored(case) == SECRET | {PLATFORM: [NEW], of_emea: [NEW]}


def test_a_hub_that_is_none_is_refused(desk: Desk, case: Case) -> None:
    case.put_secret(SECRET | {PLATFORM: [NEW, PLATFORM_SECRET]})
    assert desk.run("secret", "forget", "--hub", "nope") == 1
    assert "there is no hub nope; there are default" in desk.err
    assert stored(case)[PLATFORM] == [NEW, PLATFORM_SECRET]


def test_the_last_change_is_taken_back(desk: Desk, case: Case) -> None:
    assert desk.run("secret", "undo") == 1
    assert "no former version" in desk.err
    desk.run("secret", "set", "meta_app_secret", given=f"{NEW}\n")
    assert desk.run("secret", "undo") == 0
    assert stored(case) == SECRET


def test_a_person_is_asked_without_an_echo(desk: Desk, case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def answer(prompt: str) -> str:
        asked.append(prompt)
        return NEW

    monkeypatch.setattr("ops.commands.secret.getpass.getpass", answer)
    desk.person = True
    assert desk.run("secret", "set", "meta_app_secret") == 0
    assert asked == ["meta_app_secret: "]
    assert stored(case)["meta_app_secret"] == NEW
