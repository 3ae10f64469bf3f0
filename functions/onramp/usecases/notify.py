"""Notifications: of a message from the bus to deliveries, and of a delivery to its endpoint.

A delivery is a record before anything is sent: what breaks off afterwards is found by the sweep. All posts of
a batch are made at the same time, so that a batch takes no longer than its slowest; and an endpoint that is
too slow, throttles, or is not there rests, so that it takes part in few of them.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from onramp.domain.crashes import told_of
from onramp.domain.errors import Conflict, PutOff, UnavailableError, Unreadable
from onramp.domain.notifications import (
    GONE,
    LONGEST_REST,
    TEST,
    THROTTLES,
    Delivery,
    Endpoint,
    EndpointKeys,
    Try,
    wants,
)
from onramp.domain.signing import headers_of
from onramp.domain.signup import Signup
from onramp.domain.text import iso
from onramp.domain.values import dataclass
from onramp.ports import Ports
from onramp.ports.outbound import Answer, Answered, NewKeys, Post
from onramp.usecases.turns import in_turn

OVERLAP: Final = timedelta(hours=24)
"""How long old keys sign beside new ones."""
SOON: Final = 900
"""Seconds that a wake-up may wait in the queue; what waits longer, the sweep wakes."""
WRITES: Final = 3
"""Tries to write an endpoint's state down: others write it, too."""
PURPOSE: Final = "endpoint_key"
DISABLED: Final = "endpoint_disabled"
"""Why a delivery is given up that nobody wants now."""
HUB_SUBJECT: Final = "HUB#"
"""How the subject of what is told of a hub begins."""


@dataclass(frozen=True, slots=True)
class Happened:
    """What happened, as the bus tells it: `detail` becomes the notification's `data`."""

    type: str
    detail: Mapping[str, object]
    id: str
    at: datetime
    subject: str


def delivery_of(ports: Ports, happened: Happened, endpoint: str) -> Delivery:
    """What an endpoint is told of it: as it is stored, or a new one that is not stored yet."""
    now = ports.clock.now()
    return ports.store.read(Delivery, happened.subject, happened.id, endpoint) or Delivery(
        subject=happened.subject,
        fact_id=happened.id,
        endpoint=endpoint,
        type=happened.type,
        body=payload_of(happened),
        created_at=now,
        began_at=now,
        expires_at=now + ports.kept.deliveries,
    )


def _endpoints_for(ports: Ports, happened: Happened) -> list[str]:
    """Who wants to hear of it. Nobody is told of a signup that has been erased."""
    endpoints = ports.rules.notifications.endpoints
    names = [name for name, rule in endpoints.items() if wants(rule.events, happened.type)]
    if names and _is_erased(ports, happened.subject):
        ports.telemetry.info("not told of what is erased", fact_id=happened.id, type=happened.type)
        return []
    return names


def _is_erased(ports: Ports, subject: str) -> bool:
    """Whether a signup is gone. What is told of a hub is nobody's."""
    if subject.startswith(HUB_SUBJECT):
        return False
    try:
        return ports.store.read(Signup, subject) is None
    except Unreadable:
        return False


def payload_of(happened: Happened) -> str:
    """What is signed and sent: `{type, timestamp, data}`."""
    content = {"type": happened.type, "timestamp": iso(happened.at), "data": dict(happened.detail)}
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"))


def context_of(endpoint: str) -> dict[str, str]:
    """What an endpoint's secrets are encrypted for."""
    return {"purpose": PURPOSE, "endpoint": endpoint}


def add_keys(ports: Ports, endpoint: Endpoint, overlap: timedelta = OVERLAP) -> NewKeys:
    """Give an endpoint new keys beside its old ones; not written yet. Raises `UnavailableError`."""
    keys = ports.signer.new_keys()
    secrets = json.dumps([keys.secret, keys.private])
    endpoint.rotate(
        EndpointKeys(
            id=ports.clock.new_id(),
            made_at=ports.clock.now(),
            secrets=ports.vault.encrypt(secrets, context_of(endpoint.name)),
            public=keys.public,
        ),
        overlap,
    )
    return keys


class Sending:
    """One batch of deliveries: `tell` or `take` each, then `send` all that were taken."""

    def __init__(self, ports: Ports, owner: str) -> None:
        self._ports = ports
        self._owner = owner
        self._endpoints: dict[str, Endpoint] = {}
        self._taken: list[Delivery] = []

    def tell(self, happened: Happened) -> datetime | None:
        """Take what each endpoint is told of it; gives when another run lets go of one of them.

        Raises what storage raises, once all its neighbours have had their turn: then it comes again.
        """
        names = _endpoints_for(self._ports, happened)
        return in_turn(names, lambda name: self.take(delivery_of(self._ports, happened, name)))

    def take(self, delivery: Delivery) -> datetime | None:
        """Take a delivery when it is due, or end it; gives when another run lets go of it.

        Raises what storage raises: then it comes again.
        """
        now = self._ports.clock.now()
        if not delivery.is_due(now):
            return None
        if not self._may_go(delivery, now):
            if self._write(delivery):
                self._mind_enabled(delivery)
            self._wake(delivery)
            return None
        try:
            delivery.take(self._owner, now)
        except PutOff as wait:
            return wait.until
        if self._write(delivery):
            self._taken.append(delivery)
        return None

    def send(self) -> None:
        """Post what was taken, all at the same time, and write down what came of each. Raises nothing."""
        ready = [(one, post) for one in self._taken if (post := self._post(one)) is not None]
        answers = self._ports.outbound.post_all([post for _, post in ready])
        for (delivery, _), answer in zip(ready, answers, strict=True):
            try:
                self._settle(delivery, answer)
            except Exception as trouble:  # noqa: BLE001 - its neighbours have answers, too
                # It is due again when its lease is over.
                self._ports.telemetry.count("RecordsCrashed")
                self._ports.telemetry.warn("delivery not written", **told_of(trouble), **_fields(delivery))
        self._taken = []

    # -- before

    def _may_go(self, delivery: Delivery, now: datetime) -> bool:
        """Whether it is to be sent now; otherwise it has been ended or put off."""
        if delivery.endpoint not in self._ports.rules.notifications.endpoints:
            delivery.fail("endpoint_removed")
            return False
        endpoint = self._endpoint(delivery.endpoint)
        if delivery.type == TEST:
            # Whoever tests an endpoint wants to know before it is enabled again.
            return True
        if endpoint.disabled_at is not None:
            delivery.fail(DISABLED)
            return False
        until = endpoint.resting(now)
        if until is not None:
            # Not all at the same moment.
            delivery.put_off(until + timedelta(seconds=self._ports.clock.draw() * 2), now)
            return False
        return True

    def _mind_enabled(self, delivery: Delivery) -> None:
        """An operator may have enabled the endpoint since it was read, and had what failed sent again."""
        if delivery.failure != DISABLED:
            return
        endpoint = self._ports.store.read(Endpoint, delivery.endpoint)
        if endpoint is None or endpoint.disabled_at is None:
            delivery.send_again(self._ports.clock.now())
            self._write(delivery)

    def _endpoint(self, name: str) -> Endpoint:
        """What is known of an endpoint, read once for a batch; one without keys is given some."""
        if name not in self._endpoints:
            endpoint = self._ports.store.read(Endpoint, name) or Endpoint(name=name)
            if not endpoint.keys:
                add_keys(self._ports, endpoint)
                try:
                    self._ports.store.commit(endpoint)
                except Conflict:
                    endpoint = self._ports.store.read(Endpoint, name) or endpoint
            self._endpoints[name] = endpoint
        return self._endpoints[name]

    def _post(self, delivery: Delivery) -> Post | None:
        """The signed post; None when the keys do not answer: it is due again when its lease is over."""
        try:
            now = self._ports.clock.now()
            body = delivery.body.encode()
            signatures: list[str] = []
            for secret, private in self._opened(delivery.endpoint, now):
                signatures += self._ports.signer.sign(secret, private, delivery.message_id, now, body)
            url = self._ports.rules.notifications.endpoints[delivery.endpoint].url
            return Post(url, headers_of(delivery.message_id, now, _ordered(signatures)), body)
        except Exception as trouble:  # noqa: BLE001 - one endpoint's keys must not hold up another's
            self._ports.telemetry.count("ServicesUnavailable")
            self._ports.telemetry.warn("notification not signed", **told_of(trouble), **_fields(delivery))
            return None

    def _opened(self, name: str, now: datetime) -> list[tuple[str, str]]:
        """The keys that sign now, opened, without those that do not open: one of them is enough.

        So a rotation mends keys that nobody can open any more. Raises what the last raised, if none opens.
        """
        opened: list[tuple[str, str]] = []
        trouble: Exception = UnavailableError("no key signs")
        for keys in self._endpoint(name).signing(now):
            try:
                secret, private = json.loads(self._ports.vault.decrypt(keys.secrets, context_of(name)))
                opened.append((secret, private))
            except Exception as found:  # noqa: BLE001 - the others sign without it
                trouble = found
                self._ports.telemetry.warn(
                    "a key does not open", **told_of(found), endpoint=name, key=keys.id
                )
        if not opened:
            raise trouble
        return opened

    # -- behind

    def _settle(self, delivery: Delivery, answer: Answer) -> None:
        now = self._ports.clock.now()
        attempt = _try(answer, now)
        if attempt.status is not None and 200 <= attempt.status < 300:  # noqa: PLR2004
            delivery.done(attempt)
            self._ports.telemetry.count("NotificationsDelivered")
        elif attempt.status == GONE:
            delivery.fail_after(attempt, "endpoint_gone")
        else:
            pause = answer.retry_after if isinstance(answer, Answered) else None
            delivery.again(attempt, self._ports.clock.draw, self._ports.rules.notifications.waits, pause)
            self._ports.telemetry.count("NotificationsRefused")
            self._ports.telemetry.info(
                "notification not taken",
                status=attempt.status,
                code=attempt.code,
                state=delivery.state,
                **_fields(delivery),
            )
        if delivery.failure is not None:
            self._ports.telemetry.count("NotificationsGivenUp")
        self._note(delivery.endpoint, answer, attempt)
        self._write(delivery)
        self._wake(delivery)

    def _note(self, name: str, answer: Answer, attempt: Try) -> None:
        """Write down what an answer says of its endpoint, if it says something new."""
        endpoint = self._endpoint(name)
        for _ in range(WRITES):
            before = endpoint.model_copy()
            self._judge(endpoint, answer, attempt)
            if endpoint == before:
                break
            try:
                self._ports.store.commit(endpoint)
            except Conflict:
                endpoint = self._ports.store.read(Endpoint, name) or endpoint
                continue
            if endpoint.disabled_at is not None and before.disabled_at is None:
                self._ports.telemetry.count("EndpointsDisabled")
                self._ports.telemetry.warn("endpoint disabled", endpoint=name, why=endpoint.disabled_why)
            break
        self._endpoints[name] = endpoint

    def _judge(self, endpoint: Endpoint, answer: Answer, attempt: Try) -> None:
        if not isinstance(answer, Answered):
            endpoint.failed(attempt.at, self._longest_rest)
        elif 200 <= answer.status < 300:  # noqa: PLR2004
            endpoint.succeeded(attempt.at, answer.milliseconds)
        else:
            rests = answer.status in THROTTLES or answer.retry_after is not None
            endpoint.failed(attempt.at, self._longest_rest if rests else None, answer.retry_after)
            if answer.status == GONE:
                endpoint.disable(attempt.at, "gone")
        if endpoint.is_hopeless(attempt.at):
            endpoint.disable(attempt.at, "only_failures")

    @property
    def _longest_rest(self) -> float:
        return min(LONGEST_REST, *self._ports.rules.notifications.waits[-1:])

    # -- both

    def _write(self, delivery: Delivery) -> bool:
        """Write it, unless another run has: then it is that run's. Whether it was written."""
        try:
            self._ports.store.commit(delivery)
        except Conflict:
            return False
        return True

    def _wake(self, delivery: Delivery) -> None:
        """Have it come again soon; a wake-up that is lost, or would wait too long, is the sweep's."""
        if delivery.due_at is None:
            return
        seconds = (delivery.due_at - self._ports.clock.now()).total_seconds()
        if seconds > SOON:
            return
        try:
            self._ports.queue.wake_deliveries([delivery.identity], max(1, round(seconds + 0.5)))
        except UnavailableError:
            self._ports.telemetry.warn("queue does not answer; the sweep sends", **_fields(delivery))


def _ordered(signatures: Sequence[str]) -> list[str]:
    """Those of `v1` first: some readers look at the first one alone."""
    return sorted(signatures, key=lambda one: one.startswith("v1a,"))


def _try(answer: Answer, now: datetime) -> Try:
    if isinstance(answer, Answered):
        return Try(at=now, status=answer.status, milliseconds=answer.milliseconds)
    return Try(at=now, code=answer.code, milliseconds=answer.milliseconds)


def _fields(delivery: Delivery) -> dict[str, str]:
    return {"endpoint": delivery.endpoint, "fact_id": delivery.fact_id, "type": delivery.type}
