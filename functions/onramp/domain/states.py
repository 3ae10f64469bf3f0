"""The states of a number, as one table.

Progress only ever grows: that is what makes any order and any repetition of events end in the same record.
What can befall a number beside its progress (failed, restricted, cancelled) is kept apart from it and only
covers it in what a reader is shown.
"""

from collections.abc import Mapping
from dataclasses import dataclass
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

    @property
    def rank(self) -> int:
        """Position in the order, from 0."""
        return _RANK[self]

    def reaches(self, other: "Progress") -> bool:
        """Whether this is `other` or further."""
        return self.rank >= other.rank


_RANK: Final = {progress: rank for rank, progress in enumerate(Progress)}


class Status(StrEnum):
    """What a reader of a number is shown: its progress, or what covers it."""

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
    WAIT = "wait"
    CONNECT = "connect"


class Effect(StrEnum):
    """What an event does beside moving the progress."""

    NONE = "none"
    START_CONNECTING = "start_connecting"
    RESTRICT = "restrict"
    CANCEL = "cancel"
    NOTE = "note"


class Scope(StrEnum):
    """What an event's `data.id` names."""

    CHANNEL = "channel"
    CLIENT = "client"
    WABA = "waba"


@dataclass(frozen=True, slots=True)
class EventRule:
    """What one kind of partner event means for a number."""

    scope: Scope
    progress: Progress | None = None
    effect: Effect = Effect.NONE


# docs/upstreams.md, "360dialog". What is not named here is stored and counted, nothing more.
EVENT_RULES: Final[Mapping[str, EventRule]] = {
    "channel_created": EventRule(Scope.CHANNEL, Progress.CREATED),
    "channel_submitted": EventRule(Scope.CHANNEL, Progress.CREATED),
    "channel_ready": EventRule(Scope.CHANNEL, Progress.READY),
    "channel_running": EventRule(Scope.CHANNEL, Progress.RUNNING),
    "channel_live": EventRule(Scope.CHANNEL, Progress.LIVE, Effect.START_CONNECTING),
    "channel_permission_granted": EventRule(Scope.CHANNEL, Progress.LIVE, Effect.START_CONNECTING),
    "account_violation": EventRule(Scope.CHANNEL, effect=Effect.RESTRICT),
    "account_restriction": EventRule(Scope.CHANNEL, effect=Effect.RESTRICT),
    "cancellation_request": EventRule(Scope.CHANNEL, effect=Effect.NOTE),
    "cancellation_revoke": EventRule(Scope.CHANNEL, effect=Effect.NOTE),
    "cancellation_processed": EventRule(Scope.CHANNEL, effect=Effect.CANCEL),
    "phone_number_quality_changed": EventRule(Scope.CHANNEL, effect=Effect.NOTE),
    "channel_status_changed": EventRule(Scope.CHANNEL, effect=Effect.NOTE),
    "client_created": EventRule(Scope.CLIENT),
    "waba_template_status_changed": EventRule(Scope.WABA),
    "waba_template_category_changed": EventRule(Scope.WABA),
    "template_messaging_enabled": EventRule(Scope.WABA),
    "template_messaging_disabled": EventRule(Scope.WABA),
    "history": EventRule(Scope.WABA),
    "smb_app_state_sync": EventRule(Scope.WABA),
}

# Words seen in a channel's `status`, `hub_status` and `integration.state`, and what they tell of progress.
CHANNEL_WORDS: Final[Mapping[str, Progress]] = {
    "created": Progress.CREATED,
    "submitted": Progress.CREATED,
    "pending": Progress.CREATED,
    "ready": Progress.READY,
    "running": Progress.RUNNING,
    "live": Progress.LIVE,
}
DEAD_HUB_STATUSES: Final = frozenset({"pending_deletion", "deleted", "terminated", "cancelled"})
DEAD_WABA_STATUSES: Final = frozenset({"bsp_removed", "disabled", "banned"})
