"""The first sign of each trouble is one that alarms and doctor really give."""

from typing import Any

import pytest

from infra.node import use_packaged_node
from ops.doctor.catalogue import CHECKS
from tests.docs.printed import section
from tests.drills.book import RUNBOOK
from tests.drills.table import TROUBLES
from tests.drills.trouble import Counted, Found

use_packaged_node()

from aws_cdk import aws_cloudwatch as cloudwatch  # noqa: E402 - after Node is chosen

from infra.cards import CARDS  # noqa: E402
from infra.constructs.alarms import ALARMS  # noqa: E402

BY_ANCHOR = {spec.anchor: spec for spec in ALARMS}


class Noted:
    """Stands for the stack's metrics, and notes which of ours an alarm asks for."""

    functions = CARDS

    def __init__(self) -> None:
        self.names: set[str] = set()

    def own(self, name: str, function: str, **more: Any) -> cloudwatch.Metric:
        self.names.add(name)
        return cloudwatch.Metric(namespace="Onramp", metric_name=name)


@pytest.mark.parametrize(
    "sign", [one.sign for one in TROUBLES if isinstance(one.sign, Counted)], ids=lambda sign: sign.alarm
)
def test_the_alarm_watches_what_is_counted_and_rings_at_so_many(sign: Counted) -> None:
    spec, noted = BY_ANCHOR[sign.alarm], Noted()
    list(spec.source(noted))  # type: ignore[arg-type]
    assert sign.metric in noted.names
    assert sign.times == spec.threshold


@pytest.mark.parametrize(
    "sign", [one.sign for one in TROUBLES if isinstance(one.sign, Found)], ids=lambda sign: sign.check
)
def test_the_doctor_has_the_check(sign: Found) -> None:
    assert sign.check in {check.name for check in CHECKS}


def test_the_alarms_that_are_named_have_their_section() -> None:
    named = {getattr(one.sign, "alarm", "") for one in TROUBLES} - {""}
    assert named <= set(BY_ANCHOR)
    assert all(section(RUNBOOK, name) for name in named)
