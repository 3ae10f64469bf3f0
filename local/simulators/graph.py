"""How Meta's Graph API words errors, chooses fields and pages through lists."""

import base64
import re
from collections.abc import Collection, Sequence
from typing import NamedTuple

from local.simulators.web import Json

_TOP_LEVEL_FIELD = re.compile(r"([A-Za-z0-9_.]+)(\{[^}]*\})?")


class GraphError(Exception):
    """An answer of the Graph API that is an error."""

    def __init__(
        self,
        message: str,
        *,
        code: int,
        subcode: int | None = None,
        status: int = 400,
        transient: bool = False,
    ) -> None:
        """Take the parts of Meta's error object and the HTTP status."""
        super().__init__(message)
        self.status = status
        self.code = code
        self.subcode = subcode
        self.transient = transient

    def body(self, trace_id: str) -> Json:
        """Return the JSON body, with the trace id Meta would add."""
        error: Json = {"message": str(self), "type": "OAuthException", "code": self.code}
        if self.subcode is not None:
            error["error_subcode"] = self.subcode
        if self.transient:
            error["is_transient"] = True
        return {"error": error | {"fbtrace_id": trace_id}}


class NodeType(NamedTuple):
    """What can be read of one kind of node."""

    name: str
    default: Sequence[str]


WABA = NodeType(
    "WhatsAppBusinessAccount", ("id", "name", "currency", "timezone_id", "message_template_namespace")
)
PHONE_NUMBER = NodeType(
    "WhatsAppBusinessPhoneNumber",
    (
        "verified_name",
        "code_verification_status",
        "display_phone_number",
        "quality_rating",
        "platform_type",
        "id",
    ),
)
USER = NodeType("User", ("id", "name"))
APPLICATION = NodeType("Application", ("category", "link", "name", "id"))
SOLUTION = NodeType("WhatsAppBusinessSolution", ("name", "status", "status_for_pending_request", "id"))


def missing_object(object_id: str) -> GraphError:
    """Meta's one answer for what is absent and for what may not be seen."""
    return GraphError(
        f"Unsupported get request. Object with ID '{object_id}' does not exist, cannot be loaded due to "
        "missing permissions, or does not support this operation",
        code=100,
        subcode=33,
    )


_ACCOUNT_TEXTS = {
    131031: "(#131031) Business Account locked",
    368: "(#368) The action attempted has been deemed abusive or is otherwise disallowed",
}


def account_error(code: int) -> GraphError:
    """Meta's answer about an account that it has locked (131031) or blocked (368)."""
    return GraphError(_ACCOUNT_TEXTS[code], code=code, status=403)


def select(node: Json, fields: str | None, kind: NodeType, unknown: Collection[str] = ()) -> Json:
    """Return the wanted fields of `node`; absent values are left out, `id` is always there.

    Raises GraphError 100 for the whole call when one field is not known, as Meta does.
    """
    wanted = [name for name in kind.default if name not in unknown]
    if fields:
        wanted = [match[1] for match in _TOP_LEVEL_FIELD.finditer(fields)]
    for name in wanted:
        if name not in node or name in unknown:
            raise GraphError(
                f"(#100) Tried accessing nonexisting field ({name}) on node type ({kind.name})", code=100
            )
    return {name: node[name] for name in dict.fromkeys([*wanted, "id"]) if node[name] is not None}


def cursor(index: int) -> str:
    """Make an opaque cursor for a position."""
    return base64.urlsafe_b64encode(f"at:{index}".encode()).decode().rstrip("=")


def position(value: str) -> int:
    """Read a cursor back. Raises GraphError 100 for anything else."""
    try:
        text = base64.urlsafe_b64decode(value + "=" * (-len(value) % 4)).decode()
        return int(text.removeprefix("at:"))
    except ValueError as error:
        raise GraphError("(#100) Invalid cursors values were provided", code=100) from error


def page(items: Sequence[Json], *, after: str | None, limit: int, next_url: str) -> Json:
    """Cut one page out of `items`.

    As on Meta's side the last page still has an `after` cursor (which leads to an empty page) and
    lacks only `next`; an empty page has no `paging`.
    """
    start = position(after) + 1 if after else 0
    part = list(items[start : start + limit])
    if not part:
        return {"data": []}
    last = start + len(part) - 1
    paging: Json = {"cursors": {"before": cursor(start), "after": cursor(last)}}
    if last + 1 < len(items):
        paging["next"] = f"{next_url}&after={cursor(last)}"
    return {"data": part, "paging": paging}
