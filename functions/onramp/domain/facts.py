"""What can happen, in one table, and what is written down when it does.

A fact is an item of its own in its signup's partition, written in the transaction that makes it true.
Timeline, bus event and operator's history are views of it.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from onramp.domain.values import dataclass


@dataclass(frozen=True, slots=True)
class FactKind:
    """What a fact means, whether the bus has it, and the members of its `detail`."""

    about: str
    bus: bool = True
    detail: tuple[str, ...] = ()


class FactType(StrEnum):
    """Every fact this release writes."""

    SIGNUP_OPENED = "signup.opened"
    SIGNUP_AUTHORIZED = "signup.authorized"
    SIGNUP_EXCHANGE_FAILED = "signup.exchange_failed"
    SIGNUP_OUTCOME = "signup.outcome"
    SIGNUP_LINK_MADE = "signup.link_made"
    SIGNUP_LINK_USED = "signup.link_used"
    SIGNUP_LINK_REVOKED = "signup.link_revoked"
    NUMBER_PENDING = "number.pending"
    NUMBER_SUBMITTED = "number.submitted"
    NUMBER_CREATED = "number.created"
    NUMBER_READY = "number.ready"
    NUMBER_RUNNING = "number.running"
    NUMBER_LIVE = "number.live"
    NUMBER_CONNECTED = "number.connected"
    NUMBER_RECONNECT = "number.reconnect"
    NUMBER_CHECKED = "number.checked"
    NUMBER_RETRIED = "number.retried"
    NUMBER_FAILED = "number.failed"
    NUMBER_ATTEMPT_FAILED = "number.attempt_failed"
    NUMBER_RESTRICTED = "number.restricted"
    NUMBER_CANCELLED = "number.cancelled"
    NUMBER_PERMISSION_GRANTED = "number.permission_granted"
    NUMBER_CANCELLATION_REQUEST = "number.cancellation_request"
    NUMBER_CANCELLATION_REVOKE = "number.cancellation_revoke"
    NUMBER_QUALITY_CHANGED = "number.phone_number_quality_changed"
    NUMBER_CHANNEL_STATUS_CHANGED = "number.channel_status_changed"
    NUMBER_KEY_DOUBTED = "number.key_doubted"
    NUMBER_ATTENTION = "number.attention"
    NUMBER_ATTENTION_ENDED = "number.attention_ended"
    NUMBER_MENDED = "number.mended"
    NUMBER_RESTRICTION_ENDED = "number.restriction_ended"
    NUMBER_WISH = "number.wish"
    NUMBER_WISH_REFUSED = "number.wish_refused"
    NUMBER_REACTIVATED = "number.reactivated"
    NUMBER_RELEASED = "number.released"
    NUMBER_GIVEN_UP = "number.given_up"
    NUMBER_MATCHED_LATE = "number.matched_late"
    NUMBER_ADOPTED = "number.adopted"
    NUMBER_KEY_ROTATED = "number.key_rotated"
    CHANNELS_UNKNOWN = "channels.unknown"
    BALANCE_LOW = "balance.low"
    BALANCE_RECOVERED = "balance.recovered"
    SOLUTION_CHANGED = "solution.changed"
    DELETION_REQUESTED = "deletion.requested"
    DELETION_CARRIED_OUT = "deletion.carried_out"


FACTS: Final[Mapping[str, FactKind]] = {
    FactType.SIGNUP_OPENED: FactKind("A signup was opened."),
    FactType.SIGNUP_AUTHORIZED: FactKind(
        "The customer's WABA is proved to be theirs.", detail=("waba_id", "proof")
    ),
    FactType.SIGNUP_EXCHANGE_FAILED: FactKind(
        "A code brought no proven WABA; `code` is the error that the caller got.", detail=("code",)
    ),
    FactType.SIGNUP_OUTCOME: FactKind(
        "A popup ended without a code, as the customer's browser tells.",
        detail=("outcome", "step", "error_code", "session_id"),
    ),
    FactType.SIGNUP_LINK_MADE: FactKind(
        "A link to the signup was made; whoever has it can go through the signup.",
        detail=("link_id", "expires_at"),
    ),
    FactType.SIGNUP_LINK_USED: FactKind(
        "A code of the link's customer has brought a token: the link is theirs and nobody else's.",
        detail=("link_id",),
    ),
    FactType.SIGNUP_LINK_REVOKED: FactKind(
        "The link was taken back: it lets nobody in any more.", detail=("link_id",)
    ),
    FactType.NUMBER_PENDING: FactKind("A number was submitted to us and waits for its turn."),
    FactType.NUMBER_SUBMITTED: FactKind("360dialog has taken the number."),
    FactType.NUMBER_CREATED: FactKind("360dialog has made the number's channel."),
    FactType.NUMBER_READY: FactKind("The channel is ready to be registered."),
    FactType.NUMBER_RUNNING: FactKind("The channel is running."),
    FactType.NUMBER_LIVE: FactKind("The channel is live: its key can be made."),
    FactType.NUMBER_CONNECTED: FactKind(
        "The channel's key is stored, its webhook is set, and both are proved by use."
    ),
    FactType.NUMBER_RECONNECT: FactKind(
        "The customer came back with a number that is theirs; its record goes on.", detail=("life",)
    ),
    FactType.NUMBER_CHECKED: FactKind("A connected number's key and webhook were proved again."),
    FactType.NUMBER_RETRIED: FactKind("A failed number runs again from the step that failed."),
    FactType.NUMBER_FAILED: FactKind(
        "The number stopped; `code` is one of the failures.", detail=("code", "step")
    ),
    FactType.NUMBER_ATTEMPT_FAILED: FactKind(
        "An attempt failed and is made again.", bus=False, detail=("code",)
    ),
    FactType.NUMBER_RESTRICTED: FactKind(
        "Meta restricts the number.", detail=("code", "violation_type", "until")
    ),
    FactType.NUMBER_CANCELLED: FactKind("The channel has ended at 360dialog."),
    FactType.NUMBER_PERMISSION_GRANTED: FactKind(
        "The client has granted the right to make the key; a number that failed for want of it goes on.",
        bus=False,
    ),
    FactType.NUMBER_CANCELLATION_REQUEST: FactKind("Somebody asked 360dialog to end the channel."),
    FactType.NUMBER_CANCELLATION_REVOKE: FactKind("The wish to end the channel was taken back."),
    FactType.NUMBER_QUALITY_CHANGED: FactKind("Meta rates the number's quality anew."),
    FactType.NUMBER_CHANNEL_STATUS_CHANGED: FactKind("360dialog tells of a change of the channel's status."),
    FactType.NUMBER_KEY_DOUBTED: FactKind(
        "A run made a key after its time: the stored one is checked by use.", bus=False
    ),
    FactType.NUMBER_ATTENTION: FactKind(
        "Something about a number needs a person although messages may flow; `reason` is 360dialog's word.",
        detail=("code", "other_channel_id", "reason"),
    ),
    FactType.NUMBER_ATTENTION_ENDED: FactKind(
        "What needed a person has ended by itself, or was mended.", detail=("code",)
    ),
    FactType.NUMBER_MENDED: FactKind(
        "A dead key was replaced, or a webhook that was set elsewhere was set back.", detail=("code",)
    ),
    FactType.NUMBER_RESTRICTION_ENDED: FactKind("Meta restricts the number no more.", detail=("code",)),
    FactType.NUMBER_WISH: FactKind(
        "Its tenant asks to `cancel` or to `reactivate` the channel.", detail=("code",)
    ),
    FactType.NUMBER_WISH_REFUSED: FactKind(
        "360dialog did not do what the tenant asked; `code` is one of the failures.", detail=("code", "step")
    ),
    FactType.NUMBER_REACTIVATED: FactKind("The end of the channel was undone: the number goes on."),
    FactType.NUMBER_RELEASED: FactKind("Another tenant has proved the number, which was free: it is theirs."),
    FactType.NUMBER_GIVEN_UP: FactKind(
        "An operator gave the number up: whoever proves it may have it; a channel that lives is nobody's."
    ),
    FactType.NUMBER_MATCHED_LATE: FactKind(
        "The only living channel of the WABA that nobody had was taken for its only number without one."
    ),
    FactType.NUMBER_ADOPTED: FactKind(
        "A channel that 360dialog had already was taken in; its key and webhook stay as they are.",
        detail=("proof",),
    ),
    FactType.NUMBER_KEY_ROTATED: FactKind(
        "A new key was made because an operator asked for it: fetch it, the one before is dead."
    ),
    FactType.CHANNELS_UNKNOWN: FactKind(
        "360dialog bills channels that belong to no number of ours.", detail=("count", "channel_ids")
    ),
    FactType.BALANCE_LOW: FactKind(
        "The partner's balance at 360dialog is below what the stage watches; told once until it recovers.",
        detail=("total", "watched", "hub"),
    ),
    FactType.BALANCE_RECOVERED: FactKind(
        "The balance is no longer below what the stage watches.", detail=("total", "watched", "hub")
    ),
    FactType.SOLUTION_CHANGED: FactKind(
        "Meta tells of the multi-partner solution; `status` is its word, in small letters.",
        detail=("solution_id", "status"),
    ),
    FactType.DELETION_REQUESTED: FactKind(
        "A person asks through Meta that their data be deleted, or has taken the app away.",
        detail=("request_id", "kind"),
    ),
    FactType.DELETION_CARRIED_OUT: FactKind(
        "What a person asked for through Meta was done.", detail=("request_id", "kind")
    ),
}
