from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from bench.burst import Account, Load, Sent, compare, load, send
from local.simulators.webhooks import NotLocalError
from local.soak_records import Records

NUMBERS = [("n1", "c1"), ("n2", "c2")]
LOAD = load(NUMBERS, 20, mark="m")


def facts_of(one: Load) -> list[dict[str, Any]]:
    keys = Counter(one.facts).elements()
    return [{"id": f"f{at}", "phone_number_id": n, "type": kind} for at, (n, kind) in enumerate(keys)]


RECORDS = Records(numbers={}, events=dict.fromkeys(LOAD.ids, "applied"), facts=facts_of(LOAD))
HEARD = {fact["id"]: 1 for fact in RECORDS.facts}


def found(records: Records = RECORDS, heard: dict[str, int] = HEARD, dead: int = 0) -> Account:
    return compare(records, [LOAD], heard, dead=dead, waiting=0)


def test_one_webhook_in_ten_is_an_exact_copy_and_each_other_one_leaves_one_fact() -> None:
    assert len(LOAD.bodies) == 20
    assert len(set(LOAD.bodies)) == len(LOAD.ids) == sum(LOAD.facts.values()) == 18
    assert len(LOAD.facts) == 4


def test_all_that_is_there_once_holds() -> None:
    assert found() == Account(
        distinct=18,
        applied=18,
        others={},
        missing=0,
        surplus=0,
        unheard=0,
        heard_again=0,
        dead=0,
        waiting=0,
    )
    assert found().holds


def test_an_event_that_is_absent_or_has_not_acted_is_lost() -> None:
    first, second, *rest = sorted(LOAD.ids)
    events = dict.fromkeys(rest, "applied") | {first: "(open)"}
    account = found(replace(RECORDS, events=events))
    assert (account.lost, account.others) == (2, {"(open)": 1, "absent": 1}), second
    assert not account.holds


def test_a_fact_that_is_missing_or_unheard_is_lost() -> None:
    assert found(replace(RECORDS, facts=RECORDS.facts[1:])).lost == 1
    assert found(heard={**HEARD, "f0": 0}).lost == 1


def test_a_second_fact_of_an_event_is_doubled_and_others_are_nobodys_concern() -> None:
    again = {**RECORDS.facts[0], "id": "again"}
    other = {**RECORDS.facts[0], "id": "other", "phone_number_id": "stranger"}
    account = found(replace(RECORDS, facts=[*RECORDS.facts, again, other]), {**HEARD, "again": 1})
    assert (account.lost, account.doubled, account.holds) == (0, 1, False)


def test_a_fact_may_come_out_of_the_bus_twice_and_a_dead_letter_may_not_be_there() -> None:
    account = found(heard={**HEARD, "f0": 2})
    assert (account.heard_again, account.holds) == (1, True)
    assert not found(dead=1).holds


def test_what_is_not_answered_with_200_is_refused() -> None:
    sent = Sent(name="x", answers={"200": 7, "503": 2, "TimeoutError": 1}, seconds=2, slowest=1)
    assert (sent.count, sent.refused, sent.rate) == (10, 3, 5)


def test_no_other_machine_is_ever_called() -> None:
    with pytest.raises(NotLocalError):
        send("x", "https://example.com/hook", LOAD.bodies, secret="s", connections=1)
