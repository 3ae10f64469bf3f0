"""360dialog's Partner API as the doctor uses it: few calls, each within the stage's common budget."""

import json
import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import httpx

from onramp.adapters.dynamo_budget import DynamoBudget
from onramp.adapters.upstream import retry_after
from onramp.domain.budget import BudgetRule
from onramp.domain.errors import BudgetUnavailable
from ops.doctor.findings import Stop, skipped
from ops.doctor.http import read_object, send
from ops.doctor.once import Once

if TYPE_CHECKING:
    from ops.doctor.stage import Stage

DEFAULT_CALLS: Final = 5
DEFAULT_WINDOW: Final = 30
NOTICED: Final = timedelta(seconds=2)


@dataclass(frozen=True, slots=True)
class _BudgetClock:
    """`onramp.ports.Clock` by AWS's time: a wrong clock here must not spoil the functions' budget."""

    stage: "Stage"

    def now(self) -> datetime:
        offset = self.stage.secret().offset
        # A Date header is exact to the second: only a difference beyond that is one.
        return self.stage.clock.now() + (offset if abs(offset) > NOTICED else timedelta(0))

    def sleep(self, seconds: float) -> None:
        self.stage.clock.sleep(seconds)

    def draw(self) -> float:
        return secrets.randbelow(1000) / 1000

    def new_id(self) -> str:
        return secrets.token_hex(16)


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookAddress:
    """What the Partner API says about the partner webhook. `known`: the answer named it, or named none."""

    answer: httpx.Response
    known: bool = False
    url: str = ""


class PartnerDesk:
    """Calls the Partner API. `calls` counts them, `uncounted` says why the budget does not know of them."""

    def __init__(self, stage: "Stage") -> None:
        self._stage = stage
        self._lock = threading.Lock()
        self.calls = 0
        self.uncounted = ""
        self.webhook = Once(self._read_webhook)

    def set_webhook(self, url: str) -> WebhookAddress:
        """Set the partner webhook. One call. Raises `Stop`."""
        return _address(self._call("POST", "/webhook_url", {"webhook_url": url}))

    def read_webhook_again(self) -> WebhookAddress:
        """Read it anew, after it was set. One or two calls. Raises `Stop`."""
        return self._read_webhook()

    def _read_webhook(self) -> WebhookAddress:
        found = _address(self._call("GET", "/webhook_url"))
        if found.known or found.answer.status_code not in {200, 404, 405}:
            return found
        # Not every hub is known to have that route; the partner itself shows the address too.
        return _address(self._call("GET", ""))

    def _call(self, method: str, path: str, body: Mapping[str, str] | None = None) -> httpx.Response:
        stage = self._stage
        key = stage.secret().text("partner_api_key")
        base, partner_id = stage.value("partner.base_url").rstrip("/"), stage.value("partner.partner_id")
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
            self._push_back(retry_after(answer))
        return answer

    def _wait_for_budget(self) -> None:
        """Take a slot that signups leave free; wait for one as long as the stage has patience."""
        clock = _BudgetClock(self._stage)
        give_up = clock.now() + timedelta(seconds=self._stage.patience)
        while True:
            try:
                later = self._budget(clock).take_spare(clock.now())
            except BudgetUnavailable as trouble:
                self.uncounted = str(trouble)
                return
            if later is None:
                return
            if later > give_up:
                raise Stop(
                    skipped(
                        "signups are using the partner budget; the doctor gives way to them",
                        f"Run it again after {later:%H:%M:%S} UTC, or with a longer --timeout.",
                    )
                )
            clock.sleep(max(0.1, (later - clock.now()).total_seconds()))

    def _push_back(self, seconds: float | None) -> None:
        clock = _BudgetClock(self._stage)
        try:
            self._budget(clock).push_back(clock.now(), seconds)
        except BudgetUnavailable as trouble:
            self.uncounted = str(trouble)

    def _budget(self, clock: _BudgetClock) -> DynamoBudget:
        values = self._stage.values
        rule = BudgetRule(
            calls=values.number("partner.budget_calls", DEFAULT_CALLS),
            window=timedelta(seconds=values.number("partner.budget_window_seconds", DEFAULT_WINDOW)),
        )
        return DynamoBudget(
            self._stage.aws.dynamodb,
            self._stage.output("TableName"),
            clock,
            partner_id=self._stage.value("partner.partner_id"),
            rule=rule,
        )


def _address(answer: httpx.Response) -> WebhookAddress:
    content = read_object(answer)
    if not answer.is_success or "webhook_url" not in content:
        return WebhookAddress(answer=answer)
    url = content["webhook_url"]
    return WebhookAddress(answer=answer, known=url is None or isinstance(url, str), url=str(url or ""))
