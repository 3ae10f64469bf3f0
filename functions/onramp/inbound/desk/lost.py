"""`signups.lost` and `signups.recover`: customers of whom Meta has told, and whose code never came."""

from typing import Annotated, Any, Final

from pydantic import Field

from onramp.domain.errors import Problem
from onramp.domain.signup import Client
from onramp.domain.text import iso
from onramp.domain.witness import Witness
from onramp.inbound.desk import Answer, AtHub, Command, Name, PageAsked
from onramp.ports import Ports
from onramp.usecases.open_signup import Wanted
from onramp.usecases.read import cursor_at, place_of
from onramp.usecases.recover import lost_signups, recover_signup


class RecoverAsked(AtHub):
    """Which account, whose signup it becomes, and who the customer is at 360dialog.

    Without a hub it is that of the solution which Meta has named.
    """

    waba_id: Annotated[str, Field(pattern=r"^[0-9]{5,32}$")]
    tenant: Name
    name: Name | None = None
    email: Name | None = None
    user_name: Name | None = None
    client_id: Name | None = None
    plan_tier: Annotated[str, Field(pattern=r"^(basic|regular|premium)$")] = "regular"
    reference: Name | None = None


def shown(witness: Witness) -> dict[str, Any]:
    """An account whose signup is lost."""
    return {
        "waba_id": witness.waba_id,
        "business_id": witness.business_id,
        "solution_id": witness.solution_id,
        "added_at": iso(witness.added_at) if witness.added_at else None,
        "recovery": witness.recovery.signup_id if witness.recovery else None,
    }


def _at_solution(desk: Ports, waba_id: str) -> Ports:
    witness = desk.store.read(Witness, waba_id)
    named = (at for at in desk.each if witness and at.rules.solution_id == witness.solution_id)
    return next(named, desk)


def lost(desk: Ports, asked: PageAsked) -> Answer:
    """`signups.lost`."""
    places = desk.store.lost(place_of(asked.cursor), asked.limit)
    found = lost_signups(desk, places)
    cursor = cursor_at(places[-1]) if len(places) == asked.limit else None
    return {"items": [shown(witness) for witness in found], "cursor": cursor}


def recover(desk: Ports, asked: RecoverAsked) -> Answer:
    """`signups.recover`."""
    client = Client(id=asked.client_id, name=asked.name, email=asked.email, user_name=asked.user_name)
    if asked.client_id is None and None in {asked.name, asked.email, asked.user_name}:
        raise Problem(
            "invalid_request",
            "Say who the customer is.",
            errors=[{"field": "client_id", "message": "or name, email and user_name must be given"}],
        )
    wanted = Wanted(client=client, plan_tier=asked.plan_tier, reference=asked.reference)
    if asked.hub is None:
        desk = _at_solution(desk, asked.waba_id)
    signup = recover_signup(desk, asked.waba_id, asked.tenant, wanted)
    return {
        "signup_id": signup.id,
        "tenant": signup.tenant,
        "waba_id": asked.waba_id,
        "status": signup.status(desk.clock.now()),
        "proof": signup.waba.proof if signup.waba else None,
    }


COMMANDS: Final = (
    Command("signups.lost", "Customers who came and whose code did not", PageAsked, lost),
    Command(
        "signups.recover",
        "Fetch a lost signup back from Meta (experimental)",
        RecoverAsked,
        recover,
        changes=True,
    ),
)
