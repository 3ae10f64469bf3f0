"""The console in a browser: real simulators, a stand-in for Onramp's API."""

import contextlib
import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final, cast

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from harness.waiting import PAGE_PATIENCE_MS
from local.console import page_app
from local.run import LocalStack
from local.simulators import Settings, Urls, build
from tests.local.browsers import chromium, listeners, served, url_of, watch

type Json = dict[str, Any]

pytestmark = pytest.mark.browser

AT: Final = "2026-11-26T08:30:00Z"
AXE: Final = Path(__file__).parents[2] / ".local" / "web" / "node_modules" / "axe-core" / "axe.min.js"
WABAS: Final = [{"waba_id": "71", "name": "First"}, {"waba_id": "72", "name": "Second"}]

# Stands for the browser module: it is ready at once, asks for a number, and has no signup of its own.
MODULE: Final = """
export function connect(options) {
  const told = {};
  const emit = (event, detail) => (told[event] ?? []).forEach((tell) => tell(detail));
  window.module = { options, emit, chosen: null, closed: false };
  setTimeout(() => emit("ready", {}), 50);
  return {
    status: "preparing",
    on(event, tell) { (told[event] ??= []).push(tell); },
    open() {
      emit("opened", {});
      emit("choice", {
        kind: "number",
        candidates: [{ phone_number_id: "1", display_phone_number: "+1 1" },
                     { phone_number_id: "2", display_phone_number: "+1 2" }],
        choose: (ids) => { window.module.chosen = ids; emit("connected", {}); },
      });
    },
    close() { window.module.closed = true; },
  };
}
"""


@dataclass
class Onramp:
    """An API with as much behaviour as the console can show."""

    url: str = ""
    signups: dict[str, Json] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    bodies: list[Json] = field(default_factory=list)
    reads: list[str] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    tasks: list[Json] = field(default_factory=list)
    refusal: Json | None = None
    ambiguous: bool = False
    retry_after: str | None = "1"
    ids: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def app(self) -> ASGIApp:
        cors = Middleware(
            CORSMiddleware,
            allow_origins=["*"],
            allow_methods=["*"],
            allow_headers=["*"],
            expose_headers=["ETag", "Retry-After"],
        )
        return Starlette(
            routes=[
                Route("/v1/config", self.config),
                Route("/v1/signups", self.listed),
                Route("/v1/signups", self.opened, methods=["POST"]),
                Route("/v1/signup-links", self.linked, methods=["POST"]),
                Route("/v1/signups/{signup_id}", self.read),
                Route("/v1/signups/{signup_id}/code", self.code, methods=["POST"]),
                Route("/v1/signups/{signup_id}/numbers", self.submitted, methods=["POST"]),
                Route("/v1/numbers/{number_id}/{action}", self.act, methods=["POST"]),
                Route("/signup", self.hosted),
            ],
            middleware=[cors],
        )

    def made(self, name: str, **changes: object) -> Json:
        """A signup of a customer."""
        signup_id = f"{next(self.ids):032x}"
        self.signups[signup_id] = {
            "id": signup_id,
            "status": "open",
            "client": {"name": name},
            "plan_tier": "regular",
            "waba": None,
            "numbers": [],
            "launch": {"flow": "standard"},
            "timeline": [{"at": AT, "event": "signup.opened"}],
        } | changes
        return self.signups[signup_id]

    def authorized(self, name: str, count: int = 2, **changes: object) -> Json:
        numbers = [number(index, status="listed") for index in range(count)]
        waba = {"id": "71", "name": f"{name} account", "proof": "granted_ids"}
        return self.made(name, **{"status": "authorized", "waba": waba, "numbers": numbers} | changes)

    async def config(self, _request: Request) -> Response:
        return JSONResponse({"flows": ["standard", "coexistence"]})

    async def listed(self, request: Request) -> Response:
        self.tokens.append(request.headers["authorization"].removeprefix("Bearer "))
        return JSONResponse({"signups": list(self.signups.values())[::-1], "cursor": None})

    async def opened(self, request: Request) -> Response:
        body = await request.json()
        self.bodies.append(body)
        if self.refusal is not None:
            return JSONResponse(self.refusal, 422)
        return JSONResponse(self.made(body["client"]["name"]), 201)

    async def linked(self, request: Request) -> Response:
        body = await request.json()
        self.bodies.append(body)
        signup = self.made(body["client"]["name"])
        link = {"id": "1", "signup_id": signup["id"], "url": f"{self.url}/signup#1.{'s' * 43}"}
        return JSONResponse(link, 201)

    async def hosted(self, _request: Request) -> Response:
        return HTMLResponse("<title>Hosted</title><h1>The hosted page</h1>")

    async def read(self, request: Request) -> Response:
        signup = self.signups[request.path_params["signup_id"]]
        self.reads.append(signup["id"])
        tag = f'"{hash(json.dumps(signup))}"'
        headers = {"ETag": tag} | ({"Retry-After": self.retry_after} if self.retry_after else {})
        if request.headers.get("if-none-match") == tag:
            return Response(None, 304, headers)
        return JSONResponse(signup, headers=headers)

    async def code(self, request: Request) -> Response:
        body = await request.json()
        self.bodies.append(body)
        signup = self.signups[request.path_params["signup_id"]]
        if self.ambiguous and "code" in body:
            told = {"code": "waba_ambiguous", "title": "Which account?", "candidates": WABAS}
            return JSONResponse(told | {"retryable": False}, 409)
        signup |= {"status": "authorized", "waba": {"id": "71", "name": "First", "proof": "granted_ids"}}
        signup["numbers"] = [number(0, status="listed")]
        return JSONResponse(signup)

    async def submitted(self, request: Request) -> Response:
        body = await request.json()
        self.bodies.append(body)
        signup = self.signups[request.path_params["signup_id"]]
        for item in signup["numbers"]:
            if item["phone_number_id"] in body.get("phone_number_ids", [item["phone_number_id"]]):
                item["status"] = "connected"
        signup["status"] = "connected"
        return JSONResponse(signup, 202)

    async def act(self, request: Request) -> Response:
        self.asked.append(request.path_params["action"])
        if self.asked[-1] != "reactivate":
            return JSONResponse(troubled("1"), 202)
        told = {
            "code": "nothing_to_reactivate",
            "title": "Nothing to undo",
            "detail": "It was not cancelled.",
        }
        return JSONResponse(told | {"retryable": False}, 409)

    def invoke(self, _function: str, event: Json) -> Json:
        self.tasks.append(event)
        return {"payload": event, "error": None}


def number(index: int, **changes: object) -> Json:
    return {
        "phone_number_id": f"10{index}",
        "display_phone_number": f"+1 201-555-01{index:02d}",
        "verified_name": "Bakery",
        "verification": "VERIFIED",
        "name_status": "APPROVED",
        "status": "connected",
        "channel_id": None,
        "steps": [],
        "failure": None,
        "checked_at": None,
        "next_attempt_at": None,
    } | changes


def troubled(phone_number_id: str) -> Json:
    """A number in every kind of trouble at once."""
    return number(0) | {
        "phone_number_id": phone_number_id,
        "name_status": "<b>DECLINED</b>",
        "attention": "channel_error",
        "attention_code": "display_name_rejected",
        "restriction": {"code": "account_restriction", "violation_type": "SPAM", "at": AT, "until": AT},
        "ending_at": AT,
        "wish": {"action": "cancel", "at": AT, "refused": "cancellation_rejected"},
        "waits_for": {"code": "live", "title": "360dialog has not brought it to life", "action": "Ask it"},
        "channel_id": "abc123CH",
        "checked_at": AT,
    }


class Letters:
    """The queues of a run: one dead letter of events."""

    def __init__(self) -> None:
        self.queues: dict[str, list[str]] = {"EventsDlq": ["letter"]}

    def depth(self, name: str) -> int:
        return len(self.queues.get(name, []))

    def receive_message(self, *, QueueUrl: str, MaxNumberOfMessages: int) -> Json:  # noqa: N803 - AWS's names
        found = self.queues.get(QueueUrl, [])[:MaxNumberOfMessages]
        return {"Messages": [{"Body": text, "ReceiptHandle": text} for text in found]} if found else {}

    def send_message(self, *, QueueUrl: str, MessageBody: str) -> None:  # noqa: N803 - AWS's names
        self.queues.setdefault(QueueUrl, []).append(MessageBody)

    def delete_message(self, *, QueueUrl: str, ReceiptHandle: str) -> None:  # noqa: N803 - AWS's names
        self.queues[QueueUrl].remove(ReceiptHandle)


@pytest.fixture
def onramp() -> Onramp:
    return Onramp()


@pytest.fixture
def addresses(onramp: Onramp) -> Iterator[Json]:
    with contextlib.ExitStack() as exits:
        names = exits.enter_context(listeners("page", "api", "meta", "dialog", "issuer"))
        url = {name: url_of(item) for name, item in names.items()}
        onramp.url = url["api"]
        urls = Urls(meta=url["meta"], dialog=url["dialog"], issuer=url["issuer"])
        settings = Settings(app_secret="a", partner_key="b", platform_secret="c", seed=1)
        simulators = build(settings, urls=urls)
        letters = Letters()
        run = SimpleNamespace(
            aws=SimpleNamespace(endpoint=url["api"], sqs=letters),
            api_url=url["api"],
            webhook_url=f"{url['api']}/webhook",
            upstreams=SimpleNamespace(
                partner=url["dialog"],
                graph=url["meta"],
                simulated={name: url[name] for name in ("meta", "dialog")},
            ),
            token=lambda tenant: f"token-of-{tenant}",
            queue_depth=letters.depth,
            queue_url=lambda name: name,
            invoke=onramp.invoke,
        )
        heard = iter(
            [[{"id": "e1", "time": AT, "detail-type": "number.live", "detail": {"signup_id": "01a2"}}]]
        )
        page = page_app(cast("LocalStack", run), hear=lambda: next(heard, []))
        for name, app in (
            ("page", page),
            ("api", onramp.app()),
            ("meta", simulators.meta),
            ("dialog", simulators.dialog),
        ):
            exits.enter_context(served(app, names[name]))
        yield url


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as made:
        yield made


@pytest.fixture
def page(browser: Any, addresses: Json) -> Iterator[Any]:
    """The console on a telephone, in the dark."""
    troubles: list[str] = []
    context = browser.new_context(viewport={"width": 360, "height": 740}, color_scheme="dark")
    made = context.new_page()
    made.set_default_timeout(PAGE_PATIENCE_MS)
    watch(made, troubles)
    made.route(
        "**/module/onramp.js", lambda route: route.fulfill(content_type="text/javascript", body=MODULE)
    )
    made.goto(addresses["page"])
    made.get_by_text("Your own systems have heard nothing").wait_for(state="hidden")
    yield made
    context.close()
    assert troubles == []


def reload(page: Any) -> None:
    page.reload()
    page.locator("#pipe li").first.wait_for()


def start(page: Any, way: str, **fields: str) -> None:
    page.get_by_label(way).check()
    for name, value in fields.items():
        page.locator(f"#new [name={name}]").fill(value)
    page.get_by_role("button", name="Start", exact=True).click()


def new_customer(page: Any) -> None:
    page.get_by_text("Before the signup").click()
    page.get_by_label("Business", exact=True).first.fill("Bakery <i>One</i>")
    page.get_by_role("button", name="Do it: A new customer", exact=True).click()
    page.get_by_text("A new customer: done").wait_for()


def dialog_state(addresses: Json) -> Json:
    state: Json = httpx.get(f"{addresses['dialog']}/admin/state", trust_env=False).json()
    return state


# --- starting a signup ------------------------------------------------------------------------------


def test_a_link_opens_the_hosted_page_in_a_window_of_its_own(page: Any, onramp: Onramp) -> None:
    with page.expect_popup() as opened:
        start(page, "By a link", name="Corner", email="corner@example.com")
    opened.value.get_by_text("The hosted page").wait_for()
    page.locator("#stage-name").get_by_text("Corner").wait_for()
    [body] = onramp.bodies
    assert body["success_url"].endswith("/returned.html")
    assert body["prefill"]["business"] == {"name": "Corner", "email": "corner@example.com"}
    assert page.locator("#link-address").get_attribute("href").endswith("s" * 43)
    assert "s" * 43 not in page.locator("#link-address").inner_text()


def test_a_link_is_there_to_be_opened_when_the_browser_blocks_its_window(page: Any, onramp: Onramp) -> None:
    page.evaluate("window.open = () => null")
    start(page, "By a link")
    page.get_by_text("the browser blocked its window").wait_for()
    assert page.evaluate("document.activeElement.id") == "link-address"
    assert len(onramp.bodies) == 1


def test_the_module_runs_on_the_page_and_asks_without_a_choice_made_for_anybody(
    page: Any, onramp: Onramp
) -> None:
    start(page, "On this page", name="Corner")
    page.get_by_role("button", name="Continue with Meta").click()
    [signup_id] = onramp.signups
    assert page.evaluate("module.options.signupId") == signup_id
    assert page.evaluate("module.options.token()") == "token-of-acme"
    form = page.locator("#embedded-choice")
    assert form.get_by_role("checkbox", checked=True).count() == 0
    form.get_by_role("button", name="Go on").click()
    form.get_by_text("Choose at least one number first.").wait_for()
    form.get_by_label("+1 2").check()
    form.get_by_role("button", name="Go on").click()
    page.get_by_text("Connected.", exact=True).wait_for()
    assert page.evaluate("module.chosen") == ["2"]


def test_a_module_that_is_not_there_is_said_to_be_missing(page: Any) -> None:
    page.unroute("**/module/onramp.js")
    page.route("**/module/onramp.js", lambda route: route.fulfill(status=404, body=""))
    start(page, "On this page")
    page.get_by_role("alert").get_by_text("The browser module is not built").wait_for()


def test_a_whole_signup_goes_through_at_one_click(page: Any, onramp: Onramp) -> None:
    start(page, "Without windows", name="Quick")
    page.get_by_text("the numbers are on their way").wait_for()
    page.locator("#numbers").get_by_text("connected", exact=True).first.wait_for()
    assert [sorted(body) for body in onramp.bodies[1:]] == [["code", "session_info"], ["phone_number_ids"]]


def test_enter_in_a_field_starts_and_never_cancels(page: Any, onramp: Onramp) -> None:
    page.get_by_label("Without windows").check()
    page.locator("#new [name=email]").focus()
    page.keyboard.press("Enter")
    page.get_by_text("the numbers are on their way").wait_for()
    assert len(onramp.signups) == 1


def test_a_person_may_be_faster_than_the_first_answers(page: Any, onramp: Onramp) -> None:
    def late(route: Any) -> None:
        page.wait_for_timeout(800)
        route.continue_()

    page.route("**/local/run", late)
    page.reload()
    start(page, "Without windows")
    page.get_by_text("the numbers are on their way").wait_for()
    assert len(onramp.signups) == 1


def test_a_tenant_typed_before_the_first_answers_stays(page: Any, onramp: Onramp) -> None:
    def late(route: Any) -> None:
        page.wait_for_timeout(800)
        route.continue_()

    page.route("**/local/run", late)
    page.reload()
    page.locator("#tenant [name=tenant]").fill("zebra")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_text("signed in as zebra").wait_for()
    assert page.locator("#tenant [name=tenant]").input_value() == "zebra"
    assert onramp.tokens[-1] == "token-of-zebra"


def test_a_second_click_while_the_first_is_under_way_starts_nothing(page: Any, onramp: Onramp) -> None:
    page.get_by_label("Without windows").check()
    page.evaluate("const form = document.getElementById('new'); form.requestSubmit(); form.requestSubmit();")
    page.get_by_text("the numbers are on their way").wait_for()
    assert len(onramp.signups) == 1


# --- mistakes ---------------------------------------------------------------------------------------


def test_what_is_missing_is_said_at_its_field_and_nothing_is_sent(page: Any, onramp: Onramp) -> None:
    start(page, "Without windows", name="", email="nobody")
    field = page.locator("#new [name=name]")
    assert field.get_attribute("aria-invalid") == "true"
    described = page.locator(f"#{field.get_attribute('aria-describedby')}")
    assert described.inner_text() == "Which company is it?"
    assert page.evaluate("document.activeElement.name") == "name"
    page.get_by_text("An email looks like owner@example.com.").wait_for()
    assert onramp.bodies == []
    field.fill("Corner")
    assert described.count() == 0


def test_what_the_api_refuses_is_said_at_its_field(page: Any, onramp: Onramp) -> None:
    errors = [{"field": "client.email", "message": "does not have the right form"}]
    onramp.refusal = {"code": "invalid_request", "title": "Not valid", "errors": errors, "retryable": False}
    start(page, "Without windows")
    page.locator("#new").get_by_text("Does not have the right form.").wait_for()
    assert page.evaluate("document.activeElement.name") == "email"
    assert page.get_by_role("alert").is_hidden()


def test_what_belongs_to_no_field_is_told_with_all_that_helps(page: Any, onramp: Onramp) -> None:
    errors = [{"field": "prefill.timezone", "message": "unknown"}]
    onramp.refusal = {"code": "invalid_request", "title": "Not valid", "errors": errors, "request_id": "r1"}
    start(page, "Without windows")
    alert = page.get_by_role("alert")
    for text in ("invalid_request", "r1", "prefill.timezone"):
        alert.get_by_text(text, exact=True).wait_for()
    alert.get_by_role("button", name="Dismiss").click()
    # The button has gone: the keyboard goes on in the page, not at its beginning.
    assert page.evaluate("document.activeElement.id") == "stage"


def test_no_number_is_chosen_for_anybody_and_an_empty_choice_says_what_to_do(
    page: Any, onramp: Onramp
) -> None:
    onramp.authorized("One")
    page.locator("#signups").get_by_text("One").click()
    form = page.locator("#decide")
    form.get_by_role("checkbox").first.wait_for()
    assert form.get_by_role("checkbox", checked=True).count() == 0
    form.get_by_role("button", name="Connect selected").click()
    form.get_by_text("Choose at least one number first.").wait_for()
    assert page.evaluate("document.activeElement.type") == "checkbox"
    form.get_by_label("+1 201-555-0101").check()
    form.get_by_role("button", name="Connect selected").click()
    page.locator("#numbers").get_by_text("+1 201-555-0101").wait_for()
    assert onramp.bodies[-1] == {"phone_number_ids": ["101"]}
    # The form has gone, and the focus not with it.
    assert page.evaluate("document.activeElement.id") == "stage-name"


def test_no_account_is_chosen_for_anybody_either(page: Any, onramp: Onramp) -> None:
    onramp.ambiguous = True
    start(page, "Without windows")
    form = page.locator("#decide")
    form.get_by_role("radio").first.wait_for()
    assert form.get_by_role("radio", checked=True).count() == 0
    form.get_by_role("button", name="Use this account").click()
    form.get_by_text("Choose an account first.").wait_for()
    form.get_by_label("Second").check()
    form.get_by_role("button", name="Use this account").click()
    page.locator("#stage-facts").get_by_text("First (71)").wait_for()
    assert onramp.bodies[-1] == {"waba_id": "72"}


def test_the_choice_of_one_signup_never_shows_in_another(page: Any, onramp: Onramp) -> None:
    onramp.authorized("One")
    other = onramp.authorized("Other", count=3)
    onramp.made("Third")
    page.locator("#signups").get_by_text("One").click()
    form = page.locator("#decide")
    form.get_by_label("+1 201-555-0100").check()
    page.locator("#signups").get_by_text("Other").click()
    form.get_by_label("+1 201-555-0102").wait_for()
    assert form.get_by_role("checkbox", checked=True).count() == 0
    page.locator("#signups").get_by_text("Third").click()
    page.locator("#stage-name").get_by_text("Third").wait_for()
    assert form.is_hidden()
    page.locator("#signups").get_by_text("Other").click()
    form.get_by_label("+1 201-555-0102").check()
    form.get_by_role("button", name="Connect selected").click()
    page.locator("#numbers").get_by_text("+1 201-555-0102").wait_for()
    statuses = [item["status"] for item in onramp.signups[other["id"]]["numbers"]]
    assert statuses == ["listed", "listed", "connected"]


def test_the_focus_stays_while_everything_is_drawn_anew(page: Any, onramp: Onramp) -> None:
    signup = onramp.made("One", status="connected", numbers=[number(0, channel_id="abc123CH")])
    page.locator("#signups").get_by_text("One").click()
    button = page.locator("#numbers").get_by_role("button", name="Check: +1")
    button.focus()
    signup["numbers"][0]["status"] = "restricted"
    page.locator("#numbers").get_by_text("restricted", exact=True).first.wait_for()
    assert page.evaluate("document.activeElement.textContent") == "Check"
    page.keyboard.press("Enter")
    page.get_by_text("check of +1 201-555-0100: taken").wait_for()
    assert page.evaluate("document.activeElement.textContent") == "Check"


def test_a_reload_resumes_with_the_same_tenant_and_signup(page: Any, onramp: Onramp) -> None:
    onramp.authorized("One")
    page.locator("#tenant [name=tenant]").fill("zebra")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_text("signed in as zebra").wait_for()
    page.locator("#signups").get_by_text("One").click()
    page.locator("#stage-name").get_by_text("One").wait_for()
    onramp.tokens.clear()
    reload(page)
    page.locator("#stage-name").get_by_text("One").wait_for()
    assert page.locator("#tenant [name=tenant]").input_value() == "zebra"
    assert set(onramp.tokens) == {"token-of-zebra"}


def test_accounts_to_choose_from_survive_a_reload(page: Any, onramp: Onramp) -> None:
    onramp.ambiguous = True
    start(page, "Without windows")
    page.locator("#decide").get_by_role("radio").first.wait_for()
    reload(page)
    page.locator("#decide").get_by_label("Second").wait_for()


def test_a_signup_is_read_as_often_as_retry_after_allows(page: Any, onramp: Onramp) -> None:
    onramp.retry_after = "30"
    onramp.made("One")
    page.locator("#signups").get_by_text("One").click()
    page.locator("#stage-name").get_by_text("One").wait_for()
    # Far longer than the page leaves anything else alone.
    page.wait_for_timeout(6500)
    assert len(onramp.reads) == 1
    # What a person does is no polling: it is looked at once.
    page.get_by_role("button", name="Run the sweep now").click()
    page.get_by_text("The sweep: has run").wait_for()
    page.wait_for_timeout(500)
    assert len(onramp.reads) == 2


# --- what is shown ----------------------------------------------------------------------------------


def test_numbers_are_shown_with_their_troubles_and_asked_for(page: Any, onramp: Onramp) -> None:
    onramp.made("One", status="attention", numbers=[troubled("1")])
    page.locator("#signups").get_by_text("One").click()
    card = page.locator("#numbers .number")
    for text in (
        "channel_error · display_name_rejected",
        "account_restriction · SPAM",
        "refused: cancellation_rejected",
        "360dialog has not brought it to life",
        "<b>DECLINED</b>",
    ):
        card.get_by_text(text).first.wait_for()
    page.locator("#timeline").get_by_text("Signup opened").wait_for()
    for label in ("Retry", "Check", "Cancel"):
        card.get_by_role("button", name=f"{label}: +1").click()
        page.get_by_text(f"{label.lower()} of +1 201-555-0100: taken, connected").wait_for()
    card.get_by_role("button", name="Reactivate: +1").click()
    page.get_by_role("alert").get_by_text("nothing_to_reactivate").wait_for()
    assert onramp.asked == ["retry", "check", "cancel", "reactivate"]


def test_the_bus_and_the_queues_are_shown_and_dead_letters_put_back(page: Any) -> None:
    row = page.locator("#bus").get_by_text("number.live")
    row.click()
    page.locator("#bus pre").get_by_text('"signup_id": "01a2"').wait_for()
    page.locator("#station-events").get_by_text("1 dead").wait_for()
    page.get_by_role("button", name="Put the letters of EventsDlq back").click()
    page.get_by_text("Letters of EventsDlq: 1 put back").wait_for()
    page.locator("#station-events").get_by_text("1 dead").wait_for(state="hidden")
    # What was opened stays open while the page reads on.
    assert page.locator("#bus pre").is_visible()


def test_a_webhook_is_shown_with_what_was_in_it(page: Any, addresses: Json) -> None:
    new_customer(page)
    page.get_by_label("Its client's email").fill("earlier@example.com")
    page.get_by_role("button", name="Do it: An earlier channel of the number").click()
    page.get_by_text("An earlier channel of the number: done").wait_for()
    page.get_by_text("What people do in the Hub").click()
    page.get_by_role("button", name="Do it: Request the cancellation").click()
    page.locator("#events").get_by_text("cancellation_request").click()
    [delivery] = dialog_state(addresses)["deliveries"]
    assert delivery["id"] in page.locator("#events pre").inner_text()


def test_the_schedule_is_run_on_request(page: Any, onramp: Onramp) -> None:
    for task in ("sweep", "census"):
        page.get_by_role("button", name=f"Run the {task} now").click()
        page.get_by_text(f"The {task}: has run").wait_for()
    assert onramp.tasks == [{"task": "sweep"}, {"task": "census"}]


def test_the_page_that_a_customer_returns_to_shows_what_it_was_given(page: Any, addresses: Json) -> None:
    page.goto(f"{addresses['page']}/returned.html?client=abc123CL&status=<b>connected</b>")
    page.get_by_text("<b>connected</b>").wait_for()
    page.get_by_text("abc123CL").wait_for()


# --- breaking and healing ---------------------------------------------------------------------------


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


def test_a_switch_without_its_subject_says_what_it_needs(page: Any, addresses: Json) -> None:
    page.get_by_text("What people do in the Hub").click()
    form = page.locator("#switch-remove")
    form.get_by_role("button").focus()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.textContent") == "Choose a channel above first."
    assert dialog_state(addresses)["deliveries"] == []


def test_drills_break_it_and_one_button_heals_everything(page: Any, addresses: Json) -> None:
    for drill in ("Lose every webhook", "360dialog is down", "Meta fails once", "A channel stands still"):
        page.get_by_role("button", name=drill).click()
        page.locator("#said").get_by_text(f"{drill}: ").wait_for()
    page.get_by_text("4 switched on").wait_for()
    page.locator("#troubles").get_by_text("webhooks: drop 1").wait_for()
    page.get_by_role("button", name="Heal everything").click()
    page.get_by_text("all well").wait_for()
    state = dialog_state(addresses)
    assert (state["faults"], state["webhook_faults"]["drop"]) == ([], 0)
    assert state["options"] == state["usual_options"]


def test_a_change_to_the_sdk_is_a_switch_too(page: Any, addresses: Json) -> None:
    page.get_by_text("In the customer's browser").click()
    form = page.locator("#switch-sdk")
    form.get_by_role("combobox").select_option(label="is blocked")
    form.get_by_role("button").click()
    page.locator("#troubles").get_by_text('Meta: sdk "blocked"').wait_for()
    assert httpx.get(f"{addresses['meta']}/en_US/sdk.js", trust_env=False).status_code == 403


# --- for everybody ----------------------------------------------------------------------------------


def full(page: Any, onramp: Onramp) -> None:
    """Everything that the page can show at once."""
    new_customer(page)
    onramp.made("Connected", status="attention", numbers=[troubled("1"), number(1, status="submitting")])
    waiting = onramp.authorized("Waiting", count=3)
    page.locator("#signups").get_by_text("Waiting").click()
    page.locator("#decide").get_by_role("checkbox").first.wait_for()
    waiting["numbers"].append(number(7, status="failed", failure={"title": "No", "code": "x", "action": "a"}))
    page.get_by_role("button", name="Lose every webhook").click()
    page.get_by_text("1 switched on").wait_for()
    start(page, "By a link", name="")
    page.evaluate("document.querySelectorAll('details').forEach((item) => { item.open = true; })")
    page.get_by_text("Which company is it?").wait_for()


def test_nothing_is_wider_than_a_telephone(page: Any, onramp: Onramp) -> None:
    full(page, onramp)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_keeps_anybody_out(page: Any, onramp: Onramp, scheme: str, width: int) -> None:
    if not AXE.exists():
        pytest.skip("axe-core is not installed")
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    full(page, onramp)
    page.locator("#signups").get_by_text("Connected").click()
    page.locator("#numbers .number").first.wait_for()
    page.wait_for_timeout(600)
    page.evaluate(AXE.read_text())
    found = page.evaluate(
        "axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa', 'best-practice']})"
    )
    told = [(item["id"], [node["html"][:200] for node in item["nodes"]][:3]) for item in found["violations"]]
    assert told == []
