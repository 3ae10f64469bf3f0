"""`requests.*`: what persons ask for through Meta, listed, and written down as done."""

from typing import Annotated, Any, Final

from pydantic import Field

from onramp.domain.deletion import DeletionRequest
from onramp.domain.text import iso
from onramp.inbound.desk import Answer, Asked, Command, Name, PageAsked
from onramp.ports import Ports
from onramp.usecases.read import cursor_at, place_of
from onramp.usecases.requests import carried_out, open_requests, read_one, signups_of


class RequestAsked(Asked):
    """One request, by the code that Meta shows to its person."""

    code: Annotated[str, Field(pattern=r"^[a-z2-7]{24}$")]


class DoneAsked(RequestAsked):
    """One request that was carried out: what the erasures' receipts are called."""

    receipts: Annotated[list[Name], Field(max_length=100)] = Field(default_factory=list)


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


def carry_out(desk: Ports, asked: DoneAsked) -> Answer:
    """`requests.carry-out`: after the erasure, or where there is nothing to erase."""
    return {"request": shown(carried_out(desk, asked.code, list(asked.receipts)))}


COMMANDS: Final = (
    Command("requests.list", "What persons ask for through Meta, and waits", PageAsked, listed),
    Command("requests.show", "One of them", RequestAsked, show),
    Command(
        "requests.carry-out",
        "Write down that it was done; who asked is forgotten",
        DoneAsked,
        carry_out,
        changes=True,
    ),
)
