"""The step `submit`: hand the number to 360dialog, once.

    looked for ──► client of its WABA, else found or made ──► intent ──► slot ──► call ──► refused: looked for

A number that 360dialog has already is adopted, never handed in a second time: it is looked for before its
submission, and an unanswered submission, a number that comes back, and a refusal are settled by looking.
"""

from datetime import datetime, timedelta
from typing import Final

from onramp.domain import number as life
from onramp.domain.clients import ClientRecord, mailbox
from onramp.domain.errors import Permanent, PutOff, Transient
from onramp.domain.number import Number
from onramp.domain.partner_events import Channel
from onramp.domain.schedule import SETTLE
from onramp.domain.signup import Signup
from onramp.ports.upstreams import Submission
from onramp.usecases.changing import change
from onramp.usecases.find_channel import (
    absent_since,
    find_before,
    find_channel,
    find_returned,
    only_one_left,
)
from onramp.usecases.find_client import find_or_make_client
from onramp.usecases.resolve import read_numbers
from onramp.usecases.run import Run

GROWTH: Final = 0.5
"""A wait for a channel's name grows by half of the time waited, so that it does not fill the budget."""
SIBLINGS: Final = 5
"""Numbers of the same WABA that are asked for their client."""
NOT_FOUND: Final = 404


def submit(run: Run) -> None:
    """Side effects: a client and a submission at 360dialog, the record. Raises `UpstreamError`, `PutOff`."""
    channel = _existing(run)
    if channel is not None:
        _adopt(run, channel)
        return
    client_id = run.number.client_id or _client_of_waba(run) or find_or_make_client(run)
    try:
        run.ports.partner.submit_number(_submission(run, client_id), run.submission_gate(client_id))
    except Permanent as refusal:
        # Only this call's own refusal says that nothing was submitted; any other failure leaves it open.
        run.write(_forget_intent)
        _after_refusal(run, refusal, client_id)
    except Transient:
        run.write(_forget_intent)
        raise
    else:
        run.finish = life.submitted


def _submission(run: Run, client_id: str) -> Submission:
    number = run.number
    return Submission(
        waba_id=number.waba.id,
        business_id=number.waba.business_id,
        client_id=client_id,
        plan_tier=number.plan_tier,
        phone_number_id=number.phone_number_id,
    )


def _existing(run: Run) -> Channel | None:
    """The channel that the number has already. Raises `PutOff` while one may still show itself."""
    intent = run.number.intent
    if intent is None:
        return _before_the_first(run)
    channel = find_channel(run, run.gate, run.number.client_id)
    channel = channel or only_one_left(run, run.gate)
    if channel is None:
        _wait_for_strays(run)
        if run.now < intent.at + SETTLE:
            raise PutOff(intent.at + SETTLE, "an unanswered submission may still appear")
    return channel


def _before_the_first(run: Run) -> Channel | None:
    if life.surely_absent(run.number, run.now):
        return None
    channel, looked_at = None, absent_since(run, run.gate)
    if looked_at is None:
        looked_at = run.now
        channel = find_before(run, run.gate) or only_one_left(run, run.gate)
    if channel is None:
        _wait_for_strays(run)
        client_id = _usable(run, run.waba_client)
        run.learnt.append(lambda number: life.looked_before(number, client_id, looked_at))
        run.number.client_id = run.number.client_id or client_id
    return channel


def _wait_for_strays(run: Run) -> None:
    """Raise `PutOff` while a channel of the WABA does not say which number it is: it may be the one."""
    if run.strays:
        waited = run.now - (run.number.waiting_since or run.now)
        stray = run.strays[0]
        run.learnt.append(lambda number: life.held_up(number, stray))
        reason = "a channel of the WABA has no phone number yet"
        raise PutOff(run.now + max(SETTLE, waited * GROWTH), reason, code="stray_channel")


def _client_of_waba(run: Run) -> str | None:
    """The client under which the tenant's other numbers of this WABA are at 360dialog."""
    number = run.number
    if number.client_renewed:
        return None
    siblings = read_numbers(run.ports, run.ports.store.numbers_in(number.hub, number.waba.id, SIBLINGS))
    known = (
        sibling.client_id
        for sibling in siblings
        if sibling.tenant == number.tenant and sibling.waba.id == number.waba.id and sibling.channel_id
    )
    return next((client_id for client_id in known if client_id), None)


def _usable(run: Run, client_id: str | None) -> str | None:
    """A client that a list has shown, unless another tenant has it."""
    if client_id is None or run.number.client_renewed:
        return None
    record = run.ports.store.read(ClientRecord, run.ports.hub, client_id)
    return None if record is not None and record.is_owned_by_other(run.number.tenant) else client_id


def _after_refusal(run: Run, refusal: Permanent, client_id: str) -> None:
    """A refused number may be one that 360dialog has, or its client one that 360dialog has forgotten."""
    if refusal.code == "client_not_found" or (refusal.status == NOT_FOUND and _is_gone(run, client_id)):
        _renew_client(run, client_id)
        raise refusal
    if refusal.code == "submission_rejected":
        channel = find_channel(run, run.gate, client_id, widely=True) or find_returned(run, run.gate)
        if channel is not None:
            _adopt(run, channel)
            return
    raise refusal


def _is_gone(run: Run, client_id: str) -> bool:
    return not run.number.client_renewed and run.ports.partner.read_client(client_id, run.gate) is None


def _renew_client(run: Run, client_id: str) -> None:
    """Forget a client that 360dialog does not know, once, when it was found or made by an email.

    Raises `PutOff`: the number begins again at once.
    """
    signup = run.ports.store.read(Signup, run.number.signup_id)
    if run.number.client_renewed or signup is None or signup.client.id is not None:
        return
    name = mailbox(signup.client.email or "")
    record = run.ports.store.read(ClientRecord, run.ports.hub, name)
    if record is not None and record.client_id == client_id:
        change(run.ports, ClientRecord, record.identity, lambda stored: stored.forget(client_id))
    run.write(life.renew_client)
    raise PutOff(run.now + timedelta(seconds=1), "360dialog has forgotten the client")


def _forget_intent(number: Number) -> None:
    number.intent = None


def _adopt(run: Run, channel: Channel) -> None:
    def finish(number: Number, now: datetime) -> None:
        number.intent = None
        life.see(number, channel, now, run.ports.rules.look_after)

    run.finish = finish
