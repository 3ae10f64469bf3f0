"""The world around the pages of docs/front-end.md: a browser in which every address is answered by the test.

The code blocks are served at the addresses that they name. Onramp is the real handlers between the
simulators, behind a gateway that hides its own 401 from browsers as AWS's does; Meta's SDK and popup and the
login of a Cognito user pool are small stand-ins.
"""

import json
import re
import shutil
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any, Final
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import pytest

from harness.waiting import PAGE_PATIENCE_MS
from infra.paths import BROWSER_MODULE, ROOT
from onramp.domain.launch import STANDARD, Flow
from onramp.ports import LinkRules
from tests.clients.conftest import Stage
from tests.local.browsers import last_click

type Json = dict[str, Any]

GUIDE: Final = (ROOT / "docs" / "front-end.md").read_text(encoding="utf-8")
PAGE: Final = "https://app.example.com"
API: Final = "https://api.example.com"
LOGIN: Final = "https://onramp-dev-111122223333.auth.eu-central-1.amazoncognito.com"
CLIENT: Final = "1example23456789abcdefghij"
META: Final = "https://www.facebook.com"
TENANT: Final = "tenant-1"
EXTRAS: Final[Json] = {"setup": {"solutionID": "123456789012345"}}
TYPES: Final = {"html": "text/html; charset=utf-8", "js": "text/javascript; charset=utf-8"}
EXPOSED: Final = "ETag, Location, Retry-After"
LATER: Final = 120.0
"""Seconds that pass for the upstreams at each answer that says when to come back."""

SDK: Final = """
window.FB = {
  init(options) { window.initialised = options; },
  login(told, options) {
    if (told.constructor.name !== "Function") throw new Error("asyncfunction, not function");
    window.logins = [...(window.logins ?? []), options];
    const popup = window.open("https://www.facebook.com/dialog", "meta", "popup,width=600,height=700");
    if (!popup) return;
    const end = (answer) => { clearInterval(watch); removeEventListener("message", hear); told(answer); };
    const hear = ({ source, data }) => {
      if (source === popup && data.code) end({ authResponse: { code: data.code }, status: "connected" });
    };
    const watch = setInterval(() => popup.closed && end({ authResponse: null, status: "unknown" }), 50);
    addEventListener("message", hear);
  },
};
window.fbAsyncInit?.();
"""
POPUP: Final = """<!doctype html><title>Meta</title>
<button id="finish">Finish</button>
<button id="silent">Finish without a word</button>
<button id="cancel">Cancel</button>
<script>
  const told = %s;
  const type = "WA_EMBEDDED_SIGNUP";
  const say = (event, data) => opener.postMessage(JSON.stringify({ type, event, data }), "*");
  const ways = {
    finish: () => { opener.postMessage("{not json", "*"); say(told.event, told.data); return told.code; },
    silent: () => told.code,
    cancel: () => { say("CANCEL", { current_step: "PHONE_NUMBER_VERIFICATION" }); },
  };
  for (const [id, way] of Object.entries(ways)) {
    document.getElementById(id).onclick = () => {
      const code = way();
      if (code) opener.postMessage({ code }, "*");
      setTimeout(() => window.close(), 20);
    };
  }
</script>"""


def block(name: str, text: str = GUIDE) -> str:
    """A code block of the guide, or of another text, by the file's name in its first line."""
    mark = re.escape(name)
    found = re.findall(rf"^```\w+\n((?://|#|<!--) {mark}(?: -->)?\n.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert len(found) == 1, f"{name} is there {len(found)} times"
    return str(found[0])


@dataclass
class Login:
    """A user pool's hosted login: it insists on PKCE, and gives tokens that live until they are ended."""

    tokens: int = 0
    expired: int = 0
    codes: dict[str, Json] = field(default_factory=dict)
    mistakes: list[str] = field(default_factory=list)

    def authorize(self, query: Mapping[str, str]) -> str:
        """The page with its button, which leads back with a code."""
        wanted = {
            "response_type": "code",
            "client_id": CLIENT,
            "redirect_uri": f"{PAGE}/",
            "scope": "openid email",
            "code_challenge_method": "S256",
        }
        self.mistakes += [name for name, value in wanted.items() if query.get(name) != value]
        code = f"login-{len(self.codes)}"
        self.codes[code] = dict(query)
        back = f"{PAGE}/?code={code}&state={query['state']}"
        return f'<!doctype html><title>Sign in</title><a href="{back}">Sign in</a>'

    def token(self, form: Mapping[str, str]) -> tuple[int, Json]:
        """Tokens for a code with its verifier, or for the refresh token."""
        if form.get("grant_type") == "refresh_token":
            good = form.get("refresh_token") == "refresh" and form.get("client_id") == CLIENT
        else:
            asked = self.codes.pop(form.get("code", ""), {})
            digest = sha256(form.get("code_verifier", "").encode()).digest()
            good = asked.get("code_challenge") == urlsafe_b64encode(digest).decode().rstrip("=")
            good &= form.get("redirect_uri") == f"{PAGE}/" and form.get("client_id") == CLIENT
        if not good:
            return 400, {"error": "invalid_grant"}
        self.tokens += 1
        fresh = {"access_token": f"token-{self.tokens}", "expires_in": 3600, "token_type": "Bearer"}
        return 200, fresh | (
            {} if form.get("grant_type") == "refresh_token" else {"refresh_token": "refresh"}
        )

    def knows(self, bearer: str) -> bool:
        """Whether it is a token of ours that lives."""
        told = re.fullmatch(r"Bearer token-(\d+)", bearer)
        return told is not None and self.expired < int(told[1]) <= self.tokens

    def expire(self) -> None:
        """Let all tokens end that there are."""
        self.expired = self.tokens


class Web:
    """Every address that a page may ask for.

    `mishaps` answers a call, once, in place of what would be answered.
    """

    def __init__(self, stage: Stage, files: Mapping[str, str]) -> None:
        self.stage = stage
        self.files = files
        self.login = Login()
        self.customer: Json = {}
        self.asked: list[str] = []
        self.strays: list[str] = []
        self.policy = ""
        self.mishaps: dict[str, Callable[[Any, Json], None]] = {}
        # The world lives in one thread, which is not the browser's.
        self._world = ThreadPoolExecutor(1)

    def close(self) -> None:
        """End its thread."""
        self._world.shutdown()

    def comes(self, **fields: Any) -> None:
        """A customer whose next popup brings a code."""
        self.customer = self._world.submit(self.stage.world.customer, **fields).result()

    def link(self, **fields: Any) -> str:
        """The token of a link for a new customer."""
        client = {"name": "Example Bakery", "email": "owner@bakery.example.com", "user_name": "Alex Example"}
        headers = {"authorization": f"Bearer {TENANT}", "content-type": "application/json"}
        body = json.dumps({"client": client} | fields)
        made = self._world.submit(self.stage.answer, "POST", "/v1/signup-links", headers, body).result()
        return str(json.loads(made["body"])["url"]).partition("#")[2]

    def happens(self, *told: Any) -> None:
        """Tell a simulator's admin routes what shall happen."""
        self._world.submit(self.stage.world.admin, *told).result()

    def answer(self, route: Any) -> None:
        """Answer one request of the browser."""
        request = route.request
        asked = urlsplit(request.url)
        origin = f"{asked.scheme}://{asked.netloc}"
        known = {PAGE: self._page, API: self._api, LOGIN: self._login, META: self._popup}
        if origin in known:
            known[origin](route, asked)
        elif re.fullmatch(r"https://connect\.facebook\.net/\w+/sdk\.js", request.url):
            route.fulfill(body=SDK, content_type=TYPES["js"])
        else:
            self.strays.append(request.url)
            route.abort()

    def _page(self, route: Any, asked: Any) -> None:
        name = asked.path.lstrip("/") or "index.html"
        if name not in self.files:
            route.fulfill(status=404, body="")
            return
        headers = {"Content-Type": TYPES[name.rpartition(".")[2]], "Content-Security-Policy": self.policy}
        route.fulfill(body=self.files[name], headers=headers)

    def _popup(self, route: Any, asked: Any) -> None:
        if asked.path.endswith("/dialog/oauth"):
            route.fulfill(body=self._dialog(dict(parse_qsl(asked.query))), content_type=TYPES["html"])
            return
        message = self.customer["session_info"]
        told = {"code": self.customer["code"], "event": message["event"], "data": message["data"]}
        route.fulfill(body=POPUP % json.dumps(told), content_type=TYPES["html"])

    def _dialog(self, query: Mapping[str, str]) -> str:
        """Meta's dialog where a page was led to it, which leads back."""
        ways = {
            "finish": {"code": self.customer["code"]},
            "cancel": {"error": "access_denied", "error_reason": "user_denied"},
        }
        page, state = query["redirect_uri"], {"state": query["state"]}
        back = {way: f"{page}?{urlencode(told | state)}#_=_" for way, told in ways.items()}
        links = "".join(f'<a id="{way}" href="{address}">{way}</a>' for way, address in back.items())
        return f"<!doctype html><title>Meta</title>{links}"

    def _login(self, route: Any, asked: Any) -> None:
        if asked.path == "/oauth2/authorize":
            body = self.login.authorize(dict(parse_qsl(asked.query)))
            route.fulfill(body=body, content_type=TYPES["html"])
            return
        form = {name: values[0] for name, values in parse_qs(route.request.post_data or "").items()}
        status, told = self.login.token(form)
        route.fulfill(status=status, json=told)

    def _api(self, route: Any, asked: Any) -> None:
        if asked.path == f"/signup/{BROWSER_MODULE.name}":
            module = BROWSER_MODULE.read_text(encoding="utf-8")
            seen = {"Access-Control-Allow-Origin": PAGE, "Content-Type": TYPES["js"]}
            route.fulfill(body=module, headers=seen)
            return
        headers = {name.lower(): value for name, value in route.request.headers.items()}
        call = f"{route.request.method} {re.sub(r'/(?=[a-z]*[0-9])[0-9a-z]{3,}', '/*', asked.path)}"
        linked = asked.path.startswith("/v1/linked-signup")
        bearer = None if linked else headers.get("authorization")
        if bearer and not bearer.startswith("Bearer token-"):
            self.strays.append(bearer)
        if bearer is not None and not self.login.knows(bearer):
            self.asked.append(f"{call} 401")
            unseen(route, 401, {"message": "Unauthorized"})
            return
        headers |= {"authorization": f"Bearer {TENANT}"} if bearer else {}
        answer = self._world.submit(self._told, route.request, asked, headers).result()
        self.asked.append(f"{call} {answer['statusCode']}")
        mishap = self.mishaps.pop(call, None)
        if mishap is not None:
            mishap(route, answer)
            return
        seen = {"Access-Control-Allow-Origin": PAGE, "Access-Control-Expose-Headers": EXPOSED}
        route.fulfill(
            status=answer["statusCode"], headers={**answer["headers"], **seen}, body=answer.get("body") or ""
        )

    def _told(self, request: Any, asked: Any, headers: dict[str, str]) -> Json:
        target = f"{asked.path}?{asked.query}" if asked.query else asked.path
        answer = self.stage.answer(request.method, target, headers, request.post_data or "")
        if "Retry-After" in answer["headers"]:
            self.stage.world.run(LATER)
            answer["headers"]["Retry-After"] = "1"  # the world's time has passed; the browser's need not
        return answer


def lost(route: Any, _answer: Json) -> None:
    """The call was done, and its answer is lost."""
    route.abort("connectionreset")


def unseen(route: Any, status: int, told: Json) -> None:
    """What the gateway itself answers: without CORS headers, so that no page sees it."""
    # An origin that is nobody's: left out, Playwright would add the page's.
    nobody = {"Access-Control-Allow-Origin": "https://nobody.example.com"}
    route.fulfill(status=status, headers=nobody, json=told)


class Visitor:
    """A person at one of the pages."""

    def __init__(self, web: Web, context: Any) -> None:
        self.web = web
        self.context = context
        self.troubles: list[str] = []
        context.set_default_timeout(PAGE_PATIENCE_MS)
        context.route("**/*", web.answer)
        self.page = context.new_page()
        self.page.on("pageerror", lambda error: self.troubles.append(str(error)))
        self.page.on("console", lambda message: self._heard(message.text))

    def _heard(self, text: str) -> None:
        if "Content Security Policy" in text:
            self.troubles.append(text)

    def opens(self, path: str = "/", *, signs_in: bool = True) -> None:
        """Open the page, by way of the login."""
        self.page.goto(f"{PAGE}{path}")
        if signs_in:
            self.page.get_by_role("link", name="Sign in").click()
            self.page.wait_for_url(f"{PAGE}{path}")

    def clicks(self, way: str = "finish") -> None:
        """Click the page's button once it can be used, and one in the popup."""
        with self.context.expect_page() as opened:
            self.page.get_by_role("button", name="Connect WhatsApp").click()
        with opened.value.expect_event("close"):
            last_click(opened.value.locator(f"#{way}"))

    def leaves(self, way: str = "finish") -> None:
        """Click the page's button once it can be used, and one at Meta's, which leads back."""
        self.page.get_by_role("button", name="Connect WhatsApp").click()
        self.page.wait_for_url(f"{META}/**")
        self.page.locator(f"#{way}").click()
        self.page.wait_for_url(f"{PAGE}/")

    def reads(self, text: str) -> None:
        """Wait for a text in the page's status."""
        self.page.get_by_role("status").get_by_text(text).wait_for()


def prepared(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """The stage, configured as the guide takes for granted."""
    flows = {STANDARD: Flow("9876543210", EXTRAS), "coexistence": Flow("8765432109", {})}
    links = LinkRules(days=7, return_origins=(PAGE,), refresh_url=None)
    rules = replace(stage.world.ports.rules, flows=flows, links=links, redirect_uris=(f"{PAGE}/",))
    stage.world.ports = replace(stage.world.ports, rules=rules)
    monkeypatch.setenv("META_SDK_BASE_URL", "https://connect.facebook.net")
    told = {name: {"config_id": flow.config_id, "extras": dict(flow.extras)} for name, flow in flows.items()}
    monkeypatch.setenv("SIGNUP_FLOWS", json.dumps(told))
    return stage


@contextmanager
def visiting(browser: Any, stage: Stage, files: Mapping[str, str]) -> Iterator[Visitor]:
    """A visitor of pages made of `files`; nothing may have gone wrong at the end."""
    web = Web(stage, files)
    context = browser.new_context()
    try:
        visitor = Visitor(web, context)
        yield visitor
        assert visitor.troubles == []
        assert web.strays == []
        assert web.login.mistakes == []
        assert stage.faults == []
    finally:
        context.close()
        web.close()


@contextmanager
def chromium() -> Iterator[Any]:
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
