"""The step `submit`: hand the number to 360dialog, once.

    client known or found ──► looked for, where there may be a channel ──► intent ──► slot ──► call

An unanswered submission, a number that comes back, and a refusal are settled by looking before anything is
sent.
"""

from datetime import datetime

from onramp.domain import number as life
from onramp.domain.errors import Permanent, PutOff, Transient
from onramp.domain.number import Number
from onramp.domain.partner_events import Channel
from onramp.domain.schedule import SETTLE
from onramp.ports.upstreams import Submission
from onramp.usecases.find_channel import find_channel
from onramp.usecases.find_client import find_or_make_client
from onramp.usecases.run import Run


def submit(run: Run) -> None:
    """Side effects: a client and a submission at 360dialog, the record. Raises `UpstreamError`, `PutOff`."""
    client_id = run.number.client_id or find_or_make_client(run)
    intent = run.number.intent
    if intent is not None:
        channel = find_channel(run, run.gate, client_id)
        if channel is not None:
            _adopt(run, channel)
            return
        if run.now < intent.at + SETTLE:
            raise PutOff(intent.at + SETTLE, "an unanswered submission may still appear")
    number = run.number
    submission = Submission(
        waba_id=number.waba.id,
        business_id=number.waba.business_id,
        client_id=client_id,
        plan_tier=number.plan_tier,
        phone_number_id=number.phone_number_id,
    )
    try:
        run.ports.partner.submit_number(submission, run.submission_gate(client_id))
    except (Permanent, Transient):
        # Only this call's own refusal says that nothing was submitted; any other failure leaves it open.
        run.write(_forget_intent)
        raise
    run.finish = life.submitted


def _forget_intent(number: Number) -> None:
    number.intent = None


def _adopt(run: Run, channel: Channel) -> None:
    def finish(number: Number, now: datetime) -> None:
        number.intent = None
        life.see(number, channel, now, run.ports.rules.look_after)

    run.finish = finish
