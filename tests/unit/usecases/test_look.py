"""Promise 10: a number that waits in vain for an event is looked up, less and less often, with an end."""

from datetime import timedelta
from typing import Any

import pytest

from onramp.domain import number as life
from onramp.domain.budget import BudgetState
from onramp.domain.errors import Permanent, Transient
from onramp.domain.ledger import EventRecord, Outcome
from onramp.domain.schedule import LONGEST_WAIT, next_look
from onramp.domain.states import Progress, Step
from onramp.usecases.census import work_on_census
from onramp.usecases.find_channel import SURELY
from tests.unit.usecases.bench import Bench

HOUR = 3_600


def waiting(bench: Bench, **values: Any) -> None:
    """A number that 360dialog has taken, and nothing is heard of."""
    bench.submit()
    bench.work()
    bench.partner.calls.clear()
    if values:
        bench.change(**values)


def failure(bench: Bench) -> str | None:
    found = bench.number().failure
    return found.code if found else None


def test_a_channel_of_which_no_event_came_is_found(bench: Bench) -> None:
    waiting(bench)
    bench.partner.channels = [bench.channel(progress=Progress.LIVE)]
    assert bench.work_when_due() is None
    number = bench.number()
    assert (number.progress, number.channel_id, number.due_at) == (Progress.LIVE, "c1", bench.now)
    assert bench.queue.numbers == ["1001"]
    assert bench.count("NumbersHealed") == 1


def test_a_known_channel_is_read_singly(bench: Bench) -> None:
    waiting(bench, channel_id="c1", progress=Progress.CREATED)
    bench.partner.channels = [bench.channel(progress=Progress.RUNNING)]
    bench.work_when_due()
    assert bench.partner.calls == ["read_channel"]
    assert bench.number().progress == Progress.RUNNING
    assert bench.number().looks == 0


def test_a_channel_that_cannot_be_read_singly_is_looked_for_in_the_lists(bench: Bench) -> None:
    waiting(bench, channel_id="c1", progress=Progress.CREATED)
    bench.partner.channels = [bench.channel(progress=Progress.RUNNING)]
    bench.partner.troubles["read_channel"] = [Permanent("channel_missing", status=404)]
    bench.work_when_due()
    assert bench.number().progress == Progress.RUNNING


@pytest.mark.parametrize(
    "trouble", [Permanent("partner_configuration", status=401), Transient("partner_unavailable", status=503)]
)
def test_other_trouble_with_a_look_is_no_answer(bench: Bench, trouble: Exception) -> None:
    waiting(bench, channel_id="c1", progress=Progress.CREATED)
    bench.partner.troubles["read_channel"] = [trouble]
    bench.work_when_due()
    if isinstance(trouble, Permanent):
        assert failure(bench) == "partner_configuration"
        assert bench.count("PartnerConfigurationErrors") == 1
    else:
        assert bench.number().attempts == 1
        assert "number.attempt_failed" in bench.told()


def test_looks_in_vain_come_less_and_less_often(bench: Bench) -> None:
    waiting(bench)
    for looks in range(1, 8):
        bench.work_when_due()
        number = bench.number()
        assert number.looks == looks
        assert number.due_at == next_look(looks, bench.now)
    assert bench.count("NumbersStale") > 0


def test_looks_give_way_to_live_signups() -> None:
    bench = Bench(calls=4)
    waiting(bench)
    assert bench.number().next_step is Step.LOOK
    bench.clock.set(bench.number().due_at or bench.now)
    bench.store.commit(BudgetState(starts=[bench.now] * 3, version=_version(bench)))
    assert bench.work() is not None
    number = bench.number()
    assert (number.attempts, number.waiting_since) == (0, None)


def _version(bench: Bench) -> int:
    found = bench.store.read(BudgetState, "default")
    return found.version if found else 0


def test_a_number_that_never_gets_a_channel_fails_in_a_week_and_may_be_submitted_again(bench: Bench) -> None:
    waiting(bench)
    for _ in range(60):
        bench.work_when_due()
        if bench.number().failure:
            break
    assert failure(bench) == "channel_never_came"
    assert bench.now - bench.number().created_at > LONGEST_WAIT
    assert bench.partner.calls.count("list_channels") < 200
    bench.work(retry=True)
    assert len(bench.partner.submitted) == 2
    assert bench.number().progress == Progress.SUBMITTED


def test_a_channel_that_never_goes_live_fails_in_a_week(bench: Bench) -> None:
    waiting(bench, channel_id="c1", progress=Progress.READY)
    bench.partner.channels = [bench.channel(progress=Progress.READY)]
    bench.clock.advance(LONGEST_WAIT + timedelta(hours=1))
    bench.work()
    assert failure(bench) == "channel_stuck"


@pytest.mark.parametrize("shown", [{"progress": Progress.LIVE}, {"dead": True}], ids=["live", "dead"])
def test_after_a_week_a_channel_that_shows_more_still_counts(bench: Bench, shown: dict[str, Any]) -> None:
    waiting(bench, channel_id="c1", progress=Progress.READY)
    bench.partner.channels = [bench.channel(**shown)]
    bench.clock.advance(LONGEST_WAIT + timedelta(hours=1))
    bench.work()
    assert failure(bench) is None
    assert bench.number().status == ("cancelled" if "dead" in shown else "live")


def test_an_event_that_lies_in_the_ledger_spares_the_look(bench: Bench) -> None:
    waiting(bench, channel_id="c1", progress=Progress.CREATED)
    record = EventRecord.of(bench.event("channel_live"), bench.now)
    record.end(Outcome.UNRESOLVED)
    bench.store.commit(record)
    bench.work_when_due()
    assert bench.partner.calls == []
    number = bench.number()
    assert (number.progress, number.next_step, number.lease) == (Progress.LIVE, Step.CONNECT, None)
    assert bench.queue.numbers == ["1001"]


def test_an_event_in_the_ledger_that_changes_no_step_does_not_spare_it(bench: Bench) -> None:
    waiting(bench, channel_id="c1", progress=Progress.CREATED)
    record = EventRecord.of(bench.event("account_restriction"), bench.now)
    record.end(Outcome.UNRESOLVED)
    bench.store.commit(record)
    bench.partner.channels = [bench.channel(progress=Progress.RUNNING)]
    bench.work_when_due()
    number = bench.number()
    assert (number.progress, number.restriction) == (Progress.RUNNING, "account_restriction")


def test_an_event_that_comes_during_a_look_wins(bench: Bench) -> None:
    waiting(bench, channel_id="c1", progress=Progress.CREATED)
    bench.partner.channels = [bench.channel(progress=Progress.CREATED)]
    bench.partner.meanwhile["read_channel"] = lambda: bench.tell("channel_live")
    bench.work_when_due()
    number = bench.number()
    assert (number.progress, number.due_at) == (Progress.LIVE, bench.now)


# --- a channel that is gone

GONE = Permanent("channel_missing", status=404)


def test_a_channel_is_called_gone_only_after_three_reads(bench: Bench) -> None:
    waiting(bench, channel_id="c1", progress=Progress.CREATED)
    for _ in range(SURELY - 1):
        assert bench.work_when_due() is not None
        assert failure(bench) is None
    bench.work_when_due()
    assert failure(bench) == "channel_missing"
    assert life.can_retry(bench.number())
    assert bench.queue.buried_numbers == []


def test_one_wrong_answer_ends_nothing(bench: Bench) -> None:
    waiting(bench, channel_id="c1", progress=Progress.CREATED)
    bench.partner.troubles["read_channel"] = [GONE]
    bench.work_when_due()
    bench.partner.channels = [bench.channel(progress=Progress.LIVE)]
    bench.work_when_due()
    assert (bench.number().channel_id, bench.number().progress) == ("c1", Progress.LIVE)


def test_another_channel_takes_the_place_of_one_that_is_gone(bench: Bench) -> None:
    waiting(bench, channel_id="c1", progress=Progress.CREATED)
    bench.partner.channels = [bench.channel("c2", progress=Progress.LIVE)]
    for _ in range(SURELY + 1):
        bench.work_when_due()
    number = bench.number()
    assert (number.channel_id, number.ended_channels, number.life) == ("c2", ["c1"], 2)
    assert number.second_channel is None


def test_what_was_called_gone_and_shows_itself_goes_on(bench: Bench) -> None:
    waiting(bench, channel_id="c1", progress=Progress.CREATED)
    for _ in range(SURELY):
        bench.work_when_due()
    bench.partner.channels = [bench.channel(progress=Progress.CREATED)]
    work_on_census(bench.ports)
    assert (failure(bench), bench.number().next_step) == (None, Step.LOOK)
    assert bench.told()[-1] == "number.attention_ended"


def test_a_wrong_answer_at_a_reconnect_ends_no_living_channel(bench: Bench) -> None:
    bench.connected()
    bench.submit("s2")
    bench.partner.troubles["read_channel"] = [GONE, GONE]
    for _ in range(SURELY + 1):
        bench.work_when_due()
    number = bench.number()
    assert (number.status, number.life, number.channel_id) == ("connected", 1, "c1")


def test_a_channel_that_shows_no_word_of_progress_is_more_than_nothing(bench: Bench) -> None:
    waiting(bench)
    bench.clock.advance(LONGEST_WAIT)
    bench.partner.channels = [bench.channel()]
    bench.work_when_due()
    assert (failure(bench), bench.number().progress) == (None, Progress.CREATED)
