import dataclasses
import threading
import time

import botocore.exceptions
import httpx
import pytest
from botocore.exceptions import ClientError

from harness.waiting import PATIENCE
from ops.doctor.catalogue import CHECKS, Check
from ops.doctor.findings import Finding, Level, Stop, fail, ok, skipped, together, warn
from ops.doctor.runner import examine, run_one
from ops.doctor.stage import Stage
from ops.stage.aws import Aws
from ops.stage.once import Once
from tests.ops.conftest import CANARIES, PARTNER_KEY, Case


def check(name: str, result: Finding | Exception, *, seconds: float = 0) -> Check:
    def run(_: Stage) -> Finding:
        time.sleep(seconds)
        if isinstance(result, Exception):
            raise result
        return result

    return Check(name, "", run)


def denied(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": PARTNER_KEY}}, "GetItem")


@pytest.mark.parametrize(
    ("error", "level", "told"),
    [
        (Stop(skipped("see elsewhere")), Level.SKIPPED, "see elsewhere"),
        (denied("AccessDeniedException"), Level.WARN, "may not GetItem"),
        (denied("ResourceNotFoundException"), Level.FAIL, "AWS refuses GetItem (ResourceNotFoundException)"),
        (botocore.exceptions.NoCredentialsError(), Level.FAIL, "AWS cannot be asked (NoCredentialsError)"),
        (httpx.ReadTimeout(PARTNER_KEY), Level.FAIL, "no answer (ReadTimeout)"),
        (KeyError(PARTNER_KEY), Level.FAIL, "the check itself broke: KeyError in test_runner.py, line "),
        (RecursionError(PARTNER_KEY), Level.FAIL, "the check itself broke: RecursionError"),
    ],
)
def test_whatever_a_check_raises_is_a_finding(case: Case, error: Exception, level: Level, told: str) -> None:
    found = run_one(case.stage, check("odd", error)).finding
    assert (found.level, told in found.detail) == (level, True), found
    assert PARTNER_KEY not in found.detail + found.advice


def test_a_secret_in_a_finding_is_taken_out(case: Case) -> None:
    case.stage.secret()
    found = run_one(case.stage, check("chatty", fail(f"key {PARTNER_KEY}!", f"use {PARTNER_KEY}"))).finding
    assert (found.detail, found.advice) == ("key •••!", "use •••")


def test_findings_come_in_the_order_of_the_checks(case: Case) -> None:
    checks = [check("slow", ok("1"), seconds=0.2), check("broken", ValueError()), check("fast", ok("3"))]
    found = examine(case.stage, checks)
    assert [(item.check.name, item.finding.level) for item in found] == [
        ("slow", Level.OK),
        ("broken", Level.FAIL),
        ("fast", Level.OK),
    ]


def test_checks_run_side_by_side_and_progress_is_told(case: Case) -> None:
    together_now = threading.Barrier(3, timeout=PATIENCE)

    def meet(_: Stage) -> Finding:
        together_now.wait()
        return ok("met")

    seen: list[tuple[int, int]] = []
    found = examine(
        case.stage,
        [Check(name, "", meet) for name in "abc"],
        progress=lambda running, done: seen.append((len(running), len(done))),
    )
    assert {item.finding.level for item in found} == {Level.OK}
    assert seen[0] == (1, 0)
    assert seen[-1] == (0, 3)


def test_a_stuck_check_does_not_hold_the_others(case: Case) -> None:
    never = threading.Event()

    def hang(_: Stage) -> Finding:
        never.wait(20)
        return ok("at last")

    try:
        found = examine(case.stage, [Check("stuck", "", hang), check("fine", ok("1"))], limit=0.5)
    finally:
        never.set()
    assert [item.finding.detail for item in found] == ["did not end in time", "1"]


def test_no_check_ever_shows_a_secret_or_breaks_when_nothing_works(case: Case) -> None:
    """All upstreams away, AWS refusing everything but the secret."""
    case.web.answers.clear()
    # One after the other: the account in memory is not made for threads.
    findings = [run_one(case.stage, item).finding for item in CHECKS]
    texts = " ".join(f.detail + f.advice for f in findings)
    assert "broke" not in texts, texts
    assert not any(canary in texts for canary in CANARIES)


def test_without_credentials_everything_is_a_finding(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    class Bare(Aws):
        def client(self, service: str) -> object:
            raise botocore.exceptions.NoCredentialsError

    case.stage.aws = Bare(region="eu-central-1")
    for item in CHECKS:
        assert "broke" not in run_one(case.stage, item).finding.detail


def test_names_of_checks_are_different() -> None:
    names = [item.name for item in CHECKS]
    assert len(set(names)) == len(names)
    assert all(item.about for item in CHECKS)


def test_several_findings_become_the_worst() -> None:
    found = together([warn("a", "do"), fail("b", "do"), skipped("c", "see")], "fine")
    assert found == Finding(level=Level.FAIL, detail="a; b; c", advice="do see")
    assert together([], "fine") == ok("fine")
    changed = dataclasses.replace(ok("d"), changed=True)
    assert together([changed], "").changed


def test_a_fact_is_read_once_even_when_it_fails() -> None:
    calls = []

    def read() -> int:
        calls.append(1)
        raise ValueError

    fact = Once(read)
    assert fact.known is None
    for _ in range(2):
        with pytest.raises(ValueError):  # noqa: PT011 - it has no text
            fact()
    assert len(calls) == 1
    assert fact.known is None
    seven = Once(lambda: 7)
    assert (seven.known, seven(), seven.known) == (None, 7, 7)
