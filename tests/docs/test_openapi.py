"""`docs/openapi.json` is complete, valid, and what the code says."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import validate

from infra.node import use_packaged_node
from local import openapi
from onramp.domain.errors import PROBLEMS

use_packaged_node()

type Json = dict[str, Any]

GUARDS = {"jwt": "jwt", "iam": "iam", "signature": "open", "open": "open"}
DOCUMENT = openapi.build()


def operations() -> Iterator[tuple[str, Json]]:
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def resolved(part: Json) -> Json:
    """A part of the document, or what its `$ref` names."""
    while "$ref" in part:
        target: Json = DOCUMENT
        for name in part["$ref"].removeprefix("#/").split("/"):
            target = target[name]
        part = target
    return part


def examples() -> Iterator[tuple[str, Json, Any]]:
    """Every example with the schema it stands for."""
    for name, operation in operations():
        contents = [("request", operation["requestBody"])] if "requestBody" in operation else []
        contents += operation["responses"].items()
        for place, content in contents:
            for media in resolved(content).get("content", {}).values():
                values = {"example": media["example"]} if "example" in media else {}
                values |= {key: example["value"] for key, example in media.get("examples", {}).items()}
                for key, value in values.items():
                    yield f"{name} {place} {key}", media["schema"], value


def test_the_file_is_what_the_code_says() -> None:
    assert openapi.difference() == ""


def test_the_document_is_valid_and_always_the_same() -> None:
    validate(json.loads(openapi.render()))
    assert openapi.render() == openapi.render()


def test_a_file_that_differs_is_told_with_a_hint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "openapi.json"
    monkeypatch.setattr(openapi, "TARGET", target)
    monkeypatch.setattr(openapi.difference, "__defaults__", (target,))
    assert openapi.main(["--check"]) == 1
    told = capsys.readouterr().err
    assert "lines more" in told
    assert told.endswith("openapi: run `python -m local.openapi` and commit the file\n")
    assert openapi.main([]) == 0
    assert openapi.main(["--check"]) == 0


def test_the_routes_and_their_guards_are_those_of_the_stack() -> None:
    # Here, so that the other tests do not wait for the CDK to load.
    from infra.constructs.api import ROUTES  # noqa: PLC0415

    told = {(o.method.upper(), o.path, GUARDS[o.guard]) for o in openapi.OPERATIONS}
    assert told == {(route.method, route.path, route.guard) for route in ROUTES}


def test_every_problem_is_answered_somewhere() -> None:
    told = {code for operation in openapi.OPERATIONS for code in operation.problems}
    assert told == PROBLEMS.keys()


def test_every_route_says_who_may_call_and_what_can_go_wrong() -> None:
    for name, operation in operations():
        assert operation["operationId"], name
        assert "security" in operation, name
        assert any(status.startswith("2") for status in operation["responses"]), name
        assert "429" in operation["responses"], name


def test_every_component_is_used() -> None:
    text = json.dumps(DOCUMENT)
    for kind in ("parameters", "headers", "responses", "schemas"):
        for name in DOCUMENT["components"][kind]:
            assert f'"#/components/{kind}/{name}"' in text, f"{kind}/{name}"


EXAMPLES = {name: (schema, value) for name, schema, value in examples()}


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_fits_its_schema(name: str) -> None:
    schema, value = EXAMPLES[name]
    OAS31Validator({**schema, "components": DOCUMENT["components"]}).validate(value)
