"""What a person asked for through Meta, done: an erasure for each signup that they went through."""

from onramp.domain.deletion import DeletionRequest, RequestStatus
from onramp.domain.erasure import Who
from onramp.domain.errors import Problem
from onramp.ports import Ports
from onramp.usecases.changing import change
from onramp.usecases.erase import erase
from onramp.usecases.requests import carried_out, read_one


def carry_out(
    ports: Ports, code: str, *, although_billed: bool = False, cursor: str | None = None
) -> tuple[DeletionRequest, str | None]:
    """Erase the person of each signup of a request, part by part, and write down that it was done.

    Gives the request and where to go on, None at the end. One that was carried out erases nothing any more.
    Raises `Problem(not_found)`, and what an erasure raises.
    """
    request = read_one(ports, code)
    index, inner = _place(cursor)
    if request.status == RequestStatus.CARRIED_OUT or index >= len(request.signup_ids):
        return carried_out(ports, code, []), None
    try:
        part = erase(
            ports, Who(signup_id=request.signup_ids[index]), although_billed=although_billed, cursor=inner
        )
    except Problem as nothing:
        # Nothing is known of it any more: another one of the same person has taken it along.
        if nothing.code != "not_found":
            raise
        return request, f"{index + 1}#"
    if part.cursor is not None:
        return request, f"{index}#{part.cursor}"
    if part.receipt is not None:
        request = _with_receipt(ports, code, part.receipt.id)
    return request, f"{index + 1}#"


def _place(cursor: str | None) -> tuple[int, str | None]:
    """Which signup, and where in its erasure. Raises `Problem(invalid_request)`."""
    number, _, inner = (cursor or "0#").partition("#")
    if not (number.isascii() and number.isdecimal()):
        raise Problem("invalid_request", "The cursor is not one of ours.")
    return int(number), inner or None


def _with_receipt(ports: Ports, code: str, receipt: str) -> DeletionRequest:
    def edit(request: DeletionRequest) -> None:
        if receipt not in request.receipts:
            request.receipts = [*request.receipts, receipt]

    return change(ports, DeletionRequest, (code,), edit)
