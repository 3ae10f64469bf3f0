"""The browser module where browsers, extensions, frames and networks are hostile: each with a stub."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.web.module_stage import (
    CANCEL,
    FINISH,
    REPORTED,
    SIGNUP_ID,
    WORKS,
    Person,
    browser,
    gateway,
    meeting,
    person,
)

__all__ = ["browser", "person"]

pytestmark = pytest.mark.browser

RENEWS = "token: (renew) => ((window.renewed ||= renew) ? 'token-2' : 'token-1')"
INSTAGRAM = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Mobile/22F76 Instagram 390.0.0.31.85 (iPhone15,3; iOS 18_5; en_US)"
)
NO_WINDOWS = "void (window.open = () => null);"
STUB = """
window.FB = {
  init() {},
  login(callback) {
    window.blank = window.open("about:blank", "_blank", "width=600,height=700");
    if (%s) setTimeout(() => callback({ status: "unknown" }), 50);
  },
};
"""


def fails(person: Person, code: str, action: str, count: int = 1) -> None:
    """Wait for that failure: it says something, and `open` leads on unless nothing does."""
    failed = person.hears("failed", count)
    assert (failed["code"], failed["action"]) == (code, action)
    assert failed["retryable"] == (action not in {"support", "elsewhere", "new_tab"})
    assert failed["message"].endswith(".")
    assert failed["status"] == "failed"


def succeeds(person: Person) -> None:
    person.clicks()
    person.answers()
    person.connects()


# --- the SDK ------------------------------------------------------------------------------------------


def test_an_sdk_that_is_refused_is_said_before_the_click_and_asked_for_again_by_one(person: Person) -> None:
    person.sdk = None
    person.opens()
    fails(person, "sdk_blocked", "reload")
    assert person.outcome() == {"outcome": "sdk_blocked"}
    person.sdk = WORKS
    person.page.click("#go")
    succeeds(person)
    assert person.api.asked().count("POST signups") == 1


def test_an_sdk_that_never_comes_has_a_time_limit(person: Person) -> None:
    person.sdk = "never"
    person.opens(sdkTimeout=500)
    fails(person, "sdk_blocked", "reload")
    assert person.outcome() == {"outcome": "sdk_blocked"}


def test_an_sdk_without_content_is_a_blocked_one(person: Person) -> None:
    person.sdk = ""
    person.opens(sdkTimeout=500)
    fails(person, "sdk_blocked", "reload")


def test_an_sdk_that_only_notes_calls_for_later_is_waited_for(person: Person) -> None:
    """A call that it notes would open the window after the click, and be blocked."""
    person.sdk = f"window.FB = {{ __buffer: {{}}, login() {{}} }}; window.comes = () => {{ {WORKS} }};"
    person.opens()
    person.page.wait_for_function("Boolean(window.comes)")
    assert person.heard("ready") == []
    person.page.evaluate("comes()")
    succeeds(person)


def test_what_the_page_waits_for_from_the_sdk_itself_is_still_told(person: Person) -> None:
    person.page.add_init_script("window.fbAsyncInit = () => { window.own = true; };")
    person.opens()
    person.hears("ready")
    assert person.page.evaluate("own") is True


def test_an_sdk_that_the_page_has_loaded_is_used(person: Person) -> None:
    person.page.add_init_script(WORKS)
    person.opens()
    succeeds(person)
    assert person.sdk_asked == []


def test_a_privacy_tools_stub_with_a_blank_window_is_named_and_its_window_closed(person: Person) -> None:
    person.page.add_init_script(STUB % "true")
    person.opens()
    person.hears("ready")
    with person.context.expect_page() as opened:
        person.page.click("#go")
    fails(person, "sdk_blocked", "reload")
    person.page.wait_for_function("blank.closed")
    assert opened.value.url == "about:blank"
    assert person.outcome() == {"outcome": "sdk_blocked"}


def test_a_stub_with_a_blank_window_and_no_answer_is_named_too(person: Person) -> None:
    person.page.add_init_script(STUB % "false")
    person.page.clock.install()
    person.opens()
    person.hears("ready")
    person.page.click("#go")
    person.hears("opened")
    person.page.clock.fast_forward(16_000)
    fails(person, "sdk_blocked", "reload")


def test_a_login_that_does_nothing_is_no_answer(person: Person) -> None:
    person.sdk = "window.FB = { init() {}, login() {} };"
    person.page.clock.install()
    person.opens()
    person.hears("ready")
    person.page.click("#go")
    person.hears("opened")
    person.page.clock.fast_forward(6_000)
    fails(person, "no_answer", "open")
    assert person.outcome() == {"outcome": "no_answer"}


def test_a_login_that_throws_is_a_blocked_sdk(person: Person) -> None:
    person.sdk = "window.FB = { init() {}, login() { throw new Error('no'); } };"
    person.opens()
    person.hears("ready")
    person.page.click("#go")
    fails(person, "sdk_blocked", "reload")
    assert person.heard("opened") != []


# --- the window ---------------------------------------------------------------------------------------


def test_a_blocked_window_is_told_at_once_and_another_click_opens_it(person: Person) -> None:
    person.opens()
    person.hears("ready")
    person.page.evaluate(f"window.really = window.open; {NO_WINDOWS}")
    person.page.click("#go")
    fails(person, "popup_blocked", "open")
    assert person.outcome() == {"outcome": "blocked"}
    person.page.evaluate("void (window.open = really)")
    succeeds(person)


def test_the_browsers_own_open_is_there_again_after_the_click(person: Person) -> None:
    person.page.add_init_script("window.was = window.open;")
    person.opens()
    person.clicks()
    assert person.page.evaluate("window.open === was") is True


def test_a_window_that_is_closed_without_a_callback_is_noticed(person: Person) -> None:
    person.opens()
    person.clicks().close()
    fails(person, "popup_closed", "open")
    assert person.outcome() == {"outcome": "closed"}
    assert person.heard("closed")[0]["outcome"] == "closed"
    succeeds(person)


@pytest.mark.parametrize("after_failure", [False, True], ids=["within_the_grace", "after_it"])
def test_a_code_that_comes_after_the_window_is_gone_still_counts(person: Person, after_failure: bool) -> None:
    person.opens()
    person.clicks().close()
    if after_failure:
        person.hears("failed")
    person.page.evaluate("callbacks[0]({ authResponse: { code: 'late' } })")
    person.connects()
    assert person.api.told("POST code") == [{"code": "late"}]
    assert len(person.heard("failed")) == int(after_failure)


def test_a_customer_who_cancels_is_told_of_with_the_step(person: Person) -> None:
    person.opens()
    person.clicks()
    person.says(CANCEL)
    person.answers(None)
    fails(person, "cancelled", "open")
    assert person.heard("failed")[0]["meta"]["step"] == "PHONE_NUMBER_SETUP"
    assert person.outcome() == {"outcome": "cancelled", "step": "PHONE_NUMBER_SETUP"}


def test_a_cancellation_that_is_told_behind_its_callback_keeps_its_step(person: Person) -> None:
    person.opens()
    person.clicks()
    person.answers(None)
    person.says(CANCEL)
    fails(person, "cancelled", "open")


def test_an_error_that_a_customer_reports_keeps_what_metas_support_asks_for(person: Person) -> None:
    person.opens()
    person.clicks()
    person.says(REPORTED)
    person.answers(None)
    fails(person, "reported_error", "open")
    meta = {"error_code": "524126", "session_id": "f34b51", "step": None}
    assert person.heard("failed")[0]["meta"] == meta
    assert person.outcome() == {"outcome": "reported_error", "error_code": "524126", "session_id": "f34b51"}


def test_a_page_that_is_left_with_the_window_open_tells_that_it_was_abandoned(person: Person) -> None:
    person.opens()
    person.clicks()
    person.context.unroute_all()
    person.page.goto(f"{person.page_address}/onramp.js")
    assert person.outcome() == {"outcome": "abandoned"}


def test_a_page_that_is_left_after_the_code_tells_nothing(person: Person) -> None:
    person.opens()
    succeeds(person)
    person.page.goto(f"{person.page_address}/onramp.js")
    assert "POST outcome" not in person.api.asked()


def test_a_page_whose_policy_cuts_the_window_off_is_told_so(browser: Any) -> None:
    with meeting(browser, headers={"Cross-Origin-Opener-Policy": "same-origin"}) as person:
        person.opens()
        person.hears("ready")
        person.page.click("#go")
        fails(person, "opener_policy", "support")
        assert person.outcome() == {"outcome": "no_answer"}


def test_a_policy_that_allows_popups_is_none_in_the_way(browser: Any) -> None:
    with meeting(browser, headers={"Cross-Origin-Opener-Policy": "same-origin-allow-popups"}) as person:
        person.opens()
        succeeds(person)


# --- where the page is --------------------------------------------------------------------------------


def framed(person: Person, sandbox: str, **options: Any) -> Person:
    """The page in a frame of another one; what is asked afterwards is asked of the frame."""
    outer = person.page
    outer.goto(f"{person.page_address}/frame?sandbox={sandbox}")
    person.page = outer.frame_locator("iframe").owner.element_handle().content_frame()
    person.begins(**options)
    return person


@pytest.mark.parametrize("sandbox", ["allow-scripts", "allow-scripts allow-same-origin allow-popups"])
def test_a_sandboxed_frame_offers_a_tab_before_the_click(person: Person, sandbox: str) -> None:
    fails(framed(person, sandbox), "framed", "new_tab")


def test_a_frame_out_of_which_no_window_opens_says_so_at_the_click(person: Person) -> None:
    framed(person, "allow-scripts allow-same-origin", anyway=True)
    person.hears("ready")
    person.page.click("#go")
    fails(person, "framed", "new_tab")
    assert person.outcome() == {"outcome": "blocked"}


@pytest.mark.parametrize("where", ["app", "installed"])
def test_inside_an_app_it_says_so_before_the_click_and_a_click_goes_on_anyway(
    browser: Any, where: str
) -> None:
    with meeting(browser, user_agent=INSTAGRAM if where == "app" else None) as person:
        if where == "installed":
            person.page.add_init_script("Object.defineProperty(navigator, 'standalone', { value: true });")
        person.opens()
        failed = person.hears("failed")
        assert (failed["code"], failed["action"]) == ("in_app_browser", "elsewhere")
        assert person.api.calls == []
        person.page.click("#go")
        succeeds(person)


def test_a_browser_that_keeps_nothing_still_goes_through_a_link(person: Person) -> None:
    person.page.add_init_script(
        "Object.defineProperty(window, 'localStorage', { get() { throw new Error('no'); } });"
    )
    person.api.linked = True
    person.opens()
    succeeds(person)
    assert len({call.headers.get("authorization") for call in person.api.calls} - {None}) == 1


# --- who speaks ---------------------------------------------------------------------------------------

FORGED = [
    "https://evilfacebook.com",
    "https://facebook.com.evil.example",
    "https://www.facebook.com.evil.example",
    "https://facebook.community",
    "https://evil.example",
]
MADE_UP = ["http://www.facebook.com", "null", "", "https://www.facebook.com@evil.example", "www.facebook.com"]


def ambiguity(person: Person) -> Callable[[], list[Any]]:
    """Through the popup with a code; what was sent as the popup's message."""
    person.answers()
    person.connects()
    return lambda: [sent.get("session_info") for sent in person.api.told("POST code")]


@pytest.mark.parametrize("origin", FORGED)
def test_a_window_of_another_origin_is_not_believed(person: Person, origin: str) -> None:
    person.opens()
    person.clicks()
    with person.context.expect_page() as opened:
        person.page.evaluate("(address) => void window.open(address)", f"{origin}/")
    opened.value.wait_for_function("Boolean(window.say)")
    opened.value.evaluate("(message) => say(message)", FINISH)
    person.page.evaluate("(origin) => { window.seen = origin; }", origin)
    assert ambiguity(person)() == [None]


@pytest.mark.parametrize("origin", MADE_UP)
def test_an_origin_that_only_looks_like_metas_is_not_believed(person: Person, origin: str) -> None:
    person.opens()
    person.clicks()
    person.page.evaluate(
        "(made) => dispatchEvent(new MessageEvent('message', made))",
        {"origin": origin, "data": json.dumps(FINISH)},
    )
    assert ambiguity(person)() == [None]


@pytest.mark.parametrize("host", ["web.facebook.com", "facebook.com", "business.facebook.com"])
def test_every_host_of_metas_is_believed(person: Person, host: str) -> None:
    person.sdk = WORKS.replace("www.facebook.com", host)
    person.opens()
    person.clicks()
    person.says(FINISH)
    assert ambiguity(person)() == [FINISH]


@pytest.mark.parametrize(
    "said", ["not json", "", "null", "[1]", '"text"', '{"type":"other"}', "cb=f1&domain=www.facebook.com"]
)
def test_other_messages_of_metas_are_passed_over(person: Person, said: str) -> None:
    person.opens()
    person.clicks()
    person.says(said)
    person.page.evaluate("postMessage({ type: 'WA_EMBEDDED_SIGNUP' }, '*')")
    assert ambiguity(person)() == [None]


def test_a_finish_is_not_undone_by_what_comes_behind_it_and_is_kept_word_for_word(person: Person) -> None:
    unknown = FINISH | {"event": "FINISH_SOMETHING_NEW", "version": 4}
    person.opens()
    person.clicks()
    person.says(unknown)
    person.says(CANCEL)
    assert ambiguity(person)() == [unknown]


# --- the network --------------------------------------------------------------------------------------


def test_a_page_that_is_opened_offline_gets_ready_once_there_is_a_connection(person: Person) -> None:
    person.page.goto(person.page_address)
    person.page.wait_for_function("window.loaded")
    person.context.set_offline(True)
    person.begins()
    assert person.hears("progress")["step"] == "offline"
    person.context.set_offline(False)
    succeeds(person)
    assert person.heard("failed") == []


def test_a_network_that_is_lost_over_the_code_loses_nothing(person: Person) -> None:
    person.opens()
    person.clicks()
    person.context.set_offline(True)
    person.page.evaluate("callbacks[0]({ authResponse: { code: 'code-1' } })")
    person.page.wait_for_function("heard.some((one) => one.step === 'offline')")
    assert "POST code" not in person.api.asked()
    person.context.set_offline(False)
    person.connects()
    assert person.heard("failed") == []


def test_a_network_that_is_lost_while_it_waits_ends_nothing(person: Person) -> None:
    person.api.state = "onboarding"
    person.opens(signupId=SIGNUP_ID)
    person.hears("progress")
    person.context.set_offline(True)
    person.page.wait_for_function("!navigator.onLine")
    person.api.moved("connected")
    person.context.set_offline(False)
    person.hears("connected")
    assert person.heard("failed") == []


def test_a_service_that_does_not_answer_can_be_asked_again_by_a_click(person: Person) -> None:
    person.page.clock.install()
    person.api.turns["POST numbers"] = [gateway(503)] * 99
    person.opens()
    person.clicks()
    person.answers()
    while not person.heard("failed"):
        asked = len(person.api.told("POST numbers"))
        person.page.clock.fast_forward(2_000)
        person.waits(lambda asked=asked: _moved(person, asked))  # type: ignore[misc]
    fails(person, "unavailable", "again")
    person.api.turns.clear()
    person.page.click("#go")
    person.connects()
    assert len(person.api.told("POST code")) == 1


def _moved(person: Person, asked: int) -> bool:
    return len(person.api.told("POST numbers")) > asked or bool(person.heard("failed"))


@pytest.mark.parametrize("seen", [True, False], ids=["visible", "hidden"])
def test_a_token_that_expires_in_the_middle_is_renewed(person: Person, seen: bool) -> None:
    person.opens(js=RENEWS)
    person.clicks()
    if seen:
        person.api.turns["POST code"] = [gateway(401)]
    else:
        person.api.valid = {"Bearer token-2"}
    person.answers()
    person.connects()
    assert person.page.evaluate("renewed") is True
    assert person.heard("failed") == []


def test_a_token_that_nobody_takes_any_more_is_told_apart_from_a_lost_network(person: Person) -> None:
    """The gateway's own 401 has no CORS headers: to the browser it is a network that was lost."""
    person.opens(js="token: () => window.token ?? 'token-1'")
    person.clicks()
    person.api.valid = {"Bearer token-3"}
    person.answers()
    fails(person, "token_expired", "sign_in")
    person.page.evaluate("window.token = 'token-3'")
    person.page.click("#go")
    person.connects()
    assert {sent["code"] for sent in person.api.told("POST code")} == {"code-1"}


def test_a_token_that_dies_while_it_waits_is_told(person: Person) -> None:
    person.api.state = "onboarding"
    person.opens(signupId=SIGNUP_ID)
    person.hears("progress")
    person.api.valid = set()
    fails(person, "token_expired", "sign_in")
    person.api.valid = None
    person.api.moved("connected")
    person.page.click("#go")
    person.hears("connected")


def test_a_token_function_that_fails_is_a_token_that_is_missing(person: Person) -> None:
    person.opens(js="token: () => Promise.reject(new Error('signed out'))")
    fails(person, "token_expired", "sign_in")
