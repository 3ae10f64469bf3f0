"""Queues, bus, keys and the secret on AWS. Clients are handed in, so that nothing happens at import."""

import base64
import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError

from onramp.domain.signup import BusEvent
from onramp.domain.text import iso
from onramp.ports import UnavailableError
from onramp.receiving import UNFIT

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_kms import KMSClient
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sqs import SQSClient

SOURCE: Final = "onramp"
SECRET_SECONDS: Final = 300.0
"""How long the secret is remembered."""
KMS_LIMIT: Final = 4_096
"""Bytes KMS encrypts in one call."""
ENTRIES: Final = 10
"""Events in one PutEvents call."""


class SqsQueue:
    """`onramp.ports.Queue`. A queue that a function does not use may be left out."""

    def __init__(
        self, client: "SQSClient", *, jobs: str = "", dead_jobs: str = "", dead_events: str = ""
    ) -> None:
        self._client = client
        self._jobs = jobs
        self._dead_jobs = dead_jobs
        self._dead_events = dead_events

    def send_job(self, signup_id: str, phone_number_id: str) -> None:
        """One wake-up call. Raises `UnavailableError`."""
        self._send(self._jobs, json.dumps({"signup_id": signup_id, "phone_number_id": phone_number_id}))

    def bury_job(self, signup_id: str, phone_number_id: str, reason: str) -> None:
        """A job given up; moved back to the jobs queue it is a retry."""
        job = {"signup_id": signup_id, "phone_number_id": phone_number_id, "retry": True, "reason": reason}
        self._send(self._dead_jobs, json.dumps(job), reason=reason)

    def bury_event(self, body: str, encoding: str, reason: str) -> None:
        """A body for a person; `encoding` is `utf-8` or `base64`. What SQS cannot carry becomes base64."""
        if UNFIT.search(body):
            body, encoding = base64.b64encode(body.encode("utf-8", "surrogatepass")).decode(), "base64"
        self._send(self._dead_events, body, reason=reason, encoding=encoding)

    def _send(self, url: str, body: str, **attributes: str) -> None:
        try:
            self._client.send_message(
                QueueUrl=url,
                MessageBody=body,
                MessageAttributes={
                    name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()
                },
            )
        except (BotoCoreError, ClientError) as error:
            raise UnavailableError("queue") from error


class EventBridgeBus:
    """`onramp.ports.Bus`: each event's `detail` carries its id, type and time."""

    def __init__(self, client: "EventBridgeClient", bus_name: str) -> None:
        self._client = client
        self._bus_name = bus_name

    def publish(self, events: Sequence[BusEvent]) -> None:
        """Send the events, ten at a time. Raises `UnavailableError` when one was not taken."""
        for start in range(0, len(events), ENTRIES):
            try:
                answer = self._client.put_events(
                    Entries=[
                        {
                            "EventBusName": self._bus_name,
                            "Source": SOURCE,
                            "DetailType": event.type,
                            "Time": event.at,
                            "Detail": json.dumps({"id": event.id, "at": iso(event.at), **event.detail}),
                        }
                        for event in events[start : start + ENTRIES]
                    ]
                )
            except (BotoCoreError, ClientError) as error:
                raise UnavailableError("bus") from error
            if answer.get("FailedEntryCount"):
                raise UnavailableError("bus")


class KmsVault:
    """`onramp.ports.Vault`: KMS encrypts directly, piece by piece, for a token may be of any length.

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
        except (BotoCoreError, ClientError) as error:
            raise UnavailableError("keys") from error
        return base64.b64encode(answer["CiphertextBlob"]).decode()

    def _decrypt(self, piece: str, context: Mapping[str, str]) -> bytes:
        try:
            answer = self._client.decrypt(
                KeyId=self._key_id, CiphertextBlob=base64.b64decode(piece), EncryptionContext=dict(context)
            )
        except (BotoCoreError, ClientError) as error:
            raise UnavailableError("keys") from error
        return answer["Plaintext"]


class Secret:
    """The deployer's secret, read once and remembered for `SECRET_SECONDS`."""

    def __init__(
        self,
        client: "SecretsManagerClient",
        secret_id: str,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._secret_id = secret_id
        self._monotonic = monotonic
        self._values: Mapping[str, object] = {}
        self._until = -1.0

    def value(self, name: str) -> str:
        """One value. Raises `UnavailableError`, naming what is missing."""
        if self._monotonic() >= self._until:
            self._values = self._read()
            self._until = self._monotonic() + SECRET_SECONDS
        value = self._values.get(name)
        if not isinstance(value, str) or not value:
            raise UnavailableError(f"the secret has no {name}")
        return value

    def _read(self) -> Mapping[str, object]:
        try:
            answer = self._client.get_secret_value(SecretId=self._secret_id)
        except (BotoCoreError, ClientError) as error:
            raise UnavailableError("secret") from error
        try:
            values = json.loads(answer.get("SecretString", ""))
        except ValueError:
            values = None
        if not isinstance(values, dict):
            # No cause: a JSON error quotes the text, and this text is the secret.
            raise UnavailableError("the secret is not a JSON object")
        return values
