"""`clients.*`: what is known of a person, and its end; each call is a part, `cursor` leads to the next."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Self

from pydantic import Field, model_validator

from onramp.domain.erasure import Person, Receipt, Who
from onramp.inbound.desk import Answer, Asked, Command, Cursor, Name, PhoneNumberId, SignupId
from onramp.ports import Ports
from onramp.usecases import erase as use

type Phone = Annotated[str, Field(pattern=r"^[+0-9 ().-]{7,40}$")]
"""A phone number with its country, as people write it."""


class PersonAsked(Asked):
    """A person, named in one of four ways; `tenant` narrows an email to one tenant's signups."""

    email: Annotated[str, Field(min_length=3, max_length=320)] | None = None
    signup_id: SignupId | None = None
    phone_number_id: PhoneNumberId | None = None
    digits: Phone | None = None
    tenant: Name | None = None
    cursor: Cursor | None = None

    @model_validator(mode="after")
    def _by_one_name(self) -> Self:
        names = [self.email, self.signup_id, self.phone_number_id, self.digits]
        if sum(name is not None for name in names) != 1:
            raise ValueError("name the person by one of email, signup_id, phone_number_id, digits")
        if self.tenant is not None and self.email is None:
            raise ValueError("tenant goes with email")
        return self

    @property
    def who(self) -> Who:
        """Who is meant."""
        return Who(
            email=self.email,
            signup_id=self.signup_id,
            phone_number_id=self.phone_number_id,
            digits=self.digits,
            tenant=self.tenant,
        )


class EraseAsked(PersonAsked):
    """The same; `although_billed`: also while 360dialog bills a channel of theirs."""

    although_billed: bool = False


def show(desk: Ports, asked: PersonAsked) -> Answer:
    """`clients.show`."""
    return _told(use.show(desk, asked.who, asked.cursor))


def export(desk: Ports, asked: PersonAsked) -> Answer:
    """`clients.export`."""
    found = use.export(desk, asked.who, asked.cursor)
    return {**_told(found), "items": list(found.items)}


def erase(desk: Ports, asked: EraseAsked) -> Answer:
    """`clients.erase`."""
    return _told(use.erase(desk, asked.who, although_billed=asked.although_billed, cursor=asked.cursor))


def _told(found: use.Progress) -> dict[str, Any]:
    receipt = found.receipt if found.cursor is None else None
    return {
        "cursor": found.cursor,
        "counts": {kind.lower(): count for kind, count in sorted(found.counts.items())},
        **({"person": _known(found.person)} if found.person is not None else {}),
        **({"receipt": receipt_told(receipt)} if receipt is not None else {}),
    }


def _known(person: Person) -> Mapping[str, object]:
    """By what the person is known; without what we compare digests with."""
    return person.model_dump(mode="json", exclude={"traces", "salt"})


def receipt_told(receipt: Receipt) -> dict[str, object]:
    """A receipt as an operator keeps it: without the digests that it is found by."""
    told = receipt.model_dump(mode="json", exclude={"found_by", "traces", "removed", "late"})
    counted = {
        name: {kind.lower(): count for kind, count in sorted(getattr(receipt, name).items())}
        for name in ("removed", "late")
    }
    return {**told, **counted}


COMMANDS: Final = (
    Command("clients.show", "What is known of a person, counted", PersonAsked, show),
    Command("clients.export", "All that is known of a person, without secrets", PersonAsked, export),
    Command("clients.erase", "Forget a person", EraseAsked, erase, changes=True),
)
