"""Records, events and names that the contract tests are made of."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any, Final

from onramp.adapters.memory import START
from onramp.domain.facts import FactType
from onramp.domain.ledger import EventRecord
from onramp.domain.number import Number, WabaOf
from onramp.domain.partner_events import read_event
from onramp.domain.records import Fact, Stored
from onramp.domain.signup import Client, Signup
from onramp.ports.storage import Store

HOSTILE: Final = (
    "a#b",
    "a%23b",
    "~" + "0" * 64,
    "#",
    "%",
    "a b\t\n\x00c",
    "ß漢🙂",
    "🙂" * 200,
    "#" * 200,
    "x" * 200,
    "SIGNUP",
    "a#b#c",
    '{"S":"x"}',
)
"""Names that would be taken for another where they are put into a key carelessly."""
HALF: Final = "half \ud83d of a character"


def signup(signup_id: str = "s1", tenant: str = "acme", *, now: datetime = START, **more: Any) -> Signup:
    """A signup that nothing is told of."""
    made = Signup.open(
        signup_id=signup_id,
        tenant=tenant,
        client=Client(name="Jane", email="jane@example.com"),
        plan_tier="regular",
        reference=None,
        now=now,
    )
    made.told.clear()
    return made.model_copy(update=more)


def number(phone_number_id: str = "1001", tenant: str = "acme", **more: Any) -> Number:
    """A number of WABA `w1`."""
    values: dict[str, Any] = {
        "signup_id": "s1",
        "waba": WabaOf(id="w1"),
        "digits": "4915123456789",
        "created_at": START,
    }
    return Number(phone_number_id=phone_number_id, tenant=tenant, **{**values, **more})


def event(
    event_id: str = "e1", *, now: datetime = START, name: str = "channel_created", **data: Any
) -> EventRecord:
    """An event about channel `c1` of WABA `w1`."""
    content = {"id": "c1", "waba_account": {"external_id": "w1"}, **data}
    return EventRecord.of(read_event({"id": event_id, "event": name, "data": content}), now)


def fact(
    subject: str = "s1", at: datetime = START, fact_type: str = FactType.SIGNUP_OPENED, **more: Any
) -> Fact:
    """Something that happened."""
    return Fact(type=fact_type, at=at, subject=subject, **more)


def stored[R: Stored](store: Store, record: R) -> R:
    """A record as it is stored now."""
    found = store.read(type(record), *record.identity)
    assert found is not None
    return found


def at_once(count: int, work: Callable[[int], object]) -> list[object]:
    """What `count` threads get that run `work(index)` at the same time, errors included."""

    def run(index: int) -> object:
        try:
            return work(index)
        except Exception as error:  # noqa: BLE001 - it is looked at
            return error

    with ThreadPoolExecutor(max_workers=count) as pool:
        return list(pool.map(run, range(count)))
