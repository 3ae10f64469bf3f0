"""What a person should see of a number beside its progress: notices, a second channel, a restriction."""

from datetime import UTC, datetime
from typing import Final

from onramp.domain.facts import FactType
from onramp.domain.number.record import Number, Restriction
from onramp.domain.partner_events import PartnerEvent
from onramp.domain.states import Attention, Step
from onramp.domain.text import iso

RESTRICTED: Final = "account_restriction"
DISABLED: Final = "account_disabled"
_SEVERITY: Final = ("account_violation", RESTRICTED, DISABLED)
ON_METAS_WORD: Final = frozenset(
    {
        Attention.ACCOUNT_DELETED,
        Attention.DISABLE_PLANNED,
        Attention.OFFBOARDED,
        Attention.PARTNER_REMOVED,
    }
)
"""What a person is shown because Meta itself has said it; a popup of the customer's ends it."""
FOR_EVER: Final = datetime.max.replace(tzinfo=UTC)


def note(number: Number, attention: Attention, now: datetime, code: str = "") -> None:
    """Something about the number needs a person. `code`: what 360dialog or Meta calls it."""
    if number.notices.get(attention) == code:
        return
    number.notices = {**number.notices, attention: code}
    number.tell(FactType.NUMBER_ATTENTION, now, code=attention, reason=code or None)


def settle_notice(number: Number, attention: Attention, now: datetime) -> None:
    """It needs nobody any more."""
    if attention in number.notices:
        number.notices = {other: code for other, code in number.notices.items() if other != attention}
        number.tell(FactType.NUMBER_ATTENTION_ENDED, now, code=attention)


def set_second(number: Number, channel_id: str | None, now: datetime) -> None:
    """A second channel has shown itself, or has gone."""
    if channel_id == number.second_channel:
        return
    number.second_channel = channel_id
    code = Attention.SECOND_CHANNEL
    if channel_id is None:
        number.tell(FactType.NUMBER_ATTENTION_ENDED, now, code=code)
    else:
        number.tell(FactType.NUMBER_ATTENTION, now, code=code, other_channel_id=channel_id)


def second_is_gone(number: Number, channel_id: str, now: datetime) -> None:
    """The second channel that was read has ended, or is no more."""
    if number.second_channel == channel_id:
        set_second(number, None, now)


def begin_restriction(
    number: Number, code: str, event: PartnerEvent | Restriction | None, now: datetime
) -> None:
    """Meta restricts the number: the heavier of two counts, and of two alike the longer one."""
    until = event.until if event else None
    detail = (event.detail or None) if event else None
    if weight(code, until) > weight(number.restriction, number.restricted_until):
        number.restriction = code
        number.restricted_until = until
        number.violation_type = detail
    number.restricted_at = now
    number.restricted_by = event.id if event else None
    if number.next_step is Step.CHECK and until is not None and not number.is_held(now):
        number.due_at = min(number.due_at or until, until)
    told_until = iso(until) if until else None
    number.tell(FactType.NUMBER_RESTRICTED, now, code=code, violation_type=detail, until=told_until)


def weight(code: str | None, until: datetime | None) -> tuple[int, datetime]:
    """How heavy a restriction is: by its code, then by its end."""
    return (_SEVERITY.index(code) if code in _SEVERITY else -1, until or FOR_EVER)


def end_restriction(number: Number, now: datetime) -> None:
    """Meta restricts it no more."""
    if number.restriction is None:
        return
    number.tell(FactType.NUMBER_RESTRICTION_ENDED, now, code=number.restriction)
    forget_restriction(number)


def forget_restriction(number: Number) -> None:
    """Nothing is told: what follows tells it."""
    number.restriction = number.violation_type = None
    number.restricted_at = number.restricted_until = number.restricted_by = None
    number.metas_restrictions = []


def ease(number: Number, now: datetime) -> None:
    """A restriction with an end has ended by itself."""
    if number.restricted_until is not None and number.restricted_until <= now:
        end_restriction(number, now)
