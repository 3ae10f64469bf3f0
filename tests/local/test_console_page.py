"""The console in a browser: real simulators, a stand-in for Onramp's API."""

import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from local.run import LocalStack
from local.serve import page_app
from local.simulators import Settings, Urls, build

type Json = dict[str, Any]

pytestmark = pytest.mark.browser


@dataclass
class Onramp:
    """What the console shows of Onramp: one number in every kind of trouble at once."""

    phone_number_id: str = ""
    asked: list[str] = field(default_factory=list)
    tasks: list[Json] = field(default_factory=list)

    def app(self) -> ASGIApp:
        cors = Middleware(CORSMiddleware, allow_origins=["*"], allow_methods=["*"], allow_headers=["*"])
        return Starlette(
            routes=[
                Route("/v1/numbers", self.numbers),
                Route("/v1/signups/{signup_id}", self.signup),
                Route("/v1/numbers/{number_id}/{action}", self.act, methods=["POST"]),
            ],
            middleware=[cors],
        )

    def number(self) -> Json:
        at = "2026-11-26T08:30:00Z"
        return {
            "phone_number_id": self.phone_number_id,
            "display_phone_number": "+1 201-555-0100",
            "verification": "VERIFIED",
            "name_status": "<b>DECLINED</b>",
            "status": "connected",
            "attention": "channel_error",
            "attention_code": "display_name_rejected",
            "restriction": {"code": "account_restriction", "violation_type": "SPAM", "at": at, "until": at},
            "ending_at": at,
            "wish": {"action": "cancel", "at": at, "refused": "cancellation_rejected"},
            "waits_for": {
                "code": "live",
                "title": "360dialog has not brought it to life",
                "action": "Ask it",
            },
            "channel_id": "abc123CH",
            "signup_id": "01a2",
            "steps": [],
            "failure": None,
            "checked_at": at,
            "next_attempt_at": None,
        }

    async def numbers(self, _request: Request) -> Response:
        return JSONResponse({"numbers": [self.number()], "cursor": None})

    async def signup(self, _request: Request) -> Response:
        told = {"at": "2026-11-26T08:30:00Z", "event": "number.wish", "detail": "cancel"}
        return JSONResponse(
            {"numbers": [self.number()], "timeline": [told | {"phone_number_id": self.phone_number_id}]}
        )

    async def act(self, request: Request) -> Response:
        self.asked.append(request.path_params["action"])
        if self.asked[-1] != "reactivate":
            return JSONResponse(self.number(), 202)
        told = {
            "code": "nothing_to_reactivate",
            "title": "Nothing to undo",
            "detail": "It was not cancelled.",
        }
        return JSONResponse(told | {"retryable": False}, 409)

    def invoke(self, _function: str, event: Json) -> Json:
        self.tasks.append(event)
        return {"payload": event, "error": None}


@contextmanager
def served(app: ASGIApp, listener: socket.socket) -> Iterator[None]:
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", access_log=False, lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(timeout=5)


@pytest.fixture
def onramp() -> Onramp:
    return Onramp()


@pytest.fixture
def addresses(onramp: Onramp) -> Iterator[Json]:
    with ExitStack() as exits:
        names = ("page", "api", "meta", "dialog", "issuer")
        listeners = {name: exits.enter_context(socket.create_server(("127.0.0.1", 0))) for name in names}
        url = {name: f"http://127.0.0.1:{item.getsockname()[1]}" for name, item in listeners.items()}
        urls = Urls(meta=url["meta"], dialog=url["dialog"], issuer=url["issuer"])
        settings = Settings(app_secret="a", partner_key="b", platform_secret="c", seed=1)
        simulators = build(settings, urls=urls)
        run = SimpleNamespace(
            aws=SimpleNamespace(endpoint=url["api"]),
            api_url=url["api"],
            webhook_url=f"{url['api']}/webhook",
            upstreams=SimpleNamespace(
                partner=url["dialog"],
                graph=url["meta"],
                simulated={name: url[name] for name in ("meta", "dialog")},
            ),
            token=lambda _tenant: "token",
            invoke=onramp.invoke,
        )
        page = page_app(cast("LocalStack", run))
        for name, app in (
            ("page", page),
            ("api", onramp.app()),
            ("meta", simulators.meta),
            ("dialog", simulators.dialog),
        ):
            exits.enter_context(served(app, listeners[name]))
        yield url


@pytest.fixture
def page(addresses: Json) -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no Chromium on this machine")
    troubles: list[str] = []
    with (
        playwright.sync_playwright() as player,
        player.chromium.launch(executable_path=chromium, args=["--no-sandbox"]) as browser,
    ):
        made = browser.new_page(viewport={"width": 360, "height": 740}, color_scheme="dark")
        made.set_default_timeout(30_000)
        made.on("pageerror", lambda error: troubles.append(str(error)))
        made.on("console", lambda message: troubles.append(message.text) if policy(message.text) else None)
        made.goto(f"{addresses['page']}/console.html")
        yield made
    assert troubles == []


def policy(text: str) -> bool:
    return "Content Security Policy" in text


def new_customer(page: Any) -> None:
    page.get_by_label("Business", exact=True).first.fill("Bakery <i>One</i>")
    page.get_by_role("button", name="Do it: A new customer", exact=True).click()
    page.get_by_text("A new customer: done").wait_for()


def dialog_state(addresses: Json) -> Json:
    state: Json = httpx.get(f"{addresses['dialog']}/admin/state", trust_env=False).json()
    return state


def test_a_person_throws_switches(page: Any, addresses: Json) -> None:
    new_customer(page)
    page.get_by_role("heading", name="Bakery <i>One</i> account").wait_for()
    page.get_by_label("Its client's email").fill("earlier@example.com")
    page.get_by_role("button", name="Do it: An earlier channel of the number").click()
    page.get_by_text("An earlier channel of the number: done").wait_for()
    [channel] = dialog_state(addresses)["channels"]
    page.get_by_text("What people do in the Hub").click()
    page.get_by_role("button", name="Do it: Remove the channel").click()
    page.get_by_text("Remove the channel: done").wait_for()
    [after] = dialog_state(addresses)["channels"]
    assert (after["id"], after["removed"]) == (channel["id"], True)
    page.locator(f"[data-key='channel-{channel['id']}']").wait_for()


def test_a_switch_shows_what_holds_and_changes_it(page: Any, addresses: Json) -> None:
    httpx.patch(f"{addresses['dialog']}/admin/options", json={"stop_at": "ready"}, trust_env=False)
    page.get_by_text("Pace, stops and lags").click()
    form = page.locator("#switch-stop_at")
    form.get_by_role("combobox").locator("option:checked", has_text="ready").wait_for(state="attached")
    form.get_by_role("combobox").select_option(label="nowhere")
    form.get_by_role("button").click()
    page.get_by_text("Stop at: done").wait_for()
    assert dialog_state(addresses)["options"]["stop_at"] is None


def test_webhook_faults_are_changed_one_at_a_time(page: Any, addresses: Json) -> None:
    page.get_by_text("Webhooks on their way").click()
    for name, title in (("drop", "Drop"), ("duplicate", "Duplicate")):
        form = page.locator(f"#switch-{name}")
        form.get_by_role("textbox").fill("0.5")
        form.get_by_role("button").click()
        page.get_by_text(f"{title}: done").wait_for()
    held = dialog_state(addresses)["webhook_faults"]
    assert (held["drop"], held["duplicate"]) == (0.5, 0.5)


def test_numbers_are_shown_with_their_troubles_and_asked_for(page: Any, onramp: Onramp) -> None:
    new_customer(page)
    onramp.phone_number_id = page.locator("#choose-number").input_value()
    page.get_by_role("button", name="Show its numbers").click()
    card = page.locator("#numbers .card")
    for text in (
        "channel_error · display_name_rejected",
        "account_restriction · SPAM",
        "refused: cancellation_rejected",
        "360dialog has not brought it to life",
        "<b>DECLINED</b>",
    ):
        card.get_by_text(text).first.wait_for()
    page.locator("#timeline").get_by_text("Number wish").wait_for()
    for label in ("Retry", "Check", "Cancel"):
        card.get_by_role("button", name=f"{label}: +1").click()
        page.get_by_text(f"{label.lower()} of +1 201-555-0100: taken, connected").wait_for()
    card.get_by_role("button", name="Reactivate: +1").click()
    page.get_by_role("alert").get_by_text("nothing_to_reactivate").wait_for()
    assert onramp.asked == ["retry", "check", "cancel", "reactivate"]


def test_the_schedule_is_run_on_request(page: Any, onramp: Onramp) -> None:
    for task in ("sweep", "census"):
        page.get_by_role("button", name=f"Run the {task} now").click()
        page.get_by_text(f"The {task}: has run").wait_for()
    assert onramp.tasks == [{"task": "sweep"}, {"task": "census"}]


def test_nothing_is_wider_than_a_telephone(page: Any) -> None:
    new_customer(page)
    page.evaluate("document.querySelectorAll('details').forEach((item) => { item.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
