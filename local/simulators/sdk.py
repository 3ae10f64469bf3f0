"""What a browser gets from the Meta simulator: a stand-in for Facebook's SDK, and the window that it opens.

The SDK's file answers below every locale; the window is a page on which a person plays the customer. Neither
counts as a call of the Graph API. What the real dialog checks before it shows anything is here, too.
"""

import asyncio
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from local.simulators.clock import Sleep
from local.simulators.meta import MetaServer
from local.simulators.settings import Settings
from local.simulators.web import Json, parse, read_object

COEXISTENCE: Final = "whatsapp_business_app_onboarding"
"""The older way to ask for coexistence: `extras.featureType`."""

_FOLDER: Final = Path(__file__).with_name("browser")
_PATHS: Final = re.compile(r"/(popup/.*|[a-z]{2,3}_[A-Z]{2}/sdk(/debug)?\.js|v\d+\.\d+/dialog/oauth)")
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_OLD_EXTRAS: Final = (
    "version",
    "sessionInfoVersion",
    "featureType",
    "feature",
    "features",
    "only_waba_sharing",
)


def is_for_browsers(path: str) -> bool:
    """Whether a path is the SDK's file, the window's page, or a file of it."""
    return _PATHS.fullmatch(path) is not None


@dataclass(slots=True, kw_only=True)
class Launch:
    """What a page gave to `FB.init` and `FB.login`, or to the dialog's address.

    `id` and `origin` are the stand-in's own; `led_here` says that there is no window, but a page to go back
    to.
    """

    id: str = ""
    origin: str = ""
    app_id: str = ""
    config_id: Any = None
    response_type: Any = None
    override_default_response_type: Any = None
    extras: Any = None
    scope: Any = None
    auth_type: Any = None
    return_scopes: Any = None
    redirect_uri: Any = None
    fallback_redirect_uri: Any = None
    display: Any = None
    state: Any = None
    led_here: bool = False


@dataclass(slots=True, kw_only=True)
class Judged:
    """What the dialog makes of a launch: `problem` in place of a signup, or a signup with `notes`."""

    problem: str | None = None
    flow: str | None = None
    coexistence: bool = False
    gives_code: bool = True
    prefill: Json = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def judge(launch: Launch, settings: Settings) -> Judged:
    """Check a launch as the real dialog does, which shows a bare error page for what it does not know."""
    flows = {config_id: name for name, config_id in settings.login_configurations().items()}
    flow = flows.get(str(launch.config_id or ""))
    for refuses, problem in _REFUSALS:
        if refuses(launch, settings, flow):
            return Judged(problem=problem, flow=flow)
    extras = _object(launch.extras)
    coexistence = flow == "coexistence" or extras.get("featureType") == COEXISTENCE
    notes = [text for notices, text in _NOTES if notices(launch, extras)]
    return Judged(
        flow=flow,
        coexistence=coexistence,
        gives_code=_wants_code(launch),
        prefill=_setup(launch),
        notes=notes,
    )


def _wants_code(launch: Launch) -> bool:
    return launch.response_type == "code" and launch.override_default_response_type is True


def _object(value: object) -> Json:
    return dict(value) if isinstance(value, Mapping) else {}


def _setup(launch: Launch) -> Json:
    return _object(_object(launch.extras).get("setup"))


def _wrong_solution(launch: Launch, settings: Settings) -> bool:
    return bool(_setup(launch).get("solutionID", settings.solution_id) != settings.solution_id)


def _nowhere_to_go(launch: Launch) -> bool:
    """Whether a dialog without a window names no page that it could lead back to."""
    if not launch.led_here:
        return False
    parts = urlsplit(str(launch.redirect_uri or ""))
    safe = parts.scheme == "https" or parts.hostname in {"127.0.0.1", "localhost"}
    return not (parts.hostname and safe) or "#" in str(launch.redirect_uri)


type Refuses = Callable[[Launch, Settings, str | None], bool]

_REFUSALS: Final[tuple[tuple[Refuses, str], ...]] = (
    (lambda launch, settings, _: launch.app_id != settings.app_id, "Invalid App ID. No app has this id."),
    (
        lambda launch, *_: _nowhere_to_go(launch),
        "URL Blocked. redirect_uri has to be one of the app's valid OAuth redirect URIs: https, no fragment.",
    ),
    (
        lambda launch, *_: not launch.config_id,
        "Invalid scopes. FB.login was called without a config_id, which every Embedded Signup needs.",
    ),
    (
        lambda _launch, _settings, flow: flow is None,
        "This content is not available. The config_id belongs to no login configuration of this app.",
    ),
    (
        lambda launch, *_: _setup(launch).get("solutionID", "-") in {"", None},
        "Invalid solution. extras.setup.solutionID is empty; without a solution it has to be left out.",
    ),
    (
        lambda launch, settings, _: _wrong_solution(launch, settings),
        "Invalid solution. extras.setup.solutionID names no solution of this app.",
    ),
)
_NOTES: Final[tuple[tuple[Callable[[Launch, Json], bool], str], ...]] = (
    (
        lambda launch, _: not _wants_code(launch),
        "Without response_type 'code' and override_default_response_type the page gets a token, no code.",
    ),
    (
        lambda _, extras: any(name in extras for name in _OLD_EXTRAS),
        "extras has members of versions 2 and 3. A configuration made with products goes without them.",
    ),
    (
        lambda launch, _: not isinstance(launch.extras, Mapping) and launch.extras is not None,
        "extras is no object, and is ignored.",
    ),
)


@dataclass(slots=True, kw_only=True)
class BrowserSide:
    """The SDK's file and the window, over the simulated Graph API."""

    server: MetaServer
    sleep: Sleep = asyncio.sleep

    def app(self) -> ASGIApp:
        """Return the ASGI app of what browsers get."""
        return Starlette(
            routes=[
                Route("/{locale}/sdk.js", self.sdk),
                Route("/{locale}/sdk/debug.js", self.sdk),
                Route("/{version}/dialog/oauth", self.window),
                Route("/popup/launch", self.launch, methods=["POST"]),
                Mount("/popup", StaticFiles(directory=_FOLDER)),
            ]
        )

    async def sdk(self, _request: Request) -> Response:
        """Serve the stand-in, late or not at all where that is switched on."""
        options = self.server.options
        if options.sdk_delay_seconds > 0:
            await self.sleep(options.sdk_delay_seconds)
        if options.sdk == "blocked":
            return Response("blocked", 403, _headers("text/plain"))
        if options.sdk == "empty":
            return Response("", 200, _headers("text/javascript"))
        settings = json.dumps({"sdk": options.sdk, "closed": options.popup_closed})
        source = (_FOLDER / "sdk.js").read_text()
        return Response(
            f"(function (settings) {{\n{source}}})({settings});\n", 200, _headers("text/javascript")
        )

    async def window(self, _request: Request) -> Response:
        """Serve the window; what it is opened with stands in its fragment, and else in its query."""
        headers = {
            "content-security-policy": _POLICY,
            "referrer-policy": "no-referrer",
            **_headers("text/html"),
        }
        return FileResponse(_FOLDER / "popup.html", headers=headers)

    async def launch(self, request: Request) -> Response:
        """Tell the window what the dialog makes of its launch."""
        given = await read_object(request)
        known = {name: value for name, value in given.items() if name in Launch.__slots__}
        judged = judge(parse(Launch, known), self.server.settings)
        return JSONResponse(asdict(judged), headers={"cache-control": "no-store"})


def _headers(kind: str) -> dict[str, str]:
    return {
        "content-type": f"{kind}; charset=utf-8",
        "cache-control": "no-store",
        "x-content-type-options": "nosniff",
        "access-control-allow-origin": "*",
    }
