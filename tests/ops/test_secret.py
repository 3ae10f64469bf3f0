from typing import Any

import pytest

from ops.doctor.findings import Level
from ops.doctor.secret import is_placeholder
from tests.ops.conftest import PLATFORM_SECRET, SECRET, Case


def test_a_filled_secret_is_fine(case: Case) -> None:
    found = case.find("secret")
    assert found.level is Level.OK
    assert "1 platform secret" in found.detail


@pytest.mark.parametrize(
    ("change", "level", "told"),
    [
        ({"meta_app_secret": None}, Level.FAIL, "meta_app_secret is not a text"),
        ({"meta_app_secret": " "}, Level.FAIL, "meta_app_secret is empty"),
        ({"partner_api_key": "changeme"}, Level.FAIL, "partner_api_key is a placeholder"),
        ({"partner_api_key": "a-real-key\n"}, Level.FAIL, "partner_api_key has blanks or a line break"),
        ({"platform_secrets": None}, Level.FAIL, "platform_secrets is missing"),
        ({"platform_secrets": []}, Level.FAIL, "must be a list of one or two"),
        ({"platform_secrets": ["one-secret", "two-secret", "three"]}, Level.FAIL, "list of one or two"),
        ({"platform_secrets": ["one-secret", ""]}, Level.FAIL, "platform_secrets (2 of 2) is empty"),
        ({"platform_secrets": ["…"]}, Level.FAIL, "is a placeholder"),
        ({"platform_secrets": 7}, Level.FAIL, "list of one or two"),
        ({"platform_secrets": ["same-one", "same-one"]}, Level.WARN, "the same secret twice"),
        ({"platform_secrets": "one-secret"}, Level.WARN, "should be a list"),
        ({"more": "text"}, Level.WARN, "nobody reads 1 of its fields"),
    ],
)
def test_what_is_wrong_is_named(case: Case, change: dict[str, Any], level: Level, told: str) -> None:
    case.put_secret(SECRET | change)
    found = case.find("secret")
    assert found.level is level
    assert told in found.detail
    assert found.advice


def test_all_that_is_missing_is_named_at_once(case: Case) -> None:
    case.put_secret({})
    found = case.find("secret")
    assert [name in found.detail for name in SECRET] == [True, True, True]
    assert case.secret_id in found.advice


def test_a_secret_without_a_value(case: Case) -> None:
    empty = case.stage.aws.secrets.create_secret(Name="empty")["ARN"]
    case.stage.outputs = {**case.stage.outputs, "SecretArn": empty}
    found = case.find("secret")
    assert (found.level, found.detail) == (Level.FAIL, "the secret has no value yet")


@pytest.mark.parametrize("text", ["not json", "[]", '"text"'])
def test_a_secret_that_is_no_object(case: Case, text: str) -> None:
    case.put_secret(text)
    assert case.find("secret").detail == "the secret is no JSON object"


@pytest.mark.parametrize("check", ["meta-app", "partner-key", "webhook-event"])
def test_what_needs_the_secret_is_skipped_without_it(case: Case, check: str) -> None:
    case.put_secret({})
    found = case.find(check)
    assert found.level is Level.SKIPPED
    assert "see the check `secret`" in found.detail


def test_any_of_its_values_is_concealed_wherever_it_appears(case: Case) -> None:
    case.stage.secret()
    text = f"{PLATFORM_SECRET} and {case.stage.app_token}"
    assert case.stage.conceal(text) == "••• and 2234567890|•••"


@pytest.mark.parametrize(
    ("value", "placeholder"),
    [("change_me", True), ("<key>", True), ("xxxxxxxx", True), ("your-key", True), ("f3a9c1", False)],
)
def test_placeholders(value: str, placeholder: bool) -> None:
    assert is_placeholder(value) is placeholder
