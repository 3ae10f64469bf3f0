"""Taking a wish for numbers: 202 only once it is stored and in the queue."""

import pytest

from onramp.domain import number as life
from onramp.domain.number import Number
from onramp.domain.signup import Signup
from onramp.domain.states import Step
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
