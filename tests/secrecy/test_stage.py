"""The watch itself: a leak of each kind is noticed, so that silence means something."""

import json
import logging

import httpx
import pytest

from tests.canary import PHONE
from tests.secrecy.journey import customer, open_signup, whole
from tests.secrecy.stage import Stage


def test_addresses_that_httpx_logs_are_noticed(stage: Stage) -> None:
    def talkative(_: httpx.Request) -> None:
        logging.getLogger("httpx").setLevel(logging.NOTSET)

    stage.on_request = talkative
    whole(stage)
    with pytest.raises(AssertionError, match="let out"):
        stage.assert_silent()


def test_a_made_up_token_is_noticed_in_an_answer(stage: Stage) -> None:
    code = customer(stage)["code"]
    with pytest.raises(AssertionError, match="let out"):
        stage.assert_no_credential(json.dumps({"echo": code}))


def test_a_number_in_a_job_is_noticed(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    open_signup(stage)
    stage.assert_silent()
    stage._running = "onboarding_worker"
    job = json.dumps({"phone_number_id": PHONE})
    stage._aws["sqs"].send_message(QueueUrl=stage.queues["jobs-dlq"], MessageBody=job)
    with pytest.raises(AssertionError, match="let out"):
        stage.assert_silent()
