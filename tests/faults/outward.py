"""A world that tells others: 360dialog's events by the relay, and what happens as notifications.

The functions' own handlers work off the queues. Behind the adapters stand the partner's systems: a bus, a
queue, and https servers that are reached through the guard, by a network that is played.
"""

import base64
import json
import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any, Final, Self, cast
from unittest.mock import patch

import httpcore

import event_relay
import notification_sender
from harness.killing import Killed, Killer, Watched
from harness.world import VISIBILITY, AtOnce, Message, Options, World, WorldQueue
from onramp.adapters import outbound
from onramp.adapters.aws_light import AwsError
from onramp.adapters.memory import MemoryBodies, MemoryBus, MemoryVault
from onramp.adapters.outbound import GuardedOutbound
from onramp.adapters.outlets import AwsOutlets
from onramp.adapters.signer import StandardSigner
from onramp.domain.errors import UnavailableError
from onramp.domain.notifications import Delivery, DeliveryState
from onramp.domain.records import Fact
from onramp.domain.relaying import RelayRules, Target
from onramp.inbound.batch import Batch
from onramp.ports import EndpointRule, NotificationRules, Ports
from onramp.ports.relaying import Bodies
from onramp.ports.services import Vault
from onramp.usecases.hand_over import Rests

type Json = dict[str, Any]

ARN: Final = "arn:aws:sqs:eu-central-1:444455556666:partner-events"
KEY: Final = f"whsec_{base64.b64encode(bytes(32)).decode()}"
TARGETS: Final = (
    Target("bus", "bus"),
    Target("queue", ARN),
    Target("hooks", "https://hooks.example.com/360dialog"),
)
ENDPOINTS: Final = ("crm", "audit")
SERVERS: Final = {
    "hooks.example.com": "93.184.216.34",
    "crm.example.com": "93.184.216.35",
    "audit.example.com": "93.184.216.36",
}
BATCHES: Final = {"relay": 1, "notification": 5}
LARGE: Final = 250_000
"""Characters of an event that goes by reference."""


def answer(status: int, *headers: str, body: str = "{}") -> bytes:
    """An HTTP answer, as it stands on the line."""
    lines = [f"HTTP/1.1 {status} Told", f"content-length: {len(body)}", *headers, "", body]
    return "\r\n".join(lines).encode()


@dataclass(frozen=True)
class Behaviour:
    """What somebody does with what is handed to them: take it or not, and what they say.

    `says` is what is on the line, or what breaks it; None is the success of a bus or queue. `at`: `connect`
    and `resolve` are for what fails before.
    """

    takes: bool
    says: bytes | Exception | None
    at: str = "answer"


WELL: Final = Behaviour(takes=True, says=answer(204, body=""))


@dataclass(frozen=True)
class Came:
    """Something has come to somebody: under which id, the webhook's one where there is one, and when."""

    to: str
    id: str
    webhook_id: str
    at: float


@dataclass
class Theirs:
    """The partner's systems. `plans`: what each does next, one after the other; then it does `always`."""

    now: Callable[[], float]
    came: list[Came] = field(default_factory=list)
    plans: dict[str, list[Behaviour]] = field(default_factory=dict)
    always: dict[str, Behaviour] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)

    def next(self, name: str, at: str = "answer") -> Behaviour:
        """What it does now; what is planned for another moment stays planned."""
        plan = self.plans.get(name, [])
        found = plan[0] if plan else self.always.get(name, WELL)
        if at != found.at:
            return WELL
        self.asked[name] += 1
        return plan.pop(0) if plan else found

    def take(self, name: str, content: Json, webhook_id: str = "") -> Behaviour:
        """Something is handed to it."""
        behaviour = self.next(name)
        if behaviour.takes:
            identity = str(content["id"]) if "id" in content else str(content["data"]["id"])
            self.came.append(Came(name, identity, webhook_id, self.now()))
        return behaviour

    # -- AWS

    def put_events(self, *, Entries: Sequence[Json]) -> Json:  # noqa: N803 - as AWS has it
        return self._taken_by_aws("bus", json.loads(Entries[0]["Detail"])) or {"Entries": [{}]}

    def send_message(self, *, MessageBody: str, **_: Any) -> Json:  # noqa: N803 - as AWS has it
        return self._taken_by_aws("queue", json.loads(MessageBody)) or {}

    def _taken_by_aws(self, name: str, content: Json) -> Json | None:
        behaviour = self.take(name, content)
        if isinstance(behaviour.says, Exception):
            raise behaviour.says
        partly = behaviour.says == PARTLY
        return {"FailedEntryCount": 1, "Entries": [{"ErrorCode": "ThrottlingException"}]} if partly else None


PARTLY: Final = b"partly"
"""What a bus says that did not take an entry."""


class Network(httpcore.NetworkBackend):
    """The way to the partner's https servers."""

    def __init__(self, theirs: Theirs) -> None:
        self._theirs = theirs

    def resolve(self, host: str, _: int) -> Sequence[str]:
        """The addresses of a name."""
        behaviour = self._theirs.next(host.partition(".")[0], "resolve")
        if isinstance(behaviour.says, Exception):
            raise behaviour.says
        return [SERVERS[host]] if behaviour is WELL else [str(behaviour.says, "ascii")]  # type: ignore[arg-type]

    def connect_tcp(self, host: str, *_: Any, **__: Any) -> httpcore.NetworkStream:
        """A line to one of them."""
        name = next(name for name, address in SERVERS.items() if address == host).partition(".")[0]
        behaviour = self._theirs.next(name, "connect")
        if isinstance(behaviour.says, Exception):
            raise behaviour.says
        return _Line(self._theirs, name)


class _Line(httpcore.NetworkStream):
    """One connection: all that is written is read when the answer is asked for."""

    def __init__(self, theirs: Theirs, name: str) -> None:
        self._theirs = theirs
        self._name = name
        self._written = b""
        self._left: bytes | None = None

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._written += buffer

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if self._left is None:
            head, _, body = self._written.partition(b"\r\n\r\n")
            headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
            says = self._theirs.take(self._name, json.loads(body), headers["webhook-id"]).says
            if isinstance(says, Exception):
                raise says
            self._left = says or b""
        now, self._left = self._left[:max_bytes], self._left[max_bytes:]
        return now

    def close(self) -> None:
        pass

    def start_tls(self, *_: Any, **__: Any) -> httpcore.NetworkStream:
        return self

    def get_extra_info(self, info: str) -> Any:
        return None


class TellingBus(MemoryBus):
    """The bus, with the rule that puts what is told into the notifications' queue."""

    def __init__(self, queue: WorldQueue) -> None:
        super().__init__()
        self._queue = queue

    def publish(self, facts: Sequence[Fact]) -> Sequence[str]:
        refused = super().publish(facts)
        for fact in facts if not refused else ():
            self.tell(fact)
        return refused

    def tell(self, fact: Fact) -> None:
        """EventBridge hands one on, at least once."""
        detail = {"id": fact.id, "at": fact.at.isoformat(), "signup_id": fact.subject}
        self._queue.put("notification", json.dumps({"detail-type": fact.type, "detail": detail}))


class WorldRelay:
    """`Relay` on the world's queue."""

    def __init__(self, queue: WorldQueue) -> None:
        self._queue = queue
        self.dead: list[tuple[str, str]] = []
        self.broken = False

    def send(self, message: str) -> None:
        if self.broken:
            raise UnavailableError("the relay's queue does not answer")
        self._queue.put("relay", message)

    def bury(self, message: str, reason: str) -> None:
        self.dead.append((message, reason))


class Breaker(Killer):
    """One of our own services does not answer, at one side effect, before it has done it or after."""

    def trouble(self, name: str) -> BaseException:
        if name.startswith(("events.", "sqs.", "visibility.")):
            return AwsError("timeout", code="timeout")
        return UnavailableError(name)


class Outward(World):
    """A world with a target of each kind and two endpoints; `theirs` plays them."""

    def __init__(self, options: Options | None = None, *, killer: Killer | None = None) -> None:
        self.events: dict[str, float] = {}
        self.rests: Rests = {}
        self.spoiled: set[tuple[str, str]] = set()
        """Deliveries whose record cannot be read, by endpoint and fact."""
        super().__init__(options, killer=killer)

    def _wired(self) -> Ports:
        self.theirs = Theirs(now=self._time)
        self.relay, self.bodies = WorldRelay(self.queue), MemoryBodies()
        self.bus = self.telling = TellingBus(self.queue)
        self.endpoint_keys = MemoryVault()
        network = Network(self.theirs)
        self.keys: dict[str, str] = {"relay_key_hooks": KEY}
        ports = super()._wired()

        def watched(name: str, port: object) -> Any:
            return Watched(name, port, self.killer)

        bodies = watched("bodies", self.bodies)
        # No deadline: that is the machine's time.
        guarded = GuardedOutbound(resolve=network.resolve, network=network, deadline=math.inf)
        posts = watched("outbound", guarded)
        endpoints = {name: EndpointRule(f"https://{name}.example.com/onramp") for name in ENDPOINTS}
        return replace(
            ports,
            relay=watched("relay", self.relay),
            # Its name is no side effect.
            bodies=cast("Bodies", SimpleNamespace(bucket="bodies", put=bodies.put, link=bodies.link)),
            outbound=posts,
            signer=StandardSigner(),
            outlets=AwsOutlets(
                events=lambda: watched("events", self.theirs),
                bus_name="bus",
                sqs=lambda: watched("sqs", self.theirs),
                outbound=lambda: posts,
                secret=self.keys.get,
                clock=self.clock,
            ),
            rules=replace(
                ports.rules,
                relay=RelayRules(targets=TARGETS),
                notifications=NotificationRules(endpoints=endpoints),
            ),
        )

    def __enter__(self) -> Self:
        # One after the other: of two posts that go out together, the same one meets what is planned.
        self._seams.enter_context(patch.object(outbound, "ThreadPoolExecutor", lambda _: AtOnce()))
        self._seams.enter_context(patch.object(outbound, "time", SimpleNamespace(monotonic=self._time)))
        return super().__enter__()

    # -- what happens

    def dialog_tells(self, event_id: str, name: str = "waba_template_status_changed", size: int = 0) -> None:
        """An event of 360dialog's has been received."""
        body = {"id": event_id, "event": name, "data": {"id": "unknown", "text": "x" * size}}
        self.queue.put("event", json.dumps(body))

    def _dispatch(self, message: Message) -> Any:
        if message.kind == "event":
            self.events.setdefault(json.loads(message.body)["id"], self._time())
        return super()._dispatch(message)

    # -- the functions

    def handle(self, message: Message) -> None:
        """One delivery of a message, or of a batch with those that are due with it."""
        if message.kind not in BATCHES:
            super().handle(message)
            return
        batch = [message]
        due = [one for one in sorted(self.queue.messages) if one.visible_at <= self._time()]
        batch += [one for one in due if one.kind == message.kind][: BATCHES[message.kind] - 1]
        for one in batch:
            one.receives += 1
            one.visible_at = self._time() + VISIBILITY
            if one is not message:
                self.queue.messages.remove(one)
        back = {str(one.order) for one in batch}
        try:
            with self._handler(message.kind, batch) as handler:
                event = {"Records": [self._record(one) for one in batch]}
                back = {one["itemIdentifier"] for one in handler(event, _CONTEXT)["batchItemFailures"]}
        except Killed:
            # Whatever it has remembered is gone, too.
            self.rests.clear()
        self.queue.messages += [one for one in batch if str(one.order) in back]

    @contextmanager
    def _handler(self, kind: str, batch: Sequence[Message]) -> Iterator[Callable[[Json, Any], Json]]:
        by_handle = {str(one.order): one for one in batch}

        def hide(*, ReceiptHandle: str, VisibilityTimeout: int, **_: Any) -> None:  # noqa: N803 - as AWS has it
            by_handle[ReceiptHandle].visible_at = self._time() + VisibilityTimeout

        sqs: Any = Watched("visibility", SimpleNamespace(change_message_visibility=hide), self.killer)
        runtime: Any = SimpleNamespace(invocation=_invocation, request_id=self.clock.new_id())
        batched = Batch(sqs, "queue", self.clock, self.telemetry)
        module: Any = event_relay if kind == "relay" else notification_sender
        ports = self.ports
        if kind == "notification":
            ports = replace(ports, vault=cast("Vault", Watched("vault", self.endpoint_keys, self.killer)))
        wired = (runtime, batched, ports, *([self.rests] if kind == "relay" else []))
        with patch.object(module, "function", lambda: wired):
            yield module.handler

    def _record(self, message: Message) -> Json:
        attributes = {
            "ApproximateReceiveCount": str(message.receives),
            "SentTimestamp": str(round(message.sent_at * 1000)),
        }
        name = str(message.order)
        return {"messageId": name, "receiptHandle": name, "body": message.body, "attributes": attributes}

    # -- what came of it

    def times(self, name: str) -> Counter[str]:
        """How often each event came to a target or endpoint."""
        return Counter(one.id for one in self.theirs.came if one.to == name)

    def dead(self, name: str) -> set[str]:
        """The events that lie among the relay's dead letters for a target."""
        messages = [json.loads(message) for message, _ in self.relay.dead]
        return {str(one["envelope"]["id"]) for one in messages if one["target"] == name}

    def told(self) -> dict[str, float]:
        """The facts that the bus has told, and when they happened."""
        return {fact.id: fact.at.timestamp() for fact in self.bus.published}

    def within(self, name: str) -> float:
        """The longest that something took until it came to somebody for the first time."""
        began = self.events | self.told()
        first: dict[str, float] = {}
        for one in self.theirs.came:
            if one.to == name:
                first.setdefault(one.id, one.at)
        return max((at - began[identity] for identity, at in first.items()), default=0)

    def assert_nothing_lost(self) -> None:
        """Each event came to each target or lies among the dead letters; each fact has a delivery that tells
        the truth; and what came again came under the same id."""
        for target in TARGETS:
            missing = self.events.keys() - self.times(target.name).keys()
            assert missing <= self.dead(target.name), (target.name, missing)
        deliveries = {(one.endpoint, one.fact_id): one.state for one in self.store.records(Delivery)}
        for name in ENDPOINTS:
            for fact in self.told():
                if (name, fact) in self.spoiled:
                    continue
                state = deliveries.get((name, fact))
                assert state in {DeliveryState.DELIVERED, DeliveryState.FAILED}, (name, fact, state)
                assert state == DeliveryState.FAILED or self.times(name)[fact], (name, fact)
        ids = {(one.to in ENDPOINTS, one.id, one.webhook_id) for one in self.theirs.came if one.webhook_id}
        assert len(ids) == len({one[:2] for one in ids}), ids
        assert self.spoiled or not self.queue.messages, self.queue.messages


@contextmanager
def _invocation(_: object) -> Iterator[None]:
    yield


_CONTEXT: Final = SimpleNamespace(get_remaining_time_in_millis=lambda: 60_000)
