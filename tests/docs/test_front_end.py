"""What docs/front-end.md prints for a browser works there as printed."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.node import use_packaged_node
from infra.paths import ROOT
from tests.clients.conftest import Stage, stage
from tests.docs.front_end import (
    API,
    GUIDE,
    LOGIN,
    PAGE,
    Visitor,
    block,
    chromium,
    lost,
    prepared,
    visiting,
)

__all__ = ["stage"]


HAND = {name: block(name) for name in ("by-hand.js", "token.js")} | {"index.html": block("by-hand.html")}
ASKING = '<!doctype html><p role="status"></p><script type="module" src="asking.js"></script>'
ASKS = """
import { getToken } from "./token.js";
const status = document.querySelector("p");
const [one, other] = await Promise.all([getToken(), getToken()]);
status.textContent = `${one} ${other}`;
window.again = async () => { status.textContent = await getToken(true); };
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as running:
        yield running


@pytest.fixture
def onramp(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Stage:
    return prepared(stage, monkeypatch)


# --- a token ----------------------------------------------------------------------------------------

SIGN_IN = {
    "index.html": ASKING,
    "asking.js": ASKS,
    "deeper/page.html": ASKING.replace("asking.js", "/asking.js"),
    "token.js": HAND["token.js"],
}


@pytest.mark.browser
def test_a_token_is_had_from_the_user_pool_and_renewed(browser: Any, onramp: Stage) -> None:
    with visiting(browser, onramp, SIGN_IN) as visitor:
        visitor.opens()
        visitor.reads("token-1 token-1")
        visitor.page.reload()
        visitor.reads("token-1 token-1")
        visitor.page.evaluate("again()")
        visitor.reads("token-2")
        assert visitor.web.login.codes == {}


@pytest.mark.browser
def test_the_login_leads_back_to_the_page_that_was_left(browser: Any, onramp: Stage) -> None:
    with visiting(browser, onramp, SIGN_IN) as visitor:
        visitor.opens("/deeper/page.html?plan=2#here")
        visitor.reads("token-1 token-1")
        assert visitor.page.url == f"{PAGE}/deeper/page.html?plan=2#here"


@pytest.mark.browser
def test_a_login_that_the_page_did_not_ask_for_is_not_taken(browser: Any, onramp: Stage) -> None:
    with visiting(browser, onramp, SIGN_IN) as visitor:
        visitor.page.goto(f"{PAGE}/?code=login-0&state=somebody-elses")
        visitor.page.get_by_role("link", name="Sign in").click()
        visitor.reads("token-1 token-1")


# --- written by hand ----------------------------------------------------------------------------------


@pytest.fixture
def hand(browser: Any, onramp: Stage) -> Iterator[Visitor]:
    with visiting(browser, onramp, HAND) as visitor:
        yield visitor


@pytest.mark.browser
@pytest.mark.parametrize("way", ["finish", "silent"])
def test_the_client_written_by_hand_connects_a_number(hand: Visitor, way: str) -> None:
    hand.web.comes()
    hand.opens()
    hand.clicks(way)
    hand.reads("connected")
    assert hand.page.evaluate("window.logins[0].extras.setup.solutionID") == "123456789012345"


@pytest.mark.browser
def test_it_tells_where_a_customer_gave_up_and_takes_another_click(hand: Visitor) -> None:
    hand.web.comes()
    hand.opens()
    hand.clicks("cancel")
    hand.reads("Nothing is lost")
    hand.clicks()
    hand.reads("connected")
    assert "POST /v1/signups/*/outcome 204" in hand.web.asked


@pytest.mark.browser
def test_it_asks_the_person_which_number(hand: Visitor) -> None:
    hand.web.comes(numbers=2)
    hand.opens()
    hand.clicks("silent")
    hand.reads("Which one?")
    hand.page.get_by_role("button", name="+").last.click()
    hand.reads("connected")


@pytest.mark.browser
def test_it_asks_the_person_which_account(hand: Visitor) -> None:
    hand.web.comes(wabas=[{"name": "Bakery One"}, {"name": "Bakery Two"}])
    hand.opens()
    hand.clicks("silent")
    hand.page.get_by_role("button", name="Bakery Two").click()
    hand.reads("connected")
    signup_id = hand.web.stage.world.number(hand.web.customer["wabas"][1]["numbers"][0]["id"]).signup_id
    assert signup_id


@pytest.mark.browser
def test_a_code_that_came_second_goes_on_where_the_first_has_led(hand: Visitor) -> None:
    hand.web.comes(numbers=2)
    hand.opens()
    other = hand.context.new_page()
    other.goto(hand.page.url)
    other.get_by_role("link", name="Sign in").click()
    other.wait_for_url(hand.page.url)
    other.wait_for_function("!document.querySelector('#connect').disabled")
    hand.clicks("silent")
    hand.reads("Which one?")
    hand.web.comes()
    hand.page = other
    hand.clicks("silent")
    hand.reads("Which one?")
    assert "POST /v1/signups/*/code 409" in hand.web.asked


@pytest.mark.browser
def test_a_lost_answer_to_the_code_loses_nothing(hand: Visitor) -> None:
    hand.web.comes()
    hand.opens()
    hand.web.mishaps["POST /v1/signups/*/code"] = lost
    hand.clicks()
    hand.reads("connected")
    assert hand.web.asked.count("POST /v1/signups/*/code 200") == 2


@pytest.mark.browser
def test_a_reload_goes_on_where_the_signup_is(hand: Visitor) -> None:
    hand.web.comes(numbers=2)
    hand.opens()
    hand.clicks("silent")
    hand.reads("Which one?")
    hand.page.reload()
    hand.reads("Which one?")
    hand.page.get_by_role("button", name="+").first.click()
    hand.reads("connected")
    assert hand.web.asked.count("POST /v1/signups/*/code 200") == 1


@pytest.mark.browser
def test_a_poll_that_fails_once_ends_nothing(hand: Visitor) -> None:
    hand.web.comes()
    hand.opens()
    hand.web.mishaps["GET /v1/signups/*"] = lost
    hand.clicks()
    hand.reads("connected")


@pytest.mark.browser
def test_metas_outage_is_answered_by_the_same_code_again(hand: Visitor) -> None:
    hand.web.comes()
    hand.web.happens(
        "meta",
        "faults",
        {"kind": "error_before", "status": 503, "times": 1, "match": {"path": "/oauth/access_token$"}},
    )
    hand.opens()
    hand.clicks()
    hand.reads("connected")
    assert "POST /v1/signups/*/code 502" in hand.web.asked


@pytest.mark.browser
def test_a_token_that_expires_in_the_middle_is_renewed(hand: Visitor) -> None:
    hand.web.comes()
    hand.opens()
    hand.page.get_by_role("button", name="Connect WhatsApp").wait_for()
    hand.page.wait_for_function("!document.querySelector('#connect').disabled")
    hand.web.login.expire()
    hand.clicks()
    hand.reads("connected")
    assert "POST /v1/signups/*/code 401" in hand.web.asked


# --- the browser module ---------------------------------------------------------------------------------

MODULE = ROOT / "web" / "dist" / "onramp.js"
PACKAGES = ROOT / ".local" / "web" / "node_modules"
BUNDLE = Path(__file__).with_name("bundle.mjs")
ROOT_PAGE = (
    '<!doctype html><meta charset="utf-8"><div id="root"></div><script type="module" src="app.js"></script>'
)
SIGNUP = (
    '{ client: { name: "Example Bakery", email: "owner@bakery.example.com", user_name: "Alex Example" } }'
)
PROPS = f'{{ api: "{API}", token: getToken, signup: {SIGNUP}, idempotencyKey: "order-4711" }}'
MOUNTED = {
    "ConnectWhatsApp.jsx": f"""
import {{ createElement }} from "react";
import {{ createRoot }} from "react-dom/client";
import {{ ConnectWhatsApp }} from "./ConnectWhatsApp.jsx";
import {{ getToken }} from "./token.js";
createRoot(document.querySelector("#root")).render(createElement(ConnectWhatsApp, {PROPS}));
""",
    "ConnectWhatsApp.vue": f"""
import {{ createApp }} from "vue";
import ConnectWhatsApp from "./ConnectWhatsApp.vue";
import {{ getToken }} from "./token.js";
createApp(ConnectWhatsApp, {PROPS}).mount("#root");
""",
}


@pytest.fixture
def module() -> str:
    text = MODULE.read_text(encoding="utf-8")
    if "connect" not in text:
        pytest.skip("web/dist/onramp.js is not built: make web")
    return text


@pytest.fixture
def bundle(tmp_path: Path, module: str) -> Callable[[str], str]:
    return lambda name: bundled(tmp_path, name, module)


def bundled(folder: Path, name: str, module: str) -> str:
    """A component of the guide in a page of its own, as its framework's tools would make it."""
    if not PACKAGES.is_dir():
        pytest.skip("the frameworks are not installed: make web")
    for file, text in {name: block(name), "token.js": HAND["token.js"], "onramp.js": module}.items():
        (folder / file).write_text(text, encoding="utf-8")
    (folder / "main.js").write_text(MOUNTED[name], encoding="utf-8")
    use_packaged_node()
    command = [os.environ.get("JSII_NODE", "node"), BUNDLE, PACKAGES, folder / "main.js", folder / "app.js"]
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return (folder / "app.js").read_text(encoding="utf-8")


def connects(visitor: Visitor, *, numbers: int = 1) -> None:
    """Sign in, go through the popup, choose a number of several, reload, and see it connected."""
    visitor.web.comes(numbers=numbers)
    visitor.opens()
    visitor.clicks("silent" if numbers > 1 else "finish")
    if numbers > 1:
        visitor.page.get_by_role("button", name="+").first.click()
    visitor.reads("Connected.")
    visitor.page.reload()
    visitor.reads("Connected.")
    assert visitor.web.asked.count("POST /v1/signups/*/code 200") == 1
    number = visitor.web.customer["wabas"][0]["numbers"][0]["id"]
    assert visitor.web.stage.world.number(number).status == "connected"


@pytest.mark.browser
@pytest.mark.parametrize("numbers", [1, 2])
def test_the_lines_for_plain_html_connect_a_number(
    browser: Any, onramp: Stage, module: str, numbers: int
) -> None:
    files = {"index.html": block("index.html"), "token.js": HAND["token.js"], "onramp.js": module}
    with visiting(browser, onramp, files) as visitor:
        connects(visitor, numbers=numbers)


@pytest.mark.browser
def test_the_lines_of_the_readme_connect_a_number(browser: Any, onramp: Stage, module: str) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    files = {"index.html": block("connect.html", readme), "token.js": HAND["token.js"], "onramp.js": module}
    with visiting(browser, onramp, files) as visitor:
        visitor.web.comes()
        visitor.opens()
        visitor.clicks()
        visitor.page.get_by_role("button", name="Connected").wait_for()


@pytest.mark.browser
def test_a_popup_that_is_closed_is_explained_and_another_click_connects(
    browser: Any, onramp: Stage, module: str
) -> None:
    files = {"index.html": block("index.html"), "token.js": HAND["token.js"], "onramp.js": module}
    with visiting(browser, onramp, files) as visitor:
        visitor.web.comes()
        visitor.opens()
        visitor.clicks("cancel")
        visitor.page.wait_for_function("document.querySelector('#state').textContent.length > 20")
        visitor.clicks()
        visitor.reads("Connected.")


@pytest.mark.browser
def test_a_token_that_expires_behind_the_popup_is_renewed_for_the_module(
    browser: Any, onramp: Stage, module: str
) -> None:
    files = {"index.html": block("index.html"), "token.js": HAND["token.js"], "onramp.js": module}
    with visiting(browser, onramp, files) as visitor:
        visitor.web.comes()
        visitor.opens()
        visitor.page.wait_for_function("!document.querySelector('#connect').disabled")
        visitor.web.login.expire()
        visitor.clicks()
        visitor.reads("Connected.")
        assert "POST /v1/signups/*/code 401" in visitor.web.asked


POLICY = (
    "default-src 'none'; script-src 'self' https://connect.facebook.net{more}; "
    f"connect-src {API} {LOGIN} https://graph.facebook.com https://www.facebook.com; "
    "frame-src https://www.facebook.com https://web.facebook.com"
)


@pytest.mark.browser
def test_the_client_by_hand_runs_under_the_policy_that_is_told(hand: Visitor) -> None:
    assert "`frame-src https://www.facebook.com https://web.facebook.com`" in GUIDE
    hand.web.policy = POLICY.format(more="")
    hand.web.comes()
    hand.opens()
    hand.clicks()
    hand.reads("connected")


@pytest.mark.browser
def test_a_page_may_take_the_module_from_the_stack(browser: Any, onramp: Stage, module: str) -> None:
    assert "`<ApiUrl>/signup/onramp.js`" in GUIDE
    html = block("index.html")
    script = html.partition('<script type="module">')[2].partition("</script>")[0]
    files = {
        "index.html": html.replace(script, "").replace('type="module"', 'type="module" src="app.js"'),
        "app.js": script.replace("./onramp.js", f"{API}/signup/onramp.js"),
        "token.js": HAND["token.js"],
    }
    with visiting(browser, onramp, files) as visitor:
        visitor.web.policy = POLICY.format(more=f" {API}")
        visitor.web.comes()
        visitor.opens()
        visitor.clicks()
        visitor.reads("Connected.")


@pytest.mark.browser
def test_the_element_connects_a_number(browser: Any, onramp: Stage, module: str) -> None:
    element = MODULE.with_name("onramp-element.js").read_text(encoding="utf-8")
    files = {"index.html": block("element.html"), "token.js": HAND["token.js"]}
    files |= {"onramp.js": module, "onramp-element.js": element}
    with visiting(browser, onramp, files) as visitor:
        visitor.web.comes()
        visitor.opens()
        visitor.clicks()
        visitor.page.wait_for_function("document.title === 'connected'")


@pytest.mark.browser
def test_the_lines_for_a_script_tag_connect_a_number(browser: Any, onramp: Stage, module: str) -> None:
    built = MODULE.with_name("onramp.global.js").read_text(encoding="utf-8")
    files = {"index.html": block("script-tag.html"), "token.js": HAND["token.js"], "onramp.global.js": built}
    with visiting(browser, onramp, files) as visitor:
        visitor.web.comes()
        visitor.opens()
        visitor.clicks()
        visitor.reads("Connected.")


@pytest.mark.browser
@pytest.mark.parametrize("numbers", [1, 2])
def test_a_link_leads_through_a_page_of_ones_own_and_back(
    browser: Any, onramp: Stage, module: str, numbers: int
) -> None:
    files = {"own-page.html": block("own-page.html"), "onramp.js": module, "done.html": "<!doctype html>"}
    with visiting(browser, onramp, files) as visitor:
        visitor.web.comes(numbers=numbers)
        token = visitor.web.link(success_url=f"{PAGE}/done.html")
        visitor.page.goto(f"{PAGE}/own-page.html#{token}")
        visitor.page.wait_for_function("!document.querySelector('#connect').disabled")
        assert visitor.page.url == f"{PAGE}/own-page.html"
        visitor.page.reload()
        visitor.clicks("silent" if numbers > 1 else "finish")
        if numbers > 1:
            visitor.page.get_by_role("button", name="+").first.click()
        visitor.page.wait_for_url(f"{PAGE}/done.html?*status=connected*")


@pytest.mark.browser
def test_a_page_of_ones_own_without_a_link_asks_for_one_and_takes_it_in_the_same_tab(
    browser: Any, onramp: Stage, module: str
) -> None:
    files = {"own-page.html": block("own-page.html"), "onramp.js": module}
    with visiting(browser, onramp, files) as visitor:
        visitor.web.comes()
        visitor.page.goto(f"{PAGE}/own-page.html")
        visitor.reads("Please open this page by your link.")
        assert visitor.page.evaluate("sessionStorage.length") == 0
        assert visitor.web.asked == []
        visitor.page.goto(f"{PAGE}/own-page.html#{visitor.web.link()}")
        visitor.page.wait_for_function("!document.querySelector('#connect').disabled")
        assert visitor.page.url == f"{PAGE}/own-page.html"


@pytest.mark.browser
@pytest.mark.parametrize("numbers", [1, 2])
def test_the_lines_without_a_popup_connect_a_number(browser: Any, onramp: Stage, numbers: int) -> None:
    built = MODULE.with_name("onramp-redirect.js").read_text(encoding="utf-8")
    files = {"index.html": block("redirect.html"), "token.js": HAND["token.js"], "onramp-redirect.js": built}
    with visiting(browser, onramp, files) as visitor:
        visitor.web.comes(numbers=numbers, redirect_uri=f"{PAGE}/")
        visitor.opens()
        visitor.leaves("cancel")
        visitor.reads("You have left Meta's signup")
        visitor.leaves()
        if numbers > 1:
            visitor.page.get_by_role("button", name="+").first.click()
        visitor.reads("Connected.")
        assert visitor.page.url == f"{PAGE}/"
        visitor.page.reload()
        visitor.reads("Connected.")
        assert visitor.web.asked.count("POST /v1/signups/*/code 200") == 1
        assert visitor.web.asked.count("POST /v1/signups/*/outcome 204") == 1


@pytest.mark.browser
@pytest.mark.parametrize("numbers", [1, 2])
@pytest.mark.parametrize("name", MOUNTED)
def test_a_frameworks_component_connects_a_number(
    browser: Any, onramp: Stage, bundle: Callable[[str], str], name: str, numbers: int
) -> None:
    files = {"index.html": ROOT_PAGE, "app.js": bundle(name)}
    with visiting(browser, onramp, files) as visitor:
        connects(visitor, numbers=numbers)
