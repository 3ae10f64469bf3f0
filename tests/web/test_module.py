"""The browser module where browsers do as they should: from the click to the connected number."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.web.module_stage import (
    CUSTOMER,
    FINISH,
    LINK,
    SIGNUP_ID,
    Person,
    browser,
    gateway,
    gives,
    hides,
    meeting,
    person,
    refuses,
)

__all__ = ["browser", "person"]

pytestmark = pytest.mark.browser

RENEWS = "token: (renew) => ((window.renewed ||= renew) ? 'token-2' : 'token-1')"


def steps(person: Person) -> list[str]:
    return [one["step"] for one in person.heard("progress")]


# --- the way ------------------------------------------------------------------------------------------


def test_a_customer_goes_from_the_click_to_a_connected_number(person: Person) -> None:
    person.opens()
    assert person.hears("ready")["signup"]["id"] == SIGNUP_ID
    person.clicks()
    assert person.heard("opened") == [{"name": "opened", "status": "opened", "attempt": 1}]
    person.says(FINISH)
    person.answers("code-1")
    person.connects()
    assert person.api.asked("GET signup", "GET config") == ["POST signups", "POST code", "POST numbers"]
    assert person.api.told("POST signups") == [CUSTOMER]
    assert person.api.told("POST code") == [{"code": "code-1", "session_info": FINISH}]
    assert person.api.told("POST numbers") == [{}]
    assert steps(person)[:3] == ["exchanging", "submitting", "onboarding"]
    assert person.heard("connected")[0]["signup"]["status"] == "connected"
    assert person.heard("failed") == []


def test_the_window_is_opened_as_the_signup_says_within_the_click(person: Person) -> None:
    person.opens(locale="es_ES")
    person.clicks()
    assert person.sdk_asked == ["https://connect.facebook.net/es_ES/sdk.js"]
    [init] = person.page.evaluate("inits")
    assert init["appId"] == "1234567890"
    assert init["version"] == "v26.0"
    assert person.page.evaluate("logins") == [
        {
            "config_id": "9876543210",
            "response_type": "code",
            "override_default_response_type": True,
            "extras": {"setup": {"solutionID": "123456789012345"}},
        }
    ]


def test_open_calls_the_sdk_before_it_returns(person: Person) -> None:
    person.opens()
    person.hears("ready")
    assert person.page.evaluate("(journey.open(), logins.length)") == 1


def test_a_signup_is_opened_with_a_key_that_a_page_may_choose(person: Person) -> None:
    person.opens(idempotencyKey="order-4711")
    person.hears("ready")
    [opened] = [call for call in person.api.calls if call.what == "POST signups"]
    assert opened.headers["idempotency-key"] == "order-4711"
    assert opened.headers["authorization"] == "Bearer token-1"


def test_what_is_made_and_dropped_in_one_breath_asks_nothing(person: Person) -> None:
    person.page.goto(person.page_address)
    person.page.wait_for_function("window.loaded")
    given = json.dumps({"api": person.address, "token": "token-1", "signup": CUSTOMER})
    person.page.evaluate(f"begin({given}), journey.close(), begin({given})")
    person.hears("ready")
    assert person.api.asked("GET config") == ["POST signups"]


@pytest.mark.parametrize("when", ["before", "after", "never"])
def test_code_and_message_come_in_either_order_or_without_the_message(person: Person, when: str) -> None:
    person.opens()
    person.clicks()
    if when == "before":
        person.says(FINISH)
    person.answers()
    if when == "after":
        person.says(FINISH)
    person.connects()
    [sent] = person.api.told("POST code")
    assert sent["code"] == "code-1"
    assert ("session_info" in sent) == (when == "before") or when == "after"


def test_a_message_behind_the_code_settles_an_ambiguity_with_the_same_code(person: Person) -> None:
    person.api.turns["POST code"] = [refuses("waba_ambiguous")]
    person.opens()
    person.clicks()
    person.page.evaluate("callbacks[0]({ authResponse: { code: 'code-1' } })")
    person.says(FINISH)
    person.connects()
    assert person.api.told("POST code")[-1] == {"code": "code-1", "session_info": FINISH}
    assert person.heard("choice") == []


def test_a_person_chooses_the_account(person: Person) -> None:
    person.api.turns["POST code"] = [refuses("waba_ambiguous")]
    person.opens()
    person.clicks()
    person.answers()
    choice = person.hears("choice")
    assert choice["status"] == "choosing"
    assert [one["name"] for one in choice["candidates"]] == ["Example Bakery", "Example Café"]
    person.page.evaluate("choose('102290129340399'), choose('102290129340398')")
    person.connects()
    assert person.api.told("POST code")[1:] == [{"waba_id": "102290129340399"}]


def test_a_person_chooses_the_numbers(person: Person) -> None:
    person.api.turns["POST numbers"] = [refuses("number_ambiguous")]
    person.opens()
    person.clicks()
    person.answers()
    assert person.hears("choice")["kind"] == "number"
    person.api.calls.clear()
    person.page.evaluate("choose('106540352242923')")
    person.connects()
    assert person.api.told("POST numbers") == [{"phone_number_ids": ["106540352242923"]}]


def test_nobody_is_asked_to_choose_among_nothing(person: Person) -> None:
    person.api.turns["POST code"] = [refuses("waba_ambiguous", candidates=None)]
    person.opens()
    person.clicks()
    person.answers()
    failed = person.hears("failed")
    assert (failed["code"], failed["action"], failed["retryable"]) == ("waba_ambiguous", "open", True)
    assert failed["message"] == "Please choose which WhatsApp account to connect."


# --- clicks -------------------------------------------------------------------------------------------


def test_a_double_click_is_one(person: Person) -> None:
    person.opens()
    person.hears("ready")
    with person.context.expect_page():
        person.page.dblclick("#go")
    assert len(person.page.evaluate("logins")) == 1
    assert len(person.heard("opened")) == 1


def test_a_click_while_something_is_under_way_does_nothing(person: Person) -> None:
    person.opens()
    person.clicks()
    person.answers()
    person.waits(lambda: person.api.state == "onboarding")
    person.page.click("#go")
    person.connects()
    person.page.click("#go")
    assert len(person.page.evaluate("logins")) == 1
    assert person.heard("failed") == []


def test_an_answer_to_an_older_click_is_ignored(person: Person) -> None:
    person.opens()
    person.clicks()
    person.popup.close()
    person.hears("failed")
    person.clicks()
    person.page.evaluate("callbacks[0]({ authResponse: { code: 'old' } })")
    person.answers("new")
    person.connects()
    assert [sent["code"] for sent in person.api.told("POST code")] == ["new"]
    assert [one["attempt"] for one in person.heard("opened")] == [1, 2]


def test_a_code_that_comes_twice_is_sent_once(person: Person) -> None:
    person.opens()
    person.clicks()
    person.page.evaluate("for (const _ of [1, 2]) callbacks[0]({ authResponse: { code: 'code-1' } })")
    person.connects()
    assert len(person.api.told("POST code")) == 1


def test_close_closes_the_window_and_open_begins_again(person: Person) -> None:
    person.opens()
    popup = person.clicks()
    with popup.expect_event("close"):
        person.page.evaluate("journey.close()")
    assert person.outcome() == {"outcome": "abandoned"}
    assert person.page.evaluate("journey.status") == "closed"
    person.clicks()
    person.answers()
    person.connects()


# --- reloads and links --------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["authorized", "onboarding", "connected"])
def test_a_reload_goes_on_where_the_signup_is(person: Person, state: str) -> None:
    person.api.state = state
    person.opens(signupId=SIGNUP_ID)
    if state == "authorized":
        person.connects()
    person.api.moved("connected")
    person.hears("connected")
    assert person.api.asked("GET signup", "GET config") == (["POST numbers"] if state == "authorized" else [])
    assert person.sdk_asked == []


def test_a_link_needs_no_token_and_keeps_its_visit_over_reloads(person: Person) -> None:
    person.api.linked = True
    person.opens()
    person.clicks()
    person.answers()
    person.waits(lambda: person.api.state == "onboarding")
    person.page.reload()
    person.begins()
    person.api.moved("connected")
    person.hears("connected")
    bearers = {call.headers["authorization"] for call in person.api.calls if call.what != "GET config"}
    [bearer] = bearers
    assert bearer.startswith(f"Bearer {LINK}.")
    assert len(bearer.rpartition(".")[2]) == 36
    assert "POST signups" not in person.api.asked()


def test_a_dead_link_says_where_a_new_one_is_had(person: Person) -> None:
    person.api.linked = True
    person.api.turns["GET signup"] = [refuses("link_expired")]
    person.opens()
    failed = person.hears("failed")
    assert (failed["code"], failed["retryable"]) == ("link_expired", False)
    assert failed["problem"]["refresh_url"].startswith("https://app.example.com/new-link")


def test_an_expired_signup_is_replaced_by_a_click(person: Person) -> None:
    person.api.turns["GET signup"] = [lambda api: _as_status(api, "expired")]
    person.opens(signupId=SIGNUP_ID, signup=CUSTOMER)
    assert person.hears("failed")["code"] == "signup_expired"
    person.page.click("#go")
    person.hears("ready")
    assert person.api.asked("GET config") == ["GET signup", "POST signups"]


def _as_status(api: Any, status: str) -> Any:
    answer = gives("opened")(api)
    told = json.loads(bytes(answer.body)) | {"status": status, "launch": None}
    return type(answer)(told)


# --- progress -----------------------------------------------------------------------------------------


def test_an_unchanged_signup_is_asked_for_with_its_tag_and_not_told_twice(person: Person) -> None:
    person.api.state = "onboarding"
    person.opens(signupId=SIGNUP_ID)
    person.waits(lambda: person.api.asked().count("GET signup") >= 4)
    tags = [call.headers.get("if-none-match") for call in person.api.calls if call.what == "GET signup"]
    assert tags[2:4] == ['"onboarding-0"', '"onboarding-0"']
    assert len(person.heard("progress")) == 2
    person.api.moved("connected")
    person.hears("connected")


def test_nobody_who_does_not_look_asks_how_far_it_is(person: Person) -> None:
    person.api.state = "onboarding"
    person.opens(signupId=SIGNUP_ID)
    person.hears("progress", 2)
    person.page.evaluate(
        "Object.defineProperty(document, 'hidden', { configurable: true, get: () => !window.looks })"
    )
    # What was under way when the page went is still answered; then a whole pause has to pass unused.
    person.waits(lambda: person.api.asked().count("GET signup") >= 2)
    before = person.api.asked().count("GET signup")
    person.page.wait_for_function("(from) => performance.now() - from > 3000", arg=_now(person))
    assert person.api.asked().count("GET signup") <= before + 1
    person.api.moved("connected")
    person.page.evaluate("window.looks = true, document.dispatchEvent(new Event('visibilitychange'))")
    person.hears("connected")


def _now(person: Person) -> float:
    return float(person.page.evaluate("performance.now()"))


def test_a_poll_that_fails_ends_nothing(person: Person) -> None:
    person.api.state = "onboarding"
    person.api.turns["GET signup"] = [_with_retry, hides(), gateway(503)]
    person.opens(signupId=SIGNUP_ID, js=RENEWS)
    person.waits(lambda: not person.api.turns["GET signup"])
    person.api.moved("connected")
    person.hears("connected")
    assert person.heard("failed") == []


def _with_retry(api: Any) -> Any:
    answer = gives("onboarding")(api)
    answer.headers["Retry-After"] = "1"
    return answer


def test_a_failed_number_is_told_and_a_click_retries_it(person: Person) -> None:
    person.api.state = "attention"
    person.opens(signupId=SIGNUP_ID)
    failed = person.hears("failed")
    assert (failed["code"], failed["retryable"]) == ("number_failed", True)
    assert person.heard("progress")[-1]["signup"]["numbers"][0]["failure"]["code"] == "submission_rejected"
    person.page.click("#go")
    person.waits(lambda: person.api.state == "onboarding")
    person.api.moved("connected")
    person.hears("connected")


@pytest.mark.parametrize("meanwhile", ["onboarding", "connected"])
def test_a_failed_number_that_somebody_else_got_going_goes_on_where_it_is(
    person: Person, meanwhile: str
) -> None:
    person.api.state = "attention"
    person.opens(signupId=SIGNUP_ID)
    person.hears("failed")
    person.api.moved(meanwhile)
    person.api.turns["POST retry"] = [refuses("nothing_to_retry")]
    person.page.click("#go")
    person.page.wait_for_function("(status) => journey.signup.status === status", arg=meanwhile)
    person.api.moved("connected")
    person.hears("connected")
    assert [failed["code"] for failed in person.heard("failed")] == ["number_failed"]


def test_a_failed_number_that_no_retry_mends_is_told_until_it_moves(person: Person) -> None:
    person.api.state = "attention"
    person.api.turns["POST retry"] = [refuses("nothing_to_retry")] * 2
    person.opens(signupId=SIGNUP_ID)
    person.hears("failed")
    person.page.click("#go")
    failed = person.hears("failed", 2)
    assert (failed["code"], failed["retryable"]) == ("nothing_to_retry", False)
    person.api.moved("connected")
    person.page.click("#go")
    person.hears("connected")


def test_a_number_that_meta_has_not_verified_is_sent_again_by_a_click(person: Person) -> None:
    person.api.turns["POST numbers"] = [refuses("number_not_verified")]
    person.opens()
    person.clicks()
    person.answers()
    failed = person.hears("failed")
    assert (failed["code"], failed["action"]) == ("number_not_verified", "again")
    person.api.calls.clear()
    person.page.click("#go")
    person.connects()
    assert "POST code" not in person.api.asked()


# --- calls that are repeated --------------------------------------------------------------------------


def test_a_lost_answer_to_the_code_repeats_the_same_call(person: Person) -> None:
    person.api.turns["POST code"] = [hides(gives("authorized", state="authorized"))]
    person.opens()
    person.clicks()
    person.answers()
    person.connects()
    assert [sent["code"] for sent in person.api.told("POST code")] == ["code-1", "code-1"]


def test_an_outage_of_metas_is_answered_by_the_same_code_once(person: Person) -> None:
    person.api.turns["POST code"] = [refuses("meta_unavailable")]
    person.opens()
    person.clicks()
    person.answers()
    person.connects()
    assert len(person.api.told("POST code")) == 2


def test_an_outage_that_stays_takes_another_click(person: Person) -> None:
    person.api.turns["POST code"] = [refuses("meta_unavailable"), refuses("meta_unavailable")]
    person.opens()
    person.clicks()
    person.answers()
    failed = person.hears("failed")
    assert (failed["code"], failed["action"]) == ("meta_unavailable", "open")
    assert len(person.api.told("POST code")) == 2


def test_an_exchange_that_is_under_way_is_asked_for_again_when_it_says(person: Person) -> None:
    person.api.turns["POST code"] = [refuses("exchange_in_progress", retry_after=1)]
    person.opens()
    person.clicks()
    person.answers()
    person.connects()
    assert len(person.api.told("POST code")) == 2


def test_a_code_that_has_died_takes_another_click_on_the_same_signup(person: Person) -> None:
    person.api.turns["POST code"] = [refuses("code_expired")]
    person.opens()
    person.clicks()
    person.answers("old")
    failed = person.hears("failed")
    assert (failed["code"], failed["action"], failed["retryable"]) == ("code_expired", "open", True)
    person.popup.close()
    person.clicks()
    person.answers("new")
    person.connects()
    assert person.api.asked().count("POST signups") == 1


def test_a_signup_that_another_tab_has_finished_goes_on_where_it_is(person: Person) -> None:
    person.api.turns["POST code"] = [refuses("signup_closed")]
    person.opens()
    person.clicks()
    person.api.moved("onboarding")
    person.answers()
    person.hears("progress", 2)
    person.api.moved("connected")
    person.hears("connected")


# --- the element, and the script tag ------------------------------------------------------------------

ELEMENT = """<!doctype html><meta charset="utf-8"><title>A partner's page</title>
<onramp-connect api="{api}">Connect WhatsApp</onramp-connect>
<script type="module">
import "./onramp-element.js";
const element = document.querySelector("onramp-connect");
window.heard = [];
for (const name of ["ready", "choice", "failed", "connected"]) {
  document.addEventListener(name, (event) => {
    heard.push({ name });
    if (window.ours?.includes(name)) event.preventDefault();
  });
}
element.token = "token-1";
element.signup = { client_id: "abc123CL" };
</script>"""
STRICT = "default-src 'none'; script-src 'self' 'unsafe-inline' https:; connect-src *; style-src 'self'"


@pytest.fixture
def visitor(browser: Any) -> Iterator[Person]:
    """Somebody at a page with the element, under a strict policy."""
    with meeting(browser, html=ELEMENT, headers={"Content-Security-Policy": STRICT}) as somebody:
        yield somebody


def at_element(person: Person) -> Any:
    person.page.goto(person.page_address)
    return person.page.locator("onramp-connect")


def test_the_element_shows_what_there_is_to_say_and_to_choose(visitor: Person) -> None:
    visitor.api.turns["POST numbers"] = [refuses("number_ambiguous")]
    element = at_element(visitor)
    button = element.get_by_role("button", name="Connect WhatsApp")
    with visitor.context.expect_page() as opened:
        button.click()
    visitor.popup = opened.value
    visitor.popup.wait_for_function("Boolean(window.answer)")
    assert element.get_by_role("status").inner_text() == "Please go on in Meta's window."
    visitor.answers()
    visitor.hears("choice")
    assert element.get_by_role("status").inner_text() == "Which number?"
    assert button.is_disabled()
    visitor.api.calls.clear()
    element.get_by_role("button", name="+1 555-010-0124").click()
    visitor.connects()
    assert element.get_by_role("status").inner_text() == "Connected."
    assert visitor.api.told("POST numbers") == [{"phone_number_ids": ["106540352242923"]}]


def test_who_cancels_an_event_of_the_element_shows_it_himself(visitor: Person) -> None:
    visitor.api.turns["POST signups"] = [refuses("invalid_request"), refuses("invalid_request")]
    element = at_element(visitor)
    visitor.hears("failed")
    assert element.get_by_role("status").inner_text() != ""
    visitor.page.evaluate("window.ours = ['failed']")
    visitor.page.evaluate("document.querySelector('onramp-connect').say('')")
    element.get_by_role("button", name="Connect WhatsApp").click()
    visitor.hears("failed", 2)
    assert element.get_by_role("status").inner_text() == ""


def test_the_parts_and_colours_of_the_element_are_the_pages(visitor: Person) -> None:
    element = at_element(visitor)
    visitor.page.evaluate("""() => {
      const sheet = new CSSStyleSheet();
      sheet.replaceSync(`onramp-connect { --onramp-accent: rgb(1, 2, 3) }
        onramp-connect::part(status) { color: rgb(4, 5, 6) }`);
      document.adoptedStyleSheets = [sheet];
    }""")
    visitor.hears("ready")
    button = element.get_by_role("button", name="Connect WhatsApp")
    assert button.evaluate("(node) => getComputedStyle(node).backgroundColor") == "rgb(1, 2, 3)"
    status = element.locator("[part=status]")
    assert status.evaluate("(node) => getComputedStyle(node).color") == "rgb(4, 5, 6)"


def test_an_element_that_is_taken_away_asks_nothing_more_and_one_that_is_moved_goes_on(
    visitor: Person,
) -> None:
    at_element(visitor)
    visitor.hears("ready")
    kept, dropped = visitor.page.evaluate(
        """async () => {
          const element = document.querySelector("onramp-connect");
          const { journey } = element;
          document.body.append(element);
          await 0;
          const kept = element.journey === journey && journey.status;
          element.remove();
          await new Promise((done) => setTimeout(done));
          return [kept, journey.status];
        }"""
    )
    assert (kept, dropped) == ("ready", "closed")


def test_a_script_tag_has_the_same(browser: Any) -> None:
    html = '<!doctype html><script src="onramp.global.js"></script><onramp-connect></onramp-connect>'
    with meeting(browser, html=html) as person:
        person.page.goto(person.page_address)
        assert person.page.evaluate("typeof Onramp.connect") == "function"
        assert person.page.evaluate("Boolean(document.querySelector('onramp-connect').shadowRoot)")
