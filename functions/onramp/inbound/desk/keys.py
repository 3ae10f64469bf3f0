"""`keys.*`: a channel's key made anew, or proved by use; no key is ever shown."""

from datetime import timedelta
from typing import Final, Self

from pydantic import model_validator

from onramp.domain.errors import Problem, PutOff
from onramp.domain.number import Number
from onramp.domain.text import iso
from onramp.inbound.desk import Answer, Asked, Command, Name, PhoneNumberId
from onramp.ports import Ports
from onramp.usecases.keys import check_key, outlook, rotate_key
from onramp.usecases.operating import number_of, number_with


class KeyAsked(Asked):
    """The key of one number, by Meta's id of it or 360dialog's of its channel."""

    phone_number_id: PhoneNumberId | None = None
    channel_id: Name | None = None

    @model_validator(mode="after")
    def _one_thing(self) -> Self:
        if (self.phone_number_id is None) == (self.channel_id is None):
            raise ValueError("name the number or the channel")
        return self


class RotationAsked(KeyAsked):
    """A new key. `spare`: only while the budget has a call that live signups do not need."""

    spare: bool = False


def _number(desk: Ports, asked: KeyAsked) -> Number:
    """The number that is meant. Raises `Problem(not_found)`."""
    if asked.phone_number_id is not None:
        return number_of(desk, asked.phone_number_id)
    number = number_with(desk, asked.channel_id)
    if number is None:
        raise Problem("not_found", "No number of this stage has that channel.")
    return number


def rotate(desk: Ports, asked: RotationAsked) -> Answer:
    """`keys.rotate`: the worker makes it; the number tells when it is there."""
    number = _number(desk, asked)
    if asked.spare:
        budget = outlook(desk.at(number.hub), 1)
        if not budget.spare:
            raise PutOff(desk.clock.now() + timedelta(seconds=budget.spare_in), "live signups first")
    return _keyed(rotate_key(desk, number))


def show(desk: Ports, asked: KeyAsked) -> Answer:
    """`keys.show`."""
    return _keyed(_number(desk, asked))


def _keyed(number: Number) -> dict[str, object]:
    """What is known of a number's key; `under_way`: a worker has something to do about the number."""
    key = number.key
    return {
        "phone_number_id": number.phone_number_id,
        "channel_id": number.channel_id,
        "tenant": number.tenant,
        "hub": number.hub,
        "status": number.status,
        "failure": number.failure.code if number.failure else None,
        "under_way": number.is_under_way,
        "rests": number.rests,
        "made_at": iso(key.made_at) if key else None,
        "checked_at": iso(key.checked_at) if key and key.checked_at else None,
    }


def check(desk: Ports, asked: KeyAsked) -> Answer:
    """`keys.check`."""
    number = _number(desk, asked)
    proof = check_key(desk, number)
    return {
        "phone_number_id": number.phone_number_id,
        "channel_id": number.channel_id,
        "tenant": number.tenant,
        "status": number.status,
        "key": proof.key,
        "webhook": proof.webhook,
    }


COMMANDS: Final = (
    Command("keys.rotate", "Make a channel's key anew", RotationAsked, rotate, changes=True, spends=1),
    Command("keys.show", "When a key was made and proved", KeyAsked, show),
    Command("keys.check", "Prove a key and its webhook by use", KeyAsked, check),
)
