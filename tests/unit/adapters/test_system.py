"""Clock, ids, logs and metrics as CloudWatch will see them."""

import json
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from aws_lambda_powertools import Logger, Metrics

from onramp.adapters.system import RESERVED, SEQUENCE, PowertoolsTelemetry, SystemClock
from tests.canary import EMAIL, PHONE, assert_silent


@pytest.fixture
def metrics() -> Metrics:
    made = Metrics(namespace="OnrampTest", service="unit")
    made.clear_metrics()
    made.set_default_dimensions(stage="test")
    return made


def telemetry(metrics: Metrics, request: pytest.FixtureRequest) -> PowertoolsTelemetry:
    """With a logger of its own, for a logger keeps the stream it was made with and each test has another."""
    return PowertoolsTelemetry(Logger(service=request.node.name, level="INFO"), metrics)


def emitted(
    metrics: Metrics, capsys: pytest.CaptureFixture[str]
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The metric line, and the log lines before it."""
    metrics.flush_metrics()
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return lines[-1], lines[:-1]


def test_a_count_is_a_metric_of_its_stage(
    metrics: Metrics, capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest
) -> None:
    telling = telemetry(metrics, request)
    telling.count("SignupsOpened")
    telling.count("SignupsOpened", 2)
    line, logs = emitted(metrics, capsys)
    assert line["SignupsOpened"] == [1.0, 2.0]
    assert line["stage"] == "test"
    entry = line["_aws"]["CloudWatchMetrics"][0]
    assert entry["Namespace"] == "OnrampTest"
    assert entry["Dimensions"] == [["stage", "service"]]
    assert [(metric["Name"], metric["Unit"]) for metric in entry["Metrics"]] == [("SignupsOpened", "Count")]
    assert logs == []


@pytest.mark.parametrize("name", ["SecondsToConnect", "BudgetWaited"])
def test_a_time_is_a_metric_in_seconds(
    name: str, metrics: Metrics, capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest
) -> None:
    telemetry(metrics, request).count(name, 2.5)
    line, _ = emitted(metrics, capsys)
    assert line[name] == [2.5]
    assert line["_aws"]["CloudWatchMetrics"][0]["Metrics"][0]["Unit"] == "Seconds"


def test_dimensions_go_into_the_log_and_make_no_new_metric(
    metrics: Metrics, capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest
) -> None:
    telemetry(metrics, request).count("MetaRefusals", code="code_expired")
    line, logs = emitted(metrics, capsys)
    assert line["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["stage", "service"]]
    assert [(log["message"], log["metric"], log["code"]) for log in logs] == [
        ("counted", "MetaRefusals", "code_expired")
    ]


@pytest.mark.parametrize(("method", "level"), [("info", "INFO"), ("warn", "WARNING")])
def test_a_line_has_its_fields_and_masks_its_detail(
    method: str,
    level: str,
    metrics: Metrics,
    capsys: pytest.CaptureFixture[str],
    request: pytest.FixtureRequest,
) -> None:
    getattr(telemetry(metrics, request), method)(
        "said", signup_id="s1", status=429, detail=f"{EMAIL} called {PHONE}", none=None
    )
    out = capsys.readouterr().out
    line = json.loads(out)
    assert (line["message"], line["level"], line["signup_id"], line["status"]) == ("said", level, "s1", 429)
    assert line["detail"] == "c***@example.com called ***6789"
    assert_silent(out)


@pytest.mark.parametrize("name", sorted(RESERVED - {"message"}))
def test_a_field_takes_the_place_of_nothing_that_says_who_writes(
    name: str, metrics: Metrics, capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest
) -> None:
    telling = telemetry(metrics, request)
    telling.info("said")
    telling.warn("said", **{name: "queue"})
    plain, line = (json.loads(written) for written in capsys.readouterr().out.splitlines())
    assert line[f"{name}_"] == "queue"
    assert line.keys() == plain.keys() | {f"{name}_"}
    assert (line["service"], line["level"], line["message"]) == (request.node.name, "WARNING", "said")


def test_a_dimension_takes_the_place_of_nothing_either(
    metrics: Metrics, capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest
) -> None:
    telemetry(metrics, request).count("Lost", 2, service="queue", metric="other")
    _, (line,) = emitted(metrics, capsys)
    assert (line["service"], line["service_"]) == (request.node.name, "queue")
    assert (line["metric"], line["value"]) == ("Lost", 2)


def test_a_half_of_a_character_does_not_cost_a_line(
    metrics: Metrics, capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest
) -> None:
    telemetry(metrics, request).info("said", event_id="e\ud800", detail="\udfff")
    line = json.loads(capsys.readouterr().out.encode("utf-8"))
    assert (line["event_id"], line["detail"]) == ("e\ufffd", "\ufffd")


def test_the_clock_is_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SystemClock()
    assert clock.now().tzinfo is UTC
    assert abs((clock.now() - datetime.now(UTC)).total_seconds()) < 5
    assert 0 <= clock.draw() < 1
    slept: list[float] = []
    monkeypatch.setattr("onramp.adapters.system.time.sleep", slept.append)
    clock.sleep(1.5)
    assert slept == [1.5]


def ids_at(monkeypatch: pytest.MonkeyPatch, *times: float) -> list[str]:
    """Ids that one clock makes at these times."""
    following = iter(times)
    monkeypatch.setattr("onramp.adapters.system.time.time", lambda: next(following))
    clock = SystemClock()
    return [clock.new_id() for _ in times]


def test_ids_sort_by_age_and_cannot_be_guessed(monkeypatch: pytest.MonkeyPatch) -> None:
    ids = ids_at(monkeypatch, 1_700_000_000.0, 1_700_000_000.001, 4_000_000_000.0)
    assert ids == sorted(ids)
    assert all(re.fullmatch(r"[0-9a-f]{32}", made) for made in ids)
    # 64 bits that nothing tells.
    assert len({made[16:] for made in ids}) == 3
    assert [int(made[:12], 16) for made in ids] == [1_700_000_000_000, 1_700_000_000_001, 4_000_000_000_000]


def test_ids_of_one_millisecond_sort_as_they_were_made(monkeypatch: pytest.MonkeyPatch) -> None:
    ids = ids_at(monkeypatch, *[1_700_000_000.0] * (SEQUENCE + 500))
    assert ids == sorted(ids)
    assert len({made[:16] for made in ids}) == len(ids)


def test_ids_sort_as_they_were_made_when_the_time_is_set_back(monkeypatch: pytest.MonkeyPatch) -> None:
    ids = ids_at(monkeypatch, 1_700_000_000.0, 1_600_000_000.0, 1_600_000_001.0, 1_700_000_000.002)
    assert ids == sorted(ids)


def test_ids_of_many_threads_are_all_different(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("onramp.adapters.system.time.time", lambda: 1_700_000_000.0)
    clock = SystemClock()
    with ThreadPoolExecutor(8) as pool:
        ids = list(pool.map(lambda _: clock.new_id(), range(2_000)))
    assert len({made[:16] for made in ids}) == 2_000
