"""Facts are items of their own, written with what makes them true, in an order that is theirs."""

from datetime import timedelta

from onramp.adapters.memory import START
from onramp.domain.facts import FactType
from onramp.domain.records import Fact
from tests.contract.conftest import Stage
from tests.contract.examples import fact, number, signup, stored


def test_what_a_record_tells_is_written_with_it_once(stage: Stage) -> None:
    record = signup()
    record.tell(FactType.SIGNUP_OPENED, START)
    record.tell(FactType.SIGNUP_AUTHORIZED, START, waba_id="w1", proof="granted_ids")
    stage.store.commit(record)
    assert record.told == []
    assert stored(stage.store, record).told == []
    record.reference = "again"
    stage.store.commit(record)
    facts = stage.store.facts_of("s1", 10)
    assert [found.type for found in facts] == ["signup.opened", "signup.authorized"]
    assert facts[1].detail == {"waba_id": "w1", "proof": "granted_ids"}
    assert (facts[0].tenant, facts[0].at, facts[0].bus) == ("acme", START, True)


def test_the_facts_of_several_records_keep_their_order_through_all_writes(stage: Stage) -> None:
    expected = []
    for turn in range(5):
        records = [number(f"{turn}{index}") for index in range(3)]
        for index, record in enumerate(records):
            record.tell(FactType.NUMBER_PENDING, START)
            record.tell(FactType.NUMBER_FAILED, START)
            expected += [f"{turn}{index}"] * 2
        stage.store.commit(*records, facts=[fact(phone_number_id="last")])
        expected.append("last")
    facts = stage.store.facts_of("s1", 100)
    assert [found.phone_number_id for found in facts] == expected
    ids = [found.id for found in facts]
    assert ids == sorted(set(ids))
    assert all(ids)


def test_the_newest_facts_are_given_oldest_first(stage: Stage) -> None:
    for index in range(10):
        stage.store.commit(facts=[fact(detail={"index": str(index)})])
    assert [found.detail["index"] for found in stage.store.facts_of("s1", 3)] == ["7", "8", "9"]
    assert stage.store.facts_of("s2", 3) == []


def test_facts_of_a_hub_and_of_a_signup_of_that_name_do_not_meet(stage: Stage) -> None:
    stage.store.commit(
        facts=[fact("HUB#default", fact_type="channels.unknown"), fact("default"), fact("a#b")]
    )
    assert [found.type for found in stage.store.facts_of("HUB#default", 9)] == ["channels.unknown"]
    assert [found.subject for found in stage.store.facts_of("default", 9)] == ["default"]
    assert [found.subject for found in stage.store.facts_of("a#b", 9)] == ["a#b"]


def test_what_is_given_out_is_a_copy(stage: Stage) -> None:
    stage.store.commit(facts=[fact(detail={"code": "a"})])
    stage.store.facts_of("s1", 1)[0].detail["code"] = "b"
    since(stage, 0, 1)[0].detail["code"] = "c"
    assert stage.store.facts_of("s1", 1)[0].detail == {"code": "a"}


def test_a_fact_that_is_given_in_stays_as_it_was(stage: Stage) -> None:
    given = fact()
    stage.store.commit(facts=[given])
    assert given == fact()
    assert stage.store.facts_of("s1", 1)[0].id


def since(stage: Stage, first: int, last: int, limit: int = 100) -> list[Fact]:
    """All facts of a span of hours, read page by page."""
    found: list[Fact] = []
    cursor: str | None = None
    while True:
        page, cursor = stage.store.facts_since(
            START + timedelta(hours=first), START + timedelta(hours=last), cursor, limit
        )
        found += page
        if cursor is None:
            return found


def test_facts_of_a_span_are_found_whatever_their_signup(stage: Stage) -> None:
    for hour in range(6):
        record = signup(f"s{hour}")
        record.tell(FactType.SIGNUP_OPENED, START + timedelta(hours=hour))
        stage.store.commit(record, number(str(hour)))
    assert sorted(found.subject for found in since(stage, 1, 4)) == ["s1", "s2", "s3", "s4"]
    assert sorted(found.subject for found in since(stage, 1, 4, limit=1)) == ["s1", "s2", "s3", "s4"]
    assert since(stage, 7, 9) == []


def test_an_item_of_a_fact_has_what_its_readers_look_at(table: Stage) -> None:
    table.store.commit(facts=[fact(bus=False)])
    (found,) = table.store.facts_of("s1", 1)
    answer = table.client.get_item(
        TableName=table.table, Key={"pk": {"S": "SIGNUP#s1"}, "sk": {"S": f"FACT#{found.id}"}}
    )
    item = answer["Item"]
    assert item["bus"] == {"N": "0"}
    assert item["at"] == {"S": "2031-05-06T07:08:09.123Z"}
    assert int(item["expires_at_epoch"]["N"]) == int((START + timedelta(days=400)).timestamp())


def test_a_fact_that_cannot_be_read_is_left_out_and_told(table: Stage) -> None:
    table.store.commit(facts=[fact(), fact(detail={"code": "second"})])
    first, second = table.store.facts_of("s1", 9)
    table.client.put_item(
        TableName=table.table,
        Item={
            "pk": {"S": "SIGNUP#s1"},
            "sk": {"S": f"FACT#{first.id}"},
            "data": {"S": "{"},
            "at": {"S": "2031-05-06T07"},
        },
    )
    assert table.store.facts_of("s1", 9) == [second]
    assert len(table.unreadable) == 1
