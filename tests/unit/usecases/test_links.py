"""Links: made with their signup, spent by the code that brings a token, and by nothing else."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from onramp.domain.errors import Ambiguous, Conflict, Permanent, Problem, UnavailableError
from onramp.domain.facts import FactType
from onramp.domain.link import LINGER, MOST_SECRETS, Link, LinkStatus
from onramp.domain.signup import Client, Exchange, Remembered, Signup
from onramp.domain.states import SignupStatus
from onramp.ports import LinkRules, Ports
from onramp.usecases import read
from onramp.usecases.exchange_code import choose_waba, exchange_code
from onramp.usecases.links import (
    Linked,
    MadeLink,
    WantedLink,
    link_cursor,
    linked,
    links,
    make_link,
    return_urls,
    revoke_link,
)
from onramp.usecases.list_numbers import token_context
from onramp.usecases.open_signup import Wanted, open_signup
from onramp.usecases.submit_numbers import submit_numbers
from tests.problems import refused
from tests.unit.usecases.bench import EMAIL, TENANT, WABA, Bench

VISIT = "visit-0123456789"
STRANGER = "visit-9876543210"
RULES = LinkRules(
    days=7, return_origins=("https://app.example.com",), refresh_url="https://app.example.com/new?a=1"
)
SIGNUP = Wanted(
    client=Client(name="Acme", email=EMAIL, user_name="Ann"), plan_tier="regular", reference="r 1"
)
INFO: dict[str, Any] = {"event": "FINISH", "data": {"waba_id": WABA, "phone_number_id": "1001"}}


def ports(bench: Bench, **rules: Any) -> Ports:
    return replace(bench.ports, rules=replace(bench.ports.rules, links=replace(RULES, **rules)))


def make(bench: Bench, key: str | None = None, tenant: str = TENANT, **values: Any) -> MadeLink:
    wanted = WantedLink(**{"signup": SIGNUP, **values})
    return make_link(ports(bench), tenant=tenant, wanted=wanted, idempotency_key=key)


def come(bench: Bench, made: MadeLink, visit: str = VISIT) -> Linked:
    return linked(ports(bench), f"{made.token}.{visit}")


def send_code(
    bench: Bench, made: MadeLink, code: str = "code", visit: str = VISIT, info: Any = INFO
) -> Signup:
    found = come(bench, made, visit)
    return exchange_code(ports(bench), found.signup, code, info, found.visit)


def stored(bench: Bench, made: MadeLink) -> Link:
    found = bench.store.read(Link, made.link.id)
    assert found is not None
    return found


def told(bench: Bench, made: MadeLink) -> list[str]:
    return bench.told(made.link.signup_id)


def exchange_of(bench: Bench, made: MadeLink) -> Exchange:
    found = bench.store.read(Exchange, made.link.signup_id)
    assert found is not None
    return found


# --- making


def test_a_link_and_its_signup_are_one_write_and_live_equally_long(bench: Bench) -> None:
    made = make(bench, success_url="https://app.example.com/done", language="de", days=3)
    signup = bench.load(made.link.signup_id)
    assert stored(bench, made) == made.link
    assert made.link.expires_at == signup.expires_at == bench.now + timedelta(days=3)
    assert (signup.tenant, signup.reference, signup.link_id) == (TENANT, "r 1", made.link.id)
    assert made.link.reference == "r 1"
    assert told(bench, made) == ["signup.opened", "signup.link_made"]
    assert signup.status(bench.now + timedelta(days=2)) is SignupStatus.OPEN


def test_without_a_wish_it_lives_as_long_as_the_configuration_says(bench: Bench) -> None:
    assert make(bench).link.expires_at == bench.now + timedelta(days=7)


def test_return_addresses_elsewhere_are_refused_by_their_fields_and_nothing_is_stored(bench: Bench) -> None:
    problem = refused(
        lambda: make(bench, success_url="https://evil.example/", failure_url="https://app.example.com/")
    )
    assert problem.code == "invalid_request"
    assert [error["field"] for error in problem.errors] == ["success_url"]
    assert [*bench.store.records(Signup), *bench.store.records(Link)] == []


def test_the_same_key_gives_the_same_link_and_both_addresses_lead_in(bench: Bench) -> None:
    first, again = make(bench, key="k"), make(bench, key="k")
    assert first.link.id == again.link.id
    assert first.token != again.token
    assert come(bench, first).signup == come(bench, again).signup
    assert len(bench.store.records(Signup)) == 1
    last = [make(bench, key="k") for _ in range(MOST_SECRETS * 2)][-1]
    assert come(bench, first).link.id == come(bench, last).link.id
    assert told(bench, first).count("signup.link_made") == 1


def test_a_key_that_came_with_another_body_is_refused(bench: Bench) -> None:
    make(bench, key="k")
    assert refused(lambda: make(bench, key="k", days=2)).code == "idempotency_key_reused"
    with pytest.raises(Problem) as caught:
        open_signup(ports(bench), tenant=TENANT, wanted=SIGNUP, idempotency_key="k")
    assert caught.value.code == "idempotency_key_reused"
    open_signup(ports(bench), tenant=TENANT, wanted=SIGNUP, idempotency_key="other")
    assert refused(lambda: make(bench, key="other")).code == "idempotency_key_reused"


def test_the_repeat_of_a_call_whose_link_has_ended_gives_no_address(bench: Bench) -> None:
    made = make(bench, key="k")
    send_code(bench, made)
    again = make(bench, key="k")
    assert (again.link.id, again.token) == (made.link.id, None)
    assert len(stored(bench, made).secrets) == 1


def test_two_keys_and_two_tenants_make_links_of_their_own(bench: Bench) -> None:
    made = [make(bench, key="k"), make(bench, key="l"), make(bench, key="k", tenant="other"), make(bench)]
    assert len({one.link.id for one in made}) == len({one.link.signup_id for one in made}) == 4
    assert len(bench.store.records(Remembered)) == 3


# --- who is let in


@pytest.mark.parametrize(
    "spoilt",
    [
        lambda token: None,
        lambda token: token,
        lambda token: f"x{token}.{VISIT}",
        lambda token: f"{token[:-1]}.{VISIT}",
        lambda token: f"{token[:-1]}{'A' if token[-1] != 'A' else 'B'}.{VISIT}",
        lambda token: f"{token}.{VISIT}!",
        lambda token: f"unknown.{'s' * 43}.{VISIT}",
    ],
)
def test_what_is_no_links_token_is_refused_alike(bench: Bench, spoilt: Callable[[str], str | None]) -> None:
    made = make(bench)
    problem = refused(lambda: linked(ports(bench), spoilt(made.token or "")))
    assert (problem.code, problem.refresh_url) == ("unauthenticated", None)
    assert problem.detail == refused(lambda: linked(ports(bench), None)).detail


def test_opening_a_link_as_often_as_one_likes_changes_nothing(bench: Bench) -> None:
    made = make(bench)
    for visit in (VISIT, STRANGER, VISIT):
        assert come(bench, made, visit).signup.id == made.link.signup_id
    assert stored(bench, made) == made.link
    assert told(bench, made) == ["signup.opened", "signup.link_made"]


def test_a_dead_link_says_why_and_where_a_new_one_is_made(bench: Bench) -> None:
    late, taken_back = make(bench, days=1), make(bench)
    revoke_link(ports(bench), TENANT, taken_back.link.id)
    bench.clock.advance(timedelta(days=1))
    for made, code in ((late, "link_expired"), (taken_back, "link_revoked")):
        problem = refused(lambda made=made: come(bench, made))  # type: ignore[misc]
        assert problem.code == code
        assert problem.refresh_url == f"https://app.example.com/new?a=1&link={made.link.id}&reference=r%201"
    with pytest.raises(Problem) as caught:
        linked(ports(bench, refresh_url=None), f"{late.token}.{VISIT}")
    assert caught.value.refresh_url is None


def test_a_link_that_ended_long_ago_is_not_known_any_more(bench: Bench) -> None:
    made = make(bench)
    bench.clock.advance(timedelta(days=7) + LINGER)
    assert refused(lambda: come(bench, made)).code == "unauthenticated"


# --- spending


def test_the_code_spends_the_link_in_the_write_that_stores_the_token(bench: Bench) -> None:
    made = make(bench)
    seen: list[tuple[bool, bool]] = []

    def look() -> None:
        kept = bench.store.read(Exchange, made.link.signup_id)
        seen.append((stored(bench, made).used_at is not None, bool(kept and kept.token)))

    bench.meta.meanwhile["exchange"] = look
    bench.meta.meanwhile["inspect"] = look
    signup = send_code(bench, made)
    assert seen == [(False, False), (True, True)]
    assert signup.waba is not None
    assert told(bench, made) == ["signup.opened", "signup.link_made", "signup.link_used", "signup.authorized"]


def test_afterwards_only_that_visit_goes_on_and_the_same_code_gives_the_stored_result(bench: Bench) -> None:
    made = make(bench)
    signup = send_code(bench, made)
    asked = list(bench.meta.calls)
    assert send_code(bench, made) == signup
    assert bench.meta.calls == asked
    assert submit_numbers(ports(bench), come(bench, made).signup, (), None).submitted == ["1001"]
    assert refused(lambda: come(bench, made, STRANGER)).code == "link_used"
    assert refused(lambda: send_code(bench, made, visit=STRANGER)).code == "link_used"


def test_that_visit_goes_on_beyond_the_links_own_time(bench: Bench) -> None:
    made = make(bench)
    send_code(bench, made)
    bench.clock.advance(timedelta(days=8))
    assert come(bench, made).signup.waba is not None


@pytest.mark.parametrize(
    "trouble", [Permanent("code_expired"), Permanent("code_invalid"), Ambiguous("meta_unavailable")]
)
def test_a_code_that_brings_nothing_spends_nothing(bench: Bench, trouble: Exception) -> None:
    made = make(bench)
    bench.meta.troubles["exchange"] = [trouble]
    refused(lambda: send_code(bench, made))
    assert stored(bench, made).status(bench.now) is LinkStatus.OPEN
    assert send_code(bench, made, "another", STRANGER).waba is not None
    assert refused(lambda: come(bench, made)).code == "link_used"


def test_a_choice_of_the_waba_is_the_visits_that_brought_the_code(bench: Bench) -> None:
    made = make(bench)
    bench.meta.granted = [WABA, "2002"]
    assert refused(lambda: send_code(bench, made, info=None)).code == "waba_ambiguous"
    assert refused(lambda: come(bench, made, STRANGER)).code == "link_used"
    assert choose_waba(ports(bench), come(bench, made).signup, WABA).waba is not None


def test_of_two_visits_with_codes_the_first_token_wins_and_the_other_code_is_lost(bench: Bench) -> None:
    made = make(bench)
    theirs = come(bench, made, STRANGER)

    def faster() -> None:
        # Longer than an exchange may take: it counts as dead, and is not.
        bench.clock.advance(timedelta(seconds=31))
        exchange_code(ports(bench), theirs.signup, "theirs", INFO, theirs.visit)

    bench.meta.meanwhile["exchange"] = faster
    problem = refused(lambda: send_code(bench, made, "mine"))
    assert problem.code == "link_used"
    assert problem.refresh_url is not None
    kept = exchange_of(bench, made)
    context = token_context(TENANT, made.link.signup_id)
    assert bench.vault.decrypt(kept.token or "", context) == "token-of-theirs"
    assert kept.running is None
    assert come(bench, made, STRANGER).signup.waba is not None
    assert told(bench, made).count("signup.link_used") == 1


def test_a_link_that_is_revoked_while_meta_answers_stores_no_token(bench: Bench) -> None:
    made = make(bench)
    bench.meta.meanwhile["exchange"] = lambda: revoke_link(ports(bench), TENANT, made.link.id)
    assert refused(lambda: send_code(bench, made)).code == "link_revoked"
    kept = exchange_of(bench, made)
    assert (kept.token, kept.running, stored(bench, made).used_at) == (None, None, None)


def test_a_code_that_came_in_time_counts_although_time_runs_out_meanwhile(bench: Bench) -> None:
    made = make(bench)
    bench.clock.advance(timedelta(days=7) - timedelta(seconds=5))
    bench.meta.meanwhile["exchange"] = lambda: bench.clock.advance(timedelta(seconds=10))
    assert send_code(bench, made).waba is not None
    assert stored(bench, made).status(bench.now) is LinkStatus.USED


@pytest.mark.parametrize("applied", [False, True], ids=["before the write", "after it"])
def test_a_lost_answer_of_the_write_is_repeated_and_spends_once(bench: Bench, applied: bool) -> None:
    made = make(bench)
    commit, left = bench.store.commit, [1]

    def lossy(*records: Any, **more: Any) -> None:
        spends = any(isinstance(record, Link) for record in records) and left[0]
        if spends and not applied:
            left[0] -= 1
            raise UnavailableError("lost before")
        copies = [record.model_copy(deep=True) for record in records] if spends else []
        for copy, record in zip(copies, records, strict=False):
            copy.version = record.version
        commit(*(copies or records), **more)
        if spends:
            left[0] -= 1
            raise UnavailableError("lost after")

    bench.store.commit = lossy  # type: ignore[method-assign]
    assert send_code(bench, made).waba is not None
    assert told(bench, made).count("signup.link_used") == 1
    assert come(bench, made).link.status(bench.now) is LinkStatus.USED


def test_a_conflict_of_the_write_is_decided_anew(bench: Bench) -> None:
    made = make(bench)
    commit, left = bench.store.commit, [2]

    def conflicting(*records: Any, **more: Any) -> None:
        if left[0] and any(isinstance(record, Link) for record in records):
            left[0] -= 1
            raise Conflict
        commit(*records, **more)

    bench.store.commit = conflicting  # type: ignore[method-assign]
    assert send_code(bench, made).waba is not None
    assert stored(bench, made).used_at is not None


def test_a_tenant_who_exchanges_the_code_itself_closes_the_link_for_everybody(bench: Bench) -> None:
    made = make(bench)
    exchange_code(ports(bench), bench.load(made.link.signup_id), "code", INFO)
    assert stored(bench, made).status(bench.now) is LinkStatus.USED
    assert refused(lambda: come(bench, made)).code == "link_used"


def test_a_revoked_link_does_not_stand_in_its_tenants_way(bench: Bench) -> None:
    made = make(bench)
    revoke_link(ports(bench), TENANT, made.link.id)
    assert exchange_code(ports(bench), bench.load(made.link.signup_id), "code", INFO).waba is not None


# --- taking back


def test_a_link_is_taken_back_once_by_its_tenant(bench: Bench) -> None:
    made = make(bench)
    for tenant, name in (("other", made.link.id), (TENANT, "unknown")):
        with pytest.raises(Problem) as caught:
            revoke_link(ports(bench), tenant, name)
        assert caught.value.code == "not_found"
    first = revoke_link(ports(bench), TENANT, made.link.id)
    bench.clock.advance(timedelta(hours=1))
    assert revoke_link(ports(bench), TENANT, made.link.id) == first
    assert told(bench, made).count(FactType.SIGNUP_LINK_REVOKED) == 1
    assert bench.load(made.link.signup_id).status(bench.now) is SignupStatus.OPEN


def test_a_used_link_can_be_taken_back(bench: Bench) -> None:
    made = make(bench)
    send_code(bench, made)
    revoke_link(ports(bench), TENANT, made.link.id)
    assert refused(lambda: come(bench, made)).code == "link_revoked"


# --- lists


def test_links_are_listed_by_what_has_become_of_them(bench: Bench) -> None:
    open_, used, taken_back, short = make(bench), make(bench), make(bench), make(bench, days=1)
    make(bench, tenant="other")
    send_code(bench, used)
    revoke_link(ports(bench), TENANT, taken_back.link.id)
    bench.clock.advance(timedelta(days=2))

    def listed(status: str | None) -> set[str]:
        return {link.id for link in links(ports(bench), TENANT, status, None, 20).items}

    assert listed(None) == {made.link.id for made in (open_, used, taken_back, short)}
    expected = {"open": open_, "used": used, "revoked": taken_back, "expired": short}
    for status, made in expected.items():
        assert listed(status) == {made.link.id}


def test_pages_follow_each_other(bench: Bench) -> None:
    made = [make(bench, days=days).link.id for days in (1, 2, 3, 3, 5)]
    found: list[str] = []
    cursor = None
    while True:
        page = links(ports(bench), TENANT, None, cursor, 2)
        found += [link.id for link in page.items]
        if page.cursor is None:
            break
        assert page.cursor == link_cursor(page.items[-1])
        cursor = page.cursor
    assert sorted(found) == sorted(made)
    assert found[0] == made[-1]
    assert found[-1] == made[0]


# --- going back


def test_return_addresses_tell_what_is_known_by_now(bench: Bench) -> None:
    made = make(
        bench,
        success_url="https://app.example.com/done?plan=2#top",
        failure_url="https://app.example.com/failed",
    )
    whole = read.whole(ports(bench), come(bench, made).signup)
    success, failure = return_urls(whole, made.link, "open")
    name = made.link.signup_id
    assert success == (
        f"https://app.example.com/done?plan=2&channels=[]&signup={name}&status=open&reference=r%201#top"
    )
    assert failure == f"https://app.example.com/failed?channels=[]&signup={name}&status=open&reference=r%201"
    send_code(bench, made)
    submit_numbers(ports(bench), come(bench, made).signup, (), None)
    number = bench.number("1001")
    number.client_id, number.channel_id = "aCL", "aCH"
    bench.store.commit(number)
    success, _ = return_urls(read.whole(ports(bench), come(bench, made).signup), made.link, "connected")
    assert success is not None
    assert "client=aCL&channels=[aCH]&" in success
    assert return_urls(whole, make(bench).link, "open") == (None, None)
