"""Queues, bus, keys and the secret on AWS. Clients are handed in, so that nothing happens at import."""

import base64
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from itertools import batched
from typing import TYPE_CHECKING, Final

from onramp.adapters.aws_light import AwsError, fits_queue
from onramp.adapters.wire import is_fresh
from onramp.domain.errors import UnavailableError
from onramp.domain.records import HUB, Fact
from onramp.domain.text import iso, whole
from onramp.ports.services import Letter

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_events.type_defs import PutEventsRequestEntryTypeDef
    from mypy_boto3_kms import KMSClient
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageAttributeValueTypeDef, MessageTypeDef

SOURCE: Final = "onramp"
SECRET_SECONDS: Final = 300.0
"""How long the secret is remembered."""
RENEWED_SECONDS: Final = 30.0
"""A refused key or secret makes us read it anew, at most this often: rotation needs no deployment."""
KMS_LIMIT: Final = 4_096
"""Bytes KMS encrypts in one call."""
LONGEST_DELAY: Final = 900
"""Seconds that SQS may hold a new message back."""
MESSAGES: Final = 10
"""Messages in one SendMessageBatch call."""
ENTRIES: Final = 10
"""Events in one PutEvents call."""
ENTRIES_SIZE: Final = 256 * 1024
"""Bytes of all events in one PutEvents call, as EventBridge counts them."""
TIME_SIZE: Final = 14
"""Bytes EventBridge counts for an event's time."""


class SqsQueue:
    """`Queue` on SQS. A queue that a function does not use may be left out."""

    def __init__(
        self,
        client: "SQSClient",
        *,
        jobs: str = "",
        dead_jobs: str = "",
        dead_events: str = "",
        notifications: str = "",
        dead_notifications: str = "",
        events: str = "",
    ) -> None:
        self._client = client
        self._jobs = jobs
        self._events = events
        self._dead_jobs = dead_jobs
        self._dead_events = dead_events
        self._notifications = notifications
        self._dead_notifications = dead_notifications

    def wake_numbers(self, phone_number_ids: Sequence[str]) -> None:
        """One wake-up call for each number, ten in a request; what is refused is sent once more.

        Raises `UnavailableError` when some were refused twice, or a request was not answered.
        """
        refused = self._wake(list(dict.fromkeys(phone_number_ids)))
        if refused and self._wake(refused):
            raise UnavailableError("queue")

    def wake_census(self, hub: str, asked_at: datetime | None = None) -> None:
        """One wake-up call for the census of a hub. Raises `UnavailableError`."""
        asked = {} if asked_at is None else {"asked_at": asked_at.isoformat()}
        self._send(self._jobs, json.dumps({"census": hub, **asked}))

    def replay_event(self, body: str, hub: str = HUB) -> None:
        """An event's body once more, as the receiver queues it. Raises `UnavailableError`."""
        body, encoding = _carried(body, "utf-8")
        self._send(self._events, body, encoding=encoding, **_of_hub(hub))

    def bury_number(self, phone_number_id: str, reason: str) -> None:
        """A number given up; moved back to the jobs queue it is a retry. Raises `UnavailableError`."""
        job = {"phone_number_id": phone_number_id, "retry": True, "reason": reason}
        self._send(self._dead_jobs, json.dumps(job), reason=reason)

    def bury_event(self, body: str, encoding: str, reason: str, hub: str = HUB) -> None:
        """A body for a person; `encoding` is `utf-8` or `base64`. What SQS cannot carry becomes base64.

        Raises `UnavailableError`.
        """
        body, encoding = _carried(body, encoding)
        self._send(self._dead_events, body, reason=reason, encoding=encoding, **_of_hub(hub))

    def wake_deliveries(self, deliveries: Sequence[tuple[str, ...]], seconds: int = 0) -> None:
        """One message for each delivery, ten in a request. Raises `UnavailableError`, also for a part."""
        for part in batched(deliveries, MESSAGES, strict=False):
            try:
                answer = self._client.send_message_batch(
                    QueueUrl=self._notifications,
                    Entries=[
                        {
                            "Id": str(index),
                            "MessageBody": json.dumps({"delivery": delivery}),
                            "DelaySeconds": min(seconds, LONGEST_DELAY),
                        }
                        for index, delivery in enumerate(part)
                    ],
                )
            except AwsError as error:
                raise UnavailableError("queue") from error
            if answer.get("Failed"):
                raise UnavailableError("queue")

    def bury_notification(self, body: str, reason: str) -> None:
        """A message for a person. Raises `UnavailableError`."""
        self._send(self._dead_notifications, body, reason=reason)

    def _wake(self, phone_number_ids: Sequence[str]) -> list[str]:
        """Send the jobs, and give the numbers whose job was refused."""
        refused: list[str] = []
        for part in batched(phone_number_ids, MESSAGES, strict=False):
            try:
                answer = self._client.send_message_batch(
                    QueueUrl=self._jobs,
                    Entries=[
                        {"Id": str(index), "MessageBody": json.dumps({"phone_number_id": phone_number_id})}
                        for index, phone_number_id in enumerate(part)
                    ],
                )
            except AwsError as error:
                raise UnavailableError("queue") from error
            refused += [part[int(entry["Id"])] for entry in answer.get("Failed", [])]
        return refused

    def _send(self, url: str, body: str, **attributes: str) -> None:
        try:
            self._client.send_message(
                QueueUrl=url,
                MessageBody=body,
                MessageAttributes=_attributes(attributes),
            )
        except AwsError as error:
            raise UnavailableError("queue") from error


def _of_hub(hub: str) -> dict[str, str]:
    """What a message says of its hub; the default one goes without saying, as releases before had it."""
    return {} if hub == HUB else {"hub": hub}


def _carried(body: str, encoding: str) -> tuple[str, str]:
    """A body as SQS carries it, and its encoding."""
    if fits_queue(body):
        return body, encoding
    return base64.b64encode(body.encode("utf-8", "surrogatepass")).decode(), "base64"


class SqsLetters:
    """`Letters` on SQS: of each queue the address of its dead letters, and of the queue they came from."""

    def __init__(self, client: "SQSClient", queues: Mapping[str, tuple[str, str | None]]) -> None:
        self._client = client
        self._queues = queues

    def names(self) -> Sequence[str]:
        """See `Letters.names`."""
        return tuple(self._queues)

    def returns(self, queue: str) -> bool:
        """See `Letters.returns`."""
        return self._queues[queue][1] is not None

    def count(self, queue: str) -> int:
        """Visible and hidden ones. Raises `UnavailableError`."""
        with _queues():
            answer = self._client.get_queue_attributes(
                QueueUrl=self._dead(queue),
                AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
            )
        return sum(map(int, answer["Attributes"].values()))

    def receive(self, queue: str, hidden_for: int) -> Sequence[Letter]:
        """At most ten; SQS asks all its machines for a second. Raises `UnavailableError`."""
        with _queues():
            answer = self._client.receive_message(
                QueueUrl=self._dead(queue),
                MaxNumberOfMessages=MESSAGES,
                VisibilityTimeout=hidden_for,
                WaitTimeSeconds=1,
                MessageAttributeNames=["All"],
                MessageSystemAttributeNames=["SentTimestamp"],
            )
        return [_letter(message) for message in answer.get("Messages", ())]

    def send_back(self, queue: str, letter: Letter) -> None:
        """A copy with its attributes. Raises `UnavailableError`."""
        url = self._queues[queue][1]
        if url is None:
            raise UnavailableError(f"no queue behind {queue}")
        with _queues():
            self._client.send_message(
                QueueUrl=url, MessageBody=letter.body, MessageAttributes=_attributes(letter.attributes)
            )

    def delete(self, queue: str, letter: Letter) -> None:
        """Raises `UnavailableError`."""
        with _queues():
            self._client.delete_message(QueueUrl=self._dead(queue), ReceiptHandle=letter.receipt)

    def release(self, queue: str, letters: Sequence[Letter]) -> None:
        """Ten in a request. Raises `UnavailableError`; what is left shows itself when its time is over."""
        for part in batched(letters, MESSAGES, strict=False):
            with _queues():
                self._client.change_message_visibility_batch(
                    QueueUrl=self._dead(queue),
                    Entries=[
                        {"Id": str(index), "ReceiptHandle": letter.receipt, "VisibilityTimeout": 0}
                        for index, letter in enumerate(part)
                    ],
                )

    def _dead(self, queue: str) -> str:
        return self._queues[queue][0]


@contextmanager
def _queues() -> Iterator[None]:
    """What goes wrong with a queue is that it does not answer."""
    try:
        yield
    except AwsError as error:
        raise UnavailableError("queue") from error


def _letter(message: "MessageTypeDef") -> Letter:
    sent = int(message.get("Attributes", {}).get("SentTimestamp", 0)) / 1000
    attributes = {
        name: value["StringValue"]
        for name, value in message.get("MessageAttributes", {}).items()
        if "StringValue" in value
    }
    return Letter(
        id=message["MessageId"],
        sent_at=datetime.fromtimestamp(sent, UTC),
        body=message["Body"],
        attributes=attributes,
        receipt=message["ReceiptHandle"],
    )


def _attributes(texts: Mapping[str, str]) -> "dict[str, MessageAttributeValueTypeDef]":
    return {name: {"DataType": "String", "StringValue": value} for name, value in texts.items()}


class EventBridgeBus:
    """`Bus` on EventBridge: each event's `detail` carries its fact's id, type and time."""

    def __init__(self, client: "EventBridgeClient", bus_name: str) -> None:
        self._client = client
        self._bus_name = bus_name

    def publish(self, facts: Sequence[Fact]) -> Sequence[str]:
        """Send the facts in their order; gives the ids of those that were not taken.

        Behind a request of which something was refused nothing is sent: what follows must not overtake it.
        """
        lost: list[str] = []
        for part in _parts([(fact.id, self._entry(fact)) for fact in facts]):
            ids = [fact_id for fact_id, _ in part]
            lost += ids if lost else self._put(ids, [entry for _, entry in part])
        return lost

    def _put(self, ids: Sequence[str], entries: "list[PutEventsRequestEntryTypeDef]") -> Sequence[str]:
        """One request; gives the ids that were not taken."""
        try:
            return _refused(ids, self._client.put_events(Entries=entries))
        except AwsError:
            return ids

    def _entry(self, fact: Fact) -> "PutEventsRequestEntryTypeDef":
        """One entry; one that is too long for a request goes without what the fact tells in detail."""
        entry: PutEventsRequestEntryTypeDef = {
            "EventBusName": self._bus_name,
            "Source": SOURCE,
            "DetailType": fact.type,
            "Time": fact.at,
            "Detail": _detail(fact, fact.detail),
        }
        if _size(entry) > ENTRIES_SIZE:
            entry["Detail"] = _detail(fact, {})
        return entry


def _detail(fact: Fact, told: Mapping[str, str | None]) -> str:
    head: dict[str, str | None] = {
        "id": fact.id,
        "at": iso(fact.at),
        "signup_id": None if fact.subject.startswith("HUB#") else fact.subject,
        "tenant": fact.tenant,
        "reference": fact.reference,
        "phone_number_id": fact.phone_number_id,
        "channel_id": fact.channel_id,
    }
    return whole(json.dumps(head | dict(told) | head, ensure_ascii=False))


def _size(entry: "PutEventsRequestEntryTypeDef") -> int:
    """Bytes of an entry as EventBridge counts them."""
    texts = (entry["Source"], entry["DetailType"], entry["Detail"])
    return TIME_SIZE + sum(len(text.encode()) for text in texts)


type _Entries = list[tuple[str, PutEventsRequestEntryTypeDef]]


def _parts(entries: _Entries) -> Iterator[_Entries]:
    """The entries in as many requests as their number and size need."""
    part: _Entries = []
    size = 0
    for fact_id, entry in entries:
        more = _size(entry)
        if part and (len(part) == ENTRIES or size + more > ENTRIES_SIZE):
            yield part
            part, size = [], 0
        part.append((fact_id, entry))
        size += more
    if part:
        yield part


def _refused(fact_ids: Sequence[str], answer: Mapping[str, object]) -> list[str]:
    """Ids of the entries an answer names as failed; an answer that tells nothing of them has lost all."""
    if not answer.get("FailedEntryCount"):
        return []
    entries = answer.get("Entries")
    if not isinstance(entries, list) or len(entries) != len(fact_ids):
        return list(fact_ids)
    return [fact_id for fact_id, entry in zip(fact_ids, entries, strict=True) if entry.get("ErrorCode")]


class KmsVault:
    """`Vault` on KMS, which encrypts directly, piece by piece, for a token may be of any length.

    A secret is the base64 of its pieces' cipher texts, joined by dots; nearly all have one piece.
    """

    def __init__(self, client: "KMSClient", key_id: str) -> None:
        self._client = client
        self._key_id = key_id

    def encrypt(self, plain: str, context: Mapping[str, str]) -> str:
        """The cipher text. Raises `UnavailableError`."""
        content = plain.encode()
        pieces = [content[start : start + KMS_LIMIT] for start in range(0, len(content), KMS_LIMIT)]
        return ".".join(self._encrypt(piece, context) for piece in pieces)

    def decrypt(self, secret: str, context: Mapping[str, str]) -> str:
        """The plain text. Raises `UnavailableError`, also for a context that does not fit."""
        return b"".join(self._decrypt(piece, context) for piece in secret.split(".")).decode()

    def _encrypt(self, piece: bytes, context: Mapping[str, str]) -> str:
        try:
            answer = self._client.encrypt(
                KeyId=self._key_id, Plaintext=piece, EncryptionContext=dict(context)
            )
        except AwsError as error:
            raise UnavailableError("keys") from error
        return base64.b64encode(answer["CiphertextBlob"]).decode()

    def _decrypt(self, piece: str, context: Mapping[str, str]) -> bytes:
        try:
            answer = self._client.decrypt(
                KeyId=self._key_id, CiphertextBlob=base64.b64decode(piece), EncryptionContext=dict(context)
            )
        except AwsError as error:
            raise UnavailableError("keys") from error
        return answer["Plaintext"]


class RememberingVault:
    """`Vault` that remembers for some minutes what it has opened: each notification needs keys.

    What is remembered lives in this process alone, by two clocks like the secret.
    """

    def __init__(
        self,
        vault: KmsVault,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._vault = vault
        self._clocks = (wall, monotonic)
        self._opened: dict[tuple[str, frozenset[tuple[str, str]]], tuple[tuple[float, ...], str]] = {}

    def encrypt(self, plain: str, context: Mapping[str, str]) -> str:
        """See `Vault.encrypt`."""
        return self._vault.encrypt(plain, context)

    def decrypt(self, secret: str, context: Mapping[str, str]) -> str:
        """See `Vault.decrypt`."""
        now = tuple(clock() for clock in self._clocks)
        name = (secret, frozenset(context.items()))
        self._opened = {
            key: kept for key, kept in self._opened.items() if is_fresh(now, kept[0], SECRET_SECONDS)
        }
        if name not in self._opened:
            self._opened[name] = (now, self._vault.decrypt(secret, context))
        return self._opened[name][1]


class Incomplete(UnavailableError):
    """The secret can be read, and lacks what is asked for."""


class Wrong(StrEnum):
    """Why a value of the version before is used: the current version's is `REFUSED`, or is `MISSING`."""

    REFUSED = "refused"
    MISSING = "missing"


class Secret:
    """The deployer's secret, read once and remembered for `SECRET_SECONDS`.

    Its age is taken by two clocks, see `is_fresh`. What lacks a value that is asked for is never remembered.

    A value that is refused after it was read anew, or is missing, is looked up once in `RENEWED_SECONDS` in
    the version before (`AWSPREVIOUS`), and what is found there is used for as long. `told` hears of it, for
    the current version is wrong then: the value's name, and why. Nothing of it happens while all is well.
    """

    def __init__(
        self,
        client: "SecretsManagerClient",
        secret_id: str,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        told: Callable[[str, Wrong], None] = lambda _name, _why: None,
    ) -> None:
        self._client = client
        self._secret_id = secret_id
        self._clocks = (wall, monotonic)
        self._told = told
        self._values: Mapping[str, object] = {}
        self._former: dict[str, str] = {}
        self._untold = False
        self._read_at: tuple[float, ...] | None = None
        self._tried_at: tuple[float, ...] | None = None
        self._former_at: tuple[float, ...] | None = None

    def forget(self) -> None:
        """Read it anew at the next use."""
        self._values, self._read_at, self._former = {}, None, {}

    def value(self, name: str) -> str:
        """One value. Raises `UnavailableError`, naming what is missing."""
        if name in self._former and self._is_fresh(self._former_at):
            return self._former[name]
        self._former.pop(name, None)
        if not is_fresh(self._now(), self._read_at, SECRET_SECONDS) or not _usable(self._values.get(name)):
            self._read_at = None
            try:
                self._remember(self._read(), name)
            except Incomplete:
                if not self._look_back(name):
                    raise
                self._untold = False
                self._told(name, Wrong.MISSING)
                return self._former[name]
        return str(self._values[name])

    def maybe(self, name: str) -> str | None:
        """One value, or None when the secret has none of that name. Raises `UnavailableError`."""
        if not is_fresh(self._now(), self._read_at, SECRET_SECONDS):
            self._values, self._read_at = self._read(), self._now()
        value = self._values.get(name)
        return value if isinstance(value, str) and value.strip() else None

    def renewed(self, name: str) -> bool:
        """After a refusal of a value: read the secret anew, then its version before, each only now and then.

        Whether there is another value now, so that it is worth another try. Never raises: the refusal counts
        then.
        """
        if not self._is_fresh(self._tried_at):
            self._tried_at = self._now()
            refused = self._former.pop(name, None) or self._values.get(name)
            try:
                self._remember(self._read(), name)
            except UnavailableError:
                return self._look_back(name)
            if self._values[name] != refused:
                # Should this one be refused as well, it has a version before it of its own.
                self._former_at = None
                return True
        # One of the version before that is refused, too, is of no use.
        return self._former.pop(name, None) is None and self._look_back(name)

    def accepted(self, name: str) -> None:
        """A value was not refused. Is it of the version before, then that is told."""
        if name in self._former and self._untold:
            self._untold = False
            self._told(name, Wrong.REFUSED)

    def _look_back(self, name: str) -> bool:
        """Whether the version before has another value, which is used then. Never raises."""
        if self._is_fresh(self._former_at):
            return False
        self._former_at = self._now()
        try:
            value = self._read("AWSPREVIOUS").get(name)
        except UnavailableError:
            return False
        if not _usable(value) or value == self._values.get(name):
            return False
        self._former[name] = str(value)
        self._untold = True
        return True

    def _remember(self, values: Mapping[str, object], name: str) -> None:
        """Keep what was read, if it has what is asked for. Raises `Incomplete`."""
        if not _usable(values.get(name)):
            raise Incomplete(f"the secret has no {name}")
        self._values = values
        self._read_at = self._now()

    def _is_fresh(self, then: tuple[float, ...] | None) -> bool:
        return is_fresh(self._now(), then, RENEWED_SECONDS)

    def _now(self) -> tuple[float, ...]:
        return tuple(clock() for clock in self._clocks)

    def _read(self, stage: str | None = None) -> Mapping[str, object]:
        """A version's content. Raises `UnavailableError`, and `Incomplete` when it is no JSON object."""
        try:
            version = {"VersionStage": stage} if stage else {}
            answer = self._client.get_secret_value(SecretId=self._secret_id, **version)
        except AwsError as error:
            raise UnavailableError("secret") from error
        try:
            values = json.loads(answer.get("SecretString", ""))
        except ValueError:
            values = None
        if not isinstance(values, dict):
            # No cause: a JSON error quotes the text, and this text is the secret.
            raise Incomplete("the secret is not a JSON object")
        return values


def _usable(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())
