"""The hosted page with a small stand-in for Onramp's API behind it, and one for Meta's SDK beside it.

The page itself is served by the function that serves it on AWS, headers included. What the API answers is the
test's to say: it changes `Stage.signup` and the rest while the page runs.
"""

import base64
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from hosted_page import Page, content_policy
from infra.bundling import PAGE_FOLDER, Sources, page_files
from infra.paths import PAGE

type Json = dict[str, Any]

AT = "2026-11-26T08:30:00Z"
LINK = "lnk01a207a232804f7a"
TOKEN = f"{LINK}.{'s' * 43}"
LOGO = (
    "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 148 36'>"
    "<rect width='36' height='36' rx='11' fill='#5b3df5'/>"
    "<path d='M11 23c4 0 4-10 7-10s3 10 7 10' fill='none' stroke='#fff' stroke-width='3.4'"
    " stroke-linecap='round'/><text x='46' y='24.5' font-family='Roboto, sans-serif' font-size='19'"
    " font-weight='700' fill='#1b1533'>Wavedesk</text></svg>"
)
SDK = """
let opened;
window.FB = {
  init() {},
  login(told, options) {
    const how = %(how)s;
    window.fbLogin = options;
    if (how === "blocked") return;
    opened = window.open("%(dialog)s", "meta", "width=460,height=560");
    const end = (answer) => setTimeout(() => { try { opened?.close(); } catch {} told(answer); }, 20);
    window.finish = () => end({ authResponse: { code: "code-of-the-popup" }, status: "connected" });
    window.giveUp = () => end({ authResponse: null, status: "unknown" });
    if (how === "finish") setTimeout(window.finish, 60);
    if (how === "cancel") setTimeout(window.giveUp, 60);
  },
};
if (window.fbAsyncInit) window.fbAsyncInit();
"""


def number(status: str = "pending", **changed: Any) -> Json:
    """A number of the contract's shape."""
    return {
        "phone_number_id": "106540352242922",
        "display_phone_number": "+49 30 901820",
        "verified_name": "Bäckerei Sommer",
        "verification": "VERIFIED",
        "name_status": "APPROVED",
        "status": status,
        "attention": None,
        "attention_code": None,
        "restriction": None,
        "channel_id": None,
        "signup_id": "01a207a232804f7a2c9e51d38b6a07f4",
        "steps": [],
        "failure": None,
        "wish": None,
        "ending_at": None,
        "waits_for": None,
        "checked_at": None,
        "next_attempt_at": None,
    } | changed


def second_number(status: str = "pending", **changed: Any) -> Json:
    """Another one of the same account."""
    other = {"phone_number_id": "106540352242923", "display_phone_number": "+49 40 5550123"}
    return number(status, **other, verified_name="Bäckerei Sommer Hamburg", **changed)


def failure(code: str, *, retryable: bool = True) -> Json:
    """Why a number stopped."""
    return {"code": code, "title": code, "retryable": retryable, "action": "-", "at": AT}


def problem(status: int, code: str, **more: Any) -> Response:
    """A problem of the API."""
    told = {
        "type": f"urn:onramp:problem:{code}",
        "title": code,
        "status": status,
        "detail": "Told by the stand-in.",
        "code": code,
        "retryable": False,
        "customer_detail": "-",
        "request_id": "r-1",
    }
    return JSONResponse(told | more, status, media_type="application/problem+json")


@dataclass
class Stage:
    """What the stand-ins do. `on_code` and `on_numbers` answer those calls in place of the usual answers."""

    api: str = ""
    meta: str = ""
    how: str = "finish"
    page: Json = field(
        default_factory=lambda: {
            "name": "Wavedesk",
            "logo_url": None,
            "accent": "#5b3df5",
            "accent_dark": None,
            "support_url": "https://help.wavedesk.example/whatsapp",
        }
    )
    link: Json = field(
        default_factory=lambda: {
            "id": LINK,
            "language": None,
            "success_url": "https://wavedesk.example/done?client=abc123CL&channels=%5Bchn1CH%5D&status=connected",
            "failure_url": "https://wavedesk.example/later?status=open",
            "expires_at": "2026-12-03T08:30:00Z",
        }
    )
    flow: str = "standard"
    status: str = "open"
    numbers: list[Json] = field(default_factory=list)
    dead: Response | None = None
    on_code: list[Response] = field(default_factory=list)
    on_numbers: list[Response] = field(default_factory=list)
    after_numbers: list[Json] = field(default_factory=lambda: [number("pending")])
    retry_after: int = 1
    asked: list[tuple[str, Json]] = field(default_factory=list)
    bearers: set[str] = field(default_factory=set)
    sdk: bool = True
    revision: int = 0

    def files(self, folder: Path) -> Page:
        """The page as its package holds it."""
        for name, content in page_files(Sources()).items():
            path = folder / Path(name).relative_to(PAGE_FOLDER)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.read_bytes())
        return Page(folder, content_policy(self.meta, self.meta))

    def signup(self) -> Json:
        """The signup of the link."""
        told: Json = {
            "id": "01a207a232804f7a2c9e51d38b6a07f4",
            "status": self.status,
            "reference": "customer-4711",
            "plan_tier": "regular",
            "client": {"id": None, "name": "Bäckerei Sommer", "email": None, "user_name": "Lena Sommer"},
            "waba": None
            if self.status == "open"
            else {"id": "1", "name": "A", "business_id": "2", "proof": "-"},
            "numbers": self.numbers,
            "timeline": [],
            "created_at": AT,
            "updated_at": AT,
            "expires_at": "2026-12-03T08:30:00Z",
            "link": self.link,
        }
        if self.status == "open":
            told["launch"] = {"flow": self.flow, "config_id": "9", "extras": {"setup": {}}}
        return told

    def moved(self, status: str, *numbers: Json) -> None:
        """The signup's new state."""
        self.status, self.numbers = status, list(numbers)
        self.revision += 1

    # -- the API

    def app(self, page: Page) -> ASGIApp:
        """The page and the API, at one origin."""

        async def hosted(request: Request) -> Response:
            told = page.answer(request.path_params.get("file", "index.html"), dict(request.headers.items()))
            return _sent(told)

        return Starlette(
            routes=[
                Route("/signup", hosted),
                Route("/signup/{file}", hosted),
                # The page's modules one by one, for tests of one.
                Mount("/try", StaticFiles(directory=PAGE)),
                Route("/v1/config", self._config),
                Route("/v1/linked-signup", self._read),
                Route("/v1/linked-signup/{action}", self._act, methods=["POST"]),
            ]
        )

    def sdk_app(self) -> ASGIApp:
        """Meta's SDK, at an origin of its own; also the partner's logo."""

        async def sdk(_request: Request) -> Response:
            if not self.sdk:
                return Response(status_code=404)
            text = SDK % {"how": json.dumps(self.how), "dialog": f"{self.meta}/dialog"}
            return Response(text, media_type="text/javascript")

        async def dialog(_request: Request) -> Response:
            return Response("<!doctype html><title>Meta</title><h1>Meta</h1>", media_type="text/html")

        async def logo(_request: Request) -> Response:
            return Response(LOGO, media_type="image/svg+xml")

        return Starlette(
            routes=[Route("/{locale}/sdk.js", sdk), Route("/dialog", dialog), Route("/logo.svg", logo)]
        )

    async def _config(self, _request: Request) -> Response:
        return JSONResponse(
            {
                "app_id": "1",
                "config_id": "9",
                "graph_version": "v26.0",
                "extras": {"setup": {}},
                "sdk_url": f"{self.meta}/en_US/sdk.js",
                "flows": ["standard", "coexistence"],
                "page": self.page,
            }
        )

    async def _read(self, request: Request) -> Response:
        if refused := self._refused(request):
            return refused
        tag = f'"{self.revision}"'
        headers = {"ETag": tag}
        if self.status == "onboarding":
            headers["Retry-After"] = str(self.retry_after)
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        return JSONResponse(self.signup(), headers=headers)

    async def _act(self, request: Request) -> Response:
        action = request.path_params["action"]
        body = await request.body()
        self.asked.append((action, json.loads(body or b"{}")))
        if refused := self._refused(request):
            return refused
        return getattr(self, f"_{action}")()  # type: ignore[no-any-return]

    def _refused(self, request: Request) -> Response | None:
        self.bearers.add(request.headers.get("authorization", ""))
        return self.dead

    def _outcome(self) -> Response:
        return Response(status_code=204)

    def _code(self) -> Response:
        if self.on_code:
            return self.on_code.pop(0)
        self.moved("authorized", number("listed"))
        return JSONResponse(self.signup())

    def _numbers(self) -> Response:
        if self.on_numbers:
            return self.on_numbers.pop(0)
        self.moved("onboarding", *self.after_numbers)
        return JSONResponse(self.signup(), 202)

    def _retry(self) -> Response:
        self.moved("onboarding", *self.after_numbers)
        return JSONResponse(self.signup(), 202)


def _sent(told: Json) -> Response:
    body = base64.b64decode(told["body"]) if told.get("isBase64Encoded") else told["body"].encode()
    return Response(body, told["statusCode"], headers=told["headers"])


@contextmanager
def running(folder: Path) -> Iterator[Stage]:
    """Both stand-ins, each at a port of its own."""
    with ExitStack() as exits:
        listeners = [exits.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(2)]
        api, meta = (f"http://127.0.0.1:{listener.getsockname()[1]}" for listener in listeners)
        stage = Stage(api=api, meta=meta)
        page = stage.files(folder / "page")
        for listener, app in zip(listeners, (stage.app(page), stage.sdk_app()), strict=True):
            exits.enter_context(_served(app, listener))
        yield stage


@contextmanager
def _served(app: ASGIApp, listener: socket.socket) -> Iterator[None]:
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", access_log=False, lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(timeout=5)
