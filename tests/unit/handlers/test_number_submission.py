"""Taking a wish for numbers: 202 only once it is stored and in the queue."""

from datetime import timedelta

import pytest

from onramp.domain import number as life
from onramp.domain.number import ChannelKey, Number
from onramp.domain.signup import Signup
from onramp.domain.states import Attention, Progress, Step
from tests.canary import Watch
from tests.unit.handlers.bench import NUMBER, TENANT, WABA, Answer, Bench


def submit(bench: Bench, signup_id: str, body: object = None, tenant: str = TENANT) -> Answer:
    return bench.call("POST", f"/v1/signups/{signup_id}/numbers", body, tenant=tenant)


def two_numbers(bench: Bench) -> None:
    """Let the WABA have two numbers."""
    numbers = [{"id": number, "display_phone_number": f"+1 555 {number}"} for number in (NUMBER, "107")]
    bench.meta.says(f"{WABA}/phone_numbers", {"data": numbers})


def fail(bench: Bench, signup_id: str, code: str = "submission_rejected") -> None:
    """Let the signup's number fail."""
    number = bench.store.read(Number, NUMBER)
    signup = bench.store.read(Signup, signup_id)
    assert number is not None
    assert signup is not None
    now, before = bench.clock.now(), number.standing
    life.fail(number, code, Step.SUBMIT, now)
    signup.count(before, number.standing, now)
    bench.store.commit(number, signup)


def connect(bench: Bench) -> Number:
    """Let a number be submitted and connected."""
    submit(bench, bench.authorized())
    bench.sent()
    number, now = stored(bench), bench.clock.now()
    number.client_id, number.channel_id = "oneCL", "oneCH"
    number.progress = Progress.LIVE
    number.key = ChannelKey(secret="cipher", address="https://waba.example", made_at=now)
    life.connected(number, 0, now)
    life.schedule(number, now, timedelta(minutes=10))
    bench.store.commit(number)
    return number


def stored(bench: Bench) -> Number:
    number = bench.store.read(Number, NUMBER)
    assert number is not None
    return number


def wish(bench: Bench, word: str, body: object = None, tenant: str = TENANT) -> Answer:
    return bench.call("POST", f"/v1/numbers/{NUMBER}/{word}", body, tenant=tenant)


@pytest.mark.parametrize("body", [None, {}, {"phone_number_ids": [NUMBER]}, {"phone_number_ids": None}])
def test_the_only_number_is_stored_and_its_job_is_in_the_queue(
    bench: Bench, watch: Watch, body: object
) -> None:
    signup_id = bench.authorized()
    answer = submit(bench, signup_id, body)
    assert answer.status == 202
    signup = answer.json
    assert (signup["id"], signup["status"]) == (signup_id, "onboarding")
    (number,) = signup["numbers"]
    assert [step["status"] for step in number["steps"]] == ["pending"]
    assert number["signup_id"] == signup_id
    assert number["next_attempt_at"] is not None
    assert bench.sent() == [{"phone_number_id": NUMBER}]
    watch.assert_silent()


def test_a_plan_may_be_chosen_for_the_numbers(bench: Bench) -> None:
    signup_id = bench.authorized()
    assert submit(bench, signup_id, {"plan_tier": "basic"}).status == 202
    stored = bench.store.read(Number, NUMBER)
    assert stored is not None
    assert stored.plan_tier == "basic"


def test_a_repeat_changes_nothing(bench: Bench) -> None:
    signup_id = bench.authorized()
    first = submit(bench, signup_id)
    again = submit(bench, signup_id)
    assert again.status == 202
    assert again.json == first.json


def test_of_several_numbers_one_has_to_be_named(bench: Bench) -> None:
    two_numbers(bench)
    signup_id = bench.authorized()
    content = submit(bench, signup_id).problem(409, "number_ambiguous")
    assert [candidate["phone_number_id"] for candidate in content["candidates"]] == [NUMBER, "107"]
    answer = submit(bench, signup_id, {"phone_number_ids": ["107", "107"]})
    assert [number["status"] for number in answer.json["numbers"]] == ["listed", "pending"]
    assert bench.sent() == [{"phone_number_id": "107"}]


def test_a_number_of_another_waba_is_named(bench: Bench) -> None:
    two_numbers(bench)
    answer = submit(bench, bench.authorized(), {"phone_number_ids": [NUMBER, "999"]})
    answer.problem(403, "number_not_in_waba")
    assert answer.fields() == {"phone_number_ids.1"}
    assert bench.sent() == []


def test_without_a_proven_waba_nothing_is_submitted(bench: Bench) -> None:
    submit(bench, bench.opened()).problem(409, "not_authorized_yet")


def test_a_number_of_another_tenant_is_taken_and_nothing_is_said_of_them(bench: Bench) -> None:
    first, second = bench.authorized(), bench.authorized("tenant-2")
    assert submit(bench, first).status == 202
    answer = submit(bench, second, tenant="tenant-2")
    answer.problem(409, "number_taken")
    assert first not in answer.text


def test_a_number_of_the_same_tenant_goes_on_with_the_later_signup(bench: Bench) -> None:
    first, second = bench.authorized(), bench.authorized()
    submit(bench, first)
    answer = submit(bench, second)
    assert answer.status == 202
    assert answer.json["numbers"][0]["signup_id"] == second
    (left,) = bench.call("GET", f"/v1/signups/{first}").json["numbers"]
    assert (left["status"], left["signup_id"], left["steps"]) == ("listed", None, [])


def test_a_queue_that_does_not_answer_is_told_and_the_wish_is_kept(bench: Bench, watch: Watch) -> None:
    signup_id = bench.authorized()
    bench.sqs.delete_queue(QueueUrl=bench.jobs)
    content = submit(bench, signup_id).problem(503, "unavailable")
    assert content["retryable"]
    (number,) = bench.call("GET", f"/v1/signups/{signup_id}").json["numbers"]
    assert number["next_attempt_at"] is not None
    watch.assert_silent()


@pytest.mark.parametrize("route", ["/v1/signups/{signup}/retry", f"/v1/numbers/{NUMBER}/retry"])
def test_there_is_nothing_to_retry_when_nothing_has_failed(bench: Bench, route: str) -> None:
    signup_id = bench.authorized()
    submit(bench, signup_id)
    number = bench.store.read(Number, NUMBER)
    assert number is not None
    life.submitted(number, bench.clock.now())
    number.due_at = None
    bench.store.commit(number)
    bench.call("POST", route.format(signup=signup_id), {}).problem(409, "nothing_to_retry")


def test_a_signups_failed_number_is_run_again(bench: Bench, watch: Watch) -> None:
    signup_id = bench.authorized()
    submit(bench, signup_id)
    bench.sent()
    fail(bench, signup_id)
    shown = bench.call("GET", f"/v1/signups/{signup_id}").json
    assert shown["status"] == "attention"
    failure = shown["numbers"][0]["failure"]
    assert (failure["code"], failure["retryable"]) == ("submission_rejected", True)
    assert failure["title"] == "360dialog refused the number"
    assert failure["action"].endswith("then retry.")
    answer = bench.call("POST", f"/v1/signups/{signup_id}/retry", {})
    assert answer.status == 202
    assert (answer.json["id"], answer.json["numbers"][0]["failure"]) == (signup_id, None)
    assert bench.sent() == [{"phone_number_id": NUMBER}]
    watch.assert_silent()


def test_one_failed_number_is_run_again_and_is_the_answer(bench: Bench) -> None:
    signup_id = bench.authorized()
    submit(bench, signup_id)
    bench.sent()
    fail(bench, signup_id)
    assert bench.call("GET", f"/v1/numbers/{NUMBER}").json["failure"]["code"] == "submission_rejected"
    answer = bench.call("POST", f"/v1/numbers/{NUMBER}/retry")
    assert answer.status == 202
    assert (answer.json["phone_number_id"], answer.json["failure"]) == (NUMBER, None)
    assert bench.sent() == [{"phone_number_id": NUMBER}]


@pytest.mark.parametrize("route", ["/v1/signups/{signup}/retry", f"/v1/numbers/{NUMBER}/retry"])
def test_what_a_retry_cannot_mend_is_not_retried(bench: Bench, route: str) -> None:
    signup_id = bench.authorized()
    submit(bench, signup_id)
    fail(bench, signup_id, "client_taken")
    content = bench.call("POST", route.format(signup=signup_id), {}).problem(409, "nothing_to_retry")
    assert "another tenant" in content["detail"]
    assert bench.call("GET", f"/v1/numbers/{NUMBER}").json["status"] == "failed"


# --- a number's end, and its proof


@pytest.mark.parametrize("body", [None, {}])
def test_the_wish_to_end_a_channel_is_stored_shown_and_queued(
    bench: Bench, watch: Watch, body: object
) -> None:
    connect(bench)
    answer = wish(bench, "cancel", body)
    assert answer.status == 202
    assert answer.json["status"] == "connected"
    assert (answer.json["wish"]["action"], answer.json["wish"]["refused"]) == ("cancel", None)
    assert answer.json["next_attempt_at"] is not None
    assert answer.json == bench.call("GET", f"/v1/numbers/{NUMBER}").json
    assert bench.sent() == [{"phone_number_id": NUMBER}]
    watch.assert_silent()


def test_a_number_that_never_reached_360dialog_ends_at_once(bench: Bench) -> None:
    submit(bench, bench.authorized())
    answer = wish(bench, "cancel")
    assert (answer.status, answer.json["status"], answer.json["wish"]) == (202, "cancelled", None)
    wish(bench, "cancel").problem(409, "nothing_to_cancel")


def test_an_end_that_was_asked_for_is_taken_back(bench: Bench) -> None:
    number = connect(bench)
    number.ending_at = bench.clock.now()
    bench.store.commit(number)
    assert bench.call("GET", f"/v1/numbers/{NUMBER}").json["ending_at"] is not None
    wish(bench, "cancel").problem(409, "nothing_to_cancel")
    answer = wish(bench, "reactivate")
    assert (answer.status, answer.json["wish"]["action"]) == (202, "reactivate")
    assert bench.sent() == [{"phone_number_id": NUMBER}]


def test_without_an_end_there_is_nothing_to_take_back(bench: Bench) -> None:
    connect(bench)
    wish(bench, "reactivate").problem(409, "nothing_to_reactivate")
    assert bench.sent() == []


def test_a_refused_wish_says_why(bench: Bench) -> None:
    number, now = connect(bench), bench.clock.now()
    life.ask(number, Step.CANCEL, now)
    life.refuse(number, "cancellation_rejected", now)
    bench.store.commit(number)
    shown = bench.call("GET", f"/v1/numbers/{NUMBER}").json
    assert (shown["status"], shown["wish"]["refused"]) == ("connected", "cancellation_rejected")


def test_a_connected_number_is_proved_when_it_is_asked_for(bench: Bench) -> None:
    connect(bench)
    answer = wish(bench, "check")
    assert (answer.status, answer.json["status"]) == (202, "connected")
    assert bench.sent() == [{"phone_number_id": NUMBER}]


def test_a_number_that_is_not_connected_cannot_be_proved(bench: Bench) -> None:
    submit(bench, bench.authorized())
    wish(bench, "check").problem(409, "not_connected")


def test_a_dead_key_is_mended_by_a_retry(bench: Bench) -> None:
    number = connect(bench)
    wish(bench, "retry").problem(409, "nothing_to_retry")
    life.note(number, Attention.KEY_DEAD, bench.clock.now())
    bench.store.commit(number)
    assert bench.call("GET", f"/v1/numbers/{NUMBER}").json["attention"] == "key_dead"
    assert wish(bench, "retry").status == 202
    assert bench.sent() == [{"phone_number_id": NUMBER}]


@pytest.mark.parametrize("word", ["retry", "cancel", "reactivate", "check"])
def test_nobody_elses_number_is_touched_and_no_field_is_taken(bench: Bench, word: str) -> None:
    connect(bench)
    before = bench.items()
    wish(bench, word, tenant="tenant-2").problem(404, "not_found")
    wish(bench, word, {"why": "so"}).problem(422, "invalid_request")
    assert bench.items() == before
    assert bench.sent() == []
