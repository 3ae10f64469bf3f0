"""360dialog's Partner API. Facts and their marks: docs/upstreams.md. Each request passes the gate."""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote, urlsplit

import httpx

from onramp.adapters.upstream import Kind, Rule, Upstream, call
from onramp.domain.errors import Ambiguous, Permanent, Transient
from onramp.domain.partner_events import Channel, mapping, moment, read_channel, text
from onramp.ports import Gate, NewKey, RemoteClient, Submission

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

PAGE: Final = 200
PAGES: Final = 100
_LONG_AGO: Final = datetime(2000, 1, 1, tzinfo=UTC)
_LOCAL_HOSTS: Final = frozenset({"127.0.0.1", "localhost"})
_ADDRESS: Final = re.compile(
    r"https?://[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*(:[0-9]{1,4}|:[1-5][0-9]{4})?(/[A-Za-z0-9_-]+)*/?"
)
"""An address that everybody reads alike: no user, no query, no backslash, no dots in the path."""


@dataclass(frozen=True, slots=True)
class PartnerApi:
    """`onramp.ports.Partner` on httpx.

    `base_url` up to `/api/v2`, `partner_id` like `abcPA`, `solution_id` Meta's multi-partner solution.
    `messaging_url` is the messaging host when a key's answer names none; a key is sent to no other host
    than that one's or 360dialog's.
    """

    client: httpx.Client
    base_url: str
    partner_id: str
    partner_key: Callable[[], str]
    solution_id: str = ""
    messaging_url: str = ""

    def find_clients(
        self, email: str, gate: Gate, *, many: bool = False, on_many: Callable[[], None] = lambda: None
    ) -> Sequence[RemoteClient]:
        """All clients with `email`, compared without case, oldest first.

        The list's first page is read without a filter: up to 200 clients it is complete, and the filter's
        treatment of case is unknown. Only behind that the email filter is tried, and when it lets others
        through, the pages behind are read too.
        """
        first = None
        if not many:
            first = self._page("clients", "clients", 0, None, gate)
            found = _matching(first.items, email)
            if found or first.complete:
                return found
            on_many()
        filters = {"contact_info.email": email}
        filtered = self._page("clients", "clients", 0, filters, gate)
        found = _matching(filtered.items, email)
        if found or filtered.complete:
            return found
        for page in self._following("clients", "clients", first or filtered, None, gate):
            found = [*found, *_matching(page.items, email)]
        return sorted(found, key=_age)

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
        client_id = text(answer.get("id")) or text(answer.get("client_id"))
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

    def list_channels(self, client_id: str | None, gate: Gate) -> Sequence[Channel]:
        """The channels of a client, or all; the filter may be ignored, so callers match for themselves."""
        filters = {"client_id": client_id} if client_id else None
        first = self._page("channels", "partner_channels", 0, filters, gate)
        items = list(first.items)
        for page in self._following("channels", "partner_channels", first, filters, gate):
            items += page.items
        return [read_channel(item) for item in items]

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

    def _following(
        self, path: str, member: str, first: "_Page", filters: Mapping[str, str] | None, gate: Gate
    ) -> Iterator["_Page"]:
        offset = len(first.items)
        page = first
        for _ in range(PAGES):
            if offset >= page.total or not page.items:
                return
            page = self._page(path, member, offset, filters, gate)
            offset += len(page.items)
            yield page

    def _page(
        self, path: str, member: str, offset: int, filters: Mapping[str, str] | None, gate: Gate
    ) -> "_Page":
        params = {"limit": str(PAGE), "offset": str(offset)}
        if filters:
            params["filters"] = json.dumps(filters)
        answer = mapping(self._call(READ, "GET", path, gate, params=params))
        items = answer.get(member)
        if not isinstance(items, list):
            raise Transient("partner_unavailable", status=200)
        total = answer.get("total")
        if not isinstance(total, int):
            # Nobody says how many there are: a full page may have another behind it.
            total = offset + len(items) + (len(items) >= PAGE)
        return _Page(items=tuple(mapping(item) for item in items), total=total)

    def _call(
        self,
        upstream: Upstream,
        method: str,
        path: str,
        gate: Gate,
        body: Mapping[str, object] | None = None,
        *,
        params: Mapping[str, str] | None = None,
    ) -> object:
        key = self.partner_key()
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
        )


@dataclass(frozen=True, slots=True)
class _Page:
    items: Sequence[Mapping[str, object]]
    total: int

    @property
    def complete(self) -> bool:
        return len(self.items) >= self.total


def _segment(name: str) -> str:
    """An id as one part of a path. Raises `Permanent(channel_missing)` for one that would lead elsewhere."""
    if name in {"", ".", ".."}:
        raise Permanent("channel_missing")
    return quote(name, safe="")


def _matching(items: Sequence[Mapping[str, object]], email: str) -> list[RemoteClient]:
    found = []
    for item in items:
        client_id = text(item.get("id"))
        addresses = {
            (text(mapping(item.get(part)).get("email")) or "").casefold()
            for part in ("contact_info", "contact_user")
        }
        if client_id and email.casefold() in addresses:
            found.append(RemoteClient(client_id, email, moment(item.get("created_at"))))
    return sorted(found, key=_age)


def _age(client: RemoteClient) -> tuple[datetime, str]:
    return client.created_at or _LONG_AGO, client.id
