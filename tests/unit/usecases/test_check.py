"""Promise 10: connected stays true. Each day a number is proved, and what is wrong is told or mended."""

from collections import Counter
from collections.abc import Callable
from datetime import timedelta

import pytest

from onramp.domain import number as life
from onramp.domain.budget import BudgetState
from onramp.domain.census import Census
from onramp.domain.errors import Transient
from onramp.domain.number import Number
from onramp.domain.schedule import CHECK_EVERY, CHECK_SOONEST, RETRY_SECONDS
from onramp.domain.states import Attention, Step
from onramp.ports.upstreams import ChannelWebhook
from onramp.usecases.connect import key_context
from onramp.usecases.find_channel import SURELY
from onramp.usecases.wishes import check_number, retry_number
from tests.unit.usecases.bench import TENANT, WEBHOOK, Bench

ELSEWHERE = ChannelWebhook(url="https://elsewhere.example.com", headers={})
DAY = timedelta(days=1)
ATTEMPTS = len(RETRY_SECONDS) + 1
"""Until a check is given up."""


def connected(bench: Bench) -> Number:
    """A number that was connected some days ago, of which nothing is to be done."""
    bench.connected()
    bench.forget_calls()
    return bench.number()


def kill_key(bench: Bench) -> None:
    """Somebody makes a key of their own."""
    bench.partner.keys.append("somebody else's")


def day(bench: Bench) -> Number:
    """The daily check, to its end."""
    bench.work_when_due()
    for _ in range(20):
        number = bench.number()
        if number.due_at is None or number.due_at > bench.now + CHECK_SOONEST / 2:
            return number
        bench.work_when_due()
    raise AssertionError("the check never ends")


def census(bench: Bench, *, began: timedelta) -> None:
    """A census that has come to its end began so long ago."""
    bench.store.commit(Census(whole_since=bench.now - began))


def key(bench: Bench) -> str:
    stored = bench.number().key
    assert stored is not None
    return bench.vault.decrypt(stored.secret, key_context(TENANT, "1001"))


# --- when all is right


def test_when_all_is_right_only_the_time_is_written(bench: Bench) -> None:
    before, told = connected(bench), bench.told()
    assert bench.work_when_due() is None
    number = bench.number()
    assert number.key is not None
    assert number.key.checked_at == bench.now
    assert number.due_at == bench.daily() == before.due_at + CHECK_EVERY if before.due_at else False
    assert (bench.messaging.calls, bench.partner.calls) == (["read_webhook"], [])
    assert bench.told() == told
    assert (number.status, number.lease, number.attempts) == ("connected", None, 0)
    assert number.version == before.version + 2
    assert bench.count("NumbersChecked") == 1
    assert bench.queue.numbers == []


def test_a_message_that_comes_before_the_time_of_the_check_does_nothing(bench: Bench) -> None:
    before = connected(bench)
    assert bench.work() is None
    assert bench.number() == before
    assert bench.messaging.calls == []


def test_each_number_has_its_own_moment_of_the_day(bench: Bench) -> None:
    one = connected(bench)
    hours: Counter[int] = Counter()
    for index in range(2_400):
        number = one.model_copy(update={"phone_number_id": f"{10**14 + index * 7}"})
        life.schedule(number, bench.now, bench.ports.rules.look_after)
        assert number.due_at is not None
        assert bench.now + CHECK_SOONEST <= number.due_at <= bench.now + CHECK_SOONEST + CHECK_EVERY
        hours[number.due_at.hour] += 1
    assert len(hours) == 24
    assert max(hours.values()) < 2 * min(hours.values())


def test_a_check_gives_its_place_in_the_budget_to_nobody_and_takes_none() -> None:
    bench = Bench(calls=4)
    connected(bench)
    before = bench.store.read(BudgetState, "default")
    bench.work_when_due()
    assert bench.store.read(BudgetState, "default") == before


# --- the key


def test_a_key_is_called_dead_only_after_it_was_refused_three_times(bench: Bench) -> None:
    connected(bench)
    kill_key(bench)
    for attempts in range(1, SURELY):
        assert bench.work_when_due() is not None
        number = bench.number()
        assert (number.attempts, number.attention, number.status) == (attempts, None, "connected")
    bench.work_when_due()
    assert bench.messaging.calls == ["read_webhook"] * SURELY
    assert bench.number().attention is Attention.KEY_DEAD
    assert bench.count("KeysFoundDead") == 1


def test_a_key_that_was_refused_once_and_works_again_is_right(bench: Bench) -> None:
    connected(bench)
    kill_key(bench)
    bench.work_when_due()
    bench.partner.keys.pop()
    bench.work_when_due()
    number = bench.number()
    assert (number.attention, number.attempts, number.due_at) == (None, 0, bench.daily())


def test_a_dead_key_is_told_and_left_to_a_person(bench: Bench) -> None:
    connected(bench)
    mine = key(bench)
    kill_key(bench)
    number = day(bench)
    assert (number.status, number.attention, number.attention_code) == ("connected", "key_dead", None)
    assert bench.partner.calls == ["read_channel"]
    assert key(bench) == mine
    assert number.due_at == bench.daily()
    assert bench.told()[-1] == "number.attention"
    assert bench.count("NumbersAttention") == 1


def test_a_dead_key_is_told_once(bench: Bench) -> None:
    connected(bench)
    kill_key(bench)
    day(bench)
    day(bench)
    assert bench.told().count("number.attention") == 1


def test_a_dead_key_that_works_again_needs_nobody(bench: Bench) -> None:
    connected(bench)
    kill_key(bench)
    day(bench)
    bench.partner.keys.pop()
    number = day(bench)
    assert number.attention is None
    assert bench.told()[-1] == "number.attention_ended"


def test_an_operators_retry_makes_another_key_for_a_dead_one_and_only_then(bench: Bench) -> None:
    connected(bench)
    first = key(bench)
    assert bench.work(retry=True) is None
    assert key(bench) == first
    kill_key(bench)
    day(bench)
    bench.work(retry=True)
    assert key(bench) != first
    assert bench.number().attention is None
    second = key(bench)
    bench.work(retry=True)
    assert key(bench) == second


def test_an_operators_retry_sets_a_webhook_back_that_was_only_reported(bench: Bench) -> None:
    bench.rule(mend_webhooks=False)
    connected(bench)
    bench.messaging.webhook = ELSEWHERE
    day(bench)
    assert bench.number().attention is Attention.WEBHOOK_DRIFT
    bench.work(retry=True)
    assert bench.messaging.webhook == WEBHOOK
    assert bench.number().attention is None


def test_a_retry_makes_another_key_for_a_dead_one(bench: Bench) -> None:
    connected(bench)
    kill_key(bench)
    retry_number(bench.ports, day(bench))
    bench.work()
    assert key(bench) == bench.partner.keys[-1]
    assert bench.number().attention is None


def test_a_dead_key_is_replaced_where_the_deployment_says_so(bench: Bench) -> None:
    bench.rule(mend_keys=True)
    connected(bench)
    kill_key(bench)
    number = day(bench)
    assert (number.status, number.attention, number.next_step) == ("connected", None, Step.CHECK)
    assert key(bench) == bench.partner.keys[-1]
    assert "number.mended" in bench.told()
    assert bench.count("NumbersMended") == 1
    assert bench.count("KeysMade") == 2


def test_a_key_is_replaced_at_most_once_a_day(bench: Bench) -> None:
    bench.rule(mend_keys=True)
    connected(bench)
    kill_key(bench)
    day(bench)
    kill_key(bench)
    check_number(bench.ports, bench.number())
    number = day(bench)
    assert (number.status, number.attention) == ("connected", "key_dead")
    assert bench.count("KeysMade") == 2
    for _ in range(2):
        bench.change(due_at=bench.now + DAY)
        number = day(bench)
    assert number.attention is None
    assert bench.count("KeysMade") == 3


def test_a_key_that_is_broken_each_day_is_replaced_each_day(bench: Bench) -> None:
    bench.rule(mend_keys=True)
    connected(bench)
    for days in range(1, 4):
        kill_key(bench)
        assert day(bench).attention is None
        assert bench.count("KeysMade") == 1 + days


# --- the webhook


def test_a_webhook_that_is_elsewhere_is_set_back_and_told(bench: Bench) -> None:
    connected(bench)
    bench.messaging.webhook = ELSEWHERE
    number = day(bench)
    assert bench.messaging.webhook == WEBHOOK
    assert bench.messaging.calls == ["read_webhook", "set_webhook", "read_webhook"]
    assert bench.partner.calls == []
    assert (number.attention, number.mended_at, number.due_at) == (None, bench.now, bench.daily())
    assert bench.told()[-3:] == ["number.attention", "number.mended", "number.attention_ended"]
    assert bench.count("NumbersMended") == 1


def test_a_webhook_is_left_where_it_is_where_the_deployment_says_so(bench: Bench) -> None:
    bench.rule(mend_webhooks=False)
    connected(bench)
    bench.messaging.webhook = ELSEWHERE
    number = day(bench)
    assert bench.messaging.webhook == ELSEWHERE
    assert (number.status, number.attention) == ("connected", "webhook_drift")
    assert bench.count("NumbersMended") == 0
    assert bench.messaging.calls == ["read_webhook"]


def test_a_webhook_is_set_back_at_most_once_a_day(bench: Bench) -> None:
    connected(bench)
    bench.messaging.webhook = ELSEWHERE
    day(bench)
    bench.messaging.webhook = ELSEWHERE
    check_number(bench.ports, bench.number())
    number = day(bench)
    assert (number.attention, bench.messaging.webhook) == ("webhook_drift", ELSEWHERE)
    number = day(bench)
    assert (number.attention, bench.messaging.webhook) == (None, WEBHOOK)


def test_a_webhook_that_does_not_stay_is_told_and_not_called_mended(bench: Bench) -> None:
    connected(bench)
    bench.messaging.forgets = True
    bench.messaging.webhook = None
    number = day(bench)
    assert number.attention is Attention.WEBHOOK_DRIFT
    assert bench.count("NumbersMended") == 0


def test_a_webhook_that_is_spelled_otherwise_is_ours(bench: Bench) -> None:
    connected(bench)
    bench.messaging.webhook = ChannelWebhook(
        url="HTTPS://PARTNER.example.com:443/%77hatsapp", headers={"x-secret": "s", "more": "1"}
    )
    assert day(bench).attention is None


# --- the channel


@pytest.mark.parametrize("shown", ["gone", "ended", "ended for good", "alive"])
def test_a_refused_key_lets_the_channel_be_read(bench: Bench, shown: str) -> None:
    connected(bench)
    kill_key(bench)
    if shown == "gone":
        bench.partner.channels = []
    elif shown != "alive":
        bench.partner.show(dead=True, final=shown == "ended for good")
    number = day(bench)
    expected = {
        "gone": ("connected", {"channel_missing"}),
        "alive": ("connected", {"key_dead"}),
    }.get(shown, ("cancelled", set()))
    assert (number.status, number.noticed) == expected
    assert bench.partner.calls == ["read_channel"]
    assert number.final is (shown == "ended for good")


def test_a_missing_channel_that_comes_back_needs_nobody(bench: Bench) -> None:
    connected(bench)
    kill_key(bench)
    channels, bench.partner.channels = bench.partner.channels, []
    day(bench)
    bench.partner.channels = channels
    bench.partner.keys.pop()
    check_number(bench.ports, bench.number())
    assert day(bench).attention is None


def test_a_channel_that_no_census_has_seen_is_read_once(bench: Bench) -> None:
    connected(bench)
    bench.clock.advance(DAY)
    census(bench, began=timedelta(hours=1))
    day(bench)
    assert bench.partner.calls == ["read_channel"]
    assert bench.number().seen_at == bench.now
    day(bench)
    assert bench.partner.calls == ["read_channel"]


@pytest.mark.parametrize("why", ["seen since", "no census", "connected since"])
def test_a_channel_is_not_read_without_a_reason(bench: Bench, why: str) -> None:
    connected(bench)
    if why != "connected since":
        bench.clock.advance(DAY)
    if why != "no census":
        census(bench, began=timedelta(0))
    if why == "seen since":
        bench.change(seen_at=bench.now)
    day(bench)
    assert bench.partner.calls == []


def test_a_channel_that_no_census_has_seen_and_that_is_gone_is_missing(bench: Bench) -> None:
    connected(bench)
    bench.clock.advance(DAY)
    census(bench, began=timedelta(hours=1))
    bench.partner.channels = []
    number = day(bench)
    assert (number.status, number.attention) == ("connected", "channel_missing")
    assert number.due_at == bench.daily()


def test_the_read_of_a_channel_gives_way_to_live_signups() -> None:
    bench = Bench(calls=4)
    connected(bench)
    bench.clock.advance(2 * DAY)
    census(bench, began=timedelta(hours=1))
    found = bench.store.read(BudgetState, "default")
    bench.store.commit(BudgetState(starts=[bench.now] * 3, version=found.version if found else 0))
    assert bench.work() is not None
    assert (bench.number().attempts, bench.number().waiting_since) == (0, None)
    assert bench.partner.calls == []


# --- trouble


def test_a_messaging_host_that_is_down_is_asked_again(bench: Bench) -> None:
    connected(bench)
    bench.messaging.troubles["read_webhook"] = [Transient("partner_unavailable", status=503)] * 2
    assert bench.work_when_due() is not None
    assert (bench.number().status, bench.number().attempts) == ("connected", 1)
    number = day(bench)
    assert (number.status, number.attention, number.due_at) == ("connected", None, bench.daily())


def test_a_messaging_host_that_is_down_for_days_does_not_fail_a_connected_number(bench: Bench) -> None:
    connected(bench)
    bench.messaging.troubles["read_webhook"] = [Transient("partner_unavailable", status=503)] * 10
    for _ in range(12):
        bench.work_when_due()
    number = bench.number()
    assert (number.status, number.next_step) == ("connected", Step.CHECK)
    assert number.due_at is not None


# --- restrictions


def test_a_restriction_with_an_end_ends_by_itself(bench: Bench) -> None:
    connected(bench)
    until = bench.now + timedelta(hours=2)
    bench.tell("account_restriction", restriction_info=[{"expiration": int(until.timestamp())}])
    number = bench.number()
    assert (number.status, number.due_at) == ("restricted", until.replace(microsecond=0))
    bench.work_when_due()
    number = bench.number()
    assert (number.status, number.restricted_until) == ("connected", None)
    assert bench.told()[-1] == "number.restriction_ended"
    assert bench.load().counts == {"connected": 1}
    assert bench.messaging.calls == ["read_webhook"]


def test_a_restriction_without_an_end_is_checked_each_day_and_stays(bench: Bench) -> None:
    connected(bench)
    bench.tell("account_restriction")
    assert day(bench).status == "restricted"
    assert day(bench).status == "restricted"


# --- asked for by a call


def test_a_check_that_is_asked_for_reads_the_channel_and_proves_at_once(bench: Bench) -> None:
    check_number(bench.ports, connected(bench))
    bench.work()
    assert bench.partner.calls == ["read_channel"]
    assert bench.queue.numbers == ["1001"] * 2
    bench.work()
    assert bench.messaging.calls == ["read_webhook"]
    number = bench.number()
    assert (number.unseen, number.look_from, number.due_at) == (None, None, bench.daily())
    assert number.key is not None
    assert number.key.checked_at == bench.now
    assert bench.work() is None
    assert bench.messaging.calls == ["read_webhook"]


@pytest.mark.parametrize("trouble", ["key", "webhook", "channel", "key and channel", "ended"])
def test_a_check_that_is_asked_for_comes_to_an_end_whatever_it_finds(bench: Bench, trouble: str) -> None:
    bench.rule(mend_webhooks=False)
    check_number(bench.ports, connected(bench))
    if "key" in trouble:
        kill_key(bench)
    if trouble == "webhook":
        bench.messaging.webhook = ELSEWHERE
    if "channel" in trouble:
        bench.partner.channels = []
    if trouble == "ended":
        bench.partner.show(dead=True)
    number = day(bench)
    attention = {"key": "key_dead", "webhook": "webhook_drift", "ended": None}
    assert number.attention == attention.get(trouble, "channel_missing")
    assert number.look_from is None or number.status == "cancelled"


def test_a_check_that_is_asked_for_during_the_daily_one_is_made(bench: Bench) -> None:
    connected(bench)
    bench.messaging.meanwhile["read_webhook"] = lambda: check_number(bench.ports, bench.number())
    bench.work_when_due()
    assert bench.number().next_step is Step.LOOK
    assert bench.number().due_at == bench.now
    number = day(bench)
    assert (number.unseen, number.look_from) == (None, None)
    assert bench.partner.calls == ["read_channel"]
    assert bench.messaging.calls == ["read_webhook"] * 2


def elsewhere(bench: Bench) -> None:
    """Another system has set the webhook."""
    bench.messaging.webhook = ELSEWHERE


def gone(bench: Bench) -> None:
    """The channel is no more, and its key is refused."""
    kill_key(bench)
    bench.partner.channels = []


def down_for_days(bench: Bench) -> None:
    """The messaging host does not answer any attempt."""
    bench.messaging.troubles["read_webhook"] = [Transient("partner_unavailable", status=503)] * ATTEMPTS


def proved_by_use(bench: Bench) -> None:
    """Key and webhook are proved as when they were new."""
    bench.tell("channel_permission_granted")


@pytest.mark.parametrize(
    ("found", "reads"),
    [(elsewhere, 1), (kill_key, SURELY), (gone, SURELY), (down_for_days, ATTEMPTS), (proved_by_use, 1)],
)
def test_a_check_that_is_asked_for_during_a_proof_is_one_of_its_own(
    bench: Bench, found: Callable[[Bench], None], reads: int
) -> None:
    """Whatever that proof finds: what it has read was read before somebody asked."""
    bench.rule(mend_webhooks=False)
    connected(bench)
    found(bench)

    def ask_with_the_last_read() -> None:
        if bench.messaging.calls.count("read_webhook") < reads:
            bench.messaging.meanwhile["read_webhook"] = ask_with_the_last_read
        else:
            check_number(bench.ports, bench.number())

    bench.messaging.meanwhile["read_webhook"] = ask_with_the_last_read
    while bench.messaging.calls.count("read_webhook") < reads:
        bench.work_when_due()
    assert bench.number().due_at == bench.now
    number = day(bench)
    assert bench.messaging.calls.count("read_webhook") > reads
    assert (number.unseen, number.look_from) == (None, None)


def test_an_end_that_comes_during_a_check_wins(bench: Bench) -> None:
    connected(bench)
    bench.messaging.meanwhile["read_webhook"] = lambda: bench.tell("cancellation_processed")
    bench.work_when_due()
    number = bench.number()
    assert (number.status, number.key, number.due_at, number.lease) == ("cancelled", None, None, None)


def test_a_permission_that_is_given_again_lets_the_key_be_proved(bench: Bench) -> None:
    connected(bench)
    bench.tell("channel_permission_granted")
    assert bench.number().next_step is Step.CONNECT
    bench.work()
    assert bench.messaging.calls == ["read_webhook"]
    assert bench.number().next_step is Step.CHECK


# --- a second channel


def test_a_second_channel_that_has_gone_without_a_word_is_forgotten(bench: Bench) -> None:
    connected(bench)
    bench.change(second_channel="c2")
    day(bench)
    number = bench.number()
    assert (number.second_channel, number.attention) == (None, None)
    assert bench.told()[-1] == "number.attention_ended"
    assert bench.partner.calls == ["read_channel"]


@pytest.mark.parametrize("dead", [False, True])
def test_a_second_channel_stays_for_as_long_as_it_lives(bench: Bench, dead: bool) -> None:
    connected(bench)
    bench.partner.channels.append(bench.channel("c2", dead=dead))
    bench.change(second_channel="c2")
    day(bench)
    assert bench.number().second_channel == (None if dead else "c2")


def test_a_check_that_is_given_up_is_no_failed_number(bench: Bench) -> None:
    connected(bench)
    bench.messaging.troubles["read_webhook"] = [Transient("partner_unavailable", status=503)] * 99
    day(bench)
    assert (bench.number().failure, bench.number().status) == (None, "connected")
    assert bench.count("NumbersFailed") == 0
