"""`onramp letters` and `onramp wake`: messages are moved one by one, and none is lost."""

import json
from datetime import timedelta

import pytest

from onramp.domain.census import SOON, Census
from onramp.domain.text import iso
from ops.commands import letters, wake
from ops.doctor.records import ports_of
from tests.ops.conftest import NOW, Case, Desk


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
    monkeypatch.setattr(letters, "EMPTY", 1)
    monkeypatch.setattr(letters, "WAIT", 0)


def test_they_are_read_with_their_reason_and_stay(desk: Desk, case: Case) -> None:
    send(case, "EventsDlqUrl", "{}", reason="unreadable", encoding="utf-8")
    for _ in range(2):
        assert desk.run("letters", "show", "events") == 0
        told = json.loads(desk.out)
        assert (told["reason"], told["body"]) == ("unreadable", "{}")
        assert told["at"].endswith("Z")


def test_redriven_messages_keep_what_they_carry(desk: Desk, case: Case) -> None:
    for number in range(12):
        send(case, "EventsDlqUrl", f"event {number:02}", reason="crashed", encoding="base64")
    assert desk.run("letters", "redrive", "events") == 0
    assert desk.out == "12 sent back to events\n"
    assert not waiting(case, "EventsDlqUrl")
    assert waiting(case, "EventsQueueUrl")[0] == ("event 00", {"reason": "crashed", "encoding": "base64"})


def test_one_of_them_can_be_picked(desk: Desk, case: Case) -> None:
    for number in ("1", "2"):
        send(case, "JobsDlqUrl", json.dumps({"phone_number_id": f"10654035224292{number}", "retry": True}))
    assert desk.run("letters", "redrive", "jobs", "--containing", "106540352242922") == 0
    [(moved, _)] = waiting(case, "JobsQueueUrl")
    assert json.loads(moved)["phone_number_id"] == "106540352242922"
    [(left, _)] = waiting(case, "JobsDlqUrl")
    assert json.loads(left)["phone_number_id"] == "106540352242921"


def test_a_message_that_is_not_taken_stays(desk: Desk, case: Case) -> None:
    send(case, "JobsDlqUrl", "job")
    case.stage.aws.sqs.delete_queue(QueueUrl=case.stage.outputs["JobsQueueUrl"])
    assert desk.run("letters", "redrive", "jobs") == 1
    assert "AWS refuses SendMessage" in desk.err
    count = case.stage.aws.sqs.get_queue_attributes(
        QueueUrl=case.stage.outputs["JobsDlqUrl"], AttributeNames=["ApproximateNumberOfMessagesNotVisible"]
    )
    assert count["Attributes"]["ApproximateNumberOfMessagesNotVisible"] == "1"


def test_throwing_away_asks_first(desk: Desk, case: Case) -> None:
    send(case, "StreamDlqUrl", "x")
    assert desk.run("letters", "purge", "stream") == 2
    assert waiting(case, "StreamDlqUrl")
    assert desk.run("letters", "purge", "stream", "--yes") == 0
    assert not waiting(case, "StreamDlqUrl")


def test_what_waits_is_handed_over_to_another_stage(desk: Desk, case: Case) -> None:
    there = case.stage.aws.sqs.create_queue(QueueName="new-events")["QueueUrl"]
    send(case, "EventsQueueUrl", "late", encoding="utf-8")
    assert desk.run("letters", "hand-over", "--to", there) == 0
    case.stage.outputs = {**case.stage.outputs, "There": there}
    assert waiting(case, "There") == [("late", {"encoding": "utf-8"})]
    assert desk.run("letters", "hand-over", "--to", case.stage.outputs["EventsQueueUrl"]) == 2


# --- wake ------------------------------------------------------------------------------------------------


def test_a_number_gets_its_job(desk: Desk, case: Case) -> None:
    assert desk.run("wake", "number", "106540352242922", "--retry") == 0
    assert desk.run("wake", "census") == 0
    jobs = [json.loads(body) for body, _ in waiting(case, "JobsQueueUrl")]
    assert jobs == [{"census": "default"}, {"phone_number_id": "106540352242922", "retry": True}]


@pytest.mark.parametrize(
    ("ago", "told"),
    [
        (
            timedelta(minutes=4),
            "the last round ended at {ended}; the next one begins at {begins} at the earliest",
        ),
        (timedelta(hours=4), ""),
    ],
)
def test_a_census_that_may_not_begin_yet_says_when(
    desk: Desk, case: Case, monkeypatch: pytest.MonkeyPatch, ago: timedelta, told: str
) -> None:
    monkeypatch.setattr(wake, "_now", lambda: NOW)
    ended = NOW - ago
    ports_of(case.stage).store.commit(Census(ended_at=ended))
    assert desk.run("wake", "census") == 0
    assert len(waiting(case, "JobsQueueUrl")) == 1
    assert told.format(ended=iso(ended), begins=iso(ended + SOON)) in desk.out
    assert ("at the earliest" in desk.out) is bool(told)


def test_what_is_no_number_of_metas_is_refused(desk: Desk, case: Case) -> None:
    assert desk.run("wake", "number", "+15550100123") == 2
    assert "is no phone number id of Meta's" in desk.err
    assert not waiting(case, "JobsQueueUrl")
