"""Promise 7: no second client, no second submission; what is not known is settled by looking."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from onramp.domain.census import Census
from onramp.domain.clients import ClientRecord
from onramp.domain.errors import Ambiguous, Conflict, Permanent, Throttled, Transient
from onramp.domain.number import Number
from onramp.domain.partner_events import Channel
from onramp.domain.schedule import LIST_LAG, SETTLE
from onramp.domain.signup import Client
from onramp.domain.states import Progress, Step
from onramp.ports.upstreams import Gate, Page, RemoteClient
from onramp.usecases.census import work_on_census
from onramp.usecases.find_channel import LATE
from onramp.usecases.long_lists import is_long, note_long
from tests.unit.usecases.bench import EMAIL, TENANT, WABA, Bench, digits

UNANSWERED = Ambiguous("partner_unavailable")
REFUSED = Permanent("submission_rejected", status=400)


def client(bench: Bench, name: str = EMAIL) -> ClientRecord:
    found = bench.store.read(ClientRecord, "default", name)
    assert found is not None
    return found


def failure(bench: Bench, name: str = "1001") -> str | None:
    found = bench.number(name).failure
    return found.code if found else None


def remote(name: str, email: str = EMAIL, at: datetime | None = None) -> RemoteClient:
    return RemoteClient(id=name, emails=frozenset({email.lower()}), created_at=at)


def walk(bench: Bench, name: str = "1001") -> None:
    """Wake the number whenever it is due, until it is submitted or has failed."""
    for _ in range(60):
        number = bench.number(name)
        if number.next_step is not Step.SUBMIT:
            return
        bench.work_when_due(name)
    pytest.fail("it never ends")


# --- the number


def test_a_first_number_costs_four_calls_and_a_further_one_two(bench: Bench) -> None:
    bench.submit(numbers=("1001", "1002"))
    assert bench.work() is None
    assert bench.partner.calls == ["list_channels", "list_clients", "create_client", "submit_number"]
    bench.work("1002")
    assert bench.partner.calls[4:] == ["list_channels", "submit_number"]
    number = bench.number()
    assert (number.progress, number.client_id, number.intent) == (Progress.SUBMITTED, "1CL", None)
    assert number.due_at == bench.now + bench.ports.rules.look_after
    assert (number.lease, number.attempts) == (None, 0)
    (first, _) = bench.partner.submitted
    assert (first.waba_id, first.business_id, first.plan_tier) == ("2001", "3001", "regular")
    assert bench.told() == ["number.pending"] * 2 + ["number.submitted"] * 2


def test_the_intent_is_stored_before_the_call_goes_out(bench: Bench) -> None:
    bench.submit()
    seen: list[Number] = []
    bench.partner.meanwhile["submit_number"] = lambda: seen.append(bench.number())
    bench.work()
    (number,) = seen
    assert number.intent is not None
    assert number.progress == Progress.SUBMITTING
    assert number.lease is not None


def test_an_unanswered_submission_whose_channel_shows_is_not_sent_again(bench: Bench) -> None:
    bench.submit()
    bench.partner.lost["submit_number"] = [UNANSWERED]
    bench.work()
    assert bench.number().intent is not None
    bench.partner.channels = [bench.channel(progress=Progress.READY, client_id="1CL")]
    walk(bench)
    assert len(bench.partner.submitted) == 1
    number = bench.number()
    assert (number.channel_id, number.progress, number.intent) == ("c1", Progress.READY, None)


def test_an_unanswered_submission_is_sent_again_only_when_the_list_must_be_current(bench: Bench) -> None:
    bench.submit()
    bench.partner.troubles["submit_number"] = [UNANSWERED]
    bench.work()
    sent_at = bench.now
    walk(bench)
    assert bench.now - sent_at >= SETTLE
    assert len(bench.partner.submitted) == 1
    assert bench.number().progress == Progress.SUBMITTED


@pytest.mark.parametrize(
    "trouble",
    [Transient("partner_unavailable", status=503), Permanent("partner_configuration", status=401)],
    ids=["transient", "permanent"],
)
def test_a_look_that_fails_does_not_forget_what_it_was_to_settle(bench: Bench, trouble: Exception) -> None:
    bench.submit()
    bench.partner.lost["submit_number"] = [UNANSWERED]
    bench.work()
    bench.partner.troubles["list_channels"] = [trouble]
    bench.work_when_due()
    assert bench.number().intent is not None
    if bench.number().failure:
        assert bench.work(retry=True) is not None
        assert len(bench.partner.submitted) == 1
    bench.partner.channels = [bench.channel(client_id="1CL")]
    walk(bench)
    assert len(bench.partner.submitted) == 1
    assert bench.number().channel_id == "c1"


def test_a_submission_that_was_refused_is_not_looked_for(bench: Bench) -> None:
    bench.submit()
    bench.partner.troubles["submit_number"] = [Transient("partner_unavailable", status=503)]
    bench.work()
    assert bench.number().intent is None
    walk(bench)
    assert bench.partner.calls.count("list_channels") == 1
    assert len(bench.partner.submitted) == 1


def test_a_throttled_submission_may_have_worked_and_is_looked_for(bench: Bench) -> None:
    bench.submit()
    bench.partner.lost["submit_number"] = [Throttled("partner_unavailable", retry_after=5)]
    bench.work()
    assert bench.number().attempts == 0
    assert bench.number().intent is not None
    bench.partner.channels = [bench.channel(client_id="1CL")]
    walk(bench)
    assert len(bench.partner.submitted) == 1


def test_a_refusal_for_good_fails_with_its_reason(bench: Bench) -> None:
    bench.submit()
    bench.partner.troubles["submit_number"] = [REFUSED]
    assert bench.work() is None
    number = bench.number()
    assert number.failure is not None
    assert (number.failure.code, number.failure.step, number.failure.status) == (
        "submission_rejected",
        Step.SUBMIT,
        400,
    )
    assert (number.due_at, number.intent) == (None, None)
    assert bench.told()[-1] == "number.failed"
    assert bench.load().counts == {"failed": 1}
    assert bench.count("NumbersFailed") == 1
    assert bench.queue.buried_numbers == []


def test_a_slot_that_did_not_come_leaves_no_intent_behind() -> None:
    bench = Bench(calls=2)
    bench.submit()
    until = bench.work()
    assert until is not None
    number = bench.number()
    assert (number.intent, number.attempts, number.due_at) == (None, 0, until)
    bench.work_when_due()
    assert bench.number().progress == Progress.SUBMITTED
    assert bench.partner.calls.count("list_channels") == 1


def test_a_run_whose_lease_is_nearly_over_sends_nothing_more(bench: Bench) -> None:
    bench.submit()
    bench.partner.meanwhile["create_client"] = lambda: bench.wait(75)
    until = bench.work()
    assert until is not None
    assert bench.partner.submitted == []
    assert bench.number().intent is None
    walk(bench)
    assert len(bench.partner.submitted) == 1


def test_an_event_that_overtakes_a_refusal_wins(bench: Bench) -> None:
    bench.submit()
    bench.partner.meanwhile["submit_number"] = lambda: bench.tell("channel_created")
    bench.partner.troubles["submit_number"] = [REFUSED]
    bench.work()
    number = bench.number()
    assert (number.failure, number.progress, number.channel_id) == (None, Progress.CREATED, "c1")
    assert number.lease is None
    assert number.due_at is not None


def test_an_event_that_overtakes_the_answer_is_kept(bench: Bench) -> None:
    bench.submit()
    bench.partner.meanwhile["submit_number"] = lambda: bench.tell("channel_live")
    bench.work()
    number = bench.number()
    assert (number.progress, number.due_at, number.lease) == (Progress.LIVE, bench.now, None)
    assert bench.queue.numbers == ["1001"]


# --- a number that 360dialog has already


@pytest.mark.parametrize("obeys", [True, False], ids=["filtered", "everything"])
def test_a_number_that_has_a_channel_is_adopted_and_never_submitted(bench: Bench, obeys: bool) -> None:
    bench.partner.obeys = obeys
    bench.partner.channels = [
        bench.channel("x", "9", waba_id="other"),
        bench.channel(progress=Progress.LIVE, client_id="7CL"),
    ]
    bench.submit()
    assert bench.work() is None
    number = bench.number()
    assert (number.channel_id, number.client_id, number.progress) == ("c1", "7CL", Progress.LIVE)
    assert bench.partner.calls == ["list_channels"]
    assert bench.partner.submitted == []
    assert bench.queue.numbers == ["1001"]
    assert bench.told() == ["number.pending", "number.submitted", "number.live"]


@pytest.mark.parametrize("first", ["alive", "dead"])
def test_a_number_that_an_event_has_bound_to_one_of_two_channels_comes_to_rest(
    bench: Bench, first: str
) -> None:
    bench.partner.channels = [
        bench.channel("c2", progress=Progress.LIVE),
        bench.channel("c1", progress=Progress.LIVE),
    ]
    bench.submit()
    bench.tell("channel_permission_granted", "c1")
    assert bench.number().channel_id == "c1"
    if first == "dead":
        bench.partner.show("c1", dead=True)
    for _ in range(12):
        bench.work_when_due()
    assert bench.partner.calls.count("list_channels") < 5
    if first == "dead":
        work_on_census(bench.ports)
        bench.work()
    assert bench.number().status == "connected"
    assert bench.number().channel_id == ("c1" if first == "alive" else "c2")
    assert bench.partner.submitted == []


@pytest.mark.parametrize("known", [{"external_id": None}, {"external_id": "wrong"}], ids=["missing", "wrong"])
def test_a_channel_without_our_id_is_adopted_by_waba_and_digits(bench: Bench, known: dict[str, str]) -> None:
    bench.partner.channels = [bench.channel(client_id="7CL", **known)]
    bench.submit()
    bench.work()
    assert bench.number().channel_id == "c1"
    assert bench.partner.submitted == []


def test_an_earlier_channel_without_a_waba_is_read_singly(bench: Bench) -> None:
    bench.partner.channels = [bench.channel(external_id=None, waba_id=None)]
    bench.partner.meanwhile["read_channel"] = lambda: bench.partner.show(waba_id=WABA)
    bench.submit()
    bench.work()
    assert bench.partner.calls == ["list_channels", "read_channel"]
    assert bench.number().channel_id == "c1"


def test_dead_and_ended_channels_do_not_keep_a_number_from_its_submission(bench: Bench) -> None:
    bench.submit()
    bench.change(ended_channels=["ended"])
    bench.partner.channels = [bench.channel("dead", dead=True), bench.channel("ended")]
    bench.work()
    assert bench.number().channel_id is None
    assert len(bench.partner.submitted) == 1


def test_where_there_are_many_channels_a_number_is_looked_for_by_metas_id(bench: Bench) -> None:
    bench.store.commit(Census(long=["channels"]))
    bench.submit()
    asked: list[dict[str, str]] = []
    listed = bench.partner.list_channels

    def listening(filters: Mapping[str, str], offset: int, gate: Gate) -> Page[Channel]:
        asked.append(dict(filters))
        return listed(filters, offset, gate)

    bench.partner.list_channels = listening  # type: ignore[method-assign]
    bench.work()
    assert asked == [{"external_id": "1001"}]


def test_a_look_before_the_submission_counts_for_ten_minutes(bench: Bench) -> None:
    bench.submit()
    bench.partner.troubles["submit_number"] = [Transient("partner_unavailable", status=503)] * 2
    bench.work()
    looked_at = bench.now
    assert bench.number().absent_at == looked_at
    bench.work_when_due()
    assert bench.now - looked_at < LIST_LAG
    assert bench.partner.calls.count("list_channels") == 1
    bench.clock.set(looked_at + LIST_LAG)
    bench.partner.channels = [bench.channel(client_id="1CL")]
    bench.work()
    assert bench.partner.calls.count("list_channels") == 2
    assert bench.number().channel_id == "c1"
    assert bench.partner.submitted == []


def test_a_look_before_the_submission_that_fails_is_made_again(bench: Bench) -> None:
    bench.submit()
    bench.partner.troubles["list_channels"] = [Transient("partner_unavailable", status=503)]
    bench.work()
    assert (bench.number().absent_at, bench.partner.submitted) == (None, [])
    bench.work_when_due()
    assert bench.number().progress == Progress.SUBMITTED


def test_a_number_that_was_refused_and_has_a_channel_is_adopted(bench: Bench) -> None:
    bench.submit()
    bench.partner.troubles["submit_number"] = [REFUSED]
    bench.partner.meanwhile["submit_number"] = lambda: bench.partner.channels.append(
        bench.channel(progress=Progress.LIVE)
    )
    assert bench.work() is None
    number = bench.number()
    assert (number.failure, number.channel_id, number.progress) == (None, "c1", Progress.LIVE)
    assert number.intent is None


def test_after_a_refusal_a_channel_is_found_by_its_digits_whatever_its_client(bench: Bench) -> None:
    bench.store.commit(Census(long=["channels"]))
    bench.partner.channels = [bench.channel(external_id=None, client_id="9CL", progress=Progress.LIVE)]
    bench.submit()
    bench.partner.troubles["submit_number"] = [REFUSED]
    bench.work()
    assert (bench.number().channel_id, bench.number().client_id) == ("c1", "9CL")
    assert bench.partner.submitted == []


def test_after_a_refusal_for_another_reason_nothing_is_looked_for(bench: Bench) -> None:
    bench.submit()
    bench.partner.troubles["submit_number"] = [Permanent("partner_configuration", status=401)]
    bench.work()
    assert failure(bench) == "partner_configuration"
    assert bench.partner.calls.count("list_channels") == 1


# --- whose client the WABA is


def sibling(bench: Bench, **more: Any) -> Channel:
    """A channel of another number of the same WABA."""
    return bench.channel("s1", "1009", **{"client_id": "7CL", **more})


def test_the_client_that_the_waba_has_is_used_whatever_the_email(bench: Bench) -> None:
    bench.partner.channels = [sibling(bench)]
    bench.submit()
    assert bench.work() is None
    assert bench.partner.calls == ["list_channels", "submit_number"]
    assert bench.partner.submitted[0].client_id == "7CL"
    assert bench.number().client_id == "7CL"


def test_the_client_that_another_tenant_has_is_not_used(bench: Bench) -> None:
    bench.store.commit(ClientRecord(name="7CL", tenant="bravo", client_id="7CL"))
    bench.partner.channels = [sibling(bench)]
    bench.submit()
    bench.work()
    assert bench.partner.submitted[0].client_id == "1CL"


def test_a_client_that_another_tenant_has_under_its_email_is_not_used(bench: Bench) -> None:
    bench.submit("s2", ("1002",), tenant="bravo", client=Client(name="B", email="b@example.com"))
    bench.work("1002")
    assert bench.number("1002").client_id == "1CL"
    bench.partner.channels = [sibling(bench, client_id="1CL")]
    bench.submit()
    bench.work()
    assert bench.number().client_id == "2CL"


def test_the_client_of_the_tenants_other_numbers_of_the_waba_is_used(bench: Bench) -> None:
    bench.submit("s1", ("1001",))
    bench.change(client_id="7CL", channel_id="c1", progress=Progress.CREATED)
    bench.store.commit(Census(long=["channels"]))
    bench.submit("s2", ("1002",), client=Client(name="Other", email="other@example.com"))
    bench.work("1002")
    assert bench.partner.calls == ["list_channels", "submit_number"]
    assert bench.number("1002").client_id == "7CL"


@pytest.mark.parametrize("other", ["tenant", "WABA", "no channel"])
def test_the_client_of_a_number_of_somebody_else_is_not_used(bench: Bench, other: str) -> None:
    more = {"tenant": {"tenant": "bravo"}, "WABA": {"waba": "2002"}}.get(other, {})
    bench.submit("s2", ("1002",), **more)
    bench.change("1002", client_id="7CL", channel_id=None if other == "no channel" else "c2")
    bench.submit("s1", ("1001",))
    bench.work()
    assert bench.number().client_id == "1CL"


# --- a client that 360dialog has forgotten

UNKNOWN_CLIENT = Permanent("client_not_found", status=404)


def forget_client(bench: Bench, times: int = 1) -> None:
    """Every submission with the client is refused from now on: 360dialog does not know it any more."""
    bench.submit()
    bench.store.commit(ClientRecord(name=EMAIL, tenant=TENANT, client_id="oldCL"))
    bench.partner.troubles["submit_number"] = [UNKNOWN_CLIENT] * times


def test_a_client_that_360dialog_has_forgotten_is_made_once_more(bench: Bench) -> None:
    forget_client(bench)
    assert bench.work() is not None
    number = bench.number()
    assert (number.failure, number.client_id, number.client_renewed, number.attempts) == (None, None, True, 0)
    walk(bench)
    assert bench.number().progress == Progress.SUBMITTED
    assert bench.partner.submitted[0].client_id == "1CL"
    assert client(bench).client_id == "1CL"
    assert bench.partner.calls.count("create_client") == 1


def test_a_client_is_renewed_once_and_then_it_is_a_failure(bench: Bench) -> None:
    forget_client(bench, times=2)
    walk(bench)
    assert failure(bench) == "client_not_found"
    assert bench.partner.calls.count("submit_number") == 2


def test_a_404_that_names_no_client_is_settled_by_asking_for_the_client(bench: Bench) -> None:
    forget_client(bench)
    bench.partner.troubles["submit_number"] = [Permanent("submission_rejected", status=404)]
    walk(bench)
    assert "read_client" in bench.partner.calls
    assert bench.number().progress == Progress.SUBMITTED


def test_a_404_while_the_client_is_there_is_a_refusal_of_the_number(bench: Bench) -> None:
    bench.submit()
    bench.partner.troubles["submit_number"] = [Permanent("submission_rejected", status=404)]
    walk(bench)
    assert failure(bench) == "submission_rejected"
    assert not bench.number().client_renewed


def test_a_client_that_was_named_by_its_id_is_not_replaced(bench: Bench) -> None:
    bench.partner.clients = [remote("7CL")]
    bench.submit(client=Client(id="7CL"))
    bench.partner.troubles["submit_number"] = [UNKNOWN_CLIENT]
    bench.work()
    assert failure(bench) == "client_not_found"
    assert client(bench, "7CL").client_id == "7CL"


def test_a_client_record_that_names_another_client_by_now_is_left_alone(bench: Bench) -> None:
    forget_client(bench)

    def renewed() -> None:
        found = client(bench)
        found.client_id = "newCL"
        bench.store.commit(found)

    bench.partner.meanwhile["submit_number"] = renewed
    walk(bench)
    assert bench.number().client_id == "newCL"
    assert bench.partner.calls.count("create_client") == 0


def test_a_forgotten_client_of_a_sibling_is_not_taken_again(bench: Bench) -> None:
    bench.submit("s1", ("1001",))
    bench.change(client_id="oldCL", channel_id="c1", progress=Progress.CREATED)
    bench.submit("s2", ("1002",))
    bench.partner.troubles["submit_number"] = [UNKNOWN_CLIENT]
    walk(bench, "1002")
    assert bench.number("1002").client_id == "1CL"


# --- a channel of which nothing says whose it is


def stray(bench: Bench, name: str = "c1", **more: Any) -> Channel:
    """A channel of the WABA that neither names our number nor another one."""
    return bench.channel(name, **{"external_id": None, "digits": "", **more})


def submitted(bench: Bench, numbers: Sequence[str] = ("1001",)) -> None:
    """Numbers that 360dialog has taken more than half an hour ago."""
    bench.submit(numbers=numbers)
    for name in numbers:
        bench.work(name)
    bench.clock.advance(LATE)
    bench.forget_calls()


def test_the_only_channel_and_the_only_number_of_a_waba_belong_together_late(bench: Bench) -> None:
    submitted(bench)
    bench.partner.channels = [stray(bench, progress=Progress.LIVE)]
    bench.work()
    number = bench.number()
    assert (number.channel_id, number.progress) == ("c1", Progress.LIVE)
    assert bench.told().count("number.matched_late") == 1


def test_they_belong_together_only_after_half_an_hour(bench: Bench) -> None:
    bench.submit()
    bench.work()
    bench.partner.channels = [stray(bench)]
    while bench.now + timedelta(minutes=5) < bench.number().created_at + LATE:
        assert bench.number().channel_id is None
        bench.work_when_due()
    for _ in range(3):
        bench.work_when_due()
    assert bench.number().channel_id == "c1"


def test_a_number_whose_digits_lack_the_country_is_matched_late(bench: Bench) -> None:
    submitted(bench)
    bench.partner.channels = [stray(bench, digits=f"0{digits('1001')[2:]}")]
    bench.work()
    assert bench.number().channel_id == "c1"


def test_a_number_that_waits_to_be_submitted_is_matched_late_and_never_submitted(bench: Bench) -> None:
    bench.partner.channels = [stray(bench)]
    bench.submit()
    walk(bench)
    assert bench.number().channel_id == "c1"
    assert bench.partner.submitted == []


@pytest.mark.parametrize("what", ["two numbers", "two channels", "other digits", "named", "taken", "dead"])
def test_what_is_not_the_only_one_or_contradicts_is_never_matched(bench: Bench, what: str) -> None:
    submitted(bench, ("1001", "1002") if what == "two numbers" else ("1001",))
    channels = {
        "two channels": [stray(bench), stray(bench, "c2")],
        "other digits": [stray(bench, digits=digits("7777777"))],
        "named": [stray(bench, external_id="1002")],
        "dead": [stray(bench, dead=True)],
    }
    if what in {"named", "taken"}:
        bench.submit("s2", ("1002",))
        bench.change("1002", channel_id="c1" if what == "taken" else "c9", progress=Progress.CREATED)
    bench.partner.channels = channels.get(what, [stray(bench)])
    for _ in range(6):
        bench.work_when_due()
    assert bench.number().channel_id is None
    assert "number.matched_late" not in bench.told()


def test_a_number_that_a_nameless_channel_holds_up_says_so(bench: Bench) -> None:
    bench.partner.channels = [stray(bench), stray(bench, "c2")]
    bench.submit()
    while bench.now < bench.number().created_at + timedelta(days=1):
        bench.work_when_due()
    assert (bench.number().stray, bench.number().waits_for(bench.now)) == ("c1", "stray")
    while bench.number().failure is None:
        bench.work_when_due()
    failure = bench.number().failure
    assert failure is not None
    assert (failure.code, failure.retryable) == ("stray_channel", True)
    assert bench.partner.submitted == []


def test_a_number_that_is_held_up_no_more_says_nothing_of_it(bench: Bench) -> None:
    bench.partner.channels = [stray(bench), stray(bench, "c2")]
    bench.submit()
    bench.work()
    bench.partner.channels = []
    bench.work_when_due()
    assert (bench.number().stray, bench.number().progress) == (None, Progress.SUBMITTED)


# --- a channel whose end was taken back


def came_back(bench: Bench) -> None:
    """A number whose channel has ended begins a new life; 360dialog takes no second one."""
    bench.submit()
    bench.change(ended_channels=["c1"], life=2)
    bench.partner.troubles["submit_number"] = [Permanent("submission_rejected", status=409)]


def test_a_channel_that_lives_again_is_adopted_when_no_other_may_be_made(bench: Bench) -> None:
    came_back(bench)
    bench.partner.channels = [bench.channel(progress=Progress.LIVE)]
    bench.work()
    number = bench.number()
    assert (number.channel_id, number.progress, number.ended_channels) == ("c1", Progress.LIVE, [])


def test_an_ended_channel_is_not_adopted_while_another_may_be_made(bench: Bench) -> None:
    came_back(bench)
    bench.partner.troubles.clear()
    bench.partner.channels = [bench.channel(progress=Progress.LIVE)]
    bench.work()
    assert (len(bench.partner.submitted), bench.number().channel_id) == (1, None)


@pytest.mark.parametrize("how", ["dead", "gone", "of another WABA"])
def test_an_ended_channel_that_only_a_list_shows_alive_is_not_adopted(bench: Bench, how: str) -> None:
    came_back(bench)
    bench.partner.channels = [bench.channel(progress=Progress.LIVE)]

    def read(channel_id: str, gate: Gate) -> Channel:
        gate()
        if how == "gone":
            raise Permanent("channel_missing", status=404)
        return bench.channel(channel_id, dead=how == "dead", waba_id="9" if "WABA" in how else WABA)

    bench.partner.read_channel = read  # type: ignore[method-assign]
    bench.work()
    failure = bench.number().failure
    assert failure is not None
    assert (failure.code, bench.number().channel_id) == ("submission_rejected", None)


# --- finding the channel


def settle(bench: Bench) -> None:
    """The submission worked, nobody answered, and the next run looks."""
    bench.submit()
    bench.partner.lost["submit_number"] = [UNANSWERED]
    bench.work()
    bench.clock.advance(SETTLE)


@pytest.mark.parametrize("obeys", [True, False], ids=["filtered", "everything"])
def test_a_channel_is_found_by_metas_id_of_its_number(bench: Bench, obeys: bool) -> None:
    settle(bench)
    bench.partner.obeys = obeys
    bench.partner.channels = [bench.channel("other", "9"), bench.channel(waba_id=None, digits="")]
    walk(bench)
    assert bench.number().channel_id == "c1"


def test_a_channel_is_found_by_waba_and_digits_among_its_clients(bench: Bench) -> None:
    settle(bench)
    bench.partner.channels = [bench.channel(external_id=None, client_id="1CL")]
    walk(bench)
    assert bench.number().channel_id == "c1"
    assert len(bench.partner.submitted) == 1


def test_a_channel_without_a_waba_is_read_singly(bench: Bench) -> None:
    settle(bench)
    listed = bench.channel(external_id=None, client_id="1CL", waba_id=None)
    bench.partner.channels = [listed]
    walk(bench)
    assert bench.partner.calls.count("read_channel") == 1
    assert bench.number().channel_id == "c1"


@pytest.mark.parametrize("what", ["another WABA", "not readable"])
def test_a_channel_that_the_single_read_shows_to_be_anothers_is_left_alone(bench: Bench, what: str) -> None:
    settle(bench)
    listed = bench.channel(external_id=None, client_id="1CL", waba_id=None)
    bench.partner.channels = [listed]
    if what == "another WABA":

        def whole() -> None:
            bench.partner.channels = [replace(listed, waba_id="9999")]

        bench.partner.meanwhile["read_channel"] = whole
        walk(bench)
        assert bench.number().channel_id is None
    else:
        bench.partner.troubles["read_channel"] = [Permanent("channel_missing", status=404)]
        walk(bench)
        assert bench.number().channel_id == "c1"


def test_dead_ended_and_nameless_channels_are_not_adopted(bench: Bench) -> None:
    settle(bench)
    bench.change(ended_channels=["ended"])
    bench.partner.channels = [
        bench.channel("dead", dead=True),
        bench.channel("ended"),
        replace(bench.channel(), id=None),
    ]
    walk(bench)
    assert bench.number().channel_id is None
    assert len(bench.partner.submitted) == 2


def test_a_sibling_channel_that_has_no_name_yet_is_waited_for(bench: Bench) -> None:
    settle(bench)
    bench.partner.channels = [bench.channel(external_id=None, digits="", client_id="1CL")]
    until = bench.work()
    assert until is not None
    assert until >= bench.now + SETTLE
    assert bench.number().waiting_since == bench.now
    waits = [until - bench.now]
    for _ in range(4):
        until = bench.work_when_due()
        assert until is not None
        waits.append(until - bench.now)
    assert waits == sorted(waits)
    assert waits[-1] > waits[0]
    bench.partner.channels = [bench.channel(external_id=None, client_id="1CL")]
    walk(bench)
    assert bench.number().channel_id == "c1"
    assert len(bench.partner.submitted) == 1


def test_a_listing_that_the_budget_cuts_goes_on_where_it_stopped() -> None:
    bench = Bench(calls=2)
    bench.submit()
    bench.partner.page_size = 10
    bench.partner.lost["submit_number"] = [UNANSWERED]
    while bench.number().intent is None:
        bench.work_when_due()
    bench.partner.channels = [
        bench.channel(f"x{index}", f"9{index}", waba_id="other", client_id="1CL") for index in range(95)
    ]
    bench.partner.channels.append(bench.channel(external_id=None, client_id="1CL"))
    before = len(bench.partner.calls)
    places = []
    while bench.number().channel_id is None:
        bench.work_when_due()
        listing = bench.number().listing
        places.append((listing.filter, listing.offset) if listing else None)
    # All channels do not fit into a page; then by Meta's id, then those of its client.
    assert bench.partner.calls[before:].count("list_channels") == 12
    cut = [place for place in places if place is not None]
    assert len(cut) > 3
    assert cut == sorted(cut)
    assert places[-1] is None
    assert len(bench.partner.submitted) == 1


# --- the client by its email


def test_a_client_that_360dialog_has_is_used(bench: Bench) -> None:
    bench.partner.clients = [remote("7CL", "Owner@Example.com")]
    bench.submit()
    bench.work()
    assert bench.number().client_id == "7CL"
    assert "create_client" not in bench.partner.calls
    assert client(bench).client_id == "7CL"
    assert client(bench).lease is None


def test_of_several_clients_with_one_email_the_oldest_is_used_and_the_rest_told(bench: Bench) -> None:
    early, late = bench.now - timedelta(days=2), bench.now
    bench.partner.clients = [remote("2CL", at=late), remote("1CL", at=early), remote("3CL", at=late)]
    bench.submit()
    bench.work()
    assert bench.number().client_id == "1CL"
    assert bench.count("ClientDuplicates") == 2


@pytest.mark.parametrize("obeys", [True, False], ids=["filtered", "everything"])
def test_a_client_on_a_later_page_is_found_whatever_becomes_of_the_filter(bench: Bench, obeys: bool) -> None:
    bench.partner.clients = [remote(f"{index}CL", f"o{index}@example.com") for index in range(450)]
    bench.partner.clients.append(remote("mineCL"))
    bench.partner.obeys = obeys
    bench.submit()
    bench.work()
    assert bench.number().client_id == "mineCL"
    assert bench.partner.calls.count("list_clients") == (2 if obeys else 5)
    assert is_long(bench.ports, "clients")


def test_one_number_finds_out_that_the_lists_are_long_and_the_others_need_not(bench: Bench) -> None:
    bench.partner.clients = [remote(f"{index}CL", f"o{index}@example.com") for index in range(201)]
    bench.partner.channels = [bench.channel(f"c{index}CH", f"x{index}", waba_id="9") for index in range(201)]
    bench.submit()
    bench.work()
    assert len(bench.partner.submitted) == 1
    assert bench.partner.calls.count("list_clients") == bench.partner.calls.count("list_channels") == 2
    note_long(bench.ports, "clients")
    bench.submit("s2", ("1002",), client=Client(name="Other", email="other@example.com"))
    bench.work("1002")
    assert len(bench.partner.submitted) == 2
    assert bench.partner.calls.count("list_clients") == bench.partner.calls.count("list_channels") == 3


def test_that_a_list_is_long_is_noted_by_the_next_one_when_somebody_writes_at_the_moment(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lose(*_: object, **__: object) -> None:
        raise Conflict

    with monkeypatch.context() as lost:
        lost.setattr(bench.store, "commit", lose)
        note_long(bench.ports, "channels")
    assert not is_long(bench.ports, "channels")
    note_long(bench.ports, "channels")
    assert is_long(bench.ports, "channels")


def test_a_client_on_a_later_page_is_missing_only_when_all_were_read(bench: Bench) -> None:
    bench.partner.clients = [remote(f"{index}CL", f"o{index}@example.com") for index in range(450)]
    bench.partner.obeys = False
    bench.submit()
    bench.work()
    assert bench.number().client_id == "451CL"
    assert client(bench).offset == 0
    assert client(bench).absent_at is not None


def test_a_listing_of_clients_that_the_budget_cuts_goes_on_where_it_stopped() -> None:
    bench = Bench(calls=2)
    bench.partner.clients = [remote(f"{index}CL", f"o{index}@example.com") for index in range(1_300)]
    bench.partner.obeys = False
    bench.submit()
    bench.work()
    assert is_long(bench.ports, "clients")
    assert client(bench).offset == 0
    for _ in range(30):
        if bench.number().next_step is not Step.SUBMIT:
            break
        bench.work_when_due()
    # The first page, the filter, seven pages.
    assert bench.partner.calls.count("list_clients") == 9
    assert len(bench.partner.submitted) == 1


def test_a_listing_of_clients_comes_to_its_end_with_a_single_slot_at_a_time() -> None:
    bench = Bench(calls=1)
    bench.partner.clients = [remote(f"{index}CL", f"o{index}@example.com") for index in range(450)]
    bench.partner.obeys = False
    bench.submit()
    walk(bench)
    assert bench.partner.calls.count("list_clients") == 5
    assert len(bench.partner.submitted) == 1
    assert (client(bench).offset, client(bench).paging) == (0, False)


def test_an_unanswered_create_is_settled_by_looking_until_the_list_is_current(bench: Bench) -> None:
    bench.submit()
    bench.partner.lost["create_client"] = [UNANSWERED]
    bench.work()
    assert client(bench).intent_at is not None
    hidden, bench.partner.clients = bench.partner.clients, []
    bench.work_when_due()
    assert bench.partner.calls.count("create_client") == 1
    bench.partner.clients = hidden
    walk(bench)
    assert bench.number().client_id == "1CL"
    assert bench.partner.calls.count("create_client") == 1
    assert client(bench).intent_at is None


def test_an_unanswered_create_that_did_not_work_is_sent_again_when_the_list_must_be_current(
    bench: Bench,
) -> None:
    bench.submit()
    bench.partner.troubles["create_client"] = [UNANSWERED]
    bench.work()
    began = bench.now
    walk(bench)
    assert bench.now - began >= SETTLE
    assert len(bench.partner.clients) == 1


def test_a_refused_create_leaves_nothing_to_settle(bench: Bench) -> None:
    bench.submit()
    bench.partner.troubles["create_client"] = [Permanent("client_rejected", status=422)]
    bench.work()
    assert failure(bench) == "client_rejected"
    assert client(bench).intent_at is None
    assert client(bench).lease is None


def test_a_throttled_create_may_have_worked(bench: Bench) -> None:
    bench.submit()
    bench.partner.lost["create_client"] = [Throttled("partner_unavailable")]
    bench.work()
    assert client(bench).intent_at is not None
    walk(bench)
    assert bench.partner.calls.count("create_client") == 1


def test_a_create_that_got_no_slot_was_not_sent() -> None:
    bench = Bench(calls=1)
    bench.submit()
    bench.work()
    assert client(bench).intent_at is None
    walk(bench)
    assert len(bench.partner.clients) == 1


def test_a_look_that_found_nothing_counts_for_a_while(bench: Bench) -> None:
    bench.submit()
    bench.partner.troubles["create_client"] = [Transient("partner_unavailable", status=503)]
    bench.work()
    bench.work_when_due()
    assert bench.partner.calls.count("list_clients") == 1
    assert bench.number().progress == Progress.SUBMITTED


def test_while_another_run_is_at_the_client_one_waits(bench: Bench) -> None:
    bench.submit("s1", ("1001",))
    bench.submit("s2", ("1002",))
    waits: list[datetime | None] = []
    bench.partner.meanwhile["list_clients"] = lambda: waits.append(bench.work("1002"))
    bench.work()
    assert waits[0] is not None
    assert bench.number("1002").attempts == 0
    walk(bench, "1002")
    assert bench.number("1002").client_id == bench.number().client_id == "1CL"
    assert bench.partner.calls.count("create_client") == 1


def test_a_client_record_that_a_dead_run_left_behind_is_taken_when_its_lease_is_over(bench: Bench) -> None:
    record = ClientRecord(name=EMAIL, tenant=TENANT)
    record.lend("dead", bench.now)
    bench.store.commit(record)
    bench.submit()
    assert bench.work() is not None
    assert bench.partner.calls == ["list_channels"]
    walk(bench)
    assert bench.number().progress == Progress.SUBMITTED


def test_a_client_record_that_changes_under_a_run_makes_it_wait(bench: Bench) -> None:
    bench.submit()

    def rival() -> None:
        found = client(bench)
        found.paging = True
        bench.store.commit(found)

    bench.partner.meanwhile["list_clients"] = rival
    assert bench.work() is not None
    assert bench.partner.clients == []
    assert bench.number().attempts == 0


def test_the_client_of_another_tenant_is_not_shared(bench: Bench) -> None:
    bench.submit()
    bench.work()
    bench.submit("s2", ("1002",), tenant="bravo")
    bench.work("1002")
    assert failure(bench, "1002") == "client_taken"
    assert len(bench.partner.submitted) == 1


def test_a_client_that_another_tenant_may_have_made_is_not_shared(bench: Bench) -> None:
    bench.store.commit(ClientRecord(name=EMAIL, tenant="bravo", intent_at=bench.now))
    bench.submit()
    for _ in range(1_000):
        if failure(bench) is not None:
            break
        bench.work_when_due()
    assert failure(bench) == "client_taken"
    assert {"list_clients", "create_client"}.isdisjoint(bench.partner.calls)


def test_an_email_that_nobody_made_a_client_of_belongs_to_nobody(bench: Bench) -> None:
    bench.store.commit(ClientRecord(name=EMAIL, tenant="bravo"))
    bench.submit()
    bench.work()
    assert bench.number().progress == Progress.SUBMITTED
    assert client(bench).tenant == TENANT


def test_a_client_that_is_found_belongs_to_who_has_named_its_id(bench: Bench) -> None:
    bench.partner.clients = [remote("7CL")]
    bench.store.commit(ClientRecord(name="7CL", tenant="bravo", client_id="7CL"))
    bench.submit()
    bench.work()
    assert failure(bench) == "client_taken"


def test_a_signup_that_is_gone_is_our_own_trouble(bench: Bench) -> None:
    bench.submit()
    bench.change(signup_id="gone")
    bench.work()
    assert failure(bench) == "internal_error"


# --- the client by its id


def named(bench: Bench, name: str = "7CL", email: str | None = None) -> None:
    bench.submit(client=Client(id=name, email=email))
    bench.work()


def test_a_named_client_is_asked_for_once_and_then_known(bench: Bench) -> None:
    bench.partner.clients = [remote("7CL")]
    named(bench)
    assert bench.partner.calls == ["list_channels", "read_client", "submit_number"]
    assert bench.number().client_id == "7CL"
    assert client(bench, "7CL").client_id == "7CL"
    assert client(bench).client_id == "7CL"
    assert client(bench).tenant == TENANT
    bench.submit("s2", ("1002",), client=Client(id="7CL"))
    bench.work("1002")
    assert bench.partner.calls[3:] == ["list_channels", "submit_number"]


def test_a_named_client_that_360dialog_does_not_know_is_a_failure(bench: Bench) -> None:
    named(bench)
    assert failure(bench) == "client_not_found"
    assert client(bench, "7CL").lease is None


def test_a_named_client_must_have_the_named_email(bench: Bench) -> None:
    bench.partner.clients = [remote("7CL")]
    named(bench, email="stranger@example.com")
    assert failure(bench) == "client_taken"


def test_a_named_client_may_have_the_named_email_in_any_case(bench: Bench) -> None:
    bench.partner.clients = [remote("7CL")]
    named(bench, email=EMAIL.upper())
    assert bench.number().client_id == "7CL"


@pytest.mark.parametrize("by", ["id", "email"])
def test_a_named_client_of_another_tenant_is_refused(bench: Bench, by: str) -> None:
    bench.partner.clients = [remote("7CL")]
    name = "7CL" if by == "id" else EMAIL
    bench.store.commit(ClientRecord(name=name, tenant="bravo", client_id="7CL"))
    named(bench)
    assert failure(bench) == "client_taken"
    assert bench.partner.submitted == []


def test_a_named_client_leaves_the_record_of_its_email_to_the_run_that_has_it(bench: Bench) -> None:
    bench.partner.clients = [remote("7CL")]
    held = ClientRecord(name=EMAIL, tenant=TENANT)
    held.lend("somebody", bench.now)
    bench.store.commit(held)
    named(bench)
    assert bench.number().client_id == "7CL"
    assert client(bench).lease is not None
    assert client(bench).client_id is None


def test_digits_of_the_bench_are_canonical() -> None:
    assert digits("1001") == "491511001"
