"""360dialog's Partner API as the doctor uses it: few calls, each within the stage's common budget."""

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import quote

import httpx

from onramp.adapters.upstream import retry_after
from onramp.domain.errors import PutOff, Throttled
from onramp.usecases.budgeting import rest, spare_gate
from ops.doctor.findings import Stop, skipped
from ops.doctor.http import read_object, send
from ops.doctor.records import of_hub, ports_of
from ops.doctor.secret import AT
from ops.stage.once import Once

if TYPE_CHECKING:
    from ops.doctor.stage import Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookAddress:
    """What the Partner API says about the partner webhook. `known`: the answer named it, or named none."""

    answer: httpx.Response
    known: bool = False
    url: str = ""


class PartnerDesk:
    """Calls the Partner API as one hub's partner, without `hub` as that of ``[partner]``.

    `calls` counts them, `uncounted` says why the budget does not know of them.
    """

    def __init__(self, stage: "Stage", hub: str | None = None) -> None:
        self._stage = stage
        self._hub = hub
        self._lock = threading.Lock()
        self.calls = 0
        self.uncounted = ""
        self.webhook = Once(self._read_webhook)

    def set_webhook(self, url: str) -> WebhookAddress:
        """Set the partner webhook. One call. Raises `Stop`."""
        return _address(self._call("POST", "/webhook_url", {"webhook_url": url}))

    def set_ending(self, client_id: str, channel_id: str, *, ending: bool) -> httpx.Response:
        """Ask for a channel's end, or take that back. One call. Raises `Stop`."""
        client, channel = quote(client_id, safe=""), quote(channel_id, safe="")
        path = f"/clients/{client}/channels/{channel}/control/cancellation_request"
        return self._call("POST", path, {"enabled": ending})

    def read_webhook_again(self) -> WebhookAddress:
        """Read it anew, after it was set. One or two calls. Raises `Stop`."""
        return self._read_webhook()

    def _read_webhook(self) -> WebhookAddress:
        found = _address(self._call("GET", "/webhook_url"))
        if found.known or found.answer.status_code not in {200, 404, 405}:
            return found
        # Not every hub is known to have that route; the partner itself shows the address too.
        return _address(self._call("GET", ""))

    def _call(self, method: str, path: str, body: Mapping[str, object] | None = None) -> httpx.Response:
        stage = self._stage
        key = stage.secret().text(f"partner_api_key{AT}{self._hub}" if self._hub else "partner_api_key")
        base, partner_id = self._value("base_url").rstrip("/"), self._value("partner_id")
        self._wait_for_budget()
        with self._lock:
            self.calls += 1
        answer = send(
            stage.http,
            "360dialog's Partner API",
            method,
            f"{base}/partners/{quote(partner_id, safe='')}{path}",
            headers={"X-API-Key": key, "Content-Type": "application/json"},
            content=json.dumps(body).encode() if body is not None else None,
        )
        if answer.status_code == httpx.codes.TOO_MANY_REQUESTS:
            # What cannot be written down cannot be helped: the check tells of the refusal itself.
            rest(
                ports_of(stage, self._hub),
                Throttled("partner_throttled", retry_after=retry_after(answer)),
                everybody=True,
            )
        return answer

    def _value(self, name: str) -> str:
        """A value of the hub, else of [partner]. Raises `Stop` when it is missing."""
        own = of_hub(self._stage.values, self._hub or "").get(name)
        return own if isinstance(own, str) and own else self._stage.value(f"partner.{name}")

    def _wait_for_budget(self) -> None:
        """Take a slot that signups leave free; wait for one as long as the stage has patience."""
        try:
            spare_gate(ports_of(self._stage, self._hub), timedelta(seconds=self._stage.patience))()
        except PutOff as wait:
            if wait.bounded:  # the table does not answer, or is not ours to write
                self.uncounted = str(wait.__cause__ or wait.reason)
                return
            raise Stop(
                skipped(
                    "signups are using the partner budget; the doctor gives way to them",
                    f"Run it again after {wait.until:%H:%M:%S} UTC, or with a longer --timeout.",
                )
            ) from None


def _address(answer: httpx.Response) -> WebhookAddress:
    content = read_object(answer)
    if not answer.is_success or "webhook_url" not in content:
        return WebhookAddress(answer=answer)
    url = content["webhook_url"]
    return WebhookAddress(answer=answer, known=url is None or isinstance(url, str), url=str(url or ""))
