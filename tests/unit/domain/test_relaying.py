"""What is handed on, to whom, in which form, and when it is tried again."""

import json
import re
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onramp.domain.ledger import EventRecord
from onramp.domain.partner_events import COEXISTENCE, EVENT_RULES, read_event
from onramp.domain.relaying import (
    GIVEN_UP_AFTER,
    INLINE,
    WAITS,
    Body,
    Coexistence,
    RelayRules,
    Resolution,
    Target,
    envelope_of,
    is_large,
    key_of,
    message_id,
    next_try,
    referring,
    written,
)

NOW = datetime(2026, 11, 27, tzinfo=UTC)
CHAT = "a chat of somebody's"


def event(name: str = "history", **data: object) -> object:
    return {"id": "e1", "event": name, "data": {"id": "2001", **data}}


@pytest.mark.parametrize(
    ("patterns", "name", "wanted"),
    [
        (("*",), "anything", True),
        (("waba_*",), "waba_template_status_changed", True),
        (("waba_*",), "channel_live", False),
        (("*_changed",), "phone_number_quality_changed", True),
        (("a*c*e",), "abcde", True),
        (("a.c",), "abc", False),
        (("history",), "history_more", False),
        (("channel_live", "history"), "history", True),
        (("*",), "of\ntwo lines", True),
    ],
)
def test_a_target_is_handed_what_its_patterns_say(
    patterns: tuple[str, ...], name: str, *, wanted: bool
) -> None:
    assert Target("t", "bus", patterns).wants(name) is wanted


@given(st.text(alphabet="ab_.[]()|+?\\", max_size=12))
def test_a_name_without_a_star_stands_for_itself_alone(name: str) -> None:
    assert Target("t", "bus", (name,)).wants(name)
    assert not Target("t", "bus", (name,)).wants(name + "x")


def test_dropped_coexistence_data_goes_nowhere_and_all_else_does() -> None:
    rules = RelayRules(coexistence=Coexistence.DROP, targets=[Target("t", "bus")])
    assert [name for name in EVENT_RULES if not rules.targets_of(name)] == sorted(COEXISTENCE)
    assert rules.targets_of("never heard of")


def test_contents_of_coexistence_data_are_kept_only_where_that_is_asked_for() -> None:
    for choice in Coexistence:
        rules = RelayRules(coexistence=choice)
        assert rules.keeps("channel_live")
        assert {rules.keeps(name) for name in COEXISTENCE} == {choice is Coexistence.KEEP}


def test_what_is_kept_of_it_otherwise_is_name_id_and_place() -> None:
    read = read_event(event(history=[CHAT], metadata={"phone_number_id": "1001", "display": CHAT}))
    record = EventRecord.of(read, NOW, contents=False)
    assert CHAT not in record.model_dump_json()
    assert (record.id, record.name, record.place) == ("e1", "history", EventRecord.of(read, NOW).place)
    again = record.event
    assert (again.id, again.name, again.channel) == (read.id, read.name, read.channel)
    assert read.channel.external_id == "1001"


def test_an_envelope_holds_the_body_as_it_came() -> None:
    body = Body('{ "id":"e1" ,\n"event":"history"}')
    envelope = envelope_of(read_event(event()), "default", body, Resolution(tenant="t"), NOW)
    assert envelope == {
        "version": 1,
        "id": "e1",
        "event": "history",
        "hub": "default",
        "received_at": "2026-11-27T00:00:00.000Z",
        "resolution": {
            "tenant": "t",
            "signup_id": None,
            "phone_number_id": None,
            "channel_id": None,
            "waba_id": None,
        },
        "encoding": "utf-8",
        "body": body.text,
        "body_at": None,
    }


def test_a_body_that_is_too_large_goes_by_reference() -> None:
    small, large = Body("x" * 1_000), Body('"' * INLINE)
    read = read_event(event())
    assert not is_large(envelope_of(read, "default", small, Resolution(), NOW))
    envelope = envelope_of(read, "default", large, Resolution(), NOW)
    assert is_large(envelope)
    shortened = referring(envelope, "bodies", "k", large.content)
    assert (shortened["body"], shortened["id"]) == (None, "e1")
    assert len(written(shortened)) < 1_000
    place = shortened["body_at"]
    assert isinstance(place, dict)
    assert (place["bucket"], place["key"], place["bytes"]) == ("bodies", "k", INLINE)


@given(st.text(), st.text(max_size=40))
def test_whatever_an_event_holds_its_message_can_be_read_again(text: str, name: str) -> None:
    read = read_event({"id": "e", "event": name or "x", "data": {"x": text}}) if name.strip() else None
    if read is None:
        return
    message = written({"envelope": envelope_of(read, "default", Body(text), Resolution(), NOW)})
    assert message.encode()
    assert json.loads(message)["envelope"]["body"] is not None


@given(st.text(), st.text())
def test_an_event_has_one_id_at_each_try_that_every_header_takes(hub: str, name: str) -> None:
    assert re.fullmatch(r"evt_[0-9a-f]{40}", message_id(hub, name))
    assert message_id(hub, name) == message_id(hub, name)
    assert message_id(hub, name) != message_id(hub, name + "x")
    assert re.fullmatch(r"[0-9a-f/]+", key_of(hub, name, b""))


def test_tries_become_rarer_and_end_after_three_days() -> None:
    first, now, tries, times = NOW, NOW, 1, [NOW]
    while (at := next_try(tries, first, now, 0.5)) is not None:
        now, tries = at, tries + 1
        times.append(at)
    waits = [(after - before).total_seconds() for before, after in pairwise(times)]
    assert waits[: len(WAITS)] == [0.75 * wait for wait in WAITS]
    assert timedelta() < first + GIVEN_UP_AFTER - now <= timedelta(seconds=0.75 * WAITS[-1])


def test_chance_takes_at_most_half_of_a_wait() -> None:
    shortest, longest = (next_try(2, NOW, NOW, draw) for draw in (0.0, 0.999))
    assert shortest == NOW + timedelta(seconds=15)
    assert longest is not None
    assert longest < NOW + timedelta(seconds=30)
