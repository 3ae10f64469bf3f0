"""What a person is shown who has asked through Meta for deletion: how far it is, and no data."""

import json
from datetime import datetime
from http import HTTPStatus
from typing import Final

from onramp.domain.deletion import DeletionRequest, RequestStatus
from onramp.domain.text import iso
from onramp.inbound.http import HEADERS, Response

_TITLES: Final = {
    RequestStatus.RECEIVED: "Your request has been received and is being worked on.",
    RequestStatus.CARRIED_OUT: "Your request has been carried out.",
}
_PAGE: Final = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Deletion of your data</title>'
    '<meta name="viewport" content="width=device-width"></head><body><h1>Deletion of your data</h1>'
    "<p>{title}</p><p>Confirmation code: <code>{code}</code></p><p>Received: {received}</p>{done}"
    "</body></html>"
)


def shown(request: DeletionRequest, accepts: str | None) -> Response:
    """The request as a page for a browser, or as JSON."""
    done = iso(request.carried_out_at) if request.carried_out_at else None
    title = _TITLES.get(RequestStatus(request.status), "") if request.status in set(RequestStatus) else ""
    if "text/html" not in (accepts or ""):
        body = json.dumps(
            {
                "confirmation_code": request.code,
                "status": str(request.status),
                "received_at": iso(request.received_at),
                "carried_out_at": done,
            }
        )
        return Response(HTTPStatus.OK, {"Content-Type": "application/json", **HEADERS}, body)
    page = _PAGE.format(
        title=title,
        code=request.code,
        received=_day(request.received_at),
        done=f"<p>Carried out: {_day(request.carried_out_at)}</p>" if request.carried_out_at else "",
    )
    kind = {
        "Content-Type": "text/html; charset=utf-8",
        "Content-Security-Policy": "default-src 'none'",
        "Referrer-Policy": "no-referrer",
    }
    return Response(HTTPStatus.OK, {**kind, **HEADERS}, page)


def _day(at: datetime) -> str:
    return at.date().isoformat()
