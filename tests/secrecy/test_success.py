"""The way without a fault, with the root logger as Lambda sets it and as verbose as it can be."""

import logging

import pytest

from infra.cards import CARDS
from tests.secrecy.conftest import MakeStage
from tests.secrecy.journey import late, linked, whole
from tests.secrecy.stage import ELSEWHERE


@pytest.mark.parametrize("level", [logging.INFO, logging.DEBUG], ids=["info", "debug"])
def test_nothing_leaves_on_the_way_to_a_connected_number(make_stage: MakeStage, level: int) -> None:
    stage = make_stage(root_level=level)
    whole(stage)
    late(stage, "k-2")
    linked(stage, "k-3")
    stage.assert_silent()
    text = stage.out.getvalue()
    # The test saw something at all: logs and metrics of everybody.
    for metric in (
        "SignupsOpened",
        "PopupOutcomes",
        "SignupsAuthorized",
        "KeysMade",
        "NumbersConnected",
        "WebhooksAccepted",
    ):
        assert metric in text
    assert {call.function for call in stage.calls} == set(CARDS) - ELSEWHERE - {"hosted_page"}
    assert stage.told("PutEvents")
