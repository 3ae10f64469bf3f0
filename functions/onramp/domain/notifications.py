"""Notifications to the partner's own endpoints: an endpoint with its keys and its state, and one delivery.

    pending ──► delivered   the endpoint has answered 2xx
       │  ▲
       │  └── again         by the schedule of Standard Webhooks, ten tries over 75 hours
       └────► failed        tried out, or its endpoint is gone, disabled, or not configured any more

An endpoint that throttles or does not answer rests, and what is due to it waits meanwhile without a try used
up: one endpoint takes no time from others. After five days of nothing but failures it is disabled.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import ClassVar, Final

from pydantic import Field

from onramp.domain.records import Record, Stored, Worked

TRY_SECONDS: Final = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""Between the ten tries of a delivery: together 75 hours and a half."""
JITTER: Final = 0.1
"""By how much of itself a wait is longer or shorter, by chance."""
LONGEST_PAUSE: Final = timedelta(days=1)
"""As long as an endpoint may ask us to wait."""
LONGEST_DELIVERY: Final = timedelta(days=5)
"""So long after its beginning a delivery is given up, whatever it has waited for."""
DISABLED_AFTER: Final = timedelta(days=5)
"""So long with failures alone disables an endpoint."""
FIRST_REST: Final = 5.0
"""Seconds that an endpoint rests after its first failure; twice as long after each further one."""
LONGEST_REST: Final = 300.0
"""Seconds."""
SLOW: Final = 5_000
"""Milliseconds from which an endpoint that answers rests for as long as it took."""
THROTTLES: Final = frozenset({429, 502, 504})
"""Statuses by which an endpoint says that it is too much (Standard Webhooks)."""
GONE: Final = 410
"""The status by which an endpoint says that it wants no more of them."""
MOST_KEYS: Final = 4
"""Keys of an endpoint: each signs every message."""
MOST_TRIES: Final = 20
"""Tries that a delivery tells of, those of an earlier sending included."""
TEST: Final = "endpoint.test"
"""The type of a test event, which no filter holds back."""


class DeliveryState(StrEnum):
    """What has become of a delivery."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


class EndpointKeys(Record):
    """Keys of one endpoint. `secrets` is cipher text of both secrets; `ends_at` is when they sign no more."""

    id: str
    made_at: datetime
    ends_at: datetime | None = None
    secrets: str
    public: str


class Endpoint(Stored):
    """What we know of an endpoint that the configuration names: it is written only when that changes.

    `failing_since`: of the first failure since its last success. `failures` in a row. `rests_until`: until
    then nothing is sent to it.
    """

    KIND: ClassVar[str] = "ENDPOINT"

    name: str
    keys: list[EndpointKeys] = Field(default_factory=list)
    failing_since: datetime | None = None
    failures: int = 0
    rests_until: datetime | None = None
    disabled_at: datetime | None = None
    disabled_why: str | None = None

    @property
    def identity(self) -> tuple[str, ...]:
        """Its name in the configuration."""
        return (self.name,)

    @property
    def status(self) -> str:
        """`disabled`, `failing` or `working`."""
        if self.disabled_at is not None:
            return "disabled"
        return "failing" if self.failing_since else "working"

    def signing(self, now: datetime) -> list[EndpointKeys]:
        """The keys that sign now, the newest first."""
        return [keys for keys in self.keys if keys.ends_at is None or keys.ends_at > now]

    def rotate(self, keys: EndpointKeys, overlap: timedelta) -> None:
        """New keys; those before sign beside them until the overlap is over."""
        ends_at = keys.made_at + overlap
        for old in self.keys:
            old.ends_at = min(old.ends_at or ends_at, ends_at)
        self.keys = [keys, *self.signing(keys.made_at)][:MOST_KEYS]

    def resting(self, now: datetime) -> datetime | None:
        """Until when it rests, if it does."""
        return self.rests_until if self.rests_until and self.rests_until > now else None

    def succeeded(self, now: datetime, milliseconds: int) -> None:
        """It has taken a message. A slow one rests for as long as it took."""
        self.failing_since, self.failures = None, 0
        self.rests_until = now + timedelta(milliseconds=milliseconds) if milliseconds >= SLOW else None

    def failed(self, now: datetime, rest: float | None, retry_after: float | None = None) -> None:
        """It has not. `rest`: seconds that it rests at most, unless it asks for more; None for no rest."""
        self.failing_since = self.failing_since or now
        self.failures += 1
        if rest is not None:
            seconds = min(FIRST_REST * 2 ** min(self.failures - 1, 12), LONGEST_REST, rest)
            until = now + min(timedelta(seconds=max(seconds, retry_after or 0)), LONGEST_PAUSE)
            self.rests_until = max(self.rests_until or until, until)

    def is_hopeless(self, now: datetime) -> bool:
        """Whether nothing but failures has lasted too long."""
        return self.failing_since is not None and now - self.failing_since >= DISABLED_AFTER

    def disable(self, now: datetime, why: str) -> None:
        """Nothing is sent to it any more until somebody enables it."""
        self.disabled_at, self.disabled_why = self.disabled_at or now, self.disabled_why or why

    def enable(self) -> None:
        """Begin anew with it."""
        self.disabled_at = self.disabled_why = self.failing_since = self.rests_until = None
        self.failures = 0


class Try(Record):
    """One try of a delivery: what it brought, a status or a code, and how long it took."""

    at: datetime
    status: int | None = None
    code: str | None = None
    milliseconds: int = 0


class Delivery(Worked):
    """One event for one endpoint, kept in its signup's partition. `body` is what is signed and sent.

    `began_at`: of its present sending. `failure`: why it was given up. `forgotten_at` as the configuration
    says.
    """

    KIND: ClassVar[str] = "DELIVERY"

    subject: str
    fact_id: str
    endpoint: str
    type: str
    body: str
    created_at: datetime
    expires_at: datetime
    began_at: datetime
    state: DeliveryState | str = DeliveryState.PENDING
    due_at: datetime | None = None
    failure: str | None = None
    delivered_at: datetime | None = None
    sendings: int = 1
    tries: list[Try] = Field(default_factory=list)

    @property
    def identity(self) -> tuple[str, ...]:
        """Whose signup's (or hub's), which fact, to whom."""
        return (self.subject, self.fact_id, self.endpoint)

    @property
    def forgotten_at(self) -> datetime:
        """When it may be forgotten."""
        return self.expires_at

    @property
    def message_id(self) -> str:
        """The `webhook-id`: of the event, and so the same whenever it is sent, and to whomever."""
        return f"msg_{self.fact_id}"

    @property
    def is_pending(self) -> bool:
        """Whether it has not ended."""
        return self.state == DeliveryState.PENDING

    def is_due(self, now: datetime) -> bool:
        """Whether it is to be tried now."""
        return self.is_pending and (self.due_at is None or self.due_at <= now)

    def take(self, owner: str, now: datetime) -> None:
        """Begin a try; should its run die, it is due when the lease is over. Raises `PutOff`."""
        self.lend(owner, now)
        self.due_at = self.lease.until if self.lease else now

    def put_off(self, until: datetime, now: datetime) -> None:
        """Wait without a try used up; not for ever."""
        if now - self.began_at >= LONGEST_DELIVERY:
            self.fail("waited_too_long")
        else:
            self.due_at = until

    def done(self, attempt: Try) -> None:
        """It has arrived."""
        self._tried(attempt)
        self.state, self.delivered_at, self.due_at, self.failure = (
            DeliveryState.DELIVERED,
            attempt.at,
            None,
            None,
        )

    def again(
        self, attempt: Try, draw: Callable[[], float], waits: Sequence[int], retry_after: float | None = None
    ) -> None:
        """The try has failed: the next one is planned, or it is given up."""
        number = self.attempts
        self._tried(attempt)
        self.attempts = number
        wait = _wait(number, draw, waits)
        if wait is None or attempt.at - self.began_at >= LONGEST_DELIVERY:
            self.fail("tried_out")
            return
        asked = min(timedelta(seconds=retry_after or 0), LONGEST_PAUSE)
        self.due_at = attempt.at + max(timedelta(seconds=wait), asked)

    def fail(self, why: str) -> None:
        """Give it up."""
        self.begin_anew()
        self.state, self.due_at, self.failure = DeliveryState.FAILED, None, why

    def fail_after(self, attempt: Try, why: str) -> None:
        """The try was the last."""
        self._tried(attempt)
        self.fail(why)

    def send_again(self, now: datetime) -> None:
        """Begin its tries anew, under the same id."""
        self.begin_anew()
        self.state, self.failure, self.due_at, self.began_at = DeliveryState.PENDING, None, now, now
        self.sendings += 1

    def _tried(self, attempt: Try) -> None:
        self.begin_anew()
        self.tries = [*self.tries, attempt][-MOST_TRIES:]


def _wait(attempts: int, draw: Callable[[], float], waits: Sequence[int]) -> float | None:
    """Seconds until the next try after so many failed ones; None when there is none."""
    if attempts > len(waits):
        return None
    return waits[max(attempts, 1) - 1] * (1 - JITTER + 2 * JITTER * draw())


def wants(filters: Sequence[str], event: str) -> bool:
    """Whether an endpoint with these filters hears of an event: `*`, `number.*`, `number.connected`."""
    return event == TEST or any(
        one in {"*", event} or (one.endswith(".*") and event.startswith(one[:-1])) for one in filters
    )
