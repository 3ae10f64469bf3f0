"""360dialog's Partner API. Facts and their marks: docs/upstreams.md. Each request passes the gate."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Final
from urllib.parse import quote, urlsplit

import httpx

from onramp.adapters.upstream import Credential, Kind, Rule, Upstream, call
from onramp.domain.clients import mailbox
from onramp.domain.errors import Ambiguous, Permanent, Transient
from onramp.domain.partner_events import Channel, read_channel
from onramp.domain.text import identifier, mapping, members, moment, text
from onramp.domain.values import dataclass
from onramp.ports.upstreams import Amount, Gate, NewKey, Page, RemoteClient, Submission

_COMMON: Final = (
    Rule(Kind.THROTTLED, "partner_unavailable", status=429),
    Rule(Kind.PERMANENT, "partner_configuration", status=401),
    Rule(Kind.AMBIGUOUS, "partner_unavailable", status=408),
    Rule(Kind.AMBIGUOUS, "partner_unavailable", status=(500, 599)),
)


def _upstream(*rules: Rule) -> Upstream:
    return Upstream(
        unavailable="partner_unavailable",
        misconfigured="partner_configuration",
        rules=(
            *_COMMON,
            *rules,
            Rule(Kind.PERMANENT, "partner_configuration", status=(400, 499)),
        ),
    )


READ: Final = _upstream(Rule(Kind.PERMANENT, "channel_missing", status=404))
READ_BALANCE: Final = _upstream()
CREATE_CLIENT: Final = _upstream(
    Rule(Kind.PERMANENT, "client_rejected", status=400),
    Rule(Kind.PERMANENT, "client_rejected", status=409),
    Rule(Kind.PERMANENT, "client_rejected", status=422),
)
SUBMIT: Final = _upstream(
    Rule(Kind.PERMANENT, "client_not_found", status=404, text=re.compile(r"client", re.IGNORECASE)),
    Rule(Kind.PERMANENT, "submission_rejected", status=400),
    Rule(Kind.PERMANENT, "submission_rejected", status=403),
    Rule(Kind.PERMANENT, "submission_rejected", status=404),
    Rule(Kind.PERMANENT, "submission_rejected", status=409),
    Rule(Kind.PERMANENT, "submission_rejected", status=422),
)
MAKE_KEY: Final = _upstream(
    # A permission may come, and a channel that is not ready may become so: the schedule waits for both.
    Rule(Kind.TRANSIENT, "permission_missing", status=403),
    Rule(Kind.TRANSIENT, "permission_missing", status=400),
    Rule(Kind.TRANSIENT, "permission_missing", status=409),
    Rule(Kind.PERMANENT, "channel_missing", status=404),
)

CANCEL: Final = _upstream(Rule(Kind.PERMANENT, "cancellation_rejected", status=(400, 428)))
REACTIVATE: Final = _upstream(Rule(Kind.PERMANENT, "reactivation_rejected", status=(400, 428)))

REFUSED: Final = 401
LONGEST_CURRENCY: Final = 10
PAGE: Final = 200
"""Items that one request asks for."""
FARTHEST: Final = 1_000 * PAGE
"""No list is read behind this: a list that never ends is not one."""
_LOCAL_HOSTS: Final = frozenset({"127.0.0.1", "localhost"})
_ADDRESS: Final = re.compile(
    r"https?://[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*(:[0-9]{1,4}|:[1-5][0-9]{4})?(/[A-Za-z0-9_-]+)*/?"
)
"""An address that everybody reads alike: no user, no query, no backslash, no dots in the path."""


@dataclass(frozen=True, slots=True)
class PartnerApi:
    """`Partner` on httpx: each call is one request.

    `base_url` up to `/api/v2`, `partner_id` like `abcPA`, `solution_id` Meta's multi-partner solution.
    `messaging_url` is the messaging host when a key's answer names none; a key is sent to no other host
    than that one's or 360dialog's.
    """

    client: httpx.Client
    base_url: str
    partner_id: str
    partner_key: Credential
    solution_id: str = ""
    messaging_url: str = ""

    def list_clients(self, offset: int, gate: Gate, *, email: str | None = None) -> Page[RemoteClient]:
        """A page of clients; with `email` the filter is sent, which has been called unreliable [one]."""
        filters = {"contact_info.email": email} if email is not None else {}
        return self._page("clients", "clients", _client, filters, offset, gate)

    def read_client(self, client_id: str, gate: Gate) -> RemoteClient | None:
        """The client with an id, by the list's filter [doc]; None when it is not listed.

        Raises `Transient` when the filter was ignored and there are more clients than one page shows.
        """
        page = self._page("clients", "clients", _client, {"id": client_id}, 0, gate)
        found = next((client for client in page.items if client.id == client_id), None)
        if found is None and page.next_offset is not None:
            raise Transient("partner_unavailable", status=200)
        return found

    def create_client(self, name: str, email: str, user_name: str, gate: Gate) -> str:
        """Make a client, give its id. Not idempotent [seen]: look before and after."""
        answer = mapping(
            self._call(
                CREATE_CLIENT,
                "POST",
                "account_sharing/clients",
                gate,
                {"name": name, "email": email, "user_name": user_name},
            )
        )
        client_id = identifier(answer.get("id")) or identifier(answer.get("client_id"))
        if client_id is None:
            raise Ambiguous("partner_unavailable", status=200)
        return client_id

    def submit_number(self, submission: Submission, gate: Gate) -> None:
        """Hand a number over; both documented answers mean *accepted*."""
        body: dict[str, object] = {
            "solution_id": self.solution_id,
            "waba_external_id": submission.waba_id,
            "client_id": submission.client_id,
            "tier": submission.plan_tier,
            "channel_external_id": submission.phone_number_id,
        }
        if submission.business_id is not None:
            body["waba_business_id"] = submission.business_id
        self._call(SUBMIT, "POST", "account_sharing/numbers", gate, body)

    def list_channels(self, filters: Mapping[str, str], offset: int, gate: Gate) -> Page[Channel]:
        """A page of channels; a filter may be ignored, so callers match for themselves."""
        return self._page("channels", "partner_channels", _channel, filters, offset, gate)

    def read_channel(self, channel_id: str, gate: Gate) -> Channel:
        """One channel."""
        return read_channel(mapping(self._call(READ, "GET", f"channels/{_segment(channel_id)}", gate)))

    def make_key(self, channel_id: str, gate: Gate) -> NewKey:
        """Make a key; both answer shapes are read. Every earlier key of the channel dies [doc]."""
        path = f"channels/{_segment(channel_id)}/api_keys"
        answer = mapping(self._call(MAKE_KEY, "POST", path, gate, {}))
        listed = answer.get("api_keys")
        if isinstance(listed, list) and listed:
            answer = mapping(listed[-1])
        api_key = text(answer.get("api_key"))
        if api_key is None:
            raise Ambiguous("partner_unavailable", status=201)
        return NewKey(api_key=api_key, address=self._address(text(answer.get("address"))))

    def set_cancellation(self, client_id: str, channel_id: str, gate: Gate, *, wanted: bool) -> None:
        """Ask for a channel's end, or take that back: only this client-scoped path works [one]."""
        path = f"{_control(client_id, channel_id)}/cancellation_request"
        self._call(CANCEL if wanted else REACTIVATE, "POST", path, gate, {"enabled": wanted}, wordless=True)

    def reactivate(self, client_id: str, channel_id: str, gate: Gate) -> None:
        """The other way to take a channel's end back [one]."""
        path = f"{_control(client_id, channel_id)}/reactivate"
        self._call(REACTIVATE, "POST", path, gate, {}, wordless=True)

    def read_balance(self, gate: Gate) -> Sequence[Amount]:
        """What the partner has, a list of amounts [one]. Raises `Transient` when none can be read."""
        answer = self._call(READ_BALANCE, "GET", "balance", gate)
        entries = members(answer) if isinstance(answer, list) else [answer]
        found = tuple(amount for entry in entries if (amount := _amount(mapping(entry))) is not None)
        if not found:
            raise Transient("partner_unavailable", status=200)
        return found

    def _address(self, answered: str | None) -> str:
        """The host a key is for, if it is one that may see keys; else the configured one."""
        if answered is None or not _ADDRESS.fullmatch(answered):
            return self.messaging_url
        parts, ours = urlsplit(answered), urlsplit(self.messaging_url)
        host = parts.hostname or ""
        theirs = parts.scheme == "https" and host.endswith(".360dialog.io") and parts.port is None
        same = (parts.scheme, host) == (ours.scheme, ours.hostname)
        local = host in _LOCAL_HOSTS and ours.hostname in _LOCAL_HOSTS
        return answered.rstrip("/") if theirs or same or local else self.messaging_url

    def _page[T](  # noqa: PLR0917 - which list, how it is read, and which part of it
        self,
        path: str,
        member: str,
        read: Callable[[Mapping[str, object]], T | None],
        filters: Mapping[str, str],
        offset: int,
        gate: Gate,
    ) -> Page[T]:
        """One page of a list. What cannot be read is left out, and counts for where the next page begins."""
        params = {"limit": str(PAGE), "offset": str(offset)}
        if filters:
            params["filters"] = json.dumps(dict(filters))
        answer = mapping(self._call(READ, "GET", path, gate, params=params))
        listed = answer.get(member)
        if member not in answer or not isinstance(listed, list | None):
            raise Transient("partner_unavailable", status=200)
        entries = members(listed)
        items = [item for entry in entries if (item := read(mapping(entry))) is not None]
        following = _next_offset(answer, offset, len(entries))
        return Page(items=tuple(items), next_offset=following, total=_whole_number(answer.get("total")))

    def _call(
        self,
        upstream: Upstream,
        method: str,
        path: str,
        gate: Gate,
        body: Mapping[str, object] | None = None,
        *,
        params: Mapping[str, str] | None = None,
        wordless: bool = False,
    ) -> object:
        def send() -> object:
            key = self.partner_key.value()
            gate()
            return call(
                self.client,
                upstream,
                method,
                f"{self.base_url}/partners/{quote(self.partner_id, safe='')}/{path}",
                changes=method != "GET",
                headers={"X-API-Key": key},
                params=params,
                body=body,
                wordless=wordless,
            )

        return self.partner_key.used(send, lambda refusal: refusal.status == REFUSED)


def _segment(name: str) -> str:
    """An id as one part of a path. Raises `Permanent(channel_missing)` for one that would lead elsewhere."""
    if name in {"", ".", ".."}:
        raise Permanent("channel_missing")
    return quote(name, safe="")


def _control(client_id: str, channel_id: str) -> str:
    return f"clients/{_segment(client_id)}/channels/{_segment(channel_id)}/control"


def _client(entry: Mapping[str, object]) -> RemoteClient | None:
    client_id = identifier(entry.get("id"))
    if client_id is None:
        return None
    given = (text(mapping(entry.get(part)).get("email")) for part in ("contact_info", "contact_user"))
    return RemoteClient(
        id=client_id,
        emails=frozenset(mailbox(email) for email in given if email),
        created_at=moment(entry.get("created_at")),
    )


def _channel(entry: Mapping[str, object]) -> Channel | None:
    channel = read_channel(entry)
    return channel if channel.id else None


def _amount(entry: Mapping[str, object]) -> Amount | None:
    """One amount; a number, or the text of one."""
    currency, total = text(entry.get("currency")), entry.get("total")
    if currency is None or isinstance(total, bool) or not isinstance(total, int | float | str):
        return None
    try:
        amount = Decimal(str(total))
    except InvalidOperation:
        return None
    return Amount(currency[:LONGEST_CURRENCY], amount) if amount.is_finite() else None


def _next_offset(answer: Mapping[str, object], offset: int, count: int) -> int | None:
    """Where the next page begins: always farther on, never without end, and None when this was the last."""
    following = offset + count
    if not count or following >= FARTHEST:
        return None
    total = _whole_number(answer.get("total"))
    if total is None:
        # Nobody says how many there are: a full page may have another behind it.
        size = min(_whole_number(answer.get("limit")) or PAGE, PAGE)
        return following if count >= size else None
    return following if following < total else None


def _whole_number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
