"""Promises 1 and 2: ownership is proved first, a code is used once and never lost through us."""

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from onramp.domain.errors import (
    Ambiguous,
    Conflict,
    Permanent,
    Problem,
    Throttled,
    Transient,
    UnavailableError,
)
from onramp.domain.signup import SIGNUP_LIFETIME, Client, Exchange, Listed, Signup
from onramp.domain.states import SignupStatus
from onramp.ports.upstreams import WabaFacts
from onramp.usecases.exchange_code import (
    IN_PROGRESS,
    LATE,
    PAUSES,
    SAME_CODE,
    choose_waba,
    claimed_ids,
    exchange_code,
)
from onramp.usecases.list_numbers import token_context
from tests.problems import refused
from tests.unit.usecases.bench import BUSINESS, TENANT, WABA, Bench

INFO: dict[str, Any] = {"event": "FINISH", "data": {"waba_id": WABA, "phone_number_id": "1001"}}


@pytest.fixture
def bench() -> Bench:
    bench = Bench()
    made = Signup.open(
        signup_id="s1",
        tenant=TENANT,
        client=Client(name="Acme"),
        plan_tier="regular",
        reference=None,
        now=bench.now,
    )
    bench.store.commit(made)
    return bench


def exchange(bench: Bench, code: str = "code", info: Any = INFO) -> Signup:
    return exchange_code(bench.ports, bench.load(), code, info)


def stored(bench: Bench) -> Exchange:
    found = bench.store.read(Exchange, "s1")
    assert found is not None
    return found


def token(bench: Bench) -> str:
    return bench.vault.decrypt(stored(bench).token or "", token_context(TENANT, "s1"))


def failing_commits(bench: Bench, trouble: Exception, *, times: int, where: Callable[[Any], bool]) -> None:
    """Writes of some records fail so often."""
    commit = bench.store.commit
    left = [times]

    def fail(*records: Any, **more: Any) -> None:
        if left[0] and any(where(record) for record in records):
            left[0] -= 1
            raise trouble
        commit(*records, **more)

    bench.store.commit = fail  # type: ignore[method-assign]


def with_token(record: Any) -> bool:
    return isinstance(record, Exchange) and record.token is not None


# --- the way it should go


def test_a_waba_that_the_browser_names_is_read_while_its_grants_are(bench: Bench) -> None:
    under_way = threading.Barrier(3)
    for asked in ("inspect", "read_waba", "read_numbers"):
        bench.meta.meanwhile[asked] = lambda: under_way.wait(timeout=30)
    assert exchange(bench).waba is not None
    assert bench.meta.calls[0] == "exchange"
    assert sorted(bench.meta.calls[1:]) == ["inspect", "read_numbers", "read_waba"]


def test_what_was_read_of_a_waba_counts_for_nothing_without_its_grant(bench: Bench) -> None:
    bench.meta.granted = ["2999"]
    bench.meta.troubles["read_numbers"] = [Transient("meta_unavailable", status=503)]
    assert refused(lambda: exchange(bench)).code == "waba_not_granted"
    assert bench.load().waba is None


def test_the_signup_is_not_loaded_again(bench: Bench) -> None:
    signup, read, kinds = bench.load(), bench.store.read, []

    def watched(kind: Any, *identity: str) -> Any:
        kinds.append(kind)
        return read(kind, *identity)

    bench.store.read = watched  # type: ignore[method-assign]
    exchange_code(bench.ports, signup, "code", INFO)
    assert kinds == [Exchange]


def test_a_signup_that_somebody_has_written_meanwhile_is_read_again(bench: Bench) -> None:
    def note() -> None:
        other = bench.load()
        other.reference = "changed"
        bench.store.commit(other)

    bench.meta.meanwhile["exchange"] = note
    exchange(bench)
    assert (bench.load().reference, bench.load().waba is None) == ("changed", False)


def test_code_and_session_info_lead_to_a_proven_waba_with_its_numbers(bench: Bench) -> None:
    bench.meta.numbers = ["1001", "1002"]
    signup = exchange(bench)
    assert signup == bench.load()
    assert signup.waba is not None
    assert (signup.waba.id, signup.waba.name, signup.waba.business_id) == (WABA, "Acme", BUSINESS)
    assert signup.waba.proof == "granted_ids"
    assert signup.claimed == "1001"
    assert signup.authorized_at == bench.now
    assert signup.status(bench.now) is SignupStatus.AUTHORIZED
    listed = bench.store.read(Listed, "s1", "000")
    assert listed is not None
    assert [number.phone_number_id for number in listed.numbers] == ["1001", "1002"]
    assert bench.told() == ["signup.opened", "signup.authorized"]


def test_the_token_is_stored_encrypted_before_anything_else_is_asked(bench: Bench) -> None:
    seen: list[str] = []
    bench.meta.meanwhile["inspect"] = lambda: seen.append(token(bench))
    exchange(bench)
    assert seen == ["token-of-code"]
    assert "token-of-code" not in stored(bench).model_dump_json()
    assert (stored(bench).running, stored(bench).done is None) == (None, False)


def test_the_code_alone_is_enough_when_one_waba_is_granted(bench: Bench) -> None:
    signup = exchange(bench, info=None)
    assert signup.waba is not None
    assert (signup.waba.id, signup.claimed) == (WABA, None)


@pytest.mark.parametrize("tail", ["#_=_", "#_", "%23_%3D_", "%23_%3d_", "#_%3D_", "%23_=_", "%23_"])
def test_what_facebook_appends_to_a_code_is_left_out(bench: Bench, tail: str) -> None:
    first = exchange(bench, f"code{tail}")
    assert token(bench) == "token-of-code"
    assert exchange(bench, "code") == first


@pytest.mark.parametrize("code", ["a#_b", "#_=_a", "a_=_", "a%23", "a#", "a#_=", "a_", "#_=_#_=_"])
def test_no_other_sign_of_a_code_is_touched(bench: Bench, code: str) -> None:
    exchange(bench, code)
    assert token(bench) == f"token-of-{code.removesuffix('#_=_')}"


PAGE = "https://app.example.com/connect"


def with_page(bench: Bench) -> None:
    bench.ports = replace(bench.ports, rules=replace(bench.ports.rules, redirect_uris=(PAGE,)))


def test_a_code_that_came_without_a_popup_goes_to_meta_with_its_page_and_once(bench: Bench) -> None:
    with_page(bench)
    first = exchange_code(bench.ports, bench.load(), "code", None, redirect_uri=PAGE)
    assert exchange_code(bench.ports, bench.load(), "code", None, redirect_uri=PAGE) == first
    assert bench.meta.redirects == [PAGE]


def test_a_code_of_the_popup_goes_to_meta_without_a_page(bench: Bench) -> None:
    with_page(bench)
    exchange(bench)
    assert bench.meta.redirects == [None]


@pytest.mark.parametrize("page", [f"{PAGE}/", f"{PAGE}?a=1", "https://app.example.com", "HTTPS://x", ""])
def test_a_page_that_is_not_exactly_a_configured_one_is_refused_before_anything_is_done(
    bench: Bench, page: str
) -> None:
    with_page(bench)
    refusal = refused(lambda: exchange_code(bench.ports, bench.load(), "code", None, redirect_uri=page))
    assert refusal.code == "invalid_request"
    assert "[meta] redirect_uris" in refusal.detail
    assert refusal.errors[0]["field"] == "redirect_uri"
    assert bench.meta.calls == []
    assert bench.store.read(Exchange, "s1") is None
    assert bench.told() == ["signup.opened"]


def test_a_code_of_nothing_but_a_tail_is_none(bench: Bench) -> None:
    assert refused(lambda: exchange(bench, "#_=_")).code == "code_invalid"
    assert bench.meta.calls == []


def test_metas_words_about_a_number_are_kept_with_the_list(bench: Bench) -> None:
    bench.meta.words["1001"] = {
        "verification": "EXPIRED",
        "name_status": "APPROVED",
        "meta_status": "CONNECTED",
    }
    exchange(bench)
    listed = bench.store.read(Listed, "s1", "000")
    assert listed is not None
    (number,) = listed.numbers
    assert (number.verification, number.name_status) == ("EXPIRED", "APPROVED")
    assert number.meta_status == "CONNECTED"


def listed_after(bench: Bench, reads: int) -> None:
    """Meta lists the number only once it has been asked so often."""
    read = bench.meta.read_numbers

    def late(token: str, waba_id: str) -> Any:
        asked = bench.meta.calls.count("read_numbers")
        bench.meta.numbers = ["1001"] if asked >= reads else []
        return read(token, waba_id)

    bench.meta.read_numbers = late  # type: ignore[method-assign]


@pytest.mark.parametrize("reads", range(1, len(LATE) + 1))
def test_a_claimed_number_that_meta_lists_some_seconds_late_is_waited_for(bench: Bench, reads: int) -> None:
    listed_after(bench, reads)
    assert exchange(bench).claimed == "1001"
    assert bench.clock.sleeps == list(LATE[:reads])


def test_a_claimed_number_that_is_listed_a_minute_late_needs_only_the_same_code(bench: Bench) -> None:
    listed_after(bench, len(LATE) + 2)
    assert refused(lambda: exchange(bench)).code == "number_not_in_waba"
    assert exchange(bench).claimed == "1001"
    assert bench.meta.calls.count("exchange") == 1


def test_meta_that_goes_away_while_a_number_is_waited_for_costs_no_code(bench: Bench) -> None:
    listed_after(bench, len(LATE) + 2)
    sleep = bench.clock.sleep

    def meanwhile(seconds: float) -> None:
        bench.meta.troubles["read_numbers"] = [Transient("meta_unavailable")]
        sleep(seconds)

    bench.clock.sleep = meanwhile  # type: ignore[method-assign]
    problem = refused(lambda: exchange(bench))
    assert (problem.code, problem.retryable) == ("meta_unavailable", True)
    bench.clock.sleep = sleep  # type: ignore[method-assign]
    listed_after(bench, 0)
    assert exchange(bench).claimed == "1001"
    assert bench.meta.calls.count("exchange") == 1


def test_a_waba_with_very_many_numbers_is_kept_in_parts(bench: Bench) -> None:
    bench.meta.numbers = [f"{index:04d}" for index in range(250)]
    assert exchange(bench, info=None).parts == 3


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


# --- the proof


def test_several_wabas_and_no_claim_ask_and_a_second_call_resolves(bench: Bench) -> None:
    bench.meta.granted = ["9", WABA, "8"]
    problem = refused(lambda: exchange(bench, info=None))
    assert problem.code == "waba_ambiguous"
    assert problem.candidates == [
        {"waba_id": WABA, "name": "Acme"},
        {"waba_id": "8"},
        {"waba_id": "9"},
    ]
    signup = choose_waba(bench.ports, bench.load(), WABA)
    assert signup.waba is not None
    assert choose_waba(bench.ports, signup, WABA) == signup
    assert refused(lambda: choose_waba(bench.ports, signup, "8")).code == "signup_closed"
    assert bench.meta.calls.count("exchange") == 1


def test_nothing_listed_and_no_claim_asks_without_candidates(bench: Bench) -> None:
    bench.meta.granted = []
    assert refused(lambda: exchange(bench, info=None)).candidates == []


def test_without_listed_ids_the_proof_is_the_use_of_the_token(bench: Bench) -> None:
    bench.meta.granted = []
    signup = exchange(bench)
    assert signup.waba is not None
    assert (signup.waba.proof, signup.waba.business_id) == ("read_access", BUSINESS)


def test_a_hidden_owner_is_no_reason_to_refuse(bench: Bench) -> None:
    bench.meta.granted = []
    bench.meta.wabas = {WABA: WabaFacts(id=WABA, name=None, owner_business_id=None)}
    signup = exchange(bench)
    assert signup.waba is not None
    assert signup.waba.business_id == BUSINESS


@pytest.mark.parametrize("case", ["not granted", "another owner", "not readable"])
def test_a_waba_of_somebody_else_is_refused(bench: Bench, case: str) -> None:
    if case == "not granted":
        bench.meta.granted = ["8"]
    elif case == "another owner":
        bench.meta.granted, bench.meta.business = [], "9999"
    else:
        bench.meta.wabas = {}
    assert refused(lambda: exchange(bench)).code == "waba_not_granted"
    assert bench.load().waba is None
    assert bench.store.read(Listed, "s1", "000") is None


def test_a_chosen_waba_must_be_granted_too(bench: Bench) -> None:
    bench.meta.granted = ["8", "9"]
    refused(lambda: exchange(bench, info=None))
    assert refused(lambda: choose_waba(bench.ports, bench.load(), WABA)).code == "waba_not_granted"


def test_a_number_of_somebody_else_is_refused(bench: Bench) -> None:
    bench.meta.numbers = ["7"]
    assert refused(lambda: exchange(bench)).code == "number_not_in_waba"
    assert bench.load().waba is None


def test_a_claimed_number_counts_only_with_its_own_waba(bench: Bench) -> None:
    bench.meta.granted = ["8", "9"]
    bench.meta.wabas["8"] = WabaFacts(id="8", name=None, owner_business_id=None)
    info = {"data": {"phone_number_id": "7"}}
    refused(lambda: exchange(bench, info=info))
    assert choose_waba(bench.ports, bench.load(), "8").claimed is None


def test_a_waba_cannot_be_chosen_before_a_code(bench: Bench) -> None:
    assert refused(lambda: choose_waba(bench.ports, bench.load(), WABA)).code == "not_authorized_yet"


def test_an_expired_signup_takes_no_code(bench: Bench) -> None:
    bench.clock.advance(SIGNUP_LIFETIME)
    assert refused(lambda: exchange(bench)).code == "signup_closed"
    assert refused(lambda: choose_waba(bench.ports, bench.load(), WABA)).code == "signup_closed"
    assert bench.meta.calls == []


def test_of_two_proofs_at_once_the_first_counts(bench: Bench) -> None:
    bench.meta.granted = []
    bench.meta.wabas["8"] = WabaFacts(id="8", name=None, owner_business_id=None)
    bench.meta.numbers = []
    refused(lambda: exchange(bench, info=None))
    bench.meta.meanwhile["read_numbers"] = lambda: choose_waba(bench.ports, bench.load(), "8")
    assert refused(lambda: choose_waba(bench.ports, bench.load(), WABA)).code == "signup_closed"
    waba = bench.load().waba
    assert waba is not None
    assert waba.id == "8"


# --- again


def test_the_same_call_again_gives_the_stored_result_without_asking_meta(bench: Bench) -> None:
    first = exchange(bench)
    asked = len(bench.meta.calls)
    assert exchange(bench) == first
    assert len(bench.meta.calls) == asked


def test_another_code_for_a_finished_signup_is_refused(bench: Bench) -> None:
    exchange(bench)
    assert refused(lambda: exchange(bench, "another")).code == "signup_closed"


def test_a_proof_that_fails_for_now_goes_on_with_the_stored_token(bench: Bench) -> None:
    bench.meta.troubles["inspect"] = [Transient("meta_unavailable", status=503)] * 2
    for _ in range(2):
        problem = refused(lambda: exchange(bench))
        assert (problem.code, problem.retryable) == ("meta_unavailable", True)
    assert exchange(bench).waba is not None
    assert bench.meta.calls.count("exchange") == 1


def test_a_session_info_that_comes_later_is_used(bench: Bench) -> None:
    bench.meta.granted = ["8", WABA]
    assert refused(lambda: exchange(bench, info=None)).code == "waba_ambiguous"
    signup = exchange(bench)
    assert signup.claimed == "1001"
    assert bench.meta.calls.count("exchange") == 1


def test_a_second_code_that_fails_keeps_the_token_of_the_first(bench: Bench) -> None:
    bench.meta.granted = ["8", WABA]
    refused(lambda: exchange(bench, info=None))
    bench.meta.troubles["exchange"] = [Permanent("code_invalid", status=400)]
    assert refused(lambda: exchange(bench, "wrong")).code == "code_invalid"
    assert token(bench) == "token-of-code"
    assert choose_waba(bench.ports, bench.load(), WABA).waba is not None


def test_a_second_code_that_works_replaces_the_token(bench: Bench) -> None:
    bench.meta.granted = ["8", WABA]
    refused(lambda: exchange(bench, info=None))
    assert exchange(bench, "second").waba is not None
    assert token(bench) == "token-of-second"


# --- two at once


def test_while_a_code_is_exchanged_a_second_request_is_told_to_wait(bench: Bench) -> None:
    seen: list[Problem] = []
    bench.meta.meanwhile["exchange"] = lambda: seen.extend(
        refused(lambda code=code: exchange(bench, code))  # type: ignore[misc]
        for code in ("code", "another")
    )
    exchange(bench)
    assert [(problem.code, problem.retry_after) for problem in seen] == [("exchange_in_progress", 2)] * 2
    assert bench.meta.calls.count("exchange") == 1


@pytest.mark.parametrize(("code", "after"), [("code", SAME_CODE), ("another", IN_PROGRESS)])
def test_a_request_that_died_stands_in_the_way_for_seconds(bench: Bench, code: str, after: timedelta) -> None:
    class Died(BaseException):
        pass

    bench.meta.troubles["exchange"] = [Died()]  # type: ignore[list-item]
    with pytest.raises(Died):
        exchange(bench)
    bench.clock.advance(after - timedelta(seconds=1))
    assert refused(lambda: exchange(bench, code)).code == "exchange_in_progress"
    bench.clock.advance(timedelta(seconds=1))
    assert exchange(bench, code).waba is not None


def test_a_slow_answer_that_comes_after_a_newer_code_counts(bench: Bench) -> None:
    """Ours is the one that worked; the newer one is told so."""

    def newer() -> None:
        bench.clock.advance(IN_PROGRESS)
        bench.meta.troubles["exchange"] = [Permanent("code_invalid", status=400)]
        assert refused(lambda: exchange(bench, "newer")).code == "code_invalid"

    bench.meta.meanwhile["exchange"] = newer
    assert exchange(bench).waba is not None
    assert token(bench) == "token-of-code"


def test_the_same_code_that_was_just_exchanged_is_asked_for_once_more(bench: Bench) -> None:
    """The other request has stored its token between our read and our write."""
    bench.meta.granted = ["8", WABA]
    read = bench.store.read
    turn = [True]

    def stale(kind: Any, *identity: str) -> Any:
        found = read(kind, *identity)
        if kind is Exchange and turn:
            turn.clear()
            refused(lambda: exchange(bench, info=None))
        return found

    bench.store.read = stale  # type: ignore[method-assign]
    problem = refused(lambda: exchange(bench))
    assert (problem.code, problem.retryable) == ("exchange_in_progress", True)
    assert exchange(bench).waba is not None
    assert bench.meta.calls.count("exchange") == 1


# --- Meta's refusals


@pytest.mark.parametrize(
    "code",
    [
        "code_expired",
        "code_already_used",
        "code_invalid",
        "meta_configuration",
        "waba_not_granted",
        "waba_locked",
        "waba_blocked",
    ],
)
def test_a_refusal_is_named_and_a_new_code_may_follow_at_once(bench: Bench, code: str) -> None:
    bench.meta.troubles["exchange"] = [Permanent(code, status=400)]
    assert refused(lambda: exchange(bench)).code == code
    assert stored(bench).running is None
    assert bench.count("MetaRefusals") == 1
    assert bench.count("MetaConfigurationErrors") == (code == "meta_configuration")
    assert exchange(bench, "fresh").waba is not None


@pytest.mark.parametrize("code", ["waba_locked", "waba_blocked"])
def test_an_account_that_meta_has_stopped_is_named_and_the_code_is_kept(bench: Bench, code: str) -> None:
    bench.meta.troubles["read_waba"] = [Permanent(code, status=403)]
    problem = refused(lambda: exchange(bench))
    assert (problem.code, problem.kind.status) == (code, 403)
    assert "Meta" in problem.detail
    assert exchange(bench).waba is not None
    assert bench.meta.calls.count("exchange") == 1


def test_what_is_wrong_with_our_configuration_is_told_to_the_operator_alone(bench: Bench) -> None:
    bench.meta.troubles["inspect"] = [Permanent("meta_configuration", reference="ask for a business token")]
    problem = refused(lambda: exchange(bench))
    assert problem.code == "meta_configuration"
    assert "token" not in problem.detail
    assert bench.count("MetaConfigurationErrors") == 1
    assert bench.telemetry.lines[-1][-1]["reference"] == "ask for a business token"


def test_an_unanswered_exchange_may_be_tried_once_more(bench: Bench) -> None:
    bench.meta.lost["exchange"] = [Ambiguous("meta_unavailable")]
    problem = refused(lambda: exchange(bench))
    assert (problem.code, problem.retryable) == ("meta_unavailable", True)
    assert "once more" in problem.detail
    assert exchange(bench).waba is not None


def test_a_throttled_exchange_says_when_to_come_again(bench: Bench) -> None:
    bench.meta.troubles["exchange"] = [Throttled("meta_unavailable", retry_after=17.5)]
    problem = refused(lambda: exchange(bench))
    assert (problem.code, problem.retry_after) == ("meta_unavailable", 17)


def test_when_our_own_secret_cannot_be_read_the_code_is_kept_for_a_repeat(bench: Bench) -> None:
    bench.meta.troubles["exchange"] = [UnavailableError("secret")]
    with pytest.raises(UnavailableError):
        exchange(bench)
    assert exchange(bench).waba is not None


# --- our own storage


def test_the_token_is_encrypted_and_stored_patiently(bench: Bench) -> None:
    failing_commits(bench, UnavailableError("table"), times=len(PAUSES), where=with_token)
    assert exchange(bench).waba is not None
    assert bench.clock.sleeps == list(PAUSES)


def test_keys_that_do_not_answer_for_a_moment_cost_no_code(bench: Bench) -> None:
    encrypt = bench.vault.encrypt
    left = [2]

    def shaky(plain: str, context: Any) -> str:
        if left[0]:
            left[0] -= 1
            raise UnavailableError("keys")
        return encrypt(plain, context)

    bench.vault.encrypt = shaky  # type: ignore[method-assign]
    assert exchange(bench).waba is not None


@pytest.mark.parametrize("what", ["keys", "table"])
def test_a_token_that_could_not_be_stored_leaves_nothing_in_the_way(bench: Bench, what: str) -> None:
    if what == "keys":
        bench.vault.broken = True
    else:
        failing_commits(bench, UnavailableError("table"), times=len(PAUSES) + 1, where=with_token)
    with pytest.raises(UnavailableError):
        exchange(bench)
    bench.vault.broken = False
    assert stored(bench).running is None
    assert exchange(bench, "fresh").waba is not None


def test_when_nothing_can_be_stored_the_exchange_cannot_be_taken_back(bench: Bench) -> None:
    def break_store() -> None:
        bench.store.broken = True

    bench.meta.meanwhile["exchange"] = break_store
    with pytest.raises(UnavailableError):
        exchange(bench)
    assert bench.telemetry.warnings() == ["a started exchange could not be taken back"]
    bench.store.broken = False
    bench.clock.advance(IN_PROGRESS)
    assert exchange(bench, "fresh").waba is not None


def test_a_write_that_somebody_overtakes_is_made_again(bench: Bench) -> None:
    failing_commits(bench, Conflict(), times=3, where=lambda record: isinstance(record, Exchange))
    assert exchange(bench).waba is not None


def test_an_exchange_that_everybody_writes_is_unavailable_and_asks_nobody(bench: Bench) -> None:
    failing_commits(bench, Conflict(), times=99, where=lambda record: isinstance(record, Exchange))
    with pytest.raises(UnavailableError):
        exchange(bench)
    assert bench.meta.calls == []


# --- what is written down of a failure


@pytest.mark.parametrize("code", ["code_expired", "code_already_used", "meta_configuration"])
def test_a_failed_exchange_is_a_fact_of_its_signup(bench: Bench, code: str) -> None:
    bench.meta.troubles["exchange"] = [Permanent(code, status=400)]
    with pytest.raises(Problem):
        exchange(bench)
    (_, fact) = bench.store.facts_of("s1", 9)
    assert (fact.type, fact.detail, fact.bus) == ("signup.exchange_failed", {"code": code}, True)


def test_a_number_that_is_not_in_the_waba_is_a_fact_too(bench: Bench) -> None:
    bench.meta.numbers = ["1002"]
    with pytest.raises(Problem):
        exchange(bench)
    assert bench.told() == ["signup.opened", "signup.exchange_failed"]


def test_a_closed_signup_has_no_more_facts(bench: Bench) -> None:
    exchange(bench)
    with pytest.raises(Problem, match="signup_closed"):
        exchange(bench, "another")
    assert bench.told() == ["signup.opened", "signup.authorized"]


def test_a_failure_that_cannot_be_written_down_is_answered_all_the_same(bench: Bench) -> None:
    bench.meta.troubles["exchange"] = [Permanent("code_expired", status=400)]
    failing_commits(
        bench, UnavailableError("table"), times=99, where=lambda record: isinstance(record, Signup)
    )
    with pytest.raises(Problem, match="code_expired"):
        exchange(bench)
    assert "a failed exchange could not be written down" in bench.telemetry.warnings()
