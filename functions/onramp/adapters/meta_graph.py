"""Meta's Graph API: code exchange, token inspection, WABA reads. Facts and their marks: docs/upstreams.md."""

import hashlib
import hmac
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import httpx

from onramp.adapters.upstream import DEADLINE, Credential, Kind, Rule, Upstream, call
from onramp.domain.errors import Ambiguous, Permanent, Throttled, Transient
from onramp.domain.text import identifier, is_whole, mapping, members, text
from onramp.domain.values import dataclass
from onramp.ports.services import Clock
from onramp.ports.upstreams import Grant, PhoneFacts, WabaFacts

THROTTLE_CODES: Final = (4, 17, 32, 341, 613, 80_008)

_THROTTLED: Final = (
    *(Rule(Kind.THROTTLED, "meta_unavailable", error=code) for code in THROTTLE_CODES),
    Rule(Kind.THROTTLED, "meta_unavailable", status=429),
)

_STOPPED: Final = (
    Rule(Kind.PERMANENT, "waba_locked", error=131_031),
    Rule(Kind.PERMANENT, "waba_blocked", error=368),
)
"""Meta has locked or blocked the account: neither an outage nor a right that is missing."""

EXCHANGE: Final = Upstream(
    unavailable="meta_unavailable",
    misconfigured="meta_configuration",
    rules=(
        *_THROTTLED,
        *_STOPPED,
        Rule(Kind.PERMANENT, "code_expired", error=100, subcode=36007),
        Rule(Kind.PERMANENT, "meta_configuration", error=100, subcode=36008),
        Rule(Kind.PERMANENT, "code_already_used", error=100, subcode=36009),
        Rule(Kind.PERMANENT, "code_expired", error=100, text=re.compile(r"expired", re.IGNORECASE)),
        Rule(Kind.PERMANENT, "code_already_used", error=100, text=re.compile(r"been used", re.IGNORECASE)),
        Rule(
            Kind.PERMANENT,
            "code_invalid",
            error=100,
            text=re.compile(r"invalid verification code", re.IGNORECASE),
        ),
        Rule(
            Kind.PERMANENT, "meta_configuration", error=100, text=re.compile(r"redirect_uri", re.IGNORECASE)
        ),
        Rule(
            Kind.PERMANENT, "meta_configuration", text=re.compile(r"validating client secret", re.IGNORECASE)
        ),
        Rule(Kind.PERMANENT, "meta_configuration", error=101),
        Rule(Kind.PERMANENT, "meta_configuration", error=191),
        Rule(Kind.AMBIGUOUS, "meta_unavailable", transient=True),
        Rule(Kind.AMBIGUOUS, "meta_unavailable", error=(1, 2)),
        Rule(Kind.AMBIGUOUS, "meta_unavailable", status=(500, 599)),
        Rule(Kind.PERMANENT, "code_invalid", error=100),
        # Meta explains every refusal: a bare 4xx is a gateway's, or was spoiled on its way.
        Rule(Kind.AMBIGUOUS, "meta_unavailable", status=(400, 499), unread=True),
        Rule(Kind.PERMANENT, "meta_configuration", status=(400, 499)),
    ),
)

READ: Final = Upstream(
    unavailable="meta_unavailable",
    misconfigured="meta_configuration",
    rules=(
        *_THROTTLED,
        *_STOPPED,
        Rule(Kind.TRANSIENT, "meta_unavailable", transient=True),
        Rule(
            Kind.PERMANENT, "meta_configuration", text=re.compile(r"validating client secret", re.IGNORECASE)
        ),
        Rule(Kind.TRANSIENT, "meta_unavailable", error=(1, 2)),
        Rule(Kind.TRANSIENT, "meta_unavailable", status=(500, 599)),
        # The proof is made with our secret: a wrong one is ours, and looks like an unknown field (code 100).
        Rule(
            Kind.PERMANENT,
            "meta_configuration",
            error=100,
            text=re.compile(r"appsecret_proof", re.IGNORECASE),
        ),
        Rule(Kind.PERMANENT, "waba_not_granted", error=190),
        Rule(Kind.PERMANENT, "waba_not_granted", error=102),
        Rule(Kind.PERMANENT, "waba_not_granted", error=10),
        Rule(Kind.PERMANENT, "waba_not_granted", error=(200, 299)),
        Rule(Kind.PERMANENT, "waba_not_granted", error=100, subcode=33),
        Rule(Kind.PERMANENT, "meta_configuration", error=2635),
        Rule(Kind.PERMANENT, "meta_configuration", error=101),
        Rule(Kind.PERMANENT, "meta_configuration", error=3),
        # An unknown field fails a read with code 100; the fallback to default fields comes before this row.
        Rule(Kind.TRANSIENT, "meta_unavailable", status=(400, 499), unread=True),
        Rule(Kind.PERMANENT, "waba_not_granted", status=(400, 499)),
    ),
)

# `debug_token` is called as our app: a refused token there is our own, not the customer's.
INSPECT: Final = Upstream(
    unavailable=READ.unavailable,
    misconfigured=READ.misconfigured,
    rules=(
        *_THROTTLED,
        Rule(Kind.PERMANENT, "meta_configuration", error=190),
        Rule(Kind.PERMANENT, "meta_configuration", error=102),
        *READ.rules,
    ),
)

WABA_FIELDS: Final = "id,name,owner_business_info"
NUMBER_FIELDS: Final = "id,display_phone_number,verified_name,code_verification_status,name_status,status"
GRANTING_SCOPES: Final = "whatsapp_"
"""How the scopes begin that list WABAs; since June 2026 one of them may stand in for another [seen]."""
PAGES: Final = 20
PAGE_SIZE: Final = "100"
EXCHANGE_PAUSES: Final = (0.5, 2.0)
"""Seconds between tries of an exchange that provably was not processed; a code lives 30 s."""
READ_PAUSES: Final = (0.3,)
PATIENCE: Final = 25.0
"""Seconds for all pages of a list: whoever waits for them is a request, which has less than 30."""
NO_BUSINESS: Final = "the login configuration must ask for a system-user (business) token"
"""What our operator has to mend when Meta's popup gives out the token of a person."""
NO_SYSTEM_USER: Final = "the secret has no meta_system_user_token"
"""What our operator has to put there before a lost signup can be recovered."""
LONGEST_NAME: Final = 200
"""Characters of a name that are kept: a hundred numbers are stored in one item."""
_META_ID: Final = re.compile(r"[0-9]{1,32}")


@dataclass(frozen=True, slots=True)
class MetaGraph:
    """`Meta` on httpx. `app_secret` is asked for at each use, so that rotation needs no restart.

    `system_user`: the token of a system user of ours, where lost signups are to be recovered.
    `base_url` without version, e.g. `https://graph.facebook.com`; `version` like `v26.0`. `deadline`: of one
    request, in seconds; `patience`: for all pages of a list.
    """

    client: httpx.Client
    clock: Clock
    base_url: str
    version: str
    app_id: str
    app_secret: Credential
    system_user: Credential | None = None
    deadline: float = DEADLINE
    patience: float = PATIENCE

    def exchange(self, code: str, redirect_uri: str | None = None) -> str:
        """The business token for a code: a form POST, which keeps the secret out of URLs [seen].

        A code of `FB.login` goes without `redirect_uri`; one of the dialog without a popup with the dialog's.
        Repeated only when Meta provably did not process it. Raises `UpstreamError`.
        """

        def send() -> object:
            form = {"client_id": self.app_id, "client_secret": self.app_secret.value(), "code": code}
            if redirect_uri is not None:
                form["redirect_uri"] = redirect_uri
            return call(
                self.client, EXCHANGE, "POST", self._url("oauth/access_token"), changes=True, data=form
            )

        answer = mapping(self._with_secret(lambda: self._patiently(send, EXCHANGE_PAUSES)))
        token = answer.get("access_token")
        if not isinstance(token, str) or not token or not is_whole(token):
            raise Ambiguous("meta_unavailable", status=200)
        return token

    def inspect(self, token: str) -> Grant:
        """What `debug_token` says: valid, our app's, and the WABA ids its scopes list, if they list any.

        A person's token instead of a business token is our configuration's fault: `meta_configuration`, and
        its reference says what to mend.
        """

        def send() -> object:
            app_token = f"{self.app_id}|{self.app_secret.value()}"
            return self._send(INSPECT, "debug_token", {"input_token": token}, app_token)

        answer = self._with_secret(send)
        data = mapping(mapping(answer).get("data"))
        if data.get("is_valid") is not True or text(data.get("app_id")) != self.app_id:
            raise Permanent("waba_not_granted")
        if (text(data.get("type")) or "").upper() == "USER":
            raise Permanent("meta_configuration", reference=NO_BUSINESS)
        listed: dict[str, None] = {}
        for scope in members(data.get("granular_scopes")):
            entry = mapping(scope)
            if (text(entry.get("scope")) or "").startswith(GRANTING_SCOPES):
                targets = members(entry.get("target_ids"))
                listed |= {waba_id: None for target in targets if (waba_id := identifier(target))}
        return Grant(waba_ids=tuple(listed), user_id=identifier(data.get("user_id")))

    def business_of(self, token: str) -> str | None:
        """`/me?fields=client_business_id`."""
        answer = mapping(self._get("me", {"fields": "client_business_id"}, token))
        return identifier(answer.get("client_business_id"))

    def read_waba(self, token: str, waba_id: str) -> WabaFacts:
        """The WABA's name and owner."""
        answer = mapping(self._read_fields(_path(waba_id), WABA_FIELDS, token, {}))
        if text(answer.get("id")) not in {None, waba_id}:
            raise Permanent("waba_not_granted")
        return WabaFacts(
            id=waba_id,
            name=text(answer.get("name")),
            owner_business_id=identifier(mapping(answer.get("owner_business_info")).get("id")),
        )

    def read_numbers(self, token: str, waba_id: str) -> Sequence[PhoneFacts]:
        """All numbers that can be read, page by page."""
        phones: dict[str, PhoneFacts] = {}
        for page, _ in self._pages(token, waba_id):
            found = (_phone(mapping(item)) for item in members(page))
            phones |= {phone.id: phone for phone in found if phone}
        return tuple(phones.values())

    def fetch_token(self, business_id: str, solution_id: str) -> str:
        """The customer's token, by our system user's (experimental).

        As for *Hosted Embedded Signup* [doc]: `fetch_only` makes none. What that refuses is asked of the
        solution [doc, untested for this use].
        """
        if self.system_user is None:
            raise Permanent("meta_configuration", reference=NO_SYSTEM_USER)
        try:
            answer = self._as_system_user("POST", f"{_path(business_id)}/system_user_access_tokens")
        except Permanent as refusal:
            if refusal.code != "waba_not_granted" or not solution_id:
                raise
            answer = self._as_system_user("GET", f"{_path(solution_id)}/access_token", business_id)
        token = mapping(answer).get("access_token")
        if not isinstance(token, str) or not token or not is_whole(token):
            raise Permanent("waba_not_granted")
        return token

    def _as_system_user(self, method: str, path: str, business_id: str | None = None) -> object:
        """A read as our own system user, whose token is our configuration: a refused one is our fault."""
        user = self.system_user
        if user is None:
            raise Permanent("meta_configuration", reference=NO_SYSTEM_USER)

        def send() -> object:
            bearer = user.value()
            proof = hmac.new(self.app_secret.value().encode(), bearer.encode(), hashlib.sha256).hexdigest()
            form = {"appsecret_proof": proof}
            form |= {"fetch_only": "true"} if business_id is None else {"business_id": business_id}
            sent: dict[str, Any] = {"data" if method == "POST" else "params": form}
            return self._patiently(
                lambda: call(
                    self.client,
                    INSPECT,
                    method,
                    self._url(path),
                    changes=False,
                    headers={"Authorization": f"Bearer {bearer}"},
                    deadline=self.deadline,
                    **sent,
                ),
                READ_PAUSES,
            )

        return user.used(send, lambda refusal: refusal.code == "meta_configuration")

    def whole_list(self, token: str, waba_id: str) -> frozenset[str] | None:
        """The ids of all numbers, for who must know which one is not there: no doubt is allowed."""
        ids: set[str | None] = set()
        whole = False
        for page, more in self._pages(token, waba_id):
            ids |= {identifier(mapping(item).get("id")) for item in members(page)}
            if not isinstance(page, list):
                return None
            whole = not more
        known = frozenset(name for name in ids if name is not None)
        return known if whole and len(known) == len(ids) else None

    def _pages(self, token: str, waba_id: str) -> Iterator[tuple[object, bool]]:
        """Each page of the numbers, and whether Meta has more; `paging.next` could lead anywhere."""
        after: str | None = None
        until = time.monotonic() + self.patience
        for _ in range(PAGES):
            if time.monotonic() > until:
                raise Transient("meta_unavailable")
            params = {"limit": PAGE_SIZE} | ({"after": after} if after else {})
            answer = mapping(
                self._read_fields(f"{_path(waba_id)}/phone_numbers", NUMBER_FIELDS, token, params)
            )
            page, paging = answer.get("data"), mapping(answer.get("paging"))
            yield page, "next" in paging
            following = text(mapping(paging.get("cursors")).get("after"))
            if not page or "next" not in paging or following is None or following == after:
                return
            after = following

    def _read_fields(self, path: str, fields: str, token: str, params: Mapping[str, str]) -> object:
        """A read; when Meta knows one of the fields no more, the same with its default fields."""
        try:
            return self._get(path, {**params, "fields": fields}, token)
        except Permanent as refusal:
            code, _, subcode = refusal.reference.partition(" ")[0].partition("/")
            if refusal.code != "waba_not_granted" or code != "100" or subcode == "33":
                raise
        return self._get(path, params, token)

    def _get(self, path: str, params: Mapping[str, str], token: str) -> object:
        """A read with the customer's token; the proof shows that its bearer knows our app's secret."""

        def send() -> object:
            proof = hmac.new(self.app_secret.value().encode(), token.encode(), hashlib.sha256).hexdigest()
            return self._send(READ, path, {**params, "appsecret_proof": proof}, token)

        return self._with_secret(send)

    def _with_secret(self, send: Callable[[], object]) -> object:
        """Send, and once more with a secret that was rotated since it was read: Meta did nothing."""
        return self.app_secret.used(send, lambda refusal: refusal.code == "meta_configuration")

    def _send(self, upstream: Upstream, path: str, query: Mapping[str, str], bearer: str) -> object:
        def send() -> object:
            return call(
                self.client,
                upstream,
                "GET",
                self._url(path),
                changes=False,
                params=query,
                headers={"Authorization": f"Bearer {bearer}"},
                deadline=self.deadline,
            )

        return self._patiently(send, READ_PAUSES)

    def _patiently(self, send: Callable[[], object], pauses: Sequence[float]) -> object:
        """Repeat what was not processed; on a limit only when Meta asks for less than a code's life."""
        for pause in pauses:
            try:
                return send()
            except Throttled as trouble:
                wait = trouble.retry_after if trouble.retry_after is not None else pause
                if wait > max(pauses):
                    raise
                self.clock.sleep(wait)
            except Transient:
                self.clock.sleep(pause)
        return send()

    def _url(self, path: str) -> str:
        return f"{self.base_url}/{self.version}/{path}"


def _phone(item: Mapping[str, object]) -> PhoneFacts | None:
    phone_id = identifier(item.get("id"))
    if phone_id is None:
        return None
    return PhoneFacts(
        id=phone_id,
        display_phone_number=identifier(item.get("display_phone_number")) or "",
        verified_name=(text(item.get("verified_name")) or "")[:LONGEST_NAME] or None,
        verification=identifier(item.get("code_verification_status")),
        name_status=identifier(item.get("name_status")),
        meta_status=identifier(item.get("status")),
    )


def _path(meta_id: str) -> str:
    """A Meta id for use in a path; anything but digits would lead elsewhere."""
    if not _META_ID.fullmatch(meta_id):
        raise Permanent("waba_not_granted")
    return meta_id
