"""Records under a version, written with all that belongs to them or not at all."""

from datetime import timedelta

import pytest

from onramp.adapters.memory import START
from onramp.domain.budget import BudgetState
from onramp.domain.census import Census
from onramp.domain.clients import ClientRecord
from onramp.domain.errors import Conflict, UnavailableError, Unreadable
from onramp.domain.facts import FactType
from onramp.domain.ledger import EVENT_KEPT, EventRecord
from onramp.domain.number import Number
from onramp.domain.records import Stored
from onramp.domain.signup import Exchange, Listed, ListedNumber, Remembered, Signup
from tests.contract.conftest import Stage
from tests.contract.examples import HALF, HOSTILE, event, fact, number, signup, stored

ONE_OF_EACH: tuple[Stored, ...] = (
    signup(),
    Exchange(signup_id="s1", token="encrypted"),
    Listed(signup_id="s1", part=0, numbers=[ListedNumber(phone_number_id="1001")]),
    Listed(signup_id="s1", part=11),
    number(),
    ClientRecord(name="jane@example.com", tenant="acme"),
    event(),
    BudgetState(starts=[START]),
    Census(offset=200),
    Remembered(tenant="acme", key="k", signup_id="s1", fingerprint="f", until=START + timedelta(hours=1)),
)


@pytest.mark.parametrize("record", ONE_OF_EACH, ids=lambda record: "/".join((record.KIND, *record.identity)))
def test_a_record_of_each_kind_comes_back_as_it_was_stored(stage: Stage, record: Stored) -> None:
    record = record.model_copy(deep=True)
    assert stage.store.read(type(record), *record.identity) is None
    stage.store.commit(record)
    assert record.version == 1
    assert stored(stage.store, record) == record
    assert stage.store.read_all(type(record), [record.identity]) == [record]


def test_all_kinds_are_stored_beside_each_other(stage: Stage) -> None:
    records = [record.model_copy(deep=True) for record in ONE_OF_EACH]
    stage.store.commit(*records)
    for record in records:
        assert stored(stage.store, record) == record


def test_what_is_given_out_is_a_copy(stage: Stage) -> None:
    given = signup()
    stage.store.commit(given)
    given.submitted.append("1001")
    first = stored(stage.store, given)
    first.client.name = "Joe"
    assert stored(stage.store, given).client.name == "Jane"
    assert stored(stage.store, given).submitted == []


# --- versions


def test_each_write_counts_the_version_up(stage: Stage) -> None:
    record = signup()
    for version in (1, 2, 3):
        record.reference = str(version)
        stage.store.commit(record)
        assert (record.version, stored(stage.store, record).version) == (version, version)


def test_a_write_upon_an_older_version_is_refused(stage: Stage) -> None:
    stage.store.commit(signup())
    first, second = stored(stage.store, signup()), stored(stage.store, signup())
    first.reference = "first"
    stage.store.commit(first)
    second.reference = "second"
    with pytest.raises(Conflict):
        stage.store.commit(second)
    assert second.version == 1
    assert stored(stage.store, signup()).reference == "first"


def test_a_new_record_must_not_exist(stage: Stage) -> None:
    stage.store.commit(signup())
    with pytest.raises(Conflict):
        stage.store.commit(signup())


def test_a_record_that_was_read_must_still_exist(stage: Stage) -> None:
    ghost = signup()
    ghost.version = 3
    with pytest.raises(Conflict):
        stage.store.commit(ghost)
    assert stage.store.read(Signup, "s1") is None


def test_of_several_records_all_are_written_or_none(stage: Stage) -> None:
    stage.store.commit(number())
    stale = number()
    opened = signup()
    opened.tell(FactType.SIGNUP_OPENED, START)
    with pytest.raises(Conflict):
        stage.store.commit(opened, stale, facts=[fact()])
    assert stage.store.read(Signup, "s1") is None
    assert stage.store.facts_of("s1", 10) == []
    assert opened.version == 0
    assert len(opened.told) == 1
    stage.store.commit(opened, stored(stage.store, number()))
    assert stored(stage.store, number()).version == 2
    assert len(stage.store.facts_of("s1", 10)) == 1


def test_a_hundred_items_are_one_write_and_more_are_refused(strict: Stage) -> None:
    records = [number(str(index)) for index in range(60)]
    for record in records[:40]:
        record.tell(FactType.NUMBER_PENDING, START)
    strict.store.commit(*records)
    assert all(record.version == 1 and not record.told for record in records)
    assert len(strict.store.facts_of("s1", 100)) == 40
    more = [number(f"more{index}") for index in range(101)]
    with pytest.raises(UnavailableError):
        strict.store.commit(*more)
    assert strict.store.read_all(Number, [record.identity for record in more]) == []


def test_one_record_cannot_be_in_a_write_twice(strict: Stage) -> None:
    strict.store.commit(number())
    first, second = stored(strict.store, number()), stored(strict.store, number())
    with pytest.raises(UnavailableError):
        strict.store.commit(first, second)
    assert stored(strict.store, number()).version == 1


def test_nothing_to_write_is_written(stage: Stage) -> None:
    stage.store.commit()
    assert stage.store.facts_of("s1", 9) == []


# --- several reads at once


def test_many_are_read_in_the_order_asked_for_and_missing_ones_left_out(stage: Stage) -> None:
    names = [str(index) for index in range(120)]
    for start in range(0, 120, 60):
        stage.store.commit(*(number(name) for name in names[start : start + 60]))
    asked = [names[7], "nobody", *reversed(names), names[7]]
    found = stage.store.read_all(Number, [(name,) for name in asked])
    assert [record.phone_number_id for record in found] == [names[7], *reversed(names), names[7]]
    assert stage.store.read_all(Number, []) == []


# --- what has outlived itself


def test_an_outlived_record_is_not_there_and_may_be_made_anew(stage: Stage) -> None:
    first = event()
    stage.store.commit(first)
    stage.clock.advance(EVENT_KEPT - timedelta(seconds=2))
    assert stored(stage.store, event()) == first
    with pytest.raises(Conflict):
        stage.store.commit(event())
    stage.clock.advance(timedelta(seconds=2))
    assert stage.store.read(EventRecord, *first.identity) is None
    assert stage.store.read_all(EventRecord, [first.identity]) == []
    again = event(now=stage.clock.now(), name="channel_live")
    stage.store.commit(again)
    assert again.version == 1
    assert stored(stage.store, again).name == "channel_live"


def test_a_record_is_outlived_from_the_second_on_in_which_it_ends(stage: Stage) -> None:
    until = START + timedelta(minutes=1, milliseconds=500)
    stage.store.commit(Remembered(tenant="acme", key="k", signup_id="s1", fingerprint="f", until=until))
    stage.clock.advance(timedelta(seconds=59))
    assert stage.store.read(Remembered, "acme", "k") is not None
    stage.clock.advance(timedelta(seconds=1))
    assert stage.store.read(Remembered, "acme", "k") is None


# --- what cannot be read


def test_a_spoiled_record_says_its_name_and_nothing_else(stage: Stage) -> None:
    stage.store.commit(number())
    stage.spoil(number())
    with pytest.raises(Unreadable) as caught:
        stage.store.read(Number, "1001")
    assert "1001" in str(caught.value)
    assert "spoiled" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_spoiled_record_is_left_out_of_its_neighbours_and_told(stage: Stage) -> None:
    stage.store.commit(number("1"), number("2"), number("3"))
    stage.spoil(number("2"))
    found = stage.store.read_all(Number, [("1",), ("2",), ("3",)])
    assert [record.phone_number_id for record in found] == ["1", "3"]
    assert len(stage.unreadable) == 1
    assert "2" in stage.unreadable[0]


def test_a_spoiled_event_is_left_out_of_the_ledger(stage: Stage) -> None:
    for name in ("e1", "e2", "e3"):
        waiting = event(name)
        waiting.outcome = "unresolved"
        stage.store.commit(waiting)
    stage.spoil(event("e2"))
    assert [record.id for record in stage.store.ledger(event().place, 10)] == ["e1", "e3"]
    assert len(stage.unreadable) == 1


@pytest.mark.parametrize("attribute", ["data", "version"])
def test_an_item_without_content_or_version_is_unreadable(table: Stage, attribute: str) -> None:
    table.store.commit(number())
    item = {name: value for name, value in table.item(number()).items() if name != attribute}
    table.client.put_item(TableName=table.table, Item=item)
    with pytest.raises(Unreadable):
        table.store.read(Number, "1001")


def test_packed_content_that_is_text_is_unreadable(table: Stage) -> None:
    table.store.commit(number())
    table.set(number(), data_zlib={"S": "text"})
    with pytest.raises(Unreadable):
        table.store.read(Number, "1001")


@pytest.mark.parametrize("packed", [b"no zlib", b"x\x9c\x03\x00\x00\x00\x00\x01"], ids=["garbage", "empty"])
def test_packed_content_that_cannot_be_unpacked_is_unreadable(table: Stage, packed: bytes) -> None:
    table.store.commit(number())
    table.set(number(), data_zlib={"B": packed})
    with pytest.raises(Unreadable):
        table.store.read(Number, "1001")


# --- what cannot be written


def test_half_a_character_is_never_written(stage: Stage) -> None:
    stage.store.commit(number())
    record = stored(stage.store, number())
    record.verified_name = HALF
    with pytest.raises(Unreadable) as caught:
        stage.store.commit(signup(), record)
    assert "half" not in str(caught.value)
    assert stage.store.read(Signup, "s1") is None
    assert stored(stage.store, number()).verified_name is None
    assert record.version == 1


def test_half_a_character_in_a_fact_is_never_written(stage: Stage) -> None:
    record = number()
    record.tell(FactType.NUMBER_FAILED, START, code=HALF)
    with pytest.raises(Unreadable):
        stage.store.commit(record)
    assert stage.store.read(Number, "1001") is None
    assert stage.store.facts_of("s1", 10) == []


# --- names


def test_hostile_names_find_nothing_else(stage: Stage) -> None:
    for index, name in enumerate(HOSTILE):
        stage.store.commit(signup(name, f"tenant{index}"))
    for index, name in enumerate(HOSTILE):
        found = stage.store.read(Signup, name)
        assert found is not None
        assert (found.id, found.tenant) == (name, f"tenant{index}")
    for name in ("", "a", "x" * 4000, "\ud800", "a%23b%"):
        assert stage.store.read(Signup, name) is None


def test_hostile_tenants_and_keys_stay_apart(stage: Stage) -> None:
    pairs = [(tenant, key) for tenant in HOSTILE for key in HOSTILE[:4]]
    pairs += [("a", "b#c"), ("a#b", "c"), ("a%23b", "c"), ("", "a"), ("a", " ")]
    pairs += [("a", "k" * 5000), ("a", "k" * 5001), ("a", "#" * 3000)]
    for index, (tenant, key) in enumerate(pairs):
        until = START + timedelta(hours=1)
        stage.store.commit(
            Remembered(tenant=tenant, key=key, signup_id=f"s{index}", fingerprint="f", until=until)
        )
    for index, pair in enumerate(pairs):
        found = stage.store.read(Remembered, *pair)
        assert found is not None
        assert (found.signup_id, found.identity) == (f"s{index}", pair)


def test_the_kinds_of_a_name_do_not_meet(stage: Stage) -> None:
    stage.store.commit(signup("1"), number("1", tenant="bravo"), Exchange(signup_id="1"))
    assert stage.store.read(ClientRecord, "default", "1") is None
    assert stage.store.read(Listed, "1", "000") is None
    assert stored(stage.store, number("1")).tenant == "bravo"


# --- sizes


@pytest.mark.parametrize("count", [10, 200, 5_000])
def test_a_record_of_any_size_comes_back(stage: Stage, count: int) -> None:
    record = BudgetState(reserved={f"default/{index:015d}": START for index in range(count)})
    stage.store.commit(record)
    assert stored(stage.store, record) == record
    record.reserved = {}
    stage.store.commit(record)
    assert stored(stage.store, record).reserved == {}


def test_a_large_record_is_packed_and_unpacked_when_it_shrinks(table: Stage) -> None:
    record = BudgetState(reserved={f"default/{index:015d}": START for index in range(5_000)})
    table.store.commit(record)
    item = table.item(record)
    assert "data" not in item
    assert len(item["data_zlib"]["B"]) < 100_000
    record.reserved = {}
    table.store.commit(record)
    assert "data_zlib" not in table.item(record)
    assert table.item(record)["data"]["S"] == "{}"
