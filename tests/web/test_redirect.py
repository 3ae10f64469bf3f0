"""The module's way without a window: out to Meta's dialog, and back with an answer that counts once."""

import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import pytest

from tests.web.module_stage import (
    ANSWERS,
    HARNESS,
    SIGNUP_ID,
    Json,
    Person,
    browser,
    gateway,
    meeting,
    refuses,
)

__all__ = ["browser"]

pytestmark = pytest.mark.browser

PAGE = (
    HARNESS.replace(
        'import { connect } from "./onramp.js"', 'import { connectByRedirect } from "./onramp-redirect.js"'
    )
    .replace("connect(options)", "connectByRedirect(options)")
    .replace("<title>", "<script>window.first = location.href;</script><title>")
)
KEY = "order-1"
FORMS: dict[str, Callable[[Json], Json]] = {
    "of another attempt": lambda asked: {"state": "onramp-" + "0" * 36},
    "cut": lambda asked: {"state": asked["state"][:-1]},
    "longer": lambda asked: {"state": asked["state"] + "0"},
    "none": lambda asked: {},
}


class Traveller:
    """Somebody who is led to Meta and back."""

    def __init__(self, person: Person) -> None:
        self.person = person
        self.page = person.page
        self.home = f"{person.page_address}/"
        person.api.redirect_uris = [self.home]

    def begins(self, **options: Any) -> None:
        """The page begins, as it does each time that it is loaded."""
        self.person.begins(idempotencyKey=KEY, **options)

    def leaves(self, **options: Any) -> Json:
        """Open the page and click; what Meta's dialog is asked."""
        self.page.goto(self.home)
        self.begins(**options)
        self.person.hears("ready")
        return self.clicks()

    def clicks(self) -> Json:
        """Click, and be at Meta's."""
        with self.page.expect_navigation(url="https://www.facebook.com/**"):
            self.page.click("#go")
        return dict(parse_qsl(urlsplit(self.page.url).query))

    def comes_back(self, answer: Json, **options: Any) -> None:
        """Meta leads back; the page begins."""
        self.page.evaluate("(address) => location.assign(address)", f"{self.home}?{urlencode(answer)}#_=_")
        self.page.wait_for_url(re.compile(rf"^{re.escape(self.home)}"))
        self.begins(**options)

    def codes(self) -> list[Json]:
        """What the API was sent to exchange."""
        return self.person.api.told("POST code")

    def shows_nothing_of(self, code: str) -> None:
        """Neither the address nor the tab's history, nor what the page keeps, has the code."""
        assert self.page.evaluate("location.href") == self.home
        session = self.person.context.new_cdp_session(self.page)
        entries = session.send("Page.getNavigationHistory")["entries"]
        assert [entry["url"] for entry in entries if code in entry["url"]] == []
        assert code not in self.page.evaluate("JSON.stringify({ ...sessionStorage, ...localStorage })")


@pytest.fixture
def traveller(browser: Any) -> Iterator[Traveller]:
    with meeting(browser, html=PAGE) as person:
        yield Traveller(person)


def test_the_dialog_is_asked_for_what_the_popup_would_be(traveller: Traveller) -> None:
    asked = traveller.leaves()
    config = ANSWERS["config"]
    address = urlsplit(traveller.page.url)
    assert f"https://{address.netloc}{address.path}" == config["dialog_url"]
    extras = parse_qs(address.query)["extras"][0]
    assert (
        traveller.page.evaluate("(text) => JSON.parse(text)", extras) == ANSWERS["opened"]["launch"]["extras"]
    )
    state = asked.pop("state")
    assert re.fullmatch(r"onramp-[0-9a-f]{36}", state)
    assert asked | {"extras": ""} == {
        "client_id": config["app_id"],
        "redirect_uri": traveller.home,
        "config_id": ANSWERS["opened"]["launch"]["config_id"],
        "response_type": "code",
        "override_default_response_type": "true",
        "extras": "",
    }
    assert "POST outcome" not in traveller.person.api.asked()


def test_the_code_goes_first_with_its_page_and_the_number_connects(traveller: Traveller) -> None:
    asked = traveller.leaves()
    before = len(traveller.person.api.calls)
    traveller.comes_back({"code": "code-1", "state": asked["state"]})
    traveller.person.connects()
    assert traveller.person.api.asked()[before] == "POST code"
    assert traveller.codes() == [{"code": "code-1", "redirect_uri": traveller.home}]
    assert "code-1" in traveller.page.evaluate("first")
    traveller.shows_nothing_of("code-1")


def test_a_page_with_a_query_of_its_own_keeps_it(traveller: Traveller) -> None:
    page = f"{traveller.home}?shop=4&at=1"
    traveller.person.api.redirect_uris = [page]
    asked = traveller.leaves(redirectUri=page)
    assert asked["redirect_uri"] == page
    traveller.comes_back({"shop": 4, "at": 1, "code": "code-1", "state": asked["state"]}, redirectUri=page)
    traveller.person.hears("progress")
    assert traveller.page.url == page
    traveller.person.connects()
    assert traveller.codes() == [{"code": "code-1", "redirect_uri": page}]


def test_a_link_leads_there_and_back(browser: Any) -> None:
    with meeting(browser, html=PAGE) as person:
        person.api.linked = True
        traveller = Traveller(person)
        asked = traveller.leaves()
        traveller.comes_back({"code": "code-1", "state": asked["state"]})
        person.connects()
        assert traveller.codes() == [{"code": "code-1", "redirect_uri": traveller.home}]


def test_several_accounts_are_a_choice(traveller: Traveller) -> None:
    candidates = [{"waba_id": "102290129340398", "name": "A"}, {"waba_id": "102290129340399", "name": "B"}]
    traveller.person.api.turns["POST code"] = [refuses("waba_ambiguous", candidates=candidates)]
    asked = traveller.leaves()
    traveller.comes_back({"code": "code-1", "state": asked["state"]})
    assert traveller.person.hears("choice")["kind"] == "waba"
    traveller.page.evaluate("choose('102290129340399')")
    traveller.person.connects()
    assert traveller.codes()[1:] == [{"waba_id": "102290129340399"}]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("answer", [{"code": "code-evil"}, {"error": "access_denied"}])
def test_an_answer_with_another_state_is_refused_and_its_code_dropped(
    traveller: Traveller, form: str, answer: Json
) -> None:
    asked = traveller.leaves()
    traveller.comes_back(answer | FORMS[form](asked))
    failed = traveller.person.hears("failed")
    assert (failed["code"], failed["retryable"], failed["action"]) == ("state_refused", True, "open")
    traveller.shows_nothing_of("code-evil")
    assert traveller.codes() == traveller.person.api.told("POST outcome") == []
    # Nor does the right one count any more: one answer for each click.
    traveller.comes_back({"code": "code-late", "state": asked["state"]})
    assert traveller.person.hears("failed")["code"] == "state_refused"
    assert traveller.codes() == []


def test_after_a_refusal_another_click_leads_out_again(traveller: Traveller) -> None:
    first = traveller.leaves()
    traveller.comes_back({"code": "code-evil", "state": "onramp-0"})
    traveller.person.hears("failed")
    second = traveller.clicks()
    assert second["state"] != first["state"]
    traveller.comes_back({"code": "code-1", "state": second["state"]})
    traveller.person.connects()
    assert [sent["code"] for sent in traveller.codes()] == ["code-1"]


def test_an_answer_counts_once(traveller: Traveller) -> None:
    asked = traveller.leaves()
    answer = {"code": "code-1", "state": asked["state"]}
    traveller.comes_back(answer)
    traveller.person.connects()
    traveller.comes_back(answer)
    traveller.person.hears("connected")  # it goes on where the signup is
    traveller.shows_nothing_of("code-1")
    assert len(traveller.codes()) == 1


def test_a_reload_after_the_return_sends_nothing_again(traveller: Traveller) -> None:
    asked = traveller.leaves()
    traveller.comes_back({"code": "code-1", "state": asked["state"]})
    traveller.person.waits(lambda: traveller.person.api.state == "onboarding")
    traveller.page.reload()
    traveller.begins()
    traveller.person.connects()
    assert len(traveller.codes()) == 1


def test_a_reload_while_the_code_is_on_its_way_sends_it_once(traveller: Traveller) -> None:
    traveller.person.api.turns["POST code"] = [gateway(503), gateway(503)]
    asked = traveller.leaves()
    traveller.comes_back({"code": "code-1", "state": asked["state"]})
    traveller.person.waits(lambda: len(traveller.codes()) == 1)
    traveller.page.reload()
    traveller.begins()
    traveller.person.hears("ready")
    assert len(traveller.codes()) == 1


def test_an_answer_for_another_signup_is_refused(traveller: Traveller) -> None:
    asked = traveller.leaves()
    traveller.comes_back({"code": "code-1", "state": asked["state"]}, signupId=SIGNUP_ID[:-1] + "0")
    assert traveller.person.hears("failed")["code"] == "state_refused"
    assert traveller.codes() == []


def test_a_customer_who_declines_is_told_of_and_may_go_again(traveller: Traveller) -> None:
    asked = traveller.leaves()
    denied = {"error": "access_denied", "error_code": "200", "error_reason": "user_denied"}
    traveller.comes_back(denied | {"state": asked["state"]})
    failed = traveller.person.hears("failed")
    assert (failed["code"], failed["retryable"]) == ("cancelled", True)
    assert traveller.person.hears("closed")["outcome"] == "cancelled"
    assert traveller.person.outcome() == {"outcome": "cancelled"}
    traveller.shows_nothing_of("access_denied")
    assert traveller.clicks()["state"] != asked["state"]


def test_an_error_of_metas_is_told_with_its_code(traveller: Traveller) -> None:
    asked = traveller.leaves()
    traveller.comes_back({"error": "server_error", "error_code": "1", "state": asked["state"]})
    failed = traveller.person.hears("failed")
    assert (failed["code"], failed["meta"]["error_code"]) == ("reported_error", "1")
    assert traveller.person.outcome() == {"outcome": "reported_error", "error_code": "1"}


@pytest.mark.parametrize("query", ["code=SPRING24", "code=of-a-login&state=of-a-login"])
def test_what_belongs_to_somebody_else_is_left_alone(traveller: Traveller, query: str) -> None:
    traveller.page.goto(f"{traveller.home}?{query}")
    traveller.begins()
    traveller.person.hears("ready")
    assert traveller.page.evaluate("location.search") == f"?{query}"
    assert traveller.codes() == []


def test_who_comes_back_by_the_browsers_button_may_click_again(traveller: Traveller) -> None:
    first = traveller.leaves()
    traveller.page.go_back()
    # Alive as it was left, or loaded anew: the browser's choice.
    if not traveller.page.evaluate("Boolean(window.journey)"):
        traveller.begins()
        traveller.person.hears("ready")
    else:
        assert traveller.person.hears("failed")["code"] == "popup_closed"
    assert traveller.clicks()["state"] != first["state"]


def test_a_page_that_is_not_listed_does_not_leave(traveller: Traveller) -> None:
    traveller.person.api.redirect_uris = [f"{traveller.home}other"]
    traveller.page.goto(traveller.home)
    traveller.begins()
    failed = traveller.person.hears("failed")
    assert (failed["code"], failed["retryable"]) == ("redirect_not_listed", False)


def test_a_browser_that_keeps_nothing_does_not_leave(traveller: Traveller) -> None:
    traveller.person.context.add_init_script(
        "Object.defineProperty(window, 'sessionStorage', { get() { throw new Error('refused'); } })"
    )
    traveller.page.goto(traveller.home)
    traveller.begins()
    assert traveller.person.hears("failed")["code"] == "storage_blocked"


def test_a_frame_does_not_leave(traveller: Traveller) -> None:
    traveller.page.goto(f"{traveller.home}frame?sandbox=allow-scripts%20allow-same-origin")
    frame = traveller.page.frames[1]
    frame.wait_for_function("window.loaded")
    frame.evaluate(
        "(api) => begin({ api, token: 't', signup: {}, idempotencyKey: 'k' })", traveller.person.address
    )
    frame.wait_for_function("heard.some(({ name, code }) => name === 'failed' && code === 'framed')")
    frame.evaluate("journey.open()")
    frame.wait_for_function("heard.filter(({ code }) => code === 'framed').length > 1")
    assert traveller.page.url.startswith(traveller.home)
