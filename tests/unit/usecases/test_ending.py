"""A channel's end, and its undoing, are asked of 360dialog and confirmed by reading; every wait ends."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from onramp.domain.errors import Ambiguous, Permanent, Transient
from onramp.domain.number import Number
from onramp.domain.schedule import LOOK_AFTER
from onramp.domain.states import Progress, Step
from onramp.usecases.census import work_on_census
from onramp.usecases.wishes import cancel_number, reactivate_number
from tests.unit.usecases.bench import Bench

REFUSED = Permanent("cancellation_rejected", status=400)
NOT_UNDONE = Permanent("reactivation_rejected", status=404)


def wish_end(bench: Bench) -> Number:
    """A connected number whose end is wished."""
    bench.connected()
    bench.forget_calls()
    return cancel_number(bench.ports, bench.number())


def ended(bench: Bench, **values: Any) -> Number:
    """A number that was connected and has ended; what 360dialog shows of it is as bidden."""
    bench.connected()
    bench.partner.show(**{"dead": True, **values})
    bench.tell("cancellation_request", cancelled_at="2031-01-01T00:00:00Z")
    assert bench.number().status == "cancelled"
    bench.forget_calls()
    return bench.number()


def waiting(bench: Bench) -> Number:
    """A number that 360dialog has taken, and nothing is heard of."""
    bench.submit()
    bench.work()
    bench.forget_calls()
    bench.queue.numbers.clear()
    return bench.number()


def walk(bench: Bench) -> None:
    """Wake the number whenever it is due, until its wish is done or refused."""
    for _ in range(200):
        if not bench.number().is_open_wish:
            return
        bench.work_when_due()
    pytest.fail("it never ends")


def refusal(bench: Bench) -> str | None:
    wish = bench.number().wish
    return wish.refused if wish else None


def state(bench: Bench) -> tuple[str, Step | None, object]:
    number = bench.number()
    return number.status, number.next_step, number.due_at


# --- the end


def test_an_end_is_confirmed_by_reading(bench: Bench) -> None:
    wish_end(bench)
    assert bench.work() is None
    assert bench.partner.controlled == [("1CL", "c1", True)]
    assert bench.partner.calls == ["cancel", "read_channel"]
    assert state(bench) == ("cancelled", None, None)
    assert bench.number().wish is None
    assert bench.told()[-1] == "number.cancelled"
    assert bench.load().counts == {"cancelled": 1}


@pytest.mark.parametrize("final", [False, True], ids=["may be undone", "for good"])
def test_the_key_is_kept_for_as_long_as_the_end_may_be_undone(bench: Bench, final: bool) -> None:
    wish_end(bench)
    bench.partner.shows_end = False
    bench.partner.show(dead=True, final=final)
    bench.work()
    assert (bench.number().key is None) is final


def test_an_end_that_does_not_show_yet_is_told_as_asked_for(bench: Bench) -> None:
    bench.partner.shows_end = False
    wish_end(bench)
    asked_at = bench.now
    bench.work()
    number = bench.number()
    assert (number.ending_at, number.wish) == (asked_at, None)
    assert state(bench) == ("connected", Step.CHECK, bench.daily())
    assert bench.told()[-1] == "number.cancellation_request"


@pytest.mark.parametrize("by", ["event", "census"])
def test_an_end_that_was_asked_for_comes_by_event_or_census(bench: Bench, by: str) -> None:
    bench.partner.shows_end = False
    wish_end(bench)
    bench.work()
    if by == "event":
        bench.tell("cancellation_processed")
    else:
        bench.partner.show(dead=True)
        work_on_census(bench.ports)
    assert state(bench) == ("cancelled", None, None)
    assert bench.number().ending_at is None


def test_a_lost_answer_is_made_good_by_asking_again(bench: Bench) -> None:
    wish_end(bench)
    bench.partner.lost["cancel"] = [Ambiguous("partner_unavailable")]
    assert bench.work() is not None
    assert bench.number().is_open_wish
    bench.work_when_due()
    assert bench.partner.calls == ["cancel", "cancel", "read_channel"]
    assert bench.number().status == "cancelled"


def test_an_end_whose_read_fails_is_asked_for_again(bench: Bench) -> None:
    wish_end(bench)
    bench.partner.troubles["read_channel"] = [Transient("partner_unavailable", status=503)]
    bench.work()
    assert bench.number().is_open_wish
    bench.work_when_due()
    assert bench.number().status == "cancelled"


def test_a_refused_end_is_told_and_the_number_goes_on(bench: Bench) -> None:
    wish_end(bench)
    bench.partner.troubles["cancel"] = [REFUSED]
    assert bench.work() is None
    assert refusal(bench) == "cancellation_rejected"
    assert state(bench) == ("connected", Step.CHECK, bench.daily())
    assert bench.number().attempts == 0
    assert bench.told()[-1] == "number.wish_refused"
    assert bench.load().counts == {"connected": 1}


@pytest.mark.parametrize("shown", ["dead", "nothing"])
def test_a_refusal_because_somebody_has_ended_it_already_is_an_end(bench: Bench, shown: str) -> None:
    wish_end(bench)
    bench.partner.troubles["cancel"] = [REFUSED]
    if shown == "dead":
        bench.partner.show(dead=True)
    else:
        bench.partner.channels = []
    bench.work()
    number = bench.number()
    assert (number.status, number.wish, number.final) == ("cancelled", None, shown == "nothing")


def test_a_failed_number_stays_failed_when_its_end_is_refused(bench: Bench) -> None:
    bench.submit()
    bench.live()
    bench.partner.troubles["make_key"] = [Permanent("partner_configuration", status=403)]
    bench.work()
    cancel_number(bench.ports, bench.number())
    bench.partner.troubles["cancel"] = [REFUSED]
    bench.work()
    assert state(bench) == ("failed", None, None)


def test_the_end_of_a_failed_number_covers_its_failure(bench: Bench) -> None:
    bench.submit()
    bench.live()
    bench.partner.troubles["make_key"] = [Permanent("partner_configuration", status=403)]
    bench.work()
    cancel_number(bench.ports, bench.number())
    bench.work()
    assert (state(bench), bench.number().failure) == (("cancelled", None, None), None)


def test_an_end_that_360dialog_never_answers_is_given_up(bench: Bench) -> None:
    wish_end(bench)
    bench.partner.lost["cancel"] = [Ambiguous("partner_unavailable")] * 99
    walk(bench)
    assert refusal(bench) == "partner_unavailable"
    assert bench.queue.buried_numbers == [("1001", "partner_unavailable")]
    assert state(bench) == ("connected", Step.CHECK, bench.daily())


# --- before there is a channel


def test_the_end_of_a_number_waits_for_its_channel(bench: Bench) -> None:
    waiting(bench)
    cancel_number(bench.ports, bench.number())
    assert bench.work() == bench.now + LOOK_AFTER
    assert (bench.number().attempts, bench.partner.controlled) == (0, [])
    bench.partner.channels = [bench.channel(client_id="1CL")]
    bench.work_when_due()
    assert bench.partner.controlled == [("1CL", "c1", True)]
    assert bench.number().status == "cancelled"
    assert len(bench.partner.submitted) == 1


def test_the_end_of_a_number_comes_after_the_event_that_names_its_channel(bench: Bench) -> None:
    waiting(bench)
    cancel_number(bench.ports, bench.number())
    bench.work()
    bench.partner.channels = [bench.channel(client_id="1CL")]
    bench.tell("channel_live")
    assert bench.number().next_step is Step.CANCEL
    walk(bench)
    assert bench.number().status == "cancelled"
    assert bench.partner.keys == []


def test_the_end_of_a_number_whose_channel_never_comes_is_given_up_and_it_is_waited_for(bench: Bench) -> None:
    waiting(bench)
    cancel_number(bench.ports, bench.number())
    walk(bench)
    assert refusal(bench) == "partner_unavailable"
    assert bench.number().next_step is Step.LOOK
    assert bench.number().due_at is not None


def test_a_channel_of_which_nobody_knows_the_client_is_asked_for_it(bench: Bench) -> None:
    wish_end(bench)
    bench.change(client_id=None)
    bench.partner.show(client_id="9CL")
    bench.work()
    assert bench.partner.controlled == [("9CL", "c1", True)]


def test_without_a_client_there_is_no_path_to_end_it(bench: Bench) -> None:
    wish_end(bench)
    bench.change(client_id=None)
    bench.work()
    assert refusal(bench) == "cancellation_rejected"


# --- while a run has the number


def during(bench: Bench, call: str, happens: Callable[[], object]) -> None:
    script = bench.messaging if call in {"set_webhook", "read_webhook"} else bench.partner
    script.meanwhile[call] = happens


def test_an_end_that_is_wished_during_a_proof_comes_after_it(bench: Bench) -> None:
    bench.submit()
    bench.live()
    during(bench, "read_webhook", lambda: cancel_number(bench.ports, bench.number()))
    bench.work()
    assert state(bench) == ("connected", Step.CANCEL, bench.now)
    assert bench.queue.numbers[-1] == "1001"
    bench.work()
    assert bench.number().status == "cancelled"


def test_an_end_that_is_wished_before_the_submission_went_out_keeps_it_from_going(bench: Bench) -> None:
    bench.submit()
    during(bench, "list_clients", lambda: cancel_number(bench.ports, bench.number()))
    bench.work()
    assert bench.partner.submitted == []
    assert bench.number().status == "cancelled"


def test_an_end_that_is_wished_while_the_submission_is_on_its_way_comes_after_it(bench: Bench) -> None:
    bench.submit()
    during(bench, "submit_number", lambda: cancel_number(bench.ports, bench.number()))
    bench.work()
    assert (bench.number().progress, bench.number().next_step) == (Progress.SUBMITTED, Step.CANCEL)
    bench.partner.channels = [bench.channel(client_id="1CL")]
    walk(bench)
    assert bench.number().status == "cancelled"


def test_an_end_that_is_wished_while_the_submission_is_refused_submits_nothing_later(bench: Bench) -> None:
    bench.submit()
    during(bench, "submit_number", lambda: cancel_number(bench.ports, bench.number()))
    bench.partner.troubles["submit_number"] = [Permanent("submission_rejected", status=400)]
    bench.work()
    walk(bench)
    for _ in range(3):
        bench.work_when_due()
    assert bench.partner.submitted == []


def test_the_end_of_the_channel_during_the_wish_is_not_told_twice(bench: Bench) -> None:
    wish_end(bench)
    during(bench, "cancel", lambda: bench.tell("cancellation_processed"))
    bench.work()
    assert bench.told().count("number.cancelled") == 1
    assert state(bench) == ("cancelled", None, None)


def test_an_end_that_is_taken_back_while_it_is_asked_for_is_taken_back(bench: Bench) -> None:
    wish_end(bench)
    during(bench, "cancel", lambda: reactivate_number(bench.ports, bench.number()))
    bench.work()
    walk(bench)
    assert bench.partner.controlled[-1] == ("1CL", "c1", False)
    number = bench.number()
    assert (number.wish, number.cancelled_at, number.ending_at) == (None, None, None)


# --- its undoing


def test_an_end_is_undone_and_the_key_proved(bench: Bench) -> None:
    reactivate_number(bench.ports, ended(bench))
    assert bench.work() is None
    assert bench.partner.calls == ["revoke", "read_channel"]
    assert bench.told()[-1] == "number.reactivated"
    assert state(bench) == ("connected", Step.CONNECT, bench.now)
    assert bench.queue.numbers[-1] == "1001"
    bench.work()
    assert state(bench) == ("connected", Step.CHECK, bench.daily())
    assert bench.load().counts == {"connected": 1}
    assert (bench.number().life, len(bench.partner.keys)) == (1, 1)


def test_the_second_way_is_taken_where_the_first_is_refused(bench: Bench) -> None:
    reactivate_number(bench.ports, ended(bench))
    bench.partner.troubles["revoke"] = [NOT_UNDONE]
    bench.work()
    assert bench.partner.calls == ["revoke", "reactivate", "read_channel"]
    assert bench.number().status == "connected"


def test_an_end_that_was_only_asked_for_is_taken_back(bench: Bench) -> None:
    bench.connected()
    bench.tell("cancellation_request")
    reactivate_number(bench.ports, bench.number())
    bench.work()
    number = bench.number()
    assert (number.ending_at, number.wish, number.doubts) == (None, None, 0)
    assert state(bench) == ("connected", Step.CHECK, bench.daily())


def test_a_channel_that_has_lost_its_key_gets_another_one(bench: Bench) -> None:
    bench.connected()
    bench.partner.show(dead=True)
    bench.tell("cancellation_processed")
    assert bench.number().key is None
    reactivate_number(bench.ports, bench.number())
    bench.work()
    bench.work()
    assert state(bench) == ("connected", Step.CHECK, bench.daily())
    assert len(bench.partner.keys) == 2


@pytest.mark.parametrize("how", ["both refuse", "still dead", "gone"])
def test_an_end_that_360dialog_does_not_take_back_stays(bench: Bench, how: str) -> None:
    reactivate_number(bench.ports, ended(bench))
    bench.partner.revives = False
    if how == "both refuse":
        bench.partner.troubles.update({"revoke": [NOT_UNDONE], "reactivate": [NOT_UNDONE]})
    elif how == "gone":
        bench.partner.channels = []
    bench.work()
    assert refusal(bench) == "reactivation_rejected"
    assert state(bench) == ("cancelled", None, None)
    assert bench.told()[-1] == "number.wish_refused"


def test_trouble_of_another_kind_is_not_taken_for_a_refusal(bench: Bench) -> None:
    reactivate_number(bench.ports, ended(bench))
    bench.partner.troubles["revoke"] = [Permanent("partner_configuration", status=401)]
    bench.work()
    assert refusal(bench) == "partner_configuration"
    assert "reactivate" not in bench.partner.calls


def test_an_undoing_that_is_never_answered_is_given_up(bench: Bench) -> None:
    reactivate_number(bench.ports, ended(bench))
    bench.partner.troubles["revoke"] = [Transient("partner_unavailable", status=503)] * 99
    walk(bench)
    assert refusal(bench) == "partner_unavailable"
    assert state(bench) == ("cancelled", None, None)


def test_a_refused_undoing_can_be_asked_for_again(bench: Bench) -> None:
    reactivate_number(bench.ports, ended(bench))
    bench.partner.troubles["revoke"] = [Permanent("partner_configuration", status=401)]
    bench.work()
    reactivate_number(bench.ports, bench.number())
    bench.work()
    assert bench.number().status == "connected"


def test_a_channel_that_is_seen_to_live_later_is_taken_back_all_the_same(bench: Bench) -> None:
    reactivate_number(bench.ports, ended(bench))
    bench.partner.revives = False
    bench.work()
    bench.clock.advance(timedelta(hours=1))
    bench.partner.show(dead=False)
    work_on_census(bench.ports)
    walk(bench)
    bench.work_when_due()
    assert bench.number().status == "connected"
    assert bench.number().life == 1


def test_an_end_that_was_never_asked_for_needs_no_call_to_be_taken_back(bench: Bench) -> None:
    cancel_number(bench.ports, waiting(bench))
    reactivate_number(bench.ports, bench.number())
    bench.work()
    assert refusal(bench) is None
    assert bench.partner.controlled == []
    assert bench.number().next_step is Step.LOOK
