"""`requests.*`: what persons ask for through Meta, listed, and written down as done."""

from typing import Annotated, Any, Final

from pydantic import Field

from onramp.domain.deletion import DeletionRequest
from onramp.domain.text import iso
from onramp.inbound.desk import Answer, Asked, Command, Cursor, Name, PageAsked
from onramp.ports import Ports
from onramp.usecases import carry_out as usecase
from onramp.usecases.read import cursor_at, place_of
from onramp.usecases.requests import carried_out, open_requests, read_one, signups_of


class RequestAsked(Asked):
    """One request, by the code that Meta shows to its person."""

    code: Annotated[str, Field(pattern=r"^[a-z2-7]{24}$")]


class CarryOutAsked(RequestAsked):
    """One request: erased is who went through its signups, `although_billed` also while 360dialog bills them.

    With `done` nothing is erased here: it was elsewhere, as `receipts` say, or there is nothing.
    """

    although_billed: bool = False
    done: bool = False
    receipts: Annotated[list[Name], Field(max_length=100)] = Field(default_factory=list)
    cursor: Cursor | None = None


def shown(request: DeletionRequest) -> dict[str, Any]:
    """A request, without who asked."""
    return {
        "code": request.code,
        "kind": str(request.kind),
        "status": str(request.status),
        "asked_at": iso(request.asked_at),
        "carried_out_at": iso(request.carried_out_at) if request.carried_out_at else None,
        "signup_ids": list(request.signup_ids),
        "receipts": list(request.receipts),
    }


def listed(desk: Ports, asked: PageAsked) -> Answer:
    """`requests.list`."""
    places = desk.store.requests(place_of(asked.cursor), asked.limit)
    cursor = cursor_at(places[-1]) if len(places) == asked.limit else None
    return {"items": [shown(request) for request in open_requests(desk, places)], "cursor": cursor}


def show(desk: Ports, asked: RequestAsked) -> Answer:
    """`requests.show`: with whose signups they are."""
    request = read_one(desk, asked.code)
    signups = [
        {"signup_id": signup.id, "tenant": signup.tenant, "waba_id": signup.waba.id if signup.waba else None}
        for signup in signups_of(desk, request)
    ]
    return {"request": shown(request) | {"signups": signups}}


def carry_out(desk: Ports, asked: CarryOutAsked) -> Answer:
    """`requests.carry-out`: a part of it; `cursor` leads to the next."""
    if asked.done:
        return {"cursor": None, "request": shown(carried_out(desk, asked.code, list(asked.receipts)))}
    billed, place = asked.although_billed, asked.cursor
    request, cursor = usecase.carry_out(desk, asked.code, although_billed=billed, cursor=place)
    return {"cursor": cursor, "request": shown(request)}


COMMANDS: Final = (
    Command("requests.list", "What persons ask for through Meta, and waits", PageAsked, listed),
    Command("requests.show", "One of them", RequestAsked, show),
    Command(
        "requests.carry-out",
        "Do what was asked; who asked is forgotten",
        CarryOutAsked,
        carry_out,
        changes=True,
    ),
)
