"""Taking in a channel that 360dialog had before we came, and a new key because somebody asks for one.

An adopted number rests: its key and webhook stay as they are, for making a key would kill the one that its
owner uses. Until somebody asks for a key nothing is done about it; events and the census act on it as on any
other.
"""

from datetime import datetime

from onramp.domain.facts import FactType
from onramp.domain.number.channels import mind_error
from onramp.domain.number.notices import RESTRICTED, begin_restriction
from onramp.domain.number.plan import begin_now
from onramp.domain.number.record import Number
from onramp.domain.partner_events import Channel
from onramp.domain.signup import PROVED_BY_ADOPTION
from onramp.domain.states import Progress, Step


def adopt(number: Number, channel: Channel, now: datetime) -> None:
    """Take a living channel into a new record, as far as it has come at 360dialog."""
    number.rests = True
    number.channel_id = channel.id
    number.client_id = channel.client_id
    number.display_phone_number = channel.phone
    number.verified_name = channel.name
    number.digits = channel.digits
    number.progress = channel.progress or Progress.CREATED
    number.steps = {number.progress: now}
    number.seen_at = now
    number.tell(FactType.NUMBER_ADOPTED, now, proof=PROVED_BY_ADOPTION)
    if channel.restricted:
        begin_restriction(number, RESTRICTED, None, now)
    mind_error(number, channel, now)


def can_rotate(number: Number) -> bool:
    """Whether there is a living channel whose key may be made anew."""
    if number.channel_id is None or number.cancelled_at is not None or number.failure is not None:
        return False
    return number.rests or number.next_step in {Step.CONNECT, Step.CHECK}


def rotate(number: Number, now: datetime) -> None:
    """Make a new key; an adopted number gets its first. The same wish again changes nothing.

    The stored key is kept until the new one is in our hands. Key and webhook are proved in any case.
    """
    if number.key_wanted or (not number.rests and number.key is None):
        return
    number.key_wanted = number.key is not None
    number.rests = False
    number.doubts += 1
    begin_now(number, now)


def keep_key(number: Number) -> None:
    """No new key could be had: the stored one stays, and is proved."""
    number.key_wanted = False
    number.begin_anew()
