"""What persons ask for through Meta: kept, shown to them, listed and carried out by an operator."""

from collections.abc import Sequence
from datetime import datetime

from onramp.domain.deletion import Asked, DeletionRequest, MetaUser, RequestStatus, digest_of
from onramp.domain.errors import Conflict, Problem
from onramp.domain.facts import FACTS, FactType
from onramp.domain.records import Fact
from onramp.domain.signup import Signup
from onramp.ports import Ports
from onramp.ports.storage import Position
from onramp.usecases.changing import change


def keep_request(ports: Ports, asked: Asked) -> datetime | None:
    """Keep a request; a copy of it changes nothing."""
    user = ports.store.read(MetaUser, digest_of(asked.user_id))
    now = ports.clock.now()
    request = DeletionRequest(
        code=asked.code,
        kind=asked.kind,
        user_id=asked.user_id,
        asked_at=asked.issued_at,
        received_at=now,
        signup_ids=list(user.signup_ids) if user else [],
    )
    if ports.store.read(DeletionRequest, asked.code) is not None:
        return None
    request.told.append(_fact(ports, FactType.DELETION_REQUESTED, request))
    try:
        ports.store.commit(request)
    except Conflict:
        # Another copy was faster.
        return None
    ports.telemetry.count("DeletionsRequested")
    return None


def read_one(ports: Ports, code: str) -> DeletionRequest:
    """A request by its code. Raises `Problem(not_found)`."""
    request = ports.store.read(DeletionRequest, code)
    if request is None:
        raise Problem("not_found", "There is no such request.")
    return request


def open_requests(ports: Ports, places: Sequence[Position]) -> list[DeletionRequest]:
    """Of those that were found: requests that still wait for an operator."""
    requests = ports.store.read_all(DeletionRequest, [(place.id,) for place in places])
    return [request for request in requests if request.status != RequestStatus.CARRIED_OUT]


def carried_out(ports: Ports, code: str, receipts: list[str]) -> DeletionRequest:
    """It was done: the person is forgotten, the answer stays. Again changes nothing. Raises `Problem`."""

    def edit(request: DeletionRequest) -> None:
        if request.status == RequestStatus.CARRIED_OUT:
            return
        request.status = RequestStatus.CARRIED_OUT
        request.carried_out_at = ports.clock.now()
        request.receipts = [*request.receipts, *(one for one in receipts if one not in request.receipts)]
        request.user_id = None
        request.told.append(_fact(ports, FactType.DELETION_CARRIED_OUT, request))

    return change(ports, DeletionRequest, (code,), edit)


def signups_of(ports: Ports, request: DeletionRequest) -> list[Signup]:
    """The signups of the request's person that are still there."""
    return ports.store.read_all(Signup, [(signup_id,) for signup_id in request.signup_ids])


def _fact(ports: Ports, fact: FactType, request: DeletionRequest) -> Fact:
    return Fact(
        type=fact,
        at=ports.clock.now(),
        subject=f"HUB#{ports.hub}",
        detail={"request_id": request.code, "kind": str(request.kind)},
        bus=FACTS[fact].bus,
    )
