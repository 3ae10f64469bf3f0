from datetime import timedelta

import pytest

from onramp.domain.errors import LeaseLost, Problem
from onramp.domain.signup import Signup
from onramp.ports import Conflict, DueItem, NumberTaken, Pointer
from tests.contract.conftest import Stores
from tests.contract.examples import HOSTILE, event, pointer, signup

DAY = timedelta(hours=24)


def made(stores: Stores, signup_id: str = "s1", **values: str) -> Signup:
    return stores.signups.create_signup(signup(signup_id, now=stores.clock.now(), **values), None)


def test_a_signup_comes_back_as_it_was_stored(stores: Stores) -> None:
    stored = made(stores)
    assert stores.signups.load("s1") == stored == signup()


def test_an_unknown_signup_is_none(stores: Stores) -> None:
    assert stores.signups.load("s1") is None


def test_an_id_is_given_once(stores: Stores) -> None:
    made(stores)
    with pytest.raises(Conflict):
        made(stores)
    with pytest.raises(Conflict):
        stores.signups.create_signup(signup("s1"), ("key", "print"))
    assert stores.signups.create_signup(signup("s2"), ("key", "other")).id == "s2"


def test_what_is_given_out_is_a_copy(stores: Stores) -> None:
    given = signup()
    stores.signups.create_signup(given, None)
    given.numbers[0].attempts = 7
    first = stores.signups.load("s1")
    assert first is not None
    first.numbers[0].attempts = 8
    second = stores.signups.load("s1")
    assert second is not None
    assert second.numbers[0].attempts == 0


# --- idempotency


def test_a_repeat_gives_the_first_signup(stores: Stores) -> None:
    first = stores.signups.create_signup(signup("s1"), ("key", "print"))
    again = stores.signups.create_signup(signup("s2"), ("key", "print"))
    assert again == first
    assert stores.signups.load("s2") is None


def test_a_repeat_gives_the_signup_as_it_is_by_now(stores: Stores) -> None:
    first = stores.signups.create_signup(signup("s1"), ("key", "print"))
    first.reference = "later"
    changed = stores.signups.save(first)
    assert stores.signups.create_signup(signup("s2"), ("key", "print")) == changed


def test_a_key_with_another_body_is_refused(stores: Stores) -> None:
    stores.signups.create_signup(signup("s1"), ("key", "print"))
    with pytest.raises(Problem) as caught:
        stores.signups.create_signup(signup("s2"), ("key", "other"))
    assert caught.value.code == "idempotency_key_reused"
    assert stores.signups.load("s2") is None


def test_a_key_belongs_to_its_tenant(stores: Stores) -> None:
    stores.signups.create_signup(signup("s1", "acme"), ("key", "print"))
    assert stores.signups.create_signup(signup("s2", "bravo"), ("key", "other")).id == "s2"


def test_a_key_is_forgotten_after_a_day(stores: Stores) -> None:
    stores.signups.create_signup(signup("s1"), ("key", "print"))
    stores.clock.advance(DAY - timedelta(seconds=2))
    assert stores.signups.create_signup(signup("s2"), ("key", "print")).id == "s1"
    stores.clock.advance(timedelta(seconds=2))
    assert stores.signups.create_signup(signup("s3"), ("key", "other")).id == "s3"
    assert stores.signups.create_signup(signup("s4"), ("key", "other")).id == "s3"


def test_hostile_keys_and_tenants_stay_apart(stores: Stores) -> None:
    pairs = [(tenant, key) for tenant in HOSTILE for key in HOSTILE[:4]]
    pairs += [("a", "b#c"), ("a#b", "c"), ("a%23b", "c"), ("", "a"), ("a", " ")]
    for index, (tenant, key) in enumerate(pairs):
        stores.signups.create_signup(signup(f"s{index}", tenant), (key, f"print{index}"))
    for index, (tenant, key) in enumerate(pairs):
        again = stores.signups.create_signup(signup("again", tenant), (key, f"print{index}"))
        assert (again.id, again.tenant) == (f"s{index}", tenant)


def test_a_very_long_key_works(stores: Stores) -> None:
    keys = ["k" * 5000, "k" * 5001, "#" * 3000]
    for index, key in enumerate(keys):
        stores.signups.create_signup(signup(f"s{index}"), (key, "print"))
    assert stores.signups.create_signup(signup("s9"), (keys[1], "print")).id == "s1"


# --- saving


def test_a_save_counts_the_version_up(stores: Stores) -> None:
    stored = made(stores)
    stored.reference = "new"
    saved = stores.signups.save(stored)
    assert saved.version == stored.version + 1 or stored.version == saved.version == 1
    assert stores.signups.load("s1") == saved
    saved.reference = "newer"
    assert stores.signups.save(saved).version == 2


def test_a_save_upon_an_older_version_is_refused(stores: Stores) -> None:
    made(stores)
    first, second = stores.signups.load("s1"), stores.signups.load("s1")
    assert first is not None
    assert second is not None
    first.reference = "first"
    stores.signups.save(first)
    second.reference = "second"
    with pytest.raises(Conflict):
        stores.signups.save(second)
    assert (stored := stores.signups.load("s1")) is not None
    assert stored.reference == "first"


def test_a_signup_that_is_not_there_cannot_be_saved(stores: Stores) -> None:
    with pytest.raises(Conflict):
        stores.signups.save(signup())
    with pytest.raises(Conflict):
        stores.signups.save(signup(), claims=[pointer(signup())])
    assert stores.signups.find_claim("p-s1") is None


def test_hostile_signup_ids_find_nothing_else(stores: Stores) -> None:
    for index, name in enumerate(HOSTILE):
        stores.signups.create_signup(signup(name, f"tenant{index}"), None)
    for index, name in enumerate(HOSTILE):
        found = stores.signups.load(name)
        assert found is not None
        assert found.tenant == f"tenant{index}"
    for name in ("", "a", "x" * 4000, "\ud800", "a%23b%"):
        assert stores.signups.load(name) is None


# --- claims and pointers


def test_a_claim_takes_number_and_digits(stores: Stores) -> None:
    stored = made(stores)
    claim = pointer(stored)
    stores.signups.save(stored, claims=[claim])
    assert stores.signups.find_claim("p-s1") == claim
    assert stores.signups.find_digits("4915123456789") == claim
    assert stores.signups.find_channel("c1") is None


def test_a_claim_may_be_repeated_by_its_signup(stores: Stores) -> None:
    stored = stores.signups.save(made(stores), claims=[pointer(signup())])
    assert stores.signups.save(stored, claims=[pointer(stored)]).version == 2


def test_a_taken_number_is_refused_and_nothing_is_written(stores: Stores) -> None:
    first = stores.signups.save(made(stores, "s1"), claims=[pointer(signup("s1"), "p")])
    second = made(stores, "s2", digits="111")
    second.reference = "changed"
    claims = [pointer(second, "free"), pointer(second, "p")]
    with pytest.raises(NumberTaken) as caught:
        stores.signups.save(second, claims=claims)
    assert caught.value.phone_number_id == "p"
    stored = stores.signups.load("s2")
    assert stored is not None
    assert (stored.reference, stored.version) == (None, 0)
    assert stores.signups.find_claim("free") is None
    assert stores.signups.find_digits("111") is None
    assert stores.signups.find_claim("p") == pointer(first, "p")


def test_a_named_older_claim_may_be_replaced(stores: Stores) -> None:
    stores.signups.save(made(stores, "s1"), claims=[pointer(signup("s1"), "p")])
    second = made(stores, "s2")
    with pytest.raises(NumberTaken):
        stores.signups.save(second, claims=[pointer(second, "p")], replaces={"p": "s0", "other": "s1"})
    stores.signups.save(second, claims=[pointer(second, "p")], replaces={"p": "s1"})
    assert stores.signups.find_claim("p") == pointer(second, "p")
    assert stores.signups.find_digits("4915123456789") == pointer(second, "p")


def test_a_newer_version_counts_before_a_taken_number(stores: Stores) -> None:
    stores.signups.save(made(stores, "s1"), claims=[pointer(signup("s1"), "p")])
    stale = made(stores, "s2")
    stores.signups.save(stale.model_copy(deep=True))
    with pytest.raises(Conflict):
        stores.signups.save(stale, claims=[pointer(stale, "p")])


def test_the_newest_submission_has_the_digits(stores: Stores) -> None:
    first, second = made(stores, "s1"), made(stores, "s2")
    stores.signups.save(first, claims=[pointer(first)])
    stores.signups.save(second, claims=[pointer(second)])
    assert stores.signups.find_digits("4915123456789") == pointer(second)


def test_a_number_without_digits_has_no_digits_pointer(stores: Stores) -> None:
    stored = made(stores)
    stores.signups.save(stored, claims=[pointer(stored, digits="")])
    assert stores.signups.find_claim("p-s1") == pointer(stored, digits="")
    assert stores.signups.find_digits("") is None


def test_two_numbers_with_the_same_digits_are_claimed_together(stores: Stores) -> None:
    stored = made(stores)
    claims = [pointer(stored, "p1"), pointer(stored, "p2"), pointer(stored, "p2")]
    stores.signups.save(stored, claims=claims)
    assert stores.signups.find_claim("p1") == claims[0]
    assert stores.signups.find_digits("4915123456789") == claims[1]


def test_many_numbers_are_claimed_at_once(stores: Stores) -> None:
    stored = made(stores)
    claims = [pointer(stored, f"p{index}", f"49{index}") for index in range(48)]
    stores.signups.save(stored, claims=claims, channel=("c1", claims[0]))
    assert [stores.signups.find_claim(f"p{index}") for index in range(48)] == claims
    assert stores.signups.find_digits("4947") == claims[47]


def test_a_channel_leads_to_its_number(stores: Stores) -> None:
    stored = stores.signups.save(made(stores), channel=("c1", pointer(signup())))
    assert stores.signups.find_channel("c1") == pointer(stored)
    other = pointer(stored, "p2")
    stores.signups.save(stored, channel=("c1", other))
    assert stores.signups.find_channel("c1") == other


def test_hostile_ids_lead_to_their_own_numbers(stores: Stores) -> None:
    stored = made(stores)
    for name in HOSTILE:
        claim = pointer(stored, name, digits=name)
        stored = stores.signups.save(stored, claims=[claim], channel=(name, claim))
    for name in HOSTILE:
        expected = pointer(stored, name, digits=name)
        assert stores.signups.find_claim(name) == expected
        assert stores.signups.find_digits(name) == expected
        assert stores.signups.find_channel(name) == expected


def test_pointers_of_different_kinds_do_not_meet(stores: Stores) -> None:
    stored = made(stores)
    stores.signups.save(stored, claims=[pointer(stored, "1", "2")], channel=("3", pointer(stored)))
    assert stores.signups.find_claim("2") is stores.signups.find_claim("3") is None
    assert stores.signups.find_digits("1") is stores.signups.find_digits("3") is None
    assert stores.signups.find_channel("1") is stores.signups.find_channel("2") is None


# --- the end of an event


def test_an_event_ends_with_the_save_it_caused(stores: Stores) -> None:
    stored = made(stores)
    claim = stores.events.claim_event(event(), "run1", stores.clock.now())
    stores.signups.save(stored, done=claim, outcome="applied")
    assert stores.events.claim_event(event(), "run2", stores.clock.now()) is None


def test_a_parked_event_that_is_applied_is_parked_no_more(stores: Stores) -> None:
    stored = made(stores)
    now = stores.clock.now()
    claim = stores.events.claim_event(event(), "run1", now)
    assert claim is not None
    stores.events.park_event(claim, event(), event().channel, "WABA#w1", now=now, due_at=now)
    claim = stores.events.claim_event(event(), "run2", now)
    stores.signups.save(stored, done=claim, channel=("c1", pointer(stored)), outcome="applied")
    assert not stores.events.parked("WABA#w1")
    assert not stores.signups.due(now, 10)
    assert stores.events.claim_event(event(), "run3", now) is None


def test_nothing_is_written_when_the_event_has_another_owner(stores: Stores) -> None:
    stored = made(stores)
    lost = stores.events.claim_event(event(), "run1", stores.clock.now())
    stores.events.claim_event(event(), "run2", stores.clock.advance(timedelta(seconds=91)))
    stored.reference = "changed"
    with pytest.raises(LeaseLost):
        stores.signups.save(
            stored, claims=[pointer(stored)], channel=("c1", pointer(stored)), done=lost, outcome="applied"
        )
    unchanged = stores.signups.load("s1")
    assert unchanged is not None
    assert unchanged.reference is None
    assert stores.signups.find_claim("p-s1") is stores.signups.find_channel("c1") is None


def test_an_event_that_was_given_back_is_lost(stores: Stores) -> None:
    stored = made(stores)
    claim = stores.events.claim_event(event(), "run1", stores.clock.now())
    assert claim is not None
    stores.events.release_event(claim, counted=True)
    with pytest.raises(LeaseLost):
        stores.signups.save(stored, done=claim, outcome="applied")


def test_a_newer_version_does_not_end_the_event(stores: Stores) -> None:
    stale = made(stores)
    stores.signups.save(stale.model_copy(deep=True))
    claim = stores.events.claim_event(event(), "run1", stores.clock.now())
    with pytest.raises(Conflict):
        stores.signups.save(stale, done=claim, outcome="applied")
    fresh = stores.signups.load("s1")
    assert fresh is not None
    stores.signups.save(fresh, done=claim, outcome="applied")


# --- what is due


def due(stores: Stores, seconds: float = 0, limit: int = 100) -> list[DueItem]:
    return list(stores.signups.due(stores.clock.now() + timedelta(seconds=seconds), limit))


def test_only_what_is_due_is_found_oldest_first(stores: Stores) -> None:
    now = stores.clock.now()
    for name, seconds in (("late", -5), ("later", -1), ("latest", -50), ("soon", 5)):
        stored = made(stores, name)
        stored.numbers[0].due_at = now + timedelta(seconds=seconds)
        stores.signups.save(stored)
    made(stores, "idle")
    assert due(stores) == [DueItem("latest"), DueItem("late"), DueItem("later")]
    assert due(stores, limit=2) == [DueItem("latest"), DueItem("late")]
    assert due(stores, seconds=5) == [*due(stores), DueItem("soon")]


def test_a_signup_leaves_the_index_with_its_work(stores: Stores) -> None:
    stored = made(stores)
    stored.numbers[0].due_at = stores.clock.now()
    stored = stores.signups.save(stored)
    assert due(stores) == [DueItem("s1")]
    stored.numbers[0].due_at = None
    stores.signups.save(stored)
    assert due(stores) == []


def test_waiting_bus_events_are_due_work(stores: Stores) -> None:
    stored = made(stores)
    stored.tell("signup.authorized", stores.clock.now())
    stores.signups.save(stored)
    assert due(stores, 59) == []
    assert due(stores, 60) == [DueItem("s1")]


def test_signups_and_parked_events_are_due_in_one_order(stores: Stores) -> None:
    now = stores.clock.now()
    stored = made(stores, "a#b")
    stored.numbers[0].due_at = now - timedelta(seconds=2)
    stores.signups.save(stored)
    for seconds, event_id in ((1, "e#1"), (3, "e2")):
        claim = stores.events.claim_event(event(event_id), "run", now)
        assert claim is not None
        due_at = now - timedelta(seconds=seconds)
        stores.events.park_event(claim, event(event_id), event().channel, "WABA#w#1", now=now, due_at=due_at)
    expected = [DueItem("e2", "WABA#w#1"), DueItem("a#b"), DueItem("e#1", "WABA#w#1")]
    assert due(stores) == expected


def test_a_pointer_survives_its_signup_changing_hands(stores: Stores) -> None:
    """What a pointer says is what its writer said, whatever is in the signup."""
    stored = made(stores)
    claim = Pointer("s1", "p", "ten#ant", "w#1", "49")
    stores.signups.save(stored, claims=[claim], channel=("c", claim))
    assert stores.signups.find_claim("p") == stores.signups.find_channel("c") == claim
