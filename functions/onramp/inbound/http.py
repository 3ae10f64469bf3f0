"""HTTP plumbing: a route's handler, bodies in, answers and problems out, one tenant for each request.

API Gateway has found the route, and names it with its parameters in the event: nothing is matched here again.
"""

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Final, NoReturn

from pydantic import BaseModel, ValidationError

from onramp.domain.crashes import told_of
from onramp.domain.errors import Problem, UnavailableError
from onramp.domain.text import is_whole
from onramp.domain.values import dataclass
from onramp.inbound.problems import content_of, invalid
from onramp.wiring import Runtime

MAX_BODY: Final = 64 * 1024
"""Bytes of a request."""
MAX_KEY: Final = 200
OF_TENANT: Final = "/v1/tenants/{tenant}/"
"""How the paths begin that name the tenant themselves: they are for the account's own roles alone."""
BEARER: Final = "bearer "
NAMED: Final[Mapping[str, re.Pattern[str]]] = {
    "signup_id": re.compile(r"[0-9a-f]{32}"),
    "link_id": re.compile(r"[0-9a-f]{32}"),
    "phone_number_id": re.compile(r"[0-9]{14,20}"),
    "channel_id": re.compile(r"(?=.*[A-Za-z])[0-9A-Za-z]{4,20}"),
}
"""Parameters of a path that log lines name, when they look as our ids, Meta's and 360dialog's do.

A caller may have put anything into the path: what could be a telephone number is no id.
"""
HEADERS: Final = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


@dataclass(frozen=True, slots=True)
class Response:
    """An answer."""

    status: int
    headers: Mapping[str, str]
    body: str = ""

    @property
    def event(self) -> dict[str, Any]:
        """As API Gateway takes it."""
        return {"statusCode": self.status, "headers": dict(self.headers), "body": self.body}


type Handler = Callable[..., Response]
"""Takes the route's parameters by name."""


def answer(
    status: HTTPStatus, body: BaseModel | None = None, headers: Mapping[str, str] | None = None
) -> Response:
    """A JSON answer."""
    kind = {"Content-Type": "application/json"} if body else {}
    return Response(status, {**kind, **HEADERS, **(headers or {})}, body.model_dump_json() if body else "")


def etag_of(body: BaseModel) -> str:
    """What tells this state of a resource from every other."""
    return f'"{hashlib.sha256(body.model_dump_json().encode()).hexdigest()[:32]}"'


def problem_answer(problem: Problem, request_id: str) -> Response:
    """A problem as `application/problem+json`."""
    headers = {"Content-Type": "application/problem+json", **HEADERS}
    if problem.retry_after is not None:
        headers["Retry-After"] = str(problem.retry_after)
    return Response(problem.kind.status, headers, json.dumps(content_of(problem, request_id)))


class Api:
    """One function's routes, with every error turned into a problem.

    `tenant_claim` names the claim of the caller's token that is the tenant. One request at a time.
    """

    def __init__(self, runtime: Runtime, tenant_claim: str) -> None:
        self.routes: dict[str, Handler] = {}
        self._event: Mapping[str, Any] = {}
        self._logger = runtime.logger
        self._runtime = runtime
        self._tenant_claim = tenant_claim

    def route(self, key: str) -> Callable[[Handler], Handler]:
        """A handler for a route, by API Gateway's name of it: `GET /v1/numbers/{phone_number_id}`."""

        def register(handler: Handler) -> Handler:
            self.routes[key] = handler
            return handler

        return register

    def __call__(self, event: dict[str, Any]) -> dict[str, Any]:
        """Answer one request."""
        self._event = event
        self._logger.append_keys(request_id=self.request_id, **_named(event.get("pathParameters") or {}))
        return self._answer(event).event

    def _answer(self, event: Mapping[str, Any]) -> Response:
        handler = self.routes.get(str(event.get("routeKey")))
        if handler is None:
            return problem_answer(Problem("not_found", "There is no such route."), self.request_id)
        try:
            return handler(**self._parameters)
        except Problem as problem:
            return self._refused(problem)
        except Exception as error:  # noqa: BLE001 - the caller is told that, and not what
            return self._failed(error)

    @property
    def _context(self) -> Mapping[str, Any]:
        return self._event.get("requestContext") or {}

    @property
    def _parameters(self) -> dict[str, Any]:
        """The path's, without the tenant of a path that names it: `tenant` gives it."""
        given = dict(self._event.get("pathParameters") or {})
        if self._names_tenant:
            given.pop("tenant", None)
        return given

    @property
    def _names_tenant(self) -> bool:
        return OF_TENANT in str(self._event.get("routeKey"))

    @property
    def request_id(self) -> str:
        """API Gateway's id of the request."""
        return str(self._context.get("requestId", ""))

    @property
    def tenant(self) -> str:
        """The tenant of the caller's token: one text that is not blank. Raises `Problem(unauthenticated)`.

        API Gateway hands a claim that is a list on as a text in brackets, so such a text is none; nor is one
        with half of a character, which no key can hold. A role of the account has no token: its path names
        the tenant, by the same rules. Raises `Problem(invalid_request)` when it does not.
        """
        if self._names_tenant:
            return self._tenant_of_path()
        claims = ((self._context.get("authorizer") or {}).get("jwt") or {}).get("claims") or {}
        tenant = claims.get(self._tenant_claim)
        if not _is_tenant(tenant):
            raise Problem("unauthenticated", f"The token needs one text as its claim {self._tenant_claim}.")
        return str(tenant)

    @property
    def is_role(self) -> bool:
        """Whether the caller is a role of the account, which speaks for every tenant."""
        return self._names_tenant

    def _tenant_of_path(self) -> str:
        tenant = (self._event.get("pathParameters") or {}).get("tenant")
        if not _is_tenant(tenant):
            raise Problem(
                "invalid_request",
                "The path needs one tenant.",
                errors=[{"field": "tenant", "message": "must be one text that is not blank"}],
            )
        return str(tenant)

    @property
    def bearer(self) -> str | None:
        """What the caller shows as `Authorization: Bearer …`; for routes that the gateway leaves open."""
        sent = self.header("authorization") or ""
        return sent[len(BEARER) :].strip() if sent.lower().startswith(BEARER) else None

    def address(self, form: str) -> str:
        """The API's own address, in a form that may leave `{domain_name}` and `{api_id}` to the gateway."""
        return form.format(
            domain_name=self._context.get("domainName", ""), api_id=self._context.get("apiId", "")
        ).rstrip("/")

    def header(self, name: str) -> str | None:
        """A request header by its name in small letters, which is how API Gateway writes it; or None."""
        headers = self._event.get("headers") or {}
        return next((str(value) for key, value in headers.items() if key.lower() == name), None)

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

    def shown(self, body: BaseModel, come_back_in: int | None) -> Response:
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
        query = self._event.get("queryStringParameters") or {}
        try:
            return model.model_validate(query)
        except ValidationError as refusal:
            raise invalid(refusal) from None

    def body[B: BaseModel](self, model: type[B]) -> B:
        """The request's body as `model`; an empty one is an empty object. Raises `Problem`."""
        raw = _raw_body(self._event)
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

    def _refused(self, problem: Problem) -> Response:
        self._logger.info("refused", extra={"code": problem.code, "status": problem.kind.status})
        return problem_answer(problem, self.request_id)

    def _failed(self, error: Exception) -> Response:
        if isinstance(error, UnavailableError):
            self._runtime.telemetry.count("ServicesUnavailable")
            self._logger.error("a service does not answer", extra={"unavailable": str(error)})
            return problem_answer(
                Problem("unavailable", "A part of this service does not answer. Try again."), self.request_id
            )
        self._logger.error("request crashed", extra=told_of(error))
        return problem_answer(
            Problem("internal_error", "Something went wrong. Try again; name the request_id if it stays."),
            self.request_id,
        )


def _is_tenant(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip()) and not _is_list(value) and is_whole(value)


def _named(parameters: Mapping[str, object]) -> dict[str, str]:
    """The ids of a path, for the log."""
    return {
        name: str(parameters[name])
        for name, form in NAMED.items()
        if name in parameters and form.fullmatch(str(parameters[name]))
    }


def _is_list(claim: str) -> bool:
    text = claim.strip()
    return text.startswith("[") and text.endswith("]")


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
