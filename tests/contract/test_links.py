"""Links in every store: found by their tenant, by what has become of them, and spent by one."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

import pytest

from harness.dynamodb import CountingDynamo
from onramp.adapters.memory import START, MemoryTelemetry, MemoryVault
from onramp.domain.errors import Problem
from onramp.domain.link import LINGER, LONGEST, Link, LinkStatus
from onramp.domain.signup import Exchange, Signup
from onramp.domain.states import SignupStatus
from onramp.ports import Ports
from onramp.ports.storage import Position
from onramp.usecases.exchange_code import exchange_code
from onramp.usecases.links import linked, revoke_link
from tests.contract.conftest import Stage, on_dynamodb
from tests.contract.examples import HOSTILE, at_once, signup, stored
from tests.unit.usecases.bench import ScriptedMeta

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

SECRET = "s" * 43
RIVALS = 6


def link(name: str = "l1", tenant: str = "acme", *, days: int = 7, **more: Any) -> Link:
    made = Link(
        id=name,
        tenant=tenant,
        signup_id="s1",
        created_at=START,
        expires_at=START + timedelta(days=days),
        **more,
    )
    made.add_secret(SECRET)
    return made


def listed(
    stage: Stage, status: str | None, now: datetime, limit: int = 2, tenant: str = "acme"
) -> list[str]:
    found: list[str] = []
    before: Position | None = None
    while page := stage.store.links_of(tenant, status, before, limit, now):
        assert len(page) <= limit
        found += [position.id for position in page]
        before = page[-1]
    return found


def test_a_link_is_kept_as_it_is(stage: Stage) -> None:
    made = link(language="de", success_url="https://a.example/", reference="r")
    made.made()
    stage.store.commit(made)
    assert stored(stage.store, made) == made
    made.spend("visit", START)
    stage.store.commit(made)
    assert stored(stage.store, made) == made
    told = [fact.type for fact in stage.store.facts_of("s1", 9)]
    assert told == ["signup.link_made", "signup.link_used"]


def test_a_link_is_forgotten_some_time_after_its_end(stage: Stage) -> None:
    stage.store.commit(link())
    stage.clock.set(START + timedelta(days=7) + LINGER - timedelta(seconds=1))
    assert stage.store.read(Link, "l1") is not None
    stage.clock.advance(timedelta(seconds=2))
    assert stage.store.read(Link, "l1") is None


def test_each_state_is_exact_and_the_last_to_end_comes_first(stage: Stage) -> None:
    for days in range(1, 9):
        stage.store.commit(link(f"open{days}", days=days))
    stage.store.commit(link("used", days=5, used_at=START), link("revoked", days=6, revoked_at=START))
    stage.store.commit(link("theirs", "other"))
    now = START + timedelta(days=3)
    assert listed(stage, LinkStatus.OPEN, now) == ["open8", "open7", "open6", "open5", "open4"]
    assert listed(stage, LinkStatus.EXPIRED, now) == ["open3", "open2", "open1"]
    assert listed(stage, LinkStatus.USED, now) == ["used"]
    assert listed(stage, LinkStatus.REVOKED, now) == ["revoked"]
    assert listed(stage, "nonsense", now) == []
    everything = listed(stage, None, now)
    assert sorted(everything) == sorted([f"open{days}" for days in range(1, 9)] + ["used", "revoked"])
    assert everything[:3] == ["open8", "open7", "revoked"]


def test_tenants_see_only_their_own_links(stage: Stage) -> None:
    for index, tenant in enumerate(HOSTILE):
        stage.store.commit(link(f"l{index}", tenant))
    for index, tenant in enumerate(HOSTILE):
        assert listed(stage, None, START, tenant=tenant) == [f"l{index}"]
    assert stage.store.signups_of("acme", None, None, 9, START) == []


@pytest.mark.parametrize("status", [None, *LinkStatus])
def test_a_list_of_links_reads_no_more_than_it_returns(status: LinkStatus | None) -> None:
    spent = []
    for count in (10, 400):
        counting = CountingDynamo()
        stage = on_dynamodb(cast("DynamoDBClient", counting), counting, make=False)
        for index in range(count):
            days = 1 + index % 9
            stage.store.commit(
                link(f"open{index:03d}", days=days),
                link(f"used{index:03d}", days=days, used_at=START),
                link(f"revoked{index:03d}", days=days, revoked_at=START),
            )
        before = counting.spent.copy()
        found = stage.store.links_of("acme", status, None, 3, START + timedelta(days=5))
        assert len(found) == 3
        spent.append(counting.spent.since(before))
    assert spent[0] == spent[1]


def test_signups_of_links_are_open_as_long_as_these_and_listed_so(stage: Stage) -> None:
    for days in (1, 7, 30):
        made = signup(f"s{days}", link_id=f"l{days}", expires_at=START + timedelta(days=days))
        stage.store.commit(made)
    stage.store.commit(signup("plain"))
    assert {found.id for found in stage.store.signups_of("acme", None, None, 9, START)} == {
        "s1",
        "s7",
        "s30",
        "plain",
    }
    for days in (0, 2, 8, 31):
        now = START + timedelta(days=days)
        for status in (SignupStatus.OPEN, SignupStatus.EXPIRED):
            positions = stage.store.signups_of("acme", status, None, 9, now)
            found = stage.store.read_all(Signup, [(position.id,) for position in positions])
            # What the index cannot know, the record says.
            shown = {made.id for made in found if made.status(now) is status}
            everything = [stored(stage.store, signup(name)) for name in ("s1", "s7", "s30", "plain")]
            assert shown == {made.id for made in everything if made.status(now) is status}
    assert timedelta(days=30) == LONGEST


def ports(stage: Stage) -> Ports:
    meta: Any = ScriptedMeta()
    return Ports(
        store=stage.store, clock=stage.clock, telemetry=MemoryTelemetry(), vault=MemoryVault(), meta=meta
    )


def test_a_visit_that_loses_the_link_before_it_reads_the_signup_is_told_so(shared: Stage) -> None:
    shared.store.commit(signup(link_id="l1", expires_at=START + timedelta(days=7)), link())
    winner, loser = (linked(ports(shared), f"l1.{SECRET}.visit-{index:010d}") for index in range(2))
    exchange_code(ports(shared), winner.signup, "code0", None, winner.visit)
    with pytest.raises(Problem) as told:
        exchange_code(ports(shared), stored(shared.store, winner.signup), "code1", None, loser.visit)
    assert told.value.code == "link_used"


@pytest.mark.parametrize("turn", range(3))
def test_of_many_visits_that_spend_one_link_exactly_one_wins(
    shared: Stage, turn: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The rivals' pauses would add up on their common clock.
    monkeypatch.setattr(shared.clock, "sleep", lambda _: None)
    # All are past the claim of the code, as after a stall: only the write of the token decides.
    monkeypatch.setattr("onramp.usecases.exchange_code.IN_PROGRESS", timedelta(0))
    monkeypatch.setattr("onramp.usecases.exchange_code.TRIES", 40)
    shared.store.commit(signup(link_id="l1", expires_at=START + timedelta(days=7)), link())

    def spend(index: int) -> str:
        visit = f"visit-{index:010d}"
        try:
            found = linked(ports(shared), f"l1.{SECRET}.{visit}")
            exchange_code(ports(shared), found.signup, f"code{index}", None, found.visit)
        except Problem as problem:
            return problem.code
        return "won"

    results = at_once(RIVALS, spend)
    assert sorted(map(str, results)) == ["link_used"] * (RIVALS - 1) + ["won"], results
    winner = results.index("won")
    kept = stored(shared.store, link())
    assert kept.refusal(f"visit-{winner:010d}", shared.clock.now()) is None
    exchange = shared.store.read(Exchange, "s1")
    assert exchange is not None
    token = MemoryVault().decrypt(
        exchange.token or "", {"purpose": "business_token", "signup": "s1", "tenant": "acme"}
    )
    assert token == f"token-of-code{winner}"
    facts = [fact.type for fact in shared.store.facts_of("s1", 99)]
    assert facts.count("signup.link_used") == facts.count("signup.authorized") == 1


def test_a_link_that_is_revoked_and_spent_at_once_is_one_of_both_first(shared: Stage) -> None:
    shared.store.commit(signup(link_id="l1", expires_at=START + timedelta(days=7)), link())

    def act(index: int) -> str:
        if index:
            return revoke_link(ports(shared), "acme", "l1").stored_status
        try:
            found = linked(ports(shared), f"l1.{SECRET}.visit-0123456789")
            exchange_code(ports(shared), found.signup, "code", None, found.visit)
        except Problem as problem:
            return problem.code
        return "won"

    first, second = at_once(2, act)
    kept = stored(shared.store, link())
    assert second == "revoked"
    assert kept.revoked_at is not None
    assert (first == "won") == (kept.used_at is not None), (first, kept)
