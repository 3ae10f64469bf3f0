"""`numbers.*`: one number, whoever's it is."""

from typing import Final

from onramp.domain.errors import Problem
from onramp.domain.number import Number
from onramp.inbound.desk import Answer, Command, NumberAsked
from onramp.inbound.models import NumberView
from onramp.ports import Ports


def number_of(desk: Ports, phone_number_id: str) -> Number:
    """The number, whoever's it is. Raises `Problem(not_found)`."""
    number = desk.store.read(Number, phone_number_id)
    if number is None:
        raise Problem("not_found", f"There is no number {phone_number_id}.", phone_number_id=phone_number_id)
    return number


def shown(number: Number, desk: Ports) -> dict[str, object]:
    """A number as an operator sees it: as its tenant does, and whose it is."""
    view = NumberView.of(number, desk.clock.now()).model_dump(mode="json")
    own = {"tenant": number.tenant, "hub": number.hub, "client_id": number.client_id, "life": number.life}
    return {**view, **own, "waba_id": number.waba.id}


def show(desk: Ports, asked: NumberAsked) -> Answer:
    """`numbers.show`."""
    return {"number": shown(number_of(desk, asked.phone_number_id), desk)}


COMMANDS: Final = (Command("numbers.show", "One number, whoever's it is", NumberAsked, show),)
