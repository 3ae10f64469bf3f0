"""The stand-in for Facebook's SDK, in a browser, under a page that knows nothing of it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from harness.waiting import PAGE_PATIENCE_MS
from local.simulators import Settings, Urls, build
from tests.local.browsers import chromium, last_click, listeners, served, url_of, watch

type Json = dict[str, Any]

pytestmark = pytest.mark.browser

AXE: Final = Path(__file__).parents[2] / ".local" / "web" / "node_modules" / "axe-core" / "axe.min.js"

# A front end as Meta's documentation shows it, but for the origin check, which is right here.
PAGE = """<!doctype html><meta charset="utf-8"><title>Shop</title><button id="go">Connect</button>
<script>
window.seen = [];
addEventListener("message", (event) => {
  const { protocol, hostname } = new URL(event.origin);
  if (protocol !== "https:" || !/(^|\\.)facebook\\.com$/.test(hostname)) return;
  try { window.seen.push(["message", JSON.parse(event.data)]); } catch { window.seen.push(["noise"]); }
});
window.fbAsyncInit = () => {
  FB.init({ appId: APP, autoLogAppEvents: true, xfbml: true, version: "v26.0" });
  window.seen.push(["ready"]);
};
document.getElementById("go").addEventListener("click", () => {
  try { FB.login((answer) => window.seen.push(["answer", answer]), OPTIONS); }
  catch (error) { window.seen.push(["threw", error.message]); }
});
</script>
<script async defer crossorigin="anonymous" src="SDK"
  onerror="window.seen.push(['blocked'])" onload="window.seen.push(['loaded'])"></script>"""

OPTIONS: Json = {
    "config_id": "9876543210",
    "response_type": "code",
    "override_default_response_type": True,
    "extras": {
        "setup": {
            "solutionID": "123456789012345",
            "business": {"name": "Corner <b>Shop</b>", "email": "corner@example.com"},
            "phone": {"displayName": "Corner"},
        }
    },
}


class Shop:
    """A front-end developer's page, with what it gives to the SDK."""

    def __init__(self, browser: Any, urls: Json) -> None:
        self.urls = urls
        self.troubles: list[str] = []
        self.page = browser.new_page()
        self.page.set_default_timeout(PAGE_PATIENCE_MS)
        watch(self.page, self.troubles)

    def open(
        self, *, options: Json | str = OPTIONS, app_id: str = "1234567890", locale: str = "en_US"
    ) -> None:
        text = options if isinstance(options, str) else json.dumps(options)
        html = PAGE.replace("APP", json.dumps(app_id)).replace("OPTIONS", text)
        Site.html = html.replace("SDK", f"{self.urls['meta']}/{locale}/sdk.js")
        self.page.goto(self.urls["shop"])

    def ready(self) -> None:
        self.page.wait_for_function("seen.some(([what]) => what === 'ready')")

    def popup(self) -> Any:
        self.ready()
        with self.page.expect_popup() as opened:
            self.page.get_by_role("button", name="Connect").click()
        watch(opened.value, self.troubles)
        opened.value.set_default_timeout(PAGE_PATIENCE_MS)
        if opened.value.url != "about:blank":
            opened.value.locator("h1:visible").first.wait_for()
        return opened.value

    def seen(self, count: int, skip: tuple[str, ...] = ("ready", "loaded")) -> list[Any]:
        wanted = "seen.filter(([what]) => !SKIP.includes(what))".replace("SKIP", json.dumps(skip))
        self.page.wait_for_function(f"{wanted}.length >= {count}")
        found: list[Any] = self.page.evaluate(wanted)
        return found


class Site:
    html = ""

    @staticmethod
    async def show(_request: Request) -> Response:
        return HTMLResponse(Site.html)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as made:
        yield made


@pytest.fixture
def urls() -> Iterator[Json]:
    with listeners("shop", "meta") as names:
        found = {name: url_of(listener) for name, listener in names.items()}
        settings = Settings(
            app_secret="a", partner_key="b", platform_secret="c", seed=1, other_flows={"coexistence": "777"}
        )
        meta = build(settings, urls=Urls(meta=found["meta"])).meta
        with served(Starlette(routes=[Route("/", Site.show)]), names["shop"]), served(meta, names["meta"]):
            yield found


@pytest.fixture
def shop(browser: Any, urls: Json) -> Iterator[Shop]:
    made = Shop(browser, urls)
    yield made
    made.page.close()
    assert made.troubles == []


def option(urls: Json, **options: object) -> None:
    httpx.patch(f"{urls['meta']}/admin/options", json=options, trust_env=False).raise_for_status()


def to_the_end(popup: Any) -> None:
    """Presses Enter on every step: it never cancels."""
    popup.get_by_role("heading", name="Choose a business portfolio").wait_for()
    popup.keyboard.press("Enter")
    for heading in (
        "Choose a WhatsApp account",
        "How people see you",
        "Add a phone number",
        "Verify the number",
    ):
        popup.get_by_role("heading", name=heading).wait_for()
        popup.get_by_role("button", name="Continue").focus()
        popup.keyboard.press("Enter")
    popup.get_by_role("heading", name="Review and confirm").wait_for()


def test_an_unchanged_page_gets_message_and_code_of_a_customer_who_went_all_the_way(shop: Shop) -> None:
    shop.open()
    popup = shop.popup()
    assert popup.get_by_label("Legal name").input_value() == "Corner <b>Shop</b>"
    to_the_end(popup)
    with popup.expect_event("close"):
        last_click(popup.get_by_role("button", name="Finish", exact=True))
    (first, message), (second, answer) = shop.seen(2)
    assert (first, second) == ("message", "answer")
    assert (message["type"], message["event"]) == ("WA_EMBEDDED_SIGNUP", "FINISH")
    assert message["data"].keys() == {"waba_id", "business_id", "phone_number_id"}
    assert answer["status"] == "connected"
    assert answer["authResponse"]["code"].startswith("AQ")


def test_message_and_code_come_in_the_order_that_was_chosen(shop: Shop) -> None:
    for order, wanted in (
        ("The code, then the message", ["answer", "message"]),
        ("The code alone: the message is lost", ["answer"]),
        ("The message alone: no callback", ["message"]),
    ):
        shop.open()
        popup = shop.popup()
        to_the_end(popup)
        popup.get_by_label("Window's message and the code").select_option(label=order)
        last_click(popup.get_by_role("button", name="Finish", exact=True))
        shop.seen(len(wanted))
        shop.page.wait_for_timeout(900)
        assert [what for what, *_ in shop.seen(len(wanted))] == wanted


def test_a_customer_cancels_at_a_step_or_reports_a_problem(shop: Shop) -> None:
    shop.open()
    popup = shop.popup()
    popup.get_by_role("button", name="Continue").click()
    popup.get_by_text("Leave in another way").click()
    last_click(popup.get_by_role("button", name="Cancel at WABA_PHONE_PROFILE_PICKER"))
    (_, message), (_, answer) = shop.seen(2)
    assert (message["event"], message["data"]) == ("CANCEL", {"current_step": "WABA_PHONE_PROFILE_PICKER"})
    assert answer == {"authResponse": None, "status": "unknown"}
    shop.open()
    popup = shop.popup()
    popup.get_by_text("Leave in another way").click()
    last_click(popup.get_by_role("button", name="Report a problem to Meta"))
    (_, message), _ = shop.seen(2)
    assert message["data"].keys() == {"error_message", "error_code", "session_id", "timestamp"}


@pytest.mark.parametrize(("closed", "answers"), [("callback", 1), ("silent", 0)])
def test_a_window_that_is_closed_answers_or_does_not(shop: Shop, closed: str, answers: int) -> None:
    option(shop.urls, popup_closed=closed)
    shop.open()
    shop.popup().close()
    shop.page.wait_for_timeout(1500)
    seen = shop.seen(answers)
    assert seen == [["answer", {"authResponse": None, "status": "unknown"}]] * answers


def test_coexistence_and_several_accounts_are_what_the_customer_chose(shop: Shop) -> None:
    shop.open(options=OPTIONS | {"config_id": "777", "extras": {}})
    popup = shop.popup()
    popup.get_by_text("coexistence flow").wait_for()
    popup.get_by_role("button", name="Continue").click()
    assert popup.get_by_label("A number of the WhatsApp Business app").is_checked()
    popup.locator("[name=accounts]").select_option("2")
    last_click(popup.get_by_role("button", name="Finish with what is shown"))
    (_, message), _ = shop.seen(2)
    assert message["event"] == "FINISH_WHATSAPP_BUSINESS_APP_ONBOARDING"
    assert message["data"].keys() == {"waba_id"}
    [customer] = httpx.get(f"{shop.urls['meta']}/admin/customers", trust_env=False).json()["customers"]
    assert len(customer["wabas"]) == 2


def test_a_customer_who_is_known_comes_again_with_an_unverified_number(shop: Shop) -> None:
    known = httpx.post(
        f"{shop.urls['meta']}/admin/signups", json={"business_name": "Known"}, trust_env=False
    ).json()
    shop.open()
    popup = shop.popup()
    popup.get_by_role("radio", name="Known").check()
    popup.get_by_role("button", name="Continue").click()
    popup.get_by_role("button", name="Continue").click()
    popup.get_by_role("heading", name="Add a phone number").wait_for()
    popup.get_by_label("A new number").check()
    popup.get_by_role("button", name="Continue").click()
    popup.get_by_label("Do it later").check()
    last_click(popup.get_by_role("button", name="Finish with what is shown"))
    (_, message), _ = shop.seen(2)
    customers = httpx.get(f"{shop.urls['meta']}/admin/customers", trust_env=False).json()["customers"]
    [found] = [item for item in customers if item["business_id"] == known["business_id"]]
    numbers = {item["id"]: item["code_verification_status"] for item in found["wabas"][0]["numbers"]}
    assert numbers[message["data"]["phone_number_id"]] == "NOT_VERIFIED"


@pytest.mark.parametrize(
    ("options", "app_id", "problem"),
    [
        (OPTIONS | {"config_id": "1"}, "1234567890", "belongs to no login configuration"),
        ({}, "1234567890", "without a config_id"),
        (OPTIONS, "1", "No app has this id"),
        (OPTIONS | {"extras": {"setup": {"solutionID": ""}}}, "1234567890", "solutionID is empty"),
        (OPTIONS | {"extras": {"setup": {"solutionID": "7"}}}, "1234567890", "names no solution"),
    ],
)
def test_a_launch_that_meta_refuses_shows_a_bare_page(
    shop: Shop, options: Json, app_id: str, problem: str
) -> None:
    shop.open(options=options, app_id=app_id)
    popup = shop.popup()
    popup.get_by_text(problem).wait_for()
    last_click(popup.get_by_role("button", name="Close the window"))
    assert shop.seen(1) == [["answer", {"authResponse": None, "status": "unknown"}]]


def test_a_launch_without_response_type_gives_no_code(shop: Shop) -> None:
    shop.open(options={"config_id": "9876543210"})
    popup = shop.popup()
    popup.get_by_text("What the page gave to FB.login").click()
    popup.get_by_text("the page gets a token, no code").wait_for()
    last_click(popup.get_by_role("button", name="Finish with what is shown"))
    (_, _), (_, answer) = shop.seen(2)
    assert "code" not in answer["authResponse"]


def test_a_callback_has_to_be_a_plain_function(shop: Shop) -> None:
    shop.open()
    shop.ready()
    shop.page.evaluate(
        "try { FB.login(async () => {}, {}); } catch (error) { seen.push(['threw', error.message]); }"
    )
    assert shop.seen(1) == [["threw", "Expression is of type asyncfunction, not function"]]


@pytest.mark.parametrize(
    ("mode", "seen"), [("blocked", ["blocked"]), ("empty", ["loaded"]), ("silent", ["loaded", "ready"])]
)
def test_an_sdk_that_is_blocked_emptied_or_mute(shop: Shop, mode: str, seen: list[str]) -> None:
    option(shop.urls, sdk=mode)
    shop.open()
    shop.seen(len(seen), skip=())
    shop.page.get_by_role("button", name="Connect").click()
    shop.page.wait_for_timeout(700)
    happened = [what for what, *_ in shop.seen(len(seen), skip=())]
    assert [what for what in happened if what != "threw"] == seen
    assert ("threw" in happened) is (mode != "silent")


def test_a_stub_opens_a_blank_window_and_says_nothing_of_use(shop: Shop) -> None:
    option(shop.urls, sdk="stub")
    shop.open()
    popup = shop.popup()
    assert shop.seen(1) == [["answer", {"status": "unknown"}]]
    assert popup.url == "about:blank"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_window_keeps_nobody_out_and_fits_a_telephone(shop: Shop, scheme: str) -> None:
    if not AXE.exists():
        pytest.skip("axe-core is not installed")
    httpx.post(f"{shop.urls['meta']}/admin/signups", json={"business_name": "Known"}, trust_env=False)
    shop.open(options=OPTIONS | {"response_type": "token"})
    popup = shop.popup()
    popup.set_viewport_size({"width": 360, "height": 740})
    popup.emulate_media(color_scheme=scheme)
    popup.evaluate("document.querySelectorAll('details').forEach((item) => { item.open = true; })")
    popup.evaluate(AXE.read_text())
    for step in range(6):
        found = popup.evaluate("axe.run(document)")
        told = [(item["id"], item["nodes"][0]["html"][:200]) for item in found["violations"]]
        assert (step, told) == (step, [])
        assert popup.evaluate("document.documentElement.scrollWidth") <= 360
        if step < 5:
            popup.get_by_role("button", name="Continue").click()


def test_any_locale_is_served_and_as_late_as_was_asked(urls: Json) -> None:
    with httpx.Client(base_url=urls["meta"], trust_env=False) as http:
        for locale in ("en_US", "de_DE", "es_LA", "pt_BR"):
            answer = http.get(f"/{locale}/sdk.js")
            assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
            assert "FB" in answer.text
        http.patch("/admin/options", json={"sdk_delay_seconds": 5})
        with pytest.raises(httpx.ReadTimeout):
            http.get("/en_US/sdk.js", timeout=0.5)


def test_what_browsers_get_is_no_call_of_the_graph_api(urls: Json) -> None:
    with httpx.Client(base_url=urls["meta"], trust_env=False) as http:
        for path in ("/en_US/sdk.js", "/v26.0/dialog/oauth", "/popup/popup.css"):
            assert http.get(path).is_success
        log = http.get("/admin/state").json()["requests"]
    assert not log or not any(log.values() if isinstance(log, dict) else log)


# --- without a window


def led_to_the_dialog(shop: Shop, **changes: str) -> None:
    """A page leads to the dialog by its address."""
    asked = {
        "client_id": "1234567890",
        "redirect_uri": f"{shop.urls['shop']}/",
        "config_id": "9876543210",
        "response_type": "code",
        "override_default_response_type": "true",
        "extras": json.dumps(OPTIONS["extras"]),
        "state": "state-1",
    }
    Site.html = "<!doctype html><title>Shop</title>"
    shop.page.goto(f"{shop.urls['meta']}/v26.0/dialog/oauth?{urlencode(asked | changes)}")


def led_back(shop: Shop) -> dict[str, str]:
    """What it is led back with."""
    shop.page.wait_for_url(f"{shop.urls['shop']}/**")
    assert urlsplit(shop.page.url).fragment == "_=_"
    return dict(parse_qsl(urlsplit(shop.page.url).query))


@pytest.mark.parametrize("known", [False, True])
def test_a_page_that_leads_to_the_dialog_is_led_back_with_a_code_for_that_page(
    shop: Shop, known: bool
) -> None:
    if known:
        httpx.post(f"{shop.urls['meta']}/admin/signups", json={"business_name": "Known"}, trust_env=False)
    led_to_the_dialog(shop)
    shop.page.get_by_role("heading", name="Choose a business portfolio").wait_for()
    assert shop.page.get_by_label("Legal name").input_value() == "Corner <b>Shop</b>"
    if known:
        shop.page.get_by_role("radio", name="Known Portfolio").check()
    shop.page.get_by_role("button", name="Finish with what is shown").click()
    answer = led_back(shop)
    assert answer.keys() == {"code", "state"}
    assert answer["state"] == "state-1"
    form = {"client_id": "1234567890", "client_secret": "a", "code": answer["code"]}
    address = f"{shop.urls['meta']}/v26.0/oauth/access_token"
    refused = httpx.post(address, data=form, trust_env=False).json()
    assert refused["error"]["error_subcode"] == 36008
    page = {"redirect_uri": f"{shop.urls['shop']}/"}
    assert "access_token" in httpx.post(address, data=form | page, trust_env=False).json()


@pytest.mark.parametrize(
    ("button", "error"),
    [
        ("Cancel at", "access_denied"),
        ("Report a problem", "access_denied"),
        ("Let Meta fail", "server_error"),
    ],
)
def test_a_customer_who_leaves_the_dialog_is_led_back_with_an_error(
    shop: Shop, button: str, error: str
) -> None:
    led_to_the_dialog(shop)
    shop.page.get_by_text("Leave in another way").click()
    shop.page.get_by_role("button", name=button).click()
    answer = led_back(shop)
    assert (answer["error"], answer["state"]) == (error, "state-1")
    assert "code" not in answer


@pytest.mark.parametrize(
    "changes",
    [{"redirect_uri": "http://shop.example/"}, {"redirect_uri": ""}, {"config_id": "1"}, {"client_id": "1"}],
)
def test_a_dialog_that_is_asked_wrongly_leads_nobody_back(shop: Shop, changes: dict[str, str]) -> None:
    led_to_the_dialog(shop, **changes)
    shop.page.get_by_role("heading", name="Sorry, something went wrong").wait_for()
    shop.page.wait_for_timeout(200)
    assert shop.page.url.startswith(shop.urls["meta"])
