"""Taking a wish for numbers: 202 only once it is stored and in the queue."""

import boto3
import pytest

import number_submission
from onramp.domain.states import Step
from tests.canary import Watch
from tests.unit.handlers.bench import NUMBER, TABLE, TENANT, WABA, Answer, Bench


def submit(bench: Bench, signup_id: str, body: object = None, tenant: str = TENANT) -> Answer:
    return bench.call("POST", f"/v1/signups/{signup_id}/numbers", body, tenant=tenant)


def two_numbers(bench: Bench) -> None:
    """Let the WABA have two numbers."""
    numbers = [{"id": number, "display_phone_number": f"+1 555 {number}"} for number in (NUMBER, "107")]
    bench.meta.says(f"{WABA}/phone_numbers", {"data": numbers})


@pytest.mark.parametrize("body", [None, {}, {"phone_number_ids": [NUMBER]}, {"phone_number_ids": None}])
def test_the_only_number_is_stored_and_its_job_is_in_the_queue(
    bench: Bench, watch: Watch, body: object
) -> None:
    signup_id = bench.authorized()
    answer = submit(bench, signup_id, body)
    assert answer.status == 202
    signup = answer.json["signup"]
    assert signup["status"] == "onboarding"
    (number,) = signup["numbers"]
    assert [step["status"] for step in number["steps"]] == ["pending"]
    assert number["next_attempt_at"] is not None
    assert bench.sent() == [{"signup_id": signup_id, "phone_number_id": NUMBER}]
    watch.assert_silent()


def test_a_plan_may_be_chosen_for_the_numbers(bench: Bench) -> None:
    signup_id = bench.authorized()
    assert submit(bench, signup_id, {"plan_tier": "basic"}).status == 202


def test_a_repeat_changes_nothing(bench: Bench) -> None:
    signup_id = bench.authorized()
    first = submit(bench, signup_id).json["signup"]
    again = submit(bench, signup_id)
    assert again.status == 202
    assert again.json["signup"]["numbers"] == first["numbers"]


def test_of_several_numbers_one_has_to_be_named(bench: Bench) -> None:
    two_numbers(bench)
    signup_id = bench.authorized()
    content = submit(bench, signup_id).problem(409, "number_ambiguous")
    assert [candidate["phone_number_id"] for candidate in content["candidates"]] == [NUMBER, "107"]
    assert submit(bench, signup_id, {"phone_number_ids": ["107", "107"]}).status == 202
    assert bench.sent() == [{"signup_id": signup_id, "phone_number_id": "107"}]


def test_a_number_of_another_waba_is_named(bench: Bench) -> None:
    two_numbers(bench)
    answer = submit(bench, bench.authorized(), {"phone_number_ids": [NUMBER, "999"]})
    answer.problem(403, "number_not_in_waba")
    assert answer.fields() == {"phone_number_ids.1"}
    assert bench.sent() == []


def test_without_a_proven_waba_nothing_is_submitted(bench: Bench) -> None:
    submit(bench, bench.opened()).problem(409, "not_authorized_yet")


def test_a_number_belongs_to_one_signup(bench: Bench) -> None:
    first, second = bench.authorized(), bench.authorized("tenant-2")
    assert submit(bench, first).status == 202
    content = submit(bench, second, tenant="tenant-2").problem(409, "number_taken")
    assert first not in content["detail"]
    third = bench.authorized()
    assert first in submit(bench, third).problem(409, "number_taken")["detail"]


def test_a_queue_that_does_not_answer_is_told_and_the_wish_is_kept(bench: Bench, watch: Watch) -> None:
    signup_id = bench.authorized()
    bench.sqs.delete_queue(QueueUrl=bench.jobs)
    content = submit(bench, signup_id).problem(503, "unavailable")
    assert content["retryable"]
    (number,) = bench.call("GET", f"/v1/signups/{signup_id}").json["numbers"]
    assert number["next_attempt_at"] is not None
    watch.assert_silent()


def test_a_bus_that_does_not_answer_stops_nobody(bench: Bench) -> None:
    signup_id = bench.authorized()
    boto3.client("events").delete_event_bus(Name="bus")
    assert submit(bench, signup_id).status == 202


def test_there_is_nothing_to_retry_when_nothing_has_failed(bench: Bench) -> None:
    signup_id = bench.authorized()
    bench.call("POST", f"/v1/signups/{signup_id}/retry").problem(409, "nothing_to_retry")


def test_a_failed_number_is_run_again(bench: Bench, watch: Watch) -> None:
    signup_id = bench.authorized()
    submit(bench, signup_id)
    bench.sent()
    runtime, _ = number_submission.function()
    store = runtime.store(TABLE)
    signup = store.load(signup_id)
    assert signup is not None
    signup.fail(signup.must_number(NUMBER), "submission_rejected", Step.SUBMIT, runtime.clock.now())
    store.save(signup)
    shown = bench.call("GET", f"/v1/signups/{signup_id}").json
    assert shown["status"] == "attention"
    assert shown["numbers"][0]["failure"]["code"] == "submission_rejected"
    answer = bench.call("POST", f"/v1/signups/{signup_id}/retry", {})
    assert answer.status == 202
    assert answer.json["signup"]["numbers"][0]["failure"] is None
    watch.assert_silent()
