"""A new key in place of the stored one, and a proof of what is stored."""

import pytest

from onramp.domain.errors import Permanent, Problem, Transient
from onramp.domain.number import Number
from onramp.domain.states import Progress, Status, Step
from onramp.ports.upstreams import ChannelWebhook
from onramp.usecases.adopt import Plan, Wanted, adopt_page
from onramp.usecases.keys import KeyState, Proof, WebhookState, check_key, rotate_key
from tests.unit.usecases.bench import TENANT, Bench


def adopted(bench: Bench) -> Number:
    bench.partner.channels = [bench.channel("c1", "10001", client_id="7CL", progress=Progress.LIVE)]
    adopt_page(bench.ports, Plan(rest=Wanted(TENANT)), 0, dry_run=False)
    return bench.number("10001")


def rotate(bench: Bench, name: str = "1001") -> Number:
    return rotate_key(bench.ports, bench.number(name))


def proof(bench: Bench, name: str = "1001") -> Proof:
    return check_key(bench.ports, bench.number(name))


def key_in_clear(bench: Bench, name: str = "1001") -> str:
    number = bench.number(name)
    assert number.key is not None
    context = {"tenant": number.tenant, "number": name, "purpose": "channel_key"}
    return bench.vault.decrypt(number.key.secret, context)


def test_a_connected_number_gets_a_new_key_with_its_webhook_and_both_are_proved(bench: Bench) -> None:
    bench.connected()
    bench.forget_calls()
    assert rotate(bench).status == Status.CONNECTED
    assert bench.queue.numbers == ["1001"]
    assert bench.work() is None
    assert key_in_clear(bench) == bench.partner.keys[-1] == "key-2-of-c1"
    assert bench.messaging.calls == ["set_webhook", "read_webhook"]
    number = bench.number()
    assert (number.status, number.key_wanted, number.next_step) == (Status.CONNECTED, False, Step.CHECK)
    assert bench.told()[-2:] == ["number.key_rotated", "number.checked"]
    assert proof(bench) == Proof(KeyState.ALIVE, WebhookState.OURS)


def test_an_adopted_number_gets_its_first_key(bench: Bench) -> None:
    adopted(bench)
    rotate(bench, "10001")
    assert bench.work("10001") is None
    number = bench.number("10001")
    assert (number.status, number.rests) == (Status.CONNECTED, False)
    assert bench.told(number.signup_id) == ["number.adopted", "number.connected"]


def test_the_same_wish_again_makes_no_second_key(bench: Bench) -> None:
    bench.connected()
    rotate(bench)
    before = bench.number().version
    rotate(bench)
    assert bench.number().version == before
    bench.work()
    bench.work()
    assert len(bench.partner.keys) == 2


@pytest.mark.parametrize("trouble", [Permanent("partner_configuration", status=401), None])
def test_the_stored_key_stays_until_the_new_one_is_there(bench: Bench, trouble: Exception | None) -> None:
    bench.connected()
    before = key_in_clear(bench)
    rotate(bench)
    assert key_in_clear(bench) == before
    if trouble is None:
        return
    bench.partner.troubles["make_key"] = [trouble]
    bench.work()
    assert key_in_clear(bench) == before
    assert bench.number().failure is None
    bench.work()
    assert (bench.number().status, bench.number().next_step) == (Status.CONNECTED, Step.CHECK)
    assert proof(bench).key is KeyState.ALIVE


def test_a_new_key_that_was_made_and_lost_is_made_once_more(bench: Bench) -> None:
    bench.connected()
    rotate(bench)
    bench.partner.lost["make_key"] = [Transient("partner_unavailable")]
    assert bench.work() is not None
    bench.work_when_due()
    assert key_in_clear(bench) == bench.partner.keys[-1] == "key-3-of-c1"
    assert bench.number().status == Status.CONNECTED


def test_a_crash_between_the_new_key_and_its_webhook_is_mended_by_the_next_run(bench: Bench) -> None:
    bench.connected()
    rotate(bench)
    bench.messaging.webhook = None
    bench.messaging.troubles["set_webhook"] = [Transient("partner_unavailable")]
    assert bench.work() is not None
    assert bench.number().next_step is Step.CONNECT
    bench.work_when_due()
    assert proof(bench) == Proof(KeyState.ALIVE, WebhookState.OURS)
    assert len(bench.partner.keys) == 2


def test_who_has_no_living_channel_gets_no_key(bench: Bench) -> None:
    bench.submit()
    with pytest.raises(Problem, match="no channel yet"):
        rotate(bench)
    bench.live()
    bench.change(cancelled_at=bench.now)
    with pytest.raises(Problem, match="has ended"):
        rotate(bench)


def test_a_number_that_failed_is_retried_instead(bench: Bench) -> None:
    bench.submit()
    bench.partner.troubles["submit_number"] = [Permanent("submission_rejected", status=400)]
    bench.work()
    with pytest.raises(Problem, match="submission_rejected"):
        rotate(bench)


def test_a_proof_changes_nothing_and_asks_the_messaging_host_alone(bench: Bench) -> None:
    bench.connected()
    bench.forget_calls()
    before = bench.number().version
    assert proof(bench) == Proof(KeyState.ALIVE, WebhookState.OURS)
    bench.messaging.webhook = ChannelWebhook(url="https://elsewhere.example.com", headers={})
    assert proof(bench) == Proof(KeyState.ALIVE, WebhookState.ELSEWHERE)
    bench.partner.keys.append("somebody else's")
    assert proof(bench) == Proof(KeyState.DEAD, WebhookState.UNKNOWN)
    assert bench.partner.calls == []
    assert bench.number().version == before


def test_an_adopted_number_has_no_key_to_prove(bench: Bench) -> None:
    adopted(bench)
    assert proof(bench, "10001") == Proof(KeyState.NONE, WebhookState.UNKNOWN)


def test_a_proof_that_cannot_be_had_is_no_verdict(bench: Bench) -> None:
    bench.connected()
    bench.messaging.troubles["read_webhook"] = [Transient("partner_unavailable")]
    with pytest.raises(Transient):
        proof(bench)
