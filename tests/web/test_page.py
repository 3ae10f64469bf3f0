"""The hosted page in a real browser, from the link to the connected number, and where that ends otherwise."""

import hashlib
import re
from pathlib import Path
from typing import Any

import pytest

from tests.web.page_browser import Visitor, browser, visiting, visitor
from tests.web.page_stage import LINK, TOKEN, failure, number, problem, second_number
from tests.web.screenshots import IN_APP, STATES, one_of_accounts, one_of_numbers

__all__ = ["browser", "visitor"]

pytestmark = pytest.mark.browser

SUCCESS = "https://wavedesk.example/done"
LATER = "https://wavedesk.example/later"
REFRESH = "https://wavedesk.example/new-link"
OTHER = f"lnk01a207a232804f7b.{'s' * 43}"


def asked(visitor: Visitor) -> list[str]:
    return [action for action, _ in visitor.stage.asked if action != "outcome"]


def connects(visitor: Visitor) -> None:
    """Through the popup to where the number is under way."""
    visitor.opens()
    visitor.clicks()
    visitor.screen("progress")


# --- the way ----------------------------------------------------------------------------------------


def test_a_shop_owner_goes_from_the_link_to_a_connected_number(visitor: Visitor) -> None:
    visitor.opens()
    assert visitor.heading() == "Connect your WhatsApp number with Wavedesk"
    assert "Hello Lena!" in visitor.page.locator("main").inner_text()
    visitor.clicks()
    visitor.screen("progress")
    assert asked(visitor) == ["code", "numbers"]
    assert visitor.stage.asked[-1][1] == {} or visitor.stage.asked[-1][0] == "numbers"
    live = visitor.page.locator("#live")
    for status, said in (("submitted", "WhatsApp is setting it up"), ("live", "One last check")):
        visitor.stage.moved("onboarding", number(status))
        live.get_by_text(said).wait_for()
        visitor.page.locator(".how", has_text=said).wait_for()
    visitor.stage.moved("connected", number("connected"))
    visitor.screen("connected")
    assert visitor.heading() == "All done, your number is connected"
    assert "h1" in visitor.focus()
    assert TOKEN not in visitor.stored()
    visitor.page.reload()
    visitor.screen("connected")
    assert TOKEN not in visitor.stored()


def test_the_token_leaves_the_address_bar_at_once_and_is_in_no_address(visitor: Visitor) -> None:
    visitor.opens()
    assert visitor.page.url == f"{visitor.stage.api}/signup"
    assert visitor.page.evaluate("history.length") <= 2
    (bearer,) = visitor.stage.bearers
    kind, _, sent = bearer.partition(" ")
    link, secret, visit = sent.split(".")
    assert (kind, f"{link}.{secret}") == ("Bearer", TOKEN)
    assert len(visit) >= 20


def test_a_reload_goes_on_with_the_same_visit(visitor: Visitor) -> None:
    visitor.opens()
    visitor.page.reload()
    visitor.screen("welcome")
    visitor.clicks()
    visitor.screen("progress")
    visitor.page.reload()
    visitor.screen("progress")
    assert asked(visitor) == ["code", "numbers"]
    assert len(visitor.stage.bearers) == 1


def test_the_tab_may_be_closed_while_the_number_is_under_way(visitor: Visitor) -> None:
    connects(visitor)
    visitor.page.close()
    visitor.stage.moved("onboarding", number("running"))
    visitor.page = visitor.tab()
    visitor.opens(token=None)
    visitor.screen("progress")
    visitor.page.locator(".how", has_text="being switched on").wait_for()
    visitor.stage.moved("connected", number("connected"))
    visitor.screen("connected")


def test_several_numbers_go_on_side_by_side(visitor: Visitor) -> None:
    visitor.stage.moved("onboarding", number("connected"), second_number("created"))
    visitor.opens()
    visitor.screen("progress")
    assert visitor.heading() == "Your numbers are being connected"
    told = visitor.page.locator(".number")
    assert told.count() == 2
    assert "Step 3 of 4" in told.nth(1).inner_text()


def test_a_keyboard_alone_is_enough(browser: Any, tmp_path: Path) -> None:
    with visiting(browser, tmp_path, viewport={"width": 1280, "height": 800}) as visitor:
        visitor.stage.on_code.append(one_of_accounts())
        visitor.opens()
        keys = visitor.page.keyboard
        keys.press("Tab")
        assert visitor.focus() == "a Skip to the content"
        keys.press("Enter")
        keys.press("Tab")
        visitor.page.locator(".first:not([aria-disabled])").wait_for()
        assert visitor.focus() == "button Continue with Meta"
        keys.press("Enter")
        visitor.screen("choice")
        assert "h1" in visitor.focus()
        keys.press("Tab")
        keys.press("ArrowDown")
        assert visitor.focus() == "input 102290129340399"
        keys.press("Enter")
        visitor.screen("progress")
        visitor.stage.moved("connected", number("connected"))
        visitor.screen("connected")
        keys.press("Tab")
        assert visitor.focus() == "button Continue to Wavedesk"
        keys.press("Tab")
        keys.press("Enter")
        visitor.page.get_by_text("You stay on this page.").first.wait_for()


# --- a choice ---------------------------------------------------------------------------------------


def test_a_person_chooses_among_several_accounts(visitor: Visitor) -> None:
    visitor.stage.on_code.append(one_of_accounts())
    visitor.opens()
    visitor.clicks()
    visitor.screen("choice")
    assert visitor.page.locator("input:checked").count() == 0
    visitor.page.get_by_role("button", name="Connect", exact=True).click()
    group = visitor.page.get_by_role("radiogroup", name="Your WhatsApp accounts")
    assert group.get_attribute("aria-invalid") == "true"
    assert visitor.page.locator("#wrong").inner_text() == "Choose one of the accounts, please."
    assert visitor.focus().startswith("input")
    visitor.page.get_by_label("Café Sommer").check()
    assert group.get_attribute("aria-invalid") is None
    assert visitor.page.locator("#wrong").inner_text() == ""
    visitor.page.get_by_role("button", name="Connect", exact=True).dblclick()
    visitor.screen("progress")
    codes = [body for action, body in visitor.stage.asked if action == "code"]
    assert codes[1:] == [{"waba_id": "102290129340399"}]


def test_a_person_chooses_among_several_numbers(visitor: Visitor) -> None:
    visitor.stage.on_numbers.append(one_of_numbers())
    visitor.opens()
    visitor.clicks()
    visitor.screen("choice")
    assert visitor.page.locator("input:checked").count() == 0
    visitor.page.get_by_role("button", name="Connect", exact=True).click()
    assert visitor.page.locator("#wrong").inner_text() == "Choose at least one number, please."
    for label in ("+49 30 901820", "+49 40 5550123"):
        visitor.page.get_by_label(label).check()
    visitor.page.get_by_role("button", name="Connect", exact=True).click()
    visitor.screen("progress")
    sent = [body for action, body in visitor.stage.asked if action == "numbers"]
    assert sent[1] == {"phone_number_ids": ["106540352242922", "106540352242923"]}


# --- dead ends --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "code", "title"),
    [
        (410, "link_expired", "This link has expired"),
        (410, "link_revoked", "This link has been withdrawn"),
        (410, "link_used", "This link has been used"),
        (401, "unauthenticated", "This link does not work"),
    ],
)
def test_a_dead_link_says_why_and_offers_a_new_one(
    visitor: Visitor, status: int, code: str, title: str
) -> None:
    visitor.stage.dead = problem(status, code, refresh_url=REFRESH)
    visitor.opens()
    assert visitor.heading() == title
    assert visitor.page.get_by_role("link", name="Get a new link").get_attribute("href") == REFRESH
    assert TOKEN not in visitor.stored()


def test_a_dead_link_without_a_way_to_a_new_one_says_whom_to_ask(visitor: Visitor) -> None:
    visitor.stage.dead = problem(410, "link_expired", refresh_url="javascript:alert(1)")
    visitor.opens()
    assert visitor.page.get_by_text("Please ask Wavedesk for a new link.").is_visible()
    assert visitor.page.get_by_role("link", name="Get a new link").count() == 0


@pytest.mark.parametrize(
    ("token", "title"),
    [
        (None, "Please open this page by your link"),
        (f"{LINK}.cut", "This link does not work"),
        ("<img src=x onerror=alert(1)>", "This link does not work"),
        ("%ff", "This link does not work"),
        (f"{LINK}.%E0%A4%A", "This link does not work"),
        (f"{TOKEN}%ff", "This link does not work"),
    ],
)
def test_without_a_whole_link_nothing_is_asked_for(visitor: Visitor, token: str | None, title: str) -> None:
    visitor.opens(token)
    assert visitor.heading() == title
    assert visitor.page.url == f"{visitor.stage.api}/signup"
    assert visitor.stage.bearers == set()


@pytest.mark.parametrize("before", [None, f"{LINK}.cut", TOKEN])
def test_a_link_that_is_opened_in_the_same_tab_begins_anew(visitor: Visitor, before: str | None) -> None:
    visitor.opens(before)
    visitor.page.evaluate("document.body.id = 'former'")
    visitor.opens(OTHER)
    visitor.page.locator("body:not(#former) [data-screen=welcome]").wait_for()
    assert visitor.page.url == f"{visitor.stage.api}/signup"
    assert any(OTHER in bearer for bearer in visitor.stage.bearers)


def test_the_way_past_the_top_of_the_page_is_no_link(visitor: Visitor) -> None:
    visitor.opens()
    visitor.page.evaluate("document.body.id = 'former'")
    visitor.page.keyboard.press("Tab")
    visitor.page.keyboard.press("Enter")
    visitor.page.locator("#former main:focus").wait_for()
    visitor.page.wait_for_url(f"{visitor.stage.api}/signup")
    visitor.page.locator("#former main:focus").wait_for()
    visitor.page.reload()
    visitor.screen("welcome")


def test_a_link_that_dies_in_the_middle_is_told(visitor: Visitor) -> None:
    visitor.opens()
    visitor.page.locator(".first:not([aria-disabled])").wait_for()
    visitor.stage.on_code.append(problem(410, "link_used"))
    visitor.clicks()
    visitor.screen("dead")
    assert visitor.heading() == "This link has been used"


def test_a_signup_that_has_expired_is_told(visitor: Visitor) -> None:
    visitor.stage.moved("expired")
    visitor.opens()
    assert visitor.heading() == "This sign-up has expired"


# --- what goes wrong --------------------------------------------------------------------------------


def test_a_closed_window_is_no_harm(visitor: Visitor) -> None:
    visitor.stage.how = "cancel"
    visitor.opens()
    visitor.clicks()
    visitor.screen("problem")
    assert "window was closed before the end." in visitor.page.locator("main").inner_text()
    again = visitor.page.get_by_role("button", name=re.compile("window again"))
    visitor.page.evaluate(
        "(() => { const answer = { authResponse: { code: 'c' } };"
        " window.FB.login = (told) => setTimeout(() => told(answer), 20); })()"
    )
    again.click()
    visitor.screen("progress")


@pytest.mark.parametrize(
    ("status", "code", "said"),
    [
        (410, "code_expired", "Too much time has passed"),
        (403, "waba_not_granted", "tick the WhatsApp account"),
        (403, "waba_blocked", "Ask for a review"),
        (502, "meta_configuration", "it is not your fault"),
        (409, "a_code_of_a_later_release", "Something unexpected has happened"),
    ],
)
def test_a_refusal_is_explained_with_what_to_do(visitor: Visitor, status: int, code: str, said: str) -> None:
    visitor.stage.on_code.append(problem(status, code))
    visitor.opens()
    visitor.clicks()
    visitor.screen("problem")
    text = visitor.page.locator("main").inner_text()
    assert said in text
    assert f"If you ask for help, name this: {code}" in text
    assert "h1" in visitor.focus()


def test_a_number_that_is_not_verified_is_sent_again_without_another_window(visitor: Visitor) -> None:
    visitor.stage.on_numbers.append(problem(422, "number_not_verified"))
    visitor.opens()
    visitor.clicks()
    visitor.screen("problem")
    visitor.page.get_by_role("button", name="Try again").click()
    visitor.screen("progress")
    assert asked(visitor) == ["code", "numbers", "numbers"]


def test_a_blocked_sdk_is_told_before_the_click(visitor: Visitor) -> None:
    visitor.stage.sdk = False
    visitor.opens()
    visitor.screen("problem")
    assert "An ad blocker or a privacy tool" in visitor.page.locator("main").inner_text()
    visitor.page.get_by_role("button", name="Open in another browser").click()
    visitor.screen("elsewhere")
    assert (
        visitor.page.get_by_label("Your personal link").input_value() == f"{visitor.stage.api}/signup#{TOKEN}"
    )


def test_numbers_that_failed_are_tried_again(visitor: Visitor) -> None:
    visitor.stage.moved("attention", number("failed", failure=failure("submission_rejected")))
    visitor.opens()
    visitor.screen("attention")
    assert "Your number was not accepted." in visitor.page.locator(".number").inner_text()
    visitor.page.get_by_role("button", name="Try again").click()
    visitor.screen("progress")
    assert asked(visitor) == ["retry"]


def test_what_no_retry_can_mend_has_no_button_for_one(visitor: Visitor) -> None:
    stopped = failure("client_rejected", retryable=False)
    until = {
        "code": "account_restriction",
        "until": "2026-12-24T00:00:00Z",
        "at": None,
        "violation_type": None,
    }
    visitor.stage.moved(
        "attention", number("failed", failure=stopped), second_number("restricted", restriction=until)
    )
    visitor.opens()
    visitor.screen("attention")
    assert visitor.page.get_by_role("button", name="Try again").count() == 0
    assert "Until December 24, 2026." in visitor.page.locator(".number").nth(1).inner_text()
    assert visitor.page.locator("main").get_by_role("link", name="Get help from Wavedesk").count() == 1


def test_offline_is_told_and_goes_on_by_itself(visitor: Visitor) -> None:
    connects(visitor)
    visitor.context.set_offline(True)
    notice = visitor.page.locator("#offline")
    notice.get_by_text("You are offline").wait_for()
    visitor.stage.moved("connected", number("connected"))
    visitor.context.set_offline(False)
    visitor.screen("connected")
    assert notice.inner_text() == ""


def test_inside_an_app_the_way_out_comes_first(browser: Any, tmp_path: Path) -> None:
    with visiting(browser, tmp_path, user_agent=IN_APP) as visitor:
        visitor.opens()
        visitor.screen("elsewhere")
        assert "Open in Safari" in visitor.page.locator("main").inner_text()
        visitor.context.grant_permissions(["clipboard-read", "clipboard-write"])
        visitor.page.get_by_role("button", name="Copy the link").click()
        visitor.page.get_by_text("The link is copied.").wait_for()
        assert (
            visitor.page.evaluate("navigator.clipboard.readText()") == f"{visitor.stage.api}/signup#{TOKEN}"
        )
        visitor.page.get_by_role("button", name="Try it here all the same").click()
        visitor.screen("welcome")


# --- back to the partner ----------------------------------------------------------------------------


def test_the_way_back_is_announced_and_can_be_stopped(visitor: Visitor) -> None:
    visitor.stage.moved("connected", number("connected"))
    visitor.page.clock.install()
    visitor.opens()
    visitor.screen("connected")
    assert visitor.page.locator("#live").inner_text() == "You are taken back in 15 seconds."
    visitor.page.get_by_role("button", name="Stay here").click()
    visitor.page.clock.run_for(60_000)
    assert visitor.page.url == f"{visitor.stage.api}/signup"


def test_the_way_back_is_taken_by_itself_with_the_parameters_of_the_link(visitor: Visitor) -> None:
    visitor.context.route(f"{SUCCESS}*", lambda route: route.fulfill(body="back"))
    visitor.stage.moved("connected", number("connected"))
    visitor.page.clock.install()
    visitor.opens()
    visitor.screen("connected")
    visitor.page.clock.run_for(16_000)
    visitor.page.wait_for_url(f"{SUCCESS}*")
    assert "client=abc123CL&channels=%5Bchn1CH%5D" in visitor.page.url


def test_giving_up_leads_to_the_partners_other_address(visitor: Visitor) -> None:
    visitor.context.route(f"{LATER}*", lambda route: route.fulfill(body="later"))
    visitor.opens()
    visitor.page.get_by_role("button", name="Not now, back to Wavedesk").click()
    visitor.page.wait_for_url(f"{LATER}*")


@pytest.mark.parametrize("address", ["javascript:alert(1)", "data:text/html,x", "no address", None])
def test_only_addresses_of_the_web_are_gone_to(visitor: Visitor, address: str | None) -> None:
    visitor.stage.link |= {"success_url": address, "failure_url": address}
    visitor.stage.page["support_url"] = address
    visitor.opens()
    assert visitor.page.get_by_role("button", name=re.compile("Not now")).count() == 0
    assert visitor.page.locator("footer a").count() == 0
    visitor.stage.moved("connected", number("connected"))
    visitor.page.reload()
    visitor.screen("connected")
    assert visitor.page.get_by_role("button", name=re.compile("Continue")).count() == 0


# --- languages and looks ------------------------------------------------------------------------------


def test_the_links_language_is_spoken_and_loaded_alone(visitor: Visitor) -> None:
    visitor.stage.link["language"] = "de"
    visitor.opens()
    assert visitor.heading() == "Verbinden Sie Ihre WhatsApp-Nummer mit Wavedesk"
    assert visitor.page.locator("html").get_attribute("lang") == "de"
    assert [url for url in visitor.asked if "lang-" in url] == [f"{visitor.stage.api}/signup/lang-de.json"]


def test_a_chosen_language_stays(visitor: Visitor) -> None:
    visitor.stage.link["language"] = "de"
    visitor.opens()
    visitor.page.get_by_label("Sprache").focus()
    visitor.page.get_by_label("Sprache").select_option("es")
    visitor.page.get_by_role("heading", name="Conecta tu número de WhatsApp con Wavedesk").wait_for()
    assert visitor.focus().startswith("select")
    visitor.page.reload()
    visitor.screen("welcome")
    assert visitor.page.title() == "Conecta tu número de WhatsApp con Wavedesk · Wavedesk"


def test_coexistence_asks_for_the_app_instead(visitor: Visitor) -> None:
    visitor.stage.flow = "coexistence"
    visitor.opens()
    text = visitor.page.locator(".points").inner_text()
    assert "2.24.17" in text
    assert "must not be in use" not in text


def test_a_logo_that_does_not_come_is_the_name(visitor: Visitor) -> None:
    visitor.stage.page["logo_url"] = f"{visitor.stage.meta}/no-logo.svg"
    visitor.opens()
    visitor.page.locator("#brand", has_text="Wavedesk").wait_for()


def test_any_colour_of_a_partner_stays_readable(visitor: Visitor) -> None:
    visitor.opens()
    wrong = visitor.page.evaluate(
        """async () => {
          const { colours, contrast, parse } = await import("/try/theme.js");
          const read = (text) => text.match(/\\d+/g).map(Number);
          const grounds = { light: [[246, 247, 246], [255, 255, 255]], dark: [[14, 19, 17], [22, 29, 26]] };
          const wrong = [];
          for (const accent of ["#000", "#fff", "#ffe600", "#25d366", "#5b3df5", "#777777", "#ff0000"]) {
            for (const [scheme, under] of Object.entries(grounds)) {
              const made = colours(scheme, parse(accent));
              const pairs = [[made.on, read(made.accent), 4.5]];
              for (const ground of [...under, read(made.tint)]) pairs.push([made.ink, ground, 4.5]);
              for (const ground of under) pairs.push([made.accent, ground, 3]);
              for (const [colour, ground, bound] of pairs) {
                const is = contrast(read(colour), ground);
                if (is < bound) wrong.push([accent, scheme, colour, ground, is]);
              }
            }
          }
          return wrong;
        }"""
    )
    assert wrong == []


@pytest.mark.parametrize(
    ("text", "size", "digest"),
    [
        ("Hello", 21, "34e3b5bc5d066a810a6bae431091920d154e874c9aa04dfe6b94346ac2ec7c20"),
        (
            f"https://signup.example.com/signup#{'a' * 26}.{'s' * 43}",
            37,
            "75c39e20896358eca3f46898edc635ea4e036f79d770d80ee6962effd09c2473",
        ),
        ("x" * 200, 53, "71ddfbc79101aebe329e96f941cecd5e8440af18575c5b44b1700da69a5e03d3"),
    ],
)
def test_a_qr_code_is_the_one_that_a_reader_has_read(
    visitor: Visitor, text: str, size: int, digest: str
) -> None:
    """The squares were read once by a public reader (jsqr 1.4); these are their digests."""
    visitor.opens()
    rows = visitor.page.evaluate(
        "async (text) => (await import('/try/qr.js')).qr(text).map((row) => row.map(Number).join(''))",
        text,
    )
    assert len(rows) == len(rows[0]) == size
    assert hashlib.sha256("\n".join(rows).encode()).hexdigest() == digest
    assert visitor.page.evaluate("import('/try/qr.js').then((made) => made.qr('x'.repeat(272)))") is None


def test_nothing_moves_for_who_does_not_want_it(browser: Any, tmp_path: Path) -> None:
    with visiting(browser, tmp_path, reduced_motion="reduce") as visitor:
        visitor.stage.moved("onboarding", number("ready"))
        visitor.opens()
        assert visitor.page.evaluate("document.getAnimations().length") == 0


def test_no_state_is_wider_than_the_smallest_screen(browser: Any, tmp_path: Path) -> None:
    width = 320
    for name, state in STATES.items():
        viewport = {"width": width, "height": 640}
        with visiting(browser, tmp_path / name, viewport=viewport, user_agent=state.agent) as visitor:
            state.reach(visitor.page, visitor.stage)
            visitor.context.set_offline(False)
            visitor.page.get_by_label("Language").select_option("de")
            visitor.page.locator("html[lang=de]").wait_for()
            assert visitor.page.evaluate("document.documentElement.scrollWidth") <= width, name


def test_without_script_the_page_says_so(browser: Any, tmp_path: Path) -> None:
    with visiting(browser, tmp_path, java_script_enabled=False) as visitor:
        visitor.page.goto(f"{visitor.stage.api}/signup")
        assert "needs JavaScript" in visitor.page.locator(".noscript").inner_text()


def test_an_address_that_is_not_there_is_answered_in_the_same_headers(visitor: Visitor) -> None:
    answer = visitor.page.goto(f"{visitor.stage.api}/signup/nothing")
    assert answer.status == 404
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert visitor.page.locator("h1").inner_text() == "There is nothing here"
