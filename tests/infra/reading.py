"""Reading a synthesized template."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from infra.cards import logical_id

type Template = Mapping[str, Any]

UNPACKED: Final[Mapping[str, str]] = {
    "JSII_RUNTIME_PACKAGE_CACHE_ROOT": str(Path.home() / ".cache" / "aws" / "jsii" / "package-cache")
}
"""For a process with a home of its own: else it unpacks the CDK anew, which takes longer than its work."""


def of_type(template: Template, kind: str) -> dict[str, Any]:
    return {name: one["Properties"] for name, one in template["Resources"].items() if one["Type"] == kind}


def one_named(template: Template, kind: str, prefix: str) -> dict[str, Any]:
    """The only resource whose logical id is the prefix and the CDK's hash."""
    found = [
        (name, one)
        for name, one in template["Resources"].items()
        if one["Type"] == kind and name[:-8] == prefix
    ]
    assert len(found) == 1, f"{kind} {prefix}: {[name for name, _ in found]}"
    name, one = found[0]
    return {"LogicalId": name, **one}


def function_of(template: Template, name: str) -> dict[str, Any]:
    found = one_named(template, "AWS::Lambda::Function", f"Functions{logical_id(name)}")
    return {"LogicalId": found["LogicalId"], **found["Properties"]}


def live_of(template: Template, name: str) -> dict[str, str]:
    """How the stack refers to a function that it calls: by its alias."""
    alias = one_named(template, "AWS::Lambda::Alias", f"Functions{logical_id(name)}Live")
    return {"Ref": alias["LogicalId"]}


def statements_of(template: Template, name: str) -> list[dict[str, Any]]:
    role = one_named(template, "AWS::IAM::Role", f"Functions{logical_id(name)}Role")["Properties"]
    assert "ManagedPolicyArns" not in role
    assert len(role["Policies"]) == 1
    statements: list[dict[str, Any]] = role["Policies"][0]["PolicyDocument"]["Statement"]
    return statements


def actions_in(statement: Mapping[str, Any]) -> set[str]:
    action = statement["Action"]
    return {action} if isinstance(action, str) else set(action)


def texts_in(value: object) -> Iterator[str]:
    match value:
        case str():
            yield value
        case Mapping():
            for inner in value.values():
                yield from texts_in(inner)
        case list():
            for inner in value:
                yield from texts_in(inner)
