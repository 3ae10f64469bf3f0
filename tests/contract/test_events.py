import random
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from onramp.domain.errors import LeaseLost, PutOff
from onramp.domain.partner_events import Channel, PartnerEvent, read_event
from onramp.ports import Conflict, DueItem, EventClaim
from tests.contract.conftest import Stores
from tests.contract.examples import CHANNEL, HOSTILE, event, pointer, signup

LEASE = timedelta(seconds=90)
PLACE = "WABA#w1"


def claimed(stores: Stores, owner: str = "run1", of: PartnerEvent | None = None) -> EventClaim:
    claim = stores.events.claim_event(of or event(), owner, stores.clock.now())
    assert claim is not None
    return claim


def parked(
    stores: Stores, of: PartnerEvent | None = None, place: str = PLACE, due_at: datetime | None = None
) -> EventClaim:
    """Claim an event and park it."""
    found = of or event()
    claim = claimed(stores, "parks", found)
    stores.events.park_event(claim, found, found.channel, place, now=stores.clock.now(), due_at=due_at)
    return claim


def places(stores: Stores, place: str = PLACE) -> list[str]:
    return [waiting.event.id for waiting in stores.events.parked(place)]


def test_the_first_claim_is_the_first_attempt(stores: Stores) -> None:
    assert claimed(stores) == EventClaim("e1", "run1", attempts=1)


def test_an_event_in_work_is_put_off_until_its_lease_is_over(stores: Stores) -> None:
    until = stores.clock.now() + LEASE
    claimed(stores)
    stores.clock.advance(LEASE - timedelta(microseconds=1))
    with pytest.raises(PutOff) as caught:
        claimed(stores, "run2")
    assert caught.value.until == until
    stores.clock.advance(timedelta(microseconds=1))
    assert claimed(stores, "run2") == EventClaim("e1", "run2", attempts=2)


def test_a_claim_repeated_by_its_owner_is_the_same_claim(stores: Stores) -> None:
    """As when the answer to the write was lost and boto3 has sent it again."""
    assert claimed(stores) == claimed(stores)


def test_a_finished_event_is_not_claimed_again(stores: Stores) -> None:
    stores.events.finish_event(claimed(stores), "applied")
    assert stores.events.claim_event(event(), "run2", stores.clock.now()) is None


def test_a_given_up_event_may_start_anew(stores: Stores) -> None:
    stores.events.release_event(claimed(stores), counted=True)
    stores.events.finish_event(claimed(stores, "run2"), "given_up:internal_error")
    assert claimed(stores, "run3") == EventClaim("e1", "run3", attempts=1)


def test_an_event_is_forgotten_after_thirty_days(stores: Stores) -> None:
    stores.events.finish_event(claimed(stores), "applied")
    stores.clock.advance(timedelta(days=30, seconds=-2))
    assert stores.events.claim_event(event(), "run2", stores.clock.now()) is None
    stores.clock.advance(timedelta(seconds=2))
    assert claimed(stores, "run3") == EventClaim("e1", "run3", attempts=1)
    stores.events.finish_event(claimed(stores, "run3"), "applied")
    assert stores.events.claim_event(event(), "run4", stores.clock.now()) is None


def test_a_released_event_counts_its_attempts(stores: Stores) -> None:
    stores.events.release_event(claimed(stores), counted=True)
    second = claimed(stores, "run2")
    assert second.attempts == 2
    stores.events.release_event(second, counted=False)
    assert claimed(stores, "run3").attempts == 2


def test_a_stale_owner_changes_nothing(stores: Stores) -> None:
    stale = claimed(stores)
    stores.clock.advance(LEASE)
    owner = claimed(stores, "run2")
    stores.events.release_event(stale, counted=True)
    stores.events.release_event(stale, counted=False)
    stores.events.finish_event(stale, "applied")
    with pytest.raises(LeaseLost):
        stores.events.park_event(stale, event(), CHANNEL, PLACE, now=stores.clock.now(), due_at=None)
    with pytest.raises(PutOff):
        claimed(stores, "run3")
    stores.events.finish_event(owner, "applied")
    assert stores.events.claim_event(event(), "run4", stores.clock.now()) is None
    assert places(stores) == []


def test_a_claim_ends_once(stores: Stores) -> None:
    claim = claimed(stores)
    stores.events.release_event(claim, counted=True)
    stores.events.finish_event(claim, "applied")
    stores.events.release_event(claim, counted=False)
    assert claimed(stores, "run2").attempts == 2


def test_hostile_event_ids_stay_apart(stores: Stores) -> None:
    for name in HOSTILE:
        stores.events.finish_event(claimed(stores, "run1", event(name)), "applied")
    for name in HOSTILE:
        assert stores.events.claim_event(event(name), "run2", stores.clock.now()) is None
    for name in ("a", "b", "a%2523b"):
        assert claimed(stores, "run2", event(name)).attempts == 1


def test_half_characters_are_kept(stores: Stores) -> None:
    odd = read_event({"id": "e\ud800", "event": "channel_created\udfff", "data": {"id": "\ud800"}})
    parked(stores, odd, f"CHANNEL#{odd.channel.id}", due_at=stores.clock.now())
    assert stores.signups.due(stores.clock.now(), 5) == [DueItem("e\ud800", "CHANNEL#\ud800")]
    assert [waiting.event for waiting in stores.events.parked("CHANNEL#\ud800")] == [odd]


# --- parking


def test_a_parked_event_waits_in_its_place(stores: Stores) -> None:
    sent = event(note="ß漢🙂", status="live")
    parked(stores, sent)
    (waiting,) = stores.events.parked(PLACE)
    assert waiting.event == sent
    assert waiting.place == PLACE
    assert list(stores.events.parked("WABA#w2")) == []


def test_a_parked_event_is_taken_with_its_history(stores: Stores) -> None:
    first_parked_at = stores.clock.now()
    parked(stores)
    stores.clock.advance(timedelta(minutes=5))
    claim = claimed(stores, "run2")
    assert claim == EventClaim("e1", "run2", 1, place=PLACE, parked_at=first_parked_at)
    stores.events.park_event(claim, event(), CHANNEL, PLACE, now=stores.clock.now(), due_at=None)
    stores.clock.advance(timedelta(minutes=5))
    assert claimed(stores, "run3") == replace(claim, owner="run3")


def test_attempts_start_again_when_an_event_is_parked(stores: Stores) -> None:
    for owner in ("run1", "run2"):
        stores.events.release_event(claimed(stores, owner), counted=True)
    stores.events.park_event(
        claimed(stores, "run3"), event(), CHANNEL, PLACE, now=stores.clock.now(), due_at=None
    )
    assert claimed(stores, "run4").attempts == 1


def test_a_parked_event_given_back_is_parked_still_and_due_soon(stores: Stores) -> None:
    parked(stores)
    claim = claimed(stores, "run2")
    assert places(stores) == ["e1"]
    stores.events.release_event(claim, counted=False)
    assert places(stores) == ["e1"]
    assert claimed(stores, "run3") == replace(claim, owner="run3")
    stores.events.release_event(replace(claim, owner="run3"), counted=True)
    assert claimed(stores, "run4") == replace(claim, owner="run4", attempts=2)
    soon = stores.clock.now() + timedelta(minutes=1)
    assert stores.signups.due(soon, 5) == [DueItem("e1", PLACE)]


def test_a_parked_event_survives_the_crash_of_its_run(stores: Stores) -> None:
    parked(stores)
    claim = claimed(stores, "crashes")
    stores.clock.advance(LEASE)
    assert places(stores) == ["e1"]
    assert claimed(stores, "run3") == replace(claim, owner="run3", attempts=2)


def test_a_parked_event_that_is_finished_leaves_its_place(stores: Stores) -> None:
    parked(stores, due_at=stores.clock.now())
    stores.events.finish_event(claimed(stores, "run2"), "stored")
    assert places(stores) == []
    assert not stores.signups.due(stores.clock.now(), 5)
    assert stores.events.claim_event(event(), "run3", stores.clock.now()) is None


def test_an_event_can_move_to_another_place(stores: Stores) -> None:
    parked(stores, place="CHANNEL#c1", due_at=stores.clock.now())
    claim = claimed(stores, "run2")
    stores.events.park_event(
        claim, event(), CHANNEL, PLACE, now=stores.clock.now(), due_at=stores.clock.now()
    )
    assert places(stores, "CHANNEL#c1") == []
    assert places(stores) == ["e1"]
    assert stores.signups.due(stores.clock.now(), 5) == [DueItem("e1", PLACE)]
    assert claimed(stores, "run3").place == PLACE


def test_a_parked_event_is_due_when_it_says_so(stores: Stores) -> None:
    now = stores.clock.now()
    parked(stores, due_at=now + timedelta(minutes=5))
    assert not stores.signups.due(now + timedelta(minutes=4), 5)
    assert stores.signups.due(now + timedelta(minutes=5), 5) == [DueItem("e1", PLACE)]
    stores.events.park_event(claimed(stores, "run2"), event(), CHANNEL, PLACE, now=now, due_at=None)
    assert not stores.signups.due(now + timedelta(days=1), 5)
    assert places(stores) == ["e1"]


def test_a_parked_event_is_forgotten_thirty_days_after_its_receipt(stores: Stores) -> None:
    parked(stores)
    stores.clock.advance(timedelta(days=20))
    stores.events.park_event(
        claimed(stores, "run2"), event(), CHANNEL, PLACE, now=stores.clock.now(), due_at=None
    )
    stores.clock.advance(timedelta(days=10, seconds=-2))
    assert places(stores) == ["e1"]
    stores.clock.advance(timedelta(seconds=2))
    assert places(stores) == []
    assert claimed(stores, "run3") == EventClaim("e1", "run3", attempts=1)


def submit(stores: Stores, digits: str = "4915123456789") -> None:
    stored = stores.signups.create_signup(signup(digits=digits), None)
    stores.signups.save(stored, claims=[pointer(stored)])


def test_an_event_is_not_parked_when_its_number_has_appeared(stores: Stores) -> None:
    claim = claimed(stores)
    submit(stores)
    with pytest.raises(Conflict):
        stores.events.park_event(claim, event(), CHANNEL, PLACE, now=stores.clock.now(), due_at=None)
    assert places(stores) == []
    stores.events.finish_event(claim, "applied")
    assert stores.events.claim_event(event(), "run2", stores.clock.now()) is None


@pytest.mark.parametrize(
    "channel",
    [
        Channel(id="c1", waba_id="w2", digits="4915123456789"),
        Channel(id="c1", waba_id="w1", digits="490000"),
        Channel(id="c1", waba_id="w1"),
        Channel(id="c1", digits="4915123456789"),
    ],
    ids=["other waba", "other digits", "no digits", "no waba"],
)
def test_only_the_same_number_in_the_same_waba_stands_in_the_way(stores: Stores, channel: Channel) -> None:
    submit(stores)
    stores.events.park_event(claimed(stores), event(), channel, PLACE, now=stores.clock.now(), due_at=None)
    assert places(stores) == ["e1"]


def test_hostile_places_stay_apart(stores: Stores) -> None:
    wabas = [*HOSTILE, "w", "w#1", "w%231"]
    for name in wabas:
        parked(stores, event(name), f"WABA#{name}", due_at=stores.clock.now())
    for name in wabas:
        assert places(stores, f"WABA#{name}") == [name]
    found = stores.signups.due(stores.clock.now(), 100)
    assert {(item.id, item.place) for item in found} == {(name, f"WABA#{name}") for name in wabas}


def test_many_events_wait_in_one_place(stores: Stores) -> None:
    names = [f"e{index:03d}" for index in range(30)]
    for name in names:
        parked(stores, event(name))
    assert sorted(places(stores)) == names


# --- large events


def noise(count: int) -> str:
    """Text that cannot be compressed much."""
    return "".join(chr(value) for value in random.Random(8).choices(range(0x4E00, 0x9FFF), k=count))


@pytest.mark.parametrize("size", [31_000, 33_000, 900_000])
def test_a_large_event_is_kept_whole(stores: Stores, size: int) -> None:
    sent = event(note="漢 x" * (size // 4))
    parked(stores, sent)
    (waiting,) = stores.events.parked(PLACE)
    assert waiting.event == sent


def test_an_event_that_cannot_be_made_small_keeps_what_matters(stores: Stores) -> None:
    sent = event(
        note=noise(300_000),
        client_id="xCL",
        status="live",
        billing_started_at="2026-01-01T00:00:00Z",
        created_at="2026-01-01T00:00:00.000Z",
        violation_type="SPAM",
    )
    parked(stores, sent)
    (waiting,) = stores.events.parked(PLACE)
    assert replace(waiting.event, raw="") == replace(sent, raw="")


def test_even_an_absurd_event_can_be_claimed(stores: Stores) -> None:
    sent = event(waba_account={"external_id": noise(300_000)})
    stores.events.finish_event(claimed(stores, "run1", sent), "given_up:ValueError")
    assert claimed(stores, "run2", sent).attempts == 1
