"""`onramp wake`, and `onramp events hand-over`: messages are moved one by one, and none is lost."""

import json
from datetime import timedelta

import pytest

from onramp.domain.census import SOON
from onramp.domain.text import iso
from ops.commands import hand_over, wake
from tests.ops.conftest import NOW, AtDesk, Case, Desk


def send(case: Case, output: str, body: str, **attributes: str) -> None:
    case.stage.aws.sqs.send_message(
        QueueUrl=case.stage.outputs[output],
        MessageBody=body,
        MessageAttributes={n: {"DataType": "String", "StringValue": v} for n, v in attributes.items()},
    )


def waiting(case: Case, output: str) -> list[tuple[str, dict[str, str]]]:
    answer = case.stage.aws.sqs.receive_message(
        QueueUrl=case.stage.outputs[output],
        MaxNumberOfMessages=10,
        MessageAttributeNames=["All"],
        VisibilityTimeout=0,
    )
    return sorted(
        (
            message["Body"],
            {n: v["StringValue"] for n, v in message.get("MessageAttributes", {}).items()},
        )
        for message in answer.get("Messages", [])
    )


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty queue is empty at once, in memory."""
    monkeypatch.setattr(hand_over, "EMPTY", 1)
    monkeypatch.setattr(hand_over, "WAIT", 0)


def test_what_waits_is_handed_over_to_another_stage(desk: Desk, case: Case) -> None:
    there = case.stage.aws.sqs.create_queue(QueueName="new-events")["QueueUrl"]
    send(case, "EventsQueueUrl", "late", encoding="utf-8")
    assert desk.run("events", "hand-over", "--to", there) == 0
    case.stage.outputs = {**case.stage.outputs, "There": there}
    assert waiting(case, "There") == [("late", {"encoding": "utf-8"})]
    assert desk.run("events", "hand-over", "--to", case.stage.outputs["EventsQueueUrl"]) == 2


# --- wake ------------------------------------------------------------------------------------------------


def test_a_number_gets_its_job(desk: Desk, case: Case) -> None:
    assert desk.run("wake", "number", "106540352242922", "--retry") == 0
    jobs = [json.loads(body) for body, _ in waiting(case, "JobsQueueUrl")]
    assert jobs == [{"phone_number_id": "106540352242922", "retry": True}]


@pytest.mark.parametrize(("ago", "told"), [(timedelta(minutes=4), True), (timedelta(hours=4), False)])
def test_a_census_that_may_not_begin_yet_says_when(
    at_desk: AtDesk, monkeypatch: pytest.MonkeyPatch, ago: timedelta, told: bool
) -> None:
    monkeypatch.setattr(wake, "_now", lambda: NOW)
    ended, begins = iso(NOW - ago), iso(NOW - ago + SOON)
    at_desk.answers["channels.census"] = {"woken": True, "ended_at": ended, "not_before": begins}
    assert at_desk.run("wake", "census") == 0
    assert at_desk.asked == [("channels.census", {"wake": True})]
    assert (f"the last round ended at {ended}; the next one begins at {begins}" in at_desk.out) is told


def test_a_census_that_the_queue_does_not_take_is_no_success(at_desk: AtDesk) -> None:
    at_desk.answers["channels.census"] = {"woken": False, "ended_at": None, "not_before": None}
    assert at_desk.run("wake", "census") == 1


def test_what_is_no_number_of_metas_is_refused(desk: Desk, case: Case) -> None:
    assert desk.run("wake", "number", "+15550100123") == 2
    assert "is no phone number id of Meta's" in desk.err
    assert not waiting(case, "JobsQueueUrl")
