"""Promises 4, 5 and 11: an event acts once, whenever it comes, and is kept until its number is known."""

from datetime import timedelta
from typing import Any

import pytest

from onramp.domain.errors import Conflict, Transient, UnavailableError
from onramp.domain.ledger import EVENT_KEPT, EventRecord, Outcome
from onramp.domain.number import Number
from onramp.domain.partner_events import EVENT_RULES, Effect
from onramp.domain.records import LEASE
from onramp.domain.schedule import RETRY_SECONDS
from onramp.domain.states import Progress, Step
from onramp.usecases.apply_event import ONCE_MORE, TRIES, WOKEN, apply_event
from tests.unit.usecases.bench import WABA, Bench, phone


def waiting(bench: Bench, **values: Any) -> None:
    """A number that 360dialog has taken, and nothing is heard of."""
    bench.submit()
    bench.work()
    bench.queue.numbers.clear()
    if values:
        bench.change(**values)


# --- once


def test_an_event_leads_its_number_on_and_wakes_it(bench: Bench) -> None:
    waiting(bench)
    assert bench.tell("channel_live") is None
    number = bench.number()
    assert (number.progress, number.channel_id, number.due_at) == (Progress.LIVE, "c1", bench.now)
    assert bench.queue.numbers == ["1001"]
    record = bench.record(bench.event("channel_live"))
    assert (record.outcome, record.phone_number_id, record.lease) == (Outcome.APPLIED, "1001", None)
    assert bench.count("EventsApplied") == 1


def test_a_repeated_event_changes_nothing_and_is_counted(bench: Bench) -> None:
    waiting(bench)
    bench.tell("account_restriction")
    before, told = bench.number(), bench.told()
    for _ in range(3):
        assert bench.tell("account_restriction") is None
    assert (bench.number(), bench.told()) == (before, told)
    assert bench.count("EventsDuplicate") == 3


def test_an_event_acts_once_within_thirty_days(bench: Bench) -> None:
    waiting(bench)
    bench.tell("account_restriction")
    bench.clock.advance(EVENT_KEPT - timedelta(seconds=1))
    bench.tell("account_restriction")
    assert bench.told().count("number.restricted") == 1


def test_a_late_event_does_not_lead_back(bench: Bench) -> None:
    waiting(bench)
    bench.tell("channel_running")
    bench.tell("channel_created")
    assert bench.number().progress == Progress.RUNNING


def test_two_copies_at_the_same_moment_act_once(bench: Bench) -> None:
    waiting(bench)
    read = bench.store.read
    nested: list[object] = []

    def overtaken(kind: Any, *identity: str) -> Any:
        found = read(kind, *identity)
        if kind is Number and not nested:
            nested.append("running")
            nested.append(bench.tell("account_restriction"))
        return found

    bench.store.read = overtaken  # type: ignore[method-assign]
    until = bench.tell("account_restriction")
    bench.store.read = read  # type: ignore[method-assign]
    if until is not None:
        bench.clock.set(until)
        assert bench.tell("account_restriction") is None
    assert bench.told().count("number.restricted") == 1
    assert bench.record(bench.event("account_restriction")).outcome == Outcome.APPLIED


def test_a_run_that_died_leaves_the_event_to_the_next_when_its_lease_is_over(bench: Bench) -> None:
    waiting(bench)
    record = EventRecord.of(bench.event("channel_live"), bench.now)
    record.lend("dead", bench.now)
    bench.store.commit(record)
    until = bench.tell("channel_live")
    assert until is not None
    assert bench.number().channel_id is None
    bench.clock.advance(LEASE)
    assert bench.tell("channel_live") is None
    assert bench.number().progress == Progress.LIVE


def test_a_write_that_somebody_overtakes_is_made_again(bench: Bench) -> None:
    waiting(bench)
    commit = bench.store.commit
    losses = [2]

    def contested(*records: Any, **more: Any) -> None:
        if any(isinstance(record, Number) for record in records) and losses[0]:
            losses[0] -= 1
            raise Conflict
        commit(*records, **more)

    bench.store.commit = contested  # type: ignore[method-assign]
    until = bench.tell("channel_live")
    if until is not None:
        bench.clock.set(until)
        assert bench.tell("channel_live") is None
    assert bench.number().progress == Progress.LIVE
    assert bench.told().count("number.live") == 1


def test_an_event_that_everybody_claims_comes_again(bench: Bench) -> None:
    waiting(bench)
    record = EventRecord.of(bench.event("channel_live"), bench.now)
    bench.store.commit(record)

    def contested(*_: Any, **__: Any) -> None:
        raise Conflict

    commit, bench.store.commit = bench.store.commit, contested  # type: ignore[method-assign]
    until = bench.tell("channel_live")
    bench.store.commit = commit  # type: ignore[method-assign]
    assert until is not None
    assert len(bench.clock.sleeps) <= 2 * TRIES
    bench.clock.set(until)
    assert bench.tell("channel_live") is None
    assert bench.number().progress == Progress.LIVE


def test_storage_that_does_not_answer_makes_the_message_come_back(bench: Bench) -> None:
    waiting(bench)
    bench.store.broken = True
    with pytest.raises(UnavailableError):
        bench.tell("channel_live")
    bench.store.broken = False
    assert bench.tell("channel_live") is None
    assert bench.number().progress == Progress.LIVE


# --- what is not about a number


@pytest.mark.parametrize("name", [name for name, rule in EVENT_RULES.items() if rule.scope != "channel"])
def test_events_about_something_else_are_stored(bench: Bench, name: str) -> None:
    assert bench.tell(name) is None
    record = bench.record(bench.event(name))
    assert (record.outcome, record.phone_number_id) == (Outcome.STORED, None)
    assert record.raw
    bench.tell(name)
    assert (bench.count("EventsStored"), bench.count("EventsDuplicate")) == (1, 1)


def test_unknown_events_are_kept_and_counted(bench: Bench) -> None:
    bench.tell("something_new")
    assert bench.record(bench.event("something_new")).outcome == Outcome.UNKNOWN
    assert bench.count("EventsUnknown") == 1


# --- too early


def test_an_event_without_a_number_is_tried_once_more_and_then_kept(bench: Bench) -> None:
    until = bench.tell("channel_live")
    assert until == bench.now + ONCE_MORE
    event = bench.event("channel_live")
    assert (bench.record(event).outcome, bench.record(event).tries) == (Outcome.UNRESOLVED, 1)
    bench.clock.set(until)
    assert bench.tell("channel_live") is None
    assert bench.record(event).tries == 2
    assert bench.count("EventsUnresolved") == 1
    assert [record.id for record in bench.store.ledger("CHANNEL#default#c1", 9)] == [event.id]


def test_an_event_that_lies_in_the_ledger_acts_when_its_channel_is_known(bench: Bench) -> None:
    bench.tell("account_restriction", external_id=None, waba_account=None, setup_info=None)
    bench.wait(20)
    bench.tell("account_restriction", external_id=None, waba_account=None, setup_info=None)
    waiting(bench)
    bench.tell("channel_created")
    assert bench.number().restriction == "account_restriction"
    assert bench.record(bench.event("account_restriction")).outcome == Outcome.APPLIED


def test_the_end_of_a_channel_waits_until_the_channel_is_known(bench: Bench) -> None:
    waiting(bench)
    assert bench.tell("cancellation_processed") is not None
    assert bench.number().status == "submitted"
    bench.tell("channel_created")
    assert bench.number().status == "cancelled"


def test_the_end_of_another_channel_is_not_the_end_of_the_number(bench: Bench) -> None:
    waiting(bench)
    bench.tell("channel_live", "c1")
    assert bench.tell("cancellation_processed", "c0") is None
    assert bench.number().status == "live"
    assert bench.record(bench.event("cancellation_processed", "c0")).outcome == Outcome.OTHER_CHANNEL


def test_a_second_channel_is_noted_and_its_event_changes_nothing(bench: Bench) -> None:
    waiting(bench)
    bench.tell("channel_created", "c1")
    bench.tell("channel_live", "c2")
    number = bench.number()
    assert (number.channel_id, number.progress, number.second_channel) == ("c1", Progress.CREATED, "c2")
    assert bench.record(bench.event("channel_live", "c2")).outcome == Outcome.OTHER_CHANNEL
    assert bench.told()[-1] == "number.attention"
    assert bench.count("NumbersAttention") == 1


# --- what an unknown channel stirs up


def nobody(bench: Bench, name: str = "x", **data: Any) -> None:
    """An event of a channel that has no number, both times."""
    more = {"external_id": None, "setup_info": None, "waba_account": None, **data}
    for _ in range(2):
        bench.tell("channel_live", name, **more)
        bench.wait(20)
    bench.queue.numbers.clear() if not bench.queue.numbers else None


def test_a_channel_that_does_not_say_its_waba_wakes_the_census(bench: Bench) -> None:
    nobody(bench)
    assert bench.queue.censuses == ["default"]


def test_a_channel_of_a_waba_wakes_those_of_its_numbers_that_wait(bench: Bench) -> None:
    waiting(bench)
    nobody(bench, waba_account={"external_id": WABA})
    assert bench.queue.numbers == ["1001"]
    assert bench.queue.censuses == []
    due_at = bench.number().due_at
    assert due_at is not None
    assert due_at <= bench.now


def test_a_channel_of_a_waba_of_which_nobody_waits_wakes_nobody(bench: Bench) -> None:
    waiting(bench, channel_id="mine")
    nobody(bench, waba_account={"external_id": WABA})
    assert (bench.queue.numbers, bench.queue.censuses) == ([], [])


def test_a_channel_of_a_waba_of_which_many_wait_wakes_the_census(bench: Bench) -> None:
    names = [f"100{index}" for index in range(WOKEN + 1)]
    bench.submit(numbers=names)
    nobody(bench, waba_account={"external_id": WABA})
    assert bench.queue.censuses == ["default"]


def test_a_number_that_is_not_waiting_for_its_channel_is_not_hastened(bench: Bench) -> None:
    bench.submit()
    later = bench.now + timedelta(hours=1)
    bench.change(due_at=later)
    nobody(bench, waba_account={"external_id": WABA})
    assert bench.number().due_at == later


# --- an end


def test_an_event_that_fails_again_and_again_is_kept_for_a_person_and_can_be_redriven() -> None:
    bench = Bench(retry_seconds=(1, 2))
    waiting(bench)
    read, read_all = bench.store.read, bench.store.read_all

    def crash(*_: Any) -> Any:
        raise ValueError

    bench.store.read_all = crash  # type: ignore[method-assign, assignment]
    until = bench.tell("channel_live")
    for _ in range(9):
        if until is None:
            break
        bench.clock.set(until)
        until = bench.tell("channel_live")
    event = bench.event("channel_live")
    assert bench.queue.buried_events == [(event.raw, "utf-8", "internal_error")]
    record = bench.record(event)
    assert (record.outcome, record.reason) == (Outcome.GIVEN_UP, "internal_error")
    assert bench.count("EventsGivenUp") == 1
    bench.store.read, bench.store.read_all = read, read_all  # type: ignore[method-assign]
    assert bench.tell("channel_live") is None
    assert bench.number().progress == Progress.LIVE


def test_an_event_whose_runs_all_died_is_given_up(bench: Bench) -> None:
    waiting(bench)
    record = EventRecord.of(bench.event("channel_live"), bench.now)
    record.attempts = len(RETRY_SECONDS) + 1
    bench.store.commit(record)
    assert bench.tell("channel_live") is None
    assert [reason for _, _, reason in bench.queue.buried_events] == ["internal_error"]


@pytest.mark.parametrize("which", ["event", "number"])
def test_a_record_that_cannot_be_read_is_kept_for_a_person(bench: Bench, which: str) -> None:
    waiting(bench, channel_id="c1", progress=Progress.CREATED)
    event = bench.event("channel_live", external_id="1001")
    if which == "event":
        record = EventRecord.of(event, bench.now)
        bench.store.commit(record)
        bench.store.spoil(record)
        assert apply_event(bench.ports, event) is None
        assert [reason for _, _, reason in bench.queue.buried_events] == ["unreadable_record"]
        assert bench.count("RecordsCrashed") == 1
    else:
        bench.store.spoil(bench.number())
        until = apply_event(bench.ports, event)
        # It counts as an attempt like any other trouble.
        assert until is not None or bench.queue.buried_events


# --- restrictions, and their end

FORGIVING = [name for name, rule in EVENT_RULES.items() if rule.effect is Effect.FORGIVE]


@pytest.mark.parametrize("name", FORGIVING)
def test_a_restriction_ends_by_each_of_its_events(bench: Bench, name: str) -> None:
    bench.connected()
    bench.tell("account_restriction")
    assert bench.number().status == "restricted"
    bench.tell(name)
    number = bench.number()
    assert (number.status, number.restriction, number.restricted_until) == ("connected", None, None)
    assert bench.told()[-1] == "number.restriction_ended"
    assert bench.load().counts == {"connected": 1}


def test_a_restriction_ends_by_an_event_of_its_own_name_that_says_so(bench: Bench) -> None:
    bench.connected()
    bench.tell("account_restriction")
    bench.tell("account_restriction", event_id="E2", state="lifted")
    assert bench.number().status == "connected"


def test_what_was_never_restricted_is_not_told_as_forgiven(bench: Bench) -> None:
    bench.connected()
    told = bench.told()
    bench.tell("account_reinstated")
    assert bench.told() == told


@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["lighter first", "heavier first"])
def test_of_two_restrictions_the_heavier_counts(bench: Bench, order: tuple[int, int]) -> None:
    bench.connected()
    events = [
        bench.event("account_violation", violation_type="SPAM"),
        bench.event("account_restriction", violation_type="SCAM"),
    ]
    for index in order:
        apply_event(bench.ports, events[index])
    number = bench.number()
    assert (number.restriction, number.violation_type) == ("account_restriction", "SCAM")


@pytest.mark.parametrize("order", [(1, 5), (5, 1)], ids=["shorter first", "longer first"])
def test_of_two_restrictions_alike_the_longer_counts(bench: Bench, order: tuple[int, int]) -> None:
    bench.connected()
    for hours in order:
        until = (bench.now + timedelta(hours=hours)).isoformat()
        bench.tell("account_restriction", event_id=f"E{hours}", until=until)
    assert bench.number().restricted_until == bench.now + timedelta(hours=5)


def test_a_restriction_that_is_over_already_restricts_nothing(bench: Bench) -> None:
    bench.connected()
    bench.tell("account_restriction", until=(bench.now - timedelta(seconds=1)).isoformat())
    assert bench.number().status == "connected"


def test_a_restricted_number_goes_on_and_is_connected_when_it_is_forgiven(bench: Bench) -> None:
    waiting(bench)
    bench.tell("account_restriction")
    bench.tell("channel_live")
    bench.partner.channels = [bench.channel(progress=Progress.LIVE)]
    bench.work()
    assert bench.number().status == "restricted"
    bench.tell("account_reinstated")
    assert bench.number().status == "connected"


# --- an end that is asked for, and taken back


def test_a_wish_to_end_the_channel_is_shown_until_it_is_taken_back(bench: Bench) -> None:
    bench.connected()
    bench.tell("cancellation_request")
    assert (bench.number().status, bench.number().ending_at) == ("connected", bench.now)
    bench.tell("cancellation_revoke")
    assert (bench.number().status, bench.number().ending_at) == ("connected", None)
    assert bench.told()[-2:] == ["number.cancellation_request", "number.cancellation_revoke"]
    assert bench.queue.numbers == []


@pytest.mark.parametrize("lives", [True, False])
def test_an_end_that_is_said_to_be_undone_is_believed_when_it_is_read(bench: Bench, lives: bool) -> None:
    bench.connected()
    bench.tell("cancellation_processed")
    bench.partner.show(dead=not lives)
    bench.tell("cancellation_revoke")
    assert (bench.number().status, bench.number().next_step) == ("cancelled", Step.LOOK)
    assert bench.queue.numbers == ["1001"]
    bench.work()
    if lives:
        bench.work()
    assert bench.number().status == ("connected" if lives else "cancelled")
    assert bench.number().next_step is (Step.CHECK if lives else None)


def test_an_end_that_was_undone_waits_for_its_read_when_360dialog_does_not_answer(bench: Bench) -> None:
    bench.connected()
    bench.tell("cancellation_processed")
    bench.tell("cancellation_revoke")
    bench.partner.troubles["read_channel"] = [Transient("partner_unavailable", status=503)]
    assert bench.work() is not None
    bench.work_when_due()
    bench.work_when_due()
    assert bench.number().status == "connected"


def test_a_channel_that_shows_an_error_in_an_event_is_told_of(bench: Bench) -> None:
    waiting(bench)
    bench.tell("channel_created", setup_info={"phone_number": phone("1001"), "error": {"code": 131042}})
    assert (bench.number().attention, bench.number().attention_code) == ("channel_error", "131042")
    bench.tell("channel_ready", setup_info={"phone_number": phone("1001"), "error": None})
    assert bench.number().attention is None


# --- a write that fails half-way


@pytest.mark.parametrize("again", [True, False], ids=["perhaps again", "surely first"])
@pytest.mark.parametrize("trouble", [UnavailableError("throttled"), ValueError()], ids=["table", "bug"])
def test_an_event_whose_write_failed_has_not_acted(bench: Bench, again: bool, trouble: Exception) -> None:
    waiting(bench)
    commit = bench.store.commit
    left = [1]

    def fails(*records: Any, **more: Any) -> None:
        if left[0] and any(isinstance(record, Number) for record in records):
            left[0] -= 1
            raise trouble
        commit(*records, **more)

    bench.store.commit = fails  # type: ignore[method-assign]
    event = bench.event("channel_live")
    until = apply_event(bench.ports, event, again=again)
    assert until is not None
    assert bench.record(event).may_act
    bench.clock.set(until)
    assert apply_event(bench.ports, event) is None
    assert bench.number().progress == Progress.LIVE


def test_a_first_event_is_claimed_in_the_write_in_which_it_acts(bench: Bench) -> None:
    waiting(bench)
    event = bench.event("channel_live")
    assert apply_event(bench.ports, event, again=False) is None
    assert bench.record(event).version == 1
    assert bench.number().progress == Progress.LIVE
    assert apply_event(bench.ports, event, again=False) is None
    assert bench.count("EventsDuplicate") == 1


def test_of_two_first_copies_at_once_one_acts(bench: Bench) -> None:
    waiting(bench)
    event = bench.event("account_restriction")
    commit = bench.store.commit
    nested: list[object] = []

    def overtaken(*records: Any, **more: Any) -> None:
        if not nested and any(isinstance(record, Number) for record in records):
            nested.append("running")
            nested.append(apply_event(bench.ports, event, again=False))
        commit(*records, **more)

    bench.store.commit = overtaken  # type: ignore[method-assign]
    until = apply_event(bench.ports, event, again=False)
    if until is not None:
        bench.clock.set(until)
        assert apply_event(bench.ports, event) is None
    assert bench.told().count("number.restricted") == 1
    assert bench.record(event).outcome == Outcome.APPLIED


def test_a_first_event_whose_number_somebody_writes_meanwhile_acts_all_the_same(bench: Bench) -> None:
    waiting(bench)
    event = bench.event("channel_live")
    commit = bench.store.commit
    losses = [2]

    def contested(*records: Any, **more: Any) -> None:
        if losses[0]:
            losses[0] -= 1
            raise Conflict
        commit(*records, **more)

    bench.store.commit = contested  # type: ignore[method-assign]
    assert apply_event(bench.ports, event, again=False) is None
    assert bench.record(event).outcome == Outcome.APPLIED
    assert bench.number().progress == Progress.LIVE
