"""What API Gateway does before a function hears of a request: it finds the route."""

import re
from typing import Any, Final

from contract.routes import ROUTES, Route

_PATTERNS: Final = [
    (route, re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]*)", route.path))) for route in ROUTES
]


def route_of(method: str, path: str) -> Route | None:
    """The route of a request, if there is one."""
    fits = (route for route, pattern in _PATTERNS if route.method == method and pattern.fullmatch(path))
    return next(fits, None)


def routed(method: str, path: str) -> dict[str, Any]:
    """What an event says of a request's route; for a request that has none, method and path."""
    for route, pattern in _PATTERNS:
        if route.method == method and (found := pattern.fullmatch(path)):
            return {"routeKey": route.key, "pathParameters": found.groupdict()}
    return {"routeKey": f"{method} {path}"}
