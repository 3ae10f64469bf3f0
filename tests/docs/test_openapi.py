"""`contract/openapi.json` and `bus.json` are complete, valid, fit for generators, and what the code says."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import validate

from contract import __main__ as command
from contract import bus, openapi, samples
from contract.conformity import Conformity
from contract.operations import OPERATIONS, operations
from contract.routes import ROUTES
from harness.world import World
from infra.node import use_packaged_node
from onramp.adapters.aws import EventBridgeBus
from onramp.domain.errors import FAILURES, PROBLEMS
from onramp.domain.facts import FACTS, FactType
from onramp.domain.records import Fact
from onramp.domain.states import SignupStatus, Status
from onramp.inbound.models import WORDS
from onramp.inbound.opening import CodeBody, OpenSignupBody

type Json = dict[str, Any]

DOCUMENT = openapi.build()
SCHEMAS: Json = DOCUMENT["components"]["schemas"]


def calls() -> Iterator[tuple[str, Json]]:
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


def contents() -> Iterator[tuple[str, Json]]:
    """The content of every request and answer, with where it is."""
    for name, operation in calls():
        bodies = [("request", operation["requestBody"])] if "requestBody" in operation else []
        for place, body in [*bodies, *operation["responses"].items()]:
            for media_type, media in resolved(body).get("content", {}).items():
                yield f"{name} {place} {media_type}", media


def examples() -> Iterator[tuple[str, Json, Any]]:
    """Every example with the schema it stands for."""
    for place, media in contents():
        values = {"example": media["example"]} if "example" in media else {}
        values |= {key: example["value"] for key, example in media.get("examples", {}).items()}
        for key, value in values.items():
            yield f"{place} {key}", media["schema"], value
    for place, schema in schemas():
        for index, value in enumerate(schema.get("examples", ())):
            yield f"{place} {index}", schema, value


def schemas() -> Iterator[tuple[str, Json]]:
    """Every schema that has a place of its own: those with a name, those of a content, all properties."""
    roots = [*SCHEMAS.items(), *((place, media["schema"]) for place, media in contents())]
    for place, schema in roots:
        if "allOf" not in schema and "$ref" not in schema:
            yield place, schema
        yield from _properties(place, schema)


def _properties(place: str, schema: Json) -> Iterator[tuple[str, Json]]:
    for name, part in schema.get("properties", {}).items():
        yield f"{place}.{name}", part
        yield from _properties(f"{place}.{name}", part)
    for keyword in ("allOf", "oneOf", "anyOf"):
        for part in schema.get(keyword, ()):
            yield from _properties(place, part)


def everything(part: object) -> Iterator[Json]:
    """Every object of the document."""
    if isinstance(part, dict):
        yield part
        for inner in part.values():
            yield from everything(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from everything(inner)


# --- the files


def test_the_files_are_what_the_code_says() -> None:
    assert command.difference() == ""


def test_the_document_is_valid_and_always_the_same() -> None:
    validate(json.loads(openapi.render()))
    assert openapi.render() == openapi.render()


def test_files_that_differ_are_told_with_a_hint_and_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(openapi, "TARGET", tmp_path / "openapi.json")
    monkeypatch.setattr(bus, "TARGET", tmp_path / "bus.json")
    monkeypatch.setattr(samples, "EVENTS", tmp_path / "events")
    assert command.main(["--check"]) == 1
    told = capsys.readouterr().err
    assert "lines more" in told
    assert told.endswith("contract: run `python -m contract` and commit the files\n")
    (tmp_path / "events" / "old").mkdir(parents=True)
    left_over = tmp_path / "events" / "old" / "sample.json"
    left_over.write_text("{}")
    assert command.main([]) == 0
    assert not left_over.exists()
    assert command.main(["--check"]) == 0
    left_over.write_text("{}")
    assert command.main(["--check"]) == 1


# --- complete


def test_every_route_has_its_operation_and_no_other() -> None:
    assert set(OPERATIONS) == {route.key for route in ROUTES}
    assert [name for name, _ in calls()] == sorted(
        (route.key for route in ROUTES), key=[name for name, _ in calls()].index
    )


def test_every_problem_is_answered_somewhere() -> None:
    told = {code for _, operation in operations() for code in operation.problems}
    assert told == PROBLEMS.keys()


def test_every_route_says_who_may_call_and_what_can_go_wrong() -> None:
    for name, operation in calls():
        assert operation["operationId"], name
        assert operation["summary"], name
        assert operation["description"], name
        assert "security" in operation, name
        assert any(status.startswith("2") for status in operation["responses"]), name
        assert "429" in operation["responses"], name


def test_every_component_is_used() -> None:
    text = json.dumps(DOCUMENT)
    for kind in ("parameters", "headers", "responses", "schemas"):
        for name in DOCUMENT["components"][kind]:
            assert f'"#/components/{kind}/{name}"' in text, f"{kind}/{name}"


def test_every_schema_and_property_has_a_description_and_an_example() -> None:
    lacking = [place for place, schema in schemas() if not schema.get("description")]
    lacking += [place for place, schema in schemas() if not schema.get("examples")]
    assert lacking == []


def test_every_parameter_and_header_has_a_description_and_an_example() -> None:
    parameters = [resolved(part) for _, operation in calls() for part in operation.get("parameters", ())]
    for part in [*parameters, *DOCUMENT["components"]["headers"].values()]:
        assert part["description"], part
        assert part["example"], part
        OAS31Validator({**part["schema"], "components": DOCUMENT["components"]}).validate(part["example"])


EXAMPLES = {name: (schema, value) for name, schema, value in examples()}


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_fits_its_schema(name: str) -> None:
    schema, value = EXAMPLES[name]
    OAS31Validator({**schema, "components": DOCUMENT["components"]}).validate(value)


# --- each route answers its resource itself


@pytest.mark.parametrize(
    ("key", "status", "schema"),
    [
        ("POST /v1/signups", "201", "SignupView"),
        ("GET /v1/signups/{signup_id}", "200", "SignupView"),
        ("POST /v1/signups/{signup_id}/code", "200", "SignupView"),
        ("POST /v1/signups/{signup_id}/numbers", "202", "SignupView"),
        ("POST /v1/signups/{signup_id}/retry", "202", "SignupView"),
        ("GET /v1/numbers/{phone_number_id}", "200", "NumberView"),
        ("POST /v1/numbers/{phone_number_id}/retry", "202", "NumberView"),
        ("POST /v1/numbers/{phone_number_id}/cancel", "202", "NumberView"),
        ("POST /v1/numbers/{phone_number_id}/reactivate", "202", "NumberView"),
        ("POST /v1/numbers/{phone_number_id}/check", "202", "NumberView"),
    ],
)
def test_a_route_that_acts_on_a_resource_answers_it_unwrapped(key: str, status: str, schema: str) -> None:
    answer = dict(calls())[key]["responses"][status]["content"]["application/json"]
    assert answer["schema"] == {"$ref": f"#/components/schemas/{schema}"}


# --- what is answered is what is promised

_OPENED = json.dumps(
    dict(calls())["POST /v1/signups"]["responses"]["201"]["content"][openapi.JSON]["example"]
)
_JSON_ANSWER = {"Content-Type": "application/json", "Cache-Control": "no-store"}


@pytest.mark.parametrize(
    ("path", "status", "headers", "text", "told"),
    [
        ("/v1/signups", 201, _JSON_ANSWER | {"Location": "/v1/signups/1"}, _OPENED, ()),
        ("/v1/nothing", 404, _JSON_ANSWER, "{}", ()),
        ("/v1/signups", 418, _JSON_ANSWER, "{}", ("openSignup 418 is not in the contract: {}",)),
        ("/v1/signups", 201, _JSON_ANSWER | {"X": "1"}, _OPENED, ("openSignup 201: has the header x",)),
        ("/v1/signups", 201, _JSON_ANSWER, "", ("openSignup 201: is empty",)),
        ("/v1/signups", 201, {"Content-Type": "text/html"}, "<p>", ("openSignup 201: comes as text/html",)),
        ("/v1/signups", 201, {}, _OPENED, ("openSignup 201: comes as nothing",)),
        (
            "/v1/signups", 201, _JSON_ANSWER, _OPENED.replace('"open"', '"ajar"'),
            ("openSignup 201: 'ajar' is not one of",),
        ),
        (
            "/v1/signups", 201, _JSON_ANSWER, _OPENED.replace('"reference"', '"remark"'),
            ("openSignup 201: 'reference' is a required property", "openSignup 201: Unevaluated properties"),
        ),
    ],
)  # fmt: skip
def test_an_answer_that_the_contract_does_not_promise_is_told(
    path: str, status: int, headers: dict[str, str], text: str, told: tuple[str, ...]
) -> None:
    faults = Conformity().faults("POST", path, status, headers, text)
    assert len(faults) == len(told), faults
    for fault, beginning in zip(sorted(faults, key=str.lower), told, strict=True):
        assert fault.startswith(beginning)


# --- fit for generators


def test_nothing_is_null_by_default_and_no_request_knows_null() -> None:
    for part in everything(DOCUMENT):
        assert "default" not in part or part["default"] is not None
    for _, operation in calls():
        for schema in _within(operation.get("requestBody", {})):
            assert {"type": "null"} not in schema.get("anyOf", [])


def _within(part: Json) -> Iterator[Json]:
    """Every object below a part, references followed."""
    for found in everything(part):
        yield found
        if "$ref" in found:
            yield from _within(resolved(found))


def test_no_constant_stands_where_generators_lose_the_answer() -> None:
    assert not [part for part in everything(DOCUMENT) if "const" in part]
    for name, operation in calls():
        for status, answer in operation["responses"].items():
            media = resolved(answer).get("content", {}).get("application/problem+json")
            if media is not None:
                narrower = media["schema"]["allOf"][1]["properties"]
                assert narrower["status"]["enum"] == [int(status)], name
                assert {PROBLEMS[code].status for code in narrower["code"]["enum"]} == {int(status)}, name


def test_every_pattern_is_one_in_a_browser_too() -> None:
    patterns = sorted(
        {part["pattern"] for part in everything(DOCUMENT) if isinstance(part.get("pattern"), str)}
    )
    assert len(patterns) > 4
    use_packaged_node()
    script = "for (const p of JSON.parse(process.argv[1])) { new RegExp(p, 'u'); new RegExp(p, 'v') }"
    node = os.environ.get("JSII_NODE", "node")
    run = subprocess.run(
        [node, "-e", script, json.dumps(patterns)], capture_output=True, text=True, check=False, timeout=60
    )
    assert run.returncode == 0, run.stderr
    assert all(re.compile(pattern) for pattern in patterns)


@pytest.mark.parametrize("model", [OpenSignupBody, CodeBody])
def test_exactly_one_of_is_said_as_one_of(model: type[OpenSignupBody | CodeBody]) -> None:
    ways = SCHEMAS[model.__name__]["oneOf"]
    assert [way["$ref"].rpartition("/")[2] for way in ways] == list(model.WAYS)
    for name, way in model.WAYS.items():
        assert SCHEMAS[name]["required"] == [way.needs]
        assert not set(way.without) & set(SCHEMAS[name]["properties"])
        assert SCHEMAS[name]["additionalProperties"] is False


def test_the_words_are_those_of_the_tables() -> None:
    told = {name: SCHEMAS[name]["enum"] for name in WORDS}
    assert told["FailureCode"] == list(FAILURES)
    assert told["ProblemCode"] == list(PROBLEMS)
    assert told["EventType"] == [str(name) for name in FACTS]
    assert told["NumberStatus"] == [str(word) for word in Status]
    assert told["SignupStatus"] == [str(word) for word in SignupStatus]
    assert told["PlanTier"] == ["basic", "regular", "premium"]
    assert told["Proof"] == ["granted_ids", "read_access", "adopted"]


def test_candidates_are_typed() -> None:
    choices = SCHEMAS["ProblemAnswer"]["properties"]["candidates"]["anyOf"]
    assert [choice["items"]["$ref"].rpartition("/")[2] for choice in choices] == [
        "WabaCandidate",
        "NumberCandidate",
    ]


def test_no_candidates_at_all_fit_too() -> None:
    schema = SCHEMAS["ProblemAnswer"]["properties"]["candidates"]
    OAS31Validator({**schema, "components": DOCUMENT["components"]}).validate([])


AT_META = {"waba_blocked", "waba_locked", "number_banned"}
"""What a customer has to settle with Meta, and so has to be told."""


def test_every_problem_has_a_text_for_a_customer() -> None:
    assert "customer_detail" in SCHEMAS["ProblemAnswer"]["required"]
    for code, kind in PROBLEMS.items():
        assert kind.customer.endswith("."), code
        assert not re.search(r"360dialog|WABA|API|token|JSON", kind.customer), code
        assert code in AT_META or "Meta" not in kind.customer, code


def test_every_failure_says_what_to_do() -> None:
    for code, kind in FAILURES.items():
        assert kind.action.endswith("."), code
        assert not kind.title.endswith("."), code


# --- the bus


class _Bus:
    """EventBridge's client, which keeps what it is sent."""

    def __init__(self) -> None:
        self.entries: list[Json] = []

    def put_events(self, *, Entries: list[Json]) -> Json:  # noqa: N803 - boto3's spelling
        self.entries += Entries
        return {"FailedEntryCount": 0}


def test_each_bus_event_has_its_schema_and_no_other_fact_has_one() -> None:
    assert set(bus.build()["$defs"]) == {str(name) for name, kind in FACTS.items() if kind.bus}


@pytest.mark.parametrize("name", [name for name, kind in FACTS.items() if kind.bus])
def test_what_is_put_on_the_bus_fits_its_schema(name: str) -> None:
    document = bus.build()
    schema = {**document["$defs"][name], "$defs": document["$defs"]}
    detail: dict[str, str | None] = {
        member: part["examples"][0]
        for member, part in schema["properties"]["detail"]["properties"].items()
        if member not in bus.COMMON
    }
    client: Any = _Bus()
    fact = Fact(id="1", type=name, at=samples.AT, subject="s", tenant="t", detail=detail)
    hub = Fact(id="2", type=name, at=samples.AT, subject="HUB#default", detail=dict.fromkeys(detail))
    EventBridgeBus(client, "bus").publish([fact, hub])
    for entry in client.entries:
        event = {
            "source": entry["Source"],
            "detail-type": entry["DetailType"],
            "detail": json.loads(entry["Detail"]),
        }
        assert set(event["detail"]) == set(schema["properties"]["detail"]["properties"])
        OAS31Validator(schema).validate(event)
    OAS31Validator(schema).validate(schema["examples"][0])
    OAS31Validator(schema["properties"]["detail"]).validate(schema["properties"]["detail"]["examples"][0])
    assert FactType(name)


def test_every_bus_event_and_each_of_its_members_has_a_description_and_an_example() -> None:
    told = [
        (place, part)
        for name, schema in bus.build()["$defs"].items()
        for place, part in ((name, schema), *_properties(name, schema))
    ]
    assert [place for place, part in told if not part.get("description") or not part.get("examples")] == []


def test_what_a_journey_puts_on_the_bus_fits_the_schemas() -> None:
    document = bus.build()
    client: Any = _Bus()
    with World() as world:
        customer = world.customer()
        signup = world.submitted(customer)
        world.run(until=world.settled(signup.id))
        world.submitted(customer, key="again")
        world.publish()
    EventBridgeBus(client, "bus").publish(world.bus.published)
    seen = {entry["DetailType"] for entry in client.entries}
    assert seen >= {"signup.opened", "signup.authorized", "number.pending", "number.connected"}
    for entry in client.entries:
        schema = document["$defs"][entry["DetailType"]]["properties"]["detail"]
        OAS31Validator({**schema, "additionalProperties": False}).validate(json.loads(entry["Detail"]))
