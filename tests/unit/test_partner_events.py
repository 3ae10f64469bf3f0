"""Whatever 360dialog sends is read, or refused as unreadable; it never crashes."""

import json
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onramp.domain.errors import Unreadable
from onramp.domain.ledger import LARGEST, EventRecord
from onramp.domain.partner_events import EVENT_RULES, read_channel, read_envelopes, read_event, reduced
from onramp.domain.states import Progress

FIELDS = (
    "id", "channel_id", "status", "hub_status", "setup_info", "phone_number", "waba_account", "external_id",
    "client", "client_id", "integration", "state", "cancelled_at", "billing_started_at", "created_at",
    "violation_type", "event", "type", "data",
)  # fmt: skip
WORDS = ("live", "running", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "+49 1", "..", "\ud800")

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
    | st.sampled_from(WORDS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=6),
    max_leaves=20,
)  # fmt: skip
names = st.sampled_from([*EVENT_RULES, "unknown"])


@settings(max_examples=400, deadline=None)
@given(names, values)
def test_any_data_of_any_event_is_read(name: str, data: Any) -> None:
    event = read_event({"id": "E1", "event": name, "data": data})
    assert event.name == name


@settings(max_examples=200, deadline=None)
@given(values)
def test_any_envelope_is_read_or_unreadable(envelope: Any) -> None:
    with suppress(Unreadable):
        read_event(envelope)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60))
def test_any_body_is_read_or_unreadable(body: bytes) -> None:
    with suppress(Unreadable):
        for envelope in read_envelopes(body):
            read_event(envelope)


def test_an_event_without_an_id_gets_one_from_its_content() -> None:
    one = read_event({"event": "x", "data": {"a": 1, "b": 2}})
    same = read_event({"data": {"b": 2, "a": 1}, "event": "x"})
    other = read_event({"event": "x", "data": {"a": 1, "b": 3}})
    assert one.id == same.id != other.id


def test_an_id_too_long_for_a_key_is_replaced() -> None:
    assert len(read_event({"id": "x" * 5_000, "event": "e"}).id) == 64


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"status": "created", "hub_status": "live"}, Progress.LIVE),
        ({"integration": {"state": "running"}}, Progress.RUNNING),
        ({"status": ["live"], "hub_status": {}}, None),
        ({}, None),
    ],
)
def test_the_furthest_word_tells_the_progress(data: Any, expected: Progress | None) -> None:
    assert read_channel(data).progress is expected


def test_360dialogs_own_waba_id_is_never_taken_for_metas() -> None:
    channel = read_channel({"waba_account": {"id": "360WA"}})
    assert channel.waba_id is None


def test_fields_are_found_at_the_top_and_in_their_parts() -> None:
    nested = read_channel({"id": "aCH", "setup_info": {"phone_number": "+49 1"}, "client": {"id": "c"}})
    flat = read_channel({"id": "aCH", "phone_number": "491", "client_id": "c"})
    assert nested == flat


@pytest.mark.parametrize("field", ["cancelled_at", "hub_status", "waba_account"])
def test_a_dead_channel_is_known_by_each_of_its_signs(field: str) -> None:
    signs: dict[str, Any] = {
        "cancelled_at": "2026-01-01T00:00:00Z",
        "hub_status": "terminated",
        "waba_account": {"status": "banned"},
    }
    assert read_channel({field: signs[field]}).dead
    assert not read_channel(json.loads("{}")).dead


# --- what is kept of an event


@settings(max_examples=400, deadline=None)
@given(names, values)
def test_a_reduced_event_reads_as_the_same_event(name: str, data: Any) -> None:
    event = read_event({"id": "E1", "event": name, "data": data})
    again = read_event(json.loads(reduced(event)))
    assert replace(again, raw="") == replace(event, raw="")


def test_an_event_of_any_size_is_kept_and_reads_as_the_same() -> None:
    event = read_event(
        {
            "id": "E1",
            "event": "channel_live",
            "data": {"id": "aCH", "phone_number": "+49 1", "more": "x" * LARGEST},
        }
    )
    record = EventRecord.of(event, datetime(2031, 1, 1, tzinfo=UTC))
    assert len(record.raw) < 1_000
    assert replace(record.event, raw="") == replace(event, raw="")


@settings(max_examples=200, deadline=None)
@given(names, values)
def test_whatever_an_event_holds_can_be_stored_and_read_again(name: str, data: Any) -> None:
    record = EventRecord.of(
        read_event({"id": "E1", "event": name, "data": data}), datetime(2031, 1, 1, tzinfo=UTC)
    )
    again = EventRecord.model_validate_json(record.model_dump_json())
    assert again == record
    assert again.event == record.event


def test_a_body_is_an_event_or_an_array_of_them() -> None:
    assert read_envelopes(b'{"event": "x"}') == [{"event": "x"}]
    assert read_envelopes(b'[{"event": "x"}, 7]') == [{"event": "x"}, 7]


@pytest.mark.parametrize("body", [b"", b"not json", b"7", b"[]", b"null", b"[" * 99_999, b"\xff"])
def test_a_body_without_an_event_is_unreadable(body: bytes) -> None:
    with pytest.raises(Unreadable):
        read_envelopes(body)
