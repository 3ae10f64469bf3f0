"""Small pieces of HTTP that all the simulators share."""

import dataclasses
import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from pydantic import TypeAdapter, ValidationError
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

type Json = dict[str, Any]


class BadBodyError(Exception):
    """A request body that cannot be used, with a text for the person who sent it."""


async def read_object(request: Request) -> Json:
    """Read a JSON object; an empty body counts as `{}`.

    Raises BadBodyError for anything else.
    """
    raw = await request.body()
    if not raw.strip():
        return {}
    try:
        value = json.loads(raw)
    except ValueError as error:
        raise BadBodyError(f"not JSON: {error}") from error
    if not isinstance(value, dict):
        raise BadBodyError("a JSON object is expected")
    return value


def parse[T](kind: type[T], values: Mapping[str, Any]) -> T:
    """Check `values` against the dataclass `kind`, unknown names included.

    Raises BadBodyError naming each wrong field.
    """
    names = {field.name for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    if unknown := sorted(set(values) - names):
        raise BadBodyError(f"unknown: {', '.join(unknown)}; known: {', '.join(sorted(names))}")
    try:
        checked: T = _adapter(kind).validate_python(dict(values))  # type: ignore[arg-type]
    except ValidationError as error:
        found = [f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors()]
        raise BadBodyError("; ".join(found)) from error
    return checked


@cache
def _adapter(kind: type[Any]) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def changed[T](current: T, changes: Mapping[str, Any]) -> T:
    """Return a copy of the dataclass `current` with `changes` applied and checked."""
    return parse(type(current), {**dataclasses.asdict(current), **changes})  # type: ignore[call-overload]


def json_bytes(value: Any) -> bytes:  # noqa: ANN401 - any JSON value
    """Compact UTF-8 JSON."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


async def _refuse(_request: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error)}, status_code=422)


def open_app(routes: list[BaseRoute]) -> Starlette:
    """Make an app that pages of any origin may call; unusable bodies answer 422."""
    cors = Middleware(CORSMiddleware, allow_origins=["*"], allow_methods=["*"], allow_headers=["*"])
    return Starlette(routes=routes, middleware=[cors], exception_handlers={BadBodyError: _refuse})
