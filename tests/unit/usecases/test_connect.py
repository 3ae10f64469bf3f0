"""Promise 6: one key for a channel, stored, alive, proved by use, whatever happens."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from onramp.domain.errors import Ambiguous, Permanent, Transient, UnavailableError
from onramp.domain.ledger import EventRecord, Outcome
from onramp.domain.number import ChannelKey
from onramp.domain.records import LEASE
from onramp.domain.states import Step
from onramp.ports.upstreams import ChannelWebhook
from onramp.usecases.connect import is_set, key_context
from onramp.usecases.find_channel import SURELY
from onramp.usecases.wishes import retry_number
from tests.unit.usecases.bench import TENANT, WEBHOOK, Bench


def live(bench: Bench) -> None:
    """A number whose key can be made, with what is due."""
    bench.submit()
    bench.live()


def stored_key(bench: Bench) -> str:
    key = bench.number().key
    assert key is not None
    return bench.vault.decrypt(key.secret, key_context(TENANT, "1001"))


def assert_connected(bench: Bench) -> None:
    number = bench.number()
    assert number.status == "connected", number.failure
    assert (number.next_step, number.due_at, number.lease) == (Step.CHECK, bench.daily(), None)
    assert number.key is not None
    assert number.key.checked_at is not None
    assert stored_key(bench) == bench.partner.keys[-1]
    assert bench.messaging.webhook == WEBHOOK


def walk(bench: Bench) -> None:
    for _ in range(40):
        if not bench.number().is_under_way:
            return
        bench.work_when_due()
    pytest.fail("it never ends")


def test_connected_means_that_key_and_webhook_were_proved_by_use(bench: Bench) -> None:
    live(bench)
    assert bench.work() is None
    assert_connected(bench)
    assert bench.partner.calls == ["make_key"]
    assert bench.messaging.calls == ["set_webhook", "read_webhook"]
    assert bench.told()[-1] == "number.connected"
    assert bench.count("NumbersConnected") == bench.count("KeysMade") == 1
    assert bench.count("SecondsFromCodeToConnected") == 0
    assert "SecondsFromCodeToConnected" in bench.telemetry.counts


def test_the_key_is_nowhere_in_clear(bench: Bench) -> None:
    live(bench)
    bench.work()
    seen = bench.number().model_dump_json() + str(bench.telemetry.lines) + str(bench.store.all_facts())
    assert bench.partner.keys[-1] not in seen


def test_the_context_of_a_key_is_its_number_whatever_its_signup() -> None:
    assert key_context("acme", "1001") == {"tenant": "acme", "number": "1001", "purpose": "channel_key"}


def test_a_key_that_is_stored_is_used_and_not_made_anew(bench: Bench) -> None:
    live(bench)
    bench.messaging.troubles["set_webhook"] = [Transient("partner_unavailable", status=503)]
    bench.work()
    assert bench.number().key is not None
    walk(bench)
    assert_connected(bench)
    assert len(bench.partner.keys) == 1


def test_a_key_that_somebody_else_has_killed_is_made_anew(bench: Bench) -> None:
    live(bench)
    bench.messaging.meanwhile["set_webhook"] = lambda: bench.partner.keys.append("of somebody else")
    walk(bench)
    assert_connected(bench)
    assert bench.count("KeysFoundDead") == 1


def test_a_key_whose_answer_was_lost_is_made_anew(bench: Bench) -> None:
    live(bench)
    bench.partner.lost["make_key"] = [Ambiguous("partner_unavailable")]
    walk(bench)
    assert_connected(bench)
    assert len(bench.partner.keys) == 2


@pytest.mark.parametrize("at", ["set_webhook", "read_webhook"])
def test_keys_that_are_always_refused_come_to_an_end(at: str) -> None:
    bench = Bench(retry_seconds=(1, 2))
    live(bench)
    bench.messaging.troubles[at] = [Permanent("key_rejected", status=401)] * 100
    walk(bench)
    failure = bench.number().failure
    assert failure is not None
    assert (failure.code, failure.step, failure.retryable) == ("key_rejected", Step.CONNECT, True)
    assert bench.queue.buried_numbers == [("1001", "key_rejected")]
    bench.messaging.troubles.clear()
    bench.work(retry=True)
    assert_connected(bench)


@pytest.mark.parametrize("times", [1, 2])
def test_a_refusal_of_another_kind_is_the_operators_to_mend(bench: Bench, times: int) -> None:
    live(bench)
    refused = Permanent("webhook_rejected", status=400)
    dead = Permanent("key_rejected", status=401)
    bench.messaging.troubles["set_webhook"] = [refused]
    if times == 2:
        bench.change(key=ChannelKey(secret=_secret(bench), address="https://a", made_at=bench.now))
        bench.messaging.troubles["read_webhook"] = [dead]
    bench.work()
    failure = bench.number().failure
    assert failure is not None
    assert failure.code == "webhook_rejected"
    assert bench.number().key is not None


def _secret(bench: Bench) -> str:
    return bench.vault.encrypt("dead", key_context(TENANT, "1001"))


def test_a_webhook_that_is_not_what_we_have_set_is_not_connected(bench: Bench) -> None:
    live(bench)
    bench.messaging.forgets = True
    assert bench.work() is not None
    assert bench.number().status == "connecting"
    bench.messaging.forgets = False
    walk(bench)
    assert_connected(bench)


def test_when_the_keys_do_not_answer_the_made_one_is_lost_and_another_is_made(bench: Bench) -> None:
    live(bench)

    def break_vault() -> None:
        bench.vault.broken = True

    bench.partner.meanwhile["make_key"] = break_vault
    bench.work()
    assert bench.number().key is None
    bench.vault.broken = False
    walk(bench)
    assert_connected(bench)
    assert len(bench.partner.keys) == 2


def test_a_number_without_a_channel_has_no_key_to_make(bench: Bench) -> None:
    live(bench)
    bench.change(channel_id=None)
    bench.work()
    assert bench.number().attempts == 1
    assert bench.partner.keys == []


# --- runs that are late


def freeze(bench: Bench, *, after: Callable[[], object] = lambda: None) -> Callable[[], None]:
    """A run stands still until its lease is over, and something happens meanwhile."""

    def act() -> None:
        bench.clock.advance(LEASE + timedelta(seconds=1))
        after()

    return act


def test_a_run_that_made_a_key_after_its_time_casts_doubt_and_the_next_one_proves(bench: Bench) -> None:
    live(bench)
    bench.partner.meanwhile["make_key"] = freeze(bench, after=bench.work)
    assert bench.work() is not None
    number = bench.number()
    assert (number.status, number.doubts, number.settled_doubts) == ("connected", 1, 0)
    assert stored_key(bench) != bench.partner.keys[-1]
    assert number.next_step is Step.CONNECT
    assert "number.key_doubted" in bench.told()
    bench.change(due_at=bench.now)
    walk(bench)
    assert_connected(bench)
    number = bench.number()
    assert (number.doubts, number.settled_doubts) == (1, 1)
    assert bench.told()[-2:] == ["number.checked", "number.mended"]


def test_a_doubt_that_comes_during_a_proof_is_not_answered_by_it(bench: Bench) -> None:
    live(bench)

    def doubt() -> None:
        number = bench.number()
        number.doubts += 1
        bench.store.commit(number)

    bench.messaging.meanwhile["read_webhook"] = doubt
    bench.work()
    number = bench.number()
    assert (number.status, number.next_step, number.doubts) == ("connected", Step.CONNECT, 1)
    assert number.due_at == bench.now
    walk(bench)
    assert bench.number().settled_doubts == 1


def test_a_run_that_lost_its_lease_writes_nothing_at_its_end(bench: Bench) -> None:
    live(bench)

    def rival() -> None:
        bench.clock.advance(LEASE + timedelta(seconds=1))
        number = bench.number()
        number.lend("rival", bench.now)
        bench.store.commit(number)

    bench.messaging.meanwhile["read_webhook"] = rival
    assert bench.work() is not None
    number = bench.number()
    assert number.status == "connecting"
    assert number.lease is not None
    assert number.lease.owner == "rival"
    assert "lease lost" in bench.telemetry.warnings()


def test_an_end_of_the_channel_during_the_proof_wins(bench: Bench) -> None:
    live(bench)
    bench.messaging.meanwhile["read_webhook"] = lambda: bench.tell("cancellation_processed")
    bench.work()
    number = bench.number()
    assert (number.status, number.key, number.due_at, number.lease) == ("cancelled", None, None, None)


def test_an_event_in_the_ledger_that_ends_the_channel_spares_the_key(bench: Bench) -> None:
    live(bench)
    record = EventRecord.of(bench.event("cancellation_processed"), bench.now)
    record.end(Outcome.UNRESOLVED)
    bench.store.commit(record)
    bench.work()
    assert bench.partner.keys == []
    assert bench.number().status == "cancelled"


# --- what was mended


def again(bench: Bench) -> None:
    """A connected number of which somebody wants key and webhook proved."""
    bench.connected()
    bench.change(doubts=1, due_at=bench.now)
    bench.forget_calls()


def test_a_proof_that_finds_all_right_says_so_and_mends_nothing(bench: Bench) -> None:
    again(bench)
    bench.work()
    assert bench.told()[-1] == "number.checked"
    assert (bench.messaging.calls, bench.partner.calls) == (["read_webhook"], [])
    assert bench.count("NumbersMended") == 0


@pytest.mark.parametrize("code", ["webhook_drift", "key_dead"])
def test_what_a_proof_has_mended_is_told(bench: Bench, code: str) -> None:
    again(bench)
    if code == "key_dead":
        bench.partner.keys.append("of somebody else")
    else:
        bench.messaging.webhook = None
    bench.work()
    assert_connected(bench)
    (fact,) = [fact for fact in bench.store.facts_of("s1", 99) if fact.type == "number.mended"]
    assert fact.detail == {"code": code}
    assert bench.told()[-2:] == ["number.checked", "number.mended"]
    assert bench.count("NumbersMended") == 1
    assert len(bench.partner.keys) == (3 if code == "key_dead" else 1)


def test_on_the_way_to_its_first_connection_nothing_was_broken(bench: Bench) -> None:
    live(bench)
    bench.messaging.troubles["set_webhook"] = [Transient("partner_unavailable", status=503)]
    bench.messaging.meanwhile["read_webhook"] = lambda: bench.partner.keys.append("of somebody else")
    walk(bench)
    assert_connected(bench)
    assert "number.mended" not in bench.told()
    assert bench.count("NumbersMended") == 0


def test_a_proof_ends_what_was_told_of_key_and_webhook(bench: Bench) -> None:
    again(bench)
    bench.change(notices={"key_dead": "", "webhook_drift": "", "channel_error": "7"})
    bench.work()
    assert bench.number().notices == {"channel_error": "7"}
    assert bench.told().count("number.attention_ended") == 2


# --- permission


@pytest.mark.parametrize("when", ["before the call", "during the call", "after the failure"])
def test_a_permission_counts_whenever_it_comes(when: str) -> None:
    bench = Bench(retry_seconds=())
    live(bench)
    if when == "before the call":
        bench.tell("channel_permission_granted")
        walk(bench)
        assert_connected(bench)
        return
    bench.partner.troubles["make_key"] = [Transient("permission_missing", status=403)]
    if when == "during the call":
        bench.partner.meanwhile["make_key"] = lambda: bench.tell("channel_permission_granted")
        assert bench.work() is not None
        assert bench.number().failure is None
    else:
        bench.work()
        failure = bench.number().failure
        assert failure is not None
        assert failure.code == "permission_missing"
        bench.tell("channel_permission_granted")
        assert bench.number().failure is None
        assert bench.queue.numbers[-1] == "1001"
    walk(bench)
    assert_connected(bench)


def test_a_failure_of_another_kind_is_not_mended_by_a_permission(bench: Bench) -> None:
    live(bench)
    bench.partner.troubles["make_key"] = [Permanent("partner_configuration", status=403)]
    bench.partner.meanwhile["make_key"] = lambda: bench.tell("channel_permission_granted")
    bench.work()
    assert bench.number().status == "failed"


def test_a_channel_is_called_missing_only_after_the_third_time(bench: Bench) -> None:
    live(bench)
    bench.partner.troubles["make_key"] = [Permanent("channel_missing", status=404)] * SURELY
    for _ in range(SURELY):
        assert bench.number().failure is None
        bench.work_when_due()
    failure = bench.number().failure
    assert failure is not None
    assert failure.code == "channel_missing"


def test_a_channel_that_was_called_missing_is_read_before_another_one_is_made(bench: Bench) -> None:
    live(bench)
    bench.partner.troubles["make_key"] = [Permanent("channel_missing", status=404)] * SURELY
    for _ in range(SURELY):
        bench.work_when_due()
    submitted = len(bench.partner.submitted)
    retry_number(bench.ports, bench.number())
    walk(bench)
    assert_connected(bench)
    assert len(bench.partner.submitted) == submitted


# --- whether messages go where we want


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (None, False),
        (ChannelWebhook(url="https://elsewhere", headers={"X-Secret": "s"}), False),
        (ChannelWebhook(url=WEBHOOK.url, headers={}), False),
        (ChannelWebhook(url=WEBHOOK.url, headers={"x-secret": "S"}), False),
        (ChannelWebhook(url=WEBHOOK.url, headers={"x-SECRET": "s", "more": "does no harm"}), True),
        (WEBHOOK, True),
    ],
)
def test_whether_messages_go_where_we_want(found: ChannelWebhook | None, expected: bool) -> None:
    assert is_set(found, WEBHOOK) is expected


def test_storage_that_fails_right_after_the_key_was_made_makes_the_message_come_back(bench: Bench) -> None:
    live(bench)
    commit = bench.store.commit

    def broken(*records: Any, **more: Any) -> None:
        if bench.partner.keys:
            raise UnavailableError("table")
        commit(*records, **more)

    bench.store.commit = broken  # type: ignore[method-assign]
    with pytest.raises(UnavailableError):
        bench.work()
    bench.store.commit = commit  # type: ignore[method-assign]
    bench.clock.advance(LEASE)
    walk(bench)
    assert_connected(bench)
