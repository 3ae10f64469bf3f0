"""Meta's own events: first the witness of the account, then what they change, as any event does."""

from datetime import datetime
from typing import Final

from onramp.domain.errors import Conflict, UnavailableError
from onramp.domain.meta_events import ADDED, REMOVED
from onramp.domain.partner_events import PartnerEvent
from onramp.domain.witness import Witness
from onramp.ports import Ports
from onramp.usecases.apply_event import apply_event
from onramp.usecases.changing import pause

TRIES: Final = 8


def hear_meta(ports: Ports, event: PartnerEvent, *, again: bool = True) -> datetime | None:
    """Let one of Meta's events act, once. Gives the time at which it has to come again, if it has to.

    The witness only grows with what is said and when, so that a repeat after a crash changes nothing. The
    relay hands on what 360dialog says, and this is not.
    """
    if event.name in ADDED | REMOVED and event.channel.waba_id is not None and not event.channel.digits:
        _bear_witness(ports, event, event.channel.waba_id)
    return apply_event(ports, event, again=again, passed_on=False)


def _bear_witness(ports: Ports, event: PartnerEvent, waba_id: str) -> None:
    for tries in range(TRIES):
        now = ports.clock.now()
        witness = ports.store.read(Witness, waba_id) or Witness(waba_id=waba_id, heard_at=now)
        before = witness.model_copy(deep=True)
        witness.heard(
            added=event.name in ADDED,
            at=min(event.at or now, now),
            now=now,
            business_id=event.business_id,
            solution_id=event.solution_id,
        )
        if witness == before:
            return
        try:
            ports.store.commit(witness)
        except Conflict:
            pause(ports, tries)
        else:
            return
    raise UnavailableError("the witness is being changed by others")
