import json
from datetime import timedelta

import httpx
import pytest

from onramp.domain.budget import BudgetRule, BudgetState, take
from onramp.usecases.budgeting import live_gate
from ops.doctor.findings import Level
from ops.doctor.records import AwsClock, ports_of
from tests.ops.conftest import HUB, PARTNER_KEY, WEBHOOK, Case

URL = f"{HUB}/webhook_url"
ELSEWHERE = "https://user:word@old.deployer.test:444/hook?token=abc"
SEEN = "https://old.deployer.test:444/hook?…"


def test_key_and_webhook_need_one_call_together(case: Case) -> None:
    case.web.on("GET", URL, body={"webhook_url": WEBHOOK})
    assert case.find("partner-key").level is Level.OK
    assert case.find("partner-webhook").level is Level.OK
    assert case.stage.partner.calls == 1
    [request] = case.web.requests
    assert request.headers["x-api-key"] == PARTNER_KEY


@pytest.mark.parametrize(
    ("status", "level", "told"),
    [
        (401, Level.FAIL, "refuses the key"),
        (403, Level.FAIL, "none of partner acmePA"),
        (429, Level.WARN, "limit of requests"),
        (503, Level.WARN, "trouble of its own"),
        (302, Level.FAIL, "answers 302"),
    ],
)
def test_refusals(case: Case, status: int, level: Level, told: str) -> None:
    case.web.on("GET", URL, status, {"meta": {"developer_message": "no"}})
    found = case.find("partner-key")
    assert (found.level, told in found.detail) == (level, True)
    assert case.find("partner-webhook").level is Level.SKIPPED


def test_nobody_there(case: Case) -> None:
    found = case.find("partner-key")
    assert found.level is Level.FAIL
    assert "cannot be reached (ConnectError)" in found.detail


def test_a_key_that_no_header_may_hold(case: Case) -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.LocalProtocolError(f"Illegal header value {request.headers['x-api-key']!r}")

    case.web.answers["GET", URL] = refuse
    found = case.find("partner-key")
    assert found.level is Level.FAIL
    assert "cannot even be made" in found.detail


def test_another_address(case: Case) -> None:
    case.web.on("GET", URL, body={"webhook_url": ELSEWHERE})
    found = case.find("partner-webhook")
    assert (found.level, found.detail) == (Level.FAIL, f"partner webhooks go to {SEEN}, not to {WEBHOOK}")
    assert "--fix" in found.advice
    assert {request.method for request in case.web.requests} == {"GET"}


@pytest.mark.parametrize("none", [None, ""])
def test_no_address(case: Case, none: str | None) -> None:
    case.web.on("GET", URL, body={"webhook_url": none})
    assert "go nowhere" in case.find("partner-webhook").detail


def test_a_hub_without_the_route_shows_it_at_the_partner(case: Case) -> None:
    case.web.on("GET", URL, 404)
    case.web.on("GET", HUB, body={"id": "acmePA", "webhook_url": WEBHOOK})
    assert case.find("partner-webhook").level is Level.OK
    assert case.stage.partner.calls == 2


def test_a_hub_that_does_not_tell(case: Case) -> None:
    case.web.on("GET", URL, body={"settings": 1})
    case.web.on("GET", HUB, body={"id": "acmePA"})
    assert case.find("partner-key").level is Level.OK
    assert case.find("partner-webhook").level is Level.WARN


def test_fix_sets_a_wrong_address_and_tells_both(case: Case) -> None:
    case.stage.fix = True
    case.web.on("GET", URL, body={"webhook_url": ELSEWHERE})
    case.web.on("POST", URL, body={"webhook_url": WEBHOOK})
    found = case.find("partner-webhook")
    assert (found.level, found.changed) == (Level.OK, True)
    assert WEBHOOK in found.detail
    assert SEEN in found.detail
    assert json.loads(case.web.requests[-1].content) == {"webhook_url": WEBHOOK}


def test_fix_reads_again_when_the_answer_does_not_tell(case: Case) -> None:
    case.stage.fix = True
    case.stage.patience = 40
    case.web.on("GET", URL, body={"webhook_url": ELSEWHERE})

    def change(_: httpx.Request) -> httpx.Response:
        case.web.on("GET", URL, body={"webhook_url": WEBHOOK})
        return httpx.Response(200)

    case.web.answers["POST", URL] = change
    assert case.find("partner-webhook").changed


def test_fix_leaves_a_right_address_alone(case: Case) -> None:
    case.stage.fix = True
    case.web.on("GET", URL, body={"webhook_url": WEBHOOK})
    found = case.find("partner-webhook")
    assert (found.level, found.changed) == (Level.OK, False)
    assert case.stage.partner.calls == 1


def test_fix_that_does_not_help(case: Case) -> None:
    case.stage.fix = True
    case.web.on("GET", URL, body={"webhook_url": ELSEWHERE})
    case.web.on("POST", URL, 400)
    found = case.find("partner-webhook")
    assert (found.level, found.changed) == (Level.FAIL, False)


def test_a_call_is_counted_in_the_budget_of_the_functions(case: Case) -> None:
    case.web.on("GET", URL, body={"webhook_url": WEBHOOK})
    case.find("partner-key")
    assert len(budget(case).starts) == 1


def budget(case: Case) -> BudgetState:
    """The budget as the functions see it."""
    state = ports_of(case.stage).store.read(BudgetState, "default")
    assert state is not None
    return state


def use_up(case: Case) -> None:
    """Five calls of signups, just now."""
    for number in range(5):
        live_gate(ports_of(case.stage), f"job-{number}")()


def test_live_signups_come_first(case: Case) -> None:
    use_up(case)
    case.web.on("GET", URL, body={"webhook_url": WEBHOOK})
    found = case.find("partner-key")
    assert found.level is Level.SKIPPED
    assert "gives way" in found.detail
    assert not case.web.requests


def test_with_patience_it_waits_for_its_turn(case: Case) -> None:
    use_up(case)
    case.stage.patience = 40
    case.web.on("GET", URL, body={"webhook_url": WEBHOOK})
    assert case.find("partner-key").level is Level.OK
    assert case.time.slept >= 30


def test_a_429_makes_everybody_rest(case: Case) -> None:
    case.web.on("GET", URL, 429, {}, **{"Retry-After": "120"})
    case.find("partner-key")
    clock, state = AwsClock(case.stage), budget(case)
    assert state.blocked_until is not None
    rule = BudgetRule(calls=5, window=timedelta(seconds=30))
    later = take(state, rule, "job", clock.now())
    assert later is not None
    assert later >= clock.now() + timedelta(seconds=119)


def test_without_the_table_it_calls_all_the_same_and_says_so(case: Case) -> None:
    case.stage.aws.dynamodb.delete_table(TableName="onramp")
    case.web.on("GET", URL, body={"webhook_url": WEBHOOK})
    found = case.find("partner-key")
    assert found.level is Level.OK
    assert "not counted in the budget (ResourceNotFoundException)" in found.detail
