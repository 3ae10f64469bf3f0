"""Promises 1 and 2: ownership is proved first, and a code is used once."""

from datetime import timedelta
from typing import Any

import pytest

from onramp.adapters.meta_graph import MetaGraph
from onramp.domain.errors import Problem
from onramp.domain.signup import SIGNUP_LIFETIME, Signup
from onramp.domain.states import SignupStatus
from onramp.ports import Grant, UnavailableError
from onramp.usecases.exchange_code import claimed_ids, token_context
from tests.world import Killed, Killer, World


def exchange(world: World, customer: dict[str, Any], session_info: Any = "as the browser said") -> Signup:
    info = customer["session_info"] if session_info == "as the browser said" else session_info
    return world.exchange.with_code(world.opened(), customer["code"], info)


def refused(world: World, customer: dict[str, Any], session_info: Any = "as the browser said") -> Problem:
    with pytest.raises(Problem) as caught:
        exchange(world, customer, session_info)
    return caught.value


def test_code_and_session_info_lead_to_a_proven_waba_with_its_numbers(world: World) -> None:
    customer = world.customer(numbers=3)
    signup = exchange(world, customer)
    assert signup.status(world.clock.now()) is SignupStatus.AUTHORIZED
    assert signup.waba is not None
    assert signup.waba.id == customer["wabas"][0]["id"]
    assert signup.waba.business_id == customer["business_id"]
    assert signup.waba.proof == "granted_ids"
    assert {n.phone_number_id for n in signup.numbers} == {n["id"] for n in customer["wabas"][0]["numbers"]}


def test_the_code_alone_is_enough_when_one_waba_is_granted(world: World) -> None:
    customer = world.customer()
    signup = exchange(world, customer, None)
    assert signup.waba is not None
    assert signup.waba.id == customer["wabas"][0]["id"]


def test_a_coexistence_message_names_only_the_waba(world: World) -> None:
    customer = world.customer(finish="FINISH_WHATSAPP_BUSINESS_APP_ONBOARDING", decoys=2)
    assert set(customer["session_info"]["data"]) == {"waba_id"}
    signup = exchange(world, customer)
    assert signup.waba is not None
    assert signup.waba.id == customer["wabas"][0]["id"]


@pytest.mark.parametrize("grants", ["scopes_only", "no_entries"])
def test_without_listed_ids_the_proof_is_the_use_of_the_token(world: World, grants: str) -> None:
    signup = exchange(world, world.customer(grants=grants))
    assert signup.waba is not None
    assert signup.waba.proof == "read_access"


def test_the_claimed_waba_is_found_among_many_whatever_their_order(world: World) -> None:
    customer = world.customer(decoys=6)
    signup = exchange(world, customer)
    assert signup.waba is not None
    assert signup.waba.id == customer["wabas"][0]["id"]


def test_several_wabas_and_no_claim_ask_and_a_second_call_resolves(world: World) -> None:
    customer = world.customer(decoys=2)
    problem = refused(world, customer, None)
    assert problem.code == "waba_ambiguous"
    assert problem.candidates is not None
    named = {candidate["waba_id"] for candidate in problem.candidates}
    assert customer["wabas"][0]["id"] in named
    assert len(named) == 3
    signup = world.exchange.with_waba(world.opened(), customer["wabas"][0]["id"])
    assert signup.waba is not None
    assert world.exchange.with_waba(signup, signup.waba.id) == signup


def test_nothing_listed_and_no_claim_asks_with_no_candidates(world: World) -> None:
    problem = refused(world, world.customer(grants="scopes_only"), None)
    assert problem.code == "waba_ambiguous"
    assert problem.candidates == []


def test_a_chosen_waba_must_be_granted_too(world: World) -> None:
    refused(world, world.customer(decoys=1), None)
    foreign = world.customer()["wabas"][0]["id"]
    with pytest.raises(Problem) as caught:
        world.exchange.with_waba(world.opened(), foreign)
    assert caught.value.code == "waba_not_granted"


def test_a_waba_cannot_be_chosen_before_a_code_or_after_another_waba(world: World) -> None:
    with pytest.raises(Problem) as early:
        world.exchange.with_waba(world.opened(), "123")
    assert early.value.code == "not_authorized_yet"
    exchange(world, world.customer())
    with pytest.raises(Problem) as late:
        world.exchange.with_waba(world.opened(), "123")
    assert late.value.code == "signup_closed"


@pytest.mark.parametrize("grants", ["target_ids", "scopes_only"])
def test_a_waba_of_somebody_else_is_refused(world: World, grants: str) -> None:
    foreign = world.customer()["wabas"][0]["id"]
    customer = world.customer(grants=grants, claim={"waba_id": foreign})
    assert refused(world, customer).code == "waba_not_granted"
    assert world.opened().waba is None


def test_a_waba_that_can_be_read_and_is_not_listed_is_refused(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MetaGraph, "inspect", lambda _, token: Grant(waba_ids=("1", "2")))
    assert refused(world, world.customer()).code == "waba_not_granted"


def test_a_number_of_somebody_else_is_refused(world: World) -> None:
    foreign = world.customer()["wabas"][0]["numbers"][0]["id"]
    customer = world.customer(claim={"phone_number_id": foreign})
    assert refused(world, customer).code == "number_not_in_waba"


def test_a_waba_of_another_business_than_the_tokens_is_refused(world: World) -> None:
    assert (
        refused(world, world.customer(grants="scopes_only", owner_mismatch=True)).code == "waba_not_granted"
    )


def test_a_hidden_owner_is_no_reason_to_refuse(world: World) -> None:
    signup = exchange(world, world.customer(grants="scopes_only", owner_hidden=True))
    assert signup.waba is not None
    assert signup.waba.business_id is not None


@pytest.mark.parametrize("token", ["other_app", "invalid", "error", "expired"])
def test_a_token_that_is_not_valid_or_not_ours_is_refused(world: World, token: str) -> None:
    assert refused(world, world.customer(token=token)).code == "waba_not_granted"


def test_an_expired_code_is_named_and_a_new_one_may_follow(world: World) -> None:
    customer = world.customer()
    world.clock.sleep(31)
    assert refused(world, customer).code == "code_expired"
    fresh = world.admin("meta", "codes", {"business_id": customer["business_id"]})
    assert exchange(world, {**customer, "code": fresh["code"]}).waba is not None


def test_a_code_used_by_somebody_else_is_named(world: World) -> None:
    customer = world.customer()
    world.meta.exchange(customer["code"])
    assert refused(world, customer).code == "code_already_used"


def test_a_code_that_meta_does_not_know_is_named(world: World) -> None:
    assert refused(world, {**world.customer(), "code": "nonsense"}).code == "code_invalid"


def test_the_same_call_again_gives_the_stored_result_without_asking_meta(world: World) -> None:
    customer = world.customer()
    first = exchange(world, customer)
    asked = len(world.killer.calls)
    assert exchange(world, customer) == first
    assert not [name for name in world.killer.calls[asked:] if name.startswith("meta")]


def test_another_code_for_a_finished_signup_is_refused(world: World) -> None:
    exchange(world, world.customer())
    assert refused(world, world.customer()).code == "signup_closed"


def test_an_expired_signup_takes_no_code(world: World) -> None:
    signup = world.opened()
    world.clock.sleep(SIGNUP_LIFETIME / timedelta(seconds=1))
    customer = world.customer()
    with pytest.raises(Problem) as caught:
        world.exchange.with_code(signup, customer["code"], customer["session_info"])
    assert caught.value.code == "signup_closed"
    with pytest.raises(Problem) as chosen:
        world.exchange.with_waba(signup, "123")
    assert chosen.value.code == "signup_closed"


def test_the_token_is_stored_encrypted_before_anything_else_is_asked() -> None:
    calls = Killer()
    with World(killer=calls) as world:
        signup = exchange(world, world.customer())
        order = [name for name in calls.calls if name.partition(".")[0] in {"meta", "vault", "store"}]
        exchanged = order.index("meta.exchange")
        stored = order.index("store.save", exchanged)
        assert order[exchanged + 1] == "vault.encrypt"
        assert stored < order.index("meta.inspect")
        assert signup.exchange is not None
        assert signup.exchange.token is not None
        token = world.vault.decrypt(signup.exchange.token, token_context(signup.tenant, signup.id))
        assert token not in signup.model_dump_json()


def test_a_second_request_during_the_exchange_is_told_to_wait() -> None:
    with World() as counting:
        exchange(counting, counting.customer())
        at = counting.killer.calls.index("meta.exchange")
    with World(killer=Killer(at)) as world:
        customer = world.customer()
        with pytest.raises(Killed):
            exchange(world, customer)
        problem = refused(world, customer)
        assert problem.code == "exchange_in_progress"
        assert problem.retryable
        world.clock.sleep(31)
        assert refused(world, customer).code == "code_expired"


def test_a_proof_that_fails_for_now_goes_on_with_the_stored_token(world: World) -> None:
    customer = world.customer()
    world.fault("error_before", "debug_token", side="meta", times=2)
    problem = refused(world, customer)
    assert (problem.code, problem.retryable) == ("meta_unavailable", True)
    assert exchange(world, customer).waba is not None
    assert world.killer.calls.count("meta.exchange") == 1


def test_a_token_is_not_lost_when_the_keys_fail_for_a_moment(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    encrypt = world.vault.encrypt
    fails = iter([True, True, False])

    def shaky(plain: str, context: Any) -> str:
        if next(fails):
            raise UnavailableError("keys")
        return encrypt(plain, context)

    monkeypatch.setattr(world.vault, "encrypt", shaky)
    assert exchange(world, world.customer()).waba is not None


def test_when_our_own_secret_cannot_be_read_the_code_is_kept_for_a_repeat(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    customer = world.customer()

    def broken(_: str) -> str:
        raise UnavailableError("secret")

    with monkeypatch.context() as patch:
        patch.setattr(MetaGraph, "exchange", lambda _, code: broken(code))
        with pytest.raises(UnavailableError):
            exchange(world, customer)
    assert exchange(world, customer).waba is not None


def test_a_session_info_that_comes_later_is_used(world: World) -> None:
    customer = world.customer(decoys=2)
    assert refused(world, customer, None).code == "waba_ambiguous"
    assert exchange(world, customer).waba is not None


def test_a_waba_with_many_numbers_is_read_to_its_end(world: World) -> None:
    world.admin("meta", "options", {"max_page_size": 25}, "PATCH")
    assert len(exchange(world, world.customer(numbers=60)).numbers) == 60


def test_fields_meta_does_not_know_any_more_do_no_harm(world: World) -> None:
    world.admin("meta", "options", {"unknown_fields": ["owner_business_info", "verified_name"]}, "PATCH")
    signup = exchange(world, world.customer())
    assert signup.numbers[0].display_phone_number


@pytest.mark.parametrize(
    ("session_info", "claims"),
    [
        (None, (None, None)),
        ({"event": "CANCEL", "data": {"waba_id": "1"}}, (None, None)),
        ({"event": "FINISH_SOMETHING_NEW", "data": {"waba_id": "1", "phone_number_id": "2"}}, ("1", "2")),
        ({"event": "FINISH", "data": {"waba_ids": ["3"]}}, ("3", None)),
        ({"event": "FINISH", "data": {"waba_ids": ["3", "4"]}}, (None, None)),
        ({"waba_id": "1"}, ("1", None)),
        ({"event": "FINISH", "data": {"waba_id": ["1"], "phone_number_id": {}}}, (None, None)),
        ({"event": 7, "data": "x"}, (None, None)),
    ],
)
def test_what_the_browser_claims_is_read_leniently(session_info: Any, claims: tuple[Any, Any]) -> None:
    assert claimed_ids(session_info) == claims
