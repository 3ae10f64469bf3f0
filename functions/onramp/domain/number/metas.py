"""What Meta's own words change: who has access, whether the phone is there, what Meta forbids.

Each says when it was said. The newest of a topic counts, and a restriction counts until a later word ends it:
so any order and any repetition of them ends in the same record. 360dialog tells of some of it, too; what both
say is one thing here, and whether a channel lives, 360dialog's own answer decides.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from onramp.domain.number.notices import (
    DISABLED,
    FOR_EVER,
    RESTRICTED,
    begin_restriction,
    end_restriction,
    forget_restriction,
    note,
    settle_notice,
    weight,
)
from onramp.domain.number.record import Number, Restriction
from onramp.domain.number.wishes import ask_for_proof
from onramp.domain.partner_events import PartnerEvent
from onramp.domain.states import Attention
from onramp.domain.text import iso
from onramp.domain.values import dataclass

REMEMBERED: Final = 20
"""Restrictions kept in a record, the newest."""


@dataclass(frozen=True, slots=True)
class _Word:
    """A word of a topic: what a person should see because of it; None ends what is seen of the topic."""

    topic: str
    attention: Attention | None = None


_WORDS: Final[Mapping[str, _Word]] = {
    "meta_partner_added": _Word("access"),
    "meta_partner_app_installed": _Word("access"),
    "meta_partner_removed": _Word("access", Attention.PARTNER_REMOVED),
    "meta_partner_app_uninstalled": _Word("access", Attention.PARTNER_REMOVED),
    "meta_account_offboarded": _Word("phone", Attention.OFFBOARDED),
    "meta_account_reconnected": _Word("phone"),
    "meta_account_deleted": _Word("account", Attention.ACCOUNT_DELETED),
}
_BANS: Final[Mapping[str, _Word]] = {
    "schedule_for_disable": _Word("ban", Attention.DISABLE_PLANNED),
    "disable": _Word("ban"),
    "reinstate": _Word("ban"),
}
_FORBIDS: Final[Mapping[str, str]] = {
    "meta_account_restriction": RESTRICTED,
    "meta_account_violation": "account_violation",
    "meta_disabled_update": DISABLED,
}
_SEEN: Final[Mapping[str, frozenset[Attention]]] = {
    topic: frozenset(
        word.attention
        for word in (*_WORDS.values(), *_BANS.values())
        if word.topic == topic and word.attention is not None
    )
    for topic in ("access", "phone", "account", "ban")
}


def hear_meta(number: Number, event: PartnerEvent, now: datetime) -> None:
    """A word of Meta's own; one from the future counts as said now."""
    at = min(event.at or now, now)
    word = _WORDS.get(event.name) or _BANS.get(event.state)
    if word is not None:
        _hear_word(number, word, event, at, now)
    code = _FORBIDS.get(event.name)
    if code is None:
        return
    if event.over:
        _free(number, at, now)
    elif word is None or event.state == "disable":
        _forbid(number, code, event, at, now)


def _hear_word(number: Number, word: _Word, event: PartnerEvent, at: datetime, now: datetime) -> None:
    """The newest word of a topic counts; of two of the same second the worse one."""
    key = f"{iso(at)}{int(word.attention is not None)}{event.id}"
    if key <= number.metas_words.get(word.topic, ""):
        return
    number.metas_words = {**number.metas_words, word.topic: key}
    seen = _SEEN[word.topic] & number.noticed
    if word.attention is None:
        for attention in sorted(seen):
            settle_notice(number, attention, now)
        if seen:
            _prove(number, now)
    elif number.authorized_at is None or at >= number.authorized_at.replace(microsecond=0):
        # What was said before its customer came (again) is behind it.
        note(number, word.attention, now, event.reason)
        if word.attention not in seen:
            _prove(number, now)


def _prove(number: Number, now: datetime) -> None:
    """Whether its channel lives, and its key: 360dialog is asked now."""
    if number.channel_id is not None and number.failure is None and number.cancelled_at is None:
        ask_for_proof(number, now)


def _forbid(number: Number, code: str, event: PartnerEvent, at: datetime, now: datetime) -> None:
    known = number.metas_restrictions
    if (number.freed_at is not None and at <= number.freed_at) or event.id in {one.id for one in known}:
        return
    new = Restriction(code=code, at=at, id=event.id, until=event.until, detail=event.detail)
    number.metas_restrictions = sorted([*known, new], key=lambda one: (one.at, one.id))[-REMEMBERED:]
    told = number.restriction == code and number.restricted_until == event.until
    if not told and (event.until or FOR_EVER) > now:
        begin_restriction(number, code, new, now)


def _free(number: Number, at: datetime, now: datetime) -> None:
    """Meta takes back what it has forbidden until then."""
    if number.freed_at is not None and at <= number.freed_at:
        return
    before = number.metas_restrictions
    stay = [one for one in before if one.at > at]
    own = is_metas(number, number.restriction, number.restricted_until)
    newer = number.restricted_at is not None and number.restricted_at > at and not own
    number.freed_at = at
    living = [one for one in stay if (one.until or FOR_EVER) > now]
    heaviest = max(living, key=lambda one: weight(one.code, one.until), default=None)
    if heaviest is None and not newer:
        end_restriction(number, now)
    elif (
        heaviest is not None
        and own
        and (heaviest.code, heaviest.until)
        != (
            number.restriction,
            number.restricted_until,
        )
    ):
        forget_restriction(number)
        begin_restriction(number, heaviest.code, heaviest, now)
    number.metas_restrictions = stay


def is_metas(number: Number, code: str | None, until: datetime | None) -> bool:
    """Whether Meta itself has told of this restriction."""
    return any((one.code, one.until) == (code, until) for one in number.metas_restrictions)
