"""Two calls to AWS with the standard library alone: SQS SendMessage and Secrets Manager GetSecretValue.

botocore takes a quarter of a second to import; the webhook receiver has one second for everything.
Signing is Signature Version 4 as AWS documents it; a test compares it with botocore's.
"""

import hashlib
import hmac
import http.client
import json
import re
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Self
from urllib.parse import urlsplit

ATTEMPTS: Final = 2
TIMEOUT_SECONDS: Final = 1.0
OK: Final = 200
UNFIT: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""A character that SQS refuses in a message."""


class AwsError(Exception):
    """AWS did not do it; the text holds the status and AWS's error type, nothing else."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a function signs with; Lambda puts them into the environment."""

    access_key: str
    secret_key: str
    token: str
    region: str

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Self:
        """Read Lambda's variables. Raises `KeyError` with the missing name."""
        return cls(
            access_key=environment["AWS_ACCESS_KEY_ID"],
            secret_key=environment["AWS_SECRET_ACCESS_KEY"],
            token=environment.get("AWS_SESSION_TOKEN", ""),
            region=environment["AWS_REGION"],
        )


def sign(  # noqa: PLR0917 - all of them are signed
    credentials: Credentials, service: str, host: str, headers: Mapping[str, str], body: bytes, now: datetime
) -> dict[str, str]:
    """The headers of a signed POST to `/` of `host`: those given, and what Signature Version 4 adds."""
    moment = now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    day = moment[:8]
    signed = {name.lower(): value for name, value in headers.items()}
    signed |= {"host": host, "x-amz-date": moment}
    if credentials.token:
        signed["x-amz-security-token"] = credentials.token
    names = ";".join(sorted(signed))
    canonical = "\n".join(
        [
            "POST",
            "/",
            "",
            *(f"{name}:{' '.join(signed[name].split())}" for name in sorted(signed)),
            "",
            names,
            hashlib.sha256(body).hexdigest(),
        ]
    )
    scope = f"{day}/{credentials.region}/{service}/aws4_request"
    to_sign = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = f"AWS4{credentials.secret_key}".encode()
    for part in (day, credentials.region, service, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()
    signed["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={credentials.access_key}/{scope},"
        f" SignedHeaders={names}, Signature={signature}"
    )
    return signed


class LightClient:
    """One AWS service over one kept connection. `endpoint` replaces AWS's address (local runs)."""

    def __init__(
        self,
        service: str,
        credentials: Credentials,
        endpoint: str | None,
        now: Callable[[], datetime],
    ) -> None:
        self._service = service
        self._credentials = credentials
        address = urlsplit(endpoint or f"https://{service}.{credentials.region}.amazonaws.com")
        self._host = address.netloc
        self._secure = address.scheme == "https"
        self._now = now
        self._connection: http.client.HTTPConnection | None = None

    def call(self, target: str, content_type: str, body: Mapping[str, object]) -> dict[str, object]:
        """One call of AWS's JSON protocol. Raises `AwsError`.

        A kept connection may have been closed while the function slept, so a broken one is tried once anew.
        """
        payload = json.dumps(body, ensure_ascii=False).encode()
        headers = {"content-type": content_type, "x-amz-target": target}
        for attempt in range(ATTEMPTS):
            try:
                status, answer = self._send(headers, payload)
                break
            except (OSError, http.client.HTTPException) as error:
                self._disconnect()
                if attempt == ATTEMPTS - 1:
                    raise AwsError(f"{self._service} does not answer: {type(error).__name__}") from None
        else:  # pragma: no cover - the loop breaks or raises
            raise AwsError(self._service)
        try:
            content = json.loads(answer or b"{}")
        except ValueError:
            content = {}
        if status != OK or not isinstance(content, dict):
            kind = str(content.get("__type", "")) if isinstance(content, dict) else ""
            raise AwsError(f"{self._service}: {status} {kind.rpartition('#')[2][:80]}")
        return content

    def _send(self, headers: Mapping[str, str], payload: bytes) -> tuple[int, bytes]:
        if self._connection is None:
            self._connection = self._connect()
        signed = sign(self._credentials, self._service, self._host, headers, payload, self._now())
        self._connection.request("POST", "/", body=payload, headers=signed)
        response = self._connection.getresponse()
        return response.status, response.read()

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connect(self) -> http.client.HTTPConnection:
        if self._secure:
            return http.client.HTTPSConnection(
                self._host, timeout=TIMEOUT_SECONDS, context=ssl.create_default_context()
            )
        return http.client.HTTPConnection(self._host, timeout=TIMEOUT_SECONDS)


def send_message(client: LightClient, queue_url: str, body: str, attributes: Mapping[str, str]) -> None:
    """Put a message into a queue. Raises `AwsError`."""
    client.call(
        "AmazonSQS.SendMessage",
        "application/x-amz-json-1.0",
        {
            "QueueUrl": queue_url,
            "MessageBody": body,
            "MessageAttributes": {
                name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()
            },
        },
    )


def read_secret(client: LightClient, secret_id: str) -> object:
    """The parsed value of a secret. Raises `AwsError`; its text never quotes the secret."""
    answer = client.call(
        "secretsmanager.GetSecretValue", "application/x-amz-json-1.1", {"SecretId": secret_id}
    )
    try:
        return json.loads(str(answer.get("SecretString")))
    except ValueError:
        raise AwsError("the secret is not JSON") from None
