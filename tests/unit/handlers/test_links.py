"""Links over HTTP: who makes them, who follows them, and what both are answered."""

from typing import Any

import pytest

from onramp.domain.link import Link
from onramp.domain.signup import Signup
from tests.canary import CODE, Watch
from tests.unit.handlers.bench import CLIENT, NUMBER, TENANT, UNTOLD, WABA, Answer, Bench

VISIT = "visit-0123456789"
STRANGER = "visit-9876543210"
BODY = {
    "client": CLIENT,
    "reference": "order 7",
    "language": "es",
    "success_url": "https://app.example.com/done?plan=2#top",
    "expires_in_days": 3,
}
LINK = {
    "id", "status", "signup_id", "reference", "language", "success_url", "failure_url", "created_at",
    "expires_at", "used_at", "revoked_at",
}  # fmt: skip
OF_TENANT = f"/v1/tenants/{TENANT}/signup-links"


def make(bench: Bench, path: str = "/v1/signup-links", **more: Any) -> dict[str, Any]:
    answer = bench.call("POST", path, BODY, **more)
    assert answer.status == 201, answer.text
    made: dict[str, Any] = answer.json
    return made


def token(made: dict[str, Any]) -> str:
    return str(made["url"].partition("#")[2])


def by_link(
    bench: Bench,
    made: dict[str, Any],
    what: str = "",
    body: object = None,
    *,
    visit: str = VISIT,
    **headers: str,
) -> Answer:
    sent = {"authorization": f"Bearer {token(made)}.{visit}", **headers}
    method = "GET" if body is None else "POST"
    return bench.call(method, f"/v1/linked-signup{what}", body, tenant=None, headers=sent)


# --- makers


def test_a_link_is_made_and_shows_its_address_once(bench: Bench, watch: Watch) -> None:
    made = make(bench)
    assert set(made) == {*LINK, "url"}
    assert made["url"].startswith(f"https://api.acme.example/signup#{made['id']}.")
    assert (made["status"], made["reference"], made["language"]) == ("open", "order 7", "es")
    assert made["success_url"] == BODY["success_url"]
    stored = bench.store.read(Link, made["id"])
    assert stored is not None
    secret = token(made).partition(".")[2]
    assert not [item for item in bench.items() if secret in str(item)]
    (listed,) = bench.call("GET", "/v1/signup-links").json["links"]
    assert set(listed) == LINK
    assert listed == {name: value for name, value in made.items() if name != "url"}
    assert secret not in watch.read()
    watch.assert_silent()


def test_a_role_of_the_account_makes_lists_and_revokes_for_the_tenant_in_its_path(bench: Bench) -> None:
    made = make(bench, OF_TENANT, tenant=None)
    assert bench.store.read(Signup, made["signup_id"]).tenant == TENANT  # type: ignore[union-attr]
    assert bench.call("GET", OF_TENANT, tenant=None).json["links"][0]["id"] == made["id"]
    assert bench.call("GET", "/v1/signup-links").json["links"][0]["id"] == made["id"]
    elsewhere = "/v1/tenants/other/signup-links"
    assert bench.call("GET", elsewhere, tenant=None).json == {"links": [], "cursor": None}
    bench.call("POST", f"{elsewhere}/{made['id']}/revoke", {}, tenant=None).problem(404, "not_found")
    revoked = bench.call("POST", f"{OF_TENANT}/{made['id']}/revoke", {}, tenant=None)
    assert (revoked.status, revoked.json["status"]) == (200, "revoked")


@pytest.mark.parametrize("tenant", ["", " ", "[a b]", "half \ud83d"])
def test_a_path_without_one_tenant_is_refused(bench: Bench, tenant: str) -> None:
    answer = bench.call("POST", f"/v1/tenants/{tenant}/signup-links", BODY, tenant=None)
    answer.problem(422, "invalid_request")
    assert answer.fields() == {"tenant"}


def test_a_tokens_tenant_is_never_taken_from_a_path_or_a_links_token_for_one(bench: Bench) -> None:
    made = make(bench)
    sent = {"authorization": f"Bearer {token(made)}.{VISIT}"}
    for method, path in (("GET", "/v1/signup-links"), ("GET", f"/v1/signups/{made['signup_id']}")):
        bench.call(method, path, tenant=None, headers=sent).problem(401, "unauthenticated")


@pytest.mark.parametrize(
    ("changed", "fields"),
    [
        ({"success_url": "https://evil.example/"}, {"success_url"}),
        ({"failure_url": "https://app.example.com@evil.example/"}, {"failure_url"}),
        ({"failure_url": "javascript:alert(1)"}, {"failure_url"}),
        ({"success_url": "https://app.example.com/?status=1"}, {"success_url"}),
        ({"language": "fr"}, {"language"}),
        ({"expires_in_days": 0}, {"expires_in_days"}),
        ({"expires_in_days": 31}, {"expires_in_days"}),
        ({"flow": "unknown"}, {"flow"}),
        ({"url": "x"}, {"url"}),
    ],
)
def test_a_wrong_wish_is_refused_by_its_field(bench: Bench, changed: Any, fields: set[str]) -> None:
    answer = bench.call("POST", "/v1/signup-links", {**BODY, **changed})
    answer.problem(422, "invalid_request")
    assert answer.fields() == fields
    assert bench.items() == []


def test_the_same_call_again_gives_the_same_link_with_another_address(bench: Bench) -> None:
    headers = {"idempotency-key": "k1"}
    first, again = make(bench, headers=headers), make(bench, headers=headers)
    assert first["id"] == again["id"]
    assert first["url"] != again["url"]
    assert by_link(bench, first).json["id"] == by_link(bench, again).json["id"]


def test_another_tenants_link_is_not_found(bench: Bench) -> None:
    made = make(bench)
    path = f"/v1/signup-links/{made['id']}/revoke"
    bench.call("POST", path, {}, tenant="tenant-2").problem(404, "not_found")
    assert bench.call("GET", "/v1/signup-links", tenant="tenant-2").json["links"] == []


# --- customers


def test_a_customer_goes_the_whole_way_with_the_link_alone(bench: Bench, watch: Watch) -> None:
    made = make(bench)
    opened = by_link(bench, made)
    assert opened.status == 200
    assert opened.json["launch"]["config_id"] == "9876543210"
    assert opened.json["link"]["language"] == "es"
    outcome = by_link(bench, made, "/outcome", {"outcome": "cancelled"})
    assert (outcome.status, outcome.text) == (204, "")
    info = {"event": "FINISH", "data": {"waba_id": WABA, "phone_number_id": NUMBER}}
    authorized = by_link(bench, made, "/code", {"code": CODE, "session_info": info})
    assert (authorized.status, authorized.json["status"]) == (200, "authorized")
    again = by_link(bench, made, "/code", {"code": CODE, "session_info": info})
    assert again.json["waba"] == authorized.json["waba"]
    assert by_link(bench, made, "/code", {"waba_id": WABA}).status == 200
    submitted = by_link(bench, made, "/numbers", {})
    assert (submitted.status, submitted.json["status"]) == (202, "onboarding")
    assert bench.sent() == [{"phone_number_id": NUMBER}]
    by_link(bench, made, "/retry", {}).status  # noqa: B018 - the wish may be unsent, or nothing is to be done
    shown = by_link(bench, made)
    url = shown.json["link"]["success_url"]
    assert url == (
        f"https://app.example.com/done?plan=2&channels=[]&signup={made['signup_id']}&status=onboarding"
        "&reference=order%207#top"
    )
    events = [entry["event"] for entry in shown.json["timeline"]]
    assert events[:5] == [
        "signup.opened",
        "signup.link_made",
        "signup.outcome",
        "signup.link_used",
        "signup.authorized",
    ]
    for answer in (opened, authorized, submitted, shown):
        assert not [value for value in (*UNTOLD, CODE, token(made).partition(".")[2]) if value in answer.text]
    written = watch.read()
    assert token(made).partition(".")[2] not in written
    assert VISIT not in written
    assert f'"link_id":"{made["id"]}"' in written
    watch.assert_silent()


def test_a_reader_who_has_the_state_is_told_so_and_when_to_come_back(bench: Bench) -> None:
    made = make(bench)
    first = by_link(bench, made)
    assert "Retry-After" not in first.headers
    unchanged = by_link(bench, made, **{"if-none-match": first.headers["ETag"]})
    assert (unchanged.status, unchanged.text) == (304, "")
    by_link(bench, made, "/code", {"code": CODE})
    by_link(bench, made, "/numbers", {})
    moving = by_link(bench, made)
    assert moving.headers["ETag"] != first.headers["ETag"]
    assert int(moving.headers["Retry-After"]) > 0


def test_a_customer_does_not_choose_the_price_plan(bench: Bench) -> None:
    made = make(bench)
    by_link(bench, made, "/code", {"code": CODE})
    answer = by_link(bench, made, "/numbers", {"plan_tier": "premium"})
    answer.problem(422, "invalid_request")
    assert answer.fields() == {"plan_tier"}


ROUTES = [
    ("", None),
    ("/code", {"code": CODE}),
    ("/outcome", {"outcome": "closed"}),
    ("/numbers", {}),
    ("/retry", {}),
]


@pytest.mark.parametrize(("what", "body"), ROUTES)
def test_every_route_refuses_another_visit_of_a_used_link(bench: Bench, what: str, body: object) -> None:
    made = make(bench)
    by_link(bench, made, "/code", {"code": CODE})
    content = by_link(bench, made, what, body, visit=STRANGER).problem(410, "link_used")
    assert content["refresh_url"] == (
        f"https://app.acme.example/new-link?link={made['id']}&reference=order%207"
    )


@pytest.mark.parametrize(("what", "body"), ROUTES)
def test_every_route_refuses_a_revoked_link_and_what_is_none(bench: Bench, what: str, body: object) -> None:
    made = make(bench)
    bench.call("POST", f"/v1/signup-links/{made['id']}/revoke", {})
    by_link(bench, made, what, body).problem(410, "link_revoked")
    wrong = {"url": f"#{made['id']}.{'0' * 43}"}
    for sent in (wrong, {"url": "#"}, {"url": "#x"}):
        content = by_link(bench, sent, what, body).problem(401, "unauthenticated")
        assert "refresh_url" not in content
    method = "GET" if body is None else "POST"
    path = f"/v1/linked-signup{what}"
    for header in ({}, {"authorization": ""}, {"authorization": f"Basic {token(made)}.{VISIT}"}):
        bench.call(method, path, body, tenant=None, headers=header).problem(401, "unauthenticated")
    # A token of the partner's, which the gateway does not look at here, opens nothing.
    bench.call(method, path, body).problem(401, "unauthenticated")
