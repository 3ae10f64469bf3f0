"""`numbers.*`: numbers of all tenants, and what their tenants may wish for them, in their tenants' name."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

from onramp.domain.number import Number
from onramp.domain.states import Status
from onramp.inbound.desk import Answer, Command, Name, NumberAsked, SpanAsked
from onramp.inbound.desk.signups import fact_shown
from onramp.inbound.models import NumberView
from onramp.ports import Ports
from onramp.usecases import operating, read
from onramp.usecases.operating import number_of
from onramp.usecases.read import TIMELINE
from onramp.usecases.wishes import cancel_number, check_number, reactivate_number, retry_number


class ListAsked(SpanAsked):
    """A page of numbers: by digits, WABA or channel; else of one tenant; else all of a span of signups."""

    KEPT = timedelta(days=90)

    tenant: Name | None = None
    status: Status | None = None
    digits: Name | None = None
    waba_id: Name | None = None
    channel_id: Name | None = None


class ReleaseAsked(NumberAsked):
    """One number; `force` although it may live at 360dialog."""

    force: bool = False


def shown(number: Number, desk: Ports) -> dict[str, Any]:
    """A number as an operator sees it: as its tenant does, and whose it is."""
    view = NumberView.of(number, desk.clock.now()).model_dump(mode="json")
    own = {"tenant": number.tenant, "hub": number.hub, "client_id": number.client_id, "life": number.life}
    return {
        **view,
        **own,
        "waba_id": number.waba.id,
        "ended_channels": number.ended_channels,
        "next_step": number.next_step,
        "due_at": number.due_at.isoformat() if number.due_at else None,
        "attempts": number.attempts,
        "is_held": number.is_held(desk.clock.now()),
    }


def listed(desk: Ports, asked: ListAsked) -> Answer:
    """`numbers.list`."""

    def fits(number: Number) -> bool:
        return asked.tenant in {None, number.tenant} and asked.status in {None, number.status}

    cursor: str | None = None
    if asked.digits is not None or asked.waba_id is not None or asked.channel_id is not None:
        found = operating.numbers_at(
            desk, digits=asked.digits, waba_id=asked.waba_id, channel_id=asked.channel_id
        )
        numbers = [number for number in found if fits(number)]
    elif asked.tenant is not None and not asked.is_spanned:
        page = read.numbers(desk, asked.tenant, asked.status, asked.cursor, asked.limit)
        numbers, cursor = list(page.items), page.cursor
    else:
        page = operating.numbers_by_time(desk, fits, asked.span(desk), asked.limit)
        numbers, cursor = list(page.items), page.cursor
    return {"items": [shown(number, desk) for number in numbers], "cursor": cursor}


def show(desk: Ports, asked: NumberAsked) -> Answer:
    """`numbers.show`."""
    number = number_of(desk, asked.phone_number_id)
    facts = desk.store.facts_of(number.signup_id, TIMELINE)
    own = [fact_shown(fact) for fact in facts if fact.phone_number_id == number.phone_number_id]
    come_back_in = read.come_back_in([number], desk.clock.now())
    return {"number": shown(number, desk), "timeline": own, "come_back_in": come_back_in}


def _wishing(wish: Callable[[Ports, Number], Number]) -> Callable[[Ports, NumberAsked], Answer]:
    def take(desk: Ports, asked: NumberAsked) -> Answer:
        return {"number": shown(wish(desk, number_of(desk, asked.phone_number_id)), desk)}

    return take


def release(desk: Ports, asked: ReleaseAsked) -> Answer:
    """`numbers.release`."""
    number = number_of(desk, asked.phone_number_id)
    released = operating.give_up_number(desk, number, forced=asked.force)
    return {"number": shown(released, desk), "changed": released.version != number.version}


def _wish(verb: str, about: str, wish: Callable[[Ports, Number], Number]) -> Command:
    return Command(f"numbers.{verb}", about, NumberAsked, _wishing(wish), changes=True)


COMMANDS: Final = (
    Command("numbers.list", "Numbers, whoever's they are", ListAsked, listed),
    Command("numbers.show", "One number, whoever's it is", NumberAsked, show),
    _wish("retry", "Run a number again from the step that failed", retry_number),
    _wish("check", "Prove a connected number now", check_number),
    _wish("cancel", "End a number's channel at 360dialog", cancel_number),
    _wish("reactivate", "Take the end of a number's channel back", reactivate_number),
    Command("numbers.release", "Let another tenant prove the number", ReleaseAsked, release, changes=True),
)
