"""Writes ``docs/openapi.json`` from the code, or compares it: ``python -m local.openapi [--check]``.

Bodies and answers come from the pydantic models, errors from the table of problems, request examples from
``events/``, answer examples from a sample signup that walks through the domain. Only `OPERATIONS` is written
by hand; a test compares it with the routes of the stack.
"""

import argparse
import difflib
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Literal

ROOT: Final = Path(__file__).resolve().parent.parent
if str(ROOT / "functions") not in sys.path:
    sys.path.insert(0, str(ROOT / "functions"))

from openapi_spec_validator import validate  # noqa: E402
from openapi_spec_validator.validation.exceptions import OpenAPIValidationError  # noqa: E402
from pydantic import BaseModel  # noqa: E402
from pydantic.json_schema import models_json_schema  # noqa: E402

from onramp.api.http import MAX_BODY, MAX_KEY, PROBLEM_TYPE  # noqa: E402
from onramp.api.models import (  # noqa: E402
    Body,
    CodeBody,
    ConfigAnswer,
    KeyAnswer,
    ListQuery,
    NumbersBody,
    OpenSignupBody,
    ProblemAnswer,
    SignupAnswer,
    SignupList,
    SignupView,
)
from onramp.domain.errors import PROBLEMS  # noqa: E402
from onramp.domain.signup import Client, Number, Signup, StepDone, Waba  # noqa: E402
from onramp.domain.states import Progress  # noqa: E402
from onramp.receiving import MAX_BODY as MAX_WEBHOOK  # noqa: E402
from onramp.signature import HEADER  # noqa: E402

type Json = dict[str, Any]
type Guard = Literal["jwt", "iam", "signature", "open"]

TARGET: Final = ROOT / "docs" / "openapi.json"
EVENTS: Final = ROOT / "events"
DIFF_LINES: Final = 30

BODY: Final = ("invalid_json", "body_too_large", "unsupported_media_type", "invalid_request")
OURS: Final = ("internal_error", "unavailable")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a route answers when it went well."""

    description: str
    model: type[BaseModel] | None = None
    example: str | None = None
    headers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One route.

    Attributes:
        method: In lower case.
        path: As the HTTP API knows it.
        name: The `operationId`.
        tag: The part of the contract it belongs to.
        summary: What it does, in one line.
        description: What a caller has to know beside.
        guard: Who is let through.
        answers: The good answers by status.
        problems: Codes of `PROBLEMS` it answers with.
        body: The request's model.
        body_required: Whether an empty body is refused.
        samples: Names of `events/` whose bodies are the request's examples, by what they show.
        headers: Request headers, names in `components.parameters`.
        query: The model of the query.
    """

    method: Literal["get", "post"]
    path: str
    name: str
    tag: str
    summary: str
    description: str
    guard: Guard
    answers: Mapping[int, Answer]
    problems: tuple[str, ...]
    body: type[BaseModel] | None = None
    body_required: bool = True
    samples: Mapping[str, str] | None = None
    headers: tuple[str, ...] = ()
    query: type[BaseModel] | None = None


OPERATIONS: Final = (
    Operation(
        method="get",
        path="/v1/config",
        name="readConfig",
        tag="browser",
        summary="What the browser needs for FB.init and FB.login",
        description="Public, and the same for everybody. May be kept for five minutes.",
        guard="open",
        answers={200: Answer(description="The configuration", model=ConfigAnswer, example="config")},
        problems=("internal_error",),
    ),
    Operation(
        method="post",
        path="/v1/signups",
        name="openSignup",
        tag="signups",
        summary="Open a signup",
        description=(
            "Name the customer by `client` or by `client_id`, one of the two. Open the signup before the"
            " popup: afterwards every second counts. It waits 24 hours for its code."
        ),
        guard="jwt",
        answers={
            201: Answer(description="The signup", model=SignupView, example="opened", headers=("Location",))
        },
        problems=("unauthenticated", *BODY, "idempotency_key_reused", *OURS),
        body=OpenSignupBody,
        samples={
            "new_client": "code_exchange/open_signup",
            "known_client": "code_exchange/open_signup_known_client",
        },
        headers=("IdempotencyKey",),
    ),
    Operation(
        method="get",
        path="/v1/signups",
        name="listSignups",
        tag="signups",
        summary="The tenant's signups, newest first",
        description="With `status` a page may be short and yet have a `cursor`: go on until there is none.",
        guard="jwt",
        answers={200: Answer(description="A page", model=SignupList, example="list")},
        problems=("unauthenticated", "invalid_request", *OURS),
        query=ListQuery,
    ),
    Operation(
        method="get",
        path="/v1/signups/{signup_id}",
        name="readSignup",
        tag="signups",
        summary="The whole state of a signup",
        description=(
            "Made for polling: send the `ETag` back as `If-None-Match`, and come again after `Retry-After`"
            " seconds. Without `Retry-After` nothing is under way."
        ),
        guard="jwt",
        answers={
            200: Answer(
                description="The signup",
                model=SignupView,
                example="connected",
                headers=("ETag", "RetryAfterUnderWay"),
            ),
            304: Answer(
                description="Nothing has changed since that `ETag`", headers=("ETag", "RetryAfterUnderWay")
            ),
        },
        problems=("unauthenticated", "not_found", *OURS),
        headers=("IfNoneMatch",),
    ),
    Operation(
        method="post",
        path="/v1/signups/{signup_id}/code",
        name="exchangeCode",
        tag="signups",
        summary="Exchange the popup's code and prove what was granted",
        description=(
            "Send the code at once, it lives 30 seconds; `session_info` is the popup's message, unchanged, if"
            " it has come. The same call again gives the stored result. After `waba_ambiguous` call again"
            " with `waba_id` and without a code."
        ),
        guard="jwt",
        answers={200: Answer(description="The signup", model=SignupAnswer, example="authorized")},
        problems=(
            "unauthenticated",
            *BODY,
            "not_found",
            "waba_not_granted",
            "number_not_in_waba",
            "waba_ambiguous",
            "signup_closed",
            "exchange_in_progress",
            "not_authorized_yet",
            "code_expired",
            "code_already_used",
            "code_invalid",
            "meta_unavailable",
            "meta_configuration",
            *OURS,
        ),
        body=CodeBody,
        samples={
            "code": "code_exchange/exchange_code",
            "choice_after_waba_ambiguous": "code_exchange/choose_waba",
        },
    ),
    Operation(
        method="post",
        path="/v1/signups/{signup_id}/numbers",
        name="submitNumbers",
        tag="signups",
        summary="Submit phone numbers to 360dialog",
        description=(
            "Without ids: the number the popup named, or the only one. 202 means that the wish is stored and"
            " queued. A repeat changes nothing."
        ),
        guard="jwt",
        answers={202: Answer(description="The signup", model=SignupAnswer, example="onboarding")},
        problems=(
            "unauthenticated",
            *BODY,
            "not_found",
            "number_not_in_waba",
            "number_ambiguous",
            "not_authorized_yet",
            "number_taken",
            *OURS,
        ),
        body=NumbersBody,
        body_required=False,
        samples={
            "claimed_number": "number_submission/submit_claimed_number",
            "named_numbers": "number_submission/submit_named_numbers",
        },
    ),
    Operation(
        method="post",
        path="/v1/signups/{signup_id}/retry",
        name="retryNumbers",
        tag="signups",
        summary="Run failed numbers again from the step that failed",
        description="Mend first what `failure.title` names. All attempts of the schedule begin anew.",
        guard="jwt",
        answers={202: Answer(description="The signup", model=SignupAnswer, example="onboarding")},
        problems=("unauthenticated", *BODY, "not_found", "nothing_to_retry", "number_taken", *OURS),
        body=Body,
        body_required=False,
        samples={"empty": "number_submission/retry"},
    ),
    Operation(
        method="get",
        path="/v1/channels/{channel_id}/api-key",
        name="readApiKey",
        tag="servers",
        summary="A connected channel's API key",
        description=(
            "For your servers, never for a browser. The caller's IAM identity needs `execute-api:Invoke` on"
            " this route; there is no tenant, the identity may read the key of every channel."
        ),
        guard="iam",
        answers={200: Answer(description="The key", model=KeyAnswer, example="key")},
        problems=("not_found", "not_connected", *OURS),
    ),
    Operation(
        method="post",
        path="/v1/webhooks/360dialog",
        name="receivePartnerEvent",
        tag="360dialog",
        summary="360dialog's partner events",
        description=(
            "Answers 200 once the body is stored in the queue, whatever it says, as long as it is signed."
            f" At most {MAX_WEBHOOK} bytes. Anything but 200 makes 360dialog send the event again."
        ),
        guard="signature",
        answers={200: Answer(description="Stored: `{}`", example="empty")},
        problems=("unauthenticated", "body_too_large", "unavailable"),
        samples={"channel_live": "webhook_receiver/channel_live"},
    ),
)

SHARED: Final[Mapping[str, tuple[str, ...]]] = {
    "InvalidJson": ("invalid_json",),
    "Unauthenticated": ("unauthenticated",),
    "NotFound": ("not_found",),
    "BodyTooLarge": ("body_too_large",),
    "UnsupportedMediaType": ("unsupported_media_type",),
    "InvalidRequest": ("invalid_request",),
    "InternalError": ("internal_error",),
    "Unavailable": ("unavailable",),
}
"""Problem answers that many routes have in common."""

GATEWAY: Final[Mapping[tuple[int, Guard], str]] = {(401, "jwt"): "Unauthorized", (403, "iam"): "Forbidden"}
"""What the gateway answers before a function is asked."""

SECURITY: Final[Mapping[Guard, list[Json]]] = {
    "jwt": [{"jwt": []}],
    "iam": [{"sigv4": []}],
    "signature": [{"platformSignature": []}],
    "open": [],
}

SECURITY_SCHEMES: Final[Json] = {
    "jwt": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "A token of the deployer's identity provider. One of its claims names the tenant.",
    },
    "sigv4": {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "AWS Signature Version 4 for the service `execute-api`.",
        "x-amazon-apigateway-authtype": "awsSigv4",
    },
    "platformSignature": {
        "type": "apiKey",
        "in": "header",
        "name": HEADER,
        "description": (
            "HMAC-SHA256 of the raw body under the platform secret, hexadecimal, with or without `sha256=`."
        ),
    },
}

PARAMETERS: Final[Json] = {
    "SignupId": {
        "name": "signup_id",
        "in": "path",
        "required": True,
        "schema": {"type": "string"},
    },
    "ChannelId": {
        "name": "channel_id",
        "in": "path",
        "required": True,
        "description": "360dialog's id of the channel, ends in `CH`.",
        "schema": {"type": "string"},
    },
    "IdempotencyKey": {
        "name": "Idempotency-Key",
        "in": "header",
        "description": (
            "Any text of your own. The same key with the same body gives the first signup again for 24 hours,"
            " with another body 422."
        ),
        "schema": {"type": "string", "minLength": 1, "maxLength": MAX_KEY},
    },
    "IfNoneMatch": {
        "name": "If-None-Match",
        "in": "header",
        "description": "The `ETag` of the answer you have.",
        "schema": {"type": "string"},
    },
}

HEADERS: Final[Json] = {
    "Location": {"description": "The signup's path.", "schema": {"type": "string"}},
    "ETag": {"description": "Names this state of the signup.", "schema": {"type": "string"}},
    "RetryAfterUnderWay": {
        "description": "Seconds until it is worth asking again; only while something is under way.",
        "schema": {"type": "integer", "minimum": 2, "maximum": 30},
    },
    "RetryAfter": {
        "description": "Seconds until the call may be made again, where that is known.",
        "schema": {"type": "integer", "minimum": 0},
    },
}

PARTNER_EVENT: Final[Json] = {
    "type": "object",
    "description": "One event. Fields that are not named here are kept; the shape is 360dialog's.",
    "properties": {
        "id": {"type": "string"},
        "event": {"type": "string", "examples": ["channel_live"]},
        "data": {"type": "object"},
    },
    "required": ["event", "data"],
}
GATEWAY_ANSWER: Final[Json] = {
    "type": "object",
    "description": "An answer of the gateway itself.",
    "properties": {"message": {"type": "string"}},
    "required": ["message"],
}


# --- examples -----------------------------------------------------------------------------------


def sample_event(name: str) -> Json:
    """One file of ``events/`` by its name without ending."""
    event: Json = json.loads((EVENTS / f"{name}.json").read_text(encoding="utf-8"))
    return event


def sample_signups() -> dict[str, Json]:
    """One signup as its tenant sees it when it is opened, authorized, onboarding and connected."""
    at = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
    signup_id = sample_event("signup_queries/read_signup")["pathParameters"]["signup_id"]
    signup = Signup.open(
        signup_id=signup_id,
        tenant="tenant-sample",
        client=Client(name="Example Bakery", email="owner@bakery.example.com", user_name="Alex Example"),
        plan_tier="regular",
        reference="customer-4711",
        now=at,
    )
    shown = {"opened": _shown(signup, at)}
    at += timedelta(seconds=20)
    signup.updated_at = at
    signup.waba = Waba(
        id="102290129340398", name="Example Bakery", business_id="2729063490586005", proof="granted_ids"
    )
    number = Number(
        phone_number_id="106540352242922",
        display_phone_number="+1 555-010-0123",
        verified_name="Example Bakery",
    )
    signup.numbers = [number]
    signup.note("code.exchanged", at)
    signup.tell("signup.authorized", at)
    shown["authorized"] = _shown(signup, at)
    at += timedelta(seconds=2)
    number.wanted = True
    number.steps = [StepDone(status=Progress.PENDING, at=at)]
    number.due_at = signup.updated_at = at
    signup.tell("number.pending", at, number)
    shown["onboarding"] = _shown(signup, at)
    number.due_at = None
    signup.client.id, number.channel_id = "smplB2CL", "smplA1CH"
    for progress in list(Progress)[1:]:
        at += timedelta(seconds=3)
        signup.advance(number, progress, at)
    signup.updated_at = at
    shown["connected"] = _shown(signup, at)
    return shown


def _shown(signup: Signup, now: datetime) -> Json:
    shown: Json = SignupView.of(signup, now).model_dump(mode="json")
    return shown


def answer_examples() -> dict[str, Json]:
    """The examples of good answers, by the names `OPERATIONS` uses."""
    signups = sample_signups()
    return {
        "empty": {},
        "config": {
            "app_id": "1234567890",
            "config_id": "9876543210",
            "graph_version": "v26.0",
            "extras": {"setup": {"solutionID": "123456789012345"}},
        },
        "opened": signups["opened"],
        "authorized": {"signup": signups["authorized"]},
        "onboarding": {"signup": signups["onboarding"]},
        "connected": signups["connected"],
        "list": {"signups": [signups["connected"]], "cursor": None},
        "key": {
            "channel_id": "smplA1CH",
            "address": "https://waba-v2.360dialog.io",
            "api_key": "the-key",
        },
    }


def problem_example(code: str) -> Json:
    """An answer with a problem; the real `detail` says more."""
    kind = PROBLEMS[code]
    example: Json = {
        "type": f"{PROBLEM_TYPE}{code}",
        "title": kind.title,
        "status": kind.status,
        "detail": f"{kind.title}.",
        "code": code,
        "retryable": kind.retryable,
        "request_id": "sample00EAMFiA=",
    }
    return example | _EXTRA.get(code, {})


_EXTRA: Final[Mapping[str, Json]] = {
    "invalid_request": {"errors": [{"field": "client.email", "message": "is required"}]},
    "waba_ambiguous": {
        "candidates": [
            {"waba_id": "102290129340398", "name": "Example Bakery"},
            {"waba_id": "102290129340399", "name": "Example Café"},
        ]
    },
    "number_ambiguous": {
        "candidates": [
            {"phone_number_id": "106540352242922", "display_phone_number": "+1 555-010-0123"},
            {"phone_number_id": "106540352242923", "display_phone_number": "+1 555-010-0124"},
        ]
    },
}


# --- the document -------------------------------------------------------------------------------


def build() -> Json:
    """The whole document, the same for the same code."""
    schemas = _schemas()
    query = {model.__name__: schemas.pop(model.__name__) for model in _models() if model is ListQuery}
    paths: Json = {}
    examples = answer_examples()
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method] = _operation(operation, query, examples)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Onramp",
            "version": "1",
            "description": (
                "WhatsApp Embedded Signup for a 360dialog partner. JSON in and out, UTF-8, times in ISO 8601"
                " UTC. Unknown fields in requests are refused. Errors are `application/problem+json` (RFC"
                " 9457) with a stable `code`."
            ),
        },
        "servers": [
            {
                "url": "{api}",
                "variables": {
                    "api": {"default": "https://api.example.com", "description": "The stack's ApiUrl."}
                },
            }
        ],
        "tags": [
            {"name": "browser", "description": "Before anybody has signed in."},
            {"name": "signups", "description": "For your front end, one tenant at a time."},
            {"name": "servers", "description": "For your own servers."},
            {"name": "360dialog", "description": "For 360dialog."},
        ],
        "paths": paths,
        "components": {
            "securitySchemes": SECURITY_SCHEMES,
            "parameters": PARAMETERS,
            "headers": HEADERS,
            "responses": {
                **{name: _problem_response(codes, "jwt") for name, codes in SHARED.items()},
                "TooManyRequests": _gateway_response("More calls than the API takes at a time."),
            },
            "schemas": {**schemas, "GatewayAnswer": GATEWAY_ANSWER, "PartnerEvent": PARTNER_EVENT},
        },
    }


def _models() -> list[type[BaseModel]]:
    """The models of requests and answers, in the order of `OPERATIONS`."""
    models: dict[type[BaseModel], None] = {}
    for operation in OPERATIONS:
        for model in (operation.query, operation.body, *(a.model for a in operation.answers.values())):
            if model is not None:
                models[model] = None
    return [*models, ProblemAnswer]


def _schemas() -> Json:
    """Schemas of all models. What may be left out of a problem is not required, so it is no answer here."""
    incoming = {operation.body for operation in OPERATIONS} | {ListQuery, ProblemAnswer}
    _, content = models_json_schema(
        [(model, "validation" if model in incoming else "serialization") for model in _models()],
        ref_template="#/components/schemas/{model}",
    )
    schemas: Json = content["$defs"]
    return dict(sorted(schemas.items()))


def _operation(operation: Operation, query: Json, examples: Mapping[str, Json]) -> Json:
    built: Json = {
        "operationId": operation.name,
        "tags": [operation.tag],
        "summary": operation.summary,
        "description": operation.description,
        "security": SECURITY[operation.guard],
    }
    parameters = _parameters(operation, query)
    if parameters:
        built["parameters"] = parameters
    if operation.method == "post":
        built["requestBody"] = _request_body(operation)
    responses = {str(s): _answer(a, examples) for s, a in operation.answers.items()}
    responses |= {str(status): response for status, response in _problems(operation).items()}
    responses["429"] = {"$ref": "#/components/responses/TooManyRequests"}
    built["responses"] = dict(sorted(responses.items()))
    return built


def _parameters(operation: Operation, query: Json) -> list[Json]:
    names = [name for name, part in PARAMETERS.items() if f"{{{part['name']}}}" in operation.path]
    found: list[Json] = [{"$ref": f"#/components/parameters/{name}"} for name in (*names, *operation.headers)]
    if operation.query is not None:
        for name, schema in query[operation.query.__name__]["properties"].items():
            found.append({"name": name, "in": "query", "schema": _without_null(schema)})
    return found


def _without_null(schema: Json) -> Json:
    """A query parameter is left out rather than null."""
    choices = [choice for choice in schema.get("anyOf", []) if choice != {"type": "null"}]
    if not choices:
        return {name: value for name, value in schema.items() if name != "title"}
    return dict(choices[0])


def _request_body(operation: Operation) -> Json:
    if operation.body is None:
        event = {"$ref": "#/components/schemas/PartnerEvent"}
        schema: Json = {"anyOf": [event, {"type": "array", "items": event, "minItems": 1}]}
    else:
        schema = {"$ref": f"#/components/schemas/{operation.body.__name__}"}
    samples = {
        name: {"value": json.loads(sample_event(file)["body"])}
        for name, file in (operation.samples or {}).items()
    }
    limit = f"At most {MAX_WEBHOOK if operation.guard == 'signature' else MAX_BODY} bytes."
    return {
        "description": limit,
        "required": operation.body_required,
        "content": {"application/json": {"schema": schema, "examples": samples}},
    }


def _answer(answer: Answer, examples: Mapping[str, Json]) -> Json:
    built: Json = {"description": answer.description}
    if answer.headers:
        built["headers"] = {
            "Retry-After" if name.startswith("RetryAfter") else name: {"$ref": f"#/components/headers/{name}"}
            for name in answer.headers
        }
    if answer.example is not None:
        schema = (
            {"$ref": f"#/components/schemas/{answer.model.__name__}"}
            if answer.model
            else {"type": "object", "maxProperties": 0}
        )
        built["content"] = {
            "application/json": {"schema": schema, "example": examples[answer.example]},
        }
    return built


def _problems(operation: Operation) -> dict[int, Json]:
    """The problem answers of a route by status."""
    by_status: dict[int, tuple[str, ...]] = {
        status: () for status, guard in GATEWAY if guard == operation.guard
    }
    for code in operation.problems:
        status = PROBLEMS[code].status
        by_status[status] = (*by_status.get(status, ()), code)
    names = {codes: name for name, codes in SHARED.items()}
    return {
        status: (
            {"$ref": f"#/components/responses/{names[codes]}"}
            if codes in names and (status, operation.guard) != (401, "signature")
            else _problem_response(codes, operation.guard, status)
        )
        for status, codes in by_status.items()
    }


def _problem_response(codes: Sequence[str], guard: Guard, status: int | None = None) -> Json:
    if not codes:
        return _gateway_response(GATEWAY[status or 0, guard])
    kinds = [PROBLEMS[code] for code in codes]
    built: Json = {"description": "; ".join(kind.title for kind in kinds)}
    if any(kind.retryable for kind in kinds):
        built["headers"] = {"Retry-After": {"$ref": "#/components/headers/RetryAfter"}}
    named: Json = {"properties": {"code": {"enum": list(codes)}, "status": {"const": kinds[0].status}}}
    built["content"] = {
        "application/problem+json": {
            "schema": {"allOf": [{"$ref": "#/components/schemas/ProblemAnswer"}, named]},
            "examples": {code: {"value": problem_example(code)} for code in codes},
        }
    }
    if (kinds[0].status, guard) in GATEWAY:
        built["content"] |= _gateway_response("")["content"]
    return built


def _gateway_response(description: str) -> Json:
    return {
        "description": description,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/GatewayAnswer"}}},
    }


# --- the command --------------------------------------------------------------------------------


def render() -> str:
    """The document as the file holds it. Raises `OpenAPIValidationError` when it is no valid OpenAPI."""
    document = build()
    validate(document)
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def difference(target: Path = TARGET) -> str:
    """How the file differs from the code, at most `DIFF_LINES` lines; empty when it does not."""
    stored = target.read_text(encoding="utf-8") if target.exists() else ""
    lines = difflib.unified_diff(
        stored.splitlines(), render().splitlines(), "docs/openapi.json", "the code", n=1, lineterm=""
    )
    found = list(lines)
    cut = [f"… {len(found) - DIFF_LINES} lines more"] if len(found) > DIFF_LINES else []
    return "\n".join([*found[:DIFF_LINES], *cut])


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes the file, or with ``--check`` compares it. Gives the exit status."""
    parser = argparse.ArgumentParser(prog="python -m local.openapi", description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    check = parser.parse_args(arguments).check
    try:
        if not check:
            TARGET.write_text(render(), encoding="utf-8")
            return 0
        found = difference()
    except OpenAPIValidationError as error:
        print(f"openapi: not valid: {error.message}", file=sys.stderr)
        return 1
    if found:
        print(f"{found}\nopenapi: run `python -m local.openapi` and commit the file", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
