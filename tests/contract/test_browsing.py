"""Reading items of every kind, and removing them together with what is written."""

import pytest

from onramp.domain.census import Census
from onramp.domain.erasure import Dossier, Receipt, Salt
from onramp.domain.errors import Conflict
from onramp.domain.facts import FactType
from onramp.domain.holding import Holding
from onramp.domain.ledger import EventRecord
from onramp.domain.number import Number
from onramp.domain.signup import Exchange, Listed, Signup
from onramp.ports.storage import Found
from tests.contract.conftest import Stage
from tests.contract.examples import HALF, event, fact, number, signup, stored


def everything(stage: Stage, limit: int = 1000) -> list[Found]:
    found, cursor = stage.store.browse(None, limit)
    while cursor is not None:
        more, cursor = stage.store.browse(cursor, limit)
        found += more
    return found


def filled(stage: Stage) -> None:
    stage.store.commit(
        signup(),
        Exchange(signup_id="s1", token="encrypted"),
        Listed(signup_id="s1", part=0),
        number(),
        event(text="x" * 5000),
        Holding(tenant="acme#1"),
        Census(offset=2),
        facts=[fact(), fact("HUB#default", fact_type=FactType.CHANNELS_UNKNOWN)],
    )


@pytest.mark.parametrize("limit", [1, 3, 1000])
def test_everything_is_found_once_whatever_a_page_holds(stage: Stage, limit: int) -> None:
    filled(stage)
    found = everything(stage, limit)
    kinds = ["CENSUS", "EVENT", "EXCHANGE", "FACT", "FACT", "LISTED", "NUMBER", "SIGNUP", "TENANT"]
    assert sorted(one.kind for one in found) == kinds
    assert len({one.place for one in found}) == len(found)
    content = {one.kind: one for one in found}
    assert content["EXCHANGE"].content == {"signup_id": "s1", "token": "encrypted"}
    assert content["EXCHANGE"].version == 1
    assert content["FACT"].version == 0
    raw = content["EVENT"].content
    assert raw is not None
    assert "xxx" in raw["raw"]


def test_what_cannot_be_read_is_found_all_the_same(stage: Stage) -> None:
    spoiled = number()
    stage.store.commit(spoiled)
    stage.spoil(spoiled)
    (found,) = everything(stage)
    assert (found.kind, found.content) == ("NUMBER", None)


def test_what_is_outlived_is_not_found(stage: Stage) -> None:
    ended = event()
    ended.received_at = stage.clock.now().replace(year=2000)
    stage.store.commit(ended)
    assert everything(stage) == []


def test_items_go_with_what_is_written_or_nothing_happens(stage: Stage) -> None:
    filled(stage)
    gone = [one for one in everything(stage) if one.kind in {"EXCHANGE", "FACT", "LISTED"}]
    stage.store.commit(Census(hub="other", offset=1), gone=gone)
    assert {one.kind for one in everything(stage)} == {"CENSUS", "EVENT", "NUMBER", "SIGNUP", "TENANT"}
    with pytest.raises(Conflict):
        stage.store.commit(Census(hub="third", offset=1), gone=gone)
    assert stage.store.read(Census, "third") is None


def test_what_was_written_meanwhile_does_not_go(stage: Stage) -> None:
    filled(stage)
    (found,) = [one for one in everything(stage) if one.kind == "NUMBER"]
    stage.store.commit(stored(stage.store, number()))
    with pytest.raises(Conflict):
        stage.store.commit(Census(hub="other", offset=1), gone=[found])
    with pytest.raises(Conflict):
        stage.store.commit(gone=[found])
    assert stage.store.read(Number, "1001") is not None


def test_a_record_goes_as_it_was_read(stage: Stage) -> None:
    filled(stage)
    record = stored(stage.store, signup())
    stage.store.commit(gone=[record])
    assert stage.store.read(Signup, "s1") is None


def test_an_emptied_event_stays_and_is_found_by_nobody(stage: Stage) -> None:
    record = event(name="account_restriction")
    stage.store.commit(record)
    place = record.place
    record.erase(stage.clock.now())
    stage.store.commit(record)
    after = stage.store.read(EventRecord, "default", "e1")
    assert after is not None
    assert after.erased_at is not None
    assert not after.may_act
    assert stage.store.ledger(place, 10) == []


def test_records_of_an_erasure_are_kept(stage: Stage) -> None:
    now = stage.clock.now()
    for record in (
        Dossier(purpose="erase", digest="d", started_at=now, begun=True),
        Receipt(id="r1", at=now, removed={"EVENT": 1}),
        Salt(value="salt"),
    ):
        stage.store.commit(record)
        assert stored(stage.store, record) == record


def test_a_name_that_no_text_can_hold_breaks_nothing(strict: Stage) -> None:
    strict.store.commit(signup(reference=HALF[:4]))
    assert len(everything(strict)) == 1
