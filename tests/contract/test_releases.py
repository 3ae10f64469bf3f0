"""Promise 15: this release and the next work on each other's records, and neither loses anything.

The next release is made here: models of today with a new field, a new nested one, and new words in every list
of words. What it stores is read, changed and written back by today's models, and the other way round.
"""

from datetime import datetime, timedelta
from typing import Any

import pytest
from pydantic import Field

from onramp.adapters.memory import START, MemoryBus, MemoryQueue, MemoryTelemetry
from onramp.domain import number as life
from onramp.domain.budget import BudgetState
from onramp.domain.census import Census
from onramp.domain.clients import ClientRecord
from onramp.domain.facts import FactType
from onramp.domain.ledger import EventRecord, Outcome
from onramp.domain.number import ChannelKey, Failure, Intent, Listing, Number, WabaOf
from onramp.domain.partner_events import read_event
from onramp.domain.records import Fact, Lease, Record, Stored
from onramp.domain.signup import (
    Client,
    Exchange,
    Exchanging,
    Listed,
    ListedNumber,
    Remembered,
    Signup,
    Waba,
)
from onramp.domain.states import Progress, Standing
from onramp.ports import Ports
from onramp.ports.storage import Line
from onramp.usecases.apply_event import apply_event
from onramp.usecases.publish_facts import publish_facts
from onramp.usecases.read import numbers as list_numbers
from onramp.usecases.sweep import sweep
from onramp.usecases.work import work_on_number
from tests.contract.conftest import Stage
from tests.contract.examples import event, stored


class Spell(Record):
    """A nested thing that only the next release knows."""

    power: int = 1
    cast_at: datetime | None = None


class NextWaba(WabaOf):
    country: str | None = None


class NextKey(ChannelKey):
    algorithm: str = "old"


class NextNumber(Number):
    """The next release's number: a new field of each kind."""

    waba: NextWaba
    key: NextKey | None = None
    spell: Spell | None = None
    marks: list[str] = Field(default_factory=list)
    charm: int = 0


class NextSignup(Signup):
    spell: Spell | None = None
    charm: int = 0


class NextEvent(EventRecord):
    spell: Spell | None = None
    charm: int = 0


SPELL = Spell(power=7, cast_at=START)


def number_of_next_release(**more: Any) -> NextNumber:
    values: dict[str, Any] = {
        "tenant": "acme",
        "signup_id": "s1",
        "digits": "4915123456789",
        "created_at": START,
        "waba": NextWaba(id="w1", country="DE"),
        "key": NextKey(secret="x", address="https://a", made_at=START, algorithm="new"),
        "spell": SPELL,
        "marks": ["a", "b"],
        "charm": 3,
    }
    return NextNumber(phone_number_id="1001", **{**values, **more})


def ports(stage: Stage) -> Ports:
    return Ports(
        store=stage.store,
        clock=stage.clock,
        telemetry=MemoryTelemetry(),
        queue=MemoryQueue(),
        bus=MemoryBus(),
    )


# --- the next release writes, this one changes it


def test_new_fields_of_a_number_survive_this_release(stage: Stage) -> None:
    written = number_of_next_release()
    stage.store.commit(written)
    today = stored(stage.store, Number(**_names(written)))
    today.verified_name = "changed here"
    life.advance(today, Progress.CREATED, START)
    stage.store.commit(today)
    back = stage.store.read(NextNumber, "1001")
    assert back is not None
    assert (back.verified_name, back.progress, back.version) == ("changed here", "created", 2)
    assert (back.spell, back.marks, back.charm) == (SPELL, ["a", "b"], 3)
    assert back.waba.country == "DE"
    assert back.key is not None
    assert back.key.algorithm == "new"


def _names(record: Number) -> dict[str, Any]:
    """What every number must have."""
    return {
        "phone_number_id": record.phone_number_id,
        "tenant": record.tenant,
        "signup_id": record.signup_id,
        "waba": WabaOf(id=record.waba.id),
        "created_at": record.created_at,
    }


def test_new_fields_and_classes_of_a_signup_survive_this_release(stage: Stage) -> None:
    written = NextSignup(
        id="s1",
        tenant="acme",
        created_at=START,
        updated_at=START,
        expires_at=START + timedelta(days=1),
        client=Client(name="Jane"),
        plan_tier="regular",
        waba=Waba(id="w1", proof="a proof of the next release"),
        counts={"enchanted": 2, "connected": 1},
        spell=SPELL,
        charm=3,
    )
    stage.store.commit(written)
    today = stage.store.read(Signup, "s1")
    assert today is not None
    assert today.status(START) == "onboarding"
    today.count(Standing.CONNECTED, Standing.FAILED, START)
    stage.store.commit(today)
    back = stage.store.read(NextSignup, "s1")
    assert back is not None
    assert back.counts == {"enchanted": 2, "failed": 1}
    assert (back.spell, back.charm) == (SPELL, 3)
    assert back.waba is not None
    assert back.waba.proof == "a proof of the next release"


NESTED: dict[type[Record], dict[str, Any]] = {
    Lease: {"owner": "o", "until": START},
    Intent: {"action": "enchant", "at": START},
    Failure: {"code": "bewitched", "title": "t", "retryable": True, "at": START, "step": "enchant"},
    Listing: {"filter": 1},
    ListedNumber: {"phone_number_id": "1"},
    Client: {"name": "Jane"},
    Waba: {"id": "1", "proof": "p"},
    Exchanging: {"code_sha256": "c", "owner": "o", "started_at": START},
    ChannelKey: {"secret": "x", "address": "a", "made_at": START},
    WabaOf: {"id": "1"},
    Fact: {"type": "number.enchanted", "at": START, "subject": "s1"},
}


@pytest.mark.parametrize("kind", NESTED, ids=lambda kind: kind.__name__)
def test_every_nested_record_keeps_what_it_does_not_know(kind: type[Record]) -> None:
    known = kind.model_validate({**NESTED[kind], "charm": {"a": [1, None]}})
    again = kind.model_validate_json(known.model_dump_json(exclude_defaults=True))
    assert again == known
    assert again.model_extra == {"charm": {"a": [1, None]}}


MINIMAL: dict[type[Stored], dict[str, Any]] = {
    ClientRecord: {"name": "jane@example.com", "tenant": "acme"},
    BudgetState: {},
    Census: {},
    Exchange: {"signup_id": "s1"},
    Listed: {"signup_id": "s1", "part": 0},
    Remembered: {
        "tenant": "acme",
        "key": "k",
        "signup_id": "s1",
        "fingerprint": "f",
        "until": START + timedelta(days=1),
    },
}


@pytest.mark.parametrize("kind", MINIMAL, ids=lambda kind: kind.__name__)
def test_unknown_fields_of_every_other_record_are_written_back(stage: Stage, kind: type[Stored]) -> None:
    written = kind.model_validate({**MINIMAL[kind], "charm": {"a": [1, None]}, "spell": "é"})
    stage.store.commit(written)
    stage.store.commit(stored(stage.store, written))
    again = stored(stage.store, written)
    assert again.version == 2
    assert again.model_extra == {"charm": {"a": [1, None]}, "spell": "é"}


def test_a_new_outcome_of_an_event_is_kept_and_the_event_does_not_act_again(stage: Stage) -> None:
    stage.store.commit(number_of_next_release(channel_id="c1"))
    plain = event("e1", name="account_restriction")
    written = NextEvent.model_validate({**plain.model_dump(), "outcome": "enchanted", "spell": SPELL})
    stage.store.commit(written)
    here = ports(stage)
    assert apply_event(here, plain.event) is None
    back = stage.store.read(NextEvent, *plain.identity)
    assert back is not None
    assert (back.outcome, back.spell, back.version) == ("enchanted", SPELL, 1)
    today = stored(stage.store, plain)
    today.reason = "changed here"
    stage.store.commit(today)
    back = stage.store.read(NextEvent, *plain.identity)
    assert back is not None
    assert (back.outcome, back.spell, back.reason) == ("enchanted", SPELL, "changed here")
    assert stored(stage.store, Number(**_names(number_of_next_release()))).restriction is None


def test_new_fields_of_an_event_survive_its_application(stage: Stage) -> None:
    stage.store.commit(number_of_next_release(channel_id="c1", progress=Progress.SUBMITTED))
    plain = event("e1", name="account_restriction")
    written = NextEvent.model_validate({**plain.model_dump(), "outcome": "unresolved", "spell": SPELL})
    stage.store.commit(written)
    apply_event(ports(stage), plain.event)
    back = stage.store.read(NextEvent, *plain.identity)
    assert back is not None
    assert (back.outcome, back.spell) == (Outcome.APPLIED, SPELL)
    number = stage.store.read(NextNumber, "1001")
    assert number is not None
    assert (number.restriction, number.charm) == ("account_restriction", 3)


def test_a_fact_of_a_new_type_is_read_and_published_as_it_is(stage: Stage) -> None:
    fact = Fact.model_validate(
        {
            "type": "number.enchanted",
            "at": START,
            "subject": "s1",
            "detail": {"by": "somebody"},
            "charm": 3,
        }
    )
    stage.store.commit(facts=[fact])
    (found,) = stage.store.facts_of("s1", 9)
    assert (found.type, found.detail, found.model_extra) == (
        "number.enchanted",
        {"by": "somebody"},
        {"charm": 3},
    )
    here = ports(stage)
    assert publish_facts(here, [found]) == ()
    assert isinstance(here.bus, MemoryBus)
    assert here.bus.types() == ["number.enchanted"]


def test_attributes_of_the_next_release_stay_in_the_item(real_table: Stage) -> None:
    written = number_of_next_release()
    real_table.store.commit(written)
    new: dict[str, dict[str, Any]] = {
        "a_word": {"S": "kept"},
        "a_count": {"N": "7"},
        "a_share": {"N": "0.5"},
        "a_flag": {"BOOL": True},
        "a_map": {"M": {"a": {"S": "b"}}},
        "nothing": {"NULL": True},
    }
    real_table.set(written, **new)
    today = stored(real_table.store, Number(**_names(written)))
    today.verified_name = "changed here"
    today.due_at = START
    real_table.store.commit(today)
    (hit,) = real_table.store.due(START, 9, line=Line.LOOK) or real_table.store.due(START, 9, line=Line.WORK)
    real_table.store.postpone(hit, START + timedelta(minutes=5))
    item = real_table.item(written)
    assert {name: item[name] for name in new} == new
    assert real_table.store.read_all(Number, [("1001",)]) == [today]


def test_an_item_of_a_later_schema_is_read(table: Stage) -> None:
    written = number_of_next_release()
    table.store.commit(written)
    table.set(written, schema={"N": "2"})
    assert table.store.read(Number, "1001") is not None


# --- a word this release does not know


def enchanted(stage: Stage, **more: Any) -> NextNumber:
    """A number that the next release has brought into a state of its own, and that is due."""
    number = number_of_next_release(progress="enchanted", due_at=START, channel_id="c1", **more)
    signup = NextSignup(
        id="s1",
        tenant="acme",
        created_at=START,
        updated_at=START,
        expires_at=START + timedelta(days=1),
        client=Client(name="Jane"),
        plan_tier="regular",
        waba=Waba(id="w1", proof="granted_ids"),
        submitted=["1001"],
        counts={"onboarding": 1},
    )
    stage.store.commit(number, signup)
    return number


def test_a_number_in_an_unknown_state_is_left_alone_and_stays_due(stage: Stage) -> None:
    written = enchanted(stage)
    here = ports(stage)
    assert work_on_number(here, "1001") is None
    again = stage.store.read(NextNumber, "1001")
    assert again == written
    for _ in range(3):
        stage.clock.advance(timedelta(minutes=6))
        sweep(here)
        assert work_on_number(here, "1001") is None
    assert isinstance(here.queue, MemoryQueue)
    assert here.queue.numbers == ["1001"] * 3
    again = stage.store.read(NextNumber, "1001")
    assert again == written
    assert again is not None
    assert again.due_at == START


def test_events_are_applied_to_a_number_in_an_unknown_state_without_leading_it_back(stage: Stage) -> None:
    enchanted(stage)
    here = ports(stage)
    for index, name in enumerate(("channel_live", "account_restriction", "channel_permission_granted")):
        content = {"id": f"e{index}", "event": name, "data": {"id": "c1"}}
        assert apply_event(here, read_event(content)) is None
    again = stage.store.read(NextNumber, "1001")
    assert again is not None
    assert (again.progress, again.due_at, again.restriction) == ("enchanted", START, "account_restriction")
    assert (again.spell, again.charm, again.waba.country) == (SPELL, 3, "DE")


def test_a_number_in_an_unknown_state_is_shown_and_listed(stage: Stage) -> None:
    enchanted(stage)
    here = ports(stage)
    for status in (None, "enchanted"):
        (found,) = list_numbers(here, "acme", status, None, 10).items
        assert found.status == "enchanted"
    assert list_numbers(here, "acme", "live", None, 10).items == []


def test_the_end_of_a_channel_ends_a_number_in_an_unknown_state_too(stage: Stage) -> None:
    enchanted(stage)
    content = {"id": "e", "event": "cancellation_processed", "data": {"id": "c1"}}
    apply_event(ports(stage), read_event(content))
    again = stage.store.read(NextNumber, "1001")
    assert again is not None
    assert (again.status, again.progress, again.charm) == ("cancelled", "enchanted", 3)
    signup = stage.store.read(NextSignup, "s1")
    assert signup is not None
    assert signup.counts == {"cancelled": 1}


def test_a_failure_of_a_new_kind_is_shown_and_may_be_retried(stage: Stage) -> None:
    failure = Failure(code="bewitched", title="A witch", retryable=True, at=START, step="enchant")
    enchanted(stage, failure=failure)
    here = ports(stage)
    assert work_on_number(here, "1001") is None
    assert work_on_number(here, "1001", retry=True) is None
    again = stage.store.read(NextNumber, "1001")
    assert again is not None
    assert (again.failure, again.progress, again.charm) == (None, "enchanted", 3)
    assert again.due_at is not None


# --- this release writes, the next one changes it


def test_the_next_release_reads_what_this_one_wrote(stage: Stage) -> None:
    today = Number(**_names(number_of_next_release()))
    life.submit(today, START)
    stage.store.commit(today)
    later = stage.store.read(NextNumber, "1001")
    assert later is not None
    assert (later.spell, later.marks, later.charm, later.waba.country) == (None, [], 0, None)
    later.spell = SPELL
    later.progress = "enchanted"
    stage.store.commit(later)
    again = stored(stage.store, today)
    assert (again.status, again.next_step, again.version) == ("enchanted", None, 2)
    assert [fact.type for fact in stage.store.facts_of("s1", 9)] == [FactType.NUMBER_PENDING]


def test_a_roll_back_after_many_turns_has_lost_nothing(stage: Stage) -> None:
    stage.store.commit(number_of_next_release())
    for turn in range(6):
        if turn % 2:
            later = stage.store.read(NextNumber, "1001")
            assert later is not None
            assert later.charm == 3 + turn // 2
            later.charm += 1
            stage.store.commit(later)
        else:
            today = stage.store.read(Number, "1001")
            assert today is not None
            today.looks += 1
            stage.store.commit(today)
    final = stage.store.read(NextNumber, "1001")
    assert final is not None
    assert (final.charm, final.looks, final.spell, final.version) == (6, 3, SPELL, 7)
