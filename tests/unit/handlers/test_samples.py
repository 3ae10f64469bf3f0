"""The sample requests, in their order, are a journey that the functions answer."""

import pytest

from contract.samples import CHANNEL_ID, CLIENT_ID, PHONE_NUMBER_ID, TENANT, WABA_ID, samples
from onramp.domain import number as life
from onramp.domain.number import ChannelKey, Number
from onramp.domain.signup import Client, Signup
from onramp.domain.states import Progress, Step
from onramp.inbound.models import SIGNUP_ID
from onramp.usecases.connect import key_context
from tests.canary import CHANNEL_KEY
from tests.unit.handlers.bench import Answer, Bench

API = ("code_exchange", "number_submission", "signup_queries")


def ask(bench: Bench, name: str) -> Answer:
    """Hand one sample to its function."""
    return bench.invoke(name.partition("/")[0], samples()[name])


def begun(bench: Bench) -> None:
    """The signup that the samples name."""
    now = bench.clock.now()
    bench.store.commit(
        Signup.open(
            signup_id=SIGNUP_ID,
            tenant=TENANT,
            client=Client(id=CLIENT_ID),
            plan_tier="basic",
            reference=None,
            now=now,
        )
    )


def test_the_samples_are_a_journey(bench: Bench) -> None:
    begun(bench)
    assert ask(bench, "code_exchange/open_signup").json["reference"] == "customer-4711"
    assert ask(bench, "code_exchange/open_signup_known_client").json["client"]["id"] == CLIENT_ID
    exchanged = ask(bench, "code_exchange/exchange_code")
    assert (exchanged.status, exchanged.json["waba"]["id"]) == (200, WABA_ID)
    assert ask(bench, "code_exchange/choose_waba").json == exchanged.json

    submitted = ask(bench, "number_submission/submit_claimed_number")
    assert submitted.status == 202
    assert ask(bench, "number_submission/submit_named_numbers").json == submitted.json
    assert bench.sent() == [{"phone_number_id": PHONE_NUMBER_ID}] * 2
    for sample in ("retry", "retry_number"):
        fail(bench)
        assert ask(bench, "signup_queries/list_signups").json["signups"][0]["status"] == "attention"
        (failed,) = ask(bench, "signup_queries/list_numbers").json["numbers"]
        assert failed == ask(bench, "signup_queries/read_number").json
        assert ask(bench, f"number_submission/{sample}").status == 202
        assert bench.sent() == [{"phone_number_id": PHONE_NUMBER_ID}]

    connect(bench)
    shown = ask(bench, "signup_queries/read_signup")
    assert (shown.status, shown.json["numbers"][0]["status"]) == (200, "connected")
    assert ask(bench, "signup_queries/read_api_key").json["api_key"] == CHANNEL_KEY
    assert ask(bench, "signup_queries/read_config").status == 200
    for sample, action in (("check", None), ("cancel", "cancel"), ("reactivate", "reactivate")):
        answer = ask(bench, f"number_submission/{sample}_number")
        assert (answer.status, (answer.json["wish"] or {}).get("action")) == (202, action)
        assert bench.sent() == [{"phone_number_id": PHONE_NUMBER_ID}]


@pytest.mark.parametrize("name", [name for name in samples() if name.partition("/")[0] in API])
def test_a_sample_of_nothing_that_is_stored_is_answered_too(bench: Bench, name: str) -> None:
    answer = ask(bench, name)
    # The secret in the samples is no link's.
    expected = {401} if "linked-signup" in samples()[name]["rawPath"] else {200, 201, 404}
    assert answer.status in expected, answer.text


def number_and_signup(bench: Bench) -> tuple[Number, Signup]:
    number = bench.store.read(Number, PHONE_NUMBER_ID)
    signup = bench.store.read(Signup, SIGNUP_ID)
    assert number is not None
    assert signup is not None
    return number, signup


def fail(bench: Bench) -> None:
    """Let the number fail in a way that a retry can mend."""
    number, signup = number_and_signup(bench)
    before, now = number.standing, bench.clock.now()
    life.fail(number, "submission_rejected", Step.SUBMIT, now)
    signup.count(before, number.standing, now)
    bench.store.commit(number, signup)


def connect(bench: Bench) -> None:
    """Let the number be connected, with a key that was proved by use."""
    number, signup = number_and_signup(bench)
    before, now = number.standing, bench.clock.now()
    number.channel_id, number.progress = CHANNEL_ID, Progress.CONNECTED
    number.key = ChannelKey(
        secret=bench.encrypted(CHANNEL_KEY, **key_context(TENANT, PHONE_NUMBER_ID)),
        address="https://waba-v2.360dialog.io",
        made_at=now,
        checked_at=now,
    )
    signup.count(before, number.standing, now)
    bench.store.commit(number, signup)
