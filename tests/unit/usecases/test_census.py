"""Promise 10: all channels at 360dialog beside our numbers, page by page, whatever their number."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from onramp.domain.budget import BudgetState
from onramp.domain.census import EVERY, SOON, Census
from onramp.domain.errors import Conflict, Permanent, Throttled, Transient, UnavailableError
from onramp.domain.number import Number, Unseen
from onramp.domain.records import LEASE
from onramp.domain.schedule import LIST_LAG
from onramp.domain.states import Progress, Step
from onramp.usecases.census import AT_ONCE, PAGES, SEEN_EVERY, work_on_census
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


def test_a_channel_that_tells_no_news_writes_only_that_it_was_seen_and_that_seldom(bench: Bench) -> None:
    before = bench.connected()
    told = bench.told()
    count(bench)
    seen = bench.number()
    assert (seen.seen_at, seen.version) == (bench.now, before.version + 1)
    assert seen == before.model_copy(update={"seen_at": bench.now, "version": seen.version})
    assert bench.told() == told
    bench.clock.advance(SEEN_EVERY)
    count(bench)
    assert bench.number().version == seen.version
    bench.clock.advance(SOON)
    count(bench)
    assert (bench.number().seen_at, bench.number().version) == (bench.now, seen.version + 1)


def many(bench: Bench, amount: int) -> list[str]:
    """Connected numbers whose channels live."""
    bench.connected()
    names = [f"{5_000 + index}" for index in range(amount)]
    template = bench.number()
    for name in names:
        channel = bench.channel(f"c{name}", name, progress=Progress.LIVE)
        number = template.model_copy(
            update={
                "phone_number_id": name,
                "channel_id": channel.id,
                "digits": channel.digits,
                "version": 0,
            },
            deep=True,
        )
        bench.store.commit(number)
        bench.partner.channels.append(channel)
    return names


def writes(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many numbers each write holds that is made from now on."""
    commit, sizes = bench.store.commit, []

    def counted(*records: Any, **more: Any) -> None:
        if any(isinstance(record, Number) for record in records):
            sizes.append(len(records))
        commit(*records, **more)

    monkeypatch.setattr(bench.store, "commit", counted)
    return sizes


def test_that_channels_were_seen_is_written_for_fifty_numbers_at_once(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = many(bench, 2 * AT_ONCE + 9)
    sizes = writes(bench, monkeypatch)
    count(bench)
    assert sizes == [AT_ONCE, AT_ONCE, 10]
    assert all(bench.number(name).seen_at == bench.now for name in names)


def test_a_number_that_somebody_writes_meanwhile_is_seen_in_the_next_round(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    many(bench, 3)
    read_all = bench.store.read_all

    def overtaken(kind: Any, identities: Any) -> Any:
        found = read_all(kind, identities)
        monkeypatch.undo()
        bench.change(verified_name="Acme Ltd")
        return found

    monkeypatch.setattr(bench.store, "read_all", overtaken)
    count(bench)
    assert (bench.number().verified_name, bench.number().seen_at) == ("Acme Ltd", None)
    bench.clock.advance(SOON)
    count(bench)
    assert bench.number().seen_at == bench.now


def test_a_connected_number_that_is_found_by_its_digits_was_seen_too(bench: Bench) -> None:
    bench.connected()
    bench.partner.show(external_id=None)
    count(bench)
    assert bench.number().seen_at == bench.now


def test_the_last_whole_census_says_when_it_began_and_how_many_it_saw(bench: Bench) -> None:
    bench.partner.channels = [foreign(bench, index) for index in range(7)]
    count(bench)
    began = bench.now
    assert (census(bench).whole_since, census(bench).channels) == (began, 7)
    bench.clock.advance(EVERY)
    bench.partner.troubles["list_channels"] = [Permanent("partner_configuration", status=401)]
    count(bench)
    assert (census(bench).whole_since, census(bench).channels) == (began, 7)


# --- what has ended and lives, and what is restricted


def cancelled(bench: Bench) -> None:
    """A number whose channel has ended, and long enough ago that no list is older."""
    bench.connected()
    bench.tell("cancellation_processed")
    assert bench.number().status == "cancelled"
    bench.queue.numbers.clear()
    bench.clock.advance(LIST_LAG + timedelta(seconds=1))


def test_an_ended_channel_that_lives_again_is_read_by_itself_and_goes_on(bench: Bench) -> None:
    cancelled(bench)
    count(bench)
    number = bench.number()
    assert (number.status, number.unseen, number.next_step) == ("cancelled", Unseen.REVOKED, Step.LOOK)
    assert bench.queue.numbers == ["1001"]
    bench.forget_calls()
    bench.work()
    assert bench.partner.calls == ["read_channel"]
    bench.work()
    assert bench.number().status == "connected"
    assert (bench.number().life, bench.load().counts) == (1, {"connected": 1})
    assert "number.reactivated" in bench.told()


def test_an_ended_channel_that_only_the_list_shows_alive_stays_ended(bench: Bench) -> None:
    cancelled(bench)
    count(bench)
    bench.partner.show(dead=True)
    bench.work()
    assert (bench.number().status, bench.number().unseen) == ("cancelled", None)


def test_what_a_list_shows_right_after_the_end_is_an_echo(bench: Bench) -> None:
    bench.connected()
    bench.tell("cancellation_processed")
    bench.wait(60)
    count(bench)
    assert (bench.number().status, bench.number().unseen) == ("cancelled", None)


def test_a_living_channel_that_a_number_has_left_behind_is_nobodys(bench: Bench) -> None:
    bench.connected()
    bench.change(channel_id="c2", ended_channels=["c1"])
    bench.partner.show(billed=True)
    count(bench)
    (fact,) = bench.store.facts_of("HUB#default", 9)
    assert fact.detail["channel_ids"] == "c1"
    assert bench.number().channel_id == "c2"


def test_a_restriction_begins_and_ends_by_what_is_read(bench: Bench) -> None:
    bench.connected()
    bench.partner.show(restricted=True)
    count(bench)
    assert (bench.number().status, bench.number().restriction) == ("restricted", "account_restriction")
    assert bench.load().counts == {"restricted": 1}
    bench.partner.show(restricted=False)
    bench.clock.advance(SOON + timedelta(seconds=1))
    count(bench)
    assert bench.number().status == "connected"
    assert bench.told()[-1] == "number.restriction_ended"
    assert bench.load().counts == {"connected": 1}


@pytest.mark.parametrize(("said", "after"), [(None, timedelta(days=1)), (False, timedelta(minutes=5))])
def test_a_restriction_is_not_ended_by_silence_nor_by_what_may_be_older(
    bench: Bench, said: bool | None, after: timedelta
) -> None:
    bench.connected()
    bench.tell("account_restriction")
    bench.clock.advance(after)
    bench.partner.show(restricted=said)
    count(bench)
    assert bench.number().status == "restricted"


def test_an_error_on_the_channel_is_told_with_its_code_and_ends_with_it(bench: Bench) -> None:
    bench.connected()
    bench.partner.show(error="131042", error_shown=True)
    count(bench)
    assert (bench.number().attention, bench.number().attention_code) == ("channel_error", "131042")
    bench.partner.show(error=None, error_shown=True)
    bench.clock.advance(SOON)
    count(bench)
    assert bench.number().attention is None


def test_an_error_is_not_ended_by_a_list_that_does_not_show_errors(bench: Bench) -> None:
    bench.connected()
    bench.partner.show(error="131042", error_shown=True)
    count(bench)
    bench.partner.show(error=None, error_shown=False)
    bench.clock.advance(SOON)
    count(bench)
    assert bench.number().attention_code == "131042"


def test_a_missing_channel_that_is_seen_again_needs_nobody(bench: Bench) -> None:
    bench.connected()
    bench.change(notices={"channel_missing": ""})
    count(bench)
    assert bench.number().attention is None
    assert bench.number().seen_at == bench.now


def test_a_second_channel_that_has_gone_is_told_as_ended(bench: Bench) -> None:
    bench.connected()
    bench.partner.channels.append(bench.channel("c2", progress=Progress.LIVE))
    count(bench)
    bench.partner.show("c2", dead=True)
    bench.clock.advance(SOON)
    count(bench)
    assert bench.number().attention is None
    assert bench.told()[-1] == "number.attention_ended"


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
