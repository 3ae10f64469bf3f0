"""The browser module in a real browser, between stand-ins for Onramp's API, Meta's SDK and Meta's window.

The API's stand-in and the page are at two ports of this machine, so that CORS is the browser's own. It
answers with the contract's examples; Meta's addresses are answered by the test, so that origins
are the real ones.
"""

import json
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from contract.conformity import Conformity
from contract.examples import answers, problem
from harness.waiting import PAGE_PATIENCE_MS, PATIENCE
from infra.paths import BROWSER_MODULE
from onramp.domain.errors import PROBLEMS

type Json = dict[str, Any]
type Turn = Callable[["Api"], Response]

ANSWERS: Final = answers()
SIGNUP_ID: Final = ANSWERS["opened"]["id"]
LINK: Final = f"{ANSWERS['linked_onboarding']['link']['id']}.{'s' * 43}"
CUSTOMER: Final = {"client": {"name": "Example Bakery", "email": "a@bakery.example.com", "user_name": "Alex"}}
FINISH: Final = {
    "type": "WA_EMBEDDED_SIGNUP",
    "event": "FINISH",
    "data": {"phone_number_id": "106540352242922", "waba_id": "102290129340398", "business_id": "1"},
}
CANCEL: Final = {
    "type": "WA_EMBEDDED_SIGNUP",
    "event": "CANCEL",
    "data": {"current_step": "PHONE_NUMBER_SETUP"},
}
REPORTED: Final = {
    "type": "WA_EMBEDDED_SIGNUP",
    "event": "CANCEL",
    "data": {"error_message": "It broke", "error_code": 524126, "session_id": "f34b51", "timestamp": 1},
}

HARNESS: Final = """<!doctype html><meta charset="utf-8"><title>A partner's page</title>
<button id="go">Connect WhatsApp</button>
<script type="module">
import { connect } from "./onramp.js";
const EVENTS = ["ready", "opened", "progress", "choice", "connected", "failed", "closed"];
window.heard = [];
window.begin = (options) => {
  const journey = window.journey = connect(options);
  for (const name of EVENTS) {
    journey.on(name, (detail) => {
      heard.push({ name, status: journey.status, ...JSON.parse(JSON.stringify(detail)) });
      if (name === "choice") window.choose = detail.choose;
    });
  }
  document.querySelector("#go").onclick = () => journey.open();
};
window.loaded = true;
</script>"""
DIALOG: Final = """<!doctype html><title>Meta</title><h1>Meta</h1><script>
const text = (message) => (typeof message === "string" ? message : JSON.stringify(message));
window.say = (message) => opener.postMessage(text(message), "*");
window.answer = (answer) => opener.postMessage({ answer }, "*");
</script>"""
WORKS: Final = """
window.logins ??= []; window.callbacks ??= []; window.inits ??= [];
window.FB = {
  init(options) { inits.push(options); },
  login(callback, options) {
    if (Object.prototype.toString.call(callback) !== "[object Function]") throw new Error("not a function");
    logins.push(options); callbacks.push(callback);
    const popup = window.open("https://www.facebook.com/dialog", "meta", "popup,width=460,height=560");
    if (!popup) return;
    addEventListener("message", (event) => {
      if (event.source === popup && event.data?.answer !== undefined) callback(event.data.answer);
    });
  },
};
setTimeout(() => window.fbAsyncInit?.(), 0);
"""


def gives(name: str, status: int = 200, state: str | None = None) -> Turn:
    """An example of the contract's; what the signup is afterwards."""

    def turn(api: "Api") -> Response:
        api.state = state or api.state
        return JSONResponse(api.shown(name), status)

    return turn


def refuses(code: str, retry_after: int | None = None, **more: Any) -> Turn:
    """A problem of the API."""

    def turn(api: "Api") -> Response:
        told = {name: value for name, value in (problem(code) | more).items() if value is not None}
        headers = {"Retry-After": str(retry_after)} if retry_after else {}
        return JSONResponse(told, PROBLEMS[code].status, headers, "application/problem+json")

    return turn


def hides(turn: Turn | None = None) -> Turn:
    """An answer that no page is let see, as if the network were lost; what `turn` does was done."""

    def hidden(api: "Api") -> Response:
        answer = turn(api) if turn else JSONResponse({"message": "Unauthorized"}, 401)
        answer.headers["x-hidden"] = "1"
        return answer

    return hidden


def gateway(status: int) -> Turn:
    """What the gateway answers itself, not in the API's words."""
    return lambda _api: JSONResponse({"message": "Refused"}, status)


@dataclass
class Call:
    """What the API was asked."""

    what: str
    body: Json
    headers: dict[str, str]


@dataclass
class Api:
    """The stand-in. `turns` answer a call, by `METHOD action`, before the usual answers do."""

    state: str = "opened"
    candidates: list[Json] = field(default_factory=list)
    turns: dict[str, list[Turn]] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    valid: set[str] | None = None
    revision: int = 0
    linked: bool = False
    sdk_url: str = "https://connect.facebook.net/en_US/sdk.js"
    redirect_uris: list[str] = field(default_factory=list)
    _conformity: Conformity = field(default_factory=Conformity)

    def app(self) -> ASGIApp:
        """Every route of the API, at one place."""
        methods = ["GET", "POST", "OPTIONS"]
        return Starlette(routes=[Route("/{path:path}", self._answer, methods=methods)])

    def asked(self, *leaving: str) -> list[str]:
        """The calls, without those that are named."""
        return [call.what for call in self.calls if call.what not in leaving]

    def told(self, what: str) -> list[Json]:
        """The bodies of a call."""
        return [call.body for call in self.calls if call.what == what]

    def shown(self, name: str) -> Json:
        """An example, as a customer with a link or a user sees it."""
        if name == "attention":
            shown = ANSWERS["onboarding"] | {"status": "attention"}
            failed = ANSWERS["failed_number"]
            shown["numbers"] = [failed, *shown["numbers"][1:]]
        else:
            shown = ANSWERS[name]
        return shown | {"link": ANSWERS["linked_onboarding"]["link"]} if self.linked else shown

    def moved(self, state: str) -> None:
        """The signup is another one now."""
        self.state = state
        self.revision += 1

    async def _answer(self, request: Request) -> Response:
        own = {
            "Access-Control-Allow-Origin": "*",
            "Access-Control-Expose-Headers": "ETag, Location, Retry-After",
        }
        if request.method == "OPTIONS":
            allowed = "Authorization, Content-Type, Idempotency-Key, If-None-Match"
            preflight = {"Access-Control-Allow-Headers": allowed, "Access-Control-Allow-Methods": "GET, POST"}
            return Response(status_code=204, headers=own | preflight)
        answer = await self._turn(request)
        if "x-hidden" not in answer.headers:
            answer.headers.update(own)
        return answer

    async def _turn(self, request: Request) -> Response:
        action = self._action(request.url.path)
        what = f"{request.method} {action}"
        body = json.loads(await request.body() or b"{}")
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.calls.append(Call(what, body, headers))
        if self.valid is not None and action != "config" and headers["authorization"] not in self.valid:
            return hides()(self)
        turns = self.turns.get(what)
        answer = turns.pop(0)(self) if turns else self._usual(what, headers)
        if "x-hidden" not in answer.headers:
            self._check(request, answer)
        return answer

    def _action(self, path: str) -> str:
        last = path.rpartition("/")[2]
        return "signup" if last in {SIGNUP_ID, "linked-signup"} else last

    def _usual(self, what: str, headers: dict[str, str]) -> Response:
        match what:
            case "GET config":
                own = {"sdk_url": self.sdk_url, "redirect_uris": self.redirect_uris}
                return JSONResponse(ANSWERS["config"] | own)
            case "POST signups":
                return JSONResponse(self.shown(self.state), 201, {"Location": f"/v1/signups/{SIGNUP_ID}"})
            case "POST code":
                self.moved("authorized")
                return JSONResponse(self.shown("authorized"))
            case "POST numbers" | "POST retry":
                self.moved("onboarding")
                return JSONResponse(self.shown("onboarding"), 202)
            case "POST outcome":
                return Response(status_code=204)
            case _:
                return self._read(headers)

    def _read(self, headers: dict[str, str]) -> Response:
        tag = f'"{self.state}-{self.revision}"'
        more = {"ETag": tag} | ({"Retry-After": "1"} if self.state == "onboarding" else {})
        if headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=more)
        return JSONResponse(self.shown(self.state), headers=more)

    def _check(self, request: Request, answer: Response) -> None:
        text = bytes(answer.body).decode()
        found = self._conformity.faults(
            request.method, request.url.path, answer.status_code, dict(answer.headers), text
        )
        self.faults += [fault for fault in found if '"message"' not in text]


class Person:
    """Somebody with a browser at a partner's page."""

    def __init__(self, api: Api, address: str, page_address: str, context: Any) -> None:
        self.api = api
        self.address = address
        self.page_address = page_address
        self.context = context
        self.sdk: str | None = WORKS
        self.troubles: list[str] = []
        self.sdk_asked: list[str] = []
        context.set_default_timeout(PAGE_PATIENCE_MS)
        context.route("https://**/*", self._meta)
        self.page = context.new_page()
        self.page.on("pageerror", lambda error: self.troubles.append(str(error)))
        self.popup: Any = None

    def _meta(self, route: Any) -> None:
        if not route.request.url.endswith("sdk.js"):
            route.fulfill(body=DIALOG, content_type="text/html")
            return
        self.sdk_asked.append(route.request.url)
        if self.sdk is None:
            route.abort("blockedbyclient")
        elif self.sdk != "never":
            route.fulfill(body=self.sdk, content_type="text/javascript")

    def opens(self, path: str = "/", **options: Any) -> None:
        """Open the page, and begin a journey; `options` are the module's, a text in `js` is code."""
        self.page.goto(self.page_address + path)
        self.begins(**options)

    def begins(self, js: str = "", **options: Any) -> None:
        """Begin a journey on the page that is there."""
        if not self.api.linked and "signupId" not in options:
            options = {"signup": CUSTOMER} | options
        who = {"link": LINK} if self.api.linked else {"token": "token-1"}
        given = json.dumps({"api": self.address} | who | options)
        self.page.wait_for_function("window.loaded")
        self.page.evaluate(f"begin({{ ...{given}, {js} }})")

    def hears(self, name: str, count: int = 1) -> Json:
        """Wait for that many events of a name; the last of them."""
        self.page.wait_for_function(
            "([name, count]) => heard.filter((one) => one.name === name).length >= count", arg=[name, count]
        )
        return self.heard(name)[-1]

    def heard(self, name: str) -> list[Json]:
        """The events of a name until now."""
        return [one for one in self.page.evaluate("heard") if one["name"] == name]

    def clicks(self) -> Any:
        """Click once the page is ready; the window that opens."""
        self.hears("ready")
        with self.context.expect_page() as opened:
            self.page.click("#go")
        self.popup = opened.value
        self.popup.wait_for_function("Boolean(window.say)")
        return self.popup

    def says(self, message: Any) -> None:
        """The window tells the page something."""
        self.popup.evaluate("(message) => say(message)", message)

    def answers(self, code: str | None = "code-1") -> None:
        """The window gives the SDK a code, or its end without one."""
        given = {"authResponse": {"code": code} if code else None, "status": "unknown"}
        self.popup.evaluate("(given) => answer(given)", given)

    def waits(self, holds: Callable[[], bool]) -> None:
        """Wait for something at the API's side, while the browser goes on."""
        until = time.monotonic() + PATIENCE
        while not holds():
            assert time.monotonic() < until, self.api.calls
            self.page.wait_for_timeout(20)

    def outcome(self) -> Json:
        """What the API was told of a window; told once."""
        self.waits(lambda: bool(self.api.told("POST outcome")))
        [told] = self.api.told("POST outcome")
        return told

    def connects(self) -> None:
        """From where the number is under way to its end."""
        self.waits(lambda: self.api.state == "onboarding")
        self.api.moved("connected")
        self.hears("connected")


@contextmanager
def meeting(
    browser: Any, *, html: str = HARNESS, headers: Json | None = None, **options: Any
) -> Iterator[Person]:
    """Somebody at a page of one's own; at the end nothing was thrown, and no answer was made up."""
    with ExitStack() as exits:
        listeners = [exits.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(2)]
        addresses = [f"http://127.0.0.1:{listener.getsockname()[1]}" for listener in listeners]
        api = Api()
        for listener, app in zip(
            listeners, (api.app(), _pages(html.replace("{api}", addresses[0]), headers or {})), strict=True
        ):
            exits.enter_context(_served(app, listener))
        context = browser.new_context(**options)
        exits.callback(context.close)
        person = Person(api, addresses[0], addresses[1], context)
        yield person
        assert person.troubles == []
        assert api.faults == []


def _pages(html: str, headers: Json) -> ASGIApp:
    async def page(_request: Request) -> Response:
        return HTMLResponse(html, headers=headers)

    async def frame(request: Request) -> Response:
        sandbox = request.query_params["sandbox"]
        return HTMLResponse(f'<!doctype html><iframe sandbox="{sandbox}" src="/"></iframe>')

    return Starlette(
        routes=[
            Route("/", page, methods=["GET", "HEAD"]),
            Route("/frame", frame),
            Mount("/", StaticFiles(directory=BROWSER_MODULE.parent)),
        ],
        # A sandboxed frame has no origin, and loads modules only where everybody may.
        middleware=[Middleware(CORSMiddleware, allow_origins=["*"])],
    )


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


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium, where there is one."""
    playwright = pytest.importorskip("playwright.sync_api")
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("no Chromium on this machine")
    with (
        playwright.sync_playwright() as player,
        player.chromium.launch(executable_path=path, args=["--no-sandbox"]) as running,
    ):
        yield running


@pytest.fixture
def person(browser: Any) -> Iterator[Person]:
    """Somebody with a browser in which everything works."""
    with meeting(browser) as somebody:
        yield somebody
