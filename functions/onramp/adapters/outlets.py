"""The relay's queue, and its targets: the bus, queues of others, https endpoints."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from onramp.adapters.aws_light import AwsError, host_of
from onramp.domain.errors import UnavailableError
from onramp.domain.relaying import BUS, RELAY_HEADERS, RELAY_KEY, Target, written
from onramp.domain.signing import content_to_sign, headers_of, sign_v1
from onramp.domain.text import whole
from onramp.ports.outbound import Answered, Outbound, Post
from onramp.ports.relaying import Handed, NotTaken, Taken
from onramp.ports.services import Clock

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_sqs import SQSClient

SOURCE: Final = "onramp.360dialog"
"""The source of 360dialog's events on the bus; what happens to signups has `onramp`."""
LONGEST_TYPE: Final = 128
"""Characters of a `DetailType`."""
NEVER: Final = frozenset({410, 413})
"""Statuses that asking again does not change: the endpoint is gone, or never takes so much."""
_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
"""Of a header, as RFC 9110 has it."""


class SqsRelay:
    """`Relay` on SQS. A queue that a function does not use may be left out."""

    def __init__(self, client: "SQSClient", *, queue: str = "", dead: str = "") -> None:
        self._client = client
        self._queue = queue
        self._dead = dead

    def send(self, message: str) -> None:
        """See `Relay.send`."""
        self._send(self._queue, message, {})

    def bury(self, message: str, reason: str) -> None:
        """See `Relay.bury`."""
        self._send(self._dead, message, {"reason": reason})

    def _send(self, url: str, message: str, told: Mapping[str, str]) -> None:
        try:
            self._client.send_message(
                QueueUrl=url,
                MessageBody=message,
                MessageAttributes={
                    name: {"DataType": "String", "StringValue": value} for name, value in told.items()
                },
            )
        except AwsError as error:
            raise UnavailableError("queue") from error


class AwsOutlets:
    """`Outlets` on EventBridge, SQS, and `Outbound`.

    `secret` gives a value of the stage's secret, or None: `relay_key_<target>` holds the keys that an
    endpoint's posts are signed with, `relay_headers_<target>` what else they bring, a line each.
    """

    def __init__(
        self,
        *,
        events: "Callable[[], EventBridgeClient]",
        bus_name: str,
        sqs: "Callable[[], SQSClient]",
        outbound: Callable[[], Outbound],
        secret: Callable[[str], str | None],
        clock: Clock,
    ) -> None:
        self._events = events
        self._bus_name = bus_name
        self._sqs = sqs
        self._outbound = outbound
        self._secret = secret
        self._clock = clock

    def hand(self, target: Target, envelope: Mapping[str, object], message_id: str) -> Handed:
        """See `Outlets.hand`."""
        try:
            if target.to == BUS:
                return self._publish(envelope)
            if target.to.startswith("arn:"):
                return self._send(target.to, envelope)
            return self._post(target, envelope, message_id)
        except AwsError as trouble:
            return NotTaken(trouble.code or "aws", trouble.status or None)
        except UnavailableError:
            return NotTaken("secret_unavailable")

    def _publish(self, envelope: Mapping[str, object]) -> Handed:
        answer = self._events().put_events(
            Entries=[
                {
                    "EventBusName": self._bus_name,
                    "Source": SOURCE,
                    "DetailType": str(envelope["event"])[:LONGEST_TYPE],
                    "Detail": written(envelope),
                }
            ]
        )
        if not answer.get("FailedEntryCount"):
            return Taken()
        codes = [str(entry.get("ErrorCode")) for entry in answer.get("Entries", ())]
        return NotTaken(next(iter(codes), "refused"))

    def _send(self, arn: str, envelope: Mapping[str, object]) -> Handed:
        self._sqs().send_message(
            QueueUrl=queue_url(arn),
            MessageBody=written(envelope),
            MessageAttributes={
                "event": {"DataType": "String", "StringValue": whole(str(envelope["event"]))},
            },
        )
        return Taken()

    def _post(self, target: Target, envelope: Mapping[str, object], message_id: str) -> Handed:
        keys = (self._secret(RELAY_KEY + target.name) or "").split()
        if not keys:
            return NotTaken("key_missing")
        at, body = self._clock.now(), written(envelope).encode()
        try:
            signatures = [sign_v1(key, content_to_sign(message_id, at, body)) for key in keys]
        except ValueError:
            return NotTaken("key_unusable")
        own = headers_in(self._secret(RELAY_HEADERS + target.name) or "")
        post = Post(target.to, {**own, **headers_of(message_id, at, signatures)}, body)
        (answer,) = self._outbound().post_all([post])
        if not isinstance(answer, Answered):
            return NotTaken(answer.code)
        if 200 <= answer.status < 300:  # noqa: PLR2004 - success
            return Taken()
        return NotTaken("refused", answer.status, answer.retry_after, final=answer.status in NEVER)


def queue_url(arn: str) -> str:
    """The address of a queue, which its ARN names whole."""
    _, _, _, region, account, name = arn.split(":")
    return f"https://{host_of('sqs', region)}/{account}/{name}"


def headers_in(text: str) -> dict[str, str]:
    """Headers as the secret holds them, `Name: value`, a line each; what is no header is left out."""
    pairs: Sequence[tuple[str, str, str]] = [line.partition(":") for line in text.splitlines()]
    return {
        name.strip(): value.strip()
        for name, mark, value in pairs
        if mark and _NAME.fullmatch(name.strip()) and value.isprintable() and value.isascii()
    }
