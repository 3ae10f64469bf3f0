"""Meta's own webhooks: read leniently, each change acting once, in any order."""

import itertools
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onramp.domain import number as life
from onramp.domain.errors import Unreadable
from onramp.domain.ledger import EventRecord
from onramp.domain.meta_events import read_changes
from onramp.domain.number import Number, WabaOf
from onramp.domain.partner_events import PartnerEvent, read_event, reduced
from onramp.domain.schedule import LOOK_AFTER
from onramp.domain.states import Attention, Progress, Status

type Json = dict[str, Any]

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
WABA = "2001"
PORTFOLIO = "3001"


def change(
    event: str, minute: int = 0, *, entry: str = WABA, field: str = "account_update", **value: Any
) -> Json:
    at = int((NOW - timedelta(hours=1) + timedelta(minutes=minute)).timestamp())
    return {"id": entry, "time": at, "changes": [{"field": field, "value": {"event": event, **value}}]}


def body(*entries: Json) -> bytes:
    return json.dumps({"object": "whatsapp_business_account", "entry": entries}).encode()


def events(*entries: Json) -> list[PartnerEvent]:
    return [read_event(envelope) for envelope in read_changes(body(*entries))]


def one(event: str, minute: int = 0, **value: Any) -> PartnerEvent:
    (found,) = events(change(event, minute, **value))
    return found


def number(**fields: Any) -> Number:
    made = Number(
        phone_number_id="1001",
        tenant="acme",
        signup_id="s",
        waba=WabaOf(id=WABA),
        created_at=NOW - timedelta(days=1),
        progress=Progress.CONNECTED,
        channel_id="c1",
        authorized_at=NOW - timedelta(days=1),
        **fields,
    )
    made.key = life.ChannelKey(secret="x", address="a", made_at=NOW)
    return made


def heard(*told: PartnerEvent, at: datetime = NOW) -> Number:
    found = number()
    for event in told:
        life.hear(found, event, at, LOOK_AFTER)
    return found


def restriction(
    minute: int, until: datetime, kind: str = "RESTRICTED_BIZ_INITIATED_MESSAGING"
) -> PartnerEvent:
    info = [{"restriction_type": kind, "expiration": int(until.timestamp())}]
    return one("ACCOUNT_RESTRICTION", minute, restriction_info=info)


def shown(found: Number) -> tuple[object, ...]:
    return (
        found.status,
        found.restriction,
        found.restricted_until,
        sorted(found.noticed),
        sorted(found.metas_words.items()),
        [entry.id for entry in found.metas_restrictions],
        found.freed_at,
    )


def test_a_partner_that_is_added_names_account_portfolio_and_solution() -> None:
    info = {"waba_id": WABA, "owner_business_id": PORTFOLIO, "solution_id": "77"}
    (event,) = events(change("PARTNER_ADDED", entry=PORTFOLIO, waba_info=info))
    assert (event.name, event.channel.waba_id, event.business_id, event.solution_id) == (
        "meta_partner_added",
        WABA,
        PORTFOLIO,
        "77",
    )
    assert event.is_metas
    assert event.at == NOW - timedelta(hours=1)


def test_the_portfolio_of_an_added_partner_is_never_taken_for_its_account() -> None:
    (event,) = events(change("PARTNER_ADDED", entry=PORTFOLIO))
    assert event.channel.waba_id is None
    assert event.business_id == PORTFOLIO


def test_a_copy_has_the_same_id_however_it_is_packed() -> None:
    first, second = change("ACCOUNT_DELETED"), change("PARTNER_REMOVED", 3)
    together = {event.id for event in events(first, second)}
    assert together == {event.id for entry in (second, first) for event in events(entry)}
    assert len(together) == 2
    assert events(change("ACCOUNT_DELETED", 1))[0].id not in together


def test_what_chats_say_is_not_kept() -> None:
    entry = {"id": WABA, "time": 1, "changes": [{"field": "messages", "value": {"text": {"body": "marked"}}}]}
    (envelope,) = read_changes(body(entry))
    assert "marked" not in json.dumps(envelope)
    event = read_event(envelope)
    assert (event.name, event.channel.waba_id, event.rule) == ("meta_messages", WABA, None)


@pytest.mark.parametrize(
    ("field", "event", "name"),
    [
        ("account_update", "VERIFIED_ACCOUNT", "meta_verified_account"),
        ("account_review_update", "", "meta_account_review_update"),
        ("message_template_status_update", "APPROVED", "meta_message_template_status_update_approved"),
        ("account_update", "+49 151 23456789", "meta_unnamed"),
    ],
)
def test_what_is_unknown_is_kept_under_a_name(field: str, event: str, name: str) -> None:
    (found,) = events(change(event, field=field))
    assert (found.name, found.rule) == (name, None)
    assert EventRecord.of(found, NOW).place == f"WABA#default#{WABA}"


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b"null", b'{"entry": 7}', b'{"entry": []}', b"\xff"])
def test_what_is_no_webhook_of_metas_is_unreadable(text: bytes) -> None:
    with pytest.raises(Unreadable):
        read_changes(text)


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
NAMES = st.sampled_from(
    ["PARTNER_ADDED", "PARTNER_REMOVED", "ACCOUNT_RESTRICTION", "DISABLED_UPDATE", "ACCOUNT_DELETED", "X"]
)


@settings(max_examples=200, deadline=None)
@given(JUNK, NAMES, JUNK, JUNK, JUNK)
def test_hostile_shapes_are_an_event_or_unreadable_and_never_a_crash(
    entry_id: Any, name: str, time: Any, info: Any, whole: Any
) -> None:
    value = {
        "event": name,
        "waba_info": info,
        "ban_info": info,
        "restriction_info": info,
        "violation_info": info,
    }
    entry = {"id": entry_id, "time": time, "changes": [{"field": "account_update", "value": value}, info]}
    for content in ({"entry": [entry, whole]}, {"entry": whole}, whole):
        try:
            envelopes = read_changes(json.dumps(content).encode())
        except Unreadable:
            continue
        for envelope in envelopes:
            event = read_event(envelope)
            EventRecord.of(event, NOW)
            assert read_event(json.loads(reduced(event))).name == event.name
            life.hear(number(), event, NOW, LOOK_AFTER)


def test_a_removed_partner_needs_a_person_and_a_proof() -> None:
    found = heard(one("PARTNER_REMOVED", disconnection_info={"reason": "USER_REMOVED"}))
    assert (found.status, found.attention, found.attention_code) == (
        Status.CONNECTED,
        Attention.PARTNER_REMOVED,
        "user_removed",
    )
    assert (found.unseen, found.due_at) == (life.Unseen.ASKED, NOW)


def test_a_partner_that_is_back_needs_nobody() -> None:
    found = heard(one("PARTNER_REMOVED"), one("PARTNER_ADDED", 5, waba_info={"waba_id": WABA}))
    assert found.attention is None
    assert [fact.type for fact in found.told][-1] == "number.attention_ended"


def test_what_was_said_before_the_customer_came_is_behind_it() -> None:
    found = number()
    found.authorized_at = NOW
    life.hear(found, one("PARTNER_REMOVED"), NOW, LOOK_AFTER)
    assert (found.attention, found.unseen) == (None, None)


def test_a_new_popup_ends_what_was_shown_on_metas_word() -> None:
    found = heard(one("ACCOUNT_DELETED"), one("ACCOUNT_OFFBOARDED"), restriction(0, NOW + timedelta(days=1)))
    life.reconnect(found, NOW)
    assert (found.noticed, found.restriction, found.metas_restrictions) == (set(), None, [])


def test_a_phone_that_was_changed_comes_back_by_itself() -> None:
    assert heard(one("ACCOUNT_OFFBOARDED")).attention is Attention.OFFBOARDED
    assert heard(one("ACCOUNT_OFFBOARDED"), one("ACCOUNT_RECONNECTED", 1)).attention is None


def test_a_restriction_lasts_until_the_last_of_its_ends() -> None:
    found = heard(restriction(0, NOW + timedelta(days=2)))
    assert (found.status, found.restricted_until) == (Status.RESTRICTED, NOW + timedelta(days=2))


def test_an_account_that_is_disabled_is_restricted_until_it_is_reinstated() -> None:
    planned = one("DISABLED_UPDATE", ban_info={"waba_ban_state": "SCHEDULE_FOR_DISABLE"})
    disabled = one("DISABLED_UPDATE", 1, ban_info={"waba_ban_state": "DISABLE"})
    reinstated = one("DISABLED_UPDATE", 2, ban_info={"waba_ban_state": "REINSTATE"})
    assert heard(planned).attention is Attention.DISABLE_PLANNED
    found = heard(planned, disabled)
    assert (found.attention, found.restriction) == (None, "account_disabled")
    found = heard(planned, disabled, reinstated)
    assert (found.attention, found.restriction) == (None, None)


def test_what_360dialog_tells_of_the_same_restriction_is_no_second_one() -> None:
    until = NOW + timedelta(days=1)
    info = {"restriction_type": "X", "expiration": int(until.timestamp())}
    theirs = read_event(
        {"id": "d1", "event": "account_restriction", "data": {"id": "c1", "restriction_info": [info]}}
    )
    metas = restriction(0, until, "X")
    for order in ((theirs, metas), (metas, theirs)):
        found = heard(*order)
        assert [fact.type for fact in found.told].count("number.restricted") == 1
        assert found.restricted_until == until


def test_what_meta_takes_back_it_takes_back_for_both() -> None:
    until = NOW + timedelta(days=1)
    theirs = read_event(
        {"id": "d1", "event": "account_restriction", "data": {"id": "c1", "until": until.isoformat()}}
    )
    back = one("DISABLED_UPDATE", 30, ban_info={"waba_ban_state": "REINSTATE"})
    found = number()
    life.hear(found, theirs, NOW - timedelta(hours=1), LOOK_AFTER)
    life.hear(found, restriction(0, until), NOW - timedelta(hours=1), LOOK_AFTER)
    life.hear(found, back, NOW, LOOK_AFTER)
    assert found.status == Status.CONNECTED


DAY = timedelta(days=1)
ALL = (
    one("PARTNER_REMOVED", 1),
    one("PARTNER_ADDED", 2, waba_info={"waba_id": WABA}),
    one("PARTNER_APP_UNINSTALLED", 2),
    one("ACCOUNT_OFFBOARDED", 3),
    one("ACCOUNT_RECONNECTED", 4),
    restriction(5, NOW + 9 * DAY),
    one("DISABLED_UPDATE", 6, ban_info={"waba_ban_state": "REINSTATE"}),
    restriction(7, NOW + 2 * DAY),
    one("ACCOUNT_VIOLATION", 8, violation_info={"violation_type": "SPAM"}),
    one("DISABLED_UPDATE", 9, ban_info={"waba_ban_state": "SCHEDULE_FOR_DISABLE"}),
    one("ACCOUNT_DELETED", 10),
)
WANTED = shown(heard(*ALL))


def test_in_their_own_order_they_end_as_they_should() -> None:
    found = heard(*ALL)
    assert (found.restriction, found.restricted_until) == ("account_restriction", NOW + 2 * DAY)
    assert found.noticed == {Attention.PARTNER_REMOVED, Attention.ACCOUNT_DELETED, Attention.DISABLE_PLANNED}


@settings(max_examples=150, deadline=None)
@given(st.permutations(ALL), st.lists(st.sampled_from(ALL), max_size=6))
def test_any_order_and_any_repetition_end_in_the_same_record(
    order: list[PartnerEvent], again: list[PartnerEvent]
) -> None:
    assert shown(heard(*order, *again)) == WANTED


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_a_restriction_that_was_taken_back_shows_the_one_that_came_later(order: tuple[int, ...]) -> None:
    told = (
        restriction(0, NOW + 9 * DAY),
        one("DISABLED_UPDATE", 1, ban_info={"waba_ban_state": "REINSTATE"}),
        restriction(2, NOW + DAY),
    )
    assert heard(*(told[index] for index in order)).restricted_until == NOW + DAY


def test_a_time_in_the_future_shuts_nobody_out() -> None:
    late = one("PARTNER_REMOVED", 60 * 24 * 365)
    back = one("PARTNER_ADDED", 61, waba_info={"waba_id": WABA})
    found = number()
    life.hear(found, late, NOW, LOOK_AFTER)
    life.hear(found, back, NOW + timedelta(minutes=5), LOOK_AFTER)
    assert found.attention is None


def test_a_reduced_event_says_the_same() -> None:
    for event in ALL:
        again = read_event(json.loads(reduced(event)))
        assert (again.id, again.name, again.at, again.until, again.over, again.channel.waba_id) == (
            event.id,
            event.name,
            event.at,
            event.until,
            event.over,
            event.channel.waba_id,
        )
