"""A popup that ended without a number, or with one that cannot be had yet: no new popup is needed."""

import httpx
import pytest

from onramp.domain.number import Number
from onramp.domain.signup import Listed, Signup
from tests.canary import Watch
from tests.unit.handlers.bench import NUMBER, WABA, Answer, Bench

LIST = f"{WABA}/phone_numbers"


def lists(bench: Bench, *numbers: str, **words: str) -> None:
    """Let Meta list numbers, all with the same words about them."""
    shown = [{"id": number, "display_phone_number": f"+1 555 {number}", **words} for number in numbers]
    bench.meta.says(LIST, {"data": shown})


def without_numbers(bench: Bench) -> str:
    """A signup whose WABA has no number yet."""
    lists(bench)
    signup_id = bench.authorized()
    bench.meta.asked.clear()
    return signup_id


def shown(bench: Bench, signup_id: str) -> Answer:
    answer = bench.call("GET", f"/v1/signups/{signup_id}")
    assert answer.status == 200
    return answer


def submit(bench: Bench, signup_id: str, *ids: str) -> Answer:
    return bench.call("POST", f"/v1/signups/{signup_id}/numbers", {"phone_number_ids": list(ids) or None})


def test_a_reader_sees_a_number_as_soon_as_meta_lists_it(bench: Bench, watch: Watch) -> None:
    signup_id = without_numbers(bench)
    lists(bench, NUMBER)
    answer = shown(bench, signup_id)
    assert [number["phone_number_id"] for number in answer.json["numbers"]] == [NUMBER]
    assert answer.json["numbers"][0]["status"] == "listed"
    assert "Retry-After" not in answer.headers
    stored = bench.store.read(Signup, signup_id)
    assert stored is not None
    assert stored.parts == 0
    watch.assert_silent()


def test_a_reader_who_has_to_wait_is_told_how_long_and_meta_is_spared(bench: Bench) -> None:
    signup_id = without_numbers(bench)
    for _ in range(3):
        answer = shown(bench, signup_id)
        assert (answer.json["status"], answer.json["numbers"]) == ("authorized", [])
        assert answer.headers["Retry-After"] == "2"
    assert bench.meta.asked == [LIST]


@pytest.mark.parametrize(
    "trouble", [httpx.ConnectTimeout("no"), httpx.Response(500), httpx.Response(401, json={"error": {}})]
)
def test_a_reader_is_answered_when_meta_is_not_there(
    bench: Bench, watch: Watch, trouble: httpx.Response | Exception
) -> None:
    signup_id = without_numbers(bench)
    bench.meta.answers[LIST] = trouble
    answer = shown(bench, signup_id)
    assert answer.json["numbers"] == []
    assert "Retry-After" in answer.headers
    watch.assert_silent()


def test_no_list_ever_asks_meta(bench: Bench) -> None:
    without_numbers(bench)
    assert bench.call("GET", "/v1/signups").status == 200
    assert bench.meta.asked == []


def test_a_call_at_meta_carries_the_id_of_the_request_that_needed_it(bench: Bench) -> None:
    signup_id = without_numbers(bench)
    bench.meta.request_ids.clear()
    shown(bench, signup_id)
    submit(bench, signup_id)
    assert bench.meta.request_ids == {"aws-request-1"}


@pytest.mark.parametrize("ids", [(), (NUMBER,)])
def test_a_number_that_came_late_is_submitted_and_kept(bench: Bench, watch: Watch, ids: tuple[str]) -> None:
    signup_id = without_numbers(bench)
    lists(bench, NUMBER)
    assert submit(bench, signup_id, *ids).status == 202
    assert bench.sent() == [{"phone_number_id": NUMBER}]
    part = bench.store.read(Listed, signup_id, "000")
    assert part is not None
    assert [number.phone_number_id for number in part.numbers] == [NUMBER]
    asked = len(bench.meta.asked)
    assert submit(bench, signup_id, *ids).status == 202
    assert len(bench.meta.asked) == asked
    watch.assert_silent()


def test_a_number_that_is_never_listed_is_named(bench: Bench) -> None:
    signup_id = without_numbers(bench)
    lists(bench, NUMBER)
    answer = submit(bench, signup_id, NUMBER, "999")
    answer.problem(403, "number_not_in_waba")
    assert answer.fields() == {"phone_number_ids.1"}


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ({"code_verification_status": "NOT_VERIFIED"}, "number_not_verified"),
        ({"status": "UNVERIFIED"}, "number_not_verified"),
        ({"status": "BANNED"}, "number_banned"),
        ({"status": "DELETED"}, "number_deleted"),
        ({"status": "MIGRATED"}, "number_moved"),
    ],
)
def test_a_number_that_cannot_be_onboarded_is_refused_until_it_can(
    bench: Bench, words: dict[str, str], code: str
) -> None:
    lists(bench, NUMBER, **words)
    signup_id = bench.authorized()
    answer = submit(bench, signup_id, NUMBER)
    assert answer.problem(422, code)["phone_number_id"] == NUMBER
    assert answer.fields() == {"phone_number_ids.0"}
    assert bench.sent() == []
    lists(bench, NUMBER, code_verification_status="VERIFIED", status="CONNECTED", name_status="APPROVED")
    assert submit(bench, signup_id, NUMBER).status == 202
    number = bench.store.read(Number, NUMBER)
    assert number is not None
    assert (number.verification, number.name_status) == ("VERIFIED", "APPROVED")


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        ({"code": 131031}, 403, "waba_locked"),
        ({"code": 368}, 403, "waba_blocked"),
        ({"code": 2}, 502, "meta_unavailable"),
        ({"code": 100, "message": "Invalid appsecret_proof"}, 502, "meta_configuration"),
    ],
)
def test_what_meta_says_instead_of_a_list_is_the_answer(
    bench: Bench, watch: Watch, error: dict[str, object], status: int, code: str
) -> None:
    signup_id = without_numbers(bench)
    bench.meta.says(LIST, {"error": error}, 400)
    submit(bench, signup_id).problem(status, code)
    watch.assert_silent()


def test_with_a_dead_token_what_was_known_decides(bench: Bench) -> None:
    signup_id = without_numbers(bench)
    bench.meta.says(LIST, {"error": {"code": 190, "error_subcode": 463}}, 401)
    submit(bench, signup_id).problem(409, "number_ambiguous")
    submit(bench, signup_id, NUMBER).problem(403, "number_not_in_waba")


def test_a_persons_token_is_the_operators_matter(bench: Bench, watch: Watch) -> None:
    bench.meta.says(
        "debug_token", {"data": {"app_id": "1234567890", "is_valid": True, "type": "USER", "scopes": []}}
    )
    signup_id = bench.opened()
    answer = bench.call("POST", f"/v1/signups/{signup_id}/code", {"code": "c-1"})
    content = answer.problem(502, "meta_configuration")
    assert "token" not in content["detail"] + content["customer_detail"]
    assert "system-user (business) token" in watch.read()
    watch.assert_silent()
