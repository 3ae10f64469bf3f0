"""The models' JSON schemas, fit for generators: named words, no nulls in requests, examples everywhere."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from onramp.inbound.models import WORDS
from onramp.inbound.opening import Way

type Json = dict[str, Any]

REFERENCE: Final = "#/components/schemas/"
_NULL: Final = {"type": "null"}
_ANY: Final = "JsonValue"


def schemas_of(incoming: Iterable[type[BaseModel]], outgoing: Iterable[type[BaseModel]]) -> dict[str, Json]:
    """The schemas by name, without examples of models: what may be left out of `incoming` is never null."""
    found: dict[str, Json] = {}
    for models, mode, tidy in ((outgoing, "serialization", _tidy), (incoming, "validation", _left_out)):
        _, content = models_json_schema(
            [(model, mode) for model in models],  # type: ignore[misc]
            ref_template=REFERENCE + "{model}",
        )
        for name, schema in content.get("$defs", {}).items():
            found.setdefault(name, _everywhere(schema, tidy))
    found.pop(_ANY, None)
    for model in incoming:
        _split(found, model.__name__, getattr(model, "WAYS", {}))
    return dict(sorted((found | _words()).items()))


def reference(name: str) -> Json:
    """What stands for a schema."""
    return {"$ref": REFERENCE + name}


def with_examples(schemas: Mapping[str, Json], known: Mapping[str, object]) -> dict[str, Json]:
    """The schemas with an example each, `known` ones first; a property that holds a model has the model's."""
    made = _Examples(schemas, known)
    return {name: made.filled(name) for name in schemas}


def _words() -> dict[str, Json]:
    return {
        name: {
            "type": "string",
            "enum": list(words.words),
            "description": words.about,
            "examples": [words.words[0]],
        }
        for name, words in WORDS.items()
    }


def _everywhere(schema: Json, tidy: Callable[[Json], Json]) -> Json:
    """A schema and all within it, tidied from the inside."""
    made: Json = {}
    for keyword, value in schema.items():
        if keyword in {"properties", "$defs"}:
            made[keyword] = {name: _everywhere(part, tidy) for name, part in value.items()}
        elif isinstance(value, dict) and keyword not in {"examples", "default", "example"}:
            made[keyword] = _everywhere(value, tidy)
        elif keyword in {"anyOf", "oneOf", "allOf"}:
            made[keyword] = [_everywhere(part, tidy) for part in value]
        else:
            made[keyword] = value
    return tidy(made)


def _tidy(schema: Json) -> Json:
    """Without titles, which repeat the name; a list of words is referred to by its name."""
    made = {keyword: value for keyword, value in schema.items() if keyword != "title"}
    if made.get("additionalProperties") == reference(_ANY):
        made["additionalProperties"] = True
    name = made.pop("x-words", None)
    if name is not None:
        del made["enum"], made["type"]
        made = reference(name) | made
    return made


def _left_out(schema: Json) -> Json:
    """Tidied, and without null: who has nothing to say leaves the field out."""
    made = _tidy(schema)
    if "default" in made and made["default"] is None:
        del made["default"]
    choices = made.get("anyOf", [])
    if _NULL not in choices:
        return made
    del made["anyOf"]
    said = [choice for choice in choices if choice != _NULL]
    return (said[0] if len(said) == 1 else {"anyOf": said}) | made


def _split(schemas: dict[str, Json], name: str, ways: Mapping[str, Way]) -> None:
    """A request that can be made in several ways is exactly one of several schemas."""
    if not ways:
        return
    whole = schemas[name]
    for way_name, way in ways.items():
        schemas[way_name] = {
            **whole,
            "description": way.about,
            "properties": {
                field: schema for field, schema in whole["properties"].items() if field not in way.without
            },
            "required": [way.needs],
        }
    schemas[name] = {
        "description": whole["description"],
        "oneOf": [reference(way_name) for way_name in ways],
    }


class _Examples:
    """Finds an example for each schema, from what the fields of the models say."""

    def __init__(self, schemas: Mapping[str, Json], known: Mapping[str, object]) -> None:
        self._schemas = schemas
        self._known = known

    def filled(self, name: str) -> Json:
        """A schema with its example, and one at each of its properties."""
        schema = dict(self._schemas[name])
        if "properties" in schema:
            schema["properties"] = {
                field: {"examples": [self.of(part)]} | part for field, part in schema["properties"].items()
            }
        schema.setdefault("examples", [self.named(name)])
        return schema

    def named(self, name: str) -> object:
        """The example of a schema by its name."""
        return self._known[name] if name in self._known else self.of(self._schemas[name])

    def of(self, schema: Json) -> object:
        """The example of any schema. Raises `LookupError` for one that neither has nor holds one."""
        if "examples" in schema:
            return schema["examples"][0]
        if "$ref" in schema:
            return self.named(schema["$ref"].removeprefix(REFERENCE))
        for keyword in ("anyOf", "oneOf"):
            if keyword in schema:
                return self.of(schema[keyword][0])
        if schema.get("type") == "array":
            return [self.of(schema["items"])]
        if schema.get("type") == "object":
            return {name: self.of(part) for name, part in schema.get("properties", {}).items()}
        raise LookupError(f"no example for {schema}")
