"""A wish for numbers is one write with its work; a number belongs to one signup of one tenant."""

from collections.abc import Callable
from typing import Any

import pytest

from onramp.adapters.memory import START
from onramp.domain import number as life
from onramp.domain.errors import (
    Conflict,
    Permanent,
    Throttled,
    Transient,
    UnavailableError,
    UpstreamError,
)
from onramp.domain.number import Number
from onramp.domain.signup import Listed, Signup
from onramp.domain.states import Attention, Progress, Step
from onramp.usecases.changing import change_number
from onramp.usecases.list_numbers import listed_in
from onramp.usecases.submit_numbers import AT_ONCE, PROVED, TRIES, submit_numbers
from onramp.usecases.wishes import retry_signup
from tests.problems import refused
from tests.unit.usecases.bench import WABA, Bench, digits, failed

# --- which numbers


def test_named_numbers_are_taken_with_their_work_in_one_write_and_woken_in_one_request(bench: Bench) -> None:
    signup = bench.signup(numbers=("1001", "1002", "1003"))
    saved = submit_numbers(bench.ports, signup, ["1002", "1001", "1002"], None)
    assert saved == bench.load()
    assert saved.submitted == ["1002", "1001"]
    assert saved.counts == {"onboarding": 2}
    assert bench.queue.numbers == ["1002", "1001"]
    number = bench.number("1002")
    assert (number.progress, number.due_at, number.tenant) == (Progress.PENDING, bench.now, "acme")
    assert (number.digits, number.reference, number.plan_tier) == (digits("1002"), "ref", "regular")
    assert number.authorized_at == signup.authorized_at
    assert bench.told() == ["number.pending"] * 2


def test_the_number_the_browser_claimed_is_taken_without_naming_it(bench: Bench) -> None:
    signup = bench.signup(numbers=("1001", "1002"), claimed="1002")
    assert submit_numbers(bench.ports, signup, (), None).submitted == ["1002"]


def test_the_only_number_is_taken_without_naming_it(bench: Bench) -> None:
    assert submit_numbers(bench.ports, bench.signup(), (), None).submitted == ["1001"]


@pytest.mark.parametrize("numbers", [("1001", "1002"), ()], ids=["several", "none"])
def test_without_a_claim_the_caller_is_asked(bench: Bench, numbers: tuple[str, ...]) -> None:
    problem = refused(lambda: submit_numbers(bench.ports, bench.signup(numbers=numbers), (), None))
    assert problem.code == "number_ambiguous"
    assert problem.candidates is not None
    assert [candidate["phone_number_id"] for candidate in problem.candidates] == list(numbers)


def test_before_the_proof_nothing_can_be_submitted(bench: Bench) -> None:
    signup = bench.signup(waba="2001")
    signup.waba = None
    assert refused(lambda: submit_numbers(bench.ports, signup, (), None)).code == "not_authorized_yet"


def test_a_number_that_is_not_the_wabas_is_named(bench: Bench) -> None:
    problem = refused(lambda: submit_numbers(bench.ports, bench.signup(), ["1001", "999"], None))
    assert problem.code == "number_not_in_waba"
    assert problem.errors[0]["field"] == "phone_number_ids.1"
    assert bench.load().submitted == []


def test_the_plan_tier_of_the_call_wins_over_the_signups(bench: Bench) -> None:
    submit_numbers(bench.ports, bench.signup(), (), "premium")
    assert bench.number().plan_tier == "premium"


def test_very_many_numbers_are_taken_in_several_writes(bench: Bench) -> None:
    names = [f"{index:04d}" for index in range(2 * AT_ONCE + 5)]
    saved = submit_numbers(bench.ports, bench.signup(numbers=names), names, None)
    assert saved.submitted == names
    assert saved.counts == {"onboarding": len(names)}
    assert bench.queue.numbers == names


# --- again


def test_a_repeat_sends_a_lost_job_again_and_changes_nothing(bench: Bench) -> None:
    signup = bench.submit()
    again = submit_numbers(bench.ports, bench.load(), (), None)
    assert again.version == signup.version
    assert bench.queue.numbers == ["1001"]


def test_a_second_wish_for_more_numbers_adds_them(bench: Bench) -> None:
    signup = bench.signup(numbers=("1001", "1002"))
    submit_numbers(bench.ports, signup, ["1001"], None)
    saved = submit_numbers(bench.ports, bench.load(), ["1001", "1002"], None)
    assert saved.submitted == ["1001", "1002"]


def test_when_the_queue_does_not_answer_the_wish_is_stored(bench: Bench) -> None:
    bench.queue.broken = True
    problem = refused(lambda: submit_numbers(bench.ports, bench.signup(), (), None))
    assert (problem.code, problem.retryable) == ("unavailable", True)
    assert bench.number().due_at == bench.now
    bench.queue.broken = False
    submit_numbers(bench.ports, bench.load(), (), None)
    assert bench.queue.numbers == ["1001"]


def contested(bench: Bench, losses: int) -> None:
    commit = bench.store.commit
    left = [losses]

    def lose(*records: Any, **more: Any) -> None:
        if left[0]:
            left[0] -= 1
            raise Conflict
        commit(*records, **more)

    bench.store.commit = lose  # type: ignore[method-assign]


def test_a_lost_race_is_run_again(bench: Bench) -> None:
    signup = bench.signup()
    contested(bench, 2)
    assert submit_numbers(bench.ports, signup, (), None).submitted == ["1001"]
    assert len(bench.store.facts_of("s1", 99)) == 1


def test_a_race_that_is_always_lost_has_an_end(bench: Bench) -> None:
    signup = bench.signup()
    contested(bench, 999)
    with pytest.raises(UnavailableError):
        submit_numbers(bench.ports, signup, (), None)
    assert len(bench.clock.sleeps) == TRIES


# --- whose number it is


def test_a_number_of_another_tenant_is_taken_and_nothing_is_written(bench: Bench) -> None:
    bench.submit()
    other = bench.signup("s2", ("1001", "1002"), tenant="bravo")
    problem = refused(lambda: submit_numbers(bench.ports, other, ["1002", "1001"], None))
    assert problem.code == "number_taken"
    assert "acme" not in problem.detail
    assert "s1" not in problem.detail
    assert bench.load("s2").submitted == []
    assert bench.number().signup_id == "s1"


def test_a_later_signup_of_the_tenant_takes_the_number_over(bench: Bench) -> None:
    bench.connected()
    bench.wait(60)
    later = bench.signup("s2", reference="new", plan_tier="premium")
    submit_numbers(bench.ports, later, (), None)
    number = bench.number()
    assert (number.signup_id, number.reference, number.plan_tier) == ("s2", "new", "premium")
    assert (number.status, bool(number.unseen), number.life) == ("connected", True, 1)
    assert bench.load("s1").submitted == []
    assert bench.load("s1").counts == {}
    assert bench.load("s2").counts == {"connected": 1}
    assert bench.told("s2") == ["number.reconnect"]
    bench.work()
    assert not bench.number().unseen


def test_several_numbers_of_one_older_signup_are_taken_over_in_one_write(bench: Bench) -> None:
    names = ["1001", "1002", "1003"]
    bench.submit(numbers=names)
    later = bench.signup("s2", names)
    saved = submit_numbers(bench.ports, later, names, None)
    assert saved.counts == {"onboarding": 3}
    assert (bench.load("s1").submitted, bench.load("s1").counts) == ([], {})


def test_a_number_whose_older_signup_is_gone_is_taken_over_all_the_same(bench: Bench) -> None:
    bench.submit()
    bench.change(signup_id="gone")
    assert submit_numbers(bench.ports, bench.signup("s2"), (), None).submitted == ["1001"]


def test_a_failed_number_goes_on_in_the_later_signup(bench: Bench) -> None:
    bench.submit()
    failed(bench)
    submit_numbers(bench.ports, bench.signup("s2"), (), None)
    assert bench.load("s2").counts == {"onboarding": 1}
    bench.work()
    assert bench.number().progress == Progress.SUBMITTED
    assert refused(lambda: retry_signup(bench.ports, bench.load("s1"))).code == "nothing_to_retry"


def test_a_cancelled_number_begins_a_new_life_with_a_look(bench: Bench) -> None:
    bench.connected()
    bench.tell("cancellation_processed")
    bench.partner.channels = []
    submit_numbers(bench.ports, bench.signup("s2"), (), None)
    number = bench.number()
    assert (number.life, number.channel_id, number.ended_channels) == (2, None, ["c1"])
    calls = len(bench.partner.calls)
    bench.work()
    assert bench.partner.calls[calls:] == ["list_channels", "submit_number"]


def other_tenant(bench: Bench, **more: Any) -> Signup:
    return bench.signup("s2", tenant="bravo", **more)


def never_submitted(bench: Bench) -> None:
    """A number that failed before 360dialog heard of it."""
    bench.submit()
    change_number(
        bench.ports, "1001", lambda number: life.fail(number, "client_rejected", Step.SUBMIT, bench.now)
    )


def ended(bench: Bench) -> None:
    """A number whose channel has ended for good."""

    def end(number: Number) -> None:
        number.cancelled_at, number.due_at, number.key, number.final = bench.now, None, None, True

    bench.connected()
    change_number(bench.ports, "1001", end)


@pytest.mark.parametrize("become_free", [never_submitted, ended])
def test_a_free_number_goes_to_another_tenant_who_has_proved_it(
    bench: Bench, become_free: Callable[[Bench], None]
) -> None:
    become_free(bench)
    bench.wait(60)
    saved = submit_numbers(bench.ports, other_tenant(bench, reference="theirs"), (), None)
    number = bench.number()
    assert (number.tenant, number.signup_id, number.reference) == ("bravo", "s2", "theirs")
    assert (number.status, number.due_at, number.created_at) == ("pending", bench.now, bench.now)
    assert (number.channel_id, number.key, number.client_id, number.failure) == (None, None, None, None)
    assert list(number.steps) == [Progress.PENDING]
    assert saved.counts == {"onboarding": 1}
    assert (bench.load("s1").submitted, bench.load("s1").counts) == ([], {})
    assert "number.released" in bench.told("s1")
    assert bench.told("s2") == ["number.pending"]
    assert bench.queue.numbers[-1:] == ["1001"]
    assert bench.meta.calls == []


def test_who_lost_a_number_can_have_it_back_in_the_same_way(bench: Bench) -> None:
    never_submitted(bench)
    submit_numbers(bench.ports, other_tenant(bench), (), None)
    assert refused(lambda: submit_numbers(bench.ports, bench.load("s1"), (), None)).code == "number_taken"


def test_a_free_number_is_not_given_away_on_an_old_proof(bench: Bench) -> None:
    never_submitted(bench)
    other = other_tenant(bench)
    bench.give_token("s2", tenant="bravo")
    bench.wait(PROVED.total_seconds())
    unproved: tuple[list[str] | None, ...] = (None, [])
    for seen in unproved:
        bench.meta.whole["token-of-s2", WABA] = seen
        problem = refused(lambda: submit_numbers(bench.ports, other, (), None))
        assert (problem.code, "old" in problem.detail) == ("number_taken", True)
    bench.meta.whole["token-of-s2", WABA] = ["1001"]
    submit_numbers(bench.ports, other, (), None)
    assert bench.number().tenant == "bravo"


def test_a_number_that_its_old_waba_lists_no_more_goes_to_who_has_it_now(bench: Bench) -> None:
    bench.connected()
    bench.give_token("s1")
    bench.meta.whole["token-of-s1", WABA] = ["1002"]
    submit_numbers(bench.ports, other_tenant(bench, waba="2002"), (), None)
    number = bench.number()
    assert (number.tenant, number.waba.id, number.status) == ("bravo", "2002", "pending")
    assert "c1" in number.ended_channels
    assert bench.told("s1")[-1] == "number.released"


def test_meta_is_asked_once_about_many_numbers_that_have_moved(bench: Bench) -> None:
    names = [f"{index:04d}" for index in range(2 * AT_ONCE)]
    bench.submit(numbers=names)
    bench.give_token("s1")
    bench.meta.whole["token-of-s1", WABA] = []
    other = bench.signup("s2", names, tenant="bravo", waba="2002")
    assert submit_numbers(bench.ports, other, names, None).submitted == names
    assert bench.meta.calls == ["whole_list"]


@pytest.mark.parametrize("case", ["listed", "unsure", "token dead", "no token", "away", "keys broken"])
def test_a_number_stays_its_owners_while_it_is_not_sure_that_it_has_moved(bench: Bench, case: str) -> None:
    bench.connected()
    if case != "no token":
        bench.give_token("s1")
    seen: dict[str, list[str] | None] = {"listed": ["1001"], "unsure": None, "away": [], "keys broken": []}
    if case in seen:
        bench.meta.whole["token-of-s1", WABA] = seen[case]
    if case == "away":
        bench.meta.troubles["whole_list"] = [Transient("meta_unavailable")]
    bench.vault.broken = case == "keys broken"
    problem = refused(lambda: submit_numbers(bench.ports, other_tenant(bench, waba="2002"), (), None))
    assert problem.code == "number_taken"
    assert (bench.number().tenant, bench.load("s2").submitted) == ("acme", [])


def test_a_number_whose_owner_is_in_the_same_waba_has_not_moved(bench: Bench) -> None:
    bench.connected()
    bench.give_token("s1")
    bench.meta.whole["token-of-s1", WABA] = []
    problem = refused(lambda: submit_numbers(bench.ports, other_tenant(bench), (), None))
    assert problem.code == "number_taken"
    assert bench.meta.calls == []


@pytest.mark.parametrize(
    ("state", "waba", "says"),
    [
        ({}, WABA, ("connected", "cancelled it.")),
        ({}, "2002", ("connected", "removed from the WABA")),
        ({"restriction": "account_restriction"}, "2002", ("restricted by Meta", "cancelled")),
        ({"ending_at": START}, "2002", ("end is under way",)),
        ({"progress": Progress.LIVE}, "2002", ("being connected", "cancelled")),
    ],
)
def test_a_taken_number_says_what_would_help_and_nothing_of_its_owner(
    bench: Bench, state: dict[str, Any], waba: str, says: tuple[str, ...]
) -> None:
    bench.connected()
    bench.change(**state)
    problem = refused(lambda: submit_numbers(bench.ports, other_tenant(bench, waba=waba), (), None))
    assert (problem.code, problem.phone_number_id) == ("number_taken", "1001")
    assert all(part in problem.detail for part in says), problem.detail
    assert not [word for word in ("acme", "s1", WABA, "owner@") if word in problem.detail]


# --- what Meta says of a number


def listed_with(bench: Bench, **words: Any) -> Signup:
    """A signup whose only number has Meta's words."""
    signup = bench.signup()
    part = bench.store.read(Listed, "s1", "000")
    assert part is not None
    part.numbers = [part.numbers[0].model_copy(update=words)]
    bench.store.commit(part)
    return signup


REFUSED = [
    ({"verification": "NOT_VERIFIED"}, "number_not_verified"),
    ({"verification": "not_verified", "meta_status": "PENDING"}, "number_not_verified"),
    ({"meta_status": " Unverified "}, "number_not_verified"),
    ({"meta_status": "BANNED", "verification": "VERIFIED"}, "number_banned"),
    ({"meta_status": "deleted"}, "number_deleted"),
    ({"meta_status": "MIGRATED", "verification": "NOT_VERIFIED"}, "number_moved"),
]


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize(("words", "code"), REFUSED)
def test_a_number_that_cannot_be_onboarded_is_refused_with_what_to_do(
    bench: Bench, words: dict[str, str], code: str, named: bool
) -> None:
    signup = listed_with(bench, **words)
    problem = refused(lambda: submit_numbers(bench.ports, signup, ["1001"] if named else (), None))
    assert (problem.code, problem.kind.status, problem.phone_number_id) == (code, 422, "1001")
    assert problem.errors[0]["field"] == ("phone_number_ids.0" if named else "phone_number_ids")
    assert "customer" in problem.detail
    assert bench.store.read(Number, "1001") is None


@pytest.mark.parametrize("words", [words for words, _ in REFUSED])
def test_a_number_that_was_mended_at_meta_meanwhile_is_taken(bench: Bench, words: dict[str, str]) -> None:
    signup = listed_with(bench, **words)
    bench.give_token()
    bench.meta.words["1001"] = {"verification": "VERIFIED", "name_status": "APPROVED"}
    submit_numbers(bench.ports, signup, (), None)
    number = bench.number()
    assert (number.verification, number.name_status) == ("VERIFIED", "APPROVED")
    assert bench.meta.calls == ["read_numbers"]
    submit_numbers(bench.ports, bench.load(), (), None)
    assert bench.meta.calls == ["read_numbers"]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ({"verification": "EXPIRED"}, "expired"),
        ({"verification": "NOT_VERIFIED", "meta_status": "connected"}, "not_verified"),
    ],
)
def test_a_number_that_may_still_work_is_taken_with_a_warning(
    bench: Bench, words: dict[str, str], code: str
) -> None:
    submit_numbers(bench.ports, listed_with(bench, **words), (), None)
    number = bench.number()
    assert (number.attention, number.attention_code) == (Attention.UNVERIFIED, code)
    assert bench.told() == ["number.pending", "number.attention"]
    bench.wait(60)
    submit_numbers(bench.ports, bench.signup("s2"), (), None)
    assert bench.number().attention is None


@pytest.mark.parametrize("word", [None, "", "VERIFIED", "A_WORD_OF_TOMORROW", "\ufffd", "x" * 200, "0"])
def test_a_word_that_nobody_knows_stands_in_no_ones_way(bench: Bench, word: str | None) -> None:
    submit_numbers(bench.ports, listed_with(bench, verification=word, meta_status=word), (), None)
    assert bench.number().attention is None


def test_a_repeat_for_a_number_that_is_taken_is_never_refused(bench: Bench) -> None:
    bench.submit()
    part = bench.store.read(Listed, "s1", "000")
    assert part is not None
    part.numbers = [part.numbers[0].model_copy(update={"meta_status": "BANNED"})]
    bench.store.commit(part)
    assert submit_numbers(bench.ports, bench.load(), (), None).submitted == ["1001"]
    assert bench.meta.calls == []


# --- numbers that were not listed yet


@pytest.mark.parametrize("ids", [(), ("1001",)])
def test_a_number_that_is_listed_later_needs_no_new_popup(bench: Bench, ids: tuple[str, ...]) -> None:
    signup = bench.signup(numbers=())
    bench.give_token()
    assert submit_numbers(bench.ports, signup, ids, None).submitted == ["1001"]
    assert [number.phone_number_id for number in listed_in(bench.ports, bench.load())] == ["1001"]
    assert bench.meta.calls == ["read_numbers"]


def test_a_list_that_shrinks_leaves_nothing_behind(bench: Bench) -> None:
    signup = bench.signup(numbers=[f"{index:04d}" for index in range(250)])
    bench.give_token()
    for numbers in (["7", "8"], [f"{index:04d}" for index in range(300, 620)], ["9"], []):
        bench.meta.numbers = numbers
        refused(lambda: submit_numbers(bench.ports, bench.load(), ["1001"], None))
        assert [number.phone_number_id for number in listed_in(bench.ports, bench.load())] == numbers
    assert signup.parts <= bench.load().parts


def test_a_list_that_is_the_same_is_not_written_again(bench: Bench) -> None:
    signup = bench.signup(numbers=())
    bench.give_token()
    bench.meta.numbers = []
    problem = refused(lambda: submit_numbers(bench.ports, signup, (), None))
    assert (problem.code, problem.candidates) == ("number_ambiguous", [])
    assert bench.load().version == signup.version


@pytest.mark.parametrize("dead", ["token", "no token"])
def test_with_a_token_that_reads_no_more_what_was_known_decides(bench: Bench, dead: str) -> None:
    if dead == "token":
        bench.give_token()
    bench.meta.troubles["read_numbers"] = [Permanent("waba_not_granted", status=401)]
    problem = refused(lambda: submit_numbers(bench.ports, bench.signup(), ["1001", "999"], None))
    assert problem.code == "number_not_in_waba"


@pytest.mark.parametrize(
    ("trouble", "code", "after"),
    [
        (Transient("meta_unavailable"), "meta_unavailable", None),
        (Throttled("meta_unavailable", retry_after=9.0), "meta_unavailable", 9),
        (Permanent("waba_locked", status=400), "waba_locked", None),
        (Permanent("waba_blocked", status=400), "waba_blocked", None),
        (Permanent("meta_configuration", status=400), "meta_configuration", None),
    ],
)
def test_when_meta_cannot_be_read_that_is_the_answer(
    bench: Bench, trouble: UpstreamError, code: str, after: int | None
) -> None:
    bench.give_token()
    bench.meta.troubles["read_numbers"] = [trouble]
    problem = refused(lambda: submit_numbers(bench.ports, bench.signup(), ["999"], None))
    assert (problem.code, problem.retry_after) == (code, after)
    assert problem.retryable == (code == "meta_unavailable")
    assert bench.count("MetaRefusals") == 1
    assert bench.count("MetaConfigurationErrors") == (code == "meta_configuration")


def test_the_only_numbers_that_are_asked_about_are_those_that_are_unknown(bench: Bench) -> None:
    bench.give_token()
    signup = bench.signup(numbers=("1001", "1002"))
    assert refused(lambda: submit_numbers(bench.ports, signup, (), None)).code == "number_ambiguous"
    submit_numbers(bench.ports, signup, ["1001"], None)
    assert bench.meta.calls == []
