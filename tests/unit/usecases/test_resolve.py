"""Whose a channel is: Meta's id decides, else WABA and digits, else digits that nothing contradicts."""

from collections.abc import Callable
from typing import Any

import pytest

from onramp.domain.number import WabaOf
from onramp.domain.partner_events import Channel, PartnerEvent, read_event
from onramp.domain.phone_numbers import canonical
from onramp.usecases.apply_event import apply_event
from onramp.usecases.resolve import concerned, numbers_of_waba, resolve
from tests.unit.usecases.bench import WABA, Bench, digits


def waiting(bench: Bench, **values: Any) -> None:
    """A number that 360dialog has taken, and nothing is heard of."""
    bench.submit()
    bench.work()
    if values:
        bench.change(**values)


def channel(**values: Any) -> Channel:
    return Channel(**{"id": "c1", **values})


# --- its own channel, and Meta's id


def test_the_channels_own_number_comes_first(bench: Bench) -> None:
    waiting(bench, channel_id="c1")
    bench.submit("s2", ("1002",))
    assert resolve(bench.ports, channel(external_id="1002", waba_id="other", digits="0")) == "1001"


def test_then_metas_id_of_the_number(bench: Bench) -> None:
    waiting(bench)
    assert resolve(bench.ports, channel(external_id="1001", waba_id="other", digits="0")) == "1001"
    assert resolve(bench.ports, channel(external_id="9999")) is None


def test_metas_id_decides_against_waba_and_digits_of_another_number(bench: Bench) -> None:
    bench.submit(numbers=("1001", "1002"))
    assert resolve(bench.ports, bench.channel(number="1002", external_id="1001")) == "1001"


def test_metas_id_decides_for_a_number_that_has_another_channel(bench: Bench) -> None:
    waiting(bench, channel_id="mine")
    assert resolve(bench.ports, bench.channel("c2")) == "1001"


def test_metas_id_decides_for_a_number_that_has_ended(bench: Bench) -> None:
    waiting(bench, cancelled_at=bench.now)
    assert resolve(bench.ports, bench.channel()) == "1001"


@pytest.mark.parametrize("named", [None, "9999"], ids=["missing", "wrong"])
def test_without_an_id_of_ours_waba_and_digits_count(bench: Bench, named: str | None) -> None:
    waiting(bench)
    assert resolve(bench.ports, bench.channel(external_id=named)) == "1001"


def test_a_number_of_another_hub_is_not_found(bench: Bench) -> None:
    waiting(bench, hub="other")
    assert resolve(bench.ports, channel(external_id="1001", digits=digits("1001"))) is None


# --- WABA and digits


def test_then_waba_and_digits_together(bench: Bench) -> None:
    waiting(bench)
    bench.submit("s2", ("1002",))
    bench.change("1002", digits=digits("1001"), waba=WabaOf(id="2002"))
    assert resolve(bench.ports, channel(waba_id=WABA, digits=digits("1001"))) == "1001"
    assert resolve(bench.ports, channel(waba_id="2002", digits=digits("1001"))) == "1002"
    assert resolve(bench.ports, channel(waba_id="2003", digits=digits("1001"))) is None


def test_of_two_lives_under_one_waba_the_living_one_is_meant(bench: Bench) -> None:
    bench.submit(numbers=("1001", "1002"))
    bench.change("1001", digits="49")
    bench.change("1002", digits="49", cancelled_at=bench.now)
    assert resolve(bench.ports, channel(waba_id=WABA, digits="49")) == "1001"


def test_of_two_ended_ones_under_one_waba_the_newer_is_meant(bench: Bench) -> None:
    bench.submit("s1", ("1001",))
    bench.wait(60)
    bench.submit("s2", ("1002",))
    for name in ("1001", "1002"):
        bench.change(name, digits="49", cancelled_at=bench.now)
    assert resolve(bench.ports, channel(waba_id=WABA, digits="49")) == "1002"


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("+49 151 23456789", "4915123456789"),
        ("+49 151 23456789", "+49 (0) 151 2345-6789"),
        ("+49 151 23456789", "004915123456789"),
        ("+49 151 23456789", "٤٩١٥١٢٣٤٥٦٧٨٩"),
        ("+49 151 23456789", "+४९ १५१ २३४५६७८९"),
        ("+52 55 12345678", "5215512345678"),
        ("+52 1 55 12345678", "+52 55 1234 5678"),
        ("+54 9 11 23456789", "541123456789"),
        ("+54 11 2345-6789", "+54 9 11 2345-6789"),
        ("+55 11 98765-4321", "551187654321"),
        ("+55 11 8765-4321", "+55 (11) 9 8765-4321"),
    ],
)
def test_a_number_is_found_however_it_is_spelled(bench: Bench, ours: str, theirs: str) -> None:
    waiting(bench, digits=canonical(ours))
    event = read_event(
        {
            "id": "E1",
            "event": "channel_created",
            "data": {
                "id": "c1",
                "waba_account": {"external_id": WABA},
                "setup_info": {"phone_number": theirs},
            },
        }
    )
    assert concerned(bench.ports, event) == ["1001"]


# --- digits alone


def test_then_digits_alone_when_nothing_contradicts(bench: Bench) -> None:
    waiting(bench)
    of = digits("1001")
    assert resolve(bench.ports, channel(digits=of)) == "1001"
    assert resolve(bench.ports, channel(digits=of, client_id="1CL")) == "1001"
    assert resolve(bench.ports, channel(digits=of, client_id="other")) is None
    assert resolve(bench.ports, channel(digits="")) is None
    bench.change(channel_id="mine")
    assert resolve(bench.ports, channel(digits=of)) is None
    assert resolve(bench.ports, channel(id=None, digits=of)) == "1001"


def test_digits_that_two_numbers_have_name_nobody(bench: Bench) -> None:
    bench.submit(numbers=("1001", "1002"))
    bench.change("1002", digits=digits("1001"))
    assert resolve(bench.ports, channel(digits=digits("1001"))) is None


def test_of_two_numbers_with_the_same_digits_the_living_one_is_meant(bench: Bench) -> None:
    bench.submit(numbers=("1001", "1002"))
    bench.change("1001", cancelled_at=bench.now)
    bench.change("1002", digits=digits("1001"))
    assert resolve(bench.ports, channel(id=None, digits=digits("1001"))) == "1002"


def test_an_ended_number_is_found_by_its_digits_where_it_is_the_only_one(bench: Bench) -> None:
    waiting(bench, cancelled_at=bench.now)
    assert resolve(bench.ports, channel(id=None, digits=digits("1001"))) == "1001"


def test_of_two_ended_numbers_with_the_same_digits_none_is_meant(bench: Bench) -> None:
    bench.submit(numbers=("1001", "1002"))
    for name in ("1001", "1002"):
        bench.change(name, digits=digits("1001"), cancelled_at=bench.now)
    assert resolve(bench.ports, channel(id=None, digits=digits("1001"))) is None


def test_an_index_that_lags_misleads_nobody(bench: Bench) -> None:
    waiting(bench, channel_id="other")
    lagging: Callable[..., list[str]] = lambda *_: ["1001", "gone"]  # noqa: E731
    bench.store.numbers_at = lagging  # type: ignore[method-assign]
    bench.store.numbers_with = lagging  # type: ignore[method-assign]
    bench.store.numbers_in = lagging  # type: ignore[method-assign]
    assert resolve(bench.ports, channel(digits="0")) is None
    assert numbers_of_waba(bench.ports, "other") == []


# --- events about a whole WABA, and about a number that has no channel in them


def of_waba(event: str = "account_restriction", event_id: str = "E1", **data: Any) -> PartnerEvent:
    """An event that names a WABA, by Meta's id of it, and nothing nearer."""
    return read_event({"id": event_id, "event": event, "data": {"id": "20010", **data}})


def numbers_of_one_waba(bench: Bench) -> None:
    bench.submit("s1", ("1001", "1002", "1003"), waba="20010")
    bench.submit("s2", ("1004",), waba="20020")
    bench.change("1002", cancelled_at=bench.now)
    bench.change("1003", channel_id="c3")


def test_what_names_only_a_waba_concerns_all_its_numbers_that_have_not_ended(bench: Bench) -> None:
    numbers_of_one_waba(bench)
    assert concerned(bench.ports, of_waba()) == ["1001", "1003"]
    assert concerned(bench.ports, of_waba("account_reinstated")) == ["1001", "1003"]


def test_what_names_a_waba_and_a_number_concerns_that_number(bench: Bench) -> None:
    numbers_of_one_waba(bench)
    event = of_waba(phone_number=f"+{digits('1003')}")
    assert concerned(bench.ports, event) == ["1003"]


def test_a_restriction_of_a_waba_reaches_all_its_numbers_and_ends_for_all(bench: Bench) -> None:
    numbers_of_one_waba(bench)
    assert apply_event(bench.ports, of_waba()) is None
    restricted = [name for name in ("1001", "1002", "1003", "1004") if bench.number(name).restriction]
    assert restricted == ["1001", "1003"]
    assert bench.load("s1").counts == {"restricted": 2, "onboarding": 1}
    apply_event(bench.ports, of_waba("account_reinstated", "E2"))
    assert not any(bench.number(name).restriction for name in ("1001", "1003"))
    assert bench.count("EventsApplied") == 2


def test_a_restriction_of_a_waba_acts_once(bench: Bench) -> None:
    numbers_of_one_waba(bench)
    for _ in range(3):
        apply_event(bench.ports, of_waba())
    assert bench.told().count("number.restricted") == 2


def test_a_number_that_cannot_be_read_does_not_keep_a_restriction_from_its_neighbours(bench: Bench) -> None:
    numbers_of_one_waba(bench)
    concerned_by = concerned(bench.ports, of_waba())
    bench.store.spoil(bench.number(concerned_by[0]))
    until = apply_event(bench.ports, of_waba())
    for _ in range(9):
        if until is None:
            break
        bench.clock.set(until)
        until = apply_event(bench.ports, of_waba())
    assert bench.number(concerned_by[1]).restriction == "account_restriction"


def test_a_violation_that_names_only_a_phone_number_reaches_it(bench: Bench) -> None:
    bench.connected()
    event = read_event(
        {
            "id": "E1",
            "event": "account_violation",
            "data": {"phone_number": f"+{digits('1001')}", "violation_type": "SCAM"},
        }
    )
    assert apply_event(bench.ports, event) is None
    number = bench.number()
    assert (number.status, number.restriction, number.violation_type) == (
        "restricted",
        "account_violation",
        "SCAM",
    )


def test_a_restriction_of_a_waba_that_nobody_has_stays_in_the_ledger(bench: Bench) -> None:
    until = apply_event(bench.ports, of_waba())
    assert until is not None
    bench.clock.set(until)
    assert apply_event(bench.ports, of_waba()) is None
    assert bench.count("EventsUnresolved") == 1
