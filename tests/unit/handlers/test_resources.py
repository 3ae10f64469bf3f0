"""Each route that acts on a resource answers that resource itself, the same in every answer."""

import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from onramp.adapters.memory import START
from onramp.domain import number as life
from onramp.domain.errors import WAITS
from onramp.domain.number import ChannelKey, Number, WabaOf
from onramp.domain.signup import Listed, ListedNumber, Signup
from onramp.domain.states import Progress, Step
from onramp.inbound.models import LARGEST_PAGE, NumberView, fitting
from onramp.usecases.read import Listing
from tests.canary import CODE, EMAIL, Watch
from tests.unit.handlers.bench import CLIENT, NUMBER, TENANT, WABA, Bench

SIGNUP = {
    "id", "status", "reference", "plan_tier", "hub", "client", "waba", "numbers", "launch", "timeline",
    "created_at", "updated_at", "expires_at",
}  # fmt: skip
ONE_NUMBER = {
    "phone_number_id", "display_phone_number", "verified_name", "verification", "name_status", "status",
    "attention", "attention_code", "restriction", "channel_id", "signup_id", "hub", "steps", "failure",
    "wish", "ending_at", "waits_for", "checked_at", "next_attempt_at",
}  # fmt: skip


def stored(bench: Bench) -> Number:
    found = bench.store.read(Number, NUMBER)
    assert found is not None
    return found


def failed(bench: Bench, signup_id: str) -> None:
    """Let the signup's submitted number fail in a way that a retry can mend."""
    signup = bench.store.read(Signup, signup_id)
    assert signup is not None
    number, now = stored(bench), bench.clock.now()
    before = number.standing
    life.fail(number, "submission_rejected", Step.SUBMIT, now)
    signup.count(before, number.standing, now)
    bench.store.commit(number, signup)


def test_each_route_of_a_signup_answers_what_reading_it_shows(bench: Bench) -> None:
    opened = bench.call("POST", "/v1/signups", {"client": CLIENT})
    path = opened.headers["Location"]
    for route, body in (("", None), ("/code", {"code": CODE}), ("/numbers", {}), ("/retry", {})):
        if route == "/retry":
            failed(bench, opened.json["id"])
        answer = opened if body is None else bench.call("POST", path + route, body)
        assert answer.json.keys() == SIGNUP, route
        assert answer.json == bench.call("GET", path).json, route
        assert all(number.keys() == ONE_NUMBER for number in answer.json["numbers"])


def test_the_route_of_a_number_answers_what_reading_it_shows(bench: Bench) -> None:
    signup_id = bench.authorized()
    (shown,) = bench.call("POST", f"/v1/signups/{signup_id}/numbers").json["numbers"]
    failed(bench, signup_id)
    answer = bench.call("POST", f"/v1/numbers/{NUMBER}/retry")
    assert answer.json.keys() == shown.keys() == ONE_NUMBER
    assert answer.json == bench.call("GET", f"/v1/numbers/{NUMBER}").json
    (listed,) = bench.call("GET", "/v1/numbers").json["numbers"]
    (with_signup,) = bench.call("GET", f"/v1/signups/{signup_id}").json["numbers"]
    assert answer.json == listed == with_signup


def test_a_number_is_shown_with_all_that_is_known_of_it(bench: Bench) -> None:
    now = bench.clock.now().replace(microsecond=0)
    bench.store.commit(
        Number(
            phone_number_id=NUMBER,
            tenant=TENANT,
            signup_id="s1",
            waba=WabaOf(id=WABA),
            created_at=now,
            display_phone_number="+1 201-555-0100",
            verified_name="Acme",
            verification="VERIFIED",
            progress=Progress.CONNECTED,
            second_channel="twoCH",
            channel_id="oneCH",
            steps={Progress.PENDING: now, Progress.CONNECTED: now + timedelta(seconds=5)},
            key=ChannelKey(secret="cipher", address="https://waba.example", made_at=now, checked_at=now),
        )
    )
    at = now.isoformat().replace("+00:00", "Z")
    answer = bench.call("GET", f"/v1/numbers/{NUMBER}")
    assert answer.json == {
        "phone_number_id": NUMBER,
        "display_phone_number": "+1 201-555-0100",
        "verified_name": "Acme",
        "verification": "VERIFIED",
        "name_status": None,
        "status": "connected",
        "attention": "second_channel",
        "attention_code": None,
        "restriction": None,
        "wish": None,
        "ending_at": None,
        "waits_for": None,
        "channel_id": "oneCH",
        "signup_id": "s1",
        "hub": "default",
        "steps": [
            {"status": "pending", "at": at},
            {"status": "connected", "at": (now + timedelta(seconds=5)).isoformat().replace("+00:00", "Z")},
        ],
        "failure": None,
        "checked_at": at,
        "next_attempt_at": None,
    }
    assert "Retry-After" not in answer.headers
    assert "cipher" not in answer.text


def test_what_befell_a_number_is_shown_with_its_times(bench: Bench) -> None:
    now = bench.clock.now().replace(microsecond=0)
    then = now - timedelta(days=2)
    number = Number(
        phone_number_id=NUMBER, tenant=TENANT, signup_id="s1", waba=WabaOf(id=WABA), created_at=then
    )
    number.progress, number.steps = Progress.SUBMITTED, {Progress.SUBMITTED: then}
    number.restriction, number.violation_type = "account_restriction", "SPAM"
    number.restricted_at, number.restricted_until = now, now + timedelta(days=1)
    number.name_status, number.notices = "APPROVED", {"channel_error": "E17"}
    bench.store.commit(number)

    def at(time: datetime) -> str:
        return time.isoformat().replace("+00:00", "Z")

    shown = bench.call("GET", f"/v1/numbers/{NUMBER}").json
    assert shown["name_status"] == "APPROVED"
    assert (shown["attention"], shown["attention_code"]) == ("channel_error", "E17")
    assert shown["restriction"] == {
        "code": "account_restriction",
        "violation_type": "SPAM",
        "at": at(now),
        "until": at(now + timedelta(days=1)),
    }
    assert shown["waits_for"] == {
        "code": "channel",
        "title": WAITS["channel"].title,
        "action": WAITS["channel"].action,
        "since": at(then),
    }


def test_a_number_that_nobody_submitted_is_listed_and_has_no_resource_of_its_own(bench: Bench) -> None:
    signup_id = bench.authorized()
    (number,) = bench.call("GET", f"/v1/signups/{signup_id}").json["numbers"]
    assert number == {
        "phone_number_id": NUMBER,
        "display_phone_number": "+1 555 0100",
        "verified_name": "Acme",
        "verification": None,
        "status": "listed",
        "steps": [],
        **dict.fromkeys(
            ONE_NUMBER
            - {"phone_number_id", "display_phone_number", "verified_name", "verification", "status", "steps"}
        ),
    }
    bench.call("GET", f"/v1/numbers/{NUMBER}").problem(404, "not_found")
    assert bench.call("GET", "/v1/numbers").json == {"numbers": [], "cursor": None}
    assert bench.call("GET", "/v1/numbers", query={"status": "listed"}).json == {
        "numbers": [],
        "cursor": None,
    }


def test_a_number_whose_signup_lists_it_no_more_is_shown_all_the_same(bench: Bench) -> None:
    signup_id = bench.authorized()
    bench.call("POST", f"/v1/signups/{signup_id}/numbers")
    part = bench.store.read(Listed, signup_id, "000")
    assert part is not None
    part.numbers = [ListedNumber(phone_number_id="107")]
    bench.store.commit(part)
    numbers = bench.call("GET", f"/v1/signups/{signup_id}").json["numbers"]
    assert [(number["phone_number_id"], number["status"]) for number in numbers] == [
        ("107", "listed"),
        (NUMBER, "pending"),
    ]


def test_a_failure_of_a_later_release_is_shown_with_an_action(bench: Bench) -> None:
    signup_id = bench.authorized()
    bench.call("POST", f"/v1/signups/{signup_id}/numbers")
    failed(bench, signup_id)
    number = stored(bench)
    assert number.failure is not None
    number.failure.code = "of_tomorrow"
    bench.store.commit(number)
    failure = bench.call("GET", f"/v1/numbers/{NUMBER}").json["failure"]
    assert failure["code"] == "of_tomorrow"
    assert failure["action"]


@pytest.mark.parametrize("email", [None, EMAIL, "o'neill@example.com"])
def test_a_known_client_may_come_with_its_email(bench: Bench, watch: Watch, email: str | None) -> None:
    """It is compared at 360dialog before the client is used; until then it is kept as it was given."""
    given = {"client_id": "aCL"} | ({"email": email} if email else {})
    content = bench.call("POST", "/v1/signups", {"client": given}).json
    assert content["client"] == {"id": "aCL", "name": None, "email": email, "user_name": None}
    signup = bench.store.read(Signup, content["id"])
    assert signup is not None
    assert (signup.client.id, signup.client.email) == ("aCL", email)
    watch.assert_silent()


@pytest.mark.parametrize("email", ["nobody", "a@b", "", "a b@c.example", 7, ["a@b.example"]])
def test_a_known_clients_email_that_is_none_is_named(bench: Bench, email: object) -> None:
    answer = bench.call("POST", "/v1/signups", {"client": {"client_id": "aCL", "email": email}})
    answer.problem(422, "invalid_request")
    assert answer.fields() == {"client.email"}


def test_times_are_iso_8601_in_utc(bench: Bench) -> None:
    signup_id = bench.authorized()
    bench.call("POST", f"/v1/signups/{signup_id}/numbers")
    shown = bench.call("GET", f"/v1/signups/{signup_id}").json
    times = [shown["created_at"], shown["updated_at"], shown["expires_at"], shown["timeline"][0]["at"]]
    times += [shown["numbers"][0]["next_attempt_at"], shown["numbers"][0]["steps"][0]["at"]]
    assert all(time.endswith("Z") and "T" in time for time in times), times


# --- versions


@pytest.mark.parametrize("path", ["/v1/signups", "/v1/numbers", "/v1/config"])
def test_lists_and_the_configuration_have_no_version(bench: Bench, path: str) -> None:
    answer = bench.call("GET", path, headers={"If-None-Match": "*"})
    assert answer.status == 200
    assert "ETag" not in answer.headers


def test_a_numbers_version_changes_with_it_and_not_without(bench: Bench) -> None:
    signup_id = bench.authorized()
    bench.call("POST", f"/v1/signups/{signup_id}/numbers")
    path = f"/v1/numbers/{NUMBER}"
    first = bench.call("GET", path)
    assert bench.call("GET", path, headers={"If-None-Match": first.headers["ETag"]}).status == 304
    failed(bench, signup_id)
    changed = bench.call("GET", path, headers={"If-None-Match": first.headers["ETag"]})
    assert changed.status == 200
    assert changed.headers["ETag"] != first.headers["ETag"]
    assert "Retry-After" not in changed.headers


def test_a_version_says_nothing_of_what_it_stands_for(bench: Bench) -> None:
    etag = bench.call("GET", f"/v1/signups/{bench.opened()}").headers["ETag"]
    assert json.loads(etag).isalnum()


# --- pages


def test_a_page_may_be_as_large_as_the_limit_and_not_a_byte_larger() -> None:
    class Blob(NumberView):
        blob: str

    def blob(size: int) -> Blob:
        view = NumberView.listed(ListedNumber(phone_number_id="1")).model_dump()
        bare = len(Blob(**view, blob="").model_dump_json())
        return Blob(**view, blob="x" * (size - bare))

    half = LARGEST_PAGE // 2
    views, cursor = fitting(Listing([half, half, 1_000], "end"), blob, lambda size: f"behind {size}")
    assert (len(views), cursor) == (2, f"behind {half}")
    views, cursor = fitting(Listing([half, half + 1, 1_000], "end"), blob, lambda size: f"behind {size}")
    assert (len(views), cursor) == (1, f"behind {half}")


def test_an_empty_page_is_one_and_keeps_its_cursor() -> None:
    """A filter may leave nothing of what an index has found; the list goes on all the same."""
    empty: Listing[Any] = Listing((), "on")
    assert fitting(empty, lambda number: NumberView.of(number, START), str) == ([], "on")
