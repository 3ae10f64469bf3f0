"""Adoption: channels that were at 360dialog before us become a tenant's numbers, and nothing else changes."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onramp.domain.budget import BudgetState
from onramp.domain.clients import ClientRecord
from onramp.domain.errors import PutOff, Throttled
from onramp.domain.number import Number
from onramp.domain.partner_events import Channel
from onramp.domain.records import Stored
from onramp.domain.signup import Client, Signup
from onramp.domain.states import Progress, Status
from onramp.usecases.adopt import Judged, Plan, Verdict, Wanted, Why, adopt_page
from onramp.usecases.census import work_on_census
from onramp.usecases.channels import Ours, clients_named, list_page, wake_census
from onramp.usecases.keys import outlook
from onramp.usecases.submit_numbers import submit_numbers
from onramp.usecases.sweep import sweep
from onramp.usecases.wishes import retry_number, retry_signup
from tests.unit.usecases.bench import TENANT, Bench

MINE: Final = Wanted(TENANT, "order-1")
OTHER: Final = "other"
ALL: Final = Plan(rest=MINE)


def there(bench: Bench, number: str = "10001", **more: Any) -> Channel:
    """A living channel at 360dialog that we never heard of."""
    values: dict[str, Any] = {
        "client_id": "7CL",
        "progress": Progress.LIVE,
        "billed": True,
        "phone": f"+49 151 {number}",
    }
    channel = replace(bench.channel(f"c{number}", number, **{**values, **more}), name="Bakery")
    bench.partner.channels.append(channel)
    return channel


def adopt(bench: Bench, plan: Plan = ALL, *, dry_run: bool = False) -> list[Judged]:
    """All pages, as the command asks for them."""
    judged: list[Judged] = []
    offset: int | None = 0
    while offset is not None:
        try:
            page = adopt_page(bench.ports, plan, offset, dry_run=dry_run)
        except PutOff as wait:
            bench.clock.set(wait.until)
            continue
        judged += page.items
        offset = page.next_offset
    return judged


def verdicts(judged: Sequence[Judged]) -> list[tuple[Verdict, Why | None]]:
    return [(one.verdict, one.why) for one in judged]


def test_a_living_channel_becomes_a_number_that_rests_and_keeps_its_key(bench: Bench) -> None:
    channel = there(bench)
    (judged,) = adopt(bench)
    assert (judged.verdict, judged.rests, judged.tenant) == (Verdict.ADOPTED, True, TENANT)
    number = bench.number("10001")
    assert (number.status, number.key, number.due_at) == (Status.LIVE, None, None)
    assert (number.tenant, number.reference, number.client_id) == (TENANT, "order-1", "7CL")
    assert (number.channel_id, number.waba.id) == (channel.id, channel.waba_id)
    assert (number.digits, number.display_phone_number) == (channel.digits, channel.phone)
    assert bench.told(number.signup_id) == ["number.adopted"]
    assert bench.partner.keys == bench.messaging.calls == bench.queue.numbers == []


def test_its_signup_stands_for_the_client_and_the_account_and_has_no_code(bench: Bench) -> None:
    there(bench)
    there(bench, "10002")
    there(bench, "10003", waba_id="2999")
    adopt(bench)
    first, second, third = (bench.number(f"1000{index}").signup_id for index in (1, 2, 3))
    assert first == second != third
    signup = bench.load(first)
    assert (signup.client.id, signup.submitted) == ("7CL", ["10001", "10002"])
    assert signup.waba is not None
    assert signup.waba.proof == "adopted"
    assert signup.status(bench.now) == "onboarding"


def test_its_client_is_the_tenants_from_then_on(bench: Bench) -> None:
    there(bench)
    adopt(bench)
    record = bench.store.read(ClientRecord, "default", "7CL")
    assert record is not None
    assert (record.tenant, record.client_id) == (TENANT, "7CL")


def test_a_dry_run_says_the_same_and_writes_nothing(bench: Bench) -> None:
    there(bench)
    there(bench, "10002", dead=True)
    there(bench, "10003", client_id="8CL")
    plan = Plan(clients={"7CL": MINE})
    said = verdicts(adopt(bench, plan, dry_run=True))
    assert not bench.store.records(Number)
    assert not bench.store.records(Signup)
    assert bench.store.records(ClientRecord) == []
    assert verdicts(adopt(bench, plan)) == said
    assert said == [(Verdict.ADOPTED, None), (Verdict.ENDED, None), (Verdict.NEEDS_TENANT, None)]


def test_what_is_named_by_channel_weighs_more_than_by_client_and_that_more_than_the_rest(
    bench: Bench,
) -> None:
    there(bench)
    there(bench, "10002", client_id="8CL")
    there(bench, "10003", client_id="9CL")
    plan = Plan(
        channels={"c10001": Wanted("by-channel")},
        clients={"7CL": Wanted("by-client"), "8CL": Wanted("by-client")},
        rest=Wanted("rest"),
    )
    assert [one.tenant for one in adopt(bench, plan)] == ["by-channel", "by-client", "rest"]


def test_a_second_run_changes_nothing_at_all(bench: Bench) -> None:
    for index in range(5):
        there(bench, f"1000{index}", client_id=f"{index}CL")
    adopt(bench)
    before = everything(bench)
    assert {one.verdict for one in adopt(bench)} == {Verdict.KNOWN}
    assert everything(bench) == before


def everything(bench: Bench) -> list[str]:
    kinds: list[type[Stored]] = [Number, Signup, ClientRecord]
    found = [record for kind in kinds for record in bench.store.records(kind)]
    return sorted(f"{record.KIND} {record.version} {record.model_dump_json()}" for record in found)


def test_another_tenants_number_is_never_taken_over(bench: Bench) -> None:
    there(bench)
    adopt(bench)
    plan = Plan(channels={"c10001": Wanted(OTHER)}, rest=Wanted(OTHER))
    assert verdicts(adopt(bench, plan)) == [(Verdict.CONTRADICTS, Why.OTHER_TENANT)]
    assert bench.number("10001").tenant == TENANT


def test_what_is_somebodys_already_is_no_part_of_the_rest(bench: Bench) -> None:
    there(bench)
    adopt(bench)
    assert verdicts(adopt(bench, Plan(rest=Wanted(OTHER)))) == [(Verdict.KNOWN, None)]


def test_another_tenants_client_is_never_taken_over(bench: Bench) -> None:
    there(bench)
    adopt(bench)
    there(bench, "10002")
    plan = Plan(channels={"c10002": Wanted(OTHER)})
    assert verdicts(adopt(bench, plan))[1] == (Verdict.CONTRADICTS, Why.CLIENT_OF_OTHER)


def test_two_tenants_for_one_client_are_told_in_the_dry_run(bench: Bench) -> None:
    there(bench)
    there(bench, "10002")
    plan = Plan(channels={"c10001": MINE, "c10002": Wanted(OTHER)})
    said = verdicts(adopt(bench, plan, dry_run=True))
    assert said == [(Verdict.ADOPTED, None), (Verdict.CONTRADICTS, Why.CLIENT_OF_OTHER)]
    assert verdicts(adopt(bench, plan)) == said


def test_a_number_of_ours_that_waits_for_its_channel_is_known(bench: Bench) -> None:
    bench.submit(numbers=("10001",))
    there(bench)
    assert verdicts(adopt(bench)) == [(Verdict.KNOWN, None)]


@pytest.mark.parametrize(
    ("shows", "why"),
    [
        ({"external_id": None}, Why.NO_PHONE_NUMBER_ID),
        ({"external_id": "abc"}, Why.NO_PHONE_NUMBER_ID),
        ({"external_id": "20010", "waba_id": "20010"}, Why.NO_PHONE_NUMBER_ID),
        ({"external_id": "4915110001", "digits": "4915110001"}, Why.NO_PHONE_NUMBER_ID),
        ({"waba_id": None}, Why.NO_WABA),
        ({"client_id": None}, Why.NO_CLIENT),
        ({"digits": ""}, Why.NO_PHONE),
    ],
)
def test_a_channel_that_says_too_little_is_named_and_harms_no_neighbour(
    bench: Bench, shows: dict[str, Any], why: Why
) -> None:
    there(bench, **shows)
    there(bench, "10002")
    assert verdicts(adopt(bench)) == [(Verdict.INCOMPLETE, why), (Verdict.ADOPTED, None)]


def test_what_360dialog_does_not_say_the_mapping_may_say(bench: Bench) -> None:
    there(bench, external_id=None)
    plan = Plan(channels={"c10001": replace(MINE, phone_number_id="10001")})
    assert verdicts(adopt(bench, plan)) == [(Verdict.ADOPTED, None)]
    assert bench.number("10001").channel_id == "c10001"
    assert verdicts(adopt(bench, plan)) == [(Verdict.KNOWN, None)]


def test_a_mapping_that_names_another_number_than_360dialog_is_contradicted(bench: Bench) -> None:
    there(bench)
    plan = Plan(channels={"c10001": replace(MINE, phone_number_id="10009")})
    assert verdicts(adopt(bench, plan)) == [(Verdict.CONTRADICTS, Why.OTHER_NUMBER)]


def test_two_channels_for_one_number_are_not_both_taken(bench: Bench) -> None:
    there(bench, external_id=None)
    there(bench, "10002", external_id=None)
    same = replace(MINE, phone_number_id="10001")
    plan = Plan(channels={"c10001": same, "c10002": same})
    said = verdicts(adopt(bench, plan, dry_run=True))
    assert said == [(Verdict.ADOPTED, None), (Verdict.CONTRADICTS, Why.OTHER_CHANNEL)]
    assert verdicts(adopt(bench, plan)) == said


def test_a_record_that_cannot_be_read_fails_alone(bench: Bench) -> None:
    there(bench)
    there(bench, "10002")
    bench.store.commit(broken := number_of(bench, "10001"))
    bench.store.spoil(broken)
    assert [one.verdict for one in adopt(bench)] == [Verdict.FAILED, Verdict.ADOPTED]


def number_of(bench: Bench, name: str) -> Number:
    return Number.model_validate(
        {
            "phone_number_id": name,
            "tenant": "t",
            "signup_id": "s",
            "waba": {"id": "1"},
            "created_at": bench.now,
        }
    )


def test_events_that_came_before_the_adoption_act_on_it(bench: Bench) -> None:
    there(bench)
    bench.tell("account_restriction", "c10001", number="10001", violation_type="SPAM")
    adopt(bench)
    number = bench.number("10001")
    assert (number.status, number.violation_type) == (Status.RESTRICTED, "SPAM")
    assert bench.load(number.signup_id).counts == {"restricted": 1}


@pytest.mark.parametrize(
    ("event", "status"),
    [
        ("account_restriction", Status.RESTRICTED),
        ("cancellation_processed", Status.CANCELLED),
        ("channel_permission_granted", Status.LIVE),
        ("channel_live", Status.LIVE),
    ],
)
def test_a_webhook_acts_on_an_adopted_number_and_none_makes_a_key(
    bench: Bench, event: str, status: Status
) -> None:
    there(bench)
    adopt(bench)
    bench.tell(event, "c10001", number="10001")
    number = bench.number("10001")
    assert (number.status, number.next_step) == (status, None)
    assert bench.work("10001") is None
    assert bench.partner.keys == []


def test_an_end_that_is_taken_back_leaves_it_resting(bench: Bench) -> None:
    there(bench)
    adopt(bench)
    bench.tell("cancellation_processed", "c10001", number="10001")
    bench.tell("cancellation_revoke", "c10001", number="10001", event_id="back")
    assert bench.work("10001") is None
    number = bench.number("10001")
    assert (number.status, number.due_at, number.rests) == (Status.LIVE, None, True)
    assert bench.partner.keys == []


def test_a_new_channel_after_its_end_rests_as_well(bench: Bench) -> None:
    there(bench)
    adopt(bench)
    bench.tell("cancellation_processed", "c10001", number="10001")
    bench.tell("channel_live", "new", number="10001", external_id="10001")
    number = bench.number("10001")
    assert (number.channel_id, number.status, number.due_at) == ("new", Status.LIVE, None)
    bench.clock.advance(timedelta(days=2))
    sweep(bench.ports)
    assert bench.queue.numbers == []


def test_the_census_counts_it_as_ours_and_writes_nothing(bench: Bench) -> None:
    there(bench)
    adopt(bench)
    before = bench.number("10001").version
    bench.clock.advance(timedelta(days=1))
    work_on_census(bench.ports)
    assert bench.number("10001").version == before
    assert bench.count("ChannelsUnknown") == 0


def test_it_waits_for_nothing_however_long_it_rests(bench: Bench) -> None:
    there(bench)
    adopt(bench)
    number = bench.number("10001")
    assert number.waits_for(bench.now + timedelta(days=30)) is None
    assert not number.is_under_way


def test_a_retry_of_the_number_makes_its_key_and_connects_it(bench: Bench) -> None:
    there(bench)
    adopt(bench)
    retry_number(bench.ports, bench.number("10001"))
    assert bench.work("10001") is None
    assert bench.number("10001").status == Status.CONNECTED
    assert len(bench.partner.keys) == 1


def test_a_retry_of_the_whole_signup_kills_no_partners_key(bench: Bench) -> None:
    there(bench)
    adopt(bench)
    signup = bench.load(bench.number("10001").signup_id)
    with pytest.raises(Exception, match="nothing_to_retry"):
        retry_signup(bench.ports, signup)
    assert bench.number("10001").rests


def test_a_later_popup_of_its_tenant_is_a_reconnect(bench: Bench) -> None:
    there(bench)
    adopt(bench)
    adopted_by = bench.number("10001").signup_id
    signup = bench.signup(numbers=("10001",), client=Client(id="7CL"))
    submit_numbers(bench.ports, signup, ("10001",), None)
    assert bench.work("10001") is None
    number = bench.number("10001")
    assert (number.signup_id, number.life, number.channel_id) == ("s1", 1, "c10001")
    assert bench.work("10001") is None
    assert bench.number("10001").status == Status.CONNECTED
    assert bench.load(adopted_by).submitted == []
    assert bench.partner.submitted == []


def test_another_tenants_popup_does_not_get_it(bench: Bench) -> None:
    there(bench)
    adopt(bench)
    signup = bench.signup(numbers=("10001",), tenant=OTHER)
    with pytest.raises(Exception, match="number_taken"):
        submit_numbers(bench.ports, signup, ("10001",), None)


def test_a_channel_that_is_not_live_yet_goes_on_with_its_events(bench: Bench) -> None:
    there(bench, progress=Progress.RUNNING)
    adopt(bench)
    assert bench.number("10001").status == Status.RUNNING
    bench.tell("channel_live", "c10001", number="10001")
    assert (bench.number("10001").status, bench.number("10001").due_at) == (Status.LIVE, None)


def test_a_long_page_goes_on_where_it_stopped(bench: Bench) -> None:
    for index in range(6):
        there(bench, f"1000{index}", client_id=f"{index}CL")
    ticks = iter(range(0, 1_000, 9))
    page = adopt_page(bench.ports, ALL, 0, dry_run=False, monotonic=lambda: float(next(ticks)))
    assert page.next_offset == len(page.items) < 6
    assert {one.verdict for one in adopt(bench)} == {Verdict.KNOWN, Verdict.ADOPTED}
    assert len(bench.store.records(Number)) == 6


def test_it_gives_way_to_live_signups_and_rests_after_a_429(bench: Bench) -> None:
    there(bench)
    waiting = BudgetState(reserved={"live": bench.now + timedelta(seconds=5)})
    bench.store.commit(waiting)
    with pytest.raises(PutOff):
        adopt_page(bench.ports, ALL, 0, dry_run=False)
    assert bench.partner.calls == []
    bench.wait(60)
    bench.partner.troubles["list_channels"] = [Throttled("partner_unavailable", retry_after=90)]
    with pytest.raises(PutOff) as put_off:
        adopt_page(bench.ports, ALL, 0, dry_run=False)
    assert put_off.value.until == bench.now + timedelta(seconds=90)
    state = bench.store.read(BudgetState, "default")
    assert state is not None
    assert state.blocked_until == put_off.value.until


# -- beside it ---------------------------------------------------------------------------------------------


def test_channels_are_listed_beside_our_numbers(bench: Bench) -> None:
    there(bench)
    adopt(bench)
    there(bench, "10002")
    there(bench, "10003", dead=True)
    there(bench, "10004", billed=False)
    page = list_page(bench.ports, 0)
    assert [one.ours for one in page.items] == [Ours.KNOWN, Ours.UNKNOWN, Ours.ENDED, Ours.UNKNOWN]
    assert [one.channel.id for one in page.items if one.is_orphan] == ["c10002"]


def test_emails_lead_to_the_clients_that_have_them(bench: Bench) -> None:
    made = bench.partner.create_client("A", "Ann@Example.com", "A", lambda: None)
    found = clients_named(bench.ports, ["ann@example.com ", "nobody@example.com"], 0)
    assert found.items == [("ann@example.com ", made)]


def test_the_census_is_woken_and_the_last_one_shown(bench: Bench) -> None:
    there(bench)
    work_on_census(bench.ports)
    census, sent = wake_census(bench.ports)
    assert (sent, census.channels, census.unknown) == (True, 1, ["c10001"])
    assert bench.queue.censuses == ["default"]
    bench.queue.broken = True
    assert wake_census(bench.ports)[1] is False


def test_the_outlook_tells_what_is_free_and_how_long_spare_calls_take() -> None:
    bench = Bench(calls=5)
    first = outlook(bench.ports, 5)
    assert (first.free, first.spare, first.free_in, first.lasts) == (5, 2, 0.0, 61.6)
    there(bench)
    adopt(bench)
    adopt(bench)
    later = outlook(bench.ports, 1)
    assert (later.free, later.spare, later.lasts) == (3, 0, 30.8)


# -- whatever 360dialog shows ------------------------------------------------------------------------------

IDS: Final = st.sampled_from(["10001", "10002", "10003", "abc", None])
CHANNELS: Final = st.lists(
    st.builds(
        Channel,
        id=st.sampled_from([f"c{index}" for index in range(6)]),
        external_id=IDS,
        waba_id=st.sampled_from(["20011", "20012", None]),
        digits=st.sampled_from(["49151", "49152", ""]),
        client_id=st.sampled_from(["1CL", "2CL", None]),
        progress=st.sampled_from([*Progress, None]),
        dead=st.booleans(),
        billed=st.booleans(),
        restricted=st.sampled_from([True, False, None]),
    ),
    max_size=8,
    unique_by=lambda channel: channel.id,
)
WANTED: Final = st.builds(
    Wanted,
    tenant=st.sampled_from(["a", "b"]),
    phone_number_id=st.sampled_from([None, "10001", "10009"]),
)
PLANS: Final = st.builds(
    Plan,
    channels=st.dictionaries(st.sampled_from(["c0", "c1", "c2"]), WANTED),
    clients=st.dictionaries(st.sampled_from(["1CL", "2CL"]), WANTED),
    rest=st.one_of(st.none(), st.builds(Wanted, tenant=st.just("a"))),
)


@settings(max_examples=60, deadline=None)
@given(CHANNELS, PLANS, PLANS)
def test_whatever_is_shown_a_dry_run_foretells_and_the_second_run_changes_nothing(
    channels: list[Channel], plan: Plan, other: Plan
) -> None:
    bench = Bench()
    bench.partner.channels = channels
    foretold = verdicts(adopt(bench, plan, dry_run=True))
    assert len(foretold) == len(channels)
    assert everything(bench) == []
    done = adopt(bench, plan)
    assert [verdict for verdict, _ in verdicts(done)].count(Verdict.ADOPTED) == len(
        bench.store.records(Number)
    )
    assert Verdict.FAILED not in {one.verdict for one in done}
    owners = {number.phone_number_id: number.tenant for number in bench.store.records(Number)}
    before = everything(bench)
    adopt(bench, plan)
    assert everything(bench) == before
    adopt(bench, other)
    assert {name: bench.number(name).tenant for name in owners} == owners
    taken = [number.channel_id for number in bench.store.records(Number)]
    assert len(set(taken)) == len(taken)
