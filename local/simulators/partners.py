"""Several partners at one 360dialog: each call is led to the partner that it is for."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from local.simulators.hub import Hub

OF_PARTNER: Final = ("/api/v2/partners/", "/admin/partners/")
"""Paths that name a partner behind them; an admin's path goes on as if it named none."""
KEY_HEADER: Final = b"d360-api-key"


@dataclass(frozen=True, slots=True, kw_only=True)
class Switchboard:
    """Leads by the partner's id in the path, else by a channel's key; else to the first one."""

    fronts: Mapping[str, ASGIApp]
    hubs: Mapping[str, Hub]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        partner_id = self._named(scope["path"]) or self._keyed(scope) or next(iter(self.fronts))
        prefix = f"/admin/partners/{partner_id}"
        if scope["path"].startswith(prefix):
            path = "/admin" + scope["path"].removeprefix(prefix)
            scope = {**scope, "path": path, "raw_path": path.encode()}
        await self.fronts[partner_id](scope, receive, send)

    def _named(self, path: str) -> str | None:
        for prefix in OF_PARTNER:
            name = path.removeprefix(prefix).partition("/")[0] if path.startswith(prefix) else ""
            if name in self.fronts:
                return name
        return None

    def _keyed(self, scope: Scope) -> str | None:
        key = dict(scope["headers"]).get(KEY_HEADER, b"").decode("latin-1")
        return next((name for name, hub in self.hubs.items() if key and key in hub.keyed), None)
