"""HTTP plumbing on Powertools' resolver: bodies in, answers and problems out, one tenant for each request."""

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final, NoReturn

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from pydantic import BaseModel, ValidationError

from onramp.domain.errors import Problem, UnavailableError
from onramp.domain.text import is_whole
from onramp.inbound.problems import content_of, invalid
from onramp.wiring import Runtime

MAX_BODY: Final = 64 * 1024
"""Bytes of a request."""
MAX_KEY: Final = 200
HEADERS: Final = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


def answer(
    status: HTTPStatus, body: BaseModel | None = None, headers: Mapping[str, str] | None = None
) -> Response[str]:
    """A JSON answer."""
    return Response(
        status_code=status,
        content_type="application/json" if body else None,
        body=body.model_dump_json() if body else "",
        headers={**HEADERS, **(headers or {})},
    )


def etag_of(body: BaseModel) -> str:
    """What tells this state of a resource from every other."""
    return f'"{hashlib.sha256(body.model_dump_json().encode()).hexdigest()[:32]}"'


def problem_answer(problem: Problem, request_id: str) -> Response[str]:
    """A problem as `application/problem+json`."""
    headers = dict(HEADERS)
    if problem.retry_after is not None:
        headers["Retry-After"] = str(problem.retry_after)
    return Response(
        status_code=problem.kind.status,
        content_type="application/problem+json",
        body=json.dumps(content_of(problem, request_id)),
        headers=headers,
    )


class Api:
    """One function's routes, with every error turned into a problem.

    `tenant_claim` names the claim of the caller's token that is the tenant.
    """

    def __init__(self, runtime: Runtime, tenant_claim: str) -> None:
        self.routes = APIGatewayHttpResolver()
        self._logger = runtime.logger
        self._tenant_claim = tenant_claim
        self.routes.exception_handler(Exception)(self._failed)
        self.routes.exception_handler(Problem)(self._refused)
        self.routes.not_found(self._unknown)

    def __call__(self, event: dict[str, Any], context: object) -> dict[str, Any]:
        """Answer one request."""
        self._logger.append_keys(request_id=(event.get("requestContext") or {}).get("requestId", ""))
        return self.routes.resolve(event, context)  # type: ignore[arg-type]

    @property
    def request_id(self) -> str:
        """API Gateway's id of the request."""
        return str(self.routes.current_event.raw_event.get("requestContext", {}).get("requestId", ""))

    @property
    def tenant(self) -> str:
        """The tenant of the caller's token: one text that is not blank. Raises `Problem(unauthenticated)`.

        API Gateway hands a claim that is a list on as a text in brackets, so such a text is none; nor is one
        with half of a character, which no key can hold.
        """
        context = self.routes.current_event.raw_event.get("requestContext", {})
        claims = ((context.get("authorizer") or {}).get("jwt") or {}).get("claims") or {}
        tenant = claims.get(self._tenant_claim)
        if not isinstance(tenant, str) or not tenant.strip() or _is_list(tenant) or not is_whole(tenant):
            raise Problem("unauthenticated", f"The token needs one text as its claim {self._tenant_claim}.")
        return tenant

    def header(self, name: str) -> str | None:
        """A request header, or None."""
        return self.routes.current_event.headers.get(name)

    def idempotency_key(self) -> str | None:
        """The `Idempotency-Key` header. Raises `Problem(invalid_request)`."""
        key = self.header("idempotency-key")
        if key is not None and not 0 < len(key.strip()) <= MAX_KEY:
            raise Problem(
                "invalid_request",
                f"An Idempotency-Key has 1 to {MAX_KEY} characters.",
                errors=[{"field": "Idempotency-Key", "message": f"must have 1 to {MAX_KEY} characters"}],
            )
        return key.strip() if key else None

    def shown(self, body: BaseModel, come_back_in: int | None) -> Response[str]:
        """A resource with its `ETag`, or 304 for a caller who has it; `Retry-After` while it moves."""
        headers = {"ETag": etag_of(body)}
        if come_back_in is not None:
            headers["Retry-After"] = str(come_back_in)
        if self._matches(headers["ETag"]):
            return answer(HTTPStatus.NOT_MODIFIED, headers=headers)
        return answer(HTTPStatus.OK, body, headers)

    def _matches(self, etag: str) -> bool:
        known = [tag.strip().removeprefix("W/") for tag in (self.header("if-none-match") or "").split(",")]
        return etag in known or "*" in known

    def query[Q: BaseModel](self, model: type[Q]) -> Q:
        """The query of a list. Raises `Problem(invalid_request)`."""
        query = self.routes.current_event.raw_event.get("queryStringParameters") or {}
        try:
            return model.model_validate(query)
        except ValidationError as refusal:
            raise invalid(refusal) from None

    def body[B: BaseModel](self, model: type[B]) -> B:
        """The request's body as `model`; an empty one is an empty object. Raises `Problem`."""
        raw = _raw_body(self.routes.current_event.raw_event)
        if len(raw) > MAX_BODY:
            raise Problem("body_too_large", f"A body may have {MAX_BODY} bytes.")
        if raw:
            media_type = (self.header("content-type") or "").partition(";")[0].strip().lower()
            if media_type != "application/json":
                raise Problem("unsupported_media_type", "Send the header Content-Type: application/json.")
        try:
            return model.model_validate(_parse(raw) if raw else {})
        except ValidationError as refusal:
            raise invalid(refusal) from None

    def _refused(self, problem: Problem) -> Response[str]:
        self._logger.info("refused", extra={"code": problem.code, "status": problem.kind.status})
        return problem_answer(problem, self.request_id)

    def _failed(self, error: Exception) -> Response[str]:
        if isinstance(error, UnavailableError):
            self._logger.error("a service does not answer", extra={"unavailable": str(error)})
            return problem_answer(
                Problem("unavailable", "A part of this service does not answer. Try again."), self.request_id
            )
        self._logger.error("request crashed", extra={"error": type(error).__name__, "at": _where(error)})
        return problem_answer(
            Problem("internal_error", "Something went wrong. Try again; name the request_id if it stays."),
            self.request_id,
        )

    def _unknown(self, _: NotFoundError) -> Response[str]:
        return problem_answer(Problem("not_found", "There is no such route."), self.request_id)


def _is_list(claim: str) -> bool:
    text = claim.strip()
    return text.startswith("[") and text.endswith("]")


def _where(error: BaseException) -> str:
    """File and line of the innermost frame: an exception's text may hold what must not be logged."""
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename.rpartition('/')[2]}:{trace.tb_lineno}" if trace else ""


def _raw_body(event: Mapping[str, Any]) -> bytes:
    body = event.get("body") or ""
    if not event.get("isBase64Encoded"):
        return str(body).encode("utf-8", "surrogatepass")
    try:
        return base64.b64decode(body)
    except (binascii.Error, ValueError):
        raise Problem("invalid_json", "The body cannot be read.") from None


def _parse(raw: bytes) -> object:
    def refuse(_: str) -> NoReturn:
        raise ValueError("not a JSON number")

    try:
        content = json.loads(raw.decode("utf-8"), parse_constant=refuse)
        json.dumps(content, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError):
        raise Problem("invalid_json", "The body must be JSON in UTF-8.") from None
    return content
