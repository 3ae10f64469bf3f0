"""Promise 10: all channels at 360dialog beside our numbers, page by page, whatever their number."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from onramp.domain.budget import BudgetState
from onramp.domain.census import EVERY, SOON, Census
from onramp.domain.errors import Conflict, Permanent, Throttled, Transient, UnavailableError
from onramp.domain.number import Number
from onramp.domain.records import LEASE
from onramp.domain.states import Progress
from onramp.usecases.census import PAGES, work_on_census
from tests.unit.usecases.bench import Bench


def census(bench: Bench) -> Census:
    found = bench.store.read(Census, "default")
    assert found is not None
    return found


def count(bench: Bench) -> datetime | None:
    return work_on_census(bench.ports)


def round_through(bench: Bench) -> int:
    """A whole round; gives how many runs it took."""
    for runs in range(1, 50):
        until = count(bench)
        if until is None:
            return runs
        bench.clock.set(until)
    raise AssertionError("the census never ends")


def foreign(bench: Bench, index: int, **more: Any) -> Any:
    return bench.channel(f"f{index}", f"9{index}", waba_id="other", **more)


def test_a_channel_that_is_further_than_its_number_carries_it_on(bench: Bench) -> None:
    bench.submit()
    bench.work()
    bench.partner.channels = [bench.channel(progress=Progress.LIVE)]
    assert count(bench) is None
    number = bench.number()
    assert (number.progress, number.channel_id) == (Progress.LIVE, "c1")
    assert bench.queue.numbers == ["1001"]
    assert bench.count("NumbersHealed") == 1


@pytest.mark.parametrize("known", [{"external_id": None}, {"external_id": "not ours"}])
def test_a_channel_without_metas_id_is_resolved_like_an_event(bench: Bench, known: dict[str, Any]) -> None:
    bench.submit()
    bench.work()
    bench.partner.channels = [bench.channel(progress=Progress.LIVE, **known)]
    count(bench)
    assert bench.number().progress == Progress.LIVE


def test_a_channel_that_tells_no_news_writes_nothing(bench: Bench) -> None:
    bench.connected()
    version = bench.number().version
    count(bench)
    assert bench.number().version == version


def test_an_ended_channel_ends_its_number(bench: Bench) -> None:
    bench.connected()
    bench.partner.channels = [bench.channel(dead=True)]
    count(bench)
    assert bench.number().status == "cancelled"
    assert bench.load().counts == {"cancelled": 1}


def test_a_second_channel_is_reported_and_takes_over_when_the_first_has_ended(bench: Bench) -> None:
    bench.connected()
    bench.partner.channels.append(bench.channel("c2", progress=Progress.LIVE))
    count(bench)
    assert bench.number().attention == "second_channel"
    assert "number.attention" in bench.told()
    bench.partner.channels[0] = bench.channel(dead=True)
    bench.clock.advance(SOON)
    count(bench)
    number = bench.number()
    assert (number.channel_id, number.life, number.attention) == ("c2", 2, None)


def test_billed_channels_that_nobody_has_are_reported_at_the_end_of_the_round(bench: Bench) -> None:
    bench.partner.channels = [
        foreign(bench, 1, billed=True),
        foreign(bench, 2),
        foreign(bench, 3, billed=True, dead=True),
        foreign(bench, 4, billed=True),
    ]
    count(bench)
    (fact,) = bench.store.facts_of("HUB#default", 9)
    assert (fact.type, fact.detail) == ("channels.unknown", {"count": "2", "channel_ids": "f1,f4"})
    assert fact.bus
    assert bench.count("ChannelsUnknown") == 2
    assert len(bench.telemetry.warnings()) == 2


def test_where_all_channels_are_ours_nothing_is_reported(bench: Bench) -> None:
    bench.connected()
    count(bench)
    assert bench.store.facts_of("HUB#default", 9) == []
    assert census(bench).due_at == bench.now + EVERY


def test_any_number_of_channels_is_covered_in_the_end(bench: Bench) -> None:
    bench.partner.page_size = 10
    bench.partner.channels = [foreign(bench, index, billed=True) for index in range(123)]
    assert round_through(bench) == 3
    record = census(bench)
    assert (record.seen, record.unknown_count, len(record.unknown)) == (123, 123, 100)
    assert record.began_at is None
    assert bench.partner.calls.count("list_channels") == 13
    assert bench.count("CensusPages") == 13
    (fact,) = bench.store.facts_of("HUB#default", 9)
    assert fact.detail["count"] == "123"


def test_a_census_gives_way_to_live_signups_and_goes_on_where_it_stopped() -> None:
    bench = Bench(calls=5)
    bench.partner.page_size = 10
    bench.partner.channels = [foreign(bench, index) for index in range(100)]
    assert round_through(bench) > 2
    assert bench.partner.calls.count("list_channels") == 10
    state = bench.store.read(BudgetState, "default")
    assert state is not None
    assert len(state.starts) <= 4


def test_a_run_deals_with_a_few_pages(bench: Bench) -> None:
    bench.partner.page_size = 1
    bench.partner.channels = [foreign(bench, index) for index in range(PAGES + 1)]
    until = count(bench)
    assert until == bench.now
    record = census(bench)
    assert (record.offset, record.attempts, record.lease) == (PAGES, 0, None)
    assert record.due_at == until


def test_a_census_soon_after_the_last_one_is_planned_for_later(bench: Bench) -> None:
    count(bench)
    ended = bench.now
    bench.wait(60)
    assert count(bench) is None
    assert bench.partner.calls.count("list_channels") == 1
    assert census(bench).due_at == ended + SOON
    version = census(bench).version
    count(bench)
    assert census(bench).version == version
    bench.clock.set(ended + SOON)
    count(bench)
    assert bench.partner.calls.count("list_channels") == 2


def test_two_runs_do_not_count_at_the_same_time(bench: Bench) -> None:
    seen: list[datetime | None] = []
    bench.partner.meanwhile["list_channels"] = lambda: seen.append(count(bench))
    count(bench)
    assert seen == [None]
    assert bench.partner.calls == ["list_channels"]


def test_a_run_that_died_is_taken_over_when_its_lease_is_over(bench: Bench) -> None:
    dead = Census(offset=10)
    dead.begin(bench.now)
    dead.offset = 10
    dead.lend("dead", bench.now)
    bench.store.commit(dead)
    bench.partner.channels = [foreign(bench, index) for index in range(12)]
    bench.clock.advance(LEASE)
    count(bench)
    assert census(bench).seen == 2


def test_a_run_whose_lease_is_lost_writes_nothing_more(bench: Bench) -> None:
    def rival() -> None:
        record = census(bench)
        record.lease = None
        bench.store.commit(record)

    bench.partner.meanwhile["list_channels"] = rival
    assert count(bench) is not None
    assert census(bench).ended_at is None
    assert bench.telemetry.warnings() == ["lease lost"]


def test_trouble_follows_the_schedule_and_the_round_ends_with_it() -> None:
    bench = Bench(retry_seconds=(5, 30))
    bench.partner.troubles["list_channels"] = [Transient("partner_unavailable", status=503)] * 3
    for attempts in (1, 2):
        until = count(bench)
        assert until is not None
        assert census(bench).attempts == attempts
        assert census(bench).due_at == until
        bench.clock.set(until)
    assert count(bench) is None
    assert census(bench).due_at == bench.now + EVERY
    assert bench.store.facts_of("HUB#default", 9) == []


def test_a_refusal_for_good_ends_the_round(bench: Bench) -> None:
    bench.partner.troubles["list_channels"] = [Permanent("partner_configuration", status=401)]
    assert count(bench) is None
    assert census(bench).due_at == bench.now + EVERY


def test_a_throttled_census_rests(bench: Bench) -> None:
    bench.partner.troubles["list_channels"] = [Throttled("partner_unavailable", retry_after=60)]
    assert count(bench) == bench.now + timedelta(seconds=60)
    assert census(bench).attempts == 0


def test_one_number_that_cannot_be_changed_does_not_stop_the_census(bench: Bench) -> None:
    bench.submit(numbers=("1001", "1002"))
    bench.partner.channels = [bench.channel(), bench.channel("c2", "1002")]
    commit = bench.store.commit

    def broken(*records: Any, **more: Any) -> None:
        if any(isinstance(record, Number) and record.phone_number_id == "1001" for record in records):
            raise UnavailableError("throttled")
        commit(*records, **more)

    bench.store.commit = broken  # type: ignore[method-assign]
    assert count(bench) is None
    assert bench.number("1001").channel_id is None
    assert bench.number("1002").channel_id == "c2"
    assert bench.count("RecordsCrashed") == 1


def test_a_spoiled_number_does_not_stop_the_census(bench: Bench) -> None:
    bench.submit(numbers=("1001", "1002"))
    bench.partner.channels = [bench.channel(), bench.channel("c2", "1002")]
    bench.store.spoil(bench.number("1001"))
    assert count(bench) is None
    assert bench.number("1002").channel_id == "c2"
    assert bench.store.facts_of("HUB#default", 9) == []


@pytest.mark.parametrize("planned", [False, True], ids=["a round", "a plan"])
def test_of_two_runs_that_begin_at_the_same_moment_one_leaves_it_to_the_other(
    bench: Bench, planned: bool
) -> None:
    if planned:
        count(bench)
        bench.wait(60)
    calls = len(bench.partner.calls)

    def contested(*_: Any, **__: Any) -> None:
        raise Conflict

    bench.store.commit = contested  # type: ignore[method-assign]
    assert count(bench) is None
    assert len(bench.partner.calls) == calls
