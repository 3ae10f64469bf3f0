"""Meta's own webhooks and callbacks: signed with the app's secret, sent until they are answered with 200."""

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Literal

from local.simulators.clock import Agenda
from local.simulators.meta import MetaServer
from local.simulators.web import Json, json_bytes
from local.simulators.webhooks import UNDELIVERED, Deliver

AGAIN_SECONDS = 5.0
TRIES = 12


@dataclass(slots=True, kw_only=True)
class MetaEvent:
    """Body of `POST /admin/events`: one change of the field `topic`. `value` is put on top of `event`.

    `copies` times it is sent; `delay_seconds` late; `told_seconds_ago` is how old it says it is. `entry_id`
    is the account's, with PARTNER_ADDED its portfolio's.
    """

    event: str
    waba_id: str = ""
    topic: str = "account_update"
    value: dict[str, Any] = field(default_factory=dict)
    entry_id: str | None = None
    copies: int = 1
    delay_seconds: float = 0.0
    told_seconds_ago: float = 0.0
    signature: Literal["right", "wrong", "missing"] = "right"


@dataclass(slots=True, kw_only=True)
class MetaRequest:
    """Body of `POST /admin/requests`: a person of a customer asks for `kind`."""

    business_id: str
    kind: Literal["data-deletion", "deauthorize"] = "data-deletion"
    issued_seconds_ago: float = 0.0


@dataclass(slots=True, kw_only=True)
class MetaSender:
    """Sends them. `url` is the address of the events; without one nothing is sent."""

    server: MetaServer
    agenda: Agenda
    deliver: Deliver
    url: str | None = None
    sent: list[Json] = field(default_factory=list)

    def send(self, wanted: MetaEvent) -> Json:
        """Put an event on its way."""
        body = json_bytes(self._body(wanted))
        headers = {"content-type": "application/json"} | self._signed(body, wanted.signature)
        told: Json = {"event": wanted.event, "waba_id": wanted.waba_id, "attempts": []}
        self.sent.append(told)
        for _ in range(wanted.copies):
            self.agenda.after(wanted.delay_seconds, lambda: self._try(told, body, headers, 1))
        return told

    def partner_added(self, business_id: str, waba_id: str) -> None:
        """What Meta tells when a customer has finished the popup."""
        if self.url is None:
            return
        info = {"waba_id": waba_id, "owner_business_id": business_id}
        value = {"waba_info": info | {"solution_id": self.server.settings.solution_id}}
        self.send(MetaEvent(event="PARTNER_ADDED", waba_id=waba_id, value=value, entry_id=business_id))

    async def ask(self, wanted: MetaRequest) -> Json:
        """Send a person's request at once; gives what was answered."""
        customer = self.server.world.customers[wanted.business_id]
        said = {
            "algorithm": "HMAC-SHA256",
            "issued_at": int(self.server.world.now() - wanted.issued_seconds_ago),
            "user_id": customer.user_id,
        }
        payload = _base64url(json.dumps(said).encode())
        mac = hmac.new(self.server.settings.app_secret.encode(), payload.encode(), hashlib.sha256).digest()
        form = f"signed_request={_base64url(mac)}.{payload}".encode()
        headers = {"content-type": "application/x-www-form-urlencoded"}
        try:
            status = await self.deliver(f"{self.url}/{wanted.kind}", form, headers)
        except UNDELIVERED as error:
            return {"status": None, "error": type(error).__name__}
        return {"status": status, "error": None}

    def clear(self) -> None:
        """Forget what was sent; the address stays."""
        self.sent.clear()

    def _body(self, wanted: MetaEvent) -> Json:
        value = {"event": wanted.event, **wanted.value} if wanted.event else dict(wanted.value)
        entry = {
            "id": wanted.entry_id or wanted.waba_id,
            "time": int(self.server.world.now() - wanted.told_seconds_ago),
            "changes": [{"field": wanted.topic, "value": value}],
        }
        return {"object": "whatsapp_business_account", "entry": [entry]}

    def _signed(self, body: bytes, signature: str) -> dict[str, str]:
        if signature == "missing":
            return {}
        secret = self.server.settings.app_secret if signature == "right" else "another-secret"
        return {
            "x-hub-signature-256": f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"
        }

    async def _try(self, told: Json, body: bytes, headers: dict[str, str], tries: int) -> None:
        if self.url is None:
            return
        try:
            status = await self.deliver(self.url, body, headers)
        except UNDELIVERED as error:
            told["attempts"].append(type(error).__name__)
        else:
            told["attempts"].append(status)
            if status == HTTPStatus.OK:
                return
        if tries < TRIES:
            self.agenda.after(AGAIN_SECONDS, lambda: self._try(told, body, headers, tries + 1))


def _base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
