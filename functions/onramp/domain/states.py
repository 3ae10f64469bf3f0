"""The states of a number, as tables.

Progress only ever grows within one life of a number: that is what makes any order and any repetition of
events end in the same record. What can befall a number beside its progress (failed, restricted, cancelled) is
kept apart from it and only covers it in what a reader is shown.

A record of a later release may hold a word that is not here. It is kept, it stands behind all that we know,
and nothing is done about it: the release that wrote it will.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class Progress(StrEnum):
    """How far a number has come, in order."""

    PENDING = "pending"
    SUBMITTING = "submitting"
    SUBMITTED = "submitted"
    CREATED = "created"
    READY = "ready"
    RUNNING = "running"
    LIVE = "live"
    CONNECTING = "connecting"
    CONNECTED = "connected"


_RANK: Final[Mapping[str, int]] = {progress: rank for rank, progress in enumerate(Progress)}


def is_known(progress: str) -> bool:
    """Whether this release knows the word."""
    return progress in _RANK


def rank(progress: str) -> int:
    """Position in the order, from 0; a word we do not know stands behind all others."""
    return _RANK.get(progress, len(_RANK))


def reaches(progress: str, other: Progress) -> bool:
    """Whether `progress` is `other` or further."""
    return rank(progress) >= rank(other)


class Status(StrEnum):
    """What a reader of a number is shown: its progress, or what covers it; `listed` was never submitted."""

    LISTED = "listed"
    PENDING = "pending"
    SUBMITTING = "submitting"
    SUBMITTED = "submitted"
    CREATED = "created"
    READY = "ready"
    RUNNING = "running"
    LIVE = "live"
    CONNECTING = "connecting"
    CONNECTED = "connected"
    FAILED = "failed"
    RESTRICTED = "restricted"
    CANCELLED = "cancelled"


class Standing(StrEnum):
    """The class a number is counted in by its signup, and found by in lists."""

    ONBOARDING = "onboarding"
    CONNECTED = "connected"
    FAILED = "failed"
    RESTRICTED = "restricted"
    CANCELLED = "cancelled"


_STANDINGS: Final[Mapping[str, Standing]] = {
    Status.CONNECTED: Standing.CONNECTED,
    Status.FAILED: Standing.FAILED,
    Status.RESTRICTED: Standing.RESTRICTED,
    Status.CANCELLED: Standing.CANCELLED,
}


def standing(status: str) -> Standing:
    """The class of a status; all that is under way is one class."""
    return _STANDINGS.get(status, Standing.ONBOARDING)


class SignupStatus(StrEnum):
    """What a signup is as a whole; derived from its parts, see `Signup.status`."""

    OPEN = "open"
    AUTHORIZED = "authorized"
    ONBOARDING = "onboarding"
    CONNECTED = "connected"
    ATTENTION = "attention"
    EXPIRED = "expired"


class Step(StrEnum):
    """What a number needs next; derived from its record, see `Number.next_step`."""

    SUBMIT = "submit"
    LOOK = "look"
    CONNECT = "connect"
    CHECK = "check"
    CANCEL = "cancel"
    REACTIVATE = "reactivate"


class Attention(StrEnum):
    """What a person should see of a number although messages may flow; the weightiest first."""

    ACCOUNT_DELETED = "account_deleted"
    CHANNEL_MISSING = "channel_missing"
    PARTNER_REMOVED = "partner_removed"
    OFFBOARDED = "offboarded"
    KEY_DEAD = "key_dead"
    WEBHOOK_DRIFT = "webhook_drift"
    CHANNEL_ERROR = "channel_error"
    SECOND_CHANNEL = "second_channel"
    DISABLE_PLANNED = "disable_planned"
    UNVERIFIED = "unverified"
