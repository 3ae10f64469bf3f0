"""Problems as they go out: RFC 9457, with a stable code, and field errors in our own words."""

from collections.abc import Mapping
from typing import Final

from pydantic import ValidationError

from onramp.domain.errors import Problem
from onramp.domain.text import mask_text

PROBLEM_TYPE: Final = "urn:onramp:problem:"
MOST_ERRORS: Final = 50
LONGEST_FIELD: Final = 200
_BRANCHES: Final = frozenset({"NewClient", "KnownClient"})
"""Names of a union's branches, which mean nothing to a caller."""
_OWN: Final = frozenset({"value_error", "assertion_error"})
"""Errors of our own validators: their texts are ours."""

MESSAGES: Final[Mapping[str, str]] = {
    "bool_type": "must be true or false",
    "dict_type": "must be an object",
    "enum": "is not one of the known values",
    "extra_forbidden": "is not a known field",
    "greater_than_equal": "is too small",
    "int_from_float": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_type": "must be a whole number",
    "less_than_equal": "is too large",
    "list_type": "must be a list",
    "literal_error": "is not one of the known values",
    "missing": "is required",
    "model_attributes_type": "must be an object",
    "model_type": "must be an object",
    "none_required": "must be null",
    "string_pattern_mismatch": "does not have the right form",
    "string_too_long": "is too long",
    "string_too_short": "must not be empty",
    "string_type": "must be text",
    "string_unicode": "must be readable text",
    "too_long": "has too many members",
    "too_short": "must not be empty",
}
"""What a caller is told of each kind of mistake; of any other kind only that there is one."""
UNKNOWN: Final = "is not valid"


def content_of(problem: Problem, request_id: str) -> dict[str, object]:
    """The body of a problem's answer."""
    body: dict[str, object] = {
        "type": f"{PROBLEM_TYPE}{problem.code}",
        "title": problem.kind.title,
        "status": problem.kind.status,
        "detail": problem.detail,
        "code": problem.code,
        "retryable": problem.retryable,
        "customer_detail": problem.kind.customer,
        "request_id": request_id,
    }
    if problem.errors:
        body["errors"] = list(problem.errors)
    if problem.candidates is not None:
        body["candidates"] = list(problem.candidates)
    for name in ("signup_id", "phone_number_id", "refresh_url"):
        value = getattr(problem, name)
        if value is not None:
            body[name] = value
    return body


def invalid(refusal: ValidationError) -> Problem:
    """The fields that are wrong, without what was in them."""
    errors: list[dict[str, str]] = []
    for error in refusal.errors(include_url=False, include_input=False, include_context=False):
        field = ".".join(str(part) for part in error["loc"] if part not in _BRANCHES) or "body"
        kind = error["type"]
        own = error["msg"].removeprefix("Value error, ") if kind in _OWN else None
        entry = {"field": mask_text(field)[:LONGEST_FIELD], "message": own or MESSAGES.get(kind, UNKNOWN)}
        if entry not in errors:
            errors.append(entry)
    names = ", ".join(entry["field"] for entry in errors[:10])
    return Problem("invalid_request", f"Not valid: {names}.", errors=errors[:MOST_ERRORS])
