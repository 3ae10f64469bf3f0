"""Makes `openapi.json` from the routes, the operations, the models, and the tables of problems and words."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from openapi_spec_validator import validate
from pydantic import BaseModel

from contract import examples
from contract.operations import Answer, Operation, operations
from contract.routes import Access, Route
from contract.samples import CHANNEL_ID, PHONE_NUMBER_ID, TENANT, body_of
from contract.schemas import reference, schemas_of, with_examples
from onramp.domain.errors import PROBLEMS
from onramp.inbound.http import MAX_BODY, MAX_KEY
from onramp.inbound.models import LINK_ID, SIGNUP_ID, FieldError, ProblemAnswer
from onramp.inbound.receiving import MAX_BODY as MAX_WEBHOOK
from onramp.inbound.signature import HEADER
from onramp.usecases.read import LATER, SOON

type Json = dict[str, Any]

TARGET: Final = Path(__file__).resolve().parent / "openapi.json"
PROBLEM: Final = "application/problem+json"
JSON: Final = "application/json"

SHARED: Final[Mapping[str, tuple[str, ...]]] = {
    "InvalidJson": ("invalid_json",),
    "NotFound": ("not_found",),
    "BodyTooLarge": ("body_too_large",),
    "UnsupportedMediaType": ("unsupported_media_type",),
    "InvalidRequest": ("invalid_request",),
    "InternalError": ("internal_error",),
    "Unavailable": ("unavailable",),
}
"""Problem answers that many routes have in common."""

GATEWAY: Final[Mapping[Access, int]] = {"jwt": 401, "iam": 403}
"""The status with which the gateway refuses a caller before a function is asked."""
TOO_MANY: Final = 429

SECURITY: Final[Mapping[Access, list[Json]]] = {
    "jwt": [{"jwt": []}],
    "link": [{"link": []}],
    "iam": [{"sigv4": []}],
    "signed": [{"platformSignature": []}],
    "public": [],
}

SECURITY_SCHEMES: Final[Json] = {
    "jwt": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": (
            "A token of the deployer's identity provider. One of its claims names the tenant: one text, not a"
            " list."
        ),
    },
    "link": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "<link_id>.<secret>.<visit>",
        "description": (
            "What the link's address has behind its `#`, a dot, and a random text of 16 to 128 letters,"
            " digits, `-` and `_` that the browser makes once for this link and keeps."
        ),
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

_ETAG: Final = '"9b2cf535f27731c974343645a3985328"'

PARAMETERS: Final[Json] = {
    "SignupId": {
        "name": "signup_id",
        "in": "path",
        "required": True,
        "description": "The signup's id.",
        "example": SIGNUP_ID,
        "schema": {"type": "string"},
    },
    "Tenant": {
        "name": "tenant",
        "in": "path",
        "required": True,
        "description": "The tenant, as the claim of its tokens names it.",
        "example": TENANT,
        "schema": {"type": "string"},
    },
    "LinkId": {
        "name": "link_id",
        "in": "path",
        "required": True,
        "description": "The link's id.",
        "example": LINK_ID,
        "schema": {"type": "string"},
    },
    "PhoneNumberId": {
        "name": "phone_number_id",
        "in": "path",
        "required": True,
        "description": "Meta's id of the number.",
        "example": PHONE_NUMBER_ID,
        "schema": {"type": "string"},
    },
    "ChannelId": {
        "name": "channel_id",
        "in": "path",
        "required": True,
        "description": "360dialog's id of the channel, ends in `CH`.",
        "example": CHANNEL_ID,
        "schema": {"type": "string"},
    },
    "IdempotencyKey": {
        "name": "Idempotency-Key",
        "in": "header",
        "description": (
            "Any text of your own. The same key with the same body gives the first signup, or link, again for"
            " 24 hours, with another body 422."
        ),
        "example": "5f0c1f0e-order-4711",
        "schema": {"type": "string", "minLength": 1, "maxLength": MAX_KEY},
    },
    "IfNoneMatch": {
        "name": "If-None-Match",
        "in": "header",
        "description": "The `ETag` of the answer you have.",
        "example": _ETAG,
        "schema": {"type": "string"},
    },
}

HEADERS: Final[Json] = {
    "Location": {
        "description": "The signup's path.",
        "example": f"/v1/signups/{SIGNUP_ID}",
        "schema": {"type": "string"},
    },
    "ETag": {
        "description": "Names this state of the resource.",
        "example": _ETAG,
        "schema": {"type": "string"},
    },
    "RetryAfterUnderWay": {
        "description": (
            "Seconds until it is worth asking again; only while something is under way, and more the longer"
            " it has waited."
        ),
        "example": SOON,
        "schema": {"type": "integer", "minimum": SOON, "maximum": LATER},
    },
    "RetryAfter": {
        "description": "Seconds until the call may be made again, where that is known.",
        "example": 2,
        "schema": {"type": "integer", "minimum": 0},
    },
}

PARTNER_EVENT: Final[Json] = {
    "type": "object",
    "description": "One event. Fields that are not named here are kept; the shape is 360dialog's.",
    "properties": {
        "id": {"type": "string", "description": "The event's id.", "examples": ["sample-event-4"]},
        "event": {"type": "string", "description": "What happened.", "examples": ["channel_live"]},
        "data": {
            "type": "object",
            "additionalProperties": True,
            "description": "The channel, or what else it is about.",
            "examples": [{"id": CHANNEL_ID, "status": "live"}],
        },
    },
    "required": ["event", "data"],
}
GATEWAY_ANSWER: Final[Json] = {
    "type": "object",
    "description": "An answer of the gateway itself, before a function is asked.",
    "properties": {
        "message": {"type": "string", "description": "Why.", "examples": ["Unauthorized"]},
    },
}
WEBHOOK_PROBLEM: Final = ("type", "title", "status", "detail", "code", "retryable", "request_id")
"""The members of a problem that 360dialog is told: no customer reads it."""

TAGS: Final[Mapping[str, str]] = {
    "browser": "Before anybody has signed in.",
    "signups": "For your front end, one tenant at a time: one visit of one customer to the popup.",
    "links": "For your front end: links for customers who have no login of yours.",
    "linked signup": "For the browser of a customer who has a link: one signup, the link's own.",
    "numbers": "For your front end, one tenant at a time: phone numbers, for as long as they live.",
    "servers": "For your own servers.",
    "360dialog": "For 360dialog.",
}


def build() -> Json:
    """The whole document, the same for the same code."""
    document = _Document()
    paths: Json = {}
    for route, operation in operations():
        paths.setdefault(route.path, {})[route.method.lower()] = document.operation(route, operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Onramp",
            "version": "1",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            "description": (
                "WhatsApp Embedded Signup for a 360dialog partner. JSON in and out, UTF-8, times in ISO 8601"
                " UTC. Unknown fields in requests are refused. Errors are `application/problem+json` (RFC"
                " 9457) with a stable `code`; a later release may add codes and words."
            ),
        },
        "servers": [
            {
                "url": "{api}",
                "description": "A deployed stage.",
                "variables": {
                    "api": {"default": "https://api.example.com", "description": "The stack's ApiUrl."}
                },
            }
        ],
        "tags": [{"name": name, "description": about} for name, about in TAGS.items()],
        "paths": paths,
        "components": {
            "securitySchemes": SECURITY_SCHEMES,
            "parameters": PARAMETERS,
            "headers": HEADERS,
            "responses": document.shared(),
            "schemas": document.schemas,
        },
    }


def render() -> str:
    """The document as the file holds it. Raises `OpenAPIValidationError` when it is no valid OpenAPI."""
    document = build()
    validate(document)
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _known(answers: Mapping[str, Json]) -> dict[str, object]:
    """Examples of schemas that the sample signup gives better than their fields could."""
    connected = answers["connected"]
    return {
        "SignupView": connected,
        "LinkedSignupView": answers["linked_connected"],
        "FollowedLinkView": answers["linked_connected"]["link"],
        "LinkView": answers["revoked_link"],
        "MadeLinkView": answers["made_link"],
        "LinkList": answers["links"],
        "SignupSummary": answers["signups"]["signups"][0],
        "SignupList": answers["signups"],
        "NumberView": answers["number"],
        "NumberList": answers["numbers"],
        "ClientView": connected["client"],
        "WabaView": connected["waba"],
        "StepView": answers["number"]["steps"][0],
        "TimelineView": connected["timeline"][-1],
        "WishView": answers["cancelling_number"]["wish"],
        "FailureView": answers["failed_number"]["failure"],
        "ConfigAnswer": answers["config"],
        "KeyAnswer": answers["key"],
        "ProblemAnswer": examples.problem("not_found"),
        "Body": {},
        "NumbersBody": body_of("number_submission/submit_named_numbers"),
        "OpenSignupForClient": body_of("code_exchange/open_signup"),
        "LinkedNumbersBody": body_of("number_submission/submit_numbers_by_link"),
        "MakeLinkForClient": body_of("code_exchange/make_link"),
        "OpenSignupForClientId": body_of("code_exchange/open_signup_known_client"),
        "ExchangedCode": body_of("code_exchange/exchange_code"),
        "ChosenWaba": body_of("code_exchange/choose_waba"),
    }


class _Document:
    """The parts of the document, which share schemas and examples."""

    def __init__(self) -> None:
        self._examples = examples.answers()
        listed = [operation for _, operation in operations()]
        queries = {operation.query for operation in listed if operation.query}
        incoming = list(dict.fromkeys(operation.body for operation in listed if operation.body))
        outgoing: list[type[BaseModel]] = [
            answer.model
            for operation in listed
            for answer in operation.answers.values()
            if answer.model is not None
        ]
        self._queries = {model: schemas_of([model], [])[model.__name__] for model in queries}
        made = schemas_of([*incoming, ProblemAnswer, FieldError], outgoing)
        made |= {"GatewayAnswer": GATEWAY_ANSWER, "PartnerEvent": PARTNER_EVENT}
        made["WebhookProblem"] = _webhook_problem(made["ProblemAnswer"])
        self.schemas = with_examples(dict(sorted(made.items())), _known(self._examples))

    def operation(self, route: Route, operation: Operation) -> Json:
        """One route's part."""
        built: Json = {
            "operationId": operation.name,
            "tags": [operation.tag],
            "summary": operation.summary,
            "description": operation.about,
            "security": SECURITY[route.access],
        }
        if parameters := self._parameters(route, operation):
            built["parameters"] = parameters
        if route.method == "POST":
            built["requestBody"] = _request_body(route, operation)
        responses = {str(status): self._answer(answer) for status, answer in operation.answers.items()}
        responses |= self._problems(route, operation)
        responses[str(TOO_MANY)] = {"$ref": "#/components/responses/TooManyRequests"}
        built["responses"] = dict(sorted(responses.items()))
        return built

    def shared(self) -> Json:
        """The answers that many routes have in common."""
        made = {name: _problem(codes, "ProblemAnswer") for name, codes in SHARED.items()}
        return made | {"TooManyRequests": _gateway("More calls than the API takes at a time.")}

    def _parameters(self, route: Route, operation: Operation) -> list[Json]:
        names = [name for name, part in PARAMETERS.items() if f"{{{part['name']}}}" in route.path]
        found: list[Json] = [
            {"$ref": f"#/components/parameters/{name}"} for name in (*names, *operation.headers)
        ]
        if operation.query is not None:
            for name, schema in self._queries[operation.query]["properties"].items():
                about, (example,) = schema["description"], schema["examples"]
                plain = {key: part for key, part in schema.items() if key not in {"description", "examples"}}
                found.append(
                    {"name": name, "in": "query", "description": about, "example": example, "schema": plain}
                )
        return found

    def _answer(self, answer: Answer) -> Json:
        built: Json = {"description": answer.about}
        if answer.headers:
            built["headers"] = {
                "Retry-After" if name.startswith("RetryAfter") else name: {
                    "$ref": f"#/components/headers/{name}"
                }
                for name in answer.headers
            }
        if answer.example is not None:
            example = self._examples[answer.example]
            schema = (
                reference(answer.model.__name__)
                if answer.model
                else {"type": "object", "maxProperties": 0, "description": "Nothing.", "examples": [{}]}
            )
            built["content"] = {JSON: {"schema": schema, "example": example}}
        return built

    def _problems(self, route: Route, operation: Operation) -> dict[str, Json]:
        """The problem answers of a route by status."""
        by_status: dict[int, tuple[str, ...]] = {}
        for code in operation.problems:
            status = PROBLEMS[code].status
            by_status[status] = (*by_status.get(status, ()), code)
        schema = "WebhookProblem" if route.access == "signed" else "ProblemAnswer"
        names = {codes: name for name, codes in SHARED.items()} if schema == "ProblemAnswer" else {}
        made = {
            str(status): {"$ref": f"#/components/responses/{names[codes]}"}
            if codes in names
            else _problem(codes, schema)
            for status, codes in by_status.items()
        }
        refused = GATEWAY.get(route.access)
        if refused is not None:
            # First, for a generator that looks at one content alone: all its members may be missing.
            gateway = _gateway("The gateway does not know the caller.")
            own = made.get(str(refused), {"description": gateway["description"], "content": {}})
            made[str(refused)] = own | {"content": gateway["content"] | own["content"]}
        return made


def _request_body(route: Route, operation: Operation) -> Json:
    if operation.body is None:
        schema: Json = {
            "description": "One event, or several.",
            "oneOf": [
                reference("PartnerEvent"),
                {"type": "array", "items": reference("PartnerEvent"), "minItems": 1},
            ],
            "examples": [body_of(name) for name in (operation.samples or {}).values()],
        }
    else:
        schema = reference(operation.body.__name__)
    samples = {name: {"value": body_of(file)} for name, file in (operation.samples or {}).items()}
    limit = f"At most {MAX_WEBHOOK if route.access == 'signed' else MAX_BODY} bytes."
    return {
        "description": limit,
        "required": operation.body_required,
        "content": {JSON: {"schema": schema, "examples": samples}},
    }


def _webhook_problem(whole: Json) -> Json:
    return {
        "type": "object",
        "description": "A problem as 360dialog is told it.",
        "properties": {name: whole["properties"][name] for name in WEBHOOK_PROBLEM},
        "required": list(WEBHOOK_PROBLEM),
    }


def _problem(codes: Sequence[str], schema: str) -> Json:
    """An answer with one of some problems, which have one status.

    The status is an enumeration of one: a `const` makes public generators drop the whole answer.
    """
    kinds = [PROBLEMS[code] for code in codes]
    shown = {code: examples.problem(code) for code in codes}
    if schema == "WebhookProblem":
        shown = {code: {name: whole[name] for name in WEBHOOK_PROBLEM} for code, whole in shown.items()}
    narrower: Json = {
        "type": "object",
        "properties": {
            "status": {
                "type": "integer",
                "enum": [kinds[0].status],
                "description": "The HTTP status.",
                "examples": [kinds[0].status],
            },
            "code": {
                "type": "string",
                "enum": list(codes),
                "description": "The stable code.",
                "examples": [codes[0]],
            },
        },
    }
    built: Json = {"description": "; ".join(kind.title for kind in kinds)}
    if any(kind.retryable for kind in kinds):
        built["headers"] = {"Retry-After": {"$ref": "#/components/headers/RetryAfter"}}
    built["content"] = {
        PROBLEM: {
            "schema": {"allOf": [reference(schema), narrower]},
            "examples": {code: {"value": value} for code, value in shown.items()},
        }
    }
    return built


def _gateway(about: str) -> Json:
    return {
        "description": about,
        "content": {JSON: {"schema": reference("GatewayAnswer"), "example": {"message": "Refused"}}},
    }
