"""Limits for each tenant: counted once, at a constant cost, and let go with what is not open any more."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from onramp.domain.errors import Conflict, Problem, UnavailableError
from onramp.domain.holding import Holding
from onramp.domain.link import Link
from onramp.domain.records import Stored
from onramp.domain.signup import Client, Exchange, Signup
from onramp.domain.states import SignupStatus
from onramp.ports import Kept, Ports, TenantLimits
from onramp.usecases.exchange_code import exchange_code
from onramp.usecases.links import MadeLink, WantedLink, make_link, revoke_link
from onramp.usecases.open_signup import Wanted, open_signup
from tests.problems import refused
from tests.unit.usecases.bench import EMAIL, TENANT, WABA, Bench

WANTED = Wanted(client=Client(name="Acme", email=EMAIL, user_name="Ann"), plan_tier="regular")
INFO: dict[str, Any] = {"event": "FINISH", "data": {"waba_id": WABA, "phone_number_id": "1001"}}


def within(bench: Bench, **limits: int) -> Ports:
    return replace(bench.ports, rules=replace(bench.ports.rules, limits=TenantLimits(**limits)))


def opened(ports: Ports, key: str | None = None, tenant: str = TENANT) -> Signup:
    return open_signup(ports, tenant=tenant, wanted=WANTED, idempotency_key=key)


def linked(ports: Ports, key: str | None = None) -> MadeLink:
    return make_link(ports, tenant=TENANT, wanted=WantedLink(signup=WANTED), idempotency_key=key)


def holding(bench: Bench, tenant: str = TENANT) -> Holding | None:
    return bench.store.read(Holding, tenant)


def refusal(call: Callable[[], object]) -> Problem:
    with pytest.raises(Problem) as told:
        call()
    assert told.value.code == "tenant_limit"
    assert told.value.retryable
    return told.value


def test_without_limits_nothing_is_counted(bench: Bench) -> None:
    opened(bench.ports)
    assert holding(bench) is None


def test_a_tenant_with_as_many_open_signups_as_it_may_have_is_told_when_to_come_back(bench: Bench) -> None:
    ports = within(bench, open_signups=2)
    opened(ports)
    bench.wait(3600)
    opened(ports)
    problem = refusal(lambda: opened(ports))
    assert problem.retry_after == 3600
    assert "2 open signups" in problem.detail
    assert "at the latest at" in problem.detail
    bench.wait(23 * 3600 - 10)
    assert refusal(lambda: opened(ports)).retry_after == 10
    bench.wait(10)
    opened(ports)


def test_another_tenant_is_not_held_up(bench: Bench) -> None:
    ports = within(bench, open_signups=1)
    opened(ports)
    opened(ports, tenant="other")
    refusal(lambda: opened(ports))


def test_a_repeat_counts_nothing_and_is_never_refused(bench: Bench) -> None:
    ports = within(bench, open_signups=1, signups_per_day=1)
    first = opened(ports, "key")
    assert opened(ports, "key").id == first.id
    record = holding(bench)
    assert record is not None
    assert (record.opened, list(record.signups)) == (1, [first.id])
    refusal(lambda: opened(ports, "another"))


def test_the_same_key_with_another_body_is_told_so_and_not_counted(bench: Bench) -> None:
    ports = within(bench, open_signups=5)
    opened(ports, "key")
    other = replace(WANTED, reference="x")
    problem = refused(lambda: open_signup(ports, tenant=TENANT, wanted=other, idempotency_key="key"))
    assert problem.code == "idempotency_key_reused"
    record = holding(bench)
    assert record is not None
    assert record.opened == 1


def test_two_at_the_same_instant_cannot_both_have_the_last_place(bench: Bench) -> None:
    ports = within(bench, open_signups=1)
    commit = bench.store.commit
    rivals = [lambda: opened(ports, tenant=TENANT)]

    def meanwhile(*records: Stored, **more: Any) -> None:
        if rivals:
            rivals.pop()()
        commit(*records, **more)

    bench.store.commit = meanwhile  # type: ignore[method-assign]
    refusal(lambda: opened(ports))
    assert len(bench.store.records(Signup)) == 1


def test_a_signup_that_has_its_account_makes_room(bench: Bench) -> None:
    ports = within(bench, open_signups=1)
    signup = opened(ports)
    exchange_code(ports, signup, "code", INFO)
    opened(ports)


def test_a_link_has_a_count_of_its_own_until_it_is_used_or_taken_back(bench: Bench) -> None:
    ports = within(bench, open_signups=1, links=1)
    opened(ports)
    made = linked(ports)
    assert refusal(lambda: linked(ports)).detail.startswith("The tenant has the 1 open links")
    revoke_link(ports, TENANT, made.link.id)
    second = linked(ports)
    signup = bench.store.read(Signup, second.link.signup_id)
    assert signup is not None
    exchange_code(ports, signup, "code", INFO, "visit-0123456789")
    linked(ports)


def test_a_repeated_link_counts_once(bench: Bench) -> None:
    ports = within(bench, links=1)
    first = linked(ports, "key")
    assert linked(ports, "key").link.id == first.link.id


def test_the_day_ends_at_midnight_of_utc(bench: Bench) -> None:
    ports = within(bench, signups_per_day=2)
    opened(ports)
    linked(ports)
    problem = refusal(lambda: opened(ports))
    assert problem.retry_after is not None
    assert problem.retry_after > 12 * 3600
    bench.wait(problem.retry_after)
    opened(ports)


def test_what_was_not_let_go_is_found_before_somebody_is_refused(bench: Bench) -> None:
    ports = within(bench, open_signups=1)
    signup = opened(ports)
    exchange_code(bench.ports, signup, "code", INFO)
    opened(ports)


def test_a_used_link_that_was_not_let_go_is_found_too(bench: Bench) -> None:
    ports = within(bench, links=1)
    made = linked(ports)
    revoke_link(bench.ports, TENANT, made.link.id)
    linked(ports)


def test_letting_go_holds_up_nobody(bench: Bench) -> None:
    ports = within(bench, open_signups=1)
    signup = opened(ports)
    commit = bench.store.commit

    def refuse(*records: Stored, **more: Any) -> None:
        if any(isinstance(record, Holding) for record in records):
            raise UnavailableError
        commit(*records, **more)

    bench.store.commit = refuse  # type: ignore[method-assign]
    assert exchange_code(ports, signup, "code", INFO).waba is not None


def test_a_count_that_others_change_without_end_is_given_up(bench: Bench) -> None:
    ports = within(bench, open_signups=5)

    def lose(*_: Stored, **__: Any) -> None:
        raise Conflict

    bench.store.commit = lose  # type: ignore[method-assign]
    with pytest.raises(UnavailableError):
        opened(ports)


def test_a_count_is_forgotten_when_nothing_of_it_counts_any_more(bench: Bench) -> None:
    opened(within(bench, open_signups=5))
    bench.wait(2 * 86_400)
    assert holding(bench) is None


# --- how long a signup that came to nothing is kept


def test_a_signup_that_ended_without_an_account_goes_with_its_exchange(bench: Bench) -> None:
    ports = replace(bench.ports, kept=Kept(signups=timedelta(days=90)))
    signup = opened(ports)
    bench.store.commit(Exchange(signup_id=signup.id, until=signup.forgotten_at))
    bench.wait(90 * 86_400)
    stored = bench.store.read(Signup, signup.id)
    assert stored is not None
    assert stored.status(bench.now) is SignupStatus.EXPIRED
    bench.wait(86_401)
    assert bench.store.read(Signup, signup.id) is None
    assert bench.store.read(Exchange, signup.id) is None


def test_a_signup_with_an_account_stays_and_its_token_with_it(bench: Bench) -> None:
    ports = replace(bench.ports, kept=Kept(signups=timedelta(days=90)))
    signup = exchange_code(ports, opened(ports), "code", INFO)
    bench.wait(400 * 86_400)
    assert bench.store.read(Signup, signup.id) is not None
    exchange = bench.store.read(Exchange, signup.id)
    assert exchange is not None
    assert exchange.token is not None


def test_a_link_leads_to_its_signup_as_long_as_it_is_known(bench: Bench) -> None:
    ports = replace(bench.ports, kept=Kept(signups=timedelta(days=30)))
    made = linked(ports)
    bench.wait(37 * 86_400 - 1)
    assert bench.store.read(Link, made.link.id) is not None
    assert bench.store.read(Signup, made.link.signup_id) is not None


def test_without_the_setting_nothing_ends(bench: Bench) -> None:
    signup = opened(bench.ports)
    bench.wait(4000 * 86_400)
    assert bench.store.read(Signup, signup.id) is not None
