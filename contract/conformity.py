"""Whether an answer is one that the contract promises: its route, status, headers and content."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from openapi_schema_validator import OAS31Validator

from contract import openapi

type Json = dict[str, Any]

ALWAYS: Final = frozenset(
    {"content-type", "content-length", "cache-control", "connection", "x-content-type-options"}
)
"""Headers that say nothing of the resource, and need no word in the contract."""


class Conformity:
    """Compares answers with the document. Members of a content that the document does not name are faults."""

    def __init__(self) -> None:
        self._document = openapi.build()
        self._operations = [
            (method.upper(), re.compile(re.sub(r"\{\w+\}", "[^/]+", path)), operation)
            for path, methods in self._document["paths"].items()
            for method, operation in methods.items()
        ]
        self._validators: dict[str, OAS31Validator] = {}

    def faults(self, method: str, path: str, status: int, headers: Mapping[str, str], text: str) -> list[str]:
        """What the contract does not promise of this answer; a path that is no route may be anything."""
        operation = self._operation(method, path)
        if operation is None:
            return []
        name = f"{operation['operationId']} {status}"
        answer = operation["responses"].get(str(status))
        if answer is None:
            return [f"{name} is not in the contract: {text[:200]}"]
        if "$ref" in answer:
            answer = self._document["components"]["responses"][answer["$ref"].rpartition("/")[2]]
        return [f"{name}: {fault}" for fault in self._within(name, answer, headers, text)]

    def _operation(self, method: str, path: str) -> Json | None:
        return next(
            (
                operation
                for known, pattern, operation in self._operations
                if known == method and pattern.fullmatch(path)
            ),
            None,
        )

    def _within(self, name: str, answer: Json, headers: Mapping[str, str], text: str) -> Iterator[str]:
        told = {header.lower(): value for header, value in headers.items()}
        known = ALWAYS | {header.lower() for header in answer.get("headers", ())}
        yield from (f"has the header {header}" for header in sorted(told.keys() - known))
        content = answer.get("content", {})
        if not text:
            if content:
                yield "is empty"
            return
        media_type = told.get("content-type", "").partition(";")[0]
        if media_type not in content:
            yield f"comes as {media_type or 'nothing'}"
            return
        validator = self._validator(f"{name} {media_type}", content[media_type]["schema"])
        yield from (error.message for error in validator.iter_errors(json.loads(text)))

    def _validator(self, name: str, schema: Json) -> OAS31Validator:
        """Made once for each content, for that takes longer than its use."""
        if name not in self._validators:
            self._validators[name] = OAS31Validator(
                {**schema, "unevaluatedProperties": False, "components": self._document["components"]}
            )
        return self._validators[name]
