"""The upstreams, Meta and 360dialog, as use cases call them. Facts and their marks: docs/upstreams.md."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from onramp.domain.partner_events import Channel
from onramp.domain.values import dataclass
from onramp.domain.whole_list import WholeList


@dataclass(frozen=True, slots=True)
class Grant:
    """What a token was given: WABA ids by permission (`listed`), when Meta lists them, and by whom."""

    waba_ids: Sequence[str]
    user_id: str | None = None


@dataclass(frozen=True, slots=True)
class WabaFacts:
    """A WABA as its customer's token can read it."""

    id: str
    name: str | None
    owner_business_id: str | None


@dataclass(frozen=True, slots=True)
class PhoneFacts:
    """A phone number of a WABA, as Meta has it, with its words for the state of code, name and number."""

    id: str
    display_phone_number: str
    verified_name: str | None
    verification: str | None = None
    name_status: str | None = None
    meta_status: str | None = None


class Meta(Protocol):
    """Meta's Graph API (docs/upstreams.md). Everything raises `UpstreamError`."""

    def exchange(self, code: str, redirect_uri: str | None = None) -> str:
        """The business token for a code; `redirect_uri` is the dialog's, where there was no popup.

        `Permanent` with a code of `PROBLEMS`, or `Ambiguous`.
        """

    def inspect(self, token: str) -> Grant:
        """What the token is. `Permanent(waba_not_granted)` when it is not valid or not our app's."""

    def business_of(self, token: str) -> str | None:
        """The customer's business portfolio, as the token tells it."""

    def read_waba(self, token: str, waba_id: str) -> WabaFacts:
        """The WABA. `Permanent(waba_not_granted)` when the token may not read it."""

    def read_numbers(self, token: str, waba_id: str) -> Sequence[PhoneFacts]:
        """All phone numbers of the WABA."""

    def fetch_token(self, business_id: str, solution_id: str) -> str:
        """The business token of a customer whose code is lost, by our system user's right (experimental).

        It makes nothing. `Permanent(waba_not_granted)` when Meta does not give it.
        """

    def whole_list(self, token: str, waba_id: str) -> frozenset[str] | None:
        """The ids of all numbers of the WABA; None unless the list was read whole and without a doubt."""


@dataclass(frozen=True, slots=True)
class RemoteClient:
    """A client as 360dialog lists it; its emails in the form of `mailbox`."""

    id: str
    emails: frozenset[str]
    created_at: datetime | None


@dataclass(frozen=True, slots=True)
class NewKey:
    """A freshly made API key and the host it is for."""

    api_key: str
    address: str


@dataclass(frozen=True, slots=True)
class Submission:
    """What 360dialog needs to take a number."""

    waba_id: str
    business_id: str | None
    client_id: str
    plan_tier: str
    phone_number_id: str


@dataclass(frozen=True, slots=True)
class Amount:
    """Money that a partner has at 360dialog, in a currency as 360dialog calls it."""

    currency: str
    total: Decimal


type Gate = Callable[[], None]
"""Called right before each request: takes a slot of the budget, or raises `PutOff`."""


@dataclass(frozen=True, slots=True)
class Page[T]:
    """One page of a list at 360dialog.

    `next_offset`: where the next one begins, None behind the last. `total`: of the list, where it says so.
    """

    items: Sequence[T]
    next_offset: int | None
    total: int | None = None


@dataclass(frozen=True, slots=True)
class WholeLists:
    """360dialog's lists, by hub, that this process has read whole for those that wait; gone with it."""

    channels: dict[str, WholeList[Channel]] = field(default_factory=dict)
    clients: dict[str, WholeList[RemoteClient]] = field(default_factory=dict)


class Partner(Protocol):
    """360dialog's Partner API. Each call is one request and passes the gate; all raise `UpstreamError`."""

    def list_clients(self, offset: int, gate: Gate, *, email: str | None = None) -> Page[RemoteClient]:
        """A page of clients; with `email` the filter is sent, which may be ignored."""

    def read_client(self, client_id: str, gate: Gate) -> RemoteClient | None:
        """The client with an id, or None when it is not this partner's."""

    def create_client(self, name: str, email: str, user_name: str, gate: Gate) -> str:
        """Make a client and give its id. Not idempotent."""

    def submit_number(self, submission: Submission, gate: Gate) -> None:
        """Hand a number over. The channel comes by webhook."""

    def list_channels(self, filters: Mapping[str, str], offset: int, gate: Gate) -> Page[Channel]:
        """A page of channels; filters may be ignored, so callers match for themselves."""

    def read_channel(self, channel_id: str, gate: Gate) -> Channel:
        """One channel, fresher than the list. `Permanent(channel_missing)` when there is none."""

    def make_key(self, channel_id: str, gate: Gate) -> NewKey:
        """Make a key; every earlier key of the channel dies."""

    def set_cancellation(self, client_id: str, channel_id: str, gate: Gate, *, wanted: bool) -> None:
        """Ask for a channel's end, or take that back. Twice does no harm."""

    def reactivate(self, client_id: str, channel_id: str, gate: Gate) -> None:
        """The other way to take a channel's end back."""

    def read_balance(self, gate: Gate) -> Sequence[Amount]:
        """What the partner has, in each of its currencies; at least one amount."""


@dataclass(frozen=True, slots=True)
class ChannelWebhook:
    """Where a channel's messages go."""

    url: str
    headers: Mapping[str, str]


def _no_headers() -> Mapping[str, str]:
    return {}


@dataclass(frozen=True, slots=True)
class NamedWebhook:
    """A messaging webhook of the allow-list. `tenants`: who may choose it by themselves; `*` is everybody.

    `headers` gives those that are kept as a secret. Raises `UnavailableError`.
    """

    url: str
    tenants: Sequence[str] = ()
    headers: Callable[[], Mapping[str, str]] = _no_headers


class Messaging(Protocol):
    """360dialog's messaging host. Everything raises `UpstreamError`."""

    def set_webhook(self, key: NewKey, webhook: ChannelWebhook) -> None:
        """Set the channel's webhook."""

    def read_webhook(self, key: NewKey) -> ChannelWebhook | None:
        """What is set. `Permanent(key_rejected)` when the key is dead."""
