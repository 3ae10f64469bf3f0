"""What is found by something else than its name."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

from onramp.adapters.memory import START
from onramp.domain.census import Census
from onramp.domain.ledger import Outcome
from onramp.domain.number import ChannelKey, Number, Unseen, WabaOf, channel_place, waba_place
from onramp.domain.records import HUB
from onramp.domain.states import Progress
from onramp.ports.storage import Due, Line, line_of
from tests.contract.conftest import Stage
from tests.contract.examples import HOSTILE, event, number, signup, stored

CONNECTED: Final[dict[str, Any]] = {
    "progress": Progress.CONNECTED,
    "channel_id": "c1",
    "key": ChannelKey(secret="sealed", address="https://waba.example", made_at=START, checked_at=START),
}


def seconds(value: float) -> timedelta:
    return timedelta(seconds=value)


def due(stage: Stage, after: float = 0, limit: int = 100, line: Line = Line.WORK) -> list[str]:
    hits = stage.store.due(START + seconds(after), limit, line=line)
    assert all(hit.line is line for hit in hits)
    return ["/".join((hit.kind, *hit.identity)) for hit in hits]


# --- due


def test_only_what_is_due_is_found_oldest_first(stage: Stage) -> None:
    for name, after in (("late", -5), ("later", -1), ("latest", -50), ("soon", 5)):
        stage.store.commit(number(name, due_at=START + seconds(after)))
    stage.store.commit(number("idle"), Census(due_at=START - seconds(2)), signup())
    assert due(stage) == ["NUMBER/latest", "NUMBER/late", "CENSUS/default", "NUMBER/later"]
    assert due(stage, limit=2) == ["NUMBER/latest", "NUMBER/late"]
    assert due(stage, 5) == [*due(stage), "NUMBER/soon"]


def test_looks_and_checks_are_found_apart_from_other_work(stage: Stage) -> None:
    stage.store.commit(number("look", due_at=START, progress=Progress.SUBMITTED))
    stage.store.commit(number("submit", due_at=START), Census(due_at=START))
    stage.store.commit(number("check", due_at=START, **CONNECTED))
    assert due(stage, line=Line.LOOK) == ["NUMBER/look"]
    assert due(stage, line=Line.CHECK) == ["NUMBER/check"]
    assert sorted(due(stage, line=Line.WORK)) == ["CENSUS/default", "NUMBER/submit"]


def test_every_step_has_its_line() -> None:
    waiting = number(progress=Progress.SUBMITTED, channel_id="c1")
    to_be_read = waiting.model_copy(update={"unseen": Unseen.RECONNECT})
    ended = waiting.model_copy(update={"cancelled_at": START})
    lines = [line_of(one) for one in (number(), waiting, number(**CONNECTED), to_be_read, ended)]
    assert lines == [Line.WORK, Line.LOOK, Line.CHECK, Line.WORK, Line.WORK]
    assert line_of(number(progress="charmed")) is Line.WORK


def test_a_record_leaves_the_index_with_its_work(stage: Stage) -> None:
    record = number(due_at=START, progress=Progress.SUBMITTED)
    stage.store.commit(record)
    assert due(stage, line=Line.LOOK) == ["NUMBER/1001"]
    record.progress = Progress.LIVE
    stage.store.commit(record)
    assert (due(stage, line=Line.LOOK), due(stage)) == ([], ["NUMBER/1001"])
    record.due_at = None
    stage.store.commit(record)
    assert due(stage) == []


def test_a_hit_tells_under_which_time_it_was_found(stage: Stage) -> None:
    stage.store.commit(number("a#b", due_at=START))
    (hit,) = stage.store.due(START, 9, line=Line.WORK)
    assert hit == Due("NUMBER", ("a#b",), START.replace(microsecond=123_000))


def test_hostile_names_are_found_by_their_names(stage: Stage) -> None:
    for name in HOSTILE:
        stage.store.commit(number(name, due_at=START))
    assert sorted(hit.identity[0] for hit in stage.store.due(START, 99, line=Line.WORK)) == sorted(HOSTILE)


# --- postponing


def test_a_hit_is_moved_on_and_nothing_else_is_touched(stage: Stage) -> None:
    record = number(due_at=START, verified_name="Acme")
    stage.store.commit(record)
    (hit,) = stage.store.due(START, 9, line=Line.WORK)
    assert stage.store.postpone(hit, START + seconds(300))
    assert stored(stage.store, record) == record
    assert stored(stage.store, record).version == 1
    assert due(stage) == []
    assert due(stage, 300) == ["NUMBER/1001"]
    record.reference = "written as if nothing had happened"
    stage.store.commit(record)
    assert due(stage) == ["NUMBER/1001"]


def test_since_when_a_record_is_overdue_stays_until_it_is_written(stage: Stage) -> None:
    record = number(due_at=START)
    stage.store.commit(record, Census(due_at=START))
    for later in (300, 600, 900):
        for hit in stage.store.due(START + seconds(later - 300), 9, line=Line.WORK):
            assert stage.store.postpone(hit, START + seconds(later))
    hits = stage.store.due(START + seconds(900), 9, line=Line.WORK)
    assert {hit.kind for hit in hits} == {"NUMBER", "CENSUS"}
    exactly = START.replace(microsecond=123_000)
    assert {hit.overdue_since for hit in hits} == {exactly}
    assert {hit.due_at for hit in hits} == {exactly + seconds(900)}
    record.due_at = START + seconds(901)
    stage.store.commit(record)
    (hit,) = [one for one in stage.store.due(START + seconds(901), 9, line=Line.WORK) if one.kind == "NUMBER"]
    assert (hit.since, hit.overdue_since) == (None, exactly + seconds(901))


def test_a_hit_that_has_moved_already_is_left_alone(stage: Stage) -> None:
    record = number(due_at=START)
    stage.store.commit(record)
    (hit,) = stage.store.due(START, 9, line=Line.WORK)
    assert stage.store.postpone(hit, START + seconds(300))
    assert not stage.store.postpone(hit, START + seconds(900))
    assert due(stage, 300) == ["NUMBER/1001"]
    (hit,) = stage.store.due(START + seconds(300), 9, line=Line.WORK)
    record.due_at = None
    stage.store.commit(record)
    assert not stage.store.postpone(hit, START + seconds(900))
    assert due(stage, 1_000) == []


def test_a_spoiled_record_is_moved_on_too(stage: Stage) -> None:
    stage.store.commit(number(due_at=START), Census(due_at=START))
    stage.spoil(number())
    for hit in stage.store.due(START, 9, line=Line.WORK):
        assert stage.store.postpone(hit, START + seconds(300))
    assert due(stage) == []


def test_a_hit_whose_record_is_gone_is_not_brought_back(stage: Stage) -> None:
    assert not stage.store.postpone(Due("NUMBER", ("ghost",), START), START + seconds(300))
    assert stage.store.read(Number, "ghost") is None
    assert due(stage, 900) == []


# --- places and digits


def test_numbers_are_found_at_their_place(stage: Stage) -> None:
    stage.store.commit(number("1"), number("2"), number("3", channel_id="c1"), number("4", hub="other"))
    assert sorted(stage.store.numbers_at(waba_place(HUB, "w1"), 10)) == ["1", "2"]
    assert list(stage.store.numbers_at(channel_place(HUB, "c1"), 10)) == ["3"]
    assert list(stage.store.numbers_at(channel_place(HUB, "c2"), 10)) == []
    assert len(stage.store.numbers_at(waba_place(HUB, "w1"), 1)) == 1
    moved = stored(stage.store, number("1"))
    moved.channel_id = "c2"
    stage.store.commit(moved)
    assert list(stage.store.numbers_at(waba_place(HUB, "w1"), 10)) == ["2"]
    assert list(stage.store.numbers_at(channel_place(HUB, "c2"), 10)) == ["1"]


def test_numbers_are_found_by_their_digits_within_their_hub(stage: Stage) -> None:
    stage.store.commit(
        number("1"), number("2"), number("3", digits="49"), number("4", hub="other"), number("5", digits="")
    )
    assert sorted(stage.store.numbers_with(HUB, "4915123456789")) == ["1", "2"]
    assert list(stage.store.numbers_with("other", "4915123456789")) == ["4"]
    assert list(stage.store.numbers_with(HUB, "0")) == []


def test_all_numbers_of_a_waba_are_found_with_a_channel_and_without(stage: Stage) -> None:
    stage.store.commit(number("1"), number("2", channel_id="c1"), number("3", waba=WabaOf(id="w2")))
    stage.store.commit(number("4", hub="other"))
    assert sorted(stage.store.numbers_in(HUB, "w1", 10)) == ["1", "2"]
    assert list(stage.store.numbers_in("other", "w1", 10)) == ["4"]
    assert list(stage.store.numbers_in(HUB, "w", 10)) == []
    assert len(stage.store.numbers_in(HUB, "w1", 1)) == 1
    moved = stored(stage.store, number("1"))
    moved.waba = WabaOf(id="w2")
    stage.store.commit(moved)
    assert list(stage.store.numbers_in(HUB, "w1", 10)) == ["2"]
    assert sorted(stage.store.numbers_in(HUB, "w2", 10)) == ["1", "3"]


def test_hostile_channels_and_ids_lead_to_their_own_numbers(stage: Stage) -> None:
    for name in HOSTILE:
        stage.store.commit(number(name, channel_id=name, digits=name, waba=WabaOf(id=name)))
    for name in HOSTILE:
        assert list(stage.store.numbers_at(channel_place(HUB, name), 9)) == [name]
        assert list(stage.store.numbers_with(HUB, name)) == [name]
        assert list(stage.store.numbers_in(HUB, name, 9)) == [name]


# --- the ledger


def keep(stage: Stage, names: Sequence[str], outcome: str = Outcome.UNRESOLVED) -> None:
    """Events, each a second younger than the one before."""
    for index, name in enumerate(names):
        record = event(name, now=START + seconds(index))
        record.outcome = outcome
        stage.store.commit(record)


def ledger(stage: Stage, limit: int = 99) -> list[str]:
    return [record.id for record in stage.store.ledger(event().place, limit)]


def test_events_that_wait_are_found_oldest_first(stage: Stage) -> None:
    keep(stage, ["c", "a", "b"])
    keep(stage, ["open"], Outcome.OPEN)
    keep(stage, ["applied"], Outcome.APPLIED)
    assert ledger(stage) == ["c", "a", "b"]
    assert ledger(stage, 2) == ["c", "a"]
    assert list(stage.store.ledger(channel_place(HUB, "other"), 9)) == []


def test_an_event_that_has_acted_is_not_in_the_ledger(stage: Stage) -> None:
    keep(stage, ["a", "b"])
    record = stored(stage.store, event("a"))
    record.end(Outcome.APPLIED, "1001")
    stage.store.commit(record)
    assert ledger(stage) == ["b"]


def test_hostile_event_ids_are_found(stage: Stage) -> None:
    keep(stage, HOSTILE)
    assert ledger(stage) == list(HOSTILE)


def test_an_outlived_event_is_not_in_the_ledger(stage: Stage) -> None:
    keep(stage, ["old"])
    stage.clock.advance(timedelta(days=31))
    assert ledger(stage) == []
