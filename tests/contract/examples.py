"""Signups, events and names that the contract tests are made of."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Final

from onramp.domain.partner_events import Channel, PartnerEvent, read_event
from onramp.domain.signup import Client, Number, Signup, Waba
from onramp.ports import Pointer
from tests.fakes import START

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


def signup(
    signup_id: str = "s1", tenant: str = "acme", *, now: datetime = START, digits: str = "4915123456789"
) -> Signup:
    """An authorized signup with one number, `p-<id>`."""
    made = Signup.open(
        signup_id=signup_id,
        tenant=tenant,
        client=Client(name="Jane", email="jane@example.com"),
        plan_tier="regular",
        reference=None,
        now=now,
    )
    made.outbox = []
    made.waba = Waba(id="w1", proof="granted_ids")
    made.numbers = [Number(phone_number_id=f"p-{signup_id}", display_phone_number=f"+{digits}")]
    return made


def pointer(of: Signup, phone_number_id: str | None = None, digits: str | None = None) -> Pointer:
    """Where claims on a signup's first number lead."""
    return Pointer(
        signup_id=of.id,
        phone_number_id=of.numbers[0].phone_number_id if phone_number_id is None else phone_number_id,
        tenant=of.tenant,
        waba_id=of.waba.id if of.waba else "",
        digits=of.numbers[0].digits if digits is None else digits,
    )


def event(event_id: str = "e1", name: str = "channel_created", **data: object) -> PartnerEvent:
    """An event about channel `c1` of WABA `w1`."""
    return read_event(
        {
            "id": event_id,
            "event": name,
            "data": {
                "id": "c1",
                "waba_account": {"external_id": "w1"},
                "setup_info": {"phone_number": "+49 151 23456789"},
                **data,
            },
        }
    )


CHANNEL: Final = Channel(id="c1", waba_id="w1", digits="4915123456789")


def at_once(count: int, work: Callable[[int], object]) -> list[object]:
    """What `count` threads get that run `work(index)` at the same time, errors included."""

    def run(index: int) -> object:
        try:
            return work(index)
        except Exception as error:  # noqa: BLE001 - it is looked at
            return error

    with ThreadPoolExecutor(max_workers=count) as pool:
        return list(pool.map(run, range(count)))
