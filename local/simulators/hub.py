"""What 360dialog's side holds: clients, channels, keys, submissions, and the doubts as options."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from local.simulators.clock import iso
from local.simulators.web import Json

type PhoneSpelling = Literal["plain", "zeros", "double", "inner_zero", "script"]
type ChannelState = Literal["submitted", "created", "ready", "running", "live"]

STATES: tuple[ChannelState, ...] = ("submitted", "created", "ready", "running", "live")
"""The way of a channel; `submitted` is before the first event."""
ENDED = ("deleted", "terminated")
"""Words of `hub_status` for a channel that is no more; its key works until then."""
ARABIC_INDIC = str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")


@dataclass(slots=True, kw_only=True)
class DialogOptions:
    """How 360dialog answers where its documentation is silent or contradicts itself.

    Durations are in seconds. What each means stands in the README beside this file.
    """

    step_seconds: float = 0.4
    stop_at: ChannelState | None = None
    first_event_before_answer: bool = False
    send_channel_submitted: bool = False
    budget_enforced: bool = True
    budget_calls: int = 5
    budget_window_seconds: float = 30.0
    budget_counts_refused: bool = False
    retry_after_header: bool = False
    create_client_status: Literal[200, 201] = 201
    client_id_field: Literal["id", "client_id", "none"] = "id"
    ignore_client_filters: bool = False
    email_filter_case_sensitive: bool = True
    client_list_lag_seconds: float = 0.0
    max_page_size: int = 200
    submit_shape: Literal["echo", "event", "random"] = "echo"
    strict_payload: bool = True
    duplicate_submission: Literal["second_channel", "refuse", "ignore"] = "second_channel"
    channel_list_lag_seconds: float = 0.0
    phone_lag_seconds: float = 0.0
    ignore_channel_filters: bool = False
    phone_plus: Literal["with", "without", "random"] = "without"
    phone_spelling: PhoneSpelling = "plain"
    channel_external_id: Literal["right", "missing", "wrong"] = "right"
    hide_external_id_in_list: bool = False
    key_shape: Literal["flat", "list", "random"] = "flat"
    key_drops_webhook: bool = True
    client_pays: bool = False
    permission_after_seconds: float | None = None
    allow_any_webhook_url: bool = False
    unset_webhook_missing: bool = False
    message_statuses: bool = True
    cancellation_shows: Literal["pending_deletion", "cancelled_at", "both", "nothing"] = "pending_deletion"
    reactivate_by: Literal["both", "enabled_false", "reactivate"] = "both"
    words: Literal["lower", "upper", "title"] = "lower"
    null_lists: bool = False
    webhook_url_shown: Literal["as_set", "equivalent"] = "as_set"
    balance: float = 250.0


@dataclass(slots=True, kw_only=True)
class WebhookOptions:
    """How partner webhooks look and how stubborn redelivery is. Durations are in seconds."""

    top_level_fields: bool = False
    as_array: bool = False
    type_instead_of_event: bool = False
    signature_prefix: bool = False
    redelivery_base_seconds: float = 1.0
    redelivery_cap_seconds: float = 3600.0
    redelivery_for_seconds: float = 7 * 86400.0


@dataclass(slots=True, kw_only=True)
class WebhookFaults:
    """What happens to partner webhooks on their way. The first four are probabilities.

    `only` limits all of it to these event names.
    """

    drop: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0
    delay: float = 0.0
    delay_seconds: float = 2.0
    empty_phone_at_live: bool = False
    missing_external_id: bool = False
    only: list[str] | None = None

    def covers(self, event: str) -> bool:
        """Say whether an event of this name is meant."""
        return self.only is None or event in self.only


@dataclass(slots=True, kw_only=True)
class Client:
    """A client of the hub; times are epoch seconds."""

    id: str
    name: str
    email: str
    user_name: str
    created_at: float
    made_by: Literal["api", "submission"] = "api"
    business_id: str | None = None
    partner_payload: str | None = None
    max_channels: int = 10

    def view(self, partner_id: str) -> Json:
        """Return the client as the list shows it."""
        return {
            "id": self.id,
            "name": self.name,
            "status": "active",
            "organisation": self.name,
            "partner_id": partner_id,
            "contact_info": {"email": self.email, "full_name": self.user_name},
            "contact_user": {"email": self.email, "name": self.user_name, "phone": None},
            "partner_payload": self.partner_payload,
            "max_channels": self.max_channels,
            "created_at": iso(self.created_at),
            "modified_at": iso(self.created_at),
        }

    def summary(self) -> Json:
        """Return the client as its channels show it."""
        return {
            "id": self.id,
            "name": self.name,
            "partner_payload": self.partner_payload,
            "contact_info": {"email": self.email},
        }


@dataclass(slots=True, kw_only=True)
class ApiKey:
    """A channel's key; times are epoch seconds."""

    id: str
    secret: str
    app_id: str
    made_at: float
    made_by: Literal["api", "hub"] = "api"
    revoked_at: float | None = None


@dataclass(slots=True, kw_only=True)
class Channel:
    """A phone number at 360dialog. `phone_digits` and `phone_number_id` are Meta's, times are epoch seconds.

    `external_id` is shown in place of what the options say; an empty one hides it. `error` is what
    `setup_info.error` holds: any JSON value. A `removed` channel is nowhere to be read.
    """

    id: str
    client_id: str
    waba_record_id: str
    waba_external_id: str
    waba_name: str
    business_id: str
    business_name: str
    phone_number_id: str
    phone_digits: str
    phone_name: str
    plus: bool
    spelling: PhoneSpelling = "plain"
    external_id: str | None = None
    created_at: float
    state: ChannelState = "submitted"
    status: str = "pending"
    hub_status: str = "active"
    account_mode: str = "live"
    waba_status: str = "active"
    fb_account_status: str = "approved"
    error: Any = None
    live_at: float | None = None
    cancellation_requested_at: float | None = None
    cancelled_at: float | None = None
    terminated_at: float | None = None
    restricted_until: float | None = None
    removed: bool = False
    permission_granted: bool = False
    foreign: bool = False
    keys: list[ApiKey] = field(default_factory=list)
    webhook: Json | None = None

    @property
    def phone_number(self) -> str:
        """The number as this channel shows it."""
        digits = self.phone_digits
        if self.spelling == "double":
            digits = other_spelling(digits)
        elif self.spelling == "script":
            digits = digits.translate(ARABIC_INDIC)
        elif self.spelling == "inner_zero":
            return f"+{digits[:2]} (0) {digits[2:]}"
        if self.plus:
            return f"+{digits}"
        return f"00{digits}" if self.spelling == "zeros" else digits

    def shown_external_id(self, options: DialogOptions) -> str | None:
        """Meta's phone number id, something else that looks like one, or nothing."""
        if self.external_id is not None:
            return self.external_id or None
        return {
            "right": self.phone_number_id,
            "missing": None,
            "wrong": self.phone_number_id[::-1],
        }[options.channel_external_id]

    @property
    def dead(self) -> bool:
        """Whether nothing further happens to it: it has ended, or reads as if it were about to."""
        return self.ended or self.cancelled_at is not None or self.hub_status != "active"

    @property
    def ended(self) -> bool:
        """Whether it has come to its end, and its key with it."""
        return self.removed or self.terminated_at is not None or self.hub_status in ENDED

    def put_in(self, state: ChannelState, now: float) -> None:
        """Put it into a state at once, without the steps before."""
        self.state, self.status = state, state
        self.live_at = now if state == "live" else None

    def live_key(self) -> ApiKey | None:
        """Return the one key that is not revoked."""
        return next((key for key in reversed(self.keys) if key.revoked_at is None), None)

    def revoke_keys(self, at: float) -> None:
        """Make every key useless."""
        for key in self.keys:
            key.revoked_at = key.revoked_at or at


@dataclass(slots=True, kw_only=True)
class Submission:
    """One accepted call that submitted numbers."""

    at: float
    client_id: str
    waba_external_id: str
    channel_external_id: str | None
    tier: str
    channel_ids: list[str]
    duplicate: bool


@dataclass(slots=True, kw_only=True)
class Hub:
    """Everything 360dialog knows about one partner."""

    options: DialogOptions
    webhook_options: WebhookOptions
    webhook_faults: WebhookFaults
    platform_secret: str
    webhook_url: str | None = None
    redirect_url: str | None = None
    clients: dict[str, Client] = field(default_factory=dict)
    channels: dict[str, Channel] = field(default_factory=dict)
    keyed: dict[str, Channel] = field(default_factory=dict)
    """The channel of each key ever made."""
    waba_records: dict[str, str] = field(default_factory=dict)
    """360dialog's own id of each of Meta's WABAs."""
    submissions: list[Submission] = field(default_factory=list)
    refused_duplicates: int = 0

    def clear(self) -> None:
        """Forget clients, channels and submissions; the partner's own settings stay."""
        self.clients.clear()
        self.channels.clear()
        self.keyed.clear()
        self.waba_records.clear()
        self.submissions.clear()
        self.refused_duplicates = 0


def other_spelling(digits: str) -> str:
    """The other way in which the same number is written, in the countries that have two."""
    for one, other, length in (("521", "52", 13), ("549", "54", 13), ("52", "521", 12), ("54", "549", 12)):
        if digits.startswith(one) and len(digits) == length:
            return other + digits.removeprefix(one)
    if digits.startswith("55") and len(digits) == 12:  # noqa: PLR2004 - Brazil, without the ninth digit
        return f"{digits[:4]}9{digits[4:]}"
    if digits.startswith("55") and len(digits) == 13 and digits[4] == "9":  # noqa: PLR2004 - and with it
        return digits[:4] + digits[5:]
    return digits


_SPEECH: dict[str, Callable[[str], str]] = {"lower": str, "upper": str.upper, "title": str.title}
"""How `words` are written; `lower` leaves them as they were set."""


def channel_view(
    channel: Channel,
    client: Client | None,
    options: DialogOptions,
    *,
    blank_phone: bool,
    hide_waba_id: bool,
) -> Json:
    """Return a channel as the Partner API and the webhooks show it."""
    say = _SPEECH[options.words]
    external_id = channel.shown_external_id(options)
    phone = None if blank_phone else channel.phone_number
    waba: Json = {
        "id": channel.waba_record_id,
        "external_id": channel.waba_external_id,
        "name": None if blank_phone else channel.waba_name,
        "namespace": f"ns_{channel.waba_external_id}",
        "status": say(channel.waba_status),
        "fb_account_status": say(channel.fb_account_status),
        "fb_business_id": channel.business_id,
        "on_behalf_of_business_info": {
            "id": channel.business_id,
            "name": channel.business_name,
            "status": "APPROVED",
            "type": "SELF",
        },
    }
    if hide_waba_id:
        del waba["external_id"]
    running = channel.state in ("running", "live")
    return {
        "id": channel.id,
        **({} if external_id is None else {"external_id": external_id}),
        "client_id": channel.client_id,
        "account_mode": channel.account_mode,
        "status": say(channel.status),
        "hub_status": say(channel.hub_status),
        "availability_status": say("available" if channel.state == "live" else "unavailable"),
        "created_at": iso(channel.created_at),
        "billing_started_at": iso(channel.live_at),
        "cancelled_at": iso(channel.cancelled_at),
        "terminated_at": iso(channel.terminated_at),
        "current_limit": "TIER_250" if channel.state == "live" else None,
        "current_quality_rating": "GREEN" if channel.state == "live" else None,
        "client": None if client is None else client.summary(),
        "setup_info": {
            "phone_number": phone,
            "phone_name": None if blank_phone else channel.phone_name,
            "error": channel.error,
        },
        "waba_account": waba,
        "integration": {
            "enabled": True,
            "app_id": f"app-{channel.id}",
            "state": say("running" if running else "stopped"),
        },
    }
