"""`onramp links`: an address that is told once, a list, and a question before a link is taken back."""

import json
from typing import Any

from ops.desk import Refused
from tests.ops.conftest import AtDesk

LINK: dict[str, Any] = {"id": "01a2", "status": "open", "signup_id": "f" * 32, "reference": None}
WHO = ("--tenant", "acme", "--client", "aCL")


def test_a_links_address_is_the_answer(at_desk: AtDesk) -> None:
    at_desk.answers["links.create"] = {"link": LINK, "token": "01a2.secret"}
    assert at_desk.run("links", "create", *WHO, "--days", "3", "--plan", "basic") == 0
    assert at_desk.out == "/signup#01a2.secret\n"
    given = {"tenant": "acme", "client_id": "aCL", "days": 3, "plan_tier": "basic"}
    assert at_desk.asked == [("links.create", given)]


def test_a_link_that_has_ended_has_no_address_any_more(at_desk: AtDesk) -> None:
    at_desk.answers["links.create"] = {"link": {**LINK, "status": "revoked"}, "token": None}
    assert at_desk.run("links", "create", *WHO, "--key", "k", "--json") == 1
    assert at_desk.result()["url"] is None


def test_what_is_no_plan_is_asked_of_nobody(at_desk: AtDesk) -> None:
    assert at_desk.run("links", "create", *WHO, "--plan", "gold") == 2
    assert at_desk.run("links", "list") == 2
    assert at_desk.asked == []


def test_why_a_field_is_refused_is_told(at_desk: AtDesk) -> None:
    errors = [{"field": "success_url", "message": "is at none of return_origins"}, {"field": "days"}, "x"]
    problem = {"code": "invalid_request", "detail": "Not valid: success_url.", "errors": errors}
    at_desk.answers["links.create"] = Refused(problem)
    given = ("--success-url", "https://evil.example")
    assert at_desk.run("links", "create", *WHO, *given, "--json") == 2
    told = "Not valid: success_url. (success_url: is at none of return_origins)"
    assert at_desk.err == f"onramp links create: {told}\n"
    assert json.loads(at_desk.out)["problem"] == problem


def test_a_tenants_links_are_listed(at_desk: AtDesk) -> None:
    at_desk.answers["links.list"] = {"items": [LINK], "cursor": None}
    assert at_desk.run("links", "list", "--tenant", "acme", "--status", "open", "--json") == 0
    assert at_desk.result()["items"] == [LINK]


def test_a_person_answers_before_a_link_is_taken_back(at_desk: AtDesk) -> None:
    at_desk.answers["links.revoke"] = {"link": {**LINK, "status": "revoked"}}
    at_desk.person = True
    assert at_desk.run("links", "revoke", "01a2", "--tenant", "acme", given="no\n") == 2
    assert at_desk.asked == []
    assert at_desk.run("links", "revoke", "01a2", "--tenant", "acme", given="dev\n") == 0
    assert at_desk.asked == [("links.revoke", {"tenant": "acme", "link_id": "01a2"})]
