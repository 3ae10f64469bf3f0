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
    "violation_type", "event", "type", "data", "terminated_at", "fb_account_status", "meta_status", "error",
    "code", "restriction_info", "restriction_type", "expiration", "until", "violation_info", "waba_id",
)  # fmt: skip
WORDS = (
    "live", "Running", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "+49 1", "..", "\ud800",
    "restricted", "APPROVED", "ended", "20010", "1924000000", 1_924_000_000, 10**18, -(10**18),
)  # fmt: skip

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


@pytest.mark.parametrize(
    ("data", "progress", "dead"),
    [
        ({"status": "LIVE"}, Progress.LIVE, False),
        ({"status": "Running ", "hub_status": " Live"}, Progress.LIVE, False),
        ({"integration": {"state": "ReadY"}}, Progress.READY, False),
        ({"hub_status": "Pending_Deletion"}, None, True),
        ({"waba_account": {"status": "BSP_Removed"}}, None, True),
    ],
)
def test_words_count_in_any_case_of_letters(data: Any, progress: Progress | None, dead: bool) -> None:
    channel = read_channel(data)
    assert (channel.progress, channel.dead) == (progress, dead)


@pytest.mark.parametrize(
    ("data", "dead", "final"),
    [
        ({"terminated_at": "2031-01-01T00:00:00Z"}, True, True),
        ({"hub_status": "terminated"}, True, True),
        ({"hub_status": "deleted"}, True, True),
        ({"hub_status": "pending_deletion"}, True, False),
        ({"cancelled_at": "2031-01-01T00:00:00Z"}, True, False),
        ({"waba_account": {"status": "disabled"}}, True, False),
        ({"terminated_at": None, "cancelled_at": None}, False, False),
    ],
)
def test_an_end_is_final_only_when_nobody_can_take_it_back(data: Any, dead: bool, final: bool) -> None:
    channel = read_channel(data)
    assert (channel.dead, channel.final) == (dead, final)


def test_what_has_been_terminated_is_not_billed() -> None:
    began = {"billing_started_at": "2030-01-01T00:00:00Z"}
    assert read_channel(began).billed
    assert not read_channel({**began, "terminated_at": "2031-01-01T00:00:00Z"}).billed


@pytest.mark.parametrize("name", ["external_id", "channel_external_id", "phone_number_id"])
def test_metas_id_of_a_number_has_several_names(name: str) -> None:
    assert read_channel({name: "106540352242922"}).external_id == "106540352242922"
    assert read_channel({name: 106540352242922}).external_id == "106540352242922"


# --- restrictions


@pytest.mark.parametrize(
    ("data", "restricted"),
    [
        ({"waba_account": {"fb_account_status": "Restricted"}}, True),
        ({"waba_account": {"fb_account_status": "approved"}}, False),
        ({"waba_account": {"fb_account_status": "approved"}, "meta_status": "BLOCKED"}, True),
        ({"waba_account": {"fb_account_status": "pending"}}, None),
        ({"waba_account": {"fb_account_status": None}}, None),
        ({"waba_account": None}, None),
        ({}, None),
    ],
)
def test_a_channel_shows_what_meta_thinks_of_it_or_nothing(data: Any, restricted: bool | None) -> None:
    assert read_channel(data).restricted is restricted


def restriction(**data: Any) -> Any:
    return read_event({"id": "E1", "event": "account_restriction", "data": data})


NEW_YEAR = datetime(2031, 1, 1, tzinfo=UTC)
AT_NEW_YEAR = int(NEW_YEAR.timestamp())


@pytest.mark.parametrize(
    ("data", "until"),
    [
        ({"restriction_info": [{"expiration": AT_NEW_YEAR}]}, NEW_YEAR),
        ({"restriction_info": [{"expiration": str(AT_NEW_YEAR)}]}, NEW_YEAR),
        ({"restriction_info": {"expires_at": "2031-01-01T00:00:00Z"}}, NEW_YEAR),
        ({"restriction_info": [{"expiration": 5}, {"expiration": AT_NEW_YEAR}]}, NEW_YEAR),
        ({"restriction_info": [{"expiration": AT_NEW_YEAR}, {"restriction_type": "X"}]}, None),
        ({"restriction_info": [{"expiration": None}]}, None),
        ({"restriction_info": None, "until": AT_NEW_YEAR}, NEW_YEAR),
        ({"until": AT_NEW_YEAR}, NEW_YEAR),
        ({"until": 10**30}, None),
        ({"until": True}, None),
        ({"until": "soon"}, None),
        ({}, None),
    ],
)
def test_a_restriction_ends_when_the_last_of_it_ends(data: Any, until: datetime | None) -> None:
    assert restriction(**data).until == until


@pytest.mark.parametrize(
    ("data", "detail"),
    [
        ({"violation_type": "SCAM"}, "SCAM"),
        ({"violation_info": {"violation_type": "SPAM"}}, "SPAM"),
        ({"restriction_info": [{"restriction_type": "A"}, {"restriction_type": "B"}, {}]}, "A,B"),
        ({"violation_type": ["SCAM"]}, ""),
        ({}, ""),
    ],
)
def test_a_violation_has_a_name_where_meta_gives_one(data: Any, detail: str) -> None:
    assert restriction(**data).detail == detail


@pytest.mark.parametrize("word", ["ended", "Lifted", "REINSTATE"])
@pytest.mark.parametrize("name", ["state", "status", "violation_type"])
def test_an_event_of_a_restriction_may_tell_of_its_end(name: str, word: str) -> None:
    assert restriction(**{name: word}).over
    assert not restriction(**{name: "active"}).over


@pytest.mark.parametrize(
    ("data", "waba", "about_waba"),
    [
        ({"id": "20010"}, "20010", True),
        ({"id": 20010}, "20010", True),
        ({"waba_account": {"external_id": "20010"}}, "20010", True),
        ({"id": "aBcCH", "waba_account": {"external_id": "20010"}}, "20010", False),
        ({"id": "20010", "phone_number": "+49 151 1"}, "20010", False),
        ({"id": "20010", "phone_number_id": "1001"}, "20010", False),
        ({"phone_number": "+49 151 1"}, None, False),
        ({}, None, False),
    ],
)
def test_a_restriction_names_a_channel_a_number_or_a_waba(
    data: Any, waba: str | None, about_waba: bool
) -> None:
    event = restriction(**data)
    assert (event.channel.waba_id, event.about_waba) == (waba, about_waba)


def test_only_what_restricts_or_forgives_is_about_a_whole_waba() -> None:
    event = read_event({"event": "channel_live", "data": {"waba_account": {"external_id": "20010"}}})
    assert not event.about_waba
    assert read_event({"event": "channel_live", "data": {"id": "20010"}}).channel.id == "20010"


# --- errors that 360dialog puts on a channel


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ({"code": 131042, "title": "Payment issue"}, "131042"),
        ({"error_code": "2388093"}, "2388093"),
        ({"type": "OAuthException"}, "OAuthException"),
        ({"message": "owner@example.com has not paid"}, "unspecified"),
        ({"title": "Two words"}, "unspecified"),
        ([{"code": 1}], "unspecified"),
        ("phone_already_registered", "phone_already_registered"),
        ("Call +49 151 23456789", "unspecified"),
        (131042, "131042"),
        (0, "0"),
        (None, None),
        ("", None),
        ({}, None),
        ([], None),
        (False, None),
        (True, "unspecified"),
        ({"code": "x" * 65}, "unspecified"),
        ({"code": "half \ud83d"}, "unspecified"),
    ],
)
def test_an_error_on_a_channel_is_known_by_its_code_and_never_by_its_text(
    error: object, code: str | None
) -> None:
    channel = read_channel({"setup_info": {"error": error}})
    assert (channel.error, channel.error_shown) == (code, True)


def test_a_channel_that_could_not_show_an_error_says_nothing_of_it() -> None:
    for data in ({}, {"setup_info": None}, {"setup_info": {"phone_number": "+49 1"}}):
        assert (read_channel(data).error, read_channel(data).error_shown) == (None, False)


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
