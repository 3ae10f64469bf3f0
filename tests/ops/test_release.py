"""`onramp release` on a stage whose functions are a table of versions."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from ops import cli, running
from ops.stage.configuration import UnusableError
from ops.stage.reaching import Reached

DEPLOYED = datetime(2026, 11, 26, 8, 0, tzinfo=UTC)
BEFORE, AFTER = DEPLOYED - timedelta(days=3), DEPLOYED + timedelta(minutes=1)


@dataclass
class Account:
    """Functions by handler: the live version, and when each version was made."""

    functions_: dict[str, tuple[str, dict[str, datetime]]]
    updated: datetime | None = DEPLOYED
    moved: list[Mapping[str, Any]] = field(default_factory=list)
    deleted: list[tuple[str, str]] = field(default_factory=list)

    @property
    def functions(self) -> "Account":
        return self

    cloudformation = functions

    def close(self) -> None:
        pass

    def get_paginator(self, name: str) -> SimpleNamespace:
        return SimpleNamespace(paginate=getattr(self, f"_{name}"))

    def _list_stack_resources(self, **_: str) -> Iterator[Mapping[str, Any]]:
        for name in self.functions_:
            yield {
                "StackResourceSummaries": [
                    resource("AWS::Lambda::Function", name, f"F-{name}"),
                    resource(
                        "AWS::Lambda::Alias", f"{name}Live", f"arn:aws:lambda:r:1:function:F-{name}:live"
                    ),
                ]
            }

    def _list_versions_by_function(self, FunctionName: str) -> Iterator[Mapping[str, Any]]:  # noqa: N803
        _, made = self._of(FunctionName)
        yield {"Versions": [{"Version": "$LATEST", "LastModified": stamp(AFTER)}]}
        yield {"Versions": [{"Version": one, "LastModified": stamp(at)} for one, at in made.items()]}

    def _of(self, physical: str) -> tuple[str, dict[str, datetime]]:
        return self.functions_[physical.removeprefix("F-")]

    def get_function_configuration(self, FunctionName: str, **_: str) -> Mapping[str, Any]:  # noqa: N803
        return {"Handler": f"{FunctionName.removeprefix('F-')}.handler"}

    def get_alias(self, FunctionName: str, **_: str) -> Mapping[str, str]:  # noqa: N803
        return {"FunctionVersion": self._of(FunctionName)[0]}

    def describe_stacks(self, **_: str) -> Mapping[str, Any]:
        return {"Stacks": [{"LastUpdatedTime": self.updated} if self.updated else {}]}

    def delete_function(self, FunctionName: str, Qualifier: str) -> None:  # noqa: N803
        self.deleted.append((FunctionName, Qualifier))

    def update_alias(self, **given: object) -> None:
        self.moved.append(given)


def resource(kind: str, logical: str, physical: str) -> dict[str, str]:
    return {"ResourceType": kind, "LogicalResourceId": logical, "PhysicalResourceId": physical}


def stamp(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.000+0000")


def run(account: Account, patch: pytest.MonkeyPatch, *arguments: str) -> int:
    found = SimpleNamespace(aws=account, stack_name="Onramp-dev")

    def reach(*_: object, **__: object) -> Reached:
        return found  # type: ignore[return-value]

    patch.setattr(running, "reach", reach)
    return cli.main(["release", *arguments, "--stage", "dev"])


def a_release() -> Account:
    """The last deployment has changed two functions of three; one of them has an older history."""
    return Account(
        {
            "code_exchange": ("2", {"1": BEFORE, "2": AFTER}),
            "webhook_receiver": ("1", {"1": BEFORE}),
            "onboarding_worker": ("11", {"9": BEFORE - timedelta(days=9), "10": BEFORE, "11": AFTER}),
        }
    )


def test_what_the_last_deployment_changed_goes_back_and_the_rest_stays(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    account = a_release()
    assert run(account, monkeypatch, "back", "--yes") == 0
    assert [(one["FunctionName"], one["Name"], one["FunctionVersion"]) for one in account.moved] == [
        ("F-code_exchange", "live", "1"),
        ("F-onboarding_worker", "live", "10"),
    ]
    # Nothing stays at a version that is being shifted to.
    assert all(one["RoutingConfig"] == {"AdditionalVersionWeights": {}} for one in account.moved)
    assert "onboarding_worker: 11 -> 10" in capsys.readouterr().out


def test_nothing_goes_forward_after_it_was_put_back(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    account = Account({"code_exchange": ("1", {"1": BEFORE - timedelta(days=1), "2": BEFORE})})
    assert run(account, monkeypatch, "back", "--yes") == 0
    assert account.moved == []
    assert "nothing to put back" in capsys.readouterr().out


def test_a_function_whose_former_version_is_gone_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    account = a_release()
    account.functions_["code_exchange"] = ("2", {"2": AFTER})
    assert run(account, monkeypatch, "back", "--yes", "--json") == 1
    told = json.loads(capsys.readouterr().out)["result"]
    assert told["gone"] == ["code_exchange"]
    assert told["moved"] == {"onboarding_worker": {"from": "11", "to": "10"}}


def test_another_moment_may_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    account = a_release()
    moment = (BEFORE - timedelta(hours=1)).isoformat()
    assert run(account, monkeypatch, "back", "--yes", "--before", moment) == 1
    assert [one["FunctionVersion"] for one in account.moved] == ["9"]


def test_after_the_first_deployment_there_is_nothing_to_go_back_to(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    account = a_release()
    account.updated = None
    assert run(account, monkeypatch, "back", "--yes") == 1
    assert "nothing to go back to" in capsys.readouterr().err
    assert account.moved == []


def test_nobody_goes_back_without_being_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    account = a_release()

    def refuse(*_: object) -> None:
        raise UnusableError("not done")

    monkeypatch.setattr(running.Run, "consent", refuse)
    assert run(account, monkeypatch, "back") == 2
    assert account.moved == []


def test_old_versions_go_but_never_the_live_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    account = a_release()
    account.functions_["onboarding_worker"] = ("9", account.functions_["onboarding_worker"][1])
    assert run(account, monkeypatch, "prune", "--keep", "1", "--yes") == 0
    assert account.deleted == [("F-code_exchange", "1"), ("F-onboarding_worker", "10")]
    assert run(account, monkeypatch, "prune", "--yes") == 0
    assert "nothing to delete" in capsys.readouterr().out
    assert run(account, monkeypatch, "prune", "--keep", "0", "--yes") == 2


def test_the_versions_are_shown(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(a_release(), monkeypatch, "show") == 0
    lines = capsys.readouterr().out.splitlines()
    assert "onboarding_worker: 11, made 2026-11-26T08:01:00+00:00; kept besides: 9, 10" in lines
    assert "webhook_receiver: 1, made 2026-11-23T08:00:00+00:00; kept besides: none" in lines
